/* convert.c -- casts, and the floats shorter than f32 as integers and f32.
 *
 *     f16 <-> f32    the conversion instruction where the target has one, else as f8
 *     f8 <-> f32     in integers by the row of its format (lib/runtime/float.c), one addition for the subnormals; f4 too
 *     f8e8m0 <-> f32 the exponent alone
 *     bf16 <-> f32   shifts; rounding in integers (LLVM would call __truncsfbf2)
 *     f64 -> short   through an f32 rounded to odd, so that the result is rounded once
 *     vector -> int  bounded first: LLVM's saturating conversions go lane by lane
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

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

/* The power of two, as bits of an f32, whose unit in the last place is the least number above 0. */
static uint32_t unit_bits(const tni_float_format *format) {
  return (uint32_t)(127 + 23 + 1 - format->bias - format->fraction_bits) << 23;
}

/* What is special about a pattern that is no number; `value` elsewhere. */
static LLVMValueRef widen_special(tni_ll_module *m, const tni_float_format *format, tn_type type, LLVMValueRef wide,
                                  LLVMValueRef magnitude, LLVMValueRef value) {
  LLVMBuilderRef b = m->b;
  if (!format->nan) return value;
  LLVMIntPredicate p = format->negative_zero ? LLVMIntUGT : LLVMIntEQ;
  LLVMValueRef pattern = format->negative_zero ? magnitude : wide;
  uint64_t limit = format->negative_zero ? format->largest : format->nan;
  LLVMValueRef special = LLVMBuildICmp(b, p, pattern, bits32(m, type, (uint32_t)limit), "");
  /* with infinities, the fraction tells them from NaNs as it does in f32 */
  LLVMValueRef top = bits32(m, type, format->infinity ? 0x7f800000 : 0x7fc00000);
  return LLVMBuildSelect(b, special, LLVMBuildOr(b, value, top, ""), value, "");
}

/* The fraction goes where f32 has it, the exponent gets f32's bias. A magnitude below the normal numbers is made the
 * last bits of a power of two, which is then taken away: what is left is exact, and no operand was subnormal. */
static LLVMValueRef widen_in_integers(tni_ll_module *m, const tni_float_format *format, tn_type type, LLVMValueRef h) {
  LLVMBuilderRef b = m->b;
  int left = 23 - format->fraction_bits, sign_bit = format->exponent_bits + format->fraction_bits;
  LLVMValueRef wide = LLVMBuildZExt(b, h, tni_ll_type(m, tni_ll_like(TN_U32, type)), "");
  LLVMValueRef magnitude = LLVMBuildAnd(b, wide, bits32(m, type, (1u << sign_bit) - 1), "");
  LLVMValueRef sign = LLVMBuildShl(b, LLVMBuildXor(b, wide, magnitude, ""), bits32(m, type, 31 - sign_bit), "");
  LLVMValueRef bias = bits32(m, type, (uint32_t)(127 - format->bias) << 23);
  LLVMValueRef normal = LLVMBuildAdd(b, LLVMBuildShl(b, magnitude, bits32(m, type, left), ""), bias, "");
  LLVMValueRef unit = bits32(m, type, unit_bits(format));
  LLVMValueRef above =
      LLVMBuildFSub(b, as_f32(m, type, LLVMBuildOr(b, magnitude, unit, "")), as_f32(m, type, unit), "");
  LLVMValueRef is_normal = LLVMBuildICmp(b, LLVMIntUGE, magnitude, bits32(m, type, 1u << format->fraction_bits), "");
  LLVMValueRef value = LLVMBuildSelect(b, is_normal, normal, as_bits(m, type, above), "");
  value = widen_special(m, format, type, wide, magnitude, value);
  return as_f32(m, type, LLVMBuildOr(b, value, sign, ""));
}

/* The pattern is f32's exponent, but 2^-127 is subnormal there, and NaN's fraction must not be 0. */
static LLVMValueRef widen_scale(tni_ll_module *m, tn_type type, LLVMValueRef h) {
  LLVMBuilderRef b = m->b;
  LLVMValueRef wide = LLVMBuildZExt(b, h, tni_ll_type(m, tni_ll_like(TN_U32, type)), "");
  LLVMValueRef least = LLVMBuildICmp(b, LLVMIntEQ, wide, bits32(m, type, 0), "");
  LLVMValueRef is_nan = LLVMBuildICmp(b, LLVMIntEQ, wide, bits32(m, type, 0xff), "");
  LLVMValueRef half = LLVMBuildZExt(b, LLVMBuildOr(b, least, is_nan, ""), LLVMTypeOf(wide), "");
  LLVMValueRef exponent = LLVMBuildShl(b, wide, bits32(m, type, 23), "");
  return as_f32(m, type, LLVMBuildOr(b, exponent, LLVMBuildShl(b, half, bits32(m, type, 22), ""), ""));
}

/* By the conversion instruction. f8e5m2 is the upper byte of an f16. */
static LLVMValueRef widen_f16(tni_ll_module *m, tn_type type, LLVMValueRef h) {
  LLVMTypeRef u16 = tni_ll_type(m, tni_ll_like(TN_U16, type));
  LLVMValueRef eight = tni_ll_int(m, tni_ll_like(TN_U16, type), 8);
  if (TN_TYPE_BITS(type) == 8) h = LLVMBuildShl(m->b, LLVMBuildZExt(m->b, h, u16, ""), eight, "");
  LLVMValueRef half = LLVMBuildBitCast(m->b, h, half_type(m, type), "");
  return LLVMBuildFPExt(m->b, half, tni_ll_type(m, tni_ll_like(TN_F32, type)), "");
}

static LLVMValueRef widen_bf16(tni_ll_module *m, tn_type type, LLVMValueRef h) {
  LLVMValueRef wide = LLVMBuildZExt(m->b, h, tni_ll_type(m, tni_ll_like(TN_U32, type)), "");
  return as_f32(m, type, LLVMBuildShl(m->b, wide, bits32(m, type, 16), ""));
}

LLVMValueRef tni_ll_widen(tni_ll_module *m, tn_type type, LLVMValueRef bits) {
  tn_type one = TN_TYPE_WITH_LANES(type, 1);
  if (one == TN_BF16) return widen_bf16(m, type, bits);
  if (one == TN_F8E8M0) return widen_scale(m, type, bits);
  if (m->target->has_f16 && (one == TN_F16 || one == TN_F8E5M2)) return widen_f16(m, type, bits);
  return widen_in_integers(m, tni_float_format_of(type), type, bits);
}

/* (x + half a unit, less one if the result would be odd) >> shift: to nearest, ties to even. */
static LLVMValueRef round_shift(tni_ll_module *m, tn_type type, LLVMValueRef x, uint32_t shift) {
  LLVMBuilderRef b = m->b;
  LLVMValueRef odd = LLVMBuildAnd(b, LLVMBuildLShr(b, x, bits32(m, type, shift), ""), bits32(m, type, 1), "");
  LLVMValueRef sum = LLVMBuildAdd(b, LLVMBuildAdd(b, x, bits32(m, type, (1u << (shift - 1)) - 1), ""), odd, "");
  return LLVMBuildLShr(b, sum, bits32(m, type, shift), "");
}

/* Normal results by rounding the bits; those below by adding the power of two whose unit in the last place is the type's
 * smallest number. What is then larger than the largest number becomes infinity, or NaN; or in a type without either the
 * largest, and NaN 0. */
static LLVMValueRef narrow_in_integers(tni_ll_module *m, const tni_float_format *format, tn_type type, LLVMValueRef f) {
  LLVMBuilderRef b = m->b;
  int right = 23 - format->fraction_bits, sign_bit = format->exponent_bits + format->fraction_bits;
  LLVMValueRef bits = as_bits(m, type, f), nan = bits32(m, type, (uint32_t)format->nan);
  LLVMValueRef magnitude = LLVMBuildAnd(b, bits, bits32(m, type, 0x7fffffff), "");
  LLVMValueRef sign = LLVMBuildLShr(b, LLVMBuildXor(b, bits, magnitude, ""), bits32(m, type, 31 - sign_bit), "");
  LLVMValueRef bias = bits32(m, type, (uint32_t)(127 - format->bias) << 23), unit = bits32(m, type, unit_bits(format));
  LLVMValueRef normal = round_shift(m, type, LLVMBuildSub(b, magnitude, bias, ""), (uint32_t)right);
  LLVMValueRef sum = LLVMBuildFAdd(b, as_f32(m, type, magnitude), as_f32(m, type, unit), "");
  LLVMValueRef below = LLVMBuildSub(b, as_bits(m, type, sum), unit, "");
  LLVMValueRef least = bits32(m, type, (uint32_t)(128 - format->bias) << 23);
  LLVMValueRef r = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntULT, magnitude, least, ""), below, normal, "");
  uint32_t last = (uint32_t)format->largest + format->infinity;
  LLVMValueRef beyond = format->infinity || !format->nan ? bits32(m, type, last) : nan;
  LLVMValueRef is_nan = LLVMBuildICmp(b, LLVMIntUGT, magnitude, bits32(m, type, 0x7f800000), "");
  LLVMValueRef overflows = LLVMBuildICmp(b, LLVMIntUGT, r, bits32(m, type, (uint32_t)format->largest), "");
  r = LLVMBuildSelect(b, overflows, beyond, r, "");
  if (format->infinity) r = LLVMBuildSelect(b, is_nan, nan, r, ""); /* else a NaN, the largest of all, has overflowed */
  LLVMValueRef out = LLVMBuildOr(b, r, sign, "");
  if (!format->nan) out = LLVMBuildSelect(b, is_nan, nan, out, "");
  if (!format->negative_zero)
    out = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntEQ, r, bits32(m, type, 0), ""), r, out, "");
  return LLVMBuildTrunc(b, out, tni_ll_type(m, type), "");
}

/* The exponent, one more from half of the way to the next power of two on. Below 2^-126 f32's exponent stays, and half of the
 * way is half as long. */
static LLVMValueRef narrow_scale(tni_ll_module *m, tn_type type, LLVMValueRef f) {
  LLVMBuilderRef b = m->b;
  LLVMValueRef bits = as_bits(m, type, f), nan = bits32(m, type, 0xff), minus_zero = bits32(m, type, 0x80000000);
  LLVMValueRef magnitude = LLVMBuildAnd(b, bits, bits32(m, type, 0x7fffffff), "");
  LLVMValueRef is_low = LLVMBuildICmp(b, LLVMIntULT, magnitude, bits32(m, type, 0x00800000), "");
  LLVMValueRef half = LLVMBuildSelect(b, is_low, bits32(m, type, 0x00200000), bits32(m, type, 0x00400000), "");
  LLVMValueRef r = LLVMBuildLShr(b, LLVMBuildAdd(b, magnitude, half, ""), bits32(m, type, 23), "");
  LLVMValueRef wrong = LLVMBuildICmp(b, LLVMIntUGT, bits, minus_zero, "");
  wrong = LLVMBuildOr(b, wrong, LLVMBuildICmp(b, LLVMIntUGT, r, nan, ""), "");
  return LLVMBuildTrunc(b, LLVMBuildSelect(b, wrong, nan, r, ""), tni_ll_type(m, type), "");
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
  tn_type one = TN_TYPE_WITH_LANES(type, 1);
  if (one == TN_BF16) return narrow_bf16(m, type, value);
  if (one == TN_F8E8M0) return narrow_scale(m, type, value);
  if (one != TN_F16 || !m->target->has_f16) return narrow_in_integers(m, tni_float_format_of(type), type, value);
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

/* x where it is between the bounds, else the nearer one; NaN gives `low`: one maximum and one minimum of the machine. */
static LLVMValueRef bounded(tni_ll_module *m, tn_type type, LLVMValueRef x, double low, double high) {
  LLVMValueRef l = tni_ll_float(m, type, low), h = tni_ll_float(m, type, high);
  x = LLVMBuildSelect(m->b, LLVMBuildFCmp(m->b, LLVMRealOGT, x, l, ""), x, l, "");
  return LLVMBuildSelect(m->b, LLVMBuildFCmp(m->b, LLVMRealOLT, x, h, ""), x, h, "");
}

/* A vector to at most 32 bits: LLVM would saturate lane by lane. The largest integer of 32 bits is no f32: there the bound is
 * the f32 below it, and what was larger is mended. */
static LLVMValueRef vector_to_int(tni_ll_module *m, tn_type to, tn_type from, LLVMValueRef value) {
  bool is_signed = tni_ll_is_signed(to), is_inexact = TN_TYPE_BITS(to) == 32 && TN_TYPE_BITS(from) == 32;
  int magnitude = (int)TN_TYPE_BITS(to) - is_signed;
  double low = is_signed ? -ldexp(1, magnitude) : 0, end = ldexp(1, magnitude);
  LLVMTypeRef wide = tni_ll_type(m, tni_ll_like(is_signed || TN_TYPE_BITS(to) < 32 ? TN_I32 : TN_U32, to));
  LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(value)), number = value;
  if (is_signed) number = LLVMBuildSelect(m->b, LLVMBuildFCmp(m->b, LLVMRealORD, value, zero, ""), value, zero, "");
  number = bounded(m, from, number, low, is_inexact ? end - ldexp(1, magnitude - 24) : end - 1);
  LLVMValueRef out = is_signed || TN_TYPE_BITS(to) < 32 ? LLVMBuildFPToSI(m->b, number, wide, "")
                                                        : LLVMBuildFPToUI(m->b, number, wide, "");
  if (is_inexact) {
    LLVMValueRef over = LLVMBuildFCmp(m->b, LLVMRealOGE, value, tni_ll_float(m, from, end), "");
    out = LLVMBuildSelect(m->b, over, tni_ll_int(m, to, is_signed ? INT32_MAX : UINT32_MAX), out, "");
  }
  return TN_TYPE_BITS(to) < 32 ? LLVMBuildTrunc(m->b, out, tni_ll_type(m, to), "") : out;
}

static LLVMValueRef float_to_int(tni_ll_module *m, tn_type to, tn_type from, LLVMValueRef value) {
  if (TN_TYPE_LANES(to) > 1 && TN_TYPE_BITS(to) <= 32) return vector_to_int(m, to, from, value);
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

/* A number of f32, f64 or an integer type to a short float. */
static LLVMValueRef to_short(tni_ll_module *m, tn_type to, tn_type from, LLVMValueRef value) {
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
  if (tni_ll_is_short(from)) {
    value = tni_ll_widen(m, from, value);
    from = tni_ll_like(TN_F32, from);
  }
  if (tni_ll_is_bool(to)) {
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(value));
    return tni_ll_is_float(from) ? LLVMBuildFCmp(m->b, LLVMRealUNE, value, zero, "")
                                 : LLVMBuildICmp(m->b, LLVMIntNE, value, zero, "");
  }
  if (tni_ll_is_short(to)) return to_short(m, to, from, value);
  if (tni_ll_is_float(to)) {
    return tni_ll_is_float(from) ? LLVMBuildFPCast(m->b, value, tni_ll_type(m, to), "")
                                 : int_to_float(m, to, from, value);
  }
  return tni_ll_is_float(from) ? float_to_int(m, to, from, value) : int_to_int(m, to, from, value);
}
