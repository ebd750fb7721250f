/* storage_align.c -- how far apart the rows of a buffer stand in memory.
 *
 *     alloc T: f32[16, 64]  ->  alloc T: f32[16, 64] strides (68, 1)           storage_align(T, 0, 64, 4)
 *
 * The stride of a dimension of the memory becomes the least number, not below what the dimensions inside take, that is
 * `offset` more than a multiple of `factor`; the dimensions outside stand that much further apart. So the rows begin in
 * other sets of a cache, other banks of a memory, or on vectors. A buffer whose strides are given is not made smaller
 * where it is used.
 *
 * needs: a buffer that the block stores to, made in the function, with constant extents;
 *        a factor above 0, an offset below it
 * refuses: a buffer whose address is taken: who has it knows where the elements stand
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

#define MOST (INT64_C(1) << 40) /* of a stride: check.c */

/* The least number from `least` on that is offset more than a multiple of factor; 0: too large. */
static int64_t next_stride(int64_t least, int64_t factor, int64_t offset) {
  if (least > MOST || factor > MOST) return 0;
  int64_t up = least - offset + factor - 1, stride = (up > 0 ? up / factor * factor : 0) + offset;
  return stride < least ? stride + factor : stride;
}

/* The strides of the memory, that of `axis` aligned. A reason, or NULL. */
static const char *align_strides(tni_region *r, const tn_buffer *b, int64_t axis, int64_t factor, int64_t offset,
                                 const tn_expr **out) {
  int32_t rank = tni_memory_rank(b);
  const tn_expr *const *shape = tni_memory_shape(b);
  int64_t stride = 1;
  for (int32_t d = 0; d < rank; d++)
    if (!tni_is_const(shape[d])) return "the extents of a buffer with strides are constants";
  for (int32_t d = rank - 1; d >= 0; d--) {
    int64_t own = b->strides ? b->strides[d]->as.i : stride;
    if (own < stride) return "the dimensions of the buffer stand in another order in memory, by its strides";
    stride = d == axis ? next_stride(own, factor, offset) : own;
    if (stride <= 0 || stride > MOST) return "the stride would be larger than 2^40";
    out[d] = tni_index(r, stride);
    if (__builtin_mul_overflow(stride, shape[d]->as.i, &stride)) return "the stride would be larger than 2^40";
  }
  return NULL;
}

static void see_address(void *self, const tn_expr *x) {
  const tn_buffer **q = self;
  if (x->op == TNI_OP_ADDRESS && x->as.buffer == *q) *q = NULL;
}

tn_status tni_apply_storage_align(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *block = tni_arg_block(step, 0), *alloc = block ? tni_arg_made(step, block, 4) : NULL;
  const tn_expr *strides[TN_MAX_RANK];
  if (!alloc) return TN_E_REFUSED;
  int64_t axis = step->args[1].number, factor = step->args[2].number, offset = step->args[3].number;
  const tn_buffer *b = alloc->as.alloc.buffer, *given = b;
  int32_t rank = tni_memory_rank(b);
  if (axis < 0 || axis >= rank)
    return tni_step_refuse(step, b, "the memory of the buffer has %d dimensions: there is no number %lld", rank,
                           (long long)axis);
  if (factor <= 0 || offset < 0 || offset >= factor)
    return tni_step_refuse(step, b, "the factor is above 0, and the offset in 0..factor");
  tni_stmt_visit_exprs(s->ctx, alloc->as.alloc.body, see_address, &given);
  if (!given)
    return tni_step_refuse(step, b, "the address of the buffer is taken, by who may know where its elements stand");
  const char *why = align_strides(r, b, axis, factor, offset, strides);
  if (why) return tni_step_refuse(step, b, "%s", why);
  tn_buffer form = *b;
  form.strides = strides;
  const tn_stmt *made = tni_alloc_swapped(r, alloc, tni_buffer_make(r, &form));
  return tni_step_keep(step, tni_replace(r, s->func->body, alloc, made));
}

tn_status tn_storage_align(tn_schedule *s, tn_block_ref block, int32_t axis, int64_t factor, int64_t offset,
                           int32_t store, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_int(axis), tni_of_int(factor), tni_of_int(offset), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_storage_align, 5, args, 0, NULL, NULL, err);
}
