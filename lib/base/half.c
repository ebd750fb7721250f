/* half.c -- conversions to and from the 16-bit floating-point types, in integers only, so that the host's
 * floating-point modes (flush to zero, rounding) do not matter.
 *
 *     f16   1 sign, 5 exponent, 10 fraction bits         bf16   1 sign, 8 exponent, 7 fraction bits
 *
 * Rounding is to nearest, ties to even, once; a NaN stays a NaN (quiet, with the upper bits of its payload).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lib.h"

struct format {
  int exponent_bits, fraction_bits;
};
static const struct format F16 = {5, 10}, BF16 = {8, 7}, F32 = {8, 23}, F64 = {11, 52};

static uint64_t infinity_of(struct format f) { return (((uint64_t)1 << f.exponent_bits) - 1) << f.fraction_bits; }
static int bias_of(struct format f) { return (1 << (f.exponent_bits - 1)) - 1; }

/* bits >> drop, rounded to nearest even; drop >= 1, also beyond 64. */
static uint64_t shift_round(uint64_t bits, int drop) {
  if (drop > 64) return 0;
  uint64_t kept = drop == 64 ? 0 : bits >> drop;
  uint64_t rest = drop == 64 ? bits : bits & (((uint64_t)1 << drop) - 1);
  uint64_t half = (uint64_t)1 << (drop - 1);
  return kept + (rest > half || (rest == half && (kept & 1)));
}

/* The magnitude mantissa * 2^exponent (mantissa not 0) in format `to`, without sign. A carry out of the fraction moves
 * into the exponent field, which is the right number there too. */
static uint64_t encode(uint64_t mantissa, int exponent, struct format to) {
  int shift = __builtin_clzll(mantissa);
  mantissa <<= shift;
  exponent += 63 - shift; /* now the value is 1.xxx * 2^exponent */
  int bias = bias_of(to), drop = 63 - to.fraction_bits;
  if (exponent > bias) return infinity_of(to);
  if (exponent < 1 - bias) return shift_round(mantissa, drop + (1 - bias - exponent));
  uint64_t kept = shift_round(mantissa, drop) - ((uint64_t)1 << to.fraction_bits);
  return ((uint64_t)(exponent + bias) << to.fraction_bits) + kept;
}

/* A number's bits in another format. */
static uint64_t convert(uint64_t bits, struct format from, struct format to) {
  uint64_t sign = bits >> (from.exponent_bits + from.fraction_bits) << (to.exponent_bits + to.fraction_bits);
  uint64_t fraction = bits & (((uint64_t)1 << from.fraction_bits) - 1);
  int field = (int)(bits >> from.fraction_bits & (((uint64_t)1 << from.exponent_bits) - 1));
  int to_left = to.fraction_bits - from.fraction_bits;
  if (field == (1 << from.exponent_bits) - 1) {
    if (!fraction) return sign | infinity_of(to);
    uint64_t payload = to_left >= 0 ? fraction << to_left : fraction >> -to_left;
    return sign | infinity_of(to) | payload | (uint64_t)1 << (to.fraction_bits - 1);
  }
  if (!field && !fraction) return sign;
  int exponent = (field ? field : 1) - bias_of(from) - from.fraction_bits;
  return sign | encode(fraction | (uint64_t)(field != 0) << from.fraction_bits, exponent, to);
}

static uint64_t bits_of_f32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static uint64_t bits_of_f64(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static float f32_of_bits(uint64_t wide) {
  uint32_t bits = (uint32_t)wide;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

float tni_f16_to_f32(uint16_t bits) { return f32_of_bits(convert(bits, F16, F32)); }
uint16_t tni_f32_to_f16(float value) { return (uint16_t)convert(bits_of_f32(value), F32, F16); }
uint16_t tni_f64_to_f16(double value) { return (uint16_t)convert(bits_of_f64(value), F64, F16); }
float tni_bf16_to_f32(uint16_t bits) { return f32_of_bits((uint64_t)bits << 16); }
uint16_t tni_f32_to_bf16(float value) { return (uint16_t)convert(bits_of_f32(value), F32, BF16); }
uint16_t tni_f64_to_bf16(double value) { return (uint16_t)convert(bits_of_f64(value), F64, BF16); }
