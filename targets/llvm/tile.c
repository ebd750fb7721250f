/* tile.c -- nests of loops that are products of tiles, for the instructions of the target that take such.
 *
 *     for ko in 0..n with tile = 1 { for i in 0..R { for v in 0..V { for j in 0..L { for k in 0..K {
 *       T[i*s + v*16 + j] = T[..] + i32(A[i*a + ko*64 + k]) * i32(B[ko*b + v*p + k//4*q + j*4 + k%4]) } } } } }
 *
 * or, of f32, fma(A[i*a + ko*16 + k], B[ko*b + v*p + k*q + j], T[..]);
 * or, of bf16, T[..] = the meaning of tile_bf16 (targets/units.c), which holds all K steps, of A[i*a + ko*32 + k] and
 * of B[ko*b + v*p + k//2*q + j*2 + k%2].
 *
 * R rows and V vectors of L columns are the sums, which stay in registers while ko runs, or several loops where ko stands, as
 * those over the taps of a window. Loops that are not there have one iteration. What has another form, or is too much for the registers, is left to be compiled as it is. Where loops with the
 * note that set all of T to 0 stand right before, the sums begin with 0 in the registers, and T is not read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "tile.h"

enum { MAX_NEST = TNI_MAX_OUTER + TNI_ROLE_COUNT + 1 };

typedef struct nest {
  size_t count;
  const tn_expr *vars[MAX_NEST];
  int64_t extents[MAX_NEST];
} nest;

static int64_t group_of(const tni_ll_product *p) { return TNI_GROUP_BYTES / p->bytes; }

/* ---- is it one? -------------------------------------------------------------------------------------------------- */

static bool is_operand(const tn_expr *x, tni_ll_operand *out) {
  bool good = x->op == TN_OP_load && !tni_load_where(x) && tni_load_count(x) == 1 && TN_TYPE_LANES(x->type) == 1;
  if (good) *out = (tni_ll_operand){.buffer = x->as.buffer, .type = x->type, .index = x->arg[0]};
  return good;
}

static bool is_factor(const tn_expr *x, tni_ll_operand *out) {
  return x->op == TN_OP_cast && x->type == TN_I32 && is_operand(x->arg[0], out);
}

/* T[..] = T[..] + i32(A[..]) * i32(B[..]), or fma(A[..], B[..], T[..]) of f32. Turned: the other factor is the left one. */
static bool is_step(const tn_stmt *s, bool turned, tni_ll_product *p) {
  if (s->kind != TNI_STORE || s->as.store.where) return false;
  const tn_expr *value = s->as.store.value, *mul = value->op == TN_OP_add ? value->arg[1] : NULL;
  bool is_float = value->op == TN_OP_fma && value->type == TN_F32;
  if (!is_float && (!mul || mul->op != TN_OP_mul)) return false;
  if (!is_operand(value->arg[is_float ? 2 : 0], &p->sum)) return false;
  if (p->sum.buffer != s->as.store.buffer || p->sum.index != s->as.store.index[0]) return false;
  const tn_expr *left = (is_float ? value : mul)->arg[turned], *right = (is_float ? value : mul)->arg[!turned];
  if (is_float) return is_operand(left, &p->left) && is_operand(right, &p->right);
  return is_factor(left, &p->left) && is_factor(right, &p->right);
}

/* All steps at once: their factors stand as tiles want them, and those that stand for all have the moves. */
static bool is_unit(tn_context *ctx, const tn_stmt *s, tni_ll_product *p) {
  const tni_unit *unit = tni_unit_find(ctx, "tile_bf16");
  tni_unit_operands o;
  int64_t distance, group = 0;
  if (!unit || s->kind != TNI_STORE || s->as.store.where || s->as.store.value->type != unit->c) return false;
  if (!tni_unit_matches(unit, s->as.store.value, &o) || !is_operand(o.c, &p->sum)) return false;
  if (p->sum.buffer != s->as.store.buffer || p->sum.index != s->as.store.index[0]) return false;
  if (!is_operand(o.a[0], &p->left) || !is_operand(o.b[0], &p->right)) return false;
  for (int32_t t = 1; t < unit->steps; t++) {
    tni_ll_operand left, right;
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

/* The moves of the operand with the loops' variables, and with the last one's, when it is the steps', as
 * group * 4 + step; of groups of one there is none of the step. */
static bool find_moves(tni_region *r, tni_ll_operand *o, const nest *n, int64_t group_steps, bool has_steps,
                       int64_t *moves) {
  if (!has_steps) return tni_affine(r, o->index, n->count, n->vars, moves, &o->rest);
  const tn_expr *last = n->vars[n->count - 1], *all[MAX_NEST + 1], *four = tni_index(r, group_steps);
  const tn_expr *group = tni_var(r, "group", TN_INDEX), *step = tni_var(r, "step", TN_INDEX);
  const tn_expr *both = tni_add(r, tni_mul(r, group, four), step);
  tni_subst subst = {1, &last, &both};
  tni_facts facts;
  const tn_expr *index = both ? tni_expr_subst(r, o->index, &subst) : NULL;
  tni_facts_init(&facts, r->arena.ctx);
  if (index && tni_facts_bind(&facts, step, four) && tni_facts_bind(&facts, group, tni_index(r, TNI_TILE_LANES)))
    index = tni_simplify(r, &facts, index);
  else
    index = NULL;
  tni_facts_destroy(&facts);
  for (size_t i = 0; i + 1 < n->count; i++) all[i] = n->vars[i];
  all[n->count - 1] = group;
  all[n->count] = step;
  if (!index || !tni_affine(r, index, n->count + 1, all, moves, &o->rest)) return false;
  o->by_group = moves[n->count - 1];
  o->by_step = group_steps > 1 ? moves[n->count] : o->by_group != 0;
  return true;
}

static bool add_outer(tni_ll_product *p, int64_t extent, int64_t left, int64_t right) {
  if (p->outer_count == TNI_MAX_OUTER) return false;
  p->outer[p->outer_count++] = (tni_ll_outer){extent, left, right};
  return true;
}

/* Gives the loop the role that it plays by what it moves; false: none, or one that is taken. */
static bool take_role(tni_ll_product *p, int64_t extent, int64_t sum, int64_t left, int64_t right) {
  enum tni_ll_role role = right == 0                                      ? TNI_ROW
                          : left == 0 && sum == 1 && right == group_of(p) ? TNI_LANE
                                                                          : TNI_VECTOR;
  if (sum == 0) return add_outer(p, extent, left, right);
  if ((role == TNI_VECTOR && left != 0) || p->extent[role] != 1) return false;
  p->extent[role] = extent;
  p->sum.by[role] = sum;
  p->left.by[role] = left;
  p->right.by[role] = right;
  return true;
}

/* Is every sum an element of its own? */
static bool stands_apart(const tni_ll_product *p) {
  int64_t columns = p->extent[TNI_LANE];
  if (p->extent[TNI_VECTOR] > 1 && p->sum.by[TNI_VECTOR] < columns) return false;
  columns += (p->extent[TNI_VECTOR] - 1) * p->sum.by[TNI_VECTOR];
  return p->extent[TNI_ROW] == 1 || p->sum.by[TNI_ROW] >= columns;
}

/* The loops from `s` on that could be the tiles'; what is below them. NULL: others. */
static const tn_stmt *open_nest(const tn_stmt *s, nest *n) {
  for (; s->kind == TNI_FOR; s = s->as.loop.body) {
    if (n->count == MAX_NEST || s->as.loop.kind != TNI_SERIAL || !tni_is_const(s->as.loop.extent)) return NULL;
    n->vars[n->count] = s->as.loop.var;
    n->extents[n->count++] = s->as.loop.extent->as.i;
  }
  return s;
}

/* Of steps one by one, the last loop's, or of a unit that is all of them. */
static bool has_roles(tni_region *r, const nest *n, bool has_steps, tni_ll_product *p) {
  int64_t sum[MAX_NEST + 1], left[MAX_NEST + 1], right[MAX_NEST + 1];
  if (has_steps) p->steps = n->extents[n->count - 1];
  p->bytes = (int64_t)tn_type_bytes(p->left.type);
  int64_t group = group_of(p);
  if (!find_moves(r, &p->sum, n, group, has_steps, sum) || !find_moves(r, &p->left, n, group, has_steps, left) ||
      !find_moves(r, &p->right, n, group, has_steps, right))
    return false;
  for (int k = 0; k < TNI_ROLE_COUNT; k++) p->extent[k] = 1;
  for (size_t i = 0; i < n->count - has_steps; i++)
    if (!take_role(p, n->extents[i], sum[i], left[i], right[i])) return false;
  return p->steps % group_of(p) == 0 && p->steps * p->bytes <= TNI_TILE_BYTES && p->sum.by_group == 0 &&
         p->sum.by_step == 0 && p->left.by_group == group_of(p) && p->left.by_step == 1 && p->right.by_step == 1 &&
         p->extent[TNI_LANE] <= TNI_TILE_LANES && stands_apart(p);
}

static bool is_product(tni_region *r, const tn_stmt *loop, tni_ll_product *p) {
  nest n = {0};
  const tn_stmt *store = open_nest(loop, &n);
  if (!store) return false;
  for (int turned = 0; turned < 2 && n.count; turned++) {
    *p = (tni_ll_product){0};
    if (is_step(store, turned, p) && has_roles(r, &n, true, p)) return true;
  }
  *p = (tni_ll_product){0};
  return is_unit(r->arena.ctx, store, p) && has_roles(r, &n, false, p);
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
static bool is_start(const tni_ll_product *p, const fill *start) {
  size_t found = 0, wanted = 0;
  if (start->buffer != p->sum.buffer || start->rest != p->sum.rest) return false;
  for (int role = TNI_ROW; role < TNI_ROLE_COUNT; role++) {
    wanted += p->extent[role] > 1;
    for (size_t i = 0; i < start->n.count && p->extent[role] > 1; i++)
      found += start->n.extents[i] == p->extent[role] && start->moves[i] == p->sum.by[role];
  }
  return found == wanted && start->n.count == wanted;
}

/* ---- for the instructions ---------------------------------------------------------------------------------------- */

LLVMValueRef tni_ll_moved(tni_ll_module *m, LLVMValueRef pointer, int64_t bytes) {
  LLVMValueRef by = tni_ll_index(m, bytes);
  return bytes ? LLVMBuildInBoundsGEP2(m->b, m->i8, pointer, &by, 1, "") : pointer;
}

LLVMValueRef tni_ll_start_of(tni_ll_function *f, const tni_ll_operand *o) {
  LLVMValueRef base = tni_ll_base(f, o->buffer), index = tni_ll_expr(f, o->rest);
  return base ? LLVMBuildInBoundsGEP2(f->m->b, tni_ll_memory_type(f->m, o->type), base, &index, 1, "") : NULL;
}

/* What is to be in the outer loops. */
typedef struct outer_step {
  tni_ll_function *f;
  const tni_ll_product *p;
  void (*emit)(void *self, LLVMValueRef left, LLVMValueRef right);
  void *self;
} outer_step;

static void run_outer(const outer_step *s, size_t depth, LLVMValueRef left, LLVMValueRef right) {
  if (depth == s->p->outer_count) {
    s->emit(s->self, left, right);
    return;
  }
  tni_ll_module *m = s->f->m;
  const tni_ll_outer *o = &s->p->outer[depth];
  LLVMBasicBlockRef before = LLVMGetInsertBlock(m->b), loop = tni_ll_block(s->f, "tiles"),
                    after = tni_ll_block(s->f, "after");
  LLVMValueRef zero = tni_ll_index(m, 0);
  LLVMBuildBr(m->b, loop);
  LLVMPositionBuilderAtEnd(m->b, loop);
  LLVMValueRef i = LLVMBuildPhi(m->b, m->i64, ""), a = LLVMBuildPhi(m->b, m->ptr, ""),
               b = LLVMBuildPhi(m->b, m->ptr, "");
  run_outer(s, depth + 1, a, b);
  LLVMBasicBlockRef end = LLVMGetInsertBlock(m->b);
  LLVMValueRef next[] = {LLVMBuildNSWAdd(m->b, i, tni_ll_index(m, 1), ""), tni_ll_moved(m, a, o->left * s->p->bytes),
                         tni_ll_moved(m, b, o->right * s->p->bytes)};
  LLVMAddIncoming(i, (LLVMValueRef[]){zero, next[0]}, (LLVMBasicBlockRef[]){before, end}, 2);
  LLVMAddIncoming(a, (LLVMValueRef[]){left, next[1]}, (LLVMBasicBlockRef[]){before, end}, 2);
  LLVMAddIncoming(b, (LLVMValueRef[]){right, next[2]}, (LLVMBasicBlockRef[]){before, end}, 2);
  LLVMValueRef more = LLVMBuildICmp(m->b, LLVMIntSLT, next[0], tni_ll_index(m, o->extent), "");
  LLVMBuildCondBr(m->b, more, loop, after);
  LLVMPositionBuilderAtEnd(m->b, after);
}

void tni_ll_run_outer(tni_ll_function *f, const tni_ll_product *p, LLVMValueRef left, LLVMValueRef right,
                      void (*step)(void *self, LLVMValueRef left, LLVMValueRef right), void *self) {
  run_outer(&(outer_step){f, p, step, self}, 0, left, right);
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

static bool is_noted(const tn_stmt *s) {
  return s->kind == TNI_FOR && tni_find_annotation(s->as.loop.notes, TNI_TILE_NOTE);
}

/* How each form of instruction does it. */
typedef struct form {
  bool (*fits)(const tni_ll_product *p);
  void (*emit)(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh);
} form;
static const form forms[] = {
    [TNI_TILE_AMX] = {tni_ll_amx_fits, tni_ll_amx},
    [TNI_TILE_PAIRS] = {tni_ll_pairs_fit, tni_ll_pairs},
    [TNI_TILE_ZA] = {tni_ll_za_fits, tni_ll_za},
    [TNI_TILE_WARP] = {tni_ll_warp_fits, tni_ll_warp},
};

/* NULL: it is none, or none that the target has an instruction for. */
static const tni_tile_row *find_product(tni_ll_module *m, const tn_stmt *s, tni_ll_product *p) {
  if (!is_noted(s) || !is_product(&m->region, s, p)) return NULL;
  const tni_tile_row *row = tni_target_tile(m->target, p->sum.type, p->left.type, p->right.type);
  return row && forms[row->form].fits(p) ? row : NULL;
}

/* The same, with what sets the sums to 0 right before it, if that is not NULL. */
static const tni_tile_row *find_with(tni_ll_module *m, const tn_stmt *before, const tn_stmt *s, tni_ll_product *p) {
  fill start = {0};
  if (before && !is_noted(before)) return NULL;
  const tni_tile_row *row = find_product(m, s, p);
  return row && before && (!is_fill(&m->region, before, &start) || !is_start(p, &start)) ? NULL : row;
}

bool tni_ll_is_tile(tni_ll_module *m, const tn_stmt *before, const tn_stmt *s) {
  tni_ll_product p = {0};
  return find_with(m, before, s, &p) != NULL;
}

bool tni_ll_tile(tni_ll_function *f, const tn_stmt *s) {
  tni_ll_product p = {0};
  const tni_tile_row *row = find_with(f->m, NULL, s, &p);
  if (row) forms[row->form].emit(f, &p, row->name, false);
  return row != NULL;
}

bool tni_ll_tile_behind(tni_ll_function *f, const tn_stmt *before, const tn_stmt *s) {
  tni_ll_product p = {0};
  const tni_tile_row *row = find_with(f->m, before, s, &p);
  if (row) forms[row->form].emit(f, &p, row->name, true);
  return row != NULL;
}
