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

/* Steps described so far, and who made which value. */
typedef struct describer {
  tni_arena *arena;
  const tn_graph *g;
  const tni_plan *plan;
  tn_step_info *steps;
  uint32_t *maker, *step; /* by value: its node, or TNI_NO_VALUE, and where that is a call its step */
  uint32_t *seen, *todo;  /* by value: the step whose sources were looked for; values to look at */
  uint32_t *found;        /* steps */
  const tn_func **funcs;  /* whose costs are known */
  tni_work *costs;
  size_t cost_count;
} describer;

static const tni_work *cost_of(describer *d, const tn_func *func) {
  for (size_t i = 0; i < d->cost_count; i++)
    if (d->funcs[i] == func) return &d->costs[i];
  d->funcs[d->cost_count] = func;
  return tni_func_work(func, d->arena, &d->costs[d->cost_count]) ? &d->costs[d->cost_count++] : NULL;
}

static void insert_step(uint32_t *steps, size_t *count, uint32_t step) {
  size_t at = *count;
  while (at > 0 && steps[at - 1] > step) at--;
  if (at > 0 && steps[at - 1] == step) return;
  memmove(steps + at + 1, steps + at, ((*count)++ - at) * sizeof *steps);
  steps[at] = step;
}

/* The steps that made the values, seen through what only shows them, in rising order, each once. */
static bool find_sources(describer *d, uint32_t step, const uint32_t *values, uint32_t count, tn_step_info *out) {
  uint32_t pending = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (d->seen[values[i]] != step) d->todo[pending++] = values[i];
    d->seen[values[i]] = step;
  }
  while (pending > 0) {
    uint32_t value = d->todo[--pending], maker = d->maker[value];
    const tni_gnode *n = &d->g->nodes[maker == TNI_NO_VALUE ? 0 : maker];
    if (maker != TNI_NO_VALUE && n->call) insert_step(d->found, &out->from_count, d->step[value]);
    for (uint32_t k = 0; maker != TNI_NO_VALUE && !n->call && k < n->input_count; k++) {
      if (d->seen[n->inputs[k]] != step) d->todo[pending++] = n->inputs[k];
      d->seen[n->inputs[k]] = step;
    }
  }
  out->from = tni_arena_copy(d->arena, d->found, out->from_count * sizeof *d->found);
  return out->from != NULL;
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
  for (uint32_t k = 0; k < n->output_count; k++) d->step[n->outputs[k]] = i;
  return find_sources(d, i, n->inputs, n->input_count, out);
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
  return find_sources(d, i, &d->g->outputs[to->index], 1, &d->steps[i]);
}

static bool allocate(describer *d) {
  const tn_graph *g = d->g;
  d->steps = TNI_NEW_ARRAY(d->arena, tn_step_info, d->plan->step_count);
  d->found = TNI_NEW_ARRAY(d->arena, uint32_t, d->plan->step_count);
  d->funcs = TNI_NEW_ARRAY(d->arena, const tn_func *, d->plan->step_count);
  d->costs = TNI_NEW_ARRAY(d->arena, tni_work, d->plan->step_count);
  d->maker = TNI_NEW_ARRAY(d->arena, uint32_t, g->value_count);
  d->step = TNI_NEW_ARRAY(d->arena, uint32_t, g->value_count);
  d->seen = TNI_NEW_ARRAY(d->arena, uint32_t, g->value_count);
  d->todo = TNI_NEW_ARRAY(d->arena, uint32_t, g->value_count);
  if (!d->steps || !d->found || !d->funcs || !d->costs || !d->maker || !d->step || !d->seen || !d->todo) return false;
  memset(d->maker, 0xff, g->value_count * sizeof *d->maker);
  memset(d->seen, 0xff, g->value_count * sizeof *d->seen);
  for (uint32_t i = 0; i < g->node_count; i++)
    for (uint32_t k = 0; k < g->nodes[i].output_count; k++) d->maker[g->nodes[i].outputs[k]] = i;
  return true;
}

tn_status tni_steps_create(tni_arena *arena, const tn_graph *g, const tni_plan *plan, const tn_step_info **out,
                           tn_error **err) {
  describer d = {.arena = arena, .g = g, .plan = plan};
  *out = NULL;
  if (!allocate(&d)) return tni_fail_nomem(err);
  *out = d.steps;
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
