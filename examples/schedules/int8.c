/* int8.c -- a product of 8-bit integers taken to the roof of the processor's dot products, step by step.
 *
 *     C[i, j] = sum over k of A[i, k] * B[k, j]          384 x 384 x 384, u8 x i8 -> i32, one thread
 *
 * Each step adds lines of the schedule language. Behind each stands what the product then reaches of the peak: of a
 * loop of nothing but the instruction of its sums, which runs before and behind each run. First Tenon itself says how an
 * instruction can do the sums (tn_tensorize_candidates); the steps are that way, in a tile of registers.
 *
 * The instruction is the best one of this processor: vpdpbusd, which sums up four products in each lane; without it vpmaddwd,
 * of two, and an addition. Elsewhere than on x86-64 no peak is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../measure.h"
#include "steps.h"
#include "tenon/tenon.h"

enum { N = 384, ROUNDS = 15 };

static uint8_t A[N * N];
static int8_t B[N * N];
static int32_t C[N * N], want[N * N];

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
static const step steps[] = {
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

/* ---- what this processor has ------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* Loops of nothing but the instruction, in chains that do not wait for each other; 12 hide the latency of two units. */
#define TWELVE(DO, n)                                                                                                  \
  DO(n##0) DO(n##1) DO(n##2) DO(n##3) DO(n##4) DO(n##5) DO(n##6) DO(n##7) DO(n##8) DO(n##9) DO(n##10) DO(n##11)
#define EACH_OF_12(DO) TWELVE(DO, 1)
#define EACH_OF_24(DO) TWELVE(DO, 1) TWELVE(DO, 2)
#define SUM_DECLARE(n) vector c##n = start + n;
#define SUM_STEP(n) __asm__(INSTRUCTION : "+v"(c##n), "=&v"(product) : "v"(a)); /* none is seen to be another one */
#define SUM_ADD_UP(n) sum += c##n;
#define PEAK_OF_SUMS(name, isa, bytes, EACH)                                                                           \
  __attribute__((target(isa))) static uint32_t name(int64_t times, uint32_t first) {                                    \
    typedef uint32_t vector __attribute__((vector_size(bytes)));                                                       \
    vector zero = {0}, start = zero + first, a = start, sum = start, product;                                          \
    EACH(SUM_DECLARE)                                                                                                  \
    for (; times > 0; times--) {                                                                                       \
      EACH(SUM_STEP)                                                                                                   \
    }                                                                                                                  \
    EACH(SUM_ADD_UP)                                                                                                   \
    return sum[0];                                                                                                     \
  }
#define INSTRUCTION "vpdpbusd %2, %2, %0"
PEAK_OF_SUMS(vnni_64, "avx512f,avx512vnni", 64, EACH_OF_24)
#undef INSTRUCTION
#define INSTRUCTION "%{vex%} vpdpbusd %2, %2, %0"
PEAK_OF_SUMS(vnni_32, "avxvnni", 32, EACH_OF_12)
#undef INSTRUCTION
#define INSTRUCTION "vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0"
PEAK_OF_SUMS(pairs_64, "avx512f,avx512bw", 64, EACH_OF_24)
PEAK_OF_SUMS(pairs_32, "avx2", 32, EACH_OF_12)
#undef INSTRUCTION
#define INSTRUCTION "movdqa %2, %1\n\tpmaddwd %2, %1\n\tpaddd %1, %0"
PEAK_OF_SUMS(pairs_16, "sse4.1", 16, EACH_OF_12)
#endif

/* The instruction, its steps, lanes of i32, the rows and columns of a tile that the registers hold, the loop of it alone. */
typedef struct form {
  const char *unit;
  int group, lanes, rows, columns;
  uint32_t (*peak)(int64_t times, uint32_t first); /* NULL: there is none */
  int chains;
} form;

static form form_of_host(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni")) return (form){"dot4_u8s8", 4, 16, 6, 64, vnni_64, 24};
  if (__builtin_cpu_supports("avx512bw")) return (form){"dot2_u8s8", 2, 16, 6, 64, pairs_64, 24};
  if (__builtin_cpu_supports("avxvnni")) return (form){"dot4_u8s8", 4, 8, 4, 16, vnni_32, 12};
  if (__builtin_cpu_supports("avx2")) return (form){"dot2_u8s8", 2, 8, 4, 16, pairs_32, 12};
  return (form){"dot2_u8s8", 2, 4, 4, 8, pairs_16, 12};
#else
  return (form){"dot4_u8s8", 4, 4, 8, 8, NULL, 0};
#endif
}

/* Multiply-adds a second, of a few milliseconds; 0 where there is no loop of them. */
static double measure_peak(const form *f) {
  static volatile uint32_t keep = 3;
  const int64_t times = 400000;
  if (!f->peak) return 0;
  double start = seconds(false);
  keep = f->peak(times, keep);
  return (double)(f->lanes * f->group * f->chains) * (double)times / (seconds(false) - start);
}

/* Adds lines to the text, with what the words stand for. */
static void add_step(char *text, const char *lines, const form *f) {
  const word words[] = {{"ROWS", f->rows, NULL},
                        {"COLUMNS", f->columns, NULL},
                        {"LANES", f->lanes, NULL},
                        {"GROUP", f->group, NULL},
                        {"UNIT", 0, f->unit}};
  add_lines(text, lines, sizeof words / sizeof *words, words);
}

/* ---- contestants ------------------------------------------------------------------------------------------------- */

typedef int32_t matmul_code(const tn_env *env, const uint8_t *a, const int8_t *b, int32_t *c);

typedef struct contestant {
  compiled made;
  double share[ROUNDS], seconds[ROUNDS];
} contestant;

static void run(const contestant *c) { must(((matmul_code *)c->made.code)(c->made.env, A, B, C), NULL); }

/* Every bit of the result. */
static void check(const contestant *c, const char *what) {
  memset(C, 0xff, sizeof C);
  run(c);
  if (memcmp(C, want, sizeof C) == 0) return;
  fprintf(stderr, "int8: %s: the result is wrong\n", what);
  exit(1);
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

/* Each by itself, so that what it keeps in caches is there; of the peaks right before and behind each run the higher one. */
static void measure(const form *f, contestant *c) {
  double before = measure_peak(f);
  for (int r = 0; r < ROUNDS; r++) {
    double start = seconds(false);
    run(c);
    c->seconds[r] = seconds(false) - start;
    double behind = measure_peak(f), peak = before > behind ? before : behind;
    before = behind;
    c->share[r] = peak > 0 ? (double)N * N * N / c->seconds[r] / peak : 0;
  }
}

/* ---- step by step ------------------------------------------------------------------------------------------------ */

static int print_way(void *self, const tn_tensorization *way) {
  int *count = self;
  printf("  %s, by estimate %.1f times as fast as steps one by one:\n", way->unit, way->gain);
  print_lines(way->lines);
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
  must(tn_schedule_create(c->made.program, tn_program_func(c->made.program, "matmul"), &s, &error), &error);
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
    add_step(text, steps[n].lines, &f);
    compile_lines(ctx, "matmul", "host", program_text, text, &list[n].made);
    check(&list[n], steps[n].what);
  }
  tell_ways(ctx, &list[0]);
  for (int n = 0; n < COUNT; n++) {
    char added[LINES] = "";
    measure(&f, &list[n]);
    add_step(added, steps[n].lines, &f);
    printf("%s\n", steps[n].what);
    print_lines(added);
    double rate = (double)N * N * N / median(list[n].seconds, ROUNDS);
    printf("  -> %.2f billion products a second", rate / 1e9);
    if (median(list[n].share, ROUNDS) > 0) printf(", %.1f %% of the peak of %s", 100 * median(list[n].share, ROUNDS), f.unit);
    printf("\n\n");
    drop_compiled(&list[n].made);
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
