/* math.c -- math operators into the core operators that define them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

static const tn_expr *expand(void *self, tni_region *r, const tn_expr *x) {
  const char **why = self;
  if (x->op >= TN_OP_COUNT || !(tni_ops[x->op].flags & TN_OPF_MATH)) return x;
  return tni_math_expand(r, x, why);
}

const tn_stmt *tni_lower_math(tni_region *r, const tn_stmt *body, const char **why) {
  return tni_stmt_rewrite(r, body, expand, NULL, why);
}
