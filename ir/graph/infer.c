/* infer.c -- what the operators' shape rules share: refusals, axes, broadcasting.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "ops.h"

bool tni_refuse(tni_infer *x, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(x->reason, sizeof x->reason, format, args);
  va_end(args);
  return false;
}

bool tni_infer_axis_of(tni_infer *x, int64_t axis, int32_t rank, int32_t *out) {
  if (axis < -(int64_t)rank || axis >= rank)
    return tni_refuse(x, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
  *out = (int32_t)(axis < 0 ? axis + rank : axis);
  return true;
}

bool tni_axis_set(tni_infer *x, const int64_t *axes, int32_t count, int32_t rank, bool set[TN_MAX_RANK]) {
  for (int32_t i = 0; i < TN_MAX_RANK; i++) set[i] = !axes && i < rank;
  for (int32_t i = 0; axes && i < count; i++) {
    int32_t axis = 0;
    if (!tni_infer_axis_of(x, axes[i], rank, &axis)) return false;
    if (set[axis]) return tni_refuse(x, "axis %d is given twice", axis);
    set[axis] = true;
  }
  return true;
}

bool tni_broadcast_shape(int32_t *rank, int64_t *shape, int32_t other_rank, const int64_t *other) {
  int64_t merged[TN_MAX_RANK];
  int32_t n = *rank > other_rank ? *rank : other_rank;
  for (int32_t i = 0; i < n; i++) {
    int32_t a = *rank - n + i, b = other_rank - n + i;
    int64_t x = a >= 0 ? shape[a] : 1, y = b >= 0 ? other[b] : 1;
    if (x != y && x != 1 && y != 1) return false;
    merged[i] = x == 1 ? y : x;
  }
  memcpy(shape, merged, sizeof(int64_t) * (size_t)n);
  *rank = n;
  return true;
}

int64_t tni_normal_axis(const tni_gnode *node, int64_t otherwise, int32_t rank) {
  int64_t axis = tni_attr_int(node, "axis", otherwise);
  return axis < 0 ? axis + rank : axis;
}
