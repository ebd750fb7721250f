/* pb.c -- an ONNX TensorProto, as in the .pb files of conformance tests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "command.h"

bool pb_read(session *s, const char *name, const char *bytes, size_t size, array *out) {
  tn_tensor *tensor;
  tn_error *error = NULL;
  if (tn_onnx_tensor(s->context, bytes, size, &tensor, &error)) return report(name, error), false;
  const DLTensor *view = tn_tensor_view(tensor);
  bool good = array_create(out, tn_type_from_dlpack(view->dtype), view->ndim, view->shape, name);
  if (good && array_bytes(out)) memcpy(out->data, tn_tensor_data(tensor), array_bytes(out));
  tn_tensor_destroy(tensor);
  return good;
}
