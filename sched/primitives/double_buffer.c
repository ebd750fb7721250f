/* double_buffer.c -- iterations that come one after the other use different copies of a buffer.
 *
 *     alloc T: f32[8]
 *     for i { .. block T(a = j) { T[a] = .. }
 *             .. block C(a = k) { .. T[a] } }
 *       ->
 *     alloc T: f32[2, 8]
 *     for i { .. block T(a = j, copy: 0..2 = i % 2) { T[copy, a] = .. }
 *             .. block C(a = k, copy: 0..2 = i % 2) { .. T[copy, a] } }
 *
 * Then what an iteration writes may be there before the one before has read its own. Elements that were different ones
 * stay so: what ran at the same time, loops around or the loop itself, still may.
 *
 * needs: a row-major buffer that the block stores to, which each iteration of the loop writes before it reads it, used
 *        below the loop alone and in blocks; 2 to 16 copies
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MOST_COPIES = 16 };

typedef struct copier {
  tn_context *ctx;
  const tn_buffer *old, *made;
  const tn_expr *which; /* the copy: over the loop in a block's header, else its iterator */
} copier;

static const tn_expr *choose_load(void *self, tni_region *r, const tn_expr *x) {
  const copier *c = self;
  const tn_expr *index[TN_MAX_RANK] = {c->which};
  if (x->op != TN_OP_load || x->as.buffer != c->old) return x;
  for (int32_t d = 0; d < c->old->rank; d++) index[d + 1] = x->arg[d];
  return tni_load(r, x->type, c->made, (size_t)c->made->rank, index, tni_load_where(x));
}

static const tn_stmt *choose_store(void *self, tni_region *r, const tn_stmt *s) {
  const copier *c = self;
  const tn_expr *index[TN_MAX_RANK] = {c->which};
  if (!tni_is_write(s) || s->as.store.buffer != c->old) return s;
  for (int32_t d = 0; d < c->old->rank; d++) index[d + 1] = s->as.store.index[d];
  return tni_store_like(r, s, c->made, c->made->rank, index, s->as.store.value, s->as.store.where);
}

/* A block that uses the buffer gets an iterator that is the copy. */
static const tn_stmt *choose_in_block(void *self, tni_region *r, const tn_stmt *s) {
  const copier *c = self;
  tni_uses uses = s->kind == TNI_BLOCK ? tni_uses_of(c->ctx, s, c->old) : (tni_uses){0};
  if (!uses.readers && !uses.writers) return s;
  int32_t count = s->as.block.count;
  tni_iter *iters = TNI_NEW_ARRAY(&r->arena, tni_iter, count + 1);
  copier header = *c, inside = *c;
  inside.which = tni_var(r, "copy", TN_INDEX);
  if (!iters || !inside.which) return NULL;
  for (int32_t i = 0; i < count; i++) {
    iters[i] = s->as.block.iters[i];
    if (!(iters[i].binding = tni_expr_rewrite(r, iters[i].binding, choose_load, &header))) return NULL;
  }
  iters[count] = (tni_iter){.var = inside.which, .extent = c->made->shape[0], .binding = c->which};
  const tn_expr *where = s->as.block.where;
  const tn_stmt *init = s->as.block.init;
  if ((where && !(where = tni_expr_rewrite(r, where, choose_load, &header))) ||
      (init && !(init = tni_stmt_rewrite(r, init, choose_load, choose_store, &inside))))
    return NULL;
  const tn_stmt *body = tni_stmt_rewrite(r, s->as.block.body, choose_load, choose_store, &inside);
  const tn_stmt *made = tni_block(r, s->as.block.name, count + 1, iters, where, init, body);
  return s->as.block.notes.count ? tni_annotated(r, made, s->as.block.notes) : made;
}

const tn_stmt *tni_choose_copies(tni_region *r, const tn_stmt *alloc, const tn_expr *loop, int64_t copies) {
  const tn_buffer *old = alloc->as.alloc.buffer;
  tn_buffer form = *old;
  form.rank = old->rank + 1;
  form.shape[0] = tni_index(r, copies);
  for (int32_t d = 0; d < old->rank; d++) form.shape[d + 1] = old->shape[d];
  copier c = {r->arena.ctx, old, tni_buffer_make(r, &form), tni_op2(r, TN_OP_floormod, loop, form.shape[0])};
  const tn_stmt *inside =
      c.made && c.which ? tni_stmt_rewrite(r, alloc->as.alloc.body, NULL, choose_in_block, &c) : NULL;
  return inside ? tni_alloc_stmt(r, c.made, inside) : NULL;
}

static tn_status check(tni_step *step, const tn_stmt *loop, const tn_buffer *b) {
  tn_schedule *s = step->s;
  int64_t copies = step->args[2].number;
  if (copies < 2 || copies > MOST_COPIES)
    return tni_step_refuse(step, b, "ask for 2 to %d copies", MOST_COPIES);
  if (b->rank == TN_MAX_RANK) return tni_step_refuse(step, b, "the buffer has %d dimensions already", b->rank);
  if (!tni_is_row_major(b)) return tni_step_refuse(step, b, "the buffer has strides or a layout\n"
                                                            "needs: to be copied before it is aligned");
  if (tni_uses_of(s->ctx, s->func->body, b).loose)
    return tni_step_refuse(step, b, "the buffer is used outside of blocks");
  if (tni_is_allocated_in(loop, b))
    return tni_step_refuse(step, b, "the buffer is allocated in the loop\n"
                                    "needs: the alloc outside of the loop");
  if (!tni_is_private_to(&s->region, s->func->body, b, loop))
    return tni_step_refuse(step, loop->as.loop.var, "an iteration may read of the buffer what another one has written");
  return TN_OK;
}

tn_status tni_apply_double_buffer(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 1) : NULL;
  const tn_stmt *alloc = loop ? tni_arg_made(step, block, 3) : NULL;
  if (!alloc) return TN_E_REFUSED;
  const tn_buffer *old = alloc->as.alloc.buffer;
  tn_status status = check(step, loop, old);
  if (status) return status;
  const tn_stmt *made = tni_choose_copies(r, alloc, loop->as.loop.var, step->args[2].number);
  return tni_step_accept(step, tni_replace(r, s->func->body, alloc, made));
}

tn_status tn_double_buffer(tn_schedule *s, tn_block_ref block, tn_loop loop, int32_t copies, int32_t store,
                           tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(loop), tni_of_int(copies), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_double_buffer, 4, args, 0, NULL, NULL, err);
}
