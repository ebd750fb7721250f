/* add_unit_loop.c -- a loop of one iteration around a loop or block.
 *
 *     S  ->  for unit in 0..1 { S }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tni_apply_add_unit_loop(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *place = tni_arg_place(step, 0);
  if (!place) return TN_E_REFUSED;
  const tn_expr *var = tni_var(r, "unit", TN_INDEX);
  const tn_stmt *loop = tni_for(r, var, tni_index(r, 1), TNI_SERIAL, place);
  tn_status status = var ? tni_give_loop(step, var) : TN_E_NOMEM;
  return status ? status : tni_step_keep(step, tni_replace(r, step->s->func->body, place, loop));
}

tn_status tn_add_unit_loop(tn_schedule *s, tn_place place, tn_loop *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(place)};
  return tni_perform(s, TNI_PRIMITIVE_add_unit_loop, 1, args, 1, out, NULL, err);
}
