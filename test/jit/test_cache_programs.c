/* test_cache_programs.c -- programs behind their passes in the cache of compiled code: whole models that hit, what makes them
 * miss, and damage. Needs libsodium, as the cache does: test_cache.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/wait.h>

#include "../lib/fault.h"
#include "entries.h"

enum { ROWS = 3, K = 40, N = 48, FILES = 4 }; /* seed, code, constants, text */

/* ---- a model ----------------------------------------------------------------------------------------------------- */

/* relu(x w + v), with w and v from the seed. */
static char *model_text(int seed) {
  size_t room = 1 << 16, at = 0;
  char *text = malloc(room);
  at += (size_t)snprintf(text + at, room - at, "graph main(x: f32[%d, %d]) -> (y) {\n  const w: f32[%d, %d] = [", ROWS, K, K, N);
  for (int i = 0; i < K * N; i++)
    at += (size_t)snprintf(text + at, room - at, "%s%d.0", i ? ", " : "", (i * 37 + seed) % 19 - 9);
  at += (size_t)snprintf(text + at, room - at, "]\n  const v: f32[%d] = [", N);
  for (int i = 0; i < N; i++) at += (size_t)snprintf(text + at, room - at, "%s%d.0", i ? ", " : "", (i + seed) % 7);
  snprintf(text + at, room - at,
           "]\n  p: f32[%d, %d] = matmul(x, w) as \"layer/product\"\n  s: f32[%d, %d] = add(p, v)\n"
           "  y: f32[%d, %d] = relu(s)\n}\n",
           ROWS, N, ROWS, N, ROWS, N);
  return text;
}

static void check_results(const tn_module *module, int seed) {
  tn_error *error;
  const tn_model *m;
  float x[ROWS * K], y[ROWS * N];
  for (int i = 0; i < ROWS * K; i++) x[i] = (float)(i % 11 - 5);
  ck_assert_int_eq(tn_module_model(module, "main", &m, &error), TN_OK);
  int64_t in_shape[] = {ROWS, K}, out_shape[] = {ROWS, N};
  DLTensor in = {.data = x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = in_shape}, out = in;
  out.data = y;
  out.shape = out_shape;
  const DLTensor *ins[] = {&in}, *outs[] = {&out};
  tn_status status = tn_model_run(m, ins, 1, outs, 1, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < N; j++) {
      float sum = (float)((j + seed) % 7);
      for (int k = 0; k < K; k++) sum += x[i * K + k] * (float)(((k * N + j) * 37 + seed) % 19 - 9);
      ck_assert_float_eq(y[i * N + j], sum > 0 ? sum : 0);
    }
  tn_step_info step = {.struct_size = sizeof step};
  ck_assert_uint_eq(tn_model_step_count(m), 1);
  tn_model_step(m, 0, &step);
  ck_assert_str_eq(step.operators, "matmul add relu");
  ck_assert_str_eq(step.nodes, "layer/product, s, y");
}

/* Compiles it and runs it. */
static void use_model(user *u, int seed, tn_compile_desc desc) {
  tn_error *error;
  tn_program *program;
  tn_module *module;
  char *text = model_text(seed);
  desc.struct_size = sizeof desc;
  desc.cache = u->cache;
  tn_status status = tn_program_parse(u->ctx, text, strlen(text), "test", &program, &error);
  if (!status) status = tn_compile(program, &desc, &module, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  tn_program_destroy(program);
  check_results(module, seed);
  tn_module_destroy(module);
  free(text);
}

/* The same in a context of its own, closed again. */
static tn_cache_counts use_once(const tn_cache_desc *desc, int seed) {
  user u;
  open_user(&u, desc);
  use_model(&u, seed, (tn_compile_desc){0});
  tn_cache_counts counts = count(&u);
  close_user(&u);
  return counts;
}

static void expect_hit(const tn_cache_desc *desc, int seed) {
  tn_cache_counts counts = use_once(desc, seed);
  ck_assert_uint_eq(counts.program_hits, 1);
  ck_assert_uint_eq(counts.hits, 1);
  ck_assert_uint_eq(counts.misses + counts.program_misses + counts.refused + counts.stored + counts.not_stored, 0);
  ck_assert_str_eq(logged, "");
}

/* ---- hits and misses ---------------------------------------------------------------------------------------------- */

START_TEST(a_model_is_found_behind_its_passes)
{
  tn_cache_desc desc = plain();
  tn_cache_counts counts = use_once(&desc, 1);
  ck_assert_uint_eq(counts.program_misses, 1);
  ck_assert_uint_eq(counts.stored, FILES);
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), FILES);
  expect_hit(&desc, 1);
  ck_assert_int_eq(list_files(entry_path, sizeof entry_path), FILES);
}
END_TEST

/* The code is the same, and found. */
START_TEST(other_weights_of_the_graph_miss)
{
  tn_cache_desc desc = plain();
  use_once(&desc, 1);
  tn_cache_counts counts = use_once(&desc, 2);
  ck_assert_uint_eq(counts.program_hits, 0);
  ck_assert_uint_eq(counts.hits, 1);
  ck_assert_uint_eq(counts.stored, 2);
  expect_hit(&desc, 1);
  expect_hit(&desc, 2);
}
END_TEST

START_TEST(other_options_and_targets_miss)
{
  user u;
  tn_error *error;
  tn_cache_desc desc = plain();
  const tn_target *v2;
  uint64_t misses = 0;
  open_user(&u, &desc);
  ck_assert_int_eq(tn_target_get(u.ctx, "x86-64-v2", &v2, &error), TN_OK);
  const tn_compile_desc ways[] = {{.struct_size = 0}, {.direct = 1}, {.integers = 1}, {.unproven = TN_UNPROVEN_TRUST},
                                  {.keep_schedules = 1}, {.target = v2}};
  for (int round = 0; round < 2; round++)
    for (size_t i = 0; i < TNI_COUNT(ways); i++) {
      use_model(&u, 1, ways[i]);
      misses += round == 0;
      ck_assert_uint_eq(count(&u).program_misses, misses);
    }
  ck_assert_uint_eq(count(&u).program_hits, TNI_COUNT(ways));
  ck_assert_str_eq(logged, "");
  close_user(&u);
}
END_TEST

/* Limits may refuse what passes make of it. */
START_TEST(other_limits_miss)
{
  user u;
  tn_cache_desc desc = plain();
  use_once(&desc, 1);
  open_user(&u, &desc);
  u.ctx->limits.nodes = 1000;
  use_model(&u, 1, (tn_compile_desc){0});
  ck_assert_uint_eq(count(&u).program_misses, 1);
  close_user(&u);
}
END_TEST

START_TEST(another_number_of_threads_hits)
{
  user u;
  tn_error *error;
  tn_cache_desc desc = plain();
  tn_context_desc how = {.struct_size = sizeof how, .threads = {.count = 3}};
  use_once(&desc, 1);
  ck_assert_int_eq(tn_context_create(&how, &u.ctx, &error), TN_OK);
  ck_assert_int_eq(tn_cache_open(u.ctx, &desc, &u.cache, &error), TN_OK);
  use_model(&u, 1, (tn_compile_desc){0});
  ck_assert_uint_eq(count(&u).program_hits, 1);
  close_user(&u);
}
END_TEST

static void see_nothing(void *self, const tn_pass_event *event) { (void)event, ++*(int *)self; }

/* Who wants word of the passes gets it. */
START_TEST(observed_passes_run)
{
  user u;
  int events = 0;
  tn_cache_desc desc = plain();
  use_once(&desc, 1);
  open_user(&u, &desc);
  use_model(&u, 1, (tn_compile_desc){.observe = see_nothing, .observe_self = &events});
  ck_assert_int_gt(events, 4);
  ck_assert_uint_eq(count(&u).program_hits + count(&u).program_misses, 0);
  close_user(&u);
}
END_TEST

START_TEST(processes_that_race_find_one_seed)
{
  enum { PROCESSES = 6 };
  tn_cache_desc desc = plain();
  pid_t children[PROCESSES];
  for (int i = 0; i < PROCESSES; i++) {
    children[i] = fork();
    if (children[i] == 0) use_once(&desc, 1 + i % 2), _exit(0);
  }
  for (int i = 0; i < PROCESSES; i++) {
    int status;
    ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  use_once(&desc, 1), use_once(&desc, 2); /* under a seed that took another one's place nothing is found again */
  expect_hit(&desc, 1);
  expect_hit(&desc, 2);
}
END_TEST

/* ---- keys and storages -------------------------------------------------------------------------------------------- */

START_TEST(models_of_other_keys_share_nothing)
{
  tn_cache_desc with = plain(), other = plain(), without = plain();
  with.key = "0123456789abcdef";
  other.key = "0123456789abcdeF";
  with.key_bytes = other.key_bytes = 16;
  const tn_cache_desc *const all[] = {&with, &other, &without};
  for (size_t i = 0; i < TNI_COUNT(all); i++) {
    tn_cache_counts counts = use_once(all[i], 1);
    ck_assert_uint_eq(counts.program_hits, 0);
    ck_assert_uint_eq(counts.stored, all[i]->key ? FILES - 1 : FILES);
    ck_assert_uint_eq(counts.refused, 0);
  }
  for (size_t i = 0; i < TNI_COUNT(all); i++) expect_hit(all[i], 1);
}
END_TEST

typedef struct shelf {
  struct {
    char name[65], *bytes;
    size_t size;
  } books[FILES];
  size_t count;
} shelf;

static void shelf_get(void *self, const char *name, void (*take)(void *to, const void *bytes, size_t size), void *to) {
  shelf *s = self;
  for (size_t i = 0; i < s->count; i++)
    if (strcmp(s->books[i].name, name) == 0) take(to, s->books[i].bytes, s->books[i].size);
}

static void shelf_put(void *self, const char *name, const void *bytes, size_t size) {
  shelf *s = self;
  ck_assert_uint_lt(s->count, FILES);
  strcpy(s->books[s->count].name, name);
  s->books[s->count].bytes = malloc(size);
  memcpy(s->books[s->count].bytes, bytes, size);
  s->books[s->count++].size = size;
}

START_TEST(a_host_keeps_models_itself)
{
  shelf s = {0};
  tn_cache_desc desc = {.struct_size = sizeof desc, .self = &s, .get = shelf_get, .put = shelf_put};
  use_once(&desc, 1);
  ck_assert_uint_eq(s.count, FILES);
  expect_hit(&desc, 1);
  desc.put = NULL; /* nor can a seed be made without */
  expect_hit(&desc, 1);
  for (size_t i = 0; i < s.count; i++) free(s.books[i].bytes);
  s.count = 0;
  tn_cache_counts counts = use_once(&desc, 1);
  ck_assert_uint_eq(counts.program_misses, 1);
}
END_TEST

START_TEST(a_small_cache_keeps_no_constants)
{
  tn_cache_desc desc = plain();
  desc.limit_bytes = 6000; /* of 7872 */
  for (int round = 0; round < 2; round++) {
    tn_cache_counts counts = use_once(&desc, 1);
    ck_assert_uint_eq(counts.program_hits, 0);
    ck_assert_uint_ge(counts.not_stored, 1);
    ck_assert_ptr_nonnull(strstr(logged, " is not stored: it is larger than the cache may be\n"));
  }
}
END_TEST

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

/* Seals the bytes anew. */
static void seal(char *bytes, size_t size) {
  tni_digest d;
  tni_digest_begin(&d, NULL, 0);
  tni_digest_add(&d, "seal", 4);
  tni_digest_add(&d, bytes, size - TNI_DIGEST_BYTES);
  tni_digest_end(&d, (unsigned char *)bytes + size - TNI_DIGEST_BYTES);
}

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
  TCase *tests = tcase_create("cache_programs");
  tcase_add_test(tests, a_model_is_found_behind_its_passes);
  tcase_add_test(tests, other_weights_of_the_graph_miss);
  tcase_add_test(tests, other_options_and_targets_miss);
  tcase_add_test(tests, other_limits_miss);
  tcase_add_test(tests, another_number_of_threads_hits);
  tcase_add_test(tests, observed_passes_run);
  tcase_add_test(tests, processes_that_race_find_one_seed);
  tcase_add_test(tests, models_of_other_keys_share_nothing);
  tcase_add_test(tests, a_host_keeps_models_itself);
  tcase_add_test(tests, a_small_cache_keeps_no_constants);
  tcase_add_loop_test(tests, a_damaged_model_is_a_miss_and_is_made_anew, 0, (int)TNI_COUNT(harms));
  tcase_add_test(tests, a_lost_seed_is_a_miss);
  tcase_add_test(tests, what_is_something_else_is_refused);
  tcase_add_test(tests, no_program_harms_the_reader);
  tcase_add_test(tests, without_memory_it_is_found_later);
  return suite_run_case("cache_programs", tests, 200, setup, teardown);
}
