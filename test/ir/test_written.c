/* test_written.c -- what is surely read before it was written is an error of the verifier, with the element.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "../lib/fault.h"
#include "ir.h"

static const struct {
  const char *level, *body; /* over A and B, i32[64] each, and n; T is i32[8], S is i32[4, 4] */
  const char *error;        /* NULL: none is found */
} cases[] = {
    {"", "for i in 0..8 { B[i] = T[i] }",
     "verify: f:5: T[0] is read here, and nothing is written to it before\n"
     "    B[i] = T[i]\n           ^^^^"},
    {"", "B[0] = T[3] + 1:i32",
     "verify: f:4: T[3] is read here, and nothing is written to it before\n"
     "  B[0] = T[3] + 1:i32\n         ^^^^"},
    {"", "for i in 0..7 { T[i] = 1:i32 }; for i in 0..8 { B[i] = T[i] }",
     "verify: f:8: T[7] is read here, and nothing is written to it before\n"
     "    B[i_1] = T[i_1]\n             ^^^^^^"},
    {"", "for i in 0..8 { T[i] = 1:i32 }; for i in 0..8 { B[i] = T[i] }", NULL},
    /* several writes; with a gap; conditional ones count */
    {"", "T[0] = 1:i32; for i in 0..3 { T[i + 1] = 1:i32 }; for i in 0..4 { T[7 - i] = 1:i32 }; for i in 0..8 { B[i] = T[i] }",
     NULL},
    {"", "T[0] = 1:i32; for i in 0..3 { T[i + 1] = 1:i32 }; for i in 0..3 { T[7 - i] = 1:i32 }; for i in 0..8 { B[i] = T[i] }",
     "verify: f:12: T[4] is read here, and nothing is written to it before\n"
     "    B[i_2] = T[i_2]\n             ^^^^^^"},
    {"", "for i in 0..8 { if A[i] == 0:i32 { T[i] = 1:i32 } }; for i in 0..8 { B[i] = T[i] }", NULL},
    {"", "for i in 0..8 { T[cast(index, A[i])] = 1:i32 }; for i in 0..8 { B[i] = T[i] }", NULL},
    {"", "for i in 0..4 { T[i * 2] = 1:i32 }; B[0] = T[1]", NULL}, /* a box around what is written has it */
    /* order counts, unless a loop is around both */
    {"", "B[0] = T[0]; T[0] = 1:i32",
     "verify: f:4: T[0] is read here, and nothing is written to it before\n"
     "  B[0] = T[0]\n         ^^^^"},
    {"", "T[0] = T[0] + 1:i32",
     "verify: f:4: T[0] is read here, and nothing is written to it before\n"
     "  T[0] = T[0] + 1:i32\n         ^^^^"},
    {"", "for i in 0..2 { B[i] = T[0]; T[0] = 1:i32 }", NULL},
    {"", "for i in 0..2 { B[i] = T[1]; T[0] = 1:i32 }",
     "verify: f:5: T[1] is read here, and nothing is written to it before\n"
     "    B[i] = T[1]\n           ^^^^"},
    /* what may never be read, or is not known */
    {"", "for i in 0..8 { if A[i] == 0:i32 { B[i] = T[i] } }", NULL},
    {"", "for i in 0..8 { B[i] = T[i if i < n] }", NULL},
    {"", "for i in 0..n { B[i] = T[i] }", NULL},
    {"", "assert n < 4, \"n\"; B[0] = T[0]", NULL},
    {"", "while A[0] == 0:i32 { B[0] = T[0] }", NULL},
    {"", "B[0] = T[n]", NULL},
    {"", "B[0] = T[cast(index, A[0])]", NULL},
    {"", "call g(&T); B[0] = T[0]", NULL},
    /* two dimensions; blocks */
    {"", "for i in 0..4 { for j in 0..4 { S[i, j] = 0:i32 } }; for i in 0..4 { for j in 0..4 { B[i] = S[j, i] } }", NULL},
    {"", "for i in 0..4 { for j in 0..3 { S[i, j] = 0:i32 } }; for i in 0..4 { for j in 0..4 { B[i] = S[j, i] } }",
     "verify: f:11: S[0, 3] is read here, and nothing is written to it before\n"
     "      B[i_1] = S[j_1, i_1]\n               ^^^^^^^^^^^"},
    {"", "for i in 0..4 { block S(x: 0..4 = i, y: 0..4 = 3 - i) { S[x, y] = 0:i32 } }\nB[0] = S[0, 0]", NULL},
    {"", "for i in 0..8 { for k in 0..4 { block T(x: 0..8 = i, reduce y: 0..4 = k) { init { T[x] = 0:i32 }\nT[x] = T[x] + A[y] } } }",
     NULL},
    {"", "for i in 0..8 { block T(x: 0..8 = i) where i < 6 { T[x] = 0:i32 } }\nB[0] = T[7]", NULL},
    /* the loop level reads lanes that it does not use */
    {"loop ", "B[0] = T[0]", NULL},
};

static tn_status parse(tn_context *ctx, size_t i, tn_error **error) {
  char text[512];
  tn_program *program;
  snprintf(text, sizeof text,
           "extern g(ptr): void\n%sfunc f(A: i32[64], B: i32[64], n: index) {\nalloc T: i32[8]\n%s\n%s\n}\n",
           cases[i].level, *cases[i].level ? "" : "alloc S: i32[4, 4]", cases[i].body);
  tn_status status = tn_program_parse(ctx, text, strlen(text), "case", &program, error);
  tn_program_destroy(program);
  return status;
}

START_TEST(what_is_never_written_is_told)
{
  tn_context *ctx;
  tn_error *error;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_status status = parse(ctx, (size_t)_i, &error);
  ck_assert_str_eq(tn_error_text(error), cases[_i].error ? cases[_i].error : "");
  ck_assert_int_eq(status, cases[_i].error ? TN_E_VERIFY : TN_OK);
  tn_error_destroy(error);
  tn_context_destroy(ctx);
}
END_TEST

/* Want of memory is told, or did not matter: nothing is refused that is written. */
START_TEST(want_of_memory_refuses_nothing)
{
  for (size_t i = 0; i < TNI_COUNT(cases); i++) {
    fault f = {.once = true};
    tn_context *ctx = fault_context(&f);
    tn_error *error;
    bool hit = true;
    for (long at = 1; hit; at++) {
      f.fail_at = atomic_load(&f.calls) + at;
      tn_status status = parse(ctx, i, &error), want = cases[i].error ? TN_E_VERIFY : TN_OK;
      hit = atomic_load(&f.calls) >= f.fail_at;
      ck_assert_msg(status == want || (hit && status == TN_E_NOMEM), "case %zu, call %ld: %d", i, at, (int)status);
      tn_error_destroy(error);
    }
    fault_finish(&f, ctx);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("written");
  TCase *tests = tcase_create("written");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, what_is_never_written_is_told, 0, (int)TNI_COUNT(cases));
  tcase_add_test(tests, want_of_memory_refuses_nothing);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
