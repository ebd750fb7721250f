/* tiles.c -- is a reduction one that the target's tile registers sum, in tiles of how
 * many rows, vectors and steps, and of what?
 *
 * Tiles want the factors of neighbouring columns in groups of 4 bytes, and those of a row side by side, in one cache
 * line. An operand that stands otherwise, or has a condition, is packed first; so are rows of which the tiles leave
 * some over. By a model of the core all this must be faster than dot products of vectors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

/* Cycles: a product of tiles for each row of it, and at the least, from one to the next; the loads of a full tile, of
 * rows in one cache line each and of such in two; what brings a tile of sums to the result, and through memory; to pack
 * 64 bytes of the left operand, and of the right one, whose columns are neighbours or not; to begin; dot products of a row
 * with one vector of columns, 4 bytes of steps, by one instruction and by others. And how many tiles of sums there are.
 *
 * Of AMX on Sapphire Rapids (2.7 GHz) they are measured. Of the others they follow from how often instructions begin
 * and how long they take (targets/units.c): Neoverse N2, and M4, of which a product waits for the one before. */
typedef struct costs {
  double row, least, load, load_split, sum, sum_copy, pack_left, pack_right, pack_far, begin, dot, slow_dot;
  int64_t sums;
} costs;
static const costs costs_of[] = {
    [TNI_TILE_AMX] = {1, 9, 8, 45, 20, 30, 3, 10, 100, 200, 0.5, 1.5, 4},
    [TNI_TILE_PAIRS] = {16, 32, 32, 32, 80, 60, 4, 12, 100, 50, 2, 6, 2},
    [TNI_TILE_ZA] = {4, 64, 32, 45, 64, 60, 4, 12, 100, 300, 1, 3, 4},
};
enum { MOST_VECTORS = 2, LANES = 16, GROUP_BYTES = 4, LINE = 64 };

/* A sum of products as tiles see it. */
typedef struct product {
  int64_t rows, columns, steps, bytes; /* bytes: of a factor */
  bool left_stands, right_stands;      /* as tiles want them */
  bool left_packs;                     /* it can be packed */
  bool far;                            /* neighbouring columns of the right operand are no neighbours in memory */
  bool split;                          /* rows of the left operand lie across cache lines */
  bool copies;                         /* another block is behind the sums */
  bool has_dots;                       /* the target has dot products of it */
  int64_t near;                        /* bytes that stay in the second cache */
  const costs *costs;
} product;

/* The largest number up to `most` that divides it, a multiple of `of`; 0: none. */
static int64_t largest_part(int64_t whole, int64_t most, int64_t of) {
  for (int64_t part = most / of * of; part > 0; part -= of)
    if (whole % part == 0) return part;
  return 0;
}

static double ceil_div(int64_t a, int64_t b) { return (double)tni_divide_up(a, b); }

/* Cycles for all of the result by such tiles. */
static double tile_cycles(const product *q, const tni_tile *t) {
  const costs *c = q->costs;
  int64_t high = tni_divide_up(t->rows, TNI_TILE_ROWS), last = t->rows - (high - 1) * TNI_TILE_ROWS;
  double products = c->row * TNI_TILE_ROWS * (double)(high - 1);
  products += c->row * (double)last > c->least ? c->row * (double)last : c->least;
  bool split = q->split && !t->pack_left;
  double loads = (split ? c->load_split : c->load) * (double)t->rows / TNI_TILE_ROWS + c->load * (double)t->vectors;
  double most = products * (double)t->vectors, steps = ceil_div(q->steps, t->steps);
  most = most > loads ? most : loads;
  bool copies = q->copies || q->rows % t->rows || q->columns % (t->vectors * LANES);
  double one = (c->sum + copies * c->sum_copy) * (double)(high * t->vectors) + most * steps;
  double down = ceil_div(q->rows, t->rows), across = ceil_div(q->columns, t->vectors * LANES);
  double left = t->pack_left * c->pack_left * down * (double)t->rows * steps;
  double one_right = (q->far ? c->pack_far : c->pack_right) * TNI_TILE_ROWS * steps;
  double right = t->pack_right * one_right * ceil_div(q->columns, LANES);
  return c->begin + left + right + one * down * across;
}

static double dot_cycles(const product *q) {
  double dots = (double)q->rows * ceil_div(q->columns, LANES) * ceil_div(q->steps * q->bytes, GROUP_BYTES);
  return dots * (q->has_dots && q->right_stands ? q->costs->dot : q->costs->slow_dot);
}

/* In what steps: of the right operand as it stands only such as leave nothing over. */
static int64_t choose_steps(const product *q, const tni_unit *unit) {
  int64_t most = TNI_TILE_BYTES / q->bytes;
  if (unit) return q->right_stands && q->steps % unit->steps ? 0 : unit->steps;
  if (q->right_stands || q->steps % (most / 2) == 0) return largest_part(q->steps, most, GROUP_BYTES / q->bytes);
  while (most / 2 >= q->steps) most /= 2;
  return most > GROUP_BYTES / q->bytes ? most : GROUP_BYTES / q->bytes;
}

/* Chooses rows and vectors; false: dot products are better. */
static bool size_tiles(const product *q, tni_tile *t) {
  double best = dot_cycles(q);
  bool found = false;
  tni_tile now = *t;
  for (now.vectors = q->columns > LANES ? MOST_VECTORS : 1; now.vectors > 0; now.vectors--)
    for (int packed = q->left_stands ? 0 : 1; packed <= q->left_packs; packed++) {
      int64_t most = q->costs->sums / now.vectors * TNI_TILE_ROWS;
      now.rows = packed ? tni_divide_up(q->rows, tni_divide_up(q->rows, most)) : largest_part(q->rows, most, 1);
      now.pack_left = packed;
      double cycles = tile_cycles(q, &now);
      if (cycles >= best) continue;
      best = cycles;
      *t = now;
      found = true;
    }
  return found;
}

/* How many tiles along the columns stay in the second cache while the rows pass by. */
static int64_t choose_chunk(const product *q, const tni_tile *t) {
  int64_t all = tni_divide_up(q->columns, t->vectors * LANES), one = t->vectors * LANES * q->steps * q->bytes;
  if (q->rows <= t->rows || all * one <= q->near) return all;
  int64_t chunk = largest_part(all, q->near / one, 1);
  return chunk ? chunk : 1;
}

/* ---- how the operands stand -------------------------------------------------------------------------------------- */

/* In groups, with room for so many columns? */
static bool right_stands(const tni_planner *p, const tn_expr *load, const tn_expr *column, int64_t columns) {
  int64_t along;
  const tn_buffer *b = load->as.buffer;
  if (tni_load_where(load) || !tni_stride_of(p, b, load->arg, column, &along) || b->rank < 4) return false;
  if (along * (int64_t)tn_type_bytes(load->type) != GROUP_BYTES) return false;
  return tni_is_const(b->shape[0]) && tni_is_int(b->shape[b->rank - 2], LANES) && b->shape[0]->as.i * LANES >= columns;
}

/* Does it move by plain iterators alone, so that it can be packed? */
static bool can_pack(const tn_stmt *block, const tn_expr *load) {
  for (int32_t d = 0; d < tni_load_count(load); d++) {
    bool plain = false;
    for (int32_t i = 0; i < block->as.block.count; i++)
      plain |= block->as.block.iters[i].var == load->arg[d] && tni_is_const(block->as.block.iters[i].extent);
    if (!plain && !tni_is_const(load->arg[d])) return false;
  }
  return true;
}

static void look_at_left(const tni_planner *p, const tn_stmt *block, const tn_expr *load, const tn_expr *row,
                         const tni_iter *sum, product *q) {
  int64_t along, down = 0;
  const tn_buffer *b = load->as.buffer;
  bool known = tni_stride_of(p, b, load->arg, sum->var, &along) && (!row || tni_stride_of(p, b, load->arg, row, &down));
  int64_t line = q->steps * q->bytes % LINE == 0 ? LINE : LINE / 2;
  q->split = !known || down * q->bytes % line != 0;
  q->left_stands = known && along == 1 && !tni_load_where(load);
  q->left_packs = can_pack(block, load);
}

static const tni_iter *only_sum(const tn_stmt *block) {
  const tni_iter *sum = NULL, *iters = block->as.block.iters;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    if (iters[i].reduce && sum) return NULL;
    if (iters[i].reduce) sum = &iters[i];
    if (!tni_is_const(iters[i].extent)) return NULL;
  }
  return sum;
}

bool tni_choose_tiles(const tni_planner *p, const tn_stmt *block, tni_tile *t) {
  const tn_expr *x, *y, *value = tni_block_store(block)->as.store.value;
  const tni_iter *sum = only_sum(block), *iters = block->as.block.iters;
  if (!sum || !tni_find_factors(block, &x, &y) || x->as.buffer == y->as.buffer) return false;
  if (!tni_target_has_tiles(p->target, value->type, x->type, y->type)) return false;
  const tni_tile_row *by = tni_target_tile(p->target, value->type, x->type, y->type);
  int32_t row = t->row_dim < 0 ? -1 : tni_iter_of_dim(block, t->row_dim),
          column = tni_iter_of_dim(block, t->vector_dim);
  product q = {.rows = row < 0 ? 1 : iters[row].extent->as.i,
               .columns = iters[column].extent->as.i,
               .steps = sum->extent->as.i,
               .bytes = (int64_t)tn_type_bytes(x->type),
               .copies = !tni_is_param(p->s->func, tni_block_store(block)->as.store.buffer),
               .has_dots = t->unit != NULL,
               .near = (int64_t)p->target->l2 / 2,
               .costs = &costs_of[by->form]};
  int64_t width = q.columns > LANES ? MOST_VECTORS * LANES : LANES, along;
  q.right_stands = right_stands(p, y, iters[column].var, tni_divide_up(q.columns, width) * width);
  if (!q.right_stands && !can_pack(block, y)) return false;
  q.far = !tni_stride_of(p, y->as.buffer, y->arg, iters[column].var, &along) || along != 1;
  look_at_left(p, block, x, row < 0 ? NULL : iters[row].var, sum, &q);
  t->unit = value->type == TN_F32 ? tni_unit_find(p->s->ctx, "tile_bf16") : NULL;
  if (value->type == TN_F32 && (!t->unit || p->s->keeps_order)) return false;
  t->lanes = LANES;
  t->steps = choose_steps(&q, t->unit);
  t->pack_right = !q.right_stands;
  if (!t->steps) return false;
  q.left_stands &= q.steps % t->steps == 0;
  if (!size_tiles(&q, t)) return false;
  t->chunk = choose_chunk(&q, t);
  return true;
}
