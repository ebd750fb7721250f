/* ops_sample.c -- elements between the places of a tensor (n, c, space...): grid sampling, aligned regions.
 *
 *     grid_sample:  p = the place in x that grid[n, o..., :] names, last dimension first (-1 and 1 are the borders; with
 *                   the attribute `places` subscripts of x, between which it may lie);
 *                   out[n, c, o...] = x[n, c, :] at p: nearest, linear or cubic, one dimension after the other
 *     roi_align:    out[r, c, h, w] = mean or largest, over the samples of bin (h, w) of region r, of x there
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

/* ---- grid_sample ------------------------------------------------------------------------------------------------ */

static bool is_one_of(const char *word, const char *const *words) {
  for (; *words; words++)
    if (strcmp(word, *words) == 0) return true;
  return false;
}

bool tni_infer_grid_sample(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *grid = x->in[1];
  const char *mode = tni_attr_string(x->node, "mode", "linear"),
             *padding = tni_attr_string(x->node, "padding_mode", "zeros");
  if (!is_one_of(mode, (const char *const[]){"nearest", "linear", "cubic", NULL}))
    return tni_refuse(x, "there is no mode `%.32s`", mode);
  if (!is_one_of(padding, (const char *const[]){"zeros", "border", "reflection", NULL}))
    return tni_refuse(x, "there is no padding mode `%.32s`", padding);
  if (!tni_type_is_float(grid->type)) return tni_refuse(x, "the grid is not floating-point");
  if (!tni_type_is_float(in->type) && strcmp(mode, "nearest") != 0) return tni_refuse(x, "interpolation of integers");
  int32_t dims = in->rank - 2;
  if (dims < 1 || dims > 3 || grid->rank != in->rank || grid->shape[0] != in->shape[0] ||
      grid->shape[in->rank - 1] != dims)
    return tni_refuse(x, "the grid does not name places in the input");
  *x->out = (tni_gvalue){.type = in->type, .rank = in->rank, .shape = {in->shape[0], in->shape[1]}};
  for (int32_t i = 0; i < dims; i++) {
    x->out->shape[2 + i] = grid->shape[1 + i];
    if (in->shape[2 + i] == 0) return tni_refuse(x, "nothing to sample");
  }
  return true;
}

/* What is the same for all elements: types, modes, the output's axes and the place in x. */
typedef struct sampler {
  tni_define *d;
  tn_builder *b;
  tn_type type; /* of places */
  const char *mode, *padding;
  bool corners;
  const tn_expr *axes[TN_MAX_RANK], *place[3];
} sampler;

static const tn_expr *number(const sampler *s, double x) { return tn_float(s->b, s->type, x); }
static int64_t extent(const sampler *s, int32_t i) { return s->d->in_value[0]->shape[2 + i]; }

/* Mirrored at the borders, as often as it takes. */
static const tn_expr *reflected(const sampler *s, const tn_expr *x, int32_t i) {
  tn_builder *b = s->b;
  double low = s->corners ? 0 : -0.5, high = (double)extent(s, i) - (s->corners ? 1 : 0.5);
  const tn_expr *range = number(s, high - low), *away = tn_op1(b, TN_OP_abs, tn_sub(b, x, number(s, low)));
  const tn_expr *times = tn_op1(b, TN_OP_floor, tn_div(b, away, range)), *half = tn_mul(b, times, number(s, 0.5));
  const tn_expr *rest = tn_sub(b, away, tn_mul(b, times, range));
  const tn_expr *even = tn_op2(b, TN_OP_eq, half, tn_op1(b, TN_OP_floor, half));
  return tn_op3(b, TN_OP_select, even, tn_add(b, number(s, low), rest), tn_sub(b, number(s, high), rest));
}

static const tn_expr *clamped(const sampler *s, const tn_expr *x, int32_t i) {
  return tn_min(s->b, tn_max(s->b, x, number(s, 0)), number(s, (double)(extent(s, i) - 1)));
}

/* Where dimension i of the grid's place lies in x. */
static const tn_expr *place_in(const sampler *s, int32_t i) {
  const tni_gvalue *grid = s->d->in_value[1];
  tn_builder *b = s->b;
  int32_t dims = grid->rank - 2;
  const tn_expr *index[TN_MAX_RANK] = {s->axes[0]};
  for (int32_t k = 0; k < dims; k++) index[1 + k] = s->axes[2 + k];
  index[1 + dims] = tn_index(b, dims - 1 - i);
  const tn_expr *raw = tn_cast(b, s->type, tn_load(b, s->d->in[1], index, NULL)),
                *from_one = tn_add(b, raw, number(s, 1));
  const tn_expr *half = number(s, 0.5), *at;
  if (tni_attr_int(s->d->node, "places", 0))
    at = raw;
  else if (s->corners)
    at = tn_mul(b, tn_mul(b, from_one, half), number(s, (double)(extent(s, i) - 1)));
  else
    at = tn_mul(b, tn_sub(b, tn_mul(b, from_one, number(s, (double)extent(s, i))), number(s, 1)), half);
  if (strcmp(s->mode, "nearest") == 0) at = tn_op1(b, TN_OP_round, at);
  if (strcmp(s->padding, "border") == 0) return clamped(s, at, i);
  return strcmp(s->padding, "reflection") == 0 ? reflected(s, at, i) : at;
}

/* The subscript of a whole place; *inside gets the condition that it is in x, where that is asked. */
static const tn_expr *subscript(const sampler *s, const tn_expr *at, int32_t i, const tn_expr **inside) {
  tn_builder *b = s->b;
  if (strcmp(s->padding, "reflection") == 0) at = tn_op1(b, TN_OP_trunc, reflected(s, at, i));
  if (strcmp(s->padding, "zeros") != 0) at = clamped(s, at, i);
  const tn_expr *whole = tn_cast(b, TN_I64, at), *ok = tni_inside(b, whole, extent(s, i));
  *inside = tni_both(b, *inside, ok);
  return tn_cast(b, TN_INDEX, whole);
}

/* The weight of tap t (of 2 or 4) at `part` behind the tap before the place. */
static const tn_expr *weight(const sampler *s, int32_t taps, int32_t t, const tn_expr *part) {
  static const double a = -0.75;
  tn_builder *b = s->b;
  if (taps == 2) return t == 0 ? tn_sub(b, number(s, 1), part) : part;
  const tn_expr *x = t < 2 ? part : tn_sub(b, number(s, 1), part); /* the curve is even */
  if (t == 0 || t == 3) {                                          /* ((a * x - 5 a) * x + 8 a) * x - 4 a, 1..2 */
    x = tn_add(b, x, number(s, 1));
    const tn_expr *y = tn_sub(b, tn_mul(b, number(s, a), x), number(s, 5 * a));
    return tn_sub(b, tn_mul(b, tn_add(b, tn_mul(b, y, x), number(s, 8 * a)), x), number(s, 4 * a));
  }
  const tn_expr *y = tn_sub(b, tn_mul(b, number(s, a + 2), x), number(s, a + 3)); /* 0..1 */
  return tn_add(b, tn_mul(b, tn_mul(b, y, x), x), number(s, 1));
}

/* The value with dimensions before i at `from`: over the taps of dimension i, then of the next. */
static const tn_expr *interpolate(const sampler *s, const tn_expr **from, const tn_expr *inside, int32_t i) {
  const tni_gvalue *x = s->d->in_value[0];
  tn_builder *b = s->b;
  if (i == x->rank - 2) return tn_cast(b, s->type, tn_load(b, s->d->in[0], from, inside));
  int32_t taps = strcmp(s->mode, "cubic") == 0 ? 4 : 2;
  const tn_expr *low = tn_op1(b, TN_OP_floor, s->place[i]), *part = tn_sub(b, s->place[i], low), *sum = NULL;
  for (int32_t t = 0; t < taps; t++) {
    const tn_expr *valid = inside, *at = tn_add(b, low, number(s, t - (taps == 4)));
    from[2 + i] = subscript(s, at, i, &valid);
    const tn_expr *value = tn_mul(b, interpolate(s, from, valid, i + 1), weight(s, taps, t, part));
    sum = sum ? tn_add(b, sum, value) : value;
  }
  return sum;
}

bool tni_define_grid_sample(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  sampler s = {.d = d,
               .b = d->b,
               .type = tni_sum_type(d->in_value[1]->type),
               .mode = tni_attr_string(d->node, "mode", "linear"),
               .padding = tni_attr_string(d->node, "padding_mode", "zeros"),
               .corners = tni_attr_int(d->node, "align_corners", 0) != 0};
  const tn_expr *from[TN_MAX_RANK], *inside = NULL, *value;
  tni_axes(d->b, out->rank, out->shape, s.axes);
  for (int32_t i = 0; i < x->rank - 2; i++) s.place[i] = place_in(&s, i);
  from[0] = s.axes[0];
  from[1] = s.axes[1];
  if (strcmp(s.mode, "nearest") == 0) {
    for (int32_t i = 0; i < x->rank - 2; i++) from[2 + i] = subscript(&s, s.place[i], i, &inside);
    value = tn_load(d->b, d->in[0], from, inside);
  } else {
    value = tn_cast(d->b, out->type, interpolate(&s, from, NULL, 0));
  }
  tn_compute(d->b, d->out[0], s.axes, value);
  return true;
}

/* ---- roi_align -------------------------------------------------------------------------------------------------- */

bool tni_infer_roi_align(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *rois = x->in[1], *batch = x->in[2];
  int64_t h = tni_attr_int(x->node, "output_height", 1), w = tni_attr_int(x->node, "output_width", 1);
  const char *mode = tni_attr_string(x->node, "mode", "avg");
  if (!is_one_of(mode, (const char *const[]){"avg", "max", NULL}))
    return tni_refuse(x, "there is no mode `%.32s`", mode);
  if (!tni_type_is_float(in->type) || rois->type != in->type)
    return tni_refuse(x, "input and regions need one floating-point type");
  if (in->rank != 4 || rois->rank != 2 || rois->shape[1] != 4 || batch->rank != 1 || batch->shape[0] != rois->shape[0])
    return tni_refuse(x, "the regions are not (r, 4) with one batch index each");
  if (in->shape[2] == 0 || in->shape[3] == 0) return tni_refuse(x, "nothing to sample");
  if (batch->type != TN_I64 && batch->type != TN_I32) return tni_refuse(x, "indices are not i32 or i64");
  if (h < 1 || w < 1 || h > 1 << 20 || w > 1 << 20) return tni_refuse(x, "the output's size is out of range");
  if (tni_attr_int(x->node, "sampling_ratio", 0) < 0) return tni_refuse(x, "`sampling_ratio` is negative");
  *x->out = (tni_gvalue){.type = in->type, .rank = 4, .shape = {rois->shape[0], in->shape[1], h, w}};
  return true;
}

enum { MAX_SAMPLES = 1 << 16 }; /* along one side of a bin, when the data say how many */

/* One side of a region, in x's places: where bin `bin` starts, how long it is, how many samples it has. */
typedef struct side {
  const tn_expr *start, *length, *samples; /* samples: f32 */
} side;

static side side_of(tni_define *d, const tn_expr *region, bool vertical, const tn_expr *bin, int64_t bins) {
  tn_builder *b = d->b;
  bool half_pixel = tni_attr_int(d->node, "half_pixel", 1) != 0;
  int64_t ratio = tni_attr_int(d->node, "sampling_ratio", 0);
  const tn_expr *ends[2], *scale = tn_float(b, TN_F32, tni_attr_float(d->node, "spatial_scale", 1));
  for (int k = 0; k < 2; k++) {
    const tn_expr *index[] = {region, tn_index(b, 2 * k + vertical)};
    ends[k] = tn_mul(b, tn_cast(b, TN_F32, tn_load(b, d->in[1], index, NULL)), scale);
    if (half_pixel) ends[k] = tn_sub(b, ends[k], tn_float(b, TN_F32, 0.5));
  }
  side s = {.length = tn_sub(b, ends[1], ends[0])};
  if (!half_pixel) s.length = tn_max(b, s.length, tn_float(b, TN_F32, 1));
  s.length = tn_div(b, s.length, tn_float(b, TN_F32, (double)bins));
  s.start = tn_add(b, ends[0], tn_mul(b, tn_cast(b, TN_F32, tn_cast(b, TN_I64, bin)), s.length));
  s.samples = ratio > 0 ? tn_float(b, TN_F32, (double)ratio) : tn_op1(b, TN_OP_ceil, s.length);
  return s;
}

static const tn_expr *sample_count(tn_builder *b, const tn_expr *samples) {
  const tn_expr *n = tn_cast(b, TN_I64, samples);
  return tn_cast(b, TN_INDEX, tn_min(b, tn_max(b, n, tn_int(b, TN_I64, 0)), tn_int(b, TN_I64, MAX_SAMPLES)));
}

/* Where sample `i` of a side lies, between which elements, and with what weights. *inside: near enough to x. */
typedef struct tap_pair {
  const tn_expr *at[2], *weight[2];
} tap_pair;

static tap_pair taps_at(tn_builder *b, const side *s, const tn_expr *i, int64_t dim, const tn_expr **inside) {
  const tn_expr *zero = tn_float(b, TN_F32, 0), *one = tn_float(b, TN_F32, 1);
  const tn_expr *step = tn_add(b, tn_cast(b, TN_F32, tn_cast(b, TN_I64, i)), tn_float(b, TN_F32, 0.5));
  const tn_expr *place = tn_add(b, s->start, tn_div(b, tn_mul(b, step, s->length), s->samples));
  const tn_expr *low = tn_op2(b, TN_OP_le, tn_float(b, TN_F32, -1), place);
  *inside =
      tni_both(b, *inside, tn_op2(b, TN_OP_and, low, tn_op2(b, TN_OP_le, place, tn_float(b, TN_F32, (double)dim))));
  place = tn_min(b, tn_max(b, place, zero), tn_float(b, TN_F32, (double)(dim - 1)));
  const tn_expr *floor = tn_op1(b, TN_OP_floor, place), *last = tn_index(b, dim - 1);
  const tn_expr *first = tn_cast(b, TN_INDEX, tn_cast(b, TN_I64, floor));
  tap_pair t;
  t.at[0] = tn_min(b, tn_max(b, first, tn_index(b, 0)), last);
  t.at[1] = tn_min(b, tn_add(b, t.at[0], tn_index(b, 1)), last);
  t.weight[1] = tn_sub(b, place, floor);
  t.weight[0] = tn_sub(b, one, t.weight[1]);
  return t;
}

/* The four elements around a sample, weighted: their sum, or the largest. */
static const tn_expr *sample_value(tni_define *d, const tn_expr *batch, const tn_expr *valid, const tn_expr *channel,
                                   const tap_pair *y, const tap_pair *x, bool max) {
  tn_builder *b = d->b;
  const tn_expr *value = NULL;
  for (int k = 0; k < 4; k++) {
    const tn_expr *index[] = {batch, channel, y->at[k / 2], x->at[k % 2]};
    const tn_expr *part = tn_cast(b, TN_F32, tn_load(b, d->in[0], index, valid));
    part = tn_mul(b, tn_mul(b, y->weight[k / 2], x->weight[k % 2]), part);
    value = !value ? part : max ? tn_max(b, value, part) : tn_add(b, value, part);
  }
  return value;
}

/* The loops over the samples of one bin, which change acc[bin]. */
static const tn_stmt *sample_bin(tni_define *d, const tn_buffer *acc, const tn_expr *const *bin, bool max) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  const tn_expr *iy = tn_var(b, "iy", TN_INDEX), *ix = tn_var(b, "ix", TN_INDEX), *inside = NULL, *valid = NULL;
  side sy = side_of(d, bin[0], true, bin[2], out->shape[2]), sx = side_of(d, bin[0], false, bin[3], out->shape[3]);
  tap_pair ty = taps_at(b, &sy, iy, x->shape[2], &inside), tx = taps_at(b, &sx, ix, x->shape[3], &inside);
  const tn_expr *batch = tni_read_index(b, tn_load(b, d->in[2], bin, NULL), x->shape[0], &valid);
  const tn_expr *value = sample_value(d, batch, tni_both(b, valid, inside), bin[1], &ty, &tx, max);
  const tn_expr *old = tn_load(b, acc, bin, NULL), *first, *area = tn_mul(b, sy.samples, sx.samples);
  first = tn_op2(b, TN_OP_and, tn_op2(b, TN_OP_eq, iy, tn_index(b, 0)), tn_op2(b, TN_OP_eq, ix, tn_index(b, 0)));
  value = max ? tn_op3(b, TN_OP_select, first, value, tn_max(b, old, value)) : tn_add(b, old, value);
  const tn_stmt *loops = tn_for(b, iy, sample_count(b, sy.samples),
                                tn_for(b, ix, sample_count(b, sx.samples), tn_store(b, acc, bin, value)));
  const tn_expr *mean = max ? old : tn_div(b, old, tn_max(b, area, tn_float(b, TN_F32, 1)));
  const tn_stmt *steps[] = {tn_store(b, acc, bin, tn_float(b, TN_F32, 0)), loops,
                            tn_store(b, d->out[0], bin, tn_cast(b, out->type, mean))};
  return tn_seq(b, 3, steps);
}

bool tni_define_roi_align(tni_define *d) {
  const tni_gvalue *out = d->out_value[0];
  tn_builder *b = d->b;
  bool max = strcmp(tni_attr_string(d->node, "mode", "avg"), "max") == 0;
  const tn_buffer *acc = tn_alloc(b, "acc", TN_F32, 4, out->shape);
  const tn_expr *bin[4];
  static const char *const names[] = {"r", "c", "h", "w"};
  for (int i = 0; i < 4; i++) bin[i] = tn_var(b, names[i], TN_INDEX);
  const tn_stmt *body = sample_bin(d, acc, bin, max);
  for (int i = 3; i >= 0; i--) body = tn_for(b, bin[i], tn_index(b, out->shape[i]), body);
  tn_emit(b, body);
  return true;
}
