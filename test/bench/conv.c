/* conv.c -- tenon-bench conv: convolutions of one image, f32, beside the libraries, layer by layer.
 *
 * Tenon's convolution is an ONNX model of one Conv with constant weights between two Transposes, as models from
 * frameworks of such images have it, so it reads and writes images with the channels last: what Tenon makes of all
 * images within a network (sched/graph/channels.c). oneDNN is met twice: with images in the layout that it likes best,
 * which nobody else has to read or write here, and with plain ones. Results are checked against sums in f64. What Tenon
 * makes from transformed tiles (sched/graph/winograd.c) is met by its direct sums as well, and both errors are shown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ir/onnx_writer.h"
#include "bench.h"
#include "conv_shapes.h"

/* ---- Tenon ------------------------------------------------------------------------------------------------------- */

typedef struct ours {
  const bench_conv *g;
  bench_compiled made;
  int64_t x_shape[4], y_shape[4];
  float *x_own, *y_own; /* as Tenon has images */
  DLTensor x, y;
} ours;

static size_t image(const int64_t size[2]) { return (size_t)(size[0] * size[1]); }

/* Of a plain image its form for Tenon, (rows, columns) to (columns, rows), or the other way round. */
static void arrange(const float *from, size_t rows, size_t columns, float *to) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
}

static void shape_of(int64_t channels, const int64_t size[2], int64_t shape[4]) {
  const int64_t all[] = {1, size[0], size[1], channels};
  memcpy(shape, all, sizeof all);
}

static bytes transposed(const char *name, const char *inputs, const char *output, const int64_t perm[4]) {
  bytes n = node("Transpose", name, inputs, output);
  attr_ints(&n, "perm", 4, perm);
  return n;
}

static bytes write_model(const bench_conv *g) {
  bytes graph = {0}, conv = node("Conv", "conv", "x W", "y");
  int64_t shape[] = {g->out, g->in / g->groups, g->kernel[0], g->kernel[1]}, x_shape[4];
  attr_ints(&conv, "strides", 2, (int64_t[]){g->stride, g->stride});
  attr_ints(&conv, "pads", 4, (int64_t[]){g->pad[0], g->pad[1], g->pad[0], g->pad[1]});
  attr_int(&conv, "group", g->groups);
  add_node(&graph, transposed("plain", "X", "x", (int64_t[]){0, 3, 1, 2}));
  add_node(&graph, conv);
  add_node(&graph, transposed("last", "y", "Y", (int64_t[]){0, 2, 3, 1}));
  add_weight(&graph, tensor_raw("W", ONNX_FLOAT, 4, shape, g->w, bench_conv_weights(g) * sizeof *g->w));
  shape_of(g->in, g->size, x_shape);
  put_message(&graph, 11, value_info("X", ONNX_FLOAT, 4, x_shape));
  add_output(&graph, "Y");
  return model(13, graph);
}

/* Of the problem at hand: it is made from transformed tiles, and the largest errors, in largest results. */
static bool by_tiles;
static double error_of_tiles, error_of_direct;

static void look_for_tiles(void *self, const tn_pass_event *event) {
  (void)self;
  by_tiles |= strstr(event->object, "winograd") != NULL;
}

static ours *compile(tn_context *ctx, const bench_conv *g, const tn_compile_desc *desc) {
  ours *o = bench_alloc(sizeof *o);
  bytes onnx = write_model(g);
  o->g = g;
  shape_of(g->in, g->size, o->x_shape);
  shape_of(g->out, g->result, o->y_shape);
  o->made = bench_compile_onnx_by(ctx, onnx.data, onnx.size, desc);
  o->x_own = bench_alloc((size_t)g->in * image(g->size) * sizeof *o->x_own);
  o->y_own = bench_alloc((size_t)g->out * image(g->result) * sizeof *o->y_own);
  arrange(g->x, (size_t)g->in, image(g->size), o->x_own);
  o->x = bench_view(TN_F32, o->x_own, 4, o->x_shape);
  o->y = bench_view(TN_F32, o->y_own, 4, o->y_shape);
  return o;
}

static void *compile_ours(tn_context *ctx, const void *operands, double *seconds) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .observe = look_for_tiles};
  by_tiles = false;
  ours *o = compile(ctx, operands, &desc);
  *seconds = o->made.seconds;
  return o;
}

static void run_ours(void *compiled) {
  const ours *o = compiled;
  bench_run_model(&o->made, (const DLTensor *const[]){&o->x}, 1, &o->y);
}

static void fetch_ours(void *compiled) {
  const ours *o = compiled;
  arrange(o->y_own, image(o->g->result), (size_t)o->g->out, o->g->y);
}

static void drop_ours(void *compiled) {
  ours *o = compiled;
  bench_drop_compiled(&o->made);
  free(o->x_own);
  free(o->y_own);
  free(o);
}

/* ---- Tenon's direct sums, where it has others -------------------------------------------------------------------- */

static tn_context *direct_context;

static bool open_direct(const char *folder, int threads) {
  tn_error *error = NULL;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = (uint32_t)threads}};
  (void)folder;
  bench_must(tn_context_create(&desc, &direct_context, &error), &error);
  return true;
}

static void *prepare_direct(const void *operands) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .direct = 1};
  return by_tiles ? compile(direct_context, operands, &desc) : NULL;
}

static const bench_peer direct_peers[] = {
    {"direct", false, open_direct, prepare_direct, run_ours, fetch_ours, drop_ours, 0},
    {NULL, false, NULL, NULL, NULL, NULL, NULL, 0}};

/* ---- checking ---------------------------------------------------------------------------------------------------- */

size_t bench_conv_weights(const bench_conv *g) {
  return (size_t)(g->out * (g->in / g->groups) * g->kernel[0] * g->kernel[1]);
}

/* Channels that are looked at: all of small convolutions, some of large ones, the last one always. */
static int64_t next_channel(const bench_conv *g, int64_t m) {
  int64_t step = 1 + (int64_t)(bench_conv_weights(g) * image(g->result) / 20000000);
  return m + 1 == g->out ? g->out : m + step >= g->out ? g->out - 1 : m + step;
}

/* The sum for pixel (i, j) of channel m, and that of the absolute products. */
static void sum_up(const bench_conv *g, int64_t m, int64_t i, int64_t j, double *sum, double *size) {
  int64_t per_group = g->in / g->groups, first = m / (g->out / g->groups) * per_group;
  *sum = *size = 0;
  for (int64_t c = 0; c < per_group; c++)
    for (int64_t y = 0; y < g->kernel[0]; y++)
      for (int64_t x = 0; x < g->kernel[1]; x++) {
        int64_t row = i * g->stride + y - g->pad[0], column = j * g->stride + x - g->pad[1];
        if (row < 0 || row >= g->size[0] || column < 0 || column >= g->size[1]) continue;
        double product = (double)g->x[((first + c) * g->size[0] + row) * g->size[1] + column] *
                         (double)g->w[((m * per_group + c) * g->kernel[0] + y) * g->kernel[1] + x];
        *sum += product;
        *size += fabs(product);
      }
}

/* Is y the convolution, within the bound of a sum of k rounded products in any order, (k + 1) u sum |x w|? */
static bool is_convolution(const void *operands, const void *expected, const char *by) {
  const bench_conv *g = operands;
  (void)expected;
  int64_t sums = (int64_t)bench_conv_weights(g) / g->out;
  double unit = (double)(sums + 1) * FLT_EPSILON / 2, sum, size, worst = 0, largest = 0;
  for (int64_t m = 0; m < g->out; m = next_channel(g, m))
    for (int64_t i = 0; i < g->result[0]; i++)
      for (int64_t j = 0; j < g->result[1]; j++) {
        sum_up(g, m, i, j, &sum, &size);
        double y = (double)g->y[(m * g->result[0] + i) * g->result[1] + j];
        worst = fmax(worst, fabs(y - sum));
        largest = fmax(largest, fabs(sum));
        if (fabs(y - sum) <= unit * size) continue;
        fprintf(stderr, "tenon-bench: %s: Y[%lld, %lld, %lld] is %.9g, not %.17g\n", by, (long long)m, (long long)i,
                (long long)j, y, sum);
        return false;
      }
  if (strcmp(by, "tenon") == 0) error_of_tiles = worst / largest;
  if (strcmp(by, "direct") == 0) error_of_direct = worst / largest;
  return true;
}

static void note_errors(bench_row *row) {
  if (!by_tiles) return;
  snprintf(row->note, sizeof row->note, "tiles, error %.1e, of direct sums %.1e", error_of_tiles, error_of_direct);
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

static void clear(void *operands) {
  bench_conv *g = operands;
  memset(g->y, 0xff, (size_t)g->out * image(g->result) * sizeof *g->y);
}

static double flops_of(const void *operands) {
  const bench_conv *g = operands;
  return 2.0 * (double)(bench_conv_weights(g) * image(g->result));
}

static void make_operands(const struct conv_shape *s, bench_conv *operands) {
  bench_conv g = {.in = s->in, .out = s->out, .groups = s->groups, .stride = s->stride,
                  .size = {s->size, s->size}, .kernel = {s->kernel_h, s->kernel_w}, .pad = {s->pad_h, s->pad_w}};
  for (int d = 0; d < 2; d++) g.result[d] = (g.size[d] + 2 * g.pad[d] - g.kernel[d]) / g.stride + 1;
  size_t count = (size_t)g.in * image(g.size), weights = bench_conv_weights(&g);
  float *x = bench_alloc(count * sizeof *x), *w = bench_alloc(weights * sizeof *w);
  bench_fill(TN_F32, x, count, 1);
  bench_fill(TN_F32, w, weights, 2);
  g.x = x;
  g.w = w;
  g.y = bench_alloc((size_t)g.out * image(g.result) * sizeof *g.y);
  *operands = g;
}

static void drop_operands(void *operands) {
  bench_conv *g = operands;
  free((void *)(uintptr_t)g->x);
  free((void *)(uintptr_t)g->w);
  free(g->y);
}

static bool describe(const struct conv_shape *s, bench_row *r) {
  char groups[16] = "";
  r->from = s->from;
  r->group = s->group;
  if (s->groups > 1) snprintf(groups, sizeof groups, " g%d", s->groups);
  snprintf(r->shape, sizeof r->shape, "%dx%d>%d %dx%ds%d%s", s->in, s->size, s->out, s->kernel_h, s->kernel_w, s->stride,
           groups);
  snprintf(r->json, sizeof r->json,
           "\"group\": \"%s\", \"in\": %d, \"size\": %d, \"out\": %d, \"kernel\": [%d, %d], "
           "\"stride\": %d, \"groups\": %d",
           s->group, s->in, s->size, s->out, s->kernel_h, s->kernel_w, s->stride, s->groups);
  return true;
}

/* What both suites of convolutions have in common. */
#define CONVOLUTIONS                                                                                                   \
  .type = "f32", .shape = "in x size > out", .mark = "", .peers = peers, .operand_size = sizeof(bench_conv),           \
  .drop = drop_operands, .work = flops_of, .clear = clear, .is_right = is_convolution,                                 \
  .own = {compile_ours, run_ours, fetch_ours, drop_ours}

static const bench_peer *const peers[] = {bench_onednn_conv_peers, bench_blas_conv_peers, NULL};

static void make_plain(const bench_options *options, size_t problem, void *operands) {
  (void)options;
  make_operands(&conv_shapes[problem], operands);
}

static bool describe_plain(const bench_suite *suite, size_t problem, bench_row *r) {
  (void)suite;
  return describe(&conv_shapes[problem], r);
}

int bench_run_conv(const bench_options *options) {
  static const char *const groups[] = {"1x1", "kxk", "depthwise", "strided", "stem", "grouped", NULL};
  static const bench_suite suite = {CONVOLUTIONS, .name = "conv", .groups = groups, .count = CONV_SHAPES,
                                    .aside = direct_peers, .note = note_errors,
                                    .describe = describe_plain, .make = make_plain};
  return bench_run_suite(&suite, options);
}

static void make_grouped(const bench_options *options, size_t problem, void *operands) {
  (void)options;
  make_operands(&grouped_shapes[problem], operands);
}

static bool describe_grouped(const bench_suite *suite, size_t problem, bench_row *r) {
  (void)suite;
  return describe(&grouped_shapes[problem], r);
}

int bench_run_grouped(const bench_options *options) {
  static const char *const groups[] = {"narrow", "wide", "1x1", NULL};
  static const bench_suite suite = {CONVOLUTIONS, .name = "grouped", .groups = groups, .count = GROUPED_SHAPES,
                                    .describe = describe_grouped, .make = make_grouped};
  return bench_run_suite(&suite, options);
}
