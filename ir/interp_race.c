/* interp_race.c -- do iterations of a concurrent loop touch the same element, one of them writing it?
 *
 * While a loop runs whose iterations may run at the same time, it keeps for each element of memory that is older than the
 * iteration who read and who wrote it. Threads forget at a barrier what came before it. Reductions by one operator may
 * meet; a buffer of which lowering gives each iteration its own (ir/lower/storage.c) is no meeting place. Loops in loops
 * look each at their own iterations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "interp.h"

enum { NOBODY = -1, SEVERAL = -2, FIRST_SIZE = 64 };

/* An element, and the iterations that touched it. `op`: of the reductions that are all its writes, or -1. */
struct tni_touched {
  const tni_memory *memory; /* NULL: free */
  int64_t at, reader, writer;
  int op;
};

void tni_concurrent_begin(tni_machine *m, tni_concurrent *c, const tn_stmt *loop) {
  *c = (tni_concurrent){.parent = m->concurrent, .loop = loop, .depth = m->concurrent ? m->concurrent->depth + 1 : 1};
  m->concurrent = c;
}

void tni_concurrent_end(tni_machine *m, tni_concurrent *c) {
  tni_free(m->ctx, c->table, c->size * sizeof *c->table);
  m->concurrent = c->parent;
}

void tni_concurrent_wait(tni_concurrent *c, enum tni_scope scope) {
  for (size_t i = 0; i < c->size; i++) {
    tni_touched *t = &c->table[i];
    if (t->memory && (scope == TNI_SCOPE_GLOBAL || t->memory->buffer->scope == scope)) {
      t->reader = t->writer = NOBODY;
      t->op = -1;
    }
  }
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

static tni_touched *find(tni_touched *table, size_t size, const tni_memory *memory, int64_t at) {
  uint64_t hash = ((uint64_t)(uintptr_t)memory >> 4) * 31 + (uint64_t)at;
  size_t i = (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (size - 1);
  while (table[i].memory && (table[i].memory != memory || table[i].at != at)) i = (i + 1) & (size - 1);
  return &table[i];
}

static bool grow(tni_machine *m, tni_concurrent *c) {
  size_t size = c->size ? 2 * c->size : FIRST_SIZE;
  tni_touched *table = tni_alloc_zero(m->ctx, size * sizeof *table);
  if (!table) return tni_machine_nomem(m);
  for (size_t i = 0; i < c->size; i++)
    if (c->table[i].memory) *find(table, size, c->table[i].memory, c->table[i].at) = c->table[i];
  tni_free(m->ctx, c->table, c->size * sizeof *c->table);
  c->table = table;
  c->size = size;
  return true;
}

/* The element's entry, a new one if there was none. NULL: no memory. */
static tni_touched *entry_of(tni_machine *m, tni_concurrent *c, const tni_memory *memory, int64_t at) {
  if (2 * (c->used + 1) > c->size && !grow(m, c)) return NULL;
  tni_touched *t = find(c->table, c->size, memory, at);
  if (t->memory) return t;
  c->used++;
  *t = (tni_touched){memory, at, NOBODY, NOBODY, -1};
  return t;
}

/* ---- meetings ------------------------------------------------------------------------------------------------------ */

static bool is_other(int64_t who, int64_t iteration) { return who != NOBODY && who != iteration; }

static bool report(tni_machine *m, const tni_concurrent *c, const tni_place *access, uint32_t lane,
                   const tni_touched *t, bool write) {
  const char *verb = is_other(t->writer, c->iteration) ? "writes" : "reads";
  int64_t other = is_other(t->writer, c->iteration) ? t->writer : t->reader;
  tni_text text;
  tni_text_init(&text, m->ctx);
  tni_access_text(&text, access, lane);
  if (other == SEVERAL)
    tni_machine_fail(m, TN_E_INVALID, "iteration %lld of the concurrent loop `%s` %s %s, which others %s",
                     (long long)c->iteration, c->loop->as.loop.var->as.name, write ? "writes" : "reads", text.data,
                     is_other(t->writer, c->iteration) ? "write" : "read");
  else
    tni_machine_fail(m, TN_E_INVALID, "iteration %lld of the concurrent loop `%s` %s %s, which iteration %lld %s",
                     (long long)c->iteration, c->loop->as.loop.var->as.name, write ? "writes" : "reads", text.data,
                     (long long)other, verb);
  tni_text_destroy(&text);
  return false;
}

/* Has each iteration of the loop a buffer of its own, once lowered? A shared one is there for them to meet in. */
static bool is_private(tni_machine *m, const tni_concurrent *c, tni_memory *memory) {
  if (m->func->level != TNI_LEVEL_TENSOR || !memory->written || memory->buffer->scope == TNI_SCOPE_SHARED) return false;
  if (memory->own_in != c->loop && tni_is_private_to(&m->region, m->func->body, memory->buffer, c->loop))
    memory->own_in = c->loop;
  return memory->own_in == c->loop;
}

static bool touch(tni_machine *m, tni_concurrent *c, const tni_place *access, uint32_t lane, int64_t at, bool write,
                  int op) {
  tni_touched *t = entry_of(m, c, access->memory, at);
  if (!t) return false;
  bool reductions = write && op >= 0 && t->op == op && !is_other(t->reader, c->iteration);
  bool meets = is_other(t->writer, c->iteration) ? !reductions : write && is_other(t->reader, c->iteration);
  if (meets && !is_private(m, c, access->memory)) return report(m, c, access, lane, t, write);
  if (write) {
    t->op = t->writer == NOBODY || reductions ? op : -1;
    t->writer = t->writer == NOBODY || t->writer == c->iteration ? c->iteration : SEVERAL;
  } else {
    t->reader = t->reader == NOBODY || t->reader == c->iteration ? c->iteration : SEVERAL;
  }
  return true;
}

bool tni_concurrent_touch(tni_machine *m, const tni_place *access, uint32_t lane, int64_t at, bool write, int op) {
  for (tni_concurrent *c = m->concurrent; c && c->depth > access->memory->born; c = c->parent)
    if (!touch(m, c, access, lane, at, write, op)) return false;
  return true;
}
