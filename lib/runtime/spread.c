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

typedef struct spread {
  tn_parallel_body body;
  void *self;
  int64_t count;
  _Atomic int64_t next;
} spread;

static void *take_items(void *self) {
  spread *s = self;
  for (int64_t i; (i = atomic_fetch_add(&s->next, 1)) < s->count;) s->body(s->self, i, i + 1);
  return NULL;
}

int32_t tni_compile_width(tn_context *ctx) {
  return ctx->threads.compile_workers > 0 ? ctx->threads.compile_workers : tni_topology_get(ctx)->cores;
}

void tni_spread(tn_context *ctx, tn_parallel_body body, void *self, int64_t count) {
  spread s = {.body = body, .self = self, .count = count};
  pthread_t threads[MOST_THREADS];
  int32_t wanted = tni_compile_width(ctx) - 1, started = 0;
  sigset_t all, before;
  if (wanted > MOST_THREADS) wanted = MOST_THREADS;
  if (wanted >= count) wanted = count > 0 ? (int32_t)count - 1 : 0;
  atomic_init(&s.next, 0);
  sigfillset(&all); /* the host's handlers run on the host's threads */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (started < wanted && pthread_create(&threads[started], NULL, take_items, &s) == 0) started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  take_items(&s);
  while (started > 0) pthread_join(threads[--started], NULL);
}
