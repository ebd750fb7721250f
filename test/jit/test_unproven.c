/* test_unproven.c -- what is not proven: checked when it runs, refused, or trusted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>

#include "session.h"

static const char gather[] = "func f(I: i32[16], A: f32[8], B: f32[16]) {\n"
                             "  for i in 0..16 {\n"
                             "    block b(x: 0..16 = i) {\n"
                             "      B[x] = A[cast(index, I[x])] * 2.0:f32\n"
                             "    }\n"
                             "  }\n"
                             "}\n";
static const char scatter[] = "func f(I: i32[16], A: f32[8], B: f32[16]) {\n"
                              "  for i in 0..16 parallel {\n"
                              "    A[cast(index, I[i])] = B[i]\n"
                              "  }\n"
                              "}\n";
static const char scatter_refused[] =
    "verify: f:2: it is not known whether the iterations of this loop may run at the same time: two iterations may touch "
    "the same element of the buffer written here\n"
    "  for i in 0..16 parallel {\n"
    "      ^\n"
    "f:3:\n"
    "    A[cast(index, I[i])] = B[i]\n"
    "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
    "f:3: it is not known whether this subscript of `A` is inside 0..its extent: a condition around it, or an assume, can "
    "tell\n"
    "    A[cast(index, I[i])] = B[i]\n"
    "      ^^^^^^^^^^^^^^^^^";
static const char outside[] = "call: f: the assertion failed: f: a subscript of `A` is outside 0..its extent";

static tn_context *ctx;
static tn_program *program;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }

static void close_context(void) {
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

typedef struct data {
  int32_t at[16];
  float a[8], b[16];
} data;

static data filled(int32_t last) {
  data d;
  for (int i = 0; i < 16; i++) d.at[i] = i == 15 ? last : i * 5 % 8, d.a[i / 2] = (float)(i / 2), d.b[i] = (float)-i;
  return d;
}

/* The arguments as values; `shapes` and `tensors` must live on. */
static void arguments(data *d, DLTensor tensors[3], tn_value values[3]) {
  static int64_t shapes[] = {16, 8, 16};
  tensors[0] = view(TN_I32, 1, &shapes[0], d->at);
  tensors[1] = view(TN_F32, 1, &shapes[1], d->a);
  tensors[2] = view(TN_F32, 1, &shapes[2], d->b);
  for (int i = 0; i < 3; i++) values[i] = tn_value_tensor(&tensors[i]);
}

static tn_module *compile(const char *text, uint8_t unproven, const char *target) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .unproven = unproven};
  tn_program_destroy(program);
  program = session_parse(ctx, text);
  if (target) must(tn_target_get(ctx, target, &desc.target, &error), error);
  return session_compile(program, &desc);
}

static tn_status call(const tn_module *module, data *d) {
  DLTensor tensors[3];
  tn_value values[3];
  arguments(d, tensors, values);
  return tn_function_call(session_function(module, "f"), values, 3, NULL, &error);
}

static data interpreted(int32_t last) {
  DLTensor tensors[3];
  tn_value values[3];
  data d = filled(last);
  arguments(&d, tensors, values);
  must(tn_func_interpret(tn_program_func_at(program, 0), values, 3, &error), error);
  return d;
}

START_TEST(what_leaves_its_buffer_fails_the_call)
{
  static const char *const targets[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
  static const int32_t wrong[] = {8, -1, INT32_MAX, INT32_MIN};
  for (int level = 2; level <= 4 && level <= tni_host_level(); level++) {
    tn_module *module = compile(gather, TN_UNPROVEN_CHECK, targets[level - 2]);
    data want = interpreted(7), have = filled(7);
    must(call(module, &have), error);
    ck_assert_mem_eq(&have, &want, sizeof want);
    for (size_t i = 0; i < TNI_COUNT(wrong); i++) {
      have = filled(wrong[i]);
      refused(call(module, &have), error, TN_E_INVALID, outside);
    }
    tn_module_destroy(module);
  }
}
END_TEST

/* Elements that several iterations write keep the last value, as in order. */
START_TEST(loops_that_may_race_run_in_order)
{
  tn_module *module = compile(scatter, TN_UNPROVEN_CHECK, NULL);
  data have = filled(0), want = filled(0);
  for (int i = 0; i < 16; i++) want.a[want.at[i]] = want.b[i];
  must(call(module, &have), error);
  ck_assert_mem_eq(&have, &want, sizeof want);
  have = filled(8);
  refused(call(module, &have), error, TN_E_INVALID, outside);
  tn_module_destroy(module);
}
END_TEST

START_TEST(the_host_may_have_it_refused)
{
  tn_compile_desc desc = {.struct_size = sizeof desc, .unproven = TN_UNPROVEN_REFUSE};
  tn_module *module;
  program = session_parse(ctx, scatter);
  refused(tn_compile(program, &desc, &module, &error), error, TN_E_VERIFY, scatter_refused);
  tn_program_destroy(program);
  program = session_parse(ctx, "func f(A: f32[8]) { for i in 0..8 parallel { A[i] = 1.0:f32 } }");
  must(tn_compile(program, &desc, &module, &error), error);
  tn_module_destroy(module);
}
END_TEST

/* The guard is not there: the loop level is what the program says. */
START_TEST(the_host_may_be_trusted)
{
  tn_compile_desc desc = {.struct_size = sizeof desc, .unproven = TN_UNPROVEN_TRUST};
  char *text;
  size_t size;
  program = session_parse(ctx, scatter);
  must(tn_program_emit(program, &desc, "loop", &text, &size, &error), error);
  ck_assert_str_eq(text, "scheduled loop func f(I: i32[16], A: f32[8], B: f32[16]) {\n"
                         "  for i in 0..16 parallel {\n"
                         "    A[cast(index, I[i])] = B[i]\n"
                         "  }\n"
                         "}\n");
  tn_text_destroy(text);
  desc.unproven = 3;
  refused(tn_program_emit(program, &desc, "loop", &text, &size, &error), error, TN_E_INVALID,
          "build: unproven: 3 is not in 0..2");
}
END_TEST

int main(void) {
  const TTest *const tests[] = {what_leaves_its_buffer_fails_the_call, loops_that_may_race_run_in_order,
                                the_host_may_have_it_refused, the_host_may_be_trusted};
  return suite_run_tests("unproven", tests, TNI_COUNT(tests), open_context, close_context);
}
