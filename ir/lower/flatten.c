/* flatten.c -- one subscript for every access: where the element stands, in elements from the buffer's pointer (buffer.c).
 *
 *     A[i, j] of A: f32[n, m]                                    ->  A[i*m + j]
 *     A[i, j] of A: f32[n, m] strides (s, 1) offset 4            ->  A[4 + i*s + j]
 *     A[i, j] of A: f32[64, 16] layout (i, j) -> (j, i)          ->  A[j*64 + i]
 *
 * Buffers made inside the function become rank 1; parameters keep their form, which callers see.
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

static const tn_expr *flatten_expr(void *self, tni_region *r, const tn_expr *x) {
  const flat_map *m = self;
  if (x->op == TNI_OP_ADDRESS) return tni_address(r, flat_of(m, x->as.buffer));
  if (x->op != TN_OP_load) return x;
  const tn_expr *index = tni_buffer_place(r, x->as.buffer, x->arg);
  return tni_load(r, x->type, flat_of(m, x->as.buffer), 1, &index, tni_load_where(x));
}

static const tn_stmt *flatten_stmt(void *self, tni_region *r, const tn_stmt *s) {
  const flat_map *m = self;
  if (s->kind == TNI_ALLOC) return tni_alloc_stmt(r, flat_of(m, s->as.alloc.buffer), s->as.alloc.body);
  if (!tni_has_subscripts(s)) return s;
  const tn_expr *index = tni_buffer_place(r, s->as.store.buffer, s->as.store.index);
  return tni_store_like(r, s, flat_of(m, s->as.store.buffer), 1, &index, s->as.store.value, s->as.store.where);
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
  tn_buffer form = {.name = b->name, .type = b->type, .scope = tni_storage_scope(b), .rank = 1, .align = b->align};
  form.shape[0] = tni_buffer_size(c->r, b);
  const tn_buffer *flat = tni_buffer_make(c->r, &form);
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
