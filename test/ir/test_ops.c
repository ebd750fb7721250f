/* test_ops.c -- the op table as text: every row prints and reads back on every type that it takes, and refuses the
 * others by its typing rule.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"

static const tn_type all_types[] = {TN_BOOL, TN_I8,   TN_I16, TN_I32, TN_I64,    TN_U8,     TN_U16,   TN_U32, TN_U64,
                                    TN_F16,  TN_BF16, TN_F32, TN_F64, TN_F8E4M3, TN_F8E5M2, TN_INDEX, 0};
static tn_context *ctx;

static void setup(void) { ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK); }
static void teardown(void) { tn_context_destroy(ctx); }

/* The result type of the operator on operands of one type (select: and a condition), or 0. */
static tn_type result_of(enum tn_op op, tn_type type) {
  const tn_expr a = {.op = TN_OP_var, .type = type}, c = {.op = TN_OP_var, .type = TN_BOOL};
  const tn_expr *args[] = {op == TN_OP_select ? &c : &a, &a, &a};
  const char *why;
  return !tni_op_has_rule(op) ? 0 : tni_op_type(op, args, &why);
}

static char *parse_and_print(const char *text) {
  tn_program *program;
  tn_error *error;
  char *printed;
  tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &error);
  ck_assert_msg(program != NULL, "%s\n%s", text, tn_error_text(error));
  ck_assert_int_eq(tn_program_print(program, &printed, NULL), TN_OK);
  tn_program_destroy(program);
  return printed;
}

START_TEST(every_operator_reads_back)
{
  enum tn_op op = (enum tn_op)_i;
  for (const tn_type *type = all_types; *type; type++) {
    char text[400], t[16];
    if (!result_of(op, *type)) continue;
    tn_type_text(*type, t);
    snprintf(text, sizeof text,
             "func f(a: %s, b: %s, c: %s, d: bool, R: i32[1]) {\n  R[0] = cast(i32, %s(%s%s%s))\n}\n", t, t, t,
             tni_ops[op].name, op == TN_OP_select ? "d" : "a", tni_ops[op].arity > 1 ? ", b" : "",
             tni_ops[op].arity > 2 ? ", c" : "");
    char *once = parse_and_print(text), *twice = parse_and_print(once);
    ck_assert_str_eq(once, twice);
    tn_text_destroy(once);
    tn_text_destroy(twice);
  }
}
END_TEST

/* name(args) is refused with that, and a mark under the name. */
static void refuses_with(const char *name, const char *args, const char *reason) {
  char text[400], want[600];
  tn_program *program;
  tn_error *error;
  int length = (int)strlen(name);
  snprintf(text, sizeof text, "func f(i: index, p: bool, n: i32, m: i64, x: f32, R: i32[1]) {\n  R[0] = %s%s\n}\n",
           name, args);
  snprintf(want, sizeof want, "parse: t.tn:2:10: %s\n    R[0] = %s%s\n           %.*s", reason, name, args, length,
           "^^^^^^^^^^^^^^^^");
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &error), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(error), want);
  tn_error_destroy(error);
}

static void refuses(const char *name, const char *args, const char *reason) {
  char whole[400];
  snprintf(whole, sizeof whole, "`%s` %s", name, reason);
  refuses_with(name, args, whole);
}

START_TEST(conversions_read_back)
{
  static const char text[] = "func f(x: f32, R: i8[3]) {\n"
                             "  R[0] = cast(i8, x)\n"
                             "  R[1] = cast_sat(i8, cast_sat(f16, x))\n"
                             "  R[2] = cast(i8, cast_sat(f32, x))\n"
                             "}\n";
  char *once = parse_and_print(text);
  ck_assert_str_eq(once, text);
  tn_text_destroy(once);
  refuses_with("cast_sat", "(ptr, n)", "i32 to ptr: a cast is from a number or bool to a number or bool");
  refuses_with("cast_sat", "(i8x4, n)", "i32 to i8x4: a cast keeps the number of lanes");
  refuses_with("reinterpret", "(f64, n)", "i32 to f64: reinterpret needs types of the same bits and lanes");
}
END_TEST

START_TEST(operands_keep_their_rule)
{
  refuses("add", "(p, p)", "of bool and bool: the operands must be numbers");
  refuses("sqrt", "(n)", "of i32: the operands must be floating-point numbers");
  refuses("shl", "(x, x)", "of f32 and f32: the operands must be integers or bool");
  refuses("mulhi", "(i, i)",
          "of index and index: the operands must be integers of a fixed width, neither bool nor index");
  refuses("clz", "(p)", "of bool: the operands must be integers of a fixed width, neither bool nor index");
  refuses("add_sat", "(x, x)",
          "of f32 and f32: the operands must be integers of a fixed width, neither bool nor index");
  refuses("mulhi", "(n, m)", "of i32 and i64: the operands have different types");
  refuses("select", "(n, n, n)", "of i32, i32 and i32: the condition must be bool with as many lanes as the operands");
  refuses("eq", "(&R, &R)", "of ptr and ptr: the operands must be numbers or bool");
  refuses("clz", "(n, n)", "takes 1 argument, not 2");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ops");
  TCase *tests = tcase_create("ops");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, every_operator_reads_back, 0, TN_OP_COUNT);
  tcase_add_test(tests, conversions_read_back);
  tcase_add_test(tests, operands_keep_their_rule);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
