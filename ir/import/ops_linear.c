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

/* Columns (n, c * taps, blocks) added up where they overlap: a transposed convolution, each tap of weight 1 of its own. */
void tni_convert_col2im(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int32_t dims, count, stride_count, dilation_count, pad_count;
  const int64_t *image = known_ints(c, 1, "image_shape", &dims), *block = known_ints(c, 2, "block_shape", &count);
  const int64_t *strides = attr_ints(c, "strides", &stride_count),
                *dilations = attr_ints(c, "dilations", &dilation_count), *pads = attr_ints(c, "pads", &pad_count);
  if (!ok(c)) return;
  if (x.rank != 3 || dims < 1 || dims > TN_MAX_RANK - 2 || count != dims || (strides && stride_count != dims) ||
      (dilations && dilation_count != dims) || (pads && pad_count != 2 * dims))
    return fail(c, TN_E_INVALID, "the shapes and attributes do not fit");
  int64_t taps = 1, columns[TN_MAX_RANK] = {x.shape[0], x.shape[1]}, weights[TN_MAX_RANK] = {1, 1}, blocks = 1;
  for (int32_t i = 0; i < dims; i++) {
    int64_t stride = strides ? strides[i] : 1, dilation = dilations ? dilations[i] : 1;
    if (block[i] < 1 || block[i] > 1 << 10 || image[i] < 1 || image[i] > 1 << 30 || stride < 1 || dilation < 1 ||
        dilation > 1 << 30 ||
        (pads && (pads[i] < 0 || pads[i] > 1 << 30 || pads[dims + i] < 0 || pads[dims + i] > 1 << 30)))
      return fail(c, TN_E_INVALID, "a shape or an attribute is out of range");
    int64_t room = image[i] + (pads ? pads[i] + pads[dims + i] : 0) - dilation * (block[i] - 1) - 1;
    columns[2 + i] = room < 0 ? 0 : room / stride + 1;
    weights[2 + i] = block[i];
    taps *= block[i];
    if (taps > 1 << 12 || __builtin_mul_overflow(blocks, columns[2 + i], &blocks))
      return fail(c, TN_E_INVALID, "a shape or an attribute is out of range");
  }
  if (x.shape[1] > (1 << 22) / taps) return fail(c, TN_E_LIMIT, "%lld columns are too many", (long long)x.shape[1]);
  if (x.shape[1] % taps || blocks != x.shape[2]) return fail(c, TN_E_INVALID, "the columns do not fill the image");
  int64_t channels = x.shape[1] / taps;
  weights[0] = taps;
  uint32_t one = emit2(c, "equal", counting(c, TN_I64, taps, 2, 0), counting(c, TN_I64, taps, 2, 1), NULL);
  int64_t repeated[3] = {channels, taps, taps};
  set_ints(c, "shape", 3, repeated);
  one = cast_to(c, emit1(c, "expand", one, NULL), x.type);
  weights[0] = x.shape[1];
  one = reshape(c, one, 2 + dims, weights, NULL);
  uint32_t y = reshape(c, input(c, 0), 2 + dims, columns, NULL);
  pass_attrs(c, "conv_transpose");
  set_int(c, "group", channels);
  int64_t rest[TN_MAX_RANK];
  for (int32_t i = 0; i < dims; i++) {
    int64_t stride = strides ? strides[i] : 1, dilation = dilations ? dilations[i] : 1;
    rest[i] = image[i] + (pads ? pads[i] + pads[dims + i] : 0) -
              (stride * (columns[2 + i] - 1) + dilation * (block[i] - 1) + 1);
  }
  set_ints(c, "output_padding", dims, rest);
  finish(c, 0, emit2(c, "conv_transpose", y, one, NULL));
}

/* A convolution per channel that sees what came before: the state is in front of the input, and its end is the next state. */
void tni_convert_causal_conv(conversion *c) {
  tni_gvalue x = *in(c, 0), w = *in(c, 1);
  const char *activation = attr_string(c, "activation", "none");
  bool silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
  if (!silu && strcmp(activation, "none") != 0)
    return fail(c, TN_E_INVALID, "there is no activation `%.32s`", activation);
  if (!ok(c)) return;
  if (x.rank != 3 || w.rank != 3 || w.shape[2] < 1) return fail(c, TN_E_INVALID, "input and weights are not of rank 3");
  int64_t before = w.shape[2] - 1, pads[] = {0, 0, before, 0, 0, 0};
  uint32_t padded;
  if (has_input(c, 3)) {
    set_int(c, "axis", 2);
    padded = emit2(c, "concat", input(c, 3), input(c, 0), NULL);
  } else {
    set_ints(c, "pads", 6, pads);
    padded = emit1(c, "pad", input(c, 0), NULL);
  }
  set_int(c, "group", x.shape[1]);
  uint32_t operands[] = {padded, input(c, 1), input(c, 2)}, y = emit_n(c, "conv", 3, operands, NULL);
  finish(c, 0, silu ? emit1(c, "swish", y, NULL) : y);
  if (wants(c, 1))
    finish(c, 1, sliced(c, padded, 2, value_of(c, padded)->shape[2] - before, value_of(c, padded)->shape[2]));
}
