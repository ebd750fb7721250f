/* test_half.c -- f16 and bf16: every value round trips, every border between neighbours rounds right.
 *
 * The borders are complete: rounding is monotone, so a function that is right at each value, at each tie and just
 * beside each tie is right everywhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "fault.h"

/* The value of a finite pattern, by the definition of the formats. */
static double value_of(uint32_t bits, int exponent_bits, int fraction_bits) {
  int bias = (1 << (exponent_bits - 1)) - 1;
  int field = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  double fraction = bits & ((1u << fraction_bits) - 1);
  double scaled = fraction / (1 << fraction_bits) + (field != 0);
  return ldexp(bits >> 15 & 1 ? -scaled : scaled, (field ? field : 1) - bias);
}

START_TEST(f16_values_are_exact_and_round_trip)
{
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    float wide = tni_f16_to_f32((uint16_t)bits);
    if ((bits & 0x7fff) > 0x7c00) {
      ck_assert(isnan(wide) && isnan(tni_f16_to_f32(tni_f32_to_f16(wide))));
      continue;
    }
    if ((bits & 0x7fff) < 0x7c00) ck_assert(wide == value_of(bits, 5, 10));
    ck_assert_int_eq(signbit(wide) != 0, bits >> 15);
    ck_assert_uint_eq(tni_f32_to_f16(wide), bits);
    ck_assert_uint_eq(tni_f64_to_f16(wide), bits);
  }
  ck_assert(isinf(tni_f16_to_f32(0x7c00)));
}
END_TEST

START_TEST(bf16_values_are_exact_and_round_trip)
{
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    float wide = tni_bf16_to_f32((uint16_t)bits);
    if ((bits & 0x7fff) > 0x7f80) {
      ck_assert(isnan(wide) && isnan(tni_bf16_to_f32(tni_f32_to_bf16(wide))));
      ck_assert(isnan(tni_bf16_to_f32(tni_f64_to_bf16((double)wide))));
      continue;
    }
    if ((bits & 0x7fff) < 0x7f80) ck_assert(wide == value_of(bits, 8, 7));
    ck_assert_uint_eq(tni_f32_to_bf16(wide), bits);
    ck_assert_uint_eq(tni_f64_to_bf16(wide), bits);
  }
}
END_TEST

/* Between each magnitude and the next (the last one's next would be 2^(bias+1), where infinity begins): the tie goes to
 * the even pattern, the neighbours of the tie to their sides. Both signs. */
static void check_borders(uint16_t from_f64(double), uint16_t from_f32(float), int exponent_bits, int fraction_bits) {
  uint32_t infinity = ((1u << exponent_bits) - 1) << fraction_bits;
  for (uint32_t bits = 0; bits < infinity; bits++) {
    double low = value_of(bits, exponent_bits, fraction_bits);
    double high =
        bits + 1 < infinity ? value_of(bits + 1, exponent_bits, fraction_bits) : ldexp(1, 1 << (exponent_bits - 1));
    double tie = low + (high - low) / 2;
    uint32_t even = bits & 1 ? bits + 1 : bits;
    ck_assert_uint_eq(from_f64(tie), even);
    ck_assert_uint_eq(from_f64(nextafter(tie, 0)), bits);
    ck_assert_uint_eq(from_f64(nextafter(tie, INFINITY)), bits + 1);
    ck_assert_uint_eq(from_f64(-tie), even | 0x8000);
    if ((double)(float)tie != tie) continue; /* bf16's least subnormal has ties that f32 lacks */
    ck_assert_uint_eq(from_f32((float)tie), even);
    ck_assert_uint_eq(from_f32(nextafterf((float)tie, 0)), bits);
    ck_assert_uint_eq(from_f32(nextafterf((float)tie, INFINITY)), bits + 1);
  }
}

START_TEST(f16_rounds_to_nearest_even)
{ check_borders(tni_f64_to_f16, tni_f32_to_f16, 5, 10); }
END_TEST
START_TEST(bf16_rounds_to_nearest_even)
{ check_borders(tni_f64_to_bf16, tni_f32_to_bf16, 8, 7); }
END_TEST

/* 1 + 2^-11 + 2^-40 rounds up; through f32 it would become a tie and round down. */
START_TEST(f64_is_rounded_once)
{
  double value = 1 + ldexp(1, -11) + ldexp(1, -40);
  ck_assert_uint_eq(tni_f32_to_f16((float)value), 0x3c00);
  ck_assert_uint_eq(tni_f64_to_f16(value), 0x3c01);
  ck_assert_uint_eq(tni_f64_to_bf16(1 + ldexp(1, -8) + ldexp(1, -40)), 0x3f81);
}
END_TEST

START_TEST(extremes_become_zero_or_infinity)
{
  ck_assert_uint_eq(tni_f64_to_f16(1e308), 0x7c00);
  ck_assert_uint_eq(tni_f64_to_f16(-INFINITY), 0xfc00);
  ck_assert_uint_eq(tni_f64_to_f16(5e-324), 0x0000);
  ck_assert_uint_eq(tni_f64_to_bf16(-5e-324), 0x8000);
  ck_assert_uint_eq(tni_f32_to_f16(1e-45f), 0x0000);
  ck_assert_uint_eq(tni_f32_to_bf16(3.4028235e38f), 0x7f80);
  ck_assert_uint_eq(tni_f64_to_bf16(NAN) & 0x7fc0, 0x7fc0);
}
END_TEST

#ifdef __FLT16_MAX__
START_TEST(agrees_with_the_compiler)
{
  uint64_t seed = 42; /* a 64-bit congruential generator; its upper bits are the pattern of an f32 */
  for (int i = 0; i < 1000000; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint32_t pattern = (uint32_t)(seed >> 32) & 0x8fffffff; /* |exponent| such that f16 is in reach */
    pattern |= 0x30000000;
    float value;
    memcpy(&value, &pattern, 4);
    _Float16 theirs = (_Float16)value;
    uint16_t bits;
    memcpy(&bits, &theirs, 2);
    ck_assert_uint_eq(tni_f32_to_f16(value), bits);
  }
}
END_TEST
#endif

int main(void) {
  const TTest *const tests[] = {
      f16_values_are_exact_and_round_trip,
      bf16_values_are_exact_and_round_trip,
      f16_rounds_to_nearest_even,
      bf16_rounds_to_nearest_even,
      f64_is_rounded_once,
      extremes_become_zero_or_infinity,
#ifdef __FLT16_MAX__
      agrees_with_the_compiler,
#endif
  };
  return run_tests("half", tests, TNI_COUNT(tests));
}
