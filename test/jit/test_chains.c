/* test_chains.c -- windows in one function with the products that take them give what they do apart, bit for bit.
 *
 * The same network is compiled twice: as it is, and with what stands between as a result of its own, which keeps the two
 * apart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/onnx_writer.h"
#include "session.h"

enum { PICTURES = 2, ROWS = 24, COLUMNS = 28, C = 16, M = 24, PIXELS = PICTURES * ROWS * COLUMNS };

static int64_t x_shape[] = {PICTURES, ROWS, COLUMNS, C}, y_shape[] = {PICTURES, ROWS, COLUMNS, M},
               z_shape[] = {PICTURES, ROWS, COLUMNS, C};
static float x[PIXELS * C], y[2][PIXELS * M], z[PIXELS * C];

static void fill(float *to, size_t count, int seed) {
  for (size_t i = 0; i < count; i++) to[i] = (float)(((int)i + seed) * 7919 % 1009 - 504) / 512;
}

static void add_numbers(bytes *g, const char *name, int seed, size_t rank, const int64_t *shape) {
  static float data[M * C * 9];
  size_t count = 1;
  for (size_t d = 0; d < rank; d++) count *= (size_t)shape[d];
  fill(data, count, seed);
  add_weight(g, tensor_raw(name, ONNX_FLOAT, rank, shape, data, count * sizeof *data));
}

static void add_transpose(bytes *g, const char *input, const char *output, const int64_t perm[4]) {
  bytes n = node("Transpose", output, input, output);
  attr_ints(&n, "perm", 4, perm);
  add_node(g, n);
}

/* A window of each channel, what is pointwise behind it, a product of each pixel. */
static bytes network(const char *window_op, bool shown) {
  bool conv = strcmp(window_op, "Conv") == 0;
  bytes g = {0}, of_channels = window(window_op, conv ? "p w v" : "p", "c", 3, 1, 1);
  if (conv) attr_int(&of_channels, "group", C);
  add_transpose(&g, "x", "p", (int64_t[]){0, 3, 1, 2});
  add_node(&g, of_channels);
  add_node(&g, node("Sigmoid", "gate", "c", "s"));
  add_node(&g, node("Mul", "silu", "c s", "r"));
  add_node(&g, window("Conv", "r u b", "q", 1, 1, 0));
  add_node(&g, node("Relu", "end", "q", "y0"));
  add_transpose(&g, "y0", "y", (int64_t[]){0, 2, 3, 1});
  if (conv) add_numbers(&g, "w", 1, 4, (int64_t[]){C, 1, 3, 3});
  if (conv) add_numbers(&g, "v", 2, 1, (int64_t[]){C});
  add_numbers(&g, "u", 3, 4, (int64_t[]){M, C, 1, 1});
  add_numbers(&g, "b", 4, 1, (int64_t[]){M});
  add_input(&g, "x", 4, x_shape);
  add_output(&g, "y");
  if (shown) add_transpose(&g, "r", "z", (int64_t[]){0, 2, 3, 1});
  if (shown) add_output(&g, "z");
  return g;
}

/* How many steps the network has, whose result is `to`. */
static uint32_t run_network(int threads, const char *window_op, bool shown, float *to) {
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = threads}};
  tn_context *ctx;
  tn_error *error = NULL;
  tn_program *program;
  const tn_model *m;
  bytes file = model(13, network(window_op, shown));
  must(tn_context_create(&desc, &ctx, &error), error);
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
  tn_module *module = session_compile(program, NULL);
  must(tn_module_model(module, "main", &m, &error), error);
  DLTensor in = view(TN_F32, 4, x_shape, x), out = view(TN_F32, 4, y_shape, to), between = view(TN_F32, 4, z_shape, z);
  const DLTensor *ins[] = {&in}, *outs[] = {&out, &between};
  must(tn_model_run(m, ins, 1, outs, shown ? 2 : 1, &error), error);
  uint32_t steps = (uint32_t)tn_model_step_count(m);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  return steps;
}

START_TEST(windows_and_products_are_one_step)
{
  static const char *const windows[] = {"Conv", "MaxPool", "AveragePool"};
  fill(x, PIXELS * C, 5);
  for (int threads = 1; threads <= 2; threads++)
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
      ck_assert_uint_eq(run_network(threads, windows[i], false, y[0]), 1);
      ck_assert_uint_ge(run_network(threads, windows[i], true, y[1]), 2);
      ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
    }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("chains");
  TCase *tcase = tcase_create("chains");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, windows_and_products_are_one_step);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
