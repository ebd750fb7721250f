/* test_operators.c -- every operator on every type, compiled code against tni_eval_op, bit for bit, on all pairs of a
 * list of edge values; scalars and vectors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "kit.h"

enum { LANES = 8, MAX_VALUES = 40, MAX_ELEMENTS = MAX_VALUES * MAX_VALUES + LANES, MAX_FUNCS = 64 };

/* ---- values ---------------------------------------------------------------------------------------------------- */

static bool is_float(tn_type type) { return tni_type_is_float(type); }

/* Edge values of a type. */
static size_t list_values(tn_type type, tni_scalar *out) {
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

static const tn_expr *make_op(kit *k, int what, tn_type type, const tn_expr *const *in) {
  (void)type;
  return tni_op(k->r, (enum tn_op)what, tni_ops[what].arity, in);
}

/* ---- one type -------------------------------------------------------------------------------------------------- */

/* All pairs of edge values, the third operand derived from both. */
static int64_t fill_inputs(tn_type type, void *const *in, tni_scalar (*values)[3]) {
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

static bool has_code(enum tn_op op, tn_type type) {
  const tni_op_info *info = &tni_ops[op];
  if (info->flags & TN_OPF_MATH || !tni_op_has_rule(op) || op == TN_OP_select) return false;
  const tn_expr a = {.op = TN_OP_var, .type = type}, *args[] = {&a, &a, &a};
  const char *why;
  return tni_op_type(op, args, &why) != 0;
}

static int64_t mismatches;

static void compare_op(enum tn_op op, tn_type type, int64_t count, tni_scalar (*values)[3], const void *out,
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

static void check_type(kit *k, tn_type type) {
  static _Alignas(64) char memory[4][MAX_ELEMENTS * 8];
  static tni_scalar values[MAX_ELEMENTS][3];
  void *args[] = {memory[0], memory[1], memory[2], memory[3]};
  const tn_func *funcs[2 * MAX_FUNCS];
  char names[2 * MAX_FUNCS][32];
  size_t n = 0;
  int64_t count = fill_inputs(type, args + 1, values);
  const tn_type types[] = {type, type, type};
  for (int op = 0; op < TN_OP_COUNT; op++) {
    if (!has_code(op, type)) continue;
    tn_type result = tni_ops[op].typing == TNI_TYPING_COMPARE ? TN_BOOL : type;
    for (uint32_t lanes = 1; lanes <= LANES; lanes += LANES - 1) {
      snprintf(names[n], sizeof names[n], "k_%d_%u", op, lanes);
      funcs[n] = kit_map(k, names[n], types, tni_ops[op].arity, result, count, lanes, make_op, op);
      n++;
    }
  }
  kit_load(k, n, funcs);
  for (size_t i = 0; i < n; i++) {
    int op;
    uint32_t lanes;
    sscanf(names[i], "k_%d_%u", &op, &lanes);
    ck_assert_int_eq(kit_run(k, names[i], args), 0);
    compare_op(op, type, count, values, memory[0], lanes);
  }
  tni_library_unload(k->library);
  k->library = NULL;
}

/* `all`: with what the target emits itself; else basic nodes alone, all others through their expansions. */
static void check_operators(const char *target, bool all) {
  kit k;
  kit_open(&k, target);
  tn_target plain = *k.target;
  if (!all) plain.native_count = 0, k.target = &plain;
  mismatches = 0;
  for (size_t i = 0; i < TNI_COUNT(kit_types); i++) check_type(&k, kit_types[i]);
  ck_assert_int_eq(mismatches, 0);
  kit_close(&k);
}

/* Division and shifts by constants take their own ways. */
static const int64_t constants[] = {0, 1, -1, 2, 3, -3, 7, 8, 16, 31, 64, -8};

static const tn_expr *make_by_constant(kit *k, int what, tn_type type, const tn_expr *const *in) {
  int op = what / 100;
  const tn_expr *c = tni_const_int(k->r, TN_TYPE_WITH_LANES(type, 1), constants[what % 100]);
  return tni_op2(k->r, op, in[0], tni_broadcast(k->r, c, TN_TYPE_LANES(type)));
}

static void check_constants(kit *k, tn_type type, enum tn_op op) {
  static _Alignas(64) char in[MAX_ELEMENTS * 8], out[MAX_ELEMENTS * 8];
  tni_scalar list[MAX_VALUES + LANES];
  const tn_func *funcs[TNI_COUNT(constants)];
  char names[TNI_COUNT(constants)][32];
  void *args[] = {out, in};
  size_t n = list_values(type, list);
  while (n % LANES) list[n] = list[0], n++;
  for (size_t i = 0; i < n; i++) tni_write_element(type, in, (int64_t)i, list[i]);
  for (size_t c = 0; c < TNI_COUNT(constants); c++) {
    snprintf(names[c], sizeof names[c], "k_%zu", c);
    funcs[c] =
        kit_map(k, names[c], &type, 1, type, (int64_t)n, c % 2 ? LANES : 1, make_by_constant, (int)op * 100 + (int)c);
  }
  kit_load(k, TNI_COUNT(constants), funcs);
  for (size_t c = 0; c < TNI_COUNT(constants); c++) {
    ck_assert_int_eq(kit_run(k, names[c], args), 0);
    for (size_t i = 0; i < n; i++) {
      tni_scalar operands[2] = {list[i], {.i = tni_wrap(type, constants[c])}};
      tni_scalar want = tni_eval_op(op, type, operands), got = tni_read_element(type, out, (int64_t)i);
      ck_assert_msg(want.i == got.i, "%s of %lld by %lld: want %lld, got %lld", tni_ops[op].name, (long long)list[i].i,
                    (long long)constants[c], (long long)want.i, (long long)got.i);
    }
  }
  tni_library_unload(k->library);
  k->library = NULL;
}

static void check_by_constants(const char *target) {
  static const tn_type types[] = {TN_I8, TN_I32, TN_I64, TN_U8, TN_U64, TN_INDEX};
  static const enum tn_op ops[] = {TN_OP_div, TN_OP_mod, TN_OP_floordiv, TN_OP_floormod, TN_OP_shl, TN_OP_shr};
  kit k;
  kit_open(&k, target);
  for (size_t t = 0; t < TNI_COUNT(types); t++) {
    for (size_t o = 0; o < TNI_COUNT(ops); o++) check_constants(&k, types[t], ops[o]);
  }
  kit_close(&k);
}

/* min and max with a constant are compare and select. */
static const double bounds[] = {0.0, -0.0, 1.5, -3, INFINITY};

static const tn_expr *make_bounded(kit *k, int what, tn_type type, const tn_expr *const *in) {
  const tn_expr *c = tni_const_float(k->r, TN_TYPE_WITH_LANES(type, 1), bounds[what % 5]);
  c = tni_broadcast(k->r, c, TN_TYPE_LANES(type));
  return tni_op2(k->r, what / 5 ? TN_OP_max : TN_OP_min, what % 2 ? c : in[0], what % 2 ? in[0] : c);
}

START_TEST(bounded_by_constants)
{
  static _Alignas(64) float in[64], out[64];
  tni_scalar list[MAX_VALUES + LANES];
  const tn_func *funcs[10];
  void *args[] = {out, in};
  char names[10][16];
  const tn_type f32 = TN_F32;
  kit k;
  kit_open(&k, "host");
  size_t n = list_values(TN_F32, list);
  while (n % LANES) list[n] = list[0], n++;
  for (size_t i = 0; i < n; i++) in[i] = (float)list[i].f;
  for (int c = 0; c < 10; c++) {
    snprintf(names[c], sizeof names[c], "k_%d", c);
    funcs[c] = kit_map(&k, names[c], &f32, 1, TN_F32, (int64_t)n, LANES, make_bounded, c);
  }
  kit_load(&k, 10, funcs);
  for (int c = 0; c < 10; c++) {
    ck_assert_int_eq(kit_run(&k, names[c], args), 0);
    for (size_t i = 0; i < n; i++) {
      tni_scalar operands[2] = {list[i], {.f = bounds[c % 5]}};
      tni_scalar want = tni_eval_op(c / 5 ? TN_OP_max : TN_OP_min, TN_F32, operands);
      ck_assert_msg(kit_same(TN_F32, want, (tni_scalar){.f = out[i]}), "%a with %a: want %a, got %a", list[i].f,
                    bounds[c % 5], want.f, out[i]);
    }
  }
  kit_close(&k);
}
END_TEST

START_TEST(operators_on_host)
{ check_operators("host", true); }
END_TEST
START_TEST(operators_on_v3)
{ check_operators("x86-64-v3", true); }
END_TEST
START_TEST(operators_on_v2)
{ check_operators("x86-64-v2", true); }
END_TEST
START_TEST(expansions_on_host)
{ check_operators("host", false); }
END_TEST
START_TEST(expansions_on_v2)
{ check_operators("x86-64-v2", false); }
END_TEST
START_TEST(constants_on_host)
{ check_by_constants("host"); }
END_TEST

int main(void) {
  Suite *suite = suite_create("operators");
  TCase *tc = tcase_create("operators");
  tcase_set_timeout(tc, 200);
  tcase_add_test(tc, operators_on_host);
  tcase_add_test(tc, expansions_on_host);
  tcase_add_test(tc, constants_on_host);
  tcase_add_test(tc, bounded_by_constants);
  if (tni_host_level() >= 3) tcase_add_test(tc, operators_on_v3);
  if (tni_host_level() >= 2) tcase_add_test(tc, operators_on_v2);
  if (tni_host_level() >= 2) tcase_add_test(tc, expansions_on_v2);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
