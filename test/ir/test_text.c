/* test_text.c -- programs as text: what is printed, that it reads back as the same, and what bad text is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../lib/fault.h"
#include "ir.h"

static tn_context *context(void) {
  tn_context *ctx;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  return ctx;
}

static tn_program *parse(tn_context *ctx, const char *text) {
  tn_program *program;
  tn_error *err;
  tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err);
  ck_assert_msg(program != NULL, "%s", tn_error_text(err));
  return program;
}

static char *print(const tn_program *program) {
  char *text;
  ck_assert_int_eq(tn_program_print(program, &text, NULL), TN_OK);
  return text;
}

/* The text parses, and prints as `want`, which prints as itself. */
static void check_prints(const char *text, const char *want) {
  tn_context *ctx = context();
  tn_program *program = parse(ctx, text);
  char *once = print(program);
  ck_assert_str_eq(once, want);
  tn_program *again = parse(ctx, once);
  char *twice = print(again);
  ck_assert_str_eq(twice, want);
  tn_text_destroy(once);
  tn_text_destroy(twice);
  tn_program_destroy(program);
  tn_program_destroy(again);
  tn_context_destroy(ctx);
}

/* The same for a function of some parameters with these statements. */
#define HEAD "func f(A: f32[8], B: f32[8], I: i32[8], n: index, c: bool) {\n"
static void check_body(const char *text, const char *want) {
  char in[4096], out[4096];
  snprintf(in, sizeof in, HEAD "%s\n}", text);
  snprintf(out, sizeof out, HEAD "%s}\n", want);
  check_prints(in, out);
}

static void check_refused_with(tn_context *ctx, const char *text, tn_status status, const char *want) {
  tn_program *program;
  tn_error *err;
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err), status);
  ck_assert_ptr_null(program);
  if (want) ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}

static void check_refused(const char *text, const char *want) {
  tn_context *ctx = context();
  check_refused_with(ctx, text, TN_E_INVALID, want);
  tn_context_destroy(ctx);
}

static void check_body_refused(const char *text, const char *want) {
  char in[4096], out[4096];
  snprintf(in, sizeof in, HEAD "%s\n}", text);
  snprintf(out, sizeof out, "parse: t.tn:2:%s", want);
  check_refused(in, out);
}

/* ---- what is printed ---- */

static char *read_file(const char *name) {
  char path[1024];
  const char *root = getenv("TN_SOURCE_ROOT");
  snprintf(path, sizeof path, "%s/test/ir/programs/%s", root ? root : ".", name);
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "cannot open %s", path);
  char *text = calloc(1, 1 << 16);
  ck_assert_uint_lt(fread(text, 1, (1 << 16) - 1, file), (1 << 16) - 1);
  fclose(file);
  return text;
}

static const char *const programs[] = {"matmul.tn",    "forms.tn", "softmax.tn",     "scheduled.tn",
                                       "loops.tn", "expressions.tn", "statements.tn", "threads.tn"};

START_TEST(sample_programs_print_as_they_are_written)
{
  char *text = read_file(programs[_i]), *code = text;
  while (*code == '#') code = strchr(code, '\n') + 1;
  check_prints(text, code);
  free(text);
}
END_TEST

START_TEST(spellings_come_out_canonical)
{
  check_body("A[0]=1:f32;A[1] = 1e0:f32 # comment", "  A[0] = 1.0:f32\n  A[1] = 1.0:f32\n");
  check_body("A[n] = select(n > 3 && n >= 4, A[n], add(B[n], A[n]))",
             "  A[n] = select(3 < n && 4 <= n, A[n], B[n] + A[n])\n");
  check_body("I[0] = 0xff:i32 + I[(n - 1)] - 2:i32", "  I[0] = I[n - 1] + 253:i32\n");
  check_body("if c { A[0] = 1.0:f32 } else if !c { A[1] = 1.0:f32 } else { }",
             "  if c {\n    A[0] = 1.0:f32\n  } else {\n    if !c {\n      A[1] = 1.0:f32\n    }\n  }\n");
  check_body("for i in 0..8 { }", "  for i in 0..8 {\n  }\n");
  check_body("A[n if true] = A[n if true]", "  A[n] = A[n]\n");
  check_body("{ A[0] = 1.0:f32; { A[1] = 1.0:f32 } }", "  A[0] = 1.0:f32\n  A[1] = 1.0:f32\n");
}
END_TEST

START_TEST(lets_hold_to_the_end_of_their_braces)
{
  check_body("let x = A[n]; A[n] = x * x\n{ let y = n + 1; let z = y; A[z] = x }\nlet y = c\nif y { }",
             "  let x = A[n]\n  A[n] = x * x\n  {\n    let y = n + 1\n    let z = y\n    A[z] = x\n  }\n"
             "  let y_1 = c\n  if y_1 {\n  }\n");
  check_body("let x = 2", "  let x = 2\n");
  check_body_refused("let = 2", "5: expected the name of a variable, found `=`\n  let = 2\n      ^");
  check_body_refused("let where = 2",
                     "5: `where` is a word of the language, it cannot be the name of a variable\n  let where = 2\n      ^^^^^");
  check_body_refused("let x 2", "7: expected `=` and the variable's value, found `2`\n  let x 2\n        ^");
  check_body_refused("let x = y; A[x] = 1.0:f32", "9: `y` is not declared\n  let x = y; A[x] = 1.0:f32\n          ^");
  check_body_refused("let n = 2", "5: this name is declared already, here or around\n  let n = 2\n      ^");
  check_body_refused("{ let x = n }; A[x] = 1.0:f32",
                     "18: `x` is not declared\n  { let x = n }; A[x] = 1.0:f32\n                   ^");
}
END_TEST

START_TEST(asserts_and_assumes_stand_before_what_follows)
{
  check_body("assert n < 4, \"n is \\\"large\\\"\\x0a\"; A[n] = 1.0:f32; { assume c }; assume n < 2 && c",
             "  assert n < 4, \"n is \\\"large\\\"\\x0a\"\n  A[n] = 1.0:f32\n  {\n    assume c\n  }\n  assume n < 2 && c\n");
  check_body_refused("assert n, \"m\"", "8: what is asserted must be bool, this is index\n  assert n, \"m\"\n         ^");
  check_body_refused("assume n", "8: what is assumed must be bool, this is index\n  assume n\n         ^");
  check_body_refused("assert c; A[0] = 1.0:f32", "9: expected `,` and the message of the assert, found `;`\n"
                     "  assert c; A[0] = 1.0:f32\n          ^");
  check_body_refused("assert c, m", "11: expected a message between quotes, found `m`\n  assert c, m\n            ^");
  check_body_refused("assert c, \"\"",
                     "11: what is quoted is not empty and has no escapes but \\\", \\\\ and \\xNN\n"
                     "  assert c, \"\"\n            ^^");
}
END_TEST

START_TEST(a_while_has_a_condition_and_a_body)
{
  check_body("while c && A[n] < 1.0:f32 { A[n] = 1.0:f32 }; while true { }; while false { A[0] = 1.0:f32 }",
             "  while c && A[n] < 1.0:f32 {\n    A[n] = 1.0:f32\n  }\n  while true {\n  }\n");
  check_body_refused("while n { }", "7: the condition of a while must be bool, this is index\n  while n { }\n        ^");
  check_body_refused("while c A[0] = 1.0:f32", "9: expected `{`, found `A`\n  while c A[0] = 1.0:f32\n          ^");
}
END_TEST

START_TEST(loops_are_bound_to_the_grid)
{
  check_body("for i in 0..n bind block.z with a = 1 { for bind in 0..8 bind thread.x { A[bind] = 1.0:f32 } }",
             "  for i in 0..n bind block.z with a = 1 {\n    for bind in 0..8 bind thread.x {\n      A[bind] = 1.0:f32\n"
             "    }\n  }\n");
  check_body_refused("for i in 0..8 bind { }", "20: a loop is bound to block.x, .y or .z, or to thread.x, .y or .z\n"
                     "  for i in 0..8 bind { }\n                     ^");
  check_body_refused("for i in 0..8 bind block { }", "20: a loop is bound to block.x, .y or .z, or to thread.x, .y or .z\n"
                     "  for i in 0..8 bind block { }\n                     ^");
  check_body_refused("for i in 0..8 bind warp.x { }", "20: a loop is bound to block.x, .y or .z, or to thread.x, .y or .z\n"
                     "  for i in 0..8 bind warp.x { }\n                     ^^^^");
  check_body_refused("for i in 0..8 bind thread.w { }", "20: a loop is bound to block.x, .y or .z, or to thread.x, .y or .z\n"
                     "  for i in 0..8 bind thread.w { }\n                     ^^^^^^^^");
}
END_TEST

START_TEST(annotations_stand_behind_with)
{
  check_body("for i in 0..8 parallel with grain = 4, note = \"a \\\"b\\\"\", for = -3 { A[i] = 1.0:f32 }",
             "  for i in 0..8 parallel with grain = 4, note = \"a \\\"b\\\"\", for = -3 {\n    A[i] = 1.0:f32\n  }\n");
  check_body("for i in 0..8 { block B(v: 0..8 = i) where c with tag = \"x\" { A[v] = 1.0:f32 } }",
             "  for i in 0..8 {\n    block B(v: 0..8 = i) where c with tag = \"x\" {\n      A[v] = 1.0:f32\n    }\n  }\n");
  check_body_refused("for i in 0..8 with { }",
                     "20: expected the key of an annotation, found `{`\n  for i in 0..8 with { }\n                     ^");
  check_body_refused("for i in 0..8 with a { }", "22: expected `=` and the value of the annotation, found `{`\n"
                     "  for i in 0..8 with a { }\n                       ^");
  check_body_refused("for i in 0..8 with a = b { }", "24: expected a number or a quoted text, found `b`\n"
                     "  for i in 0..8 with a = b { }\n                         ^");
  check_body_refused("for i in 0..8 with a = 1, a = 2 { }",
                     "27: this key is there twice\n  for i in 0..8 with a = 1, a = 2 { }\n                            ^");
  check_body_refused("for i in 0..8 with a = 1.5 { }", "24: an integer type needs a number without point and exponent\n"
                     "  for i in 0..8 with a = 1.5 { }\n                         ^^^");
  char text[2048] = "for i in 0..8 with";
  for (int i = 0; i < 65; i++) snprintf(text + strlen(text), 16, "%s a%d = 1", i ? "," : "", i);
  char full[4096];
  tn_context *ctx = context();
  snprintf(full, sizeof full, HEAD "%s { }\n}", text);
  tn_program *program;
  tn_error *err;
  ck_assert_int_eq(tn_program_parse(ctx, full, strlen(full), "t.tn", &program, &err), TN_E_INVALID);
  ck_assert_msg(strncmp(tn_error_reason(err), "more than 64 annotations\n", 25) == 0, "%s", tn_error_reason(err));
  tn_error_destroy(err);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(a_reduce_names_its_operator)
{
  check_body("reduce A[n if c] add = A[0] * 2.0:f32; reduce I[n] xor= I[1]",
             "  reduce A[n if c] add= A[0] * 2.0:f32\n  reduce I[n] xor= I[1]\n");
  check_body_refused("reduce A[n] += A[0]", "13: expected the operator of the reduce, found `+`\n  reduce A[n] += A[0]\n              ^");
  check_body_refused("reduce A[n] sub= A[0]",
                     "13: a reduce is by add, mul, min, max, and, or, xor\n  reduce A[n] sub= A[0]\n              ^^^");
  check_body_refused("reduce A[n] and= A[0]",
                     "18: `and`: the operands must be integers or bool\n  reduce A[n] and= A[0]\n                   ^^^^");
  check_body_refused("reduce A[n] add= I[0]",
                     "18: the value must be f32, this is i32\n  reduce A[n] add= I[0]\n                   ^^^^");
  check_body_refused("reduce n add= 1",
                     "8: only elements of buffers can be stored to; this is a variable\n  reduce n add= 1\n         ^");
  check_body_refused("reduce 1 add= 1", "8: expected the buffer of the reduce, found `1`\n  reduce 1 add= 1\n         ^");
}
END_TEST

START_TEST(parentheses_are_where_they_are_needed)
{
  check_body("  A[0] = A[0] - (A[1] - A[2]) - A[3]\n", "  A[0] = A[0] - (A[1] - A[2]) - A[3]\n");
  check_body("  A[0] = (A[0] + A[1]) * A[2] / (A[3] * A[4])\n", "  A[0] = (A[0] + A[1]) * A[2] / (A[3] * A[4])\n");
  check_body("  A[0] = -(A[0] + A[1]) * -A[2] - -1.0:f32\n", "  A[0] = -(A[0] + A[1]) * -A[2] - -1.0:f32\n");
  check_body("  A[0] = (((A[0])))\n", "  A[0] = A[0]\n");
  check_body("  I[0] = (I[0] & I[1]) << I[2] | I[3] ^ I[4]\n", "  I[0] = (I[0] & I[1]) << I[2] | I[3] ^ I[4]\n");
  check_body("  I[(n + 3) // 2 % 4] = ~-I[0]\n", "  I[(n + 3) // 2 % 4] = ~-I[0]\n");
  check_body("  if (c || n < 2) && !(n == 3 && c) {\n  }\n", "  if (c || n < 2) && !(n == 3 && c) {\n  }\n");
}
END_TEST

START_TEST(constants_keep_their_bits)
{
  check_body("A[0] = 0.1:f32\nA[1] = 16777216.0:f32\nA[2] = 1e-40:f32",
             "  A[0] = 0.1:f32\n  A[1] = 16777216.0:f32\n  A[2] = 1e-40:f32\n");
  check_body("A[0] = -0.0:f32\nA[1] = -inf:f32\nA[2] = -nan:f32",
             "  A[0] = -0.0:f32\n  A[1] = -inf:f32\n  A[2] = nan:f32\n");
  check_body("A[0] = 0x1.8p+3:f32\nA[1] = 123456.7:f32\nA[2] = 0.00001234:f32",
             "  A[0] = 12.0:f32\n  A[1] = 123456.7:f32\n  A[2] = 1.234e-5:f32\n");
  check_body("I[0] = -2147483648:i32\nI[1] = cast(i32, 18446744073709551615:u64)",
             "  I[0] = -2147483648:i32\n  I[1] = -1:i32\n");
  check_body("I[0] = cast(i32, 0xf:u4)\nI[1] = cast(i32, A[0] < 1.0:f32) + cast(i32, cast(i4, n))",
             "  I[0] = 15:i32\n  I[1] = cast(i32, A[0] < 1.0:f32) + cast(i32, cast(i4, n))\n");
  check_body("for i in 0..8 {\nI[i] = cast(i32, cast(i4, i) * -8:i4)\n}",
             "  for i in 0..8 {\n    I[i] = cast(i32, cast(i4, i) * -8:i4)\n  }\n");
  check_body("I[n - 9223372036854775807 + -9223372036854775808] = 1:i32", "  I[n + 1] = 1:i32\n");
}
END_TEST

/* Any value of a type, printed and read, is the same value. */
START_TEST(random_floats_keep_their_bits)
{
  static const tn_type types[] = {TN_F16, TN_BF16, TN_F32, TN_F64, TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ,
                                 TN_F4E2M1, TN_F8E8M0};
  tn_context *ctx = context();
  tni_region r;
  tni_region_init(&r, ctx, NULL);
  uint64_t state = 20251122;
  for (int n = 0; n < 10000; n++) {
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    uint64_t bits = state ^ state >> 29;
    double value;
    memcpy(&value, &bits, 8);
    if (n & 1) value = (double)(int64_t)bits / 1048576.0 / (double)(1 + (n & 1023));
    const tn_expr *x = tni_const_float(&r, types[(size_t)n / 2 % TNI_COUNT(types)], value);
    tni_text text;
    char type[16];
    tni_text_init(&text, ctx);
    tni_text_add(&text, "func f(out: %s[]) {\n  out[] = ", tn_type_text(x->type, type));
    tni_print_expr(&text, x);
    tni_text_add(&text, "\n}\n");
    tn_program *program = parse(ctx, text.data);
    const tn_expr *y = tn_program_func_at(program, 0)->body->as.store.value;
    ck_assert_msg(x->as.i == y->as.i, "seed 20251122, %s", text.data);
    tn_program_destroy(program);
    tni_text_destroy(&text);
  }
  tni_region_destroy(&r);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- names ---- */

START_TEST(names_are_unique_in_print_order)
{
  check_prints("func f(i: f32[4]) {\n for j in 0..4 { i[j] = 1.0:f32 }\n for j in 0..4 { i[j] = 2.0:f32 } }",
               "func f(i: f32[4]) {\n  for j in 0..4 {\n    i[j] = 1.0:f32\n  }\n  for j_1 in 0..4 {\n    i[j_1] = "
               "2.0:f32\n  }\n}\n");
}
END_TEST

/* Names that the host chose need not be words of the language. */
START_TEST(strange_names_are_mended_or_quoted)
{
  tn_context *ctx = context();
  tn_program *program;
  tn_builder *b;
  const int64_t four = 4;
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
  ck_assert_int_eq(tn_builder_create(program, "conv/1:\"0\"", &b, NULL), TN_OK);
  const tn_buffer *x = tn_param(b, "for", TN_F32, 1, &four);
  const tn_buffer *y = tn_param(b, "0 y", TN_F32, 1, &four);
  const tn_expr *i = tn_axis(b, "i", 4);
  tn_compute(b, y, &i, tn_load(b, x, &i, NULL));
  tn_error *err;
  tn_builder_finish(b, NULL, &err);
  ck_assert_msg(err == NULL, "%s", tn_error_text(err));
  const char *want = "func \"conv/1:\\\"0\\\"\"(for_1: f32[4], _0_y: f32[4]) {\n"
                     "  for i in 0..4 {\n"
                     "    block \"0 y\"(i_1: 0..4 = i) {\n"
                     "      _0_y[i_1] = for_1[i_1]\n"
                     "    }\n  }\n}\n";
  char *text = print(program);
  ck_assert_str_eq(text, want);
  check_prints(text, want);
  tn_text_destroy(text);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(loops_are_found_by_their_printed_names)
{
  tn_context *ctx = context();
  bool no_memory = false;
  tn_program *program =
      parse(ctx, "func f(A: f32[4]) {\n for i in 0..4 { A[i] = 1.0:f32 }\n for i in 0..4 { A[i] = 2.0:f32 } }");
  const tn_func *f = tn_program_func(program, "f");
  ck_assert_ptr_eq(tni_find_loop_by_name(ctx, f, "i", &no_memory), f->body->as.seq.stmts[0]->as.loop.var);
  ck_assert_ptr_eq(tni_find_loop_by_name(ctx, f, "i_1", &no_memory), f->body->as.seq.stmts[1]->as.loop.var);
  ck_assert_ptr_null(tni_find_loop_by_name(ctx, f, "A", &no_memory));
  ck_assert(!no_memory);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(marks_lie_under_the_piece)
{
  tn_context *ctx = context();
  tn_program *program = parse(ctx, "func f(A: f32[4]) { for i in 0..4 { A[i] = A[i] + 1.0:f32 } }");
  const tn_stmt *loop = tn_program_func(program, "f")->body;
  const void *marks[] = {loop->as.loop.var, loop, loop->as.loop.body->as.store.value};
  const char *want[] = {
      "func f(A: f32[4]) {\n  for i in 0..4 {\n      ^\n    A[i] = A[i] + 1.0:f32\n  }\n}\n",
      "func f(A: f32[4]) {\n  for i in 0..4 {\n  ^^^^^^^^^^^^^^^\n    A[i] = A[i] + 1.0:f32\n  }\n}\n",
      "func f(A: f32[4]) {\n  for i in 0..4 {\n    A[i] = A[i] + 1.0:f32\n           ^^^^^^^^^^^^^^\n  }\n}\n",
  };
  for (size_t i = 0; i < TNI_COUNT(marks); i++) {
    tni_text text;
    tni_text_init(&text, ctx);
    tni_print_func(&text, tn_program_func(program, "f"), marks[i]);
    ck_assert_str_eq(text.data, want[i]);
    tni_text_destroy(&text);
  }
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- sharing ---- */

/* x = A[0] op'ed with itself or with A[0], `count` times; printed, read and printed again. Gives the length. */
static size_t print_chain(int count, bool square) {
  tn_context *ctx = context();
  tn_program *program;
  tn_builder *b;
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  const tn_buffer *a = tn_param(b, "A", TN_F32, 0, NULL);
  const tn_expr *start = tn_load(b, a, NULL, NULL), *x = start;
  for (int i = 0; i < count; i++) x = square ? tn_mul(b, x, x) : tn_op2(b, i % 2 ? TN_OP_add : TN_OP_pow, start, x);
  tn_emit(b, tn_store(b, a, NULL, x));
  tn_error *err;
  tn_builder_finish(b, NULL, &err);
  ck_assert_msg(err == NULL, "%s", tn_error_text(err));
  char *text = print(program);
  size_t length = strlen(text);
  check_prints(text, text);
  tn_text_destroy(text);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  return length;
}

START_TEST(shared_nodes_print_in_linear_size)
{
  size_t thirty = print_chain(30, true), sixty = print_chain(60, true);
  ck_assert_uint_lt(thirty, 1000);
  ck_assert_uint_lt(sixty, 2000);
}
END_TEST

START_TEST(deep_expressions_are_cut_so_that_they_can_be_read)
{
  size_t length = print_chain(3000, false);
  ck_assert_uint_lt(length, 60000);
}
END_TEST

START_TEST(a_percent_at_the_start_of_a_line_is_a_name)
{
  check_body("I[0] = I[1]\n%0 = I[2]\nI[3] = %0 % %0 + I[4] %3:i32",
             "  I[0] = I[1]\n  I[3] = I[2] % I[2] + I[4] % 3:i32\n");
}
END_TEST

/* ---- bad text ---- */

START_TEST(mistakes_are_shown_with_what_was_expected)
{
  check_body_refused("  A[n = 1.0:f32",
                     "7: expected `]` or `,` after a subscript, found `=`\n    A[n = 1.0:f32\n        ^");
  check_body_refused("  a[n] = 1.0:f32", "3: `a` is not declared; did you mean `A`?\n    a[n] = 1.0:f32\n    ^");
  check_body_refused(
      "  A[n] = B[n] + I[n]",
      "15: `+` of f32 and i32: the operands have different types\n    A[n] = B[n] + I[n]\n                ^");
  check_body_refused("  A[n] = 1", "10: the value must be f32, this is index\n    A[n] = 1\n           ^");
  check_body_refused("  A[I[0]] = 1.0:f32",
                     "5: a subscript must be an index, this is i32\n    A[I[0]] = 1.0:f32\n      ^^^^");
  check_body_refused("  A[n, n] = 1.0:f32",
                     "4: 2 subscripts, but the buffer has 1 dimensions\n    A[n, n] = 1.0:f32\n     ^^^^^^");
  check_body_refused("  A[n] = fma(B[n], B[n])",
                     "10: `fma` takes 3 arguments, not 2\n    A[n] = fma(B[n], B[n])\n           ^^^");
  check_body_refused("  A[n] = @g(n)",
                     "11: no external of this name is declared; `extern NAME(TYPES): TYPE` declares one\n"
                     "    A[n] = @g(n)\n            ^");
  check_body_refused("  for A in 0..4 { }",
                     "7: this name is declared already, here or around\n    for A in 0..4 { }\n        ^");
  check_body_refused("  A[0] = 1.0:f32 A[1] = 2.0:f32", "18: expected a new line or `;` after a statement, found `A`\n"
                                                        "    A[0] = 1.0:f32 A[1] = 2.0:f32\n                   ^");
  check_body_refused("  A[0] = 1e39:f32",
                     "10: the number is too large for its type\n    A[0] = 1e39:f32\n           ^^^^");
  check_body_refused("  A[0] = cast(f32, 465.0:f8e4m3)",
                     "20: the number is too large for its type\n"
                     "    A[0] = cast(f32, 465.0:f8e4m3)\n                     ^^^^^");
  check_body_refused("  A[0] = cast(f32, inf:f8e4m3)", "20: the type has no infinity\n"
                                                       "    A[0] = cast(f32, inf:f8e4m3)\n                     ^^^");
  check_body_refused("  A[0] = cast(f32, nan:f4e2m1)", "20: the type has no NaN\n"
                     "    A[0] = cast(f32, nan:f4e2m1)\n                     ^^^");
  check_body_refused("  A[0] = cast(f32, 6.5:f4e2m1)", "20: the number is too large for its type\n"
                     "    A[0] = cast(f32, 6.5:f4e2m1)\n                     ^^^");
  check_body_refused("  A[0] = cast(f32, -2.0:f8e8m0)", "21: an unsigned type has no negative numbers\n"
                     "    A[0] = cast(f32, -2.0:f8e8m0)\n                      ^^^");
  check_body_refused("  A[0] = cast(f32, 2.0:f8e8m0 * 2.0:f8e8m0)",
                     "31: `*` of f8e8m0 and f8e8m0: f8e8m0 is for scales, which are stored, compared and cast, not computed "
                     "with\n"
                     "    A[0] = cast(f32, 2.0:f8e8m0 * 2.0:f8e8m0)\n                                ^");
  check_body_refused("  A[0] = cast(f32, 8:i4)", "20: the number is too large for its type\n"
                                                 "    A[0] = cast(f32, 8:i4)\n                     ^");
  check_body_refused("  A[0] = cast(f32, reinterpret(i4, 3:i8))",
                     "20: i8 to i4: reinterpret needs types of the same bits and lanes\n"
                     "    A[0] = cast(f32, reinterpret(i4, 3:i8))\n                     ^^^^^^^^^^^");
  check_body_refused("  A[0] = cast(f32, 5:u8x4)",
                     "20: a constant is of a floating-point, integer or index type with one lane\n"
                     "    A[0] = cast(f32, 5:u8x4)\n                     ^");
  check_body_refused("  A[0] = %3",
                     "10: `%3` was not given a value by a line `%3 = ...` before\n    A[0] = %3\n           ^^");
  check_body_refused("  A[0] = n && n",
                     "12: `&&` needs bools; on integers it is `&`\n    A[0] = n && n\n             ^^");
  check_body_refused("  A[0] = \x01", "10: expected an expression, found the byte 0x01\n    A[0] = ?\n           ^");
}
END_TEST

START_TEST(the_end_of_the_text_has_a_place)
{
  check_refused("func f() {\n  for i in 0..4 {\n",
                "parse: t.tn:2:18: expected `}`, found the end of the text\n    for i in 0..4 {\n                   ^");
  check_refused("oops", "parse: t.tn:1:1: expected `func`, `graph` or `extern`, found `oops`\n  oops\n  ^^^^");
}
END_TEST

START_TEST(one_run_finds_many_mistakes)
{
  check_refused("func f(A: f32[4]) {\n"
                "  for i in 1..4 {\n"
                "    A[q] = 0.0:f32\n"
                "  }\n"
                "  for i in 0..4 {\n"
                "    A[i] = 0\n"
                "    alloc T: f33[4]\n"
                "    T[i] = 1.0:f32\n"
                "  }\n"
                "}\n"
                "func g(A: f32[4]) {\n"
                "  A[0] = zz\n"
                "}\n",
                "parse: t.tn:2:12: a range starts at 0\n    for i in 1..4 {\n             ^\n"
                "t.tn:6:12: the value must be f32, this is index\n      A[i] = 0\n             ^\n"
                "t.tn:7:14: expected a type such as `f32`, found `f33`\n      alloc T: f33[4]\n               ^^^\n"
                "t.tn:12:10: `zz` is not declared\n    A[0] = zz\n           ^^");
}
END_TEST

START_TEST(at_most_twenty_mistakes_are_reported)
{
  char text[4096] = "func f(A: f32[4]) {\n";
  for (int i = 0; i < 30; i++) strcat(text, "A[0] = 1\n");
  tn_context *ctx = context();
  tn_program *program;
  tn_error *err;
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t", &program, &err), TN_E_INVALID);
  int count = 0;
  for (const char *at = tn_error_text(err); (at = strstr(at, "must be f32")); at++) count++;
  ck_assert_int_eq(count, 20);
  ck_assert_ptr_nonnull(strstr(tn_error_text(err), "(more mistakes may follow)"));
  tn_error_destroy(err);
  tn_context_destroy(ctx);
}
END_TEST

/* `count` times `open`, in a function. */
static void check_depth(const char *open, int count, tn_status status) {
  tn_context *ctx = context();
  tni_text text;
  tni_text_init(&text, ctx);
  tni_text_add(&text, "func f(A: f32[4], c: bool) {\nA[0] = 1.0:f32\n%s",
               *open == '{' || *open == 'i' ? "" : "A[0] = ");
  for (int i = 0; i < count; i++) tni_text_add(&text, "%s", open);
  check_refused_with(ctx, text.data, status, NULL);
  tni_text_destroy(&text);
  tn_context_destroy(ctx);
}

START_TEST(nesting_is_bounded)
{
  const char *open[] = {"(", "-", "!", "A[", "exp(", "{", "if c {", "if c {} else ", "cast(f32, ", "-("};
  for (size_t i = 0; i < TNI_COUNT(open); i++) {
    check_depth(open[i], 100000, TN_E_LIMIT);
    check_depth(open[i], 40, TN_E_INVALID);
  }
}
END_TEST

START_TEST(long_texts_do_not_nest)
{
  tn_context *ctx = context();
  tni_text text;
  tni_text_init(&text, ctx);
  tni_text_add(&text, "func f(A: f32[4]) {\n");
  for (int i = 0; i < 20000; i++) tni_text_add(&text, "alloc T%d: f32[4]\n", i);
  tni_text_add(&text, "}\n");
  check_refused_with(ctx, text.data, TN_E_LIMIT, "verify: f: allocations, lets, asserts and assumes are nested deeper than the limit of 1000");
  tni_text_clear(&text);
  tni_text_add(&text, "func f(A: f32[4]) {\n%%0 = A[0]\n");
  for (int i = 0; i < 20000; i++) tni_text_add(&text, "%%0 = %%0 + A[1]\n");
  tni_text_add(&text, "A[0] = %%0\n}\n");
  check_refused_with(ctx, text.data, TN_E_LIMIT, "verify: f: expressions are nested deeper than the limit of 4000");
  tni_text_destroy(&text);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- bad bytes, bad memory ---- */

static uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Changes, drops, repeats or moves a few bytes or words. */
static size_t mutate(uint64_t *state, char *text, size_t length, size_t room) {
  static const char *const words[] = {"for ",
                                      "block ",
                                      "{",
                                      "}",
                                      "(",
                                      ")",
                                      "[",
                                      "]",
                                      "%0 = ",
                                      "%0",
                                      "0..",
                                      " where ",
                                      "init ",
                                      "alloc T: f32[4]\n",
                                      "if ",
                                      "else ",
                                      "-",
                                      "&",
                                      "@",
                                      "1:i32",
                                      "nan:f64",
                                      "\"",
                                      "func ",
                                      "ramp(",
                                      "cast(i8, ",
                                      "0x",
                                      "9223372036854775808",
                                      "reduce ",
                                      "vectorized",
                                      "bool",
                                      "==",
                                      ";"};
  for (int n = 1 + (int)(random_next(state) % 4); n > 0; n--) {
    size_t at = random_next(state) % (length + 1), size = random_next(state) % 12,
           from = random_next(state) % (length + 1);
    const char *word = words[random_next(state) % TNI_COUNT(words)];
    size = size > length - at ? length - at : size;
    switch (random_next(state) % 4) {
    case 0:
      if (at < length) text[at] = (char)random_next(state);
      break;
    case 1:
      memmove(text + at, text + at + size, length - at - size);
      length -= size;
      break;
    case 2:
      size = strlen(word);
      if (length + size > room) break;
      memmove(text + at + size, text + at, length - at);
      memcpy(text + at, word, size);
      length += size;
      break;
    default:
      size = size > length - from ? length - from : size;
      memmove(text + at, text + from, size > length - at ? length - at : size);
    }
  }
  return length;
}

/* Whatever the bytes: an error, or a program that prints as itself. */
static bool digest(tn_context *ctx, const char *text, size_t length) {
  tn_program *program, *again;
  tn_error *err;
  if (tn_program_parse(ctx, text, length, "fuzz", &program, &err)) {
    ck_assert(err && *tn_error_text(err));
    tn_error_destroy(err);
    return false;
  }
  char *once = print(program);
  tn_program_parse(ctx, once, strlen(once), "again", &again, &err);
  ck_assert_msg(!err, "%s\n%.*s", tn_error_text(err), (int)length, text);
  char *twice = print(again);
  ck_assert_str_eq(once, twice);
  tn_text_destroy(once);
  tn_text_destroy(twice);
  tn_program_destroy(program);
  tn_program_destroy(again);
  return true;
}

START_TEST(mutated_programs_do_no_harm)
{
  enum { SEED = 20251122, ROUNDS = 3000, ROOM = 1 << 13 };
  uint64_t state = SEED + (uint64_t)_i;
  char *origin = read_file(programs[_i]);
  size_t whole = strlen(origin);
  tn_context *ctx = context();
  int good = 0;
  ck_assert_uint_lt(whole, ROOM);
  for (int n = 0; n < ROUNDS; n++) {
    char *text = malloc(ROOM);
    memcpy(text, origin, whole);
    size_t length = mutate(&state, text, whole, ROOM);
    char *exact = malloc(length ? length : 1); /* so that reading beyond the end is seen */
    memcpy(exact, text, length);
    good += digest(ctx, exact, length);
    free(exact);
    free(text);
  }
  ck_assert_msg(good > 0 && good < ROUNDS, "seed %d: %d of %d parse", SEED + _i, good, ROUNDS);
  tn_context_destroy(ctx);
  free(origin);
}
END_TEST

/* Every request for memory refused in turn: an error and nothing lost. */
START_TEST(no_memory_is_reported)
{
  char *text = read_file(programs[_i]);
  tn_status status = TN_E_NOMEM;
  for (long at = 1; status != TN_OK; at++) {
    fault f = {.fail_at = 0};
    tn_program *program;
    tn_error *err;
    tn_context *ctx = fault_context(&f);
    char *printed = NULL;
    f.calls = 0;
    f.fail_at = at;
    f.once = at % 2;
    status = tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err);
    if (!status) status = tn_program_print(program, &printed, &err);
    if (!status && f.calls < at)
      ck_assert_int_gt(at, 10);
    else if (!status)
      status = TN_E_NOMEM; /* that one refusal could be borne */
    else
      ck_assert_int_eq(status, TN_E_NOMEM);
    tn_error_destroy(err);
    tn_text_destroy(printed);
    tn_program_destroy(program);
    fault_finish(&f, ctx);
  }
  free(text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("text");
  TCase *tests = tcase_create("text");
  tcase_set_timeout(tests, 200);
  tcase_add_loop_test(tests, sample_programs_print_as_they_are_written, 0, TNI_COUNT(programs));
  tcase_add_test(tests, spellings_come_out_canonical);
  tcase_add_test(tests, lets_hold_to_the_end_of_their_braces);
  tcase_add_test(tests, asserts_and_assumes_stand_before_what_follows);
  tcase_add_test(tests, a_while_has_a_condition_and_a_body);
  tcase_add_test(tests, loops_are_bound_to_the_grid);
  tcase_add_test(tests, annotations_stand_behind_with);
  tcase_add_test(tests, a_reduce_names_its_operator);
  tcase_add_test(tests, parentheses_are_where_they_are_needed);
  tcase_add_test(tests, constants_keep_their_bits);
  tcase_add_test(tests, random_floats_keep_their_bits);
  tcase_add_test(tests, names_are_unique_in_print_order);
  tcase_add_test(tests, strange_names_are_mended_or_quoted);
  tcase_add_test(tests, loops_are_found_by_their_printed_names);
  tcase_add_test(tests, marks_lie_under_the_piece);
  tcase_add_test(tests, shared_nodes_print_in_linear_size);
  tcase_add_test(tests, deep_expressions_are_cut_so_that_they_can_be_read);
  tcase_add_test(tests, a_percent_at_the_start_of_a_line_is_a_name);
  tcase_add_test(tests, mistakes_are_shown_with_what_was_expected);
  tcase_add_test(tests, the_end_of_the_text_has_a_place);
  tcase_add_test(tests, one_run_finds_many_mistakes);
  tcase_add_test(tests, at_most_twenty_mistakes_are_reported);
  tcase_add_test(tests, nesting_is_bounded);
  tcase_add_test(tests, long_texts_do_not_nest);
  tcase_add_loop_test(tests, mutated_programs_do_no_harm, 0, TNI_COUNT(programs));
  tcase_add_loop_test(tests, no_memory_is_reported, 0, TNI_COUNT(programs));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
