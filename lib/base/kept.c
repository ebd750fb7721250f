/* kept.c -- blobs that were computed once and are wanted again: found by a key of bytes, up to a limit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "lib.h"

typedef struct entry {
  uint64_t hash;
  void *key;
  size_t key_size;
  tni_blob *blob;
} entry;

struct tni_kept {
  tn_context *ctx;
  pthread_mutex_t mutex;
  entry *entries; /* under the mutex, as all that follows */
  size_t count, capacity;
  uint64_t bytes, limit;
};

tni_kept *tni_kept_create(tn_context *ctx) {
  tni_kept *kept = tni_alloc_zero(ctx, sizeof *kept);
  if (!kept) return NULL;
  kept->ctx = ctx;
  if (!pthread_mutex_init(&kept->mutex, NULL)) return kept;
  tni_free(ctx, kept, sizeof *kept);
  return NULL;
}

void tni_kept_destroy(tni_kept *kept) {
  if (!kept) return;
  for (size_t i = 0; i < kept->count; i++) {
    tni_free(kept->ctx, kept->entries[i].key, kept->entries[i].key_size);
    tni_blob_unref(kept->entries[i].blob);
  }
  tni_free(kept->ctx, kept->entries, kept->capacity * sizeof *kept->entries);
  pthread_mutex_destroy(&kept->mutex);
  tni_free(kept->ctx, kept, sizeof *kept);
}

void tni_kept_allow(tni_kept *kept, uint64_t bytes) {
  pthread_mutex_lock(&kept->mutex);
  kept->limit += bytes;
  pthread_mutex_unlock(&kept->mutex);
}

static tni_blob *find(const tni_kept *kept, uint64_t hash, const void *key, size_t size) {
  for (size_t i = 0; i < kept->count; i++) {
    const entry *e = &kept->entries[i];
    if (e->hash == hash && e->key_size == size && memcmp(e->key, key, size) == 0) return e->blob;
  }
  return NULL;
}

tni_blob *tni_kept_find(tni_kept *kept, const void *key, size_t size) {
  pthread_mutex_lock(&kept->mutex);
  tni_blob *found = tni_blob_ref(find(kept, tni_hash_bytes(key, size).low, key, size));
  pthread_mutex_unlock(&kept->mutex);
  return found;
}

/* Under the mutex; takes the key. */
static bool add(tni_kept *kept, uint64_t hash, void *key, size_t size, tni_blob *blob) {
  if (!tni_reserve(kept->ctx, (void **)&kept->entries, &kept->capacity, kept->count + 1, sizeof *kept->entries)) {
    tni_free(kept->ctx, key, size);
    return false;
  }
  kept->entries[kept->count++] = (entry){hash, key, size, tni_blob_ref(blob)};
  kept->bytes += blob->size;
  return true;
}

bool tni_kept_add(tni_kept *kept, const void *key, size_t size, tni_blob *blob) {
  uint64_t hash = tni_hash_bytes(key, size).low;
  bool good = true;
  pthread_mutex_lock(&kept->mutex);
  if (blob->size <= kept->limit - kept->bytes && !find(kept, hash, key, size)) {
    void *copy = tni_alloc(kept->ctx, size);
    if (copy) memcpy(copy, key, size);
    good = copy && add(kept, hash, copy, size, blob);
  }
  pthread_mutex_unlock(&kept->mutex);
  return good;
}

bool tni_kept_holds(tni_kept *kept, const void *data, size_t bytes) {
  bool found = false;
  pthread_mutex_lock(&kept->mutex);
  for (size_t i = 0; i < kept->count && !found; i++) {
    const tni_blob *blob = kept->entries[i].blob;
    uintptr_t at = (uintptr_t)data, start = (uintptr_t)blob->data;
    found = at >= start && at - start <= blob->size && bytes <= blob->size - (at - start);
  }
  pthread_mutex_unlock(&kept->mutex);
  return found;
}
