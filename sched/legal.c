/* legal.c -- may the iterations of a loop run at the same time?
 *
 * For every buffer that is written below the loop, one of these must hold:
 *   - it is made in the function and private: lowering gives each iteration its own (ir/lower/storage.c);
 *   - the boxes of different iterations never touch: in some dimensions all boxes of an iteration start at f(i) + s, where
 *     the values of f are multiples of g and s + extent <= g, and no two iterations have the same f in all of them;
 *     or the same of the one dimension that row-major memory would have;
 *   - it is only reduced into, by one operator.
 * Different subscripts are different elements, whatever the buffer's form: layouts are checked by the verifier, and what is
 * written has no two elements in one place (the verifier, or the check of the call).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "sched.h"

enum { MAX_TERMS = 16 };

/* A symbolic extent stands for all extents up to this: what is injective there is so on every part of it. */
#define FAR (INT64_C(1) << 36)

typedef struct checker {
  tni_region *r;
  const tn_func *func;
  const tn_stmt *loop;
  tni_accesses accesses;
  bool failed;
} checker;

/* The number of loops from the outermost to `loop`, or -1 when the access is not below it. */
static int depth_of(const tni_access *x, const tn_stmt *loop) {
  for (int i = 0; i < x->depth; i++)
    if (x->loops[i] == loop) return i + 1;
  return -1;
}

static bool box_of(checker *c, const tni_access *x, tni_itermap *box) {
  c->failed |= !tni_access_box(c->r, x, depth_of(x, c->loop), box);
  return !c->failed && box->box;
}

/* A dimension of a buffer, as the iterations of the loop move in it: all boxes start at sum of terms + a base + an offset in
 * low..high, and the terms are over the loop's variable. */
typedef struct slice {
  bool usable; /* the same terms in all accesses */
  size_t count;
  tni_term terms[MAX_TERMS];
  const tn_expr *base;
  int64_t low, high;
} slice;

static bool same_terms(const slice *s, size_t count, const tni_term *terms) {
  for (size_t i = 0; i < count; i++)
    if (count != s->count || terms[i].x != s->terms[i].x || terms[i].coef != s->terms[i].coef) return false;
  return count == s->count;
}

/* Takes one more box into the slice. */
static void add_box(checker *c, slice *s, bool first, const tn_expr *start, int64_t extent) {
  tni_facts none = {.ctx = c->r->arena.ctx};
  tni_term terms[MAX_TERMS];
  size_t count;
  const tn_expr *base;
  if (!first && !s->usable) return;
  if (!tni_separate(c->r, &none, start, 1, &c->loop->as.loop.var, &base, &count, terms, MAX_TERMS)) {
    s->usable = false;
    return;
  }
  if (first) {
    *s = (slice){.usable = true, .count = count, .base = base, .high = extent};
    memcpy(s->terms, terms, sizeof terms);
    return;
  }
  const tn_expr *shift = tni_simplify(c->r, &none, tni_sub(c->r, base, s->base));
  c->failed |= !shift;
  s->usable = shift && tni_is_const(shift) && same_terms(s, count, terms);
  if (!s->usable) return;
  s->low = shift->as.i < s->low ? shift->as.i : s->low;
  s->high = shift->as.i + extent > s->high ? shift->as.i + extent : s->high;
}

static int64_t gcd(int64_t a, int64_t b) { return b ? gcd(b, a % b) : a; }

/* Where the iteration stands in this dimension, if boxes that stand elsewhere do not touch: they are at least the common
 * divisor of the coefficients apart. NULL: it does not tell. */
static const tn_expr *standing(checker *c, const slice *s) {
  int64_t apart = 0;
  const tn_expr *sum = NULL;
  for (size_t i = 0; s->usable && i < s->count; i++) {
    const tn_expr *t = tni_mul(c->r, s->terms[i].x, tni_index(c->r, s->terms[i].coef));
    apart = gcd(s->terms[i].coef < 0 ? -s->terms[i].coef : s->terms[i].coef, apart);
    sum = sum ? tni_add(c->r, sum, t) : t;
    c->failed |= !sum;
  }
  return sum && s->high - s->low <= apart ? sum : NULL;
}

/* The box of an access in row-major order, whatever the buffer's form. One element has one place there, so places that differ
 * are elements that differ; and what fusing took apart comes together in it. */
static bool flat_box_of(checker *c, const tni_access *x, tni_itermap *box) {
  const tn_expr *place = tni_index(c->r, 0);
  for (int32_t d = 0; d < x->buffer->rank; d++)
    place = tni_add(c->r, tni_mul(c->r, place, x->buffer->shape[d]), x->index[d]);
  tn_buffer line = *x->buffer;
  tni_access flat = *x;
  line.rank = 1;
  flat.buffer = &line;
  flat.index[0] = place;
  c->failed |= !place;
  return !c->failed && box_of(c, &flat, box);
}

/* Do the boxes of different iterations never touch, in the buffer's dimensions or in memory (flat)? */
static bool has_own_boxes(checker *c, const tn_buffer *b, bool flat) {
  slice slices[TN_MAX_RANK];
  int32_t rank = flat ? 1 : b->rank;
  const tn_expr *where[TN_MAX_RANK];
  size_t dims = 0;
  bool first = true;
  for (size_t i = 0; i < c->accesses.count; i++) {
    const tni_access *x = &c->accesses.items[i];
    tni_itermap box;
    if (x->buffer != b || depth_of(x, c->loop) < 0) continue;
    if (flat ? !flat_box_of(c, x, &box) : !box_of(c, x, &box)) return false;
    for (int32_t d = 0; d < rank; d++) add_box(c, &slices[d], first, box.bases[d], box.extents[d]);
    first = false;
  }
  for (int32_t d = 0; d < rank && !first; d++)
    if ((where[dims] = standing(c, &slices[d]))) dims++;
  const tn_expr *extent = c->loop->as.loop.extent;
  int64_t count = tni_is_const(extent) ? extent->as.i : FAR;
  tni_facts none = {.ctx = c->r->arena.ctx};
  tni_itermap map;
  if (!dims || c->failed) return count <= 1 && !c->failed;
  c->failed |= !tni_itermap_of(c->r, &none, dims, where, 1, &c->loop->as.loop.var, &count, &map);
  return !c->failed && map.injective;
}

/* Do the iterations only reduce into the buffer, by one operator? */
static bool only_reduces(const checker *c, const tn_buffer *b) {
  const tn_stmt *first = NULL;
  for (size_t i = 0; i < c->accesses.count; i++) {
    const tni_access *x = &c->accesses.items[i];
    if (x->buffer != b || depth_of(x, c->loop) < 0) continue;
    if (!x->reduces || (first && x->store->as.store.op != first->as.store.op)) return false;
    first = x->store;
  }
  return true;
}

static bool is_safe(checker *c, const tn_buffer *b) {
  if (only_reduces(c, b)) return true;
  if (!tni_is_param(c->func, b) && tni_is_private_to(c->r, c->func->body, b, c->loop)) return true;
  return has_own_boxes(c, b, false) || has_own_boxes(c, b, true);
}

typedef struct reduce_search {
  tni_region *r;
  const tn_expr *var;
  const tn_stmt *block;
  bool calls;
} reduce_search;

static bool find_reduce(void *self, const tn_stmt *s) {
  reduce_search *q = self;
  q->calls |= s->kind == TNI_EVALUATE;
  for (int32_t i = 0; s->kind == TNI_BLOCK && i < s->as.block.count; i++)
    if (s->as.block.iters[i].reduce && tni_expr_uses(q->r->arena.ctx, s->as.block.iters[i].binding, q->var))
      q->block = s;
  return !q->block;
}

static const char *check(checker *c, const void **mark) {
  for (size_t i = 0; i < c->accesses.count; i++) {
    const tni_access *x = &c->accesses.items[i];
    bool seen = false;
    if (!x->write || depth_of(x, c->loop) < 0) continue;
    for (size_t k = 0; k < i && !seen; k++)
      seen = c->accesses.items[k].buffer == x->buffer && c->accesses.items[k].write &&
             depth_of(&c->accesses.items[k], c->loop) >= 0;
    if (!seen && !is_safe(c, x->buffer)) {
      *mark = x->store;
      return "two iterations may touch the same element of the buffer written here";
    }
  }
  return NULL;
}

static const char *why_not_in(tn_schedule *s, const tn_func *func, const tn_stmt *loop, const void **mark) {
  reduce_search search = {.r = &s->region, .var = loop->as.loop.var};
  *mark = loop->as.loop.var;
  tni_stmt_visit(loop, find_reduce, &search);
  if (search.block) {
    *mark = search.block;
    return "the loop feeds a reduce iterator of this block";
  }
  if (search.calls) return "an external is called in it";
  checker c = {.r = &s->region, .func = func, .loop = loop};
  bool ok = tni_accesses_collect(&s->region, func->body, &c.accesses);
  const char *why = !ok || c.accesses.opaque ? "not all of its accesses are known" : check(&c, mark);
  tni_accesses_destroy(&c.accesses);
  return c.failed && !why ? "there is no memory to check it" : why;
}

const char *tni_why_not_concurrent(tn_schedule *s, const tn_stmt *loop, const void **mark) {
  return why_not_in(s, s->func, loop, mark);
}

typedef struct still_check {
  tn_schedule *s;
  const tn_func *made;
  const void *mark;
  const char *why;
} still_check;

static bool check_still(void *self, const tn_stmt *s) {
  still_check *q = self;
  const void *mark;
  if (s->kind == TNI_FOR && !q->why && tni_is_concurrent(s->as.loop.kind) &&
      !tni_is_below(q->s->func->body, s) && why_not_in(q->s, q->made, s, &mark)) {
    q->mark = s->as.loop.var;
    q->why = "iterations of this loop run at the same time, and might then touch the same element";
  }
  return !q->why && s->kind != TNI_BLOCK;
}

const char *tni_why_not_concurrent_still(tn_schedule *s, const tn_func *made, const void **mark) {
  still_check q = {.s = s, .made = made};
  tni_stmt_visit(made->body, check_still, &q);
  *mark = q.mark;
  return q.why;
}

/* ---- producers that move to their readers ---- */

typedef struct order_search {
  tn_schedule *s;
  const tn_stmt *block;
  const tn_buffer *buffer;
  const tn_stmt *path[TNI_MAX_PATH]; /* to the block */
  int depth;
  bool after;
  const tn_stmt *bad_reader, *rewriter, *carrier;
} order_search;

/* The innermost loop around both the block and s; NULL: none. */
static const tn_stmt *shared_loop(const order_search *q, const tn_stmt *s) {
  for (int i = q->depth; i > 0; i--)
    if (q->path[i - 1]->kind == TNI_FOR && tni_is_below(q->path[i - 1], s)) return q->path[i - 1];
  return NULL;
}

/* A store, or the block it is in, to something that the block reads. */
static void see_input_written(order_search *q, const tn_stmt *s) {
  const tn_stmt *loop = shared_loop(q, s);
  if (q->after)
    q->rewriter = s;
  else if (loop && !tni_is_private_to(&q->s->region, q->s->func->body, q->buffer, loop))
    q->carrier = s;
}

typedef struct input_search {
  tn_context *ctx;
  const tn_stmt *block;
  const tn_buffer *own;
  bool writes;
} input_search;

static bool see_input_store(void *self, const tn_stmt *s) {
  input_search *q = self;
  q->writes |=
      tni_is_write(s) && s->as.store.buffer != q->own && tni_uses_of(q->ctx, q->block, s->as.store.buffer).readers;
  return true;
}

static bool see_order(void *self, const tn_stmt *s) {
  order_search *q = self;
  if (s == q->block) {
    q->after = true;
    return false;
  }
  if (s->kind != TNI_BLOCK && !tni_is_write(s)) return true;
  if (s->kind == TNI_BLOCK && !q->after && tni_uses_of(q->s->ctx, s, q->buffer).readers) q->bad_reader = s;
  input_search inputs = {q->s->ctx, q->block, q->buffer, false};
  tni_stmt_visit(s, see_input_store, &inputs);
  if (inputs.writes) see_input_written(q, s);
  return false;
}

typedef struct outside_search {
  tn_context *ctx;
  const tn_stmt *block;
  bool found;
} outside_search;

static void see_call(void *self, const tn_expr *x) { ((outside_search *)self)->found |= x->op == TN_OP_call; }

static void see_given(void *self, const tn_expr *x) {
  outside_search *q = self;
  q->found |= x->op == TNI_OP_ADDRESS && tni_uses_of(q->ctx, q->block, x->as.buffer).readers;
}

const char *tni_why_not_movable(tn_schedule *s, const tn_stmt *block, const void **mark) {
  const tn_stmt *store = tni_block_store(block);
  const char *why;
  *mark = block;
  if (!store) return "the block does more than one store";
  if (block->as.block.where) return "the block is guarded: move it before its loops are split";
  const tn_buffer *buffer = store->as.store.buffer;
  *mark = store;
  if (tni_is_param(s->func, buffer)) return "the block writes a parameter, which the caller sees";
  tni_uses uses = tni_uses_of(s->ctx, s->func->body, buffer);
  if (uses.writers != 1 || uses.loose)
    return "the buffer is written or used by others than this block and blocks that read it";
  if ((why = tni_why_not_reduction(s->ctx, block)) || (why = tni_why_not_whole(s, block))) return why;
  outside_search outside = {.ctx = s->ctx, .block = block};
  tni_stmt_visit_exprs(s->ctx, block, see_call, &outside);
  if (outside.found) return "the block calls an external";
  tni_stmt_visit_exprs(s->ctx, s->func->body, see_given, &outside);
  if (outside.found) return "an input of the block is given to an external";
  order_search q = {.s = s, .block = block, .buffer = buffer};
  q.depth = tni_path_to(s->func->body, block, q.path);
  tni_stmt_visit(s->func->body, see_order, &q);
  *mark = q.bad_reader ? q.bad_reader : q.rewriter ? q.rewriter : q.carrier;
  return q.bad_reader ? "this reader stands before the block"
         : q.rewriter ? "an input of the block is written again here"
         : q.carrier  ? "an input of the block is written here again in the next iteration of a loop around both"
                      : NULL;
}
