/* widen.c -- products of short numbers that are cast first take the short numbers,
 * where the target multiplies these at once.
 *
 *     matmul(cast(x), cast(y))   ->   matmul(x, y) {to = "i32"}        the same sums of the same products
 *
 * So constants stay short, and dot products and tiles of the target (targets/units.c) find what they are of. The casts
 * go when nobody else uses them (ir/graph/fold.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* The value that is cast to `value`; TNI_NO_VALUE: it is no such cast. */
static uint32_t cast_from(const tn_graph *g, uint32_t value) {
  for (uint32_t i = 0; i < g->node_count; i++)
    if (g->nodes[i].op && g->nodes[i].outputs[0] == value)
      return strcmp(g->nodes[i].op->name, "cast") == 0 ? g->nodes[i].inputs[0] : TNI_NO_VALUE;
  return TNI_NO_VALUE;
}

/* Is it a product that can take short numbers? Then out[] are those. */
static bool is_wide(const tn_graph *g, const tni_gnode *node, const tn_target *target, uint32_t *out) {
  if (!node->op || strcmp(node->op->name, "matmul") != 0 || node->attr_count) return false;
  for (int i = 0; i < 2; i++)
    if ((out[i] = cast_from(g, node->inputs[i])) == TNI_NO_VALUE) return false;
  tn_type c = g->values[node->outputs[0]].type, a = g->values[out[0]].type, b = g->values[out[1]].type;
  return tni_target_has_tiles(target, c, a, b) || tni_target_product_unit(g->program->ctx, target, c, a, b);
}

static tn_status copy_node(tni_gcopy *c, const tni_gnode *node, const tn_target *target, tn_error **err) {
  tn_context *ctx = c->to->ctx;
  char text[16];
  uint32_t shorts[2], out_count = node->output_count;
  uint32_t *values = tni_alloc(ctx, (node->input_count + out_count + 1u) * sizeof *values);
  const char **names = tni_alloc(ctx, (out_count + 1u) * sizeof *names);
  tn_status status = values && names ? TN_OK : tni_fail_nomem(err);
  bool wide = !status && is_wide(c->from, node, target, shorts);
  const tn_type type = c->from->values[node->outputs[0]].type;
  tni_attr to = {.name = "to", .kind = TNI_ATTR_STRING, .string = tn_type_text(type, text)};
  for (uint32_t i = 0; i < node->input_count && !status; i++) {
    uint32_t old = wide ? shorts[i] : node->inputs[i];
    values[i] = old == TNI_NO_VALUE ? old : c->map[old];
    if (old != TNI_NO_VALUE && values[i] == TNI_NO_VALUE) status = tni_gcopy_const(c, old, &values[i], err);
  }
  for (uint32_t i = 0; i < out_count && !status; i++)
    names[i] = node->outputs[i] == TNI_NO_VALUE ? NULL : c->from->values[node->outputs[i]].name;
  uint32_t *outputs = values ? values + node->input_count : NULL;
  if (!status)
    status = tni_g_node(c->b, node->op, node->name, node->input_count, values, wide ? 1 : node->attr_count,
                        wide ? &to : node->attrs, out_count, names, outputs, err);
  for (uint32_t i = 0; i < out_count && !status; i++)
    if (node->outputs[i] != TNI_NO_VALUE) c->map[node->outputs[i]] = outputs[i];
  tni_free(ctx, values, (node->input_count + out_count + 1u) * sizeof *values);
  tni_free(ctx, names, (out_count + 1u) * sizeof *names);
  return status;
}

/* Nothing but operators, and a product to change. */
static bool changes_anything(const tn_graph *g, const tn_target *target) {
  uint32_t shorts[2];
  bool found = false;
  for (uint32_t i = 0; i < g->node_count; i++) {
    if (!g->nodes[i].op) return false;
    found |= is_wide(g, &g->nodes[i], target, shorts);
  }
  return found;
}

tn_status tni_graph_widen(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                          tn_error **err) {
  tni_gcopy c;
  *out = g;
  if (!changes_anything(g, target)) return TN_OK;
  tn_status status = tni_gcopy_begin(&c, g, to, err);
  if (status) return status;
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = copy_node(&c, &g->nodes[i], target, err);
  if (!status) status = tni_gcopy_finish(&c, out, err);
  tni_gcopy_end(&c);
  return status;
}
