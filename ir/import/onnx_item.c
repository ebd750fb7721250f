/* onnx_item.c -- ONNX's SequenceProto and OptionalProto, as conformance tests have them: tensors, all of one type, or
 * nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import.h"

static const char phase[] = "import";

/* What is in the message that wraps it. */
typedef struct wrapped {
  int32_t kind;
  tni_view view;
} wrapped;

static tn_status add_tensor(tn_context *ctx, tni_view view, tn_items *items, tn_type *type, tn_error **err) {
  tni_onnx_data data;
  tn_tensor *tensor;
  tn_status status = tni_onnx_data_read(ctx, view, "tensor", &data, err);
  if (status == TN_OK && *type && data.type != *type)
    status = tni_fail(ctx, err, TN_E_INVALID, phase, "sequence", "its tensors are of different types");
  if (status == TN_OK) status = tn_tensor_create(ctx, data.type, data.rank, data.shape, &tensor, err);
  if (status != TN_OK) return status;
  tni_onnx_data_copy(&data, tn_tensor_data(tensor));
  tni_items_add(items, 0, tensor);
  *type = data.type;
  return TN_OK;
}

static tn_status read_tensor(tn_context *ctx, tni_view view, tn_items *items, tn_error **err) {
  tn_type type = 0;
  tn_status status = tni_items_set(items, 0, TN_ITEM_TENSOR, 0, 1, err);
  return status == TN_OK ? add_tensor(ctx, view, items, &type, err) : status;
}

static tn_status read_sequence(tn_context *ctx, tni_view view, tn_items *items, tn_error **err) {
  enum { ELEMENT = 2, TENSORS = 3, IS_TENSOR = 1 };
  tni_view rest = view;
  tni_wire_item item;
  tn_type type = 0;
  while (tni_wire_next(&rest, &item))
    if (item.number == ELEMENT && item.value > IS_TENSOR)
      return tni_fail(ctx, err, TN_E_UNSUPPORTED, phase, "sequence", "its elements are no tensors");
  tn_status status = tni_items_set(items, 0, TN_ITEM_SEQUENCE, 0, tni_wire_count(view, TENSORS), err);
  while (status == TN_OK && tni_wire_next(&view, &item))
    if (item.number == TENSORS) status = add_tensor(ctx, item.view, items, &type, err);
  return status;
}

/* An optional holds what it says; nothing of the kind: nothing. */
static tn_status unwrap(tn_context *ctx, tni_view view, wrapped *out, tn_error **err) {
  enum { ELEMENT = 2, TENSOR = 3, SEQUENCE = 5, IS_TENSOR = 1, IS_SEQUENCE = 3 };
  tni_view rest = view;
  tni_wire_item item;
  uint64_t element = 0;
  while (tni_wire_next(&rest, &item))
    if (item.number == ELEMENT) element = item.value;
  if (element && element != IS_TENSOR && element != IS_SEQUENCE)
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, phase, "optional", "it holds neither a tensor nor a sequence");
  tni_view tensor = tni_wire_find(view, TENSOR), sequence = tni_wire_find(view, SEQUENCE);
  *out = (wrapped){TN_ITEM_OPTIONAL, {NULL, 0}};
  if (element == IS_TENSOR && tensor.data) *out = (wrapped){TN_ITEM_TENSOR, tensor};
  if (element == IS_SEQUENCE && sequence.data) *out = (wrapped){TN_ITEM_SEQUENCE, sequence};
  return TN_OK;
}

static tn_status read_item(tn_context *ctx, int32_t kind, tni_view view, tn_items *items, tn_error **err) {
  const tni_wire_message *message = kind == TN_ITEM_TENSOR     ? &tni_onnx_tensor
                                    : kind == TN_ITEM_SEQUENCE ? &tni_onnx_sequence
                                                               : &tni_onnx_optional;
  wrapped w = {kind, view};
  tn_status status = tni_wire_check(ctx, message, view, err);
  if (status == TN_OK && kind == TN_ITEM_OPTIONAL) status = unwrap(ctx, view, &w, err);
  if (status != TN_OK || w.kind == TN_ITEM_OPTIONAL) return status;
  return w.kind == TN_ITEM_TENSOR ? read_tensor(ctx, w.view, items, err) : read_sequence(ctx, w.view, items, err);
}

tn_status tn_onnx_item(tn_context *ctx, int32_t kind, const void *bytes, size_t size, tn_items **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  if (kind < TN_ITEM_TENSOR || kind > TN_ITEM_OPTIONAL)
    return tni_fail(ctx, err, TN_E_INVALID, phase, "item", "there is no kind %d", (int)kind);
  tn_items *items;
  tn_status status = tni_items_create(ctx, 1, &items, err);
  if (status == TN_OK) status = read_item(ctx, kind, (tni_view){bytes, size}, items, err);
  if (status == TN_OK)
    *out = items;
  else
    tn_items_destroy(items);
  return status;
}
