/* ops_select.c -- converters of operators whose outputs are as long as the contents of their inputs say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* Element (0, 0) of a matrix, as a number. */
static uint32_t corner(conversion *c, uint32_t x) {
  return reshape(c, sliced(c, sliced(c, x, 0, 0, 1), 1, 0, 1), 0, NULL, NULL);
}

/* Row `row` of a matrix but for its first element, as a list. */
static uint32_t list_of(conversion *c, uint32_t x, int64_t row) {
  int64_t end = value_of(c, x)->shape[1], count = end - 1;
  return reshape(c, sliced(c, sliced(c, x, 0, row, row + 1), 1, 1, end), 1, &count, NULL);
}

static uint32_t flat(conversion *c, uint32_t x) {
  int64_t count = tni_gvalue_numel(value_of(c, x));
  return reshape(c, x, 1, &count, NULL);
}

/* Of a number: no places, as often as it is one. */
void tni_convert_non_zero(conversion *c) {
  tni_gvalue x = *in(c, 0);
  uint32_t places = emit1(c, "non_zero", x.rank ? input(c, 0) : flat(c, input(c, 0)), NULL), count = corner(c, places);
  places = sliced(c, places, 1, 1, tni_gvalue_numel(&x) + 1);
  finish_narrowed(c, 0, x.rank ? places : sliced(c, places, 0, 0, 0), 1, count);
}

void tni_convert_compress(conversion *c) {
  bool whole = !has_attr(c, "axis");
  uint32_t x = whole ? flat(c, input(c, 0)) : input(c, 0);
  int32_t axis = normal_axis(c, attr_int(c, "axis", 0), value_of(c, x)->rank);
  tni_gvalue held = *value_of(c, x), keep = *in(c, 1);
  if (ok(c) && (keep.type != TN_BOOL || keep.rank != 1 || keep.shape[0] > held.shape[axis]))
    fail(c, TN_E_INVALID, "the condition is not a list of truth values, at most as long as the dimension");
  uint32_t places = emit1(c, "non_zero", input(c, 1), NULL), count = corner(c, places);
  places = list_of(c, places, 0);
  set_int(c, "axis", axis);
  finish_narrowed(c, 0, emit2(c, "gather", x, places, NULL), axis, count);
}

/* The input as a matrix whose rows are what is along the axis. */
static uint32_t as_rows(conversion *c, uint32_t x, int32_t axis) {
  tni_gvalue v = *value_of(c, x);
  int64_t perm[TN_MAX_RANK] = {axis}, shape[2] = {v.shape[axis], 1};
  for (int32_t i = 0, to = 1; i < v.rank; i++) {
    if (i == axis) continue;
    perm[to++] = i;
    shape[1] *= v.shape[i];
  }
  return reshape(c, axis ? permuted(c, x, perm) : x, 2, shape, NULL);
}

void tni_convert_unique(conversion *c) {
  uint32_t x = has_attr(c, "axis") ? input(c, 0) : flat(c, input(c, 0));
  int32_t axis = normal_axis(c, attr_int(c, "axis", 0), value_of(c, x)->rank);
  if (!ok(c)) return;
  uint32_t rows = as_rows(c, x, axis);
  set_int(c, "sorted", attr_int(c, "sorted", 1));
  uint32_t groups = emit1(c, "unique_rows", rows, NULL), count = corner(c, groups), first = list_of(c, groups, 0);
  set_int(c, "axis", axis);
  finish_narrowed(c, 0, emit2(c, "gather", x, first, NULL), axis, count);
  if (wants(c, 1)) finish_narrowed(c, 1, first, 0, count);
  if (wants(c, 2)) finish(c, 2, list_of(c, groups, 1));
  if (wants(c, 3)) finish_narrowed(c, 3, list_of(c, groups, 2), 0, count);
}

void tni_convert_non_max_suppression(conversion *c) {
  uint32_t inputs[] = {input(c, 0), input(c, 1), input(c, 3), input(c, 4)};
  set_int(c, "center", attr_int(c, "center_point_box", 0));
  set_int(c, "most", has_input(c, 2) ? known_int(c, 2, "max_output_boxes_per_class") : 0);
  uint32_t picked = emit_n(c, "non_max_suppression", 4, inputs, NULL), count = corner(c, picked);
  finish_narrowed(c, 0, sliced(c, picked, 0, 1, value_of(c, picked)->shape[0]), 0, count);
}
