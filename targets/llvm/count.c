/* count.c -- quotients and remainders of a loop's variable by divisors that are no constants, as counters.
 *
 *     for i in a..n { .. i // p .. i % p .. }
 *       ->
 *     q = a // p; r = a % p; for i in a..n { .. q .. r ..; r = r + 1; if r == p { r = 0; q = q + 1 } }
 *
 * The same of i // p in the place of i: that goes on where r begins anew. Divisors are the numbers of code that kernels share
 * (share.c), which were constants above 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

typedef struct search {
  tni_ll_function *f;
  const tn_expr *var;
  tni_ll_counters *out;
} search;

/* ---- which there are ----------------------------------------------------------------------------------------------- */

/* Was it a constant, before others came to share the code? */
static bool is_number(const tni_ll_function *f, const tn_expr *x) {
  if (x->op == TN_OP_var) {
    const tni_ll_entry *entry = tni_ll_scope_find(&f->scope, x);
    return entry && entry->number;
  }
  bool is_sum = x->op == TN_OP_add || x->op == TN_OP_mul;
  return tni_is_const(x) ? x->as.i > 0 : is_sum && is_number(f, x->arg[0]) && is_number(f, x->arg[1]);
}

static bool is_division(const tn_expr *x) {
  return (x->op == TN_OP_floordiv || x->op == TN_OP_floormod) && x->type == TN_INDEX;
}

/* The counter of x // divisor and x % divisor; NULL: x does not go on by 1, or there are too many. */
static tni_ll_counter *counter_of(search *q, const tn_expr *x, const tn_expr *divisor) {
  tni_ll_counters *all = q->out;
  tni_ll_counter *below = NULL;
  for (size_t i = 0; i < all->count; i++)
    if (all->items[i].x == x && all->items[i].divisor == divisor) return &all->items[i];
  if (!is_number(q->f, divisor)) return NULL;
  if (x != q->var && x->op == TN_OP_floordiv) below = counter_of(q, x->arg[0], x->arg[1]);
  if ((x != q->var && !below) || all->count == TNI_LL_COUNTERS) return NULL;
  if (below) below->quotient = x;
  tni_ll_counter *made = &all->items[all->count++];
  *made = (tni_ll_counter){.x = x, .divisor = divisor, .below = below};
  return made;
}

static void see_division(void *self, const tn_expr *x) {
  if (!is_division(x) || tni_is_const(x->arg[1])) return;
  tni_ll_counter *c = counter_of(self, x->arg[0], x->arg[1]);
  if (c) *(x->op == TN_OP_floordiv ? &c->quotient : &c->remainder) = x;
}

void tni_ll_counters_find(tni_ll_function *f, const tn_expr *var, LLVMValueRef begin, const tn_stmt *body,
                          tni_ll_counters *out) {
  LLVMBuilderRef b = f->m->b;
  search q = {f, var, out};
  out->count = 0;
  if (!f->has_numbers) return;
  tni_stmt_visit_exprs(f->m->ctx, body, see_division, &q);
  for (size_t i = 0; i < out->count; i++) {
    tni_ll_counter *c = &out->items[i];
    LLVMValueRef from = c->below ? c->below->q : begin;
    bool at_0 = LLVMIsAConstantInt(from) && LLVMConstIntGetSExtValue(from) == 0;
    c->by = tni_ll_expr(f, c->divisor);
    c->q = at_0 ? from : LLVMBuildUDiv(b, from, c->by, "");
    c->r = at_0 ? from : LLVMBuildURem(b, from, c->by, "");
  }
}

/* ---- counting ------------------------------------------------------------------------------------------------------ */

static LLVMValueRef add_phi(tni_ll_function *f, LLVMValueRef first, LLVMBasicBlockRef before, const tn_expr *node) {
  LLVMValueRef phi = LLVMBuildPhi(f->m->b, f->m->i64, "");
  LLVMAddIncoming(phi, &first, &before, 1);
  if (node) tni_ll_scope_add(&f->scope, node, phi);
  return phi;
}

void tni_ll_counters_begin(tni_ll_function *f, tni_ll_counters *all, LLVMBasicBlockRef before) {
  for (size_t i = 0; i < all->count; i++) {
    tni_ll_counter *c = &all->items[i];
    c->r = add_phi(f, c->r, before, c->remainder);
    if (c->quotient) c->q = add_phi(f, c->q, before, c->quotient);
  }
}

void tni_ll_counters_next(tni_ll_function *f, tni_ll_counters *all) {
  tni_ll_module *m = f->m;
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(m->b);
  for (size_t i = 0; i < all->count; i++) {
    tni_ll_counter *c = &all->items[i];
    LLVMValueRef step = c->below ? LLVMBuildZExt(m->b, c->below->wraps, m->i64, "") : tni_ll_index(m, 1);
    LLVMValueRef r = LLVMBuildNSWAdd(m->b, c->r, step, ""), q;
    c->wraps = LLVMBuildICmp(m->b, LLVMIntEQ, r, c->by, "");
    r = LLVMBuildSelect(m->b, c->wraps, tni_ll_index(m, 0), r, "");
    LLVMAddIncoming(c->r, &r, &latch, 1);
    if (!c->quotient) continue;
    q = LLVMBuildNSWAdd(m->b, c->q, LLVMBuildZExt(m->b, c->wraps, m->i64, ""), "");
    LLVMAddIncoming(c->q, &q, &latch, 1);
  }
}
