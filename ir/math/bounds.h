/* bounds.h -- the table of math operators: how far a result may be from the exact one.
 *
 *     UNARY or BINARY(name, f32, f64, below)
 *
 *     f32, f64   the greatest error, in units of the last place of the exact result (of the least normal number's where the
 *                result is below that): what was found over every seventh argument of f32, over many of f64 and of two
 *                operands, and some air. f16, bf16 and the 8-bit floats are computed in f32 and rounded once more
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
  UNARY(exp,     1.0, 1.0, TNI_MATH_EVERYWHERE) \
  UNARY(exp2,    1.0, 1.0, TNI_MATH_EVERYWHERE) \
  UNARY(expm1,   2.0, 2.0, TNI_MATH_EVERYWHERE) \
  UNARY(log,     1.25, 1.25, TNI_MATH_EVERYWHERE) \
  UNARY(log2,    1.5, 1.25, TNI_MATH_EVERYWHERE) \
  UNARY(log10,   1.25, 1.25, TNI_MATH_EVERYWHERE) \
  UNARY(log1p,   1.25, 1.25, TNI_MATH_EVERYWHERE) \
  UNARY(tanh,    3.0, 3.0, TNI_MATH_EVERYWHERE) \
  UNARY(sinh,    2.5, 2.5, TNI_MATH_EVERYWHERE) \
  UNARY(cosh,    2.5, 2.0, TNI_MATH_EVERYWHERE) \
  UNARY(asinh,   3.0, 3.0, TNI_MATH_EVERYWHERE) \
  UNARY(acosh,   3.0, 3.0, TNI_MATH_EVERYWHERE) \
  UNARY(atanh,   3.0, 3.0, TNI_MATH_EVERYWHERE) \
  UNARY(erf,     2.0, 1.5, TNI_MATH_EVERYWHERE) \
  UNARY(erfc,    4.0, 3.0, TNI_MATH_EVERYWHERE) \
  UNARY(sigmoid, 3.0, 2.5, TNI_MATH_EVERYWHERE) \
  UNARY(sin,     0.6, 1.0, 0x1p50) \
  UNARY(cos,     0.6, 1.0, 0x1p50) \
  UNARY(tan,     0.6, 2.5, 0x1p50) \
  UNARY(asin,    2.5, 2.5, TNI_MATH_EVERYWHERE) \
  UNARY(acos,    2.0, 2.0, TNI_MATH_EVERYWHERE) \
  UNARY(atan,    2.5, 2.5, TNI_MATH_EVERYWHERE) \
  BINARY(atan2,  2.5, 2.5, TNI_MATH_EVERYWHERE) \
  BINARY(pow,    0.6, 1.5, TNI_MATH_EVERYWHERE) \
  UNARY(cbrt,    1.0, 1.0, TNI_MATH_EVERYWHERE) \
  UNARY(rsqrt,   1.5, 1.5, TNI_MATH_EVERYWHERE)
/* clang-format on */

#endif
