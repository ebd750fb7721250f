/* apart.c -- loads whose lanes take elements a few apart: the vectors of memory that hold them, shuffled together.
 *
 *     A[ramp(x, 2, 16)]  ->  v = A[x .. x + 15], A[x + 15 .. x + 30];  v0 v2 .. v14 of the first, v1 v3 .. v15 of the second
 *
 * A load and a shuffle for each step of the stride stand in the place of a load and an insertion for each lane. What
 * lies between the first element and the last is in the buffer, too; nothing else is read, so the last vector may begin
 * within the one before it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

enum { MOST_STRIDE = 4, LEAST_LANES = 4 };

/* Of the lanes, those that are not taken yet, from element `from` on, as far as they are in the vector, which begins `at`
 * elements behind the first. */
static LLVMValueRef take(tni_ll_module *m, LLVMValueRef taken, LLVMValueRef vector, uint32_t lanes, int64_t stride,
                         int64_t from, int64_t at) {
  LLVMValueRef order[TNI_LL_MAX_LANES];
  for (uint32_t i = 0; i < lanes; i++) {
    int64_t element = stride * i;
    int64_t number = element < from ? i : element < at + lanes ? lanes + element - at : i;
    order[i] = LLVMConstInt(m->i32, (uint64_t)number, 0);
  }
  return LLVMBuildShuffleVector(m->b, taken, vector, LLVMConstVector(order, lanes), "");
}

LLVMValueRef tni_ll_load_apart(tni_ll_function *f, const tni_ll_access *a, int64_t stride) {
  int64_t lanes = a->lanes, last = stride * (lanes - 1) + 1 - lanes;
  if (stride < 2 || stride > MOST_STRIDE || lanes < LEAST_LANES) return NULL;
  unsigned align = (unsigned)tn_type_bytes(a->buffer->type);
  LLVMValueRef first = tni_ll_first_pointer(f, a), taken = LLVMGetPoison(a->type);
  for (int64_t i = 0; i < stride; i++) {
    int64_t at = i + 1 < stride ? i * lanes : last;
    LLVMValueRef pointer = tni_ll_behind(f, a, first, at);
    taken = take(f->m, taken, tni_ll_load_at(f->m, a->type, pointer, align), a->lanes, stride, i * lanes, at);
  }
  return taken;
}
