/* window.c -- sums over a window that each lane takes by itself: depthwise convolutions, and others of small groups.
 *
 *     for kh { for kw unrolled { for rows unrolled { T[r] += x[r * stride + kw, 0..16] * w[kw, 0..16] } } }
 *
 * No factor is shared by the lanes, or only by those of a group, so a step of one row by one vector loads two vectors
 * for one multiply-add. But rows overlap: with the innermost taps written out, what one row and tap has loaded is in a
 * register for the next ones. So there is one vector of columns, and as many rows as registers hold sums, window and
 * taps of.
 *
 * Where a border of zeros is around the rows, and there are no groups, the window goes to registers of its own, each vector under its condition:
 *
 *     for kh {
 *       P[0..9, 0..16] = x[...] if inside
 *       for kw unrolled { for rows unrolled { T[r] += P[r * stride + kw, 0..16] * w[kw, 0..16] } }
 *     }
 *
 * Then conditions are asked once for each vector, and there is one body for all edges and the middle.
 *
 * A window reads each row of the picture as often as it has rows. Where those of all columns are more than the first cache
 * holds, strips of columns are done one after the other, whose rows it does hold:
 *
 *     for strips { for oh { for tiles of ow { for vectors of a strip { .. } } } }
 *
 * Pictures must be near, in the second cache: what comes from afar comes best in the order of memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum {
  MOST_TAPS = 8, /* that are written out */
  LEAST_ROWS = 2,
  LEAST_AGAIN = 2,   /* times that a row is read */
  LEAST_STRIP = 128 /* bytes */
};

/* The innermost iterator of the sum that has more than one step, before that of the tile's unit, or NULL. */
static const tni_iter *innermost_taps(const tn_stmt *block, const tni_tile *t) {
  const tni_iter *found = NULL, *before = NULL;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce && tni_extent_of(block, i) != 1)
      before = found, found = &block->as.block.iters[i];
  return t->unit ? before : found;
}

/* By how many taps neighbouring rows are apart; 0: they do not overlap, or it is not known. */
static int64_t taps_between_rows(const tni_planner *p, const tn_expr *const *factors, const tn_expr *row,
                                 const tn_expr *tap) {
  for (int i = 0; i < 2; i++) {
    int64_t down, along;
    if (!tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, row, &down) || down == 0) continue;
    if (!tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, tap, &along) || along <= 0) return 0;
    return down > 0 && down % along == 0 ? down / along : 0;
  }
  return 0;
}

/* The largest number up to `most` that leaves nothing over, unless it is small; else one that leaves little. */
static int64_t choose_rows(int64_t all, int64_t most) {
  if (all <= most) return all;
  for (int64_t rows = most; rows > most / 2; rows--)
    if (all % rows == 0) return rows;
  return tni_divide_up(all, tni_divide_up(all, most));
}

/* The block that makes the factor, which is a border around something else, when a window of it may be made where it is
 * used: all tiles are whole. NULL: it may not. */
static const char *border_of(const tni_planner *p, const tn_stmt *block, const tni_tile *t, const tn_expr *factor) {
  const tn_stmt *maker = tni_maker_of(p, factor->as.buffer), *store = maker ? tni_block_store(maker) : NULL, *last;
  int reductions;
  if (!store || store->as.store.value->op != TN_OP_load || !tni_load_where(store->as.store.value)) return NULL;
  if (tni_is_param(p->s->func, store->as.store.buffer)) return NULL;
  if (tni_count_readers(p, store->as.store.buffer, maker, &reductions, &last) != 1) return NULL;
  int64_t rows = tni_extent_of(block, tni_iter_of_dim(block, t->row_dim));
  int64_t columns = tni_extent_of(block, tni_iter_of_dim(block, t->vector_dim));
  return rows % t->rows || columns % t->lanes ? NULL : maker->as.block.name;
}

void tni_bring_window(tni_planner *p, const tni_tile *t, tn_loop loop) {
  tn_block_ref border = tni_block_named(p, t->window);
  tn_loop loops[TNI_MAX_LOOPS];
  tn_error *e = NULL;
  size_t outside = 0;
  if (!border || !tni_tried(p, tn_compute_at(p->s, border, loop, &e), &e)) return;
  tni_tried(p, tn_set_scope(p->s, border, "register", 0, &e), &e);
  size_t count = tni_loops_of(p, border, loops);
  const tn_stmt *at = tni_handle_loop(p->s, loop);
  while (outside < count && tni_handle_loop(p->s, loops[outside]) != at) outside++;
  if (count == 0 || outside + 1 >= count) return;
  tni_try_vectorize(p, loops[count - 1]);
  for (size_t i = outside + 1; i + 1 < count; i++) tni_try_unroll(p, loops[i]);
}

/* Do the lanes of one vector, or those of each, take one element for each group of them? */
static bool is_of_groups(const tni_planner *p, const tn_expr *load, const tn_expr *lane, const tni_tile *t) {
  int64_t group = tni_group_of(p, load, lane);
  return group > 0 && group <= t->lanes;
}

/* Steps of the sum but for the innermost: how often a row is read. */
static double count_again(const tn_stmt *block, const tni_iter *taps) {
  double count = 1;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce && &block->as.block.iters[i] != taps) count *= (double)tni_extent_of(block, i);
  return count;
}

/* So many vectors of columns that the rows of the picture that `again` steps read stay in the first cache, and one of the
 * result; 0: all. `step`: columns of the picture from one row of the tile to the next. */
static int64_t choose_strip(const tni_planner *p, const tn_stmt *block, const tni_tile *t, const tn_buffer *picture,
                            double again, int64_t step) {
  const tn_buffer *out = tni_block_store(block)->as.store.buffer;
  double line = (double)(t->lanes * (int64_t)tn_type_bytes(out->type)), near = (double)p->target->l1d;
  double rows = (again * (double)step + 1) * (double)tni_extent_of(block, tni_iter_of_dim(block, t->row_dim)) * line;
  int64_t all = tni_divide_up(tni_extent_of(block, tni_iter_of_dim(block, t->vector_dim)), t->lanes), strip = all - 1;
  if (again < LEAST_AGAIN || rows * (double)all <= near) return 0;
  if (tni_bytes_of_buffer(picture) + tni_bytes_of_buffer(out) > (double)p->target->l2) return 0;
  while (strip > 0 && (all % strip || (double)strip * rows > near * 2 / 3)) strip--;
  return (double)strip * line >= LEAST_STRIP ? strip : 0;
}

void tni_fit_window(const tni_planner *p, const tn_stmt *block, tni_tile *t) {
  const tn_expr *factors[2];
  const tni_iter *taps = innermost_taps(block, t);
  int64_t along;
  if (t->row_dim < 0 || !taps || !tni_is_const(taps->extent) || taps->extent->as.i > MOST_TAPS) return;
  if (!tni_find_factors(block, &factors[0], &factors[1])) return;
  const tni_iter *row = &block->as.block.iters[tni_iter_of_dim(block, t->row_dim)];
  const tn_expr *lane = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  for (int i = 0; i < 2; i++)
    if (!tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, lane, &along) ||
        (along != 1 && along != t->steps && !is_of_groups(p, factors[i], lane, t)))
      return;
  int64_t step = taps_between_rows(p, factors, row->var, taps->var), count = taps->extent->as.i;
  if (!step || step >= count) return;
  /* sums, the window of one row after the other, taps of which some wait */
  int64_t rows = (p->target->vector_registers - 2 * count + step) / (1 + step);
  if (rows < LEAST_ROWS) rows = LEAST_ROWS;
  t->vectors = 1;
  t->rows = choose_rows(row->extent->as.i, rows);
  t->taps = count;
  for (int i = 0; i < 2 && !t->window && !t->group; i++)
    if (tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, row->var, &along) && along != 0) {
      t->window = border_of(p, block, t, factors[i]);
      t->strip = choose_strip(p, block, t, factors[i]->as.buffer, count_again(block, taps), step);
    }
}
