/* reduce.c -- a reduction and the elementwise block behind it, as a tile in registers.
 *
 *     for outer tiles { T = 0; for reduce loops { T += ... over rows, vectors, lanes }; out[tile] = epilogue(T) }
 *
 * The epilogue's loops are split into the tile (a copy stands in when there is no epilogue), the reduction is computed
 * at the innermost of the others (compute_at), its reduce loops outside, rows and vectors unrolled, lanes innermost. An
 * epilogue with long operators, or several behind a long sum, or whose lanes go to places apart, is not written out for each
 * row: the tile goes through memory to a loop over rows. Where the target sums several steps at once (unit.c), these stand inside of all. What tile
 * registers do is product.c's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

const tn_stmt *tni_epilogue_of(const tni_planner *p, const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block), *reader;
  const tn_buffer *b = store->as.store.buffer;
  int reductions;
  if (tni_is_param(p->s->func, b) || tni_count_readers(p, b, block, &reductions, &reader) != 1 || reductions)
    return NULL;
  const tn_stmt *out = tni_block_store(reader);
  if (!out || out->as.store.count != store->as.store.count || reader->as.block.count != out->as.store.count)
    return NULL;
  for (int32_t d = 0; d < out->as.store.count; d++)
    if (out->as.store.buffer->shape[d] != b->shape[d] || reader->as.block.iters[d].var != out->as.store.index[d])
      return NULL;
  return reader;
}

typedef struct tiled_loops {
  size_t outer_count;
  tn_loop outer[TNI_MAX_LOOPS]; /* in front of the tile */
  tn_loop row, vector, lane;    /* of the tile; 0: none */
  tn_loop steps;                /* of the tile's unit, inside of all others; 0: none */
  tn_loop row_tiles, vector_tiles; /* of the outer ones; 0: none */
  tn_loop taps; /* the innermost of the sum */
  tn_loop around; /* the loop around it */
  tn_loop again; /* steps of it that are written out; 0: none */
} tiled_loops;

static void swap_loops(tn_loop *a, tn_loop *b) {
  tn_loop kept = *a;
  *a = *b;
  *b = kept;
}

/* Those outside and batches, tiles along the vectors, what else there is, tiles along the rows. */
static void put_vectors_outside(const tni_tile *t, size_t outside, tiled_loops *l) {
  tn_loop order[TNI_MAX_LOOPS];
  size_t first = (size_t)t->batches > outside ? (size_t)t->batches : outside, n = first;
  memcpy(order, l->outer, n * sizeof *order);
  order[n++] = l->vector_tiles;
  for (size_t i = first; i < l->outer_count; i++)
    if (l->outer[i] != l->row_tiles && l->outer[i] != l->vector_tiles) order[n++] = l->outer[i];
  order[n++] = l->row_tiles;
  memcpy(l->outer, order, n * sizeof *order);
}

/* Those outside, strips of tiles along the vectors, what else there is, tiles along the rows, those along the vectors in a
 * strip. */
static bool put_strips_outside(tni_planner *p, const tni_tile *t, size_t outside, tiled_loops *l) {
  tn_loop order[TNI_MAX_LOOPS], parts[2];
  size_t n = outside;
  if (l->outer_count + 3 > TNI_MAX_LOOPS || !tni_try_split(p, l->vector_tiles, t->strip, parts)) return false;
  memcpy(order, l->outer, n * sizeof *order);
  order[n++] = parts[0];
  for (size_t i = outside; i < l->outer_count; i++)
    if (l->outer[i] != l->vector_tiles) order[n++] = l->outer[i];
  order[n++] = l->vector_tiles = parts[1];
  memcpy(l->outer, order, n * sizeof *order);
  l->outer_count = n;
  return true;
}

/* The subscript of the block's store that the loop feeds; -1: none. */
static int32_t dim_of_loop(const tni_planner *p, tn_block_ref block, tn_loop loop) {
  const tn_stmt *stmt = tni_handle_block(p->s, block);
  const tni_iter *it = tni_iter_fed_by(p, stmt, loop);
  for (int32_t d = 0; it && d < tni_block_store(stmt)->as.store.count; d++)
    if (tni_block_store(stmt)->as.store.index[d] == it->var) return d;
  return -1;
}

/* Splits the epilogue's loops but for so many outside, and brings the tile's inside. */
static bool tile_epilogue(tni_planner *p, tn_block_ref block, const tni_tile *t, size_t outside, tiled_loops *out) {
  tn_loop loops[TNI_MAX_LOOPS], order[TNI_MAX_LOOPS], parts[2];
  size_t rank = tni_loops_of(p, block, loops), n = 0, row_tiles = 0, vector_tiles = 0;
  *out = (tiled_loops){.outer_count = outside};
  if (rank <= outside || rank + 3 > TNI_MAX_LOOPS) return false;
  memcpy(out->outer, loops, outside * sizeof *loops);
  for (size_t i = outside; i < rank; i++) {
    int32_t d = dim_of_loop(p, block, loops[i]);
    if (d >= 0 && d == t->row_dim) {
      if (!tni_try_split(p, loops[i], t->rows, parts)) return false;
      out->outer[row_tiles = out->outer_count++] = out->row_tiles = parts[0];
      out->row = parts[1];
    } else if (d >= 0 && d == t->vector_dim) {
      if (!tni_try_split(p, loops[i], t->vectors * t->lanes, parts)) return false;
      out->outer[vector_tiles = out->outer_count++] = out->vector_tiles = parts[0];
      tn_loop inner[2];
      if (!tni_try_split(p, parts[1], t->lanes, inner)) return false;
      out->vector = inner[0];
      out->lane = inner[1];
    } else {
      out->outer[out->outer_count++] = loops[i];
    }
  }
  if (!out->vector || (t->row_dim >= 0 && !out->row)) return false;
  if (t->row_dim >= 0 && t->vectors_outside)
    put_vectors_outside(t, outside, out);
  else if (t->row_dim >= 0 && vector_tiles < row_tiles)
    swap_loops(&out->outer[row_tiles], &out->outer[vector_tiles]);
  if (t->strip && !t->vectors_outside && !put_strips_outside(p, t, outside, out)) return false;
  for (size_t i = outside; i < out->outer_count; i++) order[n++] = out->outer[i];
  if (out->row) order[n++] = out->row;
  order[n++] = out->vector;
  order[n++] = out->lane;
  return tni_try_reorder(p, n, order);
}

/* Reduce loops first, then rows, vectors, lanes: the loops of the reduction's nest below `outer_count` others. */
static bool order_reduction(tni_planner *p, tn_block_ref block, const tni_tile *t, size_t outer_count,
                            tiled_loops *out) {
  tn_loop loops[TNI_MAX_LOOPS], order[TNI_MAX_LOOPS], parts[2];
  size_t count = tni_loops_of(p, block, loops), n = 0;
  const tn_stmt *stmt = tni_handle_block(p->s, block), *store = stmt ? tni_block_store(stmt) : NULL;
  tn_loop again[2], vector = 0, steps = t->steps > 1 ? tni_unit_loop(p, block, t->steps, count, loops) : 0;
  *out = (tiled_loops){0};
  for (size_t i = outer_count; store && i < count; i++) {
    const tni_iter *it = tni_iter_fed_by(p, stmt, loops[i]);
    if (!it) return false;
    if (it->reduce) {
      order[n] = loops[i];
      bool whole = loops[i] == steps && n > 0 && tni_is_int(tni_handle_loop(p->s, steps)->as.loop.extent, t->steps);
      if (whole)
        out->steps = steps;
      else if (loops[i] == steps && tni_try_split(p, steps, t->steps, parts))
        order[n] = parts[0], out->steps = parts[1];
      n += !whole;
      continue;
    }
    int32_t d = 0;
    while (store->as.store.index[d] != it->var) d++;
    vector = d == t->vector_dim ? loops[i] : vector;
    out->row = d == t->row_dim ? loops[i] : out->row;
  }
  if (n == 0 || !vector || !tni_try_split(p, vector, t->lanes, parts)) return false;
  out->taps = order[n - 1];
  out->around = n > 1 ? order[n - 2] : outer_count > 0 ? loops[outer_count - 1] : 0;
  if (t->again > 1 && tni_try_split(p, out->taps, t->again, again)) {
    order[n - 1] = again[0];
    order[n++] = out->again = again[1];
  }
  out->outer[0] = order[0];
  out->vector = parts[0];
  out->lane = parts[1];
  if (out->row) order[n++] = out->row;
  order[n++] = parts[0];
  order[n++] = parts[1];
  if (out->steps) order[n++] = out->steps;
  return tni_try_reorder(p, n, order);
}

int32_t tni_find_read_number(const tni_planner *p, tn_block_ref block, const tn_buffer *b) {
  const tn_stmt *stmt = tni_handle_block(p->s, block);
  tni_reads reads = stmt ? tni_reads_of(p->s->ctx, stmt) : (tni_reads){0};
  for (size_t i = 0; i < reads.count; i++)
    if (reads.items[i] == b) return (int32_t)i;
  return -1;
}

/* The columns of a tile, copied without gaps before the tiles that read them; the copy moves in vectors. */
static void pack_columns(tni_planner *p, tn_block_ref block, const tni_tile *t, tn_loop vector_tiles) {
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  tn_block_ref copy;
  tn_error *e = NULL;
  int32_t which = tni_find_read_number(p, block, t->packed);
  if (which < 0 || !tni_tried(p, tn_cache_read(p->s, block, which, "global", &copy, &e), &e)) return;
  if (!tni_tried(p, tn_compute_at(p->s, copy, vector_tiles, &e), &e)) return;
  size_t count = tni_loops_of(p, copy, loops);
  if (!count || !tni_try_split(p, loops[count - 1], t->lanes, parts)) return;
  tni_try_vectorize(p, parts[1]);
  tni_try_unroll(p, parts[0]);
}

/* ---- what makes a factor ---- */

/* Are the subscripts variables, each by itself? Then no element is of two tiles' rows, as those of windows are. */
static bool is_plain(const tn_expr *load) {
  for (int32_t d = 0; d < tni_load_count(load); d++)
    if (load->arg[d]->op != TN_OP_var && !tni_is_const(load->arg[d])) return false;
  return !tni_load_where(load);
}

/* The elementwise block that makes a factor for this reduction alone, of the rows and not of the vectors; NULL: none does. */
static const tn_stmt *maker_of_rows(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  const tn_expr *factors[2], *vector = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  int64_t along;
  int reductions;
  const tn_stmt *last;
  if (!tni_find_factors(block, &factors[0], &factors[1])) return NULL;
  for (int i = 0; i < 2; i++) {
    const tn_buffer *b = factors[i]->as.buffer;
    const tn_stmt *maker = tni_is_param(p->s->func, b) ? NULL : tni_maker_of(p, b);
    if (maker && is_plain(factors[i]) && !tni_is_reduction(maker) && tni_stride_of(p, b, factors[i]->arg, vector, &along) && along == 0 &&
        tni_count_readers(p, b, maker, &reductions, &last) == 1)
      return maker;
  }
  return NULL;
}

/* It makes the rows of a tile before the tiles that read them, in vectors. */
static void bring_maker(tni_planner *p, const tn_stmt *maker, const tni_tile *t, tn_loop row_tiles) {
  tn_block_ref ref = tni_block_named(p, maker->as.block.name);
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  tn_error *e = NULL;
  if (!ref || !tni_tried(p, tn_compute_at(p->s, ref, row_tiles, &e), &e)) return;
  size_t count = tni_loops_of(p, ref, loops);
  if (count && tni_try_split(p, loops[count - 1], t->lanes, parts)) tni_try_vectorize(p, parts[1]);
}

/* ---- long epilogues ---- */

enum {
  MOST_LONG = 8,  /* vectors of a tile whose epilogue is written out, however long */
  MANY_OPS = 5,   /* of an epilogue that is a loop */
  MANY_STEPS = 32 /* behind so many of the sum, beside which a store and a load of each vector are little */
};

/* Does each lane of a vector of the block's result go to another place? That takes an instruction or more for each. */
static bool is_scattered(const tni_planner *p, const tn_stmt *block, int32_t vector_dim) {
  const tn_stmt *store = tni_block_store(block);
  int64_t stride;
  return !tni_stride_of(p, store->as.store.buffer, store->as.store.index, store->as.store.index[vector_dim], &stride) ||
         stride != 1;
}

bool tni_has_stage(const tni_planner *p, const tn_stmt *block, const tn_stmt *epilogue, const tni_tile *t,
                   int64_t vectors) {
  int64_t all = t->rows * vectors;
  if (!epilogue || all < 2) return false;
  bool is_tile = t->row_dim >= 0 && all > MOST_LONG;
  if (!tni_is_long(p, epilogue) && !is_scattered(p, epilogue, t->vector_dim))
    return is_tile && tni_cost_of(p, epilogue).ops >= MANY_OPS && tni_sum_of(block) >= MANY_STEPS;
  int64_t less = all - (t->row_dim < 0 ? 1 : vectors);
  double stored = tni_steps_of(epilogue, -1) / (double)t->lanes;
  return is_tile || tni_is_loop_less(p, epilogue, less, stored);
}

/* The tile's sums, from registers to memory. */
static void write_stage(tni_planner *p, tn_block_ref copy, const tni_tile *t, size_t outer_count) {
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  size_t count = tni_loops_of(p, copy, loops);
  const tn_stmt *stmt = tni_handle_block(p->s, copy);
  const tn_expr *along = stmt ? tni_block_store(stmt)->as.store.index[t->vector_dim] : NULL;
  for (size_t i = outer_count; i < count; i++) {
    const tni_iter *it = tni_iter_fed_by(p, stmt, loops[i]);
    bool vectors = it && it->var == along && tni_try_split(p, loops[i], t->lanes, parts);
    if (vectors) tni_try_vectorize(p, parts[1]);
    tni_try_unroll(p, vectors ? parts[0] : loops[i]);
  }
}

/* ---- the tile ---- */

static void write_out_tile(tni_planner *p, const tiled_loops *l) {
  bool vectors = tni_try_vectorize(p, l->lane);
  if (vectors && l->row && tni_target_has_masks(p->target)) tni_note_loops(p, 1, &l->lane, TNI_WHOLE_NOTE);
  if (l->vector) tni_try_unroll(p, l->vector);
  if (l->row) tni_try_unroll(p, l->row);
}

void tni_tile_reduction(tni_planner *p, const char *name, const tni_tile *t, size_t outer_count) {
  tn_block_ref block = tni_block_named(p, name), init = 0;
  tiled_loops l, of_init = {0};
  tn_loop loops[TNI_MAX_LOOPS];
  tn_error *e = NULL;
  if (!block || !order_reduction(p, block, t, outer_count, &l)) return;
  if (tni_tried(p, tn_decompose_reduction(p->s, block, l.outer[0], &init, &e), &e)) {
    size_t count = tni_loops_of(p, init, loops);
    size_t own = l.row ? 3 : 2;
    if (count >= own) {
      of_init.lane = loops[count - 1];
      of_init.vector = loops[count - 2];
      of_init.row = l.row ? loops[count - 3] : 0;
      write_out_tile(p, &of_init);
    }
  }
  write_out_tile(p, &l);
  if (t->taps) tni_try_unroll(p, l.taps);
  if (t->taps && t->window && l.around) tni_bring_window(p, t, l.around);
  if (l.again) tni_try_unroll(p, l.again);
  if (l.steps) tni_apply_unit(p, t->unit, l.steps);
}

/* While the inner of the loops over tiles runs, what the outer one reads next comes nearer. */
static void ask_ahead(tni_planner *p, const char *name, const tni_tile *t, tn_loop outer) {
  tn_block_ref block = tni_block_named(p, name);
  int32_t which = block ? tni_find_read_number(p, block, t->ahead) : -1;
  tn_error *e = NULL;
  if (which >= 0) tni_tried(p, tn_prefetch(p->s, block, which, outer, &e), &e);
}

/* Conditions are asked where vectors are loaded. */
static void keep_whole(tni_planner *p, const char *name) {
  tn_block_ref block = tni_block_named(p, name);
  tn_loop loops[TNI_MAX_LOOPS];
  if (block) tni_note_loops(p, tni_loops_of(p, block, loops), loops, TNI_WHOLE_NOTE);
}

/* No dimension for vectors: every element is summed up in a register. */
static void reduce_in_register(tni_planner *p, const char *name, size_t outer_count) {
  tn_block_ref block = tni_block_named(p, name), init;
  tn_loop loops[TNI_MAX_LOOPS];
  size_t count = block ? tni_loops_of(p, block, loops) : 0;
  tn_error *e = NULL;
  if (outer_count < count) tni_tried(p, tn_decompose_reduction(p->s, block, loops[outer_count], &init, &e), &e);
}

tn_block_ref tni_writer_of(tni_planner *p, const tn_stmt *block, const char *scope) {
  const tn_stmt *epilogue = tni_epilogue_of(p, block);
  tn_error *e = NULL;
  tn_block_ref ref = tni_block_named(p, epilogue ? epilogue->as.block.name : block->as.block.name), out = 0;
  if (epilogue || !ref) return ref;
  return tni_tried(p, tn_cache_write(p->s, ref, scope, &out, &e), &e) ? out : 0;
}

/* Registers hold buffers of constant extents only. */
static bool has_open_extents(const tn_buffer *b) {
  for (int32_t d = 0; d < b->rank; d++)
    if (!tni_is_const(b->shape[d])) return true;
  return false;
}

void tni_schedule_reduction(tni_planner *p, const tn_stmt *block, size_t outside) {
  tni_tile t = {0};
  tiled_loops loops = {0};
  const char *name = block->as.block.name;
  if (!tni_block_store(block) || has_open_extents(tni_block_store(block)->as.store.buffer)) return;
  int64_t work = tni_work_of(block);
  bool tiled = tni_choose_tile(p, block, &t);
  tni_tile by_tiles = t;
  if (tiled && tni_choose_tiles(p, block, &by_tiles) && by_tiles.gain > 1 && tni_schedule_product(p, block, &by_tiles))
    return;
  if (tiled && (tni_cast_factors(p, block, &t) || tni_group_steps(p, block, &t) ||
                (!outside && tni_spread_rows(p, block, &t)))) {
    block = tni_find_block(p->s->func->body, name);
    t = (tni_tile){0};
    tiled = tni_choose_tile(p, block, &t);
  }
  bool in_lanes = tni_wants_lanes(p, block, tiled ? &t : NULL);
  tiled &= !in_lanes;
  if (tiled && t.streams) {
    tni_schedule_streams(p, block, &t);
    return;
  }
  const tn_stmt *maker = tiled && t.row_dim >= 0 ? maker_of_rows(p, block, &t) : NULL;
  tn_block_ref out = tni_writer_of(p, block, "register"), stage = 0;
  tn_error *e = NULL;
  if (!out) return;
  if (maker && t.ahead == tni_block_store(maker)->as.store.buffer) t.ahead = NULL;
  if (tiled && tni_has_stage(p, block, tni_epilogue_of(p, block), &t, t.vectors)) {
    tn_block_ref ref = tni_block_named(p, name);
    if (!ref || !tni_tried(p, tn_cache_write(p->s, ref, "register", &stage, &e), &e)) stage = 0;
  }
  if (tiled && !tile_epilogue(p, out, &t, outside, &loops)) return;
  if (!tiled) loops.outer_count = tni_loops_of(p, out, loops.outer);
  if (loops.outer_count > 0) {
    tn_block_ref ref = tni_block_named(p, name);
    tn_loop last = loops.outer[loops.outer_count - 1];
    if (stage && !tni_tried(p, tn_compute_at(p->s, stage, last, &e), &e)) return;
    if (!ref || !tni_tried(p, tn_compute_at(p->s, ref, last, &e), &e)) return;
    if (t.packed) pack_columns(p, ref, &t, loops.vector_tiles);
    if (maker && !t.vectors_outside) bring_maker(p, maker, &t, loops.row_tiles);
  }
  if (tiled) {
    tni_tile_reduction(p, name, &t, loops.outer_count);
    if (stage) {
      write_stage(p, stage, &t, loops.outer_count);
      *(loops.row ? &loops.row : &loops.vector) = 0; /* stays a loop */
    }
    write_out_tile(p, &loops);
    if (t.ahead) ask_ahead(p, name, &t, t.vectors_outside && !t.packed ? loops.vector_tiles : loops.row_tiles);
  } else if (in_lanes) {
    tni_reduce_in_lanes(p, name, loops.outer_count);
  } else {
    reduce_in_register(p, name, loops.outer_count);
  }
  if (!outside) tni_parallel_outer(p, loops.outer_count, loops.outer, work);
  if (tiled && (t.whole || (t.taps && t.window))) keep_whole(p, name);
}
