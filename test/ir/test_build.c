/* test_build.c -- statements through the public builder: what a host makes prints as it would be written, and what it
 * cannot make is told when the builder is finished.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"

static tn_context *ctx;
static tn_program *program;
static tn_builder *b;
static const tn_buffer *A;
static const tn_expr *n, *zero, *one; /* n: index; one: 1.0 */

static void setup(void) {
  const int64_t eight = 8;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  A = tn_param(b, "A", TN_F32, 1, &eight);
  n = tn_param_scalar(b, "n", TN_INDEX);
  zero = tn_index(b, 0);
  one = tn_float(b, TN_F32, 1);
}

static void teardown(void) {
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static void check_body(const char *want) {
  char *text, expected[2048];
  const tn_func *func;
  tn_error *err;
  tn_status status = tn_builder_finish(b, &func, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  snprintf(expected, sizeof expected, "func f(A: f32[8], n: index) {\n%s}\n", want);
  ck_assert_int_eq(tn_func_print(func, &text, NULL), TN_OK);
  ck_assert_str_eq(text, expected);
  tn_text_destroy(text);
}

START_TEST(statements_print_as_they_would_be_written)
{
  const tn_expr *x = tn_var(b, "x", TN_F32), *small = tn_op2(b, TN_OP_lt, n, tn_index(b, 8));
  const tn_stmt *store = tn_store(b, A, &n, x);
  const tn_stmt *again = tn_while(b, tn_op2(b, TN_OP_lt, tn_load(b, A, &n, NULL), one), store);
  tn_emit(b, tn_assert(b, small, "n is small", tn_assume(b, tn_op2(b, TN_OP_le, zero, n),
                                                         tn_let(b, x, tn_load(b, A, &zero, NULL), again))));
  check_body("  assert n < 8, \"n is small\"\n  assume 0 <= n\n  let x = A[0]\n  while A[n] < 1.0:f32 {\n    A[n] = x\n  }\n");
}
END_TEST

START_TEST(a_reduce_changes_an_element)
{
  tn_emit(b, tn_reduce_store(b, TN_OP_max, A, &n, one));
  check_body("  reduce A[n] max= 1.0:f32\n");
}
END_TEST

START_TEST(annotations_are_added_in_order)
{
  const tn_expr *i = tn_var(b, "i", TN_INDEX);
  const tn_stmt *loop = tn_for(b, i, tn_index(b, 8), tn_store(b, A, &i, one));
  tn_emit(b, tn_annotate_text(b, tn_annotate(b, loop, "factor", 4), "note", "twice"));
  check_body("  for i in 0..8 with factor = 4, note = \"twice\" {\n    A[i] = 1.0:f32\n  }\n");
}
END_TEST

/* ---- mistakes ---- */

static const tn_stmt *body(void) { return tn_store(b, A, &zero, one); }
static const tn_stmt *let_of_no_variable(void) { return tn_let(b, zero, n, body()); }
static const tn_stmt *let_of_another_type(void) { return tn_let(b, tn_var(b, "x", TN_F32), n, body()); }
static const tn_stmt *assert_of_a_number(void) { return tn_assert(b, n, "m", body()); }
static const tn_stmt *assert_without_message(void) { return tn_assert(b, tn_op2(b, TN_OP_lt, n, n), "", body()); }
static const tn_stmt *assume_of_a_number(void) { return tn_assume(b, n, body()); }
static const tn_stmt *while_of_a_number(void) { return tn_while(b, n, body()); }
static const tn_stmt *reduce_by_sub(void) { return tn_reduce_store(b, TN_OP_sub, A, &n, one); }
static const tn_stmt *reduce_of_floats_by_and(void) { return tn_reduce_store(b, TN_OP_and, A, &n, one); }
static const tn_stmt *loop_of_no_kind(void) {
  return tn_for_kind(b, (enum tn_loop_kind)4, tn_var(b, "i", TN_INDEX), n, body());
}
static const tn_stmt *store_where_a_number(void) { return tn_store_where(b, A, &zero, one, n); }
static const tn_stmt *buffer_of_no_scope(void) {
  const tn_buffer_desc desc = {.struct_size = sizeof desc, .type = TN_F32, .scope = (enum tn_scope)3};
  return tn_allocate(b, tn_buffer_with(b, "T", &desc), body());
}
static const tn_stmt *parameter_of_no_variable(void) {
  tn_param_var(b, zero);
  return NULL;
}
static const tn_stmt *annotated_store(void) { return tn_annotate(b, body(), "key", 1); }
static const tn_stmt *annotation_without_key(void) {
  return tn_annotate_text(b, tn_for(b, tn_var(b, "i", TN_INDEX), n, body()), "", "text");
}

static const struct {
  const tn_stmt *(*make)(void);
  const char *want;
} mistakes[] = {
    {let_of_no_variable, "build: f: a let needs a variable"},
    {let_of_another_type, "build: f: `x` is f32, but its value is index"},
    {assert_of_a_number, "build: f: what is asserted or assumed must be bool"},
    {assert_without_message, "build: f: an assert needs a message"},
    {assume_of_a_number, "build: f: what is asserted or assumed must be bool"},
    {reduce_by_sub, "build: f: a reduce is by add, mul, min, max, and, or, xor"},
    {reduce_of_floats_by_and, "build: f: `A`: `and`: the operands must be integers or bool"},
    {loop_of_no_kind, "build: f: there is no loop of kind 4"},
    {store_where_a_number, "build: f: `A`: the condition of a store must be bool"},
    {buffer_of_no_scope, "build: f: `T`: there is no scope 3"},
    {parameter_of_no_variable, "build: f: a scalar parameter is a variable"},
    {annotated_store, "build: f: only loops and blocks are annotated"},
    {annotation_without_key, "build: f: an annotation needs a key"},
    {while_of_a_number, "build: f: the condition of a while must be bool"},
};

START_TEST(mistakes_are_told_at_the_end)
{
  tn_error *err;
  const tn_stmt *s = mistakes[_i].make();
  ck_assert_ptr_null(s);
  tn_emit(b, s);
  ck_assert_int_eq(tn_builder_finish(b, NULL, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), mistakes[_i].want);
  tn_error_destroy(err);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("build");
  TCase *tests = tcase_create("build");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, statements_print_as_they_would_be_written);
  tcase_add_test(tests, a_reduce_changes_an_element);
  tcase_add_test(tests, annotations_are_added_in_order);
  tcase_add_loop_test(tests, mistakes_are_told_at_the_end, 0, TNI_COUNT(mistakes));
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
