/* variant.c -- which variant of a function runs: chosen when the program runs, by what the CPU and the system enable.
 *
 *     NAME(...)        which = variant.known; if which == 0 then which = variant.find(); NAME.TARGET(...) of that number
 *     variant.find()   asks CPUID, and XGETBV for what the system saves; keeps the answer in variant.known
 *
 * Nothing is imported for it. Threads that ask at the same time find and keep the same number, so that relaxed atomics
 * do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

static LLVMValueRef u32(tni_ll_module *m, uint32_t value) { return LLVMConstInt(m->i32, value, 0); }

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static LLVMValueRef call_asm(tni_ll_module *m, LLVMTypeRef result, const char *text, const char *constraints,
                             unsigned count, LLVMValueRef *args) {
  LLVMTypeRef params[] = {m->i32, m->i32}, type = LLVMFunctionType(result, params, count, 0);
  LLVMValueRef code = LLVMGetInlineAsm(type, text, strlen(text), constraints, strlen(constraints), 1, 0,
                                       LLVMInlineAsmDialectATT, 0);
  return LLVMBuildCall2(m->b, type, code, args, count, "");
}

/* Register number `reg` of eax, ebx, ecx, edx. */
static LLVMValueRef ask_cpuid(tni_ll_module *m, LLVMValueRef leaf, uint32_t subleaf, unsigned reg) {
  LLVMTypeRef regs[] = {m->i32, m->i32, m->i32, m->i32};
  LLVMValueRef args[] = {leaf, u32(m, subleaf)};
  LLVMValueRef all = call_asm(m, LLVMStructTypeInContext(m->llvm, regs, 4, 0), "cpuid",
                              "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}", 2, args);
  return LLVMBuildExtractValue(m->b, all, reg, "");
}

/* A CPU answers a leaf above its highest with something: leaf 0 (or 0x80000000)
 * is asked instead, and the answer is 0. */
static LLVMValueRef ask(tni_ll_module *m, const tni_x86_question *q) {
  LLVMValueRef leaf = u32(m, q->leaf), lowest = u32(m, q->leaf & 0x80000000u);
  LLVMValueRef known = LLVMBuildICmp(m->b, LLVMIntUGE, ask_cpuid(m, lowest, 0, 0), leaf, "");
  LLVMValueRef answer = ask_cpuid(m, LLVMBuildSelect(m->b, known, leaf, lowest, ""), q->subleaf, q->reg);
  return LLVMBuildSelect(m->b, known, answer, u32(m, 0), "");
}

/* The low half of XCR0, 0 where the system has not enabled that it is read. */
static LLVMValueRef ask_xcr0(tni_ll_module *m, LLVMValueRef function, LLVMValueRef features) {
  LLVMBasicBlockRef before = LLVMGetInsertBlock(m->b), read = LLVMAppendBasicBlockInContext(m->llvm, function, "read"),
                    after = LLVMAppendBasicBlockInContext(m->llvm, function, "after");
  LLVMTypeRef halves[] = {m->i32, m->i32};
  LLVMValueRef zero = u32(m, 0), bit = u32(m, UINT32_C(1) << TNI_X86_HAS_XGETBV);
  LLVMValueRef readable = LLVMBuildICmp(m->b, LLVMIntNE, LLVMBuildAnd(m->b, features, bit, ""), zero, "");
  LLVMBuildCondBr(m->b, readable, read, after);
  LLVMPositionBuilderAtEnd(m->b, read);
  LLVMValueRef both = call_asm(m, LLVMStructTypeInContext(m->llvm, halves, 2, 0), "xgetbv",
                               "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}", 1, &zero);
  LLVMValueRef low = LLVMBuildExtractValue(m->b, both, 0, "");
  LLVMBuildBr(m->b, after);
  LLVMPositionBuilderAtEnd(m->b, after);
  LLVMValueRef phi = LLVMBuildPhi(m->b, m->i32, "xcr0");
  LLVMAddIncoming(phi, (LLVMValueRef[]){zero, low}, (LLVMBasicBlockRef[]){before, read}, 2);
  return phi;
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static LLVMValueRef and_has(tni_ll_module *m, LLVMValueRef so_far, LLVMValueRef answer, uint32_t bits) {
  LLVMValueRef want = u32(m, bits);
  LLVMValueRef has = LLVMBuildICmp(m->b, LLVMIntEQ, LLVMBuildAnd(m->b, answer, want, ""), want, "");
  return so_far ? LLVMBuildAnd(m->b, so_far, has, "") : has;
}

/* The number of the last target whose level is enabled, from 1 on. */
static LLVMValueRef choose(tni_ll_module *m, LLVMValueRef function, size_t count, const tn_target *const *targets) {
  tni_x86_needs most, needs;
  LLVMValueRef answers[TNI_X86_QUESTIONS] = {NULL}, chosen = u32(m, 1);
  tni_x86_level_needs(targets[count - 1]->level, &most);
  for (size_t i = 0; i < TNI_X86_QUESTIONS; i++)
    if (most.answers[i]) answers[i] = ask(m, &tni_x86_questions[i]);
  LLVMValueRef xcr0 = ask_xcr0(m, function, answers[0]);
  for (size_t t = 1; t < count; t++) {
    tni_x86_level_needs(targets[t]->level, &needs);
    LLVMValueRef has = and_has(m, NULL, xcr0, needs.xcr0);
    for (size_t i = 0; i < TNI_X86_QUESTIONS; i++)
      if (needs.answers[i]) has = and_has(m, has, answers[i], needs.answers[i]);
    chosen = LLVMBuildSelect(m->b, has, u32(m, (uint32_t)t + 1), chosen, "");
  }
  return chosen;
}

static LLVMValueRef add_known(tni_ll_module *m) {
  LLVMValueRef known = LLVMAddGlobal(m->module, m->i32, "variant.known");
  LLVMSetLinkage(known, LLVMInternalLinkage);
  LLVMSetInitializer(known, u32(m, 0));
  LLVMSetAlignment(known, 4);
  return known;
}

static LLVMValueRef add_find(tni_ll_module *m, LLVMValueRef known, size_t count, const tn_target *const *targets) {
  LLVMValueRef function = LLVMAddFunction(m->module, "variant.find", LLVMFunctionType(m->i32, NULL, 0, 0));
  LLVMSetLinkage(function, LLVMInternalLinkage);
  tni_ll_function_attributes(m, function);
  LLVMPositionBuilderAtEnd(m->b, LLVMAppendBasicBlockInContext(m->llvm, function, "entry"));
  LLVMValueRef chosen = choose(m, function, count, targets);
  LLVMSetOrdering(LLVMBuildStore(m->b, chosen, known), LLVMAtomicOrderingMonotonic);
  LLVMBuildRet(m->b, chosen);
  return function;
}

/* ---- the functions ----------------------------------------------------------------------------------------------- */

typedef struct chooser {
  tni_ll_module *m;
  LLVMValueRef known, find;
  size_t count;
  const tn_target *const *targets;
} chooser;

/* The number, in the function's first blocks. */
static LLVMValueRef number_of(const chooser *c, LLVMValueRef function) {
  tni_ll_module *m = c->m;
  LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(m->llvm, function, "entry"),
                    first = LLVMAppendBasicBlockInContext(m->llvm, function, "first"),
                    go = LLVMAppendBasicBlockInContext(m->llvm, function, "go");
  LLVMPositionBuilderAtEnd(m->b, entry);
  LLVMValueRef known = LLVMBuildLoad2(m->b, m->i32, c->known, "known");
  LLVMSetOrdering(known, LLVMAtomicOrderingMonotonic);
  LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntEQ, known, u32(m, 0), ""), first, go);
  LLVMPositionBuilderAtEnd(m->b, first);
  LLVMValueRef found = LLVMBuildCall2(m->b, LLVMGlobalGetValueType(c->find), c->find, NULL, 0, "found");
  LLVMBuildBr(m->b, go);
  LLVMPositionBuilderAtEnd(m->b, go);
  LLVMValueRef number = LLVMBuildPhi(m->b, m->i32, "number");
  LLVMAddIncoming(number, (LLVMValueRef[]){known, found}, (LLVMBasicBlockRef[]){entry, first}, 2);
  return number;
}

/* Calls the variant with the function's own arguments and gives what it gives. */
static LLVMBasicBlockRef add_call(const chooser *c, LLVMValueRef function, LLVMValueRef variant, LLVMValueRef *args) {
  tni_ll_module *m = c->m;
  LLVMBasicBlockRef block = LLVMAppendBasicBlockInContext(m->llvm, function, "run");
  LLVMPositionBuilderAtEnd(m->b, block);
  LLVMValueRef call =
      LLVMBuildCall2(m->b, LLVMGlobalGetValueType(variant), variant, args, LLVMCountParams(variant), "");
  LLVMSetTailCall(call, 1);
  LLVMBuildRet(m->b, call);
  return block;
}

static LLVMValueRef variant_of(const chooser *c, const char *name, const char *suffix, size_t t) {
  const char *symbol = tni_arena_format(&c->m->arena, "%s.%s%s", name, c->targets[t]->name, suffix);
  return symbol ? LLVMGetNamedFunction(c->m->module, symbol) : NULL;
}

/* NAME and the suffix, if there are such variants. */
static void add_chooser(const chooser *c, const char *name, const char *suffix) {
  tni_ll_module *m = c->m;
  LLVMValueRef variant = variant_of(c, name, suffix, 0);
  const char *symbol = tni_arena_format(&m->arena, "%s%s", name, suffix);
  if (!variant || !symbol) return;
  LLVMValueRef function = LLVMAddFunction(m->module, symbol, LLVMGlobalGetValueType(variant));
  LLVMValueRef *args = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, LLVMCountParams(function));
  if (!args) return;
  LLVMGetParams(function, args);
  tni_ll_function_attributes(m, function);
  LLVMValueRef number = number_of(c, function);
  LLVMBasicBlockRef go = LLVMGetInsertBlock(m->b), fallback = add_call(c, function, variant, args);
  LLVMPositionBuilderAtEnd(m->b, go);
  LLVMValueRef way = LLVMBuildSwitch(m->b, number, fallback, (unsigned)c->count);
  for (size_t t = 1; t < c->count && (variant = variant_of(c, name, suffix, t)); t++)
    LLVMAddCase(way, u32(m, (uint32_t)t + 1), add_call(c, function, variant, args));
}

void tni_ll_choose(tni_ll_module *m, size_t target_count, const tn_target *const *targets, size_t count,
                   const tn_func *const *funcs) {
  m->target = targets[0];
  chooser c = {m, add_known(m), NULL, target_count, targets};
  c.find = add_find(m, c.known, target_count, targets);
  for (size_t i = 0; i < count && m->status == TN_OK && !m->arena.failed; i++) {
    add_chooser(&c, funcs[i]->name, "");
    add_chooser(&c, funcs[i]->name, ".packed");
  }
}
