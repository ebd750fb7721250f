/* ops_recurrent.c -- converters of RNN, GRU and LSTM: what depends on x alone as one matrix product, then the cell.
 *
 *     x (t, batch, n) * W^T + bias, backwards where asked  ->  rnn, gru or lstm  ->  backwards again, zeros behind the end
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "convert.h"

/* The inputs of ONNX's operators, in their order; LSTM has two more. */
enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, P };

typedef struct layer {
  const char *op; /* the graph operator */
  int64_t gates, steps, batch, in, n, directions;
  int functions; /* activations per direction */
  bool batch_first;
  tn_type type;
} layer;

/* ---- activations --------------------------------------------------------------------------------------------------- */

static const struct activation {
  const char *onnx, *name;
  bool has_alpha, has_beta;
  double alpha, beta;
} activations[] = {
    {"Relu", "relu", false, false, 0, 0},
    {"Tanh", "tanh", false, false, 0, 0},
    {"Sigmoid", "sigmoid", false, false, 0, 0},
    {"Affine", "affine", true, true, 1, 0},
    {"LeakyRelu", "leaky_relu", true, false, 0.01, 0},
    {"ThresholdedRelu", "thresholded_relu", true, false, 1, 0},
    {"ScaledTanh", "scaled_tanh", true, true, 1, 1},
    {"HardSigmoid", "hard_sigmoid", true, true, 0.2, 0.5},
    {"Elu", "elu", true, false, 1, 0},
    {"Softsign", "softsign", false, false, 0, 0},
    {"Softplus", "softplus", false, false, 0, 0},
};

static char lower(uint8_t c) { return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c); }

/* ONNX lets anyone spell them with any case. */
static const struct activation *find_activation(tni_view word) {
  for (size_t i = 0; i < TNI_COUNT(activations); i++) {
    size_t k = 0;
    while (k < word.size && activations[i].onnx[k] && lower(word.data[k]) == lower((uint8_t)activations[i].onnx[k]))
      k++;
    if (k == word.size && !activations[i].onnx[k]) return &activations[i];
  }
  return NULL;
}

/* Sets the activations of a direction. Numbers belong to the functions that have some, in order. */
static void set_activations(conversion *c, const layer *l, int direction, double numbers[2][3]) {
  enum { ROOM = 64 };
  int32_t alpha_count, beta_count, alpha_at = 0, beta_at = 0;
  const double *alphas = attr_floats(c, "activation_alpha", &alpha_count),
               *betas = attr_floats(c, "activation_beta", &beta_count);
  char *text = tni_arena_alloc(&c->m->arena, ROOM);
  if (!text) c->status = ok(c) ? tni_fail_nomem(c->err) : c->status;
  for (int i = 0, at = 0; i < (direction + 1) * l->functions && ok(c); i++) {
    tni_view word = attr_text_at(c, "activations", i);
    const char *usual = i % l->functions == 0 && l->functions > 1 ? "Sigmoid" : "Tanh";
    if (!has_attr(c, "activations")) word = (tni_view){(const uint8_t *)usual, strlen(usual)};
    const struct activation *a = find_activation(word);
    if (!a)
      return fail(c, TN_E_INVALID, "there is no activation `%.*s`", (int)(word.size < 32 ? word.size : 32),
                  (const char *)word.data);
    double alpha = a->has_alpha && alpha_at < alpha_count ? alphas[alpha_at++] : a->alpha;
    double beta = a->has_beta && beta_at < beta_count ? betas[beta_at++] : a->beta;
    if (i < direction * l->functions) continue;
    at += snprintf(text + at, ROOM - (size_t)at, "%s%s", at ? " " : "", a->name);
    numbers[0][i % l->functions] = alpha;
    numbers[1][i % l->functions] = beta;
  }
  set_string(c, "activations", text);
  for (int k = 0; k < 2; k++) {
    tni_attr *list = add_attr(c, k ? "beta" : "alpha", TNI_ATTR_FLOATS);
    list->count = l->functions;
    list->floats = numbers[k];
  }
}

/* ---- one direction --------------------------------------------------------------------------------------------------- */

/* Part `direction` of an input (directions, ...), without that dimension. */
static uint32_t part_of(conversion *c, uint32_t i, int64_t direction) {
  tni_gvalue v = *in(c, i);
  if (!ok(c)) return TNI_NO_VALUE;
  return reshape(c, sliced(c, input(c, i), 0, direction, direction + 1), v.rank - 1, v.shape + 1, NULL);
}

/* The biases of x's and the state's products, (gates * n): of both where they add up. */
static uint32_t with_bias(conversion *c, const layer *l, uint32_t x, int64_t direction, bool apart) {
  if (!has_input(c, B)) return x;
  int64_t size = l->gates * l->n;
  uint32_t both = part_of(c, B, direction), rest = sliced(c, both, 0, size, 2 * size);
  if (apart) { /* the candidate's second bias is inside the reset */
    int64_t pads[] = {0, l->n};
    rest = sliced(c, rest, 0, 0, size - l->n);
    set_ints(c, "pads", 2, pads);
    rest = emit1(c, "pad", rest, NULL);
  }
  return emit2(c, "add", x, emit2(c, "add", sliced(c, both, 0, 0, size), rest, NULL), NULL);
}

/* The places of (t, batch) when each sequence runs backwards. */
static uint32_t backwards(conversion *c, const layer *l, uint32_t x) {
  tni_gvalue v = *value_of(c, x);
  if (!has_input(c, LENGTHS)) {
    int64_t start = -1, end = INT64_MIN, axis = 0, step = -1;
    set_ints(c, "starts", 1, &start);
    set_ints(c, "ends", 1, &end);
    set_ints(c, "axes", 1, &axis);
    set_ints(c, "steps", 1, &step);
    return emit1(c, "slice", x, NULL);
  }
  int64_t row[] = {1, l->batch, 1};
  uint32_t length = cast_to(c, reshape(c, input(c, LENGTHS), 3, row, NULL), TN_I64);
  uint32_t at = counting(c, TN_I64, l->steps, 3, 0);
  uint32_t mirrored = with_number(c, "sub", emit2(c, "sub", length, at, NULL), 1);
  at = emit3(c, "where", emit2(c, "less", at, length, NULL), mirrored, at);
  set_ints(c, "shape", 3, v.shape);
  at = emit1(c, "expand", at, NULL);
  set_int(c, "axis", 0);
  return emit2(c, "gather_elements", x, at, NULL);
}

static uint32_t initial_state(conversion *c, const layer *l, uint32_t i, int64_t direction) {
  static const int64_t perm[] = {1, 0, 2};
  int64_t shape[] = {l->batch, l->n};
  if (!has_input(c, i)) {
    uint32_t zero = const_number(c, l->type, 0);
    set_ints(c, "shape", 2, shape);
    return emit1(c, "expand", zero, NULL);
  }
  uint32_t x = l->batch_first ? permuted(c, input(c, i), perm) : input(c, i);
  return reshape(c, sliced(c, x, 0, direction, direction + 1), 2, shape, NULL);
}

/* The cell over the whole sequence, (t, batch, n), for an LSTM (t, batch, 2 n). */
static uint32_t run_cell(conversion *c, const layer *l, int direction, bool reverse) {
  static const int64_t swap[] = {1, 0}, batch_last[] = {1, 0, 2};
  bool lstm = l->gates == 4, linear = l->gates == 3 && attr_int(c, "linear_before_reset", 0);
  double numbers[2][3];
  int64_t rows[] = {l->steps * l->batch, l->in}, steps[] = {l->steps, l->batch, l->gates * l->n};
  uint32_t x = l->batch_first ? permuted(c, input(c, X), batch_last) : input(c, X), inputs[6];
  x = emit2(c, "matmul", reshape(c, x, 2, rows, NULL), permuted(c, part_of(c, W, direction), swap), NULL);
  x = reshape(c, with_bias(c, l, x, direction, linear), 3, steps, NULL);
  uint32_t count = 0, lengths = has_input(c, LENGTHS) ? cast_to(c, input(c, LENGTHS), TN_I32) : TNI_NO_VALUE;
  inputs[count++] = reverse ? backwards(c, l, x) : x;
  inputs[count++] = permuted(c, part_of(c, R, direction), swap);
  inputs[count++] = initial_state(c, l, INITIAL_H, direction);
  if (lstm) inputs[count++] = initial_state(c, l, INITIAL_C, direction);
  if (lstm) inputs[count++] = has_input(c, P) ? part_of(c, P, direction) : TNI_NO_VALUE;
  if (l->gates == 3) {
    bool bias = linear && has_input(c, B);
    inputs[count++] = bias ? sliced(c, part_of(c, B, direction), 0, 5 * l->n, 6 * l->n) : TNI_NO_VALUE;
  }
  inputs[count++] = lengths;
  set_activations(c, l, direction, numbers);
  set_float(c, "clip", attr_float(c, "clip", 0));
  if (lstm) set_int(c, "input_forget", attr_int(c, "input_forget", 0));
  if (l->gates == 3) set_int(c, "linear_before_reset", linear);
  return emit_n(c, l->op, count, inputs, NULL);
}

/* ---- the results ------------------------------------------------------------------------------------------------- */

/* y with zeros behind the end of each sequence. */
static uint32_t zeros_behind(conversion *c, const layer *l, uint32_t y) {
  int64_t row[] = {1, l->batch, 1};
  if (!has_input(c, LENGTHS)) return y;
  uint32_t length = cast_to(c, reshape(c, input(c, LENGTHS), 3, row, NULL), TN_I64);
  uint32_t inside = emit2(c, "less", counting(c, TN_I64, l->steps, 3, 0), length, NULL);
  return emit3(c, "where", inside, y, const_number(c, l->type, 0));
}

/* One value per direction, (..., n), as (..., direction at `axis`, n). */
static uint32_t stacked(conversion *c, const layer *l, uint32_t *values, int32_t axis) {
  for (int64_t i = 0; i < l->directions; i++) {
    tni_gvalue v = *value_of(c, values[i]);
    int64_t shape[TN_MAX_RANK];
    for (int32_t k = 0; k <= v.rank; k++) shape[k] = k < axis ? v.shape[k] : k == axis ? 1 : v.shape[k - 1];
    values[i] = reshape(c, values[i], v.rank + 1, shape, NULL);
  }
  set_int(c, "axis", axis);
  return emit_n(c, "concat", (uint32_t)l->directions, values, NULL);
}

static bool read_layer(conversion *c, layer *l) {
  tni_gvalue x = *in(c, X), w = *in(c, W), r = *in(c, R);
  const char *direction = attr_string(c, "direction", "forward");
  *l = (layer){.op = c->row->op, .type = x.type, .directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1};
  l->gates = strcmp(l->op, "lstm") == 0 ? 4 : strcmp(l->op, "gru") == 0 ? 3 : 1;
  l->functions = l->gates == 4 ? 3 : l->gates == 3 ? 2 : 1;
  l->batch_first = attr_int(c, "layout", 0) != 0;
  if (!ok(c)) return false;
  if (l->directions == 1 && strcmp(direction, "forward") != 0 && strcmp(direction, "reverse") != 0)
    return fail(c, TN_E_INVALID, "there is no direction `%.32s`", direction), false;
  bool fits = x.rank == 3 && w.rank == 3 && r.rank == 3 && w.shape[0] == l->directions && r.shape[0] == l->directions &&
              w.shape[2] == x.shape[2] && w.shape[1] == r.shape[1] && r.shape[1] == l->gates * r.shape[2];
  l->in = x.shape[2];
  l->n = r.shape[2];
  l->steps = x.shape[l->batch_first];
  l->batch = x.shape[!l->batch_first];
  if (fits && has_input(c, B)) {
    tni_gvalue b = *in(c, B);
    fits = b.rank == 2 && b.shape[0] == l->directions && b.shape[1] == 2 * l->gates * l->n;
  }
  if (fits && has_input(c, LENGTHS)) fits = in(c, LENGTHS)->rank == 1 && in(c, LENGTHS)->shape[0] == l->batch;
  int64_t state[] = {l->batch_first ? l->batch : l->directions, l->batch_first ? l->directions : l->batch, l->n};
  for (uint32_t i = INITIAL_H; i <= (uint32_t)(l->gates == 4 ? INITIAL_C : INITIAL_H); i++)
    if (fits && has_input(c, i)) fits = in(c, i)->rank == 3 && memcmp(in(c, i)->shape, state, sizeof state) == 0;
  if (fits && l->gates == 4 && has_input(c, P))
    fits = in(c, P)->rank == 2 && in(c, P)->shape[0] == l->directions && in(c, P)->shape[1] == 3 * l->n;
  return fits || (fail(c, TN_E_INVALID, "input, weights and states do not fit together"), false);
}

void tni_convert_recurrent(conversion *c) {
  static const int64_t outer[] = {2, 0, 1, 3}, inner[] = {1, 0, 2};
  layer l;
  uint32_t all[2] = {0}, last[2] = {0}, cells[2] = {0};
  if (!read_layer(c, &l)) return;
  if (l.steps < 1) return fail(c, TN_E_UNSUPPORTED, "a sequence of no steps is not supported");
  for (int i = 0; i < l.directions && ok(c); i++) {
    int64_t state[] = {l.batch, l.n};
    bool reverse = i == 1 || strcmp(attr_string(c, "direction", "forward"), "reverse") == 0;
    uint32_t y = run_cell(c, &l, i, reverse), end = sliced(c, y, 0, l.steps - 1, l.steps);
    last[i] = reshape(c, sliced(c, end, 2, 0, l.n), 2, state, NULL);
    if (l.gates == 4) cells[i] = reshape(c, sliced(c, end, 2, l.n, 2 * l.n), 2, state, NULL);
    if (l.gates == 4) y = sliced(c, y, 2, 0, l.n);
    y = zeros_behind(c, &l, y);
    all[i] = reverse ? backwards(c, &l, y) : y;
  }
  if (!ok(c)) return;
  uint32_t y = stacked(c, &l, all, 1), h = stacked(c, &l, last, 0),
           cell = l.gates == 4 ? stacked(c, &l, cells, 0) : TNI_NO_VALUE;
  finish(c, 0, l.batch_first ? permuted(c, y, outer) : y);
  finish(c, 1, l.batch_first ? permuted(c, h, inner) : h);
  if (wants(c, 2) && l.gates == 4) finish(c, 2, l.batch_first ? permuted(c, cell, inner) : cell);
}
