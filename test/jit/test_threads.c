/* test_threads.c -- several threads compile and run different models at the same time, in one context.
 *
 * Run under the thread sanitizer too (test/run.sh).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/tenon.h"

enum { THREADS = 2, ROUNDS = 2, PIXELS = 28 * 28, CLASSES = 10, ROWS = 3 };

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
  char path[1024];
  tn_context *ctx;
  pthread_t threads[THREADS];
  static task tasks[THREADS] = {{.rows = 1}, {.rows = ROWS}};
  snprintf(path, sizeof path, "%s/examples/models/fashion_resnet8.onnx", getenv("TN_SOURCE_ROOT"));
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  for (int i = 0; i < THREADS; i++) {
    tasks[i].ctx = ctx;
    tasks[i].path = path;
    for (int p = 0; p < ROWS * PIXELS; p++) tasks[i].pixels[p] = (float)(p * 37 % 101) / 101;
    ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &tasks[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
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

int main(void) {
  Suite *suite = suite_create("threads");
  TCase *tests = tcase_create("threads");
  tcase_set_timeout(tests, 200);
  tcase_add_test(tests, two_models_in_one_context);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
