/* ops_part.c -- converters of operators that take parts of tensors, or put them elsewhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* Along axis 1 before opset 4, where none is given. */
void tni_convert_concat(conversion *c) {
  if (c->m->opset >= 4 || has_attr(c, "axis")) {
    tni_convert_same(c);
    return;
  }
  set_int(c, "axis", 1);
  give(c, 0, emit_n(c, "concat", c->n->input_count, c->n->inputs, out_name(c, 0)));
}

void tni_convert_slice(conversion *c) {
  static const char *const names[] = {"starts", "ends", "axes", "steps"};
  for (uint32_t i = 0; i < 4; i++) {
    int32_t count;
    const int64_t *list = ints_since(c, 10, i + 1, names[i], &count);
    if (list) set_ints(c, names[i], count, list);
  }
  give(c, 0, emit1(c, "slice", input(c, 0), out_name(c, 0)));
}

/* One slice per output. */
void tni_convert_split(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t axis = normal_axis(c, attr_int(c, "axis", 0), x.rank), at = 0;
  int32_t count, parts = (int32_t)c->n->output_count;
  const int64_t *sizes = ints_since(c, 13, 1, "split", &count);
  if (sizes && count != parts) fail(c, TN_E_INVALID, "%d sizes for %d outputs", count, parts);
  if (parts == 0 || !ok(c)) return;
  int64_t dim = x.shape[axis], part = (dim + parts - 1) / parts;
  if (!sizes && c->m->opset < 18 && dim % parts)
    fail(c, TN_E_INVALID, "%lld does not split into %d", (long long)dim, parts);
  for (int32_t i = 0; i < parts && ok(c); i++) {
    int64_t end = sizes ? at + sizes[i] : at + part < dim ? at + part : dim;
    if (end < at || end > dim) fail(c, TN_E_INVALID, "the sizes do not fit the dimension");
    set_ints(c, "starts", 1, &at);
    set_ints(c, "ends", 1, &end);
    set_ints(c, "axes", 1, &axis);
    give(c, (uint32_t)i, emit1(c, "slice", input(c, 0), out_name(c, (uint32_t)i)));
    at = end;
  }
  if (ok(c) && at != dim) fail(c, TN_E_INVALID, "the sizes do not fill the dimension");
}

void tni_convert_pad(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int32_t count, axis_count = 0;
  const int64_t *list = ints_since(c, 11, 1, "pads", &count);
  const int64_t *axes = c->m->opset >= 18 && has_input(c, 3) ? known_ints(c, 3, "axes", &axis_count) : NULL;
  int64_t pads[2 * TN_MAX_RANK] = {0};
  if (!axes) axis_count = x.rank;
  if (!ok(c)) return;
  if (!list || count != 2 * axis_count) return fail(c, TN_E_INVALID, "%d pads for %d axes", count, axis_count);
  for (int32_t i = 0; i < axis_count && ok(c); i++) {
    int32_t axis = axes ? normal_axis(c, axes[i], x.rank) : i;
    pads[axis] = list[i];
    pads[x.rank + axis] = list[axis_count + i];
  }
  double value = c->m->opset < 11 ? attr_float(c, "value", 0) : 0;
  if (c->m->opset >= 11 && has_input(c, 2)) {
    const tni_gvalue *v = known(c, 2);
    if (!ok(c)) return;
    if (tni_gvalue_numel(v) != 1) return fail(c, TN_E_INVALID, "the padding value is not one number");
    tni_scalar s = tni_read_element(v->type, v->data, 0);
    value = tni_type_is_float(v->type) ? s.f : (double)s.i;
  }
  set_ints(c, "pads", 2 * x.rank, pads);
  set_string(c, "mode", attr_string(c, "mode", "constant"));
  set_float(c, "value", value);
  give(c, 0, emit1(c, "pad", input(c, 0), out_name(c, 0)));
}

void tni_convert_one_hot(conversion *c) {
  const tni_gvalue *depth = known(c, 1);
  if (ok(c) && tni_gvalue_numel(depth) != 1) fail(c, TN_E_INVALID, "the depth is not one number");
  if (!ok(c)) return;
  tni_scalar s = tni_read_element(depth->type, depth->data, 0);
  double number = tni_type_is_float(depth->type) ? s.f : (double)s.i;
  if (!(number >= 1 && number < (double)(1 << 30))) return fail(c, TN_E_INVALID, "the depth is out of range");
  set_int(c, "depth", (int64_t)number);
  set_int(c, "axis", attr_int(c, "axis", -1));
  give(c, 0, emit2(c, "one_hot", input(c, 0), input(c, 2), out_name(c, 0)));
}

void tni_convert_trilu(conversion *c) {
  set_int(c, "upper", attr_int(c, "upper", 1));
  set_int(c, "k", has_input(c, 1) ? known_int(c, 1, "k") : 0);
  give(c, 0, emit1(c, "trilu", input(c, 0), out_name(c, 0)));
}

/* Views around a transpose: (n, c, h, w) and blocks of b by b. */
void tni_convert_depth_to_space(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t b = attr_int(c, "blocksize", 0), *s = x.shape;
  bool dcr = strcmp(attr_string(c, "mode", "DCR"), "DCR") == 0;
  if (x.rank != 4 || b < 1 || b > (1 << 20) || s[1] % (b * b))
    return fail(c, TN_E_INVALID, "the shape and `blocksize` do not fit");
  int64_t rest = s[1] / (b * b);
  int64_t split_dcr[] = {s[0], b, b, rest, s[2], s[3]}, split_crd[] = {s[0], rest, b, b, s[2], s[3]};
  static const int64_t perm_dcr[] = {0, 3, 4, 1, 5, 2}, perm_crd[] = {0, 1, 4, 2, 5, 3};
  int64_t shape[] = {s[0], rest, s[2] * b, s[3] * b};
  uint32_t y = reshape(c, input(c, 0), 6, dcr ? split_dcr : split_crd, NULL);
  set_ints(c, "perm", 6, dcr ? perm_dcr : perm_crd);
  give(c, 0, reshape(c, emit1(c, "transpose", y, NULL), 4, shape, out_name(c, 0)));
}

void tni_convert_space_to_depth(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t b = attr_int(c, "blocksize", 0), *s = x.shape;
  if (x.rank != 4 || b < 1 || b > (1 << 20) || s[2] % b || s[3] % b)
    return fail(c, TN_E_INVALID, "the shape and `blocksize` do not fit");
  int64_t split[] = {s[0], s[1], s[2] / b, b, s[3] / b, b}, shape[] = {s[0], s[1] * b * b, s[2] / b, s[3] / b};
  static const int64_t perm[] = {0, 3, 5, 1, 2, 4};
  uint32_t y = reshape(c, input(c, 0), 6, split, NULL);
  set_ints(c, "perm", 6, perm);
  give(c, 0, reshape(c, emit1(c, "transpose", y, NULL), 4, shape, out_name(c, 0)));
}

/* The first lengths[batch] elements along the time axis in reverse. */
void tni_convert_reverse_sequence(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t time = attr_int(c, "time_axis", 0), batch = attr_int(c, "batch_axis", 1), shape[TN_MAX_RANK];
  if (x.rank < 2 || time < 0 || time > 1 || batch != 1 - time)
    return fail(c, TN_E_INVALID, "time and batch are not the first two axes");
  if (in(c, 1)->rank != 1 || in(c, 1)->shape[0] != x.shape[batch])
    return fail(c, TN_E_INVALID, "the lengths are not one number per element of the batch");
  for (int32_t i = 0; i < x.rank; i++) shape[i] = i == batch ? x.shape[batch] : 1;
  uint32_t length = cast_to(c, reshape(c, input(c, 1), x.rank, shape, NULL), TN_I64);
  uint32_t at = counting(c, TN_I64, x.shape[time], x.rank, (int32_t)time);
  uint32_t mirrored = with_number(c, "sub", emit2(c, "sub", length, at, NULL), 1);
  at = emit3(c, "where", emit2(c, "less", at, length, NULL), mirrored, at);
  set_ints(c, "shape", x.rank, x.shape);
  at = emit1(c, "expand", at, NULL);
  set_int(c, "axis", time);
  give(c, 0, emit2(c, "gather_elements", input(c, 0), at, out_name(c, 0)));
}

/* The update goes to places write_indices[batch], ... along an axis; circular: on from the start at the end. */
void tni_convert_tensor_scatter(conversion *c) {
  tni_gvalue x = *in(c, 0), update = *in(c, 1);
  const char *mode = attr_string(c, "mode", "linear");
  bool circular = strcmp(mode, "circular") == 0;
  int32_t axis = normal_axis(c, attr_int(c, "axis", -2), x.rank);
  if (!circular && strcmp(mode, "linear") != 0) return fail(c, TN_E_INVALID, "there is no mode `%.32s`", mode);
  if (!ok(c)) return;
  if (axis == 0 || update.rank != x.rank) return fail(c, TN_E_INVALID, "the update does not fit");
  int64_t shape[TN_MAX_RANK];
  for (int32_t i = 0; i < x.rank; i++) shape[i] = i ? 1 : x.shape[0];
  uint32_t at = counting(c, TN_I64, update.shape[axis], x.rank, axis);
  if (has_input(c, 2)) at = emit2(c, "add", at, cast_to(c, reshape(c, input(c, 2), x.rank, shape, NULL), TN_I64), NULL);
  if (circular) at = with_number(c, "mod", at, (double)x.shape[axis]);
  set_ints(c, "shape", x.rank, update.shape);
  at = emit1(c, "expand", at, NULL);
  set_int(c, "axis", axis);
  finish(c, 0, emit3(c, "scatter_elements", input(c, 0), at, input(c, 1)));
}

/* Cuts or pads both ends of some axes to a shape; what is odd goes to the end. */
void tni_convert_center_crop_pad(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int32_t count, axis_count;
  const int64_t *want = known_ints(c, 1, "shape", &count), *axes = attr_ints(c, "axes", &axis_count);
  int64_t pads[2 * TN_MAX_RANK] = {0};
  if (ok(c) && count != (axes ? axis_count : x.rank))
    fail(c, TN_E_INVALID, "%d sizes for %d axes", count, axes ? axis_count : x.rank);
  for (int32_t i = 0; ok(c) && i < count; i++) {
    int32_t axis = axes ? normal_axis(c, axes[i], x.rank) : i;
    if (!ok(c)) return;
    int64_t more = want[i] - x.shape[axis], before = more >= 0 ? more / 2 : -(-more / 2);
    pads[axis] = before;
    pads[x.rank + axis] = more - before;
  }
  set_ints(c, "pads", 2 * x.rank, pads);
  give(c, 0, emit1(c, "pad", input(c, 0), out_name(c, 0)));
}
