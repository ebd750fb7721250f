/* ops_linear.c -- linear algebra by elimination.
 *
 *     det:  for each column c: the row with the largest |m[r, c]|, r >= c, comes up; out *= m[c, c] (-1 for a swap);
 *           the rows below lose their multiple of row c
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

bool tni_infer_det(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  if (!tni_type_is_float(in->type)) return tni_refuse(x, "the input is not floating-point");
  if (in->rank < 2 || in->shape[in->rank - 1] != in->shape[in->rank - 2])
    return tni_refuse(x, "the last two dimensions are not those of a square matrix");
  *x->out = (tni_gvalue){.type = in->type, .rank = in->rank - 2};
  memcpy(x->out->shape, in->shape, sizeof(int64_t) * (size_t)x->out->rank);
  return true;
}

/* One matrix: m[batch, n, n] and the result so far. */
typedef struct elimination {
  tn_builder *b;
  const tn_buffer *m, *det, *pivot;
  const tn_expr *batch, *c, *n;
} elimination;

static const tn_expr *at(const elimination *e, const tn_expr *row, const tn_expr *column) {
  const tn_expr *index[] = {e->batch, row, column};
  return tn_load(e->b, e->m, index, NULL);
}
static const tn_stmt *put(const elimination *e, const tn_expr *row, const tn_expr *column, const tn_expr *value) {
  const tn_expr *index[] = {e->batch, row, column};
  return tn_store(e->b, e->m, index, value);
}

/* pivot[0] = the row from c on whose element in column c is largest. */
static const tn_stmt *find_pivot(const elimination *e) {
  tn_builder *b = e->b;
  const tn_expr *r = tn_var(b, "r", TN_INDEX), *zero = tn_index(b, 0), *best = tn_load(b, e->pivot, &zero, NULL);
  const tn_expr *row = tn_cast(b, TN_INDEX, best), *below = tn_op2(b, TN_OP_lt, e->c, r);
  row = tn_min(b, tn_max(b, row, zero), tn_sub(b, e->n, tn_index(b, 1)));
  const tn_expr *larger =
      tn_op2(b, TN_OP_lt, tn_op1(b, TN_OP_abs, at(e, row, e->c)), tn_op1(b, TN_OP_abs, at(e, r, e->c)));
  const tn_stmt *take = tn_store_where(b, e->pivot, &zero, tn_cast(b, TN_I64, r), tni_both(b, below, larger));
  const tn_stmt *both[] = {tn_store(b, e->pivot, &zero, tn_cast(b, TN_I64, e->c)), tn_for(b, r, e->n, take)};
  return tn_seq(b, 2, both);
}

/* Swaps rows c and `p`, and takes the pivot into the result. */
static const tn_stmt *bring_up(const elimination *e, const tn_expr *p) {
  tn_builder *b = e->b;
  const tn_expr *k = tn_var(b, "k", TN_INDEX), *up = tn_var(b, "up", e->m ? tn_expr_type(at(e, p, k)) : TN_F32);
  const tn_stmt *swap[] = {put(e, p, k, at(e, e->c, k)), put(e, e->c, k, up)};
  const tn_expr *det = tn_load(b, e->det, &e->batch, NULL), *moved = tn_op2(b, TN_OP_ne, p, e->c);
  const tn_expr *signed_det = tn_op3(b, TN_OP_select, moved, tn_op1(b, TN_OP_neg, det), det);
  const tn_stmt *steps[] = {tn_for(b, k, e->n, tn_let(b, up, at(e, p, k), tn_seq(b, 2, swap))),
                            tn_store(b, e->det, &e->batch, tn_mul(b, signed_det, at(e, e->c, e->c)))};
  return tn_seq(b, 2, steps);
}

/* Rows below c lose their multiple of it. A pivot of 0 leaves 0 below, where nothing is to be done. */
static const tn_stmt *eliminate(const elimination *e) {
  tn_builder *b = e->b;
  const tn_expr *r = tn_var(b, "r", TN_INDEX), *k = tn_var(b, "k", TN_INDEX), *pivot = at(e, e->c, e->c);
  if (!pivot) return NULL;
  const tn_expr *f = tn_var(b, "f", tn_expr_type(pivot)), *zero = tni_number(b, tn_expr_type(pivot), 0);
  const tn_expr *none = tn_op2(b, TN_OP_or, tn_op2(b, TN_OP_le, r, e->c), tn_op2(b, TN_OP_eq, pivot, zero));
  const tn_expr *factor = tn_op3(b, TN_OP_select, none, zero, tn_div(b, at(e, r, e->c), pivot));
  const tn_stmt *row = put(e, r, k, tn_sub(b, at(e, r, k), tn_mul(b, f, at(e, e->c, k))));
  return tn_for(b, r, e->n, tn_let(b, f, factor, tn_for(b, k, e->n, row)));
}

bool tni_define_det(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(x->type);
  int64_t n = x->shape[x->rank - 1], batches = tni_gvalue_numel(out), flat[] = {batches, n, n};
  elimination e = {b,
                   tn_alloc(b, "m", type, 3, flat),
                   tn_alloc(b, "product", type, 1, flat),
                   tn_alloc(b, "pivot", TN_I64, 1, (const int64_t[]){1}),
                   tn_var(b, "batch", TN_INDEX),
                   tn_var(b, "c", TN_INDEX),
                   tn_index(b, n)};
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK];
  tni_axes(b, 3, flat, axes);
  tni_unflatten(b, axes[0], out->rank, out->shape, from);
  from[out->rank] = axes[1];
  from[out->rank + 1] = axes[2];
  tn_compute(b, e.m, axes, tn_cast(b, type, tn_load(b, d->in[0], from, NULL)));
  tni_axes(b, 1, flat, axes);
  tn_compute(b, e.det, axes, tni_number(b, type, 1));
  if (n > 0 && batches > 0) {
    const tn_expr *p = tn_var(b, "p", TN_INDEX), *zero = tn_index(b, 0);
    const tn_expr *found = tn_cast(b, TN_INDEX, tn_load(b, e.pivot, &zero, NULL));
    found = tn_min(b, tn_max(b, found, zero), tn_index(b, n - 1));
    const tn_stmt *step[] = {find_pivot(&e), tn_let(b, p, found, bring_up(&e, p)), eliminate(&e)};
    tn_emit(b, tn_for(b, e.batch, tn_index(b, batches), tn_for(b, e.c, e.n, tn_seq(b, 3, step))));
  }
  tni_axes(b, out->rank, out->shape, axes);
  const tn_expr *flat_at = tni_flatten(b, out->rank, out->shape, axes);
  tn_compute(b, d->out[0], axes, tn_cast(b, out->type, tn_load(b, e.det, &flat_at, NULL)));
  return true;
}
