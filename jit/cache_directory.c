/* cache_directory.c -- entries as files of a directory that nobody but its owner may write to.
 *
 * The directory is opened once and held. A file is written under a name of its own and then renamed, so that a reader
 * sees all of it or none; a reader holds what it has opened, whoever unlinks it. There is no index and no lock: any
 * number of processes. When the files are more than the limit, those that were used longest ago go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache.h"

enum { GROUP_OR_OTHERS_WRITE = 022, GROUP_OR_OTHERS = 077, STICKY = 01000, MOST_PARENTS = 256, TRIES = 16 };
#define STALE INT64_C(3600000000000) /* ns after which a file that nobody renamed was left by a dead process */
static const char suffix[] = ".tenon", unfinished[] = ".writing";

/* ---- opening --------------------------------------------------------------------------------------------------- */

static tn_status refuse(tn_cache *c, const char *path, const char *why, tn_error **err) {
  return tni_fail(c->ctx, err, TN_E_INVALID, "cache", path, "%s", why);
}

static tn_status fail_system(tn_cache *c, const char *path, int failure, tn_error **err) {
  return tni_fail(c->ctx, err, failure == ENOENT ? TN_E_NOT_FOUND : TN_E_IO, "cache", path, "%s", strerror(failure));
}

/* The directory is this user's (or, only to be read, root's), and only theirs to write. */
static tn_status check_directory(tn_cache *c, tn_error **err) {
  tni_file file;
  const tni_os *os = c->ctx->os;
  int failure = os->describe(c->directory, &file);
  if (failure) return fail_system(c, c->desc.directory, failure, err);
  if (file.user != os->user() && !(c->desc.read_only && file.user == 0))
    return refuse(c, c->desc.directory, "the directory is another user's", err);
  if (file.mode & GROUP_OR_OTHERS_WRITE)
    return refuse(c, c->desc.directory, "others than its owner may write to the directory", err);
  return TN_OK;
}

/* Who may rename what is above it may put another one in its place. */
static tn_status check_parents(tn_cache *c, tn_error **err) {
  const tni_os *os = c->ctx->os;
  tni_file here = {0}, above;
  int at = c->directory, next;
  int failure = os->describe(at, &here);
  for (int i = 0; i < MOST_PARENTS && !failure; i++) {
    failure = os->open_at(at, "..", TNI_OPEN_DIRECTORY, &next);
    if (at != c->directory) os->close(at);
    at = next;
    if (failure || (failure = os->describe(at, &above))) break;
    bool top = above.device == here.device && above.number == here.number;
    bool foreign = above.user != 0 && above.user != os->user();
    if (foreign || ((above.mode & GROUP_OR_OTHERS_WRITE) && !(above.mode & STICKY))) {
      os->close(at);
      return refuse(c, c->desc.directory, "others may write to a directory above it", err);
    }
    here = above;
    if (top) break;
  }
  if (at >= 0 && at != c->directory) os->close(at);
  return failure ? fail_system(c, c->desc.directory, failure, err) : TN_OK;
}

static void add_size(void *self, const char *name);

tn_status tni_cache_open_directory(tn_cache *c, tn_error **err) {
  const tni_os *os = c->ctx->os;
  if (os->is_privileged())
    return refuse(c, c->desc.directory, "the process has privileges that its user has not", err);
  int failure = c->desc.read_only ? 0 : os->make_directory(c->desc.directory);
  if (failure == EEXIST) failure = 0;
  if (!failure) failure = os->open_at(TNI_NO_DIRECTORY, c->desc.directory, TNI_OPEN_DIRECTORY, &c->directory);
  if (failure) {
    c->directory = TNI_NO_DIRECTORY;
    return fail_system(c, c->desc.directory, failure, err);
  }
  tn_status status = check_directory(c, err);
  if (!status) status = check_parents(c, err);
  if (!status && !c->desc.read_only) os->list(c->directory, add_size, c);
  return status;
}

tn_status tni_cache_read_secret(tn_cache *c, const char *path, tn_error **err) {
  const tni_os *os = c->ctx->os;
  tni_file file;
  int at, failure = os->open_at(TNI_NO_DIRECTORY, path, TNI_OPEN_READ, &at);
  if (failure) return fail_system(c, path, failure, err);
  tn_status status = TN_OK;
  if ((failure = os->describe(at, &file)))
    status = fail_system(c, path, failure, err);
  else if (!file.is_regular)
    status = refuse(c, path, "the key is no regular file", err);
  else if (file.user != os->user() || (file.mode & GROUP_OR_OTHERS))
    status = refuse(c, path, "others than this user may read or write the key", err);
  else if (file.size < TNI_DIGEST_LEAST_KEY || file.size > TNI_DIGEST_KEY_BYTES)
    status = tni_fail(c->ctx, err, TN_E_INVALID, "cache", path, "the key has %llu bytes, not %d to %d",
                      (unsigned long long)file.size, TNI_DIGEST_LEAST_KEY, TNI_DIGEST_KEY_BYTES);
  else if ((failure = os->read_at(at, 0, c->secret, (size_t)file.size)))
    status = fail_system(c, path, failure, err);
  else
    c->secret_bytes = (size_t)file.size;
  os->close(at);
  return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static const char *check_file(tn_cache *c, const tni_file *file) {
  if (!file->is_regular) return "it is no regular file";
  if (file->links != 1) return "it has other names as well";
  if (file->user != c->ctx->os->user() && !(c->desc.read_only && file->user == 0)) return "it is another user's";
  if (file->mode & GROUP_OR_OTHERS_WRITE) return "others than its owner may write to it";
  if (file->size > c->desc.limit_bytes) return "it is larger than the cache may be";
  return NULL;
}

/* The file, open, and how large it is. False: there is none, or *why says what it is. */
static bool open_entry(tn_cache *c, const char *name, int *file, size_t *size, const char **why) {
  char path[TNI_CACHE_NAME + sizeof suffix];
  const tni_os *os = c->ctx->os;
  tni_file info;
  snprintf(path, sizeof path, "%s%s", name, suffix);
  int failure = os->open_at(c->directory, path, TNI_OPEN_READ, file);
  if (failure == ENOENT) return false;
  if (failure) return *why = failure == ELOOP ? "it is a symbolic link" : strerror(failure), false;
  if ((failure = os->describe(*file, &info)))
    *why = strerror(failure);
  else
    *why = check_file(c, &info);
  *size = (size_t)info.size;
  if (*why) os->close(*file);
  return !*why;
}

/* Its last use is noted. */
static void close_entry(tn_cache *c, int file, bool used) {
  if (used && !c->desc.read_only) c->ctx->os->touch(file);
  c->ctx->os->close(file);
}

char *tni_cache_read_file(tn_cache *c, const char *name, size_t *size, const char **why) {
  int file, failure = 0;
  if (!open_entry(c, name, &file, size, why)) return NULL;
  char *bytes = tni_alloc(c->ctx, *size + 1);
  if (!bytes)
    *why = "there is no memory";
  else if ((failure = c->ctx->os->read_at(file, 0, bytes, *size)))
    *why = strerror(failure);
  if (failure) {
    tni_free(c->ctx, bytes, *size + 1);
    bytes = NULL;
  }
  close_entry(c, file, bytes);
  return bytes;
}

tni_blob *tni_cache_read_blob(tn_cache *c, const char *name, const char **why) {
  int file, failure = 0;
  size_t size;
  const void *mapped;
  tni_blob *blob = NULL;
  if (!open_entry(c, name, &file, &size, why)) return NULL;
  if (c->secret_bytes || !size) {
    blob = tni_blob_create(c->ctx, size);
    if (blob) failure = c->ctx->os->read_at(file, 0, (void *)(uintptr_t)blob->data, size);
  } else if (!(failure = c->ctx->os->map_open(file, size, &mapped))) {
    blob = tni_blob_mapped(c->ctx, mapped, size);
  }
  if (failure || !blob) {
    *why = failure ? strerror(failure) : "there is no memory";
    tni_blob_unref(blob);
    blob = NULL;
  }
  close_entry(c, file, blob);
  return blob;
}

void tni_cache_drop_file(tn_cache *c, const char *name) {
  char path[TNI_CACHE_NAME + sizeof suffix];
  snprintf(path, sizeof path, "%s%s", name, suffix);
  if (!c->desc.read_only) c->ctx->os->unlink_at(c->directory, path);
}

/* ---- the limit ------------------------------------------------------------------------------------------------- */

typedef struct found {
  char name[TNI_CACHE_NAME + sizeof suffix];
  uint64_t bytes;
  int64_t used;
} found;

typedef struct listing {
  tn_cache *cache;
  found *files;
  size_t count, capacity;
  uint64_t bytes;
  int64_t newest;
} listing;

static bool ends_with(const char *name, const char *end) {
  size_t length = strlen(name), tail = strlen(end);
  return length >= tail && strcmp(name + length - tail, end) == 0;
}

/* One of our files: how large it is, and when it was used. */
static bool look_at(tn_cache *c, const char *name, tni_file *info) {
  const tni_os *os = c->ctx->os;
  int file;
  if (strlen(name) >= sizeof(found){0}.name || (!ends_with(name, suffix) && !ends_with(name, unfinished))) return false;
  if (os->open_at(c->directory, name, TNI_OPEN_READ, &file)) return false;
  bool good = !os->describe(file, info) && info->is_regular;
  os->close(file);
  return good;
}

static void add_size(void *self, const char *name) {
  tn_cache *c = self;
  tni_file info;
  if (look_at(c, name, &info)) atomic_fetch_add(&c->bytes, info.size);
}

static void add_found(void *self, const char *name) {
  listing *l = self;
  tni_file info;
  if (!look_at(l->cache, name, &info) ||
      !tni_reserve(l->cache->ctx, (void **)&l->files, &l->capacity, l->count + 1, sizeof *l->files))
    return;
  found *f = &l->files[l->count++];
  *f = (found){.bytes = info.size, .used = info.changed};
  memcpy(f->name, name, strlen(name) + 1);
  l->bytes += info.size;
  if (info.changed > l->newest) l->newest = info.changed;
}

static int by_use(const void *a, const void *b) {
  const found *x = a, *y = b;
  return (x->used > y->used) - (x->used < y->used);
}

/* Unlinks what a dead process left, and what was used longest ago, until all is well below the limit. */
static void make_room(tn_cache *c) {
  listing l = {.cache = c};
  uint64_t want = c->desc.limit_bytes / 8 * 7;
  c->ctx->os->list(c->directory, add_found, &l);
  if (l.count) qsort(l.files, l.count, sizeof *l.files, by_use);
  for (size_t i = 0; i < l.count; i++) {
    const found *f = &l.files[i];
    bool writing = ends_with(f->name, unfinished);
    if (writing ? l.newest - f->used < STALE : l.bytes <= want) continue;
    if (c->ctx->os->unlink_at(c->directory, f->name)) continue;
    l.bytes -= f->bytes;
    atomic_fetch_add(&c->evicted, 1);
  }
  tni_free(c->ctx, l.files, l.capacity * sizeof *l.files);
  atomic_store(&c->bytes, l.bytes);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* A new file of a name that no other process uses. */
static int create_file(tn_cache *c, char *name, size_t room, int *file) {
  int failure = EEXIST;
  for (int i = 0; i < TRIES && failure == EEXIST; i++) {
    snprintf(name, room, "%ld-%llu%s", (long)getpid(), (unsigned long long)atomic_fetch_add(&c->number, 1), unfinished);
    failure = c->ctx->os->open_at(c->directory, name, TNI_OPEN_NEW, file);
  }
  return failure;
}

static int write_contents(tn_cache *c, int file, size_t count, const tni_contents *contents) {
  static const char zeros[64];
  uint64_t at = 0;
  int failure = 0;
  for (size_t i = 0; i < count && !failure; i++) {
    for (uint64_t gap; (gap = contents[i].offset - at) && !failure; at += gap) {
      if (gap > sizeof zeros) gap = sizeof zeros;
      failure = c->ctx->os->write_all(file, zeros, (size_t)gap);
    }
    if (!failure) failure = c->ctx->os->write_all(file, contents[i].data, (size_t)contents[i].bytes);
    at += contents[i].bytes;
  }
  return failure;
}

const char *tni_cache_write_file(tn_cache *c, const char *name, size_t count, const tni_contents *contents) {
  char to[TNI_CACHE_NAME + sizeof suffix], from[64];
  const tni_os *os = c->ctx->os;
  uint64_t size = contents[count - 1].offset + contents[count - 1].bytes;
  int file;
  if (size > c->desc.limit_bytes) return "it is larger than the cache may be";
  int failure = create_file(c, from, sizeof from, &file);
  if (failure) return strerror(failure);
  failure = write_contents(c, file, count, contents);
  os->close(file);
  snprintf(to, sizeof to, "%s%s", name, suffix);
  if (!failure) failure = os->rename_at(c->directory, from, to);
  if (failure) {
    os->unlink_at(c->directory, from);
    return strerror(failure);
  }
  if (atomic_fetch_add(&c->bytes, size) + size > c->desc.limit_bytes) make_room(c);
  return NULL;
}
