/* ops_scatter.c -- operators that write where data say: scatter, and the places of the largest.
 *
 *     scatter:  out = x;  then, in order, out[at] = op(out[at], update) for every update whose place is inside
 *     top_k:    key = x as an integer in the order of the numbers;  for r in 0..k: the best key behind the one before
 *
 * These are plain loops in order: updates may meet in one place, and each of the largest depends on the one before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

/* ---- scatter ---------------------------------------------------------------------------------------------------- */

static bool check_scatter(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *at = x->in[1], *updates = x->in[2];
  const char *how = tni_attr_string(x->node, "reduction", "none");
  if (at->type != TN_I32 && at->type != TN_I64) return tni_refuse(x, "indices are not i32 or i64");
  if (updates->type != in->type) return tni_refuse(x, "updates of another type than the data");
  *x->out = (tni_gvalue){.type = in->type, .rank = in->rank};
  memcpy(x->out->shape, in->shape, sizeof in->shape);
  if (strcmp(how, "none") == 0) return true;
  if (in->type == TN_BOOL) return tni_refuse(x, "a reduction of bools");
  for (size_t i = 0; i < 4; i++)
    if (strcmp(how, (const char *const[]){"add", "mul", "min", "max"}[i]) == 0) return true;
  return tni_refuse(x, "there is no reduction `%.32s`", how);
}

bool tni_infer_scatter_elements(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *at = x->in[1], *updates = x->in[2];
  int32_t axis;
  if (!check_scatter(x) || !tni_infer_axis_of(x, tni_attr_int(x->node, "axis", 0), in->rank, &axis)) return false;
  if (at->rank != in->rank) return tni_refuse(x, "indices of rank %d for rank %d", at->rank, in->rank);
  if (updates->rank != at->rank || memcmp(updates->shape, at->shape, sizeof(int64_t) * (size_t)at->rank) != 0)
    return tni_refuse(x, "updates and indices have different shapes");
  for (int32_t i = 0; i < in->rank; i++)
    if (i != axis && at->shape[i] > in->shape[i])
      return tni_refuse(x, "indices are longer than the data along axis %d", i);
  return true;
}

bool tni_infer_scatter_nd(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *at = x->in[1], *updates = x->in[2];
  if (!check_scatter(x)) return false;
  int64_t k = at->rank > 0 ? at->shape[at->rank - 1] : -1;
  if (k < 0 || k > in->rank) return tni_refuse(x, "the index tuples do not fit rank %d", in->rank);
  bool fits = updates->rank == at->rank - 1 + in->rank - (int32_t)k;
  for (int32_t i = 0; fits && i < updates->rank; i++)
    fits = updates->shape[i] == (i < at->rank - 1 ? at->shape[i] : in->shape[i - (at->rank - 1) + k]);
  return fits || tni_refuse(x, "the updates do not have the shape of what they replace");
}

static const tn_stmt *write_update(tni_define *d, const tn_expr *const *to, const tn_expr *value,
                                   const tn_expr *inside) {
  const char *how = tni_attr_string(d->node, "reduction", "none");
  if (strcmp(how, "none") == 0) return tn_store_where(d->b, d->out[0], to, value, inside);
  enum tn_op op = strcmp(how, "add") == 0   ? TN_OP_add
                  : strcmp(how, "mul") == 0 ? TN_OP_mul
                  : strcmp(how, "min") == 0 ? TN_OP_min
                                            : TN_OP_max;
  return tn_reduce_store_where(d->b, op, d->out[0], to, value, inside);
}

bool tni_define_scatter_elements(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *updates = d->in_value[2];
  tn_builder *b = d->b;
  int32_t axis = (int32_t)tni_normal_axis(d->node, 0, x->rank);
  const tn_expr *vars[TN_MAX_RANK], *to[TN_MAX_RANK], *inside = NULL;
  tni_define_identity(d);
  if (tni_gvalue_numel(updates) == 0) return true;
  tni_loop_vars(b, updates, vars);
  memcpy(to, vars, sizeof to);
  to[axis] = tni_read_index(b, tn_load(b, d->in[1], vars, NULL), x->shape[axis], &inside);
  tn_emit(b, tni_in_loops(b, updates, vars, write_update(d, to, tn_load(b, d->in[2], vars, NULL), inside)));
  return true;
}

bool tni_define_scatter_nd(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *at = d->in_value[1], *updates = d->in_value[2];
  tn_builder *b = d->b;
  int32_t k = (int32_t)at->shape[at->rank - 1];
  const tn_expr *vars[TN_MAX_RANK], *tuple[TN_MAX_RANK], *to[TN_MAX_RANK], *inside = NULL;
  tni_define_identity(d);
  if (tni_gvalue_numel(updates) == 0) return true;
  tni_loop_vars(b, updates, vars);
  for (int32_t i = 0; i < at->rank - 1; i++) tuple[i] = vars[i];
  for (int32_t i = 0; i < x->rank; i++) {
    tuple[at->rank - 1] = tn_index(b, i);
    to[i] =
        i < k ? tni_read_index(b, tn_load(b, d->in[1], tuple, NULL), x->shape[i], &inside) : vars[at->rank - 1 + i - k];
  }
  tn_emit(b, tni_in_loops(b, updates, vars, write_update(d, to, tn_load(b, d->in[2], vars, NULL), inside)));
  return true;
}

/* ---- top_k ------------------------------------------------------------------------------------------------------ */

bool tni_infer_top_k(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  int64_t k = tni_attr_int(x->node, "k", 0);
  int32_t axis;
  if (!tni_type_is_float(in->type) && !tni_type_is_int(in->type)) return tni_refuse(x, "the input is not a number");
  if (!tni_infer_axis_of(x, tni_attr_int(x->node, "axis", -1), in->rank, &axis)) return false;
  if (k < 0 || k > in->shape[axis])
    return tni_refuse(x, "%lld of %lld elements", (long long)k, (long long)in->shape[axis]);
  *x->out = (tni_gvalue){.type = TN_I64, .rank = in->rank};
  memcpy(x->out->shape, in->shape, sizeof in->shape);
  x->out->shape[axis] = k;
  return true;
}

/* Is there a better candidate at i than what is at r so far, among those behind what is at r - 1? */
static const tn_expr *is_better(tni_define *d, const tn_buffer *keys, const tn_expr *key, const tn_expr *i,
                                const tn_expr *const *now, const tn_expr *const *before, const tn_expr *any_before) {
  tn_builder *b = d->b;
  const tn_expr *last_key = tn_load(b, keys, before, any_before), *last = tn_load(b, d->out[0], before, any_before);
  const tn_expr *behind =
      tn_op2(b, TN_OP_or, tn_op2(b, TN_OP_lt, key, last_key),
             tn_op2(b, TN_OP_and, tn_op2(b, TN_OP_eq, key, last_key), tn_op2(b, TN_OP_lt, last, i)));
  behind = tn_op2(b, TN_OP_or, behind, tn_op1(b, TN_OP_not, any_before));
  const tn_expr *none = tn_op2(b, TN_OP_lt, tn_load(b, d->out[0], now, NULL), tn_int(b, TN_I64, 0));
  return tn_op2(b, TN_OP_and, behind, tn_op2(b, TN_OP_or, none, tn_op2(b, TN_OP_lt, tn_load(b, keys, now, NULL), key)));
}

bool tni_define_top_k_indices(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  int32_t axis = (int32_t)tni_normal_axis(d->node, -1, x->rank);
  const tn_buffer *all = tn_alloc(b, "key", TN_I64, x->rank, x->shape);
  const tn_buffer *keys = tn_alloc(b, "best", TN_I64, out->rank, out->shape);
  const tn_expr *axes[TN_MAX_RANK], *now[TN_MAX_RANK], *before[TN_MAX_RANK], *from[TN_MAX_RANK];
  tni_axes(b, x->rank, x->shape, axes);
  const tn_expr *order = tni_order_key(b, tn_load(b, d->in[0], axes, NULL));
  bool largest = tni_attr_int(d->node, "largest", 1) != 0;
  tn_compute(b, all, axes, largest ? order : tn_op1(b, TN_OP_not, order));
  tni_loop_vars(b, out, now);
  memcpy(before, now, sizeof before);
  memcpy(from, now, sizeof from);
  const tn_expr *i = from[axis] = tn_var(b, "i", TN_INDEX), *key = tn_var(b, "k", TN_I64),
                *better = tn_var(b, "better", TN_BOOL);
  before[axis] = tn_sub(b, now[axis], tn_index(b, 1));
  const tn_expr *any_before = tn_op2(b, TN_OP_lt, tn_index(b, 0), now[axis]), *at = tn_cast(b, TN_I64, i);
  const tn_stmt *take[] = {tn_store_where(b, keys, now, key, better), tn_store_where(b, d->out[0], now, at, better)};
  const tn_stmt *step = tn_let(b, better, is_better(d, keys, key, at, now, before, any_before), tn_seq(b, 2, take));
  step = tn_let(b, key, tn_load(b, all, from, NULL), step);
  const tn_stmt *round[] = {tn_store(b, keys, now, tn_int(b, TN_I64, INT64_MIN)),
                            tn_store(b, d->out[0], now, tn_int(b, TN_I64, -1)),
                            tn_for(b, i, tn_index(b, x->shape[axis]), step)};
  tn_emit(b, tni_in_loops(b, out, now, tn_seq(b, 3, round)));
  return true;
}
