/* fuse.c -- nested loops into one.
 *
 *     for i in 0..n { for j in 0..m { S } }  ->  for f in 0..n*m { S[i := f // m, j := f % m] }
 *
 * needs: serial loops, each the only statement in the one before; extents that do not depend on each other
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

static tn_status check(tni_step *step, size_t count, const tn_stmt **loops) {
  for (size_t i = 0; i < count; i++) {
    if (!(loops[i] = tni_arg_loop_at(step, 0, i))) return TN_E_REFUSED;
    if (loops[i]->as.loop.kind != TNI_SERIAL)
      return tni_step_refuse(step, loops[i]->as.loop.var,
                             "the loop is not serial any more\n"
                             "needs: to be fused before it is annotated");
    if (i && loops[i - 1]->as.loop.body != loops[i])
      return tni_step_refuse(step, loops[i]->as.loop.var,
                             "the loop is not the only statement of the one before it in the list\n"
                             "needs: loops of one chain, the outermost first");
    const char *why = tni_why_not_again(loops[i]);
    if (why) return tni_step_refuse(step, loops[i]->as.loop.var, "%s", why);
    for (size_t k = 0; k < i; k++)
      if (tni_expr_uses(step->s->ctx, loops[i]->as.loop.extent, loops[k]->as.loop.var))
        return tni_step_refuse(step, loops[i]->as.loop.var, "its extent depends on an outer loop\n"
                               "needs: a split of it by one factor, the most that its extent is, which guards the rest");
  }
  return TN_OK;
}

tn_status tni_apply_fuse(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *loops[TNI_MAX_OUT];
  const tn_expr *vars[TNI_MAX_OUT], *values[TNI_MAX_OUT];
  size_t count = step->args[0].count;
  if (count < 1 || count > TNI_MAX_OUT)
    return tni_step_refuse(step, NULL, "give 1 to %d loops", TNI_MAX_OUT);
  tn_status status = check(step, count, loops);
  if (status) return status;
  tni_text name;
  tni_text_init(&name, step->s->ctx);
  for (size_t i = 0; i < count; i++)
    tni_text_add(&name, "%s%s", i ? "_" : "", loops[i]->as.loop.var->as.name);
  const tn_expr *fused = tni_var(r, name.length < 40 ? name.data : "fused", TN_INDEX), *extent = tni_index(r, 1);
  tni_text_destroy(&name);
  for (size_t i = count; i > 0; i--) {
    const tn_expr *own = loops[i - 1]->as.loop.extent, *part = tni_op2(r, TN_OP_floordiv, fused, extent);
    vars[i - 1] = loops[i - 1]->as.loop.var;
    values[i - 1] = i > 1 ? tni_op2(r, TN_OP_floormod, part, own) : part;
    extent = tni_mul(r, extent, own);
    if (!values[i - 1] || !extent) return TN_E_NOMEM;
  }
  tni_subst subst = {count, vars, values};
  const tn_stmt *body = tni_stmt_subst(r, loops[count - 1]->as.loop.body, &subst);
  body = tni_replace(r, step->s->func->body, loops[0], tni_for(r, fused, extent, TNI_SERIAL, body));
  status = tni_give_loop(step, fused);
  return status ? status : tni_step_accept_same(step, body);
}

tn_status tn_fuse(tn_schedule *s, size_t count, const tn_loop *loops, tn_loop *out, tn_error **err) {
  tni_arg args[] = {tni_of_handles(count, loops)};
  return tni_perform(s, TNI_PRIMITIVE_fuse, 1, args, 1, out, NULL, err);
}
