/* operators.h -- the operators that models are made of, as random programs of small shapes: convolutions of all kinds,
 * products, norms, attention.
 *
 * A sum of products without differences says how many terms it has, `# terms N`: then fuzz.c tries it on real values
 * too, against f64 (reals.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_OPERATORS_H
#define TEST_SCHED_OPERATORS_H

/* ---- convolutions ------------------------------------------------------------------------------------------------ */

enum { CONV_DIMS = 3 };
static const char *const conv_out_names[CONV_DIMS] = {"y", "x", "z"}, *const conv_in_names[CONV_DIMS] = {"r", "s", "t"};

/* What is done with the sum: nothing; a bias and relu; a batch norm (scale and shift) and relu. */
enum conv_epilogue { CONV_PLAIN, CONV_BIAS_RELU, CONV_NORM_RELU };

typedef struct conv_form {
  int dims, groups, in_channels, out_channels; /* channels of one group */
  int stride, dilation, pad;
  enum conv_epilogue epilogue;
} conv_form;

/* `name[channels, size..]` */
static inline void put_shape(writer *w, const char *name, int channels, int dims, const int *sizes) {
  put(w, "%s: f32[%d", name, channels);
  for (int d = 0; d < dims; d++) put(w, ", %d", sizes[d]);
  put(w, "]");
}

/* Appends to a text. */
static inline void append(char *text, size_t size, const char *format, ...) TN_PRINTF(3, 4);
static inline void append(char *text, size_t size, const char *format, ...) {
  size_t n = strlen(text);
  va_list args;
  va_start(args, format);
  vsnprintf(text + n, size - n, format, args);
  va_end(args);
}

/* P: X with zeros around. */
static inline void pad_input(writer *w, const conv_form *f, int channels, const int *in, const int *padded) {
  axis axes[1 + CONV_DIMS] = {{"n", channels, 0}};
  char index[64] = "n", load[256] = "X[n", where[160] = "";
  for (int d = 0; d < f->dims; d++) {
    const char *v = conv_out_names[d];
    axes[1 + d] = (axis){v, padded[d], 0};
    append(index, sizeof index, ", %s", v);
    append(load, sizeof load, ", %s - %d", v, f->pad);
    append(where, sizeof where, "%s%d <= %s && %s < %d", d ? " && " : "", f->pad, v, v, f->pad + in[d]);
  }
  append(load, sizeof load, " if %s]", where);
  map(w, "P", index, 1 + f->dims, axes, load);
}

static inline void convolution(writer *w, const conv_form *f) {
  int out[CONV_DIMS], kernel[CONV_DIMS], in[CONV_DIMS], padded[CONV_DIMS], terms = f->in_channels, count = 0;
  int channels = f->groups * f->in_channels, outs = f->groups * f->out_channels;
  axis axes[2 + 2 * CONV_DIMS];
  char index[64] = "o", load[160], weight[64] = "W[o, c", value[96];
  for (int d = 0; d < f->dims; d++) {
    kernel[d] = pick(w, 1, f->dims == 3 ? 2 : 3);
    out[d] = pick(w, 1, f->dims == 1 ? 9 : 4);
    padded[d] = (out[d] - 1) * f->stride + (kernel[d] - 1) * f->dilation + 1;
    if (padded[d] <= 2 * f->pad) padded[d] = 2 * f->pad + 1;
    out[d] = (padded[d] - (kernel[d] - 1) * f->dilation - 1) / f->stride + 1;
    in[d] = padded[d] - 2 * f->pad;
    terms *= kernel[d];
  }
  put(w, "# terms %d\nfunc f(", terms + 2);
  put_shape(w, "X", channels, f->dims, in);
  put(w, ", W: f32[%d, %d", outs, f->in_channels);
  for (int d = 0; d < f->dims; d++) put(w, ", %d", kernel[d]);
  put(w, "], g: f32[%d], h: f32[%d], ", outs, outs);
  put_shape(w, "Y", outs, f->dims, out);
  put(w, ") {\n");
  if (f->pad) {
    put(w, "alloc ");
    put_shape(w, "P", channels, f->dims, padded);
    put(w, "\n");
  }
  if (f->epilogue != CONV_PLAIN) {
    put(w, "alloc ");
    put_shape(w, "T", outs, f->dims, out);
    put(w, "\n");
  }
  if (f->pad) pad_input(w, f, channels, in, padded);
  axes[count++] = (axis){"o", outs, 0};
  if (f->groups == 1)
    snprintf(load, sizeof load, "%s[c", f->pad ? "P" : "X");
  else
    snprintf(load, sizeof load, "%s[o // %d * %d + c", f->pad ? "P" : "X", f->out_channels, f->in_channels);
  for (int d = 0; d < f->dims; d++) axes[count++] = (axis){conv_out_names[d], out[d], 0};
  axes[count++] = (axis){"c", f->in_channels, 1};
  for (int d = 0; d < f->dims; d++) {
    axes[count++] = (axis){conv_in_names[d], kernel[d], 1};
    append(index, sizeof index, ", %s", conv_out_names[d]);
    append(load, sizeof load, ", %s * %d + %s * %d", conv_out_names[d], f->stride, conv_in_names[d], f->dilation);
    append(weight, sizeof weight, ", %s", conv_in_names[d]);
  }
  append(load, sizeof load, "]");
  append(weight, sizeof weight, "]");
  contract(w, f->epilogue == CONV_PLAIN ? "Y" : "T", index, count, axes, load, weight);
  snprintf(value, sizeof value,
           f->epilogue == CONV_NORM_RELU ? "max(T[%s] * g[o] + h[o], 0.0:f32)" : "max(T[%s] + h[o], 0.0:f32)", index);
  if (f->epilogue != CONV_PLAIN) map(w, "Y", index, 1 + f->dims, axes, value);
  put(w, "}\n");
}

static inline conv_form conv_any(writer *w, int dims) {
  return (conv_form){.dims = dims,
                     .groups = 1,
                     .in_channels = pick(w, 1, 3),
                     .out_channels = pick(w, 1, 4),
                     .stride = pick(w, 1, 2),
                     .dilation = 1,
                     .pad = pick(w, 0, 1),
                     .epilogue = pick(w, 0, 1) ? CONV_PLAIN : CONV_BIAS_RELU};
}

static inline void conv1d(writer *w) {
  conv_form f = conv_any(w, 1);
  convolution(w, &f);
}

static inline void conv2d(writer *w) {
  conv_form f = conv_any(w, 2);
  convolution(w, &f);
}

static inline void conv3d(writer *w) {
  conv_form f = conv_any(w, 3);
  f.in_channels = pick(w, 1, 2);
  f.out_channels = pick(w, 1, 2);
  convolution(w, &f);
}

static inline void conv_grouped(writer *w) {
  conv_form f = conv_any(w, 2);
  f.groups = pick(w, 2, 3);
  f.out_channels = pick(w, 1, 2);
  convolution(w, &f);
}

static inline void conv_dilated(writer *w) {
  conv_form f = conv_any(w, 2);
  f.dilation = pick(w, 2, 3);
  convolution(w, &f);
}

static inline void conv_depthwise(writer *w) {
  conv_form f = conv_any(w, 2);
  f.groups = pick(w, 2, 5);
  f.in_channels = f.out_channels = 1;
  convolution(w, &f);
}

static inline void conv_bn_relu(writer *w) {
  conv_form f = conv_any(w, 2);
  f.epilogue = CONV_NORM_RELU;
  convolution(w, &f);
}

/* Each input is spread over an output window: read where the place divides. */
static inline void conv_transposed(writer *w) {
  int h = pick(w, 1, 4), c = pick(w, 1, 3), o = pick(w, 1, 3), k = pick(w, 1, 3), s = pick(w, 1, 3),
      p = pick(w, 0, k - 1);
  int n = (h - 1) * s + k - p;
  axis axes[] = {{"o", o, 0}, {"y", n, 0}, {"x", n, 0}, {"c", c, 1}, {"r", k, 1}, {"s", k, 1}};
  char load[320];
  snprintf(
      load, sizeof load,
      "X[c, (y + %d - r) // %d, (x + %d - s) // %d if (y + %d - r) %% %d == 0 && 0 <= y + %d - r && y + %d - r < %d && "
      "(x + %d - s) %% %d == 0 && 0 <= x + %d - s && x + %d - s < %d]",
      p, s, p, s, p, s, p, p, h * s, p, s, p, p, h * s);
  put(w, "# terms %d\nfunc f(X: f32[%d, %d, %d], W: f32[%d, %d, %d, %d], Y: f32[%d, %d, %d]) {\n", c * k * k, c, h, h,
      c, o, k, k, o, n, n);
  contract(w, "Y", "o, y, x", 6, axes, load, "W[c, o, r, s]");
  put(w, "}\n");
}

/* Each element is a small matrix, and so is each weight. */
static inline void conv_capsule(writer *w) {
  int n = pick(w, 1, 3), k = pick(w, 1, 2), c = pick(w, 1, 2), o = pick(w, 1, 2), in = n + k - 1;
  axis axes[] = {{"o", o, 0}, {"y", n, 0}, {"i", 2, 0}, {"j", 2, 0}, {"c", c, 1}, {"r", k, 1}, {"m", 2, 1}};
  put(w, "# terms %d\nfunc f(X: f32[%d, %d, 2, 2], W: f32[%d, %d, %d, 2, 2], Y: f32[%d, %d, 2, 2]) {\n", c * k * 2, c,
      in, o, c, k, o, n);
  contract(w, "Y", "o, y, i, j", 7, axes, "X[c, y + r, i, m]", "W[o, c, r, m, j]");
  put(w, "}\n");
}

/* A depthwise convolution, then one of 1 x 1. */
static inline void conv_separable(writer *w) {
  int c = pick(w, 1, 4), o = pick(w, 1, 5), n = pick(w, 1, 5), k = pick(w, 1, 3);
  axis deep[] = {{"c", c, 0}, {"y", n, 0}, {"r", k, 1}}, point[] = {{"o", o, 0}, {"y", n, 0}, {"c", c, 1}};
  put(w, "# terms %d\nfunc f(X: f32[%d, %d], D: f32[%d, %d], W: f32[%d, %d], Y: f32[%d, %d]) {\nalloc T: f32[%d, %d]\n",
      c * k + 2, c, n + k - 1, c, k, o, c, o, n, c, n);
  contract(w, "T", "c, y", 3, deep, "X[c, y + r]", "D[c, r]");
  contract(w, "Y", "o, y", 3, point, "T[c, y]", "W[o, c]");
  put(w, "}\n");
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static inline void batch_matmul(writer *w) {
  int b = pick(w, 1, 4), n = pick(w, 1, 6), m = pick(w, 1, 9), k = pick(w, 1, 7);
  axis axes[] = {{"b", b, 0}, {"i", n, 0}, {"j", m, 0}, {"k", k, 1}};
  put(w, "# terms %d\nfunc f(A: f32[%d, %d, %d], B: f32[%d, %d, %d], Y: f32[%d, %d, %d]) {\n", k, b, n, k, b, k, m, b,
      n, m);
  contract(w, "Y", "b, i, j", 4, axes, "A[b, i, k]", "B[b, k, j]");
  put(w, "}\n");
}

/* Operands the other way round; what becomes of it in a second block. */
static inline void transposed_matmul(writer *w) {
  int n = pick(w, 1, 8), m = pick(w, 1, 12), k = pick(w, 1, 9), left = pick(w, 0, 1), right = pick(w, 0, 1);
  axis axes[] = {{"i", n, 0}, {"j", m, 0}, {"k", k, 1}}, swapped[] = {{"j", m, 0}, {"i", n, 0}};
  put(w, "# terms %d\nfunc f(A: f32[%d, %d], B: f32[%d, %d], Y: f32[%d, %d]) {\nalloc T: f32[%d, %d]\n", k + 1,
      left ? k : n, left ? n : k, right ? m : k, right ? k : m, m, n, n, m);
  contract(w, "T", "i, j", 3, axes, left ? "A[k, i]" : "A[i, k]", right ? "B[j, k]" : "B[k, j]");
  map(w, "Y", "j, i", 2, swapped, "T[i, j] * 2.0:f32");
  put(w, "}\n");
}

/* ---- norms, attention -------------------------------------------------------------------------------------------- */

/* The root of a sum of squares. */
static inline void norm(writer *w) {
  int b = pick(w, 1, 5), n = pick(w, 1, 6), m = pick(w, 1, 6);
  axis sum[] = {{"b", b, 0}, {"i", n, 1}, {"j", m, 1}}, each[] = {{"b", b, 0}};
  put(w, "func f(X: f32[%d, %d, %d], Y: f32[%d]) {\nalloc S: f32[%d]\n", b, n, m, b, b);
  contract(w, "S", "b", 3, sum, "X[b, i, j]", "X[b, i, j]");
  map(w, "Y", "b", 1, each, "sqrt(S[b])");
  put(w, "}\n");
}

/* Sums over groups of channels, and what is left without them. */
static inline void group_norm(writer *w) {
  int g = pick(w, 1, 3), c = pick(w, 1, 3), n = pick(w, 1, 7);
  axis sum[] = {{"g", g, 0}, {"c", c, 1}, {"i", n, 1}}, each[] = {{"o", g * c, 0}, {"i", n, 0}};
  char load[64], value[160];
  snprintf(load, sizeof load, "X[g * %d + c, i]", c);
  snprintf(value, sizeof value, "(X[o, i] - M[o // %d]) * a[o] + V[o // %d]", c, c);
  put(w, "func f(X: f32[%d, %d], a: f32[%d], Y: f32[%d, %d]) {\nalloc M: f32[%d]\nalloc V: f32[%d]\n", g * c, n, g * c,
      g * c, n, g, g);
  reduce(w, "M", "g", 3, sum, 0, load);
  contract(w, "V", "g", 3, sum, load, load);
  map(w, "Y", "o, i", 2, each, value);
  put(w, "}\n");
}

/* A mean over all places of a channel. */
static inline void global_pool(writer *w) {
  int c = pick(w, 1, 6), h = pick(w, 1, 5), v = pick(w, 1, 5);
  axis sum[] = {{"c", c, 0}, {"y", h, 1}, {"x", v, 1}}, each[] = {{"c", c, 0}};
  put(w, "# terms %d\nfunc f(X: f32[%d, %d, %d], Y: f32[%d]) {\nalloc S: f32[%d]\n", h * v + 1, c, h, v, c, c);
  reduce(w, "S", "c", 3, sum, 0, "X[c, y, x]");
  map(w, "Y", "c", 1, each, "S[c] * 0.25:f32");
  put(w, "}\n");
}

/* softmax of S over its last dimension into P: true, or with what is exact on integers in its place. */
static inline void soft_rows(writer *w, int b, int n, int m, int exact) {
  axis rows[] = {{"b", b, 0}, {"i", n, 0}, {"j", m, 1}}, each[] = {{"b", b, 0}, {"i", n, 0}, {"j", m, 0}};
  reduce(w, "M", "b, i", 3, rows, 1, "S[b, i, j]");
  map(w, "E", "b, i, j", 3, each, exact ? "abs(S[b, i, j] - M[b, i])" : "exp(S[b, i, j] - M[b, i])");
  reduce(w, "D", "b, i", 3, rows, 0, "E[b, i, j]");
  map(w, "P", "b, i, j", 3, each, exact ? "E[b, i, j] - D[b, i]" : "E[b, i, j] / D[b, i]");
}

static inline void alloc_rows(writer *w, int b, int n, int m, int result) {
  put(w, "alloc S: f32[%d, %d, %d]\nalloc M: f32[%d, %d]\nalloc E: f32[%d, %d, %d]\nalloc D: f32[%d, %d]\n", b, n, m, b,
      n, b, n, m, b, n);
  if (result) put(w, "alloc P: f32[%d, %d, %d]\n", b, n, m);
}

static inline void attention(writer *w) {
  int b = pick(w, 1, 2), n = pick(w, 1, 4), m = pick(w, 1, 5), k = pick(w, 1, 4), v = pick(w, 1, 5),
      exact = pick(w, 0, 1);
  axis scores[] = {{"b", b, 0}, {"i", n, 0}, {"j", m, 0}, {"k", k, 1}},
       mix[] = {{"b", b, 0}, {"i", n, 0}, {"v", v, 0}, {"j", m, 1}};
  put(w, "%sfunc f(Q: f32[%d, %d, %d], K: f32[%d, %d, %d], V: f32[%d, %d, %d], Y: f32[%d, %d, %d]) {\n",
      exact ? "" : "# inexact\n", b, n, k, b, m, k, b, m, v, b, n, v);
  alloc_rows(w, b, n, m, 1);
  contract(w, "S", "b, i, j", 4, scores, "Q[b, i, k]", "K[b, j, k]");
  soft_rows(w, b, n, m, exact);
  contract(w, "Y", "b, i, v", 4, mix, "P[b, i, j]", "V[b, j, v]");
  put(w, "}\n");
}

/* Transposed, batched, and a softmax of it. */
static inline void product_softmax(writer *w) {
  int b = pick(w, 1, 3), n = pick(w, 1, 5), m = pick(w, 1, 7), k = pick(w, 1, 5), exact = pick(w, 0, 1);
  axis scores[] = {{"b", b, 0}, {"i", n, 0}, {"j", m, 0}, {"k", k, 1}};
  put(w, "%sfunc f(Q: f32[%d, %d, %d], K: f32[%d, %d, %d], P: f32[%d, %d, %d]) {\n", exact ? "" : "# inexact\n", n, b,
      k, m, b, k, b, n, m);
  alloc_rows(w, b, n, m, 0);
  contract(w, "S", "b, i, j", 4, scores, "Q[i, b, k]", "K[j, b, k]");
  soft_rows(w, b, n, m, exact);
  put(w, "}\n");
}

/* ---- symbolic extents ---------------------------------------------------------------------------------------------- */

/* A block over axes of which some have the extents n and m: as open_block, which writes numbers. */
static inline void open_symbolic(writer *w, const char *name, int count, const char *const *axes,
                                 const char *const *extents, int reduce) {
  for (int i = 0; i < count; i++) put(w, "for %s%s in 0..%s {\n", axes[i], name, extents[i]);
  put(w, "block %s(", name);
  for (int i = 0; i < count; i++)
    put(w, "%s%s%s: 0..%s = %s%s", i ? ", " : "", i == reduce ? "reduce " : "", axes[i], extents[i], axes[i], name);
  put(w, ") {\n");
}

static inline void map_symbolic(writer *w, const char *name, const char *index, int count, const char *const *axes,
                                const char *const *extents, const char *value) {
  open_symbolic(w, name, count, axes, extents, -1);
  put(w, "%.1s[%s] = %s\n", name, index, value);
  close_block(w, count);
}

/* A product and what becomes of it, row sums and what is left: the init of a sum is a block of its own, as tn_reduce makes it, or
 * not. */
static inline void symbolic(writer *w) {
  static const char *const axes[] = {"i", "j", "k"};
  static const char *const choices[] = {"n", "m", "3", "5", "n", "m"};
  const char *e[3], *row[2];
  char value[96];
  int apart = pick(w, 0, 1), product = pick(w, 0, 1);
  for (int i = 0; i < 3; i++) e[i] = choices[pick(w, 0, 5)];
  row[0] = e[0], row[1] = product ? e[2] : e[1];
  put(w, "func f(n: index, m: index, A: f32[%s, %s], B: f32[%s, %s], Y: f32[%s, %s]) {\n", e[0], row[1], e[2], e[1],
      e[0], e[1]);
  put(w, "alloc T: f32[%s, %s]\nalloc S: f32[%s%s%s]\n", e[0], row[1], e[0], product ? ", " : "", product ? e[1] : "");
  map_symbolic(w, "T", "i, j", 2, axes, row, unary(w, value, sizeof value, "A[i, j]"));
  const char *index = product ? "i, j" : "i";
  if (apart) map_symbolic(w, "S_init", index, product ? 2 : 1, axes, e, "0.0:f32");
  open_symbolic(w, "S", product ? 3 : 2, axes, e, product ? 2 : 1);
  if (!apart) put(w, "init { S[%s] = 0.0:f32 }\n", index);
  put(w, product ? "S[i, j] = fma(T[i, k], B[k, j], S[i, j])\n" : "S[i] = S[i] + T[i, j]\n");
  close_block(w, product ? 3 : 2);
  map_symbolic(w, "Y", "i, j", 2, axes, e, product ? unary(w, value, sizeof value, "S[i, j]") : "T[i, j] - S[i]");
  put(w, "}\n");
}

#endif
