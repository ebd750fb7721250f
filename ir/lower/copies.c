/* copies.c -- copies done where they start.
 *
 *     copy S[t] = A[t]; commit; U; wait 0; V     ->     S[t] = A[t]; U; V
 *
 * Until somebody waits for it nobody looks at where a copy goes, or changes where it comes from, so that no time is better than
 * another, and a CPU has nothing to do in between. Commits and waits go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

static const tn_stmt *settle(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind == TNI_COMMIT || s->kind == TNI_WAIT) return tni_seq(r, 0, NULL);
  if (s->kind != TNI_COPY) return s;
  return tni_store(r, s->as.store.buffer, s->as.store.count, s->as.store.index, s->as.store.value, s->as.store.where);
}

const tn_stmt *tni_lower_copies(tni_region *r, const tn_stmt *body) {
  return body ? tni_stmt_rewrite(r, body, NULL, settle, NULL) : NULL;
}
