/* ops_norm.c -- converters of normalizations, softmax and dropout.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* x * s + (bias - mean * s) with s = scale / sqrt(var + epsilon): all but the first two fold to constants. */
void tni_convert_batch_normalization(conversion *c) {
  const tni_gvalue *x = in(c, 0);
  int32_t rank = x->rank;
  int64_t shape[TN_MAX_RANK];
  tn_type type = x->type;
  uint32_t p[4];
  if (rank < 2) fail(c, TN_E_INVALID, "an input of rank %d, at least 2 is needed", rank);
  if (attr_int(c, "training_mode", 0) || attr_int(c, "spatial", 1) == 0 || wants(c, 1))
    fail(c, TN_E_UNSUPPORTED, "training mode and statistics per position are not supported");
  for (int32_t i = 0; i < rank; i++) shape[i] = 1;
  for (uint32_t i = 0; i < 4 && ok(c); i++) {
    const tni_gvalue *v = in(c, i + 1);
    if (ok(c) && (v->rank != 1 || v->shape[0] != in(c, 0)->shape[1]))
      fail(c, TN_E_INVALID, "input %u is not one number per channel", i + 1);
    shape[1] = v->shape[0];
    p[i] = reshape(c, input(c, i + 1), rank - 1, shape + 1, NULL);
  }
  if (!ok(c)) return;
  uint32_t deviation = emit1(
      c, "sqrt", emit2(c, "add", p[3], const_number(c, value_of(c, p[3])->type, attr_float(c, "epsilon", 1e-5)), NULL),
      NULL);
  uint32_t scale = emit2(c, "div", p[0], deviation, NULL);
  uint32_t shift = emit2(c, "sub", p[1], emit2(c, "mul", p[2], scale, NULL), NULL);
  if (value_of(c, scale)->type != type) fail(c, TN_E_UNSUPPORTED, "parameters of another type than the input");
  give(c, 0, emit2(c, "add", emit2(c, "mul", input(c, 0), scale, NULL), shift, out_name(c, 0)));
}

void tni_convert_instance_normalization(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t flat[3] = {x.shape[0], x.shape[1], 1}, channels[TN_MAX_RANK];
  if (x.rank < 3) fail(c, TN_E_INVALID, "an input of rank %d, at least 3 is needed", x.rank);
  for (int32_t i = 2; i < x.rank; i++) flat[2] *= x.shape[i];
  for (int32_t i = 0; i < TN_MAX_RANK; i++) channels[i] = i ? 1 : x.shape[1];
  uint32_t y = reshape(c, input(c, 0), 3, flat, NULL);
  set_int(c, "axis", 2);
  set_float(c, "epsilon", attr_float(c, "epsilon", 1e-5));
  y = reshape(c, emit1(c, "layer_norm", y, NULL), x.rank, x.shape, NULL);
  y = emit2(c, "mul", y, reshape(c, input(c, 1), x.rank - 1, channels, NULL), NULL);
  give(c, 0, emit2(c, "add", y, reshape(c, input(c, 2), x.rank - 1, channels, NULL), out_name(c, 0)));
}

void tni_convert_layer_normalization(conversion *c) {
  if (wants(c, 1) || wants(c, 2)) fail(c, TN_E_UNSUPPORTED, "the outputs of mean and deviation are not supported");
  tni_convert_same(c);
}

void tni_convert_dropout(conversion *c) {
  const tni_gvalue *training = has_input(c, 2) ? in(c, 2) : NULL;
  if (training && (!training->data || tni_read_element(training->type, training->data, 0).i))
    fail(c, TN_E_UNSUPPORTED, "training mode is not supported");
  tni_gvalue x = *in(c, 0);
  give(c, 0, emit1(c, "identity", input(c, 0), out_name(c, 0)));
  if (!wants(c, 1)) return;
  set_ints(c, "shape", x.rank, x.shape);
  uint32_t yes = const_number(c, TN_BOOL, 1);
  give(c, 1, emit1(c, "expand", yes, out_name(c, 1)));
}

/* Before opset 13: over all dimensions from the axis on, seen as a matrix. */
void tni_convert_softmax(conversion *c) {
  tni_gvalue x = *in(c, 0);
  bool old = c->m->opset < 13;
  int32_t axis = normal_axis(c, attr_int(c, "axis", old ? 1 : -1), x.rank);
  if (!old || axis == x.rank - 1) {
    set_int(c, "axis", axis);
    give(c, 0, emit1(c, c->row->op, input(c, 0), out_name(c, 0)));
    return;
  }
  int64_t flat[2] = {1, 1};
  for (int32_t i = 0; i < x.rank; i++) flat[i >= axis] *= x.shape[i];
  uint32_t y = reshape(c, input(c, 0), 2, flat, NULL);
  set_int(c, "axis", 1);
  y = emit1(c, c->row->op, y, NULL);
  give(c, 0, reshape(c, y, x.rank, x.shape, out_name(c, 0)));
}
