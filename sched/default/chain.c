/* chain.c -- a window's results that a product takes pixel by pixel are made a few rows of the picture before it.
 *
 *     for n, oh, ow, c { V = f(sum of x[.. + taps, c]) }   for n, oh, ow, oc { out = g(sum of V[n, oh, ow, c] * w[c, oc]) }
 *       ->
 *     for n, blocks of oh in parallel { for rows, ow, c { V }  for rows, ow, oc { out } }
 *
 * So what stands between them stays in a cache of the core that makes and reads it, and nothing is made twice. Both are tiles
 * in registers below the blocks (reduce.c). There are as many blocks as keep all cores busy, or it is not done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum {
  MANY_PIXELS = 96, /* of a block: windows of its rows overlap enough, and the weights, too, are read once more for each */
  FEW_PIXELS = 24,
  WASTE = 16 /* one of so many turns of a core may be idle */
};

int64_t tni_chain_rows(const tn_target *target, tn_type type, const int64_t shape[4]) {
  int64_t rows = shape[1], pixels = shape[2], channels = shape[3], best = 0;
  int64_t cores = target->cores > 1 ? target->cores : 1, bytes = pixels * channels * (int64_t)tn_type_bytes(type);
  if (channels < 1 || channels % tni_target_lanes(target, type, channels)) return 0; /* bodies for what is left over */
  if (pixels < TNI_LONG_ROW && (rows > pixels || shape[0] > pixels)) return 0; /* the product's tiles are along those */
  for (int64_t block = 1; block < rows && block * bytes <= (int64_t)target->l2 / 4; block++) {
    int64_t count = shape[0] * (rows / block), turns = tni_divide_up(count, cores);
    if (rows % block || block * pixels < FEW_PIXELS || (turns * cores - count) * WASTE > count) continue;
    best = block;
    if (block * pixels >= MANY_PIXELS) return best;
  }
  return best;
}

/* The one block that reads the buffer, if it is a sum of products, of which the buffer's last dimension is summed up alone,
 * and the others are those of the result; NULL: it is none such. */
static const tn_stmt *product_of(const tni_planner *p, const tn_buffer *b, const tn_stmt *maker) {
  const tn_expr *factors[2];
  const tn_stmt *reader;
  int reductions, sums = 0;
  if (tni_count_readers(p, b, maker, &reductions, &reader) != 1 || !reductions || !reader->as.block.init) return NULL;
  const tn_stmt *store = tni_block_store(reader);
  if (!store || !tni_find_factors(reader, &factors[0], &factors[1]) || tni_unit_for(p, reader)) return NULL;
  const tn_expr *x = factors[factors[0]->as.buffer != b];
  if (x->type != store->as.store.buffer->type) return NULL;
  if (x->as.buffer != b || tni_load_where(x) || store->as.store.count != b->rank) return NULL;
  for (int32_t i = 0; i < reader->as.block.count; i++)
    sums += reader->as.block.iters[i].reduce && tni_extent_of(reader, i) != 1;
  for (int32_t d = 0; d + 1 < b->rank; d++) {
    int32_t i = tni_iter_of_dim(reader, d);
    if (i < 0 || store->as.store.buffer->shape[d] != b->shape[d]) return NULL;
    if (!tni_expr_uses(p->s->ctx, x->arg[d], reader->as.block.iters[i].var)) return NULL;
  }
  return sums == 1 ? reader : NULL;
}

/* What the window's sum is made into, and the block that does it: one behind it, or itself. */
static const tn_stmt *last_of_window(const tni_planner *p, const tn_stmt *window) {
  const tn_stmt *epilogue = tni_epilogue_of(p, window);
  return epilogue ? epilogue : window;
}

/* Is the tile of that block one of whole vectors of channels, and rows if any along the last dimension of pixels? */
static bool fits(const tni_planner *p, const tn_stmt *block, bool rows) {
  tni_tile t = {0};
  int32_t rank = tni_block_store(block)->as.store.count;
  if (!tni_choose_tile(p, block, &t) || t.vector_dim != rank - 1 || t.packed || t.streams) return false;
  return t.row_dim < 0 ? !rows : t.row_dim == rank - 2 && !t.vectors_outside;
}

/* Rows of a block of what is between; 0: the two are better apart. */
static int64_t choose_rows(const tni_planner *p, const tn_buffer *b) {
  int64_t shape[4];
  if (b->rank != 4 || !tni_is_row_major(b)) return 0;
  for (int d = 0; d < 4; d++) {
    if (!tni_is_const(b->shape[d]) || b->shape[d]->as.i < 1) return 0;
    shape[d] = b->shape[d]->as.i;
  }
  return tni_chain_rows(p->target, b->type, shape);
}

bool tni_schedule_chain(tni_planner *p, const tn_stmt *window) {
  const tn_stmt *store = tni_block_store(window), *last = store ? last_of_window(p, window) : NULL;
  const tn_buffer *between = last ? tni_block_store(last)->as.store.buffer : NULL;
  if (!between || tni_is_param(p->s->func, between)) return false;
  const tn_stmt *product = product_of(p, between, last);
  int64_t rows = product ? choose_rows(p, between) : 0;
  if (!rows || !fits(p, product, true) || !fits(p, window, false)) return false;
  const char *names[] = {window->as.block.name, product->as.block.name};
  int64_t work = tni_work_of(window) + tni_work_of(product);
  tni_mark mark = tni_mark_of(p->s);
  tn_block_ref out = tni_writer_of(p, product, "register"), made = out ? tni_writer_of(p, window, "register") : 0;
  tn_loop loops[TNI_MAX_LOOPS], parts[2];
  tn_error *e = NULL;
  tn_block_ref sum = made ? tni_block_named(p, names[1]) : 0;
  bool good = sum && tni_loops_of(p, out, loops) == 4 && tni_try_split(p, loops[1], rows, parts) &&
              tni_tried(p, tn_compute_at(p->s, sum, parts[0], &e), &e) &&
              tni_tried(p, tn_compute_at(p->s, made, parts[0], &e), &e);
  if (!good) {
    if (!p->status) tni_go_back(p->s, &mark);
    return p->status != TN_OK;
  }
  loops[1] = parts[0];
  for (int i = 0; i < 2 && !p->status; i++) {
    const tn_stmt *block = tni_find_block(p->s->func->body, names[i]);
    if (block) tni_schedule_reduction(p, block, 2);
  }
  tni_parallel_outer(p, 2, loops, work);
  return true;
}
