/* modular.c -- residues: x = rem (mod m), what is known of remainders.
 *
 *     a + b        gcd(ma, mb)                      i*4 + j*6 + 1  is 1 (mod 2)
 *     a * b        gcd(ma*mb, ma*rb, mb*ra)         (i*2) * (j*6 + 3)  is 0 (mod 6)
 *     a // c       ma / c where c divides ma        (i*8 + 3) // 4  is 0 (mod 2)
 *     a % c        gcd(ma, c)                       (i*8 + 3) % 4  is 3
 *     either       gcd(ma, mb, ra - rb)             min(i*4 + 1, j*6 + 3)  is 1 (mod 2)
 *
 * m = 0 is a single number, m = 1 says nothing. 0 <= rem < m otherwise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

/* Moduli beyond say no more than nothing: then sums and products of two stay far from 128 bits. */
#define LARGEST (INT64_C(1) << 40)

static const tni_residue unknown = {1, 0};

/* Divisions of 128 bits take long: they end as soon as 64 are enough. */
static __int128 gcd(__int128 a, __int128 b) {
  a = a < 0 ? -a : a;
  b = b < 0 ? -b : b;
  while (b && (a > INT64_MAX || b > INT64_MAX)) {
    __int128 t = a % b;
    a = b;
    b = t;
  }
  return b ? tni_gcd((int64_t)a, (int64_t)b) : a;
}

tni_residue tni_residue_make(__int128 m, __int128 rem) {
  m = m < 0 ? -m : m;
  if (m == 0) return rem > -TNI_INF && rem < TNI_INF ? (tni_residue){0, (int64_t)rem} : unknown;
  if (m > LARGEST) return unknown;
  rem = rem == (int64_t)rem ? (int64_t)rem % (int64_t)m : rem % m;
  return (tni_residue){(int64_t)m, (int64_t)(rem < 0 ? rem + m : rem)};
}

tni_residue tni_residue_add(tni_residue a, tni_residue b) {
  if (a.mod == 1 || b.mod == 1) return unknown;
  return tni_residue_make(gcd(a.mod, b.mod), (__int128)a.rem + b.rem);
}

tni_residue tni_residue_neg(tni_residue a) { return tni_residue_make(a.mod, -(__int128)a.rem); }

tni_residue tni_residue_mul(tni_residue a, tni_residue b) {
  if (a.mod == 1 && b.mod == 1) return unknown;
  __int128 m = gcd((__int128)a.mod * b.mod, gcd((__int128)a.mod * b.rem, (__int128)b.mod * a.rem));
  return tni_residue_make(m, (__int128)a.rem * b.rem);
}

tni_residue tni_residue_either(tni_residue a, tni_residue b) {
  return tni_residue_make(gcd(gcd(a.mod, b.mod), (__int128)a.rem - b.rem), a.rem);
}

tni_residue tni_residue_div(tni_residue a, int64_t c) {
  if (c == 0) return (tni_residue){0, 0};
  if (a.mod % c != 0) return unknown;
  return tni_residue_make(a.mod / c, tni_floor_div(a.rem, c));
}

tni_residue tni_residue_mod(tni_residue a, tni_residue b) {
  if (b.mod != 0) return tni_residue_make(gcd(a.mod, gcd(b.mod, b.rem)), a.rem); /* a minus a multiple of b */
  int64_t c = b.rem;
  if (c == 0) return (tni_residue){0, 0};
  if (a.mod % c == 0) return (tni_residue){0, a.rem - c * tni_floor_div(a.rem, c)};
  return tni_residue_make(gcd(a.mod, c), a.rem);
}

bool tni_residue_both(tni_residue a, tni_residue b, tni_residue *out) {
  if (a.mod == 1 || b.mod == 1) return *out = a.mod == 1 ? b : a, true;
  *out = a.mod == 0 || (b.mod != 0 && a.mod >= b.mod) ? a : b;
  __int128 g = gcd(a.mod, b.mod);
  if (g ? ((__int128)a.rem - b.rem) % g != 0 : a.rem != b.rem) return false;
  if (a.mod <= 1 || b.mod <= 1 || a.mod % b.mod == 0 || b.mod % a.mod == 0) return true;
  __int128 whole = a.mod / g * b.mod;
  if (whole > 1 << 20) return true;
  for (int64_t x = a.rem; x < whole; x += a.mod) /* the one number below `whole` with both remainders */
    if ((x - b.rem) % b.mod == 0) {
      *out = tni_residue_make(whole, x);
      break;
    }
  return true;
}
