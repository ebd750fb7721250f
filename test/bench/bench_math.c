/* bench_math.c -- nanoseconds an element of every math operator, compiled from its IR by the default schedule.
 *
 *     bench_math [--rounds N] [--elements N] [--type f32|f64] [OPERATOR...]
 *
 * On one thread, over arrays that stay in the cache (4096 elements; --elements 1048576 for ones that do not). In each
 * round every operator, the C library's function in a loop, and a copy (the floor: no operator is faster) run one after
 * the other, so that what disturbs the machine disturbs all; shown are the medians of the rounds, by the thread's CPU time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/tenon.h"

enum { MAX_ROUNDS = 10001, BATCH = 1 << 15 /* elements between two looks at the clock, at least */ };

static double peer_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static float peer_sigmoidf(float x) { return 1 / (1 + expf(-x)); }
static double peer_rsqrt(double x) { return 1 / sqrt(x); }
static float peer_rsqrtf(float x) { return 1 / sqrtf(x); }
static double peer_copy(double x) { return x; }
static float peer_copyf(float x) { return x; }

/* What a row measures: the operator over arguments of low..high. */
typedef struct row {
  const char *name;
  double low, high;
  float (*single)(float);
  double (*wide)(double);
  float (*single2)(float, float); /* of two operands; the second is between 0 and 3 */
  double (*wide2)(double, double);
} row;
#define UNARY(name, low, high)                                                                                         \
  { #name, low, high, name##f, name, NULL, NULL }
#define BINARY(name, low, high)                                                                                        \
  { #name, low, high, NULL, NULL, name##f, name }
static const row rows[] = {
    {"copy", -8, 8, peer_copyf, peer_copy, NULL, NULL},
    UNARY(exp, -20, 20),
    UNARY(tanh, -6, 6),
    UNARY(erf, -4, 4),
    {"sigmoid", -20, 20, peer_sigmoidf, peer_sigmoid, NULL, NULL},
    {"rsqrt", 1e-3, 1e3, peer_rsqrtf, peer_rsqrt, NULL, NULL},
    UNARY(exp2, -20, 20),
    UNARY(expm1, -20, 20),
    UNARY(log, 1e-3, 1e3),
    UNARY(log2, 1e-3, 1e3),
    UNARY(log10, 1e-3, 1e3),
    UNARY(log1p, -0.9, 1e3),
    UNARY(sin, -100, 100),
    UNARY(cos, -100, 100),
    UNARY(tan, -100, 100),
    UNARY(asin, -1, 1),
    UNARY(acos, -1, 1),
    UNARY(atan, -10, 10),
    BINARY(atan2, -10, 10),
    UNARY(sinh, -20, 20),
    UNARY(cosh, -20, 20),
    UNARY(asinh, -20, 20),
    UNARY(acosh, 1, 20),
    UNARY(atanh, -1, 1),
    UNARY(erfc, -4, 4),
    BINARY(pow, 1e-2, 1e2),
    UNARY(cbrt, -1e3, 1e3),
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

typedef int32_t (*kernel)(const tn_env *env, const void *x, const void *y, void *z);

typedef struct bench {
  tn_context *context;
  tn_program *program;
  tn_module *module;
  tn_type type;
  int64_t elements;
  int rounds;
  const char **only; /* names, or none: all */
  int only_count;
  void *x, *y, *z;
  double ours[ROW_COUNT][MAX_ROUNDS], peers[ROW_COUNT][MAX_ROUNDS];
} bench;

static void must(tn_status status, tn_error **error) {
  if (status == TN_OK) return;
  fprintf(stderr, "bench_math: %s\n", tn_error_text(*error));
  exit(1);
}

static bool is_wanted(const bench *b, const row *r) {
  for (int i = 0; i < b->only_count; i++)
    if (strcmp(b->only[i], r->name) == 0) return true;
  return b->only_count == 0 || r == rows;
}

static enum tn_op op_named(const char *name) {
#define FIND(op, arity, typing, origin, flags, meaning)                                                                \
  if (strcmp(name, #op) == 0) return TN_OP_##op;
  TN_OPS(FIND)
#undef FIND
  return TN_OP_COUNT;
}

/* z[i] = op(x[i]), or op(x[i], y[i]) */
static void add_function(bench *b, const row *r) {
  tn_error *error = NULL;
  tn_builder *builder;
  must(tn_builder_create(b->program, r->name, &builder, &error), &error);
  const tn_buffer *x = tn_param(builder, "x", b->type, 1, &b->elements);
  const tn_buffer *y = tn_param(builder, "y", b->type, 1, &b->elements);
  const tn_buffer *z = tn_param(builder, "z", b->type, 1, &b->elements);
  const tn_expr *i = tn_axis(builder, "i", b->elements);
  const tn_expr *value = tn_load(builder, x, &i, NULL);
  enum tn_op op = op_named(r->name);
  if (op != TN_OP_COUNT)
    value = r->wide2 ? tn_op2(builder, op, value, tn_load(builder, y, &i, NULL)) : tn_op1(builder, op, value);
  tn_compute(builder, z, &i, value);
  must(tn_builder_finish(builder, NULL, &error), &error);
}

static void compile(bench *b) {
  tn_error *error = NULL;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 1}};
  must(tn_context_create(&desc, &b->context, &error), &error);
  must(tn_program_create(b->context, &b->program, &error), &error);
  for (int i = 0; i < ROW_COUNT; i++)
    if (is_wanted(b, &rows[i])) add_function(b, &rows[i]);
  must(tn_compile(b->program, NULL, &b->module, &error), &error);
}

/* ---- measuring ------------------------------------------------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void fill(const bench *b, void *to, double low, double high) {
  uint64_t state = 1;
  for (int64_t i = 0; i < b->elements; i++) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    double value = low + (high - low) * ((double)(state >> 11) * 0x1p-53);
    if (b->type == TN_F32)
      ((float *)to)[i] = (float)value;
    else
      ((double *)to)[i] = value;
  }
}

static double time_ours(const bench *b, const row *r) {
  const tn_function *f;
  tn_error *error = NULL;
  must(tn_module_function(b->module, r->name, &f, &error), &error);
  kernel run = (kernel)tn_function_pointer(f);
  const tn_env *env = tn_function_env(f);
  int64_t times = BATCH / b->elements + 1;
  run(env, b->x, b->y, b->z);
  double start = now();
  for (int64_t k = 0; k < times; k++) run(env, b->x, b->y, b->z);
  return (now() - start) / (double)(times * b->elements);
}

static double time_peer(const bench *b, const row *r) {
  int64_t n = b->elements < 4096 ? b->elements : 4096;
  double start = now();
  for (int64_t i = 0; i < n; i++) {
    if (b->type == TN_F32) {
      const float *x = b->x, *y = b->y;
      ((volatile float *)b->z)[i] = r->single2 ? r->single2(x[i], y[i]) : r->single(x[i]);
    } else {
      const double *x = b->x, *y = b->y;
      ((volatile double *)b->z)[i] = r->wide2 ? r->wide2(x[i], y[i]) : r->wide(x[i]);
    }
  }
  return (now() - start) / (double)n;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *samples, int count) {
  qsort(samples, (size_t)count, sizeof *samples, ascending);
  return samples[count / 2];
}

static void measure(bench *b) {
  fill(b, b->y, 0, 3);
  for (int round = 0; round < b->rounds; round++)
    for (int i = 0; i < ROW_COUNT; i++) {
      if (!is_wanted(b, &rows[i])) continue;
      fill(b, b->x, rows[i].low, rows[i].high);
      b->ours[i][round] = time_ours(b, &rows[i]);
      b->peers[i][round] = time_peer(b, &rows[i]);
    }
}

static void report(bench *b) {
  printf("%s, %lld elements, medians of %d rounds, one thread\n", b->type == TN_F32 ? "f32" : "f64",
         (long long)b->elements, b->rounds);
  printf("%-10s %10s %10s %8s\n", "operator", "ns/element", "C library", "ratio");
  for (int i = 0; i < ROW_COUNT; i++) {
    if (!is_wanted(b, &rows[i])) continue;
    double ours = median(b->ours[i], b->rounds), peer = median(b->peers[i], b->rounds);
    printf("%-10s %10.3f %10.3f %8.1f\n", rows[i].name, ours, peer, peer / ours);
  }
}

int main(int argc, char **argv) {
  static bench b = {.type = TN_F32, .elements = 4096, .rounds = 201};
  b.only = calloc((size_t)argc, sizeof *b.only);
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
      b.rounds = atoi(argv[++i]);
    else if (strcmp(argv[i], "--elements") == 0 && i + 1 < argc)
      b.elements = atoll(argv[++i]);
    else if (strcmp(argv[i], "--type") == 0 && i + 1 < argc)
      b.type = strcmp(argv[++i], "f64") == 0 ? TN_F64 : TN_F32;
    else
      b.only[b.only_count++] = argv[i];
  }
  if (b.rounds < 1 || b.rounds > MAX_ROUNDS || b.elements < 1) {
    fprintf(stderr, "bench_math: 1 to %d rounds of at least one element\n", MAX_ROUNDS);
    return 2;
  }
  size_t bytes = ((size_t)b.elements * 8 + 63) & ~(size_t)63;
  b.x = aligned_alloc(64, bytes);
  b.y = aligned_alloc(64, bytes);
  b.z = aligned_alloc(64, bytes);
  compile(&b);
  measure(&b);
  report(&b);
  tn_module_destroy(b.module);
  tn_program_destroy(b.program);
  tn_context_destroy(b.context);
  free(b.x);
  free(b.y);
  free(b.z);
  free(b.only);
  return 0;
}
