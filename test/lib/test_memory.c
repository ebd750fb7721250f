/* test_memory.c -- the default allocator, growing arrays, arenas, text and text blocks, errors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fault.h"

/* ---- the default allocator --------------------------------------------------------------------------------------- */

START_TEST(default_allocator_keeps_contents_and_alignment)
{
  const tn_allocator *a = &tni_allocator_default;
  for (size_t align = 1; align <= 4096; align *= 2) {
    unsigned char *block = a->resize(a->self, NULL, 0, 100, align);
    ck_assert_uint_eq((uintptr_t)block % align, 0);
    for (int i = 0; i < 100; i++) block[i] = (unsigned char)i;
    block = a->resize(a->self, block, 100, 5000, align);
    ck_assert_uint_eq((uintptr_t)block % align, 0);
    for (int i = 0; i < 100; i++) ck_assert_uint_eq(block[i], i);
    block = a->resize(a->self, block, 5000, 10, align);
    for (int i = 0; i < 10; i++) ck_assert_uint_eq(block[i], i);
    ck_assert_ptr_null(a->resize(a->self, block, 10, 0, align));
  }
}
END_TEST

START_TEST(default_allocator_refuses_what_no_machine_has)
{
  const tn_allocator *a = &tni_allocator_default;
  ck_assert_ptr_null(a->resize(a->self, NULL, 0, SIZE_MAX - 8, 64));
  ck_assert_ptr_null(a->resize(a->self, NULL, 0, SIZE_MAX / 2 + 2, 16));
}
END_TEST

START_TEST(size_arithmetic_reports_overflow)
{
  size_t out;
  ck_assert(tni_mul_size(3, 5, &out) && out == 15);
  ck_assert(!tni_mul_size(SIZE_MAX / 2, 3, &out));
  ck_assert(tni_add_size(SIZE_MAX, 0, &out) && out == SIZE_MAX);
  ck_assert(!tni_add_size(SIZE_MAX, 1, &out));
}
END_TEST

START_TEST(alloc_of_nothing_is_null)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  ck_assert_ptr_null(tni_alloc(ctx, 0));
  ck_assert_ptr_null(tni_alloc_aligned(ctx, 0, 64));
  tni_free(ctx, NULL, 0);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(reserve_keeps_items_while_it_grows)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  int *items = NULL;
  size_t capacity = 0;
  for (size_t i = 0; i < 1000; i++) {
    ck_assert(tni_reserve(ctx, (void **)&items, &capacity, i + 1, sizeof *items));
    items[i] = (int)i;
  }
  for (int i = 0; i < 1000; i++) ck_assert_int_eq(items[i], i);
  ck_assert_int_lt(atomic_load(&f.calls), 40); /* it grows by factors */
  tni_free(ctx, items, capacity * sizeof *items);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(failed_reserve_changes_nothing)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  int *items = NULL;
  size_t capacity = 0;
  ck_assert(tni_reserve(ctx, (void **)&items, &capacity, 4, sizeof *items));
  int *before = items;
  size_t before_capacity = capacity;
  ck_assert(!tni_reserve(ctx, (void **)&items, &capacity, SIZE_MAX / 2, sizeof *items));
  f.fail_at = 1;
  ck_assert(!tni_reserve(ctx, (void **)&items, &capacity, 4000, sizeof *items));
  ck_assert_ptr_eq(items, before);
  ck_assert_uint_eq(capacity, before_capacity);
  tni_free(ctx, items, capacity * sizeof *items);
  fault_finish(&f, ctx);
}
END_TEST

/* ---- arenas ------------------------------------------------------------------------------------------------------ */

START_TEST(arena_gives_zeroed_aligned_disjoint_blocks)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_arena arena;
  tni_arena_init(&arena, ctx);
  for (size_t size = 0; size < 3000; size += 7) {
    unsigned char *block = tni_arena_alloc(&arena, size);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq((uintptr_t)block % 16, 0);
    for (size_t i = 0; i < size; i++) ck_assert_uint_eq(block[i], 0);
    memset(block, 0xff, size); /* a block that overlaps a later one would make that one not zero */
  }
  ck_assert(!arena.failed);
  tni_arena_destroy(&arena);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(arena_serves_a_request_larger_than_its_chunks)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_arena arena;
  tni_arena_init(&arena, ctx);
  char *big = tni_arena_alloc(&arena, 5 << 20);
  ck_assert_ptr_nonnull(big);
  big[(5 << 20) - 1] = 1;
  ck_assert_ptr_nonnull(tni_arena_alloc(&arena, 10));
  tni_arena_destroy(&arena);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(arena_failure_is_remembered_and_later_requests_work)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_arena arena;
  tni_arena_init(&arena, ctx);
  f.fail_at = atomic_load(&f.calls) + 1;
  f.once = true;
  ck_assert_ptr_null(tni_arena_alloc(&arena, 10));
  ck_assert(arena.failed);
  ck_assert_ptr_nonnull(tni_arena_alloc(&arena, 10));
  ck_assert(arena.failed);
  tni_arena_destroy(&arena);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(arena_refuses_sizes_that_overflow)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_arena arena;
  tni_arena_init(&arena, ctx);
  ck_assert_ptr_null(tni_arena_alloc(&arena, SIZE_MAX));
  arena.failed = false;
  ck_assert_ptr_null(TNI_NEW_ARRAY(&arena, int64_t, SIZE_MAX / 8 + 2));
  ck_assert(arena.failed);
  tni_arena_destroy(&arena);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(arena_copies_and_formats)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_arena arena;
  tni_arena_init(&arena, ctx);
  ck_assert_str_eq(tni_arena_text(&arena, "tenon"), "tenon");
  ck_assert_str_eq(tni_arena_format(&arena, "%s_%d", "loop", 7), "loop_7");
  ck_assert_mem_eq(tni_arena_copy(&arena, "\0\1\2", 3), "\0\1\2", 3);
  tni_arena_destroy(&arena);
  fault_finish(&f, ctx);
}
END_TEST

/* ---- text -------------------------------------------------------------------------------------------------------- */

START_TEST(text_grows_and_stays_terminated)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_text text;
  tni_text_init(&text, ctx);
  ck_assert_str_eq(text.data, "");
  for (int i = 0; i < 500; i++) tni_text_add(&text, "%03d,", i);
  tni_text_add_bytes(&text, "end\0more", 3);
  ck_assert_uint_eq(text.length, 2003);
  ck_assert_str_eq(text.data + 1996, "499,end");
  tni_text_clear(&text);
  ck_assert_str_eq(text.data, "");
  tni_text_destroy(&text);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(text_of_every_length_is_exact)
{
  char line[600];
  tni_text text;
  tni_text_init(&text, NULL);
  for (int length = 0; length < 599; length++) { /* crosses every border of capacity */
    memset(line, 'x', (size_t)length);
    line[length] = 0;
    tni_text_destroy(&text);
    tni_text_add(&text, "%s", line);
    ck_assert_str_eq(text.data, line);
    ck_assert_uint_eq(text.length, length);
  }
  tni_text_destroy(&text);
}
END_TEST

START_TEST(text_failure_is_sticky_and_keeps_what_was_there)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_text text;
  tni_text_init(&text, ctx);
  tni_text_add(&text, "kept");
  f.fail_at = 1;
  tni_text_add(&text, "%4000d", 1);
  ck_assert(text.failed);
  ck_assert_str_eq(text.data, "kept");
  f.fail_at = 0;
  tni_text_add(&text, "more");
  tni_text_add_bytes(&text, "more", 4);
  ck_assert_str_eq(text.data, "kept");
  ck_assert_ptr_null(tni_text_take(&text));
  ck_assert(!text.failed);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(taken_text_is_freed_without_its_context)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tni_text text;
  tni_text_init(&text, ctx);
  tni_text_add(&text, "program");
  char *taken = tni_text_take(&text);
  ck_assert_str_eq(taken, "program");
  ck_assert_str_eq(text.data, "");
  char *empty = tni_text_take(&text);
  ck_assert_str_eq(empty, "");
  char *block = tni_text_block(ctx, "a\0b", 3);
  ck_assert_mem_eq(block, "a\0b\0", 4);
  tn_text_destroy(taken);
  tn_text_destroy(empty);
  tn_text_destroy(block);
  tn_text_destroy(NULL);
  fault_finish(&f, ctx);
}
END_TEST

/* ---- errors ------------------------------------------------------------------------------------------------------ */

START_TEST(error_has_its_parts_and_one_text)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_error *cause, *error;
  ck_assert_int_eq(tni_fail(ctx, &cause, TN_E_IO, "import", "net.onnx", "byte %d is %s", 7, "bad"), TN_E_IO);
  ck_assert_int_eq(tni_fail_because(ctx, &error, cause, TN_E_INVALID, "load", NULL, "no model"), TN_E_INVALID);
  ck_assert_int_eq(tn_error_status(error), TN_E_INVALID);
  ck_assert_str_eq(tn_error_phase(error), "load");
  ck_assert_str_eq(tn_error_place(error), "");
  ck_assert_str_eq(tn_error_reason(error), "no model");
  ck_assert_ptr_eq(tn_error_cause(error), cause);
  ck_assert_str_eq(tn_error_text(error), "load: no model\n  because: import: net.onnx: byte 7 is bad");
  tn_error_destroy(error);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(error_nobody_wants_is_only_a_status)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_error *cause;
  tni_fail(ctx, &cause, TN_E_IO, "load", "here", "why");
  ck_assert_int_eq(tni_fail(ctx, NULL, TN_E_LIMIT, "load", NULL, "why"), TN_E_LIMIT);
  ck_assert_int_eq(tni_fail_because(ctx, NULL, cause, TN_E_LIMIT, "load", NULL, "why"), TN_E_LIMIT);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(error_without_memory_is_the_static_one)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_error *cause, *error;
  tni_fail(ctx, &cause, TN_E_IO, "load", "here", "why");
  f.fail_at = 1;
  ck_assert_int_eq(tni_fail_because(ctx, &error, cause, TN_E_INVALID, "load", NULL, "why"), TN_E_NOMEM);
  ck_assert_int_eq(tn_error_status(error), TN_E_NOMEM);
  ck_assert_str_eq(tn_error_text(error), "memory: out of memory");
  tn_error_destroy(error);
  tn_error_destroy(error);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(error_outlives_its_context)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_error *error;
  tni_fail(ctx, &error, TN_E_IO, "load", "here", "why");
  tn_context_destroy(ctx);
  ck_assert_str_eq(tn_error_text(error), "load: here: why");
  tn_error_destroy(error);
  ck_assert_int_eq(atomic_load(&f.blocks), 0);
}
END_TEST

START_TEST(null_error_reads_as_nothing)
{
  ck_assert_int_eq(tn_error_status(NULL), TN_OK);
  ck_assert_str_eq(tn_error_text(NULL), "");
  ck_assert_str_eq(tn_error_reason(NULL), "");
  ck_assert_ptr_null(tn_error_cause(NULL));
  tn_error_destroy(NULL);
}
END_TEST

START_TEST(every_status_has_a_name)
{
  for (tn_status s = TN_OK; s <= TN_E_EXEC_DENIED; s++) ck_assert_str_ne(tn_status_name(s), "unknown");
  ck_assert_str_eq(tn_status_name(TN_E_REFUSED), "TN_E_REFUSED");
  ck_assert_str_eq(tn_status_name(TN_E_EXEC_DENIED + 1), "unknown");
  ck_assert_str_eq(tn_status_name(-1), "unknown");
}
END_TEST

int main(void) {
  const TTest *const tests[] = {default_allocator_keeps_contents_and_alignment,
                                default_allocator_refuses_what_no_machine_has,
                                size_arithmetic_reports_overflow,
                                alloc_of_nothing_is_null,
                                reserve_keeps_items_while_it_grows,
                                failed_reserve_changes_nothing,
                                arena_gives_zeroed_aligned_disjoint_blocks,
                                arena_serves_a_request_larger_than_its_chunks,
                                arena_failure_is_remembered_and_later_requests_work,
                                arena_refuses_sizes_that_overflow,
                                arena_copies_and_formats,
                                text_grows_and_stays_terminated,
                                text_of_every_length_is_exact,
                                text_failure_is_sticky_and_keeps_what_was_there,
                                taken_text_is_freed_without_its_context,
                                error_has_its_parts_and_one_text,
                                error_nobody_wants_is_only_a_status,
                                error_without_memory_is_the_static_one,
                                error_outlives_its_context,
                                null_error_reads_as_nothing,
                                every_status_has_a_name};
  return suite_run_tests("memory", tests, TNI_COUNT(tests), NULL, NULL);
}
