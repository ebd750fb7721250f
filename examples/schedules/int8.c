/* int8.c -- a product of 8-bit integers taken to the roof of the processor's dot products, step by step.
 *
 *     C[i, j] = sum over k of A[i, k] * B[k, j]          384 x 384 x 384, u8 x i8 -> i32, one thread
 *
 * Each step adds lines of the schedule language. Behind each stands what the product then reaches of the peak: of a
 * loop of nothing but dot products, which runs before and behind each run. First Tenon itself says how an
 * instruction can do the sums (tn_tensorize_candidates); the steps are that way, in a tile of registers.
 *
 * The roof is vpdpbusd's, of 64 products at once. Processors without it do the same steps by the instruction that
 * they have, and no peak is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/tenon.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { N = 384, ROUNDS = 15, LINES = 2048 };

static uint8_t A[N * N];
static int8_t B[N * N];
static int32_t C[N * N], want[N * N];

static void must(tn_status status, tn_error *const *error) {
  if (status == TN_OK) return;
  fprintf(stderr, "int8: %s\n", error ? tn_error_text(*error) : tn_status_name(status));
  exit(1);
}

/* ---- the program, and the steps ---------------------------------------------------------------------------------- */

static const char program_text[] = "func matmul(A: u8[384, 384], B: i8[384, 384], C: i32[384, 384]) {\n"
                                   "  for i in 0..384 { for j in 0..384 { for k in 0..384 {\n"
                                   "    block C(vi: 0..384 = i, vj: 0..384 = j, reduce vk: 0..384 = k) {\n"
                                   "      init { C[vi, vj] = 0:i32 }\n"
                                   "      C[vi, vj] = C[vi, vj] + cast(i32, A[vi, vk]) * cast(i32, B[vk, vj])\n"
                                   "    }\n"
                                   "  } } }\n"
                                   "}\n";

/* Words in capitals stand for what depends on the processor. */
static const struct step {
  const char *what, *lines;
} steps[] = {
    {"three loops", ""},
    {"sums in a tile of their own, written to C when they are done; outside of it the sum, by groups of steps",
     "w = cache_write(C, \"register\")\n"
     "x, y = get_loops(w)\n"
     "xo, xi = split(x, [0, ROWS])\n"
     "yo, yi = split(y, [0, COLUMNS])\n"
     "reorder([yo, xo, xi, yi])\n"
     "compute_at(C, xo)\n"
     "o0, o1, i, j, k = get_loops(C)\n"
     "ko, ks = split(k, [0, GROUP])\n"
     "jv, jl = split(j, [0, LANES])\n"
     "reorder([ko, i, jv, jl, ks])\n"
     "zero = decompose_reduction(C, ko)\n"},
    {"the columns of B that a tile reads, copied: groups of steps of neighbouring columns side by side",
     "p = pack_read(C, 2, [1, 2, 1, 2], [COLUMNS, GROUP, 1, 1])\n"
     "compute_at(p, yo)\n"
     "o2, pk, pj, ps = get_loops(p)\n"
     "pv, pl = split(pj, [0, LANES])\n"
     "reorder([pv, ps, pl])\n"
     "vectorize(pl)\n"
     "unroll(ps)\n"},
    {"vectors, the tile written out, and the groups as the instruction",
     "vectorize(jl)\n"
     "unroll(jv)\n"
     "unroll(i)\n"
     "sums = blockize(ks)\n"
     "tensorize(sums, \"UNIT\")\n"
     "o3, o4, zi, zv, zl = get_loops(zero)\n"
     "vectorize(zl)\n"
     "unroll(zv)\n"
     "unroll(zi)\n"
     "yv, yl = split(yi, [0, LANES])\n"
     "vectorize(yl)\n"
     "unroll(yv)\n"
     "unroll(xi)\n"},
};
enum { COUNT = sizeof steps / sizeof *steps };

/* What this processor has: the instruction, its steps, lanes of i32, the rows and columns of a tile that its
 * registers hold. */
typedef struct form {
  const char *unit;
  int group, lanes, rows, columns;
} form;

static form form_of_host(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni")) return (form){"dot4_u8s8", 4, 16, 6, 64};
  if (__builtin_cpu_supports("avx512f")) return (form){"dot2_u8s8", 2, 16, 6, 64};
  return (form){"dot2_u8s8", 2, 8, 4, 16};
#else
  return (form){"dot4_u8s8", 4, 4, 8, 8};
#endif
}

/* Adds lines to the text, with numbers for the words. */
static void add_lines(char *text, const char *lines, const form *f) {
  char numbers[4][8];
  const int values[] = {f->rows, f->columns, f->lanes, f->group};
  for (int w = 0; w < 4; w++) snprintf(numbers[w], sizeof numbers[w], "%d", values[w]);
  const char *const words[] = {"ROWS", "COLUMNS", "LANES", "GROUP", "UNIT"};
  const char *const texts[] = {numbers[0], numbers[1], numbers[2], numbers[3], f->unit};
  size_t at = strlen(text);
  while (*lines && at + 16 < LINES) {
    size_t w = 0;
    while (w < 5 && strncmp(lines, words[w], strlen(words[w])) != 0) w++;
    if (w < 5) {
      at += (size_t)sprintf(text + at, "%s", texts[w]);
      lines += strlen(words[w]);
    } else {
      text[at++] = *lines++;
    }
  }
  text[at] = 0;
}

/* ---- contestants ------------------------------------------------------------------------------------------------- */

typedef int32_t matmul_code(const tn_env *env, const uint8_t *a, const int8_t *b, int32_t *c);

typedef struct contestant {
  tn_program *program;
  tn_module *module;
  matmul_code *code;
  const tn_env *env;
  double share[ROUNDS], seconds[ROUNDS];
} contestant;

static void make(tn_context *ctx, contestant *c, const char *lines) {
  tn_error *error = NULL;
  tn_schedule *s;
  const tn_func *func;
  const tn_function *f;
  tn_compile_desc as_it_is = {.struct_size = sizeof as_it_is, .keep_schedules = 1};
  must(tn_program_parse(ctx, program_text, strlen(program_text), "matmul", &c->program, &error), &error);
  must(tn_schedule_create(c->program, tn_program_func(c->program, "matmul"), &s, &error), &error);
  must(tn_schedule_run(s, lines, &error), &error);
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

/* Every bit of the result. */
static void check(const contestant *c, const char *what) {
  memset(C, 0xff, sizeof C);
  must(c->code(c->env, A, B, C), NULL);
  if (memcmp(C, want, sizeof C) == 0) return;
  fprintf(stderr, "int8: %s: the result is wrong\n", what);
  exit(1);
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
/* 24 chains, as many as a tile has, hide the latency of two units. */
#define SOME(DO, n) DO(n##0) DO(n##1) DO(n##2) DO(n##3) DO(n##4) DO(n##5) DO(n##6) DO(n##7)
#define EACH_CHAIN(DO) SOME(DO, 1) SOME(DO, 2) SOME(DO, 3)
#define DECLARE(n) __m512i c##n = _mm512_set1_epi32(start + n);
#define STEP(n) __asm__("vpdpbusd %1, %1, %0" : "+v"(c##n) : "v"(a)); /* some compilers copy c for the intrinsic */
#define ADD_UP(n) sum = _mm512_add_epi32(sum, c##n);
__attribute__((target("avx512f,avx512vnni"))) static int32_t dot_products(int64_t times, int start) {
  __m512i a = _mm512_set1_epi32(start), sum = a;
  EACH_CHAIN(DECLARE)
  for (; times > 0; times--) {
    EACH_CHAIN(STEP)
  }
  EACH_CHAIN(ADD_UP)
  return _mm512_cvtsi512_si32(sum);
}
#endif

/* Multiply-adds a second; 0 where there is no such instruction. */
static double measure_peak(void) {
#if defined(__x86_64__)
  static volatile int keep = 3;
  const int64_t times = 400000;
  if (!__builtin_cpu_supports("avx512vnni")) return 0;
  double start = seconds();
  keep = dot_products(times, keep);
  return 64.0 * 24 * (double)times / (seconds() - start);
#else
  return 0;
#endif
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

/* Each by itself, so that what it keeps in caches is there; of the peaks right before and behind each run the higher one. */
static void measure(contestant *c) {
  double before = measure_peak();
  for (int r = 0; r < ROUNDS; r++) {
    double start = seconds();
    must(c->code(c->env, A, B, C), NULL);
    c->seconds[r] = seconds() - start;
    double behind = measure_peak(), peak = before > behind ? before : behind;
    before = behind;
    c->share[r] = peak > 0 ? (double)N * N * N / c->seconds[r] / peak : 0;
  }
}

/* ---- step by step ------------------------------------------------------------------------------------------------ */

static int print_way(void *self, const tn_tensorization *way) {
  int *count = self;
  printf("  %s, by estimate %.1f times as fast as steps one by one:\n", way->unit, way->gain);
  bool begins = true;
  for (const char *at = way->lines; *at; begins = *at++ == '\n') {
    if (begins) printf("    ");
    putchar(*at);
  }
  return ++*count == 2;
}

/* What the first contestant's function could be done by. */
static void tell_ways(tn_context *ctx, contestant *c) {
  tn_error *error = NULL;
  tn_schedule *s;
  tn_block_ref block;
  const tn_target *host;
  int count = 0;
  must(tn_target_get(ctx, "host", &host, &error), &error);
  must(tn_schedule_create(c->program, tn_program_func(c->program, "matmul"), &s, &error), &error);
  must(tn_get_block(s, "C", &block, &error), &error);
  printf("The best ways that are found for this block:\n");
  must(tn_tensorize_candidates(s, block, host, print_way, &count, &error), &error);
  printf("\n");
  tn_schedule_destroy(s);
}

static void tell_steps(tn_context *ctx) {
  static contestant list[COUNT];
  char text[LINES] = "";
  form f = form_of_host();
  for (int n = 0; n < COUNT; n++) {
    add_lines(text, steps[n].lines, &f);
    make(ctx, &list[n], text);
    check(&list[n], steps[n].what);
  }
  tell_ways(ctx, &list[0]);
  for (int n = 0; n < COUNT; n++) {
    char added[LINES] = "";
    measure(&list[n]);
    add_lines(added, steps[n].lines, &f);
    printf("%s\n", steps[n].what);
    for (char *line = strtok(added, "\n"); line; line = strtok(NULL, "\n")) printf("    %s\n", line);
    double rate = (double)N * N * N / median(list[n].seconds);
    printf("  -> %.2f billion products a second", rate / 1e9);
    if (median(list[n].share) > 0) printf(", %.1f %% of the peak", 100 * median(list[n].share));
    printf("\n\n");
    drop(&list[n]);
  }
}

int main(void) {
  tn_error *error = NULL;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 1}};
  unsigned seed = 1;
  for (int i = 0; i < N * N; i++) {
    A[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    B[i] = (int8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  }
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++)
      for (int j = 0; j < N; j++) want[i * N + j] += A[i * N + k] * B[k * N + j];
  must(tn_context_create(&desc, &ctx, &error), &error);
  tell_steps(ctx);
  tn_context_destroy(ctx);
  return 0;
}
