/* arith.h -- the directory board of ir/arith/: what index expressions are, and what is known of them. One analysis per file;
 * what other folders use of them is declared in ir.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_ARITH_H
#define TNI_ARITH_H

#include "ir.h"

static inline int64_t tni_floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/* The greatest common divisor of |a| and b >= 0; 0 of zeros. */
static inline int64_t tni_gcd(int64_t a, int64_t b) {
  a = a < 0 ? -a : a;
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a;
}

static inline int64_t tni_clamp(__int128 x) { return x > TNI_INF ? TNI_INF : x < -TNI_INF ? -TNI_INF : (int64_t)x; }

/* ---- bounds.c -------------------------------------------------------------------------------------------------- */

/* lo <= x <= hi; unbounded at TNI_INF. */
typedef struct tni_interval {
  int64_t lo, hi;
} tni_interval;
tni_interval tni_interval_of(const tni_facts *facts, const tn_expr *x);

/* ---- linear.c -------------------------------------------------------------------------------------------------- */

enum { TNI_LINEAR_TERMS = 24 };
typedef struct tni_linear {
  int count;
  bool overflow; /* more terms, or larger numbers, than fit: the expression is left as it is */
  int64_t constant;
  tni_term terms[TNI_LINEAR_TERMS];
} tni_linear;
void tni_linear_add_constant(tni_linear *l, int64_t c, int64_t scale);
void tni_linear_add_term(tni_linear *l, const tn_expr *x, int64_t coef);
/* l += scale * x, for an x whose parts are simplified already. */
void tni_linear_add(tni_linear *l, const tn_expr *x, int64_t scale);
void tni_linear_remove(tni_linear *l, int i);
const tn_expr *tni_linear_expr(tni_region *r, const tni_linear *l);

#endif
