/* node.c -- tenon-bench norm, eltwise, reduce: single operators over memory, f32, beside the libraries.
 *
 * Tenon's operator is an ONNX model of one node, with scales and shifts constant. Results are checked against f64. Rates
 * are of bytes read and written, and reading as many is measured in turn: beyond the caches, an operator that does little
 * else can be as fast as that.
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
#include "node_shapes.h"

/* ---- the problem ------------------------------------------------------------------------------------------------- */

static int64_t product(const int64_t *sizes, int from, int to) {
  int64_t all = 1;
  for (int d = from; d < to; d++) all *= sizes[d];
  return all;
}

static size_t size_of_x(const bench_node *g) { return (size_t)(g->outer * g->count * g->inner); }
static size_t size_of_y(const bench_node *g) { return (size_t)product(g->result, 0, g->rank); }
static bool is_normed(enum bench_op op) {
  return op == BENCH_LAYER_NORM || op == BENCH_RMS_NORM || op == BENCH_GROUP_NORM;
}
static bool is_reduction(enum bench_op op) { return op == BENCH_SUM || op == BENCH_MEAN || op == BENCH_MAX; }

/* The other summand, or scales: one for each element of a line, or for each channel; 0: none. */
static size_t size_of_w(const bench_node *g) {
  if (g->op == BENCH_ADD) return size_of_x(g);
  if (g->op == BENCH_GROUP_NORM) return (size_t)(g->shape[0] * g->shape[1]);
  return is_normed(g->op) ? (size_t)g->count : 0;
}

static void make_operands(const bench_options *options, size_t problem, void *operands) {
  const struct node_shape *s = &node_shapes[problem];
  bench_node g = {.op = s->op, .rank = s->rank, .axis = s->axis, .axes = s->axes};
  for (int d = 0; d < s->rank; d++) {
    bool reduced = is_reduction(s->op) && d >= s->axis && d < s->axis + s->axes;
    g.shape[d] = s->shape[d];
    g.result[d] = reduced ? 1 : s->shape[d];
  }
  g.outer = product(s->shape, 0, s->axes ? s->axis : s->rank);
  g.count = s->axes ? product(s->shape, s->axis, s->axis + s->axes) : 1;
  g.inner = s->axes ? product(s->shape, s->axis + s->axes, s->rank) : 1;
  float *x = bench_alloc(size_of_x(&g) * sizeof *x), *w = size_of_w(&g) ? bench_alloc(size_of_w(&g) * sizeof *w) : NULL;
  float *b = is_normed(s->op) ? bench_alloc(size_of_w(&g) * sizeof *b) : NULL;
  bench_fill(TN_F32, x, size_of_x(&g), 1);
  for (size_t i = 0; i < size_of_x(&g); i++) x[i] *= 4;
  if (w) bench_fill(TN_F32, w, size_of_w(&g), 2);
  if (b) bench_fill(TN_F32, b, size_of_w(&g), 3);
  g.x = x, g.w = w, g.b = b;
  g.y = bench_alloc(size_of_y(&g) * sizeof *g.y);
  *(bench_node *)operands = g;
  (void)options;
}

static void drop_operands(void *operands) {
  bench_node *g = operands;
  free((void *)(uintptr_t)g->x);
  free((void *)(uintptr_t)g->w);
  free((void *)(uintptr_t)g->b);
  free(g->y);
}

/* ---- Tenon ------------------------------------------------------------------------------------------------------- */

typedef struct ours {
  bench_compiled made;
  size_t inputs;
  int64_t x_shape[4], y_shape[4];
  DLTensor x, w, y;
} ours;

static const char *const onnx_names[BENCH_OPS] = {
    [BENCH_SOFTMAX] = "Softmax", [BENCH_LOG_SOFTMAX] = "LogSoftmax", [BENCH_LAYER_NORM] = "LayerNormalization",
    [BENCH_RMS_NORM] = "RMSNormalization", [BENCH_GROUP_NORM] = "GroupNormalization", [BENCH_GELU] = "Gelu",
    [BENCH_GELU_TANH] = "Gelu", [BENCH_SILU] = "Swish", [BENCH_HARD_SWISH] = "HardSwish", [BENCH_TANH] = "Tanh",
    [BENCH_SIGMOID] = "Sigmoid", [BENCH_EXP] = "Exp", [BENCH_RELU] = "Relu", [BENCH_ADD] = "Add",
    [BENCH_SUM] = "ReduceSum", [BENCH_MEAN] = "ReduceMean", [BENCH_MAX] = "ReduceMax",
};

/* ONNX's groups are channels together. */
static int onnx_shape(const bench_node *g, const int64_t *sizes, int64_t *out) {
  memcpy(out, sizes, sizeof g->shape);
  if (g->op == BENCH_GROUP_NORM) out[0] = 1, out[1] = sizes[0] * sizes[1];
  return g->rank;
}

static void add_vector(bytes *graph, const char *name, const float *data, size_t count) {
  add_weight(graph, tensor_raw(name, ONNX_FLOAT, 1, (int64_t[]){(int64_t)count}, data, count * sizeof *data));
}

static bytes write_model(const bench_node *g) {
  int64_t shape[4], axes[4];
  int rank = onnx_shape(g, g->shape, shape);
  const char *inputs = g->b && g->op != BENCH_RMS_NORM ? "X W B" : g->w || is_reduction(g->op) ? "X W" : "X";
  bytes graph = {0}, n = node(onnx_names[g->op], "n", inputs, "Y");
  if (g->op == BENCH_SOFTMAX || g->op == BENCH_LOG_SOFTMAX || g->op == BENCH_LAYER_NORM || g->op == BENCH_RMS_NORM)
    attr_int(&n, "axis", g->axis);
  if (is_normed(g->op)) attr_float(&n, "epsilon", BENCH_EPSILON);
  if (g->op == BENCH_GROUP_NORM) attr_int(&n, "num_groups", g->shape[0]);
  if (g->op == BENCH_GELU_TANH) attr_text(&n, "approximate", "tanh");
  add_node(&graph, n);
  for (int d = 0; d < g->axes; d++) axes[d] = g->axis + d;
  if (is_reduction(g->op)) add_weight(&graph, tensor_ints("W", g->axes, axes));
  if (is_normed(g->op)) add_vector(&graph, "W", g->w, size_of_w(g));
  if (is_normed(g->op) && g->op != BENCH_RMS_NORM) add_vector(&graph, "B", g->b, size_of_w(g));
  put_message(&graph, 11, value_info("X", ONNX_FLOAT, rank, shape));
  if (g->op == BENCH_ADD) put_message(&graph, 11, value_info("W", ONNX_FLOAT, rank, shape));
  add_output(&graph, "Y");
  return model(24, graph);
}

static void *compile_ours(tn_context *ctx, const void *operands, double *seconds) {
  const bench_node *g = operands;
  ours *o = bench_alloc(sizeof *o);
  bytes onnx = write_model(g);
  *o = (ours){.inputs = g->op == BENCH_ADD ? 2 : 1};
  o->made = bench_compile_onnx(ctx, onnx.data, onnx.size);
  o->x = bench_view(TN_F32, g->x, onnx_shape(g, g->shape, o->x_shape), o->x_shape);
  o->w = bench_view(TN_F32, g->w, g->rank, o->x_shape);
  o->y = bench_view(TN_F32, g->y, onnx_shape(g, g->result, o->y_shape), o->y_shape);
  *seconds = o->made.seconds;
  return o;
}

static void run_ours(void *compiled) {
  const ours *o = compiled;
  bench_run_model(&o->made, (const DLTensor *const[]){&o->x, &o->w}, o->inputs, &o->y);
}

static void drop_ours(void *compiled) {
  ours *o = compiled;
  bench_drop_compiled(&o->made);
  free(o);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static double apply(const bench_node *g, double x, size_t i) {
  switch (g->op) {
  case BENCH_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
  case BENCH_GELU_TANH: return x / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
  case BENCH_SILU: return x / (1 + exp(-x));
  case BENCH_HARD_SWISH: return x * fmax(0, fmin(1, x / 6 + 0.5));
  case BENCH_TANH: return tanh(x);
  case BENCH_SIGMOID: return 1 / (1 + exp(-x));
  case BENCH_EXP: return exp(x);
  case BENCH_RELU: return fmax(x, 0);
  default: return x + (double)g->w[i];
  }
}

/* Of a line. */
typedef struct facts {
  double most, sum, size, mean, square, variance, exponents;
} facts;

static facts look_at(const float *x, int64_t count, int64_t step) {
  facts f = {.most = -INFINITY};
  for (int64_t k = 0; k < count; k++) {
    double v = (double)x[k * step];
    f.most = fmax(f.most, v);
    f.sum += v;
    f.size += fabs(v);
    f.square += v * v;
  }
  f.mean = f.sum / (double)count;
  for (int64_t k = 0; k < count; k++) {
    double v = (double)x[k * step] - f.mean;
    f.variance += v * v / (double)count;
    f.exponents += exp((double)x[k * step] - f.most);
  }
  return f;
}

static double norm(const bench_node *g, const facts *f, double x, int64_t line, int64_t k) {
  size_t at = g->op == BENCH_GROUP_NORM ? (size_t)(line * g->shape[1] + k / (g->shape[2] * g->shape[3])) : (size_t)k;
  switch (g->op) {
  case BENCH_SOFTMAX: return exp(x - f->most) / f->exponents;
  case BENCH_LOG_SOFTMAX: return x - f->most - log(f->exponents);
  case BENCH_RMS_NORM: return x / sqrt(f->square / (double)g->count + (double)BENCH_EPSILON) * (double)g->w[at];
  default:
    return (x - f->mean) / sqrt(f->variance + (double)BENCH_EPSILON) * (double)g->w[at] + (double)g->b[at];
  }
}

static bool is_near(double y, double want, double bound, const char *by, size_t at) {
  if (fabs(y - want) <= bound) return true;
  fprintf(stderr, "tenon-bench: %s: Y[%zu] is %.9g, not %.17g\n", by, at, y, want);
  return false;
}

/* A reduction of n numbers within (n + 1) u sum |x|; what is normed within 64 u of its size and 1, twice the square root of
 * the line's length more; others within 32 u of their size and 1. u: FLT_EPSILON / 2. */
static bool is_line(const bench_node *g, int64_t o, int64_t i, const char *by) {
  const double u = FLT_EPSILON / 2;
  size_t first = (size_t)(o * g->count * g->inner + i), at = (size_t)(o * g->inner + i);
  facts f = look_at(g->x + first, g->count, g->inner);
  double n = (double)g->count, want = g->op == BENCH_MAX ? f.most : g->op == BENCH_MEAN ? f.mean : f.sum;
  if (is_reduction(g->op))
    return is_near((double)g->y[at], want, (n + 1) * u * f.size / (g->op == BENCH_SUM ? 1 : n), by, at);
  for (int64_t k = 0; k < g->count; k++) {
    size_t e = first + (size_t)(k * g->inner);
    double x = (double)g->x[e];
    want = g->axes ? norm(g, &f, x, o, k) : apply(g, x, e);
    double allowed = g->axes ? 64 + 2 * sqrt(n) : 32;
    if (!is_near((double)g->y[e], want, allowed * u * (fabs(want) + (g->op == BENCH_SOFTMAX ? 0 : 1)), by, e)) return false;
  }
  return true;
}

static bool is_result(const void *operands, const void *expected, const char *by) {
  const bench_node *g = operands;
  (void)expected;
  for (int64_t o = 0; o < g->outer; o++)
    for (int64_t i = 0; i < g->inner; i++)
      if (!is_line(g, o, i, by)) return false;
  return true;
}

static void clear(void *operands) {
  bench_node *g = operands;
  memset(g->y, 0xff, size_of_y(g) * sizeof *g->y);
}

static size_t bytes_of(const void *operands) {
  const bench_node *g = operands;
  return (size_of_x(g) + size_of_y(g) + (g->op == BENCH_ADD ? size_of_w(g) : 0)) * sizeof(float);
}

static double work_of(const void *operands) { return (double)bytes_of(operands); }

/* ---- the suites -------------------------------------------------------------------------------------------------- */

static const char *const op_names[BENCH_OPS] = {
    "softmax", "log_softmax", "layer_norm", "rms_norm", "group_norm", "gelu", "gelu_tanh", "silu", "hard_swish",
    "tanh", "sigmoid", "exp", "relu", "add", "sum", "mean", "max",
};

static bool describe(const bench_suite *suite, size_t problem, bench_row *r) {
  const struct node_shape *s = &node_shapes[problem];
  size_t n = (size_t)snprintf(r->shape, sizeof r->shape, "%s", op_names[s->op]);
  r->from = s->from;
  for (int d = 0; d < s->rank; d++)
    n += (size_t)snprintf(r->shape + n, sizeof r->shape - n, "%c%lld", d ? 'x' : ' ', (long long)s->shape[d]);
  if (is_reduction(s->op)) snprintf(r->shape + n, sizeof r->shape - n, " /%d", s->axis);
  snprintf(r->json, sizeof r->json, "\"op\": \"%s\", \"shape\": \"%s\"", op_names[s->op], r->shape);
  return strcmp(s->suite, suite->name) == 0;
}

static int run_suite(const bench_options *options, const char *name) {
  static const bench_peer *const peers[] = {bench_onednn_node_peers, NULL};
  const bench_suite suite = {
      .name = name, .type = "f32", .shape = "operator /first axis", .mark = "", .peers = peers, .by_bytes = true,
      .count = NODE_SHAPES, .operand_size = sizeof(bench_node), .describe = describe,
      .make = make_operands, .drop = drop_operands, .work = work_of, .reading = bytes_of, .clear = clear,
      .is_right = is_result, .own = {compile_ours, run_ours, NULL, drop_ours},
  };
  return bench_run_suite(&suite, options);
}

int bench_run_norm(const bench_options *options) { return run_suite(options, "norm"); }
int bench_run_eltwise(const bench_options *options) { return run_suite(options, "eltwise"); }
int bench_run_reduce(const bench_options *options) { return run_suite(options, "reduce"); }
