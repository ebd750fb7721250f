/* advance.c -- addresses in innermost loops as pointers that advance.
 *
 *     do { x = load base + i * 144 + a; y = load base + i * 144 + a + 2304; i = i + 1 } while i < n
 *       ->
 *     p = base + a;  do { x = load p; y = load p + 2304; p = p + 144; i = i + 1 } while i < n
 *
 * LLVM's loop strength reduction comes to the same, but looks at every access for that, in a fifth of all the time that code
 * takes. It does not see through what advances the pointers: an assembly of no instructions. Where a loop has more
 * pointers than MOST_POINTERS, registers are scarce and it is left to LLVM, as are loops of several blocks.
 *
 * needs: the IR behind all passes; x86-64, whose addresses take any displacement
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

enum { MOST_POINTERS = 6, WALK_DEPTH = 8 };

/* A loop of one block: i from `start`, with which it comes from `before`, by `step`. */
typedef struct loop {
  LLVMBasicBlockRef block, before;
  LLVMValueRef i, start;
  int64_t step;
  size_t count;
  LLVMValueRef pointers[MOST_POINTERS]; /* each by an address of its own, a sum over i */
  int64_t coefs[MOST_POINTERS];
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

/* All addresses that move with i; false: there are too many, or others. */
static bool find_pointers(loop *l) {
  for (LLVMValueRef x = LLVMGetFirstInstruction(l->block); x; x = LLVMGetNextInstruction(x)) {
    int64_t coef;
    if (!LLVMIsAGetElementPtrInst(x) || is_in(l, LLVMGetOperand(x, 0))) continue;
    if (LLVMGetNumOperands(x) != 2 || LLVMGetTypeKind(LLVMTypeOf(x)) != LLVMPointerTypeKind) return false;
    LLVMValueRef index = LLVMGetOperand(x, 1);
    if (LLVMTypeOf(index) != LLVMTypeOf(l->i) || !is_affine(l, index, &coef, WALK_DEPTH)) return false;
    if (coef == 0) continue;
    if (l->count == MOST_POINTERS || __builtin_mul_overflow(coef, l->step, &coef)) return false;
    l->coefs[l->count] = coef;
    l->pointers[l->count++] = x;
  }
  return l->count > 0;
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

/* The pointer behind an assembly of no instructions. */
static LLVMValueRef hidden(tni_ll_module *m, LLVMValueRef pointer) {
  LLVMTypeRef type = LLVMFunctionType(m->ptr, &m->ptr, 1, 0);
  LLVMValueRef nothing = LLVMGetInlineAsm(type, "", 0, "=r,0", 4, 0, 0, LLVMInlineAsmDialectATT, 0);
  return LLVMBuildCall2(m->b, type, nothing, &pointer, 1, "");
}

static void advance(tni_ll_module *m, const loop *l, LLVMValueRef address, int64_t coef) {
  LLVMTypeRef element = LLVMGetGEPSourceElementType(address);
  LLVMValueRef base = LLVMGetOperand(address, 0), by = tni_ll_index(m, coef), first, next;
  LLVMPositionBuilderBefore(m->b, LLVMGetBasicBlockTerminator(l->before));
  LLVMValueRef index = at_start(m, l, LLVMGetOperand(address, 1));
  first = LLVMBuildGEPWithNoWrapFlags(m->b, element, base, &index, 1, "", LLVMGEPGetNoWrapFlags(address));
  LLVMPositionBuilderBefore(m->b, LLVMGetFirstInstruction(l->block));
  LLVMValueRef pointer = LLVMBuildPhi(m->b, m->ptr, "");
  LLVMPositionBuilderBefore(m->b, LLVMGetBasicBlockTerminator(l->block));
  next = LLVMBuildGEPWithNoWrapFlags(m->b, element, pointer, &by, 1, "", 0);
  next = hidden(m, next);
  LLVMAddIncoming(pointer, &first, (LLVMBasicBlockRef[]){l->before}, 1);
  LLVMAddIncoming(pointer, &next, (LLVMBasicBlockRef[]){l->block}, 1);
  LLVMReplaceAllUsesWith(address, pointer);
  LLVMInstructionEraseFromParent(address);
}

/* Arithmetic that nobody uses any more. */
static void sweep(LLVMBasicBlockRef block) {
  for (LLVMValueRef x = LLVMGetLastInstruction(block), before; x; x = before) {
    before = LLVMGetPreviousInstruction(x);
    LLVMOpcode op = LLVMGetInstructionOpcode(x);
    if ((op == LLVMAdd || op == LLVMSub || op == LLVMMul) && !LLVMGetFirstUse(x)) LLVMInstructionEraseFromParent(x);
  }
}

void tni_ll_advance_pointers(tni_ll_module *m) {
  if (m->target->isa != TNI_ISA_X86_64) return;
  for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f; f = LLVMGetNextFunction(f))
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b)) {
      loop l = {.block = b};
      if (!is_loop(b) || !find_variable(&l) || !find_pointers(&l)) continue;
      for (size_t i = 0; i < l.count; i++) advance(m, &l, l.pointers[i], l.coefs[i]);
      sweep(b);
    }
}
