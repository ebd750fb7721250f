/* hoist.c -- conditions that a loop does not move stand before it, neighbours under one condition in one if.
 *
 *     for i in 0..n { if c && i < m { S }  if c && i < m { T } }
 *       ->
 *     if c { for i in 0..n { if i < m { S T } } }
 *
 * So it is asked once, not in each iteration. Conditions that read memory stay where they are: it may change. So does
 * what an outlined loop holds, which is a function of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

/* ---- neighbours ---- */

static bool is_plain_if(const tn_stmt *s) { return s->kind == TNI_IF && !s->as.cond.otherwise; }

/* Do both run under one condition, which the first cannot change? */
static bool meet(const tn_stmt *a, const tn_stmt *b) {
  return is_plain_if(a) && is_plain_if(b) && a->as.cond.cond == b->as.cond.cond && !tni_expr_reads(a->as.cond.cond);
}

static const tn_stmt *join(tni_region *r, const tn_stmt *s) {
  int32_t count = 0;
  const tn_stmt **items = TNI_NEW_ARRAY(&r->arena, const tn_stmt *, s->as.seq.count);
  for (int32_t i = 0; items && i < s->as.seq.count; i++) {
    const tn_stmt *next = s->as.seq.stmts[i];
    if (count && meet(items[count - 1], next)) {
      const tn_stmt *both[] = {items[--count]->as.cond.then, next->as.cond.then};
      if (!(next = tni_if(r, next->as.cond.cond, tni_seq(r, 2, both), NULL))) return NULL;
    }
    items[count++] = next;
  }
  if (items && count == s->as.seq.count) return s;
  return items ? tni_seq(r, count, items) : NULL;
}

/* ---- loops ---- */

/* The conjuncts that the loop over var moves, and those that it does not; NULL stands for true. */
static void part(tni_region *r, const tn_expr *cond, const tn_expr *var, const tn_expr **moved, const tn_expr **still) {
  tn_context *ctx = r->arena.ctx;
  if (cond->op == TN_OP_and) {
    part(r, cond->arg[0], var, moved, still);
    part(r, cond->arg[1], var, moved, still);
  } else if (tni_expr_uses(ctx, cond, var) || tni_expr_reads(cond)) {
    *moved = tni_conj(r, *moved, cond);
  } else {
    *still = tni_conj(r, *still, cond);
  }
}

static const tn_stmt *raise(tni_region *r, const tn_stmt *s) {
  const tn_stmt *body = s->as.loop.body;
  const tn_expr *moved = NULL, *still = NULL;
  if (!is_plain_if(body) || s->as.loop.kind == TNI_OUTLINED) return s;
  part(r, body->as.cond.cond, s->as.loop.var, &moved, &still);
  if (!still) return s;
  const tn_stmt *inside = moved ? tni_if(r, moved, body->as.cond.then, NULL) : body->as.cond.then;
  return tni_if(r, still, tni_for_like(r, s, s->as.loop.var, s->as.loop.extent, s->as.loop.kind, inside), NULL);
}

static const tn_stmt *hoist(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  return s->kind == TNI_SEQ ? join(r, s) : s->kind == TNI_FOR ? raise(r, s) : s;
}

const tn_stmt *tni_lower_hoist(tni_region *r, const tn_stmt *body) {
  return tni_stmt_rewrite(r, body, NULL, hoist, NULL);
}
