/* tenon/ops.h -- the table of expression operators. One row is one operator: the same spelling is the enumerator
 * (TN_OP_add), the mnemonic in the text form and the suffix of every handler.
 *
 *   OP(name, arity, typing, origin, flags, meaning)
 *
 * Typing rules (T is any type, lanes must agree; result after the arrow):
 *   SAME    T.. -> T             numbers            FLOAT   F.. -> F           floating point only
 *   INT     I.. -> I             integers, bool     COMPARE T, T -> bool       the lanes of T
 *   SELECT  bool, T, T -> T                         DATA    W.. -> W           integers, but not bool or index
 *   CONVERT a -> the type that stands before a      OTHER   stated by the constructor (arity is the least)
 *
 * Origin: what a back end owes.
 *   CORE     emitted by every back end. Floats of 16 bits and less may be left to f32: see ir/expand.c
 *   DERIVED  has a default expansion over core operators there; a back end emits it where that gives better code
 *   MATH     a function on floating point that its expansion defines (ir/math/)
 *
 * Every operator is total. Data integers wrap; `index` is a mathematical integer. NaNs are equal to each other only in
 * the sense that their payload is unspecified: eq(NaN, NaN) is false as in IEEE 754.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_OPS_H
#define TENON_OPS_H

/* DERIVED is set for MATH too. */
enum { TN_OPF_COMM = 1, TN_OPF_ASSOC = 2, TN_OPF_LEAF = 4, TN_OPF_MATH = 8, TN_OPF_DERIVED = 16 };

/* clang-format off */
#define TN_OPS(OP) \
  OP(const,       0, OTHER,   CORE,    LEAF,         "a number of its type") \
  OP(var,         0, OTHER,   CORE,    LEAF,         "a variable: loop, block iterator, let or scalar parameter") \
  OP(add,         2, SAME,    CORE,    COMM | ASSOC, "a + b; integers wrap") \
  OP(sub,         2, SAME,    CORE,    NONE,         "a - b; integers wrap") \
  OP(mul,         2, SAME,    CORE,    COMM | ASSOC, "a * b; integers wrap") \
  OP(div,         2, SAME,    CORE,    NONE,         "a / b; floats as IEEE 754, integers truncate, x / 0 is 0, INT_MIN / -1 wraps") \
  OP(mod,         2, SAME,    DERIVED, NONE,         "a - b * trunc(a / b) on integers, x mod 0 is 0; C's fmod on floats") \
  OP(floordiv,    2, INT,     DERIVED, NONE,         "floor(a / b); x // 0 is 0") \
  OP(floormod,    2, INT,     DERIVED, NONE,         "a - b * floor(a / b), the sign of b; x % 0 is 0") \
  OP(min,         2, SAME,    DERIVED, COMM | ASSOC, "the smaller; NaN if either is NaN; -0 is below +0") \
  OP(max,         2, SAME,    DERIVED, COMM | ASSOC, "the larger; NaN if either is NaN; +0 is above -0") \
  OP(neg,         1, SAME,    DERIVED, NONE,         "-a; integers wrap; floats flip the sign bit") \
  OP(abs,         1, SAME,    DERIVED, NONE,         "absolute value; INT_MIN wraps; floats clear the sign bit") \
  OP(fma,         3, FLOAT,   DERIVED, NONE,         "a * b + c, rounded once") \
  OP(eq,          2, COMPARE, CORE,    COMM,         "a == b") \
  OP(ne,          2, COMPARE, CORE,    COMM,         "a != b; true if either is NaN") \
  OP(lt,          2, COMPARE, CORE,    NONE,         "a < b") \
  OP(le,          2, COMPARE, CORE,    NONE,         "a <= b") \
  OP(and,         2, INT,     CORE,    COMM | ASSOC, "bitwise and; logical on bool") \
  OP(or,          2, INT,     CORE,    COMM | ASSOC, "bitwise or; logical on bool") \
  OP(xor,         2, INT,     CORE,    COMM | ASSOC, "bitwise exclusive or") \
  OP(not,         1, INT,     CORE,    NONE,         "bitwise complement; logical on bool") \
  OP(shl,         2, INT,     CORE,    NONE,         "a << b; 0 if b is outside 0..bits") \
  OP(shr,         2, INT,     CORE,    NONE,         "a >> b, arithmetic if signed; if b is outside 0..bits: 0, or -1 if a < 0") \
  OP(shr_round,   2, DATA,    DERIVED, NONE,         "a / 2^b rounded to nearest, ties up; 0 if b is outside 0..bits") \
  OP(mulhi,       2, DATA,    DERIVED, COMM,         "the upper half of the product in twice the bits") \
  OP(add_sat,     2, DATA,    DERIVED, COMM,         "the value of the type nearest to a + b") \
  OP(sub_sat,     2, DATA,    DERIVED, NONE,         "the value of the type nearest to a - b") \
  OP(popcount,    1, DATA,    DERIVED, NONE,         "how many bits are 1") \
  OP(clz,         1, DATA,    DERIVED, NONE,         "how many bits are above the highest 1; all of them for 0") \
  OP(ctz,         1, DATA,    DERIVED, NONE,         "how many bits are below the lowest 1; all of them for 0") \
  OP(select,      3, SELECT,  CORE,    NONE,         "c ? a : b; both are evaluated") \
  OP(cast,        1, CONVERT, CORE,    NONE,         "number to number: float to int truncates, saturates, NaN is 0; to bool is != 0; int to int wraps; to float rounds to nearest even, beyond the type is inf, or NaN if it has none") \
  OP(cast_sat,    1, CONVERT, DERIVED, NONE,         "as cast, but to the nearest finite number of the type; NaN stays NaN, to integers 0") \
  OP(reinterpret, 1, CONVERT, CORE,    NONE,         "the same bits as another type of the same size") \
  OP(sqrt,        1, FLOAT,   CORE,    NONE,         "correctly rounded; NaN below -0") \
  OP(floor,       1, FLOAT,   DERIVED, NONE,         "towards minus infinity") \
  OP(ceil,        1, FLOAT,   DERIVED, NONE,         "towards plus infinity") \
  OP(trunc,       1, FLOAT,   DERIVED, NONE,         "towards zero") \
  OP(round,       1, FLOAT,   DERIVED, NONE,         "to nearest, ties to even") \
  OP(ldexp,       2, FLOAT,   DERIVED, NONE,         "a * 2^floor(b), rounded once; of a NaN with b = inf: inf, with b = -inf: 0") \
  OP(exp,         1, FLOAT,   MATH,    NONE,         "e to the a") \
  OP(exp2,        1, FLOAT,   MATH,    NONE,         "2 to the a") \
  OP(expm1,       1, FLOAT,   MATH,    NONE,         "exp(a) - 1, without loss near 0") \
  OP(log,         1, FLOAT,   MATH,    NONE,         "natural logarithm; -inf at 0, NaN below") \
  OP(log2,        1, FLOAT,   MATH,    NONE,         "logarithm to base 2; log2(2^n) is n") \
  OP(log10,       1, FLOAT,   MATH,    NONE,         "logarithm to base 10") \
  OP(log1p,       1, FLOAT,   MATH,    NONE,         "log(1 + a), without loss near 0") \
  OP(sin,         1, FLOAT,   MATH,    NONE,         "sine, a in radians; of f64 from 2^50 on: 0") \
  OP(cos,         1, FLOAT,   MATH,    NONE,         "cosine, a in radians; of f64 from 2^50 on: 1") \
  OP(tan,         1, FLOAT,   MATH,    NONE,         "tangent, a in radians; of f64 from 2^50 on: 0") \
  OP(asin,        1, FLOAT,   MATH,    NONE,         "arc sine, -pi/2..pi/2; NaN outside -1..1") \
  OP(acos,        1, FLOAT,   MATH,    NONE,         "arc cosine, 0..pi; NaN outside -1..1") \
  OP(atan,        1, FLOAT,   MATH,    NONE,         "arc tangent, -pi/2..pi/2") \
  OP(atan2,       2, FLOAT,   MATH,    NONE,         "the angle of the point (b, a), -pi..pi; special cases as C's atan2") \
  OP(sinh,        1, FLOAT,   MATH,    NONE,         "hyperbolic sine") \
  OP(cosh,        1, FLOAT,   MATH,    NONE,         "hyperbolic cosine") \
  OP(tanh,        1, FLOAT,   MATH,    NONE,         "hyperbolic tangent") \
  OP(asinh,       1, FLOAT,   MATH,    NONE,         "inverse hyperbolic sine") \
  OP(acosh,       1, FLOAT,   MATH,    NONE,         "inverse hyperbolic cosine; NaN below 1") \
  OP(atanh,       1, FLOAT,   MATH,    NONE,         "inverse hyperbolic tangent; NaN outside -1..1") \
  OP(erf,         1, FLOAT,   MATH,    NONE,         "error function") \
  OP(erfc,        1, FLOAT,   MATH,    NONE,         "1 - erf(a), without loss where that is small") \
  OP(sigmoid,     1, FLOAT,   MATH,    NONE,         "1 / (1 + exp(-a))") \
  OP(pow,         2, FLOAT,   MATH,    NONE,         "a to the b, special cases as C's pow") \
  OP(cbrt,        1, FLOAT,   MATH,    NONE,         "cube root") \
  OP(rsqrt,       1, FLOAT,   MATH,    NONE,         "1 / sqrt(a); -inf at -0") \
  OP(load,        0, OTHER,   CORE,    NONE,         "an element of a buffer; with a condition: 0 where it is false, and no access") \
  OP(call,        0, OTHER,   CORE,    NONE,         "an external function of the host") \
  OP(ramp,        2, OTHER,   CORE,    NONE,         "(a, a + b, a + 2 b, ...), lanes of the type") \
  OP(broadcast,   1, OTHER,   CORE,    NONE,         "(a, a, ...), lanes of the type") \
  OP(shuffle,     1, OTHER,   CORE,    NONE,         "lanes of a, or of a and b behind it, picked by a list of their numbers")
/* clang-format on */

enum tn_op {
#define TN_OP_ENUM(name, arity, typing, origin, flags, meaning) TN_OP_##name,
  TN_OPS(TN_OP_ENUM)
#undef TN_OP_ENUM
  TN_OP_COUNT
};

#endif
