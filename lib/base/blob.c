/* blob.c -- bytes with a reference count: files that are mapped, constants that were computed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <errno.h>

#include "lib.h"

enum { ALIGN = 64 };

static tni_blob *create(tn_context *ctx, const void *data, size_t size, bool mapped) {
  tni_blob *blob = tni_alloc(ctx, sizeof *blob);
  if (!blob) return NULL;
  *blob = (tni_blob){.data = data, .size = size, .ctx = ctx, .mapped = mapped};
  atomic_init(&blob->refs, 1);
  return blob;
}

tni_blob *tni_blob_create(tn_context *ctx, size_t size) {
  void *data = tni_alloc_aligned(ctx, size, ALIGN);
  if (size && !data) return NULL;
  tni_blob *blob = create(ctx, data, size, false);
  if (!blob) tni_free_aligned(ctx, data, size, ALIGN);
  return blob;
}

tn_status tni_blob_map(tn_context *ctx, const char *path, uint64_t limit, const char *phase, tni_blob **out,
                       tn_error **err) {
  const void *data;
  size_t size;
  char text[128];
  *out = NULL;
  if (err) *err = NULL;
  int failure = ctx->os->map(path, &data, &size);
  if (failure)
    return tni_fail(ctx, err, failure == ENOENT || failure == ENOTDIR ? TN_E_NOT_FOUND : TN_E_IO, phase, path,
                    "cannot read the file: %s",
                    failure == EINVAL ? "it is not a regular file" : strerror_r(failure, text, sizeof text));
  if (size > limit) {
    ctx->os->unmap(data, size);
    return tni_fail(ctx, err, TN_E_LIMIT, phase, path, "the file has %zu bytes, the limit is %llu", size,
                    (unsigned long long)limit);
  }
  *out = create(ctx, data, size, true);
  if (*out) return TN_OK;
  ctx->os->unmap(data, size);
  return tni_fail_nomem(err);
}

tni_blob *tni_blob_ref(tni_blob *blob) {
  if (blob) atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
  return blob;
}

void tni_blob_unref(tni_blob *blob) {
  if (!blob) return;
  int before = atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel);
  assert(before > 0);
  if (before > 1) return;
  if (blob->mapped)
    blob->ctx->os->unmap(blob->data, blob->size);
  else
    tni_free_aligned(blob->ctx, (void *)blob->data, blob->size, ALIGN);
  tni_free(blob->ctx, blob, sizeof *blob);
}
