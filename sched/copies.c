/* copies.c -- one buffer in the place of another, and the block that copies between them: for cache_read and cache_write.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

static void see_load(void *self, const tn_expr *x) {
  tni_reads *q = self;
  if (x->op != TN_OP_load) return;
  for (size_t i = 0; i < q->count; i++)
    if (q->items[i] == x->as.buffer) return;
  if (q->count < TNI_MAX_READS) q->items[q->count++] = x->as.buffer;
}

tni_reads tni_reads_below(tn_context *ctx, const tn_stmt *s) {
  tni_reads q = {0};
  tni_stmt_visit_memory(ctx, s, see_load, &q);
  return q;
}

tni_reads tni_reads_of(tn_context *ctx, const tn_stmt *block) { return tni_reads_below(ctx, block->as.block.body); }

static bool see_write(void *self, const tn_stmt *s) {
  tni_reads *q = self;
  if (!tni_is_write(s)) return true;
  for (size_t i = 0; i < q->count; i++)
    if (q->items[i] == s->as.store.buffer) return true;
  if (q->count < TNI_MAX_READS) q->items[q->count++] = s->as.store.buffer;
  return true;
}

tni_reads tni_writes_of(const tn_stmt *block) {
  tni_reads q = {0};
  tni_stmt_visit(block->as.block.body, see_write, &q);
  return q;
}

typedef struct alloc_search {
  const tn_buffer *buffer;
  const tn_stmt *found;
} alloc_search;

static bool see_alloc(void *self, const tn_stmt *s) {
  alloc_search *q = self;
  if (s->kind == TNI_ALLOC && s->as.alloc.buffer == q->buffer) q->found = s;
  return !q->found;
}

const tn_stmt *tni_find_alloc(const tn_stmt *root, const tn_buffer *buffer) {
  alloc_search q = {buffer, NULL};
  tni_stmt_visit(root, see_alloc, &q);
  return q.found;
}

const tn_buffer *tni_arg_buffer(tni_step *step, const tn_stmt *block, int arg, bool writes) {
  tni_reads all = writes ? tni_writes_of(block) : tni_reads_of(step->s->ctx, block);
  int64_t which = step->args[arg].number;
  if (which >= 0 && (size_t)which < all.count) return all.items[which];
  tni_step_refuse(step, block, "the block %s %zu buffers: there is no number %lld", writes ? "stores to" : "reads", all.count,
                  (long long)which);
  return NULL;
}

const tn_stmt *tni_arg_made(tni_step *step, const tn_stmt *block, int arg) {
  const tn_buffer *b = tni_arg_buffer(step, block, arg, true);
  const tn_stmt *alloc = b ? tni_find_alloc(step->s->func->body, b) : NULL;
  if (b && !alloc)
    tni_step_refuse(step, block, "`%s` is a parameter, whose form its caller knows\n"
                                 "needs: cache_write, whose new buffer may have any", b->name);
  return alloc;
}

typedef struct renamer {
  const tn_buffer *old, *made;
} renamer;

static const tn_expr *rename_load(void *self, tni_region *r, const tn_expr *x) {
  const renamer *n = self;
  if (x->op != TN_OP_load || x->as.buffer != n->old) return x;
  return tni_load(r, x->type, n->made, (size_t)tni_load_count(x), x->arg, tni_load_where(x));
}

static const tn_stmt *rename_store(void *self, tni_region *r, const tn_stmt *s) {
  const renamer *n = self;
  if (!tni_is_write(s) || s->as.store.buffer != n->old) return s;
  return tni_store_like(r, s, n->made, s->as.store.count, s->as.store.index, s->as.store.value, s->as.store.where);
}

const tn_stmt *tni_with_buffer(tni_region *r, const tn_stmt *s, const tn_buffer *old, const tn_buffer *made,
                               unsigned what) {
  renamer n = {old, made};
  return tni_stmt_rewrite(r, s, what & TNI_LOADS ? rename_load : NULL, what & TNI_STORES ? rename_store : NULL, &n);
}

const tn_stmt *tni_copy_nest(tni_region *r, const char *name, const tn_buffer *from, const tn_buffer *to) {
  tni_iter iters[TN_MAX_RANK];
  const tn_expr *index[TN_MAX_RANK];
  if (!from || !to) return NULL;
  for (int32_t i = 0; i < to->rank; i++) {
    char letter[8] = {'c', (char)('0' + i), 0};
    iters[i] = (tni_iter){
        .var = tni_var(r, letter, TN_INDEX), .extent = to->shape[i], .binding = tni_var(r, letter, TN_INDEX)};
    index[i] = iters[i].var;
  }
  const tn_expr *value = tni_load(r, from->type, from, (size_t)from->rank, index, NULL);
  const tn_stmt *s = tni_block(r, name, to->rank, iters, NULL, NULL, tni_store(r, to, to->rank, index, value, NULL));
  for (int32_t i = to->rank - 1; i >= 0; i--) s = tni_for(r, iters[i].binding, iters[i].extent, TNI_SERIAL, s);
  return s;
}

const char *tni_why_no_cache(tn_schedule *s, const tn_buffer *buffer, int scope) {
  for (int32_t d = 0; d < buffer->rank; d++) {
    if (!tni_is_of_function(s, buffer->shape[d]))
      return "an extent of the buffer is not made of constants and parameters";
    if (scope == TNI_SCOPE_REGISTER && !tni_is_const(buffer->shape[d]))
      return "a buffer in registers has constant extents\n"
             "needs: scope global or local";
  }
  return NULL;
}

int tni_cache_scope(tni_step *step, const char *name) {
  for (int i = 0; i < TNI_SCOPE_SHARED; i++) /* a shared buffer would have to stand inside the loops over blocks */
    if (strcmp(tni_scope_names[i], name) == 0) return i;
  tni_step_refuse(step, NULL, "`%s` is not a scope: global, local or register", name);
  return -1;
}

/* ---- what stands between a buffer and a block that reads it ------------------------------------------------------ */

typedef struct writer_search {
  tn_context *ctx;
  const tn_buffer *buffer;
  const tn_stmt *writer; /* a block */
} writer_search;

static bool see_block(void *self, const tn_stmt *s) {
  writer_search *q = self;
  if (s->kind == TNI_BLOCK && tni_uses_of(q->ctx, s, q->buffer).writers) q->writer = s;
  return s->kind != TNI_BLOCK;
}

const char *tni_why_not_filled(tn_schedule *s, const tn_buffer *b) {
  if (tni_is_param(s->func, b)) return NULL;
  writer_search q = {.ctx = s->ctx, .buffer = b};
  tni_stmt_visit(s->func->body, see_block, &q);
  if (!q.writer || tni_uses_of(s->ctx, s->func->body, b).writers != 1) return "the buffer is not written by one block";
  return tni_why_not_whole(s, q.writer);
}

tn_status tni_find_read(tni_step *step, const char *scope, tni_read_place *out) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *path[TNI_MAX_PATH], *block = tni_arg_block(step, 0);
  if (!block) return TN_E_REFUSED;
  int number = tni_cache_scope(step, scope);
  const tn_buffer *old = number < 0 ? NULL : tni_arg_buffer(step, block, 1, false);
  if (!old) return TN_E_REFUSED;
  int depth = tni_path_to(s->func->body, block, path), top = 0;
  while (top < depth - 1 && path[top]->kind != TNI_FOR) top++;
  tni_uses all = tni_uses_of(s->ctx, s->func->body, old), under = tni_uses_of(s->ctx, path[top], old);
  if (under.writers || all.loose)
    return tni_step_refuse(step, block,
                           under.writers ? "the buffer is written under the same outermost loop"
                                         : "the buffer is used outside of blocks");
  const char *why = tni_why_not_filled(s, old);
  if (!why) why = tni_why_no_cache(s, old, number);
  if (why) return tni_step_refuse(step, block, "%s", why);
  const char *base = tni_arena_format(&r->arena, "%s_read", block->as.block.name);
  const char *copy_name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  *out = (tni_read_place){block, path[top], old, (enum tni_scope)number, copy_name};
  return copy_name ? TN_OK : TN_E_NOMEM;
}

tn_status tni_put_before(tni_step *step, const tni_read_place *at, const tn_stmt *nest, const tn_stmt *reader,
                         const tn_buffer *made) {
  tni_region *r = &step->s->region;
  const tn_stmt *both[] = {nest, tni_replace(r, at->top, at->block, reader)};
  const tn_stmt *body = tni_replace(r, step->s->func->body, at->top, tni_seq(r, 2, both));
  tn_status status = tni_give_block(step, at->copy_name);
  return status ? status : tni_step_accept(step, body ? tni_alloc_stmt(r, made, body) : NULL);
}

/* ---- what stands between a block and a buffer that it writes ----------------------------------------------------- */

/* Is the buffer made, or read by others, under the block's outermost loop? */
static tn_status check_alone_under(tni_step *step, const tni_write_place *at) {
  const tn_stmt *block = at->block;
  const tn_buffer *old = at->store->as.store.buffer;
  if (at->top == block) return TN_OK;
  if (tni_is_allocated_in(at->top, old))
    return tni_step_refuse(step, at->store, "the buffer is allocated under the block's outermost loop");
  if (tni_uses_of(step->s->ctx, at->top, old).readers > tni_uses_of(step->s->ctx, block, old).readers)
    return tni_step_refuse(step, at->store, "the buffer is read under the same outermost loop");
  return TN_OK;
}

tn_status tni_find_write(tni_step *step, int arg, const char *scope, bool whole, tni_write_place *out) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *path[TNI_MAX_PATH], *stores[TNI_MAX_STATES], *block = tni_arg_block(step, 0);
  int64_t which = step->args[arg].number;
  int number = block ? tni_cache_scope(step, scope) : -1;
  if (number < 0) return TN_E_REFUSED;
  int32_t count = tni_block_stores(s->ctx, block, stores);
  if (!count) return tni_step_refuse(step, block, "the block does more than store one element to each of some buffers");
  if (which < 0 || which >= count)
    return tni_step_refuse(step, block, "the block stores to %d buffers: there is no number %lld", count,
                           (long long)which);
  const tn_buffer *old = stores[which]->as.store.buffer;
  tni_uses uses = tni_uses_of(s->ctx, s->func->body, old);
  if (uses.writers != 1 || uses.loose)
    return tni_step_refuse(step, stores[which], "the block is not the only writer of the buffer");
  const char *why = tni_why_not_reduction(s->ctx, block);
  if (!why) why = whole ? tni_why_not_whole(s, block) : tni_why_not_its_domain(s, block);
  if (!why && whole) why = tni_why_no_cache(s, old, number);
  if (why) return tni_step_refuse(step, stores[which], "%s", why);
  int depth = tni_path_to(s->func->body, block, path), top = 0;
  while (top < depth - 1 && path[top]->kind != TNI_FOR) top++;
  const char *base = tni_arena_format(&r->arena, "%s_write", block->as.block.name);
  const char *copy_name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  *out = (tni_write_place){block, stores[which], path[top], (enum tni_scope)number, copy_name};
  return copy_name ? check_alone_under(step, out) : TN_E_NOMEM;
}

tn_status tni_put_behind(tni_step *step, const tni_write_place *at, const tn_stmt *nest, const tn_stmt *copy,
                         const tn_buffer *made) {
  tni_region *r = &step->s->region;
  const tn_stmt *both[] = {nest, copy};
  const tn_stmt *body = tni_replace(r, step->s->func->body, at->top, tni_seq(r, 2, both));
  tn_status status = tni_give_block(step, at->copy_name);
  return status ? status : tni_step_accept(step, body ? tni_alloc_stmt(r, made, body) : NULL);
}
