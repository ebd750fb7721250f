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
  const bench_gemm *g;
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

static void *compile_ours(tn_context *ctx, const void *operands, double *seconds) {
  const bench_gemm *g = operands;
  ours *o = bench_alloc(sizeof *o);
  *o = (ours){.g = g, .a_shape = {g->m, g->k}, .c_shape = {g->m, g->n}};
  if (g->constant)
    compile_model(ctx, g, o);
  else
    compile_function(ctx, g, o);
  *seconds = o->made.seconds;
  return o;
}

static void run_ours(void *compiled) {
  const ours *o = compiled;
  if (o->code)
    bench_must(o->code(o->env, o->g->a, o->g->b, o->g->c), NULL);
  else
    bench_run_model(&o->made, (const DLTensor *const[]){&o->a}, 1, &o->c);
}

static void drop_ours(void *compiled) {
  ours *o = compiled;
  bench_drop_compiled(&o->made);
  free(o);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* Rows that are looked at: all of small products, some of large ones, the last one always. */
static int64_t next_row(const bench_gemm *g, int64_t i) {
  int64_t step = 1 + g->m * g->n * g->k / 50000000;
  return i + 1 == g->m ? g->m : i + step >= g->m ? g->m - 1 : i + step;
}

/* The rows that are looked at of the product and, behind them, of the sums of absolute products. */
static void *make_reference(const void *operands) {
  const bench_gemm *g = operands;
  const bench_types *t = types_of(g);
  size_t rows = 0, n = (size_t)g->n, at = 0;
  for (int64_t i = 0; i < g->m; i = next_row(g, i)) rows++;
  long double *sum = bench_alloc(2 * sizeof *sum * n * rows), *size = sum + n * rows;
  for (int64_t i = 0; i < g->m; i = next_row(g, i), at += n)
    for (int64_t k = 0; k < g->k; k++) {
      long double a = bench_number(t->a, g->a, (size_t)(i * g->k + k));
      for (size_t j = 0; j < n; j++) {
        long double product = a * bench_number(t->b, g->b, (size_t)k * n + j);
        sum[at + j] += product;
        size[at + j] += fabsl(product);
      }
    }
  return sum;
}

/* Half a unit in the last place of 1. */
static double rounding_of(tn_type type) {
  return type == TN_F64 ? DBL_EPSILON / 2 : type == TN_F32 ? FLT_EPSILON / 2 : 0;
}

/* Is C the product, within the bound of a sum of k rounded products in any order, (k + 1) u sum |a b|? Integers are exact. */
static bool is_product(const void *operands, const void *expected, const char *by) {
  const bench_gemm *g = operands;
  const long double *sum = expected, *size;
  const bench_types *t = types_of(g);
  double unit = (double)(g->k + 1) * rounding_of(t->c);
  size_t rows = 0, at = 0;
  for (int64_t i = 0; i < g->m; i = next_row(g, i)) rows++;
  size = sum + rows * (size_t)g->n;
  for (int64_t i = 0; i < g->m; i = next_row(g, i))
    for (int64_t j = 0; j < g->n; j++, at++) {
      double c = bench_number(t->c, g->c, (size_t)(i * g->n + j));
      if (fabsl(c - sum[at]) <= unit * size[at]) continue;
      fprintf(stderr, "tenon-bench: %s: C[%lld, %lld] is %.17g, not %.17Lg\n", by, (long long)i, (long long)j, c,
              sum[at]);
      return false;
    }
  return true;
}

/* ---- the suite --------------------------------------------------------------------------------------------------- */

static void clear(void *operands) {
  bench_gemm *g = operands;
  memset(g->c, 0xff, bytes_of(types_of(g)->c, g->m, g->n));
}

static double flops_of(const void *operands) {
  const bench_gemm *g = operands;
  return 2.0 * (double)g->m * (double)g->n * (double)g->k;
}

/* Of one row: all is reading the weights. */
static size_t weights_of(const void *operands) {
  const bench_gemm *g = operands;
  return g->m == 1 ? bytes_of(types_of(g)->b, g->k, g->n) : 0;
}

static void make_operands(const bench_options *options, size_t problem, void *operands) {
  const struct gemm_shape *s = &gemm_shapes[problem];
  const bench_types *t = &bench_type_table[options->type];
  void *a = bench_alloc(bytes_of(t->a, s->m, s->k)), *b = bench_alloc(bytes_of(t->b, s->k, s->n));
  bench_fill(t->a, a, (size_t)s->m * (size_t)s->k, 1);
  bench_fill(t->b, b, (size_t)s->k * (size_t)s->n, 2);
  void *c = bench_alloc(bytes_of(t->c, s->m, s->n));
  *(bench_gemm *)operands = (bench_gemm){options->type, s->m, s->n, s->k, a, b, c, s->constant};
}

static void drop_operands(void *operands) {
  bench_gemm *g = operands;
  free((void *)(uintptr_t)g->a);
  free((void *)(uintptr_t)g->b);
  free(g->c);
}

static bool is_awkward(const struct gemm_shape *s) {
  int sizes[] = {s->m, s->n, s->k};
  for (int i = 0; i < 3; i++)
    if (sizes[i] < 32 || sizes[i] % 16) return true;
  return false;
}

static const char awkward[] = "below 32 or no multiple of 16";

static bool describe(const bench_suite *suite, size_t problem, bench_row *r) {
  const struct gemm_shape *s = &gemm_shapes[problem];
  (void)suite;
  r->from = s->from;
  r->mark = s->constant ? '*' : ' ';
  r->group = is_awkward(s) ? awkward : "";
  snprintf(r->shape, sizeof r->shape, "%dx%dx%d", s->m, s->n, s->k);
  snprintf(r->json, sizeof r->json, "\"m\": %d, \"n\": %d, \"k\": %d, \"constant\": %s", s->m, s->n, s->k,
           s->constant ? "true" : "false");
  return true;
}

int bench_run_gemm(const bench_options *options) {
  static const char *const groups[] = {awkward, NULL};
  static const bench_peer *const peers[] = {bench_blas_peers, bench_onednn_peers, bench_xsmm_peers, NULL};
  const bench_suite suite = {
      .name = "gemm", .type = bench_type_table[options->type].name, .shape = "m x n x k", .mark = "* B is constant; ",
      .groups = groups, .peers = peers, .count = GEMM_SHAPES, .operand_size = sizeof(bench_gemm),
      .describe = describe, .make = make_operands, .drop = drop_operands, .work = flops_of,
      .reading = weights_of, .clear = clear, .expect = make_reference, .is_right = is_product,
      .own = {compile_ours, run_ours, NULL, drop_ours},
  };
  return bench_run_suite(&suite, options);
}
