/* entries.h -- what the tests of the cache of compiled code share: a directory of their own, contexts that compile one
 * function through it, the file of its entry.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_ENTRIES_H
#define TEST_JIT_ENTRIES_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "suite.h"

static const char program_text[] = "func twice(A: f32[64], B: f32[64]) {\n"
                                   "  for i in 0..64 {\n"
                                   "    block b(x: 0..64 = i) {\n"
                                   "      B[x] = A[x] * 2:f32\n"
                                   "    }\n"
                                   "  }\n"
                                   "}\n";

static char folder[64], directory[96], logged[4096];

static inline void setup(void) {
  strcpy(folder, "/tmp/tenon-cache-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(directory, sizeof directory, "%s/entries", folder);
}

static inline void teardown(void) {
  char command[160];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  ck_assert_int_eq(system(command), 0);
}

static inline void write_log(void *self, int32_t level, const char *line) {
  (void)self;
  (void)level;
  snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%s\n", line);
}

/* A context with a cache. */
typedef struct user {
  tn_context *ctx;
  tn_cache *cache;
} user;

static inline void open_user(user *u, const tn_cache_desc *desc) {
  tn_error *error;
  tn_context_desc how = {.struct_size = sizeof how, .log = {NULL, write_log, TN_LOG_WARN}, .threads = {.count = 1}};
  logged[0] = 0;
  ck_assert_int_eq(tn_context_create(&how, &u->ctx, &error), TN_OK);
  tn_status status = tn_cache_open(u->ctx, desc, &u->cache, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
}

static inline void close_user(user *u) {
  tn_cache_close(u->cache);
  tn_context_destroy(u->ctx);
}

static inline tn_cache_desc plain(void) {
  return (tn_cache_desc){.struct_size = sizeof(tn_cache_desc), .directory = directory};
}

static inline uint64_t count_functions(const char *text) {
  uint64_t count = 0;
  for (const char *at = text; (at = strstr(at, "func ")); at++) count++;
  return count;
}

/* Compiles the text, runs `twice` and gives the kernels that came from the cache. */
static inline uint64_t compile_text(user *u, const char *text, tn_compile_desc desc) {
  tn_error *error;
  tn_program *program;
  tn_module *module;
  const tn_function *f;
  tn_compile_stats stats = {.struct_size = sizeof stats};
  desc.struct_size = sizeof desc;
  desc.cache = u->cache;
  tn_status status = tn_program_parse(u->ctx, text, strlen(text), "test", &program, &error);
  if (!status) status = tn_compile(program, &desc, &module, &error);
  if (!status) status = tn_module_function(module, "twice", &f, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  float a[64], b[64] = {0};
  for (int i = 0; i < 64; i++) a[i] = (float)i;
  int32_t (*run)(const tn_env *, const float *, float *) =
      (int32_t(*)(const tn_env *, const float *, float *))tn_function_pointer(f);
  ck_assert_int_eq(run(tn_function_env(f), a, b), 0);
  for (int i = 0; i < 64; i++) ck_assert_float_eq(b[i], 2 * (float)i);
  tn_module_stats(module, &stats);
  ck_assert_uint_eq(stats.cache_hits + stats.cache_misses, count_functions(text));
  ck_assert_uint_eq(stats.kernels, count_functions(text));
  ck_assert_uint_gt(stats.code_bytes, 100);
  if (stats.cache_hits) ck_assert_double_eq(stats.codegen_seconds, 0);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return stats.cache_hits;
}

static inline uint64_t compile(user *u) { return compile_text(u, program_text, (tn_compile_desc){0}); }

static inline tn_cache_counts count(const user *u) {
  tn_cache_counts counts = {.struct_size = sizeof counts};
  tn_cache_count(u->cache, &counts);
  return counts;
}

/* One compilation in a context of its own. */
static inline uint64_t compile_once(const tn_cache_desc *desc, tn_cache_counts *counts) {
  user u;
  open_user(&u, desc);
  uint64_t hits = compile(&u);
  if (counts) *counts = count(&u);
  close_user(&u);
  return hits;
}

/* The files of the directory; the last one's path. */
static inline int list_files(char *path, size_t room) {
  DIR *d = opendir(directory);
  int files = 0;
  ck_assert_ptr_nonnull(d);
  for (struct dirent *e; (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    snprintf(path, room, "%s/%s", directory, e->d_name);
    files++;
  }
  closedir(d);
  return files;
}

static char entry_path[512];

static inline void make_entry(void) {
  tn_cache_desc desc = plain();
  ck_assert_uint_eq(compile_once(&desc, NULL), 0);
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), 1);
}

/* A compilation that finds an entry which is of no use, says so, and puts a good one in its place. */
static inline void expect_refused(const tn_cache_desc *desc, const char *why) {
  tn_cache_counts counts;
  ck_assert_uint_eq(compile_once(desc, &counts), 0);
  const char *end = strstr(logged, " is not used: ");
  ck_assert_msg(strncmp(logged, "cache: entry ", 13) == 0 && end, "%s", logged);
  ck_assert_str_eq(end + 14, why);
  ck_assert_uint_eq(counts.refused, 1);
  ck_assert_uint_eq(counts.misses, 1);
  if (desc->read_only) return;
  ck_assert_uint_eq(counts.stored, 1);
  ck_assert_uint_eq(compile_once(desc, NULL), 1);
}

static inline char *read_entry(size_t *size) {
  FILE *f = fopen(entry_path, "rb");
  ck_assert_ptr_nonnull(f);
  char *bytes = malloc(1 << 20);
  *size = fread(bytes, 1, 1 << 20, f);
  fclose(f);
  return bytes;
}

/* The key of the entry's file. */
static inline tni_cache_key key_of(const char *bytes, char *identity, size_t room) {
  tni_cache_key key = {.identity = identity};
  uint64_t length;
  memcpy(&length, bytes + 48, sizeof length);
  ck_assert_uint_lt(length, room);
  memcpy(key.digest, bytes + 16, sizeof key.digest);
  memcpy(identity, bytes + 64, length);
  identity[length] = 0;
  return key;
}

static inline void write_entry(const char *bytes, size_t size) {
  FILE *f = fopen(entry_path, "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
  ck_assert_int_eq(fclose(f), 0);
  ck_assert_int_eq(chmod(entry_path, 0600), 0);
}

/* Seals the bytes anew. */
static inline void seal(char *bytes, size_t size) {
  tni_digest d;
  tni_digest_begin(&d, NULL, 0);
  tni_digest_add(&d, "seal", 4);
  tni_digest_add(&d, bytes, size - TNI_DIGEST_BYTES);
  tni_digest_end(&d, (unsigned char *)bytes + size - TNI_DIGEST_BYTES);
}

#endif
