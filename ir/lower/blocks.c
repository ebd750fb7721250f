/* blocks.c -- blocks into their statements.
 *
 *     block B(i: 0..n = e, reduce k: 0..m = f) where (c) { init { I } S }
 *       ->
 *     if c { if f == 0 { I[i := e] }  S[i := e, k := f] }
 *
 * A guard that only keeps a store inside its buffer is not needed when the buffer is private and has room for what lies
 * outside (storage.c: roomy): nobody reads those elements. Then the store runs unguarded, so that accumulators stay in
 * registers, and the loads of its value that move with the iterator are kept inside in another way: by a condition, or by a
 * clamped subscript, which is cheaper where the iterator does not run over the lanes of a vector:
 *
 *     if e < n { T[e] = fma(A[e], B[k], T[e]) }  ->  T[e] = fma(A[e if e < n], B[k], T[e])
 *                                                or  T[e] = fma(A[min(e, n - 1)], B[k], T[e])
 *
 * A clamped load must hit its buffer for all values of the block's iterators: which of them run is not asked. What hits it
 * for those outside of their domains, too, as the end of a panel of weights, is loaded as it is. So are roomy buffers; others
 * made in the function hold only what their accesses reach, and are never clamped. Nor are buffers that the function writes:
 * another iteration may do so just then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

enum { MAX_VECTOR_LOOPS = 256 };

typedef struct opener {
  const tni_storage *storage;
  const tn_stmt *function; /* its body */
  tni_facts loops; /* the ranges of all of them */
  bool failed;
  bool lets; /* there are some: bindings may depend on each other in ways that they do not show */
  size_t vector_count;
  const tn_expr *vector_vars[MAX_VECTOR_LOOPS];
} opener;

static const tn_expr *at_first_step(tni_region *r, const tn_stmt *block) {
  const tn_expr *cond = tni_bool(r, true);
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce)
      cond = tni_and(r, cond, tni_op2(r, TN_OP_eq, block->as.block.iters[i].binding, tni_index(r, 0)));
  return cond;
}

/* ---- guards that can go to the loads ---- */

static bool is_plain_subscript(const tn_stmt *store, const tni_iter *it) {
  for (int32_t d = 0; d < store->as.store.count; d++)
    if (store->as.store.index[d] == it->var) return store->as.store.buffer->shape[d] == it->extent;
  return false;
}

typedef struct var_search {
  tn_context *ctx;
  const tn_expr *other;
  bool shared;
} var_search;

static void see_var(void *self, const tn_expr *x) {
  var_search *q = self;
  q->shared |= x->op == TN_OP_var && !q->shared && tni_expr_uses(q->ctx, q->other, x);
}

/* Do the two use a variable in common? */
static bool share_variable(tn_context *ctx, const tn_expr *a, const tn_expr *b) {
  var_search q = {.ctx = ctx, .other = b};
  tni_expr_visit(ctx, a, see_var, &q);
  return q.shared;
}

/* Is the condition true for all loops, or by a conjunct of the guard, but for one, that says just the same? */
static bool holds_without(const opener *o, tni_region *r, const tn_expr *where, const tn_expr *without,
                          const tn_expr *cond) {
  if (where->op == TN_OP_and)
    return holds_without(o, r, where->arg[0], without, cond) || holds_without(o, r, where->arg[1], without, cond);
  return tni_prove(r, &o->loops, cond) || (where != without && tni_implies(r, &o->loops, where, cond) &&
                                           tni_implies(r, &o->loops, cond, where));
}

/* Do the others stay in their domains when this iterator leaves its own, where `cond` is false? */
static bool moves_alone(const opener *o, tni_region *r, const tn_stmt *block, const tni_iter *it, const tn_expr *cond) {
  const tn_expr *where = block->as.block.where;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    const tni_iter *other = &block->as.block.iters[i];
    if (other == it || !share_variable(r->arena.ctx, it->binding, other->binding)) continue;
    const tn_expr *below = tni_op2(r, TN_OP_lt, other->binding, other->extent);
    const tn_expr *above = tni_op2(r, TN_OP_le, tni_index(r, 0), other->binding);
    if (!below || !above || !holds_without(o, r, where, cond, below) || !holds_without(o, r, where, cond, above))
      return false;
  }
  return true;
}

/* The spatial iterator that the conjunct keeps inside its domain, if it is a subscript of this store over the whole
 * dimension; else NULL. */
static const tni_iter *iter_kept(const opener *o, tni_region *r, const tn_stmt *block, const tn_stmt *store,
                                 const tn_expr *cond) {
  for (int32_t i = 0; i < block->as.block.count; i++) {
    const tni_iter *it = &block->as.block.iters[i];
    if (!it->reduce && is_plain_subscript(store, it) &&
        tni_domain_guard(r, &o->loops, it, cond) != TNI_GUARD_NONE)
      return moves_alone(o, r, block, it, cond) ? it : NULL;
  }
  return NULL;
}

/* Splits the guard into conjuncts that stay and those that can go to the loads. */
static void split_guard(const opener *o, tni_region *r, const tn_stmt *block, const tn_stmt *store, const tn_expr *cond,
                        const tn_expr **stay, const tn_expr **go) {
  if (cond->op == TN_OP_and) {
    split_guard(o, r, block, store, cond->arg[0], stay, go);
    split_guard(o, r, block, store, cond->arg[1], stay, go);
  } else if (iter_kept(o, r, block, store, cond)) {
    *go = tni_conj(r, *go, cond);
  } else {
    *stay = tni_conj(r, *stay, cond);
  }
}

/* One conjunct that goes to the loads: which iterator it cuts, and how. */
typedef struct cut {
  const tn_expr *var;     /* the iterator */
  const tn_expr *cond;    /* over loop variables */
  const tn_expr *clamped; /* the iterator kept inside; NULL: use the condition */
} cut;

typedef struct guarder {
  const tni_storage *storage;
  const tn_stmt *function;
  tni_facts facts; /* the domains of the iterators */
  tni_facts beyond; /* their values; those of iterators that are cut may be outside of the domains */
  size_t count;
  cut cuts[2 * TN_MAX_RANK];
} guarder;

static const tni_placement *placement_of(const tni_storage *storage, const tn_buffer *b) {
  for (size_t i = 0; i < storage->count; i++)
    if (storage->items[i].old == b) return &storage->items[i];
  return NULL;
}

/* Does the load hit its buffer for all values of the iterators, at whatever time? */
static bool always_hits(const guarder *g, const tni_facts *values, const tn_expr *load) {
  if (tni_load_where(load) || placement_of(g->storage, load->as.buffer)) return false;
  for (int32_t i = 0; i < tni_load_count(load); i++) {
    int64_t lo, hi;
    const tn_expr *extent = load->as.buffer->shape[i];
    tni_bounds(values, load->arg[i], &lo, &hi);
    if (!tni_is_const(extent) || lo < 0 || hi >= extent->as.i) return false;
  }
  return !tni_is_written_in(g->function, load->as.buffer);
}

typedef struct own_search {
  const tni_storage *storage;
  bool found;
} own_search;

static void see_own(void *self, const tn_expr *x) {
  own_search *q = self;
  q->found |= x->op == TN_OP_load && placement_of(q->storage, x->as.buffer);
}

/* Do its subscripts read buffers made in the function? Those would be read where the iterator is clamped to. */
static bool goes_by_own(const guarder *g, tn_context *ctx, const tn_expr *load) {
  own_search q = {.storage = g->storage};
  for (int32_t i = 0; i < tni_load_count(load); i++) tni_expr_visit(ctx, load->arg[i], see_own, &q);
  return q.found;
}

static const tn_expr *guard_load(void *self, tni_region *r, const tn_expr *x) {
  const guarder *g = self;
  const tn_expr *index[TN_MAX_RANK], *where = tni_load_where(x);
  const tni_placement *own = x->op == TN_OP_load ? placement_of(g->storage, x->as.buffer) : NULL;
  if (x->op != TN_OP_load || (own && own->roomy)) return x;
  int32_t count = tni_load_count(x);
  bool hits = always_hits(g, &g->facts, x) && !goes_by_own(g, r->arena.ctx, x);
  if (hits && always_hits(g, &g->beyond, x)) return x;
  for (int32_t i = 0; i < count; i++) index[i] = x->arg[i];
  for (size_t c = 0; c < g->count; c++) {
    const cut *k = &g->cuts[c];
    tni_subst clamp = {1, &k->var, &k->clamped};
    bool moves = where && tni_expr_uses(r->arena.ctx, where, k->var);
    for (int32_t i = 0; i < count; i++) {
      bool uses = tni_expr_uses(r->arena.ctx, index[i], k->var);
      moves |= uses;
      if (uses && hits && k->clamped && !(index[i] = tni_expr_subst(r, index[i], &clamp))) return NULL;
    }
    if (moves && !(hits && k->clamped)) where = tni_conj(r, where, k->cond);
  }
  return tni_load(r, x->type, x->as.buffer, (size_t)count, index, where);
}

/* Does the expression use the variable of a vectorized loop? */
static bool is_vector(const opener *o, tni_region *r, const tn_expr *x) {
  for (size_t i = 0; i < o->vector_count; i++)
    if (tni_expr_uses(r->arena.ctx, x, o->vector_vars[i])) return true;
  return false;
}

/* The conjunct as a cut. A spatial iterator has at most two. */
static bool add_cut(const opener *o, tni_region *r, const tn_stmt *block, const tn_stmt *store, const tn_expr *cond,
                    guarder *g) {
  if (cond->op == TN_OP_and)
    return add_cut(o, r, block, store, cond->arg[0], g) && add_cut(o, r, block, store, cond->arg[1], g);
  const tni_iter *it = iter_kept(o, r, block, store, cond);
  if (!it || g->count == TNI_COUNT(g->cuts)) return false;
  cut *k = &g->cuts[g->count++];
  *k = (cut){.var = it->var, .cond = cond};
  if (is_vector(o, r, it->binding) || !tni_is_const(it->extent)) return true;
  k->clamped = tni_domain_guard(r, &o->loops, it, cond) == TNI_GUARD_BELOW
                   ? tni_op2(r, TN_OP_min, it->var, tni_index(r, it->extent->as.i - 1))
                   : tni_op2(r, TN_OP_max, it->var, tni_index(r, 0));
  return k->clamped != NULL;
}

static bool is_cut(const guarder *g, const tni_iter *it) {
  for (size_t i = 0; i < g->count; i++)
    if (g->cuts[i].var == it->var) return true;
  return false;
}

/* The values that the iterators may have, within their domains and beyond. */
static bool push_values(const opener *o, const tn_stmt *block, guarder *g) {
  bool ok = true;
  for (int32_t i = 0; ok && i < block->as.block.count; i++) {
    const tni_iter *it = &block->as.block.iters[i];
    int64_t lo = 0, hi = tni_is_const(it->extent) ? it->extent->as.i - 1 : TNI_INF;
    if (hi < TNI_INF) ok = tni_facts_push(&g->facts, it->var, lo, hi);
    if (is_cut(g, it)) tni_bounds(&o->loops, it->binding, &lo, &hi);
    if (lo > -TNI_INF && hi < TNI_INF) ok = ok && tni_facts_push(&g->beyond, it->var, lo, hi);
  }
  return ok;
}

/* Init and body with the loads kept inside. */
static bool guard_loads(const opener *o, tni_region *r, const tn_stmt *block, const tn_stmt *store, const tn_expr *cond,
                        const tn_stmt **init, const tn_stmt **body) {
  guarder g = {.storage = o->storage, .function = o->function};
  tni_facts_init(&g.facts, r->arena.ctx);
  tni_facts_init(&g.beyond, r->arena.ctx);
  bool ok = add_cut(o, r, block, store, cond, &g) && push_values(o, block, &g);
  if (ok && *init) ok = (*init = tni_stmt_rewrite(r, *init, guard_load, NULL, &g)) != NULL;
  ok = ok && (*body = tni_stmt_rewrite(r, *body, guard_load, NULL, &g)) != NULL;
  tni_facts_destroy(&g.facts);
  tni_facts_destroy(&g.beyond);
  return ok;
}

/* Are the bindings made of loop variables alone? What is in memory, or in a let, may tie them to each other. */
static bool shows_bindings(const opener *o, const tn_stmt *block) {
  bool memory = o->lets;
  for (int32_t i = 0; i < block->as.block.count; i++)
    memory |= tni_expr_reads(block->as.block.iters[i].binding);
  return !memory;
}

/* The block's only store when its guard may be moved, else NULL: an external would be called more often. */
static const tn_stmt *roomy_store(const opener *o, tn_context *ctx, const tn_stmt *block) {
  const tn_stmt *store = block->as.block.body, *init = block->as.block.init;
  if (!block->as.block.where || o->vector_count == MAX_VECTOR_LOOPS || store->kind != TNI_STORE ||
      store->as.store.where || (init && !tni_init_fits(ctx, block)) || !shows_bindings(o, block))
    return NULL;
  const tni_placement *place = placement_of(o->storage, store->as.store.buffer);
  if (!place || !place->roomy) return NULL;
  return tni_stmt_holds(block, TNI_HOLDS_CALL) ? NULL : store;
}

/* ---- blocks ---- */

/* Is the binding evaluated once, before anything in the block is written? */
static bool must_keep(const tn_stmt *block, const tni_iter *it) {
  return (block->as.block.init || block->as.block.body->kind != TNI_STORE) && tni_expr_reads(it->binding);
}

/* let, for each binding whose value is kept in a variable, around the statement. */
static const tn_stmt *bind_kept(tni_region *r, const tn_stmt *block, const tn_expr *const *values, const tn_stmt *s) {
  for (int32_t i = block->as.block.count; i-- > 0;)
    if (values[i] != block->as.block.iters[i].binding) s = tni_let(r, values[i], block->as.block.iters[i].binding, s);
  return s;
}

static const tn_stmt *open_block(void *self, tni_region *r, const tn_stmt *s) {
  if (s->kind != TNI_BLOCK) return s;
  int32_t count = s->as.block.count;
  const tn_expr **vars = TNI_NEW_ARRAY(&r->arena, const tn_expr *, count);
  const tn_expr **values = TNI_NEW_ARRAY(&r->arena, const tn_expr *, count);
  if (!vars || !values) return NULL;
  for (int32_t i = 0; i < count; i++) {
    vars[i] = s->as.block.iters[i].var;
    values[i] = s->as.block.iters[i].binding;
    if (must_keep(s, &s->as.block.iters[i]) && !(values[i] = tni_var(r, vars[i]->as.name, TN_INDEX)))
      return NULL;
  }
  tni_subst subst = {(size_t)count, vars, values};
  const tn_stmt *store = roomy_store(self, r->arena.ctx, s);
  const tn_expr *stay = store ? NULL : s->as.block.where, *go = NULL;
  if (store) split_guard(self, r, s, store, s->as.block.where, &stay, &go);
  const tn_stmt *init = s->as.block.init, *body = s->as.block.body;
  if (go && !guard_loads(self, r, s, store, go, &init, &body)) return NULL;
  const tn_stmt *parts[2] = {NULL, tni_stmt_subst(r, body, &subst)};
  parts[0] = init ? tni_if(r, at_first_step(r, s), tni_stmt_subst(r, init, &subst), NULL) : tni_seq(r, 0, NULL);
  const tn_stmt *both = bind_kept(r, s, values, tni_seq(r, 2, parts));
  return stay ? tni_if(r, stay, both, NULL) : both;
}

static bool see_loop(void *self, const tn_stmt *s) {
  opener *o = self;
  int64_t lo, hi;
  o->lets |= s->kind == TNI_LET;
  if (s->kind != TNI_FOR) return true;
  if (s->as.loop.kind == TNI_VECTORIZED && o->vector_count < MAX_VECTOR_LOOPS)
    o->vector_vars[o->vector_count++] = s->as.loop.var;
  tni_bounds(&o->loops, s->as.loop.extent, &lo, &hi);
  o->failed |= !tni_facts_push(&o->loops, s->as.loop.var, 0, hi >= TNI_INF ? TNI_INF : hi - 1);
  return true;
}

const tn_stmt *tni_lower_blocks(tni_region *r, const tni_storage *storage, const tn_stmt *body) {
  opener o = {.storage = storage, .function = body};
  tni_facts_init(&o.loops, r->arena.ctx);
  tni_stmt_visit(body, see_loop, &o);
  const tn_stmt *opened = o.failed ? NULL : tni_stmt_rewrite(r, body, NULL, open_block, &o);
  tni_facts_destroy(&o.loops);
  return opened;
}
