/* test_long_sums.c -- sums of many numbers, alone and in softmax and normalisation: they lose nothing that counts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "session.h"

enum { LONGEST = 40001 };
static float long_x[2 * LONGEST], long_y[2 * LONGEST];

/* y of a graph of one node over x: f32[a, b, c]. */
static void run_long(const char *node_text, int64_t a, int64_t b, int64_t c, int32_t out_rank,
                     const int64_t *out_shape) {
  char text[256], shape[64] = "";
  const tn_model *m;
  for (int32_t i = 0; i < out_rank; i++)
    snprintf(shape + strlen(shape), 24, "%s%d", i ? ", " : "", (int)out_shape[i]);
  snprintf(text, sizeof text, "graph main(x: f32[%d, %d, %d]) -> (y) {\n  y: f32[%s] = %s\n}\n", (int)a, (int)b, (int)c,
           shape, node_text);
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_program *program = session_parse(ctx, text);
  tn_module *module = session_compile(program, NULL);
  must(tn_module_model(module, "main", &m, &error), error);
  DLTensor in = view(TN_F32, 3, (int64_t[]){a, b, c}, long_x);
  DLTensor out = view(TN_F32, out_rank, (int64_t *)out_shape, long_y);
  const DLTensor *ins[] = {&in}, *outs[] = {&out};
  must(tn_model_run(m, ins, 1, outs, 1, &error), error);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

/* The small ones, one by one, would be lost behind the first. */
START_TEST(a_softmax_over_many_loses_nothing)
{
  static const int64_t shape[] = {2, 1, LONGEST};
  double e = exp(-17), sum = 1 + (LONGEST - 1) * e;
  for (int i = 0; i < 2 * LONGEST; i++) long_x[i] = i % LONGEST ? -17 : 0;
  run_long("softmax(x) {axis = 2}", 2, 1, LONGEST, 3, shape);
  for (int i = 0; i < 2 * LONGEST; i++) {
    double want = i % LONGEST ? e / sum : 1 / sum;
    ck_assert_msg(fabs(long_y[i] - want) < 5e-5 * want, "%d: %g, not %g", i, long_y[i], want);
  }
}
END_TEST

/* Over the last dimension, and over others with it; with and without a rest. */
START_TEST(long_sums_in_parts_are_sums)
{
  static const int64_t kept[] = {1, 2, 1}, dropped[] = {3, 2}, whole[] = {3, 2, 200};
  for (int64_t n = 128; n <= 200; n += 72) {
    double all[2] = {0}, sums[6] = {0}, squares[6] = {0}, exps[6] = {0};
    const int64_t same[] = {3, 2, n};
    for (int64_t i = 0; i < 6 * n; i++) {
      float x = long_x[i] = (float)(i * 7 % 41) / 41;
      all[i / n % 2] += x;
      sums[i / n] += x;
      squares[i / n] += (double)x * x;
      exps[i / n] += exp(x);
    }
    run_long("reduce_mean(x) {axes = [0, 2]}", 3, 2, n, 3, kept);
    for (int i = 0; i < 2; i++) ck_assert_double_eq_tol(long_y[i], all[i] / (3 * (double)n), 1e-6);
    run_long("reduce_l2(x) {axes = [2], keepdims = 0}", 3, 2, n, 2, dropped);
    for (int i = 0; i < 6; i++) ck_assert_double_eq_tol(long_y[i], sqrt(squares[i]), 1e-5);
    run_long("reduce_log_sum_exp(x) {axes = [2], keepdims = 0}", 3, 2, n, 2, dropped);
    for (int i = 0; i < 6; i++) ck_assert_double_eq_tol(long_y[i], log(exps[i]), 1e-5);
    run_long("log_softmax(x) {axis = 2}", 3, 2, n, 3, same);
    for (int64_t i = 0; i < 6 * n; i++) ck_assert_double_eq_tol(long_y[i], long_x[i] - log(exps[i / n]), 1e-5);
    run_long("layer_norm(x) {axis = 2}", 3, 2, n, 3, same);
    for (int64_t i = 0; i < 6 * n; i++) {
      double mean = sums[i / n] / (double)n, deviation = sqrt(squares[i / n] / (double)n - mean * mean + 1e-5);
      ck_assert_double_eq_tol(long_y[i], (long_x[i] - mean) / deviation, 1e-4);
    }
  }
  run_long("softmax(x) {axis = 1}", 3, 2, 200, 3, whole); /* not along memory */
  for (int i = 0; i < 200; i++) ck_assert_double_eq_tol(long_y[i] + long_y[i + 200], 1, 1e-6);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {a_softmax_over_many_loses_nothing, long_sums_in_parts_are_sums};
  return suite_run_tests("long_sums", tests, TNI_COUNT(tests), NULL, NULL);
}
