/* begin.c -- sums of integers begin with what is added to them.
 *
 *     C[i, j] = sum of A[i, k] * B[k, j];  D[i, j] = C[i, j] + b[j]   ->   D[i, j] = b[j] + sum of A[i, k] * B[k, j]
 *
 * Integers wrap, so the order is all the same, and that is an addition less for each vector of results. It counts where an
 * instruction takes several steps at once: sums of few channels are then hardly longer than what is done with them. Tile
 * registers begin with zeros.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

/* The reduction whose result the value adds a bias to, or NULL. */
static const tn_stmt *sum_below(const tni_planner *p, const tn_expr *value) {
  if (value->op != TN_OP_add || !tni_type_is_int(value->type)) return NULL;
  for (int k = 0; k < 2; k++) {
    const tn_expr *sum = value->arg[k], *bias = value->arg[1 - k];
    if (sum->op != TN_OP_load || tni_load_where(sum) || bias->op != TN_OP_load || tni_load_count(bias) != 1) continue;
    const tn_stmt *maker = tni_maker_of(p, sum->as.buffer);
    if (maker && tni_is_reduction(maker)) return maker;
  }
  return NULL;
}

static bool has_tiles(const tni_planner *p, const tn_stmt *reduction) {
  const tn_expr *x, *y;
  tn_type type = tni_block_store(reduction)->as.store.buffer->type;
  return tni_find_factors(reduction, &x, &y) && tni_target_has_tiles(p->target, type, x->type, y->type);
}

void tni_begin_with_bias(tni_planner *p, const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block);
  const tn_stmt *sum = store && !tni_is_reduction(block) ? sum_below(p, store->as.store.value) : NULL;
  tn_error *e = NULL;
  if (!sum || !tni_unit_for(p, sum) || has_tiles(p, sum)) return;
  const char *name = block->as.block.name;
  tni_mark mark = tni_mark_of(p->s);
  tn_block_ref reduction = tni_block_named(p, sum->as.block.name), bias = tni_block_named(p, name);
  if (!reduction || !bias || !tni_tried(p, tn_fuse_reduction_epilogue(p->s, reduction, bias, &e), &e)) return;
  if (tni_find_block(p->s->func->body, name)) tni_go_back(p->s, &mark); /* it was only moved */
}
