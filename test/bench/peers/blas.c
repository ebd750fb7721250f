/* blas.c -- OpenBLAS, BLIS and MKL: cblas_sgemm; MKL also with B packed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "../bench.h"

enum { ROW_MAJOR = 101, NO_TRANS = 111, PACKED = 151, B_MATRIX = 162 };

typedef void sgemm(int layout, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                   const float *b, int ldb, float beta, float *c, int ldc);
typedef size_t sgemm_pack_get_size(int which, int m, int n, int k);
typedef void sgemm_pack(int layout, int which, int trans, int m, int n, int k, float alpha, const float *from, int ld,
                        float *to);
typedef void sgemm_compute(int layout, int trans_a, int trans_b, int m, int n, int k, const float *a, int lda,
                           const float *b, int ldb, float beta, float *c, int ldc);

static sgemm *openblas, *blis, *mkl;
static sgemm_pack_get_size *mkl_pack_size;
static sgemm_pack *mkl_pack;
static sgemm_compute *mkl_compute;

static bool find(const char *folder, const char *const *names, sgemm **out) {
  void *library = bench_open(folder, names);
  *out = library ? (sgemm *)dlsym(library, "cblas_sgemm") : NULL;
  return *out != NULL;
}

static bool open_openblas(const char *folder, int threads) {
  (void)threads;
  return find(folder, (const char *const[]){"libopenblas.so.0", NULL}, &openblas);
}

static bool open_blis(const char *folder, int threads) {
  (void)threads;
  return find(folder, (const char *const[]){"libblis.so.4", NULL}, &blis);
}

static const char *const mkl_names[] = {"libmkl_rt.so.3", "libmkl_rt.so.2", NULL};

static bool open_mkl(const char *folder, int threads) {
  (void)threads;
  return find(folder, mkl_names, &mkl);
}

static bool open_mkl_packed(const char *folder, int threads) {
  void *library = bench_open(folder, mkl_names);
  (void)threads;
  if (!library) return false;
  mkl_pack_size = (sgemm_pack_get_size *)dlsym(library, "cblas_sgemm_pack_get_size");
  mkl_pack = (sgemm_pack *)dlsym(library, "cblas_sgemm_pack");
  mkl_compute = (sgemm_compute *)dlsym(library, "cblas_sgemm_compute");
  return mkl_pack_size && mkl_pack && mkl_compute;
}

static void *prepare(const bench_gemm *g) { return (void *)(uintptr_t)g; }
static void drop(void *prepared) { (void)prepared; }

static void multiply(sgemm *with, const bench_gemm *g) {
  int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  with(ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1, g->a, k, g->b, n, 0, g->c, n);
}

static void run_openblas(void *g) { multiply(openblas, g); }
static void run_blis(void *g) { multiply(blis, g); }
static void run_mkl(void *g) { multiply(mkl, g); }

typedef struct packed {
  const bench_gemm *g;
  float *b;
} packed;

static void *prepare_packed(const bench_gemm *g) {
  packed *p = bench_alloc(sizeof *p);
  int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  p->g = g;
  p->b = bench_alloc(mkl_pack_size(B_MATRIX, m, n, k));
  mkl_pack(ROW_MAJOR, B_MATRIX, NO_TRANS, m, n, k, 1, g->b, n, p->b);
  return p;
}

static void run_packed(void *prepared) {
  const packed *p = prepared;
  const bench_gemm *g = p->g;
  int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  mkl_compute(ROW_MAJOR, NO_TRANS, PACKED, m, n, k, g->a, k, p->b, n, 0, g->c, n);
}

static void drop_packed(void *prepared) {
  packed *p = prepared;
  free(p->b);
  free(p);
}

const bench_peer bench_blas_peers[] = {
    {"openblas", true, false, open_openblas, prepare, run_openblas, drop},
    {"blis", true, false, open_blis, prepare, run_blis, drop},
    {"mkl", true, false, open_mkl, prepare, run_mkl, drop},
    {"mkl-packed", true, true, open_mkl_packed, prepare_packed, run_packed, drop_packed},
    {0},
};
