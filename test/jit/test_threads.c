/* test_threads.c -- several threads compile and run different models at the same time, in one context.
 *
 * Run under the thread sanitizer too (test/run.sh).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "session.h"

enum { THREADS = 2, ROUNDS = 2, PIXELS = 28 * 28, CLASSES = 10, ROWS = 3 };

/* Starts work(tasks[i]) for all i at once, and waits. */
static void run_together(size_t count, void *(*work)(void *), void *tasks, size_t task_size) {
  pthread_t threads[8];
  ck_assert_uint_le(count, 8);
  for (size_t i = 0; i < count; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (char *)tasks + i * task_size), 0);
  for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

/* One thread: the fashion model for so many rows; what it answered, or why not. */
typedef struct task {
  tn_context *ctx;
  const char *path;
  int64_t rows;
  float pixels[ROWS * PIXELS], answers[ROWS * CLASSES];
  char reason[512];
} task;

static tn_status compile_model(const task *t, tn_module **module, tn_error **err) {
  const tn_dim dim = {"n", t->rows};
  tn_import_desc desc = {.struct_size = sizeof desc, .dim_count = 1, .dims = &dim};
  tn_program *program;
  tn_status status = tn_onnx_load(t->ctx, t->path, &desc, &program, err);
  *module = NULL;
  if (status) return status;
  status = tn_compile(program, NULL, module, err);
  tn_program_destroy(program);
  return status;
}

static tn_status run_model(task *t, const tn_module *module, tn_error **err) {
  const tn_model *model;
  int64_t in_shape[] = {t->rows, 1, 28, 28}, out_shape[] = {t->rows, CLASSES};
  DLTensor in = {.data = t->pixels, .device = {kDLCPU, 0}, .ndim = 4, .dtype = {kDLFloat, 32, 1}, .shape = in_shape};
  DLTensor out = {.data = t->answers, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = out_shape};
  const DLTensor *inputs[] = {&in}, *outputs[] = {&out};
  tn_status status = tn_module_model(module, "main", &model, err);
  return status ? status : tn_model_run(model, inputs, 1, outputs, 1, err);
}

static void *work(void *argument) {
  task *t = argument;
  for (int i = 0; i < ROUNDS && !*t->reason; i++) {
    tn_error *error = NULL;
    tn_module *module;
    tn_status status = compile_model(t, &module, &error);
    if (!status) status = run_model(t, module, &error);
    if (status) snprintf(t->reason, sizeof t->reason, "%s", tn_error_text(error));
    tn_error_destroy(error);
    tn_module_destroy(module);
  }
  return NULL;
}

START_TEST(two_models_in_one_context)
{
  const char *path = source_path("examples/models/fashion_resnet8.onnx");
  tn_context *ctx = session_open();
  static task tasks[THREADS] = {{.rows = 1}, {.rows = ROWS}};
  for (int i = 0; i < THREADS; i++) {
    tasks[i].ctx = ctx;
    tasks[i].path = path;
    for (int p = 0; p < ROWS * PIXELS; p++) tasks[i].pixels[p] = (float)(p * 37 % 101) / 101;
  }
  run_together(THREADS, work, tasks, sizeof tasks[0]);
  for (int i = 0; i < THREADS; i++) ck_assert_str_eq(tasks[i].reason, "");
  tn_context_destroy(ctx);

  /* The same picture has the same answer in both, and it is one. */
  float least = tasks[0].answers[0], most = least;
  for (int c = 0; c < CLASSES; c++) {
    float a = tasks[0].answers[c], b = tasks[1].answers[c];
    ck_assert_float_eq_tol(a, b, 1e-4f);
    least = a < least ? a : least;
    most = a > most ? a : most;
  }
  ck_assert_float_gt(most - least, 1);
}
END_TEST

/* Several threads in one model: each answers for its own picture, the same as alone. */
typedef struct runner {
  const tn_model *model;
  float pixels[PIXELS], answers[CLASSES], first[CLASSES];
  int wrong;
} runner;

static tn_status run_picture(runner *r) {
  int64_t in_shape[] = {1, 1, 28, 28}, out_shape[] = {1, CLASSES};
  DLTensor in = view(TN_F32, 4, in_shape, r->pixels), out = view(TN_F32, 2, out_shape, r->answers);
  const DLTensor *inputs = &in, *outputs = &out;
  return tn_model_run(r->model, &inputs, 1, &outputs, 1, NULL);
}

static void *run_pictures(void *argument) {
  runner *r = argument;
  for (int i = 0; i < 25; i++) {
    memset(r->answers, 0, sizeof r->answers);
    r->wrong += run_picture(r) || memcmp(r->answers, r->first, sizeof r->first) != 0;
  }
  return NULL;
}

START_TEST(one_model_on_several_threads)
{
  enum { COUNT = 4 };
  static runner runners[COUNT];
  tn_error *error = NULL;
  tn_module *module;
  task t = {.ctx = session_open(), .path = source_path("examples/models/fashion_resnet8.onnx"), .rows = 1};
  must(compile_model(&t, &module, &error), error);
  for (int i = 0; i < COUNT; i++) {
    must(tn_module_model(module, "main", &runners[i].model, &error), error);
    fill_random(TN_F32, runners[i].pixels, PIXELS, (uint32_t)i);
    ck_assert_int_eq(run_picture(&runners[i]), TN_OK);
    memcpy(runners[i].first, runners[i].answers, sizeof runners[i].first);
  }
  ck_assert_mem_ne(runners[0].first, runners[1].first, sizeof runners[0].first);
  run_together(COUNT, run_pictures, runners, sizeof runners[0]);
  for (int i = 0; i < COUNT; i++) ck_assert_int_eq(runners[i].wrong, 0);
  tn_module_destroy(module);
  tn_context_destroy(t.ctx);
}
END_TEST

/* ---- functions --------------------------------------------------------------------------------------------------- */

/* Y = X * n, in parallel; the host is told each element and may fail at one. */
static const char source[] = "extern note(index): i32\n"
                             "scheduled func f(X: f32[n], Y: f32[n], n: index) {\n"
                             "  for i in 0..n parallel {\n    Y[i] = X[i] * cast(f32, n)\n    call note(i)\n  }\n}\n";

typedef struct caller {
  tn_context *ctx;
  const tn_program *program; /* compiled by every thread; NULL: each has its own */
  const tn_module *module;   /* or called by every thread */
  int64_t n;
  int wrong;
} caller;

static _Thread_local int64_t failing; /* of the thread that a context of one thread runs kernels on */

static int32_t note(void *self, int64_t i) {
  (void)self;
  return failing && i == failing ? (int32_t)i : TN_OK;
}

static tn_status make_program(tn_context *ctx, tn_program **out) {
  static const tn_type params[] = {TN_INDEX};
  tn_status status = tn_program_parse(ctx, source, sizeof source - 1, "test", out, NULL);
  return status ? status : tn_program_extern(*out, "note", TN_I32, 1, params, (void (*)(void))note, NULL, NULL);
}

static bool call_is_right(const caller *c, const tn_module *module) {
  float x[200], y[200] = {0};
  int64_t n = c->n;
  const tn_function *f;
  DLTensor tx = view(TN_F32, 1, &n, x), ty = view(TN_F32, 1, &n, y);
  tn_value args[] = {tn_value_tensor(&tx), tn_value_tensor(&ty), tn_value_int(n)};
  for (int i = 0; i < 200; i++) x[i] = (float)i;
  bool right = tn_module_function(module, "f", &f, NULL) == TN_OK && tn_function_call(f, args, 3, NULL, NULL) == TN_OK;
  for (int64_t i = 0; i < n; i++) right &= y[i] == (float)(i * n);
  return right;
}

static void *compile_and_call(void *argument) {
  caller *c = argument;
  for (int i = 0; i < 4; i++) {
    tn_program *own = NULL;
    tn_module *module = NULL;
    tn_status status = c->program ? TN_OK : make_program(c->ctx, &own);
    if (!status) status = tn_compile(c->program ? c->program : own, NULL, &module, NULL);
    c->wrong += status || !call_is_right(c, module);
    tn_module_destroy(module);
    tn_program_destroy(own);
  }
  return NULL;
}

static void *call_only(void *argument) {
  caller *c = argument;
  for (int i = 0; i < 200; i++) c->wrong += !call_is_right(c, c->module);
  return NULL;
}

/* Four callers of different sizes, with what they share. */
static void check_callers(tn_context *ctx, const tn_program *program, const tn_module *module) {
  caller callers[4];
  for (int i = 0; i < 4; i++) callers[i] = (caller){ctx, program, module, 50 * i + 7, 0};
  run_together(4, module ? call_only : compile_and_call, callers, sizeof callers[0]);
  for (int i = 0; i < 4; i++) ck_assert_int_eq(callers[i].wrong, 0);
}

START_TEST(programs_compiled_at_the_same_time)
{
  tn_context *ctx = session_open();
  check_callers(ctx, NULL, NULL);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(one_program_compiled_by_several_threads)
{
  tn_context *ctx = session_open();
  tn_program *program;
  ck_assert_int_eq(make_program(ctx, &program), TN_OK);
  check_callers(ctx, program, NULL);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(one_function_called_by_several_threads)
{
  tn_context *ctx = session_open();
  tn_program *program;
  ck_assert_int_eq(make_program(ctx, &program), TN_OK);
  tn_module *module = session_compile(program, NULL);
  check_callers(ctx, NULL, module);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

/* Calls that fail at the same time have each its own number in the error. */
static void *fail_often(void *argument) {
  caller *c = argument;
  const tn_function *f;
  float x[200], y[200];
  int64_t n = 200;
  DLTensor tx = view(TN_F32, 1, &n, x), ty = view(TN_F32, 1, &n, y);
  tn_value args[] = {tn_value_tensor(&tx), tn_value_tensor(&ty), tn_value_int(n)};
  char want[100];
  failing = c->n;
  for (int i = 0; i < 200; i++) x[i] = 0;
  snprintf(want, sizeof want, "call: f: the host's function `note` returned %d", (int)c->n);
  c->wrong += tn_module_function(c->module, "f", &f, NULL) != TN_OK;
  for (int i = 0; i < 50; i++) {
    tn_error *error = NULL;
    c->wrong += tn_function_call(f, args, 3, NULL, &error) != TN_E_HOST || strcmp(tn_error_text(error), want) != 0;
    tn_error_destroy(error);
  }
  return NULL;
}

START_TEST(failures_are_not_mixed)
{
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads.count = 1};
  tn_program *program;
  caller callers[3];
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  ck_assert_int_eq(make_program(ctx, &program), TN_OK);
  tn_module *module = session_compile(program, NULL);
  for (int i = 0; i < 3; i++) callers[i] = (caller){.ctx = ctx, .module = module, .n = 10 + 40 * i};
  run_together(3, fail_often, callers, sizeof callers[0]);
  for (int i = 0; i < 3; i++) ck_assert_int_eq(callers[i].wrong, 0);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {two_models_in_one_context,
                                one_model_on_several_threads,
                                programs_compiled_at_the_same_time,
                                one_program_compiled_by_several_threads,
                                one_function_called_by_several_threads,
                                failures_are_not_mixed};
  return suite_run_tests("threads", tests, TNI_COUNT(tests), NULL, NULL);
}
