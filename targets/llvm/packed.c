/* packed.c -- loads and stores of elements that share a byte: two 4-bit integers or four of 2 bits, the first in the low bits.
 *
 *     ramp(b, 1, n), whole bytes     these bytes, of which the elements are made part by part
 *     else                           a byte for each lane: a load takes the bits it wants, a store keeps the others
 *
 * In a parallel loop another thread may write other bits of the byte meanwhile. There a store is an atomic `and` that clears its
 * own bits, then an atomic `or` that sets them: nobody else writes these bits, so nothing may come between that matters.
 *
 * Where a condition is false a load reads a zero elsewhere, and a store writes a byte of the stack.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

/* Bits of an element, how many share a byte, and the logarithm of that. */
static int64_t width_of(tn_type type) { return TN_TYPE_BITS(type); }
static uint32_t each_of(tn_type type) { return 8 / TN_TYPE_BITS(type); }
static int64_t log_each(tn_type type) { return TN_TYPE_BITS(type) == 4 ? 1 : 2; }

/* The lanes of an access as LLVM values: subscripts (i64) and the condition (NULL: always). */
typedef struct lanes {
  tni_ll_function *f;
  const tni_ll_access *a;
  uint32_t count;
  LLVMValueRef index, where, shift; /* shift: how far up in their bytes the elements are, as bytes */
} lanes;

static LLVMValueRef bytes(const lanes *l, int64_t value) {
  return tni_ll_int(l->f->m, TN_TYPE_WITH_LANES(TN_U8, l->count), value);
}

static LLVMValueRef widened(tni_ll_function *f, LLVMValueRef value, const tn_expr *x, uint32_t count) {
  return tni_ll_lanes(x) < count ? tni_ll_splat(f->m, value, count) : value;
}

static lanes lanes_of(tni_ll_function *f, const tni_ll_access *a, uint32_t count) {
  lanes l = {.f = f, .a = a, .count = count};
  l.index = a->index ? tni_ll_expr(f, a->index) : tni_ll_index(f->m, 0);
  if (tni_ll_lanes(a->index) > count) l.index = tni_ll_first_lane(f, a->index);
  l.index = widened(f, l.index, count > 1 ? a->index : NULL, count);
  if (a->where) l.where = widened(f, tni_ll_expr(f, a->where), a->where, count);
  tn_type i64 = TN_TYPE_WITH_LANES(TN_I64, count), type = a->buffer->type;
  LLVMValueRef part = LLVMBuildAnd(f->m->b, l.index, tni_ll_int(f->m, i64, each_of(type) - 1), "");
  part = LLVMBuildMul(f->m->b, part, tni_ll_int(f->m, i64, width_of(type)), "");
  l.shift = LLVMBuildTrunc(f->m->b, part, LLVMTypeOf(bytes(&l, 0)), "");
  return l;
}

static LLVMValueRef lane_of(const lanes *l, LLVMValueRef value, uint32_t lane) {
  return l->count > 1 ? LLVMBuildExtractElement(l->f->m->b, value, tni_ll_index(l->f->m, lane), "") : value;
}

/* A conditional access may compute an address outside the buffer: no flags. */
LLVMValueRef tni_ll_packed_byte(tni_ll_module *m, tn_type type, LLVMValueRef base, LLVMValueRef index) {
  LLVMValueRef byte = LLVMBuildAShr(m->b, index, tni_ll_index(m, log_each(type)), "");
  return LLVMBuildGEP2(m->b, m->i8, base, &byte, 1, "");
}

LLVMValueRef tni_ll_packed_shift(tni_ll_module *m, tn_type type, LLVMValueRef index) {
  LLVMValueRef low = LLVMBuildTrunc(m->b, LLVMBuildAnd(m->b, index, tni_ll_index(m, each_of(type) - 1), ""), m->i8, "");
  return LLVMBuildShl(m->b, low, LLVMConstInt(m->i8, (uint64_t)(3 - log_each(type)), 0), "");
}

LLVMValueRef tni_ll_packed_get(tni_ll_module *m, tn_type type, LLVMValueRef byte, LLVMValueRef shift) {
  return LLVMBuildTrunc(m->b, LLVMBuildLShr(m->b, byte, shift, ""), tni_ll_type(m, type), "");
}

LLVMValueRef tni_ll_packed_put(tni_ll_module *m, tn_type type, LLVMValueRef byte, LLVMValueRef shift,
                               LLVMValueRef value) {
  LLVMValueRef set = LLVMBuildShl(m->b, LLVMBuildZExt(m->b, value, m->i8, ""), shift, "");
  LLVMValueRef mask = LLVMConstInt(m->i8, ((uint64_t)1 << width_of(type)) - 1, 0);
  LLVMValueRef keep = LLVMBuildNot(m->b, LLVMBuildShl(m->b, mask, shift, ""), "");
  return LLVMBuildOr(m->b, LLVMBuildAnd(m->b, byte, keep, ""), set, "");
}

/* The byte of a lane; where its condition is false, `otherwise`. */
static LLVMValueRef lane_pointer(const lanes *l, uint32_t lane, LLVMValueRef otherwise) {
  LLVMValueRef pointer = tni_ll_packed_byte(l->f->m, l->a->buffer->type, l->a->base, lane_of(l, l->index, lane));
  return l->where ? LLVMBuildSelect(l->f->m->b, lane_of(l, l->where, lane), pointer, otherwise, "") : pointer;
}

/* Are the lanes whole bytes, all of them accessed? */
static bool is_whole(const tni_ll_access *a) {
  int64_t stride;
  return !a->where && a->lanes % each_of(a->buffer->type) == 0 && tni_ll_is_linear(a->index, &stride) && stride == 1 &&
         tni_ll_zero_bits(a->index) >= log_each(a->buffer->type);
}

/* Picks `count` lanes of the two vectors in a row: first, first + step... and `second` after each, unless it is 0. */
static LLVMValueRef shuffle(tni_ll_module *m, LLVMValueRef a, LLVMValueRef b, uint32_t count, uint32_t first,
                            uint32_t step, uint32_t second) {
  LLVMValueRef mask[TNI_LL_MAX_LANES];
  for (uint32_t i = 0; i < count; i++) {
    uint32_t lane = second ? i / 2 + i % 2 * second : first + i * step;
    mask[i] = LLVMConstInt(m->i32, lane, 0);
  }
  return LLVMBuildShuffleVector(m->b, a, b, LLVMConstVector(mask, count), "");
}

/* ---- loads ----------------------------------------------------------------------------------------------------- */

static LLVMValueRef load_byte(tni_ll_function *f, LLVMTypeRef type, LLVMValueRef pointer) {
  LLVMValueRef load = LLVMBuildLoad2(f->m->b, type, pointer, "");
  LLVMSetAlignment(load, 1);
  return load;
}

/* Lanes of a and b in turn. */
static LLVMValueRef interleaved(tni_ll_module *m, LLVMValueRef a, LLVMValueRef b, uint32_t count) {
  return shuffle(m, a, b, 2 * count, 0, 0, count);
}

/* A vector of bytes, also of one, moved by constant bits. */
static LLVMValueRef shift_by(tni_ll_module *m, uint32_t count, int64_t bits) {
  LLVMValueRef shift = tni_ll_int(m, TN_TYPE_WITH_LANES(TN_U8, count), bits);
  return count == 1 ? LLVMConstVector(&shift, 1) : shift;
}

static LLVMValueRef load_whole(tni_ll_function *f, const tni_ll_access *a) {
  tni_ll_module *m = f->m;
  tn_type type = a->buffer->type;
  uint32_t each = each_of(type), count = a->lanes / each;
  LLVMValueRef pointer = tni_ll_packed_byte(m, type, a->base, tni_ll_first_lane(f, a->index));
  LLVMValueRef part[4], all;
  part[0] = load_byte(f, LLVMVectorType(m->i8, count), pointer);
  for (uint32_t i = 1; i < each; i++)
    part[i] = LLVMBuildLShr(m->b, part[0], shift_by(m, count, i * width_of(type)), "");
  if (each == 2) {
    all = interleaved(m, part[0], part[1], count);
  } else {
    LLVMValueRef even = interleaved(m, part[0], part[2], count), odd = interleaved(m, part[1], part[3], count);
    all = interleaved(m, even, odd, 2 * count);
  }
  return LLVMBuildTrunc(m->b, all, tni_ll_type(m, TN_TYPE_WITH_LANES(type, a->lanes)), "");
}

static LLVMValueRef load_lanes(tni_ll_function *f, const tni_ll_access *a, uint32_t count) {
  tni_ll_module *m = f->m;
  lanes l = lanes_of(f, a, count);
  LLVMValueRef all = count > 1 ? LLVMGetPoison(LLVMVectorType(m->i8, count)) : NULL;
  for (uint32_t i = 0; i < count; i++) {
    LLVMValueRef byte = load_byte(f, m->i8, lane_pointer(&l, i, tni_ll_zeros(m)));
    if (a->shared) LLVMSetOrdering(byte, LLVMAtomicOrderingUnordered);
    all = count > 1 ? LLVMBuildInsertElement(m->b, all, byte, tni_ll_index(m, i), "") : byte;
  }
  all = LLVMBuildLShr(m->b, all, l.shift, "");
  return LLVMBuildTrunc(m->b, all, tni_ll_type(m, TN_TYPE_WITH_LANES(a->buffer->type, count)), "");
}

LLVMValueRef tni_ll_load_packed(tni_ll_function *f, const tni_ll_access *a) {
  int64_t stride;
  if (is_whole(a)) return load_whole(f, a);
  bool same = tni_ll_is_linear(a->index, &stride) && stride == 0 && tni_ll_lanes(a->where) == 1;
  return same ? tni_ll_splat(f->m, load_lanes(f, a, 1), a->lanes) : load_lanes(f, a, a->lanes);
}

/* ---- stores ---------------------------------------------------------------------------------------------------- */

static void store_whole(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef value) {
  tni_ll_module *m = f->m;
  tn_type type = a->buffer->type;
  uint32_t each = each_of(type), count = a->lanes / each;
  LLVMValueRef pointer = tni_ll_packed_byte(m, type, a->base, tni_ll_first_lane(f, a->index));
  LLVMValueRef all = LLVMBuildZExt(m->b, value, LLVMVectorType(m->i8, a->lanes), "");
  LLVMValueRef set = shuffle(m, all, all, count, 0, each, 0);
  for (uint32_t i = 1; i < each; i++) {
    LLVMValueRef part = shuffle(m, all, all, count, i, each, 0);
    set = LLVMBuildOr(m->b, set, LLVMBuildShl(m->b, part, shift_by(m, count, i * width_of(type)), ""), "");
  }
  LLVMSetAlignment(LLVMBuildStore(m->b, set, pointer), 1);
}

/* Sets the bits of a byte that are not in `keep`. */
static void set_bits(tni_ll_function *f, bool shared, LLVMValueRef pointer, LLVMValueRef keep, LLVMValueRef set) {
  LLVMBuilderRef b = f->m->b;
  if (shared) {
    LLVMBuildAtomicRMW(b, LLVMAtomicRMWBinOpAnd, pointer, keep, LLVMAtomicOrderingMonotonic, 0);
    LLVMBuildAtomicRMW(b, LLVMAtomicRMWBinOpOr, pointer, set, LLVMAtomicOrderingMonotonic, 0);
    return;
  }
  LLVMValueRef old = LLVMBuildFreeze(b, load_byte(f, f->m->i8, pointer), ""); /* other elements may be unwritten yet */
  LLVMValueRef byte = LLVMBuildOr(b, LLVMBuildAnd(b, old, keep, ""), set, "");
  LLVMSetAlignment(LLVMBuildStore(b, byte, pointer), 1);
}

/* Lanes are written in order, so that the last of equal subscripts stays. */
static void store_lanes(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef value) {
  tni_ll_module *m = f->m;
  lanes l = lanes_of(f, a, a->lanes);
  LLVMValueRef nowhere = a->where ? tni_ll_alloca(f, m->i8, 1, 1, "nowhere") : NULL;
  LLVMValueRef low = LLVMBuildZExt(m->b, value, LLVMTypeOf(bytes(&l, 0)), "");
  LLVMValueRef mask = bytes(&l, ((int64_t)1 << width_of(a->buffer->type)) - 1);
  LLVMValueRef set = LLVMBuildShl(m->b, low, l.shift, "");
  LLVMValueRef keep = LLVMBuildNot(m->b, LLVMBuildShl(m->b, mask, l.shift, ""), "");
  for (uint32_t i = 0; i < a->lanes; i++)
    set_bits(f, a->shared, lane_pointer(&l, i, nowhere), lane_of(&l, keep, i), lane_of(&l, set, i));
}

void tni_ll_store_packed(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef value) {
  if (is_whole(a))
    store_whole(f, a, value);
  else
    store_lanes(f, a, value);
}
