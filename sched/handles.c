/* handles.c -- handles of loops, blocks and sampled numbers: found again in the function as it stands, or gone, and since when.
 *
 * A loop is its variable, which is made once and never twice. A block is its name; since a name may be given again after
 * its block went, a handle that is older than the birth of a block of that name is not a handle of it.
 *
 * The handles of a fork go on behind those of its parent, which stay where they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

int32_t tni_add_handle(tn_schedule *s, tni_handle handle) {
  size_t own = s->handle_count - s->first_handle;
  if (!tni_reserve(s->ctx, (void **)&s->handles, &s->handle_capacity, own + 1, sizeof *s->handles)) return 0;
  handle.line = s->line_count;
  s->handles[own] = handle;
  return (int32_t)++s->handle_count;
}

int32_t tni_add_loop(tn_schedule *s, const tn_expr *var) {
  return tni_add_handle(s, (tni_handle){.kind = TNI_HANDLE_LOOP, .var = var});
}
int32_t tni_add_block(tn_schedule *s, const char *block) {
  return tni_add_handle(s, (tni_handle){.kind = TNI_HANDLE_BLOCK, .block = block});
}

tni_handle *tni_handle_at(const tn_schedule *s, int32_t handle) {
  if (handle < 1 || (size_t)handle > s->handle_count) return NULL;
  while ((size_t)handle <= s->first_handle) s = s->parent;
  return &s->handles[(size_t)handle - 1 - s->first_handle];
}

const tni_handle *tni_walk_handles(tni_handle_walk *w) {
  if (!w->left) return NULL;
  while (w->left <= w->s->first_handle) w->s = w->s->parent;
  return &w->s->handles[--w->left - w->s->first_handle];
}

/* What the handle names in the function as it stood behind that many lines, or NULL. */
static const tn_stmt *find_at(const tn_schedule *s, const tni_handle *h, const tn_func *func, size_t line) {
  if (h->kind != TNI_HANDLE_BLOCK) return h->var ? tni_find_loop(func->body, h->var) : NULL;
  for (const tni_birth *b = s->births; b; b = b->before)
    if (b->line > h->line && b->line <= line && strcmp(b->block, h->block) == 0) return NULL;
  return tni_find_block(func->body, h->block);
}

static const tn_stmt *find(const tn_schedule *s, int32_t handle, enum tni_handle_kind kind) {
  const tni_handle *h = tni_handle_at(s, handle);
  return h && h->kind == kind ? find_at(s, h, s->func, s->line_count) : NULL;
}

const tn_stmt *tni_handle_loop(const tn_schedule *s, tn_loop loop) { return find(s, loop, TNI_HANDLE_LOOP); }
const tn_stmt *tni_handle_block(const tn_schedule *s, tn_block_ref block) { return find(s, block, TNI_HANDLE_BLOCK); }

int tn_is_loop(const tn_schedule *s, tn_place place) { return tni_handle_loop(s, place) != NULL; }

const tni_line *tni_handle_end(const tn_schedule *s, const tni_handle *h) {
  for (const tni_line *line = s->last; line; line = line->before)
    if (find_at(s, h, line->before ? line->before->func : s->origin, line->number - 1)) return line;
  return NULL;
}

/* ---- births ---- */

enum { FEW_BLOCKS = 64 };

typedef struct birth_search {
  tn_schedule *s;
  const tn_func *old;
  const char *names[FEW_BLOCKS]; /* of the first blocks of `old`, which mostly come again in their order */
  size_t count, next;
  bool failed;
} birth_search;

static bool list_name(void *self, const tn_stmt *x) {
  birth_search *q = self;
  if (x->kind == TNI_BLOCK && q->count < FEW_BLOCKS) q->names[q->count++] = x->as.block.name;
  return x->kind != TNI_BLOCK;
}

static bool was_there(birth_search *q, const char *name) {
  for (size_t i = 0; i < q->count; i++) {
    size_t k = (q->next + i) % q->count;
    if (strcmp(q->names[k], name) != 0) continue;
    q->next = k + 1;
    return true;
  }
  return q->count == FEW_BLOCKS && tni_find_block(q->old->body, name);
}

static bool see_birth(void *self, const tn_stmt *x) {
  birth_search *q = self;
  if (x->kind != TNI_BLOCK) return true;
  if (was_there(q, x->as.block.name)) return false;
  tni_birth *b = TNI_NEW(&q->s->region.arena, tni_birth);
  q->failed |= !b;
  if (!b) return false;
  *b = (tni_birth){q->s->births, x->as.block.name, q->s->line_count};
  q->s->births = b;
  return false;
}

bool tni_note_births(tn_schedule *s, const tn_func *old) {
  birth_search q;
  q.s = s;
  q.old = old;
  q.count = q.next = 0;
  q.failed = false;
  tni_stmt_visit(old->body, list_name, &q);
  tni_stmt_visit(s->func->body, see_birth, &q);
  return !q.failed;
}
