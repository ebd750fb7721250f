/* ops_shape.c -- converters of what changes shapes and no element, or asks for a shape.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

static int64_t product(const int64_t *list, int32_t from, int32_t to) {
  int64_t n = 1;
  for (int32_t i = from; i < to; i++) n *= list[i];
  return n;
}

void tni_convert_flatten(conversion *c) {
  const tni_gvalue *x = in(c, 0);
  int64_t axis = attr_int(c, "axis", 1);
  if (axis < -x->rank || axis > x->rank)
    fail(c, TN_E_INVALID, "axis %lld is outside a tensor of rank %d", (long long)axis, x->rank);
  if (!ok(c)) return;
  int32_t at = (int32_t)(axis < 0 ? axis + x->rank : axis);
  int64_t shape[2] = {product(x->shape, 0, at), product(x->shape, at, x->rank)};
  give(c, 0, reshape(c, input(c, 0), 2, shape, out_name(c, 0)));
}

/* 0 keeps a dimension (unless allowzero), one -1 takes what is left. */
void tni_convert_reshape(conversion *c) {
  int32_t count, open = -1;
  const int64_t *want = ints_since(c, 5, 1, "shape", &count);
  tni_gvalue x = *in(c, 0);
  int64_t shape[TN_MAX_RANK], given = 1;
  bool zeros = attr_int(c, "allowzero", 0) != 0;
  if (count > TN_MAX_RANK) fail(c, TN_E_UNSUPPORTED, "rank %d is over %d", count, TN_MAX_RANK);
  for (int32_t i = 0; ok(c) && i < count; i++) {
    shape[i] = want[i];
    if (want[i] == 0 && !zeros) {
      if (i >= x.rank)
        fail(c, TN_E_INVALID, "dimension %d is 0, and the input has rank %d", i, x.rank);
      else
        shape[i] = x.shape[i];
    }
    if (want[i] < -1 || (want[i] == -1 && open >= 0))
      fail(c, TN_E_INVALID, "the shape has more than one open dimension, or a negative one");
    if (want[i] == -1)
      open = i;
    else if (__builtin_mul_overflow(given, shape[i], &given))
      fail(c, TN_E_INVALID, "the shape is too big");
  }
  if (!ok(c)) return;
  int64_t total = tni_gvalue_numel(&x);
  if (open >= 0 && (given == 0 || total % given))
    fail(c, TN_E_INVALID, "%lld elements do not fill the shape", (long long)total);
  if (open >= 0 && ok(c)) shape[open] = total / given;
  give(c, 0, reshape(c, input(c, 0), count, shape, out_name(c, 0)));
}

void tni_convert_squeeze(conversion *c) {
  int32_t count, n = 0;
  const int64_t *axes = ints_since(c, 13, 1, "axes", &count);
  tni_gvalue x = *in(c, 0);
  bool drop[TN_MAX_RANK] = {false};
  int64_t shape[TN_MAX_RANK];
  for (int32_t i = 0; i < count && ok(c); i++) drop[normal_axis(c, axes[i], x.rank)] = true;
  for (int32_t i = 0; i < x.rank && ok(c); i++) {
    if (!axes) drop[i] = x.shape[i] == 1;
    if (drop[i] && x.shape[i] != 1) fail(c, TN_E_INVALID, "dimension %d is %lld, not 1", i, (long long)x.shape[i]);
    if (!drop[i]) shape[n++] = x.shape[i];
  }
  give(c, 0, reshape(c, input(c, 0), n, shape, out_name(c, 0)));
}

void tni_convert_unsqueeze(conversion *c) {
  int32_t count, n = 0;
  const int64_t *axes = ints_since(c, 13, 1, "axes", &count);
  tni_gvalue x = *in(c, 0);
  bool one[TN_MAX_RANK] = {false};
  int64_t shape[TN_MAX_RANK];
  if (x.rank + count > TN_MAX_RANK) fail(c, TN_E_UNSUPPORTED, "rank %d is over %d", x.rank + count, TN_MAX_RANK);
  for (int32_t i = 0; i < count && ok(c); i++) {
    int32_t axis = normal_axis(c, axes[i], x.rank + count);
    if (one[axis]) fail(c, TN_E_INVALID, "axis %d is given twice", axis);
    one[axis] = true;
  }
  for (int32_t i = 0; ok(c) && i < x.rank + count; i++) shape[i] = one[i] ? 1 : x.shape[n++];
  give(c, 0, reshape(c, input(c, 0), x.rank + count, shape, out_name(c, 0)));
}

void tni_convert_expand(conversion *c) {
  int32_t count;
  const int64_t *shape = known_ints(c, 1, "shape", &count);
  set_ints(c, "shape", count, shape);
  give(c, 0, emit1(c, "expand", input(c, 0), out_name(c, 0)));
}

void tni_convert_tile(conversion *c) {
  int32_t count;
  if (c->m->opset < 6) return fail(c, TN_E_UNSUPPORTED, "one axis and a number of tiles is not supported");
  const int64_t *repeats = known_ints(c, 1, "repeats", &count);
  set_ints(c, "repeats", count, repeats);
  give(c, 0, emit1(c, "tile", input(c, 0), out_name(c, 0)));
}

void tni_convert_shape(conversion *c) {
  const tni_gvalue *x = in(c, 0);
  int64_t start = attr_int(c, "start", 0), end = attr_int(c, "end", x->rank), rank = x->rank;
  start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
  end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
  int64_t shape[TN_MAX_RANK + 1];
  memcpy(shape, x->shape, sizeof x->shape);
  give(c, 0, const_ints(c, 1, end > start ? end - start : 0, shape + start, out_name(c, 0)));
}

void tni_convert_size(conversion *c) {
  int64_t n = tni_gvalue_numel(in(c, 0));
  give(c, 0, const_ints(c, 0, 1, &n, out_name(c, 0)));
}
