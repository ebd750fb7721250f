/* array.c -- tensors as files have them: any type that .npy knows, compact, row-major.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

enum { ALIGN = 4096 }; /* the most that a buffer may ask for */

bool array_create(array *a, tn_type type, int32_t rank, const int64_t *shape, const char *what) {
  size_t bytes = tn_type_bytes(type);
  *a = (array){.type = type, .rank = rank};
  for (int32_t i = 0; i < rank; i++) {
    a->shape[i] = shape[i];
    if (shape[i] < 0 || (shape[i] > 0 && bytes > (size_t)PTRDIFF_MAX / (size_t)shape[i])) {
      fprintf(stderr, "tenon: %s: the shape %s is too large\n", what, shape_text(type, rank, shape));
      return false;
    }
    bytes *= (size_t)shape[i];
  }
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

int64_t array_count(const array *a) {
  int64_t count = 1;
  for (int32_t i = 0; i < a->rank; i++) count *= a->shape[i];
  return count;
}

size_t array_bytes(const array *a) { return (size_t)array_count(a) * tn_type_bytes(a->type); }

DLTensor array_rows(const array *a, int64_t first, int64_t rows, int64_t *shape) {
  memcpy(shape, a->shape, sizeof a->shape);
  DLTensor t = {
      .data = a->data, .device = {kDLCPU, 0}, .ndim = a->rank, .dtype = tn_type_to_dlpack(a->type), .shape = shape};
  if (a->rank == 0 || (first == 0 && rows == a->shape[0])) return t;
  shape[0] = rows;
  t.data = (char *)a->data + (size_t)first * (array_bytes(a) / (size_t)a->shape[0]);
  return t;
}

static double half_to_double(uint16_t h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  double x = exponent == 31 ? (fraction ? NAN : INFINITY)
             : exponent     ? ldexp(1024 + fraction, exponent - 25)
                            : ldexp(fraction, -24);
  return h >> 15 ? -x : x;
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
