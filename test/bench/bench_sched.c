/* bench_sched.c -- how long a schedule takes to make: a hundred primitives on a convolution, the same from the trace, a fork.
 *
 *     bench_sched [--rounds N]
 *
 * The function is padding, a convolution of 64 channels by 3 x 3 and relu: 15 loops. Every loop is split twice, the nests are
 * reordered, annotated, given unit loops, unrolled, vectorized and run in parallel. Shown are medians of the rounds (101) by
 * the thread's CPU time; the first rounds, which find the caches cold, are among them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/tenon.h"

enum { MAX_ROUNDS = 1001, MAX_LOOPS = 8, FORKS = 1000 };

static const char conv[] =
    "func conv(X: f32[1, 64, 56, 56], W: f32[64, 64, 3, 3], Y: f32[1, 64, 56, 56]) {\n"
    "  alloc P: f32[1, 64, 58, 58]\n"
    "  alloc C: f32[1, 64, 56, 56]\n"
    "  for n in 0..1 { for c in 0..64 { for h in 0..58 { for w in 0..58 {\n"
    "    block P(n_1: 0..1 = n, c_1: 0..64 = c, h_1: 0..58 = h, w_1: 0..58 = w) {\n"
    "      P[n_1, c_1, h_1, w_1] = X[n_1, c_1, h_1 - 1, w_1 - 1 if 1 <= h_1 && h_1 < 57 && 1 <= w_1 && w_1 < 57]\n"
    "    } } } } }\n"
    "  for n in 0..1 { for o in 0..64 { for h in 0..56 { for w in 0..56 { for c in 0..64 { for y in 0..3 { for x in "
    "0..3 {\n"
    "    block C(n_1: 0..1 = n, o_1: 0..64 = o, h_1: 0..56 = h, w_1: 0..56 = w,\n"
    "            reduce c_1: 0..64 = c, reduce y_1: 0..3 = y, reduce x_1: 0..3 = x) {\n"
    "      init { C[n_1, o_1, h_1, w_1] = 0.0:f32 }\n"
    "      C[n_1, o_1, h_1, w_1] = fma(P[n_1, c_1, h_1 + y_1, w_1 + x_1], W[o_1, c_1, y_1, x_1], C[n_1, o_1, h_1, "
    "w_1])\n"
    "    } } } } } } } }\n"
    "  for n in 0..1 { for o in 0..64 { for h in 0..56 { for w in 0..56 {\n"
    "    block Y(n_1: 0..1 = n, o_1: 0..64 = o, h_1: 0..56 = h, w_1: 0..56 = w) {\n"
    "      Y[n_1, o_1, h_1, w_1] = max(C[n_1, o_1, h_1, w_1], 0.0:f32)\n"
    "    } } } } }\n"
    "}\n";

static int applied; /* primitives that are no queries */

static void must(tn_status status, tn_error *error) {
  if (!status) return;
  fprintf(stderr, "%s\n", tn_error_text(error));
  exit(1);
}

static void done(tn_status status, tn_error *error) {
  must(status, error);
  applied++;
}

/* Splits every loop of a block twice, puts the outer halves outside, annotates the outer ones. */
static void tile(tn_schedule *s, const char *name) {
  tn_block_ref block;
  tn_loop loops[MAX_LOOPS], halves[2], order[3 * MAX_LOOPS], unit;
  size_t count = MAX_LOOPS;
  int64_t factors[] = {0, 2};
  tn_error *e = NULL;
  must(tn_get_block(s, name, &block, &e), e);
  must(tn_get_loops(s, block, loops, &count, &e), e);
  for (size_t i = 0; i < count; i++) {
    done(tn_split(s, loops[i], 2, factors, halves, &e), e);
    order[i] = halves[0];
    done(tn_split(s, halves[1], 2, factors, halves, &e), e);
    order[count + i] = halves[0];
    order[2 * count + i] = halves[1];
  }
  done(tn_reorder(s, 3 * count, order, &e), e);
  for (size_t i = 0; i < count; i++) done(tn_schedule_annotate(s, order[i], "tile", (int64_t)i, &e), e);
  for (size_t i = 0; i < count; i++) done(tn_unroll(s, order[2 * count + i], &e), e);
  for (size_t i = 0; i < 3; i++) done(tn_add_unit_loop(s, order[i], &unit, &e), e);
  done(tn_parallel(s, order[1], &e), e);
  done(tn_vectorize(s, order[count + 1], &e), e);
}

static void schedule(tn_schedule *s) {
  static const char *const blocks[] = {"P", "C", "Y"};
  tn_block_ref block;
  tn_error *e = NULL;
  applied = 0;
  for (size_t i = 0; i < 3; i++) tile(s, blocks[i]);
  must(tn_get_block(s, "C", &block, &e), e);
  while (applied < 100) done(tn_schedule_annotate(s, block, "step", applied, &e), e);
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, by_value);
  return values[count / 2];
}

/* Seconds of one fork, and of dropping it again. */
static void time_forks(tn_schedule *s, double *made, double *dropped) {
  static tn_schedule *forks[FORKS];
  tn_error *e = NULL;
  double start = cpu_seconds();
  for (int i = 0; i < FORKS; i++) must(tn_schedule_fork(s, &forks[i], &e), e);
  *made = (cpu_seconds() - start) / FORKS;
  start = cpu_seconds();
  for (int i = 0; i < FORKS; i++) tn_schedule_destroy(forks[i]);
  *dropped = (cpu_seconds() - start) / FORKS;
}

int main(int argc, char **argv) {
  static double calls[MAX_ROUNDS], lines[MAX_ROUNDS], forks[MAX_ROUNDS], drops[MAX_ROUNDS];
  int rounds = argc == 3 && strcmp(argv[1], "--rounds") == 0 ? atoi(argv[2]) : 101;
  tn_context *ctx;
  tn_program *program;
  tn_schedule *s, *again;
  tn_error *e = NULL;
  if (rounds < 1 || rounds > MAX_ROUNDS) return 2;
  must(tn_context_create(NULL, &ctx, &e), e);
  must(tn_program_parse(ctx, conv, sizeof conv - 1, "conv", &program, &e), e);
  for (int i = 0; i < rounds; i++) {
    must(tn_schedule_create(program, tn_program_func_at(program, 0), &s, &e), e);
    double start = cpu_seconds();
    schedule(s);
    calls[i] = cpu_seconds() - start;
    must(tn_schedule_create(program, tn_program_func_at(program, 0), &again, &e), e);
    const char *trace = tn_schedule_trace(s);
    start = cpu_seconds();
    must(tn_schedule_run(again, trace, &e), e);
    lines[i] = cpu_seconds() - start;
    time_forks(s, &forks[i], &drops[i]);
    tn_schedule_destroy(again);
    tn_schedule_destroy(s);
  }
  printf("%d primitives, C calls   %8.3f ms\n", applied, 1e3 * median(calls, rounds));
  printf("the same from the trace   %8.3f ms\n", 1e3 * median(lines, rounds));
  printf("a fork of the schedule    %8.3f us\n", 1e6 * median(forks, rounds));
  printf("dropping it               %8.3f us\n", 1e6 * median(drops, rounds));
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  return 0;
}
