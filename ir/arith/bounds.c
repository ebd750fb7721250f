/* bounds.c -- interval arithmetic: the smallest interval around all results, over operands in intervals.
 *
 *     a + b, a - b, a * b      corners
 *     a // b, a / b            corners, for b < 0 and b > 0 apart; 0 for b == 0
 *     a % b, mod(a, b)         a itself where its quotient is one and the same; else what the remainder's sign and size say
 *     a & b, a | b, a ^ b      the powers of two around operands that are not negative
 *
 * An end at TNI_INF or beyond is open. All results are right for any operands, also for those that no value satisfies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static bool is_finite(int64_t x) { return x > -TNI_INF && x < TNI_INF; }

tni_interval tni_interval_hull(tni_interval a, tni_interval b) {
  return (tni_interval){least(a.lo, b.lo), most(a.hi, b.hi)};
}

tni_interval tni_interval_add(tni_interval a, tni_interval b) {
  return (tni_interval){is_finite(a.lo) && is_finite(b.lo) ? tni_clamp((__int128)a.lo + b.lo) : -TNI_INF,
                        is_finite(a.hi) && is_finite(b.hi) ? tni_clamp((__int128)a.hi + b.hi) : TNI_INF};
}

tni_interval tni_interval_neg(tni_interval a) { return (tni_interval){-a.hi, -a.lo}; }

static tni_interval around(const __int128 *p, int count) {
  __int128 lo = p[0], hi = p[0];
  for (int i = 1; i < count; i++) {
    lo = p[i] < lo ? p[i] : lo;
    hi = p[i] > hi ? p[i] : hi;
  }
  return (tni_interval){tni_clamp(lo), tni_clamp(hi)};
}

/* 0 times an open end is 0: what is there is large, but a number. */
tni_interval tni_interval_mul(tni_interval a, tni_interval b) {
  enum { SMALL = 1 << 30 };
  if (a.lo >= 0 && b.lo >= 0 && a.hi < SMALL && b.hi < SMALL) return (tni_interval){a.lo * b.lo, a.hi * b.hi};
  __int128 p[] = {(__int128)a.lo * b.lo, (__int128)a.lo * b.hi, (__int128)a.hi * b.lo, (__int128)a.hi * b.hi};
  return around(p, 4);
}

/* ---- quotients ---- */

/* a / b for b > 0, open ends staying open. */
static int64_t quotient(int64_t a, int64_t b, bool floor) {
  if (!is_finite(a)) return a;
  return floor ? tni_floor_div(a, b) : a / b;
}

/* Over b.lo > 0. */
static tni_interval over_positive(tni_interval a, tni_interval b, bool floor) {
  __int128 p[] = {quotient(a.lo, b.lo, floor), quotient(a.lo, b.hi, floor), quotient(a.hi, b.lo, floor),
                  quotient(a.hi, b.hi, floor)};
  return around(p, 4);
}

tni_interval tni_interval_div(tni_interval a, tni_interval b, bool floor) {
  tni_interval out = {0, 0};
  bool any = b.lo <= 0 && b.hi >= 0;
  if (b.hi > 0) {
    tni_interval q = over_positive(a, (tni_interval){most(b.lo, 1), b.hi}, floor);
    out = any ? tni_interval_hull(out, q) : q;
    any = true;
  }
  if (b.lo < 0) { /* a // b is -a // -b, rounded either way */
    tni_interval q = over_positive(tni_interval_neg(a), (tni_interval){most(-b.hi, 1), -b.lo}, floor);
    out = any ? tni_interval_hull(out, q) : q;
  }
  return out;
}

/* ---- remainders ---- */

/* The largest number below an end that may be open. */
static int64_t below(int64_t end) { return is_finite(end) ? end - 1 : end; }

/* By b.lo > 0, rounding down. */
static tni_interval floor_rest(tni_interval a, tni_interval b) {
  if (a.lo >= 0 && a.hi < b.lo) return a;
  if (b.lo == b.hi && is_finite(a.lo) && is_finite(a.hi) && tni_floor_div(a.lo, b.lo) == tni_floor_div(a.hi, b.lo)) {
    int64_t q = tni_floor_div(a.lo, b.lo);
    return (tni_interval){a.lo - q * b.lo, a.hi - q * b.lo};
  }
  return (tni_interval){0, a.lo >= 0 ? least(a.hi, below(b.hi)) : below(b.hi)};
}

tni_interval tni_interval_mod(tni_interval a, tni_interval b) {
  tni_interval out = {0, 0};
  bool any = b.lo <= 0 && b.hi >= 0;
  if (b.hi > 0) {
    tni_interval m = floor_rest(a, (tni_interval){most(b.lo, 1), b.hi});
    out = any ? tni_interval_hull(out, m) : m;
    any = true;
  }
  if (b.lo < 0) { /* a % b is -(-a % -b) */
    tni_interval m = floor_rest(tni_interval_neg(a), (tni_interval){most(-b.hi, 1), -b.lo});
    m = tni_interval_neg(m);
    out = any ? tni_interval_hull(out, m) : m;
  }
  return out;
}

/* The remainder of truncating division: of the sign of a, smaller than b. */
tni_interval tni_interval_rest(tni_interval a, tni_interval b) {
  int64_t size = most(b.hi > 0 ? b.hi : -b.hi, b.lo > 0 ? b.lo : -b.lo), last = size > 0 ? below(size) : 0;
  int64_t least_size = b.lo > 0 ? b.lo : b.hi < 0 ? -b.hi : 0;
  if (a.lo > -least_size && a.hi < least_size) return a;
  return (tni_interval){a.lo >= 0 ? 0 : most(a.lo, -last), a.hi <= 0 ? 0 : least(a.hi, last)};
}

/* ---- bits ---- */

/* 2^k - 1 >= x */
static int64_t ones_above(int64_t x) {
  uint64_t m = (uint64_t)x;
  for (int shift = 1; shift < 64; shift *= 2) m |= m >> shift;
  return (int64_t)m;
}

tni_interval tni_interval_and(tni_interval a, tni_interval b) {
  if (a.lo >= 0 && b.lo >= 0) return (tni_interval){0, least(a.hi, b.hi)};
  if (a.lo >= 0 || b.lo >= 0) return (tni_interval){0, a.lo >= 0 ? a.hi : b.hi};
  return TNI_EVERYTHING;
}

tni_interval tni_interval_or(tni_interval a, tni_interval b) {
  if (a.lo < 0 || b.lo < 0 || !is_finite(a.hi) || !is_finite(b.hi)) return TNI_EVERYTHING;
  return (tni_interval){most(a.lo, b.lo), ones_above(a.hi | b.hi)};
}

tni_interval tni_interval_xor(tni_interval a, tni_interval b) {
  if (a.lo < 0 || b.lo < 0 || !is_finite(a.hi) || !is_finite(b.hi)) return TNI_EVERYTHING;
  return (tni_interval){0, ones_above(a.hi | b.hi)};
}

tni_interval tni_interval_abs(tni_interval a) {
  if (a.lo >= 0) return a;
  return a.hi <= 0 ? tni_interval_neg(a) : (tni_interval){0, most(-a.lo, a.hi)};
}
