/* decompose_reduction.c -- the init of a reduction becomes a block of its own before a loop.
 *
 *     for i { for k { block C(i, reduce k) { init { I } S } } }   decompose_reduction(C, k)
 *       ->
 *     for i { block C_init(i) { I }  for k { block C(i, reduce k) { S } } }
 *
 * needs: a block with init below the loop; all loops that feed its reduce iterators at or below it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_LOOPS = 64 };

typedef struct plan {
  tni_region *r;
  const tn_stmt *block;
  size_t count; /* loops to copy */
  const tn_stmt *loops[MAX_LOOPS];
  const tn_expr *old_vars[MAX_LOOPS], *new_vars[MAX_LOOPS];
} plan;

static bool feeds(const plan *p, const tn_expr *var, bool reduce) {
  for (int32_t i = 0; i < p->block->as.block.count; i++)
    if (p->block->as.block.iters[i].reduce == reduce &&
        tni_expr_uses(p->r->arena.ctx, p->block->as.block.iters[i].binding, var))
      return true;
  return false;
}

/* The part of the guard that speaks of spatial loops; conjuncts over reduce loops hold at the first step. */
static bool keep_where(const plan *p, const tn_stmt *const *inside, int count, const tn_expr *where, const tn_expr **out) {
  if (!where)
    return true;
  if (where->op == TN_OP_and)
    return keep_where(p, inside, count, where->arg[0], out) && keep_where(p, inside, count, where->arg[1], out);
  bool reduce = false, spatial = false;
  for (int i = 0; i < count; i++)
    if (inside[i]->kind == TNI_FOR && tni_expr_uses(p->r->arena.ctx, where, inside[i]->as.loop.var)) {
      reduce |= feeds(p, inside[i]->as.loop.var, true);
      spatial |= !feeds(p, inside[i]->as.loop.var, true);
    }
  if (reduce && spatial)
    return false;
  if (!reduce)
    *out = tni_conj(p->r, *out, where);
  return true;
}

static const tn_stmt *make_init(plan *p, const char *name, const tn_expr *where) {
  tni_region *r = p->r;
  const tn_stmt *b = p->block;
  tni_subst subst = {p->count, p->old_vars, p->new_vars};
  tni_iter *iters = TNI_NEW_ARRAY(&r->arena, tni_iter, b->as.block.count);
  const tn_expr **old_iters = TNI_NEW_ARRAY(&r->arena, const tn_expr *, b->as.block.count);
  const tn_expr **new_iters = TNI_NEW_ARRAY(&r->arena, const tn_expr *, b->as.block.count);
  int32_t count = 0;
  if (!iters || !old_iters || !new_iters)
    return NULL;
  for (int32_t i = 0; i < b->as.block.count; i++) {
    const tni_iter *it = &b->as.block.iters[i];
    if (it->reduce)
      continue;
    old_iters[count] = it->var;
    new_iters[count] = tni_var(r, it->var->as.name, TN_INDEX);
    iters[count] = (tni_iter){.var = new_iters[count], .extent = it->extent, .binding = tni_expr_subst(r, it->binding, &subst)};
    count++;
  }
  tni_subst rename = {(size_t)count, old_iters, new_iters};
  if (where && !(where = tni_expr_subst(r, where, &subst)))
    return NULL;
  const tn_stmt *s = tni_block(r, name, count, iters, where, NULL, tni_stmt_subst(r, b->as.block.init, &rename));
  for (size_t i = p->count; i > 0; i--)
    s = tni_for(r, p->new_vars[i - 1], p->loops[i - 1]->as.loop.extent, p->loops[i - 1]->as.loop.kind, s);
  return s;
}

tn_status tni_apply_decompose_reduction(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *path[TNI_MAX_PATH], *block = tni_arg_block(step), *loop = block ? tni_arg_loop(step, 0) : NULL;
  if (!block || !loop)
    return TN_E_REFUSED;
  if (!block->as.block.init)
    return tni_step_refuse(step, block, "the block has no init");
  int depth = tni_path_to(s->func->body, block, path), at = 0;
  while (at < depth && path[at] != loop)
    at++;
  if (at == depth)
    return tni_step_refuse(step, loop->as.loop.var, "the loop is not above the block");
  plan p = {.r = r, .block = block};
  for (int i = 0; i < at; i++)
    if (path[i]->kind == TNI_FOR && feeds(&p, path[i]->as.loop.var, true))
      return tni_step_refuse(step, path[i]->as.loop.var, "this reduce loop stands outside the given one");
  for (int i = at; i < depth; i++)
    if (path[i]->kind == TNI_FOR && !feeds(&p, path[i]->as.loop.var, true) && p.count < MAX_LOOPS) {
      p.loops[p.count] = path[i];
      p.old_vars[p.count] = path[i]->as.loop.var;
      if (!(p.new_vars[p.count++] = tni_var(r, path[i]->as.loop.var->as.name, TN_INDEX)))
        return TN_E_NOMEM;
    }
  const tn_expr *where = NULL;
  if (!keep_where(&p, path + at, depth - at, block->as.block.where, &where))
    return tni_step_refuse(step, block, "its guard mixes reduce loops with others");
  const char *base = tni_arena_format(&r->arena, "%s_init", block->as.block.name);
  const char *name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  const tn_stmt *update = tni_block(r, block->as.block.name, block->as.block.count, block->as.block.iters,
                                    block->as.block.where, NULL, block->as.block.body);
  if (!name || !update)
    return TN_E_NOMEM;
  const tn_stmt *both[] = {make_init(&p, name, where), tni_replace(r, loop, block, update)};
  const tn_stmt *body = tni_replace(r, s->func->body, loop, tni_seq(r, 2, both));
  tn_status status = tni_give_block(step, name);
  return status ? status : tni_step_accept(step, body);
}
