/* test_integers.c -- products of dequantized numbers in integers: what they give, and that they are integers.
 *
 * Networks of bytes with QuantizeLinear and DequantizeLinear around their operators. With scales that are powers of two
 * sums of floats are exact: the network as it is imported gives the same, bit for bit. With others each element is the
 * exact sum times the scale, rounded: sums of integers and one product in f64 here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "ir/onnx_writer.h"
#include "session.h"

enum { C = 5, M = 24, SIZE = 9, PIXELS = SIZE * SIZE, MOST_SUMS = M * 9 };

static tn_context *ctx;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }

static void close_context(void) { tn_context_destroy(ctx); }

/* ---- networks ---------------------------------------------------------------------------------------------------- */

static int number(int i) { return i * 7919 % 251; }

static void add_scales(bytes *g, const char *name, int count, const float *scales) {
  add_weight(g, tensor_raw(name, ONNX_FLOAT, count > 1, (int64_t[]){count}, scales, (size_t)count * sizeof *scales));
}

static void add_byte(bytes *g, const char *name, int type, int value) {
  uint8_t byte = (uint8_t)value;
  add_weight(g, tensor_raw(name, type, 0, NULL, &byte, 1));
}

/* Scale and zero point NAME.s, NAME.z of activations, of type u8 or i8. */
static void add_params(bytes *g, const char *name, int type, float scale, int zero_point) {
  char text[16];
  snprintf(text, sizeof text, "%s.s", name);
  add_scales(g, text, 1, &scale);
  snprintf(text, sizeof text, "%s.z", name);
  add_byte(g, text, type, zero_point);
}

/* to = OP(from), with the parameters of `params`. */
static void add_linear(bytes *g, const char *op, const char *from, const char *params, const char *to) {
  char inputs[64];
  snprintf(inputs, sizeof inputs, "%s %s.s %s.z", from, params, params);
  add_node(g, node(op, to, inputs, to));
}

/* from, quantized, and that dequantized again. */
static void add_rounded(bytes *g, const char *from, const char *params, const char *quantized, const char *to) {
  add_linear(g, "QuantizeLinear", from, params, quantized);
  add_linear(g, "DequantizeLinear", quantized, params, to);
}

/* Numbers NAME.q of that type, their scales NAME.s, and NAME, the floats that they are. */
static void add_dequantized(bytes *g, const char *name, int type, int rank, const int64_t *shape, const void *data, size_t size,
                            int scale_count, const float *scales) {
  char q[16], s[16], inputs[40];
  snprintf(q, sizeof q, "%s.q", name);
  snprintf(s, sizeof s, "%s.s", name);
  add_weight(g, tensor_raw(q, type, rank, shape, data, size));
  add_scales(g, s, scale_count, scales);
  snprintf(inputs, sizeof inputs, "%s %s", q, s);
  bytes n = node("DequantizeLinear", name, inputs, name);
  attr_int(&n, "axis", 0);
  add_node(g, n);
}

static void add_weights(bytes *g, const char *name, int rank, const int64_t *shape, int scale_count, const float *scales) {
  int64_t count = 1;
  for (int d = 0; d < rank; d++) count *= shape[d];
  int8_t *data = malloc((size_t)count);
  for (int64_t i = 0; i < count; i++) data[i] = (int8_t)(number((int)i + name[1]) - 125);
  add_dequantized(g, name, ONNX_INT8, rank, shape, data, (size_t)count, scale_count, scales);
  free(data);
}

static void add_bias(bytes *g, const char *name, int count, const float *scales) {
  int32_t *data = malloc((size_t)count * sizeof *data);
  for (int i = 0; i < count; i++) data[i] = (number(i + 3) - 125) * 40;
  add_dequantized(g, name, ONNX_INT32, 1, (int64_t[]){count}, data, (size_t)count * sizeof *data, count, scales);
  free(data);
}

/* Of every kind: dense, depthwise, strided and pointwise convolutions, relu, clip, a sum of two, pools, a product. */
static void add_network(bytes *g) {
  static float dense[M], each[M], one = 0x1p-7f, bias[M];
  for (int m = 0; m < M; m++) dense[m] = ldexpf(1, -6 - m % 3), each[m] = 0x1p-8f, bias[m] = dense[m] * 0x1p-5f;
  add_params(g, "p", ONNX_UINT8, 0x1p-5f, 131);
  add_params(g, "q", ONNX_UINT8, 0x1p-1f, 113);
  add_params(g, "r", ONNX_INT8, 0x1p2f, -7);
  add_weights(g, "w0", 4, (int64_t[]){M, C, 3, 3}, M, dense);
  add_weights(g, "w1", 4, (int64_t[]){M, 1, 3, 3}, M, each);
  add_weights(g, "w2", 4, (int64_t[]){M, M, 1, 1}, 1, &one);
  add_weights(g, "w3", 2, (int64_t[]){10, M * 25}, 1, &one);
  add_bias(g, "b0", M, bias);
  float low = 0, high = 60;
  add_scales(g, "low", 1, &low);
  add_scales(g, "high", 1, &high);
  add_rounded(g, "x", "p", "x1", "x2");
  add_node(g, window("Conv", "x2 w0 b0", "a", 3, 1, 1));
  add_node(g, node("Relu", "a1", "a", "a1"));
  add_rounded(g, "a1", "q", "a2", "a3");
  bytes depth = window("Conv", "a3 w1", "b", 3, 1, 1);
  attr_int(&depth, "group", M);
  add_node(g, depth);
  add_node(g, node("Clip", "b1", "b low high", "b1"));
  add_rounded(g, "b1", "q", "b2", "b3");
  add_node(g, window("Conv", "b3 w2", "c", 1, 1, 0));
  add_rounded(g, "c", "r", "c1", "c2");
  add_node(g, node("Add", "d", "c2 b3", "d"));
  add_node(g, node("Relu", "d1", "d", "d1"));
  add_rounded(g, "d1", "q", "d2", "d3");
  add_node(g, window("MaxPool", "d3", "e", 3, 2, 1));
  add_rounded(g, "e", "q", "e1", "e2");
  add_node(g, node("Flatten", "f", "e2", "f"));
  bytes gemm = node("Gemm", "h", "f w3", "h");
  attr_int(&gemm, "transB", 1);
  add_node(g, gemm);
  add_rounded(g, "h", "r", "h1", "y");
}

static tn_program *import(bytes graph) {
  tn_program *program;
  bytes file = model(13, graph);
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
  return program;
}

/* The network, of x to y. */
static tn_program *import_network(void) {
  bytes g = {0};
  add_network(&g);
  add_input(&g, "x", 4, (int64_t[]){1, C, SIZE, SIZE});
  add_output(&g, "y");
  return import(g);
}

/* For the target of that name, if it runs here; NULL: the host. */
static void run_for(const char *name, const tn_program *program, bool integers, DLTensor *x, DLTensor *y) {
  const tn_model *m;
  tn_compile_desc desc = {.struct_size = sizeof desc, .integers = integers};
  if (name) must(tn_target_get(ctx, name, &desc.target, &error), error);
  if (name && !desc.target->runs_here) desc.target = NULL;
  tn_module *module = session_compile(program, &desc);
  must(tn_module_model(module, "main", &m, &error), error);
  const DLTensor *ins[] = {x}, *outs[] = {y};
  must(tn_model_run(m, ins, 1, outs, 1, &error), error);
  tn_module_destroy(module);
}

static void run(const tn_program *program, bool integers, DLTensor *x, DLTensor *y) {
  run_for(NULL, program, integers, x, y);
}

START_TEST(exact_sums_of_floats_are_the_same)
{
  static float x[C * PIXELS], want[10], got[10];
  bytes g = {0};
  add_network(&g);
  add_input(&g, "x", 4, (int64_t[]){1, C, SIZE, SIZE});
  add_output(&g, "y");
  for (int i = 0; i < C * PIXELS; i++) x[i] = (float)(number(i * 3) - 125) * 0x1p-5f;
  tn_program *program = import(g);
  DLTensor in = view(TN_F32, 4, (int64_t[]){1, C, SIZE, SIZE}, x), a = view(TN_F32, 2, (int64_t[]){1, 10}, want),
           b = view(TN_F32, 2, (int64_t[]){1, 10}, got);
  run(program, false, &in, &a);
  run(program, true, &in, &b);
  int different = 0;
  for (int i = 0; i < 10; i++) {
    ck_assert_float_eq(got[i], want[i]);
    different += i > 0 && want[i] != want[0];
  }
  ck_assert_int_gt(different, 3);
  tn_program_destroy(program);
}
END_TEST

/* All of it: no product of floats is left but those of few bytes, whose sums f32 holds exactly. */
START_TEST(no_product_of_floats_is_left)
{
  tn_program *program = import_network();
  tn_compile_desc desc = {.struct_size = sizeof desc, .integers = 1};
  char *text;
  size_t size;
  must(tn_program_emit(program, &desc, "graph", &text, &size, &error), error);
  int products = 0;
  for (const char *at = text; (at = strstr(at, "= conv(")) || 0; at++) products++;
  ck_assert_int_eq(products, 3);
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
    if (strstr(line, "= conv(") || strstr(line, "= matmul("))
      ck_assert_msg(strstr(line, ": i32[") || strstr(line, "to = \"f32\""), "%s", line);
  tn_text_destroy(text);
  tn_program_destroy(program);
}
END_TEST

/* A sum of two is made in the function of the product that is one of them, without floats between; so is all else that
 * stands behind a product. */
START_TEST(what_is_behind_a_product_is_in_its_function)
{
  tn_program *program = import_network();
  tn_compile_desc desc = {.struct_size = sizeof desc, .integers = 1};
  tn_plan *plan;
  tn_plan_info info = {.struct_size = sizeof info};
  must(tn_plan_create(program, &desc, "main", &plan, &error), error);
  tn_plan_get_info(plan, &info);
  ck_assert_uint_eq(info.steps, 7); /* x1, a2, b2, b3 (of rows and columns, where d has one row of all pixels), d2, e, y */
  tn_plan_destroy(plan);
  tn_program_destroy(program);
}
END_TEST

/* ---- one layer, of any scales ------------------------------------------------------------------------------------ */

typedef struct layer {
  int in, out, kernel, stride, pad, groups;
  int x_type, x_zero; /* of x; y has another zero point */
} layer;

static int rows_of(const layer *l) { return (SIZE + 2 * l->pad - l->kernel) / l->stride + 1; }

static float scale_of(int m) { return 0.00371f + 0.000123f * (float)m; }
static const float x_scale = 0.0173f, y_scale = 0.711f;
enum { Y_ZERO = 77 };

static int weight_at(int i) { return (int8_t)(number(i + '0') - 125); }

/* x as bytes are stored, as a number */
static int plain(const layer *l, uint8_t x) { return l->x_type == ONNX_INT8 ? (int8_t)x : x; }

static int exact(const layer *l, const uint8_t *x, int m, int oh, int ow) {
  int per_group = l->in / l->groups, first = m / (l->out / l->groups) * per_group, sum = (number(m + 3) - 125) * 40;
  for (int c = 0; c < per_group; c++)
    for (int kh = 0; kh < l->kernel; kh++)
      for (int kw = 0; kw < l->kernel; kw++) {
        int h = oh * l->stride + kh - l->pad, w = ow * l->stride + kw - l->pad;
        if (h < 0 || h >= SIZE || w < 0 || w >= SIZE) continue;
        sum += (plain(l, x[(first + c) * PIXELS + h * SIZE + w]) - l->x_zero) *
               weight_at(((m * per_group + c) * l->kernel + kh) * l->kernel + kw);
      }
  float scale = x_scale * scale_of(m) / y_scale;
  double y = nearbyint((double)sum * (double)scale) + Y_ZERO;
  return (int)fmin(fmax(y, Y_ZERO), 255); /* behind a relu */
}

/* How a layer is written. */
enum form {
  QDQ,
  OPERATORS,
  FLOATS, /* weights are stored as floats, quantized before they are dequantized */
  LAST,   /* operators between transposes, of images with the channels last */
  FORMS
};
static const char *const form_names[] = {"QDQ", "QLinearConv", "weights of floats", "channels last"};

/* The same weights as those of add_weights, as floats that are quantized. */
static void add_quantized_weights(bytes *g, int rank, const int64_t *shape, const float *scales) {
  int64_t each = 1;
  for (int d = 1; d < rank; d++) each *= shape[d];
  float *data = malloc((size_t)(shape[0] * each) * sizeof *data);
  int8_t *zeros = calloc((size_t)shape[0], 1);
  for (int64_t i = 0; i < shape[0] * each; i++) data[i] = (float)(number((int)i + '0') - 125) * scales[i / each];
  add_weight(g, tensor_raw("w0.f", ONNX_FLOAT, rank, shape, data, (size_t)(shape[0] * each) * sizeof *data));
  add_weight(g, tensor_raw("w0.s", ONNX_FLOAT, 1, shape, scales, (size_t)shape[0] * sizeof *scales));
  add_weight(g, tensor_raw("w0.z", ONNX_INT8, 1, shape, zeros, (size_t)shape[0]));
  bytes quantize = node("QuantizeLinear", "w0.q", "w0.f w0.s w0.z", "w0.q");
  bytes back = node("DequantizeLinear", "w0", "w0.q w0.s w0.z", "w0");
  attr_int(&quantize, "axis", 0);
  attr_int(&back, "axis", 0);
  add_node(g, quantize);
  add_node(g, back);
  free(data);
  free(zeros);
}

static void add_transpose(bytes *g, const char *from, const char *to, const int64_t perm[4]) {
  bytes n = node("Transpose", to, from, to);
  attr_ints(&n, "perm", 4, perm);
  add_node(g, n);
}

static bytes layer_graph(const layer *l, enum form form) {
  static float scales[M], bias[M];
  bytes g = {0};
  int64_t shape[] = {l->out, l->in / l->groups, l->kernel, l->kernel};
  for (int m = 0; m < l->out; m++) scales[m] = scale_of(m), bias[m] = x_scale * scales[m];
  add_params(&g, "p", l->x_type, x_scale, l->x_zero);
  add_params(&g, "q", ONNX_UINT8, y_scale, Y_ZERO);
  bool operators = form == OPERATORS || form == LAST;
  add_bias(&g, "b0", l->out, bias);
  if (form == FLOATS) {
    add_quantized_weights(&g, 4, shape, scales);
  } else {
    add_weights(&g, "w0", 4, shape, l->out, scales);
    add_byte(&g, "w0.z", ONNX_INT8, 0);
  }
  add_linear(&g, "DequantizeLinear", "x", "p", "x1");
  const char *inputs = "x p.s p.z w0.q w0.s w0.z q.s q.z b0.q";
  if (form == LAST) inputs = "first p.s p.z w0.q w0.s w0.z q.s q.z b0.q";
  bytes conv = operators ? window("QLinearConv", inputs, "a", l->kernel, l->stride, l->pad)
                         : window("Conv", "x1 w0 b0", "a", l->kernel, l->stride, l->pad);
  attr_int(&conv, "group", l->groups);
  if (form == LAST) add_transpose(&g, "x", "first", (int64_t[]){0, 3, 1, 2});
  add_node(&g, conv);
  if (form == LAST) {
    add_node(&g, node("Max", "relu", "a q.z", "a1"));
    add_transpose(&g, "a1", "y", (int64_t[]){0, 2, 3, 1});
  } else if (operators)
    add_node(&g, node("Max", "relu", "a q.z", "y"));
  else {
    add_node(&g, node("Relu", "relu", "a", "a1"));
    add_linear(&g, "QuantizeLinear", "a1", "q", "y");
  }
  const int64_t first[] = {1, l->in, SIZE, SIZE}, last[] = {1, SIZE, SIZE, l->in};
  put_message(&g, 11, value_info("x", l->x_type, 4, form == LAST ? last : first));
  add_output(&g, "y");
  return g;
}

static void compare(const layer *l, const uint8_t *x, const uint8_t *y, const char *how) {
  int rows = rows_of(l), inside = 0;
  for (int m = 0; m < l->out; m++)
    for (int h = 0; h < rows; h++)
      for (int w = 0; w < rows; w++) {
        int want = exact(l, x, m, h, w), got = y[(m * rows + h) * rows + w];
        ck_assert_msg(got == want, "%s: %d -> %d, %dx%d: y[%d, %d, %d] is %d, not %d", how, l->in, l->out, l->kernel,
                      l->kernel, m, h, w, got, want);
        inside += want > Y_ZERO && want < 255;
      }
  ck_assert_int_gt(inside, rows);
}

static const layer layers[] = {
    {C, M, 3, 1, 1, 1, ONNX_UINT8, 131},  {1, 16, 3, 1, 1, 1, ONNX_UINT8, 3},  {M, M, 3, 2, 1, M, ONNX_UINT8, 200},
    {M, M, 1, 1, 0, 1, ONNX_UINT8, 255},  {M, 8, 1, 2, 0, 1, ONNX_INT8, -128}, {M, M, 3, 1, 0, 1, ONNX_INT8, 11}, {C, M, 3, 1, 1, 1, ONNX_INT8, -100},
    {16, 16, 3, 1, 1, 4, ONNX_UINT8, 90}, {12, 9, 5, 1, 2, 1, ONNX_UINT8, 0},  {3, 18, 7, 2, 3, 1, ONNX_UINT8, 128},
    {2, 16, 4, 1, 0, 1, ONNX_INT8, 5},    {3, 8, 1, 1, 0, 1, ONNX_UINT8, 7},     {M, M, 3, 1, 1, M, ONNX_UINT8, 0},
    {16, 16, 5, 1, 2, 16, ONNX_INT8, 9},  {16, 16, 2, 1, 0, 16, ONNX_UINT8, 0},
};

/* Channels and pixels in the other order. */
static void turn(int channels, int pixels, const uint8_t *from, uint8_t *to) {
  for (int c = 0; c < channels; c++)
    for (int i = 0; i < pixels; i++) to[i * channels + c] = from[c * pixels + i];
}

static void run_layer(const layer *l, enum form form, const char *target, uint8_t *x, uint8_t *y) {
  static uint8_t x_last[M * PIXELS], y_last[M * PIXELS];
  int rows = rows_of(l);
  bool last = form == LAST;
  int64_t shapes[2][2][4] = {{{1, l->in, SIZE, SIZE}, {1, l->out, rows, rows}},
                                   {{1, SIZE, SIZE, l->in}, {1, rows, rows, l->out}}};
  turn(l->in, PIXELS, x, x_last);
  memset(y_last, 0, sizeof y_last);
  DLTensor in = view(l->x_type == ONNX_INT8 ? TN_I8 : TN_U8, 4, shapes[last][0], last ? x_last : x);
  DLTensor out = view(TN_U8, 4, shapes[last][1], last ? y_last : y);
  tn_program *program = import(layer_graph(l, form));
  run_for(target, program, form == QDQ || form == FLOATS, &in, &out);
  if (last) turn(rows * rows, l->out, y_last, y);
  tn_program_destroy(program);
}

static void check_layer(const layer *l) {
  static uint8_t x[M * PIXELS], y[M * PIXELS];
  for (int i = 0; i < M * PIXELS; i++) x[i] = (uint8_t)number(i * 5 + 1);
  for (int form = 0; form <= FORMS; form++) {
    enum form as = form < FORMS ? (enum form)form : LAST;
    memset(y, 0, sizeof y);
    run_layer(l, as, form < FORMS ? NULL : "x86-64-v2", x, y);
    compare(l, x, y, form_names[as]);
  }
}

START_TEST(a_layer_gives_the_nearest_to_the_exact_sum)
{
  for (size_t i = 0; i < TNI_COUNT(layers); i++) check_layer(&layers[i]);
}
END_TEST

/* Channels that stay in front leave no steps for a dot product but those of a single tap: floats. */
static void check_rest(const layer *l, const tn_graph *bytes, const tn_target *target) {
  tni_evaluator evaluator = {NULL, tni_evaluate_interpreted};
  tn_program *program;
  const tn_graph *made, *folded;
  must(tn_program_create(ctx, &program, &error), error);
  must(tni_graph_fold(bytes, program, &evaluator, &folded, &error), error);
  must(tni_graph_widen_rest(folded, program, target, &made, &error), error);
  ck_assert_int_eq(made != folded, l->kernel > 1 && (l->groups == 1 || l->groups == l->in));
  tn_program_destroy(program);
}

/* The form of a target that multiplies bytes at once, run here. */
static void check_bytes(const layer *l) {
  static uint8_t x[M * PIXELS], y[M * PIXELS];
  int64_t rows = rows_of(l);
  const tn_target *host;
  for (int i = 0; i < M * PIXELS; i++) x[i] = (uint8_t)number(i * 5 + 1);
  must(tn_target_get(ctx, "x86-64-v4", &host, &error), error);
  tn_target target = *host;
  target.features = "+avx512f,+avx512vnni";
  tn_program *program = import(layer_graph(l, OPERATORS)), *wide;
  const tn_graph *made;
  must(tn_program_create(ctx, &wide, &error), error);
  must(tni_graph_widen(program->graphs[0], wide, &target, &made, &error), error);
  char *text;
  must(tn_program_print(wide, &text, &error), error);
  ck_assert_int_eq(strstr(text, "outside = ") != NULL, (l->groups == 1 || l->groups == l->in) && l->x_zero != 0);
  tn_text_destroy(text);
  check_rest(l, made, &target);
  DLTensor in = view(l->x_type == ONNX_INT8 ? TN_I8 : TN_U8, 4, (int64_t[]){1, l->in, SIZE, SIZE}, x);
  DLTensor out = view(TN_U8, 4, (int64_t[]){1, l->out, rows, rows}, y);
  run(wide, false, &in, &out);
  compare(l, x, y, "bytes");
  tn_program_destroy(wide);
  tn_program_destroy(program);
}

START_TEST(bytes_less_their_excess_give_the_same)
{
  for (size_t i = 0; i < TNI_COUNT(layers); i++) check_bytes(&layers[i]);
}
END_TEST

/* A sum that f32 does not hold, 64.5 * 2^18 + 1: it is one step past a tie of 2^-18, and saturated by larger scales. */
static void check_large_sum(float scale, int want, bool is_short) {
  enum { STEPS = 524 };
  static const float one = 1;
  uint8_t x[STEPS], y;
  int8_t w[STEPS];
  bytes g = {0};
  memset(x, 255, sizeof x);
  memset(w, 127, sizeof w);
  x[STEPS - 2] = 26, x[STEPS - 1] = 17, w[STEPS - 1] = 1;
  float y_scale = 1 / scale;
  add_scales(&g, "1", 1, &one);
  add_scales(&g, "y.s", 1, &y_scale);
  add_byte(&g, "x.z", ONNX_UINT8, 0);
  add_byte(&g, "w.z", ONNX_INT8, 0);
  add_weight(&g, tensor_raw("w", ONNX_INT8, 2, (int64_t[]){STEPS, 1}, w, sizeof w));
  add_node(&g, node("QLinearMatMul", "product", "x 1 x.z w 1 w.z y.s x.z", "y"));
  put_message(&g, 11, value_info("x", ONNX_UINT8, 2, (int64_t[]){1, STEPS}));
  add_output(&g, "y");
  tn_program *program = import(g);
  char *text;
  must(tn_program_print(program, &text, &error), error);
  ck_assert_ptr_nonnull(strstr(text, is_short ? "short = 1" : "short = 0"));
  tn_text_destroy(text);
  DLTensor in = view(TN_U8, 2, (int64_t[]){1, STEPS}, x), out = view(TN_U8, 2, (int64_t[]){1, 1}, &y);
  run(program, false, &in, &out);
  ck_assert_int_eq(y, want);
  tn_program_destroy(program);
}

START_TEST(sums_that_floats_do_not_hold_are_floats_if_they_are_saturated)
{
  check_large_sum(0x1p-18f, 65, false);
  check_large_sum(0x1.fffffep-16f, 255, false);
  check_large_sum(0x1p-15f, 255, true);
  check_large_sum(-0x1p-15f, 0, false);
}
END_TEST

/* A bias that i32 does not hold together with all sums is added to them as floats: no sum wraps. */
START_TEST(large_biases_do_not_make_sums_wrap)
{
  static const float one = 1, y_scale = 0x1p24f;
  static const int32_t bias[] = {INT32_MIN, INT32_MAX, -(1 << 30), 1 << 30};
  static const uint8_t want[] = {0, 255, 64, 192};
  uint8_t x[1] = {255}, y[4];
  int8_t w[4] = {-128, 127, -128, 127};
  bytes g = {0};
  add_params(&g, "p", ONNX_UINT8, 1, 0);
  add_params(&g, "q", ONNX_UINT8, y_scale, 128);
  add_dequantized(&g, "w", ONNX_INT8, 4, (int64_t[]){4, 1, 1, 1}, w, sizeof w, 1, &one);
  add_dequantized(&g, "b", ONNX_INT32, 1, (int64_t[]){4}, bias, sizeof bias, 1, &one);
  add_linear(&g, "DequantizeLinear", "x", "p", "x1");
  add_node(&g, window("Conv", "x1 w b", "a", 1, 1, 0));
  add_linear(&g, "QuantizeLinear", "a", "q", "y");
  put_message(&g, 11, value_info("x", ONNX_UINT8, 4, (int64_t[]){1, 1, 1, 1}));
  add_output(&g, "y");
  tn_program *program = import(g);
  DLTensor in = view(TN_U8, 4, (int64_t[]){1, 1, 1, 1}, x), out = view(TN_U8, 4, (int64_t[]){1, 4, 1, 1}, y);
  for (int integers = 0; integers < 2; integers++) {
    run(program, integers, &in, &out);
    for (int m = 0; m < 4; m++) ck_assert_int_eq(y[m], want[m]);
  }
  tn_program_destroy(program);
}
END_TEST

/* Two bounds, one behind the other, on a sum: both count, in their order. */
static void check_bounds(const float *first, const float *second) {
  static uint8_t x[4 * 8], want[4 * 6], got[4 * 6];
  static const float one = 0x1p-6f;
  bytes g = {0};
  for (int i = 0; i < 4 * 8; i++) x[i] = (uint8_t)number(i * 5 + 1);
  add_params(&g, "p", ONNX_UINT8, 0x1p-5f, 131);
  add_params(&g, "r", ONNX_INT8, 0x1p-3f, -7);
  add_weights(&g, "w0", 2, (int64_t[]){8, 6}, 1, &one);
  add_linear(&g, "DequantizeLinear", "x", "p", "x1");
  add_node(&g, node("MatMul", "a", "x1 w0", "a"));
  for (int i = 0; i < 2; i++) {
    static const char *const names[][2] = {{"l0", "h0"}, {"l1", "h1"}};
    for (int k = 0; k < 2; k++) add_scales(&g, names[i][k], 1, &(i ? second : first)[k]);
  }
  add_node(&g, node("Clip", "b", "a l0 h0", "b"));
  add_node(&g, node("Clip", "c", "b l1 h1", "c"));
  add_linear(&g, "QuantizeLinear", "c", "r", "y");
  put_message(&g, 11, value_info("x", ONNX_UINT8, 2, (int64_t[]){4, 8}));
  add_output(&g, "y");
  tn_program *program = import(g);
  DLTensor in = view(TN_U8, 2, (int64_t[]){4, 8}, x), a = view(TN_I8, 2, (int64_t[]){4, 6}, want),
           b = view(TN_I8, 2, (int64_t[]){4, 6}, got);
  run(program, false, &in, &a);
  run(program, true, &in, &b);
  ck_assert_mem_eq(got, want, sizeof want);
  tn_program_destroy(program);
}

START_TEST(bounds_behind_each_other_both_count)
{
  static const float bounds[][2] = {{0, INFINITY}, {-3, -1}, {2, 3}, {0, 1}, {-1, 2}};
  for (size_t i = 0; i < TNI_COUNT(bounds); i++)
    for (size_t k = 0; k < TNI_COUNT(bounds); k++) check_bounds(bounds[i], bounds[k]);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {exact_sums_of_floats_are_the_same, no_product_of_floats_is_left,
                                what_is_behind_a_product_is_in_its_function, a_layer_gives_the_nearest_to_the_exact_sum,
                                bytes_less_their_excess_give_the_same, bounds_behind_each_other_both_count,
                                sums_that_floats_do_not_hold_are_floats_if_they_are_saturated,
                                large_biases_do_not_make_sums_wrap};
  return suite_run_tests("integers", tests, TNI_COUNT(tests), open_context, close_context);
}
