/* test_context.c -- contexts, their slots and log; files through the table of OS calls; blobs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"

/* ---- descriptions ------------------------------------------------------------------------------------------------ */

START_TEST(null_description_gives_the_defaults)
{
  tn_context *ctx;
  tn_error *err = (tn_error *)&ctx;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, &err), TN_OK);
  ck_assert_ptr_null(err);
  ck_assert_uint_eq(ctx->limits.model_bytes, (uint64_t)2 << 30);
  ck_assert_uint_eq(ctx->limits.total_bytes, (uint64_t)16 << 30);
  ck_assert_uint_eq(ctx->limits.nodes, 1000000);
  ck_assert_uint_eq(ctx->limits.nesting, 100);
  tn_context_destroy(ctx);
  tn_context_destroy(NULL);
}
END_TEST

START_TEST(given_limits_are_kept)
{
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .limits = {.nodes = 5}};
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  ck_assert_uint_eq(ctx->limits.nodes, 5);
  ck_assert_uint_eq(ctx->limits.nesting, 100);
  tn_context_destroy(ctx);
}
END_TEST

/* A host that was compiled with an older, shorter struct: what lies behind it must not be read. */
START_TEST(shorter_description_is_completed)
{
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = offsetof(tn_context_desc, threads), .threads = {.count = -77}};
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  ck_assert_int_eq(ctx->threads.count, 0);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(longer_description_must_end_in_zeros)
{
  struct {
    tn_context_desc desc;
    char more[24];
  } newer = {.desc = {.struct_size = sizeof newer}};
  char want[160];
  tn_context *ctx;
  tn_error *err;
  ck_assert_int_eq(tn_context_create(&newer.desc, &ctx, NULL), TN_OK);
  tn_context_destroy(ctx);
  newer.more[20] = 1;
  ck_assert_int_eq(tn_context_create(&newer.desc, &ctx, &err), TN_E_VERSION);
  ck_assert_ptr_null(ctx);
  snprintf(want, sizeof want,
           "context: struct_size of tn_context_desc: the host sets fields that this library does not "
           "know: it is version %s",
           tn_version());
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}
END_TEST

static void expect_refusal(tn_context_desc desc, const char *want) {
  tn_context *ctx;
  tn_error *err;
  ck_assert_int_eq(tn_context_create(&desc, &ctx, &err), TN_E_INVALID);
  ck_assert_ptr_null(ctx);
  ck_assert_int_eq(tn_error_status(err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}

START_TEST(senseless_descriptions_are_refused)
{
  size_t size = sizeof(tn_context_desc);
  expect_refusal((tn_context_desc){.struct_size = 0},
                 "context: struct_size of tn_context_desc: 0 is not the size of the struct");
  expect_refusal((tn_context_desc){.struct_size = 5000},
                 "context: struct_size of tn_context_desc: 5000 is not the size of the struct");
  expect_refusal((tn_context_desc){.struct_size = size, .threads = {.count = -1}},
                 "context: threads.count: -1 is not in 0..4096");
  expect_refusal((tn_context_desc){.struct_size = size, .threads = {.compile_workers = 4097}},
                 "context: threads.compile_workers: 4097 is not in 0..4096");
  expect_refusal((tn_context_desc){.struct_size = size, .threads = {.pin = 2}},
                 "context: threads.pin: 2 is not 0 or 1");
}
END_TEST

START_TEST(a_context_needs_a_place)
{
  tn_error *err;
  ck_assert_int_eq(tn_context_create(NULL, NULL, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), "context: out: is NULL");
  tn_error_destroy(err);
}
END_TEST

START_TEST(version_is_that_of_the_header)
{
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", TN_VERSION_MAJOR, TN_VERSION_MINOR, TN_VERSION_PATCH);
  ck_assert_str_eq(tn_version(), text);
}
END_TEST

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static atomic_int made, gone;
static int order[2];

static void *make_slow(tn_context *ctx, tn_error **err) {
  (void)err;
  usleep(2000);
  atomic_fetch_add(&made, 1);
  return ctx;
}
static void note_first(tn_context *ctx, void *object) {
  ck_assert_ptr_eq(ctx, object);
  order[atomic_fetch_add(&gone, 1)] = 1;
}
static void note_second(tn_context *ctx, void *object) {
  ck_assert_ptr_eq(ctx, object);
  order[atomic_fetch_add(&gone, 1)] = 2;
}
static void *ask_slot(void *ctx) { return tni_context_slot(ctx, TNI_SLOT_TARGETS, make_slow, note_first, NULL); }

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
START_TEST(trimming_gives_back_what_is_free_between_blocks)
{
  enum { BLOCKS = 8000, BYTES = 8 << 10 };
  static void *freed[BLOCKS], *kept[BLOCKS];
  tn_context *ctx;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  for (size_t i = 0; i < BLOCKS; i++) {
    freed[i] = malloc(BYTES);
    kept[i] = malloc(16);
    memset(freed[i], 1, BYTES);
  }
  for (size_t i = 0; i < BLOCKS; i++) free(freed[i]);
  size_t before = suite_resident_bytes();
  tn_context_trim(ctx);
  ck_assert_uint_lt(suite_resident_bytes() + BLOCKS * (BYTES / 4), before); /* a page of the two of each, at the least */
  for (size_t i = 0; i < BLOCKS; i++) free(kept[i]);
  tn_context_destroy(ctx);
}
END_TEST
#define HAS_TRIM
#endif

START_TEST(slot_is_made_once_by_many_threads)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, ask_slot, ctx);
  for (int i = 0; i < 4; i++) {
    void *object;
    pthread_join(threads[i], &object);
    ck_assert_ptr_eq(object, ctx);
  }
  ck_assert_int_eq(atomic_load(&made), 1);
  fault_finish(&f, ctx);
  ck_assert_int_eq(atomic_load(&gone), 1);
}
END_TEST

START_TEST(later_slots_are_destroyed_first)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_context_slot(ctx, TNI_SLOT_TARGETS, make_slow, note_first, NULL);
  tni_context_slot(ctx, TNI_SLOT_COMPILER, make_slow, note_second, NULL);
  fault_finish(&f, ctx);
  ck_assert_int_eq(order[0], 2);
  ck_assert_int_eq(order[1], 1);
}
END_TEST

static void *make_nothing(tn_context *ctx, tn_error **err) {
  tni_fail(ctx, err, TN_E_IO, "load", NULL, "not today");
  return NULL;
}

START_TEST(slot_that_failed_is_tried_again)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_error *err;
  ck_assert_ptr_null(tni_context_slot(ctx, TNI_SLOT_TARGETS, make_nothing, note_first, &err));
  ck_assert_str_eq(tn_error_text(err), "load: not today");
  tn_error_destroy(err);
  ck_assert_ptr_eq(tni_context_slot(ctx, TNI_SLOT_TARGETS, make_slow, note_first, &err), ctx);
  ck_assert_ptr_null(err);
  fault_finish(&f, ctx);
}
END_TEST

/* ---- log --------------------------------------------------------------------------------------------------------- */

static char logged[2000];
static int log_count;
static void keep_line(void *self, int32_t level, const char *line) {
  ck_assert_ptr_eq(self, logged);
  ck_assert_int_le(level, TN_LOG_WARN);
  snprintf(logged, sizeof logged, "%s", line);
  log_count++;
}

START_TEST(log_gives_whole_lines_up_to_its_level)
{
  fault f = {0};
  tn_context *ctx;
  tn_context_desc desc = fault_desc(&f);
  desc.log = (tn_log_sink){logged, keep_line, TN_LOG_WARN};
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  tni_log(ctx, TN_LOG_WARN, "%d steps", 3);
  ck_assert_str_eq(logged, "3 steps");
  tni_log(ctx, TN_LOG_INFO, "not wanted");
  ck_assert_int_eq(log_count, 1);
  tni_log(ctx, TN_LOG_ERROR, "%01500d", 1);
  ck_assert_uint_eq(strlen(logged), 1500);
  fault_finish(&f, ctx);
}
END_TEST

/* ---- files and blobs --------------------------------------------------------------------------------------------- */

static char path[64];
static void write_file(const char *bytes, size_t size) {
  snprintf(path, sizeof path, "/tmp/tenon-test-XXXXXX");
  int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  ck_assert_int_eq(write(file, bytes, size), (ssize_t)size);
  close(file);
}

START_TEST(mapped_file_has_its_bytes)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_blob *blob;
  write_file("bytes", 5);
  ck_assert_int_eq(tni_blob_map(ctx, path, 5, "import", &blob, NULL), TN_OK);
  ck_assert_uint_eq(blob->size, 5);
  ck_assert_mem_eq(blob->data, "bytes", 5);
  tni_blob_unref(blob);
  unlink(path);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(empty_file_is_an_empty_blob)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_blob *blob;
  write_file("", 0);
  ck_assert_int_eq(tni_blob_map(ctx, path, 5, "import", &blob, NULL), TN_OK);
  ck_assert_uint_eq(blob->size, 0);
  tni_blob_unref(blob);
  unlink(path);
  fault_finish(&f, ctx);
}
END_TEST

/* Maps `name` in the hope of a failure; the error's reason must be that. */
static void expect_map_failure(tn_context *ctx, const char *name, tn_status status, const char *why) {
  tni_blob *blob;
  tn_error *err;
  ck_assert_int_eq(tni_blob_map(ctx, name, 4, "import", &blob, &err), status);
  ck_assert_ptr_null(blob);
  ck_assert_str_eq(tn_error_phase(err), "import");
  ck_assert_str_eq(tn_error_place(err), name);
  ck_assert_str_eq(tn_error_reason(err), why);
  tn_error_destroy(err);
}

START_TEST(files_that_cannot_be_read_are_refused)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  expect_map_failure(ctx, "/nowhere/at/all", TN_E_NOT_FOUND, "cannot read the file: No such file or directory");
  expect_map_failure(ctx, "/tmp", TN_E_IO, "cannot read the file: Is a directory");
  expect_map_failure(ctx, "/dev/null", TN_E_IO, "cannot read the file: it is not a regular file");
  write_file("bytes", 5);
  expect_map_failure(ctx, path, TN_E_LIMIT, "the file has 5 bytes, the limit is 4");
  unlink(path);
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  expect_map_failure(ctx, path, TN_E_IO,
                     "cannot read the file: it is not a regular file"); /* and nobody waits for a writer */
  unlink(path);
  fault_finish(&f, ctx);
}
END_TEST

static int map_nothing(const char *name, const void **data, size_t *size) {
  (void)name;
  *data = NULL;
  *size = 0;
  return EIO;
}

START_TEST(failure_of_the_system_is_reported)
{
  fault f = {0};
  tni_os os = tni_os_default;
  os.map = map_nothing;
  tn_context *ctx = fault_context(&f);
  ctx->os = &os;
  expect_map_failure(ctx, "model.onnx", TN_E_IO, "cannot read the file: Input/output error");
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(blob_lives_until_its_last_reference)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  long before = atomic_load(&f.blocks);
  tni_blob *blob = tni_blob_create(ctx, 100);
  ck_assert_uint_eq((uintptr_t)blob->data % 64, 0);
  ck_assert_ptr_eq(tni_blob_ref(blob), blob);
  tni_blob_unref(blob);
  memset((void *)blob->data, 1, 100);
  tni_blob_unref(blob);
  tni_blob_unref(NULL);
  ck_assert_int_eq(atomic_load(&f.blocks), before);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(the_clock_does_not_go_back)
{
  double before = tni_os_default.seconds();
  usleep(1000);
  ck_assert_double_gt(tni_os_default.seconds(), before);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {null_description_gives_the_defaults,
                                given_limits_are_kept,
                                shorter_description_is_completed,
                                longer_description_must_end_in_zeros,
                                senseless_descriptions_are_refused,
                                a_context_needs_a_place,
                                version_is_that_of_the_header,
#ifdef HAS_TRIM
                                trimming_gives_back_what_is_free_between_blocks,
#endif
                                slot_is_made_once_by_many_threads,
                                later_slots_are_destroyed_first,
                                slot_that_failed_is_tried_again,
                                log_gives_whole_lines_up_to_its_level,
                                mapped_file_has_its_bytes,
                                empty_file_is_an_empty_blob,
                                files_that_cannot_be_read_are_refused,
                                failure_of_the_system_is_reported,
                                blob_lives_until_its_last_reference,
                                the_clock_does_not_go_back};
  return suite_run_tests("context", tests, TNI_COUNT(tests), NULL, NULL);
}
