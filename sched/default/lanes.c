/* lanes.c -- a reduction along memory whose order does not matter: each lane has a part of it, and these are combined.
 *
 *     for k { y = max(y, x[k]) }
 *       ->
 *     for k by 64 { for vectors, lanes { part[v] = max(part[v], x[k + v]) } }
 *     the same of part by 16, of these by 8, by 4;  for v in 0..4 { y = max(y, part[v]) }
 *
 * Minima, maxima and sums of integers, where no dimension of the result has neighbours in memory. Sums of
 * floating-point numbers would round otherwise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { MOST_PARTS = 64, MOST_VECTORS = 4, LEAST_PARTS = 4 };

static bool keeps_its_value(const tni_planner *p, const tn_stmt *block) {
  tni_reduction of;
  if (!tni_reducer_of(&p->s->region, block, &of) || of.count != 1 || !of.any_order) return false;
  bool rounds = of.rows[0] == TN_REDUCE_SUM || of.rows[0] == TN_REDUCE_PRODUCT;
  return !rounds || !tni_type_is_float(tni_block_store(block)->as.store.buffer->type);
}

/* How many parts: whole vectors, of the reduce iterator that runs along memory, each of two steps or more;
 * 0: there is none that is long enough. */
static int64_t count_parts(const tni_planner *p, const tn_stmt *block, int32_t *iter) {
  int64_t lanes = tni_lanes_of(p, tni_block_store(block)->as.store.buffer->type), vectors = 0;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    const tni_iter *it = &block->as.block.iters[i];
    tni_strides q = it->reduce ? tni_strides_of(p, block, it->var) : (tni_strides){0};
    if (!q.unit || q.near || q.far) continue;
    *iter = i;
    vectors = tni_extent_of(block, i) / (2 * lanes);
  }
  if (vectors > MOST_VECTORS) vectors = MOST_VECTORS;
  if (vectors * lanes > MOST_PARTS) vectors = MOST_PARTS / lanes;
  return vectors * lanes;
}

/* Parts of several vectors are combined to one vector, that to half of it and so on; 0: few enough are left. */
static int64_t next_width(const tni_planner *p, const tn_stmt *block, int64_t width) {
  int64_t lanes = tni_lanes_of(p, tni_block_store(block)->as.store.buffer->type);
  return width > lanes ? lanes : width > LEAST_PARTS ? width / 2 : 0;
}

bool tni_wants_lanes(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int32_t iter;
  int64_t parts = count_parts(p, block, &iter);
  if (parts <= LEAST_PARTS || !keeps_its_value(p, block)) return false;
  return !t || tni_strides_of(p, block, block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var).far;
}

/* The loop among those above the block that feeds the iterator; 0: none. */
static tn_loop loop_of(const tni_planner *p, const tn_stmt *block, int32_t iter, size_t count, const tn_loop *loops) {
  for (size_t i = 0; i < count; i++)
    if (tni_iter_fed_by(p, block, loops[i]) == &block->as.block.iters[iter]) return loops[i];
  return 0;
}

/* The last of a block's loops becomes vectors. */
static void write_out(tni_planner *p, tn_block_ref block, int64_t lanes) {
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  size_t count = tni_loops_of(p, block, loops);
  if (!count || !tni_try_split(p, loops[count - 1], lanes, parts)) return;
  tni_try_vectorize(p, parts[1]);
  tni_try_unroll(p, parts[0]);
}

/* `loop`, of the block of that name, in `width` parts: *steps are the steps of each, and the block combines them. */
static bool take_parts(tni_planner *p, const char *name, size_t outer_count, tn_loop loop, int64_t width,
                       tn_loop *steps) {
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  tn_block_ref partial, init;
  tn_error *e = NULL;
  int64_t lanes = tni_lanes_of(p, tni_block_store(tni_find_block(p->s->func->body, name))->as.store.buffer->type);
  if (width < lanes) lanes = width;
  if (!tni_try_split(p, loop, width, parts) || !tni_tried(p, tn_rfactor(p->s, parts[1], 0, &partial, &e), &e))
    return false;
  tni_tried(p, tn_set_scope(p->s, partial, "register", 0, &e), &e);
  size_t count = tni_loops_of(p, partial, loops);
  if (count <= outer_count) return false;
  if (tni_tried(p, tn_decompose_reduction(p->s, partial, loops[outer_count], &init, &e), &e)) write_out(p, init, lanes);
  write_out(p, partial, lanes);
  *steps = parts[0];
  return true;
}

/* The loop of the block that combines parts; 0: none. */
static tn_loop combining_loop(tni_planner *p, const char *name, size_t outer_count) {
  tn_loop loops[TNI_MAX_LOOPS];
  tn_block_ref block = tni_block_named(p, name);
  size_t count = block ? tni_loops_of(p, block, loops) : 0;
  return count > outer_count ? loops[count - 1] : 0;
}

void tni_reduce_in_lanes(tni_planner *p, const char *name, size_t outer_count) {
  tn_block_ref block = tni_block_named(p, name), init;
  const tn_stmt *stmt = block ? tni_handle_block(p->s, block) : NULL;
  tn_loop loops[TNI_MAX_LOOPS], loop, steps;
  size_t count = stmt ? tni_loops_of(p, block, loops) : 0;
  tn_error *e = NULL;
  int32_t iter = 0;
  int64_t width = stmt ? count_parts(p, stmt, &iter) : 0;
  loop = width && count > outer_count ? loop_of(p, stmt, iter, count, loops) : 0;
  if (!loop || !take_parts(p, name, outer_count, loop, width, &steps)) return;
  while ((width = next_width(p, stmt, width)) && (loop = combining_loop(p, name, outer_count))) {
    if (!take_parts(p, name, outer_count, loop, width, &steps)) break;
    tni_try_unroll(p, steps);
  }
  loop = combining_loop(p, name, outer_count);
  block = tni_block_named(p, name);
  if (loop && tni_tried(p, tn_decompose_reduction(p->s, block, loop, &init, &e), &e)) tni_try_unroll(p, loop);
}
