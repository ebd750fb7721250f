/* test_recurrent.c -- the graph operators rnn, gru and lstm: the interpreter's bits in compiled code, with weights as they
 * are and in parts of any size, and both within stated bounds of f64.
 *
 * A step is checked from the state that the result itself has before it. A sum of w and n products is wrong by (n + 3) u
 * times the sum of what is added up, without signs; sigmoid makes at most a quarter of that, tanh as much, and each of
 * them 4 u more; the products and sums of a cell add 8 u of what they have. u = 2^-24.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>

#include "session.h"

#include "graph/graph.h"

enum cell { RNN, GRU, LINEAR, LSTM };
static const char *const names[] = {"rnn", "gru", "gru", "lstm"};
static const int64_t gates_of[] = {1, 3, 3, 4};

static const struct {
  enum cell cell;
  int64_t steps, batch, n, units; /* of a part */
  bool extra, lengths;            /* peepholes, or the bias of the candidate */
} cases[] = {
    {LSTM, 1, 1, 1, 1, false, false},   {LSTM, 3, 1, 32, 16, false, false}, {LSTM, 3, 2, 48, 32, true, false},
    {LSTM, 2, 7, 40, 16, false, true},  {LSTM, 2, 13, 20, 8, true, true},   {LSTM, 2, 1, 70, 32, true, true},
    {LSTM, 1, 1, 3, 5, false, false},   {GRU, 3, 1, 32, 16, false, false},  {GRU, 2, 5, 50, 16, false, true},
    {GRU, 2, 1, 96, 64, false, false},  {GRU, 2, 3, 1, 1, false, false},    {LINEAR, 3, 1, 32, 32, true, false},
    {LINEAR, 2, 9, 41, 16, true, true}, {LINEAR, 2, 1, 7, 4, false, false}, {RNN, 3, 1, 128, 64, false, false},
    {RNN, 3, 6, 33, 16, false, true},   {RNN, 2, 2, 2, 1, false, false},
    {GRU, 2, 2, 192, 64, false, true}, /* parts of a step in parallel */
};

static uint64_t random_state;
static double some(void) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (double)(random_state >> 40) / (1 << 23) - 1;
}

/* Multiples of 1/1024, so that few digits say them all. */
static float *filled(int64_t count, double scale) {
  float *x = malloc((size_t)count * sizeof *x);
  for (int64_t i = 0; i < count; i++) x[i] = (float)(round(scale * some() * 1024) / 1024);
  return x;
}

typedef struct problem {
  tn_context *ctx;
  int c;
  int64_t gates, n, width; /* of the output: cells are behind the states */
  float *w, *r, *parts, *h, *cells, *extra;
  int32_t lengths[16];
} problem;

/* ---- f64 --------------------------------------------------------------------------------------------------------- */

static const double u = FLT_EPSILON / 2;

/* What a gate's sum is, and how far from it a right one may be. */
typedef struct near {
  double value, wrong;
} near;

static near sum_of(const problem *p, int64_t gate, int64_t j, const double *h, double start) {
  near s = {start, fabs(start)};
  for (int64_t k = 0; k < p->n; k++) {
    double product = h[k] * (double)p->r[k * p->gates * p->n + gate * p->n + j];
    s.value += product;
    s.wrong += fabs(product);
  }
  s.wrong *= (double)(p->n + 3) * u;
  return s;
}

static near squash(near x) { return (near){1 / (1 + exp(-x.value)), x.wrong / 4 + 4 * u}; }
static near tanh_of(near x) { return (near){tanh(x.value), x.wrong + 4 * u}; }
static near times(near a, near b) {
  return (near){a.value * b.value, fabs(a.value) * b.wrong + fabs(b.value) * a.wrong + a.wrong * b.wrong +
                                       2 * u * fabs(a.value * b.value)};
}
static near plus(near a, near b) {
  return (near){a.value + b.value, a.wrong + b.wrong + 2 * u * (fabs(a.value) + fabs(b.value))};
}

/* Unit j of h after a step from the states h and c; c becomes the cell after it. */
static near unit_of(const problem *p, const float *w, const double *h, double *c, int64_t j, near *cell) {
  const float *x = w + j;
  int64_t n = p->n;
  bool extra = cases[p->c].extra;
  near one = {1, 0}, old = {h[j], 0};
  if (cases[p->c].cell == RNN) return tanh_of(sum_of(p, 0, j, h, (double)x[0]));
  if (cases[p->c].cell == LSTM) {
    near before = {c[j], 0}, none = {0, 0}, see[3];
    for (int g = 0; g < 3; g++) see[g] = (near){extra ? (double)p->extra[g * n + j] : 0, 0};
    near i = squash(plus(sum_of(p, 0, j, h, (double)x[0]), extra ? times(see[0], before) : none));
    near f = squash(plus(sum_of(p, 2, j, h, (double)x[2 * n]), extra ? times(see[2], before) : none));
    *cell = plus(times(f, before), times(i, tanh_of(sum_of(p, 3, j, h, (double)x[3 * n]))));
    near o = squash(plus(sum_of(p, 1, j, h, (double)x[n]), extra ? times(see[1], *cell) : none));
    return times(o, tanh_of(*cell));
  }
  near z = squash(sum_of(p, 0, j, h, (double)x[0])), candidate;
  if (cases[p->c].cell == LINEAR) {
    near reset = squash(sum_of(p, 1, j, h, (double)x[n]));
    candidate = times(reset, sum_of(p, 2, j, h, extra ? (double)p->extra[j] : 0));
    candidate = plus((near){(double)x[2 * n], 0}, candidate);
  } else {
    double *seen = malloc((size_t)n * sizeof *seen), wrong = 0;
    for (int64_t k = 0; k < n; k++) {
      near reset = times(squash(sum_of(p, 1, k, h, (double)w[n + k])), (near){h[k], 0});
      seen[k] = reset.value;
      wrong += reset.wrong * fabs((double)p->r[k * 3 * n + 2 * n + j]);
    }
    candidate = sum_of(p, 2, j, seen, (double)x[2 * n]);
    candidate.wrong += 2 * wrong;
    free(seen);
  }
  return plus(times(plus(one, (near){-z.value, z.wrong}), tanh_of(candidate)), times(z, old));
}

static void check_near(const problem *p, double y, near want, int64_t t, int64_t b, int64_t j) {
  ck_assert_msg(fabs(y - want.value) <= want.wrong, "case %d: [%d, %d, %d] is %.9g, not %.17g +- %.2g", p->c, (int)t,
                (int)b, (int)j, y, want.value, want.wrong);
}

static void check_steps(const problem *p, const float *y) {
  int64_t n = p->n, batch = cases[p->c].batch;
  double *h = malloc((size_t)n * sizeof *h), *c = malloc((size_t)n * sizeof *c);
  for (int64_t t = 0; t < cases[p->c].steps; t++)
    for (int64_t b = 0; b < batch; b++) {
      const float *before = t ? y + ((t - 1) * batch + b) * p->width : p->h + b * n, *now = y + (t * batch + b) * p->width;
      const float *cells = t ? before + n : p->cells + b * n, *w = p->w + (t * batch + b) * p->gates * n;
      bool runs = !cases[p->c].lengths || t < p->lengths[b], lstm = p->width > n;
      for (int64_t j = 0; j < n; j++) h[j] = (double)before[j], c[j] = lstm ? (double)cells[j] : 0;
      for (int64_t j = 0; j < n; j++) {
        near cell = {c[j], 0}, unit = {h[j], 0};
        if (runs) unit = unit_of(p, w, h, c, j, &cell);
        check_near(p, (double)now[j], unit, t, b, j);
        if (lstm) check_near(p, (double)now[n + j], cell, t, b, n + j);
      }
    }
  free(h);
  free(c);
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

/* A graph of the layer. r: its declaration, a parameter, or a constant if it begins so. */
static void write_graph(const problem *p, const char *r, tni_text *out) {
  static const char *const functions[] = {"tanh", "sigmoid tanh", "sigmoid tanh", "sigmoid tanh tanh"};
  int t = (int)cases[p->c].steps, b = (int)cases[p->c].batch, n = (int)p->n;
  enum cell cell = cases[p->c].cell;
  bool constant = strncmp(r, "const", 5) == 0;
  tni_text_add(out, "graph main(w: f32[%d, %d, %d]", t, b, (int)p->gates * n);
  if (!constant) tni_text_add(out, ", r: %s", r);
  tni_text_add(out, ", h: f32[%d, %d]", b, n);
  if (cell == LSTM) tni_text_add(out, ", c: f32[%d, %d]", b, n);
  if (cases[p->c].extra) tni_text_add(out, ", e: f32[%d]", cell == LSTM ? 3 * n : n);
  if (cases[p->c].lengths) tni_text_add(out, ", l: i32[%d]", b);
  tni_text_add(out, ") -> (y) {\n%s  y: f32[%d, %d, %d] = ", constant ? r : "", t, b, (int)p->width);
  tni_text_add(out, "%s(w, r, h%s", names[cell], cell == LSTM ? ", c" : "");
  if (cell != RNN && (cases[p->c].extra || cases[p->c].lengths)) tni_text_add(out, cases[p->c].extra ? ", e" : ", _");
  tni_text_add(out, "%s) {activations = \"%s\"", cases[p->c].lengths ? ", l" : "", functions[cell]);
  tni_text_add(out, "%s}\n}\n", cell == LINEAR ? ", linear_before_reset = 1" : "");
}

/* What the graph's inputs are, in their order. */
static size_t list_inputs(const problem *p, const float *r, void **out) {
  size_t n = 0;
  out[n++] = p->w;
  if (r) out[n++] = (void *)(uintptr_t)r;
  out[n++] = p->h;
  if (cases[p->c].cell == LSTM) out[n++] = p->cells;
  if (cases[p->c].extra) out[n++] = p->extra;
  if (cases[p->c].lengths) out[n++] = (void *)(uintptr_t)p->lengths;
  return n;
}

/* y, with the weights `r` as they are, or in parts. */
static void evaluate(const problem *p, bool in_parts, const tni_evaluator *evaluator, float *y) {
  int n = (int)p->n, units = (int)cases[p->c].units, g = (int)p->gates;
  char r[64];
  tni_text text;
  tn_program *program;
  tn_error *error;
  void *data[6], *out = y;
  if (in_parts)
    snprintf(r, sizeof r, "f32[%d, %d, %d]", (n - 1) / units + 1, n, g * units);
  else
    snprintf(r, sizeof r, "f32[%d, %d]", n, g * n);
  tni_text_init(&text, p->ctx);
  write_graph(p, r, &text);
  must(tn_program_parse(p->ctx, text.data, text.length, "t.tn", &program, &error), error);
  tni_text_destroy(&text);
  const tn_graph *graph = tn_program_graph(program, "main");
  const tni_gnode *node = &graph->nodes[0];
  tni_gvalue in[6];
  const tni_gvalue *inputs[6] = {NULL};
  list_inputs(p, in_parts ? p->parts : p->r, data);
  for (uint32_t i = 0; i < graph->input_count; i++) {
    in[i] = graph->values[graph->inputs[i]];
    in[i].data = data[i];
    for (uint32_t k = 0; k < node->input_count; k++)
      if (node->inputs[k] == graph->inputs[i]) inputs[k] = &in[i];
  }
  must(tni_gnode_evaluate(p->ctx, node, inputs, &graph->values[graph->outputs[0]], evaluator, &out, &error), error);
  tn_program_destroy(program);
}

/* The weights in parts: all gates of so many units side by side. */
static float *make_parts(const problem *p) {
  int64_t n = p->n, units = cases[p->c].units, count = (n - 1) / units + 1;
  float *parts = calloc((size_t)(count * n * p->gates * units), sizeof *parts), *to = parts;
  for (int64_t part = 0; part < count; part++)
    for (int64_t k = 0; k < n; k++)
      for (int64_t g = 0; g < p->gates; g++)
        for (int64_t j = part * units; j < (part + 1) * units; j++, to++)
          if (j < n) *to = p->r[(k * p->gates + g) * n + j];
  return parts;
}

static problem make_problem(int c) {
  int64_t n = cases[c].n, gates = gates_of[cases[c].cell], batch = cases[c].batch;
  random_state = (uint64_t)c;
  problem p = {.ctx = session_open(), .c = c, .gates = gates, .n = n, .width = cases[c].cell == LSTM ? 2 * n : n};
  p.w = filled(cases[c].steps * batch * gates * n, 2);
  p.r = filled(n * gates * n, 2 / sqrt((double)n));
  p.h = filled(batch * n, 1);
  p.cells = filled(batch * n, 2);
  p.extra = filled(3 * n, 1);
  p.parts = make_parts(&p);
  for (int64_t b = 0; b < batch; b++) p.lengths[b] = (int32_t)(b % (cases[c].steps + 1));
  return p;
}

static void drop_problem(problem *p) {
  free(p->w), free(p->r), free(p->h), free(p->cells), free(p->extra), free(p->parts);
  tn_context_destroy(p->ctx);
}

START_TEST(steps_are_within_their_bounds_and_the_same_bits)
{
  static const tni_evaluator interpreted = {NULL, tni_evaluate_interpreted}, compiled = {NULL, session_evaluate};
  problem p = make_problem(_i);
  int64_t outputs = cases[_i].steps * cases[_i].batch * p.width;
  float *y = filled(outputs, 0), *again = filled(outputs, 0);
  evaluate(&p, false, &interpreted, y);
  check_steps(&p, y);
  for (int way = 0; way < 3; way++) {
    memset(again, 0xff, (size_t)outputs * sizeof *again);
    evaluate(&p, way > 0, way == 1 ? &interpreted : &compiled, again);
    ck_assert_msg(memcmp(y, again, (size_t)outputs * sizeof *y) == 0, "case %d, way %d: other bits", _i, way);
  }
  free(y), free(again);
  drop_problem(&p);
}
END_TEST

/* Compiled as a model, constant weights are stored in parts, where there are as many units as lanes. */
START_TEST(constant_weights_are_stored_in_parts)
{
  static const tni_evaluator interpreted = {NULL, tni_evaluate_interpreted};
  problem p = make_problem(_i);
  int64_t outputs = cases[_i].steps * cases[_i].batch * p.width;
  float *y = filled(outputs, 0), *again = filled(outputs, 0);
  tni_text text, r;
  void *data[6];
  DLTensor views[7];
  const DLTensor *inputs[6], *output = &views[6];
  tn_error *error = NULL;
  char *emitted;
  size_t size;
  evaluate(&p, false, &interpreted, y);
  tni_text_init(&text, p.ctx);
  tni_text_init(&r, p.ctx);
  tni_text_add(&r, "const r: f32[%d, %d] = [", (int)p.n, (int)(p.gates * p.n));
  for (int64_t i = 0; i < p.gates * p.n * p.n; i++) tni_text_add(&r, "%s%.10f", i ? ", " : "", (double)p.r[i]);
  tni_text_add(&r, "]\n");
  write_graph(&p, r.data, &text);
  tn_program *program = session_parse(p.ctx, text.data);
  tn_module *module = session_compile(program, NULL);
  const tn_model *model;
  must(tn_module_model(module, "main", &model, &error), error);
  const tn_graph *graph = tn_program_graph(program, "main");
  size_t count = list_inputs(&p, NULL, data);
  for (size_t i = 0; i <= count; i++) {
    tni_gvalue *v = &((tni_gvalue *)(uintptr_t)graph->values)[i < count ? graph->inputs[i] : graph->outputs[0]];
    views[i < count ? i : 6] = view(v->type, v->rank, v->shape, i < count ? data[i] : again);
    if (i < count) inputs[i] = &views[i];
  }
  must(tn_model_run(model, inputs, count, &output, 1, &error), error);
  ck_assert_msg(memcmp(y, again, (size_t)outputs * sizeof *y) == 0, "case %d: other bits", _i);
  must(tn_program_emit(program, NULL, "tensor", &emitted, &size, &error), error);
  int d[3] = {0}; /* of three dimensions: named `w`, as constants are */
  const char *stored = strstr(emitted, " w: f32[");
  ck_assert_msg(p.n < 16 || (stored && sscanf(stored, " w: f32[%d, %d, %d]", &d[0], &d[1], &d[2]) == 3), "%.3000s", emitted);
  tn_text_destroy(emitted);
  tni_text_destroy(&text), tni_text_destroy(&r);
  tn_module_destroy(module);
  tn_program_destroy(program);
  free(y), free(again);
  drop_problem(&p);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("recurrent");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, steps_are_within_their_bounds_and_the_same_bits, 0, TNI_COUNT(cases));
  tcase_add_loop_test(tests, constant_weights_are_stored_in_parts, 0, TNI_COUNT(cases));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
