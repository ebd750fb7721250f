/* test_hoist.c -- conditions that stand before the loops that do not move them: which do, and which stay.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "lower/lower.h"
#include "suite.h"

static void check_hoisted(const char *body, const char *want) {
  char source[1000], expected[1000];
  tn_context *ctx;
  tn_program *program;
  tn_error *error;
  char *text;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  snprintf(source, sizeof source, "func f(n: index, I: i64[9]) {\n%s\n}\n", body);
  snprintf(expected, sizeof expected, "func f(n: index, I: i64[9]) {\n%s}\n", want);
  ck_assert_msg(tn_program_parse(ctx, source, strlen(source), "t", &program, &error) == TN_OK, "%s",
                tn_error_text(error));
  const tn_func *f = tn_program_func_at(program, 0);
  tn_func *made = tni_func_with_body(&program->region, f, TNI_LEVEL_TENSOR, tni_lower_hoist(&program->region, f->body));
  ck_assert_int_eq(tn_func_print(made, &text, NULL), TN_OK);
  ck_assert_str_eq(text, expected);
  tn_text_destroy(text);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

START_TEST(a_condition_that_no_loop_moves_is_asked_once)
{
  check_hoisted(
      "for i in 0..3 { for j in 0..3 parallel { if n < 4 { I[i * 3 + j] = 1:i64 } } }",
      "  if n < 4 {\n    for i in 0..3 {\n      for j in 0..3 parallel {\n        I[i * 3 + j] = 1:i64\n      }\n"
      "    }\n  }\n");
}
END_TEST

START_TEST(each_conjunct_goes_as_far_as_it_can)
{
  check_hoisted("for i in 0..3 { for j in 0..3 { if i < n && n < 4 && j < n { I[i * 3 + j] = 1:i64 } } }",
                "  if n < 4 {\n    for i in 0..3 {\n      if i < n {\n        for j in 0..3 {\n          if j < n {\n"
                "            I[i * 3 + j] = 1:i64\n          }\n        }\n      }\n    }\n  }\n");
}
END_TEST

START_TEST(neighbours_share_an_if)
{
  check_hoisted(
      "for i in 0..3 { if n < 4 { I[i] = 1:i64 }; if n < 4 { I[i + 3] = 2:i64 }; if n < 4 { I[i + 6] = 3:i64 } }",
      "  if n < 4 {\n    for i in 0..3 {\n      I[i] = 1:i64\n      I[i + 3] = 2:i64\n      I[i + 6] = 3:i64\n"
      "    }\n  }\n");
}
END_TEST

/* It is the text that is there. */
static void check_kept(const char *text) { check_hoisted(text, text); }

START_TEST(what_is_not_under_the_condition_stays_outside_of_it)
{
  check_kept("  for i in 0..3 {\n    if n < 4 {\n      I[i] = 1:i64\n    }\n    I[i + 3] = 2:i64\n    if n < 4 {\n"
             "      I[i + 6] = 3:i64\n    }\n  }\n");
  check_kept("  for i in 0..3 {\n    if n < 4 {\n      I[i] = 1:i64\n    } else {\n      I[i] = 2:i64\n    }\n"
             "    if n < 4 {\n      I[i + 3] = 3:i64\n    }\n  }\n");
}
END_TEST

START_TEST(a_condition_that_reads_memory_is_asked_each_time)
{
  check_kept("  for i in 0..3 {\n    if I[8] < 4:i64 {\n      I[i + 6] = 4:i64\n    }\n  }\n");
  check_kept("  if I[8] < 4:i64 {\n    I[8] = 4:i64\n  }\n  if I[8] < 4:i64 {\n    I[7] = 1:i64\n  }\n");
}
END_TEST

START_TEST(an_outlined_loop_keeps_its_conditions)
{ check_kept("  for i in 0..3 outlined {\n    if n < 4 {\n      I[i] = 1:i64\n    }\n  }\n"); }
END_TEST

int main(void) {
  const TTest *const tests[] = {
      a_condition_that_no_loop_moves_is_asked_once,
      each_conjunct_goes_as_far_as_it_can,
      neighbours_share_an_if,
      what_is_not_under_the_condition_stays_outside_of_it,
      a_condition_that_reads_memory_is_asked_each_time,
      an_outlined_loop_keeps_its_conditions,
  };
  return suite_run_tests("hoist", tests, TNI_COUNT(tests), NULL, NULL);
}
