/* group.c -- steps that an instruction takes at once are brought side by side before the product, where they are not.
 *
 *     C[i, j] += i32(A[i, k]) * i32(B[k, j])
 *       ->
 *     B'[j / 16, k / 4, j % 16, k % 4] = B[k, j]; C[i, j] += i32(A[i, k]) * i32(B'[j / 16, k / 4, j % 16, k % 4])
 *
 * A tile puts the steps of its columns together in registers otherwise, each tile of rows anew: as many instructions as
 * a copy takes. So the copy has paid with the second tile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { LEAST_SWEEPS = 2 };

/* Does the load stand as the instruction wants it: the steps of a lane side by side, then those of the next? */
static bool is_grouped(const tni_planner *p, const tn_expr *load, const tn_expr *step, const tn_expr *lane,
                       int64_t steps) {
  int64_t by_step, by_lane;
  return tni_stride_of(p, load->as.buffer, load->arg, step, &by_step) && by_step == 1 &&
         tni_stride_of(p, load->as.buffer, load->arg, lane, &by_lane) && (by_lane == 0 || by_lane == steps);
}

static bool moves(const tni_planner *p, const tn_expr *load, const tn_expr *var) {
  bool found = false;
  for (int32_t d = 0; d < tni_load_count(load); d++) found |= tni_expr_uses(p->s->ctx, load->arg[d], var);
  return found;
}

/* The iterator whose steps the unit takes: the last one of the sum, if it has enough of them; -1: none. */
static int32_t find_steps(const tn_stmt *block, int64_t steps) {
  int32_t found = -1;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce && tni_extent_of(block, i) >= steps) found = i;
  return found;
}

/* The factor that moves with the vector, or NULL. */
static const tn_expr *vector_factor(const tni_planner *p, const tn_stmt *block, const tn_expr *lane) {
  const tn_expr *x, *y;
  if (!tni_find_factors(block, &x, &y) || moves(p, x, lane) == moves(p, y, lane)) return NULL;
  return moves(p, x, lane) ? x : y;
}

tn_block_ref tni_pack_groups(tni_planner *p, const tn_stmt *block, const tn_expr *load, int32_t step, int64_t steps,
                             int32_t lane, int64_t lanes) {
  int64_t iters[2 * TN_MAX_RANK], sizes[2 * TN_MAX_RANK];
  tn_block_ref ref = tni_block_named(p, block->as.block.name), made;
  int32_t which = ref ? tni_find_read_number(p, ref, load->as.buffer) : -1;
  tn_error *e = NULL;
  size_t n = 0;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    if (i == step || i == lane || !moves(p, load, block->as.block.iters[i].var)) continue;
    if (n + 4 >= TN_MAX_RANK) return 0;
    iters[n] = i, sizes[n++] = 1;
  }
  iters[n] = lane, sizes[n++] = lanes;
  iters[n] = step, sizes[n++] = steps;
  iters[n] = lane, sizes[n++] = 1;
  iters[n] = step, sizes[n++] = 1;
  bool good =
      which >= 0 && tni_tried(p, tn_pack_read(p->s, ref, which, n, iters, sizes, "global", 0, &made, &e), &e);
  return good ? made : 0;
}

void tni_write_groups(tni_planner *p, size_t count, const tn_loop *loops) {
  if (count < 2 || !tni_try_reorder(p, 2, (tn_loop[]){loops[count - 1], loops[count - 2]})) return;
  tni_try_vectorize(p, loops[count - 2]);
  tni_try_unroll(p, loops[count - 1]);
}

bool tni_group_steps(tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  if (!t->unit || t->row_dim < 0) return false;
  int32_t lane = tni_iter_of_dim(block, t->vector_dim), step = find_steps(block, t->steps);
  if (step < 0 || tni_extent_of(block, tni_iter_of_dim(block, t->row_dim)) < LEAST_SWEEPS * t->rows) return false;
  const tn_expr *along = block->as.block.iters[lane].var, *steps = block->as.block.iters[step].var;
  const tn_expr *load = vector_factor(p, block, along);
  if (!load || tni_load_where(load) || is_grouped(p, load, steps, along, t->steps)) return false;
  tn_block_ref made = tni_pack_groups(p, block, load, step, t->steps, lane, t->lanes);
  tn_loop loops[TNI_MAX_LOOPS];
  size_t count = made ? tni_loops_of(p, made, loops) : 0;
  tni_write_groups(p, count, loops);
  if (count > 2) tni_parallel_outer(p, count - 2, loops, tni_work_of(tni_handle_block(p->s, made)));
  return made != 0;
}
