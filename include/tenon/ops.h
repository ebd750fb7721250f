/* tenon/ops.h -- the table of expression operators. One row is one operator: the same spelling is the enumerator
 * (TN_OP_add), the mnemonic in the text form and the suffix of every handler.
 *
 *   OP(name, arity, typing, flags, meaning)
 *
 * Typing rules (T is any type, lanes must agree; result after the arrow):
 *   SAME    T.. -> T             numbers            FLOAT   F.. -> F           floating point only
 *   INT     I.. -> I             integers, bool     COMPARE T, T -> bool       the lanes of T
 *   SELECT  bool, T, T -> T                         OTHER   stated by the constructor (arity is the least)
 *
 * Every operator is total. Data integers wrap; `index` is a mathematical integer. NaNs are equal to each other only in
 * the sense that their payload is unspecified: eq(NaN, NaN) is false as in IEEE 754.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_OPS_H
#define TENON_OPS_H

enum { TN_OPF_COMM = 1, TN_OPF_ASSOC = 2, TN_OPF_LEAF = 4, TN_OPF_MATH = 8 };

/* clang-format off */
#define TN_OPS(OP) \
  OP(const,     0, OTHER,   LEAF,         "a number of its type") \
  OP(var,       0, OTHER,   LEAF,         "a variable: loop, block iterator, let or scalar parameter") \
  OP(add,       2, SAME,    COMM | ASSOC, "a + b; integers wrap") \
  OP(sub,       2, SAME,    NONE,         "a - b; integers wrap") \
  OP(mul,       2, SAME,    COMM | ASSOC, "a * b; integers wrap") \
  OP(div,       2, SAME,    NONE,         "a / b; floats as IEEE 754, integers truncate, x / 0 is 0, INT_MIN / -1 wraps") \
  OP(mod,       2, SAME,    NONE,         "a - b * trunc(a / b) on integers, x mod 0 is 0; C's fmod on floats") \
  OP(floordiv,  2, INT,     NONE,         "floor(a / b); x // 0 is 0") \
  OP(floormod,  2, INT,     NONE,         "a - b * floor(a / b), the sign of b; x % 0 is 0") \
  OP(min,       2, SAME,    COMM | ASSOC, "the smaller; NaN if either is NaN; -0 is below +0") \
  OP(max,       2, SAME,    COMM | ASSOC, "the larger; NaN if either is NaN; +0 is above -0") \
  OP(neg,       1, SAME,    NONE,         "-a; integers wrap; floats flip the sign bit") \
  OP(abs,       1, SAME,    NONE,         "absolute value; INT_MIN wraps; floats clear the sign bit") \
  OP(fma,       3, FLOAT,   NONE,         "a * b + c, rounded once") \
  OP(eq,        2, COMPARE, COMM,         "a == b") \
  OP(ne,        2, COMPARE, COMM,         "a != b; true if either is NaN") \
  OP(lt,        2, COMPARE, NONE,         "a < b") \
  OP(le,        2, COMPARE, NONE,         "a <= b") \
  OP(and,       2, INT,     COMM | ASSOC, "bitwise and; logical on bool") \
  OP(or,        2, INT,     COMM | ASSOC, "bitwise or; logical on bool") \
  OP(xor,       2, INT,     COMM | ASSOC, "bitwise exclusive or") \
  OP(not,       1, INT,     NONE,         "bitwise complement; logical on bool") \
  OP(shl,       2, INT,     NONE,         "a << b; 0 if b is outside 0..bits") \
  OP(shr,       2, INT,     NONE,         "a >> b, arithmetic if signed; if b is outside 0..bits: 0, or -1 if a < 0") \
  OP(select,    3, SELECT,  NONE,         "c ? a : b; both are evaluated") \
  OP(cast,      1, OTHER,   NONE,         "number to number: float to int truncates, saturates, NaN is 0; to bool is != 0; int to int wraps; to float is nearest, ties to even, too large is infinity, or NaN in a type without") \
  OP(reinterpret, 1, OTHER, NONE,         "the same bits as another type of the same size") \
  OP(sqrt,      1, FLOAT,   NONE,         "correctly rounded; NaN below -0") \
  OP(floor,     1, FLOAT,   NONE,         "towards minus infinity") \
  OP(ceil,      1, FLOAT,   NONE,         "towards plus infinity") \
  OP(trunc,     1, FLOAT,   NONE,         "towards zero") \
  OP(round,     1, FLOAT,   NONE,         "to nearest, ties to even") \
  OP(exp,       1, FLOAT,   MATH,         "e to the a") \
  OP(log,       1, FLOAT,   MATH,         "natural logarithm; -inf at 0, NaN below") \
  OP(tanh,      1, FLOAT,   MATH,         "hyperbolic tangent") \
  OP(erf,       1, FLOAT,   MATH,         "error function") \
  OP(sigmoid,   1, FLOAT,   MATH,         "1 / (1 + exp(-a))") \
  OP(pow,       2, FLOAT,   MATH,         "a to the b, special cases as C's pow") \
  OP(sin,       1, FLOAT,   MATH,         "sine, a in radians") \
  OP(cos,       1, FLOAT,   MATH,         "cosine, a in radians") \
  OP(load,      0, OTHER,   NONE,         "an element of a buffer; with a condition: 0 where it is false, and no access") \
  OP(call,      0, OTHER,   NONE,         "an external function of the host") \
  OP(ramp,      2, OTHER,   NONE,         "(a, a + b, a + 2 b, ...), lanes of the type") \
  OP(broadcast, 1, OTHER,   NONE,         "(a, a, ...), lanes of the type")
/* clang-format on */

enum tn_op {
#define TN_OP_ENUM(name, arity, typing, flags, meaning) TN_OP_##name,
  TN_OPS(TN_OP_ENUM)
#undef TN_OP_ENUM
  TN_OP_COUNT
};

#endif
