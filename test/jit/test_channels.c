/* test_channels.c -- images with the channels last give what those with the channels first do, bit for bit.
 *
 * The same network is imported twice: between transposes, which leaves nothing to move, so that all of it has its
 * channels last; and as it is, too small to be worth the transposes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/onnx_writer.h"
#include "session.h"

enum { C = 5, M = 24, SIZE = 9, HALF = 5, PIXELS = SIZE * SIZE };

static tn_context *ctx;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }

static void close_context(void) { tn_context_destroy(ctx); }

static float number(int i) { return (float)(i * 7919 % 1009 - 504) / 512; }

static void add_numbers(bytes *g, const char *name, size_t rank, const int64_t *shape) {
  size_t count = 1;
  for (size_t d = 0; d < rank; d++) count *= (size_t)shape[d];
  float *data = malloc(count * sizeof *data);
  for (size_t i = 0; i < count; i++) data[i] = number((int)i + name[0] * 31 + name[1]);
  add_weight(g, tensor_raw(name, ONNX_FLOAT, rank, shape, data, count * sizeof *data));
  free(data);
}

static void add_transpose(bytes *g, const char *input, const char *output, const int64_t perm[4]) {
  bytes n = node("Transpose", output, input, output);
  attr_ints(&n, "perm", 4, perm);
  add_node(g, n);
}

/* a: dense, b: depthwise, pooled, gated and concatenated, d: dilated, of strides; all in halves of the picture. */
static void add_layers(bytes *g) {
  bytes depth = window("Conv", "a2 w1 v1", "b", 5, 2, 2), dilated = window("Conv", "c5 w2", "d", 3, 1, 2);
  bytes joined = node("Concat", "join", "c1 b3 c2", "c5"), mean = window("AveragePool", "a3", "c2", 3, 2, 1);
  attr_int(&depth, "group", M);
  attr_ints(&dilated, "dilations", 2, (int64_t[]){2, 2});
  attr_int(&joined, "axis", 1);
  attr_int(&mean, "count_include_pad", 0);
  add_node(g, window("Conv", "x w0 v0", "a", 3, 1, 1));
  add_node(g, node("Relu", "relu", "a", "a1"));
  add_node(g, node("Mul", "scaled", "a1 s0", "a2")); /* (channels, 1, 1) */
  add_node(g, node("Add", "rows", "a2 s1", "a3"));   /* (rows, 1) */
  add_node(g, depth);
  add_node(g, node("Add", "whole", "b s2", "b1")); /* all of it */
  add_node(g, node("GlobalAveragePool", "pool", "b1", "p"));
  add_node(g, window("Conv", "p w3 v3", "p1", 1, 1, 0));
  add_node(g, node("Sigmoid", "gate", "p1", "p2"));
  add_node(g, node("Mul", "gated", "b1 p2", "b3"));
  add_node(g, window("MaxPool", "a3", "c1", 3, 2, 1));
  add_node(g, mean);
  add_node(g, joined);
  add_node(g, dilated);
  add_node(g, window("Conv", "d w4", "e", 1, 1, 0));
  add_node(g, node("Add", "again", "e b3", "y0"));
  add_numbers(g, "w0", 4, (int64_t[]){M, C, 3, 3});
  add_numbers(g, "v0", 1, (int64_t[]){M});
  add_numbers(g, "s0", 3, (int64_t[]){M, 1, 1});
  add_numbers(g, "s1", 2, (int64_t[]){SIZE, 1});
  add_numbers(g, "w1", 4, (int64_t[]){M, 1, 5, 5});
  add_numbers(g, "v1", 1, (int64_t[]){M});
  add_numbers(g, "s2", 4, (int64_t[]){1, M, HALF, HALF});
  add_numbers(g, "w3", 4, (int64_t[]){M, M, 1, 1});
  add_numbers(g, "v3", 1, (int64_t[]){M});
  add_numbers(g, "w2", 4, (int64_t[]){8, 3 * M, 3, 3});
  add_numbers(g, "w4", 4, (int64_t[]){M, 8, 1, 1});
}

/* What the functions of the model are on that stage for a target of 16 lanes; it is run here. */
static char *run_emitted(bytes graph, const char *stage, int64_t *x_shape, float *x, int64_t *y_shape, float *y) {
  bytes file = model(13, graph);
  tn_program *program;
  char *text;
  size_t size;
  const tn_model *m;
  tn_compile_desc desc = {.struct_size = sizeof desc};
  must(tn_target_get(ctx, "x86-64-v4", &desc.target, &error), error);
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
  must(tn_program_emit(program, &desc, stage, &text, &size, &error), error);
  tn_module *module = session_compile(program, NULL);
  must(tn_module_model(module, "main", &m, &error), error);
  DLTensor in = view(TN_F32, 4, x_shape, x), out = view(TN_F32, 4, y_shape, y);
  const DLTensor *ins[] = {&in}, *outs[] = {&out};
  must(tn_model_run(m, ins, 1, outs, 1, &error), error);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return text;
}

/* The same, its tensor functions. */
static char *run_model(bytes graph, int64_t *x_shape, float *x, int64_t *y_shape, float *y) {
  return run_emitted(graph, "tensor", x_shape, x, y_shape, y);
}

/* The network as it is, of x, in `y`. */
static void run_first(const float *x, float *y) {
  bytes g = {0};
  add_layers(&g);
  add_node(&g, node("Relu", "end", "y0", "y"));
  add_input(&g, "x", 4, (int64_t[]){1, C, SIZE, SIZE});
  add_output(&g, "y");
  float copy[C * PIXELS];
  memcpy(copy, x, sizeof copy);
  char *text = run_model(g, (int64_t[]){1, C, SIZE, SIZE}, copy, (int64_t[]){1, M, HALF, HALF}, y);
  ck_assert_ptr_nonnull(strstr(text, "f32[1, 24, 9, 9]"));
  tn_text_destroy(text);
}

static void fill(float *x) {
  for (int i = 0; i < C * PIXELS; i++) x[i] = number(i);
}

START_TEST(channels_may_be_last)
{
  static float x[C * PIXELS], last[C * PIXELS], want[M * HALF * HALF], y[M * HALF * HALF];
  bytes g = {0};
  fill(x);
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < C; c++) last[i * C + c] = x[c * PIXELS + i];
  run_first(x, want);
  add_transpose(&g, "in", "x", (int64_t[]){0, 3, 1, 2});
  add_layers(&g);
  add_node(&g, node("Relu", "end", "y0", "y1"));
  add_transpose(&g, "y1", "y", (int64_t[]){0, 2, 3, 1});
  add_input(&g, "in", 4, (int64_t[]){1, SIZE, SIZE, C});
  add_output(&g, "y");
  char *text = run_model(g, (int64_t[]){1, SIZE, SIZE, C}, last, (int64_t[]){1, HALF, HALF, M}, y);
  ck_assert_ptr_null(strstr(text, "f32[1, 24, 9, 9]"));
  ck_assert_ptr_nonnull(strstr(text, "f32[2, 5, 3, 3, 16]"));
  ck_assert_ptr_null(strstr(text, "transpose"));
  tn_text_destroy(text);
  for (int i = 0; i < HALF * HALF; i++)
    for (int c = 0; c < M; c++) ck_assert_float_eq(y[i * M + c], want[c * HALF * HALF + i]);
}
END_TEST

/* A node that has no such form, between others; and a transpose to a form that is there already. */
START_TEST(what_has_no_such_form_stays)
{
  static float x[C * PIXELS], last[C * PIXELS], want[M * PIXELS], y[M * PIXELS];
  for (int both = 0; both < 2; both++) {
    bytes g = {0}, flip = node("Softmax", "flip", "a1", "a2");
    attr_int(&flip, "axis", 1);
    fill(x);
    for (int i = 0; i < PIXELS; i++)
      for (int c = 0; c < C; c++) last[i * C + c] = x[c * PIXELS + i];
    if (both) add_transpose(&g, "in", "x", (int64_t[]){0, 3, 1, 2});
    add_node(&g, window("Conv", "x w0", "a", 3, 1, 1));
    add_node(&g, node("Relu", "relu", "a", "a1"));
    add_node(&g, flip);
    add_node(&g, window("Conv", "a2 w5", "b", 7, 1, 3));
    add_node(&g, node("Add", "sum", "b a2", both ? "c" : "y"));
    if (both) add_transpose(&g, "c", "y", (int64_t[]){0, 2, 3, 1});
    add_numbers(&g, "w0", 4, (int64_t[]){M, C, 3, 3});
    add_numbers(&g, "w5", 4, (int64_t[]){M, M, 7, 7});
    add_input(&g, both ? "in" : "x", 4, both ? (int64_t[]){1, SIZE, SIZE, C} : (int64_t[]){1, C, SIZE, SIZE});
    add_output(&g, "y");
    char *text = both ? run_model(g, (int64_t[]){1, SIZE, SIZE, C}, last, (int64_t[]){1, SIZE, SIZE, M}, y)
                      : run_model(g, (int64_t[]){1, C, SIZE, SIZE}, x, (int64_t[]){1, M, SIZE, SIZE}, want);
    ck_assert_int_eq(strstr(text, "func transpose") != NULL || strstr(text, "func fused_transpose") != NULL, both);
    tn_text_destroy(text);
  }
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < M; c++) ck_assert_float_eq(y[i * M + c], want[c * PIXELS + i]);
}
END_TEST

/* Between two convolutions, twice as large: by repeating elements, and by numbers between them. */
START_TEST(images_of_another_size_stay_so)
{
  static const char *const modes[] = {"nearest", "linear"};
  static float x[C * PIXELS], last[C * PIXELS], want[4 * M * PIXELS], y[4 * M * PIXELS];
  static const float scales[] = {1, 1, 2, 2};
  int64_t large = 2 * SIZE;
  for (int both = 0; both < 2; both++) {
    bytes g = {0}, resize = node("Resize", "resize", "a - scales", "b");
    attr_text(&resize, "mode", modes[_i]);
    fill(x);
    for (int i = 0; i < PIXELS; i++)
      for (int c = 0; c < C; c++) last[i * C + c] = x[c * PIXELS + i];
    if (both) add_transpose(&g, "in", "x", (int64_t[]){0, 3, 1, 2});
    add_node(&g, window("Conv", "x w0", "a", 3, 1, 1));
    add_node(&g, resize);
    add_node(&g, window("Conv", "b w3", both ? "c" : "y", 1, 1, 0));
    if (both) add_transpose(&g, "c", "y", (int64_t[]){0, 2, 3, 1});
    add_numbers(&g, "w0", 4, (int64_t[]){M, C, 3, 3});
    add_numbers(&g, "w3", 4, (int64_t[]){M, M, 1, 1});
    add_weight(&g, tensor_raw("scales", ONNX_FLOAT, 1, (int64_t[]){4}, scales, sizeof scales));
    add_input(&g, both ? "in" : "x", 4, both ? (int64_t[]){1, SIZE, SIZE, C} : (int64_t[]){1, C, SIZE, SIZE});
    add_output(&g, "y");
    char *text = both ? run_model(g, (int64_t[]){1, SIZE, SIZE, C}, last, (int64_t[]){1, large, large, M}, y)
                      : run_model(g, (int64_t[]){1, C, SIZE, SIZE}, x, (int64_t[]){1, M, large, large}, want);
    ck_assert_msg(!both || !strstr(text, "transpose"), "%s", text);
    tn_text_destroy(text);
  }
  for (int i = 0; i < 4 * PIXELS; i++)
    for (int c = 0; c < M; c++) ck_assert_float_eq(y[i * M + c], want[c * 4 * PIXELS + i]);
}
END_TEST

/* Channels in groups of 3: the first of each, the second, and so on; of which a half goes on. Of two other orders one
 * turns the picture, too, and one has a step that others read. */
START_TEST(shuffled_channels_stay_last)
{
  static const int64_t orders[][5] = {{0, 2, 1, 3, 4}, {0, 2, 1, 4, 3}, {0, 2, 1, 3, 4}};
  static float x[C * PIXELS], last[C * PIXELS], want[M * PIXELS], y[M * PIXELS];
  static const int64_t groups[] = {1, 3, M / 3, SIZE, SIZE}, whole[] = {1, M, SIZE, SIZE};
  for (int both = 0; both < 2; both++) {
    bytes g = {0}, turn = node("Transpose", "turn", "b", "c");
    attr_ints(&turn, "perm", 5, orders[_i]);
    fill(x);
    for (int i = 0; i < PIXELS; i++)
      for (int c = 0; c < C; c++) last[i * C + c] = x[c * PIXELS + i];
    if (both) add_transpose(&g, "in", "x", (int64_t[]){0, 3, 1, 2});
    add_node(&g, window("Conv", "x w0", "a", 3, 1, 1));
    add_node(&g, node("Reshape", "split", "a groups", "b"));
    add_node(&g, turn);
    add_node(&g, node("Reshape", "join", "c whole", "d"));
    add_node(&g, node("Slice", "half", "d from to axis", "e"));
    add_node(&g, window("Conv", "e w3", "f", 1, 1, 0));
    add_node(&g, node("Add", "sum", "d f", _i == 2 ? "h" : both ? "k" : "y"));
    if (_i == 2) add_node(&g, node("Reshape", "again", "c whole", "j"));
    if (_i == 2) add_node(&g, node("Mul", "product", "h j", both ? "k" : "y"));
    if (both) add_transpose(&g, "k", "y", (int64_t[]){0, 2, 3, 1});
    add_numbers(&g, "w0", 4, (int64_t[]){M, C, 3, 3});
    add_numbers(&g, "w3", 4, (int64_t[]){M, M / 2, 1, 1});
    add_weight(&g, tensor_raw("groups", ONNX_INT64, 1, (int64_t[]){5}, groups, sizeof groups));
    add_weight(&g, tensor_raw("whole", ONNX_INT64, 1, (int64_t[]){4}, whole, sizeof whole));
    add_weight(&g, tensor_raw("from", ONNX_INT64, 1, (int64_t[]){1}, (int64_t[]){M / 2}, sizeof(int64_t)));
    add_weight(&g, tensor_raw("to", ONNX_INT64, 1, (int64_t[]){1}, (int64_t[]){M}, sizeof(int64_t)));
    add_weight(&g, tensor_raw("axis", ONNX_INT64, 1, (int64_t[]){1}, (int64_t[]){-3}, sizeof(int64_t)));
    add_input(&g, both ? "in" : "x", 4, both ? (int64_t[]){1, SIZE, SIZE, C} : (int64_t[]){1, C, SIZE, SIZE});
    add_output(&g, "y");
    char *text = both ? run_model(g, (int64_t[]){1, SIZE, SIZE, C}, last, (int64_t[]){1, SIZE, SIZE, M}, y)
                      : run_model(g, (int64_t[]){1, C, SIZE, SIZE}, x, (int64_t[]){1, M, SIZE, SIZE}, want);
    ck_assert_msg(!both || (strstr(text, "f32[1, 9, 9, 8, 3]") != NULL) == (_i == 0), "%s", text);
    tn_text_destroy(text);
  }
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < M; c++) ck_assert_float_eq(y[i * M + c], want[c * PIXELS + i]);
}
END_TEST

/* ---- padding ----------------------------------------------------------------------------------------------------- */

/* A convolution by 5 x 5 taps, steps of 2, one weight of which is given. */
static char *run_padded(bool last, float weight, float *x, float *y) {
  static float w[M * C * 25];
  bytes g = {0};
  for (int i = 0; i < M * C * 25; i++) w[i] = i ? number(i) : weight;
  if (last) add_transpose(&g, "in", "x", (int64_t[]){0, 3, 1, 2});
  add_node(&g, window("Conv", last ? "x w" : "in w", last ? "a" : "y", 5, 2, 2));
  if (last) add_transpose(&g, "a", "y", (int64_t[]){0, 2, 3, 1});
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 4, (int64_t[]){M, C, 5, 5}, w, sizeof w));
  add_input(&g, "in", 4, last ? (int64_t[]){1, SIZE, SIZE, C} : (int64_t[]){1, C, SIZE, SIZE});
  add_output(&g, "y");
  return run_model(g, last ? (int64_t[]){1, SIZE, SIZE, C} : (int64_t[]){1, C, SIZE, SIZE}, x,
                   last ? (int64_t[]){1, HALF, HALF, M} : (int64_t[]){1, M, HALF, HALF}, y);
}

/* Sums are only over rows inside; but infinity times padding is no number. */
START_TEST(taps_over_padding_are_left_out_of_finite_weights)
{
  static float x[C * PIXELS], last[C * PIXELS], want[M * HALF * HALF], y[M * HALF * HALF];
  fill(x);
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < C; c++) last[i * C + c] = x[c * PIXELS + i];
  for (int wild = 0; wild < 2; wild++) {
    float weight = wild ? INFINITY : 0.5f;
    tn_text_destroy(run_padded(false, weight, x, want));
    char *text = run_padded(true, weight, last, y);
    ck_assert_msg((strstr(text, "select(") != NULL) == !wild, "%s", text);
    tn_text_destroy(text);
    ck_assert_int_eq(isnan(want[0]) != 0, wild);
    for (int i = 0; i < HALF * HALF; i++)
      for (int m = 0; m < M; m++) {
        float a = y[i * M + m], b = want[m * HALF * HALF + i];
        ck_assert_msg(a == b || (a != a && b != b), "[%d, %d]: %g is not %g", m, i, (double)a, (double)b);
      }
  }
}
END_TEST

/* A convolution, and the mean of windows of it that leave the picture on all sides. */
static char *run_means(int counts, bool last, float *x, float *y) {
  bytes g = {0}, mean = window("AveragePool", "b", last ? "c" : "y", 3, 2, 1);
  attr_int(&mean, "count_include_pad", counts);
  if (last) add_transpose(&g, "in", "x", (int64_t[]){0, 3, 1, 2});
  add_node(&g, window("Conv", last ? "x w0" : "in w0", "a", 3, 1, 1));
  add_node(&g, node("Relu", "relu", "a", "b"));
  add_node(&g, mean);
  if (last) add_transpose(&g, "c", "y", (int64_t[]){0, 2, 3, 1});
  add_numbers(&g, "w0", 4, (int64_t[]){M, C, 3, 3});
  add_input(&g, "in", 4, last ? (int64_t[]){1, SIZE, SIZE, C} : (int64_t[]){1, C, SIZE, SIZE});
  add_output(&g, "y");
  return run_emitted(g, "loop", last ? (int64_t[]){1, SIZE, SIZE, C} : (int64_t[]){1, C, SIZE, SIZE}, x,
                     last ? (int64_t[]){1, HALF, HALF, M} : (int64_t[]){1, M, HALF, HALF}, y);
}

/* The loops of taps begin and end with the picture: there is one body for its edges and the middle. */
START_TEST(windows_of_a_mean_are_one_body)
{
  static float x[C * PIXELS], last[C * PIXELS], want[M * HALF * HALF], y[M * HALF * HALF];
  fill(x);
  x[0] = -0.0f, x[1] = INFINITY, x[PIXELS - 1] = NAN;
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < C; c++) last[i * C + c] = x[c * PIXELS + i];
  tn_text_destroy(run_means(_i, false, x, want));
  char *text = run_means(_i, true, last, y), *pool = strstr(text, "func fused_average_pool"), *taps;
  ck_assert_msg(pool && (taps = strstr(pool, "for kw")) && !strstr(taps + 1, "for kw"), "%s", text);
  tn_text_destroy(text);
  for (int i = 0; i < HALF * HALF; i++)
    for (int m = 0; m < M; m++) {
      float a = y[i * M + m], b = want[m * HALF * HALF + i];
      ck_assert_msg(memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b), "[%d, %d]: %g is not %g", m, i, (double)a, (double)b);
    }
}
END_TEST

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* One convolution of groups; `moved`: with the channels last it has a form of its own. */
static const struct grouped {
  int in, out, groups, size, kernel, stride, dilation, pad;
  bool moved;
} grouped[] = {
    {16, 16, 4, 9, 3, 1, 1, 1, true},    /* four groups in a vector */
    {16, 16, 8, 6, 3, 1, 1, 1, true},    /* eight */
    {40, 40, 10, 7, 3, 1, 1, 1, true},   /* and a half of the last one */
    {104, 104, 13, 5, 3, 2, 1, 1, true}, /* two in a vector, with one left */
    {32, 32, 2, 8, 3, 1, 2, 2, true},    /* one */
    {64, 64, 2, 7, 3, 1, 1, 1, true},    /* two vectors for a group */
    {96, 96, 2, 4, 3, 1, 1, 0, true},    /* three */
    {48, 48, 2, 6, 5, 1, 1, 2, true},    /* three of eight lanes */
    {12, 24, 12, 9, 3, 1, 1, 1, true},   /* two outputs of each channel */
    {8, 32, 2, 9, 3, 1, 1, 1, true},     /* more outputs than inputs */
    {64, 32, 2, 5, 3, 1, 1, 1, true},    /* fewer */
    {32, 32, 8, 9, 1, 1, 1, 0, true},    /* no window */
    {32, 32, 8, 1, 3, 1, 1, 1, true},    /* one pixel */
    {32, 32, 8, 3, 3, 3, 1, 1, true},    /* windows apart */
    {32, 16, 2, 5, 3, 1, 1, 1, false},   /* a vector would read too far apart */
    {36, 36, 3, 5, 3, 1, 1, 1, false},   /* groups of twelve */
};

enum { MOST_CHANNELS = 104, MOST_PIXELS = 81 };

static int64_t result_size(const struct grouped *g) {
  return (g->size + 2 * g->pad - g->dilation * (g->kernel - 1) - 1) / g->stride + 1;
}

/* Numbers, with some that are none. */
static void fill_wild(float *x, int count) {
  for (int i = 0; i < count; i++) x[i] = i % 37 == 5 ? INFINITY : i % 53 == 7 ? NAN : i % 41 == 3 ? -0.0f : number(i);
}

/* Of x, (channels, pixels) or the other way round; the functions' text. */
static char *run_grouped(const struct grouped *g, bool last, const float *x, float *y) {
  bytes graph = {0};
  bytes conv = window("Conv", last ? "x w0 v0" : "in w0 v0", last ? "a" : "y0", g->kernel, g->stride, g->pad);
  int64_t out = result_size(g), n = g->size;
  static float copy[MOST_CHANNELS * MOST_PIXELS];
  attr_int(&conv, "group", g->groups);
  attr_ints(&conv, "dilations", 2, (int64_t[]){g->dilation, g->dilation});
  if (last) add_transpose(&graph, "in", "x", (int64_t[]){0, 3, 1, 2});
  add_node(&graph, conv);
  if (last) add_transpose(&graph, "a", "y0", (int64_t[]){0, 2, 3, 1});
  add_node(&graph, node("Relu", "relu", "y0", "y"));
  add_numbers(&graph, "w0", 4, (int64_t[]){g->out, g->in / g->groups, g->kernel, g->kernel});
  add_numbers(&graph, "v0", 1, (int64_t[]){g->out});
  int64_t x_shape[] = {1, last ? n : g->in, n, last ? g->in : n};
  int64_t y_shape[] = {1, last ? out : g->out, out, last ? g->out : out};
  add_input(&graph, "in", 4, x_shape);
  add_output(&graph, "y");
  for (int c = 0; c < g->in; c++)
    for (int i = 0; i < n * n; i++) copy[last ? i * g->in + c : c * n * n + i] = x[c * n * n + i];
  return run_model(graph, x_shape, copy, y_shape, y);
}

START_TEST(groups_may_be_last)
{
  const struct grouped *g = &grouped[_i];
  static float x[MOST_CHANNELS * MOST_PIXELS], want[MOST_CHANNELS * MOST_PIXELS], y[MOST_CHANNELS * MOST_PIXELS];
  int pixels = (int)(result_size(g) * result_size(g));
  for (int wild = 0; wild < 2; wild++) {
    if (wild)
      fill_wild(x, g->in * g->size * g->size);
    else
      for (int i = 0; i < g->in * g->size * g->size; i++) x[i] = number(i);
    tn_text_destroy(run_grouped(g, false, x, want));
    char *text = run_grouped(g, true, x, y);
    ck_assert_msg((strstr(text, "transpose") == NULL) == g->moved, "%s", text);
    tn_text_destroy(text);
    for (int i = 0; i < pixels; i++)
      for (int m = 0; m < g->out; m++) {
        float a = y[i * g->out + m], b = want[m * pixels + i];
        ck_assert_msg(a == b || (a != a && b != b), "[%d, %d]: %g is not %g", m, i, (double)a, (double)b);
      }
  }
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("channels");
  tcase_add_test(tests, channels_may_be_last);
  tcase_add_test(tests, what_has_no_such_form_stays);
  tcase_add_loop_test(tests, images_of_another_size_stay_so, 0, 2);
  tcase_add_loop_test(tests, shuffled_channels_stay_last, 0, 3);
  tcase_add_test(tests, taps_over_padding_are_left_out_of_finite_weights);
  tcase_add_loop_test(tests, windows_of_a_mean_are_one_body, 0, 2);
  tcase_add_loop_test(tests, groups_may_be_last, 0, TNI_COUNT(grouped));
  return suite_run_case("channels", tests, 200, open_context, close_context);
}
