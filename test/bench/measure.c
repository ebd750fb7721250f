/* measure.c -- clocks, peaks, statistics, memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

double bench_now(bool wall) {
  struct timespec t;
  clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* 12 chains hide the latency of two units and leave a file of 16 registers some room; they start from different numbers,
 * so that no compiler sees two as one. */
#define EACH_CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define DECLARE(n) vector c##n = start + (float)n;
#define STEP(n) c##n = MULTIPLY_ADD(c##n, m, a);
#define ADD_UP(n) sum += c##n;
#define PEAK_FUNCTION(name, type)                                                                                      \
  static float name(int64_t steps, float x, float y) {                                                                 \
    typedef type vector;                                                                                               \
    vector zero = {0}, m = zero + x, a = zero + y, start = a, sum = zero;                                              \
    EACH_CHAIN(DECLARE)                                                                                                \
    for (; steps > 0; steps -= 2) {                                                                                    \
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

    double bench_peak_f32(void) {
  static volatile float keep, x = 0.5f, y = 1.0f;
  const int64_t steps = 400000;
  double flops = 0, start = bench_now(false);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    keep = peak_avx512(steps, x, y);
    flops = 2.0 * 16 * 12 * (double)steps;
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    keep = peak_avx2(steps, x, y);
    flops = 2.0 * 8 * 12 * (double)steps;
  }
#elif defined(__aarch64__)
  keep = peak_neon(steps, x, y);
  flops = 2.0 * 4 * 12 * (double)steps;
#endif
  (void)keep, (void)x, (void)y, (void)steps;
  return 1e-9 * flops / (bench_now(false) - start);
}

#define READ_FUNCTION(name, type)                                                                                      \
  static int64_t name(const void *from, size_t bytes) {                                                                \
    typedef type vector;                                                                                               \
    const vector *v = from;                                                                                            \
    vector a = {0}, b = a, c = a, d = a;                                                                               \
    for (size_t i = 0; i + 4 <= bytes / sizeof *v; i += 4) a |= v[i], b |= v[i + 1], c |= v[i + 2], d |= v[i + 3];     \
    a |= b | c | d;                                                                                                    \
    return a[0];                                                                                                       \
  }

/* clang-format off */
#if defined(__x86_64__)
__attribute__((target("avx512f"))) READ_FUNCTION(read_avx512, __m512i)
__attribute__((target("avx2"))) READ_FUNCTION(read_avx2, __m256i)
#endif
typedef int64_t two __attribute__((vector_size(16)));
READ_FUNCTION(read_two, two)
/* clang-format on */

void bench_read(const void *from, size_t bytes) {
  static volatile int64_t keep;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    keep = read_avx512(from, bytes);
    return;
  }
  if (__builtin_cpu_supports("avx2")) {
    keep = read_avx2(from, bytes);
    return;
  }
#endif
  keep = read_two(from, bytes);
  (void)keep;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, ascending);
  return values[count / 2];
}

static void put_number(tn_type type, void *to, size_t i, uint64_t random) {
  uint32_t high = (uint32_t)(random >> 32), bits;
  float f = (float)(int32_t)high * 0x1p-31f;
  switch (type) {
  case TN_F64: ((double *)to)[i] = (double)(int64_t)random * 0x1p-63; break;
  case TN_F32: ((float *)to)[i] = f; break;
  case TN_BF16:
    memcpy(&bits, &f, sizeof bits);
    ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
    break;
  case TN_F16: /* sign, one of the exponents of 1/16..1, fraction */
    ((uint16_t *)to)[i] = (uint16_t)((high >> 31) << 15 | (11 + (high >> 10) % 4) << 10 | (high & 0x3ff));
    break;
  default: ((uint8_t *)to)[i] = (uint8_t)(high >> 24);
  }
}

void bench_fill(tn_type type, void *to, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    put_number(type, to, i, seed);
  }
}

double bench_number(tn_type type, const void *of, size_t i) {
  uint32_t bits;
  float f;
  switch (type) {
  case TN_F64: return ((const double *)of)[i];
  case TN_F32: return ((const float *)of)[i];
  case TN_BF16:
    bits = (uint32_t)((const uint16_t *)of)[i] << 16;
    memcpy(&f, &bits, sizeof f);
    return f;
  case TN_F16: /* normal ones only */
    bits = ((const uint16_t *)of)[i];
    return (bits >> 15 ? -1 : 1) * ldexp(1024 + (bits & 0x3ff), (int)(bits >> 10 & 31) - 25);
  case TN_I32: return ((const int32_t *)of)[i];
  case TN_U8: return ((const uint8_t *)of)[i];
  default: return ((const int8_t *)of)[i];
  }
}

void *bench_alloc(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 4095) / 4096 * 4096);
  if (!p) {
    fprintf(stderr, "tenon-bench: no memory\n");
    exit(1);
  }
  memset(p, 0, (bytes + 4095) / 4096 * 4096);
  return p;
}

void bench_must(tn_status status, tn_error *const *error) {
  if (status == TN_OK) return;
  fprintf(stderr, "tenon-bench: %s\n", error && *error ? tn_error_text(*error) : tn_status_name(status));
  exit(1);
}
