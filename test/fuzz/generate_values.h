/* generate_values.h -- random expressions (generate.h): constants, subscripts that lie inside, loads, values of every type.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_FUZZ_GENERATE_VALUES_H
#define TEST_FUZZ_GENERATE_VALUES_H

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

static const tn_type gen_types[] = {TN_BOOL, TN_I2, TN_U2, TN_I4,     TN_U4,     TN_I8,       TN_I16,     TN_I32,  TN_I64,
                                    TN_U8,   TN_U16,    TN_U32,    TN_U64,      TN_F16,     TN_BF16, TN_F32,
                                    TN_F64,  TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ, TN_F4E2M1};

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

#endif
