/* specialise.c -- nodes of a model into one graph, for shapes that are known.
 *
 * A name's first use makes it an input of the graph, or a constant. Where a converter must know contents (a shape, axes, the
 * condition of an If), they are taken from what is there, the input becomes a constant, and the segment is good for these
 * contents alone: its guards say so. Contents that the segment itself would compute end it before that node, and so
 * does a tensor whose shape depends on them (ops_select.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "import.h"

/* ---- segments ---------------------------------------------------------------------------------------------------- */

static bool grow(tn_context *ctx, void *items, size_t *capacity, size_t count, size_t size) {
  return tni_reserve(ctx, (void **)items, capacity, count + 1, size);
}

void tni_segment_destroy(tn_context *ctx, tni_segment *s) {
  for (size_t i = 0; i < s->guard_count; i++) tni_object_unref(s->guards[i].like);
  tni_free(ctx, s->inputs, s->input_capacity * sizeof *s->inputs);
  tni_free(ctx, s->guards, s->guard_capacity * sizeof *s->guards);
  tni_free(ctx, s->outputs, s->output_capacity * sizeof *s->outputs);
  tni_free(ctx, s->parts, s->part_capacity * sizeof *s->parts);
  *s = (tni_segment){.region = NULL};
}

/* The form of what is there, without contents. NULL: no memory. */
static tni_object *form_of(tn_context *ctx, const tni_object *o) {
  tni_object *form = tni_object_create(ctx, o->kind, o->count);
  if (!form) return NULL;
  form->type = o->type;
  form->rank = o->rank;
  memcpy(form->shape, o->shape, sizeof form->shape);
  for (uint32_t i = 0; i < o->count; i++)
    if (!(form->items[i] = form_of(ctx, o->items[i]))) return tni_object_unref(form), NULL;
  return form;
}

/* ---- what names are ---------------------------------------------------------------------------------------------- */

static tn_status builder_error(tni_onnx *m, tn_error **err) { return tni_gbuilder_check(m->g, err); }

static tn_status share_blobs(const tni_flow *flow, tn_program *program, tn_error **err) {
  tn_status status = TN_OK;
  for (size_t i = 0; status == TN_OK && i < flow->blob_count; i++)
    status = tni_program_keep_blob(program, tni_blob_ref(flow->blobs[i]), err);
  return status;
}

/* An initializer as a constant; small ones are not in a blob that the program shares. */
static tn_status bind_constant(tni_onnx *m, const tni_onnx_slot *slot, tni_onnx_binding *b, tn_error **err) {
  enum { SMALL = 256 };
  const tni_gvalue *v = &slot->constant;
  size_t bytes = tn_array_bytes(v->type, tni_gvalue_numel(v));
  const void *data = bytes <= SMALL ? tni_arena_copy(&m->program->region.arena, v->data, bytes) : v->data;
  if (!data) return tni_fail_nomem(err);
  bool own = slot->region == m->flow->main;
  b->value = tni_g_const(m->g, own ? slot->name : NULL, v->type, v->rank, v->shape, data);
  b->kind = TNI_BOUND_TENSOR;
  return builder_error(m, err);
}

/* One tensor of what is there as an input of the graph. */
static tn_status add_input(tni_onnx *m, uint32_t slot, int32_t item, const tni_object *o, tni_object *guard, uint32_t *out,
                           tn_error **err) {
  tni_segment *s = m->segment;
  if (!grow(m->ctx, &s->inputs, &s->input_capacity, s->input_count, sizeof *s->inputs)) return tni_fail_nomem(err);
  *out = tni_g_input(m->g, NULL, o->type, o->rank, o->shape);
  s->inputs[s->input_count++] = (tni_segment_input){.slot = slot, .item = item, .value = *out, .guard = guard};
  return builder_error(m, err);
}

/* What is there in the slot: a tensor, the tensors of a sequence, or nothing. The segment is guarded by its form. */
static tn_status bind_object(tni_onnx *m, uint32_t slot, const tni_object *o, tni_onnx_binding *b, tn_error **err) {
  tni_segment *s = m->segment;
  tni_object *like = form_of(m->ctx, o);
  if (!like || !grow(m->ctx, &s->guards, &s->guard_capacity, s->guard_count, sizeof *s->guards)) {
    tni_object_unref(like);
    return tni_fail_nomem(err);
  }
  s->guards[s->guard_count++] = (tni_segment_guard){slot, like};
  b->kind = o->kind == TNI_OBJECT_TENSOR ? TNI_BOUND_TENSOR
            : o->kind == TNI_OBJECT_SEQUENCE ? TNI_BOUND_SEQUENCE : TNI_BOUND_NONE;
  b->type = o->type;
  b->count = o->count;
  if (o->kind == TNI_OBJECT_TENSOR) return add_input(m, slot, -1, o, like, &b->value, err);
  uint32_t *items = TNI_NEW_ARRAY(&m->arena, uint32_t, o->count);
  tn_status status = items ? TN_OK : tni_fail_nomem(err);
  for (uint32_t i = 0; i < o->count && status == TN_OK; i++)
    status = add_input(m, slot, (int32_t)i, o->items[i], like->items[i], &items[i], err);
  b->items = items;
  return status;
}

tn_status tni_onnx_bind(tni_onnx *m, uint32_t slot, const tni_onnx_binding **out, tn_error **err) {
  tni_onnx_binding *b = &m->bound[slot];
  const tni_onnx_slot *s = &m->flow->slots[slot];
  *out = b;
  if (b->kind == TNI_BOUND_NARROWED) {
    m->blocked = true;
    return TN_E_UNSUPPORTED;
  }
  if (b->kind != TNI_UNBOUND) return TN_OK;
  if (s->maker == TNI_BY_INITIALIZER) return bind_constant(m, s, b, err);
  assert(m->there && m->there[slot]); /* nodes are in order: what is not converted is there */
  return bind_object(m, slot, m->there[slot], b, err);
}

tn_status tni_onnx_freeze(tni_onnx *m, tni_onnx_node *node, uint32_t i, tn_error **err) {
  tni_segment *s = m->segment;
  size_t k = 0;
  while (s && k < s->input_count && s->inputs[k].value != node->inputs[i]) k++;
  if (!s || k == s->input_count) {
    m->blocked = true;
    return TN_E_UNSUPPORTED;
  }
  const tni_segment_input *in = &s->inputs[k];
  const tni_object *o = m->there[in->slot];
  if (in->item >= 0) o = o->items[in->item];
  size_t bytes = tni_object_bytes(o);
  void *data = tni_arena_copy(&m->program->region.arena, o->data, bytes);
  if (data && !in->guard->data) { /* the guard keeps a copy: the program may go before it */
    in->guard->own = tni_alloc_aligned(m->ctx, bytes ? bytes : 1, 64);
    in->guard->bytes = bytes;
    in->guard->data = in->guard->own;
    if (in->guard->own && bytes) memcpy(in->guard->own, o->data, bytes);
  }
  if (!data || !in->guard->data) return tni_fail_nomem(err);
  node->inputs[i] = tni_g_const(m->g, NULL, o->type, o->rank, o->shape, data);
  if (in->item < 0) m->bound[in->slot].value = node->inputs[i];
  return builder_error(m, err);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static tn_status convert_call(tni_onnx *m, const tni_onnx_node *n, tn_error **err) {
  const tni_onnx_region *f = n->body;
  for (uint32_t i = 0; i < f->input_count; i++) {
    const tni_onnx_binding *b;
    bool given = i < n->input_count && n->in[i] != TNI_NO_SLOT;
    tn_status status = given ? tni_onnx_bind(m, n->in[i], &b, err) : TN_OK;
    if (status != TN_OK) return status;
    m->bound[f->inputs[i].slot] = given ? *b : (tni_onnx_binding){.kind = TNI_BOUND_NONE};
  }
  tn_status status = tni_onnx_convert_body(m, f, err);
  for (uint32_t i = 0; i < n->output_count && status == TN_OK; i++) {
    const tni_onnx_binding *b;
    status = tni_onnx_bind(m, f->outputs[i].slot, &b, err);
    if (status == TN_OK && n->out[i] != TNI_NO_SLOT) m->bound[n->out[i]] = *b;
  }
  return status;
}

static tn_status convert_node(tni_onnx *m, const tni_onnx_node *node, tn_error **err) {
  tni_onnx_node n = *node;
  if (!n.op) return convert_call(m, node, err);
  n.inputs = TNI_NEW_ARRAY(&m->arena, uint32_t, n.input_count);
  n.outputs = TNI_NEW_ARRAY(&m->arena, uint32_t, n.output_count);
  if (!n.inputs || !n.outputs) return tni_fail_nomem(err);
  for (uint32_t i = 0; i < n.input_count; i++) {
    const tni_onnx_binding *b;
    n.inputs[i] = TNI_NO_VALUE;
    if (n.in[i] == TNI_NO_SLOT) continue;
    tn_status status = tni_onnx_bind(m, n.in[i], &b, err);
    if (status != TN_OK) return status;
    if (b->kind == TNI_BOUND_TENSOR) n.inputs[i] = b->value;
  }
  for (uint32_t i = 0; i < n.output_count; i++) n.outputs[i] = TNI_NO_VALUE;
  tn_status status = tni_onnx_convert(m, &n, err);
  for (uint32_t i = 0; status == TN_OK && i < n.output_count; i++)
    if (n.out[i] != TNI_NO_SLOT && n.outputs[i] != TNI_NO_VALUE)
      m->bound[n.out[i]] = (tni_onnx_binding){.kind = TNI_BOUND_TENSOR, .value = n.outputs[i]};
  return status;
}

tn_status tni_onnx_convert_body(tni_onnx *m, const tni_onnx_region *body, tn_error **err) {
  bool inner = m->inner;
  int64_t opset = m->opset;
  tn_status status = TN_OK;
  m->inner = true;
  m->opset = body->opset;
  for (uint32_t i = 0; status == TN_OK && i < body->node_count; i++) status = convert_node(m, &body->nodes[i], err);
  m->inner = inner;
  m->opset = opset;
  return status;
}

/* ---- a conversion ------------------------------------------------------------------------------------------------ */

/* Little must not become much: some times what the model takes, and what none takes by itself. */
static uint64_t room_for(const tni_flow *flow) {
  enum { BYTES = 32 << 20, TIMES = 16 };
  uint64_t room = BYTES;
  for (size_t i = 0; i < flow->blob_count; i++) room += TIMES * (uint64_t)flow->blobs[i]->size;
  return room;
}

static tn_status begin(tni_onnx *m, const tni_flow *flow, const tni_onnx_region *region, tn_program *program,
                       tn_error **err) {
  *m = (tni_onnx){.ctx = flow->ctx, .flow = flow, .program = program, .opset = region->opset};
  m->inner = region != flow->main;
  m->room = room_for(flow);
  tni_arena_init(&m->arena, m->ctx);
  m->bound = tni_alloc_zero(m->ctx, (flow->slot_count + 1) * sizeof *m->bound);
  tn_status status = m->bound ? share_blobs(flow, program, err) : tni_fail_nomem(err);
  return status == TN_OK ? tni_gbuilder_create(program, "main", &m->g, err) : status;
}

static void end(tni_onnx *m) {
  tni_gbuilder_destroy(m->g);
  tni_free(m->ctx, m->bound, (m->flow->slot_count + 1) * sizeof *m->bound);
  tni_arena_destroy(&m->arena);
}

/* ---- the whole model --------------------------------------------------------------------------------------------- */

static tn_status bind_whole(tni_onnx *m, const tni_onnx_port *inputs, tn_error **err) {
  const tni_onnx_region *r = m->flow->main;
  const tni_onnx_binding *b;
  tn_status status = TN_OK;
  for (size_t i = 0; i < m->flow->slot_count && status == TN_OK; i++) /* in file order, but for what is spelled Constant */
    if (m->flow->slots[i].region == r && m->flow->slots[i].maker == TNI_BY_INITIALIZER && !m->flow->slots[i].made)
      status = tni_onnx_bind(m, (uint32_t)i, &b, err);
  for (uint32_t i = 0; i < r->input_count && status == TN_OK; i++) {
    uint32_t v = tni_g_input(m->g, m->flow->slots[inputs[i].slot].name, inputs[i].type, inputs[i].rank, inputs[i].shape);
    m->bound[inputs[i].slot] = (tni_onnx_binding){.kind = TNI_BOUND_TENSOR, .value = v};
    status = builder_error(m, err);
  }
  return status;
}

/* The outputs of the graph; *done is false when one is no tensor. */
static tn_status give_whole(tni_onnx *m, bool *done, tn_error **err) {
  const tni_onnx_region *r = m->flow->main;
  for (uint32_t i = 0; i < r->output_count; i++) {
    const tni_onnx_binding *b;
    tn_status status = tni_onnx_bind(m, r->outputs[i].slot, &b, err);
    if (status != TN_OK) return status;
    if (b->kind != TNI_BOUND_TENSOR) return TN_OK;
    tni_g_output(m->g, b->value);
  }
  tni_gbuilder *g = m->g;
  m->g = NULL;
  *done = true;
  return tni_gbuilder_finish(g, NULL, err);
}

tn_status tni_flow_import(const tni_flow *flow, const tni_onnx_port *inputs, tn_program *program, bool *done,
                          tn_error **err) {
  tni_onnx m;
  tn_status status = begin(&m, flow, flow->main, program, err);
  *done = false;
  if (status == TN_OK) status = bind_whole(&m, inputs, err);
  for (uint32_t i = 0; status == TN_OK && i < flow->main->node_count; i++)
    status = convert_node(&m, &flow->main->nodes[i], err);
  if (status == TN_OK) status = give_whole(&m, done, err);
  if (status != TN_OK && m.blocked && status != TN_E_NOMEM) {
    if (err) tn_error_destroy(*err);
    if (err) *err = NULL;
    status = TN_OK;
  }
  end(&m);
  return status;
}

/* ---- a segment --------------------------------------------------------------------------------------------------- */

static tn_status add_part(tni_onnx *m, uint32_t value, tn_error **err) {
  tni_segment *s = m->segment;
  if (!grow(m->ctx, &s->parts, &s->part_capacity, s->part_count, sizeof *s->parts)) return tni_fail_nomem(err);
  tni_segment_part *part = &s->parts[s->part_count++];
  for (uint32_t i = 0; i < s->input_count; i++)
    if (s->inputs[i].value == value) {
      *part = (tni_segment_part){true, i};
      return TN_OK;
    }
  *part = (tni_segment_part){false, s->graph_outputs++};
  tni_g_output(m->g, value);
  return builder_error(m, err);
}

static tn_status add_output(tni_onnx *m, uint32_t slot, tn_error **err) {
  tni_segment *s = m->segment;
  const tni_onnx_binding *b = &m->bound[slot];
  if (!grow(m->ctx, &s->outputs, &s->output_capacity, s->output_count, sizeof *s->outputs)) return tni_fail_nomem(err);
  s->outputs[s->output_count++] = (tni_segment_output){.slot = slot,
                                                       .kind = b->kind,
                                                       .type = b->type,
                                                       .axis = b->axis,
                                                       .first = (uint32_t)s->part_count,
                                                       .count = b->count};
  bool tensor = b->kind == TNI_BOUND_TENSOR || b->kind == TNI_BOUND_NARROWED;
  tn_status status = tensor ? add_part(m, b->value, err) : TN_OK;
  if (status == TN_OK && b->kind == TNI_BOUND_NARROWED) status = add_part(m, b->length, err);
  for (uint32_t i = 0; i < b->count && status == TN_OK; i++) status = add_part(m, b->items[i], err);
  return status;
}

/* What later nodes, or who asked for the region, want of these nodes. */
static tn_status add_outputs(tni_onnx *m, tn_error **err) {
  const tni_segment *s = m->segment;
  tn_status status = TN_OK;
  for (uint32_t i = s->first; i < s->end; i++) {
    const tni_onnx_node *n = &s->region->nodes[i];
    for (uint32_t k = 0; k < n->output_count && status == TN_OK; k++)
      if (n->out[k] != TNI_NO_SLOT && m->flow->slots[n->out[k]].last_use >= s->end)
        status = add_output(m, n->out[k], err);
  }
  return status;
}

/* Does the run do the node region by region, when it is none for a graph? */
static bool controls(const tni_onnx_node *n) { return !n->op || tni_onnx_op_controls(n->op); }

/* All that comes before the first node is there: what it lacks is of a body of its own, which is of one graph with
 * it. */
static tn_status fail_blocked(tni_onnx *m, tn_error **err) {
  const tni_onnx_node *n = &m->segment->region->nodes[m->segment->first];
  return tni_fail(m->ctx, err, TN_E_UNSUPPORTED, "import", n->name,
                  "%s: its body needs contents, or has a shape, that is known only when it is computed", n->op_type);
}

static tn_status convert_segment(tni_onnx *m, tn_error **err) {
  tni_segment *s = m->segment;
  tn_status status = TN_OK;
  for (; s->end < s->region->node_count; s->end++) {
    tn_error *error = NULL;
    m->blocked = false;
    status = convert_node(m, &s->region->nodes[s->end], &error);
    if (status != TN_OK && m->blocked && status != TN_E_NOMEM) {
      tn_error_destroy(error);
      return s->end > s->first || controls(&s->region->nodes[s->end]) ? add_outputs(m, err) : fail_blocked(m, err);
    }
    if (status != TN_OK) {
      if (err) *err = error;
      else tn_error_destroy(error);
      return status;
    }
  }
  return add_outputs(m, err);
}

tn_status tni_flow_specialise(const tni_flow *flow, const tni_onnx_region *region, uint32_t first,
                              tni_object *const *there, tni_segment *out, tn_program **program, tn_error **err) {
  tni_onnx m;
  *out = (tni_segment){.region = region, .first = first, .end = first};
  tn_status status = tn_program_create(flow->ctx, program, err);
  if (status != TN_OK) return status;
  (*program)->kept = flow->kept;
  status = begin(&m, flow, region, *program, err);
  m.there = there;
  m.segment = out;
  if (status == TN_OK) status = convert_segment(&m, err);
  bool computes = out->graph_outputs > 0;
  if (status == TN_OK && computes) {
    status = tni_gbuilder_finish(m.g, NULL, err);
    m.g = NULL;
  }
  end(&m);
  if (status != TN_OK || !computes) {
    tn_program_destroy(*program);
    *program = NULL;
  }
  if (status != TN_OK) tni_segment_destroy(flow->ctx, out);
  return status;
}
