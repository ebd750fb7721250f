/* test_check.c -- the strict check: what is proven, what is not known, and what is said then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "../lib/fault.h"
#include "ir.h"

static tn_context *ctx;

static void setup(void) { ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK); }
static void teardown(void) { tn_context_destroy(ctx); }

static tn_program *parse(const char *text) {
  tn_program *program;
  tn_error *err;
  tn_program_parse(ctx, text, strlen(text), "t", &program, &err);
  ck_assert_msg(program != NULL, "%s\n%s", text, tn_error_text(err));
  return program;
}

/* ---- proofs: a body inside `func f(A: f32[n, m], B: f32[100], I: i32[8], n: index, m: index)` -------------------- */

static const struct {
  const char *body;
  int proven, unknown;
} proofs[] = {
    /* loops and constants */
    {"for i in 0..100 { B[i] = 1.0:f32 }", 1, 0},
    {"for i in 0..101 { if i < 100 { B[i] = 1.0:f32 } }", 1, 0},
    {"for i in 0..101 { if i < 101 { B[i] = 1.0:f32 } }", 0, 1},
    {"for i in 0..101 { if !(i >= 100) { B[i] = 1.0:f32 } }", 1, 0},
    {"for i in 0..101 { if i == 100 { } else { B[min(i, 99)] = 1.0:f32 } }", 1, 0},
    {"for i in 0..200 { if 100 <= i { } else { B[i] = 1.0:f32 } }", 1, 0},
    {"for i in 0..200 { if i < 100 || i < 50 { B[i] = 1.0:f32 } }", 0, 1},
    {"for i in 0..200 { if 99 < i || 60 < i { } else { B[i] = 1.0:f32 } }", 1, 0},
    {"for i in 0..7 { for j in 0..16 { if i * 16 + j < 100 { B[i * 16 + j] = 1.0:f32 } } }", 1, 0},
    {"for i in 0..7 { for j in 0..16 { if i * 16 + j < 101 { B[i * 16 + j] = 1.0:f32 } } }", 0, 1},
    {"for i in 0..25 { for j in 0..4 { B[99 - i * 4 - j] = 1.0:f32 } }", 1, 0},
    {"for i in 0..100 { B[i // 3 * 3 + i % 3] = 1.0:f32 }", 1, 0},
    {"for i in 0..100 { B[i - i // 7 * 7] = 1.0:f32 }", 1, 0},
    {"for i in 0..6 { for j in 0..2 { B[i // 3 * 50 + j + 48] = 1.0:f32 } }", 1, 0},
    {"for i in 0..6 { for j in 0..3 { B[i // 3 * 50 + j + 48] = 1.0:f32 } }", 0, 1},
    {"for i in 0..0 { B[i + 300] = 1.0:f32 }", 1, 0},
    {"for i in 0..0 { if 5 < i { B[i + 300] = 1.0:f32 } }", 1, 0},
    /* concurrent loops: one more question each */
    {"for i in 0..100 parallel { B[i] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 parallel { if 0:i32 <= I[i] && I[i] < 100:i32 { B[cast(index, I[i])] = 1.0:f32 } }", 3, 1},
    {"for i in 0..n parallel { for j in 0..m vectorized { A[i, j] = 1.0:f32 } }", 3, 0},
    {"for i in 0..8 parallel { call note(i)\nI[i] = 1:i32 }\ncall g(&B)", 2, 0},
    {"for i in 0..8 parallel { call g(&B)\nI[i] = 1:i32 }", 1, 1},
    {"for i in 0..n { for j in 0..m parallel { A[i, j // 2] = 1.0:f32 } }", 1, 1},
    /* threads that wait for each other, copies */
    {"alloc S: f32[8] in shared; for t in 0..8 bind thread.x { S[t] = B[t]; barrier shared; B[t] = S[max(0, min(n - t, 7))] }", 5, 0},
    {"alloc T: f32[8]; for t in 0..8 bind thread.x { T[t] = B[t]; barrier global; B[t] = T[max(0, min(n - t, 7))] }", 5, 0},
    {"alloc T: f32[8]; for t in 0..8 bind thread.x { T[t] = B[t]; barrier shared; B[t] = T[max(0, min(n - t, 7))] }", 4, 1},
    {"alloc S: f32[8] in shared; for t in 0..8 bind thread.x { for k in 0..2 { S[t] = B[t]; barrier shared\n"
     "B[t] = S[max(0, min(n - t, 7))] } }", 4, 1}, /* the next k may be done by others */
    {"alloc S: f32[8] in shared; for t in 0..8 bind thread.x { for k in 0..2 { S[t] = B[t]; barrier shared\n"
     "B[t] = S[max(0, min(n - t, 7))]; barrier shared } }", 5, 0},
    {"alloc S: f32[8] in shared; for t in 0..8 bind thread.x { S[t] = B[t]; for k in 0..n { barrier shared }\n"
     "B[t] = S[max(0, min(n - t, 7))] }", 4, 1},
    {"alloc S: f32[8] in shared; for t in 0..8 bind thread.x { S[t] = B[t]; if n < 3 { barrier shared } else { barrier shared }\n"
     "let x = S[max(0, min(n - t, 7))]; barrier shared; B[t] = x }", 5, 0},
    {"alloc S: f32[2, 8] in shared; alloc T: f32[8]; for t in 0..8 bind thread.x { S[0, t] = B[t]; for k in 0..4 {\n"
     "S[(k + 1) % 2, t] = B[t + k * 8]; barrier shared; T[t] = S[k % 2, 7 - t]; barrier shared } }", 7, 0},
    {"alloc S: f32[2, 8] in shared; alloc T: f32[8]; for t in 0..8 bind thread.x { S[0, t] = B[t]; for k in 0..4 {\n"
     "S[(k + 1) % 2, 7 - t] = B[t + k * 8]; barrier shared; T[t] = S[k % 2, 7 - t]; barrier shared } }", 6, 1},
    {"for y in 0..2 bind thread.y { alloc T: f32[4]; for x in 0..4 bind thread.x { T[x] = B[x]; for k in 0..n { barrier global }\n"
     "B[y * 4 + x + 50] = T[max(0, min(n - x, 3))] } }", 4, 2},
    {"for y in 0..2 bind thread.y { alloc T: f32[4]; for x in 0..4 bind thread.x { T[x] = B[x]; barrier global\n"
     "B[y * 4 + x + 50] = T[max(0, min(n - x, 3))] } }", 6, 0},
    {"alloc T: f32[8]; for t in 0..8 bind thread.x { copy T[t] = B[t]; commit; wait 0 }", 3, 0},
    {"alloc T: f32[8]; for t in 0..8 bind thread.x { copy T[max(0, min(n - t, 7))] = B[t]; commit; wait 0 }", 2, 1},
    {"for t in 0..8 bind thread.x { alloc T: f32[8]; copy T[max(0, min(n - t, 7))] = B[t]; commit; wait 0 }", 3, 0},
    /* asserts and assumes, to the end of their braces */
    {"assert 0 <= n && n < 100, \"m\"; B[n] = 1.0:f32", 1, 0},
    {"assume n < 100; if 0 <= n { B[n] = 1.0:f32 }", 1, 0},
    {"{ assume 0 <= n && n < 100 }; B[n] = 1.0:f32", 0, 1},
    {"assume I[0] < 100:i32 && 0:i32 <= I[0]; I[1] = 5:i32; B[cast(index, I[0])] = 1.0:f32", 3, 1},
    {"while n < 100 { if 0 <= n { B[n] = 1.0:f32 } }", 1, 0},
    {"while I[0] < 8:i32 && 0:i32 <= I[0] { I[cast(index, I[0])] = 1:i32 }", 2, 1},
    /* symbolic extents */
    {"for i in 0..n { for j in 0..m { A[i, j] = 1.0:f32 } }", 1, 0},
    {"for i in 0..m { for j in 0..n { A[i, j] = 1.0:f32 } }", 0, 1},
    {"for i in 0..n { for j in 0..m { A[n - 1 - i, m - 1 - j] = 1.0:f32 } }", 1, 0},
    {"for i in 0..n { for j in 0..m { A[n - i, j] = 1.0:f32 } }", 0, 1},
    {"for i in 0..n * m { A[i // m, i % m] = 1.0:f32 }", 0, 1},
    {"if 0 < m { for i in 0..n { A[i, i % m] = 1.0:f32 } }", 1, 0},
    {"for i in 0..n { A[i, i % m] = 1.0:f32 }", 0, 1},
    {"for i in 0..n { for j in 0..i { for k in 0..m { A[j, k] = A[i - j, k] } } }", 2, 0},
    {"for i in 0..n { for j in 0..i + 1 { for k in 0..m { A[j, k] = A[i - j, k] } } }", 2, 0},
    {"for i in 0..n { for j in 0..i + 2 { for k in 0..m { A[j, k] = 1.0:f32 } } }", 0, 1},
    {"if n <= 100 { for i in 0..n { B[i] = 1.0:f32 } }", 1, 0},
    {"if n * m <= 100 { for i in 0..n { for j in 0..m { B[i * m + j] = 1.0:f32 } } }", 1, 0},
    {"if n == 100 { for i in 0..n { B[i] = 1.0:f32 } }", 1, 0},
    {"if n != 100 { } else { for i in 0..n { B[i] = 1.0:f32 } }", 1, 0},
    {"for i in 0..(n + 15) // 16 { for k in 0..16 { for j in 0..m { if i * 16 + k < n { A[i * 16 + k, j] = 1.0:f32 } "
     "} } }",
     1, 0},
    {"for i in 0..n // 16 { for k in 0..16 { for j in 0..m { A[i * 16 + k, j] = 1.0:f32 } } }", 1, 0},
    {"for i in 0..n // 16 { for k in 0..17 { for j in 0..m { A[i * 16 + k, j] = 1.0:f32 } } }", 0, 1},
    {"if 0 < n && 0 < m { A[min(n, m) - 1, 0] = 1.0:f32 }", 1, 0},
    {"if 0 < n && 0 < m { A[max(n, m) - 1, 0] = 1.0:f32 }", 0, 1},
    {"for i in 0..min(n, m) { A[i, i] = 1.0:f32 }", 1, 0},
    {"for i in 0..max(n, m) { A[min(i, n - 1), min(i, m - 1)] = 1.0:f32 }", 0, 1},
    {"for i in 0..n { for j in 0..m { A[i, select(j < 5, j, 0)] = 1.0:f32 } }", 1, 0},
    {"for i in 0..n { if 5 <= m { for j in 0..m + 9 { A[i, select(j < 5, j, 0)] = 1.0:f32 } } }", 1, 0},
    {"for i in 0..n { if 4 <= m { for j in 0..m + 9 { A[i, select(j < 5, j, 0)] = 1.0:f32 } } }", 0, 1},
    /* reflection: max(a, b) is at least their mean */
    {"for i in 0..7 { B[min(max(i - 2, 0 - (i - 2)), 4 - max(i - 2, 0 - (i - 2)))] = 1.0:f32 }", 1, 0},
    /* data */
    {"for i in 0..8 { B[cast(index, I[i])] = 1.0:f32 }", 1, 1},
    {"for i in 0..8 { B[cast(index, I[i]) if 0:i32 <= I[i] && I[i] < 100:i32] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 { B[cast(index, I[i]) if 0 <= cast(index, I[i]) && cast(index, I[i]) < 100] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 { B[cast(index, max(0:i32, min(I[i], 99:i32)))] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 { B[max(0, min(cast(index, I[i]), 99))] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 { B[cast(index, I[i] & 63:i32)] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 { B[cast(index, I[i]) % 100] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 { if 0:i32 <= I[i] && I[i] < 100:i32 { B[cast(index, I[i])] = 1.0:f32 } }", 3, 0},
    {"for i in 0..8 { if 0:i32 <= I[i] && I[i] < 100:i32 { I[i] = 500:i32\nB[cast(index, I[i])] = 1.0:f32 } }", 3, 1},
    {"for i in 0..8 { if 0:i32 <= I[i] && I[i] < 100:i32 { call g(&I)\nB[cast(index, I[i])] = 1.0:f32 } }", 2, 1},
    {"for i in 0..8 { for j in 0..cast(index, min(I[i], 100:i32)) { B[j] = 1.0:f32 } }", 2, 0},
    {"for i in 0..8 { for j in 0..cast(index, min(I[i], 100:i32)) { B[j] = 1.0:f32\nI[i] = 7:i32 } }", 2, 1},
    {"for i in 0..8 { B[cast(index, cast(u8, I[i])) // 4] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 { B[cast(index, cast(u8, I[i]))] = 1.0:f32 }", 1, 1},
    {"for i in 0..300 { B[cast(index, (cast(i8, i) + 100:i8) // 4:i8)] = 1.0:f32 }", 0, 1},
    {"for i in 0..300 { B[cast(index, cast(u8, i) // 4:u8)] = 1.0:f32 }", 1, 0},
    {"for i in 0..8 { B[cast(index, I[i] < 5:i32)] = 1.0:f32 }", 2, 0},
    /* blocks: bindings too */
    {"for i in 0..50 { block b(x: 0..100 = i * 2) { B[x] = 1.0:f32 } }", 2, 0},
    {"for i in 0..51 { block b(x: 0..100 = i * 2) { B[x] = 1.0:f32 } }", 1, 1},
    {"for i in 0..51 { block b(x: 0..100 = i * 2) where i < 50 { B[x] = 1.0:f32 } }", 2, 0},
    {"for i in 0..n { block b(x: 0..n = i, reduce y: 0..m = 0) where 0 < m { init { A[x, 0] = 0.0:f32 } A[x, y] = "
     "1.0:f32 } }",
     4, 0},
    /* lets */
    {"for i in 0..50 { let x = i * 2\nB[x + 1] = 1.0:f32 }", 1, 0},
    {"for i in 0..50 { let x = i * 2\nB[x + 2] = 1.0:f32 }", 0, 1},
    {"for i in 0..8 { let x = max(0:i32, min(I[i], 99:i32))\nB[cast(index, x)] = 1.0:f32 }", 2, 0},
    {"for i in 0..8 { let x = I[i] % 100:i32\nB[cast(index, x)] = 1.0:f32\nI[i] = 5:i32 }", 2, 1},
    {"for i in 0..8 { let x = cast(u8, I[i])\nB[cast(index, x) // 3] = 1.0:f32 }", 2, 0},
    /* allocs */
    {"for i in 0..n { alloc T: f32[i + 1]\nT[i] = 1.0:f32 }", 1, 0},
    {"alloc T: f32[n]\nfor i in 0..n - 1 { T[i + 1] = T[i] }", 2, 0},
    {"alloc T: f32[]\nT[] = 1.0:f32", 1, 0},
};

START_TEST(proofs_and_what_is_not_known)
{
  char text[1000];
  size_t proven, unknown;
  snprintf(text, sizeof text,
           "extern g(ptr): i32\nextern note(index): i32\n"
           "func f(A: f32[n, m], B: f32[100], I: i32[8], n: index, m: index) {\n%s\n}",
           proofs[_i].body);
  tn_program *program = parse(text);
  tn_status status = tn_func_check(tn_program_func_at(program, 0), &proven, &unknown, NULL);
  ck_assert_msg((int)proven == proofs[_i].proven && (int)unknown == proofs[_i].unknown, "%s\nproven %zu, unknown %zu",
                proofs[_i].body, proven, unknown);
  ck_assert_int_eq(status, unknown ? TN_E_VERIFY : TN_OK);
  tn_program_destroy(program);
}
END_TEST

/* ---- the loop level: a body inside a `loop func` with A: f32[n, m], B: f32[100], and C and D with strides ---------- */

static const struct {
  const char *body;
  int proven, unknown;
} flat_proofs[] = {
    {"for i in 0..n { for j in 0..m { A[i * m + j] = 1.0:f32 } }", 1, 0},
    {"for i in 0..n { for j in 0..m { A[i * n + j] = 1.0:f32 } }", 0, 1},
    {"for i in 0..6 { B[ramp(i * 16, 1, 16)] = broadcast(1.0:f32, 16) }", 1, 0},
    {"for i in 0..7 { B[ramp(i * 16, 1, 16)] = broadcast(1.0:f32, 16) }", 0, 1},
    {"for i in 0..7 { B[ramp(i * 16, 1, 16) if ramp(i * 16, 1, 16) < broadcast(100, 16)] = broadcast(1.0:f32, 16) }", 1,
     0},
    {"for i in 0..7 { B[ramp(i * 16, 1, 16) if ramp(i * 16, 1, 16) < broadcast(101, 16)] = broadcast(1.0:f32, 16) }", 0,
     1},
    {"B[ramp(0, 3, 16) // broadcast(2, 16) + broadcast(77, 16)] = broadcast(1.0:f32, 16)", 1, 0},
    {"B[ramp(0, 3, 16) // broadcast(2, 16) + broadcast(78, 16)] = broadcast(1.0:f32, 16)", 0, 1},
    {"B[ramp(0, 30, 16) % broadcast(100, 16)] = broadcast(1.0:f32, 16)", 1, 0},
    {"B[ramp(90, 1, 16) if broadcast(false, 16)] = broadcast(1.0:f32, 16)", 1, 0},
    /* the value is loaded in all lanes */
    {"B[ramp(90, 1, 16) if ramp(90, 1, 16) < broadcast(100, 16)] = B[ramp(90, 1, 16)]", 1, 1},
    {"let x = ramp(0, 1, 16)\nB[x + broadcast(84, 16)] = broadcast(1.0:f32, 16)", 1, 0},
    {"let x = ramp(0, 1, 16)\nB[x + broadcast(85, 16)] = broadcast(1.0:f32, 16)", 0, 1},
    {"B[0 if n < 105] = B[n if 0 <= n]", 1, 1},
    {"B[0 if n < 50 && 0 <= n] = B[n]", 2, 0},
    /* what is not row-major: all of its memory */
    {"for i in 0..2 { C[ramp(i * 8 + 13, 1, 8)] = broadcast(1.0:f32, 8) }", 1, 0},
    {"for i in 0..2 { C[ramp(i * 8 + 14, 1, 8)] = broadcast(1.0:f32, 8) }", 0, 1},
    {"for i in 0..n { D[i * 8] = 1.0:f32 }", 0, 1},
};

START_TEST(proofs_of_flat_and_vector_subscripts)
{
  char text[1000];
  size_t proven, unknown;
  snprintf(text, sizeof text,
           "loop func f(A: f32[n, m], B: f32[100], C: f32[4, 5] strides (8, 1), D: f32[n, 5] strides (8, 1), n: index, "
           "m: index) {\n%s\n}",
           flat_proofs[_i].body);
  tn_program *program = parse(text);
  tn_func_check(tn_program_func_at(program, 0), &proven, &unknown, NULL);
  ck_assert_msg((int)proven == flat_proofs[_i].proven && (int)unknown == flat_proofs[_i].unknown,
                "%s\nproven %zu, unknown %zu", flat_proofs[_i].body, proven, unknown);
  tn_program_destroy(program);
}
END_TEST

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void check_text(const char *text, tn_status want, const char *message) {
  tn_program *program = parse(text);
  tn_error *err;
  ck_assert_int_eq(tn_func_check(tn_program_func_at(program, 0), NULL, NULL, &err), want);
  ck_assert_str_eq(tn_error_text(err), message);
  tn_error_destroy(err);
  tn_program_destroy(program);
}

START_TEST(each_unknown_is_shown_with_its_place)
{
  check_text("func f(A: f32[8], n: index) {\n for i in 0..n {\n  A[i] = A[i + 1]\n  block b(x: 0..8 = i) {\n   A[x] = "
             "1.0:f32\n  }\n }\n}",
             TN_E_VERIFY,
             "verify: f:3: it is not known whether this subscript of `A` is inside 0..its extent: a condition around it, or an assume, can tell\n"
             "    A[i] = A[i + 1]\n"
             "             ^^^^^\n"
             "f:3: it is not known whether this subscript of `A` is inside 0..its extent: a condition around it, or an assume, can tell\n"
             "    A[i] = A[i + 1]\n"
             "      ^\n"
             "f:4: it is not known whether this binding of `x` is inside 0..its extent: a condition around it, or an assume, can tell\n"
             "    block b(x: 0..8 = i) {\n"
             "                      ^");
}
END_TEST

START_TEST(loops_that_may_race_are_shown_with_the_store)
{
  check_text("func f(A: f32[64], I: i32[8]) {\n for i in 0..8 parallel {\n  let k = max(0, min(cast(index, I[i]), 63))\n"
             "  A[k] = 1.0:f32\n }\n}",
             TN_E_VERIFY,
             "verify: f:2: it is not known whether the iterations of this loop may run at the same time: "
             "two iterations may touch the same element of the buffer written here\n"
             "  for i in 0..8 parallel {\n"
             "      ^\n"
             "f:4:\n"
             "    A[k] = 1.0:f32\n"
             "    ^^^^^^^^^^^^^^");
  check_text("func f(A: f32[8], n: index) {\n alloc S: f32[8] in shared\n for t in 0..8 bind thread.x {\n  S[t] = A[t]\n"
             "  for k in 0..n {\n   barrier shared\n  }\n  A[t] = S[7 - t]\n }\n}",
             TN_E_VERIFY,
             "verify: f:3: it is not known whether the iterations of this loop may run at the same time: "
             "there is not always a barrier between what threads do to the same buffer\n"
             "  for t in 0..8 bind thread.x {\n"
             "      ^");
}
END_TEST

START_TEST(more_than_twenty_are_counted)
{
  char text[2000], *at = text + sprintf(text, "func f(A: f32[8], n: index) {\n");
  for (int i = 0; i < 23; i++) at += sprintf(at, "A[n] = %d.0:f32\n", i);
  sprintf(at, "}");
  tn_program *program = parse(text);
  tn_error *err;
  size_t proven, unknown;
  ck_assert_int_eq(tn_func_check(tn_program_func_at(program, 0), &proven, &unknown, &err), TN_E_VERIFY);
  ck_assert_uint_eq(proven, 0);
  ck_assert_uint_eq(unknown, 23);
  const char *last = strstr(tn_error_text(err), "f:21: ");
  ck_assert_ptr_nonnull(last);
  ck_assert_str_eq(last, "f:21: it is not known whether this subscript of `A` is inside 0..its extent: a condition around it, or an assume, can tell\n"
                         "  A[n] = 19.0:f32\n    ^\n(and 3 more)");
  tn_error_destroy(err);
  tn_program_destroy(program);
}
END_TEST

/* Every allocation fails once: out of memory is said, or it did not matter. */
START_TEST(without_memory_nothing_leaks)
{
  const char *text = "func f(A: f32[n, m], I: i32[n], n: index, m: index) {\n"
                     "for i in 0..n { if 0 < m { A[i // 2, i % m] = A[cast(index, I[i]), select(0 < m, 0, n)] } }\n"
                     "for i in 0..n parallel { I[i] = 1:i32 } }";
  fault f = {.fail_at = 0};
  tn_context_desc desc = fault_desc(&f);
  teardown();
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  tn_program *program = parse(text);
  const tn_func *func = tn_program_func_at(program, 0);
  tn_error *err;
  long calls = f.calls;
  ck_assert_int_eq(tn_func_check(func, NULL, NULL, &err), TN_E_VERIFY);
  tn_error_destroy(err);
  calls = f.calls - calls;
  f.once = true;
  for (long i = 1; i <= calls; i++) {
    f.fail_at = f.calls + i;
    tn_status status = tn_func_check(func, NULL, NULL, &err);
    ck_assert(status == TN_E_NOMEM || status == TN_E_VERIFY);
    tn_error_destroy(err);
  }
  f.fail_at = 0;
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  ck_assert_int_eq(f.blocks, 0);
  setup();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("check");
  TCase *tests = tcase_create("check");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, proofs_and_what_is_not_known, 0, (int)(sizeof proofs / sizeof *proofs));
  tcase_add_loop_test(tests, proofs_of_flat_and_vector_subscripts, 0, (int)(sizeof flat_proofs / sizeof *flat_proofs));
  tcase_add_test(tests, each_unknown_is_shown_with_its_place);
  tcase_add_test(tests, loops_that_may_race_are_shown_with_the_store);
  tcase_add_test(tests, more_than_twenty_are_counted);
  tcase_add_test(tests, without_memory_nothing_leaks);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
