/* legal.c -- what may stand on which level: the table, which the manual shows (LANGUAGE.md) and the verifier asks.
 *
 * Graphs and plans are made by their readers and builders of what is theirs alone; functions are looked at here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "verify/verify.h"

enum { GRAPH = TNI_ON_GRAPH, TENSOR = TNI_ON_TENSOR, LOOP = TNI_ON_LOOP, PLAN = TNI_ON_PLAN };

/* clang-format off */
const tni_legal_row tni_legal[TNI_THING_COUNT] = {
#define ROW(name, what, levels) [TNI_THING_##name] = {what, levels},
    TNI_THINGS(ROW)
#undef ROW
};
/* clang-format on */

static const uint8_t loops[TNI_LOOP_KIND_COUNT] = {
    [TNI_SERIAL] = TNI_THING_serial,         [TNI_PARALLEL] = TNI_THING_parallel,
    [TNI_VECTORIZED] = TNI_THING_vectorized, [TNI_UNROLLED] = TNI_THING_unrolled,
    [TNI_OUTLINED] = TNI_THING_outlined,     [TNI_BLOCK_X] = TNI_THING_block_bound,
    [TNI_BLOCK_Y] = TNI_THING_block_bound,   [TNI_BLOCK_Z] = TNI_THING_block_bound,
    [TNI_THREAD_X] = TNI_THING_thread_bound, [TNI_THREAD_Y] = TNI_THING_thread_bound,
    [TNI_THREAD_Z] = TNI_THING_thread_bound,
};

static enum tni_thing thing_of(const tn_stmt *s) {
  switch (s->kind) {
  case TNI_FOR: return (enum tni_thing)loops[s->as.loop.kind];
  case TNI_BLOCK: return TNI_THING_block;
  case TNI_STORE: return TNI_THING_store;
  case TNI_REDUCE: return TNI_THING_reduce;
  case TNI_COPY: return TNI_THING_copy;
  case TNI_COMMIT:
  case TNI_WAIT: return TNI_THING_wait;
  case TNI_BARRIER: return TNI_THING_barrier;
  case TNI_PREFETCH: return TNI_THING_prefetch;
  case TNI_IF:
  case TNI_WHILE: return TNI_THING_branch;
  case TNI_ALLOC: return TNI_THING_alloc;
  case TNI_LET: return TNI_THING_let;
  case TNI_ASSERT:
  case TNI_ASSUME: return TNI_THING_claim;
  case TNI_EVALUATE: return TNI_THING_call;
  case TNI_SEQ:
  case TNI_STMT_KIND_COUNT: break;
  }
  assert(false); /* a sequence is taken apart before */
  return TNI_THING_store;
}

bool tni_verify_thing(tni_verifier *v, enum tni_thing thing, const void *mark) {
  bool loop = v->func->level == TNI_LEVEL_LOOP;
  if (tni_legal[thing].levels & (loop ? LOOP : TENSOR)) return true;
  return tni_verify_fail(v, mark, "%s do not belong to the %s level", tni_legal[thing].what, loop ? "loop" : "tensor");
}

bool tni_verify_legal(tni_verifier *v, const tn_stmt *s) { return tni_verify_thing(v, thing_of(s), s); }
