/* measure.h -- how the examples time what they run: a clock, medians, and the multiply-add peak of this processor.
 *
 * Contestants, and the peak with them, run in turn, so that they meet the same clock; figures are medians over rounds, ratios
 * those of the rounds' ratios. So what else runs on the machine shifts a figure little.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EXAMPLES_MEASURE_H
#define EXAMPLES_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { MAX_ROUNDS = 101 };

/* Seconds of the wall's clock; or of this thread's processor time, in which what else runs on this machine does not count. */
static inline double seconds(bool wall) {
  struct timespec t;
  clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline double median(const double *values, int rounds) {
  double sorted[MAX_ROUNDS];
  memcpy(sorted, values, (size_t)rounds * sizeof *sorted);
  qsort(sorted, (size_t)rounds, sizeof *sorted, by_value);
  return sorted[rounds / 2];
}

static inline double median_ratio(const double *over, const double *under, int rounds) {
  double ratios[MAX_ROUNDS];
  for (int r = 0; r < rounds; r++) ratios[r] = over[r] / under[r];
  return median(ratios, rounds);
}

/* ---- the peak: independent chains of vector multiply-adds -------------------------------------------------------- */

/* 12 chains hide the latency of two units and leave a register file of 16 some room. They are named one by one, so that
 * no compiler puts them in memory, and start from different numbers, so that none is seen to be another one. */
enum { CHAINS = 12 };
#define EACH_CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

/* A function of `times` (even) steps of one multiply-add in each chain; the sum of the chains keeps them alive. */
#define CHAIN_DECLARE(n) vector c##n = start + (float)n;
#define CHAIN_STEP(n) c##n = MULTIPLY_ADD(c##n, m, a);
#define CHAIN_ADD_UP(n) sum += c##n;
#define PEAK_FUNCTION(name, type)                                                                                      \
  static inline float name(int64_t times, float x, float y) {                                                          \
    typedef type vector;                                                                                               \
    vector zero = {0}, m = zero + x, a = zero + y, start = a, sum = zero;                                              \
    EACH_CHAIN(CHAIN_DECLARE)                                                                                          \
    for (; times > 0; times -= 2) {                                                                                    \
      EACH_CHAIN(CHAIN_STEP) EACH_CHAIN(CHAIN_STEP)                                                                    \
    }                                                                                                                  \
    EACH_CHAIN(CHAIN_ADD_UP)                                                                                           \
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

/* Multiply-adds of f32 a second, from a few milliseconds of them; 0 where there is no loop for the processor here. */
static inline double multiply_add_peak(bool wall) {
  static volatile float keep, x = 0.5f, y = 1.0f;
  const int64_t times = 400000;
  double start = seconds(wall), done = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    keep = peak_avx512(times, x, y), done = 16.0 * CHAINS * (double)times;
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    keep = peak_avx2(times, x, y), done = 8.0 * CHAINS * (double)times;
#elif defined(__aarch64__)
  keep = peak_neon(times, x, y), done = 4.0 * CHAINS * (double)times;
#endif
  (void)keep, (void)x, (void)y;
  return done / (seconds(wall) - start);
}

#endif
