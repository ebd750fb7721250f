/* test_model.c -- compiled models: tensors in, tensors out; what a run refuses; every kernel of a real model against
 * the interpreter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "opened.h"

/* ---- small models ---------------------------------------------------------------------------------------------- */

static int64_t shape_x[] = {2, 3}, shape_w[] = {3, 4}, shape_y[] = {2, 4}, four = 4;
static const float weights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, bias[] = {-20, 0, -40, 0.5f};

/* y = relu(x w + b) */
static bytes layer(void) {
  bytes g = {0};
  add_node(&g, node("MatMul", "product", "x w", "p"));
  add_node(&g, node("Add", "sum", "p b", "s"));
  add_node(&g, node("Relu", "relu", "s", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, shape_w, weights, sizeof weights));
  add_weight(&g, tensor_raw("b", ONNX_FLOAT, 1, &four, bias, sizeof bias));
  add_input(&g, "x", 2, shape_x);
  add_output(&g, "y");
  return g;
}

START_TEST(a_model_runs)
{
  const tn_model *m = compile_graph(layer());
  float x[] = {1, 0, 0, 1, 1, 1}, y[8];
  DLTensor in = view(TN_F32, 2, shape_x, x), out = view(TN_F32, 2, shape_y, y);
  must(run_one(m, &in, &out), error);
  const float want[] = {0, 2, 0, 4.5f, 0, 18, 0, 24.5f};
  for (int i = 0; i < 8; i++) ck_assert_float_eq(y[i], want[i]);
}
END_TEST

START_TEST(a_model_tells_what_it_takes)
{
  const tn_model *m = compile_graph(layer());
  tn_tensor_info in, out;
  ck_assert_uint_eq(tn_model_input_count(m), 1);
  ck_assert_uint_eq(tn_model_output_count(m), 1);
  ck_assert_uint_eq(tn_model_step_count(m), 1); /* product, sum and relu are one kernel */
  tn_model_input(m, 0, &in);
  tn_model_output(m, 0, &out);
  ck_assert_str_eq(in.name, "x");
  ck_assert_str_eq(out.name, "y");
  ck_assert(in.type == TN_F32 && in.rank == 2 && in.shape[0] == 2 && in.shape[1] == 3);
  ck_assert(out.type == TN_F32 && out.rank == 2 && out.shape[0] == 2 && out.shape[1] == 4);
  refused(tn_module_model(module, "other", &m, &error), error, TN_E_NOT_FOUND,
          "call: other: the module has no model of that name");
  ck_assert_ptr_null(m);
}
END_TEST

START_TEST(a_wrong_count_is_refused)
{
  const tn_model *m = compile_graph(layer());
  const DLTensor *none = NULL;
  refused(tn_model_run(m, &none, 0, &none, 1, &error), error, TN_E_INVALID,
          "call: main: 0 inputs were given, the model has 1");
  refused(tn_model_run(m, &none, 1, &none, 2, &error), error, TN_E_INVALID,
          "call: main: 2 outputs were given, the model has 1");
  refused(tn_model_run(m, &none, 1, &none, 1, &error), error, TN_E_INVALID, "call: x: no tensor was given");
}
END_TEST

/* The input or (1) output of a right run, with one thing spoiled. */
#define REFUSES(change, status, text)                                                                                  \
  do {                                                                                                                 \
    DLTensor in = view(TN_F32, 2, shape_x, x), out = view(TN_F32, 2, shape_y, y);                                      \
    change;                                                                                                            \
    refused(run_one(m, &in, &out), error, status, text);                                                               \
  } while (0)

START_TEST(wrong_tensors_are_refused)
{
  const tn_model *m = compile_graph(layer());
  float x[9] = {0}, y[8];
  int64_t strides[] = {1, 2};
  REFUSES(in.ndim = 1, TN_E_INVALID, "call: input `x`: is f32[2], not f32[2, 3]");
  REFUSES(in.shape = shape_y, TN_E_INVALID, "call: input `x`: is f32[2, 4], not f32[2, 3]");
  REFUSES(in.dtype.code = kDLInt, TN_E_INVALID, "call: input `x`: is i32[2, 3], not f32[2, 3]");
  REFUSES(in.strides = strides, TN_E_INVALID, "call: input `x`: has strides (1, 2), not (3, 1)");
  REFUSES(in.device.device_type = kDLVulkan, TN_E_UNSUPPORTED,
          "call: input `x`: the tensor is on device type 7, not on the CPU (1)");
  REFUSES(in.data = NULL, TN_E_INVALID, "call: input `x`: data is NULL");
  REFUSES(in.byte_offset = 1, TN_E_INVALID, "call: input `x`: data is not aligned to its elements of 4 bytes");
  REFUSES(out.shape = shape_x, TN_E_INVALID, "call: output `y`: is f32[2, 3], not f32[2, 4]");
  REFUSES(out.dtype = tn_type_to_dlpack(TN_F16), TN_E_INVALID, "call: output `y`: is f16[2, 4], not f32[2, 4]");
  REFUSES(out.data = x + 1, TN_E_INVALID, "call: y: the output overlaps the input `x`");
}
END_TEST

/* Outputs that no kernel makes: an input, a constant, a value shown twice. */
START_TEST(any_value_may_be_an_output)
{
  bytes g = {0};
  add_node(&g, node("Neg", "n", "x", "y"));
  add_node(&g, node("Identity", "i", "y", "z"));
  add_weight(&g, tensor_raw("b", ONNX_FLOAT, 1, &four, bias, sizeof bias));
  add_input(&g, "x", 1, &four);
  const char *names[] = {"x", "y", "b", "z"};
  for (int i = 0; i < 4; i++) add_output(&g, names[i]);
  const tn_model *m = compile_graph(g);
  float x[] = {1, 2, 3, 4}, o[4][4];
  DLTensor in = view(TN_F32, 1, &four, x), out[4];
  const DLTensor *inputs = &in, *outputs[4];
  for (int i = 0; i < 4; i++) out[i] = view(TN_F32, 1, &four, o[i]), outputs[i] = &out[i];
  must(tn_model_run(m, &inputs, 1, outputs, 4, &error), error);
  for (int i = 0; i < 4; i++) {
    ck_assert_float_eq(o[0][i], x[i]);
    ck_assert_float_eq(o[1][i], -x[i]);
    ck_assert_float_eq(o[2][i], bias[i]);
    ck_assert_float_eq(o[3][i], -x[i]);
  }
  out[3].data = o[1];
  refused(tn_model_run(m, &inputs, 1, outputs, 4, &error), error, TN_E_INVALID,
          "call: z: the output overlaps the output `y`");
}
END_TEST

START_TEST(a_model_of_many_inputs)
{
  enum { COUNT = 50 };
  bytes g = {0};
  char names[COUNT][8], all[COUNT * 8] = "";
  int64_t one = 1, sum_shape = COUNT;
  for (int i = 0; i < COUNT; i++) {
    snprintf(names[i], sizeof names[i], "x%d", i);
    strcat(strcat(all, " "), names[i]);
    add_input(&g, names[i], 1, &one);
  }
  bytes n = {0};
  for (int i = 0; i < COUNT; i++) put_text(&n, 1, names[i]);
  put_text(&n, 2, "y");
  put_text(&n, 4, "Concat");
  attr_int(&n, "axis", 0);
  add_node(&g, n);
  add_output(&g, "y");
  const tn_model *m = compile_graph(g);
  float x[COUNT], y[COUNT];
  DLTensor in[COUNT], out = view(TN_F32, 1, &sum_shape, y);
  const DLTensor *inputs[COUNT], *outputs = &out;
  for (int i = 0; i < COUNT; i++) {
    x[i] = (float)i;
    in[i] = view(TN_F32, 1, &one, &x[i]);
    inputs[i] = &in[i];
  }
  must(tn_model_run(m, inputs, COUNT, &outputs, 1, &error), error);
  for (int i = 0; i < COUNT; i++) ck_assert_float_eq(y[i], (float)i);
}
END_TEST

START_TEST(a_model_without_elements)
{
  int64_t none[] = {0, 3};
  bytes g = {0};
  add_node(&g, node("Relu", "r", "x", "y"));
  add_input(&g, "x", 2, none);
  add_output(&g, "y");
  const tn_model *m = compile_graph(g);
  DLTensor t = view(TN_F32, 2, none, NULL);
  must(run_one(m, &t, &t), error);
}
END_TEST

START_TEST(a_module_outlives_its_program)
{
  const tn_model *m = compile_graph(layer());
  float x[] = {1, 0, 0, 1, 1, 1}, y[8];
  DLTensor in = view(TN_F32, 2, shape_x, x), out = view(TN_F32, 2, shape_y, y);
  tn_tensor_info info;
  tn_program_destroy(program);
  program = NULL;
  must(run_one(m, &in, &out), error);
  ck_assert_float_eq(y[7], 24.5f);
  tn_model_input(m, 0, &info);
  ck_assert_str_eq(info.name, "x");
}
END_TEST

/* ---- functions of the host in a model ---------------------------------------------------------------------------- */

static int32_t answer(void *self) { return *(int32_t *)self; }

/* A graph that calls a tensor function, which calls the host. */
static const tn_model *compile_call(int32_t *status) {
  tni_gbuilder *b;
  const tn_model *m;
  program = session_parse(ctx, "extern ask(): i32\nfunc f(X: f32[4], Y: f32[4]) {\n  call ask()\n"
                               "  for i in 0..4 {\n    block Y(k: 0..4 = i) { Y[k] = X[k] + 1.0:f32 }\n  }\n}\n");
  must(tn_program_extern(program, "ask", TN_I32, 0, NULL, (void (*)(void))answer, status, &error), error);
  must(tni_gbuilder_create(program, "main", &b, &error), error);
  uint32_t x = tni_g_input(b, "x", TN_F32, 1, &four), y = tni_g_value(b, "y", TN_F32, 1, &four);
  tni_g_call(b, tn_program_func(program, "f"), "asking", 1, &x, 1, &y);
  tni_g_output(b, y);
  must(tni_gbuilder_finish(b, NULL, &error), error);
  module = session_compile(program, NULL);
  must(tn_module_model(module, "main", &m, &error), error);
  return m;
}

START_TEST(the_hosts_failure_ends_a_run)
{
  int32_t status = 0;
  const tn_model *m = compile_call(&status);
  float x[] = {1, 2, 3, 4}, y[4];
  DLTensor in = view(TN_F32, 1, &four, x), out = view(TN_F32, 1, &four, y);
  must(run_one(m, &in, &out), error);
  ck_assert_float_eq(y[3], 5);
  for (status = 7; status > 5; status--) {
    char want[100];
    snprintf(want, sizeof want, "call: f: the host's function `ask` returned %d", (int)status);
    refused(run_one(m, &in, &out), error, TN_E_HOST, want);
  }
  status = 0;
  must(run_one(m, &in, &out), error);
}
END_TEST

/* ---- folding --------------------------------------------------------------------------------------------------- */

/* x + (a b), a and b constant: the product is large enough to be compiled; nothing of it is left to run. */
START_TEST(products_of_constants_are_folded)
{
  enum { N = 128 };
  static float a[N * N], b[N * N], y[N * N], x[N * N];
  int64_t shape[] = {N, N};
  bytes g = {0};
  fill_random(TN_F32, a, N * N, 5);
  fill_random(TN_F32, b, N * N, 6);
  add_node(&g, node("MatMul", "product", "a b", "p"));
  add_node(&g, node("Add", "sum", "x p", "y"));
  add_weight(&g, tensor_raw("a", ONNX_FLOAT, 2, shape, a, sizeof a));
  add_weight(&g, tensor_raw("b", ONNX_FLOAT, 2, shape, b, sizeof b));
  add_input(&g, "x", 2, shape);
  add_output(&g, "y");
  const tn_model *m = compile_graph(g);
  ck_assert_uint_eq(tn_program_func_count(module->work), 1);
  ck_assert_uint_eq(module->work->funcs[0]->param_count, 3);
  DLTensor in = view(TN_F32, 2, shape, x), out = view(TN_F32, 2, shape, y);
  must(run_one(m, &in, &out), error);
  for (int i = 0; i < N * N; i += 129) {
    float sum = 0;
    for (int k = 0; k < N; k++) sum = __builtin_fmaf(a[i / N * N + k], b[k * N + i % N], sum);
    ck_assert_float_eq(y[i], sum);
  }
}
END_TEST

/* Weights of more than 256 MiB too: what comes of them is not larger than they are. */
START_TEST(constants_of_any_size_are_folded)
{
  enum { N = 257 << 20 };
  static int8_t weights_of_one[N];
  static int64_t length = N, two = 2, where[] = {N - 3, 1};
  int8_t y[2];
  uint32_t out;
  tni_gbuilder *b;
  const tn_model *m;
  weights_of_one[N - 3] = 7;
  must(tn_program_create(ctx, &program, &error), error);
  must(tni_gbuilder_create(program, "main", &b, &error), error);
  uint32_t i = tni_g_input(b, "i", TN_I64, 1, &two), w = tni_g_const(b, "w", TN_I8, 1, &length, weights_of_one);
  must(tni_g_node(b, tni_gop_find("neg"), "n", 1, &w, 0, NULL, 1, (const char *[]){"minus"}, &out, &error), error);
  const uint32_t from[] = {out, i};
  must(tni_g_node(b, tni_gop_find("gather"), "g", 2, from, 0, NULL, 1, (const char *[]){"y"}, &out, &error), error);
  tni_g_output(b, out);
  must(tni_gbuilder_finish(b, NULL, &error), error);
  module = session_compile(program, NULL);
  must(tn_module_model(module, "main", &m, &error), error);
  ck_assert_uint_eq(tn_model_step_count(m), 1);
  DLTensor in = view(TN_I64, 1, &two, where), to = view(TN_I8, 1, &two, y);
  must(run_one(m, &in, &to), error);
  ck_assert_int_eq(y[0], -7);
  ck_assert_int_eq(y[1], 0);
}
END_TEST

/* The evaluator's two ways give the same bits. */
START_TEST(large_functions_are_evaluated_as_small_ones)
{
  enum { N = 110 };
  static float x[N * N], by_code[N * N], by_interpreter[N * N];
  char text[600];
  fill_random(TN_F32, x, N * N, 7);
  for (int n = 4; n <= N; n += N - 4) {
    snprintf(text, sizeof text,
             "func f(X: f32[%d, %d], Y: f32[%d, %d]) {\n"
             "  for i in 0..%d {\n    for j in 0..%d {\n      for k in 0..%d {\n"
             "        block y(a: 0..%d = i, b: 0..%d = j, reduce c: 0..%d = k) {\n"
             "          init { Y[a, b] = 1.0:f32 }\n          Y[a, b] = Y[a, b] - X[a, c] * X[c, b]\n"
             "        }\n      }\n    }\n  }\n}\n",
             n, n, n, n, n, n, n, n, n, n);
    tn_program *p = session_parse(ctx, text);
    const tn_func *f = tn_program_func(p, "f");
    ck_assert_int_eq(tni_estimate_work(f) > TNI_COMPILE_WORK, n == N);
    must(tni_evaluate_func(NULL, f, (void *[]){x, by_code}, &error), error);
    must(tni_evaluate_interpreted(NULL, f, (void *[]){x, by_interpreter}, &error), error);
    ck_assert_mem_eq(by_code, by_interpreter, sizeof(float) * (size_t)(n * n));
    tn_program_destroy(p);
  }
}
END_TEST

/* ---- every kernel of a real model ------------------------------------------------------------------------------ */

enum { MAX_PARAMS = 16 };

typedef struct arguments {
  int64_t shapes[MAX_PARAMS][TN_MAX_RANK];
  DLTensor tensors[MAX_PARAMS];
  tn_value values[MAX_PARAMS];
  size_t bytes[MAX_PARAMS];
} arguments;

static void make_arguments(const tn_func *f, arguments *a) {
  ck_assert_uint_le(f->param_count, MAX_PARAMS);
  for (uint32_t i = 0; i < f->param_count; i++) {
    const tn_buffer *b = f->params[i].buffer;
    int64_t count = 1;
    for (int32_t d = 0; d < b->rank; d++) count *= a->shapes[i][d] = b->shape[d]->as.i;
    a->bytes[i] = (size_t)count * tn_type_bytes(b->type);
    a->tensors[i] = view(b->type, b->rank, a->shapes[i], aligned_alloc(64, (a->bytes[i] + 64) / 64 * 64));
    fill_random(b->type, a->tensors[i].data, count, i + 1);
    a->values[i] = tn_value_tensor(&a->tensors[i]);
  }
}

static void free_arguments(const tn_func *f, arguments *a) {
  for (uint32_t i = 0; i < f->param_count; i++) free(a->tensors[i].data);
}

/* The functions of a model as text, with or without the default schedules, as a program. */
static tn_program *emit_functions(const tn_program *p, uint8_t keep_schedules) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .keep_schedules = keep_schedules};
  char *text;
  size_t size;
  must(tn_program_emit(p, &desc, "tensor", &text, &size, &error), error);
  tn_program *out = session_parse(ctx, text);
  tn_text_destroy(text);
  return out;
}

static void same_results(const tn_func *f, const arguments *a, const arguments *b, const char *who) {
  for (uint32_t i = 0; i < f->param_count; i++)
    ck_assert_msg(memcmp(a->tensors[i].data, b->tensors[i].data, a->bytes[i]) == 0, "%s: %s differs (parameter %u)",
                  f->name, who, i);
}

/* One function, unscheduled in the interpreter, against: compiled with the default schedule; that schedule's text
 * parsed again, compiled as it is. */
static void check_function(const tn_func *f, const tn_module *by_default, const tn_module *as_written) {
  arguments want, have;
  make_arguments(f, &want);
  must(tn_func_interpret(f, want.values, f->param_count, &error), error);
  const tn_module *modules[] = {by_default, as_written};
  for (int i = 0; i < 2; i++) {
    make_arguments(f, &have);
    must(tn_function_call(session_function(modules[i], f->name), have.values, f->param_count, NULL, &error), error);
    same_results(f, &want, &have, i ? "the scheduled text compiled" : "compiled");
    free_arguments(f, &have);
  }
  free_arguments(f, &want);
}

START_TEST(every_kernel_of_fashion_agrees_with_the_interpreter)
{
  const tn_dim dim = {"n", 1};
  tn_import_desc desc = {.struct_size = sizeof desc, .dim_count = 1, .dims = &dim};
  tn_compile_desc keep = {.struct_size = sizeof keep, .keep_schedules = 1};
  must(tn_onnx_load(ctx, source_path("examples/models/fashion_resnet8.onnx"), &desc, &program, &error), error);
  tn_program *plain = emit_functions(program, 1), *scheduled = emit_functions(program, 0);
  tn_module *by_default = session_compile(plain, NULL), *as_written = session_compile(scheduled, &keep);
  size_t count = tn_program_func_count(plain);
  ck_assert_uint_ge(count, 8);
  ck_assert_uint_eq(tn_program_func_count(scheduled), count);
  for (size_t i = 0; i < count; i++) {
    const tn_func *f = tn_program_func_at(plain, i);
    ck_assert(!f->scheduled);
    ck_assert(tn_program_func(scheduled, f->name)->scheduled);
    check_function(f, by_default, as_written);
  }
  tn_module_destroy(by_default);
  tn_module_destroy(as_written);
  tn_program_destroy(plain);
  tn_program_destroy(scheduled);
}
END_TEST

/* ---- what a step costs ----------------------------------------------------------------------------------------- */

/* A chain of `count` products of one element: as many steps, of next to no work. */
static bytes chain(int count) {
  static const float two = 1.25f;
  static const int64_t one[] = {1, 1};
  bytes g = {0};
  for (int i = 0; i < count; i++) {
    char in[32], out[16];
    snprintf(in, sizeof in, "v%d w", i);
    snprintf(out, sizeof out, "v%d", i + 1);
    add_node(&g, node("MatMul", out, in, out));
  }
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, one, &two, 4));
  add_input(&g, "v0", 2, one);
  char last[16];
  snprintf(last, sizeof last, "v%d", count);
  add_output(&g, last);
  return g;
}

/* Nanoseconds of one run: the best of several rounds. */
static double time_of(const tn_model *m) {
  enum { ROUNDS = 20, RUNS = 200 };
  int64_t shape[] = {1, 1};
  float x = 1, y;
  DLTensor in = view(TN_F32, 2, shape, &x), out = view(TN_F32, 2, shape, &y);
  double best = 1e9;
  tn_status status = TN_OK;
  for (int round = 0; round < ROUNDS; round++) {
    double start = tni_seconds(ctx);
    for (int i = 0; i < RUNS; i++) status |= run_one(m, &in, &out);
    double now = (tni_seconds(ctx) - start) / RUNS * 1e9;
    best = now < best ? now : best;
  }
  ck_assert_int_eq(status, TN_OK);
  return best;
}

START_TEST(steps_are_counted_and_cheap)
{
  double ns[2];
  for (int i = 0; i < 2; i++) {
    int count = i ? 300 : 100;
    const tn_model *m = compile_graph(chain(count));
    ck_assert_uint_eq(tn_model_step_count(m), count);
    ck_assert_uint_eq(tn_program_func_count(module->work), 1); /* equal functions are one */
    ns[i] = time_of(m);
    tn_module_destroy(module);
    tn_program_destroy(program);
    module = NULL;
    program = NULL;
  }
  printf("a step, with its kernel of one multiply-add: %.1f ns; a run without steps: %.1f ns\n", (ns[1] - ns[0]) / 200,
         ns[0] - (ns[1] - ns[0]) / 2);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {a_model_runs,
                                a_model_tells_what_it_takes,
                                a_wrong_count_is_refused,
                                wrong_tensors_are_refused,
                                any_value_may_be_an_output,
                                a_model_of_many_inputs,
                                a_model_without_elements,
                                a_module_outlives_its_program,
                                the_hosts_failure_ends_a_run,
                                products_of_constants_are_folded,
                                constants_of_any_size_are_folded,
                                large_functions_are_evaluated_as_small_ones,
                                every_kernel_of_fashion_agrees_with_the_interpreter,
                                steps_are_counted_and_cheap};
  return suite_run_tests("model", tests, TNI_COUNT(tests), open_context, close_context);
}
