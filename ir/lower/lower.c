/* lower.c -- tensor level to loop level: the list of rewrites, read top to bottom.
 *
 * needs: a verified tensor-level function
 * gives: serial and parallel loops, flat subscripts, explicit vectors, core operators
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

static tn_status fail(tni_region *r, const tn_func *func, const char *why, tn_error **err) {
  if (!why) return tni_fail_nomem(err);
  return tni_fail(r->arena.ctx, err, TN_E_UNSUPPORTED, "lower", func->name, "%s", why);
}

tn_status tni_lower(tni_region *r, const tn_func *func, const tn_func **out, tn_error **err) {
  const char *why = NULL;
  *out = NULL;
  if (func->level == TNI_LEVEL_LOOP) {
    *out = func;
    return TN_OK;
  }
  tni_storage storage = {0};
  const tn_stmt *s = func->body ? tni_stmt_simplify(r, func->body) : tni_seq(r, 0, NULL);
  if (!s || !tni_storage_plan(r, s, &storage)) return tni_fail_nomem(err);
  s = tni_lower_blocks(r, &storage, s);
  s = tni_stmt_simplify(r, s);
  s = tni_storage_apply(r, &storage, s);
  s = tni_lower_partition(r, s);
  s = tni_lower_flatten(r, s);
  s = tni_stmt_simplify(r, s);
  s = tni_lower_vectorize(r, s);
  s = tni_lower_unroll(r, s);
  s = tni_stmt_simplify(r, s);
  s = s ? tni_lower_math(r, s, &why) : NULL;
  const tn_func *lowered = tni_func_with_body(r, func, TNI_LEVEL_LOOP, s);
  if (!lowered || r->arena.failed) return fail(r, func, why, err);
  *out = lowered;
  return TN_OK;
}
