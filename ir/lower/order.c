/* order.c -- concurrent loops whose iterations would share a buffer run in order.
 *
 *     alloc T  for i in 0..n parallel { T[..] = ..  .. T[..] }  ->  alloc T  for i in 0..n { T[..] = ..  .. T[..] }
 *
 * needs: blocks, and the storage plan of the simplified body
 *
 * Iterations may run at the same time when what each writes before it reads is its own. That was found out on the program as it was
 * scheduled; here it is asked again for buffers that storage.c, which sees the simplified program, leaves outside of such a loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"
#include "text.h"

typedef struct orderer {
  tni_region *r;
  const tn_func *func;
  const tni_storage *storage;
  tni_accesses accesses; /* of the body */
  bool collected, failed;
  tni_map in_order; /* variables of loops */
} orderer;

typedef struct loop_search {
  const tn_expr *var;
  bool found;
} loop_search;

static bool see_loop(void *self, const tn_stmt *s) {
  loop_search *q = self;
  q->found |= s->kind == TNI_FOR && s->as.loop.var == q->var;
  return !q->found;
}

/* Does the loop write the buffer, which will live outside of it? */
static bool writes_outside(const tni_placement *p, const tn_stmt *loop) {
  loop_search place = {.var = p->at};
  if (!tni_is_written_in(loop->as.loop.body, p->old)) return false;
  if (p->at) tni_stmt_visit(loop, see_loop, &place);
  return !place.found;
}

/* May iterations meet in a buffer that will live outside of the loop? */
static bool may_meet(orderer *o, const tn_stmt *loop) {
  for (size_t i = 0; i < o->storage->count && !o->failed; i++) {
    const tni_placement *p = &o->storage->items[i];
    if (!writes_outside(p, loop)) continue;
    if (!o->collected) o->failed |= !tni_accesses_collect(o->r, o->func->body, &o->accesses);
    o->collected = true;
    if (!o->failed && !tni_is_apart(o->r, o->func, &o->accesses, loop, p->old)) return true;
  }
  return false;
}

static bool see_stmt(void *self, const tn_stmt *s) {
  orderer *o = self;
  bool asked = s->kind == TNI_FOR && (s->as.loop.kind == TNI_PARALLEL || s->as.loop.kind == TNI_VECTORIZED);
  if (asked && may_meet(o, s))
    o->failed |= tni_map_add(&o->in_order, &s->as.loop.var, sizeof s->as.loop.var, NULL) == TNI_MAP_NONE;
  return !o->failed;
}

static const tn_stmt *put_in_order(void *self, tni_region *r, const tn_stmt *s) {
  const orderer *o = self;
  if (s->kind != TNI_FOR || tni_map_find(&o->in_order, &s->as.loop.var, sizeof s->as.loop.var) == TNI_MAP_NONE)
    return s;
  return tni_for_like(r, s, s->as.loop.var, s->as.loop.extent, TNI_SERIAL, s->as.loop.body);
}

const tn_stmt *tni_lower_order(tni_region *r, const tni_storage *storage, const tn_func *func) {
  orderer o = {.r = r, .func = func, .storage = storage};
  tni_map_init(&o.in_order, r->arena.ctx);
  tni_stmt_visit(func->body, see_stmt, &o);
  const tn_stmt *made = func->body;
  if (!o.failed && o.in_order.count) made = tni_stmt_rewrite(r, func->body, NULL, put_in_order, &o);
  tni_map_destroy(&o.in_order);
  if (o.collected) tni_accesses_destroy(&o.accesses);
  return o.failed ? NULL : made;
}
