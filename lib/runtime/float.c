/* float.c -- the floating-point types as their bits: one row of a table says what a format is, two functions convert.
 *
 *     value = (-1)^sign * 2^(exponent - bias) * 1.fraction          exponent 0: 2^(1 - bias) * 0.fraction
 *
 * All of it is in integers, so that the host's floating-point modes (flush to zero, rounding) do not matter. Rounding is
 * to nearest, ties to even, once, as if the exponent had no end; what is then larger than the largest number becomes
 * infinity, or NaN in a type that has none: the conversion that IEEE 754 and ONNX (Cast with saturate = 0) state.
 *
 * The 8-bit formats are those of OCP's "OFP8 Formats" 1.0; the two without a negative zero have their NaN in its place.
 * f4e2m1 and f8e8m0 are those of OCP's "Microscaling Formats" 1.0. The first has neither infinity nor NaN: what is too
 * large becomes the largest number, NaN becomes 0. The second is for scales: the exponent alone, so that all numbers are
 * powers of two; none is negative (it becomes NaN) and none is 0 (it becomes the least).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lib.h"

/* type, exponent bits, fraction bits, bias, infinity, negative zero, largest number, NaN (0: none) */
static const tni_float_format formats[] = {
    {TN_F64, 11, 52, 1023, true, true, UINT64_C(0x7fefffffffffffff), UINT64_C(0x7ff8000000000000)},
    {TN_F32, 8, 23, 127, true, true, 0x7f7fffff, 0x7fc00000},
    {TN_F16, 5, 10, 15, true, true, 0x7bff, 0x7e00},
    {TN_BF16, 8, 7, 127, true, true, 0x7f7f, 0x7fc0},
    {TN_F8E4M3, 4, 3, 7, false, true, 0x7e, 0x7f},
    {TN_F8E5M2, 5, 2, 15, true, true, 0x7b, 0x7e},
    {TN_F8E4M3UZ, 4, 3, 8, false, false, 0x7f, 0x80},
    {TN_F8E5M2UZ, 5, 2, 16, false, false, 0x7f, 0x80},
    {TN_F4E2M1, 2, 1, 1, false, true, 0x07, 0},
    {TN_F8E8M0, 8, 0, 127, false, false, 0xfe, 0xff},
};

const tni_float_format *tni_float_format_of(tn_type type) {
  for (size_t i = 0; i < TNI_COUNT(formats); i++)
    if (formats[i].type == TN_TYPE_WITH_LANES(type, 1)) return &formats[i];
  return NULL;
}

static uint64_t sign_of(const tni_float_format *f, uint64_t bits) {
  return bits & (uint64_t)1 << (f->exponent_bits + f->fraction_bits);
}

/* What a number beyond the largest becomes, without its sign. */
static uint64_t beyond(const tni_float_format *f) {
  if (f->infinity) return f->largest + 1;
  return f->nan ? f->nan : f->largest;
}

static bool is_nan(const tni_float_format *f, uint64_t bits) {
  if (!f->negative_zero) return bits == f->nan;
  return (bits ^ sign_of(f, bits)) > f->largest + f->infinity;
}

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
static uint64_t encode(uint64_t mantissa, int exponent, const tni_float_format *to) {
  int shift = __builtin_clzll(mantissa), drop = 63 - to->fraction_bits;
  mantissa <<= shift;
  exponent += 63 - shift + to->bias; /* now the value is 1.xxx * 2^(exponent - bias) */
  if (tni_type_is_scale(to->type) && exponent < 1) return exponent == 0 && mantissa << 1 >> 63;
  uint64_t bits = exponent < 1 ? shift_round(mantissa, drop + 1 - exponent)
                               : ((uint64_t)(exponent - 1) << to->fraction_bits) + shift_round(mantissa, drop);
  return bits <= to->largest ? bits : beyond(to);
}

/* A number's bits in another format. */
static uint64_t convert(uint64_t bits, const tni_float_format *from, const tni_float_format *to) {
  uint64_t sign = sign_of(from, bits), magnitude = bits ^ sign;
  uint64_t to_sign = sign ? (uint64_t)1 << (to->exponent_bits + to->fraction_bits) : 0;
  if (is_nan(from, bits) || (sign && magnitude && tni_type_is_scale(to->type))) return to->nan;
  if (magnitude > from->largest) return to->infinity || !to->nan ? to_sign | beyond(to) : to->nan;
  if (tni_type_is_scale(from->type)) return encode(1, (int)bits - from->bias, to);
  int field = (int)(magnitude >> from->fraction_bits);
  uint64_t fraction = magnitude & (((uint64_t)1 << from->fraction_bits) - 1);
  uint64_t mantissa = fraction | (uint64_t)(field != 0) << from->fraction_bits;
  uint64_t out = mantissa ? encode(mantissa, (field ? field : 1) - from->bias - from->fraction_bits, to) : 0;
  return out || to->negative_zero ? to_sign | out : 0;
}

uint64_t tni_float_to_bits(tn_type type, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return convert(bits, &formats[0], tni_float_format_of(type));
}

double tni_float_from_bits(tn_type type, uint64_t bits) {
  uint64_t wide = convert(bits, tni_float_format_of(type), &formats[0]);
  double value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

double tni_float_largest(tn_type type) { return tni_float_from_bits(type, tni_float_format_of(type)->largest); }

double tni_float_least(tn_type type) {
  return tni_type_is_scale(type) ? tni_float_from_bits(type, 0) : -tni_float_largest(type);
}

double tni_float_highest(tn_type type) {
  return tni_float_format_of(type)->infinity ? (double)INFINITY : tni_float_largest(type);
}
