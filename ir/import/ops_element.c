/* ops_element.c -- converters of elementwise operators, of casts, and of those that the graph has as they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* Before opset 7 the second operand lay along the first from an axis on; now shapes are aligned at their ends. */
static void align_from_axis(conversion *c, int32_t axis) {
  tni_gvalue x = *in(c, 0), y = *in(c, 1);
  int64_t shape[TN_MAX_RANK];
  if (!ok(c) || y.rank == 0 || axis + y.rank >= x.rank) return;
  for (int32_t i = 0; i < x.rank - axis; i++) shape[i] = i < y.rank ? y.shape[i] : 1;
  c->n->inputs[1] = reshape(c, input(c, 1), x.rank - axis, shape, NULL);
}

/* An operator of two operands. */
void tni_convert_binary(conversion *c) {
  int64_t axis = attr_int(c, "axis", -1);
  if (c->m->opset < 7 && axis >= 0 && axis < TN_MAX_RANK) align_from_axis(c, (int32_t)axis);
  tni_convert_same(c);
}

void tni_convert_prelu(conversion *c) {
  if (c->m->opset < 7) align_from_axis(c, 1);
  tni_convert_same(c);
}

/* The same operator: inputs and shared attributes as they are. */
void tni_convert_same(conversion *c) {
  pass_attrs(c, c->row->op);
  give(c, 0, emit_n(c, c->row->op, c->n->input_count, c->n->inputs, out_name(c, 0)));
}

/* op(op(a, b), c) ... for any number of inputs; Mean divides. */
void tni_convert_variadic(conversion *c) {
  bool mean = strcmp(c->n->op_type, "Mean") == 0;
  uint32_t count = c->n->input_count, x = input(c, 0);
  if (count == 0) fail(c, TN_E_INVALID, "at least one input is needed");
  if (count == 1) x = emit1(c, "identity", x, out_name(c, 0));
  for (uint32_t i = 1; i < count && ok(c); i++)
    x = emit2(c, c->row->op, x, input(c, i), i + 1 == count && !mean ? out_name(c, 0) : NULL);
  if (mean && count > 1) x = emit2(c, "div", x, const_number(c, value_of(c, x)->type, count), out_name(c, 0));
  give(c, 0, x);
}

void tni_convert_clip(conversion *c) {
  if (c->m->opset >= 11) {
    tni_convert_same(c);
    return;
  }
  tn_type type = in(c, 0)->type;
  uint32_t inputs[3] = {input(c, 0), TNI_NO_VALUE, TNI_NO_VALUE};
  if (has_attr(c, "min")) inputs[1] = const_number(c, type, attr_float(c, "min", 0));
  if (has_attr(c, "max")) inputs[2] = const_number(c, type, attr_float(c, "max", 0));
  give(c, 0, emit_n(c, "clip", 3, inputs, out_name(c, 0)));
}

/* A float beyond 4 bits: ONNX leaves open what it becomes, and its data have the low bits of the integer. */
static void emit_cast(conversion *c, tn_type type) {
  char text[16];
  uint32_t x = input(c, 0);
  if (tni_type_is_packed(type) && tni_type_is_int(type) && ok(c) && tni_type_is_float(value_of(c, x)->type)) {
    set_string(c, "to", "i32");
    x = emit1(c, "cast", x, NULL);
  }
  if (tni_type_is_float(type) && TN_TYPE_BITS(type) == 8) set_int(c, "saturate", attr_int(c, "saturate", 1));
  if (tni_type_is_scale(type)) set_string(c, "round", attr_string(c, "round_mode", "up"));
  set_string(c, "to", tn_type_text(type, text));
  give(c, 0, emit1(c, "cast", x, out_name(c, 0)));
}

void tni_convert_cast(conversion *c) {
  int64_t to = attr_int(c, "to", 0);
  if (!tni_onnx_type(to)) fail(c, TN_E_UNSUPPORTED, "a cast to data type %lld is not supported", (long long)to);
  emit_cast(c, tni_onnx_type(to));
}
void tni_convert_cast_like(conversion *c) { emit_cast(c, in(c, 1)->type); }

void tni_convert_bit_cast(conversion *c) {
  int64_t to = attr_int(c, "to", 0);
  char text[16];
  if (!tni_onnx_type(to)) return fail(c, TN_E_UNSUPPORTED, "a cast to data type %lld is not supported", (long long)to);
  set_string(c, "to", tn_type_text(tni_onnx_type(to), text));
  give(c, 0, emit1(c, "bit_cast", input(c, 0), out_name(c, 0)));
}
