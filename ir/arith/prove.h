/* prove.h -- what the parts of the prover share: polynomials (poly.c), what is known (known.c), the proof (prove.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_PROVE_H
#define TNI_PROVE_H

#include "arith/arith.h"

/* ---- poly.c ---------------------------------------------------------------------------------------------------- */

enum { TNI_POLY_TERMS = 24, TNI_POLY_DEGREE = 4, TNI_POLY_BITS = 60 /* of its numbers */ };

typedef struct tni_monomial {
  int64_t coef;
  int degree;
  const tn_expr *atoms[TNI_POLY_DEGREE]; /* in order */
} tni_monomial;

/* It is large, and most have few terms: those behind the last are neither set nor copied. */
typedef struct tni_poly {
  bool failed; /* too long, or too large numbers */
  int count;
  int64_t constant;
  tni_monomial terms[TNI_POLY_TERMS];
} tni_poly;

/* The lane of a vector access: 0..lanes. */
extern const tn_expr tni_lane_atom;

static inline bool tni_is_index(const tn_expr *x) { return TN_TYPE_CODE(x->type) == TN_CODE_INDEX; }
static inline bool tni_is_integer(const tn_expr *x) {
  return tni_is_index(x) || tni_type_is_int(TN_TYPE_WITH_LANES(x->type, 1));
}
/* The number that x divides by, if it is one that is positive; else 0. */
int64_t tni_divisor_of(const tn_expr *x);
/* Variables by creation, then everything else by structure. */
int tni_compare_atoms(const tn_expr *a, const tn_expr *b);

tni_poly tni_poly_of(const tn_expr *x);
tni_poly tni_poly_number(int64_t c);
void tni_poly_copy(tni_poly *to, const tni_poly *p);
void tni_poly_add_constant(tni_poly *p, int64_t c, int64_t scale);
/* p += scale * q */
void tni_poly_add(tni_poly *p, const tni_poly *q, int64_t scale);
/* p += a * b */
void tni_poly_add_product(tni_poly *p, const tni_poly *a, const tni_poly *b);
/* p >= 0 says the same when divided by what divides all factors, since what they stand before are integers. */
void tni_poly_tighten(tni_poly *p);
/* Divides by d > 0. False, and nothing is done: there would be a rest. */
bool tni_poly_divide(tni_poly *p, int64_t d);
/* p = factor * atom + rest. False: not linear in the atom. */
bool tni_poly_split(const tni_poly *p, const tn_expr *atom, tni_poly *factor, tni_poly *rest);

/* ---- known.c --------------------------------------------------------------------------------------------------- */

struct tni_prover_range {
  const tn_expr *var;
  tni_poly first, last; /* first <= var <= last */
};
struct tni_prover_fact {
  tni_poly sum; /* >= 0 */
};

#endif
