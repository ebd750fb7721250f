/* interp_async.c -- copies on their way.
 *
 *     copy S[t] = A[t]     what A[t] is now is kept; S[t] is that when the thread has waited for it
 *
 * Compiled code may copy at any time between, so nobody may see when: whoever reads or writes the element a copy goes to, or
 * writes the one that it comes from, is told. A thread is an iteration of the loops around that are parallel or bound to the
 * grid; each has its copies, and groups of them. The lanes of a vector are copies of their own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "interp.h"

enum { FIRST_SIZE = 64 };

/* A copy that was started. */
struct tni_flight {
  tni_memory *memory; /* where it goes */
  void *data;         /* of that memory, and of where it comes from (NULL: from a condition that was false) */
  const void *source;
  int64_t at, source_at;
  int64_t group; /* commits before it */
  tni_scalar value;
  bool flat;
  int32_t count;
  tni_scalar index[TN_MAX_RANK]; /* of the element it goes to */
};

/* ---- elements under way -------------------------------------------------------------------------------------------- */

static tni_pending *find(tni_pending *table, size_t size, const void *data, int64_t at) {
  uint64_t hash = ((uint64_t)(uintptr_t)data >> 4) * 31 + (uint64_t)at;
  size_t i = (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (size - 1);
  while (table[i].data && (table[i].data != data || table[i].at != at)) i = (i + 1) & (size - 1);
  return &table[i];
}

/* Twice the room, without those that have arrived. */
static bool grow(tni_machine *m) {
  size_t size = m->pending_size ? 2 * m->pending_size : FIRST_SIZE;
  tni_pending *table = tni_alloc_zero(m->ctx, size * sizeof *table);
  if (!table) return tni_machine_nomem(m);
  m->pending_used = 0;
  for (size_t i = 0; i < m->pending_size; i++) {
    const tni_pending *p = &m->pending[i];
    if (!p->reads && !p->writes) continue;
    *find(table, size, p->data, p->at) = *p;
    m->pending_used++;
  }
  tni_free(m->ctx, m->pending, m->pending_size * sizeof *m->pending);
  m->pending = table;
  m->pending_size = size;
  return true;
}

/* So many more copies are on their way from the element, and to it. False: no memory. */
static bool count_copy(tni_machine *m, const void *data, int64_t at, uint32_t reads, uint32_t writes) {
  if (2 * (m->pending_used + 1) > m->pending_size && !grow(m)) return false;
  tni_pending *p = find(m->pending, m->pending_size, data, at);
  m->pending_used += !p->data;
  *p = (tni_pending){data, at, p->reads + reads, p->writes + writes};
  return true;
}

bool tni_async_allows(tni_machine *m, const tni_place *access, uint32_t lane, int64_t at, bool write) {
  if (!m->pending_size) return true;
  const tni_pending *p = find(m->pending, m->pending_size, access->memory->data, at);
  if (!p->writes && !(write && p->reads)) return true;
  tni_text text;
  tni_text_init(&text, m->ctx);
  tni_access_text(&text, access, lane);
  tni_machine_fail(m, TN_E_INVALID, "%s is %s while a copy %s it is pending", text.data, write ? "written" : "read",
                   p->writes ? "to" : "from");
  tni_text_destroy(&text);
  return false;
}

/* ---- starting ------------------------------------------------------------------------------------------------------ */

bool tni_async_start(tni_machine *m, const tni_action *a, uint32_t lane, int64_t at, tni_scalar value) {
  tni_async *q = m->async;
  const tni_place *to = &a->access, *from = a->source;
  tni_flight f = {.memory = to->memory, .data = to->memory->data, .at = at, .group = q->commits, .value = value,
                  .flat = to->flat, .count = to->count};
  for (int32_t i = 0; i < to->count; i++) f.index[i].i = tni_lane(&to->index[i], lane);
  if (!tni_reserve(m->ctx, (void **)&q->items, &q->capacity, q->count + 1, sizeof *q->items))
    return tni_machine_nomem(m);
  if (!from->guarded || tni_lane(&from->where, lane)) {
    f.source = from->memory->data;
    if (!tni_place_locate(m, from, lane, &f.source_at) || !tni_async_allows(m, from, lane, f.source_at, false) ||
        !count_copy(m, f.source, f.source_at, 1, 0))
      return false;
  }
  if (!count_copy(m, f.data, at, 0, 1)) return false;
  q->items[q->count++] = f;
  m->pending_count++;
  return true;
}

/* ---- arriving ------------------------------------------------------------------------------------------------------ */

/* The other threads meet the element once more: they may have gone on to another barrier. */
static bool arrive(tni_machine *m, tni_flight *f) {
  tni_memory *memory = f->memory;
  tni_place place = {.memory = memory, .count = f->count, .flat = f->flat};
  for (int32_t i = 0; i < f->count; i++) place.index[i] = (tni_operand){.at = &f->index[i]};
  find(m->pending, m->pending_size, f->data, f->at)->writes--;
  if (f->source) find(m->pending, m->pending_size, f->source, f->source_at)->reads--;
  m->pending_count--;
  if (m->concurrent && !tni_concurrent_touch(m, &place, 0, f->at, true, -1)) return false;
  tni_write_element(memory->buffer->type, f->data, f->at, f->value);
  if (memory->written) memory->written[f->at >> 3] |= (uint8_t)(1u << (f->at & 7));
  return true;
}

/* All copies before that group. */
static bool wait_until(tni_machine *m, int64_t group) {
  tni_async *q = m->async;
  size_t done = 0;
  while (done < q->count && q->items[done].group < group)
    if (!arrive(m, &q->items[done++])) return false;
  q->count -= done;
  if (q->count) memmove(q->items, q->items + done, q->count * sizeof *q->items);
  return true;
}

bool tni_async_wait(tni_machine *m, int64_t pending) { return wait_until(m, m->async->commits - pending); }

bool tni_async_end(tni_machine *m) { return wait_until(m, INT64_MAX); }

bool tni_async_end_memory(tni_machine *m, const tni_memory *memory) {
  bool touches = false;
  for (size_t i = 0; i < m->async->count; i++)
    touches |= m->async->items[i].data == memory->data || m->async->items[i].source == memory->data;
  return !touches || tni_async_end(m);
}

void tni_async_free(tni_machine *m, tni_async *q) { tni_free(m->ctx, q->items, q->capacity * sizeof *q->items); }
