/* onnx_ops.c -- ONNX's operators: one row each, and what it is in terms of the graph's operators.
 *
 * A converter is a few lines that emit graph nodes; its errors are sticky in the conversion, as a builder's are.
 * Attributes that the graph operator shares with ONNX's are passed on; what ONNX gives as an input but must be known (a
 * shape, axes, pads) is read from the input's contents. Differences between opsets stand where they matter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "import.h"

enum { MAX_SET = 8 };

/* One node being converted. */
typedef struct conversion {
  tni_onnx *m;
  tni_onnx_node *n;
  const tni_onnx_op *row;
  tn_error **err;
  tn_status status;
  tni_attr set[MAX_SET + 1]; /* attributes of the next emit; behind them one that is written to after an error */
  uint32_t set_count;
} conversion;

struct tni_onnx_op {
  const char *name;
  const char *op; /* the graph operator it mainly is, or "" */
  void (*convert)(conversion *c);
};

/* ---- errors, inputs, attributes -------------------------------------------------------------------------------- */

static void fail(conversion *c, tn_status status, const char *format, ...) TN_PRINTF(3, 4);
static void fail(conversion *c, tn_status status, const char *format, ...) {
  char text[256];
  va_list args;
  if (c->status != TN_OK) return;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  c->status = tni_fail(c->m->ctx, c->err, status, "import", c->n->name, "%s: %s", c->n->op_type, text);
}

static bool ok(const conversion *c) { return c->status == TN_OK; }

/* Input i, or TNI_NO_VALUE. */
static uint32_t input(const conversion *c, uint32_t i) {
  return i < c->n->input_count ? c->n->inputs[i] : TNI_NO_VALUE;
}
static bool has_input(const conversion *c, uint32_t i) { return input(c, i) != TNI_NO_VALUE; }
static bool wants(const conversion *c, uint32_t i) { return i < c->n->output_count && c->n->output_names[i]; }

static const tni_gvalue *value_of(conversion *c, uint32_t value) {
  static const tni_gvalue none = {.name = "", .type = TN_F32};
  const tni_gvalue *v = tni_g_get(c->m->g, value);
  if (!v) fail(c, TN_E_INVALID, "an input is missing");
  return v ? v : &none;
}
static const tni_gvalue *in(conversion *c, uint32_t i) { return value_of(c, input(c, i)); }

static const tni_onnx_attr *find_attr(conversion *c, const char *name, int64_t type) {
  for (uint32_t i = 0; i < c->n->attr_count; i++) {
    const tni_onnx_attr *a = &c->n->attrs[i];
    if (strcmp(a->name, name) != 0) continue;
    if (a->type == type) return a;
    fail(c, TN_E_INVALID, "attribute `%s` is of the wrong type", name);
  }
  return NULL;
}
static bool has_attr(const conversion *c, const char *name) {
  for (uint32_t i = 0; i < c->n->attr_count; i++)
    if (strcmp(c->n->attrs[i].name, name) == 0) return true;
  return false;
}
static int64_t attr_int(conversion *c, const char *name, int64_t otherwise) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_INT);
  return a ? a->i : otherwise;
}
static double attr_float(conversion *c, const char *name, double otherwise) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_FLOAT);
  return a ? a->f : otherwise;
}
static const char *attr_string(conversion *c, const char *name, const char *otherwise) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_STRING);
  return a ? a->s : otherwise;
}
static const int64_t *attr_ints(conversion *c, const char *name, int32_t *count) {
  const tni_onnx_attr *a = find_attr(c, name, TNI_ONNX_INTS);
  *count = a ? a->int_count : 0;
  return a ? a->ints : NULL;
}

/* The contents of a value as integers, in the import's arena. NULL with an error when they are not known. */
static const int64_t *known_ints(conversion *c, uint32_t i, const char *what, int32_t *count) {
  const tni_gvalue *v = in(c, i);
  *count = 0;
  if (!ok(c)) return NULL;
  if (v->type != TN_I64 && v->type != TN_I32) return fail(c, TN_E_INVALID, "input `%s` is not i32 or i64", what), NULL;
  if (!v->data) return fail(c, TN_E_UNSUPPORTED, "input `%s` must be a constant", what), NULL;
  int64_t n = tni_gvalue_numel(v);
  if (v->rank > 1 || n > (1 << 20)) return fail(c, TN_E_INVALID, "input `%s` is not a short list", what), NULL;
  int64_t *list = TNI_NEW_ARRAY(&c->m->arena, int64_t, n);
  if (!list) {
    c->status = tni_fail_nomem(c->err);
    return NULL;
  }
  for (int64_t k = 0; k < n; k++) list[k] = tni_read_element(v->type, v->data, k).i;
  *count = (int32_t)n;
  return list;
}

static int64_t known_int(conversion *c, uint32_t i, const char *what) {
  int32_t count;
  const int64_t *list = known_ints(c, i, what, &count);
  if (list && count != 1) fail(c, TN_E_INVALID, "input `%s` is not one number", what);
  return list && count == 1 ? list[0] : 0;
}

/* A list that was an attribute before opset `since` and is input i from then on. NULL when absent. */
static const int64_t *ints_since(conversion *c, int64_t since, uint32_t i, const char *name, int32_t *count) {
  *count = 0;
  if (c->m->opset < since) return attr_ints(c, name, count);
  return has_input(c, i) ? known_ints(c, i, name, count) : NULL;
}

/* An axis of a tensor of `rank` dimensions, counted from 0. */
static int32_t normal_axis(conversion *c, int64_t axis, int32_t rank) {
  if (axis < -rank || axis >= rank)
    fail(c, TN_E_INVALID, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
  return ok(c) ? (int32_t)(axis < 0 ? axis + rank : axis) : 0;
}

/* ---- emitting -------------------------------------------------------------------------------------------------- */

static tni_attr *add_attr(conversion *c, const char *name, enum tni_attr_kind kind) {
  if (!ok(c)) return &c->set[MAX_SET];
  assert(c->set_count < MAX_SET);
  tni_attr *a = &c->set[c->set_count++];
  *a = (tni_attr){.name = name, .kind = kind};
  return a;
}
static void set_int(conversion *c, const char *name, int64_t value) { add_attr(c, name, TNI_ATTR_INT)->i = value; }
static void set_float(conversion *c, const char *name, double value) { add_attr(c, name, TNI_ATTR_FLOAT)->f = value; }
static void set_string(conversion *c, const char *name, const char *s) {
  add_attr(c, name, TNI_ATTR_STRING)->string = s;
}
static void set_ints(conversion *c, const char *name, int32_t count, const int64_t *ints) {
  tni_attr *a = add_attr(c, name, TNI_ATTR_INTS);
  a->count = count;
  a->ints = ints;
}

/* Adds a node with the attributes set so far; `name` is that of its value, or NULL. */
static uint32_t emit_n(conversion *c, const char *op, uint32_t count, const uint32_t *inputs, const char *name) {
  uint32_t out = TNI_NO_VALUE;
  if (!ok(c)) return TNI_NO_VALUE;
  while (count > 0 && inputs[count - 1] == TNI_NO_VALUE) count--;
  c->status =
      tni_g_node(c->m->g, tni_gop_find(op), c->n->name, count, inputs, c->set_count, c->set, 1, &name, &out, c->err);
  c->set_count = 0;
  return out;
}
static uint32_t emit1(conversion *c, const char *op, uint32_t x, const char *name) {
  return emit_n(c, op, 1, &x, name);
}
static uint32_t emit2(conversion *c, const char *op, uint32_t x, uint32_t y, const char *name) {
  uint32_t inputs[] = {x, y};
  return emit_n(c, op, 2, inputs, name);
}

/* The name of output i, for the node that makes it. */
static const char *out_name(const conversion *c, uint32_t i) {
  return i < c->n->output_count ? c->n->output_names[i] : NULL;
}
static void give(conversion *c, uint32_t i, uint32_t value) {
  if (i < c->n->output_count) c->n->outputs[i] = value;
}

static uint32_t add_const(conversion *c, tn_type type, int32_t rank, const int64_t *shape, const void *data,
                          const char *name) {
  if (!ok(c)) return TNI_NO_VALUE;
  uint32_t v = tni_g_const(c->m->g, name, type, rank, shape, data);
  if (v == TNI_NO_VALUE) c->status = tni_gbuilder_check(c->m->g, c->err);
  return v;
}

/* Memory of the program for `count` elements. */
static void *new_contents(conversion *c, tn_type type, int64_t count) {
  void *data = ok(c) ? tni_arena_alloc(&c->m->program->region.arena, tn_array_bytes(type, count)) : NULL;
  if (!data && ok(c)) c->status = tni_fail_nomem(c->err);
  return data;
}

static uint32_t const_number(conversion *c, tn_type type, double value) {
  void *data = new_contents(c, type, 1);
  if (!data) return TNI_NO_VALUE;
  tni_write_element(type, data, 0, tni_eval_cast(type, TN_F64, (tni_scalar){.f = value}));
  return add_const(c, type, 0, NULL, data, NULL);
}

static uint32_t const_ints(conversion *c, int32_t rank, int64_t count, const int64_t *values, const char *name) {
  int64_t *data = new_contents(c, TN_I64, count);
  if (!data) return TNI_NO_VALUE;
  if (count) memcpy(data, values, (size_t)count * sizeof(int64_t));
  return add_const(c, TN_I64, rank, &count, data, name);
}

static uint32_t reshape(conversion *c, uint32_t x, int32_t rank, const int64_t *shape, const char *name) {
  set_ints(c, "shape", rank, shape);
  return emit1(c, "reshape", x, name);
}

/* Passes on the node's attributes that the graph operator has too. */
static void pass_attrs(conversion *c, const char *op) {
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

/* ---- converters: the operator itself --------------------------------------------------------------------------- */

/* The same operator: inputs and shared attributes as they are. */
static void convert_same(conversion *c) {
  pass_attrs(c, c->row->op);
  give(c, 0, emit_n(c, c->row->op, c->n->input_count, c->n->inputs, out_name(c, 0)));
}

/* op(op(a, b), c) ... for any number of inputs; Mean divides. */
static void convert_variadic(conversion *c) {
  bool mean = strcmp(c->n->op_type, "Mean") == 0;
  uint32_t count = c->n->input_count, x = input(c, 0);
  if (count == 0) fail(c, TN_E_INVALID, "at least one input is needed");
  if (count == 1) x = emit1(c, "identity", x, out_name(c, 0));
  for (uint32_t i = 1; i < count && ok(c); i++)
    x = emit2(c, c->row->op, x, input(c, i), i + 1 == count && !mean ? out_name(c, 0) : NULL);
  if (mean && count > 1) x = emit2(c, "div", x, const_number(c, value_of(c, x)->type, count), out_name(c, 0));
  give(c, 0, x);
}

static void convert_clip(conversion *c) {
  if (c->m->opset >= 11) {
    convert_same(c);
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
  if (tni_type_is_packed(type) && ok(c) && tni_type_is_float(value_of(c, x)->type)) {
    set_string(c, "to", "i32");
    x = emit1(c, "cast", x, NULL);
  }
  if (tni_type_is_float(type) && TN_TYPE_BITS(type) == 8) set_int(c, "saturate", attr_int(c, "saturate", 1));
  set_string(c, "to", tn_type_text(type, text));
  give(c, 0, emit1(c, "cast", x, out_name(c, 0)));
}

static void convert_cast(conversion *c) {
  int64_t to = attr_int(c, "to", 0);
  if (!tni_onnx_type(to)) fail(c, TN_E_UNSUPPORTED, "a cast to data type %lld is not supported", (long long)to);
  emit_cast(c, tni_onnx_type(to));
}
static void convert_cast_like(conversion *c) { emit_cast(c, in(c, 1)->type); }

/* Before opset 8, pads of pools and so on are the same; indices of the largest are not given. */
static void convert_pool(conversion *c) {
  if (wants(c, 1)) fail(c, TN_E_UNSUPPORTED, "the second output (indices) is not supported");
  convert_same(c);
}

/* alpha * x * y + beta * z, transposed operands first. */
static uint32_t transposed(conversion *c, uint32_t x, const char *flag) {
  static const int64_t perm[] = {1, 0};
  if (value_of(c, x)->rank != 2) fail(c, TN_E_INVALID, "an operand is not a matrix");
  if (!attr_int(c, flag, 0)) return x;
  set_ints(c, "perm", 2, perm);
  return emit1(c, "transpose", x, NULL);
}
static uint32_t scaled(conversion *c, uint32_t x, double by, const char *name) {
  return by == 1 ? x : emit2(c, "mul", x, const_number(c, value_of(c, x)->type, by), name);
}
static void convert_gemm(conversion *c) {
  uint32_t x = transposed(c, input(c, 0), "transA"), y = transposed(c, input(c, 1), "transB");
  double alpha = attr_float(c, "alpha", 1), beta = attr_float(c, "beta", 1);
  bool add = has_input(c, 2) && beta != 0;
  uint32_t product = emit2(c, "matmul", x, y, add || alpha != 1 ? NULL : out_name(c, 0));
  product = scaled(c, product, alpha, add ? NULL : out_name(c, 0));
  if (add) {
    tni_gvalue before = *value_of(c, product);
    product = emit2(c, "add", product, scaled(c, input(c, 2), beta, NULL), out_name(c, 0));
    const tni_gvalue *after = value_of(c, product);
    if (ok(c) && (after->rank != before.rank || memcmp(after->shape, before.shape, 2 * sizeof(int64_t)) != 0))
      fail(c, TN_E_INVALID, "C does not broadcast to the product");
  }
  give(c, 0, product);
}

/* x * s + (bias - mean * s) with s = scale / sqrt(var + epsilon): all but the first two fold to constants. */
static void convert_batch_normalization(conversion *c) {
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

static void convert_instance_normalization(conversion *c) {
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

static void convert_layer_normalization(conversion *c) {
  if (wants(c, 1) || wants(c, 2)) fail(c, TN_E_UNSUPPORTED, "the outputs of mean and deviation are not supported");
  convert_same(c);
}

static void convert_dropout(conversion *c) {
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

/* ---- converters: softmax, reductions --------------------------------------------------------------------------- */

/* Before opset 13: over all dimensions from the axis on, seen as a matrix. */
static void convert_softmax(conversion *c) {
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

static void convert_reduce(conversion *c) {
  int32_t count;
  int64_t since = strcmp(c->n->op_type, "ReduceSum") == 0 ? 13 : 18;
  const int64_t *axes = ints_since(c, since, 1, "axes", &count);
  if (count == 0 && attr_int(c, "noop_with_empty_axes", 0)) {
    give(c, 0, emit1(c, "identity", input(c, 0), out_name(c, 0)));
    return;
  }
  uint32_t x = input(c, 0);
  bool truth = in(c, 0)->type == TN_BOOL; /* reduced as 0 and 1 */
  if (truth) {
    set_string(c, "to", "u8");
    x = emit1(c, "cast", x, NULL);
  }
  if (count > 0) set_ints(c, "axes", count, axes);
  set_int(c, "keepdims", attr_int(c, "keepdims", 1));
  x = emit1(c, c->row->op, x, truth ? NULL : out_name(c, 0));
  if (truth) {
    set_string(c, "to", "bool");
    x = emit1(c, "cast", x, out_name(c, 0));
  }
  give(c, 0, x);
}

/* Over all dimensions behind the channels. */
static void convert_global_pool(conversion *c) {
  static const int64_t axes[] = {2, 3, 4, 5, 6, 7};
  int32_t rank = in(c, 0)->rank;
  if (rank < 3) fail(c, TN_E_INVALID, "an input of rank %d, at least 3 is needed", rank);
  set_ints(c, "axes", rank - 2, axes);
  give(c, 0, emit1(c, c->row->op, input(c, 0), out_name(c, 0)));
}

static void convert_cum_sum(conversion *c) {
  pass_attrs(c, "cum_sum");
  set_int(c, "axis", known_int(c, 1, "axis"));
  give(c, 0, emit1(c, "cum_sum", input(c, 0), out_name(c, 0)));
}

/* ---- converters: shapes ---------------------------------------------------------------------------------------- */

static int64_t product(const int64_t *list, int32_t from, int32_t to) {
  int64_t n = 1;
  for (int32_t i = from; i < to; i++) n *= list[i];
  return n;
}

static void convert_flatten(conversion *c) {
  const tni_gvalue *x = in(c, 0);
  int64_t axis = attr_int(c, "axis", 1);
  if (axis < -x->rank || axis > x->rank)
    fail(c, TN_E_INVALID, "axis %lld is outside a tensor of rank %d", (long long)axis, x->rank);
  if (!ok(c)) return;
  int32_t at = (int32_t)(axis < 0 ? axis + x->rank : axis);
  int64_t shape[2] = {product(x->shape, 0, at), product(x->shape, at, x->rank)};
  give(c, 0, reshape(c, input(c, 0), 2, shape, out_name(c, 0)));
}

/* 0 keeps a dimension (unless allowzero), one -1 takes what is left. */
static void convert_reshape(conversion *c) {
  int32_t count, open = -1;
  const int64_t *want = known_ints(c, 1, "shape", &count);
  tni_gvalue x = *in(c, 0);
  int64_t shape[TN_MAX_RANK], given = 1;
  bool zeros = attr_int(c, "allowzero", 0) != 0;
  if (count > TN_MAX_RANK) fail(c, TN_E_UNSUPPORTED, "rank %d is over %d", count, TN_MAX_RANK);
  for (int32_t i = 0; ok(c) && i < count; i++) {
    shape[i] = want[i];
    if (want[i] == 0 && !zeros) {
      if (i >= x.rank)
        fail(c, TN_E_INVALID, "dimension %d is 0, and the input has rank %d", i, x.rank);
      else
        shape[i] = x.shape[i];
    }
    if (want[i] < -1 || (want[i] == -1 && open >= 0))
      fail(c, TN_E_INVALID, "the shape has more than one open dimension, or a negative one");
    if (want[i] == -1)
      open = i;
    else if (__builtin_mul_overflow(given, shape[i], &given))
      fail(c, TN_E_INVALID, "the shape is too big");
  }
  if (!ok(c)) return;
  int64_t total = tni_gvalue_numel(&x);
  if (open >= 0 && (given == 0 || total % given))
    fail(c, TN_E_INVALID, "%lld elements do not fill the shape", (long long)total);
  if (open >= 0 && ok(c)) shape[open] = total / given;
  give(c, 0, reshape(c, input(c, 0), count, shape, out_name(c, 0)));
}

static void convert_squeeze(conversion *c) {
  int32_t count, n = 0;
  const int64_t *axes = ints_since(c, 13, 1, "axes", &count);
  tni_gvalue x = *in(c, 0);
  bool drop[TN_MAX_RANK] = {false};
  int64_t shape[TN_MAX_RANK];
  for (int32_t i = 0; i < count && ok(c); i++) drop[normal_axis(c, axes[i], x.rank)] = true;
  for (int32_t i = 0; i < x.rank && ok(c); i++) {
    if (!axes) drop[i] = x.shape[i] == 1;
    if (drop[i] && x.shape[i] != 1) fail(c, TN_E_INVALID, "dimension %d is %lld, not 1", i, (long long)x.shape[i]);
    if (!drop[i]) shape[n++] = x.shape[i];
  }
  give(c, 0, reshape(c, input(c, 0), n, shape, out_name(c, 0)));
}

static void convert_unsqueeze(conversion *c) {
  int32_t count, n = 0;
  const int64_t *axes = ints_since(c, 13, 1, "axes", &count);
  tni_gvalue x = *in(c, 0);
  bool one[TN_MAX_RANK] = {false};
  int64_t shape[TN_MAX_RANK];
  if (x.rank + count > TN_MAX_RANK) fail(c, TN_E_UNSUPPORTED, "rank %d is over %d", x.rank + count, TN_MAX_RANK);
  for (int32_t i = 0; i < count && ok(c); i++) {
    int32_t axis = normal_axis(c, axes[i], x.rank + count);
    if (one[axis]) fail(c, TN_E_INVALID, "axis %d is given twice", axis);
    one[axis] = true;
  }
  for (int32_t i = 0; ok(c) && i < x.rank + count; i++) shape[i] = one[i] ? 1 : x.shape[n++];
  give(c, 0, reshape(c, input(c, 0), x.rank + count, shape, out_name(c, 0)));
}

static void convert_expand(conversion *c) {
  int32_t count;
  const int64_t *shape = known_ints(c, 1, "shape", &count);
  set_ints(c, "shape", count, shape);
  give(c, 0, emit1(c, "expand", input(c, 0), out_name(c, 0)));
}

static void convert_tile(conversion *c) {
  int32_t count;
  const int64_t *repeats = known_ints(c, 1, "repeats", &count);
  set_ints(c, "repeats", count, repeats);
  give(c, 0, emit1(c, "tile", input(c, 0), out_name(c, 0)));
}

static void convert_shape(conversion *c) {
  const tni_gvalue *x = in(c, 0);
  int64_t start = attr_int(c, "start", 0), end = attr_int(c, "end", x->rank), rank = x->rank;
  start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
  end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
  int64_t shape[TN_MAX_RANK + 1];
  memcpy(shape, x->shape, sizeof x->shape);
  give(c, 0, const_ints(c, 1, end > start ? end - start : 0, shape + start, out_name(c, 0)));
}

static void convert_size(conversion *c) {
  int64_t n = tni_gvalue_numel(in(c, 0));
  give(c, 0, const_ints(c, 0, 1, &n, out_name(c, 0)));
}

/* A tensor of floats given as an attribute. */
static void const_floats(conversion *c, int32_t rank, int64_t count, const double *values) {
  float *data = new_contents(c, TN_F32, count);
  for (int64_t i = 0; data && i < count; i++) data[i] = (float)values[i];
  give(c, 0, add_const(c, TN_F32, rank, &count, data, out_name(c, 0)));
}

static void convert_constant(conversion *c) {
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

static void convert_constant_of_shape(conversion *c) {
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

static void convert_range(conversion *c) {
  double at[3];
  tn_type type = in(c, 0)->type;
  int64_t whole[3];
  for (uint32_t i = 0; i < 3 && ok(c); i++) {
    const tni_gvalue *v = in(c, i);
    if (!ok(c)) return;
    if (!v->data) fail(c, TN_E_UNSUPPORTED, "input %u must be a constant", i);
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

/* ---- converters: parts of tensors ------------------------------------------------------------------------------ */

static void convert_slice(conversion *c) {
  static const char *const names[] = {"starts", "ends", "axes", "steps"};
  for (uint32_t i = 0; i < 4; i++) {
    int32_t count;
    const int64_t *list = ints_since(c, 10, i + 1, names[i], &count);
    if (list) set_ints(c, names[i], count, list);
  }
  give(c, 0, emit1(c, "slice", input(c, 0), out_name(c, 0)));
}

/* One slice per output. */
static void convert_split(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t axis = normal_axis(c, attr_int(c, "axis", 0), x.rank), at = 0;
  int32_t count, parts = (int32_t)c->n->output_count;
  const int64_t *sizes = ints_since(c, 13, 1, "split", &count);
  if (sizes && count != parts) fail(c, TN_E_INVALID, "%d sizes for %d outputs", count, parts);
  if (parts == 0 || !ok(c)) return;
  int64_t dim = x.shape[axis], part = (dim + parts - 1) / parts;
  if (!sizes && c->m->opset < 18 && dim % parts)
    fail(c, TN_E_INVALID, "%lld does not split into %d", (long long)dim, parts);
  for (int32_t i = 0; i < parts && ok(c); i++) {
    int64_t end = sizes ? at + sizes[i] : at + part < dim ? at + part : dim;
    if (end < at || end > dim) fail(c, TN_E_INVALID, "the sizes do not fit the dimension");
    set_ints(c, "starts", 1, &at);
    set_ints(c, "ends", 1, &end);
    set_ints(c, "axes", 1, &axis);
    give(c, (uint32_t)i, emit1(c, "slice", input(c, 0), out_name(c, (uint32_t)i)));
    at = end;
  }
  if (ok(c) && at != dim) fail(c, TN_E_INVALID, "the sizes do not fill the dimension");
}

static void convert_pad(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int32_t count, axis_count = 0;
  const int64_t *list = ints_since(c, 11, 1, "pads", &count);
  const int64_t *axes = c->m->opset >= 18 && has_input(c, 3) ? known_ints(c, 3, "axes", &axis_count) : NULL;
  int64_t pads[2 * TN_MAX_RANK] = {0};
  if (!axes) axis_count = x.rank;
  if (!ok(c)) return;
  if (!list || count != 2 * axis_count) return fail(c, TN_E_INVALID, "%d pads for %d axes", count, axis_count);
  for (int32_t i = 0; i < axis_count && ok(c); i++) {
    int32_t axis = axes ? normal_axis(c, axes[i], x.rank) : i;
    pads[axis] = list[i];
    pads[x.rank + axis] = list[axis_count + i];
  }
  double value = c->m->opset < 11 ? attr_float(c, "value", 0) : 0;
  if (c->m->opset >= 11 && has_input(c, 2)) {
    const tni_gvalue *v = in(c, 2);
    if (!v->data || tni_gvalue_numel(v) != 1) return fail(c, TN_E_UNSUPPORTED, "the padding value must be a constant");
    tni_scalar s = tni_read_element(v->type, v->data, 0);
    value = tni_type_is_float(v->type) ? s.f : (double)s.i;
  }
  set_ints(c, "pads", 2 * x.rank, pads);
  set_string(c, "mode", attr_string(c, "mode", "constant"));
  set_float(c, "value", value);
  give(c, 0, emit1(c, "pad", input(c, 0), out_name(c, 0)));
}

static void convert_one_hot(conversion *c) {
  const tni_gvalue *depth = in(c, 1);
  if (ok(c) && (!depth->data || tni_gvalue_numel(depth) != 1))
    fail(c, TN_E_UNSUPPORTED, "the depth must be a constant");
  if (!ok(c)) return;
  tni_scalar s = tni_read_element(depth->type, depth->data, 0);
  double number = tni_type_is_float(depth->type) ? s.f : (double)s.i;
  if (!(number >= 1 && number < (double)(1 << 30))) return fail(c, TN_E_INVALID, "the depth is out of range");
  set_int(c, "depth", (int64_t)number);
  set_int(c, "axis", attr_int(c, "axis", -1));
  give(c, 0, emit2(c, "one_hot", input(c, 0), input(c, 2), out_name(c, 0)));
}

static void convert_trilu(conversion *c) {
  set_int(c, "upper", attr_int(c, "upper", 1));
  set_int(c, "k", has_input(c, 1) ? known_int(c, 1, "k") : 0);
  give(c, 0, emit1(c, "trilu", input(c, 0), out_name(c, 0)));
}

/* Views around a transpose: (n, c, h, w) and blocks of b by b. */
static void convert_depth_to_space(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t b = attr_int(c, "blocksize", 0), *s = x.shape;
  bool dcr = strcmp(attr_string(c, "mode", "DCR"), "DCR") == 0;
  if (x.rank != 4 || b < 1 || b > (1 << 20) || s[1] % (b * b))
    return fail(c, TN_E_INVALID, "the shape and `blocksize` do not fit");
  int64_t rest = s[1] / (b * b);
  int64_t split_dcr[] = {s[0], b, b, rest, s[2], s[3]}, split_crd[] = {s[0], rest, b, b, s[2], s[3]};
  static const int64_t perm_dcr[] = {0, 3, 4, 1, 5, 2}, perm_crd[] = {0, 1, 4, 2, 5, 3};
  int64_t shape[] = {s[0], rest, s[2] * b, s[3] * b};
  uint32_t y = reshape(c, input(c, 0), 6, dcr ? split_dcr : split_crd, NULL);
  set_ints(c, "perm", 6, dcr ? perm_dcr : perm_crd);
  give(c, 0, reshape(c, emit1(c, "transpose", y, NULL), 4, shape, out_name(c, 0)));
}

static void convert_space_to_depth(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t b = attr_int(c, "blocksize", 0), *s = x.shape;
  if (x.rank != 4 || b < 1 || b > (1 << 20) || s[2] % b || s[3] % b)
    return fail(c, TN_E_INVALID, "the shape and `blocksize` do not fit");
  int64_t split[] = {s[0], s[1], s[2] / b, b, s[3] / b, b}, shape[] = {s[0], s[1] * b * b, s[2] / b, s[3] / b};
  static const int64_t perm[] = {0, 3, 5, 1, 2, 4};
  uint32_t y = reshape(c, input(c, 0), 6, split, NULL);
  set_ints(c, "perm", 6, perm);
  give(c, 0, reshape(c, emit1(c, "transpose", y, NULL), 4, shape, out_name(c, 0)));
}

/* Sizes or scales, as an input (Upsample 9, Resize 10, and Resize 11 behind the region) or Upsample 7's attribute. */
static void convert_resize(conversion *c) {
  tni_gvalue x = *in(c, 0);
  bool upsample = strcmp(c->n->op_type, "Upsample") == 0, old = upsample || c->m->opset < 11;
  uint32_t at = old ? 1 : 2;
  double scales[TN_MAX_RANK] = {0};
  int64_t shape[TN_MAX_RANK];
  const char *mode = attr_string(c, "mode", "nearest");
  const tni_onnx_attr *a = upsample && c->m->opset < 9 ? find_attr(c, "scales", TNI_ONNX_FLOATS) : NULL;
  bool given = a || (has_input(c, at) && tni_gvalue_numel(in(c, at)) > 0);
  if (has_attr(c, "axes") || attr_int(c, "antialias", 0) ||
      strcmp(attr_string(c, "coordinate_transformation_mode", ""), "tf_crop_and_resize") == 0 ||
      strcmp(attr_string(c, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0)
    return fail(c, TN_E_UNSUPPORTED, "axes, antialias, crops and a kept aspect ratio are not supported");
  if (strcmp(mode, "cubic") == 0) return fail(c, TN_E_UNSUPPORTED, "cubic interpolation is not supported");
  if (given) {
    const tni_gvalue *v = a ? NULL : in(c, at);
    if (v && (!v->data || v->type != TN_F32))
      return fail(c, TN_E_UNSUPPORTED, "the scales must be a constant list of f32");
    if ((a ? a->float_count : tni_gvalue_numel(v)) != x.rank)
      return fail(c, TN_E_INVALID, "one scale per dimension is needed");
    for (int32_t i = 0; i < x.rank; i++) {
      scales[i] = a ? a->floats[i] : tni_read_element(TN_F32, v->data, i).f;
      double size = floor((double)x.shape[i] * scales[i]);
      if (!(scales[i] > 0 && size < (double)(1 << 30))) return fail(c, TN_E_INVALID, "a scale is out of range");
      shape[i] = (int64_t)size;
    }
  } else {
    int32_t count;
    const int64_t *sizes = known_ints(c, 3, "sizes", &count);
    if (!ok(c) || count != x.rank) return fail(c, TN_E_INVALID, "one size per dimension is needed");
    memcpy(shape, sizes, sizeof(int64_t) * (size_t)count);
  }
  set_string(c, "mode", strcmp(mode, "bilinear") == 0 ? "linear" : mode);
  set_string(c, "coordinates", old ? "asymmetric" : attr_string(c, "coordinate_transformation_mode", "half_pixel"));
  set_string(c, "nearest", old ? "floor" : attr_string(c, "nearest_mode", "round_prefer_floor"));
  set_ints(c, "shape", x.rank, shape);
  tni_attr *s = add_attr(c, "scales", TNI_ATTR_FLOATS);
  s->count = x.rank;
  s->floats = scales;
  give(c, 0, emit1(c, "resize", input(c, 0), out_name(c, 0)));
}

/* ---- the table ------------------------------------------------------------------------------------------------- */

static const tni_onnx_op table[] = {
    {"Abs", "abs", convert_same},
    {"Acos", "acos", convert_same},
    {"Acosh", "acosh", convert_same},
    {"Add", "add", convert_same},
    {"And", "and", convert_same},
    {"ArgMax", "arg_max", convert_same},
    {"ArgMin", "arg_min", convert_same},
    {"Asin", "asin", convert_same},
    {"Asinh", "asinh", convert_same},
    {"Atan", "atan", convert_same},
    {"Atanh", "atanh", convert_same},
    {"AveragePool", "average_pool", convert_pool},
    {"BatchNormalization", "", convert_batch_normalization},
    {"BitShift", "bit_shift", convert_same},
    {"BitwiseAnd", "bitwise_and", convert_same},
    {"BitwiseNot", "bitwise_not", convert_same},
    {"BitwiseOr", "bitwise_or", convert_same},
    {"BitwiseXor", "bitwise_xor", convert_same},
    {"Cast", "cast", convert_cast},
    {"CastLike", "cast", convert_cast_like},
    {"Ceil", "ceil", convert_same},
    {"Celu", "celu", convert_same},
    {"Clip", "clip", convert_clip},
    {"Concat", "concat", convert_same},
    {"Constant", "", convert_constant},
    {"ConstantOfShape", "", convert_constant_of_shape},
    {"Conv", "conv", convert_same},
    {"ConvTranspose", "conv_transpose", convert_same},
    {"Cos", "cos", convert_same},
    {"Cosh", "cosh", convert_same},
    {"CumSum", "cum_sum", convert_cum_sum},
    {"DepthToSpace", "", convert_depth_to_space},
    {"Div", "div", convert_same},
    {"Dropout", "", convert_dropout},
    {"Elu", "elu", convert_same},
    {"Equal", "equal", convert_same},
    {"Erf", "erf", convert_same},
    {"Exp", "exp", convert_same},
    {"Expand", "expand", convert_expand},
    {"Flatten", "", convert_flatten},
    {"Floor", "floor", convert_same},
    {"Gather", "gather", convert_same},
    {"GatherElements", "gather_elements", convert_same},
    {"GatherND", "gather_nd", convert_same},
    {"Gelu", "gelu", convert_same},
    {"Gemm", "", convert_gemm},
    {"GlobalAveragePool", "reduce_mean", convert_global_pool},
    {"GlobalMaxPool", "reduce_max", convert_global_pool},
    {"Greater", "greater", convert_same},
    {"GreaterOrEqual", "greater_or_equal", convert_same},
    {"HardSigmoid", "hard_sigmoid", convert_same},
    {"HardSwish", "hard_swish", convert_same},
    {"Identity", "identity", convert_same},
    {"InstanceNormalization", "", convert_instance_normalization},
    {"IsInf", "is_inf", convert_same},
    {"IsNaN", "is_nan", convert_same},
    {"LayerNormalization", "layer_norm", convert_layer_normalization},
    {"LeakyRelu", "leaky_relu", convert_same},
    {"Less", "less", convert_same},
    {"LessOrEqual", "less_or_equal", convert_same},
    {"Log", "log", convert_same},
    {"LogSoftmax", "log_softmax", convert_softmax},
    {"MatMul", "matmul", convert_same},
    {"Max", "max", convert_variadic},
    {"MaxPool", "max_pool", convert_pool},
    {"Mean", "add", convert_variadic},
    {"Min", "min", convert_variadic},
    {"Mish", "mish", convert_same},
    {"Mod", "mod", convert_same},
    {"Mul", "mul", convert_same},
    {"Neg", "neg", convert_same},
    {"Not", "not", convert_same},
    {"OneHot", "one_hot", convert_one_hot},
    {"Or", "or", convert_same},
    {"PRelu", "prelu", convert_same},
    {"Pad", "pad", convert_pad},
    {"Pow", "pow", convert_same},
    {"Range", "", convert_range},
    {"Reciprocal", "reciprocal", convert_same},
    {"ReduceL1", "reduce_l1", convert_reduce},
    {"ReduceL2", "reduce_l2", convert_reduce},
    {"ReduceLogSum", "reduce_log_sum", convert_reduce},
    {"ReduceLogSumExp", "reduce_log_sum_exp", convert_reduce},
    {"ReduceMax", "reduce_max", convert_reduce},
    {"ReduceMean", "reduce_mean", convert_reduce},
    {"ReduceMin", "reduce_min", convert_reduce},
    {"ReduceProd", "reduce_prod", convert_reduce},
    {"ReduceSum", "reduce_sum", convert_reduce},
    {"ReduceSumSquare", "reduce_sum_square", convert_reduce},
    {"Relu", "relu", convert_same},
    {"Reshape", "", convert_reshape},
    {"Resize", "resize", convert_resize},
    {"Round", "round", convert_same},
    {"Selu", "selu", convert_same},
    {"Shape", "", convert_shape},
    {"Shrink", "shrink", convert_same},
    {"Sigmoid", "sigmoid", convert_same},
    {"Sign", "sign", convert_same},
    {"Sin", "sin", convert_same},
    {"Sinh", "sinh", convert_same},
    {"Size", "", convert_size},
    {"Slice", "slice", convert_slice},
    {"Softmax", "softmax", convert_softmax},
    {"Softplus", "softplus", convert_same},
    {"Softsign", "softsign", convert_same},
    {"SpaceToDepth", "", convert_space_to_depth},
    {"Split", "slice", convert_split},
    {"Sqrt", "sqrt", convert_same},
    {"Squeeze", "", convert_squeeze},
    {"Sub", "sub", convert_same},
    {"Sum", "add", convert_variadic},
    {"Swish", "swish", convert_same},
    {"Tan", "tan", convert_same},
    {"Tanh", "tanh", convert_same},
    {"ThresholdedRelu", "thresholded_relu", convert_same},
    {"Tile", "tile", convert_tile},
    {"Transpose", "transpose", convert_same},
    {"Trilu", "trilu", convert_trilu},
    {"Unsqueeze", "", convert_unsqueeze},
    {"Upsample", "resize", convert_resize},
    {"Where", "where", convert_same},
    {"Xor", "xor", convert_same},
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
