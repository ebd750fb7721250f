/* test_constants.c -- what a module keeps of the weights of its program: those that its kernels read, once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/onnx_writer.h"
#include "session.h"

enum { K = 512, N = 1024, ROWS = 3, WEIGHT = K * N * 4, SMALL = 1 << 20 };

static fault memory;
static tn_context *ctx;
static tn_error *error;

static void open_context(void) {
  memory = (fault){0};
  ctx = fault_context(&memory);
}

static void close_context(void) {
  tn_context_destroy(ctx);
  ck_assert_int_eq(memory.bytes, 0);
}

static float number(int64_t i) { return (float)(i * 7919 % 1009 - 504) / 512; }

static float weights[K * N], bias[N], x[ROWS * K], y[ROWS * N];

/* y = x w + v; `transposed`: w lies in the file the other way round. The name has its part in where w lies. */
static bytes network_called(const char *name, bool transposed) {
  bytes g = {0}, product = node("Gemm", name, "x w v", "y");
  for (int i = 0; i < K * N; i++) weights[i] = number(i);
  for (int i = 0; i < N; i++) bias[i] = number(i + 5);
  for (int i = 0; i < ROWS * K; i++) x[i] = number(3 * i);
  attr_int(&product, "transB", transposed);
  add_node(&g, product);
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, transposed ? (int64_t[]){N, K} : (int64_t[]){K, N}, weights, WEIGHT));
  add_weight(&g, tensor_raw("v", ONNX_FLOAT, 1, (int64_t[]){N}, bias, sizeof bias));
  add_input(&g, "x", 2, (int64_t[]){ROWS, K});
  add_output(&g, "y");
  return model(13, g);
}

static bytes network(bool transposed) { return network_called("product", transposed); }

static void check_results(const tn_module *module, bool transposed) {
  const tn_model *m;
  must(tn_module_model(module, "main", &m, &error), error);
  DLTensor in = view(TN_F32, 2, (int64_t[]){ROWS, K}, x), out = view(TN_F32, 2, (int64_t[]){ROWS, N}, y);
  const DLTensor *ins[] = {&in}, *outs[] = {&out};
  must(tn_model_run(m, ins, 1, outs, 1, &error), error);
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < N; j++) {
      double sum = bias[j];
      for (int k = 0; k < K; k++) sum += (double)x[i * K + k] * weights[transposed ? j * K + k : k * N + j];
      ck_assert_double_eq_tol(y[i * N + j], sum, 1e-3);
    }
}

/* The weights are stored in panels; those of the file go with the program. */
START_TEST(packed_weights_are_there_once)
{
  for (int transposed = 0; transposed < 2; transposed++) {
    bytes file = network(transposed);
    tn_program *program;
    must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
    free(file.data);
    tn_module *module = session_compile(program, NULL);
    ck_assert_int_ge(memory.bytes, 2 * WEIGHT);
    tn_program_destroy(program);
    ck_assert_int_lt(memory.bytes, WEIGHT + SMALL);
    check_results(module, transposed);
    tn_module_destroy(module);
  }
}
END_TEST

/* Wherever they lie: import copies none, a compilation what is not aligned. */
START_TEST(large_weights_stay_in_the_file)
{
  static const char *const names[] = {"p", "pr", "pro", "prod"};
  int loose = 0;
  for (size_t i = 0; i < TNI_COUNT(names); i++) {
    bytes file = network_called(names[i], i % 2);
    tn_program *program;
    must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
    ck_assert_int_lt(memory.bytes, (int64_t)file.size + SMALL);
    free(file.data);
    const tn_graph *g = program->graphs[0];
    for (uint32_t k = 0; k < g->value_count; k++) loose += tni_gvalue_is_loose(&g->values[k]);
    for (int round = 0; round < 2; round++) {
      tn_module *module = session_compile(program, NULL);
      check_results(module, i % 2);
      tn_module_destroy(module);
    }
    tn_program_destroy(program);
  }
  ck_assert_int_eq(loose, 3);
}
END_TEST

/* Two modules of one program have weights of their own, and the program's are as they were. */
START_TEST(a_program_may_be_compiled_again)
{
  bytes file = network(false);
  tn_program *program;
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
  tn_module *first = session_compile(program, NULL), *second = session_compile(program, NULL);
  check_results(first, false);
  tn_module_destroy(first);
  check_results(second, false);
  tn_module_destroy(second);
  second = session_compile(program, NULL);
  tn_program_destroy(program);
  check_results(second, false);
  tn_module_destroy(second);
}
END_TEST

/* An output that is a constant; another one that nobody reads. */
START_TEST(constants_that_the_text_shows)
{
  const char *text = "graph one(x: f32[4]) -> (y, c) {\n"
                     "  const c: f32[4] = [1.0, 2.0, 3.0, 4.0]\n"
                     "  const d: f32[4] = [9.0, 9.0, 9.0, 9.0]\n"
                     "  y: f32[4] = add(x, c)\n"
                     "}\n";
  tn_program *program = session_parse(ctx, text);
  tn_module *module = session_compile(program, NULL);
  tn_program_destroy(program);
  const tn_model *m;
  float in[] = {10, 20, 30, 40}, sum[4], c[4];
  must(tn_module_model(module, "one", &m, &error), error);
  DLTensor a = view(TN_F32, 1, (int64_t[]){4}, in), b = view(TN_F32, 1, (int64_t[]){4}, sum),
           d = view(TN_F32, 1, (int64_t[]){4}, c);
  const DLTensor *ins[] = {&a}, *outs[] = {&b, &d};
  must(tn_model_run(m, ins, 1, outs, 2, &error), error);
  for (int i = 0; i < 4; i++) {
    ck_assert_float_eq(c[i], (float)(i + 1));
    ck_assert_float_eq(sum[i], in[i] + c[i]);
  }
  tn_module_destroy(module);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {packed_weights_are_there_once, large_weights_stay_in_the_file, a_program_may_be_compiled_again,
                                constants_that_the_text_shows};
  return suite_run_tests("constants", tests, TNI_COUNT(tests), open_context, close_context);
}
