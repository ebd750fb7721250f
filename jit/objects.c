/* objects.c -- the last stage: kernels lowered, those that are one function put together, code made of them.
 *
 *     functions --kernel.c, on workers--> loop functions and their forms --group.c--> groups --LLVM, on workers--> objects
 *
 * Heavy groups come first, each a job of its own or, if it is light beside what is left, with the next ones: an object has its
 * price. When the last jobs run, which are small, no worker waits long for another.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "jit.h"

void tni_jobs_destroy(tn_context *ctx, size_t count, tni_job *jobs) {
  for (size_t i = 0; jobs && i < count; i++) tn_text_destroy(jobs[i].bytes);
  tni_free(ctx, jobs, count * sizeof *jobs);
}

/* The host's progress function; once it said stop, that holds, also when the last job was done by then. */
typedef struct progress {
  const tn_compile_desc *desc;
  bool stopped;
} progress;

static int32_t tell(void *self, int32_t done, int32_t total) {
  progress *p = self;
  p->stopped |= p->desc->progress(p->desc->progress_self, done, total) != 0;
  return p->stopped;
}

/* Groups that are one object. */
typedef struct piece {
  const tni_group *groups;
  size_t count;
} piece;

/* What jobs read while they run. */
typedef struct batch {
  tni_pipeline *p;
  tni_arena arena;
  size_t count, group_count;
  tni_kernel *kernels;
  tni_group *groups;
  piece *pieces;
} batch;

/* ---- kernels -------------------------------------------------------------------------------------------------------- */

static tn_status make_kernels(batch *b, tn_error **err) {
  tni_pipeline *p = b->p;
  tni_job *jobs = TNI_NEW_ARRAY(&b->arena, tni_job, b->count);
  b->kernels = TNI_NEW_ARRAY(&b->arena, tni_kernel, b->count);
  if (!jobs || !b->kernels) return tni_fail_nomem(err);
  for (size_t i = 0; i < b->count; i++) {
    b->kernels[i] = (tni_kernel){.pipeline = p, .source = p->work->funcs[i], .lowered = p->lowered ? p->lowered[i] : NULL};
    tni_kernel_job(&b->kernels[i], &jobs[i]);
  }
  tn_status status = tni_compile_jobs(p->ctx, p->targets[0], b->count, jobs, NULL, NULL, err);
  for (size_t i = 0; i < b->count; i++) p->stats.schedule_seconds += b->kernels[i].seconds;
  if (!status && !tni_group_kernels(&b->arena, b->count, b->kernels, &b->group_count, &b->groups))
    status = tni_fail_nomem(err);
  return status;
}

static void close_batch(batch *b) {
  for (size_t i = 0; b->kernels && i < b->count; i++) tni_kernel_close(&b->kernels[i]);
  tni_arena_destroy(&b->arena);
}

/* ---- code ----------------------------------------------------------------------------------------------------------- */

/* A tni_job's `lower` and `release`. */
static tn_status share_piece(tni_job *job, tn_error **err) {
  const piece *all = job->self;
  const tn_func **funcs = TNI_NEW_ARRAY(&all->groups[0].kernels[0]->region.arena, const tn_func *, job->count);
  size_t count = 0;
  for (size_t i = 0; funcs && i < all->count; i++) {
    const tni_group *g = &all->groups[i];
    if (!tni_group_share(g)) return tni_fail_nomem(err);
    for (size_t k = 0; k < g->count; k++) funcs[count++] = g->kernels[k]->code;
  }
  job->funcs = funcs;
  return funcs ? TN_OK : tni_fail_nomem(err);
}

static void release_piece(tni_job *job) {
  const piece *all = job->self;
  for (size_t i = 0; i < all->count; i++)
    for (size_t k = 0; k < all->groups[i].count; k++) tni_kernel_close(all->groups[i].kernels[k]);
}

/* Of kernels that share a function the first one has it. */
static double weight_of(const tni_group *g) {
  double weight = 0;
  for (size_t k = 0; k < (g->outlined ? g->count : 1); k++) weight += g->kernels[k]->weight;
  return weight;
}

static int by_weight(const void *a, const void *b) {
  const tni_group *x = a, *y = b;
  if (x->outlined != y->outlined) return y->outlined - x->outlined;
  if (x->weight != y->weight) return x->weight < y->weight ? 1 : -1;
  return (x->kernels[0] > y->kernels[0]) - (x->kernels[0] < y->kernels[0]);
}

/* Cuts the groups, which are in order, so that no piece of several is more than a part of what is left, or a small one of
 * all. */
static size_t cut(batch *b) {
  enum { PARTS = 8, SMALL_PARTS = 12 };
  double all = 0, left;
  size_t count = 0;
  for (size_t i = 0; i < b->group_count; i++) all += b->groups[i].weight;
  left = all;
  for (size_t i = 0; i < b->group_count; count++) {
    double most = fmax(left / PARTS, all / SMALL_PARTS), weight = b->groups[i].weight;
    piece *made = &b->pieces[count];
    *made = (piece){&b->groups[i], 1};
    while (++i < b->group_count && !made->groups->outlined && weight + b->groups[i].weight <= most) {
      weight += b->groups[i].weight;
      made->count++;
    }
    left -= weight;
  }
  return count;
}

/* One for each piece. False: no memory. */
static bool make_jobs(batch *b, enum tni_emit what, size_t *count, tni_job **jobs) {
  for (size_t i = 0; i < b->group_count; i++) b->groups[i].weight = weight_of(&b->groups[i]);
  qsort(b->groups, b->group_count, sizeof *b->groups, by_weight);
  b->pieces = TNI_NEW_ARRAY(&b->arena, piece, b->group_count);
  if (!b->pieces) return false;
  *count = cut(b);
  *jobs = tni_alloc_zero(b->p->ctx, *count * sizeof **jobs);
  for (size_t i = 0; *jobs && i < *count; i++) {
    tni_job *job = &(*jobs)[i];
    *job = (tni_job){.what = what, .lower = share_piece, .release = release_piece, .self = &b->pieces[i]};
    for (size_t k = 0; k < b->pieces[i].count; k++) job->count += b->pieces[i].groups[k].count;
  }
  return *jobs != NULL;
}

/* The whole program in one job. */
static tn_status share_all(tni_job *job, tn_error **err) {
  const batch *b = job->self;
  const tn_func **funcs = TNI_NEW_ARRAY(&b->kernels[0].region.arena, const tn_func *, b->count);
  for (size_t i = 0; funcs && i < b->group_count; i++)
    if (!tni_group_share(&b->groups[i])) return tni_fail_nomem(err);
  for (size_t i = 0; funcs && i < b->count; i++) funcs[i] = b->kernels[i].code;
  job->funcs = funcs;
  return funcs ? TN_OK : tni_fail_nomem(err);
}

static bool make_whole_job(batch *b, enum tni_emit what, size_t *count, tni_job **jobs) {
  tni_pipeline *p = b->p;
  *count = 1;
  *jobs = tni_alloc_zero(p->ctx, sizeof **jobs);
  if (!*jobs) return false;
  if (p->target_count > 1)
    **jobs = (tni_job){.funcs = p->lowered, .target_count = p->target_count, .targets = p->targets};
  else
    **jobs = (tni_job){.lower = share_all, .self = b};
  (*jobs)->count = b->count;
  (*jobs)->what = what;
  return true;
}

tn_status tni_pipeline_codegen(tni_pipeline *p, enum tni_emit what, bool whole, size_t *count, tni_job **jobs,
                               tn_error **err) {
  double start = tni_seconds(p->ctx);
  batch b = {.p = p, .count = p->work->func_count};
  progress host = {p->desc, false};
  *count = 0;
  *jobs = NULL;
  if (!b.count) return TN_OK;
  tni_arena_init(&b.arena, p->ctx);
  tn_status status = p->target_count > 1 ? TN_OK : make_kernels(&b, err);
  if (!status && !(whole ? make_whole_job(&b, what, count, jobs) : make_jobs(&b, what, count, jobs)))
    status = tni_fail_nomem(err);
  if (!status)
    status = tni_compile_jobs(p->ctx, p->targets[0], *count, *jobs, p->desc->progress ? tell : NULL, &host, err);
  close_batch(&b);
  if (!status && host.stopped)
    status = tni_fail(p->ctx, err, TN_E_HOST, "codegen", NULL, "the host ended the compilation");
  if (status) {
    tni_jobs_destroy(p->ctx, *count, *jobs);
    *jobs = NULL;
    *count = 0;
  }
  p->stats.codegen_seconds += tni_seconds(p->ctx) - start;
  if (!status) tni_tell_code(p, start);
  p->stats.kernels = b.count;
  return status;
}
