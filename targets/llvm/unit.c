/* unit.c -- expressions that are the meaning of an instruction of the target become that instruction.
 *
 *     c + i32(a0)*i32(b0) + .. + i32(a3)*i32(b3)   ->   vpdpbusd(c, a0 a1 a2 a3 .., b0 b1 b2 b3 ..)
 *
 * The factors of the steps stand side by side in an operand, those of one lane together. Where they do so in memory they are
 * loaded at once, of a scalar once for all lanes; else they are put together in registers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

enum { LEAST_LANES = 4 };

typedef struct group {
  tni_ll_function *f;
  const tn_expr *const *items; /* one for each step, each of all lanes or a scalar */
  int32_t steps;
  uint32_t lanes;
  tn_type type;      /* of a factor */
  LLVMTypeRef whole; /* of the factors of one lane, as an integer */
} group;

/* ---- from memory ------------------------------------------------------------------------------------------------- */

static const tn_expr *first_of(const tn_expr *index) { return index->op == TN_OP_ramp ? index->arg[0] : index; }

/* Are they loads of neighbours, under one condition, and the lanes `steps` elements apart? */
static bool stand_together(const group *g) {
  int64_t distance;
  const tn_expr *first = g->items[0];
  if (first->op != TN_OP_load || tni_load_count(first) != 1) return false;
  bool is_vector = TN_TYPE_LANES(first->type) > 1;
  const tn_expr *index = first->arg[0];
  if (is_vector && (index->op != TN_OP_ramp || !tni_is_int(index->arg[1], g->steps))) return false;
  if (!is_vector && tni_load_where(first)) return false;
  for (int32_t t = 1; t < g->steps; t++) {
    const tn_expr *x = g->items[t];
    if (x->op != TN_OP_load || x->as.buffer != first->as.buffer || x->type != first->type) return false;
    if (tni_load_where(x) != tni_load_where(first) || tni_load_count(x) != 1) return false;
    if (is_vector && (x->arg[0]->op != TN_OP_ramp || x->arg[0]->arg[1] != index->arg[1])) return false;
    if (!tni_ll_distance(first_of(index), first_of(x->arg[0]), &distance) || distance != t) return false;
  }
  return true;
}

/* ---- in registers ------------------------------------------------------------------------------------------------ */

static LLVMValueRef item(const group *g, int32_t t) {
  LLVMValueRef value = tni_ll_expr(g->f, g->items[t]);
  return TN_TYPE_LANES(g->items[t]->type) > 1 ? value : tni_ll_splat(g->f->m, value, g->lanes);
}

static LLVMValueRef put_together(const group *g) {
  tni_ll_module *m = g->f->m;
  LLVMValueRef pair = tni_ll_interleave(m, item(g, 0), item(g, 1));
  if (g->steps == 2) return pair;
  LLVMTypeRef pairs = LLVMVectorType(m->i16, g->lanes);
  LLVMValueRef other = tni_ll_interleave(m, item(g, 2), item(g, 3));
  return tni_ll_interleave(m, LLVMBuildBitCast(m->b, pair, pairs, ""), LLVMBuildBitCast(m->b, other, pairs, ""));
}

/* The operand as a vector of integers, one for each lane's factors. */
static LLVMValueRef gather(const group *g) {
  tni_ll_module *m = g->f->m;
  LLVMTypeRef type = LLVMVectorType(g->whole, g->lanes);
  if (!stand_together(g)) return LLVMBuildBitCast(m->b, put_together(g), type, "");
  g->f->impure = true;
  uint32_t lanes = TN_TYPE_LANES(g->items[0]->type);
  return tni_ll_splat(m, tni_ll_load_groups(g->f, g->items[0], g->whole, lanes), lanes > 1 ? 1 : g->lanes);
}

/* ---- instructions ------------------------------------------------------------------------------------------------ */

/* Some are one for all widths, of the types of the sum and of the factors. */
static LLVMValueRef call(tni_ll_module *m, const char *name, unsigned count, LLVMValueRef *args) {
  LLVMTypeRef types[] = {LLVMTypeOf(args[0]), LLVMTypeOf(args[1])};
  bool all = LLVMIntrinsicIsOverloaded(LLVMLookupIntrinsicID(name, strlen(name)));
  return tni_ll_intrinsic(m, name, all ? 2 : 0, types, count, args);
}

/* The operand as factors, in the type of the instruction's. */
static LLVMValueRef factors(const group *g, LLVMTypeRef element) {
  return LLVMBuildBitCast(g->f->m->b, gather(g), LLVMVectorType(element, g->lanes * (uint32_t)g->steps), "");
}

/* Where the instruction takes one factor as a number of the other sign: with its first bit turned that is 128 more (of i8) or
 * less (of u8), and so is the bit alone; 128 times the other factor, which this adds, is taken away. */
static LLVMValueRef dot_by_offset(const group *a, const group *b, const tni_unit_row *row, const char *name,
                                  LLVMValueRef c) {
  tni_ll_module *m = a->f->m;
  int turned = row->form == TNI_UNIT_TURN_B;
  LLVMValueRef args[] = {c, factors(a, m->i8), factors(b, m->i8)};
  LLVMValueRef bit = tni_ll_splat(m, LLVMConstInt(m->i8, 0x80, 0), a->lanes * 4);
  LLVMValueRef too_much[] = {LLVMConstNull(LLVMTypeOf(c)), turned ? args[1] : bit, turned ? bit : args[2]};
  args[0] = LLVMBuildSub(m->b, c, call(m, name, 3, too_much), "");
  args[1 + turned] = LLVMBuildXor(m->b, args[1 + turned], bit, "");
  return call(m, name, 3, args);
}

static LLVMValueRef sum_of_products(const group *a, const group *b, const char *name, LLVMValueRef c) {
  tni_ll_module *m = a->f->m;
  LLVMTypeRef wide = LLVMVectorType(m->i16, a->lanes * 2);
  LLVMValueRef args[2];
  for (int i = 0; i < 2; i++) {
    const group *g = i ? b : a;
    LLVMValueRef x = factors(g, tni_ll_type(m, g->type));
    args[i] = LLVMBuildIntCast2(m->b, x, wide, tni_ll_is_signed(g->type), "");
  }
  return LLVMBuildAdd(m->b, c, call(m, name, 2, args), "");
}

static LLVMValueRef emit(tni_ll_function *f, const tni_unit *unit, const tni_unit_row *row, const tni_unit_operands *o,
                         uint32_t lanes) {
  tni_ll_module *m = f->m;
  const char *name = row->names[lanes * 32 / 256];
  LLVMTypeRef whole = LLVMIntTypeInContext(m->llvm, TN_TYPE_BITS(unit->a) * (unsigned)unit->steps);
  group a = {f, o->a, unit->steps, lanes, unit->a, whole}, b = {f, o->b, unit->steps, lanes, unit->b, whole};
  LLVMValueRef c = tni_ll_splat(m, tni_ll_expr(f, o->c), TN_TYPE_LANES(o->c->type) > 1 ? 1 : lanes);
  if (row->form == TNI_UNIT_TURN_A || row->form == TNI_UNIT_TURN_B) return dot_by_offset(&a, &b, row, name, c);
  if (row->form == TNI_UNIT_PRODUCTS) return sum_of_products(&a, &b, name, c);
  LLVMTypeRef element = unit->a == TN_BF16 ? LLVMBFloatTypeInContext(m->llvm) : tni_ll_type(m, unit->a);
  LLVMValueRef args[] = {c, factors(&a, element), factors(&b, element)};
  return call(m, name, 3, args);
}

LLVMValueRef tni_ll_unit(tni_ll_function *f, const tn_expr *x) {
  uint32_t lanes = TN_TYPE_LANES(x->type);
  if (lanes < LEAST_LANES || TN_TYPE_BITS(x->type) != 32 || (x->op != TN_OP_add && x->op != TN_OP_select)) return NULL;
  for (size_t i = 0; i < tni_unit_count(); i++) {
    const tni_unit *unit = tni_unit_at(f->m->ctx, i);
    tni_unit_operands operands;
    f->m->arena.failed |= !unit;
    if (!unit || unit->meaning->op != x->op || unit->c != TN_TYPE_WITH_LANES(x->type, 1)) continue;
    const tni_unit_row *row = tni_target_unit(f->m->target, unit, lanes * 32);
    if (row && tni_unit_matches(unit, x, &operands)) return emit(f, unit, row, &operands, lanes);
  }
  return NULL;
}
