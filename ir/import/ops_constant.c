/* ops_constant.c -- converters of operators that make constants.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "convert.h"

/* A tensor of floats given as an attribute. */
static void const_floats(conversion *c, int32_t rank, int64_t count, const double *values) {
  float *data = new_contents(c, TN_F32, count);
  for (int64_t i = 0; data && i < count; i++) data[i] = (float)values[i];
  give(c, 0, add_const(c, TN_F32, rank, &count, data, out_name(c, 0)));
}

void tni_convert_constant(conversion *c) {
  const tni_onnx_attr *a;
  if ((a = find_attr(c, "value", TNI_ONNX_TENSOR))) {
    tni_onnx_data data;
    const void *contents;
    c->status = tni_onnx_data_read(c->m->ctx, a->t, c->n->name, &data, c->err);
    if (ok(c)) c->status = tni_onnx_keep(c->m, &data, &contents, c->err);
    if (ok(c)) give(c, 0, add_const(c, data.type, data.rank, data.shape, contents, out_name(c, 0)));
  } else if ((a = find_attr(c, "value_float", TNI_ONNX_FLOAT))) {
    const_floats(c, 0, 1, &a->f);
  } else if ((a = find_attr(c, "value_floats", TNI_ONNX_FLOATS))) {
    const_floats(c, 1, a->float_count, a->floats);
  } else if ((a = find_attr(c, "value_int", TNI_ONNX_INT))) {
    give(c, 0, const_ints(c, 0, 1, &a->i, out_name(c, 0)));
  } else if ((a = find_attr(c, "value_ints", TNI_ONNX_INTS))) {
    give(c, 0, const_ints(c, 1, a->int_count, a->ints, out_name(c, 0)));
  } else {
    fail(c, TN_E_UNSUPPORTED, "only numbers can be constants");
  }
}

void tni_convert_constant_of_shape(conversion *c) {
  int32_t count;
  const int64_t *shape = known_ints(c, 0, "input", &count);
  const tni_onnx_attr *a = find_attr(c, "value", TNI_ONNX_TENSOR);
  uint32_t one = TNI_NO_VALUE;
  if (!a) {
    one = const_number(c, TN_F32, 0);
  } else if (ok(c)) {
    tni_onnx_data data;
    const void *contents;
    c->status = tni_onnx_data_read(c->m->ctx, a->t, c->n->name, &data, c->err);
    if (ok(c) && data.numel != 1) fail(c, TN_E_INVALID, "`value` is not one number");
    if (ok(c)) c->status = tni_onnx_keep(c->m, &data, &contents, c->err);
    if (ok(c)) one = add_const(c, data.type, 0, NULL, contents, NULL);
  }
  set_ints(c, "shape", count, shape);
  give(c, 0, emit1(c, "expand", one, out_name(c, 0)));
}

void tni_convert_range(conversion *c) {
  double at[3];
  tn_type type = in(c, 0)->type;
  int64_t whole[3];
  for (uint32_t i = 0; i < 3 && ok(c); i++) {
    const tni_gvalue *v = known(c, i);
    if (!ok(c)) return;
    if (v->type != type || tni_gvalue_numel(v) != 1)
      fail(c, TN_E_INVALID, "input %u is not one number of the right type", i);
    if (!ok(c)) return;
    tni_scalar s = tni_read_element(type, v->data, 0);
    whole[i] = tni_type_is_float(type) ? 0 : s.i;
    at[i] = tni_type_is_float(type) ? s.f : (double)s.i;
  }
  if (!ok(c)) return;
  if (!(at[2] > 0 || at[2] < 0)) fail(c, TN_E_INVALID, "the step is 0");
  double steps = ceil((at[1] - at[0]) / at[2]);
  if (!(steps < (double)(1 << 24))) fail(c, TN_E_LIMIT, "the range is too long");
  int64_t count = steps > 0 ? (int64_t)steps : 0;
  void *data = new_contents(c, type, ok(c) ? count : 0);
  for (int64_t i = 0; data && i < count; i++) {
    tni_scalar s;
    if (tni_type_is_float(type))
      s.f = tni_round_to(type, at[0] + (double)i * at[2]);
    else
      s.i = tni_wrap(type, (int64_t)((uint64_t)whole[0] + (uint64_t)i * (uint64_t)whole[2]));
    tni_write_element(type, data, i, s);
  }
  give(c, 0, add_const(c, type, 1, &count, data, out_name(c, 0)));
}

/* 1 on a diagonal, of the shape and by default the type of the input. */
void tni_convert_eye_like(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t onnx = attr_int(c, "dtype", 0), k = attr_int(c, "k", 0);
  tn_type type = onnx ? tni_onnx_type(onnx) : x.type;
  if (!type) return fail(c, TN_E_UNSUPPORTED, "data type %lld is not supported", (long long)onnx);
  if (x.rank != 2) return fail(c, TN_E_INVALID, "an input of rank %d, 2 is needed", x.rank);
  int64_t most = (int64_t)1 << 40;
  k = k < -most ? -most : k > most ? most : k;
  uint32_t row = with_number(c, "add", counting(c, TN_I64, x.shape[0], 2, 0), (double)k);
  uint32_t one = emit2(c, "equal", row, counting(c, TN_I64, x.shape[1], 2, 1), NULL);
  finish(c, 0, cast_to(c, one, type));
}
