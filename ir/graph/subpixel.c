/* subpixel.c -- a transposed convolution in strides is a convolution of small images, whose channels become pixels.
 *
 *     y = conv_transpose(x, w) {strides = s}    w constant, (c, m, k..), where every k is a multiple t * s of its stride
 *       ->
 *     z = conv(x, w')                           w' (s.. * m, c, t..), the taps turned around
 *     y = slice(pixels of z)                    z (n, s.. * m, h..) -> (n, h, s, .., m) -> (n, m, h * s, ..)
 *
 * Each result takes part in as many products as there are, and no step asks which of its taps meet an element. The
 * channels are moved behind the image and back by transposes, which are none where images have the channels last
 * (channels.c). With several taps t, elements are added up in another order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { MOST_DIMS = (TN_MAX_RANK - 2) / 2, MOST_IN = 3 };

/* A graph under way; what failed first ends it. */
typedef struct expander {
  tni_gcopy *c;
  tn_status status;
  tn_error **err;
} expander;

/* What a node is: its window, and how many taps each result has. */
typedef struct shape {
  tni_window w;
  int64_t images, in, out; /* pictures; channels */
  int64_t taps[MOST_DIMS];
} shape;

/* Values with their dimensions. */
typedef struct extents {
  int32_t rank;
  int64_t at[TN_MAX_RANK];
} extents;

static void add_extent(extents *e, int64_t extent) { e->at[e->rank++] = extent; }

/* ---- what it is -------------------------------------------------------------------------------------------------- */

static bool is_constant(const tn_graph *g, uint32_t value) {
  return value != TNI_NO_VALUE && g->values[value].data && tn_type_bytes(g->values[value].type) > 0;
}

/* A node that becomes a convolution. */
static bool is_expanded(const tn_graph *g, const tni_gnode *n, shape *s) {
  char reason[256];
  if (!n->op || strcmp(n->op->name, "conv_transpose") != 0 || !is_constant(g, n->inputs[1])) return false;
  const tni_gvalue *x = &g->values[n->inputs[0]], *w = &g->values[n->inputs[1]];
  int32_t dims = w->rank - 2;
  bool biased = n->input_count > 2 && n->inputs[2] != TNI_NO_VALUE;
  if (tni_attr_int(n, "group", 1) != 1 || dims < 1 || dims > MOST_DIMS || (biased && !is_constant(g, n->inputs[2])))
    return false;
  if (!tni_transposed_window(n, dims, x->shape + 2, w->shape + 2, &s->w, reason)) return false;
  s->images = x->shape[0], s->in = w->shape[0], s->out = w->shape[1];
  int64_t pixels = 1;
  for (int32_t d = 0; d < dims; d++) {
    s->taps[d] = s->w.kernel[d] / s->w.stride[d];
    pixels *= s->w.stride[d];
    if (s->w.kernel[d] % s->w.stride[d] || s->w.dilation[d] != 1) return false;
    if (s->w.begin[d] + s->w.out[d] > s->w.stride[d] * (s->w.in[d] + s->taps[d] - 1)) return false;
  }
  return pixels > 1 && s->images * s->in * s->out > 0;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static uint32_t emit(expander *q, const char *op, uint32_t count, const uint32_t *in, uint32_t attr_count,
                     const tni_attr *attrs, const char *name) {
  uint32_t out = TNI_NO_VALUE;
  if (!q->status)
    q->status = tni_g_node(q->c->b, tni_gop_find(op), NULL, count, in, attr_count, attrs, 1, &name, &out, q->err);
  return out;
}

static tni_attr ints(const char *name, const extents *e) {
  return (tni_attr){.name = name, .kind = TNI_ATTR_INTS, .ints = e->at, .count = e->rank};
}

static uint32_t emit_one(expander *q, const char *op, const char *attr, const extents *e, uint32_t in, const char *name) {
  tni_attr a = ints(attr, e);
  return emit(q, op, 1, &in, 1, &a, name);
}

static uint32_t copied(expander *q, uint32_t old) {
  uint32_t out = TNI_NO_VALUE;
  if (!q->status) q->status = tni_gcopy_value(q->c, old, &out, q->err);
  return out;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* The taps that follow each other in steps of the stride, the last one first. */
static uint32_t turned(expander *q, const shape *s, uint32_t w) {
  extents axes = {0}, starts = {0}, ends = {0}, steps = {0};
  for (int32_t d = 0; d < s->w.dims; d++) {
    if (s->taps[d] == 1) continue;
    add_extent(&axes, 2 + 2 * d);
    add_extent(&starts, s->taps[d] - 1);
    add_extent(&ends, INT64_MIN);
    add_extent(&steps, -1);
  }
  const tni_attr attrs[] = {ints("axes", &axes), ints("ends", &ends), ints("starts", &starts), ints("steps", &steps)};
  return axes.rank ? emit(q, "slice", 1, &w, TNI_COUNT(attrs), attrs, NULL) : w;
}

/* (c, m, k..) -> (c, m, t, s, ..) -> (s.., m, c, t..) -> (s.. * m, c, t..). */
static uint32_t weights(expander *q, const shape *s, uint32_t old) {
  int32_t dims = s->w.dims;
  int64_t channels = s->out;
  extents apart = {0}, order = {0}, made = {0};
  add_extent(&apart, s->in);
  add_extent(&apart, s->out);
  for (int32_t d = 0; d < dims; d++) {
    add_extent(&apart, s->taps[d]);
    add_extent(&apart, s->w.stride[d]);
    add_extent(&order, 3 + 2 * d);
    channels *= s->w.stride[d];
  }
  add_extent(&order, 1);
  add_extent(&order, 0);
  add_extent(&made, channels);
  add_extent(&made, s->in);
  for (int32_t d = 0; d < dims; d++) {
    add_extent(&order, 2 + 2 * d);
    add_extent(&made, s->taps[d]);
  }
  uint32_t w = turned(q, s, emit_one(q, "reshape", "shape", &apart, copied(q, old), NULL));
  return emit_one(q, "reshape", "shape", &made, emit_one(q, "transpose", "perm", &order, w, NULL), NULL);
}

/* (m) -> (s.. * m): each pixel has it. */
static uint32_t bias(expander *q, const shape *s, uint32_t old) {
  extents row = {.rank = 2, .at = {1, s->out}}, wide = {.rank = 2, .at = {1, s->out}}, flat = {.rank = 1};
  for (int32_t d = 0; d < s->w.dims; d++) wide.at[0] *= s->w.stride[d];
  flat.at[0] = wide.at[0] * s->out;
  uint32_t b = emit_one(q, "expand", "shape", &wide, emit_one(q, "reshape", "shape", &row, copied(q, old), NULL), NULL);
  return emit_one(q, "reshape", "shape", &flat, b, NULL);
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

static uint32_t convolved(expander *q, const tni_gnode *n, const shape *s) {
  extents pads = {0};
  bool biased = n->input_count > 2 && n->inputs[2] != TNI_NO_VALUE;
  for (int32_t d = 0; d < 2 * s->w.dims; d++) add_extent(&pads, s->taps[d % s->w.dims] - 1);
  const tni_attr attr = ints("pads", &pads);
  uint32_t in[MOST_IN] = {copied(q, n->inputs[0]), weights(q, s, n->inputs[1])};
  if (biased) in[2] = bias(q, s, n->inputs[2]);
  return emit(q, "conv", 2 + biased, in, 1, &attr, NULL);
}

/* (n, s.. * m, h..) -> (n, h.., s.. * m) -> (n, h.., s.., m) -> (n, h, s, .., m) -> (n, h * s, .., m). */
static uint32_t pixels(expander *q, const shape *s, uint32_t z) {
  int32_t dims = s->w.dims;
  extents last = {0}, apart = {0}, order = {0}, made = {0};
  add_extent(&last, 0);
  add_extent(&order, 0);
  add_extent(&apart, s->images);
  add_extent(&made, s->images);
  for (int32_t d = 0; d < dims; d++) {
    int64_t extent = s->w.in[d] + s->taps[d] - 1;
    add_extent(&last, 2 + d);
    add_extent(&apart, extent);
    add_extent(&order, 1 + d);
    add_extent(&order, 1 + dims + d);
    add_extent(&made, extent * s->w.stride[d]);
  }
  for (int32_t d = 0; d < dims; d++) add_extent(&apart, s->w.stride[d]);
  add_extent(&last, 1);
  add_extent(&apart, s->out);
  add_extent(&order, 1 + 2 * dims);
  add_extent(&made, s->out);
  z = emit_one(q, "reshape", "shape", &apart, emit_one(q, "transpose", "perm", &last, z, NULL), NULL);
  return emit_one(q, "reshape", "shape", &made, emit_one(q, "transpose", "perm", &order, z, NULL), NULL);
}

/* What is left of them, with the channels last. */
static uint32_t cut(expander *q, const shape *s, uint32_t y) {
  extents axes = {0}, starts = {0}, ends = {0};
  for (int32_t d = 0; d < s->w.dims; d++) {
    if (s->w.out[d] == s->w.stride[d] * (s->w.in[d] + s->taps[d] - 1)) continue;
    add_extent(&axes, 1 + d);
    add_extent(&starts, s->w.begin[d]);
    add_extent(&ends, s->w.begin[d] + s->w.out[d]);
  }
  const tni_attr attrs[] = {ints("axes", &axes), ints("ends", &ends), ints("starts", &starts)};
  return axes.rank ? emit(q, "slice", 1, &y, TNI_COUNT(attrs), attrs, NULL) : y;
}

static tn_status expand(expander *q, const tni_gnode *n, const shape *s) {
  extents first = {.rank = 2, .at = {0, 1 + s->w.dims}};
  for (int32_t d = 0; d < s->w.dims; d++) add_extent(&first, 1 + d);
  uint32_t y = cut(q, s, pixels(q, s, convolved(q, n, s)));
  q->c->map[n->outputs[0]] = emit_one(q, "transpose", "perm", &first, y, q->c->from->values[n->outputs[0]].name);
  return q->status;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

static bool is_one(const tni_grewriter *r, const tni_gnode *n) {
  shape s;
  return is_expanded(r->by.g, n, &s);
}

static tn_status add(tni_grewriter *r, const tni_gnode *n, tn_error **err) {
  expander q = {.c = &r->c, .err = err};
  shape s;
  is_expanded(r->by.g, n, &s);
  return expand(&q, n, &s);
}

tn_status tni_graph_subpixel(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  return tni_graph_rewrite(g, to, &(tni_grewrite){is_one, add}, out, err);
}
