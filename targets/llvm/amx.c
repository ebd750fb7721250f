/* amx.c -- products of tiles by x86's tile registers.
 *
 *     ldtilecfg; the tiles of T; for ko in 0..n { those of A, of B; tdpbusd }; the tiles of T to memory
 *
 * or, of bf16, tdpbf16ps. R rows, 16 to a tile, and V vectors are at most 4 tiles of sums, and at most 2 vectors; a tile of
 * A has rows of K bytes, one of B K/4 rows of L groups of 4 bytes.
 *
 * To set the registers up takes longer than some products, and clears them: a slot of the function holds which
 * configuration they have, and only another one is loaded. Who is called may change it. The function's ends release the
 * registers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "tile.h"

enum { MAX_SUMS = 4, MAX_VECTORS = 2 };
/* Numbers of the tile registers. Of more than two tiles of rows there is one vector: then the last tile of A, which may have
 * fewer rows, has the register of the second vector. */
enum { SUMS = 0, LEFT = 4, RIGHT = 6, LAST = 7 };

/* Tiles of rows; how many rows the one of that number has; its registers, of A and of the sums. */
static int parts_of(const tni_ll_product *p) { return (int)((p->extent[TNI_ROW] - 1) / TNI_TILE_ROWS + 1); }

bool tni_ll_amx_fits(const tni_ll_product *p) {
  return p->extent[TNI_VECTOR] <= MAX_VECTORS && parts_of(p) * p->extent[TNI_VECTOR] <= MAX_SUMS;
}

static LLVMValueRef call(tni_ll_module *m, const char *name, unsigned count, LLVMValueRef *args) {
  return tni_ll_intrinsic(m, name, 0, NULL, count, args);
}

static LLVMValueRef number(tni_ll_module *m, int reg) { return LLVMConstInt(m->i8, (uint64_t)reg, 0); }

static int64_t rows_of(const tni_ll_product *p, int part) {
  int64_t rows = p->extent[TNI_ROW] - part * TNI_TILE_ROWS;
  return rows > TNI_TILE_ROWS ? TNI_TILE_ROWS : rows;
}

static int left_of(const tni_ll_product *p, int part) {
  return parts_of(p) > 2 && part == parts_of(p) - 1 ? LAST : LEFT + part % 2;
}

static int sum_of(const tni_ll_product *p, int part, int vector) {
  return SUMS + part * (int)p->extent[TNI_VECTOR] + vector;
}

/* What the registers hold: bytes of a row from byte 16 on, in 16 bits; rows from byte 48 on. */
static void configure(uint8_t *bytes, int reg, int64_t rows, int64_t row_bytes) {
  bytes[16 + 2 * reg] = (uint8_t)row_bytes;
  bytes[48 + reg] = (uint8_t)rows;
}

/* One in the module for each form of products. */
static LLVMValueRef configuration(tni_ll_module *m, const tni_ll_product *p) {
  char name[80];
  snprintf(name, sizeof name, "tiles.%lld.%lld.%lld.%lld", (long long)p->extent[TNI_ROW],
           (long long)p->extent[TNI_VECTOR], (long long)p->extent[TNI_LANE], (long long)(p->steps * p->bytes));
  LLVMValueRef known = LLVMGetNamedGlobal(m->module, name);
  if (known) return known;
  uint8_t bytes[64] = {1};
  LLVMValueRef values[64];
  int64_t columns = p->extent[TNI_LANE] * TNI_GROUP_BYTES, row_bytes = p->steps * p->bytes;
  for (int part = 0; part < parts_of(p); part++) {
    configure(bytes, left_of(p, part), rows_of(p, part), row_bytes);
    for (int v = 0; v < p->extent[TNI_VECTOR]; v++) configure(bytes, sum_of(p, part, v), rows_of(p, part), columns);
  }
  for (int v = 0; v < p->extent[TNI_VECTOR]; v++) configure(bytes, RIGHT + v, row_bytes / TNI_GROUP_BYTES, columns);
  for (int i = 0; i < 64; i++) values[i] = LLVMConstInt(m->i8, bytes[i], 0);
  LLVMValueRef global = LLVMAddGlobal(m->module, LLVMArrayType2(m->i8, 64), name);
  LLVMSetInitializer(global, LLVMConstArray2(m->i8, values, 64));
  LLVMSetGlobalConstant(global, 1);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetAlignment(global, 64);
  return global;
}

/* The slot for the configuration that the registers have; NULL in it: none. */
static LLVMValueRef slot_of(tni_ll_function *f) {
  tni_ll_module *m = f->m;
  if (f->tiles) return f->tiles;
  f->tiles = tni_ll_alloca(f, m->ptr, 1, 8, "tiles");
  LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
  LLVMPositionBuilderBefore(m->b, f->entry_end);
  LLVMBuildStore(m->b, LLVMConstNull(m->ptr), f->tiles);
  LLVMPositionBuilderAtEnd(m->b, here);
  return f->tiles;
}

void tni_ll_forget_tiles(tni_ll_function *f) {
  const tni_tile_row *bytes = tni_target_tile(f->m->target, TN_I32, TN_I8, TN_I8);
  if ((bytes && bytes->form == TNI_TILE_AMX) || tni_target_tile(f->m->target, TN_F32, TN_BF16, TN_BF16))
    LLVMBuildStore(f->m->b, LLVMConstNull(f->m->ptr), slot_of(f));
}

/* Does the intrinsic where the condition is true. */
static void call_if(tni_ll_function *f, LLVMValueRef cond, const char *name, unsigned count, LLVMValueRef *args) {
  LLVMBuilderRef b = f->m->b;
  LLVMBasicBlockRef then = tni_ll_block(f, "tiles.set"), after = tni_ll_block(f, "tiles.are");
  LLVMBuildCondBr(b, cond, then, after);
  LLVMPositionBuilderAtEnd(b, then);
  call(f->m, name, count, args);
  LLVMBuildBr(b, after);
  LLVMPositionBuilderAtEnd(b, after);
}

static void configure_registers(tni_ll_function *f, LLVMValueRef config) {
  LLVMBuilderRef b = f->m->b;
  LLVMValueRef now = LLVMBuildLoad2(b, f->m->ptr, slot_of(f), "");
  call_if(f, LLVMBuildICmp(b, LLVMIntNE, now, config, ""), "llvm.x86.ldtilecfg", 1, &config);
  LLVMBuildStore(b, config, f->tiles);
}

void tni_ll_release_tiles(tni_ll_function *f) {
  LLVMBuilderRef b = f->m->b;
  if (!f->tiles) return;
  LLVMValueRef now = LLVMBuildLoad2(b, f->m->ptr, f->tiles, "");
  LLVMValueRef held = LLVMBuildICmp(b, LLVMIntNE, now, LLVMConstNull(f->m->ptr), "");
  call_if(f, held, "llvm.x86.tilerelease", 0, NULL);
}

static void load_tile(tni_ll_module *m, int reg, LLVMValueRef from, int64_t at, int64_t row_bytes) {
  LLVMValueRef args[] = {number(m, reg), tni_ll_moved(m, from, at), tni_ll_index(m, row_bytes)};
  call(m, "llvm.x86.tileloadd64", 3, args);
}

/* All tiles of sums, from memory or to it. */
static void move_sums(tni_ll_module *m, const tni_ll_product *p, const char *name, LLVMValueRef sums) {
  for (int part = 0; part < parts_of(p); part++)
    for (int v = 0; v < p->extent[TNI_VECTOR]; v++) {
      int64_t at = part * TNI_TILE_ROWS * p->sum.by[TNI_ROW] + v * p->sum.by[TNI_VECTOR];
      LLVMValueRef args[] = {number(m, sum_of(p, part, v)), tni_ll_moved(m, sums, at * 4),
                             tni_ll_index(m, p->sum.by[TNI_ROW] * 4)};
      call(m, name, 3, args);
    }
}

static void clear_sums(tni_ll_module *m, const tni_ll_product *p) {
  for (int reg = 0; reg < parts_of(p) * (int)p->extent[TNI_VECTOR]; reg++) {
    LLVMValueRef args[] = {number(m, SUMS + reg)};
    call(m, "llvm.x86.tilezero", 1, args);
  }
}

typedef struct multiplier {
  tni_ll_module *m;
  const tni_ll_product *p;
  const char *name;
} multiplier;

static void multiply(void *self, LLVMValueRef left, LLVMValueRef right) {
  tni_ll_module *m = ((multiplier *)self)->m;
  const tni_ll_product *p = ((multiplier *)self)->p;
  for (int v = 0; v < p->extent[TNI_VECTOR]; v++)
    load_tile(m, RIGHT + v, right, v * p->right.by[TNI_VECTOR] * p->bytes, p->right.by_group * p->bytes);
  for (int part = 0; part < parts_of(p); part++) {
    int64_t row_bytes = p->left.by[TNI_ROW] * p->bytes;
    load_tile(m, left_of(p, part), left, part * TNI_TILE_ROWS * row_bytes, row_bytes);
    for (int v = 0; v < p->extent[TNI_VECTOR]; v++) {
      LLVMValueRef args[] = {number(m, sum_of(p, part, v)), number(m, left_of(p, part)), number(m, RIGHT + v)};
      call(m, ((multiplier *)self)->name, 3, args);
    }
  }
}

void tni_ll_amx(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh) {
  tni_ll_module *m = f->m;
  LLVMValueRef sums = tni_ll_start_of(f, &p->sum), left = tni_ll_start_of(f, &p->left),
               right = tni_ll_start_of(f, &p->right);
  if (!sums || !left || !right) return; /* that has failed */
  configure_registers(f, configuration(m, p));
  if (fresh)
    clear_sums(m, p);
  else
    move_sums(m, p, "llvm.x86.tileloadd64", sums);
  multiplier self = {m, p, name};
  tni_ll_run_outer(f, p, left, right, multiply, &self);
  move_sums(m, p, "llvm.x86.tilestored64", sums);
  f->epoch++;
}
