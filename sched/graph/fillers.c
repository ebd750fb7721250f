/* fillers.c -- weights written in the order in which kernels read them, some rows of the outermost dimension at a time. The
 * orders are those of layout.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* ---- convolutions ------------------------------------------------------------------------------------------------ */

/* (m, c, taps...) as (c, taps..., m). */
void tni_fill_oc_last(char *to, const tni_gvalue *w, const int64_t *shape, int64_t begin, int64_t end) {
  size_t size = tn_type_bytes(w->type), first = (size_t)w->shape[0], rest = first ? (size_t)tni_gvalue_numel(w) / first : 0;
  size_t row = shape[0] ? rest / (size_t)shape[0] : 0, at = (size_t)begin * row;
  tni_turn_contents(to + at * first * size, first, (const char *)w->data + at * size, rest, first, (size_t)(end - begin) * row,
                    size);
}

/* Of channels by themselves, so many taps of the first dimension side by side. */
void tni_fill_oc_stacked(char *to, const tni_gvalue *w, const int64_t *shape, int64_t begin, int64_t end) {
  size_t size = tn_type_bytes(w->type);
  int64_t channels = w->shape[0], first = w->shape[2], side = shape[w->rank - 1];
  int64_t taps = tni_gvalue_numel(w) / channels, others = taps / first;
  const char *from = w->data;
  to += (size_t)(begin * others * channels * side) * size;
  for (int64_t k = begin * side; k < end * side; k += side)
    for (int64_t t = 0; t < others; t++)
      for (int64_t m = 0; m < channels; m++)
        for (int64_t i = k; i < k + side; i++, to += size) {
          if (i < first)
            memcpy(to, from + (size_t)(m * taps + i * others + t) * size, size);
          else
            memset(to, 0, size);
        }
}

/* So many of a sum's channels side by side. */
void tni_fill_oc_side(char *to, const tni_gvalue *w, const int64_t *shape, int64_t begin, int64_t end) {
  size_t size = tn_type_bytes(w->type);
  int64_t channels = w->shape[0], own = w->shape[1], width = shape[w->rank], side = shape[w->rank + 1];
  int64_t taps = channels && own ? tni_gvalue_numel(w) / channels / own : 0;
  const char *from = w->data;
  to += (size_t)(begin * shape[1] * side * taps * width) * size;
  for (int64_t p = begin; p < end; p++)
    for (int64_t c = 0; c < shape[1] * side; c += side)
      for (int64_t t = 0; t < taps; t++)
        for (int64_t m = p * width; m < (p + 1) * width; m++)
          for (int64_t i = c; i < c + side; i++, to += size) {
            if (m < channels && i < own)
              memcpy(to, from + (size_t)((m * own + i) * taps + t) * size, size);
            else
              memset(to, 0, size);
          }
}

/* So many of a row of innermost taps and all channels side by side. */
void tni_fill_oc_joined(char *to, const tni_gvalue *w, const int64_t *shape, int64_t begin, int64_t end) {
  size_t size = tn_type_bytes(w->type);
  int32_t rank = w->rank;
  int64_t channels = w->shape[1], row = w->shape[rank - 1], width = shape[rank - 1], side = shape[rank];
  int64_t sums = tni_gvalue_numel(w) / w->shape[0], taps = sums / channels, rows = taps / row;
  const char *from = w->data;
  to += (size_t)(begin * rows * shape[rank - 2] * side * width) * size;
  for (int64_t p = begin; p < end; p++)
    for (int64_t t = 0; t < rows; t++)
      for (int64_t j = 0; j < shape[rank - 2] * side; j += side)
        for (int64_t m = p * width; m < (p + 1) * width; m++)
          for (int64_t i = j; i < j + side; i++, to += size) {
            int64_t tap = t * row + i / channels;
            if (m < w->shape[0] && i < row * channels)
              memcpy(to, from + (size_t)(m * sums + i % channels * taps + tap) * size, size);
            else
              memset(to, 0, size);
          }
}

/* A panel is so many channels, turned. */
void tni_fill_oc_panels(char *to, const tni_gvalue *w, const int64_t *shape, int64_t begin, int64_t end) {
  size_t size = tn_type_bytes(w->type), channels = (size_t)w->shape[0], width = (size_t)shape[w->rank];
  size_t sums = channels ? (size_t)tni_gvalue_numel(w) / channels : 0, last = (size_t)end * width;
  const char *from = w->data;
  to += (size_t)begin * sums * width * size;
  for (size_t m = (size_t)begin * width; m < last && m < channels; m += width, to += sums * width * size) {
    size_t count = channels - m < width ? channels - m : width;
    if (count < width) memset(to, 0, sums * width * size);
    tni_turn_contents(to, width, from + m * sums * size, sums, count, sums, size);
  }
}

/* ---- matrix products --------------------------------------------------------------------------------------------- */

/* Rows k of columns n as panels, in that shape, (panels, k / group, panel, group); zeros fill up. */
void tni_fill_panels(char *to, const tni_gvalue *w, const int64_t *shape, int64_t begin, int64_t end) {
  size_t bytes = tn_type_bytes(w->type);
  int64_t sums = w->shape[0], columns = w->shape[1], width = shape[2], group = shape[3];
  to += (size_t)(begin * shape[1] * width * group) * bytes;
  for (int64_t p = begin; p < end; p++)
    for (int64_t k = 0; k < shape[1]; k++)
      for (int64_t n = p * width; n < (p + 1) * width; n++)
        for (int64_t t = k * group; t < (k + 1) * group; t++, to += bytes) {
          if (n < columns && t < sums)
            memcpy(to, (const char *)w->data + (size_t)(t * columns + n) * bytes, bytes);
          else
            memset(to, 0, bytes);
        }
}

/* The same of rows that stand alone, (panels, k, panel): a panel's part of a row is in one piece. Row by row, as the weights
 * lie. */
void tni_fill_simple_panels(char *to, const tni_gvalue *w, const int64_t *shape, int64_t begin, int64_t end) {
  size_t bytes = tn_type_bytes(w->type), line = (size_t)shape[2] * bytes;
  int64_t sums = w->shape[0], columns = w->shape[1];
  for (int64_t k = 0; k < sums; k++) {
    const char *row = (const char *)w->data + (size_t)(k * columns) * bytes;
    for (int64_t p = begin; p < end; p++) {
      int64_t first = p * shape[2], count = columns - first < shape[2] ? columns - first : shape[2];
      char *at = to + (size_t)(p * sums + k) * line;
      memcpy(at, row + (size_t)first * bytes, (size_t)count * bytes);
      memset(at + (size_t)count * bytes, 0, (size_t)(shape[2] - count) * bytes);
    }
  }
}

/* ---- recurrent layers -------------------------------------------------------------------------------------------- */

void tni_fill_parts(char *to, const tni_gvalue *w, const int64_t *shape, int64_t begin, int64_t end) {
  size_t bytes = tn_type_bytes(w->type);
  int64_t n = w->shape[0], columns = w->shape[1], gates = columns / n, units = shape[2] / gates;
  to += (size_t)(begin * n * shape[2]) * bytes;
  for (int64_t p = begin; p < end; p++)
    for (int64_t k = 0; k < n; k++)
      for (int64_t g = 0; g < gates; g++, to += (size_t)units * bytes) {
        int64_t first = p * units, own = n - first < units ? n - first : units;
        memcpy(to, (const char *)w->data + (size_t)(k * columns + g * n + first) * bytes, (size_t)own * bytes);
        memset(to + (size_t)own * bytes, 0, (size_t)(units - own) * bytes);
      }
}
