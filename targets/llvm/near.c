/* near.c -- loads whose lanes take elements near each other: one vector, of which each lane takes its own.
 *
 *     A[b + ramp(0, 1, 16) // 4 * 4]     ->   v = A[b .. b + 13];  v0 v0 v0 v0 v4 v4 v4 v4 v8 v8 v8 v8 v12 v12 v12 v12
 *
 * So the channels of a group read the same input, and those of the next group another one. What lies between two elements
 * that are read is in the buffer, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

typedef struct near_load {
  tni_ll_function *f;
  const tni_ll_access *a;
  int64_t at[TNI_LL_MAX_LANES]; /* by lane: its element, from that of lane 0 on */
  int64_t span;                 /* elements from the first to the last */
} near_load;

static bool rises(uint32_t lanes, const int64_t *numbers) {
  for (uint32_t i = 1; i < lanes; i++)
    if (numbers[i] < numbers[i - 1]) return false;
  return true;
}

/* Is the condition true up to some lane, and false from there on? */
static bool is_prefix(const tn_expr *x) {
  int64_t left[TNI_LL_MAX_LANES], right[TNI_LL_MAX_LANES];
  uint32_t lanes = TN_TYPE_LANES(x->type);
  if (lanes <= 1 || x->op == TN_OP_broadcast) return true;
  if (x->op == TN_OP_and) return is_prefix(x->arg[0]) && is_prefix(x->arg[1]);
  if ((x->op != TN_OP_lt && x->op != TN_OP_le) || TN_TYPE_CODE(x->arg[0]->type) != TN_CODE_INDEX) return false;
  if (!tni_ll_distances(x->arg[0], left) || !tni_ll_distances(x->arg[1], right)) return false;
  return rises(lanes, left) && right[lanes - 1] == 0 && rises(lanes, right);
}

static bool find_elements(near_load *q) {
  uint32_t lanes = q->a->lanes;
  if (!tni_ll_distances(q->a->index, q->at) || !rises(lanes, q->at) || q->at[lanes - 1] >= lanes) return false;
  q->span = q->at[lanes - 1] + 1;
  return true;
}

/* The lanes of `vector` by numbers. */
static LLVMValueRef shuffled(const near_load *q, LLVMValueRef vector, const int64_t *numbers) {
  LLVMValueRef order[TNI_LL_MAX_LANES];
  for (uint32_t i = 0; i < q->a->lanes; i++) order[i] = LLVMConstInt(q->f->m->i32, (uint64_t)numbers[i], 0);
  LLVMValueRef rest = LLVMGetPoison(LLVMTypeOf(vector));
  return LLVMBuildShuffleVector(q->f->m->b, vector, rest, LLVMConstVector(order, q->a->lanes), "");
}

/* The elements from the first to the last. */
static LLVMValueRef span_mask(const near_load *q) {
  LLVMValueRef bits[TNI_LL_MAX_LANES];
  for (uint32_t i = 0; i < q->a->lanes; i++) bits[i] = LLVMConstInt(q->f->m->i1, i < q->span, 0);
  return LLVMConstVector(bits, q->a->lanes);
}

/* An element is read if the first lane is that takes it, or one behind it. */
static LLVMValueRef element_mask(const near_load *q, LLVMValueRef mask) {
  int64_t first[TNI_LL_MAX_LANES];
  for (uint32_t i = 0, lane = 0; i < q->a->lanes; i++) {
    while (lane + 1 < q->a->lanes && q->at[lane] < i) lane++;
    first[i] = lane;
  }
  return LLVMBuildAnd(q->f->m->b, shuffled(q, mask, first), span_mask(q), "");
}

static LLVMValueRef load_span(const near_load *q, LLVMValueRef pointer, LLVMValueRef mask) {
  tni_ll_module *m = q->f->m;
  unsigned align = (unsigned)tn_type_bytes(q->a->buffer->type);
  if (!mask && q->span == 1) return tni_ll_splat(m, tni_ll_load_at(m, q->a->element, pointer, align), q->a->lanes);
  LLVMValueRef value = !mask && q->span == q->a->lanes
                           ? tni_ll_load_at(m, q->a->type, pointer, align)
                           : tni_ll_masked_load(m, q->a->type, pointer, mask ? mask : span_mask(q), align);
  return shuffled(q, value, q->at);
}

LLVMValueRef tni_ll_load_near(tni_ll_function *f, const tni_ll_access *a) {
  near_load q = {.f = f, .a = a};
  tni_ll_module *m = f->m;
  if (tni_ll_lanes(a->index) != a->lanes || (a->where && !is_prefix(a->where)) || !find_elements(&q)) return NULL;
  LLVMValueRef pointer = tni_ll_first_pointer(f, a);
  tni_ll_condition c = tni_ll_condition_of(f, a);
  pointer = tni_ll_pointer_if(f, &c, pointer);
  if (!c.own) return load_span(&q, pointer, NULL);
  LLVMValueRef value = load_span(&q, pointer, element_mask(&q, c.own));
  return LLVMBuildSelect(m->b, c.own, value, LLVMConstNull(a->type), "");
}
