/* dead.c -- stores that nobody needs: into elements of a register that are never read, or where the condition is false.
 *
 *     T[ramp(0, 1, 8)] = fma(a, b, T[ramp(0, 1, 8)])  T[ramp(8, 1, 8)] = fma(c, b, T[ramp(8, 1, 8)])  C[..] = T[ramp(0, 1, 8)]
 *       ->
 *     T[ramp(0, 1, 8)] = fma(a, b, T[ramp(0, 1, 8)])  C[..] = T[ramp(0, 1, 8)]
 *
 * A tile that stands over the end of its result has such rows. What a store reads of the elements that it writes itself does
 * not count. Buffers with a subscript that is not constant, and stores whose value calls somebody, are left alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

/* ---- which elements are read ---- */

enum { MAX_ELEMENTS = 1 << 16 }; /* no registers hold so many */

typedef struct interval {
  int64_t first, count;
} interval;

/* The elements of a flat access; false: not constant, or none in a row. */
static bool interval_of(const tn_expr *index, interval *out) {
  const tn_expr *base = index->op == TN_OP_ramp ? index->arg[0] : index;
  if (!tni_is_const(base) || (index->op == TN_OP_ramp && !tni_is_int(index->arg[1], 1))) return false;
  *out = (interval){base->as.i, (int64_t)TN_TYPE_LANES(index->type)};
  return true;
}

typedef struct reads {
  tn_context *ctx;
  const tn_buffer *buffer;
  int64_t size;
  bool *read;           /* of each element */
  const tn_stmt *store; /* the one whose expressions are looked at, when it writes the buffer */
  bool opaque;          /* an access that is not understood: all may be read */
} reads;

static void see_load(void *self, const tn_expr *x) {
  reads *q = self;
  interval at;
  q->opaque |= x->op == TNI_OP_ADDRESS && x->as.buffer == q->buffer;
  if (x->op != TN_OP_load || x->as.buffer != q->buffer) return;
  if (q->store && x->arg[0] == q->store->as.store.index[0]) return;
  if (!interval_of(x->arg[0], &at) || at.first < 0 || at.count > q->size - at.first) {
    q->opaque = true;
    return;
  }
  memset(q->read + at.first, true, (size_t)at.count);
}

static void see_exprs(reads *q, const tn_stmt *s) {
  if (tni_is_write(s)) {
    interval at;
    q->store = s->as.store.buffer == q->buffer ? s : NULL;
    q->opaque |= q->store && !interval_of(s->as.store.index[0], &at);
    tni_expr_visit_memory(q->ctx, s->as.store.value, see_load, q);
    if (s->as.store.where) tni_expr_visit_memory(q->ctx, s->as.store.where, see_load, q);
    q->store = NULL;
    tni_expr_visit_memory(q->ctx, s->as.store.index[0], see_load, q);
  } else if (tni_own_expr(s)) {
    tni_expr_visit_memory(q->ctx, tni_own_expr(s), see_load, q);
  }
  for (int32_t d = 0; s->kind == TNI_ALLOC && d < s->as.alloc.buffer->rank; d++)
    tni_expr_visit_memory(q->ctx, s->as.alloc.buffer->shape[d], see_load, q);
}

static bool see_stmt(void *self, const tn_stmt *s) {
  see_exprs(self, s);
  return !((reads *)self)->opaque;
}

/* ---- the rewrite ---- */

static const tn_stmt *drop_unread(void *self, tni_region *r, const tn_stmt *s) {
  const reads *q = self;
  interval at;
  if (!tni_is_write(s) || s->as.store.buffer != q->buffer) return s;
  if (!interval_of(s->as.store.index[0], &at) || at.first < 0 || at.count > q->size - at.first) return s;
  bool needed = memchr(q->read + at.first, true, (size_t)at.count) != NULL;
  needed |= tni_expr_calls(s->as.store.value) || (s->as.store.where && tni_expr_calls(s->as.store.where));
  return needed ? s : tni_seq(r, 0, NULL);
}

static bool is_never(const tn_expr *where) {
  if (where && where->op == TN_OP_broadcast) where = where->arg[0];
  return where && tni_is_const(where) && !where->as.i;
}

static const tn_stmt *drop_dead(void *self, tni_region *r, const tn_stmt *s) {
  if (tni_is_write(s) && is_never(s->as.store.where)) return tni_seq(r, 0, NULL);
  if (s->kind != TNI_ALLOC || s->as.alloc.buffer->scope != TNI_SCOPE_REGISTER) return s;
  const tn_buffer *b = s->as.alloc.buffer;
  if (b->rank != 1 || !tni_is_const(b->shape[0]) || b->shape[0]->as.i < 0 || b->shape[0]->as.i > MAX_ELEMENTS) return s;
  tn_context *ctx = self;
  reads q = {.ctx = ctx, .buffer = b, .size = b->shape[0]->as.i};
  q.read = tni_alloc(ctx, (size_t)q.size + 1);
  if (!q.read) return NULL;
  memset(q.read, false, (size_t)q.size + 1);
  tni_stmt_visit(s->as.alloc.body, see_stmt, &q);
  const tn_stmt *made =
      q.opaque ? s : tni_alloc_stmt(r, b, tni_stmt_rewrite(r, s->as.alloc.body, NULL, drop_unread, &q));
  tni_free(ctx, q.read, (size_t)q.size + 1);
  return made;
}

const tn_stmt *tni_lower_dead(tni_region *r, const tn_stmt *body) {
  return tni_stmt_rewrite(r, body, NULL, drop_dead, r->arena.ctx);
}
