/* across.c -- an elementwise block that reads across what it writes: in squares, of vectors that are written out.
 *
 *     for i { for j { B[i, j] = f(A[j, i]) } }
 *       ->
 *     for i by n { for j by n { for n unrolled { for n vectorized { .. } } } }
 *
 * Code generation reads the rows of a square and turns it in registers (targets/llvm/transpose.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { LEAST_LANES = 4, MOST_LANES = 16 };

typedef struct across_search {
  const tni_planner *p;
  const tn_stmt *block;
  const tn_expr *inner; /* the iterator of vectors */
  int32_t row; /* the iterator along which a load that is far apart in vectors has its neighbours; -1: none */
} across_search;

static void look_across(void *self, const tn_expr *x) {
  across_search *q = self;
  int64_t stride;
  if (q->row >= 0 || x->op != TN_OP_load) return;
  if (!tni_stride_of(q->p, x->as.buffer, x->arg, q->inner, &stride) || stride < 2) return;
  for (int32_t i = 0; i < q->block->as.block.count && q->row < 0; i++)
    if (tni_stride_of(q->p, x->as.buffer, x->arg, q->block->as.block.iters[i].var, &stride) && stride == 1) q->row = i;
}

bool tni_schedule_across(tni_planner *p, const tn_stmt *block, size_t from, size_t inner, tn_loop *loops) {
  const tn_stmt *store = tni_block_store(block);
  const tni_iter *it = tni_iter_fed_by(p, block, loops[inner]);
  tn_loop order[TNI_MAX_LOOPS], rows[2], columns[2];
  size_t row = from, n = 0;
  if (!it || !store || tni_is_reduction(block)) return false; /* a block of several stores has none that is its own */
  across_search q = {.p = p, .block = block, .inner = it->var, .row = -1};
  tni_expr_visit(p->s->ctx, store->as.store.value, look_across, &q);
  while (q.row >= 0 && row < inner && tni_iter_fed_by(p, block, loops[row]) != &block->as.block.iters[q.row]) row++;
  if (q.row < 0 || row >= inner) return false;
  int64_t extent = it->extent->as.i, lanes = tni_target_lanes(p->target, store->as.store.buffer->type, extent);
  if (!tni_is_const(it->extent) || lanes < LEAST_LANES || lanes > MOST_LANES || extent < lanes ||
      tni_extent_of(block, q.row) < lanes)
    return false;
  if (!tni_try_split(p, loops[row], lanes, rows) || !tni_try_split(p, loops[inner], lanes, columns)) return false;
  loops[row] = rows[0];
  loops[inner] = columns[0];
  for (size_t i = row; i <= inner; i++) order[n++] = loops[i];
  order[n++] = rows[1];
  order[n++] = columns[1];
  if (tni_try_reorder(p, n, order)) {
    tni_try_unroll(p, rows[1]);
    tni_try_vectorize(p, columns[1]);
  }
  return true;
}
