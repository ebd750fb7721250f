/* math.c -- the math operators on f32, defined by the other operators. Interpreter and compiled code both run these
 * definitions, so they agree bit for bit; a C library's functions only measure the error.
 *
 *     operator   method                                                                        greatest error, in ulp
 *     exp        r = x - n ln 2; polynomial; scaled by 2^n in two steps, so subnormals round once            0.85
 *     log        m 2^k with m in [sqrt(1/2), sqrt(2)); f - f^2/2 + f^3 P(f) + k ln 2, summed with its rest   0.85
 *     tanh       e / (e + 2) of |x| with e = exp(2|x|) - 1 from the same reduction                           2.35
 *     erf        |x| < 0.93: x + x P(x^2); else 1 - 2^-G(|x|)                                                1.42
 *     sigmoid    z = exp(-|x|); 1 / (1 + z), or z / (1 + z) below 0                                          2.33
 *     pow        2^(y log2 |x|) in f64, rounded once                                                         0.55
 *     sin, cos   reduced by pi/2 and evaluated in f64, rounded once; |x| below 2^50                          0.51
 *
 * The errors are the greatest found at every 257th of all bit patterns (test/ir/test_math.c walks a part of them
 * again). A NaN gives NaN, infinities and zeros give what C says. From 2^50 upwards sin is 0 and cos is 1: there a
 * neighbouring float is many turns away. All is without branches and works lane by lane; constants are broadcast to the
 * lanes of the operand. Clamps are written as compare and select, which let NaN pass.
 *
 * The polynomials are minimax fits (weighted least squares, the weights driven to equal errors, coefficients rounded
 * to f32 one by one, each time fitting the others again), made for this file.
 *
 * f16 and bf16 are computed in f32 and rounded. f64 is not defined yet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "maker.h"

static expr expand_single(const maker *m, enum tn_op op, expr x, expr y) {
  switch (op) {
  case TN_OP_exp: return tni_math_exp(m, x);
  case TN_OP_log: return tni_math_log(m, x);
  case TN_OP_tanh: return tni_math_tanh(m, x);
  case TN_OP_erf: return tni_math_erf(m, x);
  case TN_OP_sigmoid: return tni_math_sigmoid(m, x);
  case TN_OP_pow: return tni_math_pow(m, x, y);
  case TN_OP_sin: return tni_math_sin(m, x);
  case TN_OP_cos: return tni_math_cos(m, x);
  default: assert(!"not a math operator"); return NULL;
  }
}

const tn_expr *tni_math_expand(tni_region *r, const tn_expr *x, const char **why) {
  maker m = {r, TN_TYPE_LANES(x->type)};
  assert(x->op < TN_OP_COUNT && (tni_ops[x->op].flags & TN_OPF_MATH));
  if (TN_TYPE_BITS(x->type) == 64) {
    if (why) *why = "math operators are defined on f32, f16 and bf16; cast f64 to f32 first";
    return NULL;
  }
  if (why) *why = NULL;
  expr a = to_f32(&m, x->arg[0]);
  expr b = x->nargs > 1 ? to_f32(&m, x->arg[1]) : NULL;
  return tni_cast(r, x->type, expand_single(&m, (enum tn_op)x->op, a, b));
}
