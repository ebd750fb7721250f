/* ops_norm.c -- converters of normalizations and softmax.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* One number per channel, of input i, as a shape that broadcasts with (n, c, ...). */
static uint32_t per_channel(conversion *c, uint32_t i, int32_t rank, int64_t channels) {
  int64_t shape[TN_MAX_RANK] = {channels, 1, 1, 1, 1, 1, 1, 1};
  const tni_gvalue *v = in(c, i);
  if (ok(c) && (v->rank != 1 || v->shape[0] != channels))
    fail(c, TN_E_INVALID, "input %u is not one number per channel", i);
  return reshape(c, input(c, i), rank - 1, shape, NULL);
}

/* Mean and variance of the batch; what is kept of them moves by 1 - momentum. */
static void batch_statistics(conversion *c, int32_t rank, int64_t channels, uint32_t *mean, uint32_t *variance) {
  static const int64_t axes[] = {0, 2, 3, 4, 5, 6, 7};
  double momentum = attr_float(c, "momentum", 0.9);
  uint32_t x = input(c, 0), old[2] = {*mean, *variance};
  *mean = reduced(c, "reduce_mean", x, rank - 1, axes, true);
  uint32_t difference = emit2(c, "sub", x, *mean, NULL);
  *variance = reduced(c, "reduce_mean", emit2(c, "mul", difference, difference, NULL), rank - 1, axes, true);
  for (uint32_t i = 0; i < 2 && ok(c); i++) {
    uint32_t now = cast_to(c, i ? *variance : *mean, value_of(c, old[i])->type);
    uint32_t kept =
        emit2(c, "add", with_number(c, "mul", old[i], momentum), with_number(c, "mul", now, 1 - momentum), NULL);
    finish(c, 1 + i, reshape(c, kept, 1, &channels, NULL));
  }
}

/* x * s + (bias - mean * s) with s = scale / sqrt(var + epsilon): all but the first two fold to constants. */
void tni_convert_batch_normalization(conversion *c) {
  tni_gvalue x = *in(c, 0);
  uint32_t p[4];
  bool training = attr_int(c, "training_mode", 0) != 0;
  if (x.rank < 2) fail(c, TN_E_INVALID, "an input of rank %d, at least 2 is needed", x.rank);
  if (attr_int(c, "spatial", 1) == 0 || (wants(c, 1) && !training))
    fail(c, TN_E_UNSUPPORTED, "statistics per position, and training before opset 14, are not supported");
  if (c->m->opset < 7 && !attr_int(c, "is_test", 0))
    fail(c, TN_E_UNSUPPORTED, "training before opset 7 is not supported");
  for (uint32_t i = 0; i < 4 && ok(c); i++) p[i] = per_channel(c, i + 1, x.rank, x.shape[1]);
  if (!ok(c)) return;
  if (training) batch_statistics(c, x.rank, x.shape[1], &p[2], &p[3]);
  uint32_t deviation = emit1(c, "sqrt", with_number(c, "add", p[3], attr_float(c, "epsilon", 1e-5)), NULL);
  uint32_t scale = emit2(c, "div", p[0], deviation, NULL);
  uint32_t shift = emit2(c, "sub", p[1], emit2(c, "mul", p[2], scale, NULL), NULL);
  if (value_of(c, scale)->type != x.type) fail(c, TN_E_UNSUPPORTED, "parameters of another type than the input");
  give(c, 0, emit2(c, "add", emit2(c, "mul", input(c, 0), scale, NULL), shift, out_name(c, 0)));
}

void tni_convert_instance_normalization(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t flat[3] = {x.shape[0], x.shape[1], 1}, channels[2] = {x.shape[1], 1};
  if (x.rank < 3) fail(c, TN_E_INVALID, "an input of rank %d, at least 3 is needed", x.rank);
  for (int32_t i = 2; i < x.rank; i++) flat[2] *= x.shape[i];
  uint32_t y = reshape(c, input(c, 0), 3, flat, NULL);
  set_int(c, "axis", 2);
  set_float(c, "epsilon", attr_float(c, "epsilon", 1e-5));
  y = emit1(c, "layer_norm", y, NULL);
  y = emit2(c, "mul", y, reshape(c, input(c, 1), 2, channels, NULL), NULL);
  y = emit2(c, "add", y, reshape(c, input(c, 2), 2, channels, NULL), NULL);
  give(c, 0, reshape(c, y, x.rank, x.shape, out_name(c, 0)));
}

/* The axes from `axis` on. */
static int32_t axes_from(conversion *c, int32_t rank, int64_t axes[TN_MAX_RANK]) {
  int32_t first = normal_axis(c, attr_int(c, "axis", -1), rank);
  for (int32_t i = first; i < rank; i++) axes[i - first] = i;
  return rank - first;
}

/* *x *= 1 / sqrt(mean(x * x) + epsilon) over some axes; gives the factor. */
static uint32_t to_unit_power(conversion *c, uint32_t *x, int32_t count, const int64_t *axes, double epsilon) {
  uint32_t power = reduced(c, "reduce_mean", emit2(c, "mul", *x, *x, NULL), count, axes, true);
  uint32_t factor = emit1(c, "reciprocal", emit1(c, "sqrt", with_number(c, "add", power, epsilon), NULL), NULL);
  *x = emit2(c, "mul", *x, factor, NULL);
  return factor;
}

/* One operator, or its steps when the mean or the factor is asked for. Steps are taken in f32 at least. */
void tni_convert_layer_normalization(conversion *c) {
  tni_gvalue of = *in(c, 0);
  int64_t axes[TN_MAX_RANK];
  if (!wants(c, 1) && !wants(c, 2)) {
    tni_convert_same(c);
    return;
  }
  int32_t count = axes_from(c, of.rank, axes);
  uint32_t x = cast_to(c, input(c, 0), tni_sum_type(of.type));
  uint32_t mean = reduced(c, "reduce_mean", x, count, axes, true);
  x = emit2(c, "sub", x, mean, NULL);
  uint32_t factor = to_unit_power(c, &x, count, axes, attr_float(c, "epsilon", 1e-5));
  x = emit2(c, "mul", cast_to(c, x, of.type), input(c, 1), NULL);
  if (has_input(c, 2)) x = emit2(c, "add", x, input(c, 2), NULL);
  finish(c, 0, x);
  finish(c, 1, mean);
  finish(c, 2, factor);
}

/* In f32 at least, then of the input's type, then scaled. */
void tni_convert_rms_normalization(conversion *c) {
  tni_gvalue of = *in(c, 0);
  uint32_t x = cast_to(c, input(c, 0), tni_sum_type(of.type));
  set_int(c, "axis", normal_axis(c, attr_int(c, "axis", -1), of.rank));
  set_float(c, "epsilon", attr_float(c, "epsilon", 1e-5));
  x = emit1(c, "rms_norm", x, NULL);
  finish(c, 0, emit2(c, "mul", cast_to(c, x, of.type), input(c, 1), NULL));
}

/* Scale and bias are per group before opset 21, then per channel. */
void tni_convert_group_normalization(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t groups = attr_int(c, "num_groups", 0);
  if (x.rank < 3 || groups < 1 || x.shape[1] % groups)
    return fail(c, TN_E_INVALID, "`num_groups` does not divide the channels");
  bool old = c->m->opset < 21;
  int64_t rest = x.shape[1] / groups, split[] = {x.shape[0], groups, rest, 1};
  split[3] = tni_gvalue_numel(&x) ? tni_gvalue_numel(&x) / (x.shape[0] * x.shape[1]) : 0;
  uint32_t y = reshape(c, input(c, 0), 4, split, NULL), p[2];
  set_int(c, "axis", 2);
  set_float(c, "epsilon", attr_float(c, "epsilon", 1e-5));
  y = emit1(c, "layer_norm", y, NULL);
  for (uint32_t i = 0; i < 2 && ok(c); i++) {
    int64_t shape[] = {groups, old ? 1 : rest, 1};
    if (in(c, i + 1)->rank != 1 || in(c, i + 1)->shape[0] != shape[0] * shape[1])
      return fail(c, TN_E_INVALID, "input %u is not one number per %s", i + 1, old ? "group" : "channel");
    p[i] = reshape(c, input(c, i + 1), 3, shape, NULL);
  }
  if (!ok(c)) return;
  y = emit2(c, "add", emit2(c, "mul", y, p[0], NULL), p[1], NULL);
  give(c, 0, reshape(c, y, x.rank, x.shape, out_name(c, 0)));
}

/* (x - mean) / (sqrt(variance) + 1e-9) */
void tni_convert_mean_variance_normalization(conversion *c) {
  static const int64_t usual[] = {0, 2, 3};
  int32_t count;
  const int64_t *axes = attr_ints(c, "axes", &count);
  if (!axes) count = TNI_COUNT(usual);
  uint32_t x = input(c, 0);
  x = emit2(c, "sub", x, reduced(c, "reduce_mean", x, count, axes ? axes : usual, true), NULL);
  uint32_t variance = reduced(c, "reduce_mean", emit2(c, "mul", x, x, NULL), count, axes ? axes : usual, true);
  give(c, 0, emit2(c, "div", x, with_number(c, "add", emit1(c, "sqrt", variance, NULL), 1e-9), out_name(c, 0)));
}

/* x over its norm along an axis; 0 where the norm is 0. */
void tni_convert_lp_normalization(conversion *c) {
  int64_t axis = attr_int(c, "axis", -1), p = attr_int(c, "p", 2);
  if (p != 1 && p != 2) return fail(c, TN_E_INVALID, "`p` is neither 1 nor 2");
  uint32_t x = input(c, 0), norm = reduced(c, p == 1 ? "reduce_l1" : "reduce_l2", x, 1, &axis, true);
  uint32_t none = with_number(c, "equal", norm, 0), zero = const_number(c, value_of(c, norm)->type, 0);
  finish(c, 0, emit3(c, "where", none, zero, emit2(c, "div", x, norm, NULL)));
}

/* x / (bias + alpha * mean)^beta, where the mean is of the squares in `size` channels around, and 0 beyond the borders. */
void tni_convert_lrn(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t size = attr_int(c, "size", 0), n = tni_gvalue_numel(&x);
  if (x.rank < 3 || size < 1 || size > (1 << 20)) return fail(c, TN_E_INVALID, "the shape and `size` do not fit");
  int64_t rest = n ? n / (x.shape[0] * x.shape[1]) : 0, flat[] = {x.shape[0], 1, x.shape[1], rest};
  int64_t pads[] = {(size - 1) / 2, 0, size - 1 - (size - 1) / 2, 0}, kernel[] = {size, 1};
  uint32_t square = reshape(c, emit2(c, "mul", input(c, 0), input(c, 0), NULL), 4, flat, NULL);
  set_ints(c, "kernel_shape", 2, kernel);
  set_ints(c, "pads", 4, pads);
  set_int(c, "count_include_pad", 1);
  uint32_t mean = reshape(c, emit1(c, "average_pool", square, NULL), x.rank, x.shape, NULL);
  mean = with_number(c, "mul", mean, attr_float(c, "alpha", 1e-4));
  mean = with_number(c, "add", mean, attr_float(c, "bias", 1));
  mean = with_number(c, "pow", mean, attr_float(c, "beta", 0.75));
  give(c, 0, emit2(c, "div", input(c, 0), mean, out_name(c, 0)));
}

/* 1 where the first of the largest is along an axis, else 0. */
static uint32_t hardmax(conversion *c, uint32_t x, int32_t axis, const char *name) {
  tni_gvalue of = *value_of(c, x);
  set_int(c, "axis", axis);
  x = emit1(c, "arg_max", x, NULL);
  x = emit2(c, "equal", x, counting(c, TN_I64, of.shape[axis], of.rank, axis), NULL);
  char text[16];
  set_string(c, "to", tn_type_text(of.type, text));
  return emit1(c, "cast", x, name);
}

static uint32_t along_axis(conversion *c, uint32_t x, int32_t axis, const char *name) {
  if (!c->row->op[0]) return hardmax(c, x, axis, name);
  set_int(c, "axis", axis);
  return emit1(c, c->row->op, x, name);
}

/* Softmax and its kin. Before opset 13: over all dimensions from the axis on, seen as a matrix. */
void tni_convert_softmax(conversion *c) {
  tni_gvalue x = *in(c, 0);
  bool old = c->m->opset < 13;
  int32_t axis = normal_axis(c, attr_int(c, "axis", old ? 1 : -1), x.rank);
  if (!old || axis == x.rank - 1) {
    give(c, 0, along_axis(c, input(c, 0), axis, out_name(c, 0)));
    return;
  }
  int64_t flat[2] = {1, 1};
  for (int32_t i = 0; i < x.rank; i++) flat[i >= axis] *= x.shape[i];
  uint32_t y = along_axis(c, reshape(c, input(c, 0), 2, flat, NULL), 1, NULL);
  give(c, 0, reshape(c, y, x.rank, x.shape, out_name(c, 0)));
}
