/* test_races.c -- the interpreter finds iterations of concurrent loops that touch the same element. Extents that are
 * read keep the verifier from knowing that they do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "../lib/fault.h"
#include "ir.h"

static const struct {
  const char *body;  /* over A and B, i32[8] each, zeros; n is 4 */
  const char *error; /* NULL: no race */
} cases[] = {
    {"for i in 0..n parallel { B[i] = A[i + 1] }", NULL},
    {"for i in 0..n parallel { A[i] = A[i + 4] }", NULL},
    {"for i in 0..n parallel { A[i] = A[i + 1] }",
     "interpret: f: i = 1: iteration 1 of the concurrent loop `i` writes A[1], which iteration 0 reads"},
    {"for i in 0..n vectorized { A[i] = A[i + 1] }",
     "interpret: f: i = 1: iteration 1 of the concurrent loop `i` writes A[1], which iteration 0 reads"},
    {"for i in 0..n parallel { A[i // 2] = 1:i32 }",
     "interpret: f: i = 1: iteration 1 of the concurrent loop `i` writes A[0], which iteration 0 writes"},
    {"for i in 0..n parallel { A[i + 1] = 1:i32; B[i] = A[i] }",
     "interpret: f: i = 1: iteration 1 of the concurrent loop `i` reads A[1], which iteration 0 writes"},
    {"for i in 0..n parallel { if i == 3 { A[0] = 1:i32 } else { B[i] = A[0] } }",
     "interpret: f: i = 3: iteration 3 of the concurrent loop `i` writes A[0], which others read"},
    {"for i in 0..n parallel { reduce A[0] add= B[i] }", NULL},
    {"for i in 0..n parallel { reduce A[0] add= B[i]; reduce A[0] max= 2:i32 }",
     "interpret: f: i = 1: iteration 1 of the concurrent loop `i` writes A[0], which iteration 0 writes"},
    {"for i in 0..n parallel { reduce A[0] add= 1:i32; B[i] = A[0] }",
     "interpret: f: i = 1: iteration 1 of the concurrent loop `i` writes A[0], which iteration 0 writes"},
    {"for i in 0..2 parallel { for j in 0..n parallel { A[i] = 1:i32 } }",
     "interpret: f: i = 0, j = 1: iteration 1 of the concurrent loop `j` writes A[0], which iteration 0 writes"},
    {"for i in 0..2 parallel { for j in 0..2 parallel { A[i * 2 + j] = B[i] } }", NULL},
    {"alloc T: i32[1]; for i in 0..n parallel { T[0] = A[i]; B[i] = T[0] }", NULL}, /* one T for each */
    {"for i in 0..n parallel { alloc T: i32[1]; T[0] = A[i]; B[i] = T[0] }", NULL},
    {"for i in 0..4 { A[0] = A[0] + B[i] }", NULL},
    /* blocks, and the threads of one */
    {"for i in 0..n bind block.x { A[i] = A[i + 1] }",
     "interpret: f: i = 1: iteration 1 of the concurrent loop `i` writes A[1], which iteration 0 reads"},
    {"for t in 0..4 bind thread.x { A[t] = A[7 - n - t] }",
     "interpret: f: t = 2: iteration 2 of the concurrent loop `t` reads A[1], which iteration 1 writes"},
    {"for t in 0..4 bind thread.x { A[t + 4] = A[3 - t]; barrier global; A[t] = A[4 + (t + 1) % 4] }", NULL},
    {"for t in 0..4 bind thread.x { A[t + 4] = A[3 - t]; barrier shared; B[t] = A[n + (t + 1) % 4] }",
     "interpret: f: t = 0: iteration 0 of the concurrent loop `t` reads A[5], which iteration 1 writes"},
    {"alloc S: i32[4] in shared; for t in 0..4 bind thread.x { S[t] = A[t]; barrier shared; B[t] = S[3 - t] }", NULL},
    {"alloc S: i32[4] in shared; for t in 0..4 bind thread.x { S[t] = A[t]; B[t] = S[7 - n - t] }",
     "interpret: f: t = 0: S[3] is read before it was written"},
    {"alloc S: i32[4] in shared; for t in 0..4 bind thread.x { S[t] = A[t]; if t == 3 { B[t] = S[0] } }",
     "interpret: f: t = 3: iteration 3 of the concurrent loop `t` reads S[0], which iteration 0 writes"},
    {"alloc S: i32[1] in shared; for t in 0..4 bind thread.x { S[n - 4] = A[t]; B[t] = S[0] }",
     "interpret: f: t = 1: iteration 1 of the concurrent loop `t` writes S[0], which iteration 0 writes"},
    {"alloc T: i32[1]; for t in 0..4 bind thread.x { T[0] = A[t]; B[t] = T[0] }", NULL}, /* one T for each */
    {"for k in 0..2 { alloc S: i32[4] in shared\n for t in 0..4 bind thread.x { for j in 0..2 { S[t] = A[t]; barrier shared\n"
     "B[t] = S[7 - n - t] } } }",
     "interpret: f: k = 0, t = 0, j = 1: iteration 0 of the concurrent loop `t` writes S[0], which iteration 3 reads"},
    {"for y in 0..2 bind thread.y { for x in 0..2 bind thread.x { A[y * 2 + x] = 1:i32; barrier global\n"
     "B[y * 2 + x] = A[3 - y * 2 - x] } }", NULL},
    {"for y in 0..2 bind thread.y { for x in 0..2 bind thread.x { A[x + n - 4] = 1:i32; barrier global; B[y * 2 + x] = A[x] } }",
     "interpret: f: y = 1, x = 0: iteration 1 of the concurrent loop `y` writes A[0], which iteration 0 writes"},
    {"for y in 0..2 bind thread.y { for x in 0..2 bind thread.x { A[y + n - 4] = 1:i32; barrier global } }",
     "interpret: f: y = 0, x = 1: iteration 1 of the concurrent loop `x` writes A[0], which iteration 0 writes"},
    {"for b in 0..2 bind block.x { for t in 0..4 bind thread.x { A[t + n - 4] = 1:i32; barrier global } }",
     "interpret: f: b = 1, t = 0: iteration 1 of the concurrent loop `b` writes A[0], which iteration 0 writes"},
    /* of what each thread has of its own */
    {"for t in 0..4 bind thread.x { alloc T: i32[2]; let x = A[t]; T[0] = x; barrier global; A[3 - t] = T[0] + x; B[t] = T[0]\n"
     "barrier global; T[1] = A[t]; B[t + 4] = T[1] }", NULL},
    {"for t in 0..4 bind thread.x { alloc T: i32[2]; if t < 3 { T[0] = 1:i32 }; barrier global; B[t] = T[0] }",
     "interpret: f: t = 3: T[0] is read before it was written"},
    {"for t in 0..4 bind thread.x { assert t < 3, \"three\"; barrier global; B[t] = 1:i32 }",
     "interpret: f: t = 3: the assertion failed: three"},
    /* copies on their way */
    {"alloc T: i32[2]; copy T[0] = A[1]; commit; copy T[1] = A[1]; commit; wait 1; B[0] = T[0]; wait 0; B[1] = T[1]", NULL},
    {"alloc T: i32[2]; copy T[0] = A[1]; commit; copy T[1] = A[1]; commit; wait 1; B[1] = T[1]; wait 0",
     "interpret: f: T[1] is read while a copy to it is pending"},
    {"copy B[0] = A[0]; wait 0; B[0] = 1:i32", "interpret: f: B[0] is written while a copy to it is pending"},
    {"copy B[0] = A[0]; commit; A[0] = 1:i32; wait 0", "interpret: f: A[0] is written while a copy from it is pending"},
    {"copy B[0] = A[0]; commit; B[2] = A[0]; copy B[1] = A[0]; commit; wait 0; A[0] = B[0]", NULL},
    {"copy B[0] = A[0]; copy B[0] = A[1]; commit; wait 0", "interpret: f: B[0] is written while a copy to it is pending"},
    {"copy B[0 if A[0] == 1:i32] = A[0]; copy B[1] = A[0 if n == 5]; commit; B[0] = 1:i32; A[0] = 2:i32; wait 0", NULL},
    {"reduce B[0] add= 1:i32; copy B[0] = A[0]; commit; reduce B[0] add= 1:i32; wait 0",
     "interpret: f: B[0] is written while a copy to it is pending"},
    {"for i in 0..n { alloc T: i32[1]; copy T[0] = A[i]; commit; { alloc U: i32[1]; U[0] = B[i] }; B[i] = T[0] }; wait 0",
     "interpret: f: i = 0: T[0] is read while a copy to it is pending"},
    {"for i in 0..n { { alloc U: i32[1]; copy B[i] = A[i]; copy U[0] = A[i] }; B[i] = B[i] + 1:i32 }; wait 0", NULL},
    {"for i in 0..n parallel { copy B[i] = A[i] }; B[0] = B[1]; wait 0", NULL}, /* the end of a thread */
    {"for i in 0..n parallel { copy B[i] = A[i]; commit; wait 0; B[i] = 1:i32 }", NULL},
    {"for i in 0..n parallel { copy B[i] = A[i]; wait 0; B[i] = 1:i32 }", /* of no group */
     "interpret: f: i = 0: B[0] is written while a copy to it is pending"},
    {"for i in 0..n vectorized { copy B[i] = A[i] }; commit; B[0] = B[1]; wait 0",
     "interpret: f: B[1] is read while a copy to it is pending"},
    {"alloc S: i32[4] in shared; for t in 0..4 bind thread.x { copy S[t] = A[t]; commit; wait 0; barrier shared; B[t] = S[3 - t] }",
     NULL},
    {"alloc S: i32[4] in shared; for t in 0..4 bind thread.x { copy S[t] = A[t]; commit; barrier shared; wait 0; B[t] = S[3 - t] }",
     "interpret: f: t = 0: S[3] is read while a copy to it is pending"},
    {"alloc S: i32[4] in shared; for t in 0..4 bind thread.x { copy S[t] = A[t]; commit; barrier shared; wait 0\n"
     "B[t] = S[n - 4 if t == 3] }",
     "interpret: f: t = 3: iteration 3 of the concurrent loop `t` reads S[0], which iteration 0 writes"},
    {"alloc S: i32[4] in shared; for t in 0..4 bind thread.x { copy S[t] = A[t]; commit; barrier shared; B[t] = S[3 - t]; wait 0 }",
     "interpret: f: t = 0: S[3] is read while a copy to it is pending"},
    {"for t in 0..4 bind thread.x { copy A[n + t] = A[t]; commit; B[t] = A[(t + 1) % 4 + 4 if t == 3]; barrier global; wait 0 }",
     "interpret: f: t = 3: A[4] is read while a copy to it is pending"},
    {"for t in 0..4 bind thread.x { B[t] = A[n + (t + 1) % 4 if t == 0]; copy A[n + t] = B[t + 4]; commit; barrier global; wait 0 }",
     "interpret: f: t = 1: iteration 1 of the concurrent loop `t` writes A[5], which iteration 0 reads"},
    {"for t in 0..4 bind thread.x { copy A[n + t] = A[t]; commit; barrier global; if t == 3 { wait 0 }\n"
     "B[t] = A[n + 3 if t == 0] }", "interpret: f: t = 0: A[7] is read while a copy to it is pending"},
    {"for t in 0..4 bind thread.x { alloc T: i32[2]; copy T[0] = A[t]; commit; barrier global; wait 0; B[t] = T[0]\n"
     "copy T[1] = A[t] }", NULL},
    {"for t in 0..4 bind thread.x { alloc T: i32[2]; copy T[1] = A[t]; commit; barrier global; B[t] = T[1]; wait 0 }",
     "interpret: f: t = 0: T[1] is read while a copy to it is pending"},
};

START_TEST(iterations_meet_or_do_not)
{
  tn_context *ctx;
  tn_program *program;
  tn_error *error;
  char text[512];
  static int32_t data[2][8];
  void *const buffers[] = {data[0], data[1]};
  snprintf(text, sizeof text, "func f(A: i32[8], B: i32[8]) {\nlet n = cast(index, A[7]) + 4\n%s\n}\n", cases[_i].body);
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "case", &program, NULL), TN_OK);
  tn_status status = tni_evaluate_interpreted(NULL, tn_program_func_at(program, 0), buffers, &error);
  ck_assert_int_eq(status, cases[_i].error ? TN_E_INVALID : TN_OK);
  ck_assert_str_eq(tn_error_text(error), cases[_i].error ? cases[_i].error : "");
  tn_error_destroy(error);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

/* Parsed, checked, interpreted and lowered. */
static tn_status do_all(tn_context *ctx, const char *text) {
  static int32_t data[2][8];
  void *const buffers[] = {data[0], data[1]};
  tn_program *program;
  const tn_func *lowered;
  tni_region r;
  tn_status status = tn_program_parse(ctx, text, strlen(text), "text", &program, NULL);
  if (status) return status;
  const tn_func *func = tn_program_func_at(program, 0);
  tni_region_init(&r, ctx, &program->region);
  status = tn_func_check(func, NULL, NULL, NULL);
  if (!status) status = tni_evaluate_interpreted(NULL, func, buffers, NULL);
  if (!status) status = tni_lower(&r, func, &lowered, NULL);
  tni_region_destroy(&r);
  tn_program_destroy(program);
  return status;
}

START_TEST(no_memory_is_told)
{
  static const char text[] = "func f(A: i32[8], B: i32[8]) {\n  alloc S: i32[4, 2] in shared\n  for y in 0..2 bind thread.y {\n"
                             "    let s = A[y]\n    for x in 0..4 bind thread.x {\n      alloc T: i32[2] layout (i) -> (i % 2)\n"
                             "      copy S[x, y] = A[y * 4 + x]\n      commit\n      T[0] = s\n      wait 0\n      barrier shared\n"
                             "      if 1 < 2 {\n        block Q(v: 0..8 = y * 4 + x) {\n          B[v] = T[0]\n        }\n      }\n"
                             "      B[y * 4 + x] = S[3 - x, 1 - y] + B[y * 4 + x] + s\n    }\n    barrier global\n  }\n}\n";
  for (int once = 0; once < 2; once++)
    for (long at = 1;; at += 1 + at / 50) { /* all of the first, then one in ever more */
      fault f = {.fail_at = 0, .once = once};
      tn_context *faulty = fault_context(&f);
      f.fail_at = atomic_load(&f.calls) + at;
      tn_status status = do_all(faulty, text);
      bool hit = atomic_load(&f.calls) >= f.fail_at;
      if (!once || status != TN_OK) ck_assert_int_eq(status, hit ? TN_E_NOMEM : TN_OK); /* one may be done without */
      fault_finish(&f, faulty);
      if (!hit) break;
    }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("races");
  TCase *tests = tcase_create("races");
  tcase_add_loop_test(tests, iterations_meet_or_do_not, 0, (int)TNI_COUNT(cases));
  tcase_add_test(tests, no_memory_is_told);
  tcase_set_timeout(tests, 60);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
