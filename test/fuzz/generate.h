/* generate.h -- random functions over the whole language: every type, operator and statement, on the tensor and the loop
 * level, always with a meaning.
 *
 * What keeps them meaningful: a subscript is made to lie inside (by a remainder, by clamps, by a condition); what a
 * function allocates is filled first; inside a concurrent loop a buffer is either only read, or one dimension of it is
 * pinned to the loop's variable, between barriers the same way in all threads; what a copy is on its way to is not touched;
 * the payload of a NaN is never looked at. Sizes are small and seldom powers of two.
 *
 * The same seed gives the same function on every machine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_FUZZ_GENERATE_H
#define TEST_FUZZ_GENERATE_H

#include "generate_stmts.h"

/* A function of the program's region, not added to it; NULL without memory. */
static inline const tn_func *gen_func_of(tn_program *program, const char *name, uint64_t seed, bool racy) {
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 11;
  int waits = 0;
  generator g = {.r = &program->region, .state = &state, .nodes = 60, .racy = racy, .waits = &waits};
  for (int k = 0; k < 3; k++) gen_random(&state);
  g.level = gen_one_in(&g, 3) ? TNI_LEVEL_LOOP : TNI_LEVEL_TENSOR;
  g.nodes = (int)gen_pick(&g, 4, gen_one_in(&g, 4) ? 90 : 30);
  tni_param *params = TNI_NEW_ARRAY(&g.r->arena, tni_param, 8);
  tn_func *func = TNI_NEW(&g.r->arena, tn_func);
  if (!params || !func) return NULL;
  uint32_t count = 0;
  for (int64_t k = gen_pick(&g, 1, 4); k > 0; k--) {
    g.places[g.place_count] = gen_new_place(&g, "A", TNI_SCOPE_GLOBAL);
    params[count++].buffer = g.places[g.place_count++].buffer;
  }
  for (int64_t k = gen_pick(&g, 0, 2); k > 0; k--) {
    char text[32];
    tn_type type = gen_type(&g);
    g.scalars[g.scalar_count] = tni_var(g.r, gen_name(&g, "s", text), type);
    params[count++].scalar = g.scalars[g.scalar_count++];
  }
  g.param_scalars = g.scalar_count;
  *func = (tn_func){.name = tni_arena_text(&g.r->arena, name),
                    .level = g.level,
                    .param_count = count,
                    .params = params,
                    .body = gen_stmts(&g, (int)gen_pick(&g, 1, 5)),
                    .program = program};
  return func->name && func->body ? func : NULL;
}

static inline const tn_func *gen_func(tn_program *program, const char *name, uint64_t seed) {
  return gen_func_of(program, name, seed, false);
}

#endif
