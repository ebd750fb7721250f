/* test_conversions.c -- casts between every two types, compiled code against tni_eval_cast: all patterns of the types of
 * at most 16 bits, edges and random bits of the others; scalars and vectors, on every level of x86-64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"

enum { LANES = 16, RANDOM = 4096, MAX_COUNT = 65536, TYPES = TNI_COUNT(kit_types) };

/* The next number of a 64-bit congruential generator; its upper bits are the good ones. */
static uint64_t next(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
  return *state ^ *state >> 31;
}

/* Around every power of two that is a limit of some type, ties of each short float, and the ends. */
static const double float_edges[] = {0.0,
                                     -0.0,
                                     0.5,
                                     -0.5,
                                     -0.99,
                                     1.5,
                                     127.5,
                                     -128.5,
                                     -129,
                                     255.9,
                                     256,
                                     448,
                                     464,
                                     464.0000305,
                                     465,
                                     240,
                                     248,
                                     247.9999,
                                     57344,
                                     61440,
                                     61439.9,
                                     65504,
                                     65520,
                                     65519.9,
                                     32767.5,
                                     -32769,
                                     2147483520.0,
                                     2147483648.0,
                                     4294967040.0,
                                     4294967296.0,
                                     9.3e18,
                                     -9.3e18,
                                     1.9e19,
                                     0x1p-9,
                                     0x1p-10,
                                     0x1.8p-10,
                                     0x1.000002p-10,
                                     0x1p-16,
                                     0x1p-17,
                                     0x1.8p-17,
                                     0x1p-24,
                                     0x1p-25,
                                     0x1.8p-25,
                                     0x1p-133,
                                     0x1p-134,
                                     0x1p-149,
                                     0x1p-1074,
                                     3.4e38,
                                     1e300,
                                     INFINITY,
                                     -INFINITY,
                                     NAN,
                                     1.0625,
                                     1.1875,
                                     1.125,
                                     0x1p-127,
                                     0x1.8p-127,
                                     0x1.7ffffp-127,
                                     0x1.8p-128,
                                     0x1.8p127,
                                     0x1.7ffffep127,
                                     0.25,
                                     0.75,
                                     5.0,
                                     7.0,
                                     6.999999,
                                     1.0009765625,
                                     1.00048828125,
                                     0x1.0100000000001p0,
                                     0x1.1000000000001p0};

static const int64_t int_edges[] = {0,
                                    1,
                                    -1,
                                    7,
                                    8,
                                    -8,
                                    -9,
                                    15,
                                    16,
                                    17,
                                    127,
                                    128,
                                    -128,
                                    -129,
                                    255,
                                    256,
                                    464,
                                    465,
                                    32767,
                                    -32768,
                                    65535,
                                    65519,
                                    65520,
                                    2147483647,
                                    -2147483648,
                                    4294967295,
                                    1ll << 53,
                                    (1ll << 53) + 1,
                                    (1ll << 60) + (1ll << 36),
                                    (1ll << 60) + (1ll << 36) + 1,
                                    -(1ll << 60) - (1ll << 51) - 1,
                                    INT64_MAX,
                                    INT64_MIN};

/* Fills in elements of a type whose patterns are too many; half of the floats are near 1, where other types reach. */
static void fill_random(tn_type type, void *in) {
  uint64_t state = type, bits;
  int64_t n = 0;
  if (tni_type_is_float(type)) {
    for (size_t i = 0; i < TNI_COUNT(float_edges); i++)
      tni_write_element(type, in, n++, (tni_scalar){.f = tni_round_to(type, float_edges[i])});
  } else {
    for (size_t i = 0; i < TNI_COUNT(int_edges); i++)
      tni_write_element(type, in, n++, (tni_scalar){.i = tni_wrap(type, int_edges[i])});
  }
  for (; n < RANDOM; n++) {
    bits = next(&state);
    if (!tni_type_is_float(type)) {
      bits >>= next(&state) >> 32 & 63;
      tni_write_element(type, in, n, (tni_scalar){.i = tni_wrap(type, (int64_t)bits)});
    } else if (n & 1) {
      memcpy((char *)in + (size_t)n * tn_type_bytes(type), &bits, tn_type_bytes(type));
    } else {
      double value = ldexp(1 + (double)(bits >> 12) * 0x1p-52, (int)(bits % 64) - 32);
      tni_write_element(type, in, n, (tni_scalar){.f = tni_round_to(type, bits & 64 ? -value : value)});
    }
  }
}

/* Elements of the type to convert: every pattern, at least a few vectors of them; or a choice. Gives how many. */
static int64_t fill(tn_type type, void *in) {
  uint32_t bits = type == TN_BOOL ? 1 : TN_TYPE_BITS(type);
  if (bits > 16) return fill_random(type, in), RANDOM;
  int64_t count = (int64_t)1 << (bits < 8 ? 8 : bits);
  for (int64_t i = 0; i < count; i++) {
    uint64_t pattern = (uint64_t)i & ((1u << bits) - 1);
    if (type == TN_F4E2M1)
      tni_write_element(type, in, i, (tni_scalar){.f = tni_float_from_bits(type, pattern)});
    else if (tni_type_is_float(type))
      memcpy((char *)in + (size_t)i * tn_type_bytes(type), &pattern, tn_type_bytes(type));
    else
      tni_write_element(type, in, i, (tni_scalar){.i = tni_wrap(type, (int64_t)pattern)});
  }
  return count;
}

static const tn_expr *make_cast(kit *k, int what, tn_type type, const tn_expr *const *in) {
  (void)what;
  return tni_cast(k->r, type, in[0]);
}

static int64_t mismatches;

static void compare(tn_type to, tn_type from, uint32_t lanes, int64_t count, const void *in, const void *out) {
  for (int64_t i = 0; i < count; i++) {
    tni_scalar value = tni_read_element(from, in, i), got = tni_read_element(to, out, i);
    tni_scalar want = tni_eval_cast(to, from, value);
    char a[16], b[16];
    if (kit_same(to, want, got) || mismatches++ > 20) continue;
    fprintf(stderr, "cast %s -> %s, %u lanes, of %a / %lld: want %a %lld, got %a %lld\n", tn_type_text(from, a),
            tn_type_text(to, b), lanes, value.f, (long long)value.i, want.f, (long long)want.i, got.f,
            (long long)got.i);
  }
}

/* From one type to all, from both widths. */
static void check_from(kit *k, tn_type from) {
  static _Alignas(64) char in[MAX_COUNT * 2], out[MAX_COUNT * 8];
  const tn_func *funcs[2 * TYPES];
  char names[2 * TYPES][32];
  void *args[] = {out, in};
  int64_t count = fill(from, in);
  for (size_t n = 0; n < 2 * TYPES; n++) {
    snprintf(names[n], sizeof names[n], "k_%zu", n);
    funcs[n] = kit_map(k, names[n], &from, 1, kit_types[n / 2], count, n % 2 ? LANES : 1, make_cast, 0);
  }
  kit_load(k, 2 * TYPES, funcs);
  for (size_t n = 0; n < 2 * TYPES; n++) {
    memset(out, 0x55, sizeof out);
    ck_assert_int_eq(kit_run(k, names[n], args), 0);
    compare(kit_types[n / 2], from, n % 2 ? LANES : 1, count, in, out);
  }
  tni_library_unload(k->library);
  k->library = NULL;
}

static void check_all(const char *target) {
  kit k;
  kit_open(&k, target);
  mismatches = 0;
  for (size_t i = 0; i < TYPES; i++) check_from(&k, kit_types[i]);
  ck_assert_int_eq(mismatches, 0);
  kit_close(&k);
}

START_TEST(on_v2)
{ check_all("x86-64-v2"); }
END_TEST
START_TEST(on_v3)
{ check_all("x86-64-v3"); }
END_TEST
START_TEST(on_v4)
{ check_all("x86-64-v4"); }
END_TEST

int main(void) {
  Suite *suite = suite_create("conversions");
  TCase *tc = tcase_create("conversions");
  tcase_set_timeout(tc, 200);
  if (tni_host_level() >= 2) tcase_add_test(tc, on_v2);
  if (tni_host_level() >= 3) tcase_add_test(tc, on_v3);
  if (tni_host_level() >= 4) tcase_add_test(tc, on_v4);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
