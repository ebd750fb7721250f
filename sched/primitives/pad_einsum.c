/* pad_einsum.c -- a sum of products over extents that are multiples of what is wanted.
 *
 *     for i in 0..5 { for j in 0..7 { for k in 0..3 {
 *       block C(i, j, reduce k) { init { C[i, j] = 0 }  C[i, j] = fma(A[i, k], B[k, j], C[i, j]) } } } }
 *       ->                                                                                pad_einsum(C, [4, 4, 2])
 *     alloc A_pad: [8, 4]   for .. { block C_pad0(i, k) { A_pad[i, k] = A[i, k if i < 5 && k < 3] } }
 *     alloc B_pad: [4, 8]   for .. { block C_pad1(k, j) { B_pad[k, j] = B[k, j if k < 3 && j < 7] } }
 *     alloc C_pad: [8, 8]
 *     for i in 0..8 { for j in 0..8 { for k in 0..4 { block C(..) { .. C_pad[i, j] = fma(A_pad[i, k], B_pad[k, j], C_pad[i, j]) } } } }
 *     for i in 0..5 { for j in 0..7 { block C_write(i, j) { C[i, j] = C_pad[i, j] } } }
 *
 * Operands that no padded iterator moves are read as they are, and so is a result that has no padded dimension. The steps
 * that there are not add products of zeros: -0 may become 0 by that.
 *
 * needs: a block of one store over loops that are its iterators; loads whose subscripts are a padded iterator alone, or use
 *        none; for reduce iterators a sum that zeros add nothing to; for others a result that is a box of them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MOST_OPERANDS = 8 };

typedef struct operand {
  const tn_expr *load;
  const tn_buffer *made;
  const char *name; /* of the block that copies */
} operand;

typedef struct einsum {
  tni_step *step;
  tni_region *r;
  const tn_stmt *block, *store;
  const tn_expr *extents[TNI_MAX_NEST]; /* of the iterators, rounded up */
  bool pads_result;
  const tn_buffer *result; /* padded */
  size_t count;
  operand operands[MOST_OPERANDS];
  bool many, calls;
} einsum;

static bool is_padded(const einsum *e, int32_t i) { return e->extents[i] != e->block->as.block.iters[i].extent; }

/* The iterator, padded, that x is; -1: none; -2: x uses one otherwise. */
static int32_t padded_iter(const einsum *e, const tn_expr *x) {
  int32_t found = -1;
  for (int32_t i = 0; i < e->block->as.block.count; i++) {
    const tn_expr *var = e->block->as.block.iters[i].var;
    if (is_padded(e, i) && tni_expr_uses(e->r->arena.ctx, x, var)) found = x == var ? i : -2;
  }
  return found;
}

static bool moves(const einsum *e, const tn_expr *load) {
  for (int k = 0; k < load->nargs; k++)
    if (padded_iter(e, load->arg[k]) != -1) return true;
  return false;
}

static void see_expr(void *self, const tn_expr *x) {
  einsum *e = self;
  e->calls |= x->op == TN_OP_call;
  if (x->op != TN_OP_load || x->as.buffer == e->store->as.store.buffer || !moves(e, x)) return;
  for (size_t i = 0; i < e->count; i++)
    if (e->operands[i].load == x) return;
  e->many |= e->count == MOST_OPERANDS;
  if (e->count < MOST_OPERANDS) e->operands[e->count++].load = x;
}

/* ---- what must hold ---------------------------------------------------------------------------------------------- */

static tn_status check_factors(einsum *e) {
  const tni_arg *factors = &e->step->args[1];
  int32_t count = e->block->as.block.count;
  if (factors->count != (size_t)count)
    return tni_step_refuse(e->step, e->block, "give a number for each of the %d iterators", count);
  for (int32_t i = 0; i < count; i++) {
    int64_t factor = factors->numbers[i], extent = e->block->as.block.iters[i].extent->as.i;
    if (factor < 1 || factor > INT64_C(1) << 40)
      return tni_step_refuse(e->step, e->block, "extents can be made multiples of 1 to 2^40");
    e->extents[i] = tni_index(e->r, (extent + factor - 1) / factor * factor);
    if (!e->extents[i]) return TN_E_NOMEM;
  }
  return TN_OK;
}

static tn_status check_operands(einsum *e) {
  tn_schedule *s = e->step->s;
  tni_stmt_visit_exprs(s->ctx, e->block->as.block.body, see_expr, e);
  if (e->block->as.block.init) tni_stmt_visit_exprs(s->ctx, e->block->as.block.init, see_expr, e);
  if (e->calls) return tni_step_refuse(e->step, e->block, "the block calls an external");
  if (e->many) return tni_step_refuse(e->step, e->block, "the block has more than %d operands", MOST_OPERANDS);
  for (size_t i = 0; i < e->count; i++) {
    const tn_expr *load = e->operands[i].load;
    if (tni_load_where(load))
      return tni_step_refuse(e->step, load, "the operand is loaded under a condition\nneeds: a block that stores it before");
    for (int32_t d = 0; d < tni_load_count(load); d++)
      if (padded_iter(e, load->arg[d]) == -2 || tni_expr_reads(load->arg[d]))
        return tni_step_refuse(e->step, load,
                               "a padded iterator is not a subscript of this operand by itself\nneeds: to be left as it is: 1");
    const char *why = tni_why_not_filled(s, load->as.buffer);
    if (why) return tni_step_refuse(e->step, load, "the operand is copied whole, and %s", why);
  }
  return TN_OK;
}

static tn_status check_iters(einsum *e) {
  tn_schedule *s = e->step->s;
  bool whole;
  for (int32_t i = 0; i < e->block->as.block.count; i++) {
    const tni_iter *it = &e->block->as.block.iters[i];
    if (!is_padded(e, i)) continue;
    e->pads_result |= !it->reduce;
    if (!it->reduce) continue;
    if (!tni_zeros_add_nothing(s, e->block, it->var))
      return tni_step_refuse(e->step, e->store, "steps that there are not would go into the reduction");
    if (s->keeps_order && tni_type_is_float(e->store->as.store.buffer->type))
      return tni_step_refuse(e->step, e->store, "zeros would be added to a floating-point sum, by which -0 becomes 0");
  }
  const char *why = e->pads_result ? tni_why_not_its_box(s, e->block, NULL, &whole) : NULL;
  return why ? tni_step_refuse(e->step, e->block, "%s", why) : TN_OK;
}

/* ---- the rewrite ------------------------------------------------------------------------------------------------- */

/* The load from the padded copy, which has the same subscripts. */
static const tn_expr *read_padded(void *self, tni_region *r, const tn_expr *x) {
  const einsum *e = self;
  if (x->op != TN_OP_load) return x;
  const tn_buffer *b = e->result && x->as.buffer == e->store->as.store.buffer ? e->result : NULL;
  for (size_t i = 0; i < e->count; i++)
    if (e->operands[i].load == x) b = e->operands[i].made;
  return b ? tni_load(r, x->type, b, (size_t)tni_load_count(x), x->arg, tni_load_where(x)) : x;
}

static const tn_stmt *write_padded(void *self, tni_region *r, const tn_stmt *s) {
  const einsum *e = self;
  if (!e->result || s->kind != TNI_STORE) return s;
  return tni_store_like(r, s, e->result, s->as.store.count, s->as.store.index, s->as.store.value, s->as.store.where);
}

/* The block over the rounded extents, in its loops. */
static const tn_stmt *pad_nest(einsum *e, const tn_stmt *at) {
  tni_region *r = e->r;
  const tn_stmt *block = e->block, *init = block->as.block.init;
  if (at->kind == TNI_FOR) {
    int32_t i = 0;
    while (block->as.block.iters[i].binding != at->as.loop.var) i++;
    return tni_for_like(r, at, at->as.loop.var, e->extents[i], at->as.loop.kind, pad_nest(e, at->as.loop.body));
  }
  tni_iter *iters = tni_arena_copy(&r->arena, block->as.block.iters, (size_t)block->as.block.count * sizeof *iters);
  for (int32_t i = 0; iters && i < block->as.block.count; i++) iters[i].extent = e->extents[i];
  if (init && !(init = tni_stmt_rewrite(r, init, read_padded, write_padded, e))) return NULL;
  const tn_stmt *body = tni_stmt_rewrite(r, block->as.block.body, read_padded, write_padded, e);
  return iters ? tni_block_like(r, block, iters, block->as.block.where, init, body) : NULL;
}

/* The nest that copies `from` to `to`, of the same rank: over `shape`, and with zeros from `ends` on. */
static const tn_stmt *copy_nest(tni_region *r, const char *name, const tn_buffer *from, const tn_buffer *to,
                                const tn_expr *const *shape, const tn_expr *const *ends) {
  tni_iter iters[TN_MAX_RANK];
  const tn_expr *index[TN_MAX_RANK], *inside = NULL;
  for (int32_t d = 0; d < to->rank; d++) {
    index[d] = tni_var(r, "c", TN_INDEX);
    iters[d] = (tni_iter){.var = index[d], .extent = shape[d], .binding = tni_var(r, "c", TN_INDEX)};
    if (ends[d] != shape[d]) inside = tni_conj(r, inside, tni_op2(r, TN_OP_lt, index[d], ends[d]));
  }
  const tn_expr *value = tni_load(r, from->type, from, (size_t)from->rank, index, inside);
  const tn_stmt *s = tni_block(r, name, to->rank, iters, NULL, NULL, tni_store(r, to, to->rank, index, value, NULL));
  for (int32_t d = to->rank; d > 0; d--) s = tni_for(r, iters[d - 1].binding, shape[d - 1], TNI_SERIAL, s);
  return s;
}

static const tn_buffer *padded_buffer(const einsum *e, const tn_buffer *b, const tn_expr *const *index,
                                      const tn_expr **shape, const tn_expr **ends) {
  const char *name = tni_arena_format(&e->r->arena, "%s_pad", b->name);
  for (int32_t d = 0; d < b->rank; d++) {
    int32_t i = padded_iter(e, index[d]);
    shape[d] = i < 0 ? b->shape[d] : e->extents[i];
    ends[d] = i < 0 ? b->shape[d] : e->block->as.block.iters[i].extent;
  }
  return name ? tni_buffer(e->r, name, b->type, TNI_SCOPE_GLOBAL, b->rank, shape) : NULL;
}

/* The body with copies in, the block, the copy out; NULL: no memory. Names of blocks are given as results. */
static const tn_stmt *make(einsum *e, const tn_stmt *top) {
  tni_region *r = e->r;
  const tn_stmt *all[MOST_OPERANDS + 2], *root = e->step->s->func->body;
  const tn_expr *shape[TN_MAX_RANK], *ends[TN_MAX_RANK];
  int32_t n = 0;
  for (size_t i = 0; i < e->count; i++) {
    operand *o = &e->operands[i];
    const char *base = tni_arena_format(&r->arena, "%s_pad%zu", e->block->as.block.name, i);
    const char *name = base ? tni_free_block_name(r, root, base) : NULL;
    o->made = padded_buffer(e, o->load->as.buffer, o->load->arg, shape, ends);
    if (!name || !o->made || tni_give_block(e->step, name)) return NULL;
    all[n++] = copy_nest(r, name, o->load->as.buffer, o->made, shape, ends);
  }
  const tn_buffer *b = e->store->as.store.buffer;
  if (e->pads_result && !(e->result = padded_buffer(e, b, e->store->as.store.index, shape, ends))) return NULL;
  for (int32_t d = 0; e->pads_result && d < b->rank; d++) /* what is not padded, too, is what the iterators say */
    for (int32_t i = 0; i < e->block->as.block.count; i++)
      if (e->block->as.block.iters[i].var == e->store->as.store.index[d]) ends[d] = e->block->as.block.iters[i].extent;
  all[n++] = pad_nest(e, top);
  if (e->pads_result) {
    const char *base = tni_arena_format(&r->arena, "%s_write", e->block->as.block.name);
    const char *name = base ? tni_free_block_name(r, root, base) : NULL;
    if (!name || tni_give_block(e->step, name)) return NULL;
    all[n++] = copy_nest(r, name, e->result, b, ends, ends);
  }
  const tn_stmt *s = tni_replace(r, root, top, tni_seq(r, n, all));
  if (e->pads_result) s = tni_alloc_stmt(r, e->result, s);
  for (size_t i = e->count; i > 0; i--) s = tni_alloc_stmt(r, e->operands[i - 1].made, s);
  return s;
}

tn_status tni_apply_pad_einsum(tni_step *step) {
  tn_schedule *s = step->s;
  const char *why;
  const tn_stmt *block = tni_arg_block(step, 0), *stores[TNI_MAX_STATES];
  einsum e = {.step = step, .r = &s->region, .block = block};
  if (!block) return TN_E_REFUSED;
  if (block->as.block.count > TNI_MAX_NEST) return tni_step_refuse(step, block, "there are too many loops");
  if (tni_block_stores(s->ctx, block, stores) != 1 || !(e.store = tni_block_store(block)))
    return tni_step_refuse(step, block, "the block does more than store one element to one buffer");
  const tn_stmt *top = tni_plain_nest(s, block, &why);
  if (top) why = tni_why_not_reduction(s->ctx, block);
  if (why) return tni_step_refuse(step, block, "%s", why);
  tn_status status = check_factors(&e);
  if (!status) status = check_operands(&e);
  if (!status) status = check_iters(&e);
  if (status) return status;
  const tn_stmt *made = make(&e, top);
  return made ? tni_step_accept(step, made) : TN_E_NOMEM;
}

tn_status tn_pad_einsum(tn_schedule *s, tn_block_ref block, size_t count, const int64_t *padding, size_t room,
                        tn_block_ref *out, size_t *found, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_ints(count, padding)};
  return tni_perform(s, TNI_PRIMITIVE_pad_einsum, 2, args, room, out, found, err);
}
