/* unsafe_set_dtype.c -- a buffer made in the function holds another type.
 *
 *     alloc T: f32[8]   T[a] = x   .. T[a] ..  ->  alloc T: f16[8]   T[a] = cast(f16, x)   .. cast(f32, T[a]) ..
 *
 * Unsafe: what the function computes may be another thing, by what the type cannot hold. Nothing else changes, and the
 * result is as exactly defined as before: what is stored is cast to the type, what is loaded is cast back. A sum that is
 * kept in the buffer is rounded to the type in each step.
 *
 * needs: a buffer that the block stores to, made in the function; a number type of one lane
 * refuses: a buffer whose address is taken, or that a reduce or copy goes to or from, which are one step of its type;
 *          a schedule that is to keep the bits of sums
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct retyper {
  const tn_buffer *old, *made;
} retyper;

static const tn_expr *cast_load(void *self, tni_region *r, const tn_expr *x) {
  const retyper *t = self;
  if (x->op != TN_OP_load || x->as.buffer != t->old) return x;
  return tni_cast(r, t->old->type,
                  tni_load(r, t->made->type, t->made, (size_t)tni_load_count(x), x->arg, tni_load_where(x)));
}

static const tn_stmt *cast_store(void *self, tni_region *r, const tn_stmt *s) {
  const retyper *t = self;
  if (!tni_has_subscripts(s) || s->as.store.buffer != t->old) return s;
  if (s->kind == TNI_PREFETCH) return tni_prefetch(r, t->made, s->as.store.count, s->as.store.index);
  return tni_store_like(r, s, t->made, s->as.store.count, s->as.store.index,
                        tni_cast(r, t->made->type, s->as.store.value), s->as.store.where);
}

typedef struct search {
  tn_context *ctx;
  const tn_buffer *buffer;
  const tn_stmt *step; /* a reduce or copy */
  bool given, loads;
} search;

static void see_expr(void *self, const tn_expr *x) {
  search *q = self;
  q->given |= x->op == TNI_OP_ADDRESS && x->as.buffer == q->buffer;
  q->loads |= x->op == TN_OP_load && x->as.buffer == q->buffer;
}

static bool see_step(void *self, const tn_stmt *s) {
  search *q = self;
  if (s->kind != TNI_REDUCE && s->kind != TNI_COPY) return true;
  q->loads = false;
  if (s->kind == TNI_COPY) tni_expr_visit(q->ctx, s->as.store.value, see_expr, q);
  if (q->loads || s->as.store.buffer == q->buffer) q->step = s;
  return true;
}

tn_status tni_apply_unsafe_set_dtype(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const char *text = step->args[1].text;
  const tn_stmt *block = tni_arg_block(step, 0), *alloc = block ? tni_arg_made(step, block, 2) : NULL;
  if (!alloc) return TN_E_REFUSED;
  tn_type type = tni_type_parse(text, strlen(text));
  if (!type || (!tni_type_is_float(type) && !tni_type_is_int(type)) || TN_TYPE_LANES(type) != 1 || tni_type_is_scale(type))
    return tni_step_refuse(step, NULL, "`%s` is no type of a number with one lane", text);
  search q = {.ctx = s->ctx, .buffer = alloc->as.alloc.buffer};
  tni_stmt_visit_exprs(s->ctx, alloc->as.alloc.body, see_expr, &q);
  tni_stmt_visit(alloc->as.alloc.body, see_step, &q);
  if (q.given) return tni_step_refuse(step, q.buffer, "the address of the buffer is taken, by who knows its type");
  if (q.step) return tni_step_refuse(step, q.step, "this is one step of the buffer's type");
  if (s->keeps_order)
    return tni_step_refuse(step, q.buffer, "the schedule keeps what sums are rounded to, and a type would round otherwise");
  tn_buffer form = *q.buffer;
  form.type = type;
  retyper t = {q.buffer, tni_buffer_make(r, &form)};
  const tn_stmt *body = t.made ? tni_stmt_rewrite(r, alloc->as.alloc.body, cast_load, cast_store, &t) : NULL;
  const tn_stmt *made = body ? tni_alloc_stmt(r, t.made, body) : NULL;
  return tni_step_accept(step, tni_replace(r, s->func->body, alloc, made));
}

tn_status tn_unsafe_set_dtype(tn_schedule *s, tn_block_ref block, const char *type, int32_t store, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(type), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_unsafe_set_dtype, 3, args, 0, NULL, NULL, err);
}
