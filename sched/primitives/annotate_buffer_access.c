/* annotate_buffer_access.c -- the region of a buffer that a block touches, where its subscripts tell less.
 *
 *     block Y(i) { Y[i] = T[i * 2 + min(max(I[i], 0), 1)] }       annotate_buffer_access(Y, read, 0, "(a) -> (a * 2 : 2)")
 *       ->
 *     block Y(i) with read_0 = "(a) -> (a * 2 : 2)" { .. }
 *
 * compute_at, read_at and write_at take the box of what a block is known to touch; of a subscript that memory says that is a
 * whole dimension, unless a region is stated. It is a hint that is proven wherever it is used (regions.c): no more than what
 * is true of the block, by its subscripts, conditions of loads and domains, can be stated.
 *
 * needs: a buffer that the block reads (writes); a region of its rank that all its accesses in the block stay in
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tni_apply_annotate_buffer_access(tni_step *step) {
  tn_schedule *s = step->s;
  const tn_stmt *block = tni_arg_block(step, 0);
  bool writes = step->args[1].number == 1;
  const char *text = step->args[3].text;
  char why[256];
  tni_stated stated;
  const tn_buffer *b = block ? tni_arg_buffer(step, block, 2, writes) : NULL;
  if (!b) return TN_E_REFUSED;
  if (!tni_stated_region(s, block, b, text, &stated, why, sizeof why))
    return *why ? tni_step_refuse(step, block, "%s", why) : TN_E_NOMEM;
  const void *outside = tni_region_left(s, block, b, writes, &stated);
  if (outside)
    return tni_step_refuse(step, outside, "it is not known that this stays inside of the region\n"
                                          "needs: a larger one, or a subscript or condition that keeps it inside");
  const char *key = tni_region_key(s, writes, (size_t)step->args[2].number);
  return key ? tni_step_annotate(step, block, (tni_annotation){key, text, 0}) : TN_E_NOMEM;
}

tn_status tn_annotate_buffer_access(tn_schedule *s, tn_block_ref block, int writes, int32_t buffer, const char *region,
                                    tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(writes ? "write" : "read"), tni_of_int(buffer), tni_of_text(region)};
  return tni_perform(s, TNI_PRIMITIVE_annotate_buffer_access, 4, args, 0, NULL, NULL, err);
}
