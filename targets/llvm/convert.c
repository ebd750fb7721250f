/* convert.c -- casts, and the 16-bit floats as integers and f32.
 *
 *     f16 <-> f32   the conversion instruction where the target has one, else integers and one multiplication
 *     bf16 <-> f32  shifts; rounding in integers (LLVM would call __truncsfbf2)
 *     f64 -> 16     through an f32 rounded to odd, so that the result is rounded once
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

/* u32 arithmetic on bits, in the lanes of `type`. */
static LLVMValueRef bits32(tni_ll_module *m, tn_type type, uint32_t value) {
  return tni_ll_int(m, tni_ll_like(TN_U32, type), value);
}
static LLVMValueRef as_bits(tni_ll_module *m, tn_type type, LLVMValueRef f32) {
  return LLVMBuildBitCast(m->b, f32, tni_ll_type(m, tni_ll_like(TN_U32, type)), "");
}
static LLVMValueRef as_f32(tni_ll_module *m, tn_type type, LLVMValueRef bits) {
  return LLVMBuildBitCast(m->b, bits, tni_ll_type(m, tni_ll_like(TN_F32, type)), "");
}
static LLVMTypeRef half_type(tni_ll_module *m, tn_type type) {
  return TN_TYPE_LANES(type) > 1 ? LLVMVectorType(m->half, TN_TYPE_LANES(type)) : m->half;
}

/* bits << 13 has f16's exponent and fraction where f32 has them, 2^112 too small; infinity and NaN keep their exponent.
 */
static LLVMValueRef widen_f16_in_integers(tni_ll_module *m, tn_type type, LLVMValueRef h) {
  LLVMBuilderRef b = m->b;
  LLVMValueRef wide = LLVMBuildZExt(b, h, tni_ll_type(m, tni_ll_like(TN_U32, type)), "");
  LLVMValueRef sign = LLVMBuildShl(b, LLVMBuildAnd(b, wide, bits32(m, type, 0x8000), ""), bits32(m, type, 16), "");
  LLVMValueRef magnitude = LLVMBuildShl(b, LLVMBuildAnd(b, wide, bits32(m, type, 0x7fff), ""), bits32(m, type, 13), "");
  LLVMValueRef scale = tni_ll_float(m, tni_ll_like(TN_F32, type), 0x1p112);
  LLVMValueRef finite = as_bits(m, type, LLVMBuildFMul(b, as_f32(m, type, magnitude), scale, ""));
  LLVMValueRef special = LLVMBuildICmp(b, LLVMIntUGE, magnitude, bits32(m, type, 0x7c00u << 13), "");
  LLVMValueRef top = LLVMBuildOr(b, magnitude, bits32(m, type, 0x7f800000), "");
  LLVMValueRef value = LLVMBuildSelect(b, special, top, finite, "");
  return as_f32(m, type, LLVMBuildOr(b, value, sign, ""));
}

static LLVMValueRef widen_bf16(tni_ll_module *m, tn_type type, LLVMValueRef h) {
  LLVMValueRef wide = LLVMBuildZExt(m->b, h, tni_ll_type(m, tni_ll_like(TN_U32, type)), "");
  return as_f32(m, type, LLVMBuildShl(m->b, wide, bits32(m, type, 16), ""));
}

LLVMValueRef tni_ll_widen(tni_ll_module *m, tn_type type, LLVMValueRef bits) {
  if (TN_TYPE_CODE(type) == kDLBfloat) return widen_bf16(m, type, bits);
  if (!m->target->has_f16) return widen_f16_in_integers(m, type, bits);
  LLVMValueRef half = LLVMBuildBitCast(m->b, bits, half_type(m, type), "");
  return LLVMBuildFPExt(m->b, half, tni_ll_type(m, tni_ll_like(TN_F32, type)), "");
}

/* (x + half a unit, less one if the result would be odd) >> shift: to nearest, ties to even. */
static LLVMValueRef round_shift(tni_ll_module *m, tn_type type, LLVMValueRef x, uint32_t shift) {
  LLVMBuilderRef b = m->b;
  LLVMValueRef odd = LLVMBuildAnd(b, LLVMBuildLShr(b, x, bits32(m, type, shift), ""), bits32(m, type, 1), "");
  LLVMValueRef sum = LLVMBuildAdd(b, LLVMBuildAdd(b, x, bits32(m, type, (1u << (shift - 1)) - 1), ""), odd, "");
  return LLVMBuildLShr(b, sum, bits32(m, type, shift), "");
}

/* Normal results by rounding the bits, denormal ones by adding 0.5, whose unit in the last place is f16's smallest
 * number. */
static LLVMValueRef narrow_f16_in_integers(tni_ll_module *m, tn_type type, LLVMValueRef f) {
  LLVMBuilderRef b = m->b;
  LLVMValueRef bits = as_bits(m, type, f);
  LLVMValueRef sign = LLVMBuildAnd(b, LLVMBuildLShr(b, bits, bits32(m, type, 16), ""), bits32(m, type, 0x8000), "");
  LLVMValueRef a = LLVMBuildAnd(b, bits, bits32(m, type, 0x7fffffff), "");
  LLVMValueRef normal = round_shift(m, type, LLVMBuildSub(b, a, bits32(m, type, 0x38000000), ""), 13);
  LLVMValueRef half = tni_ll_float(m, tni_ll_like(TN_F32, type), 0.5);
  LLVMValueRef shifted = as_bits(m, type, LLVMBuildFAdd(b, as_f32(m, type, a), half, ""));
  LLVMValueRef denormal = LLVMBuildSub(b, shifted, bits32(m, type, 0x3f000000), "");
  LLVMValueRef is_denormal = LLVMBuildICmp(b, LLVMIntULT, a, bits32(m, type, 0x38800000), "");
  LLVMValueRef overflows = LLVMBuildICmp(b, LLVMIntUGE, a, bits32(m, type, 0x477ff000), "");
  LLVMValueRef is_nan = LLVMBuildICmp(b, LLVMIntUGT, a, bits32(m, type, 0x7f800000), "");
  LLVMValueRef r = LLVMBuildSelect(b, is_denormal, denormal, normal, "");
  r = LLVMBuildSelect(b, overflows, bits32(m, type, 0x7c00), r, "");
  r = LLVMBuildSelect(b, is_nan, bits32(m, type, 0x7e00), r, "");
  return LLVMBuildTrunc(b, LLVMBuildOr(b, r, sign, ""), tni_ll_type(m, type), "");
}

static LLVMValueRef narrow_bf16(tni_ll_module *m, tn_type type, LLVMValueRef f) {
  LLVMBuilderRef b = m->b;
  LLVMValueRef bits = as_bits(m, type, f);
  LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, f, f, "");
  LLVMValueRef quiet = LLVMBuildOr(b, LLVMBuildLShr(b, bits, bits32(m, type, 16), ""), bits32(m, type, 0x40), "");
  LLVMValueRef r = LLVMBuildSelect(b, is_nan, quiet, round_shift(m, type, bits, 16), "");
  return LLVMBuildTrunc(b, r, tni_ll_type(m, type), "");
}

LLVMValueRef tni_ll_narrow(tni_ll_module *m, tn_type type, LLVMValueRef value) {
  if (TN_TYPE_CODE(type) == kDLBfloat) return narrow_bf16(m, type, value);
  if (!m->target->has_f16) return narrow_f16_in_integers(m, type, value);
  LLVMValueRef half = LLVMBuildFPTrunc(m->b, value, half_type(m, type), "");
  return LLVMBuildBitCast(m->b, half, tni_ll_type(m, type), "");
}

/* f64 to the f32 next to it towards zero, its last bit set when that is not exact: rounding that to fewer bits gives
 * what rounding the f64 would. */
static LLVMValueRef round_to_odd(tni_ll_module *m, tn_type type, LLVMValueRef d) {
  LLVMBuilderRef b = m->b;
  LLVMTypeRef f64 = tni_ll_type(m, tni_ll_like(TN_F64, type)), f32 = tni_ll_type(m, tni_ll_like(TN_F32, type));
  LLVMValueRef f = LLVMBuildFPTrunc(b, d, f32, "");
  LLVMValueRef back = LLVMBuildFPExt(b, f, f64, "");
  LLVMValueRef inexact = LLVMBuildFCmp(b, LLVMRealUNE, back, d, "");
  LLVMValueRef above = LLVMBuildFCmp(b, LLVMRealOGT, tni_ll_intrinsic(m, "llvm.fabs", 1, &f64, 1, &back),
                                     tni_ll_intrinsic(m, "llvm.fabs", 1, &f64, 1, &d), "");
  LLVMValueRef bits = as_bits(m, type, f);
  LLVMValueRef one = LLVMBuildZExt(b, above, tni_ll_type(m, tni_ll_like(TN_U32, type)), "");
  LLVMValueRef odd = LLVMBuildOr(b, LLVMBuildSub(b, bits, one, ""), bits32(m, type, 1), "");
  return as_f32(m, type, LLVMBuildSelect(b, inexact, odd, bits, ""));
}

static LLVMValueRef float_to_int(tni_ll_module *m, tn_type to, LLVMValueRef value) {
  LLVMTypeRef types[] = {tni_ll_type(m, to), LLVMTypeOf(value)};
  const char *name = tni_ll_is_signed(to) ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
  return tni_ll_intrinsic(m, name, 2, types, 1, &value);
}

static LLVMValueRef int_to_float(tni_ll_module *m, tn_type to, tn_type from, LLVMValueRef value) {
  LLVMTypeRef type = tni_ll_type(m, to);
  return tni_ll_is_signed(from) ? LLVMBuildSIToFP(m->b, value, type, "") : LLVMBuildUIToFP(m->b, value, type, "");
}

static LLVMValueRef int_to_int(tni_ll_module *m, tn_type to, tn_type from, LLVMValueRef value) {
  return LLVMBuildIntCast2(m->b, value, tni_ll_type(m, to), tni_ll_is_signed(from), "");
}

/* A 64-bit integer as f64; what f64 cannot hold is gathered in its last bit. */
static LLVMValueRef long_to_sticky(tni_ll_module *m, tn_type from, LLVMValueRef value) {
  LLVMBuilderRef b = m->b;
  LLVMTypeRef type = LLVMTypeOf(value);
  LLVMValueRef zero = LLVMConstNull(type), negative = LLVMBuildICmp(b, LLVMIntSLT, value, zero, "");
  LLVMValueRef low = tni_ll_int(m, tni_ll_like(TN_U64, from), 0x7ff),
               unit = tni_ll_int(m, tni_ll_like(TN_U64, from), 0x800);
  LLVMValueRef size = value;
  if (tni_ll_is_signed(from)) size = LLVMBuildSelect(b, negative, LLVMBuildNeg(b, value, ""), value, "");
  LLVMValueRef lost = LLVMBuildICmp(b, LLVMIntNE, LLVMBuildAnd(b, size, low, ""), zero, "");
  LLVMValueRef cut = LLVMBuildAnd(b, size, LLVMBuildNot(b, low, ""), "");
  cut = LLVMBuildOr(b, cut, LLVMBuildSelect(b, lost, unit, zero, ""), "");
  LLVMValueRef large =
      LLVMBuildICmp(b, LLVMIntUGE, size, tni_ll_int(m, tni_ll_like(TN_U64, from), (int64_t)1 << 53), "");
  LLVMValueRef d =
      LLVMBuildUIToFP(b, LLVMBuildSelect(b, large, cut, size, ""), tni_ll_type(m, tni_ll_like(TN_F64, from)), "");
  return tni_ll_is_signed(from) ? LLVMBuildSelect(b, negative, LLVMBuildFNeg(b, d, ""), d, "") : d;
}

/* A number of f32, f64 or an integer type to f16 or bf16. */
static LLVMValueRef to_half(tni_ll_module *m, tn_type to, tn_type from, LLVMValueRef value) {
  if (!tni_ll_is_float(from)) {
    tn_type middle = tni_ll_like(tni_ll_is_bool(from) || TN_TYPE_BITS(from) < 32 ? TN_F32 : TN_F64, to);
    bool is_long = !tni_ll_is_bool(from) && TN_TYPE_BITS(from) == 64;
    value = is_long ? long_to_sticky(m, from, value) : int_to_float(m, middle, from, value);
    from = middle;
  }
  if (TN_TYPE_BITS(from) == 64) value = round_to_odd(m, to, value);
  return tni_ll_narrow(m, to, value);
}

LLVMValueRef tni_ll_cast(tni_ll_module *m, tn_type to, tn_type from, LLVMValueRef value) {
  if (to == from) return value;
  if (tni_ll_is_half(from)) {
    value = tni_ll_widen(m, from, value);
    from = tni_ll_like(TN_F32, from);
  }
  if (tni_ll_is_bool(to)) {
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(value));
    return tni_ll_is_float(from) ? LLVMBuildFCmp(m->b, LLVMRealUNE, value, zero, "")
                                 : LLVMBuildICmp(m->b, LLVMIntNE, value, zero, "");
  }
  if (tni_ll_is_half(to)) return to_half(m, to, from, value);
  if (tni_ll_is_float(to)) {
    return tni_ll_is_float(from) ? LLVMBuildFPCast(m->b, value, tni_ll_type(m, to), "")
                                 : int_to_float(m, to, from, value);
  }
  return tni_ll_is_float(from) ? float_to_int(m, to, value) : int_to_int(m, to, from, value);
}
