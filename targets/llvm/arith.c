/* arith.c -- the operators with a typing rule: each total, as the table in tenon/ops.h says.
 *
 * Of the operators that are not basic, those that native.c lists. `index` arithmetic does not wrap (nsw);
 * data integers do. Constant operands save the guards of division and shifts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "llvm.h"

/* The operator under way: its node, the type of its operands, and a builder. */
typedef struct operation {
  tni_ll_function *f;
  tni_ll_module *m;
  LLVMBuilderRef b;
  const tn_expr *x;
  tn_type type; /* of the value operands */
} operation;

static LLVMValueRef integer(const operation *o, int64_t value) { return tni_ll_int(o->m, o->type, value); }
static bool is_index(const operation *o) { return TN_TYPE_CODE(o->type) == TN_CODE_INDEX; }

static int64_t width(const operation *o) { return tni_ll_is_bool(o->type) ? 1 : (int64_t)TN_TYPE_BITS(o->type); }

/* The integer that the operand is in every lane, if it is a constant. */
static bool constant_operand(const tn_expr *x, int64_t *value) {
  if (x->op == TN_OP_broadcast) x = x->arg[0];
  if (x->op != TN_OP_const || tni_ll_is_float(x->type)) return false;
  *value = x->as.i;
  return true;
}

static LLVMValueRef unary_intrinsic(const operation *o, const char *name, LLVMValueRef a) {
  LLVMTypeRef type = LLVMTypeOf(a);
  return tni_ll_intrinsic(o->m, name, 1, &type, 1, &a);
}

static LLVMValueRef binary_intrinsic(const operation *o, const char *name, LLVMValueRef a, LLVMValueRef b) {
  LLVMTypeRef type = LLVMTypeOf(a);
  LLVMValueRef args[] = {a, b};
  return tni_ll_intrinsic(o->m, name, 1, &type, 2, args);
}

/* An intrinsic whose second operand tells that a special case is excluded: it is not. */
static LLVMValueRef total_intrinsic(const operation *o, const char *name, LLVMValueRef a) {
  LLVMTypeRef type = LLVMTypeOf(a);
  LLVMValueRef args[] = {a, LLVMConstInt(o->m->i1, 0, 0)};
  return tni_ll_intrinsic(o->m, name, 1, &type, 2, args);
}

/* ---- division -------------------------------------------------------------------------------------------------- */

/* A divisor that division is defined for: 1 where it is 0 or (signed) -1. Gives the conditions that were mended. */
static LLVMValueRef safe_divisor(const operation *o, LLVMValueRef d, LLVMValueRef *is_zero, LLVMValueRef *is_minus) {
  LLVMValueRef mended = *is_zero = LLVMBuildICmp(o->b, LLVMIntEQ, d, integer(o, 0), "");
  *is_minus = NULL;
  if (tni_ll_is_signed(o->type)) {
    *is_minus = LLVMBuildICmp(o->b, LLVMIntEQ, d, integer(o, -1), "");
    mended = LLVMBuildOr(o->b, mended, *is_minus, "");
  }
  return LLVMBuildSelect(o->b, mended, integer(o, 1), d, "");
}

static LLVMValueRef divide(const operation *o, LLVMValueRef a, LLVMValueRef d) {
  return tni_ll_is_signed(o->type) ? LLVMBuildSDiv(o->b, a, d, "") : LLVMBuildUDiv(o->b, a, d, "");
}
static LLVMValueRef remainder_of(const operation *o, LLVMValueRef a, LLVMValueRef d) {
  return tni_ll_is_signed(o->type) ? LLVMBuildSRem(o->b, a, d, "") : LLVMBuildURem(o->b, a, d, "");
}

/* a / d rounded towards zero, total. */
static LLVMValueRef truncated_quotient(const operation *o, LLVMValueRef a, LLVMValueRef d) {
  int64_t c;
  LLVMValueRef is_zero, is_minus;
  if (constant_operand(o->x->arg[1], &c)) {
    if (c == 0) return integer(o, 0);
    if (c == -1 && tni_ll_is_signed(o->type)) return LLVMBuildNeg(o->b, a, "");
    return divide(o, a, d);
  }
  LLVMValueRef q = divide(o, a, safe_divisor(o, d, &is_zero, &is_minus));
  if (is_minus) q = LLVMBuildSelect(o->b, is_minus, LLVMBuildNeg(o->b, a, ""), q, "");
  return LLVMBuildSelect(o->b, is_zero, integer(o, 0), q, "");
}

/* a - d * truncated_quotient; 0 where d is 0 (the remainder by the mended divisor 1). */
static LLVMValueRef truncated_remainder(const operation *o, LLVMValueRef a, LLVMValueRef d) {
  int64_t c;
  LLVMValueRef is_zero, is_minus;
  if (constant_operand(o->x->arg[1], &c)) {
    bool unit = c == 0 || (c == -1 && tni_ll_is_signed(o->type));
    return unit ? integer(o, 0) : remainder_of(o, a, d);
  }
  return remainder_of(o, a, safe_divisor(o, d, &is_zero, &is_minus));
}

static int log2_exact(int64_t value) {
  return value > 0 && (value & (value - 1)) == 0 ? __builtin_ctzll((uint64_t)value) : -1;
}

/* Where the remainder r of a by d is not 0 and has the other sign than d: floor is one below truncation. */
static LLVMValueRef below_zero(const operation *o, LLVMValueRef r, LLVMValueRef d) {
  int64_t c;
  if (constant_operand(o->x->arg[1], &c) && c > 0) return LLVMBuildICmp(o->b, LLVMIntSLT, r, integer(o, 0), "");
  LLVMValueRef differ = LLVMBuildICmp(o->b, LLVMIntSLT, LLVMBuildXor(o->b, r, d, ""), integer(o, 0), "");
  return LLVMBuildAnd(o->b, differ, LLVMBuildICmp(o->b, LLVMIntNE, r, integer(o, 0), ""), "");
}

/* Does truncation give the floor? */
static bool same_as_truncated(const operation *o) {
  int64_t c;
  if (!tni_ll_is_signed(o->type)) return true;
  return constant_operand(o->x->arg[1], &c) && c > 0 && tni_ll_nonneg(o->f, o->x->arg[0]);
}

static LLVMValueRef floor_quotient(const operation *o, LLVMValueRef a, LLVMValueRef d) {
  int64_t c = 0;
  bool constant = constant_operand(o->x->arg[1], &c);
  int shift = constant ? log2_exact(c) : -1;
  if (shift >= 0 && tni_ll_is_signed(o->type)) return LLVMBuildAShr(o->b, a, integer(o, shift), "");
  LLVMValueRef q = truncated_quotient(o, a, d);
  if (same_as_truncated(o) || (constant && c == 0)) return q;
  LLVMValueRef below = below_zero(o, truncated_remainder(o, a, d), d);
  return LLVMBuildSub(o->b, q, LLVMBuildZExt(o->b, below, LLVMTypeOf(q), ""), "");
}

static LLVMValueRef floor_remainder(const operation *o, LLVMValueRef a, LLVMValueRef d) {
  int64_t c = 0;
  bool constant = constant_operand(o->x->arg[1], &c);
  if (constant && log2_exact(c) >= 0) return LLVMBuildAnd(o->b, a, integer(o, c - 1), "");
  LLVMValueRef r = truncated_remainder(o, a, d);
  if (same_as_truncated(o) || (constant && c == 0)) return r;
  return LLVMBuildAdd(o->b, r, LLVMBuildSelect(o->b, below_zero(o, r, d), d, integer(o, 0), ""), "");
}

/* ---- shifts ---------------------------------------------------------------------------------------------------- */

/* The amount made harmless, and whether it was within 0..bits. Constants within give *inside NULL. */
static LLVMValueRef safe_amount(const operation *o, LLVMValueRef amount, LLVMValueRef *inside) {
  int64_t bits = width(o), c;
  *inside = NULL;
  if (constant_operand(o->x->arg[1], &c) && c >= 0 && c < bits) return amount;
  *inside = LLVMBuildICmp(o->b, LLVMIntULT, amount, integer(o, bits), "");
  return LLVMBuildAnd(o->b, amount, integer(o, bits - 1), "");
}

static LLVMValueRef shift_left(const operation *o, LLVMValueRef a, LLVMValueRef amount) {
  LLVMValueRef inside, n = safe_amount(o, amount, &inside);
  LLVMValueRef r = LLVMBuildShl(o->b, a, n, "");
  return inside ? LLVMBuildSelect(o->b, inside, r, integer(o, 0), "") : r;
}

static LLVMValueRef shift_right(const operation *o, LLVMValueRef a, LLVMValueRef amount) {
  LLVMValueRef inside, n = safe_amount(o, amount, &inside);
  if (tni_ll_is_signed(o->type)) { /* past the width: as by the width less one, all signs */
    if (inside) n = LLVMBuildSelect(o->b, inside, n, integer(o, width(o) - 1), "");
    return LLVMBuildAShr(o->b, a, n, "");
  }
  LLVMValueRef r = LLVMBuildLShr(o->b, a, n, "");
  return inside ? LLVMBuildSelect(o->b, inside, r, integer(o, 0), "") : r;
}

/* ---- bits and overflow ------------------------------------------------------------------------------------------ */

/* The upper half of a product of two 64-bit integers: one instruction on most machines. */
static LLVMValueRef multiply_high(const operation *o, LLVMValueRef a, LLVMValueRef c) {
  LLVMTypeRef wide = LLVMIntTypeInContext(o->m->llvm, 128);
  bool is_signed = tni_ll_is_signed(o->type);
  LLVMValueRef x = LLVMBuildIntCast2(o->b, a, wide, is_signed, ""), y = LLVMBuildIntCast2(o->b, c, wide, is_signed, "");
  LLVMValueRef high = LLVMBuildLShr(o->b, LLVMBuildMul(o->b, x, y, ""), LLVMConstInt(wide, 64, 0), "");
  return LLVMBuildTrunc(o->b, high, LLVMTypeOf(a), "");
}

static LLVMValueRef saturated(const operation *o, const char *if_signed, const char *if_unsigned, LLVMValueRef *v) {
  return binary_intrinsic(o, tni_ll_is_signed(o->type) ? if_signed : if_unsigned, v[0], v[1]);
}

/* ---- smaller and larger ---------------------------------------------------------------------------------------- */

/* The floating-point constant in every lane of x, if it is one and not NaN. */
static bool float_constant(const tn_expr *x, double *value) {
  if (x->op == TN_OP_broadcast) x = x->arg[0];
  if (x->op != TN_OP_const || !tni_ll_is_float(x->type) || x->as.f != x->as.f) return false;
  *value = x->as.f;
  return true;
}

/* One operand a constant c: compare and select, two instructions. The other stays where it is NaN (the comparison is
 * false), and the comparison includes equality where c is the zero that wins. */
static LLVMValueRef float_extreme_of_constant(const operation *o, bool larger, LLVMValueRef a, LLVMValueRef c,
                                              double value) {
  bool minus_zero = value == 0 && __builtin_signbit(value), plus_zero = value == 0 && !minus_zero;
  LLVMRealPredicate p;
  if (larger) {
    p = plus_zero ? LLVMRealOGE : LLVMRealOGT;
  } else {
    p = minus_zero ? LLVMRealOLE : LLVMRealOLT;
  }
  return LLVMBuildSelect(o->b, LLVMBuildFCmp(o->b, p, c, a, ""), c, a, "");
}

/* AVX-512's instruction of that name on vectors of f32 or f64, of 128, 256 or 512 bits, with all lanes: of `count`
 * operands, the first of which is one. */
static LLVMValueRef call_avx512(const operation *o, const char *instruction, unsigned count, const LLVMValueRef *v) {
  enum { ROUND_AS_USUAL = 4 };
  LLVMTypeRef type = LLVMTypeOf(v[0]), i32 = LLVMInt32TypeInContext(o->m->llvm);
  bool is_double = TN_TYPE_BITS(o->type) == 64;
  unsigned lanes = LLVMGetVectorSize(type), bits = lanes * (is_double ? 64 : 32), mask = lanes < 8 ? 8 : lanes;
  LLVMValueRef args[6];
  char name[64];
  snprintf(name, sizeof name, "llvm.x86.avx512.mask.%s.p%c.%u", instruction, is_double ? 'd' : 's', bits);
  memcpy(args, v, count * sizeof *args);
  args[count] = v[0]; /* where lanes are masked: none is */
  args[count + 1] = LLVMConstAllOnes(LLVMIntTypeInContext(o->m->llvm, mask));
  args[count + 2] = LLVMConstInt(i32, ROUND_AS_USUAL, 0);
  return tni_ll_intrinsic(o->m, name, 0, NULL, count + 2 + (bits == 512), args);
}

/* The same of vectors, or of one number, as lane 0 of a vector. */
static LLVMValueRef call_avx512_on_any(const operation *o, const char *instruction, unsigned count, LLVMValueRef *v) {
  LLVMTypeRef type = LLVMTypeOf(v[0]);
  bool is_vector = TN_TYPE_LANES(o->type) > 1;
  LLVMValueRef none = is_vector ? NULL : LLVMGetPoison(LLVMVectorType(type, TN_TYPE_BITS(o->type) == 64 ? 2 : 4));
  for (unsigned i = 0; i < 2 && !is_vector; i++)
    v[i] = LLVMBuildInsertElement(o->b, none, v[i], tni_ll_index(o->m, 0), "");
  LLVMValueRef made = call_avx512(o, instruction, count, v);
  return is_vector ? made : LLVMBuildExtractElement(o->b, made, tni_ll_index(o->m, 0), "");
}

/* AVX-512: vrange orders zeros by their signs, but takes the number where one is NaN; then a sum, which is NaN. Three
 * instructions, where LLVM makes six of its own, and more for one number. NULL: there is none for the type. */
static LLVMValueRef float_extreme_of_range(const operation *o, bool larger, LLVMValueRef a, LLVMValueRef b) {
  enum { SIGN_OF_RESULT = 4 };
  tn_type element = TN_TYPE_WITH_LANES(o->type, 1);
  unsigned bits = (unsigned)(tn_type_bytes(o->type) * 8);
  if ((element != TN_F32 && element != TN_F64) ||
      (TN_TYPE_LANES(o->type) > 1 && bits != 128 && bits != 256 && bits != 512) ||
      !tni_target_has_feature(o->m->target, "avx512dq") || !tni_target_has_feature(o->m->target, "avx512vl"))
    return NULL;
  LLVMValueRef which = LLVMConstInt(LLVMInt32TypeInContext(o->m->llvm), (unsigned)(SIGN_OF_RESULT + larger), 0);
  LLVMValueRef number = call_avx512_on_any(o, "range", 3, (LLVMValueRef[]){a, b, which});
  return LLVMBuildSelect(o->b, LLVMBuildFCmp(o->b, LLVMRealUNO, a, b, ""), LLVMBuildFAdd(o->b, a, b, ""), number, "");
}

/* Is it the result of arithmetic? That makes no signaling NaN. */
static bool is_quiet(LLVMValueRef x) {
  if (!LLVMIsAInstruction(x)) return false;
  LLVMOpcode op = LLVMGetInstructionOpcode(x);
  if (op == LLVMFAdd || op == LLVMFSub || op == LLVMFMul || op == LLVMFDiv) return true;
  return op == LLVMCall && LLVMGetIntrinsicID(LLVMGetCalledValue(x)) == LLVMLookupIntrinsicID("llvm.fma", 8);
}

/* vscalef means what the operator means; but for signaling NaNs, of which it makes NaN whatever the power is. */
static LLVMValueRef scaled(const operation *o, LLVMValueRef *v) {
  if (!is_quiet(v[0])) v[0] = unary_intrinsic(o, "llvm.canonicalize", v[0]);
  return call_avx512_on_any(o, "scalef", 2, (LLVMValueRef[]){v[0], v[1]});
}

static LLVMValueRef extreme(const operation *o, bool larger, LLVMValueRef a, LLVMValueRef b) {
  double c;
  if (tni_ll_is_float(o->type)) {
    if (float_constant(o->x->arg[1], &c)) return float_extreme_of_constant(o, larger, a, b, c);
    if (float_constant(o->x->arg[0], &c)) return float_extreme_of_constant(o, larger, b, a, c);
    LLVMValueRef made = float_extreme_of_range(o, larger, a, b);
    return made ? made : binary_intrinsic(o, larger ? "llvm.maximum" : "llvm.minimum", a, b);
  }
  if (tni_ll_is_signed(o->type)) return binary_intrinsic(o, larger ? "llvm.smax" : "llvm.smin", a, b);
  return binary_intrinsic(o, larger ? "llvm.umax" : "llvm.umin", a, b);
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

static LLVMValueRef compare(const operation *o, LLVMValueRef a, LLVMValueRef b) {
  static const struct {
    LLVMRealPredicate f;
    LLVMIntPredicate s, u;
  } rows[] = {{LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ},
              {LLVMRealUNE, LLVMIntNE, LLVMIntNE},
              {LLVMRealOLT, LLVMIntSLT, LLVMIntULT},
              {LLVMRealOLE, LLVMIntSLE, LLVMIntULE}};
  int row = o->x->op == TN_OP_eq ? 0 : o->x->op == TN_OP_ne ? 1 : o->x->op == TN_OP_lt ? 2 : 3;
  if (tni_ll_is_float(o->type)) return LLVMBuildFCmp(o->b, rows[row].f, a, b, "");
  return LLVMBuildICmp(o->b, tni_ll_is_signed(o->type) ? rows[row].s : rows[row].u, a, b, "");
}

static LLVMValueRef absolute(const operation *o, LLVMValueRef a) {
  if (tni_ll_is_float(o->type)) return unary_intrinsic(o, "llvm.fabs", a);
  if (!tni_ll_is_signed(o->type)) return a;
  return total_intrinsic(o, "llvm.abs", a);
}

static LLVMValueRef negated(const operation *o, LLVMValueRef a) {
  if (tni_ll_is_float(o->type)) return LLVMBuildFNeg(o->b, a, "");
  return is_index(o) ? LLVMBuildNSWNeg(o->b, a, "") : LLVMBuildNeg(o->b, a, "");
}

static LLVMValueRef fused(const operation *o, LLVMValueRef *args) {
  LLVMTypeRef type = LLVMTypeOf(args[0]);
  return tni_ll_intrinsic(o->m, "llvm.fma", 1, &type, 3, args);
}

/* On f32 and f64. */
static LLVMValueRef float_op(const operation *o, LLVMValueRef *v) {
  switch (o->x->op) {
  case TN_OP_add: return LLVMBuildFAdd(o->b, v[0], v[1], "");
  case TN_OP_sub: return LLVMBuildFSub(o->b, v[0], v[1], "");
  case TN_OP_mul: return LLVMBuildFMul(o->b, v[0], v[1], "");
  case TN_OP_div: return LLVMBuildFDiv(o->b, v[0], v[1], "");
  case TN_OP_min: return extreme(o, false, v[0], v[1]);
  case TN_OP_max: return extreme(o, true, v[0], v[1]);
  case TN_OP_fma: return fused(o, v);
  case TN_OP_ldexp: return scaled(o, v);
  case TN_OP_sqrt: return unary_intrinsic(o, "llvm.sqrt", v[0]);
  case TN_OP_floor: return unary_intrinsic(o, "llvm.floor", v[0]);
  case TN_OP_ceil: return unary_intrinsic(o, "llvm.ceil", v[0]);
  case TN_OP_trunc: return unary_intrinsic(o, "llvm.trunc", v[0]);
  case TN_OP_round: return unary_intrinsic(o, "llvm.roundeven", v[0]);
  default: break;
  }
  assert(!"an operator that native.c promises");
  return LLVMGetPoison(LLVMTypeOf(v[0]));
}

static LLVMValueRef index_op(const operation *o, LLVMValueRef *v) {
  switch (o->x->op) {
  case TN_OP_add: return LLVMBuildNSWAdd(o->b, v[0], v[1], "");
  case TN_OP_sub: return LLVMBuildNSWSub(o->b, v[0], v[1], "");
  default: return LLVMBuildNSWMul(o->b, v[0], v[1], "");
  }
}

static LLVMValueRef integer_op(const operation *o, LLVMValueRef *v) {
  enum tn_op op = o->x->op;
  if (is_index(o) && (op == TN_OP_add || op == TN_OP_sub || op == TN_OP_mul)) return index_op(o, v);
  switch (op) {
  case TN_OP_add: return LLVMBuildAdd(o->b, v[0], v[1], "");
  case TN_OP_sub: return LLVMBuildSub(o->b, v[0], v[1], "");
  case TN_OP_mul: return LLVMBuildMul(o->b, v[0], v[1], "");
  case TN_OP_div: return truncated_quotient(o, v[0], v[1]);
  case TN_OP_mod: return truncated_remainder(o, v[0], v[1]);
  case TN_OP_floordiv: return floor_quotient(o, v[0], v[1]);
  case TN_OP_floormod: return floor_remainder(o, v[0], v[1]);
  case TN_OP_min: return extreme(o, false, v[0], v[1]);
  case TN_OP_max: return extreme(o, true, v[0], v[1]);
  case TN_OP_and: return LLVMBuildAnd(o->b, v[0], v[1], "");
  case TN_OP_or: return LLVMBuildOr(o->b, v[0], v[1], "");
  case TN_OP_xor: return LLVMBuildXor(o->b, v[0], v[1], "");
  case TN_OP_not: return LLVMBuildNot(o->b, v[0], "");
  case TN_OP_shl: return shift_left(o, v[0], v[1]);
  case TN_OP_shr: return shift_right(o, v[0], v[1]);
  case TN_OP_mulhi: return multiply_high(o, v[0], v[1]);
  case TN_OP_add_sat: return saturated(o, "llvm.sadd.sat", "llvm.uadd.sat", v);
  case TN_OP_sub_sat: return saturated(o, "llvm.ssub.sat", "llvm.usub.sat", v);
  case TN_OP_popcount: return unary_intrinsic(o, "llvm.ctpop", v[0]);
  case TN_OP_clz: return total_intrinsic(o, "llvm.ctlz", v[0]);
  case TN_OP_ctz: return total_intrinsic(o, "llvm.cttz", v[0]);
  default: break;
  }
  assert(!"an operator that native.c promises");
  return LLVMGetPoison(LLVMTypeOf(v[0]));
}

LLVMValueRef tni_ll_op(tni_ll_function *f, const tn_expr *x, LLVMValueRef *args) {
  assert(x->nargs > 0);
  operation o = {f, f->m, f->m->b, x, tni_operand_type(x)};
  switch (x->op) {
  case TN_OP_select: return LLVMBuildSelect(o.b, args[0], args[1], args[2], "");
  case TN_OP_neg: return negated(&o, args[0]);
  case TN_OP_abs: return absolute(&o, args[0]);
  case TN_OP_eq:
  case TN_OP_ne:
  case TN_OP_lt:
  case TN_OP_le: return compare(&o, args[0], args[1]);
  default: break;
  }
  return tni_ll_is_float(o.type) ? float_op(&o, args) : integer_op(&o, args);
}
