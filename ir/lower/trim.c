/* trim.c -- steps of a loop that would leave everything as it is are not taken.
 *
 *     for k in 0..7 { T[i] = select(3 <= k + o && k + o < 20, fma(A[k + o - 3 if ..], W[k], T[i]), T[i]) }
 *       ->
 *     for k in 0..min(7, 20 - o) - max(0, 3 - o) { T[i] = fma(A[k + o - 3], W[k], T[i]) }    k := k + max(0, 3 - o)
 *
 * So a sum over a window begins and ends where the picture does, and nothing is asked in it. All stores of the loop must
 * be of that kind and share the condition, but for those to buffers that each step has for itself. Guards of other
 * stores are not looked at: partition.c cuts loops there, which leaves extents constant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

enum { MOST_CONDITIONS = 8 };

/* Of a loop: the conditions without which nothing happens in a step. */
typedef struct trimmer {
  tni_region *r;
  const tn_stmt *loop;
  bool met; /* a store */
  size_t count;
  const tn_expr *conditions[MOST_CONDITIONS];
} trimmer;

/* ---- what there is ---- */

typedef struct name_search {
  const trimmer *t;
  const tn_buffer *buffer;
  const tn_expr *x;
  bool found;
} name_search;

static bool look_for_name(void *self, const tn_stmt *s) {
  name_search *q = self;
  tn_context *ctx = q->t->r->arena.ctx;
  if (s->kind == TNI_ALLOC) q->found |= s->as.alloc.buffer == q->buffer;
  if (s->kind == TNI_FOR) q->found |= q->x && tni_expr_uses(ctx, q->x, s->as.loop.var);
  if (s->kind == TNI_LET) q->found |= q->x && tni_expr_uses(ctx, q->x, s->as.let.var);
  return !q->found;
}

/* Is the buffer made in the loop, or is x over what is bound in it? */
static bool is_inside(const trimmer *t, const tn_buffer *buffer, const tn_expr *x) {
  name_search q = {.t = t, .buffer = buffer, .x = x};
  tni_stmt_visit(t->loop->as.loop.body, look_for_name, &q);
  return q.found;
}

/* small <= large, or < for least = 1, as coef * var + rest >= 0. */
static bool is_bound(const trimmer *t, const tn_expr *x, int64_t *coef, const tn_expr **rest) {
  if ((x->op != TN_OP_lt && x->op != TN_OP_le) || x->arg[0]->type != TN_INDEX) return false;
  const tn_expr *diff = tni_sub(t->r, x->arg[1], x->arg[0]);
  if (x->op == TN_OP_lt) diff = tni_sub(t->r, diff, tni_index(t->r, 1));
  return diff && tni_affine(t->r, diff, 1, &t->loop->as.loop.var, coef, rest) && *coef != 0;
}

static bool has(const tn_expr *cond, const tn_expr *x) {
  return cond == x || (cond->op == TN_OP_and && (has(cond->arg[0], x) || has(cond->arg[1], x)));
}

static void add_bounds(trimmer *t, const tn_expr *cond) {
  int64_t coef;
  const tn_expr *rest;
  if (cond->op == TN_OP_and) {
    add_bounds(t, cond->arg[0]);
    add_bounds(t, cond->arg[1]);
  } else if (t->count < MOST_CONDITIONS && is_bound(t, cond, &coef, &rest) &&
             !tni_expr_reads(cond) && !is_inside(t, NULL, cond)) {
    t->conditions[t->count++] = cond;
  }
}

/* Only what is in `cond`, too, is left; NULL: nothing. */
static void narrow(trimmer *t, const tn_expr *cond) {
  size_t kept = 0;
  if (!t->met && cond) add_bounds(t, cond);
  for (size_t i = 0; i < t->count; i++)
    if (cond && has(cond, t->conditions[i])) t->conditions[kept++] = t->conditions[i];
  t->count = kept;
  t->met = true;
}

/* Where it is false the store writes what is there; NULL: it may always write something else. */
static const tn_expr *condition_of(const tn_stmt *s) {
  const tn_expr *x = s->as.store.value, *own = x->op == TN_OP_select ? x->arg[2] : NULL;
  if (!own || own->op != TN_OP_load || own->as.buffer != s->as.store.buffer || tni_load_where(own)) return NULL;
  bool same = memcmp(own->arg, s->as.store.index, (size_t)s->as.store.count * sizeof *own->arg) == 0;
  return same ? x->arg[0] : NULL;
}

static void look_at(trimmer *t, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_STORE:
    if (!is_inside(t, s->as.store.buffer, NULL)) narrow(t, condition_of(s));
    break;
  case TNI_FOR: look_at(t, s->as.loop.body); break;
  case TNI_IF:
    look_at(t, s->as.cond.then);
    if (s->as.cond.otherwise) look_at(t, s->as.cond.otherwise);
    break;
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) look_at(t, s->as.seq.stmts[i]);
    break;
  case TNI_LET: look_at(t, s->as.let.body); break;
  case TNI_ALLOC: look_at(t, s->as.alloc.body); break;
  case TNI_PREFETCH: break;
  default: narrow(t, NULL);
  }
}

/* ---- the loop ---- */

static const tn_expr *make_true(void *self, tni_region *r, const tn_expr *x) {
  const trimmer *t = self;
  for (size_t i = 0; i < t->count; i++)
    if (t->conditions[i] == x) return tni_bool(r, true);
  return x;
}

/* The first step at which all conditions are true, and the one behind the last. */
static void find_steps(const trimmer *t, const tn_expr **first, const tn_expr **end) {
  tni_region *r = t->r;
  *first = tni_index(r, 0);
  *end = t->loop->as.loop.extent;
  for (size_t i = 0; i < t->count; i++) {
    int64_t coef;
    const tn_expr *rest;
    if (!is_bound(t, t->conditions[i], &coef, &rest)) continue;
    const tn_expr *by = tni_index(r, coef < 0 ? -coef : coef);
    if (coef > 0)
      *first = tni_op2(r, TN_OP_max, *first,
                       tni_op2(r, TN_OP_floordiv, tni_sub(r, tni_index(r, coef - 1), rest), by));
    else
      *end = tni_op2(r, TN_OP_min, *end, tni_add(r, tni_op2(r, TN_OP_floordiv, rest, by), tni_index(r, 1)));
  }
}

static const tn_stmt *trim(void *self, tni_region *r, const tn_stmt *s) {
  trimmer t = {.r = r, .loop = s};
  const tn_expr *first, *end;
  (void)self;
  if (s->kind != TNI_FOR || s->as.loop.kind != TNI_SERIAL || !tni_is_const(s->as.loop.extent)) return s;
  look_at(&t, s->as.loop.body);
  if (t.count == 0) return s;
  find_steps(&t, &first, &end);
  const tn_expr *var = s->as.loop.var, *own = tni_var(r, var->as.name, TN_INDEX), *moved = tni_add(r, own, first);
  const tn_expr *extent = tni_op2(r, TN_OP_max, tni_sub(r, end, first), tni_index(r, 0));
  tni_subst subst = {1, &var, &moved};
  const tn_stmt *body = tni_stmt_rewrite(r, s->as.loop.body, make_true, NULL, &t);
  body = body && moved ? tni_stmt_subst(r, body, &subst) : NULL;
  return extent ? tni_for_like(r, s, own, extent, TNI_SERIAL, body) : NULL;
}

const tn_stmt *tni_lower_trim(tni_region *r, const tn_stmt *body) {
  return tni_simplify_changed(r, body, tni_stmt_rewrite(r, body, NULL, trim, NULL));
}
