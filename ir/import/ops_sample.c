/* ops_sample.c -- converters of operators that read between the elements: grids, regions, deformed convolutions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* Before opset 20 the modes are called bilinear and bicubic. */
void tni_convert_grid_sample(conversion *c) {
  const char *mode = attr_string(c, "mode", "linear");
  mode = strcmp(mode, "bilinear") == 0 ? "linear" : strcmp(mode, "bicubic") == 0 ? "cubic" : mode;
  set_string(c, "mode", mode);
  set_string(c, "padding_mode", attr_string(c, "padding_mode", "zeros"));
  set_int(c, "align_corners", attr_int(c, "align_corners", 0));
  give(c, 0, emit2(c, "grid_sample", input(c, 0), input(c, 1), out_name(c, 0)));
}

void tni_convert_roi_align(conversion *c) {
  const char *places =
      attr_string(c, "coordinate_transformation_mode", c->m->opset < 16 ? "output_half_pixel" : "half_pixel");
  pass_attrs(c, "roi_align");
  set_int(c, "half_pixel", strcmp(places, "half_pixel") == 0);
  give(c, 0, emit_n(c, "roi_align", 3, c->n->inputs, out_name(c, 0)));
}

/* ---- affine grid ------------------------------------------------------------------------------------------------- */

/* The middles (or with `corners` the ends) of `n` cells from -1 to 1, along `axis`. */
static uint32_t cells(conversion *c, tn_type type, int64_t n, int32_t rank, int32_t axis, bool corners) {
  uint32_t at = counting(c, type, n, rank, axis);
  if (corners && n > 1) return with_number(c, "sub", with_number(c, "mul", at, 2.0 / (double)(n - 1)), 1);
  double step = corners ? 0 : 2.0 / (double)n;
  return with_number(c, "add", with_number(c, "mul", at, step), step / 2 - 1);
}

/* theta (n, d, d + 1) times the place of each cell, (x, y, ..., 1): the last dimension first. */
void tni_convert_affine_grid(conversion *c) {
  tni_gvalue theta = *in(c, 0);
  int32_t count;
  const int64_t *size = known_ints(c, 1, "size", &count);
  int32_t dims = count - 2;
  if (!ok(c)) return;
  bool fits = (dims == 2 || dims == 3) && theta.rank == 3 && theta.shape[0] == size[0] && theta.shape[1] == dims &&
              theta.shape[2] == dims + 1;
  int64_t shape[TN_MAX_RANK], cell_count = 1;
  for (int32_t i = 0; fits && i < dims; i++) {
    fits = size[2 + i] >= 1 && size[2 + i] <= 1 << 20 && !__builtin_mul_overflow(cell_count, size[2 + i], &cell_count);
    shape[i] = size[2 + i];
  }
  if (!fits) return fail(c, TN_E_INVALID, "theta does not fit `size`");
  bool corners = attr_int(c, "align_corners", 0) != 0;
  uint32_t parts[4], grid;
  shape[dims] = 1;
  for (int32_t i = 0; i <= dims; i++) {
    uint32_t along = i == dims ? const_number(c, theta.type, 1)
                               : cells(c, theta.type, size[1 + dims - i], dims + 1, dims - 1 - i, corners);
    set_ints(c, "shape", dims + 1, shape);
    parts[i] = emit1(c, "expand", along, NULL);
  }
  set_int(c, "axis", -1);
  grid = emit_n(c, "concat", (uint32_t)dims + 1, parts, NULL);
  int64_t flat[] = {cell_count, dims + 1}, perm[] = {0, 2, 1}, whole[TN_MAX_RANK] = {size[0]};
  for (int32_t i = 0; i < dims; i++) whole[1 + i] = size[2 + i];
  whole[1 + dims] = dims;
  grid = emit2(c, "matmul", reshape(c, grid, 2, flat, NULL), permuted(c, input(c, 0), perm), NULL);
  finish(c, 0, reshape(c, grid, dims + 2, whole, NULL));
}

/* ---- deformed convolution ---------------------------------------------------------------------------------------- */

typedef struct deformed {
  tni_gvalue x, w, offset;
  int64_t groups, offset_groups, taps, stride[2], dilation[2], begin[2];
} deformed;

static bool read_deformed(conversion *c, deformed *f) {
  int32_t counts[4];
  const int64_t *strides = attr_ints(c, "strides", &counts[0]), *dilations = attr_ints(c, "dilations", &counts[1]),
                *pads = attr_ints(c, "pads", &counts[2]), *kernel = attr_ints(c, "kernel_shape", &counts[3]);
  *f = (deformed){.x = *in(c, 0), .w = *in(c, 1), .offset = *in(c, 2)};
  f->groups = attr_int(c, "group", 1);
  f->offset_groups = attr_int(c, "offset_group", 1);
  if (!ok(c)) return false;
  if (f->x.rank != 4 || f->w.rank != 4 || f->offset.rank != 4)
    return fail(c, TN_E_UNSUPPORTED, "only two dimensions of space are supported"), false;
  f->taps = f->w.shape[2] * f->w.shape[3];
  bool fits = f->groups > 0 && f->offset_groups > 0 && f->x.shape[1] == f->w.shape[1] * f->groups &&
              f->w.shape[0] % f->groups == 0 && f->x.shape[1] % f->offset_groups == 0 &&
              f->offset.shape[0] == f->x.shape[0] && f->offset.shape[1] == f->offset_groups * f->taps * 2 &&
              (!strides || counts[0] == 2) && (!dilations || counts[1] == 2) && (!pads || counts[2] == 4) &&
              (!kernel || (counts[3] == 2 && kernel[0] == f->w.shape[2] && kernel[1] == f->w.shape[3]));
  if (!fits) return fail(c, TN_E_INVALID, "the shapes and attributes do not fit"), false;
  for (int i = 0; i < 2; i++) {
    f->stride[i] = strides ? strides[i] : 1;
    f->dilation[i] = dilations ? dilations[i] : 1;
    f->begin[i] = pads ? pads[i] : 0;
  }
  return true;
}

/* Coordinate `axis` (0: y) of all samples, (n * offset groups, taps, h, w, 1). */
static uint32_t sample_places(conversion *c, const deformed *f, uint32_t offsets, int axis) {
  int64_t kernel[] = {f->w.shape[2], f->w.shape[3]}, flat[] = {f->taps, 1, 1, 1};
  tn_type type = f->offset.type;
  uint32_t tap = counting(c, type, kernel[axis], 2, axis), ones = kernel[1 - axis] == 1 ? tap : TNI_NO_VALUE;
  if (ones == TNI_NO_VALUE) {
    set_ints(c, "shape", 2, kernel);
    ones = emit1(c, "expand", tap, NULL);
  }
  tap = with_number(c, "mul", reshape(c, ones, 4, flat, NULL), (double)f->dilation[axis]);
  uint32_t start =
      with_number(c, "mul", counting(c, type, f->offset.shape[2 + axis], 4, 1 + axis), (double)f->stride[axis]);
  uint32_t place = emit2(c, "add", sliced(c, offsets, 4, axis, axis + 1), emit2(c, "add", tap, start, NULL), NULL);
  return with_number(c, "sub", place, (double)f->begin[axis]);
}

/* x at the deformed places, times the mask: (n, groups, channels of a group * taps, h * w). */
static uint32_t deformed_columns(conversion *c, const deformed *f) {
  static const int64_t perm[] = {0, 1, 3, 4, 2};
  int64_t n = f->x.shape[0] * f->offset_groups, h = f->offset.shape[2], w = f->offset.shape[3];
  int64_t split[] = {n, f->taps, 2, h, w}, rows[] = {n, f->taps * h, w, 2}, mask[] = {n, 1, f->taps * h, w};
  int64_t image[] = {n, f->x.shape[1] / f->offset_groups, f->x.shape[2], f->x.shape[3]};
  int64_t columns[] = {f->x.shape[0], f->groups, f->w.shape[1] * f->taps, h * w};
  uint32_t offsets = permuted(c, reshape(c, input(c, 2), 5, split, NULL), perm);
  uint32_t y = sample_places(c, f, offsets, 0), x = sample_places(c, f, offsets, 1);
  set_int(c, "axis", -1);
  uint32_t grid = reshape(c, emit2(c, "concat", x, y, NULL), 4, rows, NULL);
  uint32_t images = reshape(c, input(c, 0), 4, image, NULL);
  set_int(c, "places", 1);
  uint32_t samples = emit2(c, "grid_sample", images, grid, NULL);
  if (has_input(c, 4)) samples = emit2(c, "mul", samples, reshape(c, input(c, 4), 4, mask, NULL), NULL);
  return reshape(c, samples, 4, columns, NULL);
}

void tni_convert_deform_conv(conversion *c) {
  deformed f;
  if (!read_deformed(c, &f)) return;
  int64_t weights[] = {f.groups, f.w.shape[0] / f.groups, f.w.shape[1] * f.taps};
  int64_t whole[] = {f.x.shape[0], f.w.shape[0], f.offset.shape[2], f.offset.shape[3]},
          channel[] = {f.w.shape[0], 1, 1};
  uint32_t columns = deformed_columns(c, &f);
  uint32_t y = emit2(c, "matmul", reshape(c, input(c, 1), 3, weights, NULL), columns, NULL);
  y = reshape(c, y, 4, whole, NULL);
  if (has_input(c, 3)) y = emit2(c, "add", y, reshape(c, input(c, 3), 3, channel, NULL), NULL);
  finish(c, 0, y);
}
