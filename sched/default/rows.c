/* rows.c -- an operator over rows in several stages, like softmax: all of them row by row.
 *
 *     for rows { m = max }  for rows { for columns { e = exp(x - m) } }  for rows { s = sum e }  ..
 *       ->
 *     for rows { m = max;  for columns { e = exp(x - m) };  s = sum e;  .. }
 *
 * So a stage finds what the last one left in registers and in the first cache, and the rows run in parallel. Sums that are
 * made in parts (ir/graph/ops_reduce.c) are vectors; few steps are written out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { FEW_STEPS = 4, MOST_SCALARS = 64 /* elements of a stage that stay in registers */ };
enum { MOST_ROWS = 4, MOST_STREAMS = 2, MANY_ROWS = 8 /* times those side by side: what is left of them is little */ };
enum { SHORT = 512 /* bytes of a row that is over before memory is asked for much of it */ };

/* ---- is it one? -------------------------------------------------------------------------------------------------- */

/* Dimensions of what a block stores, without those of size 1 at the end. */
static int32_t rank_of(const tn_stmt *store) {
  const tn_buffer *b = store->as.store.buffer;
  int32_t rank = b->rank;
  while (rank > 0 && tni_is_int(b->shape[rank - 1], 1)) rank--;
  return rank;
}

/* Do the first so many subscripts of the store go by the block's first iterators, of more than one row together? */
static bool begins_with_rows(const tn_stmt *block, int32_t rows) {
  const tn_stmt *store = tni_block_store(block);
  int64_t count = 1;
  if (rows > block->as.block.count) return false;
  for (int32_t d = 0; d < rows; d++) {
    const tni_iter *it = &block->as.block.iters[d];
    if (it->reduce || store->as.store.index[d] != it->var || !tni_extent_of(block, d)) return false;
    count *= tni_extent_of(block, d);
  }
  return count > 1;
}

/* Does the block read of each stage its own row only? */
typedef struct row_search {
  const tni_planner *p;
  const tn_stmt *block;
  int32_t rows;
  bool own;
} row_search;

static void look_at_row(void *self, const tn_expr *x) {
  row_search *q = self;
  if (x->op != TN_OP_load || tni_is_param(q->p->s->func, x->as.buffer)) return;
  for (int32_t d = 0; d < q->rows; d++) q->own &= x->arg[d] == q->block->as.block.iters[d].var;
}

static bool reads_own_row(const tni_planner *p, const tn_stmt *block, int32_t rows) {
  row_search q = {.p = p, .block = block, .rows = rows, .own = true};
  tni_expr_visit_memory(p->s->ctx, tni_block_store(block)->as.store.value, look_at_row, &q);
  return q.own;
}

/* Is it a sum of products whose factors are used again, which wants a tile? */
static bool wants_tile(const tni_planner *p, const tn_stmt *block) {
  tni_tile t = {0};
  return tni_is_reduction(block) && tni_choose_tile(p, block, &t) && (t.row_dim >= 0 || t.streams || t.unit);
}

/* The stage's dimension behind the rows that its vectors run along: the last one, if it moves; -1: none. */
static int32_t vector_dim_of(const tn_stmt *block, int32_t rows) {
  const tn_stmt *store = tni_block_store(block);
  int32_t last = rank_of(store) - 1;
  if (last < rows) return -1;
  int32_t i = tni_iter_of_dim(block, last);
  return i >= 0 && tni_extent_of(block, i) >= 4 ? last : -1;
}

/* A sum in order, one by one: rows side by side in lanes are better then. */
static bool is_slow_in_rows(const tni_planner *p, const tn_stmt *block, int32_t rows) {
  int64_t steps = 1;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce) steps *= tni_extent_of(block, i);
  return steps > FEW_STEPS && vector_dim_of(block, rows) < 0 && !tni_wants_lanes(p, block, NULL);
}

/* How many dimensions are rows: those of all stages, of which one has no others; 0: it is no such operator. */
static int32_t count_rows(const tni_planner *p, const tni_block_list *l) {
  int32_t rows = TN_MAX_RANK + 1;
  bool reduces = false, made_inside = false;
  if (l->count < 2) return 0;
  for (size_t i = 0; i < l->count; i++) {
    const tn_stmt *store = tni_block_store(l->items[i]);
    if (!store || wants_tile(p, l->items[i])) return 0;
    bool given = tni_is_param(p->s->func, store->as.store.buffer);
    if (given != (i + 1 == l->count) || (tni_is_reduction(l->items[i]) && !l->items[i]->as.block.init)) return 0;
    reduces |= tni_is_reduction(l->items[i]);
    made_inside |= !given;
    if (rank_of(store) < rows) rows = rank_of(store);
  }
  for (size_t i = 0; i < l->count; i++)
    if (!begins_with_rows(l->items[i], rows) || !reads_own_row(p, l->items[i], rows) ||
        is_slow_in_rows(p, l->items[i], rows))
      return 0;
  return reduces && made_inside ? rows : 0;
}

/* ---- stages ------------------------------------------------------------------------------------------------------ */

/* What a stage leaves of a row. */
static int64_t elements_of_row(const tn_stmt *store, int32_t rows) {
  int64_t count = 1;
  for (int32_t d = rows; d < store->as.store.buffer->rank; d++) {
    const tn_expr *extent = store->as.store.buffer->shape[d];
    if (!tni_is_const(extent) || __builtin_mul_overflow(count, extent->as.i, &count)) return INT64_MAX;
  }
  return count;
}

static void unroll_if_few(tni_planner *p, tn_loop loop) {
  const tn_stmt *stmt = tni_handle_loop(p->s, loop);
  if (stmt && tni_is_const(stmt->as.loop.extent) && stmt->as.loop.extent->as.i <= FEW_STEPS) tni_try_unroll(p, loop);
}

/* Where a stage stands: below `outer` loops over rows; if `jam` is more than 1, a loop over so many rows is its first. */
typedef struct rows_at {
  int32_t dims; /* that are rows */
  size_t outer;
  int64_t jam;
} rows_at;

static void schedule_sum(tni_planner *p, const char *name, const rows_at *at) {
  const tn_stmt *block = tni_find_block(p->s->func->body, name);
  tn_block_ref ref = tni_block_named(p, name), init;
  tn_loop loops[TNI_MAX_LOOPS];
  tn_error *e = NULL;
  bool jams = at->jam > 1;
  size_t count = ref ? tni_loops_of(p, ref, loops) : 0, inner = at->outer + jams;
  tni_tile t = {.vector_dim = vector_dim_of(block, at->dims), .row_dim = jams ? at->dims - 1 : -1, .steps = 1};
  if (count <= inner) return;
  if (t.vector_dim >= 0) {
    int64_t extent = tni_extent_of(block, tni_iter_of_dim(block, t.vector_dim));
    t.lanes = tni_target_lanes(p->target, tni_block_store(block)->as.store.buffer->type, extent);
    tni_tile_reduction(p, name, &t, at->outer);
    ref = tni_block_named(p, name);
    if (ref && tni_loops_of(p, ref, loops)) unroll_if_few(p, loops[at->outer]);
    return;
  }
  tn_loop row = loops[at->outer];
  if (tni_wants_lanes(p, block, NULL)) {
    tni_reduce_in_lanes(p, name, inner);
  } else {
    tni_tried(p, tn_decompose_reduction(p->s, ref, loops[inner], &init, &e), &e);
    unroll_if_few(p, loops[inner]);
  }
  if (jams) tni_try_unroll(p, row);
}

static void schedule_columns(tni_planner *p, const char *name, const rows_at *at) {
  const tn_stmt *block = tni_find_block(p->s->func->body, name);
  tn_block_ref ref = tni_block_named(p, name);
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  bool jams = at->jam > 1;
  size_t count = ref ? tni_loops_of(p, ref, loops) : 0;
  int32_t dim = vector_dim_of(block, at->dims);
  if (count > at->outer + jams && dim >= 0) {
    int64_t extent = tni_extent_of(block, tni_iter_of_dim(block, dim));
    int64_t lanes = tni_target_lanes(p->target, tni_block_store(block)->as.store.buffer->type, extent);
    if (tni_try_parts(p, loops[count - 1], lanes, tni_is_tail_dear(p, block, lanes), parts)) {
      if (jams) tni_try_reorder(p, 2, (tn_loop[]){parts[0], loops[at->outer]});
      tni_try_vectorize(p, parts[1]);
    }
  }
  if (jams && count > at->outer) tni_try_unroll(p, loops[at->outer]);
}

static void schedule_stage(tni_planner *p, const char *name, bool given, const rows_at *at) {
  const tn_stmt *block = tni_find_block(p->s->func->body, name);
  tn_block_ref ref = tni_block_named(p, name);
  tn_error *e = NULL;
  if (!given && elements_of_row(tni_block_store(block), at->dims) <= MOST_SCALARS)
    tni_tried(p, tn_set_scope(p->s, ref, "register", 0, &e), &e);
  if (tni_is_reduction(block))
    schedule_sum(p, name, at);
  else
    schedule_columns(p, name, at);
}

/* Elements that a stage goes over in a row, at most. */
static int64_t length_of_row(const tni_block_list *l, int32_t dims) {
  int64_t most = 1;
  for (size_t i = 0; i < l->count; i++) {
    int64_t length = tni_work_of(l->items[i]);
    for (int32_t d = 0; d < dims; d++) length /= tni_extent_of(l->items[i], d);
    most = length > most ? length : most;
  }
  return most;
}

/* Does what the stages read and write from outside stay in the second cache? */
static bool is_near(const tni_planner *p) {
  int64_t bytes = 0;
  for (uint32_t i = 0; i < p->s->func->param_count; i++) {
    const tn_buffer *b = p->s->func->params[i].buffer;
    int64_t size = b ? tni_buffer_constant_size(b) : 0;
    bytes = size < 0 || size > INT32_MAX || bytes < 0 ? -1 : bytes + size * (int64_t)tn_type_bytes(b ? b->type : TN_U8);
  }
  return bytes >= 0 && bytes <= (int64_t)p->target->l2;
}

/* Rows side by side, so that one's sums are made while another's wait: where the registers hold the parts of several, and
 * the first cache what is read again of them. Each is a stream of its own: what comes from afar is asked for in time of
 * few. */
static int64_t choose_jam(const tni_planner *p, const tni_block_list *l, int32_t dims, tn_loop row) {
  const tn_expr *extent = tni_handle_loop(p->s, row)->as.loop.extent;
  if (p->target->vector_registers < 32 || !tni_is_const(extent)) return 1;
  int64_t rows = 1, most = (int64_t)p->target->l1d * 2 / 3;
  int64_t bytes = (int64_t)tn_type_bytes(tni_block_store(l->items[0])->as.store.buffer->type) * length_of_row(l, dims);
  int64_t most_rows = bytes <= SHORT || is_near(p) ? MOST_ROWS : MOST_STREAMS;
  while (rows < most_rows && 2 * rows * bytes <= most &&
         (extent->as.i % (2 * rows) == 0 || extent->as.i >= 2 * rows * MANY_ROWS))
    rows *= 2;
  return rows;
}

/* The loops over rows of the last stage, with all others below them; false: some cannot be there. */
static bool gather(tni_planner *p, const tni_block_list *l, rows_at *at, tn_loop *loops) {
  tn_block_ref out = tni_block_named(p, l->items[l->count - 1]->as.block.name);
  tn_loop parts[2];
  at->outer = (size_t)at->dims;
  if (!out || tni_loops_of(p, out, loops) < at->outer) return false;
  at->jam = choose_jam(p, l, at->dims, loops[at->outer - 1]);
  if (at->jam > 1) {
    if (!tni_try_split(p, loops[at->outer - 1], at->jam, parts)) return false;
    loops[at->outer - 1] = parts[0];
  }
  for (size_t i = l->count - 1; i-- > 0;) {
    tn_block_ref ref = tni_block_named(p, l->items[i]->as.block.name);
    tn_error *e = NULL;
    if (!ref || !tni_tried(p, tn_compute_at(p->s, ref, loops[at->outer - 1], &e), &e)) return false;
  }
  return true;
}

bool tni_schedule_rows(tni_planner *p) {
  tni_block_list l = tni_blocks_of(p);
  rows_at at = {.dims = count_rows(p, &l)};
  tn_loop loops[TNI_MAX_LOOPS];
  int64_t work = 0;
  if (!at.dims) return false;
  tni_mark mark = tni_mark_of(p->s);
  if (!gather(p, &l, &at, loops)) {
    if (!p->status) tni_go_back(p->s, &mark);
    return p->status != TN_OK;
  }
  for (size_t i = 0; i < l.count && !p->status; i++) {
    schedule_stage(p, l.items[i]->as.block.name, i + 1 == l.count, &at);
    work += tni_work_of(l.items[i]);
  }
  tni_parallel_outer(p, at.outer, loops, work);
  return true;
}
