/* type.c -- element types: their classes, sizes and names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "lib.h"

static const struct {
  const char *name;
  tn_type type;
} names[] = {
    {"bool", TN_BOOL},
    {"i2", TN_I2},
    {"u2", TN_U2},
    {"i4", TN_I4},
    {"u4", TN_U4},
    {"i8", TN_I8},
    {"i16", TN_I16},
    {"i32", TN_I32},
    {"i64", TN_I64},
    {"u8", TN_U8},
    {"u16", TN_U16},
    {"u32", TN_U32},
    {"u64", TN_U64},
    {"f16", TN_F16},
    {"f32", TN_F32},
    {"f64", TN_F64},
    {"bf16", TN_BF16},
    {"index", TN_INDEX},
    {"ptr", TN_POINTER},
    {"void", TN_VOID},
    {"f8e4m3", TN_F8E4M3},
    {"f8e5m2", TN_F8E5M2},
    {"f8e4m3uz", TN_F8E4M3UZ},
    {"f8e5m2uz", TN_F8E5M2UZ},
    {"f8e8m0", TN_F8E8M0},
    {"f4e2m1", TN_F4E2M1},
};

static const char *name_of(tn_type type) {
  for (size_t i = 0; i < TNI_COUNT(names); i++)
    if (names[i].type == TN_TYPE_WITH_LANES(type, 1)) return names[i].name;
  return NULL;
}

bool tni_type_has_float_format(tn_type type) { return tni_float_format_of(type) != NULL; }

bool tni_type_is_valid(tn_type type) {
  uint32_t lanes = TN_TYPE_LANES(type);
  return name_of(type) && (TN_TYPE_CODE(type) == TN_CODE_VOID ? lanes == 1 : lanes >= 1);
}

bool tni_is_element_type(tn_type type) {
  return tni_type_is_valid(type) && TN_TYPE_LANES(type) == 1 &&
         (tni_type_is_float(type) || tni_type_is_int(type) || type == TN_BOOL);
}

const char *tn_type_text(tn_type type, char text[16]) {
  if (!tni_type_is_valid(type))
    snprintf(text, 16, "?");
  else if (TN_TYPE_LANES(type) == 1)
    snprintf(text, 16, "%s", name_of(type));
  else
    snprintf(text, 16, "%sx%u", name_of(type), (unsigned)TN_TYPE_LANES(type) & 0xffffu);
  return text;
}

/* The decimal digits of a count of lanes: 2..65535 without a leading 0; 0 when they are none. */
static uint32_t parse_lanes(const char *text, size_t length) {
  uint32_t lanes = 0;
  if (!length || length > 5 || text[0] == '0') return 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') return 0;
    lanes = lanes * 10 + (uint32_t)(text[i] - '0');
  }
  return lanes >= 2 && lanes <= 0xffff ? lanes : 0;
}

tn_type tni_type_parse(const char *text, size_t length) {
  for (size_t i = 0; i < TNI_COUNT(names); i++) {
    size_t size = strlen(names[i].name);
    if (size > length || memcmp(names[i].name, text, size)) continue;
    if (size == length) return names[i].type;
    if (text[size] != 'x' || names[i].type == TN_VOID) continue;
    uint32_t lanes = parse_lanes(text + size + 1, length - size - 1);
    if (lanes) return TN_TYPE_WITH_LANES(names[i].type, lanes);
  }
  return 0;
}

size_t tn_type_bytes(tn_type type) { return ((size_t)TN_TYPE_BITS(type) * TN_TYPE_LANES(type) + 7) / 8; }

size_t tn_array_bytes(tn_type type, int64_t count) {
  size_t bits = (size_t)TN_TYPE_BITS(type) * TN_TYPE_LANES(type), whole, rest;
  if (count < 0 || !tni_mul_size((size_t)count / 8, bits, &whole)) return SIZE_MAX;
  rest = ((size_t)count % 8 * bits + 7) / 8;
  return whole > PTRDIFF_MAX - rest ? SIZE_MAX : whole + rest;
}

DLDataType tn_type_to_dlpack(tn_type type) {
  return (DLDataType){(uint8_t)TN_TYPE_CODE(type), (uint8_t)TN_TYPE_BITS(type), (uint16_t)TN_TYPE_LANES(type)};
}

tn_type tn_type_from_dlpack(DLDataType type) { return TN_TYPE(type.code, type.bits, type.lanes); }
