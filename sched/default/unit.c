/* unit.c -- reductions of which an instruction of the target (targets/units.c) sums several steps at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

static const tn_expr *factor_of(const tn_expr *x) {
  if (x->op == TN_OP_cast) x = x->arg[0];
  return x->op == TN_OP_load ? x : NULL;
}

/* The loads whose products a reduction sums. */
static bool find_factors(const tn_stmt *block, const tn_expr **x, const tn_expr **y) {
  const tn_expr *value = tni_block_store(block)->as.store.value;
  *x = *y = NULL;
  if (value->op == TN_OP_fma) *x = factor_of(value->arg[0]), *y = factor_of(value->arg[1]);
  for (int k = 0; k < 2 && value->op == TN_OP_add; k++)
    if (value->arg[k]->op == TN_OP_mul) *x = factor_of(value->arg[k]->arg[0]), *y = factor_of(value->arg[k]->arg[1]);
  return *x && *y;
}

/* ---- tiles ---- */

/* Cycles, of Sapphire Rapids: to set the registers up; to clear, load, store and write out a tile of sums; of a product
 * of tiles, from one to the next into the same sums; of the loads of a tile; of dot products of a row with one vector, 4
 * steps. */
static const double TILE_BEGIN = 160, SUM_BEGIN = 90, TILE_PRODUCT = 16, TILE_CHAIN = 52, TILE_LOADS = 8, DOT = 0.5;
enum { TILE_SUMS = 4, MOST_VECTORS = 2, LANES = 16, GROUP = 4 };

/* The largest number up to `most` that divides it, a multiple of `of`; 0: none. */
static int64_t largest_part(int64_t whole, int64_t most, int64_t of) {
  for (int64_t part = most / of * of; part > 0; part -= of)
    if (whole % part == 0) return part;
  return 0;
}

/* Cycles for all of the result by tiles of so many rows and vectors. */
static double tile_cycles(int64_t rows, int64_t columns, int64_t steps, const tni_tile *t) {
  int64_t high = tni_divide_up(t->rows, TNI_TILE_ROWS), sums = high * t->vectors;
  double most = TILE_PRODUCT * (double)sums, loads = TILE_LOADS * (double)(high + t->vectors);
  most = most > loads ? most : loads;
  most = most > TILE_CHAIN ? most : TILE_CHAIN;
  double one = TILE_BEGIN + SUM_BEGIN * (double)sums + most * (double)(steps / t->steps);
  return one * (double)(rows / t->rows) * (double)(columns / (t->vectors * LANES));
}

/* The best that leaves nothing over on any side; false: dot products are better. */
static bool size_tiles(int64_t rows, int64_t columns, int64_t steps, tni_tile *t) {
  double best = DOT * (double)rows * (double)(columns / LANES) * (double)(steps / GROUP);
  bool found = false;
  tni_tile now = *t;
  now.lanes = LANES;
  now.steps = largest_part(steps, TNI_TILE_BYTES, GROUP);
  for (now.vectors = MOST_VECTORS; now.steps && now.vectors > 0; now.vectors--) {
    now.rows = largest_part(rows, TILE_SUMS / now.vectors * TNI_TILE_ROWS, 1);
    double cycles = tile_cycles(rows, columns, steps, &now);
    if (columns % (now.vectors * LANES) || cycles >= best) continue;
    best = cycles;
    *t = now;
    found = true;
  }
  return found;
}

bool tni_choose_tiles(const tni_planner *p, const tn_stmt *block, tni_tile *t) {
  const tn_expr *x, *y, *value = tni_block_store(block)->as.store.value;
  const tni_iter *sum = NULL, *iters = block->as.block.iters;
  int64_t along;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    if (iters[i].reduce && sum) return false;
    if (iters[i].reduce) sum = &iters[i];
  }
  if (!sum || !tni_is_const(sum->extent) || t->row_dim < 0 || !find_factors(block, &x, &y)) return false;
  if (!tni_target_has_tiles(p->target, value->type, x->type, y->type)) return false;
  int32_t row = tni_iter_of_dim(block, t->row_dim), column = tni_iter_of_dim(block, t->vector_dim);
  if (!tni_stride_of(p, y->as.buffer, y->arg, iters[column].var, &along) || along != GROUP) return false;
  if (!tni_stride_of(p, x->as.buffer, x->arg, sum->var, &along) || along != 1) return false;
  return size_tiles(tni_extent_of(block, row), tni_extent_of(block, column), sum->extent->as.i, t);
}

/* ---- dot products ---- */

const tni_unit *tni_unit_for(const tni_planner *p, const tn_stmt *block) {
  const tn_expr *value = tni_block_store(block)->as.store.value, *x, *y;
  if (!find_factors(block, &x, &y)) return NULL;
  const tni_unit *unit = tni_target_best_unit(p->s->ctx, p->target, value->type, x->type, y->type);
  if (!unit) unit = tni_target_best_unit(p->s->ctx, p->target, value->type, y->type, x->type);
  for (int32_t i = 0; unit && i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce && tni_extent_of(block, i) >= unit->steps) return unit;
  return NULL;
}

/* The innermost that has the steps. */
tn_loop tni_unit_loop(tni_planner *p, tn_block_ref block, int64_t steps, size_t count, const tn_loop *loops) {
  const tn_stmt *stmt = tni_handle_block(p->s, block);
  for (size_t i = count; stmt && i-- > 0;) {
    const tni_iter *it = tni_iter_fed_by(p, stmt, loops[i]);
    const tn_stmt *loop = tni_handle_loop(p->s, loops[i]);
    if (it && it->reduce && loop && tni_is_const(loop->as.loop.extent) && loop->as.loop.extent->as.i >= steps)
      return loops[i];
  }
  return 0;
}

void tni_apply_unit(tni_planner *p, const tni_unit *unit, tn_loop steps) {
  tn_error *e = NULL;
  tn_block_ref made;
  if (!p->status && tni_tried(p, tn_blockize(p->s, steps, &made, &e), &e))
    tni_tried(p, tn_tensorize(p->s, made, unit->name, &e), &e);
}
