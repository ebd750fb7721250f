/* test_default.c -- the schedule that Tenon gives a function nobody scheduled: it keeps the results, and makes vectors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "defaults.h"
#include "programs.h"

/* ---- it keeps the results ---- */

enum { ROUNDS = 6 };
static const char *const targets[] = {"host", "x86-64-v3", "aarch64-neon"};

START_TEST(keeps_the_results)
{
  uint64_t state = (uint64_t)_i * 77 + 5;
  static char text[16384];
  open_context();
  for (int round = 0; round < ROUNDS; round++) {
    oracle_data want;
    write_program(text, sizeof text, _i, &state);
    bool wild = may_mean_nothing(_i);
    if (wild && !is_sound(text)) continue;
    tn_program *program = parse(text);
    ck_assert(oracle_bind(&o, program, text));
    o.seed = (uint64_t)round;
    o.tolerance = strstr(text, "# inexact") ? 1e-4 : 0;
    if (!oracle_expect(&o, tn_program_func_at(program, 0), &want)) {
      ck_assert_msg(wild, "%s", o.why);
      tn_program_destroy(program);
      continue;
    }
    const tn_func *func = schedule(program, targets[round % 3]);
    ck_assert_msg(oracle_run_all(&o, program, func, &want), "%s: %s\n%s", targets[round % 3], o.why, text);
    oracle_data_free(&want);
    tn_program_destroy(program);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* Loops that a host wrote: fewer around the block than it has iterators, since an `if` is between; in another order; more. */
static const char *const nests[] = {
    "  for i in 0..8 { if X[0, 0] > 0.0:f32 { for j in 0..8 {\n"
    "    block C(a: 0..8 = j, b: 0..8 = i) { Y[a, b] = max(X[a, b], 0.0:f32) } } } }\n",
    "  for i in 0..8 { for j in 0..8 {\n"
    "    block C(a: 0..8 = j, b: 0..8 = i) { Y[a, b] = X[b, a] * 2.0:f32 } } }\n",
    "  for i in 0..8 { for j in 0..2 { for k in 0..4 {\n"
    "    block C(a: 0..8 = i, b: 0..8 = j * 4 + k) { Y[a, b] = X[a, b] * 2.0:f32 } } } }\n",
    "  for i in 0..8 { for j in 0..2 { for k in 0..4 { for r in 0..8 {\n"
    "    block C(a: 0..8 = i, b: 0..8 = j * 4 + k, reduce c: 0..8 = r) {\n"
    "      init { Y[a, b] = 0.0:f32 } Y[a, b] = Y[a, b] + X[a, c] * X[c, b] } } } } }\n",
};

START_TEST(loops_are_not_taken_for_those_of_iterators)
{
  char text[1024];
  open_context();
  snprintf(text, sizeof text, "func f(X: f32[8, 8], Y: f32[8, 8]) {\n%s}\n", nests[_i]);
  tn_text_destroy(checked_loops(text));
  tn_context_destroy(o.ctx);
}
END_TEST

/* ---- it makes vectors ---- */

START_TEST(a_matmul_is_vector_multiply_adds)
{
  open_context();
  char *text = loop_text("func matmul(A: f32[64, 64], B: f32[64, 64], C: f32[64, 64]) {\n"
                         "  for i in 0..64 { for j in 0..64 { for k in 0..64 {\n"
                         "    block C(i_1: 0..64 = i, j_1: 0..64 = j, reduce k_1: 0..64 = k) {\n"
                         "      init { C[i_1, j_1] = 0.0:f32 }\n"
                         "      C[i_1, j_1] = fma(A[i_1, k_1], B[k_1, j_1], C[i_1, j_1])\n"
                         "  } } } } }\n");
  const char *add = strstr(text, "fma(");
  ck_assert_msg(add != NULL && strstr(add, "ramp(") != NULL, "%s", text);
  ck_assert_msg(strstr(text, " in register") != NULL, "%s", text);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* What is added to sums of integers is where they begin: of floats it is added behind. */
START_TEST(sums_of_integers_begin_with_their_bias)
{
  static const char *const types[][3] = {{"u8", "i8", "i32"}, {"f32", "f32", "f32"}};
  const char *const *t = types[_i];
  char text[1024];
  open_context();
  snprintf(text, sizeof text,
           "func f(A: %s[64, 64], B: %s[64, 64], b: %s[64], D: f32[64, 64]) {\n  alloc C: %s[64, 64]\n"
           "  alloc Y: %s[64, 64]\n  for i in 0..64 { for j in 0..64 { for k in 0..64 {\n"
           "    block C(i_1: 0..64 = i, j_1: 0..64 = j, reduce k_1: 0..64 = k) {\n      init { C[i_1, j_1] = %s }\n"
           "      C[i_1, j_1] = C[i_1, j_1] + cast(%s, A[i_1, k_1]) * cast(%s, B[k_1, j_1])\n  } } } }\n"
           "  for i in 0..64 { for j in 0..64 {\n    block Y(i_2: 0..64 = i, j_2: 0..64 = j) {\n"
           "      Y[i_2, j_2] = C[i_2, j_2] + b[j_2]\n  } } }\n  for i in 0..64 { for j in 0..64 {\n"
           "    block D(i_3: 0..64 = i, j_3: 0..64 = j) {\n      D[i_3, j_3] = cast(f32, Y[i_3, j_3]) * 0.5:f32\n"
           "  } } }\n}\n",
           t[0], t[1], t[2], t[2], t[2], _i ? "0.0:f32" : "0:i32", t[2], t[2]);
  tn_program *program = parse(text);
  char *made;
  ck_assert_int_eq(tn_func_print(schedule(program, "x86-64-v3"), &made, NULL), TN_OK);
  ck_assert_msg((strstr(made, "] = b[") != NULL) == (_i == 0) && (strstr(made, " + b[") != NULL) == (_i == 1), "%s", made);
  tn_text_destroy(made);
  tn_program_destroy(program);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Sums, the vectors of a step and the factor that its rows share have a register each: of 16, 6 rows by 2 vectors. Of 32,
 * where a multiply-add takes that factor from memory, more, and one step of the sum is enough at a time. */
static const struct tile_case {
  const char *target, *rows, *vectors, *steps;
} tile_cases[] = {{"x86-64-v3", "0..6 unrolled", "0..2 unrolled", "k_1 in 0..128 {"},
                  {"x86-64-v4", "0..6 unrolled", "0..4 unrolled", "k_1 in 0..256 {"}};

START_TEST(a_tile_leaves_registers_for_its_factors)
{
  const struct tile_case *c = &tile_cases[_i];
  open_context();
  tn_program *program = parse("func matmul(A: f32[96, 256], B: f32[256, 64], C: f32[96, 64]) {\n"
                              "  for i in 0..96 { for j in 0..64 { for k in 0..256 {\n"
                              "    block C(i_1: 0..96 = i, j_1: 0..64 = j, reduce k_1: 0..256 = k) {\n"
                              "      init { C[i_1, j_1] = 0.0:f32 }\n"
                              "      C[i_1, j_1] = fma(A[i_1, k_1], B[k_1, j_1], C[i_1, j_1])\n"
                              "  } } } } }\n");
  char *made;
  ck_assert_int_eq(tn_func_print(schedule(program, c->target), &made, NULL), TN_OK);
  ck_assert_msg(strstr(made, c->rows) && strstr(made, c->vectors) && strstr(made, c->steps), "%s: %s", c->target, made);
  tn_text_destroy(made);
  tn_program_destroy(program);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Rows that are a multiple of 4096 bytes apart share one set, of as many lines as the first cache has ways: 8 of 32 KiB. */
static const struct row_case {
  int sum;
  const char *rows;
} row_cases[] = {{3072, "0..8 unrolled"}, {3088, "0..24 unrolled"}};

START_TEST(a_tile_has_no_more_rows_than_a_set_holds)
{
  const struct row_case *c = &row_cases[_i];
  char text[1024], *made;
  open_context();
  snprintf(text, sizeof text,
           "func matmul(A: f32[96, %d], B: f32[4, %d, 16], C: f32[96, 64]) {\n"
           "  for i in 0..96 { for j in 0..64 { for k in 0..%d {\n"
           "    block C(i_1: 0..96 = i, j_1: 0..64 = j, reduce k_1: 0..%d = k) {\n"
           "      init { C[i_1, j_1] = 0.0:f32 }\n"
           "      C[i_1, j_1] = fma(A[i_1, k_1], B[j_1 // 16, k_1, j_1 %% 16], C[i_1, j_1])\n"
           "  } } } } }\n",
           c->sum, c->sum, c->sum, c->sum);
  tn_program *program = parse(text);
  ck_assert_int_eq(tn_func_print(schedule(program, "x86-64-v4"), &made, NULL), TN_OK);
  ck_assert_msg(strstr(made, c->rows) != NULL, "%d: %s", c->sum, made);
  tn_text_destroy(made);
  tn_program_destroy(program);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Dot products go through their vectors fast, and have more sums of 32 registers, which use each vector again. */
START_TEST(a_tile_of_dot_products_has_more_sums)
{
  open_context();
  tn_program *program = parse("func matmul(A: u8[196, 256], B: i8[256, 64], C: i32[196, 64]) {\n"
                              "  for i in 0..196 { for j in 0..64 { for k in 0..256 {\n"
                              "    block C(i_1: 0..196 = i, j_1: 0..64 = j, reduce k_1: 0..256 = k) {\n"
                              "      init { C[i_1, j_1] = 0:i32 }\n"
                              "      C[i_1, j_1] = C[i_1, j_1] + cast(i32, A[i_1, k_1]) * cast(i32, B[k_1, j_1])\n"
                              "  } } } } }\n");
  char *made;
  ck_assert_int_eq(tn_func_print(schedule(program, "x86-64-v4"), &made, NULL), TN_OK);
  ck_assert_msg(strstr(made, "0..14 unrolled") && strstr(made, "0..2 unrolled"), "%s", made);
  tn_text_destroy(made);
  tn_program_destroy(program);
  tn_context_destroy(o.ctx);
}
END_TEST

/* 196 rows: 6 by 4 vectors would leave 4 rows over, which are a body more; 7 by 2 takes as long. */
START_TEST(a_tile_leaves_no_rows_over_where_that_costs_nothing)
{
  open_context();
  char *text = loop_text("func matmul(A: f32[196, 256], B: f32[256, 128], C: f32[196, 128]) {\n"
                         "  for i in 0..196 { for j in 0..128 { for k in 0..256 {\n"
                         "    block C(i_1: 0..196 = i, j_1: 0..128 = j, reduce k_1: 0..256 = k) {\n"
                         "      init { C[i_1, j_1] = 0.0:f32 }\n"
                         "      C[i_1, j_1] = fma(A[i_1, k_1], B[k_1, j_1], C[i_1, j_1])\n"
                         "  } } } } }\n");
  int sums = 0;
  for (const char *at = text; (at = strstr(at, "for k")); at++) sums++;
  ck_assert_msg(sums == 1, "%d\n%s", sums, text);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* 64 vectors of erf written out are 64 times the code: the sums of a tile go to a loop
 * over its rows. Odd extents, each with tails. */
START_TEST(a_long_epilogue_is_written_out_for_one_row)
{
  static const char text[] =
      "func gelu(A: f32[67, 40], B: f32[40, 83], C: f32[67, 83]) {\n"
      "  alloc T: f32[67, 83]\n"
      "  for i in 0..67 { for j in 0..83 { for k in 0..40 {\n"
      "    block T(i_1: 0..67 = i, j_1: 0..83 = j, reduce k_1: 0..40 = k) {\n"
      "      init { T[i_1, j_1] = 0.0:f32 }\n"
      "      T[i_1, j_1] = fma(A[i_1, k_1], B[k_1, j_1], T[i_1, j_1])\n"
      "  } } } }\n"
      "  for i in 0..67 { for j in 0..83 {\n"
      "    block C(i_1: 0..67 = i, j_1: 0..83 = j) { C[i_1, j_1] = T[i_1, j_1] * erf(T[i_1, j_1]) } } }\n"
      "}\n";
  open_context();
  char *loops = checked_loops(text);
  int count = 0;
  for (const char *at = loops; (at = strstr(at, "erf(")); at++) count++;
  ck_assert_msg(strstr(loops, " in register") && count > 0 && count <= 16, "%d times\n%s", count, loops);
  tn_text_destroy(loops);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Hard swish is six operators: in a loop where the sum is long beside a store and a load, written out where it is short. */
START_TEST(an_epilogue_of_several_operators_is_a_loop_behind_a_long_sum)
{
  open_context();
  for (int steps = 16; steps <= 64; steps += 48) {
    char text[1024];
    snprintf(text, sizeof text,
             "func swish(A: f32[64, %d], B: f32[%d, 128], C: f32[64, 128]) {\n"
             "  alloc T: f32[64, 128]\n"
             "  for i in 0..64 { for j in 0..128 { for k in 0..%d {\n"
             "    block T(i_1: 0..64 = i, j_1: 0..128 = j, reduce k_1: 0..%d = k) {\n"
             "      init { T[i_1, j_1] = 0.0:f32 }\n"
             "      T[i_1, j_1] = fma(A[i_1, k_1], B[k_1, j_1], T[i_1, j_1])\n"
             "  } } } }\n"
             "  for i in 0..64 { for j in 0..128 {\n"
             "    block C(i_1: 0..64 = i, j_1: 0..128 = j) {\n"
             "      C[i_1, j_1] = T[i_1, j_1] * max(0.0:f32, min(1.0:f32, T[i_1, j_1] * 0.25:f32 + 0.5:f32))\n"
             "  } } }\n"
             "}\n",
             steps, steps, steps, steps);
    char *loops = checked_loops(text);
    int count = 0;
    for (const char *at = loops; (at = strstr(at, "min(")); at++) count++;
    ck_assert_msg(steps > 32 ? count <= 4 : count > 8, "%d times\n%s", count, loops);
    tn_text_destroy(loops);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* 88 columns of weights in panels of 16: the last panel is filled up, and read to its end. Only the last vector of a row is
 * stored by a mask, for which no body is made where masks cost nothing. */
START_TEST(a_tile_that_columns_do_not_fill_is_no_body_of_its_own)
{
  static const char text[] = "func panels(A: f32[64, 24], W: f32[6, 24, 16], C: f32[64, 88]) {\n"
                             "  for i in 0..64 { for j in 0..88 { for k in 0..24 {\n"
                             "    block C(a: 0..64 = i, b: 0..88 = j, reduce e: 0..24 = k) {\n"
                             "      init { C[a, b] = 0.0:f32 }\n"
                             "      C[a, b] = fma(A[a, e], W[b // 16, e, b % 16], C[a, b])\n"
                             "  } } } }\n"
                             "}\n";
  open_context();
  char *loops = checked_loops(text);
  ck_assert_msg(count_of(loops, "for e") == 1, "%.2000s", loops);
  const char *sum = strstr(loops, "for e"), *load = strstr(sum, " if "), *store = strstr(sum, " C[");
  ck_assert_msg(store && load > store, "%.2000s", sum);
  tn_text_destroy(loops);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Odd extents: the loops are fused before the split, so that one tail is left and not one a row. */
START_TEST(a_flat_block_is_one_loop)
{
  open_context();
  char *text = loop_text("func flat(A: f32[64, 7, 100], B: f32[64, 7, 100]) {\n"
                         "  for i in 0..64 { for j in 0..7 { for k in 0..100 {\n"
                         "    block B(a: 0..64 = i, b: 0..7 = j, c: 0..100 = k) { B[a, b, c] = abs(A[a, b, c]) }\n"
                         "  } } } }\n");
  const char *loop = strstr(text, "for ");
  ck_assert_msg(loop && strstr(text, "0..2800") && !strstr(loop + 1, "for "), "%s", text);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Of many elements: sixteen rows of sixteen, in parallel, and the rest of both extents. Of few a square of four by four
 * is enough, and the last ones begin earlier. */
START_TEST(what_is_read_across_is_done_in_squares)
{
  static const char few[] = "func across(A: f32[3, 70, 41], S: f32[41], B: f32[3, 41, 70]) {\n"
                            "  for i in 0..3 { for j in 0..41 { for k in 0..70 {\n"
                            "    block B(a: 0..3 = i, b: 0..41 = j, c: 0..70 = k) { B[a, b, c] = A[a, c, b] * S[b] }\n"
                            "  } } } }\n";
  static const char many[] = "func across(A: f32[60, 70, 41], S: f32[41], B: f32[60, 41, 70]) {\n"
                             "  for i in 0..60 { for j in 0..41 { for k in 0..70 {\n"
                             "    block B(a: 0..60 = i, b: 0..41 = j, c: 0..70 = k) { B[a, b, c] = A[a, c, b] * S[b] }\n"
                             "  } } } }\n";
  open_context();
  char *text = checked_loops(few);
  ck_assert_msg(count_of(text, ", 41, 4)] * broadcast(S[") == 4, "%s", text);
  ck_assert_int_eq(count_of(text, "A["), 4);
  tn_text_destroy(text);
  text = checked_loops(many);
  ck_assert_msg(count_of(text, ", 41, 16)] * broadcast(S[") >= 16, "%s", text);
  ck_assert_ptr_nonnull(strstr(text, "parallel"));
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Pixels of three channels that were pictures of their own: in vectors of pixels, over the ends of the rows; where other
 * pictures are behind these, row by row; what begins at other rows is read there. */
START_TEST(few_columns_are_written_between_each_other)
{
  static const char *const loads[] = {"A[b, d, c]", "A[b, d, c] + S[d]", "A[b, d, c + 1]", "A[d, b, c]"};
  open_context();
  for (size_t i = 0; i < TNI_COUNT(loads); i++) {
    char text[1024];
    snprintf(text, sizeof text,
             "func across(A: f32[5, 5, 42], S: f32[3], B: f32[5, 41, 3]) {\n"
             "  for i in 0..5 { for j in 0..41 { for k in 0..3 {\n"
             "    block B(b: 0..5 = i, c: 0..41 = j, d: 0..3 = k) { B[b, c, d] = %s }\n"
             "  } } }\n"
             "}\n",
             loads[i]);
    char *loops = checked_loops(text);
    ck_assert_msg(count_of(loops, "B[ramp(") >= 3 && count_of(loops, ", 3, 16)") >= 3, "%s", loops);
    tn_text_destroy(loops);
  }
  char *whole = checked_loops("func across(A: f32[3, 9, 13], B: f32[9, 13, 3]) {\n"
                              "  for i in 0..9 { for j in 0..13 { for k in 0..3 {\n"
                              "    block B(b: 0..9 = i, c: 0..13 = j, d: 0..3 = k) { B[b, c, d] = A[d, b, c] }\n"
                              "  } } }\n"
                              "}\n");
  ck_assert_msg(strstr(whole, "in 0..7 {") != NULL, "%s", whole); /* 117 pixels in vectors of 16, and 5 */
  tn_text_destroy(whole);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Sums in vectors along what is far apart in memory: their places are written out for one row of the tile. */
START_TEST(scattered_results_are_written_out_for_one_row)
{
  open_context();
  char *text = checked_loops("func turned(A: f32[45, 40], B: f32[40, 32], S: f32[32], C: f32[32, 45]) {\n"
                             "  alloc T: f32[32, 45]\n"
                             "  for i in 0..32 { for j in 0..45 { for k in 0..40 {\n"
                             "    block T(a: 0..32 = i, b: 0..45 = j, reduce c: 0..40 = k) {\n"
                             "      init { T[a, b] = 0.0:f32 }\n"
                             "      T[a, b] = fma(A[b, c], B[c, a], T[a, b])\n"
                             "  } } } }\n"
                             "  for i in 0..32 { for j in 0..45 {\n"
                             "    block C(a: 0..32 = i, b: 0..45 = j) { C[a, b] = T[a, b] + S[a] } } }\n"
                             "}\n");
  ck_assert_msg(count_of(text, "fma(") > 8 && count_of(text, " C[ramp(") <= 4, "%s", text);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* While the rows of a step use some columns of a factor that no second cache keeps, the next ones are asked for. */
START_TEST(columns_from_afar_are_asked_for)
{
  static const int channels[] = {128, 16};
  open_context();
  for (int i = 0; i < 2; i++) {
    char text[1024], *made;
    snprintf(text, sizeof text,
             "func steps(X: f32[4, 48, %d], W: f32[64, %d, 16], C: f32[4, 48, 1024]) {\n"
             "  alloc S: f32[4, 48, 1024]\n"
             "  for b in 0..4 {\n"
             "    for i in 0..48 { for j in 0..1024 { for k in 0..%d {\n"
             "      block S(b_1: 0..4 = b, i_1: 0..48 = i, j_1: 0..1024 = j, reduce k_1: 0..%d = k) {\n"
             "        init { S[b_1, i_1, j_1] = 0.0:f32 }\n"
             "        S[b_1, i_1, j_1] = fma(X[b_1, i_1, k_1], W[j_1 // 16, k_1, j_1 %% 16], S[b_1, i_1, j_1])\n"
             "    } } } }\n"
             "    for i in 0..48 { for j in 0..1024 {\n"
             "      block C(b_1: 0..4 = b, i_1: 0..48 = i, j_1: 0..1024 = j) { C[b_1, i_1, j_1] = max(S[b_1, i_1, j_1], 0.0:f32) }\n"
             "    } }\n"
             "  }\n"
             "}\n",
             channels[i], channels[i], channels[i], channels[i]);
    tn_program *program = parse(text);
    ck_assert_int_eq(tn_func_print(schedule(program, "x86-64-v4"), &made, NULL), TN_OK);
    ck_assert_msg((strstr(made, "prefetch W[(") != NULL) == (i == 0), "%s", made);
    tn_text_destroy(made);
    tn_program_destroy(program);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* Rows that only the product reads are made a tile at a time, not all before it. */
START_TEST(rows_of_a_factor_are_made_for_each_tile)
{
  open_context();
  char *text = checked_loops(
      "func dense(X: f32[100, 48] strides (64, 1), S: f32[48], W: f32[2, 48, 16], C: f32[100, 32]) {\n"
      "  alloc R: f32[100, 48]\n"
      "  for i in 0..100 { for k in 0..48 {\n"
      "    block R(a: 0..100 = i, e: 0..48 = k) { R[a, e] = max(X[a, e] * S[e], 0.0:f32) } } }\n"
      "  for i in 0..100 { for c in 0..32 { for k in 0..48 {\n"
      "    block C(a: 0..100 = i, d: 0..32 = c, reduce e: 0..48 = k) {\n"
      "      init { C[a, d] = 0.0:f32 }\n"
      "      C[a, d] = fma(R[a, e], W[d // 16, e, d % 16], C[a, d])\n"
      "  } } } }\n"
      "}\n");
  ck_assert_msg(strstr(text, "alloc R: f32[480]") != NULL, "%.2000s", text); /* 10 rows */
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* A row of A times a matrix whose rows are 1000 elements, larger than the second cache of the target. */
START_TEST(one_row_of_sums_streams_its_matrix)
{
  static const char text[] = "func gemv(A: f32[1, 515], B: f32[515, 1000], C: f32[1, 1000]) {\n"
                             "  for i in 0..1 { for j in 0..1000 { for k in 0..515 {\n"
                             "    block C(x: 0..1 = i, y: 0..1000 = j, reduce s: 0..515 = k) {\n"
                             "      init { C[x, y] = 0.0:f32 }\n"
                             "      C[x, y] = fma(A[x, s], B[s, y], C[x, y])\n"
                             "  } } } } }\n";
  oracle_data want;
  open_context();
  tn_program *program = parse(text);
  ck_assert(oracle_bind(&o, program, text) && oracle_expect(&o, tn_program_func_at(program, 0), &want));
  const tn_func *func = schedule(program, "x86-64-v3");
  char *made;
  ck_assert_int_eq(tn_func_print(func, &made, NULL), TN_OK);
  ck_assert_msg(!strstr(made, " in register") && strstr(made, "0..16 unrolled"), "%s", made);
  ck_assert_msg(oracle_run_all(&o, program, func, &want), "%s", o.why);
  tn_text_destroy(made);
  oracle_data_free(&want);
  tn_program_destroy(program);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Along memory, where the order does not matter: lanes take parts. Sums of
 * floating-point numbers stay in their order. */
START_TEST(maxima_and_integer_sums_are_taken_in_lanes)
{
  static const struct {
    const char *type, *from, *step;
    bool in_lanes;
  } cases[] = {{"f32", "-inf:f32", "max(B[a], A[a, b, c])", true},   {"f64", "inf:f64", "min(B[a], A[a, b, c])", true},
               {"i32", "0:i32", "B[a] + A[a, b, c]", true},          {"i8", "1:i8", "B[a] * A[a, b, c]", true},
               {"f32", "0.0:f32", "B[a] + A[a, b, c]", false}};
  static const int sizes[][3] = {{1, 1, 1003}, {3, 2, 131}, {18, 1, 259}, {1, 70, 9}};
  static char text[1024];
  open_context();
  for (size_t i = 0; i < 20; i++) {
    const int *n = sizes[i % 4];
    size_t k = i / 4;
    oracle_data want;
    snprintf(text, sizeof text,
             "func f(A: %s[%d, %d, %d], B: %s[%d]) {\n  for i in 0..%d { for j in 0..%d { for k in 0..%d {\n"
             "    block B(a: 0..%d = i, reduce b: 0..%d = j, reduce c: 0..%d = k) {\n"
             "      init { B[a] = %s }\n      B[a] = %s\n    } } } } }\n",
             cases[k].type, n[0], n[1], n[2], cases[k].type, n[0], n[0], n[1], n[2], n[0], n[1], n[2], cases[k].from,
             cases[k].step);
    tn_program *program = parse(text);
    o.tolerance = 0;
    ck_assert(oracle_bind(&o, program, text) && oracle_expect(&o, tn_program_func_at(program, 0), &want));
    const tn_func *func = schedule(program, targets[i % 2]);
    char *made;
    ck_assert_int_eq(tn_func_print(func, &made, NULL), TN_OK);
    ck_assert_msg(!strstr(made, "_rf") == !(cases[k].in_lanes && n[2] > 64), "%s", made);
    ck_assert_msg(oracle_run_all(&o, program, func, &want), "%s\n%s", o.why, made);
    tn_text_destroy(made);
    oracle_data_free(&want);
    tn_program_destroy(program);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* The stages of a softmax over the last dimension, its sum in parts of 16 and of 4. */
static void write_softmax(char *text, size_t size, int r, int c, int n) {
  snprintf(text, size,
           "func softmax(x: f32[%1$d, %2$d, %3$d], out: f32[%1$d, %2$d, %3$d]) {\n"
           "  alloc m: f32[%1$d, %2$d]\n  alloc e: f32[%1$d, %2$d, %3$d]\n  alloc p: f32[%1$d, %2$d, 16]\n"
           "  alloc q: f32[%1$d, %2$d, 4]\n  alloc s: f32[%1$d, %2$d]\n  alloc d: f32[%1$d, %2$d]\n"
           "  for i in 0..%1$d { for j in 0..%2$d { for k in 0..%3$d {\n"
           "    block m(a: 0..%1$d = i, b: 0..%2$d = j, reduce c: 0..%3$d = k) {\n"
           "      init { m[a, b] = -inf:f32 }\n      m[a, b] = max(m[a, b], x[a, b, c]) } } } }\n"
           "  for i in 0..%1$d { for j in 0..%2$d { for k in 0..%3$d {\n"
           "    block e(a: 0..%1$d = i, b: 0..%2$d = j, c: 0..%3$d = k) { e[a, b, c] = exp(x[a, b, c] - m[a, b]) } } } }\n"
           "  for i in 0..%1$d { for j in 0..%2$d { for l in 0..16 { for k in 0..%4$d {\n"
           "    block p(a: 0..%1$d = i, b: 0..%2$d = j, c: 0..16 = l, reduce t: 0..%4$d = k) {\n"
           "      init { p[a, b, c] = 0.0:f32 }\n      p[a, b, c] = p[a, b, c] + e[a, b, t*16 + c] } } } } }\n"
           "  for i in 0..%1$d { for j in 0..%2$d { for l in 0..4 { for k in 0..4 {\n"
           "    block q(a: 0..%1$d = i, b: 0..%2$d = j, c: 0..4 = l, reduce t: 0..4 = k) {\n"
           "      init { q[a, b, c] = 0.0:f32 }\n      q[a, b, c] = q[a, b, c] + p[a, b, t*4 + c] } } } } }\n"
           "  for i in 0..%1$d { for j in 0..%2$d { for k in 0..4 {\n"
           "    block s(a: 0..%1$d = i, b: 0..%2$d = j, reduce t: 0..4 = k) {\n"
           "      init { s[a, b] = 0.0:f32 }\n      s[a, b] = s[a, b] + q[a, b, t] } } } }\n"
           "  for i in 0..%1$d { for j in 0..%2$d {\n"
           "    block d(a: 0..%1$d = i, b: 0..%2$d = j) { d[a, b] = 1.0:f32 / s[a, b] } } }\n"
           "  for i in 0..%1$d { for j in 0..%2$d { for k in 0..%3$d {\n"
           "    block out(a: 0..%1$d = i, b: 0..%2$d = j, c: 0..%3$d = k) { out[a, b, c] = e[a, b, c] * d[a, b] } } } }\n"
           "}\n",
           r, c, n, n / 16);
}

/* One nest of loops over rows, whose sums are in registers; the division is not done again for each column. */
START_TEST(stages_over_rows_are_done_row_by_row)
{
  static const int sizes[][3] = {{3, 4, 128}, {5, 3, 48}, {1, 7, 320}, {2, 2, 64}, {17, 1, 96}};
  static char text[4096];
  open_context();
  for (size_t i = 0; i < 10; i++) {
    oracle_data want;
    write_softmax(text, sizeof text, sizes[i % 5][0], sizes[i % 5][1], sizes[i % 5][2]);
    tn_program *program = parse(text);
    o.tolerance = 0;
    ck_assert(oracle_bind(&o, program, text) && oracle_expect(&o, tn_program_func_at(program, 0), &want));
    const tn_func *func = schedule(program, targets[i % 2]);
    char *made;
    ck_assert_int_eq(tn_func_print(func, &made, NULL), TN_OK);
    const char *nest = strstr(made, "\n  for ");
    ck_assert_msg(nest && !strstr(nest + 1, "\n  for ") && strstr(made, "in register"), "%s", made);
    ck_assert_msg(strstr(made, "block d(") && oracle_run_all(&o, program, func, &want), "%s\n%s", o.why, made);
    tn_text_destroy(made);
    oracle_data_free(&want);
    tn_program_destroy(program);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* What a stage leaves is read by other rows: it would be made again for each of them. */
START_TEST(stages_over_other_dimensions_stay_apart)
{
  static const char text[] =
      "func f(x: f32[4, 3, 40], out: f32[4, 3, 40]) {\n  alloc m: f32[4, 40]\n"
      "  for i in 0..4 { for j in 0..40 { for k in 0..3 {\n"
      "    block m(a: 0..4 = i, b: 0..40 = j, reduce c: 0..3 = k) {\n"
      "      init { m[a, b] = -inf:f32 }\n      m[a, b] = max(m[a, b], x[a, c, b]) } } } }\n"
      "  for i in 0..4 { for k in 0..3 { for j in 0..40 {\n"
      "    block out(a: 0..4 = i, c: 0..3 = k, b: 0..40 = j) { out[a, c, b] = x[a, c, b] - m[a, b] } } } }\n}\n";
  oracle_data want;
  char *made;
  open_context();
  tn_program *program = parse(text);
  o.tolerance = 0;
  ck_assert(oracle_bind(&o, program, text) && oracle_expect(&o, tn_program_func_at(program, 0), &want));
  const tn_func *func = schedule(program, "host");
  ck_assert_int_eq(tn_func_print(func, &made, NULL), TN_OK);
  const char *nest = strstr(made, "\n  for ");
  ck_assert_msg(nest && strstr(nest + 1, "\n  for "), "%s", made);
  ck_assert_msg(oracle_run_all(&o, program, func, &want), "%s\n%s", o.why, made);
  tn_text_destroy(made);
  oracle_data_free(&want);
  tn_program_destroy(program);
  tn_context_destroy(o.ctx);
}
END_TEST

/* A host may give the array of the arguments for the results. */
START_TEST(results_may_go_over_the_arguments)
{
  open_context();
  tn_program *program = parse("func f(A: f32[4, 8]) {\n"
                              "  for i in 0..4 { for j in 0..8 {\n"
                              "    block A(a: 0..4 = i, b: 0..8 = j) { A[a, b] = 1.0:f32 } } }\n}\n");
  tn_schedule *s;
  tn_block_ref block;
  tn_loop loops[2];
  size_t count = 2;
  ck_assert_int_eq(tn_schedule_create(program, tn_program_func_at(program, 0), &s, NULL), TN_OK);
  ck_assert_int_eq(tn_get_block(s, "A", &block, NULL), TN_OK);
  ck_assert_int_eq(tn_get_loops(s, block, loops, &count, NULL), TN_OK);
  ck_assert_int_eq(tn_fuse(s, 2, loops, &loops[0], NULL), TN_OK);
  ck_assert_ptr_nonnull(strstr(tn_schedule_text(s), "0..32"));
  tn_schedule_destroy(s);
  tn_program_destroy(program);
  tn_context_destroy(o.ctx);
}
END_TEST

START_TEST(an_elementwise_chain_is_one_vector_loop)
{
  open_context();
  char *text = loop_text("func chain(A: f32[64, 64], C: f32[64, 64]) {\n"
                         "  alloc B: f32[64, 64]\n"
                         "  for i in 0..64 { for j in 0..64 {\n"
                         "    block B(i_1: 0..64 = i, j_1: 0..64 = j) { B[i_1, j_1] = A[i_1, j_1] + 1.0:f32 } } }\n"
                         "  for i in 0..64 { for j in 0..64 {\n"
                         "    block C(i_1: 0..64 = i, j_1: 0..64 = j) { C[i_1, j_1] = max(B[i_1, j_1], 0.0:f32) } } }\n"
                         "}\n");
  ck_assert_msg(strstr(text, "C[ramp(") && strstr(text, "A[ramp("), "%s", text);
  ck_assert_msg(!strstr(text, "alloc"), "%s", text);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("default");
  TCase *tcase = tcase_create("default");
  tcase_set_timeout(tcase, 120);
  tcase_add_loop_test(tcase, keeps_the_results, 0, PROGRAM_KINDS);
  tcase_add_loop_test(tcase, loops_are_not_taken_for_those_of_iterators, 0, TNI_COUNT(nests));
  tcase_add_test(tcase, a_matmul_is_vector_multiply_adds);
  tcase_add_test(tcase, an_elementwise_chain_is_one_vector_loop);
  tcase_add_loop_test(tcase, sums_of_integers_begin_with_their_bias, 0, 2);
  tcase_add_loop_test(tcase, a_tile_leaves_registers_for_its_factors, 0, sizeof tile_cases / sizeof *tile_cases);
  tcase_add_loop_test(tcase, a_tile_has_no_more_rows_than_a_set_holds, 0, TNI_COUNT(row_cases));
  tcase_add_test(tcase, a_tile_of_dot_products_has_more_sums);
  tcase_add_test(tcase, a_tile_leaves_no_rows_over_where_that_costs_nothing);
  tcase_add_test(tcase, a_long_epilogue_is_written_out_for_one_row);
  tcase_add_test(tcase, an_epilogue_of_several_operators_is_a_loop_behind_a_long_sum);
  tcase_add_test(tcase, a_tile_that_columns_do_not_fill_is_no_body_of_its_own);
  tcase_add_test(tcase, a_flat_block_is_one_loop);
  tcase_add_test(tcase, what_is_read_across_is_done_in_squares);
  tcase_add_test(tcase, few_columns_are_written_between_each_other);
  tcase_add_test(tcase, scattered_results_are_written_out_for_one_row);
  tcase_add_test(tcase, columns_from_afar_are_asked_for);
  tcase_add_test(tcase, rows_of_a_factor_are_made_for_each_tile);
  tcase_add_test(tcase, one_row_of_sums_streams_its_matrix);
  tcase_add_test(tcase, maxima_and_integer_sums_are_taken_in_lanes);
  tcase_add_test(tcase, stages_over_rows_are_done_row_by_row);
  tcase_add_test(tcase, stages_over_other_dimensions_stay_apart);
  tcase_add_test(tcase, results_may_go_over_the_arguments);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
