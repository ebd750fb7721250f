/* flow.c -- running a flow: segment by segment, each specialised for the values that have come so far.
 *
 *     region: segment -> segment -> If, Loop, Scan, SequenceMap or a call (control.c): their regions -> segment ...
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "flow.h"

/* ---- values ------------------------------------------------------------------------------------------------------ */

void tni_flow_put(tni_flow_run *r, uint32_t slot, tni_object *o) {
  if (slot == TNI_NO_SLOT) {
    tni_object_unref(o);
    return;
  }
  tni_object_unref(r->there[slot]);
  r->there[slot] = o;
}

tni_object *tni_flow_get(tni_flow_run *r, uint32_t slot) {
  const tni_onnx_slot *s = &r->flow->slots[slot];
  if (!r->there[slot] && s->maker == TNI_BY_INITIALIZER)
    r->there[slot] = tni_object_view(r->ctx, s->constant.type, s->constant.rank, s->constant.shape, s->constant.data, NULL);
  return r->there[slot];
}

/* What nobody reads behind node `end` of the region goes. */
static void drop_dead(tni_flow_run *r, const tni_onnx_region *region, uint32_t first, uint32_t end) {
  for (uint32_t i = first; i < end; i++) {
    const tni_onnx_node *n = &region->nodes[i];
    for (uint32_t k = 0; k < n->input_count + n->capture_count; k++) {
      uint32_t slot = k < n->input_count ? n->in[k] : n->captures[k - n->input_count];
      if (slot == TNI_NO_SLOT || r->flow->slots[slot].region != region || r->flow->slots[slot].last_use >= end) continue;
      tni_flow_put(r, slot, NULL);
    }
  }
}

void tni_flow_clear(tni_flow_run *r, const tni_onnx_region *region) {
  for (uint32_t i = 0; i < region->input_count; i++) tni_flow_put(r, region->inputs[i].slot, NULL);
  for (uint32_t i = 0; i < region->node_count; i++)
    for (uint32_t k = 0; k < region->nodes[i].output_count; k++) tni_flow_put(r, region->nodes[i].out[k], NULL);
}

/* ---- segments ---------------------------------------------------------------------------------------------------- */

static tni_object *input_of(const tni_flow_run *r, const tni_segment *s, uint32_t i) {
  tni_object *o = r->there[s->inputs[i].slot];
  return s->inputs[i].item < 0 ? o : o->items[s->inputs[i].item];
}

/* Runs the segment's graph into new tensors. */
static tn_status compute(tni_flow_run *r, const tni_part *part, void **pointers, tni_object **made) {
  const tni_segment *s = &part->segment;
  const tn_graph *g = part->model->graph;
  uint32_t failed_step;
  for (uint32_t i = 0; i < s->input_count; i++) pointers[i] = (void *)input_of(r, s, i)->data;
  for (uint32_t i = 0; i < s->graph_outputs; i++) {
    const tni_gvalue *v = &g->values[g->outputs[i]];
    made[i] = tni_object_tensor(r->ctx, v->type, v->rank, v->shape);
    if (!made[i]) return tni_fail_nomem(r->err);
    pointers[s->input_count + i] = made[i]->own;
  }
  tn_status status = tni_steps_run(part->model, pointers, pointers + s->input_count, r->observer, &failed_step);
  if (!status) return TN_OK;
  const char *what = failed_step < part->model->step_count ? part->model->steps[failed_step].name : g->name;
  return tni_kernel_error(part->module, &part->module->failure, status, what, r->err);
}

static tni_object *part_of(const tni_flow_run *r, const tni_segment *s, uint32_t part, tni_object *const *made) {
  const tni_segment_part *p = &s->parts[part];
  return tni_object_ref(p->passed ? input_of(r, s, p->number) : made[p->number]);
}

/* A tensor as long as the number behind it says. */
static tni_object *narrowed(const tni_flow_run *r, const tni_segment *s, const tni_segment_output *out,
                            tni_object *const *made) {
  tni_object *whole = part_of(r, s, out->first, made), *length = part_of(r, s, out->first + 1, made);
  tni_object *o = tni_object_narrow(whole, out->axis, *(const int64_t *)length->data);
  tni_object_unref(whole);
  tni_object_unref(length);
  return o;
}

static tni_object *output_of(const tni_flow_run *r, const tni_segment *s, const tni_segment_output *out,
                             tni_object *const *made) {
  if (out->kind == TNI_BOUND_TENSOR) return part_of(r, s, out->first, made);
  if (out->kind == TNI_BOUND_NARROWED) return narrowed(r, s, out, made);
  bool sequence = out->kind == TNI_BOUND_SEQUENCE;
  tni_object *o = tni_object_create(r->ctx, sequence ? TNI_OBJECT_SEQUENCE : TNI_OBJECT_NONE, out->count);
  if (o) o->type = out->type;
  for (uint32_t i = 0; o && i < out->count; i++) o->items[i] = part_of(r, s, out->first + i, made);
  return o;
}

static tn_status run_segment(tni_flow_run *r, const tni_part *part) {
  const tni_segment *s = &part->segment;
  tni_arena arena; /* what is computed stays until everything is put: parts passed on are refs of what is there */
  tni_arena_init(&arena, r->ctx);
  void **pointers = TNI_NEW_ARRAY(&arena, void *, s->input_count + s->graph_outputs);
  tni_object **made = TNI_NEW_ARRAY(&arena, tni_object *, s->graph_outputs);
  tni_object **out = TNI_NEW_ARRAY(&arena, tni_object *, s->output_count);
  tn_status status = arena.failed ? tni_fail_nomem(r->err) : TN_OK;
  if (!status && part->model) status = compute(r, part, pointers, made);
  for (size_t i = 0; i < s->output_count && !status; i++)
    if (!(out[i] = output_of(r, s, &s->outputs[i], made))) status = tni_fail_nomem(r->err);
  for (size_t i = 0; out && i < s->output_count; i++) {
    if (status)
      tni_object_unref(out[i]);
    else
      tni_flow_put(r, s->outputs[i].slot, out[i]);
  }
  for (uint32_t i = 0; made && i < s->graph_outputs; i++) tni_object_unref(made[i]);
  tni_arena_destroy(&arena);
  return status;
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */

tn_status tni_flow_region(tni_flow_run *r, const tni_onnx_region *region) {
  for (uint32_t at = 0; at < region->node_count;) {
    const tni_part *part;
    tn_status status = tni_part_get(r->parts, region, at, r->there, &part, r->err);
    if (status) return status;
    uint32_t end = part->segment.end;
    status = end > at ? run_segment(r, part) : tni_flow_control(r, &region->nodes[end++]);
    tni_part_release(r->parts, part);
    if (status) return status;
    drop_dead(r, region, at, end);
    at = end;
  }
  for (uint32_t i = 0; i < region->output_count; i++)
    if (!tni_flow_get(r, region->outputs[i].slot)) return tni_fail_nomem(r->err);
  return TN_OK;
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

static int32_t kind_of(const tni_onnx_port *port) {
  return port->kind == TNI_ONNX_IS_TENSOR     ? TN_ITEM_TENSOR
         : port->kind == TNI_ONNX_IS_SEQUENCE ? TN_ITEM_SEQUENCE
                                              : TN_ITEM_OPTIONAL;
}

static void describe(const tni_flow *flow, const tni_onnx_port *port, tn_tensor_info *out) {
  *out = (tn_tensor_info){
      .name = flow->slots[port->slot].name, .type = port->type, .rank = port->rank, .kind = kind_of(port)};
  memcpy(out->shape, port->shape, sizeof out->shape);
}

size_t tni_flow_input_count(const tn_model *m) { return tni_parts_flow(m->parts)->main->input_count; }
size_t tni_flow_output_count(const tn_model *m) { return tni_parts_flow(m->parts)->main->output_count; }
void tni_flow_input(const tn_model *m, size_t i, tn_tensor_info *out) {
  describe(tni_parts_flow(m->parts), &m->flow_inputs[i], out);
}
void tni_flow_output(const tn_model *m, size_t i, tn_tensor_info *out) {
  describe(tni_parts_flow(m->parts), &tni_parts_flow(m->parts)->main->outputs[i], out);
}

/* ---- what comes in ----------------------------------------------------------------------------------------------- */

static tn_status refuse(tni_flow_run *r, const tni_onnx_port *port, tn_status status, const char *why) {
  return tni_fail(r->ctx, r->err, status, "call", r->flow->slots[port->slot].name, "%s", why);
}

/* The host's tensor, in its memory. */
static tn_status take_tensor(tni_flow_run *r, const tni_onnx_port *port, tn_type type, const DLTensor *t,
                             tni_object **out) {
  static const char nothing[64] __attribute__((aligned(64)));
  char what[160];
  if (!t) return refuse(r, port, TN_E_INVALID, "no tensor was given");
  snprintf(what, sizeof what, "input `%s`", r->flow->slots[port->slot].name);
  tn_status status = tni_tensor_check(r->ctx, t, what, type, port->rank, port->rank < 0 ? NULL : port->shape, r->err);
  if (status) return status;
  const void *data = tni_tensor_pointer(t);
  *out = tni_object_view(r->ctx, tn_type_from_dlpack(t->dtype), t->ndim, t->shape, data ? data : nothing, NULL);
  return *out ? TN_OK : tni_fail_nomem(r->err);
}

/* Its tensors are of the type that the host says, or the model, or else that of the first. */
static tn_status take_sequence(tni_flow_run *r, const tni_onnx_port *port, const tn_item *item, tni_object **out) {
  tn_type type = item->type ? item->type : port->type;
  const DLTensor *first = tni_item_tensor(item, 0);
  if (!type && first) type = tn_type_from_dlpack(first->dtype);
  if (!tni_is_element_type(type) || (port->type && type != port->type))
    return refuse(r, port, TN_E_INVALID, "the sequence is not of the type of elements that the model has");
  if (item->count > r->ctx->limits.nodes)
    return refuse(r, port, TN_E_LIMIT, "more tensors than a graph may have nodes");
  *out = tni_object_create(r->ctx, TNI_OBJECT_SEQUENCE, (uint32_t)item->count);
  if (!*out) return tni_fail_nomem(r->err);
  (*out)->type = type;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < item->count && !status; i++)
    status = take_tensor(r, port, type, tni_item_tensor(item, i), &(*out)->items[i]);
  return status;
}

static tn_status take_nothing(tni_flow_run *r, tni_object **out) {
  *out = tni_object_create(r->ctx, TNI_OBJECT_NONE, 0);
  return *out ? TN_OK : tni_fail_nomem(r->err);
}

static tn_status take_input(tni_flow_run *r, const tni_onnx_port *port, const tn_item *item) {
  tni_object *o = NULL;
  if (item->kind < TN_ITEM_TENSOR || item->kind > TN_ITEM_OPTIONAL)
    return refuse(r, port, TN_E_INVALID, "the item is of no kind that there is");
  if (kind_of(port) == TN_ITEM_TENSOR && item->kind != TN_ITEM_TENSOR)
    return refuse(r, port, TN_E_INVALID, "is not a tensor");
  if (kind_of(port) == TN_ITEM_SEQUENCE && item->kind != TN_ITEM_SEQUENCE)
    return refuse(r, port, TN_E_INVALID, "is not a sequence");
  tn_status status = item->kind == TN_ITEM_TENSOR ? take_tensor(r, port, port->type, tni_item_tensor(item, 0), &o)
                     : item->kind == TN_ITEM_SEQUENCE ? take_sequence(r, port, item, &o)
                                                      : take_nothing(r, &o);
  if (status)
    tni_object_unref(o);
  else
    tni_flow_put(r, port->slot, o);
  return status;
}

/* ---- what goes out ----------------------------------------------------------------------------------------------- */

static tn_status copy_out(tni_flow_run *r, const tni_object *o, tn_items *out, size_t i) {
  tn_tensor *tensor;
  tn_status status = tn_tensor_create(r->ctx, o->type, o->rank, o->shape, &tensor, r->err);
  size_t bytes = tni_object_bytes(o);
  if (status) return status;
  if (bytes) memcpy(tn_tensor_data(tensor), o->data, bytes);
  tni_items_add(out, i, tensor);
  return TN_OK;
}

static tn_status give_output(tni_flow_run *r, uint32_t slot, tn_items *out, size_t i) {
  const tni_object *o = tni_flow_get(r, slot);
  if (o->kind == TNI_OBJECT_NONE) return TN_OK;
  bool tensor = o->kind == TNI_OBJECT_TENSOR;
  tn_status status = tensor ? tni_items_set(out, i, TN_ITEM_TENSOR, 0, 1, r->err)
                            : tni_items_set(out, i, TN_ITEM_SEQUENCE, o->type, o->count, r->err);
  if (tensor && !status) return copy_out(r, o, out, i);
  for (uint32_t k = 0; k < o->count && !status; k++) status = copy_out(r, o->items[k], out, i);
  return status;
}

tn_status tni_flow_call(const tn_model *m, const tn_item *inputs, const tn_observer *observer, tn_items **out,
                        tn_error **err) {
  const tni_flow *flow = tni_parts_flow(m->parts);
  tni_flow_run r = {.ctx = m->module->ctx, .flow = flow, .parts = m->parts, .err = err, .observer = observer};
  r.there = tni_alloc_zero(r.ctx, (flow->slot_count + 1) * sizeof *r.there);
  *out = NULL;
  tn_status status = r.there ? TN_OK : tni_fail_nomem(err);
  for (uint32_t i = 0; i < flow->main->input_count && !status; i++)
    status = take_input(&r, &m->flow_inputs[i], &inputs[i]);
  if (!status) status = tni_flow_region(&r, flow->main);
  if (!status) status = tni_items_create(r.ctx, flow->main->output_count, out, err);
  for (uint32_t i = 0; i < flow->main->output_count && !status; i++)
    status = give_output(&r, flow->main->outputs[i].slot, *out, i);
  for (size_t i = 0; r.there && i < flow->slot_count; i++) tni_object_unref(r.there[i]);
  tni_free(r.ctx, r.there, (flow->slot_count + 1) * sizeof *r.there);
  if (!status) return TN_OK;
  tn_items_destroy(*out);
  *out = NULL;
  return status;
}
