/* rolling_buffer.c -- a loop keeps what its next iteration reads again, in a buffer that goes round.
 *
 *     alloc T: f32[n]
 *     for i { for r in 0..3 { block T(v: 0..n = i + r) { T[v] = f(v) } }
 *             .. T[i] + T[i + 1] + T[i + 2] .. }
 *       ->
 *     alloc T: f32[3]
 *     for i { for r in 0..3 { block T(v: 0..n = i + r) where i == 0 || 2 <= r { T[v % 3] = f(v) } }
 *             .. T[i % 3] + T[(i + 1) % 3] + T[(i + 2) % 3] .. }
 *
 * An iteration reads a window of a dimension, that moves up by a constant step. What is in the window of the iteration
 * before is there already: the block runs for the rest alone, but in the first iteration. Of the dimension there are as
 * many elements as the window has: what goes round overwrites what no later iteration reads. With spare elements, it does
 * so an iteration later, so that the block can run ahead (software_pipeline).
 *
 * needs: a serial loop; a block below it that may move (legal.c: tni_why_not_movable) and writes one row-major buffer,
 *        allocated around the loop; all reads of it below the loop, each covered by what the same iteration writes;
 *        windows along one dimension that overlap
 * refuses: a block whose inputs may change while the loop runs: what was kept would be of the old ones
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MOST_STAGES = 16, MOST_SPARE = 1024 };

/* ---- do inputs stay? ---- */

typedef struct writer_search {
  tn_context *ctx;
  const tn_buffer *buffer;
  const tn_stmt *writer;
} writer_search;

static bool see_writer(void *self, const tn_stmt *s) {
  writer_search *q = self;
  if (s->kind == TNI_BLOCK && tni_uses_of(q->ctx, s, q->buffer).writers) q->writer = s;
  return s->kind != TNI_BLOCK;
}

/* Is all that the block reads, while the loop runs, either left alone or always written with the same values? */
static bool is_steady(tn_schedule *s, const tn_stmt *block, const tn_stmt *loop, int stages) {
  tni_reads inputs = tni_reads_below(s->ctx, block);
  const void *mark;
  bool steady = inputs.count < TNI_MAX_READS && stages < MOST_STAGES;
  for (size_t i = 0; i < inputs.count && steady; i++) {
    const tn_buffer *b = inputs.items[i];
    tni_uses inside = tni_uses_of(s->ctx, loop, b);
    if (tni_uses_of(s->ctx, block, b).writers || (!inside.writers && !inside.loose)) continue;
    writer_search q = {s->ctx, b, NULL};
    tni_stmt_visit(loop, see_writer, &q);
    steady = inside.writers == 1 && !inside.loose && !tni_why_not_movable(s, q.writer, NULL, &mark) &&
             is_steady(s, q.writer, loop, stages + 1);
  }
  return steady;
}

/* ---- the window ---- */

typedef struct window {
  int32_t dim; /* of the buffer */
  int64_t size, step;
  const tn_expr *base, *binding; /* of an iteration; of the iterator that is the dimension */
} window;

static int32_t iter_of(const tn_stmt *block, const tn_expr *var) {
  int32_t i = 0;
  while (block->as.block.iters[i].var != var) i++;
  return i;
}

/* What the block writes in an iteration of the loop; a reason, or NULL. Windows that overlap are complete in each
 * iteration: below a loop of a reduction a block that may move writes no element twice. */
static const char *find_window(tn_schedule *s, const tni_site *site, size_t depth, const tn_stmt *store, window *out) {
  static const char *const no_window =
      "what an iteration writes is no window that moves along one dimension by a constant step";
  const tn_expr *var = site->loops[depth - 1]->as.loop.var, *rest;
  tni_stretch spans[TNI_MAX_NEST];
  int moving = 0;
  if (site->block->as.block.count > TNI_MAX_NEST || !tni_site_spans(site, depth, spans)) return no_window;
  for (int32_t d = 0; d < store->as.store.count; d++) {
    int32_t i = iter_of(site->block, store->as.store.index[d]);
    if (!tni_expr_uses(s->ctx, spans[i].base, var)) continue;
    moving++;
    if (!tni_is_const(spans[i].extent) || !tni_affine(&s->region, spans[i].base, 1, &var, &out->step, &rest))
      return no_window;
    *out = (window){d, spans[i].extent->as.i, out->step, spans[i].base, site->block->as.block.iters[i].binding};
  }
  if (moving != 1 || out->step <= 0) return no_window;
  return out->step < out->size ? NULL : "an iteration reads nothing again of what the one before has read";
}

/* Are all accesses below the loop, and the reads covered by what is written in the same iteration? */
static tn_status check_accesses(tni_step *step, const tn_stmt *block, const tn_stmt *loop, const tn_buffer *b) {
  tni_region *r = &step->s->region;
  tni_accesses all;
  tn_status status = tni_accesses_collect(r, step->s->func->body, &all) ? TN_OK : TN_E_NOMEM;
  if (!status && all.opaque) status = tni_step_refuse(step, block, "not all accesses to memory are known");
  for (size_t i = 0; i < all.count && !status; i++) {
    const tni_access *x = &all.items[i];
    int depth = 0;
    if (x->buffer != b) continue;
    for (int k = 0; k < x->depth; k++)
      if (x->loops[k] == loop) depth = k + 1;
    if (!depth)
      status = tni_step_refuse(step, x->block, "the buffer is used here, outside of the loop\n"
                                               "needs: a loop around all blocks that use it");
    else if (!x->write && x->block != block && !tni_is_covered(r, &all, x, depth))
      status = tni_step_refuse(step, x->load, "an iteration may read here what it has not written itself");
  }
  tni_accesses_destroy(&all);
  return status;
}

/* ---- the rewrite ---- */

typedef struct roller {
  const tn_buffer *old, *made;
  int32_t dim;
} roller;

static bool roll_index(const roller *q, tni_region *r, const tn_expr *const *index, const tn_expr **out) {
  for (int32_t d = 0; d < q->old->rank; d++)
    out[d] = d == q->dim ? tni_op2(r, TN_OP_floormod, index[d], q->made->shape[d]) : index[d];
  return out[q->dim] != NULL;
}

static const tn_expr *roll_load(void *self, tni_region *r, const tn_expr *x) {
  const roller *q = self;
  const tn_expr *index[TN_MAX_RANK];
  if (x->op != TN_OP_load || x->as.buffer != q->old) return x;
  if (!roll_index(q, r, x->arg, index)) return NULL;
  return tni_load(r, x->type, q->made, (size_t)q->old->rank, index, tni_load_where(x));
}

static const tn_stmt *roll_store(void *self, tni_region *r, const tn_stmt *s) {
  const roller *q = self;
  const tn_expr *index[TN_MAX_RANK];
  if (!tni_is_write(s) || s->as.store.buffer != q->old) return s;
  if (!roll_index(q, r, s->as.store.index, index)) return NULL;
  return tni_store_like(r, s, q->made, q->old->rank, index, s->as.store.value, s->as.store.where);
}

/* The block, for what was not in the window of the iteration before. */
static const tn_stmt *run_rest(tni_region *r, const tn_stmt *block, const tn_stmt *loop, const window *w) {
  tni_facts none = {.ctx = r->arena.ctx};
  const tn_expr *behind = tni_sub(r, tni_add(r, w->base, tni_index(r, w->size - w->step)), w->binding);
  const tn_expr *first = tni_op2(r, TN_OP_eq, loop->as.loop.var, tni_index(r, 0));
  const tn_expr *rest = behind ? tni_op2(r, TN_OP_le, tni_simplify(r, &none, behind), tni_index(r, 0)) : NULL;
  const tn_expr *cond = first && rest ? tni_op2(r, TN_OP_or, first, tni_simplify(r, &none, rest)) : NULL;
  if (!cond) return NULL;
  return tni_block_like(r, block, block->as.block.iters, tni_conj(r, block->as.block.where, cond), block->as.block.init,
                        block->as.block.body);
}

static tn_status check(tni_step *step, const tn_stmt *block, const tn_stmt *loop, const tn_buffer *b) {
  if (tni_is_allocated_in(loop, b) || !tni_is_row_major(b))
    return tni_step_refuse(step, b, "the buffer is allocated in the loop, or not row-major");
  for (int32_t d = 0; d < b->rank; d++)
    if (tni_expr_reads(b->shape[d]))
      return tni_step_refuse(step, b, "an extent of the buffer reads memory, which may be another one at the loop");
  if (!is_steady(step->s, block, loop, 0))
    return tni_step_refuse(step, block,
                           "an input of the block may change while the loop runs, and what is kept is of the old one");
  return check_accesses(step, block, loop, b);
}

tn_status tni_apply_rolling_buffer(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *stores[TNI_MAX_STATES], *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 1) : NULL;
  const void *mark;
  tni_site site;
  window w = {0};
  size_t depth = 0;
  if (!loop) return TN_E_REFUSED;
  const char *why = tni_why_not_movable(s, block, NULL, &mark);
  if (why) return tni_step_refuse(step, mark, "%s", why);
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, loop->as.loop.var, "an iteration goes on with what the one before has left\n"
                                                    "needs: a serial loop");
  if (!tni_open_site(s, block, &site)) return tni_step_refuse(step, block, "there are too many loops");
  for (size_t k = 0; k < site.count; k++)
    if (site.loops[k] == loop) depth = k + 1;
  if (!depth) return tni_step_refuse(step, loop->as.loop.var, "the loop is not above the block");
  if (tni_block_stores(s->ctx, block, stores) != 1)
    return tni_step_refuse(step, block, "the block stores to several buffers");
  const tn_buffer *b = stores[0]->as.store.buffer;
  tn_status status = check(step, block, loop, b);
  if (status) return status;
  int64_t spare = step->args[2].number;
  if (spare < 0 || spare > MOST_SPARE) return tni_step_refuse(step, b, "ask for 0 to %d spare elements", MOST_SPARE);
  if ((why = find_window(s, &site, depth, stores[0], &w))) return tni_step_refuse(step, block, "%s", why);
  tn_buffer form = *b;
  form.shape[w.dim] = tni_index(r, w.size + spare);
  roller roll = {b, tni_buffer_make(r, &form), w.dim};
  const tn_stmt *kept = tni_replace(r, loop, block, run_rest(r, block, loop, &w));
  kept = kept && roll.made ? tni_stmt_rewrite(r, kept, roll_load, roll_store, &roll) : NULL;
  const tn_stmt *body = kept ? tni_replace(r, s->func->body, loop, tni_alloc_stmt(r, roll.made, kept)) : NULL;
  return tni_step_accept(step, tni_drop_unused_allocs(r, body));
}

tn_status tn_rolling_buffer(tn_schedule *s, tn_block_ref block, tn_loop loop, int32_t spare, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(loop), tni_of_int(spare)};
  return tni_perform(s, TNI_PRIMITIVE_rolling_buffer, 3, args, 0, NULL, NULL, err);
}
