/* test_outline.c -- outlined loops: which of them are one function, and that each does what it did. Every program runs as the
 * interpreter has it and as code of every level of x86-64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"

enum { ELEMENTS = 4096, BUFFERS = 4 };
static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};

static int count_of(const char *text, const char *what) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, what)); at++) count++;
  return count;
}

static size_t parse(kit *k, const char *text, const tn_func **funcs) {
  tn_error *error = NULL;
  kit_ok(tni_parse(k->program, text, strlen(text), "test", &error), error);
  size_t count = tn_program_func_count(k->program);
  for (size_t i = 0; i < count; i++) funcs[i] = tn_program_func_at(k->program, i);
  return count;
}

/* How many functions the outlined loops of the text become. */
static int functions_of(const char *text) {
  const tn_func *funcs[8];
  tn_error *error = NULL;
  char *ll;
  size_t size;
  kit k;
  kit_open(&k, "x86-64-v3");
  size_t count = parse(&k, text, funcs);
  kit_ok(kit_try_emit(&k, count, funcs, TNI_EMIT_LLVM, &ll, &size, &error), error);
  int found = 0;
  for (char *at = ll; (at = strstr(at, "define internal")); at++) {
    const char *end = strchr(at, '(');
    const char *name = strstr(at, ".outlined.");
    found += name && name < end;
  }
  tn_text_destroy(ll);
  kit_close(&k);
  return found;
}

static void fill(int32_t (*data)[ELEMENTS]) {
  for (int b = 0; b < BUFFERS; b++)
    for (int i = 0; i < ELEMENTS; i++) data[b][i] = (i * 7 + b * 131) % 1009;
}

static void take_tensors(int32_t (*data)[ELEMENTS], int64_t *shape, DLTensor *tensors, tn_value *args) {
  for (int b = 0; b < BUFFERS; b++) {
    tensors[b] = (DLTensor){
        .data = data[b], .device = {kDLCPU, 0}, .ndim = 1, .dtype = tn_type_to_dlpack(TN_I32), .shape = shape};
    args[b] = tn_value_tensor(&tensors[b]);
  }
}

static void interpret(const tn_func *func, int32_t (*data)[ELEMENTS]) {
  DLTensor tensors[BUFFERS];
  tn_value args[BUFFERS];
  int64_t shape = ELEMENTS;
  tn_error *error = NULL;
  take_tensors(data, &shape, tensors, args);
  kit_ok(tni_interpret(func, args, BUFFERS, &error), error);
}

/* All functions of the text, each over four buffers of i32. */
static void check_code(const char *text) {
  static _Alignas(64) int32_t want[BUFFERS][ELEMENTS], got[BUFFERS][ELEMENTS];
  for (int level = 0; level < 3 && level + 2 <= tni_host_level(); level++) {
    const tn_func *funcs[8];
    kit k;
    kit_open(&k, levels[level]);
    size_t count = parse(&k, text, funcs);
    kit_load(&k, count, funcs);
    for (size_t i = 0; i < count; i++) {
      fill(want);
      fill(got);
      interpret(funcs[i], want);
      ck_assert_int_eq(kit_run(&k, funcs[i]->name, (void *[]){got[0], got[1], got[2], got[3]}), TN_OK);
      ck_assert_msg(memcmp(want, got, sizeof want) == 0, "%s: %s: another result", levels[level], funcs[i]->name);
    }
    kit_close(&k);
  }
}

/* The text's loops become so many functions, and do what they did. */
static void outlines(int functions, const char *text) {
  check_code(text);
  ck_assert_msg(functions_of(text) == functions, "%d functions, not %d, of\n%s", functions_of(text), functions, text);
}

#define FUNC(name, body) "loop func " name "(A: i32[4096], B: i32[4096], C: i32[4096], D: i32[4096]) {\n" body "}\n"

/* ---- one function -------------------------------------------------------------------------------------------------- */

START_TEST(equal_loops_at_other_places_are_one)
{
  outlines(1, FUNC("f", "  for i in 0..4 outlined {\n    C[i] = A[i] + B[i + 8]\n  }\n"
                        "  for j in 0..4 outlined {\n    C[j + 100] = A[j + 200] + B[j]\n  }\n"
                        "  for t in 0..8 {\n    for i in 0..4 outlined {\n"
                        "      C[t * 32 + i] = A[t + i] + B[i + t * t]\n    }\n  }\n"));
}
END_TEST

START_TEST(other_buffers_take_the_places)
{
  outlines(1, FUNC("f", "  for i in 0..4 outlined {\n    C[i] = A[i] - B[i]\n  }\n"
                        "  for i in 0..4 outlined {\n    A[i] = B[i] - D[i + 40]\n  }\n"));
}
END_TEST

START_TEST(strides_and_extents_are_parameters)
{
  outlines(1, FUNC("f", "  for i in 0..4 outlined {\n    for k in 0..16 {\n      C[i * 16 + k] = A[i * 64 + k * 2]\n"
                        "    }\n  }\n"
                        "  for i in 0..6 outlined {\n    for k in 0..9 {\n      C[i * 32 + k] = A[i * 20 + k * 3]\n"
                        "    }\n  }\n"
                        "  for i in 0..0 outlined {\n    for k in 0..9 {\n      C[i * 32 + k] = A[i * 20 + k * 3]\n"
                        "    }\n  }\n"));
}
END_TEST

START_TEST(what_is_around_is_a_parameter)
{
  outlines(1, FUNC("f", "  let n = cast(index, A[0] % 8:i32) + 1\n"
                        "  for i in 0..n outlined {\n    C[i] = A[i] * cast(i32, n)\n  }\n"
                        "  for t in 0..5 {\n    for i in 0..t outlined {\n      D[i + t * 8] = B[i] * cast(i32, t)\n"
                        "    }\n  }\n"));
}
END_TEST

START_TEST(a_number_is_no_variable)
{
  outlines(2, FUNC("f", "  let n = cast(index, A[0] % 8:i32) + 1\n  let m = cast(index, A[1] % 8:i32) + 2\n"
                        "  for i in 0..4 outlined {\n    if n < m {\n      C[i] = A[i]\n    }\n    if n < 5 {\n"
                        "      D[i] = A[i + 1]\n    }\n  }\n"
                        "  for i in 0..4 outlined {\n    if n < 7 {\n      C[i + 8] = A[i]\n    }\n    if n < 5 {\n"
                        "      D[i + 8] = A[i + 1]\n    }\n  }\n"));
}
END_TEST

START_TEST(functions_of_one_object_share)
{
  outlines(1, FUNC("f", "  for i in 0..4 outlined {\n    C[i] = A[i] * 3:i32\n  }\n")
              FUNC("g", "  for i in 0..9 outlined {\n    A[i + 7] = B[i] * 3:i32\n  }\n"));
}
END_TEST

START_TEST(parallel_loops_share_with_others)
{
  outlines(1, FUNC("f", "  for t in 0..16 parallel {\n    for i in 0..4 outlined {\n      C[t * 4 + i] = A[t + i]\n"
                        "    }\n  }\n"
                        "  for i in 0..4 outlined {\n    D[i] = B[i]\n  }\n"));
}
END_TEST

START_TEST(vectors_and_masks_move_with_their_buffers)
{
  outlines(1, FUNC("f", "  for i in 0..4 outlined {\n"
                        "    C[ramp(i * 8, 1, 8)] = A[ramp(i * 8 + 16, 1, 8)] + broadcast(B[i], 8)\n  }\n"
                        "  for i in 0..4 outlined {\n"
                        "    C[ramp(i * 8 + 64, 1, 8)] = A[ramp(i * 8, 1, 8)] + broadcast(B[i + 3], 8)\n  }\n"));
  outlines(1, FUNC("f", "  for t in 0..2 {\n    for i in 0..4 outlined {\n"
                        "      C[ramp(i * 8 + t * 32, 1, 8) if ramp(i * 8, 1, 8) < broadcast(29, 8)] = "
                        "A[ramp(0, i, 8) + broadcast(t * 40, 8)]\n    }\n  }\n"));
}
END_TEST

START_TEST(prefetches_move_with_their_buffers)
{
  outlines(1, FUNC("f", "  for t in 0..2 {\n    for i in 0..4 outlined {\n      prefetch B[i * 8 + t * 900 + 64]\n"
                        "      C[i + t * 8] = A[i + t] + B[i * 8 + t * 900]\n    }\n  }\n"
                        "  for i in 0..4 outlined {\n    prefetch A[i * 8 + 64]\n    C[i + 100] = D[i] + A[i * 8]\n  }\n"));
  outlines(1, FUNC("f", "  for i in 0..4 outlined {\n    prefetch B[i * 8 + 40]\n    C[i] = A[i]\n  }\n"
                        "  for i in 0..4 outlined {\n    prefetch A[i * 16 + 80]\n    C[i] = B[i]\n  }\n"));
}
END_TEST

START_TEST(own_buffers_stay_in_registers)
{
  outlines(1, FUNC("f", "  for t in 0..4 outlined {\n    alloc s: i32[2] in register\n    s[0] = 0:i32\n"
                        "    s[1] = A[t]\n"
                        "    for k in 0..5 {\n      s[0] = s[0] + B[k]\n    }\n    C[t] = s[0] * s[1]\n  }\n"
                        "  for t in 0..3 outlined {\n    alloc s: i32[2] in register\n    s[0] = 0:i32\n"
                        "    s[1] = A[t + 9]\n"
                        "    for k in 0..6 {\n      s[0] = s[0] + B[k]\n    }\n    C[t + 50] = s[0] * s[1]\n  }\n"));
}
END_TEST

START_TEST(a_loop_inside_an_outlined_one_is_one_too)
{
  outlines(2, FUNC("f", "  for t in 0..4 outlined {\n    for i in 0..4 outlined {\n"
                        "      C[t * 16 + i] = A[t * 4 + i]\n    }\n"
                        "    for i in 0..4 outlined {\n      D[t * 16 + i] = B[t * 8 + i]\n    }\n  }\n"));
  outlines(2, FUNC("f", "  for i in 0..4 outlined {\n    C[i] = A[i]\n  }\n"
                        "  for t in 0..1 outlined {\n    for i in 0..4 outlined {\n      C[i + 9] = A[i]\n    }\n"
                        "  }\n"));
}
END_TEST

/* The functions that outlined loops of the program's are, once scheduled so; *calls: how often they are called. */
static int functions_of_scheduled(const char *text, const char *lines, int *calls) {
  tn_context *ctx;
  tn_program *program;
  tn_schedule *s;
  tn_error *error = NULL;
  const tn_func *func;
  tn_compile_desc desc = {.struct_size = sizeof desc, .keep_schedules = 1};
  char *code;
  size_t size;
  kit_ok(tn_context_create(NULL, &ctx, &error), error);
  kit_ok(tn_program_parse(ctx, text, strlen(text), "test", &program, &error), error);
  kit_ok(tn_schedule_create(program, tn_program_func_at(program, 0), &s, &error), error);
  kit_ok(tn_schedule_run(s, lines, &error), error);
  kit_ok(tn_schedule_commit(s, &func, &error), error);
  kit_ok(tn_target_get(ctx, "x86-64-v3", &desc.target, &error), error);
  kit_ok(tn_program_emit(program, &desc, "asm", &code, &size, &error), error);
  int found = 0;
  for (int k = 0; k < 8; k++) {
    char label[32];
    snprintf(label, sizeof label, "\nf.outlined.%d:", k);
    found += count_of(code, label);
  }
  *calls = count_of(code, "callq\tf.outlined.");
  tn_text_destroy(code);
  tn_schedule_destroy(s);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  return found;
}

/* Two products with tiles of one form, of matrices of other shapes: one micro-kernel, over strides and the extent of k. */
START_TEST(tiles_of_two_products_are_one_function)
{
  static const char text[] =
      "func f(A: f32[16, 24], B: f32[24, 32], C: f32[16, 32], D: f32[24, 40], E: f32[40, 64], F: f32[24, 64]) {\n"
      "  for i in 0..16 {\n    for j in 0..32 {\n      for k in 0..24 {\n"
      "        block C(a: 0..16 = i, b: 0..32 = j, reduce c: 0..24 = k) {\n          init {\n"
      "            C[a, b] = 0.0:f32\n"
      "          }\n          C[a, b] = fma(A[a, c], B[c, b], C[a, b])\n        }\n      }\n    }\n  }\n"
      "  for i in 0..24 {\n    for j in 0..64 {\n      for k in 0..40 {\n"
      "        block F(a: 0..24 = i, b: 0..64 = j, reduce c: 0..40 = k) {\n          init {\n"
      "            F[a, b] = 0.0:f32\n"
      "          }\n          F[a, b] = fma(D[a, c], E[c, b], F[a, b])\n        }\n      }\n    }\n  }\n}\n";
  static const char lines[] = "io, ii = split(C[0], [0, 4])\njo, ji = split(C[2], [0, 8])\nreorder([io, jo, ii, ji])\n"
                              "mo, mi = split(F[0], [0, 4])\nno, ni = split(F[2], [0, 8])\nreorder([mo, no, mi, ni])\n"
                              "outline(ii)\noutline(mi)\n";
  int calls;
  ck_assert_int_eq(functions_of_scheduled(text, lines, &calls), 1);
  ck_assert_int_eq(calls, 2);
  ck_assert_int_eq(functions_of_scheduled(text, "outline(C)\noutline(F)\n", &calls), 1);
  ck_assert_int_eq(calls, 2);
}
END_TEST

static int32_t see_total(void *self, int32_t done, int32_t total) {
  (void)done;
  *(int32_t *)self = total;
  return 0;
}

/* Functions that share are compiled in one job, the others each in one. */
START_TEST(kernels_of_a_module_share)
{
  tn_context *ctx;
  tn_program *program;
  tn_module *module;
  tn_error *error = NULL;
  int32_t jobs = 0;
  const char *text = FUNC("f", "  for i in 0..4 outlined {\n    C[i] = A[i] * 3:i32\n  }\n")
      FUNC("g", "  for i in 0..4 {\n    C[i] = A[i] * 5:i32\n  }\n")
      FUNC("h", "  for i in 0..9 outlined {\n    A[i + 7] = B[i] * 3:i32\n  }\n");
  tn_compile_desc desc = {.struct_size = sizeof desc, .progress = see_total, .progress_self = &jobs};
  kit_ok(tn_context_create(NULL, &ctx, &error), error);
  kit_ok(tn_program_parse(ctx, text, strlen(text), "test", &program, &error), error);
  kit_ok(tn_compile(program, &desc, &module, &error), error);
  ck_assert_int_eq(jobs, 2);
  static const char *const names[] = {"f", "g", "h"};
  for (int i = 0; i < 3; i++) {
    static int32_t want[BUFFERS][ELEMENTS], got[BUFFERS][ELEMENTS];
    DLTensor tensors[BUFFERS];
    tn_value args[BUFFERS];
    const tn_function *function;
    int64_t shape = ELEMENTS;
    fill(want);
    fill(got);
    interpret(tn_program_func(program, names[i]), want);
    take_tensors(got, &shape, tensors, args);
    kit_ok(tn_module_function(module, names[i], &function, &error), error);
    kit_ok(tn_function_call(function, args, BUFFERS, NULL, &error), error);
    ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
  }
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- several ------------------------------------------------------------------------------------------------------- */

START_TEST(what_differs_in_more_than_numbers_is_apart)
{
  outlines(2, FUNC("f", "  for i in 0..4 outlined {\n    C[i] = A[i] + 1:i32\n  }\n"
                        "  for i in 0..4 outlined {\n    C[i] = A[i] + 2:i32\n  }\n"));
  outlines(2, FUNC("f", "  for i in 0..4 outlined {\n    C[i] = A[i] + B[i]\n  }\n"
                        "  for i in 0..4 outlined {\n    C[i] = A[i] + A[i]\n  }\n"));
  outlines(2, FUNC("f", "  for i in 0..4 outlined {\n    C[i // 2] = A[i]\n  }\n"
                        "  for i in 0..4 outlined {\n    C[i // 3] = A[i]\n  }\n"));
}
END_TEST

/* The numbers of the second loop are others by primes, so that none is a multiple of another one in both. */
START_TEST(more_than_eight_parameters_are_too_many)
{
  static const int primes[] = {0, 11, 13, 17, 19, 23, 29, 31, 37, 41};
  char text[2048];
  for (int n = 9; n <= 10; n++) {
    size_t at = (size_t)snprintf(text, sizeof text, "loop func f(A: i32[4096], B: i32[4096], C: i32[4096], D: i32[4096]) {\n");
    for (int copy = 0; copy < 2; copy++) {
      at += (size_t)snprintf(text + at, sizeof text - at, "  for i in 0..4 outlined {\n    C[i] = A[i * 2]");
      for (int k = 1; k < n; k++) at += (size_t)snprintf(text + at, sizeof text - at, " + A[i * 2 + %d]", 3 * k + copy * primes[k]);
      at += (size_t)snprintf(text + at, sizeof text - at, "\n  }\n");
    }
    snprintf(text + at, sizeof text - at, "}\n");
    outlines(n == 9 ? 1 : 2, text);
  }
}
END_TEST

START_TEST(reductions_that_threads_share_are_apart)
{
  outlines(2, FUNC("f", "  for t in 0..16 parallel {\n    for i in 0..4 outlined {\n"
                        "      reduce C[i] add= A[t * 4 + i]\n    }\n  }\n"
                        "  for i in 0..4 outlined {\n    reduce D[i] add= A[i]\n  }\n"));
}
END_TEST

START_TEST(parallel_loops_inside_run_on_threads_once)
{
  outlines(2, FUNC("f", "  for u in 0..1 outlined {\n    for i in 0..64 parallel {\n      C[i] = A[i]\n    }\n  }\n"
                        "  for t in 0..2 parallel {\n    for u in 0..1 outlined {\n      for i in 0..64 parallel {\n"
                        "        D[i + t * 64] = B[i]\n      }\n    }\n  }\n"));
}
END_TEST

/* ---- failures ------------------------------------------------------------------------------------------------------ */

START_TEST(a_failure_inside_comes_out)
{
  kit k;
  const tn_func *funcs[1];
  kit_open(&k, "host");
  size_t count = parse(&k, FUNC("f", "  for t in 0..3 {\n    alloc T: i32[70000] in global\n    T[0] = A[t]\n"
                                     "    for i in 0..4 outlined {\n      alloc U: i32[70000] in global\n"
                                     "      U[0] = A[i]\n"
                                     "      assert U[0] < 20:i32, \"too large\"\n      C[i] = U[0] + T[0]\n    }\n"
                                     "  }\n"),
                       funcs);
  static int32_t data[BUFFERS][ELEMENTS];
  void *args[] = {data[0], data[1], data[2], data[3]};
  kit_load(&k, count, funcs);
  ck_assert_int_eq(kit_run(&k, "f", args), TN_OK);
  data[0][3] = 20;
  ck_assert_int_eq(kit_run(&k, "f", args), TN_E_INVALID);
  ck_assert_str_eq(k.assertion, "f: too large");
  data[0][3] = 0;
  k.scratch_left = 1;
  ck_assert_int_eq(kit_run(&k, "f", args), TN_E_NOMEM);
  kit_close(&k);
}
END_TEST

/* The stack of a function and of those that it calls, the deepest once. */
START_TEST(stacks_add_up)
{
  static const char form[] =
      "loop func f(A: i32[4096], B: i32[4096], C: i32[4096], D: i32[4096]) {\n"
      "  for i in 0..4 outlined {\n    alloc S: i8[600000] in local\n    S[i] = 1:i8\n    A[i] = cast(i32, S[i])\n  }\n"
      "  for i in 0..4 outlined {\n    alloc S: i8[600000] in local\n    S[i] = 1:i8\n    B[i] = cast(i32, S[i])\n  }\n"
      "  for i in 0..5 outlined {\n    alloc S: i8[600000] in local\n    S[i] = 2:i8\n    B[i] = cast(i32, S[i])\n  }\n"
      "  alloc T: i8[%d] in local\n  T[0] = 3:i8\n  C[0] = cast(i32, T[0])\n}\n";
  char text[2048];
  kit k;
  const tn_func *funcs[1];
  tn_error *error = NULL;
  char *object;
  size_t size;
  snprintf(text, sizeof text, form, 400000);
  outlines(2, text);
  snprintf(text, sizeof text, form, 500000);
  kit_open(&k, "host");
  size_t count = parse(&k, text, funcs);
  ck_assert_int_eq(kit_try_emit(&k, count, funcs, TNI_EMIT_OBJECT, &object, &size, &error), TN_E_LIMIT);
  ck_assert_str_eq(tn_error_text(error), "codegen: f: with `T` the function needs more than 1048576 bytes of stack");
  tn_error_destroy(error);
  kit_close(&k);
  kit_open(&k, "host");
  count = parse(&k, FUNC("f", "  alloc T: i8[500000] in local\n  T[0] = 3:i8\n  C[0] = cast(i32, T[0])\n"
                              "  for i in 0..4 outlined {\n    alloc S: i8[600000] in local\n    S[i] = 1:i8\n"
                              "    A[i] = cast(i32, S[i])\n  }\n"), funcs);
  ck_assert_int_eq(kit_try_emit(&k, count, funcs, TNI_EMIT_OBJECT, &object, &size, &error), TN_E_LIMIT);
  ck_assert_str_eq(tn_error_text(error), "codegen: f: with `i` the function needs more than 1048576 bytes of stack");
  tn_error_destroy(error);
  kit_close(&k);
}
END_TEST

START_TEST(code_is_the_same_each_time)
{
  char *texts[2];
  for (int i = 0; i < 2; i++) {
    const tn_func *funcs[2];
    tn_error *error = NULL;
    size_t size;
    char *text;
    kit k;
    kit_open(&k, "x86-64-v4");
    size_t count = parse(&k, FUNC("f", "  for i in 0..4 outlined {\n    C[i] = A[i] + B[i * 3]\n  }\n")
                             FUNC("g", "  for i in 0..9 outlined {\n    A[i + 7] = B[i] + D[i * 2]\n  }\n"), funcs);
    kit_ok(kit_try_emit(&k, count, funcs, TNI_EMIT_ASSEMBLY, &text, &size, &error), error);
    texts[i] = strdup(text);
    tn_text_destroy(text);
    kit_close(&k);
  }
  ck_assert_str_eq(texts[0], texts[1]);
  ck_assert_int_eq(count_of(texts[0], "f.outlined.0:"), 1);
  ck_assert_int_eq(count_of(texts[0], "callq\tf.outlined.0"), 2);
  free(texts[0]);
  free(texts[1]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("outline");
  TCase *tc = tcase_create("outline");
  tcase_set_timeout(tc, 120);
  tcase_add_test(tc, equal_loops_at_other_places_are_one);
  tcase_add_test(tc, other_buffers_take_the_places);
  tcase_add_test(tc, strides_and_extents_are_parameters);
  tcase_add_test(tc, what_is_around_is_a_parameter);
  tcase_add_test(tc, a_number_is_no_variable);
  tcase_add_test(tc, functions_of_one_object_share);
  tcase_add_test(tc, parallel_loops_share_with_others);
  tcase_add_test(tc, vectors_and_masks_move_with_their_buffers);
  tcase_add_test(tc, prefetches_move_with_their_buffers);
  tcase_add_test(tc, own_buffers_stay_in_registers);
  tcase_add_test(tc, a_loop_inside_an_outlined_one_is_one_too);
  tcase_add_test(tc, tiles_of_two_products_are_one_function);
  tcase_add_test(tc, kernels_of_a_module_share);
  tcase_add_test(tc, what_differs_in_more_than_numbers_is_apart);
  tcase_add_test(tc, more_than_eight_parameters_are_too_many);
  tcase_add_test(tc, reductions_that_threads_share_are_apart);
  tcase_add_test(tc, parallel_loops_inside_run_on_threads_once);
  tcase_add_test(tc, a_failure_inside_comes_out);
  tcase_add_test(tc, stacks_add_up);
  tcase_add_test(tc, code_is_the_same_each_time);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
