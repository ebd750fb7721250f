/* int8.c -- tenon-bench int8: quantized convolutions and products, u8 by s8, quantized again, beside oneDNN.
 *
 *     y = saturate(round((sum x w + bias) * (x_scale * w_scale[channel] / y_scale)))
 *
 * Tenon's is an ONNX model of one node, QLinearConv between two Transposes, as networks with the channels last have it
 * (in the middle of a network Tenon has all images so), or QLinearMatMul. Its results must be those of integers, to the
 * bit. Others scale in several roundings, and may go to either side where the exact number is within 1/1000 of the middle
 * between two.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ir/onnx_writer.h"
#include "bench.h"
#include "int8_shapes.h"

/* ---- the problem ------------------------------------------------------------------------------------------------- */

static size_t weights_of(const bench_int8 *g) {
  return (size_t)(g->out * (g->in / g->groups) * g->kernel * g->kernel);
}
static size_t size_of_x(const bench_int8 *g) { return (size_t)(g->rows * g->columns * g->in); }
static size_t size_of_y(const bench_int8 *g) { return (size_t)(g->y_rows * g->y_columns * g->out); }

static void *filled(tn_type type, size_t count, unsigned seed) {
  void *x = bench_alloc((count + 1) * tn_type_bytes(type));
  bench_fill(type, x, count, seed);
  return x;
}

/* Scales that spread the results over the range of u8, another one for each channel. */
static void make_scales(bench_int8 *g, float *scales, int32_t *bias) {
  double sums = (double)weights_of(g) / (double)g->out, wide = sqrt(sums) * 147 * 73; /* of uniform u8, s8 */
  float *random = filled(TN_F32, (size_t)g->out * 2, 3);
  for (int64_t m = 0; m < g->out; m++) {
    scales[m] = (float)(80 / wide * (1 + 0.5 * (double)random[m]) * (double)(g->y_scale / g->x_scale));
    bias[m] = (int32_t)(wide * (double)random[g->out + m]);
  }
  free(random);
}

static void make_operands(const bench_options *options, size_t problem, void *operands) {
  const struct int8_shape *s = &int8_shapes[problem];
  bool product = s->kernel == 0;
  bench_int8 g = {.product = product, .in = s->in, .out = s->out, .groups = s->groups, .stride = s->stride,
                  .pad = s->pad, .kernel = product ? 1 : s->kernel, .rows = s->size, .columns = product ? 1 : s->size,
                  .x_scale = 0.02f, .y_scale = 0.05f};
  g.y_rows = (g.rows + 2 * g.pad - g.kernel) / g.stride + 1;
  g.y_columns = product ? 1 : (g.columns + 2 * g.pad - g.kernel) / g.stride + 1;
  float *scales = bench_alloc((size_t)g.out * sizeof *scales);
  int32_t *bias = bench_alloc((size_t)g.out * sizeof *bias);
  make_scales(&g, scales, bias);
  g.x = filled(TN_U8, size_of_x(&g), 1);
  g.w = filled(TN_I8, weights_of(&g), 2);
  g.w_scales = scales;
  g.bias = bias;
  g.y = bench_alloc(size_of_y(&g));
  *(bench_int8 *)operands = g;
  (void)options;
}

static void drop_operands(void *operands) {
  const bench_int8 *g = operands;
  const void *all[] = {g->x, g->w, g->w_scales, g->bias, g->y};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free((void *)(uintptr_t)all[i]);
}

/* ---- Tenon ------------------------------------------------------------------------------------------------------- */

typedef struct ours {
  bench_compiled made;
  int64_t x_shape[4], y_shape[4];
  DLTensor x, y;
} ours;

static void add_scales(bytes *graph, const bench_int8 *g) {
  static const uint8_t zero = 0;
  int8_t *zeros = bench_alloc((size_t)g->out);
  add_weight(graph, tensor_raw("xs", ONNX_FLOAT, 0, NULL, &g->x_scale, sizeof g->x_scale));
  add_weight(graph, tensor_raw("ys", ONNX_FLOAT, 0, NULL, &g->y_scale, sizeof g->y_scale));
  add_weight(graph, tensor_raw("zero", ONNX_UINT8, 0, NULL, &zero, 1));
  add_weight(graph, tensor_raw("ws", ONNX_FLOAT, 1, &g->out, g->w_scales, (size_t)g->out * sizeof *g->w_scales));
  add_weight(graph, tensor_raw("wz", ONNX_INT8, 1, &g->out, zeros, (size_t)g->out));
  free(zeros);
}

static bytes transposed(const char *name, const char *inputs, const char *output, const int64_t perm[4]) {
  bytes n = node("Transpose", name, inputs, output);
  attr_ints(&n, "perm", 4, perm);
  return n;
}

static void add_conv(bytes *graph, const bench_int8 *g) {
  int64_t shape[] = {g->out, g->in / g->groups, g->kernel, g->kernel};
  bytes conv = node("QLinearConv", "conv", "x xs zero W ws wz ys zero B", "y");
  attr_ints(&conv, "strides", 2, (int64_t[]){g->stride, g->stride});
  attr_ints(&conv, "pads", 4, (int64_t[]){g->pad, g->pad, g->pad, g->pad});
  attr_int(&conv, "group", g->groups);
  add_node(graph, transposed("plain", "X", "x", (int64_t[]){0, 3, 1, 2}));
  add_node(graph, conv);
  add_node(graph, transposed("last", "y", "Y", (int64_t[]){0, 2, 3, 1}));
  add_weight(graph, tensor_raw("W", ONNX_INT8, 4, shape, g->w, weights_of(g)));
  add_weight(graph, tensor_raw("B", ONNX_INT32, 1, &g->out, g->bias, (size_t)g->out * sizeof *g->bias));
}

/* QLinearMatMul has no bias. */
static void add_product(bytes *graph, const bench_int8 *g) {
  int64_t shape[] = {g->in, g->out};
  int8_t *w = bench_alloc(weights_of(g));
  for (int64_t m = 0; m < g->out; m++)
    for (int64_t k = 0; k < g->in; k++) w[k * g->out + m] = g->w[m * g->in + k];
  add_node(graph, node("QLinearMatMul", "product", "X xs zero W ws wz ys zero", "Y"));
  add_weight(graph, tensor_raw("W", ONNX_INT8, 2, shape, w, weights_of(g)));
  free(w);
}

/* (1, rows, columns, channels), or (rows, channels). */
static int shape_of(const bench_int8 *g, int64_t rows, int64_t columns, int64_t channels, int64_t shape[4]) {
  const int64_t image[] = {1, rows, columns, channels}, matrix[] = {rows, channels};
  memcpy(shape, g->product ? matrix : image, g->product ? sizeof matrix : sizeof image);
  return g->product ? 2 : 4;
}

static void *compile_ours(tn_context *ctx, const void *operands, double *seconds) {
  const bench_int8 *g = operands;
  ours *o = bench_alloc(sizeof *o);
  bytes graph = {0};
  int rank = shape_of(g, g->rows, g->columns, g->in, o->x_shape);
  shape_of(g, g->y_rows, g->y_columns, g->out, o->y_shape);
  (g->product ? add_product : add_conv)(&graph, g);
  add_scales(&graph, g);
  put_message(&graph, 11, value_info("X", ONNX_UINT8, rank, o->x_shape));
  add_output(&graph, "Y");
  bytes onnx = model(13, graph);
  o->made = bench_compile_onnx(ctx, onnx.data, onnx.size);
  o->x = bench_view(TN_U8, g->x, rank, o->x_shape);
  o->y = bench_view(TN_U8, g->y, rank, o->y_shape);
  *seconds = o->made.seconds;
  return o;
}

static void run_ours(void *compiled) {
  const ours *o = compiled;
  bench_run_model(&o->made, (const DLTensor *const[]){&o->x}, 1, &o->y);
}

static void drop_ours(void *compiled) {
  ours *o = compiled;
  bench_drop_compiled(&o->made);
  free(o);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* Channels that are looked at: all of small problems, some of large ones, the last one always. */
static int64_t next_channel(const bench_int8 *g, int64_t m) {
  int64_t step = 1 + (int64_t)(weights_of(g) * size_of_y(g) / (size_t)g->out / 50000000);
  return m + 1 == g->out ? g->out : m + step >= g->out ? g->out - 1 : m + step;
}

/* The sum for pixel (i, j) of channel m, with its bias. */
static int64_t sum_up(const bench_int8 *g, int64_t m, int64_t i, int64_t j) {
  int64_t per_group = g->in / g->groups, first = m / (g->out / g->groups) * per_group, k = g->kernel;
  int64_t sum = g->product ? 0 : g->bias[m];
  for (int64_t y = 0; y < k; y++)
    for (int64_t x = 0; x < k; x++) {
      int64_t row = i * g->stride + y - g->pad, column = j * g->stride + x - g->pad;
      if (row < 0 || row >= g->rows || column < 0 || column >= g->columns) continue;
      const uint8_t *pixel = g->x + (row * g->columns + column) * g->in + first;
      const int8_t *w = g->w + ((m * per_group * k) + y) * k + x;
      for (int64_t c = 0; c < per_group; c++) sum += pixel[c] * w[c * k * k];
    }
  return sum;
}

static bool is_quantized(double exact, uint8_t y, double slack) {
  double nearest = fmin(fmax(nearbyint(exact), 0), 255); /* ties to even */
  return y == nearest || (slack > 0 && fabs(fmin(fmax(exact, 0), 255) - (double)y) <= 0.5 + slack);
}

/* Of Tenon exactly; libraries may have multiplied by the scales in another order. */
static bool is_layer(const void *operands, const void *expected, const char *by) {
  const bench_int8 *g = operands;
  double slack = strcmp(by, "tenon") == 0 ? 0 : 1e-3;
  (void)expected;
  for (int64_t m = 0; m < g->out; m = next_channel(g, m)) {
    float scale = g->x_scale * g->w_scales[m];
    scale /= g->y_scale;
    for (int64_t i = 0; i < g->y_rows * g->y_columns; i++) {
      int64_t sum = sum_up(g, m, i / g->y_columns, i % g->y_columns);
      uint8_t y = g->y[i * g->out + m];
      if (is_quantized((double)sum * (double)scale, y, slack)) continue;
      fprintf(stderr, "tenon-bench: %s: Y[%lld, %lld] is %d, not %.9g\n", by, (long long)i, (long long)m, y,
              (double)sum * (double)scale);
      return false;
    }
  }
  return true;
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

static void clear(void *operands) {
  bench_int8 *g = operands;
  memset(g->y, 0x55, size_of_y(g));
}

static double flops_of(const void *operands) {
  const bench_int8 *g = operands;
  return 2.0 * (double)(weights_of(g) * size_of_y(g) / (size_t)g->out);
}

static bool describe(const bench_suite *suite, size_t problem, bench_row *r) {
  const struct int8_shape *s = &int8_shapes[problem];
  char groups[16] = "";
  (void)suite;
  r->from = s->from;
  r->group = s->group;
  if (s->groups > 1) snprintf(groups, sizeof groups, " g%d", s->groups);
  if (s->kernel)
    snprintf(r->shape, sizeof r->shape, "%dx%d>%d %dx%ds%d%s", s->in, s->size, s->out, s->kernel, s->kernel, s->stride,
             groups);
  else
    snprintf(r->shape, sizeof r->shape, "%dx%dx%d", s->size, s->in, s->out);
  snprintf(r->json, sizeof r->json,
           "\"group\": \"%s\", \"in\": %d, \"size\": %d, \"out\": %d, \"kernel\": %d, \"stride\": %d, \"groups\": %d",
           s->group, s->in, s->size, s->out, s->kernel, s->stride, s->groups);
  return true;
}

static const char *const groups[] = {"1x1", "kxk", "depthwise", "product", NULL};
static const bench_peer *const peers[] = {bench_onednn_int8_peers, NULL};
static const bench_suite suite = {
    .name = "int8", .type = "u8 by s8 to u8", .shape = "in x size > out", .mark = "", .groups = groups, .peers = peers,
    .count = INT8_SHAPES, .operand_size = sizeof(bench_int8),
    .describe = describe, .make = make_operands, .drop = drop_operands, .work = flops_of,
    .clear = clear, .is_right = is_layer, .own = {compile_ours, run_ours, NULL, drop_ours},
};

int bench_run_int8(const bench_options *options) { return bench_run_suite(&suite, options); }
