/* ops_shape.c -- operators whose elements depend on where they are: one-hot, triangles, resampling. (Shape, Size, Range
 * and ConstantOfShape need none: shapes are constants, so the importer writes their results.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "ops.h"

/* ---- one_hot ---------------------------------------------------------------------------------------------------- */

bool tni_infer_one_hot(tni_infer *x) {
  const tni_gvalue *at = x->in[0], *values = x->in[1];
  int64_t depth = tni_attr_int(x->node, "depth", 0);
  int32_t axis, n = 0;
  if (!tni_type_is_int(at->type) && !tni_type_is_float(at->type)) return tni_refuse(x, "indices are not numbers");
  if (values->rank != 1 || values->shape[0] != 2) return tni_refuse(x, "values are not [off, on]");
  if (at->rank + 1 > TN_MAX_RANK) return tni_refuse(x, "the result has rank %d", at->rank + 1);
  if (depth < 1) return tni_refuse(x, "the depth is %lld", (long long)depth);
  if (!tni_infer_axis_of(x, tni_attr_int(x->node, "axis", -1), at->rank + 1, &axis)) return false;
  for (int32_t i = 0; i <= at->rank; i++) x->out->shape[i] = i == axis ? depth : at->shape[n++];
  x->out->type = values->type;
  x->out->rank = at->rank + 1;
  return true;
}

bool tni_define_one_hot(tni_define *d) {
  const tni_gvalue *out = d->out_value[0];
  tn_builder *b = d->b;
  int32_t axis = (int32_t)tni_normal_axis(d->node, -1, out->rank), n = 0;
  int64_t depth = out->shape[axis];
  const tn_expr *axes[TN_MAX_RANK], *index[TN_MAX_RANK] = {NULL}, *zero = tn_index(b, 0), *one = tn_index(b, 1);
  tni_axes(b, out->rank, out->shape, axes);
  for (int32_t i = 0; i < out->rank; i++)
    if (i != axis) index[n++] = axes[i];
  const tn_expr *at = tn_cast(b, TN_I64, tn_load(b, d->in[0], index, NULL));
  const tn_expr *negative = tn_op2(b, TN_OP_lt, at, tn_int(b, TN_I64, 0));
  at = tn_op3(b, TN_OP_select, negative, tn_add(b, at, tn_int(b, TN_I64, depth)), at);
  const tn_expr *hot = tn_op2(b, TN_OP_eq, at, tn_cast(b, TN_I64, axes[axis]));
  const tn_expr *value =
      tn_op3(b, TN_OP_select, hot, tn_load(b, d->in[1], &one, NULL), tn_load(b, d->in[1], &zero, NULL));
  tn_compute(b, d->out[0], axes, value);
  return true;
}

/* ---- trilu ------------------------------------------------------------------------------------------------------ */

bool tni_infer_trilu(tni_infer *x) {
  if (x->in[0]->rank < 2) return tni_refuse(x, "an input of rank %d, at least 2 is needed", x->in[0]->rank);
  *x->out = (tni_gvalue){.type = x->in[0]->type, .rank = x->in[0]->rank};
  memcpy(x->out->shape, x->in[0]->shape, sizeof x->out->shape);
  return true;
}

bool tni_define_trilu(tni_define *d) {
  const tni_gvalue *out = d->out_value[0];
  tn_builder *b = d->b;
  int64_t k = tni_attr_int(d->node, "k", 0), most = (int64_t)1 << 40;
  k = k < -most ? -most : k > most ? most : k;
  const tn_expr *axes[TN_MAX_RANK];
  tni_axes(b, out->rank, out->shape, axes);
  const tn_expr *diagonal = tn_add(b, axes[out->rank - 2], tn_index(b, k)), *column = axes[out->rank - 1];
  bool upper = tni_attr_int(d->node, "upper", 1) != 0;
  const tn_expr *keep = upper ? tn_op2(b, TN_OP_le, diagonal, column) : tn_op2(b, TN_OP_le, column, diagonal);
  const tn_expr *zero = out->type == TN_BOOL ? tn_int(b, TN_BOOL, 0) : tni_number(b, out->type, 0);
  tn_compute(b, d->out[0], axes, tn_op3(b, TN_OP_select, keep, tn_load(b, d->in[0], axes, NULL), zero));
  return true;
}

/* ---- resize ----------------------------------------------------------------------------------------------------- */

enum { MOST_EXACT = 1 << 20 }; /* positions in f32 that are near enough to fractions of them */

/* `shape` is the output's, `scales` one per dimension (0: out / in). */
bool tni_infer_resize(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  int32_t count;
  const int64_t *shape = tni_attr_ints(x->node, "shape", &count);
  const char *mode = tni_attr_string(x->node, "mode", "nearest");
  if (!tni_type_is_float(in->type) && strcmp(mode, "nearest") != 0) return tni_refuse(x, "interpolation of integers");
  if (strcmp(mode, "nearest") != 0 && strcmp(mode, "linear") != 0)
    return tni_refuse(x, "there is no mode `%.32s`", mode);
  if (!shape || count != in->rank) return tni_refuse(x, "the output's shape needs rank %d", in->rank);
  *x->out = (tni_gvalue){.type = in->type, .rank = in->rank};
  for (int32_t i = 0; i < count; i++) {
    x->out->shape[i] = shape[i];
    if (shape[i] < 0 || (shape[i] > 0 && in->shape[i] == 0)) return tni_refuse(x, "dimension %d cannot be resized", i);
  }
  return true;
}

static double scale_of(const tni_define *d, int32_t i) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  for (uint32_t k = 0; k < d->node->attr_count; k++) {
    const tni_attr *a = &d->node->attrs[k];
    if (strcmp(a->name, "scales") == 0 && i < a->count && a->floats[i] > 0) return a->floats[i];
  }
  return (double)out->shape[i] / (double)x->shape[i];
}

/* Where output position o lies in the input, as ONNX's coordinate_transformation_mode says; f32. */
static const tn_expr *source_position(const tni_define *d, const tn_expr *o, int32_t i) {
  tn_builder *b = d->b;
  const char *mode = tni_attr_string(d->node, "coordinates", "half_pixel");
  int64_t in = d->in_value[0]->shape[i], out = d->out_value[0]->shape[i];
  double scale = scale_of(d, i), length = scale * (double)in; /* before it was rounded down to `out` */
  const tn_expr *at = tn_cast(b, TN_F32, tn_cast(b, TN_I64, o));
  if (strcmp(mode, "align_corners") == 0)
    return out == 1 ? tn_float(b, TN_F32, 0)
                    : tn_div(b, tn_mul(b, at, tn_float(b, TN_F32, (double)(in - 1))), tn_float(b, TN_F32, length - 1));
  if (strcmp(mode, "asymmetric") == 0) return tn_div(b, at, tn_float(b, TN_F32, scale));
  if (strcmp(mode, "pytorch_half_pixel") == 0 && out == 1) return tn_float(b, TN_F32, 0);
  const tn_expr *half = tn_float(b, TN_F32, 0.5);
  at = tn_div(b, tn_add(b, at, half), tn_float(b, TN_F32, scale));
  if (strcmp(mode, "half_pixel_symmetric") == 0) /* in this order: what lies in the middle does exactly */
    at = tn_add(b, tn_float(b, TN_F32, (double)in / 2 * (1 - (double)out / length)), at);
  return tn_sub(b, at, half);
}

/* The nearest element, clamped into 0..in. */
static const tn_expr *nearest(const tni_define *d, const tn_expr *at, int32_t i) {
  tn_builder *b = d->b;
  const char *how = tni_attr_string(d->node, "nearest", "round_prefer_floor");
  const tn_expr *half = tn_float(b, TN_F32, 0.5);
  if (strcmp(how, "floor") == 0)
    at = tn_op1(b, TN_OP_floor, at);
  else if (strcmp(how, "ceil") == 0)
    at = tn_op1(b, TN_OP_ceil, at);
  else if (strcmp(how, "round_prefer_ceil") == 0)
    at = tn_op1(b, TN_OP_floor, tn_add(b, at, half));
  else
    at = tn_op1(b, TN_OP_ceil, tn_sub(b, at, half));
  const tn_expr *k = tn_cast(b, TN_INDEX, tn_cast(b, TN_I64, at));
  return tn_min(b, tn_max(b, k, tn_index(b, 0)), tn_index(b, d->in_value[0]->shape[i] - 1));
}

/* How many elements in a row are each element of the input, of the same number for all; 0: it is not so. */
static int64_t repeats(const tni_define *d, int32_t i) {
  int64_t in = d->in_value[0]->shape[i], out = d->out_value[0]->shape[i], count = in ? out / in : 0;
  const char *mode = tni_attr_string(d->node, "coordinates", "half_pixel");
  const char *how = tni_attr_string(d->node, "nearest", "round_prefer_floor");
  bool known = strcmp(mode, "asymmetric") == 0 ? strcmp(how, "floor") == 0
                                               : strstr(mode, "half_pixel") && strncmp(how, "round_", 6) == 0;
  return known && out < MOST_EXACT && out == count * in && scale_of(d, i) == (double)count ? count : 0;
}

/* Where the output's element comes from, along dimension i. */
static const tn_expr *nearest_along(const tni_define *d, const tn_expr *o, int32_t i) {
  int64_t count = repeats(d, i);
  if (count > 1) return tn_op2(d->b, TN_OP_floordiv, o, tn_index(d->b, count));
  return nearest(d, source_position(d, o, i), i);
}

/* The value between `from` with dimension i at floor and at floor + 1, then on to the next dimension. */
static const tn_expr *interpolate(tni_define *d, const tn_expr *const *axes, const tn_expr **from, int32_t i) {
  tn_builder *b = d->b;
  const tni_gvalue *x = d->in_value[0];
  while (i < x->rank && x->shape[i] == d->out_value[0]->shape[i] && scale_of(d, i) == 1) {
    from[i] = axes[i];
    i++;
  }
  if (i == x->rank) return tn_cast(b, TN_F32, tn_load(b, d->in[0], from, NULL));
  const tn_expr *last = tn_float(b, TN_F32, (double)(x->shape[i] - 1)), *zero = tn_float(b, TN_F32, 0);
  const tn_expr *at = tn_min(b, tn_max(b, source_position(d, axes[i], i), zero), last);
  const tn_expr *low = tn_op1(b, TN_OP_floor, at);
  const tn_expr *k = tn_cast(b, TN_INDEX, tn_cast(b, TN_I64, low)), *top = tn_index(b, x->shape[i] - 1);
  from[i] = tn_min(b, tn_max(b, k, tn_index(b, 0)), top);
  const tn_expr *first = interpolate(d, axes, from, i + 1);
  from[i] = tn_min(b, tn_max(b, tn_add(b, k, tn_index(b, 1)), tn_index(b, 0)), top);
  const tn_expr *second = interpolate(d, axes, from, i + 1), *part = tn_sub(b, at, low);
  return tn_add(b, tn_mul(b, first, tn_sub(b, tn_float(b, TN_F32, 1), part)), tn_mul(b, second, part));
}

bool tni_define_resize(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK], *value;
  tni_axes(d->b, out->rank, out->shape, axes);
  if (strcmp(tni_attr_string(d->node, "mode", "nearest"), "linear") == 0) {
    value = tn_cast(d->b, out->type, interpolate(d, axes, from, 0));
  } else {
    for (int32_t i = 0; i < out->rank; i++)
      from[i] = x->shape[i] == out->shape[i] && scale_of(d, i) == 1 ? axes[i] : nearest_along(d, axes[i], i);
    value = tn_load(d->b, d->in[0], from, NULL);
  }
  tn_compute(d->b, d->out[0], axes, value);
  return true;
}
