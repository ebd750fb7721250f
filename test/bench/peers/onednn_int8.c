/* onednn_int8.c -- oneDNN's quantized convolution and product: u8 by s8 with scales, biased, to u8; layouts as it likes.
 *
 * Scales are numbers that it reads when it runs; the bias is in the numbers that are quantized, not in steps of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "onednn.h"

enum { FORWARD_INFERENCE = 96, AUTO = 3, BIAS = 41, SCALES = 4096, F32 = 3, S8 = 5, U8 = 6 };

typedef onednn_handle handle;

/* An operand as others have it, and as the primitive has it. */
typedef struct operand {
  handle plain_desc, plain, desc, memory;
} operand;

typedef struct layer {
  handle attr, how, primitive;
  operand x, w, y;
  handle lists[4]; /* the bias, and scales of x, w and y */
  float *bias;
  bool product; /* it has no bias */
} layer;

/* Descriptions of an operand, of those strides, and of "any" layout of it. */
static handle describe(operand *o, int type, int rank, const int64_t *shape, const int64_t *strides) {
  handle out = NULL;
  dnnl.memory_desc_create_with_strides(&o->plain_desc, rank, shape, type, strides);
  dnnl.memory_desc_create_with_tag(&out, rank, shape, type, ONEDNN_ANY);
  return out;
}

static bool place(layer *p, operand *o, const void *data, int query, bool fill) {
  o->desc = dnnl.primitive_desc_query_md(p->how, query, 0);
  return !dnnl.memory_create(&o->plain, o->plain_desc, onednn_engine, (void *)(uintptr_t)data) &&
         !dnnl.memory_create(&o->memory, o->desc, onednn_engine, (void *)-1) && /* oneDNN allocates */
         (!fill || onednn_reorder(o->plain_desc, o->plain, o->desc, o->memory));
}

static bool make_list(handle *out, const float *data, int64_t count) {
  handle desc = onednn_plain(F32, 1, &count);
  bool good = !dnnl.memory_create(out, desc, onednn_engine, (void *)(uintptr_t)data);
  dnnl.memory_desc_destroy(desc);
  return good;
}

static void drop_operand(operand *o) {
  if (o->memory) dnnl.memory_destroy(o->memory);
  if (o->plain) dnnl.memory_destroy(o->plain);
  if (o->plain_desc) dnnl.memory_desc_destroy(o->plain_desc);
}

static void drop(void *prepared) {
  layer *p = prepared;
  drop_operand(&p->x);
  drop_operand(&p->w);
  drop_operand(&p->y);
  for (int i = 0; i < 4; i++)
    if (p->lists[i]) dnnl.memory_destroy(p->lists[i]);
  if (p->primitive) dnnl.primitive_destroy(p->primitive);
  if (p->how) dnnl.primitive_desc_destroy(p->how);
  if (p->attr) dnnl.primitive_attr_destroy(p->attr);
  free(p->bias);
  free(p);
}

static bool describe_conv(layer *p, const bench_int8 *g) {
  int64_t k = g->kernel, own = g->in / g->groups, depth = own * k * k;
  bool grouped = g->groups > 1;
  int64_t weights[] = {g->groups, g->out / g->groups, own, k, k}, steps[] = {g->out / g->groups * depth, depth, k * k, k, 1};
  int64_t strides[] = {g->stride, g->stride}, none[] = {0, 0}, pads[] = {g->pad, g->pad};
  handle x = describe(&p->x, U8, 4, (int64_t[]){1, g->in, g->rows, g->columns},
                      (int64_t[]){g->rows * g->columns * g->in, 1, g->columns * g->in, g->in});
  handle w = describe(&p->w, S8, 4 + grouped, weights + !grouped, steps + !grouped), b = onednn_plain(F32, 1, &g->out);
  handle y = describe(&p->y, U8, 4, (int64_t[]){1, g->out, g->y_rows, g->y_columns},
                      (int64_t[]){g->y_rows * g->y_columns * g->out, 1, g->y_columns * g->out, g->out});
  bool good = !dnnl.primitive_attr_set_scales_mask(p->attr, ONEDNN_WEIGHTS, grouped ? 3 : 1) &&
              !dnnl.convolution_forward_primitive_desc_create(&p->how, onednn_engine, FORWARD_INFERENCE, AUTO, x, w, b,
                                                              y, strides, none, pads, pads, p->attr);
  for (int i = 0; i < 4; i++) dnnl.memory_desc_destroy((handle[]){x, w, b, y}[i]);
  return good;
}

static bool describe_product(layer *p, const bench_int8 *g) {
  handle x = describe(&p->x, U8, 2, (int64_t[]){g->rows, g->in}, (int64_t[]){g->in, 1});
  handle w = describe(&p->w, S8, 2, (int64_t[]){g->in, g->out}, (int64_t[]){1, g->in});
  handle y = describe(&p->y, U8, 2, (int64_t[]){g->rows, g->out}, (int64_t[]){g->out, 1});
  bool good = !dnnl.primitive_attr_set_scales_mask(p->attr, ONEDNN_WEIGHTS, 2) &&
              !dnnl.matmul_primitive_desc_create(&p->how, onednn_engine, x, w, NULL, y, p->attr);
  for (int i = 0; i < 3; i++) dnnl.memory_desc_destroy((handle[]){x, w, y}[i]);
  return good;
}

static bool make_lists(layer *p, const bench_int8 *g) {
  p->bias = bench_alloc((size_t)g->out * sizeof *p->bias);
  for (int64_t m = 0; m < g->out; m++)
    p->bias[m] = (float)((double)g->bias[m] * (double)g->x_scale * (double)g->w_scales[m]);
  return make_list(&p->lists[0], p->bias, g->out) && make_list(&p->lists[1], &g->x_scale, 1) &&
         make_list(&p->lists[2], g->w_scales, g->out) && make_list(&p->lists[3], &g->y_scale, 1);
}

static void *prepare(const void *operands) {
  const bench_int8 *g = operands;
  layer *p = bench_alloc(sizeof *p);
  p->product = g->product;
  bool good = !dnnl.primitive_attr_create(&p->attr) &&
              !dnnl.primitive_attr_set_scales_mask(p->attr, ONEDNN_SRC, 0) &&
              !dnnl.primitive_attr_set_scales_mask(p->attr, ONEDNN_DST, 0) &&
              (g->product ? describe_product : describe_conv)(p, g) && !dnnl.primitive_create(&p->primitive, p->how) &&
              place(p, &p->x, g->x, ONEDNN_QUERY_SRC, true) && place(p, &p->w, g->w, ONEDNN_QUERY_WEIGHTS, true) &&
              place(p, &p->y, g->y, ONEDNN_QUERY_DST, false) && make_lists(p, g);
  if (good) return p;
  drop(p);
  return NULL;
}

static void run(void *prepared) {
  layer *p = prepared;
  onednn_argument all[] = {{ONEDNN_SRC, p->x.memory},         {ONEDNN_WEIGHTS, p->w.memory},
                           {ONEDNN_DST, p->y.memory},         {SCALES | ONEDNN_SRC, p->lists[1]},
                           {SCALES | ONEDNN_WEIGHTS, p->lists[2]}, {SCALES | ONEDNN_DST, p->lists[3]},
                           {BIAS, p->lists[0]}};
  dnnl.primitive_execute(p->primitive, onednn_stream, p->product ? 6 : 7, all);
  dnnl.stream_wait(onednn_stream);
}

static void fetch(void *prepared) {
  layer *p = prepared;
  onednn_reorder(p->y.desc, p->y.memory, p->y.plain_desc, p->y.plain);
}

const bench_peer bench_onednn_int8_peers[] = {{"onednn", true, onednn_open, prepare, run, fetch, drop, 0}, {0}};
