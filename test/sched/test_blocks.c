/* test_blocks.c -- primitives of blocks from C: each does what its line does; externals; without memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched/handles.h"

/* A product, what is done with it, a sum of that, what is done with the sum. */
static const char text[] =
    "func f(A: f32[8, 12], B: f32[12, 6], Y: f32[8, 6], Z: f32[8]) {\n"
    "  alloc C: f32[8, 6]\n"
    "  alloc S: f32[8]\n"
    "  for i in 0..8 { for j in 0..6 { for k in 0..12 {\n"
    "    block C(a: 0..8 = i, b: 0..6 = j, reduce c: 0..12 = k) {\n"
    "      init { C[a, b] = 0.0:f32 }\n"
    "      C[a, b] = fma(A[a, c], B[c, b], C[a, b])\n"
    "  } } } }\n"
    "  for i in 0..8 { for j in 0..6 { block Y(a: 0..8 = i, b: 0..6 = j) { Y[a, b] = C[a, b] + 1.0:f32 } } }\n"
    "  for i in 0..8 { block S(a: 0..8 = i) { S[a] = A[a, 0] * 2.0:f32 } }\n"
    "  for i in 0..8 { block Z(a: 0..8 = i) { Z[a] = S[a] - 1.0:f32 } }\n"
    "}\n";

static void setup(void) { open_text(text); }

/* The schedule is where the lines lead, and a handle names the block of that name. */
static void expect_made(const char *lines, tn_block_ref handle, const char *name) {
  expect_lines(lines);
  ck_assert_str_eq(tni_handle_block(s, handle)->as.block.name, name);
}

START_TEST(rfactor_gives_the_block_of_the_parts)
{
  tn_block_ref parts;
  ck_assert_int_eq(tn_rfactor(s, loop("C", 2), 1, &parts, NULL), TN_OK);
  expect_made("rfactor(k, 1)", parts, "C_rf");
}
END_TEST

START_TEST(rfactor_reassociates_and_checks_its_axis)
{
  tn_error *error;
  ck_assert(tni_primitives[TNI_PRIMITIVE_rfactor].flags & TNI_REASSOCIATES);
  ck_assert_int_eq(tn_rfactor(s, loop("C", 2), 3, NULL, &error), TN_E_REFUSED);
  ck_assert_ptr_nonnull(strstr(tn_error_text(error), "rfactor: the axis is 3, but the new dimension can be 0 to 2\n"));
  tn_error_destroy(error);
}
END_TEST

START_TEST(consumers_move_to_producers)
{
  ck_assert_int_eq(tn_reverse_compute_at(s, block("Y"), loop("C", 1), NULL), TN_OK);
  ck_assert_int_eq(tn_reverse_compute_inline(s, block("Z"), NULL), TN_OK);
  expect_lines("l0, l1, l2 = get_loops(C)\nreverse_compute_at(Y, l1)\nreverse_compute_inline(Z)");
}
END_TEST

START_TEST(an_epilogue_is_fused)
{
  ck_assert_int_eq(tn_fuse_reduction_epilogue(s, block("C"), block("Y"), NULL), TN_OK);
  expect_lines("fuse_reduction_epilogue(C, Y)");
}
END_TEST

START_TEST(blockize_gives_the_block)
{
  tn_block_ref made;
  ck_assert_int_eq(tn_blockize(s, loop("C", 2), &made, NULL), TN_OK);
  expect_made("blockize(k)", made, "C");
}
END_TEST

START_TEST(outline_gives_the_loop)
{
  tn_loop made;
  ck_assert_int_eq(tn_outline(s, block("Y"), &made, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_annotate(s, made, "unit", 1, NULL), TN_OK);
  ck_assert_int_eq(tn_outline(s, loop("C", 2), &made, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_annotate(s, made, "steps", 12, NULL), TN_OK);
  expect_lines("u = outline(Y)\nannotate(u, \"unit\", 1)\nl = outline(k)\nannotate(l, \"steps\", 12)");
}
END_TEST

START_TEST(a_store_of_several_is_cached)
{
  teardown();
  open_text("func f(A: f32[8], X: f32[8], Y: f32[8]) {\n"
            "  for i in 0..8 { block X(a: 0..8 = i) { X[a] = A[a]; Y[a] = A[a] + 1.0:f32 } }\n}\n");
  tn_block_ref made;
  ck_assert_int_eq(tn_cache_write_store(s, block("X"), 1, "local", &made, NULL), TN_OK);
  expect_made("cache_write(X, \"local\", store=1)", made, "X_write");
}
END_TEST

START_TEST(caches_have_the_dimensions_that_are_asked_for)
{
  tn_block_ref made;
  ck_assert_int_eq(tn_reindex(s, block("C"), 0, 0, NULL, &made, NULL), TN_OK);
  ck_assert_int_eq(tn_reindex(s, block("C"), 0, 1, "local", &made, NULL), TN_OK);
  ck_assert_int_eq(tn_reindex_cache_read(s, block("C"), 1, "local", "(a, b, c) -> (c // 4, b, c % 4)", &made, NULL),
                   TN_OK);
  ck_assert_int_eq(tn_reindex_cache_write(s, block("S"), "global", "(a) -> (a + 1)", 0, &made, NULL), TN_OK);
  expect_made("reindex(C, 0)\nreindex(C, 0, access=write, scope=\"local\")\n"
              "reindex_cache_read(C, 1, \"local\", \"(a, b, c) -> (c // 4, b, c % 4)\")\n"
              "reindex_cache_write(S, \"global\", \"(a) -> (a + 1)\")",
              made, "S_write");
}
END_TEST

START_TEST(a_block_goes_round_and_runs_ahead)
{
  teardown();
  open_text("func f(X: f32[10], Y: f32[8]) {\n  alloc T: f32[10]\n"
            "  for i in 0..10 { block T(a: 0..10 = i) { T[a] = X[a] } }\n"
            "  for j in 0..8 { block Y(a: 0..8 = j) { Y[a] = T[a] + T[a + 2] } }\n}\n");
  const int64_t stages[] = {0, 1};
  tn_loop j = loop("Y", 0), made;
  ck_assert_int_eq(tn_compute_at(s, block("T"), j, NULL), TN_OK);
  ck_assert_int_eq(tn_rolling_buffer(s, block("T"), j, 1, NULL), TN_OK);
  ck_assert_int_eq(tn_software_pipeline(s, j, 2, stages, NULL, TN_TAIL_GUARD, &made, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_annotate(s, made, "note", 1, NULL), TN_OK);
  expect_lines("compute_at(T, j)\nrolling_buffer(T, j, spare=1)\n"
               "l = software_pipeline(j, [0, 1], tail=guard)\nannotate(l, \"note\", 1)");
}
END_TEST

START_TEST(a_block_takes_other_iterators)
{
  tn_loop loops[4] = {0};
  size_t count = 3;
  ck_assert_int_eq(tn_transform_block_layout(s, block("C"), "(a, b, c) -> (a // 4, b, c, a % 4)", loops, &count, NULL),
                   TN_OK);
  ck_assert_uint_eq(count, 4);
  ck_assert(loops[2] && !loops[3]);
  ck_assert_int_eq(tn_parallel(s, loops[0], NULL), TN_OK);
  expect_lines("p = transform_block_layout(C, \"(a, b, c) -> (a // 4, b, c, a % 4)\")\nparallel(p)");
}
END_TEST

START_TEST(tables_and_places_are_cached)
{
  tn_block_ref read, write, tables[2] = {0};
  size_t count = 2;
  ck_assert_int_eq(tn_cache_inplace(s, block("C"), loop("C", 2), "local", 0, &read, &write, NULL), TN_E_REFUSED);
  ck_assert_int_eq(tn_cache_inplace(s, block("Y"), block("Y"), "local", 0, &read, &write, NULL), TN_OK);
  ck_assert_int_eq(tn_cache_inplace(s, block("Z"), block("Z"), "local", 0, NULL, NULL, NULL), TN_OK);
  ck_assert_int_eq(tn_transform_block_layout(s, block("S"), "(a) -> (a * 2)", NULL, &(size_t){0}, NULL), TN_OK);
  ck_assert_int_eq(tn_cache_index(s, block("S"), NULL, 1, tables, &count, NULL), TN_OK);
  ck_assert_uint_eq(count, 1);
  ck_assert_str_eq(tni_handle_block(s, read)->as.block.name, "Y_read");
  ck_assert_str_eq(tni_handle_block(s, write)->as.block.name, "Y_write");
  expect_made("cache_inplace(Y, Y, \"local\")\ncache_inplace(Z, Z, \"local\")\n"
              "transform_block_layout(S, \"(a) -> (a * 2)\")\ncache_index(S)",
              tables[0], "S_index");
}
END_TEST

/* ---- externals ---- */

START_TEST(externals_keep_blocks_in_their_places)
{
  tn_error *error;
  open_text("extern log(ptr): void\n"
            "func f(X: f32[4], Y: f32[4]) {\n"
            "  alloc T: f32[4]\n"
            "  for i in 0..4 { block T(a: 0..4 = i) { T[a] = X[a] } }\n"
            "  call log(&X)\n"
            "  for i in 0..4 { block Y(a: 0..4 = i) { Y[a] = T[a] } }\n"
            "}\n");
  expect_refusal(tn_reverse_compute_at(s, block("Y"), loop("T", 0), &error), &error,
                 "schedule: reverse_compute_at: the function calls an external");
  teardown();
}
END_TEST

/* ---- without memory ---- */

static const char lines[] = "ko, ki = split(k, [0, 4])\n"
                            "p = rfactor(ki, 0)\n"
                            "reverse_compute_inline(Z)\n"
                            "l = get_loops(C)\n"
                            "reverse_compute_at(Y, l)\n"
                            "l0, l1, l2, l3 = get_loops(C_rf)\n"
                            "b = blockize(l2)\n";

static const char *const scripts[] = {lines, "fuse_reduction_epilogue(C, Y)",
                                      "outline(Y)\noutline(i)\ncache_write(S, \"local\")",
                                      "reindex(C, 0)\nreindex(C, 0, access=write)\n"
                                      "reindex_cache_read(C, 1, \"local\", \"(a, b, c) -> (c // 4, b, c % 4)\")",
                                      "compute_at(S, Z[0])\nsoftware_pipeline(Z[0], [0, 1], tail=guard)",
                                      "transform_block_layout(S, \"(a) -> (a * 2)\")\ncache_index(S)\n"
                                      "cache_inplace(Y, Y, \"local\")"};

START_TEST(without_memory_nothing_is_lost)
{ fault_walk(run_scripted, &(scripted){text, scripts[_i / 2]}, _i % 2); }
END_TEST

int main(void) {
  Suite *suite = suite_create("blocks");
  TCase *t = tcase_create("blocks"), *alone = tcase_create("alone");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, rfactor_gives_the_block_of_the_parts);
  tcase_add_test(t, rfactor_reassociates_and_checks_its_axis);
  tcase_add_test(t, consumers_move_to_producers);
  tcase_add_test(t, an_epilogue_is_fused);
  tcase_add_test(t, blockize_gives_the_block);
  tcase_add_test(t, outline_gives_the_loop);
  tcase_add_test(t, a_store_of_several_is_cached);
  tcase_add_test(t, caches_have_the_dimensions_that_are_asked_for);
  tcase_add_test(t, a_block_goes_round_and_runs_ahead);
  tcase_add_test(t, a_block_takes_other_iterators);
  tcase_add_test(t, tables_and_places_are_cached);
  tcase_set_timeout(alone, 100);
  tcase_add_test(alone, externals_keep_blocks_in_their_places);
  tcase_add_loop_test(alone, without_memory_nothing_is_lost, 0, 2 * TNI_COUNT(scripts));
  suite_add_tcase(suite, t);
  suite_add_tcase(suite, alone);
  return suite_run(suite);
}
