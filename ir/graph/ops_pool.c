/* ops_pool.c -- the largest or the mean of a sliding window over (n, c, space...).
 *
 *     pad:    p = x under a border of the reducer's identity               only if a window leaves the input
 *     pool:   a[n, c, o...] = max or sum over t...  p[n, c, o * stride + t * dilation...]
 *     mean:   out[n, c, o...] = a[n, c, o...] / taps that count
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "ops.h"

bool tni_infer_pool(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  tni_window w;
  bool mean = strcmp(x->node->op->name, "average_pool") == 0;
  if (!tni_type_is_float(in->type) && (mean || !tni_type_is_int(in->type)))
    return tni_refuse(x, "the input's type cannot be pooled");
  if (in->rank < 3) return tni_refuse(x, "an input of rank %d, at least 3 is needed", in->rank);
  if (!tni_window_of(x->node, in->rank - 2, in->shape + 2, NULL, &w, x->reason)) return false;
  *x->out = (tni_gvalue){.type = in->type, .rank = in->rank, .shape = {in->shape[0], in->shape[1]}};
  tni_gvalue padded = *x->out;
  size_t bytes;
  memcpy(x->out->shape + 2, w.out, sizeof(int64_t) * (size_t)w.dims);
  memcpy(padded.shape + 2, w.padded, sizeof(int64_t) * (size_t)w.dims);
  return tni_gvalue_bytes(x->ctx, &padded, &bytes) || tni_refuse(x, "the padded input is too big");
}

static void reduce_windows(tni_define *d, const tni_window *w, const tn_buffer *padded, const tn_buffer *acc,
                           tn_type type, enum tn_reducer reducer) {
  const tni_gvalue *out = d->out_value[0];
  tn_builder *b = d->b;
  const tn_expr *axes[TN_MAX_RANK], *taps[TNI_MAX_SPACE], *from[TN_MAX_RANK];
  tni_axes(b, out->rank, out->shape, axes);
  from[0] = axes[0];
  from[1] = axes[1];
  for (int32_t i = 0; i < w->dims; i++) {
    taps[i] = tn_reduce_axis(b, i == 0 ? "kh" : i == 1 ? "kw" : "kd", w->kernel[i]);
    from[2 + i] =
        tn_add(b, tn_mul(b, axes[2 + i], tn_index(b, w->stride[i])), tn_mul(b, taps[i], tn_index(b, w->dilation[i])));
  }
  tn_reduce(b, acc, axes, (size_t)w->dims, taps, reducer, tn_cast(b, type, tn_load(b, padded, from, NULL)));
}

/* The lowest number of a type, the identity of max. */
static const tn_expr *lowest(tn_builder *b, tn_type type) {
  if (tni_type_is_float(type)) return tn_float(b, type, -tni_float_highest(type));
  return tn_int(b, type, tni_type_is_signed(type) ? (int64_t)((uint64_t)-1 << (TN_TYPE_BITS(type) - 1)) : 0);
}

bool tni_define_max_pool(tni_define *d) {
  const tni_gvalue *x = d->in_value[0];
  tni_window w;
  char reason[256];
  if (!tni_window_of(d->node, x->rank - 2, x->shape + 2, NULL, &w, reason)) return false;
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

bool tni_define_average_pool(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(x->type);
  tni_window w;
  char reason[256];
  if (!tni_window_of(d->node, x->rank - 2, x->shape + 2, NULL, &w, reason)) return false;
  const tn_buffer *padded = tni_padded_input(d, &w, "pad", NULL);
  const tn_buffer *sum = tn_alloc(b, "sum", type, out->rank, out->shape);
  reduce_windows(d, &w, padded, sum, type, TN_REDUCE_SUM);
  bool padding_counts = tni_attr_int(d->node, "count_include_pad", 0) != 0;
  const tn_expr *axes[TN_MAX_RANK], *varying = NULL;
  int64_t constant = 1;
  tni_axes(b, out->rank, out->shape, axes);
  for (int32_t i = 0; i < w.dims; i++) {
    const tn_expr *taps = taps_inside(b, &w, i, axes[2 + i], padding_counts);
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
