/* test_identity.c -- which functions are the same, and that their hashes are the same everywhere and for ever.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "../lib/fault.h"
#include "ir.h"

static tn_program *parse(tn_context *ctx, const char *text) {
  tn_program *program;
  tn_error *err;
  tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err);
  ck_assert_msg(program != NULL, "%s", tn_error_text(err));
  return program;
}

static bool hash_is(const tn_func *func, const char *want, char have[33]) {
  uint64_t hash[2];
  ck_assert_int_eq(tn_func_hash(func, hash, NULL), TN_OK);
  snprintf(have, 33, "%016" PRIx64 "%016" PRIx64, hash[1], hash[0]);
  return strcmp(have, want) == 0;
}

/* Are the first functions of both texts equal? Their hashes must agree with that. */
static bool are_equal(const char *a, const char *b) {
  tn_context *ctx;
  char x[33], y[33];
  uint8_t equal, back;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_program *left = parse(ctx, a), *right = parse(ctx, b);
  const tn_func *f = tn_program_func_at(left, 0), *g = tn_program_func_at(right, 0);
  ck_assert_int_eq(tn_func_equal(f, g, &equal, NULL), TN_OK);
  ck_assert_int_eq(tn_func_equal(g, f, &back, NULL), TN_OK);
  ck_assert_int_eq(equal, back);
  hash_is(f, "", x);
  hash_is(g, "", y);
  ck_assert_int_eq(equal, strcmp(x, y) == 0);
  tn_program_destroy(left);
  tn_program_destroy(right);
  tn_context_destroy(ctx);
  return equal;
}

#define FUNC(head, body) "func f(" head ") {\n" body "\n}\n"

START_TEST(names_of_variables_buffers_and_the_function_do_not_count)
{
  ck_assert(are_equal(FUNC("A: f32[n], n: index", "for i in 0..n {\n alloc T: f32[2]\n T[0] = A[i]\n A[i] = T[0]\n}"),
                      "func other(x: f32[m], m: index) {\nfor k in 0..m {\n alloc U: f32[2]\n U[0] = x[k]\n "
                      "x[k] = U[0]\n}\n}\n"));
  ck_assert(are_equal(FUNC("A: f32[8], B: f32[8]", "B[0] = A[1]"), FUNC("B: f32[8], A: f32[8]", "A[0] = B[1]")));
}
END_TEST

START_TEST(everything_else_counts)
{
  const char *base = FUNC("A: f32[8], B: f32[8]", "for i in 0..8 {\n B[i] = A[i] + 1.0:f32\n}");
  static const char *const others[] = {
      FUNC("A: f32[8], B: f32[8]", "for i in 0..8 {\n A[i] = B[i] + 1.0:f32\n}"),
      FUNC("A: f32[9], B: f32[8]", "for i in 0..8 {\n B[i] = A[i] + 1.0:f32\n}"),
      FUNC("A: f32[8], B: f32[8]", "for i in 0..7 {\n B[i] = A[i] + 1.0:f32\n}"),
      FUNC("A: f32[8], B: f32[8]", "for i in 0..8 parallel {\n B[i] = A[i] + 1.0:f32\n}"),
      FUNC("A: f32[8], B: f32[8]", "for i in 0..8 {\n B[i] = A[i] + 0x1.000002p+0:f32\n}"),
      FUNC("A: f32[8], B: f32[8]", "for i in 0..8 {\n B[i] = A[i] - 1.0:f32\n}"),
      FUNC("A: f32[8], B: f32[8]", "for i in 0..8 {\n B[i] = A[i if i < 4] + 1.0:f32\n}"),
      FUNC("A: f32[8], B: f32[8], C: f32[8]", "for i in 0..8 {\n B[i] = A[i] + 1.0:f32\n}"),
      FUNC("A: f32[8], B: f32[8]", ""),
      "scheduled func f(A: f32[8], B: f32[8]) {\nfor i in 0..8 {\n B[i] = A[i] + 1.0:f32\n}\n}",
      "loop func f(A: f32[8], B: f32[8]) {\nfor i in 0..8 {\n B[i] = A[i] + 1.0:f32\n}\n}",
  };
  ck_assert(are_equal(base, base));
  for (size_t i = 0; i < TNI_COUNT(others); i++) ck_assert_msg(!are_equal(base, others[i]), "%s", others[i]);
}
END_TEST

START_TEST(how_threads_and_copies_wait_counts)
{
#define THREADS(copy, wait, barrier, scope)                                                                            \
  FUNC("A: f32[8]", "alloc S: f32[8]" scope "\nfor t in 0..8 bind thread.x {\n" copy "S[t] = A[t]\ncommit\n" wait "\n" barrier \
                    "\ncopy A[t] = S[7 - t]\nwait 0\n}")
  const char *base = THREADS("copy ", "wait 0", "barrier global", " in shared");
  static const char *const others[] = {
      THREADS("", "wait 0", "barrier global", " in shared"),
      THREADS("copy ", "wait 1", "barrier global", " in shared"),
      THREADS("copy ", "commit", "barrier global", " in shared"),
      THREADS("copy ", "wait 0", "barrier shared", " in shared"),
      THREADS("copy ", "wait 0", "barrier global", ""),
  };
  ck_assert(are_equal(base, base));
  for (size_t i = 0; i < TNI_COUNT(others); i++) ck_assert_msg(!are_equal(base, others[i]), "%s", others[i]);
}
END_TEST

START_TEST(blocks_and_externals_are_known_by_their_names_and_types)
{
  const char *block = FUNC("A: f32[8]", "for i in 0..8 {\n block A(v: 0..8 = i) {\n A[v] = 0.0:f32\n }\n}");
  ck_assert(!are_equal(block, FUNC("A: f32[8]", "for i in 0..8 {\n block B(v: 0..8 = i) {\n A[v] = 0.0:f32\n }\n}")));
  ck_assert(!are_equal("extern e(index): i32\n" FUNC("n: index", "call e(n)"),
                       "extern e(index): void\n" FUNC("n: index", "call e(n)")));
  ck_assert(!are_equal("extern e(index): i32\n" FUNC("n: index", "call e(n)"),
                       "extern g(index): i32\n" FUNC("n: index", "call g(n)")));
  ck_assert(!are_equal("extern e(index): f32\n" FUNC("A: f32[1]", "A[0] = select(@e(0) < @e(1), 0.0:f32, 1.0:f32)"),
                       "extern e(index): f64\n" FUNC("A: f32[1]", "A[0] = select(@e(0) < @e(1), 0.0:f32, 1.0:f32)")));
}
END_TEST

START_TEST(shared_nodes_are_met_once)
{
  char text[4096];
  size_t n = (size_t)snprintf(text, sizeof text, "func f(A: f32[1]) {\n%%0 = A[0] * A[0]\n");
  for (int i = 1; i < 60; i++) n += (size_t)snprintf(text + n, sizeof text - n, "%%%d = %%%d * %%%d\n", i, i - 1, i - 1);
  snprintf(text + n, sizeof text - n, "A[0] = %%59\n}\n");
  ck_assert(are_equal(text, text));
}
END_TEST

/* These are written down: when one changes, so does the identity of everything that was recorded, and
 * TN_LANGUAGE_VERSION must change. */
START_TEST(hashes_are_what_they_were)
{
  static const struct {
    const char *text, *hash;
  } golden[] = {
      {"func f() {\n}\n", "a726c239067fc47bf2bf1f57ead06b2a"},
      {"func f(A: f32[4, n], B: f32[n], n: index) {\n"
       "  for i in 0..n {\n"
       "    block B(j: 0..n = i, reduce k: 0..4 = 0) where i < 3 {\n"
       "      init {\n        B[j] = 0.0:f32\n      }\n"
       "      B[j] = fma(A[k, j], -0.1:f32, B[j])\n    }\n  }\n}\n",
       "8c746bfd84bb8af825ee43391261ff2b"},
      {"extern e(ptr, i64): i32\n"
       "loop func f(A: f16[16], c: bool) {\n"
       "  alloc T: u8[64] in local\n"
       "  T[ramp(0, 1, 16)] = cast(u8x16, A[ramp(0, 1, 16)])\n"
       "  if c {\n    call e(&T, 0xff:i64)\n  }\n}\n",
       "da35ce2575b2ab9dc78c64931261366e"},
  };
  tn_context *ctx;
  char have[33];
  ck_assert_int_eq(TN_LANGUAGE_VERSION, 1);
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  for (size_t i = 0; i < TNI_COUNT(golden); i++) {
    tn_program *program = parse(ctx, golden[i].text);
    ck_assert_msg(hash_is(tn_program_func(program, "f"), golden[i].hash, have), "%s%s", golden[i].text, have);
    tn_program_destroy(program);
  }
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(bytes_have_the_hash_of_the_published_algorithm)
{
  static const char fox[] = "The quick brown fox jumps over the lazy dog";
  tni_hash h = tni_hash_bytes(NULL, 0);
  ck_assert_uint_eq(h.low | h.high, 0);
  h = tni_hash_bytes(fox, strlen(fox));
  ck_assert_uint_eq(h.low, UINT64_C(0xe34bbc7bbc071b6c));
  ck_assert_uint_eq(h.high, UINT64_C(0x7a433ca9c49a9347));
}
END_TEST

START_TEST(no_memory_is_reported)
{
  static const char text[] = FUNC("A: f32[8]", "for i in 0..8 {\n A[i] = A[i] * A[i]\n}");
  fault f = {.fail_at = 0};
  tn_context *ctx = fault_context(&f);
  tn_program *program = parse(ctx, text);
  const tn_func *func = tn_program_func_at(program, 0);
  uint64_t hash[2];
  uint8_t equal;
  tn_status status = TN_E_NOMEM;
  for (long step = 1; status; step++) {
    tn_error *err;
    f.fail_at = atomic_load(&f.calls) + step;
    status = tn_func_equal(func, func, &equal, &err);
    ck_assert_int_eq(equal, status == TN_OK);
    ck_assert(status == TN_OK || status == TN_E_NOMEM);
    ck_assert_int_eq(err != NULL, status != TN_OK);
    tn_error_destroy(err);
    f.fail_at = atomic_load(&f.calls) + step;
    ck_assert_int_eq(tn_func_hash(func, hash, NULL) == TN_OK, (hash[0] | hash[1]) != 0);
  }
  f.fail_at = 0;
  tn_program_destroy(program);
  fault_finish(&f, ctx);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {
      names_of_variables_buffers_and_the_function_do_not_count,
      everything_else_counts,
      how_threads_and_copies_wait_counts,
      blocks_and_externals_are_known_by_their_names_and_types,
      shared_nodes_are_met_once,
      hashes_are_what_they_were,
      bytes_have_the_hash_of_the_published_algorithm,
      no_memory_is_reported,
  };
  return suite_run_tests("identity", tests, TNI_COUNT(tests), NULL, NULL);
}
