/* tensorize.c -- steps of a sum of products become the meaning of a tensor instruction.
 *
 *     block C(i, reduce k) { for t in 0..2 { C[i] = C[i] + cast(i32, A[i, k*2 + t]) * cast(i32, B[k*2 + t]) } }
 *       ->                                                                              tensorize(C, "dot2_s16")
 *     block C(i, reduce k) { C[i] = C[i] + cast(i32, A[i, k*2]) * cast(i32, B[k*2]) + cast(i32, A[i, k*2 + 1]) * .. }
 *
 * Factors may be any loads of the instruction's types: what stands elsewhere in memory is put together in registers. A guard
 * of the steps (blockize makes one of sums that are no multiple) goes to the loads, which then give 0.
 *
 * needs: a block without init whose body is one loop of as many steps over one store of a sum, maybe under an if
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "sched.h"

/* A step: sum = sum + x * y, both cast to the type of the sum. */
typedef struct product {
  const tn_stmt *store;
  const tn_expr *sum, *x, *y; /* loads */
  const tn_expr *where;       /* the guard, or NULL */
} product;

/* Is it the element that the store writes? */
static bool is_sum(const tn_stmt *store, const tn_expr *x) {
  if (x->op != TN_OP_load || tni_load_where(x) || x->as.buffer != store->as.store.buffer) return false;
  for (int32_t d = 0; d < store->as.store.count; d++)
    if (x->arg[d] != store->as.store.index[d]) return false;
  return true;
}

static const tn_expr *cast_load(const tn_expr *x) {
  if (x->op == TN_OP_cast) x = x->arg[0];
  return x->op == TN_OP_load ? x : NULL;
}

static bool is_product(const tn_expr *x, const tn_expr *y, product *out) {
  out->x = cast_load(x);
  out->y = cast_load(y);
  return out->x && out->y;
}

/* sum + x * y, in either order, or fma(x, y, sum). */
static bool is_step(const tn_stmt *s, product *out) {
  if (s->kind == TNI_IF && !s->as.cond.otherwise) out->where = s->as.cond.cond, s = s->as.cond.then;
  if (s->kind != TNI_STORE || s->as.store.where) return false;
  const tn_expr *value = s->as.store.value;
  out->store = s;
  if (value->op == TN_OP_fma) {
    out->sum = value->arg[2];
    return is_sum(s, out->sum) && is_product(value->arg[0], value->arg[1], out);
  }
  for (int first = 0; value->op == TN_OP_add && first < 2; first++) {
    const tn_expr *other = value->arg[1 - first];
    out->sum = value->arg[first];
    if (is_sum(s, out->sum) && other->op == TN_OP_mul) return is_product(other->arg[0], other->arg[1], out);
  }
  return false;
}

static bool has_types(const tni_unit *unit, const product *p) {
  return p->sum->type == unit->c && p->x->type == unit->a && p->y->type == unit->b;
}

/* ---- what must hold ---------------------------------------------------------------------------------------------------- */

typedef struct other_reads {
  const product *p;
  bool found;
} other_reads;

static void see_load(void *self, const tn_expr *x) {
  other_reads *q = self;
  q->found |= x->op == TN_OP_load && x != q->p->sum && x->as.buffer == q->p->store->as.store.buffer;
}

/* Do all steps add to one element, and read nothing else of its buffer, nor the sum itself but to add to it? */
static const char *why_not_one_sum(tn_context *ctx, const tn_stmt *loop, const product *p) {
  const product no_sum = {.store = p->store};
  const tn_expr *inside[] = {p->x, p->y, p->where};
  other_reads q = {p, false}, all = {&no_sum, false};
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

/* A factor of step number t: 0 where that is none. */
static const tn_expr *factor_at(tni_region *r, const tn_expr *load, const tn_expr *guard, const tn_expr *var, int32_t t) {
  const tn_expr *where = tni_conj(r, tni_load_where(load), guard), *number = tni_index(r, t);
  tni_subst subst = {1, &var, &number};
  tni_facts none = {.ctx = r->arena.ctx};
  const tn_expr *x = tni_load(r, load->type, load->as.buffer, (size_t)tni_load_count(load), load->arg, where);
  x = number && x ? tni_expr_subst(r, x, &subst) : NULL;
  return x ? tni_simplify(r, &none, x) : NULL;
}

static const tn_stmt *make_store(tni_region *r, const tni_unit *unit, const product *p, const tn_expr *var) {
  tni_unit_operands o = {.c = p->sum};
  const tn_expr *of_step = NULL, *of_all = NULL;
  if (p->where && (!guard_part(r, p->where, var, true, &of_step) || !guard_part(r, p->where, var, false, &of_all)))
    return NULL;
  for (int32_t t = 0; t < unit->steps; t++) {
    o.a[t] = factor_at(r, p->x, of_step, var, t);
    o.b[t] = factor_at(r, p->y, of_step, var, t);
    if (!o.a[t] || !o.b[t]) return NULL;
  }
  const tn_stmt *s = p->store;
  s = tni_store(r, s->as.store.buffer, s->as.store.count, s->as.store.index, tni_unit_of(r, unit, &o), NULL);
  return s && of_all ? tni_if(r, of_all, s, NULL) : s;
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------ */

static tn_status refuse_unit(tni_step *step, const tn_stmt *block) {
  char names[300] = "";
  for (size_t i = 0, n = 0; i < tni_unit_count() && n < sizeof names; i++) {
    const tni_unit *unit = tni_unit_at(step->s->ctx, i);
    if (!unit) return TN_E_NOMEM;
    n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", unit->name);
  }
  return tni_step_refuse(step, block, "no tensor instruction `%s`; there are: %s", step->args[1].text, names);
}

tn_status tni_apply_tensorize(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  product p = {0};
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? block->as.block.body : NULL;
  const tni_unit *unit = block ? tni_unit_find(s->ctx, step->args[1].text) : NULL;
  if (!block) return TN_E_REFUSED;
  if (!unit) return refuse_unit(step, block);
  if (block->as.block.init) return tni_step_refuse(step, block, "the block has an init\nneeds: decompose_reduction");
  if (loop->kind != TNI_FOR || !tni_is_int(loop->as.loop.extent, unit->steps) || !is_step(loop->as.loop.body, &p))
    return tni_step_refuse(step, block, "its body is not a loop of %d steps of a sum of products of loads\n"
                           "needs: a split by %d, and blockize of the inner loop", (int)unit->steps, (int)unit->steps);
  if (!has_types(unit, &p) && is_product(p.y, p.x, &p) && !has_types(unit, &p)) {
    char c[16], a[16], b[16];
    return tni_step_refuse(step, p.store, "`%s` is of %s and %s, summed in %s", unit->name, tn_type_text(unit->a, a),
                           tn_type_text(unit->b, b), tn_type_text(unit->c, c));
  }
  const char *why = why_not_one_sum(s->ctx, loop, &p);
  if (why) return tni_step_refuse(step, p.store, "%s", why);
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
