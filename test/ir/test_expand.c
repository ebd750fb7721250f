/* test_expand.c -- derived operators against their evaluation: each is expanded until only basic nodes are left, and run
 * on operands that stand at the edges of the type and between.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/program.h"

static const tn_type all_types[] = {TN_BOOL, TN_I8,     TN_I16,    TN_I32,      TN_I64,      TN_U8,
                                    TN_U16,  TN_U32,    TN_U64,    TN_F16,      TN_BF16,     TN_F32,
                                    TN_F64,  TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ, TN_F4E2M1,
                                    TN_F8E8M0, TN_INDEX};
enum { MAX_VALUES = 96, COUNT = 4096, SEED = 20 };

static tni_region *r;

static void setup_region(void) {
  setup();
  r = &program->region;
}

/* ---- operands -------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Bit patterns: small numbers and what is near the ends of the type, of the sign, of exponents and fractions. */
static size_t list_patterns(tn_type type, uint64_t *out) {
  int bits = TN_TYPE_CODE(type) == kDLBool ? 1 : (int)TN_TYPE_BITS(type);
  uint64_t all = ~(uint64_t)0 >> (64 - bits), top = (uint64_t)1 << (bits - 1);
  size_t n = 0;
  for (uint64_t i = 0; i < 4; i++) {
    out[n++] = i;
    out[n++] = top + i;
    out[n++] = top - 1 - i;
    out[n++] = all - i;
    out[n++] = (uint64_t)bits - 2 + i;
  }
  if (tni_type_is_float(type) && bits >= 8 && !tni_type_is_scale(type)) { /* of shorter ones, random bits are all */
    int fraction = type == TN_F64 ? 52 : type == TN_F32 ? 23 : tni_float_format_of(type)->fraction_bits;
    uint64_t bias = (top >> fraction) / 2 - 1, exponents[] = {0, 1, bias - 1, bias, bias + 1, bias + 4, bias + 20};
    for (size_t e = 0; e < TNI_COUNT(exponents); e++)
      for (uint64_t f = 0; f < 8; f++)
        out[n++] = ((exponents[e] << fraction) +
                    (f % 4 == 3 ? ((uint64_t)1 << fraction) - 1 : f % 4 << (fraction - 2)) + (f / 4 ? top : 0)) &
                   all;
  }
  ck_assert_uint_le(n, MAX_VALUES);
  return n;
}

/* Index operands stay small: index does not wrap. */
static tni_scalar value_of(tn_type type, uint64_t pattern) {
  if (TN_TYPE_CODE(type) == TN_CODE_INDEX) return (tni_scalar){.i = (int64_t)(int32_t)pattern >> 1};
  if (TN_TYPE_CODE(type) == kDLBool) pattern &= 1;
  return tni_read_element(type, &pattern, 0);
}

static void fill(tn_type type, tni_scalar (*values)[3]) {
  uint64_t patterns[MAX_VALUES], state = SEED;
  size_t n = list_patterns(type, patterns);
  for (int i = 0; i < COUNT; i++)
    for (int a = 0; a < 3; a++) {
      uint64_t x = next_random(&state);
      values[i][a] = value_of(type, x & 1 ? patterns[(x >> 8) % n] : x >> 3 | x << 61);
    }
}

static bool same(tn_type type, tni_scalar a, tni_scalar b) {
  if (!tni_type_is_float(type)) return a.i == b.i;
  if (isnan(a.f) || isnan(b.f)) return isnan(a.f) && isnan(b.f);
  return a.f == b.f && signbit(a.f) == signbit(b.f);
}

/* ---- expansion ------------------------------------------------------------------------------------------------- */

static const tn_expr *until_basic(void *self, tni_region *region, const tn_expr *x) {
  if (tni_is_basic(x)) return x;
  const tn_expr *y = tni_expand(region, x);
  ck_assert_msg(y != NULL && y != x, "%s has no expansion", tni_ops[x->op].name);
  ck_assert_uint_eq(y->type, x->type);
  return tni_expr_rewrite(region, y, until_basic, self);
}

static void see_basic(void *self, const tn_expr *x) { *(bool *)self &= tni_is_basic(x); }

static const tn_buffer *flat_buffer(tn_type type) {
  const tn_expr *shape = tni_index(r, COUNT);
  return tni_buffer(r, "A", type, TNI_SCOPE_GLOBAL, 1, &shape);
}

/* What an element of the type is stored as. */
static tn_type stored_as(tn_type type) { return type == TN_INDEX ? TN_I64 : type; }

/* The expansion of make(in0[i], in1[i], in2[i]), interpreted for all i. */
typedef const tn_expr *(*make_fn)(enum tn_op op, tn_type result, const tn_expr *const *in);
static void run(make_fn make, enum tn_op op, tn_type type, tn_type result, tni_scalar (*values)[3], tni_scalar *out) {
  static char memory[4][COUNT * 8];
  DLTensor tensors[4];
  tni_param params[4] = {{0}};
  tn_value args[4];
  int64_t shape = COUNT;
  const tn_expr *in[3], *i = tni_var(r, "i", TN_INDEX);
  uint32_t count = tni_ops[op].arity;
  for (uint32_t a = 0; a < count; a++) {
    params[a + 1].buffer = flat_buffer(stored_as(type));
    in[a] = tni_cast(r, type, tni_load(r, stored_as(type), params[a + 1].buffer, 1, &i, NULL));
    for (int n = 0; n < COUNT; n++) tni_write_element(type, memory[a + 1], n, values[n][a]);
  }
  const tn_expr *y = until_basic(NULL, r, make(op, result, in));
  bool basic = true;
  tni_expr_visit(ctx, y, see_basic, &basic);
  ck_assert(basic);
  ck_assert_uint_eq(y->type, result);
  params[0].buffer = flat_buffer(stored_as(result));
  for (uint32_t p = 0; p <= count; p++) {
    tn_type t = params[p].buffer->type;
    tensors[p] = (DLTensor){.data = memory[p], .device = {kDLCPU, 0}, .ndim = 1, .shape = &shape};
    tensors[p].dtype = (DLDataType){(uint8_t)TN_TYPE_CODE(t), (uint8_t)TN_TYPE_BITS(t), 1};
    args[p] = tn_value_tensor(&tensors[p]);
  }
  const tn_stmt *store = tni_store(r, params[0].buffer, 1, &i, tni_cast(r, stored_as(result), y), NULL);
  const tn_func f = {.name = tni_ops[op].name,
                     .level = TNI_LEVEL_TENSOR,
                     .param_count = count + 1,
                     .params = params,
                     .body = tni_for(r, i, tni_index(r, COUNT), TNI_SERIAL, store),
                     .program = program};
  tn_error *error = NULL;
  ck_assert_msg(tni_interpret(&f, args, count + 1, &error) == TN_OK, "%s", tn_error_text(error));
  for (int n = 0; n < COUNT; n++) out[n] = tni_read_element(stored_as(result), memory[0], n);
}

/* Does the operator take operands of that type, and has it an evaluation? */
static bool has_evaluation(enum tn_op op, tn_type type) {
  const tn_expr a = {.op = TN_OP_var, .type = type}, *args[] = {&a, &a, &a};
  const tni_op_info *info = &tni_ops[op];
  const char *why;
  if (info->flags & TN_OPF_MATH || !tni_op_has_rule(op) || op == TN_OP_select) return false;
  return tni_op_type(op, args, &why) != 0;
}

static bool is_derived(enum tn_op op) { return tni_ops[op].flags & TN_OPF_DERIVED; }

static const tn_expr *make_op(enum tn_op op, tn_type result, const tn_expr *const *in) {
  (void)result;
  return tni_op(r, op, tni_ops[op].arity, in);
}

static const tn_expr *make_conversion(enum tn_op op, tn_type result, const tn_expr *const *in) {
  return tni_convert(r, op, result, in[0]);
}

START_TEST(every_derived_operator_is_its_expansion)
{
  static tni_scalar values[COUNT][3], out[COUNT];
  tn_type type = all_types[_i];
  char text[16];
  fill(type, values);
  for (int op = 0; op < TN_OP_COUNT; op++) {
    if (!is_derived((enum tn_op)op) || !has_evaluation((enum tn_op)op, type)) continue;
    run(make_op, (enum tn_op)op, type, type, values, out);
    for (int n = 0; n < COUNT; n++) {
      tni_scalar want = tni_eval_op((enum tn_op)op, type, values[n]);
      const tni_scalar *v = values[n];
      ck_assert_msg(same(type, want, out[n]), "%s of %s, seed %d: (%a %lld, %a %lld, %a %lld) is %a %lld, not %a %lld",
                    tni_ops[op].name, tn_type_text(type, text), SEED, v[0].f, (long long)v[0].i, v[1].f,
                    (long long)v[1].i, v[2].f, (long long)v[2].i, want.f, (long long)want.i, out[n].f,
                    (long long)out[n].i);
    }
  }
}
END_TEST

START_TEST(saturating_casts_are_their_expansion)
{
  static tni_scalar values[COUNT][3], out[COUNT];
  tn_type from = all_types[_i];
  char a[16], b[16];
  fill(from, values);
  for (size_t t = 0; t < TNI_COUNT(all_types); t++) {
    tn_type to = all_types[t];
    run(make_conversion, TN_OP_cast_sat, from, to, values, out);
    for (int n = 0; n < COUNT; n++) {
      tni_scalar want = tni_eval_cast_sat(to, from, values[n][0]);
      ck_assert_msg(same(to, want, out[n]), "%s to %s, seed %d: %a %lld is %a %lld, not %a %lld", tn_type_text(from, a),
                    tn_type_text(to, b), SEED, values[n][0].f, (long long)values[n][0].i, want.f, (long long)want.i,
                    out[n].f, (long long)out[n].i);
    }
  }
}
END_TEST

static const tn_expr *constant(tn_type type, tni_scalar value) {
  return tni_type_is_float(type) ? tni_const_float(r, type, value.f) : tni_const_int(r, type, value.i);
}

START_TEST(constants_fold_to_their_evaluation)
{
  static tni_scalar values[COUNT][3];
  tn_type type = all_types[_i];
  fill(type, values);
  for (int op = 0; op < TN_OP_COUNT; op++) {
    if (!has_evaluation((enum tn_op)op, type)) continue;
    for (int n = 0; n < 100; n++) {
      const tn_expr *args[3];
      for (int a = 0; a < 3; a++) args[a] = constant(type, values[n][a]);
      const tn_expr *x = tni_op(r, (enum tn_op)op, tni_ops[op].arity, args);
      ck_assert_ptr_eq(x, constant(x->type, tni_eval_op((enum tn_op)op, type, values[n])));
    }
  }
}
END_TEST

/* What a new back end has to emit. A longer list is more work for each of them. */
START_TEST(core_operators_are_few)
{
  tni_text names;
  tni_text_init(&names, ctx);
  for (int op = 0; op < TN_OP_COUNT; op++)
    if (!(tni_ops[op].flags & TN_OPF_DERIVED)) tni_text_add(&names, " %s", tni_ops[op].name);
  ck_assert_str_eq(names.data,
                   " const var add sub mul div eq ne lt le and or xor not shl shr select cast reinterpret sqrt"
                   " load call ramp broadcast shuffle");
  tni_text_destroy(&names);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("expand");
  TCase *tests = tcase_create("expand");
  tcase_add_checked_fixture(tests, setup_region, teardown);
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, every_derived_operator_is_its_expansion, 0, (int)TNI_COUNT(all_types));
  tcase_add_loop_test(tests, saturating_casts_are_their_expansion, 0, (int)TNI_COUNT(all_types));
  tcase_add_loop_test(tests, constants_fold_to_their_evaluation, 0, (int)TNI_COUNT(all_types));
  tcase_add_test(tests, core_operators_are_few);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
