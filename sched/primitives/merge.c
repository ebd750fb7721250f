/* merge.c -- loops that stand one behind the other into one.
 *
 *     for i in 0..n { A }  for j in 0..n { B }  ->  for i in 0..n { A B[j := i] }
 *
 * needs: neighbours of the same kind and extent
 * refuses: an iteration of a later loop that would run before one of an earlier loop which touches the same element (depend.c);
 *          calls of externals, asserts
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct list_search {
  const tn_stmt *first, *list;
  int32_t at;
} list_search;

static bool see_list(void *self, const tn_stmt *s) {
  list_search *q = self;
  for (int32_t i = 0; s->kind == TNI_SEQ && i < s->as.seq.count; i++)
    if (s->as.seq.stmts[i] == q->first) {
      q->list = s;
      q->at = i;
    }
  return !q->list && s->kind != TNI_BLOCK;
}

/* The list of statements in which the loops are neighbours, *at the place of the first. */
static tn_status find_list(tni_step *step, size_t count, const tn_stmt **loops, const tn_stmt **list, int32_t *at) {
  list_search q = {.first = loops[0]};
  tni_stmt_visit(step->s->func->body, see_list, &q);
  *list = q.list;
  *at = q.at;
  for (size_t i = 1; i < count; i++)
    if (!q.list || q.at + (int32_t)i >= q.list->as.seq.count || q.list->as.seq.stmts[q.at + (int32_t)i] != loops[i])
      return tni_step_refuse(step, loops[i]->as.loop.var,
                             "the loop does not stand right behind the one before it in the list\n"
                             "needs: neighbours, in their order");
  return TN_OK;
}

static tn_status check_forms(tni_step *step, size_t count, const tn_stmt **loops) {
  tni_region *r = &step->s->region;
  tni_facts none = {.ctx = step->s->ctx};
  for (size_t i = 0; i < count; i++) {
    const void *mark;
    const char *why = tni_why_not_again(loops[i]);
    if (why) return tni_step_refuse(step, loops[i]->as.loop.var, "%s", why);
    if ((why = tni_why_in_order(loops[i], &mark))) return tni_step_refuse(step, mark, "%s", why);
    if (loops[i]->as.loop.kind != loops[0]->as.loop.kind)
      return tni_step_refuse(step, loops[i]->as.loop.var, 
                             "the loop is of another kind than the first\n"
                             "needs: to be merged before they are annotated");
    const tn_expr *gap = tni_simplify(r, &none, tni_sub(r, loops[i]->as.loop.extent, loops[0]->as.loop.extent));
    if (!gap) return TN_E_NOMEM;
    if (!tni_is_int(gap, 0))
      return tni_step_refuse(step, loops[i]->as.loop.var, 
                             "its extent is not that of the first\n"
                             "needs: the longer one to be partitioned");
  }
  return TN_OK;
}

/* An iteration of a later loop comes to stand before those of an earlier one that have greater numbers. */
static tn_status check_order(tni_step *step, size_t count, const tn_stmt **loops, const tni_accesses *all) {
  const tn_stmt *path[TNI_MAX_PATH];
  tni_turns turns = {0};
  int depth = tni_path_to(step->s->func->body, loops[0], path);
  for (int i = 0; i < depth - 1; i++)
    if (path[i]->kind == TNI_FOR) tni_add_turn(&turns, path[i], path[i], 0);
  int pair = tni_add_turn(&turns, NULL, NULL, 1);
  for (size_t i = 0; i < count; i++)
    for (size_t k = i + 1; k < count; k++) {
      const void *mark;
      turns.x[pair] = loops[i];
      turns.y[pair] = loops[k];
      const char *why = tni_why_dependent(&step->s->region, all, loops[i], loops[k], &turns, &mark);
      if (why) return tni_step_refuse(step, mark, "%s", why);
    }
  return TN_OK;
}

static tn_status check_accesses(tni_step *step, size_t count, const tn_stmt **loops) {
  tni_accesses all;
  tn_status status = tni_accesses_collect(&step->s->region, step->s->func->body, &all) ? TN_OK : TN_E_NOMEM;
  if (!status && all.opaque) status = tni_step_refuse(step, loops[0]->as.loop.var, "not all accesses to memory are known");
  if (!status) status = check_order(step, count, loops, &all);
  tni_accesses_destroy(&all);
  return status;
}

/* The bodies, one behind the other, under one loop. */
static const tn_stmt *make_loop(tni_region *r, size_t count, const tn_stmt *const *loops, const tn_expr *var) {
  const tn_stmt *bodies[TNI_MAX_OUT];
  for (size_t i = 0; i < count; i++) {
    tni_subst subst = {1, &loops[i]->as.loop.var, &var};
    bodies[i] = var ? tni_stmt_subst(r, loops[i]->as.loop.body, &subst) : NULL;
  }
  return tni_for(r, var, loops[0]->as.loop.extent, loops[0]->as.loop.kind, tni_seq(r, (int32_t)count, bodies));
}

tn_status tni_apply_merge(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *loops[TNI_MAX_OUT], *list;
  size_t count = step->args[0].count;
  int32_t at;
  if (count < 2 || count > TNI_MAX_OUT) return tni_step_refuse(step, NULL, "give 2 to %d loops", TNI_MAX_OUT);
  for (size_t i = 0; i < count; i++)
    if (!(loops[i] = tni_arg_loop_at(step, 0, i))) return TN_E_REFUSED;
  tn_status status = find_list(step, count, loops, &list, &at);
  if (!status) status = check_forms(step, count, loops);
  if (!status) status = check_accesses(step, count, loops);
  if (status) return status;
  const tn_expr *var = tni_var(r, loops[0]->as.loop.var->as.name, TN_INDEX);
  int32_t left = list->as.seq.count - (int32_t)count + 1;
  const tn_stmt **stmts = TNI_NEW_ARRAY(&r->arena, const tn_stmt *, left);
  for (int32_t i = 0; stmts && i < left; i++)
    stmts[i] = i == at ? make_loop(r, count, loops, var) : list->as.seq.stmts[i < at ? i : i + (int32_t)count - 1];
  status = var && stmts ? tni_give_loop(step, var) : TN_E_NOMEM;
  return status ? status : tni_step_accept(step, tni_replace(r, step->s->func->body, list, tni_seq(r, left, stmts)));
}

tn_status tn_merge(tn_schedule *s, size_t count, const tn_loop *loops, tn_loop *out, tn_error **err) {
  tni_arg args[] = {tni_of_handles(count, loops)};
  return tni_perform(s, TNI_PRIMITIVE_merge, 1, args, 1, out, NULL, err);
}
