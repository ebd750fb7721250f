/* rewrite.c -- passes that look for what several nodes mean together, and put other nodes in the place of the last of them.
 *
 * What the others made is then used by nobody, if the pass saw to that; folding drops it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph.h"

static bool is_fused(const tn_graph *g) {
  for (uint32_t i = 0; i < g->node_count; i++)
    if (!g->nodes[i].op) return true;
  return false;
}

tn_status tni_graph_rewrite(const tn_graph *g, tn_program *to, const tni_grewrite *how, const tn_graph **out,
                            tn_error **err) {
  tni_grewriter r = {0};
  bool found = false;
  *out = g;
  if (is_fused(g)) return TN_OK;
  tn_status status = tni_gcopy_begin(&r.c, g, to, err);
  if (status) return status;
  if (!tni_gmakers_create(g, to->ctx, &r.by)) status = tni_fail_nomem(err);
  for (uint32_t i = 0; i < g->node_count && !found && !status; i++) found = how->is_one(&r, &g->nodes[i]);
  for (uint32_t i = 0; i < g->node_count && found && !status; i++) {
    const tni_gnode *n = &g->nodes[i];
    status = how->is_one(&r, n) ? how->add(&r, n, err) : tni_gcopy_node(&r.c, n, err);
  }
  if (found && !status) status = tni_gcopy_finish(&r.c, out, err);
  tni_gmakers_destroy(&r.by, to->ctx);
  tni_gcopy_end(&r.c);
  return status;
}
