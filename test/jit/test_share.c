/* test_share.c -- kernels that are equal but for numbers: which of them are one function, and that each does what it did. Every
 * program runs as the interpreter has it and as code.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"

enum { ELEMENTS = 16384, BUFFERS = 3 };

static int count_of(const char *text, const char *what) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, what)); at++) count++;
  return count;
}

/* How many functions the program's kernels share, as code for these targets. */
static int shared_in(const tn_program *program, size_t count, const char *const *names) {
  const tn_target *targets[4];
  tn_error *error = NULL;
  char *ll;
  size_t size;
  for (size_t i = 0; i < count; i++) kit_ok(tn_target_get(program->ctx, names[i], &targets[i], &error), error);
  tn_compile_desc desc = {.struct_size = sizeof desc,
                          .target = targets[0],
                          .better = targets + 1,
                          .better_count = count - 1};
  kit_ok(tn_program_emit(program, &desc, "ll", &ll, &size, &error), error);
  int found = 0;
  for (const char *at = ll; (at = strstr(at, "define internal")); at++) {
    const char *end = strchr(at, '('), *name = strstr(at, ".shared.");
    found += name && name < end;
  }
  tn_text_destroy(ll);
  return found;
}

static void fill(int32_t (*data)[ELEMENTS]) {
  for (int b = 0; b < BUFFERS; b++)
    for (int i = 0; i < ELEMENTS; i++) data[b][i] = (i * 7 + b * 131) % 1009;
}

static void take(int32_t (*data)[ELEMENTS], int64_t *shape, DLTensor *tensors, tn_value *args) {
  for (int b = 0; b < BUFFERS; b++) {
    tensors[b] = (DLTensor){
        .data = data[b], .device = {kDLCPU, 0}, .ndim = 1, .dtype = tn_type_to_dlpack(TN_I32), .shape = shape};
    args[b] = tn_value_tensor(&tensors[b]);
  }
  args[BUFFERS] = tn_value_int(5);
}

/* The function as it is and as code of the module; with a scalar behind its buffers if it has one. */
static void check_function(const tn_module *module, const tn_func *func) {
  static int32_t want[BUFFERS][ELEMENTS], got[BUFFERS][ELEMENTS];
  DLTensor tensors[BUFFERS];
  tn_value args[BUFFERS + 1];
  int64_t shape = ELEMENTS;
  const tn_function *function;
  tn_error *error = NULL;
  fill(want);
  fill(got);
  take(want, &shape, tensors, args);
  kit_ok(tni_interpret(func, args, func->param_count, &error), error);
  take(got, &shape, tensors, args);
  kit_ok(tn_module_function(module, func->name, &function, &error), error);
  kit_ok(tn_function_call(function, args, func->param_count, NULL, &error), error);
  ck_assert_msg(memcmp(want, got, sizeof want) == 0, "%s: another result", func->name);
  if (!function->kernel.code) return;
  fill(got);
  void *buffers[] = {got[0], got[1], got[2]};
  ck_assert_int_eq(function->kernel.call(function->kernel.code, &module->env, buffers), TN_OK);
  ck_assert_msg(memcmp(want, got, sizeof want) == 0, "%s, as plans call it: another result", func->name);
}

/* The text's kernels share so many functions, whatever makes them, and do what they did. */
static void shares(int functions, const char *text) {
  static const char *const host[] = {"host"}, *const others[] = {"aarch64-neon"},
                                *const variants[] = {"x86-64-v2", "x86-64-v3"};
  tn_context *ctx;
  tn_program *program;
  tn_module *module;
  tn_error *error = NULL;
  kit_ok(tn_context_create(NULL, &ctx, &error), error);
  kit_ok(tn_program_parse(ctx, text, strlen(text), "test", &program, &error), error);
  int found = shared_in(program, 1, host);
  ck_assert_msg(found == functions, "%d functions, not %d, of\n%s", found, functions, text);
  ck_assert_int_eq(shared_in(program, 1, others), functions);
  ck_assert_int_eq(shared_in(program, 2, variants), 0);
  kit_ok(tn_compile(program, NULL, &module, &error), error);
  for (size_t i = 0; i < program->func_count; i++) check_function(module, program->funcs[i]);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

#define FUNC(name, body) "loop func " name "(A: i32[16384], B: i32[16384], C: i32[16384]) {\n" body "}\n"
#define ROWS(name, rows, length, stride)                                                                               \
  FUNC(name, "  for i in 0.." #rows " {\n    for k in 0.." #length " {\n      C[i * " #stride                           \
             " + k + 3] = A[i * " #stride " + k] * B[k]\n    }\n  }\n")

/* ---- which are one ------------------------------------------------------------------------------------------------- */

START_TEST(extents_and_strides_may_differ)
{
  shares(1, ROWS("f", 4, 16, 64) ROWS("g", 6, 9, 20) ROWS("h", 0, 9, 20) ROWS("l", 6, 0, 7) ROWS("m", 4, 16, 64));
}
END_TEST

START_TEST(equal_functions_are_one_without_numbers)
{ shares(1, ROWS("f", 4, 16, 64) ROWS("g", 4, 16, 64)); }
END_TEST

START_TEST(other_operators_and_values_are_others)
{
  shares(0, FUNC("f", "  for i in 0..4 {\n    C[i] = A[i] * 3:i32\n  }\n")
         FUNC("g", "  for i in 0..4 {\n    C[i] = A[i] * 4:i32\n  }\n")
         FUNC("h", "  for i in 0..4 {\n    C[i] = A[i] + 3:i32\n  }\n")
         FUNC("l", "  for i in 0..4 {\n    C[i] = B[i] * 3:i32\n  }\n"));
}
END_TEST

START_TEST(parallel_loops_scratch_memory_and_limits)
{
#define SUMS(name, n, m)                                                                                               \
  FUNC(name, "  alloc T: i32[64]\n  for i in 0..64 {\n    T[i] = A[i * " #m "]\n  }\n"                                  \
             "  for i in 0.." #n " parallel {\n    if i < " #m " {\n      C[i * " #m "] = T[i] + B[min(i * 3, " #n ")]\n" \
             "    }\n  }\n")
  shares(1, SUMS("f", 40, 20) SUMS("g", 60, 50) SUMS("h", 50, 60));
}
END_TEST

START_TEST(sizes_of_scratch_memory_may_differ)
{
#define COPIES(name, n, scope)                                                                                         \
  FUNC(name, "  alloc T: i32[" #n "]" scope "\n  for i in 0.." #n " {\n    T[i] = A[i]\n  }\n"                        \
             "  for i in 0.." #n " parallel {\n    C[i] = T[i] + B[i]\n  }\n")
  shares(1, COPIES("f", 40, "") COPIES("g", 9000, "") COPIES("h", 0, ""));
  shares(0, COPIES("f", 40, " in local") COPIES("g", 90, " in local"));
}
END_TEST

/* But for 0, and where other operators take them. */
START_TEST(factors_and_summands_of_floats_may_differ)
{
#define LINE(name, x)                                                                                                  \
  FUNC(name, "  for i in 0..64 {\n    C[i] = cast(i32, " x ")\n  }\n")
#define FLOATS(name, a, b, c) LINE(name, "(fma(cast(f32, A[i]), " #a ":f32, cast(f32, B[i])) - " #b ":f32) / " #c ":f32")
  shares(1, FLOATS("f", 0.3, 1.0, 3.0) FLOATS("g", -7.25, 1e-30, 0.1) FLOATS("h", 2.0, -1.0, 1e30));
  shares(0, FLOATS("f", 0.3, 0.0, 3.0) FLOATS("g", 7.25, 1.0, 0.1));
#define VECTORS(name, a)                                                                                               \
  FUNC(name, "  for i in 0..4 {\n    C[ramp(i * 8, 1, 8)] = cast(i32x8, broadcast(" #a                                 \
             ":f32, 8) * cast(f32x8, A[ramp(i * 8, 1, 8)]))\n  }\n")
  shares(1, VECTORS("f", 0.3) VECTORS("g", 5.0));
  shares(0, LINE("f", "max(cast(f32, A[i]), 1.5:f32)") LINE("g", "max(cast(f32, A[i]), 70.5:f32)"));
}
END_TEST

START_TEST(scalars_are_passed_on)
{
#define SCALED(name, n)                                                                                                \
  "loop func " name "(A: i32[16384], B: i32[16384], C: i32[16384], s: i32) {\n  for i in 0.." #n                        \
  " {\n    C[i + " #n "] = A[i] * s\n  }\n}\n"
  shares(1, SCALED("f", 30) SCALED("g", 77));
}
END_TEST

START_TEST(vectors_share_and_their_lanes_stay)
{
#define LANES(name, n, m, s)                                                                                           \
  FUNC(name, "  for i in 0.." #n " {\n    C[ramp(i * " #m " + " #m ", 1, 8)] = A[ramp(i * " #m ", " #s ", 8)]\n  }\n")
  shares(1, LANES("f", 5, 8, 2) LANES("g", 7, 24, 2) LANES("h", 7, 24, 3));
}
END_TEST

/* Rows of a tile, far apart by a number: four vectors of each of seven rows. */
#define ROW(r, k) "      C[ramp(" #r " * 16, 1, 16)] = C[ramp(" #r " * 16, 1, 16)] + broadcast(A[k + i * " #k " * 7 + " #k " * " #r "], 16)\n"
#define TILE(name, k)                                                                                                  \
  FUNC(name, "  for i in 0..3 {\n    for k in 0.." #k " {\n" ROW(0, k) ROW(1, k) ROW(2, k) ROW(3, k) ROW(4, k)          \
             ROW(5, k) ROW(6, k) "    }\n  }\n")
START_TEST(rows_of_a_tile_share)
{ shares(1, TILE("f", 64) TILE("g", 96) TILE("h", 320)); }
END_TEST

/* As behind a border: by multiples of k before row 0, so that what they are from each other is what counts. */
START_TEST(what_is_subtracted_may_differ)
{
#define BORDER(r, k) "        C[ramp(" #r " * 16, 1, 16)] = C[ramp(" #r " * 16, 1, 16)] + broadcast(A[x + max(y * " #k ", " #k " * 19) - " #k " * (19 - " #r ")], 16)\n"
#define WINDOW(name, k)                                                                                                \
  FUNC(name, "  for y in 0..21 {\n    for i in 0..1 {\n      for x in 0.." #k " {\n" BORDER(0, k) BORDER(1, k)          \
             BORDER(2, k) BORDER(3, k) BORDER(4, k) BORDER(5, k) BORDER(6, k) "      }\n    }\n  }\n")
  shares(1, WINDOW("f", 64) WINDOW("g", 96) WINDOW("h", 320));
#define BEHIND(name, n) FUNC(name, "  for i in 0..4 {\n    C[i] = A[i * 3 + 100 - i * i - " #n "] + B[max(i - " #n ", 0)]\n  }\n")
  shares(1, BEHIND("f", 2) BEHIND("g", 30));
}
END_TEST

/* ---- which are not ------------------------------------------------------------------------------------------------- */

START_TEST(divisors_stay_where_they_would_count)
{
#define WRAPPED(name, n)                                                                                               \
  FUNC(name, "  for i in 0..40 {\n    C[i] = A[(i * 2) % " #n " * 3 + (i + 1) // " #n "]\n  }\n")
  shares(0, WRAPPED("f", 6) WRAPPED("g", 7));
#define BUSY(name, n)                                                                                                  \
  FUNC(name, "  for i in 0..5 {\n    for k in 0..1500 {\n      C[(i * 3) % " #n " + (i + 1) // " #n " * 8 + k] = A[k]\n"  \
             "    }\n  }\n")
  shares(1, BUSY("f", 2) BUSY("g", 3));
}
END_TEST

/* Quotients of the loop's variable, and of these; from where a thread begins, too. */
START_TEST(quotients_are_counted)
{
#define COUNTED(name, kind, n, a, b)                                                                                   \
  FUNC(name, "  for i in 0.." #n " " kind " {\n    for k in 0..3 {\n"                                                   \
             "      C[i * 3 + k] = A[i % " #a " * 5 + k] + B[i // " #a " % " #b " * 7 + i // " #a " // " #b " + k % 2]\n"  \
             "    }\n  }\n")
  shares(1, COUNTED("f", "", 60, 4, 5) COUNTED("g", "", 97, 7, 3) COUNTED("h", "", 50, 9, 10) COUNTED("l", "", 9, 100, 2));
  shares(1, COUNTED("f", "parallel", 60, 4, 5) COUNTED("g", "parallel", 97, 7, 3) COUNTED("h", "parallel", 50, 9, 10));
}
END_TEST

/* As they are of what is a row less: (4 * 10 - 1 - i) // 4 is 9 - i // 4; (40 - i) // 4 is no such quotient. */
START_TEST(quotients_of_what_is_less_are_counted)
{
#define LESS(name, n, last, a) FUNC(name, "  for i in 0.." #n " {\n    C[i] = A[(" #last " - i) // " #a " * 5]\n  }\n")
  shares(1, LESS("f", 40, 39, 4) LESS("g", 66, 69, 7) LESS("h", 9, 8, 3));
  shares(0, LESS("f", 40, 40, 4) LESS("g", 66, 66, 7));
}
END_TEST

START_TEST(subscripts_of_local_buffers_stay)
{
#define LOCAL(name, n)                                                                                                 \
  FUNC(name, "  for i in 0..4 {\n    alloc T: i32[16] in local\n    T[" #n "] = A[i]\n    C[i] = T[" #n "]\n  }\n")
  shares(0, LOCAL("f", 2) LOCAL("g", 3));
}
END_TEST

START_TEST(factors_below_0_stay)
{
#define BACK(name, n) FUNC(name, "  for i in 0..4 {\n    C[i] = A[i * -" #n " + 100]\n  }\n")
  shares(0, BACK("f", 2) BACK("g", 3));
}
END_TEST

START_TEST(assertions_keep_the_name_of_their_function)
{
#define CLAIM(name, n) FUNC(name, "  assert A[0] < 2000:i32, \"small\"\n  for i in 0.." #n " {\n    C[i] = A[i]\n  }\n")
  shares(0, CLAIM("f", 4) CLAIM("g", 5));
}
END_TEST

/* Each loop's step goes by nine numbers, of which none is a multiple of another one. */
START_TEST(more_strides_than_registers_are_not_shared)
{
#define MANY(name, a, b, c, d, e, f, g, h, l)                                                                          \
  FUNC(name, "  for k in 0..20 {\n    C[k] = A[k * " #a "] + A[k * " #b " + 1] + A[k * " #c " + 2] + A[k * " #d           \
             " + 3] + A[k * " #e " + 4] + A[k * " #f " + 5] + A[k * " #g " + 6] + A[k * " #h " + 7] + A[k * " #l         \
             " + 8]\n  }\n")
  shares(0, MANY("f", 5, 6, 7, 8, 9, 10, 11, 12, 13) MANY("g", 15, 19, 29, 32, 44, 68, 71, 90, 113)
         MANY("h", 31, 23, 82, 47, 49, 81, 76, 99, 153));
  shares(1, MANY("f", 5, 6, 7, 8, 9, 10, 11, 12, 13) MANY("g", 15, 6, 7, 8, 9, 10, 11, 12, 14));
}
END_TEST

/* ---- however it is made -------------------------------------------------------------------------------------------- */

/* The same objects, of however many workers. */
START_TEST(workers_make_no_difference)
{
  static const char text[] = ROWS("f", 4, 16, 64) ROWS("g", 6, 9, 20) TILE("t", 64) TILE("u", 96) ROWS("h", 7, 3, 5);
  char *asms[2];
  for (int i = 0; i < 2; i++) {
    tn_context_desc desc = {.struct_size = sizeof desc, .threads.compile_workers = i ? 4 : 1};
    tn_context *ctx;
    tn_program *program;
    tn_error *error = NULL;
    size_t size;
    kit_ok(tn_context_create(&desc, &ctx, &error), error);
    kit_ok(tn_program_parse(ctx, text, strlen(text), "test", &program, &error), error);
    char *made;
    kit_ok(tn_program_emit(program, NULL, "asm", &made, &size, &error), error);
    asms[i] = strdup(made);
    tn_text_destroy(made);
    tn_program_destroy(program);
    tn_context_destroy(ctx);
  }
  ck_assert_str_eq(asms[0], asms[1]);
  ck_assert_int_eq(count_of(asms[0], "@function"), 5 + 2);
  free(asms[0]);
  free(asms[1]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("share");
  TCase *tc = tcase_create("share");
  tcase_set_timeout(tc, 120);
  tcase_add_test(tc, extents_and_strides_may_differ);
  tcase_add_test(tc, equal_functions_are_one_without_numbers);
  tcase_add_test(tc, other_operators_and_values_are_others);
  tcase_add_test(tc, parallel_loops_scratch_memory_and_limits);
  tcase_add_test(tc, sizes_of_scratch_memory_may_differ);
  tcase_add_test(tc, factors_and_summands_of_floats_may_differ);
  tcase_add_test(tc, scalars_are_passed_on);
  tcase_add_test(tc, vectors_share_and_their_lanes_stay);
  tcase_add_test(tc, rows_of_a_tile_share);
  tcase_add_test(tc, what_is_subtracted_may_differ);
  tcase_add_test(tc, divisors_stay_where_they_would_count);
  tcase_add_test(tc, quotients_are_counted);
  tcase_add_test(tc, quotients_of_what_is_less_are_counted);
  tcase_add_test(tc, subscripts_of_local_buffers_stay);
  tcase_add_test(tc, factors_below_0_stay);
  tcase_add_test(tc, assertions_keep_the_name_of_their_function);
  tcase_add_test(tc, more_strides_than_registers_are_not_shared);
  tcase_add_test(tc, workers_make_no_difference);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
