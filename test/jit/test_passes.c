/* test_passes.c -- the table of passes, and what a host that observes them is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>

#include "session.h"

static tn_context *ctx;
static tn_program *program;
static char seen[4096];

static void open_program(void) {
  ctx = session_open();
  program = session_parse(ctx, "func f(A: f32[4], B: f32[4]) { for i in 0..4 vectorized { B[i] = exp(A[i]) } }\n"
                               "scheduled loop func g(A: i32[4]) { A[0] = 1:i32 }\n");
  *seen = 0;
}

static void close_program(void) {
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static void note(void *self, const tn_pass_event *event) {
  size_t at = strlen(seen);
  ck_assert_ptr_eq(self, seen);
  ck_assert_uint_eq(event->struct_size, sizeof *event);
  ck_assert(event->seconds >= 0);
  snprintf(seen + at, sizeof seen - at, "%s %s\n%s", tn_pass_at(event->pass).name, event->object,
           event->text ? event->text : "");
}

static tn_compile_desc observed(const char *dump) {
  return (tn_compile_desc){.struct_size = sizeof(tn_compile_desc), .observe = note, .observe_self = seen, .dump = dump};
}

START_TEST(letters_and_names_are_their_own)
{
  for (size_t i = 0; i < tn_pass_count(); i++)
    for (size_t k = 0; k < i; k++) {
      ck_assert_int_ne(tn_pass_at(i).letter, tn_pass_at(k).letter);
      ck_assert_str_ne(tn_pass_at(i).name, tn_pass_at(k).name);
    }
}
END_TEST

START_TEST(passes_are_told_in_their_order)
{
  tn_compile_desc desc = observed(NULL);
  tn_module_destroy(session_compile(program, &desc));
  ck_assert_str_eq(seen, "guard f\nguard g\nschedule f\nthreads f\nsimplify f\norder f\nblocks f\nstorage f\ntrim f\npartition f\nflatten f\n"
                         "vectorize f\nunroll f\nhoist f\ndead f\ncode \n");
}
END_TEST

START_TEST(a_letter_asks_for_the_text)
{
  tn_compile_desc desc = observed("a");
  desc.keep_schedules = 1;
  tn_module_destroy(session_compile(program, &desc));
  ck_assert_str_eq(seen, "guard f\nguard g\nthreads f\nsimplify f\norder f\nblocks f\nstorage f\ntrim f\npartition f\nflatten f\n"
                         "loop func f(A: f32[4], B: f32[4]) {\n"
                         "  for i in 0..4 vectorized {\n"
                         "    B[i] = exp(A[i])\n"
                         "  }\n"
                         "}\n"
                         "vectorize f\nunroll f\nhoist f\ndead f\ncode \n");
}
END_TEST

/* What a pass makes of a function that is the only one of its program. */
static const char *after(const char *letter, const char *text) {
  tn_compile_desc desc = observed(letter);
  desc.keep_schedules = 1;
  desc.unproven = TN_UNPROVEN_TRUST; /* no checks, which read too */
  tn_program_destroy(program);
  program = session_parse(ctx, text);
  tn_module_destroy(session_compile(program, &desc));
  char *from = strstr(seen, "loop func"), *to;
  ck_assert_ptr_nonnull(from);
  if (from > seen && !strncmp(from - 10, "scheduled ", 10)) from -= 10;
  ck_assert_ptr_nonnull(to = strstr(from, "\n}\n"));
  to[3] = 0;
  return from;
}

START_TEST(the_last_tiles_of_a_parallel_loop_stay_in_it)
{
  ck_assert_str_eq(after("a", "scheduled func f(A: f32[4, 10], B: f32[4, 10]) {\n"
                              "  for t in 0..12 parallel {\n"
                              "    for i in 0..4 {\n"
                              "      if t % 3 * 4 + i < 10 { B[t // 3, t % 3 * 4 + i] = A[t // 3, t % 3 * 4 + i] }\n"
                              "    }\n"
                              "  }\n"
                              "}\n"),
                   "scheduled loop func f(A: f32[4, 10], B: f32[4, 10]) {\n"
                   "  for t in 0..12 parallel {\n"
                   "    if t % 3 < 2 {\n"
                   "      for i in 0..4 {\n"
                   "        B[i + t // 3 * 10 + t % 3 * 4] = A[i + t // 3 * 10 + t % 3 * 4]\n"
                   "      }\n"
                   "    } else {\n"
                   "      for i_1 in 0..2 {\n"
                   "        B[i_1 + t // 3 * 10 + 8] = A[i_1 + t // 3 * 10 + 8]\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
}
END_TEST

/* No branch outside of a loop on what is over its variable. */
START_TEST(guards_of_inner_loops_stay_in_them)
{
  ck_assert_str_eq(after("a", "scheduled func f(A: f32[48], B: f32[48]) {\n"
                              "  for t in 0..12 parallel {\n"
                              "    for i in 0..4 { if (t * 4 + i) % 3 < 2 { B[t * 4 + i] = A[t * 4 + i] } }\n"
                              "  }\n"
                              "}\n"),
                   "scheduled loop func f(A: f32[48], B: f32[48]) {\n"
                   "  for t in 0..12 parallel {\n"
                   "    for i in 0..4 {\n"
                   "      if (t * 4 + i) % 3 < 2 {\n"
                   "        B[t * 4 + i] = A[t * 4 + i]\n"
                   "      }\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
}
END_TEST

START_TEST(the_last_iterations_of_other_loops_are_loops_of_their_own)
{
  ck_assert_str_eq(after("a", "scheduled func f(A: f32[10], B: f32[10]) {\n"
                              "  for t in 0..3 {\n"
                              "    for i in 0..4 { if t * 4 + i < 10 { B[t * 4 + i] = A[t * 4 + i] } }\n"
                              "  }\n"
                              "}\n"),
                   "scheduled loop func f(A: f32[10], B: f32[10]) {\n"
                   "  for t in 0..2 {\n"
                   "    for i in 0..4 {\n"
                   "      B[t * 4 + i] = A[t * 4 + i]\n"
                   "    }\n"
                   "  }\n"
                   "  for i_1 in 0..2 {\n"
                   "    B[i_1 + 8] = A[i_1 + 8]\n"
                   "  }\n"
                   "}\n");
}
END_TEST

/* The same, when much is done beside: what is left of rows and columns is asked for, outside of the innermost loop. */
START_TEST(many_statements_are_not_doubled_for_a_guard_that_is_asked_seldom)
{
  static char text[1024];
  for (int copies = 12; copies <= 96; copies += 84) {
    snprintf(text, sizeof text,
             "scheduled func f(A: f32[3], T: f32[96], B: f32[10, 8]) {\n"
             "  for y in 0..3 {\n"
             "    for j in 0..%d unrolled { T[j] = T[j] * A[y] }\n"
             "    for k in 0..4 {\n"
             "      for l in 0..8 vectorized { if y * 4 + k < 10 { B[y * 4 + k, l] = T[k * 8 + l] } }\n"
             "    }\n"
             "  }\n"
             "}\n",
             copies);
    *seen = 0;
    const char *made = after("v", text), *first = strstr(made, "for k");
    ck_assert_msg(!strstr(first + 1, "for k") == (copies == 96), "%s", made);
    ck_assert_msg(!strstr(made, "if y * 4 + k < 10") == (copies == 12), "%s", made);
  }
}
END_TEST

/* Rows of a window that are written out: at the picture's edge two of all loads ask, and no body is made for it. */
START_TEST(rows_at_an_edge_ask_for_themselves)
{
  *seen = 0;
  const char *made = after("r", "scheduled func f(A: f32[64], W: f32[3], B: f32[64]) {\n"
                                "  for t in 0..4 {\n"
                                "    alloc T: f32[16] in register\n"
                                "    for i in 0..16 unrolled { T[i] = 0.0:f32 }\n"
                                "    for k in 0..3 {\n"
                                "      for i in 0..16 unrolled {\n"
                                "        T[i] = fma(A[t * 16 + i + k - 1 if 0 <= t * 16 + i + k - 1 && t * 16 + i + k - 1 < 64], W[k], T[i])\n"
                                "      }\n"
                                "    }\n"
                                "    for i in 0..16 unrolled { B[t * 16 + i] = T[i] }\n"
                                "  }\n"
                                "}\n");
  const char *first = strstr(made, "for k");
  ck_assert_msg(first && !strstr(first + 1, "for k"), "%s", made);
  ck_assert_msg(strstr(made, "T[0] = fma(A[t * 16 + k - 1 if 1 <= t * 16 + k], W[k], T[0])"), "%s", made);
  ck_assert_msg(strstr(made, "T[1] = fma(A[t * 16 + k], W[k], T[1])"), "%s", made);
  ck_assert_msg(strstr(made, "T[15] = fma(A[t * 16 + k + 14 if t * 16 + k < 50], W[k], T[15])"), "%s", made);
}
END_TEST

/* Where most rows of the last tile are not there, and their addresses are clamped, or they stand between others in the
 * sum's loop, it is a body of its own. */
START_TEST(rows_that_are_not_there_are_not_summed)
{
  static const char *const sums[] = {"T[i] = fma(A[min(t * 16 + i, 51), k], W[k], T[i])",
                                     "if t * 16 + i < 62 { T[i] = fma(A[t * 16 + i, k], W[k], T[i]) }"};
  for (int i = 0; i < 2; i++) {
    static char text[1024];
    int rows = i ? 62 : 52;
    snprintf(text, sizeof text,
             "scheduled func f(A: f32[%d, 9], W: f32[9], B: f32[%d]) {\n"
             "  for t in 0..4 {\n"
             "    alloc T: f32[16] in register\n"
             "    for i in 0..16 unrolled { T[i] = 0.0:f32 }\n"
             "    for k in 0..9 { for i in 0..16 unrolled { %s } }\n"
             "    for i in 0..16 unrolled { if t * 16 + i < %d { B[t * 16 + i] = T[i] } }\n"
             "  }\n"
             "}\n",
             rows, rows, sums[i], rows);
    *seen = 0;
    const char *made = after("r", text), *first = strstr(made, "for k");
    ck_assert_msg(first && strstr(first + 1, "for k") && !strstr(made, "min(") && !strstr(made, "if t"), "%s", made);
  }
}
END_TEST

START_TEST(registers_that_nobody_reads_are_not_written)
{
  ck_assert_str_eq(after("d", "scheduled func f(A: f32[8], B: f32[3]) {\n"
                              "  alloc T: f32[4] in register\n"
                              "  for i in 0..4 unrolled { T[i] = 0.0:f32 }\n"
                              "  for k in 0..8 { for i in 0..4 unrolled { T[i] = T[i] + A[k] } }\n"
                              "  for i in 0..4 unrolled { if i < 3 { B[i] = T[i + 0] } }\n"
                              "}\n"),
                   "scheduled loop func f(A: f32[8], B: f32[3]) {\n"
                   "  alloc T: f32[4] in register\n"
                   "  T[0] = 0.0:f32\n  T[1] = 0.0:f32\n  T[2] = 0.0:f32\n"
                   "  for k in 0..8 {\n"
                   "    T[0] = T[0] + A[k]\n    T[1] = T[1] + A[k]\n    T[2] = T[2] + A[k]\n"
                   "  }\n"
                   "  B[0] = T[0]\n  B[1] = T[1]\n  B[2] = T[2]\n"
                   "}\n");
}
END_TEST

START_TEST(registers_that_others_read_are_kept)
{
  ck_assert_str_eq(after("d", "scheduled func f(A: f32[8], B: f32[1]) {\n"
                              "  alloc T: f32[2] in register\n"
                              "  T[0] = A[0]\n"
                              "  T[1] = A[1]\n"
                              "  for k in 0..8 { T[1] = T[0] + A[k] }\n"
                              "  B[0] = T[1]\n"
                              "}\n"),
                   "scheduled loop func f(A: f32[8], B: f32[1]) {\n"
                   "  alloc T: f32[2] in register\n"
                   "  T[0] = A[0]\n"
                   "  T[1] = A[1]\n"
                   "  for k in 0..8 {\n"
                   "    T[1] = T[0] + A[k]\n"
                   "  }\n"
                   "  B[0] = T[1]\n"
                   "}\n");
}
END_TEST

START_TEST(registers_that_an_extent_reads_are_kept)
{
  ck_assert_str_eq(after("d", "scheduled func f(n: index, B: f32[4]) {\n"
                              "  alloc T: i64[1] in register\n"
                              "  T[0] = cast(i64, n)\n"
                              "  alloc G: f32[cast(index, T[0])]\n"
                              "  for i in 0..n { G[i] = 1.0:f32 }\n"
                              "  for i in 0..4 { B[i] = G[0 if 0 < n] }\n"
                              "}\n"),
                   "scheduled loop func f(n: index, B: f32[4]) {\n"
                   "  alloc T: i64[1] in register\n"
                   "  T[0] = cast(i64, n)\n"
                   "  alloc G: f32[cast(index, T[0])]\n"
                   "  for i in 0..n {\n"
                   "    G[i] = 1.0:f32\n"
                   "  }\n"
                   "  for i_1 in 0..4 {\n"
                   "    B[i_1] = G[0 if 1 <= n]\n"
                   "  }\n"
                   "}\n");
}
END_TEST

START_TEST(an_unknown_letter_is_refused)
{
  tn_compile_desc desc = observed("aQ");
  tn_module *module;
  tn_error *error = NULL;
  refused(tn_compile(program, &desc, &module, &error), error, TN_E_INVALID,
          "build: dump: `Q` is the letter of no pass: they are iflugstSobmkpavrhdc, and * for all");
  ck_assert_ptr_null(module);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {letters_and_names_are_their_own, passes_are_told_in_their_order,
                                a_letter_asks_for_the_text, the_last_tiles_of_a_parallel_loop_stay_in_it,
                                guards_of_inner_loops_stay_in_them,
                                the_last_iterations_of_other_loops_are_loops_of_their_own,
                                many_statements_are_not_doubled_for_a_guard_that_is_asked_seldom,
                                rows_at_an_edge_ask_for_themselves, rows_that_are_not_there_are_not_summed,
                                registers_that_nobody_reads_are_not_written, registers_that_others_read_are_kept,
                                registers_that_an_extent_reads_are_kept,
                                an_unknown_letter_is_refused};
  return suite_run_tests("passes", tests, TNI_COUNT(tests), open_program, close_program);
}
