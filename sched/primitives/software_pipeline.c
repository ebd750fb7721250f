/* software_pipeline.c -- a block of a loop runs one iteration ahead of the rest of it.
 *
 *     for i in 0..n { for j in 0..8 { block T(v = i % 2, w = j) { T[v, w] = f(i, j) } }
 *                     .. T[i % 2, ..] .. }
 *       ->
 *     for j in 0..8 { block T_1(v = 0, w = j) { T[v, w] = f(0, j) } }
 *     for i in 0..n { for j in 0..8 { block T(v = (i + 1) % 2, w = j) where i + 1 < n { T[v, w] = f(i + 1, j) } }
 *                     .. T[i % 2, ..] .. }
 *
 * So what the next iteration needs is on its way while this one works. Both touch other elements of the buffer when that
 * has a copy more than they use (double_buffer; rolling_buffer with a spare element). A buffer that was each iteration's
 * own is now one for all of them: its alloc comes to stand around the loop, so that what is parallel outside still may be.
 *
 * needs: a serial loop; in it first the block, alone in its loops or with other blocks, then the rest; extents, bindings and
 *        guards of what runs ahead that read no memory
 * refuses: an element that the next iteration's block and the rest of this one touch, where one of them writes (depend.c);
 *          calls of externals, asserts
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/lower.h"
#include "sched.h"

/* ---- what runs ahead ---- */

typedef struct lead_search {
  tn_context *ctx;
  const void *odd;   /* what is neither loop nor block */
  const void *reads; /* what decides by memory what is done */
} lead_search;

static bool see_lead(void *self, const tn_stmt *s) {
  lead_search *q = self;
  if (s->kind == TNI_FOR) {
    if (tni_expr_reads(q->ctx, s->as.loop.extent)) q->reads = s->as.loop.var;
    return true;
  }
  if (s->kind != TNI_BLOCK) {
    if (s->kind != TNI_SEQ) q->odd = s;
    return true;
  }
  bool reads = s->as.block.where && tni_expr_reads(q->ctx, s->as.block.where);
  for (int32_t i = 0; i < s->as.block.count; i++) reads |= tni_expr_reads(q->ctx, s->as.block.iters[i].binding);
  if (reads) q->reads = s;
  return false;
}

/* The first statement of the loop, which holds the block, and the others. */
typedef struct parts {
  const tn_stmt *loop, *lead, *rest;
} parts;

static tn_status take_apart(tni_step *step, const tn_stmt *block, const tn_stmt *loop, parts *out) {
  const tn_stmt *body = loop->as.loop.body;
  lead_search q = {.ctx = step->s->ctx};
  const void *mark;
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, loop->as.loop.var, "iterations run one ahead of the other\nneeds: a serial loop");
  if (!tni_is_below(loop, block)) return tni_step_refuse(step, loop->as.loop.var, "the loop is not above the block");
  if (body->kind != TNI_SEQ || !tni_is_below(body->as.seq.stmts[0], block))
    return tni_step_refuse(step, block,
                           "the block is not what the loop does first, before something else\n"
                           "needs: the block, with its loops, in front of the rest");
  *out =
      (parts){loop, body->as.seq.stmts[0], tni_seq(&step->s->region, body->as.seq.count - 1, body->as.seq.stmts + 1)};
  tni_stmt_visit(out->lead, see_lead, &q);
  if (q.odd) return tni_step_refuse(step, q.odd, "what runs ahead is more than loops and blocks");
  if (q.reads)
    return tni_step_refuse(step, q.reads, "what runs ahead decides here by what is in memory, one iteration too far");
  const char *why = tni_why_not_again(step->s->ctx, loop);
  if (why) return tni_step_refuse(step, loop->as.loop.var, "%s", why);
  return (why = tni_why_in_order(step->s->ctx, loop, &mark)) ? tni_step_refuse(step, mark, "%s", why) : TN_OK;
}

/* ---- do the next iteration's block and the rest of this one meet? ---- */

static const tn_stmt *at_iteration(tni_region *r, const tn_stmt *loop, const tn_stmt *s, const tn_expr *value) {
  tni_subst subst = {1, &loop->as.loop.var, &value};
  return value ? tni_stmt_subst(r, s, &subst) : NULL;
}

static const tn_stmt *in_unit_loop(tni_region *r, const tn_stmt *s) {
  return tni_for(r, tni_var(r, "once", TN_INDEX), tni_index(r, 1), TNI_SERIAL, s);
}

/* All iterations i but the last, each with the block of the next one:
 *     for i in 0..n - 1 { for once in 0..1 { lead[i := i + 1] }  for once in 0..1 { rest } } */
static tn_status check_ahead(tni_step *step, const parts *p) {
  tni_region *r = &step->s->region;
  tni_turns turns = {0};
  tni_accesses all;
  const tn_stmt *path[TNI_MAX_PATH];
  const tn_expr *i = p->loop->as.loop.var, *count = tni_sub(r, p->loop->as.loop.extent, tni_index(r, 1));
  const tn_stmt *ahead = in_unit_loop(r, at_iteration(r, p->loop, p->lead, tni_add(r, i, tni_index(r, 1))));
  const tn_stmt *rest = in_unit_loop(r, p->rest), *both[] = {ahead, rest};
  const tn_stmt *loop = tni_for(r, i, count, TNI_SERIAL, tni_seq(r, 2, both));
  const tn_stmt *root = tni_replace(r, step->s->func->body, p->loop, loop);
  int depth = root ? tni_path_to(root, loop, path) : 0;
  for (int k = 0; k < depth; k++)
    if (path[k]->kind == TNI_FOR) tni_add_turn(&turns, path[k], path[k], 0);
  if (!root) return TN_E_NOMEM;
  const void *mark;
  tn_status status = tni_accesses_collect(r, root, &all) ? TN_OK : TN_E_NOMEM;
  if (!status && all.opaque) status = tni_step_refuse(step, i, "not all accesses to memory are known");
  if (!status && tni_why_dependent(r, &all, ahead, rest, &turns, &mark))
    status =
        tni_step_refuse(step, i,
                        "the block, an iteration ahead, and the rest of this one may touch the same element\n"
                        "needs: another copy of the buffer (double_buffer), or a spare element of what goes round");
  tni_accesses_destroy(&all);
  return status;
}

/* ---- the rewrite ---- */

typedef struct ahead {
  tn_schedule *s;
  const tn_stmt *loop;
  const tn_expr *cond; /* of the blocks in the loop: there is a next iteration */
  tni_reads own;       /* buffers that are each iteration's own */
} ahead;

static const tn_stmt *rename_block(void *self, tni_region *r, const tn_stmt *s) {
  const ahead *q = self;
  if (s->kind != TNI_BLOCK) return s;
  const char *name = tni_free_block_name(r, q->s->func->body, s->as.block.name);
  const tn_stmt *made = name ? tni_block(r, name, s->as.block.count, s->as.block.iters, s->as.block.where,
                                         s->as.block.init, s->as.block.body)
                             : NULL;
  return made && s->as.block.notes.count ? tni_annotated(r, made, s->as.block.notes) : made;
}

/* What runs before the loop: the first iteration's, if there is one. */
static const tn_stmt *make_first(ahead *q, const tn_stmt *lead) {
  tni_region *r = &q->s->region;
  const tn_expr *extent = q->loop->as.loop.extent, *zero = tni_index(r, 0);
  bool runs = tni_is_const(extent) && extent->as.i > 0;
  const tn_expr *var = runs ? zero : tni_var(r, q->loop->as.loop.var->as.name, TN_INDEX);
  const tn_stmt *first = tni_stmt_refresh(r, at_iteration(r, q->loop, lead, var));
  first = first ? tni_stmt_rewrite(r, first, NULL, rename_block, q) : NULL;
  return runs ? first : tni_for(r, var, tni_op2(r, TN_OP_min, extent, tni_index(r, 1)), TNI_SERIAL, first);
}

static const tn_stmt *guard_block(void *self, tni_region *r, const tn_stmt *s) {
  const ahead *q = self;
  if (s->kind != TNI_BLOCK) return s;
  return tni_block_like(r, s, s->as.block.iters, tni_conj(r, q->cond, s->as.block.where), s->as.block.init,
                        s->as.block.body);
}

static const tn_stmt *make_loop(ahead *q, const parts *p) {
  tni_region *r = &q->s->region;
  const tn_expr *extent = q->loop->as.loop.extent, *next = tni_add(r, q->loop->as.loop.var, tni_index(r, 1));
  q->cond = next ? tni_op2(r, TN_OP_lt, next, extent) : NULL;
  const tn_stmt *lead = q->cond ? at_iteration(r, q->loop, p->lead, next) : NULL;
  const tn_stmt *both[] = {lead ? tni_stmt_rewrite(r, lead, NULL, guard_block, q) : NULL, p->rest};
  return tni_for_like(r, q->loop, q->loop->as.loop.var, extent, TNI_SERIAL, tni_seq(r, 2, both));
}

static bool is_own(const ahead *q, const tn_buffer *b) {
  for (size_t i = 0; i < q->own.count; i++)
    if (q->own.items[i] == b) return true;
  return false;
}

static bool see_own(void *self, const tn_stmt *s) {
  ahead *q = self;
  const tn_stmt *root = q->s->func->body;
  if (s->kind != TNI_BLOCK) return true;
  tni_reads made = tni_writes_of(s);
  for (size_t i = 0; i < made.count && q->own.count < TNI_MAX_READS; i++) {
    const tn_buffer *b = made.items[i];
    if (!is_own(q, b) && b->scope != TNI_SCOPE_SHARED && tni_is_private_to(&q->s->region, root, b, q->loop))
      q->own.items[q->own.count++] = b;
  }
  return false;
}

static const tn_stmt *drop_alloc(void *self, tni_region *r, const tn_stmt *s) {
  (void)r;
  return s->kind == TNI_ALLOC && is_own(self, s->as.alloc.buffer) ? s->as.alloc.body : s;
}

tn_status tni_apply_software_pipeline(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 1) : NULL;
  parts p = {0};
  tn_status status = loop ? take_apart(step, block, loop, &p) : TN_E_REFUSED;
  if (!status) status = check_ahead(step, &p);
  if (status) return status;
  ahead q = {.s = s, .loop = loop};
  tni_stmt_visit(p.lead, see_own, &q);
  const tn_stmt *both[] = {make_first(&q, p.lead), make_loop(&q, &p)}, *made = tni_seq(r, 2, both);
  for (size_t i = q.own.count; i > 0; i--) made = tni_alloc_stmt(r, q.own.items[i - 1], made);
  const tn_stmt *root = tni_stmt_rewrite(r, s->func->body, NULL, drop_alloc, &q);
  const char *name = tni_free_block_name(r, s->func->body, block->as.block.name);
  status = root && name ? tni_give_block(step, name) : TN_E_NOMEM;
  return status ? status : tni_step_accept(step, tni_replace(r, root, loop, made));
}

tn_status tn_software_pipeline(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(loop)};
  return tni_perform(s, TNI_PRIMITIVE_software_pipeline, 2, args, 1, out, NULL, err);
}
