/* operators.h -- every operator on every type, compiled code against tni_eval_op, bit for bit, on all pairs of a list of edge
 * values; scalars and vectors. Who runs the code is a parameter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_OPERATORS_H
#define TEST_JIT_OPERATORS_H

#include <math.h>

#include "kit.h"

enum { LANES = 8, MAX_VALUES = 40, MAX_ELEMENTS = MAX_VALUES * MAX_VALUES + LANES, MAX_FUNCS = 128, MAX_BYTES = MAX_ELEMENTS * 8 };

/* ---- values ---------------------------------------------------------------------------------------------------- */

static inline bool is_float(tn_type type) { return tni_type_is_float(type); }

/* Edge values of a type. */
static inline size_t list_values(tn_type type, tni_scalar *out) {
  static const double floats[] = {
      0.0,          -0.0,          1,      -1,          0.5,    -0.5,  1.5,  2.5,    -2.5,   3,     7.25,
      -7.75,        1e-3,          65504,  65520,       -70000, 127.5, 128,  -128.5, 255.9,  256,   2147483647,
      2147483648.0, -2147483649.0, 9.3e18, -9.3e18,     1.9e19, 1e-8,  6e-8, 1e-40,  3.4e38, 1e300, INFINITY,
      -INFINITY,    NAN,           0.1,    1.0009765625};
  static const int64_t ints[] = {0,
                                 1,
                                 -1,
                                 2,
                                 -2,
                                 3,
                                 5,
                                 7,
                                 -7,
                                 8,
                                 16,
                                 31,
                                 32,
                                 63,
                                 64,
                                 100,
                                 127,
                                 128,
                                 -128,
                                 -129,
                                 255,
                                 32767,
                                 -32768,
                                 65535,
                                 2147483647,
                                 -2147483648ll,
                                 4294967295ll,
                                 9007199254740993ll,
                                 INT64_MAX,
                                 INT64_MIN};
  size_t count = 0;
  if (is_float(type)) {
    for (size_t i = 0; i < TNI_COUNT(floats); i++) out[count++].f = tni_round_to(type, floats[i]);
    return count;
  }
  for (size_t i = 0; i < TNI_COUNT(ints); i++) {
    tni_scalar value = {.i = tni_wrap(type, ints[i])};
    bool known = false;
    for (size_t j = 0; j < count; j++) known |= out[j].i == value.i;
    if (TN_TYPE_CODE(type) == TN_CODE_INDEX && (ints[i] > 1ll << 30 || ints[i] < -(1ll << 30))) continue;
    if (!known) out[count++] = value;
  }
  return count;
}

/* ---- kernels --------------------------------------------------------------------------------------------------- */

static inline const tn_expr *make_op(kit *k, int what, tn_type type, const tn_expr *const *in) {
  (void)type;
  return tni_op(k->r, (enum tn_op)what, tni_ops[what].arity, in);
}

/* ---- one type -------------------------------------------------------------------------------------------------- */

/* All pairs of edge values, the third operand derived from both. */
static inline int64_t fill_inputs(tn_type type, void *const *in, tni_scalar (*values)[3]) {
  tni_scalar list[MAX_VALUES];
  size_t n = list_values(type, list);
  int64_t count = 0;
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      tni_scalar row[3] = {list[i], list[j], list[(i * 7 + j * 3) % n]};
      memcpy(values[count], row, sizeof row);
      for (int a = 0; a < 3; a++) tni_write_element(type, in[a], count, row[a]);
      count++;
    }
  }
  for (; count % LANES; count++) {
    memcpy(values[count], values[0], sizeof values[0]);
    for (int a = 0; a < 3; a++) tni_write_element(type, in[a], count, values[0][a]);
  }
  return count;
}

static inline bool has_code(enum tn_op op, tn_type type) {
  const tni_op_info *info = &tni_ops[op];
  if (info->flags & TN_OPF_MATH || !tni_op_has_rule(op) || op == TN_OP_select) return false;
  const tn_expr a = {.op = TN_OP_var, .type = type}, *args[] = {&a, &a, &a};
  const char *why;
  return tni_op_type(op, args, &why) != 0;
}

static int64_t mismatches;

static inline void compare_op(enum tn_op op, tn_type type, int64_t count, tni_scalar (*values)[3], const void *out,
                              uint32_t lanes) {
  bool comparison = tni_ops[op].typing == TNI_TYPING_COMPARE;
  tn_type result = comparison ? TN_BOOL : type;
  for (int64_t i = 0; i < count; i++) {
    tni_scalar want = tni_eval_op(op, type, values[i]), got = tni_read_element(result, out, i);
    if (kit_same(result, want, got)) continue;
    char text[16];
    if (mismatches++ > 20) return;
    if (is_float(type)) {
      fprintf(stderr, "%s %s x%u (%a, %a, %a): want %a %lld, got %a %lld\n", tni_ops[op].name, tn_type_text(type, text),
              lanes, values[i][0].f, values[i][1].f, values[i][2].f, want.f, (long long)want.i, got.f,
              (long long)got.i);
    } else {
      fprintf(stderr, "%s %s x%u (%lld, %lld): want %lld, got %lld\n", tni_ops[op].name, tn_type_text(type, text),
              lanes, (long long)values[i][0].i, (long long)values[i][1].i, (long long)want.i, (long long)got.i);
    }
  }
}

/* A function out[i] = op(in[0][i], in[1][i], in[2][i]) of `count` elements, compiled; what became of `out` is compared. */
typedef struct operator_case {
  enum tn_op op;
  uint32_t lanes;
  char name[32];
  const tn_func *func;
  void *out;
} operator_case;

/* Compiles the functions and runs each on (its out, in...): buffers of `bytes` bytes, of which the function may have fewer. */
typedef void operator_runner(kit *k, size_t count, const operator_case *cases, void *const *in, size_t bytes);

/* Room for what the cases write. */
static inline void *operator_out(size_t i) {
  static _Alignas(64) char out[MAX_FUNCS][MAX_BYTES];
  return out[i];
}

static inline void check_type(kit *k, tn_type type, operator_runner *run) {
  static _Alignas(64) char memory[3][MAX_BYTES];
  static tni_scalar values[MAX_ELEMENTS][3];
  static operator_case cases[MAX_FUNCS];
  void *const in[] = {memory[0], memory[1], memory[2]};
  size_t n = 0;
  int64_t count = fill_inputs(type, in, values);
  const tn_type types[] = {type, type, type};
  for (int op = 0; op < TN_OP_COUNT; op++) {
    if (!has_code(op, type)) continue;
    tn_type result = tni_ops[op].typing == TNI_TYPING_COMPARE ? TN_BOOL : type;
    for (uint32_t lanes = 1; lanes <= LANES; lanes += LANES - 1, n++) {
      ck_assert_uint_lt(n, MAX_FUNCS);
      cases[n] = (operator_case){.op = op, .lanes = lanes, .out = operator_out(n)};
      snprintf(cases[n].name, sizeof cases[n].name, "k_%d_%u", op, lanes);
      cases[n].func = kit_map(k, cases[n].name, types, tni_ops[op].arity, result, count, lanes, make_op, op);
    }
  }
  run(k, n, cases, in, (size_t)count * 8);
  for (size_t i = 0; i < n; i++) compare_op(cases[i].op, type, count, values, cases[i].out, cases[i].lanes);
}

/* `all`: with what the target emits itself; else basic nodes alone, all others through their expansions. */
static inline void check_operators(const char *target, bool all, operator_runner *run) {
  kit k;
  kit_open(&k, target);
  tn_target plain = *k.target;
  if (!all) plain.native_count = 0, k.target = &plain;
  mismatches = 0;
  for (size_t i = 0; i < TNI_COUNT(kit_types); i++) check_type(&k, kit_types[i], run);
  ck_assert_int_eq(mismatches, 0);
  kit_close(&k);
}

/* Division and shifts by constants take their own ways. */
static const int64_t constants[] = {0, 1, -1, 2, 3, -3, 7, 8, 16, 31, 64, -8};

static inline const tn_expr *make_by_constant(kit *k, int what, tn_type type, const tn_expr *const *in) {
  int op = what / 100;
  const tn_expr *c = tni_const_int(k->r, TN_TYPE_WITH_LANES(type, 1), constants[what % 100]);
  return tni_op2(k->r, op, in[0], tni_broadcast(k->r, c, TN_TYPE_LANES(type)));
}

static inline void check_constants(kit *k, tn_type type, enum tn_op op, operator_runner *run) {
  static _Alignas(64) char in[MAX_BYTES];
  tni_scalar list[MAX_VALUES + LANES];
  operator_case cases[TNI_COUNT(constants)];
  size_t n = list_values(type, list);
  while (n % LANES) list[n] = list[0], n++;
  for (size_t i = 0; i < n; i++) tni_write_element(type, in, (int64_t)i, list[i]);
  for (size_t c = 0; c < TNI_COUNT(constants); c++) {
    cases[c] = (operator_case){.op = op, .lanes = c % 2 ? LANES : 1, .out = operator_out(c)};
    snprintf(cases[c].name, sizeof cases[c].name, "k_%zu", c);
    cases[c].func = kit_map(k, cases[c].name, &type, 1, type, (int64_t)n, cases[c].lanes, make_by_constant,
                            (int)op * 100 + (int)c);
  }
  run(k, TNI_COUNT(constants), cases, (void *const[]){in}, n * 8);
  for (size_t c = 0; c < TNI_COUNT(constants); c++) {
    for (size_t i = 0; i < n; i++) {
      tni_scalar operands[2] = {list[i], {.i = tni_wrap(type, constants[c])}};
      tni_scalar want = tni_eval_op(op, type, operands), got = tni_read_element(type, cases[c].out, (int64_t)i);
      ck_assert_msg(want.i == got.i, "%s of %lld by %lld: want %lld, got %lld", tni_ops[op].name, (long long)list[i].i,
                    (long long)constants[c], (long long)want.i, (long long)got.i);
    }
  }
}

static inline void check_by_constants(const char *target, operator_runner *run) {
  static const tn_type types[] = {TN_I8, TN_I32, TN_I64, TN_U8, TN_U64, TN_INDEX};
  static const enum tn_op ops[] = {TN_OP_div, TN_OP_mod, TN_OP_floordiv, TN_OP_floormod, TN_OP_shl, TN_OP_shr};
  kit k;
  kit_open(&k, target);
  for (size_t t = 0; t < TNI_COUNT(types); t++) {
    for (size_t o = 0; o < TNI_COUNT(ops); o++) check_constants(&k, types[t], ops[o], run);
  }
  kit_close(&k);
}

#endif
