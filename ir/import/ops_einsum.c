/* ops_einsum.c -- the converter of Einsum, as matrix products.
 *
 *     repeated letters of an operand:  its diagonal
 *     two operands:  (batch..., left, sum) * (batch..., sum, right)       batch: in both and used later; sum: in both, not
 *                                                                         used later; left, right: in one
 *     at the end:    sums over what the result does not name, its axes in the result's order
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* Letters are labels 0..51; those of `...` follow, counted from the left of the longest. */
enum { LETTERS = 52, LABELS = LETTERS + TN_MAX_RANK };

typedef struct labelled {
  uint32_t value;
  int32_t rank;
  int label[TN_MAX_RANK];
} labelled;

typedef struct einsum {
  conversion *c;
  int64_t size[LABELS]; /* of each label; 0: not seen */
  int count[LABELS];    /* how many operands still have it */
  bool in_result[LABELS];
  int32_t ellipsis; /* dimensions of the longest `...` */
} einsum;

static int letter(char ch) { return ch >= 'A' && ch <= 'Z' ? ch - 'A' : ch >= 'a' && ch <= 'z' ? ch - 'a' + 26 : -1; }

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* The labels of one term, up to `,`, `-` or the end; `rank` those of the operand, or -1 in the result. */
static const char *read_term(einsum *e, const char *s, int32_t rank, labelled *out) {
  conversion *c = e->c;
  int letters = 0;
  for (const char *p = s; *p && *p != ',' && *p != '-'; p++) letters += letter(*p) >= 0;
  out->rank = 0;
  for (; *s && *s != ',' && *s != '-' && ok(c); s++) {
    if (*s == ' ') continue;
    int label = letter(*s);
    if (label < 0 && strncmp(s, "...", 3) != 0) return fail(c, TN_E_INVALID, "the equation has a `%c`", *s), s;
    int32_t dims = label >= 0 ? 1 : rank < 0 ? e->ellipsis : rank - letters;
    if (dims < 0 || out->rank + dims > TN_MAX_RANK)
      return fail(c, TN_E_INVALID, "a term of the equation does not have the rank of its tensor"), s;
    for (int32_t k = 0; k < dims; k++) out->label[out->rank++] = label >= 0 ? label : LETTERS + e->ellipsis - dims + k;
    s += label >= 0 ? 0 : 2;
  }
  if (ok(c) && rank >= 0 && out->rank != rank)
    fail(c, TN_E_INVALID, "a term of the equation does not have the rank of its tensor");
  return s;
}

/* Dimensions that `...` stands for, in the operand that has most of them. */
static void count_ellipsis(einsum *e, const char *s) {
  for (uint32_t i = 0; i < e->c->n->input_count && ok(e->c); i++) {
    int32_t rank = in(e->c, i)->rank;
    bool any = false;
    for (; *s && *s != ',' && *s != '-'; s++) {
      rank -= letter(*s) >= 0;
      any |= *s == '.';
    }
    if (any && rank > e->ellipsis) e->ellipsis = rank;
    s += *s == ',';
  }
}

static void note_sizes(einsum *e, const labelled *x) {
  tni_gvalue v = *value_of(e->c, x->value);
  bool seen[LABELS] = {false};
  for (int32_t i = 0; i < x->rank && ok(e->c); i++) {
    int label = x->label[i];
    if (e->count[label] > 0 && v.shape[i] != e->size[label] && v.shape[i] != 1 && e->size[label] != 1)
      fail(e->c, TN_E_INVALID, "a letter stands for dimensions of %lld and %lld", (long long)e->size[label],
           (long long)v.shape[i]);
    if (e->count[label] == 0 || e->size[label] == 1) e->size[label] = v.shape[i];
    e->count[label] += !seen[label];
    seen[label] = true;
  }
}

/* Without `->`: what `...` stands for, and the letters that stand in the equation once, in their order. */
static void implicit_result(const einsum *e, const char *equation, labelled *out) {
  int times[LETTERS] = {0};
  for (const char *s = equation; *s; s++)
    if (letter(*s) >= 0) times[letter(*s)]++;
  out->rank = 0;
  for (int32_t k = 0; k < e->ellipsis; k++) out->label[out->rank++] = LETTERS + k;
  for (int label = 0; label < LETTERS; label++)
    if (times[label] == 1 && out->rank < TN_MAX_RANK) out->label[out->rank++] = label;
}

/* ---- axes ------------------------------------------------------------------------------------------------------- */

static int32_t axis_of(const labelled *x, int label) {
  for (int32_t i = 0; i < x->rank; i++)
    if (x->label[i] == label) return i;
  return -1;
}

/* x with its axes in the order of `labels`, which are its own. */
static void reorder(einsum *e, labelled *x, const int *labels) {
  int64_t perm[TN_MAX_RANK];
  bool moved = false;
  for (int32_t i = 0; i < x->rank; i++) {
    perm[i] = axis_of(x, labels[i]);
    moved |= perm[i] != i;
  }
  if (moved) x->value = permuted(e->c, x->value, perm);
  memcpy(x->label, labels, sizeof *labels * (size_t)x->rank);
}

/* Two axes of one label become one: every (n + 1)st element of both. */
static void take_diagonal(einsum *e, labelled *x, int32_t first, int32_t second) {
  conversion *c = e->c;
  tni_gvalue v = *value_of(c, x->value);
  int64_t perm[TN_MAX_RANK], shape[TN_MAX_RANK], n = v.shape[first];
  int label = x->label[first], rest[TN_MAX_RANK];
  int32_t count = 0;
  if (ok(c) && v.shape[second] != n)
    fail(c, TN_E_INVALID, "a letter stands for dimensions of %lld and %lld", (long long)n, (long long)v.shape[second]);
  for (int32_t i = 0; i < x->rank; i++) {
    if (i == first || i == second) continue;
    perm[count] = i;
    shape[count] = v.shape[i];
    rest[count++] = x->label[i];
  }
  perm[count] = first;
  perm[count + 1] = second;
  shape[count] = n * n;
  uint32_t flat = reshape(c, permuted(c, x->value, perm), count + 1, shape, NULL);
  uint32_t at = with_number(c, "mul", counting(c, TN_I64, n, 1, 0), (double)(n + 1));
  set_int(c, "axis", count);
  x->value = emit2(c, "gather", flat, at, NULL);
  rest[count] = label;
  x->rank = count + 1;
  memcpy(x->label, rest, sizeof *rest * (size_t)x->rank);
}

static void take_diagonals(einsum *e, labelled *x) {
  for (int32_t i = 0; i < x->rank; i++)
    for (int32_t k = i + 1; k < x->rank && ok(e->c); k++)
      if (x->label[i] == x->label[k]) {
        take_diagonal(e, x, i, k);
        i = -1;
        break;
      }
}

/* Sums over the axes that nobody needs any more. */
static void sum_unneeded(einsum *e, labelled *x, const labelled *beside) {
  int64_t axes[TN_MAX_RANK];
  int32_t count = 0, kept = 0;
  for (int32_t i = 0; i < x->rank; i++) {
    int label = x->label[i];
    if (e->in_result[label] || e->count[label] > 0 || (beside && axis_of(beside, label) >= 0))
      x->label[kept++] = label;
    else
      axes[count++] = i;
  }
  x->rank = kept;
  if (count > 0) x->value = reduced(e->c, "reduce_sum", x->value, count, axes, false);
}

/* ---- products ------------------------------------------------------------------------------------------------------ */

static int64_t product_of(const einsum *e, int32_t count, const int *labels) {
  int64_t n = 1;
  for (int32_t i = 0; i < count; i++) n *= e->size[labels[i]]; /* dimensions of one operand */
  return n;
}

/* x as (batch..., rows, columns). */
static uint32_t as_matrices(einsum *e, labelled *x, int32_t batch, int64_t rows, int64_t columns) {
  tni_gvalue v = *value_of(e->c, x->value);
  int64_t shape[TN_MAX_RANK];
  memcpy(shape, v.shape, sizeof shape);
  shape[batch] = rows;
  shape[batch + 1] = columns;
  return reshape(e->c, x->value, batch + 2, shape, NULL);
}

/* *x := the product of both. */
static void multiply(einsum *e, labelled *x, labelled *y) {
  conversion *c = e->c;
  int batch[TN_MAX_RANK], sum[TN_MAX_RANK], left[TN_MAX_RANK], right[TN_MAX_RANK], order[2][2 * TN_MAX_RANK];
  int32_t b = 0, s = 0, l = 0, r = 0;
  sum_unneeded(e, x, y);
  sum_unneeded(e, y, x);
  for (int32_t i = 0; i < x->rank; i++) {
    int label = x->label[i];
    bool both = axis_of(y, label) >= 0, later = e->in_result[label] || e->count[label] > 0;
    if (both && later)
      batch[b++] = label;
    else if (both)
      sum[s++] = label;
    else
      left[l++] = label;
  }
  for (int32_t i = 0; i < y->rank; i++)
    if (axis_of(x, y->label[i]) < 0) right[r++] = y->label[i];
  if (b + l + r > TN_MAX_RANK || b + 2 > TN_MAX_RANK)
    fail(c, TN_E_UNSUPPORTED, "a product of rank over %d", TN_MAX_RANK);
  for (int32_t i = 0; i < s && ok(c); i++)
    if (value_of(c, x->value)->shape[axis_of(x, sum[i])] != value_of(c, y->value)->shape[axis_of(y, sum[i])])
      fail(c, TN_E_UNSUPPORTED, "a sum over a dimension that is broadcast is not supported");
  if (!ok(c)) return;
  memcpy(order[0], batch, sizeof(int) * (size_t)b);
  memcpy(order[0] + b, left, sizeof(int) * (size_t)l);
  memcpy(order[0] + b + l, sum, sizeof(int) * (size_t)s);
  memcpy(order[1], batch, sizeof(int) * (size_t)b);
  memcpy(order[1] + b, sum, sizeof(int) * (size_t)s);
  memcpy(order[1] + b + s, right, sizeof(int) * (size_t)r);
  reorder(e, x, order[0]);
  reorder(e, y, order[1]);
  int64_t rows = product_of(e, l, left), inner = product_of(e, s, sum), columns = product_of(e, r, right);
  uint32_t p = as_matrices(e, x, b, rows, inner), q = as_matrices(e, y, b, inner, columns);
  int64_t shape[TN_MAX_RANK];
  for (int32_t i = 0; i < b; i++) shape[i] = e->size[batch[i]];
  memcpy(order[0], batch, sizeof(int) * (size_t)b);
  memcpy(order[0] + b, left, sizeof(int) * (size_t)l);
  memcpy(order[0] + b + l, right, sizeof(int) * (size_t)r);
  for (int32_t i = b; i < b + l + r; i++) shape[i] = e->size[order[0][i]];
  x->value = emit2(c, "matmul", p, q, NULL);
  for (int32_t i = 0; i < b && ok(c); i++) shape[i] = value_of(c, x->value)->shape[i];
  x->rank = b + l + r;
  x->value = reshape(c, x->value, x->rank, shape, NULL);
  memcpy(x->label, order[0], sizeof(int) * (size_t)x->rank);
}

void tni_convert_einsum(conversion *c) {
  const char *equation = attr_string(c, "equation", ""), *s = equation;
  einsum e = {.c = c};
  labelled operand[8], result;
  uint32_t count = c->n->input_count;
  if (count < 1 || count > 8) return fail(c, TN_E_UNSUPPORTED, "%u operands: 1 to 8 are supported", count);
  count_ellipsis(&e, s);
  for (uint32_t i = 0; i < count && ok(c); i++) {
    operand[i].value = input(c, i);
    s = read_term(&e, s, in(c, i)->rank, &operand[i]);
    if (ok(c)) note_sizes(&e, &operand[i]);
    if (ok(c) && (*s == ',') != (i + 1 < count))
      return fail(c, TN_E_INVALID, "the equation is not one of %u operands", count);
    s += *s == ',';
  }
  if (!ok(c)) return;
  if (strncmp(s, "->", 2) == 0)
    s = read_term(&e, s + 2, -1, &result);
  else
    implicit_result(&e, equation, &result);
  if (ok(c) && *s) return fail(c, TN_E_INVALID, "the equation goes on behind its result");
  for (int32_t i = 0; i < result.rank && ok(c); i++) {
    if (e.count[result.label[i]] == 0 || e.in_result[result.label[i]])
      return fail(c, TN_E_INVALID, "a letter of the result is in no operand, or stands there twice");
    e.in_result[result.label[i]] = true;
  }
  for (uint32_t i = 0; i < count && ok(c); i++) {
    take_diagonals(&e, &operand[i]);
    for (int32_t k = 0; k < operand[i].rank; k++) e.count[operand[i].label[k]]--;
    if (i > 0) multiply(&e, &operand[0], &operand[i]);
  }
  if (!ok(c)) return;
  sum_unneeded(&e, &operand[0], NULL);
  reorder(&e, &operand[0], result.label);
  finish(c, 0, operand[0].value);
}
