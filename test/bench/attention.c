/* attention.c -- tenon-bench attention: softmax(scale * Q K^T + mask) V of single layers, f32, beside the libraries.
 *
 * Tenon's is an ONNX model of one node, Attention. Results are checked against f64. Rates count the multiply-adds of
 * the scores that a query sees.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ir/onnx_writer.h"
#include "attention_shapes.h"
#include "bench.h"

/* ---- the problem ------------------------------------------------------------------------------------------------- */

static size_t size_of_q(const bench_attention *g) { return (size_t)(g->batch * g->heads * g->queries * g->size); }
static size_t size_of_k(const bench_attention *g) { return (size_t)(g->batch * g->kv_heads * g->keys * g->size); }
static size_t size_of_mask(const bench_attention *g) { return (size_t)(g->heads * g->queries * g->keys); }

static float *filled(size_t count, unsigned seed, float scale) {
  float *x = bench_alloc(count * sizeof *x);
  bench_fill(TN_F32, x, count, seed);
  for (size_t i = 0; i < count; i++) x[i] *= scale;
  return x;
}

static void make_operands(const bench_options *options, size_t problem, void *operands) {
  const struct attention_shape *s = &attention_shapes[problem];
  bench_attention g = {.batch = s->batch,
                       .heads = s->heads,
                       .kv_heads = s->kv_heads,
                       .queries = s->queries,
                       .keys = s->keys,
                       .size = s->size,
                       .causal = s->causal,
                       .scale = 1 / sqrt((double)s->size)};
  g.q = filled(size_of_q(&g), 1, 2);
  g.k = filled(size_of_k(&g), 2, 2);
  g.v = filled(size_of_k(&g), 3, 1);
  g.mask = s->mask ? filled(size_of_mask(&g), 4, 1) : NULL;
  g.y = bench_alloc(size_of_q(&g) * sizeof *g.y);
  *(bench_attention *)operands = g;
  (void)options;
}

static void drop_operands(void *operands) {
  bench_attention *g = operands;
  free((void *)(uintptr_t)g->q);
  free((void *)(uintptr_t)g->k);
  free((void *)(uintptr_t)g->v);
  free((void *)(uintptr_t)g->mask);
  free(g->y);
}

/* Keys that query i sees. */
static int64_t seen_by(const bench_attention *g, int64_t i) {
  return g->causal ? g->keys - g->queries + i + 1 : g->keys;
}

/* ---- Tenon ------------------------------------------------------------------------------------------------------- */

typedef struct ours {
  bench_compiled made;
  int64_t q_shape[4], k_shape[4], mask_shape[4];
  DLTensor q, k, v, mask, y;
} ours;

static void *compile_ours(tn_context *ctx, const void *operands, double *seconds) {
  const bench_attention *g = operands;
  ours *o = bench_alloc(sizeof *o);
  *o = (ours){.q_shape = {g->batch, g->heads, g->queries, g->size},
              .k_shape = {g->batch, g->kv_heads, g->keys, g->size},
              .mask_shape = {1, g->heads, g->queries, g->keys}};
  bytes graph = {0}, n = node("Attention", "n", g->mask ? "Q K V M" : "Q K V", "Y");
  if (g->causal) attr_int(&n, "is_causal", 1);
  add_node(&graph, n);
  put_message(&graph, 11, value_info("Q", ONNX_FLOAT, 4, o->q_shape));
  put_message(&graph, 11, value_info("K", ONNX_FLOAT, 4, o->k_shape));
  put_message(&graph, 11, value_info("V", ONNX_FLOAT, 4, o->k_shape));
  if (g->mask) put_message(&graph, 11, value_info("M", ONNX_FLOAT, 4, o->mask_shape));
  add_output(&graph, "Y");
  bytes onnx = model(24, graph);
  o->made = bench_compile_onnx(ctx, onnx.data, onnx.size);
  o->q = bench_view(TN_F32, g->q, 4, o->q_shape);
  o->k = bench_view(TN_F32, g->k, 4, o->k_shape);
  o->v = bench_view(TN_F32, g->v, 4, o->k_shape);
  o->mask = bench_view(TN_F32, g->mask, 4, o->mask_shape);
  o->y = bench_view(TN_F32, g->y, 4, o->q_shape);
  *seconds = o->made.seconds;
  return o;
}

static void run_ours(void *compiled) {
  const ours *o = compiled;
  bench_run_model(&o->made, (const DLTensor *const[]){&o->q, &o->k, &o->v, &o->mask}, o->mask.data ? 4 : 3, &o->y);
}

static void drop_ours(void *compiled) {
  ours *o = compiled;
  bench_drop_compiled(&o->made);
  free(o);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* Scores of a row, and by how much the largest of them can be wrong: (size + 4) u scale sum |q k|. u: FLT_EPSILON /
 * 2. */
static double scores_of(const bench_attention *g, const float *q, const float *k, const float *mask, int64_t count,
                        double *scores) {
  double largest = 0;
  for (int64_t j = 0; j < count; j++) {
    double sum = 0, size = 0;
    for (int64_t d = 0; d < g->size; d++) {
      sum += (double)q[d] * (double)k[j * g->size + d];
      size += fabs((double)q[d] * (double)k[j * g->size + d]);
    }
    scores[j] = g->scale * sum + (mask ? (double)mask[j] : 0);
    largest = fmax(largest, g->scale * size + (mask ? fabs((double)mask[j]) : 0));
  }
  return (double)(g->size + 4) * FLT_EPSILON / 2 * largest;
}

/* Is a row what it should be, within what wrong scores make of weights, twice, and (keys + 16) u, both of sum p |v|? */
static bool is_row(const bench_attention *g, int64_t head, int64_t i, double *p, const char *by) {
  int64_t kv_head = head / g->heads * g->kv_heads + head % g->heads / (g->heads / g->kv_heads), count = seen_by(g, i);
  const float *k = g->k + kv_head * g->keys * g->size, *v = g->v + kv_head * g->keys * g->size;
  const float *mask = g->mask ? g->mask + (head % g->heads * g->queries + i) * g->keys : NULL;
  size_t first = (size_t)((head * g->queries + i) * g->size);
  double most = -INFINITY, total = 0, wrong = scores_of(g, g->q + first, k, mask, count, p);
  for (int64_t j = 0; j < count; j++) most = fmax(most, p[j]);
  for (int64_t j = 0; j < count; j++) total += p[j] = exp(p[j] - most);
  for (int64_t d = 0; d < g->size; d++) {
    double sum = 0, size = 0, y = (double)g->y[first + (size_t)d];
    for (int64_t j = 0; j < count; j++) {
      sum += p[j] / total * (double)v[j * g->size + d];
      size += p[j] / total * fabs((double)v[j * g->size + d]);
    }
    if (fabs(y - sum) <= size * (2 * wrong + (double)(count + 16) * FLT_EPSILON / 2)) continue;
    fprintf(stderr, "tenon-bench: %s: Y[%zu] is %.9g, not %.17g\n", by, first + (size_t)d, y, sum);
    return false;
  }
  return true;
}

/* All rows of small problems, some of large ones. */
static bool is_attention(const void *operands, const void *expected, const char *by) {
  const bench_attention *g = operands;
  (void)expected;
  double *p = bench_alloc((size_t)g->keys * sizeof *p);
  int64_t rows = g->batch * g->heads * g->queries, step = 1 + rows * g->keys * g->size / 20000000;
  bool good = true;
  for (int64_t r = 0; r < rows && good; r += step) good = is_row(g, r / g->queries, r % g->queries, p, by);
  good = good && is_row(g, (rows - 1) / g->queries, (rows - 1) % g->queries, p, by);
  free(p);
  return good;
}

static void clear(void *operands) {
  bench_attention *g = operands;
  memset(g->y, 0xff, size_of_q(g) * sizeof *g->y);
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

static double flops_of(const void *operands) {
  const bench_attention *g = operands;
  double pairs = 0;
  for (int64_t i = 0; i < g->queries; i++) pairs += (double)seen_by(g, i);
  return 4 * pairs * (double)(g->batch * g->heads * g->size);
}

static bool describe(const bench_suite *suite, size_t problem, bench_row *r) {
  const struct attention_shape *s = &attention_shapes[problem];
  char heads[32];
  (void)suite;
  r->from = s->from;
  r->mark = s->causal ? '\\' : s->mask ? '+' : ' ';
  snprintf(heads, sizeof heads, s->kv_heads == s->heads ? "%d" : "%d/%d", s->heads, s->kv_heads);
  snprintf(r->shape, sizeof r->shape, "%dx%s %dx%dx%d", s->batch, heads, s->queries, s->keys, s->size);
  snprintf(r->json, sizeof r->json, "\"shape\": \"%s\", \"causal\": %d, \"mask\": %d", r->shape, s->causal, s->mask);
  return true;
}

static const bench_peer *const peers[] = {bench_torch_attention_peers, NULL};
static const bench_suite suite = {
    .name = "attention", .type = "f32", .shape = "heads/of keys QxKxD", .mark = "\\: causal, +: mask; ", .peers = peers,
    .count = ATTENTION_SHAPES, .operand_size = sizeof(bench_attention),
    .describe = describe, .make = make_operands, .drop = drop_operands, .work = flops_of,
    .clear = clear, .is_right = is_attention, .own = {compile_ours, run_ours, NULL, drop_ours},
};

int bench_run_attention(const bench_options *options) { return bench_run_suite(&suite, options); }
