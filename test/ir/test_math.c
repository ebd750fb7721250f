/* test_math.c -- the math operators' definitions: their error in ulp against the C library's double functions, over a
 * strided walk through all bit patterns of f32, and their values at the edges. All run in the interpreter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"

#ifndef STRIDE
#define STRIDE 8191 /* a prime; smaller ones walk longer */
#endif
enum { CHUNK = 4096 };

/* y[i] = op(x[i], z[i]) over CHUNK elements of one type. */
typedef struct unary {
  tn_context *ctx;
  tn_program *program;
  const tn_func *func;
  tn_type type;
} unary;

static unary make(enum tn_op op, tn_type type) {
  unary u = {.type = type};
  tn_builder *b;
  int64_t shape[] = {CHUNK};
  ck_assert_int_eq(tn_context_create(NULL, &u.ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(u.ctx, &u.program, NULL), TN_OK);
  ck_assert_int_eq(tn_builder_create(u.program, "f", &b, NULL), TN_OK);
  const tn_buffer *x = tn_param(b, "x", type, 1, shape), *z = tn_param(b, "z", type, 1, shape);
  const tn_buffer *y = tn_param(b, "y", type, 1, shape);
  const tn_expr *i = tn_axis(b, "i", CHUNK);
  const tn_expr *lx = tn_load(b, x, &i, NULL), *lz = tn_load(b, z, &i, NULL);
  const tn_expr *value = op == TN_OP_pow ? tn_op2(b, op, lx, lz) : tn_op1(b, op, lx);
  tn_compute(b, y, &i, value);
  ck_assert_int_eq(tn_builder_finish(b, &u.func, NULL), TN_OK);
  return u;
}

static void drop(unary *u) {
  tn_program_destroy(u->program);
  tn_context_destroy(u->ctx);
}

static void evaluate(const unary *u, const void *x, const void *z, void *y) {
  void *const buffers[] = {(void *)x, (void *)z, y};
  tn_error *err;
  tn_status status = tni_evaluate_interpreted(NULL, u->func, buffers, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
}

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* |y - exact| in units of the last place of exact in f32; 0 for two NaNs. Infinity counts as 2^128. */
static double ulp_error(float y, double exact) {
  if (isnan(exact) || isnan(y)) return isnan(exact) && isnan(y) ? 0 : INFINITY;
  if (isinf(y) && y == (float)exact) return 0;
  int exponent = -126;
  if (exact != 0) frexp(exact, &exponent);
  if (exponent < -125) exponent = -125;
  if (exponent > 128) exponent = 128;
  double shown = isinf(y) ? copysign(0x1p128, y) : y;
  double bounded = fabs(exact) > 0x1p128 ? copysign(0x1p128, exact) : exact;
  return fabs(shown - bounded) / ldexp(1, exponent - 24);
}

typedef double (*oracle)(double x, double z);

/* The worst error over patterns start, start + stride, ... of x; z comes from `second`. */
static double walk(enum tn_op op, oracle exact, float (*second)(uint64_t bits), uint64_t stride, float *where) {
  static float x[CHUNK], z[CHUNK], y[CHUNK];
  unary u = make(op, TN_F32);
  double worst = 0;
  for (uint64_t bits = 0; bits < (uint64_t)1 << 32;) {
    for (int i = 0; i < CHUNK; i++, bits += stride) {
      x[i] = from_bits((uint32_t)bits);
      z[i] = second ? second(bits) : 0;
    }
    evaluate(&u, x, z, y);
    for (int i = 0; i < CHUNK; i++) {
      double error = ulp_error(y[i], exact(x[i], z[i]));
      if (error > worst) {
        worst = error;
        *where = x[i];
      }
    }
  }
  drop(&u);
  return worst;
}

static double exact_exp(double x, double z) {
  (void)z;
  return exp(x);
}
static double exact_log(double x, double z) {
  (void)z;
  return log(x);
}
static double exact_tanh(double x, double z) {
  (void)z;
  return tanh(x);
}
static double exact_erf(double x, double z) {
  (void)z;
  return erf(x);
}
static double exact_sigmoid(double x, double z) {
  (void)z;
  return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static double exact_sin(double x, double z) {
  (void)z;
  return fabs(x) < 0x1p50 || !isfinite(x) ? sin(x) : 0;
}
static double exact_cos(double x, double z) {
  (void)z;
  return fabs(x) < 0x1p50 || !isfinite(x) ? cos(x) : 1;
}
static double exact_pow(double x, double z) { return pow(x, z); }

static const struct {
  enum tn_op op;
  oracle exact;
  double limit; /* what math.c states, and a hair */
} functions[] = {
    {TN_OP_exp, exact_exp, 1.0}, {TN_OP_log, exact_log, 1.0},         {TN_OP_tanh, exact_tanh, 2.5},
    {TN_OP_erf, exact_erf, 2.0}, {TN_OP_sigmoid, exact_sigmoid, 2.5}, {TN_OP_sin, exact_sin, 1.5},
    {TN_OP_cos, exact_cos, 1.5},
};

START_TEST(error_is_small)
{
  float where = 0;
  double worst = walk(functions[_i].op, functions[_i].exact, NULL, STRIDE, &where);
#ifdef SHOW
  printf("%s %.3f at %a\n", tni_ops[functions[_i].op].name, worst, where);
#endif
  ck_assert_msg(worst <= functions[_i].limit, "%s: %g ulp at %a", tni_ops[functions[_i].op].name, worst, where);
}
END_TEST

/* Exponents that bring every base near overflow, underflow, 1, and small integers with their signs. */
static float pow_second(uint64_t bits) {
  static const float some[] = {2,  3,     -1,  0.5f, -2.5f,    7,         0,   1,
                               -3, 1e-3f, 100, -33,  INFINITY, -INFINITY, NAN, 16777217.0f};
  uint64_t mixed = bits * UINT64_C(0x9e3779b97f4a7c15);
  double logarithm = log2(fabs((double)from_bits((uint32_t)bits)));
  if ((mixed >> 60) < 8 && isfinite(logarithm) && logarithm != 0)
    return (float)((double)(int64_t)mixed * 0x1p-63 * 152 / logarithm);
  return some[mixed >> 40 & 15];
}

START_TEST(pow_error_is_small)
{
  float where = 0;
  double worst = walk(TN_OP_pow, exact_pow, pow_second, STRIDE, &where);
#ifdef SHOW
  printf("pow %.3f at %a\n", worst, where);
#endif
  ck_assert_msg(worst <= 1.0, "pow: %g ulp at %a", worst, where);
}
END_TEST

/* Every pair of special values, as C has it: class, sign and value. */
START_TEST(pow_special_cases)
{
  static const float some[] = {
      0.0f,     -0.0f,     1,   -1,        0.5f,       -0.5f,           2,           -2,         3, -3, 2.5f, -2.5f,
      INFINITY, -INFINITY, NAN, 0x1p-149f, -0x1p-149f, 0x1.fffffep127f, 16777215.0f, 33554432.0f};
  static float x[CHUNK], z[CHUNK], y[CHUNK];
  unary u = make(TN_OP_pow, TN_F32);
  int count = 0;
  for (size_t i = 0; i < TNI_COUNT(some); i++)
    for (size_t j = 0; j < TNI_COUNT(some); j++, count++) {
      x[count] = some[i];
      z[count] = some[j];
    }
  evaluate(&u, x, z, y);
  for (int i = 0; i < count; i++) {
    double exact = pow(x[i], z[i]);
    ck_assert_msg(isnan(exact) ? isnan(y[i]) : ulp_error(y[i], exact) < 0.51 && !signbit(y[i]) == !signbit(exact),
                  "pow(%a, %a) = %a, expected %a", x[i], z[i], y[i], exact);
  }
  drop(&u);
}
END_TEST

/* Edges: x, then what each function must give exactly; NaN for NaN. */
static void check_edges(enum tn_op op, size_t count, const float (*edges)[2]) {
  static float x[CHUNK], y[CHUNK];
  unary u = make(op, TN_F32);
  memset(x, 0, sizeof x);
  for (size_t i = 0; i < count; i++) x[i] = edges[i][0];
  evaluate(&u, x, x, y);
  for (size_t i = 0; i < count; i++) {
    float want = edges[i][1];
    ck_assert_msg(isnan(want) ? isnan(y[i]) : y[i] == want && !signbit(y[i]) == !signbit(want),
                  "%s(%a) = %a, expected %a", tni_ops[op].name, x[i], y[i], want);
  }
  drop(&u);
}

START_TEST(edges_of_exp)
{
  static const float edges[][2] = {{0, 1},         {-0.0f, 1},          {INFINITY, INFINITY},
                                   {-INFINITY, 0}, {NAN, NAN},          {88.73f, INFINITY},
                                   {-104, 0},      {-103.9f, 0x1p-149f}};
  check_edges(TN_OP_exp, TNI_COUNT(edges), edges);
}
END_TEST

START_TEST(edges_of_log)
{
  static const float edges[][2] = {{1, 0},           {0, -INFINITY},       {-0.0f, -INFINITY}, {-1, NAN},
                                   {-INFINITY, NAN}, {INFINITY, INFINITY}, {NAN, NAN},         {-0x1p-149f, NAN}};
  check_edges(TN_OP_log, TNI_COUNT(edges), edges);
}
END_TEST

START_TEST(edges_of_tanh_and_erf)
{
  static const float edges[][2] = {{0.0f, 0.0f}, {-0.0f, -0.0f}, {INFINITY, 1}, {-INFINITY, -1},
                                   {NAN, NAN},   {20, 1},        {-20, -1}};
  check_edges(TN_OP_tanh, TNI_COUNT(edges), edges);
  check_edges(TN_OP_erf, TNI_COUNT(edges), edges);
}
END_TEST

START_TEST(edges_of_sigmoid)
{
  static const float edges[][2] = {{0, 0.5f},  {INFINITY, 1}, {-INFINITY, 0},
                                   {NAN, NAN}, {1000, 1},     {-103.9f, 0x1p-149f}};
  check_edges(TN_OP_sigmoid, TNI_COUNT(edges), edges);
}
END_TEST

START_TEST(edges_of_sin_and_cos)
{
  static const float sine[][2] = {{0.0f, 0.0f},     {-0.0f, -0.0f}, {INFINITY, NAN},
                                  {-INFINITY, NAN}, {NAN, NAN},     {0x1p100f, 0}};
  static const float cosine[][2] = {{0, 1}, {-0.0f, 1}, {INFINITY, NAN}, {-INFINITY, NAN}, {NAN, NAN}, {-0x1p100f, 1}};
  check_edges(TN_OP_sin, TNI_COUNT(sine), sine);
  check_edges(TN_OP_cos, TNI_COUNT(cosine), cosine);
}
END_TEST

/* f16: every one of its 65536 values, against the rounded exact result: at most one f16 apart. */
START_TEST(halves_go_through_f32)
{
  static uint16_t x[CHUNK], y[CHUNK];
  unary u = make(TN_OP_tanh, TN_F16);
  for (uint32_t base = 0; base < 65536; base += CHUNK) {
    for (uint32_t i = 0; i < CHUNK; i++) x[i] = (uint16_t)(base + i);
    evaluate(&u, x, x, y);
    for (uint32_t i = 0; i < CHUNK; i++) {
      double exact = tanh(tni_float_from_bits(TN_F16, x[i]));
      uint16_t want = (uint16_t)tni_float_to_bits(TN_F16, exact);
      ck_assert_msg(isnan(exact) ? isnan(tni_float_from_bits(TN_F16, y[i])) : abs((int)y[i] - (int)want) <= 1,
                    "tanh of f16 %04x", x[i]);
    }
  }
  drop(&u);
}
END_TEST

START_TEST(f64_is_refused_with_a_reason)
{
  unary u = make(TN_OP_exp, TN_F64);
  static double x[CHUNK], y[CHUNK];
  void *const buffers[] = {x, x, y};
  tn_error *err;
  ck_assert_int_eq(tni_evaluate_interpreted(NULL, u.func, buffers, &err), TN_E_UNSUPPORTED);
  ck_assert_str_eq(tn_error_reason(err), "exp: math operators are defined on f32, f16 and bf16; cast f64 to f32 first");
  tn_error_destroy(err);
  drop(&u);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("math");
  TCase *tests = tcase_create("math");
  tcase_set_timeout(tests, 0);
  tcase_add_loop_test(tests, error_is_small, 0, (int)TNI_COUNT(functions));
  tcase_add_test(tests, pow_error_is_small);
  tcase_add_test(tests, pow_special_cases);
  tcase_add_test(tests, edges_of_exp);
  tcase_add_test(tests, edges_of_log);
  tcase_add_test(tests, edges_of_tanh_and_erf);
  tcase_add_test(tests, edges_of_sigmoid);
  tcase_add_test(tests, edges_of_sin_and_cos);
  tcase_add_test(tests, halves_go_through_f32);
  tcase_add_test(tests, f64_is_refused_with_a_reason);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
