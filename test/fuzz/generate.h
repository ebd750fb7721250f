/* generate.h -- random functions over the whole language: every type, operator and statement, on the tensor and the loop
 * level, always with a meaning.
 *
 * What keeps them meaningful: a subscript is made to lie inside (by a remainder, by clamps, by a condition); what a
 * function allocates is filled first; inside a concurrent loop a buffer is either only read, or one dimension of it is
 * pinned to the loop's variable, between barriers the same way in all threads; what a copy is on its way to is not touched;
 * the payload of a NaN is never looked at. Sizes are small and seldom powers of two.
 *
 * The same seed gives the same function on every machine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_FUZZ_GENERATE_H
#define TEST_FUZZ_GENERATE_H

#include <math.h>

#include "ir.h"

enum { GEN_VARS = 24, GEN_PLACES = 12, GEN_SCALARS = 4, GEN_POOL = 8, GEN_MOST_LANES = 16 };

/* A buffer in scope, with what may be done here. On the loop level too its dimensions are those of the shape. */
typedef struct gen_place {
  const tn_buffer *buffer;
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  const tn_expr *pinned[TN_MAX_RANK]; /* the one subscript allowed here, or NULL: any */
  bool write;                         /* else only read */
} gen_place;

typedef struct gen_var {
  const tn_expr *x;
  int64_t extent;
  const tn_expr *pin; /* of a concurrent loop: what stands in gen_place.pinned, another value in each iteration. Else NULL */
} gen_var;

typedef struct generator {
  tni_region *r;
  uint64_t *state;
  enum tni_level level;
  int nodes;     /* how many more expression nodes the function may get */
  int names;     /* numbers the names made */
  int in_block;  /* blocks around */
  int in_vector; /* vectorized loops around */
  uint32_t bound; /* kinds of loops around that are bound to the grid */
  bool shares;    /* a shared buffer is around */
  bool apart;     /* not all threads may come here */
  bool racy;      /* now and then nothing is pinned, so that iterations may meet */
  const tn_expr *team; /* the variable of the innermost loop over threads */
  int *waits;     /* how many barriers were made */
  size_t var_count, place_count, scalar_count, pool_count;
  size_t param_scalars; /* the first so many scalars are parameters, which blocks see too */
  gen_var vars[GEN_VARS];
  gen_place places[GEN_PLACES];
  const tn_expr *scalars[GEN_SCALARS];
  const tn_expr *pool[GEN_POOL]; /* of the statement at hand: what may be shared */
} generator;

static const tn_type gen_types[] = {TN_BOOL, TN_I4,     TN_U4,     TN_I8,       TN_I16,     TN_I32,  TN_I64,
                                    TN_U8,   TN_U16,    TN_U32,    TN_U64,      TN_F16,     TN_BF16, TN_F32,
                                    TN_F64,  TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ};

/* ---- choosing ------------------------------------------------------------------------------------------------------ */

static inline uint32_t gen_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  uint32_t x = (uint32_t)(*state >> 33);
  return x ^ x >> 15;
}

/* low..high */
static inline int64_t gen_pick(generator *g, int64_t low, int64_t high) {
  return low + (int64_t)(gen_random(g->state) % (uint64_t)(high - low + 1));
}
static inline bool gen_one_in(generator *g, int64_t n) { return gen_pick(g, 1, n) == 1; }

static inline tn_type gen_type(generator *g) { return gen_types[gen_pick(g, 0, TNI_COUNT(gen_types) - 1)]; }

/* A name that was not made before, from a few stems: names may be equal to others only by mistake of the printer. */
static inline const char *gen_name(generator *g, const char *stem, char out[32]) {
  if (gen_one_in(g, 3))
    snprintf(out, 32, "%s", stem); /* the printer tells nodes of one name apart */
  else
    snprintf(out, 32, "%s%d", stem, g->names++);
  return out;
}

/* ---- constants ----------------------------------------------------------------------------------------------------- */

/* A value of the type: small, at an edge, or any bits. */
static inline tni_scalar gen_scalar(uint64_t *state, tn_type type) {
  static const double edges[] = {0.0,   -0.0,  0.5,     -1.5, 1e-8,   6e-8,     1e-40,     1e-310,   65504, 65520,
                                 1e5,   -3e38, 3.4e38,  1e39, 1e300,  INFINITY, -INFINITY, NAN,      127.5, 255.5,
                                 32768, 448,   57344.0, 1e10, 9.3e18, -9.3e18,  1.9e19,    0.333333, 88.8,  -104};
  static const int64_t ints[] = {0,   1,    -1,  2,     7,          8,           -8,        15,        31,    32, 63,
                                 127, -128, 255, 32767, 2147483647, -2147483648, INT64_MAX, INT64_MIN, 65535, 64};
  tni_scalar out = {0};
  uint64_t bits = (uint64_t)gen_random(state) << 32 | gen_random(state);
  uint32_t mode = gen_random(state) % 4;
  if (mode == 0) {
    unsigned char raw[8];
    memcpy(raw, &bits, 8);
    out = tni_read_element(type, raw, 0);
    return out;
  }
  if (tni_type_is_float(type))
    out.f = tni_round_to(type, mode == 1 ? edges[bits % TNI_COUNT(edges)] : (double)(int64_t)(bits % 33) / 4 - 4);
  else
    out.i = tni_wrap(type, mode == 1 ? ints[bits % TNI_COUNT(ints)] : (int64_t)(bits % 16) - 3);
  return out;
}

static inline const tn_expr *gen_lanes(generator *g, const tn_expr *x, uint32_t lanes) {
  return tni_broadcast(g->r, x, lanes);
}

static inline const tn_expr *gen_const(generator *g, tn_type type) {
  tn_type lane = TN_TYPE_WITH_LANES(type, 1);
  tni_scalar s = gen_scalar(g->state, lane);
  return gen_lanes(g, tni_type_is_float(lane) ? tni_const_float(g->r, lane, s.f) : tni_const_int(g->r, lane, s.i),
                   TN_TYPE_LANES(type));
}

static inline const tn_expr *gen_int(generator *g, int64_t value, uint32_t lanes) {
  return gen_lanes(g, tni_index(g->r, value), lanes);
}

/* ---- index expressions --------------------------------------------------------------------------------------------- */

static inline const tn_expr *gen_value(generator *g, tn_type type, int depth);
static inline const tn_expr *gen_below(generator *g, int64_t extent, uint32_t lanes, int depth);

static inline const tn_expr *gen_index_leaf(generator *g, uint32_t lanes) {
  if (g->var_count && !gen_one_in(g, 3))
    return gen_lanes(g, g->vars[gen_pick(g, 0, (int64_t)g->var_count - 1)].x, lanes);
  if (lanes > 1 && gen_one_in(g, 2))
    return tni_ramp(g->r, gen_int(g, gen_pick(g, -4, 9), 1), gen_int(g, gen_pick(g, -3, 4), 1), lanes);
  return gen_int(g, gen_pick(g, -9, 30), lanes);
}

/* An index of any value; small, because only constants multiply. */
static inline const tn_expr *gen_index(generator *g, uint32_t lanes, int depth) {
  static const tn_type narrow[] = {TN_I8, TN_U8, TN_I16, TN_BOOL};
  tn_type type = TN_TYPE_WITH_LANES(TN_INDEX, lanes);
  if (depth <= 0 || --g->nodes < 0) return gen_index_leaf(g, lanes);
#define INDEX gen_index(g, lanes, depth - 1)
  const tn_expr *a = INDEX;
  switch (gen_pick(g, 0, 13)) {
  case 0:
  case 1: return tni_op2(g->r, TN_OP_add, a, INDEX);
  case 2: return tni_op2(g->r, TN_OP_sub, a, INDEX);
  case 3: return tni_op2(g->r, TN_OP_mul, a, gen_int(g, gen_pick(g, -3, 5), lanes));
  case 4: return tni_op2(g->r, TN_OP_floordiv, a, gen_int(g, gen_pick(g, -3, 5), lanes));
  case 5: return tni_op2(g->r, TN_OP_floormod, a, gen_int(g, gen_pick(g, -3, 7), lanes));
  case 6: return tni_op2(g->r, gen_one_in(g, 2) ? TN_OP_div : TN_OP_mod, a, gen_int(g, gen_pick(g, -3, 5), lanes));
  case 7: return tni_op2(g->r, gen_one_in(g, 2) ? TN_OP_min : TN_OP_max, a, INDEX);
  case 8: return tni_op1(g->r, gen_one_in(g, 2) ? TN_OP_neg : TN_OP_abs, a);
  case 9: return tni_op3(g->r, TN_OP_select, gen_value(g, TN_TYPE_WITH_LANES(TN_BOOL, lanes), depth - 1), a, INDEX);
  case 10: return tni_cast(g->r, type, gen_value(g, TN_TYPE_WITH_LANES(narrow[gen_pick(g, 0, 3)], lanes), depth - 1));
  case 11: return tni_op2(g->r, gen_one_in(g, 2) ? TN_OP_floordiv : TN_OP_floormod, a, INDEX);
  default: return a;
  }
#undef INDEX
}

/* A variable whose values all lie in 0..extent, or NULL. */
static inline const tn_expr *gen_var_below(generator *g, int64_t extent) {
  size_t first = g->var_count ? (size_t)gen_pick(g, 0, (int64_t)g->var_count - 1) : 0;
  for (size_t k = 0; k < g->var_count; k++) {
    const gen_var *v = &g->vars[(first + k) % g->var_count];
    if (v->extent > 0 && v->extent <= extent) return v->x;
  }
  return NULL;
}

/* An index in 0..extent; extent > 0. */
static inline const tn_expr *gen_below(generator *g, int64_t extent, uint32_t lanes, int depth) {
  const tn_expr *var = gen_var_below(g, extent), *last = gen_int(g, extent - 1, 1);
  if (lanes > 1) {
    if (extent >= (int64_t)lanes && !gen_one_in(g, 4))
      return tni_ramp(g->r, gen_below(g, extent - lanes + 1, 1, depth), gen_int(g, 1, 1), lanes);
    if (gen_one_in(g, 3)) return gen_lanes(g, gen_below(g, extent, 1, depth), lanes);
    return tni_op2(g->r, TN_OP_floormod, gen_index(g, lanes, depth), gen_int(g, extent, lanes));
  }
  switch (gen_pick(g, 0, 7)) {
  case 0: return gen_int(g, gen_pick(g, 0, extent - 1), 1);
  case 1: return tni_op2(g->r, TN_OP_floormod, gen_index(g, 1, depth), gen_int(g, extent, 1));
  case 2: return tni_op2(g->r, TN_OP_min, tni_op2(g->r, TN_OP_max, gen_index(g, 1, depth), gen_int(g, 0, 1)), last);
  case 3: return var ? tni_sub(g->r, last, var) : last;
  default: return var ? var : gen_int(g, 0, 1);
  }
}

/* ---- accesses ------------------------------------------------------------------------------------------------------ */

static inline gen_place *gen_any_place(generator *g, bool write) {
  size_t first = g->place_count ? (size_t)gen_pick(g, 0, (int64_t)g->place_count - 1) : 0;
  for (size_t k = 0; k < g->place_count; k++) {
    gen_place *p = &g->places[(first + k) % g->place_count];
    if (p->write || !write) return p;
  }
  return NULL;
}

static inline gen_place *gen_place_of(generator *g, tn_type type) {
  size_t first = g->place_count ? (size_t)gen_pick(g, 0, (int64_t)g->place_count - 1) : 0;
  for (size_t k = 0; k < g->place_count; k++)
    if (g->places[(first + k) % g->place_count].buffer->type == type) return &g->places[(first + k) % g->place_count];
  return NULL;
}

/* Subscripts as the level has them: one a dimension, or their place in memory. */
static inline int32_t gen_flatten(generator *g, const gen_place *p, uint32_t lanes, const tn_expr **index) {
  if (g->level == TNI_LEVEL_TENSOR) return p->rank;
  const tn_expr *flat = p->rank ? index[0] : gen_int(g, 0, lanes);
  for (int32_t d = 1; d < p->rank; d++)
    flat = tni_add(g->r, tni_mul(g->r, flat, gen_int(g, p->shape[d], lanes)), index[d]);
  index[0] = flat;
  return 1;
}

/* Subscripts inside the buffer; lanes that are not equal differ in the last dimension, all from all, when `apart`. Gives how
 * many, or -1: the last dimension is too short for that. */
static inline int32_t gen_subscripts(generator *g, const gen_place *p, uint32_t lanes, bool apart,
                                     const tn_expr **index) {
  for (int32_t d = 0; d < p->rank; d++) {
    bool row = apart && lanes > 1 && d == p->rank - 1;
    if (row && (p->pinned[d] || p->shape[d] < (int64_t)lanes)) return -1;
    if (p->pinned[d])
      index[d] = gen_lanes(g, p->pinned[d], lanes);
    else if (row)
      index[d] = tni_ramp(g->r, gen_below(g, p->shape[d] - lanes + 1, 1, 2), gen_int(g, 1, 1), lanes);
    else if (apart)
      index[d] = gen_lanes(g, gen_below(g, p->shape[d], 1, 2), lanes);
    else
      index[d] = gen_below(g, p->shape[d], lanes, 2);
  }
  return apart && lanes > 1 && !p->rank ? -1 : gen_flatten(g, p, lanes, index);
}

static inline const tn_expr *gen_compare(generator *g, enum tn_op op, const tn_expr *a, int64_t b, uint32_t lanes) {
  return tni_op2(g->r, op, a, gen_int(g, b, lanes));
}

/* A neighbour of an element, or 0 beyond the edge: what padding is written as. Tensor level, one lane. */
static inline const tn_expr *gen_padded_load(generator *g, const gen_place *p) {
  const tn_expr *index[TN_MAX_RANK], *where = NULL;
  int32_t count = gen_subscripts(g, p, 1, false, index);
  for (int32_t d = 0; d < count; d++) {
    if (p->pinned[d]) continue;
    index[d] = tni_add(g->r, index[d], gen_int(g, gen_pick(g, -2, 2), 1));
    where = tni_conj(g->r, where, tni_op2(g->r, TN_OP_le, gen_int(g, 0, 1), index[d]));
    where = tni_conj(g->r, where, gen_compare(g, TN_OP_lt, index[d], p->shape[d], 1));
  }
  return tni_load(g->r, p->buffer->type, p->buffer, (size_t)count, index, where);
}

/* What masks are made of: lanes up to a number, and a condition that is the same in all lanes. */
static inline const tn_expr *gen_mask(generator *g, uint32_t lanes, int depth) {
  const tn_expr *ramp = tni_ramp(g->r, gen_int(g, gen_pick(g, -2, 2), 1), gen_int(g, gen_pick(g, -1, 2), 1), lanes);
  const tn_expr *some = gen_compare(g, TN_OP_lt, ramp, gen_pick(g, 0, lanes), lanes);
  return tni_and(g->r, gen_lanes(g, gen_value(g, TN_BOOL, depth - 1), lanes), some);
}

static inline const tn_expr *gen_load(generator *g, tn_type type, int depth) {
  const tn_expr *index[TN_MAX_RANK];
  uint32_t lanes = TN_TYPE_LANES(type);
  gen_place *p = gen_place_of(g, TN_TYPE_WITH_LANES(type, 1));
  if (!p) return NULL;
  if (g->level == TNI_LEVEL_TENSOR && gen_one_in(g, 5)) return gen_padded_load(g, p);
  int32_t count = gen_subscripts(g, p, lanes, false, index);
  if (lanes > 1 && tni_is_const(index[0]) && !p->rank) return NULL;
  const tn_expr *where = NULL;
  if (depth > 0 && gen_one_in(g, 4)) where = lanes > 1 ? gen_mask(g, lanes, depth) : gen_value(g, TN_BOOL, depth - 1);
  const tn_expr *x = tni_load(g->r, type, p->buffer, (size_t)count, index, where);
  return count ? x : gen_lanes(g, tni_load(g->r, p->buffer->type, p->buffer, 0, NULL, NULL), lanes);
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static inline const tn_expr *gen_pooled(generator *g, tn_type type) {
  for (size_t k = 0; k < g->pool_count; k++)
    if (g->pool[k]->type == type && gen_one_in(g, 2)) return g->pool[k];
  return NULL;
}

static inline const tn_expr *gen_leaf(generator *g, tn_type type) {
  uint32_t lanes = TN_TYPE_LANES(type);
  tn_type lane = TN_TYPE_WITH_LANES(type, 1);
  const tn_expr *x = gen_one_in(g, 4) ? NULL : gen_load(g, type, 0);
  for (size_t k = 0; k < g->scalar_count && !x; k++)
    if (g->scalars[k]->type == lane && gen_one_in(g, 2)) x = gen_lanes(g, g->scalars[k], lanes);
  if (!x && g->var_count && gen_one_in(g, 3)) x = tni_cast(g->r, type, gen_index(g, lanes, 1));
  return x ? x : gen_const(g, type);
}

/* What cannot be compiled. */
static inline bool gen_has_no_code(int op, tn_type type) {
  return TN_TYPE_BITS(type) == 64 && tni_ops[op].flags & TN_OPF_MATH;
}

/* Can a node of that operator have the type? Then *operand is the type of its operands. */
static inline bool gen_fits(generator *g, int op, tn_type type, tn_type *operand) {
  const char *why;
  bool compare = tni_ops[op].typing == TNI_TYPING_COMPARE;
  if (!tni_op_has_rule(op) || tni_ops[op].typing == TNI_TYPING_SELECT) return false;
  if (gen_has_no_code(op, TN_TYPE_WITH_LANES(type, 1))) return false;
  if (tni_ops[op].flags & TN_OPF_MATH && !gen_one_in(g, 4)) return false; /* much code each */
  *operand = compare ? TN_TYPE_WITH_LANES(gen_type(g), TN_TYPE_LANES(type)) : type;
  const tn_expr a = {.op = TN_OP_var, .type = *operand}, *args[] = {&a, &a, &a};
  return tni_op_type(op, args, &why) == type;
}

static inline const tn_expr *gen_op(generator *g, tn_type type, int depth) {
  tn_type operand;
  for (int tries = 0; tries < 20; tries++) {
    int op = (int)gen_pick(g, 0, TN_OP_COUNT - 1);
    const tn_expr *args[3];
    if (!gen_fits(g, op, type, &operand)) continue;
    for (int k = 0; k < tni_ops[op].arity; k++) args[k] = gen_value(g, operand, depth - 1);
    return tni_op(g->r, op, tni_ops[op].arity, args);
  }
  return gen_leaf(g, type);
}

/* The bits of a number as another type of the same size; a NaN becomes 0 first. */
static inline const tn_expr *gen_reinterpret(generator *g, tn_type type, int depth) {
  tn_type from = TN_TYPE_WITH_LANES(gen_type(g), TN_TYPE_LANES(type));
  if (TN_TYPE_BITS(from) != TN_TYPE_BITS(type) || TN_TYPE_CODE(type) == kDLBool || TN_TYPE_CODE(from) == kDLBool)
    return gen_leaf(g, type);
  const tn_expr *x = gen_value(g, from, depth - 1);
  if (tni_type_is_float(TN_TYPE_WITH_LANES(from, 1)))
    x = tni_op3(g->r, TN_OP_select, tni_op2(g->r, TN_OP_eq, x, x), x, tni_zero(g->r, from));
  return tni_reinterpret(g->r, type, x);
}

/* Lanes of one or two vectors, or numbers. */
static inline const tn_expr *gen_shuffle(generator *g, tn_type type, int depth) {
  static const uint32_t widths[] = {1, 2, 3, 4, 8};
  uint32_t list[16], lanes = TN_TYPE_LANES(type), from = widths[gen_pick(g, 0, TNI_COUNT(widths) - 1)];
  size_t operands = (size_t)gen_pick(g, 1, 2);
  const tn_expr *args[2];
  if (g->level != TNI_LEVEL_LOOP || lanes > TNI_COUNT(list)) return gen_leaf(g, type);
  for (size_t k = 0; k < operands; k++) args[k] = gen_value(g, TN_TYPE_WITH_LANES(type, from), depth - 1);
  for (uint32_t l = 0; l < lanes; l++) list[l] = (uint32_t)gen_pick(g, 0, (int64_t)operands * from - 1);
  return tni_shuffle(g->r, operands, args, lanes, list);
}

static inline const tn_expr *gen_value_fresh(generator *g, tn_type type, int depth) {
  uint32_t lanes = TN_TYPE_LANES(type);
  if (depth <= 0 || --g->nodes < 0) return gen_leaf(g, type);
  switch (gen_pick(g, 0, 12)) {
  case 0: return gen_leaf(g, type);
  case 7: return gen_shuffle(g, type, depth);
  case 1: {
    const tn_expr *c = gen_value(g, TN_TYPE_WITH_LANES(TN_BOOL, lanes), depth - 1);
    return tni_op3(g->r, TN_OP_select, c, gen_value(g, type, depth - 1), gen_value(g, type, depth - 1));
  }
  case 2:
  case 3:
    return tni_convert(g->r, gen_one_in(g, 2) ? TN_OP_cast : TN_OP_cast_sat, type,
                       gen_value(g, TN_TYPE_WITH_LANES(gen_type(g), lanes), depth - 1));
  case 4: return gen_reinterpret(g, type, depth);
  case 5: {
    const tn_expr *x = gen_load(g, type, depth);
    return x ? x : gen_leaf(g, type);
  }
  case 6: {
    const tn_expr *a = gen_index(g, lanes, depth - 1), *b = gen_index(g, lanes, depth - 1);
    if (TN_TYPE_CODE(type) != kDLBool) return tni_cast(g->r, type, a);
    if (lanes > 1 && gen_one_in(g, 2)) return gen_mask(g, lanes, depth);
    return tni_op2(g->r, gen_one_in(g, 2) ? TN_OP_lt : gen_one_in(g, 2) ? TN_OP_le : TN_OP_eq, a, b);
  }
  default: return gen_op(g, type, depth);
  }
}

static inline const tn_expr *gen_value(generator *g, tn_type type, int depth) {
  const tn_expr *x = gen_one_in(g, 5) ? gen_pooled(g, type) : NULL;
  if (x) return x;
  x = gen_value_fresh(g, type, depth);
  if (x && x->nargs && TN_TYPE_CODE(type) != TN_CODE_INDEX) {
    if (g->pool_count < GEN_POOL)
      g->pool[g->pool_count++] = x;
    else
      g->pool[gen_pick(g, 0, GEN_POOL - 1)] = x;
  }
  return x;
}

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
  if (kind < 2 && is_param) form->offset = gen_int(g, gen_pick(g, 0, 3) * (packed ? 2 : 1), 1);
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
  switch (gen_pick(g, 0, 16)) {
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

/* ---- functions ----------------------------------------------------------------------------------------------------- */

/* A function of the program's region, not added to it; NULL without memory. */
static inline const tn_func *gen_func_of(tn_program *program, const char *name, uint64_t seed, bool racy) {
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 11;
  int waits = 0;
  generator g = {.r = &program->region, .state = &state, .nodes = 60, .racy = racy, .waits = &waits};
  for (int k = 0; k < 3; k++) gen_random(&state);
  g.level = gen_one_in(&g, 3) ? TNI_LEVEL_LOOP : TNI_LEVEL_TENSOR;
  g.nodes = (int)gen_pick(&g, 4, gen_one_in(&g, 4) ? 90 : 30);
  tni_param *params = TNI_NEW_ARRAY(&g.r->arena, tni_param, 8);
  tn_func *func = TNI_NEW(&g.r->arena, tn_func);
  if (!params || !func) return NULL;
  uint32_t count = 0;
  for (int64_t k = gen_pick(&g, 1, 4); k > 0; k--) {
    g.places[g.place_count] = gen_new_place(&g, "A", TNI_SCOPE_GLOBAL);
    params[count++].buffer = g.places[g.place_count++].buffer;
  }
  for (int64_t k = gen_pick(&g, 0, 2); k > 0; k--) {
    char text[32];
    tn_type type = gen_type(&g);
    g.scalars[g.scalar_count] = tni_var(g.r, gen_name(&g, "s", text), type);
    params[count++].scalar = g.scalars[g.scalar_count++];
  }
  g.param_scalars = g.scalar_count;
  *func = (tn_func){.name = tni_arena_text(&g.r->arena, name),
                    .level = g.level,
                    .param_count = count,
                    .params = params,
                    .body = gen_stmts(&g, (int)gen_pick(&g, 1, 5)),
                    .program = program};
  return func->name && func->body ? func : NULL;
}

static inline const tn_func *gen_func(tn_program *program, const char *name, uint64_t seed) {
  return gen_func_of(program, name, seed, false);
}

#endif
