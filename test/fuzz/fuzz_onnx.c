/* fuzz_onnx.c -- any bytes as an ONNX model, and as an ONNX tensor. The graph of a model that is imported survives being
 * printed and parsed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

static void import_tensor(const uint8_t *data, size_t size) {
  tn_tensor *tensor;
  tn_error *err;
  tn_status status = tn_onnx_tensor(fuzz_context(), data, size, &tensor, &err);
  if (fuzz_is_ok(status, tensor, err)) tn_tensor_destroy(tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const tn_import_desc desc = {.struct_size = sizeof desc, .default_dim = 2};
  tn_program *program;
  tn_error *err;
  import_tensor(data, size);
  tn_status status = tn_onnx_import(fuzz_context(), data, size, &desc, &program, &err);
  if (!fuzz_is_ok(status, program, err)) return 0;
  if (!program->flow) fuzz_round_trip(program);
  tn_program_destroy(program);
  return 0;
}
