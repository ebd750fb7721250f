/* partition.c -- loops cut where a guard inside them stops being true for sure.
 *
 *     for o in 0..7 { for i in 0..16 { if o*16 + i < 100 { S } } }
 *       ->
 *     for o in 0..6 { for i in 0..16 { S } }
 *     for o in 0..1 { for i in 0..16 { if (o + 6)*16 + i < 100 { S[o := o + 6] } } }
 *
 * so that the main part runs without guards. A loop whose guard falls in its only iteration, or that is unrolled or
 * vectorized, stays as it is (the guard becomes a constant or a mask there).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

enum { MAX_BODY = 4000 }; /* statements and loops; a bigger body is not doubled */

typedef struct guard_search {
  tni_region *r;
  const tn_expr *var;
  tni_facts facts; /* ranges of loops below the one looked at */
  int64_t extent;
  int64_t threshold; /* all guards found are true for var < threshold */
  bool found;
} guard_search;

/* For a guard a*var + rest < n with a > 0: from which value of var may it be false? */
static void consider_less(guard_search *g, const tn_expr *small, const tn_expr *large) {
  const tn_expr *diff = tni_sub(g->r, large, small), *rest;
  int64_t coef, lo, hi;
  if (!diff || !tni_affine(g->r, diff, 1, &g->var, &coef, &rest) || coef >= 0) return;
  tni_bounds(&g->facts, rest, &lo, &hi);
  if (lo <= -TNI_INF) return;
  /* diff = coef*var + rest >= 1 for all inner values iff var <= (lo - 1) / -coef */
  int64_t limit = lo < 1 ? 0 : (lo - 1) / -coef + 1;
  if (limit > 0 && limit < g->extent) {
    g->found = true;
    g->threshold = limit < g->threshold ? limit : g->threshold;
  }
}

static void consider(guard_search *g, const tn_expr *cond) {
  if (!cond) return;
  if (cond->op == TN_OP_and) {
    consider(g, cond->arg[0]);
    consider(g, cond->arg[1]);
  } else if (cond->op == TN_OP_lt && cond->arg[0]->type == TN_INDEX) {
    consider_less(g, cond->arg[0], cond->arg[1]);
  }
}

static void consider_load(void *self, const tn_expr *x) {
  if (x->op == TN_OP_load) consider(self, tni_load_where(x));
}

static void search_guards(guard_search *g, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_STORE:
  case TNI_REDUCE: tni_expr_visit(g->r->arena.ctx, s->as.store.value, consider_load, g); break;
  case TNI_FOR: {
    size_t mark = g->facts.count;
    if (tni_facts_bind(&g->facts, s->as.loop.var, s->as.loop.extent)) search_guards(g, s->as.loop.body);
    tni_facts_pop(&g->facts, mark);
    break;
  }
  case TNI_IF:
    consider(g, s->as.cond.cond);
    search_guards(g, s->as.cond.then);
    if (s->as.cond.otherwise) search_guards(g, s->as.cond.otherwise);
    break;
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) search_guards(g, s->as.seq.stmts[i]);
    break;
  case TNI_WHILE: search_guards(g, s->as.repeat.body); break;
  case TNI_LET:
    tni_expr_visit(g->r->arena.ctx, s->as.let.value, consider_load, g);
    search_guards(g, s->as.let.body);
    break;
  case TNI_ALLOC:
  case TNI_ASSERT:
  case TNI_ASSUME: search_guards(g, tni_rest(s)); break;
  default: break;
  }
}

static bool count(void *self, const tn_stmt *s) {
  (void)s;
  ++*(int *)self;
  return true;
}

static const tn_stmt *cut(tni_region *r, const tn_stmt *s, int64_t at) {
  const tn_expr *var = s->as.loop.var, *tail_var = tni_var(r, var->as.name, var->type);
  const tn_expr *shifted = tni_add(r, tail_var, tni_index(r, at));
  tni_subst subst = {1, &var, &shifted};
  const tn_stmt *tail = shifted ? tni_stmt_subst(r, s->as.loop.body, &subst) : NULL;
  const tn_stmt *parts[] = {
      tni_for_like(r, s, var, tni_index(r, at), s->as.loop.kind, s->as.loop.body),
      tni_for_like(r, s, tail_var, tni_index(r, s->as.loop.extent->as.i - at), s->as.loop.kind, tni_stmt_refresh(r, tail)),
  };
  return tni_seq(r, 2, parts);
}

static bool is_cut(enum tni_loop_kind kind) {
  return kind == TNI_SERIAL || kind == TNI_OUTLINED || kind == TNI_PARALLEL;
}

static const tn_stmt *partition(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind != TNI_FOR || !is_cut(s->as.loop.kind) || !tni_is_const(s->as.loop.extent)) return s;
  int size = 0;
  tni_stmt_visit(s->as.loop.body, count, &size);
  if (size > MAX_BODY) return s;
  guard_search g = {.r = r, .var = s->as.loop.var, .extent = s->as.loop.extent->as.i, .threshold = INT64_MAX};
  tni_facts_init(&g.facts, r->arena.ctx);
  search_guards(&g, s->as.loop.body);
  tni_facts_destroy(&g.facts);
  return g.found ? cut(r, s, g.threshold) : s;
}

const tn_stmt *tni_lower_partition(tni_region *r, const tn_stmt *body) {
  return body ? tni_stmt_simplify(r, tni_stmt_rewrite(r, body, NULL, partition, NULL)) : NULL;
}
