/* math_exhaustive.c -- the error of the math operators, as compiled code, against more digits.
 *
 *     math_exhaustive [--type f32|f64] [--function NAME | --from NAME] [--every N] [--threads N]
 *
 * All of f32 is `--type f32`, about a minute for each function and thread; a walk that was ended goes on with `--from` the
 * function after the last one it told of.
 *
 * f32, one operand: every N-th of all 2^32 bit patterns, the C library's double function as the oracle. f32, two operands, and
 * f64: 2^32 / N pairs or numbers: one half with random bits, one half random near what the functions turn on, libquadmath as
 * the oracle on f64. For each function a line: the greatest error in units of the last place, the bound of ir/math/bounds.h,
 * whether the one is within the other, and where it is. Exit status 1 when one is not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <pthread.h>
#include <quadmath.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/bounds.h"
#include "tenon/tenon.h"

enum { CHUNK = 4096, MAX_THREADS = 64 };

/* ---- oracles --------------------------------------------------------------------------------------------------- */

static double sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double rsqrt(double x) { return 1 / sqrt(x); }
static __float128 sigmoidq(__float128 x) { return x < 0 ? expq(x) / (1 + expq(x)) : 1 / (1 + expq(-x)); }
static __float128 rsqrtq(__float128 x) { return 1 / sqrtq(x); }

typedef struct function {
  const char *name;
  enum tn_op op;
  double bound32, bound64, below64;
  double (*unary)(double);
  double (*binary)(double, double);
  __float128 (*unary_quad)(__float128);
  __float128 (*binary_quad)(__float128, __float128);
} function;

static const function functions[] = {
#define UNARY(name, ulp32, ulp64, below) {#name, TN_OP_##name, ulp32, ulp64, below, name, NULL, name##q, NULL},
#define BINARY(name, ulp32, ulp64, below) {#name, TN_OP_##name, ulp32, ulp64, below, NULL, name, NULL, name##q},
    TNI_MATH_BOUNDS(UNARY, BINARY)
#undef UNARY
#undef BINARY
};
enum { FUNCTION_COUNT = sizeof functions / sizeof functions[0] };

/* ---- the error of one result ----------------------------------------------------------------------------------- */

/* |y - exact| in units of the last place of `exact`, which has `digits` and exponents from `least` to `most`. Infinity counts as
 * 2^most. Two NaNs are equal; where one of them is a NaN the error is infinite. */
static double error_of(double y, __float128 exact, int digits, int least, int most) {
  if (isnan(y) || isnanq(exact)) return isnan(y) && isnanq(exact) ? 0 : INFINITY;
  __float128 limit = ldexpq(1, most), value = isinf(y) ? copysignq(limit, y) : (__float128)y;
  if (fabsq(exact) > limit) exact = copysignq(limit, exact);
  int exponent = least;
  if (exact != 0) frexpq(exact, &exponent);
  exponent = exponent < least ? least : exponent > most ? most : exponent;
  return (double)(fabsq(value - exact) * ldexpq(1, digits - exponent));
}

/* The same for f32, with a double as the exact value. */
static double error_of_single(float y, double exact) {
  if (isnan(y) || isnan(exact)) return isnan(y) && isnan(exact) ? 0 : INFINITY;
  double value = isinf(y) ? copysign(0x1p128, y) : y;
  if (fabs(exact) > 0x1p128) exact = copysign(0x1p128, exact);
  if (value == exact) return 0;
  uint64_t bits;
  memcpy(&bits, &exact, sizeof bits);
  int exponent = (int)(bits >> 52 & 0x7ff) - 1022;
  exponent = exponent < -125 ? -125 : exponent > 128 ? 128 : exponent;
  bits = (uint64_t)(24 - exponent + 1023) << 52;
  double scale;
  memcpy(&scale, &bits, sizeof scale);
  return fabs(value - exact) * scale;
}

/* ---- arguments ------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static double uniform(uint64_t *state) { return (double)(next_random(state) >> 11) * 0x1p-53; }

/* Random bits, or a number of any size between 2^-30 and 2^10, or one near 0, 1 or a multiple of pi/4. */
static double argument(uint64_t *state, bool is_single) {
  uint64_t kind = next_random(state) % 8, bits = next_random(state);
  double x;
  memcpy(&x, &bits, sizeof x);
  if (kind < 4 && is_single) {
    float single;
    memcpy(&single, &bits, sizeof single);
    return single;
  }
  if (kind < 4) return x;
  double sign = bits & 1 ? -1 : 1;
  if (kind < 6) return sign * exp2(uniform(state) * 40 - 30);
  if (kind == 6) return sign * (1 + (uniform(state) - 0.5) * exp2(-uniform(state) * 50));
  return sign * (double)(bits >> 32) * exp2(-(double)(bits >> 16 & 31)) * 0x1.921fb54442d18p-1;
}

/* A second operand: for pow often one that keeps the result finite. */
static double second_argument(const function *f, uint64_t *state, double x, bool is_single) {
  static const double some[] = {2, 3, -1, 0.5, -2.5, 7, 0, 1, -3, 1e-3, 100, -33, INFINITY, -INFINITY, NAN, 16777217};
  uint64_t kind = next_random(state) % 16;
  double range = is_single ? 152 : 1080, logarithm = log2(fabs(x));
  if (kind < 8 && f->op == TN_OP_pow && isfinite(logarithm) && logarithm != 0)
    return (2 * uniform(state) - 1) * range / logarithm;
  if (kind < 8) return x * exp2(uniform(state) * 10 - 5);
  return kind < 12 ? some[next_random(state) % 16] : argument(state, is_single);
}

/* ---- a walk ---------------------------------------------------------------------------------------------------- */

typedef int32_t (*kernel)(const tn_env *env, const void *x, const void *y, void *z);

typedef struct walk {
  const function *f;
  kernel run;
  const tn_env *env;
  bool is_single;
  uint64_t every, first, step, count; /* chunks first, first + step, ... of `count` */
  double worst, x, y, z;
  void *in, *second, *out;
} walk;

static void note(walk *w, double error, double x, double y, double z) {
  if (!(error > w->worst)) return;
  w->worst = error;
  w->x = x;
  w->y = y;
  w->z = z;
}

static void walk_singles(walk *w, uint64_t chunk) {
  float *x = w->in, *y = w->second, *z = w->out;
  uint64_t state = chunk * UINT64_C(0x9e3779b97f4a7c15) + 1;
  for (uint64_t i = 0; i < CHUNK; i++) {
    uint32_t bits = (uint32_t)((chunk * CHUNK + i) * w->every);
    if (w->f->unary) {
      memcpy(&x[i], &bits, sizeof bits);
    } else {
      x[i] = (float)argument(&state, true);
      y[i] = (float)second_argument(w->f, &state, x[i], true);
    }
  }
  w->run(w->env, x, y, z);
  for (int i = 0; i < CHUNK; i++) {
    double exact = w->f->unary ? w->f->unary(x[i]) : w->f->binary(x[i], y[i]);
    note(w, error_of_single(z[i], exact), x[i], y[i], z[i]);
  }
}

static void walk_doubles(walk *w, uint64_t chunk) {
  double *x = w->in, *y = w->second, *z = w->out;
  uint64_t state = chunk * UINT64_C(0x9e3779b97f4a7c15) + 1;
  for (int i = 0; i < CHUNK; i++) {
    do {
      x[i] = argument(&state, false);
    } while (fabs(x[i]) >= w->f->below64 && isfinite(x[i]));
    y[i] = second_argument(w->f, &state, x[i], false);
  }
  w->run(w->env, x, y, z);
  for (int i = 0; i < CHUNK; i++) {
    __float128 exact = w->f->unary ? w->f->unary_quad(x[i]) : w->f->binary_quad(x[i], y[i]);
    note(w, error_of(z[i], exact, 53, -1021, 1024), x[i], y[i], z[i]);
  }
}

static void *run_walk(void *self) {
  walk *w = self;
  for (uint64_t chunk = w->first; chunk < w->count; chunk += w->step) {
    if (w->is_single)
      walk_singles(w, chunk);
    else
      walk_doubles(w, chunk);
  }
  return NULL;
}

/* ---- the program ----------------------------------------------------------------------------------------------- */

static void must(tn_status status, tn_error **error) {
  if (status == TN_OK) return;
  fprintf(stderr, "math_exhaustive: %s\n", tn_error_text(*error));
  exit(2);
}

static void add_function(tn_program *program, const function *f, tn_type type) {
  tn_error *error = NULL;
  tn_builder *b;
  int64_t count = CHUNK;
  must(tn_builder_create(program, f->name, &b, &error), &error);
  const tn_buffer *x = tn_param(b, "x", type, 1, &count), *y = tn_param(b, "y", type, 1, &count);
  const tn_buffer *z = tn_param(b, "z", type, 1, &count);
  const tn_expr *i = tn_axis(b, "i", CHUNK), *a = tn_load(b, x, &i, NULL);
  tn_compute(b, z, &i, f->unary ? tn_op1(b, f->op, a) : tn_op2(b, f->op, a, tn_load(b, y, &i, NULL)));
  must(tn_builder_finish(b, NULL, &error), &error);
}

/* Walks one function in `threads` threads; true when it is within its bound. */
static bool check_function(const function *f, const tn_module *module, bool is_single, uint64_t every, int threads) {
  static walk walks[MAX_THREADS];
  pthread_t ids[MAX_THREADS];
  const tn_function *compiled;
  tn_error *error = NULL;
  must(tn_module_function(module, f->name, &compiled, &error), &error);
  for (int t = 0; t < threads; t++) {
    walks[t] = (walk){.f = f,
                      .run = (kernel)tn_function_pointer(compiled),
                      .env = tn_function_env(compiled),
                      .is_single = is_single,
                      .every = every,
                      .first = (uint64_t)t,
                      .step = (uint64_t)threads,
                      .count = ((UINT64_C(1) << 32) / every + CHUNK - 1) / CHUNK,
                      .in = calloc(CHUNK, 8),
                      .second = calloc(CHUNK, 8),
                      .out = calloc(CHUNK, 8)};
    if (pthread_create(&ids[t], NULL, run_walk, &walks[t]) != 0) exit(2);
  }
  walk *worst = &walks[0];
  for (int t = 0; t < threads; t++) {
    pthread_join(ids[t], NULL);
    free(walks[t].in);
    free(walks[t].second);
    free(walks[t].out);
    if (walks[t].worst > worst->worst) worst = &walks[t];
  }
  double bound = is_single ? f->bound32 : f->bound64;
  bool is_within = worst->worst <= bound;
  printf("%-8s %s %8.4f ulp, bound %.2f  %s  at %a", f->name, is_single ? "f32" : "f64", worst->worst, bound,
         is_within ? "ok  " : "FAIL", worst->x);
  if (f->binary) printf(", %a", worst->y);
  printf(" = %a\n", worst->z);
  fflush(stdout);
  return is_within;
}

/* What the command line asks for: the functions first <= i < end of one type, or of both where it is NULL. */
typedef struct request {
  const char *type;
  int first, end, threads;
  uint64_t every;
} request;

/* All of the functions that are asked for, on f32 or f64; true when each is within its bound. */
static bool check_type(const request *q, bool is_single) {
  tn_context *context;
  tn_program *program;
  tn_module *module;
  tn_error *error = NULL;
  bool all_within = true;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 1}};
  must(tn_context_create(&desc, &context, &error), &error);
  must(tn_program_create(context, &program, &error), &error);
  for (int i = q->first; i < q->end; i++) add_function(program, &functions[i], is_single ? TN_F32 : TN_F64);
  must(tn_compile(program, NULL, &module, &error), &error);
  for (int i = q->first; i < q->end; i++)
    all_within &= check_function(&functions[i], module, is_single, q->every, q->threads);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(context);
  return all_within;
}

static int usage(void) {
  fprintf(stderr, "usage: math_exhaustive [--type f32|f64] [--function NAME | --from NAME] [--every N] [--threads N]\n");
  return 2;
}

/* The row of a function, or -1. */
static int row_of(const char *name) {
  for (int i = 0; i < FUNCTION_COUNT; i++)
    if (strcmp(functions[i].name, name) == 0) return i;
  fprintf(stderr, "math_exhaustive: no function %s\n", name);
  return -1;
}

static bool read_options(int argc, char **argv, request *q) {
  for (int i = 1; i < argc; i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    if (!value) return false;
    if (strcmp(name, "--function") == 0) {
      q->first = row_of(value);
      q->end = q->first + 1;
    } else if (strcmp(name, "--from") == 0) {
      q->first = row_of(value);
    } else if (strcmp(name, "--type") == 0 && (strcmp(value, "f32") == 0 || strcmp(value, "f64") == 0)) {
      q->type = value;
    } else if (strcmp(name, "--every") == 0) {
      q->every = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--threads") == 0) {
      q->threads = atoi(value);
    } else {
      return false;
    }
  }
  return q->first >= 0 && q->every > 0 && q->threads > 0 && q->threads <= MAX_THREADS;
}

int main(int argc, char **argv) {
  request q = {.end = FUNCTION_COUNT, .every = 1, .threads = 1};
  if (!read_options(argc, argv, &q)) return usage();
  bool singles = q.type && strcmp(q.type, "f64") == 0 ? true : check_type(&q, true);
  bool doubles = q.type && strcmp(q.type, "f32") == 0 ? true : check_type(&q, false);
  return singles && doubles ? 0 : 1;
}
