/* read_region.c -- an ONNX model into regions: its graph, the bodies of its nodes, its functions where they are called.
 *
 *     nodes -> what is not supported -> initializers, inputs -> bodies -> what the names mean -> order -> last uses
 *
 * A name is looked for in the region, then in those around it. A call gets a copy of the function of its own, so that
 * every name of the model is one slot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "read.h"

enum {
  MIN_OPSET = 1,
  MAX_OPSET = 27,
  NAMES_PER_OPERATOR = 8,
  MAX_FUNCTIONS = 1000,
  CALLED_NODES = 1 << 15,
  NODE_BYTES = 8
};

static const char phase[] = "import";
static const region_fields of_graph = {1, 5, 11, 12, false}, of_function = {7, 0, 4, 5, true};

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static bool is_main(const scope *s) { return !s->outer && !s->call; }

/* A Constant that holds a tensor is an initializer of another spelling. */
static tni_view constant_of(const tni_onnx_node *n) {
  bool holds = n->op && strcmp(n->op_type, "Constant") == 0 && n->attr_count == 1 && n->output_count == 1 &&
               n->output_names[0] && strcmp(n->attrs[0].name, "value") == 0 && n->attrs[0].type == TNI_ONNX_TENSOR;
  return holds ? n->attrs[0].t : (tni_view){NULL, 0};
}

/* Calls may make so many nodes of a small file, or one for each two that a large file can hold. */
static tn_status check_node_count(reader *p, const scope *s, tni_view bytes, size_t count) {
  size_t called = p->model.size / (2 * NODE_BYTES);
  if (count > p->ctx->limits.nodes)
    return tni_fail(p->ctx, p->err, TN_E_LIMIT, phase, "graph", "%zu nodes, the limit is %u", count,
                    p->ctx->limits.nodes);
  if (count > bytes.size / NODE_BYTES) /* two names and their tags are longer */
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, "graph", "%zu nodes in %zu bytes", count, bytes.size);
  if (called < CALLED_NODES) called = CALLED_NODES;
  p->node_count += count;
  if (p->node_count <= p->ctx->limits.nodes && (!s->call || p->node_count <= called)) return TN_OK;
  return tni_fail(p->ctx, p->err, TN_E_LIMIT, phase, s->region->name, "bodies and calls make too many nodes");
}

static tn_status read_nodes(reader *p, scope *s, tni_view bytes, const region_fields *fields) {
  tni_wire_item item;
  size_t count = tni_wire_count(bytes, fields->node);
  tn_status status = check_node_count(p, s, bytes, count);
  if (status != TN_OK) return status;
  s->nodes = TNI_NEW_ARRAY(&p->flow->arena, tni_onnx_node, count);
  s->in_names = TNI_NEW_ARRAY(&p->flow->arena, const char **, count);
  if (!s->nodes || !s->in_names) return tni_fail_nomem(p->err);
  while (tni_wire_next(&bytes, &item)) {
    if (item.number != fields->node) continue;
    uint32_t number = s->region->node_count;
    tni_onnx_node *n = &s->nodes[number];
    status = tni_read_node(p, item.view, s, n, &s->in_names[number]);
    for (uint32_t i = 0; status == TN_OK && i < n->output_count; i++) {
      ((uint32_t *)n->out)[i] = TNI_NO_SLOT;
      if (n->output_names[i]) status = tni_add_slot(p, s, n->output_names[i], number, (uint32_t *)&n->out[i]);
    }
    if (status != TN_OK) return status;
    s->region->node_count++;
  }
  return TN_OK;
}

/* ---- what is not supported --------------------------------------------------------------------------------------- */

static bool known_operator(const scope *s, size_t i) { return s->nodes[i].op || s->nodes[i].attrs; }

static bool same_operator(const tni_onnx_node *a, const tni_onnx_node *b) {
  return strcmp(a->op_type, b->op_type) == 0 && strcmp(a->domain, b->domain) == 0;
}

/* "Foo (nodes a, b)" with the names of the nodes from `first` on. */
static void add_operator(tni_text *text, const scope *s, size_t first) {
  const tni_onnx_node *op = &s->nodes[first];
  size_t count = 0;
  tni_text_add(text, "%s%s%s (", op->domain, *op->domain ? "." : "", *op->op_type ? op->op_type : "(no operator)");
  for (size_t i = first; i < s->region->node_count; i++) {
    if (known_operator(s, i) || !same_operator(&s->nodes[i], op)) continue;
    if (count < NAMES_PER_OPERATOR) tni_text_add(text, "%s%s", count ? ", " : "", s->nodes[i].name);
    count++;
  }
  if (count > NAMES_PER_OPERATOR) tni_text_add(text, " and %zu more", count - NAMES_PER_OPERATOR);
  tni_text_add(text, ")");
}

static tn_status refuse_unsupported(reader *p, const scope *s) {
  enum { MAX_OPERATORS = 64 };
  size_t kinds[MAX_OPERATORS], count = 0;
  for (size_t i = 0; i < s->region->node_count; i++) {
    bool known = known_operator(s, i);
    for (size_t k = 0; k < count && !known; k++) known = same_operator(&s->nodes[kinds[k]], &s->nodes[i]);
    if (!known && count < MAX_OPERATORS) kinds[count++] = i;
  }
  if (count == 0) return TN_OK;
  tni_text text;
  tni_text_init(&text, p->ctx);
  for (size_t k = 0; k < count; k++) {
    if (k) tni_text_add(&text, ", ");
    add_operator(&text, s, kinds[k]);
  }
  tn_status status = text.failed ? tni_fail_nomem(p->err)
                                 : tni_fail(p->ctx, p->err, TN_E_UNSUPPORTED, phase, s->region->name,
                                            "operators that are not supported: %s", text.data);
  tni_text_destroy(&text);
  return status;
}


static int64_t read_opset(tni_view model) {
  tni_wire_item item, field;
  int64_t opset = 0;
  while (tni_wire_next(&model, &item)) {
    if (item.number != 8 && item.number != 9) continue;
    tni_view domain = tni_wire_find(item.view, 1), rest = item.view;
    bool own = domain.size == 0 || tni_view_is(domain, "ai.onnx");
    while (own && tni_wire_next(&rest, &field))
      if (field.number == 2) opset = (int64_t)field.value;
  }
  return opset;
}

/* After unsupported operators were listed: a model of other domains alone names no opset of ONNX. */
static tn_status check_opset(reader *p, int64_t opset) {
  if (opset == 0)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, "model", "the model names no opset of ONNX");
  if (opset >= MIN_OPSET && opset <= MAX_OPSET) return TN_OK;
  return tni_fail(p->ctx, p->err, TN_E_UNSUPPORTED, phase, "model", "opset %lld: %d to %d are supported",
                  (long long)opset, MIN_OPSET, MAX_OPSET);
}

/* ---- initializers ------------------------------------------------------------------------------------------------ */

static tn_status keep_blob(reader *p, tni_blob *blob) {
  tni_flow *f = p->flow;
  if (blob && tni_reserve(p->ctx, (void **)&f->blobs, &f->blob_capacity, f->blob_count + 1, sizeof *f->blobs)) {
    f->blobs[f->blob_count++] = blob;
    return TN_OK;
  }
  tni_blob_unref(blob);
  return tni_fail_nomem(p->err);
}

/* Weights in another file: of the directory that the host names, if it names one. */
static tn_status keep_outside(reader *p, const tni_onnx_data *data, const char *place, const void **out) {
  const char *location;
  tni_blob *blob;
  tn_status status = tni_read_text(p, data->location, &location);
  if (status != TN_OK) return status;
  if (!p->data_directory)
    return tni_fail(p->ctx, p->err, TN_E_UNSUPPORTED, phase, place,
                    "its elements are in `%s`: other files are read only beneath tn_import_desc.data_directory",
                    location);
  status = tni_blob_read_beneath(p->ctx, p->data_directory, location, data->offset, data->bytes, phase, place, &blob,
                                 p->err);
  if (status == TN_OK) status = keep_blob(p, blob);
  if (status != TN_OK) return status;
  uint8_t *bytes = (uint8_t *)blob->data;
  for (size_t i = 0; data->type == TN_BOOL && i < data->bytes; i++) bytes[i] = bytes[i] != 0;
  *out = bytes;
  return TN_OK;
}

/* The contents in the file, large ones also where they are not aligned. Else copied, into a blob that programs share unless
 * they are small. */
static tn_status keep_contents(reader *p, const tni_onnx_data *data, const void **out) {
  enum { SMALL = 256, LARGE = 1 << 16 };
  *out = tni_onnx_data_in_place(data, data->bytes >= LARGE);
  if (*out) return TN_OK;
  if (data->bytes <= SMALL) {
    *out = tni_arena_alloc(&p->flow->arena, data->bytes);
    if (!*out) return tni_fail_nomem(p->err);
  } else {
    tni_blob *blob = tni_blob_create(p->ctx, data->bytes);
    tn_status status = keep_blob(p, blob);
    if (status != TN_OK) return status;
    *out = blob->data;
  }
  tni_onnx_data_copy(data, (void *)*out);
  return TN_OK;
}

static tn_status set_constant(reader *p, uint32_t slot, tni_view bytes, const char *place) {
  tni_onnx_data data;
  tni_gvalue *v = &p->flow->slots[slot].constant;
  tn_status status = tni_onnx_data_read_any(p->ctx, bytes, place, &data, p->err);
  if (status == TN_OK)
    status = data.outside ? keep_outside(p, &data, place, &v->data) : keep_contents(p, &data, &v->data);
  if (status != TN_OK) return status;
  v->type = data.type;
  v->rank = data.rank;
  memcpy(v->shape, data.shape, sizeof v->shape);
  p->flow->slots[slot].made = p->flow->slots[slot].maker >= 0;
  p->flow->slots[slot].maker = TNI_BY_INITIALIZER;
  return TN_OK;
}

static tn_status read_initializer(reader *p, scope *s, tni_view bytes) {
  const char *name;
  uint32_t slot;
  tn_status status = tni_read_text(p, tni_wire_find(bytes, 8), &name);
  if (status == TN_OK && !*name)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, "graph", "an initializer has no name");
  if (status == TN_OK && tni_find_own(s, name) != TNI_NO_SLOT)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, name, "two initializers have this name");
  if (status == TN_OK) status = tni_add_slot(p, s, name, TNI_BY_INITIALIZER, &slot);
  return status == TN_OK ? set_constant(p, slot, bytes, name) : status;
}

static tn_status read_initializers(reader *p, scope *s, tni_view bytes, const region_fields *fields) {
  enum { SPARSE = 15 };
  tni_wire_item item;
  for (uint32_t i = 0; i < s->region->node_count; i++) {
    tni_view constant = constant_of(&s->nodes[i]);
    tn_status status = constant.data ? set_constant(p, s->nodes[i].out[0], constant, s->nodes[i].name) : TN_OK;
    if (status != TN_OK) return status;
  }
  while (fields->initializer && tni_wire_next(&bytes, &item)) {
    if (item.number == SPARSE)
      return tni_fail(p->ctx, p->err, TN_E_UNSUPPORTED, phase, "graph", "sparse initializers are not supported");
    tn_status status = item.number == fields->initializer ? read_initializer(p, s, item.view) : TN_OK;
    if (status != TN_OK) return status;
  }
  return TN_OK;
}

/* ---- inputs and outputs ------------------------------------------------------------------------------------------ */

/* -1 for a size is how some writers spell that it is open. */
static tn_status read_dim(reader *p, const char *name, int32_t i, tni_view bytes, tni_onnx_port *port) {
  tni_wire_item item;
  port->shape[i] = -1;
  port->dims[i] = "";
  while (tni_wire_next(&bytes, &item)) {
    if (item.number == 2) {
      tn_status status = tni_read_text(p, item.view, &port->dims[i]);
      if (status != TN_OK) return status;
    }
    if (item.number != 1) continue;
    port->shape[i] = (int64_t)item.value;
    if (port->shape[i] < -1)
      return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, name, "dimension %d is %lld", i, (long long)port->shape[i]);
  }
  return TN_OK;
}

static tn_status read_tensor_type(reader *p, const char *name, tni_view type, tni_onnx_port *port) {
  tni_view rest = type, shape = tni_wire_find(type, 2);
  tni_wire_item item;
  int64_t elem = 0;
  while (tni_wire_next(&rest, &item))
    if (item.number == 1) elem = (int64_t)item.value;
  port->type = tni_onnx_type(elem);
  if (!port->type)
    return tni_fail(p->ctx, p->err, TN_E_UNSUPPORTED, phase, name,
                    "the element type (data type %lld) is not supported", (long long)elem);
  if (!shape.data) return TN_OK;
  if (tni_wire_count(shape, 1) > TN_MAX_RANK)
    return tni_fail(p->ctx, p->err, TN_E_UNSUPPORTED, phase, name, "the rank is over %d", TN_MAX_RANK);
  port->rank = 0;
  while (tni_wire_next(&shape, &item)) {
    tn_status status = item.number == 1 ? read_dim(p, name, port->rank++, item.view, port) : TN_OK;
    if (status != TN_OK) return status;
  }
  return TN_OK;
}

enum { TENSOR = 1, SEQUENCE = 4, OPTIONAL = 9, INNER = 1 };

/* A value without a type is of unknown kind. */
static enum tni_onnx_kind kind_of(tni_view type) {
  if (tni_wire_find(type, OPTIONAL).data) return TNI_ONNX_IS_OPTIONAL;
  if (tni_wire_find(type, SEQUENCE).data) return TNI_ONNX_IS_SEQUENCE;
  return tni_wire_find(type, TENSOR).data ? TNI_ONNX_IS_TENSOR : TNI_ONNX_IS_UNKNOWN;
}

/* What the model says of an input. Of a sequence or optional it is the type of the tensors in it, and no shape. */
static tn_status read_type(reader *p, const char *name, tni_view type, tni_onnx_port *port) {
  port->kind = kind_of(type);
  if (port->kind == TNI_ONNX_IS_OPTIONAL) type = tni_wire_find(tni_wire_find(type, OPTIONAL), INNER);
  if (kind_of(type) == TNI_ONNX_IS_SEQUENCE) type = tni_wire_find(tni_wire_find(type, SEQUENCE), INNER);
  if (kind_of(type) != TNI_ONNX_IS_TENSOR)
    return tni_fail(p->ctx, p->err, TN_E_UNSUPPORTED, phase, name,
                    "the input is not a tensor, or a sequence of tensors");
  tn_status status = read_tensor_type(p, name, tni_wire_find(type, TENSOR), port);
  if (port->kind != TNI_ONNX_IS_TENSOR) port->rank = -1;
  return status;
}

static tn_status read_ports(reader *p, scope *s, tni_view bytes, const region_fields *fields, bool outputs,
                            tni_onnx_port **ports, uint32_t *count) {
  tni_wire_item item;
  uint32_t field = outputs ? fields->output : fields->input;
  *ports = TNI_NEW_ARRAY(&p->flow->arena, tni_onnx_port, tni_wire_count(bytes, field));
  if (!*ports) return tni_fail_nomem(p->err);
  while (tni_wire_next(&bytes, &item)) {
    const char *name;
    if (item.number != field) continue;
    tni_onnx_port *port = &(*ports)[*count];
    *port = (tni_onnx_port){.kind = TNI_ONNX_IS_UNKNOWN, .rank = -1};
    tn_status status = tni_read_text(p, fields->bare ? item.view : tni_wire_find(item.view, 1), &name);
    uint32_t known = status == TN_OK ? tni_find_own(s, name) : TNI_NO_SLOT;
    /* IR 3 and 4 list weights as inputs too */
    if (known != TNI_NO_SLOT && !outputs && p->flow->slots[known].maker == TNI_BY_INITIALIZER) continue;
    if (status == TN_OK && is_main(s) && !outputs)
      status = read_type(p, name, tni_wire_find(item.view, 2), port);
    if (is_main(s) && outputs) port->kind = kind_of(tni_wire_find(item.view, 2));
    if (status == TN_OK && !outputs) status = tni_add_slot(p, s, name, TNI_BY_INPUT, &known);
    scope *owner = s;
    if (status == TN_OK && outputs && known == TNI_NO_SLOT) known = tni_find_slot(s, name, &owner);
    if (status == TN_OK && known == TNI_NO_SLOT)
      status = tni_fail(p->ctx, p->err, TN_E_INVALID, phase, name, "nothing defines this output");
    if (status != TN_OK) return status;
    port->slot = known;
    ++*count;
  }
  return TN_OK;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

static tn_status read_body(reader *p, scope *s, tni_onnx_node *n) {
  tni_view function = tni_find_function(p, n);
  const call c = {s->call, n, function};
  if (p->depth > p->ctx->limits.nesting)
    return tni_fail(p->ctx, p->err, TN_E_LIMIT, phase, n->name, "calls are nested deeper than the limit of %u",
                    p->ctx->limits.nesting);
  tn_status status = tni_read_region(p, function, &of_function, NULL, &c, n->name, &n->body);
  if (status == TN_OK && (n->input_count > n->body->input_count || n->output_count > n->body->output_count))
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, n->name, "the call has more inputs or outputs than its function");
  return status;
}

static tn_status read_bodies(reader *p, scope *s) {
  for (uint32_t i = 0; i < s->region->node_count; i++) {
    tni_onnx_node *n = &s->nodes[i];
    tn_status status = n->op ? TN_OK : read_body(p, s, n);
    for (uint32_t k = 0; status == TN_OK && k < n->attr_count; k++)
      if (n->attrs[k].type == TNI_ONNX_GRAPH && n->attrs[k].t.data)
        status = tni_read_region(p, n->attrs[k].t, &of_graph, s, s->call, n->name, &n->attrs[k].body);
    if (status != TN_OK) return status;
  }
  return TN_OK;
}

/* ---- what the names mean ----------------------------------------------------------------------------------------- */

/* Notes that the region uses a slot of a region around it. */
static tn_status capture(reader *p, scope *s, uint32_t slot) {
  if (p->flow->slots[slot].mark == s->region->number) return TN_OK;
  p->flow->slots[slot].mark = s->region->number;
  if (!tni_reserve(p->ctx, (void **)&s->captures, &s->capture_capacity, s->capture_count + 1, sizeof slot))
    return tni_fail_nomem(p->err);
  s->captures[s->capture_count++] = slot;
  return TN_OK;
}

static tn_status resolve_captures(reader *p, scope *s, tni_onnx_node *n) {
  uint32_t *list, count = 0;
  for (uint32_t k = 0; k < n->attr_count; k++)
    if (n->attrs[k].body) count += n->attrs[k].body->capture_count;
  n->captures = list = TNI_NEW_ARRAY(&p->flow->arena, uint32_t, count);
  if (!list) return tni_fail_nomem(p->err);
  for (uint32_t k = 0; k < n->attr_count; k++) {
    const tni_onnx_region *body = n->attrs[k].body;
    for (uint32_t i = 0; body && i < body->capture_count; i++) {
      list[n->capture_count++] = body->captures[i];
      tn_status status = p->flow->slots[body->captures[i]].region == s->region ? TN_OK : capture(p, s, body->captures[i]);
      if (status != TN_OK) return status;
    }
  }
  return TN_OK;
}

static tn_status resolve_node(reader *p, scope *s, uint32_t number) {
  tni_onnx_node *n = &s->nodes[number];
  for (uint32_t i = 0; i < n->input_count; i++) {
    const char *name = s->in_names[number][i];
    scope *owner = s;
    uint32_t slot = name ? tni_find_slot(s, name, &owner) : TNI_NO_SLOT;
    if (name && slot == TNI_NO_SLOT)
      return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, n->name, "nothing defines input `%s`", name);
    ((uint32_t *)n->in)[i] = slot;
    tn_status status = slot == TNI_NO_SLOT || owner == s ? TN_OK : capture(p, s, slot);
    if (status != TN_OK) return status;
  }
  return resolve_captures(p, s, n);
}

/* Outputs may be values of regions around. */
static tn_status resolve(reader *p, scope *s) {
  tn_status status = TN_OK;
  for (uint32_t i = 0; status == TN_OK && i < s->region->node_count; i++) status = resolve_node(p, s, i);
  for (uint32_t i = 0; status == TN_OK && i < s->region->output_count; i++)
    if (p->flow->slots[s->region->outputs[i].slot].region != s->region)
      status = capture(p, s, s->region->outputs[i].slot);
  if (status != TN_OK) return status;
  s->region->capture_count = (uint32_t)s->capture_count;
  s->region->captures = tni_arena_copy(&p->flow->arena, s->captures, s->capture_count * sizeof(uint32_t));
  return s->region->captures ? TN_OK : tni_fail_nomem(p->err);
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

enum { NOT_SEEN, WAITING, DONE };

typedef struct order {
  uint8_t *state;    /* by node */
  uint32_t *checked; /* needs before this one are done */
  uint32_t *stack;
  tni_onnx_node *nodes; /* so far */
  uint32_t count;
} order;

static uint32_t need_of(const tni_onnx_node *n, uint32_t i) {
  return i < n->input_count ? n->in[i] : n->captures[i - n->input_count];
}

/* The first node that node `i` needs and that is not done; -1: it is ready. */
static tn_status next_needed(reader *p, const scope *s, order *o, uint32_t i, int64_t *out) {
  const tni_onnx_node *n = &s->nodes[i];
  *out = -1;
  for (; o->checked[i] < n->input_count + n->capture_count; o->checked[i]++) {
    uint32_t slot = need_of(n, o->checked[i]);
    if (slot == TNI_NO_SLOT) continue;
    const tni_onnx_slot *x = &p->flow->slots[slot];
    if (x->region != s->region || x->maker < 0 || o->state[x->maker] == DONE) continue;
    if (o->state[x->maker] == WAITING)
      return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, n->name, "a cycle: input `%s` depends on this node", x->name);
    *out = x->maker;
    return TN_OK;
  }
  return TN_OK;
}

/* Depth first from each node in file order, with an explicit stack: sorted files keep their order. Constants drop out. */
static tn_status sort_nodes(reader *p, scope *s, order *o) {
  for (uint32_t i = 0; i < s->region->node_count; i++) {
    size_t depth = 0;
    if (o->state[i] == DONE) continue;
    o->stack[depth++] = i;
    while (depth > 0) {
      uint32_t at = o->stack[depth - 1];
      int64_t needed;
      o->state[at] = WAITING;
      tn_status status = next_needed(p, s, o, at, &needed);
      if (status != TN_OK) return status;
      if (needed >= 0) {
        o->stack[depth++] = (uint32_t)needed;
        continue;
      }
      o->state[at] = DONE;
      depth--;
      if (!constant_of(&s->nodes[at]).data) o->nodes[o->count++] = s->nodes[at];
    }
  }
  return TN_OK;
}

static void find_last_uses(reader *p, const tni_onnx_region *r) {
  for (uint32_t i = 0; i < r->node_count; i++)
    for (uint32_t k = 0; k < r->nodes[i].input_count + r->nodes[i].capture_count; k++) {
      uint32_t slot = need_of(&r->nodes[i], k);
      if (slot != TNI_NO_SLOT && p->flow->slots[slot].region == r) p->flow->slots[slot].last_use = i;
    }
  for (uint32_t i = 0; i < r->output_count; i++)
    if (p->flow->slots[r->outputs[i].slot].region == r) p->flow->slots[r->outputs[i].slot].last_use = TNI_NO_SLOT;
}

static tn_status order_nodes(reader *p, scope *s) {
  tni_arena scratch;
  tni_arena_init(&scratch, p->ctx);
  size_t n = s->region->node_count;
  order o = {TNI_NEW_ARRAY(&scratch, uint8_t, n), TNI_NEW_ARRAY(&scratch, uint32_t, n),
             TNI_NEW_ARRAY(&scratch, uint32_t, n), TNI_NEW_ARRAY(&p->flow->arena, tni_onnx_node, n), 0};
  tn_status status = scratch.failed || !o.nodes ? tni_fail_nomem(p->err) : sort_nodes(p, s, &o);
  s->region->nodes = o.nodes;
  s->region->node_count = o.count;
  tni_arena_destroy(&scratch);
  if (status == TN_OK) find_last_uses(p, s->region);
  return status;
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */

static tn_status read_scope(reader *p, scope *s, tni_view bytes, const region_fields *fields) {
  tni_onnx_region *r = s->region;
  tni_onnx_port *inputs = NULL, *outputs = NULL;
  tn_status status = read_nodes(p, s, bytes, fields);
  if (status == TN_OK) status = refuse_unsupported(p, s);
  if (status == TN_OK) status = check_opset(p, r->opset);
  if (status == TN_OK) status = read_initializers(p, s, bytes, fields);
  if (status == TN_OK) status = read_ports(p, s, bytes, fields, false, &inputs, &r->input_count);
  r->inputs = inputs;
  if (status == TN_OK) status = read_bodies(p, s);
  if (status == TN_OK) status = read_ports(p, s, bytes, fields, true, &outputs, &r->output_count);
  r->outputs = outputs;
  if (status == TN_OK && is_main(s) && r->output_count == 0)
    status = tni_fail(p->ctx, p->err, TN_E_INVALID, phase, "graph", "the model has no outputs");
  if (status == TN_OK) status = resolve(p, s);
  return status == TN_OK ? order_nodes(p, s) : status;
}

tn_status tni_read_region(reader *p, tni_view bytes, const region_fields *fields, scope *outer, const call *caller,
                          const char *name, const tni_onnx_region **out) {
  scope s = {.outer = outer, .region = TNI_NEW(&p->flow->arena, tni_onnx_region), .call = caller};
  *out = s.region;
  if (!s.region) return tni_fail_nomem(p->err);
  s.region->name = name;
  s.region->number = ++p->region_count;
  s.region->opset = outer ? outer->region->opset : fields->bare ? read_opset(bytes) : 0;
  if (!s.region->opset) s.region->opset = read_opset(p->model);
  p->depth++;
  tn_status status = read_scope(p, &s, bytes, fields);
  p->depth--;
  tni_names_destroy(p->ctx, &s.names);
  tni_free(p->ctx, s.captures, s.capture_capacity * sizeof *s.captures);
  return status;
}

static tn_status read_model(reader *p) {
  enum { GRAPH = 7, FUNCTIONS = 25 };
  p->flow->graph = tni_wire_find(p->model, GRAPH);
  if (!p->flow->graph.data)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, phase, "model", "there is no graph: is this an ONNX model?");
  if (tni_wire_count(p->model, FUNCTIONS) > MAX_FUNCTIONS)
    return tni_fail(p->ctx, p->err, TN_E_LIMIT, phase, "model", "more than %d functions", MAX_FUNCTIONS);
  return tni_read_region(p, p->flow->graph, &of_graph, NULL, NULL, "graph", &p->flow->main);
}

tn_status tni_onnx_read(tn_context *ctx, tni_blob *blob, const char *data_directory, tni_flow **out, tn_error **err) {
  reader p = {.ctx = ctx, .data_directory = data_directory, .model = {blob->data, blob->size}, .err = err};
  *out = NULL;
  p.flow = tni_alloc_zero(ctx, sizeof *p.flow);
  if (!p.flow) {
    tni_blob_unref(blob);
    return tni_fail_nomem(err);
  }
  p.flow->ctx = ctx;
  p.flow->refs = 1;
  tni_arena_init(&p.flow->arena, ctx);
  tn_status status = keep_blob(&p, blob);
  if (status == TN_OK) status = tni_wire_check(ctx, &tni_onnx_model, p.model, err);
  if (status == TN_OK) status = read_model(&p);
  if (status == TN_OK)
    *out = p.flow;
  else
    tni_flow_unref(p.flow);
  return status;
}

/* ---- flows --------------------------------------------------------------------------------------------------------- */

static tn_status align_constant(tni_flow *f, tni_gvalue *v, tn_error **err) {
  size_t bytes = tn_array_bytes(v->type, tni_gvalue_numel(v));
  tni_blob *blob = tni_blob_create(f->ctx, bytes);
  if (!blob || !tni_reserve(f->ctx, (void **)&f->blobs, &f->blob_capacity, f->blob_count + 1, sizeof *f->blobs)) {
    tni_blob_unref(blob);
    return tni_fail_nomem(err);
  }
  memcpy((void *)(uintptr_t)blob->data, v->data, bytes);
  f->blobs[f->blob_count++] = blob;
  v->data = blob->data;
  return TN_OK;
}

/* What is computed of the model's constants may take as much as three times of these. */
tn_status tni_flow_settle(tni_flow *f, tn_error **err) {
  tn_status status = TN_OK;
  for (size_t i = 0; i < f->slot_count && status == TN_OK; i++)
    if (tni_gvalue_is_loose(&f->slots[i].constant)) status = align_constant(f, &f->slots[i].constant, err);
  if (status == TN_OK && !(f->kept = tni_kept_create(f->ctx))) status = tni_fail_nomem(err);
  for (size_t i = 0; i < f->blob_count && status == TN_OK; i++) {
    tni_kept_allow(f->kept, 4 * (uint64_t)f->blobs[i]->size);
    if (!tni_kept_add(f->kept, &i, sizeof i, f->blobs[i])) status = tni_fail_nomem(err);
  }
  return status;
}

tni_flow *tni_flow_ref(tni_flow *flow) {
  if (flow) atomic_fetch_add(&flow->refs, 1);
  return flow;
}

void tni_flow_unref(tni_flow *flow) {
  if (!flow || atomic_fetch_sub(&flow->refs, 1) != 1) return;
  for (size_t i = 0; i < flow->blob_count; i++) tni_blob_unref(flow->blobs[i]);
  tni_free(flow->ctx, flow->blobs, flow->blob_capacity * sizeof *flow->blobs);
  tni_kept_destroy(flow->kept);
  tni_free(flow->ctx, flow->slots, flow->slot_capacity * sizeof *flow->slots);
  tni_arena_destroy(&flow->arena);
  tni_free(flow->ctx, flow, sizeof *flow);
}
