/* tile.c -- which part of a reduction's result is kept in registers: rows by vectors, from strides, shape and target.
 *
 * The vectors run along the dimension whose neighbours are neighbours in memory; the rows along one whose steps use the
 * loaded vectors again. How many of both is what the registers hold and covers the result in the fewest cycles, by a model of
 * a core with two multiply-add units and two load ports.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "default.h"

/* The dimension for vectors: loads move along it, or are broadcast; contiguous ones are better than strided ones, and extents
 * that fill vectors than those that do not. */
static int32_t choose_vector_dim(const tni_planner *p, const tn_stmt *block, int32_t first, int32_t rank) {
  int64_t lanes = tni_lanes_of(p, tni_block_store(block)->as.store.buffer->type);
  int32_t best = -1;
  int64_t best_score = 0;
  for (int32_t d = first; d < rank; d++) {
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

/* The dimension whose steps reuse what the vector loads bring: those that do not move with it while others do, and that all
 * have the same steps of the sum. */
static int32_t choose_row_dim(const tni_planner *p, const tn_stmt *block, int32_t first, int32_t rank,
                              int32_t vector_dim) {
  int32_t best = -1;
  int64_t best_score = 0;
  const tn_expr *vector_var = block->as.block.iters[tni_iter_of_dim(block, vector_dim)].var;
  const tn_expr *steps = tni_left_out(block);
  for (int32_t d = first; d < rank; d++) {
    int32_t i = tni_iter_of_dim(block, d);
    if (d == vector_dim || i < 0 || tni_extent_of(block, i) < 2) continue;
    const tn_expr *var = block->as.block.iters[i].var;
    if (steps && tni_expr_uses(p->s->ctx, steps, var)) continue;
    tni_strides q = tni_strides_of(p, block, var);
    reuse_search reuse = {
        .p = p, .vector_var = vector_var, .row_var = var, .skip = tni_block_store(block)->as.store.buffer};
    tni_expr_visit_memory(p->s->ctx, tni_block_store(block)->as.store.value, look_at_reuse, &reuse);
    int64_t extent = tni_extent_of(block, i) > TNI_LONG_ROW ? TNI_LONG_ROW : tni_extent_of(block, i);
    int64_t score = q.zero > 0 && q.zero < q.loads ? extent * (reuse.reused ? 4 : 1) : 0;
    if (score && score >= best_score) { /* of equal ones the innermost, whose steps are near each other */
      best = d;
      best_score = score;
    }
  }
  return best;
}

/* ---- how large ---- */

static const double WORTH_IT = 0.99;  /* a narrower tile must be so much better */
static const double LATE = 0.2;       /* of what the loads of a window take, that which multiply-adds wait for */
static const double ONE_MORE = 0.05;  /* what a body more costs, of the time: it is to be compiled, and to be in the cache */
enum {
  UNIT_LATENCY = 4,
  UNITS = 2,
  LOAD_PORTS = 2,
  CACHE_BYTES = 24, /* a cycle, from the second cache */
  ISSUE = 4,        /* instructions a cycle */
  LOOP = 3,         /* instructions of a loop itself */
  FEW_REGISTERS = 16
};

/* Has every number that all lanes share to be brought into a register by an instruction of its own? More registers come
 * with multiply-adds that take one from memory, or from a lane. */
static bool broadcasts_apart(const tn_target *target) { return target->vector_registers <= FEW_REGISTERS; }

/* Cycles of a step of the sum: multiply-adds, loads of vectors and broadcasts, what the vectors bring from the cache, the
 * chain through each accumulator, and all instructions. Rows of a window, each tap of which is in another cache line, are
 * not always there in time. */
double tni_step_cycles(const tn_target *target, int64_t rows, int64_t vectors, bool window) {
  double work = (double)(rows * vectors) / UNITS, loads = (double)(rows + vectors) / LOAD_PORTS;
  double bytes = (double)(vectors * target->vector_bits / 8) / CACHE_BYTES;
  double most = work > loads ? work : loads;
  double issue = broadcasts_apart(target) ? (double)(rows * vectors + rows + vectors + LOOP) / ISSUE : 0;
  most = most > bytes ? most : bytes;
  most = most > issue ? most : issue;
  return (most > UNIT_LATENCY ? most : UNIT_LATENCY) + (window ? LATE * loads : 0);
}

/* The same for a result of so many rows and vectors: whole tiles, and what is left on two sides. */
static double cover_cycles(const tn_target *target, int64_t all_rows, int64_t all_vectors, int64_t rows,
                           int64_t vectors, bool window) {
  int64_t down = all_rows / rows, across = all_vectors / vectors, below = all_rows % rows,
          right = all_vectors % vectors;
  double sum = (double)(down * across) * tni_step_cycles(target, rows, vectors, window);
  if (below) sum += (double)across * tni_step_cycles(target, below, vectors, window);
  if (right) sum += (double)down * tni_step_cycles(target, rows, right, window);
  if (below && right) sum += tni_step_cycles(target, below, right, window);
  int bodies = (down && across) + (below && across) + (down && right) + (below && right);
  return sum * (1 + ONE_MORE * (bodies - 1));
}

/* Rows of so many vectors that registers hold: accumulators fill 13 of 16 at most, or the compiler keeps some in memory,
 * which makes a chain through it. Besides there are the step's vectors, a factor that all lanes share, and a product where
 * multiplying and adding are two instructions. Of 32 registers dot products fill 14 of 16: they go through their vectors
 * four times as fast, of which each row more asks less. */
static int64_t most_rows(const tn_target *target, const tni_tile *t, int64_t vectors) {
  int64_t registers = target->vector_registers, others = vectors + 1 + !target->has_fma;
  int64_t held = registers * (t->unit && registers > FEW_REGISTERS ? 14 : 13) / 16;
  return (held < registers - others ? held : registers - others) / vectors;
}

/* The vectors of the whole sum stay in the second cache while rows pass by, or at least one does, or two where one means
 * more instructions than the core begins. No more rows are in use at once than are `near`. */
static void size_tile(const tn_target *target, int64_t vector_extent, int64_t row_extent, int64_t near, int64_t sum,
                      bool window, tni_tile *t) {
  int64_t all = tni_divide_up(vector_extent, t->lanes), most_vectors = all < 4 ? all : 4;
  int64_t vector_bytes = target->vector_bits / 8, least = broadcasts_apart(target) ? 2 : 1;
  double best = 0;
  t->rows = t->vectors = 1;
  for (int64_t vectors = most_vectors; vectors >= 1; vectors--) {
    if (vectors > least && sum * vectors * vector_bytes > (int64_t)target->l2 * 3 / 5) continue;
    int64_t most = most_rows(target, t, vectors);
    if (most > near) most = near;
    for (int64_t rows = most < row_extent ? most : row_extent; rows >= 1; rows--) {
      double cycles = cover_cycles(target, row_extent, all, rows, vectors, window);
      if (best > 0 && cycles > best * WORTH_IT) continue;
      best = cycles;
      t->rows = rows;
      t->vectors = vectors;
    }
  }
  t->rows = tni_divide_up(row_extent, tni_divide_up(row_extent, t->rows)); /* alike */
}

/* ---- which way the tiles go ---- */

typedef struct traffic {
  const tni_planner *p;
  const tn_stmt *block;
  const tni_tile *tile;
  double rows_outside, vectors_outside; /* bytes that come from beyond the second cache */
} traffic;

static bool moves(const tni_planner *p, const tn_expr *load, const tn_expr *var) {
  int64_t stride;
  return !tni_stride_of(p, load->as.buffer, load->arg, var, &stride) || stride != 0;
}

double tni_bytes_of_buffer(const tn_buffer *b) {
  double bytes = (double)tn_type_bytes(b->type);
  for (int32_t d = 0; d < b->rank; d++) bytes *= tni_is_const(b->shape[d]) ? (double)b->shape[d]->as.i : 1e9;
  return bytes;
}

/* A load that stays where it is in the inner of the two loops over tiles is read once; one that only the inner loop
 * moves is swept once for each step of the outer one, and comes from afar each time unless all of it stays in the
 * cache. The other loops, of which rows of pictures are one, stand between these two: where they do not move a load, it
 * is swept in each step. */
static void add_traffic(void *self, const tn_expr *x) {
  traffic *q = self;
  const tni_iter *iters = q->block->as.block.iters;
  if (x->op != TN_OP_load || x->as.buffer == tni_block_store(q->block)->as.store.buffer) return;
  const tni_iter *row = &iters[tni_iter_of_dim(q->block, q->tile->row_dim)];
  const tni_iter *vector = &iters[tni_iter_of_dim(q->block, q->tile->vector_dim)];
  double bytes = (double)tn_type_bytes(x->type), near = (double)q->p->target->l2 / 3, sweeps = 1;
  for (int32_t i = 0; i < q->block->as.block.count; i++) {
    double extent = (double)tni_extent_of(q->block, i);
    if (moves(q->p, x, iters[i].var) || tni_group_of(q->p, x, iters[i].var))
      bytes *= extent;
    else if (!iters[i].reduce && &iters[i] != row && &iters[i] != vector)
      sweeps *= extent;
  }
  bytes = fmin(bytes, tni_bytes_of_buffer(x->as.buffer)); /* windows overlap */
  bool by_row = moves(q->p, x, row->var);
  bool by_vector = moves(q->p, x, vector->var) || tni_group_of(q->p, x, vector->var);
  double row_tiles = (double)tni_divide_up(row->extent->as.i, q->tile->rows);
  double vector_tiles = (double)tni_divide_up(vector->extent->as.i, q->tile->vectors * q->tile->lanes);
  q->rows_outside += bytes * (by_vector && !by_row && bytes > near ? sweeps * row_tiles : 1);
  q->vectors_outside += bytes * (by_row && !by_vector && bytes > near ? sweeps * vector_tiles : 1);
}

static bool wants_vectors_outside(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  traffic q = {.p = p, .block = block, .tile = t};
  if (t->row_dim < 0) return false;
  tni_expr_visit_memory(p->s->ctx, tni_block_store(block)->as.store.value, add_traffic, &q);
  return q.vectors_outside < q.rows_outside;
}

/* ---- packing ---- */

enum { LEAST_SWEEPS = 8 /* row tiles that read a copy before it has paid */, CACHE_LINE = 64 };

typedef struct pack_search {
  const tni_planner *p;
  const tn_stmt *block;
  const tni_tile *tile;
  const tn_buffer *found;
} pack_search;

/* Is it what the vectors come from, in rows far from each other: more than the second cache keeps; less of it, where
 * rows do not begin at cache lines and each vector is in two of them? */
static void look_at_operand(void *self, const tn_expr *x) {
  pack_search *q = self;
  const tni_iter *iters = q->block->as.block.iters;
  if (x->op != TN_OP_load || x->as.buffer == tni_block_store(q->block)->as.store.buffer || tni_load_where(x)) return;
  const tn_expr *row = iters[tni_iter_of_dim(q->block, q->tile->row_dim)].var;
  const tni_iter *vector = &iters[tni_iter_of_dim(q->block, q->tile->vector_dim)];
  int64_t width = q->tile->vectors * q->tile->lanes, bytes = (int64_t)tn_type_bytes(x->type), stride, sum = 1;
  bool apart = false, across = false;
  if (!tni_stride_of(q->p, x->as.buffer, x->arg, vector->var, &stride) || stride != 1 || moves(q->p, x, row)) return;
  for (int32_t i = 0; i < q->block->as.block.count; i++) {
    if (!iters[i].reduce) continue;
    if (!tni_stride_of(q->p, x->as.buffer, x->arg, iters[i].var, &stride) || !stride) return;
    apart |= stride > width;
    across |= stride * bytes % CACHE_LINE != 0;
    sum *= tni_extent_of(q->block, i);
  }
  if (apart && sum * bytes * vector->extent->as.i > (int64_t)q->p->target->l2 / (across ? 5 : 3))
    q->found = x->as.buffer;
}

static const tn_buffer *choose_packed(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  pack_search q = {.p = p, .block = block, .tile = t};
  if (t->row_dim < 0 || tni_extent_of(block, tni_iter_of_dim(block, t->row_dim)) < LEAST_SWEEPS * t->rows) return NULL;
  tni_expr_visit_memory(p->s->ctx, tni_block_store(block)->as.store.value, look_at_operand, &q);
  return q.found;
}

/* How many of the leading dimensions move what the vectors load, in front of the tile's own two: batches. */
static int32_t count_batches(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int32_t end = t->row_dim < t->vector_dim ? t->row_dim : t->vector_dim, d = 0;
  const tn_expr *x, *y;
  if (!tni_find_factors(block, &x, &y)) return end;
  const tn_expr *vector = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  const tn_expr *load = moves(p, x, vector) ? x : y;
  while (d < end && moves(p, load, block->as.block.iters[tni_iter_of_dim(block, d)].var)) d++;
  return d;
}

/* ---- streams ---- */

/* Does a sum go down a matrix, row by row, far apart, and is it more than the second cache keeps? */
static void look_at_stream(void *self, const tn_expr *x) {
  pack_search *q = self;
  const tni_iter *iters = q->block->as.block.iters;
  const tn_expr *vector = iters[tni_iter_of_dim(q->block, q->tile->vector_dim)].var;
  int64_t width = q->tile->vectors * q->tile->lanes, bytes = (int64_t)tn_type_bytes(x->type), stride;
  bool apart = false;
  if (x->op != TN_OP_load || x->as.buffer == tni_block_store(q->block)->as.store.buffer) return;
  if (!tni_stride_of(q->p, x->as.buffer, x->arg, vector, &stride) || stride != 1) return;
  for (int32_t i = 0; i < q->block->as.block.count; i++) {
    if (!tni_stride_of(q->p, x->as.buffer, x->arg, iters[i].var, &stride)) return;
    if (stride) bytes *= tni_extent_of(q->block, i);
    apart |= iters[i].reduce && stride > width;
  }
  if (apart && bytes > (int64_t)q->p->target->l2 / 3) q->found = x->as.buffer;
}

static bool wants_streams(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  pack_search q = {.p = p, .block = block, .tile = t};
  int sums = 0;
  for (int32_t i = 0; i < block->as.block.count; i++) sums += block->as.block.iters[i].reduce;
  if (t->row_dim >= 0 || sums != 1) return false;
  tni_expr_visit_memory(p->s->ctx, tni_block_store(block)->as.store.value, look_at_stream, &q);
  return q.found != NULL;
}

/* ---- asking ahead ---- */

static bool has_several_sums(const tn_stmt *block) {
  int sums = 0;
  for (int32_t i = 0; i < block->as.block.count; i++)
    sums += block->as.block.iters[i].reduce && tni_extent_of(block, i) != 1;
  return sums > 1;
}

/* Is it what the outer loop over tiles moves and the inner one does not (of packed columns, the other way round: they
 * are near), and does not all of it stay in the second cache? Of windows it must be weights, which are read without
 * gaps, many more than the cache holds: a step is so short that asking costs more. */
static void look_at_ahead(void *self, const tn_expr *x) {
  pack_search *q = self;
  const tni_iter *iters = q->block->as.block.iters;
  if (x->op != TN_OP_load || x->as.buffer == tni_block_store(q->block)->as.store.buffer || tni_load_where(x)) return;
  bool outside = q->tile->vectors_outside && !q->tile->packed;
  const tn_expr *row = iters[tni_iter_of_dim(q->block, q->tile->row_dim)].var;
  const tn_expr *vector = iters[tni_iter_of_dim(q->block, q->tile->vector_dim)].var;
  if (!moves(q->p, x, outside ? vector : row) || moves(q->p, x, outside ? row : vector)) return;
  double bytes = (double)tn_type_bytes(x->type);
  for (int32_t i = 0; i < q->block->as.block.count; i++)
    if (moves(q->p, x, iters[i].var)) bytes *= (double)tni_extent_of(q->block, i);
  bytes = fmin(bytes, tni_bytes_of_buffer(x->as.buffer)); /* windows overlap */
  double near = (double)q->p->target->l2 * (has_several_sums(q->block) ? 2 : 1 / 3.0);
  if (bytes > near) q->found = x->as.buffer;
}

static const tn_buffer *choose_ahead(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  pack_search q = {.p = p, .block = block, .tile = t};
  if (t->row_dim < 0 || (has_several_sums(block) && !t->vectors_outside)) return NULL;
  tni_expr_visit_memory(p->s->ctx, tni_block_store(block)->as.store.value, look_at_ahead, &q);
  return q.found;
}

enum { AGAIN = 2, LEAST_STEPS = 8 };

/* Where the core begins hardly as many instructions as a step has, those of the loop itself are for several steps. */
static int64_t choose_again(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int64_t steps = 0;
  if (t->row_dim < 0 || t->unit || t->taps || !broadcasts_apart(p->target)) return 1;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce) steps = tni_extent_of(block, i);
  return steps >= LEAST_STEPS ? AGAIN : 1;
}

/* How many neighbours along the variable share a factor that the next ones do not; 0: there is no such factor. */
static int64_t group_along(const tni_planner *p, const tn_stmt *block, const tn_expr *var) {
  const tn_expr *factors[2];
  int64_t group = 0;
  if (!tni_find_factors(block, &factors[0], &factors[1])) return 0;
  for (int i = 0; i < 2 && !group; i++) group = tni_group_of(p, factors[i], var);
  return group;
}

/* Lanes and vectors of columns in groups; what they are of is the extent of a group, or of a vector of several. */
static int64_t fit_groups(const tni_planner *p, tn_type type, int64_t extent, tni_tile *t) {
  t->lanes = tni_target_group_lanes(p->target, type, extent, t->group);
  return t->group > t->lanes ? t->group : t->lanes;
}

/* Vectors of a tile are in one group. */
static void keep_to_group(tni_tile *t) {
  while (t->group > t->lanes && t->group / t->lanes % t->vectors) t->vectors--;
}

bool tni_choose_tile(const tni_planner *p, const tn_stmt *block, tni_tile *t) {
  const tn_stmt *store = tni_block_store(block);
  int32_t rank = store->as.store.count;
  t->vector_dim = choose_vector_dim(p, block, t->first_dim, rank);
  if (t->vector_dim < 0) return false;
  t->row_dim = choose_row_dim(p, block, t->first_dim, rank, t->vector_dim);
  int64_t extent = tni_extent_of(block, tni_iter_of_dim(block, t->vector_dim));
  const tn_expr *along = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  t->lanes = tni_target_lanes(p->target, store->as.store.buffer->type, extent);
  t->group = group_along(p, block, along);
  if (t->group) extent = fit_groups(p, store->as.store.buffer->type, extent, t);
  if (tni_strides_of(p, block, along).far) extent = t->lanes; /* each lane has a cache line of its own: one vector */
  int64_t rows = t->row_dim < 0 ? 1 : tni_extent_of(block, tni_iter_of_dim(block, t->row_dim));
  t->unit = tni_unit_for(p, block);
  t->steps = t->unit ? t->unit->steps : 1;
  int64_t near = t->row_dim < 0 ? 1 : tni_most_rows_near(p, block, t);
  bool window = !t->unit && has_several_sums(block);
  if (rows > 1)
    size_tile(p->target, extent, rows, near, tni_sum_of(block) / t->steps, window, t);
  else
    tni_choose_vectors(p, block, extent, window, t);
  if (t->group) keep_to_group(t);
  tni_fit_window(p, block, t);
  t->vectors_outside = wants_vectors_outside(p, block, t);
  t->packed = choose_packed(p, block, t);
  t->vectors_outside |= t->packed != NULL;
  t->batches = t->row_dim < 0 ? 0 : count_batches(p, block, t);
  t->ahead = choose_ahead(p, block, t);
  t->streams = wants_streams(p, block, t);
  t->again = choose_again(p, block, t);
  return true;
}
