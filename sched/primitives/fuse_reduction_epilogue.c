/* fuse_reduction_epilogue.c -- what is done with the result of a reduction, for each element as soon as it is complete.
 *
 *     for i { for k in 0..n { block C(i, reduce k) { init { C[i] = 0 }  C[i] = C[i] + A[i, k] } } }
 *     for i { block Y(i) { Y[i] = max(C[i], 0) } }
 *       ->
 *     for i { for k in 0..n { block C(i, reduce k) ..  block Y(i) where k == n - 1 { Y[i] = max(C[i], 0) } } }
 *
 * The epilogue runs once for each element, behind its last step: what it computes stays the same to the bit, whatever
 * it is. One more step of the same reducer, where all orders give the same bits (integers; min and max), goes into the
 * init instead:
 *
 *     C[i] = max(C[i], A[i, k]) from -inf,  Y[i] = max(C[i], 0)   ->   Y[i] = max(Y[i], A[i, k]) from max(-inf, 0)
 *
 * needs: what reverse_compute_at needs of a consumer, each subscript of C being an iterator of it; a block of a
 * reduction
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct result_search {
  tn_context *ctx;
  const tn_stmt *epilogue;
  bool found;
} result_search;

static bool see_result(void *self, const tn_stmt *s) {
  result_search *q = self;
  q->found |= tni_is_write(s) && tni_uses_of(q->ctx, q->epilogue, s->as.store.buffer).readers;
  return true;
}

static bool reads_results(tn_context *ctx, const tn_stmt *epilogue, const tn_stmt *reduction) {
  result_search q = {.ctx = ctx, .epilogue = epilogue};
  tni_stmt_visit(reduction, see_result, &q);
  return q.found;
}

/* ---- one more step ---- */

typedef struct last_step {
  tni_region *r;
  const tni_meeting *m;
  const tn_stmt *reduction, *made; /* made: the epilogue's store over the reduction's iterators */
  tni_reduction of;
  const tn_expr *load, *value; /* of the state, and what comes to it */
} last_step;

typedef struct state_search {
  const tn_buffer *buffer;
  bool found;
} state_search;

static void see_state(void *self, const tn_expr *x) {
  state_search *q = self;
  q->found |= x->op == TN_OP_load && x->as.buffer == q->buffer;
}

/* Is the epilogue's value op(C, x), of the reducer's operator, in a type in which its order does not matter? */
static bool is_step(last_step *l, tn_context *ctx, const tn_expr *value) {
  enum tn_op op = tni_reducers[l->of.rows[0]].op;
  const tn_buffer *state = l->of.stores[0]->as.store.buffer;
  bool exact = !tni_type_is_float(state->type) || op == TN_OP_min || op == TN_OP_max;
  for (int k = 0; exact && value->op == op && k < 2; k++) {
    const tn_expr *load = value->arg[k], *other = value->arg[1 - k];
    state_search q = {.buffer = state};
    tni_expr_visit(ctx, other, see_state, &q);
    if (load->op != TN_OP_load || load->as.buffer != state || tni_load_where(load) || q.found) continue;
    l->load = load, l->value = other;
    return true;
  }
  return false;
}

static bool is_iter(const tn_stmt *block, const tn_expr *var, const tn_expr *extent) {
  bool found = false;
  for (int32_t k = 0; k < block->as.block.count; k++)
    found |= block->as.block.iters[k].var == var && block->as.block.iters[k].extent == extent;
  return found;
}

/* The reduction's iterator that the epilogue's is: of one step, where loops have gone, the one that it reads the state by.
 * NULL: there is none. */
static const tn_expr *iter_for(const last_step *l, int32_t i) {
  const tni_iter *it = &l->m->consumer.block->as.block.iters[i];
  const tn_stmt *store = l->of.stores[0];
  if (is_iter(l->reduction, l->m->from[i], it->extent)) return l->m->from[i];
  for (int32_t d = 0; d < store->as.store.count && tni_is_int(it->extent, 1); d++)
    if (l->load->arg[d] == it->var && is_iter(l->reduction, store->as.store.index[d], it->extent))
      return store->as.store.index[d];
  return NULL;
}

/* Is the epilogue over all that the reduction makes, for which there is no other use? */
static bool takes_all(const last_step *l, tn_schedule *s) {
  const tn_stmt *epilogue = l->m->consumer.block;
  const tn_buffer *state = l->of.stores[0]->as.store.buffer;
  tni_uses uses = tni_uses_of(s->ctx, s->func->body, state);
  if (tni_is_param(s->func, state) || uses.writers != 1 || uses.readers != 2 || uses.loose) return false;
  if (epilogue->as.block.count != state->rank || tni_why_not_whole(s, l->reduction) || tni_why_not_its_domain(s, epilogue))
    return false;
  for (int32_t i = 0; i < epilogue->as.block.count; i++)
    if (!iter_for(l, i)) return false;
  return true;
}

static const tn_expr *load_result(void *self, tni_region *r, const tn_expr *x) {
  const last_step *l = self;
  if (x->op != TN_OP_load || x->as.buffer != l->of.stores[0]->as.store.buffer) return x;
  return tni_load(r, x->type, l->made->as.store.buffer, (size_t)l->made->as.store.count, l->made->as.store.index, NULL);
}

static const tn_stmt *store_result(void *self, tni_region *r, const tn_stmt *s) {
  const last_step *l = self;
  if (s->kind != TNI_STORE) return s;
  return tni_store(r, l->made->as.store.buffer, l->made->as.store.count, l->made->as.store.index, s->as.store.value,
                   NULL);
}

/* The reduction, into the epilogue's buffer, from its init with the value put in. */
static const tn_stmt *make_reduction(last_step *l) {
  const tn_stmt *epilogue = l->m->consumer.block;
  const tn_expr *vars[TNI_MAX_NEST], *iters[TNI_MAX_NEST], *from = l->of.inits[0]->as.store.value;
  for (int32_t i = 0; i < epilogue->as.block.count; i++)
    vars[i] = epilogue->as.block.iters[i].var, iters[i] = iter_for(l, i);
  tni_subst over = {(size_t)epilogue->as.block.count, vars, iters};
  l->made = tni_stmt_subst(l->r, tni_block_store(epilogue), &over);
  const tn_expr *value = tni_expr_subst(l->r, l->value, &over);
  from = value ? tni_op2(l->r, tni_reducers[l->of.rows[0]].op, from, value) : NULL;
  if (!l->made || !from) return NULL;
  const tn_stmt *init =
      tni_store(l->r, l->made->as.store.buffer, l->made->as.store.count, l->made->as.store.index, from, NULL);
  const tn_stmt *body = tni_stmt_rewrite(l->r, l->reduction->as.block.body, load_result, store_result, l);
  if (!init) return NULL;
  return tni_block_like(l->r, l->reduction, l->reduction->as.block.iters, l->reduction->as.block.where, init, body);
}

/* Takes the epilogue as one more step, if it is one. False: it is none. */
static bool fold_step(tni_step *step, const tni_meeting *m, const tn_stmt *reduction, tn_status *status) {
  tn_schedule *s = step->s;
  const tn_stmt *epilogue = m->consumer.block, *store = tni_block_store(epilogue);
  last_step l = {.r = &s->region, .m = m, .reduction = reduction};
  if (!store || epilogue->as.block.init || !tni_reducer_of(l.r, reduction, &l.of) || l.of.count != 1 ||
      l.of.rows[0] < 0 || !l.of.inits[0] || !is_step(&l, s->ctx, store->as.store.value) || !takes_all(&l, s))
    return false;
  const tn_stmt *made = make_reduction(&l), *body = tni_drop_block(l.r, s->func->body, epilogue->as.block.name);
  body = body && made ? tni_replace(l.r, body, reduction, made) : NULL;
  *status = tni_step_accept(step, tni_drop_unused_allocs(l.r, body));
  return true;
}

tn_status tni_apply_fuse_reduction_epilogue(tni_step *step) {
  const tn_stmt *reduction = tni_arg_block(step, 0), *epilogue = reduction ? tni_arg_block(step, 1) : NULL;
  const tn_stmt *path[TNI_MAX_PATH], *loop = NULL;
  bool reduces = false;
  tni_meeting m;
  if (!reduction || !epilogue) return TN_E_REFUSED;
  for (int32_t i = 0; i < reduction->as.block.count; i++) reduces |= reduction->as.block.iters[i].reduce;
  for (int i = tni_path_to(step->s->func->body, reduction, path); i > 0 && !loop; i--)
    if (path[i - 1]->kind == TNI_FOR) loop = path[i - 1];
  if (!reduces || !loop)
    return tni_step_refuse(step, reduction,
                           "the block is no reduction\n"
                           "needs: reverse_compute_at or reverse_compute_inline, for other producers");
  if (!reads_results(step->s->ctx, epilogue, reduction))
    return tni_step_refuse(step, epilogue, "the epilogue does not read what the reduction writes");
  tn_status status = tni_meet(step, epilogue, loop, true, &m);
  if (status || fold_step(step, &m, reduction, &status)) return status;
  return tni_step_accept(step, tni_move_consumer(&m));
}

tn_status tn_fuse_reduction_epilogue(tn_schedule *s, tn_block_ref reduction, tn_block_ref epilogue, tn_error **err) {
  tni_arg args[] = {tni_of_handle(reduction), tni_of_handle(epilogue)};
  return tni_perform(s, TNI_PRIMITIVE_fuse_reduction_epilogue, 2, args, 0, NULL, NULL, err);
}
