/* test_flow_shapes.c -- models whose shapes are known only while they run: every run has those that its inputs ask for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "flow.h"

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

/* y = reshape(relu(x), s), s an input */
static bytes reshaping(void) {
  static const int64_t six = 6;
  bytes g = {0};
  add_node(&g, node("Relu", "r", "x", "p"));
  add_node(&g, node("Reshape", "n", "p s", "y"));
  add_input(&g, "x", 1, &six);
  put_message(&g, 11, value_info("s", ONNX_INT64, 1, &two));
  add_output(&g, "y");
  return model(13, g);
}

static const float six_in[] = {-1, 2, 3, -4, 5, 6}, six_out[] = {0, 2, 3, 0, 5, 6};

static void reshape_to(const tn_module *module, int64_t a, int64_t b) {
  static const int64_t six = 6;
  const int64_t shape[] = {a, b};
  const DLTensor in[] = {tensor(TN_F32, 1, &six, six_in), tensor(TN_I64, 1, &two, shape)};
  gives(module, 2, in, 2, shape, six_out);
}

START_TEST(a_shape_is_an_input)
{
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, reshaping());
  for (int round = 0; round < 2; round++) {
    reshape_to(module, 2, 3);
    reshape_to(module, 6, 1);
    reshape_to(module, 3, 2);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

static void *reshape_often(void *module) {
  static const int64_t sides[] = {1, 2, 3, 6};
  for (int i = 0; i < 40; i++) reshape_to(module, sides[i % 4], 6 / sides[i % 4]);
  return NULL;
}

START_TEST(threads_run_one_model)
{
  pthread_t threads[3];
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, reshaping());
  for (int i = 0; i < 3; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, reshape_often, module), 0);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(more_shapes_than_are_kept)
{
  static const float zeros[300];
  bytes g = {0};
  tn_context *ctx = session_open();
  add_node(&g, node("Identity", "n", "x", "y"));
  add_input(&g, "x", 1, open_list);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  for (int64_t n = 1; n <= 300; n++) {
    const DLTensor in = tensor(TN_F32, 1, &n, zeros);
    gives(module, 1, &in, 1, &n, zeros);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* y = x transposed(w), n rows of n weights, of as many rows as x has */
static bytes product(int64_t n, const float *w) {
  const int64_t square[] = {n, n}, open[] = {-1, n};
  bytes g = {0}, gemm = node("Gemm", "n", "x w", "y");
  attr_int(&gemm, "transB", 1);
  add_node(&g, gemm);
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, square, w, (size_t)(n * n) * sizeof *w));
  add_input(&g, "x", 2, open);
  add_output(&g, "y");
  return model(13, g);
}

/* A second shape has kernels of its own; the weights, transposed and in panels, are those of the first. */
START_TEST(shapes_share_weights)
{
  enum { N = 512 };
  static float w[N * N], x[2 * N], want[2 * N];
  fault f = {.fail_at = 0};
  tn_context *ctx = fault_context(&f);
  for (int i = 0; i < 2 * N; i++) x[i] = (float)(i % 5);
  for (int i = 0; i < N * N; i++) w[i] = (float)(i % 7);
  for (int i = 0; i < 2 * N; i++)
    for (int k = 0; k < N; k++) want[i] += x[i / N * N + k] * w[i % N * N + k];
  tn_module *module = compile(ctx, product(N, w));
  for (int64_t rows = 1; rows <= 2; rows++) {
    const int64_t shape[] = {rows, N};
    const DLTensor in = tensor(TN_F32, 2, shape, x);
    long start = f.bytes;
    gives(module, 1, &in, 2, shape, want);
    if (rows == 2) ck_assert_int_lt(f.bytes - start, (long)sizeof w / 2);
    if (rows == 1) ck_assert_int_ge(f.bytes - start, 2 * (long)sizeof w);
  }
  tn_module_destroy(module);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(open_dimensions_are_those_of_the_inputs)
{
  static const int64_t open[] = {-1, 2};
  static const float values[] = {1, 2, 3, 4, 5, 6}, sums[] = {3, 7, 11};
  bytes g = {0}, n = node("ReduceSum", "n", "x axes", "y");
  tn_tensor_info info;
  tn_context *ctx = session_open();
  attr_int(&n, "keepdims", 0);
  add_node(&g, n);
  add_weight(&g, tensor_ints("axes", 1, &one));
  add_input(&g, "x", 2, open);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  tn_model_input(model_of(module), 0, &info);
  ck_assert_int_eq(info.rank, 2);
  ck_assert_int_eq(info.shape[0], -1);
  ck_assert_int_eq(info.shape[1], 2);
  tn_model_output(model_of(module), 0, &info);
  ck_assert_int_eq(info.rank, -1);
  for (int64_t rows = 1; rows <= 3; rows++) {
    const int64_t shape[] = {rows, 2};
    const DLTensor in = tensor(TN_F32, 2, shape, values);
    gives(module, 1, &in, 1, &rows, sums);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- shapes that depend on contents ------------------------------------------------------------------------------ */

/* y = relu(compress(x, c)) */
START_TEST(as_many_as_the_condition_says)
{
  static const float x[] = {1, -2, 3, 4, 5, -6};
  static const int64_t shape[] = {2, 3}, three = 3;
  static const struct {
    uint8_t keep[3];
    int64_t count;
    float want[6];
  } rows[] = {
      {{1, 0, 1}, 2, {1, 3, 4, 0}}, {{0, 0, 0}, 0, {0}}, {{1, 1, 1}, 3, {1, 0, 3, 4, 5, 0}}, {{0, 1, 0}, 1, {0, 5}}};
  bytes g = {0}, n = node("Compress", "n", "x c", "p");
  attr_int(&n, "axis", -1);
  add_node(&g, n);
  add_node(&g, node("Relu", "r", "p", "y"));
  add_input(&g, "x", 2, shape);
  put_message(&g, 11, value_info("c", ONNX_BOOL, 1, &three));
  add_output(&g, "y");
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, model(13, g));
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    const DLTensor in[] = {tensor(TN_F32, 2, shape, x), tensor(TN_BOOL, 1, &three, rows[i].keep)};
    const int64_t want[] = {2, rows[i].count};
    gives(module, 2, in, 2, want, rows[i].want);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

enum { ROWS = 500 };

/* The rows (two numbers each) sorted, one of each. */
static int64_t sort_out(const float *x, float *out) {
  int64_t count = 0;
  for (int i = 0; i < ROWS; i++) {
    int64_t at = 0;
    const float *r = &x[2 * i];
    while (at < count && (out[2 * at] < r[0] || (out[2 * at] == r[0] && out[2 * at + 1] < r[1]))) at++;
    if (at < count && out[2 * at] == r[0] && out[2 * at + 1] == r[1]) continue;
    memmove(&out[2 * at + 2], &out[2 * at], (size_t)(count - at) * 2 * sizeof *out);
    memcpy(&out[2 * at], r, 2 * sizeof *out);
    count++;
  }
  return count;
}

START_TEST(one_of_each_row)
{
  static float x[2 * ROWS], want[2 * ROWS];
  static const int64_t shape[] = {ROWS, 2};
  bytes g = {0}, n = node("Unique", "n", "x", "y");
  attr_int(&n, "axis", 0);
  add_node(&g, n);
  add_input(&g, "x", 2, shape);
  add_output(&g, "y");
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, model(11, g));
  uint32_t seed = 1;
  for (int range = 2; range <= 64; range *= 4) {
    for (int i = 0; i < 2 * ROWS; i++) {
      seed = seed * 1664525 + 1013904223;
      x[i] = (float)((seed >> 16) % (uint32_t)range);
    }
    const int64_t out[] = {sort_out(x, want), 2};
    const DLTensor in = tensor(TN_F32, 2, shape, x);
    gives(module, 1, &in, 2, out, want);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(of_nothing_nothing_is_picked)
{
  static const struct {
    const char *nodes;
    int32_t rank;
    int64_t shape[2];
  } rows[] = {{"Unique x > y", 1, {0}}, {"NonZero x > y", 2, {1, 0}}, {"Compress x c > y", 1, {0}},
              {"Unique x > p first inverse counts; Gather p inverse > y", 1, {0}}};
  static const int64_t zero = 0;
  const DLTensor in[] = {tensor(TN_F32, 1, &zero, NULL), tensor(TN_BOOL, 1, &zero, NULL)};
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    bytes g = {0};
    add_nodes(&g, rows[i].nodes);
    add_input(&g, "x", 1, open_list);
    put_message(&g, 11, value_info("c", ONNX_BOOL, 1, open_list));
    add_output(&g, "y");
    tn_context *ctx = session_open();
    tn_module *module = compile(ctx, model(13, g));
    gives(module, 2, in, rows[i].rank, rows[i].shape, NULL);
    tn_module_destroy(module);
    tn_context_destroy(ctx);
  }
}
END_TEST

/* ---- failures ---------------------------------------------------------------------------------------------------- */

START_TEST(what_a_run_is_told)
{
  static const int64_t six = 6, five[] = {5, 1}, three[] = {3, 2}, seven = 7;
  float out[6];
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_module *module = compile(ctx, reshaping());
  const tn_model *model = model_of(module);
  DLTensor x = tensor(TN_F32, 1, &six, six_in), s = tensor(TN_I64, 1, &two, five), y = tensor(TN_F32, 2, three, out),
           long_x = tensor(TN_F32, 1, &seven, six_in);
  const DLTensor *in[] = {&x, &s}, *too_long[] = {&long_x, &s}, *none[] = {&x, NULL}, *outputs[] = {&y};
  tn_tensor *made;
  refused(tn_model_call(model, in, 2, &made, 1, &error), error, TN_E_INVALID,
          "import: n: reshape: the new shape does not have the same number of elements");
  ck_assert_ptr_null(made);
  refused(tn_model_call(model, too_long, 2, &made, 1, &error), error, TN_E_INVALID,
          "call: input `x`: is f32[7], not f32[6]");
  refused(tn_model_call(model, none, 2, &made, 1, &error), error, TN_E_INVALID, "call: s: no tensor was given");
  refused(tn_model_call(model, in, 1, &made, 1, &error), error, TN_E_INVALID,
          "call: main: 1 inputs were given, the model has 2");
  s.data = (void *)three;
  must(tn_model_run(model, in, 2, outputs, 1, &error), error);
  ck_assert_mem_eq(out, six_out, sizeof out);
  s.data = (int64_t[]){2, 3};
  refused(tn_model_run(model, in, 2, outputs, 1, &error), error, TN_E_INVALID,
          "call: output `y`: is f32[3, 2], not f32[2, 3]");
  outputs[0] = NULL;
  refused(tn_model_run(model, in, 2, outputs, 1, &error), error, TN_E_INVALID, "call: y: no tensor was given");
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(there_is_no_text)
{
  const tn_import_desc desc = {.struct_size = sizeof desc};
  bytes m = reshaping();
  tn_program *program;
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  char *text;
  size_t size;
  must(tn_onnx_import(ctx, m.data, m.size, &desc, &program, &error), error);
  refused(tn_program_print(program, &text, &error), error, TN_E_UNSUPPORTED,
          "build: main: the model's shapes are known only while it runs: there is no text of it");
  refused(tn_program_emit(program, NULL, "plan", &text, &size, &error), error, TN_E_UNSUPPORTED,
          "build: main: the model's shapes are known only while it runs: there is no text of it");
  free(m.data);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------------------------- */

enum { SIDE = 128 };

static tn_status call_product(const tn_model *model) {
  static const float x[SIDE];
  static const int64_t shape[] = {1, SIDE};
  const DLTensor in = tensor(TN_F32, 2, shape, x), *inputs[] = {&in};
  tn_tensor *out;
  tn_status status = tn_model_call(model, inputs, 1, &out, 1, NULL);
  tn_tensor_destroy(out);
  return status;
}

/* With weights that are transposed and laid out. */
START_TEST(any_allocation_may_fail)
{
  static const float w[SIDE * SIDE];
  fail_each_once(product(SIDE, w), call_product);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {a_shape_is_an_input,
                                threads_run_one_model,
                                more_shapes_than_are_kept,
                                shapes_share_weights,
                                open_dimensions_are_those_of_the_inputs,
                                as_many_as_the_condition_says,
                                one_of_each_row,
                                of_nothing_nothing_is_picked,
                                what_a_run_is_told,
                                there_is_no_text,
                                any_allocation_may_fail};
  return suite_run_tests("flow_shapes", tests, TNI_COUNT(tests), NULL, NULL);
}
