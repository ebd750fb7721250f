/* price.c -- what code costs beside the cycles that it saves.
 *
 * A process that has no code yet waits for LLVM, which takes some 15 us for each instruction that it is given. Written out,
 * a body that little is done in gives back less than that in all the calls that a model has. So what is written out is as
 * much as is worth it in a thousand calls: a step of many thousand cycles becomes as fast as it can be, and one of
 * hundreds is short.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

static const double INSTRUCTION = 60; /* cycles of each call that pay for one */
static const double STAGE = 3.5;      /* of a vector on its way through memory, and of a loop over it */

enum {
  MATH_FUNCTION = 24, /* instructions of an exponential and its kind */
  ACCESS = 2,         /* of a load or a store: the address, too */
  OPEN_EXTENT = 64    /* steps of a loop that are not known */
};

double tni_price_of(double instructions) { return INSTRUCTION * instructions; }

static void count_instructions(void *self, const tn_expr *x) {
  int *count = self;
  if (x->op == TN_OP_load)
    *count += ACCESS;
  else if (x->nargs && x->type != TN_INDEX)
    *count += x->op < TN_OP_COUNT && tni_ops[x->op].flags & TN_OPF_MATH ? MATH_FUNCTION : 1;
}

int tni_instructions_of(const tni_planner *p, const tn_stmt *block) {
  int count = ACCESS;
  const tn_stmt *store = tni_block_store(block);
  if (store) tni_expr_visit(p->s->ctx, store->as.store.value, count_instructions, &count);
  return count;
}

double tni_steps_of(const tn_stmt *block, int32_t but) {
  double steps = 1;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    const tn_expr *extent = block->as.block.iters[i].extent;
    if (i != but) steps *= tni_is_const(extent) ? (double)extent->as.i : OPEN_EXTENT;
  }
  return steps;
}

bool tni_is_tail_dear(const tni_planner *p, const tn_stmt *block, int64_t lanes) {
  return tni_price_of(tni_instructions_of(p, block)) > tni_steps_of(block, -1) / (double)lanes;
}

bool tni_is_loop_less(const tni_planner *p, const tn_stmt *block, int64_t bodies, double vectors) {
  return tni_price_of((double)(tni_instructions_of(p, block) * bodies)) > STAGE * vectors;
}
