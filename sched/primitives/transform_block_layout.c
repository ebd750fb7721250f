/* transform_block_layout.c -- a block runs over other iterators, in loops of its own.
 *
 *     for i in 0..8 { for j in 0..6 { block C(a: 0..8 = i, b: 0..6 = j) { C[a, b] = .. } } }
 *       ->                               transform_block_layout(C, "(a, b) -> (a // 4, b, a % 4)")
 *     for a in 0..2 { for b in 0..6 { for a_1 in 0..4 {
 *       block C(p: 0..2 = a, q: 0..6 = b, t: 0..4 = a_1) { C[p*4 + t, q] = .. } } } }
 *
 * The map sends each point of the iterators to one of its own: (a, b) -> (a * 6 + b) fuses. Points that it sends
 * nothing to, as where a division does not come out even, are left out by a guard. The loops are new, in the order of
 * the map's subscripts, and those of the reduction are not mixed with others.
 *
 * needs: serial loops around the block alone that run each point of its iterators once; a block that stores each
 *        element at one point, or at the steps of a reduction of it, or any block whose instances touch different
 *        elements
 * refuses: steps in another order, unless they may come in any; calls of externals, asserts
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct plan {
  tni_step *step;
  tni_region *r;
  tni_site site;
  const tn_stmt *block, *top; /* top: the outermost of its own loops, or the block */
  size_t depth;               /* loops outside */
  tni_stretch spans[TNI_MAX_NEST];
  tni_places p;
  tni_facts facts;          /* of the new iterators */
  bool reduce[TN_MAX_RANK]; /* of each of them */
  const tn_expr *vars[TN_MAX_RANK], *loops[TN_MAX_RANK];
  const tn_expr *back[TN_MAX_RANK]; /* the old ones over them */
  const tn_expr *where;             /* which of their points are some of the old ones', or NULL: all */
} plan;

/* ---- the loops that go ------------------------------------------------------------------------------------------- */

static void find_loops(plan *p) {
  int i = p->site.depth - 1;
  p->top = p->block;
  p->depth = p->site.count;
  while (i > 0 && p->site.path[i - 1]->kind == TNI_FOR && p->site.path[i - 1]->as.loop.body == p->top) {
    const tn_stmt *loop = p->site.path[--i];
    bool feeds = tni_site_feeds(&p->site, loop, false) || tni_site_feeds(&p->site, loop, true);
    if (!feeds && !tni_is_int(loop->as.loop.extent, 1)) break;
    p->top = loop;
    p->depth--;
  }
}

static bool runs_all(const plan *p) {
  for (int32_t i = 0; i < p->block->as.block.count; i++) {
    const tn_expr *extent = p->block->as.block.iters[i].extent, *span = p->spans[i].extent;
    bool covers = span == extent || (tni_is_const(span) && tni_is_const(extent) && span->as.i >= extent->as.i);
    if (!covers || !tni_is_int(p->spans[i].base, 0)) return false;
  }
  return true;
}

static tn_status check_loops(plan *p) {
  find_loops(p);
  for (size_t k = p->depth; k < p->site.count; k++)
    if (p->site.loops[k]->as.loop.kind != TNI_SERIAL)
      return tni_step_refuse(p->step, p->site.loops[k]->as.loop.var,
                             "the loop is not serial any more\n"
                             "needs: the block to be transformed before it is annotated");
  if (!tni_site_spans(&p->site, p->depth, p->spans) || !runs_all(p) || !tni_site_runs_once(&p->site, p->depth, false))
    return tni_step_refuse(p->step, p->block,
                           "the loops around the block alone do not run each point of its iterators once\n"
                           "needs: to be transformed before these are shared, cut or bound elsewhere");
  if (!tni_site_is_guarded_by_domains(&p->site))
    return tni_step_refuse(p->step, p->block, "the block's guard cuts instances that its iterators have");
  return TN_OK;
}

/* ---- the new iterators ------------------------------------------------------------------------------------------- */

/* Does a subscript of the map use iterators of that kind? */
static bool uses_kind(const plan *p, int32_t k, bool reduce) {
  bool uses = false;
  for (int32_t i = 0; i < p->block->as.block.count; i++) {
    const tni_iter *it = &p->block->as.block.iters[i];
    uses |= it->reduce == reduce && tni_expr_uses(p->facts.ctx, p->p.index[k], it->var);
  }
  return uses;
}

static tn_status make_iters(plan *p) {
  for (int32_t k = 0; k < p->p.map->rank; k++) {
    p->reduce[k] = uses_kind(p, k, true);
    if (p->reduce[k] && uses_kind(p, k, false))
      return tni_step_refuse(p->step, p->block, "subscript %d of the map mixes iterators of the reduction with others",
                             k);
    const char *name = tni_place_name(&p->p, k);
    p->vars[k] = tni_var(p->r, name, TN_INDEX);
    p->loops[k] = tni_var(p->r, name, TN_INDEX);
    if (!p->vars[k] || !p->loops[k] || !tni_facts_bind(&p->facts, p->vars[k], p->p.map->shape[k])) return TN_E_NOMEM;
  }
  return TN_OK;
}

/* *where && cond, if that is not known. */
static bool must(plan *p, const tn_expr *cond) {
  cond = cond ? tni_simplify(p->r, &p->facts, cond) : NULL;
  if (!cond || tni_prove(p->r, &p->facts, cond)) return cond != NULL;
  p->where = tni_conj(p->r, p->where, cond);
  return p->where && tni_facts_learn(&p->facts, cond, true);
}

static tn_status find_way_back(plan *p) {
  const tn_expr *sent[TN_MAX_RANK], *zero = tni_index(p->r, 0);
  const tni_layout *map = p->p.map;
  if (!tni_map_inverse(p->r, map, p->p.count, p->p.extents, p->vars, p->back)) return TN_E_NOMEM;
  bool ok = tni_map_tells_apart(p->step->s, map, p->p.count, p->p.extents);
  for (int32_t d = 0; d < p->p.count; d++) ok &= p->back[d] != NULL;
  if (!ok) return tni_step_refuse(p->step, p->block, "the map may send two of them to one place");
  for (int32_t d = 0; d < p->p.count && ok; d++)
    ok = must(p, tni_op2(p->r, TN_OP_le, zero, p->back[d])) &&
         must(p, tni_op2(p->r, TN_OP_lt, p->back[d], p->p.extents[d]));
  ok = ok && tni_map_apply(p->r, map, p->p.count, p->back, sent);
  for (int32_t k = 0; k < map->rank && ok; k++) ok = must(p, tni_op2(p->r, TN_OP_eq, sent[k], p->vars[k]));
  return ok ? TN_OK : TN_E_NOMEM;
}

/* ---- the order of instances -------------------------------------------------------------------------------------- */

/* Do the new loops run the steps of the reduction in the order of the old iterators? */
static bool keeps_steps(const plan *p) {
  const tn_expr *vars[TN_MAX_RANK], *extents[TN_MAX_RANK], *place = tni_index(p->r, 0);
  size_t count = 0;
  for (int32_t i = 0; i < p->block->as.block.count; i++)
    if (p->block->as.block.iters[i].reduce)
      place = tni_add(p->r, tni_mul(p->r, place, p->block->as.block.iters[i].extent), p->back[i]);
  for (int32_t k = 0; k < p->p.map->rank; k++)
    if (p->reduce[k]) vars[count] = p->vars[k], extents[count++] = p->p.map->shape[k];
  place = place ? tni_simplify(p->r, &p->facts, place) : NULL;
  return place && tni_rises(p->r, place, count, vars, extents);
}

/* Do the zeros of the new iterators of the reduction stand for those of the old ones? */
static bool keeps_zeros(const plan *p) {
  const tn_expr *zeros[TN_MAX_RANK];
  tni_facts none = {.ctx = p->facts.ctx};
  bool same = true;
  for (int32_t k = 0; k < p->p.map->rank; k++) zeros[k] = tni_index(p->r, 0);
  tni_subst first = {(size_t)p->p.map->rank, p->vars, zeros};
  for (int32_t i = 0; i < p->block->as.block.count && same; i++) {
    const tn_expr *x = p->block->as.block.iters[i].reduce ? tni_expr_subst(p->r, p->back[i], &first) : zeros[0];
    same = x && tni_is_int(tni_simplify(p->r, &none, x), 0);
  }
  return same;
}

/* Of a block that stores to elements of its own: the steps of each. */
static tn_status check_steps(plan *p) {
  const tn_stmt *block = p->block;
  tni_reduction reduction;
  bool reduces = false;
  for (int32_t i = 0; i < block->as.block.count; i++) reduces |= block->as.block.iters[i].reduce;
  if (!reduces) return TN_OK;
  if (block->as.block.init && !keeps_zeros(p))
    return tni_step_refuse(p->step, block, "the map sends the step that runs init to another place than zeros");
  if (tni_site_runs_in_order(&p->site, p->depth, p->spans) && keeps_steps(p)) return TN_OK;
  if (block->as.block.init && !tni_begins_with_zeros(p->step->s, block))
    return tni_step_refuse(p->step, block, "the step that runs init is not the first of this reduction");
  if (!tni_reducer_of(p->r, block, &reduction) || !reduction.any_order)
    return tni_step_refuse(p->step, block,
                           "the steps of this reduction must stay in their order\n"
                           "needs: a map, and loops, that keep it");
  return tni_step_reassociates(p->step, block);
}

/* Does the block store to an element of its own at each point of the spatial iterators? NULL: yes. */
static const char *why_not_own(const plan *p, const void **mark) {
  const tn_stmt *stores[TNI_MAX_STATES];
  tn_schedule *s = p->step->s;
  const char *why = tni_why_not_own_element(s, p->block, mark);
  if (why) return why;
  tni_block_stores(s->ctx, p->block, stores);
  *mark = stores[0];
  if (!tni_points_apart(s, p->block, stores[0]->as.store.count, stores[0]->as.store.index))
    return "an element is written by several iterations, and the last must stay the last";
  return NULL;
}

/* May any two instances change places? */
static bool are_independent(const plan *p) {
  tn_schedule *s = p->step->s;
  tni_accesses all;
  const void *mark;
  bool ok = tni_accesses_collect(p->r, s->func->body, &all) && !all.opaque && !p->block->as.block.init;
  for (size_t k = p->depth; k < p->site.count && ok; k++) { /* pairs that differ in this loop first */
    tni_turns turns = {0};
    for (size_t i = 0; i < k; i++) tni_add_turn(&turns, p->site.loops[i], p->site.loops[i], 0);
    tni_add_turn(&turns, p->site.loops[k], p->site.loops[k], 1);
    ok = !tni_why_dependent(p->r, &all, p->top, p->top, &turns, &mark);
  }
  tni_accesses_destroy(&all);
  return ok;
}

static tn_status check_order(plan *p) {
  const void *mark;
  const char *why = tni_why_in_order(p->top, &mark);
  if (why) return tni_step_refuse(p->step, mark, "%s", why);
  why = why_not_own(p, &mark);
  if (!why) return check_steps(p);
  if (!are_independent(p)) return tni_step_refuse(p->step, mark, "%s", why);
  return TN_OK;
}

/* ---- the rewrite ------------------------------------------------------------------------------------------------- */

static const tn_expr *shorten(void *self, tni_region *r, const tn_expr *x) {
  const plan *p = self;
  return x->type == TN_INDEX && x->nargs > 1 ? tni_simplify(r, &p->facts, x) : x;
}

static const tn_stmt *over_new(plan *p, const tn_stmt *s) {
  tni_subst back = {(size_t)p->p.count, p->p.vars, p->back};
  s = s ? tni_stmt_subst(p->r, s, &back) : NULL;
  return s ? tni_stmt_rewrite(p->r, s, shorten, NULL, p) : NULL;
}

static const tn_stmt *make_nest(plan *p) {
  tni_iter iters[TN_MAX_RANK];
  int32_t rank = p->p.map->rank;
  const tn_stmt *body = over_new(p, p->block->as.block.body), *init = over_new(p, p->block->as.block.init);
  tni_subst bound = {(size_t)rank, p->vars, p->loops};
  const tn_expr *where = p->where ? tni_expr_subst(p->r, p->where, &bound) : NULL;
  if (!body || (p->block->as.block.init && !init) || (p->where && !where)) return NULL;
  for (int32_t k = 0; k < rank; k++) iters[k] = (tni_iter){p->vars[k], p->p.map->shape[k], p->loops[k], p->reduce[k]};
  const tn_stmt *made = tni_block(p->r, p->block->as.block.name, rank, iters, where, init, body);
  if (made) made = tni_annotated(p->r, made, p->block->as.block.notes);
  for (int32_t k = rank; k-- > 0;) made = tni_for(p->r, p->loops[k], p->p.map->shape[k], TNI_SERIAL, made);
  return made;
}

static tn_status transform(plan *p) {
  tn_status status = make_iters(p);
  if (!status) status = find_way_back(p);
  if (!status) status = check_order(p);
  for (int32_t k = 0; k < p->p.map->rank && !status; k++) status = tni_give_loop(p->step, p->loops[k]);
  return status ? status : tni_step_accept(p->step, tni_replace(p->r, p->step->s->func->body, p->top, make_nest(p)));
}

tn_status tni_apply_transform_block_layout(tni_step *step) {
  const tn_stmt *block = tni_arg_block(step, 0);
  plan p = {.step = step, .r = &step->s->region, .block = block};
  if (!block) return TN_E_REFUSED;
  tn_status status = tni_arg_iter_places(step, 1, block, &p.p);
  if (status) return status;
  if (!tni_open_site(step->s, block, &p.site)) return tni_step_refuse(step, block, "there are too many loops");
  status = check_loops(&p);
  if (status) return status;
  tni_facts_init(&p.facts, step->s->ctx);
  status = transform(&p);
  tni_facts_destroy(&p.facts);
  return status;
}

tn_status tn_transform_block_layout(tn_schedule *s, tn_block_ref block, const char *map, tn_loop *out, size_t *count,
                                    tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(map)};
  return tni_perform(s, TNI_PRIMITIVE_transform_block_layout, 2, args, *count, out, count, err);
}
