/* reindex.c -- what a block reads, or writes, of a buffer stands in a new one by the block's own iterators.
 *
 *     block C(i, j, reduce k) { C[i, j] = .. A[i*2 + k, j] .. }                                         reindex(C, 0)
 *       ->
 *     block C_read(i, j, k) { A_reindex[i, j, k] = A[i*2 + k, j] }
 *     block C(i, j, reduce k) { C[i, j] = .. A_reindex[i, j, k] .. }
 *
 *     block C(i, j) { C[j*4 + i] = .. }                                                   reindex(C, 0, access=write)
 *       ->
 *     block C(i, j) { C_reindex[i, j] = .. }   block C_write(i, j) { C[j*4 + i] = C_reindex[i, j] }
 *
 * Of what is read the new buffer has a dimension for each iterator on which the load, or its condition, depends, in
 * their order; of what is written, for each spatial one. So a convolution reads and writes as a product of matrices
 * does.
 *
 * needs: of a read, as pack_read; of a write, the only writer of the buffer, all of whose iterators' points are run,
 *        each of which has an element of its own
 * refuses: loads in several places, or by memory; an extent that is not the same in all of the function
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

static tn_status reindex_read(tni_step *step) {
  tni_read_place place;
  tni_places p;
  tn_status status = tni_find_read(step, step->args[3].text, &place);
  if (status) return status;
  const tn_expr *load = tni_only_load(step, place.block, place.buffer);
  if (!load) return TN_E_REFUSED;
  status = tni_iter_places(step, place.block, load->nargs, load->arg, &p);
  return status ? status : tni_read_places(step, &place, load, &p, "reindex");
}

static tn_status reindex_write(tni_step *step) {
  tni_write_place at;
  tni_places p;
  tn_status status = tni_find_write(step, 1, step->args[3].text, false, &at);
  if (!status) status = tni_iter_places(step, at.block, 0, NULL, &p);
  return status ? status : tni_write_places(step, &at, &p, "reindex");
}

tn_status tni_apply_reindex(tni_step *step) { return step->args[2].number ? reindex_write(step) : reindex_read(step); }

tn_status tn_reindex(tn_schedule *s, tn_block_ref block, int32_t number, int write, const char *scope,
                     tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_int(number), tni_of_text(write ? "write" : "read"),
                    tni_of_text(scope)};
  return tni_perform(s, TNI_PRIMITIVE_reindex, 4, args, 1, out, NULL, err);
}
