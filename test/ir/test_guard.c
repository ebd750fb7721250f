/* test_guard.c -- what is not known is checked where it happens, and known then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "../lib/fault.h"
#include "ir.h"

#define OUTSIDE(name) "\"a subscript of `" name "` is outside 0..its extent\"\n"
#define BINDING(name) "\"a binding of `" name "` is outside 0..its extent\"\n"

static const struct {
  const char *level, *body, *guarded; /* the bodies; NULL: as it was. Over A and B, i32[8] each, C, i32[n, 8], and n */
  bool still_open;                    /* it is checked, but not known: what is asked changes as it goes on */
} cases[] = {
    {"", "  for i in 0..8 {\n    A[i] = B[7 - i]\n  }\n", NULL, false},
    {"", "  A[n] = 1:i32\n", "  assert 0 <= n && n < 8, " OUTSIDE("A") "  A[n] = 1:i32\n", false},
    {"", "  C[n // 2, n] = 1:i32\n",
     "  assert 0 <= n // 2 && n // 2 < n, " OUTSIDE("C") "  assert 0 <= n && n < 8, " OUTSIDE("C")
     "  C[n // 2, n] = 1:i32\n", false},
    /* loads first, in the order in which they are needed */
    {"", "  A[n] = B[cast(index, A[n + 1])]\n",
     "  assert 0 <= n + 1 && n + 1 < 8, " OUTSIDE("A")
     "  assert 0 <= cast(index, A[n + 1]) && cast(index, A[n + 1]) < 8, " OUTSIDE("B")
     "  assert 0 <= n && n < 8, " OUTSIDE("A") "  A[n] = B[cast(index, A[n + 1])]\n", true},
    /* only where the access happens */
    {"", "  A[n if n < 8] = B[n if 2 < n]\n", NULL, false},
    {"", "  A[n if n < 9] = B[n if 2 < n]\n",
     "  assert !(n < 9 && 2 < n) || 0 <= n && n < 8, " OUTSIDE("B")
     "  assert !(n < 9) || 0 <= n && n < 8, " OUTSIDE("A") "  A[n if n < 9] = B[n if 2 < n]\n", true},
    {"", "  if n < 9 {\n    A[n] = 1:i32\n  }\n",
     "  if n < 9 {\n    assert 0 <= n && n < 8, " OUTSIDE("A") "    A[n] = 1:i32\n  }\n", false},
    /* every kind of statement that reads */
    {"", "  for i in 0..cast(index, A[n]) {\n    B[0] = 1:i32\n  }\n",
     "  assert 0 <= n && n < 8, " OUTSIDE("A")
     "  for i in 0..cast(index, A[n]) {\n    B[0] = 1:i32\n  }\n", false},
    {"", "  if A[n] == 1:i32 {\n    B[0] = 1:i32\n  } else {\n    B[n] = 1:i32\n  }\n",
     "  assert 0 <= n && n < 8, " OUTSIDE("A")
     "  if A[n] == 1:i32 {\n    B[0] = 1:i32\n  } else {\n    assert 0 <= n && n < 8, " OUTSIDE("B")
     "    B[n] = 1:i32\n  }\n", false},
    {"", "  while A[n] < 4:i32 {\n    A[0] = 1:i32\n  }\n",
     "  assert 0 <= n && n < 8, " OUTSIDE("A")
     "  while A[n] < 4:i32 {\n    A[0] = 1:i32\n    assert 0 <= n && n < 8, " OUTSIDE("A") "  }\n", false},
    {"", "  let x = A[n]\n  B[0] = x\n",
     "  assert 0 <= n && n < 8, " OUTSIDE("A") "  let x = A[n]\n  B[0] = x\n", false},
    {"", "  assert A[n] == 1:i32, \"m\"\n  B[0] = 1:i32\n",
     "  assert 0 <= n && n < 8, " OUTSIDE("A") "  assert A[n] == 1:i32, \"m\"\n  B[0] = 1:i32\n", false},
    {"", "  alloc T: i32[cast(index, A[n])]\n",
     "  assert 0 <= n && n < 8, " OUTSIDE("A") "  alloc T: i32[cast(index, A[n])]\n", false},
    {"", "  call g(A[n])\n", "  assert 0 <= n && n < 8, " OUTSIDE("A") "  call g(A[n])\n", false},
    {"", "  reduce A[n] add= 1:i32\n", "  assert 0 <= n && n < 8, " OUTSIDE("A") "  reduce A[n] add= 1:i32\n", false},
    /* blocks */
    {"", "  for i in 0..n {\n    block b(x: 0..8 = i) where i < 4 {\n      A[x] = B[n]\n    }\n  }\n",
     "  for i in 0..n {\n    block b(x: 0..8 = i) where i < 4 {\n      assert 0 <= n && n < 8, " OUTSIDE("B")
     "      A[x] = B[n]\n    }\n  }\n", false},
    {"", "  for i in 0..n {\n    block b(x: 0..8 = i + 1) where i < 8 {\n      A[x] = 1:i32\n    }\n  }\n",
     "  for i in 0..n {\n    assert !(i < 8) || 0 <= i + 1 && i + 1 < 8, " BINDING("x")
     "    block b(x: 0..8 = i + 1) where i < 8 {\n      A[x] = 1:i32\n    }\n  }\n", true},
    {"", "  block b(x: 0..8 = cast(index, B[n])) where n < 9 {\n    A[x] = 1:i32\n  }\n",
     "  assert !(n < 9) || 0 <= n && n < 8, " OUTSIDE("B")
     "  assert !(n < 9) || 0 <= cast(index, B[n]) && cast(index, B[n]) < 8, " BINDING("x")
     "  block b(x: 0..8 = cast(index, B[n])) where n < 9 {\n    A[x] = 1:i32\n  }\n", true},
    /* the condition of a block is about loops, its subscripts about iterators: each is what it is bound to */
    {"",
     "  for i in 0..3 {\n    for j in 0..4 {\n      block b(x: 0..3 = i, y: 0..4 = j) where i * 4 + j < 8 {\n"
     "        A[x * 4 + y] = 1:i32\n      }\n    }\n  }\n",
     NULL, false},
    /* loops that may race */
    {"", "  for i in 0..8 parallel with note = 1 {\n    A[i * (15 - i)] = 1:i32\n  }\n",
     "  for i in 0..8 with note = 1 {\n    assert 0 <= i * (15 - i) && i * (15 - i) < 8, " OUTSIDE("A")
     "    A[i * (15 - i)] = 1:i32\n  }\n", false},
    /* the loop level: flat subscripts, lanes */
    {"loop ", "  C[n] = 1:i32\n", "  assert 0 <= n && n < n * 8, " OUTSIDE("C") "  C[n] = 1:i32\n", false},
    {"loop ", "  A[ramp(n, 2, 2)] = broadcast(1:i32, 2)\n",
     "  assert 0 <= n && n < 8 && (0 <= n + 2 && n + 2 < 8), " OUTSIDE("A")
     "  A[ramp(n, 2, 2)] = broadcast(1:i32, 2)\n", false},
};

static const char declared[] = "extern g(i32): void\n";

/* *source is the text of the function alone. */
static tn_program *parse(tn_context *ctx, const char *level, const char *body, char *text, size_t size,
                         const char **source) {
  tn_program *program;
  tn_error *error;
  snprintf(text, size, "%s%sfunc f(A: i32[8], B: i32[8], C: i32[n, 8], n: index) {\n%s}\n", declared, level, body);
  *source = text + strlen(declared);
  tn_program_parse(ctx, text, strlen(text), "case", &program, &error);
  ck_assert_msg(program != NULL, "%s\n%s", text, tn_error_text(error));
  return program;
}

START_TEST(what_is_not_known_is_checked)
{
  tn_context *ctx;
  const tn_func *guarded;
  char text[1024];
  const char *want;
  tni_text shown;
  size_t unknown;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_program *program = parse(ctx, cases[_i].level, cases[_i].body, text, sizeof text, &want);
  const tn_func *func = tn_program_func_at(program, 0);
  ck_assert_int_eq(tni_guard(&program->region, func, &guarded, NULL), TN_OK);
  ck_assert_int_eq(guarded == func, !cases[_i].guarded);
  tni_text_init(&shown, ctx);
  tni_print_func(&shown, guarded, NULL);
  if (cases[_i].guarded) /* the text is a program, this one */
    tn_program_destroy(parse(ctx, cases[_i].level, cases[_i].guarded, text, sizeof text, &want));
  ck_assert_str_eq(shown.data, want);
  tn_func_check(guarded, NULL, &unknown, NULL);
  ck_assert_int_eq(unknown > 0, cases[_i].still_open);
  tni_text_destroy(&shown);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(an_external_is_not_called_twice)
{
  tn_context *ctx;
  tn_program *program;
  tn_error *error;
  const tn_func *guarded;
  static const char text[] = "extern h(): index\nfunc f(A: i32[8]) {\n  A[@h()] = 1:i32\n}\n";
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "case", &program, NULL), TN_OK);
  ck_assert_int_eq(tni_guard(&program->region, tn_program_func_at(program, 0), &guarded, &error), TN_E_VERIFY);
  ck_assert_str_eq(tn_error_text(error),
                   "verify: f:2: it is not known whether this subscript of `A` is inside 0..its extent: a condition "
                   "around it, or an assume, can tell\n  A[@h()] = 1:i32\n    ^^^^");
  tn_error_destroy(error);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

static char *guarded_text(tn_program *program, fault *f, tn_status *status) {
  tni_region r;
  const tn_func *guarded;
  tn_error *error;
  char *text = NULL;
  tni_region_init(&r, program->ctx, &program->region);
  *status = tni_guard(&r, tn_program_func_at(program, 0), &guarded, &error);
  f->fail_at = 0;
  if (!*status) ck_assert_int_eq(tn_func_print(guarded, &text, NULL), TN_OK);
  tn_error_destroy(error);
  tni_region_destroy(&r);
  return text;
}

/* Want of memory is told, or did not matter. */
START_TEST(want_of_memory_is_told)
{
  fault f = {.once = true};
  tn_context *ctx = fault_context(&f);
  const char *source;
  char text[1024];
  tn_status status;
  tn_program *program = parse(ctx, "",
                              "for i in 0..8 parallel { block b(x: 0..8 = i + 1) { A[x * x] = B[x + n] } }\n"
                              "while A[n] < 4:i32 { A[0] = 1:i32 }\n",
                              text, sizeof text, &source);
  char *want = guarded_text(program, &f, &status);
  bool hit = true;
  for (long at = 1; hit; at++) {
    long end = atomic_load(&f.calls) + at;
    f.fail_at = end;
    char *have = guarded_text(program, &f, &status);
    hit = atomic_load(&f.calls) >= end;
    ck_assert_msg(status == TN_OK || (hit && status == TN_E_NOMEM), "call %ld", at);
    if (!status) ck_assert_str_eq(have, want);
    tn_text_destroy(have);
  }
  tn_text_destroy(want);
  tn_program_destroy(program);
  fault_finish(&f, ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("guard");
  TCase *tests = tcase_create("guard");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, what_is_not_known_is_checked, 0, (int)TNI_COUNT(cases));
  tcase_add_test(tests, an_external_is_not_called_twice);
  tcase_add_test(tests, want_of_memory_is_told);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
