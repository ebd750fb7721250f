/* blocks.c -- blocks into their statements.
 *
 *     block B(i: 0..n = e, reduce k: 0..m = f) where (c) { init { I } S }
 *       ->
 *     if c { if f == 0 { I[i := e] }  S[i := e, k := f] }
 *
 * A guard that only keeps a store inside its buffer is not needed when the buffer is private and has room for what lies
 * outside (storage.c: roomy): nobody reads those elements. Then the guard goes to the loads of the value, as far as they
 * move with what it cuts, and the store runs unguarded, so that accumulators stay in registers:
 *
 *     if e < n { T[e] = fma(A[e], B[k], T[e]) }  ->  T[e] = fma(A[e if e < n], B[k], T[e])
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

typedef struct opener {
  const tni_storage *storage;
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

typedef struct var_search {
  tn_context *ctx;
  const tn_expr *load;
  bool shared;
} var_search;

static void see_var(void *self, const tn_expr *x) {
  var_search *q = self;
  if (x->op == TN_OP_var)
    for (int32_t i = 0; i < tni_load_count(q->load) && !q->shared; i++)
      q->shared = tni_expr_uses(q->ctx, q->load->arg[i], x);
}

/* The conjuncts over variables that the load's subscripts use. */
static const tn_expr *relevant(tni_region *r, const tn_expr *load, const tn_expr *cond) {
  if (cond->op == TN_OP_and)
    return tni_conj(r, relevant(r, load, cond->arg[0]), relevant(r, load, cond->arg[1]));
  var_search q = {.ctx = r->arena.ctx, .load = load};
  tni_expr_visit(q.ctx, cond, see_var, &q);
  return q.shared ? cond : NULL;
}

typedef struct guarder {
  const tn_buffer *own;
  const tn_expr *cond;
} guarder;

static const tn_expr *guard_load(void *self, tni_region *r, const tn_expr *x) {
  const guarder *g = self;
  if (x->op != TN_OP_load || x->as.buffer == g->own)
    return x;
  const tn_expr *where = tni_conj(r, tni_load_where(x), relevant(r, x, g->cond));
  return tni_load(r, x->type, x->as.buffer, (size_t)tni_load_count(x), x->arg, where);
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
  if (!block->as.block.where || store->kind != TNI_STORE || store->as.store.where || !is_roomy(o, store->as.store.buffer))
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
  const tn_stmt *parts[2] = {NULL, tni_stmt_subst(r, s->as.block.body, &subst)};
  parts[0] = s->as.block.init ? tni_if(r, at_first_step(r, s), tni_stmt_subst(r, s->as.block.init, &subst), NULL)
                              : tni_seq(r, 0, NULL);
  const tn_stmt *both = tni_seq(r, 2, parts);
  guarder g = {store ? store->as.store.buffer : NULL, go};
  if (go && both)
    both = tni_stmt_rewrite(r, both, guard_load, NULL, &g);
  return stay ? tni_if(r, stay, both, NULL) : both;
}

const tn_stmt *tni_lower_blocks(tni_region *r, const tni_storage *storage, const tn_stmt *body) {
  opener o = {storage};
  return tni_stmt_rewrite(r, body, NULL, open_block, &o);
}
