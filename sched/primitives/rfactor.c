/* rfactor.c -- partial results of a reduction, one for each iteration of a loop, in a new buffer; then a block that
 * combines them.
 *
 *     for i { for ko { for ki in 0..4 { block C(i, reduce k = ko*4 + ki) { init { C[i] = I }  C[i] = C[i] + f(i, k) } } } }
 *       ->                                                                                      rfactor(ki, 0)
 *     for i { for ko { for ki in 0..4 {
 *               block C_rf(i, ki, reduce ko) { init { C_rf[ki, i] = 0 }  C_rf[ki, i] = C_rf[ki, i] + f(i, ko*4 + ki) } } }
 *             for ki in 0..4 { block C(i, reduce ki) { init { C[i] = I }  C[i] = C[i] + C_rf[ki, i] } } }
 *
 * The partial results start from the reducer's identity; the loop is dimension `axis` of the new buffer. They are
 * combined behind the outermost loop of the reduction. A guard stays with the steps; the new block combines what they
 * have begun.
 *
 * needs: a reduction by known reducers (ir/reducer.c); nothing else below its outermost reduce loop uses the buffers
 * refuses: what depends on the order of its steps; extents that are not of the function; a guard that may leave a
 *          partial result out at first and not later
 * note: a floating-point sum or product is summed up in another order
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct plan {
  tni_region *r;
  tni_reduce_nest nest;
  tni_reduction reduction;
  const tn_stmt *loop; /* whose iterations become partial results */
  int64_t axis;
  const tn_expr *step_iters[TNI_MAX_NEST]; /* of the new first block: one for each loop of the reduction */
  const tn_expr *part;                     /* that of `loop` */
  bool steps_left;                         /* other loops of the reduction */
  const tn_buffer *parts[TNI_MAX_STATES];
} plan;

/* ---- legality ---- */

/* The block below the loop that it is a step of. */
typedef struct block_search {
  tn_context *ctx;
  const tn_expr *var;
  const tn_stmt *found;
  int count;
} block_search;

static bool see_block(void *self, const tn_stmt *s) {
  block_search *q = self;
  bool feeds = false;
  for (int32_t i = 0; s->kind == TNI_BLOCK && i < s->as.block.count; i++)
    feeds |= s->as.block.iters[i].reduce && tni_expr_uses(q->ctx, s->as.block.iters[i].binding, q->var);
  if (feeds) q->found = s;
  q->count += feeds;
  return s->kind != TNI_BLOCK;
}

static tn_status check_extents(tni_step *step, const plan *p) {
  for (size_t i = 0; i < p->nest.step_count; i++)
    if (!tni_is_of_function(step->s, p->nest.steps[i]->as.loop.extent))
      return tni_step_refuse(step, p->nest.step_vars[i], "its extent is not made of constants and parameters");
  for (int32_t k = 0; k < p->reduction.count; k++) {
    const tn_buffer *b = p->reduction.stores[k]->as.store.buffer;
    if (b->rank == TN_MAX_RANK)
      return tni_step_refuse(step, p->reduction.stores[k], "the buffer has %d dimensions already", TN_MAX_RANK);
    for (int32_t d = 0; d < b->rank; d++)
      if (!tni_is_of_function(step->s, b->shape[d]))
        return tni_step_refuse(step, p->reduction.stores[k],
                               "an extent of the buffer is not made of constants and parameters");
  }
  return TN_OK;
}

/* Does the element that is stored depend on a reduce iterator? All stores are to the same subscripts. */
static bool stores_by_step(tni_step *step, const tn_stmt *block, const tn_stmt *store) {
  bool found = false;
  for (int32_t i = 0; i < block->as.block.count; i++)
    for (int32_t d = 0; d < store->as.store.count && block->as.block.iters[i].reduce; d++)
      found |= tni_expr_uses(step->s->ctx, store->as.store.index[d], block->as.block.iters[i].var);
  return found;
}

static tn_status check(tni_step *step, plan *p) {
  const tn_stmt *loop = p->loop;
  const tn_expr *var = loop->as.loop.var;
  block_search q = {.ctx = step->s->ctx, .var = var};
  tni_stmt_visit(loop, see_block, &q);
  if (q.count != 1)
    return tni_step_refuse(step, var,
                           q.count ? "the loop is of several reductions\n"
                                     "needs: loops of its own for each of them"
                                   : "the loop feeds no reduce iterator of a block below it");
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, var,
                           "the loop is not serial any more\n"
                           "needs: to be done before the loop is annotated");
  if (!tni_reducer_of(p->r, q.found, &p->reduction))
    return p->r->arena.failed ? TN_E_NOMEM
                              : tni_step_refuse(step, q.found, "the block is not understood as a reduction");
  if (!p->reduction.any_order)
    return tni_step_refuse(step, q.found,
                           "the steps of this reduction must stay in their order\n"
                           "needs: a reducer whose steps can be regrouped: sum, product, min, max, any, all, "
                           "xor, argmin, argmax");
  if (stores_by_step(step, q.found, p->reduction.stores[0]))
    return tni_step_refuse(step, p->reduction.stores[0], "which element a step adds to depends on the step");
  tn_status status = tni_open_reduce_nest(step, q.found, NULL, &p->nest);
  if (!status) status = check_extents(step, p);
  if (status) return status;
  const char *why = tni_why_not_apart(&p->nest);
  if (why) return tni_step_refuse(step, q.found, "%s", why);
  if (!tni_first_step_runs_first(&p->nest, var, q.found->as.block.where))
    return tni_step_refuse(step, q.found,
                           "its guard may leave out the first step of a partial result, but not later ones");
  int32_t rank = p->reduction.stores[0]->as.store.count;
  if (p->axis < 0 || p->axis > rank)
    return tni_step_refuse(step, var, "the axis is %lld, but the new dimension can be 0 to %d", (long long)p->axis,
                           rank);
  return TN_OK;
}

/* ---- the partial results ---- */

/* out = of with x put in at the axis. */
static void insert(const plan *p, int32_t count, const tn_expr *const *of, const tn_expr *x, const tn_expr **out) {
  for (int32_t i = 0; i < count + 1; i++) out[i] = i < p->axis ? of[i] : i == p->axis ? x : of[i - 1];
}

static bool make_parts(plan *p) {
  for (int32_t k = 0; k < p->reduction.count; k++) {
    const tn_buffer *b = p->reduction.stores[k]->as.store.buffer;
    const tn_expr *shape[TN_MAX_RANK];
    insert(p, b->rank, b->shape, p->loop->as.loop.extent, shape);
    const char *name = tni_arena_format(&p->r->arena, "%s_rf", b->name);
    p->parts[k] = name ? tni_buffer(p->r, name, b->type, TNI_SCOPE_GLOBAL, b->rank + 1, shape) : NULL;
    if (!p->parts[k]) return false;
  }
  return true;
}

static int32_t state_of(const plan *p, const tn_buffer *b) {
  for (int32_t k = 0; k < p->reduction.count; k++)
    if (p->reduction.stores[k]->as.store.buffer == b) return k;
  return -1;
}

static const tn_expr *identity_of(const plan *p, int32_t k) {
  bool pair = p->reduction.reducer >= 0 && tni_reducers[p->reduction.reducer].states == 2;
  int32_t state = pair && p->reduction.rows[k] == 1 ? 1 : 0;
  enum tn_reducer row = (enum tn_reducer)(pair ? p->reduction.reducer : p->reduction.rows[k]);
  return tni_reducer_identity(p->r, row, state, p->parts[k]->type);
}

/* A state as it is before the step: of the partial result, or its beginning when there is only one step. */
static const tn_expr *load_part(void *self, tni_region *r, const tn_expr *x) {
  const plan *p = self;
  const tn_expr *index[TN_MAX_RANK];
  int32_t k = x->op == TN_OP_load ? state_of(p, x->as.buffer) : -1;
  if (k < 0) return x;
  if (!p->steps_left) return identity_of(p, k);
  insert(p, tni_load_count(x), x->arg, p->part, index);
  return tni_load(r, x->type, p->parts[k], (size_t)p->parts[k]->rank, index, NULL);
}

static const tn_stmt *store_part(void *self, tni_region *r, const tn_stmt *s) {
  const plan *p = self;
  const tn_expr *index[TN_MAX_RANK];
  if (s->kind != TNI_STORE) return s;
  insert(p, s->as.store.count, s->as.store.index, p->part, index);
  return tni_store(r, p->parts[state_of(p, s->as.store.buffer)], s->as.store.count + 1, index, s->as.store.value, NULL);
}

static const tn_stmt *begin_parts(const plan *p) {
  const tn_stmt *inits[TNI_MAX_STATES];
  const tn_expr *index[TN_MAX_RANK];
  for (int32_t k = 0; k < p->reduction.count; k++) {
    const tn_stmt *store = p->reduction.stores[k];
    insert(p, store->as.store.count, store->as.store.index, p->part, index);
    inits[k] = tni_store(p->r, p->parts[k], p->parts[k]->rank, index, identity_of(p, k), NULL);
  }
  return tni_seq(p->r, p->reduction.count, inits);
}

/* The iterators of the first block: the spatial ones, that of the loop, the other steps; the old reduce iterators by
 * them. */
static const tn_stmt *make_partial_block(plan *p, const char *name) {
  const tn_stmt *block = p->nest.block;
  tni_iter iters[2 * TNI_MAX_NEST];
  const tn_expr *old_vars[TNI_MAX_NEST], *values[TNI_MAX_NEST];
  tni_subst over_iters = {p->nest.step_count, p->nest.step_vars, p->step_iters};
  int32_t count = 0;
  size_t reduces = 0;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    const tni_iter *it = &block->as.block.iters[i];
    if (count == TNI_MAX_NEST || reduces == TNI_MAX_NEST) return NULL;
    if (!it->reduce) {
      iters[count++] = *it;
      continue;
    }
    old_vars[reduces] = it->var;
    values[reduces++] = tni_expr_subst(p->r, it->binding, &over_iters);
  }
  for (int reduce = 0; reduce < 2; reduce++)
    for (size_t i = 0; i < p->nest.step_count; i++) {
      const tn_stmt *loop = p->nest.steps[i];
      if ((loop != p->loop) == reduce)
        iters[count++] = (tni_iter){p->step_iters[i], loop->as.loop.extent, loop->as.loop.var, reduce};
    }
  tni_subst resolve = {reduces, old_vars, values};
  const tn_stmt *body = tni_stmt_subst(p->r, block->as.block.body, &resolve);
  if (body) body = tni_stmt_rewrite(p->r, body, load_part, store_part, p);
  const tn_stmt *init = p->steps_left ? begin_parts(p) : NULL;
  if (p->steps_left && !init) return NULL;
  return tni_block(p->r, name, count, iters, block->as.block.where, init, body);
}

/* ---- their combination ---- */

/* State k and what comes to it, in order of the reducer's row. */
static bool combine(const plan *p, const tn_expr *const *state, const tn_expr *const *value, const tn_expr **out) {
  int32_t count = p->reduction.count;
  int reducer = p->reduction.reducer;
  if (reducer < 0 || tni_reducers[reducer].states == 1) {
    for (int32_t k = 0; k < count; k++)
      if (!tni_reducer_step(p->r, (enum tn_reducer)p->reduction.rows[k], &state[k], &value[k], &out[k])) return false;
    return true;
  }
  const tn_expr *s[2], *v[2], *made[2];
  for (int32_t k = 0; k < 2; k++) {
    s[p->reduction.rows[k]] = state[k];
    v[p->reduction.rows[k]] = value[k];
  }
  if (!tni_reducer_step(p->r, (enum tn_reducer)reducer, s, v, made)) return false;
  for (int32_t k = 0; k < 2; k++) out[k] = made[p->reduction.rows[k]];
  return true;
}

/* C[i] = C[i] + C_rf[part, i]; of several states behind lets, for all change at once. */
static const tn_stmt *make_update(const plan *p, const tn_expr *part) {
  const tn_expr *state[TNI_MAX_STATES], *value[TNI_MAX_STATES], *loads[2 * TNI_MAX_STATES], *next[TNI_MAX_STATES];
  const tn_stmt *stores[TNI_MAX_STATES];
  int32_t count = p->reduction.count;
  for (int32_t k = 0; k < count; k++) {
    const tn_stmt *store = p->reduction.stores[k];
    const tn_expr *index[TN_MAX_RANK];
    int32_t rank = store->as.store.count;
    tn_type type = p->parts[k]->type;
    insert(p, rank, store->as.store.index, part, index);
    loads[k] = tni_load(p->r, type, store->as.store.buffer, (size_t)rank, store->as.store.index, NULL);
    loads[count + k] = tni_load(p->r, type, p->parts[k], (size_t)rank + 1, index, NULL);
    state[k] = count == 1 ? loads[k] : tni_var(p->r, "s", type);
    value[k] = count == 1 ? loads[count + k] : tni_var(p->r, "x", type);
    if (!state[k] || !value[k]) return NULL;
  }
  if (!combine(p, state, value, next)) return NULL;
  for (int32_t k = 0; k < count; k++) {
    const tn_stmt *store = p->reduction.stores[k];
    stores[k] = tni_store(p->r, store->as.store.buffer, store->as.store.count, store->as.store.index, next[k], NULL);
  }
  const tn_stmt *s = tni_seq(p->r, count, stores);
  for (int32_t k = 2 * count; count > 1 && k > 0; k--)
    s = tni_let(p->r, k > count ? value[k - count - 1] : state[k - 1], loads[k - 1], s);
  return s;
}

/* for (copies of the other loops) { for part { block C(.., reduce part) { init { I } C[..] = C[..] + C_rf[.., part,
 * ..] } } } */
static const tn_stmt *make_final(const plan *p, const tn_expr *where) {
  const tn_stmt *block = p->nest.block;
  const tn_expr *extent = p->loop->as.loop.extent, *var = p->loop->as.loop.var;
  const tn_expr *copy = tni_var(p->r, var->as.name, TN_INDEX), *part = tni_var(p->r, var->as.name, TN_INDEX);
  tni_copied_iters copies;
  if (!copy || !part || !tni_copy_iters(&p->nest, &copies)) return NULL;
  tni_subst move = {1, &var, &copy}, rename = {(size_t)copies.count, copies.old_vars, copies.new_vars};
  if (where && !(where = tni_expr_subst(p->r, tni_over_copies(&p->nest, where), &move))) return NULL;
  copies.iters[copies.count++] = (tni_iter){part, extent, copy, true};
  const tn_stmt *init = block->as.block.init, *update = make_update(p, part);
  if (!update || (init && !(init = tni_stmt_subst(p->r, init, &rename)))) return NULL;
  const tn_stmt *made = tni_block(p->r, block->as.block.name, copies.count, copies.iters, where, init,
                                  tni_stmt_subst(p->r, update, &rename));
  made = made ? tni_annotated(p->r, made, block->as.block.notes) : NULL;
  return tni_copy_loops(&p->nest, tni_for(p->r, copy, extent, TNI_SERIAL, made));
}

static const tn_stmt *with_parts(const plan *p, const tn_stmt *s) {
  for (int32_t k = p->reduction.count; k > 0; k--) s = tni_alloc_stmt(p->r, p->parts[k - 1], s);
  return s;
}

/* The partial results stand around everything, where lowering finds their place; but where threads wait for each other each one
 * needs its own, and the text says it. */
static const tn_stmt *put_nests(const plan *p, const tn_stmt *root, const tn_stmt *nests) {
  if (tni_first_sync(root)) return tni_replace(p->r, root, p->nest.top, with_parts(p, nests));
  return with_parts(p, tni_replace(p->r, root, p->nest.top, nests));
}

tn_status tni_apply_rfactor(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_expr *where = NULL;
  plan p = {.r = r, .loop = tni_arg_loop(step, 0), .axis = step->args[1].number};
  if (!p.loop) return TN_E_REFUSED;
  tn_status status = check(step, &p);
  if (!status) status = tni_step_reassociates(step, p.nest.block);
  if (status) return status;
  for (size_t i = 0; i < p.nest.step_count; i++) {
    p.step_iters[i] = tni_var(r, p.nest.step_vars[i]->as.name, TN_INDEX);
    if (p.nest.steps[i] == p.loop) p.part = p.step_iters[i];
  }
  p.steps_left = p.nest.step_count > 1;
  const tn_stmt *block = p.nest.block;
  const char *base = tni_arena_format(&r->arena, "%s_rf", block->as.block.name);
  const char *name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  if (!name || !make_parts(&p) || !tni_first_step_runs(&p.nest, p.loop->as.loop.var, &where)) return TN_E_NOMEM;
  const tn_stmt *partial = make_partial_block(&p, name);
  const tn_stmt *both[] = {partial ? tni_replace(r, p.nest.top, block, partial) : NULL, make_final(&p, where)};
  status = tni_give_block(step, name);
  return status ? status : tni_step_accept(step, put_nests(&p, s->func->body, tni_seq(r, 2, both)));
}

tn_status tn_rfactor(tn_schedule *s, tn_loop loop, int32_t axis, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_int(axis)};
  return tni_perform(s, TNI_PRIMITIVE_rfactor, 2, args, 1, out, NULL, err);
}
