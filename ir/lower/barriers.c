/* barriers.c -- loops over threads cut at the barriers in them, so that the threads of a block can run in order.
 *
 *     for t in 0..32 bind thread.x {                     alloc T: f32[32, 4]
 *       alloc T: f32[4]                                  alloc x: f32[32]
 *       let x = A[t]                                     for t in 0..32 bind thread.x { x[t] = A[t] }
 *       for k in 0..n {                           ->     for k in 0..n {
 *         B[t] = x + T[k]                                  for t_1 in 0..32 bind thread.x { let x = x[t_1]
 *         barrier shared                                                                    B[t_1] = x + T[t_1, k] }
 *         A[t] = B[31 - t]                                 for t_2 in 0..32 bind thread.x { A[t_2] = B[31 - t_2] }
 *       }                                                }
 *     }
 *
 * What stands between two barriers becomes a loop over threads of its own. Statements around a barrier, which are the same for
 * all threads (verify/threads.c), go outside of these loops; buffers and lets that hold across one get a dimension for the
 * threads. Inner loops over threads are cut first, their barriers stay between the pieces, to cut the loops around; then
 * barriers are dropped. A let that reads no memory is written again where it is used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

/* A let whose values stand in a buffer, an element for each thread. */
typedef struct kept {
  const struct kept *outer;
  const tn_expr *var;
  const tn_buffer *values;
} kept;

typedef struct cutter {
  tni_region *r;
  const tn_stmt *loop; /* over threads */
  const kept *lets;    /* around, innermost first */
  const tni_piece **pieces; /* or NULL */
} cutter;

static const tn_stmt *cut(cutter *c, const tn_stmt *s);

static bool uses_var(tni_region *r, const tn_stmt *s, const tn_expr *var);

/* ---- the pieces ---------------------------------------------------------------------------------------------------- */

static const tn_expr *kept_value(cutter *c, const kept *k) {
  const tn_expr *index[] = {c->loop->as.loop.var};
  const tn_expr *value = tni_load(c->r, k->values->type, k->values, 1, index, NULL);
  return k->var->type == k->values->type ? value : tni_cast(c->r, k->var->type, value);
}

static bool note_piece(cutter *c, const tn_expr *var) {
  tni_piece *made = c->pieces ? TNI_NEW(&c->r->arena, tni_piece) : NULL;
  if (!c->pieces) return true;
  if (made) *made = (tni_piece){*c->pieces, var, c->loop->as.loop.var};
  if (made) *c->pieces = made;
  return made != NULL;
}

/* Each thread runs s, without a barrier, in a loop with a variable of its own. */
static const tn_stmt *piece(cutter *c, const tn_stmt *s) {
  if (!s || (s->kind == TNI_SEQ && s->as.seq.count == 0)) return s;
  for (const kept *k = c->lets; k && s; k = k->outer) {
    if (!uses_var(c->r, s, k->var)) continue;
    const tn_expr *var = tni_var(c->r, k->var->as.name, k->var->type);
    tni_subst subst = {1, &k->var, &var};
    s = var ? tni_let(c->r, var, kept_value(c, k), tni_stmt_subst(c->r, s, &subst)) : NULL;
  }
  const tn_stmt *loop = c->loop;
  const tn_expr *var = tni_var(c->r, loop->as.loop.var->as.name, TN_INDEX);
  tni_subst subst = {1, &loop->as.loop.var, &var};
  if (!s || !var || !note_piece(c, var)) return NULL;
  return tni_for_like(c->r, loop, var, loop->as.loop.extent, loop->as.loop.kind, tni_stmt_subst(c->r, s, &subst));
}

/* Neighbours without a barrier are one piece. */
static const tn_stmt *cut_seq(cutter *c, const tn_stmt *s) {
  int32_t count = s->as.seq.count, made = 0;
  const tn_stmt *const *items = s->as.seq.stmts;
  const tn_stmt **out = TNI_NEW_ARRAY(&c->r->arena, const tn_stmt *, count);
  for (int32_t i = 0, end; out && i < count; i = end) {
    for (end = i; end < count && !tni_first_barrier(items[end]);) end++;
    out[made++] = end > i ? piece(c, tni_seq(c->r, end - i, items + i)) : cut(c, items[end++]);
  }
  return out ? tni_seq(c->r, made, out) : NULL;
}

/* ---- what holds across a barrier ----------------------------------------------------------------------------------- */

/* One buffer for all threads in the place of one for each: `thread` is the subscript that was added. */
typedef struct widening {
  const tn_buffer *old, *made;
  const tn_expr *thread, *extent;
} widening;

static bool widen_layout(tni_region *r, tn_buffer *form, const tn_buffer *b) {
  const tni_layout *l = b->layout;
  const tn_expr *vars[TN_MAX_RANK], *index[TN_MAX_RANK];
  if (!l) return true;
  vars[0] = index[0] = tni_var(r, "thread", TN_INDEX);
  for (int32_t d = 0; d < b->rank; d++) vars[d + 1] = l->vars[d];
  for (int32_t k = 0; k < l->rank; k++) index[k + 1] = l->index[k];
  form->layout = tni_layout_make(r, form->rank, form->shape, vars, l->rank + 1, index);
  return form->layout != NULL;
}

/* The buffer with a dimension for the threads before its others. Each thread's part has the form of the old one. */
static const tn_buffer *widen(tni_region *r, const tn_buffer *b, const tn_expr *threads) {
  tn_buffer form = *b;
  const tn_expr *strides[TN_MAX_RANK];
  form.rank = b->rank + 1;
  form.scope = TNI_SCOPE_GLOBAL; /* lowering finds it a better place */
  form.shape[0] = threads;
  for (int32_t d = 0; d < b->rank; d++) form.shape[d + 1] = b->shape[d];
  if (!widen_layout(r, &form, b)) return NULL;
  for (int32_t k = 0; b->strides && k < tni_memory_rank(b); k++) strides[k + 1] = b->strides[k];
  strides[0] = b->strides ? tni_buffer_size(r, b) : NULL;
  form.strides = b->strides ? strides : NULL;
  return tni_buffer_make(r, &form);
}

static void widen_index(const widening *w, int32_t count, const tn_expr *const *index, const tn_expr **out) {
  out[0] = w->thread;
  for (int32_t i = 0; i < count; i++) out[i + 1] = index[i];
}

static const tn_expr *widen_load(void *self, tni_region *r, const tn_expr *x) {
  const widening *w = self;
  const tn_expr *index[TN_MAX_RANK];
  if (x->op != TN_OP_load || x->as.buffer != w->old) return x;
  widen_index(w, w->old->rank, x->arg, index);
  return tni_load(r, x->type, w->made, (size_t)w->made->rank, index, tni_load_where(x));
}

/* The body of a block uses its own iterators only, so it gets one for the threads. */
static const tn_stmt *widen_block(const widening *w, tni_region *r, const tn_stmt *s) {
  int32_t count = s->as.block.count;
  const tn_stmt *init = s->as.block.init, *body = s->as.block.body;
  if (!uses_var(r, body, w->thread) && !uses_var(r, init, w->thread)) return s;
  tni_iter *iters = TNI_NEW_ARRAY(&r->arena, tni_iter, count + 1);
  const tn_expr *var = tni_var(r, w->thread->as.name, TN_INDEX);
  tni_subst subst = {1, &w->thread, &var};
  if (!iters || !var) return NULL;
  if (count) memcpy(iters, s->as.block.iters, (size_t)count * sizeof *iters);
  iters[count] = (tni_iter){.var = var, .extent = w->extent, .binding = w->thread};
  if (init && !(init = tni_stmt_subst(r, init, &subst))) return NULL;
  const tn_stmt *made =
      tni_block(r, s->as.block.name, count + 1, iters, s->as.block.where, init, tni_stmt_subst(r, body, &subst));
  return s->as.block.notes.count ? tni_annotated(r, made, s->as.block.notes) : made;
}

static const tn_stmt *widen_stmt(void *self, tni_region *r, const tn_stmt *s) {
  const widening *w = self;
  const tn_expr *index[TN_MAX_RANK];
  if (s->kind == TNI_BLOCK) return widen_block(w, r, s);
  if (!tni_has_subscripts(s) || s->as.store.buffer != w->old) return s;
  widen_index(w, s->as.store.count, s->as.store.index, index);
  return tni_store_like(r, s, w->made, w->made->rank, index, s->as.store.value, s->as.store.where);
}

static const tn_stmt *cut_alloc(cutter *c, const tn_stmt *s) {
  const tn_expr *threads = c->loop->as.loop.extent;
  widening w = {.old = s->as.alloc.buffer, .thread = c->loop->as.loop.var, .extent = threads};
  w.made = widen(c->r, w.old, threads);
  const tn_stmt *body = w.made ? tni_stmt_rewrite(c->r, s->as.alloc.body, widen_load, widen_stmt, &w) : NULL;
  return body ? tni_alloc_stmt(c->r, w.made, cut(c, body)) : NULL;
}

static const tn_stmt *cut_let(cutter *c, const tn_stmt *s) {
  const tn_expr *var = s->as.let.var, *value = s->as.let.value, *threads = c->loop->as.loop.extent;
  tni_subst subst = {1, &var, &value};
  if (!tni_expr_reads(value)) {
    const tn_stmt *body = tni_stmt_subst(c->r, s->as.let.body, &subst);
    return body ? cut(c, body) : NULL;
  }
  tn_type type = var->type == TN_INDEX ? TN_I64 : var->type;
  kept k = {c->lets, var, tni_buffer(c->r, var->as.name, type, TNI_SCOPE_GLOBAL, 1, &threads)};
  if (!k.values) return NULL;
  const tn_expr *stored = var->type == type ? value : tni_cast(c->r, type, value);
  const tn_stmt *parts[2] = {piece(c, tni_store(c->r, k.values, 1, &c->loop->as.loop.var, stored, NULL)), NULL};
  c->lets = &k;
  parts[1] = cut(c, s->as.let.body);
  c->lets = k.outer;
  return tni_alloc_stmt(c->r, k.values, tni_seq(c->r, 2, parts));
}

/* What is assumed is kept to no piece: guards are decided by what stands in them. */
static const tn_stmt *cut_claim(cutter *c, const tn_stmt *s) {
  const tn_stmt *parts[2] = {tni_seq(c->r, 0, NULL), NULL};
  if (s->kind == TNI_ASSERT) parts[0] = piece(c, tni_claim(c->r, s->as.claim.cond, s->as.claim.message, parts[0]));
  parts[1] = cut(c, s->as.claim.body);
  return tni_seq(c->r, 2, parts);
}

/* ---- statements ---------------------------------------------------------------------------------------------------- */

static const tn_stmt *cut_if(cutter *c, const tn_stmt *s) {
  const tn_stmt *otherwise = s->as.cond.otherwise ? cut(c, s->as.cond.otherwise) : NULL;
  if (s->as.cond.otherwise && !otherwise) return NULL;
  return tni_if(c->r, s->as.cond.cond, cut(c, s->as.cond.then), otherwise);
}

/* All threads run s, of the body of their loop. */
static const tn_stmt *cut(cutter *c, const tn_stmt *s) {
  if (!tni_first_barrier(s)) return piece(c, s);
  switch (s->kind) {
  case TNI_SEQ: return cut_seq(c, s);
  case TNI_FOR:
    return tni_for_like(c->r, s, s->as.loop.var, s->as.loop.extent, s->as.loop.kind, cut(c, s->as.loop.body));
  case TNI_IF: return cut_if(c, s);
  case TNI_ALLOC: return cut_alloc(c, s);
  case TNI_LET: return cut_let(c, s);
  case TNI_ASSERT:
  case TNI_ASSUME: return cut_claim(c, s);
  default: return s; /* the barrier */
  }
}

static const tn_stmt *cut_loop(void *self, tni_region *r, const tn_stmt *s) {
  cutter c = {.r = r, .loop = s, .pieces = self};
  if (s->kind != TNI_FOR || !tni_is_thread_bound(s->as.loop.kind) || !tni_first_barrier(s)) return s;
  return cut(&c, s->as.loop.body);
}

static const tn_stmt *drop_barrier(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  return s->kind == TNI_BARRIER ? tni_seq(r, 0, NULL) : s;
}

/* ---- uses ---------------------------------------------------------------------------------------------------------- */

typedef struct use_search {
  const tn_expr *var;
  bool found;
} use_search;

static void see_use(void *self, const tn_expr *x) {
  use_search *q = self;
  q->found |= x == q->var;
}

/* In an expression of s. */
static bool uses_var(tni_region *r, const tn_stmt *s, const tn_expr *var) {
  use_search q = {.var = var};
  if (s) tni_stmt_visit_exprs(r->arena.ctx, s, see_use, &q);
  return q.found;
}

const tn_stmt *tni_lower_barriers(tni_region *r, const tn_stmt *body, const tni_piece **pieces) {
  if (!body || !tni_first_barrier(body)) return body;
  return tni_stmt_rewrite(r, tni_stmt_rewrite(r, body, NULL, cut_loop, pieces), NULL, drop_barrier, NULL);
}
