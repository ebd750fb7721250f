/* outline.c -- a loop as a function: what the loop is, apart from where its tiles stand, their strides and extents.
 *
 *     for i in 0..4 outlined { for k in 0..512 { C[a + i*64] = C[a + i*64] + A[b + i*512 + k] } }
 *       ->
 *     (C', A', p, q, r) { for i in 0..p { for k in 0..q { C'[i*64] = C'[i*64] + A'[i*r + k] } } }
 *     C' = &C[a]   A' = &A[b]   p = 4   q = 512   r = 512
 *
 * Loops with one text in the middle are one function, called with what stands below: base pointers, the numbers in subscripts
 * and conditions, extents of loops. Whoever compiles them puts the numbers back that are the same in all of the loops.
 *
 * The base of a buffer is what its first subscript has beside the variables of the loop; the other subscripts count from it.
 * Subscripts of buffers that the loop allocates keep their numbers, so that those stay in registers; ramps keep their strides,
 * divisions their divisors.
 *
 * needs: the loop level; nodes of the region r
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

enum { MAX_TERMS = 64 };

/* Nodes, each once, in the order in which they are met. */
typedef struct list {
  size_t count, capacity;
  const void **items;
} list;

typedef struct outliner {
  tni_region *r;
  tni_outline *out;
  list bound, allocated; /* in the loop: variables, buffers */
  list vars, buffers;    /* used, but bound around */
  list addressed;        /* buffers whose address is taken */
  /* A variable for a number, and the constant it stands for. */
  const tn_expr *numbers[TNI_OUTLINE_NUMBERS], *constants[TNI_OUTLINE_NUMBERS];
  size_t number_count;
  bool calls;
} outliner;

/* ---- what is used -------------------------------------------------------------------------------------------------- */

static bool holds(const list *l, const void *item) {
  for (size_t i = 0; i < l->count; i++)
    if (l->items[i] == item) return true;
  return false;
}

static void add(outliner *o, list *l, const void *item) {
  if (holds(l, item)) return;
  if (l->count == l->capacity) {
    size_t capacity = l->capacity ? 2 * l->capacity : 16;
    const void **items = TNI_NEW_ARRAY(&o->r->arena, const void *, capacity);
    if (!items) return;
    if (l->count) memcpy(items, l->items, l->count * sizeof *items);
    l->items = items;
    l->capacity = capacity;
  }
  l->items[l->count++] = item;
}

/* What the loop declares, and does. */
static bool see_bound(void *self, const tn_stmt *s) {
  outliner *o = self;
  if (s->kind == TNI_FOR) add(o, &o->bound, s->as.loop.var);
  if (s->kind == TNI_LET) add(o, &o->bound, s->as.let.var);
  if (s->kind == TNI_ALLOC) add(o, &o->allocated, s->as.alloc.buffer);
  o->calls |= s->kind == TNI_ASSERT || s->kind == TNI_EVALUATE;
  o->out->reduces |= s->kind == TNI_REDUCE;
  o->out->forks |= s->kind == TNI_FOR && s->as.loop.kind == TNI_PARALLEL;
  return true;
}

static void use_buffer(outliner *o, const tn_buffer *b) {
  if (!holds(&o->allocated, b)) add(o, &o->buffers, b);
}

static bool see_store(void *self, const tn_stmt *s) {
  if (tni_has_subscripts(s)) use_buffer(self, s->as.store.buffer);
  return true;
}

static void see_load_or_call(void *self, const tn_expr *x) {
  outliner *o = self;
  if (x->op == TN_OP_load || x->op == TNI_OP_ADDRESS) use_buffer(o, x->as.buffer);
  if (x->op == TNI_OP_ADDRESS) add(o, &o->addressed, x->as.buffer);
  o->calls |= x->op == TN_OP_call;
}

/* An address is that of the first element, behind the offset. */
static void see_var(void *self, const tn_expr *x) {
  outliner *o = self;
  if (x->op == TN_OP_var && !holds(&o->bound, x)) add(o, &o->vars, x);
  if (x->op == TNI_OP_ADDRESS) tni_expr_visit(o->r->arena.ctx, x->as.buffer->offset, see_var, o);
}

/* ---- base pointers ------------------------------------------------------------------------------------------------- */

typedef struct subscript_search {
  const tn_buffer *buffer;
  const tn_expr *found;
} subscript_search;

static void see_load(void *self, const tn_expr *x) {
  subscript_search *q = self;
  if (!q->found && x->op == TN_OP_load && x->as.buffer == q->buffer) q->found = x->arg[0];
}

static bool see_accessed(void *self, const tn_stmt *s) {
  subscript_search *q = self;
  if (!q->found && tni_has_subscripts(s) && s->as.store.buffer == q->buffer) q->found = s->as.store.index[0];
  return true;
}

/* What the first subscript of the buffer has beside variables of the loop; 0 where it is not known to be the same all along. */
static const tn_expr *base_of(outliner *o, const tn_stmt *loop, const tn_buffer *b) {
  tni_facts none = {.ctx = o->r->arena.ctx};
  tni_term terms[MAX_TERMS];
  size_t count;
  subscript_search q = {.buffer = b};
  const tn_expr *zero = tni_index(o->r, 0), *base;
  tni_stmt_visit(loop, see_accessed, &q);
  if (!q.found) tni_stmt_visit_exprs(none.ctx, loop, see_load, &q);
  const tn_expr *x = q.found;
  if (x && (x->op == TN_OP_ramp || x->op == TN_OP_broadcast)) x = x->arg[0];
  if (!x || TN_TYPE_LANES(x->type) > 1 || tni_type_is_packed(b->type) || holds(&o->addressed, b)) return zero;
  bool known = tni_separate(o->r, &none, x, o->bound.count, (const tn_expr *const *)o->bound.items, &base, &count,
                            terms, MAX_TERMS);
  return known && !tni_expr_reads(base) ? base : zero;
}

/* A buffer of the function in the place of this one. */
static const tn_buffer *formal_of(outliner *o, const tn_buffer *b) {
  tn_buffer form = {.name = b->name, .type = b->type, .rank = 1, .offset = holds(&o->addressed, b) ? b->offset : NULL};
  form.shape[0] = tni_index(o->r, 1);
  return form.shape[0] ? tni_buffer_make(o->r, &form) : NULL;
}

/* The number of the buffer among those around, or -1. */
static ptrdiff_t find_buffer(const outliner *o, const tn_buffer *b) {
  for (size_t i = 0; i < o->out->buffer_count; i++)
    if (o->out->buffers[i] == b) return (ptrdiff_t)i;
  return -1;
}

static const tn_expr *count_from(tni_region *r, const tn_expr *x, const tn_expr *base) {
  tni_facts none = {.ctx = r->arena.ctx};
  if (x->op == TN_OP_ramp) return tni_ramp(r, count_from(r, x->arg[0], base), x->arg[1], TN_TYPE_LANES(x->type));
  if (x->op == TN_OP_broadcast) return tni_broadcast(r, count_from(r, x->arg[0], base), TN_TYPE_LANES(x->type));
  if (TN_TYPE_LANES(x->type) > 1) return tni_sub(r, x, tni_broadcast(r, base, TN_TYPE_LANES(x->type)));
  const tn_expr *rest = tni_sub(r, x, base);
  return rest ? tni_simplify(r, &none, rest) : NULL;
}

static const tn_expr *rebase_expr(void *self, tni_region *r, const tn_expr *x) {
  outliner *o = self;
  ptrdiff_t i = x->op == TN_OP_load || x->op == TNI_OP_ADDRESS ? find_buffer(o, x->as.buffer) : -1;
  if (i < 0) return x;
  if (x->op == TNI_OP_ADDRESS) return tni_address(r, o->out->formal[i]);
  const tn_expr *index = count_from(r, x->arg[0], o->out->bases[i]);
  return tni_load(r, x->type, o->out->formal[i], 1, &index, tni_load_where(x));
}

static const tn_stmt *rebase_stmt(void *self, tni_region *r, const tn_stmt *s) {
  outliner *o = self;
  ptrdiff_t i = tni_has_subscripts(s) ? find_buffer(o, s->as.store.buffer) : -1;
  if (i < 0) return s;
  const tn_expr *index = count_from(r, s->as.store.index[0], o->out->bases[i]);
  return tni_store_like(r, s, o->out->formal[i], 1, &index, s->as.store.value, s->as.store.where);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

/* A variable in the place of the constant; the constant when there are too many. */
static const tn_expr *number_for(outliner *o, const tn_expr *constant) {
  if (o->number_count == TNI_OUTLINE_NUMBERS) return constant;
  const tn_expr *var = tni_var(o->r, "p", TN_INDEX);
  o->constants[o->number_count] = constant;
  if (var) o->numbers[o->number_count++] = var;
  return var;
}

bool tni_has_numbers(const tn_expr *x) {
  switch (x->op) {
  case TN_OP_add:
  case TN_OP_sub:
  case TN_OP_mul:
  case TN_OP_min:
  case TN_OP_max:
  case TN_OP_lt:
  case TN_OP_le:
  case TN_OP_eq:
  case TN_OP_ne: return x->arg[0]->type == TN_INDEX;
  default: return false;
  }
}

/* With the constants in the place of their variables again. */
static const tn_expr *with_constants(outliner *o, tni_region *r, const tn_expr *x) {
  tni_subst subst = {o->number_count, o->numbers, o->constants};
  return tni_expr_subst(r, x, &subst);
}

static const tn_expr *number_expr(void *self, tni_region *r, const tn_expr *x) {
  outliner *o = self;
  const tn_expr *args[2];
  if (x->op == TN_OP_load && holds(&o->allocated, x->as.buffer)) {
    const tn_expr *index = with_constants(o, r, x->arg[0]);
    return tni_load(r, x->type, x->as.buffer, 1, &index, tni_load_where(x));
  }
  if (!tni_has_numbers(x)) return x;
  for (int i = 0; i < 2; i++)
    if (!(args[i] = tni_is_const(x->arg[i]) ? number_for(o, x->arg[i]) : x->arg[i])) return NULL;
  return tni_with_args(r, x, args);
}

static const tn_stmt *number_stmt(void *self, tni_region *r, const tn_stmt *s) {
  outliner *o = self;
  if (s->kind == TNI_FOR && tni_is_const(s->as.loop.extent))
    return tni_for_like(r, s, s->as.loop.var, number_for(o, s->as.loop.extent), s->as.loop.kind, s->as.loop.body);
  if (!tni_has_subscripts(s) || !holds(&o->allocated, s->as.store.buffer)) return s;
  const tn_expr *index = with_constants(o, r, s->as.store.index[0]);
  return tni_store_like(r, s, s->as.store.buffer, 1, &index, s->as.store.value, s->as.store.where);
}

/* ---- the function -------------------------------------------------------------------------------------------------- */

/* The loop in order; its only iteration without it. */
static const tn_stmt *bare_loop(tni_region *r, const tn_stmt *loop) {
  const tn_expr *zero = tni_index(r, 0);
  tni_subst subst = {1, &loop->as.loop.var, &zero};
  if (!tni_is_int(loop->as.loop.extent, 1))
    return tni_for(r, loop->as.loop.var, loop->as.loop.extent, TNI_SERIAL, loop->as.loop.body);
  return zero ? tni_stmt_simplify(r, tni_stmt_subst(r, loop->as.loop.body, &subst)) : NULL;
}

static bool find_bases(outliner *o, const tn_stmt *loop) {
  tni_outline *out = o->out;
  tni_arena *arena = &o->r->arena;
  const tn_buffer **formal = TNI_NEW_ARRAY(arena, const tn_buffer *, o->buffers.count);
  const tn_expr **bases = TNI_NEW_ARRAY(arena, const tn_expr *, o->buffers.count);
  out->buffers = (const tn_buffer *const *)o->buffers.items;
  out->formal = formal;
  out->bases = bases;
  out->buffer_count = formal && bases ? o->buffers.count : 0;
  for (size_t i = 0; i < out->buffer_count; i++) {
    formal[i] = formal_of(o, out->buffers[i]);
    bases[i] = base_of(o, loop, out->buffers[i]);
    if (!formal[i] || !bases[i]) return false;
  }
  return formal && bases;
}

/* Most variables that are bound around are in the bases alone. */
static void find_scalars(outliner *o, const tn_stmt *body) {
  tni_stmt_visit_exprs(o->r->arena.ctx, body, see_var, o);
  o->out->scalars = (const tn_expr *const *)o->vars.items;
  o->out->scalar_count = o->vars.count;
}

static bool find_numbers(outliner *o, const tn_stmt *body) {
  tni_outline *out = o->out;
  out->body = tni_stmt_rewrite(o->r, body, number_expr, number_stmt, o);
  out->numbers = tni_arena_copy(&o->r->arena, o->numbers, o->number_count * sizeof *o->numbers);
  int64_t *values = TNI_NEW_ARRAY(&o->r->arena, int64_t, o->number_count);
  if (!out->body || !out->numbers || !values) return false;
  for (size_t i = 0; i < o->number_count; i++) values[i] = o->constants[i]->as.i;
  out->values = values;
  out->number_count = o->number_count;
  return true;
}

/* As a function of its buffers, scalars and numbers. */
static bool print(outliner *o) {
  tni_outline *out = o->out;
  size_t count = out->buffer_count + out->scalar_count + out->number_count, n = 0;
  tni_param *params = TNI_NEW_ARRAY(&o->r->arena, tni_param, count);
  if (!params) return false;
  for (size_t i = 0; i < out->buffer_count; i++) params[n++].buffer = out->formal[i];
  for (size_t i = 0; i < out->scalar_count; i++) params[n++].scalar = out->scalars[i];
  for (size_t i = 0; i < out->number_count; i++) params[n++].scalar = out->numbers[i];
  tn_func func = {
      .name = "f", .level = TNI_LEVEL_LOOP, .param_count = (uint32_t)count, .params = params, .body = out->body};
  tni_text text;
  tni_text_init(&text, o->r->arena.ctx);
  tni_print_canonical(&text, &func);
  out->text = text.failed ? NULL : tni_arena_text(&o->r->arena, text.data);
  tni_text_destroy(&text);
  return out->text != NULL;
}

bool tni_outline_of(tni_region *r, const tn_func *func, const tn_stmt *loop, tni_outline *out) {
  outliner o = {.r = r, .out = out};
  *out = (tni_outline){0};
  const tn_stmt *body = bare_loop(r, loop);
  if (!body) return false;
  tni_stmt_visit(body, see_bound, &o);
  tni_stmt_visit(body, see_store, &o);
  tni_stmt_visit_exprs(r->arena.ctx, body, see_load_or_call, &o);
  out->owner = o.calls ? func : NULL;
  if (r->arena.failed || !find_bases(&o, body)) return false;
  body = tni_stmt_rewrite(r, body, rebase_expr, rebase_stmt, &o);
  if (!body) return false;
  find_scalars(&o, body);
  return !r->arena.failed && find_numbers(&o, body) && print(&o);
}

const tn_stmt *tni_outline_body(tni_region *r, const tni_outline *outline, const tn_expr *const *values) {
  tni_subst subst = {outline->number_count, outline->numbers, values};
  return tni_stmt_subst(r, outline->body, &subst);
}
