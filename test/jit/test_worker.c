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
    tni_caller_of(1)((tni_machine_code)(uintptr_t)tni_library_find(library, "f0"), &c->k->env, (void *[]){a});
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

/* Tensor functions, one light, one that has a body for each edge, one with a product. */
static const char kernels[] =
    "func light(A: f32[64]) {\n  for i in 0..64 {\n    block A(x: 0..64 = i) { A[x] = A[x] + 1.0:f32 }\n  }\n}\n"
    "func edges(A: f32[100], B: f32[100]) {\n  for i in 0..100 {\n"
    "    block B(x: 0..100 = i) { B[x] = A[x - 3 if 3 <= x] + A[x + 2 if x < 98] }\n  }\n}\n"
    "func product(A: f32[37, 64], B: f32[64, 48], C: f32[37, 48]) {\n"
    "  for i in 0..37 {\n    for j in 0..48 {\n      for k in 0..64 {\n"
    "        block C(x: 0..37 = i, y: 0..48 = j, reduce z: 0..64 = k) {\n"
    "          init { C[x, y] = 0.0:f32 }\n          C[x, y] = fma(A[x, z], B[z, y], C[x, y])\n"
    "        }\n      }\n    }\n  }\n}\n";

/* The objects that workers make of `kernels`, one after the other; schedules chosen by them, or before. */
static void make_kernels(int32_t workers, enum tni_stage upto, tni_text *out, size_t *first) {
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.compile_workers = workers}};
  tn_context *ctx;
  tn_program *program;
  tni_pipeline *p;
  tni_job *jobs;
  size_t count;
  tn_error *error = NULL;
  kit_ok(tn_context_create(&desc, &ctx, &error), error);
  kit_ok(tn_program_parse(ctx, kernels, sizeof kernels - 1, "test", &program, &error), error);
  kit_ok(tni_pipeline_create(program, NULL, &p, &error), error);
  kit_ok(tni_pipeline_run(p, upto, &error), error);
  kit_ok(tni_pipeline_codegen(p, TNI_EMIT_OBJECT, false, &count, &jobs, &error), error);
  ck_assert_uint_eq(count, 3);
  *first = jobs[0].size;
  for (size_t i = 0; i < count; i++) tni_text_add_bytes(out, jobs[i].bytes, jobs[i].size);
  ck_assert(!out->failed);
  if (upto == TNI_STAGE_GUARD) ck_assert(p->stats.schedule_seconds > 0);
  tni_jobs_destroy(ctx, count, jobs);
  tni_pipeline_destroy(p);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

START_TEST(kernels_are_the_same_on_any_number_of_workers_and_when_scheduled_before)
{
  kit k;
  kit_open(&k, "host");
  tni_text want, have;
  size_t first, other;
  tni_text_init(&want, k.ctx);
  tni_text_init(&have, k.ctx);
  make_kernels(1, TNI_STAGE_GUARD, &want, &first);
  for (int32_t i = 0; i < 3; i++) {
    tni_text_clear(&have);
    make_kernels(i < 2 ? i + 2 : 1, i < 2 ? TNI_STAGE_GUARD : TNI_STAGE_LOWER, &have, &other);
    ck_assert_uint_eq(first, other);
    ck_assert_uint_eq(have.length, want.length);
    ck_assert_mem_eq(have.data, want.data, want.length);
  }
  tni_text_destroy(&want);
  tni_text_destroy(&have);
  kit_close(&k);
}
END_TEST

START_TEST(heavy_kernels_come_first)
{
  kit k;
  tn_error *error = NULL;
  kit_open(&k, "host");
  kit_ok(tni_parse(k.program, kernels, sizeof kernels - 1, "test", &error), error);
  double light = tni_kernel_weight(tn_program_func_at(k.program, 0)),
         edges = tni_kernel_weight(tn_program_func_at(k.program, 1)),
         product = tni_kernel_weight(tn_program_func_at(k.program, 2));
  ck_assert(0 < light && light < product && product < edges);
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
  tcase_add_test(tc, kernels_are_the_same_on_any_number_of_workers_and_when_scheduled_before);
  tcase_add_test(tc, heavy_kernels_come_first);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
