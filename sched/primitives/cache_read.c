/* cache_read.c -- a block reads a new buffer, and a new block copies the old one to it.
 *
 *     block C(..) { C[i, j] = .. B[k, j] .. }  ->  block C_read(..) { B_cache[k, j] = B[k, j] }  block C(..) { .. B_cache[k, j] .. }
 *
 * The copy stands before the outermost loop of the block and takes all of the buffer; compute_at brings it to where a part is
 * read, and then the new buffer holds no more than that part.
 *
 * needs: a buffer that the block reads, that is whole before the outermost loop and is not written under it; scope "global",
 *        "local" or "register"
 * refuses: a block without such a buffer; one made in the function of which not all is written by one block
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

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

/* Has every element of the buffer a value when a copy takes it? A parameter's have. */
static const char *why_not_filled(tn_schedule *s, const tn_buffer *b) {
  if (tni_is_param(s->func, b)) return NULL;
  writer_search q = {.ctx = s->ctx, .buffer = b};
  tni_stmt_visit(s->func->body, see_block, &q);
  if (!q.writer || tni_uses_of(s->ctx, s->func->body, b).writers != 1) return "the buffer is not written by one block";
  return tni_why_not_whole(s, q.writer);
}

tn_status tni_apply_cache_read(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *path[TNI_MAX_PATH], *block = tni_arg_block(step, 0);
  if (!block) return TN_E_REFUSED;
  int64_t which = step->args[1].number;
  int scope = tni_cache_scope(step->args[2].text);
  if (scope < 0)
    return tni_step_refuse(step, NULL, "`%s` is not a scope: global, local or register", step->args[2].text);
  tni_reads all_reads = tni_reads_of(s->ctx, block);
  if (which < 0 || (size_t)which >= all_reads.count)
    return tni_step_refuse(step, block, "the block reads %zu buffers: there is no number %lld", all_reads.count,
                           (long long)which);
  const tn_buffer *old = all_reads.items[which];
  int depth = tni_path_to(s->func->body, block, path), top = 0;
  while (top < depth - 1 && path[top]->kind != TNI_FOR) top++;
  tni_uses all = tni_uses_of(s->ctx, s->func->body, old), under = tni_uses_of(s->ctx, path[top], old);
  if (under.writers || all.loose)
    return tni_step_refuse(step, block,
                           under.writers ? "the buffer is written under the same outermost loop"
                                         : "the buffer is used outside of blocks");
  const char *why = why_not_filled(s, old);
  if (!why) why = tni_why_no_cache(s, old, scope);
  if (why) return tni_step_refuse(step, block, "%s", why);
  const char *name = tni_arena_format(&r->arena, "%s_cache", old->name);
  const char *base = tni_arena_format(&r->arena, "%s_read", block->as.block.name);
  const char *copy_name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  const tn_buffer *made = name ? tni_buffer(r, name, old->type, (enum tni_scope)scope, old->rank, old->shape) : NULL;
  if (!made || !copy_name) return TN_E_NOMEM;
  const tn_stmt *reader = tni_block_like(r, block, block->as.block.iters, block->as.block.where, block->as.block.init,
                                         tni_with_buffer(r, block->as.block.body, old, made, TNI_LOADS));
  const tn_stmt *both[] = {tni_copy_nest(r, copy_name, old, made), tni_replace(r, path[top], block, reader)};
  const tn_stmt *body = tni_replace(r, s->func->body, path[top], tni_seq(r, 2, both));
  tn_status status = tni_give_block(step, copy_name);
  return status ? status : tni_step_accept(step, body ? tni_alloc_stmt(r, made, body) : NULL);
}

tn_status tn_cache_read(tn_schedule *s, tn_block_ref block, int32_t read, const char *scope, tn_block_ref *out,
                        tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_int(read), tni_of_text(scope)};
  return tni_perform(s, TNI_PRIMITIVE_cache_read, 3, args, 1, out, NULL, err);
}
