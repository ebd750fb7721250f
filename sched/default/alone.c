/* alone.c -- sums that have no rows, and share nothing with others: how many vectors of them go side by side.
 *
 *     for tiles { S[0..n, lanes] = 0;  for sum { S[0..n, lanes] += .. };  out[tile] = epilogue(S) }
 *
 * Few wait for each other, as each adds to itself, and for memory. More are hardly faster, but all of it is written out
 * for each: where little is done, n is small (price.c). Where the last tile is not whole it has a body of its own, or all
 * have masks, which is cheaper.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

static const double WORTH_IT = 0.99; /* fewer vectors must be so much better */

enum {
  LEAST = 3, /* that wait hardly for each other, or for memory */
  MASK = 5   /* instructions of a vector that may not be there, or not whole */
};

/* Cycles of a vector's mask. Others than these go lane by lane, as lanes that are apart in memory do. */
static double mask_cycles(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  tni_strides q = tni_strides_of(p, block, block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var);
  bool has_masks = p->target->isa == TNI_ISA_X86_64 && p->target->vector_bits > 128;
  return has_masks && !q.near && !q.far ? 1 : 2 * (double)t->lanes;
}

void tni_choose_vectors(const tni_planner *p, const tn_stmt *block, int64_t extent, bool window, tni_tile *t) {
  const tn_stmt *epilogue = tni_epilogue_of(p, block);
  int64_t all = tni_divide_up(extent, t->lanes), most = p->target->vector_registers / 2;
  int64_t least = all < LEAST ? all : LEAST;
  double sum = 1 + tni_instructions_of(p, block), end = epilogue ? tni_instructions_of(p, epilogue) : 0, best = 0;
  double steps = tni_steps_of(block, tni_iter_of_dim(block, t->vector_dim)) / (double)t->steps;
  double mask = mask_cycles(p, block, t);
  t->rows = t->vectors = 1;
  for (int64_t vectors = most < all ? most : all; vectors >= least; vectors--) {
    double tiles = (double)tni_divide_up(all, vectors);
    double ends = tni_has_stage(p, block, epilogue, t, vectors) ? 1 : (double)vectors;
    double body = tni_price_of(sum * (double)vectors + end * ends);
    double asked = (double)(tni_divide_up(all, vectors) * vectors - all + (extent % t->lanes != 0));
    double cycles = steps * tiles * tni_step_cycles(p->target, 1, vectors, window);
    double masks = steps * tiles * mask + tni_price_of(MASK * asked);
    bool cut = tiles > 1 && extent % (vectors * t->lanes), whole = cut && masks < body;
    double cost = cycles + body + (!cut ? 0 : whole ? masks : body);
    if (best > 0 && cost > best * WORTH_IT) continue;
    best = cost;
    t->vectors = vectors;
    t->whole = whole;
  }
}
