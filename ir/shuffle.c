/* shuffle.c -- lanes of one vector, or of two one behind the other, picked by a list of their numbers:
 *
 *     shuffle(a, b, [0, 4, 1, 5])          with a and b of 4 lanes: a0 b0 a1 b1
 *     shuffle(a, [4, 5, 6, 7])             a slice; with one number an element
 *     shuffle(a, b, [0, 1, ... 7])         the two in one; of two scalars a pair
 *
 * The constructor leaves out an operand that no number names, and gives what is no shuffle its own form: the operand as it
 * is, a broadcast, an element of a ramp.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "text.h"

const char *tni_check_shuffle(size_t operands, const tn_expr *const *args, size_t count, const uint32_t *lanes) {
  tn_type lane = TN_TYPE_WITH_LANES(args[0]->type, 1);
  uint64_t all = (uint64_t)operands * TN_TYPE_LANES(args[0]->type);
  if (!tni_is_element_type(lane) && lane != TN_INDEX) return "only numbers and bools can be shuffled";
  if (operands > 1 && args[1]->type != args[0]->type) return "the operands of a shuffle have different types";
  for (size_t i = 0; i < count; i++)
    if (lanes[i] >= all) return "the list has a number that is no lane of the operands";
  return NULL;
}

/* The scalar in lane k of x, when it is a node of its own; else NULL. */
static const tn_expr *scalar_at(tni_region *r, const tn_expr *x, uint32_t k) {
  if (TN_TYPE_LANES(x->type) == 1) return x;
  if (x->op == TN_OP_broadcast) return x->arg[0];
  if (x->op != TN_OP_ramp) return NULL;
  const tn_expr *steps = tni_const_int(r, x->arg[1]->type, k);
  return tni_add(r, x->arg[0], tni_mul(r, x->arg[1], steps));
}

/* The one scalar that all the lanes are; else NULL. */
static const tn_expr *common_scalar(tni_region *r, const tn_expr *const *args, size_t count, const uint32_t *lanes) {
  uint32_t each = TN_TYPE_LANES(args[0]->type);
  const tn_expr *first = NULL;
  for (size_t i = 0; i < count; i++) {
    const tn_expr *x = scalar_at(r, args[lanes[i] / each], lanes[i] % each);
    if (!x || (first && x != first)) return NULL;
    first = x;
  }
  return first;
}

/* Which operands the numbers name: 1 the first, 2 the second, 3 both. */
static int named_operands(uint32_t each, size_t count, const uint32_t *lanes) {
  int named = 0;
  for (size_t i = 0; i < count; i++) named |= lanes[i] < each ? 1 : 2;
  return named;
}

static bool is_identity(uint32_t each, size_t count, const uint32_t *lanes) {
  for (size_t i = 0; i < count; i++)
    if (lanes[i] != i) return false;
  return count == each;
}

const tn_expr *tni_shuffle(tni_region *r, size_t operands, const tn_expr *const *args, size_t count,
                           const uint32_t *lanes) {
  if (!args[0] || !args[operands - 1]) return NULL;
  assert(!tni_check_shuffle(operands, args, count, lanes) && count > 0);
  uint32_t each = TN_TYPE_LANES(args[0]->type);
  int named = named_operands(each, count, lanes);
  const tn_expr *scalar = common_scalar(r, args, count, lanes);
  if (scalar) return tni_broadcast(r, scalar, (uint32_t)count);
  uint32_t *kept = tni_arena_copy(&r->arena, lanes, count * sizeof *lanes);
  if (!kept) return NULL;
  for (size_t i = 0; named == 2 && i < count; i++) kept[i] -= each;
  const tn_expr *const *used = named == 2 ? args + 1 : args;
  if (named < 3 && is_identity(each, count, kept)) return *used;
  tn_expr head = {.op = TN_OP_shuffle, .type = TN_TYPE_WITH_LANES(args[0]->type, (uint32_t)count), .as.lanes = kept};
  return tni_region_intern(r, &head, named == 3 ? 2 : 1, used);
}
