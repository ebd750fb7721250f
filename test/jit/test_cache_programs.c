/* test_cache_programs.c -- programs behind their passes in the cache of compiled code: whole models that hit, and what makes
 * them miss. Needs libsodium, as the cache does: test_cache.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/wait.h>

#include "ir/onnx_writer.h"
#include "kept_models.h"

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

/* ---- constants as the model has them ------------------------------------------------------------------------------ */

enum { TABLE = 64 * 512 };

/* y = x + t; t lies in the file from a byte on that the length of the producer's name is a part of. */
static bytes table_model(const char *producer) {
  static float table[TABLE];
  bytes g = {0}, file = {0}, rest;
  for (int i = 0; i < TABLE; i++) table[i] = (float)(i % 97);
  add_node(&g, node("Add", "sum", "x t", "y"));
  add_weight(&g, tensor_raw("t", ONNX_FLOAT, 2, (int64_t[]){64, 512}, table, sizeof table));
  add_input(&g, "x", 2, (int64_t[]){64, 512});
  add_output(&g, "y");
  rest = model(13, g);
  put_text(&file, 2, producer);
  file.data = realloc(file.data, file.size + rest.size);
  memcpy(file.data + file.size, rest.data, rest.size);
  file.size += rest.size;
  free(rest.data);
  return file;
}

static void add_table(user *u, const char *producer) {
  static float x[TABLE], y[TABLE];
  bytes file = table_model(producer);
  tn_error *error;
  tn_program *program;
  tn_module *module;
  const tn_model *m;
  const tn_compile_desc how = {.struct_size = sizeof how, .cache = u->cache};
  tn_status status = tn_onnx_import(u->ctx, file.data, file.size, NULL, &program, &error);
  free(file.data);
  if (!status) status = tn_compile(program, &how, &module, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  tn_program_destroy(program);
  int64_t shape[] = {64, 512};
  DLTensor in = {.data = x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = shape}, out = in;
  out.data = y;
  const DLTensor *ins[] = {&in}, *outs[] = {&out};
  for (int i = 0; i < TABLE; i++) x[i] = (float)(i % 13);
  ck_assert_int_eq(tn_module_model(module, "main", &m, &error), TN_OK);
  ck_assert_int_eq(tn_model_run(m, ins, 1, outs, 1, &error), TN_OK);
  for (int i = 0; i < TABLE; i++) ck_assert_float_eq(y[i], (float)(i % 13 + i % 97));
  tn_module_destroy(module);
}

/* They are not kept where they can be used in the model; found again, they may lie otherwise. */
START_TEST(constants_of_the_model_are_used_there)
{
  static const char *const producers[] = {"p", "pr", "pro", "prod"};
  int kept = 0;
  for (size_t first = 0; first < TNI_COUNT(producers); first++) {
    tn_cache_desc desc = plain();
    teardown(), setup();
    for (size_t i = 0; i < TNI_COUNT(producers); i++) {
      user u;
      open_user(&u, &desc);
      add_table(&u, producers[(first + i) % TNI_COUNT(producers)]);
      ck_assert_uint_eq(count(&u).program_hits, i > 0);
      ck_assert_str_eq(logged, "");
      close_user(&u);
    }
    int files = list_files(entry_path, sizeof entry_path);
    ck_assert_int_ge(files, FILES - 1);
    kept += files - (FILES - 1);
  }
  ck_assert_int_eq(kept, 3); /* one in four is aligned */
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

int main(void) {
  TCase *tests = tcase_create("cache_programs");
  tcase_add_test(tests, a_model_is_found_behind_its_passes);
  tcase_add_test(tests, other_weights_of_the_graph_miss);
  tcase_add_test(tests, other_options_and_targets_miss);
  tcase_add_test(tests, other_limits_miss);
  tcase_add_test(tests, another_number_of_threads_hits);
  tcase_add_test(tests, observed_passes_run);
  tcase_add_test(tests, processes_that_race_find_one_seed);
  tcase_add_test(tests, constants_of_the_model_are_used_there);
  tcase_add_test(tests, models_of_other_keys_share_nothing);
  tcase_add_test(tests, a_host_keeps_models_itself);
  tcase_add_test(tests, a_small_cache_keeps_no_constants);
  return suite_run_case("cache_programs", tests, 200, setup, teardown);
}
