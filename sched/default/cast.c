/* cast.c -- short floats that a product casts at each use are cast once, before it.
 *
 *     C[i, j] += f32(A[i, k]) * f32(B[k, j])   ->   A' = f32(A); B' = f32(B); C[i, j] += A'[i, k] * B'[k, j]
 *
 * A vector is cast in a few instructions, but a factor that all of its lanes share in as many for one number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { LEAST_ROWS = 8, LEAST_COLUMNS = 8 };

/* Is it a short float, cast, of plain iterators? Then their numbers. */
static bool is_short(const tn_stmt *block, const tn_expr *load, int64_t *iters) {
  if (!tni_type_is_float(load->type) || TN_TYPE_BITS(load->type) >= 32 || tni_load_where(load)) return false;
  for (int32_t d = 0; d < tni_load_count(load); d++) {
    iters[d] = -1;
    for (int32_t i = 0; i < block->as.block.count; i++)
      if (block->as.block.iters[i].var == load->arg[d] && tni_is_const(block->as.block.iters[i].extent)) iters[d] = i;
    if (iters[d] < 0) return false;
  }
  return true;
}

/* Row by row: the copies may get another stride. */
static bool widen(tni_planner *p, tn_block_ref block, const tn_expr *load, const int64_t *iters, int64_t lanes) {
  int32_t which = tni_find_read_number(p, block, load->as.buffer);
  int64_t ones[TN_MAX_RANK];
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  tn_block_ref made;
  tn_error *e = NULL;
  size_t count = (size_t)tni_load_count(load);
  for (size_t d = 0; d < count; d++) ones[d] = 1;
  if (which < 0 || !tni_tried(p, tn_pack_read(p->s, block, which, count, iters, ones, "global", 1, &made, &e), &e))
    return false;
  count = tni_loops_of(p, made, loops);
  if (count && tni_try_split(p, loops[count - 1], lanes, parts)) tni_try_vectorize(p, parts[1]);
  if (count > 1) tni_parallel_outer(p, count - 1, loops, tni_work_of(tni_handle_block(p->s, made)));
  return true;
}

bool tni_cast_factors(tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  const tn_expr *x, *y;
  int64_t left[TN_MAX_RANK], right[TN_MAX_RANK];
  if (t->row_dim < 0 || t->unit || !tni_find_factors(block, &x, &y)) return false;
  int64_t rows = tni_extent_of(block, tni_iter_of_dim(block, t->row_dim));
  int64_t columns = tni_extent_of(block, tni_iter_of_dim(block, t->vector_dim));
  if (rows < LEAST_ROWS || columns < LEAST_COLUMNS) return false;
  tn_block_ref ref = tni_block_named(p, block->as.block.name);
  bool done = false;
  if (is_short(block, x, left)) done |= widen(p, ref, x, left, t->lanes);
  if (y != x && is_short(block, y, right)) done |= widen(p, ref, y, right, t->lanes);
  return done;
}
