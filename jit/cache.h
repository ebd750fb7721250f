/* cache.h -- what the files of the cache of compiled code share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_CACHE_H
#define TNI_CACHE_H

#include "jit.h"

enum { TNI_CACHE_NAME = 2 * TNI_DIGEST_BYTES + 1 };

struct tn_cache {
  tn_context *ctx;
  tn_cache_desc desc;
  unsigned char secret[TNI_DIGEST_KEY_BYTES];
  size_t secret_bytes;
  int directory; /* or TNI_NO_DIRECTORY */
  char *builds;  /* of Tenon and LLVM, as text */
  atomic_uint_fast64_t hits, misses, refused, stored, not_stored, evicted;
  atomic_uint_fast64_t bytes, number; /* of the directory, as far as is known; of names of new files */
};

/* ---- entry.c: an entry as bytes ---------------------------------------------------------------------------------- */

/* Appends it. */
void tni_entry_write(tni_text *out, const tni_cache_key *key, size_t count, char *const *objects, const size_t *sizes);
/* Is it one, whole, and sealed with the secret? NULL, or why not. */
const char *tni_entry_check(const void *bytes, size_t size, const tni_cache_key *key);
/* Its objects, which lie in the bytes; for that key, of any bytes. NULL, or why there are none. */
const char *tni_entry_read(tni_arena *arena, const void *bytes, size_t size, const tni_cache_key *key, size_t *count,
                           char ***objects, size_t **sizes);

/* ---- cache_directory.c: entries as files ------------------------------------------------------------------------- */

/* Opens desc.directory, made if there is none. */
tn_status tni_cache_open_directory(tn_cache *cache, tn_error **err);
/* A file that holds a secret, and that nobody else may read. */
tn_status tni_cache_read_secret(tn_cache *cache, const char *path, tn_error **err);
/* A copy of the file, to be freed with tni_free; NULL: there is none, or *why says what it is. */
char *tni_cache_read_file(tn_cache *cache, const char *name, size_t *size, const char **why);
/* NULL, or why it was not written. */
const char *tni_cache_write_file(tn_cache *cache, const char *name, const void *bytes, size_t size);
void tni_cache_drop_file(tn_cache *cache, const char *name);

/* ---- cache.c ----------------------------------------------------------------------------------------------------- */

/* The same of whatever the entries are kept in. What is read is checked: *bytes is an entry of that key's secret. */
bool tni_cache_get(tn_cache *cache, const tni_cache_key *key, char **bytes, size_t *size);
void tni_cache_put(tn_cache *cache, const tni_cache_key *key, const void *bytes, size_t size);
/* What was read turned out to be of no use: it is told and dropped. */
void tni_cache_refuse(tn_cache *cache, const tni_cache_key *key, const char *why);

#endif
