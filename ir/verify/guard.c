/* guard.c -- what the strict check does not know is checked where it happens.
 *
 *     A[i] = B[k]     ->   assert 0 <= k && k < n, "a subscript of `B` is outside 0..its extent"
 *                          A[i] = B[k]
 *     for i in 0..8 parallel { .. }   ->   for i in 0..8 { .. }
 *
 * So a function means the same as before, and what the interpreter would refuse fails with an error: bindings too. The
 * condition of a while is checked before each of its runs. Lanes of a vector are asked one by one. Loops whose iterations may
 * race run in order, as threads of a block do without it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verify/verify.h"

typedef struct guard {
  const tn_func *func;
  const tni_map *open; /* what is not known: see tni_strict */
  tni_region *r;
  const tn_expr *under; /* the condition under which the expression at hand is evaluated; NULL: always */
  const tn_expr **conds; /* of the statement at hand, in order */
  const char **messages;
  size_t count, capacity, message_capacity;
  bool failed; /* no memory */
} guard;

/* ---- conditions ---- */

static bool is_open(const guard *g, const void *node) { return tni_map_find(g->open, node, 0) != TNI_MAP_NONE; }

static void add_check(guard *g, const tn_expr *cond, const char *kind, const char *name) {
  tn_context *ctx = g->r->arena.ctx;
  const char *message = tni_arena_format(&g->r->arena, "a %s of `%s` is outside 0..its extent", kind, name);
  if (!cond || !message || !tni_reserve(ctx, (void **)&g->conds, &g->capacity, g->count + 1, sizeof *g->conds) ||
      !tni_reserve(ctx, (void **)&g->messages, &g->message_capacity, g->count + 1, sizeof *g->messages)) {
    g->failed = true;
    return;
  }
  g->conds[g->count] = cond;
  g->messages[g->count++] = message;
}

/* where -> 0 <= x && x < extent */
static const tn_expr *is_inside(tni_region *r, const tn_expr *x, const tn_expr *extent, const tn_expr *where) {
  const tn_expr *inside =
      tni_and(r, tni_op2(r, TN_OP_le, tni_index(r, 0), x), tni_op2(r, TN_OP_lt, x, extent));
  return where ? tni_op2(r, TN_OP_or, tni_op1(r, TN_OP_not, where), inside) : inside;
}

static const tn_expr *lane_of(tni_region *r, const tn_expr *x, uint32_t lane) {
  return !x || TN_TYPE_LANES(x->type) == 1 ? x : tni_shuffle(r, 1, &x, 1, &lane);
}

static void check_access(guard *g, const tn_buffer *buffer, int32_t count, const tn_expr *const *index,
                         const tn_expr *where) {
  for (int32_t i = 0; i < count; i++) {
    const tn_expr *extent =
        g->func->level == TNI_LEVEL_TENSOR ? buffer->shape[i] : tni_buffer_size(g->r, buffer), *all = NULL;
    for (uint32_t k = 0; k < TN_TYPE_LANES(index[i]->type); k++) {
      const tn_expr *x = lane_of(g->r, index[i], k), *w = lane_of(g->r, where, k);
      g->failed |= !extent || !x || (where && !w);
      if (g->failed) return;
      const tn_expr *inside = is_inside(g->r, x, extent, w);
      all = k ? tni_and(g->r, all, inside) : inside;
    }
    add_check(g, all, "subscript", buffer->name);
  }
}

static void see_load(void *self, const tn_expr *x) {
  guard *g = self;
  const tn_expr *where = tni_load_where(x), *under = g->under;
  if (x->op != TN_OP_load || !is_open(g, x)) return;
  if (where && under && TN_TYPE_LANES(where->type) > 1) under = tni_broadcast(g->r, under, TN_TYPE_LANES(where->type));
  check_access(g, x->as.buffer, tni_load_count(x), x->arg, tni_conj(g->r, under, where));
}

static void check_loads(guard *g, const tn_expr *x) {
  if (x) tni_expr_visit(g->r->arena.ctx, x, see_load, g);
}

/* ---- statements ---- */

/* Without its condition a store does nothing; lanes of vectors are loaded all the same. */
static void check_store(guard *g, const tn_stmt *s) {
  const tn_expr *where = s->as.store.where;
  check_loads(g, where);
  g->under = where && where->type == TN_BOOL ? where : NULL;
  for (int32_t i = 0; i < s->as.store.count; i++) check_loads(g, s->as.store.index[i]);
  check_loads(g, s->as.store.value);
  g->under = NULL;
  if (is_open(g, s)) check_access(g, s->as.store.buffer, s->as.store.count, s->as.store.index, where);
}

static void check_block(guard *g, const tn_stmt *s) {
  check_loads(g, s->as.block.where);
  g->under = s->as.block.where;
  for (int32_t i = 0; i < s->as.block.count; i++) {
    const tni_iter *iter = &s->as.block.iters[i];
    check_loads(g, iter->binding);
    check_loads(g, iter->extent);
    if (is_open(g, iter->var))
      add_check(g, is_inside(g->r, iter->binding, iter->extent, s->as.block.where), "binding", iter->var->as.name);
  }
  g->under = NULL;
}

static const tn_stmt *with_checks(guard *g, const tn_stmt *s) {
  for (size_t i = g->count; i > 0; i--) s = tni_claim(g->r, g->conds[i - 1], g->messages[i - 1], s);
  return s;
}

static const tn_stmt *in_order(guard *g, const tn_stmt *s) {
  if (s->kind != TNI_FOR || tni_is_thread_bound(s->as.loop.kind) || !is_open(g, s->as.loop.var)) return s;
  return tni_for_like(g->r, s, s->as.loop.var, s->as.loop.extent, TNI_SERIAL, s->as.loop.body);
}

/* The condition comes again behind each run of the body. */
static const tn_stmt *check_again(guard *g, const tn_stmt *s) {
  const tn_stmt *items[] = {s->as.repeat.body, with_checks(g, tni_seq(g->r, 0, NULL))};
  return tni_while(g->r, s->as.repeat.cond, tni_seq(g->r, 2, items));
}

static const tn_stmt *add_checks(void *self, tni_region *r, const tn_stmt *s) {
  guard *g = self;
  (void)r;
  g->count = 0;
  check_loads(g, tni_own_expr(s));
  if (tni_is_write(s)) check_store(g, s);
  if (s->kind == TNI_BLOCK) check_block(g, s);
  for (int32_t i = 0; s->kind == TNI_ALLOC && i < s->as.alloc.buffer->rank; i++)
    check_loads(g, s->as.alloc.buffer->shape[i]);
  if (g->failed) return NULL;
  s = s->kind == TNI_WHILE && g->count ? check_again(g, s) : in_order(g, s);
  return s ? with_checks(g, s) : NULL;
}

/* ---- what cannot be checked twice ---- */

typedef struct call_search {
  const guard *g;
  bool found;
} call_search;

static void see_call(void *self, const tn_expr *x) { ((call_search *)self)->found |= x->op == TN_OP_call; }

static void search(call_search *q, const tn_expr *x) {
  if (x) tni_expr_visit(q->g->r->arena.ctx, x, see_call, q);
}

static void see_access(void *self, const tn_expr *x) {
  call_search *q = self;
  for (int i = 0; x->op == TN_OP_load && is_open(q->g, x) && i < x->nargs; i++) search(q, x->arg[i]);
}

static bool see_stmt(void *self, const tn_stmt *s) {
  call_search *q = self;
  if (tni_is_write(s) && is_open(q->g, s)) {
    search(q, s->as.store.where);
    for (int32_t i = 0; i < s->as.store.count; i++) search(q, s->as.store.index[i]);
  }
  for (int32_t i = 0; s->kind == TNI_BLOCK && i < s->as.block.count; i++) {
    if (!is_open(q->g, s->as.block.iters[i].var)) continue;
    search(q, s->as.block.where);
    search(q, s->as.block.iters[i].binding);
    search(q, s->as.block.iters[i].extent);
  }
  return true;
}

/* Is an external called for what is to be checked? It would be called once more. */
static bool needs_calls(const guard *g) {
  call_search q = {.g = g};
  tni_stmt_visit(g->func->body, see_stmt, &q);
  tni_stmt_visit_exprs(g->r->arena.ctx, g->func->body, see_access, &q);
  return q.found;
}

/* ---- functions ---- */

static tn_status add_all(tni_region *r, const tn_func *func, const tni_map *open, const tn_func **out, tn_error **err) {
  tn_context *ctx = r->arena.ctx;
  guard g = {.func = func, .open = open, .r = r};
  if (needs_calls(&g)) return tn_func_check(func, NULL, NULL, err);
  const tn_stmt *body = tni_stmt_rewrite(r, func->body, NULL, add_checks, &g);
  tni_free(ctx, g.conds, g.capacity * sizeof *g.conds);
  tni_free(ctx, g.messages, g.message_capacity * sizeof *g.messages);
  *out = body ? tni_func_with_body(r, func, func->level, body) : NULL;
  return *out ? TN_OK : tni_fail_nomem(err);
}

tn_status tni_guard(tni_region *r, const tn_func *func, const tn_func **out, tn_error **err) {
  tni_map open;
  *out = func;
  if (err) *err = NULL;
  if (!func->body) return TN_OK;
  tni_map_init(&open, r->arena.ctx);
  tn_status status = tni_strict(func, &open) ? TN_OK : tni_fail_nomem(err);
  if (!status && open.count) status = add_all(r, func, &open, out, err);
  tni_map_destroy(&open);
  return status;
}
