/* native.c -- which operators that are not basic (tni_is_basic) code generation emits itself, and on which types. The
 * others reach it as their expansions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "targets.h"

/* What LLVM has as an instruction or an intrinsic that never becomes a call of a library. */
enum { FLOATS = TNI_ON_F32 | TNI_ON_F64 };
const tni_native tni_llvm_natives[] = {
    {TN_OP_mod, TNI_ON_INT},
    {TN_OP_floordiv, TNI_ON_INT},
    {TN_OP_floormod, TNI_ON_INT},
    {TN_OP_min, TNI_ON_INT | FLOATS},
    {TN_OP_max, TNI_ON_INT | FLOATS},
    {TN_OP_neg, TNI_ON_INT | FLOATS},
    {TN_OP_abs, TNI_ON_INT | FLOATS},
    {TN_OP_mulhi, TNI_ON_LONG},
    {TN_OP_add_sat, TNI_ON_INT},
    {TN_OP_sub_sat, TNI_ON_INT},
    {TN_OP_popcount, TNI_ON_INT},
    {TN_OP_clz, TNI_ON_INT},
    {TN_OP_ctz, TNI_ON_INT},
    {TN_OP_fma, FLOATS}, /* where the target has_fma */
    {TN_OP_ldexp, FLOATS}, /* where the target has_ldexp_vector: one number, or a register of them */
    {TN_OP_floor, FLOATS},
    {TN_OP_ceil, FLOATS},
    {TN_OP_trunc, FLOATS},
    {TN_OP_round, FLOATS},
};
const size_t tni_llvm_native_count = TNI_COUNT(tni_llvm_natives);

static unsigned kinds_of(tn_type type) {
  if (!tni_type_is_float(type)) return TNI_ON_INT | (type == TN_I64 || type == TN_U64 ? TNI_ON_LONG : 0);
  switch (TN_TYPE_BITS(type)) {
  case 64: return TNI_ON_F64;
  case 32: return TNI_ON_F32;
  default: return 0;
  }
}

/* A number, or a whole vector register of them. */
static bool fills_register(tn_type type) {
  unsigned bits = (unsigned)tn_type_bytes(type) * 8;
  return TN_TYPE_LANES(type) == 1 || bits == 128 || bits == 256 || bits == 512;
}

bool tni_target_emits(const tn_target *target, enum tn_op op, tn_type type) {
  if (op == TN_OP_fma && !target->has_fma) return false;
  if (op == TN_OP_ldexp && !(target->has_ldexp_vector && fills_register(type))) return false;
  for (size_t i = 0; i < target->native_count; i++)
    if (target->natives[i].op == op) return (target->natives[i].on & kinds_of(type)) != 0;
  return false;
}
