/* partition.c -- loops cut where a guard inside them begins to be true for sure, and where it stops.
 *
 *     for o in 0..7 { for i in 0..16 { if o*16 + i < 100 { S } } }
 *       ->
 *     for o in 0..6 { for i in 0..16 { S } }
 *     for o in 0..1 { for i in 0..16 { if (o + 6)*16 + i < 100 { S[o := o + 6] } } }
 *
 * so that the main part runs without guards; likewise the first steps, of guards like 3 <= o + i. A loop whose guard falls in its only iteration, or that is unrolled or
 * vectorized, stays as it is (the guard becomes a constant or a mask there). A parallel loop over loops stays one, so
 * that its last iterations find threads as well, and so do those of loops that were fused in it:
 *
 *     for o in 0..700 parallel { for i in 0..16 { if o%7*16 + i < 100 { S } } }
 *       ->
 *     for o in 0..700 parallel {
 *       if o%7 < 6 { for i in 0..16 { S } } else { for i in 0..16 { if o%7*16 + i < 100 { S } } }
 *     }
 *
 * A loop with the note TNI_WHOLE_NOTE is not cut: its guards cost little, less than a body for each edge; of a vectorized
 * one masks do, for which alone none around it is cut where they are asked for seldom. Nor is one of
 * many statements, by a guard that is asked seldom beside what is done: in loops that stay loops, outside of those that
 * do not move it (hoist.c); of rows that are written out, for the few that it is not known of, as those at the edge of a
 * picture:
 *
 *     for t in 0..4 { for k in 0..3 { for i in 0..16 unrolled { T[i] += A[t*16 + i + k - 1 if 1 <= t*16 + i + k] * W[k] } .. } }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower.h"

enum {
  MAX_BODY = 4000, /* statements and loops; a bigger body is not doubled */
  LARGE_BODY = 16, /* statements when all is written out; a smaller one may be doubled for any guard */
  SELDOM = 8,      /* statements that are done for each time that a guard is asked, so that it may stay */
  MAX_TERMS = 4,   /* of a parallel loop that are looked at */
  ROUNDS = 2
};

/* A loop below the one looked at. */
typedef struct inner_loop {
  const struct inner_loop *outer;
  const tn_stmt *loop;
} inner_loop;

typedef struct guard_search {
  tni_region *r;
  const tn_expr *var; /* of the loop looked at, or another term, 0 <= var < extent */
  tni_facts facts;    /* ranges of loops below the one looked at */
  const inner_loop *innermost; /* of the loops around the statement looked at; NULL: there is none below */
  double work;                 /* statements that each step does, if they are many; else 0 */
  double clamped;              /* how often in a step subscripts are clamped */
  int64_t extent;
  int64_t first, threshold; /* all guards that may not stay are true for first <= var < threshold */
} guard_search;

/* A guard coef * var + rest >= least, of the loop looked at. */
typedef struct guard {
  const tn_expr *rest;
  int64_t coef, least;
} guard;

/* large - small >= least; false: the loop does not move it. */
static bool find_guard(const guard_search *g, const tn_expr *small, const tn_expr *large, int64_t least, guard *out) {
  const tn_expr *diff = tni_sub(g->r, large, small);
  out->least = least;
  return diff && tni_affine(g->r, diff, 1, &g->var, &out->coef, &out->rest) && out->coef != 0;
}

/* From which value of var on is it true, or may it be false? */
static void cut_at(guard_search *g, const guard *x) {
  int64_t lo, hi;
  tni_bounds(&g->facts, x->rest, &lo, &hi);
  if (lo <= -TNI_INF || lo >= TNI_INF) return;
  /* coef*var + rest >= least for all inner values iff coef*var >= least - lo */
  if (x->coef < 0) {
    int64_t limit = lo < x->least ? 0 : (lo - x->least) / -x->coef + 1;
    if (limit > 0 && limit < g->threshold) g->threshold = limit;
  } else if (lo < x->least) {
    int64_t first = (x->least - lo - 1) / x->coef + 1;
    if (first < g->extent && first > g->first) g->first = first;
  }
}

/* ---- how much is done, how often a guard is asked ---- */

static double steps_of(const tn_stmt *loop) {
  return tni_is_const(loop->as.loop.extent) ? (double)loop->as.loop.extent->as.i : 1;
}

typedef struct amount {
  double written, done; /* statements: in the code, and at run time; a vector is one */
} amount;

static amount amount_of(const tn_stmt *s) {
  amount sum = {0}, part;
  double steps;
  switch (s->kind) {
  case TNI_FOR:
    part = amount_of(s->as.loop.body);
    steps = s->as.loop.kind == TNI_VECTORIZED ? 1 : steps_of(s);
    return (amount){s->as.loop.kind == TNI_UNROLLED ? steps * part.written : part.written, steps * part.done};
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) {
      part = amount_of(s->as.seq.stmts[i]);
      sum = (amount){sum.written + part.written, sum.done + part.done};
    }
    return sum;
  case TNI_IF:
    sum = amount_of(s->as.cond.then);
    part = s->as.cond.otherwise ? amount_of(s->as.cond.otherwise) : (amount){0};
    return (amount){sum.written + part.written, sum.done + part.done};
  case TNI_LET:
    sum = amount_of(s->as.let.body);
    return (amount){sum.written + 1, sum.done + 1};
  case TNI_WHILE: return amount_of(s->as.repeat.body);
  case TNI_ALLOC:
  case TNI_ASSERT:
  case TNI_ASSUME: return amount_of(tni_rest(s));
  default: return (amount){1, 1};
  }
}

static bool moves(const guard_search *g, const inner_loop *l, const tn_expr *cond) {
  return tni_expr_uses(g->r->arena.ctx, cond, l->loop->as.loop.var);
}

static bool has_whole_note(const tn_stmt *loop) { return tni_find_annotation(loop->as.loop.notes, TNI_WHOLE_NOTE) != NULL; }

/* In how many steps of a loop that is written out may the guard be false, whatever the other loops do? In the others it
 * is decided where they stand. */
static double count_open(const guard_search *g, const tn_stmt *loop, const guard *x) {
  const tn_expr *rest, *var = loop->as.loop.var;
  int64_t extent = (int64_t)steps_of(loop), by, lo, hi;
  if (!tni_affine(g->r, x->rest, 1, &var, &by, &rest)) return (double)extent;
  tni_bounds(&g->facts, rest, &lo, &hi);
  if (lo <= -TNI_INF || lo >= TNI_INF) return (double)extent;
  if (x->coef < 0) lo += x->coef * (g->extent - 1);
  int64_t first = by < 0 && lo >= x->least ? (lo - x->least) / -by + 1 : 0, end = extent;
  if (by >= 0 && lo >= x->least) end = 0;
  if (by > 0 && lo < x->least) end = (x->least - lo - 1) / by + 1;
  if (end > extent) end = extent;
  return (double)(end > first ? end - first : 0);
}

/* How often in a step of the loop looked at the guard is asked where it is not known; that of a statement, from where
 * hoist.c moves it to. Very often: of lanes whose masks cost; of statements in a loop, between others that are written
 * out and share registers. */
static double times_asked(const guard_search *g, const tn_stmt *s, const tn_expr *cond, const guard *x) {
  const inner_loop *l = g->innermost;
  bool between = false;
  double times = 1;
  for (; l && l->loop->as.loop.body == s && !moves(g, l, cond); l = l->outer) s = l->loop;
  for (; l; l = l->outer) {
    enum tni_loop_kind kind = l->loop->as.loop.kind;
    if (kind == TNI_VECTORIZED && moves(g, l, cond) && !has_whole_note(l->loop)) return HUGE_VAL;
    if (kind == TNI_SERIAL && between) return HUGE_VAL;
    between |= s && kind == TNI_UNROLLED;
    if (kind == TNI_UNROLLED && moves(g, l, cond))
      times *= count_open(g, l->loop, x);
    else if (kind != TNI_VECTORIZED)
      times *= steps_of(l->loop);
  }
  return times;
}

/* ---- guards ---- */

/* `s`: the statement that it is the condition of; NULL: of a load. One that is asked seldom may stay. */
static void consider(guard_search *g, const tn_stmt *s, const tn_expr *cond) {
  guard x;
  if (!cond) return;
  if (cond->op == TN_OP_and) {
    consider(g, s, cond->arg[0]);
    consider(g, s, cond->arg[1]);
  } else if ((cond->op == TN_OP_lt || cond->op == TN_OP_le) && cond->arg[0]->type == TN_INDEX &&
             find_guard(g, cond->arg[0], cond->arg[1], cond->op == TN_OP_lt, &x)) {
    double times = g->work && !(s && s->as.cond.otherwise) ? times_asked(g, s, cond, &x) : HUGE_VAL;
    if (times * SELDOM > g->work) cut_at(g, &x);
  }
}

/* Where subscripts of rows that are written out are clamped, min(e, n), each has an address of its own. */
static void consider_clamp(guard_search *g, const tn_expr *x) {
  bool turned = (x->op == TN_OP_max) != tni_is_const(x->arg[0]), rows = false;
  guard bound;
  for (const inner_loop *l = g->innermost; l; l = l->outer)
    rows |= l->loop->as.loop.kind == TNI_UNROLLED && moves(g, l, x);
  if (rows && find_guard(g, x->arg[turned], x->arg[!turned], 0, &bound)) g->clamped += times_asked(g, NULL, x, &bound);
}

static void consider_load(void *self, const tn_expr *x) {
  if (x->op == TN_OP_load) consider(self, NULL, tni_load_where(x));
  if ((x->op == TN_OP_min || x->op == TN_OP_max) && x->type == TN_INDEX) consider_clamp(self, x);
}

static void search_guards(guard_search *g, const tn_stmt *s);

static void search_loop(guard_search *g, const tn_stmt *s) {
  const inner_loop *outer = g->innermost;
  inner_loop inner = {outer, s};
  size_t mark = g->facts.count;
  g->innermost = &inner;
  if (tni_facts_bind(&g->facts, s->as.loop.var, s->as.loop.extent)) search_guards(g, s->as.loop.body);
  g->innermost = outer;
  tni_facts_pop(&g->facts, mark);
}

static void search_guards(guard_search *g, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_STORE:
  case TNI_REDUCE: tni_expr_visit(g->r->arena.ctx, s->as.store.value, consider_load, g); break;
  case TNI_FOR: search_loop(g, s); break;
  case TNI_IF:
    consider(g, s, s->as.cond.cond);
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

static int size_of(const tn_stmt *body) {
  int size = 0;
  tni_stmt_visit(body, count, &size);
  return size;
}

/* The loop's steps from..to; of all parts but one with names of their own. */
static const tn_stmt *part_of(tni_region *r, const tn_stmt *s, int64_t from, int64_t to, bool fresh) {
  const tn_expr *var = s->as.loop.var, *own = fresh ? tni_var(r, var->as.name, var->type) : var;
  const tn_expr *shifted = from ? tni_add(r, own, tni_index(r, from)) : own;
  tni_subst subst = {1, &var, &shifted};
  const tn_stmt *body = s->as.loop.body;
  if (fresh) body = shifted ? tni_stmt_refresh(r, tni_stmt_subst(r, body, &subst)) : NULL;
  return tni_for_like(r, s, own, tni_index(r, to - from), s->as.loop.kind, body);
}

/* Where the main part begins and ends; false: there is no other. Guards that are asked seldom stay where few subscripts are
 * clamped. */
static bool find_main(tni_region *r, const tn_expr *var, int64_t extent, const tn_stmt *body, int64_t *first,
                      int64_t *end) {
  amount all = amount_of(body);
  double work = all.written > LARGE_BODY ? all.done : 0;
  guard_search g = {.r = r, .var = var, .extent = extent, .threshold = extent, .work = work};
  tni_facts_init(&g.facts, r->arena.ctx);
  search_guards(&g, body);
  if (g.clamped * SELDOM > work) {
    g.work = 0;
    search_guards(&g, body);
  }
  tni_facts_destroy(&g.facts);
  *first = g.first < g.threshold ? g.first : 0;
  *end = g.threshold;
  return *first > 0 || *end < extent;
}

/* ---- parallel loops over loops ---- */

/* The loop's variable, then what fused loops were: quotients by and remainders of it. */
typedef struct terms {
  tni_region *r;
  tni_facts facts;
  const tn_expr *var;
  const tn_expr *items[MAX_TERMS];
  int64_t extents[MAX_TERMS];
  size_t count;
  bool other; /* of look_for_other */
} terms;

static void look_for_other(void *self, const tn_expr *x) {
  terms *t = self;
  t->other |= x->op == TN_OP_var && x != t->var;
}

/* Only what has its value where the loop begins: over no variable but the loop's. */
static bool is_of_loop(terms *t, const tn_expr *x) {
  tn_context *ctx = t->r->arena.ctx;
  t->other = false;
  tni_expr_visit(ctx, x, look_for_other, t);
  return !t->other && tni_expr_uses(ctx, x, t->var) && !tni_expr_reads(x);
}

static void add_term(void *self, const tn_expr *x) {
  terms *t = self;
  int64_t lo, hi;
  if (x->op != TN_OP_floordiv && x->op != TN_OP_floormod) return;
  if (t->count == MAX_TERMS || !tni_is_const(x->arg[1]) || !is_of_loop(t, x)) return;
  for (size_t i = 0; i < t->count; i++)
    if (t->items[i] == x) return;
  tni_bounds(&t->facts, x, &lo, &hi);
  if (lo != 0 || hi <= 0 || hi >= TNI_INF) return;
  t->extents[t->count] = hi + 1;
  t->items[t->count++] = x;
}

static bool has_loop(void *self, const tn_stmt *s) {
  *(bool *)self |= s->kind == TNI_FOR && s->as.loop.kind == TNI_SERIAL;
  return true;
}

static bool add_terms_of(void *self, const tn_stmt *s) {
  terms *t = self;
  if (s->kind == TNI_IF) tni_expr_visit(t->r->arena.ctx, s->as.cond.cond, add_term, t);
  if (s->kind == TNI_STORE || s->kind == TNI_REDUCE)
    tni_expr_visit(t->r->arena.ctx, s->as.store.value, add_term, t);
  return true;
}

/* `room`: how many times the body may stand here. */
static const tn_stmt *branch(terms *t, size_t at, int room, const tn_stmt *body) {
  int64_t first = 0, end = 0;
  while (at < t->count && !find_main(t->r, t->items[at], t->extents[at], body, &first, &end)) at++;
  int parts = 1 + (at < t->count && first > 0) + (at < t->count && end < t->extents[at]);
  if (parts == 1 || room < parts) return body;
  const tn_stmt *out = branch(t, at + 1, room / parts, body);
  if (end < t->extents[at])
    out = tni_if(t->r, tni_op2(t->r, TN_OP_lt, t->items[at], tni_index(t->r, end)), out,
                 branch(t, at + 1, room / parts, tni_stmt_refresh(t->r, body)));
  if (first > 0)
    out = tni_if(t->r, tni_op2(t->r, TN_OP_lt, t->items[at], tni_index(t->r, first)),
                 branch(t, at + 1, room / parts, tni_stmt_refresh(t->r, body)), out);
  return out;
}

static const tn_stmt *branch_inside(tni_region *r, const tn_stmt *s) {
  const tn_expr *var = s->as.loop.var;
  terms t = {.r = r, .var = var, .count = 1, .items = {var}, .extents = {s->as.loop.extent->as.i}};
  tni_facts_init(&t.facts, r->arena.ctx);
  if (tni_facts_bind(&t.facts, t.var, s->as.loop.extent)) tni_stmt_visit(s->as.loop.body, add_terms_of, &t);
  tni_facts_destroy(&t.facts);
  int room = 2 * MAX_BODY / size_of(s->as.loop.body);
  return tni_for_like(r, s, t.var, s->as.loop.extent, s->as.loop.kind, branch(&t, 0, room, s->as.loop.body));
}

/* ---- all loops ---- */

static bool is_over_loops(const tn_stmt *s) {
  bool found = false;
  tni_stmt_visit(s->as.loop.body, has_loop, &found);
  return found;
}

static bool may_be_cut(const tn_stmt *s) {
  return s->kind == TNI_FOR && tni_is_const(s->as.loop.extent) && !has_whole_note(s);
}

static const tn_stmt *partition_parallel(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (!may_be_cut(s) || s->as.loop.kind != TNI_PARALLEL) return s;
  return is_over_loops(s) ? branch_inside(r, s) : s;
}

static bool is_cut(const tn_stmt *s) {
  if (!may_be_cut(s)) return false;
  enum tni_loop_kind kind = s->as.loop.kind;
  return kind == TNI_SERIAL || kind == TNI_OUTLINED || (kind == TNI_PARALLEL && !is_over_loops(s));
}

static const tn_stmt *partition(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (!is_cut(s) || size_of(s->as.loop.body) > MAX_BODY) return s;
  int64_t first, end, extent = s->as.loop.extent->as.i;
  if (!find_main(r, s->as.loop.var, extent, s->as.loop.body, &first, &end)) return s;
  const tn_stmt *parts[3];
  int32_t count = 0;
  if (first > 0) parts[count++] = part_of(r, s, 0, first, true);
  parts[count++] = part_of(r, s, first, end, first > 0);
  if (end < extent) parts[count++] = part_of(r, s, end, extent, true);
  return tni_seq(r, count, parts);
}

/* Parallel loops come first: what they branch on is decided in the loops inside of them. Of nested loops the outer one is
 * cut first, where a guard is over both: where that leaves one of its steps, the inner one can be cut next. */
const tn_stmt *tni_lower_partition(tni_region *r, const tn_stmt *body) {
  const tn_stmt *before = NULL;
  body = tni_simplify_changed(r, body, tni_stmt_rewrite(r, body, NULL, partition_parallel, NULL));
  for (int round = 0; round < ROUNDS && body && body != before; round++) {
    before = body;
    body = tni_simplify_changed(r, body, tni_stmt_rewrite(r, body, NULL, partition, NULL));
  }
  return body;
}
