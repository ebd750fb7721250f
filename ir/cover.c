/* cover.c -- is what a read sees written before it?
 *
 *     for i in 0..2 { T[i] = .. }  for i in 0..8 { T[i + 2] = .. }  for i in 0..10 { .. T[i] .. }       covered: [0 +2] | [2 +8]
 *     for i in 0..8 { T[i] = .. }  for i in 0..9 { .. T[i] .. }                                         T[8] is not written
 *
 * What several writes bring together is a union of boxes (arith/area.c). Surely covered: the area around the read is in the
 * area within the writes. Surely not: something is left of the area within the read when all is cut away that the writes
 * before it may bring.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

bool tni_feeds_reduction(tn_context *ctx, const tni_access *x, const tn_expr *loop_var) {
  for (int32_t i = 0; x->block && i < x->block->as.block.count; i++)
    if (x->block->as.block.iters[i].reduce && tni_expr_uses(ctx, x->bindings[i], loop_var)) return true;
  return false;
}

/* How many loops are around both. */
static int shared_depth(const tni_access *x, const tni_access *y) {
  int depth = 0;
  while (depth < x->depth && depth < y->depth && x->loops[depth] == y->loops[depth]) depth++;
  return depth;
}

typedef struct store_search {
  const tn_stmt *store;
  bool found;
} store_search;

static bool see_store(void *self, const tn_stmt *s) {
  store_search *q = self;
  q->found |= s == q->store;
  return !q->found;
}

/* Is it in the init of the block that reads? Then only where it is the first step is it done in the same one. */
static bool is_own_init(const tni_access *write, const tni_access *read) {
  store_search q = {.store = write->store};
  if (!write->block || write->block != read->block || !write->block->as.block.init) return false;
  tni_stmt_visit(write->block->as.block.init, see_store, &q);
  return q.found;
}

/* Is it surely done before the read, in the same iteration of all loops around both? A guarded reduction may leave out an
 * iteration of its reduce loops. */
static bool comes_before(tn_context *ctx, const tni_access *write, const tni_access *read, int depth) {
  if (write->buffer != read->buffer || !write->write || write->conditional || write->order >= read->order ||
      write->store == read->store || is_own_init(write, read))
    return false;
  for (int i = depth; write->block && write->block->as.block.where && i < shared_depth(write, read); i++)
    if (tni_feeds_reduction(ctx, write, write->loops[i]->as.loop.var)) return false;
  return true;
}

/* The elements that there are, as a box. */
static tni_box all_of(tni_region *r, const tn_buffer *b) {
  tni_box box = {.exact = true};
  for (int32_t d = 0; d < b->rank; d++)
    if (tni_is_const(b->shape[d]) && b->shape[d]->as.i > 0) {
      box.bases[d] = tni_index(r, 0);
      box.extents[d] = b->shape[d]->as.i;
    }
  return box;
}

/* What the read sees while the loops from number `shared` on run: no more than there is, since a subscript outside is a
 * mistake, or under a condition. */
static bool area_of_read(tni_region *r, const tni_facts *facts, const tni_access *read, int shared, tni_area *out) {
  tni_box seen, all = all_of(r, read->buffer);
  *out = tni_area_of(TNI_AROUND, read->buffer->rank);
  return tni_access_cover(r, read, shared, &seen) && tni_area_add(r, facts, out, &seen) &&
         tni_area_meet(r, facts, out, &all);
}

bool tni_is_covered(tni_region *r, const tni_accesses *accesses, const tni_access *read, int depth) {
  tn_context *ctx = r->arena.ctx;
  int shared = -1;
  tni_area have = tni_area_of(TNI_WITHIN, read->buffer->rank), want;
  tni_facts facts;
  for (size_t i = 0; i < accesses->count; i++)
    if (comes_before(ctx, &accesses->items[i], read, depth)) {
      int with = shared_depth(&accesses->items[i], read);
      shared = with > shared ? with : shared;
    }
  if (shared < 0) return false;
  tni_facts_init(&facts, ctx);
  bool ok = true;
  for (int i = 0; i < shared && ok; i++)
    ok = tni_facts_bind(&facts, read->loops[i]->as.loop.var, read->loops[i]->as.loop.extent);
  if (read->block && read->block->as.block.where) ok = ok && tni_facts_learn(&facts, read->block->as.block.where, true);
  ok = ok && area_of_read(r, &facts, read, shared, &want);
  for (size_t i = 0; i < accesses->count && ok; i++) {
    const tni_access *write = &accesses->items[i];
    tni_box box;
    if (comes_before(ctx, write, read, depth))
      ok = tni_access_cover(r, write, shared_depth(write, read), &box) && tni_area_add(r, &facts, &have, &box);
  }
  r->arena.failed |= !ok;
  bool covered = ok && tni_area_covers(r, &facts, &have, &want);
  tni_facts_destroy(&facts);
  return covered;
}

/* May the write be done before the read, in any iteration? What has no loop in common stands behind it or before. */
static bool may_come_before(const tni_access *write, const tni_access *read) {
  return write->write && write->buffer == read->buffer &&
         (write->order < read->order || shared_depth(write, read) > 0);
}

/* Is the box at one place, whatever the variables? */
static bool stands_still(int32_t rank, const tni_box *box) {
  for (int32_t d = 0; d < rank; d++)
    if (!box->extents[d] || !tni_is_const(box->bases[d])) return false;
  return true;
}

bool tni_is_unwritten(tni_region *r, const tni_accesses *accesses, const tni_access *read, int64_t *where) {
  tni_facts none = {.ctx = r->arena.ctx};
  int32_t rank = read->buffer->rank;
  tni_area seen = tni_area_of(TNI_WITHIN, rank);
  tni_box box;
  if (!read->load || read->conditional || read->claimed || accesses->opaque || accesses->waits)
    return false;
  bool ok = tni_access_cover(r, read, 0, &box) && tni_area_add(r, &none, &seen, &box);
  for (size_t i = 0; i < accesses->count && ok && seen.count > 0; i++)
    if (may_come_before(&accesses->items[i], read))
      ok = tni_access_cover(r, &accesses->items[i], 0, &box) && tni_area_cut(r, &none, &seen, &box);
  r->arena.failed |= !ok;
  for (int32_t i = 0; i < seen.count && ok; i++) {
    if (!stands_still(rank, &seen.boxes[i])) continue;
    for (int32_t d = 0; d < rank; d++) where[d] = seen.boxes[i].bases[d]->as.i;
    return true;
  }
  return false;
}
