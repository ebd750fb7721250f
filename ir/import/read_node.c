/* read_node.c -- one node of a model: its operator, attributes and the names of its inputs and outputs.
 *
 * A node of a function may refer to an attribute of the call: it gets the call's, else the function's default, else none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "read.h"

enum { MAX_ATTRIBUTES = 64, MAX_NUMBERS = 1 << 24 };

static const char phase[] = "import";

/* ---- attributes -------------------------------------------------------------------------------------------------- */

typedef struct number_list {
  int64_t *ints;
  double *floats;
  size_t count;
} number_list;

static double float_of(uint64_t bits) {
  uint32_t low = (uint32_t)bits;
  float f;
  memcpy(&f, &low, sizeof f);
  return f;
}

static bool add_number(void *self, uint64_t value) {
  number_list *list = self;
  if (list->ints) list->ints[list->count] = (int64_t)value;
  if (list->floats) list->floats[list->count] = float_of(value);
  list->count++;
  return true;
}

/* The numbers of one field, in the arena: counted first, then read. */
static tn_status read_list(reader *p, const char *node, tni_view message, uint32_t number, enum tni_wire_kind kind,
                           number_list *list) {
  *list = (number_list){NULL, NULL, 0};
  for (int pass = 0; pass < 2; pass++) {
    tni_view rest = message;
    tni_wire_item item;
    size_t count = list->count;
    if (count > MAX_NUMBERS)
      return tni_fail(p->ctx, p->err, TN_E_LIMIT, phase, node, "an attribute of more than %d numbers", MAX_NUMBERS);
    list->count = 0;
    if (pass && kind == TNI_WIRE_VARINT)
      list->ints = TNI_NEW_ARRAY(&p->flow->arena, int64_t, count);
    else if (pass)
      list->floats = TNI_NEW_ARRAY(&p->flow->arena, double, count);
    if (pass && !list->ints && !list->floats) return tni_fail_nomem(p->err);
    while (tni_wire_next(&rest, &item))
      if (item.number == number) tni_wire_numbers(&item, kind, add_number, list);
  }
  return TN_OK;
}

enum { NAME = 1, F = 2, I = 3, S = 4, T = 5, G = 6, FLOATS = 7, INTS = 8, TYPE = 20, REF = 21 };

static tn_status read_attribute(reader *p, const char *node, tni_view bytes, tni_onnx_attr *a) {
  static const int64_t type_of_field[] = {0,
                                          0,
                                          TNI_ONNX_FLOAT,
                                          TNI_ONNX_INT,
                                          TNI_ONNX_STRING,
                                          TNI_ONNX_TENSOR,
                                          TNI_ONNX_GRAPH,
                                          TNI_ONNX_FLOATS,
                                          TNI_ONNX_INTS};
  tni_view rest = bytes;
  tni_wire_item item;
  int64_t seen = 0;
  tn_status status = TN_OK;
  *a = (tni_onnx_attr){.name = "", .s = "", .bytes = bytes};
  while (status == TN_OK && tni_wire_next(&rest, &item)) {
    if (item.number == NAME)
      status = tni_read_text(p, item.view, &a->name);
    else if (item.number == F)
      a->f = float_of(item.value);
    else if (item.number == I)
      a->i = (int64_t)item.value;
    else if (item.number == S)
      status = tni_read_text(p, item.view, &a->s);
    else if (item.number == T || item.number == G)
      a->t = item.view;
    else if (item.number == TYPE)
      a->type = (int64_t)item.value;
    if (item.number >= F && item.number <= INTS) seen = type_of_field[item.number];
  }
  if (a->type == 0) a->type = seen;
  number_list floats, ints;
  if (status == TN_OK) status = read_list(p, node, bytes, FLOATS, TNI_WIRE_FIXED32, &floats);
  if (status == TN_OK) status = read_list(p, node, bytes, INTS, TNI_WIRE_VARINT, &ints);
  if (status != TN_OK) return status;
  a->float_count = (int32_t)floats.count;
  a->floats = floats.floats;
  a->int_count = (int32_t)ints.count;
  a->ints = ints.ints;
  return TN_OK;
}

/* The function's own value for an attribute that its caller does not give. */
static tn_status read_default(reader *p, const call *c, const char *name, tni_onnx_attr *a, bool *found) {
  enum { DEFAULTS = 11 };
  tni_view rest = c->function;
  tni_wire_item item;
  *found = false;
  while (!*found && tni_wire_next(&rest, &item)) {
    tni_view own = item.number == DEFAULTS ? tni_wire_find(item.view, NAME) : (tni_view){NULL, 0};
    if (!own.data || !tni_view_is(own, name)) continue;
    *found = true;
    return read_attribute(p, c->site->name, item.view, a);
  }
  return TN_OK;
}

/* What an attribute that refers to the function's attribute `name` is. */
static tn_status refer(reader *p, const scope *s, const char *node, const char *name, tni_onnx_attr *a, bool *found) {
  const char *own = a->name;
  *found = false;
  if (!s->call)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, node, "an attribute refers to one of a function");
  for (uint32_t i = 0; i < s->call->site->attr_count && !*found; i++) {
    if (strcmp(s->call->site->attrs[i].name, name) != 0) continue;
    *a = s->call->site->attrs[i];
    *found = true;
  }
  tn_status status = *found ? TN_OK : read_default(p, s->call, name, a, found);
  a->name = own;
  return status;
}

/* *found is false for one that refers to what nobody gave. */
static tn_status read_any_attribute(reader *p, const scope *s, const char *node, tni_view bytes, tni_onnx_attr *a,
                                    bool *found) {
  const char *ref = NULL;
  tni_view view = tni_wire_find(bytes, REF);
  tn_status status = read_attribute(p, node, bytes, a);
  *found = true;
  if (status == TN_OK && view.size) status = tni_read_text(p, view, &ref);
  return status == TN_OK && ref ? refer(p, s, node, ref, a, found) : status;
}

static tn_status read_attributes(reader *p, tni_view bytes, const scope *s, tni_onnx_node *n) {
  tni_wire_item item;
  if (tni_wire_count(bytes, 5) > MAX_ATTRIBUTES)
    return tni_fail(p->ctx, p->err, TN_E_LIMIT, phase, n->name, "more than %d attributes", MAX_ATTRIBUTES);
  n->attrs = TNI_NEW_ARRAY(&p->flow->arena, tni_onnx_attr, tni_wire_count(bytes, 5));
  if (!n->attrs) return tni_fail_nomem(p->err);
  while (tni_wire_next(&bytes, &item)) {
    if (item.number != 5) continue;
    tni_onnx_attr *a = &n->attrs[n->attr_count];
    bool found;
    tn_status status = read_any_attribute(p, s, n->name, item.view, a, &found);
    if (status != TN_OK) return status;
    for (uint32_t i = 0; i < n->attr_count; i++)
      if (strcmp(n->attrs[i].name, a->name) == 0)
        return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, n->name, "two attributes are called `%s`", a->name);
    n->attr_count += found;
  }
  return TN_OK;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* A list of names, "" as NULL. */
static tn_status read_names(reader *p, tni_view bytes, uint32_t field, uint32_t *count, const char ***out) {
  tni_wire_item item;
  size_t n = tni_wire_count(bytes, field);
  *out = TNI_NEW_ARRAY(&p->flow->arena, const char *, n);
  *count = 0;
  if (!*out) return tni_fail_nomem(p->err);
  while (tni_wire_next(&bytes, &item)) {
    const char *name;
    if (item.number != field) continue;
    tn_status status = tni_read_text(p, item.view, &name);
    if (status != TN_OK) return status;
    (*out)[(*count)++] = *name ? name : NULL;
  }
  return TN_OK;
}

tni_view tni_find_function(const reader *p, const tni_onnx_node *n) {
  enum { FUNCTIONS = 25, OWN_NAME = 1, DOMAIN = 10 };
  tni_view rest = p->model;
  tni_wire_item item;
  while (tni_wire_next(&rest, &item))
    if (item.number == FUNCTIONS && tni_view_is(tni_wire_find(item.view, OWN_NAME), n->op_type) &&
        tni_view_is(tni_wire_find(item.view, DOMAIN), n->domain))
      return item.view;
  return (tni_view){NULL, 0};
}

tn_status tni_read_node(reader *p, tni_view bytes, const scope *s, tni_onnx_node *n, const char ***in_names) {
  tn_status status = tni_read_text(p, tni_wire_find(bytes, 4), &n->op_type);
  if (status == TN_OK) status = tni_read_text(p, tni_wire_find(bytes, 7), &n->domain);
  if (status == TN_OK) status = tni_read_text(p, tni_wire_find(bytes, 3), &n->name);
  if (status == TN_OK) status = read_names(p, bytes, 1, &n->input_count, in_names);
  if (status == TN_OK) status = read_names(p, bytes, 2, &n->output_count, &n->output_names);
  if (status != TN_OK) return status;
  if (strcmp(n->domain, "ai.onnx") == 0) n->domain = "";
  if (!*n->name)
    n->name = tni_arena_format(&p->flow->arena, "%s:%s", n->op_type,
                               n->output_count && n->output_names[0] ? n->output_names[0] : "?");
  n->in = TNI_NEW_ARRAY(&p->flow->arena, uint32_t, n->input_count);
  n->out = TNI_NEW_ARRAY(&p->flow->arena, uint32_t, n->output_count);
  if (!n->name || !n->in || !n->out) return tni_fail_nomem(p->err);
  bool calls = tni_find_function(p, n).data != NULL;
  n->op = calls ? NULL : tni_onnx_op_find(n->domain, n->op_type);
  return n->op || calls ? read_attributes(p, bytes, s, n) : TN_OK; /* what is not known is not read */
}
