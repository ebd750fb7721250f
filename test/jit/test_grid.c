/* test_grid.c -- products of matrices written for the grid of a GPU: tiles in shared memory, a barrier around what the threads
 * of a block do with them; once more with two tiles of each, of which one is filled by asynchronous copies while the other
 * is used. They are proven free of races; interpreter and code of every level of x86-64 give what a plain loop gives; without a
 * barrier the race is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>

#include <math.h>

#include "session.h"

enum { M = 12, N = 8, K = 20 };

/* C = A B in tiles of 4 by 4, a thread for each element of a tile. %s: between filling and using, and behind. */
static const char tiled[] =
    "func f(A: f32[12, 20], B: f32[20, 8], C: f32[12, 8]) {\n"
    "  for by in 0..3 bind block.y {\n"
    "    for bx in 0..2 bind block.x {\n"
    "      alloc P: f32[4, 4] in shared\n"
    "      alloc Q: f32[4, 4] in shared\n"
    "      for ty in 0..4 bind thread.y {\n"
    "        for tx in 0..4 bind thread.x {\n"
    "          alloc sum: f32[1] in register\n"
    "          sum[0] = 0.0:f32\n"
    "          for k in 0..5 {\n"
    "            P[ty, tx] = A[by * 4 + ty, k * 4 + tx]\n"
    "            Q[ty, tx] = B[k * 4 + ty, bx * 4 + tx]\n"
    "            %s\n"
    "            for j in 0..4 unrolled {\n"
    "              sum[0] = fma(P[ty, j], Q[j, tx], sum[0])\n"
    "            }\n"
    "            %s\n"
    "          }\n"
    "          C[by * 4 + ty, bx * 4 + tx] = sum[0]\n"
    "        }\n"
    "      }\n"
    "    }\n"
    "  }\n"
    "}\n";

/* The same with tile k + 1 on its way while tile k is used. %s: what waits for tile k. */
static const char doubled[] =
    "func f(A: f32[12, 20], B: f32[20, 8], C: f32[12, 8]) {\n"
    "  for by in 0..3 bind block.y {\n"
    "    for bx in 0..2 bind block.x {\n"
    "      alloc P: f32[2, 4, 4] in shared\n"
    "      alloc Q: f32[2, 4, 4] in shared\n"
    "      for ty in 0..4 bind thread.y {\n"
    "        for tx in 0..4 bind thread.x {\n"
    "          alloc sum: f32[1] in register\n"
    "          sum[0] = 0.0:f32\n"
    "          copy P[0, ty, tx] = A[by * 4 + ty, tx]\n"
    "          copy Q[0, ty, tx] = B[ty, bx * 4 + tx]\n"
    "          commit\n"
    "          for k in 0..5 {\n"
    "            copy P[(k + 1) %% 2, ty, tx if k < 4] = A[by * 4 + ty, k * 4 + 4 + tx if k < 4]\n"
    "            copy Q[(k + 1) %% 2, ty, tx if k < 4] = B[k * 4 + 4 + ty, bx * 4 + tx if k < 4]\n"
    "            commit\n"
    "            wait %s\n"
    "            barrier shared\n"
    "            for j in 0..4 unrolled {\n"
    "              sum[0] = fma(P[k %% 2, ty, j], Q[k %% 2, j, tx], sum[0])\n"
    "            }\n"
    "            %s\n"
    "          }\n"
    "          C[by * 4 + ty, bx * 4 + tx] = sum[0]\n"
    "        }\n"
    "      }\n"
    "    }\n"
    "  }\n"
    "}\n";

typedef struct matrices {
  float a[M * K], b[K * N], c[M * N];
  int64_t shapes[3][2];
  DLTensor tensors[3];
  tn_value args[3];
} matrices;

static void fill(matrices *m) {
  float *const data[] = {m->a, m->b, m->c};
  memcpy(m->shapes, (int64_t[3][2]){{M, K}, {K, N}, {M, N}}, sizeof m->shapes);
  fill_random(TN_F32, m->a, M * K, 1);
  fill_random(TN_F32, m->b, K * N, 2);
  memset(m->c, 0xff, sizeof m->c);
  for (int i = 0; i < 3; i++) {
    m->tensors[i] = view(TN_F32, 2, m->shapes[i], data[i]);
    m->args[i] = tn_value_tensor(&m->tensors[i]);
  }
}

/* Bit for bit: both sum up in the same order. */
static void is_product(const matrices *m) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      float sum = 0;
      for (int k = 0; k < K; k++) sum = fmaf(m->a[i * K + k], m->b[k * N + j], sum);
      ck_assert_msg(sum == m->c[i * N + j], "C[%d, %d] is %a, not %a", i, j, (double)m->c[i * N + j], (double)sum);
    }
}

/* What parsing or else interpreting it tells; the program is a product when that is NULL, compiled too. */
static void run(const char *form, const char *first, const char *second, const char *want) {
  static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
  char text[4096];
  tn_program *program;
  tn_error *error = NULL;
  matrices m;
  tn_context *ctx = session_open();
  snprintf(text, sizeof text, form, first, second);
  fill(&m);
  tn_status status = tn_program_parse(ctx, text, strlen(text), "test", &program, &error);
  if (!want && !status) must(tn_func_check(tn_program_func_at(program, 0), NULL, NULL, &error), error); /* all is proven */
  if (!status) status = tn_func_interpret(tn_program_func_at(program, 0), m.args, 3, &error);
  ck_assert_str_eq(tn_error_text(error), want ? want : "");
  tn_error_destroy(error);
  if (!want) is_product(&m);
  for (int i = 0; i < 3 && !want && i + 2 <= tni_host_level(); i++) {
    tn_compile_desc desc = {.struct_size = sizeof desc};
    must(tn_target_get(ctx, levels[i], &desc.target, &error), error);
    tn_module *module = session_compile(program, &desc);
    fill(&m);
    must(tn_function_call(session_function(module, "f"), m.args, 3, NULL, &error), error);
    is_product(&m);
    tn_module_destroy(module);
  }
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

START_TEST(tiles_in_shared_memory) { run(tiled, "barrier shared", "barrier shared", NULL); }
END_TEST

START_TEST(a_missing_barrier_is_told)
{
  run(tiled, "barrier shared", "",
      "verify: f:15: iteration 1 of the concurrent loop `tx` reads P[0, 0], which iteration 0 writes here:\n"
      "              sum[0] = fma(P[ty, j], Q[j, tx], sum[0])\n"
      "              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\nf:11:\n"
      "            P[ty, tx] = A[by * 4 + ty, k * 4 + tx]\n"
      "            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
  run(tiled, "", "barrier shared",
      "verify: f:11: iteration 1 of the concurrent loop `tx` writes P[0, 1], which iteration 0 reads here:\n"
      "            P[ty, tx] = A[by * 4 + ty, k * 4 + tx]\n"
      "            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\nf:14:\n"
      "              sum[0] = fma(P[ty, j], Q[j, tx], sum[0])\n"
      "              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
}
END_TEST

START_TEST(the_next_tile_is_copied_while_this_one_is_used)
{
  run(doubled, "1", "barrier shared", NULL);
  run(doubled, "0", "barrier shared", NULL);
}
END_TEST

START_TEST(a_tile_that_nobody_waited_for_is_told)
{
  run(doubled, "2", "barrier shared",
      "interpret: f: by = 0, bx = 0, ty = 0, tx = 0, k = 0, j = 0: P[0, 0, 0] is read while a copy to it is pending");
  run(doubled, "1", "",
      "interpret: f: by = 0, bx = 0, ty = 0, tx = 0, k = 1: iteration 0 of the concurrent loop `tx` writes P[0, 0, 0], "
      "which others read");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("grid");
  TCase *tc = tcase_create("grid");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, tiles_in_shared_memory);
  tcase_add_test(tc, a_missing_barrier_is_told);
  tcase_add_test(tc, the_next_tile_is_copied_while_this_one_is_used);
  tcase_add_test(tc, a_tile_that_nobody_waited_for_is_told);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
