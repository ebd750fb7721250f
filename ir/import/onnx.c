/* onnx.c -- an ONNX model into a graph: names, initializers, inputs with their open dimensions bound, nodes in order.
 *
 *     check the bytes -> opset -> initializers, inputs -> nodes: read, look up, sort -> convert each -> outputs
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdio.h>

#include "import.h"

enum { MIN_OPSET = 1, MAX_OPSET = 27, NAMES_PER_OPERATOR = 8, MAX_ATTRIBUTES = 64, MAX_NUMBERS = 1 << 24 };
enum { BY_NOBODY = -1, BY_INITIALIZER = -2, BY_INPUT = -3 }; /* who makes a name; else the number of a node */

static const char phase[] = "import";

/* ---- names ------------------------------------------------------------------------------------------------------- */

typedef struct entry {
  const char *name; /* NULL: free */
  int64_t maker;
  uint32_t value;
} entry;

typedef struct name_map {
  entry *slots;
  size_t size, used;
} name_map;

typedef struct importer {
  tni_onnx m;
  name_map names;
  const tn_import_desc *desc;
  tn_error **err;
} importer;

static size_t hash_name(const char *name) {
  uint64_t h = 14695981039346656037u;
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 1099511628211u;
  return (size_t)(h ^ h >> 29);
}

static entry *find_slot(const name_map *map, const char *name) {
  size_t i = hash_name(name) & (map->size - 1);
  while (map->slots[i].name && strcmp(map->slots[i].name, name) != 0) i = (i + 1) & (map->size - 1);
  return &map->slots[i];
}

static bool grow_map(tn_context *ctx, name_map *map) {
  if (map->size && map->used < map->size / 2) return true;
  name_map bigger = {NULL, map->size ? 2 * map->size : 64, map->used};
  bigger.slots = tni_alloc_zero(ctx, bigger.size * sizeof(entry));
  if (!bigger.slots) return false;
  for (size_t i = 0; i < map->size; i++)
    if (map->slots[i].name) *find_slot(&bigger, map->slots[i].name) = map->slots[i];
  tni_free(ctx, map->slots, map->size * sizeof(entry));
  *map = bigger;
  return true;
}

/* The entry of that name, or NULL. */
static entry *find_name(const importer *p, const char *name) {
  entry *e = p->names.size ? find_slot(&p->names, name) : NULL;
  return e && e->name ? e : NULL;
}

static tn_status add_name(importer *p, const char *name, int64_t maker, uint32_t value) {
  if (!grow_map(p->m.ctx, &p->names)) return tni_fail_nomem(p->err);
  entry *e = find_slot(&p->names, name);
  if (e->name) return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, name, "two values have this name");
  *e = (entry){name, maker, value};
  p->names.used++;
  return TN_OK;
}

/* A string field as text in the import's arena. */
static tn_status read_text(importer *p, tni_view view, const char **out) {
  char *text = tni_arena_alloc(&p->m.arena, view.size + 1);
  *out = text;
  if (!text) return tni_fail_nomem(p->err);
  if (view.size) memcpy(text, view.data, view.size);
  if (strlen(text) == view.size) return TN_OK;
  char place[32];
  snprintf(place, sizeof place, "offset %zu", (size_t)(view.data - (const uint8_t *)p->m.blob->data));
  return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, place, "a name has a NUL character in it");
}

/* The last field of that number in a message; size 0 and data NULL when absent. */
static tni_view find_field(tni_view message, uint32_t number) {
  tni_view found = {NULL, 0};
  tni_wire_item item;
  while (tni_wire_next(&message, &item))
    if (item.number == number && item.wire == 2) found = item.view;
  return found;
}

static size_t count_fields(tni_view message, uint32_t number) {
  size_t count = 0;
  tni_wire_item item;
  while (tni_wire_next(&message, &item)) count += item.number == number;
  return count;
}

/* ---- initializers, inputs -------------------------------------------------------------------------------------- */

tn_status tni_onnx_keep(tni_onnx *m, const tni_onnx_data *data, const void **out, tn_error **err) {
  size_t align = tn_type_bytes(data->type);
  *out = NULL;
  if (data->has_raw && data->type != TN_BOOL && data->bytes && (uintptr_t)data->raw.data % align == 0) {
    *out = data->raw.data;
    return TN_OK;
  }
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

static tn_status add_initializer(importer *p, tni_view bytes) {
  tni_onnx_data data;
  const char *name;
  const void *contents;
  tn_status status = read_text(p, find_field(bytes, 8), &name);
  if (status == TN_OK && !*name)
    return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, "graph", "an initializer has no name");
  if (status == TN_OK) status = tni_onnx_data_read(p->m.ctx, bytes, name, &data, p->err);
  if (status == TN_OK) status = tni_onnx_keep(&p->m, &data, &contents, p->err);
  if (status != TN_OK) return status;
  uint32_t v = BY_NOBODY;
  if (find_name(p, name))
    return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, name, "two initializers have this name");
  v = tni_g_const(p->m.g, name, data.type, data.rank, data.shape, contents);
  return add_name(p, name, BY_INITIALIZER, v);
}

static tn_status add_initializers(importer *p, tni_view graph) {
  tni_wire_item item;
  while (tni_wire_next(&graph, &item)) {
    if (item.number == 15)
      return tni_fail(p->m.ctx, p->err, TN_E_UNSUPPORTED, phase, "graph", "sparse initializers are not supported");
    tn_status status = item.number == 5 ? add_initializer(p, item.view) : TN_OK;
    if (status != TN_OK) return status;
  }
  return TN_OK;
}

/* One dimension of an input as the model gives it: value >= 0, or -1 for an open one, whose name may be "". */
typedef struct open_dim {
  int64_t value;
  const char *name;
} open_dim;

static tn_status read_dim(importer *p, const char *input, int32_t i, tni_view bytes, open_dim *out) {
  tni_wire_item item;
  *out = (open_dim){-1, ""};
  while (tni_wire_next(&bytes, &item)) {
    if (item.number == 2) {
      tn_status status = read_text(p, item.view, &out->name);
      if (status != TN_OK) return status;
    }
    if (item.number != 1) continue;
    out->value = (int64_t)item.value;
    if (out->value < 0)
      return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, input, "dimension %d is %lld", i, (long long)out->value);
  }
  return TN_OK;
}

static const tn_input_shape *given_shape(const importer *p, const char *input) {
  for (size_t i = 0; i < p->desc->shape_count; i++)
    if (strcmp(p->desc->shapes[i].input, input) == 0) return &p->desc->shapes[i];
  return NULL;
}

/* What the description says about an open dimension, or -1. */
static int64_t given_dim(const importer *p, const char *name) {
  for (size_t i = 0; i < p->desc->dim_count; i++)
    if (*name && strcmp(p->desc->dims[i].name, name) == 0) return p->desc->dims[i].value;
  return p->desc->default_dim > 0 ? p->desc->default_dim : -1;
}

static tn_status bind_dim(importer *p, const char *input, int32_t i, const open_dim *dim, const tn_input_shape *given,
                          int64_t *out) {
  tn_context *ctx = p->m.ctx;
  *out = given ? given->shape[i] : dim->value >= 0 ? dim->value : given_dim(p, dim->name);
  if (given && dim->value >= 0 && dim->value != *out)
    return tni_fail(ctx, p->err, TN_E_INVALID, phase, input, "dimension %d is %lld in the model, %lld was asked for", i,
                    (long long)dim->value, (long long)*out);
  if (*out >= 0) return TN_OK;
  return tni_fail(ctx, p->err, TN_E_INVALID, phase, input,
                  "dimension %d%s%s%s is open: give it a value in tn_import_desc (dims, shapes or default_dim)", i,
                  *dim->name ? " (`" : "", dim->name, *dim->name ? "`)" : "");
}

/* The shape message of an input (data NULL when the model gives none). */
static tn_status bind_shape(importer *p, const char *input, tni_view shape, int32_t *rank, int64_t *dims) {
  const tn_input_shape *given = given_shape(p, input);
  tni_wire_item item;
  int32_t n = 0;
  size_t count = count_fields(shape, 1);
  bool known = shape.data != NULL;
  if (!known && !given)
    return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, input,
                    "the input has no shape: give one in tn_import_desc.shapes");
  if (count > TN_MAX_RANK || (given && (given->rank < 0 || given->rank > TN_MAX_RANK)))
    return tni_fail(p->m.ctx, p->err, TN_E_UNSUPPORTED, phase, input, "the rank is over %d", TN_MAX_RANK);
  *rank = known ? (int32_t)count : given->rank;
  if (given && given->rank != *rank)
    return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, input, "the rank is %d, a shape of rank %d was given", *rank,
                    given->rank);
  for (; !known && n < *rank; n++) {
    open_dim dim = {-1, ""};
    tn_status status = bind_dim(p, input, n, &dim, given, &dims[n]);
    if (status != TN_OK) return status;
  }
  while (tni_wire_next(&shape, &item)) {
    open_dim dim;
    if (item.number != 1) continue;
    tn_status status = read_dim(p, input, n, item.view, &dim);
    if (status == TN_OK) status = bind_dim(p, input, n, &dim, given, &dims[n]);
    if (status != TN_OK) return status;
    n++;
  }
  return TN_OK;
}

static tn_status add_input(importer *p, tni_view bytes) {
  const char *name;
  tn_status status = read_text(p, find_field(bytes, 1), &name);
  if (status != TN_OK) return status;
  entry *known = find_name(p, name);
  if (known && known->maker == BY_INITIALIZER) { /* IR 3 and 4 list weights as inputs too */
    if (!given_shape(p, name)) return TN_OK;
    return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, name, "a shape was given, but the model holds this tensor");
  }
  tni_view type = find_field(find_field(bytes, 2), 1), rest = type;
  if (!type.data) return tni_fail(p->m.ctx, p->err, TN_E_UNSUPPORTED, phase, name, "the input is not a tensor");
  int64_t elem = 0, dims[TN_MAX_RANK] = {0};
  int32_t rank = 0;
  tni_wire_item item;
  while (tni_wire_next(&rest, &item))
    if (item.number == 1) elem = (int64_t)item.value;
  if (!tni_onnx_type(elem))
    return tni_fail(p->m.ctx, p->err, TN_E_UNSUPPORTED, phase, name,
                    "the element type (data type %lld) is not supported", (long long)elem);
  status = bind_shape(p, name, find_field(type, 2), &rank, dims);
  if (status != TN_OK) return status;
  if (known) return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, name, "two values have this name");
  return add_name(p, name, BY_INPUT, tni_g_input(p->m.g, name, tni_onnx_type(elem), rank, dims));
}

/* Does the model list an input of that name? */
static bool has_input(tni_view graph, const char *name) {
  tni_wire_item item;
  while (tni_wire_next(&graph, &item)) {
    tni_view own = item.number == 11 ? find_field(item.view, 1) : (tni_view){0};
    if (own.data && own.size == strlen(name) && memcmp(own.data, name, own.size) == 0) return true;
  }
  return false;
}

/* Names first: a mistake in one would show as a shape that is missing. */
static tn_status check_shape_names(importer *p, tni_view graph) {
  for (size_t i = 0; i < p->desc->shape_count; i++)
    if (!p->desc->shapes[i].input || !has_input(graph, p->desc->shapes[i].input))
      return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, p->desc->shapes[i].input,
                      "the model has no input of this name");
  return TN_OK;
}

static tn_status add_inputs(importer *p, tni_view graph) {
  tni_wire_item item;
  tn_status status = check_shape_names(p, graph);
  while (status == TN_OK && tni_wire_next(&graph, &item))
    if (item.number == 11) status = add_input(p, item.view);
  return status;
}

/* ---- nodes: reading -------------------------------------------------------------------------------------------- */

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
static tn_status read_list(importer *p, const char *node, tni_view message, uint32_t number, enum tni_wire_kind kind,
                           number_list *list) {
  *list = (number_list){NULL, NULL, 0};
  for (int pass = 0; pass < 2; pass++) {
    tni_view rest = message;
    tni_wire_item item;
    size_t count = list->count;
    if (count > MAX_NUMBERS)
      return tni_fail(p->m.ctx, p->err, TN_E_LIMIT, phase, node, "an attribute of more than %d numbers", MAX_NUMBERS);
    list->count = 0;
    if (pass && kind == TNI_WIRE_VARINT)
      list->ints = TNI_NEW_ARRAY(&p->m.arena, int64_t, count);
    else if (pass)
      list->floats = TNI_NEW_ARRAY(&p->m.arena, double, count);
    if (pass && !list->ints && !list->floats) return tni_fail_nomem(p->err);
    while (tni_wire_next(&rest, &item))
      if (item.number == number) tni_wire_numbers(&item, kind, add_number, list);
  }
  return TN_OK;
}

static tn_status read_attribute(importer *p, const char *node, tni_view bytes, tni_onnx_attr *a) {
  enum { NAME = 1, F = 2, I = 3, S = 4, T = 5, G = 6, FLOATS = 7, INTS = 8, TYPE = 20, REF = 21 };
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
      status = read_text(p, item.view, &a->name);
    else if (item.number == F)
      a->f = float_of(item.value);
    else if (item.number == I)
      a->i = (int64_t)item.value;
    else if (item.number == S)
      status = read_text(p, item.view, &a->s);
    else if (item.number == T)
      a->t = item.view;
    else if (item.number == TYPE)
      a->type = (int64_t)item.value;
    else if (item.number == REF)
      return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, node, "an attribute refers to one of a function");
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

/* A list of names, "" as NULL. */
static tn_status read_names(importer *p, tni_view bytes, uint32_t field, uint32_t *count, const char ***out) {
  tni_wire_item item;
  size_t n = count_fields(bytes, field);
  *out = TNI_NEW_ARRAY(&p->m.arena, const char *, n);
  *count = 0;
  if (!*out) return tni_fail_nomem(p->err);
  while (tni_wire_next(&bytes, &item)) {
    const char *name;
    if (item.number != field) continue;
    tn_status status = read_text(p, item.view, &name);
    if (status != TN_OK) return status;
    (*out)[(*count)++] = *name ? name : NULL;
  }
  return TN_OK;
}

static tn_status read_attributes(importer *p, tni_view bytes, tni_onnx_node *n) {
  tni_wire_item item;
  if (count_fields(bytes, 5) > MAX_ATTRIBUTES)
    return tni_fail(p->m.ctx, p->err, TN_E_LIMIT, phase, n->name, "more than %d attributes", MAX_ATTRIBUTES);
  n->attrs = TNI_NEW_ARRAY(&p->m.arena, tni_onnx_attr, count_fields(bytes, 5));
  if (!n->attrs) return tni_fail_nomem(p->err);
  while (tni_wire_next(&bytes, &item)) {
    if (item.number != 5) continue;
    tni_onnx_attr *a = &n->attrs[n->attr_count];
    tn_status status = read_attribute(p, n->name, item.view, a);
    if (status != TN_OK) return status;
    for (uint32_t i = 0; i < n->attr_count; i++)
      if (strcmp(n->attrs[i].name, a->name) == 0)
        return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, n->name, "two attributes are called `%s`", a->name);
    n->attr_count++;
  }
  return TN_OK;
}

static tn_status read_node(importer *p, tni_view bytes, tni_onnx_node *n) {
  tn_status status = read_text(p, find_field(bytes, 4), &n->op_type);
  if (status == TN_OK) status = read_text(p, find_field(bytes, 7), &n->domain);
  if (status == TN_OK) status = read_text(p, find_field(bytes, 3), &n->name);
  if (status == TN_OK) status = read_names(p, bytes, 1, &n->input_count, &n->input_names);
  if (status == TN_OK) status = read_names(p, bytes, 2, &n->output_count, &n->output_names);
  if (status != TN_OK) return status;
  if (strcmp(n->domain, "ai.onnx") == 0) n->domain = "";
  if (!*n->name)
    n->name = tni_arena_format(&p->m.arena, "%s:%s", n->op_type,
                               n->output_count && n->output_names[0] ? n->output_names[0] : "?");
  n->inputs = TNI_NEW_ARRAY(&p->m.arena, uint32_t, n->input_count);
  n->outputs = TNI_NEW_ARRAY(&p->m.arena, uint32_t, n->output_count);
  if (!n->name || !n->inputs || !n->outputs) return tni_fail_nomem(p->err);
  n->op = *n->domain ? NULL : tni_onnx_op_find(n->op_type);
  return n->op ? read_attributes(p, bytes, n) : TN_OK; /* bodies of If and Loop are not read */
}

static tn_status read_nodes(importer *p, tni_view graph) {
  tni_wire_item item;
  size_t count = count_fields(graph, 1);
  if (count > p->m.ctx->limits.nodes)
    return tni_fail(p->m.ctx, p->err, TN_E_LIMIT, phase, "graph", "%zu nodes, the limit is %u", count,
                    p->m.ctx->limits.nodes);
  p->m.nodes = TNI_NEW_ARRAY(&p->m.arena, tni_onnx_node, count);
  if (!p->m.nodes) return tni_fail_nomem(p->err);
  while (tni_wire_next(&graph, &item)) {
    if (item.number != 1) continue;
    tni_onnx_node *n = &p->m.nodes[p->m.node_count];
    tn_status status = read_node(p, item.view, n);
    for (uint32_t i = 0; status == TN_OK && i < n->output_count; i++)
      if (n->output_names[i]) status = add_name(p, n->output_names[i], (int64_t)p->m.node_count, TNI_NO_VALUE);
    if (status != TN_OK) return status;
    p->m.node_count++;
  }
  return TN_OK;
}

/* ---- nodes: what is not supported ------------------------------------------------------------------------------ */

static bool same_operator(const tni_onnx_node *a, const tni_onnx_node *b) {
  return strcmp(a->op_type, b->op_type) == 0 && strcmp(a->domain, b->domain) == 0;
}

/* "Foo (nodes a, b)" with the names of the nodes from `first` on. */
static void add_operator(tni_text *text, const tni_onnx *m, size_t first) {
  const tni_onnx_node *op = &m->nodes[first];
  size_t count = 0;
  tni_text_add(text, "%s%s%s (", op->domain, *op->domain ? "." : "", *op->op_type ? op->op_type : "(no operator)");
  for (size_t i = first; i < m->node_count; i++) {
    if (m->nodes[i].op || !same_operator(&m->nodes[i], op)) continue;
    if (count < NAMES_PER_OPERATOR) tni_text_add(text, "%s%s", count ? ", " : "", m->nodes[i].name);
    count++;
  }
  if (count > NAMES_PER_OPERATOR) tni_text_add(text, " and %zu more", count - NAMES_PER_OPERATOR);
  tni_text_add(text, ")");
}

static tn_status refuse_unsupported(importer *p) {
  enum { MAX_OPERATORS = 64 };
  size_t kinds[MAX_OPERATORS], count = 0;
  for (size_t i = 0; i < p->m.node_count; i++) {
    bool known = p->m.nodes[i].op != NULL;
    for (size_t k = 0; k < count && !known; k++) known = same_operator(&p->m.nodes[kinds[k]], &p->m.nodes[i]);
    if (!known && count < MAX_OPERATORS) kinds[count++] = i;
  }
  if (count == 0) return TN_OK;
  tni_text text;
  tni_text_init(&text, p->m.ctx);
  for (size_t k = 0; k < count; k++) {
    if (k) tni_text_add(&text, ", ");
    add_operator(&text, &p->m, kinds[k]);
  }
  tn_status status = text.failed ? tni_fail_nomem(p->err)
                                 : tni_fail(p->m.ctx, p->err, TN_E_UNSUPPORTED, phase, "graph",
                                            "operators that are not supported: %s", text.data);
  tni_text_destroy(&text);
  return status;
}

/* ---- nodes: order and conversion ------------------------------------------------------------------------------- */

enum { NOT_SEEN, WAITING, DONE };

static tn_status convert_node(importer *p, tni_onnx_node *n) {
  for (uint32_t i = 0; i < n->input_count; i++) {
    n->inputs[i] = n->input_names[i] ? find_name(p, n->input_names[i])->value : TNI_NO_VALUE;
    assert(!n->input_names[i] || n->inputs[i] != TNI_NO_VALUE); /* no node is converted without all its outputs */
  }
  for (uint32_t i = 0; i < n->output_count; i++) n->outputs[i] = TNI_NO_VALUE;
  tn_status status = tni_onnx_convert(&p->m, n, p->err);
  if (status != TN_OK) return status;
  for (uint32_t i = 0; i < n->output_count; i++)
    if (n->output_names[i]) find_name(p, n->output_names[i])->value = n->outputs[i];
  n->state = DONE;
  return TN_OK;
}

/* The first input whose node is not converted yet; -1: none, the node is ready. Errors: undefined names, cycles. */
static tn_status next_needed(importer *p, tni_onnx_node *n, int64_t *out) {
  *out = -1;
  for (; n->checked < n->input_count; n->checked++) {
    uint32_t i = n->checked;
    if (!n->input_names[i]) continue;
    const entry *e = find_name(p, n->input_names[i]);
    if (!e)
      return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, n->name, "nothing defines input `%s`", n->input_names[i]);
    if (e->maker < 0 || p->m.nodes[e->maker].state == DONE) continue;
    if (p->m.nodes[e->maker].state == WAITING)
      return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, n->name, "a cycle: input `%s` depends on this node",
                      n->input_names[i]);
    *out = e->maker;
    return TN_OK;
  }
  return TN_OK;
}

/* Depth first from each node in file order, with an explicit stack: sorted files keep their order. */
static tn_status convert_nodes(importer *p) {
  uint32_t *stack = TNI_NEW_ARRAY(&p->m.arena, uint32_t, p->m.node_count);
  if (!stack) return tni_fail_nomem(p->err);
  for (size_t i = 0; i < p->m.node_count; i++) {
    size_t depth = 0;
    if (p->m.nodes[i].state == DONE) continue;
    stack[depth++] = (uint32_t)i;
    while (depth > 0) {
      tni_onnx_node *n = &p->m.nodes[stack[depth - 1]];
      int64_t needed;
      n->state = WAITING;
      tn_status status = next_needed(p, n, &needed);
      if (status == TN_OK && needed < 0) {
        status = convert_node(p, n);
        depth--;
      }
      if (status != TN_OK) return status;
      if (needed >= 0) stack[depth++] = (uint32_t)needed;
    }
  }
  return TN_OK;
}

static tn_status add_outputs(importer *p, tni_view graph) {
  tni_wire_item item;
  size_t count = 0;
  while (tni_wire_next(&graph, &item)) {
    const char *name;
    if (item.number != 12) continue;
    tn_status status = read_text(p, find_field(item.view, 1), &name);
    if (status != TN_OK) return status;
    const entry *e = find_name(p, name);
    if (!e || e->value == TNI_NO_VALUE)
      return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, name, "nothing defines this output");
    tni_g_output(p->m.g, e->value);
    count++;
  }
  if (count > 0) return TN_OK;
  return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, "graph", "the model has no outputs");
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

static void read_opset(importer *p, tni_view model) {
  tni_wire_item item, field;
  p->m.opset = 0;
  while (tni_wire_next(&model, &item)) {
    if (item.number != 8) continue;
    tni_view domain = find_field(item.view, 1), rest = item.view;
    bool own = domain.size == 0 || (domain.size == 7 && memcmp(domain.data, "ai.onnx", 7) == 0);
    while (own && tni_wire_next(&rest, &field))
      if (field.number == 2) p->m.opset = (int64_t)field.value;
  }
}

/* After unsupported operators were listed: a model of other domains alone names no opset of ONNX. */
static tn_status check_opset(importer *p) {
  if (p->m.opset == 0)
    return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, "model", "the model names no opset of ONNX");
  if (p->m.opset >= MIN_OPSET && p->m.opset <= MAX_OPSET) return TN_OK;
  return tni_fail(p->m.ctx, p->err, TN_E_UNSUPPORTED, phase, "model", "opset %lld: %d to %d are supported",
                  (long long)p->m.opset, MIN_OPSET, MAX_OPSET);
}

static tn_status read_model(importer *p, tni_view model) {
  tni_view graph = find_field(model, 7);
  if (!graph.data)
    return tni_fail(p->m.ctx, p->err, TN_E_INVALID, phase, "model", "there is no graph: is this an ONNX model?");
  read_opset(p, model);
  tn_status status = read_nodes(p, graph);
  if (status == TN_OK) status = refuse_unsupported(p);
  if (status == TN_OK) status = check_opset(p);
  if (status == TN_OK) status = add_initializers(p, graph);
  if (status == TN_OK) status = add_inputs(p, graph);
  if (status == TN_OK) status = tni_gbuilder_check(p->m.g, p->err);
  if (status == TN_OK) status = convert_nodes(p);
  if (status == TN_OK) status = add_outputs(p, graph);
  return status;
}

/* Takes the reference to `blob`. */
static tn_status import_blob(tn_context *ctx, tni_blob *blob, const tn_import_desc *desc, tn_program **out,
                             tn_error **err) {
  static const tn_import_desc defaults = {.struct_size = sizeof defaults};
  importer p = {.m = {.ctx = ctx, .blob = blob}, .desc = desc ? desc : &defaults, .err = err};
  tni_view model = {blob->data, blob->size};
  tn_status status = tn_program_create(ctx, &p.m.program, err);
  if (status != TN_OK) {
    tni_blob_unref(blob);
    return status;
  }
  tni_arena_init(&p.m.arena, ctx);
  status = tni_program_keep_blob(p.m.program, blob, err);
  if (status == TN_OK) status = tni_wire_check(ctx, &tni_onnx_model, model, err);
  if (status == TN_OK) status = tni_gbuilder_create(p.m.program, "main", &p.m.g, err);
  if (status == TN_OK) status = read_model(&p, model);
  if (status == TN_OK) {
    status = tni_gbuilder_finish(p.m.g, NULL, err);
    p.m.g = NULL;
  }
  tni_gbuilder_destroy(p.m.g);
  tni_free(ctx, p.names.slots, p.names.size * sizeof(entry));
  tni_arena_destroy(&p.m.arena);
  if (status == TN_OK)
    *out = p.m.program;
  else
    tn_program_destroy(p.m.program);
  return status;
}

static tn_status check_desc(tn_context *ctx, const tn_import_desc *desc, tn_error **err) {
  if (!desc || desc->struct_size == sizeof *desc) return TN_OK;
  return tni_fail(ctx, err, TN_E_VERSION, phase, "tn_import_desc", "struct_size is %zu, not %zu", desc->struct_size,
                  sizeof *desc);
}

tn_status tn_onnx_load(tn_context *context, const char *path, const tn_import_desc *desc, tn_program **out,
                       tn_error **err) {
  tni_blob *blob;
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = check_desc(context, desc, err);
  if (status == TN_OK) status = tni_blob_map(context, path, context->limits.model_bytes, phase, &blob, err);
  return status == TN_OK ? import_blob(context, blob, desc, out, err) : status;
}

tn_status tn_onnx_import(tn_context *context, const void *bytes, size_t size, const tn_import_desc *desc,
                         tn_program **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = check_desc(context, desc, err);
  if (status != TN_OK) return status;
  if (size > context->limits.model_bytes)
    return tni_fail(context, err, TN_E_LIMIT, phase, "model", "%zu bytes, the limit is %llu", size,
                    (unsigned long long)context->limits.model_bytes);
  tni_blob *blob = tni_blob_create(context, size);
  if (!blob) return tni_fail_nomem(err);
  if (size) memcpy((void *)blob->data, bytes, size);
  return import_blob(context, blob, desc, out, err);
}
