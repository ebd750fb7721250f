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

enum { BYTES = 4 /* items of bytes for a lane */ };

/* One behind the other. */
static LLVMValueRef joined(tni_ll_module *m, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef numbers[TNI_LL_MAX_LANES];
  unsigned count = 2 * LLVMGetVectorSize(LLVMTypeOf(a));
  for (unsigned i = 0; i < count; i++) numbers[i] = LLVMConstInt(m->i32, i, 0);
  return LLVMBuildShuffleVector(m->b, a, b, LLVMConstVector(numbers, count), "");
}

/* Four vectors of bytes: what comes from memory goes into one register, of which one instruction or two make the order.
 * One that is there already is not loaded again. */
static LLVMValueRef put_bytes_together(const group *g) {
  tni_ll_module *m = g->f->m;
  LLVMValueRef values[BYTES], numbers[TNI_LL_MAX_LANES], poison;
  unsigned from[BYTES], count = 0;
  for (int32_t t = 0; t < BYTES; t++) {
    int32_t same = 0;
    while (g->items[same] != g->items[t]) same++;
    from[t] = same < t ? from[same] : count;
    if (same == t) values[count++] = item(g, t);
  }
  poison = LLVMGetPoison(LLVMTypeOf(values[0]));
  for (unsigned i = count; i < BYTES; i++) values[i] = poison;
  LLVMValueRef all = joined(m, joined(m, values[0], values[1]), joined(m, values[2], values[3]));
  for (unsigned i = 0; i < g->lanes * BYTES; i++)
    numbers[i] = LLVMConstInt(m->i32, from[i % BYTES] * g->lanes + i / BYTES, 0);
  LLVMValueRef order = LLVMConstVector(numbers, g->lanes * BYTES);
  return LLVMBuildShuffleVector(m->b, all, LLVMGetPoison(LLVMTypeOf(all)), order, "");
}

/* Items first .. first + count - 1, those of a lane side by side. */
static LLVMValueRef put_together(const group *g, int32_t first, int32_t count) {
  tni_ll_module *m = g->f->m;
  if (count == 1) return item(g, first);
  LLVMTypeRef part = LLVMIntTypeInContext(m->llvm, TN_TYPE_BITS(g->type) * (unsigned)count / 2);
  LLVMTypeRef parts = LLVMVectorType(part, g->lanes);
  LLVMValueRef low = LLVMBuildBitCast(m->b, put_together(g, first, count / 2), parts, "");
  LLVMValueRef high = LLVMBuildBitCast(m->b, put_together(g, first + count / 2, count / 2), parts, "");
  return tni_ll_interleave(m, low, high);
}

/* The operand as a vector of integers, one for each lane's factors. */
static LLVMValueRef gather(const group *g) {
  tni_ll_module *m = g->f->m;
  LLVMTypeRef type = LLVMVectorType(g->whole, g->lanes);
  bool bytes = g->steps == BYTES && TN_TYPE_BITS(g->type) == 8;
  if (!stand_together(g))
    return LLVMBuildBitCast(m->b, bytes ? put_bytes_together(g) : put_together(g, 0, g->steps), type, "");
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

/* The type of factors, as instructions have them. */
static LLVMTypeRef element_of(tni_ll_module *m, tn_type type) {
  if (type == TN_BF16) return LLVMBFloatTypeInContext(m->llvm);
  return type == TN_F16 ? m->half : tni_ll_type(m, type);
}

/* A function of that name is LLVM's intrinsic, or the module is refused. */
static LLVMValueRef call_by_name(tni_ll_module *m, const char *name, LLVMTypeRef result, unsigned count,
                                 LLVMValueRef *args) {
  LLVMTypeRef types[] = {LLVMTypeOf(args[0]), LLVMTypeOf(args[1]), LLVMTypeOf(args[count - 1])};
  LLVMTypeRef type = LLVMFunctionType(result, types, count, 0);
  LLVMValueRef function = LLVMGetNamedFunction(m->module, name);
  if (!function) function = LLVMAddFunction(m->module, name, type);
  return LLVMBuildCall2(m->b, type, function, args, count, "");
}

/* In vector registers; that of the sums is the first operand and the result. */
static LLVMValueRef call_assembly(tni_ll_module *m, const char *text, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b) {
  static const char *const vectors[] = {
      [TNI_ISA_X86_64] = "=v,v,v,0", [TNI_ISA_AARCH64] = "=w,w,w,0", [TNI_ISA_RISCV64] = "=vr,vr,vr,0"};
  const char *registers = vectors[m->target->isa];
  LLVMTypeRef types[] = {LLVMTypeOf(a), LLVMTypeOf(b), LLVMTypeOf(c)};
  LLVMTypeRef type = LLVMFunctionType(LLVMTypeOf(c), types, 3, 0);
  LLVMValueRef args[] = {a, b, c};
  LLVMValueRef code =
      LLVMGetInlineAsm(type, text, strlen(text), registers, strlen(registers), 0, 0, LLVMInlineAsmDialectATT, 0);
  return LLVMBuildCall2(m->b, type, code, args, 3, "");
}

static LLVMValueRef add(tni_ll_module *m, tn_type type, LLVMValueRef a, LLVMValueRef b) {
  return tni_type_is_float(type) ? LLVMBuildFAdd(m->b, a, b, "") : LLVMBuildAdd(m->b, a, b, "");
}

/* What a host says of its instruction, over all three operands in registers. */
static LLVMValueRef call_added(tni_ll_module *m, const tni_unit *unit, const char *name, LLVMValueRef c, LLVMValueRef a,
                               LLVMValueRef b) {
  LLVMValueRef args[] = {c, a, b};
  LLVMTypeRef type = LLVMTypeOf(c);
  if (unit->own->form == TNI_UNIT_ASSEMBLY) return call_assembly(m, name, c, a, b);
  if (unit->own->form == TNI_UNIT_DOT) return call_by_name(m, name, type, 3, args);
  return add(m, unit->c, c, call_by_name(m, name, type, 2, args + 1));
}

static LLVMValueRef emit(tni_ll_function *f, const tni_unit *unit, const tni_unit_row *row, const tni_unit_operands *o,
                         uint32_t lanes) {
  tni_ll_module *m = f->m;
  const char *name = row->names[lanes * TN_TYPE_BITS(unit->c) / 256];
  unsigned steps = (unsigned)unit->steps;
  group a = {f, o->a, unit->steps, lanes, unit->a, LLVMIntTypeInContext(m->llvm, TN_TYPE_BITS(unit->a) * steps)};
  group b = {f, o->b, unit->steps, lanes, unit->b, LLVMIntTypeInContext(m->llvm, TN_TYPE_BITS(unit->b) * steps)};
  LLVMValueRef c = tni_ll_splat(m, tni_ll_expr(f, o->c), TN_TYPE_LANES(o->c->type) > 1 ? 1 : lanes);
  if (row->form == TNI_UNIT_TURN_A || row->form == TNI_UNIT_TURN_B) return dot_by_offset(&a, &b, row, name, c);
  if (row->form == TNI_UNIT_PRODUCTS) return sum_of_products(&a, &b, name, c);
  LLVMValueRef args[] = {c, factors(&a, element_of(m, unit->a)), factors(&b, element_of(m, unit->b))};
  if (row == unit->own) return call_added(m, unit, name, args[0], args[1], args[2]);
  return call(m, name, 3, args);
}

LLVMValueRef tni_ll_unit(tni_ll_function *f, const tn_expr *x) {
  uint32_t lanes = TN_TYPE_LANES(x->type);
  bool found = false;
  if (lanes < LEAST_LANES / 2 || TN_TYPE_BITS(x->type) * lanes < 128) return NULL;
  for (const tni_unit *unit = NULL; (unit = tni_unit_after(f->m->ctx, unit));) {
    tni_unit_operands operands;
    found = true;
    if (unit->meaning->op != x->op || unit->c != TN_TYPE_WITH_LANES(x->type, 1)) continue;
    const tni_unit_row *row = tni_target_unit(f->m->target, unit, (int64_t)lanes * TN_TYPE_BITS(unit->c));
    if (row && tni_unit_matches(unit, x, &operands)) return emit(f, unit, row, &operands, lanes);
  }
  f->m->arena.failed |= !found;
  return NULL;
}

/* ---- what a host adds, tried ------------------------------------------------------------------------------------- */

typedef struct trial {
  const tni_unit *unit;
  int width; /* number of the emission */
} trial;

/* A function that does it with vectors in memory. */
static void define_trial(tni_ll_module *m, void *self) {
  const trial *q = self;
  const tni_unit *unit = q->unit;
  unsigned lanes = (128u << q->width) / TN_TYPE_BITS(unit->c), count = lanes * (unsigned)unit->steps;
  LLVMTypeRef types[] = {LLVMVectorType(tni_ll_type(m, unit->c), lanes), LLVMVectorType(element_of(m, unit->a), count),
                         LLVMVectorType(element_of(m, unit->b), count)};
  LLVMTypeRef params[] = {m->ptr, m->ptr, m->ptr};
  LLVMValueRef f = LLVMAddFunction(m->module, "trial", LLVMFunctionType(m->void_type, params, 3, 0)), values[3];
  LLVMPositionBuilderAtEnd(m->b, LLVMAppendBasicBlockInContext(m->llvm, f, "entry"));
  for (unsigned i = 0; i < 3; i++) values[i] = LLVMBuildLoad2(m->b, types[i], LLVMGetParam(f, i), "");
  LLVMBuildStore(m->b, call_added(m, unit, unit->own->names[q->width], values[0], values[1], values[2]),
                 LLVMGetParam(f, 0));
  LLVMBuildRetVoid(m->b);
}

/* Assembly is put together, which tells whether it is any; of an intrinsic the types tell. */
static tn_status try_code(tni_codegen *codegen, const tni_unit *unit, int width, tn_error **err) {
  const char *name = unit->own->names[width];
  bool assembly = unit->own->form == TNI_UNIT_ASSEMBLY;
  trial t = {unit, width};
  tn_error *why = NULL;
  if (!assembly && !LLVMLookupIntrinsicID(name, strlen(name)))
    return tni_fail(codegen->ctx, err, TN_E_INVALID, "instruction", unit->name, "LLVM has no intrinsic `%s`", name);
  tn_status status = tni_codegen_try(codegen, define_trial, &t, assembly, &why);
  const char *reason = tn_error_reason(why);
  if (status == TN_E_COMPILER)
    status = tni_fail(codegen->ctx, err, TN_E_INVALID, "instruction", unit->name, "LLVM does not take `%s`: %.*s", name,
                      (int)strcspn(reason, "\n"), reason);
  else if (status)
    status = tni_fail_nomem(err);
  tn_error_destroy(why);
  return status;
}

tn_status tni_codegen_check_unit(tn_context *ctx, const tn_target *target, const tni_unit *unit, tn_error **err) {
  const tni_unit_row *row = unit->own;
  tn_target with = *target;
  tni_text features;
  tni_text_init(&features, ctx);
  tni_text_add(&features, "%s", target->features);
  for (size_t at = 0; row->feature[at]; at += row->feature[at] == ',') {
    size_t length = strcspn(row->feature + at, ",");
    tni_text_add(&features, "%s+", features.length ? "," : "");
    tni_text_add_bytes(&features, row->feature + at, length);
    at += length;
  }
  with.features = features.data;
  tni_codegen *codegen = NULL;
  tn_status status = features.failed ? tni_fail_nomem(err) : tni_codegen_create(ctx, &with, &codegen, err);
  for (int i = 0; i < 3 && !status; i++)
    if (row->names[i]) status = try_code(codegen, unit, i, err);
  tni_codegen_destroy(codegen);
  tni_text_destroy(&features);
  return status;
}
