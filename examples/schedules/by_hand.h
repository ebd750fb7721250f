/* by_hand.h -- the pipelines of stencil.c as a person vectorises them, in the blocking of its schedules.
 *
 * Included once for each width of vectors, with BYTES, TARGET (what the processor has to have), NAME(x), which is x
 * with a suffix, and BYTES_AT(p), a vector's elements of uint8_t as floats. Each function does strips `begin` to `end`
 * of the picture, as tn_env.parallel_for wants it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

/* In memory vectors stand as their elements do, anywhere. */
typedef uint16_t NAME(words) __attribute__((vector_size(BYTES), aligned(2), may_alias));
typedef float NAME(floats) __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef int32_t NAME(ints) __attribute__((vector_size(BYTES)));
typedef uint8_t NAME(bytes) __attribute__((vector_size(BYTES / 4), aligned(1), may_alias));
#define WORDS(p) (*(NAME(words) *)(p))
#define FLOATS(p) (*(NAME(floats) *)(p))

/* ---- blur: columns of two vectors; the three rows that an output row is the mean of stay in registers ------------ */

#define ACROSS(p) ((WORDS(p) + WORDS((p) + 1) + WORDS((p) + 2)) / 3)
#define ROW(a, b, c)                                                                                                   \
  do {                                                                                                                 \
    c##0 = ACROSS(from), c##1 = ACROSS(from + n);                                                                      \
    WORDS(to) = (a##0 + b##0 + c##0) / 3, WORDS(to + n) = (a##1 + b##1 + c##1) / 3;                                    \
    from += width + 2, to += width;                                                                                    \
  } while (0)

TARGET static int32_t NAME(blur)(const tn_env *env, void *closure, int64_t begin, int64_t end) {
  const picture *p = closure;
  enum { n = BYTES / 2 };
  int64_t width = p->width;
  (void)env;
  for (int64_t s = begin; s < end; s++)
    for (int64_t x = 0; x < width; x += 2 * n) {
      int64_t y = s * BLUR_ROWS, last = y + BLUR_ROWS < p->height ? y + BLUR_ROWS : p->height;
      const uint16_t *from = (const uint16_t *)p->in + y * (width + 2) + x;
      uint16_t *to = (uint16_t *)p->out + y * width + x;
      NAME(words) a0 = ACROSS(from), a1 = ACROSS(from + n), b0, b1, c0, c1;
      from += width + 2;
      b0 = ACROSS(from), b1 = ACROSS(from + n);
      from += width + 2;
      for (; y + 3 <= last; y += 3) {
        ROW(a, b, c);
        ROW(b, c, a);
        ROW(c, a, b);
      }
      if (y == last) continue;
      ROW(a, b, c);
      if (y + 1 < last) ROW(b, c, a);
    }
  return 0;
}

/* ---- harris: tiles; three rows of each stage go round, and a step of the rows brings one new one of each --------- */

/* A row of so many elements, its last vector over the end of the one before it. */
#define EACH_VECTOR(x, count)                                                                                          \
  for (int64_t at_ = 0, x; at_ < (count) && (x = at_ + n < (count) ? at_ : (count)-n, 1); at_ += n)

TARGET static int32_t NAME(harris)(const tn_env *env, void *closure, int64_t begin, int64_t end) {
  const picture *p = closure;
  enum { n = BYTES / 4, wide = HARRIS_COLUMNS + 16 }; /* rows begin where lines of the cache do */
  _Alignas(64) float gray[3][wide], dx[wide], dy[wide], xx[3][wide], xy[3][wide], yy[3][wide];
  int64_t width = p->width, plane = (p->height + 4) * (width + 4);
  (void)env;
  for (int64_t s = begin; s < end; s++)
    for (int64_t x = 0; x < width; x += HARRIS_COLUMNS) {
      int64_t first = s * HARRIS_ROWS, last = first + HARRIS_ROWS < p->height ? first + HARRIS_ROWS : p->height;
      for (int64_t y = first - 4; y < last; y++) { /* of the output; it needs four rows of input more */
        const uint8_t *in = (const uint8_t *)p->in + (y + 4) * (width + 4) + x;
        float *out = (float *)p->out + y * width + x;
        const float *g0 = gray[(y + 5) % 3], *g1 = gray[(y + 6) % 3], *h0, *h1, *h2;
        float *g2 = gray[(y + 7) % 3], *pxx = xx[(y + 7) % 3], *pxy = xy[(y + 7) % 3], *pyy = yy[(y + 7) % 3];
        EACH_VECTOR(c, HARRIS_COLUMNS + 4)
          FLOATS(g2 + c) =
              BYTES_AT(in + c) * 0.299f + BYTES_AT(in + plane + c) * 0.587f + BYTES_AT(in + 2 * plane + c) * 0.114f;
        if (y < first - 2) continue;
        EACH_VECTOR(c, HARRIS_COLUMNS + 2) {
          NAME(floats) a = FLOATS(g0 + c), b = FLOATS(g0 + c + 2), d = FLOATS(g2 + c), e = FLOATS(g2 + c + 2);
          FLOATS(dx + c) = b - a + (FLOATS(g1 + c + 2) - FLOATS(g1 + c)) * 2.0f + (e - d);
          FLOATS(dy + c) = d - a + (FLOATS(g2 + c + 1) - FLOATS(g0 + c + 1)) * 2.0f + (e - b);
        }
        for (int64_t c = 0; c < HARRIS_COLUMNS; c += n) {
          NAME(floats) x0 = FLOATS(dx + c), x1 = FLOATS(dx + c + 1), x2 = FLOATS(dx + c + 2);
          NAME(floats) y0 = FLOATS(dy + c), y1 = FLOATS(dy + c + 1), y2 = FLOATS(dy + c + 2);
          FLOATS(pxx + c) = x0 * x0 + x1 * x1 + x2 * x2;
          FLOATS(pxy + c) = x0 * y0 + x1 * y1 + x2 * y2;
          FLOATS(pyy + c) = y0 * y0 + y1 * y1 + y2 * y2;
        }
        if (y < first) continue;
        for (int64_t c = 0; c < HARRIS_COLUMNS; c += n) {
          h0 = xx[(y + 5) % 3] + c, h1 = xx[(y + 6) % 3] + c, h2 = pxx + c;
          NAME(floats) sxx = FLOATS(h0) + FLOATS(h1) + FLOATS(h2);
          h0 = xy[(y + 5) % 3] + c, h1 = xy[(y + 6) % 3] + c, h2 = pxy + c;
          NAME(floats) sxy = FLOATS(h0) + FLOATS(h1) + FLOATS(h2);
          h0 = yy[(y + 5) % 3] + c, h1 = yy[(y + 6) % 3] + c, h2 = pyy + c;
          NAME(floats) syy = FLOATS(h0) + FLOATS(h1) + FLOATS(h2), trace = sxx + syy;
          FLOATS(out + c) = sxx * syy - sxy * sxy - trace * trace * 0.04f;
        }
      }
    }
  return 0;
}

#undef WORDS
#undef FLOATS
#undef ACROSS
#undef ROW
#undef EACH_VECTOR
