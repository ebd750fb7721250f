/* test_float.c -- the short floating-point types against a slow definition of their own: every pattern has the value
 * that its format states, and every border between two neighbours rounds right.
 *
 * The borders are complete: rounding is monotone, so a function that is right at each value, at each tie and just
 * beside each tie is right everywhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "fault.h"

/* Of the magnitudes 0, 1, 2...: `finite` of them are numbers; the next one is infinity in `ieee` types. */
typedef struct short_float {
  tn_type type;
  int bits, fraction_bits, bias;
  uint32_t finite;
  enum { IEEE, NO_INFINITY, ONE_ZERO, NO_NAN } kind;
} short_float;

static const short_float types[] = {
    {TN_F16, 16, 10, 15, 0x7c00, IEEE}, {TN_BF16, 16, 7, 127, 0x7f80, IEEE},    {TN_F8E4M3, 8, 3, 7, 0x7f, NO_INFINITY},
    {TN_F8E5M2, 8, 2, 15, 0x7c, IEEE},  {TN_F8E4M3UZ, 8, 3, 8, 0x80, ONE_ZERO}, {TN_F8E5M2UZ, 8, 2, 16, 0x80, ONE_ZERO},
    {TN_F4E2M1, 4, 1, 1, 8, NO_NAN},
};

/* The value of a magnitude, by the definition of the formats; also of the one after the last number. */
static double value_of(const short_float *f, uint32_t magnitude) {
  int field = (int)(magnitude >> f->fraction_bits);
  double fraction = (double)(magnitude & ((1u << f->fraction_bits) - 1)) / (1 << f->fraction_bits);
  return ldexp(fraction + (field != 0), (field ? field : 1) - f->bias);
}

static uint32_t sign_of(const short_float *f) { return 1u << (f->bits - 1); }

static void expect_nan(const short_float *f, uint32_t bits) { ck_assert(isnan(tni_float_from_bits(f->type, bits))); }

static void check_values(const short_float *f) {
  uint32_t sign = sign_of(f);
  for (uint32_t m = 0; m < f->finite; m++) {
    double value = value_of(f, m);
    ck_assert_double_eq(tni_float_from_bits(f->type, m), value);
    ck_assert_uint_eq(tni_float_to_bits(f->type, value), m);
    if (f->kind == ONE_ZERO && m == 0) continue;
    ck_assert(signbit(tni_float_from_bits(f->type, m | sign)));
    ck_assert_double_eq(tni_float_from_bits(f->type, m | sign), -value);
    ck_assert_uint_eq(tni_float_to_bits(f->type, -value), m | sign);
  }
  for (uint32_t m = f->finite + (f->kind == IEEE); m < sign; m++) {
    expect_nan(f, m);
    expect_nan(f, m | sign);
  }
}

START_TEST(every_pattern_has_its_value)
{
  for (size_t i = 0; i < TNI_COUNT(types); i++) check_values(&types[i]);
  ck_assert(isnan(tni_float_from_bits(TN_F8E4M3UZ, 0x80)) && isnan(tni_float_from_bits(TN_F8E5M2UZ, 0x80)));
}
END_TEST

/* Zero without a sign, numbers without an infinity, and what stands in the tables that everybody quotes. */
START_TEST(the_ends_of_the_formats)
{
  ck_assert_double_eq(tni_float_from_bits(TN_F8E4M3, 0x7e), 448);
  ck_assert_double_eq(tni_float_from_bits(TN_F8E4M3, 0x01), 0x1p-9);
  ck_assert_double_eq(tni_float_from_bits(TN_F8E5M2, 0x7b), 57344);
  ck_assert_double_eq(tni_float_from_bits(TN_F8E5M2, 0x01), 0x1p-16);
  ck_assert_double_eq(tni_float_from_bits(TN_F8E4M3UZ, 0x7f), 240);
  ck_assert_double_eq(tni_float_from_bits(TN_F8E5M2UZ, 0x7f), 57344);
  ck_assert(isinf(tni_float_from_bits(TN_F8E5M2, 0x7c)) && isinf(tni_float_from_bits(TN_F16, 0x7c00)));
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E4M3UZ, -0.0), 0);
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E5M2UZ, -1e-30), 0);
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E4M3, -0.0), 0x80);
  ck_assert_double_eq(tni_float_highest(TN_F8E4M3), 448);
  ck_assert_double_eq(tni_float_highest(TN_F8E5M2UZ), 57344);
  ck_assert(isinf(tni_float_highest(TN_F8E5M2)) && isinf(tni_float_highest(TN_F64)));
}
END_TEST

/* What a magnitude that is no number any more becomes. */
static uint32_t beyond(const short_float *f) {
  if (f->kind == NO_NAN) return f->finite - 1;
  return f->kind == NO_INFINITY ? 0x7f : f->kind == ONE_ZERO ? 0x80 : f->finite;
}

/* Between each magnitude and the next (the last one's next is no number any more): the tie goes to the even pattern, the
 * neighbours of the tie to their sides. Both signs. */
static void check_borders(const short_float *f) {
  for (uint32_t m = 0; m < f->finite; m++) {
    double tie = (value_of(f, m) + value_of(f, m + 1)) / 2;
    uint32_t next = m + 1 < f->finite ? m + 1 : beyond(f), even = m & 1 ? next : m;
    uint32_t minus = f->kind == ONE_ZERO && even == 0 ? 0 : even | sign_of(f);
    ck_assert_uint_eq(tni_float_to_bits(f->type, tie), even);
    ck_assert_uint_eq(tni_float_to_bits(f->type, nextafter(tie, 0)), m);
    ck_assert_uint_eq(tni_float_to_bits(f->type, nextafter(tie, INFINITY)), next);
    if (next == m + 1) ck_assert_uint_eq(tni_float_to_bits(f->type, -tie), minus);
  }
}

START_TEST(rounds_to_nearest_even)
{
  for (size_t i = 0; i < TNI_COUNT(types); i++) check_borders(&types[i]);
}
END_TEST

/* 1 + 2^-11 + 2^-40 rounds up; through f32 it would become a tie and round down. */
START_TEST(f64_is_rounded_once)
{
  ck_assert_uint_eq(tni_float_to_bits(TN_F16, 1 + 0x1p-11 + 0x1p-40), 0x3c01);
  ck_assert_uint_eq(tni_float_to_bits(TN_BF16, 1 + 0x1p-8 + 0x1p-40), 0x3f81);
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E4M3, 1 + 0x1p-4 + 0x1p-40), 0x39);
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E5M2, 0x1p-17 + 0x1p-60), 0x01);
}
END_TEST

START_TEST(extremes_become_zero_infinity_or_nan)
{
  ck_assert_uint_eq(tni_float_to_bits(TN_F16, 1e308), 0x7c00);
  ck_assert_uint_eq(tni_float_to_bits(TN_F16, -INFINITY), 0xfc00);
  ck_assert_uint_eq(tni_float_to_bits(TN_F16, 5e-324), 0x0000);
  ck_assert_uint_eq(tni_float_to_bits(TN_BF16, -5e-324), 0x8000);
  ck_assert_uint_eq(tni_float_to_bits(TN_BF16, 3.4028235e38), 0x7f80);
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E5M2, -1e300), 0xfc);
  for (size_t i = 0; i < TNI_COUNT(types); i++) {
    if (types[i].kind == NO_NAN) continue;
    const double wild[] = {INFINITY, -INFINITY, 1e300, -1e300};
    expect_nan(&types[i], (uint32_t)tni_float_to_bits(types[i].type, NAN));
    for (int w = 0; w < 4 && types[i].kind != IEEE; w++)
      expect_nan(&types[i], (uint32_t)tni_float_to_bits(types[i].type, wild[w]));
  }
}
END_TEST

START_TEST(a_type_without_infinity_and_nan_saturates)
{
  ck_assert_uint_eq(tni_float_to_bits(TN_F4E2M1, INFINITY), 0x7);
  ck_assert_uint_eq(tni_float_to_bits(TN_F4E2M1, -1e300), 0xf);
  ck_assert_uint_eq(tni_float_to_bits(TN_F4E2M1, NAN), 0x0);
  ck_assert_uint_eq(tni_float_to_bits(TN_F4E2M1, -(double)NAN), 0x0);
  ck_assert_double_eq(tni_float_highest(TN_F4E2M1), 6);
  ck_assert_double_eq(tni_float_least(TN_F4E2M1), -6);
}
END_TEST

/* Ties go up, what is beyond the least number is the least, and what is no power of two at all is NaN. */
START_TEST(scales_are_powers_of_two)
{
  for (uint32_t bits = 0; bits < 0xff; bits++) {
    double value = ldexp(1, (int)bits - 127);
    ck_assert_double_eq(tni_float_from_bits(TN_F8E8M0, bits), value);
    ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, value), bits);
    ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, 1.5 * value), bits + 1);
    ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, nextafter(1.5 * value, 0)), bits);
    ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, -value), 0xff);
  }
  ck_assert(isnan(tni_float_from_bits(TN_F8E8M0, 0xff)));
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, 0), 0);
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, -0.0), 0);
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, 5e-324), 0);
  ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, 0x1.fp-128), 0);
  const double none[] = {INFINITY, -INFINITY, NAN, 0x1p128, -5e-324};
  for (size_t i = 0; i < TNI_COUNT(none); i++) ck_assert_uint_eq(tni_float_to_bits(TN_F8E8M0, none[i]), 0xff);
  ck_assert_double_eq(tni_float_highest(TN_F8E8M0), 0x1p127);
  ck_assert_double_eq(tni_float_least(TN_F8E8M0), 0x1p-127);
}
END_TEST

START_TEST(f32_and_f64_are_the_machines)
{
  uint64_t seed = 7;
  for (int i = 0; i < 200000; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t pattern = (seed & UINT64_C(0x8fffffffffffffff)) | UINT64_C(0x3000000000000000); /* in reach of f32 */
    double value;
    memcpy(&value, &pattern, 8);
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, 4);
    ck_assert_uint_eq(tni_float_to_bits(TN_F32, value), bits);
    ck_assert_double_eq(tni_float_from_bits(TN_F32, bits), single);
    ck_assert_uint_eq(tni_float_to_bits(TN_F64, value), pattern);
  }
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
    ck_assert_uint_eq(tni_float_to_bits(TN_F16, value), bits);
  }
}
END_TEST
#endif

int main(void) {
  const TTest *const tests[] = {
      every_pattern_has_its_value,
      the_ends_of_the_formats,
      rounds_to_nearest_even,
      f64_is_rounded_once,
      extremes_become_zero_infinity_or_nan,
      a_type_without_infinity_and_nan_saturates,
      scales_are_powers_of_two,
      f32_and_f64_are_the_machines,
#ifdef __FLT16_MAX__
      agrees_with_the_compiler,
#endif
  };
  return suite_run_tests("float", tests, TNI_COUNT(tests), NULL, NULL);
}
