/* spread.c -- the rows of a tile in different sets of the first cache.
 *
 *     alloc P: f32[30, 30, 128]   ->   alloc P: f32[30, 30, 128] strides (.., 144, 1)
 *
 * A step of the sum reads one element of each row. Rows that stand a large power of two apart share few sets, and push each
 * other out before the next element of their cache lines is read. So a buffer of the function's own gets rows of an odd
 * number of lines.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { LINE = 64, FEW_SETS = 8 /* lines between rows, and multiples of these: at most an eighth of the sets */ };

/* The factor that the row moves and the vector does not, or NULL. */
static const tn_expr *row_factor(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  const tn_expr *x, *y, *row = block->as.block.iters[tni_iter_of_dim(block, t->row_dim)].var;
  const tn_expr *vector = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  int64_t along;
  if (!tni_find_factors(block, &x, &y)) return NULL;
  const tn_expr *factors[] = {x, y};
  for (int i = 0; i < 2; i++)
    if (tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, vector, &along) && along == 0 &&
        (!tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, row, &along) || along != 0))
      return factors[i];
  return NULL;
}

/* The block that makes the crowded buffer, and the dimension by which rows are told apart; NULL: there is none. */
static const tn_stmt *find_crowded(const tni_planner *p, const tn_stmt *block, const tni_tile *t, int32_t *dim) {
  const tn_expr *load = t->row_dim < 0 ? NULL : row_factor(p, block, t);
  const tn_buffer *b = load ? load->as.buffer : NULL;
  const tn_stmt *maker = b && tni_is_row_major(b) && !tni_is_param(p->s->func, b) ? tni_maker_of(p, b) : NULL;
  if (!maker) return NULL;
  const tn_expr *row = block->as.block.iters[tni_iter_of_dim(block, t->row_dim)].var;
  int64_t bytes = (int64_t)tn_type_bytes(b->type);
  int32_t d = b->rank - 1;
  for (; d >= 0 && !tni_expr_uses(p->s->ctx, load->arg[d], row); d--) {
    if (!tni_is_const(b->shape[d])) return NULL;
    bytes *= b->shape[d]->as.i;
  }
  *dim = d;
  return d >= 0 && bytes % (FEW_SETS * LINE) == 0 ? maker : NULL;
}

bool tni_rows_are_crowded(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int32_t dim;
  return find_crowded(p, block, t, &dim) != NULL;
}

bool tni_spread_rows(tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int32_t dim;
  const tn_stmt *maker = find_crowded(p, block, t, &dim);
  tn_block_ref ref = maker ? tni_block_named(p, maker->as.block.name) : 0;
  tn_error *e = NULL;
  if (!ref) return false;
  int64_t line = LINE / (int64_t)tn_type_bytes(tni_block_store(maker)->as.store.buffer->type);
  return tni_tried(p, tn_storage_align(p->s, ref, dim, 2 * line, line, 0, &e), &e);
}
