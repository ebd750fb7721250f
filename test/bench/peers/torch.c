/* torch.c -- PyTorch's scaled_dot_product_attention for the CPU, by the C functions of its libraries.
 *
 * Of heads that share keys and values, the queries are put behind each other where nothing is causal; else keys and
 * values are repeated before the time runs, as PyTorch's own enable_gqa does within it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "../bench.h"

typedef void *tensor;
enum { FLOAT32 = 6, ON_CPU = 0 };

static struct {
  int (*create_tensor_from_blob)(void *, int64_t, const int64_t *, const int64_t *, int64_t, int32_t, int32_t, int32_t,
                                 tensor *);
  int (*delete_tensor_object)(tensor);
  int (*get_data_ptr)(tensor, void **);
  int (*get_strides)(tensor, int64_t **);
  int (*cpu__scaled_dot_product_flash_attention_for_cpu)(tensor, tensor, tensor, double, int32_t, tensor *, double *,
                                                         tensor *, tensor *);
  void (*grad_mode_set_enabled)(bool);
} torch;

static bool open_torch(const char *folder, int threads) {
  (void)threads; /* by OMP_NUM_THREADS */
  void *library = bench_open(folder, (const char *const[]){"torch/lib/libtorch_cpu.so", NULL});
#define FIND(name) ((*(void **)&torch.name = dlsym(library, "aoti_torch_" #name)) != NULL)
  if (!library || !FIND(create_tensor_from_blob) || !FIND(delete_tensor_object) || !FIND(get_data_ptr) ||
      !FIND(get_strides) || !FIND(cpu__scaled_dot_product_flash_attention_for_cpu) || !FIND(grad_mode_set_enabled))
    return false;
#undef FIND
  torch.grad_mode_set_enabled(false);
  return true;
}

typedef struct prepared {
  const bench_attention *g;
  tensor q, k, v, mask, y, sums;
  float *own_k, *own_v; /* repeated */
  double scale;
} prepared;

static tensor view(const float *data, int64_t batch, int64_t heads, int64_t rows, int64_t columns, bool each) {
  int64_t sizes[] = {batch, heads, rows, columns};
  int64_t strides[] = {each ? heads * rows * columns : 0, rows * columns, columns, 1};
  tensor t = NULL;
  if (torch.create_tensor_from_blob((void *)(uintptr_t)data, 4, sizes, strides, 0, FLOAT32, ON_CPU, 0, &t)) return NULL;
  return t;
}

static float *repeated(const bench_attention *g, const float *x) {
  size_t part = (size_t)(g->keys * g->size), heads = (size_t)(g->batch * g->heads),
         group = (size_t)(g->heads / g->kv_heads);
  float *y = bench_alloc(heads * part * sizeof *y);
  for (size_t h = 0; h < heads; h++) memcpy(y + h * part, x + h / group * part, part * sizeof *y);
  return y;
}

static void *prepare(const void *operands) {
  const bench_attention *g = operands;
  prepared *p = bench_alloc(sizeof *p);
  bool shared = g->heads != g->kv_heads, fold = shared && !g->causal && !g->mask;
  int64_t heads = fold ? g->kv_heads : g->heads, rows = fold ? g->heads / g->kv_heads * g->queries : g->queries;
  *p = (prepared){.g = g, .scale = g->scale};
  if (shared && !fold) p->own_k = repeated(g, g->k), p->own_v = repeated(g, g->v);
  p->q = view(g->q, g->batch, heads, rows, g->size, true);
  p->k = view(p->own_k ? p->own_k : g->k, g->batch, heads, g->keys, g->size, true);
  p->v = view(p->own_v ? p->own_v : g->v, g->batch, heads, g->keys, g->size, true);
  p->mask = g->mask ? view(g->mask, g->batch, g->heads, g->queries, g->keys, false) : NULL;
  return p;
}

static void drop_result(prepared *p) {
  if (p->y) torch.delete_tensor_object(p->y);
  if (p->sums) torch.delete_tensor_object(p->sums);
  p->y = p->sums = NULL;
}

static void run(void *self) {
  prepared *p = self;
  drop_result(p);
  torch.cpu__scaled_dot_product_flash_attention_for_cpu(p->q, p->k, p->v, 0, p->g->causal, p->mask ? &p->mask : NULL,
                                                        &p->scale, &p->y, &p->sums);
}

static void fetch(void *self) {
  prepared *p = self;
  const bench_attention *g = p->g;
  void *data = NULL;
  int64_t *strides;
  if (!p->y || torch.get_data_ptr(p->y, &data) || torch.get_strides(p->y, &strides)) return;
  bool fold = g->heads != g->kv_heads && !g->causal && !g->mask;
  int64_t heads = fold ? g->kv_heads : g->heads, rows = g->heads * g->queries / heads;
  for (int64_t b = 0; b < g->batch; b++)
    for (int64_t h = 0; h < heads; h++)
      for (int64_t r = 0; r < rows; r++)
        memcpy(g->y + ((b * heads + h) * rows + r) * g->size,
               (const float *)data + b * strides[0] + h * strides[1] + r * strides[2], (size_t)g->size * sizeof(float));
}

static void drop(void *self) {
  prepared *p = self;
  drop_result(p);
  torch.delete_tensor_object(p->q);
  torch.delete_tensor_object(p->k);
  torch.delete_tensor_object(p->v);
  if (p->mask) torch.delete_tensor_object(p->mask);
  free(p->own_k);
  free(p->own_v);
  free(p);
}

const bench_peer bench_torch_attention_peers[] = {{"PyTorch", true, open_torch, prepare, run, fetch, drop, 0}, {0}};
