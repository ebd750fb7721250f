/* ops.h -- the table of graph operators, and what their definitions share.
 *
 * One row is one operator: its spelling is the canonical name, and the suffix of its tni_define_NAME. Two operators with the
 * same shape rule share a tni_infer_RULE.
 *
 * Pointwise operators are given by the value of one element (ops_elementwise.c); inputs are broadcast. All others write
 * their blocks themselves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_GRAPH_OPS_H
#define TNI_GRAPH_OPS_H

#include "graph.h"

/* clang-format off */
/* OP(name, least inputs, most inputs, shape rule, attributes, meaning) */
#define TNI_POINTWISE_OPS(OP) \
  OP(abs,              1, 1, number,  "",                "|x|") \
  OP(neg,              1, 1, number,  "",                "-x") \
  OP(sign,             1, 1, number,  "",                "-1, 0 or 1") \
  OP(relu,             1, 1, number,  "",                "max(x, 0)") \
  OP(sqrt,             1, 1, real,    "",                "square root") \
  OP(reciprocal,       1, 1, real,    "",                "1 / x") \
  OP(exp,              1, 1, real,    "",                "e to the x") \
  OP(log,              1, 1, real,    "",                "natural logarithm") \
  OP(sin,              1, 1, real,    "",                "sine") \
  OP(cos,              1, 1, real,    "",                "cosine") \
  OP(tan,              1, 1, real,    "",                "tangent") \
  OP(asin,             1, 1, real,    "",                "arc sine") \
  OP(acos,             1, 1, real,    "",                "arc cosine") \
  OP(atan,             1, 1, real,    "",                "arc tangent") \
  OP(sinh,             1, 1, real,    "",                "hyperbolic sine") \
  OP(cosh,             1, 1, real,    "",                "hyperbolic cosine") \
  OP(tanh,             1, 1, real,    "",                "hyperbolic tangent") \
  OP(asinh,            1, 1, real,    "",                "inverse hyperbolic sine") \
  OP(acosh,            1, 1, real,    "",                "inverse hyperbolic cosine") \
  OP(atanh,            1, 1, real,    "",                "inverse hyperbolic tangent") \
  OP(erf,              1, 1, real,    "",                "error function") \
  OP(sigmoid,          1, 1, real,    "",                "1 / (1 + exp(-x))") \
  OP(floor,            1, 1, real,    "",                "towards minus infinity") \
  OP(ceil,             1, 1, real,    "",                "towards plus infinity") \
  OP(round,            1, 1, real,    "",                "to nearest, ties to even") \
  OP(leaky_relu,       1, 1, real,    "alpha:f",         "x >= 0 ? x : alpha * x") \
  OP(thresholded_relu, 1, 1, real,    "alpha:f",         "x > alpha ? x : 0") \
  OP(elu,              1, 1, real,    "alpha:f",         "x >= 0 ? x : alpha * (exp(x) - 1)") \
  OP(celu,             1, 1, real,    "alpha:f",         "max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)") \
  OP(selu,             1, 1, real,    "alpha:f gamma:f", "gamma * (x > 0 ? x : alpha * (exp(x) - 1))") \
  OP(hard_sigmoid,     1, 1, real,    "alpha:f beta:f",  "max(0, min(1, alpha * x + beta))") \
  OP(hard_swish,       1, 1, real,    "",                "x * max(0, min(1, x / 6 + 0.5))") \
  OP(gelu,             1, 1, real,    "approximate:s",   "x * (1 + erf(x / sqrt(2))) / 2, or its tanh form") \
  OP(softplus,         1, 1, real,    "",                "log(1 + exp(x))") \
  OP(softsign,         1, 1, real,    "",                "x / (1 + |x|)") \
  OP(mish,             1, 1, real,    "",                "x * tanh(softplus(x))") \
  OP(swish,            1, 1, real,    "alpha:f",         "x * sigmoid(alpha * x)") \
  OP(shrink,           1, 1, real,    "lambd:f bias:f",  "x < -lambd ? x + bias : x > lambd ? x - bias : 0") \
  OP(clip,             1, 3, number,  "",                "min(max(x, low), high)") \
  OP(cast,             1, 1, cast,    "round:s saturate:i to:s", \
     "another type; with saturate an 8-bit float is never infinite; round: to f8e8m0 up, down or nearest, ties up") \
  OP(bit_cast,         1, 1, bit_cast, "to:s",           "the same bits as another type of the same size") \
  OP(requantize,       2, 2, requantize, "high:i low:i short:i to:s zero_point:i", \
     "x * y to the nearest integer, ties to even, + zero_point, in low..high; x: i32; short: cast to f32 first, or of f32") \
  OP(is_nan,           1, 1, test,    "",                "is x a NaN?") \
  OP(is_inf,           1, 1, test,    "detect_negative:i detect_positive:i", "is x infinite?") \
  OP(not,              1, 1, logic,   "",                "logical not") \
  OP(and,              2, 2, logic,   "",                "logical and") \
  OP(or,               2, 2, logic,   "",                "logical or") \
  OP(xor,              2, 2, logic,   "",                "logical exclusive or") \
  OP(bitwise_not,      1, 1, bits,    "",                "complement") \
  OP(bitwise_and,      2, 2, bits,    "",                "bitwise and") \
  OP(bitwise_or,       2, 2, bits,    "",                "bitwise or") \
  OP(bitwise_xor,      2, 2, bits,    "",                "bitwise exclusive or") \
  OP(bit_shift,        2, 2, bits,    "direction:s",     "x << y or x >> y") \
  OP(add,              2, 2, number,  "",                "x + y") \
  OP(sub,              2, 2, number,  "",                "x - y") \
  OP(mul,              2, 2, number,  "",                "x * y") \
  OP(div,              2, 2, number,  "",                "x / y; integers truncate") \
  OP(mod,              2, 2, number,  "fmod:i",          "x mod y; the sign of y, or with fmod of x") \
  OP(min,              2, 2, number,  "",                "the smaller") \
  OP(max,              2, 2, number,  "",                "the larger") \
  OP(pow,              2, 2, pow,     "",                "x to the y, of x's type") \
  OP(prelu,            2, 2, number,  "",                "x >= 0 ? x : slope * x") \
  OP(equal,            2, 2, compare, "",                "x == y") \
  OP(less,             2, 2, compare, "",                "x < y") \
  OP(less_or_equal,    2, 2, compare, "",                "x <= y") \
  OP(greater,          2, 2, compare, "",                "x > y") \
  OP(greater_or_equal, 2, 2, compare, "",                "x >= y") \
  OP(where,            3, 3, where,   "",                "c ? x : y")

/* OP(name, kind, least inputs, most inputs, shape rule, attributes, meaning) */
#define TNI_BLOCK_OPS(OP) \
  OP(conv,             REDUCTION, 2, 3, conv,      "auto_pad:s bounded:I chained:i channels_last:i columns:i dilations:I group:i joined:i kernel_shape:I oc_last:i outside:i pads:I panel:i side:i strides:I to:s", "convolution (n, c, space); channels_last: (n, space, c); oc_last: weights (c, taps, m); panel: in panels of so many of `columns` m (panels, c, taps, panel); side: so many c side by side (panels, c / side, taps, panel, side); joined: so many innermost taps by c side by side (panels, other taps, joined * c / side, panel, side), of channels by themselves so many of the first (joined / side, other taps, m, side); to: summed in another type; outside: what the padding is made of; bounded: 1 for each dimension of space whose taps outside are left out; chained: one function with what makes its image for it alone") \
  OP(conv_transpose,   REDUCTION, 2, 3, conv_transpose, "auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I", "its gradient") \
  OP(winograd,         REDUCTION, 2, 3, winograd,  "columns:i pads:I panel:i rows:i tile:i", "convolution by 3 x 3 taps, channels last, from transformed tiles of so many pixels: weights ((tile + 2)^2, panels, c, panel) of `columns` channels; rows: of tiles at a time") \
  OP(matmul,           REDUCTION, 2, 2, matmul,    "columns:i group:i panel:i steps:i to:s", "matrix product, batches broadcast; to: summed in another type; panel: y in panels of so many columns (panels, k, panel); group: so many k side by side (panels, k / group, panel, group); steps: the sum goes on to so many, of zeros") \
  OP(max_pool,         REDUCTION, 1, 1, pool,      "auto_pad:s ceil_mode:i channels_last:i dilations:I kernel_shape:I pads:I strides:I", "largest of a window; channels_last: (n, space, c)") \
  OP(average_pool,     REDUCTION, 1, 1, pool,      "auto_pad:s ceil_mode:i channels_last:i count_include_pad:i dilations:I kernel_shape:I pads:I strides:I", "mean of a window; channels_last: (n, space, c)") \
  OP(lp_pool,          REDUCTION, 1, 1, lp_pool,   "auto_pad:s ceil_mode:i dilations:I kernel_shape:I p:i pads:I strides:I", "p-norm of a window") \
  OP(max_pool_indices, REDUCTION, 1, 1, max_pool_indices, "auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I storage_order:i strides:I", "where in x the largest of a window is") \
  OP(reduce_sum,       REDUCTION, 1, 1, reduce,    "axes:I keepdims:i", "sum") \
  OP(reduce_mean,      REDUCTION, 1, 1, reduce,    "axes:I keepdims:i", "mean") \
  OP(reduce_max,       REDUCTION, 1, 1, reduce,    "axes:I keepdims:i", "largest") \
  OP(reduce_min,       REDUCTION, 1, 1, reduce,    "axes:I keepdims:i", "smallest") \
  OP(reduce_prod,      REDUCTION, 1, 1, reduce,    "axes:I keepdims:i", "product") \
  OP(reduce_l1,        REDUCTION, 1, 1, reduce,    "axes:I keepdims:i", "sum of |x|") \
  OP(reduce_l2,        REDUCTION, 1, 1, reduce,    "axes:I keepdims:i", "square root of the sum of squares") \
  OP(reduce_sum_square, REDUCTION, 1, 1, reduce,   "axes:I keepdims:i", "sum of squares") \
  OP(reduce_log_sum,   REDUCTION, 1, 1, reduce,    "axes:I keepdims:i", "log of the sum") \
  OP(reduce_log_sum_exp, REDUCTION, 1, 1, reduce,  "axes:I keepdims:i", "log of the sum of exp(x)") \
  OP(arg_max,          REDUCTION, 1, 1, arg,       "axis:i keepdims:i select_last_index:i", "where the largest is") \
  OP(arg_min,          REDUCTION, 1, 1, arg,       "axis:i keepdims:i select_last_index:i", "where the smallest is") \
  OP(softmax,          REDUCTION, 1, 1, axis,      "axis:i",            "exp(x) over its sum along one axis") \
  OP(log_softmax,      REDUCTION, 1, 1, axis,      "axis:i",            "log of softmax") \
  OP(layer_norm,       REDUCTION, 1, 3, layer_norm, "axis:i epsilon:f", "(x - mean) / sqrt(variance + epsilon) * scale + bias over the axes from `axis`") \
  OP(rms_norm,         REDUCTION, 1, 1, layer_norm, "axis:i epsilon:f", "x / sqrt(mean of x * x + epsilon) over the axes from `axis`") \
  OP(cum_sum,          REDUCTION, 1, 1, cum_sum,   "axis:i exclusive:i reverse:i", "running sum along an axis") \
  OP(cum_prod,         REDUCTION, 1, 1, cum_sum,   "axis:i exclusive:i reverse:i", "running product along an axis") \
  OP(identity,         VIEW,      1, 1, identity,  "",                  "x") \
  OP(reshape,          VIEW,      1, 1, reshape,   "shape:I",           "the same elements under another shape") \
  OP(transpose,        INJECTIVE, 1, 1, transpose, "perm:I",            "axes in another order") \
  OP(slice,            INJECTIVE, 1, 1, slice,     "axes:I ends:I starts:I steps:I", "every step-th element of a range") \
  OP(pad,              INJECTIVE, 1, 1, pad,       "mode:s pads:I value:f", "more elements at the borders") \
  OP(expand,           INJECTIVE, 1, 1, expand,    "shape:I",           "broadcast to a shape") \
  OP(tile,             INJECTIVE, 1, 1, tile,      "repeats:I",         "repeated along each axis") \
  OP(gather,           INJECTIVE, 2, 2, gather,    "axis:i",            "slices of x by index; 0 for an index out of range") \
  OP(gather_elements,  INJECTIVE, 2, 2, gather_elements, "axis:i",      "elements of x by index; 0 for an index out of range") \
  OP(gather_nd,        INJECTIVE, 2, 2, gather_nd, "batch_dims:i",      "slices of x by tuples of indices; 0 if out of range") \
  OP(one_hot,          INJECTIVE, 2, 2, one_hot,   "axis:i depth:i",    "values[1] where the axis equals the index, else values[0]") \
  OP(trilu,            INJECTIVE, 1, 1, trilu,     "k:i upper:i",       "the upper or lower triangle, 0 elsewhere") \
  OP(resize,           INJECTIVE, 1, 1, resize,    "mode:s nearest:s coordinates:s scales:F shape:I", "sampled at another size") \
  OP(grid_sample,      INJECTIVE, 2, 2, grid_sample, "align_corners:i mode:s padding_mode:s places:i", "x at the places that a grid names, interpolated") \
  OP(rnn,              OPAQUE,    3, 4, recurrent, "activations:s alpha:F beta:F clip:f", "a recurrent layer: input part, weights, state, lengths") \
  OP(gru,              OPAQUE,    3, 5, recurrent, "activations:s alpha:F beta:F clip:f linear_before_reset:i", "a layer of gated units: input part, weights, state, bias of the candidate, lengths") \
  OP(lstm,             OPAQUE,    4, 6, recurrent, "activations:s alpha:F beta:F clip:f input_forget:i", "a layer of cells: input part, weights, state, cells, peepholes, lengths; hidden states and cells") \
  OP(attention,        OPAQUE,    3, 4, attention, "causal:i keys:i past:i queries:i rows:i scale:f", "softmax(mask(scale * q * k^T)) * v, so many keys after the other with the largest score and the sums so far; rows: at a time") \
  OP(linear_attention, OPAQUE,    4, 6, linear_attention, "last:i scale:f", "attention by a matrix per head: query, key, value, state, decay, beta; last: the state at the end") \
  OP(scatter_elements, OPAQUE,    3, 3, scatter_elements, "axis:i reduction:s", "x with elements replaced by index; none for an index out of range") \
  OP(scatter_nd,       OPAQUE,    3, 3, scatter_nd, "reduction:s",      "x with slices replaced by tuples of indices; none if out of range") \
  OP(top_k_indices,    OPAQUE,    1, 1, top_k,     "axis:i k:i largest:i", "where the k largest are, the first of equal ones first; NaN is largest") \
  OP(non_zero,         OPAQUE,    1, 1, non_zero,  "",                  "(rank, n + 1): how many elements are not 0, then where each is") \
  OP(unique_rows,      OPAQUE,    1, 1, unique_rows, "sorted:i",        "(3, n + 1) of n rows: how many different ones, then where each is first; _, the number of each row's; _, how many there are of each") \
  OP(non_max_suppression, OPAQUE, 2, 4, non_max_suppression, "center:i most:i", "boxes, scores, the most that two may share, the least score: (n, _, _), then n of (batch, class, box)") \
  OP(roi_align,        OPAQUE,    3, 3, roi_align, "half_pixel:i mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f", "bins of regions of x, the mean or largest of samples") \
  OP(det,              OPAQUE,    1, 1, det,       "",                  "determinants of matrices, by elimination with pivots") \
  OP(concat,           OPAQUE,    1, 255, concat,  "axis:i",            "one behind the other along an axis")
/* clang-format on */

/* ---- shared by the infer functions (infer.c) ------------------------------------------------------------------- */

/* Writes the reason, gives false. */
bool tni_refuse(tni_infer *x, const char *format, ...) TN_PRINTF(2, 3);
/* Counts a negative axis from the end; false (refused) when it is outside -rank..rank. */
bool tni_infer_axis_of(tni_infer *x, int64_t axis, int32_t rank, int32_t *out);
/* Marks the axes of a list; refuses duplicates and ones out of range. NULL list: all. */
bool tni_axis_set(tni_infer *x, const int64_t *axes, int32_t count, int32_t rank, bool set[TN_MAX_RANK]);
/* *shape := the broadcast of both; false when they do not fit. */
bool tni_broadcast_shape(int32_t *rank, int64_t *shape, int32_t other_rank, const int64_t *other);
/* The first positions of a slice in steps of 1. False: it has other steps. */
bool tni_slice_starts(const tni_gnode *node, const tni_gvalue *in, int64_t *starts);
int64_t tni_normal_axis(const tni_gnode *node, int64_t otherwise, int32_t rank); /* of a node that was inferred */

#define TNI_INFER_PROTOTYPE(rule) bool tni_infer_##rule(tni_infer *x);
#define TNI_INFER_RULES(RULE) \
  RULE(number) RULE(real) RULE(cast) RULE(requantize) RULE(test) RULE(logic) RULE(bits) RULE(pow) RULE(compare) RULE(where) \
  RULE(conv) RULE(conv_transpose) RULE(matmul) RULE(pool) RULE(reduce) RULE(arg) RULE(axis) RULE(layer_norm) \
  RULE(cum_sum) RULE(identity) RULE(reshape) RULE(transpose) RULE(slice) RULE(pad) RULE(expand) RULE(tile) \
  RULE(gather) RULE(gather_elements) RULE(gather_nd) RULE(one_hot) RULE(trilu) RULE(resize) RULE(concat) RULE(bit_cast) \
  RULE(lp_pool) RULE(max_pool_indices) RULE(scatter_elements) RULE(scatter_nd) RULE(top_k) RULE(grid_sample) \
  RULE(roi_align) RULE(det) RULE(recurrent) RULE(attention) RULE(linear_attention) \
  RULE(non_zero) RULE(unique_rows) RULE(non_max_suppression) RULE(winograd)
TNI_INFER_RULES(TNI_INFER_PROTOTYPE)

#define TNI_DEFINE_POINTWISE(name, least, most, rule, attrs, meaning) bool tni_define_##name(tni_define *d);
#define TNI_DEFINE_BLOCKS(name, kind, least, most, rule, attrs, meaning) bool tni_define_##name(tni_define *d);
TNI_POINTWISE_OPS(TNI_DEFINE_POINTWISE)
TNI_BLOCK_OPS(TNI_DEFINE_BLOCKS)

/* ---- shared by the define functions (define.c) ----------------------------------------------------------------- */

/* A number of any type. */
const tn_expr *tni_number(tn_builder *b, tn_type type, double value);
/* One axis per dimension, named i0, i1, ... */
void tni_axes(tn_builder *b, int32_t rank, const int64_t *shape, const tn_expr **axes);
/* Input i at `axes` of the output's space (of `rank` dimensions), broadcast from the right; an immediate number where it is
 * one. */
const tn_expr *tni_input(const tni_define *d, uint32_t i, int32_t rank, const tn_expr *const *axes);
/* The place of `axes` in a tensor of that shape, row by row, and back. */
const tn_expr *tni_flatten(tn_builder *b, int32_t rank, const int64_t *shape, const tn_expr *const *axes);
void tni_unflatten(tn_builder *b, const tn_expr *place, int32_t rank, const int64_t *shape, const tn_expr **axes);
/* An index read from data: negative ones count from the end. *inside gets the condition that it is in 0..dim. */
const tn_expr *tni_read_index(tn_builder *b, const tn_expr *raw, int64_t dim, const tn_expr **inside);
/* x is inside 0..extent; for a constant extent. */
const tn_expr *tni_inside(tn_builder *b, const tn_expr *x, int64_t extent);
/* a && b, NULL standing for true. */
const tn_expr *tni_both(tn_builder *b, const tn_expr *x, const tn_expr *y);
/* Variables, one per dimension of `v`, and a loop of each around the body that they stand in. */
void tni_loop_vars(tn_builder *b, const tni_gvalue *v, const tn_expr **vars);
const tn_stmt *tni_in_loops(tn_builder *b, const tni_gvalue *v, const tn_expr *const *vars, const tn_stmt *body);
/* An i64 in the order of the numbers: NaN above all, -0 as 0. */
const tn_expr *tni_order_key(tn_builder *b, const tn_expr *x);

/* In what type products of two types are summed and given, by the attribute `to` or else their own; 0: there is none. */
tn_type tni_type_of_product(const tni_gnode *node, tn_type a, tn_type y);

/* ---- windows of convolutions and pools (window.c) -------------------------------------------------------------- */

enum { TNI_MAX_SPACE = TN_MAX_RANK - 2 };

/* Where the channels of an image of so many dimensions are, and where its space begins: (n, c, space...), or with the
 * attribute channels_last (n, space..., c). */
static inline int32_t tni_channel_dim(const tni_gnode *node, int32_t rank) {
  return tni_attr_int(node, "channels_last", 0) ? rank - 1 : 1;
}
static inline int32_t tni_space_dim(const tni_gnode *node) { return tni_attr_int(node, "channels_last", 0) ? 1 : 2; }

/* A window sliding over `dims` dimensions of an image, from `first` on. `padded` is what of the padded input the windows
 * touch. */
typedef struct tni_window {
  int32_t dims, first;
  bool needs_padding; /* some window leaves the input */
  int64_t in[TNI_MAX_SPACE], kernel[TNI_MAX_SPACE], stride[TNI_MAX_SPACE], dilation[TNI_MAX_SPACE];
  int64_t begin[TNI_MAX_SPACE], end[TNI_MAX_SPACE], out[TNI_MAX_SPACE], padded[TNI_MAX_SPACE];
  int64_t channels; /* of the padded input, when more than the input has; else 0 */
  bool nearest[TNI_MAX_SPACE]; /* outside of the input, along that dimension, is what is nearest in it */
} tni_window;
/* Reads strides, dilations, pads, auto_pad and ceil_mode. `in`: the extents of the image's space; `kernel` NULL:
 * kernel_shape. False with the reason. */
bool tni_window_of(const tni_gnode *node, int32_t dims, const int64_t *in, const int64_t *kernel, tni_window *w,
                   char reason[256]);
/* The same of a transposed convolution: out = stride * (in - 1) + output_padding + reach - begin - end. */
bool tni_transposed_window(const tni_gnode *node, int32_t dims, const int64_t *in, const int64_t *kernel, tni_window *w,
                           char reason[256]);
/* Takes the padding of the bounded dimensions away, where taps outside of the input are left out instead; before[i]: how far
 * before the input the first window begins there, else 0. */
void tni_window_bound(tni_window *w, const bool bounded[TNI_MAX_SPACE], int64_t before[TNI_MAX_SPACE]);
/* Input 0 under its padding: a block that copies it into a bigger buffer with `outside` (NULL: zeros), or with what is
 * nearest, around it, or the input itself when no window leaves it and it has the channels. */
const tn_buffer *tni_padded_input(const tni_define *d, const tni_window *w, const char *name, const tn_expr *outside);

#endif
