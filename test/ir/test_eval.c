/* test_eval.c -- the operators on scalars: each edge that ops.h promises.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "ir.h"
#include "suite.h"

static int64_t int1(enum tn_op op, tn_type type, int64_t a) {
  tni_scalar args[3] = {{.i = a}, {.i = 0}, {.i = 0}};
  return tni_eval_op(op, type, args).i;
}
static int64_t int2(enum tn_op op, tn_type type, int64_t a, int64_t b) {
  tni_scalar args[3] = {{.i = a}, {.i = b}, {.i = 0}};
  return tni_eval_op(op, type, args).i;
}
static double float3(enum tn_op op, tn_type type, double a, double b, double c) {
  tni_scalar args[3] = {{.f = a}, {.f = b}, {.f = c}};
  return tni_eval_op(op, type, args).f;
}
static double float2(enum tn_op op, tn_type type, double a, double b) { return float3(op, type, a, b, 0); }
static double float1(enum tn_op op, tn_type type, double a) { return float3(op, type, a, 0, 0); }
static int64_t compare(enum tn_op op, double a, double b) {
  tni_scalar args[3] = {{.f = a}, {.f = b}, {.f = 0}};
  return tni_eval_op(op, TN_F32, args).i;
}
static int64_t float_to(tn_type to, double a) { return tni_eval_cast(to, TN_F64, (tni_scalar){.f = a}).i; }
static double int_to(tn_type to, tn_type from, int64_t a) { return tni_eval_cast(to, from, (tni_scalar){.i = a}).f; }
static int64_t cast_int(tn_type to, tn_type from, int64_t a) { return tni_eval_cast(to, from, (tni_scalar){.i = a}).i; }

START_TEST(integers_wrap)
{
  ck_assert_int_eq(int2(TN_OP_add, TN_I8, 127, 1), -128);
  ck_assert_int_eq(int2(TN_OP_sub, TN_U8, 0, 1), 255);
  ck_assert_int_eq(int2(TN_OP_mul, TN_I16, 300, 300), (int16_t)90000);
  ck_assert_int_eq(int2(TN_OP_add, TN_I64, INT64_MAX, 1), INT64_MIN);
  ck_assert_int_eq(int2(TN_OP_mul, TN_I32, INT32_MIN, -1), INT32_MIN);
  ck_assert_int_eq(int1(TN_OP_neg, TN_I8, -128), -128);
  ck_assert_int_eq(int1(TN_OP_abs, TN_I64, INT64_MIN), INT64_MIN);
  ck_assert_int_eq(int1(TN_OP_neg, TN_U32, 1), UINT32_MAX);
}
END_TEST

START_TEST(division_is_total)
{
  tn_type types[] = {TN_I8, TN_I16, TN_I32, TN_I64, TN_U8, TN_U16, TN_U32, TN_U64, TN_INDEX};
  enum tn_op ops[] = {TN_OP_div, TN_OP_mod, TN_OP_floordiv, TN_OP_floormod};
  for (size_t t = 0; t < TNI_COUNT(types); t++)
    for (size_t o = 0; o < TNI_COUNT(ops); o++) ck_assert_int_eq(int2(ops[o], types[t], 7, 0), 0);
  ck_assert_int_eq(int2(TN_OP_div, TN_I64, INT64_MIN, -1), INT64_MIN);
  ck_assert_int_eq(int2(TN_OP_floordiv, TN_I8, -128, -1), -128);
  ck_assert_int_eq(int2(TN_OP_mod, TN_I64, INT64_MIN, -1), 0);
  ck_assert_int_eq(int2(TN_OP_floormod, TN_I64, INT64_MIN, -1), 0);
}
END_TEST

START_TEST(division_rounds_as_named)
{
  for (int64_t a = -7; a <= 7; a++)
    for (int64_t b = -3; b <= 3; b++)
      if (b != 0) {
        int64_t q = (int64_t)floor((double)a / (double)b);
        ck_assert_int_eq(int2(TN_OP_div, TN_I32, a, b), a / b);
        ck_assert_int_eq(int2(TN_OP_mod, TN_I32, a, b), a % b);
        ck_assert_int_eq(int2(TN_OP_floordiv, TN_I32, a, b), q);
        ck_assert_int_eq(int2(TN_OP_floormod, TN_I32, a, b), a - q * b);
      }
  ck_assert_int_eq(int2(TN_OP_div, TN_U64, -2, 3), (int64_t)((UINT64_MAX - 1) / 3));
  ck_assert_int_eq(int2(TN_OP_mod, TN_U64, -2, 10), 4);
}
END_TEST

START_TEST(u64_is_unsigned)
{
  ck_assert_int_eq(int2(TN_OP_lt, TN_U64, 1, -1), 1);
  ck_assert_int_eq(int2(TN_OP_le, TN_U64, -1, 1), 0);
  ck_assert_int_eq(int2(TN_OP_min, TN_U64, 1, -1), 1);
  ck_assert_int_eq(int2(TN_OP_max, TN_U64, 1, -1), -1);
  ck_assert_int_eq(int1(TN_OP_abs, TN_U64, -5), -5);
  ck_assert_int_eq(int2(TN_OP_max, TN_I64, 1, -1), 1);
}
END_TEST

START_TEST(shifts_past_the_width)
{
  ck_assert_int_eq(int2(TN_OP_shl, TN_I32, 1, 31), INT32_MIN);
  ck_assert_int_eq(int2(TN_OP_shl, TN_I32, 1, 32), 0);
  ck_assert_int_eq(int2(TN_OP_shl, TN_I32, 1, -1), 0);
  ck_assert_int_eq(int2(TN_OP_shr, TN_I8, -128, 7), -1);
  ck_assert_int_eq(int2(TN_OP_shr, TN_I8, -128, 8), -1);
  ck_assert_int_eq(int2(TN_OP_shr, TN_I8, 127, 8), 0);
  ck_assert_int_eq(int2(TN_OP_shr, TN_I64, -4, -1), -1);
  ck_assert_int_eq(int2(TN_OP_shr, TN_U8, 255, 4), 15);
  ck_assert_int_eq(int2(TN_OP_shr, TN_U64, -1, 63), 1);
  ck_assert_int_eq(int2(TN_OP_shr, TN_U64, -1, 64), 0);
}
END_TEST

START_TEST(rounding_shifts_take_ties_up)
{
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_I32, 5, 1), 3);
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_I32, -5, 1), -2);
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_I32, INT32_MAX, 1), 1 << 30); /* adding the half first would wrap */
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_I32, INT32_MIN, 31), -1);
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_U8, 255, 1), 128);
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_U64, -1, 63), 2);
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_I8, -7, 0), -7);
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_I8, -128, 8), 0);
  ck_assert_int_eq(int2(TN_OP_shr_round, TN_I8, -128, -1), 0);
}
END_TEST

START_TEST(products_have_an_upper_half)
{
  ck_assert_int_eq(int2(TN_OP_mulhi, TN_I8, -128, -128), 64);
  ck_assert_int_eq(int2(TN_OP_mulhi, TN_I8, -1, 1), -1);
  ck_assert_int_eq(int2(TN_OP_mulhi, TN_U8, 255, 255), 254);
  ck_assert_int_eq(int2(TN_OP_mulhi, TN_I64, INT64_MIN, INT64_MIN), (int64_t)1 << 62);
  ck_assert_int_eq(int2(TN_OP_mulhi, TN_U64, -1, -1), -2);
  ck_assert_int_eq(int2(TN_OP_mulhi, TN_U32, UINT32_MAX, 2), 1);
}
END_TEST

START_TEST(sums_saturate)
{
  ck_assert_int_eq(int2(TN_OP_add_sat, TN_I8, 100, 100), 127);
  ck_assert_int_eq(int2(TN_OP_add_sat, TN_I8, -100, -100), -128);
  ck_assert_int_eq(int2(TN_OP_add_sat, TN_U8, 200, 56), 255);
  ck_assert_int_eq(int2(TN_OP_add_sat, TN_U64, -1, 1), -1);
  ck_assert_int_eq(int2(TN_OP_add_sat, TN_I64, INT64_MAX, 1), INT64_MAX);
  ck_assert_int_eq(int2(TN_OP_sub_sat, TN_I8, 0, -128), 127);
  ck_assert_int_eq(int2(TN_OP_sub_sat, TN_U16, 1, 2), 0);
  ck_assert_int_eq(int2(TN_OP_sub_sat, TN_I64, INT64_MIN, 1), INT64_MIN);
}
END_TEST

START_TEST(bits_are_counted)
{
  ck_assert_int_eq(int1(TN_OP_popcount, TN_I8, -1), 8);
  ck_assert_int_eq(int1(TN_OP_popcount, TN_U64, -1), 64);
  ck_assert_int_eq(int1(TN_OP_clz, TN_I16, 1), 15);
  ck_assert_int_eq(int1(TN_OP_clz, TN_I16, -1), 0);
  ck_assert_int_eq(int1(TN_OP_clz, TN_U32, 0), 32);
  ck_assert_int_eq(int1(TN_OP_ctz, TN_I8, -128), 7);
  ck_assert_int_eq(int1(TN_OP_ctz, TN_I64, 0), 64);
}
END_TEST

START_TEST(bool_is_logical)
{
  for (int64_t a = 0; a < 2; a++) {
    ck_assert_int_eq(int1(TN_OP_not, TN_BOOL, a), !a);
    for (int64_t b = 0; b < 2; b++) {
      ck_assert_int_eq(int2(TN_OP_and, TN_BOOL, a, b), a && b);
      ck_assert_int_eq(int2(TN_OP_or, TN_BOOL, a, b), a || b);
      ck_assert_int_eq(int2(TN_OP_xor, TN_BOOL, a, b), a != b);
    }
  }
}
END_TEST

START_TEST(min_max_order_zeros_and_keep_nan)
{
  tn_type types[] = {TN_F16, TN_BF16, TN_F32, TN_F64};
  for (size_t t = 0; t < TNI_COUNT(types); t++) {
    tn_type type = types[t];
    ck_assert(signbit(float2(TN_OP_min, type, 0.0, -0.0)) && signbit(float2(TN_OP_min, type, -0.0, 0.0)));
    ck_assert(!signbit(float2(TN_OP_max, type, 0.0, -0.0)) && !signbit(float2(TN_OP_max, type, -0.0, 0.0)));
    ck_assert(isnan(float2(TN_OP_min, type, NAN, 1)) && isnan(float2(TN_OP_min, type, 1, NAN)));
    ck_assert(isnan(float2(TN_OP_max, type, NAN, 1)) && isnan(float2(TN_OP_max, type, 1, NAN)));
    ck_assert(float2(TN_OP_min, type, -INFINITY, 1) == -INFINITY && float2(TN_OP_max, type, 2, 1) == 2);
  }
}
END_TEST

START_TEST(compare_with_nan)
{
  ck_assert_int_eq(compare(TN_OP_eq, NAN, NAN), 0);
  ck_assert_int_eq(compare(TN_OP_ne, NAN, NAN), 1);
  ck_assert_int_eq(compare(TN_OP_lt, NAN, 1) | compare(TN_OP_le, 1, NAN), 0);
  ck_assert_int_eq(compare(TN_OP_eq, 0.0, -0.0), 1);
}
END_TEST

START_TEST(signs_are_bits)
{
  ck_assert(signbit(float1(TN_OP_neg, TN_F32, 0.0)));
  ck_assert(!signbit(float1(TN_OP_neg, TN_F64, -0.0)));
  ck_assert(!signbit(float1(TN_OP_abs, TN_F16, -0.0)));
}
END_TEST

START_TEST(f32_rounds_once)
{
  ck_assert(float2(TN_OP_add, TN_F32, 1, 0x1p-24) == 1);
  ck_assert(float2(TN_OP_mul, TN_F32, 0x1.fffffep127, 2) == INFINITY);
  ck_assert(float2(TN_OP_div, TN_F32, 1, 3) == (double)(1.0f / 3.0f));
  ck_assert(float2(TN_OP_div, TN_F32, 1, 0) == INFINITY);
  ck_assert(float1(TN_OP_sqrt, TN_F32, 2) == (double)sqrtf(2));
  ck_assert(isnan(float1(TN_OP_sqrt, TN_F32, -1)) && signbit(float1(TN_OP_sqrt, TN_F32, -0.0)));
  /* 1 + 2^-23 squared minus 1 + 2^-22 leaves 2^-46, which only an fma sees */
  ck_assert(float3(TN_OP_fma, TN_F32, 1 + 0x1p-23, 1 + 0x1p-23, -(1 + 0x1p-22)) == 0x1p-46);
}
END_TEST

START_TEST(halves_round_once)
{
  ck_assert(float2(TN_OP_add, TN_F16, 2048, 1) == 2048);
  ck_assert(float2(TN_OP_add, TN_F16, 2048, 3) == 2052);
  ck_assert(float2(TN_OP_mul, TN_F16, 256, 256) == INFINITY);
  ck_assert(float2(TN_OP_add, TN_BF16, 256, 1) == 256);
  ck_assert(float2(TN_OP_add, TN_BF16, 256, 3) == 260);
  /* 7 * 37 = 259 is halfway between 258 and 260: ties go to 260, but a hair less goes to 258, also a hair that a double
   * cannot hold beside it */
  ck_assert(float3(TN_OP_fma, TN_BF16, 7, 37, 0) == 260);
  ck_assert(float3(TN_OP_fma, TN_BF16, 7, 37, -0x1p-100) == 258);
  ck_assert(float3(TN_OP_fma, TN_BF16, 7, 36.5, 0x1p-100) == 256);
  ck_assert(float3(TN_OP_fma, TN_F16, 0x1p-12, 0x1p-12, 1) == 1);
  ck_assert(float3(TN_OP_fma, TN_BF16, 0x1p127, 4, -INFINITY) == -INFINITY);
}
END_TEST

/* Also where the result is subnormal, or has no sign. */
START_TEST(bytes_round_once)
{
  ck_assert(float2(TN_OP_add, TN_F8E4M3, 16, 1) == 16);
  ck_assert(float2(TN_OP_add, TN_F8E4M3, 16, 3) == 20);
  ck_assert(float2(TN_OP_add, TN_F8E4M3, 448, 16) == 448);
  ck_assert(isnan(float2(TN_OP_add, TN_F8E4M3, 448, 18)));
  ck_assert(float2(TN_OP_mul, TN_F8E5M2, 57344, -2) == -INFINITY);
  ck_assert(float2(TN_OP_mul, TN_F8E4M3, 0x1p-6, 0.3125) == 0x1p-8); /* 1.25 units of the last place of 2^-8 */
  ck_assert(isnan(float2(TN_OP_mul, TN_F8E5M2UZ, 57344, 2)));
  ck_assert(float3(TN_OP_fma, TN_F8E4M3, 1.25, 1.25, -1.5) == 0x1p-4);
  ck_assert(float3(TN_OP_fma, TN_F8E5M2, 3, 3, 0) == 8); /* a tie; a hair more goes up */
  ck_assert(float3(TN_OP_fma, TN_F8E5M2, 3, 3, 0x1p-16) == 10);
}
END_TEST

START_TEST(types_with_one_zero_have_no_minus)
{
  const tn_type types[] = {TN_F8E4M3UZ, TN_F8E5M2UZ};
  for (int t = 0; t < 2; t++) {
    ck_assert(!signbit(float1(TN_OP_neg, types[t], 0.0)));
    ck_assert(!signbit(float1(TN_OP_ceil, types[t], -0.5)));
    ck_assert(!signbit(float2(TN_OP_mul, types[t], -1, 0)));
    ck_assert(!signbit(float2(TN_OP_mod, types[t], -8, 4)));
    ck_assert(float1(TN_OP_neg, types[t], 1.5) == -1.5);
    ck_assert(!signbit(tni_eval_cast(types[t], TN_F32, (tni_scalar){.f = -0.0}).f));
  }
  ck_assert(signbit(float1(TN_OP_neg, TN_F8E4M3, 0.0)));
}
END_TEST

/* Without infinity and NaN. */
START_TEST(four_bit_floats_saturate)
{
  ck_assert(float2(TN_OP_add, TN_F4E2M1, 4, 1) == 4);
  ck_assert(float2(TN_OP_add, TN_F4E2M1, 6, 6) == 6);
  ck_assert(float2(TN_OP_mul, TN_F4E2M1, -6, 4) == -6);
  ck_assert(float2(TN_OP_div, TN_F4E2M1, 1, 0) == 6);
  ck_assert(float2(TN_OP_div, TN_F4E2M1, 0, 0) == 0);
  ck_assert(float2(TN_OP_mod, TN_F4E2M1, 1, 0) == 0);
  ck_assert(float3(TN_OP_fma, TN_F4E2M1, 1.5, 1.5, 0) == 2);
  ck_assert(float3(TN_OP_fma, TN_F4E2M1, 1.5, 1.5, 0.5) == 3);
  ck_assert(signbit(float1(TN_OP_neg, TN_F4E2M1, 0)));
}
END_TEST

/* A scale has no zero, so that it is the least that stands for it, and no sign. */
START_TEST(scales_are_cast)
{
  ck_assert(tni_eval_cast(TN_F8E8M0, TN_F32, (tni_scalar){.f = 3}).f == 4);
  ck_assert(tni_eval_cast(TN_F8E8M0, TN_I32, (tni_scalar){.i = 0}).f == 0x1p-127);
  ck_assert(isnan(tni_eval_cast(TN_F8E8M0, TN_I32, (tni_scalar){.i = -4}).f));
  ck_assert(tni_eval_cast(TN_F8E8M0, TN_I64, (tni_scalar){.i = (INT64_C(3) << 61) - 1}).f == 0x1p62);
  ck_assert(tni_eval_cast(TN_F8E8M0, TN_I64, (tni_scalar){.i = INT64_MAX}).f == 0x1p63);
  ck_assert(tni_eval_cast_sat(TN_F8E8M0, TN_F64, (tni_scalar){.f = 1e300}).f == 0x1p127);
  ck_assert(tni_eval_cast_sat(TN_F8E8M0, TN_I8, (tni_scalar){.i = -1}).f == 0x1p-127);
  ck_assert(isnan(tni_eval_cast_sat(TN_F8E8M0, TN_F32, (tni_scalar){.f = NAN}).f));
  ck_assert_int_eq(tni_eval_cast(TN_I8, TN_F8E8M0, (tni_scalar){.f = 0x1p100}).i, 127);
}
END_TEST

START_TEST(rounding_to_integers)
{
  double in[] = {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.6};
  double even[] = {-2, -2, -0.0, 0, 2, 2, 3};
  for (size_t i = 0; i < TNI_COUNT(in); i++) {
    ck_assert(float1(TN_OP_round, TN_F32, in[i]) == even[i]);
    ck_assert(float1(TN_OP_floor, TN_F64, in[i]) == floor(in[i]));
    ck_assert(float1(TN_OP_ceil, TN_F32, in[i]) == ceil(in[i]));
    ck_assert(float1(TN_OP_trunc, TN_F32, in[i]) == trunc(in[i]));
  }
  ck_assert(signbit(float1(TN_OP_round, TN_F32, -0.25)));
  ck_assert(float2(TN_OP_mod, TN_F32, -7.5, 2) == -1.5);
}
END_TEST

START_TEST(powers_of_two_scale)
{
  const double infinity = INFINITY;
  ck_assert(float2(TN_OP_ldexp, TN_F32, 1.5, 2.75) == 6);
  ck_assert(float2(TN_OP_ldexp, TN_F64, -1.5, -2.25) == -0.1875);
  ck_assert(float2(TN_OP_ldexp, TN_F32, 0x1.000006p0, -149) == 0x1p-149); /* rounded once, to what f32 has */
  ck_assert(float2(TN_OP_ldexp, TN_F32, 0x1.000002p-100, -50) == 0x1p-149);
  ck_assert(float2(TN_OP_ldexp, TN_F32, 0x1p-100, -50) == 0); /* a tie */
  ck_assert(float2(TN_OP_ldexp, TN_F64, 0x1.8p-1070, -4) == 0x1p-1073); /* a tie, to even */
  ck_assert(float2(TN_OP_ldexp, TN_F32, 0x1p-149, 276) == 0x1p127);
  ck_assert(float2(TN_OP_ldexp, TN_F32, 1, 128) == infinity);
  ck_assert(float2(TN_OP_ldexp, TN_BF16, 1.5, -134) == 0x1p-133);
  ck_assert(float2(TN_OP_ldexp, TN_F64, -1, infinity) == -infinity);
  ck_assert(signbit(float2(TN_OP_ldexp, TN_F64, -1, -infinity)));
  ck_assert(isnan(float2(TN_OP_ldexp, TN_F64, 0, infinity)));
  ck_assert(isnan(float2(TN_OP_ldexp, TN_F32, infinity, -infinity)));
  ck_assert(isnan(float2(TN_OP_ldexp, TN_F32, 1, NAN)));
  ck_assert(isnan(float2(TN_OP_ldexp, TN_F32, NAN, 1)));
  ck_assert(float2(TN_OP_ldexp, TN_F32, NAN, infinity) == infinity);
  ck_assert(float2(TN_OP_ldexp, TN_F32, NAN, -infinity) == 0);
}
END_TEST

START_TEST(float_to_int_saturates)
{
  ck_assert_int_eq(float_to(TN_I8, 200), 127);
  ck_assert_int_eq(float_to(TN_I8, -200), -128);
  ck_assert_int_eq(float_to(TN_I8, -1.9), -1);
  ck_assert_int_eq(float_to(TN_U8, -1.9), 0);
  ck_assert_int_eq(float_to(TN_U8, -0.9), 0);
  ck_assert_int_eq(float_to(TN_U8, 255.9), 255);
  ck_assert_int_eq(float_to(TN_U8, 256), 255);
  ck_assert_int_eq(float_to(TN_I32, INFINITY), INT32_MAX);
  ck_assert_int_eq(float_to(TN_I64, 0x1p63), INT64_MAX);
  ck_assert_int_eq(float_to(TN_I64, -0x1p63), INT64_MIN);
  ck_assert_int_eq(float_to(TN_U64, 0x1p64), -1);
  ck_assert_int_eq(float_to(TN_U64, 0x1p63), INT64_MIN);
  ck_assert_int_eq(float_to(TN_INDEX, -INFINITY), INT64_MIN);
  ck_assert_int_eq(float_to(TN_I32, NAN), 0);
  ck_assert_int_eq(float_to(TN_BOOL, 0.1), 1);
  ck_assert_int_eq(float_to(TN_BOOL, NAN), 1);
  ck_assert_int_eq(float_to(TN_BOOL, -0.0), 0);
}
END_TEST

static int64_t sat_int(tn_type to, tn_type from, int64_t a) {
  return tni_eval_cast_sat(to, from, (tni_scalar){.i = a}).i;
}
static double sat_float(tn_type to, tn_type from, double a) {
  return tni_eval_cast_sat(to, from, (tni_scalar){.f = a}).f;
}

START_TEST(saturating_casts_give_the_nearest_number)
{
  ck_assert_int_eq(sat_int(TN_I8, TN_I32, 200), 127);
  ck_assert_int_eq(sat_int(TN_I8, TN_I64, INT64_MIN), -128);
  ck_assert_int_eq(sat_int(TN_U8, TN_I32, -1), 0);
  ck_assert_int_eq(sat_int(TN_I64, TN_U64, -1), INT64_MAX);
  ck_assert_int_eq(sat_int(TN_U64, TN_I64, -1), 0);
  ck_assert_int_eq(sat_int(TN_BOOL, TN_I32, 2), 1);
  ck_assert_int_eq(tni_eval_cast_sat(TN_I8, TN_F32, (tni_scalar){.f = -1000.5}).i, -128);
  ck_assert_int_eq(tni_eval_cast_sat(TN_I8, TN_F32, (tni_scalar){.f = NAN}).i, 0);
  ck_assert(tni_eval_cast_sat(TN_F16, TN_I32, (tni_scalar){.i = -70000}).f == -65504);
  ck_assert(sat_float(TN_F16, TN_F32, 1e6) == 65504 && sat_float(TN_F16, TN_F32, -65520) == -65504);
  ck_assert(sat_float(TN_F8E4M3, TN_F32, 1e6) == 448 && sat_float(TN_F8E4M3, TN_F32, INFINITY) == 448);
  ck_assert(sat_float(TN_F8E5M2, TN_F32, -INFINITY) == -57344 && isnan(sat_float(TN_F8E5M2, TN_F32, NAN)));
  ck_assert(sat_float(TN_F32, TN_F64, 1e300) == FLT_MAX && sat_float(TN_F32, TN_F32, INFINITY) == FLT_MAX);
  ck_assert(sat_float(TN_F32, TN_F16, -INFINITY) == -FLT_MAX && sat_float(TN_F16, TN_F32, 0x1p-30) == 0);
}
END_TEST

START_TEST(int_to_float_rounds_once)
{
  int64_t above = ((int64_t)1 << 60) + 1;
  ck_assert(int_to(TN_F32, TN_I64, above + ((int64_t)1 << 36)) == 0x1.000002p60);
  ck_assert(int_to(TN_F32, TN_I64, above - 1 + ((int64_t)1 << 36)) == 0x1p60);
  ck_assert(int_to(TN_BF16, TN_I64, above + ((int64_t)1 << 52)) == 0x1.02p60);
  ck_assert(int_to(TN_BF16, TN_I64, -above - ((int64_t)1 << 52)) == -0x1.02p60);
  ck_assert(int_to(TN_F64, TN_U64, -1) == 0x1p64);
  ck_assert(int_to(TN_F16, TN_I32, 65520) == INFINITY);
  ck_assert(int_to(TN_F16, TN_I32, 65519) == 65504);
}
END_TEST

START_TEST(int_to_int_wraps)
{
  ck_assert_int_eq(cast_int(TN_I8, TN_I32, 200), -56);
  ck_assert_int_eq(cast_int(TN_U32, TN_I32, -1), UINT32_MAX);
  ck_assert_int_eq(cast_int(TN_BOOL, TN_I32, 2), 1);
  ck_assert_int_eq(cast_int(TN_I64, TN_U64, -1), -1);
}
END_TEST

START_TEST(casts_between_floats_round_once)
{
  tni_scalar x = {.f = 1 + 0x1p-8 + 0x1p-40}; /* as f32 it is a tie */
  ck_assert(tni_eval_cast(TN_BF16, TN_F64, x).f == 1 + 0x1p-7);
  ck_assert(tni_eval_cast(TN_F32, TN_F64, x).f == 1 + 0x1p-8);
  ck_assert(tni_round_to(TN_F16, 0x1p-25) == 0 && tni_round_to(TN_F16, 0x1.8p-25) == 0x1p-24);
}
END_TEST

START_TEST(reinterpret_keeps_bits)
{
  ck_assert_int_eq(tni_eval_reinterpret(TN_I32, TN_F32, (tni_scalar){.f = -2}).i, (int32_t)0xc0000000);
  ck_assert_int_eq(tni_eval_reinterpret(TN_U32, TN_F32, (tni_scalar){.f = -2}).i, 0xc0000000);
  ck_assert(tni_eval_reinterpret(TN_F64, TN_I64, (tni_scalar){.i = INT64_C(0x3ff) << 52}).f == 1);
  ck_assert(tni_eval_reinterpret(TN_F16, TN_U16, (tni_scalar){.i = 0x3c00}).f == 1);
  ck_assert_int_eq(tni_eval_reinterpret(TN_U16, TN_BF16, (tni_scalar){.f = 1}).i, 0x3f80);
  ck_assert_int_eq(tni_eval_reinterpret(TN_U8, TN_F8E4M3, (tni_scalar){.f = 448}).i, 0x7e);
  ck_assert(tni_eval_reinterpret(TN_F8E5M2, TN_I8, (tni_scalar){.i = -124}).f == -0x1p-14);
}
END_TEST

START_TEST(elements_pass_through_memory)
{
  tn_type ints[] = {TN_BOOL, TN_I8, TN_I16, TN_I32, TN_I64, TN_U8, TN_U16, TN_U32, TN_U64, TN_INDEX, TN_POINTER};
  tn_type floats[] = {TN_F16, TN_BF16, TN_F32, TN_F64, TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ, TN_F4E2M1};
  uint64_t memory[8];
  for (size_t t = 0; t < TNI_COUNT(ints); t++)
    for (int64_t value = -3; value < 4; value++) {
      memset(memory, 0x55, sizeof memory);
      tni_write_element(ints[t], memory, 3, (tni_scalar){.i = tni_wrap(ints[t], value)});
      ck_assert_int_eq(tni_read_element(ints[t], memory, 3).i, tni_wrap(ints[t], value));
      ck_assert_uint_eq(((unsigned char *)memory)[4 * tn_type_bytes(ints[t])], 0x55);
    }
  for (size_t t = 0; t < TNI_COUNT(floats); t++) {
    tni_write_element(floats[t], memory, 2, (tni_scalar){.f = -1.5});
    ck_assert(tni_read_element(floats[t], memory, 2).f == -1.5);
  }
  tni_write_element(TN_F8E8M0, memory, 5, (tni_scalar){.f = 0.25});
  ck_assert(tni_read_element(TN_F8E8M0, memory, 5).f == 0.25);
}
END_TEST

START_TEST(packed_elements_keep_their_neighbours)
{
  const uint8_t before[] = {0x21, 0x43, 0x65};
  uint8_t memory[3];
  for (int64_t i = 0; i < 6; i++) {
    ck_assert_int_eq(tni_read_element(TN_U4, before, i).i, i + 1);
    memcpy(memory, before, 3);
    tni_write_element(TN_I4, memory, i, (tni_scalar){.i = -2});
    for (int64_t k = 0; k < 6; k++) ck_assert_int_eq(tni_read_element(TN_U4, memory, k).i, k == i ? 14 : k + 1);
    ck_assert_int_eq(tni_read_element(TN_I4, memory, i).i, -2);
  }
}
END_TEST

START_TEST(four_bits_wrap)
{
  ck_assert_int_eq(int2(TN_OP_add, TN_I4, 7, 1), -8);
  ck_assert_int_eq(int2(TN_OP_add, TN_I2, 1, 1), -2);
  ck_assert_int_eq(float_to(TN_I2, 7.9), 1);
  ck_assert_int_eq(float_to(TN_U2, 7.9), 3);
  ck_assert_int_eq(int2(TN_OP_mul, TN_U4, 15, 15), 1);
  ck_assert_int_eq(int2(TN_OP_div, TN_I4, -8, -1), -8);
  ck_assert_int_eq(int1(TN_OP_not, TN_U4, 5), 10);
  ck_assert_int_eq(int2(TN_OP_shl, TN_I4, 1, 3), -8);
  ck_assert_int_eq(int2(TN_OP_shr, TN_I4, -8, 4), -1);
  ck_assert_int_eq(cast_int(TN_I4, TN_I32, 24), -8);
  ck_assert_int_eq(cast_int(TN_U4, TN_I8, -1), 15);
  ck_assert_int_eq(float_to(TN_I4, 7.9), 7);
  ck_assert_int_eq(float_to(TN_I4, -100), -8);
  ck_assert_int_eq(float_to(TN_U4, 16), 15);
  ck_assert_int_eq(tni_eval_reinterpret(TN_U4, TN_I4, (tni_scalar){.i = -1}).i, 15);
}
END_TEST

START_TEST(select_takes_by_condition)
{
  tni_scalar args[3] = {{.i = 1}, {.f = 2}, {.f = 3}};
  ck_assert(tni_eval_op(TN_OP_select, TN_F32, args).f == 2);
  args[0].i = 0;
  ck_assert(tni_eval_op(TN_OP_select, TN_F32, args).f == 3);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("eval");
  TCase *tests = tcase_create("eval");
  tcase_add_test(tests, integers_wrap);
  tcase_add_test(tests, division_is_total);
  tcase_add_test(tests, division_rounds_as_named);
  tcase_add_test(tests, u64_is_unsigned);
  tcase_add_test(tests, shifts_past_the_width);
  tcase_add_test(tests, rounding_shifts_take_ties_up);
  tcase_add_test(tests, products_have_an_upper_half);
  tcase_add_test(tests, sums_saturate);
  tcase_add_test(tests, bits_are_counted);
  tcase_add_test(tests, bool_is_logical);
  tcase_add_test(tests, min_max_order_zeros_and_keep_nan);
  tcase_add_test(tests, compare_with_nan);
  tcase_add_test(tests, signs_are_bits);
  tcase_add_test(tests, f32_rounds_once);
  tcase_add_test(tests, halves_round_once);
  tcase_add_test(tests, bytes_round_once);
  tcase_add_test(tests, types_with_one_zero_have_no_minus);
  tcase_add_test(tests, four_bit_floats_saturate);
  tcase_add_test(tests, scales_are_cast);
  tcase_add_test(tests, rounding_to_integers);
  tcase_add_test(tests, powers_of_two_scale);
  tcase_add_test(tests, float_to_int_saturates);
  tcase_add_test(tests, saturating_casts_give_the_nearest_number);
  tcase_add_test(tests, int_to_float_rounds_once);
  tcase_add_test(tests, int_to_int_wraps);
  tcase_add_test(tests, casts_between_floats_round_once);
  tcase_add_test(tests, reinterpret_keeps_bits);
  tcase_add_test(tests, elements_pass_through_memory);
  tcase_add_test(tests, packed_elements_keep_their_neighbours);
  tcase_add_test(tests, four_bits_wrap);
  tcase_add_test(tests, select_takes_by_condition);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
