/* onednn_rnn.c -- oneDNN's LSTM and GRU, f32: weights as it likes them; sequences and states plain.
 *
 * It has a layer's gates in another order, and puts what both directions give for a step side by side.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

enum { FORWARD_INFERENCE = 96, LEFT_TO_RIGHT = 1, BOTH_SIDE_BY_SIDE = 3, F32 = 3, QUERY_BY_ARGUMENT = 255 };
/* The operands, and the numbers that oneDNN has for them. */
enum { X, H, C, W, R, B, Y, Y_H, Y_C, OPERANDS };
static const int numbers[OPERANDS] = {1, 2, 3, 33, 34, 41, 17, 18, 19};

typedef onednn_handle handle;

typedef struct layer {
  const bench_rnn *g;
  handle how, primitive, memories[OPERANDS];
  float *w, *r, *b, *y; /* in its order */
} layer;

/* Which gate of ONNX stands at place i: i, f, c, o of i, o, f, c. */
static int64_t gate_at(const bench_rnn *g, int64_t i) {
  static const int64_t of_lstm[] = {0, 2, 3, 1};
  return g->lstm ? of_lstm[i] : i;
}

/* (directions, gates, hidden, columns) to (directions, columns, gates, hidden). */
static float *turned(const bench_rnn *g, const float *from, int64_t columns) {
  int64_t n = g->hidden, gates = g->gates;
  float *to = bench_alloc((size_t)(g->directions * gates * n * columns) * sizeof *to), *at = to;
  for (int64_t d = 0; d < g->directions; d++)
    for (int64_t k = 0; k < columns; k++)
      for (int64_t i = 0; i < gates; i++)
        for (int64_t j = 0; j < n; j++) *at++ = from[((d * gates + gate_at(g, i)) * n + j) * columns + k];
  return to;
}

/* Both biases are added up, but for the candidate's of a linear GRU, which are two. */
static float *biases(const bench_rnn *g) {
  int64_t n = g->hidden, gates = g->gates, rows = gates + g->linear;
  float *to = bench_alloc((size_t)(g->directions * rows * n) * sizeof *to), *at = to;
  for (int64_t d = 0; d < g->directions; d++)
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < n; j++) {
        const float *b = g->b + d * 2 * gates * n;
        int64_t first = (i < gates ? gate_at(g, i) : gates - 1) * n + j, second = first + gates * n;
        *at++ = i == gates ? b[second] : g->linear && i + 1 == gates ? b[first] : b[first] + b[second];
      }
  return to;
}

static void drop(void *prepared) {
  layer *p = prepared;
  for (int i = 0; i < OPERANDS; i++)
    if (p->memories[i]) dnnl.memory_destroy(p->memories[i]);
  if (p->primitive) dnnl.primitive_destroy(p->primitive);
  if (p->how) dnnl.primitive_desc_destroy(p->how);
  free(p->w), free(p->r), free(p->b), free(p->y);
  free(p);
}

static bool describe_primitive(layer *p, handle descs[OPERANDS]) {
  const bench_rnn *g = p->g;
  int way = g->directions == 2 ? BOTH_SIDE_BY_SIDE : LEFT_TO_RIGHT;
  if (g->lstm)
    return !dnnl.lstm_forward_primitive_desc_create(&p->how, onednn_engine, FORWARD_INFERENCE, way, descs[X], descs[H],
                                                    descs[C], descs[W], descs[R], NULL, NULL, descs[B], descs[Y],
                                                    descs[Y_H], descs[Y_C], 0, NULL);
  return !(g->linear ? dnnl.lbr_gru_forward_primitive_desc_create : dnnl.gru_forward_primitive_desc_create)(
      &p->how, onednn_engine, FORWARD_INFERENCE, way, descs[X], descs[H], descs[W], descs[R], descs[B], descs[Y],
      descs[Y_H], 0, NULL);
}

/* The operands' memory, in the primitive's layout where it has one of its own. */
static bool place(layer *p, int i, handle plain_desc, const float *data, bool packed) {
  handle plain = NULL, desc = dnnl.primitive_desc_query_md(p->how, QUERY_BY_ARGUMENT, numbers[i]);
  if (!packed) return !dnnl.memory_create(&p->memories[i], plain_desc, onednn_engine, (void *)(uintptr_t)data);
  bool good = !dnnl.memory_create(&plain, plain_desc, onednn_engine, (void *)(uintptr_t)data) &&
              !dnnl.memory_create(&p->memories[i], desc, onednn_engine, (void *)-1) && /* oneDNN allocates */
              onednn_reorder(plain_desc, plain, desc, p->memories[i]);
  if (plain) dnnl.memory_destroy(plain);
  return good;
}

static void *prepare(const void *operands) {
  const bench_rnn *g = operands;
  int64_t t = g->steps, b = g->batch, n = g->hidden, d = g->directions;
  const int64_t shapes[OPERANDS][5] = {
      [X] = {t, b, g->in},            [H] = {1, d, b, n},           [C] = {1, d, b, n},
      [W] = {1, d, g->in, g->gates, n}, [R] = {1, d, n, g->gates, n}, [B] = {1, d, g->gates + g->linear, n},
      [Y] = {t, b, d * n},            [Y_H] = {1, d, b, n},         [Y_C] = {1, d, b, n}};
  static const int ranks[OPERANDS] = {3, 4, 4, 5, 5, 4, 3, 4, 4};
  handle plain[OPERANDS], wanted[OPERANDS];
  layer *p = bench_alloc(sizeof *p);
  *p = (layer){.g = g, .w = turned(g, g->w, g->in), .r = turned(g, g->r, n), .b = biases(g)};
  p->y = bench_alloc((size_t)(t * b * d * n) * sizeof *p->y);
  const float *data[OPERANDS] = {g->x, g->h, g->c, p->w, p->r, p->b, p->y, g->y_h, g->y_c};
  for (int i = 0; i < OPERANDS; i++) {
    plain[i] = onednn_plain(F32, ranks[i], shapes[i]);
    if (i == W || i == R)
      dnnl.memory_desc_create_with_tag(&wanted[i], ranks[i], shapes[i], F32, ONEDNN_ANY);
    else
      wanted[i] = onednn_plain(F32, ranks[i], shapes[i]);
  }
  bool good = describe_primitive(p, wanted) && !dnnl.primitive_create(&p->primitive, p->how);
  for (int i = 0; i < OPERANDS; i++) good = good && place(p, i, plain[i], data[i], i == W || i == R);
  for (int i = 0; i < OPERANDS; i++) dnnl.memory_desc_destroy(plain[i]), dnnl.memory_desc_destroy(wanted[i]);
  if (good) return p;
  drop(p);
  return NULL;
}

static void run(void *prepared) {
  layer *p = prepared;
  onednn_argument all[OPERANDS];
  int count = 0;
  for (int i = 0; i < OPERANDS; i++)
    if (p->g->lstm || (i != C && i != Y_C)) all[count++] = (onednn_argument){numbers[i], p->memories[i]};
  dnnl.primitive_execute(p->primitive, onednn_stream, count, all);
  dnnl.stream_wait(onednn_stream);
}

static void fetch(void *prepared) {
  const layer *p = prepared;
  const bench_rnn *g = p->g;
  for (int64_t t = 0; t < g->steps; t++)
    for (int64_t d = 0; d < g->directions; d++)
      for (int64_t b = 0; b < g->batch; b++)
        memcpy(g->y + ((t * g->directions + d) * g->batch + b) * g->hidden,
               p->y + ((t * g->batch + b) * g->directions + d) * g->hidden, (size_t)g->hidden * sizeof *g->y);
}

const bench_peer bench_onednn_rnn_peers[] = {{"oneDNN", true, onednn_open, prepare, run, fetch, drop, 0}, {0}};
