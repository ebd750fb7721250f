/* vectorize.c -- vectorized loops into vector expressions.
 *
 *     for v in 0..16 vectorized { B[b + v] = A[a + v] * s }
 *       ->
 *     B[ramp(b, 1, 16)] = A[ramp(a, 1, 16)] * broadcast(s, 16)
 *
 * Conditions over v become masks of stores and loads. A load stays unmasked when it hits its buffer anyway and is scalar or of a
 * local buffer (so that accumulators stay in registers).
 *
 * needs: flat subscripts; a constant extent up to MAX_LANES
 * leaves: a loop that it cannot turn (an external call inside, a store that all lanes share) serial
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

enum { MAX_LANES = 64 };

/* A let whose value varies from lane to lane. */
typedef struct wide_let {
  const tn_expr *old, *made;
  const struct wide_let *outer;
} wide_let;

typedef struct vectorizer {
  tni_region *r;
  const tn_expr *var;
  uint32_t lanes;
  const tn_expr *mask;    /* bool with lanes, or NULL */
  const tni_facts *facts; /* ranges of the loops around */
  const wide_let *lets;   /* those around that have lanes now, innermost first */
  bool impossible;
} vectorizer;

static const tn_expr *widen(const vectorizer *v, const tn_expr *x) {
  return x && TN_TYPE_LANES(x->type) == 1 ? tni_broadcast(v->r, x, v->lanes) : x;
}

/* The bounds of a scalar subscript, or of a ramp's lanes. */
static void index_bounds(const vectorizer *v, const tn_expr *index, int64_t *lo, int64_t *hi) {
  if (index->op != TN_OP_ramp || !tni_is_const(index->arg[1])) {
    tni_bounds(v->facts, index, lo, hi);
    return;
  }
  int64_t reach = index->arg[1]->as.i * ((int64_t)TN_TYPE_LANES(index->type) - 1);
  tni_bounds(v->facts, index->arg[0], lo, hi);
  *lo += reach < 0 ? reach : 0;
  *hi += reach > 0 ? reach : 0;
}

/* A load under a mask may be done without it when it hits the buffer anyway. */
static bool is_safe(const vectorizer *v, const tn_buffer *b, const tn_expr *index) {
  int64_t lo, hi, size = tni_buffer_constant_size(b);
  index_bounds(v, index, &lo, &hi);
  return lo >= 0 && hi < size;
}

/* index = coef * var + rest: a ramp. */
static const tn_expr *make_ramp(const vectorizer *v, const tn_expr *x) {
  int64_t coef;
  const tn_expr *rest;
  if (x->type != TN_INDEX || !tni_affine(v->r, x, 1, &v->var, &coef, &rest)) return NULL;
  return tni_ramp(v->r, rest, tni_index(v->r, coef), v->lanes);
}

static bool loads_memory(const tn_expr *x) { return tni_held(x) & TNI_HOLDS_LOAD; }

/* Does a let with lanes occur in it? */
static bool uses_wide(const vectorizer *v, const tn_expr *x) {
  for (const wide_let *l = v->lets; l; l = l->outer)
    if (tni_expr_uses(v->r->arena.ctx, x, l->old)) return true;
  return false;
}

static const tn_expr *vectorize_expr(vectorizer *v, const tn_expr *x);

static const tn_expr *vectorize_load(vectorizer *v, const tn_expr *x) {
  const tn_expr *index = vectorize_expr(v, x->arg[0]);
  const tn_expr *where = tni_load_where(x);
  where = where ? vectorize_expr(v, where) : NULL;
  if (!index || (tni_load_where(x) && !where)) return NULL;
  bool index_varies = TN_TYPE_LANES(index->type) > 1, where_varies = where && TN_TYPE_LANES(where->type) > 1;
  bool needs_mask =
      v->mask && !((!index_varies || x->as.buffer->scope != TNI_SCOPE_GLOBAL) && is_safe(v, x->as.buffer, index));
  if (!index_varies && !where_varies && !needs_mask) return tni_load(v->r, x->type, x->as.buffer, 1, &index, where);
  index = widen(v, index);
  where = tni_conj(v->r, where ? widen(v, where) : NULL, needs_mask ? v->mask : NULL);
  return tni_load(v->r, TN_TYPE_WITH_LANES(x->type, v->lanes), x->as.buffer, 1, &index, where);
}

static const tn_expr *vectorize_args(vectorizer *v, const tn_expr *x) {
  const tn_expr *args[4];
  bool varies = false;
  if (x->nargs > 4 || x->op == TN_OP_call || x->op == TN_OP_ramp || x->op == TN_OP_broadcast) {
    v->impossible = true;
    return x;
  }
  for (int i = 0; i < x->nargs; i++) {
    if (!(args[i] = vectorize_expr(v, x->arg[i]))) return NULL;
    varies |= TN_TYPE_LANES(args[i]->type) > 1;
  }
  for (int i = 0; varies && i < x->nargs; i++) args[i] = widen(v, args[i]);
  return tni_with_args(v->r, x, args);
}

/* A node that depends on the variable, or holds a load, gets lanes where needed; the rest stays scalar. */
static const tn_expr *vectorize_expr(vectorizer *v, const tn_expr *x) {
  if (x == v->var) return tni_ramp(v->r, tni_index(v->r, 0), tni_index(v->r, 1), v->lanes);
  for (const wide_let *l = v->lets; l && x->op == TN_OP_var; l = l->outer)
    if (x == l->old) return l->made;
  if (x->nargs == 0) return x;
  if (x->op == TN_OP_load) return vectorize_load(v, x);
  if (x->type == TN_INDEX && tni_expr_uses(v->r->arena.ctx, x, v->var)) {
    bool varies = loads_memory(x) || uses_wide(v, x); /* loads need the mask */
    const tn_expr *ramp = varies ? NULL : make_ramp(v, x);
    if (ramp) return ramp;
  }
  return vectorize_args(v, x);
}

static const tn_stmt *vectorize_stmt(vectorizer *v, const tn_stmt *s);

static const tn_stmt *vectorize_store(vectorizer *v, const tn_stmt *s) {
  const tn_expr *index = vectorize_expr(v, s->as.store.index[0]);
  const tn_expr *value = vectorize_expr(v, s->as.store.value);
  const tn_expr *where = s->as.store.where ? vectorize_expr(v, s->as.store.where) : NULL;
  if (!index || !value || (s->as.store.where && !where)) return NULL;
  if (s->kind == TNI_REDUCE) index = widen(v, index); /* every lane does its part */
  if (!index) return NULL;
  if (TN_TYPE_LANES(index->type) == 1) {
    v->impossible = true;
    return s;
  }
  where = tni_conj(v->r, where ? widen(v, where) : NULL, v->mask);
  return tni_store_like(v->r, s, s->as.store.buffer, 1, &index, widen(v, value), where);
}

/* The conjuncts of cond that do not vary stay a condition; the others become the mask. */
static bool split_condition(vectorizer *v, const tn_expr *cond, const tn_expr **scalar, const tn_expr **vector) {
  if (cond->op == TN_OP_and)
    return split_condition(v, cond->arg[0], scalar, vector) && split_condition(v, cond->arg[1], scalar, vector);
  const tn_expr *x = vectorize_expr(v, cond);
  const tn_expr **part = x && TN_TYPE_LANES(x->type) > 1 ? vector : scalar;
  *part = x ? tni_conj(v->r, *part, x) : NULL;
  return *part != NULL;
}

static const tn_stmt *vectorize_branch(vectorizer *v, const tn_stmt *s, const tn_expr *mask) {
  const tn_expr *outer = v->mask;
  v->mask = tni_conj(v->r, outer, mask);
  const tn_stmt *t = vectorize_stmt(v, s);
  v->mask = outer;
  return t;
}

static bool see_store(void *self, const tn_stmt *s) {
  *(int *)self += tni_is_write(s) ? 1 : s->kind == TNI_FOR ? 2 : 0;
  return true;
}

/* A lone store computes its mask before it stores; of several, or in a loop, one may change what the mask of the next reads. */
static bool changes_memory(const tn_stmt *s) {
  int stores = 0;
  tni_stmt_visit(s, see_store, &stores);
  return stores > 1;
}

/* A mask is computed at every access below it; a condition, once. So a mask must not load what may change below. */
static const tn_stmt *vectorize_if(vectorizer *v, const tn_stmt *s) {
  const tn_expr *scalar = NULL, *vector = NULL;
  if (!split_condition(v, s->as.cond.cond, &scalar, &vector)) return NULL;
  v->impossible |= vector && loads_memory(vector) && changes_memory(s);
  if (s->as.cond.otherwise && vector) {
    const tn_expr *all = widen(v, vectorize_expr(v, s->as.cond.cond));
    const tn_expr *none = all ? tni_op1(v->r, TN_OP_not, all) : NULL;
    if (!none) return NULL;
    const tn_stmt *both[] = {vectorize_branch(v, s->as.cond.then, all),
                             vectorize_branch(v, s->as.cond.otherwise, none)};
    return tni_seq(v->r, 2, both);
  }
  const tn_stmt *then = vector ? vectorize_branch(v, s->as.cond.then, vector) : vectorize_stmt(v, s->as.cond.then);
  const tn_stmt *otherwise = s->as.cond.otherwise ? vectorize_stmt(v, s->as.cond.otherwise) : NULL;
  if (s->as.cond.otherwise && !otherwise) return NULL;
  return scalar ? tni_if(v->r, scalar, then, otherwise) : then;
}

static const tn_stmt *vectorize_loop(vectorizer *v, const tn_stmt *s) {
  const tn_expr *extent = s->as.loop.extent; /* one for all lanes; under a mask it must be safe to evaluate */
  if (tni_expr_uses(v->r->arena.ctx, extent, v->var) || uses_wide(v, extent) || (v->mask && loads_memory(extent))) {
    v->impossible = true;
    return s;
  }
  return tni_for_like(v->r, s, s->as.loop.var, extent, s->as.loop.kind, vectorize_stmt(v, s->as.loop.body));
}

static const tn_stmt *vectorize_let(vectorizer *v, const tn_stmt *s) {
  const tn_expr *var = s->as.let.var, *value = vectorize_expr(v, s->as.let.value);
  if (!value) return NULL;
  if (TN_TYPE_LANES(value->type) == 1) return tni_let(v->r, var, value, vectorize_stmt(v, s->as.let.body));
  wide_let wide = {var, tni_var(v->r, var->as.name, value->type), v->lets};
  v->lets = &wide;
  const tn_stmt *body = wide.made ? vectorize_stmt(v, s->as.let.body) : NULL;
  v->lets = wide.outer;
  return tni_let(v->r, wide.made, value, body);
}

/* One assert for all lanes, where they are all there and ask the same. */
static const tn_stmt *vectorize_assert(vectorizer *v, const tn_stmt *s) {
  const tn_expr *cond = vectorize_expr(v, s->as.claim.cond);
  v->impossible |= v->mask || (cond && TN_TYPE_LANES(cond->type) > 1);
  return tni_claim(v->r, cond, s->as.claim.message, vectorize_stmt(v, s->as.claim.body));
}

static const tn_stmt *vectorize_stmt(vectorizer *v, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_LET: return vectorize_let(v, s);
  case TNI_ASSERT: return vectorize_assert(v, s);
  case TNI_ASSUME: return vectorize_stmt(v, s->as.claim.body); /* nobody asks for the promise any more */
  case TNI_FOR: return vectorize_loop(v, s);
  case TNI_STORE:
  case TNI_REDUCE: return vectorize_store(v, s);
  case TNI_PREFETCH: return tni_seq(v->r, 0, NULL); /* the lines of lanes are asked for by nobody */
  case TNI_IF: return vectorize_if(v, s);
  case TNI_SEQ: {
    const tn_stmt **items = TNI_NEW_ARRAY(&v->r->arena, const tn_stmt *, s->as.seq.count);
    for (int32_t i = 0; items && i < s->as.seq.count; i++) items[i] = vectorize_stmt(v, s->as.seq.stmts[i]);
    return items ? tni_seq(v->r, s->as.seq.count, items) : NULL;
  }
  default: /* an allocation, a while or a call: one for all lanes would be wrong */ v->impossible = true; return s;
  }
}

/* ---- the walk that knows the ranges of the loops around ---- */

typedef struct walker {
  tni_region *r;
  tni_facts facts;
} walker;

static const tn_stmt *walk(walker *w, const tn_stmt *s);

static void see_lanes(void *self, const tn_expr *x) { *(bool *)self |= TN_TYPE_LANES(x->type) > 1; }

/* A vectorized loop around another, which is vectors by now, stays serial. */
static bool has_vectors(walker *w, const tn_stmt *body) {
  bool found = false;
  tni_stmt_visit_exprs(w->r->arena.ctx, body, see_lanes, &found);
  return found;
}

static const tn_stmt *turn_loop(walker *w, const tn_stmt *s, const tn_stmt *body) {
  const tn_expr *extent = s->as.loop.extent;
  if (has_vectors(w, body) || !tni_is_const(extent) || extent->as.i > MAX_LANES || extent->as.i < 1)
    return tni_for_like(w->r, s, s->as.loop.var, extent, TNI_SERIAL, body);
  vectorizer v = {.r = w->r, .var = s->as.loop.var, .lanes = (uint32_t)extent->as.i, .facts = &w->facts};
  if (v.lanes == 1) return tni_for_like(w->r, s, s->as.loop.var, extent, TNI_SERIAL, body);
  const tn_stmt *vector = vectorize_stmt(&v, body);
  return v.impossible ? tni_for_like(w->r, s, s->as.loop.var, extent, TNI_SERIAL, body) : vector;
}

static const tn_stmt *walk_loop(walker *w, const tn_stmt *s) {
  size_t mark = w->facts.count;
  if (!tni_facts_bind(&w->facts, s->as.loop.var, s->as.loop.extent)) return NULL;
  const tn_stmt *body = walk(w, s->as.loop.body);
  const tn_stmt *t = !body ? NULL
                     : s->as.loop.kind == TNI_VECTORIZED
                         ? turn_loop(w, s, body)
                         : tni_for_like(w->r, s, s->as.loop.var, s->as.loop.extent, s->as.loop.kind, body);
  tni_facts_pop(&w->facts, mark);
  return t;
}

static const tn_stmt *walk(walker *w, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_FOR: return walk_loop(w, s);
  case TNI_SEQ: {
    const tn_stmt **items = TNI_NEW_ARRAY(&w->r->arena, const tn_stmt *, s->as.seq.count);
    for (int32_t i = 0; items && i < s->as.seq.count; i++)
      if (!(items[i] = walk(w, s->as.seq.stmts[i]))) return NULL;
    return items ? tni_seq(w->r, s->as.seq.count, items) : NULL;
  }
  case TNI_IF: {
    const tn_stmt *otherwise = s->as.cond.otherwise ? walk(w, s->as.cond.otherwise) : NULL;
    if (s->as.cond.otherwise && !otherwise) return NULL;
    return tni_if(w->r, s->as.cond.cond, walk(w, s->as.cond.then), otherwise);
  }
  case TNI_WHILE: return tni_while(w->r, s->as.repeat.cond, walk(w, s->as.repeat.body));
  case TNI_ALLOC:
  case TNI_LET:
  case TNI_ASSERT:
  case TNI_ASSUME: return tni_with_rest(w->r, s, walk(w, tni_rest(s)));
  default: return s;
  }
}

const tn_stmt *tni_lower_vectorize(tni_region *r, const tn_stmt *body) {
  walker w = {.r = r};
  tni_facts_init(&w.facts, r->arena.ctx);
  const tn_stmt *t = body ? walk(&w, body) : NULL;
  tni_facts_destroy(&w.facts);
  return t;
}
