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
#include <time.h>

#include "tenon/tenon.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { N = 512, ROUNDS = 9, MAX_CONTESTANTS = 16, LINES = 2048 };

static float A[N * N], B[N * N], C[N * N];

static void must(tn_status status, tn_error *const *error) {
  if (status == TN_OK) return;
  fprintf(stderr, "schedules: %s\n", error ? tn_error_text(*error) : tn_status_name(status));
  exit(1);
}

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
static const struct step {
  const char *what, *lines;
} steps[] = {
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
static void add_lines(char *text, const char *lines, int rows, int columns) {
  const struct {
    const char *word;
    int number;
  } words[] = {{"ROWS", rows}, {"COLUMNS", columns}, {"LANES", lanes()}};
  size_t at = strlen(text);
  while (*lines && at + 16 < LINES) {
    size_t w = 0;
    while (w < 3 && strncmp(lines, words[w].word, strlen(words[w].word)) != 0) w++;
    if (w < 3) {
      at += (size_t)sprintf(text + at, "%d", words[w].number);
      lines += strlen(words[w].word);
    } else {
      text[at++] = *lines++;
    }
  }
  text[at] = 0;
}

/* ---- contestants ----------------------------------------------------------------------------------------------------- */

typedef int32_t matmul_code(const tn_env *env, const float *a, const float *b, float *c);

typedef struct contestant {
  tn_program *program;
  tn_module *module;
  matmul_code *code;
  const tn_env *env;
  double share[ROUNDS], seconds[ROUNDS];
} contestant;

static tn_schedule *begin(tn_context *ctx, contestant *c) {
  tn_error *error = NULL;
  tn_schedule *s;
  must(tn_program_parse(ctx, program_text, strlen(program_text), "matmul", &c->program, &error), &error);
  must(tn_schedule_create(c->program, tn_program_func(c->program, "matmul"), &s, &error), &error);
  return s;
}

/* Compiles the function as the schedule left it; takes the schedule. */
static void finish(contestant *c, tn_schedule *s) {
  tn_error *error = NULL;
  const tn_func *func;
  const tn_function *f;
  tn_compile_desc as_it_is = {.struct_size = sizeof as_it_is, .keep_schedules = 1};
  must(tn_schedule_commit(s, &func, &error), &error);
  tn_schedule_destroy(s);
  must(tn_compile(c->program, &as_it_is, &c->module, &error), &error);
  must(tn_module_function(c->module, "matmul", &f, &error), &error);
  c->code = (matmul_code *)tn_function_pointer(f);
  c->env = tn_function_env(f);
}

static void drop(contestant *c) {
  tn_module_destroy(c->module);
  tn_program_destroy(c->program);
}

/* ---- measuring ------------------------------------------------------------------------------------------------------- */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* 12 chains hide the latency of two units; they start from different numbers, so that no compiler sees two as one. */
#define EACH_CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define DECLARE(n) vector c##n = start + (float)n;
#define STEP(n) c##n = MULTIPLY_ADD(c##n, m, a);
#define ADD_UP(n) sum += c##n;
#define PEAK_FUNCTION(name, type)                                                                                      \
  static float name(int64_t times, float x, float y) {                                                                 \
    typedef type vector;                                                                                               \
    vector zero = {0}, m = zero + x, a = zero + y, start = a, sum = zero;                                              \
    EACH_CHAIN(DECLARE)                                                                                                \
    for (; times > 0; times -= 2) {                                                                                    \
      EACH_CHAIN(STEP) EACH_CHAIN(STEP)                                                                                \
    }                                                                                                                  \
    EACH_CHAIN(ADD_UP)                                                                                                 \
    return sum[0];                                                                                                     \
  }

/* clang-format off */
#if defined(__x86_64__)
#define MULTIPLY_ADD(c, m, a) _mm512_fmadd_ps(c, m, a)
__attribute__((target("avx512f"))) PEAK_FUNCTION(peak_avx512, __m512)
#undef MULTIPLY_ADD
#define MULTIPLY_ADD(c, m, a) _mm256_fmadd_ps(c, m, a)
__attribute__((target("avx2,fma"))) PEAK_FUNCTION(peak_avx2, __m256)
#elif defined(__aarch64__)
#define MULTIPLY_ADD(c, m, a) vfmaq_f32(a, c, m)
PEAK_FUNCTION(peak_neon, float32x4_t)
#endif
/* clang-format on */

/* Multiply-adds a second; 0 where this program has no loop for the processor. */
static double measure_peak(void) {
  static volatile float keep, x = 0.5f, y = 1.0f;
  const int64_t times = 400000;
  double start = seconds(), done = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    keep = peak_avx512(times, x, y), done = 16.0 * 12 * (double)times;
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    keep = peak_avx2(times, x, y), done = 8.0 * 12 * (double)times;
#elif defined(__aarch64__)
  keep = peak_neon(times, x, y), done = 4.0 * 12 * (double)times;
#endif
  (void)keep, (void)x, (void)y;
  return done / (seconds() - start);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(const double *values) {
  double sorted[ROUNDS];
  memcpy(sorted, values, sizeof sorted);
  qsort(sorted, ROUNDS, sizeof *sorted, by_value);
  return sorted[ROUNDS / 2];
}

static double median_ratio(const double *over, const double *under) {
  double ratios[ROUNDS];
  for (int r = 0; r < ROUNDS; r++) ratios[r] = over[r] / under[r];
  return median(ratios);
}

static void measure(contestant *list, int count) {
  for (int r = 0; r < ROUNDS; r++) {
    double peak = measure_peak();
    for (int n = 0; n < count; n++) {
      double start = seconds();
      must(list[n].code(list[n].env, A, B, C), NULL);
      list[n].seconds[r] = seconds() - start;
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
  must(c->code(c->env, A, B, C), NULL);
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
  tn_error *error = NULL;
  int rows = 6, columns = (lanes() == 16 ? 4 : 2) * lanes();
  for (int n = 0; n < STEPS; n++) {
    add_lines(text, steps[n].lines, rows, columns);
    tn_schedule *s = begin(ctx, &list[n]);
    must(tn_schedule_run(s, text, &error), &error);
    finish(&list[n], s);
    check(&list[n], steps[n].what);
  }
  measure(list, STEPS);
  for (int n = 0; n < STEPS; n++) {
    char added[LINES] = "";
    add_lines(added, steps[n].lines, rows, columns);
    printf("%s\n", steps[n].what);
    for (char *line = strtok(added, "\n"); line; line = strtok(NULL, "\n")) printf("    %s\n", line);
    printf("  -> %.1f %% of the peak", 100 * median(list[n].share));
    if (n) printf(", %.1f times the step before", median_ratio(list[n - 1].seconds, list[n].seconds));
    printf("\n\n");
    drop(&list[n]);
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
  for (int n = 0; n < STEPS; n++) add_lines(text, steps[n].lines, (int)tn_schedule_number(s, rows), columns);
  return tn_schedule_run(s, text, error);
}

static void search(tn_context *ctx) {
  static contestant list[MAX_CONTESTANTS];
  static const tn_template form = {"matmul", apply_template, NULL};
  tn_error *error = NULL;
  uint64_t size = 0;
  for (uint64_t n = 0; n == 0 || n < size; n++) {
    tn_schedule *s = begin(ctx, &list[n]);
    if (n == 0) must(tn_template_size(&form, s, &size, &error), &error);
    must(tn_template_apply(&form, s, n, &error), &error);
    finish(&list[n], s);
    check(&list[n], "the template");
  }
  measure(list, (int)size);
  uint64_t best = 0;
  for (uint64_t n = 1; n < size; n++)
    if (median_ratio(list[n].seconds, list[best].seconds) < 1) best = n;
  char *text;
  contestant again = {0};
  tn_schedule *s = begin(ctx, &again);
  must(tn_template_text(&form, s, best, &text, &error), &error);
  printf("the best of the template's %d: %.1f %% of the peak\n%s", (int)size, 100 * median(list[best].share), text);
  tn_text_destroy(text);
  tn_schedule_destroy(s);
  drop(&again);
  for (uint64_t n = 0; n < size; n++) drop(&list[n]);
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
