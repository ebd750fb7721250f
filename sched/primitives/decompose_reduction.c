/* decompose_reduction.c -- the init of a reduction becomes a block of its own before a loop.
 *
 *     for i { for k { block C(i, reduce k) { init { I } S } } }   decompose_reduction(C, k)
 *       ->
 *     for i { block C_init(i) { I }  for k { block C(i, reduce k) { S } } }
 *
 * needs: a block with init below the loop; all loops that feed its reduce iterators at or below it, and nothing else there that
 *        uses the buffer, or stores what init reads; each element summed up once below the loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_LOOPS = 64 };

typedef struct plan {
  tni_region *r;
  const tn_stmt *block;
  size_t count; /* loops to copy */
  const tn_stmt *loops[MAX_LOOPS];
  const tn_expr *old_vars[MAX_LOOPS], *new_vars[MAX_LOOPS];
  size_t reduce_count; /* loops that stay with the update */
  const tn_expr *reduce_vars[MAX_LOOPS];
} plan;

static bool feeds(const plan *p, const tn_expr *var, bool reduce) {
  for (int32_t i = 0; i < p->block->as.block.count; i++)
    if (p->block->as.block.iters[i].reduce == reduce &&
        tni_expr_uses(p->r->arena.ctx, p->block->as.block.iters[i].binding, var))
      return true;
  return false;
}

/* Does the condition hold at the first step, where all reduce loops are at 0? */
static bool holds_at_first(const plan *p, const tn_expr *cond) {
  tni_region *r = p->r;
  const tn_expr *zeros[MAX_LOOPS];
  tni_facts none = {.ctx = r->arena.ctx};
  for (size_t i = 0; i < p->reduce_count; i++) zeros[i] = tni_index(r, 0);
  tni_subst subst = {p->reduce_count, p->reduce_vars, zeros};
  return tni_prove(r, &none, tni_expr_subst(r, cond, &subst));
}

/* The part of the guard that speaks of spatial loops; conjuncts over reduce loops must hold at the first step. */
static bool keep_where(const plan *p, const tn_expr *where, const tn_expr **out) {
  if (!where) return true;
  if (where->op == TN_OP_and) return keep_where(p, where->arg[0], out) && keep_where(p, where->arg[1], out);
  bool reduce = false;
  for (size_t i = 0; i < p->reduce_count; i++) reduce |= tni_expr_uses(p->r->arena.ctx, where, p->reduce_vars[i]);
  if (reduce) return holds_at_first(p, where);
  *out = tni_conj(p->r, *out, where);
  return true;
}

static const tn_stmt *make_init(plan *p, const char *name, const tn_expr *where) {
  tni_region *r = p->r;
  const tn_stmt *b = p->block;
  tni_subst subst = {p->count, p->old_vars, p->new_vars};
  tni_iter *iters = TNI_NEW_ARRAY(&r->arena, tni_iter, b->as.block.count);
  const tn_expr **old_iters = TNI_NEW_ARRAY(&r->arena, const tn_expr *, b->as.block.count);
  const tn_expr **new_iters = TNI_NEW_ARRAY(&r->arena, const tn_expr *, b->as.block.count);
  int32_t count = 0;
  if (!iters || !old_iters || !new_iters) return NULL;
  for (int32_t i = 0; i < b->as.block.count; i++) {
    const tni_iter *it = &b->as.block.iters[i];
    if (it->reduce) continue;
    old_iters[count] = it->var;
    new_iters[count] = tni_var(r, it->var->as.name, TN_INDEX);
    iters[count] =
        (tni_iter){.var = new_iters[count], .extent = it->extent, .binding = tni_expr_subst(r, it->binding, &subst)};
    count++;
  }
  tni_subst rename = {(size_t)count, old_iters, new_iters};
  if (where && !(where = tni_expr_subst(r, where, &subst))) return NULL;
  const tn_stmt *s = tni_block(r, name, count, iters, where, NULL, tni_stmt_subst(r, b->as.block.init, &rename));
  for (size_t i = p->count; i > 0; i--)
    s = tni_for_like(r, p->loops[i - 1], p->new_vars[i - 1], tni_expr_subst(r, p->loops[i - 1]->as.loop.extent, &subst),
                p->loops[i - 1]->as.loop.kind, s);
  return s;
}

/* The loops from the given one down to the block: those that init needs copies of, and those of the reduction. */
static tn_status choose_loops(tni_step *step, plan *p, const tn_stmt *const *inside, int count) {
  for (int i = 0; i < count; i++) {
    if (inside[i]->kind == TNI_IF || inside[i]->kind == TNI_WHILE)
      return tni_step_refuse(step, p->block, "a condition stands between the loop and the block");
    if (inside[i]->kind != TNI_ALLOC && tni_rest(inside[i]))
      return tni_step_refuse(step, inside[i], "a let, assert or assume stands between the loop and the block");
    if (inside[i]->kind != TNI_FOR) continue;
    const tn_expr *var = inside[i]->as.loop.var;
    const char *why = tni_why_not_again(step->s->ctx, inside[i]);
    if (why) return tni_step_refuse(step, var, "%s", why);
    if (p->count == MAX_LOOPS || p->reduce_count == MAX_LOOPS)
      return tni_step_refuse(step, var, "there are too many loops");
    if (feeds(p, var, true)) {
      if (feeds(p, var, false)) return tni_step_refuse(step, var, "the loop feeds both reduce and spatial iterators");
      p->reduce_vars[p->reduce_count++] = var;
      continue;
    }
    for (size_t k = 0; k < p->reduce_count; k++)
      if (tni_expr_uses(step->s->ctx, inside[i]->as.loop.extent, p->reduce_vars[k]))
        return tni_step_refuse(step, var, "its extent depends on a reduce loop");
    p->loops[p->count] = inside[i];
    p->old_vars[p->count] = var;
    if (!(p->new_vars[p->count++] = tni_var(p->r, var->as.name, TN_INDEX))) return TN_E_NOMEM;
  }
  return TN_OK;
}

typedef struct init_search {
  tn_context *ctx;
  const tn_stmt *init, *own;
  bool found;
} init_search;

static void see_init_load(void *self, const tn_expr *x) {
  init_search *q = self;
  q->found |= x->op == TN_OP_load && x->as.buffer == q->own->as.store.buffer;
}

static void see_call(void *self, const tn_expr *x) { ((init_search *)self)->found |= x->op == TN_OP_call; }

/* A store to what init reads? */
static bool see_store(void *self, const tn_stmt *s) {
  init_search *q = self;
  if (tni_is_write(s)) {
    q->own = s;
    tni_stmt_visit_exprs(q->ctx, q->init, see_init_load, q);
  }
  q->found |= s->kind == TNI_EVALUATE;
  return true;
}

/* Do the reduce loops run each step once, the one of zeros first? */
static bool steps_once(tn_schedule *s, const plan *p, const tn_stmt *loop) {
  const tn_expr *steps[TN_MAX_RANK];
  const tn_stmt *loops[MAX_LOOPS];
  size_t dims = 0;
  for (int32_t k = 0; k < p->block->as.block.count; k++) {
    const tni_iter *it = &p->block->as.block.iters[k];
    if (!it->reduce) continue;
    if (dims == TN_MAX_RANK || !holds_at_first(p, tni_op2(p->r, TN_OP_eq, it->binding, tni_index(p->r, 0))))
      return false;
    steps[dims++] = it->binding;
  }
  for (size_t i = 0; i < p->reduce_count; i++)
    if (!(loops[i] = tni_find_loop(loop, p->reduce_vars[i]))) return false;
  return tni_meets_once(s, dims, steps, p->reduce_count, loops);
}

/* What forbids that all inits below the loop run before all the rest of it. */
static const char *why_not_apart(tn_schedule *s, const tn_stmt *block, const tn_stmt *loop, const plan *p) {
  const tn_stmt *stores[TNI_MAX_STATES];
  const tn_expr *index[TN_MAX_RANK];
  const char *why = tni_why_not_reduction(s->ctx, block);
  if (why) return why;
  int32_t count = tni_block_stores(s->ctx, block, stores);
  for (int32_t k = 0; k < count; k++) {
    const tn_buffer *buffer = stores[k]->as.store.buffer;
    tni_uses uses = tni_uses_of(s->ctx, loop, buffer);
    if (uses.writers != 1 || uses.readers != (tni_uses_of(s->ctx, block, buffer).readers ? 1 : 0) || uses.loose)
      return "others below the loop use the buffer\n"
             "needs: to be done before other blocks are computed there, or a loop further in";
  }
  init_search q = {.ctx = s->ctx, .init = block->as.block.init};
  tni_stmt_visit_exprs(s->ctx, q.init, see_call, &q);
  tni_stmt_visit(loop, see_store, &q);
  if (q.found) return "what init reads is stored below the loop, or an external is called";
  if (!tni_store_over_loops(s, block, stores[0], index) ||
      !tni_meets_once(s, (size_t)stores[0]->as.store.count, index, p->count, p->loops))
    return "an element is summed up several times below the loop";
  return steps_once(s, p, loop) ? NULL : "a step of the reduction runs several times, or not the first one first";
}

tn_status tni_apply_decompose_reduction(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *path[TNI_MAX_PATH], *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 1) : NULL;
  if (!block || !loop) return TN_E_REFUSED;
  if (!block->as.block.init) return tni_step_refuse(step, block, "the block has no init");
  int depth = tni_path_to(s->func->body, block, path), at = 0;
  while (at < depth && path[at] != loop) at++;
  if (at == depth)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the loop is not above the block\n"
                           "needs: a loop of the block, above those of the reduction or the outermost of them");
  plan p = {.r = r, .block = block};
  for (int i = 0; i < at; i++)
    if (path[i]->kind == TNI_FOR && feeds(&p, path[i]->as.loop.var, true))
      return tni_step_refuse(step, path[i]->as.loop.var,
                             "this reduce loop stands outside the given one\n"
                             "needs: this loop, or one above it");
  tn_status status = choose_loops(step, &p, path + at, depth - at);
  if (status) return status;
  const char *why = why_not_apart(step->s, block, loop, &p);
  if (why) return tni_step_refuse(step, block, "%s", why);
  const tn_expr *where = NULL;
  if (!keep_where(&p, block->as.block.where, &where))
    return tni_step_refuse(step, block, "its guard does not surely hold at the first step");
  const char *base = tni_arena_format(&r->arena, "%s_init", block->as.block.name);
  const char *name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  const tn_stmt *update =
      tni_block_like(r, block, block->as.block.iters, block->as.block.where, NULL, block->as.block.body);
  if (!name || !update) return TN_E_NOMEM;
  const tn_stmt *both[] = {make_init(&p, name, where), tni_replace(r, loop, block, update)};
  const tn_stmt *body = tni_replace(r, s->func->body, loop, tni_seq(r, 2, both));
  status = tni_give_block(step, name);
  return status ? status : tni_step_accept(step, body);
}

tn_status tn_decompose_reduction(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(loop)};
  return tni_perform(s, TNI_PRIMITIVE_decompose_reduction, 2, args, 1, out, NULL, err);
}
