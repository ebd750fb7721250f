/* arith.h -- the directory board of ir/arith/: what index expressions are, and what is known of them. One analysis per file;
 * what other folders use of them is declared in analysis.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_ARITH_H
#define TNI_ARITH_H

#include "ir.h"

static inline int64_t tni_floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/* The greatest common divisor of |a| and |b|; 0 of zeros. */
static inline int64_t tni_gcd(int64_t a, int64_t b) {
  a = a < 0 ? -a : a;
  b = b < 0 ? -b : b;
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a;
}

static inline int64_t tni_clamp(__int128 x) { return x > TNI_INF ? TNI_INF : x < -TNI_INF ? -TNI_INF : (int64_t)x; }

/* ---- facts.c --------------------------------------------------------------------------------------------------- */

/* The entry that counts for x, or NULL. */
const tni_range *tni_facts_find(const tni_facts *facts, const tn_expr *x);

/* ---- bounds.c -------------------------------------------------------------------------------------------------- */

/* lo <= x <= hi; open at TNI_INF. */
typedef struct tni_interval {
  int64_t lo, hi;
} tni_interval;
#define TNI_EVERYTHING ((tni_interval){-TNI_INF, TNI_INF})
tni_interval tni_interval_hull(tni_interval a, tni_interval b);
tni_interval tni_interval_add(tni_interval a, tni_interval b);
tni_interval tni_interval_neg(tni_interval a);
tni_interval tni_interval_mul(tni_interval a, tni_interval b);
/* The quotient, rounded down (floor) or towards zero; its remainders, of floormod and of mod. */
tni_interval tni_interval_div(tni_interval a, tni_interval b, bool floor);
tni_interval tni_interval_mod(tni_interval a, tni_interval b);
tni_interval tni_interval_rest(tni_interval a, tni_interval b);
tni_interval tni_interval_abs(tni_interval a);
tni_interval tni_interval_and(tni_interval a, tni_interval b);
tni_interval tni_interval_or(tni_interval a, tni_interval b);
tni_interval tni_interval_xor(tni_interval a, tni_interval b);

/* ---- modular.c ------------------------------------------------------------------------------------------------- */

tni_residue tni_residue_make(__int128 mod, __int128 rem);
tni_residue tni_residue_add(tni_residue a, tni_residue b);
tni_residue tni_residue_neg(tni_residue a);
tni_residue tni_residue_mul(tni_residue a, tni_residue b);
tni_residue tni_residue_div(tni_residue a, int64_t c);       /* a // c */
tni_residue tni_residue_mod(tni_residue a, tni_residue b);   /* a % b, where b is not 0 or is one number */
tni_residue tni_residue_either(tni_residue a, tni_residue b);
/* What has both residues; false when nothing has. */
bool tni_residue_both(tni_residue a, tni_residue b, tni_residue *out);

/* ---- values.c -------------------------------------------------------------------------------------------------- */

typedef struct tni_values {
  tni_interval in;
  tni_residue is;
} tni_values;
enum { TNI_SCAN_SLOTS = 64 };
/* Values of expressions under facts that do not change meanwhile; remembers the last ones. */
typedef struct tni_scan {
  const tni_facts *facts;
  int budget;
  uint64_t taken; /* a bit for each slot: without it there is nothing in it */
  const tn_expr *keys[TNI_SCAN_SLOTS];
  tni_values known[TNI_SCAN_SLOTS];
} tni_scan;
void tni_scan_init(tni_scan *s, const tni_facts *facts);
tni_values tni_values_of(tni_scan *s, const tn_expr *x);

/* ---- linear.c -------------------------------------------------------------------------------------------------- */

enum { TNI_LINEAR_TERMS = 24 };
typedef struct tni_linear {
  int count, steps;
  bool overflow; /* more terms, or larger numbers, than fit: the expression is left as it is */
  int64_t constant;
  tni_term terms[TNI_LINEAR_TERMS];
} tni_linear;
/* Nothing: terms there are none of are not cleared, which would take longer than most sums. */
static inline void tni_linear_init(tni_linear *l) {
  l->count = l->steps = 0;
  l->overflow = false;
  l->constant = 0;
}
/* The order of terms and factors: variables by creation, then everything else by structure. */
int tni_compare_exprs(const tn_expr *a, const tn_expr *b);
void tni_linear_add_constant(tni_linear *l, int64_t c, int64_t scale);
void tni_linear_add_term(tni_linear *l, const tn_expr *x, int64_t coef);
/* l += scale * x, for an x whose parts are simplified already. */
void tni_linear_add(tni_linear *l, const tn_expr *x, int64_t scale);
void tni_linear_add_linear(tni_linear *l, const tni_linear *m, int64_t scale);
void tni_linear_remove(tni_linear *l, int i);
bool tni_linear_equal(const tni_linear *a, const tni_linear *b);
/* The sum as an expression: the first positive term comes first, or else the constant; numbers last. */
const tn_expr *tni_linear_expr(tni_region *r, const tni_linear *l);
/* Is x that expression? */
bool tni_is_linear_expr(const tni_linear *l, const tn_expr *x);

/* ---- simplify.c, divide.c, decide.c ----------------------------------------------------------------------------- */

typedef struct tni_simplifier {
  tni_region *r;
  tni_scan *scan;
} tni_simplifier;
/* x // d and x % d in canonical form, for an x in it; d any constant. */
const tn_expr *tni_divide(const tni_simplifier *s, const tn_expr *x, int64_t d);
const tn_expr *tni_modulo(const tni_simplifier *s, const tn_expr *x, int64_t d);
/* The same by an expression. */
const tn_expr *tni_divide_by(const tni_simplifier *s, const tn_expr *x, const tn_expr *d);
const tn_expr *tni_modulo_by(const tni_simplifier *s, const tn_expr *x, const tn_expr *d);
/* l = c*q + low where low // c was one number, which went to q: 0 <= low < c. */
bool tni_split_low(const tni_simplifier *s, const tni_linear *l, int64_t c, tni_linear *q, tni_linear *low);
/* tni_simplify of several expressions for as long as their facts, which are s->scan's, stay. */
const tn_expr *tni_simplify_more(const tni_simplifier *s, tni_rewrites *done, const tn_expr *x);
/* A sum in canonical form: quotients and remainders of one division join. */
const tn_expr *tni_sum(const tni_simplifier *s, const tn_expr *x);
/* The product, its factors in order. */
const tn_expr *tni_product(tni_region *r, const tn_expr *a, const tn_expr *b);
/* min or max of operands in canonical form: decided, or in canonical form. */
const tn_expr *tni_extreme(const tni_simplifier *s, const tn_expr *x);
/* A bool, or a vector of them, whose arguments are in canonical form: decided, or in canonical form. */
const tn_expr *tni_condition(const tni_simplifier *s, const tn_expr *x);
/* A comparison of index. */
enum tni_truth tni_decide_simple(const tni_simplifier *s, const tn_expr *x);

/* ---- relax.c --------------------------------------------------------------------------------------------------- */

/* vars[i] runs over 0..extents[i]. */
typedef struct tni_loops {
  size_t count;
  const tn_expr *const *vars;
  const int64_t *extents;
} tni_loops;
/* base .. base + width */
typedef struct tni_reach {
  const tn_expr *base;
  int64_t width;
} tni_reach;
/* What x covers while the loops run; the facts know their ranges. False: no interval is known, or no memory. */
bool tni_relax(const tni_simplifier *s, const tn_expr *x, const tni_loops *loops, tni_reach *out);
/* The smallest reach around both, if they lie a known number apart. */
bool tni_reach_hull(const tni_simplifier *s, tni_reach a, tni_reach b, tni_reach *out);

/* ---- box.c ----------------------------------------------------------------------------------------------------- */

/* Bounds of b - a. False: they are not known, or there is no memory. */
bool tni_apart(tni_region *r, const tni_facts *facts, const tn_expr *a, const tn_expr *b, int64_t *lo, int64_t *hi);

#endif
