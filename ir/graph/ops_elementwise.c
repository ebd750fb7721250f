/* ops_elementwise.c -- pointwise operators: one block, each element from the elements at the same place.
 *
 *     out[i...] = value(in0[i...], in1[i...], ...)      inputs broadcast from the right
 *
 * A value_NAME below is the whole definition of operator NAME; its row is in ops.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "ops.h"

/* One element: the operands, already of the types that the shape rule asked for. */
typedef struct element {
  const tni_define *d;
  tn_builder *b;
  tn_type type; /* of the output */
  const tn_expr *x, *y, *z;
} element;

/* ---- shape rules ------------------------------------------------------------------------------------------------ */

enum { REAL = 1, INTEGER = 2, BOOL = 4, SCALE = 8, ANY = 15 };

static bool type_is_of(tn_type type, int classes) {
  if (TN_TYPE_LANES(type) != 1) return false;
  if (tni_type_is_scale(type)) return classes & SCALE;
  return ((classes & REAL) && tni_type_is_float(type)) || ((classes & INTEGER) && tni_type_is_int(type)) ||
         ((classes & BOOL) && type == TN_BOOL);
}

static bool broadcast_inputs(tni_infer *x) {
  x->out->rank = 0;
  for (uint32_t i = 0; i < x->node->input_count; i++) {
    if (!x->in[i]) continue;
    if (tni_broadcast_shape(&x->out->rank, x->out->shape, x->in[i]->rank, x->in[i]->shape)) continue;
    return tni_refuse(x, "the shape of input %u does not broadcast with the others", i);
  }
  return true;
}

/* All inputs from `first` on have one type of these classes; it becomes the output's. */
static bool one_type(tni_infer *x, uint32_t first, int classes) {
  char a[16], b[16];
  x->out->type = x->in[first]->type;
  if (!type_is_of(x->out->type, classes)) return tni_refuse(x, "an operand of type %s", tn_type_text(x->out->type, a));
  for (uint32_t i = first; i < x->node->input_count; i++)
    if (x->in[i] && x->in[i]->type != x->out->type)
      return tni_refuse(x, "operands of types %s and %s", tn_type_text(x->out->type, a),
                        tn_type_text(x->in[i]->type, b));
  return true;
}

bool tni_infer_number(tni_infer *x) { return one_type(x, 0, REAL | INTEGER) && broadcast_inputs(x); }
bool tni_infer_real(tni_infer *x) { return one_type(x, 0, REAL) && broadcast_inputs(x); }
bool tni_infer_logic(tni_infer *x) { return one_type(x, 0, BOOL) && broadcast_inputs(x); }
bool tni_infer_bits(tni_infer *x) { return one_type(x, 0, INTEGER) && broadcast_inputs(x); }

bool tni_infer_test(tni_infer *x) {
  if (!one_type(x, 0, REAL) || !broadcast_inputs(x)) return false;
  x->out->type = TN_BOOL;
  return true;
}

bool tni_infer_compare(tni_infer *x) {
  if (!one_type(x, 0, ANY) || !broadcast_inputs(x)) return false;
  x->out->type = TN_BOOL;
  return true;
}

bool tni_infer_where(tni_infer *x) {
  if (x->in[0]->type != TN_BOOL) return tni_refuse(x, "the condition is not bool");
  return one_type(x, 1, ANY) && broadcast_inputs(x);
}

bool tni_infer_cast(tni_infer *x) {
  const char *to = tni_attr_string(x->node, "to", ""), *round = tni_attr_string(x->node, "round", "nearest");
  x->out->type = tni_type_parse(to, strlen(to));
  if (!type_is_of(x->out->type, ANY)) return tni_refuse(x, "no element type `%.32s`", to);
  if (strcmp(round, "up") && strcmp(round, "down") && strcmp(round, "nearest"))
    return tni_refuse(x, "no rounding `%.32s`", round);
  return broadcast_inputs(x);
}

bool tni_infer_requantize(tni_infer *x) {
  const char *to = tni_attr_string(x->node, "to", "");
  tn_type type = tni_type_parse(to, strlen(to));
  if (type != TN_U8 && type != TN_I8) return tni_refuse(x, "to `%.32s`, which is neither u8 nor i8", to);
  bool is_sum = x->in[0]->type == TN_I32 || (x->in[0]->type == TN_F32 && tni_attr_int(x->node, "short", 0));
  if (!is_sum || x->in[1]->type != TN_F32) return tni_refuse(x, "not an i32 by an f32");
  int64_t least = type == TN_U8 ? 0 : -128, most = least + 255, zero_point = tni_attr_int(x->node, "zero_point", 0);
  int64_t low = tni_attr_int(x->node, "low", least), high = tni_attr_int(x->node, "high", most);
  if (low < least || high > most || low > high || zero_point < least || zero_point > most)
    return tni_refuse(x, "zero point %lld in %lld..%lld", (long long)zero_point, (long long)low, (long long)high);
  x->out->type = type;
  return broadcast_inputs(x);
}

/* Bools are bytes here. */
bool tni_infer_bit_cast(tni_infer *x) {
  const char *to = tni_attr_string(x->node, "to", "");
  tn_type from = x->in[0]->type, type = tni_type_parse(to, strlen(to));
  x->out->type = type;
  if (!type_is_of(type, ANY)) return tni_refuse(x, "no element type `%.32s`", to);
  int32_t have = from == TN_BOOL ? 8 : TN_TYPE_BITS(from), want = type == TN_BOOL ? 8 : TN_TYPE_BITS(type);
  return have == want ? broadcast_inputs(x) : tni_refuse(x, "%d bits as %d", have, want);
}

bool tni_infer_pow(tni_infer *x) {
  x->out->type = x->in[0]->type;
  for (int i = 0; i < 2; i++)
    if (!type_is_of(x->in[i]->type, REAL | INTEGER)) return tni_refuse(x, "operand %d is not a number", i);
  return broadcast_inputs(x);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static const tn_expr *num(const element *e, double value) { return tni_number(e->b, tn_expr_type(e->x), value); }
static const tn_expr *op1(const element *e, enum tn_op op, const tn_expr *x) { return tn_op1(e->b, op, x); }
static const tn_expr *op2(const element *e, enum tn_op op, const tn_expr *x, const tn_expr *y) {
  return tn_op2(e->b, op, x, y);
}
static const tn_expr *pick(const element *e, const tn_expr *c, const tn_expr *x, const tn_expr *y) {
  return tn_op3(e->b, TN_OP_select, c, x, y);
}
static const tn_expr *attr(const element *e, const char *name, double otherwise) {
  return num(e, tni_attr_float(e->d->node, name, otherwise));
}

#define VALUE(name) static const tn_expr *value_##name(const element *e)

VALUE(abs) { return op1(e, TN_OP_abs, e->x); }
VALUE(neg) { return op1(e, TN_OP_neg, e->x); }
VALUE(sqrt) { return op1(e, TN_OP_sqrt, e->x); }
VALUE(exp) { return op1(e, TN_OP_exp, e->x); }
VALUE(log) { return op1(e, TN_OP_log, e->x); }
VALUE(sin) { return op1(e, TN_OP_sin, e->x); }
VALUE(cos) { return op1(e, TN_OP_cos, e->x); }
VALUE(tan) { return op1(e, TN_OP_tan, e->x); }
VALUE(asin) { return op1(e, TN_OP_asin, e->x); }
VALUE(acos) { return op1(e, TN_OP_acos, e->x); }
VALUE(atan) { return op1(e, TN_OP_atan, e->x); }
VALUE(sinh) { return op1(e, TN_OP_sinh, e->x); }
VALUE(cosh) { return op1(e, TN_OP_cosh, e->x); }
VALUE(tanh) { return op1(e, TN_OP_tanh, e->x); }
VALUE(asinh) { return op1(e, TN_OP_asinh, e->x); }
VALUE(acosh) { return op1(e, TN_OP_acosh, e->x); }
VALUE(atanh) { return op1(e, TN_OP_atanh, e->x); }
VALUE(erf) { return op1(e, TN_OP_erf, e->x); }
VALUE(sigmoid) { return op1(e, TN_OP_sigmoid, e->x); }
VALUE(floor) { return op1(e, TN_OP_floor, e->x); }
VALUE(ceil) { return op1(e, TN_OP_ceil, e->x); }
VALUE(round) { return op1(e, TN_OP_round, e->x); }
VALUE(not ) { return op1(e, TN_OP_not, e->x); }
VALUE(bitwise_not) { return op1(e, TN_OP_not, e->x); }
VALUE(add) { return tn_add(e->b, e->x, e->y); }
VALUE(sub) { return tn_sub(e->b, e->x, e->y); }
VALUE(mul) { return tn_mul(e->b, e->x, e->y); }
VALUE(div) { return tn_div(e->b, e->x, e->y); }
VALUE(min) { return tn_min(e->b, e->x, e->y); }
VALUE(max) { return tn_max(e->b, e->x, e->y); }
VALUE(and) { return op2(e, TN_OP_and, e->x, e->y); }
VALUE(or) { return op2(e, TN_OP_or, e->x, e->y); }
VALUE(xor) { return op2(e, TN_OP_xor, e->x, e->y); }
VALUE(bitwise_and) { return op2(e, TN_OP_and, e->x, e->y); }
VALUE(bitwise_or) { return op2(e, TN_OP_or, e->x, e->y); }
VALUE(bitwise_xor) { return op2(e, TN_OP_xor, e->x, e->y); }
VALUE(equal) { return op2(e, TN_OP_eq, e->x, e->y); }

/* Order on bool: false < true, through u8. */
static const tn_expr *ordered(const element *e, const tn_expr *x) {
  return tn_expr_type(x) == TN_BOOL ? tn_cast(e->b, TN_U8, x) : x;
}
VALUE(less) { return op2(e, TN_OP_lt, ordered(e, e->x), ordered(e, e->y)); }
VALUE(less_or_equal) { return op2(e, TN_OP_le, ordered(e, e->x), ordered(e, e->y)); }
VALUE(greater) { return op2(e, TN_OP_lt, ordered(e, e->y), ordered(e, e->x)); }
VALUE(greater_or_equal) { return op2(e, TN_OP_le, ordered(e, e->y), ordered(e, e->x)); }

VALUE(where) { return pick(e, e->x, e->y, e->z); }

/* x as a power of two: the one towards zero, which x has when its fraction is cut off, or the next. What is beyond the
 * ends of f8e8m0, as 0 is, becomes the end; or NaN, unless it saturates. */
static const tn_expr *scale_of(const element *e, const char *round, bool saturates) {
  tn_builder *b = e->b;
  const tn_expr *x = tn_cast(b, TN_F64, e->x), *sign_and_exponent = tn_int(b, TN_I64, -(INT64_C(1) << 52)), *rises;
  const tn_expr *power = tn_reinterpret(b, TN_F64, op2(e, TN_OP_and, tn_reinterpret(b, TN_I64, x), sign_and_exponent));
  if (strcmp(round, "up") == 0)
    rises = op2(e, TN_OP_lt, power, x);
  else if (strcmp(round, "down") == 0)
    rises = tn_int(b, TN_BOOL, 0);
  else
    rises = op2(e, TN_OP_le, tn_mul(b, power, tn_float(b, TN_F64, 1.5)), x);
  power = pick(e, rises, tn_add(b, power, power), power);
  power = pick(e, op2(e, TN_OP_eq, x, x), power, x);
  if (saturates) return tn_cast_sat(b, TN_F8E8M0, power);
  const tn_expr *low = op2(e, TN_OP_lt, power, tn_float(b, TN_F64, tni_float_least(TN_F8E8M0)));
  return tn_cast(b, TN_F8E8M0, pick(e, low, tn_float(b, TN_F64, (double)NAN), power));
}

VALUE(cast) {
  const char *round = tni_attr_string(e->d->node, "round", NULL);
  if (round && tni_type_is_scale(e->type)) return scale_of(e, round, tni_attr_int(e->d->node, "saturate", 0));
  bool limits = tni_type_is_float(e->type) && TN_TYPE_BITS(e->type) == 8 && tni_attr_int(e->d->node, "saturate", 0);
  return limits ? tn_cast_sat(e->b, e->type, e->x) : tn_cast(e->b, e->type, e->x);
}

/* A number of the type whose neighbours are 1 apart: what is added to it is rounded to an integer, ties to even, in the
 * one rounding of an fma. Its last bits count: those of the number itself are 0. */
static const double steps_of_one_f32 = 0x1.8p23, steps_of_one_f64 = 0x1.8p52;
VALUE(requantize) {
  tn_builder *b = e->b;
  bool is_short = tni_attr_int(e->d->node, "short", 0) != 0;
  tn_type type = is_short ? TN_F32 : TN_F64, bits = is_short ? TN_I32 : TN_I64;
  double one = is_short ? steps_of_one_f32 : steps_of_one_f64;
  int64_t least = e->type == TN_U8 ? 0 : -128;
  int64_t zero_point = tni_attr_int(e->d->node, "zero_point", 0);
  double low = (double)(tni_attr_int(e->d->node, "low", least) - zero_point);
  double high = (double)(tni_attr_int(e->d->node, "high", least + 255) - zero_point);
  const tn_expr *x = tn_op3(b, TN_OP_fma, tn_cast(b, type, e->x), tn_cast(b, type, e->y), tn_float(b, type, one));
  const tn_expr *most = tn_float(b, type, one + high), *least_x = tn_float(b, type, one + low); /* NaN is the most */
  x = pick(e, op2(e, TN_OP_lt, x, most), x, most);
  x = pick(e, op2(e, TN_OP_lt, least_x, x), x, least_x);
  x = tn_reinterpret(b, bits, x); /* the last byte is the integer's */
  return tn_cast(b, e->type, zero_point ? tn_add(b, x, tn_int(b, bits, zero_point)) : x);
}
VALUE(is_nan) { return op2(e, TN_OP_ne, e->x, e->x); }
VALUE(relu) { return tn_max(e->b, e->x, num(e, 0)); }
VALUE(reciprocal) { return tn_div(e->b, num(e, 1), e->x); }

VALUE(is_inf) {
  const tn_expr *no = tn_int(e->b, TN_BOOL, 0);
  if (!isinf(tni_float_highest(tn_expr_type(e->x)))) return no;
  const tn_expr *plus = op2(e, TN_OP_eq, e->x, num(e, INFINITY)), *minus = op2(e, TN_OP_eq, e->x, num(e, -INFINITY));
  if (!tni_attr_int(e->d->node, "detect_positive", 1)) plus = no;
  if (!tni_attr_int(e->d->node, "detect_negative", 1)) minus = no;
  return op2(e, TN_OP_or, plus, minus);
}

VALUE(sign) {
  const tn_expr *zero = num(e, 0), *down;
  if (tni_type_is_float(e->type) || tni_type_is_signed(e->type))
    down = pick(e, op2(e, TN_OP_lt, e->x, zero), num(e, -1), tni_type_is_float(e->type) ? e->x : zero);
  else
    down = zero;
  return pick(e, op2(e, TN_OP_lt, zero, e->x), num(e, 1), down); /* a NaN or a zero stays itself */
}

/* x >= 0 ? x : negative */
static const tn_expr *unless_negative(const element *e, const tn_expr *negative) {
  return pick(e, op2(e, TN_OP_lt, e->x, num(e, 0)), negative, e->x);
}

VALUE(leaky_relu) { return unless_negative(e, tn_mul(e->b, attr(e, "alpha", 0.01), e->x)); }
VALUE(prelu) { return unless_negative(e, tn_mul(e->b, e->y, e->x)); }
VALUE(elu) { return unless_negative(e, tn_mul(e->b, attr(e, "alpha", 1), op1(e, TN_OP_expm1, e->x))); }
VALUE(thresholded_relu) { return pick(e, op2(e, TN_OP_lt, attr(e, "alpha", 1), e->x), e->x, num(e, 0)); }
VALUE(celu) {
  const tn_expr *alpha = attr(e, "alpha", 1);
  const tn_expr *low = tn_mul(e->b, alpha, op1(e, TN_OP_expm1, tn_div(e->b, e->x, alpha)));
  return tn_add(e->b, value_relu(e), tn_min(e->b, low, num(e, 0)));
}
VALUE(selu) {
  const tn_expr *low = tn_mul(e->b, attr(e, "alpha", 1.67326319217681884765625), op1(e, TN_OP_expm1, e->x));
  return tn_mul(e->b, attr(e, "gamma", 1.05070102214813232421875), unless_negative(e, low));
}

static const tn_expr *unit_ramp(const element *e, const tn_expr *alpha, const tn_expr *beta) {
  const tn_expr *line = tn_add(e->b, tn_mul(e->b, alpha, e->x), beta);
  return tn_max(e->b, num(e, 0), tn_min(e->b, num(e, 1), line));
}
VALUE(hard_sigmoid) { return unit_ramp(e, attr(e, "alpha", 0.2), attr(e, "beta", 0.5)); }
VALUE(hard_swish) { return tn_mul(e->b, e->x, unit_ramp(e, num(e, 1.0 / 6), num(e, 0.5))); }

/* The operand, short floats in f32. */
static const tn_expr *in_words(const element *e) {
  return TN_TYPE_BITS(e->type) < 32 ? tn_cast(e->b, TN_F32, e->x) : e->x;
}

/* x * sigmoid(y), where a y far below 0 may give 0 early, and -0 */
static const tn_expr *gated(const element *e, const tn_expr *x, const tn_expr *y) {
  const tn_expr *one = tn_float(e->b, tn_expr_type(x), 1);
  return tn_div(e->b, x, tn_add(e->b, one, op1(e, TN_OP_exp, op1(e, TN_OP_neg, y))));
}

VALUE(swish) {
  const tn_expr *x = in_words(e), *alpha = tn_float(e->b, tn_expr_type(x), tni_attr_float(e->d->node, "alpha", 1));
  return tn_cast(e->b, e->type, gated(e, x, tn_mul(e->b, alpha, x)));
}

/* max(x, 0) - a/2 T(a)^4 of f32, with a = |x| up to 6.25, where T is 0: T^4 is what the normal distribution has beyond
 * -a and a. The error is below 2^-21 of a positive result, and 2^-23 where x is negative. */
static const tn_expr *gelu_in_single(const element *e, const tn_expr *x) {
  static const double t[] = {1,
                             -0x1.98842ap-3,
                             -0x1.e8f5aep-5,
                             0x1.679a1ap-8,
                             0x1.2e3a84p-8,
                             -0x1.540f32p-13,
                             -0x1.25db04p-12,
                             0x1.198964p-15,
                             0x1.3ee43ap-18,
                             -0x1.35b70cp-20,
                             0x1.0c0044p-24};
  tn_builder *b = e->b;
  const tn_expr *end = tn_float(b, TN_F32, 6.25), *zero = tn_float(b, TN_F32, 0), *a = op1(e, TN_OP_abs, x);
  a = pick(e, op2(e, TN_OP_lt, end, a), end, a);
  const tn_expr *root4 = tn_float(b, TN_F32, t[TNI_COUNT(t) - 1]);
  for (size_t i = TNI_COUNT(t) - 1; i-- > 0;) root4 = tn_op3(b, TN_OP_fma, root4, a, tn_float(b, TN_F32, t[i]));
  const tn_expr *root2 = tn_mul(b, root4, root4), *half = tn_mul(b, a, tn_float(b, TN_F32, -0.5));
  return tn_op3(b, TN_OP_fma, half, tn_mul(b, root2, root2), pick(e, op2(e, TN_OP_lt, x, zero), zero, x));
}

/* x * (1 + f) / 2 with f = erf(x / sqrt 2), or tanh(y) with y = sqrt(2 / pi) * (x + 0.044715 x^3), which is
 * x * sigmoid(2 y); of short floats in f32. */
VALUE(gelu) {
  tn_builder *b = e->b;
  const tn_expr *x = in_words(e), *y;
  tn_type type = tn_expr_type(x);
  if (strcmp(tni_attr_string(e->d->node, "approximate", "none"), "tanh") == 0) {
    const double one = 2 * 0.79788456080286535588, cubic = one * 0.044715;
    const tn_expr *slope = tn_op3(b, TN_OP_fma, tn_mul(b, x, x), tn_float(b, type, cubic), tn_float(b, type, one));
    y = gated(e, x, tn_mul(b, x, slope));
  } else if (type == TN_F64) {
    const tn_expr *f = op1(e, TN_OP_erf, tn_mul(b, x, tn_float(b, type, 0.70710678118654752440)));
    y = tn_mul(b, tn_mul(b, tn_float(b, type, 0.5), x), tn_add(b, tn_float(b, type, 1), f));
  } else {
    y = gelu_in_single(e, x);
  }
  return tn_cast(b, e->type, y);
}

/* max(x, 0) + log(1 + exp(-|x|)): no overflow */
VALUE(softplus) {
  const tn_expr *tail = op1(e, TN_OP_exp, op1(e, TN_OP_neg, op1(e, TN_OP_abs, e->x)));
  return tn_add(e->b, value_relu(e), op1(e, TN_OP_log1p, tail));
}
VALUE(mish) { return tn_mul(e->b, e->x, op1(e, TN_OP_tanh, value_softplus(e))); }
VALUE(softsign) { return tn_div(e->b, e->x, tn_add(e->b, num(e, 1), value_abs(e))); }

VALUE(shrink) {
  const tn_expr *bound = attr(e, "lambd", 0.5), *bias = attr(e, "bias", 0);
  const tn_expr *high = pick(e, op2(e, TN_OP_lt, bound, e->x), tn_sub(e->b, e->x, bias), num(e, 0));
  return pick(e, op2(e, TN_OP_lt, e->x, op1(e, TN_OP_neg, bound)), tn_add(e->b, e->x, bias), high);
}

VALUE(bit_cast) {
  const tn_expr *x = tn_expr_type(e->x) == TN_BOOL ? tn_cast(e->b, TN_U8, e->x) : e->x;
  if (e->type != TN_BOOL) return tn_reinterpret(e->b, e->type, x);
  return tn_cast(e->b, TN_BOOL, tn_reinterpret(e->b, TN_U8, x));
}

VALUE(clip) {
  const tn_expr *x = e->x;
  uint32_t count = e->d->node->input_count;
  if (count > 1 && e->d->in_value[1]) x = tn_max(e->b, x, e->y);
  if (count > 2 && e->d->in_value[2]) x = tn_min(e->b, x, e->z);
  return x;
}

VALUE(mod) {
  bool sign_of_dividend = tni_attr_int(e->d->node, "fmod", 0) != 0 || tni_type_is_float(e->type);
  return op2(e, sign_of_dividend ? TN_OP_mod : TN_OP_floormod, e->x, e->y);
}

VALUE(bit_shift) {
  bool left = strcmp(tni_attr_string(e->d->node, "direction", "LEFT"), "LEFT") == 0;
  return op2(e, left ? TN_OP_shl : TN_OP_shr, e->x, e->y);
}

/* Small whole exponents become products: exact for 0, 1 and 2, and fast. */
static const tn_expr *whole_power(const element *e, const tn_expr *x, int64_t n) {
  if (n == 0) return num(e, 1);
  if (n == 1) return x;
  const tn_expr *square = tn_mul(e->b, x, x);
  return n == 2 ? square : tn_mul(e->b, square, x);
}

VALUE(pow) {
  const tni_gvalue *exponent = e->d->in_value[1];
  if (tni_is_immediate(e->d->node->op, exponent)) {
    tni_scalar s = tni_read_element(exponent->type, exponent->data, 0);
    double n = tni_type_is_float(exponent->type) ? s.f : (double)s.i;
    if (n == 0 || n == 1 || n == 2 || n == 3) return whole_power(e, e->x, (int64_t)n);
  }
  tn_type work = tni_type_is_float(e->type) ? e->type : TN_F32;
  return tn_cast(e->b, e->type, op2(e, TN_OP_pow, tn_cast(e->b, work, e->x), tn_cast(e->b, work, e->y)));
}

/* ---- definitions ------------------------------------------------------------------------------------------------ */

static bool define_pointwise(tni_define *d, const tn_expr *(*value)(const element *e)) {
  const tni_gvalue *out = d->out_value[0];
  const tn_expr *axes[TN_MAX_RANK] = {NULL}, *operands[3] = {NULL};
  tni_axes(d->b, out->rank, out->shape, axes);
  for (uint32_t i = 0; i < d->node->input_count && i < 3; i++)
    if (d->in_value[i]) operands[i] = tni_input(d, i, out->rank, axes);
  element e = {d, d->b, out->type, operands[0], operands[1], operands[2]};
  tn_compute(d->b, d->out[0], axes, value(&e));
  return true;
}

#define DEFINE(name, least, most, rule, attrs, meaning)                                                                \
  bool tni_define_##name(tni_define *d) { return define_pointwise(d, value_##name); }
TNI_POINTWISE_OPS(DEFINE)
