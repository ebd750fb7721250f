/* test_fillings.c -- contents that are made while passes go on: all of them, once, of what stays until then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/graph.h"
#include "lib/fault.h"

enum { COLUMNS = 1000, MOST_ROWS = 1000 };

static fault memory;
static tn_context *ctx;
static tn_program *program;
static atomic_int pieces;

static void open_program(int32_t workers) {
  tn_context_desc desc = fault_desc(&memory);
  desc.threads.compile_workers = workers;
  pieces = 0;
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
}

static void close_program(void) {
  tn_program_destroy(program);
  fault_finish(&memory, ctx);
}

static float *new_floats(int64_t rows) {
  tni_blob *blob = tni_blob_create(ctx, (size_t)rows * COLUMNS * sizeof(float));
  ck_assert_ptr_nonnull(blob);
  ck_assert_int_eq(tni_program_keep_blob(program, blob, NULL), TN_OK);
  return (float *)(uintptr_t)blob->data;
}

static tni_gvalue value_of(const float *data, int64_t rows) {
  return (tni_gvalue){.type = TN_F32, .rank = 2, .shape = {rows, COLUMNS}, .data = data};
}

/* Adds 1 to what is there: rows that are written twice show. */
static void fill_more(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  float *out = (float *)(void *)to;
  const float *in = source->w.data;
  ck_assert_int_le(end, shape[0]);
  for (int64_t i = begin * COLUMNS; i < end * COLUMNS; i++) out[i] += in[i] + 1;
  atomic_fetch_add(&pieces, 1);
}

/* Contents of so many rows that are still to be made of others. */
static const float *add(int64_t rows) {
  float *from = new_floats(rows), *to = new_floats(rows);
  for (int64_t i = 0; i < rows * COLUMNS; i++) from[i] = (float)(i % 1013), to[i] = 0;
  const tni_source w = {.w = value_of(from, rows)};
  const tni_gvalue made = value_of(to, rows);
  ck_assert(tni_filling_add(program, fill_more, to, &made, &w));
  return to;
}

static void check(const float *made, int64_t rows) {
  int64_t wrong = 0;
  for (int64_t i = 0; i < rows * COLUMNS; i++) wrong += made[i] != (float)(i % 1013) + 1;
  ck_assert_int_eq(wrong, 0);
}

START_TEST(every_row_is_written_once)
{
  static const int32_t workers[] = {1, 2, 16};
  static const int64_t rows[] = {1, 7, 300, MOST_ROWS, 500};
  for (size_t w = 0; w < TNI_COUNT(workers); w++) {
    const float *made[TNI_COUNT(rows)];
    open_program(workers[w]);
    for (int round = 0; round < 2; round++) {
      for (size_t i = 0; i < TNI_COUNT(rows); i++) made[i] = add(rows[i]);
      ck_assert_int_eq(tni_program_begin_filling(program, NULL), TN_OK);
      tni_program_fill(program);
      for (size_t i = 0; i < TNI_COUNT(rows); i++) check(made[i], rows[i]);
    }
    ck_assert_int_gt(pieces, 2 * (int)TNI_COUNT(rows)); /* large ones are made in pieces */
    close_program();
  }
}
END_TEST

START_TEST(little_is_made_at_once)
{
  open_program(1);
  const float *made = add(7);
  ck_assert_int_eq(tni_program_begin_filling(program, NULL), TN_OK);
  check(made, 7);
  close_program();
}
END_TEST

/* No graph shows it, so that the program lets go of it, before anything is made; then it goes. */
START_TEST(what_contents_are_made_of_stays_until_they_are)
{
  open_program(1);
  const float *made = add(MOST_ROWS);
  const size_t size = MOST_ROWS * COLUMNS * sizeof(float);
  ck_assert_int_eq(tni_program_begin_filling(program, NULL), TN_OK);
  tni_blob *own = tni_blob_ref(program->blobs[1]);
  ck_assert_int_eq(tni_program_release(program, NULL), TN_OK);
  ck_assert_uint_eq(program->blob_count, 0);
  ck_assert_int_gt(memory.bytes, (long)(2 * size));
  tni_program_fill(program);
  check(made, MOST_ROWS);
  ck_assert_int_lt(memory.bytes, (long)(2 * size));
  tni_blob_unref(own);
  close_program();
}
END_TEST

/* Those of a program that goes, begun or not; those that come while others are made. */
START_TEST(fillings_end_with_their_program)
{
  open_program(2);
  add(MOST_ROWS);
  ck_assert_int_eq(tni_program_begin_filling(program, NULL), TN_OK);
  const float *next = add(MOST_ROWS);
  ck_assert_int_eq(tni_program_begin_filling(program, NULL), TN_OK);
  tni_program_fill(program);
  check(next, MOST_ROWS);
  add(MOST_ROWS);
  close_program();
}
END_TEST

START_TEST(without_memory_nothing_is_left_behind)
{
  for (long n = 1;; n++) {
    open_program(2);
    float *from = new_floats(100), *to = new_floats(100);
    memset(from, 0, 100 * COLUMNS * sizeof *from);
    const tni_source w = {.w = value_of(from, 100)};
    const tni_gvalue made = value_of(to, 100);
    tn_error *error = NULL;
    memory.fail_at = memory.calls + n;
    bool added = tni_filling_add(program, fill_more, to, &made, &w);
    tn_status status = added ? tni_program_begin_filling(program, &error) : TN_E_NOMEM;
    tni_program_fill(program);
    memory.fail_at = 0;
    tn_error_destroy(error);
    close_program();
    if (status == TN_OK) break;
    ck_assert_int_eq(status, TN_E_NOMEM);
    ck_assert_int_lt(n, 10);
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {every_row_is_written_once, little_is_made_at_once, what_contents_are_made_of_stays_until_they_are,
                                fillings_end_with_their_program, without_memory_nothing_is_left_behind};
  return suite_run_tests("fillings", tests, TNI_COUNT(tests), NULL, NULL);
}
