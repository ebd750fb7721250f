/* array.c -- tensors as files have them: any type that .npy knows, compact, row-major.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

enum { ALIGN = 4096 }; /* the most that a buffer may ask for */

/* Elements; -1 when a size is negative or they are too many. */
static int64_t count_of(int32_t rank, const int64_t *shape) {
  return tn_dltensor_numel(&(DLTensor){.ndim = rank, .shape = (int64_t *)shape});
}

bool array_create(array *a, tn_type type, int32_t rank, const int64_t *shape, const char *what) {
  size_t bytes = tn_array_bytes(type, count_of(rank, shape));
  *a = (array){.type = type, .rank = rank};
  if (bytes == SIZE_MAX) {
    fprintf(stderr, "tenon: %s: the shape %s is too large\n", what, shape_text(type, rank, shape));
    return false;
  }
  if (rank) memcpy(a->shape, shape, sizeof *shape * (size_t)rank);
  size_t room = (bytes + ALIGN) / ALIGN * ALIGN;
  a->data = room > bytes ? aligned_alloc(ALIGN, room) : NULL;
  if (a->data) memset(a->data, 0, room);
  if (!a->data) fprintf(stderr, "tenon: %s: no memory for %zu bytes\n", what, bytes);
  return a->data != NULL;
}

void array_destroy(array *a) {
  free(a->data);
  a->data = NULL;
}

array array_of(const DLTensor *view) {
  array a = {.type = tn_type_from_dlpack(view->dtype), .rank = view->ndim, .data = view->data};
  if (a.rank) memcpy(a.shape, view->shape, sizeof *a.shape * (size_t)a.rank);
  return a;
}

bool array_is_like(const array *a, const array *b) {
  return a->type == b->type && a->rank == b->rank && !memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->rank);
}

int64_t array_count(const array *a) { return count_of(a->rank, a->shape); }

size_t array_bytes(const array *a) { return tn_array_bytes(a->type, array_count(a)); }

bool rows_share_bytes(tn_type type, int32_t rank, const int64_t *shape) {
  return rank > 0 && TN_TYPE_BITS(type) < 8 && count_of(rank - 1, shape + 1) * TN_TYPE_BITS(type) % 8 != 0;
}

DLTensor array_rows(const array *a, int64_t first, int64_t rows, int64_t *shape) {
  memcpy(shape, a->shape, sizeof a->shape);
  DLTensor t = {
      .data = a->data, .device = {kDLCPU, 0}, .ndim = a->rank, .dtype = tn_type_to_dlpack(a->type), .shape = shape};
  if (a->rank == 0 || (first == 0 && rows == a->shape[0])) return t;
  shape[0] = rows;
  t.data = (char *)a->data + (size_t)first * (array_bytes(a) / (size_t)a->shape[0]);
  return t;
}

/* A number of so many exponent and fraction bits, which is neither infinite nor NaN. */
static double number_of_bits(unsigned bits, int exponent_bits, int fraction_bits, int bias) {
  int exponent = (int)(bits >> fraction_bits & ((1u << exponent_bits) - 1));
  double fraction = bits & ((1u << fraction_bits) - 1), one = exponent ? 1 << fraction_bits : 0;
  double x = ldexp(fraction + one, (exponent ? exponent : 1) - bias - fraction_bits);
  return bits >> (exponent_bits + fraction_bits) & 1 ? -x : x;
}

static double half_to_double(unsigned h) {
  if ((h & 0x7c00) == 0x7c00) return h & 0x3ff ? (double)NAN : h >> 15 ? -(double)INFINITY : (double)INFINITY;
  return number_of_bits(h, 5, 10, 15);
}

static double byte_to_double(tn_type type, unsigned bits) {
  switch (type) {
  case TN_F8E5M2: return half_to_double(bits << 8);
  case TN_F8E4M3: return (bits & 0x7f) == 0x7f ? (double)NAN : number_of_bits(bits, 4, 3, 7);
  case TN_F8E4M3UZ: return bits == 0x80 ? (double)NAN : number_of_bits(bits, 4, 3, 8);
  case TN_F8E8M0: return bits == 0xff ? (double)NAN : ldexp(1, (int)bits - 127);
  default: return bits == 0x80 ? (double)NAN : number_of_bits(bits, 5, 2, 16);
  }
}

/* An element that shares its byte. */
static double packed_get(const array *a, int64_t i) {
  int bits = (int)TN_TYPE_BITS(a->type), each = 8 / bits,
      x = ((uint8_t *)a->data)[i / each] >> i % each * bits & ((1 << bits) - 1);
  if (a->type == TN_F4E2M1) return number_of_bits((unsigned)x, 2, 1, 1);
  return TN_TYPE_CODE(a->type) == kDLInt && x >> (bits - 1) ? x - (1 << bits) : x;
}

static uint16_t double_to_half_of_byte(double x) { /* 0 <= x <= 1, rounded to nearest, ties to even */
  if (x < ldexp(1, -14)) return (uint16_t)nearbyint(ldexp(x, 24));
  int exponent;
  double fraction = frexp(x, &exponent); /* 0.5 <= fraction < 1 */
  return (uint16_t)((uint32_t)(exponent + 13) * 1024 + (uint32_t)nearbyint(ldexp(fraction, 11)));
}

double array_get(const array *a, int64_t i) {
  switch (a->type) {
  case TN_F32: return ((float *)a->data)[i];
  case TN_F64: return ((double *)a->data)[i];
  case TN_F16: return half_to_double(((uint16_t *)a->data)[i]);
  case TN_F8E4M3:
  case TN_F8E5M2:
  case TN_F8E4M3UZ:
  case TN_F8E8M0:
  case TN_F8E5M2UZ: return byte_to_double(a->type, ((uint8_t *)a->data)[i]);
  case TN_I2:
  case TN_U2:
  case TN_I4:
  case TN_F4E2M1:
  case TN_U4: return packed_get(a, i);
  case TN_I8: return ((int8_t *)a->data)[i];
  case TN_I16: return ((int16_t *)a->data)[i];
  case TN_I32: return ((int32_t *)a->data)[i];
  case TN_I64: return (double)((int64_t *)a->data)[i];
  case TN_BOOL:
  case TN_U8: return ((uint8_t *)a->data)[i];
  case TN_U16: return ((uint16_t *)a->data)[i];
  case TN_U32: return ((uint32_t *)a->data)[i];
  case TN_U64: return (double)((uint64_t *)a->data)[i];
  case TN_BF16: {
    uint32_t bits = (uint32_t)((uint16_t *)a->data)[i] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
  }
  default: return NAN;
  }
}

bool array_pictures_to(array *a, tn_type type, const char *what) {
  array to;
  if (!array_create(&to, type, a->rank, a->shape, what)) return false;
  const uint8_t *from = a->data;
  int64_t count = array_count(a);
  for (int64_t i = 0; i < count; i++) {
    switch (type) {
    case TN_F32: ((float *)to.data)[i] = (float)from[i] / 255; break;
    case TN_F64: ((double *)to.data)[i] = from[i] / 255.0; break;
    default: ((uint16_t *)to.data)[i] = double_to_half_of_byte(from[i] / 255.0);
    }
  }
  array_destroy(a);
  *a = to;
  return true;
}

char *shape_text(tn_type type, int32_t rank, const int64_t *shape) {
  char name[16];
  char *text = take_text("%s[", tn_type_text(type, name));
  for (int32_t i = 0; i < rank; i++) text = take_text("%s%s%lld", text, i ? ", " : "", (long long)shape[i]);
  return take_text("%s]", text);
}
