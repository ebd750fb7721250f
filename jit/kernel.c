/* kernel.c -- one kernel's code: a function gets a schedule if it has none, is lowered and compiled, all on one worker.
 *
 *     function of the program --schedule--> --lower--> loop function --codegen--> object
 *
 * Each kernel is made in regions of its own, children of the program's, which does not grow meanwhile. So what comes out does
 * not depend on which worker makes it, nor on what else is made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

/* ---- one kernel, or those that share loops -------------------------------------------------------------------------- */

static tn_status choose_schedule(tni_kernel *k, const tn_func **func, tn_error **err) {
  tn_status status = tn_schedule_create(k->pipeline->work, *func, &k->schedule, err);
  if (!status) status = tn_schedule_default(k->schedule, k->pipeline->target, err);
  return status ? status : tni_schedule_finish(k->schedule, &k->schedule->region, func, err);
}

/* A tni_job's `lower`. */
static tn_status lower_kernel(tni_job *job, tn_error **err) {
  tni_kernel *k = job->kernel;
  tni_pipeline *p = k->pipeline;
  double start = tni_seconds(p->ctx);
  const tn_func *func = k->sources[0];
  tn_status status = tni_gets_schedule(p, func) ? choose_schedule(k, &func, err) : TN_OK;
  if (status) return status;
  tni_region_init(&k->region, p->ctx, k->schedule ? &k->schedule->region : &p->work->region);
  k->open = true;
  for (size_t i = 0; i < job->count && !status; i++)
    status = tni_lower(&k->region, i ? k->sources[i] : func, &k->lowered[i], err);
  k->seconds = tni_seconds(p->ctx) - start;
  return status;
}

/* A tni_job's `release`. */
static void release_kernel(tni_job *job) {
  tni_kernel *k = job->kernel;
  if (k->open) tni_region_destroy(&k->region);
  tn_schedule_destroy(k->schedule);
  k->open = false;
  k->schedule = NULL;
}

void tni_kernel_job(tni_kernel *k, enum tni_emit what, tni_job *out) {
  *out = (tni_job){.count = k->count, .funcs = k->lowered, .lower = lower_kernel, .release = release_kernel,
                   .kernel = k, .what = what};
}

/* ---- which first ---------------------------------------------------------------------------------------------------- */

static void weigh_node(void *self, const tn_expr *x) {
  enum { GUARDED = 64 }; /* there will be a body for each edge, and one for the middle */
  *(double *)self += x->op == TN_OP_load && tni_load_where(x) ? GUARDED : 1;
}

double tni_kernel_weight(const tn_func *func) {
  double weight = 0;
  if (func->body) tni_stmt_visit_exprs(func->program->ctx, func->body, weigh_node, &weight);
  return weight;
}
