/* test_plan.c -- plans bound, run by several threads, refused, printed; the cost of a step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "fault.h"

/* ---- a plan to play with: out = (in + const0) * in, and a copy of the intermediate ------------------------------- */

enum { N = 16 };

static int32_t add(const tn_env *env, void *const *args) {
  const float *a = args[0], *b = args[1];
  float *c = args[2];
  ck_assert_ptr_nonnull(env);
  for (int i = 0; i < N; i++) c[i] = a[i] + b[i];
  return 0;
}
static int32_t multiply(const tn_env *env, void *const *args) {
  const float *a = args[0], *b = args[1];
  float *c = args[2];
  (void)env;
  for (int i = 0; i < N; i++) c[i] = a[i] * b[i];
  return 0;
}
static int32_t refuse(const tn_env *env, void *const *args) {
  (void)env, (void)args;
  return TN_E_HOST;
}

#define PACKED(f) {tni_call_packed, (tni_machine_code)(f)}

static const tni_plan_buffer buffers[] = {{TNI_PLAN_INPUT, 0, 0, N * 4},
                                          {TNI_PLAN_CONST, 0, 0, N * 4},
                                          {TNI_PLAN_ARENA, 0, 64, N * 4},
                                          {TNI_PLAN_OUTPUT, 0, 0, N * 4},
                                          {TNI_PLAN_OUTPUT, 1, 0, N * 4}};
static const uint32_t args[] = {0, 1, 2, 2, 0, 3, 4, 2};
static const tni_plan_step steps[] = {{0, 3, 0}, {1, 3, 3}, {TNI_PLAN_COPY, 2, 6}};
static const tni_plan plan = {1, 2, 1, 5, 3, 8, 128, buffers, steps, args};
static const tni_callee kernels[] = {PACKED(add), PACKED(multiply)};
static const tn_env env = {.struct_size = sizeof(tn_env)};
static float ones[N] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static void *const constants[] = {ones};

static tni_executor *executor_of(tn_context *ctx, const tni_plan *p) {
  tni_executor *e;
  ck_assert_int_eq(tni_executor_create(ctx, p, &env, kernels, constants, &e, NULL), TN_OK);
  return e;
}

START_TEST(plan_computes_what_it_says)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_executor *e = executor_of(ctx, &plan);
  for (int round = 0; round < 3; round++) { /* new memory each time: nothing of the last call may stay bound */
    static float in[3][N], out[3][N], copy[3][N];
    uint32_t failed = 7;
    for (int i = 0; i < N; i++) in[round][i] = (float)(i + round);
    ck_assert_int_eq(tni_executor_run(e, (void *[]){in[round]}, (void *[]){out[round], copy[round]}, &failed), TN_OK);
    ck_assert_uint_eq(failed, TNI_PLAN_NO_STEP);
    for (int i = 0; i < N; i++) ck_assert(out[round][i] == (in[round][i] + 1) * in[round][i]);
    for (int i = 0; i < N; i++) ck_assert(copy[round][i] == in[round][i] + 1);
  }
  tni_executor_destroy(e);
  fault_finish(&f, ctx);
}
END_TEST

/* The halves of the input, added, are the second half of the output; ones and ones, in the arena, the first. */
static int32_t add_halves(const tn_env *e, void *const *a) {
  const float *x = a[0], *y = a[1];
  float *out = a[2];
  (void)e;
  for (int i = 0; i < N / 2; i++) out[i] = x[i] + y[i];
  return 0;
}

START_TEST(parts_lie_in_other_buffers)
{
  enum { HALF = N / 2 * 4 };
  const tni_plan_buffer parts[] = {
      {TNI_PLAN_INPUT, 0, 0, N * 4}, {TNI_PLAN_OUTPUT, 0, 0, N * 4}, {TNI_PLAN_CONST, 0, 0, N * 4}, {TNI_PLAN_ARENA, 0, 0, N * 4},
      {TNI_PLAN_PART, 0, HALF, HALF}, {TNI_PLAN_PART, 1, HALF, HALF}, {TNI_PLAN_PART, 2, HALF, HALF}, {TNI_PLAN_PART, 3, HALF, HALF},
      {TNI_PLAN_PART, 1, 0, HALF}};
  const uint32_t of[] = {0, 4, 5, 2, 6, 7, 8, 7};
  const tni_plan_step two[] = {{0, 3, 0}, {0, 3, 3}, {TNI_PLAN_COPY, 2, 6}};
  const tni_plan p = {1, 1, 1, 9, 3, 8, N * 4, parts, two, of};
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_executor *e;
  float in[N], out[N];
  for (int i = 0; i < N; i++) in[i] = (float)(i * i);
  ck_assert_int_eq(tni_executor_create(ctx, &p, &env, (const tni_callee[]){PACKED(add_halves)}, constants, &e, NULL), TN_OK);
  ck_assert_int_eq(tni_executor_run(e, (void *[]){in}, (void *[]){out}, NULL), TN_OK);
  for (int i = 0; i < N / 2; i++) ck_assert(out[i] == 2 && out[N / 2 + i] == in[i] + in[N / 2 + i]);
  tni_executor_destroy(e);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(executor_keeps_nothing_of_the_plan)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_plan_buffer *own_buffers = malloc(sizeof buffers);
  tni_plan_step *own_steps = malloc(sizeof steps);
  uint32_t *own_args = malloc(sizeof args);
  memcpy(own_buffers, buffers, sizeof buffers);
  memcpy(own_steps, steps, sizeof steps);
  memcpy(own_args, args, sizeof args);
  tni_executor *e = executor_of(ctx, &(tni_plan){1, 2, 1, 5, 3, 8, 128, own_buffers, own_steps, own_args});
  free(own_buffers);
  free(own_steps);
  free(own_args);
  float in[N] = {2}, out[N], copy[N];
  ck_assert_int_eq(tni_executor_run(e, (void *[]){in}, (void *[]){out, copy}, NULL), TN_OK);
  ck_assert(out[0] == 6);
  tni_executor_destroy(e);
  tni_executor_destroy(NULL);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(second_call_needs_no_memory)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_executor *e = executor_of(ctx, &plan);
  float in[N] = {2}, out[N], copy[N];
  ck_assert_int_eq(tni_executor_run(e, (void *[]){in}, (void *[]){out, copy}, NULL), TN_OK);
  long calls = atomic_load(&f.calls);
  ck_assert_int_eq(tni_executor_run(e, (void *[]){in}, (void *[]){out, copy}, NULL), TN_OK);
  ck_assert_int_eq(atomic_load(&f.calls), calls);
  tni_executor_destroy(e);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(failing_step_ends_the_run_and_is_named)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_executor *e;
  const tni_callee bad[] = {PACKED(add), PACKED(refuse)};
  float in[N] = {2}, out[N], copy[N] = {5};
  uint32_t failed;
  ck_assert_int_eq(tni_executor_create(ctx, &plan, &env, bad, constants, &e, NULL), TN_OK);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(tni_executor_run(e, (void *[]){in}, (void *[]){out, copy}, &failed), TN_E_HOST);
    ck_assert_uint_eq(failed, 1);
  }
  ck_assert(copy[0] == 5);
  tni_executor_destroy(e);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(empty_plan_does_nothing)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_executor *e = executor_of(ctx, &(tni_plan){0});
  ck_assert_int_eq(tni_executor_run(e, NULL, NULL, NULL), TN_OK);
  tni_executor_destroy(e);
  fault_finish(&f, ctx);
}
END_TEST

/* ---- several threads --------------------------------------------------------------------------------------------- */

static void *run_often(void *executor) {
  for (int round = 0; round < 2000; round++) {
    float in[N], out[N], copy[N];
    for (int i = 0; i < N; i++) in[i] = (float)(i * round % 100);
    if (tni_executor_run(executor, (void *[]){in}, (void *[]){out, copy}, NULL)) return executor;
    for (int i = 0; i < N; i++)
      if (out[i] != (in[i] + 1) * in[i]) return executor;
  }
  return NULL;
}

START_TEST(threads_run_one_executor_at_once)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_executor *e = executor_of(ctx, &plan);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, run_often, e);
  for (int i = 0; i < 4; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    ck_assert_ptr_null(wrong);
  }
  tni_executor_destroy(e);
  fault_finish(&f, ctx);
}
END_TEST

/* ---- plans that are not sound ------------------------------------------------------------------------------------ */

static void expect_refusal(tn_context *ctx, const tni_plan *p, tn_status status, const char *reason) {
  tni_executor *e;
  tn_error *err;
  const tni_callee holes[] = {PACKED(add), {0}};
  ck_assert_int_eq(tni_executor_create(ctx, p, &env, holes, constants, &e, &err), status);
  ck_assert_ptr_null(e);
  ck_assert_str_eq(tn_error_reason(err), reason);
  tn_error_destroy(err);
}

START_TEST(unsound_plans_are_refused)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  ctx->limits.total_bytes = 1000;
  tni_plan p = plan;
  p.arena_bytes = 1001;
  expect_refusal(ctx, &p, TN_E_LIMIT, "intermediates take 1001 bytes, the limit is 1000");
  p = plan, p.arena_bytes = 127;
  expect_refusal(ctx, &p, TN_E_INVALID, "buffer 2 ends beyond the arena of 127 bytes");
  p = plan, p.const_count = 0;
  expect_refusal(ctx, &p, TN_E_INVALID, "buffer 1: number 0 is not below 0");
  p = plan, p.output_count = 1;
  expect_refusal(ctx, &p, TN_E_INVALID, "buffer 4: number 1 is not below 1");
  p = plan, p.arg_count = 5;
  expect_refusal(ctx, &p, TN_E_INVALID, "step 1: arguments beyond the plan's");
  p = plan, p.buffer_count = 2;
  expect_refusal(ctx, &p, TN_E_INVALID, "step 0: there is no buffer 2");
  expect_refusal(ctx, &plan, TN_E_INVALID, "step 1: kernel 1 has no code");
  tni_plan_buffer other[5];
  memcpy(other, buffers, sizeof buffers);
  other[4].bytes = 4;
  p = (tni_plan){1, 2, 1, 5, 1, 8, 128, other, &steps[2], args};
  expect_refusal(ctx, &p, TN_E_INVALID, "step 0: a copy takes two buffers of one size");
  p = plan, p.buffers = other;
  other[4] = (tni_plan_buffer){TNI_PLAN_PART, 4, 0, 4};
  expect_refusal(ctx, &p, TN_E_INVALID, "buffer 4: buffer 4 is no whole one before it");
  other[4] = (tni_plan_buffer){TNI_PLAN_PART, 3, 4, N * 4};
  expect_refusal(ctx, &p, TN_E_INVALID, "buffer 4 ends beyond buffer 3 of 64 bytes");
  fault_finish(&f, ctx);
}
END_TEST

/* ---- cost -------------------------------------------------------------------------------------------------------- */

static int32_t nothing(const tn_env *e, void *const *a) {
  (void)e;
  return a[0] == NULL;
}

START_TEST(step_costs_a_few_nanoseconds)
{
  enum { STEPS = 1000, RUNS = 50, TRIES = 20 };
  static tni_plan_step many[STEPS];
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_executor *e;
  for (uint32_t i = 0; i < STEPS; i++) many[i] = (tni_plan_step){0, 3, 0};
  tni_plan p = {1, 2, 1, 5, STEPS, 8, 128, buffers, many, args};
  ck_assert_int_eq(tni_executor_create(ctx, &p, &env, (const tni_callee[]){PACKED(nothing)}, constants, &e, NULL),
                   TN_OK);
  float in[N] = {0}, out[N], copy[N];
  double best = 1;
  for (int i = 0; i < TRIES; i++) {
    double begin = tni_seconds(ctx);
    for (int run = 0; run < RUNS; run++)
      ck_assert_int_eq(tni_executor_run(e, (void *[]){in}, (void *[]){out, copy}, NULL), TN_OK);
    double seconds = tni_seconds(ctx) - begin;
    if (seconds < best) best = seconds;
  }
  double nanoseconds = best / STEPS / RUNS * 1e9;
  printf("a plan step, its empty kernel included: %.2f ns\n", nanoseconds);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  ck_assert_double_lt(nanoseconds, 50);
#endif
  tni_executor_destroy(e);
  fault_finish(&f, ctx);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {plan_computes_what_it_says,  executor_keeps_nothing_of_the_plan, parts_lie_in_other_buffers,
                                second_call_needs_no_memory, failing_step_ends_the_run_and_is_named,
                                empty_plan_does_nothing,     threads_run_one_executor_at_once,
                                unsound_plans_are_refused,   step_costs_a_few_nanoseconds};
  return suite_run_tests("plan", tests, TNI_COUNT(tests), NULL, NULL);
}
