/* ops_conv.c -- convolutions over (n, c, space...) with weights (m, c / group, taps...).
 *
 *     pad:    p[n, c, y...]  = x[n, c, y - begin...]                      only if a window leaves the input
 *     conv:   a[n, m, o...]  = sum over c, t...  p[n, first(m) + c, o * stride + t * dilation...] * w[m, c, t...]
 *     bias:   out[n, m, o...] = a[n, m, o...] + bias[m]                   only if there is one
 *
 * The sum is accumulated by fma in the order c, t...; f16 and bf16 in f32. With the attribute channels_last images are
 * (n, space..., c). With oc_last the weights of a convolution are stored as (c / group, taps..., m), with panel and
 * columns as panels of so many of the m, (panels, c / group, taps..., panel), the last one filled up: what the layout
 * pass makes of constant ones. With side too, so many of the c stand side by side, (panels, c / side, taps..., panel,
 * side), the last ones filled up with zeros, and with the padding those of the input. With joined those that stand side
 * by side are of the row that so many innermost taps and all channels are in images, (panels, other taps..., row / side,
 * panel, side): of few channels most of each side would be zeros. Of channels by themselves, with oc_last, it is the taps
 * of the first dimension, (taps / side, other taps..., m, side), the last ones filled up with zeros, and the last tap's
 * input again.
 *
 * With the attribute to, the factors are cast to that type, in which they are summed; else they are of one. With
 * outside, the padding is made of that number instead of 0.
 *
 * With the attribute bounded, one number for each dimension of space, those with 1 have no padding: taps outside of the
 * input are left out of the sum. For finite weights that is the same: x = 0 adds nothing to a sum that begins at 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { MOST_JOINED = 1 << 30 /* taps, and channels */, ROW = 64 /* elements, for whole vectors */ };

/* Of images with the channels last, so many innermost taps of which are joined; dimensions as below. */
static int32_t joined_shape(const tni_gnode *node, const tni_gvalue *w, int64_t channels, int64_t shape[TN_MAX_RANK]) {
  int64_t taps = tni_attr_int(node, "joined", 0), side = tni_attr_int(node, "side", 0);
  int64_t columns = tni_attr_int(node, "columns", 0), panel = tni_attr_int(node, "panel", 0);
  int32_t rank = w->rank - 1, count;
  const int64_t *dilations = tni_attr_ints(node, "dilations", &count);
  bool hold = tni_attr_int(node, "channels_last", 0) && tni_attr_int(node, "group", 1) == 1 && rank >= 3 && side > 0;
  if (!hold || taps < 1 || taps > MOST_JOINED || channels < 1 || channels > MOST_JOINED || columns < 1) return 0;
  if (dilations && (count != rank - 2 || dilations[count - 1] != 1)) return 0;
  if (w->shape[rank - 2] != (taps * channels - 1) / side + 1 || w->shape[rank] != side || panel < 1) return 0;
  if (w->shape[rank - 1] != panel || w->shape[0] <= (columns - 1) / panel) return 0;
  memcpy(shape + 2, w->shape + 1, sizeof *shape * (size_t)(rank - 3));
  shape[0] = columns, shape[1] = channels, shape[rank - 1] = taps;
  return rank;
}

/* Of channels by themselves, of which so many taps of the first dimension are joined. */
static int32_t stacked_shape(const tni_gnode *node, const tni_gvalue *w, int64_t shape[TN_MAX_RANK]) {
  int64_t taps = tni_attr_int(node, "joined", 0), side = tni_attr_int(node, "side", 0);
  int32_t rank = w->rank;
  bool hold = tni_attr_int(node, "channels_last", 0) && rank >= 3 && taps >= 1 && taps <= MOST_JOINED && side > 0;
  if (!hold || w->shape[0] != (taps - 1) / side + 1 || w->shape[rank - 1] != side) return 0;
  if (w->shape[rank - 2] != tni_attr_int(node, "group", 1)) return 0;
  shape[0] = w->shape[rank - 2], shape[1] = 1, shape[2] = taps;
  memcpy(shape + 3, w->shape + 1, sizeof *shape * (size_t)(rank - 3));
  return rank;
}

/* The shape of a convolution's weights as (m, c / group, taps...), however they are stored, and how many dimensions that
 * has; 0: panels that do not hold the channels. `channels`: those of the image, which those side by side are of. */
static int32_t weight_shape(const tni_gnode *node, const tni_gvalue *w, int64_t channels, int64_t shape[TN_MAX_RANK]) {
  int64_t panel = tni_attr_int(node, "panel", 0), columns = tni_attr_int(node, "columns", 0);
  memcpy(shape, w->shape, sizeof w->shape);
  if (tni_attr_int(node, "joined", 0))
    return panel ? joined_shape(node, w, channels, shape) : stacked_shape(node, w, shape);
  if (panel) {
    shape[0] = columns;
    int64_t side = tni_attr_int(node, "side", 0);
    int32_t rank = w->rank - 1 - (side != 0);
    bool hold = panel > 0 && columns > 0 && side >= 0 && rank > 0 && w->shape[rank] == panel;
    if (hold && side) hold = w->shape[rank + 1] == side && channels > 0 && w->shape[1] == (channels - 1) / side + 1;
    if (hold && side) shape[1] = channels;
    return hold && w->shape[0] > (columns - 1) / panel ? rank : 0;
  }
  if (!tni_attr_int(node, "oc_last", 0)) return w->rank;
  shape[0] = w->shape[w->rank - 1];
  memcpy(shape + 1, w->shape, sizeof *shape * (size_t)(w->rank - 1));
  return w->rank;
}

/* Types, ranks and groups. On success *groups > 0 divides the channels as it must. */
static bool check_operands(tni_infer *x, bool transposed, int64_t *groups) {
  const tni_gvalue *in = x->in[0], *w = x->in[1], *bias = x->node->input_count > 2 ? x->in[2] : NULL;
  int64_t shape[TN_MAX_RANK];
  if (!(x->out->type = tni_type_of_product(x->node, in->type, w->type)))
    return tni_refuse(x, "input and weights need one numeric type");
  if (in->rank < 3) return tni_refuse(x, "input of rank %d and weights of rank %d", in->rank, w->rank);
  int32_t at = tni_channel_dim(x->node, in->rank), rank = weight_shape(x->node, w, in->shape[at], shape);
  if (rank == 0) return tni_refuse(x, "the panels of the weights do not hold the channels");
  if (rank != in->rank)
    return tni_refuse(x, "input of rank %d and weights of rank %d", in->rank, rank);
  int64_t g = *groups = tni_attr_int(x->node, "group", 1), has = in->shape[at];
  if (g < 1 || g > has || has % g || shape[0] % g)
    return tni_refuse(x, "%lld groups do not divide the channels", (long long)g);
  int64_t reads = transposed ? shape[0] : shape[1] * g;
  if (reads != has) return tni_refuse(x, "%lld channels, but weights for %lld", (long long)has, (long long)reads);
  int64_t channels = transposed ? shape[1] * g : shape[0];
  if (bias && (bias->type != x->out->type || bias->rank != 1 || bias->shape[0] != channels))
    return tni_refuse(x, "the bias is not one number per output channel");
  x->out->rank = in->rank;
  x->out->shape[0] = in->shape[0];
  x->out->shape[at] = channels;
  return true;
}

static bool check_bounded(const tni_gnode *node, int32_t dims) {
  int32_t count;
  const int64_t *bounded = tni_attr_ints(node, "bounded", &count);
  if (bounded && count != dims) return false;
  for (int32_t i = 0; bounded && i < dims; i++)
    if (bounded[i] != 0 && bounded[i] != 1) return false;
  return true;
}

bool tni_infer_conv(tni_infer *x) {
  int64_t groups;
  tni_window w;
  if (!check_operands(x, false, &groups)) return false;
  int32_t dims = x->in[0]->rank - 2, first = tni_space_dim(x->node);
  int64_t shape[TN_MAX_RANK];
  weight_shape(x->node, x->in[1], x->in[0]->shape[tni_channel_dim(x->node, dims + 2)], shape);
  if (!tni_window_of(x->node, dims, x->in[0]->shape + first, shape + 2, &w, x->reason)) return false;
  memcpy(x->out->shape + first, w.out, sizeof(int64_t) * (size_t)dims);
  if (!check_bounded(x->node, dims))
    return tni_refuse(x, "`bounded` is not 0 or 1 for each of %d dimensions of space", dims);
  tni_gvalue padded = *x->in[0];
  size_t bytes;
  memcpy(padded.shape + first, w.padded, sizeof(int64_t) * (size_t)dims);
  return tni_gvalue_bytes(x->ctx, &padded, &bytes) || tni_refuse(x, "the padded input is too big");
}

static const char *const space_names[TNI_MAX_SPACE] = {"oh", "ow", "od", "o3", "o4", "o5"};
static const char *const tap_names[TNI_MAX_SPACE] = {"kh", "kw", "kd", "k3", "k4", "k5"};

/* Axes n, m, o... of the output, as they are in it, and c, t... of the sum. */
typedef struct conv_axes {
  const tn_expr *out[TN_MAX_RANK], *sum[TN_MAX_RANK];
  const tn_expr *side; /* the innermost, of those channels that stand side by side, of which sum[0] counts the rest; or NULL */
} conv_axes;

static void make_axes(tni_define *d, int64_t channels, int64_t side, const int64_t *taps, conv_axes *a) {
  const tni_gvalue *out = d->out_value[0];
  int32_t channel = tni_channel_dim(d->node, out->rank), first = tni_space_dim(d->node);
  for (int32_t i = 0; i < out->rank; i++)
    a->out[i] = tn_axis(d->b, i == 0 ? "n" : i == channel ? "oc" : space_names[i - first], out->shape[i]);
  a->sum[0] = tn_reduce_axis(d->b, "ic", side ? (channels - 1) / side + 1 : channels);
  for (int32_t i = 1; i < out->rank - 1; i++) a->sum[i] = tn_reduce_axis(d->b, tap_names[i - 1], taps[i - 1]);
  a->side = side ? tn_reduce_axis(d->b, "is", side) : NULL;
  if (side) a->sum[out->rank - 1] = a->side;
}

/* The input channel of the output channel's group. */
static const tn_expr *input_channel(tn_builder *b, const tn_expr *oc, const tn_expr *ic, int64_t groups,
                                    int64_t per_group_out, int64_t per_group_in) {
  if (groups == 1) return ic;
  const tn_expr *group = per_group_out == 1 ? oc : tn_op2(b, TN_OP_floordiv, oc, tn_index(b, per_group_out));
  return tn_add(b, tn_mul(b, group, tn_index(b, per_group_in)), ic);
}

/* acc + bias[oc], in the output's type. */
static void define_bias(tni_define *d, const tn_buffer *acc) {
  const tni_gvalue *out = d->out_value[0];
  const tn_expr *axes[TN_MAX_RANK];
  tni_axes(d->b, out->rank, out->shape, axes);
  const tn_expr *value = tn_load(d->b, acc, axes, NULL);
  if (d->node->input_count > 2 && d->in_value[2])
    value = tn_add(d->b, value, tn_cast(d->b, tn_expr_type(value), tn_load(d->b, d->in[2], &axes[tni_channel_dim(d->node, out->rank)], NULL)));
  tn_compute(d->b, d->out[0], axes, tn_cast(d->b, out->type, value));
}

/* Where the sum goes: the output, or a buffer that define_bias reads. */
static const tn_buffer *sum_buffer(tni_define *d) {
  const tni_gvalue *out = d->out_value[0];
  tn_type type = tni_sum_type(out->type);
  bool direct = type == out->type && !(d->node->input_count > 2 && d->in_value[2]);
  return direct ? d->out[0] : tn_alloc(d->b, "conv", type, out->rank, out->shape);
}

/* sum of image * weights, at these subscripts, where `inside` (NULL: always) is true, and the bias */
static void define_sum(tni_define *d, const tn_expr *const *out, size_t sums, const tn_expr *const *sum,
                       const tn_buffer *image, const tn_expr *const *from, const tn_expr *const *tap,
                       const tn_expr *inside) {
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(d->out_value[0]->type);
  const tn_buffer *acc = sum_buffer(d);
  const tn_expr *x = tn_load(b, image, from, inside), *w = tn_load(b, d->in[1], tap, NULL);
  tni_reduce_where(b, acc, out, sums, sum, TN_REDUCE_SUM, tn_mul(b, tn_cast(b, type, x), tn_cast(b, type, w)), inside);
  if (acc != d->out[0]) define_bias(d, acc);
}

/* Where in the weights, as they are stored, those of an output channel are. */
static void place_taps(tni_define *d, const conv_axes *a, const tn_expr *oc, const tn_expr **tap) {
  int64_t panel = tni_attr_int(d->node, "panel", 0);
  size_t sums = (size_t)d->in_value[0]->rank - 1;
  if (a->side) tap[sums + 2] = a->side;
  bool oc_last = tni_attr_int(d->node, "oc_last", 0) != 0;
  const tn_expr **behind = oc_last && !panel ? tap : tap + 1;
  tap[0] = panel ? tn_op2(d->b, TN_OP_floordiv, oc, tn_index(d->b, panel)) : oc;
  memcpy(behind, a->sum, sums * sizeof *behind);
  if (panel)
    behind[sums] = tn_op2(d->b, TN_OP_floormod, oc, tn_index(d->b, panel));
  else if (oc_last)
    behind[sums] = oc;
}

/* ---- joined ------------------------------------------------------------------------------------------------------ */

/* The image under its padding, each row of the innermost dimension and the channels as one of so many elements. What is
 * behind the last pixel is multiplied by zeros. */
static const tn_buffer *joined_input(tni_define *d, const tni_window *w, int64_t channels, int64_t row,
                                     const tn_expr *outside) {
  tn_builder *b = d->b;
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK], *inside = NULL;
  int32_t last = w->dims;
  int64_t shape[TN_MAX_RANK] = {d->in_value[0]->shape[0]};
  memcpy(shape + 1, w->padded, sizeof *shape * (size_t)w->dims);
  shape[last] = row;
  const tn_buffer *padded = tn_alloc(b, "pad", d->in_value[0]->type, last + 1, shape);
  tni_axes(b, last + 1, shape, axes);
  memcpy(from, axes, sizeof *axes * (size_t)last);
  from[last] = tn_op2(b, TN_OP_floordiv, axes[last], tn_index(b, channels));
  from[last + 1] = tn_op2(b, TN_OP_floormod, axes[last], tn_index(b, channels));
  for (int32_t i = 0; i < w->dims; i++) {
    int64_t end = i + 1 == last ? (row - 1) / channels + 1 : w->padded[i];
    if (w->begin[i] == 0 && end <= w->in[i]) continue;
    from[1 + i] = tn_sub(b, from[1 + i], tn_index(b, w->begin[i]));
    inside = tni_both(b, inside, tni_inside(b, from[1 + i], w->in[i]));
  }
  const tn_expr *value = tn_load(b, d->in[0], from, inside);
  if (outside && inside) value = tn_op3(b, TN_OP_select, inside, value, outside);
  tn_compute(b, padded, axes, value);
  return padded;
}

/* The axes of a result with the channels last. */
static void image_axes(tni_define *d, const tn_expr **out) {
  const tni_gvalue *y = d->out_value[0];
  for (int32_t i = 0; i < y->rank; i++)
    out[i] = tn_axis(d->b, i == 0 ? "n" : i == y->rank - 1 ? "oc" : space_names[i - 1], y->shape[i]);
}

/* Where a window reads: its output's place by the stride, and the tap's by the dilation. */
static const tn_expr *window_at(tni_define *d, const tni_window *w, int32_t i, const tn_expr *out, const tn_expr *tap) {
  tn_builder *b = d->b;
  return tn_add(b, tn_mul(b, out, tn_index(b, w->stride[i])), tn_mul(b, tap, tn_index(b, w->dilation[i])));
}

/* `shape`: of the weights. */
static void define_joined(tni_define *d, const tni_window *w, const int64_t *shape, const tn_expr *outside) {
  tn_builder *b = d->b;
  int32_t dims = w->dims, last = dims - 1;
  int64_t channels = shape[1], side = tni_attr_int(d->node, "side", 0), panel = tni_attr_int(d->node, "panel", 0);
  int64_t step = w->stride[last] * channels, groups = (shape[dims + 1] * channels - 1) / side + 1;
  int64_t row = ((w->out[last] - 1) * step + groups * side + ROW - 1) / ROW * ROW;
  const tn_expr *out[TN_MAX_RANK], *sum[TN_MAX_RANK], *from[TN_MAX_RANK], *tap[TN_MAX_RANK];
  image_axes(d, out);
  for (int32_t i = 0; i < dims; i++) sum[i] = tn_reduce_axis(b, tap_names[i], i == last ? groups : shape[2 + i]);
  sum[dims] = tn_reduce_axis(b, "is", side);
  from[0] = out[0];
  for (int32_t i = 0; i < last; i++) from[1 + i] = window_at(d, w, i, out[1 + i], sum[i]);
  from[dims] = tn_add(b, tn_mul(b, out[dims], tn_index(b, step)),
                      tn_add(b, tn_mul(b, sum[last], tn_index(b, side)), sum[dims]));
  tap[0] = tn_op2(b, TN_OP_floordiv, out[dims + 1], tn_index(b, panel));
  memcpy(tap + 1, sum, sizeof *sum * (size_t)dims);
  tap[dims + 1] = tn_op2(b, TN_OP_floormod, out[dims + 1], tn_index(b, panel));
  tap[dims + 2] = sum[dims];
  define_sum(d, out, (size_t)dims + 1, sum, joined_input(d, w, channels, row, outside), from, tap, NULL);
}

/* The same of channels by themselves. */
static void define_stacked(tni_define *d, const tni_window *w, const int64_t *shape, const tn_buffer *padded) {
  tn_builder *b = d->b;
  int32_t dims = w->dims;
  int64_t side = tni_attr_int(d->node, "side", 0);
  const tn_expr *out[TN_MAX_RANK], *sum[TN_MAX_RANK], *from[TN_MAX_RANK], *tap[TN_MAX_RANK];
  image_axes(d, out);
  for (int32_t i = 0; i < dims; i++)
    sum[i] = tn_reduce_axis(b, tap_names[i], i == 0 ? (shape[2] - 1) / side + 1 : shape[2 + i]);
  sum[dims] = tn_reduce_axis(b, "is", side);
  const tn_expr *first = tn_add(b, tn_mul(b, sum[0], tn_index(b, side)), sum[dims]);
  from[0] = out[0], from[dims + 1] = out[dims + 1];
  for (int32_t i = 0; i < dims; i++)
    from[1 + i] = window_at(d, w, i, out[1 + i], i == 0 ? tn_min(b, first, tn_index(b, shape[2] - 1)) : sum[i]);
  memcpy(tap, sum, sizeof *sum * (size_t)dims);
  tap[dims] = out[dims + 1], tap[dims + 1] = sum[dims];
  define_sum(d, out, (size_t)dims + 1, sum, padded, from, tap, NULL);
}

/* ---- as a whole -------------------------------------------------------------------------------------------------- */

/* Which dimensions of space are bounded. */
static void read_bounded(const tni_gnode *node, int32_t dims, bool bounded[TNI_MAX_SPACE]) {
  int32_t count;
  const int64_t *list = tni_attr_ints(node, "bounded", &count);
  for (int32_t i = 0; i < dims; i++) bounded[i] = list && list[i] != 0;
}

bool tni_define_conv(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *weights = d->in_value[1];
  tn_builder *b = d->b;
  char reason[256];
  tni_window w;
  int32_t dims = x->rank - 2, channel = tni_channel_dim(d->node, x->rank), first = tni_space_dim(d->node);
  int64_t shape[TN_MAX_RANK]; /* of the weights */
  weight_shape(d->node, weights, x->shape[channel], shape);
  if (!tni_window_of(d->node, dims, x->shape + first, shape + 2, &w, reason)) return false;
  int64_t groups = tni_attr_int(d->node, "group", 1), side = tni_attr_int(d->node, "side", 0);
  int64_t outside = tni_attr_int(d->node, "outside", 0);
  const tn_expr *border = outside ? tni_number(b, x->type, (double)outside) : NULL;
  if (tni_attr_int(d->node, "joined", 0)) {
    if (tni_attr_int(d->node, "panel", 0))
      define_joined(d, &w, shape, border);
    else
      define_stacked(d, &w, shape, tni_padded_input(d, &w, "pad", border));
    return true;
  }
  if (side) w.channels = ((shape[1] - 1) / side + 1) * side;
  bool bounded[TNI_MAX_SPACE];
  int64_t before[TNI_MAX_SPACE];
  read_bounded(d->node, dims, bounded);
  tni_window_bound(&w, bounded, before);
  const tn_buffer *padded = tni_padded_input(d, &w, "pad", border);
  conv_axes a;
  make_axes(d, shape[1], side, shape + 2, &a);
  const tn_expr *from[TN_MAX_RANK], *tap[TN_MAX_RANK], *hit = NULL;
  from[0] = a.out[0];
  if (side)
    from[channel] = tn_add(b, tn_mul(b, a.sum[0], tn_index(b, side)), a.side);
  else
    from[channel] = input_channel(b, a.out[channel], a.sum[0], groups, shape[0] / groups, shape[1]);
  for (int32_t i = 0; i < dims; i++) {
    from[first + i] = tn_sub(b, window_at(d, &w, i, a.out[first + i], a.sum[1 + i]), tn_index(b, before[i]));
    if (bounded[i]) hit = tni_both(b, hit, tni_inside(b, from[first + i], w.in[i]));
  }
  place_taps(d, &a, a.out[channel], tap);
  define_sum(d, a.out, (size_t)dims + 1 + (side != 0), a.sum, padded, from, tap, hit);
  return true;
}

/* ---- transposed ------------------------------------------------------------------------------------------------- */

bool tni_infer_conv_transpose(tni_infer *x) {
  int64_t groups;
  tni_window w;
  if (!check_operands(x, true, &groups)) return false;
  int32_t dims = x->in[0]->rank - 2;
  if (!tni_transposed_window(x->node, dims, x->in[0]->shape + 2, x->in[1]->shape + 2, &w, x->reason)) return false;
  memcpy(x->out->shape + 2, w.out, sizeof(int64_t) * (size_t)dims);
  return true;
}

/* Tap t of output o reads input (o + begin - t * dilation) / stride, where that is a whole number inside. Elsewhere it is 0 times
 * the weight, as in a convolution's padding: NaN for a weight that is not finite, where ONNX's reference, which adds up what there
 * is, has none. That the weight be read under the same condition takes up to ten times as long. */
bool tni_define_conv_transpose(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *weights = d->in_value[1];
  tn_builder *b = d->b;
  char reason[256];
  tni_window w;
  int32_t dims = x->rank - 2;
  if (!tni_transposed_window(d->node, dims, x->shape + 2, weights->shape + 2, &w, reason)) return false;
  int64_t groups = tni_attr_int(d->node, "group", 1), out_per_group = weights->shape[1],
          in_per_group = x->shape[1] / groups;
  const tn_buffer *acc = sum_buffer(d);
  conv_axes a;
  make_axes(d, in_per_group, 0, weights->shape + 2, &a);
  const tn_expr *from[TN_MAX_RANK], *tap[TN_MAX_RANK], *hit = NULL;
  from[0] = a.out[0];
  from[1] = tap[0] = input_channel(b, a.out[1], a.sum[0], groups, out_per_group, in_per_group);
  tap[1] = groups == 1 ? a.out[1] : tn_op2(b, TN_OP_floormod, a.out[1], tn_index(b, out_per_group));
  for (int32_t i = 0; i < dims; i++) {
    const tn_expr *stride = tn_index(b, w.stride[i]);
    const tn_expr *at = tn_sub(b, tn_add(b, a.out[2 + i], tn_index(b, w.begin[i])),
                               tn_mul(b, a.sum[1 + i], tn_index(b, w.dilation[i])));
    from[2 + i] = tn_op2(b, TN_OP_floordiv, at, stride);
    tap[2 + i] = a.sum[1 + i];
    hit = tni_both(b, hit, tni_inside(b, from[2 + i], w.in[i]));
    if (w.stride[i] > 1)
      hit = tni_both(b, hit, tn_op2(b, TN_OP_eq, tn_op2(b, TN_OP_floormod, at, stride), tn_index(b, 0)));
  }
  tn_type type = tni_sum_type(x->type);
  tn_reduce(
      b, acc, a.out, (size_t)dims + 1, a.sum, TN_REDUCE_SUM,
      tn_mul(b, tn_cast(b, type, tn_load(b, d->in[0], from, hit)), tn_cast(b, type, tn_load(b, d->in[1], tap, NULL))));
  if (acc != d->out[0]) define_bias(d, acc);
  return true;
}
