/* math.c -- the math operators on f32, defined by the other operators. Interpreter and compiled code both run these
 * definitions, so they agree bit for bit; a C library's functions only measure the error.
 *
 *     operator   method                                                                        greatest error, in ulp
 *     exp        r = x - n ln 2; polynomial; scaled by 2^n in two steps, so subnormals round once            0.85
 *     log        m 2^k with m in [sqrt(1/2), sqrt(2)); f - f^2/2 + f^3 P(f) + k ln 2, summed with its rest   0.85
 *     tanh       e / (e + 2) of |x| with e = exp(2|x|) - 1 from the same reduction                           2.35
 *     erf        |x| < 0.93: x + x P(x^2); else 1 - 2^-G(|x|)                                                1.42
 *     sigmoid    z = exp(-|x|); 1 / (1 + z), or z / (1 + z) below 0                                          2.33
 *     pow        2^(y log2 |x|) in f64, rounded once                                                         0.55
 *     sin, cos   reduced by pi/2 and evaluated in f64, rounded once; |x| below 2^50                          0.51
 *
 * The errors are the greatest found at every 257th of all bit patterns (test/ir/test_math.c walks a part of them
 * again). A NaN gives NaN, infinities and zeros give what C says. From 2^50 upwards sin is 0 and cos is 1: there a
 * neighbouring float is many turns away. All is without branches and works lane by lane; constants are broadcast to the
 * lanes of the operand. Clamps are written as compare and select, which let NaN pass.
 *
 * The polynomials are minimax fits (weighted least squares, the weights driven to equal errors, coefficients rounded
 * to f32 one by one, each time fitting the others again), made for this file.
 *
 * f16 and bf16 are computed in f32 and rounded. f64 is not defined yet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>

#include "ir.h"

/* Where the nodes go, and how wide they are. */
typedef struct maker {
  tni_region *r;
  uint32_t lanes;
} maker;

typedef const tn_expr *expr;

/* ---- short names ----------------------------------------------------------------------------------------------- */

static tn_type wide(const maker *m, tn_type type) { return TN_TYPE_WITH_LANES(type, m->lanes); }

static expr constant(const maker *m, double v) {
  return tni_broadcast(m->r, tni_const_float(m->r, TN_F32, v), m->lanes);
}
static expr constant64(const maker *m, double v) {
  return tni_broadcast(m->r, tni_const_float(m->r, TN_F64, v), m->lanes);
}
static expr integer(const maker *m, int64_t v) { return tni_broadcast(m->r, tni_const_int(m->r, TN_I32, v), m->lanes); }
static expr integer64(const maker *m, int64_t v) {
  return tni_broadcast(m->r, tni_const_int(m->r, TN_I64, v), m->lanes);
}

static expr add(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_add, a, b); }
static expr sub(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_sub, a, b); }
static expr mul(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_mul, a, b); }
static expr divide(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_div, a, b); }
static expr fused(const maker *m, expr a, expr b, expr c) { return tni_op3(m->r, TN_OP_fma, a, b, c); }
static expr magnitude(const maker *m, expr a) { return tni_op1(m->r, TN_OP_abs, a); }
static expr both(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_and, a, b); }
static expr either(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_or, a, b); }
static expr differ(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_xor, a, b); }
static expr shift_left(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_shl, a, b); }
static expr less(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_lt, a, b); }
static expr equal(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_eq, a, b); }
static expr unequal(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_ne, a, b); }
static expr choose(const maker *m, expr c, expr a, expr b) { return tni_op3(m->r, TN_OP_select, c, a, b); }

static expr bits_of(const maker *m, expr a) { return tni_reinterpret(m->r, wide(m, TN_I32), a); }
static expr float_of(const maker *m, expr a) { return tni_reinterpret(m->r, wide(m, TN_F32), a); }
static expr to_f32(const maker *m, expr a) { return tni_cast(m->r, wide(m, TN_F32), a); }
static expr to_f64(const maker *m, expr a) { return tni_cast(m->r, wide(m, TN_F64), a); }

/* x, but not below `low`, or not above `high`. */
static expr at_least(const maker *m, expr x, double low) {
  return choose(m, less(m, x, constant(m, low)), constant(m, low), x);
}
static expr at_most(const maker *m, expr x, double high) {
  return choose(m, less(m, constant(m, high), x), constant(m, high), x);
}

/* The sign bit of x, and a with its sign bit flipped where `sign` has one. */
static expr sign_of(const maker *m, expr x) { return both(m, bits_of(m, x), integer(m, INT32_MIN)); }
static expr flip_sign(const maker *m, expr a, expr sign) { return float_of(m, differ(m, bits_of(m, a), sign)); }

/* c[0] + c[1] x + ... by Horner's rule, with the constants of x's type. */
static expr horner(const maker *m, const double *c, size_t count, expr x) {
  bool is_double = x && TN_TYPE_BITS(x->type) == 64;
  expr sum = is_double ? constant64(m, c[count - 1]) : constant(m, c[count - 1]);
  for (size_t i = count - 1; i-- > 0;) sum = fused(m, sum, x, is_double ? constant64(m, c[i]) : constant(m, c[i]));
  return sum;
}
#define POLYNOMIAL(m, c, x) horner(m, c, TNI_COUNT(c), x)

/* Adding it rounds a small number to an integer, which then stands in the low bits. */
#define MAGIC 0x1.8p23
#define MAGIC64 0x1.8p52

/* ln 2 in two parts; the first has 15 bits, so that n times it is exact for the n that occur. */
#define LN2_HIGH 0x1.62e4p-1
#define LN2_LOW 0x1.7f7d1cf79abcap-20
#define LOG2_E 0x1.71547652b82fep0

/* ---- exp, sigmoid, tanh ---------------------------------------------------------------------------------------- */

/* x = n ln 2 + r with |r| <= ln 2 / 2 (and a little). *n_bits has n in its low bits. */
static expr reduce_exp(const maker *m, expr x, expr *n_bits) {
  expr shifted = fused(m, x, constant(m, LOG2_E), constant(m, MAGIC));
  expr n = sub(m, shifted, constant(m, MAGIC));
  *n_bits = bits_of(m, shifted);
  return fused(m, n, constant(m, -LN2_LOW), fused(m, n, constant(m, -LN2_HIGH), x));
}

/* p * 2^n for n in -252..252: half of n at a time, so that only the last product can round or overflow. */
static expr scale_twice(const maker *m, expr p, expr n_bits) {
  expr one = integer(m, 0x3f800000);
  expr n = shift_left(m, n_bits, integer(m, 23));
  expr half = both(m, tni_op2(m->r, TN_OP_shr, n, integer(m, 1)), integer(m, -0x800000));
  expr first = mul(m, p, float_of(m, add(m, half, one)));
  return mul(m, first, float_of(m, add(m, sub(m, n, half), one)));
}

/* 2^n for n in -126..127. */
static expr power_of_two(const maker *m, expr n_bits) {
  return float_of(m, add(m, shift_left(m, n_bits, integer(m, 23)), integer(m, 0x3f800000)));
}

/* exp of an x between -104, where it is 0, and 89, where it is inf. */
static expr bounded_exp(const maker *m, expr x) {
  /* e^r, error below 2^-28 of it */
  static const double c[] = {1, 1, 0x1.fffffcp-2, 0x1.555492p-3, 0x1.5558b4p-5, 0x1.1239ap-7, 0x1.6a496p-10};
  expr n_bits;
  expr r = reduce_exp(m, x, &n_bits);
  return scale_twice(m, POLYNOMIAL(m, c, r), n_bits);
}

static expr expand_exp(const maker *m, expr x) { return bounded_exp(m, at_most(m, at_least(m, x, -104), 89)); }

static expr expand_sigmoid(const maker *m, expr x) {
  expr one = constant(m, 1);
  expr down = tni_op1(m->r, TN_OP_neg, magnitude(m, x));
  expr z = bounded_exp(m, at_least(m, down, -104));
  return divide(m, choose(m, less(m, x, constant(m, 0)), z, one), add(m, one, z));
}

static expr expand_tanh(const maker *m, expr x) {
  /* (e^r - 1 - r) / r^2, error below 2^-31 of e^r - 1 */
  static const double q[] = {0x1p-1, 0x1.555554p-3, 0x1.5554f8p-5, 0x1.1112d6p-7, 0x1.6d3a5ep-10, 0x1.9e77eep-13};
  expr n_bits;
  expr a = at_most(m, magnitude(m, x), 10); /* tanh(10) rounds to 1 */
  expr r = reduce_exp(m, add(m, a, a), &n_bits);
  expr p = fused(m, POLYNOMIAL(m, q, r), mul(m, r, r), r);
  expr scale = power_of_two(m, n_bits);
  expr e = fused(m, p, scale, sub(m, scale, constant(m, 1)));
  return flip_sign(m, divide(m, e, add(m, e, constant(m, 2))), sign_of(m, x));
}

/* ---- log ------------------------------------------------------------------------------------------------------- */

/* x = (1 + f) 2^k for x > 0 and finite, subnormals too: f in [sqrt(1/2) - 1, sqrt(2) - 1). */
static expr split_exponent(const maker *m, expr x, expr *f) {
  expr root = integer(m, 0x3f3504f3); /* sqrt(1/2) */
  expr tiny = less(m, x, constant(m, 0x1p-126));
  expr normal = choose(m, tiny, mul(m, x, constant(m, 0x1p23)), x);
  expr i = sub(m, bits_of(m, normal), root);
  expr mantissa = float_of(m, add(m, both(m, i, integer(m, 0x7fffff)), root));
  *f = sub(m, mantissa, constant(m, 1));
  expr k = to_f32(m, tni_op2(m->r, TN_OP_shr, i, integer(m, 23)));
  return add(m, k, choose(m, tiny, constant(m, -23), constant(m, 0)));
}

static expr expand_log(const maker *m, expr x) {
  /* (log(1 + f) - f + f^2 / 2) / f^3, error below 2^-27 of log(1 + f) */
  static const double p[] = {0x1.555554p-2, -0x1.000226p-2, 0x1.99a01ap-3, -0x1.547288p-3,
                             0x1.22d96ep-3, -0x1.0d82a4p-3, 0x1.055ce8p-3, -0x1.38c2a6p-4};
  expr f, infinity = constant(m, INFINITY), zero = constant(m, 0);
  expr k = split_exponent(m, x, &f);
  expr high = fused(m, k, constant(m, LN2_HIGH), f);
  expr lost = sub(m, f, sub(m, high, mul(m, k, constant(m, LN2_HIGH))));
  expr rest = fused(m, POLYNOMIAL(m, p, f), f, constant(m, -0.5));
  rest = fused(m, rest, mul(m, f, f), mul(m, k, constant(m, LN2_LOW)));
  expr value = add(m, high, add(m, lost, rest));
  expr edge = choose(m, equal(m, x, zero), constant(m, -INFINITY), constant(m, NAN));
  return choose(m, less(m, zero, x), choose(m, less(m, x, infinity), value, x), edge);
}

/* ---- erf ------------------------------------------------------------------------------------------------------- */

static expr expand_erf(const maker *m, expr x) {
  /* erf(a) / a - 1 in a^2, error below 2^-30 */
  static const double near[] = {0x1.06eba8p-3, -0x1.812740p-2,  0x1.ce2d64p-4, -0x1.b801200p-6,
                                0x1.544aacp-8, -0x1.a612d6p-11, 0x1.4f90e6p-14};
  /* -log2(1 - erf(a)), error below 2^-29 of erf */
  static const double far[] = {0x1.27ffdep-12, 0x1.a07cp+0,   0x1.d6a93p-1,   0x1.3314aap-3,
                               -0x1.06b0eep-5, 0x1.1fbc12p-8, -0x1.286ab4p-12};
  /* 2^r, error below 2^-22, of which 1 - erf is a sixth at most */
  static const double power[] = {0x1.000002p+0, 0x1.62e432p-1, 0x1.ebf866p-3,
                                 0x1.c6add4p-5, 0x1.3d3662p-7, 0x1.5fa382p-10};
  expr one = constant(m, 1);
  expr a = at_most(m, magnitude(m, x), 4); /* erf(4) rounds to 1 */
  expr inner = fused(m, POLYNOMIAL(m, near, mul(m, a, a)), a, a);
  expr exponent = tni_op1(m->r, TN_OP_neg, POLYNOMIAL(m, far, a));
  expr shifted = add(m, exponent, constant(m, MAGIC));
  expr r = sub(m, exponent, sub(m, shifted, constant(m, MAGIC)));
  expr tail = mul(m, POLYNOMIAL(m, power, r), power_of_two(m, bits_of(m, shifted)));
  expr value = choose(m, less(m, a, constant(m, 0.93)), inner, sub(m, one, tail));
  return flip_sign(m, value, sign_of(m, x));
}

/* ---- pow ------------------------------------------------------------------------------------------------------- */

/* log2 of a >= 0 in f64, to 2^-35 of itself; -inf at 0, inf at inf. */
static expr log2_double(const maker *m, expr a) {
  /* log2(1 + f) / f */
  static const double c[] = {1.4426950408687036,  -0.7213475208688324,  0.48089836139494496, -0.36067367481188484,
                             0.28853729351643903, -0.2404531665422155,  0.2061753584519893,  -0.18030057786598078,
                             0.15876980055691892, -0.14315671975761343, 0.1447486656293318,  -0.1428382660626897,
                             0.07736886564595225};
  expr f, infinity = constant(m, INFINITY);
  expr k = to_f64(m, split_exponent(m, a, &f));
  expr g = to_f64(m, f);
  expr value = fused(m, POLYNOMIAL(m, c, g), g, k);
  expr edge = choose(m, equal(m, a, infinity), constant64(m, INFINITY), value);
  return choose(m, equal(m, a, constant(m, 0)), constant64(m, -INFINITY), edge);
}

/* 2^z of an f64 as f32, rounded once; error below 2^-29. */
static expr exp2_single(const maker *m, expr z) {
  static const double c[] = {1.0000000005550704,   0.6931472057670629,    0.24022646885911886,   0.05550328711927786,
                             0.009618489262611371, 0.0013399957587501461, 0.00015345784065226575};
  expr low = constant64(m, -400), high = constant64(m, 400), magic = constant64(m, MAGIC64);
  z = choose(m, less(m, z, low), low, z);
  z = choose(m, less(m, high, z), high, z);
  expr shifted = add(m, z, magic);
  expr r = sub(m, z, sub(m, shifted, magic));
  expr n = shift_left(m, tni_reinterpret(m->r, wide(m, TN_I64), shifted), integer64(m, 52));
  expr scale = tni_reinterpret(m->r, wide(m, TN_F64), add(m, n, integer64(m, INT64_C(0x3ff) << 52)));
  return to_f32(m, mul(m, POLYNOMIAL(m, c, r), scale));
}

/* Is y an integer (inf counts as an even one)? *odd tells an odd one. */
static expr is_integer(const maker *m, expr y, expr *odd) {
  expr half = mul(m, y, constant(m, 0.5));
  expr whole = equal(m, tni_op1(m->r, TN_OP_trunc, y), y);
  *odd = both(m, whole, unequal(m, tni_op1(m->r, TN_OP_trunc, half), half));
  return whole;
}

static expr expand_pow(const maker *m, expr x, expr y) {
  expr one = constant(m, 1), zero = constant(m, 0), nan = constant(m, NAN), odd;
  expr a = magnitude(m, x);
  expr size = exp2_single(m, mul(m, log2_double(m, a), to_f64(m, y)));
  size = choose(m, equal(m, a, one), one, size); /* also for y = inf */
  expr whole = is_integer(m, y, &odd);
  expr sign = choose(m, odd, sign_of(m, x), integer(m, 0));
  expr value = flip_sign(m, size, sign);
  expr negative = both(m, less(m, x, zero), less(m, constant(m, -INFINITY), x));
  value = choose(m, both(m, negative, tni_op1(m->r, TN_OP_not, whole)), nan, value);
  value = choose(m, either(m, unequal(m, x, x), unequal(m, y, y)), nan, value);
  return choose(m, either(m, equal(m, y, zero), equal(m, x, one)), one, value);
}

/* ---- sin, cos -------------------------------------------------------------------------------------------------- */

/* a = n pi/2 + r for 0 <= a < 2^50; *quadrant is n in the lowest bits. |r| is at most pi/4, and 0.1 more where a is so
 * large that 2/pi has not bits enough. The first product's difference is exact: a multiple of 2^-52 below 1. */
static expr reduce_turn(const maker *m, expr a, expr *quadrant) {
  expr d = to_f64(m, a), magic = constant64(m, MAGIC64);
  expr shifted = fused(m, d, constant64(m, 0x1.45f306dc9c883p-1), magic);
  expr n = sub(m, shifted, magic);
  expr r = fused(m, n, constant64(m, -0x1.921fb54442d18p0), d);
  r = fused(m, n, constant64(m, -0x1.1a62633145c07p-54), r);
  *quadrant = tni_cast(m->r, wide(m, TN_I32), tni_reinterpret(m->r, wide(m, TN_I64), shifted));
  return r;
}

static expr sine_polynomial(const maker *m, expr r, expr s) {
  /* (sin r - r) / r^3 in s = r^2, error below 2^-34 of sin r up to r = 0.95 */
  static const double c[] = {-0x1.5555552c2d4c8p-3, 0x1.1110f5d61b2d2p-7, -0x1.a0037a187dea0p-13,
                             0x1.6a7cacbda2800p-19};
  return fused(m, POLYNOMIAL(m, c, s), mul(m, r, s), r);
}

static expr cosine_polynomial(const maker *m, expr s) {
  /* cos r in s = r^2, error below 2^-39 of it */
  static const double c[] = {
      1, -0.5, 0x1.555555368ba23p-5, -0x1.6c16a3c5ddaccp-10, 0x1.a006364701200p-16, -0x1.2258f07f45000p-22};
  return POLYNOMIAL(m, c, s);
}

/* sin(|x| + turn * pi/2), its sign bit flipped by `sign`. */
static expr expand_wave(const maker *m, expr x, int turn, expr sign) {
  expr a = magnitude(m, x), quadrant;
  expr huge = choose(m, less(m, a, constant(m, INFINITY)), constant(m, 0), constant(m, NAN));
  expr r = reduce_turn(m, choose(m, less(m, a, constant(m, 0x1p50)), a, huge), &quadrant);
  expr s = mul(m, r, r);
  quadrant = add(m, quadrant, integer(m, turn));
  expr odd = unequal(m, both(m, quadrant, integer(m, 1)), integer(m, 0));
  expr value = to_f32(m, choose(m, odd, cosine_polynomial(m, s), sine_polynomial(m, r, s)));
  expr second = shift_left(m, both(m, quadrant, integer(m, 2)), integer(m, 30));
  return flip_sign(m, value, differ(m, second, sign));
}

static expr expand_sin(const maker *m, expr x) { return expand_wave(m, x, 0, sign_of(m, x)); }
static expr expand_cos(const maker *m, expr x) { return expand_wave(m, x, 1, integer(m, 0)); }

/* ---- the exported function -------------------------------------------------------------------------------------- */

static expr expand_single(const maker *m, enum tn_op op, expr x, expr y) {
  switch (op) {
  case TN_OP_exp: return expand_exp(m, x);
  case TN_OP_log: return expand_log(m, x);
  case TN_OP_tanh: return expand_tanh(m, x);
  case TN_OP_erf: return expand_erf(m, x);
  case TN_OP_sigmoid: return expand_sigmoid(m, x);
  case TN_OP_pow: return expand_pow(m, x, y);
  case TN_OP_sin: return expand_sin(m, x);
  case TN_OP_cos: return expand_cos(m, x);
  default: assert(!"not a math operator"); return NULL;
  }
}

const tn_expr *tni_math_expand(tni_region *r, const tn_expr *x, const char **why) {
  maker m = {r, TN_TYPE_LANES(x->type)};
  assert(x->op < TN_OP_COUNT && (tni_ops[x->op].flags & TN_OPF_MATH));
  if (TN_TYPE_BITS(x->type) == 64) {
    if (why) *why = "math operators are defined on f32, f16 and bf16; cast f64 to f32 first";
    return NULL;
  }
  if (why) *why = NULL;
  expr a = to_f32(&m, x->arg[0]);
  expr b = x->nargs > 1 ? to_f32(&m, x->arg[1]) : NULL;
  return tni_cast(r, x->type, expand_single(&m, (enum tn_op)x->op, a, b));
}
