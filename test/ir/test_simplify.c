/* test_simplify.c -- statements simplified: what they become. Of expressions see arith_cases.c and arith_fuzz.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"
#include "suite.h"

static void check_statement(const char *body, const char *want) {
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
  tn_func *made =
      tni_func_with_body(&program->region, f, TNI_LEVEL_TENSOR, tni_stmt_simplify(&program->region, f->body));
  ck_assert_int_eq(tn_func_print(made, &text, NULL), TN_OK);
  ck_assert_str_eq(text, expected);
  tn_text_destroy(text);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

START_TEST(loops_of_no_or_one_iteration_go)
{ check_statement("for i in 0..0 { I[i] = 1:i64 }; for i in 0..1 { I[i + n] = 2:i64 }", "  I[n] = 2:i64\n"); }
END_TEST

START_TEST(an_outlined_loop_of_one_iteration_stays)
{
  check_statement("for i in 0..1 outlined { I[i + n] = 2:i64 }; for i in 0..0 outlined { I[i] = 1:i64 }\n"
                  "for i in 0..4 outlined { if i < 1 { I[i] = 1:i64 } }",
                  "  for i in 0..1 outlined {\n    I[n] = 2:i64\n  }\n"
                  "  for i_1 in 0..1 outlined {\n    I[0] = 1:i64\n  }\n");
}
END_TEST

START_TEST(branches_that_are_decided_go)
{
  check_statement("for i in 0..4 { if i < 4 { I[i] = 1:i64 } else { I[i] = 2:i64 } }",
                  "  for i in 0..4 {\n    I[i] = 1:i64\n  }\n");
}
END_TEST

START_TEST(a_condition_holds_in_its_branch)
{ check_statement("if n < 4 { if n < 4 { I[0] = 1:i64 } }", "  if n < 4 {\n    I[0] = 1:i64\n  }\n"); }
END_TEST

START_TEST(a_condition_that_loads_may_change_in_its_branch)
{
  const char *same = "  if I[0] < 4:i64 {\n    I[0] = 4:i64\n    if I[0] < 4:i64 {\n      I[1] = 1:i64\n    }\n  }\n";
  check_statement(same, same);
}
END_TEST

START_TEST(lets_of_index_arithmetic_go)
{
  check_statement("let x = n + 1; let y = 2; let z = y * x - n; I[z] = 1:i64", "  I[n + 2] = 1:i64\n");
  check_statement("let x = 3:i64; I[n] = x + x", "  I[n] = 6:i64\n");
  check_statement("let x = I[0]; for i in 0..0 { I[i] = x }", "");
}
END_TEST

START_TEST(claims_are_known_in_what_follows)
{
  check_statement("{ assume 0 <= n && n < 8; if n < 8 { I[n % 8] = 1:i64 } }; if n < 8 { I[0] = 1:i64 }",
                  "  {\n    assume 0 <= n && n < 8\n    I[n] = 1:i64\n  }\n  if n < 8 {\n    I[0] = 1:i64\n  }\n");
  check_statement("assert n == 3, \"m\"; I[n % 8] = 1:i64; if 2 < n { I[0] = 1:i64 }",
                  "  assert n == 3, \"m\"\n  I[3] = 1:i64\n  I[0] = 1:i64\n");
  check_statement("assert 2 < 3, \"m\"; I[n] = 1:i64", "  I[n] = 1:i64\n");
  check_statement("while 3 < 2 { I[n] = 1:i64 }; while I[0] < 1:i64 { I[n - n] = 1:i64 }",
                  "  while I[0] < 1:i64 {\n    I[0] = 1:i64\n  }\n");
  const char *same = "  assume I[0] < 4:i64\n  I[0] = 4:i64\n  if I[0] < 4:i64 {\n    I[1] = 1:i64\n  }\n";
  check_statement(same, same);
}
END_TEST

START_TEST(lets_of_memory_stay_and_bound_what_uses_them)
{
  check_statement("let x = I[n] * 2:i64; I[0] = x; I[1] = x", "  let x = I[n] * 2:i64\n  I[0] = x\n  I[1] = x\n");
  check_statement("let x = min(max(cast(index, I[n]), 0), 7); if x < 8 { I[x] = 1:i64 }",
                  "  let x = min(max(cast(index, I[n]), 0), 7)\n  I[x] = 1:i64\n");
}
END_TEST

START_TEST(a_guard_trims_its_loop)
{
  check_statement("for i in 0..8 { if i < 5 { I[i] = 1:i64 } }", "  for i in 0..5 {\n    I[i] = 1:i64\n  }\n");
  check_statement("for i in 0..8 { if i < 1 { I[i] = 1:i64 } }", "  I[0] = 1:i64\n");
  check_statement("for i in 0..8 vectorized { if i < 1 { I[i] = 1:i64 } }", "  I[0] = 1:i64\n");
  const char *masked = "  for i in 0..8 vectorized {\n    if i < 5 {\n      I[i] = 1:i64\n    }\n  }\n";
  check_statement(masked, masked);
}
END_TEST

START_TEST(lanes_stay_lanes_under_a_condition)
{
  const char *same = "  for i in 0..8 vectorized {\n    if i < 1 {\n      I[i] = 1:i64\n    }\n    I[i + 1] = 2:i64\n  }\n";
  check_statement(same, same);
}
END_TEST

START_TEST(the_other_branch_knows_the_opposite)
{
  check_statement("for i in 0..8 { if i < 4 { I[i // 4] = 1:i64 } else { I[i // 4] = 2:i64 } }",
                  "  for i in 0..8 {\n    if i < 4 {\n      I[0] = 1:i64\n    } else {\n      I[1] = 2:i64\n    }\n  }\n");
}
END_TEST

START_TEST(extents_are_known_by_name)
{
  check_statement("for i in 0..n { if i < n { I[i] = 1:i64 } }", "  for i in 0..n {\n    I[i] = 1:i64\n  }\n");
  check_statement("for i in 0..n { for j in 0..n { I[(i * n + j) // n + (i * n + j) % n] = 1:i64 } }",
                  "  for i in 0..n {\n    for j in 0..n {\n      I[i + j] = 1:i64\n    }\n  }\n");
}
END_TEST

/* Thirty squarings, and the same with sums and conditions: nodes are looked at once. */
START_TEST(what_a_node_became_is_forgotten_with_the_facts)
{
  check_statement("if n < 4 { I[min(n, 4)] = 1:i64 }; I[min(n, 4)] = 2:i64\n"
                  "for i in 0..8 { I[i // 4] = 3:i64; if i < 4 { I[i // 4] = 4:i64 }; I[i // 4] = 5:i64 }",
                  "  if n < 4 {\n    I[n] = 1:i64\n  }\n  I[min(n, 4)] = 2:i64\n"
                  "  for i in 0..8 {\n    I[i // 4] = 3:i64\n    if i < 4 {\n      I[0] = 4:i64\n    }\n"
                  "    I[i // 4] = 5:i64\n  }\n");
}
END_TEST

START_TEST(shared_nodes_cost_once)
{
  tn_context *ctx;
  tni_region r;
  tni_facts facts;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tni_region_init(&r, ctx, NULL);
  tni_facts_init(&facts, ctx);
  const tn_expr *n = tni_var(&r, "n", TN_INDEX), *square = n, *mixed = n;
  ck_assert(tni_facts_push(&facts, n, 0, 7));
  for (int i = 0; i < 30; i++) {
    square = tni_mul(&r, square, square);
    const tn_expr *rest = tni_op2(&r, TN_OP_floormod, mixed, tni_index(&r, 97 - i));
    const tn_expr *half = tni_op2(&r, TN_OP_floordiv, mixed, tni_index(&r, 2 + i));
    mixed = tni_op3(&r, TN_OP_select, tni_op2(&r, TN_OP_lt, rest, half), tni_op2(&r, TN_OP_min, rest, tni_mul(&r, half, rest)),
                    tni_add(&r, half, rest));
  }
  size_t before = r.table_used;
  ck_assert_ptr_nonnull(tni_simplify(&r, &facts, square));
  ck_assert_uint_lt(r.table_used - before, 1000);
  ck_assert_ptr_nonnull(tni_simplify(&r, &facts, mixed));
  ck_assert_uint_lt(r.table_used - before, 20000);
  tni_facts_destroy(&facts);
  tni_region_destroy(&r);
  tn_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("simplify");
  TCase *tests = tcase_create("simplify");
  tcase_add_test(tests, loops_of_no_or_one_iteration_go);
  tcase_add_test(tests, an_outlined_loop_of_one_iteration_stays);
  tcase_add_test(tests, branches_that_are_decided_go);
  tcase_add_test(tests, lets_of_index_arithmetic_go);
  tcase_add_test(tests, claims_are_known_in_what_follows);
  tcase_add_test(tests, lets_of_memory_stay_and_bound_what_uses_them);
  tcase_add_test(tests, a_condition_holds_in_its_branch);
  tcase_add_test(tests, a_condition_that_loads_may_change_in_its_branch);
  tcase_add_test(tests, a_guard_trims_its_loop);
  tcase_add_test(tests, lanes_stay_lanes_under_a_condition);
  tcase_add_test(tests, the_other_branch_knows_the_opposite);
  tcase_add_test(tests, extents_are_known_by_name);
  tcase_add_test(tests, what_a_node_became_is_forgotten_with_the_facts);
  tcase_add_test(tests, shared_nodes_cost_once);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
