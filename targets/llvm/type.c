/* type.c -- Tenon's types and constants as LLVM's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

static LLVMTypeRef scalar_type(tni_ll_module *m, tn_type type) {
  switch (TN_TYPE_CODE(type)) {
  case kDLBool: return m->i1;
  case kDLOpaqueHandle: return m->ptr;
  case TN_CODE_INDEX: return m->i64;
  default:
    if (tni_ll_is_float(type) && !tni_ll_is_short(type)) return TN_TYPE_BITS(type) == 32 ? m->f32 : m->f64;
    switch (TN_TYPE_BITS(type)) {
    case 2: return m->i2;
    case 4: return m->i4;
    case 8: return m->i8;
    case 16: return m->i16;
    case 32: return m->i32;
    default: return m->i64;
    }
  }
}

static LLVMTypeRef with_lanes(LLVMTypeRef scalar, tn_type type) {
  return TN_TYPE_LANES(type) > 1 ? LLVMVectorType(scalar, TN_TYPE_LANES(type)) : scalar;
}

LLVMTypeRef tni_ll_type(tni_ll_module *m, tn_type type) { return with_lanes(scalar_type(m, type), type); }

/* Does a value by itself take a byte, of which it has fewer bits? */
static bool is_in_byte(tn_type type) { return tni_ll_is_bool(type) || tni_type_is_packed(type); }

LLVMTypeRef tni_ll_memory_type(tni_ll_module *m, tn_type type) {
  return is_in_byte(type) ? with_lanes(m->i8, type) : tni_ll_type(m, type);
}

LLVMValueRef tni_ll_to_memory(tni_ll_module *m, tn_type type, LLVMValueRef value) {
  if (!is_in_byte(type)) return value;
  return LLVMBuildIntCast2(m->b, value, tni_ll_memory_type(m, type), tni_ll_is_signed(type), "");
}

LLVMValueRef tni_ll_from_memory(tni_ll_module *m, tn_type type, LLVMValueRef value) {
  if (!is_in_byte(type)) return value;
  if (!tni_ll_is_bool(type)) return LLVMBuildTrunc(m->b, value, tni_ll_type(m, type), "");
  return LLVMBuildICmp(m->b, LLVMIntNE, value, LLVMConstNull(tni_ll_memory_type(m, type)), "");
}

/* A constant in all lanes. */
static LLVMValueRef constant(LLVMValueRef scalar, tn_type type) {
  LLVMValueRef lanes[TNI_LL_MAX_LANES];
  uint32_t n = TN_TYPE_LANES(type);
  if (n <= 1) return scalar;
  for (uint32_t i = 0; i < n && i < TNI_LL_MAX_LANES; i++) lanes[i] = scalar;
  return LLVMConstVector(lanes, n);
}

LLVMValueRef tni_ll_int(tni_ll_module *m, tn_type type, int64_t value) {
  unsigned bits = tni_ll_is_bool(type) ? 1 : TN_TYPE_BITS(type);
  uint64_t mask = bits < 64 ? ((uint64_t)1 << bits) - 1 : ~(uint64_t)0;
  return constant(LLVMConstInt(scalar_type(m, type), (uint64_t)value & mask, 0), type);
}

LLVMValueRef tni_ll_float(tni_ll_module *m, tn_type type, double value) {
  return constant(LLVMConstReal(scalar_type(m, type), value), type);
}

LLVMValueRef tni_ll_index(tni_ll_module *m, int64_t value) { return LLVMConstInt(m->i64, (uint64_t)value, 1); }

LLVMValueRef tni_ll_splat(tni_ll_module *m, LLVMValueRef scalar, uint32_t lanes) {
  if (lanes <= 1) return scalar;
  if (LLVMIsConstant(scalar)) return constant(scalar, TN_TYPE(0, 0, lanes));
  LLVMTypeRef vector = LLVMVectorType(LLVMTypeOf(scalar), lanes);
  LLVMValueRef poison = LLVMGetPoison(vector);
  LLVMValueRef first = LLVMBuildInsertElement(m->b, poison, scalar, LLVMConstInt(m->i64, 0, 0), "");
  return LLVMBuildShuffleVector(m->b, first, poison, LLVMConstNull(LLVMVectorType(m->i32, lanes)), "");
}

LLVMValueRef tni_ll_intrinsic(tni_ll_module *m, const char *name, unsigned type_count, LLVMTypeRef *types,
                              unsigned arg_count, LLVMValueRef *args) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  LLVMValueRef declaration = LLVMGetIntrinsicDeclaration(m->module, id, types, type_count);
  return LLVMBuildCall2(m->b, LLVMIntrinsicGetType(m->llvm, id, types, type_count), declaration, args, arg_count, "");
}
