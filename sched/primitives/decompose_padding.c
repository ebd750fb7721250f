/* decompose_padding.c -- a block that pads becomes a fill with the padding, and a copy of what is inside.
 *
 *     for y in 0..7 { block P(a: 0..7 = y) { P[a] = X[a - 1 if 1 <= a && a < 6] } }           decompose_padding(P, y)
 *       ->
 *     for y in 0..7 { block P_fill(a: 0..7 = y) { P[a] = 0 } }
 *     for y in 0..5 { block P(a: 0..5 = y) { P[a + 1] = X[a] } }
 *
 * The condition is that of a load, of a select, or of an if with a store on either side: where it does not hold, what is
 * stored reads nothing, so that it is the same wherever it is computed. Iterators that are a loop of the block alone
 * run over the inside alone, as far as it is a range of them; the rest of the condition is the block's guard.
 *
 * needs: a block of one store below the loop, no reduction, whose elements are stored once below the loop, and nothing
 *        else there that uses the buffer
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MOST_CONDITIONS = 16 };

/* ---- the two cases ----------------------------------------------------------------------------------------------- */

typedef struct conditions {
  size_t count;
  const tn_expr *items[MOST_CONDITIONS];
} conditions;

static void see_condition(void *self, const tn_expr *x) {
  conditions *q = self;
  const tn_expr *cond = x->op == TN_OP_select ? x->arg[0] : x->op == TN_OP_load ? tni_load_where(x) : NULL;
  if (cond && q->count < MOST_CONDITIONS) q->items[q->count++] = cond;
}

typedef struct assumption {
  const tn_expr *cond;
  bool holds;
} assumption;

static const tn_expr *decide(void *self, tni_region *r, const tn_expr *x) {
  const assumption *a = self;
  return x == a->cond ? tni_bool(r, a->holds) : x;
}

static const tn_expr *where_it(tni_region *r, const tn_expr *value, const tn_expr *cond, bool holds) {
  assumption a = {cond, holds};
  return value ? tni_expr_rewrite(r, value, decide, &a) : NULL;
}

/* !x, without the sign where there is another way to say it. */
static const tn_expr *negated(tni_region *r, const tn_expr *x) {
  if (!x) return NULL;
  if (x->op == TN_OP_and || x->op == TN_OP_or)
    return tni_op2(r, x->op == TN_OP_and ? TN_OP_or : TN_OP_and, negated(r, x->arg[0]), negated(r, x->arg[1]));
  if ((x->op == TN_OP_lt || x->op == TN_OP_le) && x->arg[0]->type == TN_INDEX)
    return tni_op2(r, x->op == TN_OP_lt ? TN_OP_le : TN_OP_lt, x->arg[1], x->arg[0]);
  return tni_op1(r, TN_OP_not, x);
}

/* What a block stores: `inside` where that holds, else `padding`. */
typedef struct cases {
  tn_context *ctx;
  const tn_expr *inside, *value, *padding;
} cases;

/* Takes one more condition out of the value: one without which the padding, the same one, is stored. False: there is none. */
static bool take_condition(tni_region *r, cases *c) {
  conditions q = {0};
  tni_expr_visit(c->ctx, c->value, see_condition, &q);
  for (size_t i = q.count; i > 0; i--) { /* the outermost first */
    const tn_expr *cond = q.items[i - 1];
    for (int holds = 0; holds < 2 && !tni_expr_reads(cond); holds++) {
      const tn_expr *x = where_it(r, c->value, cond, holds);
      if (!x || tni_expr_reads(x) || (c->padding && x != c->padding)) continue;
      c->padding = x;
      c->value = where_it(r, c->value, cond, !holds);
      c->inside = tni_conj(r, c->inside, holds ? negated(r, cond) : cond);
      return c->value && c->inside;
    }
  }
  return false;
}

static const tn_expr *guard_load(void *self, tni_region *r, const tn_expr *x) {
  if (x->op != TN_OP_load) return x;
  return tni_load(r, x->type, x->as.buffer, (size_t)tni_load_count(x), x->arg, tni_conj(r, tni_load_where(x), self));
}

static bool is_plain_store(const tn_stmt *s) { return s && s->kind == TNI_STORE && !s->as.store.where; }

/* An if with a store to one element on either side as the store of a select; NULL: it is none. */
static const tn_stmt *store_of_if(tni_region *r, const tn_stmt *s) {
  const tn_stmt *a = s->as.cond.then, *b = s->as.cond.otherwise;
  if (!is_plain_store(a) || !is_plain_store(b) || a->as.store.buffer != b->as.store.buffer ||
      memcmp(a->as.store.index, b->as.store.index, (size_t)a->as.store.count * sizeof(void *)) != 0)
    return NULL;
  const tn_expr *cond = s->as.cond.cond, *other = negated(r, cond);
  const tn_expr *x = tni_expr_rewrite(r, a->as.store.value, guard_load, (void *)cond);
  const tn_expr *y = other ? tni_expr_rewrite(r, b->as.store.value, guard_load, (void *)other) : NULL;
  return tni_store(r, a->as.store.buffer, a->as.store.count, a->as.store.index, tni_op3(r, TN_OP_select, cond, x, y), NULL);
}

/* The block with the one store as its body, and its cases; NULL: it is no such block, and the refusal has been told. */
static const tn_stmt *open_cases(tni_step *step, const tn_stmt *block, cases *out) {
  tni_region *r = &step->s->region;
  const tn_stmt *body = block->as.block.body, *store = body->kind == TNI_IF ? store_of_if(r, body) : body;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce) store = NULL;
  if (!is_plain_store(store) || block->as.block.init)
    return tni_step_refuse(step, block, "the block does more than store one element to one buffer"), NULL;
  *out = (cases){.ctx = step->s->ctx, .value = store->as.store.value};
  while (take_condition(r, out));
  if (!out->padding)
    return tni_step_refuse(step, store,
                           "there is no condition without which a value is stored that reads nothing\n"
                           "needs: a load with a condition, or a select of a value and a constant"),
           NULL;
  return tni_block_like(r, block, block->as.block.iters, block->as.block.where, NULL, store);
}

/* ---- the inside -------------------------------------------------------------------------------------------------- */

typedef struct narrowing {
  tni_region *r;
  const tn_stmt *block;
  size_t count; /* of the statements from the outermost loop that runs the block alone to the one around it */
  const tn_stmt *const *path;
  tni_facts facts; /* of the iterators */
  tni_iter iters[TNI_MAX_NEST];
  const tn_expr *vars[TNI_MAX_NEST], *values[TNI_MAX_NEST]; /* an iterator, and what stands for it */
  const tn_stmt *loops[TNI_MAX_NEST];                       /* that is the iterator and nothing else, or NULL */
  const tn_expr *left;                                      /* of the condition */
} narrowing;

/* The loop that is the iterator and nothing else, which runs all of it: the one that can run a part of it. */
static const tn_stmt *loop_of(const narrowing *n, int32_t i) {
  tn_context *ctx = n->r->arena.ctx;
  const tni_iter *it = &n->iters[i];
  const tn_stmt *found = NULL;
  for (size_t k = 0; k < n->count; k++) {
    if (n->path[k]->kind != TNI_FOR) continue;
    if (found && tni_expr_uses(ctx, n->path[k]->as.loop.extent, it->binding)) return NULL;
    if (n->path[k]->as.loop.var == it->binding) found = n->path[k];
  }
  for (int32_t k = 0; k < n->block->as.block.count; k++)
    if (k != i && tni_expr_uses(ctx, n->iters[k].binding, it->binding)) return NULL;
  if (!found || tni_is_bound(found->as.loop.kind) || found->as.loop.extent != it->extent) return NULL;
  return n->block->as.block.where && tni_expr_uses(ctx, n->block->as.block.where, it->binding) ? NULL : found;
}

/* What a < b (or a <= b) says of the variable: from there on it holds (*low), or up to there. NULL: nothing. */
static const tn_expr *bound_of(const narrowing *n, const tn_expr *cond, const tn_expr *var, bool *low) {
  const tn_expr *rest, *gap, *strict = tni_index(n->r, cond->op == TN_OP_lt);
  int64_t coef;
  if ((cond->op != TN_OP_lt && cond->op != TN_OP_le) || cond->arg[0]->type != TN_INDEX) return NULL;
  gap = tni_sub(n->r, cond->arg[0], cond->arg[1]);
  if (!gap || !tni_affine(n->r, gap, 1, &var, &coef, &rest) || (coef != 1 && coef != -1)) return NULL;
  for (int32_t i = 0; i < n->block->as.block.count; i++)
    if (tni_expr_uses(n->r->arena.ctx, rest, n->block->as.block.iters[i].var)) return NULL;
  *low = coef < 0;
  rest = *low ? tni_add(n->r, rest, strict) : tni_sub(n->r, tni_sub(n->r, tni_index(n->r, 1), strict), rest);
  return rest ? tni_simplify(n->r, &n->facts, rest) : NULL;
}

static bool is_at_most(const narrowing *n, const tn_expr *a, const tn_expr *b) {
  return tni_prove(n->r, &n->facts, tni_op2(n->r, TN_OP_le, a, b));
}

/* The part of an iterator's range that the conjuncts leave. */
static void narrow(const narrowing *n, const tn_expr *cond, const tn_expr *var, const tn_expr **from, const tn_expr **to) {
  bool low = false;
  if (cond->op == TN_OP_and) {
    narrow(n, cond->arg[0], var, from, to);
    narrow(n, cond->arg[1], var, from, to);
    return;
  }
  const tn_expr *bound = bound_of(n, cond, var, &low);
  if (bound && low && is_at_most(n, *from, bound)) *from = bound;
  if (bound && !low && is_at_most(n, bound, *to)) *to = bound;
}

/* Iterator i, over the inside alone where a loop can run that; what stands for it is known from here on. False: no memory. */
static bool narrow_iter(narrowing *n, const tn_expr *inside, int32_t i) {
  tni_iter *it = &n->iters[i];
  const tn_stmt *loop = loop_of(n, i);
  const tn_expr *from = tni_index(n->r, 0), *to = it->extent;
  if (loop && from) narrow(n, inside, it->var, &from, &to);
  const tn_expr *count = from && to ? tni_simplify(n->r, &n->facts, tni_sub(n->r, to, from)) : NULL;
  bool fixed = loop && (loop->as.loop.kind == TNI_VECTORIZED || loop->as.loop.kind == TNI_UNROLLED);
  bool empty = count && tni_is_const(count) && count->as.i < 1;
  n->vars[i] = it->var;
  n->values[i] = it->var = tni_var(n->r, it->var->as.name, TN_INDEX);
  if (loop && count && !empty && (!fixed || tni_is_const(count))) {
    n->loops[i] = loop;
    n->values[i] = tni_add(n->r, from, it->var);
    it->extent = count;
  }
  return count && n->values[i] && tni_facts_bind(&n->facts, it->var, it->extent);
}

/* n->left: the conjuncts that do not hold for all values of the iterators. */
static bool keep_unknown(narrowing *n, const tn_expr *cond) {
  if (cond && cond->op == TN_OP_and) return keep_unknown(n, cond->arg[0]) && keep_unknown(n, cond->arg[1]);
  if (cond && !tni_prove(n->r, &n->facts, cond)) n->left = tni_conj(n->r, n->left, cond);
  return cond != NULL;
}

/* x, over the iterators, over the loops. */
static const tn_expr *over_loops(const narrowing *n, const tn_expr *x) {
  const tn_expr *vars[TNI_MAX_NEST], *bindings[TNI_MAX_NEST];
  for (int32_t i = 0; i < n->block->as.block.count; i++) {
    vars[i] = n->iters[i].var;
    bindings[i] = n->iters[i].binding;
  }
  tni_subst subst = {(size_t)n->block->as.block.count, vars, bindings};
  return tni_expr_subst(n->r, x, &subst);
}

static const tn_expr *simpler(void *self, tni_region *r, const tn_expr *x) {
  return x->type == TN_INDEX || x->type == TN_BOOL ? tni_simplify(r, self, x) : x;
}

/* The block over the inside, in its loops. */
static const tn_stmt *narrow_nest(narrowing *n, const cases *c) {
  tni_region *r = n->r;
  const tn_stmt *store = n->block->as.block.body;
  tni_subst subst = {(size_t)n->block->as.block.count, n->vars, n->values};
  bool ok = true;
  for (int32_t i = 0; i < n->block->as.block.count && ok; i++) ok = narrow_iter(n, c->inside, i);
  if (!ok || !keep_unknown(n, tni_expr_subst(r, c->inside, &subst))) return NULL;
  store = tni_store_like(r, store, store->as.store.buffer, store->as.store.count, store->as.store.index, c->value, NULL);
  store = store ? tni_stmt_subst(r, store, &subst) : NULL;
  if (store && n->left) store = tni_stmt_rewrite(r, store, guard_load, NULL, (void *)n->left);
  if (store) store = tni_stmt_rewrite(r, store, simpler, NULL, &n->facts);
  const tn_expr *guard = n->left ? over_loops(n, n->left) : NULL;
  if (n->left && !guard) return NULL;
  const tn_stmt *s = tni_block_like(r, n->block, n->iters, tni_conj(r, n->block->as.block.where, guard), NULL, store);
  for (size_t k = n->count; k > 0; k--) {
    const tn_stmt *at = n->path[k - 1];
    const tn_expr *extent = at->kind == TNI_FOR ? at->as.loop.extent : NULL;
    for (int32_t i = 0; i < n->block->as.block.count; i++)
      if (n->loops[i] == at) extent = n->iters[i].extent;
    s = extent ? tni_for_like(r, at, at->as.loop.var, extent, at->as.loop.kind, s) : tni_with_rest(r, at, s);
  }
  return s;
}

/* All below `top`, with the copy of the inside in the place of the block; `made` is that with its store alone. */
static const tn_stmt *make_copy(tni_step *step, const tn_stmt *top, const tn_stmt *block, const tn_stmt *made,
                                const cases *c) {
  tni_region *r = &step->s->region;
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(step->s->func->body, block, path), begin = depth - 1;
  while (path[begin] != top && (path[begin - 1]->kind == TNI_FOR || path[begin - 1]->kind == TNI_ALLOC)) begin--;
  if (!made) return NULL;
  narrowing n = {.r = r, .block = made, .count = (size_t)(depth - 1 - begin), .path = path + begin};
  memcpy(n.iters, made->as.block.iters, (size_t)made->as.block.count * sizeof *n.iters);
  tni_facts_init(&n.facts, step->s->ctx);
  const tn_stmt *nest = narrow_nest(&n, c);
  tni_facts_destroy(&n.facts);
  return nest ? tni_replace(r, top, path[begin], nest) : NULL;
}

/* ---- the primitive ----------------------------------------------------------------------------------------------- */

static const tn_stmt *make_fill(const tni_reduce_nest *n, const char *name, const cases *c) {
  tni_region *r = &n->s->region;
  const tn_stmt *store = n->block->as.block.body;
  tni_copied_iters copies;
  const tn_expr *where = n->block->as.block.where;
  if (!tni_copy_iters(n, &copies) || (where && !(where = tni_over_copies(n, where)))) return NULL;
  tni_subst rename = {(size_t)copies.count, copies.old_vars, copies.new_vars};
  const tn_stmt *fill = tni_store_like(r, store, store->as.store.buffer, store->as.store.count, store->as.store.index,
                                       c->padding, NULL);
  return tni_copy_loops(n, tni_block(r, name, copies.count, copies.iters, where, NULL, tni_stmt_subst(r, fill, &rename)));
}

tn_status tni_apply_decompose_padding(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 1) : NULL;
  tni_reduce_nest n;
  cases c;
  if (!loop) return TN_E_REFUSED;
  if (!tni_is_below(loop, block))
    return tni_step_refuse(step, loop->as.loop.var, "the loop is not above the block\nneeds: one of the loops around it");
  if (block->as.block.count > TNI_MAX_NEST) return tni_step_refuse(step, block, "there are too many loops");
  if (tni_stmt_holds(block, TNI_HOLDS_CALL)) return tni_step_refuse(step, block, "the block calls an external, in the padding, too");
  const tn_stmt *made = open_cases(step, block, &c);
  if (!made) return TN_E_REFUSED;
  tn_status status = tni_open_reduce_nest(step, block, loop, &n);
  if (status) return status;
  n.block = made;
  const char *why = tni_why_not_reduction(s->ctx, made);
  if (!why) why = tni_why_not_apart(&n);
  if (!why && tni_is_allocated_in(loop, made->as.block.body->as.store.buffer))
    why = "the buffer is allocated below the loop\nneeds: a loop further in";
  if (why) return tni_step_refuse(step, block, "%s", why);
  const char *base = tni_arena_format(&r->arena, "%s_fill", block->as.block.name);
  const char *name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  if (!name) return TN_E_NOMEM;
  const tn_stmt *both[] = {make_fill(&n, name, &c), make_copy(step, loop, block, made, &c)};
  status = tni_give_block(step, name);
  return status ? status : tni_step_accept(step, tni_replace(r, s->func->body, loop, tni_seq(r, 2, both)));
}

tn_status tn_decompose_padding(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(loop)};
  return tni_perform(s, TNI_PRIMITIVE_decompose_padding, 2, args, 1, out, NULL, err);
}
