/* test_cache.c -- the cache of compiled code: hits elsewhere, keys, room, storage of the host's, what is refused to open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/wait.h>

#include "entries.h"

#if defined(TNI_SODIUM) && defined(__x86_64__)

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

/* One code with two entries, with numbers and without. */
START_TEST(functions_that_share_code_hit)
{
#define LIKE(name, extent)                                                                                             \
  "func " name "(A: f32[" extent "], B: f32[" extent "]) {\n"                                                           \
  "  for i in 0.." extent " {\n    block b(x: 0.." extent " = i) {\n      B[x] = A[x] * 2:f32\n    }\n  }\n}\n"
  static const char *const texts[] = {LIKE("twice", "64") LIKE("again", "64"), LIKE("twice", "64") LIKE("longer", "96")};
  for (size_t i = 0; i < TNI_COUNT(texts); i++)
    for (uint64_t round = 0; round < 2; round++) {
      user u;
      tn_cache_desc desc = plain();
      open_user(&u, &desc);
      ck_assert_uint_eq(compile_text(&u, texts[i], (tn_compile_desc){0}), 2 * round);
      ck_assert_uint_eq(count(&u).refused, 0);
      close_user(&u);
    }
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
  ck_assert(!suite_maps("/libLLVM")); /* in this process nobody has compiled */
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

/* ---- room ------------------------------------------------------------------------------------------------------ */

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

static tni_os faulty;
static size_t no_id(const void *address, unsigned char *id, size_t room) {
  (void)address, (void)id, (void)room;
  return 0;
}
static size_t no_file_id(const char *path, unsigned char *id, size_t room) {
  (void)path, (void)id, (void)room;
  return 0;
}
static uint32_t another_user(void) { return 12345; }
static bool yes(void) { return true; }

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
  expect_open_error(&d, &faulty, TN_E_UNSUPPORTED,
                    "cache: this library was linked without a build id (--build-id), so that versions cannot be told apart");
  faulty = tni_os_default;
  faulty.file_build_id = no_file_id;
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
  tcase_add_test(tests, functions_that_share_code_hit);
  tcase_add_test(tests, a_second_process_hits);
  tcase_add_test(tests, processes_that_race_all_get_code);
  tcase_add_test(tests, other_programs_and_options_miss);
  tcase_add_test(tests, functions_of_constant_folding_hit);
  tcase_add_test(tests, other_keys_share_nothing);
  tcase_add_test(tests, a_key_comes_from_a_file);
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
