/* shrink.h -- makes a failing function smaller: tries one simplification at a time, keeps those that still fail.
 *
 *     expression   -> an argument of the same type, or zero
 *     statement    -> nothing; a loop -> its body at 0; an if -> one of its branches
 *
 * Simplifications are numbered in the order of the walk, so that each attempt is one number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_FUZZ_SHRINK_H
#define TEST_FUZZ_SHRINK_H

#include "ir.h"

typedef struct shrink_walk {
  long wanted, seen;
} shrink_walk;

static inline bool shrink_here(shrink_walk *w) { return w->seen++ == w->wanted; }

static inline const tn_expr *shrink_expr(void *self, tni_region *r, const tn_expr *x) {
  shrink_walk *w = self;
  tn_type lane = TN_TYPE_WITH_LANES(x->type, 1);
  for (int k = 0; k < x->nargs; k++)
    if (x->arg[k]->type == x->type && shrink_here(w)) return x->arg[k];
  if (TN_TYPE_CODE(lane) == kDLOpaqueHandle || TN_TYPE_CODE(lane) == TN_CODE_VOID) return x;
  const tn_expr *zero = tni_zero(r, x->type);
  if (x == zero || x->op == TN_OP_ramp) return x;
  return shrink_here(w) ? zero : x;
}

static inline const tn_stmt *shrink_stmt(void *self, tni_region *r, const tn_stmt *s) {
  shrink_walk *w = self;
  if (s->kind == TNI_SEQ) return s;
  if (shrink_here(w)) return tni_seq(r, 0, NULL);
  if (s->kind == TNI_FOR && shrink_here(w)) {
    const tn_expr *zero = tni_index(r, 0);
    tni_subst subst = {1, &s->as.loop.var, &zero};
    return tni_stmt_subst(r, s->as.loop.body, &subst);
  }
  if (s->kind == TNI_IF && shrink_here(w)) return s->as.cond.then;
  if (s->kind == TNI_IF && s->as.cond.otherwise && shrink_here(w)) return s->as.cond.otherwise;
  return s;
}

/* The smallest function found for which `fails` holds, in the region of `func`, within `tries` attempts. */
static inline const tn_func *shrink(tni_region *r, const tn_func *func, bool (*fails)(void *self, const tn_func *func),
                                    void *self, long tries) {
  for (shrink_walk w = {0, 0}; tries-- > 0; w.wanted++) {
    w.seen = 0;
    const tn_stmt *body = tni_stmt_rewrite(r, func->body, shrink_expr, shrink_stmt, &w);
    if (w.seen <= w.wanted) break; /* all were tried since the last success, or before it */
    const tn_func *smaller = tni_func_with_body(r, func, func->level, body);
    if (!smaller || !fails(self, smaller)) continue;
    func = smaller;
    w.wanted = w.wanted > 8 ? w.wanted - 8 : -1; /* what was useless before may be useful near here now */
  }
  return func;
}

#endif
