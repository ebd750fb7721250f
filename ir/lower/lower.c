/* lower.c -- tensor level to loop level: the list of rewrites, read top to bottom.
 *
 * needs: a verified function; one of the loop level only has its math expanded
 * gives: serial and parallel loops, flat subscripts, explicit vectors, core operators
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

static tn_status fail(tni_region *r, const tn_func *func, const char *why, tn_error **err) {
  if (!why) return tni_fail_nomem(err);
  return tni_fail(r->arena.ctx, err, TN_E_UNSUPPORTED, "lower", func->name, "%s", why);
}

/* All rewrites but the expansion of math; NULL without memory. */
static const tn_stmt *lower_tensor(tni_region *r, const tn_stmt *body) {
  tni_storage storage = {0};
  const tn_stmt *s = tni_stmt_simplify(r, body);
  if (!s || !tni_storage_plan(r, s, &storage)) return NULL;
  s = tni_lower_blocks(r, &storage, s);
  s = tni_stmt_simplify(r, s);
  s = tni_storage_apply(r, &storage, s);
  s = tni_lower_partition(r, s);
  s = tni_lower_flatten(r, s);
  s = tni_stmt_simplify(r, s);
  s = tni_lower_vectorize(r, s);
  s = tni_lower_unroll(r, s);
  return tni_stmt_simplify(r, s);
}

tn_status tni_lower(tni_region *r, const tn_func *func, const tn_func **out, tn_error **err) {
  const char *why = NULL;
  *out = NULL;
  const tn_stmt *s = func->body ? func->body : tni_seq(r, 0, NULL);
  if (s && func->level == TNI_LEVEL_TENSOR) s = lower_tensor(r, s);
  s = s ? tni_lower_math(r, s, &why) : NULL;
  const tn_func *lowered = tni_func_with_body(r, func, TNI_LEVEL_LOOP, s);
  if (!lowered || r->arena.failed) return fail(r, func, why, err);
  *out = lowered;
  return TN_OK;
}
