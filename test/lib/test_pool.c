/* test_pool.c -- parallel regions, scratch memory, topology. Meant to run under the thread sanitizer too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

enum { MARKS = 5000 };

static tn_context *context_of(fault *f, int32_t threads, uint8_t pin) {
  tn_context *ctx;
  tn_context_desc desc = fault_desc(f);
  desc.threads.count = threads;
  desc.threads.pin = pin;
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  return ctx;
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */

struct marks {
  unsigned char seen[MARKS]; /* not atomic: two threads on one index are a race that the sanitizer sees */
  int64_t grain, count;
  atomic_int ranges;
};

static int32_t mark(void *closure, int64_t begin, int64_t end) {
  struct marks *m = closure;
  ck_assert(begin < end && (end - begin >= m->grain || end == m->count));
  for (int64_t i = begin; i < end; i++) m->seen[i]++;
  atomic_fetch_add(&m->ranges, 1);
  return 0;
}

START_TEST(region_covers_each_index_once)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 4, 0);
  const int64_t counts[] = {0, 1, 2, 3, 7, 16, 100, 4999, MARKS}, grains[] = {-1, 0, 1, 3, 64, MARKS};
  for (size_t c = 0; c < TNI_COUNT(counts); c++)
    for (size_t g = 0; g < TNI_COUNT(grains); g++) {
      struct marks m = {.grain = grains[g], .count = counts[c]};
      ck_assert_int_eq(tni_parallel_for(ctx, mark, &m, counts[c], grains[g]), 0);
      for (int64_t i = 0; i < MARKS; i++) ck_assert_int_eq(m.seen[i], i < counts[c]);
      if (counts[c] <= grains[g]) ck_assert_int_le(atomic_load(&m.ranges), 1);
    }
  fault_finish(&f, ctx);
}
END_TEST

static int32_t add_up(void *closure, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) atomic_fetch_add((_Atomic int64_t *)closure, i);
  return 0;
}

START_TEST(many_small_regions_in_a_row)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 4, 0);
  for (int i = 0; i < 3000; i++) {
    _Atomic int64_t sum = 0;
    ck_assert_int_eq(tni_parallel_for(ctx, add_up, &sum, 10, 1), 0);
    ck_assert_int_eq(atomic_load(&sum), 45);
    if (i % 300 == 0) usleep(200); /* now the workers sleep */
  }
  fault_finish(&f, ctx);
}
END_TEST

static int32_t wait_for_company(void *closure, int64_t begin, int64_t end) {
  atomic_int *arrived = closure;
  (void)begin, (void)end;
  atomic_fetch_add(arrived, 1);
  for (int i = 0; i < 10000 && atomic_load(arrived) < 2; i++) usleep(1000);
  return atomic_load(arrived) < 2;
}

START_TEST(two_threads_work_at_the_same_time)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 2, 0);
  atomic_int arrived = 0;
  ck_assert_int_eq(tni_parallel_for(ctx, wait_for_company, &arrived, 2, 1), 0);
  usleep(1000);
  atomic_store(&arrived, 0); /* again, with a worker that sleeps */
  ck_assert_int_eq(tni_parallel_for(ctx, wait_for_company, &arrived, 2, 1), 0);
  fault_finish(&f, ctx);
}
END_TEST

typedef struct failing_region {
  atomic_int ranges, failed;
} failing_region;

static int32_t fail_at_seven(void *closure, int64_t begin, int64_t end) {
  atomic_fetch_add((atomic_int *)closure, 1);
  return begin <= 7 && 7 < end ? TN_E_HOST : 0;
}

/* All other ranges wait for the one that fails, and a little for its status to arrive. */
static int32_t fail_while_others_wait(void *closure, int64_t begin, int64_t end) {
  failing_region *region = closure;
  atomic_fetch_add(&region->ranges, 1);
  if (begin <= 7 && 7 < end) {
    atomic_store(&region->failed, 1);
    return TN_E_HOST;
  }
  for (int i = 0; i < 10000 && !atomic_load(&region->failed); i++) usleep(1000);
  usleep(3000);
  return 0;
}

START_TEST(first_failure_ends_the_region)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 4, 0);
  for (int i = 0; i < 20; i++) {
    failing_region region = {0};
    ck_assert_int_eq(tni_parallel_for(ctx, fail_while_others_wait, &region, 1 << 20, 1), TN_E_HOST);
    ck_assert_int_lt(atomic_load(&region.ranges), 16); /* of 4 * 4 */
    _Atomic int64_t sum = 0;
    ck_assert_int_eq(tni_parallel_for(ctx, add_up, &sum, 10, 1), 0);
  }
  fault_finish(&f, ctx);
}
END_TEST

struct nest {
  tn_context *ctx;
  _Atomic int64_t sum;
};
struct inner {
  pthread_t thread;
  int64_t sum;
};

static int32_t inner_body(void *closure, int64_t begin, int64_t end) {
  struct inner *inner = closure;
  ck_assert(pthread_equal(inner->thread, pthread_self()));
  inner->sum += end - begin;
  return 0;
}
static int32_t outer_body(void *closure, int64_t begin, int64_t end) {
  struct nest *nest = closure;
  for (int64_t i = begin; i < end; i++) {
    struct inner inner = {pthread_self(), 0};
    int32_t status = tni_parallel_for(nest->ctx, inner_body, &inner, 100, 1);
    if (status) return status;
    atomic_fetch_add(&nest->sum, inner.sum);
  }
  return 0;
}

START_TEST(nested_region_runs_on_its_caller)
{
  fault f = {0};
  struct nest nest = {context_of(&f, 4, 0), 0};
  ck_assert_int_eq(tni_parallel_for(nest.ctx, outer_body, &nest, 50, 1), 0);
  ck_assert_int_eq(atomic_load(&nest.sum), 5000);
  fault_finish(&f, nest.ctx);
}
END_TEST

static void *run_regions(void *ctx) {
  for (int i = 0; i < 500; i++) {
    _Atomic int64_t sum = 0;
    if (tni_parallel_for(ctx, add_up, &sum, 100, 1) || atomic_load(&sum) != 4950) return ctx;
  }
  return NULL;
}

START_TEST(threads_of_the_host_share_the_pool)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 3, 0);
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, run_regions, ctx);
  for (int i = 0; i < 3; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    ck_assert_ptr_null(wrong);
  }
  fault_finish(&f, ctx);
}
END_TEST

static int32_t run_backwards(void *self, tn_parallel_body body, void *closure, int64_t count, int64_t grain) {
  (*(int64_t *)self)++;
  int32_t status = 0;
  for (int64_t end = count; end > 0 && !status; end -= grain)
    status = body(closure, end > grain ? end - grain : 0, end);
  return status;
}

START_TEST(executor_of_the_host_replaces_the_pool)
{
  fault f = {0};
  tn_context *ctx;
  int64_t calls = 0;
  tn_context_desc desc = fault_desc(&f);
  desc.threads = (tn_threads){.parallel_for = run_backwards, .self = &calls};
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  struct marks m = {.count = 1000};
  ck_assert_int_eq(tni_parallel_for(ctx, mark, &m, 1000, 300), 0);
  ck_assert_int_eq(calls, 1);
  ck_assert_int_eq(atomic_load(&m.ranges), 4);
  atomic_int ranges = 0;
  ck_assert_int_eq(tni_parallel_for(ctx, fail_at_seven, &ranges, 100, 1), TN_E_HOST);
  fault_finish(&f, ctx);
}
END_TEST

/* The compile workers' number counts, not the kernels', nor the host's executor. */
START_TEST(work_of_compilation_is_spread_an_item_at_a_time)
{
  static const int32_t workers[] = {0, 1, 3, 40};
  static const int64_t counts[] = {0, 1, 2, 17, MARKS};
  for (size_t w = 0; w < TNI_COUNT(workers); w++) {
    tn_context_desc desc = {.struct_size = sizeof desc,
                            .threads = {.count = 1, .compile_workers = workers[w], .parallel_for = run_backwards}};
    tn_context *ctx;
    ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
    for (size_t c = 0; c < TNI_COUNT(counts); c++) {
      struct marks m = {.grain = 1, .count = counts[c]};
      tni_spread(ctx, mark, &m, counts[c]);
      ck_assert_int_eq(atomic_load(&m.ranges), counts[c]);
      for (int64_t i = 0; i < MARKS; i++) ck_assert_int_eq(m.seen[i], i < counts[c]);
    }
    tn_context_destroy(ctx);
  }
}
END_TEST

/* Whoever is there does the items while the caller is away; it takes those that are left. */
START_TEST(work_of_compilation_goes_on_beside_the_caller)
{
  static const int32_t workers[] = {1, 2, 40};
  static const int64_t counts[] = {0, 1, 2, 17, MARKS};
  for (size_t w = 0; w < TNI_COUNT(workers); w++) {
    fault f = {0};
    tn_context_desc desc = fault_desc(&f);
    tn_context *ctx;
    desc.threads.compile_workers = workers[w];
    ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
    for (size_t c = 0; c < TNI_COUNT(counts); c++) {
      struct marks m = {.grain = 1, .count = counts[c]};
      tni_spreading *s = tni_spread_begin(ctx, mark, &m, counts[c]);
      ck_assert_ptr_nonnull(s);
      if (workers[w] == 1) ck_assert_int_eq(atomic_load(&m.ranges), 0);
      while (workers[w] > 1 && atomic_load(&m.ranges) < counts[c]) sched_yield();
      tni_spread_end(s);
      ck_assert_int_eq(atomic_load(&m.ranges), counts[c]);
      for (int64_t i = 0; i < MARKS; i++) ck_assert_int_eq(m.seen[i], i < counts[c]);
    }
    f.fail_at = atomic_load(&f.calls) + 1;
    ck_assert_ptr_null(tni_spread_begin(ctx, mark, NULL, 1));
    fault_finish(&f, ctx);
  }
}
END_TEST

START_TEST(one_thread_makes_no_pool)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 1, 0);
  long before = atomic_load(&f.calls);
  struct marks m = {.count = 1000};
  ck_assert_int_eq(tni_parallel_for(ctx, mark, &m, 1000, 1), 0);
  ck_assert_int_eq(atomic_load(&m.ranges), 1);
  ck_assert_int_eq(atomic_load(&f.calls), before);
  fault_finish(&f, ctx);
}
END_TEST

struct places {
  pthread_t caller;
  atomic_int workers, bound; /* ranges that a worker ran, and those where it may use one processing unit */
  atomic_int apart;          /* and where it was on another one than the caller */
  atomic_int caller_cpu;
};

static int32_t look_where(void *closure, int64_t begin, int64_t end) {
  struct places *places = closure;
  cpu_set_t set;
  (void)begin, (void)end;
  if (pthread_equal(places->caller, pthread_self())) atomic_store(&places->caller_cpu, sched_getcpu());
  usleep(100);
  if (pthread_equal(places->caller, pthread_self())) return 0;
  sched_getaffinity(0, sizeof set, &set);
  atomic_fetch_add(&places->workers, 1);
  atomic_fetch_add(&places->bound, CPU_COUNT(&set) == 1);
  atomic_fetch_add(&places->apart, sched_getcpu() != atomic_load(&places->caller_cpu));
  return 0;
}

START_TEST(workers_are_bound_only_when_asked)
{
  for (int pin = 0; pin < 2; pin++) {
    fault f = {0};
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    tn_context *ctx = context_of(&f, 2, (uint8_t)pin);
    struct places places = {.caller = pthread_self()};
    for (int i = 0; i < 1000 && !atomic_load(&places.workers); i++) tni_parallel_for(ctx, look_where, &places, 8, 1);
    ck_assert_int_gt(atomic_load(&places.workers), 0);
    if (pin || CPU_COUNT(&all) > 2) /* of two it may have left one to the caller */
      ck_assert_int_eq(atomic_load(&places.bound), pin ? atomic_load(&places.workers) : 0);
    fault_finish(&f, ctx);
  }
}
END_TEST

/* The caller stays where it is, and sleeps between regions, so that the worker is woken each time. */
START_TEST(workers_leave_the_core_to_the_caller)
{
  fault f = {0};
  cpu_set_t all, one;
  sched_getaffinity(0, sizeof all, &all);
  int cpu = sched_getcpu();
  if (CPU_COUNT(&all) > 1 && cpu >= 0) {
    tn_context *ctx = context_of(&f, 2, 0);
    struct places places = {.caller = pthread_self(), .caller_cpu = cpu};
    for (int i = 0; i < 200; i++) { /* the pool starts where the process may run */
      tni_parallel_for(ctx, look_where, &places, 8, 1);
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
      usleep(1000);
      if (i == 20) atomic_store(&places.workers, 0), atomic_store(&places.apart, 0);
    }
    sched_setaffinity(0, sizeof all, &all);
    ck_assert_int_gt(atomic_load(&places.workers), 0);
    /* On a busy machine it may find itself there now and then, for as long as a region takes. */
    ck_assert_int_ge(atomic_load(&places.apart) + 16, atomic_load(&places.workers));
    fault_finish(&f, ctx);
  }
}
END_TEST

START_TEST(pinning_leaves_the_caller_alone)
{
  fault f = {0};
  cpu_set_t before, after;
  tn_context *ctx = context_of(&f, 4, 1);
  sched_getaffinity(0, sizeof before, &before);
  _Atomic int64_t sum = 0;
  ck_assert_int_eq(tni_parallel_for(ctx, add_up, &sum, 100, 1), 0);
  sched_getaffinity(0, sizeof after, &after);
  ck_assert(CPU_EQUAL(&before, &after));
  fault_finish(&f, ctx);
}
END_TEST

/* No hang and no wrong sum in the child, whose workers do not exist. */
START_TEST(region_in_a_forked_child_runs_on_its_caller)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 4, 0);
  ck_assert_ptr_null(run_regions(ctx));
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  usleep(200000); /* their allocator stays locked in the child of a fork while a worker that begins is in it */
#endif
  for (int i = 0; i < 2; i++) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (!child) {
      alarm(20);
      bool wrong = run_regions(ctx) != NULL;
      tn_context_destroy(ctx);
      _exit(wrong);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    usleep(1000); /* the second time the workers sleep */
  }
  fault_finish(&f, ctx);
}
END_TEST

/* ---- topology ---------------------------------------------------------------------------------------------------- */

START_TEST(topology_is_plausible_and_read_once)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 0, 0);
  const tni_topology *t = tni_topology_get(ctx);
  ck_assert_int_ge(t->cores, 1);
  ck_assert_int_le(t->cores, sysconf(_SC_NPROCESSORS_CONF));
  ck_assert_uint_ge(t->l1d, 4096);
  ck_assert_uint_ge(t->l2, t->l1d);
  ck_assert_uint_ge(t->cache_line, 16);
  ck_assert_ptr_eq(tni_topology_get(ctx), t);
  ck_assert_int_eq(tni_parallel_width(ctx), t->cores);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(topology_obeys_the_binding_of_the_process)
{
  fault f = {0};
  cpu_set_t all, one;
  sched_getaffinity(0, sizeof all, &all);
  int first = 0;
  while (!CPU_ISSET(first, &all)) first++;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
  tn_context *ctx = context_of(&f, 0, 0);
#ifndef __SANITIZE_THREAD__ /* which has a thread of its own that is not bound */
  ck_assert_int_eq(tni_topology_get(ctx)->cores, 1);
#endif
  cpu_set_t after;
  tni_topology_get(ctx);
  sched_getaffinity(0, sizeof after, &after);
  ck_assert(CPU_EQUAL(&one, &after));
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(topology_falls_back_to_guesses)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 0, 0);
  f.fail_at = 1;
  ck_assert_int_eq(tni_topology_get(ctx)->cores, 1);
  ck_assert_uint_gt(tni_topology_get(ctx)->l3, 0);
  f.fail_at = 0;
  fault_finish(&f, ctx);
}
END_TEST

/* ---- scratch ----------------------------------------------------------------------------------------------------- */

START_TEST(scratch_of_every_size_is_aligned_and_writable)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 1, 0);
  for (size_t bytes = 0; bytes < 20000; bytes += bytes < 3000 ? 1 : 97) {
    char *block = tni_scratch_get(ctx, bytes);
    ck_assert_uint_eq((uintptr_t)block % 64, 0);
    memset(block, 1, bytes);
    tni_scratch_release(ctx, block);
  }
  tni_scratch_release(ctx, NULL);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(scratch_is_used_again)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 1, 0);
  void *first = tni_scratch_get(ctx, 100000);
  tni_scratch_release(ctx, first);
  long calls = atomic_load(&f.calls);
  ck_assert_ptr_eq(tni_scratch_get(ctx, 99000), first);
  void *second = tni_scratch_get(ctx, 99000);
  ck_assert_ptr_ne(second, first);
  ck_assert_int_eq(atomic_load(&f.calls), calls + 1);
  tni_scratch_release(ctx, second);
  tni_scratch_release(ctx, first);
  fault_finish(&f, ctx);
}
END_TEST

/* What is kept is one block, of the largest request and a quarter more at most. */
START_TEST(scratch_keeps_what_is_used_at_once)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 1, 0);
  tni_scratch_release(ctx, tni_scratch_get(ctx, 1)); /* the slot itself */
  long before = atomic_load(&f.bytes) - 1024;
  for (size_t bytes = 5000; bytes < 100000; bytes = bytes * 9 / 8) {
    void *block = tni_scratch_get(ctx, bytes);
    long kept = atomic_load(&f.bytes) - before;
    ck_assert_int_le(kept, (long)(bytes + 64) * 5 / 4);
    ck_assert_int_ge(kept, (long)bytes + 64);
    tni_scratch_release(ctx, block);
  }
  for (size_t bytes = 50000; bytes; bytes /= 3) {
    long calls = atomic_load(&f.calls);
    tni_scratch_release(ctx, tni_scratch_get(ctx, bytes));
    ck_assert_int_eq(atomic_load(&f.calls), calls);
  }
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(scratch_that_fails_leaves_nothing_behind)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 1, 0);
  tni_scratch_release(ctx, tni_scratch_get(ctx, 1000));
  f.fail_at = atomic_load(&f.calls) + 1;
  f.once = true;
  long before = atomic_load(&f.bytes);
  ck_assert_ptr_null(tni_scratch_get(ctx, 1 << 20));
  ck_assert_int_lt(atomic_load(&f.bytes), before);
  void *block = tni_scratch_get(ctx, 1 << 20);
  ck_assert_ptr_nonnull(block);
  tni_scratch_release(ctx, block);
  ck_assert_ptr_null(tni_scratch_get(ctx, SIZE_MAX));
  ck_assert_ptr_null(tni_scratch_get(ctx, SIZE_MAX / 4));
  fault_finish(&f, ctx);
}
END_TEST

static int32_t use_scratch(void *closure, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) {
    size_t bytes = (size_t)(i % 7 + 1) * 1000;
    unsigned char *block = tni_scratch_get(closure, bytes);
    if (!block) return TN_E_NOMEM;
    memset(block, (int)i, bytes);
    for (size_t j = 0; j < bytes; j++)
      if (block[j] != (unsigned char)i) return TN_E_INVALID;
    tni_scratch_release(closure, block);
  }
  return 0;
}

START_TEST(scratch_blocks_belong_to_one_thread_at_a_time)
{
  fault f = {0};
  tn_context *ctx = context_of(&f, 4, 0);
  ck_assert_int_eq(tni_parallel_for(ctx, use_scratch, ctx, 2000, 1), 0);
  fault_finish(&f, ctx);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {region_covers_each_index_once,
                                many_small_regions_in_a_row,
                                two_threads_work_at_the_same_time,
                                first_failure_ends_the_region,
                                nested_region_runs_on_its_caller,
                                threads_of_the_host_share_the_pool,
                                executor_of_the_host_replaces_the_pool,
                                work_of_compilation_is_spread_an_item_at_a_time,
                                work_of_compilation_goes_on_beside_the_caller,
                                one_thread_makes_no_pool,
                                workers_are_bound_only_when_asked,
                                workers_leave_the_core_to_the_caller,
                                pinning_leaves_the_caller_alone,
                                region_in_a_forked_child_runs_on_its_caller,
                                topology_is_plausible_and_read_once,
                                topology_obeys_the_binding_of_the_process,
                                topology_falls_back_to_guesses,
                                scratch_of_every_size_is_aligned_and_writable,
                                scratch_is_used_again,
                                scratch_keeps_what_is_used_at_once,
                                scratch_that_fails_leaves_nothing_behind,
                                scratch_blocks_belong_to_one_thread_at_a_time};
  return suite_run_tests("pool", tests, TNI_COUNT(tests), NULL, NULL);
}
