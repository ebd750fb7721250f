/* makers.c -- who makes the values of a graph and how many read them, for passes that look for what several nodes mean.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph.h"

bool tni_gmakers_create(const tn_graph *g, tn_context *ctx, tni_gmakers *out) {
  size_t count = g->value_count + 1;
  *out = (tni_gmakers){.g = g, .maker = tni_alloc(ctx, count * sizeof *out->maker)};
  out->users = tni_alloc_zero(ctx, count * sizeof *out->users);
  if (!out->maker || !out->users) return false;
  memset(out->maker, 0xff, count * sizeof *out->maker);
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    for (uint32_t k = 0; k < n->output_count; k++)
      if (n->outputs[k] != TNI_NO_VALUE) out->maker[n->outputs[k]] = i;
    for (uint32_t k = 0; k < n->input_count; k++)
      if (n->inputs[k] != TNI_NO_VALUE) out->users[n->inputs[k]]++;
  }
  for (uint32_t i = 0; i < g->output_count; i++) out->users[g->outputs[i]]++;
  return true;
}

void tni_gmakers_destroy(tni_gmakers *m, tn_context *ctx) {
  size_t count = m->g->value_count + 1;
  tni_free(ctx, m->maker, count * sizeof *m->maker);
  tni_free(ctx, m->users, count * sizeof *m->users);
}

const tni_gnode *tni_made_by(const tni_gmakers *m, uint32_t value, const char *op) {
  uint32_t maker = value == TNI_NO_VALUE ? TNI_NO_VALUE : m->maker[value];
  const tni_gnode *n = maker == TNI_NO_VALUE ? NULL : &m->g->nodes[maker];
  return n && n->op && strcmp(n->op->name, op) == 0 ? n : NULL;
}

bool tni_is_number(const tni_gvalue *v, double *out) {
  if (!v->data || v->type != TN_F32 || tni_gvalue_numel(v) != 1) return false;
  *out = (double)*(const float *)v->data;
  return true;
}
