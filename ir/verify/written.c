/* written.c -- what is read of a buffer of the function is written before.
 *
 * Refused is a read that, whenever the function runs to its end, sees an element that no write before it, in whatever
 * iteration, can have brought (cover.c). What stands under a condition or behind an assert is left out, since it may never
 * happen; so is what is not known, as data decide it or extents are symbolic. The interpreter reports those.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verify/verify.h"

static bool find_alloc(void *self, const tn_stmt *s) {
  *(bool *)self |= s->kind == TNI_ALLOC;
  return !*(bool *)self;
}

static void refuse(tni_verifier *v, const tni_access *read, const int64_t *where) {
  tni_text place;
  tni_text_init(&place, v->ctx);
  for (int32_t d = 0; d < read->buffer->rank; d++) tni_text_add(&place, "%s%lld", d ? ", " : "", (long long)where[d]);
  if (place.failed)
    tni_verify_nomem(v);
  else
    tni_findings_add(v->findings, v->func, read->store, read->load, "%s[%s] is read here, and nothing is written to it before",
                     read->buffer->name, place.data ? place.data : "");
  tni_text_destroy(&place);
}

bool tni_verify_written(tni_verifier *v) {
  tni_region scratch;
  tni_accesses accesses;
  bool allocates = false;
  tni_stmt_visit(v->func->body, find_alloc, &allocates);
  if (!allocates) return true;
  tni_region_init_below(&scratch, v->func);
  bool ok = tni_accesses_collect(&scratch, v->func->body, &accesses);
  for (size_t i = 0; i < accesses.count && ok; i++) {
    const tni_access *read = &accesses.items[i];
    int64_t where[TN_MAX_RANK];
    if (read->write || !read->store || tni_is_param(v->func, read->buffer)) continue;
    if (tni_is_unwritten(&scratch, &accesses, read, where)) refuse(v, read, where);
  }
  ok = ok && !scratch.arena.failed;
  tni_accesses_destroy(&accesses);
  tni_region_destroy(&scratch);
  return ok || tni_verify_nomem(v);
}
