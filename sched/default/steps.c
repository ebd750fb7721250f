/* steps.c -- primitives as a planner applies them: what is refused is given up, other failures end the planning.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { PARALLEL_WORK = 1 << 17 }; /* multiply-adds (or elements) below which threads do not pay */

/* A refused step is given up; other failures are kept. True: applied. */
bool tni_tried(tni_planner *p, tn_status status, tn_error *const *err) {
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

bool tni_try_split(tni_planner *p, tn_loop loop, int64_t factor, tn_loop *out) {
  tn_error *e = NULL;
  int64_t factors[] = {0, factor};
  return !p->status && tni_tried(p, tn_split(p->s, loop, 2, factors, out, &e), &e);
}

bool tni_try_parts(tni_planner *p, tn_loop loop, int64_t factor, bool twice, tn_loop *out) {
  tn_error *e = NULL;
  int64_t factors[] = {0, factor};
  tn_loop made[3];
  if (!twice || p->status) return tni_try_split(p, loop, factor, out);
  if (!tni_tried(p, tn_split_tail(p->s, loop, 2, factors, TN_TAIL_OVERLAP, made, &e), &e))
    return tni_try_split(p, loop, factor, out);
  memcpy(out, made, 2 * sizeof *out);
  return true;
}

bool tni_try_reorder(tni_planner *p, size_t count, const tn_loop *loops) {
  tn_error *e = NULL;
  return !p->status && tni_tried(p, tn_reorder(p->s, count, loops, &e), &e);
}

bool tni_try_vectorize(tni_planner *p, tn_loop loop) {
  tn_error *e = NULL;
  return !p->status && tni_tried(p, tn_vectorize(p->s, loop, &e), &e);
}

bool tni_try_unroll(tni_planner *p, tn_loop loop) {
  tn_error *e = NULL;
  return !p->status && tni_tried(p, tn_unroll(p->s, loop, &e), &e);
}

bool tni_try_parallel(tni_planner *p, tn_loop loop) {
  tn_error *e = NULL;
  return !p->status && tni_tried(p, tn_parallel(p->s, loop, &e), &e);
}

void tni_note_loops(tni_planner *p, size_t count, const tn_loop *loops, const char *note) {
  for (size_t i = 0; i < count; i++) {
    tn_error *e = NULL;
    if (loops[i] && !p->status) tni_tried(p, tn_schedule_annotate(p->s, loops[i], note, 1, &e), &e);
  }
}

bool tni_try_fuse(tni_planner *p, size_t count, const tn_loop *loops, tn_loop *out) {
  tn_error *e = NULL;
  return !p->status && tni_tried(p, tn_fuse(p->s, count, loops, out, &e), &e);
}

/* The loops above a block, and how many. */
size_t tni_loops_of(tni_planner *p, tn_block_ref block, tn_loop *loops) {
  tn_error *e = NULL;
  size_t count = TNI_MAX_LOOPS;
  if (p->status || !tni_tried(p, tn_get_loops(p->s, block, loops, &count, &e), &e)) return 0;
  return count;
}

tn_block_ref tni_block_named(tni_planner *p, const char *name) {
  tn_error *e = NULL;
  tn_block_ref block = 0;
  return !p->status && tni_tried(p, tn_get_block(p->s, name, &block, &e), &e) ? block : 0;
}

bool tni_goes_parallel(const tni_planner *p, int64_t work) {
  return !p->serial && p->target->cores > 1 && work >= PARALLEL_WORK;
}

/* Loops in front of a tile: fused from the outside as long as they are one chain, and run in parallel. */
void tni_parallel_outer(tni_planner *p, size_t count, const tn_loop *loops, int64_t work) {
  tn_loop fused;
  if (!tni_goes_parallel(p, work) || count == 0) return;
  while (count > 1 && !tni_try_fuse(p, count, loops, &fused)) count--;
  tni_try_parallel(p, count > 1 ? fused : loops[0]);
}
