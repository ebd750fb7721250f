/* split.c -- divide one loop into nested loops.
 *
 *     for i in 0..n { S }
 *       ->
 *     for i_0 in 0..ceil(n / (a*b)) { for i_1 in 0..a { for i_2 in 0..b { S[i := i_0*a*b + i_1*b + i_2] } } }
 *
 * When the factors do not divide n, every block below runs only where the new index is below n; an if guards a body that does
 * more than run blocks.
 *
 * needs: a serial loop; a constant extent when a factor is inferred from it or a guard can be left away
 * refuses: factors that do not cover the extent, more than one factor 0, negative ones
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct guard {
  const tn_expr *cond;
} guard;

static const tn_stmt *add_guard(void *self, tni_region *r, const tn_stmt *s) {
  const guard *g = self;
  if (s->kind == TNI_BLOCK)
    return tni_block_like(r, s, s->as.block.iters, tni_conj(r, s->as.block.where, g->cond), s->as.block.init,
                          s->as.block.body);
  return s;
}

typedef struct loose_search {
  tn_context *ctx;
  bool loose;
} loose_search;

static void see_load(void *self, const tn_expr *x) {
  ((loose_search *)self)->loose |= x->op == TN_OP_load || x->op == TN_OP_call;
}

/* Statements outside blocks, and what is loaded outside of them, are guarded by an if. */
static bool see_loose(void *self, const tn_stmt *s) {
  loose_search *q = self;
  q->loose |= tni_is_write(s) || s->kind == TNI_EVALUATE;
  q->loose |= s->kind == TNI_ASSERT || s->kind == TNI_ASSUME || s->kind == TNI_WHILE;
  if (tni_own_expr(s)) tni_expr_visit(q->ctx, tni_own_expr(s), see_load, q);
  if (s->kind == TNI_BLOCK && s->as.block.where) tni_expr_visit(q->ctx, s->as.block.where, see_load, q);
  return s->kind != TNI_BLOCK && !q->loose;
}

static const tn_stmt *guarded(tni_region *r, const tn_stmt *body, const tn_expr *cond) {
  loose_search q = {r->arena.ctx, false};
  guard g = {cond};
  if (!body || !cond) return NULL;
  tni_stmt_visit(body, see_loose, &q);
  return q.loose ? tni_if(r, cond, body, NULL) : tni_stmt_rewrite(r, body, NULL, add_guard, &g);
}

/* The extents of the new loops in `out`; *exact tells that they divide the old one. */
static tn_status choose_extents(tni_step *step, const tn_stmt *loop, const tn_expr **out, bool *exact) {
  tni_region *r = &step->s->region;
  const tn_expr *extent = loop->as.loop.extent;
  const int64_t *factors = step->args[1].numbers;
  size_t count = step->args[1].count, open = count;
  int64_t product = 1;
  for (size_t i = 0; i < count; i++) {
    if (factors[i] < 0 || (factors[i] == 0 && open < count))
      return tni_step_refuse(step, loop->as.loop.var, "factors must be positive, and at most one 0");
    if (factors[i] == 0)
      open = i;
    else if (__builtin_mul_overflow(product, factors[i], &product) || product > INT64_C(1) << 40)
      return tni_step_refuse(step, loop->as.loop.var, "the factors are too large");
    out[i] = tni_index(r, factors[i]);
  }
  *exact = tni_is_const(extent) && (open < count ? extent->as.i % product == 0 : extent->as.i == product);
  if (open < count) {
    const tn_expr *sum = tni_add(r, extent, tni_index(r, product - 1));
    out[open] = tni_op2(r, TN_OP_floordiv, sum, tni_index(r, product));
  } else if (!tni_is_const(extent) || extent->as.i > product) {
    return tni_step_refuse(step, loop->as.loop.var,
                           "the factors do not cover the extent\n"
                           "needs: larger ones, or a factor 0, which is inferred");
  }
  return TN_OK;
}

tn_status tni_apply_split(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *loop = tni_arg_loop(step, 0);
  const tn_expr *extents[TNI_MAX_OUT], *vars[TNI_MAX_OUT];
  bool exact = false;
  if (!loop) return TN_E_REFUSED;
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the loop is not serial any more\n"
                           "needs: to be split before it is annotated");
  size_t count = step->args[1].count;
  if (count < 1 || count > TNI_MAX_OUT)
    return tni_step_refuse(step, loop->as.loop.var, "give 1 to %d factors", TNI_MAX_OUT);
  const char *why = tni_why_not_again(step->s->ctx, loop);
  if (why) return tni_step_refuse(step, loop->as.loop.var, "%s", why);
  tn_status status = choose_extents(step, loop, extents, &exact);
  const tn_expr *index = tni_index(r, 0);
  for (size_t i = 0; i < count && !status; i++) {
    vars[i] = tni_var(r, loop->as.loop.var->as.name, TN_INDEX);
    index = tni_add(r, tni_mul(r, index, extents[i]), vars[i]);
    status = vars[i] ? tni_give_loop(step, vars[i]) : TN_E_NOMEM;
  }
  if (status) return status;
  tni_subst subst = {1, &loop->as.loop.var, &index};
  const tn_stmt *body = index ? tni_stmt_subst(r, loop->as.loop.body, &subst) : NULL;
  if (!exact) body = guarded(r, body, tni_op2(r, TN_OP_lt, index, loop->as.loop.extent));
  for (size_t i = count; i > 0; i--) body = tni_for(r, vars[i - 1], extents[i - 1], TNI_SERIAL, body);
  return tni_step_accept(step, tni_replace(r, step->s->func->body, loop, body));
}

tn_status tn_split(tn_schedule *s, tn_loop loop, size_t count, const int64_t *factors, tn_loop *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_ints(count, factors)};
  return tni_perform(s, TNI_PRIMITIVE_split, 2, args, count, out, NULL, err);
}
