/* race.c -- may the iterations of a loop run at the same time?
 *
 * For every buffer that is written below the loop, one of these must hold:
 *   - it is made in the loop; or in the function, and lowering gives each iteration its own (ir/lower/storage.c);
 *   - the boxes of different iterations never touch: in some dimensions all boxes of an iteration start at f(i) + s, where
 *     the values of f are multiples of g and s + extent <= g, and no two iterations have the same f in all of them;
 *     or the same of the one dimension that row-major memory would have;
 *   - it is only reduced into, by one operator.
 * On the loop level the subscript is a place in memory already; a vector's lanes are a box, where it is a ramp.
 * Different subscripts are different elements, whatever the buffer's form: layouts are checked by the verifier, and what is
 * written has no two elements in one place (the verifier, or the check of the call).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

enum { MAX_TERMS = 16 };

/* A symbolic extent stands for all extents up to this: what is injective there is so on every part of it. */
#define FAR (INT64_C(1) << 36)

static const char nomem[] = "there is no memory to check it";

typedef struct checker {
  tni_region *r;
  const tn_func *func;
  const tn_stmt *loop;
  const tni_accesses *accesses; /* those in the loop, at least */
  tni_accesses *all;            /* of the function, once they are asked for; NULL: `accesses` are */
  bool failed;
} checker;

/* The number of loops from the outermost to `loop`, or -1 when the access is not below it. */
static int depth_of(const tni_access *x, const tn_stmt *loop) {
  for (int i = 0; i < x->depth; i++)
    if (x->loops[i] == loop) return i + 1;
  return -1;
}

static bool box_of(checker *c, const tni_access *x, tni_itermap *box) {
  c->failed |= !tni_access_box_open(c->r, x, depth_of(x, c->loop), FAR, box);
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

/* Where the access begins in row-major order, and over how many places its lanes reach: 0 when that is not known. */
static const tn_expr *place_of(checker *c, const tni_access *x, int64_t *reach) {
  const tn_expr *place = tni_index(c->r, 0), *index = x->index[0];
  *reach = 1;
  if (c->func->level == TNI_LEVEL_TENSOR) {
    for (int32_t d = 0; d < x->buffer->rank; d++)
      place = tni_add(c->r, tni_mul(c->r, place, x->buffer->shape[d]), x->index[d]);
    return place;
  }
  if (TN_TYPE_LANES(index->type) == 1) return index;
  if (index->op == TN_OP_broadcast) return index->arg[0];
  *reach = 0;
  if (index->op != TN_OP_ramp || !tni_is_const(index->arg[1])) return place;
  int64_t step = index->arg[1]->as.i, last;
  if (__builtin_mul_overflow(step, (int64_t)TN_TYPE_LANES(index->type) - 1, &last) || last > FAR || last < -FAR)
    return place;
  *reach = last < 0 ? 1 - last : 1 + last;
  return last < 0 ? tni_add(c->r, index->arg[0], tni_index(c->r, last)) : index->arg[0];
}

/* The box of an access in row-major order, whatever the buffer's form. One element has one place there, so places that differ
 * are elements that differ; and what fusing took apart comes together in it. */
static bool flat_box_of(checker *c, const tni_access *x, tni_itermap *box) {
  int64_t reach;
  tn_buffer line = *x->buffer;
  tni_access flat = *x;
  line.rank = 1;
  flat.buffer = &line;
  flat.index[0] = place_of(c, x, &reach);
  c->failed |= !flat.index[0];
  if (c->failed || !reach || !box_of(c, &flat, box)) return false;
  box->extents[0] += reach - 1;
  return true;
}

/* Do the boxes of different iterations never touch, in the buffer's dimensions or in memory (flat)? */
static bool has_own_boxes(checker *c, const tn_buffer *b, bool flat) {
  slice slices[TN_MAX_RANK];
  int32_t rank = flat ? 1 : b->rank;
  const tn_expr *where[TN_MAX_RANK];
  size_t dims = 0;
  bool first = true;
  for (size_t i = 0; i < c->accesses->count; i++) {
    const tni_access *x = &c->accesses->items[i];
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
  for (size_t i = 0; i < c->accesses->count; i++) {
    const tni_access *x = &c->accesses->items[i];
    if (x->buffer != b || depth_of(x, c->loop) < 0) continue;
    if (!x->reduces || (first && x->store->as.store.op != first->as.store.op)) return false;
    first = x->store;
  }
  return true;
}

bool tni_is_param(const tn_func *func, const tn_buffer *buffer) {
  for (uint32_t i = 0; i < func->param_count; i++)
    if (func->params[i].buffer == buffer) return true;
  return false;
}

/* Will lowering give each iteration its own? A shared one is there for them to meet in. */
static bool is_private(checker *c, const tn_buffer *b) {
  if (b->scope == TNI_SCOPE_SHARED) return false;
  if (tni_is_param(c->func, b) || c->func->level == TNI_LEVEL_LOOP || c->accesses->literal) return false;
  if (c->all && !c->all->ctx) c->failed |= !tni_accesses_collect(c->r, c->func->body, c->all);
  return !c->failed && tni_is_private_among(c->r, c->func->body, c->all ? c->all : c->accesses, b, c->loop);
}

/* What takes least time comes first. */
static bool is_apart(checker *c, const tn_buffer *b) {
  if (only_reduces(c, b) || tni_is_allocated_in(c->loop, b)) return true;
  return (c->func->level == TNI_LEVEL_TENSOR && has_own_boxes(c, b, false)) || has_own_boxes(c, b, true);
}

static bool is_safe(checker *c, const tn_buffer *b) { return is_apart(c, b) || is_private(c, b); }

typedef struct reduce_search {
  tni_region *r;
  const tn_expr *var;
  const tn_stmt *block;
} reduce_search;

static bool find_reduce(void *self, const tn_stmt *s) {
  reduce_search *q = self;
  for (int32_t i = 0; s->kind == TNI_BLOCK && i < s->as.block.count; i++)
    if (s->as.block.iters[i].reduce && tni_expr_uses(q->r->arena.ctx, s->as.block.iters[i].binding, q->var))
      q->block = s;
  return !q->block;
}

static const char *check(checker *c, const void **mark) {
  for (size_t i = 0; i < c->accesses->count; i++) {
    const tni_access *x = &c->accesses->items[i];
    bool seen = false;
    if (!x->write || depth_of(x, c->loop) < 0) continue;
    for (size_t k = 0; k < i && !seen; k++)
      seen = c->accesses->items[k].buffer == x->buffer && c->accesses->items[k].write &&
             depth_of(&c->accesses->items[k], c->loop) >= 0;
    if (!seen && !is_safe(c, x->buffer)) {
      *mark = x->store;
      return "two iterations may touch the same element of the buffer written here";
    }
  }
  return NULL;
}

static const char *why_unknown(const tni_accesses *accesses, const tn_stmt *loop) {
  if (accesses->odd || (accesses->opaque && tni_stmt_holds(loop, TNI_HOLDS_ADDRESS)))
    return "not all of its accesses are known";
  return accesses->waits && tni_first_sync(loop) ? "threads, or copies, are waited for in it" : NULL;
}

/* all: see the checker; *all is empty. */
static const char *why_not(tni_region *r, const tn_func *func, const tni_accesses *accesses, tni_accesses *all,
                           const tn_stmt *loop, bool calls, const void **mark) {
  reduce_search search = {.r = r, .var = loop->as.loop.var};
  *mark = loop->as.loop.var;
  tni_stmt_visit(loop, find_reduce, &search);
  if (search.block) {
    *mark = search.block;
    return "the loop feeds a reduce iterator of this block";
  }
  if (!calls && tni_stmt_holds(loop, TNI_HOLDS_CALL)) return "an external is called in it";
  const char *why = why_unknown(accesses, loop);
  if (why) return why;
  checker c = {.r = r, .func = func, .loop = loop, .accesses = accesses, .all = all};
  why = check(&c, mark);
  r->arena.failed |= c.failed;
  return c.failed ? nomem : why;
}

const char *tni_why_not_concurrent_among(tni_region *r, const tn_func *func, const tni_accesses *accesses,
                                         const tn_stmt *loop, const void **mark) {
  return why_not(r, func, accesses, NULL, loop, true, mark);
}

bool tni_is_apart(tni_region *r, const tn_func *func, const tni_accesses *accesses, const tn_stmt *loop,
                  const tn_buffer *buffer) {
  checker c = {.r = r, .func = func, .loop = loop, .accesses = accesses};
  bool apart = !why_unknown(accesses, loop) && is_apart(&c, buffer);
  r->arena.failed |= c.failed;
  return apart && !c.failed;
}

const char *tni_why_not_concurrent(tni_region *r, const tn_func *func, const tn_stmt *loop, const void **mark) {
  tni_accesses accesses, all = {.ctx = NULL};
  bool ok = tni_accesses_collect_in(r, func->body, loop, &accesses);
  const char *why = ok ? why_not(r, func, &accesses, &all, loop, false, mark) : nomem;
  r->arena.failed |= !ok;
  if (!ok) *mark = loop->as.loop.var;
  tni_accesses_destroy(&accesses);
  if (all.ctx) tni_accesses_destroy(&all);
  return why;
}
