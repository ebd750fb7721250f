/* sample_compute_location.c -- where to compute a producer: at a loop, in its consumers, or where it stands.
 *
 *     l = sample_compute_location(T) @ C[1]        or @ inline, @ root
 *     compute_at(T, l)
 *
 * The choices, all equally likely: root, then inline if compute_inline is legal, then the loops, in the order in which they
 * stand, at which compute_at is legal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_LOOPS = 64 };

typedef struct loops {
  size_t count;
  const tn_stmt *items[MAX_LOOPS];
} loops;

static bool see_loop(void *self, const tn_stmt *s) {
  loops *q = self;
  if (s->kind == TNI_FOR && q->count < MAX_LOOPS) q->items[q->count++] = s;
  return s->kind != TNI_BLOCK;
}

/* Would the primitive be legal for the block, at the loop if it takes one? Tries; what it makes stays in the region. */
static tn_status try(tni_step *step, enum tni_primitive_id id, const tn_stmt *loop, bool *legal) {
  tni_step trial = {.s = step->s, .primitive = &tni_primitives[id], .args = {step->args[0]}};
  size_t handles = step->s->handle_count;
  if (loop) trial.args[1] = tni_of_handle(tni_add_loop(step->s, loop->as.loop.var));
  tn_status status = loop && !trial.args[1].handle ? TN_E_NOMEM : trial.primitive->apply(&trial);
  step->s->handle_count = handles;
  *legal = status == TN_OK;
  return status == TN_E_REFUSED ? TN_OK : status;
}

static tn_status give(tni_step *step, enum tni_location where, const tn_stmt *loop) {
  return loop ? tni_give_loop(step, loop->as.loop.var) : tni_give_location(step, where);
}

static tn_status give_decided(tni_step *step) {
  const tni_arg *given = &step->decision;
  const tn_stmt *loop = tni_handle_loop(step->s, given->handle);
  int where = given->text ? tni_find_word("root|inline", given->text) : -1;
  bool legal = where == TNI_AT_ROOT;
  if (!loop && where < 0)
    return tni_step_refuse(step, NULL, "the decision is not a loop of the function, root or inline");
  tn_status status = TN_OK;
  if (!legal) status = try(step, loop ? TNI_PRIMITIVE_compute_at : TNI_PRIMITIVE_compute_inline, loop, &legal);
  if (!status && !legal)
    return tni_step_refuse(step, loop ? (const void *)loop->as.loop.var : NULL, "the block cannot be computed there");
  return status ? status : give(step, (enum tni_location)where, loop);
}

tn_status tni_apply_sample_compute_location(tni_step *step) {
  const tn_stmt *block = tni_arg_block(step, 0);
  if (!block) return TN_E_REFUSED;
  if (step->decision.given) return give_decided(step);
  loops all = {0}, open = {0};
  bool inlines;
  tn_status status = try(step, TNI_PRIMITIVE_compute_inline, NULL, &inlines);
  tni_stmt_visit(step->s->func->body, see_loop, &all);
  for (size_t i = 0; i < all.count && !status; i++) {
    bool legal;
    status = try(step, TNI_PRIMITIVE_compute_at, all.items[i], &legal);
    if (legal) open.items[open.count++] = all.items[i];
  }
  if (status) return status;
  uint64_t k = tni_choose(step->s, 1 + inlines + open.count);
  return k == 0              ? give(step, TNI_AT_ROOT, NULL)
         : k == 1 && inlines ? give(step, TNI_INLINE, NULL)
                             : give(step, TNI_AT_ROOT, open.items[k - 1 - inlines]);
}

tn_status tn_sample_compute_location(tn_schedule *s, tn_block_ref block, tn_loop *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block)};
  return tni_perform(s, TNI_PRIMITIVE_sample_compute_location, 1, args, 1, out, NULL, err);
}
