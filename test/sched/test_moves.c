/* test_moves.c -- primitives that pad, copy, retype and pipeline, from C: each does what its line does; without memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched/handles.h"

/* What pads, a product of that, what is done with it, a loop of two stages. */
static const char text[] =
    "func f(A: f32[6, 5], B: f32[7, 6], Y: f32[8, 6], Z: f32[8], I: i32[8]) {\n"
    "  alloc P: f32[8, 7]\n"
    "  alloc C: f32[8, 6]\n"
    "  alloc T: f32[6]\n"
    "  for i in 0..8 { for j in 0..7 { block P(a: 0..8 = i, b: 0..7 = j) {\n"
    "    P[a, b] = A[a - 1, b - 1 if 1 <= a && a < 7 && 1 <= b && b < 6]\n"
    "  } } }\n"
    "  for i in 0..8 { for j in 0..6 { for k in 0..7 {\n"
    "    block C(a: 0..8 = i, b: 0..6 = j, reduce c: 0..7 = k) {\n"
    "      init { C[a, b] = 0.0:f32 }\n"
    "      C[a, b] = fma(P[a, c], B[c, b], C[a, b])\n"
    "  } } } }\n"
    "  for i in 0..8 {\n"
    "    for j in 0..6 { block T(a: 0..8 = i, b: 0..6 = j) { T[b] = C[a, b] + 1.0:f32 } }\n"
    "    for j in 0..6 { block Y(a: 0..8 = i, b: 0..6 = j) { Y[a, b] = T[5 - b] } }\n"
    "  }\n"
    "  for i in 0..8 { block Z(a: 0..8 = i) { Z[a] = C[a, min(max(cast(index, I[a]), 1), 3)] } }\n"
    "}\n";

static void setup(void) { open_text(text); }

START_TEST(padding_is_taken_apart)
{
  tn_block_ref fill;
  ck_assert_int_eq(tn_decompose_padding(s, block("P"), loop("P", 0), &fill, NULL), TN_OK);
  ck_assert_str_eq(tni_handle_block(s, fill)->as.block.name, "P_fill");
  expect_lines("decompose_padding(P, P[0])");
}
END_TEST

START_TEST(copies_are_made_at_loops)
{
  tn_block_ref in, out;
  ck_assert_int_eq(tn_read_at(s, loop("C", 0), block("C"), 1, "local", &in, NULL), TN_OK);
  ck_assert_int_eq(tn_write_at(s, loop("C", 0), block("C"), "register", 0, &out, NULL), TN_OK);
  ck_assert_str_eq(tni_handle_block(s, in)->as.block.name, "C_read");
  ck_assert_str_eq(tni_handle_block(s, out)->as.block.name, "C_write");
  expect_lines("read_at(C[0], C, 1, \"local\")\nwrite_at(C[0], C, \"register\")");
}
END_TEST

START_TEST(an_einsum_is_padded)
{
  int64_t padding[] = {4, 4, 2};
  tn_block_ref made[2] = {0};
  size_t count;
  ck_assert_int_eq(tn_pad_einsum(s, block("C"), 3, padding, 2, made, &count, NULL), TN_OK);
  ck_assert_uint_eq(count, 3);
  ck_assert_str_eq(tni_handle_block(s, made[1])->as.block.name, "C_pad1");
  expect_lines("pad_einsum(C, [4, 4, 2])");
}
END_TEST

START_TEST(padding_is_written)
{
  const char *map = "(i, j) -> (j // 4, i, j % 4)";
  ck_assert_int_eq(tn_transform_layout_padded(s, block("P"), map, "-1", 0, NULL), TN_OK);
  expect_lines("transform_layout(P, \"(i, j) -> (j // 4, i, j % 4)\", pad=\"-1\")");
}
END_TEST

START_TEST(a_region_is_stated)
{
  ck_assert_int_eq(tn_annotate_buffer_access(s, block("Z"), 0, 1, "(a) -> (a, 1 : 3)", NULL), TN_OK);
  ck_assert_int_eq(tn_annotate_buffer_access(s, block("Z"), 1, 0, "(a) -> (a)", NULL), TN_OK);
  expect_lines("annotate_buffer_access(Z, read, 1, \"(a) -> (a, 1 : 3)\")\n"
               "annotate_buffer_access(Z, write, 0, \"(a) -> (a)\")");
}
END_TEST

START_TEST(a_loop_is_pipelined)
{
  int64_t stages[] = {0, 1}, order[] = {1, 0};
  tn_loop made;
  ck_assert_int_eq(tn_software_pipeline(s, loop("Y", 0), 2, stages, order, TN_TAIL_CUT, &made, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_annotate(s, made, "note", 1, NULL), TN_OK);
  expect_lines("l = software_pipeline(Y[0], [0, 1], order=[1, 0])\nannotate(l, \"note\", 1)");
}
END_TEST

START_TEST(what_is_unsafe_says_so)
{
  const tn_target *target;
  char *told;
  ck_assert_int_eq(tn_schedule_is_unsafe(s), 0);
  ck_assert_int_eq(tn_unsafe_set_dtype(s, block("T"), "f16", 0, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_is_unsafe(s), 1);
  ck_assert_ptr_nonnull(strstr(tn_schedule_trace(s), "\"f16\", store=0) # results may differ\n"));
  ck_assert_int_eq(tn_target_get(ctx, "x86-64-v3", &target, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_explain(s, target, 0, &told, NULL), TN_OK);
  ck_assert_ptr_nonnull(strstr(told, "results may differ: a line of the schedule is unsafe\n"));
  tn_text_destroy(told);
  ck_assert_int_eq(tn_schedule_manual(ctx, "unsafe_set_dtype", &told, NULL), TN_OK);
  ck_assert_ptr_nonnull(strstr(told, "Unsafe: the function may compute something else.\n"));
  tn_text_destroy(told);
}
END_TEST

/* ---- without memory ---- */

static const char *const scripts[] = {
    "f = decompose_padding(P, P[0])\nread_at(C[0], C, 0, \"local\")\nwrite_at(Y[0], Y, \"local\")\n",
    "pad_einsum(C, [4, 4, 2])\nunsafe_set_dtype(T, \"f16\")\n",
    "transform_layout(P, \"(i, j) -> (j // 4, i, j % 4)\", pad=\"0\")\nsoftware_pipeline(Y[0], [0, 1])\n",
    "annotate_buffer_access(Z, read, 1, \"(a) -> (a, 1 : 3)\")\nread_at(Z[0], Z, 1, \"local\")\n",
};

START_TEST(without_memory_nothing_is_lost)
{ fault_walk(run_scripted, &(scripted){text, scripts[_i / 2]}, _i % 2); }
END_TEST

int main(void) {
  Suite *suite = suite_create("moves");
  TCase *t = tcase_create("moves"), *alone = tcase_create("alone");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, padding_is_taken_apart);
  tcase_add_test(t, copies_are_made_at_loops);
  tcase_add_test(t, an_einsum_is_padded);
  tcase_add_test(t, padding_is_written);
  tcase_add_test(t, a_region_is_stated);
  tcase_add_test(t, a_loop_is_pipelined);
  tcase_add_test(t, what_is_unsafe_says_so);
  tcase_set_timeout(alone, 100);
  tcase_add_loop_test(alone, without_memory_nothing_is_lost, 0, 2 * TNI_COUNT(scripts));
  suite_add_tcase(suite, t);
  suite_add_tcase(suite, alone);
  return suite_run(suite);
}
