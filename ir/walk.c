/* walk.c -- visiting and rewriting statements; expressions: walk_expr.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

typedef struct stmt_rewriter {
  tni_region *r;
  tni_expr_fn expr;
  tni_stmt_fn stmt;
  void *self;
  tni_rewrites *done; /* NULL: `expr` may give something else in each expression */
} stmt_rewriter;

static const tn_stmt *rewrite_stmt(const stmt_rewriter *w, const tn_stmt *s);

static const tn_expr *through(const stmt_rewriter *w, const tn_expr *x) {
  if (!w->expr || !x) return x;
  return w->done ? tni_expr_rewrite_more(w->r, w->done, x, w->expr, w->self) : tni_expr_rewrite(w->r, x, w->expr, w->self);
}

static const tn_stmt *rewrite_loop(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_expr *extent = through(w, s->as.loop.extent);
  const tn_stmt *body = rewrite_stmt(w, s->as.loop.body);
  if (extent == s->as.loop.extent && body == s->as.loop.body) return s;
  return tni_for_like(w->r, s, s->as.loop.var, extent, s->as.loop.kind, body);
}

static const tn_stmt *rewrite_block(const stmt_rewriter *w, const tn_stmt *s) {
  int32_t count = s->as.block.count;
  const tni_iter *old = s->as.block.iters;
  tni_iter *iters = NULL; /* once one is another */
  for (int32_t i = 0; i < count && w->expr; i++) {
    tni_iter it = old[i];
    it.extent = through(w, old[i].extent);
    it.binding = through(w, old[i].binding);
    if (!iters && it.extent == old[i].extent && it.binding == old[i].binding) continue;
    if (!iters && !(iters = tni_arena_copy(&w->r->arena, old, (size_t)count * sizeof *old))) return NULL;
    iters[i] = it;
  }
  const tn_expr *where = through(w, s->as.block.where);
  const tn_stmt *init = s->as.block.init ? rewrite_stmt(w, s->as.block.init) : NULL;
  const tn_stmt *body = rewrite_stmt(w, s->as.block.body);
  if ((s->as.block.where && !where) || (s->as.block.init && !init)) return NULL;
  if (!iters && where == s->as.block.where && init == s->as.block.init && body == s->as.block.body) return s;
  return tni_block_like(w->r, s, iters ? iters : old, where, init, body);
}

static const tn_stmt *rewrite_store(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_expr *index[TN_MAX_RANK];
  bool same = true;
  for (int32_t i = 0; i < s->as.store.count; i++) {
    index[i] = through(w, s->as.store.index[i]);
    same &= index[i] == s->as.store.index[i];
  }
  const tn_expr *value = through(w, s->as.store.value), *where = through(w, s->as.store.where);
  if (s->as.store.where && !where) return NULL;
  if (same && value == s->as.store.value && where == s->as.store.where) return s;
  return tni_store_like(w->r, s, s->as.store.buffer, s->as.store.count, index, value, where);
}

static const tn_stmt *rewrite_seq(const stmt_rewriter *w, const tn_stmt *s) {
  int32_t count = s->as.seq.count;
  const tn_stmt *const *old = s->as.seq.stmts, **items = NULL;
  for (int32_t i = 0; i < count; i++) {
    const tn_stmt *t = rewrite_stmt(w, old[i]);
    if (!items && t != old[i] && !(items = tni_arena_copy(&w->r->arena, old, (size_t)count * sizeof *old))) return NULL;
    if (items) items[i] = t;
  }
  return items ? tni_seq(w->r, count, items) : s;
}

static const tn_stmt *rewrite_if(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_expr *cond = through(w, s->as.cond.cond);
  const tn_stmt *then = rewrite_stmt(w, s->as.cond.then);
  const tn_stmt *otherwise = s->as.cond.otherwise ? rewrite_stmt(w, s->as.cond.otherwise) : NULL;
  if (s->as.cond.otherwise && !otherwise) return NULL;
  if (cond == s->as.cond.cond && then == s->as.cond.then && otherwise == s->as.cond.otherwise) return s;
  return tni_if(w->r, cond, then, otherwise);
}

static const tn_stmt *rewrite_while(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_expr *cond = through(w, s->as.repeat.cond);
  const tn_stmt *body = cond ? rewrite_stmt(w, s->as.repeat.body) : NULL;
  if (cond == s->as.repeat.cond && body == s->as.repeat.body) return s;
  return tni_while(w->r, cond, body);
}

static const tn_stmt *rewrite_alloc(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_stmt *body = rewrite_stmt(w, s->as.alloc.body);
  return body == s->as.alloc.body ? s : tni_alloc_stmt(w->r, s->as.alloc.buffer, body);
}

/* ---- buffers in the place of others ---- */

typedef struct swap {
  const tn_buffer *old, *made;
} swap;

static const tn_expr *swap_expr(void *self, tni_region *r, const tn_expr *x) {
  const swap *w = self;
  if (x->op == TNI_OP_ADDRESS && x->as.buffer == w->old) return tni_address(r, w->made);
  if (x->op != TN_OP_load || x->as.buffer != w->old) return x;
  return tni_load(r, x->type, w->made, (size_t)tni_load_count(x), x->arg, tni_load_where(x));
}

static const tn_stmt *swap_store(void *self, tni_region *r, const tn_stmt *s) {
  const swap *w = self;
  if (!tni_has_subscripts(s) || s->as.store.buffer != w->old) return s;
  return tni_store_like(r, s, w->made, s->as.store.count, s->as.store.index, s->as.store.value, s->as.store.where);
}

const tn_stmt *tni_alloc_swapped(tni_region *r, const tn_stmt *s, const tn_buffer *made) {
  swap w = {s->as.alloc.buffer, made};
  return made ? tni_alloc_stmt(r, made, tni_stmt_rewrite(r, s->as.alloc.body, swap_expr, swap_store, &w)) : NULL;
}

/* The expressions of the form, each through the rewriter; *changed: one of them is another. False: no memory. */
static bool rewrite_all(const stmt_rewriter *w, int32_t count, const tn_expr *const *items, const tn_expr **out,
                        bool *changed) {
  for (int32_t i = 0; i < count; i++) {
    if (!(out[i] = through(w, items[i]))) return false;
    *changed |= out[i] != items[i];
  }
  return true;
}

/* A buffer has its form for good: when an expression of that changes, another buffer takes its place. */
static const tn_stmt *rewrite_form(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_buffer *b = s->as.alloc.buffer;
  const tni_layout *l = b->layout;
  const tn_expr *strides[TN_MAX_RANK];
  tn_buffer form = *b;
  bool changed = false;
  if (!rewrite_all(w, b->rank, b->shape, form.shape, &changed)) return NULL;
  if (b->strides && !rewrite_all(w, tni_memory_rank(b), b->strides, strides, &changed)) return NULL;
  if (!changed) return s;
  if (l && !(form.layout = tni_layout_make(w->r, b->rank, form.shape, l->vars, l->rank, l->index))) return NULL;
  form.strides = b->strides ? strides : NULL;
  return tni_alloc_swapped(w->r, s, tni_buffer_make(w->r, &form));
}

static const tn_stmt *rewrite_let(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_expr *value = through(w, s->as.let.value);
  const tn_stmt *body = value ? rewrite_stmt(w, s->as.let.body) : NULL;
  if (value == s->as.let.value && body == s->as.let.body) return s;
  return tni_let(w->r, s->as.let.var, value, body);
}

static const tn_stmt *rewrite_claim(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_expr *cond = through(w, s->as.claim.cond);
  const tn_stmt *body = cond ? rewrite_stmt(w, s->as.claim.body) : NULL;
  if (cond == s->as.claim.cond && body == s->as.claim.body) return s;
  return tni_claim(w->r, cond, s->as.claim.message, body);
}

static const tn_stmt *rewrite_inside(const stmt_rewriter *w, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_FOR: return rewrite_loop(w, s);
  case TNI_BLOCK: return rewrite_block(w, s);
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY:
  case TNI_PREFETCH: return rewrite_store(w, s);
  case TNI_SEQ: return rewrite_seq(w, s);
  case TNI_IF: return rewrite_if(w, s);
  case TNI_WHILE: return rewrite_while(w, s);
  case TNI_ALLOC: return rewrite_alloc(w, s);
  case TNI_LET: return rewrite_let(w, s);
  case TNI_ASSERT:
  case TNI_ASSUME: return rewrite_claim(w, s);
  case TNI_EVALUATE: {
    const tn_expr *call = through(w, s->as.evaluate.call);
    return call == s->as.evaluate.call ? s : tni_evaluate(w->r, call);
  }
  case TNI_BARRIER:
  case TNI_COMMIT:
  case TNI_WAIT: return s;
  case TNI_STMT_KIND_COUNT: break;
  }
  return NULL;
}

static const tn_stmt *rewrite_stmt(const stmt_rewriter *w, const tn_stmt *s) {
  const tn_stmt *t = rewrite_inside(w, s);
  if (t && t->kind != s->kind) return t; /* what is left of a sequence or an if is a part of it, which was rewritten */
  t = t && w->stmt ? w->stmt(w->self, w->r, t) : t;
  return t && w->expr && t->kind == TNI_ALLOC ? rewrite_form(w, t) : t;
}

const tn_stmt *tni_stmt_rewrite(tni_region *r, const tn_stmt *s, tni_expr_fn expr, tni_stmt_fn stmt, void *self) {
  stmt_rewriter w = {.r = r, .expr = expr, .stmt = stmt, .self = self};
  return s ? rewrite_stmt(&w, s) : NULL;
}

void tni_stmt_visit(const tn_stmt *s, tni_stmt_visit_fn enter, void *self) {
  if (!s || !enter(self, s)) return;
  switch (s->kind) {
  case TNI_FOR: tni_stmt_visit(s->as.loop.body, enter, self); break;
  case TNI_BLOCK:
    tni_stmt_visit(s->as.block.init, enter, self);
    tni_stmt_visit(s->as.block.body, enter, self);
    break;
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) tni_stmt_visit(s->as.seq.stmts[i], enter, self);
    break;
  case TNI_IF:
    tni_stmt_visit(s->as.cond.then, enter, self);
    tni_stmt_visit(s->as.cond.otherwise, enter, self);
    break;
  case TNI_WHILE: tni_stmt_visit(s->as.repeat.body, enter, self); break;
  case TNI_ALLOC:
  case TNI_LET:
  case TNI_ASSERT:
  case TNI_ASSUME: tni_stmt_visit(tni_rest(s), enter, self); break;
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_EVALUATE:
  case TNI_BARRIER:
  case TNI_COPY:
  case TNI_COMMIT:
  case TNI_WAIT:
  case TNI_PREFETCH:
  case TNI_STMT_KIND_COUNT: break;
  }
}

/* Each expression beside the statement's inside, whole; some are NULL. */
static void each_own_expr(const tn_stmt *s, void (*see)(void *self, const tn_expr *x), void *self) {
#define VISIT(x) see(self, x)
  switch (s->kind) {
  case TNI_BLOCK:
    for (int32_t i = 0; i < s->as.block.count; i++) {
      VISIT(s->as.block.iters[i].extent);
      VISIT(s->as.block.iters[i].binding);
    }
    VISIT(s->as.block.where);
    break;
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY:
  case TNI_PREFETCH:
    for (int32_t i = 0; i < s->as.store.count; i++) VISIT(s->as.store.index[i]);
    VISIT(s->as.store.value);
    VISIT(s->as.store.where);
    break;
  case TNI_ALLOC: {
    const tn_expr *held[TNI_BUFFER_EXPRS];
    for (int32_t i = tni_buffer_exprs(s->as.alloc.buffer, held); i > 0; i--) VISIT(held[i - 1]);
    break;
  }
  default: VISIT(tni_own_expr(s)); break;
  }
#undef VISIT
}

typedef struct expr_visit {
  tn_context *ctx;
  bool memory;
  void (*visit)(void *self, const tn_expr *x);
  void *self;
} expr_visit;

static void visit_own_expr(void *self, const tn_expr *x) {
  const expr_visit *v = self;
  (v->memory ? tni_expr_visit_memory : tni_expr_visit)(v->ctx, x, v->visit, v->self);
}

static bool visit_own_exprs(void *self, const tn_stmt *s) {
  each_own_expr(s, visit_own_expr, self);
  return true;
}

void tni_stmt_visit_exprs(tn_context *ctx, const tn_stmt *s, void (*visit)(void *self, const tn_expr *x), void *self) {
  expr_visit v = {.ctx = ctx, .visit = visit, .self = self};
  tni_stmt_visit(s, visit_own_exprs, &v);
}

void tni_stmt_visit_memory(tn_context *ctx, const tn_stmt *s, void (*visit)(void *self, const tn_expr *x), void *self) {
  expr_visit v = {.ctx = ctx, .memory = true, .visit = visit, .self = self};
  tni_stmt_visit(s, visit_own_exprs, &v);
}

static void add_held(void *self, const tn_expr *x) { *(uint32_t *)self |= x ? tni_held(x) : 0; }

typedef struct held_search {
  uint32_t wanted, found;
} held_search;

static bool see_held(void *self, const tn_stmt *s) {
  held_search *q = self;
  each_own_expr(s, add_held, &q->found);
  return !(q->found & q->wanted);
}

bool tni_stmt_holds(const tn_stmt *s, uint32_t held) {
  held_search q = {.wanted = held};
  tni_stmt_visit(s, see_held, &q);
  return q.found & held;
}

/* ---- substitution ---- */

const tn_stmt *tni_stmt_subst(tni_region *r, const tn_stmt *s, const tni_subst *subst) {
  tni_rewrites_room room;
  tni_rewrites done = tni_rewrites_in(r->arena.ctx, &room, tni_held_by(subst));
  stmt_rewriter w = {.r = r, .expr = tni_replace_var, .self = (void *)subst, .done = &done};
  const tn_stmt *made = s ? rewrite_stmt(&w, s) : NULL;
  tni_rewrites_destroy(&done);
  return made;
}
