/* reverse_compute_inline.c -- an elementwise consumer into its only producer.
 *
 *     block T(i) { T[i] = f(A[i]) }   block Y(a) { Y[a] = g(T[a], B[a]) }  ->  block T(i) { Y[i] = g(f(A[i]), B[i]) }
 *
 * The block keeps the producer's name and loops; T is gone. A load T[e if c] becomes select(c, f, 0).
 *
 * needs: a consumer of one store, whose iterators are the subscripts of its loads of T; T made in the function, for
 *        it alone
 * refuses: a reduction on either side: what is done with its result is fuse_reduction_epilogue
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* The block that stores the buffer made in the function which this one reads. */
typedef struct search {
  tn_schedule *s;
  const tn_buffer *buffer; /* that the block reads */
  bool several;
  const tn_stmt *writer;
} search;

static void see_load(void *self, const tn_expr *x) {
  search *q = self;
  if (x->op != TN_OP_load || x->as.buffer == q->buffer || tni_is_param(q->s->func, x->as.buffer)) return;
  q->several |= q->buffer != NULL;
  q->buffer = x->as.buffer;
}

static bool see_writer(void *self, const tn_stmt *s) {
  search *q = self;
  if (s->kind == TNI_BLOCK && tni_uses_of(q->s->ctx, s, q->buffer).writers) q->writer = s;
  return s->kind != TNI_BLOCK;
}

static bool reduces(const tn_stmt *block) {
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce) return true;
  return false;
}

static tn_status find_producer(tni_step *step, const tn_stmt *block, const tn_stmt **out) {
  tn_schedule *s = step->s;
  search q = {.s = s};
  tni_stmt_visit_exprs(s->ctx, block, see_load, &q);
  if (!q.buffer || q.several)
    return tni_step_refuse(step, block,
                           q.several ? "the block reads several buffers that are made in the function\n"
                                       "needs: compute_inline of all their producers but one"
                                     : "the block reads nothing that is made in the function");
  tni_uses uses = tni_uses_of(s->ctx, s->func->body, q.buffer);
  if (uses.writers == 1) tni_stmt_visit(s->func->body, see_writer, &q);
  const tn_stmt *producer = q.writer;
  if (producer && (reduces(producer) || producer->as.block.init))
    return tni_step_refuse(step, producer,
                           "the producer is a reduction\n"
                           "needs: fuse_reduction_epilogue, which waits for the last step");
  if (!producer || uses.readers != 1 || uses.loose)
    return tni_step_refuse(step, block, "`%s` is written or read by others than the block and its only producer",
                           q.buffer->name);
  if (!tni_block_store(producer)) return tni_step_refuse(step, producer, "the producer is not one store without a condition");
  *out = producer;
  return TN_OK;
}

/* ---- the rewrite ---- */

typedef struct inliner {
  const tn_buffer *buffer;
  const tn_expr *value;
} inliner;

static const tn_expr *add_condition(void *self, tni_region *r, const tn_expr *x) {
  if (x->op != TN_OP_load) return x;
  return tni_load(r, x->type, x->as.buffer, (size_t)tni_load_count(x), x->arg, tni_conj(r, tni_load_where(x), self));
}

static const tn_expr *replace_load(void *self, tni_region *r, const tn_expr *x) {
  const inliner *in = self;
  if (x->op != TN_OP_load || x->as.buffer != in->buffer) return x;
  const tn_expr *where = tni_load_where(x);
  if (!where) return in->value;
  const tn_expr *value = tni_expr_rewrite(r, in->value, add_condition, (void *)where);
  return tni_op3(r, TN_OP_select, where, value, tni_zero(r, x->type));
}

/* The consumer's store over the producer's iterators, with its value put in. */
static const tn_stmt *make_store(const tni_meeting *m, const tn_stmt *producer) {
  tni_region *r = &m->consumer.s->region;
  const tn_stmt *block = m->consumer.block, *stored = tni_block_store(producer);
  const tn_expr *vars[TNI_MAX_NEST], *values[TNI_MAX_NEST];
  inliner in = {stored->as.store.buffer, stored->as.store.value};
  for (int32_t i = 0; i < block->as.block.count; i++) {
    vars[i] = block->as.block.iters[i].var;
    values[i] = m->from[i] ? m->from[i] : m->spans[i].base;
  }
  tni_subst subst = {(size_t)block->as.block.count, vars, values};
  const tn_stmt *store = tni_stmt_subst(r, tni_block_store(block), &subst);
  return store ? tni_stmt_rewrite(r, store, replace_load, NULL, &in) : NULL;
}

/* The iterators of the producer, over no more than those of the consumer: what is beyond nobody reads. */
static const tni_iter *make_iters(const tni_meeting *m, const tn_stmt *producer) {
  tni_region *r = &m->consumer.s->region;
  const tn_stmt *block = m->consumer.block;
  tni_iter *iters = tni_arena_copy(&r->arena, producer->as.block.iters, (size_t)producer->as.block.count * sizeof *iters);
  for (int32_t i = 0; iters && i < block->as.block.count; i++)
    for (int32_t k = 0; k < producer->as.block.count; k++) {
      const tn_expr *extent = block->as.block.iters[i].extent;
      if (m->from[i] == iters[k].var && tni_is_const(extent) && tni_is_const(iters[k].extent) &&
          extent->as.i < iters[k].extent->as.i)
        iters[k].extent = extent;
    }
  return iters;
}

tn_status tni_apply_reverse_compute_inline(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *block = tni_arg_block(step, 0), *producer = NULL;
  tni_meeting m;
  tni_placed placed;
  if (!block) return TN_E_REFUSED;
  if (reduces(block) || block->as.block.init || !tni_block_store(block))
    return tni_step_refuse(step, block,
                           "the block does more than store one element\n"
                           "needs: reverse_compute_at, which keeps it as a block");
  tn_status status = find_producer(step, block, &producer);
  if (!status) status = tni_meet(step, block, producer, false, &m);
  if (status) return status;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (!m.from[i] && !(tni_is_int(m.spans[i].extent, 1) && tni_is_const(m.spans[i].base)))
      return tni_step_refuse(step, block, "iterator `%s` of the block is no subscript of what it reads of its producer",
                             block->as.block.iters[i].var->as.name);
  if (!tni_place_consumer(&m, &placed)) return TN_E_NOMEM;
  const tni_iter *iters = make_iters(&m, producer);
  const tn_stmt *made =
      !iters ? NULL : tni_block_like(r, producer, iters, tni_conj(r, producer->as.block.where, placed.where), NULL,
                     make_store(&m, producer));
  const tn_stmt *body = tni_drop_block(r, s->func->body, block->as.block.name);
  if (body && made) body = tni_replace(r, body, producer, made);
  return tni_step_accept(step, made ? tni_drop_unused_allocs(r, body) : NULL);
}

tn_status tn_reverse_compute_inline(tn_schedule *s, tn_block_ref block, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block)};
  return tni_perform(s, TNI_PRIMITIVE_reverse_compute_inline, 1, args, 0, NULL, NULL, err);
}
