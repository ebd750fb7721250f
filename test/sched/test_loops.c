/* test_loops.c -- primitives of loops from C: each does what its line does; externals; without memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched/handles.h"

static const char text[] =
    "func f(A: f32[8, 10], Y: f32[8], Z: f32[8]) {\n"
    "  alloc T: f32[10]\n"
    "  for i in 0..8 { for k in 0..10 { block Y(a: 0..8 = i, reduce c: 0..10 = k) {\n"
    "    init { Y[a] = 0.0:f32 }\n"
    "    Y[a] = Y[a] + A[a, c]\n"
    "  } } }\n"
    "  for j in 0..8 { block Z(a: 0..8 = j) { Z[a] = Y[a] * 2.0:f32 } }\n"
    "  for m in 0..10 { block T(a: 0..10 = m) { T[a] = A[0, a] } }\n"
    "}\n";

static void setup(void) { open_text(text); }

START_TEST(queries)
{
  tn_place places[4];
  tn_block_ref blocks[4];
  size_t count = 4;
  ck_assert_int_eq(tn_children(s, loop("Y", 0), places, &count, NULL), TN_OK);
  ck_assert_uint_eq(count, 1);
  ck_assert(tn_is_loop(s, places[0]) && tni_handle_loop(s, places[0]) == tni_handle_loop(s, loop("Y", 1)));
  count = 4;
  ck_assert_int_eq(tn_children(s, places[0], places, &count, NULL), TN_OK);
  ck_assert(count == 1 && !tn_is_loop(s, places[0]) && tni_handle_block(s, places[0]) == tni_handle_block(s, block("Y")));
  count = 1; /* there are more than have room */
  ck_assert_int_eq(tn_outputs(s, blocks, &count, NULL), TN_OK);
  ck_assert(count == 2 && tni_handle_block(s, blocks[0]) == tni_handle_block(s, block("Y")));
  count = 4;
  ck_assert_int_eq(tn_producers(s, block("Z"), blocks, &count, NULL), TN_OK);
  ck_assert(count == 1 && tni_handle_block(s, blocks[0]) == tni_handle_block(s, block("Y")));
  count = 4;
  ck_assert_int_eq(tn_consumers(s, block("Z"), blocks, &count, NULL), TN_OK);
  ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(splits_and_their_tails)
{
  const int64_t by4[] = {0, 4}, by5[] = {0, 5};
  tn_loop out[3];
  ck_assert_int_eq(tn_split_tail(s, loop("Y", 1), 2, by4, TN_TAIL_CUT, out, NULL), TN_OK);
  ck_assert(out[0] && out[1] && out[2]);
  ck_assert_int_eq(tn_split_tail(s, loop("T", 0), 2, by4, TN_TAIL_PAD, out, NULL), TN_OK);
  ck_assert(out[0] && out[1] && !out[2]);
  ck_assert_int_eq(tn_split_tail(s, loop("Z", 0), 2, by5, TN_TAIL_GUARD, out, NULL), TN_OK);
  expect_lines("split(k, [0, 4], tail=cut)\nsplit(m, [0, 4], tail=pad)\nsplit(j, [0, 5])");
}
END_TEST

START_TEST(a_tail_there_is_not)
{
  const int64_t by4[] = {0, 4};
  tn_error *error;
  ck_assert_int_eq(tn_split_tail(s, loop("Z", 0), 2, by4, (enum tn_tail)4, NULL, &error), TN_E_REFUSED);
  ck_assert_str_eq(tn_error_text(error), "schedule: split: `` is not one of the words for `tail`: guard|pad|cut|overlap");
  tn_error_destroy(error);
}
END_TEST

START_TEST(loops_apart_and_together)
{
  const int64_t points[] = {3, 5}, swapped[] = {1, 0};
  tn_loop parts[3], both[2], merged, unit;
  ck_assert_int_eq(tn_loop_partition(s, loop("T", 0), 2, points, parts, NULL), TN_OK);
  both[0] = loop("Y", 0);
  both[1] = loop("Z", 0);
  ck_assert_int_eq(tn_merge(s, 2, both, &merged, NULL), TN_OK);
  ck_assert_int_eq(tn_bind(s, merged, TN_BLOCK_Y, NULL), TN_OK);
  ck_assert_int_eq(tn_add_unit_loop(s, block("Y"), &unit, NULL), TN_OK);
  ck_assert_int_eq(tn_reorder_block_iter_var(s, block("Y"), 2, swapped, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_annotate(s, unit, "depth", 3, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_annotate_text(s, unit, "kind", "one", NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_unannotate(s, unit, "depth", NULL), TN_OK);
  expect_lines("loop_partition(m, [3, 5])\nx = merge([i, j])\nbind(x, block.y)\nu = add_unit_loop(Y)\n"
               "reorder_block_iter_var(Y, [1, 0])\nannotate(u, \"kind\", \"one\")");
}
END_TEST

START_TEST(an_axis_there_is_not)
{
  tn_error *error;
  ck_assert_int_eq(tn_bind(s, loop("T", 0), TN_VECTORIZED, &error), TN_E_REFUSED);
  ck_assert_str_eq(tn_error_text(error), "schedule: bind: `` is not one of the words for `axis`: "
                                         "block.x|block.y|block.z|thread.x|thread.y|thread.z");
  tn_error_destroy(error);
}
END_TEST

/* ---- externals ---- */

START_TEST(what_an_external_may_touch_is_not_known)
{
  tn_error *error;
  open_text("extern log(ptr): void\n"
            "func f(X: f32[10], Y: f32[10, 4]) {\n"
            "  for i in 0..10 { block A(a: 0..10 = i) { X[a] = 1.0:f32 } }\n"
            "  for j in 0..10 { block B(a: 0..10 = j) { Y[a, 0] = 1.0:f32 } }\n"
            "  call log(&X)\n"
            "  for k in 0..10 { for l in 0..4 { Y[k, l] = X[k] } }\n"
            "}\n");
  tn_loop both[] = {loop("A", 0), loop("B", 0)};
  expect_refusal(tn_merge(s, 2, both, NULL, &error), &error, "schedule: merge: not all accesses to memory are known");
  tn_status status = tn_schedule_run(s, "reorder([l, k])", &error);
  expect_refusal(status, &error, "schedule: reorder: not all accesses to memory are known");
  teardown();
}
END_TEST

START_TEST(externals_stay_in_their_order)
{
  const int64_t by4[] = {0, 4};
  tn_error *error;
  open_text("extern log(index): f32\n"
            "func f(X: f32[10], Y: f32[10, 4]) {\n"
            "  alloc T: f32[10]\n"
            "  for i in 0..10 { block T(a: 0..10 = i) { T[a] = @log(a) } }\n"
            "  for j in 0..10 { block X(a: 0..10 = j) { X[a] = 1.0:f32 } }\n"
            "  for k in 0..10 { for l in 0..4 { Y[k, l] = @log(l) } }\n"
            "}\n");
  expect_refusal(tn_split_tail(s, loop("T", 0), 2, by4, TN_TAIL_PAD, NULL, &error), &error,
                 "schedule: split: an external would be called in iterations that there are not");
  tn_loop both[] = {loop("T", 0), loop("X", 0)};
  expect_refusal(tn_merge(s, 2, both, NULL, &error), &error,
                 "schedule: merge: an external is called here, and calls stay in their order");
  tn_status status = tn_schedule_run(s, "reorder([l, k])", &error);
  expect_refusal(status, &error, "schedule: reorder: an external is called here, and calls stay in their order");
  teardown();
}
END_TEST

/* ---- without memory ---- */

static const char *const scripts[] = {
    "k0, k1, k2 = split(k, [0, 4], tail=cut)\na, b = loop_partition(i, [3])\nunroll(b)\n",
    "split(m, [0, 4], tail=pad)\nx = merge([i, j])\nbind(x, block.x)\nannotate(x, \"note\", \"text\")\nunannotate(x, \"note\")\n",
    "u = add_unit_loop(i)\nreorder_block_iter_var(Y, [1, 0])\np = producers(Z)\nc = children(i)\nreorder([k, i])\no = outputs()\n",
};

START_TEST(without_memory_nothing_is_lost)
{ fault_walk(run_scripted, &(scripted){text, scripts[_i / 2]}, _i % 2); }
END_TEST

int main(void) {
  Suite *suite = suite_create("loops");
  TCase *t = tcase_create("loops"), *alone = tcase_create("alone");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, queries);
  tcase_add_test(t, splits_and_their_tails);
  tcase_add_test(t, a_tail_there_is_not);
  tcase_add_test(t, loops_apart_and_together);
  tcase_add_test(t, an_axis_there_is_not);
  tcase_add_test(alone, what_an_external_may_touch_is_not_known);
  tcase_add_test(alone, externals_stay_in_their_order);
  tcase_add_loop_test(alone, without_memory_nothing_is_lost, 0, 2 * TNI_COUNT(scripts));
  suite_add_tcase(suite, t);
  suite_add_tcase(suite, alone);
  return suite_run(suite);
}
