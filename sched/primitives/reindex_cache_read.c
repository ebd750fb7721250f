/* reindex_cache_read.c -- a block reads a new buffer, with dimensions that a map makes of its iterators.
 *
 *     block C(i, reduce k) { C[i] = .. A[i*2 + k] .. }
 *       ->                               reindex_cache_read(C, 0, "local", "(i, k) -> (k // 4, i, k % 4)")
 *     block C_read(p, i, q) { A_cache[p, i, q] = A[i*2 + p*4 + q if p*4 + q < n] }
 *     block C(i, reduce k) { C[i] = .. A_cache[k // 4, i, k % 4] .. }
 *
 * Instances that read one element may share a place: "(i, k) -> (i*2 + k)". Elements that several places hold are there
 * several times. What a division rounds up to is 0, and nobody reads it.
 *
 * needs: one load of the buffer in the block; a map from which the load's iterators, or its subscripts, can be had; a
 *        buffer that is whole before the outermost loop and is not written under it
 * refuses: loads in several places, or by memory; a map that mixes up what is read
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tni_apply_reindex_cache_read(tni_step *step) {
  tni_read_place place;
  tni_places p;
  tn_status status = tni_find_read(step, step->args[2].text, &place);
  if (status) return status;
  const tn_expr *load = tni_only_load(step, place.block, place.buffer);
  if (!load) return TN_E_REFUSED;
  status = tni_arg_iter_places(step, 3, place.block, &p);
  return status ? status : tni_read_places(step, &place, load, &p, "cache");
}

tn_status tn_reindex_cache_read(tn_schedule *s, tn_block_ref block, int32_t read, const char *scope, const char *map,
                                tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_int(read), tni_of_text(scope), tni_of_text(map)};
  return tni_perform(s, TNI_PRIMITIVE_reindex_cache_read, 4, args, 1, out, NULL, err);
}
