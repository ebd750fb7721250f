/* ops_sequence.c -- sequences and optionals: while nodes are converted they are lists of the graph's values, so that none of
 * these operators computes anything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

static const tni_onnx_binding *bound(const conversion *c, uint32_t i) {
  bool there = i < c->n->input_count && c->n->in[i] != TNI_NO_SLOT;
  return there ? &c->m->bound[c->n->in[i]] : NULL;
}

/* Input i, a sequence; NULL with an error. */
static const tni_onnx_binding *sequence(conversion *c, uint32_t i) {
  const tni_onnx_binding *b = bound(c, i);
  if (b && b->kind == TNI_BOUND_SEQUENCE) return b;
  fail(c, TN_E_INVALID, "input %u is not a sequence", i);
  return NULL;
}

static void give_bound(conversion *c, tni_onnx_binding b) {
  if (ok(c) && wants(c, 0)) c->m->bound[c->n->out[0]] = b;
}
static void give_sequence(conversion *c, uint32_t count, const uint32_t *items, tn_type type) {
  give_bound(c, (tni_onnx_binding){.kind = TNI_BOUND_SEQUENCE, .count = count, .items = items, .type = type});
}

/* The place that input i names, from 0 up to `end`; `otherwise` where it is absent. */
static uint32_t place(conversion *c, uint32_t i, int64_t count, int64_t end, int64_t otherwise) {
  int64_t at = has_input(c, i) ? known_int(c, i, "position") : otherwise;
  if (at < 0) at += count;
  if (ok(c) && (at < 0 || at > end)) fail(c, TN_E_INVALID, "the position is outside a sequence of %lld", (long long)count);
  return ok(c) ? (uint32_t)at : 0;
}

void tni_convert_sequence_construct(conversion *c) {
  uint32_t *items = new_values(c, c->n->input_count);
  for (uint32_t i = 0; items && i < c->n->input_count && ok(c); i++) {
    items[i] = input(c, i);
    if (in(c, i)->type != in(c, 0)->type) fail(c, TN_E_INVALID, "input %u is of another type", i);
  }
  if (c->n->input_count == 0) fail(c, TN_E_INVALID, "at least one input is needed");
  if (ok(c)) give_sequence(c, c->n->input_count, items, in(c, 0)->type);
}

void tni_convert_sequence_empty(conversion *c) {
  tn_type type = tni_onnx_type(attr_int(c, "dtype", 1));
  if (!type) fail(c, TN_E_UNSUPPORTED, "the element type is not supported");
  give_sequence(c, 0, NULL, type);
}

void tni_convert_sequence_insert(conversion *c) {
  const tni_onnx_binding *s = sequence(c, 0);
  if (!s) return;
  uint32_t at = place(c, 2, s->count, s->count, s->count), *items = new_values(c, s->count + 1);
  if (ok(c) && in(c, 1)->type != s->type) fail(c, TN_E_INVALID, "input %u is of another type", 1);
  for (uint32_t i = 0; ok(c) && i <= s->count; i++) items[i] = i == at ? input(c, 1) : s->items[i < at ? i : i - 1];
  give_sequence(c, s->count + 1, items, s->type);
}

void tni_convert_sequence_erase(conversion *c) {
  const tni_onnx_binding *s = sequence(c, 0);
  if (!s) return;
  uint32_t at = place(c, 1, s->count, (int64_t)s->count - 1, (int64_t)s->count - 1), *items = new_values(c, s->count);
  for (uint32_t i = 0; ok(c) && i + 1 < s->count; i++) items[i] = s->items[i < at ? i : i + 1];
  if (ok(c)) give_sequence(c, s->count - 1, items, s->type);
}

void tni_convert_sequence_at(conversion *c) {
  const tni_onnx_binding *s = sequence(c, 0);
  uint32_t at = s ? place(c, 1, s->count, (int64_t)s->count - 1, 0) : 0;
  if (ok(c)) give(c, 0, s->items[at]);
}

void tni_convert_sequence_length(conversion *c) {
  const tni_onnx_binding *s = sequence(c, 0);
  int64_t count = s ? s->count : 0;
  give(c, 0, const_ints(c, 0, 1, &count, out_name(c, 0)));
}

/* By `split`: sizes, or one size for all but a smaller last; without it one by one, and keepdims counts. */
void tni_convert_split_to_sequence(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int32_t axis = normal_axis(c, attr_int(c, "axis", 0), x.rank), count = 1;
  int64_t each = 1, at = 0, dim = ok(c) ? x.shape[axis] : 0;
  bool listed = has_input(c, 1), one_size = !listed || in(c, 1)->rank == 0;
  const int64_t *sizes = listed ? known_ints(c, 1, "split", &count) : &each;
  if (ok(c) && one_size && sizes[0] < 1) fail(c, TN_E_INVALID, "the sizes do not fit the dimension");
  if (!ok(c)) return;
  if (one_size) count = (int32_t)((dim + sizes[0] - 1) / sizes[0]);
  uint32_t *items = new_values(c, (uint32_t)count);
  for (int32_t i = 0; i < count && ok(c); i++) {
    int64_t size = one_size ? sizes[0] : sizes[i], end = at + size;
    if (one_size && end > dim) end = dim;
    if (size < 0 || size > dim || end > dim) return fail(c, TN_E_INVALID, "the sizes do not fit the dimension");
    items[i] = sliced(c, input(c, 0), axis, at, end);
    if (!listed && !attr_int(c, "keepdims", 1)) {
      int64_t shape[TN_MAX_RANK];
      for (int32_t k = 0, to = 0; k < x.rank; k++)
        if (k != axis) shape[to++] = x.shape[k];
      items[i] = reshape(c, items[i], x.rank - 1, shape, NULL);
    }
    at = end;
  }
  if (ok(c) && at != dim) fail(c, TN_E_INVALID, "the sizes do not fill the dimension");
  give_sequence(c, (uint32_t)count, items, x.type);
}

void tni_convert_concat_from_sequence(conversion *c) {
  const tni_onnx_binding *s = sequence(c, 0);
  bool fresh = attr_int(c, "new_axis", 0) != 0;
  if (!s) return;
  if (s->count == 0) return fail(c, TN_E_INVALID, "the sequence is empty");
  uint32_t *items = new_values(c, s->count);
  int32_t axis = 0;
  for (uint32_t i = 0; ok(c) && i < s->count; i++) {
    tni_gvalue x = *value_of(c, s->items[i]);
    int64_t shape[TN_MAX_RANK + 1];
    axis = normal_axis(c, attr_int(c, "axis", 0), x.rank + fresh);
    for (int32_t k = 0, from = 0; k <= x.rank; k++) shape[k] = k == axis ? 1 : x.shape[from++];
    items[i] = fresh ? reshape(c, s->items[i], x.rank + 1, shape, NULL) : s->items[i];
  }
  set_int(c, "axis", axis);
  give(c, 0, emit_n(c, "concat", s->count, items, out_name(c, 0)));
}

/* An optional is what it holds, or nothing. */
void tni_convert_optional(conversion *c) {
  const tni_onnx_binding *b = bound(c, 0);
  give_bound(c, b ? *b : (tni_onnx_binding){.kind = TNI_BOUND_NONE});
}

void tni_convert_optional_has_element(conversion *c) {
  const tni_onnx_binding *b = bound(c, 0);
  give(c, 0, const_number(c, TN_BOOL, b && b->kind != TNI_BOUND_NONE));
}

void tni_convert_optional_get_element(conversion *c) {
  const tni_onnx_binding *b = bound(c, 0);
  if (!b || b->kind == TNI_BOUND_NONE) return fail(c, TN_E_INVALID, "the optional holds nothing");
  give_bound(c, *b);
}

/* Of tensors a node, of others themselves. */
void tni_convert_identity(conversion *c) {
  const tni_onnx_binding *b = bound(c, 0);
  if (b && b->kind != TNI_BOUND_TENSOR)
    give_bound(c, *b);
  else
    tni_convert_same(c);
}
