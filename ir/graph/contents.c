/* contents.c -- contents of constants in another order: weights are large, and caches want them in blocks. And sums and products
 * of floats, of which norms of channels have thousands.
 *
 *     (rows, columns) -> (columns, rows)   in squares of BLOCK elements: a cache line is read once, and written once
 *     any transpose                        in runs that stay together, or squares of two of the dimensions
 *     a + b, sqrt(a), ..                   of f32, element by element, or one number for all
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "graph.h"

enum { BLOCK = 16, NUMBERS = 256 /* at once */, EXPONENT = 0x7f800000 /* of infinity and NaN */ };

/* ---- squares ----------------------------------------------------------------------------------------------------- */

/* By way of two small squares: where rows lie a power of two apart, caches hold few lines of different rows at once, so
 * each line is read, and written, in one go. Elements may lie at any byte. */
#define TURN(type)                                                                                                   \
  static inline void turn_square_##type(char *to, size_t to_stride, const char *from, size_t from_stride,            \
                                        size_t rows, size_t columns) {                                               \
    type in[BLOCK][BLOCK], out[BLOCK][BLOCK];                                                                        \
    for (size_t r = 0; r < rows; r++) memcpy(in[r], from + r * from_stride * sizeof(type), columns * sizeof(type));  \
    for (size_t c = 0; c < columns; c++)                                                                             \
      for (size_t r = 0; r < rows; r++) out[c][r] = in[r][c];                                                        \
    for (size_t c = 0; c < columns; c++) memcpy(to + c * to_stride * sizeof(type), out[c], rows * sizeof(type));     \
  }                                                                                                                  \
  static void turn_##type(char *to, size_t to_stride, const char *from, size_t from_stride, size_t rows,             \
                          size_t columns) {                                                                          \
    if (rows == BLOCK && columns == BLOCK)                                                                           \
      turn_square_##type(to, to_stride, from, from_stride, BLOCK, BLOCK);                                            \
    else                                                                                                             \
      turn_square_##type(to, to_stride, from, from_stride, rows, columns);                                           \
  }
TURN(uint8_t)
TURN(uint16_t)
TURN(uint32_t)
TURN(uint64_t)
#undef TURN

typedef void turner(char *to, size_t to_stride, const char *from, size_t from_stride, size_t rows, size_t columns);

static turner *turner_of(size_t bytes) {
  return bytes == 1 ? turn_uint8_t : bytes == 2 ? turn_uint16_t : bytes == 4 ? turn_uint32_t : turn_uint64_t;
}

void tni_turn_contents(void *to, size_t to_stride, const void *from, size_t from_stride, size_t rows, size_t columns,
                       size_t bytes) {
  turner *turn = turner_of(bytes);
  for (size_t r = 0; r < rows; r += BLOCK) {
    size_t down = rows - r < BLOCK ? rows - r : BLOCK;
    for (size_t c = 0; c < columns; c += BLOCK)
      turn((char *)to + (c * to_stride + r) * bytes, to_stride, (const char *)from + (r * from_stride + c) * bytes,
           from_stride, down, columns - c < BLOCK ? columns - c : BLOCK);
  }
}

/* ---- transposes -------------------------------------------------------------------------------------------------- */

/* Dimensions of the result, the outermost first, and how far neighbours along each are apart in what it is made of. */
typedef struct moved {
  int32_t rank;
  int64_t extent[TN_MAX_RANK], stride[TN_MAX_RANK];
} moved;

/* Without dimensions of 1; those that stay together are one. */
static moved moves_of(const tni_gvalue *x, const int64_t *perm) {
  moved m = {0};
  int64_t strides[TN_MAX_RANK], size = 1;
  for (int32_t d = x->rank; d-- > 0; size *= x->shape[d]) strides[d] = size;
  for (int32_t i = 0; i < x->rank; i++) {
    int32_t d = perm ? (int32_t)perm[i] : x->rank - 1 - i;
    int64_t extent = x->shape[d], stride = strides[d];
    if (extent == 1) continue;
    if (m.rank && m.stride[m.rank - 1] == stride * extent) {
      m.extent[m.rank - 1] *= extent;
      m.stride[m.rank - 1] = stride;
    } else {
      m.extent[m.rank] = extent;
      m.stride[m.rank++] = stride;
    }
  }
  return m;
}

/* The result's last dimension, and `across`, along which neighbours are neighbours in what it is made of: a run, where
 * both are one. */
static void move_inner(const moved *m, int32_t across, int64_t to_stride, char *to, const char *from, size_t bytes) {
  int32_t last = m->rank - 1;
  if (across == last)
    memcpy(to, from, (size_t)m->extent[last] * bytes);
  else
    tni_turn_contents(to, (size_t)to_stride, from, (size_t)m->stride[last], (size_t)m->extent[last],
                      (size_t)m->extent[across], bytes);
}

static void move_all(const moved *m, char *to, const char *from, size_t bytes) {
  int64_t at[TN_MAX_RANK] = {0}, to_strides[TN_MAX_RANK], size = 1;
  int32_t across = 0, last = m->rank - 1, d;
  for (d = m->rank; d-- > 0; size *= m->extent[d]) to_strides[d] = size;
  while (m->stride[across] != 1) across++;
  do {
    int64_t to_place = 0, from_place = 0;
    for (d = 0; d < m->rank; d++) to_place += at[d] * to_strides[d], from_place += at[d] * m->stride[d];
    move_inner(m, across, to_strides[across], to + (size_t)to_place * bytes, from + (size_t)from_place * bytes, bytes);
    for (d = last; d >= 0; d--) {
      if (d == across || d == last) continue;
      if (++at[d] < m->extent[d]) break;
      at[d] = 0;
    }
  } while (d >= 0);
}

bool tni_transpose_contents(const tni_gnode *node, const tni_gvalue *x, void *to) {
  int32_t count;
  if (!x || !x->data) return false; /* there was no memory */
  size_t bytes = tn_type_bytes(x->type);
  bool known = (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) && !tni_type_is_packed(x->type);
  if (strcmp(node->op->name, "transpose") != 0 || !known) return false;
  moved m = moves_of(x, tni_attr_ints(node, "perm", &count));
  if (tni_gvalue_numel(x) == 0) return true;
  if (m.rank == 0)
    memcpy(to, x->data, bytes);
  else
    move_all(&m, to, x->data, bytes);
  return true;
}

bool tni_concat_contents(const tni_gnode *node, const tni_gvalue *const *in, const tni_gvalue *out, void *to) {
  size_t bytes = tn_type_bytes(out->type), outer = 1;
  int32_t axis = (int32_t)tni_attr_int(node, "axis", 0);
  if (strcmp(node->op->name, "concat") != 0 || bytes == 0 || tni_type_is_packed(out->type)) return false;
  if (axis < 0) axis += out->rank;
  for (uint32_t i = 0; i < node->input_count; i++)
    if (!in[i] || !in[i]->data) return false; /* there was no memory */
  for (int32_t d = 0; d < axis; d++) outer *= (size_t)out->shape[d];
  char *at = to;
  for (size_t o = 0; o < outer; o++)
    for (uint32_t i = 0; i < node->input_count; i++) {
      size_t run = (size_t)tni_gvalue_numel(in[i]) / outer * bytes;
      if (run) memcpy(at, (const char *)in[i]->data + o * run, run);
      at += run;
    }
  return true;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* From element i on, wherever they lie; the same one if there is one alone; 1 behind the last. */
static void read_numbers(const tni_gvalue *v, int64_t i, int64_t count, float to[NUMBERS]) {
  const char *from = v->data;
  bool alone = tni_gvalue_numel(v) == 1;
  float number = 1;
  if (alone) memcpy(&number, from, sizeof number);
  for (int k = 0; k < NUMBERS; k++) to[k] = number;
  if (!alone) memcpy(to, from + (size_t)i * sizeof *to, (size_t)count * sizeof *to);
}

#define EACH(op, value)                                              \
  static void op##_numbers(float *a, const float *b) {               \
    float made[NUMBERS];                                             \
    for (int i = 0; i < NUMBERS; i++) made[i] = (value);             \
    memcpy(a, made, sizeof made);                                    \
    (void)b;                                                         \
  }
EACH(add, a[i] + b[i])
EACH(sub, a[i] - b[i])
EACH(mul, a[i] * b[i])
EACH(div, a[i] / b[i])
EACH(sqrt, sqrtf(a[i]))
#undef EACH

static const struct {
  const char *op;
  uint32_t inputs;
  void (*each)(float *a, const float *b);
} numbers[] = {
    {"add", 2, add_numbers}, {"sub", 2, sub_numbers},   {"mul", 2, mul_numbers},
    {"div", 2, div_numbers}, {"sqrt", 1, sqrt_numbers},
};

static bool are_finite(const float *numbers_made) {
  uint32_t bits[NUMBERS], found = 0;
  memcpy(bits, numbers_made, sizeof bits);
  for (int i = 0; i < NUMBERS; i++) found |= (bits[i] & EXPONENT) == EXPONENT;
  return !found;
}

/* A constant of as many numbers as the result, in their order, or of one. */
static bool fits(const tni_gvalue *v, const tni_gvalue *out) {
  return v && v->data && v->type == TN_F32 && (tni_gvalue_numel(v) == 1 || tni_gvalue_numel(v) == tni_gvalue_numel(out));
}

bool tni_number_contents(const tni_gnode *node, const tni_gvalue *const *in, const tni_gvalue *out, void *to) {
  size_t which = 0;
  while (which < TNI_COUNT(numbers) && strcmp(numbers[which].op, node->op->name) != 0) which++;
  if (which == TNI_COUNT(numbers) || node->attr_count || out->type != TN_F32) return false;
  for (uint32_t i = 0; i < numbers[which].inputs; i++)
    if (!fits(in[i], out)) return false;
  float a[NUMBERS], b[NUMBERS] = {0};
  int64_t all = tni_gvalue_numel(out), count;
  for (int64_t i = 0; i < all; i += count) {
    count = all - i < NUMBERS ? all - i : NUMBERS;
    read_numbers(in[0], i, count, a);
    if (numbers[which].inputs > 1) read_numbers(in[1], i, count, b);
    numbers[which].each(a, b);
    if (!are_finite(a)) return false; /* which NaN is the evaluator's */
    memcpy((char *)to + (size_t)i * sizeof *a, a, (size_t)count * sizeof *a);
  }
  return true;
}
