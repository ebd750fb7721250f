/* boxes.c -- what an iteration of a loop touches of a buffer, as a box; a block that runs for just that, a copy of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_ITERS = 64 };

int tni_depth_below(const tni_access *x, const tn_stmt *loop) {
  for (int i = 0; i < x->depth; i++)
    if (x->loops[i] == loop) return i + 1;
  return 0;
}

bool tni_take_access(tn_schedule *s, const tni_access *x, int depth, bool first, tni_box *out) {
  tni_region *r = &s->region;
  tni_facts none = {.ctx = s->ctx};
  tni_box box;
  if (!tni_access_cover(r, x, depth, &box) || !tni_stated_box(s, x, depth, &box)) return false;
  if (!first) return tni_box_grow(r, &none, x->buffer->rank, out, &box);
  *out = box;
  return true;
}

/* Dimensions of which all is touched. */
static bool normalize(tni_region *r, const tn_buffer *b, tni_box *box) {
  for (int32_t d = 0; d < b->rank; d++) {
    bool all = !box->extents[d] || (tni_is_const(b->shape[d]) && box->extents[d] >= b->shape[d]->as.i);
    if (all) box->extents[d] = 0;
    if (all && !(box->bases[d] = tni_index(r, 0))) return false;
  }
  return true;
}

bool tni_box_below(tn_schedule *s, const tni_accesses *all, const tn_stmt *loop, const tn_buffer *buffer, bool writes,
                   tni_box *out, bool *found) {
  *found = false;
  for (size_t i = 0; i < all->count; i++) {
    const tni_access *x = &all->items[i];
    int depth = tni_depth_below(x, loop);
    if (x->buffer != buffer || x->write != writes || !depth) continue;
    if (!tni_take_access(s, x, depth, !*found, out)) return false;
    *found = true;
  }
  return !*found || normalize(&s->region, buffer, out);
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

const tn_stmt *tni_nest_over(tn_schedule *s, const tn_stmt *block, const tn_stmt *store, const tn_stmt *loop,
                             const tni_box *need) {
  tni_region *r = &s->region;
  const tn_expr *vars[MAX_ITERS], *extents[MAX_ITERS], *where = NULL;
  if (!block) return NULL;
  int32_t count = block->as.block.count;
  tni_iter *iters = tni_arena_copy(&r->arena, block->as.block.iters, (size_t)count * sizeof *iters);
  tni_facts facts;
  tni_facts_init(&facts, s->ctx);
  bool ok = iters && count <= MAX_ITERS && push_loops(&facts, s->func->body, loop);
  for (int32_t i = 0; ok && i < count; i++)
    ok = place_iter(r, &facts, store, need, &iters[i], &vars[i], &extents[i], &where);
  tni_facts_destroy(&facts);
  const tn_stmt *made =
      ok ? tni_block_like(r, block, iters, where, block->as.block.init, block->as.block.body) : NULL;
  for (int32_t i = count - 1; ok && i >= 0; i--)
    if (vars[i]) made = tni_for(r, vars[i], extents[i], TNI_SERIAL, made);
  return made;
}

/* The copying block over no more of a dimension than the box reaches: who puts something in its place sees what it reads. */
static const tn_stmt *trim(tn_schedule *s, const tn_stmt *block, const tn_stmt *loop, const tni_box *box) {
  tni_region *r = &s->region;
  int32_t count = block->as.block.count;
  tni_iter *iters = tni_arena_copy(&r->arena, block->as.block.iters, (size_t)count * sizeof *iters);
  tni_facts facts;
  tni_facts_init(&facts, s->ctx);
  bool ok = iters && push_loops(&facts, s->func->body, loop);
  for (int32_t d = 0; ok && d < count; d++) {
    int64_t lo, hi;
    if (!box->extents[d] || !tni_is_const(iters[d].extent)) continue;
    tni_bounds(&facts, box->bases[d], &lo, &hi);
    if (hi < iters[d].extent->as.i - box->extents[d]) iters[d].extent = tni_index(r, hi + box->extents[d]);
  }
  tni_facts_destroy(&facts);
  return ok ? tni_block_like(r, block, iters, NULL, NULL, block->as.block.body) : NULL;
}

const tn_stmt *tni_copy_box(tn_schedule *s, const char *name, const tn_buffer *from, const tn_buffer *to,
                            const tn_stmt *loop, const tni_box *box) {
  const tn_stmt *nest = tni_copy_nest(&s->region, name, from, to), *block = nest ? tni_find_block(nest, name) : NULL;
  if (block) block = trim(s, block, loop, box);
  return block ? tni_nest_over(s, block, block->as.block.body, loop, box) : NULL;
}

/* ---- copies for an iteration: read_at, write_at ---- */

tn_status tni_find_box_copy(tni_step *step, bool writes, int number, int scope, tni_box_copy *out) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *loop = tni_arg_loop(step, 0), *block = loop ? tni_arg_block(step, 1) : NULL;
  int in = block ? tni_cache_scope(step, step->args[scope].text) : -1;
  if (in < 0) return TN_E_REFUSED;
  if (!tni_is_below(loop, block))
    return tni_step_refuse(step, loop->as.loop.var, "the block is not below the loop\nneeds: a loop around it");
  const tn_buffer *old = tni_arg_buffer(step, block, number, writes);
  if (!old) return TN_E_REFUSED;
  if (tni_uses_of(s->ctx, s->func->body, old).loose)
    return tni_step_refuse(step, block, "the buffer is used outside of blocks");
  const char *why = tni_why_no_cache(s, old, in);
  if (why) return tni_step_refuse(step, block, "%s", why);
  const char *base = tni_arena_format(&r->arena, "%s_%s", block->as.block.name, writes ? "write" : "read");
  const char *name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  const char *called = tni_arena_format(&r->arena, "%s_cache", old->name);
  const tn_buffer *made = called ? tni_buffer(r, called, old->type, (enum tni_scope)in, old->rank, old->shape) : NULL;
  *out = (tni_box_copy){writes, loop, block, old, made, name};
  return name && made ? TN_OK : TN_E_NOMEM;
}

tn_status tni_make_box_copy(tni_step *step, const tni_box_copy *at, const tn_stmt **out) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *loop = at->loop, *both[2];
  tni_accesses all;
  tni_box box;
  bool found, ok = tni_accesses_collect(r, s->func->body, &all);
  ok = ok && tni_box_below(s, &all, loop, at->old, at->writes, &box, &found);
  tni_accesses_destroy(&all);
  if (!ok) return TN_E_NOMEM;
  if (all.opaque || !found) return tni_step_refuse(step, loop->as.loop.var, "not all accesses of the function are known");
  both[at->writes] = tni_copy_box(s, at->name, at->writes ? at->made : at->old, at->writes ? at->old : at->made, loop, &box);
  both[!at->writes] = tni_with_buffer(r, loop->as.loop.body, at->old, at->made, at->writes ? TNI_LOADS | TNI_STORES : TNI_LOADS);
  const tn_stmt *with =
      tni_for_like(r, loop, loop->as.loop.var, loop->as.loop.extent, loop->as.loop.kind, tni_seq(r, 2, both));
  *out = tni_alloc_stmt(r, at->made, tni_replace(r, s->func->body, loop, with));
  return *out ? TN_OK : TN_E_NOMEM;
}
