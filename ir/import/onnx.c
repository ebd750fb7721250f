/* onnx.c -- importing ONNX: open dimensions bound, then a graph, or a flow where shapes are known only while it runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import.h"

static const char phase[] = "import";

typedef struct importer {
  tn_context *ctx;
  const tni_flow *flow;
  const tn_import_desc *desc;
  tn_error **err;
} importer;

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static const tn_input_shape *given_shape(const importer *p, const char *input) {
  for (size_t i = 0; i < p->desc->shape_count; i++)
    if (strcmp(p->desc->shapes[i].input, input) == 0) return &p->desc->shapes[i];
  return NULL;
}

/* What the description says about an open dimension, or -1. */
static int64_t given_dim(const importer *p, const char *name) {
  for (size_t i = 0; i < p->desc->dim_count; i++)
    if (*name && strcmp(p->desc->dims[i].name, name) == 0) return p->desc->dims[i].value;
  return p->desc->default_dim > 0 ? p->desc->default_dim : -1;
}

static tn_status bind_dim(importer *p, const char *input, int32_t i, const char *dim, const tn_input_shape *given,
                          int64_t *value) {
  int64_t model = *value;
  *value = given ? given->shape[i] : model >= 0 ? model : given_dim(p, dim);
  if (given && model >= 0 && model != *value)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, input, "dimension %d is %lld in the model, %lld was asked for",
                    i, (long long)model, (long long)*value);
  if (*value >= 0 || p->desc->keep_open) return TN_OK;
  return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, input,
                  "dimension %d%s%s%s is open: give it a value in tn_import_desc (dims, shapes, default_dim or keep_open)",
                  i, *dim ? " (`" : "", dim, *dim ? "`)" : "");
}

/* Gives the input the shape that the description has for it. */
static tn_status bind_shape(importer *p, tni_onnx_port *port) {
  const char *input = p->flow->slots[port->slot].name;
  const tn_input_shape *given = given_shape(p, input);
  if (given && (given->rank < 0 || given->rank > TN_MAX_RANK))
    return tni_fail(p->ctx, p->err, TN_E_UNSUPPORTED, phase, input, "the rank is over %d", TN_MAX_RANK);
  if (port->rank < 0 && !given && p->desc->keep_open) return TN_OK;
  if (port->rank < 0 && !given)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, input,
                    "the input has no shape: give one in tn_import_desc.shapes");
  if (given && port->rank >= 0 && given->rank != port->rank)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, input, "the rank is %d, a shape of rank %d was given",
                    port->rank, given->rank);
  for (int32_t i = 0; port->rank < 0 && i < given->rank; i++) port->shape[i] = -1, port->dims[i] = "";
  if (given) port->rank = given->rank;
  tn_status status = TN_OK;
  for (int32_t i = 0; i < port->rank && status == TN_OK; i++)
    status = bind_dim(p, input, i, port->dims[i], given, &port->shape[i]);
  return status;
}

/* Is it listed among the inputs? Weights may be. */
static bool has_input(tni_view graph, const char *name) {
  tni_wire_item item;
  while (tni_wire_next(&graph, &item)) {
    tni_view own = item.number == 11 ? tni_wire_find(item.view, 1) : (tni_view){0};
    if (own.data && tni_view_is(own, name)) return true;
  }
  return false;
}

/* Shapes are given for inputs of the model that are no weights. */
static tn_status check_given(importer *p) {
  for (size_t i = 0; i < p->desc->shape_count; i++) {
    const char *name = p->desc->shapes[i].input;
    bool found = false;
    for (uint32_t k = 0; name && k < p->flow->main->input_count; k++)
      found |= strcmp(p->flow->slots[p->flow->main->inputs[k].slot].name, name) == 0;
    if (found) continue;
    if (name && has_input(p->flow->graph, name))
      return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, name, "a shape was given, but the model holds this tensor");
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, name, "the model has no input of this name");
  }
  return TN_OK;
}

/* *whole: all inputs are tensors of known shape. */
static tn_status bind_inputs(importer *p, tni_onnx_port *inputs, bool *whole) {
  tn_status status = check_given(p);
  *whole = true;
  for (uint32_t i = 0; i < p->flow->main->input_count && status == TN_OK; i++) {
    tni_onnx_port *port = &inputs[i];
    *port = p->flow->main->inputs[i];
    if (port->kind == TNI_ONNX_IS_TENSOR) status = bind_shape(p, port);
    *whole &= port->kind == TNI_ONNX_IS_TENSOR && port->rank >= 0;
    for (int32_t k = 0; k < port->rank; k++) *whole &= port->shape[k] >= 0;
  }
  return status;
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

static tn_status convert(importer *p, tni_flow *flow, tn_program *program) {
  size_t count = flow->main->input_count;
  tni_onnx_port *inputs = TNI_NEW_ARRAY(&program->region.arena, tni_onnx_port, count);
  bool whole, done = false;
  if (!inputs) return tni_fail_nomem(p->err);
  tn_status status = bind_inputs(p, inputs, &whole);
  if (status == TN_OK && whole) status = tni_flow_import(flow, inputs, program, &done, p->err);
  if (status == TN_OK && !done) status = tni_flow_settle(flow, p->err);
  if (status != TN_OK || done) return status;
  program->flow = tni_flow_ref(flow);
  program->flow_inputs = inputs;
  return TN_OK;
}

/* Takes the reference to `blob`. */
static tn_status import_blob(tn_context *ctx, tni_blob *blob, const tn_import_desc *desc, tn_program **out,
                             tn_error **err) {
  static const tn_import_desc defaults = {.struct_size = sizeof defaults};
  tni_flow *flow;
  tn_program *program = NULL;
  tn_status status = tni_onnx_read(ctx, blob, desc ? desc->data_directory : NULL, &flow, err);
  importer p = {ctx, flow, desc ? desc : &defaults, err};
  if (status == TN_OK) status = tn_program_create(ctx, &program, err);
  if (status == TN_OK) status = convert(&p, flow, program);
  tni_flow_unref(flow);
  if (status == TN_OK)
    *out = program;
  else
    tn_program_destroy(program);
  return status;
}

static tn_status check_desc(tn_context *ctx, const tn_import_desc *desc, tn_error **err) {
  if (!desc || desc->struct_size == sizeof *desc) return TN_OK;
  return tni_fail(ctx, err, TN_E_VERSION, phase, "tn_import_desc", "struct_size is %zu, not %zu", desc->struct_size,
                  sizeof *desc);
}

tn_status tn_onnx_load(tn_context *context, const char *path, const tn_import_desc *desc, tn_program **out,
                       tn_error **err) {
  tni_blob *blob;
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = check_desc(context, desc, err);
  if (status == TN_OK) status = tni_blob_map(context, path, context->limits.model_bytes, phase, &blob, err);
  return status == TN_OK ? import_blob(context, blob, desc, out, err) : status;
}

tn_status tn_onnx_import(tn_context *context, const void *bytes, size_t size, const tn_import_desc *desc,
                         tn_program **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = check_desc(context, desc, err);
  if (status != TN_OK) return status;
  if (size > context->limits.model_bytes)
    return tni_fail(context, err, TN_E_LIMIT, phase, "model", "%zu bytes, the limit is %llu", size,
                    (unsigned long long)context->limits.model_bytes);
  tni_blob *blob = tni_blob_create(context, size);
  if (!blob) return tni_fail_nomem(err);
  if (size) memcpy((void *)blob->data, bytes, size);
  return import_blob(context, blob, desc, out, err);
}
