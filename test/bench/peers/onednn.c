/* onednn.c -- oneDNN by its C interface: dnnl_sgemm, and the matmul primitive with B in the layout it likes best.
 *
 * The wheels' newest build runs its primitives through SYCL queues, which a plain CPU process has no device for; its sgemm
 * needs none. The primitive is that of a build for OpenMP.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "onednn.h"

enum { CPU = 1, IN_ORDER = 1 };

static const struct {
  int a, b, c;
} types[BENCH_TYPES] = {[BENCH_F32] = {3, 3, 3}, [BENCH_BF16] = {2, 2, 3}, [BENCH_F16] = {1, 1, 3},
                        [BENCH_U8S8] = {6, 5, 4}, [BENCH_S8S8] = {5, 5, 4}};

typedef onednn_handle handle;

typedef int sgemm(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                  const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

static sgemm *newest_sgemm;
onednn_functions dnnl;
handle onednn_engine, onednn_stream;

static bool find_all(void *library) {
#define FIND(name) ((*(void **)&dnnl.name = dlsym(library, "dnnl_" #name)) != NULL)
  return FIND(engine_create) && FIND(stream_create) && FIND(stream_wait) && FIND(memory_desc_create_with_tag) &&
         FIND(memory_desc_create_with_strides) && FIND(memory_desc_destroy) && FIND(memory_create) &&
         FIND(memory_destroy) && FIND(matmul_primitive_desc_create) &&
         FIND(convolution_forward_primitive_desc_create) && FIND(reorder_primitive_desc_create) &&
         FIND(lstm_forward_primitive_desc_create) && FIND(gru_forward_primitive_desc_create) &&
         FIND(lbr_gru_forward_primitive_desc_create) &&
         FIND(primitive_desc_query_md) && FIND(primitive_desc_destroy) && FIND(primitive_attr_create) &&
         FIND(primitive_attr_set_scales_mask) && FIND(primitive_attr_destroy) && FIND(primitive_create) &&
         FIND(primitive_execute) && FIND(primitive_destroy);
#undef FIND
}

bool onednn_open(const char *folder, int threads) {
  void *library = bench_open(folder, (const char *const[]){"openmp/libdnnl.so.3", NULL});
  (void)threads;
  return library && find_all(library) && !dnnl.engine_create(&onednn_engine, CPU, 0) &&
         !dnnl.stream_create(&onednn_stream, onednn_engine, IN_ORDER);
}

handle onednn_plain(int type, int rank, const int64_t *shape) {
  handle desc = NULL;
  int64_t strides[8], step = 1;
  for (int d = rank - 1; d >= 0; step *= shape[d--]) strides[d] = step;
  dnnl.memory_desc_create_with_strides(&desc, rank, shape, type, strides);
  return desc;
}

bool onednn_reorder(handle from_desc, handle from, handle to_desc, handle to) {
  handle how = NULL, reorder = NULL;
  bool good =
      !dnnl.reorder_primitive_desc_create(&how, from_desc, onednn_engine, to_desc, onednn_engine, NULL) &&
      !dnnl.primitive_create(&reorder, how) &&
      !dnnl.primitive_execute(reorder, onednn_stream, 2, (onednn_argument[]){{ONEDNN_SRC, from}, {ONEDNN_DST, to}}) &&
      !dnnl.stream_wait(onednn_stream);
  if (reorder) dnnl.primitive_destroy(reorder);
  if (how) dnnl.primitive_desc_destroy(how);
  return good;
}

static bool open_sgemm(const char *folder, int threads) {
  void *library = bench_open(folder, (const char *const[]){"libdnnl.so.3", "libdnnl.so.2", NULL});
  (void)threads;
  newest_sgemm = library ? (sgemm *)dlsym(library, "dnnl_sgemm") : NULL;
  return newest_sgemm != NULL;
}

static void *prepare_sgemm(const void *g) { return (void *)(uintptr_t)g; }
static void drop_sgemm(void *prepared) { (void)prepared; }
static void run_sgemm(void *prepared) {
  const bench_gemm *g = prepared;
  newest_sgemm('N', 'N', g->m, g->n, g->k, 1, g->a, g->k, g->b, g->n, 0, g->c, g->n);
}

typedef struct matmul {
  handle primitive, a, b, c;
} matmul;

/* B, or a copy in the layout of the description. */
static bool place_weights(const bench_gemm *g, handle plain, handle wanted, handle *out) {
  handle from = NULL;
  if (dnnl.memory_create(&from, plain, onednn_engine, (void *)(uintptr_t)g->b)) return false;
  if (!g->constant) {
    *out = from;
    return true;
  }
  bool good = !dnnl.memory_create(out, wanted, onednn_engine, (void *)-1) && /* oneDNN allocates */
              onednn_reorder(plain, from, wanted, *out);
  dnnl.memory_destroy(from);
  return good;
}

static void drop_matmul(void *prepared) {
  matmul *p = prepared;
  if (p->primitive) dnnl.primitive_destroy(p->primitive);
  if (p->a) dnnl.memory_destroy(p->a);
  if (p->b) dnnl.memory_destroy(p->b);
  if (p->c) dnnl.memory_destroy(p->c);
  free(p);
}

static void *prepare_matmul(const void *operands) {
  const bench_gemm *g = operands;
  matmul *p = bench_alloc(sizeof *p);
  handle a = onednn_plain(types[g->type].a, 2, (int64_t[]){g->m, g->k});
  handle b = onednn_plain(types[g->type].b, 2, (int64_t[]){g->k, g->n});
  handle c = onednn_plain(types[g->type].c, 2, (int64_t[]){g->m, g->n}), any = NULL, how = NULL;
  dnnl.memory_desc_create_with_tag(&any, 2, (int64_t[]){g->k, g->n}, types[g->type].b, ONEDNN_ANY);
  bool good = !dnnl.matmul_primitive_desc_create(&how, onednn_engine, a, g->constant ? any : b, NULL, c, NULL) &&
              !dnnl.primitive_create(&p->primitive, how) &&
              !dnnl.memory_create(&p->a, a, onednn_engine, (void *)(uintptr_t)g->a) &&
              !dnnl.memory_create(&p->c, c, onednn_engine, g->c) &&
              place_weights(g, b, dnnl.primitive_desc_query_md(how, ONEDNN_QUERY_WEIGHTS, 0), &p->b);
  if (how) dnnl.primitive_desc_destroy(how);
  for (int i = 0; i < 4; i++) dnnl.memory_desc_destroy((handle[]){a, b, c, any}[i]);
  if (good) return p;
  drop_matmul(p);
  return NULL;
}

static void run_matmul(void *prepared) {
  matmul *p = prepared;
  dnnl.primitive_execute(p->primitive, onednn_stream, 3,
                         (onednn_argument[]){{ONEDNN_SRC, p->a}, {ONEDNN_WEIGHTS, p->b}, {ONEDNN_DST, p->c}});
  dnnl.stream_wait(onednn_stream);
}

const bench_peer bench_onednn_peers[] = {
    {"onednn-sgemm", true, open_sgemm, prepare_sgemm, run_sgemm, NULL, drop_sgemm, ON_F32},
    {"onednn", true, onednn_open, prepare_matmul, run_matmul, NULL, drop_matmul, ON_F32 | ON_SHORT | ON_INT8},
    {0},
};
