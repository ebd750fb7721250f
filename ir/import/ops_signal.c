/* ops_signal.c -- converters of signal processing: Fourier transforms as products with constant matrices, windows, mel bands.
 *
 *     DFT:   (..., n * parts) * M,  M[(n, part), (k, part')] = what e^(-+ 2 pi i k n / length) makes of it
 *     STFT:  frames gathered, times the window, and their DFT
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "convert.h"

enum { MAX_MATRIX = 1 << 22, MAX_WINDOW = 1 << 22 };
static const double pi = 3.14159265358979323846;

/* ---- transforms ---------------------------------------------------------------------------------------------------- */

typedef struct transform {
  int64_t n, parts; /* of the input: elements, and 1 or 2 numbers each */
  int64_t length;   /* elements beyond it do not count */
  int64_t out, out_parts;
  bool inverse, onesided;
} transform;

/* What part `part` of element n adds to part `out_part` of element k. */
static double coefficient(const transform *t, int64_t n, int64_t part, int64_t k, int64_t out_part) {
  double angle = 2 * pi * (double)(n * k % t->length) / (double)t->length, sign = t->inverse ? 1 : -1;
  double turn[] = {cos(angle), sign * sin(angle)}, scale = t->inverse ? 1 / (double)t->length : 1;
  if (t->inverse && t->onesided && n > 0 && 2 * n != t->length) scale *= 2; /* for the other half, its conjugate */
  if (part == out_part) return scale * turn[0];
  return part == 0 ? scale * turn[1] : -scale * turn[1];
}

static uint32_t transform_matrix(conversion *c, tn_type type, const transform *t) {
  int64_t rows = t->n * t->parts, columns = t->out * t->out_parts, shape[] = {rows, columns};
  if (t->n > MAX_MATRIX || t->out > MAX_MATRIX || rows * columns > MAX_MATRIX)
    return fail(c, TN_E_LIMIT, "a transform of %lld elements is too long", (long long)t->length), TNI_NO_VALUE;
  void *data = new_contents(c, type, rows * columns);
  for (int64_t i = 0; data && i < rows * columns; i++) {
    int64_t row = i / columns, column = i % columns, n = row / t->parts;
    double x = n < t->length ? coefficient(t, n, row % t->parts, column / t->out_parts, column % t->out_parts) : 0;
    tni_write_element(type, data, i, (tni_scalar){.f = tni_round_to(type, x)});
  }
  return data ? add_const(c, type, 2, shape, data, NULL) : TNI_NO_VALUE;
}

/* The transform of x (..., parts) along an axis. length 0: as long as the axis. */
static uint32_t transformed(conversion *c, uint32_t x, int32_t axis, int64_t length, bool inverse, bool onesided) {
  tni_gvalue v = *value_of(c, x);
  int32_t last = v.rank - 1;
  if (!ok(c)) return TNI_NO_VALUE;
  if (v.rank < 2 || axis >= last || v.shape[last] < 1 || v.shape[last] > 2)
    return fail(c, TN_E_INVALID, "the input's last dimension is not that of real or complex numbers"), TNI_NO_VALUE;
  transform t = {.n = v.shape[axis], .parts = v.shape[last], .inverse = inverse, .onesided = onesided, .out_parts = 2};
  t.length = length ? length : inverse && onesided ? 2 * (t.n - 1) : t.n;
  if (t.length < 1 || t.length > MAX_MATRIX || !tni_type_is_float(v.type))
    return fail(c, TN_E_INVALID, "a transform of length %lld", (long long)t.length), TNI_NO_VALUE;
  t.out = onesided && !inverse ? t.length / 2 + 1 : t.length;
  if (onesided && inverse) t.out_parts = 1;
  int64_t perm[TN_MAX_RANK], back[TN_MAX_RANK], shape[TN_MAX_RANK];
  for (int32_t i = 0, to = 0; i < last; i++)
    if (i != axis) perm[to++] = i;
  perm[last - 1] = axis;
  perm[last] = last;
  for (int32_t i = 0; i < v.rank; i++) back[perm[i]] = i;
  for (int32_t i = 0; i < v.rank; i++) shape[i] = v.shape[perm[i]];
  shape[last - 1] *= t.parts;
  uint32_t flat = reshape(c, permuted(c, x, perm), last, shape, NULL);
  uint32_t y = emit2(c, "matmul", flat, transform_matrix(c, v.type, &t), NULL);
  shape[last - 1] = t.out;
  shape[last] = t.out_parts;
  return permuted(c, reshape(c, y, v.rank, shape, NULL), back);
}

/* The axis is an input from opset 20 on. */
void tni_convert_dft(conversion *c) {
  bool old = c->m->opset < 20;
  int64_t axis = old ? attr_int(c, "axis", 1) : has_input(c, 2) ? known_int(c, 2, "axis") : -2;
  int64_t length = has_input(c, 1) ? known_int(c, 1, "dft_length") : 0;
  int32_t at = normal_axis(c, axis, in(c, 0)->rank);
  bool inverse = attr_int(c, "inverse", 0) != 0, onesided = attr_int(c, "onesided", 0) != 0;
  if (has_input(c, 1) && length < 1) fail(c, TN_E_INVALID, "a transform of length %lld", (long long)length);
  finish(c, 0, transformed(c, input(c, 0), at, length, inverse, onesided));
}

/* signal (batch, length, parts) -> (batch, frames, bins, 2) */
void tni_convert_stft(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t step = known_int(c, 1, "frame_step"), size = has_input(c, 2) ? in(c, 2)->shape[0] : 0;
  if (has_input(c, 3)) size = known_int(c, 3, "frame_length");
  if (!ok(c)) return;
  if (x.rank == 3 && size == 0) size = x.shape[1];
  if (x.rank != 3 || step < 1 || size < 1 || size > x.shape[1] ||
      (has_input(c, 2) && (in(c, 2)->rank != 1 || in(c, 2)->shape[0] != size)))
    return fail(c, TN_E_INVALID, "signal, step and frames do not fit together");
  int64_t frames = (x.shape[1] - size) / step + 1, row[] = {size, 1};
  uint32_t start = with_number(c, "mul", counting(c, TN_I64, frames, 2, 0), (double)step);
  uint32_t at = emit2(c, "add", start, counting(c, TN_I64, size, 2, 1), NULL);
  set_int(c, "axis", 1);
  uint32_t y = emit2(c, "gather", input(c, 0), at, NULL);
  if (has_input(c, 2)) y = emit2(c, "mul", y, reshape(c, input(c, 2), 2, row, NULL), NULL);
  finish(c, 0, transformed(c, y, 2, 0, false, attr_int(c, "onesided", 1) != 0));
}

/* ---- windows, mel bands ---------------------------------------------------------------------------------------------- */

static tn_type result_type(conversion *c) {
  int64_t onnx = attr_int(c, "output_datatype", 1);
  tn_type type = tni_onnx_type(onnx);
  if (!type) fail(c, TN_E_UNSUPPORTED, "data type %lld is not supported", (long long)onnx);
  return type;
}

static void write_number(tn_type type, void *data, int64_t i, double x) {
  tni_write_element(type, data, i, tni_eval_cast(type, TN_F64, (tni_scalar){.f = x}));
}

/* a[0] - a[1] cos(x) + a[2] cos(2 x), x from 0 to 2 pi; a periodic window would go on at 2 pi with its first element. */
static void emit_window(conversion *c, const double a[3]) {
  int64_t size = known_int(c, 0, "size"), last = attr_int(c, "periodic", 1) ? size : size - 1;
  tn_type type = result_type(c);
  if (ok(c) && (size < 0 || size > MAX_WINDOW)) fail(c, TN_E_INVALID, "a window of size %lld", (long long)size);
  void *data = new_contents(c, type, ok(c) ? size : 0);
  for (int64_t i = 0; data && i < size; i++) {
    double x = last > 0 ? 2 * pi * (double)i / (double)last : 0;
    write_number(type, data, i, a[0] - a[1] * cos(x) + a[2] * cos(2 * x));
  }
  if (data) give(c, 0, add_const(c, type, 1, &size, data, out_name(c, 0)));
}

void tni_convert_hann_window(conversion *c) { emit_window(c, (const double[]){0.5, 0.5, 0}); }
void tni_convert_hamming_window(conversion *c) { emit_window(c, (const double[]){25.0 / 46, 21.0 / 46, 0}); }
void tni_convert_blackman_window(conversion *c) { emit_window(c, (const double[]){0.42, 0.5, 0.08}); }

static double known_number(conversion *c, uint32_t i, const char *what) {
  const tni_gvalue *v = known(c, i);
  if (!ok(c)) return 0;
  if (tni_gvalue_numel(v) != 1) return fail(c, TN_E_INVALID, "input `%s` is not one number", what), 0;
  tni_scalar s = tni_read_element(v->type, v->data, 0);
  return tni_type_is_float(v->type) ? s.f : (double)s.i;
}

static double mel_of(double hertz) { return 2595 * log10(1 + hertz / 700); }
static double hertz_of(double mel) { return 700 * (pow(10, mel / 2595) - 1); }

/* Triangles over the bins of a spectrum, whose corners are equally spaced in mel: (length / 2 + 1, bands). */
void tni_convert_mel_weight_matrix(conversion *c) {
  double bands = known_number(c, 0, "num_mel_bins"), length = known_number(c, 1, "dft_length"),
         rate = known_number(c, 2, "sample_rate"), low = known_number(c, 3, "lower_edge_hertz"),
         high = known_number(c, 4, "upper_edge_hertz");
  tn_type type = result_type(c);
  if (!ok(c)) return;
  if (!(bands >= 1 && bands <= 1 << 16 && length >= 1 && length <= 1 << 16 && bands * length <= MAX_MATRIX &&
        rate > 0 && low >= 0 && high > low))
    return fail(c, TN_E_INVALID, "the bands do not fit the spectrum");
  int64_t bins = (int64_t)length / 2 + 1, count = (int64_t)bands, shape[] = {bins, count};
  double step = (mel_of(high) - mel_of(low)) / (bands + 2);
  void *data = new_contents(c, type, bins * count);
  for (int64_t i = 0; data && i < bins * count; i++) {
    double corner[3], bin = (double)(i / count);
    for (int k = 0; k < 3; k++)
      corner[k] = floor((length + 1) * hertz_of(mel_of(low) + step * (double)(i % count + k)) / rate);
    bool rises = bin >= corner[0] && bin <= corner[1] && corner[1] > corner[0],
         falls = bin >= corner[1] && bin < corner[2];
    double up = rises ? (bin - corner[0]) / (corner[1] - corner[0]) : bin == corner[1] && corner[1] == corner[0];
    write_number(type, data, i, falls ? (corner[2] - bin) / (corner[2] - corner[1]) : up);
  }
  if (data) give(c, 0, add_const(c, type, 2, shape, data, out_name(c, 0)));
}
