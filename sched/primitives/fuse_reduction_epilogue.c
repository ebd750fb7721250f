/* fuse_reduction_epilogue.c -- what is done with the result of a reduction, for each element as soon as it is complete.
 *
 *     for i { for k in 0..n { block C(i, reduce k) { init { C[i] = 0 }  C[i] = C[i] + A[i, k] } } }
 *     for i { block Y(i) { Y[i] = max(C[i], 0) } }
 *       ->
 *     for i { for k in 0..n { block C(i, reduce k) ..  block Y(i) where k == n - 1 { Y[i] = max(C[i], 0) } } }
 *
 * The epilogue runs once for each element, behind its last step: what it computes stays the same to the bit, whatever it is.
 *
 * needs: what reverse_compute_at needs of a consumer, each subscript of C being an iterator of it; a block of a reduction
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct result_search {
  tn_context *ctx;
  const tn_stmt *epilogue;
  bool found;
} result_search;

static bool see_result(void *self, const tn_stmt *s) {
  result_search *q = self;
  q->found |= tni_is_write(s) && tni_uses_of(q->ctx, q->epilogue, s->as.store.buffer).readers;
  return true;
}

static bool reads_results(tn_context *ctx, const tn_stmt *epilogue, const tn_stmt *reduction) {
  result_search q = {.ctx = ctx, .epilogue = epilogue};
  tni_stmt_visit(reduction, see_result, &q);
  return q.found;
}

tn_status tni_apply_fuse_reduction_epilogue(tni_step *step) {
  const tn_stmt *reduction = tni_arg_block(step, 0), *epilogue = reduction ? tni_arg_block(step, 1) : NULL;
  const tn_stmt *path[TNI_MAX_PATH], *loop = NULL;
  bool reduces = false;
  tni_meeting m;
  if (!reduction || !epilogue) return TN_E_REFUSED;
  for (int32_t i = 0; i < reduction->as.block.count; i++) reduces |= reduction->as.block.iters[i].reduce;
  for (int i = tni_path_to(step->s->func->body, reduction, path); i > 0 && !loop; i--)
    if (path[i - 1]->kind == TNI_FOR) loop = path[i - 1];
  if (!reduces || !loop)
    return tni_step_refuse(step, reduction, "the block is no reduction\n"
                                            "needs: reverse_compute_at or reverse_compute_inline, for other producers");
  if (!reads_results(step->s->ctx, epilogue, reduction))
    return tni_step_refuse(step, epilogue, "the epilogue does not read what the reduction writes");
  tn_status status = tni_meet(step, epilogue, loop, true, &m);
  return status ? status : tni_step_accept(step, tni_move_consumer(&m));
}

tn_status tn_fuse_reduction_epilogue(tn_schedule *s, tn_block_ref reduction, tn_block_ref epilogue, tn_error **err) {
  tni_arg args[] = {tni_of_handle(reduction), tni_of_handle(epilogue)};
  return tni_perform(s, TNI_PRIMITIVE_fuse_reduction_epilogue, 2, args, 0, NULL, NULL, err);
}
