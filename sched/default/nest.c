/* nest.c -- blocks that stand in loops together, as one step of a recurrence or one tile of attention: each where it
 * is.
 *
 *     for t { for i, j, k { s += ... }  for i, j { e = f(s) }  for j, k { m = max(m, e) }  .. }
 *       ->
 *     for t { for tiles { s in registers; e = f(s) }  for tiles { m in registers }  .. }
 *
 * The loops that several blocks share stay outside, in parallel where they may be: those that all share, else those that
 * some share within a step of these. Below them sums of products become tiles in registers, with the block behind them
 * where that goes by the same loops, else written to memory tile by tile; other reductions vectors in registers; the
 * others vectors. Elementwise blocks behind it all go into the one that makes what they read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum {
  MOST_OWN = 4, /* loops of a block below those that it shares */
  MOST_IN_REGISTERS = 64,
  LONG_LIST = 16, /* stores */
  MOST_WRITTEN_OUT = 8
};

/* ---- what is shared ---------------------------------------------------------------------------------------------- */

static bool stands_in(const tn_stmt *root, const tn_stmt *block, const tn_stmt *loop) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(root, block, path);
  for (int k = 0; k < depth; k++)
    if (path[k] == loop) return true;
  return false;
}

/* How many loops are above the block, and how many of these are above another one, too. */
static size_t count_loops(const tni_planner *p, const tni_block_list *l, const tn_stmt *block, size_t *shared) {
  const tn_stmt *path[TNI_MAX_PATH], *body = p->s->func->body;
  int depth = tni_path_to(body, block, path);
  size_t loops = 0;
  *shared = 0;
  for (int k = 0; k < depth; k++) {
    bool both = false;
    if (path[k]->kind != TNI_FOR) continue;
    loops++;
    for (size_t i = 0; i < l->count && !both; i++) both = l->items[i] != block && stands_in(body, l->items[i], path[k]);
    *shared += both;
  }
  return loops;
}

static size_t shared_loops(const tni_planner *p, const char *name, size_t *loops) {
  tni_block_list l = tni_blocks_of(p);
  size_t shared = 0;
  const tn_stmt *block = tni_find_block(p->s->func->body, name);
  *loops = block ? count_loops(p, &l, block, &shared) : 0;
  return shared;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* The tile's dimensions are those of the last so many subscripts, which are iterators in the order of the block's own
 * loops. */
static bool is_own(const tn_stmt *block, const tni_tile *t, size_t own) {
  const tn_stmt *store = tni_block_store(block);
  int32_t first = store->as.store.count - (int32_t)own, from = block->as.block.count - 1;
  if (first < 0 || t->vector_dim < first || (t->row_dim >= 0 && t->row_dim < first)) return false;
  while (from >= 0 && block->as.block.iters[from].reduce) from--;
  for (int32_t d = store->as.store.count - 1; d >= first; d--, from--)
    if (from < 0 || store->as.store.index[d] != block->as.block.iters[from].var) return false;
  return true;
}

static bool chooses_tile(const tni_planner *p, const tn_stmt *block, size_t own, tni_tile *t) {
  *t = (tni_tile){.first_dim = tni_block_store(block)->as.store.count - (int32_t)own};
  if (t->first_dim < 0 || !tni_is_reduction(block) || !block->as.block.init || !tni_choose_tile(p, block, t) || !is_own(block, t, own))
    return false;
  t->steps = 1;
  t->unit = NULL;
  t->taps = 0;
  return true;
}

typedef struct read_search {
  const tn_stmt *of, *reader;
  size_t own;
  bool same;
} read_search;

static void look_at_read(void *self, const tn_expr *x) {
  read_search *q = self;
  const tn_buffer *b = tni_block_store(q->of)->as.store.buffer;
  const tni_iter *iters = q->reader->as.block.iters;
  if (x->op != TN_OP_load || x->as.buffer != b) return;
  for (size_t i = 1; i <= q->own; i++)
    q->same &= x->arg[b->rank - (int32_t)i] == iters[q->reader->as.block.count - (int32_t)i].var;
}

/* The one block that reads the sums, in the same loops, element by element. */
static const tn_stmt *epilogue_of(const tni_planner *p, const tn_stmt *block, size_t shared, size_t own) {
  const tn_stmt *reader;
  int reductions;
  size_t loops, others;
  const tn_buffer *b = tni_block_store(block)->as.store.buffer;
  if (tni_is_param(p->s->func, b) || tni_count_readers(p, b, block, &reductions, &reader) != 1 || reductions)
    return NULL;
  others = shared_loops(p, reader->as.block.name, &loops);
  if (!tni_block_store(reader) || reader->as.block.where || others != shared || loops != shared + own) return NULL;
  read_search q = {.of = block, .reader = reader, .own = own, .same = true};
  tni_expr_visit_memory(p->s->ctx, tni_block_store(reader)->as.store.value, look_at_read, &q);
  return q.same ? reader : NULL;
}

/* Loops over tiles, which are outside, and of a tile. */
typedef struct tile_loops {
  tn_loop outer[MOST_OWN + 2], row, vector, lane;
  tn_loop vector_tiles; /* of the outer ones */
  size_t count;
} tile_loops;

/* Splits the writer's own loops; false: it cannot be. */
static bool cut_writer(tni_planner *p, tn_block_ref writer, const tni_tile *t, size_t shared, size_t own, int32_t rank,
                       tile_loops *out) {
  tn_loop loops[TNI_MAX_LOOPS], order[MOST_OWN + 6], parts[2], inner[2], vectors = 0, rows = 0;
  *out = (tile_loops){0};
  if (tni_loops_of(p, writer, loops) != shared + own) return false;
  for (size_t i = 0; i < own; i++) {
    int32_t d = rank - (int32_t)(own - i);
    if (d == t->vector_dim) {
      if (!tni_try_split(p, loops[shared + i], t->vectors * t->lanes, parts) ||
          !tni_try_split(p, parts[1], t->lanes, inner))
        return false;
      vectors = parts[0], out->vector = inner[0], out->lane = inner[1];
    } else if (d == t->row_dim) {
      if (!tni_try_split(p, loops[shared + i], t->rows, parts)) return false;
      rows = parts[0], out->row = parts[1];
    } else {
      out->outer[out->count++] = loops[shared + i];
    }
  }
  out->outer[out->count++] = out->vector_tiles = vectors;
  if (rows) out->outer[out->count++] = rows;
  size_t n = out->count;
  memcpy(order, out->outer, n * sizeof *order);
  if (out->row) order[n++] = out->row;
  order[n++] = out->vector;
  order[n++] = out->lane;
  return tni_try_reorder(p, n, order);
}

static void write_out(tni_planner *p, const tile_loops *l) {
  tni_try_vectorize(p, l->lane);
  tni_try_unroll(p, l->vector);
  if (l->row) tni_try_unroll(p, l->row);
}

/* The loops of the block itself: those over tiles, which go outside, of the sum, and of the tile; false: it cannot be. */
static bool cut_sum(tni_planner *p, tn_block_ref ref, const tni_tile *t, size_t shared, tile_loops *out) {
  tn_loop loops[TNI_MAX_LOOPS], order[TNI_MAX_LOOPS + 4], parts[2], sum[TNI_MAX_LOOPS], vectors = 0, rows = 0;
  size_t count = tni_loops_of(p, ref, loops), n = 0, sums = 0;
  *out = (tile_loops){0};
  for (size_t i = shared; i < count; i++) {
    const tn_stmt *block = tni_handle_block(p->s, ref), *store = block ? tni_block_store(block) : NULL;
    const tni_iter *it = store ? tni_iter_fed_by(p, block, loops[i]) : NULL;
    bool along = it && it->var == store->as.store.index[t->vector_dim];
    bool down = it && t->row_dim >= 0 && it->var == store->as.store.index[t->row_dim];
    if (!it || ((along || down) && !tni_try_split(p, loops[i], along ? t->vectors * t->lanes : t->rows, parts)))
      return false;
    if (along)
      vectors = parts[0], out->vector = parts[1];
    else if (down)
      rows = parts[0], out->row = parts[1];
    else if (it->reduce)
      sum[sums++] = loops[i];
    else
      out->outer[out->count++] = loops[i];
  }
  out->outer[out->count++] = vectors;
  if (rows) out->outer[out->count++] = rows;
  memcpy(order, out->outer, (n = out->count) * sizeof *order);
  for (size_t i = 0; i < sums; i++) order[n++] = sum[i];
  if (out->row) order[n++] = out->row;
  order[n++] = out->vector;
  return vectors && tni_try_reorder(p, n, order);
}

/* The bytes that a load sweeps in the loops of the iterators from `first` on. */
static double bytes_swept(const tni_planner *p, const tn_stmt *block, const tn_expr *load, size_t first) {
  double bytes = (double)tn_type_bytes(load->type);
  for (int32_t i = (int32_t)first; i < block->as.block.count; i++) {
    int64_t along;
    bool moves = !tni_stride_of(p, load->as.buffer, load->arg, block->as.block.iters[i].var, &along) || along != 0;
    if (moves) bytes *= (double)tni_extent_of(block, i);
  }
  return bytes;
}

/* The factor that moves along the vectors, when the second cache does not keep what the loops from `first` on sweep of it:
 * while several rows use what has been loaded, the next step's can come nearer. */
static const tn_expr *far_factor(const tni_planner *p, const tn_stmt *block, const tni_tile *t, size_t first) {
  const tn_expr *factors[2], *lane = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  int64_t along;
  if (t->row_dim < 0 || !tni_find_factors(block, &factors[0], &factors[1])) return NULL;
  for (int i = 0; i < 2; i++)
    if (tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, lane, &along) && along == 1 &&
        bytes_swept(p, block, factors[i], first) > (double)p->target->l2 / 4)
      return factors[i];
  return NULL;
}

/* Of all shared loops; the last of them moves it. */
static const tn_expr *far_in_steps(const tni_planner *p, const tn_stmt *block, const tni_tile *t, size_t shared) {
  const tn_expr *load = shared > 0 ? far_factor(p, block, t, 0) : NULL;
  int64_t outside;
  bool moves = load && tni_stride_of(p, load->as.buffer, load->arg, block->as.block.iters[shared - 1].var, &outside) &&
               outside != 0;
  return moves ? load : NULL;
}

static void ask_ahead(tni_planner *p, tn_block_ref ref, const tn_expr *load, tn_loop loop) {
  int32_t which = load && ref ? tni_find_read_number(p, ref, load->as.buffer) : -1;
  tn_error *e = NULL;
  if (which >= 0) tni_tried(p, tn_prefetch(p->s, ref, which, loop, &e), &e);
}

/* Copies a tile of sums, below so many loops, from registers to memory. */
static void write_sums(tni_planner *p, tn_block_ref writer, const tni_tile *t, size_t outside) {
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  size_t count = tni_loops_of(p, writer, loops);
  if (count <= outside || !tni_try_split(p, loops[count - 1], t->lanes, parts)) return;
  tni_try_vectorize(p, parts[1]);
  tni_try_unroll(p, parts[0]);
  for (size_t i = outside; i + 1 < count; i++) tni_try_unroll(p, loops[i]);
}

/* Several blocks read the sums, or one others of them than it makes: a tile goes from registers to memory. */
static bool schedule_sum(tni_planner *p, const char *name, const tni_tile *t, size_t shared) {
  const tn_stmt *block = tni_find_block(p->s->func->body, name);
  const tn_expr *far = far_in_steps(p, block, t, shared);
  tn_block_ref ref = tni_block_named(p, name), writer;
  tn_loop loops[TNI_MAX_LOOPS];
  tn_error *e = NULL;
  tile_loops l;
  if (!ref || !cut_sum(p, ref, t, shared, &l)) return false;
  bool kept = tni_tried(p, tn_write_at(p->s, l.outer[l.count - 1], ref, "register", 0, &writer, &e), &e);
  tni_tile_reduction(p, name, t, shared + l.count);
  if (kept) write_sums(p, writer, t, shared + l.count);
  ref = tni_block_named(p, name);
  if (ref && tni_loops_of(p, ref, loops) > shared) ask_ahead(p, ref, far, loops[shared - 1]);
  return true;
}

/* With the block behind the sums in the tile. */
static bool schedule_tile(tni_planner *p, const char *name, const tni_tile *t, size_t shared, size_t own) {
  const tn_stmt *block = tni_find_block(p->s->func->body, name), *epilogue = epilogue_of(p, block, shared, own);
  int32_t rank = tni_block_store(block)->as.store.count;
  const tn_expr *far = far_factor(p, block, t, shared);
  tn_block_ref writer = epilogue ? tni_block_named(p, epilogue->as.block.name) : 0, ref;
  tn_error *e = NULL;
  tile_loops l;
  if (!epilogue) return schedule_sum(p, name, t, shared);
  if (!writer || !cut_writer(p, writer, t, shared, own, rank, &l)) return false;
  ref = tni_block_named(p, name);
  if (!ref || !tni_tried(p, tn_compute_at(p->s, ref, l.outer[l.count - 1], &e), &e)) return false;
  tni_tile_reduction(p, name, t, shared + l.count);
  write_out(p, &l);
  ask_ahead(p, tni_block_named(p, name), far, l.vector_tiles);
  return true;
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static bool is_few(const tn_stmt *block, size_t own) {
  int64_t count = 1;
  const tn_stmt *store = tni_block_store(block);
  for (int32_t i = block->as.block.count - 1, n = 0; i >= 0 && n < (int32_t)own; i--)
    if (!block->as.block.iters[i].reduce) count *= tni_extent_of(block, i), n++;
  return store && count > 0 && count <= MOST_IN_REGISTERS;
}

/* A reduction into vectors along its last dimension. */
static bool schedule_vectors(tni_planner *p, const char *name, size_t shared, size_t own) {
  const tn_stmt *block = tni_find_block(p->s->func->body, name), *store = tni_block_store(block);
  int32_t last = store->as.store.count - 1, i = tni_iter_of_dim(block, last);
  tn_error *e = NULL;
  if (!block->as.block.init || i < 0 || tni_extent_of(block, i) < 4) return false;
  tni_tile t = {.vector_dim = last, .row_dim = -1, .rows = 1, .steps = 1};
  t.lanes = tni_target_lanes(p->target, store->as.store.buffer->type, tni_extent_of(block, i));
  tn_block_ref ref = tni_block_named(p, name);
  if (own == 1 && !tni_is_param(p->s->func, store->as.store.buffer) && is_few(block, own))
    tni_tried(p, tn_set_scope(p->s, ref, "register", 0, &e), &e);
  tni_tile_reduction(p, name, &t, shared + own - 1);
  return true;
}

/* The first store of a block that has several, behind lets; NULL: it begins with something else. */
static const tn_stmt *first_store(const tn_stmt *block) {
  const tn_stmt *s = block->as.block.body;
  while (s->kind == TNI_LET) s = s->as.let.body;
  if (s->kind == TNI_SEQ && s->as.seq.count) s = s->as.seq.stmts[0];
  return s->kind == TNI_STORE ? s : NULL;
}

/* Has it so many stores that code which layers of other sizes share is worth a call? Transforms of tiles have. */
static bool is_long_list(const tn_stmt *block) {
  const tn_stmt *s = block->as.block.body;
  while (s->kind == TNI_LET) s = s->as.let.body;
  return s->kind == TNI_SEQ && s->as.seq.count >= LONG_LIST;
}

/* Of one store, or of several that are long enough as they are; its last iterator is that of a loop of its own. */
static void schedule_elements(tni_planner *p, const char *name, size_t shared, size_t loops) {
  const tn_stmt *block = tni_find_block(p->s->func->body, name), *store = first_store(block);
  tn_block_ref ref = tni_block_named(p, name);
  tn_loop all[TNI_MAX_LOOPS], parts[2];
  size_t count = ref ? tni_loops_of(p, ref, all) : 0, outer;
  int32_t last = block->as.block.count - 1;
  if (count != loops || count <= shared || !store || last < 0) return;
  if (block->as.block.iters[last].binding != tni_handle_loop(p->s, all[count - 1])->as.loop.var) return;
  int64_t extent = tni_extent_of(block, last),
          lanes = tni_target_lanes(p->target, store->as.store.buffer->type, extent);
  if (tni_schedule_across(p, block, shared, count - 1, all, &outer)) return;
  if (extent < 4 || lanes < 4 || !tni_try_split(p, all[count - 1], lanes, parts)) return;
  tni_try_vectorize(p, parts[1]);
  tn_error *e = NULL;
  if (is_long_list(block)) tni_tried(p, tn_outline(p->s, parts[0], NULL, &e), &e);
  if (store == block->as.block.body && extent <= MOST_WRITTEN_OUT * lanes) tni_try_unroll(p, parts[0]);
}

static void schedule_block(tni_planner *p, const char *name) {
  size_t loops, shared = shared_loops(p, name, &loops);
  const tn_stmt *block = tni_find_block(p->s->func->body, name);
  tni_tile t;
  if (!block) return;
  if (!tni_is_reduction(block)) {
    schedule_elements(p, name, shared, loops);
    return;
  }
  if (!tni_block_store(block) || (size_t)block->as.block.count != loops) return;
  size_t own = 0;
  for (size_t i = shared; i < loops; i++) own += !block->as.block.iters[i].reduce;
  if (own == 0 || own > MOST_OWN) return;
  if (chooses_tile(p, block, own, &t) && (t.row_dim >= 0 || own > 1) && schedule_tile(p, name, &t, shared, own))
    return;
  block = tni_find_block(p->s->func->body, name);
  if (block) schedule_vectors(p, name, shared, own);
}

/* ---- what is behind ---------------------------------------------------------------------------------------------- */

/* Elementwise blocks that stand alone: cheap ones into each other, what is left into the block that makes what they read. */
static void take_in(tni_planner *p, const tni_block_list *l) {
  for (int round = 0; round < 2; round++)
    for (size_t i = 0; i < l->count && !p->status; i++) {
      const tn_stmt *block = tni_find_block(p->s->func->body, l->items[i]->as.block.name);
      size_t loops;
      if (!block || tni_is_reduction(block) || shared_loops(p, block->as.block.name, &loops)) continue;
      tn_error *e = NULL;
      tn_block_ref ref = tni_block_named(p, block->as.block.name);
      if (round == 0)
        tni_inline_block(p, block);
      else if (ref)
        tni_tried(p, tn_reverse_compute_inline(p->s, ref, &e), &e);
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* How many loops all blocks have in common, outside of the others. */
static size_t count_common(const tni_planner *p, const tni_block_list *l) {
  const tn_stmt *path[TNI_MAX_PATH], *body = p->s->func->body;
  size_t count = 0;
  int depth = tni_path_to(body, l->items[l->count - 1], path);
  for (int k = 0; k < depth; k++) {
    bool all = path[k]->kind == TNI_FOR;
    for (size_t i = 0; i < l->count && all; i++) all = stands_in(body, l->items[i], path[k]);
    count += all;
  }
  return count;
}

/* The loop of that number above the block; NULL: there is none, or a parallel one is outside of it. */
static const tn_stmt *serial_loop(const tni_planner *p, const tn_stmt *block, size_t number) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(p->s->func->body, block, path);
  for (int k = 0; k < depth; k++) {
    if (path[k]->kind != TNI_FOR) continue;
    if (path[k]->as.loop.kind == TNI_PARALLEL) return NULL;
    if (number-- == 0) return path[k];
  }
  return NULL;
}

/* What all blocks in the loop do while the loops outside of it stay where they are, of which there are so many. */
static int64_t work_in(const tni_planner *p, const tni_block_list *l, const tn_stmt *loop, size_t outside) {
  int64_t work = 0;
  for (size_t i = 0; i < l->count; i++) {
    const tn_stmt *block = l->items[i];
    int64_t own = tni_work_of(block);
    if (!stands_in(p->s->func->body, block, loop)) continue;
    for (int32_t k = 0; k < (int32_t)outside && k < block->as.block.count; k++)
      own /= tni_extent_of(block, k) ? tni_extent_of(block, k) : 1;
    work += own;
  }
  return work;
}

/* Where what all have in common goes step by step: the loops that several blocks share within a step. */
static void run_steps_in_parallel(tni_planner *p, size_t common) {
  tni_block_list l = tni_blocks_of(p);
  for (size_t i = 0; i < l.count && !p->status; i++) {
    size_t shared;
    tn_loop loops[TNI_MAX_LOOPS];
    count_loops(p, &l, l.items[i], &shared);
    const tn_stmt *loop = shared > common ? serial_loop(p, l.items[i], common) : NULL;
    tn_block_ref ref = loop ? tni_block_named(p, l.items[i]->as.block.name) : 0;
    if (ref && tni_loops_of(p, ref, loops) > common)
      tni_parallel_outer(p, 1, &loops[common], work_in(p, &l, loop, common));
    l = tni_blocks_of(p);
  }
}

/* The loops that all blocks have in common. */
static void run_in_parallel(tni_planner *p) {
  tni_block_list l = tni_blocks_of(p);
  tn_loop loops[TNI_MAX_LOOPS];
  size_t common = count_common(p, &l);
  int64_t work = 0;
  for (size_t i = 0; i < l.count; i++) work += tni_work_of(l.items[i]);
  tn_block_ref ref = tni_block_named(p, l.items[l.count - 1]->as.block.name);
  if (common && ref && tni_loops_of(p, ref, loops) >= common) tni_parallel_outer(p, common, loops, work);
  run_steps_in_parallel(p, common);
}

bool tni_schedule_nest(tni_planner *p) {
  tni_block_list l = tni_blocks_of(p);
  bool nested = false;
  for (size_t i = 0; i < l.count && !nested; i++) {
    size_t shared, loops = count_loops(p, &l, l.items[i], &shared);
    nested = shared > 0 && loops == (size_t)l.items[i]->as.block.count;
  }
  if (!nested) return false;
  take_in(p, &l);
  l = tni_blocks_of(p);
  for (size_t i = 0; i < l.count && !p->status; i++) schedule_block(p, l.items[i]->as.block.name);
  if (!p->status) run_in_parallel(p);
  return true;
}
