/* bench.h -- the directory board of tenon-bench: contestants run in turn, ratios are of one round.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_BENCH_H
#define TN_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenon/tenon.h"

enum { MAX_ROUNDS = 501, MAX_PEERS = 16 };

/* ---- measure.c: clocks, peaks, statistics, memory ----------------------------------------------------------------- */

/* Seconds of this thread's processor time (one thread: what else runs drops out), or of the wall. */
double bench_now(bool wall);
/* GFLOP/s of about 2 ms of independent f32 multiply-adds in the widest vectors on one thread; 0: no loop for this CPU. */
double bench_peak_f32(void);
/* Sorts the values. */
double bench_median(double *values, int count);
/* Numbers in -1..1, the same in every run. */
void bench_fill(float *to, size_t count, uint64_t seed);
/* Of 64-byte alignment, touched; ends the program when there is no memory. */
void *bench_alloc(size_t bytes);
/* Ends the program with the error when there is one. */
void bench_must(tn_status status, tn_error *const *error);

/* ---- peers/: libraries, opened at run time ------------------------------------------------------------------------- */

/* C[m,n] = A[m,k] B[k,n], f32, all row major without gaps; `constant`: B may be packed before the time runs. */
typedef struct bench_gemm {
  int64_t m, n, k;
  const float *a, *b;
  float *c;
  bool constant;
} bench_gemm;

/* One way of one library. prepare gives NULL when it cannot do the problem. */
typedef struct bench_peer {
  const char *name;
  bool named; /* no mean without it */
  bool packs; /* meets only problems with a constant B */
  bool (*open)(const char *folder, int threads);
  void *(*prepare)(const bench_gemm *g);
  void (*run)(void *prepared);
  void (*drop)(void *prepared);
} bench_peer;

extern const bench_peer bench_blas_peers[], bench_onednn_peers[], bench_xsmm_peers[]; /* end with a row without name */
/* Opens one of the names (first in the folder, then where the system looks), with its symbols to itself; NULL: none. */
void *bench_open(const char *folder, const char *const *names);

/* ---- plot.c ------------------------------------------------------------------------------------------------------------ */

typedef struct bench_bar {
  const char *label;
  double ratio; /* over 1: Tenon is faster */
} bench_bar;
/* A drawing of the ratios, one bar each, on a logarithmic scale. */
bool bench_plot(const char *path, const char *title, const bench_bar *bars, size_t count);

/* ---- suites ------------------------------------------------------------------------------------------------------------- */

typedef struct bench_options {
  int rounds, threads;
  const char *only;        /* part of a name, or NULL */
  const char *peer_folder; /* or NULL */
  const char *json, *svg;  /* files to write, or NULL */
} bench_options;

int bench_run_gemm(const bench_options *o);

#endif
