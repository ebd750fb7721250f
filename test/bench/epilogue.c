/* epilogue.c -- tenon-bench epilogue: what stands behind a product and is computed with it, beside the bare product.
 *
 * Both are ONNX models of Tenon: MatMul by constant weights, and the same with an epilogue behind it. So the ratio, the
 * bare product's time / the whole one's, says what the epilogue costs: 0.95 for 5 %. Results are checked against the
 * bare product's, with the epilogue computed in f64.
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

enum { BARE, BIAS_GELU, RESIDUAL_RELU, EPILOGUES };
static const char *const names[EPILOGUES] = {"bare", "bias, gelu", "residual, relu"};

static const struct product {
  const char *from;
  int64_t m, n, k;
} products[] = {
    {"square", 256, 256, 256},     {"square", 512, 512, 512},      {"square", 1024, 1024, 1024},
    {"bert project", 128, 768, 768}, {"bert up", 128, 3072, 768}, {"bert down", 128, 768, 3072},
    {"vit up", 197, 3072, 768},    {"resnet50 4 expand", 196, 1024, 256},
};
enum { PRODUCTS = sizeof products / sizeof *products };

/* x is m by k and r m by n, given when it runs; the weights w and the bias b are constants. */
typedef struct problem {
  const struct product *p;
  float *x, *w, *b, *r;
} problem;

typedef struct chain {
  bench_compiled made;
  int64_t x_shape[2], y_shape[2];
  DLTensor x, r, y;
  size_t inputs;
} chain;

static bytes write_chain(const problem *q, int which) {
  const struct product *p = q->p;
  bytes graph = {0};
  add_node(&graph, node("MatMul", "product", "X W", which == BARE ? "Y" : "P"));
  if (which != BARE) add_node(&graph, node("Add", "add", which == BIAS_GELU ? "P B" : "P R", "S"));
  if (which == BIAS_GELU) add_node(&graph, node("Gelu", "gelu", "S", "Y"));
  if (which == RESIDUAL_RELU) add_node(&graph, node("Relu", "relu", "S", "Y"));
  size_t weights = (size_t)(p->k * p->n) * sizeof *q->w;
  add_weight(&graph, tensor_raw("W", ONNX_FLOAT, 2, (int64_t[]){p->k, p->n}, q->w, weights));
  if (which == BIAS_GELU)
    add_weight(&graph, tensor_raw("B", ONNX_FLOAT, 1, (int64_t[]){p->n}, q->b, (size_t)p->n * sizeof *q->b));
  put_message(&graph, 11, value_info("X", ONNX_FLOAT, 2, (int64_t[]){p->m, p->k}));
  if (which == RESIDUAL_RELU) put_message(&graph, 11, value_info("R", ONNX_FLOAT, 2, (int64_t[]){p->m, p->n}));
  add_output(&graph, "Y");
  return model(20, graph);
}

static void compile_chain(tn_context *ctx, const problem *q, int which, float *y, chain *c) {
  bytes onnx = write_chain(q, which);
  *c = (chain){.x_shape = {q->p->m, q->p->k}, .y_shape = {q->p->m, q->p->n}, .inputs = which == RESIDUAL_RELU ? 2 : 1};
  c->made = bench_compile_onnx(ctx, onnx.data, onnx.size);
  c->x = bench_view(TN_F32, q->x, 2, c->x_shape);
  c->r = bench_view(TN_F32, q->r, 2, c->y_shape);
  c->y = bench_view(TN_F32, y, 2, c->y_shape);
}

static void run_chain(void *prepared) {
  const chain *c = prepared;
  bench_run_model(&c->made, (const DLTensor *const[]){&c->x, &c->r}, c->inputs, &c->y);
}

/* Is y the epilogue of `bare`? The order of the sums is the same, so that only the epilogue's own rounding differs. */
static bool is_right(const problem *q, int which, const float *bare, const float *y) {
  for (int64_t i = 0; i < q->p->m * q->p->n; i++) {
    double s = bare[i] + (which == BIAS_GELU ? (double)q->b[i % q->p->n] : (double)q->r[i]);
    double want = which == BIAS_GELU ? s / 2 * (1 + erf(s / sqrt(2))) : fmax(s, 0);
    if (fabs(y[i] - want) <= 8 * FLT_EPSILON * (fabs(s) + 1)) continue;
    fprintf(stderr, "tenon-bench: %s: Y[%lld] is %.9g, not %.9g\n", names[which], (long long)i, (double)y[i], want);
    return false;
  }
  return true;
}

static bool always_there(const char *folder, int threads) {
  (void)folder, (void)threads;
  return true;
}

static bool measure(bench_contest *c, tn_context *ctx, const problem *q, int which, bench_outcome *out) {
  size_t count = (size_t)(q->p->m * q->p->n);
  float *bare = bench_alloc(count * sizeof *bare), *y = bench_alloc(count * sizeof *y);
  chain of_bare, whole;
  compile_chain(ctx, q, BARE, bare, &of_bare);
  compile_chain(ctx, q, which, y, &whole);
  run_chain(&of_bare);
  run_chain(&whole);
  bool good = is_right(q, which, bare, y);
  if (good) {
    c->run[0] = c->run[BENCH_OURS] = run_chain;
    c->prepared[0] = &of_bare;
    c->prepared[BENCH_OURS] = &whole;
    *out = bench_measure(c, 2.0 * (double)count * (double)q->p->k, whole.made.seconds);
  }
  bench_drop_compiled(&of_bare.made);
  bench_drop_compiled(&whole.made);
  free(bare);
  free(y);
  return good;
}

static float *filled(int64_t count, uint64_t seed) {
  float *data = bench_alloc((size_t)count * sizeof *data);
  bench_fill(TN_F32, data, (size_t)count, seed);
  return data;
}

int bench_run_epilogue(const bench_options *options) {
  static bench_contest c;
  static bench_row rows[PRODUCTS * (EPILOGUES - 1)];
  tn_error *error = NULL;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = (uint32_t)options->threads}};
  bool good = true;
  size_t count = 0;
  bench_begin(&c, options, "the bare product's time / the whole one's");
  bench_must(tn_context_create(&desc, &ctx, &error), &error);
  bench_enter(&c, names[BARE], true, always_there);
  bench_print_header(&c, "f32", "m x n x k", "");
  for (int i = 0; i < PRODUCTS; i++) {
    const struct product *p = &products[i];
    problem q = {p, filled(p->m * p->k, 1), filled(p->k * p->n, 2), filled(p->n, 3), filled(p->m * p->n, 4)};
    for (int which = BIAS_GELU; which < EPILOGUES; which++) {
      bench_row *r = &rows[count];
      *r = (bench_row){.from = p->from, .group = names[which], .mark = ' '};
      snprintf(r->shape, sizeof r->shape, "%dx%dx%d %s", (int)p->m, (int)p->n, (int)p->k, names[which]);
      snprintf(r->json, sizeof r->json, "\"m\": %d, \"n\": %d, \"k\": %d, \"epilogue\": \"%s\"", (int)p->m, (int)p->n,
               (int)p->k, names[which]);
      if (!bench_is_chosen(options, r)) continue;
      bool done = measure(&c, ctx, &q, which, &r->o);
      good &= done;
      if (!done) continue;
      bench_print_row(&c, r);
      count++;
    }
    free(q.x), free(q.w), free(q.b), free(q.r);
  }
  for (int which = BIAS_GELU; which < EPILOGUES; which++) bench_print_mean(&c, rows, count, names[which]);
  bench_print_compile(rows, count);
  good &= bench_finish(&c, "epilogue", "f32", rows, count);
  tn_context_destroy(ctx);
  return good ? 0 : 1;
}
