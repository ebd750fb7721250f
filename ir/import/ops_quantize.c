/* ops_quantize.c -- converters of quantized operators: what they mean in numbers.
 *
 *     real = (q - zero_point) * scale          q = saturate(round(real / scale) + zero_point), ties to even
 *
 * Products of quantized numbers are sums in i32, which is exact as long as nothing wraps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "convert.h"

/* A scale or zero point as it broadcasts with x: one number, one per element of the axis, or one per block of elements. */
static uint32_t spread(conversion *c, uint32_t v, const tni_gvalue *x) {
  tni_gvalue p = *value_of(c, v);
  int64_t block = attr_int(c, "block_size", 0);
  if (!ok(c) || tni_gvalue_numel(&p) == 1) return reshape(c, v, 0, NULL, NULL);
  int32_t axis = normal_axis(c, attr_int(c, "axis", 1), x->rank);
  if (!ok(c)) return TNI_NO_VALUE;
  int64_t shape[TN_MAX_RANK];
  if (block == 0) {
    for (int32_t i = 0; i < x->rank; i++) shape[i] = i == axis ? x->shape[i] : 1;
    if (p.rank == 1 && p.shape[0] == x->shape[axis]) return reshape(c, v, x->rank, shape, NULL);
    return fail(c, TN_E_INVALID, "scale or zero point is not one number per element of axis %d", axis), TNI_NO_VALUE;
  }
  bool fits = p.rank == x->rank && block > 0;
  for (int32_t i = 0; i < x->rank && fits; i++)
    fits = p.shape[i] == (i == axis ? (x->shape[i] + block - 1) / block : x->shape[i]);
  if (!fits)
    return fail(c, TN_E_INVALID, "scale or zero point is not one number per block of axis %d", axis), TNI_NO_VALUE;
  uint32_t at = with_number(c, "div", counting(c, TN_I64, x->shape[axis], 1, 0), (double)block);
  set_int(c, "axis", axis);
  return emit2(c, "gather", v, at, NULL);
}

/* To the nearest number of the type, which zero_point (or TNI_NO_VALUE) has too. */
static uint32_t saturated(conversion *c, uint32_t x, uint32_t zero_point, tn_type type) {
  char text[16];
  bool is_float = tni_type_is_float(type);
  if (!is_float) x = emit1(c, "round", x, NULL);
  if (zero_point != TNI_NO_VALUE) x = emit2(c, "add", x, cast_to(c, zero_point, value_of(c, x)->type), NULL);
  if (is_float) set_int(c, "saturate", attr_int(c, "saturate", 1));
  set_string(c, "to", tn_type_text(type, text));
  return emit1(c, "cast", x, NULL);
}

static tn_type output_type(conversion *c, uint32_t zero_point, const char *attr, tn_type otherwise) {
  if (zero_point != TNI_NO_VALUE) return value_of(c, zero_point)->type;
  int64_t onnx = attr_int(c, attr, 0);
  tn_type type = onnx ? tni_onnx_type(onnx) : otherwise;
  if (!type) fail(c, TN_E_UNSUPPORTED, "data type %lld is not supported", (long long)onnx);
  return type;
}

/* Is it known to be 0 everywhere? */
static bool is_zero(const tni_gvalue *v) {
  size_t bytes = v->data ? tn_array_bytes(v->type, tni_gvalue_numel(v)) : 0, i = 0;
  while (i < bytes && ((const char *)v->data)[i] == 0) i++;
  return v->data && i == bytes;
}

void tni_convert_quantize_linear(conversion *c) {
  tni_gvalue x = *in(c, 0);
  uint32_t zero_point = input(c, 2);
  tn_type type = output_type(c, zero_point, "output_dtype", TN_U8), work = tni_sum_type(in(c, 1)->type);
  uint32_t scale = cast_to(c, spread(c, input(c, 1), &x), work);
  uint32_t real = emit2(c, "div", cast_to(c, input(c, 0), work), scale, NULL);
  if (has_input(c, 2) && tni_type_is_float(type) && is_zero(in(c, 2))) zero_point = TNI_NO_VALUE; /* as it mostly is */
  if (zero_point != TNI_NO_VALUE) zero_point = spread(c, zero_point, &x);
  finish(c, 0, saturated(c, real, zero_point, type));
}

void tni_convert_dequantize_linear(conversion *c) {
  tni_gvalue x = *in(c, 0);
  tn_type type = output_type(c, TNI_NO_VALUE, "output_dtype", in(c, 1)->type), work = tni_sum_type(in(c, 1)->type);
  uint32_t real = cast_to(c, input(c, 0), work);
  if (has_input(c, 2)) real = emit2(c, "sub", real, cast_to(c, spread(c, input(c, 2), &x), work), NULL);
  real = emit2(c, "mul", real, cast_to(c, spread(c, input(c, 1), &x), work), NULL);
  finish(c, 0, cast_to(c, real, type));
}

/* To u8, with the scale and zero point that fit the range of x and 0. */
void tni_convert_dynamic_quantize_linear(conversion *c) {
  uint32_t x = input(c, 0), ends[2];
  for (int i = 0; i < 2; i++) {
    set_int(c, "keepdims", 0);
    ends[i] = with_number(c, i ? "max" : "min", emit1(c, i ? "reduce_max" : "reduce_min", x, NULL), 0);
  }
  uint32_t scale = with_number(c, "div", emit2(c, "sub", ends[1], ends[0], NULL), 255);
  uint32_t zero_point = saturated(c, emit1(c, "neg", emit2(c, "div", ends[0], scale, NULL), NULL), TNI_NO_VALUE, TN_U8);
  finish(c, 0, saturated(c, emit2(c, "div", x, scale, NULL), zero_point, TN_U8));
  finish(c, 1, scale);
  finish(c, 2, zero_point);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* Input `value` minus its zero point, in i32. A list of zero points or scales lies along dimension `axis` of `rank`. */
static uint32_t aligned(conversion *c, uint32_t i, int32_t rank, int32_t axis) {
  int64_t shape[TN_MAX_RANK];
  tni_gvalue v = *in(c, i);
  if (!ok(c) || v.rank > 1 || rank < 1) return input(c, i);
  if (tni_gvalue_numel(&v) == 1) return reshape(c, input(c, i), 0, NULL, NULL);
  for (int32_t k = 0; k < rank; k++) shape[k] = k == axis ? v.shape[0] : 1;
  return reshape(c, input(c, i), rank, shape, NULL);
}

static uint32_t centred(conversion *c, uint32_t value, uint32_t zero_point, int32_t axis) {
  int32_t rank = in(c, value)->rank;
  uint32_t x = cast_to(c, input(c, value), TN_I32);
  if (!has_input(c, zero_point)) return x;
  return emit2(c, "sub", x, cast_to(c, aligned(c, zero_point, rank, axis < 0 ? axis + rank : axis), TN_I32), NULL);
}

#define MOST_PRODUCT (255 * 255.0)
#define MOST_SUM 0x1p24 /* up to which f32 holds all */
#define FAR 512 /* what is so large is saturated in any case */

/* The largest magnitude of input i, i32 or absent; infinite when it is not known. */
static double most_of(conversion *c, uint32_t i) {
  if (!has_input(c, i)) return 0;
  const tni_gvalue *v = in(c, i);
  double most = v->data && v->type == TN_I32 ? 0 : INFINITY;
  for (int64_t k = 0; v->data && k < tni_gvalue_numel(v) && most < MOST_SUM; k++)
    most = fmax(most, fabs((double)tni_read_element(v->type, v->data, k).i));
  return most;
}

/* The least and the largest of scales, if they are known and positive. */
static bool find_range(const tni_gvalue *v, float *least, float *most) {
  *least = INFINITY, *most = 0;
  for (int64_t k = 0; v->data && v->type == TN_F32 && k < tni_gvalue_numel(v); k++) {
    float scale = (float)tni_read_element(v->type, v->data, k).f;
    if (!(scale > 0)) return false;
    *least = fminf(*least, scale), *most = fmaxf(*most, scale);
  }
  return *most > 0;
}

/* Are sums that f32 does not hold saturated in any case, by the scales of x, w and y? Roundings keep numbers in order. */
static bool are_saturated(conversion *c) {
  float least[3], most[3];
  if (!find_range(in(c, 1), &least[0], &most[0]) || !find_range(in(c, 4), &least[1], &most[1])) return false;
  if (!find_range(in(c, 6), &least[2], &most[2])) return false;
  float both = least[0] * least[1];
  return both / most[2] * MOST_SUM >= FAR;
}

/* sum * scale to the nearest, ties to even, and the zero point: exactly. */
static void requantize_exactly(conversion *c, uint32_t sum, uint32_t scale, const tni_gvalue *zero_point, bool is_short) {
  char text[16];
  set_int(c, "short", is_short);
  set_string(c, "to", tn_type_text(zero_point->type, text));
  set_int(c, "zero_point", tni_read_element(zero_point->type, zero_point->data, 0).i);
  finish(c, 0, emit2(c, "requantize", sum, scale, NULL));
}

/* sum * (x_scale * w_scale / y_scale), quantized; the sum is at most so large. */
static void requantize(conversion *c, uint32_t sum, uint32_t x_scale, uint32_t w_scale, uint32_t y_scale,
                       uint32_t zero_point, double most) {
  tn_type work = tni_sum_type(value_of(c, x_scale)->type);
  bool exactly = value_of(c, x_scale)->type == TN_F32 && value_of(c, sum)->type == TN_I32;
  bool is_short = most <= MOST_SUM || are_saturated(c);
  uint32_t scale = emit2(c, "mul", cast_to(c, x_scale, work), cast_to(c, w_scale, work), NULL);
  scale = emit2(c, "div", scale, cast_to(c, y_scale, work), NULL);
  tni_gvalue point = *value_of(c, zero_point);
  if (exactly && ok(c) && point.data && tni_gvalue_numel(&point) == 1 && (point.type == TN_U8 || point.type == TN_I8)) {
    requantize_exactly(c, sum, scale, &point, is_short);
    return;
  }
  uint32_t real = emit2(c, "mul", cast_to(c, sum, work), scale, NULL);
  finish(c, 0, saturated(c, real, zero_point, value_of(c, zero_point)->type));
}

/* Is there a zero point that is not known to be 0? */
static bool is_shifted(conversion *c, uint32_t zero_point) {
  return has_input(c, zero_point) && !is_zero(in(c, zero_point));
}

/* sum (x - a) (y - b) over k = sum x y - a (sum y - k b) - b sum x, in i32, where everything wraps alike: x and y
 * stay bytes, which targets multiply many at a time, and of constants their sum is one. */
static uint32_t shifted_product(conversion *c, uint32_t xi, uint32_t ai, uint32_t yi, uint32_t bi) {
  tni_gvalue x = *in(c, xi), y = *in(c, yi);
  uint32_t sums = TNI_NO_VALUE, by = TNI_NO_VALUE;
  set_string(c, "to", "i32");
  uint32_t product = emit2(c, "matmul", input(c, xi), input(c, yi), NULL);
  if (is_shifted(c, bi)) by = cast_to(c, aligned(c, bi, y.rank, y.rank - 1), TN_I32);
  if (is_shifted(c, ai)) {
    int64_t axis = y.rank - 2;
    sums = reduced(c, "reduce_sum", cast_to(c, input(c, yi), TN_I32), 1, &axis, true);
    if (by != TNI_NO_VALUE) sums = emit2(c, "sub", sums, with_number(c, "mul", by, (double)x.shape[x.rank - 1]), NULL);
    sums = emit2(c, "mul", cast_to(c, aligned(c, ai, x.rank, x.rank - 2), TN_I32), sums, NULL);
    product = emit2(c, "sub", product, sums, NULL);
  }
  if (by == TNI_NO_VALUE) return product;
  int64_t axis = x.rank - 1;
  sums = reduced(c, "reduce_sum", cast_to(c, input(c, xi), TN_I32), 1, &axis, true);
  return emit2(c, "sub", product, emit2(c, "mul", by, sums, NULL), NULL);
}

static bool is_byte(tn_type type) { return type == TN_I8 || type == TN_U8; }

/* The product of inputs x and y less their zero points a and b, which may be absent. */
static uint32_t integer_product(conversion *c, uint32_t x, uint32_t a, uint32_t y, uint32_t b) {
  if (is_byte(in(c, x)->type) && is_byte(in(c, y)->type) && in(c, x)->rank >= 2 && in(c, y)->rank >= 2)
    return shifted_product(c, x, a, y, b);
  return emit2(c, "matmul", centred(c, x, a, -2), centred(c, y, b, -1), NULL);
}

void tni_convert_matmul_integer(conversion *c) { finish(c, 0, integer_product(c, 0, 2, 1, 3)); }

void tni_convert_qlinear_matmul(conversion *c) {
  uint32_t sum = integer_product(c, 0, 2, 3, 5);
  int32_t rank = value_of(c, sum)->rank;
  const tni_gvalue *x = in(c, 0);
  double most = MOST_PRODUCT * (double)(x->rank > 0 ? x->shape[x->rank - 1] : 0);
  requantize(c, sum, aligned(c, 1, rank, rank - 2), aligned(c, 4, rank, rank - 1), input(c, 6), input(c, 7), most);
}

static uint32_t integer_conv(conversion *c, uint32_t x, uint32_t w, uint32_t bias) {
  uint32_t inputs[] = {x, w, bias};
  pass_attrs(c, "conv");
  return emit_n(c, "conv", 3, inputs, NULL);
}

void tni_convert_conv_integer(conversion *c) {
  finish(c, 0, integer_conv(c, centred(c, 0, 2, 0), centred(c, 1, 3, 0), TNI_NO_VALUE));
}

void tni_convert_qlinear_conv(conversion *c) {
  uint32_t sum = integer_conv(c, centred(c, 0, 2, 0), centred(c, 3, 5, 0), input(c, 8));
  int32_t rank = value_of(c, sum)->rank;
  const tni_gvalue *w = in(c, 3);
  double sums = w->rank > 0 && w->shape[0] > 0 ? (double)(tni_gvalue_numel(w) / w->shape[0]) : 0;
  double most = MOST_PRODUCT * sums + most_of(c, 8);
  requantize(c, sum, input(c, 1), aligned(c, 4, rank, 1), input(c, 6), input(c, 7), most);
}
