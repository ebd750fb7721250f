/* test_math.c -- the math operators at the edges: zeros, infinities, NaN, subnormals, the ends of the range, and results that
 * are exact. On f32 and f64, in the interpreter; that compiled code gives the same bits is test/jit/test_math_code.c, how far
 * the results are from exact ones math_exhaustive.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"
#include "suite.h"

enum { ROOM = 4096 };

/* z[i] = op(x[i]), or op(x[i], y[i]), of `count` numbers; elements of the type or, as doubles, through the type. */
static void evaluate(enum tn_op op, tn_type type, int64_t count, const void *x, const void *y, void *z) {
  tn_context *ctx;
  tn_program *program;
  tn_builder *b;
  const tn_func *func;
  void *const buffers[] = {(void *)(uintptr_t)x, (void *)(uintptr_t)y, z};
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  const tn_buffer *from = tn_param(b, "x", type, 1, &count), *second = tn_param(b, "y", type, 1, &count);
  const tn_buffer *to = tn_param(b, "z", type, 1, &count);
  const tn_expr *i = tn_axis(b, "i", count), *a = tn_load(b, from, &i, NULL);
  tn_compute(b, to, &i, tni_ops[op].arity == 1 ? tn_op1(b, op, a) : tn_op2(b, op, a, tn_load(b, second, &i, NULL)));
  ck_assert_int_eq(tn_builder_finish(b, &func, NULL), TN_OK);
  tn_error *err;
  ck_assert_msg(tni_evaluate_interpreted(NULL, func, buffers, &err) == TN_OK, "%s", tn_error_text(err));
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static void evaluate_doubles(enum tn_op op, tn_type type, int count, const double *x, const double *y, double *z) {
  static float sx[ROOM], sy[ROOM], sz[ROOM];
  if (type == TN_F64) {
    evaluate(op, type, count, x, y, z);
    return;
  }
  for (int i = 0; i < count; i++) {
    sx[i] = (float)x[i];
    sy[i] = (float)y[i];
  }
  evaluate(op, type, count, sx, sy, sz);
  for (int i = 0; i < count; i++) z[i] = sz[i];
}

/* Equal, with the sign of zero; all NaNs are one. */
static bool same(double a, double b) { return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b); }

/* ---- one operand ----------------------------------------------------------------------------------------------- */

typedef struct edge {
  enum tn_op op;
  double x, want;
} edge;

#define HALF_PI 1.57079632679489661923

/* Of both types; what is wanted is rounded to the type. */
static const edge both_types[] = {
    {TN_OP_exp, 0.0, 1},
    {TN_OP_exp, -0.0, 1},
    {TN_OP_exp, INFINITY, INFINITY},
    {TN_OP_exp, -INFINITY, 0},
    {TN_OP_exp, -1e30, 0},
    {TN_OP_exp, 1e30, INFINITY},
    {TN_OP_exp2, 0.0, 1},
    {TN_OP_exp2, -0.0, 1},
    {TN_OP_exp2, INFINITY, INFINITY},
    {TN_OP_exp2, -INFINITY, 0},
    {TN_OP_exp2, 1e30, INFINITY},
    {TN_OP_exp2, -1e30, 0},
    {TN_OP_expm1, 0.0, 0.0},
    {TN_OP_expm1, -0.0, -0.0},
    {TN_OP_expm1, INFINITY, INFINITY},
    {TN_OP_expm1, -INFINITY, -1},
    {TN_OP_expm1, -100, -1},
    {TN_OP_expm1, 0x1p-70, 0x1p-70},
    {TN_OP_sigmoid, 0, 0.5},
    {TN_OP_sigmoid, -0.0, 0.5},
    {TN_OP_sigmoid, INFINITY, 1},
    {TN_OP_sigmoid, -INFINITY, 0},
    {TN_OP_sigmoid, 1000, 1},
    {TN_OP_log, 1, 0},
    {TN_OP_log, 0.0, -INFINITY},
    {TN_OP_log, -0.0, -INFINITY},
    {TN_OP_log, -1, NAN},
    {TN_OP_log, -INFINITY, NAN},
    {TN_OP_log, INFINITY, INFINITY},
    {TN_OP_log2, 1, 0},
    {TN_OP_log2, 0.0, -INFINITY},
    {TN_OP_log2, -0.0, -INFINITY},
    {TN_OP_log2, -1, NAN},
    {TN_OP_log2, INFINITY, INFINITY},
    {TN_OP_log10, 1, 0},
    {TN_OP_log10, 0.0, -INFINITY},
    {TN_OP_log10, -0.0, -INFINITY},
    {TN_OP_log10, -1, NAN},
    {TN_OP_log10, INFINITY, INFINITY},
    {TN_OP_log1p, 0.0, 0.0},
    {TN_OP_log1p, -0.0, -0.0},
    {TN_OP_log1p, -1, -INFINITY},
    {TN_OP_log1p, -1.5, NAN},
    {TN_OP_log1p, -INFINITY, NAN},
    {TN_OP_log1p, INFINITY, INFINITY},
    {TN_OP_log1p, 0x1p-70, 0x1p-70},
    {TN_OP_sin, 0.0, 0.0},
    {TN_OP_sin, -0.0, -0.0},
    {TN_OP_sin, INFINITY, NAN},
    {TN_OP_sin, -INFINITY, NAN},
    {TN_OP_sin, 0x1p-70, 0x1p-70},
    {TN_OP_cos, 0.0, 1},
    {TN_OP_cos, -0.0, 1},
    {TN_OP_cos, INFINITY, NAN},
    {TN_OP_cos, -INFINITY, NAN},
    {TN_OP_tan, 0.0, 0.0},
    {TN_OP_tan, -0.0, -0.0},
    {TN_OP_tan, INFINITY, NAN},
    {TN_OP_tan, -0x1p-70, -0x1p-70},
    {TN_OP_asin, 0.0, 0.0},
    {TN_OP_asin, -0.0, -0.0},
    {TN_OP_asin, 1, HALF_PI},
    {TN_OP_asin, -1, -HALF_PI},
    {TN_OP_asin, 1.0000002384185791, NAN},
    {TN_OP_asin, -INFINITY, NAN},
    {TN_OP_acos, 1, 0},
    {TN_OP_acos, -1, 2 * HALF_PI},
    {TN_OP_acos, 0, HALF_PI},
    {TN_OP_acos, -2, NAN},
    {TN_OP_acos, INFINITY, NAN},
    {TN_OP_atan, 0.0, 0.0},
    {TN_OP_atan, -0.0, -0.0},
    {TN_OP_atan, INFINITY, HALF_PI},
    {TN_OP_atan, -INFINITY, -HALF_PI},
    {TN_OP_atan, 1, HALF_PI / 2},
    {TN_OP_sinh, 0.0, 0.0},
    {TN_OP_sinh, -0.0, -0.0},
    {TN_OP_sinh, INFINITY, INFINITY},
    {TN_OP_sinh, -INFINITY, -INFINITY},
    {TN_OP_cosh, 0.0, 1},
    {TN_OP_cosh, -0.0, 1},
    {TN_OP_cosh, INFINITY, INFINITY},
    {TN_OP_cosh, -INFINITY, INFINITY},
    {TN_OP_tanh, 0.0, 0.0},
    {TN_OP_tanh, -0.0, -0.0},
    {TN_OP_tanh, INFINITY, 1},
    {TN_OP_tanh, -INFINITY, -1},
    {TN_OP_tanh, 20, 1},
    {TN_OP_asinh, 0.0, 0.0},
    {TN_OP_asinh, -0.0, -0.0},
    {TN_OP_asinh, INFINITY, INFINITY},
    {TN_OP_asinh, -INFINITY, -INFINITY},
    {TN_OP_acosh, 1, 0},
    {TN_OP_acosh, 0.5, NAN},
    {TN_OP_acosh, -1e20, NAN},
    {TN_OP_acosh, -INFINITY, NAN},
    {TN_OP_acosh, INFINITY, INFINITY},
    {TN_OP_atanh, 0.0, 0.0},
    {TN_OP_atanh, -0.0, -0.0},
    {TN_OP_atanh, 1, INFINITY},
    {TN_OP_atanh, -1, -INFINITY},
    {TN_OP_atanh, 1.5, NAN},
    {TN_OP_atanh, -INFINITY, NAN},
    {TN_OP_erf, 0.0, 0.0},
    {TN_OP_erf, -0.0, -0.0},
    {TN_OP_erf, INFINITY, 1},
    {TN_OP_erf, -INFINITY, -1},
    {TN_OP_erf, 7, 1},
    {TN_OP_erfc, 0.0, 1},
    {TN_OP_erfc, -0.0, 1},
    {TN_OP_erfc, INFINITY, 0},
    {TN_OP_erfc, -INFINITY, 2},
    {TN_OP_erfc, -7, 2},
    {TN_OP_cbrt, 0.0, 0.0},
    {TN_OP_cbrt, -0.0, -0.0},
    {TN_OP_cbrt, INFINITY, INFINITY},
    {TN_OP_cbrt, -INFINITY, -INFINITY},
    {TN_OP_rsqrt, 0.0, INFINITY},
    {TN_OP_rsqrt, -0.0, -INFINITY},
    {TN_OP_rsqrt, INFINITY, 0},
    {TN_OP_rsqrt, -1, NAN},
    {TN_OP_rsqrt, 0.25, 2},
};

/* Ends of the range, subnormals, large arguments. */
static const edge f32_only[] = {
    {TN_OP_exp, 0x1.62e430p6, INFINITY}, /* the first beyond the largest number */
    {TN_OP_exp, -104, 0},
    {TN_OP_exp, -103.9, 0x1p-149},
    {TN_OP_exp2, 127, 0x1p127},
    {TN_OP_exp2, 128, INFINITY},
    {TN_OP_exp2, -149, 0x1p-149},
    {TN_OP_exp2, -150, 0},
    {TN_OP_expm1, 0x1.62e430p6, INFINITY},
    {TN_OP_expm1, 0x1p-149, 0x1p-149},
    {TN_OP_sigmoid, -103.9, 0x1p-149},
    {TN_OP_log, -0x1p-149, NAN},
    {TN_OP_log2, 0x1p-149, -149},
    {TN_OP_log2, 0x1p127, 127},
    {TN_OP_log1p, -0x1p-149, -0x1p-149},
    {TN_OP_sin, 0x1p-149, 0x1p-149},
    {TN_OP_sin, 0x1p100, -0x1.be8eda0000000p-1},
    {TN_OP_sin, 0x1.fffffep127, -0x1.0b33660000000p-1},
    {TN_OP_cos, 0x1.fffffep127, 0x1.b4bf2c0000000p-1},
    {TN_OP_cos, -0x1p50, 0x1.bc77120000000p-1},
    {TN_OP_sinh, 89.5, INFINITY},
    {TN_OP_cosh, -89.5, INFINITY},
    {TN_OP_sinh, -0x1p-149, -0x1p-149},
    {TN_OP_tanh, 0x1p-149, 0x1p-149},
    {TN_OP_asinh, 0x1p-149, 0x1p-149},
    {TN_OP_atanh, 0x1p-149, 0x1p-149},
    {TN_OP_asin, 0x1p-149, 0x1p-149},
    {TN_OP_atan, -0x1p-149, -0x1p-149},
    {TN_OP_erfc, 10.1, 0},
    {TN_OP_cbrt, 0x1p-149, 0x1.428a3p-50},
    {TN_OP_cbrt, 0x1p-147, 0x1p-49},
    {TN_OP_rsqrt, 0x1p-148, 0x1p74},
};
static const edge f64_only[] = {
    {TN_OP_exp, 709.79, INFINITY},
    {TN_OP_exp, -745.2, 0},
    {TN_OP_exp, -745.1, 0x1p-1074},
    {TN_OP_exp2, 1023, 0x1p1023},
    {TN_OP_exp2, 1024, INFINITY},
    {TN_OP_exp2, -1074, 0x1p-1074},
    {TN_OP_exp2, -1076, 0},
    {TN_OP_expm1, 709.79, INFINITY},
    {TN_OP_expm1, 0x1p-1074, 0x1p-1074},
    {TN_OP_sigmoid, -745.1, 0x1p-1074},
    {TN_OP_log, -0x1p-1074, NAN},
    {TN_OP_log2, 0x1p-1074, -1074},
    {TN_OP_log2, 0x1p1023, 1023},
    {TN_OP_log1p, -0x1p-1074, -0x1p-1074},
    {TN_OP_sin, 0x1p-1074, 0x1p-1074},
    {TN_OP_sin, 0x1p50, 0}, /* beyond the domain */
    {TN_OP_cos, 0x1p1000, 1},
    {TN_OP_tan, -0x1p50, -0.0},
    {TN_OP_sinh, 710.5, INFINITY},
    {TN_OP_cosh, -710.5, INFINITY},
    {TN_OP_sinh, -0x1p-1074, -0x1p-1074},
    {TN_OP_tanh, 0x1p-1074, 0x1p-1074},
    {TN_OP_asinh, 0x1p-1074, 0x1p-1074},
    {TN_OP_atanh, 0x1p-1074, 0x1p-1074},
    {TN_OP_asin, 0x1p-1074, 0x1p-1074},
    {TN_OP_atan, -0x1p-1074, -0x1p-1074},
    {TN_OP_erfc, 27.3, 0},
    {TN_OP_cbrt, 0x1p-1074, 0x1p-358},
    {TN_OP_rsqrt, 0x1p-1074, 0x1p537},
};

static void check_edges(tn_type type, size_t count, const edge *edges) {
  for (size_t i = 0; i < count; i++) {
    double x[] = {edges[i].x, NAN}, z[2], want = edges[i].want;
    if (type == TN_F32) want = (float)want;
    evaluate_doubles(edges[i].op, type, 2, x, x, z);
    ck_assert_msg(same(z[0], want), "%s(%a) = %a, expected %a", tni_ops[edges[i].op].name, x[0], z[0], want);
    ck_assert_msg(isnan(z[1]), "%s(nan) = %a", tni_ops[edges[i].op].name, z[1]);
  }
}

START_TEST(edges_of_f32)
{
  check_edges(TN_F32, TNI_COUNT(both_types), both_types);
  check_edges(TN_F32, TNI_COUNT(f32_only), f32_only);
}
END_TEST

START_TEST(edges_of_f64)
{
  check_edges(TN_F64, TNI_COUNT(both_types), both_types);
  check_edges(TN_F64, TNI_COUNT(f64_only), f64_only);
}
END_TEST

/* ---- exact results --------------------------------------------------------------------------------------------- */

static void check_exact(enum tn_op op, tn_type type, int count, const double *x, const double *want) {
  static double z[ROOM];
  evaluate_doubles(op, type, count, x, x, z);
  for (int i = 0; i < count; i++)
    ck_assert_msg(same(z[i], want[i]), "%s(%a) = %a, expected %a", tni_ops[op].name, x[i], z[i], want[i]);
}

START_TEST(powers_of_two_are_exact)
{
  static double n[ROOM], power[ROOM];
  for (int pass = 0; pass < 2; pass++) {
    int least = pass ? -1074 : -149, most = pass ? 1023 : 127, count = 0;
    for (int i = least; i <= most; i++, count++) {
      n[count] = i;
      power[count] = ldexp(1, i);
    }
    check_exact(TN_OP_exp2, pass ? TN_F64 : TN_F32, count, n, power);
    check_exact(TN_OP_log2, pass ? TN_F64 : TN_F32, count, power, n);
  }
}
END_TEST

START_TEST(logarithms_of_powers_of_ten_are_exact)
{
  double n[23], power[23];
  for (int i = 0; i < 23; i++) {
    n[i] = i;
    power[i] = i ? power[i - 1] * 10 : 1;
  }
  check_exact(TN_OP_log10, TN_F32, 11, power, n);
  check_exact(TN_OP_log10, TN_F64, 23, power, n);
}
END_TEST

START_TEST(cube_roots_of_cubes_are_exact)
{
  static double n[ROOM], cube[ROOM];
  for (int i = 0; i < ROOM; i++) {
    n[i] = i % 2 ? i : -i;
    cube[i] = n[i] * n[i] * n[i];
  }
  n[0] = cube[0] = 0;
  check_exact(TN_OP_cbrt, TN_F32, 256, cube, n);
  check_exact(TN_OP_cbrt, TN_F64, ROOM, cube, n);
}
END_TEST

/* ---- two operands: every pair of special values, as C has it ---------------------------------------------------- */

/* Within two units in the last place, and of one sign. */
static bool near(tn_type type, double z, double want) {
  if (isnan(want) || want == 0 || isinf(want)) return same(z, want);
  int exponent;
  frexp(want, &exponent);
  return fabs(z - want) <= ldexp(2, exponent - (type == TN_F32 ? 24 : 53));
}

static void check_pairs(enum tn_op op, double (*oracle)(double, double)) {
  static const double some[] = {0.0,  -0.0, 1,        -1,        0.5, -0.5,   2,       -2,      3,       -3,
                                2.5,  -2.5, INFINITY, -INFINITY, NAN, 0x1p-9, 16777215, 33554432, -0x1p60, 0x1p80};
  static double x[ROOM], y[ROOM], z[ROOM];
  int count = 0;
  for (size_t i = 0; i < TNI_COUNT(some); i++)
    for (size_t j = 0; j < TNI_COUNT(some); j++, count++) {
      x[count] = some[i];
      y[count] = some[j];
    }
  for (int pass = 0; pass < 2; pass++) {
    tn_type type = pass ? TN_F64 : TN_F32;
    evaluate_doubles(op, type, count, x, y, z);
    for (int i = 0; i < count; i++) {
      double want = pass ? oracle(x[i], y[i]) : (float)oracle(x[i], y[i]);
      ck_assert_msg(near(type, z[i], want), "%s(%a, %a) = %a, expected %a", tni_ops[op].name, x[i], y[i], z[i], want);
    }
  }
}

START_TEST(pairs_of_pow) { check_pairs(TN_OP_pow, pow); }
END_TEST

START_TEST(pairs_of_atan2) { check_pairs(TN_OP_atan2, atan2); }
END_TEST

START_TEST(pow_at_the_ends_of_the_range)
{
  static const double x[] = {0x1p-1074,       0x1p-1074, 0x1.fffffffffffffp1023, 0x1.0000000000001p0, 0x1.fffffffffffffp-1,
                             0x1.0000000000001p0, 2, 2, -2, 10};
  static const double y[] = {1, -1, 1, 0x1p60, 0x1p63, -0x1p62, 1023, -1074, -1073, 22};
  static const double want[] = {0x1p-1074, INFINITY, 0x1.fffffffffffffp1023, 0x1.41c7a8814be19p369,
                                0, 0, 0x1p1023, 0x1p-1074, -0x1p-1073, 1e22};
  double z[TNI_COUNT(x)];
  evaluate(TN_OP_pow, TN_F64, TNI_COUNT(x), x, y, z);
  for (size_t i = 0; i < TNI_COUNT(x); i++)
    ck_assert_msg(near(TN_F64, z[i], want[i]), "pow(%a, %a) = %a, expected %a", x[i], y[i], z[i], want[i]);
}
END_TEST

START_TEST(angles_of_large_and_small_points)
{
  static const double y[] = {0x1.fffffffffffffp1023, 0x1p-1074, 0x1p-1074, 0x1p-1022, -0x1p1023, 0x1p-1074};
  static const double x[] = {0x1.fffffffffffffp1023, 0x1p-1074, -0x1p-1074, 0x1p1023, 0x1p-1074, 0x1p1023};
  double z[TNI_COUNT(x)];
  evaluate(TN_OP_atan2, TN_F64, TNI_COUNT(x), y, x, z);
  for (size_t i = 0; i < TNI_COUNT(x); i++)
    ck_assert_msg(near(TN_F64, z[i], atan2(y[i], x[i])), "atan2(%a, %a) = %a", y[i], x[i], z[i]);
}
END_TEST

/* ---- short floats ---------------------------------------------------------------------------------------------- */

/* f16: every one of its 65536 values, against the rounded exact result: at most one f16 apart. */
START_TEST(halves_go_through_f32)
{
  static uint16_t x[65536], z[65536];
  for (uint32_t i = 0; i < 65536; i++) x[i] = (uint16_t)i;
  evaluate(TN_OP_tanh, TN_F16, 65536, x, x, z);
  for (uint32_t i = 0; i < 65536; i++) {
    double exact = tanh(tni_float_from_bits(TN_F16, x[i]));
    uint16_t want = (uint16_t)tni_float_to_bits(TN_F16, exact);
    ck_assert_msg(isnan(exact) ? isnan(tni_float_from_bits(TN_F16, z[i])) : abs((int)z[i] - (int)want) <= 1,
                  "tanh of f16 %04x", x[i]);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("math");
  TCase *tests = tcase_create("math");
  tcase_set_timeout(tests, 0);
  tcase_add_test(tests, edges_of_f32);
  tcase_add_test(tests, edges_of_f64);
  tcase_add_test(tests, powers_of_two_are_exact);
  tcase_add_test(tests, logarithms_of_powers_of_ten_are_exact);
  tcase_add_test(tests, cube_roots_of_cubes_are_exact);
  tcase_add_test(tests, pairs_of_pow);
  tcase_add_test(tests, pairs_of_atan2);
  tcase_add_test(tests, pow_at_the_ends_of_the_range);
  tcase_add_test(tests, angles_of_large_and_small_points);
  tcase_add_test(tests, halves_go_through_f32);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
