/* control.c -- nodes of a flow that run others: If, Loop, Scan, SequenceMap, and calls that are not one graph.
 *
 * What a loop carries moves from its body's outputs to its inputs by reference: nothing is copied. What iterations give one
 * by one is stacked at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "flow.h"

static tn_status refuse(tni_flow_run *r, const tni_onnx_node *n, tn_status status, const char *why) {
  return tni_fail(r->ctx, r->err, status, "call", n->name, "%s: %s", n->op_type, why);
}

/* ---- the node's parts -------------------------------------------------------------------------------------------- */

static const tni_onnx_attr *attr_of(const tni_onnx_node *n, const char *name) {
  for (uint32_t i = 0; i < n->attr_count; i++)
    if (strcmp(n->attrs[i].name, name) == 0) return &n->attrs[i];
  return NULL;
}
static const tni_onnx_region *body_of(const tni_onnx_node *n, const char *name) {
  const tni_onnx_attr *a = attr_of(n, name);
  return a ? a->body : NULL;
}
static int64_t int_of(const tni_onnx_node *n, const char *list, uint32_t i, int64_t otherwise) {
  const tni_onnx_attr *a = attr_of(n, list);
  return a && i < (uint32_t)a->int_count ? a->ints[i] : otherwise;
}

/* Input i, or NULL: absent, or no memory. */
static tni_object *input_of(tni_flow_run *r, const tni_onnx_node *n, uint32_t i) {
  return i < n->input_count && n->in[i] != TNI_NO_SLOT ? tni_flow_get(r, n->in[i]) : NULL;
}

/* The number in a tensor of one element; `otherwise` where the input is absent. */
static tn_status number_of(tni_flow_run *r, const tni_onnx_node *n, uint32_t i, int64_t otherwise, int64_t *out) {
  const tni_object *o = input_of(r, n, i);
  *out = otherwise;
  if (!o) return TN_OK;
  bool whole = o->kind == TNI_OBJECT_TENSOR && (o->type == TN_I64 || o->type == TN_I32 || o->type == TN_BOOL);
  if (!whole || tni_object_numel(o) != 1) return refuse(r, n, TN_E_INVALID, "an input that controls it is not one number");
  *out = tni_read_element(o->type, o->data, 0).i;
  return TN_OK;
}

static tn_status give(tni_flow_run *r, const tni_onnx_node *n, uint32_t i, tni_object *o) {
  if (!o) return tni_fail_nomem(r->err);
  tni_flow_put(r, i < n->output_count ? n->out[i] : TNI_NO_SLOT, o);
  return TN_OK;
}

/* ---- If, calls --------------------------------------------------------------------------------------------------- */

static tn_status give_outputs(tni_flow_run *r, const tni_onnx_node *n, const tni_onnx_region *body) {
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < n->output_count && i < body->output_count && !status; i++)
    status = give(r, n, i, tni_object_ref(tni_flow_get(r, body->outputs[i].slot)));
  tni_flow_clear(r, body);
  return status;
}

static tn_status run_if(tni_flow_run *r, const tni_onnx_node *n) {
  int64_t holds;
  tn_status status = number_of(r, n, 0, 0, &holds);
  if (status) return status;
  const tni_onnx_region *body = body_of(n, holds ? "then_branch" : "else_branch");
  if (!body || body->output_count < n->output_count) return refuse(r, n, TN_E_INVALID, "a branch does not fit");
  status = tni_flow_region(r, body);
  return status ? status : give_outputs(r, n, body);
}

static tn_status run_call(tni_flow_run *r, const tni_onnx_node *n) {
  for (uint32_t i = 0; i < n->body->input_count; i++) {
    tni_object *o = input_of(r, n, i);
    o = o ? tni_object_ref(o) : tni_object_create(r->ctx, TNI_OBJECT_NONE, 0);
    if (!o) return tni_fail_nomem(r->err);
    tni_flow_put(r, n->body->inputs[i].slot, o);
  }
  tn_status status = tni_flow_region(r, n->body);
  return status ? status : give_outputs(r, n, n->body);
}

/* ---- parts of tensors -------------------------------------------------------------------------------------------- */

/* The tensor as [outer, extent of the axis, inner bytes]. */
typedef struct rows {
  size_t outer, extent, inner;
} rows;

static rows rows_of(const tni_object *o, int32_t axis) {
  rows x = {1, (size_t)o->shape[axis], tn_type_bytes(o->type)};
  for (int32_t i = 0; i < axis; i++) x.outer *= (size_t)o->shape[i];
  for (int32_t i = axis + 1; i < o->rank; i++) x.inner *= (size_t)o->shape[i];
  return x;
}

/* Element `at` along the axis, as a tensor of one rank less. */
static tni_object *slice_of(tni_flow_run *r, tni_object *o, int32_t axis, size_t at) {
  int64_t shape[TN_MAX_RANK];
  int32_t rank = 0;
  rows x = rows_of(o, axis);
  for (int32_t i = 0; i < o->rank; i++)
    if (i != axis) shape[rank++] = o->shape[i];
  if (x.outer == 1) return tni_object_view(r->ctx, o->type, rank, shape, (const char *)o->data + at * x.inner, o);
  tni_object *part = tni_object_tensor(r->ctx, o->type, rank, shape);
  for (size_t i = 0; part && i < x.outer; i++)
    memcpy((char *)part->own + i * x.inner, (const char *)o->data + (i * x.extent + at) * x.inner, x.inner);
  return part;
}

/* Tensors of one form along a new axis of that length; zeros behind the last. NULL: no memory, or over the limit. */
static tni_object *stack(tni_flow_run *r, size_t count, tni_object *const *items, size_t length, int32_t axis,
                         bool backward) {
  int64_t shape[TN_MAX_RANK];
  int32_t rank = 0;
  const tni_object *first = items[0];
  size_t bytes;
  for (int32_t i = 0; i <= first->rank; i++) shape[i] = i == axis ? (int64_t)length : first->shape[rank++];
  if (!tni_mul_size(tni_object_bytes(first), length, &bytes) || bytes > r->ctx->limits.tensor_bytes) return NULL;
  tni_object *whole = tni_object_tensor(r->ctx, first->type, first->rank + 1, shape);
  if (!whole) return NULL;
  rows x = rows_of(whole, axis);
  if (count < length) memset(whole->own, 0, bytes);
  for (size_t k = 0; k < count; k++)
    for (size_t i = 0; i < x.outer; i++)
      memcpy((char *)whole->own + (i * x.extent + k) * x.inner,
             (const char *)items[backward ? count - 1 - k : k]->data + i * x.inner, x.inner);
  return whole;
}

/* ---- what iterations give ---------------------------------------------------------------------------------------- */

/* The values of one output, iteration by iteration. */
typedef struct series {
  tni_object **items;
  size_t count, capacity;
} series;

static tn_status append(tni_flow_run *r, const tni_onnx_node *n, series *s, tni_object *o) {
  if (o->kind != TNI_OBJECT_TENSOR || o->rank == TN_MAX_RANK || tni_type_is_packed(o->type))
    return refuse(r, n, TN_E_UNSUPPORTED, "what an iteration gives cannot be stacked");
  if (s->count && (o->type != s->items[0]->type || o->rank != s->items[0]->rank ||
                   memcmp(o->shape, s->items[0]->shape, sizeof(int64_t) * (size_t)o->rank) != 0))
    return refuse(r, n, TN_E_INVALID, "iterations give tensors of different shapes");
  if (!tni_reserve(r->ctx, (void **)&s->items, &s->capacity, s->count + 1, sizeof *s->items))
    return tni_fail_nomem(r->err);
  s->items[s->count++] = tni_object_ref(o);
  return TN_OK;
}

static tn_status give_series(tni_flow_run *r, const tni_onnx_node *n, uint32_t out, const series *s, int64_t axis,
                             bool backward) {
  if (out >= n->output_count || n->out[out] == TNI_NO_SLOT) return TN_OK;
  if (s->count == 0) return refuse(r, n, TN_E_UNSUPPORTED, "no iteration ran that would tell the form of an output");
  int32_t rank = s->items[0]->rank + 1;
  if (axis < -rank || axis >= rank) return refuse(r, n, TN_E_INVALID, "an axis is out of range");
  return give(r, n, out, stack(r, s->count, s->items, s->count, (int32_t)(axis < 0 ? axis + rank : axis), backward));
}

static void destroy_series(tni_flow_run *r, series *s, uint32_t count) {
  for (uint32_t i = 0; s && i < count; i++) {
    for (size_t k = 0; k < s[i].count; k++) tni_object_unref(s[i].items[k]);
    tni_free(r->ctx, s[i].items, s[i].capacity * sizeof *s[i].items);
  }
  tni_free(r->ctx, s, (count + 1) * sizeof *s);
}

/* ---- Loop and Scan ----------------------------------------------------------------------------------------------- */

/* A loop as it runs: body inputs are `before` of its own, `carried`, and `sliced`; outputs `told`, carried, series. */
typedef struct looping {
  const tni_onnx_node *n;
  const tni_onnx_region *body;
  uint32_t before, carried, sliced, told, series_count;
  tni_object **state; /* carried */
  series *series;
} looping;

static tn_status make_room(tni_flow_run *r, looping *l) {
  l->series_count = l->body->output_count - l->told - l->carried;
  l->state = tni_alloc_zero(r->ctx, (l->carried + 1) * sizeof *l->state);
  l->series = tni_alloc_zero(r->ctx, (l->series_count + 1) * sizeof *l->series);
  return l->state && l->series ? TN_OK : tni_fail_nomem(r->err);
}

static void free_loop(tni_flow_run *r, looping *l) {
  for (uint32_t i = 0; l->state && i < l->carried; i++) tni_object_unref(l->state[i]);
  tni_free(r->ctx, l->state, (l->carried + 1) * sizeof *l->state);
  destroy_series(r, l->series, l->series_count);
}

/* `first`: the node's input that is carried first. */
static tn_status begin_loop(tni_flow_run *r, looping *l, uint32_t first) {
  tn_status status = make_room(r, l);
  for (uint32_t i = 0; i < l->carried && !status; i++) {
    l->state[i] = tni_object_ref(input_of(r, l->n, first + i));
    if (!l->state[i]) status = refuse(r, l->n, TN_E_INVALID, "a value that it carries is absent");
  }
  return status;
}

/* Runs the body, whose own and sliced inputs are there, and takes what it carries. */
static tn_status iterate(tni_flow_run *r, looping *l) {
  for (uint32_t i = 0; i < l->carried; i++) {
    tni_flow_put(r, l->body->inputs[l->before + i].slot, l->state[i]);
    l->state[i] = NULL;
  }
  tn_status status = tni_flow_region(r, l->body);
  const tni_onnx_port *out = l->body->outputs + l->told;
  for (uint32_t i = 0; i < l->carried && !status; i++) l->state[i] = tni_object_ref(tni_flow_get(r, out[i].slot));
  for (uint32_t i = 0; i < l->series_count && !status; i++)
    status = append(r, l->n, &l->series[i], tni_flow_get(r, out[l->carried + i].slot));
  return status;
}

static tn_status end_loop(tni_flow_run *r, looping *l, tn_status status, const char *axes, const char *directions) {
  for (uint32_t i = 0; i < l->carried && !status; i++) status = give(r, l->n, i, tni_object_ref(l->state[i]));
  for (uint32_t i = 0; i < l->series_count && !status; i++)
    status = give_series(r, l->n, l->carried + i, &l->series[i], axes ? int_of(l->n, axes, i, 0) : 0,
                         directions && int_of(l->n, directions, i, 0));
  free_loop(r, l);
  return status;
}

static tn_status put_number(tni_flow_run *r, uint32_t slot, tn_type type, int64_t value) {
  tni_object *o = tni_object_tensor(r->ctx, type, 0, NULL);
  if (!o) return tni_fail_nomem(r->err);
  tni_write_element(type, o->own, 0, (tni_scalar){.i = value});
  tni_flow_put(r, slot, o);
  return TN_OK;
}

static tn_status told_to_go_on(tni_flow_run *r, const looping *l, int64_t *go_on) {
  const tni_object *o = tni_flow_get(r, l->body->outputs[0].slot);
  if (o->kind != TNI_OBJECT_TENSOR || o->type != TN_BOOL || tni_object_numel(o) != 1)
    return refuse(r, l->n, TN_E_INVALID, "the body's condition is not one truth value");
  *go_on = *(const uint8_t *)o->data;
  return TN_OK;
}

static tn_status run_loop(tni_flow_run *r, const tni_onnx_node *n) {
  looping l = {.n = n, .body = body_of(n, "body"), .before = 2, .told = 1};
  int64_t most, go_on;
  l.carried = n->input_count > 2 ? n->input_count - 2 : 0;
  if (!l.body || l.body->input_count != 2 + l.carried || l.body->output_count < 1 + l.carried ||
      n->output_count + 1 > l.body->output_count)
    return refuse(r, n, TN_E_INVALID, "the body does not fit");
  tn_status status = number_of(r, n, 0, INT64_MAX, &most);
  if (!status) status = number_of(r, n, 1, 1, &go_on);
  if (!status) status = begin_loop(r, &l, 2);
  for (int64_t i = 0; !status && i < most && go_on; i++) {
    status = put_number(r, l.body->inputs[0].slot, TN_I64, i);
    if (!status) status = put_number(r, l.body->inputs[1].slot, TN_BOOL, 1);
    if (!status) status = iterate(r, &l);
    if (!status) status = told_to_go_on(r, &l, &go_on);
    tni_flow_clear(r, l.body);
  }
  return end_loop(r, &l, status, NULL, NULL);
}

/* The axis of sliced input i, and how long it is. */
static tn_status sliced_axis(tni_flow_run *r, const looping *l, uint32_t i, int32_t *axis, int64_t *length) {
  const tni_object *o = input_of(r, l->n, l->carried + i);
  int64_t at = int_of(l->n, "scan_input_axes", i, 0);
  if (!o || o->kind != TNI_OBJECT_TENSOR || tni_type_is_packed(o->type) || at < -o->rank || at >= o->rank)
    return refuse(r, l->n, TN_E_INVALID, "an input cannot be cut along its axis");
  *axis = (int32_t)(at < 0 ? at + o->rank : at);
  if (*length >= 0 && *length != o->shape[*axis])
    return refuse(r, l->n, TN_E_INVALID, "inputs are of different length along their axes");
  *length = o->shape[*axis];
  return TN_OK;
}

static tn_status put_slices(tni_flow_run *r, const looping *l, const int32_t *axes, int64_t length, int64_t at) {
  for (uint32_t i = 0; i < l->sliced; i++) {
    bool backward = int_of(l->n, "scan_input_directions", i, 0) != 0;
    tni_object *o =
        slice_of(r, input_of(r, l->n, l->carried + i), axes[i], (size_t)(backward ? length - 1 - at : at));
    if (!o) return tni_fail_nomem(r->err);
    tni_flow_put(r, l->body->inputs[l->carried + i].slot, o);
  }
  return TN_OK;
}

/* ---- Scan before opset 9: for every element of a batch by itself ------------------------------------------------- */

/* How many steps element `batch` has: input 0 says, or else all. */
static tn_status steps_of(tni_flow_run *r, const looping *l, int64_t batch, int64_t longest, int64_t *steps) {
  const tni_object *lengths = input_of(r, l->n, 0);
  *steps = longest;
  if (!lengths) return TN_OK;
  bool fits = lengths->kind == TNI_OBJECT_TENSOR && lengths->type == TN_I64 && lengths->rank == 1 &&
              batch < lengths->shape[0];
  if (fits) *steps = ((const int64_t *)lengths->data)[batch];
  if (fits && *steps >= 0 && *steps <= longest) return TN_OK;
  return refuse(r, l->n, TN_E_INVALID, "the lengths of sequences do not fit");
}

/* The extents that the inputs share: of the batch, and of what is scanned. */
static tn_status batched_extents(tni_flow_run *r, const looping *l, int64_t *batches, int64_t *longest) {
  *batches = *longest = -1;
  for (uint32_t i = 0; i < l->carried + l->sliced; i++) {
    const tni_object *o = input_of(r, l->n, 1 + i);
    int32_t least = i < l->carried ? 1 : 2;
    if (!o || o->kind != TNI_OBJECT_TENSOR || tni_type_is_packed(o->type) || o->rank < least)
      return refuse(r, l->n, TN_E_INVALID, "an input cannot be cut along its axis");
    if (*batches < 0) *batches = o->shape[0];
    if (least == 2 && *longest < 0) *longest = o->shape[1];
    if (o->shape[0] != *batches || (least == 2 && o->shape[1] != *longest))
      return refuse(r, l->n, TN_E_INVALID, "inputs are of different length along their axes");
  }
  return TN_OK;
}

/* Input i of the body for this step. */
static tn_status put_batched(tni_flow_run *r, const looping *l, uint32_t i, int64_t batch, int64_t step,
                             int64_t steps) {
  bool backward = int_of(l->n, "directions", i - l->carried, 0) != 0;
  tni_object *row = slice_of(r, input_of(r, l->n, 1 + i), 0, (size_t)batch);
  tni_object *o = row ? slice_of(r, row, 0, (size_t)(backward ? steps - 1 - step : step)) : NULL;
  tni_object_unref(row);
  if (!o) return tni_fail_nomem(r->err);
  tni_flow_put(r, l->body->inputs[i].slot, o);
  return TN_OK;
}

/* What the steps gave, `longest` long: zeros behind it. */
static tn_status append_series(tni_flow_run *r, const looping *l, const series *s, int64_t longest, series *to) {
  if (s->count == 0) return refuse(r, l->n, TN_E_UNSUPPORTED, "no iteration ran that would tell the form of an output");
  tni_object *whole = stack(r, s->count, s->items, (size_t)longest, 0, false);
  tn_status status = whole ? append(r, l->n, to, whole) : tni_fail_nomem(r->err);
  tni_object_unref(whole);
  return status;
}

static tn_status scan_one(tni_flow_run *r, looping *l, int64_t batch, int64_t longest, series *outputs) {
  int64_t steps;
  tn_status status = steps_of(r, l, batch, longest, &steps);
  for (uint32_t i = 0; i < l->carried && !status; i++) {
    l->state[i] = slice_of(r, input_of(r, l->n, 1 + i), 0, (size_t)batch);
    if (!l->state[i]) status = tni_fail_nomem(r->err);
  }
  for (int64_t at = 0; at < steps && !status; at++) {
    for (uint32_t i = 0; i < l->sliced && !status; i++) status = put_batched(r, l, l->carried + i, batch, at, steps);
    if (!status) status = iterate(r, l);
    tni_flow_clear(r, l->body);
  }
  for (uint32_t i = 0; i < l->carried && !status; i++) status = append(r, l->n, &outputs[i], l->state[i]);
  for (uint32_t i = 0; i < l->series_count && !status; i++)
    status = append_series(r, l, &l->series[i], longest, &outputs[l->carried + i]);
  return status;
}

static tn_status run_batched_scan(tni_flow_run *r, const tni_onnx_node *n) {
  const tni_onnx_attr *count = attr_of(n, "num_scan_inputs");
  looping l = {.n = n, .body = body_of(n, "body")};
  int64_t batches, longest;
  if (!count || count->i < 1 || n->input_count < 1 || count->i > n->input_count - 1 ||
      l.body->input_count != n->input_count - 1 || l.body->output_count < n->input_count - 1 - (uint32_t)count->i ||
      n->output_count > l.body->output_count)
    return refuse(r, n, TN_E_INVALID, "`num_scan_inputs` or the body does not fit");
  l.sliced = (uint32_t)count->i;
  l.carried = n->input_count - 1 - l.sliced;
  l.series_count = l.body->output_count - l.carried;
  tn_status status = batched_extents(r, &l, &batches, &longest);
  series *outputs = tni_alloc_zero(r->ctx, (l.body->output_count + 1) * sizeof *outputs);
  if (!outputs && !status) status = tni_fail_nomem(r->err);
  for (int64_t i = 0; i < batches && !status; i++) {
    status = make_room(r, &l);
    if (!status) status = scan_one(r, &l, i, longest, outputs);
    free_loop(r, &l);
  }
  for (uint32_t i = 0; i < l.body->output_count && !status; i++) status = give_series(r, n, i, &outputs[i], 0, false);
  destroy_series(r, outputs, l.body->output_count);
  return status;
}

static tn_status run_scan(tni_flow_run *r, const tni_onnx_node *n) {
  enum { MAX_SLICED = 64 };
  const tni_onnx_attr *count = attr_of(n, "num_scan_inputs");
  int32_t axes[MAX_SLICED];
  int64_t length = -1;
  looping l = {.n = n, .body = body_of(n, "body")};
  if (l.body && l.body->opset < 9) return run_batched_scan(r, n);
  if (!l.body || !count || count->i < 1 || count->i > n->input_count || count->i > MAX_SLICED)
    return refuse(r, n, TN_E_INVALID, "`num_scan_inputs` or the body does not fit");
  l.sliced = (uint32_t)count->i;
  l.carried = n->input_count - l.sliced;
  if (l.body->input_count != n->input_count || l.body->output_count < l.carried ||
      n->output_count > l.body->output_count)
    return refuse(r, n, TN_E_INVALID, "`num_scan_inputs` or the body does not fit");
  tn_status status = begin_loop(r, &l, 0);
  for (uint32_t i = 0; i < l.sliced && !status; i++) status = sliced_axis(r, &l, i, &axes[i], &length);
  for (int64_t i = 0; i < length && !status; i++) {
    status = put_slices(r, &l, axes, length, i);
    if (!status) status = iterate(r, &l);
    tni_flow_clear(r, l.body);
  }
  return end_loop(r, &l, status, "scan_output_axes", "scan_output_directions");
}

/* ---- SequenceMap ------------------------------------------------------------------------------------------------- */

static tn_status map_one(tni_flow_run *r, const tni_onnx_node *n, const tni_onnx_region *body, uint32_t at,
                         tni_object **out) {
  for (uint32_t i = 0; i < n->input_count; i++) {
    tni_object *o = input_of(r, n, i);
    if (!o) return tni_fail_nomem(r->err);
    if (o->kind == TNI_OBJECT_SEQUENCE && at >= o->count) return refuse(r, n, TN_E_INVALID, "sequences of different length");
    tni_flow_put(r, body->inputs[i].slot, tni_object_ref(o->kind == TNI_OBJECT_SEQUENCE ? o->items[at] : o));
  }
  tn_status status = tni_flow_region(r, body);
  for (uint32_t i = 0; i < n->output_count && !status; i++) {
    const tni_object *o = tni_flow_get(r, body->outputs[i].slot);
    if (o->kind != TNI_OBJECT_TENSOR) return refuse(r, n, TN_E_INVALID, "the body gives no tensor");
    out[i]->type = o->type;
    out[i]->items[at] = tni_object_ref((tni_object *)o);
  }
  tni_flow_clear(r, body);
  return status;
}

static tn_status run_sequence_map(tni_flow_run *r, const tni_onnx_node *n) {
  const tni_onnx_region *body = body_of(n, "body");
  const tni_object *over = input_of(r, n, 0);
  if (!body || !over || over->kind != TNI_OBJECT_SEQUENCE || body->input_count != n->input_count ||
      body->output_count < n->output_count)
    return refuse(r, n, TN_E_INVALID, "the sequence or the body does not fit");
  tni_object **out = tni_alloc_zero(r->ctx, (n->output_count + 1) * sizeof *out);
  tn_status status = out ? TN_OK : tni_fail_nomem(r->err);
  for (uint32_t i = 0; i < n->output_count && !status; i++)
    if (!(out[i] = tni_object_create(r->ctx, TNI_OBJECT_SEQUENCE, over->count))) status = tni_fail_nomem(r->err);
  for (uint32_t at = 0; at < over->count && !status; at++) status = map_one(r, n, body, at, out);
  for (uint32_t i = 0; out && i < n->output_count; i++) {
    if (!status)
      status = give(r, n, i, out[i]);
    else
      tni_object_unref(out[i]);
  }
  tni_free(r->ctx, out, (n->output_count + 1) * sizeof *out);
  return status;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

tn_status tni_flow_control(tni_flow_run *r, const tni_onnx_node *n) {
  static const struct {
    const char *op;
    tn_status (*run)(tni_flow_run *r, const tni_onnx_node *n);
  } kinds[] = {{"If", run_if}, {"Loop", run_loop}, {"Scan", run_scan}, {"SequenceMap", run_sequence_map}};
  if (!n->op) return run_call(r, n);
  size_t i = 0;
  while (i < TNI_COUNT(kinds) && strcmp(kinds[i].op, n->op_type) != 0) i++;
  assert(i < TNI_COUNT(kinds)); /* all others have contents of their inputs here, and are converted */
  return kinds[i].run(r, n);
}
