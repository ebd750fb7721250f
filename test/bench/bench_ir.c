/* bench_ir.c -- how long programs take to print, parse, verify and check; how an expression of much sharing grows.
 *
 *     bench_ir [--rounds N] [--statements N]
 *
 * The first program has N statements (250) of 20 expression nodes and more in loops: over 5,000 nodes. The second is one value
 * squared thirty times: 31 nodes, but 2^30 as a tree. Shown are medians of the rounds, by the thread's CPU time; a compilation
 * includes its workers and is by the clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/tenon.h"

enum { MAX_ROUNDS = 1001 };

static void must(tn_status status, tn_error *error) {
  if (!status) return;
  fprintf(stderr, "%s\n", tn_error_text(error));
  exit(1);
}

/* ---- programs ------------------------------------------------------------------------------------------------------ */

static size_t nodes; /* made so far, each call of node() one */
static const tn_expr *node(const tn_expr *x) {
  nodes++;
  return x;
}

/* A[i, j] = a value that is like no other's. */
static const tn_stmt *statement(tn_builder *b, const tn_buffer *const *buffers, const tn_expr *i, const tn_expr *j,
                                int k) {
  static const enum tn_op ops[] = {TN_OP_add, TN_OP_mul, TN_OP_max, TN_OP_sub};
  const tn_expr *at[] = {i, node(tn_op2(b, TN_OP_floormod, node(tn_add(b, j, node(tn_index(b, k)))), tn_index(b, 64)))};
  const tn_expr *x = node(tn_load(b, buffers[0], at, NULL));
  for (int n = 0; n < 8; n++) {
    x = node(tn_op2(b, ops[(k + n) % 4], x, node(tn_float(b, TN_F32, k * 8 + n + 0.5))));
    if (n % 4 == 3) x = node(tn_op3(b, TN_OP_fma, x, x, node(tn_float(b, TN_F32, k - 0.25))));
  }
  const tn_expr *to[] = {i, j};
  return tn_store(b, buffers[1], to, x);
}

static tn_program *make_large(tn_context *ctx, int statements) {
  tn_program *program;
  tn_builder *b;
  tn_error *error = NULL;
  const int64_t shape[] = {64, 64};
  must(tn_program_create(ctx, &program, &error), error);
  must(tn_builder_create(program, "large", &b, &error), error);
  const tn_buffer *buffers[] = {tn_param(b, "A", TN_F32, 2, shape), tn_param(b, "B", TN_F32, 2, shape)};
  for (int k = 0; k < statements; k++) {
    const tn_expr *i = node(tn_var(b, "i", TN_INDEX)), *j = node(tn_var(b, "j", TN_INDEX));
    const tn_expr *extent = tn_index(b, 64);
    tn_emit(b, tn_for(b, i, extent, tn_for(b, j, extent, statement(b, buffers, i, j, k))));
    nodes += 3;
  }
  must(tn_builder_finish(b, NULL, &error), error);
  return program;
}

static tn_program *make_squarings(tn_context *ctx, int count) {
  tn_program *program;
  tn_builder *b;
  tn_error *error = NULL;
  must(tn_program_create(ctx, &program, &error), error);
  must(tn_builder_create(program, "squared", &b, &error), error);
  const tn_expr *x = tn_param_scalar(b, "x", TN_I32);
  const tn_buffer *y = tn_param(b, "y", TN_I32, 0, NULL);
  for (int i = 0; i < count; i++) x = tn_mul(b, x, x);
  tn_compute(b, y, NULL, x);
  must(tn_builder_finish(b, NULL, &error), error);
  return program;
}

/* ---- measuring ----------------------------------------------------------------------------------------------------- */

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

enum job { PRINT, PARSE, VERIFY, CHECK, COMPILE, JOBS };
static const char *const job_names[] = {"print", "parse", "verify", "check", "compile"};

/* Milliseconds of one run. */
static double run(tn_context *ctx, enum job job, const tn_program *program, const char *text) {
  const tn_func *func = tn_program_func_at(program, 0);
  tn_error *error = NULL;
  tn_program *parsed = NULL;
  tn_module *module = NULL;
  char *printed = NULL;
  size_t proven, unknown;
  clockid_t clock = job == COMPILE ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
  double start = seconds(clock);
  switch (job) {
  case PRINT: must(tn_program_print(program, &printed, &error), error); break;
  case PARSE: must(tn_program_parse(ctx, text, strlen(text), "bench", &parsed, &error), error); break;
  case VERIFY: must(tn_func_verify(func, &error), error); break;
  case CHECK: must(tn_func_check(func, &proven, &unknown, &error), error); break;
  case COMPILE: must(tn_compile(program, NULL, &module, &error), error); break;
  case JOBS: break;
  }
  double taken = 1e3 * (seconds(clock) - start);
  tn_text_destroy(printed);
  tn_program_destroy(parsed);
  tn_module_destroy(module);
  return taken;
}

static void measure(tn_context *ctx, const char *title, const tn_program *program, int rounds, enum job last) {
  static double times[JOBS][MAX_ROUNDS];
  tn_error *error = NULL;
  char *text;
  must(tn_program_print(program, &text, &error), error);
  for (int r = 0; r < rounds; r++)
    for (int j = 0; j <= (int)last; j++) times[j][r] = run(ctx, (enum job)j, program, text);
  printf("%s: %zu bytes of text\n", title, strlen(text));
  for (int j = 0; j <= (int)last; j++) {
    qsort(times[j], (size_t)rounds, sizeof(double), by_size);
    printf("  %-8s %9.3f ms%s\n", job_names[j], times[j][rounds / 2], j == PARSE ? "  (verifies too)" : "");
  }
  tn_text_destroy(text);
}

int main(int argc, char **argv) {
  int rounds = 21, statements = 250;
  tn_context *ctx;
  tn_error *error = NULL;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--rounds") == 0) rounds = atoi(argv[i + 1]);
    if (strcmp(argv[i], "--statements") == 0) statements = atoi(argv[i + 1]);
  }
  if (rounds < 1 || rounds > MAX_ROUNDS || statements < 1 || statements > 100000) return 1;
  must(tn_context_create(NULL, &ctx, &error), error);
  tn_program *large = make_large(ctx, statements);
  char title[64];
  snprintf(title, sizeof title, "%zu nodes", nodes);
  measure(ctx, title, large, rounds, CHECK);
  for (int count = 15; count <= 30; count += 15) {
    tn_program *squared = make_squarings(ctx, count);
    snprintf(title, sizeof title, "%d squarings", count);
    measure(ctx, title, squared, rounds, COMPILE);
    tn_program_destroy(squared);
  }
  tn_program_destroy(large);
  tn_context_destroy(ctx);
  return 0;
}
