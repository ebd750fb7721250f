/* onnx_tensor.c -- ONNX's TensorProto: all its encodings of numbers.
 *
 * Elements stand either in raw_data (little-endian, compact) or in one typed list: float_data for f32; int32_data for
 * i32, the smaller integers (those that share a byte by bytes, as in raw_data), bool and the bits of the shorter
 * floats; int64_data; double_data; uint64_data for u32 and u64. Or they are in another file, as external_data says:
 * its location, an offset and a length.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import.h"

enum {
  FIELD_DIMS = 1,
  FIELD_TYPE = 2,
  FIELD_SEGMENT = 3,
  FIELD_STRINGS = 6,
  FIELD_NAME = 8,
  FIELD_RAW = 9,
  FIELD_EXTERNAL = 13,
  FIELD_LOCATION = 14
};

/* One row per type that can be read: its number in TensorProto.DataType and the typed list that may hold it. */
typedef struct data_type {
  int64_t onnx_type;
  tn_type type;
  uint32_t list;
  enum tni_wire_kind kind;
} data_type;

static const data_type data_types[] = {
    {1, TN_F32, 4, TNI_WIRE_FIXED32},    {2, TN_U8, 5, TNI_WIRE_VARINT},        {3, TN_I8, 5, TNI_WIRE_VARINT},
    {4, TN_U16, 5, TNI_WIRE_VARINT},     {5, TN_I16, 5, TNI_WIRE_VARINT},       {6, TN_I32, 5, TNI_WIRE_VARINT},
    {7, TN_I64, 7, TNI_WIRE_VARINT},     {9, TN_BOOL, 5, TNI_WIRE_VARINT},      {10, TN_F16, 5, TNI_WIRE_VARINT},
    {11, TN_F64, 10, TNI_WIRE_FIXED64},  {12, TN_U32, 11, TNI_WIRE_VARINT},     {13, TN_U64, 11, TNI_WIRE_VARINT},
    {16, TN_BF16, 5, TNI_WIRE_VARINT},   {17, TN_F8E4M3, 5, TNI_WIRE_VARINT},   {18, TN_F8E4M3UZ, 5, TNI_WIRE_VARINT},
    {19, TN_F8E5M2, 5, TNI_WIRE_VARINT}, {20, TN_F8E5M2UZ, 5, TNI_WIRE_VARINT}, {21, TN_U4, 5, TNI_WIRE_VARINT},
    {22, TN_I4, 5, TNI_WIRE_VARINT},     {23, TN_F4E2M1, 5, TNI_WIRE_VARINT},   {24, TN_F8E8M0, 5, TNI_WIRE_VARINT},
    {25, TN_U2, 5, TNI_WIRE_VARINT},     {26, TN_I2, 5, TNI_WIRE_VARINT},
};

static const data_type *find_type(int64_t onnx_type) {
  for (size_t i = 0; i < TNI_COUNT(data_types); i++)
    if (data_types[i].onnx_type == onnx_type) return &data_types[i];
  return NULL;
}

tn_type tni_onnx_type(int64_t onnx_type) {
  const data_type *t = find_type(onnx_type);
  return t ? t->type : 0;
}

/* ---- the header ------------------------------------------------------------------------------------------------ */

static bool add_dim(void *self, uint64_t value) {
  tni_onnx_data *d = self;
  if (d->rank < TN_MAX_RANK) d->shape[d->rank] = (int64_t)value;
  return ++d->rank <= TN_MAX_RANK;
}

static bool count_one(void *self, uint64_t value) {
  (void)value;
  ++*(size_t *)self;
  return true;
}

static bool is_list(uint32_t number) {
  return (number >= 4 && number <= 7 && number != FIELD_STRINGS) || number == 10 || number == 11;
}

/* A decimal number, as texts of external_data are. */
static bool read_decimal(tni_view text, uint64_t *out) {
  const char *digits = (const char *)text.data;
  *out = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (digits[i] < '0' || digits[i] > '9') return false;
    if (__builtin_mul_overflow(*out, 10, out)) return false;
    if (__builtin_add_overflow(*out, (uint64_t)(digits[i] - '0'), out)) return false;
  }
  return text.size > 0;
}

static const char *read_external(tni_view entry, tni_onnx_data *d) {
  tni_view key = tni_wire_find(entry, 1), value = tni_wire_find(entry, 2);
  if (tni_view_is(key, "location")) {
    d->location = value;
    return NULL;
  }
  if (tni_view_is(key, "offset")) return read_decimal(value, &d->offset) ? NULL : "external data: `offset` is no number";
  if (tni_view_is(key, "length")) {
    d->has_length = true;
    return read_decimal(value, &d->length) ? NULL : "external data: `length` is no number";
  }
  return tni_view_is(key, "checksum") ? NULL : "external data: keys are location, offset, length and checksum";
}

/* Reads all fields but the typed lists. Gives NULL or what is wrong, with the status in *status. */
static const char *read_header(tni_view bytes, tni_onnx_data *d, tn_status *status) {
  tni_wire_item item;
  const char *wrong;
  *status = TN_E_UNSUPPORTED;
  while (tni_wire_next(&bytes, &item)) {
    switch (item.number) {
    case FIELD_DIMS:
      if (!tni_wire_numbers(&item, TNI_WIRE_VARINT, add_dim, d)) return "the tensor has too many dimensions";
      break;
    case FIELD_TYPE: d->onnx_type = (int64_t)item.value; break;
    case FIELD_NAME: d->name = item.view; break;
    case FIELD_RAW:
      d->raw = item.view;
      d->has_raw = true;
      break;
    case FIELD_SEGMENT: return "segments of tensors are not supported";
    case FIELD_EXTERNAL:
      if ((wrong = read_external(item.view, d))) return *status = TN_E_INVALID, wrong;
      break;
    case FIELD_LOCATION:
      if (item.value > 1) return *status = TN_E_INVALID, "the place of the elements is not known";
      d->outside = item.value == 1;
      break;
    default: break;
    }
  }
  const data_type *t = find_type(d->onnx_type);
  if (!t) return "the element type is not supported";
  d->type = t->type;
  *status = TN_E_INVALID;
  return NULL;
}

/* The elements of typed lists, of the right one and of others. */
static void count_lists(tni_view bytes, uint32_t right, enum tni_wire_kind kind, size_t *count, bool *other) {
  tni_wire_item item;
  *count = 0;
  *other = false;
  while (tni_wire_next(&bytes, &item)) {
    if (!is_list(item.number)) continue;
    if (item.number == right)
      tni_wire_numbers(&item, kind, count_one, count);
    else if (item.wire != 2 || item.view.size > 0)
      *other = true;
  }
}

/* Are as many elements in another file as the shape says? */
static tn_status check_outside(tn_context *ctx, const tni_onnx_data *d, const char *place, tn_error **err) {
  if (!d->location.size)
    return tni_fail(ctx, err, TN_E_INVALID, "import", place, "external data: `location` is missing");
  if (d->has_length && d->length != d->bytes)
    return tni_fail(ctx, err, TN_E_INVALID, "import", place, "external data has %llu bytes, the shape needs %zu",
                    (unsigned long long)d->length, d->bytes);
  return TN_OK;
}

tn_status tni_onnx_data_read_any(tn_context *ctx, tni_view bytes, const char *place, tni_onnx_data *out,
                                 tn_error **err) {
  tn_status status;
  *out = (tni_onnx_data){.whole = bytes};
  const char *wrong = read_header(bytes, out, &status);
  if (wrong && out->onnx_type && status == TN_E_UNSUPPORTED)
    return tni_fail(ctx, err, status, "import", place, "%s (data type %lld)", wrong, (long long)out->onnx_type);
  if (wrong) return tni_fail(ctx, err, status, "import", place, "%s", wrong);
  for (int32_t i = 0; i < out->rank; i++)
    if (out->shape[i] < 0)
      return tni_fail(ctx, err, TN_E_INVALID, "import", place, "dimension %d is %lld", i, (long long)out->shape[i]);
  tni_gvalue v = {.type = out->type, .rank = out->rank};
  memcpy(v.shape, out->shape, sizeof v.shape);
  if (!tni_gvalue_bytes(ctx, &v, &out->bytes))
    return tni_fail(ctx, err, TN_E_LIMIT, "import", place, "the tensor is over tn_limits.tensor_bytes");
  out->numel = (size_t)tni_gvalue_numel(&v);
  size_t listed = out->bytes / tn_type_bytes(out->type); /* those that share bytes by the byte */
  const data_type *t = find_type(out->onnx_type);
  size_t count;
  bool other;
  count_lists(bytes, t->list, t->kind, &count, &other);
  if (other || (out->has_raw && count > 0) || (out->outside && (out->has_raw || count > 0)))
    return tni_fail(ctx, err, TN_E_INVALID, "import", place,
                    "the tensor has elements in more than one field, or in the wrong one");
  if (out->outside) return check_outside(ctx, out, place, err);
  if (out->has_raw && out->raw.size != out->bytes)
    return tni_fail(ctx, err, TN_E_INVALID, "import", place, "raw_data has %zu bytes, the shape needs %zu",
                    out->raw.size, out->bytes);
  if (!out->has_raw && count != listed)
    return tni_fail(ctx, err, TN_E_INVALID, "import", place, "the tensor has %zu %s, the shape needs %zu", count,
                    tni_type_is_packed(out->type) ? "bytes of elements" : "elements", listed);
  return TN_OK;
}

tn_status tni_onnx_data_read(tn_context *ctx, tni_view bytes, const char *place, tni_onnx_data *out, tn_error **err) {
  tn_status status = tni_onnx_data_read_any(ctx, bytes, place, out, err);
  if (status != TN_OK || !out->outside) return status;
  return tni_fail(ctx, err, TN_E_UNSUPPORTED, "import", place, "elements in another file are read for weights only");
}

/* ---- the elements ---------------------------------------------------------------------------------------------- */

typedef struct writer {
  uint8_t *to;
  size_t size; /* of one element */
} writer;

/* The low bytes of the number: two's complement and IEEE bits alike. */
static bool write_one(void *self, uint64_t value) {
  writer *w = self;
  memcpy(w->to, &value, w->size);
  w->to += w->size;
  return true;
}

void tni_onnx_data_copy(const tni_onnx_data *data, void *to) {
  const data_type *t = find_type(data->onnx_type);
  tni_view rest = data->whole;
  tni_wire_item item;
  writer w = {to, tn_type_bytes(data->type)};
  if (data->bytes == 0) return;
  if (data->has_raw) memcpy(to, data->raw.data, data->bytes);
  while (!data->has_raw && tni_wire_next(&rest, &item))
    if (item.number == t->list) tni_wire_numbers(&item, t->kind, write_one, &w);
  uint8_t *bytes = to;
  for (size_t i = 0; data->type == TN_BOOL && i < data->bytes; i++) bytes[i] = bytes[i] != 0;
}

const void *tni_onnx_data_in_place(const tni_onnx_data *data, bool loose) {
  if (!data->has_raw || data->type == TN_BOOL || !data->bytes) return NULL;
  return loose || (uintptr_t)data->raw.data % tn_type_bytes(data->type) == 0 ? data->raw.data : NULL;
}

tn_status tn_onnx_tensor(tn_context *context, const void *bytes, size_t size, tn_tensor **out, tn_error **err) {
  tni_view view = {bytes, size};
  tni_onnx_data data;
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = tni_wire_check(context, &tni_onnx_tensor, view, err);
  if (status == TN_OK) status = tni_onnx_data_read(context, view, "tensor", &data, err);
  if (status == TN_OK) status = tn_tensor_create(context, data.type, data.rank, data.shape, out, err);
  if (status == TN_OK) tni_onnx_data_copy(&data, tn_tensor_data(*out));
  return status;
}
