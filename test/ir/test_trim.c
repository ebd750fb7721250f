/* test_trim.c -- loops without the steps that leave everything as it is: which steps, and which loops stay.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "lower/lower.h"
#include "suite.h"

static void check_trimmed(const char *body, const char *want) {
  char source[2000], expected[2000];
  tn_context *ctx;
  tn_program *program;
  tn_error *error;
  char *text;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  snprintf(source, sizeof source, "func f(n: index, A: f32[9], S: f32[9]) {\n%s}\n", body);
  snprintf(expected, sizeof expected, "func f(n: index, A: f32[9], S: f32[9]) {\n%s}\n", want);
  ck_assert_msg(tn_program_parse(ctx, source, strlen(source), "t", &program, &error) == TN_OK, "%s",
                tn_error_text(error));
  const tn_func *f = tn_program_func_at(program, 0);
  tn_func *made = tni_func_with_body(&program->region, f, TNI_LEVEL_TENSOR, tni_lower_trim(&program->region, f->body));
  ck_assert_int_eq(tn_func_print(made, &text, NULL), TN_OK);
  ck_assert_str_eq(text, expected);
  tn_text_destroy(text);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

/* It is the text that is there. */
static void check_kept(const char *text) { check_trimmed(text, text); }

START_TEST(a_sum_begins_and_ends_where_its_window_does)
{
  check_trimmed(
      "  for i in 0..9 {\n    for k in 0..5 {\n"
      "      S[i] = select(2 <= i + k && i + k < 11, S[i] + A[i + k - 2 if 2 <= i + k && i + k < 11], S[i])\n    }\n  }\n",
      "  for i in 0..9 {\n    for k in 0..min(11 - i, 5) - max(2 - i, 0) {\n"
      "      S[i] = S[i] + A[i + k + max(2 - i, 0) - 2]\n    }\n  }\n");
}
END_TEST

START_TEST(steps_may_go_by_more_than_one_or_down)
{
  check_trimmed(
      "  for i in 0..9 {\n    for k in 0..4 {\n      S[i] = select(5 <= i + k * 3, S[i] + 1.0:f32, S[i])\n    }\n  }\n",
      "  for i in 0..9 {\n    for k in 0..4 - max((1 - i) // 3 + 2, 0) {\n      S[i] = S[i] + 1.0:f32\n    }\n  }\n");
  check_trimmed(
      "  for i in 0..9 {\n    for k in 0..4 {\n      S[i] = select(k * 2 < i, S[i] + 1.0:f32, S[i])\n    }\n  }\n",
      "  for i in 0..9 {\n    for k in 0..(i + 1) // 2 {\n      S[i] = S[i] + 1.0:f32\n    }\n  }\n");
}
END_TEST

START_TEST(there_may_be_no_step_at_all)
{
  check_trimmed("  for k in 0..4 {\n    S[0] = select(n + 9 <= k, S[0] + 1.0:f32, S[0])\n  }\n",
                "  for k in 0..max(4 - max(n + 9, 0), 0) {\n    S[0] = S[0] + 1.0:f32\n  }\n");
}
END_TEST

START_TEST(what_each_step_has_for_itself_is_not_missed)
{
  check_trimmed("  for k in 0..4 {\n    alloc T: f32[1]\n    T[0] = A[k]\n"
                "    S[0] = select(k < n, S[0] + T[0], S[0])\n    S[1] = select(k < n && S[0] < 3.0:f32, T[0], S[1])\n  }\n",
                "  for k in 0..max(min(n, 4), 0) {\n    alloc T: f32[1]\n    T[0] = A[k]\n"
                "    S[0] = S[0] + T[0]\n    S[1] = select(S[0] < 3.0:f32, T[0], S[1])\n  }\n");
}
END_TEST

START_TEST(loops_that_do_more_stay)
{
  check_kept("  for k in 0..4 {\n    S[0] = select(k < n, S[0] + 1.0:f32, S[0])\n    S[1] = 1.0:f32\n  }\n");
  check_kept("  for k in 0..4 {\n    S[0] = select(k < n, S[0] + 1.0:f32, S[1])\n  }\n");
  check_kept("  for k in 0..4 {\n    S[0] = select(k < n, S[0] + 1.0:f32, 0.0:f32)\n  }\n");
  check_kept("  for k in 0..4 {\n    S[0] = select(k < n, S[0] + 1.0:f32, S[0])\n"
             "    S[1] = select(k < 2, S[1] + 1.0:f32, S[1])\n  }\n");
}
END_TEST

START_TEST(conditions_that_change_within_a_step_stay)
{
  check_kept("  for k in 0..4 {\n    for i in 0..9 unrolled {\n      S[i] = select(k < i, S[i] + 1.0:f32, S[i])\n    }\n  }\n");
  check_kept("  for k in 0..4 {\n    S[0] = select(k < cast(index, cast(i64, A[0])), S[0] + 1.0:f32, S[0])\n  }\n");
}
END_TEST

START_TEST(guards_of_other_stores_stay)
{
  check_kept("  for k in 0..4 {\n    if k < n {\n      S[k] = A[k]\n    }\n  }\n");
}
END_TEST

START_TEST(loops_that_are_written_out_stay)
{
  check_kept("  for k in 0..4 unrolled {\n    S[0] = select(k < n, S[0] + 1.0:f32, S[0])\n  }\n");
}
END_TEST

int main(void) {
  const TTest *const tests[] = {
      a_sum_begins_and_ends_where_its_window_does, steps_may_go_by_more_than_one_or_down, there_may_be_no_step_at_all,
      what_each_step_has_for_itself_is_not_missed, loops_that_do_more_stay, conditions_that_change_within_a_step_stay,
      guards_of_other_stores_stay, loops_that_are_written_out_stay};
  return suite_run_tests("trim", tests, TNI_COUNT(tests), NULL, NULL);
}
