/* test_witness.c -- iterations of concurrent loops that surely meet are an error of the verifier, with both places.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/judged.h"

/* Over A and B, i32[64] each, C, i32[8, 8], and n. */
static const judged_frames frames = {"func f(A: i32[64], B: i32[64], C: i32[8, 8], n: index) {\n%s\n}\n",
                                     "loop func f(A: i32[64], B: i32[64], C: i32[8, 8], n: index) {\n%s\n}\n"};
static const judged cases[] = {
    {"", "for i in 0..4 parallel { B[i] = A[i + 1] }", NULL},
    {"", "for i in 0..4 parallel { A[i] = A[i + 1] }",
     "verify: f:3: iteration 1 of the concurrent loop `i` writes A[1], which iteration 0 reads\n"
     "    A[i] = A[i + 1]\n    ^^^^^^^^^^^^^^^"},
    {"", "for i in 0..4 vectorized { A[i // 2] = 1:i32 }",
     "verify: f:3: iteration 1 of the concurrent loop `i` writes A[0], which iteration 0 writes\n"
     "    A[i // 2] = 1:i32\n    ^^^^^^^^^^^^^^^^^"},
    {"", "for i in 0..4 bind thread.x { A[i + 1] = 1:i32\nB[i] = A[i] }",
     "verify: f:4: iteration 1 of the concurrent loop `i` reads A[1], which iteration 0 writes here:\n"
     "    B[i] = A[i]\n    ^^^^^^^^^^^\n"
     "f:3:\n    A[i + 1] = 1:i32\n    ^^^^^^^^^^^^^^^^"},
    /* tiles that overlap; those that do not; far away */
    {"", "for i in 0..4 parallel { for j in 0..10 { A[i * 8 + j] = 1:i32 } }",
     "verify: f:4: iteration 1 of the concurrent loop `i` writes A[8], which iteration 0 writes\n"
     "      A[i * 8 + j] = 1:i32\n      ^^^^^^^^^^^^^^^^^^^^"},
    {"", "for i in 0..4 parallel { for j in 0..8 { A[i * 8 + j] = 1:i32 } }", NULL},
    {"", "for i in 0..64 parallel { A[i % 40] = 1:i32 }", NULL},
    /* several dimensions, several loops */
    {"", "for i in 0..8 { for j in 0..8 parallel { C[i, j] = C[i, 7 - j] } }",
     "verify: f:4: iteration 4 of the concurrent loop `j` reads C[0, 3], which iteration 3 writes\n"
     "      C[i, j] = C[i, 7 - j]\n      ^^^^^^^^^^^^^^^^^^^^^"},
    {"", "for i in 0..8 parallel { for j in 0..8 parallel { C[i, j] = C[i, j] + 1:i32 } }", NULL},
    {"", "for i in 0..n { for j in 0..8 parallel { A[j + n] = A[n + j] + A[i] } }", NULL},
    /* reductions */
    {"", "for i in 0..4 parallel { reduce A[0] add= B[i] }", NULL},
    {"", "for i in 0..4 parallel { reduce A[0] add= B[i]; reduce A[0] max= 2:i32 }",
     "verify: f:3: iteration 1 of the concurrent loop `i` writes A[0], which iteration 0 writes here:\n"
     "    reduce A[0] add= B[i]\n    ^^^^^^^^^^^^^^^^^^^^^\n"
     "f:4:\n    reduce A[0] max= 2:i32\n    ^^^^^^^^^^^^^^^^^^^^^^"},
    {"", "for j in 0..8 parallel { block b(x: 0..8 = 0, reduce y: 0..8 = j) { A[x] = A[x] + C[x, y] } }",
     "verify: f:4: iteration 1 of the concurrent loop `j` reads A[0], which iteration 0 writes\n"
     "      A[x] = A[x] + C[x, y]\n      ^^^^^^^^^^^^^^^^^^^^^"},
    {"", "for j in 0..8 { block b(x: 0..8 = j) { for k in 0..8 parallel { A[k * x] = 1:i32 } } }", NULL},
    /* lets, allocations, conditions */
    {"", "for i in 0..4 parallel { let k = i // 2\nB[k] = 1:i32 }",
     "verify: f:4: iteration 1 of the concurrent loop `i` writes B[0], which iteration 0 writes\n"
     "    B[k] = 1:i32\n    ^^^^^^^^^^^^"},
    {"", "for i in 0..4 parallel { let k = A[0]\nA[i] = k }",
     "verify: f:3: iteration 1 of the concurrent loop `i` reads A[0], which iteration 0 writes here:\n"
     "    let k = A[0]\n    ^^^^^^^^^^^^\n"
     "f:4:\n    A[i] = k\n    ^^^^^^^^"},
    {"", "for i in 0..4 parallel { alloc T: i32[1]; T[0] = A[i]; B[i] = T[0] }", NULL},
    {"", "alloc T: i32[1]; for i in 0..4 parallel { T[0] = A[i]; B[i] = T[0] }", NULL},
    {"loop", "alloc T: i32[1]\nfor i in 0..4 parallel { T[0] = A[i]; B[i] = T[0] }",
     "verify: f:4: iteration 1 of the concurrent loop `i` writes T[0], which iteration 0 writes\n"
     "    T[0] = A[i]\n    ^^^^^^^^^^^"},
    {"", "for i in 0..4 parallel { if i == 0 { A[0] = 1:i32 } else { B[i] = A[0] } }", NULL},
    {"", "for i in 0..4 parallel { A[0 if i == 0] = 1:i32 }", NULL},
    {"", "for i in 0..n parallel { A[0] = 1:i32 }", NULL},
    {"", "for i in 0..4 parallel { for k in 0..n { A[0] = 1:i32 } }", NULL},
    {"", "for i in 0..4 parallel { A[cast(index, B[i])] = 1:i32 }", NULL},
    {"", "for i in 0..4 parallel { assert A[i] == 0:i32, \"m\"; B[0] = 1:i32 }", NULL},
    {"", "if n < 4 { for i in 0..4 parallel { A[0] = 1:i32 } }", NULL},
    /* vectors, by their first lane */
    {"loop", "for i in 0..4 parallel { A[ramp(4 * i, 1, 4)] = broadcast(0:i32, 4) }", NULL},
    {"loop", "for i in 0..4 parallel { A[ramp(i // 2, 1, 4)] = broadcast(0:i32, 4) }",
     "verify: f:3: iteration 1 of the concurrent loop `i` writes A[0], which iteration 0 writes\n"
     "    A[ramp(i // 2, 1, 4)] = broadcast(0:i32, 4)\n    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"},
};

START_TEST(iterations_that_meet_are_told)
{ judged_check(&frames, &cases[_i]); }
END_TEST

START_TEST(want_of_memory_is_no_meeting)
{ judged_without_memory(&frames, TNI_COUNT(cases), cases); }
END_TEST

int main(void) {
  TCase *tests = tcase_create("witness");
  tcase_add_loop_test(tests, iterations_that_meet_are_told, 0, (int)TNI_COUNT(cases));
  tcase_add_test(tests, want_of_memory_is_no_meeting);
  return suite_run_case("witness", tests, 60, NULL, NULL);
}
