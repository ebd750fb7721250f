/* blas.c -- OpenBLAS, BLIS and MKL: the products of their C interfaces; MKL also with B packed.
 *
 * f32 and f64 by cblas_sgemm and cblas_dgemm. Of MKL alone: bf16 and f16 into f32, u8 by s8 into s32; and a convolution
 * with one tap that takes all pixels, which is the product of the weights (packed) and the image.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "../bench.h"

enum { ROW_MAJOR = 101, NO_TRANS = 111, PACKED = 151, A_MATRIX = 161, B_MATRIX = 162, FIX_OFFSET = 173 };

typedef void sgemm(int layout, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                   const float *b, int ldb, float beta, float *c, int ldc);
typedef void dgemm(int layout, int trans_a, int trans_b, int m, int n, int k, double alpha, const double *a, int lda,
                   const double *b, int ldb, double beta, double *c, int ldc);
typedef void short_gemm(int layout, int trans_a, int trans_b, int m, int n, int k, float alpha, const void *a, int lda,
                        const void *b, int ldb, float beta, float *c, int ldc); /* and its form of packed B */
typedef void int_gemm(int layout, int trans_a, int trans_b, int offset, int m, int n, int k, float alpha, const void *a,
                      int lda, int8_t a_offset, const void *b, int ldb, int8_t b_offset, float beta, int32_t *c,
                      int ldc, const int32_t *c_offset); /* and its form of packed B */
typedef size_t pack_get_size(int which, int m, int n, int k);
typedef void spack(int layout, int which, int trans, int m, int n, int k, float alpha, const float *from, int ld,
                   void *to);
typedef void dpack(int layout, int which, int trans, int m, int n, int k, double alpha, const double *from, int ld,
                   void *to);
typedef void pack(int layout, int which, int trans, int m, int n, int k, const void *from, int ld, void *to);
typedef void scompute(int layout, int trans_a, int trans_b, int m, int n, int k, const float *a, int lda,
                      const void *b, int ldb, float beta, float *c, int ldc);
typedef void dcompute(int layout, int trans_a, int trans_b, int m, int n, int k, const double *a, int lda,
                      const void *b, int ldb, double beta, double *c, int ldc);

/* The products of one library; NULL: it has none of the type. */
typedef struct products {
  sgemm *s;
  dgemm *d;
  short_gemm *of_short[BENCH_TYPES];
  int_gemm *u8s8;
} products;

static products openblas, blis, mkl;
static struct {
  pack_get_size *size[BENCH_TYPES];
  spack *s;
  dpack *d;
  pack *other[BENCH_TYPES];
  scompute *compute_s;
  dcompute *compute_d;
  short_gemm *compute_short[BENCH_TYPES];
  int_gemm *compute_u8s8;
} mkl_packed;

#define FIND(library, to, name) (*(void **)&(to) = dlsym(library, name))

static bool find(const char *folder, const char *const *names, products *out) {
  void *library = bench_open(folder, names);
  return library && FIND(library, out->s, "cblas_sgemm") && FIND(library, out->d, "cblas_dgemm");
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
  void *library = bench_open(folder, mkl_names);
  (void)threads;
  return find(folder, mkl_names, &mkl) && FIND(library, mkl.of_short[BENCH_BF16], "cblas_gemm_bf16bf16f32") &&
         FIND(library, mkl.of_short[BENCH_F16], "cblas_gemm_f16f16f32") &&
         FIND(library, mkl.u8s8, "cblas_gemm_s8u8s32");
}

static bool open_mkl_packed(const char *folder, int threads) {
  void *l = bench_open(folder, mkl_names);
  (void)threads;
  return l && FIND(l, mkl_packed.size[BENCH_F32], "cblas_sgemm_pack_get_size") &&
         FIND(l, mkl_packed.size[BENCH_F64], "cblas_dgemm_pack_get_size") &&
         FIND(l, mkl_packed.size[BENCH_BF16], "cblas_gemm_bf16bf16f32_pack_get_size") &&
         FIND(l, mkl_packed.size[BENCH_F16], "cblas_gemm_f16f16f32_pack_get_size") &&
         FIND(l, mkl_packed.size[BENCH_U8S8], "cblas_gemm_s8u8s32_pack_get_size") &&
         FIND(l, mkl_packed.s, "cblas_sgemm_pack") && FIND(l, mkl_packed.d, "cblas_dgemm_pack") &&
         FIND(l, mkl_packed.other[BENCH_BF16], "cblas_gemm_bf16bf16f32_pack") &&
         FIND(l, mkl_packed.other[BENCH_F16], "cblas_gemm_f16f16f32_pack") &&
         FIND(l, mkl_packed.other[BENCH_U8S8], "cblas_gemm_s8u8s32_pack") &&
         FIND(l, mkl_packed.compute_s, "cblas_sgemm_compute") && FIND(l, mkl_packed.compute_d, "cblas_dgemm_compute") &&
         FIND(l, mkl_packed.compute_short[BENCH_BF16], "cblas_gemm_bf16bf16f32_compute") &&
         FIND(l, mkl_packed.compute_short[BENCH_F16], "cblas_gemm_f16f16f32_compute") &&
         FIND(l, mkl_packed.compute_u8s8, "cblas_gemm_s8u8s32_compute");
}

static void *prepare(const void *g) { return (void *)(uintptr_t)g; }
static void drop(void *prepared) { (void)prepared; }

static void multiply(const products *with, const bench_gemm *g) {
  int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  const int32_t zero = 0;
  switch (g->type) {
  case BENCH_F32: with->s(ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1, g->a, k, g->b, n, 0, g->c, n); break;
  case BENCH_F64: with->d(ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1, g->a, k, g->b, n, 0, g->c, n); break;
  case BENCH_BF16:
  case BENCH_F16:
    with->of_short[g->type](ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1, g->a, k, g->b, n, 0, g->c, n);
    break;
  default:
    with->u8s8(ROW_MAJOR, NO_TRANS, NO_TRANS, FIX_OFFSET, m, n, k, 1, g->a, k, 0, g->b, n, 0, 0, g->c, n, &zero);
  }
}

static void run_openblas(void *g) { multiply(&openblas, g); }
static void run_blis(void *g) { multiply(&blis, g); }
static void run_mkl(void *g) { multiply(&mkl, g); }

typedef struct packed {
  const bench_gemm *g;
  void *b;
} packed;

static void *prepare_packed(const void *operands) {
  const bench_gemm *g = operands;
  if (!g->constant) return NULL;
  packed *p = bench_alloc(sizeof *p);
  int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  p->g = g;
  p->b = bench_alloc(mkl_packed.size[g->type](B_MATRIX, m, n, k));
  switch (g->type) {
  case BENCH_F32: mkl_packed.s(ROW_MAJOR, B_MATRIX, NO_TRANS, m, n, k, 1, g->b, n, p->b); break;
  case BENCH_F64: mkl_packed.d(ROW_MAJOR, B_MATRIX, NO_TRANS, m, n, k, 1, g->b, n, p->b); break;
  default: mkl_packed.other[g->type](ROW_MAJOR, B_MATRIX, NO_TRANS, m, n, k, g->b, n, p->b);
  }
  return p;
}

static void run_packed(void *prepared) {
  const packed *p = prepared;
  const bench_gemm *g = p->g;
  int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  const int32_t zero = 0;
  switch (g->type) {
  case BENCH_F32: mkl_packed.compute_s(ROW_MAJOR, NO_TRANS, PACKED, m, n, k, g->a, k, p->b, n, 0, g->c, n); break;
  case BENCH_F64: mkl_packed.compute_d(ROW_MAJOR, NO_TRANS, PACKED, m, n, k, g->a, k, p->b, n, 0, g->c, n); break;
  case BENCH_BF16:
  case BENCH_F16:
    mkl_packed.compute_short[g->type](ROW_MAJOR, NO_TRANS, PACKED, m, n, k, 1, g->a, k, p->b, n, 0, g->c, n);
    break;
  default:
    mkl_packed.compute_u8s8(ROW_MAJOR, NO_TRANS, PACKED, FIX_OFFSET, m, n, k, 1, g->a, k, 0, p->b, n, 0, 0, g->c, n,
                            &zero);
  }
}

static void drop_packed(void *prepared) {
  packed *p = prepared;
  free(p->b);
  free(p);
}

const bench_peer bench_blas_peers[] = {
    {"openblas", true, open_openblas, prepare, run_openblas, NULL, drop, ON_F32 | ON_F64},
    {"blis", true, open_blis, prepare, run_blis, NULL, drop, ON_F32 | ON_F64},
    {"mkl", true, open_mkl, prepare, run_mkl, NULL, drop, ON_F32 | ON_F64 | ON_SHORT | ON_U8S8},
    {"mkl-packed", true, open_mkl_packed, prepare_packed, run_packed, NULL, drop_packed,
     ON_F32 | ON_F64 | ON_SHORT | ON_U8S8},
    {0},
};

/* ---- convolutions ---- */

typedef struct packed_weights {
  const bench_conv *g;
  int pixels;
  void *w;
} packed_weights;

static void *prepare_conv(const void *operands) {
  const bench_conv *g = operands;
  if (g->kernel[0] * g->kernel[1] * g->stride * g->groups > 1) return NULL;
  packed_weights *p = bench_alloc(sizeof *p);
  int m = (int)g->out, k = (int)g->in;
  p->g = g;
  p->pixels = (int)(g->size[0] * g->size[1]);
  p->w = bench_alloc(mkl_packed.size[BENCH_F32](A_MATRIX, m, p->pixels, k));
  mkl_packed.s(ROW_MAJOR, A_MATRIX, NO_TRANS, m, p->pixels, k, 1, g->w, k, p->w);
  return p;
}

static void run_conv(void *prepared) {
  const packed_weights *p = prepared;
  int k = (int)p->g->in, n = p->pixels;
  mkl_packed.compute_s(ROW_MAJOR, PACKED, NO_TRANS, (int)p->g->out, n, k, p->w, k, p->g->x, n, 0, p->g->y, n);
}

static void drop_conv(void *prepared) {
  packed_weights *p = prepared;
  free(p->w);
  free(p);
}

const bench_peer bench_blas_conv_peers[] = {
    {"mkl", true, open_mkl_packed, prepare_conv, run_conv, NULL, drop_conv, 0},
    {0},
};
