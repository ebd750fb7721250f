/* cache.h -- what the files of the cache of compiled code share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_CACHE_H
#define TNI_CACHE_H

#include <pthread.h>

#include "jit.h"

enum { TNI_CACHE_NAME = 2 * TNI_DIGEST_BYTES + 1 };

struct tn_cache {
  tn_context *ctx;
  tn_cache_desc desc;
  unsigned char secret[TNI_DIGEST_KEY_BYTES];
  size_t secret_bytes;
  int directory; /* or TNI_NO_DIRECTORY */
  char *builds;  /* of Tenon and LLVM, as text */
  pthread_mutex_t mutex;                 /* of what follows */
  unsigned char seed[TNI_TAG_KEY_BYTES]; /* see tni_cache_seed */
  bool has_seed;
  atomic_uint_fast64_t hits, misses, program_hits, program_misses, refused, stored, not_stored, evicted;
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

/* ---- key.c ------------------------------------------------------------------------------------------------------- */

/* All of the key but the digest. False: no memory. */
bool tni_cache_key_identify(tni_pipeline *p, tni_arena *arena, tni_cache_key *key);
/* The digest: of the identity, the host's instructions, and what there is besides; `contents` is a digest or NULL. False: no
 * memory, or a text that does not say everything (deep nests are not printed whole). */
bool tni_cache_key_make(tni_pipeline *p, tni_cache_key *key, const char *word, const tni_text *text,
                        const unsigned char *contents);
/* The key of what belongs to an entry. */
void tni_cache_key_derive(const tni_cache_key *key, const char *word, tni_cache_key *out);
/* A hash of contents, of TNI_DIGEST_BYTES, made on all threads. False: no memory. */
bool tni_contents_digest(tn_context *ctx, const unsigned char *seed, size_t count, const tni_contents *contents,
                         unsigned char *out);

/* ---- cache_directory.c: entries as files ------------------------------------------------------------------------- */

/* Opens desc.directory, made if there is none. */
tn_status tni_cache_open_directory(tn_cache *cache, tn_error **err);
/* A file that holds a secret, and that nobody else may read. */
tn_status tni_cache_read_secret(tn_cache *cache, const char *path, tn_error **err);
/* A copy of the file, to be freed with tni_free; NULL: there is none, or *why says what it is. */
char *tni_cache_read_file(tn_cache *cache, const char *name, size_t *size, const char **why);
/* The same as a blob: mapped, but copied where there is a secret, lest it changes behind a check. */
tni_blob *tni_cache_read_blob(tn_cache *cache, const char *name, const char **why);
/* NULL, or why it was not written: the contents at their offsets, and no more than these. */
const char *tni_cache_write_file(tn_cache *cache, const char *name, size_t count, const tni_contents *contents);
void tni_cache_drop_file(tn_cache *cache, const char *name);

/* ---- cache.c ----------------------------------------------------------------------------------------------------- */

/* The same of whatever the entries are kept in. What is read is checked: *bytes is an entry of that key's secret. */
bool tni_cache_get(tn_cache *cache, const tni_cache_key *key, char **bytes, size_t *size);
void tni_cache_put(tn_cache *cache, const tni_cache_key *key, const void *bytes, size_t size);
/* Bytes without a seal, which their reader has to check; NULL: there are none. And contents into such. */
tni_blob *tni_cache_get_blob(tn_cache *cache, const tni_cache_key *key);
bool tni_cache_put_contents(tn_cache *cache, const tni_cache_key *key, size_t count, const tni_contents *contents);
/* The seed of hashes of contents: made of the secret, or a random number that the cache keeps. False: it has none. `like`: a
 * key of the cache. */
bool tni_cache_seed(tn_cache *cache, const tni_cache_key *like, unsigned char *out);
/* What was read turned out to be of no use: it is told and dropped. */
void tni_cache_refuse(tn_cache *cache, const tni_cache_key *key, const char *why);

#endif
