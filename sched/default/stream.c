/* stream.c -- one row of sums over a matrix that no cache keeps: its rows pass by, several at a time, from end to end.
 *
 *     for chunks of sums { 0; for k by STREAMS { for vectors of sums { for STREAMS { sum += .. } } } }
 *
 * So memory is read in long pieces. The sums of a chunk wait in the first cache; they are added to in the order of k.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum {
  STREAMS = 16,    /* rows of a matrix that pass by at once */
  MOST_SUMS = 2048 /* that wait for them in the first cache */
};

/* A part of the sums for each core, of whole vectors. */
static int64_t chunk_of(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int64_t all = tni_divide_up(tni_extent_of(block, tni_iter_of_dim(block, t->vector_dim)), t->lanes);
  int64_t chunk = tni_divide_up(all, p->target->cores > 1 ? p->target->cores : 1) * t->lanes;
  return chunk < MOST_SUMS ? chunk : MOST_SUMS;
}

void tni_schedule_streams(tni_planner *p, const tn_stmt *stmt, const tni_tile *t) {
  tn_block_ref block = tni_block_named(p, stmt->as.block.name), init = 0;
  int64_t width = chunk_of(p, stmt, t), work = tni_work_of(stmt);
  tn_loop loops[TNI_MAX_LOOPS], outer[TNI_MAX_LOOPS], chunk[2], rows[2], sums[2];
  size_t count = block ? tni_loops_of(p, block, loops) : 0, outer_count = 0;
  tn_loop sum = 0, vector = 0;
  tn_error *e = NULL;
  for (size_t i = 0; i < count; i++) {
    const tni_iter *it = tni_iter_fed_by(p, stmt, loops[i]);
    if (!it) return;
    if (it->reduce)
      sum = loops[i];
    else if (tni_block_store(stmt)->as.store.index[t->vector_dim] == it->var)
      vector = loops[i];
    else
      outer[outer_count++] = loops[i];
  }
  if (!sum || !vector || outer_count + 5 > TNI_MAX_LOOPS || !tni_try_split(p, vector, width, chunk) ||
      !tni_try_split(p, chunk[1], t->lanes, sums) || !tni_try_split(p, sum, STREAMS, rows))
    return;
  outer[outer_count++] = chunk[0];
  size_t n = outer_count;
  memcpy(loops, outer, n * sizeof *outer);
  loops[n++] = rows[0];
  loops[n++] = sums[0];
  loops[n++] = rows[1];
  loops[n++] = sums[1];
  if (!tni_try_reorder(p, n, loops) ||
      !tni_tried(p, tn_decompose_reduction(p->s, block, rows[0], &init, &e), &e))
    return;
  count = tni_loops_of(p, init, loops);
  if (count) tni_try_vectorize(p, loops[count - 1]);
  tni_try_vectorize(p, sums[1]);
  tni_try_unroll(p, rows[1]);
  tni_parallel_outer(p, outer_count, outer, work);
}
