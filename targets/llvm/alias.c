/* alias.c -- what no other pointer reaches, of pointers that a function has from memory: for parameters an attribute says it, for
 * these each access does.
 *
 *     load (gep p ..), !alias.scope {p}, !noalias {q, r}
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

typedef struct scopes {
  size_t count;
  const LLVMValueRef *pointers;
  LLVMValueRef *own, *others; /* by pointer: lists of scopes */
  unsigned own_kind, others_kind;
} scopes;

static LLVMMetadataRef text(tni_ll_module *m, const char *text) {
  return LLVMMDStringInContext2(m->llvm, text, text ? strlen(text) : 0);
}

static LLVMValueRef list(tni_ll_module *m, size_t count, LLVMMetadataRef *items) {
  return LLVMMetadataAsValue(m->llvm, LLVMMDNodeInContext2(m->llvm, items, count));
}

/* False: no memory. */
static bool make_scopes(tni_ll_module *m, const char *name, scopes *s) {
  LLVMMetadataRef *all = TNI_NEW_ARRAY(&m->arena, LLVMMetadataRef, s->count),
                  *rest = TNI_NEW_ARRAY(&m->arena, LLVMMetadataRef, s->count), part = text(m, name);
  LLVMMetadataRef domain = LLVMMDNodeInContext2(m->llvm, &part, 1);
  s->own = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, s->count);
  s->others = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, s->count);
  if (!all || !rest || !s->own || !s->others) return false;
  for (size_t i = 0; i < s->count; i++) {
    LLVMMetadataRef parts[] = {text(m, tni_arena_format(&m->arena, "%s.%zu", name, i)), domain};
    all[i] = LLVMMDNodeInContext2(m->llvm, parts, 2);
  }
  for (size_t i = 0; i < s->count; i++) {
    for (size_t k = 0, n = 0; k < s->count; k++)
      if (k != i) rest[n++] = all[k];
    s->own[i] = list(m, 1, &all[i]);
    s->others[i] = list(m, s->count - 1, rest);
  }
  s->own_kind = LLVMGetMDKindIDInContext(m->llvm, "alias.scope", 11);
  s->others_kind = LLVMGetMDKindIDInContext(m->llvm, "noalias", 7);
  return !m->arena.failed;
}

/* Where an instruction reads or writes vectors or numbers; NULL: it does not. Masked loads begin with it, stores with a value. */
static LLVMValueRef place_of(LLVMValueRef x) {
  if (LLVMIsALoadInst(x)) return LLVMGetOperand(x, 0);
  if (LLVMIsAStoreInst(x)) return LLVMGetOperand(x, 1);
  if (!LLVMIsAIntrinsicInst(x)) return NULL;
  for (unsigned i = 0; i < 2 && i < LLVMGetNumArgOperands(x); i++)
    if (LLVMGetTypeKind(LLVMTypeOf(LLVMGetOperand(x, i))) == LLVMPointerTypeKind) return LLVMGetOperand(x, i);
  return NULL;
}

static void mark(const scopes *s, LLVMValueRef x) {
  LLVMValueRef base = place_of(x);
  while (base && LLVMIsAGetElementPtrInst(base)) base = LLVMGetOperand(base, 0);
  for (size_t i = 0; base && i < s->count; i++) {
    if (s->pointers[i] != base) continue;
    LLVMSetMetadata(x, s->own_kind, s->own[i]);
    LLVMSetMetadata(x, s->others_kind, s->others[i]);
  }
}

void tni_ll_tell_apart(tni_ll_module *m, LLVMValueRef function, const char *name, size_t count,
                       const LLVMValueRef *pointers) {
  scopes s = {.count = count, .pointers = pointers};
  if (count < 2 || !make_scopes(m, name, &s)) return;
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(function); b; b = LLVMGetNextBasicBlock(b))
    for (LLVMValueRef x = LLVMGetFirstInstruction(b); x; x = LLVMGetNextInstruction(x)) mark(&s, x);
}
