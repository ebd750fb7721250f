/* bounds.c -- does a subscript surely leave its buffer?
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "verify/verify.h"

enum { MAX_EXACT_VARS = 16, MAX_EXACT_DEPTH = 24 };

typedef struct exact {
  const tn_expr *vars[MAX_EXACT_VARS];
  int count;
} exact;

/* The range of a sum of different variables with constant factors, when both ends are reached for sure. */
static bool exact_range(tni_verifier *v, exact *e, const tn_expr *x, int depth, __int128 *lo, __int128 *hi) {
  __int128 a, b, c, d;
  if (depth > MAX_EXACT_DEPTH) return false;
  if (tni_is_const(x)) {
    *lo = *hi = x->as.i;
    return true;
  }
  if (x->op == TN_OP_var) {
    const tni_scoped *bound = tni_verify_find(v, x);
    for (int i = 0; i < e->count; i++)
      if (e->vars[i] == x) return false;
    if (!bound || !bound->exact || e->count == MAX_EXACT_VARS) return false;
    int64_t first, last;
    tni_bounds(&v->facts, x, &first, &last);
    e->vars[e->count++] = x;
    *lo = first;
    *hi = last;
    return true;
  }
  bool product = x->op == TN_OP_mul && tni_is_const(x->arg[1]);
  if ((x->op != TN_OP_add && x->op != TN_OP_sub && !product) || !exact_range(v, e, x->arg[0], depth + 1, &a, &b) ||
      !exact_range(v, e, x->arg[1], depth + 1, &c, &d))
    return false;
  __int128 limit = (__int128)1 << 62;
  if (a < -limit || b > limit || c < -limit || d > limit) return false;
  if (product) {
    *lo = c < 0 ? b * c : a * c;
    *hi = c < 0 ? a * c : b * c;
  } else {
    *lo = x->op == TN_OP_add ? a + c : a - d;
    *hi = x->op == TN_OP_add ? b + d : b - c;
  }
  return true;
}

/* Elements along that subscript, or -1. */
static int64_t extent_along(const tni_verifier *v, const tn_buffer *buffer, int32_t i) {
  if (v->func->level == TNI_LEVEL_TENSOR) return tni_is_const(buffer->shape[i]) ? buffer->shape[i]->as.i : -1;
  return tni_buffer_constant_size(buffer);
}

bool tni_verify_bounds(tni_verifier *v, const tn_buffer *buffer, int32_t count, const tn_expr *const *index) {
  for (int32_t i = 0; i < count; i++) {
    const tn_expr *x = index[i];
    int64_t extent = extent_along(v, buffer, i), lo, hi;
    __int128 first, last;
    exact e = {.count = 0};
    if (extent < 0 || x->type != TN_INDEX) continue;
    tni_bounds(&v->facts, x, &lo, &hi);
    if (exact_range(v, &e, x, 0, &first, &last) && first > -TNI_INF && last < TNI_INF)
      lo = (int64_t)first, hi = (int64_t)last;
    else if (lo < extent && hi >= 0)
      continue;
    if (lo < 0 || hi >= extent) {
      char range[64];
      if (lo == hi)
        snprintf(range, sizeof range, "%lld", (long long)lo);
      else if (lo <= -TNI_INF || hi >= TNI_INF)
        snprintf(range, sizeof range, "always outside");
      else
        snprintf(range, sizeof range, "%lld..%lld", (long long)lo, (long long)hi);
      return tni_verify_fail(v, x, "a subscript of `%s` is %s, outside 0..%lld", buffer->name, range,
                             (long long)extent - 1);
    }
  }
  return true;
}
