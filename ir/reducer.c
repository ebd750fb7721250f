/* reducer.c -- reducers: from where they start, how they take one more value, and which of them a block is.
 *
 *     sum       s = s + x                    for floating products: s = fma(a, b, s)
 *     argmax    (s, j) takes (x, i) when      s < x  ||  j after i and (x == s or both are NaN)  ||  x alone is NaN
 *
 * So an argmax is a maximum in a total order of pairs: the larger value; of equal ones the one with the smaller index; NaN above
 * all numbers. It gives the same whatever the order of its steps.
 *
 * A block is a reduction when its body gives each of its states (an element of a buffer of its own, all with the same
 * subscripts) a new value at once, from the states and from what is reduced:
 *
 *     [let ...]  S0[i...] = next0  [S1[i...] = next1 ...]
 *
 * needs: stores without conditions; no store behind another one that it reads; states read where they are stored only
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

const tni_reducer tni_reducers[TN_REDUCE_COUNT] = {
#define ROW(enumerator, name, op, states, meaning) {#name, TN_OP_##op, states},
    TN_REDUCERS(ROW)
#undef ROW
};

/* ---- the table's rows -------------------------------------------------------------------------------------------- */

const char *tni_check_reducer(enum tn_reducer reducer, tn_type type) {
  if ((unsigned)reducer >= TN_REDUCE_COUNT) return "there is no such reducer";
  enum tn_op op = tni_reducers[reducer].op;
  bool bits = op == TN_OP_and || op == TN_OP_or || op == TN_OP_xor;
  if (type == TN_BOOL && !bits) return "this reducer works on numbers";
  return tni_type_is_float(type) && bits ? "this reducer works on integers and bools" : NULL;
}

static int64_t int_limit(tn_type type, bool largest) {
  uint32_t bits = TN_TYPE_BITS(type);
  if (!tni_type_is_signed(type)) return largest ? tni_wrap(type, -1) : 0;
  int64_t max = (int64_t)(~UINT64_C(0) >> (65 - bits));
  return largest ? max : -max - 1;
}

static const tn_expr *limit_of(tni_region *r, tn_type type, bool largest) {
  if (!tni_type_is_float(type)) return tni_const_int(r, type, int_limit(type, largest));
  return tni_const_float(r, type, largest ? tni_float_highest(type) : -tni_float_highest(type));
}

const tn_expr *tni_reducer_identity(tni_region *r, enum tn_reducer reducer, int32_t state, tn_type type) {
  if (state == 1) return limit_of(r, type, true); /* of an index: any other is smaller */
  switch (reducer) {
  case TN_REDUCE_PRODUCT: return tni_type_is_float(type) ? tni_const_float(r, type, 1) : tni_const_int(r, type, 1);
  case TN_REDUCE_MIN:
  case TN_REDUCE_ARGMIN: return limit_of(r, type, true);
  case TN_REDUCE_MAX:
  case TN_REDUCE_ARGMAX: return limit_of(r, type, false);
  case TN_REDUCE_ALL: return tni_const_int(r, type, type == TN_BOOL ? 1 : -1);
  default: return tni_zero(r, type);
  }
}

/* Does (x, i) come before (s, j)? */
static const tn_expr *is_better(tni_region *r, bool max, const tn_expr *s, const tn_expr *j, const tn_expr *x,
                                const tn_expr *i) {
  const tn_expr *better = tni_op2(r, TN_OP_lt, max ? s : x, max ? x : s);
  const tn_expr *same = tni_op2(r, TN_OP_eq, x, s), *first = tni_op2(r, TN_OP_lt, i, j);
  if (!better || !same || !first) return NULL;
  if (!tni_type_is_float(x->type)) return tni_op2(r, TN_OP_or, better, tni_and(r, same, first));
  const tn_expr *nan = tni_op2(r, TN_OP_ne, x, x), *number = tni_op2(r, TN_OP_eq, s, s);
  const tn_expr *tie = tni_and(r, tni_op2(r, TN_OP_or, same, nan), first);
  return tni_op2(r, TN_OP_or, tni_op2(r, TN_OP_or, better, tie), tni_and(r, nan, number));
}

bool tni_reducer_step(tni_region *r, enum tn_reducer reducer, const tn_expr *const *state, const tn_expr *const *value,
                      const tn_expr **out) {
  const tni_reducer *row = &tni_reducers[reducer];
  if (row->states == 2) {
    const tn_expr *better = is_better(r, reducer == TN_REDUCE_ARGMAX, state[0], state[1], value[0], value[1]);
    for (int k = 0; k < 2; k++) out[k] = tni_op3(r, TN_OP_select, better, value[k], state[k]);
    return out[0] && out[1];
  }
  if (row->op == TN_OP_add && tni_type_is_float(state[0]->type) && value[0]->op == TN_OP_mul)
    out[0] = tni_op3(r, TN_OP_fma, value[0]->arg[0], value[0]->arg[1], state[0]);
  else
    out[0] = tni_op2(r, row->op, state[0], value[0]);
  return out[0] != NULL;
}

/* ---- the states of a block ----------------------------------------------------------------------------------------- */

static bool same_element(const tn_stmt *a, const tn_stmt *b) {
  return a->as.store.count == b->as.store.count &&
         memcmp(a->as.store.index, b->as.store.index, (size_t)a->as.store.count * sizeof(void *)) == 0;
}

/* The stores of a list, each to a buffer of its own, all to the same subscripts. 0: that is not what it is. */
static int32_t list_stores(const tn_stmt *s, const tn_stmt **out) {
  const tn_stmt *const *items = s->kind == TNI_SEQ ? s->as.seq.stmts : &s;
  int32_t count = s->kind == TNI_SEQ ? s->as.seq.count : 1;
  if (count > TNI_MAX_STATES) return 0;
  for (int32_t k = 0; k < count; k++) {
    if (items[k]->kind != TNI_STORE || items[k]->as.store.where || !same_element(items[k], items[0])) return 0;
    for (int32_t j = 0; j < k; j++)
      if (items[j]->as.store.buffer == items[k]->as.store.buffer) return 0;
    out[k] = items[k];
  }
  return count;
}

int32_t tni_block_stores(tn_context *ctx, const tn_stmt *block, const tn_stmt **out) {
  const tn_stmt *s = block->as.block.body;
  while (s->kind == TNI_LET) s = s->as.let.body;
  int32_t count = list_stores(s, out);
  for (s = block->as.block.body; count && s->kind == TNI_LET; s = s->as.let.body)
    for (int32_t i = 0; i < out[0]->as.store.count; i++)
      if (tni_expr_uses(ctx, out[0]->as.store.index[i], s->as.let.var)) return 0;
  return count;
}

/* What init stores to the buffer of `store`, at its subscripts; NULL: nothing. */
static const tn_stmt *init_of(const tn_stmt *store, int32_t count, const tn_stmt *const *inits) {
  for (int32_t i = 0; i < count; i++)
    if (inits[i]->as.store.buffer == store->as.store.buffer && same_element(inits[i], store)) return inits[i];
  return NULL;
}

bool tni_init_fits(tn_context *ctx, const tn_stmt *block) {
  const tn_stmt *stores[TNI_MAX_STATES], *inits[TNI_MAX_STATES];
  int32_t count = tni_block_stores(ctx, block, stores);
  if (!count || !block->as.block.init || list_stores(block->as.block.init, inits) != count) return false;
  for (int32_t k = 0; k < count; k++)
    if (!init_of(stores[k], count, inits)) return false;
  return true;
}

typedef struct state_search {
  const tni_reduction *of;
  int32_t first, end; /* the states looked for */
  bool found, elsewhere;
} state_search;

static void see_state(void *self, const tn_expr *x) {
  state_search *q = self;
  if (x->op != TN_OP_load) return;
  for (int32_t k = q->first; k < q->end; k++) {
    const tn_stmt *store = q->of->stores[k];
    if (x->as.buffer != store->as.store.buffer) continue;
    q->found = true;
    q->elsewhere |= tni_load_where(x) || memcmp(x->arg, store->as.store.index, (size_t)x->nargs * sizeof(void *)) != 0;
  }
}

/* Which of the states first..end does x read? */
static state_search look_for_states(const tni_reduction *of, tn_context *ctx, const tn_expr *x, int32_t first,
                                    int32_t end) {
  state_search q = {.of = of, .first = first, .end = end};
  tni_expr_visit(ctx, x, see_state, &q);
  return q;
}

/* The new values with all lets put in. */
static bool resolve_lets(tni_region *r, const tn_stmt *block, tni_reduction *out) {
  const tn_expr *vars[TNI_MAX_REDUCTION_LETS], *values[TNI_MAX_REDUCTION_LETS];
  tni_subst lets = {0, vars, values};
  for (const tn_stmt *s = block->as.block.body; s->kind == TNI_LET; s = s->as.let.body) {
    if (lets.count == TNI_MAX_REDUCTION_LETS) return false;
    vars[lets.count] = s->as.let.var;
    values[lets.count] = tni_expr_subst(r, s->as.let.value, &lets);
    if (!values[lets.count++]) return false;
  }
  for (int32_t k = 0; k < out->count; k++)
    if (!(out->next[k] = tni_expr_subst(r, out->stores[k]->as.store.value, &lets))) return false;
  return true;
}

/* Do the states change at once, each read at its element only? */
static bool changes_at_once(const tni_reduction *of, tn_context *ctx) {
  for (int32_t k = 0; k < of->count; k++)
    if (look_for_states(of, ctx, of->stores[k]->as.store.value, 0, k).found ||
        look_for_states(of, ctx, of->next[k], 0, of->count).elsewhere)
      return false;
  return true;
}

/* Finds what init stores to each state. */
static bool match_init(const tn_stmt *block, tn_context *ctx, tni_reduction *of) {
  const tn_stmt *inits[TNI_MAX_STATES];
  if (!block->as.block.init) return true;
  if (!tni_init_fits(ctx, block)) return false;
  list_stores(block->as.block.init, inits);
  for (int32_t k = 0; k < of->count; k++) {
    of->inits[k] = init_of(of->stores[k], of->count, inits);
    if (look_for_states(of, ctx, of->inits[k]->as.store.value, 0, of->count).found) return false;
  }
  return true;
}

/* ---- which reducer ----------------------------------------------------------------------------------------------- */

/* acc = op(acc, x), where x does not read the states: the row of op, or -1. A difference is a sum. */
static int row_of_state(const tni_reduction *of, tn_context *ctx, int32_t k) {
  const tn_expr *x = of->next[k];
  size_t at = x->op == TN_OP_fma ? 2 : 0, end = x->op == TN_OP_fma ? 3 : x->op == TN_OP_sub ? 1 : 2;
  enum tn_op op = x->op == TN_OP_fma || x->op == TN_OP_sub ? TN_OP_add : (enum tn_op)x->op;
  int row = 0;
  while (row < TN_REDUCE_COUNT && (tni_reducers[row].states != 1 || tni_reducers[row].op != op)) row++;
  for (; row < TN_REDUCE_COUNT && at < end; at++) {
    const tn_expr *acc = x->arg[at];
    if (acc->op != TN_OP_load || acc->as.buffer != of->stores[k]->as.store.buffer) continue;
    bool again = false;
    for (size_t i = 0; i < x->nargs; i++) again |= i != at && look_for_states(of, ctx, x->arg[i], 0, of->count).found;
    return again ? -1 : row;
  }
  return -1;
}

static bool is_step(tni_region *r, const tni_reduction *of, enum tn_reducer reducer, int32_t best, int32_t at) {
  const tn_expr *x = of->next[best], *i = of->next[at], *made[2];
  if (x->op != TN_OP_select || i->op != TN_OP_select) return false;
  const tn_expr *state[] = {x->arg[2], i->arg[2]}, *value[] = {x->arg[1], i->arg[1]};
  if (state[0]->op != TN_OP_load || state[0]->as.buffer != of->stores[best]->as.store.buffer ||
      state[1]->op != TN_OP_load || state[1]->as.buffer != of->stores[at]->as.store.buffer)
    return false;
  for (int k = 0; k < 2; k++)
    if (look_for_states(of, r->arena.ctx, value[k], 0, of->count).found) return false;
  return tni_reducer_step(r, reducer, state, value, made) && made[0] == x && made[1] == i;
}

static void classify(tni_region *r, tni_reduction *of) {
  tn_context *ctx = r->arena.ctx;
  of->reducer = -1;
  of->any_order = true;
  for (int32_t k = 0; k < of->count; k++) {
    int row = row_of_state(of, ctx, k);
    of->rows[k] = row;
    of->any_order &= row >= 0;
    if (of->count == 1) of->reducer = row;
  }
  for (int swap = 0; of->count == 2 && swap < 2; swap++)
    for (int row = TN_REDUCE_ARGMIN; row <= TN_REDUCE_ARGMAX; row++)
      if (is_step(r, of, (enum tn_reducer)row, swap, !swap)) {
        of->reducer = row;
        of->rows[swap] = 0;
        of->rows[!swap] = 1;
        of->any_order = true;
      }
}

bool tni_reducer_of(tni_region *r, const tn_stmt *block, tni_reduction *out) {
  tn_context *ctx = r->arena.ctx;
  bool reduces = false;
  *out = (tni_reduction){.reducer = -1};
  for (int32_t i = 0; i < block->as.block.count; i++) reduces |= block->as.block.iters[i].reduce;
  out->count = tni_block_stores(ctx, block, out->stores);
  if (!out->count || !resolve_lets(r, block, out) || !changes_at_once(out, ctx) || !match_init(block, ctx, out))
    return false;
  bool reads = false;
  for (int32_t k = 0; k < out->count; k++) reads |= look_for_states(out, ctx, out->next[k], 0, out->count).found;
  if (!reduces || !reads) return false;
  classify(r, out);
  return !r->arena.failed;
}
