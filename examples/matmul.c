/* matmul.c -- a matrix product built in memory, scheduled, compiled in this process, and called the three ways.
 *
 *     C[i, j] = sum over k of A[i, k] * B[k, j]          512 x 512 x 512, f32, one thread
 *
 * What it computes is said once (build_matmul). How it runs is said apart from that (schedule_matmul): a tile of C is kept
 * in registers while k runs. Then the code is called directly, as a C function; packed, as an array of tagged values; and,
 * made from an ONNX graph that is written here in memory, as a model: tensors in, tensors out.
 *
 * Rates are medians over rounds in which all contestants and a loop of nothing but multiply-adds (the peak) run in turn,
 * so that they meet the same clock. The numbers are checked against a product in double precision.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "tenon/tenon.h"

enum { N = 512, ROUNDS = 31 };

static float A[N * N], B[N * N], C[N * N];

/* Prints an error and ends: what an application does with an error that it does not expect. */
static void must(tn_status status, tn_error *const *error) {
  if (status == TN_OK) return;
  fprintf(stderr, "matmul: %s\n", error ? tn_error_text(*error) : tn_status_name(status));
  exit(1);
}

/* ---- what it computes ---------------------------------------------------------------------------------------------- */

static const tn_func *build_matmul(tn_program *program) {
  tn_error *error = NULL;
  tn_builder *b;
  const tn_func *func;
  const int64_t shape[] = {N, N};
  must(tn_builder_create(program, "matmul", &b, &error), &error);
  const tn_buffer *a_buffer = tn_param(b, "A", TN_F32, 2, shape);
  const tn_buffer *b_buffer = tn_param(b, "B", TN_F32, 2, shape);
  const tn_buffer *c_buffer = tn_param(b, "C", TN_F32, 2, shape);
  /* A copy of B: no more to say here; the schedule makes it a panel that is packed, and used while it is in the cache. */
  const tn_buffer *panel = tn_alloc(b, "panel", TN_F32, 2, shape);
  const tn_expr *from[] = {tn_axis(b, "pk", N), tn_axis(b, "pj", N)};
  tn_compute(b, panel, from, tn_load(b, b_buffer, from, NULL));
  const tn_expr *i = tn_axis(b, "i", N), *j = tn_axis(b, "j", N), *k = tn_reduce_axis(b, "k", N);
  const tn_expr *ik[] = {i, k}, *kj[] = {k, j}, *ij[] = {i, j};
  tn_reduce(b, c_buffer, ij, 1, &k, TN_REDUCE_SUM,
            tn_mul(b, tn_load(b, a_buffer, ik, NULL), tn_load(b, panel, kj, NULL)));
  must(tn_builder_finish(b, &func, &error), &error);
  return func;
}

/* ---- how it runs --------------------------------------------------------------------------------------------------- */

/* Lanes of f32 in the widest vectors of this CPU. */
static int64_t vector_lanes(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") ? 16 : 8;
#else
  return 4;
#endif
}

/* A loop over columns as straight code on vectors. */
static void make_row_code(tn_schedule *s, tn_loop columns, int64_t lanes) {
  tn_error *error = NULL;
  const int64_t factors[] = {0, lanes};
  tn_loop split[2];
  must(tn_split(s, columns, 2, factors, split, &error), &error);
  must(tn_unroll(s, split[0], &error), &error);
  must(tn_vectorize(s, split[1], &error), &error);
}

/* The same of the two loops over a tile. */
static void make_tile_code(tn_schedule *s, tn_loop rows, tn_loop columns, int64_t lanes) {
  tn_error *error = NULL;
  must(tn_unroll(s, rows, &error), &error);
  make_row_code(s, columns, lanes);
}

/* Tiles of C, of `rows` by `vectors`, as many as the registers hold, are summed up in them:
 *
 *     for j tiles:  P = B[.., j tile];  for i tiles:  T = 0;  for k: T += A[i tile, k] * P[k, ..];  C[tile] = T
 */
static void schedule_matmul(tn_schedule *s) {
  tn_error *error = NULL;
  tn_block_ref sum, copy, pack, zero;
  tn_loop loops[8], i[2], j[2];
  const int64_t lanes = vector_lanes(), rows = lanes == 16 ? 6 : 4, vectors = lanes == 16 ? 4 : 2;
  const int64_t i_factors[] = {0, rows}, j_factors[] = {0, vectors * lanes};
  size_t count = 8;

  must(tn_get_block(s, "C", &sum, &error), &error);
  must(tn_cache_write(s, sum, "register", &copy, &error), &error);

  must(tn_get_loops(s, copy, loops, &count, &error), &error);
  must(tn_split(s, loops[0], 2, i_factors, i, &error), &error);
  must(tn_split(s, loops[1], 2, j_factors, j, &error), &error);
  const tn_loop order[] = {j[0], i[0], i[1], j[1]};
  must(tn_reorder(s, 4, order, &error), &error);
  must(tn_compute_at(s, sum, i[0], &error), &error);
  must(tn_get_block(s, "panel", &pack, &error), &error);
  must(tn_compute_at(s, pack, j[0], &error), &error);
  make_tile_code(s, i[1], j[1], lanes);

  count = 8;
  must(tn_get_loops(s, pack, loops, &count, &error), &error); /* j tile, k, columns */
  make_row_code(s, loops[2], lanes);

  count = 8;
  must(tn_get_loops(s, sum, loops, &count, &error), &error); /* j tile, i tile, rows, columns, k */
  const tn_loop k = loops[4], inner[] = {k, loops[2], loops[3]};
  must(tn_reorder(s, 3, inner, &error), &error);
  must(tn_decompose_reduction(s, sum, k, &zero, &error), &error);
  make_tile_code(s, loops[2], loops[3], lanes);

  count = 8;
  must(tn_get_loops(s, zero, loops, &count, &error), &error);
  make_tile_code(s, loops[2], loops[3], lanes);
}

/* ---- the same as a model: an ONNX graph of one MatMul, written in memory --------------------------------------------- */

typedef struct bytes {
  unsigned char data[512];
  size_t size;
} bytes;

/* One field of a message: a number (wire type 0, below 2^14), or bytes (wire type 2, shorter than 2^14). */
static void put_varint(bytes *to, size_t x) {
  if (x > 127) to->data[to->size++] = (unsigned char)(x | 128), x >>= 7;
  to->data[to->size++] = (unsigned char)x;
}
static void put_number(bytes *to, unsigned field, size_t x) {
  put_varint(to, field << 3);
  put_varint(to, x);
}
static void put_bytes(bytes *to, unsigned field, const void *data, size_t size) {
  put_varint(to, field << 3 | 2);
  put_varint(to, size);
  memcpy(to->data + to->size, data, size);
  to->size += size;
}
static void put_text(bytes *to, unsigned field, const char *text) { put_bytes(to, field, text, strlen(text)); }
static void put_message(bytes *to, unsigned field, const bytes *message) {
  put_bytes(to, field, message->data, message->size);
}

/* ValueInfoProto: NAME, f32[N, N]. */
static void put_value(bytes *graph, unsigned field, const char *name) {
  bytes dim = {{0}, 0}, shape = {{0}, 0}, tensor = {{0}, 0}, type = {{0}, 0}, value = {{0}, 0};
  put_number(&dim, 1, N);       /* Dimension.dim_value */
  put_message(&shape, 1, &dim); /* TensorShapeProto.dim */
  put_message(&shape, 1, &dim);
  put_number(&tensor, 1, 1);       /* TypeProto.Tensor.elem_type = FLOAT */
  put_message(&tensor, 2, &shape); /* .shape */
  put_message(&type, 1, &tensor);  /* TypeProto.tensor_type */
  put_text(&value, 1, name);       /* ValueInfoProto.name */
  put_message(&value, 2, &type);   /* .type */
  put_message(graph, field, &value);
}

static bytes write_onnx(void) {
  bytes node = {{0}, 0}, graph = {{0}, 0}, opset = {{0}, 0}, model = {{0}, 0};
  put_text(&node, 1, "A"); /* NodeProto.input */
  put_text(&node, 1, "B");
  put_text(&node, 2, "C");      /* .output */
  put_text(&node, 4, "MatMul"); /* .op_type */
  put_message(&graph, 1, &node);
  put_text(&graph, 2, "matmul"); /* GraphProto.name */
  put_value(&graph, 11, "A");    /* .input */
  put_value(&graph, 11, "B");
  put_value(&graph, 12, "C"); /* .output */
  put_number(&opset, 2, 13);  /* OperatorSetIdProto.version */
  put_number(&model, 1, 8);   /* ModelProto.ir_version */
  put_message(&model, 7, &graph);
  put_message(&model, 8, &opset);
  return model;
}

/* ---- contestants: each computes C once ------------------------------------------------------------------------------- */

typedef int32_t matmul_code(const tn_env *env, const float *a, const float *b, float *c);

typedef struct compiled {
  matmul_code *code;
  const tn_env *env;
  const tn_function *function;
  const tn_model *model;
  DLTensor a, b, c;
} compiled;

/* Rows of C that the plain loops compute: all for the check, few in a round, or they would take most of its time. */
static int plain_rows = N;

static void run_plain(const compiled *x) {
  (void)x;
  for (int i = 0; i < plain_rows; i++) {
    for (int j = 0; j < N; j++) {
      float sum = 0;
      for (int k = 0; k < N; k++) sum += A[i * N + k] * B[k * N + j];
      C[i * N + j] = sum;
    }
  }
}

static void run_direct(const compiled *x) { must(x->code(x->env, A, B, C), NULL); }

static void run_packed(const compiled *x) {
  tn_error *error = NULL;
  const tn_value args[] = {tn_value_tensor(&x->a), tn_value_tensor(&x->b), tn_value_tensor(&x->c)};
  must(tn_function_call(x->function, args, 3, NULL, &error), &error);
}

static void run_model(const compiled *x) {
  tn_error *error = NULL;
  const DLTensor *const inputs[] = {&x->a, &x->b}, *const outputs[] = {&x->c};
  must(tn_model_run(x->model, inputs, 2, outputs, 1, &error), &error);
}

static const struct {
  const char *name;
  void (*run)(const compiled *x);
} contestants[] = {
    {"plain C loops", run_plain},
    {"direct call", run_direct},
    {"packed call", run_packed},
    {"model (default schedule)", run_model},
};
enum { CONTESTANTS = sizeof contestants / sizeof *contestants };

/* ---- measuring and checking -------------------------------------------------------------------------------------------- */

/* Is C the product, within the bound of a sum of N rounded products in any order? */
static bool check(const char *name) {
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < N; j++) {
      double sum = 0, size = 0;
      for (int k = 0; k < N; k++) {
        double product = (double)A[i * N + k] * B[k * N + j];
        sum += product;
        size += fabs(product);
      }
      if (fabs(C[i * N + j] - sum) <= (N + 1) * (FLT_EPSILON / 2) * size) continue;
      fprintf(stderr, "matmul: %s: C[%d, %d] is %.9g, not %.9g\n", name, i, j, C[i * N + j], sum);
      return false;
    }
  }
  return true;
}

static bool measure(const compiled *x) {
  static double rate[CONTESTANTS][ROUNDS], share[CONTESTANTS][ROUNDS], peaks[ROUNDS];
  for (int n = 0; n < CONTESTANTS; n++) {
    memset(C, 0xff, sizeof C);
    contestants[n].run(x);
    if (!check(contestants[n].name)) return false;
  }
  plain_rows = N / 16;
  for (int r = 0; r < ROUNDS; r++) {
    peaks[r] = 2e-9 * multiply_add_peak(true);
    for (int n = 0; n < CONTESTANTS; n++) {
      double rows = contestants[n].run == run_plain ? plain_rows : N, start = seconds(true);
      contestants[n].run(x);
      rate[n][r] = 1e-9 * 2 * rows * N * N / (seconds(true) - start);
      share[n][r] = peaks[r] > 0 ? rate[n][r] / peaks[r] : 0;
    }
  }
  printf("%-26s %8.1f GFLOP/s\n", "multiply-add peak", median(peaks, ROUNDS));
  double plain = median(rate[0], ROUNDS);
  for (int n = 0; n < CONTESTANTS; n++) {
    double typical = median(rate[n], ROUNDS);
    printf("%-26s %8.1f GFLOP/s  %5.1f %% of the peak  %6.1f x plain C\n", contestants[n].name, typical,
           100 * median(share[n], ROUNDS), typical / plain);
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------------------------------ */

static DLTensor view(float *data, int64_t *shape) {
  DLTensor t = {.data = data, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = shape};
  return t;
}

int main(void) {
  tn_error *error = NULL;
  tn_context *context;
  tn_program *program, *graph;
  tn_schedule *schedule;
  tn_module *module, *model_module;
  const tn_func *func;
  int64_t shape[] = {N, N};
  compiled x = {.a = view(A, shape), .b = view(B, shape), .c = view(C, shape)};
  unsigned seed = 1;
  for (int i = 0; i < N * N; i++) {
    A[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / (1 << 23) - 1;
    B[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / (1 << 23) - 1;
  }

  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 1}};
  must(tn_context_create(&desc, &context, &error), &error);
  must(tn_program_create(context, &program, &error), &error);
  func = build_matmul(program);
  must(tn_schedule_create(program, func, &schedule, &error), &error);
  schedule_matmul(schedule);
  must(tn_schedule_commit(schedule, &func, &error), &error);
  tn_schedule_destroy(schedule);

  double start = seconds(true);
  must(tn_compile(program, NULL, &module, &error), &error);
  printf("compiled in %.1f ms\n", 1e3 * (seconds(true) - start));
  must(tn_module_function(module, "matmul", &x.function, &error), &error);
  x.code = (matmul_code *)tn_function_pointer(x.function);
  x.env = tn_function_env(x.function);

  bytes onnx = write_onnx();
  must(tn_onnx_import(context, onnx.data, onnx.size, NULL, &graph, &error), &error);
  must(tn_compile(graph, NULL, &model_module, &error), &error);
  must(tn_module_model(model_module, "main", &x.model, &error), &error);

  bool good = measure(&x);
  tn_module_destroy(model_module);
  tn_module_destroy(module);
  tn_program_destroy(graph);
  tn_program_destroy(program);
  tn_context_destroy(context);
  return good ? 0 : 1;
}
