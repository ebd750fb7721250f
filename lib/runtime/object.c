/* object.c -- what a value is while a model runs whose shapes are not known before: a tensor, a sequence of tensors, or nothing.
 *
 * Counted, and of one run: no two threads share one. A tensor's elements are its own, or those of another that it keeps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lib.h"

enum { ALIGN = 64 };

tni_object *tni_object_create(tn_context *ctx, enum tni_object_kind kind, uint32_t count) {
  tni_object *o = tni_alloc_zero(ctx, sizeof *o);
  if (!o) return NULL;
  *o = (tni_object){.ctx = ctx, .refs = 1, .kind = kind};
  if (!count) return o;
  o->items = tni_alloc_zero(ctx, count * sizeof(tni_object *));
  if (o->items) {
    o->count = count;
    return o;
  }
  tni_free(ctx, o, sizeof *o);
  return NULL;
}

int64_t tni_object_numel(const tni_object *o) {
  int64_t n = 1;
  for (int32_t i = 0; i < o->rank; i++)
    if (o->shape[i] == 0) return 0;
  for (int32_t i = 0; i < o->rank; i++) n *= o->shape[i];
  return n;
}

size_t tni_object_bytes(const tni_object *o) { return tn_array_bytes(o->type, tni_object_numel(o)); }

tni_object *tni_object_tensor(tn_context *ctx, tn_type type, int32_t rank, const int64_t *shape) {
  tni_object *o = tni_object_create(ctx, TNI_OBJECT_TENSOR, 0);
  if (!o) return NULL;
  o->type = type;
  o->rank = rank;
  if (rank) memcpy(o->shape, shape, sizeof(int64_t) * (size_t)rank);
  o->bytes = tni_object_bytes(o);
  o->own = tni_alloc_aligned(ctx, o->bytes ? o->bytes : 1, ALIGN);
  o->data = o->own;
  if (o->own) return o;
  tni_object_unref(o);
  return NULL;
}

tni_object *tni_object_view(tn_context *ctx, tn_type type, int32_t rank, const int64_t *shape, const void *data,
                            tni_object *keeper) {
  tni_object *o = tni_object_create(ctx, TNI_OBJECT_TENSOR, 0);
  if (!o) return NULL;
  o->type = type;
  o->rank = rank;
  if (rank) memcpy(o->shape, shape, sizeof(int64_t) * (size_t)rank);
  o->data = data;
  o->keeper = tni_object_ref(keeper && keeper->keeper ? keeper->keeper : keeper);
  return o;
}

tni_object *tni_object_narrow(tni_object *o, int32_t axis, int64_t length) {
  int64_t shape[TN_MAX_RANK];
  size_t outer = 1, inner = tn_type_bytes(o->type);
  for (int32_t i = 0; i < o->rank; i++) shape[i] = i == axis ? length : o->shape[i];
  for (int32_t i = 0; i < axis; i++) outer *= (size_t)o->shape[i];
  for (int32_t i = axis + 1; i < o->rank; i++) inner *= (size_t)o->shape[i];
  if (outer == 1) return tni_object_view(o->ctx, o->type, o->rank, shape, o->data, o);
  tni_object *part = tni_object_tensor(o->ctx, o->type, o->rank, shape);
  size_t bytes = (size_t)length * inner, step = (size_t)o->shape[axis] * inner;
  for (size_t i = 0; part && i < outer && bytes; i++)
    memcpy((char *)part->own + i * bytes, (const char *)o->data + i * step, bytes);
  return part;
}

tni_object *tni_object_ref(tni_object *o) {
  if (o) o->refs++;
  return o;
}

/* Elements of sequences are tensors, keepers keep nothing that keeps more: the depth is 3. */
void tni_object_unref(tni_object *o) {
  if (!o || --o->refs) return;
  for (uint32_t i = 0; i < o->count; i++) tni_object_unref(o->items[i]);
  tni_free(o->ctx, o->items, o->count * sizeof *o->items);
  tni_object_unref(o->keeper);
  tni_free_aligned(o->ctx, o->own, o->bytes ? o->bytes : 1, ALIGN);
  tni_free(o->ctx, o, sizeof *o);
}

bool tni_object_matches(const tni_object *o, const tni_object *like) {
  if (o->kind != like->kind || o->type != like->type || o->rank != like->rank || o->count != like->count) return false;
  if (memcmp(o->shape, like->shape, sizeof(int64_t) * (size_t)o->rank) != 0) return false;
  if (like->data && like->kind == TNI_OBJECT_TENSOR && memcmp(o->data, like->data, tni_object_bytes(o)) != 0)
    return false;
  for (uint32_t i = 0; i < o->count; i++)
    if (!tni_object_matches(o->items[i], like->items[i])) return false;
  return true;
}
