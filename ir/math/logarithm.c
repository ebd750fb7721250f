/* logarithm.c -- log, log2, log10 and log1p.
 *
 *     log x = k ln 2 + log(1 + f)         x = (1 + f) 2^k
 *     log(1 + f) = f + f^2 (f P(f) - 1/2)
 *
 * What the sum of the large parts, k ln 2 and f, loses is added to the small parts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

expr tni_math_split_exponent(const maker *m, expr x, expr *f) {
  int bits = fraction_bits(m);
  expr least = either_constant(m, 0x1p-126, 0x1p-1022), tiny = less(m, x, least);
  expr normal = choose(m, tiny, mul(m, x, either_constant(m, 0x1p23, 0x1p52)), x);
  int64_t half_root = is_double(m) ? INT64_C(0x3fe6a09e667f3bcd) : 0x3f3504f3; /* of sqrt(1/2) */
  expr i = sub(m, as_integer(m, normal), integer(m, half_root));
  expr mantissa = add(m, both(m, i, integer(m, (INT64_C(1) << bits) - 1)), integer(m, half_root));
  *f = sub(m, as_number(m, mantissa), constant(m, 1));
  expr k = cast(m, m->type, right(m, i, integer(m, bits)));
  return add(m, k, choose(m, tiny, constant(m, -bits), constant(m, 0)));
}

/* (log(1 + f) - f) / f^2 */
static expr log_rest(const maker *m, expr f) {
  /* (log(1 + f) - f + f^2 / 2) / f^3; errors below 2^-27 and 2^-56 of log(1 + f) */
  static const double p32[] = {0x1.555554p-2, -0x1.000226p-2, 0x1.99a01ap-3, -0x1.547288p-3,
                               0x1.22d96ep-3, -0x1.0d82a4p-3, 0x1.055ce8p-3, -0x1.38c2a6p-4};
  static const double p64[] = {
      0x1.5555555555556p-2, -0x1.0000000000001p-2, 0x1.9999999998ffp-3,  -0x1.5555555554bbcp-3, 0x1.2492492539d8p-3,
      -0x1.00000000e2df2p-3, 0x1.c71c713d2136fp-4, -0x1.9999989eaafb2p-4, 0x1.745d336e5868dp-4, -0x1.555596e638dd3p-4,
      0x1.3b10894824f19p-4, -0x1.2489193b5510dp-4, 0x1.11435e6c2373dp-4, -0x1.00ba361c50943p-4, 0x1.dec9e42af8b8ep-5,
      -0x1.b6a4f7711c37bp-5, 0x1.b3860d5e519d1p-5, -0x1.f69d4627efa0cp-5, 0x1.dd7cbb1bc02cep-5, -0x1.b18e816ee05bcp-6};
  return fused(m, POLYNOMIAL(m, p, f), f, constant(m, -0.5));
}

/* `value` for the finite x > 0 that it was made for; what C says elsewhere. */
static expr with_edges(const maker *m, expr x, expr value) {
  expr zero = constant(m, 0), infinity = constant(m, INFINITY);
  expr edge = choose(m, equal(m, x, zero), constant(m, -INFINITY), constant(m, NAN));
  return choose(m, less(m, zero, x), choose(m, less(m, x, infinity), value, x), edge);
}

/* log x + `more`, a small number, for finite x > 0. */
static expr log_and(const maker *m, expr x, expr more) {
  expr f, k = tni_math_split_exponent(m, x, &f);
  expr high = fused(m, k, ln2_high(m), f);
  expr lost = sub(m, f, sub(m, high, mul(m, k, ln2_high(m))));
  expr rest = fused(m, log_rest(m, f), mul(m, f, f), mul(m, k, ln2_low(m)));
  if (more) rest = add(m, rest, more);
  return add(m, high, add(m, lost, rest));
}

expr tni_math_log(const maker *m, expr x) { return with_edges(m, x, log_and(m, x, NULL)); }

/* log(1 + x) is log u for the rounded u = 1 + x, and c / u for what was rounded away. */
expr tni_math_log1p(const maker *m, expr x) {
  expr one = constant(m, 1);
  expr u = add(m, one, x), part = sub(m, u, one);
  expr c = add(m, sub(m, one, sub(m, u, part)), sub(m, x, part));
  expr value = with_edges(m, u, log_and(m, u, quotient(m, c, u)));
  return choose(m, equal(m, x, constant(m, 0)), x, value); /* log1p(-0) is -0 */
}

/* k (k_high + k_low) + log(1 + f) (scale_high + scale_low); k * k_high is exact. */
typedef struct base {
  double k_high, k_low, scale_high, scale_low;
} base;

static expr log_to_base(const maker *m, expr x, const base *b) {
  expr f, k = tni_math_split_exponent(m, x, &f);
  expr scale = constant(m, b->scale_high), k_high = constant(m, b->k_high);
  expr part = mul(m, f, scale);
  expr rest = fused(m, f, constant(m, b->scale_low), fused(m, f, scale, negate(m, part)));
  rest = fused(m, log_rest(m, f), mul(m, f, part), fused(m, k, constant(m, b->k_low), rest));
  expr high = fused(m, k, k_high, part);
  expr lost = sub(m, part, sub(m, high, mul(m, k, k_high)));
  return with_edges(m, x, add(m, high, add(m, lost, rest)));
}

expr tni_math_log2(const maker *m, expr x) {
  static const base b32 = {1, 0, 0x1.715476p0, 0x1.4ae0cp-26};
  static const base b64 = {1, 0, 0x1.71547652b82fep0, 0x1.777d0ffda0d24p-56};
  return log_to_base(m, x, is_double(m) ? &b64 : &b32);
}

expr tni_math_log10(const maker *m, expr x) {
  static const base b32 = {0x1.344p-2, 0x1.3509f8p-18, 0x1.bcb7b2p-2, -0x1.5b235ep-27};
  static const base b64 = {0x1.34413509f78p-2, 0x1.fef311f12b358p-46, 0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57};
  return log_to_base(m, x, is_double(m) ? &b64 : &b32);
}
