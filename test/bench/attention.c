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

static bench_attention make_operands(const struct attention_shape *s) {
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
  return g;
}

static void drop_operands(bench_attention *g) {
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

static void compile_ours(tn_context *ctx, const bench_attention *g, ours *o) {
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
static bool is_attention(const bench_attention *g, const char *by) {
  double *p = bench_alloc((size_t)g->keys * sizeof *p);
  int64_t rows = g->batch * g->heads * g->queries, step = 1 + rows * g->keys * g->size / 20000000;
  bool good = true;
  for (int64_t r = 0; r < rows && good; r += step) good = is_row(g, r / g->queries, r % g->queries, p, by);
  good = good && is_row(g, (rows - 1) / g->queries, (rows - 1) % g->queries, p, by);
  free(p);
  return good;
}

/* ---- one layer --------------------------------------------------------------------------------------------------- */

typedef struct state {
  bench_contest c;
  const bench_attention_peer *peers[MAX_PEERS]; /* those that were opened */
  bench_attention g[MAX_PEERS + 1]; /* each contestant's own operands: nobody finds the caches warmed by another */
  ours mine;
} state;

static void run_mine(void *self) {
  const state *s = self;
  const ours *o = &s->mine;
  bench_run_model(&o->made, (const DLTensor *const[]){&o->q, &o->k, &o->v, &o->mask}, s->g[BENCH_OURS].mask ? 4 : 3,
                  &o->y);
}

static void clear(void *self, size_t who) {
  bench_attention *g = &((state *)self)->g[who];
  memset(g->y, 0xff, size_of_q(g) * sizeof *g->y);
}

static bool is_right(void *self, size_t who) {
  const state *s = self;
  if (who != BENCH_OURS) s->peers[who]->fetch(s->c.prepared[who]);
  return is_attention(&s->g[who], who == BENCH_OURS ? "tenon" : s->c.names[who]);
}

static double flops_of(const bench_attention *g) {
  double pairs = 0;
  for (int64_t i = 0; i < g->queries; i++) pairs += (double)seen_by(g, i);
  return 4 * pairs * (double)(g->batch * g->heads * g->size);
}

static bool measure_layer(state *s, tn_context *ctx, const struct attention_shape *shape, bench_outcome *out) {
  bench_attention *mine = &s->g[BENCH_OURS];
  *mine = make_operands(shape);
  compile_ours(ctx, mine, &s->mine);
  s->c.run[BENCH_OURS] = run_mine;
  s->c.prepared[BENCH_OURS] = s;
  for (size_t p = 0; p < s->c.peer_count; p++) {
    s->g[p] = make_operands(shape);
    s->c.run[p] = s->peers[p]->run;
    s->c.drop[p] = s->peers[p]->drop;
    s->c.prepared[p] = s->peers[p]->prepare(&s->g[p]);
  }
  bool good = bench_check(&s->c, clear, is_right, s);
  if (good) *out = bench_measure(&s->c, flops_of(mine), s->mine.made.seconds);
  bench_drop_peers(&s->c);
  for (size_t p = 0; p < s->c.peer_count; p++) drop_operands(&s->g[p]);
  bench_drop_compiled(&s->mine.made);
  drop_operands(mine);
  return good;
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

static bench_row describe(const struct attention_shape *s) {
  bench_row r = {.from = s->from, .mark = s->causal ? '\\' : s->mask ? '+' : ' ', .group = ""};
  char heads[32];
  snprintf(heads, sizeof heads, s->kv_heads == s->heads ? "%d" : "%d/%d", s->heads, s->kv_heads);
  snprintf(r.shape, sizeof r.shape, "%dx%s %dx%dx%d", s->batch, heads, s->queries, s->keys, s->size);
  snprintf(r.json, sizeof r.json, "\"shape\": \"%s\", \"causal\": %d, \"mask\": %d", r.shape, s->causal, s->mask);
  return r;
}

int bench_run_attention(const bench_options *options) {
  static state s;
  static bench_row rows[ATTENTION_SHAPES];
  tn_error *error = NULL;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = (uint32_t)options->threads}};
  bool good = true;
  size_t count = 0;
  bench_begin(&s.c, options, bench_library_ratio);
  bench_must(tn_context_create(&desc, &ctx, &error), &error);
  for (const bench_attention_peer *p = bench_torch_attention_peers; p->name; p++)
    if (bench_enter(&s.c, p->name, p->named, p->open)) s.peers[s.c.peer_count - 1] = p;
  bench_print_header(&s.c, "f32", "heads/of keys QxKxD", "\\: causal, +: mask; ");
  for (size_t i = 0; i < ATTENTION_SHAPES; i++) {
    rows[count] = describe(&attention_shapes[i]);
    if (!bench_is_chosen(options, &rows[count])) continue;
    if (!measure_layer(&s, ctx, &attention_shapes[i], &rows[count].o)) {
      good = false;
      continue;
    }
    bench_print_row(&s.c, &rows[count++]);
  }
  bench_print_mean(&s.c, rows, count, NULL);
  bench_print_compile(rows, count);
  good &= bench_finish(&s.c, "attention", "f32", rows, count);
  tn_context_destroy(ctx);
  return good ? 0 : 1;
}
