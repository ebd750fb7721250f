/* spread.c -- the work of compilation on the threads that a host grants to it.
 *
 * Weights are turned, packed and copied while a model is compiled. The host's executor and the pool are for kernels, and
 * may be one thread; the compile workers are not busy yet. So these are threads that live as long as the work.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "lib.h"

enum { MOST_THREADS = 16 }; /* it is memory that they wait for */

struct tni_spreading {
  tn_context *ctx;
  tn_parallel_body body;
  void *self;
  int64_t count;
  _Atomic int64_t next;
  pthread_t threads[MOST_THREADS];
  int32_t started;
};

static void *take_items(void *self) {
  tni_spreading *s = self;
  for (int64_t i; (i = atomic_fetch_add(&s->next, 1)) < s->count;) s->body(s->self, i, i + 1);
  return NULL;
}

int32_t tni_compile_width(tn_context *ctx) {
  return ctx->threads.compile_workers > 0 ? ctx->threads.compile_workers : tni_topology_get(ctx)->cores;
}

/* Up to so many threads. */
static void start(tni_spreading *s, int64_t wanted) {
  sigset_t all, before;
  int64_t most = tni_compile_width(s->ctx) - 1;
  if (most > MOST_THREADS) most = MOST_THREADS;
  if (wanted > most) wanted = most;
  sigfillset(&all); /* the host's handlers run on the host's threads */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (s->started < wanted && pthread_create(&s->threads[s->started], NULL, take_items, s) == 0) s->started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void finish(tni_spreading *s) {
  take_items(s);
  while (s->started > 0) pthread_join(s->threads[--s->started], NULL);
}

void tni_spread(tn_context *ctx, tn_parallel_body body, void *self, int64_t count) {
  tni_spreading s = {.ctx = ctx, .body = body, .self = self, .count = count};
  start(&s, count - 1);
  finish(&s);
}

tni_spreading *tni_spread_begin(tn_context *ctx, tn_parallel_body body, void *self, int64_t count) {
  tni_spreading *s = tni_alloc_zero(ctx, sizeof *s);
  if (!s) return NULL;
  s->ctx = ctx;
  s->body = body;
  s->self = self;
  s->count = count;
  start(s, count);
  return s;
}

void tni_spread_end(tni_spreading *s) {
  if (!s) return;
  finish(s);
  tni_free(s->ctx, s, sizeof *s);
}
