/* vary.c -- the numbers of texts that are equal but for numbers: constants, parameters, and what follows from parameters.
 *
 *     112  64  448  1024         p = 64, q = 112:   q   p  p * 7  p * 16
 *     112  96  672  1536   ->        constant: q
 *     112 128  896  2048
 *
 * A number is a multiple of the first parameter of which it is one in all of the texts, else a multiple and a constant, else,
 * where that is wanted, a sum of multiples of two (a row and two columns further: p + 2q), else a parameter itself.
 * Parameters are looked for among the smaller numbers first: larger ones are multiples of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "ir.h"

enum { MOST_TIMES = 64 /* of either parameter in a sum of two */ };

typedef struct ranked {
  int64_t value;
  size_t number;
} ranked;

static int by_value(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->value != y->value) return x->value < y->value ? -1 : 1;
  return (x->number > y->number) - (x->number < y->number);
}

/* ---- relations ------------------------------------------------------------------------------------------------------ */

static bool fits(const tni_multiple *n, const int64_t *values, size_t i) {
  int64_t product, sum, more = 0;
  if (__builtin_mul_overflow(n->by, values[n->of], &product) || __builtin_add_overflow(product, n->plus, &sum)) return false;
  if (n->more && __builtin_mul_overflow(n->more, values[n->more_of], &more)) return false;
  return !__builtin_add_overflow(sum, more, &sum) && sum == values[i];
}

static bool fits_all(const tni_variation *v, const tni_multiple *n, size_t i) {
  for (size_t t = 0; t < v->count; t++)
    if (!fits(n, v->values[t], i)) return false;
  return true;
}

/* Number i as a multiple of the parameter and a constant, from two texts in which that differs. */
static bool relate(const tni_variation *v, size_t parameter, size_t i, tni_multiple *out) {
  const int64_t *a = v->values[0], *b;
  size_t t = 1;
  int64_t rise, step, product;
  while (v->values[t][parameter] == a[parameter]) t++;
  b = v->values[t];
  if (__builtin_sub_overflow(b[i], a[i], &rise) || __builtin_sub_overflow(b[parameter], a[parameter], &step)) return false;
  if ((rise < 0) != (step < 0) || rise % step != 0) return false;
  *out = (tni_multiple){.of = parameter, .by = rise / step};
  if (__builtin_mul_overflow(out->by, a[parameter], &product) || __builtin_sub_overflow(a[i], product, &out->plus)) return false;
  return fits_all(v, out, i);
}

/* Number i as a sum of multiples of two parameters, from two texts in which those are in another ratio. */
static bool relate_two(const tni_variation *v, size_t p, size_t q, size_t i, tni_multiple *out) {
  const int64_t *a = v->values[0];
  for (size_t t = 1; t < v->count; t++) {
    const int64_t *b = v->values[t];
    __int128 ratio = (__int128)a[p] * b[q] - (__int128)b[p] * a[q];
    if (!ratio) continue;
    __int128 by = (__int128)a[i] * b[q] - (__int128)b[i] * a[q], more = (__int128)a[p] * b[i] - (__int128)b[p] * a[i];
    if (by % ratio || more % ratio) return false;
    by /= ratio, more /= ratio;
    if (by < 1 || by > MOST_TIMES || more < 1 || more > MOST_TIMES) return false;
    *out = (tni_multiple){.of = p, .by = (int64_t)by, .more_of = q, .more = (int64_t)more};
    return fits_all(v, out, i);
  }
  return false;
}

static bool is_sum_of_two(const tni_variation *v, size_t count, const size_t *parameters, size_t i, tni_multiple *out) {
  for (size_t k = 0; v->sums && k < count; k++)
    for (size_t m = k + 1; m < count; m++)
      if (relate_two(v, parameters[k], parameters[m], i, out)) return true;
  return false;
}

/* What number i is, by the parameters so far; one of its own if it is nothing of them. */
static tni_multiple number_of(const tni_variation *v, size_t count, const size_t *parameters, size_t i) {
  tni_multiple constant = {.of = i, .plus = v->values[0][i]}, found, sum = {.of = i, .by = 1};
  if (fits_all(v, &constant, i)) return constant;
  for (size_t k = 0; k < count; k++) {
    if (!relate(v, parameters[k], i, &found)) continue;
    if (found.plus == 0) return found;
    if (sum.of == i) sum = found;
  }
  return sum.of == i && is_sum_of_two(v, count, parameters, i, &found) ? found : sum;
}

static bool is_parameter(const tni_variation *v, size_t i) { return v->numbers[i].of == i && v->numbers[i].by; }

/* False: no memory. */
static bool find_numbers(tni_variation *v) {
  ranked *order = TNI_NEW_ARRAY(v->arena, ranked, v->number_count);
  size_t *parameters = TNI_NEW_ARRAY(v->arena, size_t, v->number_count);
  v->numbers = TNI_NEW_ARRAY(v->arena, tni_multiple, v->number_count);
  if (!order || !parameters || !v->numbers) return false;
  for (size_t i = 0; i < v->number_count; i++) order[i] = (ranked){v->values[0][i], i};
  if (v->number_count) qsort(order, v->number_count, sizeof *order, by_value);
  v->parameter_count = 0;
  for (size_t k = 0; k < v->number_count; k++) {
    size_t i = order[k].number;
    v->numbers[i] = number_of(v, v->parameter_count, parameters, i);
    if (is_parameter(v, i)) parameters[v->parameter_count++] = i;
  }
  return true;
}

/* ---- texts ---------------------------------------------------------------------------------------------------------- */

static bool add_text(tni_variation *v, const int64_t *values) {
  if (v->count == v->capacity) {
    v->capacity = v->capacity ? 2 * v->capacity : 4;
    const int64_t **all = TNI_NEW_ARRAY(v->arena, const int64_t *, v->capacity);
    if (!all) return false;
    if (v->count) memcpy(all, v->values, v->count * sizeof *all);
    v->values = all;
  }
  v->values[v->count++] = values;
  return true;
}

bool tni_variation_begin(tni_arena *arena, size_t number_count, const int64_t *values, tni_variation *out) {
  *out = (tni_variation){.arena = arena, .number_count = number_count};
  return add_text(out, values) && find_numbers(out);
}

bool tni_variation_widened(const tni_variation *v, const int64_t *values, tni_variation *out) {
  bool known = true;
  *out = *v;
  for (size_t i = 0; i < v->number_count && known; i++)
    known = is_parameter(v, i) || (v->numbers[i].by ? fits(&v->numbers[i], values, i) : values[i] == v->numbers[i].plus);
  return add_text(out, values) && (known || find_numbers(out));
}

bool tni_variation_is_parameter(const tni_variation *v, size_t i) { return is_parameter(v, i); }

const tn_expr *tni_variation_number(tni_region *r, const tni_variation *v, const tn_expr *const *numbers, size_t i) {
  const tni_multiple *n = &v->numbers[i];
  if (!n->by) return tni_index(r, n->plus);
  const tn_expr *x = numbers[n->of];
  if (n->by != 1) x = tni_mul(r, x, tni_index(r, n->by));
  if (n->more) x = tni_add(r, x, tni_mul(r, numbers[n->more_of], tni_index(r, n->more)));
  return n->plus ? tni_add(r, x, tni_index(r, n->plus)) : x;
}
