/* onnx_ops.c -- ONNX's operators looked up and converted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

static const tni_onnx_op table[] = {
#define ROW(name, op, converter) {#name, op, tni_convert_##converter, ""},
#define PREVIEW_ROW(name, op, converter) {#name, op, tni_convert_##converter, "ai.onnx.preview"},
    TNI_ONNX_OPS(ROW) TNI_ONNX_PREVIEW_OPS(PREVIEW_ROW)
#undef ROW
#undef PREVIEW_ROW
};

const tni_onnx_op *tni_onnx_op_find(const char *domain, const char *op_type) {
  for (size_t i = 0; i < TNI_COUNT(table); i++)
    if (strcmp(table[i].name, op_type) == 0 && strcmp(table[i].domain, domain) == 0) return &table[i];
  return NULL;
}

bool tni_onnx_op_controls(const tni_onnx_op *op) {
  return op->convert == tni_convert_of_flow || op->convert == tni_convert_if;
}

tn_status tni_onnx_keep(tni_onnx *m, const tni_onnx_data *data, const void **out, tn_error **err) {
  *out = tni_onnx_data_in_place(data, false);
  if (*out) return TN_OK;
  if (data->bytes <= 256) {
    void *copy = tni_arena_alloc(&m->program->region.arena, data->bytes);
    if (!copy) return tni_fail_nomem(err);
    tni_onnx_data_copy(data, copy);
    *out = copy;
    return TN_OK;
  }
  tni_blob *blob = tni_blob_create(m->ctx, data->bytes);
  if (!blob) return tni_fail_nomem(err);
  tni_onnx_data_copy(data, (void *)blob->data);
  *out = blob->data;
  return tni_program_keep_blob(m->program, blob, err);
}

tn_status tni_onnx_convert(tni_onnx *m, tni_onnx_node *node, tn_error **err) {
  conversion c = {.m = m, .n = node, .row = node->op, .err = err, .status = TN_OK};
  node->op->convert(&c);
  for (uint32_t i = 0; i < node->output_count; i++)
    if (wants(&c, i) && node->outputs[i] == TNI_NO_VALUE && m->bound[node->out[i]].kind == TNI_UNBOUND)
      fail(&c, TN_E_UNSUPPORTED, "output %u (`%s`) is not supported", i, node->output_names[i]);
  return c.status;
}
