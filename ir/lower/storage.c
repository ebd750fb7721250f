/* storage.c -- buffers made as small as their use, at the innermost place that holds all of it.
 *
 *     alloc T: f32[512, 512]
 *     for i in 0..64 { for j in 0..8 { T[i*8 + j, ...] = .. }  for j in 0..8 { .. T[i*8 + j, ...] } }
 *       ->
 *     for i in 0..64 { alloc T: f32[8, ...]  for j in 0..8 { T[j, ...] = .. } ... }
 *
 * A buffer may live inside a loop when nothing is carried from one iteration to the next: every read is covered by an earlier
 * write of the same iteration (their boxes are compared, see itermap.c), and no reduction that accumulates in the buffer
 * has that loop as a reduce loop. What cannot be shown stays outside. A buffer that says where its elements stand (strides, a
 * layout) keeps its form; one whose extents are over variables of the function, or read memory, stays where it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

enum { STACK_BYTES = 16 * 1024 };

typedef struct analysis {
  tni_region *r;
  tni_accesses accesses;
  bool failed;
} analysis;

/* ---- deciding where a buffer lives ---- */

static tni_facts nothing_known(const analysis *a) { return (tni_facts){.ctx = a->r->arena.ctx}; }

/* May the buffer live inside the loops above `depth`? *covered: its reads are at any depth, which is found out here. */
static bool may_live_at(analysis *a, const tn_buffer *b, int depth, const tn_expr *loop_var, bool *covered) {
  bool guarded = false;
  for (size_t i = 0; i < a->accesses.count; i++) {
    const tni_access *x = &a->accesses.items[i];
    if (x->buffer != b) continue;
    if (x->write && tni_feeds_reduction(a->r->arena.ctx, x, loop_var)) /* it accumulates in the buffer over this loop */
      return false;
    if (!x->write && !*covered && !tni_is_covered(a->r, &a->accesses, x, depth)) return false;
    guarded |= x->write && x->block && x->block->as.block.where;
  }
  *covered |= !guarded; /* by the same writes, whatever stands still */
  return true;
}

/* How many loops all accesses of b have in common. */
static int common_depth(const analysis *a, const tn_buffer *b, const tni_access **first) {
  int depth = 0;
  *first = NULL;
  for (size_t i = 0; i < a->accesses.count; i++) {
    const tni_access *x = &a->accesses.items[i];
    if (x->buffer != b) continue;
    if (!*first) {
      *first = x;
      depth = x->depth;
    }
    int same = 0;
    while (same < depth && same < x->depth && x->loops[same] == (*first)->loops[same]) same++;
    depth = same;
  }
  return depth;
}

/* Is the whole box known, and fits on the stack? */
static bool box_is_small(const tn_buffer *b, const tni_box *box) {
  int64_t bytes = (int64_t)tn_type_bytes(b->type);
  for (int32_t d = 0; d < b->rank; d++) {
    if (!box->extents[d] || box->extents[d] > STACK_BYTES) return false;
    bytes *= box->extents[d];
    if (bytes > STACK_BYTES) return false;
  }
  return true;
}

/* The box of all accesses at this depth; nothing is known of it when there are none. */
static tni_box box_of_all(analysis *a, const tn_buffer *b, int depth) {
  tni_facts none = nothing_known(a);
  tni_box all = {0}, one;
  bool first = true;
  for (size_t i = 0; i < a->accesses.count; i++) {
    if (a->accesses.items[i].buffer != b) continue;
    a->failed |= !tni_access_cover(a->r, &a->accesses.items[i], depth, &one);
    if (a->failed) return all;
    if (first)
      all = one;
    else
      a->failed |= !tni_box_grow(a->r, &none, b->rank, &all, &one);
    first = false;
  }
  return all;
}

/* Mins and extents from the box of all accesses; a dimension that is not bounded is whole. */
static bool shrink(analysis *a, const tn_buffer *b, int depth, tni_placement *out, const tn_expr **shape) {
  tni_box box = box_of_all(a, b, depth);
  out->roomy = box_is_small(b, &box);
  for (int32_t d = 0; d < b->rank && !a->failed; d++) {
    bool larger = tni_is_const(b->shape[d]) && box.extents[d] >= b->shape[d]->as.i;
    bool keep = !box.extents[d] || (!out->roomy && larger);
    out->mins[d] = keep ? tni_index(a->r, 0) : box.bases[d];
    shape[d] = keep ? b->shape[d] : tni_index(a->r, box.extents[d]);
    a->failed |= !out->mins[d] || !shape[d];
  }
  return !a->failed;
}

/* Does a loop of that kind around the access step through the dimension? */
static bool is_stepped(analysis *a, const tni_access *x, int32_t d, enum tni_loop_kind kind) {
  for (int l = 0; l < x->depth; l++)
    if (x->loops[l]->as.loop.kind == kind && tni_expr_uses(a->r->arena.ctx, x->index[d], x->loops[l]->as.loop.var))
      return true;
  return false;
}

/* Does the statement of that read read all elements of the last dimension, one by one? */
static bool reads_all_between(const analysis *a, const tni_access *read, int64_t count) {
  int64_t seen = 0;
  int32_t last = read->buffer->rank - 1;
  for (size_t i = 0; i < a->accesses.count; i++) {
    const tni_access *x = &a->accesses.items[i];
    if (x->buffer != read->buffer || x->write || x->order != read->order || !tni_is_const(x->index[last])) continue;
    if (x->index[last]->as.i >= 0 && x->index[last]->as.i < count) seen |= 1 << x->index[last]->as.i;
  }
  return seen == (1 << count) - 1;
}

/* Are these vectors, with 2 or 4 elements between, written all together by unrolled stores, and by nobody read unless so?
 * Then what is between stays there. */
static bool is_filled_between(analysis *a, const tni_access *write, int32_t d, const tn_expr *const *shape) {
  int32_t last = write->buffer->rank - 1;
  if (d != last - 1 || (!tni_is_int(shape[last], 2) && !tni_is_int(shape[last], 4))) return false;
  bool apart = false;
  for (size_t i = 0; i < a->accesses.count; i++) {
    const tni_access *x = &a->accesses.items[i];
    apart |= x->buffer == write->buffer && !x->write && is_stepped(a, x, d, TNI_VECTORIZED) &&
             !reads_all_between(a, x, shape[last]->as.i);
  }
  return !apart && is_stepped(a, write, last, TNI_UNROLLED);
}

/* The dimension that a vectorized loop steps through, in the access that is stored, of several the last one; the last
 * one of all when there is none. */
static int32_t vector_dim(analysis *a, const tn_buffer *b, const tn_expr *const *shape) {
  for (size_t i = 0; i < a->accesses.count; i++) {
    const tni_access *x = &a->accesses.items[i];
    for (int32_t d = b->rank; x->buffer == b && x->write && d-- > 0;)
      if (is_stepped(a, x, d, TNI_VECTORIZED)) return is_filled_between(a, x, d, shape) ? b->rank - 1 : d;
  }
  return b->rank - 1;
}

/* The order of dimensions in memory: a small buffer has the vectorized one innermost, so that vectors are contiguous. */
static void choose_order(analysis *a, const tn_buffer *b, tni_placement *out, const tn_expr **shape) {
  const tn_expr *old[TN_MAX_RANK];
  int32_t inner = out->roomy ? vector_dim(a, b, shape) : b->rank - 1, next = 0;
  for (int32_t d = 0; d < b->rank; d++) {
    old[d] = shape[d];
    if (d != inner) out->order[next++] = d;
  }
  if (b->rank) out->order[next] = inner;
  for (int32_t d = 0; d < b->rank; d++) shape[d] = old[out->order[d]];
}

enum tni_scope tni_storage_scope(const tn_buffer *made) {
  int64_t size = tni_buffer_constant_size(made);
  if (size < 0 || size > STACK_BYTES / (int64_t)tn_type_bytes(made->type)) return TNI_SCOPE_GLOBAL;
  return made->scope == TNI_SCOPE_REGISTER ? TNI_SCOPE_REGISTER : TNI_SCOPE_LOCAL;
}

/* How deep the buffer may live: at least as deep as it is allocated (`at`: the innermost loop around that, or NULL), where
 * nothing is carried by its meaning. */
static int live_depth(analysis *a, const tn_buffer *b, const tn_expr *at, const tni_access **first) {
  int depth = 0, deepest = common_depth(a, b, first);
  bool covered = false;
  for (int i = 0; at && i < deepest; i++)
    if ((*first)->loops[i]->as.loop.var == at) depth = i + 1;
  while (depth < deepest && may_live_at(a, b, depth + 1, (*first)->loops[depth]->as.loop.var, &covered)) depth++;
  return depth;
}

/* Do the extents read memory? Then they mean what is there when the buffer is allocated, and no later. */
static bool is_sized_by_memory(const tn_buffer *b) {
  bool found = false;
  for (int32_t d = 0; d < b->rank; d++) found |= tni_expr_reads(b->shape[d]);
  return found;
}

/* Does the buffer stay where it is allocated, as it is? */
static bool is_fixed(const analysis *a, const tni_placement *p) {
  return a->accesses.opaque || a->accesses.waits || p->tied || is_sized_by_memory(p->old);
}

static bool place(analysis *a, tni_placement *out) {
  const tni_access *first = NULL;
  const tn_buffer *b = out->old;
  const tn_expr *at = out->at;
  tn_buffer made = *b;
  bool fixed = is_fixed(a, out);
  int depth = fixed ? 0 : live_depth(a, b, at, &first);
  const tn_expr *inside = depth ? first->loops[depth - 1]->as.loop.var : at;
  out->at = inside == at ? NULL : inside;
  for (int32_t d = 0; d < b->rank; d++) out->order[d] = d;
  if (fixed || !tni_is_row_major(b)) {
    for (int32_t d = 0; d < b->rank; d++) out->mins[d] = tni_index(a->r, 0);
  } else if (!shrink(a, b, depth, out, made.shape)) {
    return false;
  } else {
    choose_order(a, b, out, made.shape);
  }
  made.scope = tni_storage_scope(&made);
  out->made = tni_buffer_make(a->r, &made);
  return out->made != NULL;
}

/* A variable of a loop, a let or an iterator around. */
typedef struct binding {
  const struct binding *outer;
  const tn_expr *var;
} binding;

typedef struct buffer_list {
  tni_region *r;
  size_t count, capacity;
  tni_placement *items;
  bool failed;
} buffer_list;

/* Is one of the expressions of its form over what is bound in the function? */
static bool is_tied(const buffer_list *l, const tn_buffer *b, const binding *around) {
  const tn_expr *held[TNI_BUFFER_EXPRS];
  bool tied = false;
  for (int32_t i = tni_buffer_exprs(b, held); i > 0; i--)
    for (const binding *k = around; k; k = k->outer) tied |= tni_expr_uses(l->r->arena.ctx, held[i - 1], k->var);
  return tied;
}

static void list_allocs(buffer_list *l, const tn_stmt *s, const tn_expr *at, const binding *around);

/* Binds the iterators one by one. */
static void list_block(buffer_list *l, const tn_stmt *s, int32_t next, const tn_expr *at, const binding *around) {
  if (next < s->as.block.count) {
    binding here = {around, s->as.block.iters[next].var};
    list_block(l, s, next + 1, at, &here);
    return;
  }
  if (s->as.block.init) list_allocs(l, s->as.block.init, at, around);
  list_allocs(l, s->as.block.body, at, around);
}

/* All allocations below s, with the innermost loop around each in `at`. */
static void list_allocs(buffer_list *l, const tn_stmt *s, const tn_expr *at, const binding *around) {
  binding here = {around, s->kind == TNI_FOR ? s->as.loop.var : s->kind == TNI_LET ? s->as.let.var : NULL};
  switch (s->kind) {
  case TNI_FOR: list_allocs(l, s->as.loop.body, s->as.loop.var, &here); break;
  case TNI_LET: list_allocs(l, s->as.let.body, at, &here); break;
  case TNI_BLOCK: list_block(l, s, 0, at, around); break;
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) list_allocs(l, s->as.seq.stmts[i], at, around);
    break;
  case TNI_IF:
    list_allocs(l, s->as.cond.then, at, around);
    if (s->as.cond.otherwise) list_allocs(l, s->as.cond.otherwise, at, around);
    break;
  case TNI_WHILE: list_allocs(l, s->as.repeat.body, at, around); break;
  case TNI_ASSERT:
  case TNI_ASSUME: list_allocs(l, tni_rest(s), at, around); break;
  case TNI_ALLOC:
    if (!tni_reserve(l->r->arena.ctx, (void **)&l->items, &l->capacity, l->count + 1, sizeof *l->items)) {
      l->failed = true;
      return;
    }
    l->items[l->count++] =
        (tni_placement){.old = s->as.alloc.buffer, .at = at, .tied = is_tied(l, s->as.alloc.buffer, around)};
    list_allocs(l, s->as.alloc.body, at, around);
    break;
  default: break;
  }
}

bool tni_storage_plan(tni_region *r, const tn_stmt *body, tni_storage *out) {
  buffer_list list = {.r = r};
  analysis a = {.r = r};
  list_allocs(&list, body, NULL, NULL);
  bool ok = tni_accesses_collect(r, body, &a.accesses) && !list.failed;
  for (size_t i = 0; ok && i < list.count; i++) ok = place(&a, &list.items[i]);
  out->count = list.count;
  out->items = ok ? tni_arena_copy(&r->arena, list.items, list.count * sizeof *list.items) : NULL;
  tni_accesses_destroy(&a.accesses);
  tni_free(r->arena.ctx, list.items, list.capacity * sizeof *list.items);
  return out->items != NULL;
}

typedef struct alloc_search {
  const tn_buffer *buffer;
  bool found;
} alloc_search;

static bool find_alloc(void *self, const tn_stmt *s) {
  alloc_search *q = self;
  q->found |= s->kind == TNI_ALLOC && s->as.alloc.buffer == q->buffer;
  return !q->found;
}

bool tni_is_allocated_in(const tn_stmt *s, const tn_buffer *buffer) {
  alloc_search q = {.buffer = buffer};
  tni_stmt_visit(s, find_alloc, &q);
  return q.found;
}

typedef struct write_search {
  const tn_buffer *buffer;
  bool found;
} write_search;

static bool see_write(void *self, const tn_stmt *s) {
  write_search *q = self;
  q->found |= tni_is_write(s) && s->as.store.buffer == q->buffer;
  return !q->found;
}

bool tni_is_written_in(const tn_stmt *s, const tn_buffer *buffer) {
  write_search q = {.buffer = buffer};
  tni_stmt_visit(s, see_write, &q);
  return q.found;
}

bool tni_is_private_among(tni_region *r, const tn_stmt *body, const tni_accesses *accesses, const tn_buffer *buffer,
                          const tn_stmt *loop) {
  buffer_list list = {.r = r};
  analysis a = {.r = r, .accesses = *accesses};
  const tni_access *first;
  bool inside = false;
  if (tni_is_allocated_in(loop, buffer)) return true;
  list_allocs(&list, body, NULL, NULL);
  bool known = !list.failed;
  if (known && !a.accesses.opaque && !a.accesses.waits) /* with waits the text says where a buffer is */
    for (size_t i = 0; i < list.count; i++)
      if (list.items[i].old == buffer && !is_fixed(&a, &list.items[i])) {
        int depth = live_depth(&a, buffer, list.items[i].at, &first);
        for (int k = 0; k < depth; k++) inside |= first->loops[k] == loop;
      }
  tni_free(r->arena.ctx, list.items, list.capacity * sizeof *list.items);
  r->arena.failed |= !known || a.failed;
  return inside && known && !a.failed;
}

bool tni_is_private_to(tni_region *r, const tn_stmt *body, const tn_buffer *buffer, const tn_stmt *loop) {
  tni_accesses accesses;
  if (tni_is_allocated_in(loop, buffer)) return true;
  bool known = tni_accesses_collect(r, body, &accesses);
  bool inside = known && tni_is_private_among(r, body, &accesses, buffer, loop);
  tni_accesses_destroy(&accesses);
  r->arena.failed |= !known;
  return inside;
}

/* ---- applying ---- */

static const tni_placement *find(const tni_storage *storage, const tn_buffer *b) {
  for (size_t i = 0; i < storage->count; i++)
    if (storage->items[i].old == b) return &storage->items[i];
  return NULL;
}

static void rebase(tni_region *r, const tni_placement *p, const tn_expr *const *index, const tn_expr **out) {
  for (int32_t i = 0; i < p->old->rank; i++) out[i] = tni_sub(r, index[p->order[i]], p->mins[p->order[i]]);
}

static const tn_expr *apply_expr(void *self, tni_region *r, const tn_expr *x) {
  const tn_expr *index[TN_MAX_RANK];
  const tni_placement *p = x->op == TN_OP_load || x->op == TNI_OP_ADDRESS ? find(self, x->as.buffer) : NULL;
  if (!p) return x;
  if (x->op == TNI_OP_ADDRESS) return tni_address(r, p->made);
  rebase(r, p, x->arg, index);
  return tni_load(r, x->type, p->made, (size_t)p->old->rank, index, tni_load_where(x));
}

static const tn_stmt *add_allocs(tni_region *r, const tni_storage *storage, const tn_expr *at, const tn_stmt *body) {
  for (size_t i = storage->count; i > 0; i--)
    if (storage->items[i - 1].at == at) body = tni_alloc_stmt(r, storage->items[i - 1].made, body);
  return body;
}

static const tn_stmt *apply_stmt(void *self, tni_region *r, const tn_stmt *s) {
  const tni_storage *storage = self;
  const tn_expr *index[TN_MAX_RANK];
  if (s->kind == TNI_ALLOC) {
    const tni_placement *place = find(storage, s->as.alloc.buffer);
    if (!place) return s; /* its form was rewritten since: it stays */
    return place->at ? s->as.alloc.body : tni_alloc_stmt(r, place->made, s->as.alloc.body);
  }
  if (s->kind == TNI_FOR) {
    const tn_stmt *body = add_allocs(r, storage, s->as.loop.var, s->as.loop.body);
    return body == s->as.loop.body ? s : tni_for_like(r, s, s->as.loop.var, s->as.loop.extent, s->as.loop.kind, body);
  }
  const tni_placement *p = tni_has_subscripts(s) ? find(storage, s->as.store.buffer) : NULL;
  if (!p) return s;
  if (s->kind == TNI_PREFETCH && p->at) return tni_seq(r, 0, NULL); /* it may stand where the buffer is no more */
  rebase(r, p, s->as.store.index, index);
  return tni_store_like(r, s, p->made, p->old->rank, index, s->as.store.value, s->as.store.where);
}

const tn_stmt *tni_storage_apply(tni_region *r, const tni_storage *storage, const tn_stmt *body) {
  const tn_stmt *s = body ? tni_stmt_rewrite(r, body, apply_expr, apply_stmt, (void *)storage) : NULL;
  return tni_stmt_simplify(r, s);
}
