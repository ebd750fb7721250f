/* compute_inline.c -- an elementwise producer into its consumers.
 *
 *     block T(i) { T[i] = f(A[i]) }   block B(i) { B[i] = T[g(i)] }  ->  block B(i) { B[i] = f(A[g(i)]) }
 *
 * A consumer's predicated load T[e if c] becomes select(c, f, 0), and the loads in f get the condition c; where f is a load
 * that is all.
 *
 * needs: one store whose subscripts are the block's iterators, each once; all blocks that read T follow; T made in the function
 * refuses: a reduction; a guarded block; a consumer outside blocks; a producer whose inputs are written again later
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct inliner {
  const tn_buffer *buffer;
  const tn_expr *value;
  int32_t count;
  const tn_expr *const *vars; /* the iterator that is subscript i */
} inliner;

static const tn_expr *add_condition(void *self, tni_region *r, const tn_expr *x) {
  const tn_expr *cond = self;
  if (x->op != TN_OP_load) return x;
  return tni_load(r, x->type, x->as.buffer, (size_t)tni_load_count(x), x->arg, tni_conj(r, tni_load_where(x), cond));
}

static const tn_expr *replace_load(void *self, tni_region *r, const tn_expr *x) {
  const inliner *in = self;
  if (x->op != TN_OP_load || x->as.buffer != in->buffer) return x;
  tni_subst subst = {(size_t)in->count, in->vars, x->arg};
  const tn_expr *value = tni_expr_subst(r, in->value, &subst), *where = tni_load_where(x);
  if (!where || !value) return value;
  value = tni_expr_rewrite(r, value, add_condition, (void *)where);
  if (!value || value->op == TN_OP_load) return value;
  return tni_op3(r, TN_OP_select, where, value, tni_zero(r, x->type));
}

tn_status tni_apply_compute_inline(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const void *mark;
  const tn_stmt *block = tni_arg_block(step, 0);
  if (!block) return TN_E_REFUSED;
  const char *why = tni_why_not_movable(s, block, NULL, &mark);
  if (why) return tni_step_refuse(step, mark, "%s", why);
  const tn_stmt *store = tni_block_store(block);
  if (!store)
    return tni_step_refuse(step, block,
                           "the block does more than one store, or has lets\n"
                           "needs: compute_at, which computes it where it is read");
  if (block->as.block.init || store->as.store.count != block->as.block.count)
    return tni_step_refuse(step, block,
                           "a reduction cannot be inlined\n"
                           "needs: compute_at, which computes it where it is read");
  const char *name = block->as.block.name;
  inliner in = {store->as.store.buffer, store->as.store.value, store->as.store.count, store->as.store.index};
  const tn_stmt *body = tni_stmt_rewrite(r, s->func->body, replace_load, NULL, &in);
  return tni_step_accept(step, tni_drop_unused_allocs(r, tni_drop_block(r, body, name)));
}

tn_status tn_compute_inline(tn_schedule *s, tn_block_ref block, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block)};
  return tni_perform(s, TNI_PRIMITIVE_compute_inline, 1, args, 0, NULL, NULL, err);
}
