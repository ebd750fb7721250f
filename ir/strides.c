/* strides.c -- how many registers the innermost loops of a form take for its numbers, were they no constants.
 *
 *     for k { x[k * p + a - b] .. x[k * p + c - d] }      p: the step of a pointer;  (c - d) - (a - b): a distance from it
 *
 * What is a constant takes none, nor do multiples of another distance by a power of 2, which addresses multiply by, nor what is
 * the same in all iterations: that is in the pointer with which the loop begins. So code has it (targets/llvm/advance.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

enum { MOST_BUFFERS = 32, MOST_TERMS = 4, MOST_STRIDES = 64 };

/* The end of a subscript. */
typedef struct summand {
  size_t number; /* the count of numbers: none of them */
  int sign;
} summand;

typedef struct inner_loop {
  tn_context *ctx;
  const tni_form *form;
  const tn_expr *var;
  tni_number_use *uses;
  size_t buffer_count;
  const tn_buffer *buffers[MOST_BUFFERS];
  summand first[MOST_BUFFERS]; /* of the first access to each */
} inner_loop;

static summand summand_of(const tni_form *form, const tn_expr *index) {
  while (index->op == TN_OP_ramp || index->op == TN_OP_broadcast) index = index->arg[0];
  bool sums = index->op == TN_OP_add || index->op == TN_OP_sub;
  size_t number = sums ? tni_form_number(form, index->arg[1]) : form->number_count;
  return (summand){number, number == form->number_count ? 0 : index->op == TN_OP_add ? 1 : -1};
}

/* An access: its number is a distance from that of the first one. */
static void see_access(inner_loop *l, const tn_buffer *buffer, const tn_expr *index) {
  size_t none = l->form->number_count, i = 0;
  summand s = summand_of(l->form, index);
  while (i < l->buffer_count && l->buffers[i] != buffer) i++;
  if (i == MOST_BUFFERS) return;
  if (i == l->buffer_count) {
    l->buffers[l->buffer_count++] = buffer;
    l->first[i] = s;
  }
  if (s.number != none) l->uses[s.number] = (tni_number_use){TNI_USE_DISTANCE, s.sign, l->first[i].sign, l->first[i].number};
}

/* A number of which nothing else is known takes a register. */
static void note(inner_loop *l, const tn_expr *x, enum tni_use use) {
  size_t i = tni_form_number(l->form, x);
  if (i < l->form->number_count && l->uses[i].use < use)
    l->uses[i] = (tni_number_use){use, 1, 0, l->form->number_count};
}

static void see_expr(void *self, const tn_expr *x) {
  inner_loop *l = self;
  if (x->op == TN_OP_load) see_access(l, x->as.buffer, x->arg[0]);
  bool numbers = false;
  for (int i = 0; i < x->nargs; i++) numbers |= tni_form_number(l->form, x->arg[i]) < l->form->number_count;
  if (!numbers) return;
  bool inside = tni_expr_uses(l->ctx, x, l->var);
  for (int i = 0; i < x->nargs; i++) note(l, x->arg[i], inside ? TNI_USE_REGISTER : TNI_USE_OUTSIDE);
}

static bool see_stmt(void *self, const tn_stmt *s) {
  inner_loop *l = self;
  if (tni_has_subscripts(s)) see_access(l, s->as.store.buffer, s->as.store.index[0]);
  return true;
}

static bool see_loop(void *self, const tn_stmt *s) {
  *(bool *)self |= s->kind == TNI_FOR;
  return !*(bool *)self;
}

typedef struct search {
  tn_context *ctx;
  const tni_form *form;
  tni_number_use *uses;
} search;

static bool see_innermost(void *self, const tn_stmt *s) {
  search *q = self;
  bool found = false;
  if (s->kind != TNI_FOR) return true;
  tni_stmt_visit(s->as.loop.body, see_loop, &found);
  if (found) return true;
  inner_loop l = {.ctx = q->ctx, .form = q->form, .var = s->as.loop.var, .uses = q->uses};
  tni_stmt_visit_exprs(q->ctx, s->as.loop.body, see_expr, &l);
  tni_stmt_visit(s->as.loop.body, see_stmt, &l);
  return false;
}

bool tni_form_uses(tni_arena *arena, tni_form *form) {
  tni_number_use *uses = TNI_NEW_ARRAY(arena, tni_number_use, form->number_count);
  search q = {arena->ctx, form, uses};
  if (!uses) return false;
  tni_stmt_visit(form->body, see_innermost, &q);
  form->uses = uses;
  return true;
}

/* ---- counted -------------------------------------------------------------------------------------------------------- */

/* A sum of parameters, each times what is beside it, and a constant. */
typedef struct sum {
  size_t count, of[MOST_TERMS];
  int64_t by[MOST_TERMS], plus;
} sum;

static void add_term(sum *s, size_t of, int64_t by) {
  size_t i = 0;
  while (i < s->count && s->of[i] != of) i++;
  if (i == s->count) {
    s->of[i] = of;
    s->by[s->count++] = 0;
  }
  s->by[i] += by;
}

static void add_number(sum *s, const tni_variation *v, size_t number, int sign) {
  const tni_multiple *n = &v->numbers[number];
  if (n->by) add_term(s, n->of, sign * n->by);
  if (n->more) add_term(s, n->more_of, sign * n->more);
  s->plus += sign * n->plus;
}

/* What the number is of as far as it is no constant; a distance has its constant in the address. */
static sum sum_of(const tni_form *form, const tni_variation *v, size_t number) {
  const tni_number_use *use = &form->uses[number];
  sum all = {0}, some = {0};
  if (use->use < TNI_USE_REGISTER) return some;
  add_number(&all, v, number, use->sign);
  if (use->from != form->number_count) add_number(&all, v, use->from, -use->from_sign);
  for (size_t i = 0; i < all.count; i++)
    if (all.by[i]) add_term(&some, all.of[i], all.by[i]);
  some.plus = use->use == TNI_USE_DISTANCE ? 0 : all.plus;
  return some;
}

static int64_t odd_part(int64_t x) { return x >> __builtin_ctzll((uint64_t)x); }

/* Are they one register, up to a power of 2? */
static bool is_same(const sum *a, const sum *b) {
  if (a->count != b->count || a->plus != b->plus) return false;
  bool one = a->count == 1;
  for (size_t i = 0; i < a->count; i++)
    if (a->of[i] != b->of[i] || (one ? odd_part(a->by[i]) != odd_part(b->by[i]) : a->by[i] != b->by[i])) return false;
  return true;
}

size_t tni_form_strides(const tni_form *form, const tni_variation *v) {
  sum seen[MOST_STRIDES];
  size_t count = 0;
  for (size_t i = 0; i < form->number_count && count < MOST_STRIDES; i++) {
    sum s = sum_of(form, v, i);
    size_t k = s.count ? 0 : count;
    while (k < count && !is_same(&s, &seen[k])) k++;
    if (s.count && k == count) seen[count++] = s;
  }
  return count;
}
