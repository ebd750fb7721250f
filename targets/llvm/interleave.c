/* interleave.c -- vectors that are stored between each other are put together in registers, and stored at once.
 *
 *     B[ramp(x, 2, n)] = a ; B[ramp(x + 1, 2, n)] = b   ->   B[ramp(x, 1, 2*n)] = a0 b0 a1 b1 ..        the same of 3, 4
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

enum { THREE = 3, MOST = 4, LEAST_LANES = 4 };

LLVMValueRef tni_ll_interleave(tni_ll_module *m, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef numbers[TNI_LL_MAX_LANES];
  unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(a));
  for (unsigned i = 0; i < 2 * lanes; i++) numbers[i] = LLVMConstInt(m->i32, i / 2 + (i % 2 ? lanes : 0), 0);
  return LLVMBuildShuffleVector(m->b, a, b, LLVMConstVector(numbers, 2 * lanes), "");
}

typedef struct reader_search {
  const tn_buffer *buffer;
  bool found;
} reader_search;

static void see_load(void *self, const tn_expr *x) {
  reader_search *q = self;
  q->found |= (x->op == TN_OP_load && x->as.buffer == q->buffer) || x->op == TN_OP_call;
}

/* A vector of whole bytes, to elements so far apart, whatever its condition would be: there is none. */
static bool is_spread(tni_ll_function *f, const tn_stmt *s, int64_t stride) {
  if (s->kind != TNI_STORE || s->as.store.where || tni_type_is_packed(s->as.store.buffer->type)) return false;
  const tn_expr *index = s->as.store.count ? s->as.store.index[0] : NULL;
  if (!index || index->op != TN_OP_ramp || !tni_is_int(index->arg[1], stride)) return false;
  reader_search q = {s->as.store.buffer, false};
  tni_expr_visit(f->m->ctx, s->as.store.value, see_load, &q);
  uint32_t lanes = TN_TYPE_LANES(index->type);
  return !q.found && lanes >= LEAST_LANES && lanes * (uint64_t)stride <= TNI_LL_MAX_LANES;
}

/* Is `s` what `first` is, so many elements behind it? */
static bool is_behind(const tn_stmt *first, const tn_stmt *s, int64_t number) {
  int64_t distance;
  const tn_expr *a = first->as.store.index[0], *b = s->as.store.index[0];
  return s->as.store.buffer == first->as.store.buffer && a->type == b->type &&
         tni_ll_distance(a->arg[0], b->arg[0], &distance) && distance == number;
}

static LLVMValueRef value_of(tni_ll_function *f, const tn_stmt *s) {
  uint32_t lanes = TN_TYPE_LANES(s->as.store.index[0]->type);
  const tn_expr *value = s->as.store.value;
  LLVMValueRef v = tni_ll_expr(f, value);
  if (f->m->status != TN_OK) return NULL;
  if (TN_TYPE_LANES(value->type) < lanes) v = tni_ll_splat(f->m, v, lanes);
  return tni_ll_to_memory(f->m, TN_TYPE_WITH_LANES(value->type, lanes), v);
}

/* Vector `number` of those that three are between each other, each as long as they are: lanes of the first two, then of
 * the third. */
static LLVMValueRef third(tni_ll_module *m, const LLVMValueRef *parts, unsigned number) {
  LLVMValueRef two[TNI_LL_MAX_LANES], all[TNI_LL_MAX_LANES];
  unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(parts[0]));
  for (unsigned i = 0; i < lanes; i++) {
    unsigned at = number * lanes + i, part = at % THREE, lane = at / THREE;
    two[i] = LLVMConstInt(m->i32, lane + (part == 1 ? lanes : 0), 0);
    all[i] = LLVMConstInt(m->i32, part == 2 ? lanes + lane : i, 0);
  }
  LLVMValueRef first = LLVMBuildShuffleVector(m->b, parts[0], parts[1], LLVMConstVector(two, lanes), "");
  return LLVMBuildShuffleVector(m->b, first, parts[2], LLVMConstVector(all, lanes), "");
}

static LLVMValueRef together(tni_ll_function *f, int32_t count, LLVMValueRef *parts) {
  for (int32_t half = count / 2; half >= 1; half /= 2) /* 0 2, 1 3; then both */
    for (int32_t i = 0; i < half; i++) parts[i] = tni_ll_interleave(f->m, parts[i], parts[i + half]);
  return parts[0];
}

static void store_all(tni_ll_function *f, const tn_stmt *first, int32_t count, LLVMValueRef *parts) {
  const tn_buffer *to = first->as.store.buffer;
  const tn_expr *at = first->as.store.index[0]->arg[0];
  if (count != THREE) return tni_ll_store_vector(f, to, at, 0, together(f, count, parts));
  for (unsigned i = 0; i < THREE; i++)
    tni_ll_store_vector(f, to, at, i * LLVMGetVectorSize(LLVMTypeOf(parts[0])), third(f->m, parts, i));
}

int32_t tni_ll_store_interleaved(tni_ll_function *f, int32_t left, const tn_stmt *const *stmts) {
  LLVMValueRef parts[MOST];
  int32_t count = 0;
  for (int32_t stride = 2; !count && stride <= MOST && stride <= left; stride++) {
    bool all = true;
    for (int32_t i = 0; all && i < stride; i++)
      all = is_spread(f, stmts[i], stride) && is_behind(stmts[0], stmts[i], i);
    if (all) count = stride;
  }
  for (int32_t i = 0; i < count; i++)
    if (!(parts[i] = value_of(f, stmts[i]))) return count; /* that has failed */
  if (count) store_all(f, stmts[0], count, parts);
  return count;
}
