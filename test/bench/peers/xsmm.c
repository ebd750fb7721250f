/* xsmm.c -- libxsmm, f32: a kernel of its own for the whole shape, where it makes one.
 *
 * Its matrices are column major: C' = B' A', so the operands change places.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "../bench.h"

typedef void kernel(const float *a, const float *b, float *c);
typedef kernel *dispatch(int m, int n, int k, const int *lda, const int *ldb, const int *ldc, const float *alpha,
                         const float *beta, const int *flags, const int *prefetch);

static dispatch *make;
static bool single; /* its kernels know one thread only */

static bool open_xsmm(const char *folder, int threads) {
  void *library = bench_open(folder, (const char *const[]){"libxsmm.so", "libxsmm.so.1", NULL});
  single = threads == 1;
  make = library ? (dispatch *)dlsym(library, "libxsmm_smmdispatch") : NULL;
  return make != NULL;
}

typedef struct made {
  kernel *run;
  const bench_gemm *g;
} made;

static void *prepare(const void *operands) {
  const bench_gemm *g = operands;
  int m = (int)g->n, n = (int)g->m, k = (int)g->k;
  float alpha = 1, beta = 0;
  kernel *run = single ? make(m, n, k, &m, &k, &m, &alpha, &beta, NULL, NULL) : NULL;
  if (!run) return NULL;
  made *p = bench_alloc(sizeof *p);
  *p = (made){run, g};
  return p;
}

static void run(void *prepared) {
  const made *p = prepared;
  p->run(p->g->b, p->g->a, p->g->c);
}

const bench_peer bench_xsmm_peers[] = {{"libxsmm", true, open_xsmm, prepare, run, NULL, free, ON_F32}, {0}};
