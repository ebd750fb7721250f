/* oracle.h -- does a schedule keep what a function computes? Shared by the tests of sched/ and ir/lower/.
 *
 * The function is run in the interpreter before the schedule, and afterwards in five ways: in the interpreter; there with
 * its concurrent loops backwards; printed and parsed back; lowered to the loop level, in the interpreter; compiled. Inputs
 * are small integers, so that sums are exact in any order. A function that fails by an assert must fail by the same one;
 * one that calls the host must do so in the same order (`bump` and `touch` are bound, where a program declares them).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_ORACLE_H
#define TEST_SCHED_ORACLE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "externals.h"
#include "jit.h"
#include "lower/lower.h"

enum { ORACLE_ARGS = 16, ORACLE_TEXT = 1 << 16, ORACLE_FAILURE = 120 };

/* What floating-point inputs are: integers from -1 to 2; any from -1 to 1; the magnitudes of the same. */
enum oracle_values { ORACLE_INTEGERS, ORACLE_REALS, ORACLE_MAGNITUDES };

typedef struct oracle {
  tn_context *ctx;
  uint64_t seed;         /* of the inputs */
  enum oracle_values values;
  double tolerance;      /* 0: the same bits */
  bool no_code;          /* do not compile */
  uint64_t calls;        /* of externals by the last run, and with what */
  char why[ORACLE_TEXT]; /* of the last failure */
} oracle;

/* Arguments of a call. */
typedef struct oracle_data {
  size_t count;
  tn_value args[ORACLE_ARGS];
  DLTensor tensors[ORACLE_ARGS];
  int64_t shapes[ORACLE_ARGS][TN_MAX_RANK], strides[ORACLE_ARGS][TN_MAX_RANK];
  tn_type types[ORACLE_ARGS];
  int64_t sizes[ORACLE_ARGS]; /* in elements, from the pointer to behind the last one */
  void *bytes[ORACLE_ARGS];
  int64_t scalars[ORACLE_ARGS];
  uint64_t calls;               /* that were made; of what is expected */
  char failure[ORACLE_FAILURE]; /* the assert that ends it, or empty; of what is expected */
} oracle_data;

static inline uint32_t oracle_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  uint32_t x = (uint32_t)(*state >> 33);
  return x ^ x >> 15;
}

static inline bool oracle_fail(oracle *o, const char *format, ...) TN_PRINTF(2, 3);
static inline bool oracle_fail(oracle *o, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(o->why, sizeof o->why, format, args);
  va_end(args);
  return false;
}

static inline bool oracle_fail_error(oracle *o, const char *what, tn_error *error) {
  oracle_fail(o, "%s: %s", what, tn_error_text(error));
  tn_error_destroy(error);
  return false;
}

/* ---- externals ----------------------------------------------------------------------------------------------------- */

/* Their functions: `self` is the oracle. */
static inline float oracle_bump(void *self, int64_t number) { return external_bump(&((oracle *)self)->calls, number); }
static inline float oracle_touch(void *self, float *at, int64_t number) {
  return external_touch(&((oracle *)self)->calls, at, number);
}

/* Gives a program that declares them, `extern bump(index): f32` and `extern touch(ptr, index): f32`, these functions. */
static inline bool oracle_bind(oracle *o, tn_program *program, const char *text) {
  static const tn_type params[] = {TN_POINTER, TN_INDEX};
  tn_error *error;
  if (strstr(text, "extern bump(") &&
      tn_program_extern(program, "bump", TN_F32, 1, params + 1, (void (*)(void))oracle_bump, o, &error) != TN_OK)
    return oracle_fail_error(o, "bump", error);
  if (strstr(text, "extern touch(") &&
      tn_program_extern(program, "touch", TN_F32, 2, params, (void (*)(void))oracle_touch, o, &error) != TN_OK)
    return oracle_fail_error(o, "touch", error);
  return true;
}

/* ---- data ---------------------------------------------------------------------------------------------------------- */

/* The values that expressions over the scalars have. */
static inline void oracle_sizes(const tni_facts *facts, int32_t count, const tn_expr *const *items, int64_t *out) {
  int64_t hi;
  for (int32_t k = 0; k < count; k++) tni_bounds(facts, items[k], &out[k], &hi);
}

/* A floating-point input, which f32 holds. */
static inline double oracle_float(enum oracle_values values, uint64_t *state) {
  uint32_t x = oracle_random(state);
  if (values == ORACLE_INTEGERS) return (double)(x % 4) - 1;
  double real = (float)(x / 0x1p30 - 1);
  return values == ORACLE_REALS ? real : fabs(real);
}

/* Integer parameters are 1..6 by seed; tensors are small integers, at least 0 where they are of an integer type. */
static inline bool oracle_data_make(oracle *o, const tn_func *func, oracle_data *d) {
  uint64_t state = o->seed * 2 + 1;
  tni_facts facts;
  memset(d, 0, sizeof *d);
  o->calls = 0;
  tni_facts_init(&facts, o->ctx);
  d->count = func->param_count;
  if (d->count > ORACLE_ARGS) return oracle_fail(o, "too many parameters");
  for (size_t i = 0; i < d->count; i++)
    if (func->params[i].scalar) {
      d->scalars[i] = 1 + oracle_random(&state) % 6;
      d->args[i] = tn_value_int(d->scalars[i]);
      tni_facts_push(&facts, func->params[i].scalar, d->scalars[i], d->scalars[i]);
    }
  for (size_t i = 0; i < d->count; i++) {
    const tn_buffer *b = func->params[i].buffer;
    if (!b) continue;
    d->types[i] = b->type;
    int32_t rank = tni_memory_rank(b);
    int64_t offset = 0;
    oracle_sizes(&facts, rank, tni_memory_shape(b), d->shapes[i]);
    if (b->strides) oracle_sizes(&facts, rank, b->strides, d->strides[i]);
    if (b->offset) oracle_sizes(&facts, 1, &b->offset, &offset);
    d->sizes[i] = offset + tni_span(rank, d->shapes[i], b->strides ? d->strides[i] : NULL);
    size_t bytes = (size_t)d->sizes[i] * tn_type_bytes(b->type);
    d->bytes[i] = aligned_alloc(64, (bytes + 64) / 64 * 64);
    d->tensors[i] = (DLTensor){.data = d->bytes[i],
                               .device = {kDLCPU, 0},
                               .ndim = rank,
                               .dtype = tn_type_to_dlpack(b->type),
                               .shape = d->shapes[i],
                               .strides = b->strides ? d->strides[i] : NULL,
                               .byte_offset = (uint64_t)offset * tn_type_bytes(b->type)};
    d->args[i] = tn_value_tensor(&d->tensors[i]);
    bool floats = tni_type_is_float(b->type);
    for (int64_t k = 0; k < d->sizes[i]; k++) {
      tni_write_element(b->type, d->bytes[i], k,
                        floats ? (tni_scalar){.f = oracle_float(o->values, &state)}
                               : (tni_scalar){.i = tni_wrap(b->type, oracle_random(&state) % 4)});
    }
  }
  tni_facts_destroy(&facts);
  return true;
}

static inline void oracle_data_free(oracle_data *d) {
  for (size_t i = 0; i < d->count; i++) free(d->bytes[i]);
}

static inline bool oracle_same(const oracle *o, tn_type type, tni_scalar a, tni_scalar b) {
  if (!tni_type_is_float(type)) return a.i == b.i;
  if (a.f == b.f || (isnan(a.f) && isnan(b.f))) return true;
  return fabs(a.f - b.f) <= o->tolerance * (1 + fabs(a.f));
}

static inline bool oracle_compare(oracle *o, const char *what, const tn_func *func, const oracle_data *want,
                                  const oracle_data *have) {
  for (size_t i = 0; i < want->count; i++)
    for (int64_t k = 0; k < want->sizes[i]; k++) {
      tni_scalar a = tni_read_element(want->types[i], want->bytes[i], k),
                 b = tni_read_element(want->types[i], have->bytes[i], k);
      if (oracle_same(o, want->types[i], a, b)) continue;
      if (tni_type_is_float(want->types[i]))
        return oracle_fail(o, "%s: %s: element %lld is %.9g, not %.9g", what, func->params[i].buffer->name,
                           (long long)k, b.f, a.f);
      return oracle_fail(o, "%s: %s: element %lld is %lld, not %lld", what, func->params[i].buffer->name, (long long)k,
                         (long long)b.i, (long long)a.i);
    }
  return true;
}

/* What the assert says that ended it; NULL: something else did. */
static inline const char *oracle_assertion(const tn_error *error) {
  const char *at = strstr(tn_error_text(error), "the assertion failed: ");
  return at ? at + strlen("the assertion failed: ") : NULL;
}

/* After a run, of whose status `error` tells. */
static inline bool oracle_check_run(oracle *o, const char *what, tn_status status, tn_error *error, const tn_func *func,
                                    const oracle_data *want, const oracle_data *have) {
  if (status == TN_OK && want->failure[0]) return oracle_fail(o, "%s: it does not fail: %s", what, want->failure);
  if (status != TN_OK) {
    const char *said = oracle_assertion(error);
    size_t length = strlen(want->failure), line = said ? strcspn(said, "\n") : 0;
    bool ends = length && line >= length; /* with it: compiled code says the function's name before */
    if (!ends || strncmp(said + line - length, want->failure, length) != 0) return oracle_fail_error(o, what, error);
    tn_error_destroy(error);
    return true;
  }
  if (o->calls != want->calls) return oracle_fail(o, "%s: other calls of externals", what);
  return oracle_compare(o, what, func, want, have);
}

/* ---- ways to run --------------------------------------------------------------------------------------------------- */

static inline bool oracle_interpret(oracle *o, const char *what, const tn_func *func, const oracle_data *want) {
  tn_error *error;
  oracle_data d;
  if (!oracle_data_make(o, func, &d)) return false;
  tn_status status = tn_func_interpret(func, d.args, d.count, &error);
  bool ok = oracle_check_run(o, what, status, error, func, want, &d);
  oracle_data_free(&d);
  return ok;
}

static inline bool oracle_see_barrier(void *self, const tn_stmt *s) {
  *(bool *)self |= s->kind == TNI_BARRIER;
  return true;
}

/* From the last iteration to the first, in this order: that they do not meet is found out forwards. Threads that wait for
 * each other stay threads. */
static inline const tn_stmt *oracle_reverse(void *self, tni_region *r, const tn_stmt *s) {
  bool waits = false;
  (void)self;
  if (s->kind != TNI_FOR || !tni_is_concurrent(s->as.loop.kind)) return s;
  if (tni_expr_reads(s->as.loop.extent)) return s; /* it is evaluated once */
  const tn_expr *var = tni_var(r, s->as.loop.var->as.name, TN_INDEX);
  const tn_expr *back = tni_sub(r, tni_sub(r, s->as.loop.extent, tni_index(r, 1)), var);
  tni_subst subst = {1, &s->as.loop.var, &back};
  tni_stmt_visit(s, oracle_see_barrier, &waits);
  return tni_for(r, var, s->as.loop.extent, waits ? s->as.loop.kind : TNI_SERIAL,
                 tni_stmt_subst(r, s->as.loop.body, &subst));
}

static inline bool oracle_backwards(oracle *o, tni_region *r, const tn_func *func, const oracle_data *want) {
  if (!func->body) return true;
  const tn_stmt *body = tni_stmt_rewrite(r, func->body, NULL, oracle_reverse, NULL);
  return oracle_interpret(o, "concurrent loops backwards", tni_func_with_body(r, func, TNI_LEVEL_TENSOR, body), want);
}

/* Lowered code loads lanes that it does not use: what was not written is poison, not a mistake. */
static inline const tn_stmt *oracle_poison(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind != TNI_ALLOC) return s;
  const tn_buffer *b = s->as.alloc.buffer;
  const tn_expr *i = tni_var(r, "p", TN_INDEX);
  const tn_expr *poison = tni_type_is_float(b->type) ? tni_const_float(r, b->type, NAN) : tni_const_int(r, b->type, 77);
  const tn_stmt *both[] = {tni_for(r, i, b->shape[0], TNI_SERIAL, tni_store(r, b, 1, &i, poison, NULL)),
                           s->as.alloc.body};
  return tni_alloc_stmt(r, b, tni_seq(r, 2, both));
}

static inline bool oracle_lowered(oracle *o, tni_region *r, const tn_func *func, const oracle_data *want) {
  const tn_func *lowered;
  tn_error *error;
  if (tni_lower(r, func, &lowered, &error) != TN_OK) return oracle_fail_error(o, "lowering", error);
  if (tni_verify(lowered, &error) != TN_OK) return oracle_fail_error(o, "lowered", error);
  const tn_stmt *body = tni_stmt_rewrite(r, lowered->body, NULL, oracle_poison, NULL);
  return oracle_interpret(o, "lowered", tni_func_with_body(r, lowered, TNI_LEVEL_LOOP, body), want);
}

static inline bool oracle_compiled(oracle *o, const tn_program *program, const tn_func *func, const oracle_data *want) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .keep_schedules = 1};
  const tn_function *function;
  tn_module *module;
  tn_error *error;
  oracle_data d;
  if (tn_compile(program, &desc, &module, &error) != TN_OK) return oracle_fail_error(o, "compiling", error);
  if (!oracle_data_make(o, func, &d)) return false;
  tn_status status = tn_module_function(module, func->name, &function, &error);
  if (status == TN_OK) status = tn_function_call(function, d.args, d.count, NULL, &error);
  bool ok = oracle_check_run(o, "compiled", status, error, func, want, &d);
  oracle_data_free(&d);
  tn_module_destroy(module);
  return ok;
}

static inline bool oracle_text(oracle *o, const tn_program *program, const tn_func *func) {
  tn_program *again = NULL;
  char *text = NULL, *text2 = NULL;
  tn_error *error;
  tni_text whole;
  tni_text_init(&whole, o->ctx);
  tni_print_externs(&whole, program);
  bool ok = tn_func_print(func, &text, &error) == TN_OK;
  tni_text_add(&whole, "%s", ok ? text : "");
  ok = ok && tn_program_parse(o->ctx, whole.data, whole.length, "printed", &again, &error) == TN_OK &&
       tn_func_print(tn_program_func_at(again, 0), &text2, &error) == TN_OK;
  if (!ok)
    oracle_fail_error(o, "printed and parsed", error);
  else
    ok = strcmp(text, text2) == 0 || oracle_fail(o, "printed and parsed is another text:\n%s\n%s", text, text2);
  tni_text_destroy(&whole);
  tn_text_destroy(text);
  tn_text_destroy(text2);
  tn_program_destroy(again);
  return ok;
}

/* Runs func, of `program`, in all ways, against what the interpreter made of the function before. */
static inline bool oracle_run_all(oracle *o, tn_program *program, const tn_func *func, const oracle_data *want) {
  tni_region r;
  tni_region_init(&r, o->ctx, &program->region);
  bool ok = oracle_interpret(o, "interpreted", func, want) && oracle_backwards(o, &r, func, want) &&
            oracle_text(o, program, func) && oracle_lowered(o, &r, func, want) &&
            (o->no_code || oracle_compiled(o, program, func, want));
  tni_region_destroy(&r);
  return ok;
}

/* What the interpreter makes of it now. */
static inline bool oracle_expect(oracle *o, const tn_func *func, oracle_data *want) {
  tn_error *error;
  if (!oracle_data_make(o, func, want)) return false;
  tn_status status = tn_func_interpret(func, want->args, want->count, &error);
  const char *said = status == TN_OK ? NULL : oracle_assertion(error);
  want->calls = o->calls;
  if (said) snprintf(want->failure, sizeof want->failure, "%.*s", (int)strcspn(said, "\n"), said);
  if (said) tn_error_destroy(error);
  if (said || status == TN_OK) return true;
  oracle_data_free(want);
  return oracle_fail_error(o, "before the schedule", error);
}

#endif
