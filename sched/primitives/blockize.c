/* blockize.c -- a loop with all that is below it becomes the body of a block.
 *
 *     for io { for ko { for ii in 0..4 { for ki in 0..8 {
 *       block C(i: 0..n = io*4 + ii, reduce k: 0..m = ko*8 + ki) { init { C[i] = 0 }  C[i] = C[i] + A[i, k] } } } } }
 *       ->                                                                                          blockize(ii)
 *     for io { for ko {
 *       block C(i: 0..n/4 = io, reduce k: 0..m/8 = ko) {
 *         init { for ii in 0..4 { C[i*4 + ii] = 0 } }
 *         for ii in 0..4 { for ki in 0..8 { C[i*4 + ii] = C[i*4 + ii] + A[i*4 + ii, k*8 + ki] } } } } }
 *
 * The block has an iterator for each of the old one's that the loops outside move, over parts of equal size; those
 * that the loops inside bring wholly are gone. A guard becomes an if inside. The new block has the old name.
 *
 * needs: one block below, in loops each of which holds only the next; iterators whose parts are boxes, begin at
 *        multiples of their size and are run once; nothing in it that depends on a loop or let outside; of a block with an
 *        init: one store to each state (ir/reducer.c), the step of zeros first
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct plan {
  tni_region *r;
  tni_site site;
  size_t depth; /* loops outside */
  int32_t count;
  tni_iter iters[TNI_MAX_NEST]; /* of the new block */
  const tn_stmt *block;
  const tn_expr *old_vars[TNI_MAX_NEST],
      *values[TNI_MAX_NEST];    /* the old iterators over the new ones and the loops inside */
  const tn_expr *where;         /* of the new block */
  const tn_expr *inside, *init; /* what guards an instance in it; and its init */
} plan;

/* Of a loop or let outside: the body of a block uses none. */
static bool uses_outer(const plan *p, const tn_expr *x) {
  for (int i = 0; p->site.path[i] != p->site.loops[p->depth]; i++) {
    const tn_stmt *s = p->site.path[i];
    const tn_expr *var = s->kind == TNI_FOR ? s->as.loop.var : s->kind == TNI_LET ? s->as.let.var : NULL;
    if (var && tni_expr_uses(p->site.s->ctx, x, var)) return true;
  }
  return false;
}

static bool is_step(const plan *p, size_t loop) { return tni_site_feeds(&p->site, p->site.loops[loop], true); }

/* x where the loops inside that feed reduce iterators are at their first iteration. */
static const tn_expr *at_first(const plan *p, const tn_expr *x) {
  const tn_expr *vars[TNI_MAX_NEST], *zeros[TNI_MAX_NEST];
  tni_facts none = {.ctx = p->site.s->ctx};
  size_t count = 0;
  for (size_t i = p->depth; i < p->site.count; i++)
    if (is_step(p, i)) {
      vars[count] = p->site.loops[i]->as.loop.var;
      zeros[count++] = tni_index(p->r, 0);
    }
  tni_subst subst = {count, vars, zeros};
  const tn_expr *y = tni_expr_subst(p->r, x, &subst);
  return y ? tni_simplify(p->r, &none, y) : NULL;
}

/* ---- iterators ---- */

/* *where && x is in 0..extent */
static bool add_guard(const plan *p, const tni_facts *facts, const tn_expr *x, const tn_expr *extent,
                      const tn_expr **where) {
  const tn_expr *below = tni_op2(p->r, TN_OP_lt, x, extent), *above = tni_op2(p->r, TN_OP_le, tni_index(p->r, 0), x);
  if (!below || !above) return false;
  if (!tni_prove(p->r, facts, below)) *where = tni_conj(p->r, *where, below);
  if (!tni_prove(p->r, facts, above)) *where = tni_conj(p->r, *where, above);
  return true;
}

static tn_status refuse_boxes(tni_step *step, const plan *p) {
  return tni_step_refuse(step, p->block,
                         "the loops inside do not run boxes of the block's iterators, each instance once");
}

/* The iterator of the new block, and the value of the old one in it. */
static tn_status split_iter(tni_step *step, plan *p, tni_facts *facts, int32_t i, const tni_stretch *part) {
  tni_region *r = p->r;
  const tni_iter *it = &p->block->as.block.iters[i];
  tni_facts none = {.ctx = step->s->ctx};
  const tn_expr *rest = tni_simplify(r, facts, tni_sub(r, it->binding, part->base)), *value = rest;
  int64_t mod, rem;
  if (!rest) return TN_E_NOMEM;
  if (uses_outer(p, rest)) return refuse_boxes(step, p);
  if (!tni_is_int(part->base, 0)) {
    tni_modular(&none, part->base, &mod, &rem);
    int64_t size = part->extent->as.i;
    if (mod % size != 0 || rem % size != 0)
      return tni_step_refuse(step, p->block, "the parts of iterator `%s` do not begin at multiples of their size, %lld",
                             it->var->as.name, (long long)size);
    const tn_expr *var = tni_var(r, it->var->as.name, TN_INDEX), *wide = tni_index(r, size);
    const tn_expr *number = tni_simplify(r, &none, tni_op2(r, TN_OP_floordiv, part->base, wide));
    const tn_expr *up = tni_add(r, it->extent, tni_index(r, size - 1));
    const tn_expr *extent = up ? tni_simplify(r, &none, tni_op2(r, TN_OP_floordiv, up, wide)) : NULL;
    p->iters[p->count++] = (tni_iter){var, extent, number, it->reduce};
    if (!var || !number || !extent || !add_guard(p, facts, number, extent, &p->where)) return TN_E_NOMEM;
    value = tni_add(r, tni_mul(r, var, wide), rest);
    if (!tni_facts_bind(facts, var, extent)) return TN_E_NOMEM;
  }
  p->old_vars[i] = it->var;
  p->values[i] = value;
  if (!value || !add_guard(p, facts, value, it->extent, &p->inside)) return TN_E_NOMEM;
  if (!p->block->as.block.init) return TN_OK;
  if (!it->reduce) return add_guard(p, facts, value, it->extent, &p->init) ? TN_OK : TN_E_NOMEM;
  const tn_expr *first = at_first(p, rest);
  if (first && !tni_is_int(first, 0))
    return tni_step_refuse(step, p->block, "the first step of the loops inside is not that of zeros, which runs init");
  return first ? TN_OK : TN_E_NOMEM;
}

static tn_status split_iters(tni_step *step, plan *p) {
  tni_stretch parts[TNI_MAX_NEST];
  tni_facts facts;
  if (p->block->as.block.count > TNI_MAX_NEST) return tni_step_refuse(step, p->block, "the block is too large");
  if (!tni_site_spans(&p->site, p->depth, parts) || !tni_site_runs_once(&p->site, p->depth, false))
    return refuse_boxes(step, p);
  if (!tni_site_is_guarded_by_domains(&p->site))
    return tni_step_refuse(step, p->block, "the block's guard cuts instances that its iterators have");
  tni_facts_init(&facts, step->s->ctx);
  tn_status status = TN_OK;
  for (size_t k = 0; k < p->site.count && !status; k++)
    if (!tni_facts_bind(&facts, p->site.loops[k]->as.loop.var, p->site.loops[k]->as.loop.extent)) status = TN_E_NOMEM;
  for (int32_t i = 0; i < p->block->as.block.count && !status; i++) status = split_iter(step, p, &facts, i, &parts[i]);
  tni_facts_destroy(&facts);
  if (!status && ((p->inside && uses_outer(p, p->inside)) || (p->init && uses_outer(p, p->init))))
    return tni_step_refuse(step, p->block, "the domain of an iterator depends on a loop or let outside");
  return status;
}

/* ---- what is inside ---- */

static tn_status check_chain(tni_step *step, plan *p, const tn_stmt *loop) {
  const tn_stmt *s = loop;
  while (s->kind == TNI_FOR) s = s->as.loop.body;
  if (s->kind != TNI_BLOCK)
    return tni_step_refuse(step, loop->as.loop.var, "there is more below the loop than loops and one block");
  if (!tni_open_site(step->s, s, &p->site)) return tni_step_refuse(step, s, "there are too many loops");
  p->block = s;
  while (p->site.loops[p->depth] != loop) p->depth++;
  for (size_t i = p->depth; i < p->site.count; i++) {
    const tn_stmt *inner = p->site.loops[i];
    if (uses_outer(p, inner->as.loop.extent))
      return tni_step_refuse(step, inner->as.loop.var, "its extent depends on a loop or let outside");
    if (tni_is_concurrent(inner->as.loop.kind))
      return tni_step_refuse(step, inner->as.loop.var,
                             "its iterations run at the same time\n"
                             "needs: to be done before the loop is annotated");
  }
  return TN_OK;
}

/* May the init of all elements come before all steps? */
static tn_status check_init(tni_step *step, const plan *p) {
  const char *why = p->block->as.block.init ? tni_why_not_reduction(step->s->ctx, p->block) : NULL;
  if (why) return tni_step_refuse(step, p->block, "%s", why);
  for (size_t k = p->depth; p->block->as.block.init && k < p->site.count; k++)
    if (is_step(p, k) && tni_site_feeds(&p->site, p->site.loops[k], false))
      return tni_step_refuse(step, p->site.loops[k]->as.loop.var,
                             "the loop feeds both reduce and spatial iterators\n"
                             "needs: to be done before loops of both are fused");
  return TN_OK;
}

/* ---- the new block ---- */

static const tn_stmt *put_in_loops(const plan *p, const tn_stmt *s) {
  for (size_t k = p->site.count; s && k-- > p->depth;) {
    const tn_stmt *loop = p->site.loops[k];
    s = tni_for_like(p->r, loop, loop->as.loop.var, loop->as.loop.extent, loop->as.loop.kind, s);
  }
  return s;
}

/* The init of all elements: in copies of the loops inside that are no steps, if there is a step. */
static const tn_stmt *make_init(const plan *p) {
  const tn_expr *old_vars[TNI_MAX_NEST], *new_vars[TNI_MAX_NEST], *guard = p->init;
  tni_subst values = {(size_t)p->block->as.block.count, p->old_vars, p->values}, copies = {0, old_vars, new_vars};
  for (size_t k = p->depth; k < p->site.count; k++) {
    const tn_stmt *loop = p->site.loops[k];
    const tn_expr *extent = is_step(p, k) ? at_first(p, loop->as.loop.extent) : NULL;
    if (extent && !tni_is_const(extent))
      guard = tni_conj(p->r, guard, tni_op2(p->r, TN_OP_lt, tni_index(p->r, 0), extent));
    if (is_step(p, k)) continue;
    old_vars[copies.count] = loop->as.loop.var;
    if (!(new_vars[copies.count++] = tni_var(p->r, loop->as.loop.var->as.name, TN_INDEX))) return NULL;
  }
  const tn_stmt *s = tni_stmt_subst(p->r, p->block->as.block.init, &values);
  if (s && guard) s = tni_if(p->r, guard, s, NULL);
  if (s) s = tni_stmt_subst(p->r, s, &copies);
  for (size_t k = p->site.count, n = copies.count; s && k-- > p->depth;) {
    const tn_stmt *loop = p->site.loops[k];
    if (is_step(p, k)) continue;
    const tn_expr *extent = tni_expr_subst(p->r, loop->as.loop.extent, &copies);
    s = tni_for_like(p->r, loop, new_vars[--n], extent, loop->as.loop.kind, s);
  }
  return s;
}

static const tn_stmt *make_block(const plan *p) {
  const tn_stmt *old = p->block;
  tni_subst values = {(size_t)old->as.block.count, p->old_vars, p->values};
  const tn_stmt *body = tni_stmt_subst(p->r, old->as.block.body, &values);
  if (body && p->inside) body = tni_if(p->r, p->inside, body, NULL);
  const tn_stmt *both[] = {old->as.block.init ? make_init(p) : tni_seq(p->r, 0, NULL), put_in_loops(p, body)};
  bool reduces = false; /* still: without steps outside, init runs before each body */
  for (int32_t i = 0; i < p->count; i++) reduces |= p->iters[i].reduce;
  reduces &= old->as.block.init != NULL;
  if (!both[0]) return NULL;
  const tn_stmt *made = tni_block(p->r, old->as.block.name, p->count, p->iters, p->where, reduces ? both[0] : NULL,
                                  reduces ? both[1] : tni_seq(p->r, 2, both));
  return made ? tni_annotated(p->r, made, old->as.block.notes) : NULL;
}

tn_status tni_apply_blockize(tni_step *step) {
  const tn_stmt *loop = tni_arg_loop(step, 0);
  plan p = {.r = &step->s->region};
  if (!loop) return TN_E_REFUSED;
  tn_status status = check_chain(step, &p, loop);
  if (!status) status = check_init(step, &p);
  if (!status) status = split_iters(step, &p);
  if (!status) status = tni_give_block(step, p.block->as.block.name);
  return status ? status : tni_step_accept(step, tni_replace(p.r, step->s->func->body, loop, make_block(&p)));
}

tn_status tn_blockize(tn_schedule *s, tn_loop loop, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop)};
  return tni_perform(s, TNI_PRIMITIVE_blockize, 1, args, 1, out, NULL, err);
}
