/* split.c -- divide one loop into nested loops.
 *
 *     for i in 0..n { S }
 *       ->
 *     for i_0 in 0..ceil(n / (a*b)) { for i_1 in 0..a { for i_2 in 0..b { S[i := i_0*a*b + i_1*b + i_2] } } }
 *
 * When the factors do not divide n, there is a tail:
 *
 *     guard    every block below runs only where the new index is below n; an if guards a body that does more than run
 *              blocks, or one with blocks in it
 *     pad      the iterations behind n run too, when they can be made harmless (pad.c)
 *     cut      i_0 runs to floor(n / (a*b)) only, and a loop behind does the rest: for i_3 in 0..n % (a*b) { S[i := n // (a*b) * (a*b) + i_3] }
 *     overlap  the last step begins earlier, and some iterations run twice (twice.c): S[i := min(i_0*a*b, n - a*b) + i_1*b + i_2]
 *
 * needs: a serial loop; factors that cover the extent (one that depends on loops around: the most that it is), or, with cut,
 *        are not larger; for pad and overlap a constant extent, for overlap not below that of the inner loops together
 * refuses: more than one factor 0, negative ones; what pad.c and twice.c refuse
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

static bool see_block(void *self, const tn_stmt *s) {
  *(bool *)self |= s->kind == TNI_BLOCK;
  return true;
}

/* Blocks in the block could not have the guard: they use iterators only. */
static bool holds_blocks(const tn_stmt *block) {
  bool found = false;
  tni_stmt_visit(block->as.block.body, see_block, &found);
  return found;
}

/* Statements outside blocks, and what is loaded outside of them, are guarded by an if; so are blocks with blocks in them. */
static bool see_loose(void *self, const tn_stmt *s) {
  loose_search *q = self;
  q->loose |= tni_is_write(s) || s->kind == TNI_EVALUATE;
  q->loose |= s->kind == TNI_ASSERT || s->kind == TNI_ASSUME || s->kind == TNI_WHILE;
  if (tni_own_expr(s)) tni_expr_visit(q->ctx, tni_own_expr(s), see_load, q);
  q->loose |= s->kind == TNI_BLOCK && holds_blocks(s);
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

/* Is the loop's extent, in all iterations of the loops around it, at most so much? */
static bool is_covered(tni_step *step, const tn_stmt *loop, int64_t count) {
  tni_region *r = &step->s->region;
  const tn_stmt *path[TNI_MAX_PATH];
  tni_facts facts;
  bool ok = true;
  tni_facts_init(&facts, step->s->ctx);
  for (int i = 0, depth = tni_path_to(step->s->func->body, loop, path); ok && i < depth - 1; i++)
    ok = path[i]->kind != TNI_FOR || tni_facts_bind(&facts, path[i]->as.loop.var, path[i]->as.loop.extent);
  ok = ok && tni_prove(r, &facts, tni_op2(r, TN_OP_le, loop->as.loop.extent, tni_index(r, count)));
  tni_facts_destroy(&facts);
  return ok;
}

/* The extents of the new loops in `out`; *whole tells that they surely make up the old one. */
static tn_status choose_extents(tni_step *step, const tn_stmt *loop, enum tn_tail tail, const tn_expr **out,
                                bool *whole) {
  tni_region *r = &step->s->region;
  const tn_expr *extent = loop->as.loop.extent;
  const tni_arg *factors = &step->args[1];
  size_t open = factors->count;
  int64_t product = 1;
  for (size_t i = 0; i < factors->count; i++) {
    if (factors->numbers[i] < 0 || (factors->numbers[i] == 0 && open < factors->count))
      return tni_step_refuse(step, loop->as.loop.var, "factors must be positive, and at most one 0");
    if (factors->numbers[i] == 0)
      open = i;
    else if (__builtin_mul_overflow(product, factors->numbers[i], &product) || product > INT64_C(1) << 40)
      return tni_step_refuse(step, loop->as.loop.var, "the factors are too large");
    out[i] = tni_index(r, factors->numbers[i]);
  }
  bool inferred = open < factors->count;
  *whole = tni_is_const(extent) && (inferred ? extent->as.i % product == 0 : extent->as.i == product);
  if (inferred)
    out[open] = tni_op2(r, TN_OP_floordiv, tail == TN_TAIL_CUT ? extent : tni_add(r, extent, tni_index(r, product - 1)),
                        tni_index(r, product));
  if (tail == TN_TAIL_CUT && tni_is_const(extent) && extent->as.i < product)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the factors are larger than the extent, and nothing would be before the cut\n"
                           "needs: smaller ones");
  bool covered = tni_is_const(extent) ? extent->as.i <= product || tail == TN_TAIL_CUT
                                      : tail == TN_TAIL_GUARD && !inferred && is_covered(step, loop, product);
  if (!inferred && !covered)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the factors do not cover the extent\n"
                           "needs: larger ones, or a factor 0, which is inferred");
  return TN_OK;
}

/* The loop over what is left behind the `covered` iterations. */
static const tn_stmt *make_rest(tni_step *step, const tn_stmt *loop, const tn_expr *covered) {
  tni_region *r = &step->s->region;
  tni_facts none = {.ctx = step->s->ctx};
  const tn_expr *count = tni_sub(r, loop->as.loop.extent, covered);
  return count ? tni_loop_part(r, step->s->func->body, loop, covered, tni_simplify(r, &none, count)) : NULL;
}

/* Where the inner loops begin in the last steps of the outermost one: early enough to end with the extent. */
static tn_status overlap(tni_step *step, const tn_stmt *loop, size_t count, const tn_expr *const *extents,
                         const tn_expr *const *vars, const tn_expr **index) {
  tni_region *r = &step->s->region;
  const tn_expr *inner = tni_index(r, 1), *rest = tni_index(r, 0), *n = loop->as.loop.extent;
  const void *mark = loop->as.loop.var;
  for (size_t i = 1; i < count; i++) {
    inner = tni_mul(r, inner, extents[i]);
    rest = tni_add(r, tni_mul(r, rest, extents[i]), vars[i]);
  }
  if (!rest || !inner) return TN_E_NOMEM;
  const char *why = !tni_is_const(n) || !tni_is_const(inner) ? "to begin earlier, the extent must be constant"
                    : n->as.i < inner->as.i                  ? "a step of the outermost loop is larger than the extent"
                                                             : tni_why_not_twice(step->s, loop, &mark);
  if (why) return tni_step_refuse(step, mark, "%s\nneeds: another tail: guard or cut", why);
  *index = tni_add(r, tni_op2(r, TN_OP_min, tni_mul(r, vars[0], inner), tni_sub(r, n, inner)), rest);
  return *index ? TN_OK : TN_E_NOMEM;
}

tn_status tni_apply_split(tni_step *step) {
  tni_region *r = &step->s->region;
  const tni_arg *factors = &step->args[1];
  enum tn_tail tail = (enum tn_tail)step->args[2].number;
  const tn_stmt *loop = tni_arg_loop(step, 0), *root = step->s->func->body, *rest = NULL;
  const tn_expr *extents[TNI_MAX_OUT], *vars[TNI_MAX_OUT], *index = tni_index(r, 0), *covered = tni_index(r, 1);
  bool whole = false;
  if (!loop) return TN_E_REFUSED;
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the loop is not serial any more\n"
                           "needs: to be split before it is annotated");
  if (factors->count < 1 || factors->count >= TNI_MAX_OUT)
    return tni_step_refuse(step, loop->as.loop.var, "give 1 to %d factors", TNI_MAX_OUT - 1);
  const char *why = tni_why_not_again(loop);
  if (why) return tni_step_refuse(step, loop->as.loop.var, "%s", why);
  tn_status status = choose_extents(step, loop, tail, extents, &whole);
  for (size_t i = 0; i < factors->count && !status; i++) {
    vars[i] = tni_var(r, loop->as.loop.var->as.name, TN_INDEX);
    index = tni_add(r, tni_mul(r, index, extents[i]), vars[i]);
    covered = tni_mul(r, covered, extents[i]);
    status = vars[i] ? tni_give_loop(step, vars[i]) : TN_E_NOMEM;
  }
  if (!status && !whole && tail == TN_TAIL_PAD) {
    status = tni_pad_loop(step, loop, covered, &root);
    loop = status ? NULL : tni_find_loop(root, loop->as.loop.var);
  }
  if (!status && !whole && tail == TN_TAIL_CUT) {
    rest = make_rest(step, loop, covered);
    status = rest ? tni_give_loop(step, rest->as.loop.var) : TN_E_NOMEM;
  }
  if (!status && !whole && tail == TN_TAIL_OVERLAP) status = overlap(step, loop, factors->count, extents, vars, &index);
  if (status) return status;
  tni_subst subst = {1, &loop->as.loop.var, &index};
  const tn_stmt *body = index ? tni_stmt_subst(r, loop->as.loop.body, &subst) : NULL;
  if (!whole && tail == TN_TAIL_GUARD) body = guarded(r, body, tni_op2(r, TN_OP_lt, index, loop->as.loop.extent));
  for (size_t i = factors->count; i > 0; i--) body = tni_for(r, vars[i - 1], extents[i - 1], TNI_SERIAL, body);
  const tn_stmt *both[] = {body, rest};
  body = tni_replace(r, root, loop, rest ? tni_seq(r, 2, both) : body);
  return tni_step_accept(step, rest ? tni_rename_blocks(r, body) : body);
}

static tn_status perform(tn_schedule *s, tn_loop loop, size_t count, const int64_t *factors, const char *tail,
                         size_t room, tn_loop *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_ints(count, factors), tni_of_text(tail)};
  return tni_perform(s, TNI_PRIMITIVE_split, 3, args, room, out, NULL, err);
}

tn_status tn_split(tn_schedule *s, tn_loop loop, size_t count, const int64_t *factors, tn_loop *out, tn_error **err) {
  return perform(s, loop, count, factors, NULL, count, out, err);
}

tn_status tn_split_tail(tn_schedule *s, tn_loop loop, size_t count, const int64_t *factors, enum tn_tail tail,
                        tn_loop *out, tn_error **err) {
  static const char *const words[] = {"guard", "pad", "cut", "overlap"};
  return perform(s, loop, count, factors, (size_t)tail < TNI_COUNT(words) ? words[tail] : "", count + 1, out, err);
}
