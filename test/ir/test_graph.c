/* test_graph.c -- graph operators against plain loops, and how they refuse.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/graphs.h"

/* ---- convolutions, products ------------------------------------------------------------------------------------ */

/* One geometry: the plainest convolution there is. */
typedef struct geometry {
  int64_t c, h, w, m, groups, kh, kw, stride, dilation, pad;
} geometry;

static void reference_conv(const geometry *s, int64_t oh, int64_t ow, const float *x, const float *w, const float *bias,
                           float *y) {
  int64_t cg = s->c / s->groups, mg = s->m / s->groups;
  for (int64_t m = 0; m < s->m; m++)
    for (int64_t i = 0; i < oh; i++)
      for (int64_t j = 0; j < ow; j++) {
        double sum = bias[m];
        for (int64_t c = 0; c < cg; c++)
          for (int64_t a = 0; a < s->kh; a++)
            for (int64_t d = 0; d < s->kw; d++) {
              int64_t r = i * s->stride + a * s->dilation - s->pad, q = j * s->stride + d * s->dilation - s->pad;
              if (r < 0 || r >= s->h || q < 0 || q >= s->w) continue;
              sum += (double)x[((m / mg * cg + c) * s->h + r) * s->w + q] * w[((m * cg + c) * s->kh + a) * s->kw + d];
            }
        y[(m * oh + i) * ow + j] = (float)sum;
      }
}

static const geometry geometries[] = {
    {2, 5, 6, 3, 1, 3, 3, 1, 1, 1}, {2, 5, 6, 3, 1, 3, 2, 2, 1, 0}, {4, 7, 7, 4, 4, 3, 3, 2, 1, 1},
    {4, 6, 5, 6, 2, 1, 1, 1, 1, 0}, {3, 9, 8, 2, 1, 3, 3, 1, 2, 2}, {1, 4, 4, 1, 1, 3, 3, 3, 1, 2},
};

START_TEST(conv_is_that_of_the_plain_loops)
{
  const geometry *s = &geometries[_i];
  float x[512], w[512], bias[8], want[1024];
  int64_t oh = (s->h + 2 * s->pad - s->dilation * (s->kh - 1) - 1) / s->stride + 1;
  int64_t ow = (s->w + 2 * s->pad - s->dilation * (s->kw - 1) - 1) / s->stride + 1;
  fill(x, TNI_COUNT(x), 1);
  fill(w, TNI_COUNT(w), 2);
  fill(bias, TNI_COUNT(bias), 3);
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, s->c, s->h, s->w));
  uint32_t weights = tni_g_const(b, "w", TN_F32, DIMS(s->m, s->c / s->groups, s->kh, s->kw), w);
  uint32_t shift = tni_g_const(b, "b", TN_F32, DIMS(s->m), bias);
  tni_attr attrs[] = {INT("group", s->groups), INTS("strides", s->stride, s->stride),
                      INTS("dilations", s->dilation, s->dilation), INTS("pads", s->pad, s->pad, s->pad, s->pad)};
  uint32_t y = add("conv", "y", in, weights, shift, 4, attrs);
  ck_assert_int_eq(tni_g_get(b, y)->shape[2], oh);
  ck_assert_int_eq(tni_g_get(b, y)->shape[3], ow);
  reference_conv(s, oh, ow, x, w, bias, want);
  expect(y, x, NULL, (size_t)(s->m * oh * ow), want);
}
END_TEST

START_TEST(conv_transpose_is_the_gradient_of_conv)
{
  /* stride 2, kernel 3: each input element adds a copy of the kernel, two apart */
  static const float x[] = {1, 10}, w[] = {1, 2, 3};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 1, 2)), weights = tni_g_const(b, "w", TN_F32, DIMS(1, 1, 3), w);
  tni_attr attrs[] = {INTS("strides", 2)};
  EXPECT(add("conv_transpose", "y", in, weights, TNI_NO_VALUE, 1, attrs), x, NULL, 1, 2, 13, 20, 30);
}
END_TEST

START_TEST(matmul_broadcasts_batches)
{
  float x[2 * 3 * 4], w[4 * 2], want[2 * 3 * 2];
  fill(x, TNI_COUNT(x), 1);
  fill(w, TNI_COUNT(w), 2);
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 2; j++) {
      double sum = 0;
      for (int k = 0; k < 4; k++) sum += (double)x[i * 4 + k] * w[k * 2 + j];
      want[i * 2 + j] = (float)sum;
    }
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3, 4)), weights = tni_g_input(b, "w", TN_F32, DIMS(1, 4, 2));
  expect(add2("matmul", "y", in, weights), x, w, TNI_COUNT(want), want);
}
END_TEST

START_TEST(matmul_takes_vectors)
{
  static const float x[] = {1, 2, 3}, w[] = {4, 5, 6};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(3)), weights = tni_g_input(b, "w", TN_F32, DIMS(3));
  uint32_t y = add2("matmul", "y", in, weights);
  ck_assert_int_eq(tni_g_get(b, y)->rank, 0);
  EXPECT(y, x, w, 32);
}
END_TEST

/* x (2, 3), w (3, 3) in panels of 2, groups of 2: one panel and one group more than there must be. */
START_TEST(matmul_takes_panels_with_room)
{
  static const float x[] = {1, 2, 3, 4, 5, 6}, w[3][3] = {{1, -2, 3}, {-4, 5, -6}, {7, -8, 9}};
  float panels[3][3][2][2] = {{{{0}}}};
  for (int k = 0; k < 3; k++)
    for (int j = 0; j < 3; j++) panels[j / 2][k / 2][j % 2][k % 2] = w[k][j];
  panels[2][0][0][0] = 100; /* of no column */
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3));
  uint32_t weights = tni_g_const(b, "w", TN_F32, DIMS(3, 3, 2, 2), panels);
  tni_attr attrs[] = {INT("columns", 3), INT("group", 2), INT("panel", 2), INT("steps", _i ? 6 : 3)};
  EXPECT(add("matmul", "y", in, weights, TNI_NO_VALUE, 4, attrs), x, NULL, 14, -16, 18, 26, -31, 36);
}
END_TEST

/* ---- pools, reductions ----------------------------------------------------------------------------------------- */

static const float nine[] = {-1, -2, -3, -4, -5, -6, -7, -8, -9};

START_TEST(max_pool_pads_with_nothing)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 1, 3, 3));
  tni_attr attrs[] = {INTS("kernel_shape", 2, 2), INTS("strides", 2, 2), INTS("pads", 1, 1, 0, 0)};
  EXPECT(add("max_pool", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 3, attrs), nine, NULL, -1, -2, -4, -5);
}
END_TEST

/* What is below every number of a type without infinity is its lowest number, not NaN. */
START_TEST(max_of_bytes_without_infinity)
{
  static const float x[] = {-448, -416, -448, -448};
  const tni_attr to[] = {STRING("to", "f8e4m3")}, back[] = {STRING("to", "f32")};
  tni_attr attrs[] = {INTS("kernel_shape", 2, 1), INTS("pads", 1, 0, 0, 0)};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 1, 4, 1));
  uint32_t small = add("cast", "small", in, TNI_NO_VALUE, TNI_NO_VALUE, 1, to);
  uint32_t pool = add("max_pool", "pool", small, TNI_NO_VALUE, TNI_NO_VALUE, 2, attrs);
  EXPECT(add("cast", "y", pool, TNI_NO_VALUE, TNI_NO_VALUE, 1, back), x, NULL, -448, -416, -416, -448);
}
END_TEST

/* Three elements of 4 bits take as many bytes as four. */
START_TEST(packed_reshape_counts_elements)
{
  const tni_attr four[] = {INTS("shape", 4)}, column[] = {INTS("shape", 3, 1)};
  uint32_t in = tni_g_input(b, "x", TN_I4, DIMS(3));
  add("reshape", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 1, column);
  ck_assert_str_eq(refusal("reshape", in, 1, four),
                   "import: n: reshape: the new shape does not have the same number of elements");
}
END_TEST

START_TEST(cast_to_bytes_may_saturate)
{
  static const float x[] = {1000, -INFINITY, 460, 1.03125f};
  const tni_attr plain[] = {STRING("to", "f8e5m2")}, back[] = {STRING("to", "f32")};
  const tni_attr saturate[] = {INT("saturate", 1), STRING("to", "f8e4m3uz")};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(4));
  uint32_t small = add("cast", "small", in, TNI_NO_VALUE, TNI_NO_VALUE, 1, plain);
  small = add("cast", "smaller", small, TNI_NO_VALUE, TNI_NO_VALUE, 2, saturate);
  EXPECT(add("cast", "y", small, TNI_NO_VALUE, TNI_NO_VALUE, 1, back), x, NULL, 240, -240, 240, 1);
}
END_TEST

START_TEST(a_type_without_infinity_has_none)
{
  static const float x[] = {INFINITY, -9, 6, 0};
  const tni_attr to[] = {STRING("to", "f4e2m1")}, back[] = {STRING("to", "f32")};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(4));
  uint32_t small = add("cast", "small", in, TNI_NO_VALUE, TNI_NO_VALUE, 1, to);
  uint32_t is = add("is_inf", "is", small, TNI_NO_VALUE, TNI_NO_VALUE, 0, NULL);
  EXPECT(add("cast", "y", is, TNI_NO_VALUE, TNI_NO_VALUE, 1, back), x, NULL, 0, 0, 0, 0);
}
END_TEST

/* ONNX's three roundings of a scale; beyond its ends the end, or NaN. */
START_TEST(cast_to_a_scale_rounds_as_it_is_told)
{
  static const char *const modes[] = {"up", "down", "nearest"};
  static const float x[] = {0, 1.25f, 1.5f, 4, 0x1.1p-127f, 0x1p-128f, 0x1.8p127f, INFINITY};
  static const float small = 0x1p-127f, large = 0x1p127f, nan = NAN;
  const float want[2][3][8] = {{{nan, 2, 2, 4, 0x1p-126f, nan, nan, nan},
                                {nan, 1, 1, 4, small, nan, large, nan},
                                {nan, 1, 2, 4, small, nan, nan, nan}},
                               {{small, 2, 2, 4, 0x1p-126f, small, large, large},
                                {small, 1, 1, 4, small, small, large, large},
                                {small, 1, 2, 4, small, small, large, large}}};
  const tni_attr to[] = {STRING("round", modes[_i % 3]), INT("saturate", _i / 3), STRING("to", "f8e8m0")};
  const tni_attr back[] = {STRING("to", "f32")};
  const float *w = want[_i / 3][_i % 3];
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(8));
  uint32_t scale = add("cast", "scale", in, TNI_NO_VALUE, TNI_NO_VALUE, 3, to);
  EXPECT(add("cast", "y", scale, TNI_NO_VALUE, TNI_NO_VALUE, 1, back), x, NULL, w[0], w[1], w[2], w[3], w[4], w[5],
         w[6], w[7]);
}
END_TEST

START_TEST(average_pool_counts_what_is_inside)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 1, 3, 3));
  tni_attr attrs[] = {INTS("kernel_shape", 2, 2), INTS("strides", 2, 2), INTS("pads", 1, 1, 0, 0)};
  EXPECT(add("average_pool", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 3, attrs), nine, NULL, -1, -2.5f, -5.5f, -7);
}
END_TEST

START_TEST(average_pool_may_count_padding)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 1, 3, 3));
  tni_attr attrs[] = {INTS("kernel_shape", 2, 2), INTS("strides", 2, 2), INTS("pads", 1, 1, 0, 0),
                      INT("count_include_pad", 1)};
  EXPECT(add("average_pool", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 4, attrs), nine, NULL, -0.25f, -1.25f, -2.75f, -7);
}
END_TEST

START_TEST(ceil_mode_lets_windows_hang_over)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 1, 3, 3));
  tni_attr attrs[] = {INTS("kernel_shape", 2, 2), INTS("strides", 2, 2), INT("ceil_mode", 1)};
  EXPECT(add("max_pool", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 3, attrs), nine, NULL, -1, -3, -7, -9);
}
END_TEST

START_TEST(reductions_drop_or_keep_axes)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3));
  tni_attr rows[] = {INTS("axes", -1), INT("keepdims", 0)}, columns[] = {INTS("axes", 0)};
  uint32_t mean = add("reduce_mean", "mean", in, TNI_NO_VALUE, TNI_NO_VALUE, 2, rows);
  uint32_t norm = add("reduce_l2", "norm", in, TNI_NO_VALUE, TNI_NO_VALUE, 1, columns);
  ck_assert_int_eq(tni_g_get(b, mean)->rank, 1);
  ck_assert_int_eq(tni_g_get(b, norm)->rank, 2);
  float a[2], c[3];
  void *inputs[] = {(void *)six}, *out[] = {a, c};
  tni_g_output(b, mean);
  tni_g_output(b, norm);
  run(finish(), inputs, out);
  ck_assert_float_eq_tol(a[0], 2, 1e-6);
  ck_assert_float_eq_tol(a[1], 16.0f / 3, 1e-6);
  ck_assert_float_eq_tol(c[0], sqrtf(17), 1e-6);
  ck_assert_float_eq_tol(c[2], sqrtf(58), 1e-6);
}
END_TEST

START_TEST(reductions_of_nothing_are_the_identity)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 0));
  tni_attr attrs[] = {INTS("axes", 1)};
  EXPECT(add("reduce_prod", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 1, attrs), six, NULL, 1, 1);
}
END_TEST

START_TEST(softmax_sums_to_one_without_overflow)
{
  static const float x[] = {1000, 1001, 1002, -5, -5, -5};
  double e = exp(1), s = 1 / (1 + e + e * e);
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3));
  EXPECT(add1("softmax", "y", in), x, NULL, (float)s, (float)(e * s), (float)(e * e * s), 1.0f / 3, 1.0f / 3, 1.0f / 3);
}
END_TEST

START_TEST(log_softmax_is_its_logarithm)
{
  static const float x[] = {1000, 1001, 1002};
  double e = exp(1), s = log(1 + e + e * e);
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 3));
  EXPECT(add1("log_softmax", "y", in), x, NULL, (float)-s, (float)(1 - s), (float)(2 - s));
}
END_TEST

START_TEST(layer_norm_centres_and_scales)
{
  static const float scale[] = {1, 2, 3}, shift[] = {10, 20, 30};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3));
  uint32_t s = tni_g_const(b, "s", TN_F32, DIMS(3), scale), t = tni_g_const(b, "t", TN_F32, DIMS(3), shift);
  float want[6];
  for (int r = 0; r < 2; r++) {
    double mean = (six[r * 3] + six[r * 3 + 1] + six[r * 3 + 2]) / 3.0, square = 0;
    for (int i = 0; i < 3; i++) square += (six[r * 3 + i] - mean) * (six[r * 3 + i] - mean);
    for (int i = 0; i < 3; i++)
      want[r * 3 + i] = (float)((six[r * 3 + i] - mean) / sqrt(square / 3 + 1e-5) * scale[i] + shift[i]);
  }
  expect(add("layer_norm", "y", in, s, t, 0, NULL), six, NULL, 6, want);
}
END_TEST

START_TEST(arg_max_gives_the_first_or_the_last)
{
  static const float x[] = {1, 5, 5, 2, 2, 0};
  int64_t first[2], last[2];
  void *in[] = {(void *)x}, *out[] = {first, last};
  uint32_t v = tni_g_input(b, "x", TN_F32, DIMS(2, 3));
  tni_attr attrs[] = {INT("axis", 1), INT("keepdims", 0), INT("select_last_index", 1)};
  tni_g_output(b, add("arg_max", "first", v, TNI_NO_VALUE, TNI_NO_VALUE, 2, attrs));
  tni_g_output(b, add("arg_max", "last", v, TNI_NO_VALUE, TNI_NO_VALUE, 3, attrs));
  run(finish(), in, out);
  ck_assert_int_eq(first[0], 1);
  ck_assert_int_eq(last[0], 2);
  ck_assert_int_eq(first[1], 0);
  ck_assert_int_eq(last[1], 1);
}
END_TEST

/* ---- elements moved -------------------------------------------------------------------------------------------- */

START_TEST(transpose_swaps_axes)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3));
  EXPECT(add1("transpose", "y", in), six, NULL, 1, 4, 2, 5, 3, 7);
}
END_TEST

START_TEST(slice_goes_backwards_too)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3));
  tni_attr attrs[] = {INTS("starts", -1, 0), INTS("ends", INT64_MIN, 1000), INTS("axes", 1, 0), INTS("steps", -2, 1)};
  EXPECT(add("slice", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 4, attrs), six, NULL, 3, 1, 7, 4);
}
END_TEST

START_TEST(pad_repeats_mirrors_or_fills)
{
  static const char *const modes[] = {"constant", "edge", "reflect", "wrap"};
  static const float want[4][7] = {
      {9, 9, 1, 2, 3, 9, 9}, {1, 1, 1, 2, 3, 3, 3}, {3, 2, 1, 2, 3, 2, 1}, {2, 3, 1, 2, 3, 1, 2}};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(3));
  tni_attr attrs[] = {INTS("pads", 2, 2), STRING("mode", modes[_i]), {.name = "value", .kind = TNI_ATTR_FLOAT, .f = 9}};
  expect(add("pad", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 3, attrs), six, NULL, 7, want[_i]);
}
END_TEST

START_TEST(gather_never_leaves_the_data)
{
  static const int64_t at[] = {2, -1, 3, -4};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3)), indices = tni_g_input(b, "i", TN_I64, DIMS(4));
  tni_attr attrs[] = {INT("axis", 1)};
  EXPECT(add("gather", "y", in, indices, TNI_NO_VALUE, 1, attrs), six, at, 3, 3, 0, 0, 7, 7, 0, 0);
}
END_TEST

START_TEST(concat_puts_one_behind_the_other)
{
  static const float w[] = {8, 9};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 3)), other = tni_g_input(b, "w", TN_F32, DIMS(2, 1));
  tni_attr attrs[] = {INT("axis", 1)};
  EXPECT(add("concat", "y", in, other, TNI_NO_VALUE, 1, attrs), six, w, 1, 2, 3, 8, 4, 5, 7, 9);
}
END_TEST

START_TEST(expand_and_tile_repeat)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2, 1));
  tni_attr shape[] = {INTS("shape", 1, 2)}, repeats[] = {INTS("repeats", 2, 1)};
  uint32_t wide = add("expand", "e", in, TNI_NO_VALUE, TNI_NO_VALUE, 1, shape);
  EXPECT(add("tile", "y", wide, TNI_NO_VALUE, TNI_NO_VALUE, 1, repeats), six, NULL, 1, 1, 2, 2, 1, 1, 2, 2);
}
END_TEST

START_TEST(resize_takes_the_nearest)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 3));
  tni_attr attrs[] = {INTS("shape", 1, 6), STRING("coordinates", "asymmetric"), STRING("nearest", "floor")};
  EXPECT(add("resize", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 3, attrs), six, NULL, 1, 1, 2, 2, 3, 3);
}
END_TEST

/* Each element as often as the others: no position is a fraction. */
START_TEST(resize_repeats_the_nearest)
{
  static const char *const ways[][2] = {{"half_pixel", "round_prefer_floor"}, {"half_pixel", "round_prefer_ceil"},
                                        {"pytorch_half_pixel", "round_prefer_floor"}, {"asymmetric", "floor"},
                                        {"half_pixel_symmetric", "round_prefer_floor"}};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 2));
  tni_attr attrs[] = {INTS("shape", 1, 6), STRING("coordinates", ways[_i][0]), STRING("nearest", ways[_i][1])};
  EXPECT(add("resize", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 3, attrs), six, NULL, 1, 1, 1, 2, 2, 2);
}
END_TEST

/* Others are counted: 0, 2 / 3 and 4 / 3, rounded up. */
START_TEST(resize_counts_other_positions)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 2));
  tni_attr attrs[] = {INTS("shape", 1, 3), STRING("coordinates", "asymmetric"), STRING("nearest", "ceil")};
  EXPECT(add("resize", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 3, attrs), six, NULL, 1, 2, 2);
}
END_TEST

/* Of a length that is rounded down the middle stays where it is: between both, and so the lower one. */
START_TEST(resize_keeps_the_middle)
{
  static const double scales[] = {1, 1.8};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 2));
  tni_attr attrs[] = {INTS("shape", 1, 3), {.name = "scales", .kind = TNI_ATTR_FLOATS, .count = 2, .floats = scales},
                      STRING("coordinates", "half_pixel_symmetric"), STRING("nearest", "round_prefer_floor")};
  EXPECT(add("resize", "y", in, TNI_NO_VALUE, TNI_NO_VALUE, 4, attrs), six, NULL, 1, 1, 2);
}
END_TEST

/* ---- pointwise ------------------------------------------------------------------------------------------------- */

typedef struct pointwise {
  const char *op;
  double (*value)(double x);
} pointwise;

static double value_relu(double x) { return x > 0 ? x : 0; }
static double value_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double value_gelu(double x) { return 0.5 * x * (1 + erf(x / sqrt(2))); }
static double value_leaky(double x) { return x < 0 ? 0.01 * x : x; }
static double value_elu(double x) { return x < 0 ? exp(x) - 1 : x; }
static double value_hard_swish(double x) { return x * fmax(0, fmin(1, x / 6 + 0.5)); }
static double value_softplus(double x) { return x > 30 ? x : log1p(exp(x)); }
static double value_sign(double x) { return (x > 0) - (x < 0); }
static double value_reciprocal(double x) { return 1 / x; }
static double value_mish(double x) { return x * tanh(value_softplus(x)); }

static const pointwise pointwises[] = {
    {"relu", value_relu},
    {"sigmoid", value_sigmoid},
    {"gelu", value_gelu},
    {"leaky_relu", value_leaky},
    {"elu", value_elu},
    {"hard_swish", value_hard_swish},
    {"softplus", value_softplus},
    {"sign", value_sign},
    {"reciprocal", value_reciprocal},
    {"mish", value_mish},
    {"abs", fabs},
    {"floor", floor},
    {"ceil", ceil},
    {"round", nearbyint},
    {"tanh", tanh},
    {"erf", erf},
    {"sin", sin},
    {"cos", cos},
    {"exp", exp},
    {"tan", tan},
    {"atan", atan},
    {"sinh", sinh},
    {"cosh", cosh},
    {"asinh", asinh},
};

START_TEST(pointwise_operators_are_what_they_say)
{
  static const float x[] = {-7.5f, -2.5f, -1, -0.3f, 0.25f, 0.5f, 1.5f, 2, 4.75f, 6};
  float want[TNI_COUNT(x)];
  for (size_t i = 0; i < TNI_COUNT(x); i++) want[i] = (float)pointwises[_i].value(x[i]);
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(TNI_COUNT(x)));
  expect(add1(pointwises[_i].op, "y", in), x, NULL, TNI_COUNT(x), want);
}
END_TEST

static double value_gelu_tanh(double x) {
  return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

/* Of a positive result within 2^-21 of it, below 0 within 2^-22; and what has no end. */
START_TEST(gelu_is_near_everywhere)
{
  enum { COUNT = 4004 };
  static float x[COUNT], y[COUNT];
  void *in[] = {x}, *out[] = {y};
  tni_attr attrs[] = {STRING("approximate", "tanh")};
  for (int i = 0; i < COUNT; i++)
    x[i] = i % 2 ? (float)(i - COUNT / 2) / 250 : (float)ldexp(i % 4 ? -1.3 : 1.7, -i / 40);
  x[0] = INFINITY, x[1] = NAN, x[2] = -1e30f, x[3] = 1e30f;
  uint32_t value = tni_g_input(b, "x", TN_F32, DIMS(COUNT));
  tni_g_output(b, add("gelu", "y", value, TNI_NO_VALUE, TNI_NO_VALUE, (uint32_t)_i, attrs));
  run(finish(), in, out);
  ck_assert(y[0] == x[0] && isnan(y[1]) && fabsf(y[2]) < 0x1p-60f && y[3] == x[3]);
  for (int i = 4; i < COUNT; i++) {
    double want = _i ? value_gelu_tanh((double)x[i]) : value_gelu((double)x[i]);
    ck_assert_msg(fabs((double)y[i] - want) <= (want > 0 ? 0x1p-21 * want : 0x1p-22), "gelu(%a) is %a, not %a",
                  (double)x[i], (double)y[i], want);
  }
}
END_TEST

START_TEST(integers_divide_and_wrap)
{
  static const int32_t x[] = {7, -7, INT32_MIN, 5}, w[] = {2, 2, -1, 0};
  int32_t quotient[4], rest[4];
  void *in[] = {(void *)x, (void *)w}, *out[] = {quotient, rest};
  uint32_t p = tni_g_input(b, "x", TN_I32, DIMS(4)), q = tni_g_input(b, "w", TN_I32, DIMS(4));
  tni_g_output(b, add2("div", "d", p, q));
  tni_g_output(b, add2("mod", "m", p, q));
  run(finish(), in, out);
  static const int32_t want[] = {3, -3, INT32_MIN, 0}, left[] = {1, 1, 0, 0};
  ck_assert_mem_eq(quotient, want, sizeof want);
  ck_assert_mem_eq(rest, left, sizeof left);
}
END_TEST

START_TEST(operands_are_broadcast_from_the_right)
{
  static const float w[] = {10, 20};
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 3)), other = tni_g_input(b, "w", TN_F32, DIMS(2, 1, 1));
  EXPECT(add2("add", "y", in, other), six, w, 11, 12, 13, 21, 22, 23);
}
END_TEST

/* ---- refusals -------------------------------------------------------------------------------------------------- */

START_TEST(bad_attributes_are_refused_with_reasons)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 2, 4, 4));
  tni_attr twice[] = {INTS("axes", 1, -3)};
  ck_assert_str_eq(refusal("reduce_sum", in, 1, twice), "import: n: reduce_sum: axis 1 is given twice");
}
END_TEST

START_TEST(bad_windows_are_refused_with_reasons)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1, 2, 4, 4));
  tni_attr wide[] = {INTS("kernel_shape", 5, 5)};
  ck_assert_str_eq(refusal("max_pool", in, 1, wide), "import: n: max_pool: the window is bigger than the padded input");
}
END_TEST

START_TEST(unknown_attributes_are_refused)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2));
  tni_attr odd[] = {INT("axes", 1)};
  ck_assert_str_eq(refusal("relu", in, 1, odd), "import: n: relu: there is no attribute `axes`");
}
END_TEST

START_TEST(attributes_are_of_their_kind)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2));
  tni_attr odd[] = {INT("axes", 1)};
  ck_assert_str_eq(refusal("reduce_sum", in, 1, odd), "import: n: reduce_sum: attribute `axes` is of the wrong kind");
}
END_TEST

START_TEST(inputs_are_values)
{
  tni_g_input(b, "x", TN_F32, DIMS(2));
  ck_assert_str_eq(refusal("relu", 7, 0, NULL), "import: n: relu: input 0 is no value");
}
END_TEST

/* The first error of a builder, told at its end. */
static void check_told(const char *want) {
  const tn_graph *g;
  tn_error *err;
  ck_assert_int_ne(tni_gbuilder_finish(b, &g, &err), TN_OK);
  b = NULL;
  ck_assert_ptr_null(g);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}

START_TEST(values_have_at_most_eight_dimensions)
{
  ck_assert_uint_eq(tni_g_input(b, "x", TN_F32, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1)), TNI_NO_VALUE);
  check_told("import: x: rank 9 is over 8");
}
END_TEST

START_TEST(outputs_are_values)
{
  tni_g_input(b, "x", TN_F32, DIMS(2));
  tni_g_output(b, 7);
  check_told("import: main: an output is no value");
}
END_TEST

START_TEST(results_over_the_limit_are_refused)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(1)), out;
  tni_attr shape[] = {INTS("shape", 1 << 20, 1 << 20, 1 << 20)};
  ck_assert_int_eq(tni_g_node(b, tni_gop_find("expand"), "n", 1, &in, 1, shape, 1, NULL, &out, NULL), TN_E_LIMIT);
}
END_TEST

START_TEST(errors_stay)
{
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2));
  tni_attr odd[] = {INT("axes", 1)};
  refusal("relu", in, 1, odd);
  tni_g_output(b, in);
  check_told("import: main: the graph could not be built"); /* its error was handed out above */
}
END_TEST

START_TEST(rows_of_the_table_are_well_formed)
{
  for (size_t i = 0; i < tni_gop_count(); i++) {
    const tni_gop *op = tni_gop_at(i);
    ck_assert_ptr_eq(tni_gop_find(op->name), op);
    ck_assert_int_ge(op->max_inputs, op->min_inputs);
    for (const char *c = op->attrs; *c; c++)
      if (*c == ':') ck_assert_msg(strchr("ifIFs", c[1]) && (c[2] == ' ' || !c[2]), "%s: %s", op->name, op->attrs);
  }
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("graph");
  tcase_add_loop_test(tests, conv_is_that_of_the_plain_loops, 0, TNI_COUNT(geometries));
  tcase_add_test(tests, conv_transpose_is_the_gradient_of_conv);
  tcase_add_test(tests, matmul_broadcasts_batches);
  tcase_add_test(tests, matmul_takes_vectors);
  tcase_add_loop_test(tests, matmul_takes_panels_with_room, 0, 2);
  tcase_add_test(tests, max_pool_pads_with_nothing);
  tcase_add_test(tests, max_of_bytes_without_infinity);
  tcase_add_test(tests, packed_reshape_counts_elements);
  tcase_add_test(tests, cast_to_bytes_may_saturate);
  tcase_add_test(tests, a_type_without_infinity_has_none);
  tcase_add_loop_test(tests, cast_to_a_scale_rounds_as_it_is_told, 0, 6);
  tcase_add_test(tests, average_pool_counts_what_is_inside);
  tcase_add_test(tests, average_pool_may_count_padding);
  tcase_add_test(tests, ceil_mode_lets_windows_hang_over);
  tcase_add_test(tests, reductions_drop_or_keep_axes);
  tcase_add_test(tests, reductions_of_nothing_are_the_identity);
  tcase_add_test(tests, softmax_sums_to_one_without_overflow);
  tcase_add_test(tests, log_softmax_is_its_logarithm);
  tcase_add_test(tests, layer_norm_centres_and_scales);
  tcase_add_test(tests, arg_max_gives_the_first_or_the_last);
  tcase_add_test(tests, transpose_swaps_axes);
  tcase_add_test(tests, slice_goes_backwards_too);
  tcase_add_loop_test(tests, pad_repeats_mirrors_or_fills, 0, 4);
  tcase_add_test(tests, gather_never_leaves_the_data);
  tcase_add_test(tests, concat_puts_one_behind_the_other);
  tcase_add_test(tests, expand_and_tile_repeat);
  tcase_add_test(tests, resize_takes_the_nearest);
  tcase_add_loop_test(tests, resize_repeats_the_nearest, 0, 5);
  tcase_add_test(tests, resize_counts_other_positions);
  tcase_add_test(tests, resize_keeps_the_middle);
  tcase_add_loop_test(tests, pointwise_operators_are_what_they_say, 0, TNI_COUNT(pointwises));
  tcase_add_loop_test(tests, gelu_is_near_everywhere, 0, 2);
  tcase_add_test(tests, integers_divide_and_wrap);
  tcase_add_test(tests, operands_are_broadcast_from_the_right);
  tcase_add_test(tests, bad_attributes_are_refused_with_reasons);
  tcase_add_test(tests, bad_windows_are_refused_with_reasons);
  tcase_add_test(tests, unknown_attributes_are_refused);
  tcase_add_test(tests, attributes_are_of_their_kind);
  tcase_add_test(tests, inputs_are_values);
  tcase_add_test(tests, values_have_at_most_eight_dimensions);
  tcase_add_test(tests, outputs_are_values);
  tcase_add_test(tests, results_over_the_limit_are_refused);
  tcase_add_test(tests, errors_stay);
  tcase_add_test(tests, rows_of_the_table_are_well_formed);
  return suite_run_case("graph", tests, 60, setup, teardown);
}
