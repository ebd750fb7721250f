/* get.c -- handles of blocks and loops.
 *
 *     b = get_block("C")          l1, l2, l3 = get_loops(b)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tni_apply_get_block(tni_step *step) {
  const tn_stmt *block = tni_find_block(step->s->func->body, step->args[0].text);
  if (!block) return tni_step_refuse(step, NULL, "there is no block `%s`", step->args[0].text);
  return tni_give_block(step, block->as.block.name);
}

tn_status tni_apply_get_loops(tni_step *step) {
  const tn_stmt *path[TNI_MAX_PATH], *block = tni_arg_block(step, 0);
  if (!block) return TN_E_REFUSED;
  int depth = tni_path_to(step->s->func->body, block, path);
  tn_status status = TN_OK;
  for (int i = 0; i < depth && !status; i++)
    if (path[i]->kind == TNI_FOR) status = tni_give_loop(step, path[i]->as.loop.var);
  return status;
}

tn_status tn_get_block(tn_schedule *s, const char *name, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_text(name)};
  return tni_perform(s, TNI_PRIMITIVE_get_block, 1, args, 1, out, NULL, err);
}

tn_status tn_get_loops(tn_schedule *s, tn_block_ref block, tn_loop *out, size_t *count, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block)};
  return tni_perform(s, TNI_PRIMITIVE_get_loops, 1, args, *count, out, count, err);
}
