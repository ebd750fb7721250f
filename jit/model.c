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

static tn_status make_model(tn_module *m, const tn_graph *g, const tni_planned *planned, tn_model *model,
                            tn_error **err) {
  const tni_plan *plan = &planned->plan;
  *model = (tn_model){.module = m, .graph = g};
  tni_callee *kernels = TNI_NEW_ARRAY(&m->arena, tni_callee, m->function_count);
  model->bytes = count_bytes(m, g);
  if (!kernels || !model->bytes) return tni_fail_nomem(err);
  for (size_t i = 0; i < m->function_count; i++) kernels[i] = m->functions[i].kernel;
  model->step_count = plan->step_count;
  tn_status status = tni_steps_create(&m->arena, g, plan, &model->steps, err);
  if (status) return status;
  if (plan->arena_bytes > m->stats.workspace_bytes) m->stats.workspace_bytes = plan->arena_bytes;
  return tni_executor_create(m->ctx, plan, &m->env, kernels, (void *const *)planned->constants, &model->executor, err);
}

/* All plans are made before what they read is settled. A model of many programs shares its constants among them: those
 * stay where they are. */
static tn_status make_models(tn_module *m, size_t graphs, tn_error **err) {
  tni_planned *plans = tni_alloc_zero(m->ctx, (graphs + 1) * sizeof *plans);
  tn_status status = plans ? TN_OK : tni_fail_nomem(err);
  for (size_t i = 0; i < graphs && !status; i++)
    status = tni_graph_plan(m->work->graphs[i], &m->arena, &plans[i].plan, &plans[i].constants, err);
  if (!status && !m->work->kept) status = tni_constants_settle(m->work, graphs, plans, err);
  for (size_t i = 0; i < graphs && !status; i++)
    status = make_model(m, m->work->graphs[i], &plans[i], &m->models[i], err);
  tni_free(m->ctx, plans, (graphs + 1) * sizeof *plans);
  return status;
}

tn_status tni_models_create(tn_module *m, const tn_compile_desc *desc, tn_error **err) {
  size_t graphs = m->work->graph_count, count = graphs + (m->work->flow != NULL);
  m->models = tni_alloc_zero(m->ctx, count * sizeof *m->models);
  if (count && !m->models) return tni_fail_nomem(err);
  m->model_count = count;
  tn_status status = make_models(m, graphs, err);
  if (status || count == graphs) return status;
  m->models[graphs] = (tn_model){.module = m, .flow_inputs = m->work->flow_inputs};
  return tni_parts_create(m->ctx, m->work->flow, desc, &m->models[graphs].parts, err);
}

void tni_models_destroy(tn_module *m) {
  for (size_t i = 0; i < m->model_count; i++) {
    tni_executor_destroy(m->models[i].executor);
    tni_parts_destroy(m->models[i].parts);
  }
  tni_free(m->ctx, m->models, m->model_count * sizeof *m->models);
}

static const char *name_of(const tn_model *model) { return model->parts ? "main" : model->graph->name; }

tn_status tn_module_model(const tn_module *m, const char *name, const tn_model **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  for (size_t i = 0; i < m->model_count; i++)
    if (strcmp(name_of(&m->models[i]), name) == 0) {
      *out = &m->models[i];
      return TN_OK;
    }
  return tni_fail(m->ctx, err, TN_E_NOT_FOUND, "call", name, "the module has no model of that name");
}

size_t tn_model_input_count(const tn_model *model) {
  return model->parts ? tni_flow_input_count(model) : tn_graph_input_count(model->graph);
}
size_t tn_model_output_count(const tn_model *model) {
  return model->parts ? tni_flow_output_count(model) : tn_graph_output_count(model->graph);
}
void tn_model_input(const tn_model *model, size_t i, tn_tensor_info *out) {
  if (model->parts)
    tni_flow_input(model, i, out);
  else
    tn_graph_input(model->graph, i, out);
}
void tn_model_output(const tn_model *model, size_t i, tn_tensor_info *out) {
  if (model->parts)
    tni_flow_output(model, i, out);
  else
    tn_graph_output(model->graph, i, out);
}
size_t tn_model_step_count(const tn_model *model) { return model->step_count; }

/* ---- running ---- */

enum { TENSORS_ON_STACK = 32 };

static tn_status check_count(const tn_model *model, const char *what, size_t want, size_t have, tn_error **err) {
  if (want == have) return TN_OK;
  return tni_fail(model->module->ctx, err, TN_E_INVALID, "call", name_of(model),
                  "%zu %s were given, the model has %zu", have, what, want);
}

static tn_status take_tensors(const tn_model *model, const char *kind, size_t count, const DLTensor *const *tensors,
                              const uint32_t *values, const size_t *bytes, void **out, tn_error **err) {
  for (size_t i = 0; i < count; i++) {
    const tni_gvalue *v = &model->graph->values[values[i]];
    char what[160];
    out[i] = tensors[i] ? tni_tensor_pointer(tensors[i]) : NULL;
    if (tni_tensor_is_plain(tensors[i], v->type, v->rank, v->shape, bytes[i])) continue;
    if (!tensors[i]) return tni_fail(model->module->ctx, err, TN_E_INVALID, "call", v->name, "no tensor was given");
    /* The name is formatted only when the check fails: the check is cheap, formatting is not. */
    if (tni_tensor_check(model->module->ctx, tensors[i], kind, v->type, v->rank, v->shape, NULL)) {
      snprintf(what, sizeof what, "%s `%s`", kind, v->name);
      return tni_tensor_check(model->module->ctx, tensors[i], what, v->type, v->rank, v->shape, err);
    }
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
                             const tn_observer *observer, void **pointers, tn_error **err) {
  const tn_graph *g = model->graph;
  uint32_t failed_step = 0;
  tn_status status = take_tensors(model, "input", g->input_count, inputs, g->inputs, model->bytes, pointers, err);
  if (!status)
    status = take_tensors(model, "output", g->output_count, outputs, g->outputs, model->bytes + g->input_count,
                          pointers + g->input_count, err);
  if (!status) status = check_memory(model, pointers, err);
  if (status) return status;
  status = tni_steps_run(model, pointers, pointers + g->input_count, observer, &failed_step);
  if (!status) return TN_OK;
  const char *what = failed_step < model->step_count ? model->steps[failed_step].name : g->name;
  return tni_kernel_error(model->module, &model->module->failure, status, what, err);
}

static tn_status check_counts(const tn_model *model, size_t input_count, size_t output_count, tn_error **err) {
  tn_status status = check_count(model, "inputs", tn_model_input_count(model), input_count, err);
  return status ? status : check_count(model, "outputs", tn_model_output_count(model), output_count, err);
}

static tn_status copy_output(const tn_model *model, size_t i, tn_tensor *made, const DLTensor *to, tn_error **err) {
  tn_tensor_info info;
  char what[160];
  const DLTensor *from = tn_tensor_view(made);
  tn_model_output(model, i, &info);
  if (!to) return tni_fail(model->module->ctx, err, TN_E_INVALID, "call", info.name, "no tensor was given");
  snprintf(what, sizeof what, "output `%s`", info.name);
  tn_status status =
      tni_tensor_check(model->module->ctx, to, what, tn_type_from_dlpack(from->dtype), from->ndim, from->shape, err);
  if (!status && tni_tensor_bytes(from)) memcpy(tni_tensor_pointer(to), tn_tensor_data(made), tni_tensor_bytes(from));
  return status;
}

/* A flow makes its outputs. */
static tn_status call_flow(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                           const tn_observer *observer, tn_tensor **made, size_t count, tn_error **err) {
  tn_context *ctx = model->module->ctx;
  tn_items *items = NULL;
  tn_item *in = tni_alloc_zero(ctx, (input_count + 1) * sizeof *in);
  tn_status status = in ? TN_OK : tni_fail_nomem(err);
  for (size_t i = 0; i < input_count && !status; i++)
    in[i] = (tn_item){.kind = TN_ITEM_TENSOR, .count = 1, .tensors = &inputs[i]};
  if (!status) status = tni_flow_call(model, in, observer, &items, err);
  for (size_t i = 0; i < count && !status; i++) {
    tn_tensor_info info;
    tn_model_output(model, i, &info);
    made[i] = tni_items_take(items, i);
    if (!made[i])
      status = tni_fail(ctx, err, TN_E_INVALID, "call", info.name,
                        "the output is not a tensor: tn_model_call_items gives it");
  }
  tn_items_destroy(items);
  tni_free(ctx, in, (input_count + 1) * sizeof *in);
  return status;
}

/* Its outputs are copied to the host's. */
static tn_status run_flow(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                          const DLTensor *const *outputs, size_t count, const tn_observer *observer, tn_error **err) {
  tn_context *ctx = model->module->ctx;
  tn_tensor **made = tni_alloc_zero(ctx, (count + 1) * sizeof *made);
  if (!made) return tni_fail_nomem(err);
  tn_status status = call_flow(model, inputs, input_count, observer, made, count, err);
  for (size_t i = 0; i < count && !status; i++) status = copy_output(model, i, made[i], outputs[i], err);
  for (size_t i = 0; i < count; i++) tn_tensor_destroy(made[i]);
  tni_free(ctx, made, (count + 1) * sizeof *made);
  return status;
}

/* Tensors of the shapes that the graph's outputs have. */
static tn_status call_graph(const tn_model *model, const DLTensor *const *inputs, size_t input_count, tn_tensor **made,
                            size_t count, tn_error **err) {
  tn_context *ctx = model->module->ctx;
  const DLTensor **views = tni_alloc_zero(ctx, (count + 1) * sizeof *views);
  tn_status status = views ? TN_OK : tni_fail_nomem(err);
  for (size_t i = 0; i < count && !status; i++) {
    tn_tensor_info info;
    tn_model_output(model, i, &info);
    status = tn_tensor_create(ctx, info.type, info.rank, info.shape, &made[i], err);
    if (!status) views[i] = tn_tensor_view(made[i]);
  }
  if (!status) status = tn_model_run(model, inputs, input_count, views, count, err);
  tni_free(ctx, views, (count + 1) * sizeof *views);
  return status;
}

tn_status tn_model_call(const tn_model *model, const DLTensor *const *inputs, size_t input_count, tn_tensor **outputs,
                        size_t output_count, tn_error **err) {
  if (err) *err = NULL;
  for (size_t i = 0; i < output_count; i++) outputs[i] = NULL;
  tn_status status = check_counts(model, input_count, output_count, err);
  if (status) return status;
  status = model->parts ? call_flow(model, inputs, input_count, NULL, outputs, output_count, err)
                        : call_graph(model, inputs, input_count, outputs, output_count, err);
  for (size_t i = 0; i < output_count && status; i++) {
    tn_tensor_destroy(outputs[i]);
    outputs[i] = NULL;
  }
  return status;
}

static tn_status run(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                     const DLTensor *const *outputs, size_t output_count, const tn_observer *observer,
                     tn_error **err) {
  void *room[TENSORS_ON_STACK];
  size_t count = input_count + output_count;
  if (err) *err = NULL;
  tn_status status = check_counts(model, input_count, output_count, err);
  if (status) return status;
  if (model->parts) return run_flow(model, inputs, input_count, outputs, output_count, observer, err);
  void **pointers = count <= TENSORS_ON_STACK ? room : tni_alloc(model->module->ctx, count * sizeof *pointers);
  if (!pointers) return tni_fail_nomem(err);
  status = run_checked(model, inputs, outputs, observer, pointers, err);
  if (pointers != room) tni_free(model->module->ctx, pointers, count * sizeof *pointers);
  return status;
}

tn_status tn_model_run(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                       const DLTensor *const *outputs, size_t output_count, tn_error **err) {
  return run(model, inputs, input_count, outputs, output_count, NULL, err);
}

tn_status tn_model_run_observed(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                                const DLTensor *const *outputs, size_t output_count, const tn_observer *observer,
                                tn_error **err) {
  if (observer->struct_size == sizeof *observer)
    return run(model, inputs, input_count, outputs, output_count, observer, err);
  return tni_fail(model->module->ctx, err, TN_E_VERSION, "call", "tn_observer",
                  "struct_size is %zu, this library knows %zu", observer->struct_size, sizeof *observer);
}

/* ---- items ---- */

/* The tensors go into the items; what is left of them is destroyed. */
static tn_status wrap_outputs(const tn_model *model, size_t count, tn_tensor **made, tn_items **out, tn_error **err) {
  tn_status status = tni_items_create(model->module->ctx, count, out, err);
  for (size_t i = 0; i < count && !status; i++) {
    status = tni_items_set(*out, i, TN_ITEM_TENSOR, 0, 1, err);
    if (status) break;
    tni_items_add(*out, i, made[i]);
    made[i] = NULL;
  }
  for (size_t i = 0; i < count; i++) tn_tensor_destroy(made[i]);
  if (!status) return TN_OK;
  tn_items_destroy(*out);
  *out = NULL;
  return status;
}

/* A graph's inputs and outputs are tensors. */
static tn_status call_graph_items(const tn_model *model, const tn_item *inputs, size_t input_count, tn_items **out,
                                  tn_error **err) {
  tn_context *ctx = model->module->ctx;
  size_t count = tn_model_output_count(model);
  const DLTensor **tensors = tni_alloc_zero(ctx, (input_count + 1) * sizeof *tensors);
  tn_tensor **made = tni_alloc_zero(ctx, (count + 1) * sizeof *made);
  tn_status status = tensors && made ? TN_OK : tni_fail_nomem(err);
  for (size_t i = 0; i < input_count && !status; i++) {
    tn_tensor_info info;
    tn_model_input(model, i, &info);
    if (inputs[i].kind != TN_ITEM_TENSOR)
      status = tni_fail(ctx, err, TN_E_INVALID, "call", info.name, "is not a tensor");
    else
      tensors[i] = tni_item_tensor(&inputs[i], 0);
  }
  if (!status) status = tn_model_call(model, tensors, input_count, made, count, err);
  if (!status) status = wrap_outputs(model, count, made, out, err);
  tni_free(ctx, tensors, (input_count + 1) * sizeof *tensors);
  tni_free(ctx, made, (count + 1) * sizeof *made);
  return status;
}

tn_status tn_model_call_items(const tn_model *model, const tn_item *inputs, size_t input_count, tn_items **out,
                              tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = check_count(model, "inputs", tn_model_input_count(model), input_count, err);
  if (status) return status;
  return model->parts ? tni_flow_call(model, inputs, NULL, out, err) : call_graph_items(model, inputs, input_count, out, err);
}
