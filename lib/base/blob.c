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

tni_blob *tni_blob_mapped(tn_context *ctx, const void *data, size_t size) {
  tni_blob *blob = create(ctx, data, size, true);
  if (!blob) ctx->os->unmap(data, size);
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
  *out = tni_blob_mapped(ctx, data, size);
  return *out ? TN_OK : tni_fail_nomem(err);
}

static tn_status fail_beneath(tn_context *ctx, const char *directory, const char *name, int failure, const char *phase,
                              const char *place, tn_error **err) {
  char text[128];
  const char *why = failure == EXDEV    ? "only what is beneath the directory is opened"
                    : failure == ELOOP  ? "there is a symbolic link on its way"
                    : failure == EMLINK ? "the file has another name as well"
                    : failure == EINVAL ? "it is not a regular file"
                                        : strerror_r(failure, text, sizeof text);
  tn_status status = failure == ENOENT || failure == ENOTDIR                      ? TN_E_NOT_FOUND
                     : failure == EXDEV || failure == ELOOP || failure == EMLINK ? TN_E_INVALID
                                                                                 : TN_E_IO;
  return tni_fail(ctx, err, status, phase, place, "cannot read `%s` beneath `%s`: %s", name, directory, why);
}

tn_status tni_blob_read_beneath(tn_context *ctx, const char *directory, const char *name, uint64_t offset, size_t size,
                                const char *phase, const char *place, tni_blob **out, tn_error **err) {
  int file;
  uint64_t there;
  *out = NULL;
  int failure = ctx->os->open_beneath(directory, name, &file, &there);
  if (failure) return fail_beneath(ctx, directory, name, failure, phase, place, err);
  tn_status status = TN_OK;
  if (offset > there || size > there - offset)
    status = tni_fail(ctx, err, TN_E_INVALID, phase, place, "`%s` has %llu bytes, %zu at offset %llu are asked for",
                      name, (unsigned long long)there, size, (unsigned long long)offset);
  else if (!(*out = tni_blob_create(ctx, size)))
    status = tni_fail_nomem(err);
  if (!status && (failure = ctx->os->read_at(file, offset, (void *)(*out)->data, size))) {
    tni_blob_unref(*out);
    *out = NULL;
    status = fail_beneath(ctx, directory, name, failure, phase, place, err);
  }
  ctx->os->close(file);
  return status;
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
