/* cache.c -- caches that a host opens: entries by the names of their keys, in a directory or with the host.
 *
 * An entry has a seal (entry.c), or it is the constants of a program, whose digest is in the program's entry.
 *
 * Whatever goes wrong with an entry makes a miss: it is counted and told to the log, and the compilation goes on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "cache.h"

#define DEFAULT_LIMIT (UINT64_C(2) << 30)

#ifdef __x86_64__
static const bool runs_here = true;
#else
static const bool runs_here = false; /* what image.c links */
#endif

/* ---- opening --------------------------------------------------------------------------------------------------- */

static tn_status refuse(tn_context *ctx, tn_error **err, const char *what, const char *why) {
  return tni_fail(ctx, err, TN_E_INVALID, "cache", what, "%s", why);
}

static tn_status check_desc(tn_context *ctx, const tn_cache_desc *d, tn_error **err) {
  if (d->struct_size != sizeof *d)
    return tni_fail(ctx, err, TN_E_VERSION, "cache", "tn_cache_desc", "struct_size is %zu, this library knows %zu",
                    d->struct_size, sizeof *d);
  if (!d->directory == !d->get) return refuse(ctx, err, "tn_cache_desc", "either `directory` or `get` is given");
  if (d->directory && d->put) return refuse(ctx, err, "put", "entries go to the directory");
  if (d->key && d->key_file) return refuse(ctx, err, "key", "there is a key_file, too");
  if (d->key && (d->key_bytes < TNI_DIGEST_LEAST_KEY || d->key_bytes > TNI_DIGEST_KEY_BYTES))
    return tni_fail(ctx, err, TN_E_INVALID, "cache", "key_bytes", "%zu is not in %d..%d", d->key_bytes,
                    TNI_DIGEST_LEAST_KEY, TNI_DIGEST_KEY_BYTES);
  if (!tni_digest_ready())
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, "cache", NULL, "this library was built without libsodium");
  if (!runs_here) return tni_fail(ctx, err, TN_E_UNSUPPORTED, "cache", NULL, "only code of x86-64 is kept");
  return TN_OK;
}

static void add_id(tni_text *out, const unsigned char *id, size_t size) {
  for (size_t i = 0; i < size; i++) tni_text_add(out, "%02x", id[i]);
}

/* The builds of Tenon and LLVM. Code of an unknown build would be taken for that of another. */
static tn_status describe_builds(tn_cache *c, tn_error **err) {
  unsigned char own[64], llvm[64];
  tni_text text;
  size_t own_size = c->ctx->os->build_id((const void *)(uintptr_t)tn_cache_open, own, sizeof own);
  size_t llvm_size = tni_llvm_build_id(c->ctx, llvm, sizeof llvm);
  if (!own_size || !llvm_size)
    return tni_fail(c->ctx, err, TN_E_UNSUPPORTED, "cache", NULL,
                    "%s was linked without a build id (--build-id), so that versions cannot be told apart",
                    own_size ? "LLVM" : "this library");
  tni_text_init(&text, c->ctx);
  tni_text_add(&text, "tenon %s ", tn_version());
  add_id(&text, own, own_size);
  tni_text_add(&text, "\nlanguage %d\nllvm %s ", TN_LANGUAGE_VERSION, tni_codegen_version());
  add_id(&text, llvm, llvm_size);
  tni_text_add(&text, "\n");
  c->builds = tni_text_take(&text);
  return c->builds ? TN_OK : tni_fail_nomem(err);
}

tn_status tn_cache_open(tn_context *ctx, const tn_cache_desc *desc, tn_cache **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = check_desc(ctx, desc, err);
  if (status) return status;
  tn_cache *c = tni_alloc_zero(ctx, sizeof *c);
  if (!c) return tni_fail_nomem(err);
  if (pthread_mutex_init(&c->mutex, NULL)) {
    tni_free(ctx, c, sizeof *c);
    return tni_fail_nomem(err);
  }
  c->ctx = ctx;
  c->desc = *desc;
  c->directory = TNI_NO_DIRECTORY;
  if (!c->desc.limit_bytes) c->desc.limit_bytes = DEFAULT_LIMIT;
  if (desc->key) memcpy(c->secret, desc->key, c->secret_bytes = desc->key_bytes);
  status = describe_builds(c, err);
  if (!status && desc->key_file) status = tni_cache_read_secret(c, desc->key_file, err);
  if (!status && desc->directory) status = tni_cache_open_directory(c, err);
  c->desc.key = NULL; /* the host's memory from here on */
  c->desc.directory = c->desc.key_file = NULL;
  if (status)
    tn_cache_close(c);
  else
    *out = c;
  return status;
}

void tn_cache_close(tn_cache *c) {
  if (!c) return;
  if (c->directory != TNI_NO_DIRECTORY) c->ctx->os->close(c->directory);
  tn_text_destroy(c->builds);
  memset(c->secret, 0, sizeof c->secret);
  memset(c->seed, 0, sizeof c->seed);
  pthread_mutex_destroy(&c->mutex);
  tni_free(c->ctx, c, sizeof *c);
}

void tn_cache_count(const tn_cache *c, tn_cache_counts *out) {
  tn_cache *own = (tn_cache *)c;
  tn_cache_counts counts = {.hits = atomic_load(&own->hits),
                            .misses = atomic_load(&own->misses),
                            .refused = atomic_load(&own->refused),
                            .stored = atomic_load(&own->stored),
                            .not_stored = atomic_load(&own->not_stored),
                            .evicted = atomic_load(&own->evicted),
                            .program_hits = atomic_load(&own->program_hits),
                            .program_misses = atomic_load(&own->program_misses)};
  size_t size = out->struct_size && out->struct_size < sizeof counts ? out->struct_size : sizeof counts;
  memcpy(out, &counts, size);
  out->struct_size = size;
}

/* ---- entries --------------------------------------------------------------------------------------------------- */

static void write_name(const tni_cache_key *key, char *out) {
  for (int i = 0; i < TNI_DIGEST_BYTES; i++) snprintf(out + 2 * i, 3, "%02x", key->digest[i]);
}

/* What the host gives, copied: as a blob if that is wanted. */
typedef struct taken {
  tn_cache *cache;
  bool as_blob;
  tni_blob *blob;
  char *bytes;
  size_t size;
} taken;

static void take(void *to, const void *bytes, size_t size) {
  taken *t = to;
  if (t->bytes || t->blob || size > t->cache->desc.limit_bytes) return;
  if (t->as_blob)
    t->blob = tni_blob_create(t->cache->ctx, size);
  else
    t->bytes = tni_alloc(t->cache->ctx, size + 1);
  void *copy = t->blob ? (void *)(uintptr_t)t->blob->data : t->bytes;
  if (copy && size) memcpy(copy, bytes, size);
  t->size = size;
}

void tni_cache_refuse(tn_cache *c, const tni_cache_key *key, const char *why) {
  char name[TNI_CACHE_NAME];
  write_name(key, name);
  atomic_fetch_add(&c->refused, 1);
  tni_log(c->ctx, TN_LOG_WARN, "cache: entry %.16s is not used: %s", name, why);
  if (c->directory != TNI_NO_DIRECTORY) tni_cache_drop_file(c, name);
}

bool tni_cache_get(tn_cache *c, const tni_cache_key *key, char **bytes, size_t *size) {
  char name[TNI_CACHE_NAME];
  const char *why = NULL;
  taken t = {.cache = c};
  write_name(key, name);
  *bytes = NULL;
  *size = 0;
  if (c->directory != TNI_NO_DIRECTORY) {
    *bytes = tni_cache_read_file(c, name, size, &why);
  } else {
    c->desc.get(c->desc.self, name, take, &t);
    *bytes = t.bytes;
    *size = t.size;
  }
  if (*bytes && !why) why = tni_entry_check(*bytes, *size, key);
  if (!why) return *bytes != NULL;
  tni_cache_refuse(c, key, why);
  tni_free(c->ctx, *bytes, *size + 1);
  *bytes = NULL;
  return false;
}

tni_blob *tni_cache_get_blob(tn_cache *c, const tni_cache_key *key) {
  char name[TNI_CACHE_NAME];
  const char *why = NULL;
  taken t = {.cache = c, .as_blob = true};
  write_name(key, name);
  if (c->directory != TNI_NO_DIRECTORY)
    t.blob = tni_cache_read_blob(c, name, &why);
  else
    c->desc.get(c->desc.self, name, take, &t);
  if (why) tni_cache_refuse(c, key, why);
  return t.blob;
}

/* One piece of memory, for the host. */
static const char *give(tn_cache *c, const char *name, size_t count, const tni_contents *contents) {
  size_t size = (size_t)(contents[count - 1].offset + contents[count - 1].bytes);
  if (count == 1) return c->desc.put(c->desc.self, name, contents->data, size), NULL;
  char *whole = size > c->desc.limit_bytes ? NULL : tni_alloc_zero(c->ctx, size);
  if (!whole) return size > c->desc.limit_bytes ? "it is larger than the cache may be" : "there is no memory";
  for (size_t i = 0; i < count; i++) memcpy(whole + contents[i].offset, contents[i].data, (size_t)contents[i].bytes);
  c->desc.put(c->desc.self, name, whole, size);
  tni_free(c->ctx, whole, size);
  return NULL;
}

bool tni_cache_put_contents(tn_cache *c, const tni_cache_key *key, size_t count, const tni_contents *contents) {
  char name[TNI_CACHE_NAME];
  if (c->desc.read_only || (c->directory == TNI_NO_DIRECTORY && !c->desc.put)) return false;
  write_name(key, name);
  const char *why = c->directory != TNI_NO_DIRECTORY ? tni_cache_write_file(c, name, count, contents)
                                                     : give(c, name, count, contents);
  atomic_fetch_add(why ? &c->not_stored : &c->stored, 1);
  if (why) tni_log(c->ctx, TN_LOG_WARN, "cache: entry %.16s is not stored: %s", name, why);
  return !why;
}

void tni_cache_put(tn_cache *c, const tni_cache_key *key, const void *bytes, size_t size) {
  const tni_contents contents = {.data = bytes, .bytes = size};
  tni_cache_put_contents(c, key, 1, &contents);
}

/* ---- the seed -------------------------------------------------------------------------------------------------- */

static bool find_seed(tn_cache *c, const tni_cache_key *key, unsigned char *out) {
  tni_arena arena;
  char *bytes, **parts;
  size_t size, count, *sizes;
  if (!tni_cache_get(c, key, &bytes, &size)) return false;
  tni_arena_init(&arena, c->ctx);
  const char *why = tni_entry_read(&arena, bytes, size, key, &count, &parts, &sizes);
  if (!why && (count != 1 || sizes[0] != TNI_TAG_KEY_BYTES)) why = "it is no seed";
  if (why)
    tni_cache_refuse(c, key, why);
  else
    memcpy(out, parts[0], TNI_TAG_KEY_BYTES);
  tni_arena_destroy(&arena);
  tni_free(c->ctx, bytes, size + 1);
  return !why;
}

static void put_seed(tn_cache *c, const tni_cache_key *key) {
  unsigned char seed[TNI_TAG_KEY_BYTES];
  const size_t size = sizeof seed;
  tni_text entry;
  tni_random(seed, sizeof seed);
  tni_text_init(&entry, c->ctx);
  tni_entry_write(&entry, key, 1, (char *[]){(char *)seed}, &size);
  if (!entry.failed) tni_cache_put(c, key, entry.data, entry.length);
  tni_text_destroy(&entry);
}

/* Of processes that begin at once, all take what stands there in the end. */
static bool make_seed(tn_cache *c, const tni_cache_key *like) {
  tni_cache_key key = *like;
  tni_digest digest;
  tni_digest_begin(&digest, c->secret, c->secret_bytes);
  tni_digest_add(&digest, "seed", 4);
  tni_digest_add(&digest, key.identity, strlen(key.identity));
  tni_digest_end(&digest, key.digest);
  if (c->secret_bytes) {
    memcpy(c->seed, key.digest, sizeof c->seed);
    return true;
  }
  if (find_seed(c, &key, c->seed)) return true;
  put_seed(c, &key);
  return find_seed(c, &key, c->seed);
}

bool tni_cache_seed(tn_cache *c, const tni_cache_key *like, unsigned char *out) {
  pthread_mutex_lock(&c->mutex);
  if (!c->has_seed) c->has_seed = make_seed(c, like);
  memcpy(out, c->seed, sizeof c->seed);
  bool good = c->has_seed;
  pthread_mutex_unlock(&c->mutex);
  return good;
}
