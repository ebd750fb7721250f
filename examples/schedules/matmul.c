/* matmul.c -- a matrix product taken from three plain loops to the roof of the processor, step by step.
 *
 *     C[i, j] = sum over k of A[i, k] * B[k, j]          512 x 512 x 512, f32, one thread
 *
 * What is computed never changes: each step adds lines of the schedule language, and each line is checked before it is applied.
 * Behind each step stands what the product then reaches of the peak, and how many times as fast as the step before it is. At the
 * end a template spans the schedules of this form; those that are legal are compiled, checked and timed, and the best is shown.
 *
 * Rates are medians over rounds in which a loop of nothing but multiply-adds (the peak) and all contestants run in turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../measure.h"
#include "steps.h"
#include "tenon/tenon.h"

enum { N = 512, ROUNDS = 9, MAX_CONTESTANTS = 16 };

static float A[N * N], B[N * N], C[N * N];

/* ---- the program, and the steps ------------------------------------------------------------------------------------- */

static const char program_text[] = "func matmul(A: f32[512, 512], B: f32[512, 512], C: f32[512, 512]) {\n"
                                   "  for i in 0..512 { for j in 0..512 { for k in 0..512 {\n"
                                   "    block C(vi: 0..512 = i, vj: 0..512 = j, reduce vk: 0..512 = k) {\n"
                                   "      init { C[vi, vj] = 0.0:f32 }\n"
                                   "      C[vi, vj] = fma(A[vi, vk], B[vk, vj], C[vi, vj])\n"
                                   "    }\n"
                                   "  } } }\n"
                                   "}\n";

/* ROWS, COLUMNS and LANES stand for numbers that depend on the processor. */
static const step steps[] = {
    {"three loops", ""},
    {"sums in a tile of their own, written to C when they are done",
     "w = cache_write(C, \"register\")\n"
     "x, y = get_loops(w)\n"
     "xo, xi = split(x, [0, ROWS])\n"
     "yo, yi = split(y, [0, COLUMNS])\n"
     "reorder([yo, xo, xi, yi])\n"
     "compute_at(C, xo)\n"},
    {"k outside of the tile: a column of A times a row of B",
     "o0, o1, i, j, k = get_loops(C)\n"
     "reorder([k, i, j])\n"
     "zero = decompose_reduction(C, k)\n"},
    {"vectors, and the tile written out: now it stays in registers",
     "jv, jl = split(j, [0, LANES])\n"
     "vectorize(jl)\n"
     "unroll(jv)\n"
     "unroll(i)\n"
     "o2, o3, zi, zj = get_loops(zero)\n"
     "zv, zl = split(zj, [0, LANES])\n"
     "vectorize(zl)\n"
     "unroll(zv)\n"
     "unroll(zi)\n"
     "yv, yl = split(yi, [0, LANES])\n"
     "vectorize(yl)\n"
     "unroll(yv)\n"
     "unroll(xi)\n"},
    {"the columns of B that a tile reads, copied without gaps",
     "p = cache_read(C, 1, \"global\")\n"
     "compute_at(p, yo)\n"
     "o4, pk, pj = get_loops(p)\n"
     "pv, pl = split(pj, [0, LANES])\n"
     "vectorize(pl)\n"},
};
enum { STEPS = sizeof steps / sizeof *steps };

/* Lanes of f32 in the widest vectors of this processor. */
static int lanes(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") ? 16 : 8;
#else
  return 4;
#endif
}

/* Adds lines to the text, with numbers for the words. */
static void add_step(char *text, const char *lines, int rows, int columns) {
  const word words[] = {{"ROWS", rows, NULL}, {"COLUMNS", columns, NULL}, {"LANES", lanes(), NULL}};
  add_lines(text, lines, sizeof words / sizeof *words, words);
}

/* ---- contestants ----------------------------------------------------------------------------------------------------- */

typedef int32_t matmul_code(const tn_env *env, const float *a, const float *b, float *c);

typedef struct contestant {
  compiled made;
  double share[ROUNDS], seconds[ROUNDS];
} contestant;

static void run(const contestant *c) { must(((matmul_code *)c->made.code)(c->made.env, A, B, C), NULL); }

/* ---- measuring ------------------------------------------------------------------------------------------------------- */

static void measure(contestant *list, int count) {
  for (int r = 0; r < ROUNDS; r++) {
    double peak = multiply_add_peak(false);
    for (int n = 0; n < count; n++) {
      double start = seconds(false);
      run(&list[n]);
      list[n].seconds[r] = seconds(false) - start;
      list[n].share[r] = peak > 0 ? (double)N * N * N / list[n].seconds[r] / peak : 0;
    }
  }
}

/* Is C the product, within the bound of a sum of N rounded products in any order? */
static void check(const contestant *c, const char *what) {
  static double want[N * N], size[N * N];
  if (size[0] == 0)
    for (int i = 0; i < N; i++)
      for (int k = 0; k < N; k++)
        for (int j = 0; j < N; j++) {
          double product = (double)A[i * N + k] * B[k * N + j];
          want[i * N + j] += product;
          size[i * N + j] += fabs(product);
        }
  memset(C, 0xff, sizeof C);
  run(c);
  for (int i = 0; i < N * N; i++)
    if (!(fabs(C[i] - want[i]) <= (N + 1) * (FLT_EPSILON / 2) * size[i])) {
      fprintf(stderr, "schedules: %s: C[%d, %d] is %.9g, not %.9g\n", what, i / N, i % N, C[i], want[i]);
      exit(1);
    }
}

/* ---- step by step ---------------------------------------------------------------------------------------------------- */

static void tell_steps(tn_context *ctx) {
  static contestant list[STEPS];
  char text[LINES] = "";
  int rows = 6, columns = (lanes() == 16 ? 4 : 2) * lanes();
  for (int n = 0; n < STEPS; n++) {
    add_step(text, steps[n].lines, rows, columns);
    compile_lines(ctx, "matmul", "host", program_text, text, &list[n].made);
    check(&list[n], steps[n].what);
  }
  measure(list, STEPS);
  for (int n = 0; n < STEPS; n++) {
    char added[LINES] = "";
    add_step(added, steps[n].lines, rows, columns);
    printf("%s\n", steps[n].what);
    print_lines(added);
    printf("  -> %.1f %% of the peak", 100 * median(list[n].share, ROUNDS));
    if (n) printf(", %.1f times the step before", median_ratio(list[n - 1].seconds, list[n].seconds, ROUNDS));
    printf("\n\n");
    drop_compiled(&list[n].made);
  }
}

/* ---- the template ---------------------------------------------------------------------------------------------------- */

/* Two knobs, then the lines of all steps with their values. */
static tn_status apply_template(void *self, tn_schedule *s, tn_error **error) {
  static const int64_t row_counts[] = {4, 6, 8, 12}, vector_counts[] = {1, 2, 3, 4};
  static const double alike[] = {1, 1, 1, 1};
  int64_t rows, vectors;
  char text[LINES] = "";
  (void)self;
  tn_schedule_name_next(s, "rows");
  tn_status status = tn_sample_categorical(s, 4, row_counts, alike, &rows, error);
  tn_schedule_name_next(s, "vectors");
  if (!status) status = tn_sample_categorical(s, 4, vector_counts, alike, &vectors, error);
  if (status) return status;
  int columns = (int)tn_schedule_number(s, vectors) * lanes();
  for (int n = 0; n < STEPS; n++) add_step(text, steps[n].lines, (int)tn_schedule_number(s, rows), columns);
  return tn_schedule_run(s, text, error);
}

static void search(tn_context *ctx) {
  static contestant list[MAX_CONTESTANTS];
  static const tn_template form = {"matmul", apply_template, NULL};
  tn_error *error = NULL;
  uint64_t size = 0;
  for (uint64_t n = 0; n == 0 || n < size; n++) {
    tn_schedule *s = open_schedule(ctx, "matmul", program_text, &list[n].made);
    if (n == 0) must(tn_template_size(&form, s, &size, &error), &error);
    must(tn_template_apply(&form, s, n, &error), &error);
    compile_schedule(ctx, "matmul", "host", s, &list[n].made);
    check(&list[n], "the template");
  }
  measure(list, (int)size);
  uint64_t best = 0;
  for (uint64_t n = 1; n < size; n++)
    if (median_ratio(list[n].seconds, list[best].seconds, ROUNDS) < 1) best = n;
  char *text;
  compiled again = {0};
  tn_schedule *s = open_schedule(ctx, "matmul", program_text, &again);
  must(tn_template_text(&form, s, best, &text, &error), &error);
  printf("the best of the template's %d: %.1f %% of the peak\n%s", (int)size, 100 * median(list[best].share, ROUNDS), text);
  tn_text_destroy(text);
  tn_schedule_destroy(s);
  drop_compiled(&again);
  for (uint64_t n = 0; n < size; n++) drop_compiled(&list[n].made);
}

int main(void) {
  tn_error *error = NULL;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 1}};
  unsigned seed = 1;
  for (int i = 0; i < N * N; i++) {
    A[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / (1 << 23) - 1;
    B[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / (1 << 23) - 1;
  }
  must(tn_context_create(&desc, &ctx, &error), &error);
  tell_steps(ctx);
  search(ctx);
  tn_context_destroy(ctx);
  return 0;
}
