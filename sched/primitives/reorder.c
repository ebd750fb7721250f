/* reorder.c -- loops of one chain take the places they hold among themselves in the given order.
 *
 *     for i { for j { for k { S } } }   reorder([k, i])  ->  for k { for j { for i { S } } }
 *
 * needs: one block below; a chain of loops each of which holds only the next
 * refuses: a loop that would leave the loop its extent depends on; a block whose instances depend on each other in another way
 *          than by accumulating
 * note: exchanging two reduce loops changes the order of a floating-point sum
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_CHAIN = 64 };

/* The chain from the outermost to the innermost of the loops to move; 0 and a refusal when there is none. */
static int collect_chain(tni_step *step, const tn_stmt **wanted, const tn_stmt **chain) {
  const tn_stmt *top = wanted[0];
  for (size_t i = 1; i < step->loop_count; i++)
    if (tni_is_below(wanted[i], top))
      top = wanted[i];
  int count = 0;
  size_t found = 0;
  for (const tn_stmt *s = top; s->kind == TNI_FOR && count < MAX_CHAIN && found < step->loop_count; s = s->as.loop.body) {
    chain[count++] = s;
    for (size_t i = 0; i < step->loop_count; i++)
      found += wanted[i] == s;
  }
  if (found < step->loop_count) {
    tni_step_refuse(step, top->as.loop.var, "the loops are not one chain, each the only statement of the one before");
    return 0;
  }
  return count;
}

/* The block below, if it is the only statement below, and free of dependences that an order could break. */
static const char *why_ordered(tni_step *step, const tn_stmt *inner, const void **mark) {
  tni_region *r = &step->s->region;
  const tn_stmt *s = inner->as.loop.body;
  while (s->kind == TNI_FOR)
    s = s->as.loop.body;
  *mark = s;
  if (s->kind != TNI_BLOCK)
    return "there is more than one block below: reorder before other blocks are computed here";
  const tn_stmt *store = tni_block_store(s);
  if (!store)
    return "the block does more than one store";
  tni_accesses all;
  bool ok = tni_accesses_collect(r, inner, &all), ordered = !ok || all.opaque;
  for (size_t i = 0; ok && i < all.count; i++) {
    const tni_access *x = &all.items[i];
    if (x->buffer == store->as.store.buffer && !x->write)
      for (size_t k = 0; k < all.count; k++)
        if (all.items[k].write && all.items[k].store == store)
          ordered |= memcmp(all.items[k].index, x->index, (size_t)x->buffer->rank * sizeof(void *)) != 0;
  }
  tni_accesses_destroy(&all);
  return ordered ? "the block reads elements that other iterations write" : NULL;
}

/* In a block that does not accumulate, an element must be written once. */
static const char *why_overwritten(tni_step *step, const tn_stmt *block, int count, const tn_stmt *const *chain,
                                   const void **mark) {
  tni_region *r = &step->s->region;
  const tn_expr *vars[MAX_CHAIN], *values[MAX_CHAIN], *index[TN_MAX_RANK], *moved[MAX_CHAIN];
  int64_t extents[MAX_CHAIN];
  size_t loops = 0;
  const tn_stmt *store = tni_block_store(block);
  int32_t n = block->as.block.count;
  *mark = store;
  for (int32_t i = 0; i < n && n <= MAX_CHAIN; i++) {
    vars[i] = block->as.block.iters[i].var;
    values[i] = block->as.block.iters[i].binding;
  }
  tni_subst subst = {(size_t)n, vars, values};
  for (int32_t i = 0; i < store->as.store.count; i++)
    if (n > MAX_CHAIN || !(index[i] = tni_expr_subst(r, store->as.store.index[i], &subst)))
      return "the block is too large";
  for (int i = 0; i < count; i++) {
    bool reduce = false;
    for (int32_t k = 0; k < n; k++)
      reduce |= block->as.block.iters[k].reduce && tni_expr_uses(step->s->ctx, values[k], chain[i]->as.loop.var);
    if (reduce)
      continue;
    if (!tni_is_const(chain[i]->as.loop.extent))
      return NULL; /* symbolic: spatial iterators by construction of compute definitions */
    moved[loops] = chain[i]->as.loop.var;
    extents[loops++] = chain[i]->as.loop.extent->as.i;
  }
  tni_facts none = {.ctx = step->s->ctx};
  tni_itermap map;
  if (!tni_itermap_of(r, &none, (size_t)store->as.store.count, index, loops, moved, extents, &map))
    return "there is no memory to check it";
  return map.injective ? NULL : "an element is written by several iterations, and the last must stay the last";
}

static tn_status check_extents(tni_step *step, int count, const tn_stmt *const *order) {
  for (int i = 0; i < count; i++)
    for (int k = i + 1; k < count; k++)
      if (tni_expr_uses(step->s->ctx, order[i]->as.loop.extent, order[k]->as.loop.var))
        return tni_step_refuse(step, order[i]->as.loop.var, "its extent depends on a loop that would come to stand inside it");
  return TN_OK;
}

tn_status tni_apply_reorder(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *wanted[MAX_CHAIN], *chain[MAX_CHAIN], *order[MAX_CHAIN];
  const void *mark;
  if (step->loop_count < 1 || step->loop_count > MAX_CHAIN)
    return tni_step_refuse(step, NULL, "give 1 to %d loops", MAX_CHAIN);
  for (size_t i = 0; i < step->loop_count; i++) {
    if (!(wanted[i] = tni_arg_loop(step, i)))
      return TN_E_REFUSED;
    for (size_t k = 0; k < i; k++)
      if (wanted[k] == wanted[i])
        return tni_step_refuse(step, wanted[i]->as.loop.var, "the loop stands in the list twice");
  }
  int count = collect_chain(step, wanted, chain);
  if (!count)
    return TN_E_REFUSED;
  const char *why = why_ordered(step, chain[count - 1], &mark);
  if (!why)
    why = why_overwritten(step, mark, count, chain, &mark);
  if (why)
    return tni_step_refuse(step, mark, "%s", why);
  size_t next = 0;
  for (int i = 0; i < count; i++) {
    order[i] = chain[i];
    for (size_t k = 0; k < step->loop_count; k++)
      if (wanted[k] == chain[i]) {
        order[i] = wanted[next++];
        break;
      }
  }
  tn_status status = check_extents(step, count, order);
  if (status)
    return status;
  const tn_stmt *body = chain[count - 1]->as.loop.body;
  for (int i = count - 1; i >= 0; i--)
    body = tni_for(r, order[i]->as.loop.var, order[i]->as.loop.extent, order[i]->as.loop.kind, body);
  return tni_step_accept(step, tni_replace(r, step->s->func->body, chain[0], body));
}
