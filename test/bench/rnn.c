/* rnn.c -- tenon-bench rnn: LSTM and GRU layers from a state, f32, beside the libraries.
 *
 * Tenon's is an ONNX model of one node, as is ONNX Runtime's. Rates count the multiply-adds of both products.
 *
 * Each step is checked against f64, from the state that the result itself has before it: so an error is that of a step,
 * however many there are. Only what the cells of an LSTM lose adds up; the bound adds it up as well.
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
#include "rnn_shapes.h"

/* ---- the problem ------------------------------------------------------------------------------------------------- */

static size_t size_of_state(const bench_rnn *g) { return (size_t)(g->directions * g->batch * g->hidden); }
static size_t size_of_x(const bench_rnn *g) { return (size_t)(g->steps * g->batch * g->in); }
static size_t size_of_y(const bench_rnn *g) { return (size_t)g->steps * size_of_state(g); }
static size_t size_of_weights(const bench_rnn *g, int64_t columns) {
  return (size_t)(g->directions * g->gates * g->hidden * columns);
}

static float *filled(size_t count, unsigned seed, double scale) {
  float *x = bench_alloc(count * sizeof *x);
  bench_fill(TN_F32, x, count, seed);
  for (size_t i = 0; i < count; i++) x[i] *= (float)scale;
  return x;
}

static void make_operands(const bench_options *options, size_t problem, void *operands) {
  const struct rnn_shape *s = &rnn_shapes[problem];
  bench_rnn g = {.lstm = s->cell == RNN_LSTM,
                 .linear = s->cell == RNN_GRU_LINEAR,
                 .gates = s->cell == RNN_LSTM ? 4 : 3,
                 .batch = s->batch,
                 .steps = s->steps,
                 .in = s->in,
                 .hidden = s->hidden,
                 .directions = s->directions};
  double scale = 1 / sqrt((double)s->hidden); /* as layers are initialised */
  g.x = filled(size_of_x(&g), 1, 1);
  g.h = filled(size_of_state(&g), 2, 1);
  g.c = filled(size_of_state(&g), 3, 1);
  g.w = filled(size_of_weights(&g, g.in), 4, scale);
  g.r = filled(size_of_weights(&g, g.hidden), 5, scale);
  g.b = filled(size_of_weights(&g, 2), 6, scale);
  g.y = bench_alloc(size_of_y(&g) * sizeof *g.y);
  g.y_h = bench_alloc(size_of_state(&g) * sizeof *g.y_h);
  g.y_c = bench_alloc(size_of_state(&g) * sizeof *g.y_c);
  *(bench_rnn *)operands = g;
  (void)options;
}

static void drop_operands(void *operands) {
  const bench_rnn *g = operands;
  const float *all[] = {g->x, g->h, g->c, g->w, g->r, g->b, g->y, g->y_h, g->y_c};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free((void *)(uintptr_t)all[i]);
}

size_t bench_rnn_values(const bench_rnn *g, bench_value *out, size_t *inputs) {
  size_t n = 0;
  out[n++] = (bench_value){"X", (void *)(uintptr_t)g->x, 3, {g->steps, g->batch, g->in}};
  out[n++] = (bench_value){"H", (void *)(uintptr_t)g->h, 3, {g->directions, g->batch, g->hidden}};
  if (g->lstm) out[n++] = (bench_value){"C", (void *)(uintptr_t)g->c, 3, {g->directions, g->batch, g->hidden}};
  *inputs = n;
  out[n++] = (bench_value){"Y", g->y, 4, {g->steps, g->directions, g->batch, g->hidden}};
  out[n++] = (bench_value){"Y_h", g->y_h, 3, {g->directions, g->batch, g->hidden}};
  if (g->lstm) out[n++] = (bench_value){"Y_c", g->y_c, 3, {g->directions, g->batch, g->hidden}};
  return n;
}

static void add_weights(bytes *graph, const bench_rnn *g, const char *name, const float *data, int64_t columns) {
  int64_t shape[] = {g->directions, g->gates * g->hidden, columns};
  add_weight(graph, tensor_raw(name, ONNX_FLOAT, 3, shape, data, size_of_weights(g, columns) * sizeof *data));
}

void *bench_rnn_model(const bench_rnn *g, size_t *size) {
  const char *inputs = g->lstm ? "X W R B - H C" : "X W R B - H", *outputs = g->lstm ? "Y Y_h Y_c" : "Y Y_h";
  int64_t biases[] = {g->directions, 2 * g->gates * g->hidden};
  bench_value values[6];
  size_t input_count, count = bench_rnn_values(g, values, &input_count);
  bytes graph = {0}, n = node(g->lstm ? "LSTM" : "GRU", "n", inputs, outputs);
  attr_int(&n, "hidden_size", g->hidden);
  if (g->directions == 2) attr_text(&n, "direction", "bidirectional");
  if (g->linear) attr_int(&n, "linear_before_reset", 1);
  add_node(&graph, n);
  put_text(&graph, 2, "layer");
  add_weights(&graph, g, "W", g->w, g->in);
  add_weights(&graph, g, "R", g->r, g->hidden);
  add_weight(&graph, tensor_raw("B", ONNX_FLOAT, 2, biases, g->b, size_of_weights(g, 2) * sizeof *g->b));
  for (size_t i = 0; i < count; i++)
    put_message(&graph, i < input_count ? 11 : 12,
                value_info(values[i].name, ONNX_FLOAT, values[i].rank, values[i].shape));
  bytes onnx = model(14, graph);
  *size = onnx.size;
  return onnx.data;
}

/* ---- Tenon ------------------------------------------------------------------------------------------------------- */

typedef struct ours {
  bench_compiled made;
  bench_value values[6];
  DLTensor views[6];
  const DLTensor *inputs[3], *outputs[3];
  size_t input_count, count;
} ours;

static void *compile_ours(tn_context *ctx, const void *operands, double *seconds) {
  const bench_rnn *g = operands;
  ours *o = bench_alloc(sizeof *o);
  size_t size;
  void *onnx = bench_rnn_model(g, &size);
  *o = (ours){.made = bench_compile_onnx(ctx, onnx, size)};
  o->count = bench_rnn_values(g, o->values, &o->input_count);
  for (size_t i = 0; i < o->count; i++) {
    o->views[i] = bench_view(TN_F32, o->values[i].data, o->values[i].rank, o->values[i].shape);
    *(i < o->input_count ? &o->inputs[i] : &o->outputs[i - o->input_count]) = &o->views[i];
  }
  *seconds = o->made.seconds;
  return o;
}

static void run_ours(void *compiled) {
  const ours *o = compiled;
  tn_error *error = NULL;
  bench_must(tn_model_run(o->made.model, o->inputs, o->input_count, o->outputs, o->count - o->input_count, &error),
             &error);
}

static void drop_ours(void *compiled) {
  ours *o = compiled;
  bench_drop_compiled(&o->made);
  free(o);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* A number, and how far from it a right result may be. u: FLT_EPSILON / 2. */
typedef struct near {
  double value, wrong;
} near;

enum { FUNCTION_ERROR = 16 /* u: of an activation */ };
static const double u = FLT_EPSILON / 2;

static near sigmoid(near x) {
  double value = 1 / (1 + exp(-x.value));
  return (near){value, x.wrong / 4 + FUNCTION_ERROR * u};
}

static near tanh_of(near x) { return (near){tanh(x.value), x.wrong + FUNCTION_ERROR * u}; }

static near product(near a, near b) {
  double wrong = fabs(a.value) * b.wrong + fabs(b.value) * a.wrong + a.wrong * b.wrong;
  return (near){a.value * b.value, wrong + u * fabs(a.value * b.value)};
}

static near sum(near a, near b) {
  return (near){a.value + b.value, a.wrong + b.wrong + u * (fabs(a.value) + fabs(b.value))};
}

/* A row of weights times a vector, on top of `start`; in whatever order: (count + 2) u sum |w x|. */
static near dot(const float *w, const near *x, int64_t count, near start) {
  double size = fabs(start.value), value = start.value, wrong = start.wrong;
  for (int64_t k = 0; k < count; k++) {
    value += (double)w[k] * x[k].value;
    size += fabs((double)w[k] * x[k].value);
    wrong += fabs((double)w[k]) * x[k].wrong;
  }
  return (near){value, wrong + (double)(count + 2) * u * size};
}

/* One sequence in one direction. */
typedef struct walk {
  const bench_rnn *g;
  int64_t direction, batch;
  near *x, *h, *reset, *c; /* of the step at hand */
} walk;

/* What comes of x and the biases, or of a state, for unit j of a gate; the state's bias stands by itself. */
static near from_x(const walk *k, int64_t gate, int64_t j) {
  const bench_rnn *g = k->g;
  int64_t row = k->direction * g->gates * g->hidden + gate * g->hidden + j;
  double bias = (double)g->b[k->direction * 2 * g->gates * g->hidden + gate * g->hidden + j];
  return dot(g->w + row * g->in, k->x, g->in, (near){bias, 0});
}

static near from_state(const walk *k, const near *h, int64_t gate, int64_t j) {
  const bench_rnn *g = k->g;
  int64_t row = k->direction * g->gates * g->hidden + gate * g->hidden + j;
  double bias = (double)g->b[(k->direction * 2 + 1) * g->gates * g->hidden + gate * g->hidden + j];
  return dot(g->r + row * g->hidden, h, g->hidden, (near){bias, 0});
}

static near gate_of(const walk *k, int64_t gate, int64_t j) {
  return sum(from_x(k, gate, j), from_state(k, k->h, gate, j));
}

static near lstm_unit(walk *k, int64_t j) { /* i, o, f, c */
  near kept = product(sigmoid(gate_of(k, 2, j)), k->c[j]);
  k->c[j] = sum(kept, product(sigmoid(gate_of(k, 0, j)), tanh_of(gate_of(k, 3, j))));
  return product(sigmoid(gate_of(k, 1, j)), tanh_of(k->c[j]));
}

static near gru_unit(const walk *k, int64_t j) { /* z, r, h */
  near z = sigmoid(gate_of(k, 0, j)), seen = from_state(k, k->g->linear ? k->h : k->reset, 2, j), one = {1, 0};
  if (k->g->linear) seen = product(sigmoid(gate_of(k, 1, j)), seen);
  near fresh = tanh_of(sum(from_x(k, 2, j), seen)), rest = {-z.value, z.wrong};
  return sum(product(sum(one, rest), fresh), product(z, k->h[j]));
}

/* What the step at hand is computed from: x, and the state that the result itself has before it. */
static void begin_step(walk *k, int64_t t, int64_t before) {
  const bench_rnn *g = k->g;
  for (int64_t i = 0; i < g->in; i++) k->x[i] = (near){(double)g->x[(t * g->batch + k->batch) * g->in + i], 0};
  const float *h = before < 0 ? g->h + (k->direction * g->batch + k->batch) * g->hidden
                              : g->y + ((before * g->directions + k->direction) * g->batch + k->batch) * g->hidden;
  for (int64_t j = 0; j < g->hidden; j++) k->h[j] = (near){(double)h[j], 0};
  if (g->lstm || g->linear) return;
  for (int64_t j = 0; j < g->hidden; j++) k->reset[j] = product(sigmoid(gate_of(k, 1, j)), k->h[j]);
}

static bool is_near(double y, near want, const char *what, int64_t t, int64_t j, const char *by) {
  if (fabs(y - want.value) <= want.wrong) return true;
  fprintf(stderr, "tenon-bench: %s: %s[%lld][%lld] is %.9g, not %.17g +- %.2g\n", by, what, (long long)t, (long long)j,
          y, want.value, want.wrong);
  return false;
}

static bool is_sequence(walk *k, const char *by) {
  const bench_rnn *g = k->g;
  int64_t state = (k->direction * g->batch + k->batch) * g->hidden;
  bool good = true;
  for (int64_t j = 0; j < g->hidden; j++) k->c[j] = (near){(double)g->c[state + j], 0};
  for (int64_t i = 0, before = -1; i < g->steps && good; i++) {
    int64_t t = k->direction ? g->steps - 1 - i : i;
    const float *y = g->y + ((t * g->directions + k->direction) * g->batch + k->batch) * g->hidden;
    begin_step(k, t, before);
    for (int64_t j = 0; j < g->hidden && good; j++)
      good = is_near((double)y[j], g->lstm ? lstm_unit(k, j) : gru_unit(k, j), "Y", t, j, by);
    for (int64_t j = 0; j < g->hidden && good && i + 1 == g->steps; j++)
      good = is_near((double)g->y_h[state + j], (near){(double)y[j], 0}, "Y_h", t, j, by) &&
             (!g->lstm || is_near((double)g->y_c[state + j], k->c[j], "Y_c", t, j, by));
    before = t;
  }
  return good;
}

/* All sequences of small problems, the first and the last one of others. */
static bool is_layer(const void *operands, const void *expected, const char *by) {
  const bench_rnn *g = operands;
  (void)expected;
  size_t width = (size_t)(g->in > g->hidden ? g->in : g->hidden);
  near *room = bench_alloc(4 * width * sizeof *room);
  double work = (double)(g->steps * g->directions * g->batch * g->gates * g->hidden) * (double)(g->in + g->hidden);
  int64_t step = work > 1e8 && g->batch > 1 ? g->batch - 1 : 1;
  bool good = true;
  for (int64_t d = 0; d < g->directions; d++)
    for (int64_t b = 0; b < g->batch && good; b += step) {
      walk k = {g, d, b, room, room + width, room + 2 * width, room + 3 * width};
      good = is_sequence(&k, by);
    }
  free(room);
  return good;
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

static void clear(void *operands) {
  bench_rnn *g = operands;
  memset(g->y, 0xff, size_of_y(g) * sizeof *g->y);
  memset(g->y_h, 0xff, size_of_state(g) * sizeof *g->y_h);
  memset(g->y_c, 0xff, size_of_state(g) * sizeof *g->y_c);
}

static double flops_of(const void *operands) {
  const bench_rnn *g = operands;
  return 2 * (double)(g->steps * g->batch) * (double)size_of_weights(g, g->in + g->hidden);
}

static bool describe(const bench_suite *suite, size_t problem, bench_row *r) {
  const struct rnn_shape *s = &rnn_shapes[problem];
  static const char *const cells[] = {"lstm", "gru", "gru"};
  (void)suite;
  r->from = s->from;
  r->mark = s->cell == RNN_GRU_LINEAR ? '\'' : ' ';
  r->group = s->steps == 1 ? "one step" : "sequences";
  snprintf(r->shape, sizeof r->shape, "%s %dx%d %d>%s%d", cells[s->cell], s->batch, s->steps, s->in,
           s->directions == 2 ? "2x" : "", s->hidden);
  snprintf(r->json, sizeof r->json, "\"shape\": \"%s\", \"linear\": %d", r->shape, s->cell == RNN_GRU_LINEAR);
  return true;
}

static const char *const groups[] = {"one step", "sequences", NULL};
static const bench_peer *const peers[] = {bench_onnxruntime_rnn_peers, bench_onednn_rnn_peers, NULL};
static const bench_suite suite = {
    .name = "rnn", .type = "f32", .shape = "batch x steps in>hidden", .mark = "': reset behind the product; ",
    .groups = groups, .peers = peers, .each_peer = true, .count = RNN_SHAPES, .operand_size = sizeof(bench_rnn),
    .describe = describe, .make = make_operands, .drop = drop_operands, .work = flops_of,
    .clear = clear, .is_right = is_layer, .own = {compile_ours, run_ours, NULL, drop_ours},
};

int bench_run_rnn(const bench_options *options) { return bench_run_suite(&suite, options); }
