/* onednn_node.c -- oneDNN's primitives for single operators: softmax, norms, elementwise ones, reductions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "onednn.h"

enum { FORWARD_INFERENCE = 96, SCALE = 51, SHIFT = 52, SECOND = 2, USE_SCALE = 2, USE_SHIFT = 4 };

typedef onednn_handle handle;

/* Algorithms; the norms go by flags. */
static const struct {
  int algorithm;
  float alpha, beta;
} kinds[BENCH_OPS] = {
    [BENCH_SOFTMAX] = {0x30000, 0, 0}, [BENCH_LOG_SOFTMAX] = {0x30001, 0, 0}, [BENCH_GELU] = {0x31, 0, 0},
    [BENCH_GELU_TANH] = {0x2b, 0, 0}, [BENCH_SILU] = {0x2c, 1, 0}, [BENCH_HARD_SWISH] = {0x34, 1.0F / 6, 0.5F},
    [BENCH_TANH] = {0x21, 0, 0}, [BENCH_SIGMOID] = {0x29, 0, 0}, [BENCH_EXP] = {0x2a, 0, 0},
    [BENCH_RELU] = {0x20, 0, 0}, [BENCH_ADD] = {0x1fff0, 0, 0}, [BENCH_MAX] = {0x2fff2, 0, 0},
    [BENCH_SUM] = {0x2fff4, 0, 0}, [BENCH_MEAN] = {0x2fff6, 0, 0},
};

/* clang-format off */
static struct {
  int (*softmax_forward_primitive_desc_create)(handle *, handle, int, int, handle, handle, int, handle);
  int (*layer_normalization_forward_primitive_desc_create)(handle *, handle, int, handle, handle, handle, float, unsigned,
                                                           handle);
  int (*group_normalization_forward_primitive_desc_create)(handle *, handle, int, handle, handle, int64_t, float, unsigned,
                                                           handle);
  int (*eltwise_forward_primitive_desc_create)(handle *, handle, int, int, handle, handle, float, float, handle);
  int (*reduction_primitive_desc_create)(handle *, handle, int, handle, handle, float, float, handle);
  int (*binary_primitive_desc_create)(handle *, handle, int, handle, handle, handle, handle);
} more;
/* clang-format on */

/* Group norm came late: without it the others are there. */
static bool open_all(const char *folder, int threads) {
  void *library = bench_open(folder, (const char *const[]){"openmp/libdnnl.so.3", NULL});
#define FIND(name) ((*(void **)&more.name = dlsym(library, "dnnl_" #name)) != NULL)
  if (!library) return false;
  (void)FIND(group_normalization_forward_primitive_desc_create);
  return onednn_open(folder, threads) && FIND(softmax_forward_primitive_desc_create) &&
         FIND(layer_normalization_forward_primitive_desc_create) && FIND(eltwise_forward_primitive_desc_create) &&
         FIND(reduction_primitive_desc_create) && FIND(binary_primitive_desc_create);
#undef FIND
}

typedef struct node {
  handle how, primitive, x, w, b, y;
} node;

static bool describe(const bench_node *g, handle x, handle y, handle *how) {
  int algorithm = kinds[g->op].algorithm;
  float alpha = kinds[g->op].alpha, beta = kinds[g->op].beta;
  switch (g->op) {
  case BENCH_SOFTMAX:
  case BENCH_LOG_SOFTMAX:
    return !more.softmax_forward_primitive_desc_create(how, onednn_engine, FORWARD_INFERENCE, algorithm, x, y, g->axis,
                                                       NULL);
  case BENCH_LAYER_NORM:
    return !more.layer_normalization_forward_primitive_desc_create(how, onednn_engine, FORWARD_INFERENCE, x, y, NULL,
                                                                   BENCH_EPSILON, USE_SCALE | USE_SHIFT, NULL);
  case BENCH_GROUP_NORM:
    return more.group_normalization_forward_primitive_desc_create &&
           !more.group_normalization_forward_primitive_desc_create(how, onednn_engine, FORWARD_INFERENCE, x, y,
                                                                   g->shape[0], BENCH_EPSILON, USE_SCALE | USE_SHIFT,
                                                                   NULL);
  case BENCH_RMS_NORM: return false; /* of later versions */
  case BENCH_ADD: return !more.binary_primitive_desc_create(how, onednn_engine, algorithm, x, x, y, NULL);
  case BENCH_SUM:
  case BENCH_MEAN:
  case BENCH_MAX: return !more.reduction_primitive_desc_create(how, onednn_engine, algorithm, x, y, 0, 0, NULL);
  default:
    return !more.eltwise_forward_primitive_desc_create(how, onednn_engine, FORWARD_INFERENCE, algorithm, x, y, alpha,
                                                       beta, NULL);
  }
}

static void drop(void *prepared) {
  node *p = prepared;
  handle memories[] = {p->x, p->w, p->b, p->y};
  for (int i = 0; i < 4; i++)
    if (memories[i]) dnnl.memory_destroy(memories[i]);
  if (p->primitive) dnnl.primitive_destroy(p->primitive);
  if (p->how) dnnl.primitive_desc_destroy(p->how);
  free(p);
}

static bool place(handle *out, handle desc, const float *data) {
  return !data || !dnnl.memory_create(out, desc, onednn_engine, (void *)(uintptr_t)data);
}

static void *prepare(const void *operands) {
  const bench_node *g = operands;
  node *p = bench_alloc(sizeof *p);
  bool grouped = g->op == BENCH_GROUP_NORM;
  int64_t channels = grouped ? g->shape[0] * g->shape[1] : g->count;
  int64_t picture[] = {1, channels, g->shape[2], g->shape[3]};
  handle x = onednn_plain(ONEDNN_F32, g->rank, grouped ? picture : g->shape);
  handle y = onednn_plain(ONEDNN_F32, g->rank, grouped ? picture : g->result);
  handle w = g->op == BENCH_ADD ? onednn_plain(ONEDNN_F32, g->rank, g->shape) : onednn_plain(ONEDNN_F32, 1, &channels);
  bool good = describe(g, x, y, &p->how) && !dnnl.primitive_create(&p->primitive, p->how) && place(&p->x, x, g->x) &&
              place(&p->w, w, g->w) && place(&p->b, w, g->b) && place(&p->y, y, g->y);
  dnnl.memory_desc_destroy(x);
  dnnl.memory_desc_destroy(y);
  dnnl.memory_desc_destroy(w);
  if (good) return p;
  drop(p);
  return NULL;
}

static void run(void *prepared) {
  node *p = prepared;
  onednn_argument args[] = {{ONEDNN_SRC, p->x}, {ONEDNN_DST, p->y}, {p->b ? SCALE : SECOND, p->w}, {SHIFT, p->b}};
  dnnl.primitive_execute(p->primitive, onednn_stream, p->b ? 4 : p->w ? 3 : 2, args);
  dnnl.stream_wait(onednn_stream);
}

const bench_peer bench_onednn_node_peers[] = {
    {"onednn", true, open_all, prepare, run, NULL, drop, 0},
    {0},
};
