/* loop_partition.c -- one loop into several, each over the next part of its range.
 *
 *     for i in 0..n { S }
 *       ->
 *     for i in 0..p { S }  for i in 0..q - p { S[i := p + i] }  for i in 0..n - q { S[i := q + i] }
 *
 * Of a symbolic extent the parts begin no later than it ends: min(p, n), max(min(q, n) - p, 0), max(n - q, 0) iterations.
 *
 * needs: a serial loop; rising points inside its range
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

static tn_status check(tni_step *step, const tn_stmt *loop) {
  const tni_arg *points = &step->args[1];
  const tn_expr *extent = loop->as.loop.extent;
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the loop is not serial any more\n"
                           "needs: to be partitioned before it is annotated");
  if (points->count < 1 || points->count >= TNI_MAX_OUT)
    return tni_step_refuse(step, loop->as.loop.var, "give 1 to %d points", TNI_MAX_OUT - 1);
  for (size_t i = 0; i < points->count; i++)
    if (points->numbers[i] <= (i ? points->numbers[i - 1] : 0))
      return tni_step_refuse(step, loop->as.loop.var, "the points must rise, from 1 on");
  if (points->numbers[points->count - 1] >= (tni_is_const(extent) ? extent->as.i : TNI_INF))
    return tni_step_refuse(step, loop->as.loop.var, "the points must lie below the extent");
  const char *why = tni_why_not_again(loop);
  return why ? tni_step_refuse(step, loop->as.loop.var, "%s", why) : TN_OK;
}

/* How many iterations there are from `first` to the extent, or to `end` (not 0) if that comes before. */
static const tn_expr *count_between(tni_region *r, const tn_expr *extent, int64_t first, int64_t end) {
  const tn_expr *last = end ? tni_op2(r, TN_OP_min, tni_index(r, end), extent) : extent;
  if (first == 0 || !last) return last;
  const tn_expr *count = tni_sub(r, last, tni_index(r, first));
  return tni_is_const(extent) ? count : tni_op2(r, TN_OP_max, count, tni_index(r, 0));
}

tn_status tni_apply_loop_partition(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *parts[TNI_MAX_OUT], *root = step->s->func->body, *loop = tni_arg_loop(step, 0);
  const tni_arg *points = &step->args[1];
  tn_status status = loop ? check(step, loop) : TN_E_REFUSED;
  for (size_t i = 0; i <= points->count && !status; i++) {
    int64_t first = i ? points->numbers[i - 1] : 0, end = i < points->count ? points->numbers[i] : 0;
    parts[i] = tni_loop_part(r, root, loop, tni_index(r, first), count_between(r, loop->as.loop.extent, first, end));
    status = parts[i] ? tni_give_loop(step, parts[i]->as.loop.var) : TN_E_NOMEM;
  }
  if (status) return status;
  const tn_stmt *body = tni_replace(r, root, loop, tni_seq(r, (int32_t)points->count + 1, parts));
  return tni_step_accept(step, tni_rename_blocks(r, body));
}

tn_status tn_loop_partition(tn_schedule *s, tn_loop loop, size_t count, const int64_t *points, tn_loop *out,
                            tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_ints(count, points)};
  return tni_perform(s, TNI_PRIMITIVE_loop_partition, 2, args, count + 1, out, NULL, err);
}
