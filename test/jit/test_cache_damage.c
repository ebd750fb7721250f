/* test_cache_damage.c -- the cache of compiled code under damage: each bit of an entry, forged ones, files that are not to be
 * trusted, disks that fail. Needs libsodium, as the cache does: test_cache.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "entries.h"

/* ---- damage ---------------------------------------------------------------------------------------------------- */

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

int main(void) {
  TCase *tests = tcase_create("cache_damage");
  tcase_add_test(tests, every_flipped_bit_and_every_cut_is_seen);
  tcase_add_test(tests, no_bytes_harm_the_reader);
  tcase_add_loop_test(tests, a_damaged_entry_is_a_miss_and_is_made_anew, 0, (int)TNI_COUNT(damages));
  tcase_add_test(tests, what_is_sealed_without_the_key_is_not_run);
  tcase_add_test(tests, a_file_that_others_may_write_is_not_read);
  tcase_add_test(tests, a_link_is_not_followed);
  tcase_add_test(tests, a_large_file_is_not_read);
  tcase_add_test(tests, a_full_disk_is_told);
  tcase_add_test(tests, a_file_that_cannot_be_read_is_a_miss);
  tcase_add_test(tests, a_file_of_another_user_is_not_read);
  tcase_add_test(tests, a_read_only_cache_is_left_as_it_is);
  return suite_run_case("cache_damage", tests, 200, setup, teardown);
}
