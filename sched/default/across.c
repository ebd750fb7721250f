/* across.c -- an elementwise block that reads across what it writes: in squares, of vectors that are written out.
 *
 *     for i { for j { B[i, j] = f(A[j, i]) } }
 *       ->
 *     for i by n { for j by n { for n unrolled { for n vectorized { .. } } } }
 *
 * Code generation reads the rows of a square and turns it in registers (targets/llvm/transpose.c). Where there are few
 * columns, vectors go along i, and the columns between each other (targets/llvm/interleave.c), as those of pixels do whose
 * channels were in images of their own:
 *
 *     for i by n { for j unrolled { for n vectorized { B[i, j] = f(A[j, i]) } } }
 *
 * What is long is done in a loop over the rows of a square that was turned before it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum {
  LEAST_LANES = 4,
  MOST_LANES = 16,
  GROUP_BYTES = 16, /* that are read at once */
  LEAST_COLUMNS = 2,
  MOST_COLUMNS = 4,
  ISSUE = 3,     /* instructions a cycle */
  MANY_TURNS = 4 /* of a core */
};

typedef struct across_search {
  const tni_planner *p;
  const tn_stmt *block;
  const tn_expr *inner; /* the iterator of vectors */
  int32_t row; /* the iterator along which a load that is far apart in vectors has its neighbours; -1: none */
  const tn_expr *load; /* that one */
} across_search;

static void look_across(void *self, const tn_expr *x) {
  across_search *q = self;
  int64_t stride;
  if (q->row >= 0 || x->op != TN_OP_load) return;
  if (!tni_stride_of(q->p, x->as.buffer, x->arg, q->inner, &stride) || stride < 2) return;
  for (int32_t i = 0; i < q->block->as.block.count && q->row < 0; i++)
    if (tni_stride_of(q->p, x->as.buffer, x->arg, q->block->as.block.iters[i].var, &stride) && stride == 1)
      q->row = i, q->load = x;
}

/* Lanes of a square of so many elements: larger ones move more bytes with each instruction, and are more code. A row of n is
 * read in groups of 16 bytes, which are put together and mixed. */
static int64_t choose_lanes(const tni_planner *p, const tn_stmt *block, int64_t most) {
  const tn_type type = tni_block_store(block)->as.store.buffer->type;
  int64_t group = GROUP_BYTES / (int64_t)tn_type_bytes(type), best = most;
  double elements = tni_steps_of(block, -1), value = tni_instructions_of(p, block), least = 0;
  for (int64_t n = most; n >= LEAST_LANES && n >= group && n % 2 == 0; n /= 2) {
    double parts = (double)tni_divide_up(n, group), instructions = 2 * parts + value; /* a row's */
    double cost = elements / (double)n * instructions / ISSUE + tni_price_of((double)n * (instructions + parts));
    if (least > 0 && cost > least) continue;
    least = cost;
    best = n;
  }
  return best;
}

/* The square is turned before `loop`'s rows, and its loops vectorized and unrolled. */
static bool turn(tni_planner *p, tn_block_ref block, int32_t which, tn_loop loop) {
  tn_block_ref turned;
  tn_loop loops[TNI_MAX_LOOPS];
  tn_error *e = NULL;
  if (!tni_tried(p, tn_reindex(p->s, block, which, 0, "register", &turned, &e), &e)) return false;
  if (!tni_tried(p, tn_compute_at(p->s, turned, loop, &e), &e)) return false;
  size_t count = tni_loops_of(p, turned, loops);
  const tn_stmt *outside = tni_handle_loop(p->s, loop);
  size_t at = 0;
  while (at < count && tni_handle_loop(p->s, loops[at]) != outside) at++;
  if (at + 2 > count) return false;
  tni_try_vectorize(p, loops[count - 1]);
  for (size_t i = at + 1; i + 1 < count; i++) tni_try_unroll(p, loops[i]);
  return true;
}

/* Where much is done with each element: the square is turned in front of it, below `loop`, so that a loop goes over its rows.
 * False, and nothing is changed: all is done with each row that is written out. */
static bool turns_before(tni_planner *p, const char *name, const tn_expr *load, int64_t lanes, tn_loop loop) {
  const tn_stmt *block = tni_find_block(p->s->func->body, name);
  tn_block_ref ref = tni_block_named(p, name);
  int32_t which = ref ? tni_find_read_number(p, ref, load->as.buffer) : -1;
  double vectors = tni_steps_of(block, -1) / (double)lanes;
  if (which < 0 || !tni_is_long(p, block) || !tni_is_loop_less(p, block, lanes - 1, vectors)) return false;
  tni_mark mark = tni_mark_of(p->s);
  bool done = turn(p, ref, which, loop);
  if (!done && !p->status) tni_go_back(p->s, &mark);
  return done;
}

/* Steps of so many loops, which none of them decides for another. */
static int64_t count_steps(tni_planner *p, size_t count, const tn_loop *loops) {
  int64_t steps = 1;
  for (size_t i = 0; i < count; i++) {
    const tn_expr *extent = tni_handle_loop(p->s, loops[i])->as.loop.extent;
    if (!tni_is_const(extent) || __builtin_mul_overflow(steps, extent->as.i, &steps)) return INT64_MAX;
  }
  return steps;
}

bool tni_schedule_across(tni_planner *p, const tn_stmt *block, size_t from, size_t inner, tn_loop *loops,
                         size_t *outer) {
  const tn_stmt *store = tni_block_store(block);
  const tni_iter *it = tni_iter_fed_by(p, block, loops[inner]);
  tn_loop order[TNI_MAX_LOOPS], rows[2], columns[2];
  size_t row = from, n = 0;
  if (!it || !store || tni_is_reduction(block)) return false; /* a block of several stores has none that is its own */
  across_search q = {.p = p, .block = block, .inner = it->var, .row = -1};
  tni_expr_visit_memory(p->s->ctx, store->as.store.value, look_across, &q);
  while (q.row >= 0 && row < inner && tni_iter_fed_by(p, block, loops[row]) != &block->as.block.iters[q.row]) row++;
  if (q.row < 0 || row >= inner) return false;
  int64_t extent = it->extent->as.i, lanes = tni_target_lanes(p->target, store->as.store.buffer->type, extent);
  if (!tni_is_const(it->extent) || lanes < LEAST_LANES || lanes > MOST_LANES || extent < lanes ||
      tni_extent_of(block, q.row) < lanes)
    return false;
  const char *name = block->as.block.name;
  lanes = choose_lanes(p, block, lanes);
  /* iterations that run twice are in order: threads take what is outside of them */
  bool threads = tni_goes_parallel(p, tni_work_of(block));
  bool many = !threads || count_steps(p, row, loops) >= MANY_TURNS * p->target->cores;
  *outer = !threads || (extent % lanes == 0 && tni_extent_of(block, q.row) % lanes == 0) ? inner + 1 : row + !many;
  if (!tni_try_parts(p, loops[row], lanes, many, rows) || !tni_try_parts(p, loops[inner], lanes, true, columns))
    return false;
  loops[row] = rows[0];
  loops[inner] = columns[0];
  for (size_t i = row; i <= inner; i++) order[n++] = loops[i];
  order[n++] = rows[1];
  order[n++] = columns[1];
  if (!tni_try_reorder(p, n, order)) return true;
  if (!turns_before(p, name, q.load, lanes, columns[0])) tni_try_unroll(p, rows[1]);
  tni_try_vectorize(p, columns[1]);
  return true;
}

/* ---- few columns ------------------------------------------------------------------------------------------------- */

/* How an access moves with the columns, the rows and what is around these. */
typedef struct rows_search {
  const tni_planner *p;
  const tn_stmt *block;
  int32_t last; /* the columns' iterator */
  int64_t columns, rows;
  bool hold;    /* neighbours along the rows, or one for all rows */
  bool across;  /* there are such neighbours */
  bool goes_on; /* where a row ends the next one begins */
} rows_search;

static int64_t step_of(rows_search *q, const tn_expr *x, int32_t iter) {
  int64_t stride = 0;
  q->hold &= tni_stride_of(q->p, x->as.buffer, x->arg, q->block->as.block.iters[iter].var, &stride);
  return stride;
}

static void look_along_rows(void *self, const tn_expr *x) {
  rows_search *q = self;
  if (x->op != TN_OP_load) return;
  int64_t down = step_of(q, x, q->last - 1);
  q->hold &= !tni_load_where(x) && (down == 0 || down == 1);
  q->across |= down == 1;
  if (q->last > 1) q->goes_on &= step_of(q, x, q->last - 2) == down * q->rows;
}

bool tni_schedule_between(tni_planner *p, const tn_stmt *block, size_t count, tn_loop *loops, size_t *outer) {
  const tn_stmt *store = tni_block_store(block);
  int64_t along, down, around;
  rows_search q = {.p = p, .block = block, .last = block->as.block.count - 1, .hold = true, .goes_on = true};
  if (tni_is_reduction(block) || q.last < 1 || count != (size_t)block->as.block.count) return false;
  const tni_iter *iters = block->as.block.iters;
  const tn_buffer *to = store->as.store.buffer;
  q.columns = tni_extent_of(block, q.last), q.rows = tni_extent_of(block, q.last - 1);
  if (q.columns < LEAST_COLUMNS || q.columns > MOST_COLUMNS) return false;
  if (!tni_stride_of(p, to, store->as.store.index, iters[q.last].var, &along) || along != 1 ||
      !tni_stride_of(p, to, store->as.store.index, iters[q.last - 1].var, &down) || down != q.columns)
    return false;
  tni_expr_visit_memory(p->s->ctx, store->as.store.value, look_along_rows, &q);
  if (!q.hold || !q.across) return false;
  q.goes_on &= q.last > 1 && tni_stride_of(p, to, store->as.store.index, iters[q.last - 2].var, &around) &&
               around == down * q.rows && tni_extent_of(block, q.last - 2) > 0;
  size_t row = count - 2, column = count - 1;
  tn_loop parts[2], order[3] = {0, loops[column], 0};
  int64_t rows = q.goes_on ? q.rows * tni_extent_of(block, q.last - 2) : q.rows;
  int64_t lanes = tni_target_lanes(p->target, to->type, rows);
  if (lanes > MOST_LANES) lanes = MOST_LANES;
  if (lanes < LEAST_LANES || rows < lanes) return false;
  if (q.goes_on && tni_try_fuse(p, 2, &loops[row - 1], &loops[row - 1])) row--;
  if (!tni_try_split(p, loops[row], lanes, parts)) return false;
  order[0] = loops[row] = parts[0], order[2] = parts[1];
  if (tni_try_reorder(p, 3, order)) {
    tni_try_unroll(p, order[1]);
    tni_try_vectorize(p, order[2]);
  }
  *outer = row + 1;
  return true;
}
