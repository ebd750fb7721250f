/* facts.c -- what a planner wants to know of a block: its cost, its readers, how its loads move.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum { NEAR_STRIDE = 4 }; /* elements: a vector of neighbours so far apart still comes from few cache lines */
enum { MANY_OPS = 12 };

static bool add_block(void *self, const tn_stmt *s) {
  tni_block_list *l = self;
  if (s->kind == TNI_BLOCK && l->count < TNI_MAX_BLOCKS) l->items[l->count++] = s;
  return s->kind != TNI_BLOCK;
}

tni_block_list tni_blocks_of(const tni_planner *p) {
  tni_block_list l = {0};
  tni_stmt_visit(p->s->func->body, add_block, &l);
  return l;
}

static void count_cost(void *self, const tn_expr *x) {
  tni_cost *c = self;
  if (x->op == TN_OP_load) {
    c->loads++;
    c->predicated += tni_load_where(x) != NULL;
  } else if (x->nargs && x->type != TN_INDEX) {
    c->ops++;
    c->math += x->op < TN_OP_COUNT && (tni_ops[x->op].flags & TN_OPF_MATH) != 0;
    c->math += x->op == TN_OP_div || x->op == TN_OP_sqrt;
  }
}

tni_cost tni_cost_of(const tni_planner *p, const tn_stmt *block) {
  tni_cost c = {0};
  const tn_stmt *store = tni_block_store(block);
  if (store) tni_expr_visit(p->s->ctx, store->as.store.value, count_cost, &c);
  return c;
}

bool tni_is_long(const tni_planner *p, const tn_stmt *block) {
  tni_cost c = tni_cost_of(p, block);
  return c.math > 0 || c.ops > MANY_OPS;
}

bool tni_is_reduction(const tn_stmt *block) {
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce) return true;
  return false;
}

/* Blocks that read the buffer, other than `own`: how many, and how many of them reduce. */
int tni_count_readers(const tni_planner *p, const tn_buffer *b, const tn_stmt *own, int *reductions,
                      const tn_stmt **last) {
  tni_block_list l = tni_blocks_of(p);
  int count = 0;
  *reductions = 0;
  *last = NULL;
  for (size_t i = 0; i < l.count; i++)
    if (l.items[i] != own && tni_uses_of(p->s->ctx, l.items[i], b).readers) {
      count++;
      *reductions += tni_is_reduction(l.items[i]);
      *last = l.items[i];
    }
  return count;
}

const tn_stmt *tni_maker_of(const tni_planner *p, const tn_buffer *b) {
  tni_block_list l = tni_blocks_of(p);
  const tn_stmt *found = NULL;
  for (size_t i = 0; i < l.count; i++) {
    const tn_stmt *store = tni_block_store(l.items[i]);
    if (!store || store->as.store.buffer != b) continue;
    if (found) return NULL;
    found = l.items[i];
  }
  return found;
}

/* ---- strides ---- */

/* How far the first step of `var` goes, in memory that is not row-major or by a subscript that is not affine: blocks of a layout
 * and panels are taken to be long. */
static bool first_step(const tni_planner *p, const tn_buffer *b, const tn_expr *const *index, const tn_expr *var,
                       int64_t *out) {
  tni_region *r = &p->s->region;
  const tn_expr *place = tni_buffer_place(r, b, index), *zero = tni_index(r, 0), *one = tni_index(r, 1);
  tni_subst from = {1, &var, &zero}, to = {1, &var, &one};
  tni_facts none = {.ctx = p->s->ctx};
  *out = 0;
  if (!place || !zero || !one) return false;
  if (!tni_expr_uses(p->s->ctx, place, var)) return true;
  const tn_expr *step = tni_sub(r, tni_expr_subst(r, place, &to), tni_expr_subst(r, place, &from));
  step = step ? tni_simplify(r, &none, step) : NULL;
  if (!step || !tni_is_const(step)) return false;
  *out = step->as.i;
  return true;
}

/* The stride, in elements, of an access when variable `var` steps; false: not affine or not constant. */
bool tni_stride_of(const tni_planner *p, const tn_buffer *b, const tn_expr *const *index, const tn_expr *var,
                   int64_t *out) {
  int64_t scale = 1; /* 0: not constant, which matters only if an outer subscript moves */
  *out = 0;
  if (!tni_is_row_major(b)) return first_step(p, b, index, var, out);
  for (int32_t d = b->rank - 1; d >= 0; d--) {
    int64_t coef = 0;
    const tn_expr *rest;
    bool moves = tni_expr_uses(p->s->ctx, index[d], var);
    if (moves && !tni_affine(&p->s->region, index[d], 1, &var, &coef, &rest)) return first_step(p, b, index, var, out);
    if (coef && !scale) return false;
    *out += coef * scale;
    scale = tni_is_const(b->shape[d]) ? scale * b->shape[d]->as.i : 0;
  }
  return true;
}

/* Looks for a quotient of a variable by a number. */
typedef struct quotient_search {
  const tn_expr *var;
  int64_t divisor; /* 0: none was met */
} quotient_search;

static void look_at_quotient(void *self, const tn_expr *x) {
  quotient_search *q = self;
  if (x->op == TN_OP_floordiv && x->arg[0] == q->var && tni_is_const(x->arg[1])) q->divisor = x->arg[1]->as.i;
}

int64_t tni_group_of(const tni_planner *p, const tn_expr *load, const tn_expr *var) {
  quotient_search q = {.var = var};
  int64_t step;
  for (int32_t d = 0; d < tni_load_count(load); d++) tni_expr_visit(p->s->ctx, load->arg[d], look_at_quotient, &q);
  if (q.divisor < 2 || !tni_stride_of(p, load->as.buffer, load->arg, var, &step) || step != 0) return 0;
  return q.divisor;
}

/* Between neighbours may be the steps of an instruction. */
static bool is_near(const tni_strides *q, int64_t stride) {
  if (stride <= NEAR_STRIDE) return stride > 0;
  const tni_unit *unit = stride <= TNI_UNIT_STEPS ? tni_unit_for(q->p, q->block) : NULL;
  return unit && stride == unit->steps;
}

static void look_at_load(void *self, const tn_expr *x) {
  tni_strides *q = self;
  int64_t stride;
  if (x->op != TN_OP_load || x->as.buffer == q->skip) return;
  q->loads++;
  if (!tni_stride_of(q->p, x->as.buffer, x->arg, q->var, &stride))
    q->far++;
  else if (stride == 0)
    q->zero++;
  else
    *(stride == 1 ? &q->unit : is_near(q, stride) ? &q->near : &q->far) += 1;
}

tni_strides tni_strides_of(const tni_planner *p, const tn_stmt *block, const tn_expr *iter) {
  const tn_stmt *store = tni_block_store(block);
  tni_strides q = {
      .p = p, .block = block, .var = iter, .skip = tni_is_reduction(block) ? store->as.store.buffer : NULL};
  tni_expr_visit_memory(p->s->ctx, store->as.store.value, look_at_load, &q);
  return q;
}

int64_t tni_extent_of(const tn_stmt *block, int32_t i) {
  const tn_expr *extent = block->as.block.iters[i].extent;
  return tni_is_const(extent) ? extent->as.i : 0;
}

/* ---- extents and lanes ---- */

/* Multiply-adds of a block, at most 2^62. */
int64_t tni_work_of(const tn_stmt *block) {
  int64_t work = 1;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (__builtin_mul_overflow(work, tni_extent_of(block, i) ? tni_extent_of(block, i) : 1, &work))
      return INT64_MAX / 2;
  return work;
}

int64_t tni_sum_of(const tn_stmt *block) {
  int64_t sum = 1;
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].reduce) sum *= tni_extent_of(block, i) ? tni_extent_of(block, i) : 1;
  return sum;
}

/* The iterator of a reduction that is subscript d of its store. */
int32_t tni_iter_of_dim(const tn_stmt *block, int32_t d) {
  const tn_stmt *store = tni_block_store(block);
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].var == store->as.store.index[d]) return i;
  return -1;
}

const tni_iter *tni_iter_fed_by(const tni_planner *p, const tn_stmt *block, tn_loop loop) {
  for (int32_t k = 0; k < block->as.block.count; k++)
    if (tni_expr_uses(p->s->ctx, block->as.block.iters[k].binding, tni_handle_at(p->s, loop)->var))
      return &block->as.block.iters[k];
  return NULL;
}

static int64_t all_lanes(const tn_target *target, tn_type type) {
  int64_t bits = (int64_t)tn_type_bytes(type) * 8;
  int64_t lanes = target->vector_bits / (bits ? bits : 8);
  return lanes < 1 ? 1 : lanes;
}

int64_t tni_lanes_of(const tni_planner *p, tn_type type) { return all_lanes(p->target, type); }

/* No more lanes than the extent fills to more than a half. */
int64_t tni_target_lanes(const tn_target *target, tn_type type, int64_t extent) {
  int64_t lanes = all_lanes(target, type);
  while (lanes > 4 && lanes / 2 >= extent) lanes /= 2;
  return lanes;
}

int64_t tni_target_group_lanes(const tn_target *target, tn_type type, int64_t extent, int64_t group) {
  int64_t lanes = tni_target_lanes(target, type, extent);
  while (lanes > 4 && lanes % group && group % lanes) lanes /= 2;
  return lanes;
}
