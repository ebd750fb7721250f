/* software_pipeline.c -- while one iteration of a loop does the last of its stages, later ones do the first.
 *
 *     for i in 0..n { A(i)  B(i) }                                software_pipeline(i, [0, 1]):  A(i + 1) beside B(i)
 *       ->
 *     A(0)  for i in 0..n - 1 { A(i + 1)  B(i) }  B(n - 1)
 *
 * The statements of the loop's body have stages. A statement of stage s runs for iteration t - s at time t; what is not
 * there at first makes the pieces before the loop. Each time runs its statements in the given order. What is not there at
 * last makes pieces behind the loop (tail=cut), or is kept from running by guards, whatever the extent is (tail=guard):
 *
 *     for once in 0..min(n, 1) { A(once) }  for i in 0..n { A(i + 1) where i + 1 < n  B(i) }
 *
 * Buffers that an iteration fills for itself, between statements of different stages, get one copy for each iteration on
 * its way: iteration i uses copy i % copies. Their allocs come to stand around the loop, so that what is parallel outside
 * still may be. What goes round has room by a spare element (rolling_buffer).
 *
 *     alloc T: f32[8]   T[a] in A(i), B(i)  ->  alloc T: f32[2, 8]   T[(i + 1) % 2, a] in A(i + 1), T[i % 2, a] in B(i)
 *
 * needs: a serial loop, its body a list of statements, behind allocs; no element that one statement touches in one
 *        iteration, and another one in another iteration, one of them writing it, when the two change places; cut: a
 *        constant extent, greater than the last stage; guard: stages before the last of loops and blocks, whose extents,
 *        bindings and guards read no memory
 * refuses: calls, asserts and waits, whose order is kept
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/lower.h"
#include "sched.h"

enum { MOST_STATEMENTS = 16, LAST_STAGE = 7 };
enum { CUT, GUARD }; /* the words of tail */

typedef struct pipeline {
  tni_step *step;
  tni_region *r;
  const tn_expr *var;      /* of the loop */
  const tn_expr *extent;   /* of the loop */
  const tn_stmt *root;     /* the body of the function, as it is so far */
  bool guards;             /* not cut: iterations that are not there are kept from running */
  int64_t last;            /* the last stage */
  int32_t count;           /* of statements */
  int64_t stages[MOST_STATEMENTS];
  int32_t order[MOST_STATEMENTS], place[MOST_STATEMENTS]; /* order[place[k]] is k */
} pipeline;

static const tn_stmt *loop_of(const pipeline *p) { return tni_find_loop(p->root, p->var); }

/* The statements of the loop's body. */
static const tn_stmt *const *statements(const pipeline *p) {
  const tn_stmt *loop = loop_of(p);
  return loop->as.loop.body->kind == TNI_SEQ ? loop->as.loop.body->as.seq.stmts : &loop->as.loop.body;
}

/* ---- what is asked for ------------------------------------------------------------------------------------------- */

static tn_status check_stages(pipeline *p) {
  const tni_arg *stages = &p->step->args[1], *order = &p->step->args[2];
  bool taken[MOST_STATEMENTS] = {false};
  if (stages->count != (size_t)p->count)
    return tni_step_refuse(p->step, p->var, "give a stage for each of the %d statements of the loop", p->count);
  if (order->count && order->count != (size_t)p->count)
    return tni_step_refuse(p->step, p->var, "the order names each of the %d statements of the loop once, from 0", p->count);
  for (int32_t k = 0; k < p->count; k++) {
    int64_t which = order->count ? order->numbers[k] : k;
    p->stages[k] = stages->numbers[k];
    if (p->stages[k] < 0 || p->stages[k] > LAST_STAGE)
      return tni_step_refuse(p->step, p->var, "stages are from 0 to %d", LAST_STAGE);
    if (which < 0 || which >= p->count || taken[which])
      return tni_step_refuse(p->step, p->var, "the order names each of the %d statements of the loop once, from 0", p->count);
    taken[which] = true;
    p->order[k] = (int32_t)which;
    p->place[which] = k;
    p->last = p->stages[k] > p->last ? p->stages[k] : p->last;
  }
  return TN_OK;
}

/* Is there, if nothing else, an iteration for every stage? */
static tn_status check_cut(pipeline *p) {
  if (!tni_is_const(p->extent))
    return tni_step_refuse(p->step, p->var, "the extent is not constant\n"
                                            "needs: tail=guard; or a loop_partition or split, whose inner loop has one");
  return p->extent->as.i > p->last
             ? TN_OK
             : tni_step_refuse(p->step, p->var, "the loop has no more iterations than stages to fill\n"
                                                "needs: fewer stages, or tail=guard");
}

typedef struct lead_search {
  const void *odd;   /* what is neither loop nor block */
  const void *reads; /* what decides by memory what is done */
} lead_search;

static bool see_lead(void *self, const tn_stmt *s) {
  lead_search *q = self;
  if (s->kind == TNI_FOR) {
    if (tni_expr_reads(s->as.loop.extent)) q->reads = s->as.loop.var;
    return true;
  }
  if (s->kind != TNI_BLOCK) {
    if (s->kind != TNI_SEQ) q->odd = s;
    return true;
  }
  bool reads = s->as.block.where && tni_expr_reads(s->as.block.where);
  for (int32_t i = 0; i < s->as.block.count; i++) reads |= tni_expr_reads(s->as.block.iters[i].binding);
  if (reads) q->reads = s;
  return false;
}

/* Can guards keep from running what runs ahead? */
static tn_status check_guards(pipeline *p) {
  lead_search q = {0};
  const char *why = tni_why_not_again(loop_of(p));
  if (why) return tni_step_refuse(p->step, p->var, "%s", why);
  for (int32_t k = 0; k < p->count; k++)
    if (p->stages[k] < p->last) tni_stmt_visit(statements(p)[k], see_lead, &q);
  if (q.odd) return tni_step_refuse(p->step, q.odd, "what runs ahead is more than loops and blocks");
  if (q.reads)
    return tni_step_refuse(p->step, q.reads, "what runs ahead decides here by what is in memory, in iterations that are not there");
  return TN_OK;
}

/* ---- buffers between stages -------------------------------------------------------------------------------------- */

/* Allocs at the beginning of the body stand around the loop. */
static tn_status hoist(pipeline *p) {
  const tn_stmt *loop = loop_of(p), *body = loop->as.loop.body, *allocs[MOST_STATEMENTS];
  int32_t count = 0;
  for (; body->kind == TNI_ALLOC && count < MOST_STATEMENTS; body = body->as.alloc.body) {
    for (int32_t d = 0; d < body->as.alloc.buffer->rank; d++)
      if (tni_expr_uses(p->r->arena.ctx, body->as.alloc.buffer->shape[d], p->var))
        return tni_step_refuse(p->step, body->as.alloc.buffer, "the buffer is as large as the iteration says");
    allocs[count++] = body;
  }
  if (body->kind != TNI_SEQ)
    return tni_step_refuse(p->step, p->var, "the body of the loop is not several statements behind each other");
  if (body->as.seq.count > MOST_STATEMENTS)
    return tni_step_refuse(p->step, p->var, "the loop has more than %d statements", MOST_STATEMENTS);
  p->count = body->as.seq.count;
  const tn_stmt *made = tni_for_like(p->r, loop, p->var, loop->as.loop.extent, loop->as.loop.kind, body);
  while (count > 0) made = tni_alloc_stmt(p->r, allocs[--count]->as.alloc.buffer, made);
  p->root = tni_replace(p->r, p->root, loop, made);
  return p->root ? TN_OK : TN_E_NOMEM;
}

/* The stages of the statements that touch the buffer. False: they are of one. */
static bool between_stages(const pipeline *p, const tn_buffer *b, int64_t *first, int64_t *last) {
  *first = INT64_MAX, *last = -1;
  for (int32_t k = 0; k < p->count; k++) {
    tni_uses uses = tni_uses_of(p->r->arena.ctx, statements(p)[k], b);
    if (!uses.readers && !uses.writers) continue;
    *first = p->stages[k] < *first ? p->stages[k] : *first;
    *last = p->stages[k] > *last ? p->stages[k] : *last;
  }
  return *last > *first;
}

typedef struct alloc_list {
  size_t count;
  const tn_buffer *items[TNI_MAX_READS];
} alloc_list;

static bool see_alloc(void *self, const tn_stmt *s) {
  alloc_list *q = self;
  if (s->kind == TNI_ALLOC && q->count < TNI_MAX_READS) q->items[q->count++] = s->as.alloc.buffer;
  return s->kind != TNI_BLOCK;
}

/* Allocs of what each iteration fills for itself stand around the loop. */
static tn_status draw_near(pipeline *p) {
  alloc_list all = {0};
  int64_t first, last;
  tni_stmt_visit(p->root, see_alloc, &all);
  for (size_t i = 0; i < all.count && p->root; i++) {
    const tn_buffer *b = all.items[i];
    const tn_stmt *loop = loop_of(p), *alloc = tni_find_alloc(p->root, b);
    if (b->scope == TNI_SCOPE_SHARED || !between_stages(p, b, &first, &last) || !tni_is_private_to(p->r, p->root, b, loop))
      continue;
    const tn_stmt *without = tni_replace(p->r, p->root, alloc, alloc->as.alloc.body);
    p->root = without ? tni_replace(p->r, without, loop, tni_alloc_stmt(p->r, b, loop)) : NULL;
  }
  return p->root ? TN_OK : TN_E_NOMEM;
}

/* ---- what changes places ----------------------------------------------------------------------------------------- */

/* Is the access one of the statement? What stands in none is taken for one of each. */
static bool is_of(const tn_stmt *statement, const tni_access *x) {
  const tn_stmt *at = x->block ? x->block : x->store;
  return !at || tni_is_below(statement, at);
}

/* Does statement a of an iteration, which came before b of one that is `by` later, come behind it? */
static bool is_turned(const pipeline *p, int32_t a, int32_t b, int64_t by) {
  int64_t gap = p->stages[a] - p->stages[b] - by;
  return (by > 0 || a < b) && (gap > 0 || (gap == 0 && p->place[a] > p->place[b]));
}

/* Two statements that change places, `by` iterations apart, and may both touch an element of the buffer. */
typedef struct clash {
  int32_t a, b;
  int64_t by;
  const tn_buffer *buffer;
} clash;

static bool clashes(const pipeline *p, const tni_accesses *all, const tn_buffer *only, clash *at) {
  const tn_stmt *loop = loop_of(p), *const *list = statements(p);
  tni_turns turns = {0};
  turns.by[tni_add_turn(&turns, loop, loop, at->by ? -1 : 0)] = at->by;
  for (size_t i = 0; i < all->count; i++)
    for (size_t k = 0; k < all->count; k++) {
      const tni_access *x = &all->items[i], *y = &all->items[k];
      if ((only && x->buffer != only) || x->buffer != y->buffer || !tni_depth_below(x, loop) || !tni_depth_below(y, loop) ||
          !is_of(list[at->a], x) || !is_of(list[at->b], y))
        continue;
      for (int d = 0; d < x->depth && x->loops[d] != loop; d++) tni_add_turn(&turns, x->loops[d], x->loops[d], 0);
      at->buffer = x->buffer;
      if (tni_may_meet(p->r, x, y, &turns)) return true;
      turns.count = 1;
    }
  return false;
}

/* The first clash (at one buffer, or NULL: at any). *found: is there one? */
static tn_status find_clash(pipeline *p, const tn_buffer *only, clash *at, bool *found) {
  tni_accesses all;
  *found = false;
  bool ok = tni_accesses_collect(p->r, p->root, &all);
  tn_status status = ok ? TN_OK : TN_E_NOMEM;
  if (ok && all.opaque) status = tni_step_refuse(p->step, p->var, "not all accesses of the function are known");
  for (int32_t a = 0; a < p->count && !status && !*found; a++)
    for (int32_t b = 0; b < p->count && !*found; b++)
      for (int64_t by = 0; by <= p->last && !*found; by++) {
        *at = (clash){.a = a, .b = b, .by = by};
        *found = a != b && is_turned(p, a, b, by) && clashes(p, &all, only, at);
      }
  tni_accesses_destroy(&all);
  return status;
}

/* Buffers that each iteration fills for itself get copies, where iterations would meet in them. */
static tn_status copy_between(pipeline *p) {
  alloc_list all = {0};
  int64_t first, last;
  tni_stmt_visit(p->root, see_alloc, &all);
  for (size_t i = 0; i < all.count; i++) {
    const tn_buffer *b = all.items[i];
    const tn_stmt *loop = loop_of(p);
    clash at;
    bool found;
    if (!between_stages(p, b, &first, &last) || b->rank == TN_MAX_RANK || !tni_is_row_major(b) ||
        tni_uses_of(p->r->arena.ctx, p->root, b).loose || !tni_is_private_to(p->r, p->root, b, loop))
      continue;
    tn_status status = find_clash(p, b, &at, &found);
    if (status) return status;
    const tn_stmt *alloc = found ? tni_find_alloc(p->root, b) : NULL;
    if (alloc)
      p->root = tni_replace(p->r, p->root, alloc, tni_choose_copies(p->r, alloc, p->var, last - first + 1));
    if (!p->root) return TN_E_NOMEM;
  }
  return TN_OK;
}

static tn_status check_turns(pipeline *p) {
  clash at;
  bool found;
  tn_status status = find_clash(p, NULL, &at, &found);
  if (status || !found) return status;
  return tni_step_refuse(p->step, p->var,
                         "statement %d would run behind statement %d of the iteration that is %lld later, and both may touch an "
                         "element of `%s`\nneeds: other stages, another order, a buffer that an iteration fills for itself, or a spare "
                         "element of what goes round (rolling_buffer)",
                         at.a, at.b, (long long)at.by, at.buffer->name);
}

/* ---- the pieces -------------------------------------------------------------------------------------------------- */

/* A loop of statement k alone, for the iterations from `first` on, as many as `count`. */
static const tn_stmt *part(const pipeline *p, int32_t k, int64_t first, const tn_expr *count) {
  const tn_stmt *own = tni_for_like(p->r, loop_of(p), p->var, p->extent, TNI_SERIAL, statements(p)[k]);
  return own ? tni_loop_part(p->r, p->root, own, tni_index(p->r, first), count) : NULL;
}

/* What the loop of a part does in iteration `value`. */
static const tn_stmt *body_at(const pipeline *p, const tn_stmt *part, const tn_expr *value) {
  if (!part || !value) return NULL;
  tni_subst subst = {1, &part->as.loop.var, &value};
  return tni_stmt_subst(p->r, part->as.loop.body, &subst);
}

/* Statement k for one iteration, if there is that one. */
static const tn_stmt *once(const pipeline *p, int32_t k, int64_t iteration) {
  tni_region *r = p->r;
  if (tni_is_const(p->extent)) return body_at(p, part(p, k, iteration, tni_index(r, 1)), tni_index(r, 0));
  const tn_expr *left = iteration ? tni_sub(r, p->extent, tni_index(r, iteration)) : p->extent;
  const tn_expr *count = tni_op2(r, TN_OP_min, left, tni_index(r, 1));
  return part(p, k, iteration, iteration ? tni_op2(r, TN_OP_max, count, tni_index(r, 0)) : count);
}

static const tn_stmt *rename_block(void *self, tni_region *r, const tn_stmt *s) {
  const char *ending = self;
  if (s->kind != TNI_BLOCK) return s;
  const char *name = tni_arena_format(&r->arena, "%s_%s", s->as.block.name, ending);
  const tn_stmt *made = name ? tni_block(r, name, s->as.block.count, s->as.block.iters, s->as.block.where,
                                         s->as.block.init, s->as.block.body)
                             : NULL;
  return s->as.block.notes.count ? tni_annotated(r, made, s->as.block.notes) : made;
}

/* What runs at time t, before the loop or behind it. */
static const tn_stmt *at_time(const pipeline *p, int64_t t, const char *ending) {
  const tn_stmt *list[MOST_STATEMENTS];
  int32_t n = 0;
  for (int32_t i = 0; i < p->count; i++) {
    int64_t iteration = t - p->stages[p->order[i]];
    bool is_there = iteration >= 0 && (!tni_is_const(p->extent) || iteration < p->extent->as.i);
    if (is_there) list[n++] = once(p, p->order[i], iteration);
  }
  const tn_stmt *s = tni_seq(p->r, n, list);
  s = s ? tni_stmt_refresh(p->r, s) : NULL;
  return s ? tni_stmt_rewrite(p->r, s, NULL, rename_block, (void *)ending) : NULL;
}

static const tn_stmt *guard_block(void *self, tni_region *r, const tn_stmt *s) {
  const tn_expr *cond = self;
  if (s->kind != TNI_BLOCK) return s;
  return tni_block_like(r, s, s->as.block.iters, tni_conj(r, cond, s->as.block.where), s->as.block.init, s->as.block.body);
}

/* Statement k as it stands in the loop, which runs so often. */
static const tn_stmt *in_loop(const pipeline *p, int32_t k, const tn_expr *count, const tn_expr *var) {
  tni_region *r = p->r;
  int64_t ahead = p->last - p->stages[k];
  const tn_stmt *s = body_at(p, part(p, k, ahead, count), var);
  if (!s || !p->guards || !ahead) return s;
  const tn_expr *cond = tni_op2(r, TN_OP_lt, tni_add(r, var, tni_index(r, ahead)), p->extent);
  return cond ? tni_stmt_rewrite(r, s, NULL, guard_block, (void *)cond) : NULL;
}

static const tn_stmt *make(const pipeline *p, const tn_expr *var) {
  const tn_stmt *list[MOST_STATEMENTS], *all[2 * LAST_STAGE + 1], *loop = loop_of(p);
  const tn_expr *count = p->guards ? p->extent : tni_index(p->r, p->extent->as.i - p->last);
  int32_t n = 0;
  for (int64_t t = 0; t < p->last; t++) all[n++] = at_time(p, t, "prologue");
  for (int32_t i = 0; i < p->count; i++) list[i] = in_loop(p, p->order[i], count, var);
  all[n++] = tni_for_like(p->r, loop, var, count, loop->as.loop.kind, tni_seq(p->r, p->count, list));
  for (int64_t t = 0; t < p->last && !p->guards; t++) all[n++] = at_time(p, p->extent->as.i + t, "epilogue");
  return tni_seq(p->r, n, all);
}

tn_status tni_apply_software_pipeline(tni_step *step) {
  tn_schedule *s = step->s;
  const tn_stmt *loop = tni_arg_loop(step, 0);
  const void *mark;
  if (!loop) return TN_E_REFUSED;
  pipeline p = {.step = step, .r = &s->region, .var = loop->as.loop.var, .extent = loop->as.loop.extent,
                .root = s->func->body, .guards = step->args[3].number == GUARD};
  if (loop->as.loop.kind != TNI_SERIAL)
    return tni_step_refuse(step, p.var, "the loop is not serial any more\nneeds: to be pipelined before it is annotated");
  const char *why = tni_why_in_order(loop, &mark);
  if (why) return tni_step_refuse(step, mark, "%s", why);
  tn_status status = hoist(&p);
  if (!status) status = check_stages(&p);
  if (!status) status = p.guards ? check_guards(&p) : check_cut(&p);
  if (!status) status = draw_near(&p);
  if (!status) status = copy_between(&p);
  if (!status) status = check_turns(&p);
  if (status) return status;
  const tn_expr *var = tni_var(p.r, p.var->as.name, TN_INDEX);
  const tn_stmt *made = var ? make(&p, var) : NULL;
  status = made ? tni_give_loop(step, var) : TN_E_NOMEM;
  return status ? status : tni_step_accept(step, tni_rename_blocks(p.r, tni_replace(p.r, p.root, loop_of(&p), made)));
}

tn_status tn_software_pipeline(tn_schedule *s, tn_loop loop, size_t count, const int64_t *stages, const int64_t *order,
                               enum tn_tail tail, tn_loop *out, tn_error **err) {
  const char *word = tail == TN_TAIL_CUT ? NULL : tail == TN_TAIL_GUARD ? "guard" : "";
  tni_arg args[] = {tni_of_handle(loop), tni_of_ints(count, stages), {0}, tni_of_text(word)};
  if (order) args[2] = tni_of_ints(count, order);
  return tni_perform(s, TNI_PRIMITIVE_software_pipeline, 4, args, 1, out, NULL, err);
}
