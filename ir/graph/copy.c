/* copy.c -- what graph passes share: carrying values into a new graph, and knowing which nodes matter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph.h"

bool tni_program_has(const tn_program *program, const void *data, size_t bytes) {
  for (size_t i = 0; i < program->blob_count; i++) {
    const char *start = program->blobs[i]->data, *at = data;
    if (start && at >= start && bytes <= program->blobs[i]->size &&
        at - start <= (ptrdiff_t)(program->blobs[i]->size - bytes))
      return true;
  }
  return false;
}

tn_status tni_program_share_blobs(const tn_program *from, tn_program *to, tn_error **err) {
  tn_status status = TN_OK;
  for (size_t i = 0; status == TN_OK && i < from->blob_count; i++)
    status = tni_program_keep_blob(to, tni_blob_ref(from->blobs[i]), err);
  return status;
}

tn_status tni_gcopy_begin(tni_gcopy *c, const tn_graph *from, tn_program *to, tn_error **err) {
  *c = (tni_gcopy){.from = from, .to = to};
  c->map = tni_alloc(to->ctx, (from->value_count + 1) * sizeof *c->map);
  if (!c->map) return tni_fail_nomem(err);
  memset(c->map, 0xff, (from->value_count + 1) * sizeof *c->map);
  tn_status status = tni_gbuilder_create(to, from->name, &c->b, err);
  if (status == TN_OK && from->program != to) status = tni_program_share_blobs(from->program, to, err);
  for (uint32_t i = 0; status == TN_OK && i < from->input_count; i++) {
    const tni_gvalue *v = &from->values[from->inputs[i]];
    c->map[from->inputs[i]] = tni_g_input(c->b, v->name, v->type, v->rank, v->shape);
  }
  if (status != TN_OK) tni_gcopy_end(c);
  return status;
}

void tni_gcopy_end(tni_gcopy *c) {
  tni_gbuilder_destroy(c->b);
  tni_free(c->to->ctx, c->map, (c->from->value_count + 1) * sizeof *c->map);
  c->b = NULL;
  c->map = NULL;
}

tn_status tni_gcopy_const(tni_gcopy *c, uint32_t value, uint32_t *out, tn_error **err) {
  const tni_gvalue *v = &c->from->values[value];
  if (c->map[value] == TNI_NO_VALUE) {
    size_t bytes = tn_array_bytes(v->type, tni_gvalue_numel(v));
    const void *data = v->data;
    if (c->from->program != c->to && !tni_program_has(c->to, data, bytes))
      data = tni_arena_copy(&c->to->region.arena, data, bytes);
    if (!data) return tni_fail_nomem(err);
    c->map[value] = tni_g_const(c->b, v->name, v->type, v->rank, v->shape, data);
  }
  *out = c->map[value];
  return *out == TNI_NO_VALUE ? tni_gbuilder_check(c->b, err) : TN_OK;
}

tn_status tni_gcopy_value(tni_gcopy *c, uint32_t old, uint32_t *out, tn_error **err) {
  *out = c->map[old];
  return *out == TNI_NO_VALUE ? tni_gcopy_const(c, old, out, err) : TN_OK;
}

tn_status tni_gcopy_node(tni_gcopy *c, const tni_gnode *n, tn_error **err) {
  tn_context *ctx = c->to->ctx;
  size_t count = n->input_count + n->output_count + 1u;
  uint32_t *values = tni_alloc(ctx, count * sizeof *values), *outputs = values ? values + n->input_count : NULL;
  const char **names = tni_alloc(ctx, count * sizeof *names);
  tn_status status = values && names ? TN_OK : tni_fail_nomem(err);
  for (uint32_t i = 0; i < n->input_count && !status; i++) {
    values[i] = n->inputs[i];
    if (n->inputs[i] != TNI_NO_VALUE) status = tni_gcopy_value(c, n->inputs[i], &values[i], err);
  }
  for (uint32_t i = 0; i < n->output_count && !status; i++)
    names[i] = n->outputs[i] == TNI_NO_VALUE ? NULL : c->from->values[n->outputs[i]].name;
  if (!status)
    status = tni_g_node(c->b, n->op, n->name, n->input_count, values, n->attr_count, n->attrs, n->output_count, names,
                        outputs, err);
  for (uint32_t i = 0; i < n->output_count && !status; i++)
    if (n->outputs[i] != TNI_NO_VALUE) c->map[n->outputs[i]] = outputs[i];
  tni_free(ctx, values, count * sizeof *values);
  tni_free(ctx, names, count * sizeof *names);
  return status;
}

tn_status tni_gcopy_finish(tni_gcopy *c, const tn_graph **out, tn_error **err) {
  tn_status status = TN_OK;
  for (uint32_t i = 0; status == TN_OK && i < c->from->output_count; i++) {
    uint32_t old = c->from->outputs[i], new = c->map[old];
    if (new == TNI_NO_VALUE && c->from->values[old].data) status = tni_gcopy_const(c, old, &new, err);
    if (status == TN_OK) tni_g_output(c->b, new);
  }
  if (status != TN_OK) return status;
  tni_gbuilder *b = c->b;
  c->b = NULL;
  return tni_gbuilder_finish(b, out, err);
}

void tni_graph_live_nodes(const tn_graph *g, uint32_t *scratch, bool *live) {
  memset(scratch, 0, g->value_count * sizeof *scratch);
  for (uint32_t i = 0; i < g->output_count; i++) scratch[g->outputs[i]] = 1;
  for (uint32_t i = g->node_count; i-- > 0;) {
    const tni_gnode *n = &g->nodes[i];
    live[i] = false;
    for (uint32_t k = 0; k < n->output_count; k++)
      if (n->outputs[k] != TNI_NO_VALUE && scratch[n->outputs[k]]) live[i] = true;
    for (uint32_t k = 0; live[i] && k < n->input_count; k++)
      if (n->inputs[k] != TNI_NO_VALUE) scratch[n->inputs[k]] = 1;
  }
}
