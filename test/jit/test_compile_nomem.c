/* test_compile_nomem.c -- allocations of compiling, loading and calling made to fail (fault_next): TN_E_NOMEM, nothing lost,
 * and the next try works.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../lib/fault.h"
#include "kit.h"

static const char text[] = "extern note(index): i32\n"
                           "loop func f(A: f32[64], n: index) {\n"
                           "  alloc S: f32[n]\n"
                           "  for i in 0..n parallel {\n    alloc T: f32[4]\n    T[0] = A[i] * 2.0:f32\n    S[i] = "
                           "T[0]\n    call note(i)\n  }\n"
                           "  A[ramp(0, 1, 16) if ramp(0, 1, 16) < broadcast(n, 16)] = S[ramp(0, 1, 16) if ramp(0, 1, "
                           "16) < broadcast(n, 16)]\n}\n"
                           "loop func g(A: f32[4]) {\n  assert A[1] < 2.0:f32, \"small\"\n  let x = A[1]\n  for i in 0..4 parallel {\n"
                           "    reduce A[0] max= x\n  }\n  while A[0] < x {\n    A[0] = x\n  }\n"
                           "  for i in 0..2 outlined {\n    for k in 0..2 outlined {\n      A[i * 2 + k] = x\n    }\n  }\n"
                           "  for i in 0..1 outlined {\n    A[i + 2] = A[1]\n  }\n}\n";

/* From a fresh context to loaded code and back. */
static tn_status compile_and_load(tn_context *ctx, const tn_program *program, tn_error **err) {
  const tn_func *funcs[] = {tn_program_func(program, "f"), tn_program_func(program, "g")};
  const tn_target *target;
  tni_library *library = NULL;
  tni_job job = {.count = 2, .funcs = funcs, .what = TNI_EMIT_OBJECT};
  tn_status status = tn_target_get(ctx, "host", &target, err);
  if (status == TN_OK) status = tni_compile_jobs(ctx, target, 1, &job, NULL, NULL, err);
  if (status == TN_OK) status = tni_library_load(ctx, false, 1, &job.bytes, &job.size, &library, err);
  if (status == TN_OK) ck_assert_ptr_nonnull(tni_library_find(library, "g"));
  tni_library_unload(library);
  tn_text_destroy(job.bytes);
  return status;
}

static void fail_each(bool once) {
  tn_context *quiet;
  tn_program *program;
  ck_assert_int_eq(tn_context_create(NULL, &quiet, NULL), TN_OK);
  ck_assert_int_eq(tn_program_parse(quiet, text, sizeof text - 1, "test", &program, NULL), TN_OK);
  long n = 1;
  for (tn_status status = TN_E_NOMEM; status != TN_OK; n = fault_next(n)) {
    fault f = {0};
    tn_error *error = NULL;
    tn_context *ctx;
    tn_context_desc desc = fault_desc(&f);
    desc.threads.compile_workers = 1;
    ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
    f.once = once;
    f.fail_at = atomic_load(&f.calls) + n;
    status = compile_and_load(ctx, program, &error);
    ck_assert_msg(status == TN_OK || status == TN_E_NOMEM, "request %ld: %s", n, tn_error_text(error));
    ck_assert_int_eq(tn_error_status(error), status);
    tn_error_destroy(error);
    bool reached = atomic_load(&f.calls) >= f.fail_at;
    f.fail_at = 0;
    if (status != TN_OK)
      ck_assert_int_eq(compile_and_load(ctx, program, NULL), TN_OK);
    else if (reached && once)
      status = TN_E_NOMEM; /* survived one refusal: go on */
    fault_finish(&f, ctx);
    ck_assert_int_lt(n, 2000);
  }
  ck_assert_int_gt(n, 10);
  tn_program_destroy(program);
  tn_context_destroy(quiet);
}

START_TEST(no_memory_from_some_point_on)
{ fail_each(false); }
END_TEST
START_TEST(no_memory_once)
{ fail_each(true); }
END_TEST

/* What a parked worker leaves to LLVM is LLVM's; all of ours is freed. */
START_TEST(a_parked_worker_holds_none_of_the_context)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_program *program;
  const tn_target *target;
  ck_assert_int_eq(tn_program_parse(ctx, text, sizeof text - 1, "test", &program, NULL), TN_OK);
  ck_assert_int_eq(tn_target_get(ctx, "host", &target, NULL), TN_OK);
  const tn_func *func = tn_program_func(program, "f");
  tni_job job = {.count = 1, .funcs = &func, .what = TNI_EMIT_OBJECT, .break_llvm = true};
  ck_assert_int_eq(tni_compile_jobs(ctx, target, 1, &job, NULL, NULL, NULL), TN_E_COMPILER);
  tn_program_destroy(program);
  fault_finish(&f, ctx);
}
END_TEST

/* An error with a NULL status never comes; calls fail cleanly too. */
START_TEST(no_memory_for_a_call)
{
  for (long n = 1; n < 10; n++) {
    fault f = {0};
    tn_context *ctx = fault_context(&f);
    tni_caller *caller;
    const tn_type params[] = {TN_F32, TN_I64};
    f.fail_at = atomic_load(&f.calls) + n;
    tn_status status = tni_caller_create(ctx, TN_I32, 2, params, &caller, NULL);
    ck_assert_int_eq(status, n <= 3 ? TN_E_NOMEM : TN_OK);
    tni_caller_destroy(caller);
    fault_finish(&f, ctx);
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {no_memory_from_some_point_on, no_memory_once, a_parked_worker_holds_none_of_the_context,
                                no_memory_for_a_call};
  return suite_run_tests("compile_nomem", tests, TNI_COUNT(tests), NULL, NULL);
}
