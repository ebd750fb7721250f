/* onnx_ops.c -- ONNX's operators looked up and converted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

static const tni_onnx_op table[] = {
#define ROW(name, op, converter) {#name, op, tni_convert_##converter},
    TNI_ONNX_OPS(ROW)
#undef ROW
};

const tni_onnx_op *tni_onnx_op_find(const char *op_type) {
  for (size_t i = 0; i < TNI_COUNT(table); i++)
    if (strcmp(table[i].name, op_type) == 0) return &table[i];
  return NULL;
}

tn_status tni_onnx_convert(tni_onnx *m, tni_onnx_node *node, tn_error **err) {
  conversion c = {.m = m, .n = node, .row = node->op, .err = err, .status = TN_OK};
  node->op->convert(&c);
  for (uint32_t i = 0; i < node->output_count; i++)
    if (wants(&c, i) && node->outputs[i] == TNI_NO_VALUE)
      fail(&c, TN_E_UNSUPPORTED, "output %u (`%s`) is not supported", i, node->output_names[i]);
  return c.status;
}
