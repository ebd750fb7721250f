/* integers.c -- what a graph computes of dequantized numbers, in integers.
 *
 *     x = (p - a) * s;  w = (q - b) * t;  y = conv(x, w, bias)     with numbers s, a; q constant; t, b one for each channel
 *       ->  z = conv(p - a, q - b, bias / (s * t)), in i32;  y = f32(z) * (s * t)
 *     u8(round(y / r) + c)          ->   requantize(z, s * t / r) {zero_point = c}
 *     u8(round(relu(y) / r) + c)    ->   the same, but not below c;  of clip(y, ..) likewise
 *     y = max_pool(x)               ->   y = (max_pool(p) - a) * s;  of relu, reshape, transpose likewise
 *     u8(round(x / s) + a)          ->   p;  of constants, which are weights, their integers
 *
 * The products of a convolution or of a matrix product are integers then, and so is their sum, which is exact. What is
 * quantized again right behind it is what QLinearConv and QLinearMatMul of ONNX give: the integer that is nearest to
 * sum * scale, ties to even, with scale = s * t / r in f32, and zero_point, saturated. (ONNX's reference evaluator
 * computes it in f64, but rounds with the zero point added: a tie, of an odd one, is rounded the other way.) As floats
 * the sum would be rounded in each step, in an order that ONNX leaves open: near a tie that may be another
 * integer, which is what this pass changes. Everything else is as it was, bit by bit. With scales that are powers of
 * two sums of floats are exact as long as they are below 2^24, and both ways are one.
 *
 * It is done when it is asked for (tn_compile_desc.integers), before constants are folded: weights would be floats.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "graph.h"

enum { MOST_INPUTS = 3 };
#define MOST_SUM 0x1p24             /* f32 holds all integers up to it */
#define MOST_I32 2147483647.0       /* sums up to it do not wrap */
#define LEAST_SCALE 0x1p-100f       /* far from where scaled numbers lose bits */
#define MOST_SCALE 0x1p100f
#define FAR 512                     /* what is so large is saturated in any case */

/* A value is (q - zero_point) * scale, q of the new graph. */
typedef struct reading {
  uint32_t q; /* TNI_NO_VALUE: it is not known to be so */
  tn_type type;
  int64_t zero_point;
  float scale;
} reading;

/* A value is sum * scale, between low and high, sum of the new graph; |sum| is at most `most`. */
typedef struct summed {
  uint32_t sum; /* TNI_NO_VALUE: it is not known to be so */
  int32_t rank;
  int64_t shape[TN_MAX_RANK]; /* of the scales */
  const float *scales;
  double most, low, high;
} summed;

typedef struct rewriter {
  tni_gcopy c;
  tn_error **err;
  uint32_t *maker;   /* by value of the old graph: its node, or TNI_NO_VALUE */
  uint32_t *centred; /* by value: p - a in i32, or TNI_NO_VALUE */
  const tni_gvalue **known; /* by value: what it is, of constants that are quantized; else NULL */
  reading *readings; /* by value */
  summed *sums;      /* by value */
  tn_status status;
} rewriter;

/* ---- what is there ----------------------------------------------------------------------------------------------- */

static const tni_gvalue *value_of(const rewriter *r, uint32_t value) { return &r->c.from->values[value]; }

static bool is_output(const tn_graph *g, uint32_t value) {
  for (uint32_t i = 0; i < g->output_count; i++)
    if (g->outputs[i] == value) return true;
  return false;
}

static bool is(const tni_gnode *n, const char *op) { return strcmp(n->op->name, op) == 0; }

static const tni_gnode *maker_of(const rewriter *r, uint32_t value) {
  uint32_t node = value == TNI_NO_VALUE ? TNI_NO_VALUE : r->maker[value];
  return node == TNI_NO_VALUE ? NULL : &r->c.from->nodes[node];
}

/* The node that makes the value, if it is one of that operator; else NULL. */
static const tni_gnode *made_by(const rewriter *r, uint32_t value, const char *op) {
  const tni_gnode *n = maker_of(r, value);
  while (n && is(n, "identity")) n = maker_of(r, n->inputs[0]);
  return n && is(n, op) ? n : NULL;
}

/* The constant that the value is, or is cast from; NULL: neither. */
static const tni_gvalue *constant_of(const rewriter *r, uint32_t value) {
  const tni_gnode *cast = made_by(r, value, "cast");
  const tni_gvalue *v = value_of(r, cast ? cast->inputs[0] : value);
  return v->data && tn_type_bytes(v->type) > 0 ? v : NULL;
}

static double number_at(const tni_gvalue *v, int64_t i) {
  tni_scalar s = tni_read_element(v->type, v->data, i);
  return tni_type_is_float(v->type) ? s.f : (double)s.i;
}

/* The integers that a value is, if they are known: constant, or quantized from what is (see quantize_constant). */
static const tni_gvalue *integers_of(const rewriter *r, uint32_t value) {
  return r->known[value] ? r->known[value] : value_of(r, value);
}

/* (q - zero_point) * scale, as its parts; zero_point NULL: 0. */
typedef struct dequantized {
  uint32_t q;
  const tni_gvalue *zero_point, *scale;
} dequantized;

static bool is_dequantized(const rewriter *r, uint32_t value, dequantized *out) {
  const tni_gnode *mul = made_by(r, value, "mul"), *sub = mul ? made_by(r, mul->inputs[0], "sub") : NULL;
  const tni_gnode *cast = mul ? made_by(r, sub ? sub->inputs[0] : mul->inputs[0], "cast") : NULL;
  if (!cast || value_of(r, value)->type != TN_F32) return false;
  *out = (dequantized){cast->inputs[0], sub ? constant_of(r, sub->inputs[1]) : NULL, constant_of(r, mul->inputs[1])};
  tn_type type = value_of(r, out->q)->type;
  if (!out->scale || out->scale->type != TN_F32 || (sub && !out->zero_point)) return false;
  if (out->zero_point && !tni_type_is_int(out->zero_point->type)) return false;
  if (value_of(r, value)->rank != value_of(r, out->q)->rank) return false; /* the scale has more dimensions */
  return type == TN_U8 || type == TN_I8 || type == TN_I32;
}

static bool is_usual(double scale) { return scale >= LEAST_SCALE && scale <= MOST_SCALE; }

/* Is it one number, or along dimension `axis` of so many one for each element? */
static bool is_along(const tni_gvalue *v, int32_t axis, int32_t rank, int64_t extent) {
  int64_t count = tni_gvalue_numel(v);
  return count == 1 || (count == extent && v->rank <= rank && v->rank > axis - (rank - v->rank) &&
                        axis >= rank - v->rank && v->shape[axis - (rank - v->rank)] == extent);
}

/* ---- new nodes --------------------------------------------------------------------------------------------------- */

static uint32_t add_node(rewriter *r, const char *op, const char *name, uint32_t count, const uint32_t *inputs,
                         uint32_t attr_count, const tni_attr *attrs) {
  uint32_t out = TNI_NO_VALUE;
  if (!r->status)
    r->status = tni_g_node(r->c.b, tni_gop_find(op), NULL, count, inputs, attr_count, attrs, 1, &name, &out, r->err);
  return out;
}

static uint32_t add2(rewriter *r, const char *op, const char *name, uint32_t x, uint32_t y) {
  return add_node(r, op, name, 2, (uint32_t[]){x, y}, 0, NULL);
}

static uint32_t add_cast(rewriter *r, uint32_t x, const char *to) {
  tni_attr attr = {.name = "to", .kind = TNI_ATTR_STRING, .string = to};
  return add_node(r, "cast", NULL, 1, &x, 1, &attr);
}

static uint32_t add_constant(rewriter *r, tn_type type, int32_t rank, const int64_t *shape, const void *data) {
  if (r->status) return TNI_NO_VALUE;
  uint32_t out = tni_g_const(r->c.b, NULL, type, rank, shape, data);
  if (out == TNI_NO_VALUE) r->status = tni_gbuilder_check(r->c.b, r->err);
  return out;
}

/* Memory that lives as long as the new graph. */
static void *new_contents(rewriter *r, size_t bytes) {
  void *out = r->status ? NULL : tni_arena_alloc(&r->c.to->region.arena, bytes);
  if (!out && !r->status) r->status = tni_fail_nomem(r->err);
  return out;
}

/* The same of the old graph's contents, which may end with it. */
static uint32_t add_kept(rewriter *r, const tni_gvalue *v) {
  size_t bytes = tn_array_bytes(v->type, tni_gvalue_numel(v));
  void *data = new_contents(r, bytes + 1);
  if (data && bytes) memcpy(data, v->data, bytes);
  return data ? add_constant(r, v->type, v->rank, v->shape, data) : TNI_NO_VALUE;
}

static uint32_t add_number(rewriter *r, tn_type type, int64_t number) {
  int32_t *data = new_contents(r, sizeof *data);
  if (data && tn_type_bytes(type) == 1)
    *(uint8_t *)data = (uint8_t)number;
  else if (data)
    *data = (int32_t)number;
  return add_constant(r, type, 0, NULL, data);
}

static uint32_t add_floats(rewriter *r, int32_t rank, const int64_t *shape, const float *data) {
  return add_constant(r, TN_F32, rank, shape, data);
}

/* The value of the new graph, constants too. */
static uint32_t mapped(rewriter *r, uint32_t old) {
  uint32_t out = TNI_NO_VALUE;
  if (old == TNI_NO_VALUE || r->status) return out;
  if (r->c.map[old] != TNI_NO_VALUE) return r->c.map[old];
  r->status = tni_gcopy_const(&r->c, old, &out, r->err);
  return out;
}

/* The node, of other inputs. */
static uint32_t add_like(rewriter *r, const tni_gnode *n, uint32_t count, const uint32_t *inputs) {
  uint32_t out = TNI_NO_VALUE;
  const char *name = NULL;
  if (!r->status)
    r->status = tni_g_node(r->c.b, n->op, n->name, count, inputs, n->attr_count, n->attrs, 1, &name, &out, r->err);
  return out;
}

/* (q - zero_point) * scale */
static uint32_t add_dequantized(rewriter *r, const reading *x, const char *name) {
  float *scale = new_contents(r, sizeof *scale);
  if (!scale) return TNI_NO_VALUE;
  *scale = x->scale;
  uint32_t real = add_cast(r, x->q, "f32");
  if (x->zero_point) real = add2(r, "sub", NULL, real, add_cast(r, add_number(r, TN_I32, x->zero_point), "f32"));
  return add2(r, "mul", name, real, add_floats(r, 0, NULL, scale));
}

/* p - a in i32, once for each value. */
static uint32_t centre(rewriter *r, uint32_t value) {
  const reading *x = &r->readings[value];
  if (r->centred[value] != TNI_NO_VALUE) return r->centred[value];
  uint32_t wide = add_cast(r, x->q, "i32");
  if (x->zero_point) wide = add2(r, "sub", NULL, wide, add_number(r, TN_I32, x->zero_point));
  return r->centred[value] = wide;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

/* The weights of a product: integers, constant, and where their channels are. */
typedef struct weights {
  dequantized d;
  const tni_gvalue *q;
  const tni_gnode *transpose; /* through which the product sees them, or NULL */
  int32_t axis;               /* of q: that of the channels */
} weights;

/* Of two dimensions, the other order. */
static bool swaps(const tni_gnode *transpose) {
  int32_t count;
  const int64_t *perm = tni_attr_ints(transpose, "perm", &count);
  return !perm || (count == 2 && perm[0] == 1);
}

static bool find_weights(const rewriter *r, const tni_gnode *n, bool conv, weights *out) {
  uint32_t value = n->inputs[1];
  out->transpose = conv ? NULL : made_by(r, value, "transpose");
  if (out->transpose) value = out->transpose->inputs[0];
  if (!is_dequantized(r, value, &out->d)) return false;
  out->q = integers_of(r, out->d.q);
  if (!out->q->data || out->q->type == TN_I32 || tni_gvalue_numel(out->q) == 0) return false;
  if (!conv && (out->q->rank != 2 || (out->transpose && !swaps(out->transpose)))) return false;
  out->axis = conv || out->transpose ? 0 : out->q->rank - 1;
  int64_t channels = out->q->shape[out->axis];
  bool fits = is_along(out->d.scale, out->axis, out->q->rank, channels);
  if (out->d.zero_point) fits &= is_along(out->d.zero_point, out->axis, out->q->rank, channels);
  for (int64_t i = 0; fits && i < tni_gvalue_numel(out->d.scale); i++) fits = is_usual(number_at(out->d.scale, i));
  return fits;
}

static int64_t zero_point_at(const tni_gvalue *zero_point, int64_t channel) {
  if (!zero_point) return 0;
  return (int64_t)number_at(zero_point, tni_gvalue_numel(zero_point) == 1 ? 0 : channel);
}

static float scale_at(const tni_gvalue *scale, int64_t channel) {
  return (float)number_at(scale, tni_gvalue_numel(scale) == 1 ? 0 : channel);
}

/* The largest sum that there can be, of the weights of any channel. */
static double most_of(const reading *x, const weights *w) {
  int64_t channels = w->q->shape[w->axis], all = tni_gvalue_numel(w->q), inner = 1, least = x->type == TN_U8 ? 0 : -128;
  int64_t up = least + 255 - x->zero_point, down = x->zero_point - least;
  double most = 0;
  for (int32_t d = w->axis + 1; d < w->q->rank; d++) inner *= w->q->shape[d];
  for (int64_t m = 0; m < channels; m++) {
    double sum = 0;
    int64_t zero_point = zero_point_at(w->d.zero_point, m);
    for (int64_t at = m * inner; at < all; at += channels * inner)
      for (int64_t i = at; i < at + inner; i++) sum += fabs(number_at(w->q, i) - (double)zero_point);
    most = fmax(most, sum);
  }
  return most * (double)(up > down ? up : down);
}

static bool is_zero(const tni_gvalue *v) {
  for (int64_t i = 0; v && i < tni_gvalue_numel(v); i++)
    if (number_at(v, i) != 0) return false;
  return true;
}

static double most_bias(const tni_gvalue *q) {
  double most = 0;
  for (int64_t i = 0; i < tni_gvalue_numel(q); i++) most = fmax(most, fabs(number_at(q, i)));
  return most;
}

/* Is it i32 by the scales of the sums, each exactly, and are sums with it in i32? Then the integers, which are constant. */
static const tni_gvalue *bias_of(const rewriter *r, uint32_t value, int64_t channels, const summed *s) {
  dequantized d;
  if (!is_dequantized(r, value, &d)) return NULL;
  const tni_gvalue *q = integers_of(r, d.q);
  if (q->type != TN_I32 || !q->data || q->rank != 1 || q->shape[0] != channels || !is_zero(d.zero_point)) return NULL;
  if (tni_gvalue_numel(d.scale) != 1 && tni_gvalue_numel(d.scale) != channels) return NULL;
  for (int64_t m = 0; m < channels; m++)
    if (scale_at(d.scale, m) != s->scales[m]) return NULL;
  return s->most + most_bias(q) <= MOST_I32 ? q : NULL;
}

/* s * t, one for each channel, as it broadcasts with the product. */
static void scale_sums(rewriter *r, const reading *x, const weights *w, int32_t rank, summed *out) {
  int64_t channels = w->q->shape[w->axis];
  float *scales = new_contents(r, (size_t)channels * sizeof *scales);
  for (int64_t m = 0; scales && m < channels; m++) scales[m] = x->scale * scale_at(w->d.scale, m);
  out->scales = scales;
  out->rank = rank;
  for (int32_t d = 0; d < rank; d++) out->shape[d] = d == 0 ? channels : 1;
}

/* Bytes of two dimensions in the other order, constant so that they are known as such before anything is folded. */
static uint32_t add_transposed(rewriter *r, const tni_gvalue *q) {
  int64_t rows = q->shape[0], columns = q->shape[1];
  const uint8_t *from = q->data;
  uint8_t *to = new_contents(r, (size_t)(rows * columns));
  for (int64_t i = 0; to && i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
  return add_constant(r, q->type, 2, (int64_t[]){columns, rows}, to);
}

/* q - b in i32, as the product sees them. */
static uint32_t centre_weights(rewriter *r, const weights *w) {
  uint32_t q = w->transpose ? add_transposed(r, w->q) : mapped(r, w->d.q);
  q = add_cast(r, q, "i32");
  if (is_zero(w->d.zero_point)) return q;
  const tni_gvalue *b = w->d.zero_point;
  uint32_t zero_point = add_kept(r, b);
  if (w->transpose && b->rank == 2) zero_point = add_like(r, w->transpose, 1, &zero_point);
  return add2(r, "sub", NULL, q, add_cast(r, zero_point, "i32"));
}

/* sum * scale, and what floats are added to it. */
static uint32_t add_real(rewriter *r, const summed *s, uint32_t bias, const char *name) {
  uint32_t scale = add_floats(r, s->rank, s->shape, s->scales), sum = add_cast(r, s->sum, "f32");
  if (bias == TNI_NO_VALUE) return add2(r, "mul", name, sum, scale);
  tni_attr shape = {.name = "shape", .kind = TNI_ATTR_INTS, .ints = s->shape, .count = s->rank};
  return add2(r, "add", name, add2(r, "mul", NULL, sum, scale), add_node(r, "reshape", NULL, 1, &bias, 1, &shape));
}

/* A convolution or a matrix product of what is known to be dequantized. False: it is none. */
static bool sum_up(rewriter *r, const tni_gnode *n, bool conv) {
  const tni_gvalue *out = value_of(r, n->outputs[0]);
  const reading *x = &r->readings[n->inputs[0]];
  weights w;
  if (x->q == TNI_NO_VALUE || !find_weights(r, n, conv, &w) || (!conv && n->attr_count)) return false;
  bool has_bias = conv && n->input_count > 2 && n->inputs[2] != TNI_NO_VALUE;
  summed s = {.most = most_of(x, &w), .low = -INFINITY, .high = INFINITY};
  scale_sums(r, x, &w, conv ? out->rank - 1 : 1, &s);
  if (r->status || s.most > MOST_I32) return false;
  const tni_gvalue *bias = has_bias ? bias_of(r, n->inputs[2], w.q->shape[w.axis], &s) : NULL;
  uint32_t inputs[MOST_INPUTS] = {centre(r, n->inputs[0]), centre_weights(r, &w), TNI_NO_VALUE};
  if (bias) {
    inputs[2] = add_kept(r, bias);
    s.most += most_bias(bias);
  }
  s.sum = add_like(r, n, bias ? 3 : 2, inputs);
  bool rest = has_bias && !bias;
  r->c.map[n->outputs[0]] = add_real(r, &s, rest ? mapped(r, n->inputs[2]) : TNI_NO_VALUE, out->name);
  if (!rest) r->sums[n->outputs[0]] = s;
  return true;
}

/* A bias that is added behind a matrix product. False: it is none. */
static bool add_bias(rewriter *r, const tni_gnode *n) {
  const tni_gvalue *out = value_of(r, n->outputs[0]);
  for (int i = 0; i < 2; i++) {
    const summed *before = &r->sums[n->inputs[i]];
    bool bare = before->sum != TNI_NO_VALUE && isinf(before->low) && isinf(before->high) && before->rank == 1;
    const tni_gvalue *bias = bare ? bias_of(r, n->inputs[1 - i], before->shape[0], before) : NULL;
    if (!bias || out->rank < 1 || out->shape[out->rank - 1] != before->shape[0]) continue;
    summed s = *before;
    s.sum = add2(r, "add", NULL, before->sum, add_kept(r, bias));
    s.most += most_bias(bias);
    r->c.map[n->outputs[0]] = add_real(r, &s, TNI_NO_VALUE, out->name);
    r->sums[n->outputs[0]] = s;
    return true;
  }
  return false;
}

/* ---- quantized again --------------------------------------------------------------------------------------------- */

/* cast(round(real / scale) + zero_point), the zero point of the type that results; NULL: 0 */
typedef struct quantized {
  uint32_t real;
  const tni_gvalue *scale, *zero_point;
} quantized;

static bool is_quantized(const rewriter *r, const tni_gnode *n, quantized *out) {
  tn_type type = value_of(r, n->outputs[0])->type;
  if (!is(n, "cast") || (type != TN_U8 && type != TN_I8)) return false;
  const tni_gnode *add = made_by(r, n->inputs[0], "add");
  const tni_gnode *round = made_by(r, add ? add->inputs[0] : n->inputs[0], "round");
  const tni_gnode *div = round ? made_by(r, round->inputs[0], "div") : NULL;
  if (!div) return false;
  *out = (quantized){div->inputs[0], constant_of(r, div->inputs[1]), add ? constant_of(r, add->inputs[1]) : NULL};
  if (!out->scale || out->scale->type != TN_F32) return false;
  return !add || (out->zero_point && out->zero_point->type == type);
}

/* Of activations: one number each, and a scale that is none of the extremes. */
static bool is_of_one_scale(const quantized *q) {
  bool one = tni_gvalue_numel(q->scale) == 1 && (!q->zero_point || tni_gvalue_numel(q->zero_point) == 1);
  return one && is_usual(number_at(q->scale, 0));
}

/* A bound of real numbers as one of quantized ones. */
static int64_t bound_of(const quantized *q, double bound, int64_t least) {
  double at = nearbyint(bound / scale_at(q->scale, 0)) + (double)zero_point_at(q->zero_point, 0);
  return at < (double)least ? least : at > (double)(least + 255) ? least + 255 : (int64_t)at;
}

/* Are sums that f32 does not hold saturated in any case? */
static bool fit_f32(const summed *s, const float *scales) {
  bool fit = true;
  for (int64_t m = 0; m < s->shape[0] && fit; m++) fit = s->most <= MOST_SUM || scales[m] * MOST_SUM >= FAR;
  return fit;
}

static void requantize(rewriter *r, const tni_gnode *n, const quantized *q) {
  const summed *s = &r->sums[q->real];
  const tni_gvalue *out = value_of(r, n->outputs[0]);
  float *scales = new_contents(r, (size_t)s->shape[0] * sizeof *scales);
  if (!scales) return;
  for (int64_t m = 0; m < s->shape[0]; m++) scales[m] = s->scales[m] / scale_at(q->scale, 0);
  int64_t least = out->type == TN_U8 ? 0 : -128;
  tni_attr attrs[] = {
      {.name = "high", .kind = TNI_ATTR_INT, .i = bound_of(q, s->high, least)},
      {.name = "low", .kind = TNI_ATTR_INT, .i = bound_of(q, s->low, least)},
      {.name = "short", .kind = TNI_ATTR_INT, .i = fit_f32(s, scales)},
      {.name = "to", .kind = TNI_ATTR_STRING, .string = out->type == TN_U8 ? "u8" : "i8"},
      {.name = "zero_point", .kind = TNI_ATTR_INT, .i = zero_point_at(q->zero_point, 0)},
  };
  uint32_t inputs[] = {s->sum, add_floats(r, s->rank, s->shape, scales)};
  r->c.map[n->outputs[0]] = add_node(r, "requantize", out->name, 2, inputs, TNI_COUNT(attrs), attrs);
}

/* The node quantizes what is known. False: it does not. */
static bool quantize_again(rewriter *r, const tni_gnode *n) {
  quantized q;
  if (!is_quantized(r, n, &q) || !is_of_one_scale(&q)) return false;
  if (value_of(r, q.real)->rank != value_of(r, n->outputs[0])->rank) return false;
  const reading *x = &r->readings[q.real];
  tn_type type = value_of(r, n->outputs[0])->type;
  if (r->sums[q.real].sum != TNI_NO_VALUE) {
    requantize(r, n, &q);
    return true;
  }
  bool same = x->q != TNI_NO_VALUE && x->type == type && x->zero_point == zero_point_at(q.zero_point, 0) &&
              x->scale == scale_at(q.scale, 0);
  if (!same || is_output(r->c.from, n->outputs[0])) return false;
  r->c.map[n->outputs[0]] = x->q;
  return true;
}

/* ---- quantized constants ----------------------------------------------------------------------------------------- */

/* Which element of v belongs to element i of a result of that shape, with which it broadcasts. */
static int64_t element_for(const tni_gvalue *v, const tni_gvalue *result, int64_t i) {
  int64_t at = 0, scale = 1;
  for (int32_t d = result->rank - 1, own = v->rank - 1; own >= 0; d--, own--) {
    if (v->shape[own] != 1) at += i % result->shape[d] * scale;
    scale *= v->shape[own];
    i /= result->shape[d];
  }
  return at;
}

/* What QuantizeLinear gives for one number. */
static int64_t quantize_number(const quantized *q, const tni_gvalue *out, float x, int64_t i) {
  float scale = (float)number_at(q->scale, element_for(q->scale, out, i));
  float zero_point = q->zero_point ? (float)number_at(q->zero_point, element_for(q->zero_point, out, i)) : 0;
  float number = nearbyintf(x / scale) + zero_point, least = out->type == TN_U8 ? 0 : -128;
  if (isnan(number)) return 0;
  return (int64_t)fminf(fmaxf(number, least), least + 255);
}

/* Weights that are stored as floats, quantized and dequantized where they are used: their integers. False: none such. */
static bool quantize_constant(rewriter *r, const tni_gnode *n) {
  quantized q;
  const tni_gvalue *out = value_of(r, n->outputs[0]);
  if (!is_quantized(r, n, &q) || is_output(r->c.from, n->outputs[0])) return false;
  const tni_gvalue *x = value_of(r, q.real);
  int64_t count = tni_gvalue_numel(out);
  if (!x->data || x->type != TN_F32 || tni_gvalue_numel(x) != count || x->rank != out->rank) return false;
  tni_gvalue *made = new_contents(r, sizeof *made);
  uint8_t *data = new_contents(r, (size_t)count + 1);
  if (!made || !data) return true;
  for (int64_t i = 0; i < count; i++) data[i] = (uint8_t)quantize_number(&q, out, (float)number_at(x, i), i);
  *made = *out;
  made->data = data;
  r->known[n->outputs[0]] = made;
  r->c.map[n->outputs[0]] = add_constant(r, out->type, out->rank, out->shape, data);
  return true;
}

/* ---- what moves numbers, or keeps their order -------------------------------------------------------------------- */

static bool moves(const tni_gnode *n) { return is(n, "max_pool") || is(n, "reshape") || is(n, "transpose"); }

/* Of dequantized numbers, the same of what they are quantized. False: they are none. */
static bool pass_on(rewriter *r, const tni_gnode *n) {
  reading x = r->readings[n->inputs[0]];
  if (x.q == TNI_NO_VALUE || !(moves(n) || is(n, "relu"))) return false;
  if (is(n, "relu"))
    x.q = add2(r, "max", NULL, x.q, add_number(r, x.type, x.zero_point));
  else
    x.q = add_like(r, n, 1, &x.q);
  r->readings[n->outputs[0]] = x;
  r->c.map[n->outputs[0]] = add_dequantized(r, &x, value_of(r, n->outputs[0])->name);
  return true;
}

/* One number that is known; false: it is not. Absent: `otherwise`. */
static bool bound_at(const rewriter *r, const tni_gnode *n, uint32_t i, double otherwise, double *out) {
  *out = otherwise;
  if (i >= n->input_count || n->inputs[i] == TNI_NO_VALUE) return true;
  const tni_gvalue *v = constant_of(r, n->inputs[i]);
  if (!v || tni_gvalue_numel(v) != 1) return false;
  *out = number_at(v, 0);
  return !isnan(*out);
}

/* Bounds of a sum's real number: the node stays for those who want that. */
static void bound_sum(rewriter *r, const tni_gnode *n) {
  const summed *before = &r->sums[n->inputs[0]];
  double low = 0, high = INFINITY;
  if (before->sum == TNI_NO_VALUE || !(is(n, "relu") || is(n, "clip"))) return;
  if (is(n, "clip") && !(bound_at(r, n, 1, -INFINITY, &low) && bound_at(r, n, 2, INFINITY, &high))) return;
  summed s = *before;
  s.low = fmin(fmax(s.low, low), high);
  s.high = fmin(fmax(s.high, low), high);
  if (low <= high) r->sums[n->outputs[0]] = s;
}

static void pass_names_on(rewriter *r, const tni_gnode *n) {
  if (!is(n, "identity")) return;
  r->readings[n->outputs[0]] = r->readings[n->inputs[0]];
  r->sums[n->outputs[0]] = r->sums[n->inputs[0]];
}

/* What DequantizeLinear gives of activations. */
static void read_activation(rewriter *r, const tni_gnode *n) {
  dequantized d;
  if (!is(n, "mul") || !is_dequantized(r, n->outputs[0], &d)) return;
  const tni_gvalue *q = value_of(r, d.q);
  if (q->type == TN_I32 || tni_gvalue_numel(d.scale) != 1 || !is_usual(number_at(d.scale, 0))) return;
  if (d.zero_point && (tni_gvalue_numel(d.zero_point) != 1 || d.zero_point->type != q->type)) return;
  r->readings[n->outputs[0]] = (reading){mapped(r, d.q), q->type, zero_point_at(d.zero_point, 0), scale_at(d.scale, 0)};
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

/* False: the node stays. */
static bool replace(rewriter *r, const tni_gnode *n) {
  if (n->output_count != 1 || n->outputs[0] == TNI_NO_VALUE || n->inputs[0] == TNI_NO_VALUE) return false;
  if (is(n, "conv") || is(n, "matmul")) return sum_up(r, n, is(n, "conv"));
  if (is(n, "add")) return add_bias(r, n);
  return quantize_constant(r, n) || quantize_again(r, n) || pass_on(r, n);
}

static void visit(rewriter *r, const tni_gnode *n) {
  if (replace(r, n) || r->status) return;
  r->status = tni_gcopy_node(&r->c, n, r->err);
  if (r->status || n->output_count != 1) return;
  pass_names_on(r, n);
  bound_sum(r, n);
  read_activation(r, n);
}

/* Nothing but operators, and a product of what may be dequantized. */
static bool may_gain(const tn_graph *g) {
  bool product = false, cast = false;
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    if (!n->op) return false;
    product |= is(n, "conv") || is(n, "matmul");
    tn_type from = is(n, "cast") ? g->values[n->inputs[0]].type : TN_F32;
    cast |= from == TN_U8 || from == TN_I8;
  }
  return product && cast;
}

static tn_status rewrite(rewriter *r, const tn_graph **out) {
  const tn_graph *g = r->c.from;
  memset(r->maker, 0xff, g->value_count * sizeof *r->maker);
  memset(r->centred, 0xff, g->value_count * sizeof *r->centred);
  for (uint32_t i = 0; i < g->value_count; i++) r->readings[i].q = r->sums[i].sum = TNI_NO_VALUE;
  for (uint32_t i = 0; i < g->node_count; i++)
    for (uint32_t k = 0; k < g->nodes[i].output_count; k++)
      if (g->nodes[i].outputs[k] != TNI_NO_VALUE) r->maker[g->nodes[i].outputs[k]] = i;
  for (uint32_t i = 0; i < g->node_count && !r->status; i++) visit(r, &g->nodes[i]);
  return r->status ? r->status : tni_gcopy_finish(&r->c, out, r->err);
}

tn_status tni_graph_integers(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  rewriter r = {.err = err};
  size_t count = g->value_count + 1;
  *out = g;
  if (!may_gain(g)) return TN_OK;
  tn_status status = tni_gcopy_begin(&r.c, g, to, err);
  if (status) return status;
  r.maker = tni_alloc(to->ctx, count * sizeof *r.maker);
  r.centred = tni_alloc(to->ctx, count * sizeof *r.centred);
  r.known = tni_alloc_zero(to->ctx, count * sizeof *r.known);
  r.readings = tni_alloc_zero(to->ctx, count * sizeof *r.readings);
  r.sums = tni_alloc_zero(to->ctx, count * sizeof *r.sums);
  status = r.maker && r.centred && r.known && r.readings && r.sums ? rewrite(&r, out) : tni_fail_nomem(err);
  tni_free(to->ctx, r.maker, count * sizeof *r.maker);
  tni_free(to->ctx, r.centred, count * sizeof *r.centred);
  tni_free(to->ctx, r.known, count * sizeof *r.known);
  tni_free(to->ctx, r.readings, count * sizeof *r.readings);
  tni_free(to->ctx, r.sums, count * sizeof *r.sums);
  tni_gcopy_end(&r.c);
  return status;
}
