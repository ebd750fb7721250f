/* default.c -- the schedule of a function that nobody scheduled: chosen from shapes and the target, nothing measured.
 *
 *   1. Cheap elementwise blocks go into their consumers (compute_inline), or into a sum's beginning (begin.c).
 *   2. A reduction and the elementwise block behind it (its epilogue; a copy when there is none) become a tile: the epilogue's
 *      loops are split into a register tile, rows by vectors, as many accumulators as the registers hold; the reduction is
 *      computed at the tile in registers (compute_at), its reduce loops outside, rows unrolled, vectors innermost.
 *   3. Stages of one operator over rows, like softmax, are done row by row (rows.c).
 *   4. All other blocks: innermost loop vectorized where neighbours are neighbours in memory, outer loops in parallel.
 *
 * A function whose blocks stand in loops together already, as steps of a recurrence, is another thing (nest.c).
 *
 * Everything is done by the public primitives: a step that is refused leaves the function correct, only slower.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum {
  CHEAP_OPS = 2,      /* operators that may be computed again for each consumer */
  CHEAP_BORDER = 128, /* multiply-adds for each element of a factor that pay for a copy of it */
};

/* ---- 1. inlining ---- */

/* With a copy of the factor, border and all, one body does the edges and the middle. It is worth it where much is
 * computed of each element, or rows of the factor itself would crowd in the cache. */
static bool is_worth_copying(const tni_planner *p, const tn_stmt *block, const tn_stmt *reader, const tni_tile *t) {
  return tni_work_of(reader) / CHEAP_BORDER >= tni_work_of(block) || tni_rows_are_crowded(p, reader, t);
}

typedef struct load_search {
  const tn_buffer *buffer;
  const tn_expr *found;
  int count;
} load_search;

static void look_for_load(void *self, const tn_expr *x) {
  load_search *q = self;
  if (x->op == TN_OP_load && x->as.buffer == q->buffer) q->found = x, q->count++;
}

/* The only load of the buffer in the reduction, without a condition but that of its steps; NULL: it is another one. */
static const tn_expr *only_load(const tni_planner *p, const tn_stmt *reader, const tn_buffer *b) {
  load_search q = {.buffer = b};
  if (!tni_block_store(reader)) return NULL;
  tni_expr_visit_memory(p->s->ctx, tni_block_store(reader)->as.store.value, look_for_load, &q);
  const tn_expr *where = q.count == 1 ? tni_load_where(q.found) : NULL;
  return q.count == 1 && (!where || where == tni_left_out(reader)) ? q.found : NULL;
}

/* The condition of a border: of zeros, or of another number; NULL: the value is none such. */
static const tn_expr *border_condition(const tn_expr *value) {
  if (value->op == TN_OP_load) return tni_load_where(value);
  bool chosen = value->op == TN_OP_select && value->arg[1]->op == TN_OP_load && tni_is_const(value->arg[2]);
  return chosen && tni_load_where(value->arg[1]) == value->arg[0] ? value->arg[0] : NULL;
}

/* A border around a factor, or what is reduced alone: is the condition the same for all lanes, so that the reduction's
 * own loads can have it, and nothing is copied? A window of it in registers is no copy either (window.c), and one of
 * groups, whose taps are written out, loads little. */
static bool is_border_for_loads(const tni_planner *p, const tn_stmt *block, const tn_stmt *reader) {
  const tn_stmt *store = tni_block_store(block);
  const tn_expr *x, *y, *where = border_condition(store->as.store.value);
  const tn_expr *load = where ? only_load(p, reader, store->as.store.buffer) : NULL;
  tni_tile t = {0};
  int64_t along;
  if (!load || !tni_choose_tile(p, reader, &t) || t.window) return false;
  bool factors = tni_find_factors(reader, &x, &y);
  if (factors && store->as.store.value->op != TN_OP_load) return false;
  const tn_expr *lane = reader->as.block.iters[tni_iter_of_dim(reader, t.vector_dim)].var;
  if (!tni_stride_of(p, load->as.buffer, load->arg, lane, &along)) return false;
  bool shared = factors && along == 0 && t.row_dim >= 0;
  if (along != 1 && (!shared || (!t.taps && is_worth_copying(p, block, reader, &t)))) return false;
  for (int32_t d = 0; d < store->as.store.count; d++)
    if (tni_expr_uses(p->s->ctx, load->arg[d], lane) && tni_expr_uses(p->s->ctx, where, store->as.store.index[d]))
      return false;
  return true;
}

static bool should_inline(const tni_planner *p, const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block), *last;
  int reductions;
  if (!store || tni_is_reduction(block) || tni_is_param(p->s->func, store->as.store.buffer)) return false;
  tni_cost c = tni_cost_of(p, block);
  int readers = tni_count_readers(p, store->as.store.buffer, block, &reductions, &last);
  if (readers == 0) return false;
  if (reductions && c.predicated) return readers == 1 && is_border_for_loads(p, block, last);
  if (reductions) return c.math == 0 && c.ops == 0;
  if (tni_is_long(p, block) && tni_work_of(last) > tni_work_of(block)) return false; /* computed again and again */
  return readers == 1 || (c.math == 0 && c.ops <= CHEAP_OPS);
}

void tni_inline_block(tni_planner *p, const tn_stmt *block) {
  tn_error *e = NULL;
  tn_block_ref ref = should_inline(p, block) ? tni_block_named(p, block->as.block.name) : 0;
  if (ref) tni_tried(p, tn_compute_inline(p->s, ref, &e), &e);
}

static void inline_blocks(tni_planner *p) {
  tni_block_list l = tni_blocks_of(p);
  for (size_t i = 0; i < l.count && !p->status; i++) {
    const tn_stmt *block = tni_find_block(p->s->func->body, l.items[i]->as.block.name);
    if (block) tni_begin_with_bias(p, block);
    block = tni_find_block(p->s->func->body, l.items[i]->as.block.name);
    if (block) tni_inline_block(p, block);
  }
}

/* ---- 4. the others (2. is reduce.c, 3. is rows.c) ---- */

typedef struct same_search {
  const tn_stmt *store;
  bool same;
} same_search;

static void look_if_same(void *self, const tn_expr *x) {
  same_search *q = self;
  const tn_buffer *out = q->store->as.store.buffer;
  if (x->op != TN_OP_load) return;
  q->same &= !tni_load_where(x) && x->as.buffer->rank == out->rank && tni_is_row_major(x->as.buffer);
  for (int32_t d = 0; q->same && d < out->rank; d++)
    q->same = x->as.buffer->shape[d] == out->shape[d] && x->arg[d] == q->store->as.store.index[d];
}

/* Does every load have the store's shape and subscripts, which are the iterators in order? Then all loops are one. */
static bool is_flat(const tni_planner *p, const tn_stmt *block) {
  same_search q = {.store = tni_block_store(block)};
  q.same = tni_is_row_major(q.store->as.store.buffer);
  for (int32_t d = 0; d < q.store->as.store.count; d++)
    q.same &= d < block->as.block.count && block->as.block.iters[d].var == q.store->as.store.index[d] &&
              tni_extent_of(block, d) > 0;
  tni_expr_visit_memory(p->s->ctx, q.store->as.store.value, look_if_same, &q);
  return q.same && q.store->as.store.count == block->as.block.count;
}

/* The innermost iterator that moves at all, if the store is contiguous along it and most loads are, too; -1: none. */
static int32_t vector_iter(const tni_planner *p, const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block);
  int32_t last = block->as.block.count - 1;
  while (last >= 0 && tni_extent_of(block, last) == 1) last--;
  int64_t stride = 0;
  if (last < 0 || tni_extent_of(block, last) < 4 || tni_is_reduction(block)) return -1;
  const tn_expr *var = block->as.block.iters[last].var;
  tni_strides q = tni_strides_of(p, block, var);
  if (!tni_stride_of(p, store->as.store.buffer, store->as.store.index, var, &stride) || stride != 1) return -1;
  return q.near + q.far <= q.unit + 1 ? last : -1;
}

/* How many loops are in front of the first that reduces, or feeds no iterator. */
static size_t count_spatial(const tni_planner *p, const tn_stmt *block, size_t count, const tn_loop *loops) {
  size_t n = 0;
  for (; n < count; n++) {
    const tni_iter *it = tni_iter_fed_by(p, block, loops[n]);
    if (!it || it->reduce) break;
  }
  return n;
}

/* A reduction of several states: the loops in front of its reduce loops, in parallel. */
static void schedule_states(tni_planner *p, const tn_stmt *block) {
  tn_block_ref ref = tni_block_named(p, block->as.block.name);
  tn_loop loops[TNI_MAX_LOOPS];
  size_t count = ref ? tni_loops_of(p, ref, loops) : 0;
  tni_parallel_outer(p, count_spatial(p, block, count, loops), loops, tni_work_of(block));
}

typedef struct row_search {
  const tni_planner *p;
  const tn_expr *outer, *inner;
  int64_t extent; /* of the inner one */
  bool goes_on;
} row_search;

static bool goes_on(const row_search *q, const tn_buffer *b, const tn_expr *const *index) {
  int64_t along, down;
  return tni_stride_of(q->p, b, index, q->inner, &along) && tni_stride_of(q->p, b, index, q->outer, &down) &&
         along == 1 && down == q->extent;
}

static void look_if_it_goes_on(void *self, const tn_expr *x) {
  row_search *q = self;
  if (x->op == TN_OP_load) q->goes_on &= goes_on(q, x->as.buffer, x->arg);
}

/* Is the innermost iterator too short for vectors, but memory goes on where it ends and the next step of the one around
 * it begins, in all accesses? So are pixels of few channels. */
static bool is_short_row(const tni_planner *p, const tn_stmt *block) {
  int32_t last = block->as.block.count - 1;
  const tn_stmt *store = tni_block_store(block);
  if (last < 1 || tni_is_reduction(block) || tni_extent_of(block, last - 1) < 1) return false;
  row_search q = {.p = p,
                  .outer = block->as.block.iters[last - 1].var,
                  .inner = block->as.block.iters[last].var,
                  .extent = tni_extent_of(block, last)};
  if (q.extent < 2 || q.extent >= tni_lanes_of(p, store->as.store.buffer->type)) return false;
  q.goes_on = goes_on(&q, store->as.store.buffer, store->as.store.index);
  tni_expr_visit_memory(p->s->ctx, store->as.store.value, look_if_it_goes_on, &q);
  return q.goes_on;
}

/* Is it a copy with a border whose condition is the same for all lanes? */
static bool is_bordered_copy(const tni_planner *p, const tn_stmt *block, int32_t lanes_iter) {
  const tn_expr *value = tni_block_store(block)->as.store.value;
  return value->op == TN_OP_load && tni_load_where(value) && lanes_iter >= 0 &&
         !tni_expr_uses(p->s->ctx, tni_load_where(value), block->as.block.iters[lanes_iter].var);
}

/* Has each iterator a loop of its own, in their order? A host's nest may have others. */
static bool has_own_loops(const tni_planner *p, const tn_stmt *block, size_t count, const tn_loop *loops) {
  bool own = count == (size_t)block->as.block.count;
  for (size_t i = 0; own && i < count; i++)
    own = tni_iter_fed_by(p, block, loops[i]) == &block->as.block.iters[i];
  return own;
}

static void schedule_elementwise(tni_planner *p, const tn_stmt *block) {
  tn_block_ref ref = tni_block_named(p, block->as.block.name);
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  size_t count = ref ? tni_loops_of(p, ref, loops) : 0, outer = count;
  const tn_stmt *store = tni_block_store(block);
  if (!count) return;
  int64_t work = tni_work_of(block);
  bool own = has_own_loops(p, block, count, loops);
  int32_t inner = own ? vector_iter(p, block) : -1;
  int64_t extent = inner < 0 ? 0 : tni_extent_of(block, inner);
  bool whole = is_bordered_copy(p, block, inner);
  if (inner >= 0 && count > 1 && is_flat(p, block) && tni_try_fuse(p, count, loops, &loops[0])) {
    inner = 0;
    extent = work;
    outer = count = 1;
  } else if (own && tni_schedule_between(p, block, count, loops, &outer)) {
    tni_parallel_outer(p, outer, loops, work);
    return;
  } else if (own && count > 1 && is_short_row(p, block) && tni_try_fuse(p, 2, &loops[count - 2], &loops[count - 2])) {
    outer = --count;
    inner = (int32_t)count - 1;
    whole = false;
    extent = tni_extent_of(block, inner) * tni_extent_of(block, inner + 1);
  }
  int64_t lanes = tni_target_lanes(p->target, store->as.store.buffer->type, extent);
  bool twice = !tni_goes_parallel(p, work) && tni_is_tail_dear(p, block, lanes);
  if (inner > 0 && tni_schedule_across(p, block, 0, (size_t)inner, loops, &outer)) {
    /* outer is known */
  } else if (inner >= 0 && lanes >= 4 && tni_try_parts(p, loops[inner], lanes, twice, parts)) {
    tni_try_vectorize(p, parts[1]);
    loops[inner] = parts[0];
    outer = (size_t)inner + 1;
  }
  if (tni_is_reduction(block)) outer = count_spatial(p, block, count, loops);
  tni_parallel_outer(p, outer, loops, work);
  if (whole) tni_note_loops(p, tni_loops_of(p, ref, loops), loops, TNI_WHOLE_NOTE);
}

static void schedule_blocks(tni_planner *p) {
  tni_block_list before = tni_blocks_of(p);
  for (size_t i = 0; i < before.count && !p->status; i++) {
    const tn_stmt *block = tni_find_block(p->s->func->body, before.items[i]->as.block.name);
    if (block && block == before.items[i] && tni_is_reduction(block) && block->as.block.init &&
        !tni_schedule_chain(p, block))
      tni_schedule_reduction(p, block, 0);
  }
  tni_block_list after = tni_blocks_of(p);
  for (size_t i = 0; i < after.count && !p->status; i++) {
    const tn_stmt *path[TNI_MAX_PATH];
    const tn_stmt *block = tni_find_block(p->s->func->body, after.items[i]->as.block.name);
    bool fresh = block != NULL;
    int depth = block ? tni_path_to(p->s->func->body, block, path) : 0;
    size_t loops = 0;
    for (int k = 0; k < depth; k++)
      if (path[k]->kind == TNI_FOR) {
        fresh &= path[k]->as.loop.kind == TNI_SERIAL;
        loops++;
      }
    if (!fresh || loops != (size_t)block->as.block.count) continue;
    if (tni_block_store(block))
      schedule_elementwise(p, block);
    else
      schedule_states(p, block);
  }
}

tn_status tn_schedule_default(tn_schedule *s, const tn_target *target, tn_error **err) {
  if (err) *err = NULL;
  tni_planner p = {.s = s, .target = target, .err = err};
  if (tni_schedule_nest(&p)) return p.status;
  inline_blocks(&p);
  if (!tni_schedule_rows(&p)) schedule_blocks(&p);
  return p.status;
}
