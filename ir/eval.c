/* eval.c -- what each operator means on scalars: the one definition that constant folding and the interpreter share,
 * and that every back end must agree with.
 *
 *     integers, bool, index   wrapped to the type, held sign- or zero-extended in 64 bits (u64: its bits)
 *     floats                  held exactly in a double
 *     f32                     computed in float, so rounded once
 *     shorter floats          computed in float, then rounded to the type (24 bits are at least twice 11 plus 2: no
 *                             harm); fma is rounded once, from a sum whose last bit is sticky
 *
 * bool is one bit wide: add is exclusive or in its lowest bit, a shift by anything but 0 gives 0 (or false).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>

#include "ir.h"

static bool is_unsigned(tn_type type) { return TN_TYPE_CODE(type) == kDLUInt || TN_TYPE_CODE(type) == kDLBool; }

static int width(tn_type type) { return TN_TYPE_CODE(type) == kDLBool ? 1 : (int)TN_TYPE_BITS(type); }

int64_t tni_wrap(tn_type type, int64_t value) {
  if (TN_TYPE_CODE(type) == kDLBool) return value & 1;
  uint64_t bits = (uint64_t)value;
  bool is_signed = !is_unsigned(type);
  switch (TN_TYPE_BITS(type)) {
  case 2: return is_signed ? (int64_t)((bits & 3) ^ 2) - 2 : (int64_t)(bits & 3);
  case 4: return is_signed ? (int64_t)((bits & 15) ^ 8) - 8 : (int64_t)(bits & 15);
  case 8: return is_signed ? (int64_t)(int8_t)bits : (int64_t)(uint8_t)bits;
  case 16: return is_signed ? (int64_t)(int16_t)bits : (int64_t)(uint16_t)bits;
  case 32: return is_signed ? (int64_t)(int32_t)bits : (int64_t)(uint32_t)bits;
  default: return value;
  }
}

double tni_round_to(tn_type type, double value) {
  switch (TN_TYPE_BITS(type)) {
  case 64: return value;
  case 32: return (float)value;
  default: return tni_float_from_bits(type, tni_float_to_bits(type, value));
  }
}

/* ---- integers -------------------------------------------------------------------------------------------------- */

/* Quotient towards zero; the divisor is neither 0 nor, for signed types, -1. */
static int64_t quotient(bool u, int64_t a, int64_t b) { return u ? (int64_t)((uint64_t)a / (uint64_t)b) : a / b; }

static int64_t divide(bool u, int64_t a, int64_t b) {
  if (b == 0) return 0;
  return !u && b == -1 ? (int64_t)(0 - (uint64_t)a) : quotient(u, a, b);
}

/* The remainder with the sign of a. */
static int64_t remainder_of(bool u, int64_t a, int64_t b) {
  if (b == 0 || (!u && b == -1)) return 0;
  return (int64_t)((uint64_t)a - (uint64_t)b * (uint64_t)quotient(u, a, b));
}

static int64_t floor_divide(bool u, int64_t a, int64_t b) {
  int64_t r = remainder_of(u, a, b);
  int64_t q = divide(u, a, b);
  return !u && r != 0 && (r < 0) != (b < 0) ? q - 1 : q;
}

static int64_t floor_modulo(bool u, int64_t a, int64_t b) {
  int64_t r = remainder_of(u, a, b);
  return !u && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static bool less(bool u, int64_t a, int64_t b) { return u ? (uint64_t)a < (uint64_t)b : a < b; }

static int64_t shift_left(tn_type type, int64_t a, int64_t b) {
  return b < 0 || b >= width(type) ? 0 : (int64_t)((uint64_t)a << b);
}

static int64_t shift_right(tn_type type, int64_t a, int64_t b) {
  bool u = is_unsigned(type);
  if (b < 0 || b >= width(type)) return !u && a < 0 ? -1 : 0;
  uint64_t flip = !u && a < 0 ? ~(uint64_t)0 : 0;
  return (int64_t)((((uint64_t)a ^ flip) >> b) ^ flip);
}

/* a / 2^b to nearest, ties up. The bit below the last one that stays is the half. */
static int64_t shift_rounding(tn_type type, int64_t a, int64_t b) {
  if (b <= 0 || b >= width(type)) return b == 0 ? a : 0;
  uint64_t half = (uint64_t)shift_right(type, a, b - 1) & 1;
  return (int64_t)((uint64_t)shift_right(type, a, b) + half);
}

static int64_t multiply_high(tn_type type, int64_t a, int64_t b) {
  if (is_unsigned(type)) return (int64_t)((unsigned __int128)(uint64_t)a * (uint64_t)b >> width(type));
  return (int64_t)((__int128)a * b >> width(type));
}

static int64_t saturate(tn_type type, __int128 value) {
  bool u = is_unsigned(type);
  __int128 high = ((__int128)1 << (width(type) - !u)) - 1, low = u ? 0 : -high - 1;
  return (int64_t)(value < low ? low : value > high ? high : value);
}

/* The value in 128 bits, where sums do not overflow. */
static __int128 widen(tn_type type, int64_t value) { return is_unsigned(type) ? (__int128)(uint64_t)value : value; }

/* The bits of the type, and zeros above them. */
static uint64_t bits_of(tn_type type, int64_t value) { return (uint64_t)value & ~(uint64_t)0 >> (64 - width(type)); }

static int64_t leading_zeros(tn_type type, int64_t a) {
  uint64_t bits = bits_of(type, a);
  return bits ? __builtin_clzll(bits) - (64 - width(type)) : width(type);
}
static int64_t trailing_zeros(tn_type type, int64_t a) {
  uint64_t bits = bits_of(type, a);
  return bits ? __builtin_ctzll(bits) : width(type);
}

static int64_t eval_int(enum tn_op op, tn_type type, const tni_scalar *args) {
  bool u = is_unsigned(type);
  int64_t a = args[0].i, b = tni_ops[op].arity > 1 ? args[1].i : 0;
  switch (op) {
  case TN_OP_add: return (int64_t)((uint64_t)a + (uint64_t)b);
  case TN_OP_sub: return (int64_t)((uint64_t)a - (uint64_t)b);
  case TN_OP_mul: return (int64_t)((uint64_t)a * (uint64_t)b);
  case TN_OP_div: return divide(u, a, b);
  case TN_OP_mod: return remainder_of(u, a, b);
  case TN_OP_floordiv: return floor_divide(u, a, b);
  case TN_OP_floormod: return floor_modulo(u, a, b);
  case TN_OP_min: return less(u, a, b) ? a : b;
  case TN_OP_max: return less(u, a, b) ? b : a;
  case TN_OP_neg: return (int64_t)(0 - (uint64_t)a);
  case TN_OP_abs: return u || a >= 0 ? a : (int64_t)(0 - (uint64_t)a);
  case TN_OP_and: return a & b;
  case TN_OP_or: return a | b;
  case TN_OP_xor: return a ^ b;
  case TN_OP_not: return ~a;
  case TN_OP_shl: return shift_left(type, a, b);
  case TN_OP_shr: return shift_right(type, a, b);
  case TN_OP_shr_round: return shift_rounding(type, a, b);
  case TN_OP_mulhi: return multiply_high(type, a, b);
  case TN_OP_add_sat: return saturate(type, widen(type, a) + widen(type, b));
  case TN_OP_sub_sat: return saturate(type, widen(type, a) - widen(type, b));
  case TN_OP_popcount: return __builtin_popcountll(bits_of(type, a));
  case TN_OP_clz: return leading_zeros(type, a);
  case TN_OP_ctz: return trailing_zeros(type, a);
  default: assert(!"an operator without a meaning on integers"); return 0;
  }
}

static bool compare_int(enum tn_op op, tn_type type, int64_t a, int64_t b) {
  switch (op) {
  case TN_OP_eq: return a == b;
  case TN_OP_ne: return a != b;
  case TN_OP_lt: return less(is_unsigned(type), a, b);
  default: return !less(is_unsigned(type), b, a);
  }
}

/* ---- floats ---------------------------------------------------------------------------------------------------- */

static bool compare_float(enum tn_op op, double a, double b) {
  switch (op) {
  case TN_OP_eq: return a == b;
  case TN_OP_ne: return !(a == b);
  case TN_OP_lt: return a < b;
  default: return a <= b;
  }
}

static double min_float(double a, double b) {
  if (isnan(a) || isnan(b)) return a + b;
  if (a == b) return signbit(a) ? a : b;
  return a < b ? a : b;
}

static double max_float(double a, double b) {
  if (isnan(a) || isnan(b)) return a + b;
  if (a == b) return signbit(a) ? b : a;
  return a > b ? a : b;
}

/* a + b with all bits below the last of the double gathered in that last bit (round to odd), so that rounding once more
 * to a type of at most 51 bits gives the correctly rounded sum. */
static double add_sticky(double a, double b) {
  double sum = a + b;
  if (!isfinite(sum)) return sum;
  double part = sum - a;
  double rest = (a - (sum - part)) + (b - part);
  int64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if (rest == 0 || (bits & 1)) return sum;
  return nextafter(sum, rest > 0 ? INFINITY : -INFINITY);
}

static double eval_fma(tn_type type, double a, double b, double c) {
  switch (TN_TYPE_BITS(type)) {
  case 64: return fma(a, b, c);
  case 32: return fmaf((float)a, (float)b, (float)c);
  default: return tni_round_to(type, add_sticky(a * b, c)); /* the product of two short numbers is exact */
  }
}

/* a * 2^floor(b); no result depends on a b beyond 3000 other than by its sign. */
static double eval_ldexp(tn_type type, double a, double b) {
  if (isnan(b)) return b;
  if (isinf(b)) return isnan(a) ? (b > 0 ? INFINITY : 0) : a * (b > 0 ? INFINITY : 0.0);
  int n = (int)fmax(-3000, fmin(3000, floor(b)));
  return TN_TYPE_BITS(type) == 64 ? ldexp(a, n) : tni_round_to(type, ldexpf((float)a, n));
}

/* Operators whose exact result is a value of the type, so that double serves every type (but for the sign of zero, which
 * some lack). Rounds to the nearest even because the library never changes the rounding mode. */
static bool eval_exact(enum tn_op op, const tni_scalar *args, double *out) {
  double a = args[0].f;
  switch (op) {
  case TN_OP_min: *out = min_float(a, args[1].f); return true;
  case TN_OP_max: *out = max_float(a, args[1].f); return true;
  case TN_OP_mod: *out = fmod(a, args[1].f); return true;
  case TN_OP_neg: *out = -a; return true;
  case TN_OP_abs: *out = fabs(a); return true;
  case TN_OP_floor: *out = floor(a); return true;
  case TN_OP_ceil: *out = ceil(a); return true;
  case TN_OP_trunc: *out = trunc(a); return true;
  case TN_OP_round: *out = rint(a); return true;
  default: return false;
  }
}

static double eval_double(enum tn_op op, double a, double b) {
  switch (op) {
  case TN_OP_add: return a + b;
  case TN_OP_sub: return a - b;
  case TN_OP_mul: return a * b;
  case TN_OP_div: return a / b;
  case TN_OP_sqrt: return sqrt(a);
  default: assert(!"an operator without a meaning on floats"); return 0;
  }
}

static float eval_single(enum tn_op op, float a, float b) {
  switch (op) {
  case TN_OP_add: return a + b;
  case TN_OP_sub: return a - b;
  case TN_OP_mul: return a * b;
  case TN_OP_div: return a / b;
  case TN_OP_sqrt: return sqrtf(a);
  default: assert(!"an operator without a meaning on floats"); return 0;
  }
}

static double eval_float(enum tn_op op, tn_type type, const tni_scalar *args) {
  double out;
  if (op == TN_OP_fma) return eval_fma(type, args[0].f, args[1].f, args[2].f);
  if (op == TN_OP_ldexp) return eval_ldexp(type, args[0].f, args[1].f);
  if (eval_exact(op, args, &out)) return TN_TYPE_BITS(type) <= 8 ? tni_round_to(type, out) : out;
  double b = tni_ops[op].arity > 1 ? args[1].f : 0;
  if (TN_TYPE_BITS(type) == 64) return eval_double(op, args[0].f, b);
  float single = eval_single(op, (float)args[0].f, (float)b);
  return TN_TYPE_BITS(type) == 32 ? single : tni_round_to(type, single);
}

/* ---- all types ------------------------------------------------------------------------------------------------- */

static bool is_compare(enum tn_op op) { return op == TN_OP_eq || op == TN_OP_ne || op == TN_OP_lt || op == TN_OP_le; }

tni_scalar tni_eval_op(enum tn_op op, tn_type type, const tni_scalar *args) {
  tni_scalar out = {0};
  if (op == TN_OP_select) return args[0].i ? args[1] : args[2];
  if (is_compare(op))
    out.i =
        tni_type_is_float(type) ? compare_float(op, args[0].f, args[1].f) : compare_int(op, type, args[0].i, args[1].i);
  else if (tni_type_is_float(type))
    out.f = eval_float(op, type, args);
  else
    out.i = tni_wrap(type, eval_int(op, type, args));
  return out;
}

/* ---- conversions ----------------------------------------------------------------------------------------------- */

/* Truncated towards zero and saturated; NaN is 0. The bounds are powers of two, so exact. */
static int64_t float_to_int(tn_type to, double value) {
  int bits = width(to);
  if (isnan(value)) return 0;
  if (is_unsigned(to)) {
    if (value <= -1) return 0;
    if (value >= ldexp(1, bits)) return tni_wrap(to, -1);
    return (int64_t)(value > 0 ? (uint64_t)value : 0);
  }
  int64_t high = (int64_t)(~(uint64_t)0 >> (65 - bits));
  if (value >= ldexp(1, bits - 1)) return high;
  if (value <= -ldexp(1, bits - 1)) return -high - 1;
  return (int64_t)value;
}

/* Rounded once: what a double cannot hold leaves a sticky last bit, far below the last bit of a shorter type. */
static double int_to_float(tn_type to, tn_type from, int64_t value) {
  bool negative = !is_unsigned(from) && value < 0;
  uint64_t magnitude = negative ? 0 - (uint64_t)value : (uint64_t)value;
  double exact = (double)magnitude;
  if (TN_TYPE_BITS(to) < 64 && magnitude >> 53 != 0)
    exact = (double)(magnitude >> 11 | ((magnitude & 0x7ff) != 0)) * 2048;
  return tni_round_to(to, negative ? -exact : exact);
}

tni_scalar tni_eval_cast(tn_type to, tn_type from, tni_scalar value) {
  tni_scalar out = {0};
  if (TN_TYPE_CODE(to) == kDLBool)
    out.i = tni_type_is_float(from) ? value.f != 0 : value.i != 0;
  else if (tni_type_is_float(to))
    out.f = tni_type_is_float(from) ? tni_round_to(to, value.f) : int_to_float(to, from, value.i);
  else
    out.i = tni_type_is_float(from) ? float_to_int(to, value.f) : tni_wrap(to, value.i);
  return out;
}

/* A value between the least and the greatest of the type; neither is NaN. */
static double bound(tn_type type, double value) {
  double largest = tni_float_largest(type), least = tni_float_least(type);
  return value > largest ? largest : value < least ? least : value;
}

tni_scalar tni_eval_cast_sat(tn_type to, tn_type from, tni_scalar value) {
  tni_scalar out = tni_eval_cast(to, from, value);
  if (tni_type_is_float(to)) {
    double exact = tni_type_is_float(from) ? value.f : int_to_float(TN_F64, from, value.i);
    if (!isfinite(out.f) && !isnan(exact)) out.f = bound(to, exact);
  } else if (!tni_type_is_float(from) && TN_TYPE_CODE(to) != kDLBool) {
    out.i = saturate(to, widen(from, value.i));
  }
  return out;
}

tni_scalar tni_eval_convert(enum tn_op op, tn_type to, tn_type from, tni_scalar value) {
  switch (op) {
  case TN_OP_cast: return tni_eval_cast(to, from, value);
  case TN_OP_cast_sat: return tni_eval_cast_sat(to, from, value);
  default: return tni_eval_reinterpret(to, from, value);
  }
}

tni_scalar tni_eval_reinterpret(tn_type to, tn_type from, tni_scalar value) {
  int64_t bits = 0;
  tni_write_element(from, &bits, 0, value);
  return tni_read_element(to, &bits, 0);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

#define READ(ctype)                                                                                                    \
  do {                                                                                                                 \
    ctype item;                                                                                                        \
    memcpy(&item, (const char *)base + (size_t)i * sizeof item, sizeof item);                                          \
    value = item;                                                                                                      \
  } while (0)

static double read_float(tn_type type, const void *base, int64_t i) {
  double value;
  switch (TN_TYPE_BITS(type)) {
  case 4: return tni_float_from_bits(type, ((const uint8_t *)base)[i >> 1] >> (i & 1) * 4 & 15);
  case 64: READ(double); return value;
  case 32: READ(float); return value;
  case 16: READ(uint16_t); return tni_float_from_bits(type, (uint64_t)value);
  default: READ(uint8_t); return tni_float_from_bits(type, (uint64_t)value);
  }
}

static int64_t read_int(tn_type type, const void *base, int64_t i) {
  bool u = is_unsigned(type);
  int64_t value;
  switch (TN_TYPE_BITS(type)) {
  case 2: return tni_wrap(type, ((const uint8_t *)base)[i >> 2] >> (i & 3) * 2);
  case 4: return tni_wrap(type, ((const uint8_t *)base)[i >> 1] >> (i & 1) * 4);
  case 8:
    if (u)
      READ(uint8_t);
    else
      READ(int8_t);
    break;
  case 16:
    if (u)
      READ(uint16_t);
    else
      READ(int16_t);
    break;
  case 32:
    if (u)
      READ(uint32_t);
    else
      READ(int32_t);
    break;
  default: READ(int64_t);
  }
  return TN_TYPE_CODE(type) == kDLBool ? value != 0 : value;
}

tni_scalar tni_read_element(tn_type type, const void *base, int64_t i) {
  tni_scalar out;
  if (tni_type_is_float(type))
    out.f = read_float(type, base, i);
  else
    out.i = read_int(type, base, i);
  return out;
}

/* The bits of a float in the type's own format. */
static uint64_t float_bits(tn_type type, double value) {
  uint64_t bits = 0;
  float single = (float)value;
  switch (TN_TYPE_BITS(type)) {
  case 64: memcpy(&bits, &value, 8); return bits;
  case 32: memcpy(&bits, &single, 4); return bits;
  default: return tni_float_to_bits(type, value);
  }
}

void tni_write_element(tn_type type, void *base, int64_t i, tni_scalar value) {
  uint64_t bits = tni_type_is_float(type) ? float_bits(type, value.f) : (uint64_t)value.i;
  if (tni_type_is_packed(type)) {
    int width = (int)TN_TYPE_BITS(type), each = 8 / width, shift = (int)(i % each) * width, mask = (1 << width) - 1;
    uint8_t *byte = (uint8_t *)base + i / each;
    *byte = (uint8_t)((*byte & ~(mask << shift)) | ((int)bits & mask) << shift);
    return;
  }
  size_t size = TN_TYPE_BITS(type) / 8;
  memcpy((char *)base + (size_t)i * size, &bits, size); /* the low bytes: the machine is little-endian */
}
