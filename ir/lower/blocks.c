/* blocks.c -- blocks into their statements.
 *
 *     block B(i: 0..n = e, reduce k: 0..m = f) where (c) { init { I } S }
 *       ->
 *     if c { if f == 0 { I[i := e] }  S[i := e, k := f] }
 *
 * A guard that only keeps a store inside its buffer is not needed when the buffer is private and has room for what lies
 * outside (storage.c: roomy): nobody reads those elements. Then the store runs unguarded, so that accumulators stay in
 * registers, and the loads of its value that move with the iterator are kept inside in another way: by a condition when the
 * iterator runs over the lanes of a vector, else by a clamped subscript, which is cheaper:
 *
 *     if e < n { T[e] = fma(A[e], B[k], T[e]) }  ->  T[e] = fma(A[e if e < n], B[k], T[e])
 *                                                or  T[e] = fma(A[min(e, n - 1)], B[k], T[e])
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

enum { MAX_VECTOR_LOOPS = 256 };

typedef struct opener {
  const tni_storage *storage;
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
    if (store->as.store.index[d] == it->var)
      return store->as.store.buffer->shape[d] == it->extent;
  return false;
}

/* Does the conjunct cut a spatial iterator that is a subscript of this store over the whole dimension? */
static bool keeps_inside(const tn_stmt *block, const tn_stmt *store, const tn_expr *cond) {
  for (int32_t i = 0; i < block->as.block.count; i++) {
    const tni_iter *it = &block->as.block.iters[i];
    bool below = cond->op == TN_OP_lt && cond->arg[0] == it->binding && cond->arg[1] == it->extent;
    bool above = cond->op == TN_OP_le && tni_is_int(cond->arg[0], 0) && cond->arg[1] == it->binding;
    if ((below || above) && !it->reduce && is_plain_subscript(store, it))
      return true;
  }
  return false;
}

/* Splits the guard into conjuncts that stay and those that can go to the loads. */
static void split_guard(tni_region *r, const tn_stmt *block, const tn_stmt *store, const tn_expr *cond, const tn_expr **stay,
                        const tn_expr **go) {
  if (cond->op == TN_OP_and) {
    split_guard(r, block, store, cond->arg[0], stay, go);
    split_guard(r, block, store, cond->arg[1], stay, go);
  } else if (keeps_inside(block, store, cond)) {
    *go = tni_conj(r, *go, cond);
  } else {
    *stay = tni_conj(r, *stay, cond);
  }
}

/* One conjunct that goes to the loads: which iterator it cuts, and how. */
typedef struct cut {
  const tn_expr *var;     /* the iterator */
  const tn_expr *cond;    /* over loop variables; NULL: clamp instead */
  const tn_expr *clamped; /* the iterator kept inside */
} cut;

typedef struct guarder {
  const tn_buffer *own;
  size_t count;
  cut cuts[2 * TN_MAX_RANK];
} guarder;

static const tn_expr *guard_load(void *self, tni_region *r, const tn_expr *x) {
  const guarder *g = self;
  const tn_expr *index[TN_MAX_RANK], *where = tni_load_where(x);
  if (x->op != TN_OP_load || x->as.buffer == g->own)
    return x;
  int32_t count = tni_load_count(x);
  for (int32_t i = 0; i < count; i++)
    index[i] = x->arg[i];
  for (size_t c = 0; c < g->count; c++) {
    const cut *k = &g->cuts[c];
    tni_subst clamp = {1, &k->var, &k->clamped};
    bool moves = false;
    for (int32_t i = 0; i < count; i++) {
      bool uses = tni_expr_uses(r->arena.ctx, index[i], k->var);
      moves |= uses;
      if (uses && !k->cond && !(index[i] = tni_expr_subst(r, index[i], &clamp)))
        return NULL;
    }
    if (moves && k->cond)
      where = tni_conj(r, where, k->cond);
  }
  return tni_load(r, x->type, x->as.buffer, (size_t)count, index, where);
}

/* Does the expression use the variable of a vectorized loop? */
static bool is_vector(const opener *o, tni_region *r, const tn_expr *x) {
  for (size_t i = 0; i < o->vector_count; i++)
    if (tni_expr_uses(r->arena.ctx, x, o->vector_vars[i]))
      return true;
  return false;
}

/* The conjunct as a cut. A spatial iterator has at most two. */
static bool add_cut(const opener *o, tni_region *r, const tn_stmt *block, const tn_expr *cond, guarder *g) {
  if (cond->op == TN_OP_and)
    return add_cut(o, r, block, cond->arg[0], g) && add_cut(o, r, block, cond->arg[1], g);
  const tni_iter *it = block->as.block.iters;
  bool below = cond->op == TN_OP_lt;
  while ((below ? cond->arg[0] : cond->arg[1]) != it->binding)
    it++;
  if (g->count == TNI_COUNT(g->cuts))
    return false;
  cut *k = &g->cuts[g->count++];
  k->var = it->var;
  k->cond = is_vector(o, r, it->binding) ? cond : NULL;
  k->clamped = below ? tni_op2(r, TN_OP_min, it->var, tni_sub(r, it->extent, tni_index(r, 1)))
                     : tni_op2(r, TN_OP_max, it->var, tni_index(r, 0));
  return k->clamped != NULL;
}

static bool is_roomy(const opener *o, const tn_buffer *b) {
  for (size_t i = 0; i < o->storage->count; i++)
    if (o->storage->items[i].old == b)
      return o->storage->items[i].roomy;
  return false;
}

/* The block's only store when its guard may be moved, else NULL. */
static const tn_stmt *roomy_store(const opener *o, const tn_stmt *block) {
  const tn_stmt *store = block->as.block.body, *init = block->as.block.init;
  if (!block->as.block.where || o->vector_count == MAX_VECTOR_LOOPS || store->kind != TNI_STORE || store->as.store.where || !is_roomy(o, store->as.store.buffer))
    return NULL;
  return !init || (init->kind == TNI_STORE && init->as.store.buffer == store->as.store.buffer) ? store : NULL;
}

/* ---- blocks ---- */

static const tn_stmt *open_block(void *self, tni_region *r, const tn_stmt *s) {
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
  const tn_stmt *store = roomy_store(self, s);
  const tn_expr *stay = store ? NULL : s->as.block.where, *go = NULL;
  if (store)
    split_guard(r, s, store, s->as.block.where, &stay, &go);
  const tn_stmt *inner = s->as.block.body;
  guarder g = {.own = store ? store->as.store.buffer : NULL};
  if (go && (!add_cut(self, r, s, go, &g) || !(inner = tni_stmt_rewrite(r, inner, guard_load, NULL, &g))))
    return NULL;
  const tn_stmt *parts[2] = {NULL, tni_stmt_subst(r, inner, &subst)};
  parts[0] = s->as.block.init ? tni_if(r, at_first_step(r, s), tni_stmt_subst(r, s->as.block.init, &subst), NULL)
                              : tni_seq(r, 0, NULL);
  const tn_stmt *both = tni_seq(r, 2, parts);
  return stay ? tni_if(r, stay, both, NULL) : both;
}

static bool see_vector_loop(void *self, const tn_stmt *s) {
  opener *o = self;
  if (s->kind == TNI_FOR && s->as.loop.kind == TNI_VECTORIZED && o->vector_count < MAX_VECTOR_LOOPS)
    o->vector_vars[o->vector_count++] = s->as.loop.var;
  return true;
}

const tn_stmt *tni_lower_blocks(tni_region *r, const tni_storage *storage, const tn_stmt *body) {
  opener o = {.storage = storage};
  tni_stmt_visit(body, see_vector_loop, &o);
  return tni_stmt_rewrite(r, body, NULL, open_block, &o);
}
