/* outline.c -- a loop, or a block, becomes a function of the compiled code, which equal ones share.
 *
 *     for i in 0..n { S }  ->  for i in 0..n outlined { S }                    outline(i)
 *     block B(..) { S }    ->  for unit in 0..1 outlined { block B(..) { S } }  outline(B)
 *
 * It means what it meant. Compiled it is a function over base pointers, strides and extents, once for all loops of a program that
 * are equal but for these (ir/outline.c).
 *
 * needs: a serial loop
 * refuses: what uses a buffer in registers that is used outside as well: a function is given memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct use_count {
  const tn_buffer *buffer;
  int uses;
} use_count;

static void see_load(void *self, const tn_expr *x) {
  use_count *q = self;
  q->uses += (x->op == TN_OP_load || x->op == TNI_OP_ADDRESS) && x->as.buffer == q->buffer;
}

static bool see_store(void *self, const tn_stmt *s) {
  use_count *q = self;
  q->uses += tni_has_subscripts(s) && s->as.store.buffer == q->buffer;
  return true;
}

static int count_uses(tn_context *ctx, const tn_stmt *s, const tn_buffer *b) {
  use_count q = {.buffer = b};
  tni_stmt_visit(s, see_store, &q);
  tni_stmt_visit_exprs(ctx, s, see_load, &q);
  return q.uses;
}

typedef struct register_search {
  tn_context *ctx;
  const tn_stmt *place;
  const tn_buffer *shared;
} register_search;

static bool see_register(void *self, const tn_stmt *s) {
  register_search *q = self;
  if (s == q->place) return false; /* what is allocated inside is its own */
  if (s->kind != TNI_ALLOC || s->as.alloc.buffer->scope != TNI_SCOPE_REGISTER) return true;
  int inside = count_uses(q->ctx, q->place, s->as.alloc.buffer);
  if (inside && inside < count_uses(q->ctx, s->as.alloc.body, s->as.alloc.buffer)) q->shared = s->as.alloc.buffer;
  return true;
}

static tn_status check(tni_step *step, const tn_stmt *place) {
  register_search q = {step->s->ctx, place, NULL};
  if (place->kind == TNI_FOR && place->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, place->as.loop.var,
                           "the loop is not serial any more\n"
                           "needs: another loop around it, or inside");
  tni_stmt_visit(step->s->func->body, see_register, &q);
  if (!q.shared) return TN_OK;
  return tni_step_refuse(step, q.shared,
                         "this buffer in registers is used inside and outside, and a function is given memory\n"
                         "needs: all that uses the buffer inside, or scope local");
}

tn_status tni_apply_outline(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *place = tni_arg_place(step, 0);
  if (!place) return TN_E_REFUSED;
  tn_status status = check(step, place);
  if (status) return status;
  bool loop = place->kind == TNI_FOR;
  const tn_expr *var = loop ? place->as.loop.var : tni_var(r, "unit", TN_INDEX);
  const tn_stmt *made = loop ? tni_for_like(r, place, var, place->as.loop.extent, TNI_OUTLINED, place->as.loop.body)
                             : tni_for(r, var, tni_index(r, 1), TNI_OUTLINED, place);
  status = var ? tni_give_loop(step, var) : TN_E_NOMEM;
  return status ? status : tni_step_keep(step, tni_replace(r, step->s->func->body, place, made));
}

tn_status tn_outline(tn_schedule *s, tn_place place, tn_loop *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(place)};
  return tni_perform(s, TNI_PRIMITIVE_outline, 1, args, 1, out, NULL, err);
}
