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
/* Of that type, the same in every run: floats in -1..1, integers over all of their range. */
void bench_fill(tn_type type, void *to, size_t count, uint64_t seed);
/* Number i of an array of that type. */
double bench_number(tn_type type, const void *of, size_t i);
/* Of 64-byte alignment, touched; ends the program when there is no memory. */
void *bench_alloc(size_t bytes);
/* Ends the program with the error when there is one. */
void bench_must(tn_status status, tn_error *const *error);

/* ---- peers/: libraries, opened at run time ------------------------------------------------------------------------- */

/* The types of a product: of A, of B, and of C, in which the products are summed. */
enum bench_type { BENCH_F32, BENCH_F64, BENCH_BF16, BENCH_F16, BENCH_U8S8, BENCH_S8S8, BENCH_TYPES };
typedef struct bench_types {
  const char *name;
  tn_type a, b, c;
} bench_types;
extern const bench_types bench_type_table[BENCH_TYPES]; /* gemm.c */

/* C[m,n] = A[m,k] B[k,n], all row major without gaps; `constant`: B may be packed before the time runs. */
typedef struct bench_gemm {
  enum bench_type type;
  int64_t m, n, k;
  const void *a, *b;
  void *c;
  bool constant;
} bench_gemm;

/* One way of one library. prepare gives NULL when it cannot do the problem. */
enum { ON_F32 = 1 << BENCH_F32, ON_F64 = 1 << BENCH_F64, ON_SHORT = 1 << BENCH_BF16 | 1 << BENCH_F16 };
enum { ON_U8S8 = 1 << BENCH_U8S8, ON_INT8 = 1 << BENCH_U8S8 | 1 << BENCH_S8S8 };
typedef struct bench_peer {
  const char *name;
  unsigned types; /* the types it has a product for */
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
  enum bench_type type;
  const char *only;        /* part of a name, or NULL */
  const char *peer_folder; /* or NULL */
  const char *json, *svg;  /* files to write, or NULL */
} bench_options;

int bench_run_gemm(const bench_options *o);

#endif
