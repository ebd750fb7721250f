/* facts.c -- what is known at a place: ranges of variables, and conditions that are true.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

void tni_facts_init(tni_facts *facts, tn_context *ctx) { *facts = (tni_facts){.ctx = ctx}; }

void tni_facts_destroy(tni_facts *facts) {
  tni_free(facts->ctx, facts->ranges, facts->capacity * sizeof *facts->ranges);
  tni_free(facts->ctx, facts->known, facts->known_capacity * sizeof *facts->known);
}

bool tni_facts_push(tni_facts *facts, const tn_expr *var, int64_t lo, int64_t hi) {
  if (!tni_reserve(facts->ctx, (void **)&facts->ranges, &facts->capacity, facts->count + 1, sizeof *facts->ranges))
    return false;
  facts->ranges[facts->count++] = (tni_range){var, lo, hi};
  return true;
}

void tni_facts_pop(tni_facts *facts, size_t to_count) { facts->count = to_count; }

bool tni_facts_know(tni_facts *facts, const tn_expr *cond) {
  if (cond->op == TN_OP_and && TN_TYPE_CODE(cond->type) == kDLBool)
    return tni_facts_know(facts, cond->arg[0]) && tni_facts_know(facts, cond->arg[1]);
  if (!tni_reserve(facts->ctx, (void **)&facts->known, &facts->known_capacity, facts->known_count + 1,
                   sizeof *facts->known))
    return false;
  facts->known[facts->known_count++] = cond;
  return true;
}

/* ---- ranges from conditions ---- */

/* The variable lies in lo..hi, too. */
static bool narrow(tni_facts *facts, const tn_expr *var, int64_t lo, int64_t hi) {
  tni_interval old = tni_interval_of(facts, var);
  if (var->op != TN_OP_var || (lo <= old.lo && hi >= old.hi)) return true;
  return tni_facts_push(facts, var, lo > old.lo ? lo : old.lo, hi < old.hi ? hi : old.hi);
}

/* a + distance <= b */
static bool learn_order(tni_facts *facts, const tn_expr *a, const tn_expr *b, int64_t distance) {
  tni_interval low = tni_interval_of(facts, a), high = tni_interval_of(facts, b);
  return narrow(facts, a, -TNI_INF, tni_clamp((__int128)high.hi - distance)) &&
         narrow(facts, b, tni_clamp((__int128)low.lo + distance), TNI_INF);
}

bool tni_facts_learn(tni_facts *facts, const tn_expr *cond) {
  if (cond->op == TN_OP_and && cond->type == TN_BOOL)
    return tni_facts_learn(facts, cond->arg[0]) && tni_facts_learn(facts, cond->arg[1]);
  if (tni_expr_reads(facts->ctx, cond)) return true;
  if (!tni_facts_know(facts, cond)) return false;
  if (cond->nargs != 2 || cond->arg[0]->type != TN_INDEX) return true;
  const tn_expr *a = cond->arg[0], *b = cond->arg[1];
  switch (cond->op) {
  case TN_OP_lt: return learn_order(facts, a, b, 1);
  case TN_OP_le: return learn_order(facts, a, b, 0);
  case TN_OP_eq: return learn_order(facts, a, b, 0) && learn_order(facts, b, a, 0);
  default: return true;
  }
}
