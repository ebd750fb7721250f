/* product.c -- a sum of products by the target's tile registers.
 *
 *     for outer tiles { C = 0; for steps { C += A B over rows, vectors, lanes, steps of a tile } }
 *
 * The loops of a tile stay loops, with a note: code generation makes one statement of them and the loop over steps
 * (targets/llvm/tile.c), with the sums in registers from the first step to the last. The steps of a tile that are not what they
 * say one by one become the meaning of all of them (targets/units.c). The sums go straight to the result; where
 * another block is behind them, or a tile is larger than what is left of the result, through a tile in memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

typedef struct product_loops {
  size_t outer_count;
  tn_loop outer[TNI_MAX_LOOPS];        /* the tiles' among them, and last */
  tn_loop steps, row, vector, lane, step; /* of a tile; row: 0 if there is none */
} product_loops;

static bool try_pad(tni_planner *p, tn_loop loop, size_t count, const int64_t *factors, tn_loop *out) {
  tn_error *e = NULL;
  return !p->status && tni_tried(p, tn_split_tail(p->s, loop, count, factors, TN_TAIL_PAD, out, &e), &e);
}

/* Splits the block's loops into tiles, the loops over these outside. */
static bool cut_into_tiles(tni_planner *p, tn_block_ref block, const tni_tile *t, product_loops *out) {
  tn_loop loops[TNI_MAX_LOOPS], order[TNI_MAX_LOOPS], row_tiles = 0, vector_tiles = 0, parts[4];
  size_t count = tni_loops_of(p, block, loops), n = 0;
  const tn_stmt *stmt = tni_handle_block(p->s, block), *store = stmt ? tni_block_store(stmt) : NULL;
  *out = (product_loops){0};
  if (!store || count + 4 > TNI_MAX_LOOPS) return false;
  for (size_t i = 0; i < count; i++) {
    const tni_iter *it = tni_iter_fed_by(p, stmt, loops[i]);
    if (!it) return false;
    if (it->reduce) {
      if (!try_pad(p, loops[i], 2, (int64_t[]){0, t->steps}, parts)) return false;
      out->steps = parts[0];
      out->step = parts[1];
    } else if (store->as.store.index[t->vector_dim] == it->var) {
      if (!try_pad(p, loops[i], 3, (int64_t[]){0, t->vectors, t->lanes}, parts)) return false;
      vector_tiles = parts[0];
      out->vector = parts[1];
      out->lane = parts[2];
    } else if (t->row_dim >= 0 && store->as.store.index[t->row_dim] == it->var) {
      if (!try_pad(p, loops[i], 2, (int64_t[]){0, t->rows}, parts)) return false;
      row_tiles = parts[0];
      out->row = parts[1];
    } else {
      out->outer[out->outer_count++] = loops[i];
    }
    stmt = tni_handle_block(p->s, block); /* padded, it is another one */
    store = stmt ? tni_block_store(stmt) : NULL;
    if (!store) return false;
  }
  if (row_tiles && !t->vectors_outside) out->outer[out->outer_count++] = row_tiles;
  out->outer[out->outer_count++] = vector_tiles;
  if (row_tiles && t->vectors_outside) out->outer[out->outer_count++] = row_tiles;
  for (size_t i = 0; i < out->outer_count; i++) order[n++] = out->outer[i];
  order[n++] = out->steps;
  if (out->row) order[n++] = out->row;
  order[n++] = out->vector;
  order[n++] = out->lane;
  order[n++] = out->step;
  return tni_try_reorder(p, n, order);
}

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
static void write_tiles(tni_planner *p, tn_block_ref writer, const tni_tile *t, const product_loops *l) {
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  tn_error *e = NULL;
  if (!tni_tried(p, tn_reverse_compute_at(p->s, writer, l->outer[l->outer_count - 1], &e), &e)) return;
  const tn_stmt *stmt = tni_handle_block(p->s, writer);
  size_t count = tni_loops_of(p, writer, loops);
  const tn_expr *column = stmt ? tni_block_store(stmt)->as.store.index[t->vector_dim] : NULL;
  for (size_t i = l->outer_count; column && i < count; i++) {
    const tni_iter *it = tni_iter_fed_by(p, stmt, loops[i]);
    if (!it || it->var != column) continue;
    if (!tni_try_split(p, loops[i], t->lanes, parts)) return;
    if (i + 1 < count) {
      tn_loop order[TNI_MAX_LOOPS];
      memcpy(order, loops + i + 1, (count - i - 1) * sizeof *order);
      order[count - i - 1] = parts[0];
      order[count - i] = parts[1];
      if (!tni_try_reorder(p, count - i + 1, order)) return;
    }
    tni_try_vectorize(p, parts[1]);
    tni_try_unroll(p, parts[0]);
    return;
  }
}

static bool leaves_rest(const tn_stmt *block, const tni_tile *t) {
  int64_t columns = tni_extent_of(block, tni_iter_of_dim(block, t->vector_dim));
  if (columns % (t->vectors * t->lanes)) return true;
  return t->row_dim >= 0 && tni_extent_of(block, tni_iter_of_dim(block, t->row_dim)) % t->rows;
}

void tni_schedule_product(tni_planner *p, const tn_stmt *stmt, const tni_tile *t) {
  const char *name = stmt->as.block.name;
  bool direct = tni_is_param(p->s->func, tni_block_store(stmt)->as.store.buffer) && !leaves_rest(stmt, t);
  int64_t work = tni_work_of(stmt);
  tn_block_ref writer = direct ? 0 : tni_writer_of(p, stmt, "local"), block = tni_block_named(p, name);
  product_loops l;
  if ((!direct && !writer) || !block || !cut_into_tiles(p, block, t, &l)) return;
  if (writer) write_tiles(p, writer, t, &l);
  begin_with_zeros(p, block, &l);
  note_tiles(p, 5, (tn_loop[]){l.steps, l.row, l.vector, l.lane, l.step});
  if (t->unit) tni_apply_unit(p, t->unit, l.step);
  tni_parallel_outer(p, l.outer_count, l.outer, work);
}
