/* statements.c -- every expression of a statement simplified, with what is known at its place.
 *
 *     for i in 0..0 { S }, for i in 0..1 { S }     ->   nothing, S[i := 0]
 *     for i in 0..n { if i < m { S } }             ->   for i in 0..m { S }, for m < n; of a vectorized loop only m = 1
 *     if c { S } else { T }                        ->   S or T when c is decided; S with c known
 *     let v = x; S                                 ->   S[v := x] for index arithmetic that reads no memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { MAX_VECTORS = 16 };

typedef struct walker {
  tni_region *r;
  tni_facts facts;
  tni_scan scan;     /* under these facts, and */
  tni_rewrites done; /* this, too */
  const tn_expr *vectors[MAX_VECTORS]; /* variables of vectorized loops around, the last ones */
  int vector_count;
} walker;

static const tn_expr *simple(walker *w, const tn_expr *x) {
  tni_simplifier s = {w->r, &w->scan};
  return tni_simplify_more(&s, &w->done, x);
}

/* The facts are others. */
static void forget(walker *w) {
  tni_scan_init(&w->scan, &w->facts);
  tni_rewrites_forget(&w->done);
}

/* Back to the facts before. */
static void pop(walker *w, size_t count, size_t known) {
  tni_facts_pop(&w->facts, count);
  w->facts.known_count = known;
  forget(w);
}

/* A loop's variable, or an iterator, from here on. */
static bool bind(walker *w, const tn_expr *var, const tn_expr *extent) {
  forget(w);
  return tni_facts_bind(&w->facts, var, extent);
}

static const tn_stmt *simplify_stmt(walker *w, const tn_stmt *s);

static const tn_stmt *empty(walker *w) { return tni_seq(w->r, 0, NULL); }

static bool is_empty(const tn_stmt *s) { return s->kind == TNI_SEQ && s->as.seq.count == 0; }

static const tn_stmt *only_iteration(walker *w, const tn_expr *var, const tn_stmt *body) {
  const tn_expr *zero = tni_index(w->r, 0);
  tni_subst subst = {1, &var, &zero};
  const tn_stmt *made = zero ? tni_stmt_subst(w->r, body, &subst) : NULL;
  return made ? simplify_stmt(w, made) : NULL;
}

/* The m of a body `if var < m { S }`, where it is a number below the extent; NULL: another body. */
static const tn_expr *guarded_extent(const tn_expr *var, const tn_expr *extent, const tn_stmt *body) {
  if (body->kind != TNI_IF || body->as.cond.otherwise || body->as.cond.cond->op != TN_OP_lt) return NULL;
  const tn_expr *const *side = body->as.cond.cond->arg;
  return side[0] == var && tni_is_const(side[1]) && tni_is_const(extent) && side[1]->as.i < extent->as.i ? side[1] : NULL;
}

static const tn_stmt *simplify_loop(walker *w, const tn_stmt *s) {
  const tn_expr *extent = simple(w, s->as.loop.extent);
  if (!extent) return NULL;
  int64_t lo, hi;
  tni_bounds(&w->facts, extent, &lo, &hi);
  if (hi <= 0) return empty(w);
  bool stays = s->as.loop.kind == TNI_OUTLINED; /* also around one iteration: it is a function */
  if (tni_is_int(extent, 1) && !stays) return only_iteration(w, s->as.loop.var, s->as.loop.body);
  bool vector = s->as.loop.kind == TNI_VECTORIZED;
  size_t mark = w->facts.count, known = w->facts.known_count;
  if (vector) w->vectors[w->vector_count++ % MAX_VECTORS] = s->as.loop.var;
  const tn_stmt *body = bind(w, s->as.loop.var, extent) ? simplify_stmt(w, s->as.loop.body) : NULL;
  if (vector) w->vector_count--;
  pop(w, mark, known);
  if (body && is_empty(body)) return body;
  const tn_expr *fewer = body ? guarded_extent(s->as.loop.var, extent, body) : NULL;
  if (!fewer || (vector && !tni_is_int(fewer, 1))) return tni_for_like(w->r, s, s->as.loop.var, extent, s->as.loop.kind, body);
  if (tni_is_int(fewer, 1) && !stays) return only_iteration(w, s->as.loop.var, body->as.cond.then);
  return tni_for_like(w->r, s, s->as.loop.var, fewer, s->as.loop.kind, body->as.cond.then);
}

static const tn_stmt *simplify_block(walker *w, const tn_stmt *s) {
  int32_t count = s->as.block.count;
  tni_iter *iters = tni_arena_copy(&w->r->arena, s->as.block.iters, (size_t)count * sizeof *iters);
  size_t mark = w->facts.count, known = w->facts.known_count;
  bool ok = iters != NULL;
  const tn_expr *where = simple(w, s->as.block.where);
  for (int32_t i = 0; ok && i < count; i++) {
    iters[i].extent = simple(w, iters[i].extent);
    iters[i].binding = simple(w, iters[i].binding);
    ok = iters[i].extent && iters[i].binding;
  }
  for (int32_t i = 0; ok && i < count; i++) ok = bind(w, iters[i].var, iters[i].extent);
  const tn_stmt *init = ok && s->as.block.init ? simplify_stmt(w, s->as.block.init) : NULL;
  const tn_stmt *body = ok ? simplify_stmt(w, s->as.block.body) : NULL;
  pop(w, mark, known);
  if ((s->as.block.init && !init) || (s->as.block.where && !where)) return NULL;
  if (where && tni_is_int(where, 0)) return empty(w);
  return ok ? tni_block_like(w->r, s, iters, where, init, body) : NULL;
}

/* Is one of the new ranges a vectorized loop's variable, with one value? Then its lanes must stay lanes for the others. */
static bool names_a_lane(const walker *w, size_t mark) {
  for (size_t i = mark; i < w->facts.count; i++)
    for (int k = 0; k < w->vector_count && k < MAX_VECTORS; k++)
      if (w->facts.ranges[i].x == w->vectors[k] && w->facts.ranges[i].lo == w->facts.ranges[i].hi) return true;
  return false;
}

/* A statement that runs where the condition is true (or false). It stays so whatever is stored: conditions that read memory
 * are not learned. */
static const tn_stmt *simplify_under(walker *w, const tn_expr *cond, bool holds, const tn_stmt *s) {
  size_t mark = w->facts.count, known = w->facts.known_count;
  bool ok = tni_facts_learn(&w->facts, cond, holds);
  if (names_a_lane(w, mark)) tni_facts_pop(&w->facts, mark);
  forget(w);
  const tn_stmt *made = ok ? simplify_stmt(w, s) : NULL;
  pop(w, mark, known);
  return made;
}

static const tn_stmt *simplify_if(walker *w, const tn_stmt *s) {
  const tn_expr *cond = simple(w, s->as.cond.cond);
  if (!cond) return NULL;
  if (tni_is_const(cond)) {
    const tn_stmt *taken = cond->as.i ? s->as.cond.then : s->as.cond.otherwise;
    return taken ? simplify_stmt(w, taken) : empty(w);
  }
  const tn_stmt *then = simplify_under(w, cond, true, s->as.cond.then);
  const tn_stmt *otherwise = s->as.cond.otherwise ? simplify_under(w, cond, false, s->as.cond.otherwise) : NULL;
  if (s->as.cond.otherwise && !otherwise) return NULL;
  return tni_if(w->r, cond, then, otherwise);
}

static const tn_stmt *simplify_store(walker *w, const tn_stmt *s) {
  const tn_expr *index[TN_MAX_RANK];
  for (int32_t i = 0; i < s->as.store.count; i++) index[i] = simple(w, s->as.store.index[i]);
  const tn_expr *where = simple(w, s->as.store.where);
  if (s->as.store.where && !where) return NULL;
  return tni_store_like(w->r, s, s->as.store.buffer, s->as.store.count, index, simple(w, s->as.store.value), where);
}

/* Worth writing again at every use: what is so simple that a name says no more, and index arithmetic, which the analyses must
 * see through. Neither reads memory. */
static bool is_transparent(const tn_expr *x) {
  if (tni_is_const(x) || x->op == TN_OP_var) return true;
  return x->type == TN_INDEX && !tni_expr_reads(x);
}

static const tn_stmt *simplify_let(walker *w, const tn_stmt *s) {
  const tn_expr *var = s->as.let.var, *value = simple(w, s->as.let.value);
  if (!value) return NULL;
  if (is_transparent(value)) {
    tni_subst subst = {1, &var, &value};
    const tn_stmt *body = tni_stmt_subst(w->r, s->as.let.body, &subst);
    return body ? simplify_stmt(w, body) : NULL;
  }
  size_t mark = w->facts.count, known = w->facts.known_count;
  int64_t lo, hi;
  tni_bounds(&w->facts, value, &lo, &hi);
  forget(w);
  if (var->type == TN_INDEX && !tni_facts_push(&w->facts, var, lo, hi)) return NULL;
  const tn_stmt *body = simplify_stmt(w, s->as.let.body);
  pop(w, mark, known);
  return body && is_empty(body) && !tni_expr_calls(value) ? body : tni_let(w->r, var, value, body);
}

static const tn_stmt *simplify_claim(walker *w, const tn_stmt *s) {
  const tn_expr *cond = simple(w, s->as.claim.cond);
  if (!cond) return NULL;
  if (tni_is_int(cond, 1)) return simplify_stmt(w, s->as.claim.body);
  const tn_stmt *body = simplify_under(w, cond, true, s->as.claim.body);
  return tni_claim(w->r, cond, s->as.claim.message, body);
}

static const tn_stmt *simplify_stmt(walker *w, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_FOR: return simplify_loop(w, s);
  case TNI_BLOCK: return simplify_block(w, s);
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY:
  case TNI_PREFETCH: return simplify_store(w, s);
  case TNI_IF: return simplify_if(w, s);
  case TNI_ALLOC: return tni_alloc_stmt(w->r, s->as.alloc.buffer, simplify_stmt(w, s->as.alloc.body));
  case TNI_WHILE: return tni_while(w->r, simple(w, s->as.repeat.cond), simplify_stmt(w, s->as.repeat.body));
  case TNI_LET: return simplify_let(w, s);
  case TNI_ASSERT:
  case TNI_ASSUME: return simplify_claim(w, s);
  case TNI_EVALUATE: return tni_evaluate(w->r, simple(w, s->as.evaluate.call));
  case TNI_SEQ: {
    const tn_stmt **items = TNI_NEW_ARRAY(&w->r->arena, const tn_stmt *, s->as.seq.count);
    for (int32_t i = 0; items && i < s->as.seq.count; i++)
      if (!(items[i] = simplify_stmt(w, s->as.seq.stmts[i]))) return NULL;
    return items ? tni_seq(w->r, s->as.seq.count, items) : NULL;
  }
  case TNI_BARRIER:
  case TNI_COMMIT:
  case TNI_WAIT: return s;
  case TNI_STMT_KIND_COUNT: break;
  }
  return NULL;
}

const tn_stmt *tni_stmt_simplify(tni_region *r, const tn_stmt *s) {
  walker w = {.r = r, .done = {.ctx = r->arena.ctx}};
  tni_facts_init(&w.facts, r->arena.ctx);
  tni_scan_init(&w.scan, &w.facts);
  const tn_stmt *t = s ? simplify_stmt(&w, s) : NULL;
  tni_facts_destroy(&w.facts);
  tni_rewrites_destroy(&w.done);
  return t;
}
