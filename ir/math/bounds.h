/* bounds.h -- the table of math operators: how far a result may be from the exact one.
 *
 *     UNARY or BINARY(name, f32, f64, below)
 *
 *     f32, f64   the greatest error, in units of the last place of the exact result (of the least normal number's where the
 *                result is below that). UNARY of f32: what was found over all 2^32 arguments, rounded up. f64, and two
 *                operands: what was found over many, and some air. f16, bf16 and the 8-bit floats are computed in f32 and
 *                rounded once more
 *     below      on f64 the bound holds for |x| < below; on f32 it holds everywhere
 *
 * The oracles are the C library's double functions for f32 and libquadmath for f64: test/ir/math_exhaustive.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_MATH_BOUNDS_H
#define TNI_MATH_BOUNDS_H

#define TNI_MATH_EVERYWHERE 0x1.fffffffffffffp1023

/* clang-format off */
#define TNI_MATH_BOUNDS(UNARY, BINARY) \
  UNARY(exp,     0.90, 1.00, TNI_MATH_EVERYWHERE) \
  UNARY(exp2,    0.95, 1.00, TNI_MATH_EVERYWHERE) \
  UNARY(expm1,   1.45, 2.00, TNI_MATH_EVERYWHERE) \
  UNARY(log,     0.90, 1.25, TNI_MATH_EVERYWHERE) \
  UNARY(log2,    1.15, 1.25, TNI_MATH_EVERYWHERE) \
  UNARY(log10,   1.10, 1.25, TNI_MATH_EVERYWHERE) \
  UNARY(log1p,   1.05, 1.25, TNI_MATH_EVERYWHERE) \
  UNARY(tanh,    2.45, 3.00, TNI_MATH_EVERYWHERE) \
  UNARY(sinh,    1.85, 2.50, TNI_MATH_EVERYWHERE) \
  UNARY(cosh,    1.85, 2.00, TNI_MATH_EVERYWHERE) \
  UNARY(asinh,   1.95, 3.00, TNI_MATH_EVERYWHERE) \
  UNARY(acosh,   2.15, 3.00, TNI_MATH_EVERYWHERE) \
  UNARY(atanh,   2.15, 3.00, TNI_MATH_EVERYWHERE) \
  UNARY(erf,     1.55, 1.50, TNI_MATH_EVERYWHERE) \
  UNARY(erfc,    3.40, 3.00, TNI_MATH_EVERYWHERE) \
  UNARY(sigmoid, 2.45, 2.50, TNI_MATH_EVERYWHERE) \
  UNARY(sin,     0.51, 1.00, 0x1p50) \
  UNARY(cos,     0.51, 1.00, 0x1p50) \
  UNARY(tan,     0.51, 2.50, 0x1p50) \
  UNARY(asin,    1.85, 2.50, TNI_MATH_EVERYWHERE) \
  UNARY(acos,    1.10, 2.00, TNI_MATH_EVERYWHERE) \
  UNARY(atan,    1.90, 2.50, TNI_MATH_EVERYWHERE) \
  BINARY(atan2,  2.10, 2.50, TNI_MATH_EVERYWHERE) \
  BINARY(pow,    0.60, 1.50, TNI_MATH_EVERYWHERE) \
  UNARY(cbrt,    0.80, 1.00, TNI_MATH_EVERYWHERE) \
  UNARY(rsqrt,   1.50, 1.50, TNI_MATH_EVERYWHERE)
/* clang-format on */

#endif
