/* fillers.c -- weights written in the order in which kernels read them, some rows of the outermost dimension at a time. The
 * orders are those of layout.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* ---- convolutions ------------------------------------------------------------------------------------------------ */

/* (m, c, taps...) as (c, taps..., m). */
void tni_fill_oc_last(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  const tni_gvalue *w = &source->w;
  size_t size = tn_type_bytes(w->type), first = (size_t)w->shape[0], rest = first ? (size_t)tni_gvalue_numel(w) / first : 0;
  size_t row = shape[0] ? rest / (size_t)shape[0] : 0, at = (size_t)begin * row;
  tni_turn_contents(to + at * first * size, first, (const char *)w->data + at * size, rest, first, (size_t)(end - begin) * row,
                    size);
}

/* Of channels by themselves, so many taps of the first dimension side by side. */
void tni_fill_oc_stacked(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  const tni_gvalue *w = &source->w;
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
void tni_fill_oc_side(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  const tni_gvalue *w = &source->w;
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
void tni_fill_oc_joined(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  const tni_gvalue *w = &source->w;
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

/* ---- matrix products --------------------------------------------------------------------------------------------- */

/* Rows k of columns n as panels, in that shape, (panels, k / group, panel, group); zeros fill up. */
void tni_fill_panels(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  const tni_gvalue *w = &source->w;
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

/* ---- simple panels ------------------------------------------------------------------------------------------------ */

/* Channels from..end of all, of a stripe whose first one is number `first`, into panels of so many bytes for each of the sums. */
typedef struct range {
  const tni_stripe *stripe;
  size_t first, from, end, sums, width, size;
} range;

/* Of stripes whose channels are neighbours: row by row, as they lie. */
static void fill_rows(char *to, const range *r) {
  size_t line = r->width * r->size, count;
  for (size_t k = 0; k < r->sums; k++)
    for (size_t m = r->from; m < r->end; m += count) {
      size_t in = m % r->width;
      count = r->width - in < r->end - m ? r->width - in : r->end - m;
      memcpy(to + (m / r->width * r->sums + k) * line + in * r->size,
             r->stripe->data + k * r->stripe->sum_step + (m - r->first) * r->size, count * r->size);
    }
}

/* Of those whose sums are: panels are turned. */
static void fill_turned(char *to, const range *r) {
  size_t line = r->width * r->size, count;
  for (size_t m = r->from; m < r->end; m += count) {
    size_t in = m % r->width;
    count = r->width - in < r->end - m ? r->width - in : r->end - m;
    tni_turn_contents(to + m / r->width * r->sums * line + in * r->size, r->width,
                      r->stripe->data + (m - r->first) * r->stripe->step, r->stripe->step / r->size, count, r->sums, r->size);
  }
}

/* Panels begin..end of `all` channels; zeros fill up the last one. */
static void fill_stripes(char *to, uint32_t count, const tni_stripe *stripes, range r, size_t all, size_t begin, size_t end) {
  size_t panel = r.sums * r.width * r.size, last = all / r.width;
  if (all % r.width && begin <= last && last < end) memset(to + last * panel, 0, panel);
  for (uint32_t i = 0; i < count; i++, r.first += r.stripe->count) {
    r.stripe = &stripes[i];
    r.from = r.first > begin * r.width ? r.first : begin * r.width;
    r.end = r.first + r.stripe->count < end * r.width ? r.first + r.stripe->count : end * r.width;
    if (r.from >= r.end) continue;
    if (r.stripe->step == r.size)
      fill_rows(to, &r);
    else
      fill_turned(to, &r);
  }
}

/* A panel is so many channels of a convolution. */
void tni_fill_oc_panels(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  const tni_gvalue *w = &source->w;
  size_t size = tn_type_bytes(w->type), channels = (size_t)w->shape[0];
  size_t sums = channels ? (size_t)tni_gvalue_numel(w) / channels : 0;
  const tni_stripe whole = {.data = w->data, .count = channels, .step = sums * size, .sum_step = size};
  const range r = {.sums = sums, .width = (size_t)shape[w->rank], .size = size};
  fill_stripes(to, source->stripe_count ? source->stripe_count : 1, source->stripe_count ? source->stripes : &whole, r, channels,
               (size_t)begin, (size_t)end);
}

/* Or of a matrix' columns: (panels, k, panel). */
void tni_fill_simple_panels(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  const tni_gvalue *w = &source->w;
  size_t size = tn_type_bytes(w->type), columns = (size_t)w->shape[1];
  const tni_stripe whole = {.data = w->data, .count = columns, .step = size, .sum_step = columns * size};
  const range r = {.sums = (size_t)w->shape[0], .width = (size_t)shape[2], .size = size};
  fill_stripes(to, source->stripe_count ? source->stripe_count : 1, source->stripe_count ? source->stripes : &whole, r, columns,
               (size_t)begin, (size_t)end);
}

/* ---- recurrent layers -------------------------------------------------------------------------------------------- */

void tni_fill_parts(char *to, const tni_source *source, const int64_t *shape, int64_t begin, int64_t end) {
  const tni_gvalue *w = &source->w;
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
