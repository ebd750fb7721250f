/* ops_move.c -- operators that move elements: views, transpose, slice, pad, broadcast, gather, concat.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "ops.h"

/* ---- views ------------------------------------------------------------------------------------------------------ */

static bool same_type(tni_infer *x) {
  x->out->type = x->in[0]->type;
  x->out->rank = x->in[0]->rank;
  memcpy(x->out->shape, x->in[0]->shape, sizeof x->out->shape);
  return true;
}

bool tni_infer_identity(tni_infer *x) {
  x->out->data = x->in[0]->data;
  return same_type(x);
}

/* The list of an attribute as the output's shape. */
static bool shape_from(tni_infer *x, const char *name) {
  int32_t count;
  const int64_t *shape = tni_attr_ints(x->node, name, &count);
  if (!shape) return tni_refuse(x, "`%s` is missing", name);
  if (count > TN_MAX_RANK) return tni_refuse(x, "rank %d is over %d", count, TN_MAX_RANK);
  for (int32_t i = 0; i < count; i++)
    if (shape[i] < 0) return tni_refuse(x, "dimension %d is %lld", i, (long long)shape[i]);
  x->out->type = x->in[0]->type;
  x->out->rank = count;
  memcpy(x->out->shape, shape, sizeof(int64_t) * (size_t)count);
  return true;
}

bool tni_infer_reshape(tni_infer *x) {
  size_t bytes;
  if (!shape_from(x, "shape")) return false;
  if (!tni_gvalue_bytes(x->ctx, x->out, &bytes) || tni_gvalue_numel(x->out) != tni_gvalue_numel(x->in[0]))
    return tni_refuse(x, "the new shape does not have the same number of elements");
  x->out->data = x->in[0]->data;
  return true;
}

/* Copies, for evaluation; in a plan a view is no code at all. */
bool tni_define_identity(tni_define *d) {
  const tn_expr *axes[TN_MAX_RANK];
  tni_axes(d->b, d->out_value[0]->rank, d->out_value[0]->shape, axes);
  tn_compute(d->b, d->out[0], axes, tn_load(d->b, d->in[0], axes, NULL));
  return true;
}

/* The flat position, spread over the input's dimensions. */
bool tni_define_reshape(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK];
  tni_axes(b, out->rank, out->shape, axes);
  tni_unflatten(b, tni_flatten(b, out->rank, out->shape, axes), x->rank, x->shape, from);
  tn_compute(b, d->out[0], axes, tn_load(b, d->in[0], from, NULL));
  return true;
}

/* ---- transpose -------------------------------------------------------------------------------------------------- */

bool tni_infer_transpose(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  int32_t count;
  const int64_t *perm = tni_attr_ints(x->node, "perm", &count);
  bool seen[TN_MAX_RANK] = {false};
  if (perm && count != in->rank) return tni_refuse(x, "`perm` has %d axes for rank %d", count, in->rank);
  x->out->type = in->type;
  x->out->rank = in->rank;
  for (int32_t i = 0; i < in->rank; i++) {
    int64_t p = perm ? perm[i] : in->rank - 1 - i;
    if (p < 0 || p >= in->rank || seen[p]) return tni_refuse(x, "`perm` is not a permutation");
    seen[p] = true;
    x->out->shape[i] = in->shape[p];
  }
  return true;
}

bool tni_define_transpose(tni_define *d) {
  const tni_gvalue *out = d->out_value[0];
  int32_t count;
  const int64_t *perm = tni_attr_ints(d->node, "perm", &count);
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK];
  tni_axes(d->b, out->rank, out->shape, axes);
  for (int32_t i = 0; i < out->rank; i++) from[perm ? perm[i] : out->rank - 1 - i] = axes[i];
  tn_compute(d->b, d->out[0], axes, tn_load(d->b, d->in[0], from, NULL));
  return true;
}

/* ---- slice ------------------------------------------------------------------------------------------------------ */

typedef struct slice_range {
  int64_t start, step, count;
} slice_range;

static int64_t clamp(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

/* One range as ONNX means it: negative positions count from the end, ends are clamped, steps may be negative. */
static bool one_range(int64_t dim, int64_t start, int64_t end, int64_t step, slice_range *r) {
  if (step == 0 || step == INT64_MIN) return false;
  start += start < 0 ? dim : 0;
  end += end < 0 ? dim : 0;
  r->step = step;
  r->start = step > 0 ? clamp(start, 0, dim) : clamp(start, 0, dim - 1);
  end = step > 0 ? clamp(end, 0, dim) : clamp(end, -1, dim - 1);
  int64_t span = step > 0 ? end - r->start : r->start - end, stride = step > 0 ? step : -step;
  r->count = span <= 0 || dim == 0 ? 0 : (span - 1) / stride + 1;
  return true;
}

/* The range of every dimension. False when lists do not fit (the reason is in x). */
static bool read_ranges(tni_infer *x, const tni_gnode *node, const tni_gvalue *in, slice_range *r) {
  int32_t starts_count, ends_count, axes_count, steps_count;
  const int64_t *starts = tni_attr_ints(node, "starts", &starts_count),
                *ends = tni_attr_ints(node, "ends", &ends_count);
  const int64_t *axes = tni_attr_ints(node, "axes", &axes_count), *steps = tni_attr_ints(node, "steps", &steps_count);
  bool seen[TN_MAX_RANK] = {false};
  if (!starts || !ends || starts_count != ends_count || (axes && axes_count != starts_count) ||
      (steps && steps_count != starts_count) || starts_count > in->rank)
    return tni_refuse(x, "starts, ends, axes and steps do not fit together");
  for (int32_t i = 0; i < in->rank; i++) r[i] = (slice_range){0, 1, in->shape[i]};
  for (int32_t i = 0; i < starts_count; i++) {
    int32_t axis;
    if (!tni_infer_axis_of(x, axes ? axes[i] : i, in->rank, &axis)) return false;
    if (seen[axis]) return tni_refuse(x, "axis %d is given twice", axis);
    seen[axis] = true;
    if (!one_range(in->shape[axis], starts[i], ends[i], steps ? steps[i] : 1, &r[axis]))
      return tni_refuse(x, "a step is 0");
  }
  return true;
}

bool tni_infer_slice(tni_infer *x) {
  slice_range r[TN_MAX_RANK];
  if (!read_ranges(x, x->node, x->in[0], r)) return false;
  same_type(x);
  for (int32_t i = 0; i < x->out->rank; i++) x->out->shape[i] = r[i].count;
  return true;
}

bool tni_slice_starts(const tni_gnode *node, const tni_gvalue *in, int64_t *starts) {
  tni_infer scratch = {.node = node};
  slice_range r[TN_MAX_RANK];
  if (!read_ranges(&scratch, node, in, r)) return false;
  for (int32_t i = 0; i < in->rank; i++) {
    if (r[i].step != 1 && r[i].count > 1) return false;
    starts[i] = r[i].start;
  }
  return true;
}

bool tni_define_slice(tni_define *d) {
  const tni_gvalue *out = d->out_value[0];
  tni_infer scratch = {.node = d->node};
  slice_range r[TN_MAX_RANK];
  if (!read_ranges(&scratch, d->node, d->in_value[0], r)) return false;
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK];
  tni_axes(d->b, out->rank, out->shape, axes);
  for (int32_t i = 0; i < out->rank; i++) {
    const tn_expr *step = tn_index(d->b, r[i].count > 1 ? r[i].step : 1);
    from[i] = tn_add(d->b, tn_mul(d->b, axes[i], step), tn_index(d->b, r[i].start));
  }
  tn_compute(d->b, d->out[0], axes, tn_load(d->b, d->in[0], from, NULL));
  return true;
}

/* ---- pad -------------------------------------------------------------------------------------------------------- */

bool tni_infer_pad(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  int32_t count;
  const int64_t *pads = tni_attr_ints(x->node, "pads", &count), most = (int64_t)1 << 40;
  const char *mode = tni_attr_string(x->node, "mode", "constant");
  if (!pads || count != 2 * in->rank) return tni_refuse(x, "`pads` needs %d numbers", 2 * in->rank);
  bool reflect = strcmp(mode, "reflect") == 0, edge = strcmp(mode, "edge") == 0, wrap = strcmp(mode, "wrap") == 0;
  if (!reflect && !edge && !wrap && strcmp(mode, "constant") != 0)
    return tni_refuse(x, "there is no mode `%.32s`", mode);
  same_type(x);
  for (int32_t i = 0; i < in->rank; i++) {
    int64_t before = pads[i], after = pads[in->rank + i], dim = in->shape[i];
    if (before < -most || before > most || after < -most || after > most) return tni_refuse(x, "a pad is out of range");
    if ((edge || wrap || reflect) && (before > 0 || after > 0) && dim == 0) return tni_refuse(x, "nothing to repeat");
    if (reflect && (before >= dim || after >= dim) && (before > 0 || after > 0))
      return tni_refuse(x, "a reflection of %lld is as wide as the tensor",
                        (long long)(before > after ? before : after));
    x->out->shape[i] = dim + before + after;
    if (x->out->shape[i] < 0) return tni_refuse(x, "pads make dimension %d negative", i);
  }
  return true;
}

/* The source of element x of a dimension: mirrored, clamped or wrapped into 0..dim. */
static const tn_expr *bring_inside(tn_builder *b, const char *mode, const tn_expr *x, int64_t dim) {
  const tn_expr *zero = tn_index(b, 0), *last = tn_index(b, dim - 1);
  if (strcmp(mode, "wrap") == 0) return tn_op2(b, TN_OP_floormod, x, tn_index(b, dim));
  if (strcmp(mode, "edge") == 0) return tn_min(b, tn_max(b, x, zero), last);
  const tn_expr *up = tn_max(b, x, tn_sub(b, zero, x));
  return tn_min(b, up, tn_sub(b, tn_index(b, 2 * (dim - 1)), up));
}

bool tni_define_pad(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  int32_t count;
  const int64_t *pads = tni_attr_ints(d->node, "pads", &count);
  const char *mode = tni_attr_string(d->node, "mode", "constant");
  double fill = tni_attr_float(d->node, "value", 0);
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK], *inside = NULL;
  tni_axes(b, out->rank, out->shape, axes);
  for (int32_t i = 0; i < out->rank; i++) {
    from[i] = tn_sub(b, axes[i], tn_index(b, pads[i]));
    if (pads[i] <= 0 && pads[out->rank + i] <= 0) continue;
    if (strcmp(mode, "constant") == 0)
      inside = tni_both(b, inside, tni_inside(b, from[i], x->shape[i]));
    else
      from[i] = bring_inside(b, mode, from[i], x->shape[i]);
  }
  const tn_expr *value = tn_load(b, d->in[0], from, inside);
  if (inside && fill != 0) value = tn_op3(b, TN_OP_select, inside, value, tni_number(b, out->type, fill));
  tn_compute(b, d->out[0], axes, value);
  return true;
}

/* ---- expand, tile ----------------------------------------------------------------------------------------------- */

bool tni_infer_expand(tni_infer *x) {
  if (!shape_from(x, "shape")) return false;
  int64_t want[TN_MAX_RANK];
  int32_t rank = x->out->rank;
  memcpy(want, x->out->shape, sizeof want);
  if (tni_broadcast_shape(&x->out->rank, x->out->shape, x->in[0]->rank, x->in[0]->shape)) return true;
  return tni_refuse(x, "a tensor of rank %d does not broadcast to the shape of rank %d", x->in[0]->rank, rank);
}

bool tni_define_expand(tni_define *d) {
  const tni_gvalue *out = d->out_value[0];
  const tn_expr *axes[TN_MAX_RANK];
  tni_axes(d->b, out->rank, out->shape, axes);
  tn_compute(d->b, d->out[0], axes, tni_input(d, 0, out->rank, axes));
  return true;
}

bool tni_infer_tile(tni_infer *x) {
  int32_t count;
  const int64_t *repeats = tni_attr_ints(x->node, "repeats", &count);
  if (!repeats || count != x->in[0]->rank) return tni_refuse(x, "`repeats` needs %d numbers", x->in[0]->rank);
  same_type(x);
  for (int32_t i = 0; i < count; i++)
    if (repeats[i] < 0 || __builtin_mul_overflow(x->out->shape[i], repeats[i], &x->out->shape[i]))
      return tni_refuse(x, "a repeat is out of range");
  return true;
}

bool tni_define_tile(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK];
  tni_axes(d->b, out->rank, out->shape, axes);
  for (int32_t i = 0; i < out->rank; i++)
    from[i] =
        x->shape[i] == out->shape[i] ? axes[i] : tn_op2(d->b, TN_OP_floormod, axes[i], tn_index(d->b, x->shape[i]));
  tn_compute(d->b, d->out[0], axes, tn_load(d->b, d->in[0], from, NULL));
  return true;
}

/* ---- gather ----------------------------------------------------------------------------------------------------- */

static bool check_indices(tni_infer *x) {
  tn_type t = x->in[1]->type;
  return t == TN_I32 || t == TN_I64 || tni_refuse(x, "indices are not i32 or i64");
}

bool tni_infer_gather(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *at = x->in[1];
  int32_t axis, n = 0;
  if (!check_indices(x) || !tni_infer_axis_of(x, tni_attr_int(x->node, "axis", 0), in->rank, &axis)) return false;
  if (in->rank + at->rank - 1 > TN_MAX_RANK) return tni_refuse(x, "the result has rank %d", in->rank + at->rank - 1);
  x->out->type = in->type;
  for (int32_t i = 0; i < axis; i++) x->out->shape[n++] = in->shape[i];
  for (int32_t i = 0; i < at->rank; i++) x->out->shape[n++] = at->shape[i];
  for (int32_t i = axis + 1; i < in->rank; i++) x->out->shape[n++] = in->shape[i];
  x->out->rank = n;
  return true;
}

const tn_expr *tni_read_index(tn_builder *b, const tn_expr *raw, int64_t dim, const tn_expr **inside) {
  raw = tn_cast(b, TN_I64, raw);
  const tn_expr *negative = tn_op2(b, TN_OP_lt, raw, tn_int(b, TN_I64, 0));
  const tn_expr *wrapped = tn_op3(b, TN_OP_select, negative, tn_add(b, raw, tn_int(b, TN_I64, dim)), raw);
  *inside = tni_both(b, *inside, tni_inside(b, wrapped, dim));
  return tn_cast(b, TN_INDEX, wrapped);
}

bool tni_define_gather(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *at = d->in_value[1], *out = d->out_value[0];
  int32_t axis = (int32_t)tni_normal_axis(d->node, 0, x->rank);
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK], *inside = NULL;
  tni_axes(d->b, out->rank, out->shape, axes);
  for (int32_t i = 0; i < x->rank; i++)
    if (i != axis) from[i] = axes[i < axis ? i : i - 1 + at->rank];
  from[axis] = tni_read_index(d->b, tn_load(d->b, d->in[1], axes + axis, NULL), x->shape[axis], &inside);
  tn_compute(d->b, d->out[0], axes, tn_load(d->b, d->in[0], from, inside));
  return true;
}

bool tni_infer_gather_elements(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *at = x->in[1];
  int32_t axis;
  if (!check_indices(x) || !tni_infer_axis_of(x, tni_attr_int(x->node, "axis", 0), in->rank, &axis)) return false;
  if (at->rank != in->rank) return tni_refuse(x, "indices of rank %d for rank %d", at->rank, in->rank);
  for (int32_t i = 0; i < in->rank; i++)
    if (i != axis && at->shape[i] > in->shape[i])
      return tni_refuse(x, "indices are longer than the data along axis %d", i);
  *x->out = (tni_gvalue){.type = in->type, .rank = at->rank};
  memcpy(x->out->shape, at->shape, sizeof at->shape);
  return true;
}

bool tni_define_gather_elements(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  int32_t axis = (int32_t)tni_normal_axis(d->node, 0, x->rank);
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK], *inside = NULL;
  tni_axes(d->b, out->rank, out->shape, axes);
  memcpy(from, axes, sizeof from);
  from[axis] = tni_read_index(d->b, tn_load(d->b, d->in[1], axes, NULL), x->shape[axis], &inside);
  tn_compute(d->b, d->out[0], axes, tn_load(d->b, d->in[0], from, inside));
  return true;
}

/* indices[..., k] address the first k dimensions behind the batch ones. */
bool tni_infer_gather_nd(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *at = x->in[1];
  int64_t batch = tni_attr_int(x->node, "batch_dims", 0);
  if (!check_indices(x)) return false;
  if (at->rank < 1 || batch < 0 || batch >= at->rank || batch > in->rank)
    return tni_refuse(x, "`batch_dims` of %lld for ranks %d and %d", (long long)batch, in->rank, at->rank);
  int64_t k = at->shape[at->rank - 1];
  if (k < 0 || k > in->rank - batch) return tni_refuse(x, "index tuples of %lld for rank %d", (long long)k, in->rank);
  int32_t rank = at->rank - 1 + in->rank - (int32_t)batch - (int32_t)k, n = 0;
  if (rank > TN_MAX_RANK) return tni_refuse(x, "the result has rank %d", rank);
  for (int32_t i = 0; i < batch; i++)
    if (in->shape[i] != at->shape[i]) return tni_refuse(x, "batch dimension %d differs", i);
  x->out->type = in->type;
  for (int32_t i = 0; i < at->rank - 1; i++) x->out->shape[n++] = at->shape[i];
  for (int32_t i = (int32_t)(batch + k); i < in->rank; i++) x->out->shape[n++] = in->shape[i];
  x->out->rank = n;
  return true;
}

bool tni_define_gather_nd(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *at = d->in_value[1], *out = d->out_value[0];
  tn_builder *b = d->b;
  int32_t batch = (int32_t)tni_attr_int(d->node, "batch_dims", 0), k = (int32_t)at->shape[at->rank - 1];
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK], *tuple[TN_MAX_RANK], *inside = NULL;
  tni_axes(b, out->rank, out->shape, axes);
  memcpy(tuple, axes, sizeof tuple);
  for (int32_t i = 0; i < x->rank; i++) {
    if (i < batch || i >= batch + k) {
      from[i] = axes[i < batch ? i : at->rank - 1 + i - batch - k];
      continue;
    }
    tuple[at->rank - 1] = tn_index(b, i - batch);
    from[i] = tni_read_index(b, tn_load(b, d->in[1], tuple, NULL), x->shape[i], &inside);
  }
  tn_compute(b, d->out[0], axes, tn_load(b, d->in[0], from, inside));
  return true;
}

/* ---- concat ----------------------------------------------------------------------------------------------------- */

bool tni_infer_concat(tni_infer *x) {
  int32_t axis;
  const tni_gvalue *first = x->in[0];
  if (!tni_infer_axis_of(x, tni_attr_int(x->node, "axis", 0), first->rank, &axis)) return false;
  same_type(x);
  for (uint32_t i = 1; i < x->node->input_count; i++) {
    const tni_gvalue *v = x->in[i];
    if (!v || v->type != first->type || v->rank != first->rank)
      return tni_refuse(x, "input %u has another type or rank", i);
    for (int32_t k = 0; k < first->rank; k++)
      if (k != axis && v->shape[k] != first->shape[k]) return tni_refuse(x, "input %u differs along axis %d", i, k);
    if (__builtin_add_overflow(x->out->shape[axis], v->shape[axis], &x->out->shape[axis]))
      return tni_refuse(x, "the result is too long");
  }
  return true;
}

/* One block per input copies it to its place. */
static void copy_part(tni_define *d, uint32_t part, int32_t axis, int64_t at) {
  const tni_gvalue *v = d->in_value[part];
  tn_builder *b = d->b;
  const tn_expr *loops[TN_MAX_RANK], *iters[TN_MAX_RANK], *extents[TN_MAX_RANK], *to[TN_MAX_RANK];
  static const uint8_t reduce[TN_MAX_RANK] = {0};
  char name[24];
  for (int32_t i = 0; i < v->rank; i++) {
    snprintf(name, sizeof name, "i%d", i);
    loops[i] = tn_var(b, name, TN_INDEX);
    snprintf(name, sizeof name, "v%d", i);
    iters[i] = to[i] = tn_var(b, name, TN_INDEX);
    extents[i] = tn_index(b, v->shape[i]);
  }
  to[axis] = tn_add(b, iters[axis], tn_index(b, at));
  snprintf(name, sizeof name, "part%u", part);
  const tn_stmt *body = tn_store(b, d->out[0], to, tn_load(b, d->in[part], iters, NULL));
  body = tn_block(b, name, (size_t)v->rank, iters, extents, reduce, loops, NULL, NULL, body);
  for (int32_t i = v->rank - 1; i >= 0; i--) body = tn_for(b, loops[i], extents[i], body);
  tn_emit(b, body);
}

bool tni_define_concat(tni_define *d) {
  int32_t axis = (int32_t)tni_normal_axis(d->node, 0, d->out_value[0]->rank);
  int64_t at = 0;
  for (uint32_t i = 0; i < d->node->input_count; i++) {
    if (tni_gvalue_numel(d->in_value[i]) > 0) copy_part(d, i, axis, at);
    at += d->in_value[i]->shape[axis];
  }
  return true;
}
