/* test_ops.c -- the op table as text: every row prints and reads back on every type that it takes, and refuses the
 * others by its typing rule.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"
#include "suite.h"

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

#define LOOP "loop func f(A: f32[16], I: i32[8], B: f32[16], n: index, x: f32, y: f32) {\n"

/* A line of a loop function, as it is printed. */
static void prints(const char *line, const char *want) {
  char in[400], out[400];
  snprintf(in, sizeof in, LOOP "  %s\n}\n", line);
  snprintf(out, sizeof out, LOOP "  %s\n}\n", want);
  char *once = parse_and_print(in), *twice = parse_and_print(once);
  ck_assert_str_eq(once, out);
  ck_assert_str_eq(twice, out);
  tn_text_destroy(once);
  tn_text_destroy(twice);
}

START_TEST(shuffles_read_back)
{
#define EVEN "B[ramp(0, 1, 4)] = shuffle(A[ramp(0, 1, 4)], A[ramp(4, 1, 4)], [0, 2, 4, 6])"
  prints(EVEN, EVEN);
#define PAIR "B[ramp(0, 1, 2)] = shuffle(x, y, [1, 0])"
  prints(PAIR, PAIR);
#define ELEMENT "B[n] = shuffle(A[ramp(0, 1, 4)], [3])"
  prints(ELEMENT, ELEMENT);
  /* an operand that no number names is left out, and what is no shuffle is not written as one */
  prints("B[n] = shuffle(A[ramp(4, 1, 4)], A[ramp(0, 1, 4)], [7])", ELEMENT);
  prints("B[ramp(0, 1, 4)] = shuffle(A[ramp(4, 1, 4)], A[ramp(0, 1, 4)], [4, 5, 6, 7])",
         "B[ramp(0, 1, 4)] = A[ramp(0, 1, 4)]");
  prints("B[ramp(0, 1, 4)] = shuffle(x, y, [1, 1, 1, 1])", "B[ramp(0, 1, 4)] = broadcast(y, 4)");
  prints("B[ramp(0, 1, 3)] = shuffle(broadcast(x, 4), [2, 0, 1])", "B[ramp(0, 1, 3)] = broadcast(x, 3)");
  prints("B[shuffle(ramp(n, 2, 4), [3])] = x", "B[n + 6] = x");
}
END_TEST

/* A value of a loop function that is refused, with a mark of that many characters at a column. */
static void loop_refuses(const char *value, int column, int marked, const char *reason) {
  char text[9000], want[9000];
  tn_program *program;
  tn_error *error;
  snprintf(text, sizeof text, LOOP "  B[n] = %s\n}\n", value);
  snprintf(want, sizeof want, "parse: t.tn:2:%d: %s\n    B[n] = %s\n%*s%.*s", column, reason, value, column + 1, "",
           marked, "^^^^^^^^^^^^^^^^");
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &error), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(error), want);
  tn_error_destroy(error);
}

START_TEST(shuffles_name_lanes_of_their_operands)
{
  loop_refuses("shuffle(x, y, [2])", 10, 7, "the list has a number that is no lane of the operands");
  loop_refuses("shuffle(x, [99999999999])", 10, 7, "the list has a number that is no lane of the operands");
  loop_refuses("shuffle(x, I[0], [0])", 10, 7, "the operands of a shuffle have different types");
  loop_refuses("shuffle(&A, [0])", 10, 7, "only numbers and bools can be shuffled");
  loop_refuses("shuffle(x, [])", 22, 1, "expected the number of a lane, found `]`");
  loop_refuses("shuffle(x, y, x, [0])", 24, 1, "expected `[` and the lanes to take, found `x`");
  loop_refuses("shuffle(x, [0, x])", 25, 1, "expected the number of a lane, found `x`");
  loop_refuses("shuffle(x, [0 0])", 24, 1, "expected `]` or `,` after a lane, found `0`");
  loop_refuses("shuffle(x, [0] 1)", 25, 1, "expected `)` after the lanes, found `1`");
  loop_refuses("shuffle(x)", 19, 1, "expected `,` after an argument, found `)`");
}
END_TEST

START_TEST(shuffles_have_a_limit)
{
  char text[4096] = LOOP "  B[n] = shuffle(x, [0", *at = text + strlen(text);
  tn_program *program;
  tn_error *error;
  for (int i = 0; i < 1024; i++) at += sprintf(at, ", 0");
  sprintf(at, "])\n}\n");
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &error), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(error), "parse: t.tn:2:3094: more than 1024 lanes\n"
                                         "  ..., 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])\n"
                                         "                                                       ^");
  tn_error_destroy(error);
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
  tcase_add_test(tests, shuffles_read_back);
  tcase_add_test(tests, shuffles_name_lanes_of_their_operands);
  tcase_add_test(tests, shuffles_have_a_limit);
  tcase_add_test(tests, operands_keep_their_rule);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
