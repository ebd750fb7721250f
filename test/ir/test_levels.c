/* test_levels.c -- what belongs to which level: the verifier, the readers and the manual keep to one table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"
#include "suite.h"
#include "verify/verify.h"

enum { ROOM = 1 << 17 };

/* Of each thing the smallest example: as statements of a function, which may be told by the level, of a graph, of a plan. */
static const struct {
  const char *func, *loop, *graph, *plan;
} examples[TNI_THING_COUNT] = {
    [TNI_THING_gop] = {.func = "y: f32[4] = relu(A)", .graph = "y: f32[4] = relu(x)", .plan = "y: f32[4] = relu(b0)"},
    [TNI_THING_constant] = {.func = "const c: f32[1] = [0.0]", .graph = "const c: f32[1] = [0.0]\n y: f32[4] = relu(x)",
                            .plan = "b1 = const[0]: 16"},
    [TNI_THING_func_call] = {.func = "B = call k(A)", .graph = "y: f32[4] = call k(x)", .plan = "call k(b0)"},
    [TNI_THING_slice] = {.func = "copy(A, A)", .graph = "b0 = arena[0]: 16", .plan = "b1 = arena[0]: 16\ncopy(b1, b0)"},
    [TNI_THING_serial] = {.func = "for i in 0..4 { A[i] = 1.0:f32 }"},
    [TNI_THING_parallel] = {.func = "for i in 0..4 parallel { A[i] = 1.0:f32 }"},
    [TNI_THING_vectorized] = {.func = "for i in 0..4 vectorized { A[i] = 1.0:f32 }"},
    [TNI_THING_unrolled] = {.func = "for i in 0..4 unrolled { A[i] = 1.0:f32 }"},
    [TNI_THING_outlined] = {.func = "for i in 0..4 outlined { A[i] = 1.0:f32 }"},
    [TNI_THING_block_bound] = {.func = "for i in 0..4 bind block.x { A[i] = 1.0:f32 }"},
    [TNI_THING_thread_bound] = {.func = "for i in 0..4 bind thread.x { A[i] = 1.0:f32 }"},
    [TNI_THING_block] = {.func = "block b() { A[0] = 1.0:f32 }"},
    [TNI_THING_store] = {.func = "A[0] = 1.0:f32"},
    [TNI_THING_reduce] = {.func = "reduce A[0] add= 1.0:f32"},
    [TNI_THING_copy] = {.func = "copy A[0] = A[1]\ncommit\nwait 0"},
    [TNI_THING_wait] = {.func = "copy A[0] = A[1]\ncommit\nwait 0"},
    [TNI_THING_prefetch] = {.func = "prefetch A[9]"},
    [TNI_THING_barrier] = {.func = "for i in 0..4 bind thread.x { barrier shared }", .loop = "barrier shared"},
    [TNI_THING_branch] = {.func = "if n < 4 { A[0] = 1.0:f32 }\nwhile A[0] < 1.0:f32 { A[0] = 1.0:f32 }"},
    [TNI_THING_let] = {.func = "let k = n\nA[k] = 1.0:f32"},
    [TNI_THING_claim] = {.func = "assert 0 <= n, \"m\"\nassume n < 4\nA[n] = 1.0:f32"},
    [TNI_THING_call] = {.func = "call g(&A)"},
    [TNI_THING_alloc] = {.func = "alloc S: f32[4]\nalloc T: f32[4] in local\nalloc U: f32[4] in register"},
    [TNI_THING_shared] = {.func = "alloc S: f32[4] in shared"},
    [TNI_THING_formed] = {.func = "alloc S: f32[2, 2]"},
    [TNI_THING_element] = {.func = "A[0] = cast(f32, cast(bool, A[1]))", .graph = "y: f32[4] = relu(x)",
                           .plan = "f32"},
    [TNI_THING_index] = {.func = "A[n] = 1.0:f32", .graph = "y: index[4] = shape(x)"},
    [TNI_THING_vector] = {.func = "A[ramp(0, 1, 4)] = broadcast(1.0:f32, 4)"},
};

static tn_context *ctx;
static void setup(void) { ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK); }
static void teardown(void) { tn_context_destroy(ctx); }

/* ---- accepted where the table says so, and nowhere else ---- */

static void check_program(const char *text, bool legal) {
  tn_program *program;
  tn_error *error;
  tn_status status = tn_program_parse(ctx, text, strlen(text), "t", &program, &error);
  ck_assert_msg((status == TN_OK) == legal, "%s\n%s", text, tn_error_text(error));
  ck_assert_msg(legal || status == TN_E_VERIFY || status == TN_E_INVALID, "%s\n%s", text, tn_error_text(error));
  tn_error_destroy(error);
  tn_program_destroy(program);
}

static void check_plan(const char *inside, bool legal) {
  static const char *const kernels[] = {"k"};
  char text[512];
  tni_plan plan;
  tn_error *error;
  const char *name;
  tni_arena arena;
  tni_arena_init(&arena, ctx);
  snprintf(text, sizeof text, "plan main(1 inputs, 0 outputs, 1 constants, 64 bytes) {\nb0 = input[0]: 16\n%s\n}\n", inside);
  tn_status status = tni_plan_parse(&arena, text, strlen(text), "t", 1, kernels, &plan, &name, &error);
  ck_assert_msg((status == TN_OK) == legal, "%s\n%s", text, tn_error_text(error));
  tn_error_destroy(error);
  tni_arena_destroy(&arena);
}

START_TEST(each_thing_stands_on_its_levels)
{
  char text[512];
  const char *func = examples[_i].func, *loop = examples[_i].loop ? examples[_i].loop : func;
  uint8_t levels = tni_legal[_i].levels;
  ck_assert_msg(func != NULL, "no example of %s", tni_legal[_i].what);
  snprintf(text, sizeof text, "extern g(ptr): void\nfunc f(A: f32[4], n: index) {\n%s\n}\n", func);
  check_program(text, levels & TNI_ON_TENSOR);
  snprintf(text, sizeof text, "extern g(ptr): void\nloop func f(A: f32[4], n: index) {\n%s\n}\n", loop);
  check_program(text, levels & TNI_ON_LOOP);
  snprintf(text, sizeof text,
           "func k(A: f32[4], B: f32[4]) { }\ngraph g(x: f32[4]) -> (y) {\n%s\n}\n",
           examples[_i].graph ? examples[_i].graph : func);
  check_program(text, levels & TNI_ON_GRAPH);
  check_plan(examples[_i].plan ? examples[_i].plan : func, levels & TNI_ON_PLAN);
}
END_TEST

/* ---- the manual ---- */

START_TEST(the_manual_shows_the_table)
{
  char *page = calloc(1, ROOM), table[4000], *at = table, path[1024];
  const char *root = getenv("TN_SOURCE_ROOT");
  snprintf(path, sizeof path, "%s/ir/LANGUAGE.md", root ? root : ".");
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "cannot open %s", path);
  ck_assert_uint_lt(fread(page, 1, ROOM - 1, file), ROOM - 1);
  fclose(file);
  at += sprintf(at, "| | graph | tensor | loop | plan |\n|---|---|---|---|---|\n");
  for (int i = 0; i < TNI_THING_COUNT; i++) {
    at += sprintf(at, "| %s |", tni_legal[i].what);
    for (int level = 0; level < 4; level++) at += sprintf(at, tni_legal[i].levels >> level & 1 ? " x |" : " |");
    at += sprintf(at, "\n");
  }
  ck_assert_msg(strstr(page, table) != NULL, "LANGUAGE.md wants this table:\n%s", table);
  free(page);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("levels");
  TCase *tests = tcase_create("levels");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, each_thing_stands_on_its_levels, 0, TNI_THING_COUNT);
  tcase_add_test(tests, the_manual_shows_the_table);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
