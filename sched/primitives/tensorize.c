/* tensorize.c -- steps of a sum of products become the meaning of a tensor instruction.
 *
 *     block C(i, reduce k) { for t in 0..2 { C[i] = C[i] + cast(i32, A[i, k*2 + t]) * cast(i32, B[k*2 + t]) } }
 *       ->                                                                              tensorize(C, "dot2_s16")
 *     block C(i, reduce k) { C[i] = C[i] + cast(i32, A[i, k*2]) * cast(i32, B[k*2]) + cast(i32, A[i, k*2 + 1]) * .. }
 *
 * Factors may be any expressions of the instruction's types: what does not stand side by side in memory is put together in
 * registers. A guard of the steps (blockize makes one of sums that are no multiple) goes to the factors, which then are 0.
 *
 * needs: a block without init whose body is one loop of as many steps over one store, which is a step of the instruction
 *        (targets/step.c), maybe under an if; with an if an instruction for which zeros add nothing
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "sched.h"

/* A step: the store of a sum, and what is summed. */
typedef struct steps {
  const tn_stmt *store;
  const tn_expr *where; /* the guard, or NULL */
  tni_unit_step of;
} steps;

/* The one store below the loop, maybe under an if. */
static bool find_store(const tn_stmt *loop, int32_t count, steps *out) {
  if (loop->kind != TNI_FOR || !tni_is_int(loop->as.loop.extent, count)) return false;
  const tn_stmt *s = loop->as.loop.body;
  if (s->kind == TNI_IF && !s->as.cond.otherwise) out->where = s->as.cond.cond, s = s->as.cond.then;
  out->store = s;
  return s->kind == TNI_STORE && !s->as.store.where;
}

/* ---- what must hold ---------------------------------------------------------------------------------------------------- */

typedef struct other_reads {
  const tn_buffer *buffer;
  const tn_expr *sum; /* the load that may be */
  bool found;
} other_reads;

static void see_load(void *self, const tn_expr *x) {
  other_reads *q = self;
  q->found |= x->op == TN_OP_load && x != q->sum && x->as.buffer == q->buffer;
}

/* Do all steps add to one element, and read nothing else of its buffer, nor the sum itself but to add to it? */
static const char *why_not_one_sum(tn_context *ctx, const tn_stmt *loop, const steps *p) {
  const tn_expr *inside[] = {p->of.x, p->of.y, p->where};
  const tn_buffer *buffer = p->store->as.store.buffer;
  other_reads q = {buffer, p->of.sum, false}, all = {buffer, NULL, false};
  for (int32_t d = 0; d < p->store->as.store.count; d++)
    if (tni_expr_uses(ctx, p->store->as.store.index[d], loop->as.loop.var)) return "the steps add to different elements";
  tni_stmt_visit_exprs(ctx, loop->as.loop.body, see_load, &q);
  for (size_t i = 0; i < TNI_COUNT(inside); i++)
    if (inside[i]) tni_expr_visit(ctx, inside[i], see_load, &all);
  return q.found || all.found ? "a step reads what another one stores" : NULL;
}

/* ---- the rewrite --------------------------------------------------------------------------------------------------------- */

/* What of the guard depends on the step, or does not; NULL: nothing. False: no memory. */
static bool guard_part(tni_region *r, const tn_expr *guard, const tn_expr *var, bool of_step, const tn_expr **out) {
  if (guard->op == TN_OP_and)
    return guard_part(r, guard->arg[0], var, of_step, out) && guard_part(r, guard->arg[1], var, of_step, out);
  if (tni_expr_uses(r->arena.ctx, guard, var) == of_step && !(*out = tni_conj(r, *out, guard))) return false;
  return true;
}

static const tn_expr *guard_load(void *self, tni_region *r, const tn_expr *x) {
  if (x->op != TN_OP_load) return x;
  const tn_expr *where = tni_conj(r, tni_load_where(x), self);
  return tni_load(r, x->type, x->as.buffer, (size_t)tni_load_count(x), x->arg, where);
}

/* A factor of step number t: 0 where that is none. */
static const tn_expr *factor_at(tni_region *r, const tn_expr *x, const tn_expr *guard, const tn_expr *var, int32_t t) {
  const tn_expr *number = tni_index(r, t), *guarded = x;
  tni_subst subst = {1, &var, &number};
  tni_facts none = {.ctx = r->arena.ctx};
  if (guard) guarded = tni_expr_rewrite(r, x, guard_load, (void *)(uintptr_t)guard);
  if (guard && x->op != TN_OP_load) guarded = tni_op3(r, TN_OP_select, guard, guarded, tni_zero(r, x->type));
  guarded = number && guarded ? tni_expr_subst(r, guarded, &subst) : NULL;
  return guarded ? tni_simplify(r, &none, guarded) : NULL;
}

static const tn_stmt *make_store(tni_region *r, const tni_unit *unit, const steps *p, const tn_expr *var) {
  tni_unit_operands o = {.c = p->of.sum};
  const tn_expr *of_step = NULL, *of_all = NULL;
  if (p->where && (!guard_part(r, p->where, var, true, &of_step) || !guard_part(r, p->where, var, false, &of_all)))
    return NULL;
  for (int32_t t = 0; t < unit->steps; t++) {
    o.a[t] = factor_at(r, p->of.x, of_step, var, t);
    o.b[t] = factor_at(r, p->of.y, of_step, var, t);
    if (!o.a[t] || !o.b[t]) return NULL;
  }
  const tn_stmt *s = p->store;
  s = tni_store(r, s->as.store.buffer, s->as.store.count, s->as.store.index, tni_unit_of(r, unit, &o), NULL);
  return s && of_all ? tni_if(r, of_all, s, NULL) : s;
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------ */

static tn_status refuse_unit(tni_step *step, const tn_stmt *block) {
  char names[300] = "";
  size_t n = 0;
  const tni_unit *unit = NULL;
  while (n < sizeof names && (unit = tni_unit_after(step->s->ctx, unit)))
    n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", unit->name);
  if (!n) return TN_E_NOMEM;
  return tni_step_refuse(step, block, "no tensor instruction `%s`; there are: %s", step->args[1].text, names);
}

static tn_status refuse_step(tni_step *step, const tni_unit *unit, const tn_stmt *store) {
  char a[16], b[16];
  tni_text text;
  tni_text_init(&text, step->s->ctx);
  tni_print_expr(&text, unit->step);
  tn_status status = text.failed ? TN_E_NOMEM
                                 : tni_step_refuse(step, store, "a step of `%s` is C[0] = %s, where A is of %s, B of %s",
                                                   unit->name, text.data, tn_type_text(unit->a, a),
                                                   tn_type_text(unit->b, b));
  tni_text_destroy(&text);
  return status;
}

tn_status tni_apply_tensorize(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  steps p = {0};
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? block->as.block.body : NULL;
  const tni_unit *unit = block ? tni_unit_find(s->ctx, step->args[1].text) : NULL;
  if (!block) return TN_E_REFUSED;
  if (!unit) return refuse_unit(step, block);
  if (block->as.block.init) return tni_step_refuse(step, block, "the block has an init\nneeds: decompose_reduction");
  if (!find_store(loop, unit->steps, &p))
    return tni_step_refuse(step, block, "its body is not a loop of %d steps, each of them one store\n"
                           "needs: a split by %d, and blockize of the inner loop", (int)unit->steps, (int)unit->steps);
  if (!tni_unit_is_step(unit, p.store, &p.of)) return refuse_step(step, unit, p.store);
  const char *why = why_not_one_sum(s->ctx, loop, &p);
  if (why) return tni_step_refuse(step, p.store, "%s", why);
  if (p.where && !unit->idle)
    return tni_step_refuse(step, p.store, "there is a guard, and a step of `%s` of zeros is not nothing", unit->name);
  tn_status status = unit->exact ? TN_OK : tni_step_rounds_otherwise(step, p.store);
  const tn_stmt *store = status ? NULL : make_store(r, unit, &p, loop->as.loop.var);
  if (!status && !store) status = TN_E_NOMEM;
  if (status) return status;
  const tn_stmt *made =
      tni_block_like(r, block, block->as.block.iters, block->as.block.where, NULL, store);
  return tni_step_accept(step, tni_replace(r, s->func->body, block, made));
}

tn_status tn_tensorize(tn_schedule *s, tn_block_ref block, const char *unit, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(unit)};
  return tni_perform(s, TNI_PRIMITIVE_tensorize, 2, args, 0, NULL, NULL, err);
}
