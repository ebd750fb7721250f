/* test_tensorize.c -- products and convolutions of short integers get the instructions of each target by themselves:
 * those that the default schedule chooses, and every way that is found for a block. The code holds the instruction,
 * and gives the interpreter's bits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "session.h"

static tn_context *ctx;
static tn_error *error;
enum { MOST_BYTES = 1 << 16 };
static uint8_t x[MOST_BYTES], w[MOST_BYTES], want[MOST_BYTES], got[MOST_BYTES];

static void open_context(void) { ctx = session_open(); }
static void close_context(void) { tn_context_destroy(ctx); }

/* ---- programs ---------------------------------------------------------------------------------------------------- */

typedef struct sums {
  const char *form; /* "matmul", "nhwc", "nchw" */
  const char *a, *b;
  int m, n, k;               /* of a product */
  int in, out, size, kernel; /* of a convolution: channels, rows and columns of the picture and of the kernel */
  int stride, pad;
} sums;

static void write_product(const sums *s, char *text, size_t size) {
  snprintf(text, size,
           "func f(A: %s[%d, %d], B: %s[%d, %d], C: i32[%d, %d]) {\n"
           "  for i in 0..%d { for j in 0..%d { for k in 0..%d {\n"
           "    block C(v: 0..%d = i, w: 0..%d = j, reduce q: 0..%d = k) {\n      init { C[v, w] = 0:i32 }\n"
           "      C[v, w] = C[v, w] + cast(i32, A[v, q]) * cast(i32, B[q, w])\n    }\n  } } }\n}\n",
           s->a, s->m, s->k, s->b, s->k, s->n, s->m, s->n, s->m, s->n, s->k, s->m, s->n, s->k);
}

static void write_convolution(const sums *s, char *text, size_t size) {
  bool last = strcmp(s->form, "nhwc") == 0; /* channels */
  int o = (s->size + 2 * s->pad - s->kernel) / s->stride + 1;
  char inside[256] = "";
  if (s->pad)
    snprintf(inside, sizeof inside,
             " if 0 <= h * %d + r - %d && h * %d + r - %d < %d && 0 <= w * %d + q - %d && w * %d + q - %d < %d",
             s->stride, s->pad, s->stride, s->pad, s->size, s->stride, s->pad, s->stride, s->pad, s->size);
  snprintf(text, size,
           last ? "func f(X: %s[%d, %d, %d], W: %s[%d, %d, %d, %d], C: i32[%d, %d, %d]) {\n"
                : "func f(X: %s[%d, %d, %d], W: %s[%d, %d, %d, %d], C: i32[%d, %d, %d]) {\n",
           s->a, last ? s->size : s->in, s->size, last ? s->in : s->size, s->b, last ? s->kernel : s->out,
           last ? s->kernel : s->in, last ? s->in : s->kernel, last ? s->out : s->kernel, last ? o : s->out, o,
           last ? s->out : o);
  size_t at = strlen(text);
  const char *loops = last ? "  for i0 in 0..%d { for i1 in 0..%d { for i2 in 0..%d {\n"
                             "  for i3 in 0..%d { for i4 in 0..%d { for i5 in 0..%d {\n"
                             "    block C(h: 0..%d = i0, w: 0..%d = i1, o: 0..%d = i2, reduce r: 0..%d = i3, "
                             "reduce q: 0..%d = i4, reduce c: 0..%d = i5) {\n      init { C[h, w, o] = 0:i32 }\n"
                             "      C[h, w, o] = C[h, w, o] + cast(i32, X[h * %d + r - %d, w * %d + q - %d, c%s]) * "
                             "cast(i32, W[r, q, c, o])\n    }\n  } } } } } }\n}\n"
                           : "  for i0 in 0..%d { for i1 in 0..%d { for i2 in 0..%d {\n"
                             "  for i3 in 0..%d { for i4 in 0..%d { for i5 in 0..%d {\n"
                             "    block C(o: 0..%d = i0, h: 0..%d = i1, w: 0..%d = i2, reduce c: 0..%d = i3, "
                             "reduce r: 0..%d = i4, reduce q: 0..%d = i5) {\n      init { C[o, h, w] = 0:i32 }\n"
                             "      C[o, h, w] = C[o, h, w] + cast(i32, X[c, h * %d + r - %d, w * %d + q - %d%s]) * "
                             "cast(i32, W[o, c, r, q])\n    }\n  } } } } } }\n}\n";
  int e[] = {last ? o : s->out, o, last ? s->out : o, last ? s->kernel : s->in, s->kernel, last ? s->in : s->kernel};
  snprintf(text + at, size - at, loops, e[0], e[1], e[2], e[3], e[4], e[5], e[0], e[1], e[2], e[3], e[4], e[5],
           s->stride, s->pad, s->stride, s->pad, inside);
}

static tn_program *make(const sums *s) {
  char text[4096];
  if (strcmp(s->form, "matmul") == 0)
    write_product(s, text, sizeof text);
  else
    write_convolution(s, text, sizeof text);
  return session_parse(ctx, text);
}

static const sums all[] = {
    {.form = "matmul", .a = "u8", .b = "i8", .m = 24, .n = 48, .k = 64},
    {.form = "matmul", .a = "i8", .b = "i8", .m = 7, .n = 40, .k = 30},
    {.form = "matmul", .a = "u8", .b = "u8", .m = 3, .n = 33, .k = 21},
    {.form = "matmul", .a = "i16", .b = "i16", .m = 5, .n = 32, .k = 19},
    {.form = "nhwc", .a = "u8", .b = "i8", .in = 16, .out = 32, .size = 8, .kernel = 3, .stride = 1},
    {.form = "nhwc", .a = "u8", .b = "i8", .in = 8, .out = 40, .size = 9, .kernel = 3, .stride = 2, .pad = 1},
    {.form = "nhwc", .a = "i8", .b = "i8", .in = 3, .out = 16, .size = 9, .kernel = 5, .stride = 2, .pad = 2},
    {.form = "nhwc", .a = "u8", .b = "i8", .in = 32, .out = 32, .size = 6, .kernel = 1, .stride = 1},
    {.form = "nchw", .a = "u8", .b = "i8", .in = 16, .out = 32, .size = 18, .kernel = 3, .stride = 1},
    {.form = "nchw", .a = "i8", .b = "i8", .in = 6, .out = 24, .size = 17, .kernel = 3, .stride = 2, .pad = 1},
};

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void fill(void) {
  uint32_t seed = 7;
  for (int i = 0; i < MOST_BYTES; i++) {
    x[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    w[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  }
}

/* What the target's code of the sums holds. */
static const char *mnemonic(const sums *s, const tn_target *target) {
  tn_type a = tni_type_parse(s->a, strlen(s->a)), b = tni_type_parse(s->b, strlen(s->b));
  const tni_unit *unit = tni_target_product_unit(ctx, target, TN_I32, a, b);
  return tni_target_has_tiles(target, TN_I32, a, b) ? "tdpb" : unit->steps == 4 ? "vpdpbusd" : "pmaddwd";
}

/* With the lines of a schedule that were applied, or as the default is. */
static void check_code(const tn_program *program, const sums *s, const tn_target *target, const char *lines,
                       const char *what) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = target, .keep_schedules = lines != NULL};
  tn_module *module;
  char *text;
  size_t size;
  must(tn_program_emit(program, &desc, "asm", &text, &size, &error), error);
  bool found = strstr(text, what) || (strcmp(what, "pmaddwd") == 0 && strstr(text, "vpdpwssd")) ||
               (strcmp(what, "tdpb") == 0 && strstr(text, "vpdpbusd"));
  ck_assert_msg(found, "no %s for %s of %s and %s on %s%s%s", what, s->form, s->a, s->b, target->name,
                lines ? ":\n" : "", lines ? lines : "");
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

static const char *const targets[] = {"host", "x86-64-v4", "x86-64-v3", "x86-64-v2"};

static void interpret(const tn_program *program) {
  memset(want, 0xff, sizeof want);
  must(tni_evaluate_interpreted(NULL, tn_program_func(program, "f"), (void *const[]){x, w, want}, &error), error);
}

START_TEST(the_default_schedule_chooses_instructions)
{
  fill();
  for (size_t i = 0; i < TNI_COUNT(all); i++) {
    tn_program *program = make(&all[i]);
    interpret(program);
    for (size_t t = 0; t < TNI_COUNT(targets); t++) {
      const tn_target *target;
      must(tn_target_get(ctx, targets[t], &target, &error), error);
      check_code(program, &all[i], target, NULL, mnemonic(&all[i], target));
    }
    tn_program_destroy(program);
  }
}
END_TEST

/* The ways that were found. */
typedef struct ways {
  size_t count;
  char *lines[8];
  double last;
} ways;

static int keep_way(void *self, const tn_tensorization *one) {
  ways *found = self;
  ck_assert(found->count == 0 || one->gain <= found->last);
  ck_assert(one->gain > 0);
  ck_assert_ptr_nonnull(strstr(one->lines, one->unit));
  found->last = one->gain;
  found->lines[found->count++] = strdup(one->lines);
  return 0;
}

static void run_way(const sums *s, const tn_target *target, const char *lines) {
  tn_program *program = make(s);
  tn_schedule *schedule;
  const tn_func *f;
  must(tn_schedule_create(program, tn_program_func(program, "f"), &schedule, &error), error);
  tn_status status = tn_schedule_run(schedule, lines, &error);
  ck_assert_msg(status == TN_OK, "%.300s\n%s", tn_error_text(error), lines);
  must(tn_schedule_commit(schedule, &f, &error), error);
  tn_schedule_destroy(schedule);
  const char *what = strstr(lines, "dot4") ? "vpdpbusd" : "pmaddwd";
  check_code(program, s, target, lines, what);
  tn_program_destroy(program);
}

START_TEST(every_way_that_is_found_has_the_instruction)
{
  fill();
  for (size_t i = 0; i < TNI_COUNT(all); i++) {
    tn_program *program = make(&all[i]);
    interpret(program);
    for (size_t t = 0; t < TNI_COUNT(targets); t++) {
      const tn_target *target;
      tn_schedule *schedule;
      tn_block_ref block;
      ways found = {0};
      must(tn_target_get(ctx, targets[t], &target, &error), error);
      must(tn_schedule_create(program, tn_program_func(program, "f"), &schedule, &error), error);
      must(tn_get_block(schedule, "C", &block, &error), error);
      tn_status status = tn_tensorize_candidates(schedule, block, target, keep_way, &found, &error);
      ck_assert_msg(status == TN_OK, "%zu on %s: %.2000s", i, targets[t], tn_error_text(error));
      tn_schedule_destroy(schedule);
      for (size_t n = 0; n < found.count; n++) {
        run_way(&all[i], target, found.lines[n]);
        free(found.lines[n]);
      }
    }
    tn_program_destroy(program);
  }
}
END_TEST

/* ---- one block ---------------------------------------------------------------------------------------------------- */

static tn_schedule *begin(tn_program *program) {
  tn_schedule *s;
  must(tn_schedule_create(program, tn_program_func(program, "f"), &s, &error), error);
  return s;
}

static const tn_target *target_named(const char *name) {
  const tn_target *target;
  must(tn_target_get(ctx, name, &target, &error), error);
  return target;
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
  tn_program *program = make(&all[0]);
  tn_schedule *s = begin(program), *again = begin(program);
  must(tn_get_block(s, "C", &block, &error), error);
  must(tn_tensorize_candidates(s, block, target_named("x86-64-v3"), keep_way, &found, &error), error);
  ck_assert_str_eq(found.lines[0], expected);
  for (size_t n = 0; n < found.count; n++) free(found.lines[n]);
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
  tn_program *program = make(&all[0]);
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
  check_code(program, &all[0], target_named("x86-64-v2"), "sad8", "psadbw");
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
  tn_program *program = make(&all[0]);
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
  tn_program *program = make(&all[6]);
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
  write_product(&(sums){.a = "i16", .b = "i16", .m = 1, .n = 4, .k = 4}, text, sizeof text);
  fault_walk(find_some, text, true);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {the_default_schedule_chooses_instructions,
                                every_way_that_is_found_has_the_instruction,
                                the_best_way_is_applied,
                                a_host_can_stop,
                                instructions_of_the_host_are_found,
                                why_there_is_none,
                                what_gains_nothing_is_not_applied,
                                too_many_loops,
                                it_fails_without_memory};
  return suite_run_tests("tensorize", tests, TNI_COUNT(tests), open_context, close_context);
}
