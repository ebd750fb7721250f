/* twice.c -- may iterations of a loop run once more, in their order, behind the last one?
 *
 *     for i in 0..10 { S[i] }   ->   for i in 0..8 { S[i] }  for i in 0..4 { S[i + 6] }
 *
 * The first time they leave what they would leave alone, and the next time the same again, when nothing that they write is
 * read by any of them: what they read is what was there before the loop. The last to write an element stays the last.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct twice_search {
  tn_schedule *s;
  const tn_stmt *loop;
  const char *why; /* not */
  const void *mark;
} twice_search;

typedef struct alloc_search {
  const tn_buffer *buffer;
  bool found;
} alloc_search;

static bool look_for_alloc(void *self, const tn_stmt *s) {
  alloc_search *q = self;
  q->found |= s->kind == TNI_ALLOC && s->as.alloc.buffer == q->buffer;
  return !q->found;
}

/* Has each iteration a buffer of its own? */
static bool is_made_inside(const tn_stmt *loop, const tn_buffer *b) {
  alloc_search q = {.buffer = b};
  tni_stmt_visit(loop->as.loop.body, look_for_alloc, &q);
  return q.found;
}

static bool look_at_write(void *self, const tn_stmt *s) {
  twice_search *q = self;
  if (!tni_is_write(s) || q->why || is_made_inside(q->loop, s->as.store.buffer)) return !q->why;
  tni_uses uses = tni_uses_of(q->s->ctx, q->loop, s->as.store.buffer);
  if (s->kind == TNI_STORE && !uses.readers && !uses.loose) return true;
  q->why = "what is written here is read in the loop, or outside of blocks, and would not be the same again";
  q->mark = s;
  return false;
}

const char *tni_why_not_twice(tn_schedule *s, const tn_stmt *loop, const void **mark) {
  twice_search q = {.s = s, .loop = loop};
  const char *why = tni_why_in_order(loop, mark);
  if (why) return why;
  tni_stmt_visit(loop->as.loop.body, look_at_write, &q);
  if (q.why) *mark = q.mark;
  return q.why;
}
