/* form.c -- a function apart from its numbers: extents of loops, strides and offsets in subscripts, divisors, sizes of
 * scratch memory, what is added to floats or multiplied with them.
 *
 *     f(x: f32[64, 256], out: f32[64]) { for i in 0..64 parallel { for k in 0..256 { out[i] = out[i] + x[i * 256 + k] } } }
 *       ->
 *     (x, out; p, q, r) { for i in 0..p parallel { for k in 0..q { out[i] = out[i] + x[i * r + k] } } }   p = 64, q = r = 256
 *
 * Functions with one text in the middle can be one function, called with what stands below. Which numbers these are is chosen
 * so that its code is no slower:
 *
 *     extents, sums, products, limits   cost nothing: they are in registers, or wait on the stack for an outer loop
 *     sizes of scratch memory           cost nothing: the host is asked for them
 *     floats in sums and products       cost nothing: code reads them from memory in any case
 *     divisors                          of loops' variables cost nothing: quotient and remainder can be counted; others only where
 *                                       an iteration has enough to do beside the division: a constant divides faster
 *     strides of vectors, subscripts of what is on the stack, limits in lanes, factors below 0      stay in the text
 *
 * No number is below 0: what a sum has of those is subtracted. A function has no form that calls or asserts (whose messages have
 * its name), has outlined loops, parameters with an offset, or loops with notes, whose readers may want constants.
 *
 * needs: the loop level; nodes of the region r
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>

#include "ir.h"

enum { MAX_NUMBERS = 2048, MAX_LOOPS = 256, DIVISION_STORES = 1024 };

/* A loop, and the stores of one of its iterations. */
typedef struct loop_work {
  const tn_expr *var;
  double stores;
} loop_work;

typedef struct former {
  tni_region *r;
  const tn_func *func;
  const tni_param *formal; /* in the places of the function's parameters */
  bool plain, flipped; /* flipped: it divides what a constant is more than */
  size_t loop_count, count;
  loop_work loops[MAX_LOOPS];
  const tn_expr *numbers[MAX_NUMBERS];
  int64_t values[MAX_NUMBERS];
} former;

/* ---- has it a form? ------------------------------------------------------------------------------------------------- */

static bool see_stmt(void *self, const tn_stmt *s) {
  former *o = self;
  o->plain &= s->kind != TNI_ASSERT && s->kind != TNI_EVALUATE;
  if (s->kind != TNI_FOR) return o->plain;
  const tni_annotations *notes = &s->as.loop.notes;
  o->plain &= s->as.loop.kind <= TNI_PARALLEL && notes->count == (tni_find_annotation(*notes, TNI_WHOLE_NOTE) != NULL);
  return o->plain;
}

/* (d m - 1 - y) // d, which is m - 1 - y // d: so the simplifier leaves what was a row less. */
static bool is_flipped(const tn_expr *x) {
  if (x->op != TN_OP_floordiv || x->type != TN_INDEX || !tni_is_const(x->arg[1]) || x->arg[1]->as.i <= 0) return false;
  const tn_expr *from = x->arg[0]->op == TN_OP_sub ? x->arg[0]->arg[0] : NULL;
  return from && tni_is_const(from) && from->as.i < INT64_MAX && (from->as.i + 1) % x->arg[1]->as.i == 0;
}

static void see_expr(void *self, const tn_expr *x) {
  former *o = self;
  o->plain &= x->op != TN_OP_call && x->op != TNI_OP_ADDRESS;
  o->flipped |= is_flipped(x);
}

/* A quotient of a loop's variable can be counted. */
static const tn_expr *turn_back(void *self, tni_region *r, const tn_expr *x) {
  (void)self;
  if (!is_flipped(x)) return x;
  const tn_expr *rows = tni_index(r, (x->arg[0]->arg[0]->as.i + 1) / x->arg[1]->as.i - 1);
  return tni_sub(r, rows, tni_op2(r, TN_OP_floordiv, x->arg[0]->arg[1], x->arg[1]));
}

static bool is_plain(former *o) {
  o->plain = o->func->level == TNI_LEVEL_LOOP && o->func->body;
  for (uint32_t i = 0; i < o->func->param_count; i++)
    o->plain &= !o->func->params[i].buffer || !o->func->params[i].buffer->offset;
  if (o->plain) tni_stmt_visit(o->func->body, see_stmt, o);
  if (o->plain) tni_stmt_visit_exprs(o->r->arena.ctx, o->func->body, see_expr, o);
  return o->plain;
}

/* ---- what loops do -------------------------------------------------------------------------------------------------- */

/* How often the statement stores; loops in it are noted. */
static double weigh(former *o, const tn_stmt *s) {
  double stores = 0;
  if (!s) return 0;
  switch (s->kind) {
  case TNI_FOR:
    stores = weigh(o, s->as.loop.body);
    if (o->loop_count < MAX_LOOPS) o->loops[o->loop_count++] = (loop_work){s->as.loop.var, stores};
    return stores * (tni_is_const(s->as.loop.extent) ? (double)s->as.loop.extent->as.i : 1);
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) stores += weigh(o, s->as.seq.stmts[i]);
    return stores;
  case TNI_IF: return weigh(o, s->as.cond.then) + weigh(o, s->as.cond.otherwise);
  case TNI_WHILE: return weigh(o, s->as.repeat.body);
  case TNI_ALLOC:
  case TNI_LET:
  case TNI_ASSUME: return weigh(o, tni_rest(s));
  default: return 1;
  }
}

typedef struct least_work {
  const former *o;
  double stores;
} least_work;

/* A variable that is no loop's changes who knows how often. */
static void see_var(void *self, const tn_expr *x) {
  least_work *q = self;
  double stores = 0;
  if (x->op == TN_OP_load) q->stores = 0;
  if (x->op != TN_OP_var) return;
  for (size_t i = 0; i < q->o->loop_count; i++)
    if (q->o->loops[i].var == x) stores = q->o->loops[i].stores;
  for (size_t i = 0; i < q->o->count; i++)
    if (q->o->numbers[i] == x) stores = DBL_MAX;
  if (stores < q->stores) q->stores = stores;
}

/* Is there so much to do with each value of x that a division counts for nothing? */
static bool is_rare(const former *o, const tn_expr *x) {
  least_work q = {o, DBL_MAX};
  tni_expr_visit(o->r->arena.ctx, x, see_var, &q);
  return q.stores >= DIVISION_STORES;
}

/* Does x go on by 1, or not at all, from one iteration of a loop to the next? */
static bool is_counted(const former *o, const tn_expr *x) {
  if (x->op == TN_OP_floordiv) return is_counted(o, x->arg[0]);
  for (size_t i = 0; i < o->loop_count; i++)
    if (o->loops[i].var == x) return true;
  return false;
}

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

/* A variable in the place of the constant; the constant where it is negative, or there are too many. */
static const tn_expr *number_for(former *o, const tn_expr *constant) {
  if (o->count == MAX_NUMBERS || constant->as.i < 0) return constant;
  const tn_expr *var = tni_var(o->r, "p", TN_INDEX);
  o->values[o->count] = constant->as.i;
  if (var) o->numbers[o->count++] = var;
  return var;
}

/* With the constants in the place of their variables again. */
static const tn_expr *with_constant(void *self, tni_region *r, const tn_expr *x) {
  const former *o = self;
  for (size_t i = o->count; x->op == TN_OP_var && i-- > 0;)
    if (o->numbers[i] == x) return tni_index(r, o->values[i]);
  return x;
}

static bool is_local(const tn_buffer *b) { return b->scope != TNI_SCOPE_GLOBAL; }

static const tn_buffer *formal_of(const former *o, const tn_buffer *b) {
  for (uint32_t i = 0; i < o->func->param_count; i++)
    if (o->func->params[i].buffer == b) return o->formal[i].buffer;
  return b;
}

static bool takes_floats(const tn_expr *x) {
  bool plain = x->op == TN_OP_add || x->op == TN_OP_sub || x->op == TN_OP_mul || x->op == TN_OP_div || x->op == TN_OP_fma;
  return plain && TN_TYPE_WITH_LANES(x->type, 1) == TN_F32;
}

/* A variable with the constant's bits, in all its lanes; what it was where that is no constant, 0 or not finite. */
static const tn_expr *float_for(former *o, tni_region *r, const tn_expr *x) {
  const tn_expr *c = x->op == TN_OP_broadcast ? x->arg[0] : x;
  uint32_t bits;
  if (!tni_is_const(c) || c->as.f == 0 || !isfinite(c->as.f)) return x;
  memcpy(&bits, &(float){(float)c->as.f}, sizeof bits);
  const tn_expr *number = number_for(o, tni_index(r, bits));
  const tn_expr *value = number ? tni_reinterpret(r, TN_F32, tni_cast(r, TN_U32, number)) : NULL;
  return value && c != x ? tni_broadcast(r, value, TN_TYPE_LANES(x->type)) : value;
}

static const tn_expr *form_floats(former *o, tni_region *r, const tn_expr *x) {
  const tn_expr *args[3];
  for (int i = 0; i < x->nargs; i++)
    if (!(args[i] = float_for(o, r, x->arg[i]))) return NULL;
  return tni_with_args(r, x, args);
}

static const tn_expr *form_expr(void *self, tni_region *r, const tn_expr *x) {
  former *o = self;
  const tn_expr *args[2];
  if (takes_floats(x)) return form_floats(o, r, x);
  if (x->op == TN_OP_load) {
    const tn_expr *index = x->arg[0];
    if (is_local(x->as.buffer)) index = tni_expr_rewrite(r, index, with_constant, o);
    return tni_load(r, x->type, formal_of(o, x->as.buffer), 1, &index, tni_load_where(x));
  }
  bool divides = (x->op == TN_OP_floordiv || x->op == TN_OP_floormod) && x->type == TN_INDEX &&
                 tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0 &&
                 (is_counted(o, x->arg[0]) || is_rare(o, x->arg[0]));
  if (!divides && !tni_has_numbers(x)) return x;
  if (x->op == TN_OP_add && tni_is_const(x->arg[1]) && x->arg[1]->as.i < 0 && x->arg[1]->as.i > INT64_MIN)
    return tni_sub(r, x->arg[0], number_for(o, tni_index(r, -x->arg[1]->as.i)));
  for (int i = 0; i < 2; i++)
    if (!(args[i] = tni_is_const(x->arg[i]) ? number_for(o, x->arg[i]) : x->arg[i])) return NULL;
  return tni_with_args(r, x, args);
}

/* Scratch memory of another size. */
static const tn_stmt *form_alloc(former *o, tni_region *r, const tn_stmt *s) {
  tn_buffer form = *s->as.alloc.buffer;
  if (is_local(&form) || form.rank != 1 || form.strides || form.layout || !tni_is_const(form.shape[0])) return s;
  form.shape[0] = number_for(o, form.shape[0]);
  return form.shape[0] ? tni_alloc_swapped(r, s, tni_buffer_make(r, &form)) : NULL;
}

static const tn_stmt *form_stmt(void *self, tni_region *r, const tn_stmt *s) {
  former *o = self;
  if (s->kind == TNI_ALLOC) return form_alloc(o, r, s);
  if (s->kind == TNI_FOR && tni_is_const(s->as.loop.extent))
    return tni_for_like(r, s, s->as.loop.var, number_for(o, s->as.loop.extent), s->as.loop.kind, s->as.loop.body);
  if (!tni_has_subscripts(s)) return s;
  const tn_expr *index = s->as.store.index[0];
  if (is_local(s->as.store.buffer)) index = tni_expr_rewrite(r, index, with_constant, o);
  return tni_store_like(r, s, formal_of(o, s->as.store.buffer), 1, &index, s->as.store.value, s->as.store.where);
}

/* Which number the variable is, or the count of them. They are in order of creation. */
size_t tni_form_number(const tni_form *form, const tn_expr *var) {
  size_t low = 0, high = var->op == TN_OP_var ? form->number_count : 0;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (form->numbers[middle]->uid < var->uid)
      low = middle + 1;
    else
      high = middle;
  }
  return low < form->number_count && form->numbers[low] == var ? low : form->number_count;
}

/* ---- the form ------------------------------------------------------------------------------------------------------- */

/* Buffers without their shapes. */
static const tni_param *formal_params(tni_region *r, const tn_func *func) {
  tni_param *params = TNI_NEW_ARRAY(&r->arena, tni_param, func->param_count);
  for (uint32_t i = 0; params && i < func->param_count; i++) {
    const tn_buffer *b = func->params[i].buffer;
    params[i] = func->params[i];
    if (!b) continue;
    tn_buffer form = {.name = b->name, .type = b->type, .align = b->align, .rank = 1, .shape = {tni_index(r, 1)}};
    if (!form.shape[0] || !(params[i].buffer = tni_buffer_make(r, &form))) return NULL;
  }
  return params;
}

/* The body as a function with numbers behind its own parameters. */
static tn_func *function_of(tni_region *r, const tni_form *form, const char *name, size_t count,
                            const tn_expr *const *numbers, const tn_stmt *body) {
  tn_func *made = tni_arena_copy(&r->arena, form->func, sizeof *made);
  tni_param *params = TNI_NEW_ARRAY(&r->arena, tni_param, form->func->param_count + count);
  if (!made || !params || !body) return NULL;
  memcpy(params, form->formal, form->func->param_count * sizeof *params);
  for (size_t i = 0; i < count; i++) params[form->func->param_count + i].scalar = numbers[i];
  made->name = name;
  made->param_count += (uint32_t)count;
  made->params = params;
  made->body = body;
  made->region = r;
  return made;
}

static bool print(tni_region *r, tni_form *out) {
  const tn_func *all = function_of(r, out, "f", out->number_count, out->numbers, out->body);
  tni_text text;
  if (!all) return false;
  tni_text_init(&text, r->arena.ctx);
  tni_print_canonical(&text, all);
  out->text = text.failed ? NULL : tni_arena_text(&r->arena, text.data);
  tni_text_destroy(&text);
  return out->text != NULL;
}

static bool make(former *o, tni_form *out) {
  tni_arena *arena = &o->r->arena;
  out->formal = o->formal = formal_params(o->r, o->func);
  if (!o->formal) return false;
  const tn_stmt *body = o->func->body;
  if (o->flipped && !(body = tni_stmt_rewrite(o->r, body, turn_back, NULL, o))) return false;
  weigh(o, body);
  out->body = tni_stmt_rewrite(o->r, body, form_expr, form_stmt, o);
  out->number_count = o->count;
  out->numbers = tni_arena_copy(arena, o->numbers, o->count * sizeof *o->numbers);
  out->values = tni_arena_copy(arena, o->values, o->count * sizeof *o->values);
  if (!out->body || !out->numbers || !out->values || !tni_form_uses(arena, out)) return false;
  return !arena->failed && print(o->r, out);
}

bool tni_form_of(tni_region *r, const tn_func *func, tni_form *out) {
  *out = (tni_form){.func = func};
  former *o = TNI_NEW(&r->arena, former);
  if (!o) return false;
  o->r = r;
  o->func = func;
  return !is_plain(o) || make(o, out);
}

/* ---- what several share --------------------------------------------------------------------------------------------- */

typedef struct maker {
  const tni_form *form;
  const tni_variation *v;
} maker;

/* What a number is in all of the forms. In a sum its constant comes last, as accesses want it. */
static const tn_expr *put_number(void *self, tni_region *r, const tn_expr *x) {
  const maker *m = self;
  size_t i = tni_form_number(m->form, x);
  if (i < m->form->number_count) return tni_variation_number(r, m->v, m->form->numbers, i);
  if ((x->op != TN_OP_add && x->op != TN_OP_sub) || x->type != TN_INDEX) return x;
  const tn_expr *b = x->arg[1];
  if (b->op != TN_OP_add || !tni_is_const(b->arg[1])) return x;
  return tni_op2(r, x->op, tni_op2(r, x->op, x->arg[0], b->arg[0]), b->arg[1]);
}

const tn_func *tni_form_shared(tni_region *r, const tni_form *form, const tni_variation *v, const char *name) {
  maker m = {form, v};
  size_t count = 0;
  const tn_expr **parameters = TNI_NEW_ARRAY(&r->arena, const tn_expr *, v->parameter_count);
  if (!parameters) return NULL;
  for (size_t i = 0; i < form->number_count; i++)
    if (tni_variation_is_parameter(v, i)) parameters[count++] = form->numbers[i];
  const tn_stmt *body = tni_stmt_rewrite(r, form->body, put_number, NULL, &m);
  return function_of(r, form, name, count, parameters, body);
}
