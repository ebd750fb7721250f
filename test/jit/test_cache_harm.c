/* test_cache_harm.c -- whole models in the cache of compiled code under damage, forged ones, without memory. Needs libsodium, as
 * the cache does: test_cache.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../lib/fault.h"
#include "kept_models.h"

/* ---- damage ------------------------------------------------------------------------------------------------------- */

/* Sets entry_path to the file whose text after the head is that, or which has no head. */
static void find_file(const char *magic_or_none, const char *within) {
  DIR *d = opendir(directory);
  bool found = false;
  for (struct dirent *e; !found && (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    size_t size;
    snprintf(entry_path, sizeof entry_path, "%s/%s", directory, e->d_name);
    char *bytes = read_entry(&size);
    bool has_head = size > 8 && memcmp(bytes, "TNCODE1\n", 8) == 0;
    found = has_head == (magic_or_none != NULL) && (!within || memmem(bytes, size, within, strlen(within)));
    free(bytes);
  }
  closedir(d);
  ck_assert(found);
}

static void find_constants(void) { find_file(NULL, NULL); }
static void find_program(void) { find_file("", "graph main("); }

typedef struct harm {
  void (*find)(void);
  int64_t flip; /* the byte from the beginning, or the end; 0: it is cut there */
  int64_t cut;
  const char *why; /* NULL: it is a miss */
} harm;

static const harm harms[] = {
    {find_constants, 1, 0, "it is damaged, or sealed with another key\n"},
    {find_constants, -1, 0, "it is damaged, or sealed with another key\n"},
    {find_constants, 4000, 0, "it is damaged, or sealed with another key\n"},
    {find_constants, 0, 64, "it is not whole\n"},
    {find_constants, 0, -1, "it is not whole\n"},
    {find_constants, 0, 0, NULL},
    {find_program, 600, 0, "it is damaged, or sealed with another key\n"},
    {find_program, 0, -1, "it is not whole\n"},
    {find_program, 0, 0, NULL},
};

static void do_harm(const harm *h) {
  size_t size;
  h->find();
  char *bytes = read_entry(&size);
  if (h->flip) bytes[h->flip < 0 ? (int64_t)size + h->flip : h->flip] ^= 4;
  if (h->cut) size = (size_t)(h->cut < 0 ? (int64_t)size + h->cut : h->cut);
  write_entry(bytes, size);
  if (!h->flip && !h->cut) ck_assert_int_eq(unlink(entry_path), 0);
  free(bytes);
}

/* In a cache with a key, and in one without. */
START_TEST(a_damaged_model_is_a_miss_and_is_made_anew)
{
  const harm *h = &harms[_i];
  tn_cache_desc desc = plain();
  for (int keyed = 0; keyed < 2; keyed++) {
    if (keyed) teardown(), setup();
    desc.key = keyed ? "0123456789abcdef" : NULL;
    desc.key_bytes = keyed ? 16 : 0;
    use_once(&desc, 1);
    do_harm(h);
    tn_cache_counts counts = use_once(&desc, 1);
    ck_assert_uint_eq(counts.program_hits, 0);
    ck_assert_uint_eq(counts.hits, 1);
    ck_assert_uint_eq(counts.refused, h->why != NULL);
    const char *end = strstr(logged, " is not used: ");
    if (h->why) ck_assert_msg(end && strcmp(end + 14, h->why) == 0, "%s", logged);
    ck_assert_uint_eq(counts.stored, 2);
    expect_hit(&desc, 1);
  }
}
END_TEST

static void find_seed(void) {
  size_t size = 1000;
  DIR *d = opendir(directory);
  for (struct dirent *e; size >= 1000 && (e = readdir(d));) {
    snprintf(entry_path, sizeof entry_path, "%s/%s", directory, e->d_name);
    if (e->d_name[0] != '.') free(read_entry(&size));
  }
  closedir(d);
}

START_TEST(a_lost_seed_is_a_miss)
{
  tn_cache_desc desc = plain();
  use_once(&desc, 1);
  find_seed();
  ck_assert_int_eq(unlink(entry_path), 0);
  tn_cache_counts counts = use_once(&desc, 1);
  ck_assert_uint_eq(counts.program_misses, 1);
  ck_assert_uint_eq(counts.hits, 1);
  expect_hit(&desc, 1);
}
END_TEST

/* In the place of the file an entry of its key that is whole, but of something else. */
static void put_other(size_t parts, char *const *bytes, const size_t *sizes) {
  char identity[2048];
  size_t size;
  char *old = read_entry(&size);
  tni_cache_key key = key_of(old, identity, sizeof identity);
  tni_text entry;
  user u;
  tn_cache_desc desc = plain();
  open_user(&u, &desc);
  tni_text_init(&entry, u.ctx);
  tni_entry_write(&entry, &key, parts, bytes, sizes);
  write_entry(entry.data, entry.length);
  tni_text_destroy(&entry);
  close_user(&u);
  free(old);
}

START_TEST(what_is_something_else_is_refused)
{
  static const struct {
    void (*find)(void);
    size_t parts;
    const char *why;
  } others[] = {{find_seed, 1, "it is no seed\n"},
                {find_program, 1, "it is no program\n"},
                {find_program, 5, "its program is not that of the key\n"}};
  tn_cache_desc desc = plain();
  char *const bytes[] = {"func f() {\n}\n", "", "", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"};
  const size_t sizes[] = {13, 0, 0, 32, 32};
  for (size_t i = 0; i < TNI_COUNT(others); i++) {
    teardown(), setup();
    use_once(&desc, 1);
    others[i].find();
    put_other(others[i].parts, bytes, sizes);
    tn_cache_counts counts = use_once(&desc, 1);
    ck_assert_uint_eq(counts.program_hits, 0);
    ck_assert_uint_eq(counts.refused, 1);
    const char *end = strstr(logged, " is not used: ");
    ck_assert_msg(end && strcmp(end + 14, others[i].why) == 0, "%s", logged);
    expect_hit(&desc, 1);
  }
}
END_TEST

/* With a seal that fits, as who may write to a cache without a key could make it: whatever comes of it, the process lives
 * and compiles. */
START_TEST(no_program_harms_the_reader)
{
  tn_cache_desc desc = plain();
  size_t size;
  use_once(&desc, 1);
  find_program();
  char *bytes = read_entry(&size);
  for (size_t i = 48; i < size - TNI_DIGEST_BYTES; i += 1 + (size_t)rand() % 7) {
    user u;
    tn_error *error;
    tn_program *program;
    tn_module *module;
    char *text = model_text(1);
    bytes[i] ^= (char)(1 << i % 8);
    seal(bytes, size);
    write_entry(bytes, size);
    desc.read_only = 1;
    open_user(&u, &desc);
    const tn_compile_desc how = {.struct_size = sizeof how, .cache = u.cache};
    ck_assert_int_eq(tn_program_parse(u.ctx, text, strlen(text), "test", &program, &error), TN_OK);
    tn_status status = tn_compile(program, &how, &module, &error);
    if (status) tn_error_destroy(error);
    tn_module_destroy(module);
    tn_program_destroy(program);
    close_user(&u);
    free(text);
    bytes[i] ^= (char)(1 << i % 8);
  }
  free(bytes);
}
END_TEST

/* Each request for memory fails once: the model is found, or its passes run, or it is said that there is no memory. */
START_TEST(without_memory_it_is_found_later)
{
  tn_cache_desc desc = plain();
  use_once(&desc, 1);
  desc.read_only = 1;
  char *text = model_text(1);
  uint64_t hits = 0, misses = 0;
  bool reached = true;
  for (long n = 1; reached; n = fault_next(n)) {
    fault f = {.once = true};
    user u = {.ctx = fault_context(&f)};
    tn_program *program;
    tn_module *module;
    tn_error *error;
    ck_assert_int_eq(tn_cache_open(u.ctx, &desc, &u.cache, &error), TN_OK);
    ck_assert_int_eq(tn_program_parse(u.ctx, text, strlen(text), "test", &program, &error), TN_OK);
    const tn_compile_desc how = {.struct_size = sizeof how, .cache = u.cache};
    f.fail_at = atomic_load(&f.calls) + n;
    tn_status status = tn_compile(program, &how, &module, &error);
    reached = atomic_load(&f.calls) >= f.fail_at;
    f.fail_at = 0;
    ck_assert_msg(status == TN_OK || status == TN_E_NOMEM, "request %ld: %s", n, tn_error_text(error));
    if (status) tn_error_destroy(error);
    if (!status) check_results(module, 1);
    hits += count(&u).program_hits;
    misses += count(&u).program_misses;
    tn_module_destroy(module);
    tn_program_destroy(program);
    tn_cache_close(u.cache);
    fault_finish(&f, u.ctx);
  }
  ck_assert_uint_gt(hits, 0);
  ck_assert_uint_gt(misses, 0);
  free(text);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("cache_harm");
  tcase_add_loop_test(tests, a_damaged_model_is_a_miss_and_is_made_anew, 0, (int)TNI_COUNT(harms));
  tcase_add_test(tests, a_lost_seed_is_a_miss);
  tcase_add_test(tests, what_is_something_else_is_refused);
  tcase_add_test(tests, no_program_harms_the_reader);
  tcase_add_test(tests, without_memory_it_is_found_later);
  return suite_run_case("cache_harm", tests, 200, setup, teardown);
}
