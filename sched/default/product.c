/* product.c -- a sum of products by the target's tile registers.
 *
 *     pack B
 *     for chunks of columns { for row tiles { pack A; for column tiles { C = 0; for taps, steps { C += A B } } } }
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

/* Several loops, the outermost first. */
typedef struct loop_list {
  size_t count;
  tn_loop items[TNI_MAX_LOOPS];
} loop_list;

/* The loops: over batches, each of which has a right operand of its own; over chunks; over pictures and their rows, which share
 * it; over rows and columns of tiles; of the sum around the steps; of a tile. 0: there is none. */
typedef struct product_loops {
  loop_list batches, pictures, taps;
  tn_loop chunks, row_tiles, column_tiles, steps, row, vector, lane, step;
} product_loops;

static bool try_pad(tni_planner *p, tn_loop loop, size_t count, const int64_t *factors, tn_loop *out) {
  tn_error *e = NULL;
  return !p->status && tni_tried(p, tn_split_tail(p->s, loop, count, factors, TN_TAIL_PAD, out, &e), &e);
}

static void add_loop(loop_list *l, tn_loop loop) { l->items[l->count++] = loop; }

static tn_loop last_of(const loop_list *l) { return l->count ? l->items[l->count - 1] : 0; }

static bool moves(const tni_planner *p, const tn_expr *load, const tn_expr *var) {
  bool found = false;
  for (int a = 0; a < load->nargs; a++) found |= tni_expr_uses(p->s->ctx, load->arg[a], var);
  return found;
}

/* The factor of the rows, or that of the columns; NULL: the block is another one. */
static const tn_expr *factor_of(const tni_planner *p, const tn_stmt *block, const tni_tile *t, bool right) {
  const tn_expr *x, *y;
  if (!block || !tni_find_factors(block, &x, &y)) return NULL;
  return moves(p, x, block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var) == right ? x : y;
}

/* Splits a loop as what it is for the block asks; false: it cannot be. */
static bool cut_loop(tni_planner *p, tn_block_ref block, const tni_tile *t, tn_loop loop, product_loops *out) {
  const tn_stmt *stmt = tni_handle_block(p->s, block), *store = stmt ? tni_block_store(stmt) : NULL;
  const tni_iter *it = store ? tni_iter_fed_by(p, stmt, loop) : NULL;
  const tn_expr *right = factor_of(p, stmt, t, true);
  tn_loop parts[5];
  if (!it || !right) return false;
  if (it == &stmt->as.block.iters[t->step]) {
    if (!try_pad(p, loop, 2, (int64_t[]){0, t->steps}, parts)) return false;
    out->steps = parts[0], out->step = parts[1];
  } else if (it->reduce) {
    add_loop(&out->taps, loop);
  } else if (store->as.store.index[t->vector_dim] == it->var) {
    if (!try_pad(p, loop, 4, (int64_t[]){0, t->chunk, t->vectors, t->lanes}, parts)) return false;
    out->chunks = parts[0], out->column_tiles = parts[1], out->vector = parts[2], out->lane = parts[3];
  } else if (t->row_dim >= 0 && store->as.store.index[t->row_dim] == it->var) {
    if (!try_pad(p, loop, 2, (int64_t[]){0, t->rows}, parts)) return false;
    out->row_tiles = parts[0], out->row = parts[1];
  } else {
    add_loop(moves(p, right, it->var) ? &out->batches : &out->pictures, loop);
  }
  return true;
}

static size_t put_list(const loop_list *l, tn_loop *out) {
  memcpy(out, l->items, l->count * sizeof *out);
  return l->count;
}

static size_t put_all(size_t count, const tn_loop *loops, tn_loop *out) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    if (loops[i]) out[n++] = loops[i];
  return n;
}

/* In the order of what is outside; how many. */
static size_t loops_over_tiles(const product_loops *l, tn_loop *out) {
  size_t n = put_list(&l->batches, out);
  out[n++] = l->chunks;
  n += put_list(&l->pictures, out + n);
  return n + put_all(2, (tn_loop[]){l->row_tiles, l->column_tiles}, out + n);
}

/* Those of the tiles, the outermost first. */
static size_t loops_of_tiles(const product_loops *l, tn_loop *out) {
  size_t n = put_list(&l->taps, out);
  return n + put_all(5, (tn_loop[]){l->steps, l->row, l->vector, l->lane, l->step}, out + n);
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
  return tni_try_reorder(p, n + loops_of_tiles(out, order + n), order);
}

/* "(i0, i1, i2, i3) -> (i0, i1, i2 * E3 + i3)" */
static bool write_map(const tn_stmt *block, const tni_tile *t, tni_text *out) {
  for (int32_t i = 0; i < block->as.block.count; i++) tni_text_add(out, "%si%d", i ? ", " : "(", (int)i);
  tni_text_add(out, ") -> (");
  for (int32_t i = 0; i < t->step; i++) tni_text_add(out, "i%d, ", (int)i);
  for (int32_t i = t->step + 1; i < t->step + t->step_count; i++) tni_text_add(out, "(");
  tni_text_add(out, "i%d", (int)t->step);
  for (int32_t i = t->step + 1; i < t->step + t->step_count; i++)
    tni_text_add(out, ") * %lld + i%d", (long long)tni_extent_of(block, i), (int)i);
  tni_text_add(out, ")");
  return !out->failed;
}

/* The iterators of the steps become one. */
static bool fuse_steps(tni_planner *p, tn_block_ref block, const tni_tile *t) {
  const tn_stmt *stmt = tni_handle_block(p->s, block);
  tn_loop loops[TNI_MAX_LOOPS];
  size_t count = TNI_MAX_LOOPS;
  tn_error *e = NULL;
  tni_text map;
  if (t->step_count == 1 || !stmt) return stmt != NULL;
  tni_text_init(&map, p->s->ctx);
  bool done = write_map(stmt, t, &map) &&
              tni_tried(p, tn_transform_block_layout(p->s, block, map.data, loops, &count, &e), &e);
  tni_text_destroy(&map);
  return done;
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

/* An operand to be packed: the block, what it loads, its step, and the iterator
 * along the tile's other side (-1: none). */
typedef struct operand {
  const tn_stmt *block;
  const tn_expr *load;
  int32_t step, along;
} operand;

static bool find_operand(tni_planner *p, tn_block_ref block, const tni_tile *t, bool right, operand *out) {
  const tn_stmt *stmt = tni_handle_block(p->s, block);
  int32_t dim = right ? t->vector_dim : t->row_dim;
  *out = (operand){stmt, factor_of(p, stmt, t, right), t->step, -1};
  if (out->load && dim >= 0) out->along = tni_iter_of_dim(stmt, dim);
  return out->load != NULL;
}

/* The iterators by which it is read, but for the tile's, one by one. */
static void add_others(tni_planner *p, const operand *x, packing *k) {
  for (int32_t i = 0; i < x->block->as.block.count; i++)
    if (i != x->step && i != x->along && moves(p, x->load, x->block->as.block.iters[i].var)) add_dim(k, i, 1);
}

/* Row tiles, steps of tiles, rows, and steps side by side, which are vectors. */
static bool pack_left(tni_planner *p, tn_block_ref block, const tni_tile *t, const product_loops *l) {
  operand x;
  packing k = {0};
  tn_loop loops[TNI_MAX_LOOPS];
  if (!find_operand(p, block, t, false, &x)) return false;
  add_others(p, &x, &k);
  if (x.along >= 0) add_dim(&k, x.along, t->rows);
  add_dim(&k, x.step, t->steps);
  if (x.along >= 0) add_dim(&k, x.along, 1);
  add_dim(&k, x.step, 1);
  tn_block_ref made = pack(p, block, x.load, &k);
  tn_loop at = l->row_tiles ? l->row_tiles : l->pictures.count ? last_of(&l->pictures) : last_of(&l->batches);
  size_t count = made ? bring_to(p, made, at, loops) : 0;
  if (count) tni_try_vectorize(p, loops[count - 1]);
  return made != 0;
}

/* Are there several chunks? A number of them that is not known counts as one. */
static bool is_chunked(tni_planner *p, const product_loops *l) {
  const tn_expr *extent = tni_handle_loop(p->s, l->chunks)->as.loop.extent;
  return tni_is_const(extent) && extent->as.i > 1;
}

/* In groups of steps. */
static bool pack_right(tni_planner *p, tn_block_ref block, const tni_tile *t, const product_loops *l) {
  operand y;
  tn_loop loops[TNI_MAX_LOOPS];
  if (!find_operand(p, block, t, true, &y)) return false;
  int64_t group = GROUP_BYTES / (int64_t)tn_type_bytes(y.load->type);
  tn_block_ref made = tni_pack_groups(p, y.block, y.load, y.step, group, y.along, t->lanes);
  tn_loop at = is_chunked(p, l) ? l->chunks : last_of(&l->batches);
  size_t count = made ? bring_to(p, made, at, loops) : 0;
  tni_write_groups(p, count, loops);
  if (!at && count >= 2) tni_parallel_outer(p, count - 2, loops, tni_work_of(tni_handle_block(p->s, made)));
  return made != 0;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

static void begin_with_zeros(tni_planner *p, tn_block_ref block, const product_loops *l) {
  tn_loop loops[TNI_MAX_LOOPS];
  tn_block_ref init;
  tn_error *e = NULL;
  tn_loop outermost = l->taps.count ? l->taps.items[0] : l->steps;
  if (p->status || !tni_tried(p, tn_decompose_reduction(p->s, block, outermost, &init, &e), &e)) return;
  size_t count = tni_loops_of(p, init, loops), own = l->row ? 3 : 2;
  if (count >= own) tni_note_loops(p, own, loops + count - own, TNI_TILE_NOTE);
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
  if (!fuse_steps(p, tni_block_named(p, name), t) || !(stmt = tni_find_block(p->s->func->body, name))) return false;
  bool direct = tni_is_param(p->s->func, tni_block_store(stmt)->as.store.buffer) && !leaves_rest(stmt, t);
  int64_t work = tni_work_of(stmt);
  tn_block_ref writer = direct ? 0 : tni_writer_of(p, stmt, "local"), block = tni_block_named(p, name);
  if ((!direct && !writer) || !block || !cut_into_tiles(p, block, t, &l)) return false;
  if (t->pack_right && !pack_right(p, block, t, &l)) return false;
  if (t->pack_left && !pack_left(p, block, t, &l)) return false;
  if (writer && !write_tiles(p, writer, t, &l)) return false;
  begin_with_zeros(p, block, &l);
  tni_note_loops(p, loops_of_tiles(&l, loops), loops, TNI_TILE_NOTE);
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
