/* reorder.c -- loops of one chain take the places they hold among themselves in the given order.
 *
 *     for i { for j { for k { S } } }   reorder([k, i])  ->  for k { for j { for i { S } } }
 *
 * needs: a chain of loops each of which holds only the next; below it what any iterations that change places do to different
 *        elements (depend.c), or one block that only accumulates, in steps of any order (ir/reducer.c)
 * refuses: a loop that would leave the loop its extent depends on; blocks of the grid inside threads; calls of externals, asserts
 * note: exchanging two reduce loops changes the order of a floating-point sum
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_CHAIN = 64 };

/* The chain from the outermost to the innermost of the loops to move; 0 and a refusal when there is none. */
static int collect_chain(tni_step *step, const tn_stmt **wanted, const tn_stmt **chain) {
  const tn_stmt *top = wanted[0];
  size_t found = 0, moved = step->args[0].count;
  for (size_t i = 1; i < moved; i++)
    if (tni_is_below(wanted[i], top)) top = wanted[i];
  int count = 0;
  for (const tn_stmt *s = top; s->kind == TNI_FOR && count < MAX_CHAIN && found < moved; s = s->as.loop.body) {
    chain[count++] = s;
    for (size_t i = 0; i < moved; i++) found += wanted[i] == s;
  }
  if (found < moved) {
    tni_step_refuse(step, top->as.loop.var,
                    "the loops are not one chain, each the only statement of the one before\n"
                    "needs: to be reordered before other blocks are computed there");
    return 0;
  }
  return count;
}

/* What is below all loops. */
static const tn_stmt *only_block(const tn_stmt *inner) {
  const tn_stmt *s = inner->as.loop.body;
  while (s->kind == TNI_FOR) s = s->as.loop.body;
  return s;
}

/* Does any order of the steps give the same, but for rounding? */
static bool is_commutative(tn_schedule *s, const tn_stmt *block) {
  tni_reduction reduction;
  return tni_reducer_of(&s->region, block, &reduction) && reduction.any_order;
}

static bool feeds_reduce(tn_schedule *s, const tn_stmt *block, const tn_stmt *loop) {
  for (int32_t k = 0; k < block->as.block.count; k++)
    if (block->as.block.iters[k].reduce && tni_expr_uses(s->ctx, block->as.block.iters[k].binding, loop->as.loop.var))
      return true;
  return false;
}

/* Do two of the reduce loops change places? */
static bool swaps_reduce(tn_schedule *s, const tn_stmt *block, int count, const tn_stmt *const *chain,
                         const tn_stmt *const *order) {
  int next = 0;
  for (int i = 0; i < count; i++) {
    if (!feeds_reduce(s, block, chain[i])) continue;
    while (!feeds_reduce(s, block, order[next])) next++;
    if (order[next++] != chain[i]) return true;
  }
  return false;
}

/* Two iterations may change places when they do not store the same element: so all loops but those of the reduction must
 * give different elements. Steps of one element keep their order, unless reduce loops change places: then each step must
 * stand alone, in any order, and the step of zeros, which runs init, stays the first. */
static const char *why_overwritten(tn_schedule *s, const tn_stmt *block, int count, const tn_stmt *const *chain,
                                   const tn_stmt *const *order, const void **mark) {
  const tn_expr *index[TN_MAX_RANK], *steps[TN_MAX_RANK];
  const tn_stmt *moved[MAX_CHAIN], *reduce[MAX_CHAIN], *stores[TNI_MAX_STATES];
  size_t loops = 0, reduces = 0, dims = 0;
  tni_block_stores(s->ctx, block, stores);
  const tn_stmt *store = stores[0]; /* the others are to the same subscripts */
  *mark = store;
  if (!tni_store_over_loops(s, block, store, index)) return "the block is too large";
  for (const tn_stmt *loop = chain[0]; loop->kind == TNI_FOR; loop = loop->as.loop.body) { /* and those below the chain */
    bool feeds = feeds_reduce(s, block, loop);
    for (int32_t d = 0; d < store->as.store.count && feeds; d++)
      if (tni_expr_uses(s->ctx, index[d], loop->as.loop.var))
        return "a loop feeds both reduce iterators and the subscripts of this store";
    if (loops == MAX_CHAIN || reduces == MAX_CHAIN) return "the block is too large";
    *(feeds ? &reduce[reduces++] : &moved[loops++]) = loop;
  }
  if (!tni_meets_once(s, (size_t)store->as.store.count, index, loops, moved))
    return "an element is written by several iterations, and the last must stay the last";
  if (!swaps_reduce(s, block, count, chain, order)) return NULL;
  if (block->as.block.init && !tni_begins_with_zeros(s, block))
    return "the step that runs init is not the first of this reduction";
  if (!is_commutative(s, block))
    return "the steps of this reduction must stay in their order\n"
           "needs: its loops in the order they have";
  for (int32_t k = 0; k < block->as.block.count; k++)
    if (block->as.block.iters[k].reduce) {
      if (dims == TN_MAX_RANK) return "the block is too large";
      steps[dims++] = block->as.block.iters[k].binding;
    }
  return tni_meets_once(s, dims, steps, reduces, reduce) ? NULL : "a step of the reduction runs several times";
}

/* In the order that is, p comes before q; in the new one behind it. Iterations that change places: the first loop in which they
 * differ now is p, and there the one comes first; the first in which they will differ is q, and there it comes last. */
static void set_turns(tni_turns *turns, int above, int count, const tn_stmt *const *chain, const tn_stmt *const *order,
                      int p, int q) {
  turns->count = above;
  for (int i = 0; i < p; i++) tni_add_turn(turns, chain[i], chain[i], 0);
  for (int i = 0; i < count && order[i] != chain[q]; i++) {
    bool known = false;
    for (int k = 0; k < p; k++) known |= chain[k] == order[i];
    if (!known) tni_add_turn(turns, order[i], order[i], 0);
  }
  tni_add_turn(turns, chain[p], chain[p], -1);
  tni_add_turn(turns, chain[q], chain[q], 1);
}

static int place_of(const tn_stmt *const *order, const tn_stmt *loop) {
  int i = 0;
  while (order[i] != loop) i++;
  return i;
}

static const char *why_crossed(tn_schedule *s, const tni_accesses *all, int count, const tn_stmt *const *chain,
                               const tn_stmt *const *order, const void **mark) {
  const tn_stmt *path[TNI_MAX_PATH];
  tni_turns turns = {0};
  int depth = tni_path_to(s->func->body, chain[0], path);
  for (int i = 0; i < depth - 1; i++)
    if (path[i]->kind == TNI_FOR) tni_add_turn(&turns, path[i], path[i], 0);
  int above = turns.count;
  for (int p = 0; p < count; p++)
    for (int q = p + 1; q < count; q++) {
      if (place_of(order, chain[q]) > place_of(order, chain[p])) continue;
      set_turns(&turns, above, count, chain, order, p, q);
      const char *why = tni_why_dependent(&s->region, all, chain[0], chain[0], &turns, mark);
      if (why) return why;
    }
  return NULL;
}

/* What forbids the order, by what is touched. */
static const char *why_dependent(tn_schedule *s, int count, const tn_stmt *const *chain, const tn_stmt *const *order,
                                 const void **mark) {
  tni_accesses all;
  *mark = chain[0]->as.loop.var;
  bool ok = tni_accesses_collect(&s->region, s->func->body, &all);
  const char *why = !ok          ? "there is no memory to check it"
                    : all.opaque ? "not all accesses to memory are known"
                                 : why_crossed(s, &all, count, chain, order, mark);
  tni_accesses_destroy(&all);
  return why;
}

/* One block that accumulates (*accumulates), or anything that does not care. */
static const char *why_not(tn_schedule *s, int count, const tn_stmt *const *chain, const tn_stmt *const *order,
                           bool *accumulates, const void **mark) {
  const tn_stmt *block = only_block(chain[count - 1]);
  const void *dependent_mark;
  const char *why = tni_why_in_order(chain[0], mark);
  if (why) return why;
  if (block->kind == TNI_BLOCK) {
    why = tni_why_not_own_element(s, block, mark);
    if (!why) why = why_overwritten(s, block, count, chain, order, mark);
    if (!why) return NULL;
  }
  *accumulates = false;
  const char *dependent = why_dependent(s, count, chain, order, &dependent_mark);
  if (why || !dependent) return dependent ? why : NULL;
  *mark = dependent_mark;
  return dependent;
}

static tn_status check_places(tni_step *step, int count, const tn_stmt *const *order) {
  for (int i = 0; i < count; i++) {
    const char *why = tni_why_not_again(order[i]);
    if (why) return tni_step_refuse(step, order[i]->as.loop.var, "%s", why);
    for (int k = i + 1; k < count; k++)
      if (tni_expr_uses(step->s->ctx, order[i]->as.loop.extent, order[k]->as.loop.var))
        return tni_step_refuse(step, order[i]->as.loop.var,
                               "its extent depends on a loop that would come to stand inside it\n"
                               "needs: a split of it by one factor, the most that its extent is, which guards the rest");
    for (int k = i + 1; k < count && tni_is_thread_bound(order[i]->as.loop.kind); k++)
      if (tni_is_bound(order[k]->as.loop.kind) && !tni_is_thread_bound(order[k]->as.loop.kind))
        return tni_step_refuse(step, order[k]->as.loop.var, "a loop over blocks would come to stand inside one over threads");
  }
  return TN_OK;
}

tn_status tni_apply_reorder(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *wanted[MAX_CHAIN], *chain[MAX_CHAIN], *order[MAX_CHAIN];
  const void *mark;
  size_t moved = step->args[0].count;
  if (moved < 1 || moved > MAX_CHAIN)
    return tni_step_refuse(step, NULL, "give 1 to %d loops", MAX_CHAIN);
  for (size_t i = 0; i < moved; i++) {
    if (!(wanted[i] = tni_arg_loop_at(step, 0, i))) return TN_E_REFUSED;
    for (size_t k = 0; k < i; k++)
      if (wanted[k] == wanted[i])
        return tni_step_refuse(step, wanted[i]->as.loop.var, "the loop stands in the list twice");
  }
  int count = collect_chain(step, wanted, chain);
  if (!count) return TN_E_REFUSED;
  size_t next = 0;
  for (int i = 0; i < count; i++) {
    order[i] = chain[i];
    for (size_t k = 0; k < moved; k++)
      if (wanted[k] == chain[i]) {
        order[i] = wanted[next++];
        break;
      }
  }
  bool accumulates = true;
  tn_status status = check_places(step, count, order);
  if (status) return status;
  const char *why = why_not(step->s, count, chain, order, &accumulates, &mark);
  if (why) return tni_step_refuse(step, mark, "%s", why);
  const tn_stmt *block = only_block(chain[count - 1]);
  if (accumulates && swaps_reduce(step->s, block, count, chain, order)) status = tni_step_reassociates(step, block);
  if (status) return status;
  const tn_stmt *body = chain[count - 1]->as.loop.body;
  for (int i = count - 1; i >= 0; i--)
    body = tni_for_like(r, order[i], order[i]->as.loop.var, order[i]->as.loop.extent, order[i]->as.loop.kind, body);
  return tni_step_accept(step, tni_replace(r, step->s->func->body, chain[0], body));
}

tn_status tn_reorder(tn_schedule *s, size_t count, const tn_loop *loops, tn_error **err) {
  tni_arg args[] = {tni_of_handles(count, loops)};
  return tni_perform(s, TNI_PRIMITIVE_reorder, 1, args, 0, NULL, NULL, err);
}
