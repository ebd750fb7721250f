/* fuse.c -- nodes into calls of tensor functions.
 *
 *     a = conv(x, w); b = add(a, bias); c = relu(b)   ->   c = fused_conv_add_relu(x, w, bias)
 *
 * Nodes are put into groups in order: a pointwise node joins the latest group among its producers, if its shape is that
 * of the group; every other node starts a group. Since a node only joins the latest, groups run in the order in which
 * they began. A group is then cut so that of each piece only the last value is used outside: one function, one output.
 *
 * Each piece becomes a function: the definitions of its nodes one after the other, values inside as buffers. Pieces
 * that are alike (alike.c), or whose functions print alike, share one. Nodes that are still (place.c), as views are, stay
 * nodes; a parameter has the strides of the place where the value lies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops.h"
#include "text.h"

enum { NO_GROUP = 0xffffffffu, MAX_GROUP = 48, MAX_NAME = 60 };

typedef struct group {
  uint32_t first, count; /* into fuser.members */
  uint32_t shape_of;     /* the value whose shape all members have */
  bool closed;
} group;

typedef struct fuser {
  tn_context *ctx;
  const tn_graph *g;
  tni_gcopy copy;
  tn_error **err;
  tni_arena arena;
  tni_gplaces places;
  bool *live;
  bool *kept;        /* per node: it stays in the new graph, or will */
  uint32_t *scratch;
  uint32_t *group_of; /* per node */
  uint32_t *maker;    /* per value: its node, or NO_GROUP */
  uint32_t *last_use; /* per value: the last node that reads it */
  bool *loose;        /* per node: see find_loose */
  group *groups;
  uint32_t group_count;
  uint32_t *members; /* nodes, group by group */
  tni_map made; /* functions so far, by keys of pieces and by texts without the name, which live in the arena */
} fuser;

/* ---- groups ---------------------------------------------------------------------------------------------------- */

static bool same_shape(const tn_graph *g, uint32_t a, uint32_t b) {
  const tni_gvalue *x = &g->values[a], *y = &g->values[b];
  return x->rank == y->rank && memcmp(x->shape, y->shape, sizeof(int64_t) * (size_t)x->rank) == 0;
}

/* The latest group among the makers of the node's inputs, seen through still nodes. *direct: the node reads values of that
 * group, and none of its values through a still node. */
static uint32_t latest_group(const fuser *f, const tni_gnode *n, bool *direct) {
  uint32_t latest = NO_GROUP;
  *direct = false;
  for (uint32_t i = 0; i < n->input_count; i++) {
    uint32_t maker = n->inputs[i] == TNI_NO_VALUE ? NO_GROUP : f->maker[n->inputs[i]];
    if (maker == NO_GROUP || f->group_of[maker] == NO_GROUP) continue;
    bool still = f->places.still[maker];
    uint32_t of = f->group_of[maker];
    if (latest == NO_GROUP || of > latest) {
      latest = of;
      *direct = !still;
    } else if (of == latest && still) {
      *direct = false;
    }
  }
  return latest;
}

/* A still node counts as in the latest group of what it shows, for the order; it is no member. */
static void place_still(fuser *f, uint32_t node) {
  bool direct;
  f->group_of[node] = latest_group(f, &f->g->nodes[node], &direct);
}

static void start_group(fuser *f, uint32_t node, bool closed) {
  f->groups[f->group_count] = (group){.count = 1, .shape_of = f->g->nodes[node].outputs[0], .closed = closed};
  f->group_of[node] = f->group_count++;
}

static void place_node(fuser *f, uint32_t i) {
  const tni_gnode *n = &f->g->nodes[i];
  if (f->places.still[i]) {
    place_still(f, i);
    return;
  }
  bool direct;
  uint32_t latest = n->op && n->op->kind == TNI_GOP_ELEMENTWISE ? latest_group(f, n, &direct) : NO_GROUP;
  if (latest != NO_GROUP && direct && !f->groups[latest].closed && f->groups[latest].count < MAX_GROUP &&
      same_shape(f->g, n->outputs[0], f->groups[latest].shape_of)) {
    f->group_of[i] = latest;
    f->groups[latest].count++;
    return;
  }
  start_group(f, i, !n->op || n->op->kind == TNI_GOP_OPAQUE || n->output_count != 1);
}

static bool is_member(const fuser *f, uint32_t node) { return f->live[node] && !f->places.still[node]; }

/* ---- nodes that go to their readers ---------------------------------------------------------------------------- */

static bool is_pointwise(const fuser *f, uint32_t node) {
  const tni_gnode *n = &f->g->nodes[node];
  return is_member(f, node) && n->op && n->op->kind == TNI_GOP_ELEMENTWISE && n->output_count == 1;
}

static bool reads(const tni_gnode *n, uint32_t value) {
  for (uint32_t k = 0; k < n->input_count; k++)
    if (n->inputs[k] == value) return true;
  return false;
}

static bool is_output(const fuser *f, uint32_t value) {
  for (uint32_t i = 0; i < f->g->output_count; i++)
    if (f->g->outputs[i] == value) return true;
  return false;
}

/* Is the value there when its group is done, for somebody else? */
static bool leaves_group(const fuser *f, uint32_t value) {
  uint32_t maker = f->maker[value];
  if (is_output(f, value)) return true;
  for (uint32_t i = maker + 1; i <= f->last_use[value] && i < f->g->node_count; i++)
    if (f->live[i] && reads(&f->g->nodes[i], value) && (!is_member(f, i) || f->group_of[i] != f->group_of[maker]))
      return true;
  return false;
}

/* The only node that reads the value; NO_GROUP: there are several, or the host does. */
static uint32_t only_reader(const fuser *f, uint32_t value) {
  uint32_t found = NO_GROUP;
  if (is_output(f, value)) return NO_GROUP;
  for (uint32_t i = f->maker[value] + 1; i <= f->last_use[value] && i < f->g->node_count; i++) {
    if (!f->live[i] || !reads(&f->g->nodes[i], value)) continue;
    if (found != NO_GROUP) return NO_GROUP;
    found = i;
  }
  return found;
}

/* Is it less to write x than y? */
static bool is_smaller(const fuser *f, uint32_t x, uint32_t y) {
  const tni_gvalue *a = &f->g->values[x], *b = &f->g->values[y];
  return tn_array_bytes(a->type, tni_gvalue_numel(a)) < tn_array_bytes(b->type, tni_gvalue_numel(b));
}

/* Pointwise, and of its group it reads only what leaves that in any case, or is loose, too, or is better written than what is
 * made of it: a byte that becomes a float. */
static void find_loose(fuser *f, uint32_t node) {
  const tni_gnode *n = &f->g->nodes[node];
  f->loose[node] = is_pointwise(f, node);
  for (uint32_t k = 0; k < n->input_count && f->loose[node]; k++) {
    uint32_t maker = n->inputs[k] == TNI_NO_VALUE ? NO_GROUP : f->maker[n->inputs[k]];
    if (maker == NO_GROUP || !is_member(f, maker) || f->group_of[maker] != f->group_of[node]) continue;
    f->loose[node] =
        f->loose[maker] || is_smaller(f, n->inputs[k], n->outputs[0]) || leaves_group(f, n->inputs[k]);
  }
}

/* Does the node multiply the rows that the value has by constant panels? Each row is made once then, before its products. */
static bool takes_rows(const fuser *f, uint32_t node, uint32_t value) {
  const tni_gnode *n = &f->g->nodes[node];
  if (!is_member(f, node) || !n->op || n->input_count < 2 || !tni_attr_int(n, "panel", 0)) return false;
  const tni_gvalue *x = &f->g->values[value], *w = &f->g->values[n->inputs[1]];
  for (uint32_t k = 1; k < n->input_count; k++)
    if (n->inputs[k] == value) return false;
  if (x->type != TN_F32 || w->type != TN_F32 || !w->data) return false;
  if (strcmp(n->op->name, "matmul") == 0) return true;
  return strcmp(n->op->name, "conv") == 0 && x->rank == 3 && tni_attr_int(n, "group", 1) == 1 && w->shape[2] == 1 &&
         f->g->values[n->outputs[0]].shape[1] == x->shape[1];
}

/* To the group of its only reader, if that is a later one: a pointwise one of its shape, or one that takes its rows. */
static void sink(fuser *f, uint32_t node) {
  uint32_t value = f->g->nodes[node].outputs[0], reader = only_reader(f, value);
  if (reader == NO_GROUP || f->group_of[reader] <= f->group_of[node]) return;
  group *to = &f->groups[f->group_of[reader]];
  bool suits = is_pointwise(f, reader) ? same_shape(f->g, value, f->g->nodes[reader].outputs[0]) : takes_rows(f, reader, value);
  if (to->closed || to->count == MAX_GROUP || !suits) return;
  f->groups[f->group_of[node]].count--;
  f->group_of[node] = f->group_of[reader];
  to->count++;
}

static void sink_loose_nodes(fuser *f) {
  for (uint32_t i = 0; i < f->g->node_count; i++) find_loose(f, i);
  for (uint32_t i = f->g->node_count; i-- > 0;)
    if (f->loose[i]) sink(f, i);
}

/* ---- pieces of groups ------------------------------------------------------------------------------------------ */

static void collect_members(fuser *f) {
  uint32_t at = 0;
  for (uint32_t i = 0; i < f->group_count; i++) {
    f->groups[i].first = at;
    at += f->groups[i].count;
    f->groups[i].count = 0;
  }
  for (uint32_t i = 0; i < f->g->node_count; i++)
    if (is_member(f, i)) {
      group *p = &f->groups[f->group_of[i]];
      f->members[p->first + p->count++] = i;
    }
}

/* ---- one function ---------------------------------------------------------------------------------------------- */

static bool is_inside(const fuser *f, const tni_gpiece *p, uint32_t value) {
  uint32_t maker = f->maker[value];
  for (uint32_t i = 0; i < p->count; i++)
    if (p->nodes[i] == maker) return true;
  return false;
}

/* The values that the piece reads from outside, in order, each once; immediates are not read. */
static uint32_t outside_values(const fuser *f, const tni_gpiece *p, uint32_t *out) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < p->count; i++) {
    const tni_gnode *n = &f->g->nodes[p->nodes[i]];
    for (uint32_t k = 0; k < n->input_count; k++) {
      uint32_t v = n->inputs[k];
      if (v == TNI_NO_VALUE || is_inside(f, p, v) || tni_is_immediate(n->op, &f->g->values[v])) continue;
      bool known = false;
      for (uint32_t m = 0; m < count && !known; m++) known = out[m] == v;
      if (!known) out[count++] = v;
    }
  }
  return count;
}

static uint32_t input_total(const fuser *f, const tni_gpiece *p) {
  uint32_t total = 0;
  for (uint32_t i = 0; i < p->count; i++) total += f->g->nodes[p->nodes[i]].input_count;
  return total;
}

/* Buffers of a function under construction: parameters for what is outside, then one per node of the piece. */
typedef struct building {
  tn_builder *b;
  const tni_gpiece *p;
  const tn_buffer **params, **made;
} building;

static const tn_buffer *buffer_of(const fuser *f, const building *u, uint32_t value) {
  for (uint32_t i = 0; i < u->p->outside_count; i++)
    if (u->p->outside[i] == value) return u->params[i];
  for (uint32_t i = 0; i < u->p->count; i++)
    if (u->p->nodes[i] == f->maker[value]) return u->made[i];
  return NULL;
}

static bool define_member(fuser *f, const building *u, uint32_t i) {
  const tni_gnode *n = &f->g->nodes[u->p->nodes[i]];
  const tn_buffer **in = TNI_NEW_ARRAY(&f->arena, const tn_buffer *, n->input_count);
  const tni_gvalue **in_value = TNI_NEW_ARRAY(&f->arena, const tni_gvalue *, n->input_count);
  const tni_gvalue *out_value = &f->g->values[n->outputs[0]];
  if (!in || !in_value) return false;
  for (uint32_t k = 0; k < n->input_count; k++) {
    uint32_t v = n->inputs[k];
    in_value[k] = v == TNI_NO_VALUE ? NULL : &f->g->values[v];
    in[k] = v == TNI_NO_VALUE || tni_is_immediate(n->op, in_value[k]) ? NULL : buffer_of(f, u, v);
  }
  tni_define d = {u->b, n, in_value, &out_value, in, &u->made[i]};
  return n->op->define(&d);
}

/* A parameter for the value, where it lies. */
static const tn_buffer *param_for(const fuser *f, tn_builder *b, const char *name, uint32_t value) {
  const tni_gvalue *v = &f->g->values[value];
  const tn_expr *shape[TN_MAX_RANK], *strides[TN_MAX_RANK];
  for (int32_t d = 0; d < v->rank; d++) {
    shape[d] = tn_index(b, v->shape[d]);
    strides[d] = tn_index(b, f->places.of[value].strides[d]);
  }
  if (tni_gvalue_numel(v) == 0) return tn_param(b, name, v->type, v->rank, v->shape);
  return tn_param_with(b, name, &(tn_buffer_desc){.struct_size = sizeof(tn_buffer_desc), .type = v->type, .rank = v->rank,
                                                  .shape = shape, .strides = strides});
}

/* The piece as a function of the new program. */
static tn_status build_function(fuser *f, const char *name, const tni_gpiece *p, const tn_func **out) {
  building u = {NULL, p, TNI_NEW_ARRAY(&f->arena, const tn_buffer *, p->outside_count),
                TNI_NEW_ARRAY(&f->arena, const tn_buffer *, p->count)};
  if (!u.params || !u.made) return tni_fail_nomem(f->err);
  tn_status status = tn_builder_create(f->copy.to, name, &u.b, f->err);
  if (status != TN_OK) return status;
  for (uint32_t i = 0; i < p->outside_count; i++)
    u.params[i] = param_for(f, u.b, f->g->values[p->outside[i]].data ? "w" : "x", p->outside[i]);
  for (uint32_t i = 0; i < p->count; i++) {
    const tni_gnode *n = &f->g->nodes[p->nodes[i]];
    const tni_gvalue *v = &f->g->values[n->outputs[0]];
    if (i + 1 == p->count)
      u.made[i] = param_for(f, u.b, "out", n->outputs[0]);
    else
      u.made[i] = tn_alloc(u.b, n->op->name, v->type, v->rank, v->shape);
  }
  bool defined = true;
  for (uint32_t i = 0; i < p->count && defined; i++) defined = define_member(f, &u, i);
  status = tn_builder_finish(u.b, out, f->err);
  return status != TN_OK || defined ? status : tni_fail_nomem(f->err); /* the shape rules took the nodes */
}

/* "fused_conv_add_relu": the operators in order, repeated ones once. */
static void name_piece(const fuser *f, const tni_gpiece *p, char name[MAX_NAME + 32]) {
  size_t length = (size_t)snprintf(name, MAX_NAME, "fused");
  const char *last = "";
  bool cut = false;
  for (uint32_t i = 0; i < p->count && !cut; i++) {
    const char *op = f->g->nodes[p->nodes[i]].op->name;
    if (strcmp(op, last) == 0) continue;
    cut = length + strlen(op) + 8 > MAX_NAME;
    length += (size_t)snprintf(name + length, MAX_NAME - length, "_%s", cut ? "etc" : op);
    last = op;
  }
}

/* ---- functions that are one ------------------------------------------------------------------------------------ */

/* The entry of a key, which is kept if it is new. NULL: no memory. */
static tni_map_entry *entry_of(fuser *f, const tni_text *key) {
  size_t found = key->failed ? TNI_MAP_NONE : tni_map_find(&f->made, key->data, key->length);
  if (found == TNI_MAP_NONE && !key->failed) {
    const char *kept = tni_arena_copy(&f->arena, key->data, key->length);
    found = kept ? tni_map_add(&f->made, kept, key->length, NULL) : TNI_MAP_NONE;
  }
  return found == TNI_MAP_NONE ? NULL : &f->made.entries[found];
}

/* The function, or that before it whose text is the same under a name that all share. */
static tn_status find_alike(fuser *f, const tn_func *func, const tn_func **out) {
  tn_func nameless = *func;
  tni_text text;
  nameless.name = "f";
  tni_text_init(&text, f->ctx);
  tni_print_func(&text, &nameless, NULL);
  tni_map_entry *entry = entry_of(f, &text);
  tni_text_destroy(&text);
  if (!entry) return tni_fail_nomem(f->err);
  if (entry->value)
    tni_program_drop_last(f->copy.to, func);
  else
    entry->value = (size_t)(uintptr_t)func;
  *out = (const tn_func *)(uintptr_t)entry->value;
  return TN_OK;
}

static void unique_name(fuser *f, const tni_gpiece *p, char name[MAX_NAME + 32]) {
  name_piece(f, p, name);
  size_t length = strlen(name);
  for (unsigned n = 2; tn_program_func(f->copy.to, name); n++) snprintf(name + length, 32, "_%u", n);
}

/* A function of the new program that does what the piece does. */
static tn_status function_of(fuser *f, const tni_gpiece *p, const tn_func **out) {
  char name[MAX_NAME + 32];
  tni_text key;
  tni_text_init(&key, f->ctx);
  tni_gpiece_key(&key, p);
  tni_map_entry *entry = entry_of(f, &key);
  size_t number = entry ? (size_t)(entry - f->made.entries) : 0;
  tni_text_destroy(&key);
  if (!entry) return tni_fail_nomem(f->err);
  *out = (const tn_func *)(uintptr_t)entry->value;
  if (*out) return TN_OK;
  unique_name(f, p, name);
  tn_status status = build_function(f, name, p, out);
  if (status == TN_OK) status = find_alike(f, *out, out);
  if (status == TN_OK) f->made.entries[number].value = (size_t)(uintptr_t)*out;
  return status;
}

/* ---- the new graph --------------------------------------------------------------------------------------------- */

static bool is_missing(const fuser *f, uint32_t value) {
  return f->copy.map[value] == TNI_NO_VALUE && !f->g->values[value].data;
}

static int in_order(const void *a, const void *b) {
  const uint32_t *x = a, *y = b;
  return *x < *y ? -1 : *x > *y;
}

/* The still node that makes the value, and those that it reads from: found from the last on, then made in order. */
static tn_status emit_still(fuser *f, uint32_t value) {
  uint32_t count = 0, *nodes = f->scratch;
  tn_status status = TN_OK;
  f->kept[nodes[count++] = f->maker[value]] = true;
  for (uint32_t i = 0; i < count; i++) {
    const tni_gnode *n = &f->g->nodes[nodes[i]];
    for (uint32_t k = 0; k < n->input_count; k++) {
      uint32_t maker = is_missing(f, n->inputs[k]) ? f->maker[n->inputs[k]] : NO_GROUP;
      if (maker == NO_GROUP || f->kept[maker]) continue;
      assert(f->places.still[maker]);
      f->kept[nodes[count++] = maker] = true;
    }
  }
  qsort(nodes, count, sizeof *nodes, in_order);
  for (uint32_t i = 0; i < count && status == TN_OK; i++)
    status = tni_gcopy_node(&f->copy, &f->g->nodes[nodes[i]], f->err);
  return status;
}

/* A value of the new graph for one of the old: a constant, one of a still node made now, or what was there. */
static tn_status need_value(fuser *f, uint32_t old, uint32_t *out) {
  if (is_missing(f, old) && f->maker[old] != NO_GROUP && f->places.still[f->maker[old]]) {
    tn_status status = emit_still(f, old);
    if (status != TN_OK) return status;
  }
  return tni_gcopy_value(&f->copy, old, out, f->err);
}

static tn_status emit_call(fuser *f, const tn_func *func, const tni_gnode *last, const uint32_t *outside,
                           uint32_t count) {
  uint32_t *inputs = TNI_NEW_ARRAY(&f->arena, uint32_t, count),
           *outputs = TNI_NEW_ARRAY(&f->arena, uint32_t, last->output_count);
  if (!inputs || !outputs) return tni_fail_nomem(f->err);
  for (uint32_t i = 0; i < count; i++) {
    assert(outside[i] != TNI_NO_VALUE);
    tn_status status = need_value(f, outside[i], &inputs[i]);
    if (status != TN_OK) return status;
  }
  for (uint32_t i = 0; i < last->output_count; i++) {
    const tni_gvalue *v = &f->g->values[last->outputs[i]];
    outputs[i] = f->copy.map[last->outputs[i]] = tni_g_value(f->copy.b, v->name, v->type, v->rank, v->shape);
  }
  tni_g_call(f->copy.b, func, last->name, count, inputs, last->output_count, outputs);
  return tni_gbuilder_check(f->copy.b, f->err);
}

/* Names of the piece's operators and nodes, for profiles. */
static tn_status tell_origin(fuser *f, const tni_gpiece *p) {
  tni_text operators, nodes;
  tni_text_init(&operators, f->ctx);
  tni_text_init(&nodes, f->ctx);
  for (uint32_t i = 0; i < p->count; i++) {
    const tni_gnode *n = &f->g->nodes[p->nodes[i]];
    tni_text_add(&operators, "%s%s", i ? " " : "", n->op->name);
    tni_text_add(&nodes, "%s%s", i ? ", " : "", n->name);
  }
  tn_status status = operators.failed || nodes.failed ? tni_fail_nomem(f->err) : TN_OK;
  if (!status) tni_g_origin(f->copy.b, operators.data, nodes.data);
  tni_text_destroy(&operators);
  tni_text_destroy(&nodes);
  return status ? status : tni_gbuilder_check(f->copy.b, f->err);
}

static tn_status emit_piece(fuser *f, tni_gpiece *p) {
  const tni_gnode *last = &f->g->nodes[p->nodes[p->count - 1]];
  const tn_func *func = last->call;
  if (!last->op) { /* a call stays as it is */
    if (f->copy.to != f->g->program && !(func = tni_func_clone(&f->copy.to->region, func, f->copy.to)))
      return tni_fail_nomem(f->err);
    tn_status status = f->copy.to != f->g->program ? tni_program_add(f->copy.to, func, f->err) : TN_OK;
    return status == TN_OK ? emit_call(f, func, last, last->inputs, last->input_count) : status;
  }
  assert(last->output_count == 1); /* as every row of the table says */
  uint32_t *outside = TNI_NEW_ARRAY(&f->arena, uint32_t, input_total(f, p));
  if (!outside) return tni_fail_nomem(f->err);
  p->outside = outside;
  p->outside_count = outside_values(f, p, outside);
  tn_status status = function_of(f, p, &func);
  if (status == TN_OK) status = emit_call(f, func, last, outside, p->outside_count);
  return status == TN_OK ? tell_origin(f, p) : status;
}

/* Is the value used by anybody but nodes[first .. end) of the group? */
static bool escapes(const fuser *f, uint32_t value, const uint32_t *nodes, uint32_t count) {
  if (is_output(f, value)) return true;
  for (uint32_t i = f->maker[value] + 1; i <= f->last_use[value] && i < f->g->node_count; i++) {
    const tni_gnode *n = &f->g->nodes[i];
    bool own = false;
    if (!f->live[i]) continue;
    for (uint32_t k = 0; k < count && !own; k++) own = nodes[k] == i;
    if (!own && reads(n, value)) return true;
  }
  return false;
}

/* The longest piece that starts at nodes[0] and of which only the last value escapes. */
static uint32_t piece_length(const fuser *f, const uint32_t *nodes, uint32_t count) {
  for (uint32_t n = count; n > 1; n--) {
    bool clean = true;
    for (uint32_t i = 0; i + 1 < n && clean; i++) clean = !escapes(f, f->g->nodes[nodes[i]].outputs[0], nodes, n);
    if (clean) return n;
  }
  return 1;
}

static tn_status emit_groups(fuser *f) {
  for (uint32_t i = 0; i < f->group_count; i++) {
    const group *p = &f->groups[i];
    for (uint32_t at = 0; at < p->count;) {
      const uint32_t *nodes = f->members + p->first + at;
      tni_gpiece part = {f->g, &f->places, nodes, piece_length(f, nodes, p->count - at), NULL, 0};
      tn_status status = emit_piece(f, &part);
      if (status != TN_OK) return status;
      at += part.count;
    }
  }
  for (uint32_t i = 0; i < f->g->output_count; i++) {
    uint32_t unused;
    tn_status status = need_value(f, f->g->outputs[i], &unused);
    if (status != TN_OK) return status;
  }
  return TN_OK;
}

/* ---- the pass -------------------------------------------------------------------------------------------------- */

static bool allocate(fuser *f) {
  const tn_graph *g = f->g;
  f->live = TNI_NEW_ARRAY(&f->arena, bool, g->node_count);
  f->kept = TNI_NEW_ARRAY(&f->arena, bool, g->node_count);
  f->scratch = TNI_NEW_ARRAY(&f->arena, uint32_t, g->value_count);
  f->group_of = TNI_NEW_ARRAY(&f->arena, uint32_t, g->node_count);
  f->maker = TNI_NEW_ARRAY(&f->arena, uint32_t, g->value_count);
  f->last_use = TNI_NEW_ARRAY(&f->arena, uint32_t, g->value_count);
  f->loose = TNI_NEW_ARRAY(&f->arena, bool, g->node_count);
  f->groups = TNI_NEW_ARRAY(&f->arena, group, g->node_count);
  f->members = TNI_NEW_ARRAY(&f->arena, uint32_t, g->node_count);
  return tni_graph_place(g, &f->arena, &f->places) && !f->arena.failed;
}

static void index_values(fuser *f) {
  const tn_graph *g = f->g;
  memset(f->maker, 0xff, g->value_count * sizeof *f->maker);
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    f->group_of[i] = NO_GROUP;
    f->kept[i] = false;
    for (uint32_t k = 0; k < n->output_count; k++)
      if (n->outputs[k] != TNI_NO_VALUE) f->maker[n->outputs[k]] = i;
    for (uint32_t k = 0; k < n->input_count; k++)
      if (n->inputs[k] != TNI_NO_VALUE) f->last_use[n->inputs[k]] = i;
  }
}

tn_status tni_graph_fuse(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  fuser f = {.ctx = to->ctx, .g = g, .err = err};
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = tni_gcopy_begin(&f.copy, g, to, err);
  if (status != TN_OK) return status;
  tni_arena_init(&f.arena, f.ctx);
  tni_map_init(&f.made, f.ctx);
  if (!allocate(&f)) status = tni_fail_nomem(err);
  if (status == TN_OK) {
    index_values(&f);
    tni_graph_live_nodes(g, f.scratch, f.live);
    for (uint32_t i = 0; i < g->node_count; i++)
      if (f.live[i]) place_node(&f, i);
    sink_loose_nodes(&f);
    collect_members(&f);
    status = emit_groups(&f);
  }
  if (status == TN_OK) status = tni_gcopy_finish(&f.copy, out, err);
  tni_map_destroy(&f.made);
  tni_arena_destroy(&f.arena);
  tni_gcopy_end(&f.copy);
  return status;
}
