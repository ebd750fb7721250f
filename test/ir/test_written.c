/* test_written.c -- what is surely read before it was written is an error of the verifier, with the element.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/judged.h"

/* Over A and B, i32[64] each, and n; T is i32[8], S is i32[4, 4]. */
static const judged_frames frames = {"extern g(ptr): void\n"
                                     "func f(A: i32[64], B: i32[64], n: index) {\n"
                                     "alloc T: i32[8]\nalloc S: i32[4, 4]\n%s\n}\n",
                                     "extern g(ptr): void\n"
                                     "loop func f(A: i32[64], B: i32[64], n: index) {\nalloc T: i32[8]\n%s\n}\n"};
static const judged cases[] = {
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
    {"",
     "T[0] = 1:i32; for i in 0..3 { T[i + 1] = 1:i32 }; for i in 0..4 { T[7 - i] = 1:i32 }; for i in 0..8 { B[i] = "
     "T[i] }",
     NULL},
    {"",
     "T[0] = 1:i32; for i in 0..3 { T[i + 1] = 1:i32 }; for i in 0..3 { T[7 - i] = 1:i32 }; for i in 0..8 { B[i] = "
     "T[i] }",
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
    {"", "for i in 0..4 { for j in 0..4 { S[i, j] = 0:i32 } }; for i in 0..4 { for j in 0..4 { B[i] = S[j, i] } }",
     NULL},
    {"", "for i in 0..4 { for j in 0..3 { S[i, j] = 0:i32 } }; for i in 0..4 { for j in 0..4 { B[i] = S[j, i] } }",
     "verify: f:11: S[0, 3] is read here, and nothing is written to it before\n"
     "      B[i_1] = S[j_1, i_1]\n               ^^^^^^^^^^^"},
    {"", "for i in 0..4 { block S(x: 0..4 = i, y: 0..4 = 3 - i) { S[x, y] = 0:i32 } }\nB[0] = S[0, 0]", NULL},
    {"",
     "for i in 0..8 { for k in 0..4 { block T(x: 0..8 = i, reduce y: 0..4 = k) { init { T[x] = 0:i32 }\nT[x] = T[x] + "
     "A[y] } } }",
     NULL},
    {"", "for i in 0..8 { block T(x: 0..8 = i) where i < 6 { T[x] = 0:i32 } }\nB[0] = T[7]", NULL},
    /* the loop level reads lanes that it does not use */
    {"loop", "B[0] = T[0]", NULL},
};

START_TEST(what_is_never_written_is_told)
{ judged_check(&frames, &cases[_i]); }
END_TEST

START_TEST(want_of_memory_refuses_nothing)
{ judged_without_memory(&frames, TNI_COUNT(cases), cases); }
END_TEST

int main(void) {
  TCase *tests = tcase_create("written");
  tcase_add_loop_test(tests, what_is_never_written_is_told, 0, (int)TNI_COUNT(cases));
  tcase_add_test(tests, want_of_memory_refuses_nothing);
  return suite_run_case("written", tests, 60, NULL, NULL);
}
