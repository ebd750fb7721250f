/* test_products.c -- products in compiled models: constant operands in panels, which models share; integers; pictures as rows of
 * pixels; rows that are normalized where they are multiplied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "opened.h"

/* y = x w, in small integers, which stay exact in any order. */
static void check_product(int64_t m, int64_t k, int64_t n) {
  float *x = calloc((size_t)(m * k), 4), *w = calloc((size_t)(k * n), 4), *y = calloc((size_t)(m * n), 4);
  for (int64_t i = 0; i < m * k; i++) x[i] = (float)(i % 7 - 3);
  for (int64_t i = 0; i < k * n; i++) w[i] = (float)(i % 11 - 5);
  bytes g = {0};
  add_node(&g, node("MatMul", "product", "x w", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, (int64_t[]){k, n}, w, sizeof(float) * (size_t)(k * n)));
  add_input(&g, "x", 2, (int64_t[]){m, k});
  add_output(&g, "y");
  const tn_model *run = compile_graph(g);
  char *text;
  size_t size;
  must(tn_program_emit(program, NULL, "tensor", &text, &size, &error), error);
  ck_assert_ptr_nonnull(strstr(text, "// ")); /* w[column // panel, k, column % panel] */
  tn_text_destroy(text);
  DLTensor in = view(TN_F32, 2, (int64_t[]){m, k}, x), out = view(TN_F32, 2, (int64_t[]){m, n}, y);
  must(run_one(run, &in, &out), error);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      float sum = 0;
      for (int64_t c = 0; c < k; c++) sum += x[i * k + c] * w[c * n + j];
      ck_assert_float_eq(y[i * n + j], sum);
    }
  free(x);
  free(w);
  free(y);
  tn_module_destroy(module);
  tn_program_destroy(program);
  module = NULL;
  program = NULL;
}

/* Weights larger than half the first cache are stored in panels. */
START_TEST(constant_operands_are_packed)
{
  static const int64_t sizes[][3] = {{1, 300, 200}, {2, 511, 129}, {7, 70, 1000}, {33, 65, 640}, {128, 200, 192}, {5, 2600, 17}};
  for (size_t i = 0; i < TNI_COUNT(sizes); i++) check_product(sizes[i][0], sizes[i][1], sizes[i][2]);
}
END_TEST

/* (x - a) (w - b) for zero points of each row and of each column: the product itself is of bytes. */
START_TEST(zero_points_are_taken_off_sums)
{
  enum { M = 5, K = 67, N = 33 };
  static const int64_t x_shape[] = {M, K}, w_shape[] = {K, N}, a_shape[] = {M, 1}, b_shape[] = {N};
  static uint8_t x[M * K], a[M];
  static int8_t w[K * N], b[N];
  static int32_t y[M * N];
  bytes g = {0};
  fill_random(TN_U8, x, M * K, 1);
  fill_random(TN_U8, a, M, 2);
  fill_random(TN_I8, w, K * N, 3);
  fill_random(TN_I8, b, N, 4);
  add_node(&g, node("MatMulInteger", "product", "x w a b", "y"));
  add_weight(&g, tensor_raw("w", ONNX_INT8, 2, w_shape, w, sizeof w));
  add_weight(&g, tensor_raw("a", ONNX_UINT8, 2, a_shape, a, sizeof a));
  add_weight(&g, tensor_raw("b", ONNX_INT8, 1, b_shape, b, sizeof b));
  put_message(&g, 11, value_info("x", ONNX_UINT8, 2, x_shape));
  add_output(&g, "y");
  const tn_model *run = compile_graph(g);
  char *text;
  size_t size;
  must(tn_program_emit(program, NULL, "tensor", &text, &size, &error), error);
  ck_assert_msg(strstr(text, "w: i8["), "the weights are not 8 bits:\n%s", text);
  tn_text_destroy(text);
  DLTensor in = view(TN_U8, 2, (int64_t *)x_shape, x), out = view(TN_I32, 2, (int64_t[]){M, N}, y);
  must(run_one(run, &in, &out), error);
  for (int i = 0; i < M * N; i++) {
    int32_t sum = 0;
    for (int c = 0; c < K; c++) sum += (x[i / N * K + c] - a[i / N]) * (w[c * N + i % N] - b[i % N]);
    ck_assert_int_eq(y[i], sum);
  }
}
END_TEST

/* y = (x - a) by (w - b) + bias, i32, over 11 x 9 pixels, of bytes that are all the largest ones or any. */
static void check_short_sums(int64_t in, int64_t out, int64_t groups, int64_t kernel, int64_t stride, uint8_t a, int8_t b,
                             bool largest) {
  enum { H = 11, W = 9 };
  int64_t own = in / groups, pad = kernel / 2, h = (H + 2 * pad - kernel) / stride + 1, w = (W + 2 * pad - kernel) / stride + 1;
  int64_t x_shape[] = {1, in, H, W}, w_shape[] = {out, own, kernel, kernel}, y_shape[] = {1, out, h, w};
  uint8_t *x = calloc((size_t)(in * H * W), 1), zero_x = a;
  int8_t *weight = calloc((size_t)(out * own * kernel * kernel), 1), zero_w = b;
  int32_t *y = calloc((size_t)(out * h * w), sizeof *y);
  fill_random(TN_U8, x, in * H * W, 1);
  fill_random(TN_I8, weight, out * own * kernel * kernel, 2);
  if (largest) memset(x, 255, (size_t)(in * H * W)), memset(weight, -128, (size_t)(out * own * kernel * kernel));
  bytes g = {0}, conv = node("ConvInteger", "conv", "x w a b", "y");
  attr_ints(&conv, "strides", 2, (int64_t[]){stride, stride});
  attr_ints(&conv, "pads", 4, (int64_t[]){pad, pad, pad, pad});
  attr_int(&conv, "group", groups);
  add_node(&g, conv);
  add_weight(&g, tensor_raw("w", ONNX_INT8, 4, w_shape, weight, (size_t)(out * own * kernel * kernel)));
  add_weight(&g, tensor_raw("a", ONNX_UINT8, 0, NULL, &zero_x, 1));
  add_weight(&g, tensor_raw("b", ONNX_INT8, 0, NULL, &zero_w, 1));
  put_message(&g, 11, value_info("x", ONNX_UINT8, 4, x_shape));
  add_output(&g, "y");
  const tn_model *run = compile_graph(g);
  DLTensor from = view(TN_U8, 4, x_shape, x), to = view(TN_I32, 4, y_shape, y);
  must(run_one(run, &from, &to), error);
  for (int64_t i = 0; i < out * h * w; i++) {
    int64_t m = i / (h * w), first = m / (out / groups) * own;
    int32_t sum = 0;
    for (int64_t k = 0; k < own * kernel * kernel; k++) {
      int64_t row = i / w % h * stride + k / kernel % kernel - pad, column = i % w * stride + k % kernel - pad;
      if (row < 0 || row >= H || column < 0 || column >= W) continue;
      sum += (x[((first + k / kernel / kernel) * H + row) * W + column] - a) * (weight[m * own * kernel * kernel + k] - b);
    }
    ck_assert_int_eq(y[i], sum);
  }
  free(x);
  free(weight);
  free(y);
  tn_module_destroy(module);
  tn_program_destroy(program);
  module = NULL;
  program = NULL;
}

/* Of few channels and taps sums are exact in f32, up to 2^24; of more they are of integers. */
START_TEST(sums_of_few_bytes_are_exact)
{
  static const int64_t sizes[][5] = {{3, 16, 1, 7, 2}, {1, 5, 1, 3, 1},   {2, 33, 1, 5, 1}, {32, 32, 32, 3, 1},
                                     {7, 7, 7, 5, 2},  {16, 32, 8, 3, 1}, {3, 4, 1, 21, 1}, {64, 8, 2, 5, 1}};
  static const struct {
    uint8_t a;
    int8_t b;
  } zeros[] = {{0, 0}, {128, 0}, {255, 127}};
  for (size_t i = 0; i < TNI_COUNT(sizes); i++)
    for (size_t z = 0; z < TNI_COUNT(zeros); z++)
      for (int largest = 0; largest < 2; largest++)
        check_short_sums(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], sizes[i][4], zeros[z].a, zeros[z].b, largest);
}
END_TEST

/* Two products have the same weights, and a value of the model has the name that these would get in panels. */
START_TEST(packed_operands_are_shared)
{
  enum { M = 3, K = 300, N = 200 };
  static const int64_t form[] = {K, N}, in_shape[] = {M, K}, out_shape[] = {M, N};
  static float x[M * K], w[K * N], y[M * N];
  bytes g = {0};
  for (int i = 0; i < M * K; i++) x[i] = (float)(i % 7 - 3);
  for (int i = 0; i < K * N; i++) w[i] = (float)(i % 11 - 5);
  add_node(&g, node("MatMul", "first", "x w", "a"));
  add_node(&g, node("Neg", "minus", "x", "w.panels"));
  add_node(&g, node("MatMul", "second", "w.panels w", "b"));
  add_node(&g, node("Sub", "twice", "a b", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, form, w, sizeof w));
  add_input(&g, "x", 2, in_shape);
  add_output(&g, "y");
  const tn_model *run = compile_graph(g);
  DLTensor in = view(TN_F32, 2, (int64_t *)in_shape, x), out = view(TN_F32, 2, (int64_t *)out_shape, y);
  must(run_one(run, &in, &out), error);
  for (int i = 0; i < M * N; i++) {
    float sum = 0;
    for (int c = 0; c < K; c++) sum += 2 * x[i / N * K + c] * w[c * N + i % N];
    ck_assert_float_eq(y[i], sum);
  }
}
END_TEST

/* Convolutions of one tap and what follows them run over rows of pixels: y, of which nobody sees the rows. Then rows
 * of z are added up with one number each, which needs the picture; u comes from a gate of one pixel. */
START_TEST(pictures_are_flat_where_nobody_sees_their_rows)
{
  enum { C = 3, M = 4, H = 2, W = 5, P = H * W };
  static int64_t x_shape[] = {1, C, H, W}, y_shape[] = {1, M, H, W};
  static const int64_t w_shape[] = {M, C, 1, 1}, gate_shape[] = {M, M, 1, 1}, row_shape[] = {H, 1};
  static const int64_t scale_shape[] = {M, 1, 1}, m_shape[] = {M};
  float x[C * P], w[M * C], gate[M * M], bias[] = {1, -2, 3, -4}, row[] = {10, 20}, scale[] = {1, 2, 3, 4};
  float y[M * P], z[M * P], u[M * P], mean[M] = {0};
  bytes g = {0};
  for (int i = 0; i < C * P; i++) x[i] = (float)(i % 7 - 3);
  for (int i = 0; i < M * C; i++) w[i] = (float)(i % 5 - 2);
  for (int i = 0; i < M * M; i++) gate[i] = (float)(i % 3 - 1);
  add_node(&g, node("Conv", "conv", "x w bias", "a"));
  add_node(&g, node("Relu", "relu", "a", "b"));
  add_node(&g, node("Mul", "scaled", "b scale", "c"));
  add_node(&g, node("Add", "again", "c a", "y"));
  add_node(&g, node("Add", "rows", "y row", "z"));
  add_node(&g, node("GlobalAveragePool", "mean", "y", "pooled"));
  add_node(&g, node("Conv", "gate", "pooled gate", "s"));
  add_node(&g, node("Mul", "gated", "z s", "u"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 4, w_shape, w, sizeof w));
  add_weight(&g, tensor_raw("gate", ONNX_FLOAT, 4, gate_shape, gate, sizeof gate));
  add_weight(&g, tensor_raw("bias", ONNX_FLOAT, 1, m_shape, bias, sizeof bias));
  add_weight(&g, tensor_raw("row", ONNX_FLOAT, 2, row_shape, row, sizeof row));
  add_weight(&g, tensor_raw("scale", ONNX_FLOAT, 3, scale_shape, scale, sizeof scale));
  add_input(&g, "x", 4, x_shape);
  add_output(&g, "y");
  add_output(&g, "z");
  add_output(&g, "u");
  const tn_model *run = compile_graph(g);
  char *text;
  size_t size;
  must(tn_program_emit(program, NULL, "tensor", &text, &size, &error), error);
  ck_assert_ptr_nonnull(strstr(text, "func fused_conv_relu_mul_add("));
  ck_assert_ptr_nonnull(strstr(text, ": f32[1, 3, 10]"));
  tn_text_destroy(text);
  DLTensor in = view(TN_F32, 4, x_shape, x);
  DLTensor out[] = {view(TN_F32, 4, y_shape, y), view(TN_F32, 4, y_shape, z), view(TN_F32, 4, y_shape, u)};
  const DLTensor *ins[] = {&in}, *outs[] = {&out[0], &out[1], &out[2]};
  must(tn_model_run(run, ins, 1, outs, 3, &error), error);
  for (int i = 0; i < M * P; i++) {
    float a = bias[i / P];
    for (int c = 0; c < C; c++) a += w[i / P * C + c] * x[c * P + i % P];
    ck_assert_float_eq(y[i], (a > 0 ? a : 0) * scale[i / P] + a);
    ck_assert_float_eq(z[i], y[i] + row[i % P / W]);
    mean[i / P] += y[i] / P;
  }
  for (int i = 0; i < M * P; i++) {
    float s = 0;
    for (int c = 0; c < M; c++) s += gate[i / P * M + c] * mean[c];
    ck_assert_float_eq_tol(u[i], z[i] * s, 1e-3f);
  }
}
END_TEST

/* As in DenseNet: what is joined lies where it is joined, and its normalization is a part of the convolution that reads it. */
START_TEST(normalized_rows_are_made_where_they_are_multiplied)
{
  enum { C = 256, N = 2 * C, H = 6, P = H * H };
  static int64_t x_shape[] = {1, C, H, H}, y_shape[] = {1, C, H, H};
  static const int64_t w_shape[] = {C, C, 1, 1}, v_shape[] = {C, N, 1, 1}, scale_shape[] = {N, 1, 1};
  static float x[C * P], w[2][C * C], v[C * N], scale[N], shift[N], joined[N * P], y[C * P];
  bytes g = {0}, join = node("Concat", "join", "a b", "c");
  for (int i = 0; i < C * P; i++) x[i] = (float)(i % 7 - 3);
  for (int i = 0; i < 2 * C * C; i++) w[i / (C * C)][i % (C * C)] = (float)(i % 5 - 2);
  for (int i = 0; i < C * N; i++) v[i] = (float)(i % 3 - 1);
  for (int i = 0; i < N; i++) scale[i] = (float)(i % 4 - 1), shift[i] = (float)(i % 9 - 4);
  attr_int(&join, "axis", 1);
  add_node(&g, node("Conv", "left", "x w0", "a"));
  add_node(&g, node("Conv", "right", "x w1", "b"));
  add_node(&g, join);
  add_node(&g, node("Mul", "scaled", "c scale", "d"));
  add_node(&g, node("Add", "shifted", "d shift", "e"));
  add_node(&g, node("Relu", "relu", "e", "f"));
  add_node(&g, node("Conv", "last", "f v", "y"));
  add_weight(&g, tensor_raw("w0", ONNX_FLOAT, 4, w_shape, w[0], sizeof w[0]));
  add_weight(&g, tensor_raw("w1", ONNX_FLOAT, 4, w_shape, w[1], sizeof w[1]));
  add_weight(&g, tensor_raw("v", ONNX_FLOAT, 4, v_shape, v, sizeof v));
  add_weight(&g, tensor_raw("scale", ONNX_FLOAT, 3, scale_shape, scale, sizeof scale));
  add_weight(&g, tensor_raw("shift", ONNX_FLOAT, 3, scale_shape, shift, sizeof shift));
  add_input(&g, "x", 4, x_shape);
  add_output(&g, "y");
  const tn_model *run = compile_graph(g);
  char *text;
  size_t size;
  must(tn_program_emit(program, NULL, "tensor", &text, &size, &error), error);
  ck_assert_msg(strstr(text, "func fused_mul_add_relu_conv(") != NULL, "%.3000s", text);
  ck_assert_ptr_null(strstr(text, "func fused_concat("));
  tn_text_destroy(text);
  DLTensor in = view(TN_F32, 4, x_shape, x), out = view(TN_F32, 4, y_shape, y);
  must(run_one(run, &in, &out), error);
  for (int i = 0; i < N * P; i++) {
    for (int c = 0; c < C; c++) joined[i] += w[i / P / C][i / P % C * C + c] * x[c * P + i % P];
    joined[i] = fmaxf(joined[i] * scale[i / P] + shift[i / P], 0);
  }
  for (int i = 0; i < C * P; i++) {
    float sum = 0;
    for (int c = 0; c < N; c++) sum += v[i / P * N + c] * joined[c * P + i % P];
    ck_assert_float_eq(y[i], sum);
  }
}
END_TEST

/* y = x w of 8-bit integers, summed in 32 bits; cast: by nodes, which the product takes in. */
static void check_integers(const char *target_name, int x_type, bool cast, int64_t m, int64_t k, int64_t n) {
  uint8_t *x = calloc((size_t)(m * k), 1);
  int8_t *w = calloc((size_t)(k * n), 1);
  int32_t *y = calloc((size_t)(m * n), 4);
  for (int64_t i = 0; i < m * k; i++) x[i] = (uint8_t)(i * 37 + 11);
  for (int64_t i = 0; i < k * n; i++) w[i] = (int8_t)(i * 73 + 128);
  bytes g = {0};
  for (int i = 0; cast && i < 2; i++) {
    bytes c = node("Cast", "cast", i ? "w" : "x", i ? "v" : "u");
    attr_int(&c, "to", ONNX_INT32);
    add_node(&g, c);
  }
  add_node(&g, node(cast ? "MatMul" : "MatMulInteger", "product", cast ? "u v" : "x w", "y"));
  add_weight(&g, tensor_raw("w", ONNX_INT8, 2, (int64_t[]){k, n}, w, (size_t)(k * n)));
  put_message(&g, 11, value_info("x", x_type, 2, (int64_t[]){m, k}));
  add_output(&g, "y");
  bytes file = model(13, g);
  tn_compile_desc desc = {.struct_size = sizeof desc};
  must(tn_target_get(ctx, target_name, &desc.target, &error), error);
  if (desc.target->runs_here) {
    const tn_model *run;
    char *text;
    size_t size;
    must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
    must(tn_compile(program, &desc, &module, &error), error);
    must(tn_module_model(module, "main", &run, &error), error);
    must(tn_program_emit(program, &desc, "tensor", &text, &size, &error), error);
    ck_assert_msg(strstr(text, "w: i8["), "the weights are not 8 bits:\n%s", text);
    tn_text_destroy(text);
    DLTensor in = view(x_type == ONNX_INT8 ? TN_I8 : TN_U8, 2, (int64_t[]){m, k}, x);
    DLTensor out = view(TN_I32, 2, (int64_t[]){m, n}, y);
    must(run_one(run, &in, &out), error);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        int32_t sum = 0;
        for (int64_t c = 0; c < k; c++) sum += (x_type == ONNX_INT8 ? (int8_t)x[i * k + c] : x[i * k + c]) * w[c * n + j];
        ck_assert_msg(y[i * n + j] == sum, "%s, %d x %d x %d: [%d, %d] is %d, not %d", target_name, (int)m, (int)n, (int)k,
                      (int)i, (int)j, y[i * n + j], sum);
      }
    tn_module_destroy(module);
    tn_program_destroy(program);
    module = NULL;
    program = NULL;
  }
  free(file.data);
  free(x);
  free(w);
  free(y);
}

/* On this CPU by dot products, on others as their instructions allow; of sums that are no multiple of an instruction's steps too. */
START_TEST(products_of_bytes_stay_bytes)
{
  static const char *const names[] = {"host", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
  static const int64_t sizes[][3] = {{1, 300, 200}, {7, 70, 33}, {33, 65, 16}, {30, 147, 10}, {64, 3, 40}, {5, 13, 1}};
  for (size_t t = 0; t < TNI_COUNT(names); t++)
    for (size_t i = 0; i < TNI_COUNT(sizes); i++) {
      check_integers(names[t], i % 2 ? ONNX_INT8 : ONNX_UINT8, false, sizes[i][0], sizes[i][1], sizes[i][2]);
      if (i < 2) check_integers(names[t], ONNX_UINT8, true, sizes[i][0], sizes[i][1], sizes[i][2]);
    }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {constant_operands_are_packed,
                                packed_operands_are_shared,
                                pictures_are_flat_where_nobody_sees_their_rows,
                                normalized_rows_are_made_where_they_are_multiplied,
                                zero_points_are_taken_off_sums,
                                sums_of_few_bytes_are_exact,
                                products_of_bytes_stay_bytes};
  return suite_run_tests("products", tests, TNI_COUNT(tests), open_context, close_context);
}
