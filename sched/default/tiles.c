/* tiles.c -- is a reduction one that the target's tile registers sum, and in tiles of how many rows, vectors and steps?
 *
 * The factors of neighbouring columns must stand in groups of 4 bytes, and those of a row side by side. By a model of the
 * core tiles must be faster than dot products of vectors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

/* Cycles, of Sapphire Rapids (2.7 GHz, measured): a product of tiles for each row of it, and at the least, from one to the next; the
 * loads of a full tile, of rows in one cache line each and of such in two; what writes a tile of sums out; dot products of a row
 * with one vector, 4 bytes of steps. */
static const double PRODUCT_ROW = 1, PRODUCT_LEAST = 9, LOAD = 8, LOAD_SPLIT = 45, SUM_BEGIN = 20, DOT = 0.5, SPLIT_DOT = 4;
enum { TILE_SUMS = 4, MOST_VECTORS = 2, LANES = 16, GROUP_BYTES = 4, LINE = 64 };

/* A sum of products as tiles see it. */
typedef struct product {
  int64_t rows, columns, steps, bytes; /* bytes: of a factor */
  bool split;                          /* rows of the left operand lie across cache lines */
  bool has_dots;                       /* the target has dot products of it */
} product;

/* The largest number up to `most` that divides it, a multiple of `of`; 0: none. */
static int64_t largest_part(int64_t whole, int64_t most, int64_t of) {
  for (int64_t part = most / of * of; part > 0; part -= of)
    if (whole % part == 0) return part;
  return 0;
}

/* Cycles for all of the result by tiles of so many rows and vectors. */
static double tile_cycles(const product *q, const tni_tile *t) {
  int64_t high = tni_divide_up(t->rows, TNI_TILE_ROWS), last = t->rows - (high - 1) * TNI_TILE_ROWS;
  double products = PRODUCT_ROW * TNI_TILE_ROWS * (double)(high - 1);
  products += PRODUCT_ROW * (double)last > PRODUCT_LEAST ? PRODUCT_ROW * (double)last : PRODUCT_LEAST;
  double loads = (q->split ? LOAD_SPLIT : LOAD) * (double)t->rows / TNI_TILE_ROWS + LOAD * (double)t->vectors;
  double most = products * (double)t->vectors;
  most = most > loads ? most : loads;
  double one = SUM_BEGIN * (double)(high * t->vectors) + most * (double)tni_divide_up(q->steps, t->steps);
  return one * (double)tni_divide_up(q->rows, t->rows) * (double)tni_divide_up(q->columns, t->vectors * LANES);
}

static double dot_cycles(const product *q) {
  double dots = (double)q->rows * (double)tni_divide_up(q->columns, LANES) * (double)tni_divide_up(q->steps * q->bytes, GROUP_BYTES);
  return dots * (q->has_dots ? DOT : SPLIT_DOT);
}

/* The best that leaves no rows and steps over; false: dot products are better. */
static bool size_tiles(const product *q, tni_tile *t) {
  double best = dot_cycles(q);
  bool found = false;
  tni_tile now = *t;
  now.lanes = LANES;
  for (now.vectors = MOST_VECTORS; now.steps && now.vectors > 0; now.vectors--) {
    now.rows = largest_part(q->rows, TILE_SUMS / now.vectors * TNI_TILE_ROWS, 1);
    double cycles = tile_cycles(q, &now);
    if (cycles >= best || (now.vectors > 1 && q->columns <= LANES)) continue;
    best = cycles;
    *t = now;
    found = true;
  }
  return found;
}

/* Can all of so many columns be read, of vectors that stand in groups? */
static bool has_columns(const tni_planner *p, const tn_expr *load, const tn_expr *column, int64_t columns) {
  int64_t along;
  const tn_buffer *b = load->as.buffer;
  if (!tni_stride_of(p, b, load->arg, column, &along) || along * (int64_t)tn_type_bytes(load->type) != GROUP_BYTES) return false;
  return tni_is_const(b->shape[0]) && tni_is_int(b->shape[b->rank - 2], LANES) && b->shape[0]->as.i * LANES >= columns;
}

static const tni_iter *only_sum(const tn_stmt *block) {
  const tni_iter *sum = NULL, *iters = block->as.block.iters;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    if (iters[i].reduce && sum) return NULL;
    if (iters[i].reduce) sum = &iters[i];
  }
  return sum && tni_is_const(sum->extent) ? sum : NULL;
}

bool tni_choose_tiles(const tni_planner *p, const tn_stmt *block, tni_tile *t) {
  const tn_expr *x, *y, *value = tni_block_store(block)->as.store.value;
  const tni_iter *sum = only_sum(block);
  int64_t along;
  if (!sum || !tni_find_factors(block, &x, &y) || tni_load_where(x) || tni_load_where(y)) return false;
  if (!tni_target_has_tiles(p->target, value->type, x->type, y->type)) return false;
  int32_t row = t->row_dim < 0 ? -1 : tni_iter_of_dim(block, t->row_dim), column = tni_iter_of_dim(block, t->vector_dim);
  product q = {.rows = row < 0 ? 1 : tni_extent_of(block, row),
               .columns = tni_extent_of(block, column),
               .steps = sum->extent->as.i,
               .bytes = (int64_t)tn_type_bytes(x->type),
               .has_dots = t->unit != NULL};
  if (!tni_stride_of(p, x->as.buffer, x->arg, sum->var, &along) || along != 1) return false;
  if (row >= 0) {
    if (!tni_stride_of(p, x->as.buffer, x->arg, block->as.block.iters[row].var, &along)) return false;
    q.split = along * q.bytes % LINE != 0;
  }
  t->unit = value->type == TN_F32 ? tni_unit_find(p->s->ctx, "tile_bf16") : NULL;
  if (value->type == TN_F32 && (!t->unit || p->s->keeps_order)) return false;
  t->steps = largest_part(q.steps, TNI_TILE_BYTES / q.bytes, t->unit ? t->unit->steps : GROUP_BYTES);
  if (!t->steps || !size_tiles(&q, t)) return false;
  int64_t width = t->vectors * LANES;
  return has_columns(p, y, block->as.block.iters[column].var, tni_divide_up(q.columns, width) * width);
}
