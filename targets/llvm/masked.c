/* masked.c -- contiguous vector accesses under a mask: no lane whose condition is false is touched, and a load gives 0 there.
 *
 * LLVM's masked intrinsics do it, with two exceptions. For x86 with AVX but without mask registers LLVM 22 splits a load that
 * is wider than a register, and where its folding then finds the mask of a part to be all false it drops the mask (vmovups
 * where vmaskmovps belongs): what must not be read is read, and kept. There elements of 4 and 8 bytes go register by register through
 * the instruction's own intrinsics, which nobody folds; smaller ones have no such instruction, and LLVM makes branches. With mask
 * registers it stores the only lane of a constant mask in the width that a truncated value had before, over what stands behind it:
 * where the passes have made such a mask, the lane is stored on its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "llvm.h"

enum { REGISTER_BITS = 256 };

static void set_pointer_align(tni_ll_module *m, LLVMValueRef call, unsigned argument, unsigned align) {
  unsigned kind = LLVMGetEnumAttributeKindForName("align", 5);
  LLVMAddCallSiteAttribute(call, argument + 1, LLVMCreateEnumAttribute(m->llvm, kind, align));
}

/* ---- register by register ------------------------------------------------------------------------------------------ */

static unsigned element_bits(tni_ll_module *m, LLVMTypeRef type) {
  LLVMTypeRef element = LLVMGetElementType(type);
  if (element == m->f32) return 32;
  return element == m->f64 ? 64 : LLVMGetIntTypeWidth(element);
}

static bool goes_by_register(tni_ll_module *m, LLVMTypeRef type) {
  if (m->target->isa != TNI_ISA_X86_64 || m->target->vector_bits != REGISTER_BITS) return false;
  return element_bits(m, type) == 32 || element_bits(m, type) == 64;
}

/* Lanes first .. first + count of a vector, then lanes of zeros up to `width`. */
static LLVMValueRef slice(tni_ll_module *m, LLVMValueRef vector, unsigned first, unsigned count, unsigned width) {
  LLVMValueRef lanes[REGISTER_BITS];
  unsigned all = LLVMGetVectorSize(LLVMTypeOf(vector));
  for (unsigned i = 0; i < width; i++) lanes[i] = LLVMConstInt(m->i32, i < count ? first + i : all, 0);
  return LLVMBuildShuffleVector(m->b, vector, LLVMConstNull(LLVMTypeOf(vector)), LLVMConstVector(lanes, width), "");
}

/* One register's worth of an access: lanes first .. first + count in `width` lanes. */
typedef struct part {
  unsigned first, count, width;
  LLVMTypeRef integer; /* of an element's size */
  char name[48];       /* of the intrinsic */
} part;

/* "llvm.x86.avx.maskload.ps.256" and its kind; `first` lanes are done. */
static part next_part(tni_ll_module *m, LLVMTypeRef type, unsigned first, const char *what) {
  unsigned bits = element_bits(m, type), left = LLVMGetVectorSize(type) - first, full = REGISTER_BITS / bits;
  bool half = left <= full / 2, is_float = LLVMGetElementType(type) == m->f32 || LLVMGetElementType(type) == m->f64;
  part p = {.first = first, .count = left < full ? left : full, .width = half ? full / 2 : full};
  p.integer = bits == 32 ? m->i32 : m->i64;
  snprintf(p.name, sizeof p.name, "llvm.x86.%s.%s.%s%s", is_float ? "avx" : "avx2", what,
           is_float ? (bits == 32 ? "ps" : "pd") : (bits == 32 ? "d" : "q"), half ? "" : ".256");
  return p;
}

static LLVMValueRef part_mask(tni_ll_module *m, const part *p, LLVMValueRef mask) {
  return LLVMBuildSExt(m->b, slice(m, mask, p->first, p->count, p->width), LLVMVectorType(p->integer, p->width), "");
}

static LLVMValueRef part_pointer(tni_ll_module *m, const part *p, LLVMTypeRef type, LLVMValueRef pointer) {
  LLVMValueRef at = tni_ll_index(m, p->first);
  return p->first ? LLVMBuildGEP2(m->b, LLVMGetElementType(type), pointer, &at, 1, "") : pointer;
}

/* The part's lanes put into `all`. */
static LLVMValueRef put_part(tni_ll_module *m, const part *p, LLVMValueRef all, LLVMValueRef value) {
  unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(all));
  LLVMValueRef *order = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, lanes);
  if (!order) return all;
  LLVMValueRef wide = lanes == p->width ? value : slice(m, value, 0, lanes < p->width ? lanes : p->width, lanes);
  for (unsigned i = 0; i < lanes; i++) {
    bool inside = i >= p->first && i < p->first + p->count;
    order[i] = LLVMConstInt(m->i32, inside ? lanes + i - p->first : i, 0);
  }
  return LLVMBuildShuffleVector(m->b, all, wide, LLVMConstVector(order, lanes), "");
}

static LLVMValueRef load_by_register(tni_ll_module *m, LLVMTypeRef type, LLVMValueRef pointer, LLVMValueRef mask) {
  LLVMValueRef all = LLVMConstNull(type);
  for (unsigned first = 0; first < LLVMGetVectorSize(type);) {
    part p = next_part(m, type, first, "maskload");
    LLVMValueRef args[] = {part_pointer(m, &p, type, pointer), part_mask(m, &p, mask)};
    all = put_part(m, &p, all, tni_ll_intrinsic(m, p.name, 0, NULL, 2, args));
    first += p.count;
  }
  return all;
}

static void store_by_register(tni_ll_module *m, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef mask) {
  LLVMTypeRef type = LLVMTypeOf(value);
  for (unsigned first = 0; first < LLVMGetVectorSize(type);) {
    part p = next_part(m, type, first, "maskstore");
    LLVMValueRef args[] = {part_pointer(m, &p, type, pointer), part_mask(m, &p, mask),
                           slice(m, value, p.first, p.count, p.width)};
    tni_ll_intrinsic(m, p.name, 0, NULL, 3, args);
    first += p.count;
  }
}

/* ---- accesses ------------------------------------------------------------------------------------------------------ */

LLVMValueRef tni_ll_masked_load(tni_ll_module *m, LLVMTypeRef type, LLVMValueRef pointer, LLVMValueRef mask,
                                unsigned align) {
  if (goes_by_register(m, type)) return load_by_register(m, type, pointer, mask);
  LLVMTypeRef types[] = {type, m->ptr};
  LLVMValueRef args[] = {pointer, mask, LLVMConstNull(type)};
  LLVMValueRef call = tni_ll_intrinsic(m, "llvm.masked.load", 2, types, 3, args);
  set_pointer_align(m, call, 0, align);
  return call;
}

void tni_ll_masked_store(tni_ll_module *m, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef mask,
                         unsigned align) {
  if (goes_by_register(m, LLVMTypeOf(value))) {
    store_by_register(m, value, pointer, mask);
    return;
  }
  LLVMTypeRef types[] = {LLVMTypeOf(value), m->ptr};
  LLVMValueRef args[] = {value, pointer, mask};
  set_pointer_align(m, tni_ll_intrinsic(m, "llvm.masked.store", 2, types, 3, args), 1, align);
}

/* ---- one lane ------------------------------------------------------------------------------------------------------ */

/* Is it a constant with one true lane? */
static bool has_one_lane(LLVMValueRef mask, unsigned *lane) {
  unsigned count = 0;
  for (unsigned i = 0; LLVMIsConstant(mask) && i < LLVMGetVectorSize(LLVMTypeOf(mask)); i++) {
    LLVMValueRef bit = LLVMGetAggregateElement(mask, i);
    if (!bit || !LLVMIsAConstantInt(bit)) return false;
    if (!LLVMConstIntGetZExtValue(bit)) continue;
    *lane = i;
    count++;
  }
  return count == 1;
}

/* A masked store as a store of its only lane, aligned as an element at least is: a byte. */
static void store_lane(tni_ll_module *m, LLVMValueRef call, unsigned lane) {
  LLVMValueRef at = tni_ll_index(m, lane);
  LLVMPositionBuilderBefore(m->b, call);
  LLVMValueRef element = LLVMBuildExtractElement(m->b, LLVMGetOperand(call, 0), at, "");
  LLVMValueRef pointer = LLVMBuildGEP2(m->b, LLVMTypeOf(element), LLVMGetOperand(call, 1), &at, 1, "");
  LLVMSetAlignment(LLVMBuildStore(m->b, element, pointer), 1);
  LLVMInstructionEraseFromParent(call);
}

void tni_ll_store_single_lanes(tni_ll_module *m) {
  static const char name[] = "llvm.masked.store.";
  for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f; f = LLVMGetNextFunction(f)) {
    size_t length;
    if (strncmp(LLVMGetValueName2(f, &length), name, sizeof name - 1) != 0) continue;
    for (LLVMUseRef use = LLVMGetFirstUse(f), next; use; use = next) {
      LLVMValueRef call = LLVMGetUser(use);
      unsigned lane;
      next = LLVMGetNextUse(use);
      if (has_one_lane(LLVMGetOperand(call, 2), &lane)) store_lane(m, call, lane);
    }
  }
}
