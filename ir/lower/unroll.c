/* unroll.c -- unrolled loops written out; every copy has variables and buffers of its own.
 *
 *     for i in 0..3 unrolled { S }  ->  S[i := 0]  S[i := 1]  S[i := 2]
 *
 * A loop with more than MAX_COPIES iterations, or an extent that is not constant, stays a serial loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

enum { MAX_COPIES = 1024 };

static const tn_stmt *rename_let(tni_region *r, const tn_stmt *s) {
  const tn_expr *old = s->as.let.var, *var = tni_var(r, old->as.name, old->type);
  tni_subst subst = {1, &old, &var};
  return tni_let(r, var, s->as.let.value, var ? tni_stmt_subst(r, s->as.let.body, &subst) : NULL);
}

static const tn_stmt *rename_iters(tni_region *r, const tn_stmt *s) {
  size_t count = (size_t)s->as.block.count;
  tni_iter *iters = tni_arena_copy(&r->arena, s->as.block.iters, count * sizeof *iters);
  const tn_expr **old = TNI_NEW_ARRAY(&r->arena, const tn_expr *, count), **made = TNI_NEW_ARRAY(&r->arena, const tn_expr *, count);
  if (!iters || !old || !made) return NULL;
  for (size_t i = 0; i < count; i++) {
    old[i] = iters[i].var;
    if (!(iters[i].var = made[i] = tni_var(r, old[i]->as.name, TN_INDEX))) return NULL;
  }
  tni_subst subst = {count, old, made};
  const tn_stmt *init = s->as.block.init ? tni_stmt_subst(r, s->as.block.init, &subst) : NULL;
  if (s->as.block.init && !init) return NULL;
  return tni_block_like(r, s, iters, s->as.block.where, init, tni_stmt_subst(r, s->as.block.body, &subst));
}

static const tn_stmt *rename_bound(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind == TNI_BLOCK) return rename_iters(r, s);
  if (s->kind == TNI_ALLOC) return tni_alloc_swapped(r, s, tni_buffer_make(r, s->as.alloc.buffer));
  if (s->kind == TNI_LET) return rename_let(r, s);
  if (s->kind != TNI_FOR) return s;
  const tn_expr *var = tni_var(r, s->as.loop.var->as.name, s->as.loop.var->type);
  tni_subst subst = {1, &s->as.loop.var, &var};
  const tn_stmt *body = var ? tni_stmt_subst(r, s->as.loop.body, &subst) : NULL;
  return tni_for_like(r, s, var, s->as.loop.extent, s->as.loop.kind, body);
}

const tn_stmt *tni_stmt_refresh(tni_region *r, const tn_stmt *s) {
  return tni_stmt_rewrite(r, s, NULL, rename_bound, NULL);
}

static const tn_stmt *unroll(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind != TNI_FOR || (s->as.loop.kind != TNI_UNROLLED && s->as.loop.kind != TNI_VECTORIZED)) return s;
  const tn_expr *extent = s->as.loop.extent;
  if (s->as.loop.kind == TNI_VECTORIZED || !tni_is_const(extent) || extent->as.i > MAX_COPIES)
    return tni_for_like(r, s, s->as.loop.var, extent, TNI_SERIAL, s->as.loop.body);
  const tn_stmt **copies = TNI_NEW_ARRAY(&r->arena, const tn_stmt *, extent->as.i);
  for (int64_t i = 0; copies && i < extent->as.i; i++) {
    const tn_expr *value = tni_index(r, i);
    tni_subst subst = {1, &s->as.loop.var, &value};
    copies[i] = value ? tni_stmt_subst(r, s->as.loop.body, &subst) : NULL;
    copies[i] = copies[i] && i ? tni_stmt_refresh(r, copies[i]) : copies[i];
  }
  return copies ? tni_seq(r, (int32_t)extent->as.i, copies) : NULL;
}

const tn_stmt *tni_lower_unroll(tni_region *r, const tn_stmt *body) {
  return tni_stmt_rewrite(r, body, NULL, unroll, NULL);
}
