/* exact.c -- floating-point sums and products in another order round otherwise: a schedule may forbid it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

void tn_schedule_forbid_reassociation(tn_schedule *s, int forbid) { s->keeps_order = forbid != 0; }

static tn_status refuse(tni_step *step, const void *mark) {
  return tni_step_refuse(step, mark,
                         "this sum or product of floating-point numbers would be made in another order, which rounds "
                         "otherwise\n"
                         "needs: a schedule that does not forbid reassociation");
}

tn_status tni_step_reassociates(tni_step *step, const tn_stmt *block) {
  tn_schedule *s = step->s;
  tni_reduction reduction;
  if (!s->keeps_order) return TN_OK;
  bool known = tni_reducer_of(&s->region, block, &reduction);
  if (!known) reduction.count = tni_block_stores(s->ctx, block, reduction.stores);
  for (int32_t k = 0; k < reduction.count; k++) {
    bool rounds = !known || reduction.rows[k] == TN_REDUCE_SUM || reduction.rows[k] == TN_REDUCE_PRODUCT;
    if (rounds && tni_type_is_float(reduction.stores[k]->as.store.buffer->type))
      return refuse(step, reduction.stores[k]);
  }
  return TN_OK;
}

tn_status tni_step_rounds_otherwise(tni_step *step, const void *mark) {
  return step->s->keeps_order ? refuse(step, mark) : TN_OK;
}

static bool see_reduce(void *self, const tn_stmt *s) {
  const tn_stmt **found = self;
  if (s->kind == TNI_REDUCE && (s->as.store.op == TN_OP_add || s->as.store.op == TN_OP_mul) &&
      tni_type_is_float(s->as.store.buffer->type))
    *found = s;
  return !*found;
}

tn_status tni_step_runs_at_once(tni_step *step, const tn_stmt *loop) {
  const tn_stmt *found = NULL;
  if (step->s->keeps_order) tni_stmt_visit(loop, see_reduce, &found);
  return found ? refuse(step, found) : TN_OK;
}
