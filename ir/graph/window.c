/* window.c -- sliding windows: the geometry that convolutions and pools share.
 *
 * Along each dimension, tap t of window o reads element o * stride + t * dilation of the padded input, and the padded
 * input is the input with `begin` elements in front and as many behind as the last window needs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdio.h>

#include "ops.h"

enum { MAX_STEP = 1 << 30 }; /* strides, dilations, pads and kernels: products of two fit int64_t */

static bool refuse(char reason[256], const char *text) {
  snprintf(reason, 256, "%s", text);
  return false;
}

/* A list of `dims` numbers in low..MAX_STEP, or `otherwise` for all when absent. */
static bool read_list(const tni_gnode *node, const char *name, int32_t dims, int64_t low, int64_t otherwise,
                      int64_t *out, char reason[256]) {
  int32_t count;
  const int64_t *list = tni_attr_ints(node, name, &count);
  if (list && count != dims) {
    snprintf(reason, 256, "`%s` has %d numbers, not %d", name, count, dims);
    return false;
  }
  for (int32_t i = 0; i < dims; i++) {
    out[i] = list ? list[i] : otherwise;
    if (out[i] >= low && out[i] <= MAX_STEP) continue;
    snprintf(reason, 256, "`%s` has %lld, which is not in %lld..%d", name, (long long)out[i], (long long)low, MAX_STEP);
    return false;
  }
  return true;
}

static int64_t reach(const tni_window *w, int32_t i) { return w->dilation[i] * (w->kernel[i] - 1) + 1; }

static bool read_pads(const tni_gnode *node, tni_window *w, char reason[256]) {
  int64_t pads[2 * TNI_MAX_SPACE];
  if (!read_list(node, "pads", 2 * w->dims, 0, 0, pads, reason)) return false;
  for (int32_t i = 0; i < w->dims; i++) {
    w->begin[i] = pads[i];
    w->end[i] = pads[w->dims + i];
  }
  return true;
}

static void same_pads(tni_window *w, bool upper) {
  for (int32_t i = 0; i < w->dims; i++) {
    int64_t out = (w->in[i] + w->stride[i] - 1) / w->stride[i];
    int64_t total = (out - 1) * w->stride[i] + reach(w, i) - w->in[i];
    if (total < 0) total = 0;
    w->begin[i] = upper ? total / 2 : total - total / 2;
    w->end[i] = total - w->begin[i];
  }
}

static bool choose_pads(const tni_gnode *node, tni_window *w, char reason[256]) {
  const char *mode = tni_attr_string(node, "auto_pad", "NOTSET");
  if (strcmp(mode, "NOTSET") == 0) return read_pads(node, w, reason);
  memset(w->begin, 0, sizeof w->begin);
  memset(w->end, 0, sizeof w->end);
  if (strcmp(mode, "VALID") == 0) return true;
  bool upper = strcmp(mode, "SAME_UPPER") == 0;
  if (!upper && strcmp(mode, "SAME_LOWER") != 0) return refuse(reason, "`auto_pad` is none of NOTSET, VALID, SAME_*");
  same_pads(w, upper);
  return true;
}

/* Windows that fit; with ceil_mode one more may hang over the end, if it starts before the end padding. */
static bool count_windows(tni_window *w, bool ceil_mode, char reason[256]) {
  for (int32_t i = 0; i < w->dims; i++) {
    int64_t room = w->in[i] + w->begin[i] + w->end[i] - reach(w, i);
    if (w->in[i] > (int64_t)1 << 40) return refuse(reason, "a dimension is too big");
    if (room < 0) return refuse(reason, "the window is bigger than the padded input");
    int64_t out = room / w->stride[i] + 1;
    if (ceil_mode && room % w->stride[i] && out * w->stride[i] < w->in[i] + w->begin[i]) out++;
    w->out[i] = out;
    w->padded[i] = (out - 1) * w->stride[i] + reach(w, i);
    if (w->begin[i] > 0 || w->padded[i] > w->in[i]) w->needs_padding = true;
  }
  return true;
}

bool tni_window_of(const tni_gnode *node, int32_t dims, const int64_t *in, const int64_t *kernel, tni_window *w,
                   char reason[256]) {
  memset(w, 0, sizeof *w);
  w->dims = dims;
  w->first = tni_space_dim(node);
  assert(dims >= 1 && dims <= TNI_MAX_SPACE);
  memcpy(w->in, in, sizeof(int64_t) * (size_t)dims);
  if (!read_list(node, "kernel_shape", dims, 1, 0, w->kernel, reason)) {
    int32_t count;
    if (!kernel || tni_attr_ints(node, "kernel_shape", &count)) return false;
  }
  for (int32_t i = 0; kernel && i < dims; i++) {
    if (w->kernel[i] > 0 && w->kernel[i] != kernel[i])
      return refuse(reason, "`kernel_shape` is not that of the weights");
    w->kernel[i] = kernel[i];
    if (kernel[i] < 1 || kernel[i] > MAX_STEP) return refuse(reason, "a kernel dimension is zero or too big");
  }
  return read_list(node, "strides", dims, 1, 1, w->stride, reason) &&
         read_list(node, "dilations", dims, 1, 1, w->dilation, reason) && choose_pads(node, w, reason) &&
         count_windows(w, tni_attr_int(node, "ceil_mode", 0) != 0, reason);
}

bool tni_transposed_window(const tni_gnode *node, int32_t dims, const int64_t *in, const int64_t *kernel,
                           tni_window *w, char reason[256]) {
  static const char *const names[4] = {"strides", "dilations", "pads", "output_padding"};
  const int64_t *list[4];
  int32_t count[4], shape_count;
  const int64_t *shape = tni_attr_ints(node, "output_shape", &shape_count);
  memset(w, 0, sizeof *w);
  w->dims = dims;
  strcpy(reason, "a list of attributes has the wrong length or a number out of range");
  for (int k = 0; k < 4; k++) {
    list[k] = tni_attr_ints(node, names[k], &count[k]);
    if (list[k] && count[k] != (k == 2 ? 2 * dims : dims)) return false;
    for (int32_t i = 0; list[k] && i < count[k]; i++)
      if (list[k][i] < (k < 2) || list[k][i] > MAX_STEP) return false;
  }
  if (shape && shape_count != dims) return false;
  const char *mode = tni_attr_string(node, "auto_pad", "NOTSET");
  bool same = strncmp(mode, "SAME_", 5) == 0;
  for (int32_t i = 0; i < dims; i++) {
    if (kernel[i] < 1 || kernel[i] > MAX_STEP || in[i] < 1 || in[i] > MAX_STEP) return false;
    w->in[i] = in[i];
    w->kernel[i] = kernel[i];
    w->stride[i] = list[0] ? list[0][i] : 1;
    w->dilation[i] = list[1] ? list[1][i] : 1;
    int64_t full = w->stride[i] * (in[i] - 1) + (list[3] ? list[3][i] : 0) + w->dilation[i] * (kernel[i] - 1) + 1;
    if (shape || same) {
      w->out[i] = shape ? shape[i] : in[i] * w->stride[i];
      if (w->out[i] < 1 || w->out[i] > (int64_t)1 << 40) return false;
      int64_t total = full - w->out[i] > 0 ? full - w->out[i] : 0;
      w->begin[i] = strcmp(mode, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
    } else {
      bool padded = list[2] && strcmp(mode, "NOTSET") == 0;
      w->begin[i] = padded ? list[2][i] : 0;
      w->out[i] = full - w->begin[i] - (padded ? list[2][dims + i] : 0);
      if (w->out[i] < 1) return false;
    }
  }
  return true;
}

void tni_window_bound(tni_window *w, const bool bounded[TNI_MAX_SPACE], int64_t before[TNI_MAX_SPACE]) {
  w->needs_padding = false;
  for (int32_t i = 0; i < w->dims; i++) {
    before[i] = bounded[i] ? w->begin[i] : 0;
    if (bounded[i]) {
      w->begin[i] = 0;
      w->padded[i] = w->in[i];
    }
    w->needs_padding |= w->begin[i] > 0 || w->padded[i] > w->in[i];
  }
}

const tn_buffer *tni_padded_input(const tni_define *d, const tni_window *w, const char *name, const tn_expr *outside) {
  const tni_gvalue *x = d->in_value[0];
  int32_t channel = tni_channel_dim(d->node, x->rank);
  bool filled = w->channels > x->shape[channel];
  if (!w->needs_padding && !filled) return d->in[0];
  tn_builder *b = d->b;
  int64_t shape[TN_MAX_RANK];
  memcpy(shape, x->shape, sizeof shape);
  if (filled) shape[channel] = w->channels;
  for (int32_t i = 0; i < w->dims; i++) shape[w->first + i] = w->padded[i];
  const tn_buffer *padded = tn_alloc(b, name, x->type, x->rank, shape);
  const tn_expr *axes[TN_MAX_RANK], *from[TN_MAX_RANK], *inside = NULL;
  tni_axes(b, x->rank, shape, axes);
  for (int32_t i = 0; i < x->rank; i++) {
    int32_t k = i - w->first;
    from[i] = axes[i];
    if (i == channel && filled) inside = tni_both(b, inside, tni_inside(b, axes[i], x->shape[i]));
    if (k < 0 || k >= w->dims || (w->begin[k] == 0 && w->padded[k] <= w->in[k])) continue;
    from[i] = tn_sub(b, axes[i], tn_index(b, w->begin[k]));
    if (w->nearest[k])
      from[i] = tn_min(b, tn_max(b, from[i], tn_index(b, 0)), tn_index(b, w->in[k] - 1));
    else
      inside = tni_both(b, inside, tni_inside(b, from[i], w->in[k]));
  }
  const tn_expr *value = tn_load(b, d->in[0], from, inside);
  if (outside && inside) value = tn_op3(b, TN_OP_select, inside, value, outside);
  tn_compute(b, padded, axes, value);
  return padded;
}
