/* test_worker.c -- compile workers: several callers at once, fatal errors of LLVM, progress, determinism.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "kit.h"
#include "lib/fault.h"

enum { FUNCS = 6 };

/* A few small functions in the kit's program. */
static void parse_funcs(kit *k, const tn_func **funcs) {
  static const char text[] =
      "loop func f0(A: f32[64]) {\n  for i in 0..64 {\n    A[i] = A[i] + 1.0:f32\n  }\n}\n"
      "loop func f1(A: f32[64]) {\n  for i in 0..64 parallel {\n    A[i] = A[i] * 2.0:f32\n  }\n}\n"
      "loop func f2(A: f32[64]) {\n  A[ramp(0, 1, 16)] = sqrt(A[ramp(16, 1, 16)])\n}\n"
      "loop func f3(A: f32[64]) {\n  A[ramp(0, 2, 16)] = floor(A[ramp(1, 2, 16)])\n}\n"
      "loop func f4(A: f32[64]) {\n  for i in 0..8 {\n    A[i * 8 if i < 4] = max(A[i], A[i + 1])\n  }\n}\n"
      "loop func f5(A: f32[64]) {\n  alloc T: f32[4]\n  T[0] = A[0]\n  A[1] = T[0]\n}\n";
  tn_error *error = NULL;
  kit_ok(tni_parse(k->program, text, sizeof text - 1, "test", &error), error);
  for (size_t i = 0; i < FUNCS; i++) funcs[i] = tn_program_func_at(k->program, i);
}

/* One job per function. */
static void make_jobs(tni_job *jobs, const tn_func *const *funcs) {
  memset(jobs, 0, FUNCS * sizeof *jobs);
  for (size_t i = 0; i < FUNCS; i++) jobs[i] = (tni_job){.count = 1, .funcs = &funcs[i], .what = TNI_EMIT_OBJECT};
}

static void drop_bytes(tni_job *jobs) {
  for (size_t i = 0; i < FUNCS; i++) tn_text_destroy(jobs[i].bytes);
}

typedef struct caller {
  kit *k;
  const tn_func *const *funcs;
  float result;
} caller;

/* Compiles, loads and runs, again and again. */
static void *call_repeatedly(void *self) {
  caller *c = self;
  for (int round = 0; round < 4; round++) {
    tni_job jobs[FUNCS];
    char *objects[FUNCS];
    size_t sizes[FUNCS];
    tni_library *library;
    float a[64] = {41};
    make_jobs(jobs, c->funcs);
    if (tni_compile_jobs(c->k->ctx, c->k->target, FUNCS, jobs, NULL, NULL, NULL) != TN_OK) return NULL;
    for (size_t i = 0; i < FUNCS; i++) objects[i] = jobs[i].bytes, sizes[i] = jobs[i].size;
    if (tni_library_load(c->k->ctx, false, FUNCS, objects, sizes, &library, NULL) != TN_OK) return NULL;
    tni_packed_kernel f0 = (tni_packed_kernel)(uintptr_t)tni_library_find(library, "f0.packed");
    f0(&c->k->env, (void *[]){a});
    c->result = a[0];
    tni_library_unload(library);
    drop_bytes(jobs);
  }
  return NULL;
}

START_TEST(two_threads_compile_load_and_run_at_once)
{
  kit k;
  const tn_func *funcs[FUNCS];
  kit_open(&k, "host");
  parse_funcs(&k, funcs);
  pthread_t threads[2];
  caller callers[2] = {{&k, funcs, 0}, {&k, funcs, 0}};
  for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, call_repeatedly, &callers[i]), 0);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; i++) ck_assert_float_eq(callers[i].result, 42);
  kit_close(&k);
}
END_TEST

START_TEST(equal_input_gives_equal_bytes_on_any_worker)
{
  kit k;
  const tn_func *funcs[FUNCS];
  tni_job first[FUNCS], again[FUNCS];
  tn_error *error = NULL;
  kit_open(&k, "host");
  parse_funcs(&k, funcs);
  make_jobs(first, funcs);
  make_jobs(again, funcs);
  kit_ok(tni_compile_jobs(k.ctx, k.target, FUNCS, first, NULL, NULL, &error), error);
  kit_ok(tni_compile_jobs(k.ctx, k.target, FUNCS, again, NULL, NULL, &error), error);
  for (size_t i = 0; i < FUNCS; i++) {
    ck_assert_uint_eq(first[i].size, again[i].size);
    ck_assert_mem_eq(first[i].bytes, again[i].bytes, first[i].size);
  }
  drop_bytes(first);
  drop_bytes(again);
  kit_close(&k);
}
END_TEST

START_TEST(a_fatal_error_of_llvm_fails_its_job_only)
{
  kit k;
  const tn_func *funcs[FUNCS];
  tni_job jobs[FUNCS];
  tn_error *error = NULL;
  kit_open(&k, "host");
  parse_funcs(&k, funcs);
  for (int round = 0; round < TNI_MAX_PARKED; round++) {
    make_jobs(jobs, funcs);
    jobs[2].break_llvm = true;
    ck_assert_int_eq(tni_compile_jobs(k.ctx, k.target, FUNCS, jobs, NULL, NULL, &error), TN_E_COMPILER);
    ck_assert_msg(strstr(tn_error_text(error), "LLVM: ") != NULL, "%s", tn_error_text(error));
    tn_error_destroy(error);
    for (size_t i = 0; i < FUNCS; i++) ck_assert_ptr_null(jobs[i].bytes);
    if (round + 1 == TNI_MAX_PARKED) break;
    make_jobs(jobs, funcs);
    kit_ok(tni_compile_jobs(k.ctx, k.target, FUNCS, jobs, NULL, NULL, &error), error);
    drop_bytes(jobs);
  }
  make_jobs(jobs, funcs);
  ck_assert_int_eq(tni_compile_jobs(k.ctx, k.target, FUNCS, jobs, NULL, NULL, &error), TN_E_COMPILER);
  ck_assert_str_eq(tn_error_text(error), "codegen: LLVM failed fatally 4 times: compilation is closed in this context");
  tn_error_destroy(error);
  kit_close(&k);
}
END_TEST

/* Each of the first allocations fails in turn: one of them is the worker's own. */
START_TEST(no_worker_can_be_started)
{
  kit k;
  const tn_func *funcs[FUNCS];
  int seen = 0;
  kit_open(&k, "host");
  parse_funcs(&k, funcs);
  for (long i = 1; i <= 8; i++) {
    fault f = {.once = true};
    tn_context *ctx = fault_context(&f);
    tni_job jobs[FUNCS];
    tn_error *error;
    make_jobs(jobs, funcs);
    f.fail_at = atomic_load(&f.calls) + i;
    if (tni_compile_jobs(ctx, k.target, 1, jobs, NULL, NULL, &error) == TN_E_NOMEM)
      seen += strcmp(tn_error_text(error), "codegen: the system gave no thread to compile on") == 0;
    tn_error_destroy(error);
    tn_text_destroy(jobs[0].bytes);
    fault_finish(&f, ctx);
  }
  ck_assert_int_eq(seen, 1);
  kit_close(&k);
}
END_TEST

START_TEST(the_first_failed_job_speaks)
{
  kit k;
  tn_error *error = NULL;
  const tn_func *funcs[FUNCS];
  tni_job jobs[FUNCS];
  kit_open(&k, "host");
  parse_funcs(&k, funcs);
  tn_func wrong = *funcs[3];
  wrong.level = TNI_LEVEL_TENSOR;
  funcs[3] = &wrong;
  make_jobs(jobs, funcs);
  ck_assert_int_eq(tni_compile_jobs(k.ctx, k.target, FUNCS, jobs, NULL, NULL, &error), TN_E_INVALID);
  ck_assert_str_eq(tn_error_place(error), "f3");
  for (size_t i = 0; i < FUNCS; i++) ck_assert_ptr_null(jobs[i].bytes);
  tn_error_destroy(error);
  kit_close(&k);
}
END_TEST

typedef struct seen {
  int32_t calls, last, stop_at;
} seen;

static int32_t on_progress(void *self, int32_t done, int32_t total) {
  seen *s = self;
  ck_assert_int_eq(total, FUNCS);
  ck_assert_int_gt(done, s->last);
  s->last = done;
  s->calls++;
  return s->stop_at && done >= s->stop_at;
}

START_TEST(progress_is_told_to_the_end)
{
  kit k;
  const tn_func *funcs[FUNCS];
  tni_job jobs[FUNCS];
  tn_error *error = NULL;
  seen s = {0};
  kit_open(&k, "host");
  parse_funcs(&k, funcs);
  make_jobs(jobs, funcs);
  kit_ok(tni_compile_jobs(k.ctx, k.target, FUNCS, jobs, on_progress, &s, &error), error);
  ck_assert_int_eq(s.last, FUNCS);
  drop_bytes(jobs);
  kit_close(&k);
}
END_TEST

START_TEST(the_host_can_end_a_compilation)
{
  kit k;
  const tn_func *funcs[FUNCS];
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.compile_workers = 1}};
  tn_error *error = NULL;
  seen s = {.stop_at = 1};
  kit_open(&k, "host");
  parse_funcs(&k, funcs);
  tn_context *one;
  kit_ok(tn_context_create(&desc, &one, &error), error);
  tni_job jobs[FUNCS];
  make_jobs(jobs, funcs);
  ck_assert_int_eq(tni_compile_jobs(one, k.target, FUNCS, jobs, on_progress, &s, &error), TN_E_HOST);
  ck_assert_int_eq(s.calls, 1);
  tn_error_destroy(error);
  tn_context_destroy(one);
  kit_close(&k);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("worker");
  TCase *tc = tcase_create("worker");
  tcase_set_timeout(tc, 100);
  tcase_add_test(tc, two_threads_compile_load_and_run_at_once);
  tcase_add_test(tc, equal_input_gives_equal_bytes_on_any_worker);
  tcase_add_test(tc, a_fatal_error_of_llvm_fails_its_job_only);
  tcase_add_test(tc, no_worker_can_be_started);
  tcase_add_test(tc, the_first_failed_job_speaks);
  tcase_add_test(tc, progress_is_told_to_the_end);
  tcase_add_test(tc, the_host_can_end_a_compilation);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
