/* test_simplify.c -- index expressions in canonical form: what they become, and that they mean the same.
 *
 *     test_simplify [COUNT [SEED]]     checks COUNT random expressions instead of the short run
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"

static long random_count = 4000;
static uint64_t random_seed = 1;

/* x in 0..5, y in 0..7, z in -3..4, n anything. */
enum { VARS = 4, KNOWN = 3 };
static const int64_t lows[VARS] = {0, 0, -3, -2}, highs[VARS] = {5, 7, 4, 9};

typedef struct bench {
  tn_context *ctx;
  tni_region r;
  tni_facts facts;
  const tn_expr *vars[VARS];
  uint64_t state;
} bench;

static void bench_open(bench *b) {
  static const char *const names[] = {"x", "y", "z", "n"};
  memset(b, 0, sizeof *b);
  ck_assert_int_eq(tn_context_create(NULL, &b->ctx, NULL), TN_OK);
  tni_region_init(&b->r, b->ctx, NULL);
  tni_facts_init(&b->facts, b->ctx);
  for (int i = 0; i < VARS; i++) {
    b->vars[i] = tni_var(&b->r, names[i], TN_INDEX);
    if (i < KNOWN) tni_facts_push(&b->facts, b->vars[i], lows[i], highs[i]);
  }
}

static void bench_close(bench *b) {
  tni_facts_destroy(&b->facts);
  tni_region_destroy(&b->r);
  tn_context_destroy(b->ctx);
}

/* ---- what expressions mean ---- */

static int64_t value_of(const bench *b, const tn_expr *x, const int64_t *at) {
  int64_t a = x->nargs > 0 ? value_of(b, x->arg[0], at) : 0, c = x->nargs > 1 ? value_of(b, x->arg[1], at) : 0;
  int64_t q = c ? a / c - (a % c != 0 && (a < 0) != (c < 0)) : 0;
  switch (x->op) {
  case TN_OP_const: return x->as.i;
  case TN_OP_var:
    for (int i = 0; i < VARS; i++)
      if (b->vars[i] == x) return at[i];
    break;
  case TN_OP_add: return a + c;
  case TN_OP_sub: return a - c;
  case TN_OP_mul: return a * c;
  case TN_OP_neg: return -a;
  case TN_OP_floordiv: return q;
  case TN_OP_floormod: return c ? a - c * q : 0;
  case TN_OP_min: return a < c ? a : c;
  case TN_OP_max: return a > c ? a : c;
  case TN_OP_lt: return a < c;
  case TN_OP_le: return a <= c;
  case TN_OP_eq: return a == c;
  case TN_OP_ne: return a != c;
  case TN_OP_and: return a & c;
  case TN_OP_or: return a | c;
  case TN_OP_select: return a ? c : value_of(b, x->arg[2], at);
  }
  ck_abort_msg("an operator that the test does not know: %d", x->op);
  return 0;
}

/* ---- random expressions ---- */

static uint32_t draw(bench *b, uint32_t end) {
  b->state = b->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(b->state >> 33) % end;
}

static const tn_expr *grow(bench *b, int depth);

static const tn_expr *leaf(bench *b) {
  return draw(b, 4) ? b->vars[draw(b, VARS)] : tni_index(&b->r, (int64_t)draw(b, 25) - 8);
}

/* What fuse and split make of variables: (x*8 + y) // 3 % 5 */
static const tn_expr *grow_digit(bench *b, int depth) {
  const tn_expr *x = grow(b, depth - 1);
  if (draw(b, 2)) x = tni_op2(&b->r, TN_OP_floordiv, x, tni_index(&b->r, 1 + draw(b, 12)));
  if (draw(b, 2)) x = tni_op2(&b->r, TN_OP_floormod, x, tni_index(&b->r, 1 + draw(b, 12)));
  return x;
}

static const tn_expr *grow(bench *b, int depth) {
  tni_region *r = &b->r;
  if (depth == 0) return leaf(b);
  switch (draw(b, 10)) {
  case 0:
  case 1: return tni_add(r, grow(b, depth - 1), grow(b, depth - 1));
  case 2: return tni_sub(r, grow(b, depth - 1), grow(b, depth - 1));
  case 3:
  case 4: return tni_add(r, tni_mul(r, grow(b, depth - 1), tni_index(r, 1 + draw(b, 12))), grow(b, depth - 1));
  case 5: return tni_mul(r, grow(b, depth - 1), tni_index(r, (int64_t)draw(b, 9) - 4));
  case 6: return tni_op2(r, draw(b, 2) ? TN_OP_min : TN_OP_max, grow(b, depth - 1), grow(b, depth - 1));
  default: return grow_digit(b, depth);
  }
}

static const tn_expr *grow_condition(bench *b, int depth) {
  static const enum tn_op ops[] = {TN_OP_lt, TN_OP_le, TN_OP_eq, TN_OP_ne};
  return tni_op2(&b->r, ops[draw(b, 4)], grow(b, depth), grow(b, depth));
}

static void fail_at(const tn_expr *x, const tn_expr *y, const int64_t *at, int64_t want, int64_t have) {
  tni_text text;
  tn_context *ctx;
  tn_context_create(NULL, &ctx, NULL);
  tni_text_init(&text, ctx);
  tni_print_expr(&text, x);
  tni_text_add(&text, "   becomes   ");
  tni_print_expr(&text, y);
  ck_abort_msg("seed %llu: %s   at x=%lld y=%lld z=%lld n=%lld is %lld, not %lld", (unsigned long long)random_seed,
               text.data, (long long)at[0], (long long)at[1], (long long)at[2], (long long)at[3], (long long)have,
               (long long)want);
}

/* The same value at every point, within the bounds that are claimed. */
static void check_one(bench *b, const tn_expr *x) {
  const tn_expr *y = tni_simplify(&b->r, &b->facts, x);
  int64_t at[VARS], lo, hi;
  ck_assert_ptr_nonnull(y);
  tni_bounds(&b->facts, x, &lo, &hi);
  for (at[0] = lows[0]; at[0] <= highs[0]; at[0]++)
    for (at[1] = lows[1]; at[1] <= highs[1]; at[1]++)
      for (at[2] = lows[2]; at[2] <= highs[2]; at[2]++)
        for (at[3] = lows[3]; at[3] <= highs[3]; at[3] += 3) {
          int64_t want = value_of(b, x, at), have = value_of(b, y, at);
          if (want != have) fail_at(x, y, at, want, have);
          if (x->type == TN_INDEX && (want < lo || want > hi))
            fail_at(x, tni_index(&b->r, want < lo ? lo : hi), at, lo, want);
        }
}

START_TEST(random_expressions_mean_the_same)
{
  bench b;
  long done = 0;
  while (done < random_count) {
    bench_open(&b);
    b.state = random_seed + (uint64_t)done;
    for (int i = 0; i < 200 && done < random_count; i++, done++)
      check_one(&b, i % 4 == 3 ? grow_condition(&b, 1 + (int)draw(&b, 2)) : grow(&b, 1 + (int)draw(&b, 4)));
    bench_close(&b);
  }
}
END_TEST

/* ---- what they become ---- */

static const struct {
  const char *from, *to;
} table[] = {
    /* sums */
    {"x + y - x", "y"},
    {"y + x", "x + y"},
    {"x * 3 - x * 2", "x"},
    {"(x + 1) * 4 - 4", "x * 4"},
    {"x - x", "0"},
    {"2 + x + 3", "x + 5"},
    {"-(x - y)", "y - x"},
    {"n * 2 + n", "n * 3"},
    {"(x + y) * 0", "0"},
    {"x * y + x * y", "x * y * 2"},
    /* quotients */
    {"x // 1", "x"},
    {"x // 6", "0"},
    {"(x + 6) // 6", "1"},
    {"x * 8 // 8", "x"},
    {"(x * 8 + y) // 8", "x"},
    {"(n * 8 + y) // 8", "n"},
    {"(n * 8 + y + 8) // 8", "n + 1"},
    {"(n * 8 + y) // 4", "n * 2 + y // 4"},
    {"n // 4 // 3", "n // 12"},
    {"(n * 4 + x // 2) // 12", "n // 3"},
    {"(n * 6 + 3) // 12", "n // 2"},
    {"(n * 6 + 9) // 12", "(n + 1) // 2"},
    {"z // 8", "z // 8"},
    {"(z + 3) // 8", "0"},
    {"(n - 8) // 8", "n // 8 - 1"},
    /* remainders */
    {"x % 1", "0"},
    {"x % 6", "x"},
    {"x * 8 % 8", "0"},
    {"(n * 8 + y) % 8", "y"},
    {"(n * 8 + y) % 4", "y % 4"},
    {"(n * 4 + x // 2) % 12", "x // 2 + n % 3 * 4"},
    {"n % 12 % 4", "n % 4"},
    /* what fuse takes apart comes together */
    {"n // 7 * 7 + n % 7", "n"},
    {"(n // 7 * 7 + n % 7) * 2", "n * 2"},
    {"(x * 8 + y) // 8 * 8 + (x * 8 + y) % 8", "x * 8 + y"},
    {"n // 12 * 12 + n // 4 % 3 * 4 + n % 4", "n"},
    /* extremes and conditions */
    {"min(x, 9)", "x"},
    {"max(x, 9)", "9"},
    {"min(x, y)", "min(x, y)"},
    {"max(n, n + 1)", "n + 1"},
    {"cast(index, x < 6)", "1"},
    {"cast(index, x * 8 + y < 48)", "1"},
    {"cast(index, x * 8 + y < 47)", "cast(index, x * 8 + y < 47)"},
    {"cast(index, n < n)", "0"},
    {"cast(index, n == n + 1)", "0"},
    {"cast(index, x < 6 && y < 8)", "1"},
};

/* The expression, over loops that give the variables their ranges (n: a parameter; z: shifted). */
static const tn_expr *parse_expr(bench *b, tn_program **program, const char *text) {
  char source[400];
  tn_error *error;
  snprintf(source, sizeof source, "func f(x: index, y: index, z: index, n: index, I: i64[999]) { I[%s] = 0:i64 }",
           text);
  ck_assert_msg(tn_program_parse(b->ctx, source, strlen(source), "t", program, &error) == TN_OK, "%s",
                tn_error_text(error));
  const tn_func *f = tn_program_func_at(*program, 0);
  const tn_expr *values[VARS], *vars[VARS];
  for (int i = 0; i < VARS; i++) {
    vars[i] = f->params[i].scalar;
    values[i] = b->vars[i];
  }
  tni_subst subst = {VARS, vars, values};
  return tni_expr_subst(&b->r, f->body->as.store.index[0], &subst);
}

START_TEST(expressions_become)
{
  bench b;
  tn_program *program;
  tni_text text;
  bench_open(&b);
  const tn_expr *x = parse_expr(&b, &program, table[_i].from), *y = tni_simplify(&b.r, &b.facts, x);
  tni_text_init(&text, b.ctx);
  tni_print_expr(&text, y);
  ck_assert_str_eq(text.data, table[_i].to);
  ck_assert_ptr_eq(tni_simplify(&b.r, &b.facts, y), y);
  tni_text_destroy(&text);
  tn_program_destroy(program);
  bench_close(&b);
}
END_TEST

/* ---- statements ---- */

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

int main(int argc, char **argv) {
  Suite *suite = suite_create("simplify");
  TCase *tests = tcase_create("simplify");
  if (argc > 1) random_count = strtol(argv[1], NULL, 10);
  if (argc > 2) random_seed = strtoull(argv[2], NULL, 10);
  tcase_set_timeout(tests, argc > 1 ? 0 : 60);
  tcase_add_test(tests, random_expressions_mean_the_same);
  tcase_add_loop_test(tests, expressions_become, 0, TNI_COUNT(table));
  tcase_add_test(tests, loops_of_no_or_one_iteration_go);
  tcase_add_test(tests, branches_that_are_decided_go);
  tcase_add_test(tests, lets_of_index_arithmetic_go);
  tcase_add_test(tests, claims_are_known_in_what_follows);
  tcase_add_test(tests, lets_of_memory_stay_and_bound_what_uses_them);
  tcase_add_test(tests, a_condition_holds_in_its_branch);
  tcase_add_test(tests, a_condition_that_loads_may_change_in_its_branch);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
