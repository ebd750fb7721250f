/* plan.c -- the steps and the memory of a model, for those who want to know before there is code.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "jit.h"

typedef struct sized {
  enum tn_plan_kind kind;
  uint32_t value;
  uint64_t bytes;
} sized;

struct tn_plan {
  tn_context *ctx;
  tni_pipeline *pipeline; /* whose program has the graph */
  const tn_graph *graph;
  tni_arena arena; /* of what follows */
  tni_plan plan;
  const tn_step_info *steps;
  sized *tensors;
  tn_plan_info info;
};

/* ---- the most that is alive ---------------------------------------------------------------------------------------- */

/* The buffer, or what it is a part of. */
static uint32_t whole_of(const tni_plan *plan, uint32_t buffer) {
  return plan->buffers[buffer].kind == TNI_PLAN_PART ? plan->buffers[buffer].index : buffer;
}

static bool see_lives(tn_plan *p) {
  const tni_plan *plan = &p->plan;
  uint32_t *last = TNI_NEW_ARRAY(&p->arena, uint32_t, plan->buffer_count);
  bool *begun = TNI_NEW_ARRAY(&p->arena, bool, plan->buffer_count);
  uint64_t alive = 0;
  if (!last || !begun) return false;
  for (uint32_t s = 0; s < plan->step_count; s++)
    for (uint32_t a = 0; a < plan->steps[s].arg_count; a++)
      last[whole_of(plan, plan->args[plan->steps[s].first_arg + a])] = s;
  for (uint32_t s = 0; s < plan->step_count; s++) {
    const uint32_t *args = plan->args + plan->steps[s].first_arg;
    uint64_t ends = 0;
    for (uint32_t a = 0; a < plan->steps[s].arg_count; a++) {
      uint32_t whole = whole_of(plan, args[a]);
      const tni_plan_buffer *b = &plan->buffers[whole];
      if (b->kind != TNI_PLAN_ARENA) continue;
      if (!begun[whole]) alive += b->bytes;
      begun[whole] = true;
      if (last[whole] != s) continue;
      ends += b->bytes;
      last[whole] = plan->step_count; /* the same buffer twice in a step ends once */
    }
    if (alive > p->info.liveness_bytes) p->info.liveness_bytes = alive;
    alive -= ends;
  }
  return true;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------- */

static void add_tensor(tn_plan *p, bool *known, uint32_t value, enum tn_plan_kind kind) {
  const tni_gvalue *v = &p->graph->values[value];
  if (value == TNI_NO_VALUE || known[value]) return;
  known[value] = true;
  p->tensors[p->info.tensors++] = (sized){kind, value, tn_array_bytes(v->type, tni_gvalue_numel(v))};
}

static int larger_first(const void *a, const void *b) {
  const sized *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x->value < y->value ? -1 : x->value > y->value;
}

/* What the host gives and takes, what calls make, and the constants that they read. */
static bool find_tensors(tn_plan *p) {
  const tn_graph *g = p->graph;
  bool *known = TNI_NEW_ARRAY(&p->arena, bool, g->value_count);
  p->tensors = TNI_NEW_ARRAY(&p->arena, sized, g->value_count);
  if (!known || !p->tensors) return false;
  for (uint32_t i = 0; i < g->input_count; i++) add_tensor(p, known, g->inputs[i], TN_PLAN_INPUT);
  for (uint32_t i = 0; i < g->output_count; i++)
    add_tensor(p, known, g->outputs[i], g->values[g->outputs[i]].data ? TN_PLAN_WEIGHT : TN_PLAN_OUTPUT);
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    for (uint32_t k = 0; k < n->input_count; k++)
      if (n->inputs[k] != TNI_NO_VALUE && g->values[n->inputs[k]].data) add_tensor(p, known, n->inputs[k], TN_PLAN_WEIGHT);
    for (uint32_t k = 0; n->call && k < n->output_count; k++) add_tensor(p, known, n->outputs[k], TN_PLAN_INTERMEDIATE);
  }
  qsort(p->tensors, p->info.tensors, sizeof *p->tensors, larger_first);
  return true;
}

static void add_up(tn_plan *p) {
  uint64_t *const sums[] = {[TN_PLAN_INPUT] = &p->info.input_bytes,
                            [TN_PLAN_OUTPUT] = &p->info.output_bytes,
                            [TN_PLAN_WEIGHT] = &p->info.weight_bytes};
  for (uint64_t i = 0; i < p->info.tensors; i++)
    if (p->tensors[i].kind != TN_PLAN_INTERMEDIATE) *sums[p->tensors[i].kind] += p->tensors[i].bytes;
  for (uint32_t i = 0; i < p->plan.step_count; i++) {
    p->info.operations += p->steps[i].operations;
    p->info.read_bytes += p->steps[i].read_bytes;
    p->info.written_bytes += p->steps[i].written_bytes;
  }
  p->info.steps = p->plan.step_count;
  p->info.arena_bytes = p->plan.arena_bytes;
}

/* ---- the plan ------------------------------------------------------------------------------------------------------ */

static tn_status make_plan(tn_plan *p, const char *name, tn_error **err) {
  const void **constants;
  tn_status status = tni_pipeline_run(p->pipeline, TNI_STAGE_FUSE, err);
  tni_program_fill(p->pipeline->work);
  if (status) return status;
  p->graph = tn_program_graph(p->pipeline->work, name);
  status = tni_graph_plan(p->graph, &p->arena, &p->plan, &constants, err);
  if (!status) status = tni_steps_create(&p->arena, p->graph, &p->plan, &p->steps, err);
  if (status) return status;
  if (!see_lives(p) || !find_tensors(p)) return tni_fail_nomem(err);
  add_up(p);
  return TN_OK;
}

tn_status tn_plan_create(const tn_program *program, const tn_compile_desc *desc, const char *graph, tn_plan **out,
                         tn_error **err) {
  tn_context *ctx = program->ctx;
  *out = NULL;
  if (err) *err = NULL;
  if (program->flow)
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, "build", graph,
                    "the model's shapes are known only while it runs: there is no plan of it");
  if (!tn_program_graph(program, graph))
    return tni_fail(ctx, err, TN_E_NOT_FOUND, "build", graph, "the program has no graph of that name");
  tn_plan *p = tni_alloc_zero(ctx, sizeof *p);
  if (!p) return tni_fail_nomem(err);
  p->ctx = ctx;
  p->info.struct_size = sizeof p->info;
  tni_arena_init(&p->arena, ctx);
  tn_status status = tni_pipeline_create(program, desc, &p->pipeline, err);
  if (!status) status = make_plan(p, graph, err);
  if (status)
    tn_plan_destroy(p);
  else
    *out = p;
  return status;
}

void tn_plan_destroy(tn_plan *p) {
  if (!p) return;
  tni_pipeline_destroy(p->pipeline);
  tni_arena_destroy(&p->arena);
  tni_free(p->ctx, p, sizeof *p);
}

/* As much of `from` as the host knows. */
static void give(void *to, size_t known, const void *from, size_t size) {
  size = known && known < size ? known : size;
  memcpy(to, from, size);
  *(size_t *)to = size;
}

void tn_plan_get_info(const tn_plan *p, tn_plan_info *out) { give(out, out->struct_size, &p->info, sizeof *out); }

void tn_plan_step(const tn_plan *p, size_t i, tn_step_info *out) {
  give(out, out->struct_size, &p->steps[i], sizeof *out);
}

void tn_plan_get_tensor(const tn_plan *p, size_t i, tn_plan_tensor *out) {
  const tni_gvalue *v = &p->graph->values[p->tensors[i].value];
  tn_plan_tensor t = {.struct_size = sizeof t, .kind = p->tensors[i].kind, .bytes = p->tensors[i].bytes};
  t.info = (tn_tensor_info){.name = v->name, .type = v->type, .rank = v->rank, .kind = TN_ITEM_TENSOR};
  memcpy(t.info.shape, v->shape, sizeof t.info.shape);
  give(out, out->struct_size, &t, sizeof t);
}
