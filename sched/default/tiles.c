/* tiles.c -- is a reduction one that the target's tile registers sum, in tiles of how many rows, vectors and steps, and of
 * what?
 *
 * Of a convolution the rows are a row of pixels and the columns channels, or the other way round. The steps are one of the sum's
 * iterators, or the last ones as one: the channels of a pixel, those of all taps of a row. The other iterators, taps, are
 * loops around the steps: the rows are at other pixels, and nothing is copied where the steps stand side by side.
 *
 * Tiles want the factors of neighbouring columns in groups of 4 bytes, and those of a row side by side, in one cache
 * line. An operand that stands otherwise, or has a condition, is packed first; so are rows of which the tiles leave
 * some over. By a model of the core all this must be faster than dot products of vectors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

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
  int64_t rows, columns, steps, taps, bytes; /* taps: how often such steps are summed up; bytes: of a factor */
  bool left_stands, right_stands;            /* as tiles want them */
  bool left_far, right_far; /* neighbouring steps, columns of it are no neighbours in memory */
  bool split;               /* rows of the left operand lie across cache lines */
  bool copies;              /* another block is behind the sums */
  bool has_dots;            /* the target has dot products of it */
  int64_t uses;             /* of the right operand: by how many such sums */
  int64_t near;             /* bytes that stay in the second cache */
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
  double most = products * (double)t->vectors, steps = ceil_div(q->steps, t->steps) * (double)q->taps;
  most = most > loads ? most : loads;
  bool copies = q->copies || q->rows % t->rows || q->columns % (t->vectors * LANES);
  double one = (c->sum + copies * c->sum_copy) * (double)(high * t->vectors) + most * steps;
  double down = ceil_div(q->rows, t->rows), across = ceil_div(q->columns, t->vectors * LANES);
  double left = t->pack_left * (q->left_far ? c->pack_far : c->pack_left) * down * (double)t->rows * steps;
  double one_right = (q->right_far ? c->pack_far : c->pack_right) * TNI_TILE_ROWS * steps;
  double right = t->pack_right * one_right * ceil_div(q->columns, LANES) / (double)q->uses;
  return c->begin + left + right + one * down * across;
}

static double dot_cycles(const product *q) {
  double dots = (double)q->rows * ceil_div(q->columns, LANES) * ceil_div(q->steps * q->bytes, GROUP_BYTES);
  return dots * (double)q->taps * (q->has_dots && q->right_stands ? q->costs->dot : q->costs->slow_dot);
}

/* In what steps: of operands as they stand only such as leave nothing over. */
static int64_t choose_steps(const product *q, const tni_unit *unit, bool pack_left) {
  int64_t most = TNI_TILE_BYTES / q->bytes;
  if (unit) return (q->right_stands || !pack_left) && q->steps % unit->steps ? 0 : unit->steps;
  if (q->right_stands || !pack_left || q->steps % (most / 2) == 0)
    return largest_part(q->steps, most, GROUP_BYTES / q->bytes);
  while (most / 2 >= q->steps) most /= 2;
  return most > GROUP_BYTES / q->bytes ? most : GROUP_BYTES / q->bytes;
}

/* Chooses rows, vectors and steps, if they take fewer cycles than the best so far (0: there is none). */
static bool size_tiles(const product *q, tni_tile *t, double *best) {
  bool found = false;
  tni_tile now = *t;
  for (now.vectors = q->columns > LANES ? MOST_VECTORS : 1; now.vectors > 0; now.vectors--)
    for (int packed = q->left_stands ? 0 : 1; packed < 2; packed++) {
      int64_t most = q->costs->sums / now.vectors * TNI_TILE_ROWS;
      now.rows = packed ? tni_divide_up(q->rows, tni_divide_up(q->rows, most)) : largest_part(q->rows, most, 1);
      now.pack_left = packed;
      now.steps = choose_steps(q, t->unit, packed);
      if (!now.steps) continue;
      double cycles = tile_cycles(q, &now);
      if (*best > 0 && cycles >= *best) continue;
      *best = cycles;
      *t = now;
      found = true;
    }
  return found;
}

/* How many tiles along the columns stay in the second cache while the rows pass by. */
static int64_t choose_chunk(const product *q, const tni_tile *t) {
  int64_t all = tni_divide_up(q->columns, t->vectors * LANES), one = t->vectors * LANES * q->steps * q->taps * q->bytes;
  if (q->rows * q->uses <= t->rows || all * one <= q->near) return all;
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

/* ---- which steps ------------------------------------------------------------------------------------------------- */

/* A block whose sums tiles may do: the factor of the rows, that of the columns, the iterators of both (row: -1, none);
 * so many steps, which become one iterator, from that one on. */
typedef struct way {
  const tni_planner *p;
  const tn_stmt *block;
  const tn_expr *left, *right;
  int32_t row, column, step, step_count;
} way;

static bool moves(const way *w, const tn_expr *load, int32_t iter) {
  bool found = false;
  for (int a = 0; iter >= 0 && a < load->nargs; a++)
    found |= tni_expr_uses(w->p->s->ctx, load->arg[a], w->block->as.block.iters[iter].var);
  return found;
}

static bool find_factors(way *w) {
  const tn_expr *x, *y;
  if (tni_left_out(w->block) || !tni_find_factors(w->block, &x, &y) || x->as.buffer == y->as.buffer) return false;
  bool turned = moves(w, x, w->column);
  w->left = turned ? y : x, w->right = turned ? x : y;
  return !moves(w, w->left, w->column) && !moves(w, w->right, w->row);
}

static bool is_step(const way *w, int32_t iter) { return iter >= w->step && iter < w->step + w->step_count; }

/* Elements from one of the steps to the next; 0: they are not all alike. */
static int64_t stride_of_steps(const way *w, const tn_expr *load) {
  int64_t first = 0, whole = 1, stride;
  for (int32_t i = w->step + w->step_count; i-- > w->step;) {
    const tni_iter *it = &w->block->as.block.iters[i];
    if (!tni_stride_of(w->p, load->as.buffer, load->arg, it->var, &stride)) return 0;
    if (whole == 1) first = stride;
    if (stride != first * whole) return 0;
    whole *= it->extent->as.i;
  }
  return first;
}

static void look_at_left(const way *w, product *q) {
  int64_t down = 0;
  const tn_buffer *b = w->left->as.buffer;
  const tn_expr *row = w->row < 0 ? NULL : w->block->as.block.iters[w->row].var;
  bool known = !row || tni_stride_of(w->p, b, w->left->arg, row, &down);
  int64_t line = q->steps * q->bytes % LINE == 0 ? LINE : LINE / 2;
  q->split = !known || down * q->bytes % line != 0;
  q->left_far = stride_of_steps(w, w->left) != 1;
  q->left_stands = known && !q->left_far && !tni_load_where(w->left);
}

static void look_at_right(const way *w, product *q) {
  int64_t along, width = q->columns > LANES ? MOST_VECTORS * LANES : LANES;
  const tn_expr *column = w->block->as.block.iters[w->column].var;
  q->right_stands = w->step_count == 1 &&
                    right_stands(w->p, w->right, column, tni_divide_up(q->columns, width) * width);
  q->right_far = !tni_stride_of(w->p, w->right->as.buffer, w->right->arg, column, &along) || along != 1;
}

static product look_at(const way *w, const tni_tile *t, const costs *of) {
  const tni_iter *iters = w->block->as.block.iters;
  product q = {.rows = w->row < 0 ? 1 : iters[w->row].extent->as.i,
               .columns = iters[w->column].extent->as.i,
               .steps = 1,
               .taps = 1,
               .uses = 1,
               .bytes = (int64_t)tn_type_bytes(w->left->type),
               .copies = !tni_is_param(w->p->s->func, tni_block_store(w->block)->as.store.buffer),
               .has_dots = t->unit != NULL,
               .near = (int64_t)w->p->target->l2 / 2,
               .costs = of};
  for (int32_t i = 0; i < w->block->as.block.count; i++) {
    if (iters[i].reduce) *(is_step(w, i) ? &q.steps : &q.taps) *= iters[i].extent->as.i;
    if (!iters[i].reduce && i != w->row && !moves(w, w->right, i)) q.uses *= iters[i].extent->as.i;
  }
  look_at_left(w, &q);
  look_at_right(w, &q);
  return q;
}

/* Keeps the tiles of these steps, if they are better than all before. */
static void try_steps(const way *w, const costs *of, double *best, tni_tile *t) {
  product q = look_at(w, t, of);
  tni_tile now = *t;
  now.step = w->step, now.step_count = w->step_count;
  now.pack_right = !q.right_stands;
  if (!size_tiles(&q, &now, best)) return;
  now.chunk = choose_chunk(&q, &now);
  *t = now;
}

/* Iterators of the sum; 0: there is none, or an extent is not known. */
static int32_t count_sums(const tn_stmt *block) {
  int32_t count = 0;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    if (tni_extent_of(block, i) < 1) return 0;
    count += block->as.block.iters[i].reduce;
  }
  return count;
}

/* One iterator of the sum, or several that are the block's last ones. */
static bool can_be_steps(const way *w) {
  int32_t end = w->step + w->step_count;
  bool sums = end <= w->block->as.block.count && (w->step_count == 1 || end == w->block->as.block.count);
  for (int32_t i = w->step; sums && i < end; i++) sums = w->block->as.block.iters[i].reduce;
  return sums;
}

/* Cycles of dot products along the best of the iterators. */
static double best_dots(way *w, const tni_tile *t, const costs *of) {
  double best = HUGE_VAL;
  w->step_count = 1;
  for (w->step = 0; w->step < w->block->as.block.count; w->step++) {
    if (!can_be_steps(w)) continue;
    product q = look_at(w, t, of);
    best = fmin(best, dot_cycles(&q));
  }
  return best;
}

const tni_tile_row *tni_choose_tiles(const tni_planner *p, const tn_stmt *block, tni_tile *t) {
  way w = {.p = p, .block = block, .row = -1, .column = tni_iter_of_dim(block, t->vector_dim)};
  int32_t count = block->as.block.count, sums = count_sums(block);
  tn_type type = tni_block_store(block)->as.store.value->type;
  if (t->row_dim >= 0) w.row = tni_iter_of_dim(block, t->row_dim);
  if (!sums || !find_factors(&w)) return NULL;
  const tni_tile_row *row = tni_target_tile(p->target, type, w.left->type, w.right->type);
  if (!row || !tni_target_has_tiles(p->target, type, w.left->type, w.right->type)) return NULL;
  const costs *of = &costs_of[row->form];
  double dots = best_dots(&w, t, of), best = 0;
  t->unit = type == TN_F32 ? tni_unit_find(p->s->ctx, "tile_bf16") : NULL;
  if (type == TN_F32 && (!t->unit || p->s->keeps_order || sums > 1)) return NULL;
  t->lanes = LANES;
  for (w.step = 0; w.step < count; w.step++)
    for (w.step_count = 1; w.step_count <= count - w.step; w.step_count++)
      if (can_be_steps(&w)) try_steps(&w, of, &best, t);
  t->gain = best > 0 ? dots / best : 0;
  return best > 0 ? row : NULL;
}
