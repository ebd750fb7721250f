/* tile.c -- which part of a reduction's result is kept in registers: rows by vectors, from strides, shape and target.
 *
 * The vectors run along the dimension whose neighbours are neighbours in memory; the rows along one whose steps use the
 * loaded vectors again; and there are as many of both as the registers hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

/* The dimension for vectors: loads move along it, or are broadcast; contiguous ones are better than strided ones, and extents
 * that fill vectors than those that do not. */
static int32_t choose_vector_dim(const tni_planner *p, const tn_stmt *block, int32_t rank) {
  int64_t lanes = tni_lanes_of(p, tni_block_store(block)->as.store.buffer->type);
  int32_t best = -1;
  int64_t best_score = 0;
  for (int32_t d = 0; d < rank; d++) {
    int32_t i = tni_iter_of_dim(block, d);
    if (i < 0 || tni_extent_of(block, i) < 4) continue;
    tni_strides q = tni_strides_of(p, block, block->as.block.iters[i].var);
    int64_t extent = tni_extent_of(block, i), used = 256 * extent / (tni_divide_up(extent, lanes) * lanes);
    int64_t score = 0;
    if (q.loads > q.zero && (!q.far || extent >= lanes)) score = used * (q.far ? 1 : q.near ? 2 : 4) + (d == rank - 1);
    if (score > best_score) {
      best_score = score;
      best = d;
    }
  }
  return best;
}

/* Is there a load that moves with the vector and not with the row? */
typedef struct reuse_search {
  const tni_planner *p;
  const tn_expr *vector_var, *row_var;
  const tn_buffer *skip;
  bool reused;
} reuse_search;

static void look_at_reuse(void *self, const tn_expr *x) {
  reuse_search *q = self;
  int64_t along_vector, along_row;
  if (x->op != TN_OP_load || x->as.buffer == q->skip) return;
  bool moves = !tni_stride_of(q->p, x->as.buffer, x->arg, q->vector_var, &along_vector) || along_vector != 0;
  q->reused |= moves && tni_stride_of(q->p, x->as.buffer, x->arg, q->row_var, &along_row) && along_row == 0;
}

/* The dimension whose steps reuse what the vector loads bring: those that do not move with it while others do. */
static int32_t choose_row_dim(const tni_planner *p, const tn_stmt *block, int32_t rank, int32_t vector_dim) {
  int32_t best = -1;
  int64_t best_score = 0;
  const tn_expr *vector_var = block->as.block.iters[tni_iter_of_dim(block, vector_dim)].var;
  for (int32_t d = 0; d < rank; d++) {
    int32_t i = tni_iter_of_dim(block, d);
    if (d == vector_dim || i < 0 || tni_extent_of(block, i) < 2) continue;
    const tn_expr *var = block->as.block.iters[i].var;
    tni_strides q = tni_strides_of(p, block, var);
    reuse_search reuse = {
        .p = p, .vector_var = vector_var, .row_var = var, .skip = tni_block_store(block)->as.store.buffer};
    tni_expr_visit(p->s->ctx, tni_block_store(block)->as.store.value, look_at_reuse, &reuse);
    int64_t extent = tni_extent_of(block, i) > 24 ? 24 : tni_extent_of(block, i);
    int64_t score = q.zero > 0 && q.zero < q.loads ? extent * (reuse.reused ? 4 : 1) : 0;
    if (score > best_score) {
      best = d;
      best_score = score;
    }
  }
  return best;
}

/* Rows of a tile, at most `most`: many, since they share what is loaded, and few left over at the end of the extent. */
static int64_t choose_rows(int64_t extent, int64_t most) {
  if (extent <= most) return extent;
  int64_t best = most;
  double best_score = 0;
  for (int64_t r = most; r >= (most + 1) / 2; r--) {
    double used = (double)extent / (double)(tni_divide_up(extent, r) * r);
    double score = used * (double)(r + most);
    if (score > best_score) {
      best = r;
      best_score = score;
    }
  }
  return best;
}

bool tni_choose_tile(const tni_planner *p, const tn_stmt *block, tni_tile *t) {
  const tn_stmt *store = tni_block_store(block);
  int32_t rank = store->as.store.count;
  t->vector_dim = choose_vector_dim(p, block, rank);
  if (t->vector_dim < 0) return false;
  t->row_dim = choose_row_dim(p, block, rank, t->vector_dim);
  int64_t extent = tni_extent_of(block, tni_iter_of_dim(block, t->vector_dim));
  t->lanes = tni_lanes_for(p, store->as.store.buffer->type, extent);
  int64_t accumulators = p->target->vector_registers >= 32 ? 24 : 12;
  t->vectors = tni_divide_up(extent, t->lanes);
  int64_t most_vectors = t->row_dim < 0 ? accumulators / 2 : p->target->vector_registers >= 32 ? 4 : 2;
  const tn_expr *along = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  if (tni_strides_of(p, block, along).far) most_vectors = 1; /* each lane has a cache line of its own */
  if (t->vectors > most_vectors) t->vectors = choose_rows(t->vectors, most_vectors);
  t->rows = 1;
  if (t->row_dim >= 0)
    t->rows = choose_rows(tni_extent_of(block, tni_iter_of_dim(block, t->row_dim)), accumulators / t->vectors);
  return true;
}
