/* test_expansions.c -- compiled expansions on many random operands: fma where the target has no instruction and fmod,
 * against the C library; saturating casts, against their evaluation. And shuffles, against the interpreter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>

#include "kit.h"

enum { COUNT = 1 << 16, LANES = 8, SEED = 7 };

/* ---- operands -------------------------------------------------------------------------------------------------- */

static uint64_t state = SEED;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * UINT64_C(0x2545f4914f6cdd1d);
}

static double from_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double with_exponent(uint64_t bits, uint64_t field) {
  return from_bits((bits & UINT64_C(0x800fffffffffffff)) | field << 52);
}

/* Of all magnitudes; near 1; subnormal and a little above; around the square root of the smallest number; special; of few
 * bits. */
static double any_double(void) {
  static const double special[] = {0,
                                   1,
                                   3,
                                   INFINITY,
                                   NAN,
                                   DBL_MAX,
                                   DBL_MIN,
                                   0x1p-1074,
                                   0x1p-537,
                                   0x1p1023,
                                   0x1p-54,
                                   1.5,
                                   0x1p52,
                                   0x1p53,
                                   0x0.fffffffffffffp-1022,
                                   0x1.0000000000001p0};
  uint64_t x = next_random(), y = next_random();
  switch (y % 6) {
  case 0: return from_bits(x);
  case 1: return with_exponent(x, 1019 + (y >> 8) % 8);
  case 2: return with_exponent(x, (y >> 8) % 60);
  case 3: return with_exponent(x, 480 + (y >> 8) % 100);
  case 4: return (x & 1 ? -1 : 1) * special[(y >> 8) % TNI_COUNT(special)];
  default: return with_exponent(x & -(UINT64_C(1) << (y >> 8) % 52), 900 + (y >> 16) % 250);
  }
}

/* An addend: any, or one that nearly cancels the product, or one that stands at its last bits. */
static double addend_of(double product) {
  uint64_t bits;
  memcpy(&bits, &product, sizeof bits);
  switch (next_random() % 4) {
  case 0: return -from_bits(bits + next_random() % 5 - 2);
  case 1: return product * ldexp(-1, (int)(next_random() % 120) - 60);
  case 2: return ldexp(any_double(), ilogb(isnormal(product) ? product : 1) - 53);
  default: return any_double();
  }
}

static bool is_equal(double a, double b) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  return a == b && signbit(a) == signbit(b);
}

/* ---- kernels --------------------------------------------------------------------------------------------------- */

typedef const tn_expr *(*make_fn)(kit *k, enum tn_op op, tn_type result, const tn_expr *const *in);

static const tn_expr *make_op(kit *k, enum tn_op op, tn_type result, const tn_expr *const *in) {
  (void)result;
  return tni_op(k->r, op, tni_ops[op].arity, in);
}
static const tn_expr *make_conversion(kit *k, enum tn_op op, tn_type result, const tn_expr *const *in) {
  return tni_convert(k->r, op, result, in[0]);
}

/* for i in 0..COUNT / lanes { out[i * lanes ...] = make(in0[...], in1[...], in2[...]) } */
static const tn_func *make_kernel(kit *k, const char *name, make_fn make, enum tn_op op, tn_type type, tn_type result,
                                  uint32_t lanes) {
  const tn_buffer *buffers[4] = {kit_buffer(k, "out", result, COUNT)};
  const tn_expr *in[3], *var = tni_var(k->r, "i", TN_INDEX), *one = tni_index(k->r, 1);
  const tn_expr *at = tni_ramp(k->r, tni_mul(k->r, var, tni_index(k->r, lanes)), one, lanes);
  for (int i = 0; i < tni_ops[op].arity; i++) {
    buffers[i + 1] = kit_buffer(k, "in", type, COUNT);
    in[i] = tni_load(k->r, TN_TYPE_WITH_LANES(type, lanes), buffers[i + 1], 1, &at, NULL);
  }
  const tn_expr *value = make(k, op, TN_TYPE_WITH_LANES(result, lanes), in);
  const tn_stmt *store = tni_store(k->r, buffers[0], 1, &at, value, NULL);
  const tn_stmt *loop = tni_for(k->r, var, tni_index(k->r, COUNT / lanes), TNI_SERIAL, store);
  return kit_func(k, name, tni_ops[op].arity + 1u, buffers, loop);
}

static double values[3][COUNT], out[COUNT];
static float single_values[3][COUNT], single_out[COUNT];

/* Compiles op for the target, on single numbers and on vectors, and compares it with the C library on what is in `values`
 * (or `single_values`). */
static void compare_with(const char *target, enum tn_op op, tn_type type, double (*want)(int i)) {
  static const char *const names[] = {"scalar", "vector"};
  void *args[] = {out, values[0], values[1], values[2]};
  void *single_args[] = {single_out, single_values[0], single_values[1], single_values[2]};
  bool single = type == TN_F32;
  kit k;
  kit_open(&k, target);
  const tn_func *funcs[] = {make_kernel(&k, names[0], make_op, op, type, type, 1),
                            make_kernel(&k, names[1], make_op, op, type, type, LANES)};
  kit_load(&k, 2, funcs);
  for (int f = 0; f < 2; f++) {
    ck_assert_int_eq(kit_call(&k, names[f], funcs[f]->param_count, single ? single_args : args), 0);
    for (int i = 0; i < COUNT; i++) {
      double got = single ? (double)single_out[i] : out[i];
      ck_assert_msg(is_equal(want(i), got), "%s on %s, %s, seed %d: (%a, %a, %a) is %a, not %a", tni_ops[op].name,
                    target, names[f], SEED, single ? single_values[0][i] : values[0][i],
                    single ? single_values[1][i] : values[1][i], single ? single_values[2][i] : values[2][i], want(i),
                    got);
    }
  }
  kit_close(&k);
}

static double want_fma(int i) { return fma(values[0][i], values[1][i], values[2][i]); }
static double want_fmaf(int i) { return fmaf(single_values[0][i], single_values[1][i], single_values[2][i]); }
static double want_fmod(int i) { return fmod(values[0][i], values[1][i]); }
static double want_fmodf(int i) { return fmodf(single_values[0][i], single_values[1][i]); }

static void fill(void) {
  for (int i = 0; i < COUNT; i++) {
    values[0][i] = any_double();
    values[1][i] = any_double();
    values[2][i] = addend_of(values[0][i] * values[1][i]);
    for (int a = 0; a < 2; a++) {
      uint32_t bits = (uint32_t)(next_random() >> 32) & (next_random() % 8 ? 0xffffffff : 0x80ffffff);
      memcpy(&single_values[a][i], &bits, sizeof bits);
    }
    single_values[2][i] = (float)addend_of((double)single_values[0][i] * (double)single_values[1][i]);
  }
}

START_TEST(fma_without_an_instruction)
{
  fill();
  compare_with("x86-64-v2", TN_OP_fma, TN_F64, want_fma);
  compare_with("x86-64-v2", TN_OP_fma, TN_F32, want_fmaf);
}
END_TEST

START_TEST(remainders_of_floats)
{
  fill();
  compare_with("host", TN_OP_mod, TN_F64, want_fmod);
  compare_with("host", TN_OP_mod, TN_F32, want_fmodf);
}
END_TEST

/* ---- saturating casts ------------------------------------------------------------------------------------------- */

static const tn_type all_types[] = {TN_BOOL, TN_I8,     TN_I16,    TN_I32,      TN_I64,     TN_U8,
                                    TN_U16,  TN_U32,    TN_U64,    TN_F16,      TN_BF16,    TN_F32,
                                    TN_F64,  TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ,
                                    TN_F4E2M1, TN_F8E8M0};

/* Any bits; or small numbers of either sign. */
static tni_scalar any_value(tn_type type) {
  uint64_t bits = next_random();
  if (bits & 1) return tni_eval_cast(type, TN_I64, (tni_scalar){.i = (int64_t)(bits >> 40) % 1000 - 500});
  bits = TN_TYPE_CODE(type) == kDLBool ? bits >> 1 & 1 : bits >> 1;
  return tni_read_element(type, &bits, 0);
}

static void check_saturation(kit *k, tn_type from) {
  const char *names[2 * TNI_COUNT(all_types)];
  char a[16], b[16];
  const tn_func *funcs[2 * TNI_COUNT(all_types)];
  void *args[] = {out, values[0]};
  size_t n = 0;
  for (int i = 0; i < COUNT; i++) tni_write_element(from, values[0], i, any_value(from));
  for (size_t t = 0; t < TNI_COUNT(all_types); t++)
    for (uint32_t lanes = 1; lanes <= LANES; lanes += LANES - 1, n++) {
      names[n] = tni_arena_format(&k->r->arena, "k%zu", n);
      funcs[n] = make_kernel(k, names[n], make_conversion, TN_OP_cast_sat, from, all_types[t], lanes);
    }
  kit_load(k, n, funcs);
  for (size_t f = 0; f < n; f++) {
    tn_type to = all_types[f / 2];
    ck_assert_int_eq(kit_run(k, names[f], args), 0);
    for (int i = 0; i < COUNT; i += 16) {
      tni_scalar value = tni_read_element(from, values[0], i), want = tni_eval_cast_sat(to, from, value);
      tni_scalar got = tni_read_element(to, out, i);
      bool same = tni_type_is_float(to) ? is_equal(want.f, got.f) : want.i == got.i;
      ck_assert_msg(same, "cast_sat of %s to %s, seed %d: %a %lld is %a %lld, not %a %lld", tn_type_text(from, a),
                    tn_type_text(to, b), SEED, value.f, (long long)value.i, want.f, (long long)want.i, got.f,
                    (long long)got.i);
    }
  }
  tni_library_unload(k->library);
  k->library = NULL;
}

static const char *const targets[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};

START_TEST(casts_that_saturate)
{
  kit k;
  if (tni_host_level() < _i + 2) return;
  kit_open(&k, targets[_i]);
  for (size_t t = 0; t < TNI_COUNT(all_types); t++) check_saturation(&k, all_types[t]);
  kit_close(&k);
}
END_TEST

/* ---- shuffles -------------------------------------------------------------------------------------------------- */

/* %s: a type. Slices, both of two vectors, scalars into vectors and back, a shuffle of shuffles. */
static const char shuffles[] =
    "loop func f(A: %s[16], B: %s[64], n: index) {\n"
    "  B[ramp(0, 1, 3)] = shuffle(A[ramp(0, 1, 8)], [7, 0, 3])\n"
    "  B[ramp(3, 1, 8)] = shuffle(A[ramp(0, 1, 4)], A[ramp(4, 1, 4)], [0, 4, 1, 5, 2, 6, 3, 7])\n"
    "  B[ramp(11, 1, 2)] = shuffle(A[n], A[n + 1], [1, 0])\n"
    "  B[13] = shuffle(A[ramp(n, 1, 5)], [4])\n"
    "  B[ramp(14, 1, 16)] = shuffle(shuffle(A[ramp(0, 1, 16)], [15, 14, 13, 12]), [3, 2, 1, 0, 0, "
    "1, 2, 3, 3, 3, 3, 3, 0, 0, 0, 0])\n"
    "  B[shuffle(ramp(n + 40, 1, 2), ramp(50, 3, 2), [1, 3, 0])] = A[shuffle(ramp(n, 2, 4), [3, 1, 2])]\n"
    "}\n";

static void check_shuffles(const char *target, tn_type type) {
  static unsigned char in[128], want[512], got[512];
  char text[2000], name[16];
  int64_t in_shape = 16, out_shape = 64;
  tn_error *error = NULL;
  kit k;
  tn_type_text(type, name);
  snprintf(text, sizeof text, shuffles, name, name);
  for (int i = 0; i < 16; i++) tni_write_element(type, in, i, any_value(type));
  memset(want, 0, sizeof want);
  memset(got, 0, sizeof got);
  DLDataType dtype = {(uint8_t)TN_TYPE_CODE(type), (uint8_t)TN_TYPE_BITS(type), 1};
  DLTensor a = {.data = in, .device = {kDLCPU, 0}, .ndim = 1, .dtype = dtype, .shape = &in_shape};
  DLTensor b = {.data = want, .device = {kDLCPU, 0}, .ndim = 1, .dtype = dtype, .shape = &out_shape};
  tn_value args[] = {tn_value_tensor(&a), tn_value_tensor(&b), tn_value_int(2)};
  kit_open(&k, target);
  kit_ok(tni_parse(k.program, text, strlen(text), "test", &error), error);
  const tn_func *f = tn_program_func_at(k.program, 0);
  kit_ok(tni_interpret(f, args, 3, &error), error);
  kit_load(&k, 1, &f);
  typedef int32_t (*kernel)(const tn_env *, void *, void *, int64_t);
  ck_assert_int_eq(((kernel)(uintptr_t)kit_find(&k, "f"))(&k.env, in, got, 2), 0);
  ck_assert_msg(memcmp(want, got, sizeof want) == 0, "shuffles of %s on %s", name, target);
  size_t size = tn_type_bytes(type);
  if (!tni_type_is_packed(type)) /* whole bytes */
    ck_assert(memcmp(want, in + 7 * size, size) == 0 && memcmp(want + 13 * size, in + 6 * size, size) == 0);
  kit_close(&k);
}

START_TEST(lanes_are_picked)
{
  if (tni_host_level() < _i + 2) return;
  for (size_t t = 0; t < TNI_COUNT(all_types); t++) check_shuffles(targets[_i], all_types[t]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("expansions");
  TCase *tc = tcase_create("expansions");
  tcase_set_timeout(tc, 200);
  if (tni_host_level() >= 2) tcase_add_test(tc, fma_without_an_instruction);
  tcase_add_test(tc, remainders_of_floats);
  tcase_add_loop_test(tc, casts_that_saturate, 0, (int)TNI_COUNT(targets));
  tcase_add_loop_test(tc, lanes_are_picked, 0, (int)TNI_COUNT(targets));
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
