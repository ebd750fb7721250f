/* stmt.c -- constructors of statements and functions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

const char *const tni_loop_kind_names[TNI_LOOP_KIND_COUNT] = {"serial",   "parallel", "vectorized", "unrolled",
                                                              "outlined", "block.x",  "block.y",    "block.z",
                                                              "thread.x", "thread.y", "thread.z"};

static tn_stmt *make(tni_region *r, enum tni_stmt_kind kind) {
  tn_stmt *s = TNI_NEW(&r->arena, tn_stmt);
  if (s) s->kind = kind;
  return s;
}

const tn_stmt *tni_for(tni_region *r, const tn_expr *var, const tn_expr *extent, enum tni_loop_kind kind,
                       const tn_stmt *body) {
  tn_stmt *s = var && extent && body ? make(r, TNI_FOR) : NULL;
  if (!s) return NULL;
  s->as.loop.var = var;
  s->as.loop.extent = extent;
  s->as.loop.kind = kind;
  s->as.loop.body = body;
  return s;
}

const tn_stmt *tni_block(tni_region *r, const char *name, int32_t count, const tni_iter *iters, const tn_expr *where,
                         const tn_stmt *init, const tn_stmt *body) {
  tn_stmt *s = name && body ? make(r, TNI_BLOCK) : NULL;
  for (int32_t i = 0; s && i < count; i++)
    if (!iters[i].var || !iters[i].extent || !iters[i].binding) return NULL;
  tni_iter *kept = s ? tni_arena_copy(&r->arena, iters, (size_t)count * sizeof *iters) : NULL;
  if (!kept) return NULL;
  s->as.block.name = tni_arena_text(&r->arena, name);
  s->as.block.count = count;
  s->as.block.iters = kept;
  s->as.block.where = where && tni_is_int(where, 1) ? NULL : where;
  s->as.block.init = init;
  s->as.block.body = body;
  return s->as.block.name ? s : NULL;
}

/* The loop or block, made just now, with annotations that live as long. */
static const tn_stmt *with_notes(const tn_stmt *s, tni_annotations notes) {
  if (s) *(s->kind == TNI_FOR ? &((tn_stmt *)s)->as.loop.notes : &((tn_stmt *)s)->as.block.notes) = notes;
  return s;
}

const tn_stmt *tni_for_like(tni_region *r, const tn_stmt *like, const tn_expr *var, const tn_expr *extent,
                            enum tni_loop_kind kind, const tn_stmt *body) {
  return with_notes(tni_for(r, var, extent, kind, body), like->as.loop.notes);
}

const tn_stmt *tni_block_like(tni_region *r, const tn_stmt *like, const tni_iter *iters, const tn_expr *where,
                              const tn_stmt *init, const tn_stmt *body) {
  return with_notes(tni_block(r, like->as.block.name, like->as.block.count, iters, where, init, body),
                    like->as.block.notes);
}

tni_annotations tni_annotations_of(const tn_stmt *s) {
  if (s->kind == TNI_FOR) return s->as.loop.notes;
  return s->kind == TNI_BLOCK ? s->as.block.notes : (tni_annotations){0, NULL};
}

const tni_annotation *tni_find_annotation(tni_annotations notes, const char *key) {
  for (int32_t i = 0; i < notes.count; i++)
    if (strcmp(notes.items[i].key, key) == 0) return &notes.items[i];
  return NULL;
}

const tn_stmt *tni_annotated(tni_region *r, const tn_stmt *s, tni_annotations notes) {
  tni_annotation *items = s ? tni_arena_copy(&r->arena, notes.items, (size_t)notes.count * sizeof *items) : NULL;
  const tn_stmt *copy = items ? tni_arena_copy(&r->arena, s, sizeof *s) : NULL;
  for (int32_t i = 0; copy && i < notes.count; i++) {
    const char *text = items[i].text;
    items[i].key = tni_arena_text(&r->arena, items[i].key);
    if (text) items[i].text = tni_arena_text(&r->arena, text);
    if (!items[i].key || (text && !items[i].text)) return NULL;
  }
  return with_notes(copy, (tni_annotations){notes.count, items});
}

static bool is_true(const tn_expr *cond) { return tni_is_int(cond->op == TN_OP_broadcast ? cond->arg[0] : cond, 1); }

const tn_stmt *tni_store(tni_region *r, const tn_buffer *buffer, int32_t count, const tn_expr *const *index,
                         const tn_expr *value, const tn_expr *where) {
  tn_stmt *s = buffer && value ? make(r, TNI_STORE) : NULL;
  if (!s) return NULL;
  s->as.store.buffer = buffer;
  s->as.store.count = count;
  for (int32_t i = 0; i < count; i++)
    if (!(s->as.store.index[i] = index[i])) return NULL;
  s->as.store.value = value;
  s->as.store.where = where && is_true(where) ? NULL : where;
  return s;
}

const tn_stmt *tni_reduce(tni_region *r, enum tn_op op, const tn_buffer *buffer, int32_t count,
                          const tn_expr *const *index, const tn_expr *value, const tn_expr *where) {
  tn_stmt *s = (tn_stmt *)tni_store(r, buffer, count, index, value, where);
  if (!s) return NULL;
  s->kind = TNI_REDUCE;
  s->as.store.op = op;
  return s;
}

const tn_stmt *tni_copy(tni_region *r, const tn_buffer *buffer, int32_t count, const tn_expr *const *index,
                        const tn_expr *value, const tn_expr *where) {
  tn_stmt *s = (tn_stmt *)tni_store(r, buffer, count, index, value, where);
  if (s && value->op == TN_OP_load) s->kind = TNI_COPY;
  return s;
}

const tn_stmt *tni_store_like(tni_region *r, const tn_stmt *like, const tn_buffer *buffer, int32_t count,
                              const tn_expr *const *index, const tn_expr *value, const tn_expr *where) {
  if (like->kind == TNI_STORE) return tni_store(r, buffer, count, index, value, where);
  if (like->kind == TNI_PREFETCH) return tni_prefetch(r, buffer, count, index);
  if (like->kind == TNI_COPY) return tni_copy(r, buffer, count, index, value, where);
  return tni_reduce(r, like->as.store.op, buffer, count, index, value, where);
}

static bool is_empty(const tn_stmt *s) { return s->kind == TNI_SEQ && s->as.seq.count == 0; }

/* How many statements are left when nested sequences are opened; -1 if one is NULL. */
static int32_t count_flat(int32_t count, const tn_stmt *const *stmts) {
  int32_t flat = 0;
  for (int32_t i = 0; i < count; i++) {
    if (!stmts[i]) return -1;
    flat += stmts[i]->kind == TNI_SEQ ? stmts[i]->as.seq.count : 1;
  }
  return flat;
}

const tn_stmt *tni_seq(tni_region *r, int32_t count, const tn_stmt *const *stmts) {
  int32_t flat = count_flat(count, stmts);
  if (flat < 0) return NULL;
  const tn_stmt **items = TNI_NEW_ARRAY(&r->arena, const tn_stmt *, flat);
  tn_stmt *s = make(r, TNI_SEQ);
  if (!items || !s) return NULL;
  int32_t n = 0;
  for (int32_t i = 0; i < count; i++) {
    if (stmts[i]->kind != TNI_SEQ)
      items[n++] = stmts[i];
    else
      for (int32_t k = 0; k < stmts[i]->as.seq.count; k++) items[n++] = stmts[i]->as.seq.stmts[k];
  }
  if (n == 1) return items[0];
  s->as.seq.count = n;
  s->as.seq.stmts = items;
  return s;
}

const tn_stmt *tni_if(tni_region *r, const tn_expr *cond, const tn_stmt *then, const tn_stmt *otherwise) {
  if (!cond || !then) return NULL;
  if (tni_is_int(cond, 1)) return then;
  if (tni_is_int(cond, 0)) return otherwise ? otherwise : tni_seq(r, 0, NULL);
  tn_stmt *s = make(r, TNI_IF);
  if (!s) return NULL;
  s->as.cond.cond = cond;
  s->as.cond.then = then;
  s->as.cond.otherwise = otherwise && is_empty(otherwise) ? NULL : otherwise;
  return s;
}

const tn_stmt *tni_while(tni_region *r, const tn_expr *cond, const tn_stmt *body) {
  if (!cond || !body) return NULL;
  if (tni_is_int(cond, 0)) return tni_seq(r, 0, NULL);
  tn_stmt *s = make(r, TNI_WHILE);
  if (!s) return NULL;
  s->as.repeat.cond = cond;
  s->as.repeat.body = body;
  return s;
}

const tn_stmt *tni_alloc_stmt(tni_region *r, const tn_buffer *buffer, const tn_stmt *body) {
  tn_stmt *s = buffer && body ? make(r, TNI_ALLOC) : NULL;
  if (!s) return NULL;
  s->as.alloc.buffer = buffer;
  s->as.alloc.body = body;
  return s;
}

const tn_stmt *tni_let(tni_region *r, const tn_expr *var, const tn_expr *value, const tn_stmt *body) {
  tn_stmt *s = var && value && body ? make(r, TNI_LET) : NULL;
  if (!s) return NULL;
  s->as.let.var = var;
  s->as.let.value = value;
  s->as.let.body = body;
  return s;
}

const tn_stmt *tni_claim(tni_region *r, const tn_expr *cond, const char *message, const tn_stmt *body) {
  tn_stmt *s = cond && body ? make(r, message ? TNI_ASSERT : TNI_ASSUME) : NULL;
  if (!s) return NULL;
  s->as.claim.cond = cond;
  s->as.claim.message = message ? tni_arena_text(&r->arena, message) : NULL;
  s->as.claim.body = body;
  return message && !s->as.claim.message ? NULL : s;
}

const tn_stmt *tni_rest(const tn_stmt *s) {
  switch (s->kind) {
  case TNI_ALLOC: return s->as.alloc.body;
  case TNI_LET: return s->as.let.body;
  case TNI_ASSERT:
  case TNI_ASSUME: return s->as.claim.body;
  default: return NULL;
  }
}

const tn_stmt *tni_with_rest(tni_region *r, const tn_stmt *s, const tn_stmt *rest) {
  if (s->kind == TNI_ALLOC) return tni_alloc_stmt(r, s->as.alloc.buffer, rest);
  if (s->kind == TNI_LET) return tni_let(r, s->as.let.var, s->as.let.value, rest);
  return tni_claim(r, s->as.claim.cond, s->as.claim.message, rest);
}

const tn_expr *tni_own_expr(const tn_stmt *s) {
  switch (s->kind) {
  case TNI_FOR: return s->as.loop.extent;
  case TNI_IF: return s->as.cond.cond;
  case TNI_WHILE: return s->as.repeat.cond;
  case TNI_LET: return s->as.let.value;
  case TNI_ASSERT:
  case TNI_ASSUME: return s->as.claim.cond;
  case TNI_EVALUATE: return s->as.evaluate.call;
  default: return NULL;
  }
}

const tn_stmt *tni_evaluate(tni_region *r, const tn_expr *call) {
  tn_stmt *s = call ? make(r, TNI_EVALUATE) : NULL;
  if (s) s->as.evaluate.call = call;
  return s;
}

const tn_stmt *tni_barrier(tni_region *r, enum tni_scope scope) {
  tn_stmt *s = make(r, TNI_BARRIER);
  if (s) s->as.barrier.scope = scope;
  return s;
}

const tn_stmt *tni_commit(tni_region *r) { return make(r, TNI_COMMIT); }

const tn_stmt *tni_wait(tni_region *r, int64_t pending) {
  tn_stmt *s = make(r, TNI_WAIT);
  if (s) s->as.wait.pending = pending;
  return s;
}

const tn_stmt *tni_prefetch(tni_region *r, const tn_buffer *buffer, int32_t count, const tn_expr *const *index) {
  tn_stmt *s = buffer ? make(r, TNI_PREFETCH) : NULL;
  if (!s) return NULL;
  s->as.store.buffer = buffer;
  s->as.store.count = count;
  for (int32_t i = 0; i < count; i++)
    if (!(s->as.store.index[i] = index[i])) return NULL;
  return s;
}

typedef struct sync_search {
  bool barriers; /* only those */
  const tn_stmt *first;
} sync_search;

static bool see_sync(void *self, const tn_stmt *s) {
  sync_search *q = self;
  if (!q->first && (q->barriers ? s->kind == TNI_BARRIER : tni_is_sync(s))) q->first = s;
  return !q->first;
}

const tn_stmt *tni_first_barrier(const tn_stmt *s) {
  sync_search q = {.barriers = true};
  tni_stmt_visit(s, see_sync, &q);
  return q.first;
}

const tn_stmt *tni_first_sync(const tn_stmt *s) {
  sync_search q = {.barriers = false};
  tni_stmt_visit(s, see_sync, &q);
  return q.first;
}

tn_func *tni_func_with_body(tni_region *r, const tn_func *f, enum tni_level level, const tn_stmt *body) {
  tn_func *copy = body ? tni_arena_copy(&r->arena, f, sizeof *f) : NULL;
  if (!copy) return NULL;
  copy->level = level;
  copy->body = body;
  copy->region = r;
  return copy;
}
