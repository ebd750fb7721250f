/* reals.h -- a scheduled sum of products on real values: how far is it from the same in f64?
 *
 * A program that begins with `# terms N` has no differences: its function on the magnitudes of its inputs is the sum
 * of the magnitudes of all terms, S. Whatever their order, a sum of N products in f32 is then within (N + 1) eps S of
 * the true one, eps = 2^-23.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_REALS_H
#define TEST_SCHED_REALS_H

#include "oracle.h"

/* The text over f64 in the place of f32. */
static inline void reals_text(const char *text, char *out, size_t size) {
  snprintf(out, size, "%s", text);
  for (char *p = strstr(out, "f32"); p; p = strstr(p, "f32")) memcpy(p, "f64", 3);
}

/* Runs the program of f64 on the inputs that the mode of the oracle makes. */
static inline bool reals_expect(oracle *o, const char *text, enum oracle_values values, oracle_data *out) {
  tn_program *program;
  tn_error *error;
  if (tn_program_parse(o->ctx, text, strlen(text), "reals", &program, &error) != TN_OK)
    return oracle_fail_error(o, "over f64", error);
  o->values = values;
  bool ok = oracle_expect(o, tn_program_func_at(program, 0), out);
  tn_program_destroy(program);
  return ok;
}

static inline bool reals_compare(oracle *o, const char *what, double unit, const oracle_data *want,
                                 const oracle_data *sum, const oracle_data *have) {
  for (size_t i = 0; i < want->count; i++)
    for (int64_t k = 0; k < want->sizes[i]; k++) {
      double a = ((const double *)want->bytes[i])[k], b = ((const float *)have->bytes[i])[k];
      double most = unit * ((const double *)sum->bytes[i])[k];
      if (!(fabs(a - b) <= most))
        return oracle_fail(o, "%s on reals: argument %zu: element %lld is %.9g, not %.9g within %.3g", what, i,
                           (long long)k, b, a, most);
    }
  return true;
}

static inline bool reals_run(oracle *o, const tn_program *program, const tn_func *func, double unit,
                             const oracle_data *want, const oracle_data *sum) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .keep_schedules = 1};
  const tn_function *function;
  tn_module *module;
  tn_error *error;
  oracle_data d;
  if (!oracle_data_make(o, func, &d)) return false;
  bool ok = tn_func_interpret(func, d.args, d.count, &error) == TN_OK || oracle_fail_error(o, "on reals", error);
  ok = ok && reals_compare(o, "interpreted", unit, want, sum, &d);
  oracle_data_free(&d);
  if (!ok || o->no_code) return ok;
  if (tn_compile(program, &desc, &module, &error) != TN_OK) return oracle_fail_error(o, "compiling", error);
  ok = oracle_data_make(o, func, &d) && tn_module_function(module, func->name, &function, &error) == TN_OK &&
       tn_function_call(function, d.args, d.count, NULL, &error) == TN_OK;
  ok = ok ? reals_compare(o, "compiled", unit, want, sum, &d) : oracle_fail(o, "compiled: the call failed");
  oracle_data_free(&d);
  tn_module_destroy(module);
  return ok;
}

/* Is `func`, which a schedule made of the program `text`, near enough? Programs of other kinds are. */
static inline bool reals_check(oracle *o, const char *text, const tn_program *program, const tn_func *func) {
  static char doubles[ORACLE_TEXT];
  oracle_data want, sum;
  enum oracle_values before = o->values;
  const char *terms = strstr(text, "# terms ");
  if (!terms) return true;
  reals_text(text, doubles, sizeof doubles);
  bool ok = reals_expect(o, doubles, ORACLE_REALS, &want);
  if (ok) {
    ok = reals_expect(o, doubles, ORACLE_MAGNITUDES, &sum);
    o->values = ORACLE_REALS;
    if (ok) {
      ok = reals_run(o, program, func, (atoi(terms + 8) + 1) * 0x1p-23, &want, &sum);
      oracle_data_free(&sum);
    }
    oracle_data_free(&want);
  }
  o->values = before;
  return ok;
}

#endif
