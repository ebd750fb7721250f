/* ops_linear.c -- converters of matrix products and convolutions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* alpha * x * y + beta * z, transposed operands first. */
static uint32_t transposed(conversion *c, uint32_t x, const char *flag) {
  static const int64_t perm[] = {1, 0};
  if (value_of(c, x)->rank != 2) fail(c, TN_E_INVALID, "an operand is not a matrix");
  if (!attr_int(c, flag, 0)) return x;
  set_ints(c, "perm", 2, perm);
  return emit1(c, "transpose", x, NULL);
}
static uint32_t scaled(conversion *c, uint32_t x, double by, const char *name) {
  return by == 1 ? x : emit2(c, "mul", x, const_number(c, value_of(c, x)->type, by), name);
}
void tni_convert_gemm(conversion *c) {
  uint32_t x = transposed(c, input(c, 0), "transA"), y = transposed(c, input(c, 1), "transB");
  double alpha = attr_float(c, "alpha", 1), beta = attr_float(c, "beta", 1);
  bool add = has_input(c, 2) && beta != 0;
  uint32_t product = emit2(c, "matmul", x, y, add || alpha != 1 ? NULL : out_name(c, 0));
  product = scaled(c, product, alpha, add ? NULL : out_name(c, 0));
  if (add) {
    tni_gvalue before = *value_of(c, product);
    product = emit2(c, "add", product, scaled(c, input(c, 2), beta, NULL), out_name(c, 0));
    const tni_gvalue *after = value_of(c, product);
    if (ok(c) && (after->rank != before.rank || memcmp(after->shape, before.shape, 2 * sizeof(int64_t)) != 0))
      fail(c, TN_E_INVALID, "C does not broadcast to the product");
  }
  give(c, 0, product);
}
