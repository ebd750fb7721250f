/* convert.c -- what ONNX's converters share: inputs, attributes and known contents of a node, emitting graph nodes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdio.h>

#include "convert.h"

/* ---- errors, inputs, attributes -------------------------------------------------------------------------------- */

void fail(conversion *c, tn_status status, const char *format, ...) {
  char text[256];
  va_list args;
  if (c->status != TN_OK) return;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  c->status = tni_fail(c->m->ctx, c->err, status, "import", c->n->name, "%s: %s", c->n->op_type, text);
}

/* Takes so many bytes of what the conversion may make. */
static bool may_make(conversion *c, uint64_t bytes) {
  if (ok(c) && bytes > c->m->room) fail(c, TN_E_LIMIT, "what is made of this model takes too much memory for its size");
  if (ok(c)) c->m->room -= bytes;
  return ok(c);
}

const tni_gvalue *value_of(conversion *c, uint32_t value) {
  static const tni_gvalue none = {.name = "", .type = TN_F32};
  const tni_gvalue *v = tni_g_get(c->m->g, value);
  if (!v) fail(c, TN_E_INVALID, "an input is missing");
  return v ? v : &none;
}

const tni_onnx_attr *find_attr(conversion *c, const char *name, int64_t type) {
  for (uint32_t i = 0; i < c->n->attr_count; i++) {
    const tni_onnx_attr *a = &c->n->attrs[i];
    if (strcmp(a->name, name) != 0) continue;
    if (a->type == type) return a;
    fail(c, TN_E_INVALID, "attribute `%s` is of the wrong type", name);
  }
  return NULL;
}
bool has_attr(const conversion *c, const char *name) {
  for (uint32_t i = 0; i < c->n->attr_count; i++)
    if (strcmp(c->n->attrs[i].name, name) == 0) return true;
  return false;
}
int64_t attr_int(conversion *c, const char *name, int64_t otherwise) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_INT);
  return a ? a->i : otherwise;
}
double attr_float(conversion *c, const char *name, double otherwise) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_FLOAT);
  return a ? a->f : otherwise;
}
const char *attr_string(conversion *c, const char *name, const char *otherwise) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_STRING);
  return a ? a->s : otherwise;
}
const int64_t *attr_ints(conversion *c, const char *name, int32_t *count) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_INTS);
  *count = a ? a->int_count : 0;
  return a ? a->ints : NULL;
}

const double *attr_floats(conversion *c, const char *name, int32_t *count) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_FLOATS);
  *count = a ? a->float_count : 0;
  return a ? a->floats : NULL;
}
tni_view attr_text_at(conversion *c, const char *name, int32_t i) {
  enum { STRINGS = 9 };
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_STRINGS);
  tni_view rest = a ? a->bytes : (tni_view){NULL, 0};
  tni_wire_item item;
  while (tni_wire_next(&rest, &item))
    if (item.number == STRINGS && item.wire == 2 && i-- == 0) return item.view;
  return (tni_view){NULL, 0};
}

const tni_gvalue *known(conversion *c, uint32_t i) {
  const tni_gvalue *v = in(c, i);
  if (!ok(c) || v->data) return v;
  c->status = tni_onnx_freeze(c->m, c->n, i, c->err);
  return ok(c) ? in(c, i) : v;
}

const int64_t *known_ints(conversion *c, uint32_t i, const char *what, int32_t *count) {
  const tni_gvalue *v = in(c, i);
  *count = 0;
  if (!ok(c)) return NULL;
  if (v->type != TN_I64 && v->type != TN_I32) return fail(c, TN_E_INVALID, "input `%s` is not i32 or i64", what), NULL;
  v = known(c, i);
  if (!ok(c)) return NULL;
  int64_t n = tni_gvalue_numel(v);
  if (v->rank > 1 || n > (1 << 20)) return fail(c, TN_E_INVALID, "input `%s` is not a short list", what), NULL;
  int64_t *list = may_make(c, (uint64_t)n * sizeof *list) ? TNI_NEW_ARRAY(&c->m->arena, int64_t, n) : NULL;
  if (!list) {
    if (ok(c)) c->status = tni_fail_nomem(c->err);
    return NULL;
  }
  for (int64_t k = 0; k < n; k++) list[k] = tni_read_element(v->type, v->data, k).i;
  *count = (int32_t)n;
  return list;
}

int64_t known_int(conversion *c, uint32_t i, const char *what) {
  int32_t count;
  const int64_t *list = known_ints(c, i, what, &count);
  if (list && count != 1) fail(c, TN_E_INVALID, "input `%s` is not one number", what);
  return list && count == 1 ? list[0] : 0;
}

const int64_t *ints_since(conversion *c, int64_t since, uint32_t i, const char *name, int32_t *count) {
  *count = 0;
  if (c->m->opset < since) return attr_ints(c, name, count);
  return has_input(c, i) ? known_ints(c, i, name, count) : NULL;
}

int32_t normal_axis(conversion *c, int64_t axis, int32_t rank) {
  if (axis < -rank || axis >= rank)
    fail(c, TN_E_INVALID, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
  return ok(c) ? (int32_t)(axis < 0 ? axis + rank : axis) : 0;
}

/* ---- emitting -------------------------------------------------------------------------------------------------- */

tni_attr *add_attr(conversion *c, const char *name, enum tni_attr_kind kind) {
  if (!ok(c)) return &c->set[MAX_SET];
  assert(c->set_count < MAX_SET);
  tni_attr *a = &c->set[c->set_count++];
  *a = (tni_attr){.name = name, .kind = kind};
  return a;
}
void set_int(conversion *c, const char *name, int64_t value) { add_attr(c, name, TNI_ATTR_INT)->i = value; }
void set_float(conversion *c, const char *name, double value) { add_attr(c, name, TNI_ATTR_FLOAT)->f = value; }
void set_string(conversion *c, const char *name, const char *s) { add_attr(c, name, TNI_ATTR_STRING)->string = s; }
void set_ints(conversion *c, const char *name, int32_t count, const int64_t *ints) {
  tni_attr *a = add_attr(c, name, TNI_ATTR_INTS);
  a->count = count;
  a->ints = ints;
}

uint32_t emit_n(conversion *c, const char *op, uint32_t count, const uint32_t *inputs, const char *name) {
  enum { NODE_BYTES = 400 };
  uint32_t out = TNI_NO_VALUE;
  if (!may_make(c, NODE_BYTES + count * sizeof *inputs)) return TNI_NO_VALUE;
  while (count > 0 && inputs[count - 1] == TNI_NO_VALUE) count--;
  c->status =
      tni_g_node(c->m->g, tni_gop_find(op), c->n->name, count, inputs, c->set_count, c->set, 1, &name, &out, c->err);
  c->set_count = 0;
  return out;
}
uint32_t emit1(conversion *c, const char *op, uint32_t x, const char *name) { return emit_n(c, op, 1, &x, name); }
uint32_t emit2(conversion *c, const char *op, uint32_t x, uint32_t y, const char *name) {
  uint32_t inputs[] = {x, y};
  return emit_n(c, op, 2, inputs, name);
}

uint32_t add_const(conversion *c, tn_type type, int32_t rank, const int64_t *shape, const void *data,
                   const char *name) {
  if (!ok(c)) return TNI_NO_VALUE;
  uint32_t v = tni_g_const(c->m->g, name, type, rank, shape, data);
  if (v == TNI_NO_VALUE) c->status = tni_gbuilder_check(c->m->g, c->err);
  return v;
}

uint32_t *new_values(conversion *c, uint32_t count) {
  uint32_t *values = may_make(c, count * sizeof *values) ? TNI_NEW_ARRAY(&c->m->arena, uint32_t, count) : NULL;
  if (!values && ok(c)) c->status = tni_fail_nomem(c->err);
  return values;
}

void *new_contents(conversion *c, tn_type type, int64_t count) {
  size_t bytes = tn_array_bytes(type, count);
  void *data = may_make(c, bytes) ? tni_arena_alloc(&c->m->program->region.arena, bytes) : NULL;
  if (!data && ok(c)) c->status = tni_fail_nomem(c->err);
  return data;
}

uint32_t const_number(conversion *c, tn_type type, double value) {
  void *data = new_contents(c, type, 1);
  if (!data) return TNI_NO_VALUE;
  tni_write_element(type, data, 0, tni_eval_cast(type, TN_F64, (tni_scalar){.f = value}));
  return add_const(c, type, 0, NULL, data, NULL);
}

uint32_t const_ints(conversion *c, int32_t rank, int64_t count, const int64_t *values, const char *name) {
  int64_t *data = new_contents(c, TN_I64, count);
  if (!data) return TNI_NO_VALUE;
  if (count) memcpy(data, values, (size_t)count * sizeof(int64_t));
  return add_const(c, TN_I64, rank, &count, data, name);
}

uint32_t reshape(conversion *c, uint32_t x, int32_t rank, const int64_t *shape, const char *name) {
  set_ints(c, "shape", rank, shape);
  return emit1(c, "reshape", x, name);
}

void pass_attrs(conversion *c, const char *op) {
  const tni_gop *row = tni_gop_find(op);
  for (uint32_t i = 0; i < c->n->attr_count; i++) {
    const tni_onnx_attr *a = &c->n->attrs[i];
    switch (tni_gop_attr_kind(row, a->name, strlen(a->name))) {
    case 'i': set_int(c, a->name, attr_int(c, a->name, 0)); break;
    case 'f': set_float(c, a->name, attr_float(c, a->name, 0)); break;
    case 's': set_string(c, a->name, attr_string(c, a->name, "")); break;
    case 'I': {
      int32_t count;
      const int64_t *list = attr_ints(c, a->name, &count);
      set_ints(c, a->name, count, list);
      break;
    }
    default: break;
    }
  }
}

/* ---- compositions ------------------------------------------------------------------------------------------------ */

uint32_t emit3(conversion *c, const char *op, uint32_t x, uint32_t y, uint32_t z) {
  uint32_t inputs[] = {x, y, z};
  return emit_n(c, op, 3, inputs, NULL);
}

uint32_t with_number(conversion *c, const char *op, uint32_t x, double number) {
  return emit2(c, op, x, const_number(c, value_of(c, x)->type, number), NULL);
}

uint32_t cast_to(conversion *c, uint32_t x, tn_type type) {
  char text[16];
  if (value_of(c, x)->type == type) return x;
  set_string(c, "to", tn_type_text(type, text));
  return emit1(c, "cast", x, NULL);
}

uint32_t reduced(conversion *c, const char *op, uint32_t x, int32_t count, const int64_t *axes, bool keep) {
  set_ints(c, "axes", count, axes);
  set_int(c, "keepdims", keep);
  return emit1(c, op, x, NULL);
}

uint32_t sliced(conversion *c, uint32_t x, int64_t axis, int64_t start, int64_t end) {
  set_ints(c, "starts", 1, &start);
  set_ints(c, "ends", 1, &end);
  set_ints(c, "axes", 1, &axis);
  return emit1(c, "slice", x, NULL);
}

uint32_t permuted(conversion *c, uint32_t x, const int64_t *perm) {
  set_ints(c, "perm", value_of(c, x)->rank, perm);
  return emit1(c, "transpose", x, NULL);
}

uint32_t counting(conversion *c, tn_type type, int64_t count, int32_t rank, int32_t axis) {
  int64_t shape[TN_MAX_RANK];
  void *data = new_contents(c, type, count);
  for (int32_t i = 0; i < rank; i++) shape[i] = i == axis ? count : 1;
  for (int64_t i = 0; data && i < count; i++)
    tni_write_element(type, data, i, tni_eval_cast(type, TN_I64, (tni_scalar){.i = i}));
  return data ? add_const(c, type, rank, shape, data, NULL) : TNI_NO_VALUE;
}

void finish(conversion *c, uint32_t i, uint32_t value) {
  if (wants(c, i)) give(c, i, emit1(c, "identity", value, out_name(c, i)));
}

void finish_narrowed(conversion *c, uint32_t i, uint32_t value, int32_t axis, uint32_t count) {
  const tni_gvalue *number = value_of(c, count);
  if (!ok(c) || !wants(c, i)) return;
  if (number->data) return finish(c, i, sliced(c, value, axis, 0, tni_read_element(TN_I64, number->data, 0).i));
  if (axis > 0 && tni_type_is_packed(value_of(c, value)->type))
    return fail(c, TN_E_UNSUPPORTED, "elements that share bytes are picked along the first axis alone");
  c->m->bound[c->n->out[i]] =
      (tni_onnx_binding){.kind = TNI_BOUND_NARROWED, .value = value, .length = count, .axis = axis};
}
