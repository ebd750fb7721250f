/* programs.h -- random programs of the kinds that models are made of, as text.
 *
 * Each kind is a few blocks; sizes are small and seldom powers of two.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_PROGRAMS_H
#define TEST_SCHED_PROGRAMS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct writer {
  char *at, *end;
  uint64_t *state; /* of oracle_random */
} writer;

static inline void put(writer *w, const char *format, ...) TN_PRINTF(2, 3);
static inline void put(writer *w, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(w->at, (size_t)(w->end - w->at), format, args);
  va_end(args);
  w->at += n < w->end - w->at ? n : 0;
}

static inline int pick(writer *w, int low, int high) {
  return low + (int)(oracle_random(w->state) % (uint32_t)(high - low + 1));
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

typedef struct axis {
  const char *name;
  int extent;
  int reduce;
} axis;

/* for.. { block NAME(..) { */
static inline void open_block(writer *w, const char *name, int count, const axis *axes) {
  for (int i = 0; i < count; i++) put(w, "for %s%s in 0..%d {\n", axes[i].name, name, axes[i].extent);
  put(w, "block %s(", name);
  for (int i = 0; i < count; i++)
    put(w, "%s%s%s: 0..%d = %s%s", i ? ", " : "", axes[i].reduce ? "reduce " : "", axes[i].name, axes[i].extent,
        axes[i].name, name);
  put(w, ") {\n");
}

static inline void close_block(writer *w, int count) {
  for (int i = 0; i <= count; i++) put(w, "}\n");
}

/* TO[index] = value over the axes */
static inline void map(writer *w, const char *to, const char *index, int count, const axis *axes, const char *value) {
  open_block(w, to, count, axes);
  put(w, "%s[%s] = %s\n", to, index, value);
  close_block(w, count);
}

/* acc = acc + value, or max(acc, value) */
static inline void reduce(writer *w, const char *to, const char *index, int count, const axis *axes, int maximum,
                          const char *value) {
  open_block(w, to, count, axes);
  put(w, "init { %s[%s] = %s:f32 }\n", to, index, maximum ? "-inf" : "0.0");
  put(w, "%s[%s] = %s%s[%s]%s %s%s\n", to, index, maximum ? "max(" : "", to, index, maximum ? "," : " +", value,
      maximum ? ")" : "");
  close_block(w, count);
}

/* acc = fma(a, b, acc) */
static inline void contract(writer *w, const char *to, const char *index, int count, const axis *axes, const char *a,
                            const char *b) {
  open_block(w, to, count, axes);
  put(w, "init { %s[%s] = 0.0:f32 }\n%s[%s] = fma(%s, %s, %s[%s])\n", to, index, to, index, a, b, to, index);
  close_block(w, count);
}

/* An elementwise function of text x. */
static inline const char *unary(writer *w, char *out, size_t size, const char *x) {
  static const char *const forms[] = {"%s + 1.0:f32",     "%s * 2.0:f32", "max(%s, 0.0:f32)",
                                      "min(%s, 3.0:f32)", "0.0:f32 - %s", "abs(%s)"};
  snprintf(out, size, forms[pick(w, 0, 5)], x);
  return out;
}

/* ---- kinds --------------------------------------------------------------------------------------------------------- */

static inline void matmul(writer *w) {
  int n = pick(w, 1, 9), m = pick(w, 1, 17), k = pick(w, 1, 7), ta = pick(w, 0, 1), tb = pick(w, 0, 1),
      after = pick(w, 0, 2);
  axis axes[] = {{"i", n, 0}, {"j", m, 0}, {"k", k, 1}};
  char value[64];
  put(w, "func f(A: f32[%d, %d], B: f32[%d, %d], c: f32[%d], Y: f32[%d, %d]) {\n", ta ? k : n, ta ? n : k, tb ? m : k,
      tb ? k : m, m, n, m);
  if (after) put(w, "alloc T: f32[%d, %d]\n", n, m);
  contract(w, after ? "T" : "Y", "i, j", 3, axes, ta ? "A[k, i]" : "A[i, k]", tb ? "B[j, k]" : "B[k, j]");
  if (after == 1) map(w, "Y", "i, j", 2, axes, unary(w, value, sizeof value, "T[i, j]"));
  if (after == 2) map(w, "Y", "i, j", 2, axes, "max(T[i, j] + c[j], 0.0:f32)");
  put(w, "}\n");
}

static inline void conv(writer *w) {
  int h = pick(w, 3, 6), v = pick(w, 3, 8), c = pick(w, 1, 3), o = pick(w, 1, 5), kh = pick(w, 1, 3),
      kw = pick(w, 1, 3);
  int pad = pick(w, 0, 1), stride = pick(w, 1, 2), deep = pick(w, 0, 3) == 0, relu = pick(w, 0, 1);
  int ph = h + 2 * pad, pv = v + 2 * pad, oh = (ph - kh) / stride + 1, ow = (pv - kw) / stride + 1;
  if (deep) o = c;
  axis pads[] = {{"n", c, 0}, {"y", ph, 0}, {"x", pv, 0}};
  axis axes[] = {{"o", o, 0}, {"y", oh, 0}, {"x", ow, 0}, {"r", kh, 1}, {"s", kw, 1}, {"n", c, 1}};
  char in[128], load[128], value[64];
  put(w, "func f(X: f32[%d, %d, %d], W: f32[%d, %d, %d, %d], b: f32[%d], Y: f32[%d, %d, %d]) {\n", c, h, v, o,
      deep ? 1 : c, kh, kw, o, o, oh, ow);
  if (pad) put(w, "alloc P: f32[%d, %d, %d]\n", c, ph, pv);
  if (relu) put(w, "alloc T: f32[%d, %d, %d]\n", o, oh, ow);
  if (pad) {
    snprintf(in, sizeof in, "X[n, y - 1, x - 1 if 1 <= y && y < %d && 1 <= x && x < %d]", h + 1, v + 1);
    map(w, "P", "n, y, x", 3, pads, in);
  }
  snprintf(load, sizeof load, "%s[%s, y * %d + r, x * %d + s]", pad ? "P" : "X", deep ? "o" : "n", stride, stride);
  contract(w, relu ? "T" : "Y", "o, y, x", deep ? 5 : 6, axes, load, deep ? "W[o, 0, r, s]" : "W[o, n, r, s]");
  if (relu)
    map(w, "Y", "o, y, x", 3, axes,
        pick(w, 0, 1) ? "max(T[o, y, x] + b[o], 0.0:f32)" : unary(w, value, sizeof value, "T[o, y, x]"));
  put(w, "}\n");
}

static inline void pool(writer *w) {
  int h = pick(w, 2, 9), v = pick(w, 2, 9), k = pick(w, 1, h < v ? h : v), s = pick(w, 1, 3), pre = pick(w, 0, 1);
  int oh = (h - k) / s + 1, ow = (v - k) / s + 1;
  axis full[] = {{"c", 3, 0}, {"y", h, 0}, {"x", v, 0}},
       axes[] = {{"c", 3, 0}, {"y", oh, 0}, {"x", ow, 0}, {"r", k, 1}, {"s", k, 1}};
  char load[64], value[64];
  put(w, "func f(X: f32[3, %d, %d], Y: f32[3, %d, %d]) {\n", h, v, oh, ow);
  if (pre) put(w, "alloc P: f32[3, %d, %d]\n", h, v);
  if (pre) map(w, "P", "c, y, x", 3, full, unary(w, value, sizeof value, "X[c, y, x]"));
  snprintf(load, sizeof load, "%s[c, y * %d + r, x * %d + s]", pre ? "P" : "X", s, s);
  reduce(w, "Y", "c, y, x", 5, axes, pick(w, 0, 1), load);
  put(w, "}\n");
}

/* softmax, with or without a true exponential */
static inline void softmax(writer *w) {
  int n = pick(w, 1, 6), m = pick(w, 1, 19), rational = pick(w, 0, 1);
  axis axes[] = {{"i", n, 0}, {"j", m, 1}}, last[] = {{"i", n, 0}, {"j", m, 0}};
  put(w, "%sfunc f(X: f32[%d, %d], Y: f32[%d, %d]) {\nalloc M: f32[%d]\nalloc E: f32[%d, %d]\nalloc S: f32[%d]\n",
      rational ? "" : "# inexact\n", n, m, n, m, n, n, m, n);
  reduce(w, "M", "i", 2, axes, 1, "X[i, j]");
  map(w, "E", "i, j", 2, last, rational ? "abs(X[i, j] - M[i])" : "exp(X[i, j] - M[i])");
  reduce(w, "S", "i", 2, axes, 0, "E[i, j]");
  map(w, "Y", "i, j", 2, last, rational ? "E[i, j] - S[i]" : "E[i, j] / S[i]");
  put(w, "}\n");
}

static inline void layer_norm(writer *w) {
  int n = pick(w, 1, 6), m = pick(w, 2, 17);
  axis axes[] = {{"i", n, 0}, {"j", m, 1}}, last[] = {{"i", n, 0}, {"j", m, 0}};
  put(w,
      "func f(X: f32[%d, %d], g: f32[%d], Y: f32[%d, %d]) {\nalloc S: f32[%d]\nalloc D: f32[%d, %d]\nalloc V: "
      "f32[%d]\n",
      n, m, m, n, m, n, n, m, n);
  reduce(w, "S", "i", 2, axes, 0, "X[i, j]");
  map(w, "D", "i, j", 2, last, "X[i, j] - S[i]");
  contract(w, "V", "i", 2, axes, "D[i, j]", "D[i, j]");
  map(w, "Y", "i, j", 2, last, "D[i, j] * g[j] + V[i]");
  put(w, "}\n");
}

static inline void transposes(writer *w) {
  int a = pick(w, 1, 7), b = pick(w, 1, 9), c = pick(w, 1, 5);
  axis x[] = {{"i", a, 0}, {"j", b, 0}, {"k", c, 0}}, y[] = {{"k", c, 0}, {"i", a, 0}, {"j", b, 0}};
  char value[64];
  put(w, "func f(X: f32[%d, %d, %d], Y: f32[%d, %d, %d], Z: f32[%d]) {\nalloc T: f32[%d, %d, %d]\n", a, b, c, c, a, b,
      a * b, c, b, a);
  map(w, "T", "k, j, i", 3, x, unary(w, value, sizeof value, "X[i, j, k]"));
  map(w, "Y", "k, i, j", 3, y, "T[k, j, i] + 1.0:f32");
  axis flat[] = {{"e", a * b, 0}};
  snprintf(value, sizeof value, "T[0, e %% %d, e // %d] * 2.0:f32", b, b);
  map(w, "Z", "e", 1, flat, value);
  put(w, "}\n");
}

/* Chains with a broadcast and a diamond. */
static inline void chain(writer *w) {
  int n = pick(w, 1, 9), m = pick(w, 1, 17);
  axis axes[] = {{"i", n, 0}, {"j", m, 0}};
  char value[64];
  put(w, "func f(X: f32[%d, %d], b: f32[%d], Y: f32[%d, %d]) {\n", n, m, m, n, m);
  put(w, "alloc A: f32[%d, %d]\nalloc B: f32[%d, %d]\nalloc C: f32[%d, %d]\nalloc D: f32[%d]\n", n, m, n, m, n, m, m);
  map(w, "A", "i, j", 2, axes, unary(w, value, sizeof value, "X[i, j]"));
  map(w, "D", "j", 1, axes + 1, unary(w, value, sizeof value, "b[j]"));
  map(w, "B", "i, j", 2, axes, pick(w, 0, 1) ? "A[i, j] + D[j]" : "A[i, j] * D[j]");
  map(w, "C", "i, j", 2, axes, pick(w, 0, 1) ? "A[i, j] * 2.0:f32" : "max(A[i, j], B[i, j])");
  map(w, "Y", "i, j", 2, axes, "B[i, j] - C[i, j]");
  put(w, "}\n");
}

/* Neighbours: each stage reads a window of the one before. */
static inline void stencil(writer *w) {
  int n = pick(w, 6, 20), d = pick(w, 1, 2), e = pick(w, 0, 2);
  axis a[] = {{"i", n, 0}}, b[] = {{"i", n - d, 0}}, c[] = {{"i", n - d - e, 0}};
  char value[128];
  put(w, "func f(X: f32[%d], Y: f32[%d]) {\nalloc A: f32[%d]\nalloc B: f32[%d]\n", n, n - d - e, n, n - d);
  map(w, "A", "i", 1, a, unary(w, value, sizeof value, "X[i]"));
  snprintf(value, sizeof value, "A[i] + A[i + %d]", d);
  map(w, "B", "i", 1, b, value);
  snprintf(value, sizeof value, pick(w, 0, 1) ? "B[i] - B[i + %d]" : "B[i] - B[%d - i]", e ? e : 0);
  if (strchr(value, '-') && strstr(value, "- i]")) snprintf(value, sizeof value, "B[i] - B[%d - i]", n - d - 1);
  map(w, "Y", "i", 1, c, value);
  put(w, "}\n");
}

/* Two products, one after the other, as in attention. */
static inline void two_products(writer *w) {
  int n = pick(w, 1, 6), k = pick(w, 1, 5), m = pick(w, 1, 9), o = pick(w, 1, 9);
  axis p[] = {{"i", n, 0}, {"j", m, 0}, {"k", k, 1}}, q[] = {{"i", n, 0}, {"l", o, 0}, {"j", m, 1}};
  char value[64];
  int middle = pick(w, 0, 1);
  put(w, "func f(A: f32[%d, %d], B: f32[%d, %d], C: f32[%d, %d], Y: f32[%d, %d]) {\nalloc S: f32[%d, %d]\n", n, k, k, m,
      m, o, n, o, n, m);
  if (middle) put(w, "alloc R: f32[%d, %d]\n", n, m);
  contract(w, "S", "i, j", 3, p, "A[i, k]", "B[k, j]");
  if (middle) map(w, "R", "i, j", 2, p, unary(w, value, sizeof value, "S[i, j]"));
  contract(w, "Y", "i, l", 3, q, middle ? "R[i, j]" : "S[i, j]", "C[j, l]");
  put(w, "}\n");
}

/* NAME: f32[n, m] in some form. Parameters have an s of at least 1; what is only read may have all rows in one. */
static inline void formed(writer *w, const char *name, int n, int m, bool param, bool read) {
  int c = pick(w, 2, 5), gap = pick(w, 0, 3);
  put(w, "%s%s: f32[%d, %d]", param ? "" : "alloc ", name, n, m);
  if (param && pick(w, 0, 3) == 0) put(w, " offset %s%d", pick(w, 0, 1) ? "s * " : "", pick(w, 1, 5));
  if (pick(w, 0, 3) == 0) put(w, " align 64");
  switch (pick(w, 0, read ? 8 : 7)) {
  case 0: break;
  case 1: put(w, " strides (%d, 1)", m + gap); break;
  case 2: put(w, " strides (2, %d)", 2 * n + gap); break;
  case 3: put(w, param ? " strides (s + %d, 1)" : " strides (%d, 1)", m + gap); break;
  case 4: put(w, " layout (x, y) -> (y, x)"); break;
  case 5: put(w, " layout (x, y) -> (y // %d, x, y %% %d)", c, c); break;
  case 6: put(w, " layout (x, y) -> (x // %d, y, x %% %d)", c, c); break;
  case 7: put(w, " strides (1) layout (x, y) -> (y * %d + x)", n + gap); break;
  default: put(w, " strides (0, 1)"); break;
  }
  put(w, param ? ", " : "\n");
}

/* Buffers that are not row-major: elementwise, a product, a sum. */
static inline void forms(writer *w) {
  int n = pick(w, 1, 9), m = pick(w, 1, 17), k = pick(w, 1, 7);
  axis axes[] = {{"i", n, 0}, {"j", m, 0}, {"k", k, 1}}, sum[] = {{"j", m, 0}, {"i", n, 1}};
  char value[64];
  put(w, "func f(");
  formed(w, "A", n, k, true, true);
  formed(w, "B", k, m, true, true);
  formed(w, "X", n, m, true, true);
  formed(w, "Y", n, m, true, false);
  put(w, "Z: f32[%d], s: index) {\n", m);
  formed(w, "P", n, m, false, false);
  formed(w, "T", n, m, false, false);
  contract(w, "P", "i, j", 3, axes, "A[i, k]", "B[k, j]");
  map(w, "T", "i, j", 2, axes, unary(w, value, sizeof value, "X[i, j]"));
  map(w, "Y", "i, j", 2, axes, pick(w, 0, 1) ? "P[i, j] + T[i, j]" : "max(T[i, j], P[i, j] + X[i, j])");
  reduce(w, "Z", "j", 2, sum, pick(w, 0, 1), pick(w, 0, 1) ? "Y[i, j]" : "T[i, j]");
  put(w, "}\n");
}

/* What a reduction of several states does to them, from s, t (what they are) and x, c (what comes). */
static inline void states(writer *w, const char *name, const char *const *first, const char *const *next) {
  put(w, "init {\n%sV[i] = %s\n%sJ[i] = %s\n}\n", name, first[0], name, first[1]);
  put(w, "let s = %sV[i]\nlet t = %sJ[i]\nlet x = X[i, j, k]\nlet c = cast(i32, j * 3 + k)\n", name, name);
  put(w, "%sV[i] = %s\n%sJ[i] = %s\n", name, next[0], name, next[1]);
}

/* The largest and where it is, or states that depend on the order of their steps; and what reads both. */
static inline void arguments(writer *w) {
  int n = pick(w, 1, 9), m = pick(w, 1, 7), inside = pick(w, 0, 1), pre = pick(w, 0, 1);
  axis axes[] = {{"i", n, 0}, {"j", m, 1}, {"k", 3, 1}}, full[] = {{"i", n, 0}, {"j", m, 0}, {"k", 3, 0}};
  static const char *const largest[] = {"-inf:f32", "2147483647:i32"}, *const zeros[] = {"0.0:f32", "0:i32"};
  static const char *const better[] = {"select(s < x || (x == s || x != x) && c < t || x != x && s == s, x, s)",
                                       "select(s < x || (x == s || x != x) && c < t || x != x && s == s, c, t)"};
  static const char *const sums[] = {"s + x", "t + c"}, *const ordered[] = {"x - s", "t + cast(i32, s)"};
  char value[64];
  put(w, "func f(%s: f32[%d, %d, 3], Y: f32[%d], I: i32[%d]", pre ? "A" : "X", n, m, n, n);
  if (!inside) put(w, ", TV: f32[%d], TJ: i32[%d]", n, n);
  put(w, ") {\n");
  if (inside) put(w, "alloc TV: f32[%d]\nalloc TJ: i32[%d]\n", n, n);
  if (pre) put(w, "alloc X: f32[%d, %d, 3]\n", n, m);
  if (pre) map(w, "X", "i, j, k", 3, full, unary(w, value, sizeof value, "A[i, j, k]"));
  open_block(w, "T", 3, axes);
  switch (pick(w, 0, 3)) {
  case 0: states(w, "T", zeros, sums); break;
  case 1: states(w, "T", zeros, ordered); break;
  default: states(w, "T", largest, better); break;
  }
  close_block(w, 3);
  map(w, "Y", "i", 1, axes, "TV[i] * 2.0:f32");
  map(w, "I", "i", 1, axes, pick(w, 0, 1) ? "TJ[i] + 1:i32" : "TJ[i] * TJ[i]");
  put(w, "}\n");
}

/* Raw statements: no blocks, in place, conditions. */
static inline void raw(writer *w) {
  int n = pick(w, 2, 9), m = pick(w, 2, 9);
  static const char *const bodies[] = {
      "T[i // 2, j] = X[i, j]; Y[i, j] = T[i // 2, j]",
      "T[i, j] = X[i, j]; if i > 0 { Y[i, j] = T[i - 1, j] }",
      "if X[i, j] > 0.0:f32 { Y[i, j] = 0.0:f32 - X[i, j]; X[i, j] = 7.0:f32 } else { Y[i, j] = 1.0:f32 }",
      "X[i, j] = X[i, j] + X[i, 0]",
      "T[0, j] = X[i, j]; Y[i, j] = T[0, j] * 2.0:f32",
      "Y[0, j] = Y[0, j] * 0.5:f32 + X[i, j]",
      "if i + j < 5 { Y[i, j] = X[i, j] }; X[i, j] = 2.0:f32",
      "T[i, j] = X[i, 0]; Y[i, j] = T[i, j // 2]",
  };
  put(w,
      "func f(X: f32[%d, %d], Y: f32[%d, %d]) {\nalloc T: f32[%d, %d]\nfor i in 0..%d {\nfor j in 0..%d "
      "{\n%s\n}\n}\n}\n",
      n, m, n, m, n, m, n, m, bodies[pick(w, 0, 7)]);
}

/* Raw blocks: stores that are no plain iterators, guards, windows of what was stored before. */
static inline void raw_blocks(writer *w) {
  int n = pick(w, 2, 9), m = pick(w, 2, 9);
  static const char *const stores[] = {
      "T[i // 2, j] = X[i, j]", "T[i, i % 2] = X[i, j]", "T[i, j] = X[i, j]", "X[i, j] = X[i, j] * 2.0:f32",
      "T[0, j] = X[i, j]",      "Y[i, j] = X[0, j]",     "Y[j, i] = X[i, j]",
  };
  static const char *const guards[] = {"", " where i + j < 5", " where 1 <= i", " where i < 2 || j < 2"};
  n = m; /* for the transposed store */
  put(w, "func f(X: f32[%d, %d], Y: f32[%d, %d]) {\nalloc T: f32[%d, %d]\n", n, m, n, m, n, m);
  put(w, "for i in 0..%d { for j in 0..%d { block Z(a: 0..%d = i, b: 0..%d = j) { T[a, b] = 5.0:f32 } } }\n", n, m, n,
      m);
  for (int k = 0, count = pick(w, 1, 3); k < count; k++) {
    const char *store = stores[pick(w, 0, 6)], *guard = guards[pick(w, 0, 3)];
    char inner[128], *to = inner;
    for (const char *c = store; (*to++ = *c == 'i' ? 'a' : *c == 'j' ? 'b' : *c); c++)
      ;
    put(w, "for i in 0..%d { for j in 0..%d { block B%d(a: 0..%d = i, b: 0..%d = j)%s { %s } } }\n", n, m, k, n, m,
        guard, inner);
  }
  put(w,
      "for i in 0..%d { for j in 0..%d { block E(a: 0..%d = i, b: 0..%d = j) { Y[a, b] = Y[a, b] + T[a, b] } } }\n}\n",
      n, m, n, m);
}

/* ---- wild ones: any subscripts, in loops as they come ----------------------------------------------------------------- */

enum { WILD_DEPTH = 3, WILD_SIZE = 6 };

/* T, U and P are of the function, X and Y parameters; all are 6 x 6. P is written by one whole block, and read after it. */
static const char *const wild_buffers[] = {"T", "U", "X", "Y", "P", "P"};

typedef struct wild {
  writer *w;
  bool produced; /* P */
  int depth;
  char vars[WILD_DEPTH][16];
  int extents[WILD_DEPTH];
} wild;

/* An index below WILD_SIZE: small ones as they are, others by a remainder. */
static inline void wild_index(wild *g, char *out, size_t size) {
  int a = pick(g->w, 0, g->depth - 1), b = pick(g->w, 0, g->depth - 1), c = pick(g->w, 0, 3), most = 0;
  const char *x = g->vars[a], *y = g->vars[b];
  int m = g->extents[a] - 1, n = g->extents[b] - 1;
  char text[64];
  switch (pick(g->w, 0, 11)) {
  case 0:
  case 1:
  case 2:
  case 3: snprintf(text, sizeof text, "%s", x), most = m; break;
  case 4: snprintf(text, sizeof text, "%s // 2", x), most = m / 2; break;
  case 5: snprintf(text, sizeof text, "%s %% 2", x), most = 1; break;
  case 6: snprintf(text, sizeof text, "%s * 2 + %s", x, y), most = 2 * m + n; break;
  case 7: snprintf(text, sizeof text, "%s + %d", x, c), most = m + c; break;
  case 8: snprintf(text, sizeof text, "%d - %s", m, x), most = m; break;
  case 9: snprintf(text, sizeof text, "%s + %s", x, y), most = m + n; break;
  case 10: snprintf(text, sizeof text, "(%s * 3 + %s) // 2", x, y), most = (3 * m + n) / 2; break;
  default: snprintf(text, sizeof text, "%d", c), most = c; break;
  }
  snprintf(out, size, most < WILD_SIZE ? "%s" : "(%s) %% 6", text);
}

static inline void wild_access(wild *g, char *out, size_t size, int first, int last) {
  char i[80], j[80];
  wild_index(g, i, sizeof i);
  wild_index(g, j, sizeof j);
  snprintf(out, size, "%s[%s, %s]", wild_buffers[pick(g->w, first, last)], i, j);
}

static inline void wild_read(wild *g, char *out, size_t size) {
  wild_access(g, out, size, pick(g->w, 0, 1) ? 2 : 0, g->produced ? 5 : 3);
}

static inline void wild_store(wild *g) {
  char to[200], a[200], b[200];
  wild_access(g, to, sizeof to, 0, 3);
  wild_read(g, a, sizeof a);
  wild_read(g, b, sizeof b);
  switch (pick(g->w, 0, 5)) {
  case 0: put(g->w, "%s = %s\n", to, a); break;
  case 1: put(g->w, "%s = %s + %s\n", to, to, a); break;
  case 2: put(g->w, "%s = max(%s, %s)\n", to, a, b); break;
  default: put(g->w, "%s = %s - %s\n", to, a, b); break;
  }
}

static inline void wild_condition(wild *g, char *out, size_t size) {
  char i[80], a[200];
  wild_index(g, i, sizeof i);
  wild_access(g, a, sizeof a, 2, 3);
  if (pick(g->w, 0, 3))
    snprintf(out, size, "%s %s %d", i, pick(g->w, 0, 1) ? "<" : ">", pick(g->w, 0, 4));
  else
    snprintf(out, size, "%s > 0.0:f32", a);
}

/* A block over all the loops; its iterators are the loops', or parts of them. */
static inline void wild_block(wild *g, int number) {
  wild inner = *g;
  char where[300];
  put(g->w, "block B%d(", number);
  for (int i = 0; i < g->depth; i++) {
    snprintf(inner.vars[i], sizeof inner.vars[i], "%c", 'a' + i);
    put(g->w, "%s%s: 0..%d = %s", i ? ", " : "", inner.vars[i], g->extents[i], g->vars[i]);
  }
  wild_condition(g, where, sizeof where);
  put(g->w, pick(g->w, 0, 2) ? ") {\n" : ") where %s {\n", where);
  wild_store(&inner);
  if (pick(g->w, 0, 3) == 0) wild_store(&inner);
  put(g->w, "}\n");
}

static inline void wild_body(wild *body, int *blocks) {
  char cond[300];
  wild loose = *body, *g = &loose; /* a producer with readers outside blocks does not move */
  loose.produced = body->produced && pick(body->w, 0, 7) == 0;
  for (int n = pick(g->w, 1, 3); n > 0; n--) {
    switch (pick(g->w, 0, 5)) {
    case 0:
    case 1: wild_block(body, (*blocks)++); break;
    case 2:
      wild_condition(g, cond, sizeof cond);
      put(g->w, "if %s {\n", cond);
      wild_store(g);
      if (pick(g->w, 0, 1)) wild_store(g);
      if (pick(g->w, 0, 1)) {
        put(g->w, "} else {\n");
        wild_store(g);
      }
      put(g->w, "}\n");
      break;
    default: wild_store(g); break;
    }
  }
}

static inline void wild_nest(writer *w, bool produced, int *blocks, int *loops) {
  wild g = {.w = w, .produced = produced};
  int depth = pick(w, 1, WILD_DEPTH);
  while (g.depth < depth) {
    g.extents[g.depth] = pick(w, 1, 5);
    snprintf(g.vars[g.depth], sizeof g.vars[0], "i%d", (*loops)++);
    put(w, "for %s in 0..%d {\n", g.vars[g.depth], g.extents[g.depth]);
    g.depth++;
    if (g.depth == depth || pick(w, 0, 3) == 0) wild_body(&g, blocks);
  }
  for (int i = 0; i < depth; i++) put(w, "}\n");
}

/* P of what is there. */
static inline void wild_producer(writer *w, bool sum) {
  wild g = {.w = w, .depth = 2, .vars = {"a", "b"}, .extents = {6, 6}};
  char a[200];
  put(w, "for p0 in 0..6 {\nfor p1 in 0..6 {\n%s", sum ? "for p2 in 0..3 {\n" : "");
  wild_read(&g, a, sizeof a);
  put(w, "block P(a: 0..6 = p0, b: 0..6 = p1%s) {\n", sum ? ", reduce c: 0..3 = p2" : "");
  if (sum)
    put(w, "init { P[a, b] = 0.0:f32 }\nP[a, b] = P[a, b] + %s * X[a, c]\n}\n}\n", a);
  else
    put(w, "P[a, b] = %s + 1.0:f32\n}\n", a);
  put(w, "}\n}\n");
}

static inline void wild_program(writer *w) {
  int blocks = 0, loops = 0;
  bool produced = false, again = pick(w, 0, 2) == 0;
  static const char *const some[] = {"", "", "", " strides (7, 1)", " layout (x, y) -> (y, x // 4, x % 4)"};
  put(w, "func f(X: f32[6, 6]%s, Y: f32[6, 6]%s) {\nalloc T: f32[6, 6]%s\n", some[pick(w, 0, 4)], some[pick(w, 0, 4)],
      some[pick(w, 0, 4)]);
  put(w, "alloc U: f32[6, 6]\nalloc P: f32[6, 6]\n");
  for (int b = 0; b < 2; b++) /* mostly set before, so that reads have something to read */
    if (pick(w, 0, 3))
      put(w,
          "for s%d in 0..6 {\nfor t%d in 0..6 {\nblock Z%d(a: 0..6 = s%d, b: 0..6 = t%d) { %s[a, b] = X[a, b] "
          "}\n}\n}\n",
          b, b, b, b, b, wild_buffers[b]);
  if (again) put(w, "for r in 0..2 {\n");
  for (int n = pick(w, 1, 3); n > 0; n--) {
    if (!produced && pick(w, 0, 1)) {
      wild_producer(w, pick(w, 0, 2) == 0);
      produced = true;
    }
    wild_nest(w, produced, &blocks, &loops);
  }
  if (again) put(w, "}\n");
  if (produced && pick(w, 0, 1)) wild_nest(w, produced, &blocks, &loops);
  put(w, "}\n");
}

/* ---- threads that wait for each other ------------------------------------------------------------------------------- */

typedef struct team {
  writer *w;
  int threads, steps, blocks; /* blocks of the program so far */
  bool produced;              /* is P there? */
} team;

/* P of the input: one block writes it, others read it, in this phase and behind. */
static inline void team_producer(team *m) {
  put(m->w, "for p0 in 0..%d {\nblock P(w: 0..3 = b, v: 0..%d = t, x: 0..%d = p0) {\n", m->steps, m->threads, m->steps);
  put(m->w, "P[w, v, x] = X[w, v, (x + 1) %% %d] + 2.0:f32\n}\n}\n", m->steps);
  m->produced = true;
}

/* One nest of a thread: over its own elements of T, U and Y; S, which the threads of a block share, is written or read. */
static inline void team_nest(team *m, bool writes_shared) {
  writer *w = m->w;
  int n = m->blocks++, shift = pick(w, 0, 4);
  const char *own = pick(w, 0, 1) ? "T" : "U", *other = m->produced && pick(w, 0, 1) ? "P" : *own == 'T' ? "U" : "T";
  put(w, "for k%d in 0..%d {\nblock N%d(w: 0..3 = b, v: 0..%d = t, %sx: 0..%d = k%d) {\n", n, m->steps, n, m->threads,
      writes_shared ? "reduce " : "", m->steps, n);
  if (writes_shared)
    put(w, "init { S[v] = 0.0:f32 }\nS[v] = max(S[v], %s[w, v, x])\n", other);
  else if (pick(w, 0, 2) == 0)
    put(w, "%s[w, v, x] = %s[w, v, (x + %d) %% %d] + 1.0:f32\n", own, other, shift, m->steps);
  else
    put(w, "Y[w, v, x] = %s[w, v, x] + Y[w, v, x]\n", other);
  put(w, "}\n}\n");
}

/* What the threads do until they wait. */
static inline void team_phase(team *m, bool writes_shared) {
  writer *w = m->w;
  if (!m->produced && pick(w, 0, 1)) team_producer(m);
  for (int i = pick(w, 0, 2); i > 0; i--) team_nest(m, false);
  if (writes_shared) team_nest(m, true);
  if (!writes_shared && pick(w, 0, 2)) {
    int n = m->blocks++;
    put(w, "for k%d in 0..%d {\nblock N%d(w: 0..3 = b, v: 0..%d = t, x: 0..%d = k%d) {\n", n, m->steps, n, m->threads,
        m->steps, n);
    put(w, "%s[w, v, x] = S[(v + %d) %% %d] + U[w, v, x]\n}\n}\n", pick(w, 0, 1) ? "T" : "Y", pick(w, 0, 3),
        m->threads);
  }
  for (int i = pick(w, 0, 1); i > 0; i--) team_nest(m, false);
  put(w, "barrier shared\n");
}

static inline void team_program(writer *w) {
  team m = {w, pick(w, 1, 6), pick(w, 1, 6), 0, false};
  bool again = pick(w, 0, 2) == 0, private = pick(w, 0, 2) == 0;
  int n = m.threads, s = m.steps;
  static const char *const buffers[] = {"T", "U", "Y"}, *const made[] = {"T", "U", "P"};
  put(w, "func f(X: f32[3, %d, %d], Y: f32[3, %d, %d], Z: f32[3, %d]) {\n", n, s, n, s, n);
  for (int i = 0; i < 3 && !private; i++) put(w, "alloc %s: f32[3, %d, %d]\n", made[i], n, s);
  put(w, "for b in 0..3 bind block.x {\n");
  for (int i = 0; i < 3 && private; i++) put(w, "alloc %s: f32[3, %d, %d]\n", made[i], n, s);
  put(w, "alloc S: f32[%d] in shared\nfor t in 0..%d bind thread.x {\n", n, n);
  for (int i = 0; i < 3; i++)
    put(w, "for i%d in 0..%d {\nblock %s(w: 0..3 = b, v: 0..%d = t, x: 0..%d = i%d) { %s[w, v, x] = X[w, v, x] * %d.0:f32 }\n}\n",
        i, s, buffers[i], n, s, i, buffers[i], i);
  if (again) put(w, "for r in 0..2 {\n");
  for (int i = 0, phases = pick(w, 1, 2); i < phases; i++) team_phase(&m, true), team_phase(&m, false);
  if (again) put(w, "}\n");
  team_nest(&m, false);
  put(w, "}\n}\nfor i in 0..3 {\nfor j in 0..%d {\nblock Z(a: 0..3 = i, b: 0..%d = j) { Z[a, b] = Y[a, b, 0] }\n}\n}\n}\n", n, n);
}

#include "operators.h"
#include "directed.h"

typedef void program_kind(writer *w);
static program_kind *const program_kinds[] = {
    matmul, conv, pool, softmax, layer_norm, transposes, chain, stencil, two_products, raw, raw_blocks, wild_program, wild_program,
    wild_program, team_program, team_program, forms, arguments, conv1d, conv2d, conv3d, conv_transposed, conv_grouped, conv_dilated, conv_depthwise,
    conv_separable, conv_capsule, conv_bn_relu, batch_matmul, transposed_matmul, norm, group_norm, global_pool, attention,
    product_softmax, symbolic, two_stages, two_stages, two_stages, two_stages, extents, windows, rolls, rolls, stages, stages,
    stages, host, homes};
static const char *const program_names[] = {
    "matmul", "conv", "pool", "softmax", "layer_norm", "transposes", "chain", "stencil", "two_products", "raw", "raw_blocks", "wild",
    "wild", "wild", "team", "team", "forms", "arguments", "conv1d", "conv2d", "conv3d", "conv_transposed", "conv_grouped", "conv_dilated",
    "conv_depthwise", "conv_separable", "conv_capsule", "conv_bn_relu", "batch_matmul", "transposed_matmul", "norm", "group_norm",
    "global_pool", "attention", "product_softmax", "symbolic", "two_stages", "two_stages", "two_stages", "two_stages", "extents",
    "windows", "rolls", "rolls", "stages", "stages", "stages", "host", "homes"};
enum { PROGRAM_KINDS = sizeof program_kinds / sizeof *program_kinds };

/* May programs of the kind read what they never wrote? */
static inline bool may_mean_nothing(int kind) {
  program_kind *k = program_kinds[kind];
  return k == wild_program || k == two_stages || k == windows || k == rolls || k == homes;
}

/* Some are to keep the order of their sums: then real values stay as they are, too (fuzz.c). */
static inline void write_program(char *text, size_t size, int kind, uint64_t *state) {
  writer w = {text, text + size, state};
  *text = 0;
  if (pick(&w, 0, 7) == 0) put(&w, "# keeps the order\n");
  program_kinds[kind](&w);
}

#endif
