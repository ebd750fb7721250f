/* test_tensorize.c -- products and convolutions of short integers get the instructions of each target by themselves:
 * those that the default schedule chooses, and every way that is found for a block. The code holds the instruction,
 * and gives the interpreter's bits, where the target is one that runs here (others: test/cross.sh).
 *
 *     test_tensorize               x86-64
 *     test_tensorize emulated      x86-64 with tile registers, which are emulated (amx.h)
 *     test_tensorize foreign       other architectures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "amx.h"
#include "sums.h"

static tn_context *ctx;
static tn_error *error;
enum { MOST_BYTES = 1 << 16 };
static uint8_t x[MOST_BYTES], w[MOST_BYTES], want[MOST_BYTES], got[MOST_BYTES];

static bool emulates; /* tiles */

static void open_context(void) {
  if (emulates) amx_emulate();
  ctx = session_open();
}
static void close_context(void) { tn_context_destroy(ctx); }

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void fill(void) {
  uint32_t seed = 7;
  for (int i = 0; i < MOST_BYTES; i++) {
    x[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    w[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  }
}

/* With the lines of a schedule that were applied, which lead to that instruction, or as the default is. */
static void check_code(const tn_program *program, const sums *s, const tn_target *target, const char *lines,
                       const char *word) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = target, .keep_schedules = lines != NULL};
  tn_module *module;
  char *text;
  size_t size;
  must(tn_program_emit(program, &desc, "asm", &text, &size, &error), error);
  bool found = word ? sums_holds(text, word) : sums_are_tensorized(ctx, target, s, text);
  ck_assert_msg(found, "no %s for %s %d of %s and %s on %s%s%s", word ? word : "instruction", s->form, (int)(s - sums_all), s->a, s->b,
                target->name, lines ? ":\n" : "", lines ? lines : "");
  tn_text_destroy(text);
  if (!target->runs_here) return;
  must(tn_compile(program, &desc, &module, &error), error);
  const tn_function *f = session_function(module, "f");
  int32_t (*code)(const tn_env *, void *, void *, void *) =
      (int32_t(*)(const tn_env *, void *, void *, void *))tn_function_pointer(f);
  memset(got, 0xff, sizeof got);
  ck_assert_int_eq(code(tn_function_env(f), x, w, got), 0);
  ck_assert_msg(memcmp(want, got, sizeof got) == 0, "another result for %s of %s and %s on %s%s%s", s->form, s->a, s->b,
                target->name, lines ? ":\n" : "", lines ? lines : "");
  tn_module_destroy(module);
}

static const tn_target *target_named(const char *name) {
  const tn_target *target;
  if (strcmp(name, "emulated") == 0) return amx_host(ctx);
  must(tn_target_get(ctx, name, &target, &error), error);
  return target;
}

static const char *const native[] = {"host", "x86-64-v4", "x86-64-v3", "x86-64-v2", NULL};
static const char *const emulated[] = {"emulated", NULL};
static const char *const foreign[] = {"aarch64-dotprod", "aarch64-i8mm", "aarch64-sme", "riscv64-rvv", NULL};
static const char *const *targets = native;

static void interpret(const tn_program *program) {
  memset(want, 0xff, sizeof want);
  must(tni_evaluate_interpreted(NULL, tn_program_func(program, "f"), (void *const[]){x, w, want}, &error), error);
}

START_TEST(the_default_schedule_chooses_instructions)
{
  fill();
  for (size_t i = 0; i < TNI_COUNT(sums_all); i++) {
    tn_program *program = sums_make(ctx, "f", &sums_all[i]);
    interpret(program);
    for (size_t t = 0; targets[t]; t++) check_code(program, &sums_all[i], target_named(targets[t]), NULL, NULL);
    tn_program_destroy(program);
  }
}
END_TEST

/* The ways that were found. */
typedef struct ways {
  size_t count;
  char *units[8], *lines[8];
  double last;
} ways;

static int keep_way(void *self, const tn_tensorization *one) {
  ways *found = self;
  ck_assert(found->count == 0 || one->gain <= found->last);
  ck_assert(one->gain > 0);
  bool tiles = strncmp(one->unit, "llvm.", 5) == 0;
  ck_assert_ptr_nonnull(strstr(one->lines, tiles ? "\"tile\"" : one->unit));
  found->last = one->gain;
  found->units[found->count] = strdup(one->unit);
  found->lines[found->count++] = strdup(one->lines);
  return 0;
}

static void forget_ways(ways *found) {
  for (size_t n = 0; n < found->count; n++) free(found->units[n]), free(found->lines[n]);
  found->count = 0;
}

/* Of a unit, or of tiles, which are called as LLVM calls them. */
static void run_way(const sums *s, const tn_target *target, const char *unit, const char *lines) {
  tn_program *program = sums_make(ctx, "f", s);
  tn_schedule *schedule;
  const tn_func *f;
  must(tn_schedule_create(program, tn_program_func(program, "f"), &schedule, &error), error);
  tn_status status = tn_schedule_run(schedule, lines, &error);
  ck_assert_msg(status == TN_OK, "%.300s\n%s", tn_error_text(error), lines);
  must(tn_schedule_commit(schedule, &f, &error), error);
  tn_schedule_destroy(schedule);
  const tni_unit *found = tni_unit_find(ctx, unit);
  check_code(program, s, target, lines, found ? sums_word_of_unit(target, found) : sums_word(unit));
  tn_program_destroy(program);
}

/* Tiles are one of the ways where the target has them, and the first one where they pay. */
static void check_tiles(const sums *s, const tn_target *target, const ways *found) {
  tn_type a = tni_type_parse(s->a, strlen(s->a)), b = tni_type_parse(s->b, strlen(s->b));
  bool expected = tni_target_has_tiles(target, TN_I32, a, b) && tni_target_has_tiles(target, TN_I32, b, a), is = false;
  for (size_t n = 0; n < found->count; n++) is |= strncmp(found->units[n], "llvm.", 5) == 0;
  ck_assert_msg(is || !expected || s->small, "no tiles for %s of %s and %s on %s", s->form, s->a, s->b, target->name);
  ck_assert_msg(!is || s->small || strncmp(found->units[0], "llvm.", 5) == 0, "%d on %s", (int)(s - sums_all), target->name);
}

static void check_ways(const sums *s, const tn_target *target) {
  ways found = {0};
  tn_block_ref block;
  tn_schedule *schedule;
  tn_program *program = sums_make(ctx, "f", s);
  interpret(program);
  must(tn_schedule_create(program, tn_program_func(program, "f"), &schedule, &error), error);
  must(tn_get_block(schedule, "C", &block, &error), error);
  tn_status status = tn_tensorize_candidates(schedule, block, target, keep_way, &found, &error);
  bool none = tni_target_product_unit(ctx, target, TN_I32, tni_type_parse(s->a, strlen(s->a)),
                                      tni_type_parse(s->b, strlen(s->b))) == NULL;
  ck_assert_msg(status == TN_OK || (none && status == TN_E_REFUSED), "%s on %s: %.2000s", s->form, target->name,
                tn_error_text(error));
  tn_error_destroy(error);
  error = NULL;
  tn_schedule_destroy(schedule);
  check_tiles(s, target, &found);
  for (size_t n = 0; n < found.count; n++) run_way(s, target, found.units[n], found.lines[n]);
  forget_ways(&found);
  tn_program_destroy(program);
}

START_TEST(every_way_that_is_found_has_the_instruction)
{
  fill();
  for (size_t i = 0; i < TNI_COUNT(sums_all); i++)
    for (size_t t = 0; targets[t]; t++) check_ways(&sums_all[i], target_named(targets[t]));
}
END_TEST

/* ---- one block ---------------------------------------------------------------------------------------------------- */

static tn_schedule *begin(tn_program *program) {
  tn_schedule *s;
  must(tn_schedule_create(program, tn_program_func(program, "f"), &s, &error), error);
  return s;
}

/* The lines are lines of the schedule, of which the trace is made. */
START_TEST(the_best_way_is_applied)
{
  static const char expected[] = "t.loop0, t.loop1, t.loop2 = get_loops(\"C\")\n"
                                 "t.steps_o, t.steps = split(t.loop2, [0, 2])\n"
                                 "t.lanes_o, t.lanes = split(t.loop1, [0, 8])\n"
                                 "reorder([t.loop0, t.lanes_o, t.steps_o, t.lanes, t.steps])\n"
                                 "t.init = decompose_reduction(\"C\", t.steps_o)\n"
                                 "vectorize(t.init[-1])\n"
                                 "t.block = blockize(t.steps)\n"
                                 "tensorize(t.block, \"dot2_u8s8\")\n"
                                 "vectorize(t.lanes)\n";
  ways found = {0};
  tn_block_ref block;
  tn_program *program = sums_make(ctx, "f", &sums_all[0]);
  tn_schedule *s = begin(program), *again = begin(program);
  must(tn_get_block(s, "C", &block, &error), error);
  must(tn_tensorize_candidates(s, block, target_named("x86-64-v3"), keep_way, &found, &error), error);
  ck_assert_str_eq(found.lines[0], expected);
  forget_ways(&found);
  must(tn_auto_tensorize(s, block, target_named("x86-64-v3"), &error), error);
  must(tn_schedule_run(again, tn_schedule_trace(s), &error), error);
  ck_assert_str_eq(tn_schedule_text(again), tn_schedule_text(s));
  ck_assert_ptr_nonnull(strstr(tn_schedule_trace(s), "tensorize("));
  tn_schedule_destroy(again);
  tn_schedule_destroy(s);
  tn_program_destroy(program);
}
END_TEST

static int take_one(void *self, const tn_tensorization *one) {
  (void)one;
  return ++*(int *)self;
}

START_TEST(a_host_can_stop)
{
  int count = 0;
  tn_block_ref block;
  tn_program *program = sums_make(ctx, "f", &sums_all[0]);
  tn_schedule *s = begin(program);
  must(tn_get_block(s, "C", &block, &error), error);
  must(tn_tensorize_candidates(s, block, target_named("x86-64-v4"), take_one, &count, &error), error);
  ck_assert_int_eq(count, 1);
  tn_schedule_destroy(s);
  tn_program_destroy(program);
}
END_TEST

/* Sums of products and others: what a host adds is found like what was there. */
START_TEST(instructions_of_the_host_are_found)
{
  tn_instruction_desc sad8 = {
      .struct_size = sizeof sad8,
      .name = "sad8",
      .meaning = "func sad8(C: i64[1], A: u8[8], B: u8[8]) {\n"
                 "  for t in 0..8 { C[0] = C[0] + cast(i64, max(A[t], B[t]) - min(A[t], B[t])) }\n}\n",
      .architecture = "x86_64",
      .code = TN_INSTRUCTION_TERM,
      .emission = {"llvm.x86.sse2.psad.bw", "llvm.x86.avx2.psad.bw", "llvm.x86.avx512.psad.bw.512"}};
  tn_program *program = session_parse(
      ctx, "func f(A: u8[6, 20], B: u8[20, 24], C: i64[6, 24]) {\n  for i in 0..6 { for j in 0..24 { for k in 0..20 {\n"
           "    block C(v: 0..6 = i, w: 0..24 = j, reduce q: 0..20 = k) {\n      init { C[v, w] = 0:i64 }\n"
           "      C[v, w] = cast(i64, max(B[q, w], A[v, q]) - min(A[v, q], B[q, w])) + C[v, w]\n    }\n  } } }\n}\n");
  const tn_func *func;
  tn_block_ref block;
  fill();
  interpret(program);
  must(tn_instruction_add(ctx, &sad8, &error), error);
  tn_schedule *s = begin(program);
  must(tn_get_block(s, "C", &block, &error), error);
  must(tn_auto_tensorize(s, block, target_named("x86-64-v2"), &error), error);
  must(tn_schedule_commit(s, &func, &error), error);
  check_code(program, &sums_all[0], target_named("x86-64-v2"), "sad8", "psadbw");
  tn_schedule_destroy(s);
  tn_program_destroy(program);
}
END_TEST

/* ---- none ---------------------------------------------------------------------------------------------------------- */

static void refuses(const char *text, const char *block_name, const char *target, const char *why) {
  tn_block_ref block;
  tn_program *program = session_parse(ctx, text);
  tn_schedule *s = begin(program);
  must(tn_get_block(s, block_name, &block, &error), error);
  char *before = strdup(tn_schedule_text(s));
  refused(tn_auto_tensorize(s, block, target_named(target), &error), error, TN_E_REFUSED, why);
  ck_assert_str_eq(tn_schedule_text(s), before);
  free(before);
  tn_schedule_destroy(s);
  tn_program_destroy(program);
}

START_TEST(why_there_is_none)
{
  tn_program *program = sums_make(ctx, "f", &sums_all[0]);
  tn_schedule *s = begin(program);
  refused(tn_auto_tensorize(s, 0, target_named("host"), &error), error, TN_E_REFUSED,
          "schedule: there is no such block");
  tn_schedule_destroy(s);
  tn_program_destroy(program);
  refuses("func f(C: i32[4]) {\n  for i in 0..4 {\n    block C(v: 0..4 = i) {\n      for k in 0..2 { C[v] = 0:i32 }\n"
          "    }\n  }\n}\n",
          "C", "host", "schedule: block `C` is not one store, as steps of sums are");
  refuses("func f(C: i32[4]) {\n  for i in 0..4 {\n    block C(v: 0..4 = i) { C[v] = 0:i32 }\n  }\n}\n", "C",
          "aarch64-neon", "schedule: aarch64-neon has no tensor instruction for block `C`");
  refuses("func f(C: i32[4]) {\n  for i in 0..4 {\n    block C(v: 0..4 = i) { C[v] = 0:i32 }\n  }\n}\n", "C",
          "x86-64-v2",
          "schedule: x86-64-v2 has no tensor instruction for block `C`:\n"
          "  dot2_u8s8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of u8, B of i8\n"
          "  dot2_s8s8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of i8, B of i8\n"
          "  dot2_u8u8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of u8, B of u8\n"
          "  dot2_s16: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of i16, B of i16");
  refuses("func f(A: i16[1, 8], B: i16[8, 8], C: i32[8]) {\n  for i in 0..8 {\n    block C(v: 0..8 = i) {\n"
          "      C[v] = C[v] + cast(i32, A[0, v]) * cast(i32, B[v, 0])\n    }\n  }\n}\n",
          "C", "x86-64-v2",
          "schedule: x86-64-v2 has no tensor instruction for block `C`:\n"
          "  dot2_u8s8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of u8, B of i8\n"
          "  dot2_s8s8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of i8, B of i8\n"
          "  dot2_u8u8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of u8, B of u8\n"
          "  dot2_s16: no loop of the sum fills its 2 steps to more than a half");
  refuses("func f(A: i16[8], B: i16[8], C: i32[1]) {\n  for i in 0..8 {\n    block C(reduce v: 0..8 = i) {\n"
          "      C[0] = C[0] + cast(i32, A[v]) * cast(i32, B[v])\n    }\n  }\n}\n",
          "C", "x86-64-v2",
          "schedule: x86-64-v2 has no tensor instruction for block `C`:\n"
          "  dot2_u8s8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of u8, B of i8\n"
          "  dot2_s8s8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of i8, B of i8\n"
          "  dot2_u8u8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of u8, B of u8\n"
          "  dot2_s16: no loop outside of the sum fills the lanes of a vector to more than a half");
  refuses("func f(A: i16[8], B: i16[8, 8], C: i32[8], D: i32[8]) {\n  for j in 0..8 {\n    D[j] = 1:i32\n    for i in "
          "0..8 {\n"
          "    block C(w: 0..8 = j, reduce v: 0..8 = i) {\n"
          "      C[w] = C[w] + cast(i32, A[v]) * cast(i32, B[w, v])\n    } }\n  }\n}\n",
          "C", "x86-64-v2",
          "schedule: x86-64-v2 has no tensor instruction for block `C`:\n"
          "  dot2_u8s8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of u8, B of i8\n"
          "  dot2_s8s8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of i8, B of i8\n"
          "  dot2_u8u8: a step is C[0] = C[0] + cast(i32, A[t]) * cast(i32, B[t]), where A is of u8, B of u8\n"
          "  dot2_s16: steps of v, lanes of w: the loops are not one chain, each the only statement of the one before\n"
          "  dot2_s16: steps of v, lanes of w: the loops are not one chain, each the only statement of the one before");
}
END_TEST

/* A small picture of few channels, whose windows would have to be packed. */
START_TEST(what_gains_nothing_is_not_applied)
{
  tn_block_ref block;
  tn_program *program = sums_make(ctx, "f", &sums_all[6]);
  tn_schedule *s = begin(program);
  must(tn_get_block(s, "C", &block, &error), error);
  refused(tn_auto_tensorize(s, block, target_named("x86-64-v4"), &error), error, TN_E_REFUSED,
          "schedule: by estimate the best way would be 0.77 times as fast as "
          "steps one by one:\n"
          "t.loop0, t.loop1, t.loop2, t.loop3, t.loop4, t.loop5 = get_loops(\"C\")\n"
          "t.steps_o, t.steps = split(t.loop3, [0, 2])\n"
          "t.lanes_o, t.lanes = split(t.loop2, [0, 16])\n"
          "reorder([t.loop0, t.loop1, t.lanes_o, t.steps_o, t.loop4, t.loop5, t.lanes, t.steps])\n"
          "t.init = decompose_reduction(\"C\", t.steps_o)\n"
          "vectorize(t.init[-1])\n"
          "t.block = blockize(t.steps)\n"
          "tensorize(t.block, \"dot2_s8s8\")\n"
          "vectorize(t.lanes)\n");
  ck_assert_ptr_null(strstr(tn_schedule_trace(s), "split"));
  tn_schedule_destroy(s);
  tn_program_destroy(program);
}
END_TEST

START_TEST(too_many_loops)
{
  char text[4096] = "func f(C: i32[1]) {\n";
  for (int i = 0; i < 25; i++) sprintf(text + strlen(text), "for i%d in 0..1 {\n", i);
  strcat(text, "block C() { C[0] = 0:i32 }\n");
  for (int i = 0; i < 25; i++) strcat(text, "}\n");
  refuses(strcat(text, "}\n"), "C", "host", "schedule: block `C` stands in more than 24 loops");
}
END_TEST

static tn_status find_some(tn_context *small, const void *what) {
  int count = 0;
  tn_program *program = NULL;
  const tn_target *target;
  tn_schedule *s = NULL;
  tn_block_ref block;
  tn_status status = tn_program_parse(small, what, strlen(what), "t", &program, NULL);
  if (!status) status = tn_target_get(small, "x86-64-v2", &target, NULL);
  if (!status) status = tn_schedule_create(program, tn_program_func_at(program, 0), &s, NULL);
  if (!status) status = tn_get_block(s, "C", &block, NULL);
  if (!status) status = tn_tensorize_candidates(s, block, target, take_one, &count, NULL);
  if (!status) status = tn_auto_tensorize(s, block, target, NULL);
  tn_schedule_destroy(s);
  tn_program_destroy(program);
  return status;
}

START_TEST(it_fails_without_memory)
{
  char text[2048];
  sums_write_product(&(sums){.a = "i16", .b = "i16", .m = 1, .n = 4, .k = 4}, "f", text, sizeof text);
  fault_walk(find_some, text, true);
}
END_TEST

int main(int argc, char **argv) {
  const TTest *const tests[] = {the_default_schedule_chooses_instructions,
                                every_way_that_is_found_has_the_instruction,
                                the_best_way_is_applied,
                                a_host_can_stop,
                                instructions_of_the_host_are_found,
                                why_there_is_none,
                                what_gains_nothing_is_not_applied,
                                too_many_loops,
                                it_fails_without_memory};
  emulates = argc > 1 && strcmp(argv[1], "emulated") == 0;
  if (argc > 1) targets = emulates ? emulated : foreign;
  return suite_run_tests("tensorize", tests, argc > 1 ? 2 : TNI_COUNT(tests), open_context, close_context);
}
