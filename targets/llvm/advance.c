/* advance.c -- addresses in innermost loops as pointers that advance, and loops that nothing can be reduced in.
 *
 *     do { x = load base + i * 144 + a; y = load base + i * 144 + a + 2304; i = i + 1 } while i < n
 *       ->
 *     p = base + a;  do { x = load p; y = load p + 2304; p = p + 144; i = i + 1 } while i < n
 *
 * Addresses that stay as far from a pointer as they are, by a number that only the caller knows, are that pointer and the
 * distance; distances that are multiples of each other by 2, 4 or 8 are in one register, since addresses multiply by these:
 *
 *     load base + i + a + n;  load base + i + a + n * 2;  load base + i + a + n * 3   ->   load p + n;  load p + n * 2;  load p + m
 *
 * LLVM's loop strength reduction comes to the same, but looks at every access for that, in a fifth of all the time that code
 * takes. It does not see through what advances the pointers: an assembly of no instructions. Nor does it look at loops whose
 * variables count so: these, and those of several blocks, in which an address is little beside the loops within. Where a loop
 * has more pointers than MOST_POINTERS, or with distances more than MOST_REGISTERS, registers are scarce and it is left to LLVM.
 *
 * needs: the IR behind all passes; x86-64, whose addresses take any displacement
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

enum { MOST_POINTERS = 6, MOST_REGISTERS = 10, MOST_ADDRESSES = 64, MOST_TERMS = 8, MOST_SHIFT = 3, WALK_DEPTH = 8 };

/* A number: constant + the sum of values, each times what is beside it. */
typedef struct sum {
  int64_t constant, by[MOST_TERMS];
  size_t count;
  LLVMValueRef values[MOST_TERMS];
} sum;

/* A value times a number of bytes, before the loop. */
typedef struct stride {
  LLVMValueRef value, bytes;
  int64_t by;
} stride;

/* An address, a sum over i: of a pointer that advances (leader: itself), or as far from it as `distance`. */
typedef struct address {
  LLVMValueRef value, pointer;
  int64_t coef;
  size_t leader;
  sum distance;
} address;

/* A loop of one block: i from `start`, with which it comes from `before`, by `step`. */
typedef struct loop {
  LLVMBasicBlockRef block, before;
  LLVMValueRef i, start;
  int64_t step;
  size_t count, pointer_count, stride_count;
  address addresses[MOST_ADDRESSES];
  stride strides[MOST_REGISTERS];
} loop;

static bool is_in(const loop *l, LLVMValueRef x) {
  return LLVMIsAInstruction(x) && LLVMGetInstructionParent(x) == l->block;
}

static bool is_number(LLVMValueRef x, int64_t *out) {
  if (!LLVMIsAConstantInt(x) || LLVMGetIntTypeWidth(LLVMTypeOf(x)) != 64) return false;
  *out = LLVMConstIntGetSExtValue(x);
  return true;
}

/* x = coef * i + what the loop does not change. */
static bool is_affine(const loop *l, LLVMValueRef x, int64_t *coef, int depth) {
  int64_t a, b, by;
  *coef = x == l->i;
  if (x == l->i || !is_in(l, x)) return true;
  if (depth == 0 || LLVMGetNumOperands(x) != 2) return false;
  LLVMValueRef y = LLVMGetOperand(x, 0), z = LLVMGetOperand(x, 1);
  LLVMOpcode op = LLVMGetInstructionOpcode(x);
  if (op != LLVMAdd && op != LLVMSub && op != LLVMMul) return false;
  if (!is_affine(l, y, &a, depth - 1)) return false;
  if (op == LLVMMul) return is_number(z, &by) && !__builtin_mul_overflow(a, by, coef);
  if (!is_affine(l, z, &b, depth - 1)) return false;
  return op == LLVMAdd ? !__builtin_add_overflow(a, b, coef) : !__builtin_sub_overflow(a, b, coef);
}

/* ---- what there is ------------------------------------------------------------------------------------------------- */

/* The variable that is counted up by a constant; there is one at most. */
static bool find_variable(loop *l) {
  for (LLVMValueRef x = LLVMGetFirstInstruction(l->block); x && LLVMIsAPHINode(x); x = LLVMGetNextInstruction(x)) {
    if (LLVMGetTypeKind(LLVMTypeOf(x)) != LLVMIntegerTypeKind || LLVMCountIncoming(x) != 2) continue;
    unsigned back = LLVMGetIncomingBlock(x, 1) == l->block;
    LLVMValueRef next = LLVMGetIncomingValue(x, back);
    if (LLVMGetIncomingBlock(x, back) != l->block || LLVMGetIncomingBlock(x, !back) == l->block) continue;
    if (!is_in(l, next) || LLVMGetInstructionOpcode(next) != LLVMAdd || LLVMGetOperand(next, 0) != x) continue;
    if (!is_number(LLVMGetOperand(next, 1), &l->step)) continue;
    l->i = x;
    l->start = LLVMGetIncomingValue(x, !back);
    l->before = LLVMGetIncomingBlock(x, !back);
    return true;
  }
  return false;
}

static bool is_loop(LLVMBasicBlockRef block) {
  LLVMValueRef end = LLVMGetBasicBlockTerminator(block);
  if (LLVMGetInstructionOpcode(end) != LLVMBr || !LLVMIsConditional(end)) return false;
  return LLVMGetSuccessor(end, 0) == block || LLVMGetSuccessor(end, 1) == block;
}

/* ---- distances ----------------------------------------------------------------------------------------------------- */

static bool add_term(sum *s, LLVMValueRef value, int64_t by) {
  size_t k = 0;
  while (k < s->count && s->values[k] != value) k++;
  if (k == MOST_TERMS) return false;
  if (k == s->count) {
    s->values[k] = value;
    s->by[s->count++] = 0;
  }
  return !__builtin_add_overflow(s->by[k], by, &s->by[k]);
}

/* Adds x, but for its multiples of i, so many times. */
static bool add_sum(const loop *l, sum *s, LLVMValueRef x, int64_t by, int depth) {
  int64_t number;
  if (x == l->i) return true;
  if (is_number(x, &number))
    return !__builtin_mul_overflow(number, by, &number) && !__builtin_add_overflow(s->constant, number, &s->constant);
  LLVMOpcode op = LLVMIsAInstruction(x) && depth ? LLVMGetInstructionOpcode(x) : 0;
  if (op == LLVMAdd || op == LLVMSub)
    return add_sum(l, s, LLVMGetOperand(x, 0), by, depth - 1) &&
           add_sum(l, s, LLVMGetOperand(x, 1), op == LLVMAdd ? by : -by, depth - 1);
  if (op == LLVMMul && is_number(LLVMGetOperand(x, 1), &number))
    return !__builtin_mul_overflow(number, by, &number) && add_sum(l, s, LLVMGetOperand(x, 0), number, depth - 1);
  return !is_in(l, x) && add_term(s, x, by);
}

static void drop_zeros(sum *s) {
  size_t count = 0;
  for (size_t k = 0; k < s->count; k++) {
    if (!s->by[k]) continue;
    s->values[count] = s->values[k];
    s->by[count++] = s->by[k];
  }
  s->count = count;
}

/* Does the address advance as that of the leader does? */
static bool follows(loop *l, size_t leader, address *a) {
  const address *b = &l->addresses[leader];
  if (b->coef != a->coef || LLVMGetOperand(b->value, 0) != LLVMGetOperand(a->value, 0) ||
      LLVMGetGEPSourceElementType(b->value) != LLVMGetGEPSourceElementType(a->value))
    return false;
  a->distance = (sum){0};
  if (!add_sum(l, &a->distance, LLVMGetOperand(a->value, 1), 1, WALK_DEPTH)) return false;
  if (!add_sum(l, &a->distance, LLVMGetOperand(b->value, 1), -1, WALK_DEPTH)) return false;
  drop_zeros(&a->distance);
  return a->distance.count == 0 || (a->distance.count == 1 && a->distance.constant == 0);
}

/* What of a multiple an address multiplies by itself. */
static unsigned shift_of(int64_t by) {
  unsigned zeros = (unsigned)__builtin_ctzll((uint64_t)by);
  return zeros > MOST_SHIFT ? 0 : zeros;
}

/* The stride of a distance that is no constant; NULL: there are too many. */
static stride *stride_of(loop *l, const sum *distance) {
  int64_t by = distance->by[0] >> shift_of(distance->by[0]);
  for (size_t i = 0; i < l->stride_count; i++)
    if (l->strides[i].value == distance->values[0] && l->strides[i].by == by) return &l->strides[i];
  if (l->stride_count == MOST_REGISTERS) return NULL;
  l->strides[l->stride_count] = (stride){distance->values[0], NULL, by};
  return &l->strides[l->stride_count++];
}

static bool add_address(loop *l, LLVMValueRef x, int64_t coef) {
  address *a = &l->addresses[l->count];
  if (l->count == MOST_ADDRESSES) return false;
  *a = (address){.value = x, .coef = coef, .leader = l->count};
  for (size_t k = 0; k < l->count && a->leader == l->count; k++)
    if (l->addresses[k].leader == k && follows(l, k, a)) a->leader = k;
  if (a->leader == l->count)
    l->pointer_count++;
  else if (a->distance.count && !stride_of(l, &a->distance))
    return false;
  l->count++;
  return l->pointer_count <= MOST_POINTERS && l->pointer_count + l->stride_count <= MOST_REGISTERS;
}

/* All addresses that move with i; false: there are too many, or others. */
static bool find_addresses(loop *l) {
  for (LLVMValueRef x = LLVMGetFirstInstruction(l->block); x; x = LLVMGetNextInstruction(x)) {
    int64_t coef;
    if (!LLVMIsAGetElementPtrInst(x) || is_in(l, LLVMGetOperand(x, 0))) continue;
    if (LLVMGetNumOperands(x) != 2 || LLVMGetTypeKind(LLVMTypeOf(x)) != LLVMPointerTypeKind) return false;
    LLVMValueRef index = LLVMGetOperand(x, 1);
    if (LLVMTypeOf(index) != LLVMTypeOf(l->i) || !is_affine(l, index, &coef, WALK_DEPTH)) return false;
    if (coef == 0) continue;
    if (__builtin_mul_overflow(coef, l->step, &coef) || !add_address(l, x, coef)) return false;
  }
  return true;
}

/* ---- pointers ------------------------------------------------------------------------------------------------------ */

/* The affine x where the loop begins, before it. */
static LLVMValueRef at_start(tni_ll_module *m, const loop *l, LLVMValueRef x) {
  if (x == l->i) return l->start;
  if (!is_in(l, x)) return x;
  LLVMValueRef a = at_start(m, l, LLVMGetOperand(x, 0)), b = at_start(m, l, LLVMGetOperand(x, 1));
  LLVMOpcode op = LLVMGetInstructionOpcode(x);
  int64_t number;
  if (op == LLVMMul) return LLVMBuildNSWMul(m->b, a, b, "");
  if (op == LLVMSub) return LLVMBuildNSWSub(m->b, a, b, "");
  if (is_number(a, &number) && number == 0) return b;
  return is_number(b, &number) && number == 0 ? a : LLVMBuildNSWAdd(m->b, a, b, "");
}

/* A value behind an assembly of no instructions. */
static LLVMValueRef hidden(tni_ll_module *m, LLVMValueRef value) {
  LLVMTypeRef of = LLVMTypeOf(value), type = LLVMFunctionType(of, &of, 1, 0);
  LLVMValueRef nothing = LLVMGetInlineAsm(type, "", 0, "=r,0", 4, 0, 0, LLVMInlineAsmDialectATT, 0);
  return LLVMBuildCall2(m->b, type, nothing, &value, 1, "");
}

static void advance(tni_ll_module *m, const loop *l, address *a) {
  LLVMTypeRef element = LLVMGetGEPSourceElementType(a->value);
  LLVMValueRef base = LLVMGetOperand(a->value, 0), by = tni_ll_index(m, a->coef), first, next;
  LLVMPositionBuilderBefore(m->b, LLVMGetBasicBlockTerminator(l->before));
  LLVMValueRef index = at_start(m, l, LLVMGetOperand(a->value, 1));
  first = LLVMBuildGEPWithNoWrapFlags(m->b, element, base, &index, 1, "", LLVMGEPGetNoWrapFlags(a->value));
  LLVMPositionBuilderBefore(m->b, LLVMGetFirstInstruction(l->block));
  LLVMValueRef pointer = LLVMBuildPhi(m->b, m->ptr, "");
  LLVMPositionBuilderBefore(m->b, LLVMGetBasicBlockTerminator(l->block));
  next = LLVMBuildGEPWithNoWrapFlags(m->b, element, pointer, &by, 1, "", 0);
  next = hidden(m, next);
  LLVMAddIncoming(pointer, &first, (LLVMBasicBlockRef[]){l->before}, 1);
  LLVMAddIncoming(pointer, &next, (LLVMBasicBlockRef[]){l->block}, 1);
  a->pointer = pointer;
}

/* In bytes, before the loop. */
static LLVMValueRef bytes_of(tni_ll_module *m, const loop *l, stride *s, int64_t element) {
  if (s->bytes) return s->bytes;
  LLVMPositionBuilderBefore(m->b, LLVMGetBasicBlockTerminator(l->before));
  return s->bytes = hidden(m, LLVMBuildNSWMul(m->b, s->value, tni_ll_index(m, s->by * element), ""));
}

/* The pointer of its leader, so far away. */
static void follow(tni_ll_module *m, loop *l, address *a) {
  LLVMTypeRef element = LLVMGetGEPSourceElementType(a->value);
  LLVMValueRef pointer = l->addresses[a->leader].pointer, by = tni_ll_index(m, a->distance.constant);
  if (a->distance.count) {
    int64_t bytes = (int64_t)LLVMABISizeOfType(LLVMGetModuleDataLayout(m->module), element);
    LLVMValueRef stride = bytes_of(m, l, stride_of(l, &a->distance), bytes);
    LLVMPositionBuilderBefore(m->b, a->value);
    by = LLVMBuildShl(m->b, stride, tni_ll_index(m, shift_of(a->distance.by[0])), "");
    element = m->i8;
  }
  LLVMPositionBuilderBefore(m->b, a->value);
  a->pointer = LLVMBuildGEPWithNoWrapFlags(m->b, element, pointer, &by, 1, "", 0);
}

static void replace(address *a) {
  LLVMReplaceAllUsesWith(a->value, a->pointer);
  LLVMInstructionEraseFromParent(a->value);
}

/* Arithmetic that nobody uses any more. */
static void sweep(LLVMBasicBlockRef block) {
  for (LLVMValueRef x = LLVMGetLastInstruction(block), before; x; x = before) {
    before = LLVMGetPreviousInstruction(x);
    LLVMOpcode op = LLVMGetInstructionOpcode(x);
    if ((op == LLVMAdd || op == LLVMSub || op == LLVMMul) && !LLVMGetFirstUse(x)) LLVMInstructionEraseFromParent(x);
  }
}

/* All addresses in the loop; false: they are left as they are. */
static bool advance_all(tni_ll_module *m, LLVMBasicBlockRef block) {
  loop l = {.block = block};
  if (!find_variable(&l) || !find_addresses(&l)) return false;
  for (size_t i = 0; i < l.count; i++)
    if (l.addresses[i].leader == i) advance(m, &l, &l.addresses[i]);
  for (size_t i = 0; i < l.count; i++)
    if (l.addresses[i].leader != i) follow(m, &l, &l.addresses[i]);
  for (size_t i = 0; i < l.count; i++) replace(&l.addresses[i]);
  sweep(block);
  return true;
}

/* ---- what is counted ----------------------------------------------------------------------------------------------- */

/* What a phi is in the next iteration, if that is itself and a constant. */
static LLVMValueRef next_of(LLVMValueRef phi) {
  for (unsigned k = 0; k < LLVMCountIncoming(phi); k++) {
    LLVMValueRef next = LLVMGetIncomingValue(phi, k);
    if (LLVMIsAInstruction(next) && LLVMGetInstructionOpcode(next) == LLVMAdd && LLVMGetOperand(next, 0) == phi &&
        LLVMIsAConstantInt(LLVMGetOperand(next, 1)))
      return next;
  }
  return NULL;
}

/* The loop's variables count behind an assembly of no instructions, too: there is nothing left that their loops could reduce.
 * So do sums of the program, which may wrap. */
static void hide_variables(tni_ll_module *m, LLVMBasicBlockRef block) {
  for (LLVMValueRef x = LLVMGetFirstInstruction(block); x && LLVMIsAPHINode(x); x = LLVMGetNextInstruction(x)) {
    LLVMValueRef next = LLVMTypeOf(x) == m->i64 ? next_of(x) : NULL;
    if (!next) continue;
    LLVMPositionBuilderBefore(m->b, next);
    LLVMReplaceAllUsesWith(next, hidden(m, LLVMBuildAdd(m->b, x, LLVMGetOperand(next, 1), "")));
    LLVMInstructionEraseFromParent(next);
  }
}

void tni_ll_advance_pointers(tni_ll_module *m) {
  if (m->target->isa != TNI_ISA_X86_64) return;
  for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f; f = LLVMGetNextFunction(f))
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
      if (!is_loop(b) || advance_all(m, b)) hide_variables(m, b);
}
