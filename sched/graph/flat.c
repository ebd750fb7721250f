/* flat.c -- pictures of which nobody looks at rows and columns are taken as rows of pixels.
 *
 *     y = conv(x, w)   one tap, steps of 1   ->   y' = conv(flat(x), flat(w));  y = picture(y')
 *     z = add(y, b)    pointwise             ->   z' = add(y', flat(b));        z = picture(z')
 *
 * flat: (n, c, h, w) -> (n, c, h * w), or with channels last (n, h, w, c) -> (n, h * w, c), and picture back: views, which are no code; for constants, the same contents. So
 * vectors of pixels go on from one row to the next, and a convolution of one tap is a product of matrices. A pointwise
 * node follows when the last of its operands to be made is flat, since that is whom fusion puts it with; or when such a
 * convolution alone reads it, and fusion could put it with no other. Convolutions that take what a window makes, row by
 * row, stay pictures (chained.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct flattener {
  tni_gcopy c;
  uint32_t *flat; /* by value of the old graph: the same as rows of pixels, or TNI_NO_VALUE */
  int8_t *made;   /* it was made so, not as a picture: the dimensions behind those of pixels, and 1; else 0 */
  int8_t *wanted; /* likewise, if whoever reads it takes it so; 0: nobody reads it; AS_PICTURE */
  bool *alone;    /* by node: pointwise, and fusion puts it with nobody who makes what it reads */
  bool *chained;  /* by node: a convolution of one tap that takes what a window makes, row by row */
} flattener;
enum { AS_PICTURE = -1, MOST_ATTRS = 16 };

/* ---- which nodes ---- */

/* A convolution over two dimensions or more that takes each pixel for itself. */
static bool is_per_pixel(const tn_graph *g, const tni_gnode *n) {
  if (!n->op || strcmp(n->op->name, "conv") != 0 || tni_attr_int(n, "oc_last", 0)) return false;
  const tni_gvalue *x = &g->values[n->inputs[0]], *w = &g->values[n->inputs[1]], *out = &g->values[n->outputs[0]];
  int32_t count;
  const int64_t *strides = tni_attr_ints(n, "strides", &count);
  for (int32_t i = 0; strides && i < count; i++)
    if (strides[i] != 1) return false;
  int32_t first = tni_attr_int(n, "channels_last", 0) ? 1 : 2;
  for (int32_t d = 0; d < x->rank - 2; d++) /* of the same size: there are no pads */
    if (w->shape[d + 2] != 1 || x->shape[d + first] != out->shape[d + first]) return false;
  return x->rank > 3;
}

/* The shape of a value with the dimensions of pixels of `like`, which are all but two, as one; so many are behind them.
 * False: it moves along some of them only. */
static bool flat_shape(const tni_gvalue *v, const tni_gvalue *like, int32_t behind, int32_t *rank, int64_t *shape) {
  int32_t dims = like->rank - 2, there = v->rank - behind, own = there < 0 ? 0 : there < dims ? there : dims;
  int64_t pixels = 1;
  bool all = own == dims, none = true;
  for (int32_t i = 1; i <= own; i++) {
    int64_t extent = v->shape[there - i];
    all &= extent == like->shape[like->rank - behind - i];
    none &= extent == 1;
    pixels *= extent;
  }
  *rank = v->rank - own + (own > 0);
  memcpy(shape, v->shape, sizeof *shape * (size_t)v->rank);
  if (own > 0) {
    shape[there - own] = pixels;
    memcpy(shape + there - own + 1, v->shape + there, sizeof *shape * (size_t)behind);
  }
  return all || none;
}

static bool is_pointwise(const tn_graph *g, const tni_gnode *n) {
  return n->op && n->op->kind == TNI_GOP_ELEMENTWISE && n->output_count == 1 && g->values[n->outputs[0]].rank > 3;
}

static bool can_be_flat(const tn_graph *g, const tni_gnode *n, int32_t behind) {
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  for (uint32_t i = 0; i < n->input_count; i++)
    if (n->inputs[i] != TNI_NO_VALUE &&
        !flat_shape(&g->values[n->inputs[i]], &g->values[n->outputs[0]], behind, &rank, shape))
      return false;
  return true;
}

/* A pointwise node behind one that is flat, or alone before one: how many dimensions are behind those of pixels; -1: it
 * stays as it is. */
static int32_t follows(const flattener *f, uint32_t node) {
  const tn_graph *g = f->c.from;
  const tni_gnode *n = &g->nodes[node];
  uint32_t last = TNI_NO_VALUE;
  if (!is_pointwise(g, n)) return -1;
  for (uint32_t i = 0; i < n->input_count; i++) {
    uint32_t value = n->inputs[i];
    if (value == TNI_NO_VALUE) continue;
    if (!g->values[value].data && (last == TNI_NO_VALUE || value > last)) last = value;
  }
  int32_t behind = last == TNI_NO_VALUE ? -1 : f->made[last] - 1;
  if (behind < 0 && f->alone[node]) behind = f->wanted[n->outputs[0]] - 1;
  return behind >= 0 && can_be_flat(g, n, behind) ? behind : -1;
}

/* ---- who wants what ---- */

/* Is it pointwise, and nobody makes what it reads with whom fusion would put it? */
static bool is_alone(const flattener *f, const tni_gnode *n, const uint32_t *maker, const uint32_t *readers) {
  const tn_graph *g = f->c.from;
  if (!is_pointwise(g, n)) return false;
  for (uint32_t i = 0; i < n->input_count; i++) {
    uint32_t value = n->inputs[i], by = value == TNI_NO_VALUE ? TNI_NO_VALUE : maker[value];
    if (by == TNI_NO_VALUE || readers[value] > 1) continue;
    if (!f->alone[by] && strcmp(g->nodes[by].op->name, "concat") != 0) return false;
  }
  return true;
}

static void want(flattener *f, uint32_t value, int8_t how) {
  if (value != TNI_NO_VALUE) f->wanted[value] = !f->wanted[value] || f->wanted[value] == how ? how : AS_PICTURE;
}

static void want_inputs(flattener *f, uint32_t node) {
  const tn_graph *g = f->c.from;
  const tni_gnode *n = &g->nodes[node];
  int8_t how = AS_PICTURE, of_out = n->output_count ? f->wanted[n->outputs[0]] : AS_PICTURE;
  if (f->alone[node] && of_out > 0 && can_be_flat(g, n, of_out - 1)) how = of_out;
  bool conv = is_per_pixel(g, n) && !f->chained[node];
  for (uint32_t i = 0; i < n->input_count; i++)
    want(f, n->inputs[i], conv && i == 0 ? (int8_t)(tni_attr_int(n, "channels_last", 0) != 0) + 1 : how);
}

/* From what is read last to what is made first. */
static tn_status find_wishes(flattener *f, const tn_target *target, tn_error **err) {
  const tn_graph *g = f->c.from;
  size_t bytes = 2 * (g->value_count + 1u) * sizeof(uint32_t);
  uint32_t *readers = tni_alloc_zero(f->c.to->ctx, bytes), *maker = readers ? readers + g->value_count + 1 : NULL;
  if (!readers) return tni_fail_nomem(err);
  memset(maker, 0xff, (g->value_count + 1u) * sizeof *maker);
  for (uint32_t i = 0; i < g->output_count; i++) readers[g->outputs[i]]++, want(f, g->outputs[i], AS_PICTURE);
  for (uint32_t i = 0; i < g->node_count; i++)
    for (uint32_t k = 0; k < g->nodes[i].input_count; k++)
      if (g->nodes[i].inputs[k] != TNI_NO_VALUE) readers[g->nodes[i].inputs[k]]++;
  for (uint32_t i = 0; i < g->node_count; i++) {
    f->alone[i] = is_alone(f, &g->nodes[i], maker, readers);
    for (uint32_t k = 0; k < g->nodes[i].output_count; k++)
      if (g->nodes[i].outputs[k] != TNI_NO_VALUE) maker[g->nodes[i].outputs[k]] = i;
    f->chained[i] = is_per_pixel(g, &g->nodes[i]) && tni_is_chained(g, &g->nodes[i], maker, readers, target);
  }
  for (uint32_t i = g->node_count; i-- > 0;) want_inputs(f, i);
  tni_free(f->c.to->ctx, readers, bytes);
  return TN_OK;
}

/* ---- values ---- */

static tn_status reshape(flattener *f, uint32_t value, const char *name, int32_t rank, const int64_t *shape,
                         uint32_t *out, tn_error **err) {
  tni_attr attr = {.name = "shape", .kind = TNI_ATTR_INTS, .ints = shape, .count = rank};
  return tni_g_node(f->c.b, tni_gop_find("reshape"), NULL, 1, &value, 1, &attr, 1, &name, out, err);
}

/* The value as it was. */
static tn_status picture(flattener *f, uint32_t old, uint32_t *out, tn_error **err) {
  const tni_gvalue *v = &f->c.from->values[old];
  tn_status status = TN_OK;
  if (f->c.map[old] == TNI_NO_VALUE) {
    if (f->flat[old] != TNI_NO_VALUE)
      status = reshape(f, f->flat[old], v->name, v->rank, v->shape, &f->c.map[old], err);
    else
      status = tni_gcopy_const(&f->c, old, &f->c.map[old], err);
  }
  *out = f->c.map[old];
  return status;
}

static bool has_shape(const tni_gvalue *v, int32_t rank, const int64_t *shape) {
  return v->rank == rank && memcmp(v->shape, shape, sizeof *shape * (size_t)rank) == 0;
}

/* The value with the dimensions of pixels of `like` as one. */
static tn_status flatten(flattener *f, uint32_t old, const tni_gvalue *like, int32_t behind, uint32_t *out,
                         tn_error **err) {
  const tni_gvalue *v = &f->c.from->values[old];
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  flat_shape(v, like, behind, &rank, shape);
  *out = f->flat[old];
  if (*out != TNI_NO_VALUE && has_shape(tni_g_get(f->c.b, *out), rank, shape)) return TN_OK;
  tn_status status = picture(f, old, out, err);
  if (status || has_shape(v, rank, shape)) return status;
  if (v->data) {
    *out = tni_g_const(f->c.b, NULL, v->type, rank, shape, tni_g_get(f->c.b, *out)->data);
    status = *out == TNI_NO_VALUE ? tni_gbuilder_check(f->c.b, err) : TN_OK;
  } else {
    status = reshape(f, *out, NULL, rank, shape, out, err);
  }
  if (!status && !f->made[old]) f->flat[old] = *out;
  return status;
}

/* ---- the pass ---- */

/* Of a convolution's attributes only these matter to one tap; and the images' weights have one dimension of taps. */
static tn_status add_flat(flattener *f, const tni_gnode *n, bool conv, int32_t behind, uint32_t *values,
                          tn_error **err) {
  const tn_graph *g = f->c.from;
  const tni_gvalue *out = &g->values[n->outputs[0]];
  const char *to = conv ? tni_attr_string(n, "to", NULL) : NULL;
  uint32_t kept_count = 1;
  tni_attr kept[3] = {{.name = "group", .kind = TNI_ATTR_INT, .i = tni_attr_int(n, "group", 1)}};
  if (behind) kept[kept_count++] = (tni_attr){.name = "channels_last", .kind = TNI_ATTR_INT, .i = 1};
  if (to) kept[kept_count++] = (tni_attr){.name = "to", .kind = TNI_ATTR_STRING, .string = to};
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < n->input_count && !status; i++) {
    uint32_t old = n->inputs[i];
    values[i] = old;
    if (old == TNI_NO_VALUE) continue;
    if (conv && i == 2)
      status = picture(f, old, &values[i], err);
    else
      status = flatten(f, old, conv && i == 1 ? &g->values[old] : out, conv && i == 1 ? 0 : behind, &values[i], err);
  }
  if (!status)
    status = tni_g_node(f->c.b, n->op, n->name, n->input_count, values, conv ? kept_count : n->attr_count,
                        conv ? kept : n->attrs, 1, NULL, &f->flat[n->outputs[0]], err);
  f->made[n->outputs[0]] = (int8_t)(behind + 1);
  return status;
}

/* Takes pictures. */
static tn_status add_as_it_was(flattener *f, const tni_gnode *n, tn_error **err) {
  tn_status status = TN_OK;
  uint32_t shown;
  for (uint32_t i = 0; i < n->input_count && !status; i++)
    if (n->inputs[i] != TNI_NO_VALUE) status = picture(f, n->inputs[i], &shown, err);
  return status ? status : tni_gcopy_node(&f->c, n, err);
}

/* With the attribute by which fusion knows it. */
static tn_status add_chained(flattener *f, const tni_gnode *n, tn_error **err) {
  tni_attr attrs[MOST_ATTRS + 1];
  tni_gnode noted = *n;
  if (n->attr_count > MOST_ATTRS) return add_as_it_was(f, n, err);
  memcpy(attrs, n->attrs, n->attr_count * sizeof *attrs);
  attrs[n->attr_count] = (tni_attr){.name = "chained", .kind = TNI_ATTR_INT, .i = 1};
  noted.attrs = attrs;
  noted.attr_count = n->attr_count + 1;
  return add_as_it_was(f, &noted, err);
}

static tn_status add_node(flattener *f, uint32_t node, tn_error **err) {
  tn_context *ctx = f->c.to->ctx;
  const tni_gnode *n = &f->c.from->nodes[node];
  if (f->chained[node]) return add_chained(f, n, err);
  bool conv = is_per_pixel(f->c.from, n);
  int32_t behind = conv ? tni_attr_int(n, "channels_last", 0) != 0 : follows(f, node);
  if (behind < 0) return add_as_it_was(f, n, err);
  size_t bytes = (n->input_count + 1u) * sizeof(uint32_t);
  uint32_t *values = tni_alloc(ctx, bytes);
  tn_status status = values ? add_flat(f, n, conv, behind, values, err) : tni_fail_nomem(err);
  tni_free(ctx, values, bytes);
  return status;
}

static tn_status add_all(flattener *f, const tn_target *target, const tn_graph **out, tn_error **err) {
  const tn_graph *g = f->c.from;
  uint32_t shown;
  tn_status status = find_wishes(f, target, err);
  memset(f->flat, 0xff, g->value_count * sizeof *f->flat);
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = add_node(f, i, err);
  for (uint32_t i = 0; i < g->output_count && !status; i++) status = picture(f, g->outputs[i], &shown, err);
  return status ? status : tni_gcopy_finish(&f->c, out, err);
}

static bool changes_anything(const tn_graph *g) {
  bool found = false;
  for (uint32_t i = 0; i < g->node_count; i++) {
    if (!g->nodes[i].op) return false; /* a graph with calls is fused already */
    found |= is_per_pixel(g, &g->nodes[i]);
  }
  return found;
}

tn_status tni_graph_flatten(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                            tn_error **err) {
  flattener f = {0};
  size_t count = g->value_count + 1, nodes = g->node_count + 1;
  *out = g;
  if (!changes_anything(g)) return TN_OK;
  tn_status status = tni_gcopy_begin(&f.c, g, to, err);
  if (status) return status;
  f.flat = tni_alloc(to->ctx, count * sizeof *f.flat);
  f.made = tni_alloc_zero(to->ctx, count * sizeof *f.made);
  f.wanted = tni_alloc_zero(to->ctx, count * sizeof *f.wanted);
  f.alone = tni_alloc_zero(to->ctx, nodes * sizeof *f.alone);
  f.chained = tni_alloc_zero(to->ctx, nodes * sizeof *f.chained);
  status = f.flat && f.made && f.wanted && f.alone && f.chained ? add_all(&f, target, out, err) : tni_fail_nomem(err);
  tni_free(to->ctx, f.chained, nodes * sizeof *f.chained);
  tni_free(to->ctx, f.alone, nodes * sizeof *f.alone);
  tni_free(to->ctx, f.wanted, count * sizeof *f.wanted);
  tni_free(to->ctx, f.flat, count * sizeof *f.flat);
  tni_free(to->ctx, f.made, count * sizeof *f.made);
  tni_gcopy_end(&f.c);
  return status;
}
