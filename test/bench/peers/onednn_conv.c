/* onednn_conv.c -- oneDNN's convolution: images in the layout that it likes best, or plain; weights always as it likes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "onednn.h"

enum { FORWARD_INFERENCE = 96, AUTO = 3 };

typedef onednn_handle handle;

/* An operand as others have it, and as the primitive has it. */
typedef struct operand {
  handle plain_desc, plain, desc, memory;
} operand;

typedef struct conv {
  handle how, primitive;
  operand x, w, y;
} conv;

/* Descriptions of an operand and of "any" layout of it. */
static handle describe(operand *o, int rank, const int64_t *shape, bool any) {
  handle out = NULL;
  o->plain_desc = onednn_plain(ONEDNN_F32, rank, shape);
  if (any) dnnl.memory_desc_create_with_tag(&out, rank, shape, ONEDNN_F32, ONEDNN_ANY);
  return any ? out : onednn_plain(ONEDNN_F32, rank, shape);
}

static bool place(conv *p, operand *o, const float *data, int query, bool fill) {
  o->desc = dnnl.primitive_desc_query_md(p->how, query, 0);
  return !dnnl.memory_create(&o->plain, o->plain_desc, onednn_engine, (void *)(uintptr_t)data) &&
         !dnnl.memory_create(&o->memory, o->desc, onednn_engine, (void *)-1) && /* oneDNN allocates */
         (!fill || onednn_reorder(o->plain_desc, o->plain, o->desc, o->memory));
}

static void drop_operand(operand *o) {
  if (o->memory) dnnl.memory_destroy(o->memory);
  if (o->plain) dnnl.memory_destroy(o->plain);
  if (o->plain_desc) dnnl.memory_desc_destroy(o->plain_desc);
}

static void drop(void *prepared) {
  conv *p = prepared;
  drop_operand(&p->x);
  drop_operand(&p->w);
  drop_operand(&p->y);
  if (p->primitive) dnnl.primitive_destroy(p->primitive);
  if (p->how) dnnl.primitive_desc_destroy(p->how);
  free(p);
}

static void *prepare(const bench_conv *g, bool any) {
  conv *p = bench_alloc(sizeof *p);
  int64_t weights[] = {g->groups, g->out / g->groups, g->in / g->groups, g->kernel[0], g->kernel[1]};
  bool grouped = g->groups > 1;
  handle x = describe(&p->x, 4, (int64_t[]){1, g->in, g->size[0], g->size[1]}, any);
  handle w = describe(&p->w, 4 + grouped, weights + !grouped, true);
  handle y = describe(&p->y, 4, (int64_t[]){1, g->out, g->result[0], g->result[1]}, any);
  int64_t strides[] = {g->stride, g->stride}, none[] = {0, 0};
  bool good = !dnnl.convolution_forward_primitive_desc_create(&p->how, onednn_engine, FORWARD_INFERENCE, AUTO, x, w,
                                                              NULL, y, strides, none, g->pad, g->pad, NULL) &&
              !dnnl.primitive_create(&p->primitive, p->how) && place(p, &p->x, g->x, ONEDNN_QUERY_SRC, true) &&
              place(p, &p->w, g->w, ONEDNN_QUERY_WEIGHTS, true) && place(p, &p->y, g->y, ONEDNN_QUERY_DST, false);
  dnnl.memory_desc_destroy(x);
  dnnl.memory_desc_destroy(w);
  dnnl.memory_desc_destroy(y);
  if (good) return p;
  drop(p);
  return NULL;
}

static void *prepare_any(const void *g) { return prepare(g, true); }
static void *prepare_plain(const void *g) { return prepare(g, false); }

static void run(void *prepared) {
  conv *p = prepared;
  dnnl.primitive_execute(
      p->primitive, onednn_stream, 3,
      (onednn_argument[]){{ONEDNN_SRC, p->x.memory}, {ONEDNN_WEIGHTS, p->w.memory}, {ONEDNN_DST, p->y.memory}});
  dnnl.stream_wait(onednn_stream);
}

static void fetch(void *prepared) {
  conv *p = prepared;
  onednn_reorder(p->y.desc, p->y.memory, p->y.plain_desc, p->y.plain);
}

const bench_peer bench_onednn_conv_peers[] = {
    {"onednn", true, onednn_open, prepare_any, run, fetch, drop, 0},
    {"onednn-nchw", true, onednn_open, prepare_plain, run, fetch, drop, 0},
    {0},
};
