/* build.c -- making a graph: values and nodes in any amount, shapes inferred as nodes are added.
 *
 * Names that the caller gives are unique; values without one are named when the graph is finished, so that no made-up
 * name can take one that comes later.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "ops.h"

/* Results of shape arithmetic are computed while the graph is built, up to this many elements. */
enum { EAGER_ELEMENTS = 1024, EAGER_WORK = 1 << 22, MAX_OUTPUTS = 4 };

static const char phase[] = "import";

struct tni_gbuilder {
  tn_program *program;
  tn_context *ctx;
  tni_arena *arena; /* the program's: lives as long as the graph */
  const char *name;
  tni_gvalue *values;
  size_t value_count, value_capacity;
  tni_gnode *nodes;
  size_t node_count, node_capacity;
  uint32_t *inputs, *outputs;
  size_t input_count, input_capacity, output_count, output_capacity;
  uint64_t eager_work; /* done so far */
  uint32_t *names; /* open addressing: value + 1, 0 is free */
  size_t names_size, names_used;
  tn_error *error; /* the first */
  tn_status status;
};

tn_status tni_gbuilder_create(tn_program *program, const char *name, tni_gbuilder **out, tn_error **err) {
  if (err) *err = NULL;
  tni_gbuilder *b = *out = tni_alloc_zero(program->ctx, sizeof *b);
  if (!b) return tni_fail_nomem(err);
  b->program = program;
  b->ctx = program->ctx;
  b->arena = &program->region.arena;
  b->name = tni_arena_text(b->arena, name);
  if (b->name) return TN_OK;
  tni_gbuilder_destroy(b);
  *out = NULL;
  return tni_fail_nomem(err);
}

void tni_gbuilder_destroy(tni_gbuilder *b) {
  if (!b) return;
  tn_context *ctx = b->ctx;
  tn_error_destroy(b->error);
  tni_free(ctx, b->values, b->value_capacity * sizeof *b->values);
  tni_free(ctx, b->nodes, b->node_capacity * sizeof *b->nodes);
  tni_free(ctx, b->inputs, b->input_capacity * sizeof *b->inputs);
  tni_free(ctx, b->outputs, b->output_capacity * sizeof *b->outputs);
  tni_free(ctx, b->names, b->names_size * sizeof *b->names);
  tni_free(ctx, b, sizeof *b);
}

static uint32_t out_of_memory(tni_gbuilder *b) {
  if (b->status == TN_OK) b->status = tni_fail_nomem(&b->error);
  return TNI_NO_VALUE;
}

static bool push_index(tni_gbuilder *b, uint32_t **items, size_t *count, size_t *capacity, uint32_t item) {
  void *p = *items;
  if (!tni_reserve(b->ctx, &p, capacity, *count + 1, sizeof item)) return out_of_memory(b), false;
  *items = p;
  (*items)[(*count)++] = item;
  return true;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static size_t hash_name(const char *name) {
  uint64_t h = 14695981039346656037u;
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 1099511628211u;
  return (size_t)(h ^ h >> 29);
}

/* The slot of that name: taken by it, or free. The table is never full. */
static size_t name_slot(const tni_gbuilder *b, const char *name) {
  size_t i = hash_name(name) & (b->names_size - 1);
  while (b->names[i] && strcmp(b->values[b->names[i] - 1].name, name) != 0) i = (i + 1) & (b->names_size - 1);
  return i;
}

static bool grow_names(tni_gbuilder *b) {
  if (b->names_size && b->names_used < b->names_size / 2) return true;
  size_t old_size = b->names_size, size = old_size ? 2 * old_size : 64;
  uint32_t *old = b->names, *table = tni_alloc_zero(b->ctx, size * sizeof *table);
  if (!table) return out_of_memory(b), false;
  b->names = table;
  b->names_size = size;
  for (size_t i = 0; i < old_size; i++)
    if (old[i]) table[name_slot(b, b->values[old[i] - 1].name)] = old[i];
  tni_free(b->ctx, old, old_size * sizeof *old);
  return true;
}

/* Enters the value's name; false when it is taken or there is no memory. */
static bool enter_name(tni_gbuilder *b, uint32_t value) {
  if (!grow_names(b)) return false;
  size_t slot = name_slot(b, b->values[value].name);
  if (b->names[slot]) {
    if (b->status == TN_OK)
      b->status = tni_fail(b->ctx, &b->error, TN_E_INVALID, phase, b->values[value].name, "two values have this name");
    return false;
  }
  b->names[slot] = value + 1;
  b->names_used++;
  return true;
}

uint32_t tni_g_find(const tni_gbuilder *b, const char *name) {
  uint32_t entry = b->names_size ? b->names[name_slot(b, name)] : 0;
  return entry ? entry - 1 : TNI_NO_VALUE;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static uint32_t add_value(tni_gbuilder *b, const char *name, const tni_gvalue *like) {
  void *p = b->values;
  if (b->status != TN_OK) return TNI_NO_VALUE;
  if (b->value_count >= TNI_NO_VALUE - 1 ||
      !tni_reserve(b->ctx, &p, &b->value_capacity, b->value_count + 1, sizeof *like))
    return out_of_memory(b);
  b->values = p;
  uint32_t v = (uint32_t)b->value_count;
  b->values[v] = *like;
  b->values[v].name = name ? tni_arena_text(b->arena, name) : NULL;
  if (name && !b->values[v].name) return out_of_memory(b);
  b->value_count++;
  return !name || enter_name(b, v) ? v : TNI_NO_VALUE;
}

static uint32_t add_shaped(tni_gbuilder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape,
                           const void *data) {
  tni_gvalue v = {.type = type, .rank = rank, .data = data};
  size_t bytes;
  if (b->status != TN_OK) return TNI_NO_VALUE;
  if (rank < 0 || rank > TN_MAX_RANK) {
    b->status = tni_fail(b->ctx, &b->error, TN_E_UNSUPPORTED, phase, name, "rank %d is over %d", rank, TN_MAX_RANK);
    return TNI_NO_VALUE;
  }
  if (rank) memcpy(v.shape, shape, sizeof(int64_t) * (size_t)rank);
  if (tni_gvalue_bytes(b->ctx, &v, &bytes)) return add_value(b, name, &v);
  b->status = tni_fail(b->ctx, &b->error, TN_E_LIMIT, phase, name, "the tensor is over tn_limits.tensor_bytes");
  return TNI_NO_VALUE;
}

uint32_t tni_g_input(tni_gbuilder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape) {
  uint32_t v = add_shaped(b, name, type, rank, shape, NULL);
  if (v == TNI_NO_VALUE) return v;
  return push_index(b, &b->inputs, &b->input_count, &b->input_capacity, v) ? v : TNI_NO_VALUE;
}

uint32_t tni_g_const(tni_gbuilder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape,
                     const void *data) {
  static const char nothing[16] __attribute__((aligned(16)));
  return add_shaped(b, name, type, rank, shape, data ? data : nothing);
}

uint32_t tni_g_value(tni_gbuilder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape) {
  return add_shaped(b, name, type, rank, shape, NULL);
}

const tni_gvalue *tni_g_get(const tni_gbuilder *b, uint32_t value) {
  return value < b->value_count ? &b->values[value] : NULL;
}

void tni_g_output(tni_gbuilder *b, uint32_t value) {
  if (b->status == TN_OK && value >= b->value_count)
    b->status = tni_fail(b->ctx, &b->error, TN_E_INVALID, phase, b->name, "an output is no value");
  if (b->status == TN_OK) push_index(b, &b->outputs, &b->output_count, &b->output_capacity, value);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* A deep copy of attributes into the arena; NULL without memory. */
static const tni_attr *copy_attrs(tni_arena *arena, uint32_t count, const tni_attr *attrs) {
  tni_attr *copy = TNI_NEW_ARRAY(arena, tni_attr, count);
  if (!copy) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    const tni_attr *a = &attrs[i];
    size_t n = a->count > 0 ? (size_t)a->count : 0;
    copy[i] = *a;
    copy[i].name = tni_arena_text(arena, a->name);
    copy[i].ints = a->kind == TNI_ATTR_INTS ? tni_arena_copy(arena, a->ints, n * sizeof(int64_t)) : NULL;
    copy[i].floats = a->kind == TNI_ATTR_FLOATS ? tni_arena_copy(arena, a->floats, n * sizeof(double)) : NULL;
    copy[i].string = a->kind == TNI_ATTR_STRING ? tni_arena_text(arena, a->string) : NULL;
    if (!copy[i].name || (a->kind == TNI_ATTR_INTS && !copy[i].ints) ||
        (a->kind == TNI_ATTR_FLOATS && !copy[i].floats) || (a->kind == TNI_ATTR_STRING && !copy[i].string))
      return NULL;
  }
  return copy;
}

/* What the operator's row asks of a node. */
static bool check_row(const tni_gbuilder *b, tni_infer *x) {
  static const char letters[] = "ifIFs";
  const tni_gnode *n = x->node;
  if (n->input_count < n->op->min_inputs || (n->op->max_inputs != 255 && n->input_count > n->op->max_inputs))
    return tni_refuse(x, "%u inputs", n->input_count);
  if (n->output_count < 1 || n->output_count > n->op->outputs) return tni_refuse(x, "%u outputs", n->output_count);
  for (uint32_t i = 0; i < n->input_count; i++) {
    if (n->inputs[i] == TNI_NO_VALUE && i < n->op->min_inputs) return tni_refuse(x, "input %u is absent", i);
    if (n->inputs[i] != TNI_NO_VALUE && n->inputs[i] >= b->value_count) return tni_refuse(x, "input %u is no value", i);
  }
  for (uint32_t i = 0; i < n->attr_count; i++) {
    char kind = tni_gop_attr_kind(n->op, n->attrs[i].name, strlen(n->attrs[i].name));
    if (!kind) return tni_refuse(x, "there is no attribute `%.64s`", n->attrs[i].name);
    if (letters[n->attrs[i].kind] != kind)
      return tni_refuse(x, "attribute `%.64s` is of the wrong kind", n->attrs[i].name);
  }
  return true;
}

static bool all_known(uint32_t count, const tni_gvalue *const *in) {
  for (uint32_t i = 0; i < count; i++)
    if (in[i] && !in[i]->data) return false;
  return true;
}

/* About how many elements are touched: of most operators each once, else all inputs for each output. */
static uint64_t work_of(const tni_gnode *node, const tni_gvalue *const *in, const tni_gvalue *out) {
  enum tni_gkind kind = node->op->kind;
  bool once = kind != TNI_GOP_REDUCTION &&
              (kind != TNI_GOP_OPAQUE || !strcmp(node->op->name, "concat") || !strcmp(node->op->name, "non_zero"));
  uint64_t read = 0, written = 0;
  for (uint32_t i = 0; i < node->input_count; i++) read += in[i] ? (uint64_t)tni_gvalue_numel(in[i]) : 0;
  for (uint32_t i = 0; i < node->output_count; i++) written += (uint64_t)tni_gvalue_numel(&out[i]);
  return once ? read + written : read * written;
}

/* Shape arithmetic: small integers or truth values of known ones, as long as all of it takes moments. What is not done
 * here, or fails, only means that the node stays. */
static tn_status compute_eagerly(tni_gbuilder *b, const tni_gnode *node, const tni_gvalue *const *in, tni_gvalue *out) {
  const tni_evaluator interpreter = {NULL, tni_evaluate_interpreted};
  void *data[MAX_OUTPUTS];
  size_t bytes[MAX_OUTPUTS];
  if (out->data || !all_known(node->input_count, in)) return TN_OK;
  for (uint32_t i = 0; i < node->output_count; i++) {
    bool whole = tni_type_is_int(out[i].type) || out[i].type == TN_BOOL;
    if (!whole || !tni_gvalue_bytes(b->ctx, &out[i], &bytes[i]) || tni_gvalue_numel(&out[i]) > EAGER_ELEMENTS)
      return TN_OK;
  }
  for (uint32_t i = 0; i < node->input_count; i++)
    if (in[i] && tni_gvalue_numel(in[i]) > EAGER_ELEMENTS) return TN_OK;
  uint64_t work = work_of(node, in, out);
  if (work > EAGER_WORK - b->eager_work) return TN_OK;
  b->eager_work += work;
  for (uint32_t i = 0; i < node->output_count; i++)
    if (!(data[i] = tni_arena_alloc(b->arena, bytes[i]))) return TN_E_NOMEM;
  tn_status status = tni_gnode_evaluate(b->ctx, node, in, out, &interpreter, data, NULL);
  if (status == TN_E_NOMEM) return status;
  for (uint32_t i = 0; status == TN_OK && i < node->output_count; i++) out[i].data = data[i];
  return TN_OK;
}

static tn_status infer(tni_gbuilder *b, const tni_gnode *node, const tni_gvalue **in, tni_gvalue *out, tn_error **err) {
  tni_infer x = {.ctx = b->ctx, .arena = b->arena, .node = node, .in = in, .out = out};
  size_t bytes;
  bool ok = check_row(b, &x);
  for (uint32_t i = 0; ok && i < node->input_count; i++)
    in[i] = node->inputs[i] == TNI_NO_VALUE ? NULL : &b->values[node->inputs[i]];
  if (!ok || !node->op->infer(&x))
    return tni_fail(b->ctx, err, TN_E_INVALID, phase, node->name, "%s: %s", node->op->name, x.reason);
  for (uint32_t i = 0; i < node->output_count; i++) {
    assert(out[i].rank >= 0 && out[i].rank <= TN_MAX_RANK);
    if (!tni_gvalue_bytes(b->ctx, &out[i], &bytes))
      return tni_fail(b->ctx, err, TN_E_LIMIT, phase, node->name, "%s: the result is over tn_limits.tensor_bytes",
                      node->op->name);
  }
  return TN_OK;
}

/* Keeps the node, unless the contents of all its outputs are known. */
static tn_status append_node(tni_gbuilder *b, const tni_gnode *node, const uint32_t *outputs) {
  bool known = true;
  void *p = b->nodes;
  for (uint32_t i = 0; i < node->output_count; i++) known &= b->values[outputs[i]].data != NULL;
  if (known && node->op) return TN_OK;
  if (b->node_count >= b->ctx->limits.nodes)
    return b->status = tni_fail(b->ctx, &b->error, TN_E_LIMIT, phase, node->name, "more nodes than the limit of %u",
                                b->ctx->limits.nodes);
  if (!tni_reserve(b->ctx, &p, &b->node_capacity, b->node_count + 1, sizeof *node)) return out_of_memory(b), TN_E_NOMEM;
  b->nodes = p;
  tni_gnode *copy = &b->nodes[b->node_count];
  *copy = *node;
  copy->inputs = tni_arena_copy(b->arena, node->inputs, node->input_count * sizeof(uint32_t));
  copy->outputs = tni_arena_copy(b->arena, outputs, node->output_count * sizeof(uint32_t));
  copy->attrs = copy_attrs(b->arena, node->attr_count, node->attrs);
  if (!copy->inputs || !copy->outputs || !copy->attrs) return out_of_memory(b), TN_E_NOMEM;
  b->node_count++;
  return TN_OK;
}

/* The sticky error, handed to a caller that asks for one. */
static tn_status give_error(tni_gbuilder *b, tn_error **err) {
  if (err && b->error) {
    *err = b->error;
    b->error = NULL;
    return b->status;
  }
  return tni_fail(b->ctx, err, b->status, phase, b->name, "the graph could not be built");
}

tn_status tni_gbuilder_check(tni_gbuilder *b, tn_error **err) {
  if (err) *err = NULL;
  return b->status == TN_OK ? TN_OK : give_error(b, err);
}

void tni_gbuilder_forgive(tni_gbuilder *b) {
  tn_error_destroy(b->error);
  b->error = NULL;
  b->status = TN_OK;
}

tn_status tni_g_node(tni_gbuilder *b, const tni_gop *op, const char *node_name, uint32_t input_count,
                     const uint32_t *inputs, uint32_t attr_count, const tni_attr *attrs, uint32_t output_count,
                     const char *const *output_names, uint32_t *out, tn_error **err) {
  if (err) *err = NULL;
  for (uint32_t i = 0; i < output_count; i++) out[i] = TNI_NO_VALUE;
  if (b->status != TN_OK) return give_error(b, err);
  tni_gnode node = {.op = op,
                    .input_count = input_count,
                    .inputs = inputs,
                    .output_count = output_count,
                    .attr_count = attr_count,
                    .attrs = attrs};
  tni_gvalue made[MAX_OUTPUTS] = {{0}};
  if (!node_name && output_names) node_name = output_names[0];
  node.name =
      node_name ? tni_arena_text(b->arena, node_name) : tni_arena_format(b->arena, "%s_%zu", op->name, b->node_count);
  const tni_gvalue **in = tni_alloc_zero(b->ctx, (input_count + 1) * sizeof *in);
  if (!node.name || !in) {
    tni_free(b->ctx, in, (input_count + 1) * sizeof *in);
    out_of_memory(b);
    return give_error(b, err);
  }
  tn_status status = infer(b, &node, in, made, err);
  if (status != TN_OK)
    b->status = status;
  else if (compute_eagerly(b, &node, in, made) != TN_OK)
    out_of_memory(b);
  tni_free(b->ctx, in, (input_count + 1) * sizeof *in);
  if (status != TN_OK) return status;
  for (uint32_t i = 0; b->status == TN_OK && i < output_count; i++)
    out[i] = add_value(b, output_names ? output_names[i] : NULL, &made[i]);
  if (b->status == TN_OK) append_node(b, &node, out);
  return b->status == TN_OK ? TN_OK : give_error(b, err);
}

uint32_t tni_g_call(tni_gbuilder *b, const tn_func *func, const char *node_name, uint32_t input_count,
                    const uint32_t *inputs, uint32_t output_count, const uint32_t *outputs) {
  if (b->status != TN_OK || !func) return TNI_NO_VALUE;
  tni_gnode node = {.call = func, .input_count = input_count, .inputs = inputs, .output_count = output_count};
  if (!node_name && output_count) node_name = b->values[outputs[0]].name;
  node.name = tni_arena_text(b->arena, node_name ? node_name : func->name);
  if (!node.name) return out_of_memory(b);
  if (append_node(b, &node, outputs) != TN_OK) return TNI_NO_VALUE;
  b->nodes[b->node_count - 1].origin = NULL;
  return output_count ? outputs[0] : TNI_NO_VALUE;
}

void tni_g_origin(tni_gbuilder *b, const char *operators, const char *nodes) {
  if (b->status != TN_OK || !b->node_count) return;
  tni_origin *origin = TNI_NEW(b->arena, tni_origin);
  b->nodes[b->node_count - 1].origin = origin;
  if (origin) origin->operators = tni_arena_text(b->arena, operators), origin->nodes = tni_arena_text(b->arena, nodes);
  if (!origin || !origin->operators || !origin->nodes) out_of_memory(b);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Values without a name are called v0, v1, ... as far as these are free. */
static bool name_the_rest(tni_gbuilder *b) {
  size_t n = 0;
  for (uint32_t i = 0; i < b->value_count; i++) {
    while (!b->values[i].name) {
      char *name = tni_arena_format(b->arena, "v%zu", n++);
      if (!name || !grow_names(b)) return false;
      if (b->names[name_slot(b, name)]) continue;
      b->values[i].name = name;
      if (!enter_name(b, i)) return false;
    }
  }
  return true;
}

static tn_graph *assemble(tni_gbuilder *b) {
  tn_graph *g = TNI_NEW(b->arena, tn_graph);
  if (!g || !name_the_rest(b)) return NULL;
  *g = (tn_graph){.name = b->name,
                  .program = b->program,
                  .value_count = (uint32_t)b->value_count,
                  .node_count = (uint32_t)b->node_count,
                  .input_count = (uint32_t)b->input_count,
                  .output_count = (uint32_t)b->output_count};
  g->values = tni_arena_copy(b->arena, b->values, b->value_count * sizeof *b->values);
  g->nodes = tni_arena_copy(b->arena, b->nodes, b->node_count * sizeof *b->nodes);
  g->inputs = tni_arena_copy(b->arena, b->inputs, b->input_count * sizeof *b->inputs);
  g->outputs = tni_arena_copy(b->arena, b->outputs, b->output_count * sizeof *b->outputs);
  return g->values && g->nodes && g->inputs && g->outputs ? g : NULL;
}

tn_status tni_program_add_graph(tn_program *program, const tn_graph *g, tn_error **err) {
  void *p = program->graphs;
  if (err) *err = NULL;
  for (size_t i = 0; i < program->graph_count; i++)
    if (strcmp(program->graphs[i]->name, g->name) == 0) {
      program->graphs[i] = g;
      return TN_OK;
    }
  if (!tni_reserve(program->ctx, &p, &program->graph_capacity, program->graph_count + 1, sizeof g))
    return tni_fail_nomem(err);
  program->graphs = p;
  program->graphs[program->graph_count++] = g;
  return TN_OK;
}

tn_status tni_gbuilder_assemble(tni_gbuilder *b, tn_graph **out, tn_error **err) {
  if (err) *err = NULL;
  *out = b->status == TN_OK ? assemble(b) : NULL;
  if (b->status == TN_OK && !*out) out_of_memory(b);
  return b->status == TN_OK ? TN_OK : give_error(b, err);
}

tn_status tni_gbuilder_finish(tni_gbuilder *b, const tn_graph **out, tn_error **err) {
  tn_graph *g;
  tn_status status = tni_gbuilder_assemble(b, &g, err);
  if (status == TN_OK) status = tni_program_add_graph(b->program, g, err);
  if (out) *out = status == TN_OK ? g : NULL;
  tni_gbuilder_destroy(b);
  return status;
}

/* ---- public questions -------------------------------------------------------------------------------------------- */

const tn_graph *tn_program_graph(const tn_program *program, const char *name) {
  for (size_t i = 0; i < program->graph_count; i++)
    if (strcmp(program->graphs[i]->name, name) == 0) return program->graphs[i];
  return NULL;
}

size_t tn_graph_input_count(const tn_graph *graph) { return graph->input_count; }
size_t tn_graph_output_count(const tn_graph *graph) { return graph->output_count; }

static void describe(const tn_graph *g, uint32_t value, tn_tensor_info *out) {
  const tni_gvalue *v = &g->values[value];
  *out = (tn_tensor_info){.name = v->name, .type = v->type, .rank = v->rank};
  memcpy(out->shape, v->shape, sizeof(int64_t) * (size_t)v->rank);
}

void tn_graph_input(const tn_graph *graph, size_t i, tn_tensor_info *out) { describe(graph, graph->inputs[i], out); }
void tn_graph_output(const tn_graph *graph, size_t i, tn_tensor_info *out) { describe(graph, graph->outputs[i], out); }
