/* ops_resize.c -- converters of resampling: Resize and Upsample.
 *
 * Nearest and linear samples are one operator. Anything else goes one axis at a time, since sizes are known here: element o
 * is a sum of a few elements of x, whose places and weights are constants.
 *
 *     y[..., o, ...] = sum over t  x[..., place[o, t], ...] * weight[o, t]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "convert.h"

typedef struct resizing {
  const char *mode, *places, *nearest;
  bool antialias, exclude_outside;
  double cubic, outside; /* the curve's coefficient; what is beyond a cropped region */
  int32_t rank;
  int64_t in[TN_MAX_RANK], out[TN_MAX_RANK];
  double scale[TN_MAX_RANK], region[2][TN_MAX_RANK]; /* first and last place of each axis, 0..1 */
} resizing;

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

/* Input i (or the attribute) as numbers; NULL when absent or empty. */
static const double *known_floats(conversion *c, uint32_t i, const tni_onnx_attr *a, const char *what, int64_t *count) {
  *count = a ? a->float_count : has_input(c, i) ? tni_gvalue_numel(in(c, i)) : 0;
  if (a || *count == 0) return a ? a->floats : NULL;
  const tni_gvalue *v = known(c, i);
  if (!ok(c)) return NULL;
  if (!tni_type_is_float(v->type) || *count > 2 * TN_MAX_RANK)
    return fail(c, TN_E_INVALID, "the %s are not a short list of floats", what), NULL;
  double *list = TNI_NEW_ARRAY(&c->m->arena, double, *count);
  if (!list) c->status = tni_fail_nomem(c->err);
  for (int64_t k = 0; list && k < *count; k++) list[k] = tni_read_element(v->type, v->data, k).f;
  return list;
}

/* The axes that are resized. */
static int32_t resized_axes(conversion *c, int32_t rank, int32_t axes[TN_MAX_RANK]) {
  int32_t count;
  const int64_t *list = attr_ints(c, "axes", &count);
  bool seen[TN_MAX_RANK] = {false};
  if (!list) count = rank;
  if (count > rank) fail(c, TN_E_INVALID, "more axes than dimensions");
  for (int32_t i = 0; i < count && ok(c); i++) {
    axes[i] = list ? normal_axis(c, list[i], rank) : i;
    if (seen[axes[i]]) fail(c, TN_E_INVALID, "axis %d is given twice", axes[i]);
    seen[axes[i]] = true;
  }
  return count;
}

static void sizes_from_scales(conversion *c, resizing *r, int32_t count, const int32_t *axes, const double *scales) {
  for (int32_t i = 0; i < count; i++) {
    double size = floor((double)r->in[axes[i]] * scales[i]);
    if (!(scales[i] > 0 && size < (double)(1 << 30))) return fail(c, TN_E_INVALID, "a scale is out of range");
    r->scale[axes[i]] = scales[i];
    r->out[axes[i]] = (int64_t)size;
  }
}

/* With a kept aspect ratio the smallest or the largest of the scales holds for all. */
static void scales_from_sizes(conversion *c, resizing *r, int32_t count, const int32_t *axes) {
  int32_t n;
  const int64_t *sizes = known_ints(c, 3, "sizes", &n);
  const char *policy = attr_string(c, "keep_aspect_ratio_policy", "stretch");
  bool smaller = strcmp(policy, "not_larger") == 0, larger = strcmp(policy, "not_smaller") == 0;
  if (!ok(c) || n != count) return fail(c, TN_E_INVALID, "one size per dimension is needed");
  if (!smaller && !larger && strcmp(policy, "stretch") != 0)
    return fail(c, TN_E_INVALID, "there is no policy `%.32s`", policy);
  double one = 0;
  for (int32_t i = 0; i < n; i++) {
    int32_t axis = axes[i];
    if (sizes[i] < 0 || sizes[i] > 1 << 30 || (r->in[axis] == 0 && sizes[i] > 0))
      return fail(c, TN_E_INVALID, "dimension %d cannot be resized", axis);
    r->out[axis] = sizes[i];
    r->scale[axis] = r->in[axis] ? (double)sizes[i] / (double)r->in[axis] : 1;
    if (i == 0 || (smaller ? r->scale[axis] < one : r->scale[axis] > one)) one = r->scale[axis];
  }
  for (int32_t i = 0; i < n && (smaller || larger); i++) {
    r->scale[axes[i]] = one;
    r->out[axes[i]] = (int64_t)((double)r->in[axes[i]] * one + 0.5);
  }
}

/* Scales as an input (Upsample 9, Resize 10, and Resize 11 behind the region) or Upsample 7's attribute, or sizes. */
static void read_resizing(conversion *c, resizing *r) {
  tni_gvalue x = *in(c, 0);
  bool upsample = strcmp(c->n->op_type, "Upsample") == 0, old = upsample || c->m->opset < 11;
  const tni_onnx_attr *a = upsample && c->m->opset < 9 ? find_attr(c, "scales", TNI_ONNX_FLOATS) : NULL;
  int32_t axes[TN_MAX_RANK], count = resized_axes(c, x.rank, axes);
  int64_t scale_count, region_count = 0;
  if (!ok(c)) return;
  r->rank = x.rank;
  for (int32_t i = 0; i < x.rank; i++) {
    r->in[i] = r->out[i] = x.shape[i];
    r->scale[i] = r->region[1][i] = 1;
  }
  r->places = old ? "asymmetric" : attr_string(c, "coordinate_transformation_mode", "half_pixel");
  r->nearest = old ? "floor" : attr_string(c, "nearest_mode", "round_prefer_floor");
  const double *scales = known_floats(c, old ? 1 : 2, a, "scales", &scale_count);
  if (ok(c) && scales && scale_count != count) fail(c, TN_E_INVALID, "one scale per dimension is needed");
  if (!ok(c)) return;
  if (scales)
    sizes_from_scales(c, r, count, axes, scales);
  else
    scales_from_sizes(c, r, count, axes);
  if (strcmp(r->places, "tf_crop_and_resize") != 0) return;
  const double *region = known_floats(c, 1, NULL, "region", &region_count);
  if (ok(c) && region_count != 2 * count) fail(c, TN_E_INVALID, "the region needs %d numbers", 2 * count);
  for (int32_t i = 0; i < 2 * count && ok(c); i++) r->region[i >= count][axes[i % count]] = region[i];
}

/* ---- places and weights ------------------------------------------------------------------------------------------ */

/* Where element o of an axis lies in x. */
static double source_of(const resizing *r, int32_t axis, int64_t o) {
  double x = (double)o, in = (double)r->in[axis], scale = r->scale[axis], length = scale * in;
  const char *places = r->places;
  if (strcmp(places, "align_corners") == 0) return length == 1 ? 0 : x * (in - 1) / (length - 1);
  if (strcmp(places, "asymmetric") == 0) return x / scale;
  if (strcmp(places, "tf_crop_and_resize") == 0) {
    double start = r->region[0][axis], size = r->region[1][axis] - start;
    return start * (in - 1) + (length == 1 ? size * (in - 1) / 2 : x * size * (in - 1) / (length - 1));
  }
  if (strcmp(places, "pytorch_half_pixel") == 0 && length == 1) return -0.5;
  double offset = strcmp(places, "half_pixel_symmetric") == 0 ? in / 2 * (1 - (double)r->out[axis] / length) : 0;
  return offset + (x + 0.5) / scale - 0.5;
}

static double cubic_weight(double a, double x) {
  x = fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* The weight of an element at `distance` from the place: seen by a curve that is wider when an antialiased axis shrinks. */
static double weight_of(const resizing *r, double distance, double shrink) {
  if (strcmp(r->mode, "cubic") == 0) return cubic_weight(r->cubic, distance * shrink);
  if (strcmp(r->mode, "linear") == 0) return fmax(0, 1 - fabs(distance * shrink));
  double half = fabs(distance); /* nearest: the one before the place, at -distance in 0..1, or the one behind */
  bool before = distance <= 0, behind = strcmp(r->nearest, "ceil") == 0;
  if (strcmp(r->nearest, "floor") == 0) return before;
  if (behind) return half == 0 || !before;
  bool ceil = strcmp(r->nearest, "round_prefer_ceil") == 0;
  return before ? (ceil ? half < 0.5 : half <= 0.5) : (ceil ? half <= 0.5 : half < 0.5);
}

enum { MAX_TAPS = 1 << 12, MAX_WEIGHTS = 1 << 21 };

/* Elements on each side of a place that may have a weight. */
static int64_t reach_of(const resizing *r, double shrink) {
  return (int64_t)fmin(ceil((strcmp(r->mode, "cubic") == 0 ? 2 : 1) / shrink), MAX_TAPS);
}

typedef struct taps {
  int64_t count, *place;
  float *weight;
  uint8_t *outside; /* beyond a cropped region */
} taps;

static void fill_taps(const resizing *r, int32_t axis, int64_t o, double shrink, taps *t) {
  double at = source_of(r, axis, o), sum = 0, weights[2 * MAX_TAPS];
  int64_t first = (int64_t)ceil(at) - t->count / 2, last = r->in[axis] - 1;
  for (int64_t k = 0; k < t->count; k++) {
    int64_t place = first + k;
    double weight = weight_of(r, (double)place - at, shrink);
    if (r->exclude_outside && (place < 0 || place > last)) weight = 0;
    weights[k] = weight;
    t->place[o * t->count + k] = place < 0 ? 0 : place > last ? last : place;
    sum += weight;
  }
  bool normalize = r->exclude_outside || (r->antialias && shrink < 1);
  for (int64_t k = 0; k < t->count; k++)
    t->weight[o * t->count + k] = (float)(normalize && sum != 0 ? weights[k] / sum : weights[k]);
  t->outside[o] = strcmp(r->places, "tf_crop_and_resize") == 0 && (at < 0 || at > (double)last);
}

/* x with one axis resized. */
static uint32_t resize_axis(conversion *c, const resizing *r, uint32_t x, int32_t axis) {
  double shrink = r->antialias && r->scale[axis] < 1 ? r->scale[axis] : 1;
  taps t = {.count = 2 * reach_of(r, shrink)};
  int64_t n = r->out[axis], list[] = {n, t.count}, spread[TN_MAX_RANK + 1], mask[TN_MAX_RANK], behind = axis + 1;
  if (t.count >= MAX_TAPS || n > MAX_WEIGHTS / t.count) fail(c, TN_E_LIMIT, "axis %d takes too many weights", axis);
  if (r->rank >= TN_MAX_RANK) fail(c, TN_E_UNSUPPORTED, "rank %d is over %d", r->rank, TN_MAX_RANK - 1);
  for (int32_t i = 0; i <= r->rank && ok(c); i++) spread[i] = i == axis ? n : i == axis + 1 ? t.count : 1;
  for (int32_t i = 0; i < r->rank && ok(c); i++) mask[i] = i == axis ? n : 1;
  t.place = new_contents(c, TN_I64, n * t.count);
  t.weight = new_contents(c, TN_F32, n * t.count);
  t.outside = new_contents(c, TN_BOOL, n);
  if (!ok(c)) return TNI_NO_VALUE;
  bool any_outside = false;
  for (int64_t o = 0; o < n; o++) {
    fill_taps(r, axis, o, shrink, &t);
    any_outside |= t.outside[o];
  }
  uint32_t place = add_const(c, TN_I64, 2, list, t.place, NULL);
  uint32_t weight = add_const(c, TN_F32, r->rank + 1, spread, t.weight, NULL);
  set_int(c, "axis", axis);
  x = emit2(c, "mul", emit2(c, "gather", x, place, NULL), weight, NULL);
  x = reduced(c, "reduce_sum", x, 1, &behind, false);
  if (!any_outside) return x;
  uint32_t outside = add_const(c, TN_BOOL, r->rank, mask, t.outside, NULL), zero = const_number(c, TN_F32, r->outside);
  return emit3(c, "where", outside, zero, x);
}

/* ---- the converter ----------------------------------------------------------------------------------------------- */

static bool moves(const resizing *r, int32_t axis) {
  bool crops = strcmp(r->places, "tf_crop_and_resize") == 0 && (r->region[0][axis] != 0 || r->region[1][axis] != 1);
  return crops || r->scale[axis] != 1 || r->in[axis] != r->out[axis];
}

static void resize_by_axes(conversion *c, const resizing *r) {
  tn_type type = in(c, 0)->type;
  uint32_t x = cast_to(c, input(c, 0), TN_F32);
  for (int32_t i = 0; i < r->rank && ok(c); i++)
    if (moves(r, i)) x = resize_axis(c, r, x, i);
  finish(c, 0, cast_to(c, x, type));
}

static void resize_at_once(conversion *c, const resizing *r) {
  set_string(c, "mode", r->mode);
  set_string(c, "coordinates", r->places);
  set_string(c, "nearest", r->nearest);
  set_ints(c, "shape", r->rank, r->out);
  tni_attr *s = add_attr(c, "scales", TNI_ATTR_FLOATS);
  s->count = r->rank;
  s->floats = r->scale;
  give(c, 0, emit1(c, "resize", input(c, 0), out_name(c, 0)));
}

static void check_word(conversion *c, const char *what, const char *word, const char *const *words) {
  for (; *words; words++)
    if (strcmp(word, *words) == 0) return;
  fail(c, TN_E_INVALID, "there is no %s `%.32s`", what, word);
}

void tni_convert_resize(conversion *c) {
  static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
  static const char *const places[] = {"asymmetric",           "align_corners",      "half_pixel", "pytorch_half_pixel",
                                       "half_pixel_symmetric", "tf_crop_and_resize", NULL};
  static const char *const nearests[] = {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil", NULL};
  const char *mode = attr_string(c, "mode", "nearest");
  resizing r = {.mode = strcmp(mode, "bilinear") == 0 ? "linear" : mode,
                .antialias = attr_int(c, "antialias", 0) != 0,
                .exclude_outside = attr_int(c, "exclude_outside", 0) != 0,
                .cubic = attr_float(c, "cubic_coeff_a", -0.75),
                .outside = attr_float(c, "extrapolation_value", 0)};
  read_resizing(c, &r);
  if (!ok(c)) return;
  check_word(c, "mode", r.mode, modes);
  check_word(c, "coordinate transformation", r.places, places);
  check_word(c, "nearest mode", r.nearest, nearests);
  if (!ok(c)) return;
  bool linear = strcmp(r.mode, "linear") == 0, nearest = strcmp(r.mode, "nearest") == 0;
  bool plain = (linear && !r.antialias && !r.exclude_outside) || nearest;
  if (plain && strcmp(r.places, "tf_crop_and_resize") != 0)
    resize_at_once(c, &r);
  else
    resize_by_axes(c, &r);
}
