/* test_math_code.c -- the math operators compiled for every level of x86-64 that this machine runs, against the
 * interpreter, bit for bit: numbers of all magnitudes, around 0 and 1, and special ones; in vectors and in the scalar tail.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <math.h>

#include "session.h"

enum { COUNT = 1001, SEED = 11 };

static uint64_t state;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Any bits; a number of ordinary size; near 1; special. */
static double any_number(tn_type type) {
  static const double special[] = {0,    1,    2,      0.5,       INFINITY, NAN,       0x1p-149, 0x1p-1074,
                                   88.8, 709.9, 745.1, 0x1p-1022, 0x1p50,   0x1.8p100, 3.5,      0x1.fffffep127};
  uint64_t kind = next_random(), bits = next_random();
  double x, sign = kind & 8 ? -1 : 1;
  switch (kind % 4) {
  case 0: return tni_read_element(type, &bits, 0).f;
  case 1: return sign * exp2((double)(int64_t)bits * 0x1p-59);
  case 2: return sign * (1 + (double)(int64_t)bits * 0x1p-63 * exp2(-(double)(kind >> 8 & 31)));
  default:
    x = special[(kind >> 8) % TNI_COUNT(special)];
    return sign * x;
  }
}

static void fill(tn_type type, void *data) {
  for (int64_t i = 0; i < COUNT; i++)
    tni_write_element(type, data, i, (tni_scalar){.f = tni_round_to(type, any_number(type))});
}

/* func NAME(x, y, z): z[i] = op(x[i]), or op(x[i], y[i]) */
static void add_function(tn_program *program, enum tn_op op, tn_type type) {
  tn_error *error = NULL;
  tn_builder *b;
  int64_t count = COUNT;
  must(tn_builder_create(program, tni_ops[op].name, &b, &error), error);
  const tn_buffer *x = tn_param(b, "x", type, 1, &count), *y = tn_param(b, "y", type, 1, &count);
  const tn_buffer *z = tn_param(b, "z", type, 1, &count);
  const tn_expr *i = tn_axis(b, "i", COUNT), *a = tn_load(b, x, &i, NULL);
  tn_compute(b, z, &i, tni_ops[op].arity == 1 ? tn_op1(b, op, a) : tn_op2(b, op, a, tn_load(b, y, &i, NULL)));
  must(tn_builder_finish(b, NULL, &error), error);
}

static bool same(tn_type type, const void *a, const void *b, int64_t i) {
  double x = tni_read_element(type, a, i).f, y = tni_read_element(type, b, i).f;
  return isnan(x) ? isnan(y) : x == y && !signbit(x) == !signbit(y);
}

static void check_function(const tn_program *program, const tn_module *module, enum tn_op op, tn_type type,
                           const char *target) {
  static double x[COUNT], y[COUNT], compiled[COUNT], interpreted[COUNT];
  int64_t shape[] = {COUNT};
  tn_error *error = NULL;
  fill(type, x);
  fill(type, y);
  DLTensor tensors[] = {view(type, 1, shape, x), view(type, 1, shape, y), view(type, 1, shape, compiled),
                        view(type, 1, shape, interpreted)};
  tn_value args[] = {tn_value_tensor(&tensors[0]), tn_value_tensor(&tensors[1]), tn_value_tensor(&tensors[2])};
  must(tn_function_call(session_function(module, tni_ops[op].name), args, 3, NULL, &error), error);
  args[2] = tn_value_tensor(&tensors[3]);
  must(tn_func_interpret(tn_program_func(program, tni_ops[op].name), args, 3, &error), error);
  for (int64_t i = 0; i < COUNT; i++)
    ck_assert_msg(same(type, compiled, interpreted, i), "%s on %s: %s(%a, %a) = %a, interpreted %a", target,
                  tn_type_text(type, (char[16]){0}), tni_ops[op].name, tni_read_element(type, x, i).f,
                  tni_read_element(type, y, i).f, tni_read_element(type, compiled, i).f,
                  tni_read_element(type, interpreted, i).f);
}

static void check_all(tn_type type) {
  static const char *const targets[] = {"host", "x86-64-v4", "x86-64-v3", "x86-64-v2"};
  tn_context *ctx = session_open();
  tn_program *program;
  tn_error *error = NULL;
  must(tn_program_create(ctx, &program, &error), error);
  for (int op = 0; op < TN_OP_COUNT; op++)
    if (tni_ops[op].flags & TN_OPF_MATH) add_function(program, (enum tn_op)op, type);
  for (size_t i = 0; i < TNI_COUNT(targets); i++) {
    tn_compile_desc desc = {.struct_size = sizeof desc};
    if (i > 0 && tni_host_level() < (int)(5 - i)) continue;
    must(tn_target_get(ctx, targets[i], &desc.target, &error), error);
    tn_module *module = session_compile(program, &desc);
    state = SEED;
    for (int op = 0; op < TN_OP_COUNT; op++)
      if (tni_ops[op].flags & TN_OPF_MATH) check_function(program, module, (enum tn_op)op, type, targets[i]);
    tn_module_destroy(module);
  }
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

START_TEST(f32) { check_all(TN_F32); }
END_TEST

START_TEST(f64) { check_all(TN_F64); }
END_TEST

START_TEST(f16) { check_all(TN_F16); }
END_TEST

START_TEST(bf16) { check_all(TN_BF16); }
END_TEST

START_TEST(f8e4m3) { check_all(TN_F8E4M3); }
END_TEST

int main(void) {
  const TTest *const tests[] = {f32, f64, f16, bf16, f8e4m3};
  return suite_run_tests("math_code", tests, TNI_COUNT(tests), NULL, NULL);
}
