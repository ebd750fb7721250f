/* generate_stmts.h -- random statements (generate.h): stores, loops, blocks, buffers, threads that wait for each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_FUZZ_GENERATE_STMTS_H
#define TEST_FUZZ_GENERATE_STMTS_H

#include "generate_values.h"

/* ---- statements ---------------------------------------------------------------------------------------------------- */

static inline const tn_stmt *gen_stmts(generator *g, int depth);
static inline const tn_stmt *gen_stmt(generator *g, int depth);

static inline const tn_stmt *gen_store_to(generator *g, const gen_place *p, uint32_t lanes) {
  const tn_expr *index[TN_MAX_RANK];
  g->pool_count = 0;
  int32_t count = gen_subscripts(g, p, lanes, true, index);
  if (count < 0) return gen_store_to(g, p, 1);
  tn_type type = TN_TYPE_WITH_LANES(p->buffer->type, lanes);
  const tn_expr *where = gen_one_in(g, 6) ? gen_value(g, TN_TYPE_WITH_LANES(TN_BOOL, lanes), 2) : NULL;
  return tni_store(g->r, p->buffer, count, index, gen_value(g, type, (int)gen_pick(g, 1, 4)), where);
}

/* An element changed in one step. */
static inline const tn_stmt *gen_reduce(generator *g) {
  static const enum tn_op ops[] = {TN_OP_add, TN_OP_mul, TN_OP_min, TN_OP_max, TN_OP_and, TN_OP_or, TN_OP_xor};
  const tn_expr *index[TN_MAX_RANK];
  const gen_place *p = gen_any_place(g, true);
  if (!p) return tni_seq(g->r, 0, NULL);
  tn_type type = p->buffer->type;
  enum tn_op op = ops[gen_pick(g, tni_type_is_float(type) || type != TN_BOOL ? 0 : 4, tni_type_is_float(type) ? 3 : 6)];
  g->pool_count = 0;
  int32_t count = gen_subscripts(g, p, 1, true, index);
  return tni_reduce(g->r, op, p->buffer, count, index, gen_value(g, type, 2), NULL);
}

static inline const tn_stmt *gen_store(generator *g) {
  const gen_place *p = gen_any_place(g, true);
  if (!p) return tni_seq(g->r, 0, NULL);
  static const uint32_t lanes[] = {1, 1, 2, 3, 4, 5, 8, 16};
  return gen_store_to(g, p, g->level == TNI_LEVEL_LOOP ? lanes[gen_pick(g, 0, TNI_COUNT(lanes) - 1)] : 1);
}

/* Anywhere about a buffer, inside or not. */
static inline const tn_stmt *gen_prefetch(generator *g) {
  const tn_expr *index[TN_MAX_RANK];
  const gen_place *p = gen_any_place(g, false);
  if (!p || p->buffer->scope == TNI_SCOPE_REGISTER) return gen_store(g);
  int32_t count = g->level == TNI_LEVEL_LOOP ? 1 : p->rank;
  for (int32_t d = 0; d < count; d++) {
    index[d] = gen_int(g, gen_pick(g, -9, 99), 1);
    if (g->var_count && gen_one_in(g, 2)) index[d] = tni_add(g->r, g->vars[gen_pick(g, 0, (int64_t)g->var_count - 1)].x, index[d]);
  }
  return tni_prefetch(g->r, p->buffer, count, index);
}

static inline void gen_add_var(generator *g, const tn_expr *x, int64_t extent, bool pins) {
  if (g->var_count < GEN_VARS) g->vars[g->var_count++] = (gen_var){x, extent, pins ? x : NULL};
}

/* Inside a concurrent loop a buffer has a dimension pinned to the variable, or is only read. */
static inline void gen_pin(generator *g, const tn_expr *var, int64_t extent) {
  if (g->racy && gen_one_in(g, 3)) return;
  for (size_t k = 0; k < g->place_count; k++) {
    gen_place *p = &g->places[k];
    int32_t d = p->rank ? (int32_t)gen_pick(g, 0, p->rank - 1) : 0;
    if (!p->write) continue;
    p->write = p->rank && !p->pinned[d] && p->shape[d] >= extent && !gen_one_in(g, 4);
    if (p->write) p->pinned[d] = var;
  }
}

static inline enum tni_loop_kind gen_loop_kind(generator *g) {
  int64_t k = gen_pick(g, 0, 9);
  if (k == 0) return TNI_PARALLEL;
  if (k == 4) return TNI_OUTLINED;
  if (g->level == TNI_LEVEL_LOOP) return TNI_SERIAL;
  int64_t axis = gen_pick(g, g->bound >> TNI_THREAD_X || g->shares ? TNI_THREAD_X : TNI_BLOCK_X, TNI_THREAD_Z);
  if (k == 3 && !(g->bound >> axis & 1)) return (enum tni_loop_kind)axis;
  return k == 1 ? TNI_VECTORIZED : k == 2 ? TNI_UNROLLED : TNI_SERIAL;
}

static inline const tn_stmt *gen_for(generator *g, int depth) {
  generator inner = *g;
  char name[32];
  enum tni_loop_kind kind = gen_loop_kind(g);
  int64_t extent = gen_pick(g, !tni_is_concurrent(kind) && gen_one_in(g, 12) ? 0 : 1, 6);
  if (inner.var_count == GEN_VARS) return gen_store(g);
  const tn_expr *var = tni_var(g->r, gen_name(g, "i", name), TN_INDEX);
  inner.names = g->names;
  bool concurrent = tni_is_concurrent(kind), bound = tni_is_bound(kind);
  gen_add_var(&inner, var, extent, concurrent);
  inner.in_vector += kind == TNI_VECTORIZED;
  inner.bound |= bound ? UINT32_C(1) << kind : 0;
  inner.apart |= kind == TNI_PARALLEL || kind == TNI_VECTORIZED;
  if (bound && !(g->bound >> TNI_THREAD_X)) inner.apart = g->in_block;
  if (tni_is_thread_bound(kind)) inner.team = var;
  if (concurrent) gen_pin(&inner, var, extent);
  const tn_stmt *body = gen_stmts(&inner, depth - 1);
  g->nodes = inner.nodes;
  g->names = inner.names;
  return tni_for(g->r, var, bound ? tni_index(g->r, extent) : gen_int(g, extent, 1), kind, body);
}

static inline const tn_stmt *gen_if(generator *g, int depth) {
  g->pool_count = 0;
  bool apart = g->apart, same = g->param_scalars && gen_one_in(g, 3);
  const tn_expr *scalar = g->scalars[0]; /* a parameter is the same in all threads */
  const tn_expr *cond = same ? tni_op2(g->r, TN_OP_ne, scalar, gen_const(g, scalar->type)) : gen_value(g, TN_BOOL, 2);
  g->apart |= !same;
  const tn_stmt *then = gen_stmts(g, depth - 1), *otherwise = gen_one_in(g, 2) ? gen_stmts(g, depth - 1) : NULL;
  g->apart = apart;
  return tni_if(g->r, cond, then, otherwise);
}

/* Every element of the buffer = a value, by loops of its own. */
static inline const tn_stmt *gen_fill(generator *g, const gen_place *p) {
  const tn_expr *vars[TN_MAX_RANK], *index[TN_MAX_RANK];
  generator inner = *g;
  inner.pool_count = 0;
  for (int32_t d = 0; d < p->rank; d++) {
    index[d] = vars[d] = tni_var(g->r, "f", TN_INDEX);
    gen_add_var(&inner, vars[d], p->shape[d], false);
  }
  int32_t count = gen_flatten(g, p, 1, index);
  const tn_stmt *s = tni_store(g->r, p->buffer, count, index, gen_value(&inner, p->buffer->type, 1), NULL);
  for (int32_t d = p->rank - 1; d >= 0; d--) s = tni_for(g->r, vars[d], gen_int(g, p->shape[d], 1), TNI_SERIAL, s);
  return s;
}

/* Where the elements stand: strides with gaps, dimensions in another order, a layout of tiles; an offset of a parameter. */
static inline const tn_buffer *gen_form(generator *g, tn_buffer *form, bool is_param) {
  const tn_expr *strides[TN_MAX_RANK], *vars[TN_MAX_RANK], *index[TN_MAX_RANK];
  int64_t step = gen_pick(g, 1, 2), kind = gen_pick(g, 0, 5);
  bool packed = tni_type_is_packed(form->type);
  for (int32_t d = 0; d < form->rank; d++) index[d] = vars[d] = tni_var(g->r, "l", TN_INDEX);
  if (kind == 0 && form->rank) { /* the last dimension in tiles, before the others */
    const tn_expr *two = gen_int(g, 2, 1), *last = vars[form->rank - 1];
    for (int32_t d = form->rank; d > 0; d--) index[d] = d == form->rank ? tni_op2(g->r, TN_OP_floormod, last, two) : vars[d - 1];
    index[0] = tni_op2(g->r, TN_OP_floordiv, last, two);
    form->layout = tni_layout_make(g->r, form->rank, form->shape, vars, form->rank + 1, index);
  }
  if (kind == 1) {
    bool backwards = gen_one_in(g, 2);
    for (int32_t k = 0; k < form->rank; k++) {
      int32_t d = backwards ? k : form->rank - 1 - k;
      strides[d] = gen_int(g, step, 1);
      step = step * form->shape[d]->as.i + gen_pick(g, 0, 2);
    }
    form->strides = strides;
  }
  if (kind < 2 && is_param) form->offset = gen_int(g, gen_pick(g, 0, 3) * (packed ? 8 / TN_TYPE_BITS(form->type) : 1), 1);
  if (form->offset && tni_is_int(form->offset, 0)) form->offset = NULL;
  return tni_buffer_make(g->r, form);
}

static inline gen_place gen_new_place(generator *g, const char *stem, enum tni_scope scope) {
  bool flat = g->level == TNI_LEVEL_LOOP && *stem == 'T'; /* what a loop-level function allocates has one dimension */
  gen_place p = {.rank = flat ? 1 : (int32_t)gen_pick(g, 0, 3), .write = true};
  char name[32];
  tn_buffer form = {.name = gen_name(g, stem, name), .type = gen_type(g), .scope = scope, .rank = p.rank};
  for (int32_t d = 0; d < p.rank; d++) {
    p.shape[d] = gen_pick(g, 1, d == p.rank - 1 && gen_one_in(g, 2) ? 19 : 6);
    form.shape[d] = gen_int(g, p.shape[d], 1);
  }
  p.buffer = flat ? tni_buffer_make(g->r, &form) : gen_form(g, &form, *stem == 'A');
  return p;
}

static inline const tn_stmt *gen_alloc(generator *g, int depth) {
  generator inner = *g;
  if (g->place_count == GEN_PLACES) return gen_store(g);
  inner.shares |= g->level == TNI_LEVEL_TENSOR && !(g->bound >> TNI_THREAD_X) && gen_one_in(g, 2);
  enum tni_scope scope = inner.shares && !g->shares ? TNI_SCOPE_SHARED : gen_one_in(g, 2) ? TNI_SCOPE_GLOBAL : TNI_SCOPE_LOCAL;
  gen_place p = gen_new_place(&inner, "T", scope);
  const tn_stmt *parts[2] = {gen_fill(&inner, &p)};
  inner.places[inner.place_count++] = p;
  parts[1] = gen_stmts(&inner, depth - 1);
  g->nodes = inner.nodes;
  g->names = inner.names;
  return tni_alloc_stmt(g->r, p.buffer, tni_seq(g->r, 2, parts));
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

/* The body sees the iterators only: what is pinned to a loop around gets an iterator that carries its variable. */
static inline int32_t gen_carry_pins(const generator *g, generator *inner, tni_iter *iters) {
  int32_t count = 0;
  inner->var_count = 0;
  inner->scalar_count = g->param_scalars;
  for (size_t k = 0; k < g->var_count; k++) {
    if (!g->vars[k].pin) continue;
    const tn_expr *var = tni_var(g->r, "p", TN_INDEX);
    iters[count++] = (tni_iter){var, tni_index(g->r, g->vars[k].extent), g->vars[k].pin, false};
    gen_add_var(inner, var, g->vars[k].extent, true);
    for (size_t n = 0; n < inner->place_count; n++)
      for (int32_t d = 0; d < inner->places[n].rank; d++)
        if (inner->places[n].pinned[d] == g->vars[k].pin) inner->places[n].pinned[d] = var;
  }
  return count;
}

/* The place has one element that does not move with the variable: an accumulator. */
static inline const tn_stmt *gen_accumulate(generator *g, const gen_place *p, size_t spatial, const tn_stmt **init) {
  const tn_expr *index[TN_MAX_RANK];
  size_t all = g->var_count;
  tn_type type = p->buffer->type;
  g->pool_count = 0;
  g->var_count = spatial;
  int32_t count = gen_subscripts(g, p, 1, true, index);
  *init =
      tni_store(g->r, p->buffer, count, index, gen_one_in(g, 3) ? gen_value(g, type, 1) : tni_zero(g->r, type), NULL);
  g->var_count = all;
  g->pool_count = 0;
  const tn_expr *now = tni_load(g->r, type, p->buffer, (size_t)count, index, NULL), *x = gen_value(g, type, 2);
  enum tn_op op = type == TN_BOOL ? TN_OP_or : gen_one_in(g, 2) ? TN_OP_add : TN_OP_max;
  if (tni_type_is_float(type) && !gen_has_no_code(TN_OP_fma, type) && gen_one_in(g, 2))
    now = tni_op3(g->r, TN_OP_fma, x, gen_value(g, type, 1), now);
  else
    now = tni_op2(g->r, op, now, x);
  return tni_store(g->r, p->buffer, count, index, now, NULL);
}

/* Loops, and a block over them: iterators are bound to a loop, to a loop backwards, to two loops (cut by a condition), or to
 * an expression of what is around. */
static inline const tn_stmt *gen_block(generator *g, int depth) {
  generator inner = *g;
  tni_iter iters[GEN_VARS];
  const tn_expr *loops[8], *where = NULL;
  int64_t extents[8];
  int32_t count = gen_carry_pins(g, &inner, iters), made = (int32_t)gen_pick(g, 0, 3), loop_count = 0;
  bool reduce = made && gen_one_in(g, 3);
  if (g->var_count + 8 > GEN_VARS) return gen_store(g);
  size_t spatial = inner.var_count;
  for (int32_t k = 0; k < made; k++) {
    char name[32];
    int64_t extent = gen_pick(g, 1, 6), part = gen_pick(g, 1, 4);
    const tn_expr *binding, *outer = tni_var(g->r, gen_name(g, "i", name), TN_INDEX);
    loops[loop_count] = outer;
    extents[loop_count++] = extent;
    switch (gen_pick(g, 0, 5)) {
    case 0: binding = tni_sub(g->r, gen_int(g, extent - 1, 1), outer); break;
    case 1:
      extents[loop_count - 1] = (extent + part - 1) / part;
      loops[loop_count] = tni_var(g->r, "j", TN_INDEX);
      extents[loop_count] = part;
      binding = tni_add(g->r, tni_mul(g->r, outer, gen_int(g, part, 1)), loops[loop_count++]);
      if (extent % part) where = tni_conj(g->r, where, gen_compare(g, TN_OP_lt, binding, extent, 1));
      break;
    case 2: binding = gen_below(g, extent, 1, 2); break;
    default: binding = outer; break;
    }
    bool last = reduce && k == made - 1;
    const tn_expr *var = tni_var(g->r, gen_name(g, "v", name), TN_INDEX);
    iters[count++] = (tni_iter){var, gen_int(g, extent, 1), binding, last};
    gen_add_var(&inner, var, extent, false);
    if (!last) spatial = inner.var_count;
  }
  inner.names = g->names + 1;
  inner.in_block++;
  inner.apart = true;
  const tn_stmt *init = NULL, *body = NULL;
  const gen_place *p = gen_any_place(&inner, true);
  if (reduce && p)
    body = gen_accumulate(&inner, p, spatial, &init);
  else
    body = gen_stmts(&inner, depth - 1);
  char name[32];
  snprintf(name, sizeof name, "B%d", g->names);
  g->nodes = inner.nodes;
  g->names = inner.names;
  const tn_stmt *s = tni_block(g->r, name, count, iters, where, init, body);
  for (int32_t k = loop_count - 1; k >= 0; k--) s = tni_for(g->r, loops[k], gen_int(g, extents[k], 1), TNI_SERIAL, s);
  return s;
}

/* let x = value, of any type; an index among the variables when it is known to be small. */
static inline const tn_stmt *gen_let(generator *g, int depth) {
  generator inner = *g;
  char name[32];
  bool counts = gen_one_in(g, 2);
  int64_t extent = gen_pick(g, 1, 6);
  if (inner.var_count == GEN_VARS || inner.scalar_count == GEN_SCALARS) return gen_store(g);
  g->pool_count = 0;
  tn_type type = counts ? TN_INDEX : gen_type(g);
  const tn_expr *value = counts ? gen_below(g, extent, 1, 3) : gen_value(g, type, 3);
  const tn_expr *var = tni_var(g->r, gen_name(g, "x", name), type);
  if (counts)
    gen_add_var(&inner, var, extent, false);
  else
    inner.scalars[inner.scalar_count++] = var;
  inner.nodes = g->nodes;
  inner.names = g->names;
  const tn_stmt *body = gen_stmts(&inner, depth - 1);
  g->nodes = inner.nodes;
  g->names = inner.names;
  return tni_let(g->r, var, value, body);
}

/* A counter in memory, and a loop while it is small. */
static inline const tn_stmt *gen_while(generator *g, int depth) {
  char name[32];
  const tn_expr *one = gen_int(g, 1, 1), *zero = gen_int(g, 0, 1), *step = tni_const_int(g->r, TN_U8, 1);
  const tn_buffer *counter = tni_buffer(g->r, gen_name(g, "n", name), TN_U8, TNI_SCOPE_LOCAL, 1, &one);
  const tn_expr *now = tni_load(g->r, TN_U8, counter, 1, &zero, NULL);
  const tn_expr *most = tni_const_int(g->r, TN_U8, gen_pick(g, 0, 3));
  bool apart = g->apart;
  g->apart = true;
  const tn_stmt *body[] = {gen_stmts(g, depth - 1), tni_store(g->r, counter, 1, &zero, tni_add(g->r, now, step), NULL)};
  g->apart = apart;
  const tn_stmt *parts[] = {tni_store(g->r, counter, 1, &zero, tni_zero(g->r, TN_U8), NULL),
                            tni_while(g->r, tni_op2(g->r, TN_OP_lt, now, most), tni_seq(g->r, 2, body))};
  return tni_alloc_stmt(g->r, counter, tni_seq(g->r, 2, parts));
}

/* A claim that is true: about a variable, or a value compared with itself. */
static inline const tn_stmt *gen_claim(generator *g, int depth) {
  g->pool_count = 0;
  const gen_var *v = g->var_count ? &g->vars[gen_pick(g, 0, (int64_t)g->var_count - 1)] : NULL;
  const tn_expr *x = gen_value(g, TN_I32, 2);
  const tn_expr *cond = v && gen_one_in(g, 2)
                            ? gen_compare(g, TN_OP_lt, v->x, v->extent, 1)
                            : tni_op2(g->r, TN_OP_le, x, tni_op2(g->r, TN_OP_max, x, gen_const(g, TN_I32)));
  const char *message = gen_one_in(g, 2) ? "this \"holds\"" : NULL;
  return tni_claim(g->r, cond, message, gen_stmts(g, depth - 1));
}

/* The threads wait for each other; from then on each has what another had, until the end of the list (gen_stmts). */
static inline const tn_stmt *gen_barrier(generator *g) {
  gen_var *v = g->vars;
  bool shared = gen_one_in(g, 4); /* which brings nothing new of other memory */
  if (!g->team || g->apart) return gen_store(g);
  ++*g->waits;
  while (v->x != g->team) v++;
  const tn_expr *old = v->pin, *last = gen_int(g, v->extent - 1, 1);
  if (shared) return tni_barrier(g->r, TNI_SCOPE_SHARED);
  v->pin = gen_one_in(g, 3) ? v->x
           : gen_one_in(g, 2)
               ? tni_sub(g->r, last, v->x)
               : tni_op2(g->r, TN_OP_floormod, tni_add(g->r, v->x, gen_int(g, gen_pick(g, 1, 5), 1)), gen_int(g, v->extent, 1));
  for (size_t k = 0; k < g->place_count; k++)
    for (int32_t d = 0; d < g->places[k].rank; d++)
      if (g->places[k].pinned[d] == old) g->places[k].pinned[d] = v->pin;
  return tni_barrier(g->r, TNI_SCOPE_GLOBAL);
}

/* A copy, and what is done until it is waited for: nothing that looks at where it goes, or changes where it comes from. */
static inline const tn_stmt *gen_copy(generator *g, int depth) {
  generator inner = *g;
  const tn_expr *index[TN_MAX_RANK];
  gen_place *to = gen_any_place(&inner, true);
  uint32_t lanes = g->level == TNI_LEVEL_LOOP && gen_one_in(g, 2) ? 4 : 1;
  if (!to) return gen_store(g);
  inner.pool_count = 0;
  int32_t count = gen_subscripts(&inner, to, lanes, true, index);
  const tn_expr *from = count < 0 ? NULL : gen_load(&inner, TN_TYPE_WITH_LANES(to->buffer->type, lanes), 2);
  if (!from || from->op != TN_OP_load || (lanes > 1 && from->as.buffer == to->buffer)) return gen_store(g);
  const tn_expr *where = gen_one_in(g, 4) ? gen_value(&inner, TN_TYPE_WITH_LANES(TN_BOOL, lanes), 1) : NULL;
  const tn_stmt *parts[6] = {tni_copy(g->r, to->buffer, count, index, from, where), tni_commit(g->r)};
  for (size_t k = 0; k < inner.place_count; k++) inner.places[k].write &= inner.places[k].buffer != from->as.buffer;
  *to = inner.places[--inner.place_count];
  inner.pool_count = 0;
  parts[2] = gen_stmts(&inner, depth - 1);
  int32_t later = (int32_t)gen_pick(g, 0, 2), n = 3;
  for (int32_t k = 0; k < later; k++) parts[n++] = tni_commit(g->r);
  parts[n++] = tni_wait(g->r, later);
  g->nodes = inner.nodes;
  g->names = inner.names;
  return tni_seq(g->r, n, parts);
}

/* The threads of a block, which wait for each other after each thing they do; with a buffer that they share. */
static inline const tn_stmt *gen_team(generator *g, int depth) {
  generator inner = *g;
  char name[32];
  const tn_stmt *items[8], *parts[2];
  int32_t count = (int32_t)gen_pick(g, 2, 4);
  int64_t extent = gen_pick(g, 2, 6);
  enum tni_loop_kind kind = (enum tni_loop_kind)gen_pick(g, TNI_THREAD_X, TNI_THREAD_Z);
  if (g->var_count == GEN_VARS || g->place_count == GEN_PLACES) return gen_store(g);
  const tn_expr *var = tni_var(g->r, gen_name(&inner, "t", name), TN_INDEX);
  gen_place shared = gen_new_place(&inner, "S", TNI_SCOPE_SHARED);
  parts[0] = gen_fill(&inner, &shared);
  inner.places[inner.place_count++] = shared;
  gen_add_var(&inner, var, extent, true);
  gen_pin(&inner, var, extent);
  inner.bound |= UINT32_C(1) << kind;
  inner.team = var;
  for (int32_t k = 0; k < count; k++) {
    items[2 * k] = gen_stmt(&inner, depth - 1);
    items[2 * k + 1] = gen_barrier(&inner);
  }
  g->nodes = inner.nodes;
  g->names = inner.names;
  parts[1] = tni_for(g->r, var, tni_index(g->r, extent), kind, tni_seq(g->r, 2 * count, items));
  return tni_alloc_stmt(g->r, shared.buffer, tni_seq(g->r, 2, parts));
}

static inline const tn_stmt *gen_stmt(generator *g, int depth) {
  if (depth <= 0 || g->nodes <= 0) return gen_one_in(g, 5) ? gen_barrier(g) : gen_store(g);
  switch (gen_pick(g, 0, 17)) {
  case 17: return gen_prefetch(g);
  case 14: return gen_barrier(g);
  case 15: return g->level == TNI_LEVEL_LOOP || g->team || g->in_block ? gen_barrier(g) : gen_team(g, depth);
  case 16: return gen_copy(g, depth);
  case 13: return gen_reduce(g);
  case 12: return gen_while(g, depth);
  case 10: return gen_let(g, depth);
  case 11: return gen_claim(g, depth);
  case 0:
  case 1:
  case 2: return gen_for(g, depth);
  case 3: return gen_if(g, depth);
  case 4: return gen_alloc(g, depth);
  case 5:
  case 6: return g->level == TNI_LEVEL_TENSOR && g->in_block < 2 ? gen_block(g, depth) : gen_for(g, depth);
  default: return gen_store(g);
  }
}

/* A list with a barrier in it ends with one, so that behind it each thread has again what it had before. */
static inline const tn_stmt *gen_stmts(generator *g, int depth) {
  const tn_stmt *items[4];
  generator before = *g;
  int32_t count = (int32_t)gen_pick(g, 1, 3), waits = *g->waits;
  for (int32_t k = 0; k < count; k++) items[k] = gen_stmt(g, depth);
  if (*g->waits > waits && g->team && !g->apart) items[count++] = tni_barrier(g->r, TNI_SCOPE_GLOBAL);
  memcpy(g->places, before.places, sizeof g->places);
  memcpy(g->vars, before.vars, sizeof g->vars);
  return tni_seq(g->r, count, items);
}

#endif
