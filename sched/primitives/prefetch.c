/* prefetch.c -- while a step of a loop runs, what a block reads in the next step comes nearer.
 *
 *     for c { for r { for k { .. W[c, k, 0..p] .. } } }
 *     ->  for c { for r { for k { prefetch W[c + 1, 0, (r * K + k) * n]; .. W[c, k, 0..p] .. } } }
 *
 * A step of c reads K * p elements in R * K steps of the loops in it: each asks for the next n = K * p / (R * K) of
 * them, so that the memory is busy all the time and no time waits for it. Where n is more than a cache line it asks for
 * several. Steps of a tail ask for less, and the last step for what lies behind the buffer, which does nothing.
 *
 * needs: a buffer that the block reads, row-major, with subscripts that are affine in the loops; a loop above the
 *        block, and one between them that is neither vectorized nor unrolled; constant extents of the loops in it
 * refuses: parts with gaps; subscripts over loops, lets or blocks in the block; more than MOST_LINES lines a step; a
 *          buffer that is allocated in the loop: the next step has another one
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { LINE = 64 /* bytes */, MOST_LINES = 8 };

typedef struct load_search {
  const tn_buffer *buffer;
  const tn_expr *load;
} load_search;

static void see_load(void *self, const tn_expr *x) {
  load_search *q = self;
  if (!q->load && x->op == TN_OP_load && x->as.buffer == q->buffer) q->load = x;
}

/* Is it read by a loop, let or block in the block, which is not there outside? */
typedef struct inner_search {
  tn_context *ctx;
  const tn_expr *load;
  bool found;
} inner_search;

static void see_uses(inner_search *q, const tn_expr *var) {
  for (int32_t d = 0; d < tni_load_count(q->load); d++) q->found |= tni_expr_uses(q->ctx, q->load->arg[d], var);
}

static bool see_bound(void *self, const tn_stmt *s) {
  inner_search *q = self;
  if (s->kind == TNI_FOR) see_uses(q, s->as.loop.var);
  if (s->kind == TNI_LET) see_uses(q, s->as.let.var);
  for (int32_t i = 0; s->kind == TNI_BLOCK && i < s->as.block.count; i++) see_uses(q, s->as.block.iters[i].var);
  return true;
}

/* A loop of the nest in the given one, and how the place of what is read moves with it. */
typedef struct inner_loop {
  const tn_stmt *loop;
  int64_t extent, stride;
  bool seen; /* what it reaches is part of the span */
} inner_loop;

typedef struct nest {
  int count;
  inner_loop loops[TNI_MAX_PATH];
  const tn_stmt *spot; /* the innermost loop of steps, whose body asks */
  int64_t steps;       /* of all loops of steps */
} nest;

static bool is_of_steps(const tn_stmt *loop) {
  return loop->as.loop.kind != TNI_VECTORIZED && loop->as.loop.kind != TNI_UNROLLED;
}

/* The loops between; a reason, or NULL. */
static const char *look_at_nest(const tn_stmt *loop, const tn_stmt *block, nest *n) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(loop, block, path);
  n->steps = 1;
  for (int i = 1; i < depth; i++) {
    if (path[i]->kind != TNI_FOR) continue;
    const tn_expr *extent = path[i]->as.loop.extent;
    if (!tni_is_const(extent) || extent->as.i < 1) return "a loop between has an extent that is not constant";
    n->loops[n->count++] = (inner_loop){.loop = path[i], .extent = extent->as.i};
    if (!is_of_steps(path[i])) continue;
    n->spot = path[i];
    if (__builtin_mul_overflow(n->steps, extent->as.i, &n->steps)) n->steps = INT64_MAX;
  }
  return depth == 0  ? "the loop is not above the block"
         : !n->spot  ? "no loop between is of steps, neither vectorized nor unrolled"
                     : NULL;
}

/* The subscripts of the load over loops, in their simplest form. False: no memory. */
static bool over_loops(tn_schedule *s, const tn_stmt *block, const tn_expr *load, const tn_expr **out) {
  tni_region *r = &s->region;
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(s->func->body, block, path);
  tni_facts facts;
  bool good = true;
  tni_facts_init(&facts, s->ctx);
  for (int i = 0; i < depth && good; i++)
    good = path[i]->kind != TNI_FOR || tni_facts_bind(&facts, path[i]->as.loop.var, path[i]->as.loop.extent);
  for (int32_t d = 0; d < tni_load_count(load) && good; d++) {
    out[d] = load->arg[d];
    for (int32_t i = 0; out[d] && i < block->as.block.count; i++) {
      const tni_iter *iter = &block->as.block.iters[i];
      tni_subst subst = {1, &iter->var, &iter->binding};
      out[d] = tni_expr_subst(r, out[d], &subst);
    }
    good = out[d] && (out[d] = tni_simplify(r, &facts, out[d]));
  }
  tni_facts_destroy(&facts);
  return good;
}

/* How many elements lie between the first and the last one that the nest reads, both included; 0: some of them are not read, or
 * the place is not affine. */
static int64_t span_of(tni_region *r, const tn_expr *place, nest *n) {
  int64_t span = 1;
  for (int i = 0; i < n->count; i++) {
    const tn_expr *rest;
    if (!tni_affine(r, place, 1, &n->loops[i].loop->as.loop.var, &n->loops[i].stride, &rest) || n->loops[i].stride < 0)
      return 0;
  }
  for (bool found = true; found;) {
    found = false;
    for (int i = 0; i < n->count && !found; i++) {
      int64_t stride = n->loops[i].stride, reach;
      if (stride == 0 || stride > span || n->loops[i].seen) continue;
      if (__builtin_mul_overflow(stride, n->loops[i].extent - 1, &reach) || reach > INT64_MAX / 4 - span) return 0;
      span += reach;
      found = n->loops[i].seen = true;
    }
  }
  for (int i = 0; i < n->count; i++)
    if (n->loops[i].stride && n->loops[i].extent > 1 && !n->loops[i].seen) return 0;
  return span;
}

/* The number of the step among all steps of the loop's nest. */
static const tn_expr *step_number(tni_region *r, const nest *n) {
  const tn_expr *number = tni_index(r, 0);
  for (int i = 0; i < n->count; i++) {
    if (!is_of_steps(n->loops[i].loop)) continue;
    number = tni_add(r, tni_mul(r, number, tni_index(r, n->loops[i].extent)), n->loops[i].loop->as.loop.var);
  }
  return number;
}

/* The subscripts where the next step of the loop begins to read. */
static bool begin_next(tni_region *r, const tn_stmt *loop, const nest *n, int32_t rank, const tn_expr **index) {
  const tn_expr *vars[TNI_MAX_PATH + 1], *values[TNI_MAX_PATH + 1];
  for (int i = 0; i < n->count; i++) {
    vars[i] = n->loops[i].loop->as.loop.var;
    values[i] = tni_index(r, 0);
  }
  vars[n->count] = loop->as.loop.var;
  values[n->count] = tni_add(r, loop->as.loop.var, tni_index(r, 1));
  tni_subst subst = {(size_t)n->count + 1, vars, values};
  for (int32_t d = 0; d < rank; d++)
    if (!(index[d] = tni_expr_subst(r, index[d], &subst))) return false;
  return true;
}

/* The spot with prefetches before its body: from the subscripts on, the next `each` elements of the step, in so many lines. */
static const tn_stmt *ask(tni_region *r, const nest *n, const tn_buffer *buffer, const tn_expr **index, int64_t each,
                          int64_t lines) {
  const tn_stmt *parts[MOST_LINES + 1], *spot = n->spot;
  const tn_expr *last = index[buffer->rank - 1], *number = tni_mul(r, step_number(r, n), tni_index(r, each));
  int64_t line = LINE / (int64_t)tn_type_bytes(buffer->type);
  for (int64_t i = 0; i < lines; i++) {
    index[buffer->rank - 1] = tni_add(r, last, tni_add(r, number, tni_index(r, i * line)));
    parts[i] = tni_prefetch(r, buffer, buffer->rank, index);
  }
  parts[lines] = spot->as.loop.body;
  const tn_stmt *body = tni_seq(r, (int32_t)lines + 1, parts);
  return tni_for_like(r, spot, spot->as.loop.var, spot->as.loop.extent, spot->as.loop.kind, body);
}

/* The buffer that the block reads, by the number of argument `arg`, and the load, when its lines can be asked for; else a
 * refusal. */
static tn_status find_load(tni_step *step, const tn_stmt *block, int arg, load_search *q) {
  tn_context *ctx = step->s->ctx;
  const tn_buffer *b = q->buffer = tni_arg_buffer(step, block, arg, false);
  if (!b) return TN_E_REFUSED;
  if (b->scope == TNI_SCOPE_REGISTER || !tni_is_row_major(b) || b->rank == 0 || !tn_type_bytes(b->type))
    return tni_step_refuse(step, block, "`%s` is not in memory, row-major, with elements of whole bytes", b->name);
  tni_stmt_visit_exprs(ctx, block->as.block.body, see_load, q);
  inner_search inner = {ctx, q->load, false};
  tni_stmt_visit(block->as.block.body, see_bound, &inner);
  if (!inner.found) return TN_OK;
  return tni_step_refuse(step, block, "where `%s` is read depends on what is bound in the block", b->name);
}

tn_status tni_apply_prefetch(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 2) : NULL;
  if (!loop) return TN_E_REFUSED;
  load_search q = {0};
  tn_status status = find_load(step, block, 1, &q);
  if (status) return status;
  nest n = {0};
  const char *why = look_at_nest(loop, block, &n);
  if (why) return tni_step_refuse(step, loop->as.loop.var, "%s", why);
  if (tni_is_allocated_in(loop, q.buffer))
    return tni_step_refuse(step, loop->as.loop.var, "`%s` is allocated in the loop, and the next step has another one\n"
                                                    "needs: a loop inside of the alloc", q.buffer->name);
  const tn_expr *index[TN_MAX_RANK];
  const tn_expr *place = over_loops(s, block, q.load, index) ? tni_buffer_place(r, q.buffer, index) : NULL;
  if (!place) return TN_E_NOMEM;
  int64_t span = span_of(r, place, &n);
  if (!span) return tni_step_refuse(step, block, "what a step reads of `%s` is not one piece of memory", q.buffer->name);
  int64_t each = (span - 1) / n.steps + 1, lines = (each - 1) / (LINE / (int64_t)tn_type_bytes(q.buffer->type)) + 1;
  if (lines > MOST_LINES)
    return tni_step_refuse(step, n.spot->as.loop.var, "a step asks for %lld lines: at most %d are asked for at once",
                           (long long)lines, MOST_LINES);
  if (!begin_next(r, loop, &n, q.buffer->rank, index)) return TN_E_NOMEM;
  const tn_stmt *made = ask(r, &n, q.buffer, index, each, lines);
  return tni_step_accept(step, made ? tni_replace(r, s->func->body, n.spot, made) : NULL);
}

tn_status tn_prefetch(tn_schedule *s, tn_block_ref block, int32_t read, tn_loop loop, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_int(read), tni_of_handle(loop)};
  return tni_perform(s, TNI_PRIMITIVE_prefetch, 3, args, 0, NULL, NULL, err);
}
