/* ops_matmul.c -- matrix products.
 *
 *     out[b..., m, n] = sum over k  x[b..., m, k] * y[b..., k, n]         batches broadcast; by fma; f16 and bf16 in
 * f32
 *
 * A vector as x has no m, as y no n. The innermost axis n is contiguous in y and out, so that it can be vectorized; an
 * importer that meets a transposed operand puts a transpose in front, which is folded when it is a constant.
 *
 * With the attributes panel and columns, y[k, n] is stored as panels of so many columns, (panels, k, panel), the last
 * one filled up: what the layout pass makes of constant ones. With group too, so many k of a column stand side by
 * side, (panels, k / group, panel, group), the last ones filled up. There may be more panels than the columns need,
 * and more groups than k does. With steps, as many as there are groups for, the sum goes on over them, of an x that
 * is 0 behind its end: they hold zeros, so that the sum is the same. With to, the factors are cast to that type, in
 * which they are summed; else they are of one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

/* The shape of y as (k, n), however it is stored. False: panels that do not hold the columns, or groups that do not the k. */
static bool plain_shape(const tni_gnode *node, const tni_gvalue *y, int64_t k, int32_t *rank, int64_t *shape) {
  int64_t panel = tni_attr_int(node, "panel", 0), columns = tni_attr_int(node, "columns", 0);
  int64_t group = tni_attr_int(node, "group", 0), steps = tni_attr_int(node, "steps", k);
  *rank = y->rank;
  memcpy(shape, y->shape, sizeof y->shape);
  if (steps < k || (steps > k && !group)) return false;
  if (!panel) return columns == 0 && group == 0;
  if (panel < 1 || columns < 1 || group < 0 || y->rank != (group ? 4 : 3) || y->shape[2] != panel) return false;
  if (group && (y->shape[3] != group || k < 1 || y->shape[1] <= (steps - 1) / group)) return false;
  *rank = 2;
  shape[0] = group ? k : y->shape[1];
  shape[1] = columns;
  return y->shape[0] > (columns - 1) / panel;
}

tn_type tni_type_of_product(const tni_gnode *node, tn_type a, tn_type y) {
  const char *to = tni_attr_string(node, "to", "");
  tn_type type = *to ? tni_type_parse(to, strlen(to)) : a;
  bool numbers = *to && type && (tni_type_is_int(a) || tni_type_is_float(a)) && (tni_type_is_int(y) || tni_type_is_float(y));
  bool floats = tni_type_is_float(type) && (numbers || (tni_type_is_float(a) && tni_type_is_float(y)));
  bool ints = type && tni_type_is_int(type) && tni_type_is_int(a) && tni_type_is_int(y);
  return (floats || ints) && (*to || a == y) ? type : 0;
}

bool tni_infer_matmul(tni_infer *x) {
  const tni_gvalue *a = x->in[0], *y = x->in[1];
  struct {
    int32_t rank;
    int64_t shape[TN_MAX_RANK];
  } plain, *c = &plain;
  tni_gvalue *out = x->out;
  if (!plain_shape(x->node, y, a->rank > 0 ? a->shape[a->rank - 1] : 0, &plain.rank, plain.shape))
    return tni_refuse(x, "the panels of the second operand do not hold the columns");
  if (!(out->type = tni_type_of_product(x->node, a->type, y->type)))
    return tni_refuse(x, "the operands need one numeric type");
  if (a->rank < 1 || c->rank < 1) return tni_refuse(x, "an operand is a scalar");
  int64_t k = a->shape[a->rank - 1], other = c->shape[c->rank > 1 ? c->rank - 2 : 0];
  if (k != other) return tni_refuse(x, "inner dimensions %lld and %lld differ", (long long)k, (long long)other);
  out->rank = a->rank > 2 ? a->rank - 2 : 0;
  memcpy(out->shape, a->shape, sizeof(int64_t) * (size_t)out->rank);
  if (!tni_broadcast_shape(&out->rank, out->shape, c->rank > 2 ? c->rank - 2 : 0, c->shape))
    return tni_refuse(x, "the batch dimensions do not broadcast");
  if (a->rank > 1) out->shape[out->rank++] = a->shape[a->rank - 2];
  if (c->rank > 1) out->shape[out->rank++] = c->shape[c->rank - 1];
  return true;
}

/* The batch subscripts of an operand in a product with `batches` batch axes. */
static int32_t batch_index(tni_define *d, const tni_gvalue *v, int32_t batches, const tn_expr *const *axes,
                           const tn_expr **index) {
  int32_t own = v->rank > 2 ? v->rank - 2 : 0;
  for (int32_t i = 0; i < own; i++) {
    int32_t axis = batches - own + i;
    index[i] = v->shape[i] == 1 && d->out_value[0]->shape[axis] != 1 ? tn_index(d->b, 0) : axes[axis];
  }
  return own;
}

bool tni_define_matmul(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *y = d->in_value[1], *out = d->out_value[0];
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(out->type);
  bool direct = type == out->type;
  const tn_expr *axes[TN_MAX_RANK], *left[TN_MAX_RANK], *right[TN_MAX_RANK];
  tni_axes(b, out->rank, out->shape, axes);
  if (x->shape[x->rank - 1] == 0) { /* a sum of nothing */
    tn_compute(b, d->out[0], axes, tni_number(b, out->type, 0));
    return true;
  }
  int64_t own = x->shape[x->rank - 1], steps = tni_attr_int(d->node, "steps", own);
  const tn_expr *k = tn_reduce_axis(b, "k", steps);
  const tn_expr *inside = steps > own ? tn_op2(b, TN_OP_lt, k, tn_index(b, own)) : NULL;
  const tn_buffer *acc = direct ? d->out[0] : tn_alloc(b, "product", type, out->rank, out->shape);
  int64_t panel = tni_attr_int(d->node, "panel", 0);
  int32_t batches = out->rank - (x->rank > 1) - (y->rank > 1);
  int32_t n = batch_index(d, x, batches, axes, left), m = panel ? 0 : batch_index(d, y, batches, axes, right);
  if (x->rank > 1) left[n++] = axes[batches];
  left[n] = k;
  const tn_expr *column = y->rank > 1 ? axes[out->rank - 1] : NULL;
  int64_t group = tni_attr_int(d->node, "group", 0);
  if (panel) right[m++] = tn_op2(b, TN_OP_floordiv, column, tn_index(b, panel));
  right[m++] = group ? tn_op2(b, TN_OP_floordiv, k, tn_index(b, group)) : k;
  if (group) right[m + 1] = tn_op2(b, TN_OP_floormod, k, tn_index(b, group));
  if (column) right[m] = panel ? tn_op2(b, TN_OP_floormod, column, tn_index(b, panel)) : column;
  tn_reduce(b, acc, axes, 1, &k, TN_REDUCE_SUM,
            tn_mul(b, tn_cast(b, type, tn_load(b, d->in[0], left, inside)),
                   tn_cast(b, type, tn_load(b, d->in[1], right, NULL))));
  if (direct) return true;
  tni_axes(b, out->rank, out->shape, axes);
  tn_compute(b, d->out[0], axes, tn_cast(b, out->type, tn_load(b, acc, axes, NULL)));
  return true;
}
