/* items.c -- owners of what a model gives: each item a tensor, a sequence of tensors, or nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lib.h"

/* An item, and the tensors behind its views. */
typedef struct held {
  tn_item item; /* .tensors is `views`; .count so many are there */
  size_t room;
  const DLTensor **views;
  tn_tensor **tensors;
} held;

struct tn_items {
  tn_context *ctx;
  size_t count;
  held *items;
};

tn_status tni_items_create(tn_context *ctx, size_t count, tn_items **out, tn_error **err) {
  *out = tni_alloc_zero(ctx, sizeof **out);
  if (!*out) return tni_fail_nomem(err);
  (*out)->ctx = ctx;
  (*out)->items = tni_alloc_zero(ctx, (count + 1) * sizeof(held));
  if (!(*out)->items) {
    tni_free(ctx, *out, sizeof **out);
    *out = NULL;
    return tni_fail_nomem(err);
  }
  (*out)->count = count;
  for (size_t i = 0; i < count; i++) (*out)->items[i].item.kind = TN_ITEM_OPTIONAL;
  return TN_OK;
}

tn_status tni_items_set(tn_items *items, size_t i, int32_t kind, tn_type type, size_t room, tn_error **err) {
  held *h = &items->items[i];
  h->views = tni_alloc_zero(items->ctx, (room + 1) * sizeof *h->views);
  h->tensors = tni_alloc_zero(items->ctx, (room + 1) * sizeof *h->tensors);
  h->room = room;
  h->item = (tn_item){.kind = kind, .type = type, .tensors = h->views};
  return h->views && h->tensors ? TN_OK : tni_fail_nomem(err);
}

void tni_items_add(tn_items *items, size_t i, tn_tensor *tensor) {
  held *h = &items->items[i];
  h->tensors[h->item.count] = tensor;
  h->views[h->item.count++] = tn_tensor_view(tensor);
}

tn_tensor *tni_items_take(tn_items *items, size_t i) {
  held *h = &items->items[i];
  if (h->item.kind != TN_ITEM_TENSOR) return NULL;
  h->item.count = 0;
  return h->tensors[0];
}

const DLTensor *tni_item_tensor(const tn_item *item, size_t i) {
  return item->tensors && i < item->count ? item->tensors[i] : NULL;
}

size_t tn_items_count(const tn_items *items) { return items ? items->count : 0; }

const tn_item *tn_items_at(const tn_items *items, size_t i) {
  return items && i < items->count ? &items->items[i].item : NULL;
}

void tn_items_destroy(tn_items *items) {
  if (!items) return;
  for (size_t i = 0; i < items->count; i++) {
    held *h = &items->items[i];
    for (size_t k = 0; k < h->item.count; k++) tn_tensor_destroy(h->tensors[k]);
    tni_free(items->ctx, h->views, (h->room + 1) * sizeof *h->views);
    tni_free(items->ctx, h->tensors, (h->room + 1) * sizeof *h->tensors);
  }
  tni_free(items->ctx, items->items, (items->count + 1) * sizeof *items->items);
  tni_free(items->ctx, items, sizeof *items);
}
