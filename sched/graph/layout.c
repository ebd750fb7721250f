/* layout.c -- constant weights stored in the order in which the target's vectors want them.
 *
 *     conv(x, w)   w constant, (m, c, taps...)   ->   conv(x, w') {oc_last = 1}   w' constant, (c, taps..., m)
 *
 * Then the lanes of a vector are output channels: weights are loaded as vectors, inputs broadcast. This is done where
 * vectors along the rows of the output are bad: rows that fill the last vector of each badly, or steps between neighbours
 * other than 1. The price is that results leave the registers with a stride, once for each sum; so sums must be long.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { LEAST_SUM = 96, LEAST_FILL = 70 /* per cent */, MAX_ATTRS = 16 };

/* How much of the vectors along an extent is used, in per cent. */
static int64_t fill(int64_t extent, int64_t lanes) { return 100 * extent / ((extent + lanes - 1) / lanes * lanes); }

static bool wants_oc_last(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  if (!node->op || strcmp(node->op->name, "conv") != 0 || tni_attr_int(node, "oc_last", 0)) return false;
  const tni_gvalue *w = &g->values[node->inputs[1]], *out = &g->values[node->outputs[0]];
  if (!w->data || w->type != TN_F32 || tni_attr_int(node, "group", 1) != 1) return false;
  int64_t sum = 1, lanes = target->vector_bits / 32;
  for (int32_t i = 1; i < w->rank; i++) sum *= w->shape[i];
  int32_t count;
  const int64_t *strides = tni_attr_ints(node, "strides", &count);
  int64_t step = strides ? strides[count - 1] : 1, row = out->shape[out->rank - 1];
  if (row == 1 && out->rank > 3) /* one-dimensional convolutions come as (n, c, length, 1) */
    row = out->shape[out->rank - 2], step = strides ? strides[count - 2] : 1;
  return sum >= LEAST_SUM && fill(w->shape[0], lanes) >= LEAST_FILL && (step != 1 || fill(row, lanes) < LEAST_FILL);
}

/* The weights with their first dimension last, in the program's arena. */
static tn_status move_first_last(tni_gcopy *c, uint32_t value, uint32_t *out, tn_error **err) {
  const tni_gvalue *w = &c->from->values[value];
  int64_t first = w->shape[0], rest = 1, shape[TN_MAX_RANK];
  for (int32_t i = 1; i < w->rank; i++) rest *= shape[i - 1] = w->shape[i];
  shape[w->rank - 1] = first;
  const float *from = w->data;
  float *to = tni_arena_alloc(&c->to->region.arena, (size_t)(first * rest) * sizeof *to);
  char *name = tni_arena_format(&c->to->region.arena, "%s.oc_last", w->name);
  if (!to || !name) return tni_fail_nomem(err);
  for (int64_t m = 0; m < first; m++)
    for (int64_t k = 0; k < rest; k++) to[k * first + m] = from[m * rest + k];
  *out = tni_g_const(c->b, name, w->type, w->rank, shape, to);
  return *out == TNI_NO_VALUE ? tni_gbuilder_check(c->b, err) : TN_OK;
}

static tn_status copy_node(tni_gcopy *c, const tni_gnode *node, const tn_target *target, tn_error **err) {
  tn_context *ctx = c->to->ctx;
  uint32_t *values = tni_alloc(ctx, (node->input_count + node->output_count + 1u) * sizeof *values);
  const char **names = tni_alloc(ctx, (node->output_count + 1u) * sizeof *names);
  uint32_t *outputs = values ? values + node->input_count : NULL;
  tn_status status = values && names ? TN_OK : tni_fail_nomem(err);
  tni_attr attrs[MAX_ATTRS + 1];
  uint32_t attr_count = node->attr_count;
  bool moved = !status && attr_count <= MAX_ATTRS && wants_oc_last(c->from, node, target);
  for (uint32_t i = 0; i < node->input_count && !status; i++) {
    uint32_t old = node->inputs[i];
    values[i] = old == TNI_NO_VALUE ? old : c->map[old];
    if (moved && i == 1)
      status = move_first_last(c, old, &values[i], err);
    else if (old != TNI_NO_VALUE && values[i] == TNI_NO_VALUE)
      status = tni_gcopy_const(c, old, &values[i], err);
  }
  for (uint32_t i = 0; i < node->output_count && !status; i++)
    names[i] = node->outputs[i] == TNI_NO_VALUE ? NULL : c->from->values[node->outputs[i]].name;
  if (moved && !status) {
    memcpy(attrs, node->attrs, attr_count * sizeof *attrs);
    attrs[attr_count++] = (tni_attr){.name = "oc_last", .kind = TNI_ATTR_INT, .i = 1};
  }
  if (!status)
    status = tni_g_node(c->b, node->op, node->name, node->input_count, values, attr_count, moved ? attrs : node->attrs,
                        node->output_count, names, outputs, err);
  for (uint32_t i = 0; i < node->output_count && !status; i++)
    if (node->outputs[i] != TNI_NO_VALUE) c->map[node->outputs[i]] = outputs[i];
  tni_free(ctx, values, (node->input_count + node->output_count + 1u) * sizeof *values);
  tni_free(ctx, names, (node->output_count + 1u) * sizeof *names);
  return status;
}

static bool changes_anything(const tn_graph *g, const tn_target *target) {
  for (uint32_t i = 0; i < g->node_count; i++)
    if (wants_oc_last(g, &g->nodes[i], target)) return true;
  return false;
}

tn_status tni_graph_layout(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                           tn_error **err) {
  tni_gcopy c;
  *out = g;
  for (uint32_t i = 0; i < g->node_count; i++)
    if (!g->nodes[i].op) /* a graph with calls is fused already */
      return TN_OK;
  if (g->program == to && !changes_anything(g, target)) return TN_OK;
  tn_status status = tni_gcopy_begin(&c, g, to, err);
  if (status) return status;
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = copy_node(&c, &g->nodes[i], target, err);
  if (!status) status = tni_gcopy_finish(&c, out, err);
  tni_gcopy_end(&c);
  return status;
}
