/* threads.c -- what the threads of a block share: do all of them come to a barrier, and can all of them have the buffer?
 *
 * An expression is the same in all threads when it is made of what is bound outside of the loops over threads, and of
 * loops and lets whose extents and values are the same in all threads. What is loaded may be another thing in each of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verify/verify.h"

static int32_t threads_around(const tni_verifier *v) { return __builtin_popcount(v->bound >> TNI_THREAD_X); }

static tni_scoped *find(tni_verifier *v, const void *node) { return (tni_scoped *)tni_verify_find(v, node); }

/* ---- what differs -------------------------------------------------------------------------------------------------- */

typedef struct difference {
  tni_verifier *v;
  bool found;
} difference;

static void see_difference(void *self, const tn_expr *x) {
  difference *d = self;
  const tni_scoped *bound = x->op == TN_OP_var ? find(d->v, x) : NULL;
  d->found |= x->op == TN_OP_load || x->op == TN_OP_call || x->op == TNI_OP_ADDRESS || (bound && bound->varies);
}

bool tni_verify_varies(tni_verifier *v, const tn_expr *x) {
  difference d = {.v = v};
  if (threads_around(v)) tni_expr_visit(v->ctx, x, see_difference, &d);
  return d.found;
}

void tni_verify_set_addressed(tni_verifier *v, const tn_buffer *buffer) { find(v, buffer)->addressed = true; }

/* ---- barriers ------------------------------------------------------------------------------------------------------ */

const char *tni_verify_part(tni_verifier *v, bool parts, const char *why) {
  const char *before = v->parted;
  if (parts && threads_around(v) && !before) v->parted = why;
  return before;
}

bool tni_verify_barrier(tni_verifier *v) {
  if (v->blocks) return tni_verify_fail(v, NULL, "a barrier stands outside of blocks");
  if (!threads_around(v)) return tni_verify_fail(v, NULL, "a barrier stands in a loop over threads");
  v->barriers++;
  return !v->parted || tni_verify_fail(v, NULL, "%s", v->parted);
}

/* ---- copies -------------------------------------------------------------------------------------------------------- */

bool tni_verify_async(tni_verifier *v) {
  const tn_stmt **first = v->stmt->kind == TNI_COPY ? &v->copy : &v->wait;
  if (v->stmt->kind == TNI_WAIT && v->stmt->as.wait.pending < 0)
    return tni_verify_fail(v, NULL, "a negative number of groups cannot be pending");
  if (!*first) *first = v->stmt;
  v->waits |= v->stmt->kind == TNI_WAIT;
  return true;
}

void tni_verify_waits(tni_verifier *v) {
  v->stmt = v->copy ? v->copy : v->wait;
  if (v->copy && !v->waits) tni_verify_fail(v, NULL, "there is no wait for this copy");
  if (v->wait && !v->copy) tni_verify_fail(v, NULL, "there is no copy for this");
}

/* ---- buffers ------------------------------------------------------------------------------------------------------- */

bool tni_verify_scope(tni_verifier *v, const tn_buffer *buffer) {
  const tn_expr *held[TNI_BUFFER_EXPRS];
  for (int32_t i = tni_buffer_exprs(buffer, held); i > 0; i--)
    if (tni_verify_varies(v, held[i - 1])) find(v, buffer)->varies = true;
  if (buffer->scope != TNI_SCOPE_SHARED) return true;
  v->shared++;
  if (!tni_verify_thing(v, TNI_THING_shared, buffer)) return false;
  return !threads_around(v) ||
         tni_verify_fail(v, buffer, "a shared buffer is allocated outside of the loops over threads");
}

/* What lives across a barrier is there for all threads at once: with a dimension more for each loop over threads. */
void tni_verify_private(tni_verifier *v, const tn_stmt *alloc) {
  const tn_buffer *buffer = alloc->as.alloc.buffer;
  const tni_scoped *b = find(v, buffer);
  int32_t rank = buffer->rank > tni_memory_rank(buffer) ? buffer->rank : tni_memory_rank(buffer);
  if (!threads_around(v) || b->barriers == v->barriers) return;
  v->stmt = alloc;
  if (b->varies)
    tni_verify_fail(v, buffer, "`%s` lives across a barrier, so its extents must be the same in all threads", buffer->name);
  if (b->addressed)
    tni_verify_fail(v, buffer, "`%s` lives across a barrier, so its address cannot be taken", buffer->name);
  if (rank + threads_around(v) > TN_MAX_RANK)
    tni_verify_fail(v, buffer,
                    "`%s` lives across a barrier, and with a dimension for each loop over threads around has more than %d",
                    buffer->name, TN_MAX_RANK);
}
