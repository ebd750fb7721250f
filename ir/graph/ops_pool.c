/* ops_pool.c -- the largest or the mean of a sliding window over (n, c, space...).
 *
 *     pad:    p = x under a border of the reducer's identity               only if a window leaves the input
 *             p = x at the nearest place in it                             of the largest, where that is in the window
 *             p = x, and taps outside of it are left out                   of a sum, but along the last dimension
 *     pool:   a[n, c, o...] = max or sum over t...  p[n, c, o * stride + t * dilation...]
 *     mean:   out[n, c, o...] = a[n, c, o...] / taps that count
 *     lp:     out[n, c, o...] = (sum over t...  |p[...]|^p)^(1 / p)
 *     places: out[n, c, o...] = the place in x, as one number, of the first tap that is a[n, c, o...]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "ops.h"

bool tni_infer_pool(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  tni_window w;
  bool real = strstr(x->node->op->name, "max") == NULL;
  if (!tni_type_is_float(in->type) && (real || !tni_type_is_int(in->type)))
    return tni_refuse(x, "the input's type cannot be pooled");
  if (in->rank < 3) return tni_refuse(x, "an input of rank %d, at least 3 is needed", in->rank);
  if (!tni_window_of(x->node, in->rank - 2, in->shape + tni_space_dim(x->node), NULL, &w, x->reason)) return false;
  *x->out = (tni_gvalue){.type = in->type, .rank = in->rank};
  memcpy(x->out->shape, in->shape, sizeof in->shape);
  tni_gvalue padded = *x->out;
  size_t bytes;
  memcpy(x->out->shape + w.first, w.out, sizeof(int64_t) * (size_t)w.dims);
  memcpy(padded.shape + w.first, w.padded, sizeof(int64_t) * (size_t)w.dims);
  return tni_gvalue_bytes(x->ctx, &padded, &bytes) || tni_refuse(x, "the padded input is too big");
}

bool tni_infer_lp_pool(tni_infer *x) {
  int64_t p = tni_attr_int(x->node, "p", 2);
  if (p < 1 || p > 1 << 20) return tni_refuse(x, "`p` is %lld", (long long)p);
  return tni_infer_pool(x);
}

bool tni_infer_max_pool_indices(tni_infer *x) {
  if (!tni_infer_pool(x)) return false;
  x->out->type = TN_I64;
  return true;
}

/* The axes of the output and of the taps, and where in the padded input they meet. */
typedef struct window_axes {
  const tn_expr *out[TN_MAX_RANK], *taps[TNI_MAX_SPACE], *from[TN_MAX_RANK];
} window_axes;

static void make_axes(tni_define *d, const tni_window *w, window_axes *a) {
  const tni_gvalue *out = d->out_value[0];
  tn_builder *b = d->b;
  tni_axes(b, out->rank, out->shape, a->out);
  memcpy(a->from, a->out, (size_t)out->rank * sizeof *a->from);
  for (int32_t i = 0; i < w->dims; i++) {
    a->taps[i] = tn_reduce_axis(b, i == 0 ? "kh" : i == 1 ? "kw" : "kd", w->kernel[i]);
    a->from[w->first + i] = tn_add(b, tn_mul(b, a->out[w->first + i], tn_index(b, w->stride[i])),
                                   tn_mul(b, a->taps[i], tn_index(b, w->dilation[i])));
  }
}

static void reduce_windows(tni_define *d, const tni_window *w, const tn_buffer *padded, const tn_buffer *acc,
                           tn_type type, enum tn_reducer reducer) {
  window_axes a;
  make_axes(d, w, &a);
  const tn_expr *value = tn_cast(d->b, type, tn_load(d->b, padded, a.from, NULL));
  tn_reduce(d->b, acc, a.out, (size_t)w->dims, a.taps, reducer, value);
}

/* A sum over windows needs no border: taps outside of the input are left out, and loops of taps begin and end where it does.
 * Along the last dimension, where lanes are neighbours, those of one vector would not have the same taps. */
static void sum_windows(tni_define *d, const tni_window *whole, const tn_buffer *sum,
                        const tn_expr *(*value_of)(const tni_define *d, const tn_expr *x)) {
  const tni_gvalue *x = d->in_value[0];
  tn_builder *b = d->b;
  tni_window w = *whole;
  bool bounded[TNI_MAX_SPACE];
  int64_t before[TNI_MAX_SPACE];
  window_axes a;
  const tn_expr *inside = NULL;
  for (int32_t i = 0; i < w.dims; i++)
    bounded[i] = w.first + i < x->rank - 1 && (w.begin[i] > 0 || w.padded[i] > w.in[i]);
  tni_window_bound(&w, bounded, before);
  const tn_buffer *padded = tni_padded_input(d, &w, "pad", NULL);
  make_axes(d, &w, &a);
  for (int32_t i = 0; i < w.dims; i++) {
    const tn_expr **from = &a.from[w.first + i];
    if (!bounded[i]) continue;
    *from = tn_sub(b, *from, tn_index(b, before[i]));
    inside = tni_both(b, inside, tni_inside(b, *from, w.in[i]));
  }
  const tn_expr *value = value_of(d, tn_cast(b, tni_sum_type(x->type), tn_load(b, padded, a.from, inside)));
  tni_reduce_where(b, sum, a.out, (size_t)w.dims, a.taps, TN_REDUCE_SUM, value, inside);
}

/* The lowest number of a type, the identity of max. */
static const tn_expr *lowest(tn_builder *b, tn_type type) {
  if (tni_type_is_float(type)) return tn_float(b, type, -tni_float_highest(type));
  return tn_int(b, type, tni_type_is_signed(type) ? (int64_t)((uint64_t)-1 << (TN_TYPE_BITS(type) - 1)) : 0);
}

/* The largest of what is in the window needs no border: instead of a tap outside, what is nearest in the input can be
 * taken once more, if the window's taps are neighbours and one of them is in the input. So no tap has a condition. But
 * along the last dimension, where loads of neighbours are vectors, they would be no neighbours any more. */
static void take_nearest(const tni_gvalue *x, tni_window *w) {
  for (int32_t i = 0; i < w->dims; i++) {
    bool meets = w->begin[i] < w->kernel[i] && (w->out[i] - 1) * w->stride[i] < w->begin[i] + w->in[i];
    w->nearest[i] = meets && w->dilation[i] == 1 && w->in[i] > 0 && w->first + i < x->rank - 1;
  }
}

bool tni_define_max_pool(tni_define *d) {
  const tni_gvalue *x = d->in_value[0];
  tni_window w;
  char reason[256];
  if (!tni_window_of(d->node, x->rank - 2, x->shape + tni_space_dim(d->node), NULL, &w, reason)) return false;
  take_nearest(x, &w);
  const tn_buffer *padded = tni_padded_input(d, &w, "pad", lowest(d->b, x->type));
  reduce_windows(d, &w, padded, d->out[0], x->type, TN_REDUCE_MAX);
  return true;
}

/* How many taps of window o fall into 0..extent - begin of the input, where `begin` elements of padding count too. */
static const tn_expr *taps_inside(tn_builder *b, const tni_window *w, int32_t i, const tn_expr *o,
                                  bool padding_counts) {
  int64_t low = padding_counts ? 0 : w->begin[i], high = w->begin[i] + w->in[i] + (padding_counts ? w->end[i] : 0);
  if (low == 0 && w->padded[i] <= high) return NULL;
  const tn_expr *start = tn_mul(b, o, tn_index(b, w->stride[i]));
  const tn_expr *d = tn_index(b, w->dilation[i]), *round_up = tn_index(b, w->dilation[i] - 1);
  const tn_expr *first = tn_op2(b, TN_OP_floordiv, tn_add(b, tn_sub(b, tn_index(b, low), start), round_up), d);
  const tn_expr *last = tn_op2(b, TN_OP_floordiv, tn_add(b, tn_sub(b, tn_index(b, high), start), round_up), d);
  return tn_sub(b, tn_min(b, last, tn_index(b, w->kernel[i])), tn_max(b, first, tn_index(b, 0)));
}

static const tn_expr *plain_value(const tni_define *d, const tn_expr *x) { return (void)d, x; }

bool tni_define_average_pool(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(x->type);
  tni_window w;
  char reason[256];
  if (!tni_window_of(d->node, x->rank - 2, x->shape + tni_space_dim(d->node), NULL, &w, reason)) return false;
  const tn_buffer *sum = tn_alloc(b, "sum", type, out->rank, out->shape);
  sum_windows(d, &w, sum, plain_value);
  bool padding_counts = tni_attr_int(d->node, "count_include_pad", 0) != 0;
  const tn_expr *axes[TN_MAX_RANK], *varying = NULL;
  int64_t constant = 1;
  tni_axes(b, out->rank, out->shape, axes);
  for (int32_t i = 0; i < w.dims; i++) {
    const tn_expr *taps = taps_inside(b, &w, i, axes[w.first + i], padding_counts);
    if (!taps)
      constant *= w.kernel[i];
    else
      varying = varying ? tn_mul(b, varying, taps) : taps;
  }
  const tn_expr *count = tn_float(b, type, (double)constant);
  if (varying) count = tn_mul(b, count, tn_cast(b, type, tn_cast(b, TN_I64, varying)));
  const tn_expr *mean = tn_div(b, tn_load(b, sum, axes, NULL), count);
  tn_compute(b, d->out[0], axes, tn_cast(b, out->type, mean));
  return true;
}

/* |x|^p */
static const tn_expr *power_value(const tni_define *d, const tn_expr *x) {
  tn_builder *b = d->b;
  int64_t p = tni_attr_int(d->node, "p", 2);
  const tn_expr *value = tn_op1(b, TN_OP_abs, x);
  if (p == 1) return value;
  return p == 2 ? tn_mul(b, value, value) : tn_op2(b, TN_OP_pow, value, tn_float(b, tn_expr_type(x), (double)p));
}

bool tni_define_lp_pool(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(x->type);
  int64_t p = tni_attr_int(d->node, "p", 2);
  tni_window w;
  char reason[256];
  if (!tni_window_of(d->node, x->rank - 2, x->shape + 2, NULL, &w, reason)) return false;
  const tn_buffer *sum = tn_alloc(b, "sum", type, out->rank, out->shape);
  const tn_expr *axes[TN_MAX_RANK], *root = tn_float(b, type, 1 / (double)p);
  sum_windows(d, &w, sum, power_value);
  tni_axes(b, out->rank, out->shape, axes);
  const tn_expr *value = tn_load(b, sum, axes, NULL);
  value = p == 1 ? value : p == 2 ? tn_op1(b, TN_OP_sqrt, value) : tn_op2(b, TN_OP_pow, value, root);
  tn_compute(b, d->out[0], axes, tn_cast(b, out->type, value));
  return true;
}

/* ---- the places of the largest ------------------------------------------------------------------------------------- */

/* The place in x of a tap, row by row; *inside: it is in x, not in the padding. */
static const tn_expr *place_of(tni_define *d, const tni_window *w, const window_axes *a, const tn_expr **inside) {
  const tni_gvalue *x = d->in_value[0];
  tn_builder *b = d->b;
  const tn_expr *place = tn_add(b, tn_mul(b, a->from[0], tn_index(b, x->shape[1])), a->from[1]);
  *inside = NULL;
  for (int32_t i = 0; i < w->dims; i++) {
    const tn_expr *at = tn_sub(b, a->from[2 + i], tn_index(b, w->begin[i]));
    if (w->needs_padding) *inside = tni_both(b, *inside, tni_inside(b, at, w->in[i]));
    place = tn_add(b, tn_mul(b, place, tn_index(b, w->in[i])), at);
  }
  return tn_cast(b, TN_I64, place);
}

/* The same place when the last dimension varies slowest. */
static const tn_expr *column_major(tni_define *d, const tni_window *w, const tn_expr *place) {
  tn_builder *b = d->b;
  const tn_expr *at[TNI_MAX_SPACE], *rest = place;
  for (int32_t i = w->dims - 1; i >= 0; i--) {
    at[i] = tn_op2(b, TN_OP_floormod, rest, tn_int(b, TN_I64, w->in[i]));
    rest = tn_op2(b, TN_OP_floordiv, rest, tn_int(b, TN_I64, w->in[i]));
  }
  for (int32_t i = w->dims - 1; i >= 0; i--) rest = tn_add(b, tn_mul(b, rest, tn_int(b, TN_I64, w->in[i])), at[i]);
  return rest;
}

bool tni_define_max_pool_indices(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  tni_window w;
  char reason[256];
  if (!tni_window_of(d->node, x->rank - 2, x->shape + 2, NULL, &w, reason)) return false;
  const tn_buffer *padded = tni_padded_input(d, &w, "pad", lowest(b, x->type));
  const tn_buffer *max = tn_alloc(b, "max", x->type, out->rank, out->shape);
  const tn_buffer *place = tn_alloc(b, "place", TN_I64, out->rank, out->shape);
  reduce_windows(d, &w, padded, max, x->type, TN_REDUCE_MAX);
  window_axes a;
  make_axes(d, &w, &a);
  const tn_expr *inside, *at = place_of(d, &w, &a, &inside);
  const tn_expr *hit = tn_op2(b, TN_OP_eq, tn_load(b, padded, a.from, NULL), tn_load(b, max, a.out, NULL));
  int64_t n = tni_gvalue_numel(x);
  at = tn_op3(b, TN_OP_select, tni_both(b, hit, inside), at, tn_int(b, TN_I64, n > 0 ? n - 1 : 0));
  tn_reduce(b, place, a.out, (size_t)w.dims, a.taps, TN_REDUCE_MIN, at);
  tni_axes(b, out->rank, out->shape, a.out);
  at = tn_load(b, place, a.out, NULL);
  tn_compute(b, d->out[0], a.out, tni_attr_int(d->node, "storage_order", 0) ? column_major(d, &w, at) : at);
  return true;
}
