/* stats.c -- facts of a graph for people.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph.h"

/* Multiply-adds of one node: each output element of a product takes one per element of the sum. */
static uint64_t multiply_adds(const tn_graph *g, const tni_gnode *n) {
  if (!n->op || n->input_count < 2) return 0;
  const tni_gvalue *x = &g->values[n->inputs[0]], *w = &g->values[n->inputs[1]], *out = &g->values[n->outputs[0]];
  if (strcmp(n->op->name, "matmul") == 0) return (uint64_t)tni_gvalue_numel(out) * (uint64_t)x->shape[x->rank - 1];
  uint64_t taps = (uint64_t)(w->rank > 0 && w->shape[0] ? tni_gvalue_numel(w) / w->shape[0] : 0);
  if (strcmp(n->op->name, "conv") == 0) return (uint64_t)tni_gvalue_numel(out) * taps;
  if (strcmp(n->op->name, "conv_transpose") == 0) return (uint64_t)tni_gvalue_numel(x) * taps;
  return 0;
}

void tn_graph_get_stats(const tn_graph *graph, tn_graph_stats *out) {
  tn_graph_stats s = {.struct_size = sizeof s, .nodes = graph->node_count};
  for (uint32_t i = 0; i < graph->value_count; i++) {
    const tni_gvalue *v = &graph->values[i];
    if (!v->data) continue;
    uint64_t n = (uint64_t)tni_gvalue_numel(v);
    s.constants++;
    s.constant_bytes += tn_array_bytes(v->type, (int64_t)n);
    if (tni_type_is_float(v->type)) s.parameters += n;
  }
  for (uint32_t i = 0; i < graph->node_count; i++) s.multiply_adds += multiply_adds(graph, &graph->nodes[i]);
  size_t size = out->struct_size && out->struct_size < sizeof s ? out->struct_size : sizeof s;
  s.struct_size = out->struct_size ? out->struct_size : sizeof s;
  memcpy(out, &s, size);
}

static const char *name_of(const tni_gnode *n) { return n->op ? n->op->name : "call"; }

static uint64_t count_of(const tn_graph *g, const char *name) {
  uint64_t count = 0;
  for (uint32_t i = 0; i < g->node_count; i++) count += strcmp(name_of(&g->nodes[i]), name) == 0;
  return count;
}

/* Is (count, name) listed before (other, other_name)? */
static bool before(uint64_t count, const char *name, uint64_t other, const char *other_name) {
  return count != other ? count > other : strcmp(name, other_name) < 0;
}

/* Selection without a table: the i-th is the first behind the (i-1)-th. The names are those of the operator table. */
int tn_graph_op_count(const tn_graph *graph, size_t i, const char **name, uint64_t *count) {
  const char *last = NULL;
  uint64_t last_count = 0;
  *name = "";
  *count = 0;
  for (size_t k = 0; k <= i; k++) {
    const char *best = NULL;
    uint64_t best_count = 0;
    for (size_t r = 0; r <= tni_gop_count(); r++) {
      const char *candidate = r < tni_gop_count() ? tni_gop_at(r)->name : "call";
      uint64_t n = count_of(graph, candidate);
      if (n == 0 || (last && !before(last_count, last, n, candidate))) continue;
      if (!best || before(n, candidate, best_count, best)) best = candidate, best_count = n;
    }
    if (!best) return 0;
    last = best;
    last_count = best_count;
  }
  *name = last;
  *count = last_count;
  return 1;
}
