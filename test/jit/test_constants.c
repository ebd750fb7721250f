/* test_constants.c -- what a module keeps of the weights of its program: those that its kernels read, once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

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

/* ---- weights that are turned, or joined, by the network ---- */

enum { IN = 160, OUT = 192, WIDE = 1100, PIXELS = 28, MOST = WIDE * WIDE };

/* How the network has its weights: from two halves, each a part of what `whole` says. */
typedef struct moved {
  const char *op;   /* that reads them */
  const char *nodes; /* "t": turned; "j": joined; "tj": joined of turned ones; "s": read by two products */
  int64_t axis;
  int rank;
  int64_t half[4]; /* shape */
  float first;     /* number of the second half, if not 0 */
} moved;

static const moved kinds[] = {
    {"MatMul", "t", 0, 2, {OUT, IN}, 0},          {"MatMul", "t", 0, 2, {3, IN * OUT}, 0},
    {"MatMul", "j", 1, 2, {IN, OUT}, 0},          {"MatMul", "j", 0, 2, {IN, OUT}, 0},
    {"MatMul", "j", 1, 2, {IN, OUT + 5}, 0},      {"MatMul", "tj", 1, 2, {OUT, IN}, 0},
    {"MatMul", "tj", 0, 2, {OUT, IN}, 0},         {"MatMul", "s", 0, 2, {OUT, IN}, 0},
    {"Conv", "j", 0, 4, {WIDE / 2, WIDE, 1, 1}, 0}, {"Conv", "j", 0, 4, {WIDE / 2 - 3, WIDE, 1, 1}, 0},
    {"Conv", "j", 1, 4, {WIDE, WIDE / 2, 1, 1}, 0}, {"Conv", "j", 0, 4, {96, 96, 3, 3}, 0},
    {"Conv", "j", 0, 4, {96, 96, 1, 9}, 0},         {"Conv", "j", 0, 4, {96, 96, 1, 9}, INFINITY},
};

static float half[2][MOST], image[MOST], made[2][MOST];

static int64_t numel(int rank, const int64_t *shape) {
  int64_t count = 1;
  for (int i = 0; i < rank; i++) count *= shape[i];
  return count;
}

/* The names of the weights, whose nodes are added. `joins`: axis of the concatenation, or -1. */
static void add_weights(bytes *g, const moved *k) {
  const char *names[] = {"w0", "w1"}, *turned[] = {"t0", "t1"};
  bool turns = strchr(k->nodes, 't') || strchr(k->nodes, 's'), joins = strchr(k->nodes, 'j');
  for (int i = 0; i < 1 + joins; i++) {
    add_weight(g, tensor_raw(names[i], ONNX_FLOAT, k->rank, k->half, half[i], (size_t)numel(k->rank, k->half) * 4));
    if (turns) add_node(g, node("Transpose", turned[i], names[i], joins ? turned[i] : "w"));
  }
  if (!joins) return;
  bytes join = node("Concat", "join", turns ? "t0 t1" : "w0 w1", "w");
  attr_int(&join, "axis", k->axis);
  add_node(g, join);
}

/* With `late` weights wait; else a third reader, an output, has them moved at once. */
static bytes moved_network(const moved *k, bool late, int64_t *in, int64_t *count) {
  bytes g = {0}, product = node(k->op, "product", "x w", "y");
  bool conv = k->rank == 4;
  add_weights(&g, k);
  if (conv) attr_ints(&product, "pads", 4, (int64_t[]){0, k->half[3] / 2, 0, k->half[3] / 2});
  add_node(&g, product);
  if (!late) add_node(&g, node("Sqrt", "reader", "w", "z"));
  if (strchr(k->nodes, 's')) add_node(&g, node("MatMul", "again", "x w", "y2"));
  bool turns = strchr(k->nodes, 't') || strchr(k->nodes, 's');
  bool along = strchr(k->nodes, 'j') && k->axis == (conv ? 1 : 0);
  in[0] = conv ? 1 : ROWS;
  in[1] = conv ? k->half[1] * (1 + along) : k->half[turns ? 1 : 0] * (1 + along);
  in[2] = in[3] = PIXELS;
  add_input(&g, "x", k->rank, in);
  add_output(&g, "y");
  if (!late) add_output(&g, "z");
  if (strchr(k->nodes, 's')) add_output(&g, "y2");
  *count = numel(k->rank, in);
  return model(13, g);
}

static int64_t run_moved(const moved *k, bool late, float *out) {
  int64_t in[4], count, size = 0;
  bytes file = moved_network(k, late, in, &count);
  tn_program *program;
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
  tn_module *module = session_compile(program, NULL);
  tn_program_destroy(program);
  const tn_model *m;
  must(tn_module_model(module, "main", &m, &error), error);
  DLTensor x = view(TN_F32, k->rank, in, image);
  const DLTensor *ins[] = {&x};
  tn_tensor *outs[3];
  size_t outputs = tn_model_output_count(m);
  must(tn_model_call(m, ins, 1, outs, outputs, &error), error);
  for (size_t i = 0; i < outputs; i++) {
    tn_tensor_info info;
    tn_model_output(m, i, &info);
    if (info.name[0] == 'y') {
      memcpy(out + size, tn_tensor_view(outs[i])->data, (size_t)numel(info.rank, info.shape) * sizeof *out);
      size += numel(info.rank, info.shape);
    }
    tn_tensor_destroy(outs[i]);
  }
  tn_module_destroy(module);
  return size;
}

/* The same bits as of weights that have their place when products are laid out. */
START_TEST(moved_weights_are_the_same)
{
  for (int64_t i = 0; i < MOST; i++) image[i] = number(i + 11);
  for (size_t k = 0; k < TNI_COUNT(kinds); k++) {
    for (int64_t i = 0; i < MOST; i++) half[0][i] = number(i), half[1][i] = number(i * 3 + 1);
    if (kinds[k].first != 0) half[1][0] = kinds[k].first;
    int64_t count = run_moved(&kinds[k], true, made[0]);
    ck_assert_int_gt(count, 0);
    ck_assert_int_eq(count, run_moved(&kinds[k], false, made[1]));
    ck_assert_msg(memcmp(made[0], made[1], (size_t)count * sizeof **made) == 0, "kind %zu differs", k);
  }
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
  const TTest *const tests[] = {packed_weights_are_there_once, large_weights_stay_in_the_file, moved_weights_are_the_same, a_program_may_be_compiled_again,
                                constants_that_the_text_shows};
  return suite_run_tests("constants", tests, TNI_COUNT(tests), open_context, close_context);
}
