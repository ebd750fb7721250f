/* unit.c -- reductions of which an instruction of the target (targets/units.c) sums several steps at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

static const tn_expr *factor_of(const tn_expr *x) {
  if (x->op == TN_OP_cast) x = x->arg[0];
  return x->op == TN_OP_load ? x : NULL;
}

const tn_expr *tni_left_out(const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block);
  const tn_expr *value = store->as.store.value, *own = value->op == TN_OP_select ? value->arg[2] : NULL;
  return own && own->op == TN_OP_load && own->as.buffer == store->as.store.buffer ? value->arg[0] : NULL;
}

bool tni_find_factors(const tn_stmt *block, const tn_expr **x, const tn_expr **y) {
  const tn_expr *value = tni_block_store(block)->as.store.value;
  if (tni_left_out(block)) value = value->arg[1];
  *x = *y = NULL;
  if (value->op == TN_OP_fma) *x = factor_of(value->arg[0]), *y = factor_of(value->arg[1]);
  for (int k = 0; k < 2 && value->op == TN_OP_add; k++)
    if (value->arg[k]->op == TN_OP_mul) *x = factor_of(value->arg[k]->arg[0]), *y = factor_of(value->arg[k]->arg[1]);
  return *x && *y;
}

static bool fits_block(void *self, const tni_unit *unit) {
  const tn_stmt *block = self;
  tni_unit_step step;
  bool enough = false;
  for (int32_t i = 0; i < block->as.block.count; i++)
    enough |= block->as.block.iters[i].reduce && tni_extent_of(block, i) >= unit->steps;
  return enough && tni_unit_is_step(unit, tni_block_store(block), &step);
}

const tni_unit *tni_unit_for(const tni_planner *p, const tn_stmt *block) {
  return tni_target_best_unit(p->s->ctx, p->target, fits_block, (void *)(uintptr_t)block);
}

/* The innermost that has the steps. */
tn_loop tni_unit_loop(tni_planner *p, tn_block_ref block, int64_t steps, size_t count, const tn_loop *loops) {
  const tn_stmt *stmt = tni_handle_block(p->s, block);
  for (size_t i = count; stmt && i-- > 0;) {
    const tni_iter *it = tni_iter_fed_by(p, stmt, loops[i]);
    const tn_stmt *loop = tni_handle_loop(p->s, loops[i]);
    if (it && it->reduce && loop && tni_is_const(loop->as.loop.extent) && loop->as.loop.extent->as.i >= steps)
      return loops[i];
  }
  return 0;
}

void tni_apply_unit(tni_planner *p, const tni_unit *unit, tn_loop steps) {
  tn_error *e = NULL;
  tn_block_ref made;
  if (!p->status && tni_tried(p, tn_blockize(p->s, steps, &made, &e), &e))
    tni_tried(p, tn_tensorize(p->s, made, unit->name, &e), &e);
}
