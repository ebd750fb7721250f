/* gemm.c -- tenon-bench gemm: matrix products of one type beside the libraries, shape by shape.
 *
 * Tenon's product is a tensor function that nobody scheduled, called directly; with constant B it is an ONNX model of one
 * MatMul, so that its weights are packed at compile time as a user's would be. Each result is checked against a product in
 * more precision. In a round the multiply-add peak and all contestants run in turn; a contestant's figure in it is the
 * least of three batches; ratios are medians over rounds of ratios within a round.
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
#include "gemm_shapes.h"

enum { BATCHES = 3, OURS = MAX_PEERS };
static const double least_batch = 150e-6; /* seconds, so that the clock does not matter */

/* ---- Tenon ---------------------------------------------------------------------------------------------------------- */

const bench_types bench_type_table[BENCH_TYPES] = {
    [BENCH_F32] = {"f32", TN_F32, TN_F32, TN_F32},    [BENCH_F64] = {"f64", TN_F64, TN_F64, TN_F64},
    [BENCH_BF16] = {"bf16", TN_BF16, TN_BF16, TN_F32}, [BENCH_F16] = {"f16", TN_F16, TN_F16, TN_F32},
    [BENCH_U8S8] = {"u8s8", TN_U8, TN_I8, TN_I32},    [BENCH_S8S8] = {"s8s8", TN_I8, TN_I8, TN_I32},
};

static const bench_types *types_of(const bench_gemm *g) { return &bench_type_table[g->type]; }

static size_t bytes_of(tn_type type, int64_t rows, int64_t columns) {
  return TN_TYPE_BITS(type) / 8 * (size_t)(rows * columns);
}

typedef int32_t gemm_code(const tn_env *env, const void *a, const void *b, void *c);

typedef struct ours {
  tn_program *program;
  tn_module *module;
  gemm_code *code;
  const tn_env *env;
  const tn_model *model;
  int64_t a_shape[2], c_shape[2];
  DLTensor a, c;
  double compile_seconds;
} ours;

static void build_function(tn_program *program, const bench_gemm *g) {
  tn_error *error = NULL;
  tn_builder *b;
  bench_must(tn_builder_create(program, "gemm", &b, &error), &error);
  const bench_types *t = types_of(g);
  const tn_buffer *x = tn_param(b, "A", t->a, 2, (int64_t[]){g->m, g->k});
  const tn_buffer *y = tn_param(b, "B", t->b, 2, (int64_t[]){g->k, g->n});
  const tn_buffer *z = tn_param(b, "C", t->c, 2, (int64_t[]){g->m, g->n});
  const tn_expr *i = tn_axis(b, "i", g->m), *j = tn_axis(b, "j", g->n), *k = tn_reduce_axis(b, "k", g->k);
  const tn_expr *ik[] = {i, k}, *kj[] = {k, j}, *ij[] = {i, j};
  tn_reduce(b, z, ij, 1, &k, TN_REDUCE_SUM,
            tn_mul(b, tn_cast(b, t->c, tn_load(b, x, ik, NULL)), tn_cast(b, t->c, tn_load(b, y, kj, NULL))));
  bench_must(tn_builder_finish(b, NULL, &error), &error);
}

static int onnx_type(tn_type type) {
  switch (type) {
  case TN_F32: return ONNX_FLOAT;
  case TN_F64: return ONNX_DOUBLE;
  case TN_F16: return ONNX_FLOAT16;
  case TN_BF16: return ONNX_BFLOAT16;
  case TN_U8: return ONNX_UINT8;
  default: return ONNX_INT8;
  }
}

static void add_cast(bytes *graph, const char *from, const char *to) {
  bytes cast = node("Cast", to, from, to);
  attr_int(&cast, "to", ONNX_FLOAT);
  add_node(graph, cast);
}

/* Short floats are cast first: ONNX's MatMul would round the sums to their type. */
static void import_model(tn_context *ctx, const bench_gemm *g, tn_program **program) {
  tn_error *error = NULL;
  const bench_types *t = types_of(g);
  bytes graph = {0};
  bool is_short = t->c == TN_F32 && t->a != TN_F32;
  if (is_short) {
    add_cast(&graph, "A", "A32");
    add_cast(&graph, "B", "B32");
  }
  add_node(&graph, node(t->c == TN_I32 ? "MatMulInteger" : "MatMul", "gemm", is_short ? "A32 B32" : "A B", "C"));
  add_weight(&graph, tensor_raw("B", onnx_type(t->b), 2, (int64_t[]){g->k, g->n}, g->b, bytes_of(t->b, g->k, g->n)));
  put_message(&graph, 11, value_info("A", onnx_type(t->a), 2, (int64_t[]){g->m, g->k}));
  add_output(&graph, "C");
  bytes onnx = model(13, graph);
  bench_must(tn_onnx_import(ctx, onnx.data, onnx.size, NULL, program, &error), &error);
  free(onnx.data);
}

static DLTensor view(const void *data, tn_type type, int64_t *shape) {
  DLDataType dtype = {(uint8_t)TN_TYPE_CODE(type), (uint8_t)TN_TYPE_BITS(type), 1};
  return (DLTensor){.data = (void *)(uintptr_t)data, .device = {kDLCPU, 0}, .ndim = 2, .dtype = dtype, .shape = shape};
}

static void compile_ours(tn_context *ctx, const bench_gemm *g, ours *o) {
  tn_error *error = NULL;
  *o = (ours){.a_shape = {g->m, g->k}, .c_shape = {g->m, g->n}};
  if (g->constant) {
    import_model(ctx, g, &o->program);
  } else {
    bench_must(tn_program_create(ctx, &o->program, &error), &error);
    build_function(o->program, g);
  }
  double start = bench_now(true);
  bench_must(tn_compile(o->program, NULL, &o->module, &error), &error);
  o->compile_seconds = bench_now(true) - start;
  if (g->constant) {
    bench_must(tn_module_model(o->module, "main", &o->model, &error), &error);
    o->a = view(g->a, types_of(g)->a, o->a_shape);
    o->c = view(g->c, types_of(g)->c, o->c_shape);
  } else {
    const tn_function *f;
    bench_must(tn_module_function(o->module, "gemm", &f, &error), &error);
    o->code = (gemm_code *)tn_function_pointer(f);
    o->env = tn_function_env(f);
  }
}

static void run_ours(const ours *o, const bench_gemm *g) {
  tn_error *error = NULL;
  if (o->code)
    bench_must(o->code(o->env, g->a, g->b, g->c), NULL);
  else
    bench_must(tn_model_run(o->model, (const DLTensor *const[]){&o->a}, 1, (const DLTensor *const[]){&o->c}, 1, &error),
               &error);
}

static void drop_ours(ours *o) {
  tn_module_destroy(o->module);
  tn_program_destroy(o->program);
}

/* ---- checking -------------------------------------------------------------------------------------------------------- */

/* Rows that are looked at: all of small products, some of large ones, the last one always. */
static int64_t next_row(const bench_gemm *g, int64_t i) {
  int64_t step = 1 + g->m * g->n * g->k / 50000000;
  return i + 1 == g->m ? g->m : i + step >= g->m ? g->m - 1 : i + step;
}

/* The rows that are looked at of the product, and of the sums of absolute products. */
typedef struct reference {
  long double *sum, *size;
} reference;

static reference make_reference(const bench_gemm *g) {
  const bench_types *t = types_of(g);
  size_t rows = 0, n = (size_t)g->n, at = 0;
  for (int64_t i = 0; i < g->m; i = next_row(g, i)) rows++;
  reference ref = {bench_alloc(sizeof *ref.sum * n * rows), bench_alloc(sizeof *ref.size * n * rows)};
  for (int64_t i = 0; i < g->m; i = next_row(g, i), at += n)
    for (int64_t k = 0; k < g->k; k++) {
      long double a = bench_number(t->a, g->a, (size_t)(i * g->k + k));
      for (size_t j = 0; j < n; j++) {
        long double product = a * bench_number(t->b, g->b, (size_t)k * n + j);
        ref.sum[at + j] += product;
        ref.size[at + j] += fabsl(product);
      }
    }
  return ref;
}

static void drop_reference(reference *ref) {
  free(ref->sum);
  free(ref->size);
}

/* Half a unit in the last place of 1. */
static double rounding_of(tn_type type) {
  return type == TN_F64 ? DBL_EPSILON / 2 : type == TN_F32 ? FLT_EPSILON / 2 : 0;
}

/* Is C the product, within the bound of a sum of k rounded products in any order, (k + 1) u sum |a b|? Integers are exact. */
static bool is_product(const bench_gemm *g, const reference *ref, const char *by) {
  const bench_types *t = types_of(g);
  double unit = (double)(g->k + 1) * rounding_of(t->c);
  size_t at = 0;
  for (int64_t i = 0; i < g->m; i = next_row(g, i))
    for (int64_t j = 0; j < g->n; j++, at++) {
      double c = bench_number(t->c, g->c, (size_t)(i * g->n + j));
      if (fabsl(c - ref->sum[at]) <= unit * ref->size[at]) continue;
      fprintf(stderr, "tenon-bench: %s: C[%lld, %lld] is %.17g, not %.17Lg\n", by, (long long)i, (long long)j, c,
              ref->sum[at]);
      return false;
    }
  return true;
}

/* ---- measuring ------------------------------------------------------------------------------------------------------- */

typedef struct contest {
  const bench_options *options;
  const bench_peer *peers[MAX_PEERS]; /* those that were opened */
  size_t peer_count;
  bool complete; /* all named ones are there */
  /* of the shape at hand */
  bench_gemm g[MAX_PEERS + 1]; /* each contestant's own operands: nobody finds the caches warmed by another */
  ours mine;
  void *prepared[MAX_PEERS];
  double seconds[MAX_PEERS + 1][MAX_ROUNDS], peak[MAX_ROUNDS];
} contest;

typedef struct outcome {
  double ratio, gflops, share; /* best peer's time over ours; ours; ours of the peak */
  double peer_ratio[MAX_PEERS];
  const char *best;
  double compile_ms;
} outcome;

static void run_one(contest *c, size_t who) {
  if (who == OURS)
    run_ours(&c->mine, &c->g[OURS]);
  else
    c->peers[who]->run(c->prepared[who]);
}

/* Seconds of one product, the least of the batches. */
static double time_one(contest *c, size_t who, double *estimate) {
  bool wall = c->options->threads > 1;
  double best = INFINITY;
  int64_t times = *estimate > 0 ? 1 + (int64_t)(least_batch / *estimate) : 1;
  for (int b = 0; b < (*estimate > 20e-3 ? 1 : BATCHES); b++) {
    double start = bench_now(wall);
    for (int64_t t = 0; t < times; t++) run_one(c, who);
    best = fmin(best, (bench_now(wall) - start) / (double)times);
  }
  return *estimate = best;
}

static void run_rounds(contest *c) {
  double estimate[MAX_PEERS + 1] = {0};
  for (int round = -1; round < c->options->rounds; round++) { /* the first is not counted: it warms and estimates */
    int at = round < 0 ? 0 : round;
    c->peak[at] = bench_peak_f32();
    c->seconds[OURS][at] = time_one(c, OURS, &estimate[OURS]);
    for (size_t p = 0; p < c->peer_count; p++)
      if (c->prepared[p]) c->seconds[p][at] = time_one(c, p, &estimate[p]);
  }
}

static double median_ratio(const double *over, const double *under, int rounds) {
  double values[MAX_ROUNDS];
  for (int r = 0; r < rounds; r++) values[r] = over[r] / under[r];
  return bench_median(values, rounds);
}

static outcome judge(contest *c) {
  int rounds = c->options->rounds;
  double rate[MAX_ROUNDS], share[MAX_ROUNDS], flops = 2.0 * (double)c->g[OURS].m * (double)c->g[OURS].n * (double)c->g[OURS].k;
  outcome o = {.ratio = INFINITY, .best = "none", .compile_ms = 1e3 * c->mine.compile_seconds};
  for (int r = 0; r < rounds; r++) {
    rate[r] = 1e-9 * flops / c->seconds[OURS][r];
    share[r] = rate[r] / (c->peak[r] * c->options->threads);
  }
  o.gflops = bench_median(rate, rounds);
  o.share = bench_median(share, rounds);
  for (size_t p = 0; p < c->peer_count; p++) {
    if (!c->prepared[p]) continue;
    o.peer_ratio[p] = median_ratio(c->seconds[p], c->seconds[OURS], rounds);
    if (o.peer_ratio[p] < o.ratio) {
      o.ratio = o.peer_ratio[p];
      o.best = c->peers[p]->name;
    }
  }
  return o;
}

static bool check_all(contest *c) {
  const bench_gemm *ours = &c->g[OURS];
  size_t bytes = bytes_of(types_of(ours)->c, ours->m, ours->n);
  reference ref = make_reference(ours);
  memset(ours->c, 0xff, bytes);
  run_ours(&c->mine, ours);
  bool good = is_product(ours, &ref, "tenon");
  for (size_t p = 0; p < c->peer_count; p++) {
    if (!c->prepared[p]) continue;
    memset(c->g[p].c, 0xff, bytes);
    run_one(c, p);
    if (is_product(&c->g[p], &ref, c->peers[p]->name)) continue;
    c->peers[p]->drop(c->prepared[p]);
    c->prepared[p] = NULL; /* a wrong result has no time */
  }
  drop_reference(&ref);
  return good;
}

static bench_gemm make_operands(const struct gemm_shape *s, enum bench_type type) {
  const bench_types *t = &bench_type_table[type];
  void *a = bench_alloc(bytes_of(t->a, s->m, s->k)), *b = bench_alloc(bytes_of(t->b, s->k, s->n));
  bench_fill(t->a, a, (size_t)s->m * (size_t)s->k, 1);
  bench_fill(t->b, b, (size_t)s->k * (size_t)s->n, 2);
  return (bench_gemm){type, s->m, s->n, s->k, a, b, bench_alloc(bytes_of(t->c, s->m, s->n)), s->constant};
}

static void drop_operands(bench_gemm *g) {
  free((void *)(uintptr_t)g->a);
  free((void *)(uintptr_t)g->b);
  free(g->c);
}

static bool measure_shape(contest *c, tn_context *ctx, const struct gemm_shape *s, outcome *out) {
  c->g[OURS] = make_operands(s, c->options->type);
  compile_ours(ctx, &c->g[OURS], &c->mine);
  for (size_t p = 0; p < c->peer_count; p++) {
    c->g[p] = make_operands(s, c->options->type);
    c->prepared[p] = c->peers[p]->packs && !s->constant ? NULL : c->peers[p]->prepare(&c->g[p]);
  }
  bool good = check_all(c);
  if (good) {
    run_rounds(c);
    *out = judge(c);
  }
  for (size_t p = 0; p < c->peer_count; p++) {
    if (c->prepared[p]) c->peers[p]->drop(c->prepared[p]);
    drop_operands(&c->g[p]);
  }
  drop_ours(&c->mine);
  drop_operands(&c->g[OURS]);
  return good;
}

/* ---- peers ------------------------------------------------------------------------------------------------------------ */

static void open_peers(contest *c) {
  const bench_peer *const tables[] = {bench_blas_peers, bench_onednn_peers, bench_xsmm_peers};
  c->complete = true;
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    for (const bench_peer *p = tables[t]; p->name; p++) {
      if (!(p->types >> c->options->type & 1)) continue;
      if (p->open(c->options->peer_folder, c->options->threads)) {
        c->peers[c->peer_count++] = p;
        continue;
      }
      printf("missing: %s%s\n", p->name, p->named ? "" : " (no mean needs it)");
      c->complete &= !p->named;
    }
}

/* ---- the report -------------------------------------------------------------------------------------------------------- */

typedef struct row {
  const struct gemm_shape *shape;
  outcome o;
} row;

static bool is_awkward(const struct gemm_shape *s) {
  int sizes[] = {s->m, s->n, s->k};
  for (int i = 0; i < 3; i++)
    if (sizes[i] < 32 || sizes[i] % 16) return true;
  return false;
}

static void print_mean(const contest *c, const row *rows, size_t count, bool awkward_only) {
  double sum = 0, worst = INFINITY;
  const struct gemm_shape *at = NULL;
  int n = 0;
  for (size_t i = 0; i < count; i++) {
    if (awkward_only && !is_awkward(rows[i].shape)) continue;
    sum += log(rows[i].o.ratio);
    if (rows[i].o.ratio < worst) worst = rows[i].o.ratio, at = rows[i].shape;
    n++;
  }
  if (!n || !c->complete) return;
  printf("%s: geometric mean %.3f, worst %.3f (%s %dx%dx%d), %d shapes\n",
         awkward_only ? "below 32 or no multiple of 16" : "all", exp(sum / n), worst, at->from, at->m, at->n, at->k, n);
}

static void print_header(const contest *c) {
  printf("%-18s %16s  %8s %6s %6s  %-12s %7s |", "from", "m x n x k", "GFLOP/s", "peak%", "ratio", "best peer", "ms");
  for (size_t p = 0; p < c->peer_count; p++) printf(" %s", c->peers[p]->name);
  printf("\n");
}

static void print_row(const contest *c, const row *r) {
  char shape[40];
  snprintf(shape, sizeof shape, "%dx%dx%d", r->shape->m, r->shape->n, r->shape->k);
  printf("%-18s %16s%c %8.1f %6.1f %6.3f  %-12s %7.1f |", r->shape->from, shape, r->shape->constant ? '*' : ' ',
         r->o.gflops, 100 * r->o.share, r->o.ratio, r->o.best, r->o.compile_ms);
  for (size_t p = 0; p < c->peer_count; p++) printf(" %*.2f", (int)strlen(c->peers[p]->name), r->o.peer_ratio[p]);
  printf("\n");
  fflush(stdout);
}

static bool write_json(const contest *c, const row *rows, size_t count) {
  FILE *f = fopen(c->options->json, "w");
  if (!f) return false;
  fprintf(f, "{\"suite\": \"gemm\", \"type\": \"%s\", \"threads\": %d, \"rounds\": %d, \"rows\": [",
          bench_type_table[c->options->type].name, c->options->threads, c->options->rounds);
  for (size_t i = 0; i < count; i++) {
    const row *r = &rows[i];
    fprintf(f,
            "%s\n  {\"from\": \"%s\", \"m\": %d, \"n\": %d, \"k\": %d, \"constant\": %s, \"gflops\": %.2f, \"share\": "
            "%.4f,",
            i ? "," : "", r->shape->from, r->shape->m, r->shape->n, r->shape->k, r->shape->constant ? "true" : "false",
            r->o.gflops, r->o.share);
    fprintf(f, " \"compile_ms\": %.2f, \"ratios\": {", r->o.compile_ms);
    const char *comma = "";
    for (size_t p = 0; p < c->peer_count; p++)
      if (r->o.peer_ratio[p] > 0) {
        fprintf(f, "%s\"%s\": %.4f", comma, c->peers[p]->name, r->o.peer_ratio[p]);
        comma = ", ";
      }
    fprintf(f, "}}");
  }
  fprintf(f, "\n]}\n");
  return fclose(f) == 0;
}

static bool draw(const contest *c, const row *rows, size_t count) {
  bench_bar bars[GEMM_SHAPES];
  char labels[GEMM_SHAPES][80];
  for (size_t i = 0; i < count; i++) {
    const struct gemm_shape *s = rows[i].shape;
    snprintf(labels[i], sizeof labels[i], "%s %dx%dx%d", s->from, s->m, s->n, s->k);
    bars[i] = (bench_bar){labels[i], rows[i].o.ratio};
  }
  char title[80];
  snprintf(title, sizeof title, "%s products: time of the best library / time of Tenon",
           bench_type_table[c->options->type].name);
  return bench_plot(c->options->svg, title, bars, count);
}

static bool is_chosen(const bench_options *o, const struct gemm_shape *s) {
  char name[80];
  snprintf(name, sizeof name, "%s %dx%dx%d", s->from, s->m, s->n, s->k);
  return !o->only || strstr(name, o->only);
}

int bench_run_gemm(const bench_options *options) {
  static contest c;
  static row rows[GEMM_SHAPES];
  tn_error *error = NULL;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = (uint32_t)options->threads}};
  bool good = true;
  size_t count = 0;
  c.options = options;
  bench_must(tn_context_create(&desc, &ctx, &error), &error);
  open_peers(&c);
  printf("%s, %d thread%s, medians of %d rounds; * B is constant; ratio: the best library's time / Tenon's; peak%%: of f32 "
         "multiply-adds\n",
         bench_type_table[options->type].name, options->threads, options->threads > 1 ? "s" : "", options->rounds);
  print_header(&c);
  for (size_t i = 0; i < GEMM_SHAPES; i++) {
    if (!is_chosen(options, &gemm_shapes[i])) continue;
    rows[count].shape = &gemm_shapes[i];
    if (!measure_shape(&c, ctx, &gemm_shapes[i], &rows[count].o)) {
      good = false;
      continue;
    }
    print_row(&c, &rows[count++]);
  }
  print_mean(&c, rows, count, false);
  print_mean(&c, rows, count, true);
  if (!c.complete) printf("no mean: named libraries are missing (sh test/bench/peers.sh FOLDER; --peers FOLDER)\n");
  good &= !options->json || write_json(&c, rows, count);
  good &= !options->svg || draw(&c, rows, count);
  tn_context_destroy(ctx);
  return good ? 0 : 1;
}
