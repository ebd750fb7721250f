/* test_vary.c -- numbers of texts that are equal but for numbers: which are constants, parameters, and what follows from those.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"
#include "suite.h"

enum { NUMBERS = 5 };
typedef int64_t numbers[NUMBERS];

/* Each number of the texts, of five in each: `3`, `#1` (a parameter), `#1*4+2`. */
static void check_sums(bool sums, size_t count, numbers *texts, const char *want) {
  tn_context *ctx;
  tni_arena arena;
  tni_text got;
  tni_variation v;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tni_arena_init(&arena, ctx);
  tni_text_init(&got, ctx);
  ck_assert(tni_variation_begin(&arena, NUMBERS, texts[0], &v));
  v.sums = sums;
  for (size_t t = 1; t < count; t++) {
    tni_variation made;
    ck_assert(tni_variation_widened(&v, texts[t], &made));
    v = made;
  }
  for (size_t i = 0; i < NUMBERS; i++) {
    const tni_multiple *n = &v.numbers[i];
    tni_text_add(&got, "%s", i ? " " : "");
    if (!n->by) tni_text_add(&got, "%lld", (long long)n->plus);
    if (n->by) tni_text_add(&got, "#%zu", n->of);
    if (n->by > 1) tni_text_add(&got, "*%lld", (long long)n->by);
    if (n->more) tni_text_add(&got, "+#%zu*%lld", n->more_of, (long long)n->more);
    if (n->by && n->plus) tni_text_add(&got, "%+lld", (long long)n->plus);
  }
  ck_assert_str_eq(got.data, want);
  tni_text_destroy(&got);
  tni_arena_destroy(&arena);
  tn_context_destroy(ctx);
}

static void check(size_t count, numbers *texts, const char *want) { check_sums(false, count, texts, want); }

START_TEST(numbers_of_one_text_are_constants)
{ check(1, (numbers[]){{4, 4, 0, 9, 1}}, "4 4 0 9 1"); }
END_TEST

START_TEST(larger_numbers_are_multiples_of_smaller_ones)
{ check(3, (numbers[]){{448, 64, 7, 1024, 64}, {672, 96, 7, 1536, 96}, {896, 128, 7, 2048, 128}}, "#1*7 #1 7 #1*16 #1"); }
END_TEST

START_TEST(a_multiple_goes_before_a_sum)
{ check(2, (numbers[]){{1, 4, 8, 6, 10}, {3, 7, 14, 8, 13}}, "#0 #1 #1*2 #0+5 #1+6"); }
END_TEST

START_TEST(one_text_more_makes_parameters)
{ check(3, (numbers[]){{2, 4, 6, 8, 1}, {3, 6, 9, 12, 1}, {4, 8, 12, 17, 2}}, "#0 #0*2 #0*3 #3 #4"); }
END_TEST

START_TEST(numbers_that_fall_are_no_multiples)
{ check(2, (numbers[]){{1, 9, 9, 1, 1}, {2, 8, 8, 2, 1}}, "#0 #1 #1 #0 1"); }
END_TEST

/* A row and two columns further, where that is wanted. */
START_TEST(sums_of_two_multiples_are_no_parameters)
{
  static numbers texts[] = {{16, 900, 932, 1832, 7}, {24, 1000, 1048, 2048, 7}, {64, 5000, 5128, 10128, 7}};
  check_sums(true, 3, texts, "#0 #1 #0*2+#1*1 #0*2+#1*2 7");
  check_sums(false, 3, texts, "#0 #1 #2 #3 7");
}
END_TEST

/* The last text is no such sum; of two in one ratio there are many. */
START_TEST(what_is_no_sum_in_one_text_is_a_parameter)
{
  check_sums(true, 3, (numbers[]){{16, 900, 932, 1, 1}, {24, 1000, 1048, 1, 1}, {64, 5000, 5127, 1, 1}}, "#0 #1 #2 1 1");
  check_sums(true, 2, (numbers[]){{6, 9, 22, 1, 1}, {12, 18, 45, 1, 1}}, "#0 #1 #2 1 1");
  check_sums(true, 2, (numbers[]){{INT64_MAX, INT64_MAX - 1, 5, 1, 1}, {INT64_MAX - 3, 7, 9, 1, 1}}, "#0 #1 #2 1 1");
}
END_TEST

START_TEST(the_largest_numbers_do_not_overflow)
{
  check(2, (numbers[]){{1, INT64_MAX, 0, INT64_MIN, INT64_MAX}, {2, INT64_MAX - 1, INT64_MAX, 0, INT64_MIN}},
        "#0 #1 #2 #3 #4");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("vary");
  TCase *tc = tcase_create("vary");
  tcase_add_test(tc, numbers_of_one_text_are_constants);
  tcase_add_test(tc, larger_numbers_are_multiples_of_smaller_ones);
  tcase_add_test(tc, a_multiple_goes_before_a_sum);
  tcase_add_test(tc, one_text_more_makes_parameters);
  tcase_add_test(tc, numbers_that_fall_are_no_multiples);
  tcase_add_test(tc, sums_of_two_multiples_are_no_parameters);
  tcase_add_test(tc, what_is_no_sum_in_one_text_is_a_parameter);
  tcase_add_test(tc, the_largest_numbers_do_not_overflow);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
