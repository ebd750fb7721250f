/* gemm.c -- tenon-bench gemm: matrix products of one type beside the libraries, shape by shape.
 *
 * Tenon's product is a tensor function that nobody scheduled, called directly; with constant B it is an ONNX model of one
 * MatMul, so that its weights are packed at compile time as a user's would be. Each result is checked against a product in
 * more precision.
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

/* ---- Tenon ------------------------------------------------------------------------------------------------------- */

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
  bench_compiled made;
  gemm_code *code; /* or else a model */
  const tn_env *env;
  int64_t a_shape[2], c_shape[2];
  DLTensor a, c;
} ours;

static tn_program *build_program(tn_context *ctx, const bench_gemm *g) {
  tn_error *error = NULL;
  tn_program *program;
  tn_builder *b;
  bench_must(tn_program_create(ctx, &program, &error), &error);
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
  return program;
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
static bytes write_model(const bench_gemm *g) {
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
  return model(13, graph);
}

static void compile_model(tn_context *ctx, const bench_gemm *g, ours *o) {
  bytes onnx = write_model(g);
  o->made = bench_compile_onnx(ctx, onnx.data, onnx.size);
  o->a = bench_view(types_of(g)->a, g->a, 2, o->a_shape);
  o->c = bench_view(types_of(g)->c, g->c, 2, o->c_shape);
}

static void compile_function(tn_context *ctx, const bench_gemm *g, ours *o) {
  tn_error *error = NULL;
  const tn_function *f;
  o->made = bench_compile(build_program(ctx, g));
  bench_must(tn_module_function(o->made.module, "gemm", &f, &error), &error);
  o->code = (gemm_code *)tn_function_pointer(f);
  o->env = tn_function_env(f);
}

static void compile_ours(tn_context *ctx, const bench_gemm *g, ours *o) {
  *o = (ours){.a_shape = {g->m, g->k}, .c_shape = {g->m, g->n}};
  if (g->constant)
    compile_model(ctx, g, o);
  else
    compile_function(ctx, g, o);
}

static void run_ours(const ours *o, const bench_gemm *g) {
  if (o->code)
    bench_must(o->code(o->env, g->a, g->b, g->c), NULL);
  else
    bench_run_model(&o->made, (const DLTensor *const[]){&o->a}, 1, &o->c);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

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

/* ---- one shape --------------------------------------------------------------------------------------------------- */

typedef struct state {
  bench_contest c;
  const bench_peer *peers[MAX_PEERS]; /* those that were opened */
  bench_gemm g[MAX_PEERS + 1]; /* each contestant's own operands: nobody finds the caches warmed by another */
  ours mine;
  reference ref;
} state;

static void run_mine(void *self) {
  state *s = self;
  run_ours(&s->mine, &s->g[BENCH_OURS]);
}

static void clear(void *self, size_t who) {
  bench_gemm *g = &((state *)self)->g[who];
  memset(g->c, 0xff, bytes_of(types_of(g)->c, g->m, g->n));
}

static bool is_right(void *self, size_t who) {
  const state *s = self;
  return is_product(&s->g[who], &s->ref, who == BENCH_OURS ? "tenon" : s->c.names[who]);
}

static bool check_all(state *s) {
  s->ref = make_reference(&s->g[BENCH_OURS]);
  bool good = bench_check(&s->c, clear, is_right, s);
  drop_reference(&s->ref);
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

static bool measure_shape(state *s, tn_context *ctx, const struct gemm_shape *shape, bench_outcome *out) {
  enum bench_type type = s->c.options->type;
  bench_gemm *mine = &s->g[BENCH_OURS];
  *mine = make_operands(shape, type);
  compile_ours(ctx, mine, &s->mine);
  s->c.run[BENCH_OURS] = run_mine;
  s->c.prepared[BENCH_OURS] = s;
  for (size_t p = 0; p < s->c.peer_count; p++) {
    s->g[p] = make_operands(shape, type);
    s->c.run[p] = s->peers[p]->run;
    s->c.drop[p] = s->peers[p]->drop;
    s->c.prepared[p] = s->peers[p]->packs && !shape->constant ? NULL : s->peers[p]->prepare(&s->g[p]);
  }
  void *weights = shape->m == 1 ? bench_alloc(bytes_of(types_of(mine)->b, shape->k, shape->n)) : NULL;
  s->c.read = weights; /* one row: all is reading the weights */
  s->c.read_bytes = bytes_of(types_of(mine)->b, shape->k, shape->n);
  bool good = check_all(s);
  if (good)
    *out = bench_measure(&s->c, 2.0 * (double)mine->m * (double)mine->n * (double)mine->k, s->mine.made.seconds);
  bench_drop_peers(&s->c);
  for (size_t p = 0; p < s->c.peer_count; p++) drop_operands(&s->g[p]);
  bench_drop_compiled(&s->mine.made);
  drop_operands(mine);
  free(weights);
  return good;
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

static void open_peers(state *s) {
  const bench_peer *const tables[] = {bench_blas_peers, bench_onednn_peers, bench_xsmm_peers};
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    for (const bench_peer *p = tables[t]; p->name; p++)
      if (p->types >> s->c.options->type & 1 && bench_enter(&s->c, p->name, p->named, p->open))
        s->peers[s->c.peer_count - 1] = p;
}

static bool is_awkward(const struct gemm_shape *s) {
  int sizes[] = {s->m, s->n, s->k};
  for (int i = 0; i < 3; i++)
    if (sizes[i] < 32 || sizes[i] % 16) return true;
  return false;
}

static const char awkward[] = "below 32 or no multiple of 16";

static bench_row describe(const struct gemm_shape *s) {
  bench_row r = {.from = s->from, .mark = s->constant ? '*' : ' ', .group = is_awkward(s) ? awkward : ""};
  snprintf(r.shape, sizeof r.shape, "%dx%dx%d", s->m, s->n, s->k);
  snprintf(r.json, sizeof r.json, "\"m\": %d, \"n\": %d, \"k\": %d, \"constant\": %s", s->m, s->n, s->k,
           s->constant ? "true" : "false");
  return r;
}

int bench_run_gemm(const bench_options *options) {
  static state s;
  static bench_row rows[GEMM_SHAPES];
  tn_error *error = NULL;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = (uint32_t)options->threads}};
  const char *type = bench_type_table[options->type].name;
  bool good = true;
  size_t count = 0;
  bench_begin(&s.c, options, bench_library_ratio);
  bench_must(tn_context_create(&desc, &ctx, &error), &error);
  open_peers(&s);
  bench_print_header(&s.c, type, "m x n x k", "* B is constant; ");
  for (size_t i = 0; i < GEMM_SHAPES; i++) {
    rows[count] = describe(&gemm_shapes[i]);
    if (!bench_is_chosen(options, &rows[count])) continue;
    if (!measure_shape(&s, ctx, &gemm_shapes[i], &rows[count].o)) {
      good = false;
      continue;
    }
    bench_print_row(&s.c, &rows[count++]);
  }
  bench_print_mean(&s.c, rows, count, NULL);
  bench_print_mean(&s.c, rows, count, awkward);
  bench_print_compile(rows, count);
  good &= bench_finish(&s.c, "gemm", type, rows, count);
  tn_context_destroy(ctx);
  return good ? 0 : 1;
}
