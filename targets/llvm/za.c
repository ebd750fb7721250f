/* za.c -- products of tiles by AArch64's outer products (SME), whatever the streaming vector length.
 *
 *     smstart; for rows, columns by S { za0 = T; for ko in 0..n { for steps by S {
 *       za2 = S rows of A, 4 bytes of steps to an element; for each of these { za0 += its column of za2 x L groups of B } } }
 *       T = za0 }; smstop
 *
 * S is how many 32-bit elements a streaming vector has: 4 to 64, known when the code runs. Two vectors of columns have za0 and
 * za1. Rows of A become columns on their way through za2. All of it is a function of its own, which enters the mode and
 * leaves it, and has ZA for itself: what a caller may have left there is saved first, as the procedure call standard says,
 * by a routine of a fixed name that objects bring along, since they import nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tile.h"

enum { MAX_VECTORS = 2, LEFT = 2 /* the tile of A */ };

/* Saves ZA where the block that TPIDR2_EL0 points to says: the address of a buffer, and, 8 bytes behind, of how many rows. It
 * may change x14 to x17 and the flags. */
static const char save_routine[] = "\t.type\t__arm_tpidr2_save,@function\n"
                                   "__arm_tpidr2_save:\n"
                                   "\tmrs\tx14, TPIDR2_EL0\n"
                                   "\tcbz\tx14, 2f\n"
                                   "\tldr\tx16, [x14]\n"
                                   "\tcbz\tx16, 2f\n"
                                   "\tldrh\tw17, [x14, #8]\n"
                                   "\tcbz\tw17, 2f\n"
                                   "\tmov\tw15, wzr\n"
                                   "1:\n"
                                   "\tstr\tza[w15, 0], [x16]\n"
                                   "\taddsvl\tx16, x16, #1\n"
                                   "\tadd\tw15, w15, #1\n"
                                   "\tcmp\tw15, w17\n"
                                   "\tb.ne\t1b\n"
                                   "2:\n"
                                   "\tret\n"
                                   "\t.size\t__arm_tpidr2_save, .-__arm_tpidr2_save\n";

bool tni_ll_za_fits(const tni_ll_product *p) { return p->extent[TNI_VECTOR] <= MAX_VECTORS; }

/* The function, while its body is made. */
typedef struct body {
  tni_ll_module *m;
  const tni_ll_product *p;
  const char *name; /* of the instruction */
  bool fresh;
  LLVMValueRef function, sums, left, right;
  LLVMValueRef size; /* S */
  LLVMTypeRef words, element,
      operands;          /* vectors of a register: of 32-bit elements, of its conditions, of the factors */
  LLVMTypeRef condition; /* of the factors */
} body;

/* ---- loops ------------------------------------------------------------------------------------------------------- */

typedef struct loop {
  LLVMBasicBlockRef before, block;
  LLVMValueRef i, end, by;
} loop;

static LLVMBasicBlockRef block(body *b, const char *name) {
  return LLVMAppendBasicBlockInContext(b->m->llvm, b->function, name);
}

/* From 0 to the end, which is more. */
static loop begin_loop(body *b, LLVMValueRef end, LLVMValueRef by) {
  loop l = {.before = LLVMGetInsertBlock(b->m->b), .block = block(b, "loop"), .end = end, .by = by};
  LLVMValueRef zero = tni_ll_index(b->m, 0);
  LLVMBuildBr(b->m->b, l.block);
  LLVMPositionBuilderAtEnd(b->m->b, l.block);
  l.i = LLVMBuildPhi(b->m->b, b->m->i64, "");
  LLVMAddIncoming(l.i, &zero, &l.before, 1);
  return l;
}

static void end_loop(body *b, const loop *l) {
  LLVMBasicBlockRef last = LLVMGetInsertBlock(b->m->b), after = block(b, "after");
  LLVMValueRef next = LLVMBuildNSWAdd(b->m->b, l->i, l->by, "");
  LLVMAddIncoming(l->i, &next, &last, 1);
  LLVMBuildCondBr(b->m->b, LLVMBuildICmp(b->m->b, LLVMIntSLT, next, l->end, ""), l->block, after);
  LLVMPositionBuilderAtEnd(b->m->b, after);
}

/* How many of S there are from i on. */
static LLVMValueRef count_from(body *b, const loop *l) {
  LLVMBuilderRef at = b->m->b;
  LLVMValueRef left = LLVMBuildNSWSub(at, l->end, l->i, "");
  return LLVMBuildSelect(at, LLVMBuildICmp(at, LLVMIntSLT, left, l->by, ""), left, l->by, "");
}

/* ---- instructions ------------------------------------------------------------------------------------------------ */

/* The condition of lanes below the end, of elements of which `parts` are one of the loop. */
static LLVMValueRef lanes_of(body *b, const loop *l, LLVMTypeRef type, int64_t parts) {
  LLVMTypeRef types[] = {type, b->m->i64};
  LLVMValueRef factor = tni_ll_index(b->m, parts);
  LLVMValueRef args[] = {LLVMBuildNSWMul(b->m->b, l->i, factor, ""), LLVMBuildNSWMul(b->m->b, l->end, factor, "")};
  return tni_ll_intrinsic(b->m, "llvm.aarch64.sve.whilelt", 2, types, 2, args);
}

/* base + index * scale bytes. */
static LLVMValueRef at(body *b, LLVMValueRef base, LLVMValueRef index, int64_t scale) {
  LLVMValueRef bytes = LLVMBuildNSWMul(b->m->b, index, tni_ll_index(b->m, scale), "");
  return LLVMBuildInBoundsGEP2(b->m->b, b->m->i8, base, &bytes, 1, "");
}

static LLVMValueRef number(body *b, int64_t n) { return LLVMConstInt(b->m->i32, (uint64_t)n, 0); }

/* A row of a tile: from memory, or to it. */
static void move_row(body *b, const char *name, int tile, LLVMValueRef row, LLVMValueRef where, LLVMValueRef memory) {
  LLVMValueRef args[] = {where, memory, number(b, tile), LLVMBuildTrunc(b->m->b, row, b->m->i32, "")};
  tni_ll_intrinsic(b->m, name, 0, NULL, 4, args);
}

/* The sums of all vectors. */
static void move_sums(body *b, const char *name, const loop *rows, const loop *columns) {
  const tni_ll_operand *o = &b->p->sum;
  LLVMValueRef where = lanes_of(b, columns, b->element, 1);
  LLVMValueRef first = at(b, at(b, b->sums, columns->i, 4), rows->i, o->by[TNI_ROW] * 4);
  loop l = begin_loop(b, count_from(b, rows), tni_ll_index(b->m, 1));
  for (int v = 0; v < b->p->extent[TNI_VECTOR]; v++)
    move_row(b, name, v, l.i, where,
             tni_ll_moved(b->m, at(b, first, l.i, o->by[TNI_ROW] * 4), v * o->by[TNI_VECTOR] * 4));
  end_loop(b, &l);
}

static void clear_sums(body *b) {
  LLVMValueRef tiles = number(b, b->p->extent[TNI_VECTOR] > 1 ? 0x33 : 0x11); /* the 64-bit ones that za0, za1 are */
  tni_ll_intrinsic(b->m, "llvm.aarch64.sme.zero", 0, NULL, 1, &tiles);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static LLVMValueRef column_of(body *b, LLVMValueRef where, LLVMValueRef number_of) {
  LLVMValueRef args[] = {LLVMGetPoison(b->words), where, number(b, LEFT),
                         LLVMBuildTrunc(b->m->b, number_of, b->m->i32, "")};
  LLVMValueRef value = tni_ll_intrinsic(b->m, "llvm.aarch64.sme.read.vert", 1, &b->words, 4, args);
  return LLVMBuildBitCast(b->m->b, value, b->operands, "");
}

static LLVMValueRef groups_at(body *b, LLVMValueRef where, LLVMValueRef memory) {
  LLVMValueRef args[] = {where, memory};
  LLVMValueRef value = tni_ll_intrinsic(b->m, "llvm.aarch64.sve.ld1", 1, &b->words, 2, args);
  return LLVMBuildBitCast(b->m->b, value, b->operands, "");
}

/* Up to S groups of steps. */
static void multiply(body *b, const loop *rows, const loop *columns, const loop *steps, LLVMValueRef left,
                     LLVMValueRef right) {
  int64_t bytes = b->p->bytes, parts = b->operands == b->words ? 1 : TNI_GROUP_BYTES / bytes;
  LLVMValueRef one = tni_ll_index(b->m, 1), of_steps = lanes_of(b, steps, b->element, 1);
  LLVMValueRef of_rows = lanes_of(b, rows, b->element, 1), of_columns = lanes_of(b, columns, b->element, 1);
  LLVMValueRef args[] = {NULL, lanes_of(b, rows, b->condition, parts), lanes_of(b, columns, b->condition, parts), NULL,
                         NULL};
  loop l = begin_loop(b, count_from(b, rows), one);
  move_row(b, "llvm.aarch64.sme.ld1w.horiz", LEFT, l.i, of_steps, at(b, left, l.i, b->p->left.by[TNI_ROW] * bytes));
  end_loop(b, &l);
  l = begin_loop(b, count_from(b, steps), one);
  args[3] = column_of(b, of_rows, l.i);
  LLVMValueRef from = at(b, right, l.i, b->p->right.by_group * bytes);
  for (int v = 0; v < b->p->extent[TNI_VECTOR]; v++) {
    args[0] = number(b, v);
    args[4] = groups_at(b, of_columns, tni_ll_moved(b->m, from, v * b->p->right.by[TNI_VECTOR] * bytes));
    tni_ll_intrinsic(b->m, b->name, 1, &b->operands, 5, args);
  }
  end_loop(b, &l);
}

static void run_tile(body *b, const loop *rows, const loop *columns) {
  int64_t bytes = b->p->bytes;
  const tni_ll_operand *x = &b->p->left, *y = &b->p->right;
  LLVMValueRef left = at(b, b->left, rows->i, x->by[TNI_ROW] * bytes),
               right = at(b, b->right, columns->i, TNI_GROUP_BYTES);
  if (b->fresh)
    clear_sums(b);
  else
    move_sums(b, "llvm.aarch64.sme.ld1w.horiz", rows, columns);
  loop outer[TNI_MAX_OUTER];
  for (size_t k = 0; k < b->p->outer_count; k++) {
    const tni_ll_outer *o = &b->p->outer[k];
    outer[k] = begin_loop(b, tni_ll_index(b->m, o->extent), tni_ll_index(b->m, 1));
    left = at(b, left, outer[k].i, o->left * bytes);
    right = at(b, right, outer[k].i, o->right * bytes);
  }
  loop steps = begin_loop(b, tni_ll_index(b->m, b->p->steps * bytes / TNI_GROUP_BYTES), b->size);
  multiply(b, rows, columns, &steps, at(b, left, steps.i, TNI_GROUP_BYTES), at(b, right, steps.i, y->by_group * bytes));
  end_loop(b, &steps);
  for (size_t k = b->p->outer_count; k-- > 0;) end_loop(b, &outer[k]);
  move_sums(b, "llvm.aarch64.sme.st1w.horiz", rows, columns);
}

static void define(body *b) {
  tni_ll_module *m = b->m;
  LLVMPositionBuilderAtEnd(m->b, block(b, "entry"));
  b->sums = LLVMGetParam(b->function, 0);
  b->left = LLVMGetParam(b->function, 1);
  b->right = LLVMGetParam(b->function, 2);
  LLVMValueRef quarters = tni_ll_intrinsic(m, "llvm.vscale", 1, &m->i64, 0, NULL);
  b->size = LLVMBuildNSWMul(m->b, quarters, tni_ll_index(m, 4), "");
  loop rows = begin_loop(b, tni_ll_index(m, b->p->extent[TNI_ROW]), b->size);
  loop columns = begin_loop(b, tni_ll_index(m, b->p->extent[TNI_LANE]), b->size);
  run_tile(b, &rows, &columns);
  end_loop(b, &columns);
  end_loop(b, &rows);
  LLVMBuildRetVoid(m->b);
}

/* ---- the function and its call ----------------------------------------------------------------------------------- */

static LLVMValueRef declare(tni_ll_function *f) {
  static const char *const modes[] = {"aarch64_pstate_sm_body", "aarch64_new_za"};
  tni_ll_module *m = f->m;
  LLVMTypeRef params[] = {m->ptr, m->ptr, m->ptr};
  LLVMValueRef function =
      tni_ll_internal(m, f->func->name, "za", m->za_count++, LLVMFunctionType(m->void_type, params, 3, 0));
  for (size_t i = 0; function && i < TNI_COUNT(modes); i++)
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(m->llvm, modes[i], (unsigned)strlen(modes[i]), "", 0));
  return function;
}

void tni_ll_za(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh) {
  tni_ll_module *m = f->m;
  LLVMValueRef args[] = {tni_ll_start_of(f, &p->sum), tni_ll_start_of(f, &p->left), tni_ll_start_of(f, &p->right)};
  if (!args[0] || !args[1] || !args[2]) return; /* that has failed */
  if (!m->za_count) LLVMAppendModuleInlineAsm(m->module, save_routine, sizeof save_routine - 1);
  bool is_float = p->sum.type == TN_F32;
  body b = {.m = m, .p = p, .name = name, .fresh = fresh, .function = declare(f)};
  if (!b.function) return;
  b.words = LLVMScalableVectorType(is_float ? m->f32 : m->i32, 4);
  b.element = LLVMScalableVectorType(m->i1, 4);
  b.operands = is_float ? b.words : LLVMScalableVectorType(m->i8, 16);
  b.condition = is_float ? b.element : LLVMScalableVectorType(m->i1, 16);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
  define(&b);
  LLVMPositionBuilderAtEnd(m->b, here);
  LLVMBuildCall2(m->b, LLVMGlobalGetValueType(b.function), b.function, args, 3, "");
  f->epoch++;
}
