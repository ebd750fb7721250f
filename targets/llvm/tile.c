/* tile.c -- nests of loops that are products of tiles, by x86's tile registers (AMX).
 *
 *     for ko in 0..n with tile = 1 { for i in 0..R { for v in 0..V { for j in 0..L { for k in 0..K {
 *       T[i*s + v*16 + j] = T[..] + i32(A[i*a + ko*64 + k]) * i32(B[ko*b + v*p + k//4*q + j*4 + k%4]) } } } } }
 *       ->
 *     ldtilecfg; the tiles of T; for ko in 0..n { those of A, of B; tdpbusd }; the tiles of T to memory
 *
 * or, of bf16, T[..] = the meaning of tile_bf16 (targets/units.c), which holds all K steps, of A[i*a + ko*32 + k] and
 * of B[ko*b + v*p + k//2*q + j*2 + k%2], by tdpbf16ps.
 *
 * R rows, 16 to a tile, and V vectors of L columns are at most 4 tiles of sums, and at most 2 vectors; a tile of A has
 * rows of K bytes, one of B K/4 rows of L groups of 4 bytes. Loops that are not there have one iteration. What has
 * another form is left to be compiled as it is. Where loops with the note that set all of T to 0 stand right before,
 * the sums begin with 0 in the registers, and T is not read.
 *
 * To set the registers up takes longer than some products, and clears them: a slot of the function holds which
 * configuration they have, and only another one is loaded. Who is called may change it. The function's ends release the
 * registers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>

#include "llvm.h"

enum { MAX_NEST = 6, GROUP_BYTES = 4, MAX_SUMS = 4, MAX_VECTORS = 2, LANES = 16 };
/* Numbers of the tile registers. Of more than two tiles of rows there is one vector: then the last tile of A, which may have
 * fewer rows, has the register of the second vector. */
enum { SUMS = 0, LEFT = 4, RIGHT = 6, LAST = 7 };

/* A load or store whose subscript is affine: how far it moves with each role's loop, in elements. */
enum role { OUTER, ROW, VECTOR, LANE, ROLE_COUNT };
typedef struct operand {
  const tn_buffer *buffer;
  tn_type type;
  const tn_expr *index, *rest; /* rest: where all loops are at 0 */
  int64_t by[ROLE_COUNT], by_group, by_step;
} operand;

typedef struct product {
  operand sum, left, right;
  int64_t extent[ROLE_COUNT], steps, bytes; /* bytes: of an element of the factors */
} product;

typedef struct nest {
  size_t count;
  const tn_expr *vars[MAX_NEST];
  int64_t extents[MAX_NEST];
} nest;

static int64_t group_of(const product *p) { return GROUP_BYTES / p->bytes; }

/* ---- is it one? -------------------------------------------------------------------------------------------------- */

static bool is_operand(const tn_expr *x, operand *out) {
  bool good = x->op == TN_OP_load && !tni_load_where(x) && tni_load_count(x) == 1 && TN_TYPE_LANES(x->type) == 1;
  if (good) *out = (operand){.buffer = x->as.buffer, .type = x->type, .index = x->arg[0]};
  return good;
}

static bool is_factor(const tn_expr *x, operand *out) {
  return x->op == TN_OP_cast && x->type == TN_I32 && is_operand(x->arg[0], out);
}

/* T[..] = T[..] + i32(A[..]) * i32(B[..]) */
static bool is_step(const tn_stmt *s, product *p) {
  if (s->kind != TNI_STORE || s->as.store.where) return false;
  const tn_expr *value = s->as.store.value, *mul = value->op == TN_OP_add ? value->arg[1] : NULL;
  if (!mul || mul->op != TN_OP_mul || !is_operand(value->arg[0], &p->sum)) return false;
  if (p->sum.buffer != s->as.store.buffer || p->sum.index != s->as.store.index[0]) return false;
  return is_factor(mul->arg[0], &p->left) && is_factor(mul->arg[1], &p->right);
}

/* All steps at once: their factors stand as tiles want them, and those that stand for all have the moves. */
static bool is_unit(tn_context *ctx, const tn_stmt *s, product *p) {
  const tni_unit *unit = tni_unit_find(ctx, "tile_bf16");
  tni_unit_operands o;
  int64_t distance, group = 0;
  if (!unit || s->kind != TNI_STORE || s->as.store.where || s->as.store.value->type != unit->c) return false;
  if (!tni_unit_matches(unit, s->as.store.value, &o) || !is_operand(o.c, &p->sum)) return false;
  if (p->sum.buffer != s->as.store.buffer || p->sum.index != s->as.store.index[0]) return false;
  if (!is_operand(o.a[0], &p->left) || !is_operand(o.b[0], &p->right)) return false;
  for (int32_t t = 1; t < unit->steps; t++) {
    operand left, right;
    if (!is_operand(o.a[t], &left) || !is_operand(o.b[t], &right)) return false;
    if (left.buffer != p->left.buffer || right.buffer != p->right.buffer) return false;
    if (!tni_ll_distance(p->left.index, left.index, &distance) || distance != t) return false;
    if (!tni_ll_distance(p->right.index, right.index, &distance)) return false;
    if (t == 2) group = distance;
    if (distance != t / 2 * group + t % 2) return false;
  }
  p->steps = unit->steps;
  p->left.by_group = 2;
  p->left.by_step = p->right.by_step = 1;
  p->right.by_group = group;
  return true;
}

/* The moves of the operand with the loops' variables, and with the last one's, when
 * it is the steps', as group * 4 + step. */
static bool find_moves(tni_region *r, operand *o, const nest *n, bool has_steps, int64_t *moves) {
  if (!has_steps) return tni_affine(r, o->index, n->count, n->vars, moves, &o->rest);
  const tn_expr *last = n->vars[n->count - 1], *all[MAX_NEST + 1], *four = tni_index(r, GROUP_BYTES);
  const tn_expr *group = tni_var(r, "group", TN_INDEX), *step = tni_var(r, "step", TN_INDEX);
  const tn_expr *both = tni_add(r, tni_mul(r, group, four), step);
  tni_subst subst = {1, &last, &both};
  tni_facts facts;
  const tn_expr *index = both ? tni_expr_subst(r, o->index, &subst) : NULL;
  tni_facts_init(&facts, r->arena.ctx);
  if (index && tni_facts_bind(&facts, step, four) && tni_facts_bind(&facts, group, tni_index(r, LANES)))
    index = tni_simplify(r, &facts, index);
  else
    index = NULL;
  tni_facts_destroy(&facts);
  for (size_t i = 0; i + 1 < n->count; i++) all[i] = n->vars[i];
  all[n->count - 1] = group;
  all[n->count] = step;
  if (!index || !tni_affine(r, index, n->count + 1, all, moves, &o->rest)) return false;
  o->by_group = moves[n->count - 1];
  o->by_step = moves[n->count];
  return true;
}

/* Gives the loop the role that it plays by what it moves; false: none, or one that is taken. */
static bool take_role(product *p, int64_t extent, int64_t sum, int64_t left, int64_t right) {
  enum role role = sum == 0                                  ? OUTER
                   : right == 0                              ? ROW
                   : left == 0 && sum == 1 && right == group_of(p) ? LANE
                                                             : VECTOR;
  if ((role == VECTOR && left != 0) || p->extent[role] != 1) return false;
  p->extent[role] = extent;
  p->sum.by[role] = sum;
  p->left.by[role] = left;
  p->right.by[role] = right;
  return true;
}

/* Is every sum an element of its own? */
static bool stands_apart(const product *p) {
  int64_t columns = p->extent[LANE];
  if (p->extent[VECTOR] > 1 && p->sum.by[VECTOR] < columns) return false;
  columns += (p->extent[VECTOR] - 1) * p->sum.by[VECTOR];
  return p->extent[ROW] == 1 || p->sum.by[ROW] >= columns;
}

/* Tiles of rows; how many rows the one of that number has; its registers, of A and of the sums. */
static int parts_of(const product *p) { return (int)((p->extent[ROW] - 1) / TNI_TILE_ROWS + 1); }

/* The loops from `s` on that could be the tiles'; what is below them. NULL: others. */
static const tn_stmt *open_nest(const tn_stmt *s, nest *n) {
  for (; s->kind == TNI_FOR; s = s->as.loop.body) {
    if (n->count == MAX_NEST || s->as.loop.kind != TNI_SERIAL || !tni_is_const(s->as.loop.extent)) return NULL;
    n->vars[n->count] = s->as.loop.var;
    n->extents[n->count++] = s->as.loop.extent->as.i;
  }
  return s;
}

static bool is_product(tni_region *r, const tn_stmt *loop, product *p) {
  int64_t sum[MAX_NEST + 1], left[MAX_NEST + 1], right[MAX_NEST + 1];
  nest n = {0};
  const tn_stmt *store = open_nest(loop, &n);
  bool has_steps = store && n.count && is_step(store, p);
  if (!store || (!has_steps && !is_unit(r->arena.ctx, store, p))) return false;
  if (has_steps) p->steps = n.extents[n.count - 1];
  p->bytes = (int64_t)tn_type_bytes(p->left.type);
  if (!find_moves(r, &p->sum, &n, has_steps, sum) || !find_moves(r, &p->left, &n, has_steps, left) ||
      !find_moves(r, &p->right, &n, has_steps, right))
    return false;
  for (int k = 0; k < ROLE_COUNT; k++) p->extent[k] = 1;
  for (size_t i = 0; i < n.count - has_steps; i++)
    if (!take_role(p, n.extents[i], sum[i], left[i], right[i])) return false;
  return p->steps % group_of(p) == 0 && p->steps * p->bytes <= TNI_TILE_BYTES && p->sum.by_group == 0 &&
         p->sum.by_step == 0 && p->left.by_group == group_of(p) && p->left.by_step == 1 && p->right.by_step == 1 &&
         p->extent[VECTOR] <= MAX_VECTORS && p->extent[LANE] <= LANES && parts_of(p) * p->extent[VECTOR] <= MAX_SUMS &&
         stands_apart(p);
}

/* ---- code -------------------------------------------------------------------------------------------------------- */

static LLVMValueRef call(tni_ll_module *m, const char *name, unsigned count, LLVMValueRef *args) {
  return tni_ll_intrinsic(m, name, 0, NULL, count, args);
}

static LLVMValueRef number(tni_ll_module *m, int reg) { return LLVMConstInt(m->i8, (uint64_t)reg, 0); }

static int64_t rows_of(const product *p, int part) {
  int64_t rows = p->extent[ROW] - part * TNI_TILE_ROWS;
  return rows > TNI_TILE_ROWS ? TNI_TILE_ROWS : rows;
}

static int left_of(const product *p, int part) {
  return parts_of(p) > 2 && part == parts_of(p) - 1 ? LAST : LEFT + part % 2;
}

static int sum_of(const product *p, int part, int vector) { return SUMS + part * (int)p->extent[VECTOR] + vector; }

/* What the registers hold: bytes of a row from byte 16 on, in 16 bits; rows from byte 48 on. */
static void configure(uint8_t *bytes, int reg, int64_t rows, int64_t row_bytes) {
  bytes[16 + 2 * reg] = (uint8_t)row_bytes;
  bytes[48 + reg] = (uint8_t)rows;
}

/* One in the module for each form of products. */
static LLVMValueRef configuration(tni_ll_module *m, const product *p) {
  char name[80];
  snprintf(name, sizeof name, "tiles.%lld.%lld.%lld.%lld", (long long)p->extent[ROW], (long long)p->extent[VECTOR],
           (long long)p->extent[LANE], (long long)(p->steps * p->bytes));
  LLVMValueRef known = LLVMGetNamedGlobal(m->module, name);
  if (known) return known;
  uint8_t bytes[64] = {1};
  LLVMValueRef values[64];
  int64_t columns = p->extent[LANE] * GROUP_BYTES, row_bytes = p->steps * p->bytes;
  for (int part = 0; part < parts_of(p); part++) {
    configure(bytes, left_of(p, part), rows_of(p, part), row_bytes);
    for (int v = 0; v < p->extent[VECTOR]; v++) configure(bytes, sum_of(p, part, v), rows_of(p, part), columns);
  }
  for (int v = 0; v < p->extent[VECTOR]; v++) configure(bytes, RIGHT + v, row_bytes / GROUP_BYTES, columns);
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
  const tn_target *target = f->m->target;
  if (tni_target_has_tiles(target, TN_I32, TN_I8, TN_I8) || tni_target_has_tiles(target, TN_F32, TN_BF16, TN_BF16))
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

static LLVMValueRef moved(tni_ll_module *m, LLVMValueRef pointer, int64_t bytes) {
  LLVMValueRef by = tni_ll_index(m, bytes);
  return bytes ? LLVMBuildInBoundsGEP2(m->b, m->i8, pointer, &by, 1, "") : pointer;
}

/* The address of an operand where all loops are at 0. */
static LLVMValueRef start_of(tni_ll_function *f, const operand *o) {
  LLVMValueRef base = tni_ll_base(f, o->buffer), index = tni_ll_expr(f, o->rest);
  return base ? LLVMBuildInBoundsGEP2(f->m->b, tni_ll_memory_type(f->m, o->type), base, &index, 1, "") : NULL;
}

static void load_tile(tni_ll_module *m, int reg, LLVMValueRef from, int64_t at, int64_t row_bytes) {
  LLVMValueRef args[] = {number(m, reg), moved(m, from, at), tni_ll_index(m, row_bytes)};
  call(m, "llvm.x86.tileloadd64", 3, args);
}

/* All tiles of sums, from memory or to it. */
static void move_sums(tni_ll_module *m, const product *p, const char *name, LLVMValueRef sums) {
  for (int part = 0; part < parts_of(p); part++)
    for (int v = 0; v < p->extent[VECTOR]; v++) {
      int64_t at = part * TNI_TILE_ROWS * p->sum.by[ROW] + v * p->sum.by[VECTOR];
      LLVMValueRef args[] = {number(m, sum_of(p, part, v)), moved(m, sums, at * 4),
                             tni_ll_index(m, p->sum.by[ROW] * 4)};
      call(m, name, 3, args);
    }
}

static void clear_sums(tni_ll_module *m, const product *p) {
  for (int reg = 0; reg < parts_of(p) * (int)p->extent[VECTOR]; reg++) {
    LLVMValueRef args[] = {number(m, SUMS + reg)};
    call(m, "llvm.x86.tilezero", 1, args);
  }
}

static void multiply(tni_ll_module *m, const product *p, LLVMValueRef left, LLVMValueRef right) {
  const char *name = p->left.type == TN_BF16 ? "llvm.x86.tdpbf16ps"
                     : p->left.type == TN_U8 ? "llvm.x86.tdpbusd"
                                             : "llvm.x86.tdpbssd";
  for (int v = 0; v < p->extent[VECTOR]; v++)
    load_tile(m, RIGHT + v, right, v * p->right.by[VECTOR] * p->bytes, p->right.by_group * p->bytes);
  for (int part = 0; part < parts_of(p); part++) {
    int64_t row_bytes = p->left.by[ROW] * p->bytes;
    load_tile(m, left_of(p, part), left, part * TNI_TILE_ROWS * row_bytes, row_bytes);
    for (int v = 0; v < p->extent[VECTOR]; v++) {
      LLVMValueRef args[] = {number(m, sum_of(p, part, v)), number(m, left_of(p, part)), number(m, RIGHT + v)};
      call(m, name, 3, args);
    }
  }
}

/* The outer loop, with pointers that go along. */
static void run_outer(tni_ll_function *f, const product *p, LLVMValueRef left, LLVMValueRef right) {
  tni_ll_module *m = f->m;
  LLVMBasicBlockRef before = LLVMGetInsertBlock(m->b), loop = tni_ll_block(f, "tiles"), after = tni_ll_block(f, "after");
  LLVMValueRef zero = tni_ll_index(m, 0);
  LLVMBuildBr(m->b, loop);
  LLVMPositionBuilderAtEnd(m->b, loop);
  LLVMValueRef i = LLVMBuildPhi(m->b, m->i64, ""), a = LLVMBuildPhi(m->b, m->ptr, ""), b = LLVMBuildPhi(m->b, m->ptr, "");
  multiply(m, p, a, b);
  LLVMValueRef next[] = {LLVMBuildNSWAdd(m->b, i, tni_ll_index(m, 1), ""), moved(m, a, p->left.by[OUTER] * p->bytes),
                         moved(m, b, p->right.by[OUTER] * p->bytes)};
  LLVMAddIncoming(i, (LLVMValueRef[]){zero, next[0]}, (LLVMBasicBlockRef[]){before, loop}, 2);
  LLVMAddIncoming(a, (LLVMValueRef[]){left, next[1]}, (LLVMBasicBlockRef[]){before, loop}, 2);
  LLVMAddIncoming(b, (LLVMValueRef[]){right, next[2]}, (LLVMBasicBlockRef[]){before, loop}, 2);
  LLVMValueRef more = LLVMBuildICmp(m->b, LLVMIntSLT, next[0], tni_ll_index(m, p->extent[OUTER]), "");
  LLVMBuildCondBr(m->b, more, loop, after);
  LLVMPositionBuilderAtEnd(m->b, after);
}

/* ---- what stands before it --------------------------------------------------------------------------------------- */

typedef struct fill {
  const tn_buffer *buffer;
  const tn_expr *rest; /* the subscript where all loops are at 0 */
  nest n;
  int64_t moves[MAX_NEST];
} fill;

static bool is_zero(const tn_expr *x) {
  if (!tni_is_const(x)) return false;
  return tni_type_is_float(x->type) ? x->as.f == 0 && !signbit(x->as.f) : x->as.i == 0;
}

/* for .. { for .. { T[..] = 0 } } */
static bool is_fill(tni_region *r, const tn_stmt *s, fill *out) {
  s = open_nest(s, &out->n);
  if (!s || s->kind != TNI_STORE || s->as.store.where || !is_zero(s->as.store.value)) return false;
  out->buffer = s->as.store.buffer;
  return tni_affine(r, s->as.store.index[0], out->n.count, out->n.vars, out->moves, &out->rest);
}

/* Does it set just the sums of the product? */
static bool is_start(const product *p, const fill *start) {
  size_t found = 0, wanted = 0;
  if (start->buffer != p->sum.buffer || start->rest != p->sum.rest) return false;
  for (int role = ROW; role < ROLE_COUNT; role++) {
    wanted += p->extent[role] > 1;
    for (size_t i = 0; i < start->n.count && p->extent[role] > 1; i++)
      found += start->n.extents[i] == p->extent[role] && start->moves[i] == p->sum.by[role];
  }
  return found == wanted && start->n.count == wanted;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

static bool is_noted(const tn_stmt *s) {
  return s->kind == TNI_FOR && tni_find_annotation(s->as.loop.notes, TNI_TILE_NOTE);
}

static bool find_product(tni_ll_module *m, const tn_stmt *s, product *p) {
  return is_noted(s) && is_product(&m->region, s, p) &&
         tni_target_has_tiles(m->target, p->sum.type, p->left.type, p->right.type);
}

static void emit_product(tni_ll_function *f, const product *p, bool fresh) {
  tni_ll_module *m = f->m;
  LLVMValueRef sums = start_of(f, &p->sum), left = start_of(f, &p->left), right = start_of(f, &p->right);
  if (!sums || !left || !right) return; /* that has failed */
  configure_registers(f, configuration(m, p));
  if (fresh)
    clear_sums(m, p);
  else
    move_sums(m, p, "llvm.x86.tileloadd64", sums);
  run_outer(f, p, left, right);
  move_sums(m, p, "llvm.x86.tilestored64", sums);
  f->epoch++;
}

bool tni_ll_tile(tni_ll_function *f, const tn_stmt *s) {
  product p = {0};
  bool found = find_product(f->m, s, &p);
  if (found) emit_product(f, &p, false);
  return found;
}

bool tni_ll_tile_behind(tni_ll_function *f, const tn_stmt *before, const tn_stmt *s) {
  product p = {0};
  fill start = {0};
  bool found = is_noted(before) && find_product(f->m, s, &p) && is_fill(&f->m->region, before, &start) &&
               is_start(&p, &start);
  if (found) emit_product(f, &p, true);
  return found;
}
