/* widen.c -- products of short integers that are made i32 first take the short ones, where the target multiplies these
 * at once.
 *
 *     matmul(cast(x), cast(y))               ->   matmul(x, y) {to = "i32"}        the same sums of the same products
 *     conv(i32(p) - a, i32(q) - b, bias)     ->   conv(i16(p) - a, i16(q) - b, bias) {to = "i32"}
 *                                            ->   conv(p, q, bias - a * sums of q) {to = "i32", outside = a}
 *                                            ->   i32(conv(f32(p) - a, f32(q) - b, f32(bias)))
 *
 * p and q are bytes, q constant: less their zero points they are numbers of 16 bits. The third form is of targets whose
 * best instruction multiplies bytes: q has no zero point then, and that of p is where the padding has zeros. Its steps are
 * channels, or taps along a row or, of single channels, along a column of the image (layout.c). Sums wrap, so they are the
 * same in any case; likewise of matmul. The last form is of sums so short that f32 holds each of them exactly, where no
 * instruction takes several steps at once: of groups, of fewer channels than it has steps; and of bytes, when it is known
 * where images have their channels, of such that have them in front. Such a product costs less than one of 32-bit lanes on
 * x86-64. Of groups p stays short, and is cast where it is used; what quantizes the sums takes them as they are.
 *
 *     conv(i32(p) - a, q, bias), p i8        ->   conv(u8(p) ^ 128, q, bias - (a + 128) * sums of q) {outside = a + 128}
 *
 * where the instruction takes bytes without a sign by bytes with one.
 *
 *     matmul(x, cast(w))  w short floats     ->   matmul(x, w) {to = "f32"}
 *
 * of few rows, which take as long as w takes to come from memory.
 *
 * So constants stay short, and dot products and tiles of the target (targets/units.c) find what they are of. What stood
 * there before goes when nobody else uses it (ir/graph/fold.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "sched.h"

enum { MAX_ATTRS = 16, MOST_INPUTS = 3, FEW_ROWS = 7 /* less than what the default schedule casts before */ };
enum { LEAST_CHANNELS = 4 /* steps of a dot product of bytes */, MOST_IN_FLOATS = 1 << 24 };

/* A factor as it is before it becomes i32. */
typedef struct factor {
  uint32_t value;      /* short */
  uint32_t zero_point; /* a constant that is taken away from it, or TNI_NO_VALUE */
} factor;

typedef struct product {
  bool conv;
  enum { AS_THEY_ARE, IN_16_BITS, IN_BYTES, IN_FLOATS } form;
  bool turned; /* x + 128 instead of x, without a sign */
  factor x, w;
} product;

typedef struct widener {
  tni_gcopy c;
  const tn_target *target;
  bool placed; /* it is known where the channels of images are, and nothing else is to be done */
  uint32_t *maker; /* by value of the old graph: its node, or TNI_NO_VALUE */
  uint32_t *wider;  /* by value: what of 16 bits was made in its place, or TNI_NO_VALUE */
  uint32_t *turned; /* by value: it + 128, without a sign, or TNI_NO_VALUE */
  uint32_t *sums;   /* by value: the f32 that it was cast from, or TNI_NO_VALUE */
  const char *node_name; /* of the product, which all have that are made of it */
  tn_error **err;
  tn_status status;
} widener;

/* ---- what is there ----------------------------------------------------------------------------------------------- */

static const tni_gvalue *value_of(const widener *v, uint32_t value) { return &v->c.from->values[value]; }

static bool is(const tni_gnode *n, const char *op) { return n->op && strcmp(n->op->name, op) == 0; }

/* The node of that operator that makes the value; NULL: none does. */
static const tni_gnode *made_by(const widener *v, uint32_t value, const char *op) {
  uint32_t node = v->maker[value];
  const tni_gnode *n = node == TNI_NO_VALUE ? NULL : &v->c.from->nodes[node];
  return n && is(n, op) ? n : NULL;
}

/* The constant that the value is, or is cast from; TNI_NO_VALUE: neither. */
static uint32_t constant_of(const widener *v, uint32_t value) {
  const tni_gnode *cast = made_by(v, value, "cast");
  if (cast) value = cast->inputs[0];
  return value_of(v, value)->data && tn_type_bytes(value_of(v, value)->type) > 0 ? value : TNI_NO_VALUE;
}

static int64_t number_at(const tni_gvalue *v, int64_t i) { return tni_read_element(v->type, v->data, i).i; }

static bool are_within(const tni_gvalue *v, int64_t least, int64_t most) {
  for (int64_t i = 0; i < tni_gvalue_numel(v); i++)
    if (number_at(v, i) < least || number_at(v, i) > most) return false;
  return true;
}

/* Small constants are cast already. */
static bool is_cast_constant(const widener *v, uint32_t value, factor *out) {
  const tni_gvalue *x = value_of(v, value);
  *out = (factor){value, TNI_NO_VALUE};
  return x->data && x->type == TN_I32 && are_within(x, INT16_MIN, INT16_MAX);
}

/* The shortest type that has the factor: of an i32 that is known. */
static tn_type type_of(const widener *v, const factor *f) {
  const tni_gvalue *x = value_of(v, f->value);
  if (x->type != TN_I32) return x->type;
  return are_within(x, INT8_MIN, INT8_MAX) ? TN_I8 : TN_I16;
}

/* Is it bytes, cast, less numbers of a byte? */
static bool is_centred(const widener *v, uint32_t value, factor *out) {
  const tni_gnode *sub = made_by(v, value, "sub"), *cast = made_by(v, sub ? sub->inputs[0] : value, "cast");
  *out = (factor){cast ? cast->inputs[0] : TNI_NO_VALUE, sub ? constant_of(v, sub->inputs[1]) : TNI_NO_VALUE};
  if (!cast || (sub && out->zero_point == TNI_NO_VALUE) || value_of(v, value)->type != TN_I32) return false;
  tn_type type = value_of(v, out->value)->type;
  const tni_gvalue *zero_point = sub ? value_of(v, out->zero_point) : NULL;
  bool zero = true, fits = true;
  for (int64_t i = 0; sub && i < tni_gvalue_numel(zero_point) && fits; i++) {
    int64_t number = tni_type_is_int(zero_point->type) ? number_at(zero_point, i) : 256;
    zero &= number == 0;
    fits = number >= -128 && number <= 255;
  }
  if (zero) out->zero_point = TNI_NO_VALUE;
  return fits && (type == TN_U8 || type == TN_I8);
}

/* How much does the target gain by an instruction for such products? */
static int32_t gain_of(const widener *v, tn_type c, tn_type a, tn_type b) {
  tn_context *ctx = v->c.from->program->ctx;
  const tni_unit *unit = tni_target_product_unit(ctx, v->target, c, a, b);
  const tni_unit_row *row = unit ? tni_target_unit(v->target, unit, v->target->vector_bits) : NULL;
  return row ? row->gain : 0;
}

static bool has_bias(const tni_gnode *n) { return n->input_count > 2 && n->inputs[2] != TNI_NO_VALUE; }

static double largest_of(const tni_gvalue *v) {
  double largest = 0;
  for (int64_t i = 0; i < tni_gvalue_numel(v); i++) largest = fmax(largest, fabs((double)number_at(v, i)));
  return largest;
}

/* No sum of the convolution, nor a part of one, is more than that in magnitude; infinite: it is not known. */
static double most_of(const widener *v, const tni_gnode *n, const product *p) {
  const tni_gvalue *w = value_of(v, p->w.value), *bias = has_bias(n) ? value_of(v, n->inputs[2]) : NULL;
  double weight = largest_of(w) + (p->w.zero_point == TNI_NO_VALUE ? 0 : 255);
  double x = p->x.zero_point == TNI_NO_VALUE ? 255 : 2 * 255;
  double most = w->shape[0] > 0 ? (double)(tni_gvalue_numel(w) / w->shape[0]) * weight * x : 0;
  return bias && !bias->data ? INFINITY : most + (bias ? largest_of(bias) : 0);
}

/* Are floats faster than 32-bit lanes, and all sums in them exact? */
static bool can_be_floats(const widener *v, const tni_gnode *n, const product *p) {
  return p->conv && v->target->isa == TNI_ISA_X86_64 && v->target->has_fma && most_of(v, n, p) <= MOST_IN_FLOATS;
}

/* Does a convolution sum up many steps of one channel along the first dimension, or of all? Of groups there is no dot
 * product. */
static bool has_steps(const widener *v, const tni_gnode *n, const product *p) {
  const tni_gvalue *x = value_of(v, p->x.value), *w = value_of(v, p->w.value);
  int64_t group = tni_attr_int(n, "group", 1);
  if (group == 1) return true;
  if (group != w->shape[0] || group != x->shape[1] || !can_be_floats(v, n, p)) return false;
  const tni_unit *unit =
      tni_target_product_unit(v->c.from->program->ctx, v->target, TN_I32, type_of(v, &p->x), type_of(v, &p->w));
  return unit && tni_unit_suits_taps(unit, w->shape[2]);
}

static bool wants_bytes(const widener *v, const tni_gnode *n, const product *p) {
  tn_type a = type_of(v, &p->x), b = type_of(v, &p->w);
  if (p->w.zero_point != TNI_NO_VALUE || (p->conv && !has_steps(v, n, p))) return false;
  if (p->x.zero_point != TNI_NO_VALUE && tni_gvalue_numel(value_of(v, p->x.zero_point)) != 1) return false;
  return gain_of(v, TN_I32, a, b) > gain_of(v, TN_I32, TN_I16, TN_I16) ||
         (!p->conv && tni_target_has_tiles(v->target, TN_I32, a, b));
}

/* Are products of bytes with signs slower than those of which the first has none? */
static bool wants_turn(const widener *v, const product *p) {
  if (value_of(v, p->x.value)->type != TN_I8 || type_of(v, &p->w) != TN_I8) return false;
  return !tni_target_has_tiles(v->target, TN_I32, TN_I8, TN_I8) &&
         gain_of(v, TN_I32, TN_U8, TN_I8) > gain_of(v, TN_I32, TN_I8, TN_I8);
}

/* With constant weights, which a bias or what takes its place makes good. */
static bool can_turn(const widener *v, const tni_gnode *n, const product *p) {
  const tni_gvalue *w = value_of(v, p->w.value);
  return value_of(v, n->outputs[0])->type == TN_I32 && w->data && w->rank == 2 && wants_turn(v, p);
}

/* Constant weights of f32 that come from short floats, and so few rows that it is them for which it waits. */
static bool has_short_weights(const widener *v, const tni_gnode *n, product *out) {
  const tni_gnode *y = made_by(v, n->inputs[1], "cast");
  const tni_gvalue *x = value_of(v, n->inputs[0]), *w = y ? value_of(v, y->inputs[0]) : NULL;
  out->x = (factor){n->inputs[0], TNI_NO_VALUE}, out->w = (factor){y ? y->inputs[0] : TNI_NO_VALUE, TNI_NO_VALUE};
  if (!w || !w->data || w->rank != 2 || x->type != TN_F32 || (w->type != TN_BF16 && w->type != TN_F16)) return false;
  return w->shape[0] > 0 && tni_gvalue_numel(x) / w->shape[0] <= FEW_ROWS;
}

/* Are there no steps for a dot product? Those of bytes are found along rows of images, too (layout.c). */
static bool wants_floats(const widener *v, const tni_gnode *n, const product *p) {
  const tni_gvalue *w = value_of(v, p->w.value);
  bool grouped = tni_attr_int(n, "group", 1) != 1;
  return (grouped || w->shape[1] < LEAST_CHANNELS) && !wants_bytes(v, n, p) && can_be_floats(v, n, p);
}

static bool is_byte(tn_type type) { return type == TN_U8 || type == TN_I8; }

static bool has_taps(const tni_gvalue *w) { return tni_gvalue_numel(w) != w->shape[0] * w->shape[1]; }

/* Is it a convolution of bytes, of an image whose channels are not the last? There are no steps side by side for a dot
 * product; one of a single tap is a product of matrices. */
static bool is_left(const widener *v, const tni_gnode *n, product *out) {
  *out = (product){.conv = is(n, "conv"), .form = IN_FLOATS, .x = {n->inputs[0], TNI_NO_VALUE}};
  bool placed = tni_attr_int(n, "channels_last", 0) || tni_attr_int(n, "oc_last", 0) || tni_attr_int(n, "panel", 0);
  if (!out->conv || placed || value_of(v, n->outputs[0])->type != TN_I32) return false;
  out->w = (factor){n->inputs[1], TNI_NO_VALUE};
  const tni_gvalue *x = value_of(v, out->x.value), *w = value_of(v, out->w.value);
  return is_byte(x->type) && is_byte(w->type) && w->data && has_taps(w) && can_be_floats(v, n, out);
}

/* Is it a product that can take shorter numbers, or others as short? */
static bool is_wide(const widener *v, const tni_gnode *n, product *out) {
  if (v->placed) return is_left(v, n, out);
  *out = (product){.conv = is(n, "conv")};
  if (is(n, "matmul") && n->attr_count == 1 && tni_attr_string(n, "to", NULL)) {
    *out = (product){.form = IN_BYTES, .turned = true};
    out->x = (factor){n->inputs[0], TNI_NO_VALUE}, out->w = (factor){n->inputs[1], TNI_NO_VALUE};
    return can_turn(v, n, out);
  }
  if ((!out->conv && !is(n, "matmul")) || n->attr_count == MAX_ATTRS || tni_attr_string(n, "to", NULL)) return false;
  const tni_gnode *x = made_by(v, n->inputs[0], "cast"), *y = made_by(v, n->inputs[1], "cast");
  tn_type c = value_of(v, n->outputs[0])->type;
  if (!out->conv && x && y && n->attr_count == 0) {
    out->x = (factor){x->inputs[0], TNI_NO_VALUE}, out->w = (factor){y->inputs[0], TNI_NO_VALUE};
    tn_type a = value_of(v, out->x.value)->type, b = value_of(v, out->w.value)->type;
    out->turned = can_turn(v, n, out);
    if (out->turned) out->form = IN_BYTES;
    if (tni_target_has_tiles(v->target, c, a, b) || gain_of(v, c, a, b)) return true;
  }
  if (!out->conv && n->attr_count == 0 && has_short_weights(v, n, out)) return true;
  if (c != TN_I32 || !is_centred(v, n->inputs[0], &out->x)) return false;
  if (!is_cast_constant(v, n->inputs[1], &out->w) && !is_centred(v, n->inputs[1], &out->w)) return false;
  const tni_gvalue *w = value_of(v, out->w.value);
  if (!w->data || (!out->conv && w->rank != 2)) return false;
  out->form = wants_floats(v, n, out) ? IN_FLOATS : wants_bytes(v, n, out) ? IN_BYTES : IN_16_BITS;
  out->turned = out->form == IN_BYTES && wants_turn(v, out);
  return true;
}

/* ---- new nodes --------------------------------------------------------------------------------------------------- */

static uint32_t add_node(widener *v, const char *op, const char *name, uint32_t count, const uint32_t *inputs,
                         uint32_t attr_count, const tni_attr *attrs) {
  uint32_t out = TNI_NO_VALUE;
  if (!v->status)
    v->status = tni_g_node(v->c.b, tni_gop_find(op), v->node_name, count, inputs, attr_count, attrs, 1, &name, &out, v->err);
  return out;
}

static uint32_t add2(widener *v, const char *op, uint32_t x, uint32_t y) {
  return add_node(v, op, NULL, 2, (uint32_t[]){x, y}, 0, NULL);
}

static uint32_t add_cast(widener *v, uint32_t x, const char *to) {
  tni_attr attr = {.name = "to", .kind = TNI_ATTR_STRING, .string = to};
  return add_node(v, "cast", NULL, 1, &x, 1, &attr);
}

static uint32_t mapped(widener *v, uint32_t old) {
  uint32_t out = old == TNI_NO_VALUE ? old : v->c.map[old];
  if (old != TNI_NO_VALUE && out == TNI_NO_VALUE && !v->status) v->status = tni_gcopy_const(&v->c, old, &out, v->err);
  return out;
}

/* Less its zero point, in 16 bits; `value` is what it is in 32. */
static uint32_t in_16_bits(widener *v, uint32_t value, const factor *f) {
  if (v->wider[value] != TNI_NO_VALUE) return v->wider[value];
  uint32_t out = add_cast(v, mapped(v, f->value), "i16");
  if (f->zero_point != TNI_NO_VALUE) out = add2(v, "sub", out, add_cast(v, mapped(v, f->zero_point), "i16"));
  return v->wider[value] = out;
}

static uint32_t add_scalar(widener *v, tn_type type, const void *number) {
  uint32_t out = v->status ? TNI_NO_VALUE : tni_g_const(v->c.b, NULL, type, 0, NULL, number);
  if (!v->status && out == TNI_NO_VALUE) v->status = tni_fail_nomem(v->err);
  return out;
}

/* x + 128, once for all that take it. */
static uint32_t turn(widener *v, uint32_t x) {
  static const uint8_t half = 128;
  if (v->turned[x] != TNI_NO_VALUE) return v->turned[x];
  return v->turned[x] = add2(v, "bitwise_xor", add_cast(v, mapped(v, x), "u8"), add_scalar(v, TN_U8, &half));
}

/* That of what is multiplied, an i32. */
static uint32_t zero_point_of(widener *v, const product *p) {
  static const int32_t half = 128;
  bool none = p->x.zero_point == TNI_NO_VALUE;
  uint32_t own = none ? TNI_NO_VALUE : add_cast(v, mapped(v, p->x.zero_point), "i32");
  if (!p->turned) return own;
  uint32_t shift = add_scalar(v, TN_I32, &half);
  return none ? shift : add2(v, "add", own, shift);
}

/* What the zero point of x adds to each sum: it times the sum of the weights, along the result's channels. */
static uint32_t excess(widener *v, const product *p) {
  const tni_gvalue *w = value_of(v, p->w.value);
  int64_t axes[TN_MAX_RANK], one = 1;
  for (int32_t d = 1; d < w->rank; d++) axes[d - 1] = d;
  tni_attr attrs[] = {{.name = "axes", .kind = TNI_ATTR_INTS, .ints = axes, .count = w->rank - 1},
                      {.name = "keepdims", .kind = TNI_ATTR_INT}};
  if (!p->conv) axes[0] = 0, attrs[0].count = 1;
  uint32_t wide = add_cast(v, mapped(v, p->w.value), "i32"), sums = add_node(v, "reduce_sum", NULL, 1, &wide, 2, attrs);
  uint32_t zero_point = zero_point_of(v, p);
  tni_attr scalar = {.name = "shape", .kind = TNI_ATTR_INTS, .ints = &one, .count = 1};
  return add2(v, "mul", sums, add_node(v, "reshape", NULL, 1, &zero_point, 1, &scalar));
}

/* bias - the excess, or that alone */
static uint32_t bias_without(widener *v, uint32_t bias, uint32_t excess) {
  if (bias == TNI_NO_VALUE) return add_node(v, "neg", NULL, 1, &excess, 0, NULL);
  return add2(v, "sub", bias, excess);
}

/* What the padding has. */
static int64_t outside_of(const widener *v, const product *p) {
  int64_t own = p->x.zero_point == TNI_NO_VALUE ? 0 : number_at(value_of(v, p->x.zero_point), 0);
  return p->turned ? own + 128 : own;
}

/* Less its zero point, in f32. */
static uint32_t in_floats(widener *v, const factor *f) {
  uint32_t out = add_cast(v, mapped(v, f->value), "f32");
  return f->zero_point == TNI_NO_VALUE ? out : add2(v, "sub", out, add_cast(v, mapped(v, f->zero_point), "f32"));
}

static void add_floats(widener *v, const tni_gnode *n, const product *p) {
  uint32_t inputs[MOST_INPUTS] = {0}, count = 0;
  const tni_attr to = {.name = "to", .kind = TNI_ATTR_STRING, .string = "i32"};
  tni_attr attrs[MAX_ATTRS + 1];
  const char *name = value_of(v, n->outputs[0])->name;
  v->node_name = n->name;
  bool short_x = tni_attr_int(n, "group", 1) != 1 && p->x.zero_point == TNI_NO_VALUE;
  for (uint32_t i = 0; i < n->attr_count; i++)
    if (strcmp(n->attrs[i].name, "to") != 0) attrs[count++] = n->attrs[i];
  attrs[count++] = (tni_attr){.name = "to", .kind = TNI_ATTR_STRING, .string = "f32"};
  inputs[0] = short_x ? mapped(v, p->x.value) : in_floats(v, &p->x);
  inputs[1] = in_floats(v, &p->w);
  if (has_bias(n)) inputs[2] = add_cast(v, mapped(v, n->inputs[2]), "f32");
  uint32_t sums = v->sums[n->outputs[0]] = add_node(v, "conv", NULL, 2 + has_bias(n), inputs, count, attrs);
  v->c.map[n->outputs[0]] = add_node(v, "cast", name, 1, &sums, 1, &to);
}

static void add_short(widener *v, const tni_gnode *n, const product *p) {
  char text[16];
  tni_attr attrs[MAX_ATTRS + 2];
  uint32_t inputs[MOST_INPUTS], count = 0, input_count = 2;
  const char *name = value_of(v, n->outputs[0])->name;
  v->node_name = n->name;
  for (uint32_t i = 0; i < n->attr_count; i++)
    if (strcmp(n->attrs[i].name, "to") != 0) attrs[count++] = n->attrs[i];
  attrs[count++] = (tni_attr){.name = "to", .kind = TNI_ATTR_STRING,
                              .string = tn_type_text(value_of(v, n->outputs[0])->type, text)};
  bool shifted = p->form == IN_BYTES && (p->turned || p->x.zero_point != TNI_NO_VALUE);
  for (int i = 0; i < 2; i++) {
    const factor *f = i ? &p->w : &p->x;
    if (p->form == IN_16_BITS)
      inputs[i] = in_16_bits(v, n->inputs[i], f);
    else
      inputs[i] = p->turned && i == 0 ? turn(v, f->value) : mapped(v, f->value);
    if (p->form == IN_BYTES && value_of(v, f->value)->type == TN_I32) inputs[i] = add_cast(v, inputs[i], "i8");
  }
  inputs[2] = p->conv && n->input_count > 2 ? mapped(v, n->inputs[2]) : TNI_NO_VALUE;
  uint32_t more = shifted ? excess(v, p) : TNI_NO_VALUE;
  if (shifted && p->conv) {
    inputs[2] = bias_without(v, inputs[2], more);
    attrs[count++] = (tni_attr){.name = "outside", .kind = TNI_ATTR_INT, .i = outside_of(v, p)};
  }
  if (p->conv && inputs[2] != TNI_NO_VALUE) input_count = 3;
  uint32_t out = add_node(v, n->op->name, shifted && !p->conv ? NULL : name, input_count, inputs, count, attrs);
  if (shifted && !p->conv) out = add_node(v, "sub", name, 2, (uint32_t[]){out, more}, 0, NULL);
  v->c.map[n->outputs[0]] = out;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

/* Of sums that were made in f32 it takes these. */
static void copy_quantizer(widener *v, const tni_gnode *n) {
  uint32_t *sum = &v->c.map[n->inputs[0]], kept = *sum;
  if (v->sums[n->inputs[0]] != TNI_NO_VALUE) *sum = v->sums[n->inputs[0]];
  v->status = tni_gcopy_node(&v->c, n, v->err);
  *sum = kept;
}

static bool quantizes(const tni_gnode *n) { return is(n, "requantize") && tni_attr_int(n, "short", 0); }

static tn_status copy_all(widener *v, const tn_graph **out) {
  const tn_graph *g = v->c.from;
  product p;
  memset(v->wider, 0xff, g->value_count * sizeof *v->wider);
  memset(v->turned, 0xff, g->value_count * sizeof *v->turned);
  memset(v->sums, 0xff, g->value_count * sizeof *v->sums);
  for (uint32_t i = 0; i < g->node_count && !v->status; i++) {
    if (is_wide(v, &g->nodes[i], &p))
      (p.form == IN_FLOATS ? add_floats : add_short)(v, &g->nodes[i], &p);
    else if (quantizes(&g->nodes[i]))
      copy_quantizer(v, &g->nodes[i]);
    else
      v->status = tni_gcopy_node(&v->c, &g->nodes[i], v->err);
  }
  return v->status ? v->status : tni_gcopy_finish(&v->c, out, v->err);
}

/* Nothing but operators, and a product to change. */
static bool changes_anything(widener *v) {
  const tn_graph *g = v->c.from;
  product p;
  bool found = false;
  memset(v->maker, 0xff, g->value_count * sizeof *v->maker);
  for (uint32_t i = 0; i < g->node_count; i++) {
    if (!g->nodes[i].op) return false;
    for (uint32_t k = 0; k < g->nodes[i].output_count; k++)
      if (g->nodes[i].outputs[k] != TNI_NO_VALUE) v->maker[g->nodes[i].outputs[k]] = i;
    found = found || is_wide(v, &g->nodes[i], &p);
  }
  return found;
}

static tn_status widen(const tn_graph *g, tn_program *to, const tn_target *target, bool placed, const tn_graph **out,
                       tn_error **err) {
  widener v = {.c.from = g, .target = target, .placed = placed, .err = err};
  size_t count = g->value_count + 1;
  *out = g;
  v.maker = tni_alloc(to->ctx, count * sizeof *v.maker);
  v.wider = tni_alloc(to->ctx, count * sizeof *v.wider);
  v.turned = tni_alloc(to->ctx, count * sizeof *v.turned);
  v.sums = tni_alloc(to->ctx, count * sizeof *v.sums);
  tn_status status = v.maker && v.wider && v.turned && v.sums ? TN_OK : tni_fail_nomem(err);
  if (!status && changes_anything(&v)) {
    status = tni_gcopy_begin(&v.c, g, to, err);
    if (!status) status = copy_all(&v, out), tni_gcopy_end(&v.c);
  }
  tni_free(to->ctx, v.maker, count * sizeof *v.maker);
  tni_free(to->ctx, v.wider, count * sizeof *v.wider);
  tni_free(to->ctx, v.turned, count * sizeof *v.turned);
  tni_free(to->ctx, v.sums, count * sizeof *v.sums);
  return status;
}

tn_status tni_graph_widen(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                          tn_error **err) {
  return widen(g, to, target, false, out, err);
}

tn_status tni_graph_widen_rest(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                               tn_error **err) {
  return widen(g, to, target, true, out, err);
}
