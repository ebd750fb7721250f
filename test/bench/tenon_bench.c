/* tenon_bench.c -- Tenon beside other libraries, in one process and in turn.
 *
 *     tenon-bench SUITE [--type T] [--rounds N] [--threads N] [--only TEXT] [--peers FOLDER] [--json FILE] [--svg FILE]
 *
 *     gemm      64 matrix products of real networks; of f32, f64, bf16, f16, u8s8 or s8s8
 *     conv      48 convolutions of real networks; of f32
 *     grouped   13 convolutions of groups of channels; of f32
 *     epilogue   8 products with what stands behind them, beside the bare products; of f32
 *     attention  8 attentions of real networks; of f32
 *     rnn       14 recurrent layers of real networks; of f32
 *     int8      25 quantized convolutions and products of real networks; of u8 by s8, quantized again
 *     norm, eltwise, reduce   single operators over memory; of f32
 *
 * The libraries are opened at run time: those of FOLDER (peers.sh makes one) or of the system. Threading libraries read
 * the environment when they are loaded, so the program starts itself anew with what they need.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static const struct {
  const char *name;
  int (*run)(const bench_options *o);
} suites[] = {{"gemm", bench_run_gemm}, {"conv", bench_run_conv},       {"epilogue", bench_run_epilogue},
              {"norm", bench_run_norm}, {"eltwise", bench_run_eltwise}, {"reduce", bench_run_reduce},
              {"attention", bench_run_attention}, {"rnn", bench_run_rnn}, {"int8", bench_run_int8},
              {"grouped", bench_run_grouped}};

static int usage(void) {
  fprintf(stderr, "usage: tenon-bench SUITE [--type f32|f64|bf16|f16|u8s8|s8s8] [--rounds N] [--threads N] [--only TEXT] "
                  "[--peers FOLDER] [--json FILE] [--svg FILE]\nsuites:");
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) fprintf(stderr, " %s", suites[i].name);
  fprintf(stderr, "\n");
  return 2;
}

/* One value for every threading library of a peer; the process keeps to as many processors. */
static void start_anew(const bench_options *o, char **argv) {
  static const char *const counts[] = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS",
                                       "MKL_NUM_THREADS"};
  char threads[16];
  if (getenv("TENON_BENCH")) return;
  snprintf(threads, sizeof threads, "%d", o->threads);
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) setenv(counts[i], threads, 1);
  setenv("MKL_THREADING_LAYER", o->threads == 1 ? "SEQUENTIAL" : "GNU", 1);
  setenv("KMP_BLOCKTIME", "1", 1); /* ms: nobody's threads spin on when it is another's turn */
  setenv("OPENBLAS_THREAD_TIMEOUT", "20", 1);
  setenv("GOMP_SPINCOUNT", "10000", 1);
#if defined(__x86_64__)
  if (__builtin_cpu_supports(
          "avx512f")) { /* their Debian versions take processors newer than they are for small ones */
    setenv("OPENBLAS_CORETYPE", "SKYLAKEX", 0);
    setenv("BLIS_ARCH_TYPE", "0", 0); /* skx of 0.9 */
  }
#endif
  setenv("ONEDNN_VERBOSE", "0", 1);
  setenv("TENON_BENCH", "1", 1);
  cpu_set_t have, want;
  CPU_ZERO(&want);
  if (sched_getaffinity(0, sizeof have, &have) == 0) {
    int left = o->threads;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && left > 0; cpu--) /* from the end: the first one has the interrupts */
      if (CPU_ISSET(cpu, &have)) CPU_SET(cpu, &want), left--;
    sched_setaffinity(0, sizeof want, &want);
  }
  execv("/proc/self/exe", argv);
}

static bool find_type(const char *name, enum bench_type *out) {
  for (int t = 0; t < BENCH_TYPES; t++)
    if (strcmp(bench_type_table[t].name, name) == 0) {
      *out = (enum bench_type)t;
      return true;
    }
  return false;
}

int main(int argc, char **argv) {
  bench_options o = {.rounds = 21, .threads = 1};
  if (argc < 2) return usage();
  for (int i = 2; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!value) return usage();
    if (strcmp(argv[i], "--type") == 0) {
      if (!find_type(value, &o.type)) return usage();
    } else if (strcmp(argv[i], "--rounds") == 0)
      o.rounds = atoi(value);
    else if (strcmp(argv[i], "--threads") == 0)
      o.threads = atoi(value);
    else if (strcmp(argv[i], "--only") == 0)
      o.only = value;
    else if (strcmp(argv[i], "--peers") == 0)
      o.peer_folder = value;
    else if (strcmp(argv[i], "--json") == 0)
      o.json = value;
    else if (strcmp(argv[i], "--svg") == 0)
      o.svg = value;
    else
      return usage();
  }
  if (o.rounds < 1 || o.rounds > MAX_ROUNDS || o.threads < 1) return usage();
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
    if (strcmp(argv[1], suites[i].name) == 0) {
      start_anew(&o, argv);
      return suites[i].run(&o);
    }
  return usage();
}
