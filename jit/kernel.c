/* kernel.c -- one kernel on a worker: a function is guarded, gets a schedule if it has none, is lowered, and taken apart from
 * its numbers.
 *
 *     function of the program --guard--> --schedule--> --lower--> loop function --> form
 *
 * Each kernel is made in regions of its own, children of the program's, which does not grow meanwhile. So what comes out does
 * not depend on which worker makes it, nor on what else is made. What stays is a copy without all that was on the way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

/* ---- lowering ------------------------------------------------------------------------------------------------------- */

static tn_status choose_schedule(tni_kernel *k, tni_region *r, const tn_func **func, tn_error **err) {
  tn_status status = tni_schedule_create_in(k->pipeline->work, r, *func, &k->schedule, err);
  if (!status) status = tn_schedule_default(k->schedule, k->pipeline->target, err);
  return status ? status : tni_schedule_finish(k->schedule, &k->schedule->region, func, err);
}

/* The function is of `r`. */
static tn_status lower(tni_kernel *k, tni_region *r, const tn_func *func, tn_error **err) {
  tni_pipeline *p = k->pipeline;
  const tn_func *lowered;
  tni_region way;
  tn_status status = tni_gets_schedule(p, func) ? choose_schedule(k, r, &func, err) : TN_OK;
  if (status) return status;
  tni_region_init(&way, p->ctx, k->schedule ? &k->schedule->region : r);
  status = tni_lower(&way, func, &lowered, err);
  if (!status && !(k->lowered = tni_func_clone(&k->region, lowered, p->work))) status = tni_fail_nomem(err);
  tni_region_destroy(&way);
  return status;
}

/* What of the stages did not run. */
static tn_status run_stages(tni_kernel *k, tn_error **err) {
  tni_pipeline *p = k->pipeline;
  const tn_func *func = k->source;
  tni_region guarded;
  tni_region_init(&guarded, p->ctx, &p->work->region);
  tn_status status = p->ran > TNI_STAGE_GUARD ? TN_OK : tni_pipeline_guard(p, &guarded, func, &func, err);
  if (!status) status = lower(k, &guarded, func, err);
  tn_schedule_destroy(k->schedule);
  k->schedule = NULL;
  tni_region_destroy(&guarded);
  return status;
}

/* ---- which first ---------------------------------------------------------------------------------------------------- */

static void weigh_node(void *self, const tn_expr *x) {
  enum { GUARDED = 64 }; /* there will be a body for each edge, and one for the middle */
  *(double *)self += x->op == TN_OP_load && tni_load_where(x) ? GUARDED : 1;
}

double tni_kernel_weight(const tn_func *func) {
  enum { LEAST = 1000 }; /* of functions around the body, and passes over each */
  double weight = LEAST;
  if (func->body) tni_stmt_visit_exprs(func->program->ctx, func->body, weigh_node, &weight);
  return weight;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

/* A tni_job's `lower`. */
static tn_status make_kernel(tni_job *job, tn_error **err) {
  tni_kernel *k = job->self;
  tni_pipeline *p = k->pipeline;
  double start = tni_seconds(p->ctx);
  tni_region_init(&k->region, p->ctx, k->lowered ? &p->lowered_region : &p->work->region);
  k->open = true;
  tn_status status = k->lowered ? TN_OK : run_stages(k, err);
  k->seconds = tni_seconds(p->ctx) - start;
  if (!status) k->weight = tni_kernel_weight(k->lowered);
  if (!status && !tni_form_of(&k->region, k->lowered, &k->form)) status = tni_fail_nomem(err);
  return status;
}

void tni_kernel_job(tni_kernel *k, tni_job *out) { *out = (tni_job){.lower = make_kernel, .self = k}; }

void tni_kernel_close(tni_kernel *k) {
  if (k->open) tni_region_destroy(&k->region);
  k->open = false;
}
