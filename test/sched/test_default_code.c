/* test_default_code.c -- how much code the default schedule makes: less where little is done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default/default.h"
#include "defaults.h"

/* 440 sums of each of so many pictures, and something long of each. */
static char *sums_of(int pictures) {
  static char text[800];
  snprintf(text, sizeof text,
           "func sums(X: f32[%d, 7, 7, 440], C: f32[%d, 440]) {\n"
           "  alloc S: f32[%d, 440]\n"
           "  for i in 0..%d { for j in 0..440 { for k in 0..7 { for l in 0..7 {\n"
           "    block S(a: 0..%d = i, b: 0..440 = j, reduce c: 0..7 = k, reduce d: 0..7 = l) {\n"
           "      init { S[a, b] = 0.0:f32 }\n"
           "      S[a, b] = S[a, b] + X[a, c, d, b]\n"
           "  } } } } }\n"
           "  for i in 0..%d { for j in 0..440 {\n"
           "    block C(a: 0..%d = i, b: 0..440 = j) { C[a, b] = sigmoid(S[a, b]) } } }\n"
           "}\n",
           pictures, pictures, pictures, pictures, pictures, pictures, pictures);
  return text;
}

/* Hundreds of cycles: four vectors side by side, with masks for the last ones, and one sigmoid. */
START_TEST(a_short_sum_is_short)
{
  open_context();
  char *text = checked_loops(sums_of(1));
  ck_assert_int_eq(count_of(text, "for d"), 1);
  ck_assert_int_eq(count_of(text, "sigmoid("), 1);
  ck_assert_msg(count_of(text, "+ X[") <= 4, "%s", text);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Millions: as fast as they can be, the last ones by themselves. */
START_TEST(a_long_sum_is_fast)
{
  open_context();
  char *text = loop_text(sums_of(4000));
  ck_assert_int_eq(count_of(text, "for d"), 2);
  ck_assert_msg(count_of(text, "+ X[") >= 2 * 7, "%s", text);
  ck_assert_ptr_null(strstr(text, "whole"));
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* The last vector of few begins earlier: there is no body for what is left, nor a mask. Of many, tails cost nothing. */
START_TEST(few_vectors_have_no_tail)
{
  static const char few[] = "func few(A: f32[37], B: f32[37]) {\n"
                            "  for i in 0..37 { block B(a: 0..37 = i) { B[a] = sigmoid(A[a]) } }\n"
                            "}\n";
  static const char many[] = "func many(A: f32[100037], B: f32[100037]) {\n"
                             "  for i in 0..100037 { block B(a: 0..100037 = i) { B[a] = sigmoid(A[a]) } }\n"
                             "}\n";
  open_context();
  char *text = checked_loops(few);
  ck_assert_int_eq(count_of(text, "sigmoid("), 1);
  ck_assert_ptr_null(strstr(text, " if "));
  tn_text_destroy(text);
  text = checked_loops(many);
  ck_assert_int_eq(count_of(text, "sigmoid("), 2);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

#define ACROSS(scalars, before, behind)                                                                                \
  "func across(A: f32[309, 172], B: f32[172, 309]" scalars ") {\n" before                                               \
  "  for i in 0..172 { for j in 0..309 {\n"                                                                            \
  "    block B(a: 0..172 = i, b: 0..309 = j) { B[a, b] = log(A[b, a] * A[b, a] + 1.0:f32) } } }\n" behind "}\n"

/* What is long is not written out for each row of a square: that is turned before it. */
START_TEST(long_values_follow_their_square)
{
  open_context();
  char *text = checked_loops(ACROSS("", "", ""));
  ck_assert_int_eq(count_of(text, "log("), 1);
  ck_assert_int_eq(count_of(text, ", 172, 16)]"), 16);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Under a condition it is not turned, as nothing moves there: it is read as it is. */
START_TEST(what_cannot_be_turned_before_is_read_as_it_is)
{
  open_context();
  char *text = checked_loops(ACROSS(", s: index", "  if s > 0 {\n", "  }\n"));
  ck_assert_int_eq(count_of(text, "A_reindex"), 0);
  ck_assert_int_eq(count_of(text, "A["), count_of(text, ", 172, 16)]"));
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Nor have the columns of a softmax a tail. */
START_TEST(few_columns_have_no_tail)
{
  open_context();
  char *text = checked_loops("func softmax(A: f32[5, 37], B: f32[5, 37]) {\n"
                             "  alloc M: f32[5]\n  alloc E: f32[5, 37]\n"
                             "  for i in 0..5 { for j in 0..37 {\n"
                             "    block M(a: 0..5 = i, reduce b: 0..37 = j) { init { M[a] = -inf:f32 } M[a] = max(M[a], A[a, b]) } } }\n"
                             "  for i in 0..5 { for j in 0..37 {\n"
                             "    block E(a: 0..5 = i, b: 0..37 = j) { E[a, b] = exp(A[a, b] - M[a]) } } }\n"
                             "  for i in 0..5 { for j in 0..37 {\n"
                             "    block B(a: 0..5 = i, b: 0..37 = j) { B[a, b] = E[a, b] * 2.0:f32 } } }\n"
                             "}\n");
  ck_assert_int_eq(count_of(text, "exp("), 1);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("default code");
  TCase *tcase = tcase_create("default code");
  tcase_add_test(tcase, a_short_sum_is_short);
  tcase_add_test(tcase, a_long_sum_is_fast);
  tcase_add_test(tcase, few_vectors_have_no_tail);
  tcase_add_test(tcase, what_cannot_be_turned_before_is_read_as_it_is);
  tcase_add_test(tcase, few_columns_have_no_tail);
  tcase_add_test(tcase, long_values_follow_their_square);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
