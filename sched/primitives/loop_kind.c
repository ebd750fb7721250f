/* loop_kind.c -- how a loop's iterations run: on several threads, in the lanes of vectors, written out.
 *
 *     for i in 0..n { S }  ->  for i in 0..n parallel { S }     and vectorized, unrolled
 *
 * needs: parallel, vectorize: iterations that may run at the same time (legal.c); vectorize, unroll: a constant extent
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_UNROLL = 1024, MAX_VECTOR = 64 };

static tn_status set_kind(tni_step *step, const tn_stmt *loop, enum tni_loop_kind kind) {
  tni_region *r = &step->s->region;
  const tn_stmt *made = tni_for_like(r, loop, loop->as.loop.var, loop->as.loop.extent, kind, loop->as.loop.body);
  return tni_step_keep(step, tni_replace(r, step->s->func->body, loop, made));
}

static tn_status set_concurrent(tni_step *step, enum tni_loop_kind kind) {
  const void *mark;
  const tn_stmt *loop = tni_arg_loop(step, 0);
  if (!loop) return TN_E_REFUSED;
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the loop is not serial any more\n"
                           "needs: to be split before, so that each part has its own kind");
  const tn_expr *extent = loop->as.loop.extent;
  if (kind == TNI_VECTORIZED && (!tni_is_const(extent) || extent->as.i > MAX_VECTOR))
    return tni_step_refuse(step, loop->as.loop.var,
                           "a vectorized loop needs a constant extent up to %d\n"
                           "needs: a split, to vectorize the inner loop",
                           MAX_VECTOR);
  const char *why = tni_why_not_concurrent(&step->s->region, step->s->func, loop, &mark);
  if (why) return tni_step_refuse(step, mark, "%s", why);
  tn_status status = tni_step_runs_at_once(step, loop);
  return status ? status : set_kind(step, loop, kind);
}

tn_status tni_apply_parallel(tni_step *step) { return set_concurrent(step, TNI_PARALLEL); }
tn_status tni_apply_vectorize(tni_step *step) { return set_concurrent(step, TNI_VECTORIZED); }

tn_status tni_apply_unroll(tni_step *step) {
  const tn_stmt *loop = tni_arg_loop(step, 0);
  if (!loop) return TN_E_REFUSED;
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the loop is not serial any more\n"
                           "needs: to be split before, so that each part has its own kind");
  const tn_expr *extent = loop->as.loop.extent;
  if (!tni_is_const(extent) || extent->as.i > MAX_UNROLL)
    return tni_step_refuse(step, loop->as.loop.var,
                           "an unrolled loop needs a constant extent up to %d\n"
                           "needs: a split, to unroll the inner loop",
                           MAX_UNROLL);
  return set_kind(step, loop, TNI_UNROLLED);
}

static tn_status call(tn_schedule *s, enum tni_primitive_id id, tn_loop loop, tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop)};
  return tni_perform(s, id, 1, args, 0, NULL, NULL, err);
}

tn_status tn_parallel(tn_schedule *s, tn_loop loop, tn_error **err) {
  return call(s, TNI_PRIMITIVE_parallel, loop, err);
}
tn_status tn_vectorize(tn_schedule *s, tn_loop loop, tn_error **err) {
  return call(s, TNI_PRIMITIVE_vectorize, loop, err);
}
tn_status tn_unroll(tn_schedule *s, tn_loop loop, tn_error **err) { return call(s, TNI_PRIMITIVE_unroll, loop, err); }
