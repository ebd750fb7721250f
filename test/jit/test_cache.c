/* test_cache.c -- the cache of compiled code: hits elsewhere, every kind of damage, and who may touch it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "suite.h"

#if defined(TNI_SODIUM) && defined(__x86_64__)

static const char program_text[] = "func twice(A: f32[64], B: f32[64]) {\n"
                                   "  for i in 0..64 {\n"
                                   "    block b(x: 0..64 = i) {\n"
                                   "      B[x] = A[x] * 2:f32\n"
                                   "    }\n"
                                   "  }\n"
                                   "}\n";

static char folder[64], directory[96], logged[4096];

static void setup(void) {
  strcpy(folder, "/tmp/tenon-cache-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(directory, sizeof directory, "%s/entries", folder);
}

static void teardown(void) {
  char command[160];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  ck_assert_int_eq(system(command), 0);
}

static void write_log(void *self, int32_t level, const char *line) {
  (void)self;
  (void)level;
  snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%s\n", line);
}

/* A context with a cache. */
typedef struct user {
  tn_context *ctx;
  tn_cache *cache;
} user;

static void open_user(user *u, const tn_cache_desc *desc) {
  tn_error *error;
  tn_context_desc how = {.struct_size = sizeof how, .log = {NULL, write_log, TN_LOG_WARN}, .threads = {.count = 1}};
  logged[0] = 0;
  ck_assert_int_eq(tn_context_create(&how, &u->ctx, &error), TN_OK);
  tn_status status = tn_cache_open(u->ctx, desc, &u->cache, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
}

static void close_user(user *u) {
  tn_cache_close(u->cache);
  tn_context_destroy(u->ctx);
}

static tn_cache_desc plain(void) {
  return (tn_cache_desc){.struct_size = sizeof(tn_cache_desc), .directory = directory};
}

/* Compiles the text, runs `twice` and gives the kernels that came from the cache. */
static uint64_t compile_text(user *u, const char *text, tn_compile_desc desc) {
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
  ck_assert_uint_eq(stats.cache_hits + stats.cache_misses, 1);
  ck_assert_uint_eq(stats.kernels, 1);
  ck_assert_uint_gt(stats.code_bytes, 100);
  if (stats.cache_hits) ck_assert_double_eq(stats.codegen_seconds, 0);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return stats.cache_hits;
}

static uint64_t compile(user *u) { return compile_text(u, program_text, (tn_compile_desc){0}); }

static tn_cache_counts count(const user *u) {
  tn_cache_counts counts = {.struct_size = sizeof counts};
  tn_cache_count(u->cache, &counts);
  return counts;
}

/* One compilation in a context of its own. */
static uint64_t compile_once(const tn_cache_desc *desc, tn_cache_counts *counts) {
  user u;
  open_user(&u, desc);
  uint64_t hits = compile(&u);
  if (counts) *counts = count(&u);
  close_user(&u);
  return hits;
}

/* The files of the directory; the last one's path. */
static int list_files(char *path, size_t room) {
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

static void make_entry(void) {
  tn_cache_desc desc = plain();
  ck_assert_uint_eq(compile_once(&desc, NULL), 0);
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), 1);
}

/* A compilation that finds an entry which is of no use, says so, and puts a good one in its place. */
static void expect_refused(const tn_cache_desc *desc, const char *why) {
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

/* ---- hits ------------------------------------------------------------------------------------------------------ */

START_TEST(a_second_context_hits)
{
  tn_cache_desc desc = plain();
  tn_cache_counts counts;
  ck_assert_uint_eq(compile_once(&desc, &counts), 0);
  ck_assert_uint_eq(counts.misses, 1);
  ck_assert_uint_eq(counts.stored, 1);
  ck_assert_uint_eq(compile_once(&desc, &counts), 1);
  ck_assert_uint_eq(counts.hits, 1);
  ck_assert_uint_eq(counts.misses + counts.stored + counts.refused + counts.evicted + counts.not_stored, 0);
  ck_assert_str_eq(logged, "");
}
END_TEST

static int in_process(const tn_cache_desc *desc) {
  pid_t child = fork();
  if (child == 0) _exit(10 + (int)compile_once(desc, NULL));
  return child;
}

static int result_of(int child) {
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) - 10 : -1;
}

START_TEST(a_second_process_hits)
{
  tn_cache_desc desc = plain();
  ck_assert_int_eq(result_of(in_process(&desc)), 0);
  ck_assert_int_eq(result_of(in_process(&desc)), 1);
  ck_assert_uint_eq(compile_once(&desc, NULL), 1);
}
END_TEST

START_TEST(processes_that_race_all_get_code)
{
  enum { PROCESSES = 6 };
  tn_cache_desc desc = plain();
  int children[PROCESSES];
  for (int i = 0; i < PROCESSES; i++) children[i] = in_process(&desc);
  for (int i = 0; i < PROCESSES; i++) ck_assert_int_ge(result_of(children[i]), 0);
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), 1);
  ck_assert_uint_eq(compile_once(&desc, NULL), 1);
}
END_TEST

/* What code depends on is in the key. */
START_TEST(other_programs_and_options_miss)
{
  user u;
  tn_error *error;
  tn_cache_desc desc = plain();
  const tn_target *v2;
  open_user(&u, &desc);
  ck_assert_uint_eq(compile(&u), 0);
  ck_assert_uint_eq(compile(&u), 1);
  char *text = strdup(program_text);
  memcpy(strstr(text, "block b"), "block c", 7);
  ck_assert_uint_eq(compile_text(&u, text, (tn_compile_desc){0}), 0);
  free(text);
  ck_assert_uint_eq(compile_text(&u, program_text, (tn_compile_desc){.keep_schedules = 1}), 0);
  ck_assert_uint_eq(compile_text(&u, program_text, (tn_compile_desc){.unproven = TN_UNPROVEN_TRUST}), 0);
  ck_assert_int_eq(tn_target_get(u.ctx, "x86-64-v2", &v2, &error), TN_OK);
  ck_assert_uint_eq(compile_text(&u, program_text, (tn_compile_desc){.target = v2}), 0);
  ck_assert_uint_eq(compile_text(&u, program_text, (tn_compile_desc){.target = v2}), 1);
  ck_assert_uint_eq(compile(&u), 1);
  close_user(&u);
}
END_TEST

START_TEST(functions_of_constant_folding_hit)
{
  enum { N = 3000 };
  static const char text[] = "func turn(A: f32[3000, 3000], B: f32[3000, 3000]) {\n"
                             "  for i in 0..3000 {\n"
                             "    for j in 0..3000 {\n"
                             "      block b(x: 0..3000 = i, y: 0..3000 = j) {\n"
                             "        B[x, y] = A[y, x]\n"
                             "      }\n"
                             "    }\n"
                             "  }\n"
                             "}\n";
  tn_cache_desc desc = plain();
  float *a = calloc(N * N, sizeof *a), *b = calloc(N * N, sizeof *b);
  a[5 * N + 7] = 3;
  for (uint64_t round = 0; round < 2; round++) {
    user u;
    tn_error *error;
    tn_program *program;
    open_user(&u, &desc);
    ck_assert_int_eq(tn_program_parse(u.ctx, text, strlen(text), "test", &program, &error), TN_OK);
    ck_assert_int_eq(tni_evaluate_func(u.cache, tn_program_func_at(program, 0), (void *[]){a, b}, &error), TN_OK);
    ck_assert_float_eq(b[7 * N + 5], 3);
    ck_assert_uint_eq(count(&u).hits, round);
    ck_assert_uint_eq(count(&u).misses, 1 - round);
    tn_program_destroy(program);
    close_user(&u);
  }
  free(a);
  free(b);
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------------------------- */

static char *read_entry(size_t *size) {
  FILE *f = fopen(entry_path, "rb");
  ck_assert_ptr_nonnull(f);
  char *bytes = malloc(1 << 20);
  *size = fread(bytes, 1, 1 << 20, f);
  fclose(f);
  return bytes;
}

static void write_entry(const char *bytes, size_t size) {
  FILE *f = fopen(entry_path, "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
  ck_assert_int_eq(fclose(f), 0);
  ck_assert_int_eq(chmod(entry_path, 0600), 0);
}

/* The key of the entry's file. */
static tni_cache_key key_of(const char *bytes, char *identity, size_t room) {
  tni_cache_key key = {.identity = identity};
  uint64_t length;
  memcpy(&length, bytes + 48, sizeof length);
  ck_assert_uint_lt(length, room);
  memcpy(key.digest, bytes + 16, sizeof key.digest);
  memcpy(identity, bytes + 64, length);
  identity[length] = 0;
  return key;
}

START_TEST(every_flipped_bit_and_every_cut_is_seen)
{
  char identity[2048];
  size_t size;
  make_entry();
  char *bytes = read_entry(&size);
  tni_cache_key key = key_of(bytes, identity, sizeof identity);
  ck_assert_ptr_null(tni_entry_check(bytes, size, &key));
  for (size_t i = 0; i < 8 * size; i++) {
    bytes[i / 8] ^= (char)(1 << i % 8);
    ck_assert_ptr_nonnull(tni_entry_check(bytes, size, &key));
    bytes[i / 8] ^= (char)(1 << i % 8);
  }
  for (size_t n = 0; n < size; n++) {
    char *part = malloc(n + 1);
    memcpy(part, bytes, n);
    ck_assert_ptr_nonnull(tni_entry_check(part, n, &key));
    free(part);
  }
  free(bytes);
}
END_TEST

/* With a seal that fits, as who knows the secret could make it, or where there is none. */
START_TEST(no_bytes_harm_the_reader)
{
  char identity[2048];
  size_t size;
  user u;
  tn_cache_desc desc = plain();
  make_entry();
  open_user(&u, &desc);
  char *bytes = read_entry(&size);
  tni_cache_key key = key_of(bytes, identity, sizeof identity);
  for (size_t i = 0; i < 8 * size; i++) {
    tni_arena arena;
    size_t count, *sizes;
    char **objects;
    tni_library *library = NULL;
    bytes[i / 8] ^= (char)(1 << i % 8);
    tni_arena_init(&arena, u.ctx);
    if (!tni_entry_read(&arena, bytes, size, &key, &count, &objects, &sizes))
      tni_library_load(u.ctx, true, count, objects, sizes, &library, NULL);
    tni_library_unload(library);
    tni_arena_destroy(&arena);
    bytes[i / 8] ^= (char)(1 << i % 8);
  }
  free(bytes);
  close_user(&u);
}
END_TEST

/* Seals the bytes anew. */
static void seal(char *bytes, size_t size) {
  tni_digest d;
  tni_digest_begin(&d, NULL, 0);
  tni_digest_add(&d, "seal", 4);
  tni_digest_add(&d, bytes, size - TNI_DIGEST_BYTES);
  tni_digest_end(&d, (unsigned char *)bytes + size - TNI_DIGEST_BYTES);
}

static void flip_middle(char *bytes, size_t *size) { bytes[*size / 2] ^= 1; }
static void cut(char *bytes, size_t *size) { (void)bytes, *size -= 1; }
static void empty(char *bytes, size_t *size) { (void)bytes, *size = 0; }
static void other_format(char *bytes, size_t *size) { bytes[6]++, (void)size; }
static void other_key(char *bytes, size_t *size) { bytes[20]++, seal(bytes, *size); }
static void other_version(char *bytes, size_t *size) { bytes[64 + 6]++, seal(bytes, *size); }
static void longer_identity(char *bytes, size_t *size) { bytes[49]++, seal(bytes, *size); }
static void more_objects(char *bytes, size_t *size) { bytes[59]++, seal(bytes, *size); }
static void no_object(char *bytes, size_t *size) { bytes[56] = 0, seal(bytes, *size); }
static size_t object_at(const char *bytes) {
  uint64_t length;
  memcpy(&length, bytes + 48, sizeof length);
  return (64 + length + 8 + 15) & ~(uint64_t)15;
}
static void shorter_object(char *bytes, size_t *size) {
  uint64_t length;
  memcpy(&length, bytes + 48, sizeof length);
  bytes[64 + length]++;
  seal(bytes, *size);
}
static void other_machine(char *bytes, size_t *size) { bytes[object_at(bytes) + 18]++, seal(bytes, *size); }
/* `twice` becomes `Twice`, in the object. */
static void other_symbol(char *bytes, size_t *size) {
  for (size_t i = object_at(bytes); i + 6 < *size; i++)
    if (!memcmp(bytes + i, "\0twice", 6)) bytes[i + 1] = 'T';
  seal(bytes, *size);
}

static const struct damage {
  void (*make)(char *bytes, size_t *size);
  const char *why;
} damages[] = {
    {flip_middle, "it is damaged, or sealed with another key\n"},
    {cut, "it is not whole\n"},
    {empty, "it is no entry of this format\n"},
    {other_format, "it is no entry of this format\n"},
    {other_key, "it is another one's\n"},
    {other_version, "it was made by another version or for another processor\n"},
    {longer_identity, "it was made by another version or for another processor\n"},
    {more_objects, "its table of objects is damaged\n"},
    {no_object, "its table of objects is damaged\n"},
    {shorter_object, "its table of objects is damaged\n"},
    {other_machine, "load: object: it is no relocatable x86-64 object for this processor\n"},
    {other_symbol, "its code is not that of the program's functions\n"},
};

START_TEST(a_damaged_entry_is_a_miss_and_is_made_anew)
{
  size_t size;
  tn_cache_desc desc = plain();
  make_entry();
  char *bytes = read_entry(&size);
  damages[_i].make(bytes, &size);
  write_entry(bytes, size);
  free(bytes);
  expect_refused(&desc, damages[_i].why);
}
END_TEST

/* ---- keys ------------------------------------------------------------------------------------------------------ */

START_TEST(other_keys_share_nothing)
{
  tn_cache_desc with = plain(), other = plain(), without = plain();
  tn_cache_counts counts;
  with.key = "0123456789abcdef";
  with.key_bytes = 16;
  other.key = "0123456789abcdeF";
  other.key_bytes = 16;
  ck_assert_uint_eq(compile_once(&with, NULL), 0);
  ck_assert_uint_eq(compile_once(&with, NULL), 1);
  ck_assert_uint_eq(compile_once(&other, NULL), 0);
  ck_assert_uint_eq(compile_once(&without, &counts), 0);
  ck_assert_uint_eq(counts.refused, 0);
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), 3);
}
END_TEST

/* Under the name of an entry, one that somebody without the key made. */
START_TEST(what_is_sealed_without_the_key_is_not_run)
{
  tn_cache_desc with = plain();
  size_t size;
  char name[512];
  with.key = "0123456789abcdef";
  with.key_bytes = 16;
  ck_assert_uint_eq(compile_once(&with, NULL), 0);
  list_files(entry_path, sizeof entry_path);
  strcpy(name, entry_path);
  char *bytes = read_entry(&size);
  seal(bytes, size);
  write_entry(bytes, size);
  free(bytes);
  expect_refused(&with, "it is damaged, or sealed with another key\n");
}
END_TEST

static char key_path[128];

static void write_key(size_t size, unsigned mode) {
  snprintf(key_path, sizeof key_path, "%s/key", folder);
  FILE *f = fopen(key_path, "wb");
  ck_assert_ptr_nonnull(f);
  for (size_t i = 0; i < size; i++) fputc((int)i, f);
  ck_assert_int_eq(fclose(f), 0);
  ck_assert_int_eq(chmod(key_path, mode), 0);
}

START_TEST(a_key_comes_from_a_file)
{
  tn_cache_desc file = plain(), bytes = plain();
  unsigned char key[32];
  for (int i = 0; i < 32; i++) key[i] = (unsigned char)i;
  write_key(32, 0600);
  file.key_file = key_path;
  bytes.key = key;
  bytes.key_bytes = 32;
  ck_assert_uint_eq(compile_once(&file, NULL), 0);
  ck_assert_uint_eq(compile_once(&bytes, NULL), 1);
}
END_TEST

/* ---- files ----------------------------------------------------------------------------------------------------- */

START_TEST(a_file_that_others_may_write_is_not_read)
{
  tn_cache_desc desc = plain();
  make_entry();
  ck_assert_int_eq(chmod(entry_path, 0620), 0);
  expect_refused(&desc, "others than its owner may write to it\n");
}
END_TEST

START_TEST(a_link_is_not_followed)
{
  tn_cache_desc desc = plain();
  char moved[600];
  make_entry();
  snprintf(moved, sizeof moved, "%s/moved", folder);
  ck_assert_int_eq(rename(entry_path, moved), 0);
  ck_assert_int_eq(symlink(moved, entry_path), 0);
  expect_refused(&desc, "it is a symbolic link\n");
  ck_assert_int_eq(unlink(entry_path), 0);
  ck_assert_int_eq(link(moved, entry_path), 0);
  expect_refused(&desc, "it has other names as well\n");
  ck_assert_int_eq(unlink(entry_path), 0);
  ck_assert_int_eq(mkfifo(entry_path, 0600), 0);
  expect_refused(&desc, "it is no regular file\n");
}
END_TEST

START_TEST(a_large_file_is_not_read)
{
  tn_cache_desc desc = plain();
  make_entry();
  desc.limit_bytes = 1000000;
  ck_assert_int_eq(truncate(entry_path, 1000001), 0);
  expect_refused(&desc, "it is larger than the cache may be\n");
}
END_TEST

static tni_os faulty;
static int gives_enospc(int file, const void *bytes, size_t size) {
  return (void)file, (void)bytes, (void)size, ENOSPC;
}
static int gives_eio(int file, uint64_t at, void *to, size_t size) {
  return (void)file, (void)at, (void)to, (void)size, EIO;
}
static int gives_eacces(int d, const char *a, const char *b) { return (void)d, (void)a, (void)b, EACCES; }
static int opens_nothing_new(int d, const char *name, enum tni_open how, int *file) {
  return how == TNI_OPEN_NEW ? EDQUOT : tni_os_default.open_at(d, name, how, file);
}
static bool fails_describe;
static int may_not_describe(int file, tni_file *out) {
  return fails_describe ? EIO : tni_os_default.describe(file, out);
}
static int describes_another_users(int file, tni_file *out) {
  int failure = tni_os_default.describe(file, out);
  out->user = 12345;
  return failure;
}
static const void *without_id;
static size_t no_id(const void *address, unsigned char *id, size_t room) {
  return address == without_id ? 0 : tni_os_default.build_id(address, id, room);
}
static uint32_t another_user(void) { return 12345; }
static bool yes(void) { return true; }

/* A compilation whose entry cannot be written: it has its code, and nothing is left behind. */
static void expect_not_stored(const char *why) {
  user u;
  tn_cache_desc desc = plain();
  open_user(&u, &desc);
  u.ctx->os = &faulty;
  ck_assert_uint_eq(compile(&u), 0);
  ck_assert_uint_eq(count(&u).not_stored, 1);
  const char *end = strstr(logged, " is not stored: ");
  ck_assert_msg(end && !strcmp(end + 16, why), "%s", logged);
  u.ctx->os = &tni_os_default;
  close_user(&u);
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), 0);
}

START_TEST(a_full_disk_is_told)
{
  faulty = tni_os_default;
  faulty.write_all = gives_enospc;
  expect_not_stored("No space left on device\n");
  faulty = tni_os_default;
  faulty.rename_at = gives_eacces;
  expect_not_stored("Permission denied\n");
  faulty = tni_os_default;
  faulty.open_at = opens_nothing_new;
  expect_not_stored("Disk quota exceeded\n");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_miss)
{
  for (int i = 0; i < 2; i++) {
    user u;
    tn_cache_desc desc = plain();
    make_entry();
    open_user(&u, &desc);
    faulty = tni_os_default;
    if (i == 0) faulty.read_at = gives_eio;
    if (i == 1) faulty.describe = may_not_describe;
    fails_describe = true;
    u.ctx->os = &faulty;
    ck_assert_uint_eq(compile(&u), 0);
    ck_assert_uint_eq(count(&u).refused, 1);
    ck_assert_ptr_nonnull(strstr(logged, " is not used: Input/output error\n"));
    u.ctx->os = &tni_os_default;
    close_user(&u);
    ck_assert_int_eq(unlink(entry_path), 0);
  }
}
END_TEST

START_TEST(a_file_of_another_user_is_not_read)
{
  user u;
  tn_cache_desc desc = plain();
  make_entry();
  open_user(&u, &desc);
  faulty = tni_os_default;
  faulty.describe = describes_another_users;
  u.ctx->os = &faulty;
  ck_assert_uint_eq(compile(&u), 0);
  const char *why = strstr(logged, "it is ");
  ck_assert_ptr_nonnull(why);
  ck_assert_str_eq(why, "it is another user's\n");
  u.ctx->os = &tni_os_default;
  close_user(&u);
}
END_TEST

START_TEST(a_read_only_cache_is_left_as_it_is)
{
  tn_cache_desc desc = plain();
  size_t size;
  desc.read_only = 1;
  ck_assert_int_eq(mkdir(directory, 0700), 0);
  ck_assert_uint_eq(compile_once(&desc, NULL), 0);
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), 0);
  make_entry();
  ck_assert_uint_eq(compile_once(&desc, NULL), 1);
  char *bytes = read_entry(&size);
  bytes[200] ^= 1;
  write_entry(bytes, size);
  free(bytes);
  expect_refused(&desc, "it is damaged, or sealed with another key\n");
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), 1);
}
END_TEST

/* Programs of other constants, until there is no room: the oldest go, files that are not ours stay. */
START_TEST(what_was_used_longest_ago_goes)
{
  user u;
  size_t size;
  tn_cache_desc desc = plain();
  char other[600];
  struct stat info;
  make_entry();
  free(read_entry(&size));
  snprintf(other, sizeof other, "%s/notes.txt", directory);
  fclose(fopen(other, "w"));
  desc.limit_bytes = 8 * size;
  open_user(&u, &desc);
  char *text = strdup(program_text);
  for (int i = 0; i < 20; i++) {
    memcpy(strstr(text, "block ") + 6, (char[]){(char)('c' + i)}, 1);
    ck_assert_uint_eq(compile_text(&u, text, (tn_compile_desc){0}), 0);
  }
  free(text);
  int files = list_files(entry_path, sizeof entry_path);
  ck_assert_int_ge(files, 6);
  ck_assert_int_le(files, 9);
  ck_assert_uint_eq(count(&u).evicted, (uint64_t)(21 - (files - 1)));
  ck_assert_int_eq(stat(other, &info), 0);
  ck_assert_uint_eq(compile(&u), 0);
  close_user(&u);
  desc.limit_bytes = size / 2;
  tn_cache_counts counts;
  ck_assert_uint_eq(compile_once(&desc, &counts), 0);
  ck_assert_uint_eq(counts.not_stored, 1);
  ck_assert_ptr_nonnull(strstr(logged, " is not stored: it is larger than the cache may be\n"));
}
END_TEST

/* ---- opening --------------------------------------------------------------------------------------------------- */

static void expect_open_error(const tn_cache_desc *desc, const tni_os *os, tn_status want, const char *text) {
  tn_context *ctx;
  tn_cache *cache;
  tn_error *error;
  char whole[400];
  ck_assert_int_eq(tn_context_create(NULL, &ctx, &error), TN_OK);
  ctx->os = os;
  ck_assert_int_eq(tn_cache_open(ctx, desc, &cache, &error), want);
  snprintf(whole, sizeof whole, text, desc->directory ? desc->directory : "", key_path);
  ck_assert_str_eq(tn_error_text(error), whole);
  ck_assert_ptr_null(cache);
  tn_error_destroy(error);
  tn_context_destroy(ctx);
}

static void host_get(void *self, const char *name, void (*take)(void *to, const void *bytes, size_t size), void *to) {
  (void)self, (void)name, (void)take, (void)to;
}
static void host_put(void *self, const char *name, const void *bytes, size_t size) {
  (void)self, (void)name, (void)bytes, (void)size;
}

START_TEST(descriptions_that_are_wrong_are_refused)
{
  const tni_os *os = &tni_os_default;
  tn_cache_desc d = plain();
  d.struct_size = 8;
  char text[120];
  snprintf(text, sizeof text, "cache: tn_cache_desc: struct_size is 8, this library knows %zu", sizeof d);
  expect_open_error(&d, os, TN_E_VERSION, text);
  d = plain();
  d.get = host_get;
  expect_open_error(&d, os, TN_E_INVALID, "cache: tn_cache_desc: either `directory` or `get` is given");
  d = plain();
  d.put = host_put;
  expect_open_error(&d, os, TN_E_INVALID, "cache: put: entries go to the directory");
  d = plain();
  d.key = d.key_file = "secret";
  expect_open_error(&d, os, TN_E_INVALID, "cache: key: there is a key_file, too");
  d = plain();
  d.key = "secret";
  d.key_bytes = 6;
  expect_open_error(&d, os, TN_E_INVALID, "cache: key_bytes: 6 is not in 16..64");
}
END_TEST

START_TEST(builds_that_cannot_be_told_apart_are_refused)
{
  tn_cache_desc d = plain();
  faulty = tni_os_default;
  faulty.build_id = no_id;
  without_id = (const void *)(uintptr_t)tn_cache_open;
  expect_open_error(&d, &faulty, TN_E_UNSUPPORTED,
                    "cache: this library was linked without a build id (--build-id), so that versions cannot be told apart");
  without_id = tni_codegen_address();
  expect_open_error(&d, &faulty, TN_E_UNSUPPORTED,
                    "cache: LLVM was linked without a build id (--build-id), so that versions cannot be told apart");
}
END_TEST

START_TEST(directories_that_are_not_safe_are_refused)
{
  tn_cache_desc d = plain();
  char other[200];
  faulty = tni_os_default;
  faulty.is_privileged = yes;
  expect_open_error(&d, &faulty, TN_E_INVALID, "cache: %s: the process has privileges that its user has not");
  faulty = tni_os_default;
  faulty.user = another_user;
  expect_open_error(&d, &faulty, TN_E_INVALID, "cache: %s: the directory is another user's");
  ck_assert_int_eq(chmod(directory, 0770), 0);
  expect_open_error(&d, &tni_os_default, TN_E_INVALID, "cache: %s: others than its owner may write to the directory");
  ck_assert_int_eq(chmod(directory, 0700), 0);
  ck_assert_int_eq(chmod(folder, 0777), 0);
  expect_open_error(&d, &tni_os_default, TN_E_INVALID, "cache: %s: others may write to a directory above it");
  ck_assert_int_eq(chmod(folder, 0700), 0);
  snprintf(other, sizeof other, "%s/link", folder);
  ck_assert_int_eq(symlink(directory, other), 0);
  d.directory = other;
  expect_open_error(&d, &tni_os_default, TN_E_IO, "cache: %s: Not a directory");
  snprintf(other, sizeof other, "%s/a/b", folder);
  expect_open_error(&d, &tni_os_default, TN_E_NOT_FOUND, "cache: %s: No such file or directory");
  snprintf(other, sizeof other, "%s/a", folder);
  d.read_only = 1;
  expect_open_error(&d, &tni_os_default, TN_E_NOT_FOUND, "cache: %s: No such file or directory");
}
END_TEST

START_TEST(keys_that_are_not_secret_are_refused)
{
  tn_cache_desc d = plain();
  write_key(32, 0640);
  d.key_file = key_path;
  expect_open_error(&d, &tni_os_default, TN_E_INVALID, "cache: %2$s: others than this user may read or write the key");
  write_key(8, 0600);
  expect_open_error(&d, &tni_os_default, TN_E_INVALID, "cache: %2$s: the key has 8 bytes, not 16 to 64");
  ck_assert_int_eq(unlink(key_path), 0);
  expect_open_error(&d, &tni_os_default, TN_E_NOT_FOUND, "cache: %2$s: No such file or directory");
  ck_assert_int_eq(mkdir(key_path, 0700), 0);
  expect_open_error(&d, &tni_os_default, TN_E_INVALID, "cache: %2$s: the key is no regular file");
}
END_TEST

START_TEST(a_cache_of_another_context_is_refused)
{
  user u, v;
  tn_cache_desc desc = plain();
  tn_program *program;
  tn_module *module;
  tn_error *error;
  open_user(&u, &desc);
  open_user(&v, &desc);
  const tn_compile_desc how = {.struct_size = sizeof how, .cache = u.cache};
  ck_assert_int_eq(tn_program_parse(v.ctx, program_text, strlen(program_text), "test", &program, &error), TN_OK);
  ck_assert_int_eq(tn_compile(program, &how, &module, &error), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(error), "build: cache: it was opened in another context");
  tn_error_destroy(error);
  tn_program_destroy(program);
  close_user(&v);
  close_user(&u);
}
END_TEST

/* ---- storage of the host ---------------------------------------------------------------------------------------- */

typedef struct shelf {
  char name[100], *bytes;
  size_t size;
} shelf;

static void shelf_get(void *self, const char *name, void (*take)(void *to, const void *bytes, size_t size), void *to) {
  shelf *s = self;
  if (s->bytes && strcmp(s->name, name) == 0) take(to, s->bytes, s->size);
}

static void shelf_put(void *self, const char *name, const void *bytes, size_t size) {
  shelf *s = self;
  ck_assert_uint_eq(strlen(name), 64);
  ck_assert_uint_eq(strspn(name, "0123456789abcdef"), 64);
  free(s->bytes);
  strcpy(s->name, name);
  s->bytes = malloc(size);
  s->size = size;
  memcpy(s->bytes, bytes, size);
}

START_TEST(a_host_keeps_entries_itself)
{
  shelf s = {0};
  tn_cache_desc desc = {.struct_size = sizeof desc, .self = &s, .get = shelf_get, .put = shelf_put};
  ck_assert_uint_eq(compile_once(&desc, NULL), 0);
  ck_assert_uint_gt(s.size, 500);
  ck_assert_uint_eq(compile_once(&desc, NULL), 1);
  s.bytes[s.size - 1] ^= 1;
  expect_refused(&desc, "it is damaged, or sealed with another key\n");
  free(s.bytes);
}
END_TEST

#else

START_TEST(a_library_that_cannot_says_so)
{
  tn_context *ctx;
  tn_cache *cache;
  tn_error *error;
  const tn_cache_desc desc = {.struct_size = sizeof desc, .directory = "cache"};
  ck_assert_int_eq(tn_context_create(NULL, &ctx, &error), TN_OK);
  ck_assert_int_eq(tn_cache_open(ctx, &desc, &cache, &error), TN_E_UNSUPPORTED);
#ifdef TNI_SODIUM
  ck_assert_str_eq(tn_error_text(error), "cache: only code of x86-64 is kept");
#else
  ck_assert_str_eq(tn_error_text(error), "cache: this library was built without libsodium");
#endif
  tn_error_destroy(error);
  tn_context_destroy(ctx);
}
END_TEST

#endif

int main(void) {
  TCase *tests = tcase_create("cache");
#if defined(TNI_SODIUM) && defined(__x86_64__)
  tcase_add_test(tests, a_second_context_hits);
  tcase_add_test(tests, a_second_process_hits);
  tcase_add_test(tests, processes_that_race_all_get_code);
  tcase_add_test(tests, other_programs_and_options_miss);
  tcase_add_test(tests, functions_of_constant_folding_hit);
  tcase_add_test(tests, every_flipped_bit_and_every_cut_is_seen);
  tcase_add_test(tests, no_bytes_harm_the_reader);
  tcase_add_loop_test(tests, a_damaged_entry_is_a_miss_and_is_made_anew, 0, (int)TNI_COUNT(damages));
  tcase_add_test(tests, other_keys_share_nothing);
  tcase_add_test(tests, what_is_sealed_without_the_key_is_not_run);
  tcase_add_test(tests, a_key_comes_from_a_file);
  tcase_add_test(tests, a_file_that_others_may_write_is_not_read);
  tcase_add_test(tests, a_link_is_not_followed);
  tcase_add_test(tests, a_large_file_is_not_read);
  tcase_add_test(tests, a_full_disk_is_told);
  tcase_add_test(tests, a_file_that_cannot_be_read_is_a_miss);
  tcase_add_test(tests, a_file_of_another_user_is_not_read);
  tcase_add_test(tests, a_read_only_cache_is_left_as_it_is);
  tcase_add_test(tests, what_was_used_longest_ago_goes);
  tcase_add_test(tests, descriptions_that_are_wrong_are_refused);
  tcase_add_test(tests, builds_that_cannot_be_told_apart_are_refused);
  tcase_add_test(tests, directories_that_are_not_safe_are_refused);
  tcase_add_test(tests, keys_that_are_not_secret_are_refused);
  tcase_add_test(tests, a_cache_of_another_context_is_refused);
  tcase_add_test(tests, a_host_keeps_entries_itself);
  return suite_run_case("cache", tests, 200, setup, teardown);
#else
  tcase_add_test(tests, a_library_that_cannot_says_so);
  return suite_run_case("cache", tests, 200, NULL, NULL);
#endif
}
