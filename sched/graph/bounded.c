/* bounded.c -- which dimensions of a convolution's space are to have no padding, but sums that end where the picture does.
 *
 *     conv(x, w) {channels_last = 1}, w constant   ->   conv(x, w) {channels_last = 1, bounded = [1, 0]}
 *
 * Taps over padding add nothing where weights are finite, but cost what others do: a tenth of all in 14 rows by 5 taps. A
 * tile in registers is of pixels along one dimension that take the same taps: that one, the innermost of several pixels,
 * keeps its padding. Where all channels are summed it may be any other: one that needs no padding is better. Sums of a few
 * channels in groups stay as they are: the steps are too few for loops whose ends are not constant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { LEAST_PIXELS = 8 /* that fill a tile */, BLOCK = 1024, EXPONENT = 0x7f800000 };

/* None of so many numbers has the exponent of infinity and NaN. */
static bool is_block_finite(const uint32_t bits[BLOCK]) {
  uint32_t found = 0;
  for (int i = 0; i < BLOCK; i++) found |= (bits[i] & EXPONENT) == EXPONENT;
  return !found;
}

bool tni_are_finite(const tni_gvalue *w) {
  const char *numbers = w->data; /* wherever they lie */
  size_t left = (size_t)tni_gvalue_numel(w), count;
  uint32_t bits[BLOCK] = {0};
  for (; left; left -= count, numbers += count * sizeof *bits) {
    count = left < BLOCK ? left : BLOCK;
    memcpy(bits, numbers, count * sizeof *bits);
    if (!is_block_finite(bits)) return false;
  }
  return true;
}

/* Does a window along dimension i leave the picture at its beginning or end? */
static bool is_padded(const tn_graph *g, const tni_gnode *n, int32_t i) {
  int32_t count;
  const int64_t *strides = tni_attr_ints(n, "strides", &count), *dilations = tni_attr_ints(n, "dilations", &count);
  int64_t in = g->values[n->inputs[0]].shape[1 + i], out = g->values[n->outputs[0]].shape[1 + i];
  int64_t taps = g->values[n->inputs[1]].shape[2 + i];
  return (out - 1) * (strides ? strides[i] : 1) + (taps - 1) * (dilations ? dilations[i] : 1) + 1 > in;
}

/* The dimension that tiles are along. */
static int32_t find_along(const tn_graph *g, const tni_gnode *n, int32_t dims) {
  const int64_t *pixels = g->values[n->outputs[0]].shape + 1;
  int32_t along = dims - 1;
  while (along > 0 && pixels[along] == 1) along--;
  for (int32_t i = dims; tni_attr_int(n, "group", 1) == 1 && i-- > 0;)
    if (pixels[i] >= LEAST_PIXELS && !is_padded(g, n, i)) return i;
  return along;
}

/* All channels, or each by itself, of floats with a border of zeros. */
static bool is_suited(const tn_graph *g, const tni_gnode *n) {
  const tni_gvalue *w = &g->values[n->inputs[1]];
  int64_t group = tni_attr_int(n, "group", 1);
  return w->type == TN_F32 && (group == 1 || group == w->shape[0]) && tni_attr_int(n, "channels_last", 0) &&
         !tni_attr_int(n, "outside", 0) && !tni_attr_string(n, "to", NULL) &&
         tni_gvalue_numel(&g->values[n->outputs[0]]) > 0;
}

bool tni_find_bounded(const tn_graph *g, const tni_gnode *n, int64_t *bounded) {
  const tni_gvalue *w = &g->values[n->inputs[1]];
  int32_t dims = w->rank - 2;
  bool found = false;
  if (!is_suited(g, n)) return false;
  int32_t along = find_along(g, n, dims);
  for (int32_t i = 0; i < dims; i++) found |= bounded[i] = i != along && is_padded(g, n, i);
  return found;
}
