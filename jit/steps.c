/* steps.c -- the steps of a model: what they are made of, and runs that an observer sees.
 *
 * An observed run has an environment of its own, whose parallel loops tell of the ranges that threads take. So a run
 * without an observer has nothing to do with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "jit.h"

/* ---- what they are ------------------------------------------------------------------------------------------------ */

/* Steps described so far, and who wrote which buffer. */
typedef struct describer {
  tni_arena *arena;
  const tn_graph *g;
  const tni_plan *plan;
  tn_step_info *steps;
  uint32_t *writer; /* by buffer: a step, or TNI_PLAN_NO_STEP */
  const tn_func **funcs; /* whose costs are known */
  tni_work *costs;
  size_t cost_count;
} describer;

static const tni_work *cost_of(describer *d, const tn_func *func) {
  for (size_t i = 0; i < d->cost_count; i++)
    if (d->funcs[i] == func) return &d->costs[i];
  d->funcs[d->cost_count] = func;
  return tni_func_work(func, d->arena, &d->costs[d->cost_count]) ? &d->costs[d->cost_count++] : NULL;
}

/* The steps that wrote what args[first .. end) of the step are, in rising order, each once. */
static bool find_sources(describer *d, const tni_plan_step *s, uint32_t first, uint32_t end, tn_step_info *out) {
  uint32_t *from = TNI_NEW_ARRAY(d->arena, uint32_t, end - first);
  if (!from) return false;
  for (uint32_t a = first; a < end; a++) {
    uint32_t step = d->writer[d->plan->args[s->first_arg + a]];
    size_t at = out->from_count;
    if (step == TNI_PLAN_NO_STEP) continue;
    while (at > 0 && from[at - 1] > step) at--;
    if (at > 0 && from[at - 1] == step) continue;
    memmove(from + at + 1, from + at, (out->from_count++ - at) * sizeof *from);
    from[at] = step;
  }
  out->from = from;
  return true;
}

static bool describe_call(describer *d, uint32_t i, const tni_gnode *n) {
  const tni_work *cost = cost_of(d, n->call);
  if (!cost) return false;
  tn_step_info *out = &d->steps[i];
  *out = (tn_step_info){.struct_size = sizeof *out,
                        .name = n->call->name,
                        .operators = n->origin ? n->origin->operators : "",
                        .nodes = n->origin ? n->origin->nodes : n->name,
                        .operations = cost->operations};
  for (uint32_t k = 0; k < n->call->param_count; k++) {
    out->read_bytes += cost->read[k];
    out->written_bytes += cost->written[k];
  }
  const tni_plan_step *s = &d->plan->steps[i];
  if (!find_sources(d, s, 0, n->input_count, out)) return false;
  for (uint32_t a = n->input_count; a < s->arg_count; a++) d->writer[d->plan->args[s->first_arg + a]] = i;
  return true;
}

static bool describe_copy(describer *d, uint32_t i) {
  const tni_plan_step *s = &d->plan->steps[i];
  const tni_plan_buffer *to = &d->plan->buffers[d->plan->args[s->first_arg]];
  d->steps[i] = (tn_step_info){.struct_size = sizeof *d->steps,
                               .name = "copy",
                               .operators = "",
                               .nodes = d->g->values[d->g->outputs[to->index]].name,
                               .read_bytes = (double)to->bytes,
                               .written_bytes = (double)to->bytes};
  return find_sources(d, s, 1, 2, &d->steps[i]);
}

tn_status tni_steps_create(tni_arena *arena, const tn_graph *g, const tni_plan *plan, const tn_step_info **out,
                           tn_error **err) {
  describer d = {arena,
                 g,
                 plan,
                 TNI_NEW_ARRAY(arena, tn_step_info, plan->step_count),
                 TNI_NEW_ARRAY(arena, uint32_t, plan->buffer_count),
                 TNI_NEW_ARRAY(arena, const tn_func *, plan->step_count),
                 TNI_NEW_ARRAY(arena, tni_work, plan->step_count),
                 0};
  *out = d.steps;
  if (!d.steps || !d.writer || !d.funcs || !d.costs) return tni_fail_nomem(err);
  memset(d.writer, 0xff, plan->buffer_count * sizeof *d.writer);
  uint32_t step = 0;
  for (uint32_t i = 0; i < g->node_count; i++)
    if (g->nodes[i].call && !describe_call(&d, step++, &g->nodes[i])) return tni_fail_nomem(err);
  for (; step < plan->step_count; step++)
    if (!describe_copy(&d, step)) return tni_fail_nomem(err);
  return TN_OK;
}

void tn_model_step(const tn_model *model, size_t i, tn_step_info *out) {
  size_t size = out->struct_size && out->struct_size < sizeof *out ? out->struct_size : sizeof *out;
  memcpy(out, &model->steps[i], size);
  out->struct_size = size;
}

/* ---- observed runs ------------------------------------------------------------------------------------------------ */

/* `env` is what the kernels get; its self is the module's, so that the services are the same. */
typedef struct observed {
  tn_env env;
  const tn_env *plain;
  const tn_model *model;
  const tn_observer *observer;
  uint32_t step; /* that runs */
} observed;

static void tell(const observed *o, enum tn_event_kind kind, double begin, double end) {
  const tn_event event = {.struct_size = sizeof event,
                          .kind = kind,
                          .number = o->step,
                          .step = &o->model->steps[o->step],
                          .thread = (uint64_t)(uintptr_t)pthread_self(),
                          .begin = (uint64_t)(1e9 * begin),
                          .end = (uint64_t)(1e9 * end)};
  o->observer->event(o->observer->self, &event);
}

static void note_step(void *self, uint32_t step) { ((observed *)self)->step = step; }

static void tell_step(void *self, uint32_t step, double begin, double end) {
  (void)step;
  tell(self, TN_EVENT_STEP, begin, end);
}

typedef struct range_closure {
  const observed *o;
  int32_t (*body)(const tn_env *env, void *closure, int64_t begin, int64_t end);
  void *closure;
} range_closure;

static int32_t run_range(const tn_env *env, void *closure, int64_t begin, int64_t end) {
  const range_closure *c = closure;
  (void)env;
  double start = tni_seconds(c->o->model->module->ctx);
  int32_t status = c->body(&c->o->env, c->closure, begin, end);
  tell(c->o, TN_EVENT_RANGE, start, tni_seconds(c->o->model->module->ctx));
  return status;
}

/* `env` is the observed one's, its first member. */
static int32_t observed_parallel_for(const tn_env *env,
                                     int32_t (*body)(const tn_env *, void *, int64_t, int64_t), void *closure,
                                     int64_t count, int64_t grain) {
  const observed *o = (const observed *)env;
  range_closure c = {o, body, closure};
  return o->plain->parallel_for(o->plain, run_range, &c, count, grain);
}

static tn_status run_observed(const tn_model *model, void *const *inputs, void *const *outputs,
                              const tn_observer *observer, uint32_t *failed_step) {
  observed o = {.env = model->module->env, .plain = &model->module->env, .model = model, .observer = observer};
  if (observer->ranges) o.env.parallel_for = observed_parallel_for;
  const tni_watch watch = {note_step, tell_step, &o};
  return tni_executor_watch(model->executor, &o.env, &watch, inputs, outputs, failed_step);
}

tn_status tni_steps_run(const tn_model *model, void *const *inputs, void *const *outputs, const tn_observer *observer,
                        uint32_t *failed_step) {
  return observer ? run_observed(model, inputs, outputs, observer, failed_step)
                  : tni_executor_run(model->executor, inputs, outputs, failed_step);
}
