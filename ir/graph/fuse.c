/* fuse.c -- nodes into calls of tensor functions.
 *
 *     a = conv(x, w); b = add(a, bias); c = relu(b)   ->   c = fused_conv_add_relu(x, w, bias)
 *
 * Nodes are put into groups (groups.c), and a group is cut so that of each piece only the last value is used outside: one
 * function, one output.
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

enum { MAX_NAME = 60 };

typedef struct fuser {
  tn_context *ctx;
  const tn_graph *g;
  tni_gcopy copy;
  tn_error **err;
  tni_arena arena;
  tni_ggroups by;
  bool *kept; /* per node: it stays in the new graph, or will */
  uint32_t *scratch;
  tni_map made; /* functions so far, by keys of pieces and by texts without the name, which live in the arena */
  tni_map shaped; /* the first function of parameters of these shapes: a `first` */
} fuser;

/* The only function of its shapes needs no text. */
typedef struct first {
  const tn_func *func;
  bool by_text; /* it is in `made` by its text */
} first;

/* ---- one function ---------------------------------------------------------------------------------------------- */

static bool is_inside(const fuser *f, const tni_gpiece *p, uint32_t value) {
  uint32_t maker = f->by.maker[value];
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
    if (u->p->nodes[i] == f->by.maker[value]) return u->made[i];
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
    strides[d] = tn_index(b, f->by.places.of[value].strides[d]);
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
  status = tni_builder_finish_unverified(u.b, out, f->err);
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
static tni_map_entry *entry_of(fuser *f, tni_map *map, const tni_text *key) {
  size_t found = key->failed ? TNI_MAP_NONE : tni_map_find(map, key->data, key->length);
  if (found == TNI_MAP_NONE && !key->failed) {
    const char *kept = tni_arena_copy(&f->arena, key->data, key->length);
    found = kept ? tni_map_add(map, kept, key->length, NULL) : TNI_MAP_NONE;
  }
  return found == TNI_MAP_NONE ? NULL : &map->entries[found];
}

/* The first function of the shapes of the piece's parameters: `func`, if there is none before it. NULL: no memory. */
static first *first_of(fuser *f, const tni_gpiece *p, const tn_func *func) {
  tni_text key;
  tni_text_init(&key, f->ctx);
  tni_gpiece_shapes(&key, p);
  tni_map_entry *entry = entry_of(f, &f->shaped, &key);
  tni_text_destroy(&key);
  if (entry && !entry->value)
    entry->value = (size_t)(uintptr_t)tni_arena_copy(&f->arena, &(first){func, false}, sizeof(first));
  return entry ? (first *)(uintptr_t)entry->value : NULL;
}

/* The entry of the function's text, under a name that all share. */
static tni_map_entry *text_of(fuser *f, const tn_func *func) {
  tn_func nameless = *func;
  tni_text text;
  nameless.name = "f";
  tni_text_init(&text, f->ctx);
  tni_print_func(&text, &nameless, NULL);
  tni_map_entry *entry = entry_of(f, &f->made, &text);
  tni_text_destroy(&text);
  return entry;
}

/* The function, or that before it whose text is the same. */
static tn_status find_alike(fuser *f, const tni_gpiece *p, const tn_func *func, const tn_func **out) {
  first *before = first_of(f, p, func);
  if (!before) return tni_fail_nomem(f->err);
  if (before->func == func) return *out = func, TN_OK;
  if (!before->by_text) {
    tni_map_entry *entry = text_of(f, before->func);
    if (!entry) return tni_fail_nomem(f->err);
    entry->value = (size_t)(uintptr_t)before->func;
    before->by_text = true;
  }
  tni_map_entry *entry = text_of(f, func);
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
  tni_map_entry *entry = entry_of(f, &f->made, &key);
  size_t number = entry ? (size_t)(entry - f->made.entries) : 0;
  tni_text_destroy(&key);
  if (!entry) return tni_fail_nomem(f->err);
  *out = (const tn_func *)(uintptr_t)entry->value;
  if (*out) return TN_OK;
  unique_name(f, p, name);
  tn_status status = build_function(f, name, p, out);
  if (status == TN_OK) status = find_alike(f, p, *out, out);
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
  f->kept[nodes[count++] = f->by.maker[value]] = true;
  for (uint32_t i = 0; i < count; i++) {
    const tni_gnode *n = &f->g->nodes[nodes[i]];
    for (uint32_t k = 0; k < n->input_count; k++) {
      uint32_t maker = is_missing(f, n->inputs[k]) ? f->by.maker[n->inputs[k]] : TNI_NO_VALUE;
      if (maker == TNI_NO_VALUE || f->kept[maker]) continue;
      assert(f->by.places.still[maker]);
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
  if (is_missing(f, old) && f->by.maker[old] != TNI_NO_VALUE && f->by.places.still[f->by.maker[old]]) {
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

static tn_status emit_groups(fuser *f) {
  for (uint32_t i = 0; i < f->by.group_count; i++) {
    const tni_ggroup *p = &f->by.groups[i];
    for (uint32_t at = 0; at < p->count;) {
      const uint32_t *nodes = f->by.members + p->first + at;
      tni_gpiece part = {f->g, &f->by.places, nodes, tni_group_piece(&f->by, nodes, p->count - at), NULL, 0};
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

tn_status tni_graph_fuse(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  fuser f = {.ctx = to->ctx, .g = g, .err = err};
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = tni_gcopy_begin(&f.copy, g, to, err);
  if (status != TN_OK) return status;
  tni_arena_init(&f.arena, f.ctx);
  tni_map_init(&f.made, f.ctx);
  tni_map_init(&f.shaped, f.ctx);
  f.kept = TNI_NEW_ARRAY(&f.arena, bool, g->node_count);
  f.scratch = TNI_NEW_ARRAY(&f.arena, uint32_t, g->value_count);
  bool grouped = f.kept && f.scratch && tni_graph_group(g, &f.arena, &f.by);
  if (grouped) memset(f.kept, 0, g->node_count * sizeof *f.kept);
  status = grouped ? emit_groups(&f) : tni_fail_nomem(err);
  if (status == TN_OK) status = tni_gcopy_finish(&f.copy, out, err);
  tni_map_destroy(&f.shaped);
  tni_map_destroy(&f.made);
  tni_arena_destroy(&f.arena);
  tni_gcopy_end(&f.copy);
  return status;
}
