/* product.c -- a sum of products by the target's tile registers.
 *
 *     pack B
 *     for chunks of columns { for row tiles { pack A; for column tiles { C = 0; for steps { C += A B } } } }
 *
 * The loops of a tile stay loops, with a note: code generation makes one statement of them and the loop over steps
 * (targets/llvm/tile.c), with the sums in registers from the first step to the last. The steps of a tile that are not
 * what they say one by one become the meaning of all of them (targets/units.c). The sums go straight to the result;
 * where another block is behind them, or a tile is larger than what is left of the result, through a tile in memory.
 * tiles.c says which operands are packed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { GROUP_BYTES = 4 };

/* The loops: over batches and what else is outside; over chunks, rows and columns
 * of tiles; of a tile. 0: there is none. */
typedef struct product_loops {
  size_t outer_count;
  tn_loop outer[TNI_MAX_LOOPS];
  tn_loop chunks, row_tiles, column_tiles, steps, row, vector, lane, step;
} product_loops;

static bool try_pad(tni_planner *p, tn_loop loop, size_t count, const int64_t *factors, tn_loop *out) {
  tn_error *e = NULL;
  return !p->status && tni_tried(p, tn_split_tail(p->s, loop, count, factors, TN_TAIL_PAD, out, &e), &e);
}

/* Splits a loop as what it is for the block asks; false: it cannot be. */
static bool cut_loop(tni_planner *p, tn_block_ref block, const tni_tile *t, tn_loop loop, product_loops *out) {
  const tn_stmt *stmt = tni_handle_block(p->s, block), *store = stmt ? tni_block_store(stmt) : NULL;
  const tni_iter *it = store ? tni_iter_fed_by(p, stmt, loop) : NULL;
  tn_loop parts[5];
  if (!it) return false;
  if (it->reduce) {
    if (!try_pad(p, loop, 2, (int64_t[]){0, t->steps}, parts)) return false;
    out->steps = parts[0], out->step = parts[1];
  } else if (store->as.store.index[t->vector_dim] == it->var) {
    if (!try_pad(p, loop, 4, (int64_t[]){0, t->chunk, t->vectors, t->lanes}, parts)) return false;
    out->chunks = parts[0], out->column_tiles = parts[1], out->vector = parts[2], out->lane = parts[3];
  } else if (t->row_dim >= 0 && store->as.store.index[t->row_dim] == it->var) {
    if (!try_pad(p, loop, 2, (int64_t[]){0, t->rows}, parts)) return false;
    out->row_tiles = parts[0], out->row = parts[1];
  } else {
    out->outer[out->outer_count++] = loop;
  }
  return true;
}

/* In the order of what is outside: outer ones, chunks, row tiles, column tiles; how many. */
static size_t loops_over_tiles(const product_loops *l, tn_loop *out) {
  size_t n = l->outer_count;
  memcpy(out, l->outer, n * sizeof *out);
  out[n++] = l->chunks;
  if (l->row_tiles) out[n++] = l->row_tiles;
  out[n++] = l->column_tiles;
  return n;
}

static bool cut_into_tiles(tni_planner *p, tn_block_ref block, const tni_tile *t, product_loops *out) {
  tn_loop loops[TNI_MAX_LOOPS], order[TNI_MAX_LOOPS];
  size_t count = tni_loops_of(p, block, loops);
  *out = (product_loops){0};
  if (count + 8 > TNI_MAX_LOOPS) return false;
  for (size_t i = 0; i < count; i++)
    if (!cut_loop(p, block, t, loops[i], out)) return false;
  if (!out->column_tiles || !out->steps) return false;
  size_t n = loops_over_tiles(out, order);
  const tn_loop inner[] = {out->steps, out->row, out->vector, out->lane, out->step};
  for (size_t i = 0; i < TNI_COUNT(inner); i++)
    if (inner[i]) order[n++] = inner[i];
  return tni_try_reorder(p, n, order);
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* How an operand is packed: its own dimensions outside, then tiles. */
typedef struct packing {
  size_t count;
  int64_t iters[TN_MAX_RANK], sizes[TN_MAX_RANK];
} packing;

static void add_dim(packing *k, int64_t iter, int64_t size) {
  if (k->count < TN_MAX_RANK) k->iters[k->count] = iter, k->sizes[k->count++] = size;
}

static tn_block_ref pack(tni_planner *p, tn_block_ref block, const tn_expr *load, const packing *k) {
  int32_t which = tni_find_read_number(p, block, load->as.buffer);
  tn_block_ref made;
  tn_error *e = NULL;
  bool good = which >= 0 &&
              tni_tried(p, tn_pack_read(p->s, block, which, k->count, k->iters, k->sizes, "global", 0, &made, &e), &e);
  return good ? made : 0;
}

/* Brings a packing block to the loop, 0: it stays before all; what is left of its own loops. */
static size_t bring_to(tni_planner *p, tn_block_ref made, tn_loop at, tn_loop *loops) {
  tn_error *e = NULL;
  size_t outside = 0;
  if (at && tni_tried(p, tn_compute_at(p->s, made, at, &e), &e)) {
    tn_loop around[TNI_MAX_LOOPS];
    size_t count = tni_loops_of(p, made, around);
    while (outside < count && tni_handle_loop(p->s, around[outside]) != tni_handle_loop(p->s, at)) outside++;
    outside++;
  }
  size_t count = tni_loops_of(p, made, loops);
  if (outside > count) return 0;
  memmove(loops, loops + outside, (count - outside) * sizeof *loops);
  return count - outside;
}

static int32_t reduce_number(const tn_stmt *block) {
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce) return i;
  return -1;
}

/* An operand to be packed: the block, what it loads, its step, and the iterator
 * along the tile's other side (-1: none). */
typedef struct operand {
  const tn_stmt *block;
  const tn_expr *load;
  int32_t step, along;
} operand;

static bool find_operand(tni_planner *p, tn_block_ref block, int32_t dim, bool right, operand *out) {
  const tn_expr *x, *y;
  const tn_stmt *stmt = tni_handle_block(p->s, block);
  if (!stmt || !tni_find_factors(stmt, &x, &y)) return false;
  *out = (operand){stmt, right ? y : x, reduce_number(stmt), dim < 0 ? -1 : tni_iter_of_dim(stmt, dim)};
  return true;
}

/* The iterators by which it is read, but for the tile's, one by one. */
static void add_others(tni_planner *p, const operand *x, packing *k) {
  for (int32_t i = 0; i < x->block->as.block.count; i++) {
    bool used = false;
    for (int a = 0; a < x->load->nargs; a++)
      used |= tni_expr_uses(p->s->ctx, x->load->arg[a], x->block->as.block.iters[i].var);
    if (used && i != x->step && i != x->along) add_dim(k, i, 1);
  }
}

static tn_loop innermost_outer(const product_loops *l) { return l->outer_count ? l->outer[l->outer_count - 1] : 0; }

/* Row tiles, steps of tiles, rows, and steps side by side, which are vectors. */
static bool pack_left(tni_planner *p, tn_block_ref block, const tni_tile *t, const product_loops *l) {
  operand x;
  packing k = {0};
  tn_loop loops[TNI_MAX_LOOPS];
  if (!find_operand(p, block, t->row_dim, false, &x)) return false;
  add_others(p, &x, &k);
  if (x.along >= 0) add_dim(&k, x.along, t->rows);
  add_dim(&k, x.step, t->steps);
  if (x.along >= 0) add_dim(&k, x.along, 1);
  add_dim(&k, x.step, 1);
  tn_block_ref made = pack(p, block, x.load, &k);
  tn_loop at = l->row_tiles ? l->row_tiles : innermost_outer(l);
  size_t count = made ? bring_to(p, made, at, loops) : 0;
  if (count) tni_try_vectorize(p, loops[count - 1]);
  return made != 0;
}

/* Are there several chunks? A number of them that is not known counts as one. */
static bool is_chunked(tni_planner *p, const product_loops *l) {
  const tn_expr *extent = tni_handle_loop(p->s, l->chunks)->as.loop.extent;
  return tni_is_const(extent) && extent->as.i > 1;
}

/* Vectors of columns, groups of steps, columns, and the steps of a group, which are written between each other. */
static bool pack_right(tni_planner *p, tn_block_ref block, const tni_tile *t, const product_loops *l) {
  operand y;
  packing k = {0};
  tn_loop loops[TNI_MAX_LOOPS];
  if (!find_operand(p, block, t->vector_dim, true, &y)) return false;
  add_others(p, &y, &k);
  add_dim(&k, y.along, t->lanes);
  add_dim(&k, y.step, GROUP_BYTES / (int64_t)tn_type_bytes(y.load->type));
  add_dim(&k, y.along, 1);
  add_dim(&k, y.step, 1);
  tn_block_ref made = pack(p, block, y.load, &k);
  tn_loop at = is_chunked(p, l) ? l->chunks : innermost_outer(l);
  size_t count = made ? bring_to(p, made, at, loops) : 0;
  if (count >= 2) {
    tni_try_reorder(p, 2, (tn_loop[]){loops[count - 1], loops[count - 2]});
    tni_try_vectorize(p, loops[count - 2]);
    tni_try_unroll(p, loops[count - 1]);
    if (!at) tni_parallel_outer(p, count - 2, loops, tni_work_of(tni_handle_block(p->s, made)));
  }
  return made != 0;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

static void note_tiles(tni_planner *p, size_t count, const tn_loop *loops) {
  for (size_t i = 0; i < count; i++) {
    tn_error *e = NULL;
    if (loops[i] && !p->status) tni_tried(p, tn_schedule_annotate(p->s, loops[i], TNI_TILE_NOTE, 1, &e), &e);
  }
}

static void begin_with_zeros(tni_planner *p, tn_block_ref block, const product_loops *l) {
  tn_loop loops[TNI_MAX_LOOPS];
  tn_block_ref init;
  tn_error *e = NULL;
  if (p->status || !tni_tried(p, tn_decompose_reduction(p->s, block, l->steps, &init, &e), &e)) return;
  size_t count = tni_loops_of(p, init, loops), own = l->row ? 3 : 2;
  if (count >= own) note_tiles(p, own, loops + count - own);
}

/* The block behind, at each tile, in vectors. */
static bool write_tiles(tni_planner *p, tn_block_ref writer, const tni_tile *t, const product_loops *l) {
  tn_loop loops[TNI_MAX_LOOPS], order[TNI_MAX_LOOPS], parts[2];
  tn_error *e = NULL;
  if (!tni_tried(p, tn_reverse_compute_at(p->s, writer, l->column_tiles, &e), &e)) return false;
  const tn_stmt *stmt = tni_handle_block(p->s, writer);
  size_t count = tni_loops_of(p, writer, loops);
  const tn_expr *column = stmt ? tni_block_store(stmt)->as.store.index[t->vector_dim] : NULL;
  for (size_t i = count; column && i-- > 0;) {
    const tni_iter *it = tni_iter_fed_by(p, stmt, loops[i]);
    if (!it || it->var != column) continue;
    size_t behind = count - i - 1;
    if (!tni_try_split(p, loops[i], t->lanes, parts)) return true;
    memcpy(order, loops + i + 1, behind * sizeof *order);
    order[behind] = parts[0];
    order[behind + 1] = parts[1];
    if (behind && !tni_try_reorder(p, behind + 2, order)) return true;
    tni_try_vectorize(p, parts[1]);
    tni_try_unroll(p, parts[0]);
    return true;
  }
  return true;
}

static bool leaves_rest(const tn_stmt *block, const tni_tile *t) {
  int64_t columns = tni_extent_of(block, tni_iter_of_dim(block, t->vector_dim));
  if (columns % (t->chunk * t->vectors * t->lanes)) return true;
  return t->row_dim >= 0 && tni_extent_of(block, tni_iter_of_dim(block, t->row_dim)) % t->rows;
}

static bool schedule_product(tni_planner *p, const tn_stmt *stmt, const tni_tile *t) {
  tn_loop loops[TNI_MAX_LOOPS];
  product_loops l;
  const char *name = stmt->as.block.name;
  bool direct = tni_is_param(p->s->func, tni_block_store(stmt)->as.store.buffer) && !leaves_rest(stmt, t);
  int64_t work = tni_work_of(stmt);
  tn_block_ref writer = direct ? 0 : tni_writer_of(p, stmt, "local"), block = tni_block_named(p, name);
  if ((!direct && !writer) || !block || !cut_into_tiles(p, block, t, &l)) return false;
  if (t->pack_right && !pack_right(p, block, t, &l)) return false;
  if (t->pack_left && !pack_left(p, block, t, &l)) return false;
  if (writer && !write_tiles(p, writer, t, &l)) return false;
  begin_with_zeros(p, block, &l);
  note_tiles(p, 5, (tn_loop[]){l.steps, l.row, l.vector, l.lane, l.step});
  if (t->unit) tni_apply_unit(p, t->unit, l.step);
  tni_parallel_outer(p, loops_over_tiles(&l, loops), loops, work);
  return true;
}

bool tni_schedule_product(tni_planner *p, const tn_stmt *stmt, const tni_tile *t) {
  tni_mark mark = tni_mark_of(p->s);
  bool done = schedule_product(p, stmt, t);
  if (!done && !p->status) tni_go_back(p->s, &mark);
  return done || p->status;
}
