/* pool.c -- the thread pool: parallel regions over ranges that threads claim as they become free.
 *
 * Each thread has a share of the ranges, the same one in every region of so many: what it read there last time may be
 * in its cache still. Who is done with its own goes on with those of the others.
 *
 * A region is open while its caller still finds ranges to claim. A worker joins an open region, or comes too late and
 * is not missed: the caller works as well, closes the region when no range is left, and waits only for those who
 * joined. So a worker that the system does not run (other load, a fork) delays nobody.
 *
 *     caller   write job, open gate, epoch + 1, wake sleepers  ->  claim ranges  ->  close gate, wait for 0 joined
 *     worker   wait for a new epoch  ->  join through the gate  ->  claim ranges  ->  leave
 *
 * Some kernels wake a sleeper on the core of the one that wakes it, where both take turns while other cores are idle. A
 * worker that finds itself there bars itself from that core, and from then on the caller bars it from the one where it
 * opens a region, before it wakes it.
 *
 * Waiting is a short spin, then sleep on a futex: no lock that a fork could leave held. The flags that somebody sleeps
 * and the words they watch are sequentially consistent: either the sleeper sees the change, or the changer sees the
 * sleeper.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

enum { GATE_OPEN = 1 << 30, CACHE_LINE = 64, RANGES_PER_THREAD = 4, PAUSES_PER_LOOK = 16, STACK_BYTES = 8 << 20 };
static const double SPIN_SECONDS = 20e-6;

/* Ranges of one thread, and where it may run. */
typedef struct share {
  _Alignas(CACHE_LINE) _Atomic int64_t next; /* to claim */
  int64_t end;
  atomic_int barred;      /* 1 + the core that it leaves to the caller; 0: none */
  atomic_flag turning;    /* somebody changes what follows */
  cpu_set_t allowed, own; /* by the host; without that core */
} share;

typedef struct pool {
  tn_context *ctx;
  int32_t width; /* threads that may work on a region, the caller among them */
  int32_t started;
  pid_t process; /* that started the threads */
  pthread_t *threads;
  share *shares; /* of the caller, then of the workers; `width` of them */

  /* The job: written while the gate is closed and nobody is in. */
  tn_parallel_body body;
  void *closure;
  int64_t count, range;
  atomic_int caller_cpu; /* where the region was opened; below 0: not known */

  _Alignas(CACHE_LINE) atomic_uint gate; /* GATE_OPEN | how many workers are in */
  atomic_bool caller_sleeps;
  _Alignas(CACHE_LINE) atomic_uint epoch; /* + 1 for each region, and to stop */
  atomic_int sleepers;
  atomic_bool stop;
  _Alignas(CACHE_LINE) atomic_int status;
  _Alignas(CACHE_LINE) atomic_bool busy; /* a thread of the host has the pool */
} pool;

struct start {
  pool *pool;
  int32_t place;
};

static inline void pause_cpu(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Sleeps while *word is `value`; may return early. */
static void sleep_on(atomic_uint *word, unsigned value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(atomic_uint *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0); }

static bool has_new_epoch(pool *p, unsigned seen) { return atomic_load(&p->epoch) != seen; }

static bool is_empty(pool *p, unsigned unused) {
  (void)unused;
  return !(atomic_load(&p->gate) & ~(unsigned)GATE_OPEN);
}

/* Waits a short while for the condition; true when it holds. */
static bool spin(pool *p, bool (*holds)(pool *, unsigned), unsigned argument) {
  double deadline = 0;
  for (;;) {
    for (int i = 0; i < PAUSES_PER_LOOK; i++) {
      if (holds(p, argument)) return true;
      pause_cpu();
    }
    double now = tni_seconds(p->ctx);
    if (!deadline) deadline = now + SPIN_SECONDS;
    if (now >= deadline) return false;
  }
}

static void wait_for_epoch(pool *p, unsigned seen) {
  if (spin(p, has_new_epoch, seen)) return;
  atomic_fetch_add(&p->sleepers, 1);
  while (!has_new_epoch(p, seen)) sleep_on(&p->epoch, seen);
  atomic_fetch_sub(&p->sleepers, 1);
}

/* The gate is closed, so that its value is the count of those inside. */
static void wait_until_empty(pool *p) {
  unsigned inside;
  if (spin(p, is_empty, 0)) return;
  atomic_store(&p->caller_sleeps, true);
  while ((inside = atomic_load(&p->gate))) sleep_on(&p->gate, inside);
  atomic_store(&p->caller_sleeps, false);
}

/* Starts a new epoch and wakes up to `wanted` of those who sleep. */
static void announce(pool *p, int64_t wanted) {
  atomic_fetch_add(&p->epoch, 1);
  if (atomic_load(&p->sleepers)) wake(&p->epoch, wanted < p->started ? (int)wanted : p->started);
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static void run_range(pool *p, int64_t i) {
  int64_t begin = i * p->range;
  int64_t end = p->count - begin < p->range ? p->count : begin + p->range;
  int none = 0;
  int status = p->body(p->closure, begin, end);
  if (status) atomic_compare_exchange_strong(&p->status, &none, status);
}

/* The ranges of share `own`, then what is left of the others. */
static void run_ranges(pool *p, int32_t own) {
  int32_t all = p->started + 1;
  for (int32_t k = 0; k < all; k++) {
    share *s = &p->shares[(own + k) % all];
    while (!atomic_load_explicit(&p->status, memory_order_relaxed)) {
      int64_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
      if (i >= s->end) break;
      run_range(p, i);
    }
  }
}

/* Takes the core out of the worker's set. What the host has said since about where the thread may run stays in force. */
static void bar(share *s, pthread_t thread, int cpu) {
  cpu_set_t now;
  if (atomic_flag_test_and_set(&s->turning)) return;
  if (!pthread_getaffinity_np(thread, sizeof now, &now)) {
    if (!atomic_load(&s->barred) || !CPU_EQUAL(&now, &s->own)) s->allowed = now;
    s->own = s->allowed;
    CPU_CLR(cpu, &s->own);
    bool done = CPU_COUNT(&s->own) > 0 && !pthread_setaffinity_np(thread, sizeof s->own, &s->own);
    atomic_store(&s->barred, done ? 1 + cpu : 0);
  }
  atomic_flag_clear(&s->turning);
}

/* The caller's core, to itself, of those workers that have been in its way. */
static void take_core(pool *p) {
  int cpu = sched_getcpu();
  atomic_store_explicit(&p->caller_cpu, cpu, memory_order_relaxed);
  for (int32_t k = 1; k <= p->started && cpu >= 0; k++) {
    int barred = atomic_load_explicit(&p->shares[k].barred, memory_order_relaxed);
    if (barred && barred != 1 + cpu && p->process == getpid()) bar(&p->shares[k], p->threads[k - 1], cpu);
  }
}

static void deal(pool *p, int64_t ranges) {
  int32_t all = p->started + 1;
  for (int32_t k = 0; k < all; k++) {
    atomic_store_explicit(&p->shares[k].next, ranges * k / all, memory_order_relaxed);
    p->shares[k].end = ranges * (k + 1) / all;
  }
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

/* Enters the open region. False: none is open. */
static bool join(pool *p) {
  unsigned gate = atomic_load(&p->gate);
  while (gate & GATE_OPEN)
    if (atomic_compare_exchange_weak(&p->gate, &gate, gate + 1)) return true;
  return false;
}

static void leave(pool *p) {
  unsigned before = atomic_fetch_sub(&p->gate, 1);
  if (before == 1 && atomic_load(&p->caller_sleeps)) wake(&p->gate, 1);
}

/* On the caller's core it would only take the caller's time. */
static void leave_to_caller(pool *p, share *own) {
  int cpu = sched_getcpu();
  if (cpu >= 0 && cpu == atomic_load_explicit(&p->caller_cpu, memory_order_relaxed)) bar(own, pthread_self(), cpu);
}

static void *work(void *argument) {
  struct start start = *(struct start *)argument;
  pool *p = start.pool;
  unsigned seen = 0;
  tni_free(p->ctx, argument, sizeof start);
  if (p->ctx->threads.pin) tni_topology_bind(p->ctx, start.place);
  for (;;) {
    wait_for_epoch(p, seen);
    seen = atomic_load(&p->epoch);
    if (atomic_load(&p->stop)) return NULL;
    if (!p->ctx->threads.pin) leave_to_caller(p, &p->shares[start.place]);
    if (!join(p)) continue;
    run_ranges(p, start.place);
    leave(p);
  }
}

/* All signals but those that a thread brings on itself, and a profiler's: the host's handlers run on the host's
 * threads, but a crash reporter still sees a crash here. */
static void fill_blocked(sigset_t *set) {
  static const int let_through[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
  sigfillset(set);
  for (size_t i = 0; i < TNI_COUNT(let_through); i++) sigdelset(set, let_through[i]);
}

/* Starts one more worker. False: the system or the allocator said no. */
static bool start_worker(pool *p) {
  pthread_attr_t attributes;
  sigset_t blocked, before;
  struct start *start = tni_alloc(p->ctx, sizeof *start);
  if (!start) return false;
  *start = (struct start){p, p->started + 1};
  bool started = false;
  fill_blocked(&blocked);
  if (!pthread_attr_init(&attributes)) {
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    started = !pthread_create(&p->threads[p->started], &attributes, work, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
  }
  if (!started) tni_free(p->ctx, start, sizeof *start);
  p->started += started;
  return started;
}

/* ---- the pool ---------------------------------------------------------------------------------------------------- */

/* In a child of fork there are no workers to join. */
static void destroy_pool(tn_context *ctx, void *object) {
  pool *p = object;
  if (p->process == getpid()) {
    atomic_store(&p->stop, true);
    announce(p, p->started);
    for (int32_t i = 0; i < p->started; i++) pthread_join(p->threads[i], NULL);
  }
  tni_free(ctx, p->threads, sizeof *p->threads * (size_t)p->width);
  tni_free_aligned(ctx, p->shares, sizeof *p->shares * (size_t)p->width, CACHE_LINE);
  tni_free_aligned(ctx, p, sizeof *p, CACHE_LINE);
}

/* A pool with as many workers as could be started, perhaps none. */
static void *create_pool(tn_context *ctx, tn_error **err) {
  int32_t width = tni_parallel_width(ctx);
  pool *p = tni_alloc_aligned(ctx, sizeof *p, CACHE_LINE);
  pthread_t *threads = p ? tni_alloc(ctx, sizeof *threads * (size_t)width) : NULL;
  share *shares = threads ? tni_alloc_aligned(ctx, sizeof *shares * (size_t)width, CACHE_LINE) : NULL;
  if (!shares) {
    tni_free(ctx, threads, sizeof *threads * (size_t)width);
    tni_free_aligned(ctx, p, sizeof *p, CACHE_LINE);
    tni_fail_nomem(err);
    return NULL;
  }
  memset(p, 0, sizeof *p);
  memset(shares, 0, sizeof *shares * (size_t)width);
  p->ctx = ctx;
  p->width = width;
  p->threads = threads;
  p->shares = shares;
  p->process = getpid();
  while (p->started + 1 < width && start_worker(p)) {}
  return p;
}

int32_t tni_parallel_width(tn_context *ctx) {
  int32_t count = ctx->threads.count;
  return count > 0 ? count : tni_topology_get(ctx)->cores;
}

/* Runs the region with the pool, which the caller holds. */
static int32_t run_region(pool *p, tn_parallel_body body, void *closure, int64_t count, int64_t grain) {
  int64_t even = count / ((int64_t)(p->started + 1) * RANGES_PER_THREAD);
  p->body = body;
  p->closure = closure;
  p->count = count;
  p->range = even > grain ? even : grain;
  int64_t ranges = (count - 1) / p->range + 1;
  deal(p, ranges);
  take_core(p);
  atomic_store_explicit(&p->status, 0, memory_order_relaxed);
  atomic_store(&p->gate, GATE_OPEN);
  announce(p, ranges - 1);
  run_ranges(p, 0);
  atomic_fetch_and(&p->gate, ~(unsigned)GATE_OPEN);
  wait_until_empty(p);
  return atomic_load_explicit(&p->status, memory_order_relaxed);
}

int32_t tni_parallel_for(tn_context *ctx, tn_parallel_body body, void *closure, int64_t count, int64_t grain) {
  const tn_threads *threads = &ctx->threads;
  if (count <= 0) return 0;
  if (grain < 1) grain = 1;
  if (threads->parallel_for) return threads->parallel_for(threads->self, body, closure, count, grain);
  if (count <= grain || threads->count == 1 || tni_parallel_width(ctx) == 1) return body(closure, 0, count);
  pool *p = tni_context_slot(ctx, TNI_SLOT_POOL, create_pool, destroy_pool, NULL);
  if (!p || !p->started || atomic_exchange_explicit(&p->busy, true, memory_order_acquire))
    return body(closure, 0, count);
  int32_t status = run_region(p, body, closure, count, grain);
  atomic_store_explicit(&p->busy, false, memory_order_release);
  return status;
}
