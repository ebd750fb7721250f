/* window.c -- sums over a window that each lane takes by itself: depthwise convolutions.
 *
 *     for kh { for kw unrolled { for rows unrolled { T[r] += x[r * stride + kw, 0..16] * w[kw, 0..16] } } }
 *
 * No factor is shared by the lanes, so a step of one row by one vector loads two vectors for one multiply-add. But rows
 * overlap: with the innermost taps written out, what one row and tap has loaded is in a register for the next ones. So
 * there is one vector of columns, and as many rows as registers hold sums, window and taps of.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { MOST_TAPS = 8 /* that are written out */, LEAST_ROWS = 2 };

/* The innermost iterator of the sum that has more than one step, or NULL. */
static const tni_iter *innermost_taps(const tn_stmt *block) {
  const tni_iter *found = NULL;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce && tni_extent_of(block, i) != 1) found = &block->as.block.iters[i];
  return found;
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

void tni_fit_window(const tni_planner *p, const tn_stmt *block, tni_tile *t) {
  const tn_expr *factors[2];
  const tni_iter *taps = innermost_taps(block);
  int64_t along;
  if (t->row_dim < 0 || t->unit || !taps || !tni_is_const(taps->extent) || taps->extent->as.i > MOST_TAPS) return;
  if (!tni_find_factors(block, &factors[0], &factors[1])) return;
  const tni_iter *row = &block->as.block.iters[tni_iter_of_dim(block, t->row_dim)];
  const tn_expr *lane = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  for (int i = 0; i < 2; i++)
    if (!tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, lane, &along) || along != 1) return;
  int64_t step = taps_between_rows(p, factors, row->var, taps->var), count = taps->extent->as.i;
  if (!step || step >= count) return;
  /* sums, the window of one row after the other, taps of which some wait */
  int64_t rows = (p->target->vector_registers - 2 * count + step) / (1 + step);
  if (rows < LEAST_ROWS) rows = LEAST_ROWS;
  t->vectors = 1;
  t->rows = choose_rows(row->extent->as.i, rows);
  t->taps = count;
}
