/* scopes.c -- what is bound around a place: every variable once, by a loop, an iterator or a parameter; every buffer once,
 * as a parameter or by an alloc.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verify/verify.h"

const tni_scoped *tni_verify_find(const tni_verifier *v, const void *node) {
  size_t entry = tni_map_find(&v->known, node, 0);
  return entry == TNI_MAP_NONE ? NULL : &v->bindings[entry];
}

static const char *name_of(const void *node, bool buffer) {
  return buffer ? ((const tn_buffer *)node)->name : ((const tn_expr *)node)->as.name;
}

bool tni_verify_bind(tni_verifier *v, const void *node, bool buffer, tni_scoped b) {
  bool added;
  size_t entry = tni_map_add(&v->known, node, 0, &added);
  if (entry == TNI_MAP_NONE ||
      !tni_reserve(v->ctx, (void **)&v->bindings, &v->binding_capacity, entry + 1, sizeof *v->bindings))
    return tni_verify_nomem(v);
  if (!added)
    return tni_verify_fail(v, node, buffer ? "buffer `%s` is declared twice" : "variable `%s` is bound twice",
                           name_of(node, buffer));
  b.live = true;
  b.barriers = v->barriers;
  b.blocks = v->blocks;
  v->bindings[entry] = b;
  return true;
}

void tni_verify_bind_wrong(tni_verifier *v, const void *node) {
  size_t entry = tni_map_add(&v->known, node, 0, NULL);
  if (entry == TNI_MAP_NONE ||
      !tni_reserve(v->ctx, (void **)&v->bindings, &v->binding_capacity, entry + 1, sizeof *v->bindings))
    tni_verify_nomem(v);
  else
    v->bindings[entry] = (tni_scoped){.live = true, .blocks = v->blocks, .barriers = v->barriers};
}

void tni_verify_unbind(tni_verifier *v, const void *node) {
  size_t entry = tni_map_find(&v->known, node, 0);
  if (entry != TNI_MAP_NONE) v->bindings[entry].live = false;
}

bool tni_verify_bind_range(tni_verifier *v, const tn_expr *var, const tn_expr *extent, tni_scoped kind, bool *empty) {
  int64_t lo, hi;
  if (var->op != TN_OP_var || var->type != TN_INDEX)
    return tni_verify_fail(v, NULL, "a loop or iterator needs an index variable");
  tni_bounds(&v->facts, extent, &lo, &hi);
  *empty = hi <= 0;
  v->guards += *empty;
  int64_t last = *empty ? 0 : hi >= TNI_INF ? TNI_INF : hi - 1;
  if (!tni_facts_push(&v->facts, var, 0, last)) return tni_verify_nomem(v);
  kind.exact = tni_is_const(extent) && !*empty;
  return tni_verify_bind(v, var, false, kind);
}

bool tni_verify_var(tni_verifier *v, const tn_expr *x) {
  const tni_scoped *b = tni_verify_find(v, x);
  if (!b || !b->live)
    return tni_verify_fail(v, x, "`%s` is not bound by a loop, block or parameter around", x->as.name);
  if (!b->param && b->blocks != v->blocks)
    return tni_verify_fail(v, x, "`%s` is bound outside of the block; the body of a block uses its iterators only",
                           x->as.name);
  if (b->reduce && v->in_init)
    return tni_verify_fail(v, x, "`%s` is a reduce iterator; init runs before the reduction", x->as.name);
  return true;
}

bool tni_verify_buffer(tni_verifier *v, const tn_buffer *buffer, const void *mark) {
  const tni_scoped *b = tni_verify_find(v, buffer);
  if (!b || !b->live)
    return tni_verify_fail(v, mark, "buffer `%s` is neither a parameter nor allocated around", buffer->name);
  return true;
}
