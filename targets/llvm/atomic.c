/* atomic.c -- reduce statements: an element changed in one step.
 *
 *     reduce A[i] max= x   ->   A[i] = max(A[i], x)                               nobody else can see the element
 *                               atomicrmw max                                     where the machine may have it
 *                               do old = A[i] while !cmpxchg(A[i], old, max(old, x))     else: any type, any operator
 *
 * Of elements that share bytes, the byte is exchanged.
 *
 * An element can be seen by others in a parallel loop, when its buffer comes from outside. The order of memory is monotonic:
 * what else the iterations wrote is seen when the loop has ended, as for plain stores. Lanes go one by one, in order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

/* A reduction at work: the operator over two variables, the old element and the operand. */
typedef struct reduction {
  tni_ll_function *f;
  const tn_expr *old, *operand, *combined;
  tn_type type;
  bool shared;
  LLVMValueRef shift; /* of the element at hand in its byte; NULL: it has its bytes for itself */
} reduction;

static LLVMValueRef combine(const reduction *r, LLVMValueRef old, LLVMValueRef operand) {
  tni_ll_function *f = r->f;
  size_t mark = f->scope.used;
  if (!tni_ll_scope_add(&f->scope, r->old, old) || !tni_ll_scope_add(&f->scope, r->operand, operand)) return operand;
  LLVMValueRef made = tni_ll_expr(f, r->combined);
  tni_ll_scope_pop(&f->scope, mark);
  return made;
}

static bool has_instruction(const reduction *r, LLVMAtomicRMWBinOp *out) {
  bool is_signed = tni_ll_is_signed(r->type);
  if (tni_ll_is_float(r->type) || tni_ll_is_bool(r->type) || r->shift) return false;
  switch (r->combined->op) {
  case TN_OP_add: *out = LLVMAtomicRMWBinOpAdd; return true;
  case TN_OP_and: *out = LLVMAtomicRMWBinOpAnd; return true;
  case TN_OP_or: *out = LLVMAtomicRMWBinOpOr; return true;
  case TN_OP_xor: *out = LLVMAtomicRMWBinOpXor; return true;
  case TN_OP_min: *out = is_signed ? LLVMAtomicRMWBinOpMin : LLVMAtomicRMWBinOpUMin; return true;
  case TN_OP_max: *out = is_signed ? LLVMAtomicRMWBinOpMax : LLVMAtomicRMWBinOpUMax; return true;
  default: return false;
  }
}

/* What memory holds, of the memory type, becomes after the reduction. */
static LLVMValueRef reduced(const reduction *r, LLVMValueRef held, LLVMValueRef operand) {
  tni_ll_module *m = r->f->m;
  LLVMValueRef old = r->shift ? tni_ll_packed_get(m, r->type, held, r->shift) : tni_ll_from_memory(m, r->type, held);
  LLVMValueRef made = combine(r, old, operand);
  return r->shift ? tni_ll_packed_put(m, r->type, held, r->shift, made) : tni_ll_to_memory(m, r->type, made);
}

static void emit_plain(const reduction *r, LLVMValueRef place, LLVMValueRef operand) {
  tni_ll_module *m = r->f->m;
  LLVMValueRef held = LLVMBuildLoad2(m->b, tni_ll_memory_type(m, r->type), place, "");
  if (r->shift) held = LLVMBuildFreeze(m->b, held, ""); /* its neighbour may be unwritten yet */
  LLVMBuildStore(m->b, reduced(r, held, operand), place);
}

static void emit_exchange(const reduction *r, LLVMValueRef place, LLVMValueRef operand) {
  tni_ll_module *m = r->f->m;
  LLVMBuilderRef b = m->b;
  LLVMTypeRef memory = tni_ll_memory_type(m, r->type), bits = LLVMIntTypeInContext(m->llvm, 8 * tn_type_bytes(r->type));
  LLVMValueRef first = LLVMBuildLoad2(b, bits, place, "");
  LLVMSetOrdering(first, LLVMAtomicOrderingMonotonic);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), loop = tni_ll_block(r->f, "reduce"), after = tni_ll_block(r->f, "reduced");
  LLVMBuildBr(b, loop);
  LLVMPositionBuilderAtEnd(b, loop);
  LLVMValueRef seen = LLVMBuildPhi(b, bits, "");
  LLVMAddIncoming(seen, &first, &before, 1);
  LLVMValueRef held = LLVMBuildBitCast(b, seen, memory, "");
  LLVMValueRef made = LLVMBuildBitCast(b, reduced(r, held, operand), bits, "");
  LLVMValueRef pair = LLVMBuildAtomicCmpXchg(b, place, seen, made, LLVMAtomicOrderingMonotonic,
                                             LLVMAtomicOrderingMonotonic, 0);
  LLVMValueRef now = LLVMBuildExtractValue(b, pair, 0, "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
  LLVMBuildCondBr(b, LLVMBuildExtractValue(b, pair, 1, ""), after, loop);
  LLVMAddIncoming(seen, &now, &latch, 1);
  LLVMPositionBuilderAtEnd(b, after);
}

static void emit_element(const reduction *r, LLVMValueRef place, LLVMValueRef operand) {
  LLVMAtomicRMWBinOp instruction;
  if (!r->shared)
    emit_plain(r, place, operand);
  else if (has_instruction(r, &instruction))
    LLVMBuildAtomicRMW(r->f->m->b, instruction, place, operand, LLVMAtomicOrderingMonotonic, 0);
  else
    emit_exchange(r, place, operand);
}

/* The address of an element, or of its byte. */
static LLVMValueRef place_of(reduction *r, LLVMValueRef base, LLVMValueRef at) {
  tni_ll_module *m = r->f->m;
  if (!tni_type_is_packed(r->type)) return LLVMBuildGEP2(m->b, tni_ll_memory_type(m, r->type), base, &at, 1, "");
  r->shift = tni_ll_packed_shift(m, r->type, at);
  return tni_ll_packed_byte(m, r->type, base, at);
}

/* The lane of a value; of a scalar, itself. */
static LLVMValueRef lane_of(tni_ll_module *m, const tn_expr *x, LLVMValueRef value, uint32_t lane) {
  return TN_TYPE_LANES(x->type) > 1 ? LLVMBuildExtractElement(m->b, value, tni_ll_index(m, lane), "") : value;
}

void tni_ll_reduce(tni_ll_function *f, const tn_stmt *s) {
  tni_ll_module *m = f->m;
  const tn_expr *value = s->as.store.value, *where = s->as.store.where;
  const tn_expr *index = s->as.store.count ? s->as.store.index[0] : tni_index(&m->region, 0);
  const tn_buffer *buffer = s->as.store.buffer;
  const tni_ll_entry *entry = tni_ll_scope_find(&f->scope, buffer);
  LLVMValueRef base = tni_ll_base(f, buffer);
  reduction r = {.f = f, .type = buffer->type, .shared = entry && entry->shared};
  r.old = tni_var(&m->region, "old", r.type);
  r.operand = tni_var(&m->region, "operand", r.type);
  r.combined = r.old && r.operand ? tni_op2(&m->region, s->as.store.op, r.old, r.operand) : NULL;
  m->arena.failed |= !r.combined || !index;
  if (!base || m->arena.failed) return;
  LLVMValueRef condition = where ? tni_ll_expr(f, where) : NULL;
  LLVMBasicBlockRef after = condition && TN_TYPE_LANES(where->type) == 1 ? tni_ll_block(f, "reduced") : NULL;
  size_t mark = f->scope.used;
  if (after) { /* neither subscript nor value is evaluated where a scalar condition is false */
    LLVMBasicBlockRef then = tni_ll_block(f, "reduce");
    LLVMBuildCondBr(m->b, condition, then, after);
    LLVMPositionBuilderAtEnd(m->b, then);
  }
  LLVMValueRef places = tni_ll_expr(f, index), values = tni_ll_expr(f, value);
  for (uint32_t i = 0; i < TN_TYPE_LANES(value->type); i++) {
    LLVMBasicBlockRef next = condition && !after ? tni_ll_block(f, "next") : NULL;
    if (next) {
      LLVMBasicBlockRef lane = tni_ll_block(f, "lane");
      LLVMBuildCondBr(m->b, lane_of(m, where, condition, i), lane, next);
      LLVMPositionBuilderAtEnd(m->b, lane);
    }
    LLVMValueRef at = lane_of(m, index, places, i);
    emit_element(&r, place_of(&r, base, at), lane_of(m, value, values, i));
    if (next) LLVMBuildBr(m->b, next);
    if (next) LLVMPositionBuilderAtEnd(m->b, next);
  }
  tni_ll_scope_pop(&f->scope, mark);
  if (!after) return;
  LLVMBuildBr(m->b, after);
  LLVMPositionBuilderAtEnd(m->b, after);
}
