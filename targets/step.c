/* step.c -- is a statement one step of a tensor instruction, as a loop does it?
 *
 *     C[i, j] = cast(i32, B[k, j]) * cast(i32, cast(i16, A[i, k])) + C[i, j]      is one of dot4_u8s8
 *
 * Operands of commutative operators may have changed places, and what is cast to the type of the sum may have been
 * cast to a wider one before. A product and sum may be an fma where the instruction rounds otherwise than steps one
 * by one anyhow. What stands for a factor may be any expression of its type.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "targets.h"

typedef struct matcher {
  const tni_unit *unit;
  const tn_stmt *store;
  tni_unit_step found;
} matcher;

/* Is it the element that the store writes? */
static bool is_sum(const tn_stmt *store, const tn_expr *x) {
  if (x->op != TN_OP_load || tni_load_where(x) || x->as.buffer != store->as.store.buffer) return false;
  for (int32_t d = 0; d < store->as.store.count; d++)
    if (x->arg[d] != store->as.store.index[d]) return false;
  return true;
}

/* Does a cast keep all values? */
static bool keeps_values(tn_type from, tn_type to) {
  if (!tni_type_is_int(from) || !tni_type_is_int(to)) return false;
  bool sign = tni_type_is_signed(to) && !tni_type_is_signed(from);
  if (tni_type_is_signed(from) && !tni_type_is_signed(to)) return false;
  return TN_TYPE_BITS(to) >= TN_TYPE_BITS(from) + sign;
}

static bool take_operand(const tn_expr *x, tn_type type, const tn_expr **operand) {
  while (x->type != type && x->op == TN_OP_cast && keeps_values(x->arg[0]->type, x->type)) x = x->arg[0];
  if (x->type != type || (*operand && *operand != x)) return false;
  *operand = x;
  return true;
}

static bool take_element(matcher *m, const tn_expr *element, const tn_expr *x) {
  if (element->as.buffer == m->unit->left) return take_operand(x, m->unit->a, &m->found.x);
  if (element->as.buffer == m->unit->right) return take_operand(x, m->unit->b, &m->found.y);
  m->found.sum = x;
  return is_sum(m->store, x);
}

/* Are x[..] what the node's arguments are, in this order? What was taken before stays when not. */
static bool fits(matcher *m, const tn_expr *step, const tn_expr *x);
static bool fit_all(matcher *m, int count, const tn_expr *const *steps, const tn_expr *const *x) {
  tni_unit_step before = m->found;
  for (int i = 0; i < count; i++)
    if (!fits(m, steps[i], x[i])) return m->found = before, false;
  return true;
}

/* a * b + c */
static bool fits_fused(matcher *m, const tn_expr *step, const tn_expr *x) {
  if (m->unit->exact || step->op != TN_OP_add || step->arg[1]->op != TN_OP_mul || x->op != TN_OP_fma) return false;
  const tn_expr *parts[] = {step->arg[0], step->arg[1]->arg[0], step->arg[1]->arg[1]};
  const tn_expr *one[] = {x->arg[2], x->arg[0], x->arg[1]}, *other[] = {x->arg[2], x->arg[1], x->arg[0]};
  return fit_all(m, 3, parts, one) || fit_all(m, 3, parts, other);
}

static bool fits(matcher *m, const tn_expr *step, const tn_expr *x) {
  if (step->op == TN_OP_load) return take_element(m, step, x);
  if (x->type != step->type) return false;
  if (step->op == TN_OP_const) return tni_same_number(step, x);
  if (x->op != step->op || x->nargs != step->nargs) return fits_fused(m, step, x);
  if (fit_all(m, x->nargs, step->arg, x->arg)) return true;
  const tn_expr *swapped[] = {x->arg[x->nargs - 1], x->arg[0]};
  return (tni_ops[x->op].flags & TN_OPF_COMM) && fit_all(m, 2, step->arg, swapped);
}

bool tni_unit_is_step(const tni_unit *unit, const tn_stmt *store, tni_unit_step *out) {
  matcher m = {unit, store, {NULL, NULL, NULL}};
  *out = m.found;
  if (store->kind != TNI_STORE || store->as.store.where || !fits(&m, unit->step, store->as.store.value)) return false;
  *out = m.found;
  return true;
}
