/* reindex_cache_write.c -- a block writes a new buffer, with dimensions that a map makes of its iterators.
 *
 *     block C(i, j, reduce k) { C[i, j] = .. }
 *       ->                               reindex_cache_write(C, "local", "(i, j, k) -> (j // 4, i, j % 4)")
 *     block C(i, j, reduce k) { C_cache[j // 4, i, j % 4] = .. }
 *     block C_write(i, j) { C[i, j] = C_cache[j // 4, i, j % 4] }
 *
 * The map is of all iterators, and uses spatial ones.
 *
 * needs: the only writer of the buffer, all of whose iterators' points are run, each of which has an element of its
 *        own; a map that sends different ones to different places
 * refuses: a block that reads other elements of the buffer than the one it accumulates; a buffer read, or allocated,
 *          under the same outermost loop; places for the steps of a reduction
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tni_apply_reindex_cache_write(tni_step *step) {
  tni_write_place at;
  tni_places p;
  tn_status status = tni_find_write(step, 3, step->args[1].text, false, &at);
  if (!status) status = tni_arg_iter_places(step, 2, at.block, &p);
  return status ? status : tni_write_places(step, &at, &p, "cache");
}

tn_status tn_reindex_cache_write(tn_schedule *s, tn_block_ref block, const char *scope, const char *map, int32_t store,
                                 tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(scope), tni_of_text(map), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_reindex_cache_write, 4, args, 1, out, NULL, err);
}
