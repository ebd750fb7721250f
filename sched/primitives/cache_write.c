/* cache_write.c -- a block writes a new buffer, and a new block copies it to the old one.
 *
 *     block C(..) { C[i, j] = .. }  ->  block C(..) { C_cache[i, j] = .. }  block C_write(..) { C[i, j] = C_cache[i, j] }
 *
 * The copy stands behind the outermost loop of the block; blocks that read C stay behind the copy.
 *
 * needs: the only writer of its buffer, of all of it; scope "global", "local" or "register"
 * refuses: a block that reads other elements of the buffer than the one it accumulates; a buffer read under the same
 *          outermost loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

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

/* for i.. { block NAME(..) { old[..] = made[..] } } */
static const tn_stmt *make_copy(tni_region *r, const char *name, const tn_buffer *old, const tn_buffer *made) {
  tni_iter iters[TN_MAX_RANK];
  const tn_expr *index[TN_MAX_RANK];
  for (int32_t i = 0; i < old->rank; i++) {
    char letter[8] = {'c', (char)('0' + i), 0};
    iters[i] = (tni_iter){
        .var = tni_var(r, letter, TN_INDEX), .extent = old->shape[i], .binding = tni_var(r, letter, TN_INDEX)};
    index[i] = iters[i].var;
  }
  const tn_expr *value = made ? tni_load(r, old->type, made, (size_t)old->rank, index, NULL) : NULL;
  const tn_stmt *s = tni_block(r, name, old->rank, iters, NULL, NULL, tni_store(r, old, old->rank, index, value, NULL));
  for (int32_t i = old->rank - 1; i >= 0; i--) s = tni_for(r, iters[i].binding, iters[i].extent, TNI_SERIAL, s);
  return s;
}

static int find_scope(const char *name) {
  for (int i = 0; i < TNI_SCOPE_SHARED; i++) /* a shared buffer would have to stand inside the loops over blocks */
    if (strcmp(tni_scope_names[i], name) == 0) return i;
  return -1;
}

tn_status tni_apply_cache_write(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *path[TNI_MAX_PATH], *block = tni_arg_block(step, 0);
  int scope = find_scope(step->args[1].text);
  if (!block) return TN_E_REFUSED;
  if (scope < 0)
    return tni_step_refuse(step, NULL, "`%s` is not a scope: global, local or register", step->args[1].text);
  const tn_stmt *store = tni_block_store(block);
  if (!store) return tni_step_refuse(step, block, "the block does more than one store");
  const tn_buffer *old = store->as.store.buffer;
  tni_uses uses = tni_uses_of(s->ctx, s->func->body, old);
  if (uses.writers != 1 || uses.loose)
    return tni_step_refuse(step, store, "the block is not the only writer of the buffer");
  const char *why = tni_why_not_reduction(s->ctx, block);
  if (!why) why = tni_why_not_whole(s, block);
  if (why) return tni_step_refuse(step, store, "%s", why);
  int depth = tni_path_to(s->func->body, block, path), top = 0;
  while (top < depth - 1 && path[top]->kind != TNI_FOR) top++;
  if (top < depth - 1 && uses.readers > (tni_uses_of(s->ctx, block, old).readers ? 1 : 0) &&
      tni_uses_of(s->ctx, path[top], old).readers > (tni_uses_of(s->ctx, block, old).readers ? 1 : 0))
    return tni_step_refuse(step, store, "the buffer is read under the same outermost loop");
  const char *name = tni_arena_format(&r->arena, "%s_cache", old->name);
  renamer rename = {old, name ? tni_buffer(r, name, old->type, (enum tni_scope)scope, old->rank, old->shape) : NULL};
  const char *base = tni_arena_format(&r->arena, "%s_write", block->as.block.name);
  const char *copy_name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  if (!rename.made || !copy_name) return TN_E_NOMEM;
  const tn_stmt *nest = tni_stmt_rewrite(r, path[top], rename_load, rename_store, &rename);
  const tn_stmt *both[] = {nest, make_copy(r, copy_name, old, rename.made)};
  const tn_stmt *body = tni_replace(r, s->func->body, path[top], tni_seq(r, 2, both));
  tn_status status = tni_give_block(step, copy_name);
  return status ? status : tni_step_accept(step, body ? tni_alloc_stmt(r, rename.made, body) : NULL);
}

tn_status tn_cache_write(tn_schedule *s, tn_block_ref block, const char *scope, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(scope)};
  return tni_perform(s, TNI_PRIMITIVE_cache_write, 2, args, 1, out, NULL, err);
}
