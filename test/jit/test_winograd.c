/* test_winograd.c -- convolutions from transformed tiles: the operator within its bound of f64, the same bits in the
 * interpreter and in code, however many rows of tiles are done at a time; and what the pass makes of convolutions.
 *
 * With A, B, G of a tile (tni_winograd_matrices) and u = 2^-24, an output is wrong by (channels + 48) u sum over points
 * of |A| |A| sum over channels |w'| (|B| |B| |x|) at most: a sum of so many products, weights that are rounded once, at
 * most 6 roundings in a row of a transform, of which there are 4 on the way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>

#include "ir/onnx_writer.h"
#include "session.h"

#include "graph/graph.h"

static uint64_t state;
static double some(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 40) / (1 << 23) - 1;
}

static float *filled(int64_t count, double scale) {
  float *x = malloc((size_t)count * sizeof *x + 1);
  for (int64_t i = 0; i < count; i++) x[i] = (float)(scale * some());
  return x;
}

/* ---- the operator ------------------------------------------------------------------------------------------------ */

typedef struct layer {
  int64_t pictures, height, width, channels, columns;
  int64_t pads[4];
  int64_t tile, rows, panel;
  bool bias;
} layer;

static const layer layers[] = {
    {1, 8, 8, 4, 8, {1, 1, 1, 1}, 4, 1, 8, true},
    {1, 8, 8, 4, 8, {1, 1, 1, 1}, 2, 2, 8, false},
    {2, 7, 9, 5, 11, {1, 1, 1, 1}, 4, 1, 4, true},    /* tiles over both ends */
    {2, 7, 9, 5, 11, {1, 1, 1, 1}, 2, 3, 4, false},   /* blocks of rows over the end */
    {1, 13, 6, 16, 16, {0, 0, 0, 0}, 4, 2, 16, true}, /* no padding */
    {1, 5, 17, 3, 20, {2, 0, 1, 2}, 4, 1, 16, false}, /* more on one side than on the other */
    {1, 5, 17, 3, 20, {0, 2, 2, 1}, 2, 2, 16, true},
    {3, 1, 1, 17, 5, {1, 1, 1, 1}, 4, 1, 8, true}, /* a pixel */
    {1, 1, 1, 1, 1, {2, 2, 2, 2}, 2, 1, 1, false},
    {1, 3, 3, 2, 4, {0, 0, 0, 0}, 4, 1, 4, false}, /* one result */
    {0, 4, 4, 2, 4, {1, 1, 1, 1}, 4, 1, 4, false}, /* no picture */
    {1, 12, 12, 40, 33, {1, 1, 1, 1}, 4, 3, 16, true},
    {2, 28, 28, 16, 32, {1, 1, 1, 1}, 4, 7, 16, true},
};

static int64_t out_size(const layer *l, int i) { return (i ? l->width : l->height) + l->pads[i] + l->pads[2 + i] - 2; }

static tn_status run_compiled(void *self, const tn_func *func, void *const *buffers, tn_error **err) {
  tn_module *m;
  const tn_function *f;
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = self};
  tn_status status = tn_compile(func->program, &desc, &m, err);
  if (status != TN_OK) return status;
  status = tn_module_function(m, tn_func_name(func), &f, err);
  if (status == TN_OK) status = f->kernel.call(f->kernel.code, &m->env, buffers);
  tn_module_destroy(m);
  return status;
}

/* (points^2, panels, c, panel) of (m, c, 3, 3), rounded once. */
static float *transformed(const layer *l, const float *w) {
  tni_winograd m;
  ck_assert(tni_winograd_matrices(l->tile, &m));
  int64_t all = m.points * m.points, panels = (l->columns - 1) / l->panel + 1;
  float *to = calloc((size_t)(all * panels * l->channels * l->panel), sizeof *to);
  for (int64_t k = 0; k < l->columns; k++)
    for (int64_t c = 0; c < l->channels; c++)
      for (int64_t s = 0; s < all; s++) {
        double sum = 0;
        for (int y = 0; y < 3; y++)
          for (int x = 0; x < 3; x++)
            sum += m.g[s / m.points][y] * m.g[s % m.points][x] * (double)w[((k * l->channels + c) * 3 + y) * 3 + x];
        to[((s * panels + k / l->panel) * l->channels + c) * l->panel + k % l->panel] = (float)sum;
      }
  return to;
}

static double pixel(const layer *l, const float *x, int64_t n, int64_t y, int64_t i, int64_t c) {
  if (y < 0 || y >= l->height || i < 0 || i >= l->width) return 0;
  return (double)x[((n * l->height + y) * l->width + i) * l->channels + c];
}

/* The sum itself. */
static double direct(const layer *l, const float *x, const float *w, int64_t n, int64_t y, int64_t i, int64_t k) {
  double sum = 0;
  for (int64_t c = 0; c < l->channels; c++)
    for (int t = 0; t < 9; t++)
      sum += pixel(l, x, n, y + t / 3 - l->pads[0], i + t % 3 - l->pads[1], c) * (double)w[(k * l->channels + c) * 9 + t];
  return sum;
}

/* The bound of an output, without u. */
static double bound(const layer *l, const tni_winograd *m, const float *x, const float *made, int64_t n, int64_t y,
                    int64_t i, int64_t k) {
  int64_t p = m->points, panels = (l->columns - 1) / l->panel + 1, ty = y / l->tile * l->tile, tx = i / l->tile * l->tile;
  double sum = 0;
  for (int64_t s = 0; s < p * p; s++) {
    double a = fabs(m->a[s / p][y - ty] * m->a[s % p][i - tx]), all = 0;
    for (int64_t c = 0; c < l->channels && a > 0; c++) {
      double v = 0;
      for (int64_t d = 0; d < p * p; d++)
        v += fabs(m->b[s / p][d / p] * m->b[s % p][d % p] *
                  pixel(l, x, n, ty + d / p - l->pads[0], tx + d % p - l->pads[1], c));
      all += v * fabs((double)made[((s * panels + k / l->panel) * l->channels + c) * l->panel + k % l->panel]);
    }
    sum += a * all;
  }
  return sum * (double)(l->channels + 48);
}

static void evaluate(tn_context *ctx, const layer *l, int64_t rows, const float *x, const float *made, const float *bias,
                     const tni_evaluator *evaluator, float *y) {
  char text[1024];
  tn_program *program;
  tn_error *error;
  int64_t p = tni_winograd_points(l->tile);
  snprintf(text, sizeof text,
           "graph main(x: f32[%d, %d, %d, %d], w: f32[%d, %d, %d, %d]%s) -> (y) {\n"
           "  y: f32[%d, %d, %d, %d] = winograd(x, w%s) {tile = %d, rows = %d, panel = %d, columns = %d, "
           "pads = [%d, %d, %d, %d]}\n}\n",
           (int)l->pictures, (int)l->height, (int)l->width, (int)l->channels, (int)(p * p),
           (int)((l->columns - 1) / l->panel + 1), (int)l->channels, (int)l->panel, l->bias ? ", b: f32[BIASES]" : "",
           (int)l->pictures, (int)out_size(l, 0), (int)out_size(l, 1), (int)l->columns, l->bias ? ", b" : "",
           (int)l->tile, (int)rows, (int)l->panel, (int)l->columns, (int)l->pads[0], (int)l->pads[1], (int)l->pads[2],
           (int)l->pads[3]);
  char *at = strstr(text, "BIASES"), number[8];
  if (at) {
    snprintf(number, sizeof number, "%6d", (int)l->columns);
    memcpy(at, number, 6);
  }
  must(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &error), error);
  const tn_graph *g = tn_program_graph(program, "main");
  tni_gvalue in[3];
  const tni_gvalue *inputs[3];
  const void *data[] = {x, made, bias};
  for (uint32_t i = 0; i < g->input_count; i++) {
    in[i] = g->values[g->inputs[i]];
    in[i].data = data[i];
    inputs[i] = &in[i];
  }
  void *out = y;
  must(tni_gnode_evaluate(ctx, &g->nodes[0], inputs, &g->values[g->outputs[0]], evaluator, &out, &error), error);
  tn_program_destroy(program);
}

static void check_bounds(const layer *l, const float *x, const float *w, const float *made, const float *bias,
                         const float *y) {
  int64_t high = out_size(l, 0), wide = out_size(l, 1);
  tni_winograd m;
  tni_winograd_matrices(l->tile, &m);
  for (int64_t at = 0; at < l->pictures * high * wide * l->columns; at++) {
    int64_t k = at % l->columns, i = at / l->columns % wide, r = at / l->columns / wide % high,
            n = at / l->columns / wide / high;
    double want = direct(l, x, w, n, r, i, k) + (bias ? (double)bias[k] : 0), u = FLT_EPSILON / 2;
    double most = u * (bound(l, &m, x, made, n, r, i, k) + fabs(want));
    ck_assert_msg(fabs((double)y[at] - want) <= most, "(%lld, %lld, %lld, %lld): %.9g, not %.17g within %.3g",
                  (long long)n, (long long)r, (long long)i, (long long)k, (double)y[at], want, most);
  }
}

START_TEST(tiles_are_within_their_bound_and_the_same_bits)
{
  static const char *const targets[] = {"host", "x86-64-v4", "x86-64-v3", "x86-64-v2"};
  static const tni_evaluator interpreted = {NULL, tni_evaluate_interpreted};
  const layer *l = &layers[_i];
  tn_context *ctx = session_open();
  tn_error *error;
  int64_t outputs = l->pictures * out_size(l, 0) * out_size(l, 1) * l->columns;
  state = (uint64_t)_i;
  float *x = filled(l->pictures * l->height * l->width * l->channels, 2), *w = filled(l->columns * l->channels * 9, 1);
  float *bias = l->bias ? filled(l->columns, 1) : NULL, *made = transformed(l, w), *y = filled(outputs, 0);
  float *want = filled(outputs, 0);
  evaluate(ctx, l, l->rows, x, made, bias, &interpreted, want);
  check_bounds(l, x, w, made, bias, want);
  for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
    const tn_target *target;
    must(tn_target_get(ctx, targets[t], &target, &error), error);
    tni_evaluator compiled = {(void *)(uintptr_t)target, run_compiled};
    if (!target->runs_here || (t > 1 && l->channels > 20)) continue;
    memset(y, 0xff, (size_t)outputs * sizeof *y);
    evaluate(ctx, l, t == 1 ? 1 : l->rows, x, made, bias, &compiled, y);
    ck_assert_msg(memcmp(y, want, (size_t)outputs * sizeof *y) == 0, "%s: code is not what it means", targets[t]);
  }
  free(x), free(w), free(bias), free(made), free(y), free(want);
  tn_context_destroy(ctx);
}
END_TEST

/* Layers of other channels and pictures have one function that makes the tiles, and one that makes pixels of them. */
START_TEST(transforms_are_shared)
{
  static const char text[] =
      "graph main(x: f32[1, 16, 24, 32], w: f32[36, 4, 32, 16], v: f32[36, 6, 64, 16]) -> (z) {\n"
      "  y: f32[1, 16, 24, 64] = winograd(x, w) {tile = 4, rows = 2, panel = 16, columns = 64, pads = [1, 1, 1, 1]}\n"
      "  p: f32[1, 8, 12, 64] = max_pool(y) {channels_last = 1, kernel_shape = [2, 2], strides = [2, 2]}\n"
      "  z: f32[1, 8, 12, 96] = winograd(p, v) {tile = 4, rows = 2, panel = 16, columns = 96, pads = [1, 1, 1, 1]}\n}\n";
  tn_context *ctx = session_open();
  tn_program *program;
  tn_error *error;
  const tn_target *target;
  char *code;
  size_t size, count = 0;
  must(tn_target_get(ctx, "x86-64-v4", &target, &error), error);
  must(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &error), error);
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = target};
  must(tn_program_emit(program, &desc, "ll", &code, &size, &error), error);
  for (const char *at = code; (at = strstr(at, "\ndefine internal")); at++) {
    size_t line = strcspn(at + 1, "\n");
    const char *name = strstr(at, ".outlined.");
    count += name && name < at + line;
  }
  ck_assert_uint_eq(count, 2);
  tn_text_destroy(code);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

enum { H = 28, W = 32, C = 64, M = 64, PIXELS = H * W };

static tn_context *ctx;
static tn_error *error;

static void open_context(void) {
  ctx = session_open();
  error = NULL;
}
static void close_context(void) { tn_context_destroy(ctx); }

/* A convolution in a model, that a test changes in one thing. */
typedef struct network {
  float *x, *w, *bias, *more;
  int64_t stride, dilation, group, taps;
  const char *auto_pad; /* NULL: pads of 1 */
  bool plain;           /* the convolution alone */
  int64_t high, wide;   /* of its input */
  int64_t others;       /* numbers of another constant */
} network;

static network new_network(void) {
  state = 7;
  network n = {.x = filled(PIXELS * C, 1), .w = filled(M * C * 9, 0.2), .bias = filled(M, 1),
               .more = filled(PIXELS * M, 1), .stride = 1, .dilation = 1, .group = 1, .taps = 3,
               .high = H, .wide = W};
  return n;
}

static void drop_network(network *n) { free(n->x), free(n->w), free(n->bias), free(n->more); }

static void add_transpose(bytes *g, const char *input, const char *output, const int64_t perm[4]) {
  bytes n = node("Transpose", output, input, output);
  attr_ints(&n, "perm", 4, perm);
  add_node(g, n);
}

/* y = relu(conv(x) + more), with the channels last; of `high` by `wide` pixels. */
static tn_program *import_network(const network *n, int64_t high, int64_t wide) {
  bytes g = {0}, conv = node("Conv", "conv", "x w b", "c"), file;
  const int64_t to_first[] = {0, 3, 1, 2}, to_last[] = {0, 2, 3, 1}, shape[] = {M, C / n->group, n->taps, n->taps};
  tn_program *program;
  attr_ints(&conv, "strides", 2, (int64_t[]){n->stride, n->stride});
  attr_ints(&conv, "dilations", 2, (int64_t[]){n->dilation, n->dilation});
  attr_int(&conv, "group", n->group);
  if (n->auto_pad)
    attr_text(&conv, "auto_pad", n->auto_pad);
  else
    attr_ints(&conv, "pads", 4, (int64_t[]){n->dilation, n->dilation, n->dilation, n->dilation});
  add_transpose(&g, "X", "x", to_first);
  add_node(&g, conv);
  if (!n->plain) {
    add_transpose(&g, "R", "r", to_first);
    add_node(&g, node("Add", "sum", "c r", "s"));
    add_node(&g, node("Relu", "end", "s", "y"));
  }
  add_transpose(&g, n->plain ? "c" : "y", "Y", to_last);
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 4, shape, n->w, (size_t)(M * C / n->group * n->taps * n->taps) * sizeof *n->w));
  add_weight(&g, tensor_raw("b", ONNX_FLOAT, 1, (int64_t[]){M}, n->bias, M * sizeof *n->bias));
  if (n->others) {
    float *numbers = filled(n->others, 1);
    add_weight(&g, tensor_raw("others", ONNX_FLOAT, 1, &n->others, numbers, (size_t)n->others * sizeof *numbers));
    add_node(&g, node("Mul", "multiply", "others k", "Z"));
    add_input(&g, "k", 1, (int64_t[]){1});
    add_output(&g, "Z");
    free(numbers);
  }
  add_input(&g, "X", 4, (int64_t[]){1, n->high, n->wide, C});
  if (!n->plain) add_input(&g, "R", 4, (int64_t[]){1, high, wide, M});
  add_output(&g, "Y");
  file = model(13, g);
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
  return program;
}

/* The tensor functions for a target, as text. */
static char *functions_of(const tn_program *program, const char *target, bool directly) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .direct = directly};
  char *text;
  size_t size;
  must(tn_target_get(ctx, target, &desc.target, &error), error);
  must(tn_program_emit(program, &desc, "tensor", &text, &size, &error), error);
  return text;
}

static bool becomes_tiles(const network *n, int64_t high, int64_t wide) {
  tn_program *program = import_network(n, high, wide);
  char *text = functions_of(program, "x86-64-v4", false);
  bool found = strstr(text, "winograd") != NULL;
  tn_text_destroy(text);
  tn_program_destroy(program);
  return found;
}

static void run(const network *n, const char *target, bool directly, int64_t high, int64_t wide, float *y) {
  tn_program *program = import_network(n, high, wide);
  tn_compile_desc desc = {.struct_size = sizeof desc, .direct = directly};
  const tn_model *m;
  must(tn_target_get(ctx, target, &desc.target, &error), error);
  tn_module *module = session_compile(program, &desc);
  must(tn_module_model(module, "main", &m, &error), error);
  DLTensor x = view(TN_F32, 4, (int64_t[]){1, H, W, C}, n->x), r = view(TN_F32, 4, (int64_t[]){1, high, wide, M}, n->more);
  DLTensor out = view(TN_F32, 4, (int64_t[]){1, high, wide, M}, y);
  must(tn_model_run(m, (const DLTensor *const[]){&x, &r}, n->plain ? 1 : 2, (const DLTensor *const[]){&out}, 1, &error),
       error);
  tn_module_destroy(module);
  tn_program_destroy(program);
}

/* What it is, in f64, with `begin` pixels of padding in front. */
static double expected(const network *n, int64_t begin, int64_t wide, int64_t at) {
  const layer l = {1, H, W, C, M, {begin, begin, 0, 0}, 4, 1, 16, true};
  int64_t k = at % M;
  double y = direct(&l, n->x, n->w, 0, at / M / wide, at / M % wide, k) + (double)n->bias[k];
  return n->plain ? y : fmax(0, y + (double)n->more[at]);
}

/* Within 1e-5 of the largest result. */
static void check_network(const network *n, int64_t begin, int64_t high, int64_t wide, const float *y) {
  double largest = 0, worst = 0;
  for (int64_t at = 0; at < high * wide * M; at++) {
    double want = expected(n, begin, wide, at);
    largest = fmax(largest, fabs(want));
    worst = fmax(worst, fabs((double)y[at] - want));
    ck_assert(isfinite(y[at]));
  }
  ck_assert_msg(worst <= 1e-5 * largest, "%.3g of %.3g", worst, largest);
}

START_TEST(a_layer_with_what_is_behind_it)
{
  static const char *const targets[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
  network n = new_network();
  float *y = filled(PIXELS * M, 0), *straight = filled(PIXELS * M, 0);
  tn_program *program = import_network(&n, H, W);
  char *tiles = functions_of(program, "x86-64-v4", false), *sums = functions_of(program, "x86-64-v4", true);
  ck_assert_ptr_nonnull(strstr(tiles, "fused_winograd_add_relu(")); /* one function */
  ck_assert_ptr_null(strstr(tiles, "transpose"));
  ck_assert_ptr_null(strstr(sums, "winograd"));
  ck_assert_ptr_nonnull(strstr(sums, "fused_conv_add_relu("));
  tn_text_destroy(tiles);
  tn_text_destroy(sums);
  tn_program_destroy(program);
  run(&n, "host", true, H, W, straight);
  check_network(&n, 1, H, W, straight);
  for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
    const tn_target *target;
    must(tn_target_get(ctx, targets[t], &target, &error), error);
    if (!target->runs_here) continue;
    run(&n, targets[t], false, H, W, y);
    check_network(&n, 1, H, W, y);
    ck_assert_int_ne(memcmp(y, straight, PIXELS * M * sizeof *y), 0); /* sums in another order */
  }
  free(y), free(straight);
  drop_network(&n);
}
END_TEST

/* All blocks are in one nest: the elementwise ones went into the one that writes the result. */
START_TEST(what_is_behind_it_stands_in_its_loops)
{
  network n = new_network();
  tn_program *program = import_network(&n, H, W);
  tn_compile_desc desc = {.struct_size = sizeof desc};
  char *text;
  size_t size;
  must(tn_target_get(ctx, "x86-64-v4", &desc.target, &error), error);
  must(tn_program_emit(program, &desc, "loop", &text, &size, &error), error);
  char *function = strstr(text, "func fused_winograd_add_relu(");
  ck_assert_ptr_nonnull(function);
  char *end = strstr(function, "\n}\n"), *body = strchr(function, '\n') + 1;
  int outermost = 0; /* loops that stand in no other */
  for (char *line = body; line < end; line = strchr(line, '\n') + 1) outermost += strncmp(line, "  for ", 6) == 0;
  *end = 0;
  ck_assert_int_eq(outermost, 1);
  tn_text_destroy(text);
  tn_program_destroy(program);
  drop_network(&n);
}
END_TEST

START_TEST(padding_by_name)
{
  static const struct {
    const char *name;
    int64_t begin, less;
  } ways[] = {{"SAME_UPPER", 1, 0}, {"SAME_LOWER", 1, 0}, {"VALID", 0, 2}};
  float *y = filled(PIXELS * M, 0);
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    network n = new_network();
    n.auto_pad = ways[i].name;
    ck_assert(becomes_tiles(&n, H - ways[i].less, W - ways[i].less));
    run(&n, "host", false, H - ways[i].less, W - ways[i].less, y);
    check_network(&n, ways[i].begin, H - ways[i].less, W - ways[i].less, y);
    drop_network(&n);
  }
  free(y);
}
END_TEST

/* Each is another thing than what tiles are for. */
START_TEST(others_stay_sums)
{
  network n = new_network();
  n.plain = true;
  ck_assert(becomes_tiles(&n, H, W));
  n.stride = 2;
  ck_assert(!becomes_tiles(&n, H / 2, W / 2));
  n.stride = 1;
  n.dilation = 2;
  ck_assert(!becomes_tiles(&n, H, W));
  n.dilation = 1;
  n.group = C;
  ck_assert(!becomes_tiles(&n, H, W));
  n.group = 1;
  n.taps = 1;
  n.auto_pad = "VALID";
  ck_assert(!becomes_tiles(&n, H, W));
  drop_network(&n);
}
END_TEST

/* Their weights, which are more, would take longer to read than sums are to add up, where caches do not keep them. */
START_TEST(small_pictures_stay_sums)
{
  network n = new_network();
  n.high = n.wide = 7;
  ck_assert(becomes_tiles(&n, 7, 7));
  n.others = 1 << 20;
  ck_assert(!becomes_tiles(&n, 7, 7));
  n.high = H, n.wide = W;
  ck_assert(becomes_tiles(&n, H, W));
  drop_network(&n);
}
END_TEST

/* Weights that are not finite would spoil whole tiles; zeros have no error. */
START_TEST(weights_decide)
{
  network n = new_network();
  n.w[5 * C * 9] = INFINITY;
  ck_assert(!becomes_tiles(&n, H, W));
  n.w[5 * C * 9] = NAN;
  ck_assert(!becomes_tiles(&n, H, W));
  memset(n.w + 5 * C * 9, 0, C * 9 * sizeof *n.w);
  ck_assert(becomes_tiles(&n, H, W));
  drop_network(&n);
}
END_TEST

/* A tile of 4 x 4 reads 6 x 6 pixels: of tiles, those that begin at rows and columns 8 or 10 alone read pixel (9, 9). */
START_TEST(what_is_not_finite_stays_in_the_tiles_that_read_it)
{
  network n = new_network();
  float *y = filled(PIXELS * M, 0), *clean = filled(PIXELS * M, 0);
  n.plain = true;
  run(&n, "host", false, H, W, clean);
  n.x[(9 * W + 9) * C + 3] = NAN;
  run(&n, "host", false, H, W, y);
  for (int64_t at = 0; at < PIXELS * M; at++) {
    int64_t row = at / M / W, column = at / M % W;
    bool in_window = llabs(row - 9) <= 1 && llabs(column - 9) <= 1, near = row / 4 == 2 && column / 4 == 2;
    if (in_window) ck_assert(isnan(y[at]));
    if (!near) ck_assert_float_eq(y[at], clean[at]);
  }
  free(y), free(clean);
  drop_network(&n);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("winograd");
  TCase *operators = tcase_create("operator"), *passes = tcase_create("pass");
  tcase_set_timeout(operators, 120);
  tcase_set_timeout(passes, 120);
  tcase_add_loop_test(operators, tiles_are_within_their_bound_and_the_same_bits, 0, sizeof layers / sizeof *layers);
  tcase_add_test(operators, transforms_are_shared);
  suite_add_tcase(suite, operators);
  tcase_add_checked_fixture(passes, open_context, close_context);
  tcase_add_test(passes, a_layer_with_what_is_behind_it);
  tcase_add_test(passes, what_is_behind_it_stands_in_its_loops);
  tcase_add_test(passes, padding_by_name);
  tcase_add_test(passes, others_stay_sums);
  tcase_add_test(passes, small_pictures_stay_sums);
  tcase_add_test(passes, weights_decide);
  tcase_add_test(passes, what_is_not_finite_stays_in_the_tiles_that_read_it);
  suite_add_tcase(suite, passes);
  return suite_run(suite);
}
