/* worker.c -- compile workers: threads that own an LLVM context, a target machine and 8 MiB of stack.
 *
 * A fatal error of LLVM ends the process unless its handler never returns. So the handler, which runs on the worker,
 * fails the job, gives the worker's place to a new thread and sleeps for ever: one thread and what LLVM held is lost,
 * the host lives.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "jit.h"

enum { STACK_BYTES = 8 << 20, MAX_WORKERS = 256 };

/* The jobs of one call of tni_compile_jobs; lives on that caller's stack. */
typedef struct batch {
  const tn_target *target;
  tni_job *jobs;
  size_t count, begun, done;
  pthread_cond_t progress; /* `done` has grown */
  struct batch *next;
} batch;

typedef struct machine { /* a worker's codegen for one target */
  const tn_target *target;
  tni_codegen *codegen;
  struct machine *next;
} machine;

typedef struct workers workers;
typedef struct worker {
  workers *pool;
  pthread_t thread;
  machine *machines;
  batch *batch; /* under way */
  tni_job *job;
  struct worker *next;
} worker;

struct workers {
  tn_context *ctx;
  pthread_mutex_t lock; /* of all below, and of every batch's counters */
  pthread_cond_t work;
  batch *batches; /* with jobs that have not begun, oldest first */
  worker *list;
  int count, limit, parked;
  bool stopping;
};

/* ---- one worker ------------------------------------------------------------------------------------------------ */

static tni_codegen *codegen_for(worker *w, const tn_target *target, tn_error **err) {
  tn_context *ctx = w->pool->ctx;
  for (machine *m = w->machines; m; m = m->next) {
    if (m->target == target) return m->codegen;
  }
  machine *m = tni_alloc_zero(ctx, sizeof *m);
  if (!m) {
    tni_fail_nomem(err);
    return NULL;
  }
  if (tni_codegen_create(ctx, target, &m->codegen, err) != TN_OK) {
    tni_free(ctx, m, sizeof *m);
    return NULL;
  }
  m->target = target;
  m->next = w->machines;
  w->machines = m;
  return m->codegen;
}

static void generate(worker *w, const tn_target *target, tni_job *job) {
  tni_codegen *codegen = codegen_for(w, target, &job->error);
  if (!codegen) {
    job->status = job->error ? tn_error_status(job->error) : TN_E_NOMEM;
    return;
  }
  if (job->break_llvm) tni_codegen_break(codegen);
  size_t targets = job->target_count ? job->target_count : 1;
  job->status = tni_codegen_variants(codegen, targets, job->target_count ? job->targets : &target, job->count, job->funcs,
                                     job->what, &job->bytes, &job->size, &job->error);
}

static void compile(worker *w, const tn_target *target, tni_job *job) {
  if (job->lower) job->status = job->lower(job, &job->error);
  if (!job->status && job->count) generate(w, target, job);
  if (job->release) job->release(job);
}

/* With the lock held: the next job, or NULL when the pool stops. Waits for one. */
static tni_job *take_job(worker *w) {
  workers *pool = w->pool;
  while (!pool->batches && !pool->stopping) pthread_cond_wait(&pool->work, &pool->lock);
  if (pool->stopping) return NULL;
  w->batch = pool->batches;
  w->job = &w->batch->jobs[w->batch->begun++];
  if (w->batch->begun == w->batch->count) pool->batches = w->batch->next;
  return w->job;
}

static void finish_job(worker *w) {
  w->batch->done++;
  pthread_cond_signal(&w->batch->progress);
  w->batch = NULL;
  w->job = NULL;
}

static void free_machines(worker *w, void (*destroy)(tni_codegen *)) {
  while (w->machines) {
    machine *m = w->machines;
    w->machines = m->next;
    destroy(m->codegen);
    tni_free(w->pool->ctx, m, sizeof *m);
  }
}

static void park(void *self, const char *reason);

static void *run_worker(void *self) {
  worker *w = self;
  tni_fatal_hook hook = {park, w};
  tni_codegen_on_fatal(&hook);
  tni_llvm_open(w->pool->ctx, NULL); /* a failure is told to who wants code */
  pthread_mutex_lock(&w->pool->lock);
  for (tni_job *job; (job = take_job(w));) {
    const tn_target *target = w->batch->target;
    pthread_mutex_unlock(&w->pool->lock);
    compile(w, target, job);
    pthread_mutex_lock(&w->pool->lock);
    finish_job(w);
  }
  pthread_mutex_unlock(&w->pool->lock);
  free_machines(w, tni_codegen_destroy);
  return NULL;
}

/* ---- the pool -------------------------------------------------------------------------------------------------- */

/* Starts the thread with all signals blocked: the host's handlers run on the host's threads. */
static bool start_thread(worker *w) {
  pthread_attr_t attributes;
  sigset_t all, before;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = pthread_create(&w->thread, &attributes, run_worker, w) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return started;
}

/* With the lock held. False: no thread or no memory. */
static bool add_worker(workers *pool) {
  worker *w = tni_alloc_zero(pool->ctx, sizeof *w);
  if (!w) return false;
  w->pool = pool;
  if (!start_thread(w)) {
    tni_free(pool->ctx, w, sizeof *w);
    return false;
  }
  w->next = pool->list;
  pool->list = w;
  pool->count++;
  return true;
}

static void remove_worker(workers *pool, worker *w) {
  worker **at = &pool->list;
  while (*at != w) at = &(*at)->next;
  *at = w->next;
  pool->count--;
}

static tn_status fail_no_thread(tn_context *ctx, tn_error **err) {
  return tni_fail(ctx, err, TN_E_NOMEM, "codegen", NULL, "the system gave no thread to compile on");
}

/* With the lock held: fails every job that nobody will take, since there is no worker left and none can be made. */
static void fail_waiting_jobs(workers *pool) {
  for (; pool->batches; pool->batches = pool->batches->next) {
    batch *b = pool->batches;
    for (; b->begun < b->count; b->begun++, b->done++) {
      tni_job *job = &b->jobs[b->begun];
      job->status = fail_no_thread(pool->ctx, &job->error);
    }
    pthread_cond_signal(&b->progress);
  }
}

/* LLVM's fatal error, on the worker's thread. Never returns. */
static void park(void *self, const char *reason) {
  worker *w = self;
  workers *pool = w->pool;
  tn_context *ctx = pool->ctx;
  tni_log(ctx, TN_LOG_ERROR, "a compile worker is given up: LLVM: %s", reason);
  w->job->status = tni_fail(ctx, &w->job->error, TN_E_COMPILER, "codegen", NULL, "LLVM: %s", reason);
  free_machines(w, tni_codegen_abandon);
  if (w->job->release) w->job->release(w->job);
  pthread_mutex_lock(&pool->lock);
  remove_worker(pool, w);
  pool->parked++;
  pthread_detach(w->thread);
  if (!pool->stopping && !add_worker(pool) && pool->count == 0) fail_waiting_jobs(pool);
  batch *b = w->batch;
  tni_free(ctx, w, sizeof *w);
  b->done++;
  pthread_cond_signal(&b->progress);
  pthread_mutex_unlock(&pool->lock); /* the context may go from here on */
  for (;;) pause();
}

static void destroy_workers(tn_context *ctx, void *self) {
  workers *pool = self;
  pthread_mutex_lock(&pool->lock);
  pool->stopping = true;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->lock);
  while (pool->list) {
    worker *w = pool->list;
    pool->list = w->next;
    pthread_join(w->thread, NULL);
    tni_free(ctx, w, sizeof *w);
  }
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->lock);
  tni_free(ctx, pool, sizeof *pool);
}

static void *create_workers(tn_context *ctx, tn_error **err) {
  workers *pool = tni_alloc_zero(ctx, sizeof *pool);
  if (!pool) {
    tni_fail_nomem(err);
    return NULL;
  }
  int wanted = tni_compile_width(ctx);
  pool->ctx = ctx;
  pool->limit = wanted < 1 ? 1 : wanted > MAX_WORKERS ? MAX_WORKERS : wanted;
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->work, NULL);
  return pool;
}

/* ---- batches --------------------------------------------------------------------------------------------------- */

static void append_batch(workers *pool, batch *b) {
  batch **at = &pool->batches;
  while (*at) at = &(*at)->next;
  *at = b;
}

/* With the lock held: the jobs that have not begun never will. */
static void drop_jobs(workers *pool, batch *b, tn_context *ctx) {
  if (b->begun == b->count) return;
  batch **at = &pool->batches;
  while (*at != b) at = &(*at)->next;
  *at = b->next;
  for (; b->begun < b->count; b->begun++, b->done++) {
    tni_job *job = &b->jobs[b->begun];
    job->status = tni_fail(ctx, &job->error, TN_E_HOST, "codegen", NULL, "the host ended the compilation");
  }
}

/* Waits for the end of the batch, telling the host of each step. */
static void wait_for_batch(workers *pool, batch *b, int32_t (*progress)(void *, int32_t, int32_t), void *self) {
  size_t told = 0;
  while (b->done < b->count || (progress && told < b->done)) {
    if (!progress || told == b->done) {
      pthread_cond_wait(&b->progress, &pool->lock);
      continue;
    }
    told = b->done;
    pthread_mutex_unlock(&pool->lock);
    bool stop = progress(self, (int32_t)told, (int32_t)b->count) != 0;
    pthread_mutex_lock(&pool->lock);
    if (stop) {
      progress = NULL;
      drop_jobs(pool, b, pool->ctx);
    }
  }
}

/* Workers for `count` jobs, as many as the limit allows. False: there is none. */
static bool ensure_workers(workers *pool, size_t count) {
  while (pool->count < pool->limit && (size_t)pool->count < count && add_worker(pool)) continue;
  return pool->count > 0;
}

/* The first failed job's error; then all results are dropped. */
static tn_status collect(size_t count, tni_job *jobs, tn_error **err) {
  tn_status status = TN_OK;
  for (size_t i = 0; i < count && status == TN_OK; i++) {
    status = jobs[i].status;
    if (status == TN_OK) continue;
    if (err) {
      *err = jobs[i].error;
      jobs[i].error = NULL;
    }
  }
  for (size_t i = 0; i < count && status != TN_OK; i++) {
    tn_error_destroy(jobs[i].error);
    tn_text_destroy(jobs[i].bytes);
    jobs[i].error = NULL;
    jobs[i].bytes = NULL;
    jobs[i].size = 0;
  }
  return status;
}

void tni_compilers_start(tn_context *ctx) {
  workers *pool = tni_context_slot(ctx, TNI_SLOT_COMPILER, create_workers, destroy_workers, NULL);
  if (!pool) return;
  pthread_mutex_lock(&pool->lock);
  ensure_workers(pool, 1);
  pthread_mutex_unlock(&pool->lock);
}

tn_status tni_compile_jobs(tn_context *ctx, const tn_target *target, size_t count, tni_job *jobs,
                           int32_t (*progress)(void *self, int32_t done, int32_t total), void *progress_self,
                           tn_error **err) {
  tn_error *error = NULL;
  if (err) *err = NULL;
  workers *pool = tni_context_slot(ctx, TNI_SLOT_COMPILER, create_workers, destroy_workers, &error);
  if (!pool) {
    tn_error_destroy(error);
    return tni_fail_nomem(err);
  }
  for (size_t i = 0; i < count; i++) {
    jobs[i].bytes = NULL;
    jobs[i].size = 0;
    jobs[i].error = NULL;
    jobs[i].status = TN_OK;
  }
  if (count == 0) return TN_OK;
  batch b = {.target = target, .jobs = jobs, .count = count};
  pthread_cond_init(&b.progress, NULL);
  pthread_mutex_lock(&pool->lock);
  bool poisoned = pool->parked >= TNI_MAX_PARKED, ready = !poisoned && ensure_workers(pool, count);
  if (ready) {
    append_batch(pool, &b);
    pthread_cond_broadcast(&pool->work);
    wait_for_batch(pool, &b, progress, progress_self);
  }
  pthread_mutex_unlock(&pool->lock);
  pthread_cond_destroy(&b.progress);
  if (poisoned) {
    return tni_fail(ctx, err, TN_E_COMPILER, "codegen", NULL,
                    "LLVM failed fatally %d times: compilation is closed in this context", TNI_MAX_PARKED);
  }
  if (!ready) return fail_no_thread(ctx, err);
  return collect(count, jobs, err);
}
