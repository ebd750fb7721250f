/* interp_team.c -- the threads of a block, which wait for each other at barriers.
 *
 *     for t in 0..32 bind thread.x { A; barrier shared; B }         A of all threads, in order; then B of all threads
 *
 * What has a barrier in it is run by the team as one: a sequence from barrier to barrier; a loop, or an if, by what its extent
 * or condition is in the first thread, since it is the same in all of them (verify/threads.c); an alloc or a let with one
 * memory or value for each thread. What has none is run by one thread after the other. A loop over threads inside makes of each
 * thread as many.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "interp.h"

/* What each thread has of its own while the team waits: the memory of an alloc, or the value of a let. */
typedef struct own {
  struct own *outer;
  const tni_action *action;
  tni_memory *memories; /* of an alloc, one for each thread; else NULL */
  tni_scalar *values;   /* of a let */
} own;

/* Threads are numbered through: those of the outer team count most. */
typedef struct team {
  struct team *outer;
  const tni_action *loop;
  size_t extent, count; /* of the loop; of all threads */
  tni_concurrent watch;
  own *owns;
  tni_async *copies; /* of each thread */
} team;

/* From here on the machine runs that thread. */
static void enter(tni_machine *m, team *t, size_t thread) {
  if (t->outer) enter(m, t->outer, thread / t->extent);
  t->watch.iteration = t->loop->vars[0].at->i = (int64_t)(thread % t->extent);
  m->async = &t->copies[thread];
  for (const own *o = t->owns; o; o = o->outer) {
    if (o->values) o->action->vars[0].at[0] = o->values[thread];
    if (o->memories) *o->action->memory = o->memories[thread];
  }
}

static bool run_together(tni_machine *m, team *t, const tni_action *a);

/* ---- what each thread does ----------------------------------------------------------------------------------------- */

static bool run_each(tni_machine *m, team *t, bool (*run)(tni_machine *m, const tni_action *a), const tni_action *a) {
  for (size_t i = 0; i < t->count; i++) {
    enter(m, t, i);
    if (!run(m, a)) return false;
  }
  return true;
}

static bool run_let(tni_machine *m, team *t, const tni_action *a) {
  own here = {t->owns, a, NULL, tni_alloc_zero(m->ctx, t->count * sizeof *here.values)};
  bool good = here.values || tni_machine_nomem(m);
  for (size_t i = 0; good && i < t->count; i++) {
    enter(m, t, i);
    good = tni_action_bind(m, a);
    here.values[i] = a->vars[0].at[0];
  }
  t->owns = &here;
  good = good && run_together(m, t, a->first);
  t->owns = here.outer;
  tni_free(m->ctx, here.values, t->count * sizeof *here.values);
  return good;
}

static bool end_memory(tni_machine *m, const tni_action *alloc) { return tni_async_end_memory(m, alloc->memory); }

static bool end_thread(tni_machine *m, const tni_action *loop) {
  (void)loop;
  return tni_async_end(m);
}

/* The memory is one for each thread, and the machine's between two of them. */
static bool run_alloc(tni_machine *m, team *t, const tni_action *a) {
  own here = {t->owns, a, tni_alloc_zero(m->ctx, t->count * sizeof *here.memories), NULL};
  bool good = here.memories || tni_machine_nomem(m);
  tni_memory *memory = a->memory;
  tni_memory_release(m, memory);
  for (size_t i = 0; good && i < t->count; i++) {
    enter(m, t, i);
    good = tni_action_allocate(m, a);
    here.memories[i] = *memory;
    memory->data = memory->written = NULL;
  }
  t->owns = &here;
  good = good && run_together(m, t, a->first) && run_each(m, t, end_memory, a);
  t->owns = here.outer;
  for (size_t i = 0; here.memories && i < t->count; i++) tni_memory_release(m, &here.memories[i]);
  memory->data = memory->written = NULL;
  tni_free(m->ctx, here.memories, t->count * sizeof *here.memories);
  return good;
}

/* ---- what they do together ----------------------------------------------------------------------------------------- */

static bool run_team(tni_machine *m, team *outer, const tni_action *loop) {
  team t = {.outer = outer, .loop = loop};
  tni_frame frame = {m->frame, loop};
  if (!tni_tape_run(m, loop->tape)) return false;
  int64_t extent = loop->tape->roots[0].at->i;
  if (extent <= 0) return true;
  t.extent = (size_t)extent;
  if (!tni_mul_size(outer ? outer->count : 1, t.extent, &t.count) || t.count > SIZE_MAX / sizeof(tni_memory))
    return tni_machine_nomem(m);
  tni_async *before = m->async;
  if (!(t.copies = tni_alloc_zero(m->ctx, t.count * sizeof *t.copies))) return tni_machine_nomem(m);
  m->frame = &frame;
  tni_concurrent_begin(m, &t.watch, loop->stmt);
  bool good = run_together(m, &t, loop->first) && run_each(m, &t, end_thread, loop);
  tni_concurrent_end(m, &t.watch);
  for (size_t i = 0; i < t.count; i++) tni_async_free(m, &t.copies[i]);
  tni_free(m->ctx, t.copies, t.count * sizeof *t.copies);
  m->async = before;
  if (good) m->frame = frame.parent;
  return good;
}

static bool run_loop(tni_machine *m, team *t, const tni_action *a) {
  tni_frame frame = {m->frame, a};
  if (tni_is_thread_bound(a->stmt->as.loop.kind)) return run_team(m, t, a);
  enter(m, t, 0);
  if (!tni_tape_run(m, a->tape)) return false;
  int64_t extent = a->tape->roots[0].at->i;
  m->frame = &frame;
  for (int64_t i = 0; i < extent; i++) {
    a->vars[0].at->i = i;
    if (!run_together(m, t, a->first)) return false;
  }
  m->frame = frame.parent;
  return true;
}

static bool run_if(tni_machine *m, team *t, const tni_action *a) {
  bool taken;
  enter(m, t, 0);
  if (!tni_tape_holds(m, a->tape, &taken)) return false;
  const tni_action *branch = taken ? a->first : a->second;
  return !branch || run_together(m, t, branch);
}

static void wait_all(team *t, enum tni_scope scope) {
  for (; t; t = t->outer) tni_concurrent_wait(&t->watch, scope);
}

/* Parts first..end have no barrier: one thread after the other runs them. */
static bool run_piece(tni_machine *m, team *t, const tni_action *seq, int32_t first, int32_t end) {
  for (size_t i = 0; i < t->count && first < end; i++) {
    enter(m, t, i);
    for (int32_t k = first; k < end; k++)
      if (!tni_action_run(m, seq->parts[k])) return false;
  }
  return true;
}

static bool run_seq(tni_machine *m, team *t, const tni_action *a) {
  int32_t count = a->stmt->as.seq.count, first = 0;
  for (int32_t i = 0; i < count; i++) {
    if (!a->parts[i]->waits) continue;
    if (!run_piece(m, t, a, first, i) || !run_together(m, t, a->parts[i])) return false;
    first = i + 1;
  }
  return run_piece(m, t, a, first, count);
}

static bool run_together(tni_machine *m, team *t, const tni_action *a) {
  if (!a->waits) return run_each(m, t, tni_action_run, a);
  if (!tni_machine_step(m)) return false;
  switch (a->stmt->kind) {
  case TNI_BARRIER: wait_all(t, a->stmt->as.barrier.scope); return true;
  case TNI_FOR: return run_loop(m, t, a);
  case TNI_IF: return run_if(m, t, a);
  case TNI_ALLOC: return run_alloc(m, t, a);
  case TNI_LET: return run_let(m, t, a);
  case TNI_ASSERT:
  case TNI_ASSUME: return run_each(m, t, tni_action_claim, a) && run_together(m, t, a->first);
  default: return run_seq(m, t, a);
  }
}

bool tni_team_run(tni_machine *m, const tni_action *loop) { return run_team(m, NULL, loop); }
