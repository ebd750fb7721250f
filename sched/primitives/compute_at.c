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

enum { MAX_ITERS = 64 };

static int depth_below(const tni_access *x, const tn_stmt *loop) {
  for (int i = 0; i < x->depth; i++)
    if (x->loops[i] == loop) return i + 1;
  return 0;
}

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
  tni_facts none = {.ctx = step->s->ctx};
  tni_accesses all;
  tn_status status = tni_accesses_collect(r, step->s->func->body, &all) ? TN_OK : TN_E_NOMEM;
  bool first = true;
  for (size_t i = 0; i < all.count && !status; i++) {
    const tni_access *x = &all.items[i];
    tni_box box;
    if (x->write || x->block == block || !is_stored(of, x->buffer)) continue;
    int depth = depth_below(x, loop);
    if (!depth) {
      status = tni_step_refuse(step, x->block,
                               "this reader of the buffer is not below the loop\n"
                               "needs: a loop around all blocks that read it");
      break;
    }
    if (!tni_access_cover(r, x, depth, &box))
      status = TN_E_NOMEM;
    else if (first)
      *out = box;
    else if (!tni_box_grow(r, &none, rank, out, &box))
      status = TN_E_NOMEM;
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

/* What is known at the loop: the ranges of the loops from the body down to it. */
static bool push_loops(tni_facts *facts, const tn_stmt *root, const tn_stmt *loop) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(root, loop, path);
  bool ok = depth > 0;
  for (int i = 0; ok && i < depth; i++)
    if (path[i]->kind == TNI_FOR) ok = tni_facts_bind(facts, path[i]->as.loop.var, path[i]->as.loop.extent);
  return ok;
}

/* One iterator's new loop (none for extent 1), binding and guard. */
static bool place_iter(tni_region *r, tni_facts *facts, const tn_stmt *store, const tni_box *need,
                       tni_iter *it, const tn_expr **loop_var, const tn_expr **loop_extent, const tn_expr **where) {
  int32_t d = 0;
  const tn_expr *base = NULL;
  *loop_extent = it->extent;
  if (!it->reduce) {
    while (store->as.store.index[d] != it->var) d++;
    base = need->bases[d];
    *loop_extent = need->extents[d] ? tni_index(r, need->extents[d]) : it->extent;
  }
  *loop_var = NULL;
  it->binding = base ? base : tni_index(r, 0);
  if (!tni_is_int(*loop_extent, 1)) {
    *loop_var = tni_var(r, it->var->as.name, TN_INDEX);
    it->binding = base ? tni_add(r, base, *loop_var) : *loop_var;
    if (!*loop_var || !tni_facts_bind(facts, *loop_var, *loop_extent)) return false;
  }
  it->binding = tni_simplify(r, facts, it->binding);
  if (!base || !it->binding || !need->extents[d]) return it->binding != NULL;
  const tn_expr *below = tni_op2(r, TN_OP_lt, it->binding, it->extent);
  const tn_expr *above = tni_op2(r, TN_OP_le, tni_index(r, 0), it->binding);
  if (!below || !above) return false;
  if (!tni_prove(r, facts, below)) *where = tni_conj(r, *where, below);
  if (!tni_prove(r, facts, above)) *where = tni_conj(r, *where, above);
  return true;
}

static const tn_stmt *make_nest(tni_step *step, const tn_stmt *block, const tn_stmt *loop, const stores *of,
                                const tni_box *need) {
  tni_region *r = &step->s->region;
  const tn_expr *vars[MAX_ITERS], *extents[MAX_ITERS], *where = NULL;
  int32_t count = block->as.block.count;
  tni_iter *iters = tni_arena_copy(&r->arena, block->as.block.iters, (size_t)count * sizeof *iters);
  tni_facts facts;
  tni_facts_init(&facts, step->s->ctx);
  bool ok = iters && count <= MAX_ITERS && push_loops(&facts, step->s->func->body, loop);
  for (int32_t i = 0; ok && i < count; i++)
    ok = place_iter(r, &facts, of->items[0], need, &iters[i], &vars[i], &extents[i], &where);
  tni_facts_destroy(&facts);
  const tn_stmt *s =
      ok ? tni_block_like(r, block, iters, where, block->as.block.init, block->as.block.body) : NULL;
  for (int32_t i = count - 1; ok && i >= 0; i--)
    if (vars[i]) s = tni_for(r, vars[i], extents[i], TNI_SERIAL, s);
  return s;
}

/* The new loops run the steps of a reduction in the order of its iterators. */
static tn_status check_steps(tni_step *step, const tn_stmt *block) {
  tni_site site;
  tni_stretch spans[TNI_MAX_NEST];
  if (block->as.block.count > TNI_MAX_NEST || !tni_open_site(step->s, block, &site))
    return tni_step_refuse(step, block, "there are too many loops");
  for (int32_t i = 0; i < block->as.block.count; i++)
    spans[i] = (tni_stretch){tni_index(&step->s->region, 0), block->as.block.iters[i].extent};
  const char *why = tni_why_steps_moved(&site, 0, spans);
  return why ? tni_step_refuse(step, block, "%s", why) : TN_OK;
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
  const char *why = tni_why_not_movable(s, block, &mark);
  if (why) return tni_step_refuse(step, mark, "%s", why);
  tn_status status = check_steps(step, block);
  if (status) return status;
  stores of;
  of.count = tni_block_stores(s->ctx, block, of.items);
  status = required_box(step, block, loop, &of, &need);
  if (status) return status;
  const tn_stmt *nest = make_nest(step, block, loop, &of, &need);
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
