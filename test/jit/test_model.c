/* test_model.c -- compiled models: tensors in, tensors out; what a run refuses; every kernel of a real model against
 * the interpreter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "opened.h"

/* The one input and one output of a small model. */
static tn_status run_one(const tn_model *m, const DLTensor *in, const DLTensor *out) {
  return tn_model_run(m, &in, 1, &out, 1, &error);
}

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
  const TTest *const tests[] = {a_model_runs, constant_operands_are_packed, packed_operands_are_shared,
                                pictures_are_flat_where_nobody_sees_their_rows,
                                normalized_rows_are_made_where_they_are_multiplied,
                                zero_points_are_taken_off_sums,
                                sums_of_few_bytes_are_exact,
                                products_of_bytes_stay_bytes,
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
