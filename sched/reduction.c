/* reduction.c -- the loops around a reduction: those of its steps, and copies of the others.
 *
 *     for i { for k { for j { block C(i, j, reduce k) { .. } } } }      from k: steps k; others j
 *
 * What a reduction does at first (init) or at last, for all elements below a loop, can be done before or behind that
 * loop when nothing else below it cares: decompose_reduction, rfactor and blockize ask for that here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

static bool feeds(const tni_reduce_nest *n, const tn_expr *var, bool reduce) {
  for (int32_t i = 0; i < n->block->as.block.count; i++)
    if (n->block->as.block.iters[i].reduce == reduce &&
        tni_expr_uses(n->s->ctx, n->block->as.block.iters[i].binding, var))
      return true;
  return false;
}

/* ---- the loops ---- */

/* The domains of what is copied are those of the copies' loops. */
static tn_status check_domains(tni_step *step, const tni_reduce_nest *n) {
  for (int32_t i = 0; i < n->block->as.block.count; i++)
    for (size_t k = 0; k < n->step_count && !n->block->as.block.iters[i].reduce; k++)
      if (tni_expr_uses(step->s->ctx, n->block->as.block.iters[i].extent, n->step_vars[k]))
        return tni_step_refuse(step, n->block, "the domain of a spatial iterator depends on a reduce loop");
  return TN_OK;
}

static tn_status add_loop(tni_step *step, tni_reduce_nest *n, const tn_stmt *loop) {
  const tn_expr *var = loop->as.loop.var;
  const char *why = tni_why_not_again(loop);
  if (why) return tni_step_refuse(step, var, "%s", why);
  if (n->count == TNI_MAX_NEST || n->step_count == TNI_MAX_NEST)
    return tni_step_refuse(step, var, "there are too many loops");
  if (feeds(n, var, true)) {
    if (feeds(n, var, false))
      return tni_step_refuse(step, var,
                             "the loop feeds both reduce and spatial iterators\n"
                             "needs: to be done before loops of both are fused");
    n->steps[n->step_count] = loop;
    n->step_vars[n->step_count++] = var;
    return TN_OK;
  }
  for (size_t k = 0; k < n->step_count; k++)
    if (tni_expr_uses(step->s->ctx, loop->as.loop.extent, n->step_vars[k]))
      return tni_step_refuse(step, var, "its extent depends on a reduce loop");
  n->loops[n->count] = loop;
  n->old_vars[n->count] = var;
  n->new_vars[n->count] = tni_var(&step->s->region, var->as.name, TN_INDEX);
  return n->new_vars[n->count++] ? TN_OK : TN_E_NOMEM;
}

tn_status tni_open_reduce_nest(tni_step *step, const tn_stmt *block, const tn_stmt *top, tni_reduce_nest *out) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(step->s->func->body, block, path), at = 0;
  *out = (tni_reduce_nest){.s = step->s, .block = block, .top = top};
  while (at < depth && (top ? path[at] != top : path[at]->kind != TNI_FOR || !feeds(out, path[at]->as.loop.var, true)))
    at++;
  if (at == depth)
    return tni_step_refuse(step, top ? top->as.loop.var : NULL,
                           "the loop is not above the block\n"
                           "needs: a loop of the block, above those of the reduction or the outermost of them");
  out->top = path[at];
  for (int i = 0; i < at; i++)
    if (path[i]->kind == TNI_FOR && feeds(out, path[i]->as.loop.var, true))
      return tni_step_refuse(step, path[i]->as.loop.var,
                             "this reduce loop stands outside the given one\n"
                             "needs: this loop, or one above it");
  for (int i = at; i < depth; i++) {
    if (path[i]->kind == TNI_IF || path[i]->kind == TNI_WHILE)
      return tni_step_refuse(step, block, "a condition stands between the loop and the block");
    if (path[i]->kind != TNI_ALLOC && tni_rest(path[i]))
      return tni_step_refuse(step, path[i], "a let, assert or assume stands between the loop and the block");
    tn_status status = path[i]->kind == TNI_FOR ? add_loop(step, out, path[i]) : TN_OK;
    if (status) return status;
  }
  return check_domains(step, out);
}

/* ---- the first step ---- */

static bool know_loop(tni_facts *facts, const tn_stmt *s) {
  return s->kind != TNI_FOR || tni_facts_bind(facts, s->as.loop.var, s->as.loop.extent);
}

/* What is known where all loops but those of other steps run. False: no memory. */
static bool know_ranges(const tni_reduce_nest *n, const tn_expr *kept, tni_facts *facts) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(n->s->func->body, n->top, path);
  bool ok = true;
  tni_facts_init(facts, n->s->ctx);
  for (int i = 0; ok && i + 1 < depth; i++) ok = know_loop(facts, path[i]);
  for (size_t i = 0; ok && i < n->count; i++) ok = know_loop(facts, n->loops[i]);
  for (size_t i = 0; ok && i < n->step_count; i++) ok = n->step_vars[i] != kept || know_loop(facts, n->steps[i]);
  return ok;
}

/* x where all steps, but those of the loop over `kept` (NULL: none), are at 0. */
static const tn_expr *at_first(const tni_reduce_nest *n, const tn_expr *kept, const tn_expr *x) {
  tni_region *r = &n->s->region;
  const tn_expr *zeros[TNI_MAX_NEST];
  tni_facts none = {.ctx = n->s->ctx};
  for (size_t i = 0; i < n->step_count; i++) zeros[i] = n->step_vars[i] == kept ? kept : tni_index(r, 0);
  tni_subst subst = {n->step_count, n->step_vars, zeros};
  const tn_expr *y = tni_expr_subst(r, x, &subst);
  return y ? tni_simplify(r, &none, y) : NULL;
}

/* *out && cond, which is known from here on. */
static bool add_conjunct(const tni_reduce_nest *n, tni_facts *facts, const tn_expr *cond, const tn_expr **out) {
  if (cond && cond->op == TN_OP_and)
    return add_conjunct(n, facts, cond->arg[0], out) && add_conjunct(n, facts, cond->arg[1], out);
  if (!cond || tni_prove(&n->s->region, facts, cond)) return cond != NULL;
  *out = tni_conj(&n->s->region, *out, cond);
  return tni_facts_learn(facts, cond, true);
}

bool tni_first_step_runs(const tni_reduce_nest *n, const tn_expr *kept, const tn_expr **out) {
  const tn_expr *where = n->block->as.block.where;
  tni_region *r = &n->s->region;
  tni_facts facts;
  bool ok = know_ranges(n, kept, &facts) && (!where || add_conjunct(n, &facts, at_first(n, kept, where), out));
  for (size_t i = 0; ok && i < n->step_count; i++) {
    const tn_expr *extent = at_first(n, kept, n->steps[i]->as.loop.extent);
    if (n->step_vars[i] != kept) ok = add_conjunct(n, &facts, tni_op2(r, TN_OP_lt, tni_index(r, 0), extent), out);
  }
  tni_facts_destroy(&facts);
  return ok;
}

bool tni_first_step_runs_first(const tni_reduce_nest *n, const tn_expr *kept, const tn_expr *where) {
  tni_region *r = &n->s->region;
  tni_facts none = {.ctx = n->s->ctx};
  const tn_expr *others[TNI_MAX_NEST], *rest;
  int64_t coefs[TNI_MAX_NEST];
  size_t count = 0;
  if (!where) return true;
  if (where->op == TN_OP_and)
    return tni_first_step_runs_first(n, kept, where->arg[0]) && tni_first_step_runs_first(n, kept, where->arg[1]);
  for (size_t i = 0; i < n->step_count; i++)
    if (n->step_vars[i] != kept && tni_expr_uses(n->s->ctx, where, n->step_vars[i])) others[count++] = n->step_vars[i];
  if (!count || tni_prove(r, &none, at_first(n, kept, where))) return true;
  if ((where->op != TN_OP_lt && where->op != TN_OP_le) || where->arg[0]->type != TN_INDEX) return false;
  const tn_expr *grows = tni_sub(r, where->arg[0], where->arg[1]);
  if (!grows || !tni_affine(r, grows, count, others, coefs, &rest)) return false;
  for (size_t i = 0; i < count; i++)
    if (coefs[i] < 0) return false;
  return true;
}

/* ---- apart from the rest ---- */

typedef struct reads_search {
  tn_context *ctx;
  const tn_stmt *block, *own;
  bool found;
} reads_search;

static void see_load(void *self, const tn_expr *x) {
  reads_search *q = self;
  q->found |= x->op == TN_OP_load && x->as.buffer == q->own->as.store.buffer;
}

/* A store to what init, the guard or a binding reads? */
static bool see_store(void *self, const tn_stmt *s) {
  reads_search *q = self;
  if (tni_is_write(s)) {
    q->own = s;
    if (q->block->as.block.init) tni_stmt_visit_memory(q->ctx, q->block->as.block.init, see_load, q);
    if (q->block->as.block.where) tni_expr_visit_memory(q->ctx, q->block->as.block.where, see_load, q);
    for (int32_t i = 0; i < q->block->as.block.count; i++)
      tni_expr_visit_memory(q->ctx, q->block->as.block.iters[i].binding, see_load, q);
  }
  q->found |= s->kind == TNI_EVALUATE;
  return true;
}

/* Do the loops run each step once, the one of zeros first? */
static bool steps_once(const tni_reduce_nest *n) {
  const tn_expr *steps[TN_MAX_RANK];
  size_t dims = 0;
  for (int32_t k = 0; k < n->block->as.block.count; k++) {
    const tni_iter *it = &n->block->as.block.iters[k];
    if (!it->reduce) continue;
    const tn_expr *first = at_first(n, NULL, it->binding);
    if (dims == TN_MAX_RANK || !first || !tni_is_int(first, 0)) return false;
    steps[dims++] = it->binding;
  }
  return tni_meets_once(n->s, dims, steps, n->step_count, n->steps);
}

const char *tni_why_not_apart(const tni_reduce_nest *n) {
  tn_context *ctx = n->s->ctx;
  const tn_stmt *stores[TNI_MAX_STATES];
  const tn_expr *index[TN_MAX_RANK];
  int32_t count = tni_block_stores(ctx, n->block, stores);
  for (int32_t k = 0; k < count; k++) {
    const tn_buffer *buffer = stores[k]->as.store.buffer;
    tni_uses uses = tni_uses_of(ctx, n->top, buffer);
    if (uses.writers != 1 || uses.readers != (tni_uses_of(ctx, n->block, buffer).readers ? 1 : 0) || uses.loose)
      return "others below the loop use the buffer\n"
             "needs: to be done before other blocks are computed there, or a loop further in";
  }
  reads_search q = {.ctx = ctx, .block = n->block};
  q.found = n->block->as.block.init && tni_stmt_holds(n->block->as.block.init, TNI_HOLDS_CALL);
  tni_stmt_visit(n->top, see_store, &q);
  if (q.found) return "what init, the guard or a binding reads is stored below the loop, or an external is called";
  if (!tni_store_over_loops(n->s, n->block, stores[0], index) ||
      !tni_meets_once(n->s, (size_t)stores[0]->as.store.count, index, n->count, n->loops))
    return "an element is summed up several times below the loop";
  if (n->block->as.block.init && !steps_once(n))
    return "a step of the reduction runs several times, or not the first one first";
  return NULL;
}

/* ---- copies ---- */

const tn_expr *tni_over_copies(const tni_reduce_nest *n, const tn_expr *x) {
  tni_subst subst = {n->count, n->old_vars, n->new_vars};
  return x ? tni_expr_subst(&n->s->region, x, &subst) : NULL;
}

bool tni_copy_iters(const tni_reduce_nest *n, tni_copied_iters *out) {
  out->count = 0;
  for (int32_t i = 0; i < n->block->as.block.count; i++) {
    const tni_iter *it = &n->block->as.block.iters[i];
    if (it->reduce) continue;
    if (out->count == TNI_MAX_NEST) return false;
    const tn_expr *var = tni_var(&n->s->region, it->var->as.name, TN_INDEX);
    out->old_vars[out->count] = it->var;
    out->new_vars[out->count] = var;
    out->iters[out->count++] = (tni_iter){.var = var, .extent = tni_over_copies(n, it->extent), .binding = tni_over_copies(n, it->binding)};
  }
  return true;
}

const tn_stmt *tni_copy_loops(const tni_reduce_nest *n, const tn_stmt *s) {
  for (size_t i = n->count; i > 0; i--) {
    const tn_stmt *loop = n->loops[i - 1];
    s = tni_for_like(&n->s->region, loop, n->new_vars[i - 1], tni_over_copies(n, loop->as.loop.extent),
                     loop->as.loop.kind, s);
  }
  return s;
}
