/* model.c -- compiled graphs: tensors in, tensors out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "jit.h"

/* What the host's tensors must have, in bytes. */
static size_t *count_bytes(tn_module *m, const tn_graph *g) {
  size_t *bytes = TNI_NEW_ARRAY(&m->arena, size_t, (size_t)g->input_count + g->output_count);
  for (uint32_t i = 0; bytes && i < g->input_count + g->output_count; i++) {
    const tni_gvalue *v = &g->values[i < g->input_count ? g->inputs[i] : g->outputs[i - g->input_count]];
    bytes[i] = tn_array_bytes(v->type, tni_gvalue_numel(v));
  }
  return bytes;
}

static tn_status make_model(tn_module *m, const tn_graph *g, tn_model *model, tn_error **err) {
  tni_plan plan;
  const void *const *constants;
  *model = (tn_model){.module = m, .graph = g};
  tn_status status = tni_graph_plan(g, &m->arena, &plan, &constants, err);
  if (status) return status;
  tni_packed_kernel *kernels = TNI_NEW_ARRAY(&m->arena, tni_packed_kernel, m->function_count);
  const char **names = TNI_NEW_ARRAY(&m->arena, const char *, plan.step_count);
  model->bytes = count_bytes(m, g);
  if (!kernels || !names || !model->bytes) return tni_fail_nomem(err);
  for (size_t i = 0; i < m->function_count; i++) kernels[i] = m->functions[i].packed;
  for (uint32_t i = 0; i < plan.step_count; i++) {
    uint32_t k = plan.steps[i].kernel;
    names[i] = k == TNI_PLAN_COPY ? "copy" : m->functions[k].func->name;
  }
  model->step_count = plan.step_count;
  model->step_names = names;
  if (plan.arena_bytes > m->stats.workspace_bytes) m->stats.workspace_bytes = plan.arena_bytes;
  return tni_executor_create(m->ctx, &plan, &m->env, kernels, (void *const *)constants, &model->executor, err);
}

tn_status tni_models_create(tn_module *m, tn_error **err) {
  size_t count = m->work->graph_count;
  m->models = tni_alloc_zero(m->ctx, count * sizeof *m->models);
  if (count && !m->models) return tni_fail_nomem(err);
  m->model_count = count;
  tn_status status = TN_OK;
  for (size_t i = 0; i < count && !status; i++) status = make_model(m, m->work->graphs[i], &m->models[i], err);
  return status;
}

void tni_models_destroy(tn_module *m) {
  for (size_t i = 0; i < m->model_count; i++) tni_executor_destroy(m->models[i].executor);
  tni_free(m->ctx, m->models, m->model_count * sizeof *m->models);
}

tn_status tn_module_model(const tn_module *m, const char *name, const tn_model **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  for (size_t i = 0; i < m->model_count; i++)
    if (strcmp(m->models[i].graph->name, name) == 0) {
      *out = &m->models[i];
      return TN_OK;
    }
  return tni_fail(m->ctx, err, TN_E_NOT_FOUND, "call", name, "the module has no model of that name");
}

size_t tn_model_input_count(const tn_model *model) { return tn_graph_input_count(model->graph); }
size_t tn_model_output_count(const tn_model *model) { return tn_graph_output_count(model->graph); }
void tn_model_input(const tn_model *model, size_t i, tn_tensor_info *out) { tn_graph_input(model->graph, i, out); }
void tn_model_output(const tn_model *model, size_t i, tn_tensor_info *out) { tn_graph_output(model->graph, i, out); }
size_t tn_model_step_count(const tn_model *model) { return model->step_count; }

/* ---- running ---- */

enum { TENSORS_ON_STACK = 32 };

static tn_status check_count(const tn_model *model, const char *what, size_t want, size_t have, tn_error **err) {
  if (want == have) return TN_OK;
  return tni_fail(model->module->ctx, err, TN_E_INVALID, "call", model->graph->name,
                  "%zu %s were given, the model has %zu", have, what, want);
}

static tn_status take_tensors(const tn_model *model, const char *kind, size_t count, const DLTensor *const *tensors,
                              const uint32_t *values, void **out, tn_error **err) {
  for (size_t i = 0; i < count; i++) {
    const tni_gvalue *v = &model->graph->values[values[i]];
    char what[160];
    if (!tensors[i]) return tni_fail(model->module->ctx, err, TN_E_INVALID, "call", v->name, "no tensor was given");
    /* The name is formatted only when the check fails: the check is cheap, formatting is not. */
    if (tni_tensor_check(model->module->ctx, tensors[i], kind, v->type, v->rank, v->shape, NULL)) {
      snprintf(what, sizeof what, "%s `%s`", kind, v->name);
      return tni_tensor_check(model->module->ctx, tensors[i], what, v->type, v->rank, v->shape, err);
    }
    out[i] = tni_tensor_pointer(tensors[i]);
  }
  return TN_OK;
}

/* Outputs are written while inputs are still read. */
static tn_status check_memory(const tn_model *model, void *const *pointers, tn_error **err) {
  const tn_graph *g = model->graph;
  uint32_t count = g->input_count + g->output_count;
  for (uint32_t i = g->input_count; i < count; i++)
    for (uint32_t k = 0; k < i; k++)
      if (tni_memory_overlaps(pointers[i], model->bytes[i], pointers[k], model->bytes[k])) {
        bool is_input = k < g->input_count;
        const char *name = g->values[g->outputs[i - g->input_count]].name;
        const char *other = g->values[is_input ? g->inputs[k] : g->outputs[k - g->input_count]].name;
        return tni_fail(model->module->ctx, err, TN_E_INVALID, "call", name, "the output overlaps the %s `%s`",
                        is_input ? "input" : "output", other);
      }
  return TN_OK;
}

static tn_status run_checked(const tn_model *model, const DLTensor *const *inputs, const DLTensor *const *outputs,
                             void **pointers, tn_error **err) {
  const tn_graph *g = model->graph;
  uint32_t failed_step = 0;
  tn_status status = take_tensors(model, "input", g->input_count, inputs, g->inputs, pointers, err);
  if (!status)
    status = take_tensors(model, "output", g->output_count, outputs, g->outputs, pointers + g->input_count, err);
  if (!status) status = check_memory(model, pointers, err);
  if (status) return status;
  status = tni_executor_run(model->executor, pointers, pointers + g->input_count, &failed_step);
  if (!status) return TN_OK;
  const char *what = failed_step < model->step_count ? model->step_names[failed_step] : g->name;
  return tni_kernel_error(model->module, &model->module->failure, status, what, err);
}

tn_status tn_model_run(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                       const DLTensor *const *outputs, size_t output_count, tn_error **err) {
  const tn_graph *g = model->graph;
  void *room[TENSORS_ON_STACK];
  size_t count = (size_t)g->input_count + g->output_count;
  if (err) *err = NULL;
  tn_status status = check_count(model, "inputs", g->input_count, input_count, err);
  if (!status) status = check_count(model, "outputs", g->output_count, output_count, err);
  if (status) return status;
  void **pointers = count <= TENSORS_ON_STACK ? room : tni_alloc(model->module->ctx, count * sizeof *pointers);
  if (!pointers) return tni_fail_nomem(err);
  status = run_checked(model, inputs, outputs, pointers, err);
  if (pointers != room) tni_free(model->module->ctx, pointers, count * sizeof *pointers);
  return status;
}
