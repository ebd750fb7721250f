/* compute_at.c -- a producer under a loop of its consumers, for just what an iteration reads.
 *
 *     for i in 0..n { block T(..) { T[i] = f(..) } }
 *     for o in 0..n/4 { for j in 0..4 { block B(..) { B[o*4 + j] = T[o*4 + j] } } }
 *       ->
 *     for o in 0..n/4 { for a in 0..4 { block T(o*4 + a) .. }  for j in 0..4 { block B .. } }
 *
 * Parts of the box that lie outside the buffer are guarded. A dimension whose box cannot be told is computed whole.
 *
 * needs: a block that may move (legal.c: tni_why_not_movable); all its readers below the loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* What the block stores: to the same subscripts, each to a buffer of its own. */
typedef struct stores {
  int32_t count;
  const tn_stmt *items[TNI_MAX_STATES];
} stores;

static bool is_stored(const stores *of, const tn_buffer *b) {
  for (int32_t k = 0; k < of->count; k++)
    if (of->items[k]->as.store.buffer == b) return true;
  return false;
}

/* Is so much of dimension d all of a buffer that is stored? */
static bool is_whole(const stores *of, int32_t d, int64_t extent) {
  for (int32_t k = 0; k < of->count; k++) {
    const tn_expr *whole = of->items[k]->as.store.buffer->shape[d];
    if (tni_is_const(whole) && extent >= whole->as.i) return true;
  }
  return false;
}

/* The box of all reads of what the block stores in one iteration of the loop; extent 0: the whole dimension. */
static tn_status required_box(tni_step *step, const tn_stmt *block, const tn_stmt *loop, const stores *of,
                              tni_box *out) {
  tni_region *r = &step->s->region;
  int32_t rank = of->items[0]->as.store.count;
  tni_accesses all;
  tn_status status = tni_accesses_collect(r, step->s->func->body, &all) ? TN_OK : TN_E_NOMEM;
  bool first = true;
  for (size_t i = 0; i < all.count && !status; i++) {
    const tni_access *x = &all.items[i];
    if (x->write || x->block == block || !is_stored(of, x->buffer)) continue;
    int depth = tni_depth_below(x, loop);
    if (!depth) {
      status = tni_step_refuse(step, x->block,
                               "this reader of the buffer is not below the loop\n"
                               "needs: a loop around all blocks that read it");
      break;
    }
    if (!tni_take_access(step->s, x, depth, first, out)) status = TN_E_NOMEM;
    first = false;
  }
  tni_accesses_destroy(&all);
  if (!status && first)
    status = tni_step_refuse(step, block,
                             "nothing below the loop reads what the block writes\n"
                             "needs: a loop around all blocks that read it");
  for (int32_t d = 0; d < rank && !status; d++)
    if (!out->extents[d] || is_whole(of, d, out->extents[d])) {
      out->extents[d] = 0;
      out->bases[d] = tni_index(r, 0);
    }
  return status;
}

/* The new loops run the steps of a reduction in the order of its iterators. */
static tn_status check_steps(tni_step *step, const tn_stmt *block, const tn_stmt *loop) {
  tni_site site;
  tni_stretch spans[TNI_MAX_NEST];
  if (block->as.block.count > TNI_MAX_NEST || !tni_open_site(step->s, block, &site))
    return tni_step_refuse(step, block, "there are too many loops");
  for (size_t k = 0; k < site.count; k++)
    if (tni_is_below(site.loops[k], loop) && tni_site_feeds(&site, site.loops[k], true))
      return tni_step_refuse(step, site.loops[k]->as.loop.var,
                             "the loop runs steps of the block's reduction, and readers below it see what each of them leaves");
  for (int32_t i = 0; i < block->as.block.count; i++)
    spans[i] = (tni_stretch){tni_index(&step->s->region, 0), block->as.block.iters[i].extent};
  const char *why = tni_why_steps_moved(&site, 0, spans);
  return why ? tni_step_refuse(step, block, "%s", why) : TN_OK;
}

/* Where a loop around both, of an extent that is not constant, is an iterator, its readers read what its own iteration
 * made: other iterations may not run. */
static tn_status check_kept(tni_step *step, const tn_stmt *block, const tn_stmt *loop, const stores *of,
                            const tni_box *need) {
  const tn_stmt *path[TNI_MAX_PATH], *store = of->items[0];
  int depth = tni_path_to(step->s->func->body, block, path);
  for (int k = 0; k < depth; k++)
    for (int32_t d = 0; d < store->as.store.count && path[k]->kind == TNI_FOR; d++) {
      int32_t i = 0;
      while (block->as.block.iters[i].var != store->as.store.index[d]) i++;
      if (!tni_is_kept_loop(step->s, block, i, path[k], loop)) continue;
      if (need->extents[d] != 1 || need->bases[d] != path[k]->as.loop.var)
        return tni_step_refuse(step, path[k]->as.loop.var,
                               "readers below the loop read what other iterations of this one make, which may not run");
    }
  return TN_OK;
}

tn_status tni_apply_compute_at(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const void *mark;
  tni_box need;
  if (tni_arg_location(step, 1) != TNI_AT_LOOP) /* as sample_compute_location decided */
    return tni_arg_location(step, 1) == TNI_INLINE ? tni_apply_compute_inline(step) : TN_OK;
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 1) : NULL;
  if (!block || !loop) return TN_E_REFUSED;
  if (tni_is_below(loop, block))
    return tni_step_refuse(step, loop->as.loop.var, "the block is below this loop already");
  const char *why = tni_why_not_movable(s, block, loop, &mark);
  if (why) return tni_step_refuse(step, mark, "%s", why);
  tn_status status = check_steps(step, block, loop);
  if (status) return status;
  stores of;
  of.count = tni_block_stores(s->ctx, block, of.items);
  status = required_box(step, block, loop, &of, &need);
  if (!status) status = check_kept(step, block, loop, &of, &need);
  if (status) return status;
  const tn_stmt *nest = tni_nest_over(s, block, of.items[0], loop, &need);
  const tn_stmt *both[] = {nest, loop->as.loop.body};
  const tn_stmt *made =
      tni_for_like(r, loop, loop->as.loop.var, loop->as.loop.extent, loop->as.loop.kind, tni_seq(r, 2, both));
  const tn_stmt *body = tni_drop_block(r, s->func->body, block->as.block.name);
  return tni_step_accept(step, tni_replace(r, body, loop, made));
}

tn_status tn_compute_at(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(loop)};
  return tni_perform(s, TNI_PRIMITIVE_compute_at, 2, args, 0, NULL, NULL, err);
}
