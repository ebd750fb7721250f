/* onednn.c -- oneDNN by its C interface: dnnl_sgemm, and the matmul primitive with B in the layout it likes best.
 *
 * The wheels' newest build runs its primitives through SYCL queues, which a plain CPU process has no device for; its sgemm
 * needs none. The primitive is that of a build for OpenMP. Enumerators are those of dnnl_types.h of version 3.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "../bench.h"

enum { CPU = 1, IN_ORDER = 1, ANY = 1, QUERY_WEIGHTS = 131, ARG_SRC = 1, ARG_DST = 17, ARG_WEIGHTS = 33 };
enum { ARG_FROM = ARG_SRC, ARG_TO = ARG_DST };

static const struct {
  int a, b, c;
} types[BENCH_TYPES] = {[BENCH_F32] = {3, 3, 3}, [BENCH_BF16] = {2, 2, 3}, [BENCH_F16] = {1, 1, 3},
                        [BENCH_U8S8] = {6, 5, 4}, [BENCH_S8S8] = {5, 5, 4}};

typedef void *handle; /* every object of oneDNN */
typedef struct argument {
  int which;
  handle memory;
} argument;

typedef int sgemm(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                  const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

static sgemm *newest_sgemm;
static handle engine, stream;
/* clang-format off */
static struct {
  int (*engine_create)(handle *, int, size_t);
  int (*stream_create)(handle *, handle, unsigned);
  int (*stream_wait)(handle);
  int (*memory_desc_create_with_tag)(handle *, int, const int64_t *, int, int);
  int (*memory_desc_create_with_strides)(handle *, int, const int64_t *, int, const int64_t *);
  int (*memory_desc_destroy)(handle);
  int (*memory_create)(handle *, handle, handle, void *);
  int (*memory_destroy)(handle);
  int (*matmul_primitive_desc_create)(handle *, handle, handle, handle, handle, handle, handle);
  int (*reorder_primitive_desc_create)(handle *, handle, handle, handle, handle, handle);
  handle (*primitive_desc_query_md)(handle, int, int);
  int (*primitive_desc_destroy)(handle);
  int (*primitive_create)(handle *, handle);
  int (*primitive_execute)(handle, handle, int, const argument *);
  int (*primitive_destroy)(handle);
} dnnl;
/* clang-format on */

static bool find_all(void *library) {
#define FIND(name) ((*(void **)&dnnl.name = dlsym(library, "dnnl_" #name)) != NULL)
  return FIND(engine_create) && FIND(stream_create) && FIND(stream_wait) && FIND(memory_desc_create_with_tag) &&
         FIND(memory_desc_create_with_strides) && FIND(memory_desc_destroy) && FIND(memory_create) &&
         FIND(memory_destroy) && FIND(matmul_primitive_desc_create) && FIND(reorder_primitive_desc_create) &&
         FIND(primitive_desc_query_md) && FIND(primitive_desc_destroy) && FIND(primitive_create) &&
         FIND(primitive_execute) && FIND(primitive_destroy);
#undef FIND
}

static bool open_sgemm(const char *folder, int threads) {
  void *library = bench_open(folder, (const char *const[]){"libdnnl.so.3", "libdnnl.so.2", NULL});
  (void)threads;
  newest_sgemm = library ? (sgemm *)dlsym(library, "dnnl_sgemm") : NULL;
  return newest_sgemm != NULL;
}

static void *prepare_sgemm(const bench_gemm *g) { return (void *)(uintptr_t)g; }
static void drop_sgemm(void *prepared) { (void)prepared; }
static void run_sgemm(void *prepared) {
  const bench_gemm *g = prepared;
  newest_sgemm('N', 'N', g->m, g->n, g->k, 1, g->a, g->k, g->b, g->n, 0, g->c, g->n);
}

static bool open_matmul(const char *folder, int threads) {
  void *library = bench_open(folder, (const char *const[]){"openmp/libdnnl.so.3", NULL});
  (void)threads;
  return library && find_all(library) && !dnnl.engine_create(&engine, CPU, 0) &&
         !dnnl.stream_create(&stream, engine, IN_ORDER);
}

typedef struct matmul {
  handle primitive, a, b, c;
} matmul;

static handle describe(int type, int64_t rows, int64_t columns) {
  handle desc = NULL;
  dnnl.memory_desc_create_with_strides(&desc, 2, (int64_t[]){rows, columns}, type, (int64_t[]){columns, 1});
  return desc;
}

/* B, or a copy in the layout of the description. */
static bool place_weights(const bench_gemm *g, handle plain, handle wanted, handle *out) {
  handle from = NULL, how = NULL, reorder = NULL;
  if (dnnl.memory_create(&from, plain, engine, (void *)(uintptr_t)g->b)) return false;
  if (!g->constant) {
    *out = from;
    return true;
  }
  bool good = !dnnl.memory_create(out, wanted, engine, (void *)-1) && /* oneDNN allocates */
              !dnnl.reorder_primitive_desc_create(&how, plain, engine, wanted, engine, NULL) &&
              !dnnl.primitive_create(&reorder, how) &&
              !dnnl.primitive_execute(reorder, stream, 2, (argument[]){{ARG_FROM, from}, {ARG_TO, *out}}) &&
              !dnnl.stream_wait(stream);
  if (reorder) dnnl.primitive_destroy(reorder);
  if (how) dnnl.primitive_desc_destroy(how);
  dnnl.memory_destroy(from);
  return good;
}

static void *prepare_matmul(const bench_gemm *g) {
  matmul *p = bench_alloc(sizeof *p);
  handle a = describe(types[g->type].a, g->m, g->k), b = describe(types[g->type].b, g->k, g->n);
  handle c = describe(types[g->type].c, g->m, g->n), any = NULL, how = NULL;
  dnnl.memory_desc_create_with_tag(&any, 2, (int64_t[]){g->k, g->n}, types[g->type].b, ANY);
  bool good = !dnnl.matmul_primitive_desc_create(&how, engine, a, g->constant ? any : b, NULL, c, NULL) &&
              !dnnl.primitive_create(&p->primitive, how) &&
              !dnnl.memory_create(&p->a, a, engine, (void *)(uintptr_t)g->a) &&
              !dnnl.memory_create(&p->c, c, engine, g->c) &&
              place_weights(g, b, dnnl.primitive_desc_query_md(how, QUERY_WEIGHTS, 0), &p->b);
  if (how) dnnl.primitive_desc_destroy(how);
  for (int i = 0; i < 4; i++) dnnl.memory_desc_destroy((handle[]){a, b, c, any}[i]);
  if (good) return p;
  free(p);
  return NULL;
}

static void run_matmul(void *prepared) {
  matmul *p = prepared;
  dnnl.primitive_execute(p->primitive, stream, 3, (argument[]){{ARG_SRC, p->a}, {ARG_WEIGHTS, p->b}, {ARG_DST, p->c}});
  dnnl.stream_wait(stream);
}

static void drop_matmul(void *prepared) {
  matmul *p = prepared;
  dnnl.primitive_destroy(p->primitive);
  dnnl.memory_destroy(p->a);
  dnnl.memory_destroy(p->b);
  dnnl.memory_destroy(p->c);
  free(p);
}

const bench_peer bench_onednn_peers[] = {
    {"onednn-sgemm", ON_F32, true, false, open_sgemm, prepare_sgemm, run_sgemm, drop_sgemm},
    {"onednn", ON_F32 | ON_SHORT | ON_INT8, true, false, open_matmul, prepare_matmul, run_matmul, drop_matmul},
    {0},
};
