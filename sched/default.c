/* default.c -- the schedule of a function that nobody scheduled: chosen from shapes and the target, nothing measured.
 *
 *   1. Cheap elementwise blocks go into their consumers (compute_inline).
 *   2. A reduction and the elementwise block behind it (its epilogue; a copy when there is none) become a tile: the epilogue's
 *      loops are split into a register tile, rows by vectors, as many accumulators as the registers hold; the reduction is
 *      computed at the tile in registers (compute_at), its reduce loops outside, rows unrolled, vectors innermost.
 *   3. All other blocks: innermost loop vectorized where neighbours are neighbours in memory, outer loops in parallel.
 *
 * Everything is done by the public primitives: a step that is refused leaves the function correct, only slower.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum {
  MAX_LOOPS = 24,
  CHEAP_OPS = 2,               /* operators that may be computed again for each consumer */
  PARALLEL_WORK = 1 << 17,     /* multiply-adds (or elements) below which threads do not pay */
  MAX_BLOCKS = 256,
  NEAR_STRIDE = 4, /* elements: a vector of neighbours so far apart still comes from few cache lines */
};

typedef struct planner {
  tn_schedule *s;
  const tn_target *target;
  tn_status status; /* a failure that is not a refusal ends the planning */
  tn_error **err;
} planner;

/* A refused step is given up; other failures are kept. True: applied. */
static bool tried(planner *p, tn_status status, tn_error *const *err) {
  tn_error *error = *err;
  if (status == TN_E_REFUSED || status == TN_OK || p->status) {
    tn_error_destroy(error);
  } else {
    p->status = status;
    if (p->err)
      *p->err = error;
    else
      tn_error_destroy(error);
  }
  return status == TN_OK;
}

static bool split(planner *p, tn_loop loop, int64_t factor, tn_loop *out) {
  tn_error *e = NULL;
  int64_t factors[] = {0, factor};
  return !p->status && tried(p, tn_split(p->s, loop, 2, factors, out, &e), &e);
}

static bool reorder(planner *p, size_t count, const tn_loop *loops) {
  tn_error *e = NULL;
  return !p->status && tried(p, tn_reorder(p->s, count, loops, &e), &e);
}

static bool vectorize(planner *p, tn_loop loop) {
  tn_error *e = NULL;
  return !p->status && tried(p, tn_vectorize(p->s, loop, &e), &e);
}

static bool unroll(planner *p, tn_loop loop) {
  tn_error *e = NULL;
  return !p->status && tried(p, tn_unroll(p->s, loop, &e), &e);
}

static bool parallelize(planner *p, tn_loop loop) {
  tn_error *e = NULL;
  return !p->status && tried(p, tn_parallel(p->s, loop, &e), &e);
}

static bool fuse(planner *p, size_t count, const tn_loop *loops, tn_loop *out) {
  tn_error *e = NULL;
  return !p->status && tried(p, tn_fuse(p->s, count, loops, out, &e), &e);
}

/* The loops above a block, and how many. */
static size_t loops_of(planner *p, tn_block_ref block, tn_loop *loops) {
  tn_error *e = NULL;
  size_t count = MAX_LOOPS;
  if (p->status || !tried(p, tn_get_loops(p->s, block, loops, &count, &e), &e))
    return 0;
  return count;
}

static tn_block_ref block_named(planner *p, const char *name) {
  tn_error *e = NULL;
  tn_block_ref block = 0;
  return !p->status && tried(p, tn_get_block(p->s, name, &block, &e), &e) ? block : 0;
}

/* ---- facts about blocks ---- */

typedef struct block_list {
  size_t count;
  const tn_stmt *items[MAX_BLOCKS];
} block_list;

static bool add_block(void *self, const tn_stmt *s) {
  block_list *l = self;
  if (s->kind == TNI_BLOCK && l->count < MAX_BLOCKS)
    l->items[l->count++] = s;
  return s->kind != TNI_BLOCK;
}

static block_list blocks_of(const planner *p) {
  block_list l = {0};
  tni_stmt_visit(p->s->func->body, add_block, &l);
  return l;
}

typedef struct cost {
  int ops, loads, math, predicated;
} cost;

static void count_cost(void *self, const tn_expr *x) {
  cost *c = self;
  if (x->op == TN_OP_load) {
    c->loads++;
    c->predicated += tni_load_where(x) != NULL;
  } else if (x->nargs && x->type != TN_INDEX) {
    c->ops++;
    c->math += x->op < TN_OP_COUNT && (tni_ops[x->op].flags & TN_OPF_MATH) != 0;
    c->math += x->op == TN_OP_div || x->op == TN_OP_sqrt;
  }
}

static cost cost_of(const planner *p, const tn_stmt *block) {
  cost c = {0};
  const tn_stmt *store = tni_block_store(block);
  if (store)
    tni_expr_visit(p->s->ctx, store->as.store.value, count_cost, &c);
  return c;
}

static bool is_reduction(const tn_stmt *block) {
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce)
      return true;
  return false;
}

/* Blocks that read the buffer, other than `own`: how many, and how many of them reduce. */
static int count_readers(const planner *p, const tn_buffer *b, const tn_stmt *own, int *reductions, const tn_stmt **last) {
  block_list l = blocks_of(p);
  int count = 0;
  *reductions = 0;
  *last = NULL;
  for (size_t i = 0; i < l.count; i++)
    if (l.items[i] != own && tni_uses_of(p->s->ctx, l.items[i], b).readers) {
      count++;
      *reductions += is_reduction(l.items[i]);
      *last = l.items[i];
    }
  return count;
}

/* ---- 1. inlining ---- */

static bool should_inline(const planner *p, const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block), *last;
  int reductions;
  if (!store || is_reduction(block) || tni_is_param(p->s->func, store->as.store.buffer))
    return false;
  cost c = cost_of(p, block);
  int readers = count_readers(p, store->as.store.buffer, block, &reductions, &last);
  if (readers == 0)
    return false;
  if (reductions)
    return c.predicated == 0 && c.math == 0 && c.ops == 0;
  return readers == 1 || (c.math == 0 && c.ops <= CHEAP_OPS);
}

static void inline_blocks(planner *p) {
  block_list l = blocks_of(p);
  for (size_t i = 0; i < l.count && !p->status; i++) {
    const tn_stmt *block = tni_find_block(p->s->func->body, l.items[i]->as.block.name);
    if (!block || !should_inline(p, block))
      continue;
    tn_error *e = NULL;
    tn_block_ref ref = block_named(p, block->as.block.name);
    if (ref)
      tried(p, tn_compute_inline(p->s, ref, &e), &e);
  }
}

/* ---- strides ---- */

/* The stride, in elements, of an access when variable `var` steps; false: not affine or not constant. */
static bool stride_of(const planner *p, const tn_buffer *b, const tn_expr *const *index, const tn_expr *var, int64_t *out) {
  int64_t scale = 1;
  *out = 0;
  for (int32_t d = b->rank - 1; d >= 0; d--) {
    int64_t coef;
    const tn_expr *rest;
    if (!tni_affine(&p->s->region, index[d], 1, &var, &coef, &rest) || !tni_is_const(b->shape[d]))
      return false;
    *out += coef * scale;
    scale *= b->shape[d]->as.i;
  }
  return true;
}

typedef struct stride_search {
  const planner *p;
  const tn_expr *var;
  const tn_buffer *skip; /* the accumulator */
  int unit, zero, near, far, loads; /* how many have stride 1, 0, up to NEAR_STRIDE, more or unknown */
} stride_search;

static void look_at_load(void *self, const tn_expr *x) {
  stride_search *q = self;
  int64_t stride;
  if (x->op != TN_OP_load || x->as.buffer == q->skip)
    return;
  q->loads++;
  if (!stride_of(q->p, x->as.buffer, x->arg, q->var, &stride))
    q->far++;
  else if (stride == 0)
    q->zero++;
  else
    *(stride == 1 ? &q->unit : stride > 0 && stride <= NEAR_STRIDE ? &q->near : &q->far) += 1;
}

/* Is there a load that moves with the vector and not with the row? */
typedef struct reuse_search {
  const planner *p;
  const tn_expr *vector_var, *row_var;
  const tn_buffer *skip;
  bool reused;
} reuse_search;

static void look_at_reuse(void *self, const tn_expr *x) {
  reuse_search *q = self;
  int64_t along_vector, along_row;
  if (x->op != TN_OP_load || x->as.buffer == q->skip)
    return;
  bool moves = !stride_of(q->p, x->as.buffer, x->arg, q->vector_var, &along_vector) || along_vector != 0;
  q->reused |= moves && stride_of(q->p, x->as.buffer, x->arg, q->row_var, &along_row) && along_row == 0;
}

static stride_search strides(const planner *p, const tn_stmt *block, const tn_expr *iter) {
  const tn_stmt *store = tni_block_store(block);
  stride_search q = {.p = p, .var = iter, .skip = is_reduction(block) ? store->as.store.buffer : NULL};
  tni_expr_visit(p->s->ctx, store->as.store.value, look_at_load, &q);
  return q;
}

static int64_t extent_of(const tn_stmt *block, int32_t i) {
  const tn_expr *extent = block->as.block.iters[i].extent;
  return tni_is_const(extent) ? extent->as.i : 0;
}

/* ---- 2. reductions as register tiles ---- */

static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

typedef struct tile {
  int32_t vector_dim, row_dim; /* spatial dimensions of the output; -1: none */
  int64_t lanes, vectors, rows;
} tile;

static int64_t lanes_of(const planner *p, tn_type type) {
  int64_t bits = (int64_t)tn_type_bytes(type) * 8;
  int64_t lanes = p->target->vector_bits / (bits ? bits : 8);
  return lanes < 1 ? 1 : lanes;
}

/* No more lanes than the extent fills to more than a half. */
static int64_t lanes_for(const planner *p, tn_type type, int64_t extent) {
  int64_t lanes = lanes_of(p, type);
  while (lanes > 4 && lanes / 2 >= extent)
    lanes /= 2;
  return lanes;
}

/* The iterator of a reduction that is subscript d of its store. */
static int32_t iter_of_dim(const tn_stmt *block, int32_t d) {
  const tn_stmt *store = tni_block_store(block);
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].var == store->as.store.index[d])
      return i;
  return -1;
}

/* The dimension for vectors: some loads move along it, others are broadcast; contiguous ones are better than strided ones, and
 * extents that fill vectors than those that do not. */
static int32_t choose_vector_dim(const planner *p, const tn_stmt *block, int32_t rank) {
  int64_t lanes = lanes_of(p, tni_block_store(block)->as.store.buffer->type);
  int32_t best = -1;
  int64_t best_score = 0;
  for (int32_t d = 0; d < rank; d++) {
    int32_t i = iter_of_dim(block, d);
    if (i < 0 || extent_of(block, i) < 4)
      continue;
    stride_search q = strides(p, block, block->as.block.iters[i].var);
    int64_t extent = extent_of(block, i), used = 256 * extent / (divide_up(extent, lanes) * lanes);
    int64_t score = 0;
    if (q.loads > q.zero && q.zero > 0)
      score = used * (q.far ? 1 : q.near ? 2 : 4) + (d == rank - 1);
    if (score > best_score) {
      best_score = score;
      best = d;
    }
  }
  return best;
}

/* The dimension whose steps reuse what the vector loads bring: those that do not move with it while others do. */
static int32_t choose_row_dim(const planner *p, const tn_stmt *block, int32_t rank, int32_t vector_dim) {
  int32_t best = -1;
  int64_t best_score = 0;
  const tn_expr *vector_var = block->as.block.iters[iter_of_dim(block, vector_dim)].var;
  for (int32_t d = 0; d < rank; d++) {
    int32_t i = iter_of_dim(block, d);
    if (d == vector_dim || i < 0 || extent_of(block, i) < 2)
      continue;
    const tn_expr *var = block->as.block.iters[i].var;
    stride_search q = strides(p, block, var);
    reuse_search reuse = {.p = p, .vector_var = vector_var, .row_var = var, .skip = tni_block_store(block)->as.store.buffer};
    tni_expr_visit(p->s->ctx, tni_block_store(block)->as.store.value, look_at_reuse, &reuse);
    int64_t extent = extent_of(block, i) > 24 ? 24 : extent_of(block, i);
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
  if (extent <= most)
    return extent;
  int64_t best = most;
  double best_score = 0;
  for (int64_t r = most; r >= (most + 1) / 2; r--) {
    double used = (double)extent / (double)(divide_up(extent, r) * r);
    double score = used * (double)(r + most);
    if (score > best_score) {
      best = r;
      best_score = score;
    }
  }
  return best;
}

static bool choose_tile(const planner *p, const tn_stmt *block, tile *t) {
  const tn_stmt *store = tni_block_store(block);
  int32_t rank = store->as.store.count;
  t->vector_dim = choose_vector_dim(p, block, rank);
  if (t->vector_dim < 0)
    return false;
  t->row_dim = choose_row_dim(p, block, rank, t->vector_dim);
  int64_t extent = extent_of(block, iter_of_dim(block, t->vector_dim));
  t->lanes = lanes_for(p, store->as.store.buffer->type, extent);
  int64_t accumulators = p->target->vector_registers >= 32 ? 24 : 12;
  t->vectors = divide_up(extent, t->lanes);
  int64_t most_vectors = t->row_dim < 0 ? accumulators / 2 : p->target->vector_registers >= 32 ? 4 : 2;
  if (t->vectors > most_vectors)
    t->vectors = choose_rows(t->vectors, most_vectors);
  t->rows = 1;
  if (t->row_dim >= 0)
    t->rows = choose_rows(extent_of(block, iter_of_dim(block, t->row_dim)), accumulators / t->vectors);
  return true;
}

/* Multiply-adds of a block, at most 2^62. */
static int64_t work_of(const tn_stmt *block) {
  int64_t work = 1;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (__builtin_mul_overflow(work, extent_of(block, i) ? extent_of(block, i) : 1, &work))
      return INT64_MAX / 2;
  return work;
}

/* Loops in front of a tile: fused from the outside as long as they are one chain, and run in parallel. */
static void parallel_outer(planner *p, size_t count, const tn_loop *loops, int64_t work) {
  tn_loop fused;
  if (p->target->cores < 2 || work < PARALLEL_WORK || count == 0)
    return;
  while (count > 1 && !fuse(p, count, loops, &fused))
    count--;
  parallelize(p, count > 1 ? fused : loops[0]);
}

/* The block behind a reduction: the one reader of its buffer that is elementwise over the same shape and stands alone. */
static const tn_stmt *epilogue_of(const planner *p, const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block), *reader;
  const tn_buffer *b = store->as.store.buffer;
  int reductions;
  if (tni_is_param(p->s->func, b) || count_readers(p, b, block, &reductions, &reader) != 1 || reductions)
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
  tn_loop outer[MAX_LOOPS]; /* in front of the tile */
  tn_loop row, vector, lane; /* of the tile; 0: none */
} tiled_loops;

/* Splits the epilogue's loops and brings the tile's inside. */
static bool tile_epilogue(planner *p, tn_block_ref block, const tile *t, tiled_loops *out) {
  tn_loop loops[MAX_LOOPS], order[MAX_LOOPS], parts[2];
  size_t rank = loops_of(p, block, loops), n = 0;
  *out = (tiled_loops){0};
  if (rank == 0 || rank + 3 > MAX_LOOPS)
    return false;
  for (size_t d = 0; d < rank; d++) {
    if ((int32_t)d == t->row_dim) {
      if (!split(p, loops[d], t->rows, parts))
        return false;
      out->outer[out->outer_count++] = parts[0];
      out->row = parts[1];
    } else if ((int32_t)d == t->vector_dim) {
      if (!split(p, loops[d], t->vectors * t->lanes, parts))
        return false;
      out->outer[out->outer_count++] = parts[0];
      tn_loop inner[2];
      if (!split(p, parts[1], t->lanes, inner))
        return false;
      out->vector = inner[0];
      out->lane = inner[1];
    } else {
      out->outer[out->outer_count++] = loops[d];
    }
  }
  for (size_t i = 0; i < out->outer_count; i++)
    order[n++] = out->outer[i];
  if (out->row)
    order[n++] = out->row;
  order[n++] = out->vector;
  order[n++] = out->lane;
  return reorder(p, n, order);
}

/* The iterator of the block that a loop feeds. */
static const tni_iter *iter_fed_by(const planner *p, const tn_stmt *block, tn_loop loop) {
  for (int32_t k = 0; k < block->as.block.count; k++)
    if (tni_expr_uses(p->s->ctx, block->as.block.iters[k].binding, p->s->handles[loop - 1].var))
      return &block->as.block.iters[k];
  return NULL;
}

/* Reduce loops first, then rows, vectors, lanes: the loops of the reduction's nest below `outer_count` others. */
static bool order_reduction(planner *p, tn_block_ref block, const tile *t, size_t outer_count, tiled_loops *out) {
  tn_loop loops[MAX_LOOPS], order[MAX_LOOPS], parts[2];
  size_t count = loops_of(p, block, loops), n = 0;
  const tn_stmt *stmt = tni_handle_block(p->s, block), *store = stmt ? tni_block_store(stmt) : NULL;
  tn_loop vector = 0;
  *out = (tiled_loops){0};
  for (size_t i = outer_count; store && i < count; i++) {
    const tni_iter *it = iter_fed_by(p, stmt, loops[i]);
    if (!it)
      return false;
    if (it->reduce) {
      order[n++] = loops[i];
      continue;
    }
    int32_t d = 0;
    while (store->as.store.index[d] != it->var)
      d++;
    vector = d == t->vector_dim ? loops[i] : vector;
    out->row = d == t->row_dim ? loops[i] : out->row;
  }
  if (n == 0 || !vector || !split(p, vector, t->lanes, parts))
    return false;
  out->outer[0] = order[0];
  out->vector = parts[0];
  out->lane = parts[1];
  if (out->row)
    order[n++] = out->row;
  order[n++] = parts[0];
  order[n++] = parts[1];
  return reorder(p, n, order);
}

static void write_out_tile(planner *p, const tiled_loops *l) {
  vectorize(p, l->lane);
  unroll(p, l->vector);
  if (l->row)
    unroll(p, l->row);
}

static void tile_reduction(planner *p, const char *name, const tile *t, size_t outer_count) {
  tn_block_ref block = block_named(p, name), init = 0;
  tiled_loops l, of_init = {0};
  tn_loop loops[MAX_LOOPS];
  tn_error *e = NULL;
  if (!block || !order_reduction(p, block, t, outer_count, &l))
    return;
  if (tried(p, tn_decompose_reduction(p->s, block, l.outer[0], &init, &e), &e)) {
    size_t count = loops_of(p, init, loops);
    size_t own = l.row ? 3 : 2;
    if (count >= own) {
      of_init.lane = loops[count - 1];
      of_init.vector = loops[count - 2];
      of_init.row = l.row ? loops[count - 3] : 0;
      write_out_tile(p, &of_init);
    }
  }
  write_out_tile(p, &l);
}

/* No dimension for vectors: every element is summed up in a register. */
static void reduce_in_register(planner *p, const char *name, size_t outer_count) {
  tn_block_ref block = block_named(p, name), init;
  tn_loop loops[MAX_LOOPS];
  size_t count = block ? loops_of(p, block, loops) : 0;
  tn_error *e = NULL;
  if (outer_count < count)
    tried(p, tn_decompose_reduction(p->s, block, loops[outer_count], &init, &e), &e);
}

/* The block that writes the reduction's result out: its epilogue, or a copy. 0: there can be none. */
static tn_block_ref writer_of(planner *p, const tn_stmt *block) {
  const tn_stmt *epilogue = epilogue_of(p, block);
  tn_error *e = NULL;
  tn_block_ref ref = block_named(p, epilogue ? epilogue->as.block.name : block->as.block.name), out = 0;
  if (epilogue || !ref)
    return ref;
  return tried(p, tn_cache_write(p->s, ref, "register", &out, &e), &e) ? out : 0;
}

/* Registers hold buffers of constant extents only. */
static bool has_open_extents(const tn_buffer *b) {
  for (int32_t d = 0; d < b->rank; d++)
    if (!tni_is_const(b->shape[d]))
      return true;
  return false;
}

static void schedule_reduction(planner *p, const tn_stmt *block) {
  tile t = {0};
  tiled_loops loops = {0};
  const char *name = block->as.block.name;
  if (!tni_block_store(block) || has_open_extents(tni_block_store(block)->as.store.buffer))
    return;
  int64_t work = work_of(block);
  bool tiled = choose_tile(p, block, &t);
  tn_block_ref out = writer_of(p, block);
  if (!out || (tiled && !tile_epilogue(p, out, &t, &loops)))
    return;
  if (!tiled)
    loops.outer_count = loops_of(p, out, loops.outer);
  if (loops.outer_count > 0) {
    tn_error *e = NULL;
    tn_block_ref ref = block_named(p, name);
    if (!ref || !tried(p, tn_compute_at(p->s, ref, loops.outer[loops.outer_count - 1], &e), &e))
      return;
  }
  if (tiled) {
    tile_reduction(p, name, &t, loops.outer_count);
    write_out_tile(p, &loops);
  } else {
    reduce_in_register(p, name, loops.outer_count);
  }
  parallel_outer(p, loops.outer_count, loops.outer, work);
}

/* ---- 3. the others ---- */

typedef struct same_search {
  const tn_stmt *store;
  bool same;
} same_search;

static void look_if_same(void *self, const tn_expr *x) {
  same_search *q = self;
  const tn_buffer *out = q->store->as.store.buffer;
  if (x->op != TN_OP_load)
    return;
  q->same &= !tni_load_where(x) && x->as.buffer->rank == out->rank;
  for (int32_t d = 0; q->same && d < out->rank; d++)
    q->same = x->as.buffer->shape[d] == out->shape[d] && x->arg[d] == q->store->as.store.index[d];
}

/* Does every load have the store's shape and subscripts, which are the iterators in order? Then all loops are one. */
static bool is_flat(const planner *p, const tn_stmt *block) {
  same_search q = {.store = tni_block_store(block), .same = true};
  for (int32_t d = 0; d < q.store->as.store.count; d++)
    q.same &= d < block->as.block.count && block->as.block.iters[d].var == q.store->as.store.index[d];
  tni_expr_visit(p->s->ctx, q.store->as.store.value, look_if_same, &q);
  return q.same && q.store->as.store.count == block->as.block.count;
}

/* The innermost iterator that moves at all, if the store is contiguous along it and most loads are, too; -1: none. */
static int32_t vector_iter(const planner *p, const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block);
  int32_t last = block->as.block.count - 1;
  while (last >= 0 && extent_of(block, last) == 1)
    last--;
  int64_t stride = 0;
  if (last < 0 || extent_of(block, last) < 4 || is_reduction(block))
    return -1;
  const tn_expr *var = block->as.block.iters[last].var;
  stride_search q = strides(p, block, var);
  if (!stride_of(p, store->as.store.buffer, store->as.store.index, var, &stride) || stride != 1)
    return -1;
  return q.near + q.far <= q.unit + 1 ? last : -1;
}

static void schedule_elementwise(planner *p, const tn_stmt *block) {
  tn_block_ref ref = block_named(p, block->as.block.name);
  tn_loop loops[MAX_LOOPS], parts[2];
  size_t count = ref ? loops_of(p, ref, loops) : 0, outer = count;
  const tn_stmt *store = tni_block_store(block);
  if (!count || !store)
    return;
  int64_t work = work_of(block);
  int32_t inner = vector_iter(p, block);
  int64_t extent = inner < 0 ? 0 : extent_of(block, inner);
  if (inner >= 0 && count > 1 && is_flat(p, block) && fuse(p, count, loops, &loops[0])) {
    inner = 0;
    extent = work;
    outer = count = 1;
  }
  int64_t lanes = lanes_for(p, store->as.store.buffer->type, extent);
  if (inner >= 0 && lanes >= 4 && split(p, loops[inner], lanes, parts)) {
    vectorize(p, parts[1]);
    loops[inner] = parts[0];
    outer = (size_t)inner + 1;
  }
  if (is_reduction(block))
    for (outer = 0; outer < count && !block->as.block.iters[outer].reduce; outer++)
      ;
  parallel_outer(p, outer, loops, work);
}

static void schedule_blocks(planner *p) {
  block_list before = blocks_of(p);
  for (size_t i = 0; i < before.count && !p->status; i++) {
    const tn_stmt *block = tni_find_block(p->s->func->body, before.items[i]->as.block.name);
    if (block && block == before.items[i] && is_reduction(block) && block->as.block.init)
      schedule_reduction(p, block);
  }
  block_list after = blocks_of(p);
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
    if (fresh && loops == (size_t)block->as.block.count)
      schedule_elementwise(p, block);
  }
}

tn_status tn_schedule_default(tn_schedule *s, const tn_target *target, tn_error **err) {
  if (err)
    *err = NULL;
  planner p = {.s = s, .target = target, .err = err};
  inline_blocks(&p);
  schedule_blocks(&p);
  return p.status;
}
