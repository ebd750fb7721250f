/* depend.c -- may iterations change places?
 *
 * A rewrite that lets the iterations of loops run in another order exchanges pairs of them. How the iterations of a pair stand to
 * each other is said loop by loop: the same, a later, an earlier one. No element may be touched in both of a pair, and written in
 * one, for all pairs that stand so:
 *
 *     T[i + 1] in iteration i, T[j] in iteration j, i later than j:   i = j + 1 + e,  i + 1 - j = 2 + e > 0,  never the same
 *
 * That is asked of every dimension, and of the place that row-major memory would have. Different subscripts are different
 * elements, as in ir/race.c. What goes round, u % m and v % m, is the same only where m divides u - v. The guard of a block
 * holds where it runs; other conditions are not looked at: what they keep from running is taken to run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_LOOPS = 65 };

/* ---- two accesses -------------------------------------------------------------------------------------------------- */

/* The variables of one access's loops, and what stands for them. */
typedef struct side {
  size_t count;
  const tn_expr *vars[MAX_LOOPS], *values[MAX_LOOPS];
} side;

typedef struct meeting {
  tni_region *r;
  tni_prover prover;
  const tni_turns *turns;
  const tn_expr *base[TNI_MAX_TURNS]; /* the earlier iteration of each pair of loops */
  bool failed;
} meeting;

static const tn_expr *over(meeting *m, const side *s, const tn_expr *x) {
  tni_subst subst = {s->count, s->vars, s->values};
  const tn_expr *y = tni_expr_subst(m->r, x, &subst);
  m->failed |= !y;
  return y;
}

/* A number of its own in 0..extent. What an extent reads may be another thing in another iteration. */
static const tn_expr *number_below(meeting *m, const tn_expr *extent, const char *name) {
  const tn_expr *x = tni_var(m->r, name, TN_INDEX);
  m->failed |= !x || !extent;
  if (m->failed) return NULL;
  if (tni_expr_reads(extent))
    tni_prover_know_extent(&m->prover, x);
  else
    tni_prover_bind(&m->prover, x, extent);
  return x;
}

/* An iteration after `before`, by so many (0: any number), and below the extent. */
static const tn_expr *later(meeting *m, const tn_expr *before, const tn_expr *extent, const char *name, int64_t distance) {
  const tn_expr *by = distance ? tni_index(m->r, distance - 1) : number_below(m, extent, name);
  const tn_expr *x = tni_add(m->r, tni_add(m->r, before, tni_index(m->r, 1)), by);
  m->failed |= !x;
  return x;
}

static int find_turn(const tni_turns *t, const tn_stmt *const *loops, const tn_stmt *loop) {
  for (int i = 0; i < t->count; i++)
    if (loops[i] == loop) return i;
  return -1;
}

static void know_below(meeting *m, const tn_expr *x, const tn_expr *extent) {
  const tn_expr *below = m->failed || tni_expr_reads(extent) ? NULL : tni_op2(m->r, TN_OP_lt, x, extent);
  if (below) tni_prover_know(&m->prover, below, true);
}

/* The iterations of y's loops, or, behind them, of x's. */
static void place(meeting *m, const tni_access *access, bool is_y, side *s) {
  s->count = 0;
  for (int k = 0; k < access->depth && !m->failed; k++) {
    const tn_stmt *loop = access->loops[k];
    const char *name = loop->as.loop.var->as.name;
    const tn_expr *extent = over(m, s, loop->as.loop.extent), *value;
    int i = find_turn(m->turns, is_y ? m->turns->y : m->turns->x, loop), order = i < 0 ? 0 : m->turns->order[i];
    if (i < 0) {
      value = number_below(m, extent, name);
    } else {
      if (is_y) m->base[i] = number_below(m, extent, name);
      value = order == (is_y ? -1 : 1) ? later(m, m->base[i], extent, name, m->turns->by[i]) : m->base[i];
      if (value) know_below(m, value, extent);
    }
    s->vars[s->count] = loop->as.loop.var;
    s->values[s->count++] = value;
    m->failed |= !value || s->count == MAX_LOOPS;
  }
}

typedef struct var_search {
  const side *s;
  bool foreign;
} var_search;

static void see_var(void *self, const tn_expr *x) {
  var_search *q = self;
  bool own = x->op != TN_OP_var;
  for (size_t i = 0; i < q->s->count; i++) own |= q->s->vars[i] == x;
  q->foreign |= !own || x->op == TN_OP_load || x->op == TN_OP_call;
}

/* Is it made of constants and the variables of the loops? */
static bool is_over_loops(const meeting *m, const side *s, const tn_expr *x) {
  var_search q = {s, false};
  tni_expr_visit(m->r->arena.ctx, x, see_var, &q);
  return !q.foreign;
}

/* What a block's guard says of its loops' iterations; what is bound elsewhere may be another thing in the other one. */
static void know_guard(meeting *m, const side *s, const tn_expr *cond) {
  tni_facts *ranges = &m->prover.intervals;
  if (cond->op == TN_OP_and) {
    know_guard(m, s, cond->arg[0]);
    know_guard(m, s, cond->arg[1]);
  } else if (is_over_loops(m, s, cond)) {
    const tn_expr *said = over(m, s, cond);
    said = said ? tni_simplify(m->r, ranges, said) : NULL;
    m->failed |= !said || (!tni_is_const(said) && !tni_facts_learn(ranges, said, true));
    if (!m->failed) tni_prover_know(&m->prover, said, true);
  }
}

/* Are u % m and b (or v % m) never the same number: is u - b no multiple of m? */
static bool differ_going_round(meeting *m, const tn_expr *a, const tn_expr *b) {
  if (a->op != TN_OP_floormod || !tni_is_const(a->arg[1]) || a->arg[1]->as.i < 1) return false;
  int64_t lo, hi, round = a->arg[1]->as.i;
  bool both = b->op == TN_OP_floormod && b->arg[1] == a->arg[1];
  const tn_expr *gap = tni_sub(m->r, a->arg[0], both ? b->arg[0] : b);
  gap = gap ? tni_simplify(m->r, &m->prover.intervals, gap) : NULL;
  m->failed |= !gap;
  if (m->failed) return false;
  tni_bounds(&m->prover.intervals, gap, &lo, &hi);
  if (lo <= -TNI_INF || hi >= TNI_INF) return false;
  int64_t above = hi % round; /* the last multiple that is not greater */
  return hi - (above < 0 ? above + round : above) < lo;
}

/* Are a and b never the same number? */
static bool differ(meeting *m, const tn_expr *a, const tn_expr *b) {
  const tn_expr *zero = tni_index(m->r, 0), *gap = tni_sub(m->r, a, b);
  gap = gap ? tni_simplify(m->r, &m->prover.intervals, gap) : NULL;
  int64_t mod, rem;
  m->failed |= !gap || !zero;
  if (m->failed) return false;
  tni_modular(&m->prover.intervals, gap, &mod, &rem);
  return rem != 0 || tni_prover_never_less(&m->prover, gap, zero, 1) || tni_prover_never_less(&m->prover, zero, gap, 1);
}

static bool never_meet(meeting *m, const tni_access *x, const tni_access *y) {
  side sx, sy;
  bool known = true;
  place(m, y, true, &sy);
  place(m, x, false, &sx);
  if (x->block && x->block->as.block.where && !m->failed) know_guard(m, &sx, x->block->as.block.where);
  if (y->block && y->block->as.block.where && !m->failed) know_guard(m, &sy, y->block->as.block.where);
  const tn_expr *at_x = tni_index(m->r, 0), *at_y = at_x;
  for (int32_t d = 0; d < x->buffer->rank && !m->failed; d++) {
    const tn_expr *a = over(m, &sx, x->index[d]), *b = over(m, &sy, y->index[d]);
    bool reads = m->failed || tni_expr_reads(a) || tni_expr_reads(b);
    known &= !reads;
    if (!reads && (differ(m, a, b) || differ_going_round(m, a, b) || differ_going_round(m, b, a))) return true;
    at_x = tni_add(m->r, tni_mul(m->r, at_x, x->buffer->shape[d]), a);
    at_y = tni_add(m->r, tni_mul(m->r, at_y, x->buffer->shape[d]), b);
  }
  return known && x->buffer->rank > 1 && !m->failed && differ(m, at_x, at_y);
}

/* ---- all of them ---------------------------------------------------------------------------------------------------- */

static bool is_under(const tni_access *x, const tn_stmt *loop) {
  for (int i = 0; i < x->depth; i++)
    if (x->loops[i] == loop) return true;
  return false;
}

/* Reductions by one operator may come in any order, but for the rounding of sums and products. */
static bool commute(const tni_access *x, const tni_access *y) {
  if (!x->reduces || !y->reduces || x->store->as.store.op != y->store->as.store.op) return false;
  enum tn_op op = x->store->as.store.op;
  return !tni_type_is_float(x->buffer->type) || (op != TN_OP_add && op != TN_OP_mul);
}

bool tni_may_meet(tni_region *r, const tni_access *x, const tni_access *y, const tni_turns *turns) {
  if (x->buffer != y->buffer || (!x->write && !y->write) || commute(x, y)) return false;
  meeting m = {.r = r, .turns = turns};
  tni_prover_init(&m.prover, r->arena.ctx);
  bool apart = never_meet(&m, x, y);
  r->arena.failed |= m.failed || m.prover.failed;
  tni_prover_destroy(&m.prover);
  return !apart || r->arena.failed;
}

const char *tni_why_dependent(tni_region *r, const tni_accesses *all, const tn_stmt *a, const tn_stmt *b,
                              const tni_turns *turns, const void **mark) {
  for (size_t i = 0; i < all->count; i++)
    for (size_t k = 0; k < all->count; k++) {
      const tni_access *x = &all->items[i], *y = &all->items[k];
      if (x->buffer != y->buffer || (!x->write && !y->write) || !is_under(x, a) || !is_under(y, b) || commute(x, y) ||
          tni_is_allocated_in(a, x->buffer))
        continue;
      meeting m = {.r = r, .turns = turns};
      tni_prover_init(&m.prover, r->arena.ctx);
      bool apart = never_meet(&m, x, y);
      m.failed |= m.prover.failed;
      tni_prover_destroy(&m.prover);
      if (apart && !m.failed) continue;
      *mark = y->store ? y->store : x->store;
      return m.failed ? "there is no memory to check it"
                      : "iterations that would change places may touch the same element here";
    }
  return NULL;
}

typedef struct effect_search {
  const tn_stmt *call, *assert, *wait;
} effect_search;

static bool see_effect(void *self, const tn_stmt *s) {
  effect_search *q = self;
  bool calls = (s->kind == TNI_BLOCK || tni_is_write(s)) && tni_stmt_holds(s, TNI_HOLDS_CALL);
  if (calls || s->kind == TNI_EVALUATE) q->call = s;
  if (s->kind == TNI_ASSERT) q->assert = s;
  if (s->kind == TNI_BARRIER || s->kind == TNI_COPY || s->kind == TNI_COMMIT || s->kind == TNI_WAIT) q->wait = s;
  return true;
}

const char *tni_why_in_order(const tn_stmt *s, const void **mark) {
  effect_search q = {0};
  tni_stmt_visit(s, see_effect, &q);
  *mark = q.call ? q.call : q.assert ? q.assert : q.wait;
  return q.call     ? "an external is called here, and calls stay in their order"
         : q.assert ? "an assert is here, and the first that fails must stay the first"
         : q.wait   ? "this waits, or is waited for, and stays in its order"
                    : NULL;
}
