/* flatten.c -- one row-major subscript for every access, in elements.
 *
 *     A[i, j] of A: f32[n, m]  ->  A[i*m + j]
 *
 * Buffers made inside the function become rank 1; parameters keep their shape, which callers see.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

typedef struct flat_map {
  tn_context *ctx;
  const tn_buffer **pairs; /* old, flat, ... */
  size_t count, capacity;
  bool failed;
} flat_map;

static const tn_buffer *flat_of(const flat_map *m, const tn_buffer *b) {
  for (size_t i = 0; i < m->count; i += 2)
    if (m->pairs[i] == b) return m->pairs[i + 1];
  return b;
}

static const tn_expr *flat_index(tni_region *r, const tn_buffer *b, const tn_expr *const *index) {
  const tn_expr *flat = tni_index(r, 0);
  for (int32_t i = 0; i < b->rank; i++) flat = tni_add(r, tni_mul(r, flat, b->shape[i]), index[i]);
  return flat;
}

static const tn_expr *flatten_expr(void *self, tni_region *r, const tn_expr *x) {
  const flat_map *m = self;
  if (x->op == TNI_OP_ADDRESS) return tni_address(r, flat_of(m, x->as.buffer));
  if (x->op != TN_OP_load) return x;
  const tn_expr *index = flat_index(r, x->as.buffer, x->arg);
  return tni_load(r, x->type, flat_of(m, x->as.buffer), 1, &index, tni_load_where(x));
}

static const tn_stmt *flatten_stmt(void *self, tni_region *r, const tn_stmt *s) {
  const flat_map *m = self;
  if (s->kind == TNI_ALLOC) return tni_alloc_stmt(r, flat_of(m, s->as.alloc.buffer), s->as.alloc.body);
  if (s->kind != TNI_STORE) return s;
  const tn_expr *index = flat_index(r, s->as.store.buffer, s->as.store.index);
  return tni_store(r, flat_of(m, s->as.store.buffer), 1, &index, s->as.store.value, s->as.store.where);
}

typedef struct collector {
  flat_map *map;
  tni_region *r;
} collector;

static bool collect(void *self, const tn_stmt *s) {
  collector *c = self;
  if (s->kind != TNI_ALLOC) return true;
  const tn_buffer *b = s->as.alloc.buffer;
  if (flat_of(c->map, b) != b) return true;
  const tn_expr *size = tni_index(c->r, 1);
  for (int32_t i = 0; i < b->rank; i++) size = tni_mul(c->r, size, b->shape[i]);
  const tn_buffer *flat = tni_buffer(c->r, b->name, b->type, b->scope, 1, &size);
  flat_map *m = c->map;
  if (!flat || !tni_reserve(m->ctx, (void **)&m->pairs, &m->capacity, m->count + 2, sizeof *m->pairs)) {
    m->failed = true;
    return false;
  }
  m->pairs[m->count++] = b;
  m->pairs[m->count++] = flat;
  return true;
}

const tn_stmt *tni_lower_flatten(tni_region *r, const tn_stmt *body) {
  flat_map map = {.ctx = r->arena.ctx};
  collector c = {&map, r};
  tni_stmt_visit(body, collect, &c);
  const tn_stmt *flat = body && !map.failed ? tni_stmt_rewrite(r, body, flatten_expr, flatten_stmt, &map) : NULL;
  tni_free(map.ctx, map.pairs, map.capacity * sizeof *map.pairs);
  return flat;
}
