/* blocks.c -- blocks into their statements.
 *
 *     block B(i: 0..n = e, reduce k: 0..m = f) where (c) { init { I } S }
 *       ->
 *     if c { if f == 0 { I[i := e] }  S[i := e, k := f] }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

static const tn_expr *at_first_step(tni_region *r, const tn_stmt *block) {
  const tn_expr *cond = tni_bool(r, true);
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce)
      cond = tni_and(r, cond, tni_op2(r, TN_OP_eq, block->as.block.iters[i].binding, tni_index(r, 0)));
  return cond;
}

static const tn_stmt *open_block(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind != TNI_BLOCK)
    return s;
  int32_t count = s->as.block.count;
  const tn_expr **vars = TNI_NEW_ARRAY(&r->arena, const tn_expr *, count);
  const tn_expr **values = TNI_NEW_ARRAY(&r->arena, const tn_expr *, count);
  if (!vars || !values)
    return NULL;
  for (int32_t i = 0; i < count; i++) {
    vars[i] = s->as.block.iters[i].var;
    values[i] = s->as.block.iters[i].binding;
  }
  tni_subst subst = {(size_t)count, vars, values};
  const tn_stmt *parts[2] = {NULL, tni_stmt_subst(r, s->as.block.body, &subst)};
  parts[0] = s->as.block.init ? tni_if(r, at_first_step(r, s), tni_stmt_subst(r, s->as.block.init, &subst), NULL)
                              : tni_seq(r, 0, NULL);
  const tn_stmt *both = tni_seq(r, 2, parts);
  return s->as.block.where ? tni_if(r, s->as.block.where, both, NULL) : both;
}

const tn_stmt *tni_lower_blocks(tni_region *r, const tn_stmt *body) { return tni_stmt_rewrite(r, body, NULL, open_block, NULL); }
