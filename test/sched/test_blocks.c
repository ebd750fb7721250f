/* test_blocks.c -- primitives of blocks from C: each does what its line does; externals; without memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../lib/fault.h"
#include "sched.h"

/* A product, what is done with it, a sum of that, what is done with the sum. */
static const char text[] =
    "func f(A: f32[8, 12], B: f32[12, 6], Y: f32[8, 6], Z: f32[8]) {\n"
    "  alloc C: f32[8, 6]\n"
    "  alloc S: f32[8]\n"
    "  for i in 0..8 { for j in 0..6 { for k in 0..12 {\n"
    "    block C(a: 0..8 = i, b: 0..6 = j, reduce c: 0..12 = k) {\n"
    "      init { C[a, b] = 0.0:f32 }\n"
    "      C[a, b] = fma(A[a, c], B[c, b], C[a, b])\n"
    "  } } } }\n"
    "  for i in 0..8 { for j in 0..6 { block Y(a: 0..8 = i, b: 0..6 = j) { Y[a, b] = C[a, b] + 1.0:f32 } } }\n"
    "  for i in 0..8 { block S(a: 0..8 = i) { S[a] = A[a, 0] * 2.0:f32 } }\n"
    "  for i in 0..8 { block Z(a: 0..8 = i) { Z[a] = S[a] - 1.0:f32 } }\n"
    "}\n";

static tn_context *ctx;
static tn_program *program;
static tn_schedule *s, *other;

static void open_text(const char *source) {
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_parse(ctx, source, strlen(source), "t.tn", &program, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(program, tn_program_func_at(program, 0), &s, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(program, tn_program_func_at(program, 0), &other, NULL), TN_OK);
}

static void setup(void) { open_text(text); }

static void teardown(void) {
  tn_schedule_destroy(s);
  tn_schedule_destroy(other);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static tn_block_ref block(const char *name) {
  tn_block_ref out;
  ck_assert_int_eq(tn_get_block(s, name, &out, NULL), TN_OK);
  return out;
}

static tn_loop loop(const char *name, size_t number) {
  tn_loop loops[8];
  size_t count = 8;
  ck_assert_int_eq(tn_get_loops(s, block(name), loops, &count, NULL), TN_OK);
  ck_assert_uint_lt(number, count);
  return loops[number];
}

/* The schedule is where the lines lead, and a handle names the block of that name. */
static void expect_lines(const char *lines, tn_block_ref handle, const char *name) {
  ck_assert_int_eq(tn_schedule_run(other, lines, NULL), TN_OK);
  ck_assert_str_eq(tn_schedule_text(s), tn_schedule_text(other));
  if (name) ck_assert_str_eq(tni_handle_block(s, handle)->as.block.name, name);
}

START_TEST(rfactor_gives_the_block_of_the_parts)
{
  tn_block_ref parts;
  ck_assert_int_eq(tn_rfactor(s, loop("C", 2), 1, &parts, NULL), TN_OK);
  expect_lines("rfactor(k, 1)", parts, "C_rf");
}
END_TEST

START_TEST(rfactor_reassociates_and_checks_its_axis)
{
  tn_error *error;
  ck_assert(tni_primitives[TNI_PRIMITIVE_rfactor].flags & TNI_REASSOCIATES);
  ck_assert_int_eq(tn_rfactor(s, loop("C", 2), 3, NULL, &error), TN_E_REFUSED);
  ck_assert_ptr_nonnull(strstr(tn_error_text(error), "rfactor: the axis is 3, but the new dimension can be 0 to 2\n"));
  tn_error_destroy(error);
}
END_TEST

START_TEST(consumers_move_to_producers)
{
  ck_assert_int_eq(tn_reverse_compute_at(s, block("Y"), loop("C", 1), NULL), TN_OK);
  ck_assert_int_eq(tn_reverse_compute_inline(s, block("Z"), NULL), TN_OK);
  expect_lines("l0, l1, l2 = get_loops(C)\nreverse_compute_at(Y, l1)\nreverse_compute_inline(Z)", 0, NULL);
}
END_TEST

START_TEST(an_epilogue_is_fused)
{
  ck_assert_int_eq(tn_fuse_reduction_epilogue(s, block("C"), block("Y"), NULL), TN_OK);
  expect_lines("fuse_reduction_epilogue(C, Y)", 0, NULL);
}
END_TEST

START_TEST(blockize_gives_the_block)
{
  tn_block_ref made;
  ck_assert_int_eq(tn_blockize(s, loop("C", 2), &made, NULL), TN_OK);
  expect_lines("blockize(k)", made, "C");
}
END_TEST

/* ---- externals ---- */

static void expect_refusal(tn_status status, tn_error **error, const char *reason) {
  ck_assert_int_eq(status, TN_E_REFUSED);
  const char *end = strchr(tn_error_text(*error), '\n');
  ck_assert_ptr_nonnull(end);
  ck_assert_int_eq(strncmp(tn_error_text(*error), reason, strlen(reason)), 0);
  ck_assert_uint_eq((size_t)(end - tn_error_text(*error)), strlen(reason));
  tn_error_destroy(*error);
}

START_TEST(externals_keep_blocks_in_their_places)
{
  tn_error *error;
  open_text("extern log(ptr): void\n"
            "func f(X: f32[4], Y: f32[4]) {\n"
            "  alloc T: f32[4]\n"
            "  for i in 0..4 { block T(a: 0..4 = i) { T[a] = X[a] } }\n"
            "  call log(&X)\n"
            "  for i in 0..4 { block Y(a: 0..4 = i) { Y[a] = T[a] } }\n"
            "}\n");
  expect_refusal(tn_reverse_compute_at(s, block("Y"), loop("T", 0), &error), &error,
                 "schedule: reverse_compute_at: the function calls an external");
  teardown();
}
END_TEST

/* ---- without memory ---- */

static const char lines[] = "ko, ki = split(k, [0, 4])\n"
                            "p = rfactor(ki, 0)\n"
                            "reverse_compute_inline(Z)\n"
                            "l = get_loops(C)\n"
                            "reverse_compute_at(Y, l)\n"
                            "l0, l1, l2, l3 = get_loops(C_rf)\n"
                            "b = blockize(l2)\n";

static tn_status work(tn_context *c, const char *script) {
  tn_program *p = NULL;
  tn_schedule *a = NULL;
  tn_status status = tn_program_parse(c, text, sizeof text - 1, "t.tn", &p, NULL);
  if (!status) status = tn_schedule_create(p, tn_program_func_at(p, 0), &a, NULL);
  if (!status) status = tn_schedule_run(a, script, NULL);
  if (!status) status = tn_schedule_commit(a, NULL, NULL);
  tn_schedule_destroy(a);
  tn_program_destroy(p);
  return status;
}

static const char *const scripts[] = {lines, "fuse_reduction_epilogue(C, Y)"};

START_TEST(without_memory_nothing_is_lost)
{
  for (long n = 1;; n++) {
    fault f = {.fail_at = n, .once = _i % 2};
    tn_context_desc desc = fault_desc(&f);
    tn_context *c;
    tn_status status = tn_context_create(&desc, &c, NULL);
    if (!status) status = work(c, scripts[_i / 2]);
    ck_assert_msg(status == TN_OK || status == TN_E_NOMEM, "allocation %ld: %s", n, tn_status_name(status));
    bool done = atomic_load(&f.calls) < n;
    if (done) ck_assert_int_eq(status, TN_OK);
    fault_finish(&f, c);
    if (done) return;
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("blocks");
  TCase *t = tcase_create("blocks"), *alone = tcase_create("alone");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, rfactor_gives_the_block_of_the_parts);
  tcase_add_test(t, rfactor_reassociates_and_checks_its_axis);
  tcase_add_test(t, consumers_move_to_producers);
  tcase_add_test(t, an_epilogue_is_fused);
  tcase_add_test(t, blockize_gives_the_block);
  tcase_set_timeout(alone, 100);
  tcase_add_test(alone, externals_keep_blocks_in_their_places);
  tcase_add_loop_test(alone, without_memory_nothing_is_lost, 0, 2 * TNI_COUNT(scripts));
  suite_add_tcase(suite, t);
  suite_add_tcase(suite, alone);
  return suite_run(suite);
}
