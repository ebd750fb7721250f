/* test_graph.c -- graph operators against plain loops, and the passes: folding, fusion, memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph/graph.h"

static tn_context *ctx;
static tn_program *program, *target;
static tni_gbuilder *b;

static const tni_evaluator interpreter = {NULL, tni_evaluate_interpreted};

static void setup(void) {
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &target, NULL), TN_OK);
  ck_assert_int_eq(tni_gbuilder_create(program, "main", &b, NULL), TN_OK);
}
static void teardown(void) {
  tni_gbuilder_destroy(b);
  tn_program_destroy(target);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

/* ---- building -------------------------------------------------------------------------------------------------- */

#define DIMS(...)                                                                                                      \
  (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
#define INTS(n, ...)                                                                                                   \
  {                                                                                                                    \
    .name = n, .kind = TNI_ATTR_INTS, .count = sizeof((int64_t[]){__VA_ARGS__}) / 8, .ints = (const int64_t[]) {       \
      __VA_ARGS__                                                                                                      \
    }                                                                                                                  \
  }
#define INT(n, value)                                                                                                  \
  { .name = n, .kind = TNI_ATTR_INT, .i = value }
#define STRING(n, value)                                                                                               \
  { .name = n, .kind = TNI_ATTR_STRING, .string = value }

/* Adds a node of up to three inputs; its output's name is the node's. */
static uint32_t add(const char *op, const char *name, uint32_t x, uint32_t y, uint32_t z, uint32_t attr_count,
                    const tni_attr *attrs) {
  uint32_t inputs[] = {x, y, z}, out, count = z != TNI_NO_VALUE ? 3 : y != TNI_NO_VALUE ? 2 : 1;
  tn_error *err = NULL;
  tn_status status = tni_g_node(b, tni_gop_find(op), name, count, inputs, attr_count, attrs, 1, &name, &out, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return out;
}
static uint32_t add1(const char *op, const char *name, uint32_t x) {
  return add(op, name, x, TNI_NO_VALUE, TNI_NO_VALUE, 0, NULL);
}
static uint32_t add2(const char *op, const char *name, uint32_t x, uint32_t y) {
  return add(op, name, x, y, TNI_NO_VALUE, 0, NULL);
}

/* The reason why a node of one input is refused. */
static const char *refusal(const char *op, uint32_t x, uint32_t attr_count, const tni_attr *attrs) {
  static char text[256];
  uint32_t out;
  tn_error *err = NULL;
  ck_assert_int_eq(tni_g_node(b, tni_gop_find(op), "n", 1, &x, attr_count, attrs, 1, NULL, &out, &err), TN_E_INVALID);
  snprintf(text, sizeof text, "%s", tn_error_text(err));
  tn_error_destroy(err);
  return text;
}

/* Numbers that are not alike: -1 .. 1. */
static void fill(float *data, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525 + 1013904223;
    data[i] = (float)(seed >> 8) / 8388608.0f - 1;
  }
}

static const tn_graph *finish(void) {
  const tn_graph *g;
  tn_error *err = NULL;
  tn_status status = tni_gbuilder_finish(b, &g, &err);
  b = NULL;
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return g;
}

/* ---- running: fold, fuse, plan, and each step in the interpreter ----------------------------------------------- */

static const tn_graph *optimize(const tn_graph *g) {
  tn_error *err = NULL;
  tn_status status = tni_graph_fold(g, target, &interpreter, &g, &err);
  if (status == TN_OK) status = tni_graph_fuse(g, target, &g, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return g;
}

static void run_steps(const tn_graph *g, const tni_plan *plan, const void *const *constants, void *const *in,
                      void *const *out) {
  char *memory = aligned_alloc(64, plan->arena_bytes + 64);
  memset(memory, 0xcd, plan->arena_bytes);
  for (uint32_t i = 0; i < plan->step_count; i++) {
    void *args[64];
    const tni_plan_step *s = &plan->steps[i];
    for (uint32_t k = 0; k < s->arg_count; k++) {
      const tni_plan_buffer *p = &plan->buffers[plan->args[s->first_arg + k]];
      args[k] = p->kind == TNI_PLAN_INPUT    ? in[p->index]
                : p->kind == TNI_PLAN_OUTPUT ? out[p->index]
                : p->kind == TNI_PLAN_CONST  ? (void *)constants[p->index]
                                             : memory + p->offset;
      if (s->kernel == TNI_PLAN_COPY && k == 1) memcpy(args[0], args[1], p->bytes);
    }
    if (s->kernel == TNI_PLAN_COPY) continue;
    tn_error *err = NULL;
    tn_status status = tni_evaluate_interpreted(NULL, g->program->funcs[s->kernel], args, &err);
    ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  }
  free(memory);
}

/* Runs the graph with outputs `out`, after all passes. */
static const tn_graph *run(const tn_graph *g, void *const *in, void *const *out) {
  tni_arena arena;
  tni_plan plan;
  const void *const *constants;
  g = optimize(g);
  tni_arena_init(&arena, ctx);
  ck_assert_int_eq(tni_graph_plan(g, &arena, &plan, &constants, NULL), TN_OK);
  run_steps(g, &plan, constants, in, out);
  tni_arena_destroy(&arena);
  return g;
}

/* Finishes the graph with output `y`, runs it on x (and w), compares with `want`. */
static void expect(uint32_t y, const void *x, const void *w, size_t count, const float *want) {
  float *got = malloc(count * sizeof *got + 1);
  void *in[] = {(void *)x, (void *)w}, *out[] = {got};
  tni_g_output(b, y);
  run(finish(), in, out);
  for (size_t i = 0; i < count; i++)
    ck_assert_msg(got[i] == want[i] || fabsf(got[i] - want[i]) <= 2e-6f * (1 + fabsf(want[i])) ||
                      (isnan(got[i]) && isnan(want[i])),
                  "element %zu is %g, not %g", i, (double)got[i], (double)want[i]);
  free(got);
}
#define EXPECT(y, x, w, ...) expect(y, x, w, sizeof((float[]){__VA_ARGS__}) / 4, (const float[]){__VA_ARGS__})

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

static const float six[] = {1, 2, 3, 4, 5, 7};

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

/* ---- passes ---------------------------------------------------------------------------------------------------- */

static const char *text_of(const tn_graph *g) {
  static char text[4096];
  tni_text t;
  tni_text_init(&t, ctx);
  tni_graph_print(&t, g);
  snprintf(text, sizeof text, "%s", t.data);
  tni_text_destroy(&t);
  return text;
}

static const tn_graph *fold(const tn_graph *g) {
  tn_error *err = NULL;
  tn_status status = tni_graph_fold(g, target, &interpreter, &g, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return g;
}

START_TEST(folding_computes_constants_and_drops_the_dead)
{
  static const float w[] = {1, 4};
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(2)), c = tni_g_const(b, "c", TN_F32, DIMS(2), w);
  uint32_t root = add1("sqrt", "root", c);
  add1("exp", "unused", x);
  tni_attr same[] = {INTS("shape", 2)};
  uint32_t wide = add("expand", "wide", add1("identity", "i", x), TNI_NO_VALUE, TNI_NO_VALUE, 1, same);
  tni_g_output(b, add2("add", "y", wide, root));
  ck_assert_str_eq(text_of(fold(finish())), "graph main(x: f32[2]) -> (y) {\n"
                                            "  const root: f32[2] = [1.0, 2.0]\n"
                                            "  y: f32[2] = add(x, root)\n"
                                            "}\n");
}
END_TEST

START_TEST(folding_sees_transposes_that_move_nothing)
{
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(1, 4, 1, 3));
  tni_attr perm[] = {INTS("perm", 1, 0, 3, 2)};
  uint32_t y = add("transpose", "t", x, TNI_NO_VALUE, TNI_NO_VALUE, 1, perm);
  tni_g_output(b, add1("relu", "y", y));
  ck_assert_ptr_nonnull(strstr(text_of(fold(finish())), "t: f32[4, 1, 3, 1] = reshape(x) {shape = [4, 1, 3, 1]}"));
}
END_TEST

START_TEST(outputs_keep_their_names)
{
  static const float w[] = {1, 4};
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(2)), c = tni_g_const(b, "c", TN_F32, DIMS(2), w);
  tni_g_output(b, add1("identity", "y", x));
  tni_g_output(b, add1("neg", "z", c));
  tni_g_output(b, x);
  float y[2], z[2], again[2];
  void *in[] = {(void *)six}, *out[] = {y, z, again};
  const tn_graph *g = run(finish(), in, out);
  tn_tensor_info info;
  ck_assert_uint_eq(tn_graph_output_count(g), 3);
  tn_graph_output(g, 0, &info);
  ck_assert_str_eq(info.name, "y");
  tn_graph_output(g, 1, &info);
  ck_assert_str_eq(info.name, "z");
  ck_assert_float_eq(y[1], 2);
  ck_assert_float_eq(z[1], -4);
  ck_assert_float_eq(again[0], 1);
}
END_TEST

/* conv -> add(residual) -> relu, twice, with the same shapes. */
static const tn_graph *residual_net(void) {
  static float w[2][4 * 4 * 9];
  static const char *const names[2][3] = {{"c0", "s0", "r0"}, {"c1", "s1", "y"}};
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(1, 4, 5, 5));
  tni_attr pads[] = {INTS("pads", 1, 1, 1, 1)};
  for (int i = 0; i < 2; i++) {
    fill(w[i], TNI_COUNT(w[i]), 5 + (uint32_t)i);
    uint32_t weights = tni_g_const(b, i ? "w1" : "w0", TN_F32, DIMS(4, 4, 3, 3), w[i]);
    uint32_t c = add("conv", names[i][0], x, weights, TNI_NO_VALUE, 1, pads);
    x = add1("relu", names[i][2], add2("add", names[i][1], c, x));
  }
  tni_g_output(b, x);
  return finish();
}

START_TEST(chains_and_residuals_become_one_function)
{
  ck_assert_str_eq(text_of(optimize(residual_net())), "graph main(x: f32[1, 4, 5, 5]) -> (y) {\n"
                                                      "  const w0: f32[4, 4, 3, 3] = blob(0, 0x398527f0a77fa938040e1e461ad35df9)\n"
                                                      "  const w1: f32[4, 4, 3, 3] = blob(576, 0xb20341563a47de90ca1a72325d353dc8)\n"
                                                      "  r0: f32[1, 4, 5, 5] = call fused_conv_add_relu(x, w0)\n"
                                                      "  y: f32[1, 4, 5, 5] = call fused_conv_add_relu(r0, w1)\n"
                                                      "}\n");
  ck_assert_uint_eq(tn_program_func_count(target), 1); /* equal functions are one */
}
END_TEST

START_TEST(fused_functions_give_the_same_bits)
{
  /* every node alone, by folding it with the input as a constant, against the fused graph */
  float x[100], fused[100];
  void *in[] = {x}, *out[] = {fused};
  fill(x, TNI_COUNT(x), 11);
  const tn_graph *g = residual_net();
  run(g, in, out);
  tn_program *alone;
  ck_assert_int_eq(tn_program_create(ctx, &alone, NULL), TN_OK);
  ck_assert_int_eq(tni_gbuilder_create(alone, "alone", &b, NULL), TN_OK);
  uint32_t map[64], result = tni_g_const(b, "x", TN_F32, DIMS(1, 4, 5, 5), x);
  memset(map, 0xff, sizeof map);
  map[g->inputs[0]] = result;
  for (uint32_t i = 0; i < g->node_count; i++) {
    uint32_t inputs[3];
    const tni_gnode *n = &g->nodes[i];
    for (uint32_t k = 0; k < n->input_count; k++) {
      const tni_gvalue *v = &g->values[n->inputs[k]];
      if (map[n->inputs[k]] == TNI_NO_VALUE)
        map[n->inputs[k]] = tni_g_const(b, v->name, v->type, v->rank, v->shape, v->data);
      inputs[k] = map[n->inputs[k]];
    }
    ck_assert_int_eq(tni_g_node(b, n->op, n->name, n->input_count, inputs, n->attr_count, n->attrs, 1, NULL,
                                &map[n->outputs[0]], NULL),
                     TN_OK);
  }
  tni_g_output(b, map[g->outputs[0]]);
  const tn_graph *folded = fold(finish());
  ck_assert_uint_eq(folded->node_count, 0);
  ck_assert_mem_eq(folded->values[folded->outputs[0]].data, fused, sizeof fused);
  tn_program_destroy(alone);
}
END_TEST

START_TEST(a_value_used_elsewhere_ends_a_function)
{
  /* neg is an output of its own, so the chain is cut behind it */
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(4)), n = add1("neg", "n", add1("abs", "a", x));
  tni_g_output(b, n);
  tni_g_output(b, add1("exp", "y", n));
  ck_assert_str_eq(text_of(optimize(finish())), "graph main(x: f32[4]) -> (n, y) {\n"
                                                "  n: f32[4] = call fused_abs_neg(x)\n"
                                                "  y: f32[4] = call fused_exp(n)\n"
                                                "}\n");
}
END_TEST

START_TEST(a_diamond_stays_in_one_function)
{
  uint32_t a = add1("abs", "a", tni_g_input(b, "x", TN_F32, DIMS(4)));
  uint32_t root = add1("sqrt", "s", a), minus = add1("neg", "n", a);
  tni_g_output(b, add2("mul", "y", root, minus));
  ck_assert_ptr_nonnull(strstr(text_of(optimize(finish())), "y: f32[4] = call fused_abs_sqrt_neg_mul(x)"));
}
END_TEST

START_TEST(views_are_no_code)
{
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(2, 3));
  tni_attr flat[] = {INTS("shape", 6)};
  uint32_t r = add("reshape", "r", add1("neg", "n", x), TNI_NO_VALUE, TNI_NO_VALUE, 1, flat);
  tni_g_output(b, add1("exp", "y", r));
  const tn_graph *g = optimize(finish());
  tni_arena arena;
  tni_plan plan;
  const void *const *constants;
  tni_arena_init(&arena, ctx);
  ck_assert_int_eq(tni_graph_plan(g, &arena, &plan, &constants, NULL), TN_OK);
  ck_assert_uint_eq(plan.step_count, 2);
  ck_assert_uint_eq(plan.args[plan.steps[0].first_arg + 1], plan.args[plan.steps[1].first_arg]); /* one buffer */
  tni_arena_destroy(&arena);
}
END_TEST

START_TEST(values_alive_together_do_not_overlap)
{
  /* a chain of products, where each step needs the two results before it */
  float w[64];
  fill(w, 64, 3);
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(8, 8)), before = x, last = add2("matmul", "m0", x, x);
  for (int i = 1; i < 12; i++) {
    char name[16];
    snprintf(name, sizeof name, "m%d", i);
    uint32_t next = add2("matmul", name, last, before);
    before = last;
    last = next;
  }
  tni_g_output(b, last);
  const tn_graph *g = optimize(finish());
  tni_arena arena;
  tni_plan plan;
  const void *const *constants;
  tni_arena_init(&arena, ctx);
  ck_assert_int_eq(tni_graph_plan(g, &arena, &plan, &constants, NULL), TN_OK);
  ck_assert_uint_eq(plan.step_count, 12);
  ck_assert_uint_eq(plan.arena_bytes, 3 * 256); /* two inputs and the result */
  for (uint32_t i = 0; i < plan.step_count; i++)
    for (uint32_t k = 0; k < 3; k++)
      for (uint32_t m = 0; m < k; m++) {
        const tni_plan_buffer *p = &plan.buffers[plan.args[plan.steps[i].first_arg + k]];
        const tni_plan_buffer *q = &plan.buffers[plan.args[plan.steps[i].first_arg + m]];
        if (p == q || p->kind != TNI_PLAN_ARENA || q->kind != TNI_PLAN_ARENA) continue;
        ck_assert_uint_eq(p->offset % 64, 0);
        ck_assert(p->offset + p->bytes <= q->offset || q->offset + q->bytes <= p->offset);
      }
  tni_arena_destroy(&arena);
}
END_TEST

static tn_status keep_bytes(void *self, const void *bytes, size_t size) {
  tni_text_add_bytes(self, bytes, size);
  return TN_OK;
}

START_TEST(fused_programs_are_printed_and_parsed_back)
{
  const tn_graph *g = optimize(residual_net());
  char *text, *again;
  tni_text blob;
  tn_program *back;
  tn_error *err = NULL;
  uint8_t equal;
  tni_text_init(&blob, ctx);
  ck_assert_int_eq(tn_program_print(target, &text, NULL), TN_OK);
  ck_assert_int_eq(tn_program_write_blob(target, keep_bytes, &blob, NULL), TN_OK);
  tn_program_parse_with(ctx, text, strlen(text), "fused", blob.data, blob.length, &back, &err);
  ck_assert_msg(back != NULL, "%s", tn_error_text(err));
  ck_assert_int_eq(tn_program_print(back, &again, NULL), TN_OK);
  ck_assert_str_eq(again, text);
  ck_assert_int_eq(tn_graph_equal(g, tn_program_graph(back, "main"), &equal, NULL), TN_OK);
  ck_assert(equal);
  tni_text_destroy(&blob);
  tn_text_destroy(text);
  tn_text_destroy(again);
  tn_program_destroy(back);
}
END_TEST

START_TEST(stats_count_what_people_ask)
{
  const tn_graph *g = residual_net();
  tn_graph_stats stats = {.struct_size = sizeof stats};
  const char *name;
  uint64_t count;
  tn_graph_get_stats(g, &stats);
  ck_assert_uint_eq(stats.nodes, 6);
  ck_assert_uint_eq(stats.constants, 2);
  ck_assert_uint_eq(stats.parameters, 288);
  ck_assert_uint_eq(stats.constant_bytes, 288 * 4);
  ck_assert_uint_eq(stats.multiply_adds, 2 * 100 * 36);
  ck_assert(tn_graph_op_count(g, 0, &name, &count) && count == 2);
  ck_assert_str_eq(name, "add");
  ck_assert(tn_graph_op_count(g, 2, &name, &count));
  ck_assert_str_eq(name, "relu");
  ck_assert(!tn_graph_op_count(g, 3, &name, &count));
}
END_TEST

/* ---- what cannot be planned ------------------------------------------------------------------------------------- */

static void check_not_planned(const tn_graph *g, const char *want) {
  tni_arena arena;
  tni_plan plan;
  const void *const *constants;
  tn_error *err;
  tni_arena_init(&arena, ctx);
  ck_assert_int_eq(tni_graph_plan(g, &arena, &plan, &constants, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
  tni_arena_destroy(&arena);
}

START_TEST(a_plan_is_made_of_calls)
{
  tni_g_output(b, add1("relu", "y", tni_g_input(b, "x", TN_F32, DIMS(2))));
  check_not_planned(finish(), "graph: y: the graph is not fused: relu is an operator");
}
END_TEST

/* f(x0, y0 .. y5) that does nothing, of that program. */
static const tn_func *six_results(tn_program *of) {
  tn_builder *f;
  const tn_func *func;
  ck_assert_int_eq(tn_builder_create(of, "f", &f, NULL), TN_OK);
  for (int i = 0; i < 7; i++) tn_param(f, i ? "y" : "x", TN_F32, DIMS(2));
  ck_assert_int_eq(tn_builder_finish(f, &func, NULL), TN_OK);
  return func;
}

static const tn_graph *call_of_six_results(const tn_func *func) {
  uint32_t in = tni_g_input(b, "x", TN_F32, DIMS(2)), out[6];
  for (int i = 0; i < 6; i++) tni_g_output(b, out[i] = tni_g_value(b, NULL, TN_F32, DIMS(2)));
  tni_g_call(b, func, "c", 1, &in, 6, out);
  return finish();
}

START_TEST(a_plan_calls_functions_of_its_program)
{
  check_not_planned(call_of_six_results(six_results(target)), "graph: c: the program has no function `f`");
}
END_TEST

START_TEST(calls_of_many_results_are_kept)
{
  static const char want[] =
      "graph main(x: f32[2]) -> (v0, v1, v2, v3, v4, v5) {\n"
      "  v0: f32[2], v1: f32[2], v2: f32[2], v3: f32[2], v4: f32[2], v5: f32[2] = call f(x) as c\n}\n";
  const tn_graph *g = call_of_six_results(six_results(program));
  ck_assert_str_eq(text_of(g), want);
  ck_assert_str_eq(text_of(optimize(g)), want);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("graph");
  TCase *tests = tcase_create("graph");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, conv_is_that_of_the_plain_loops, 0, TNI_COUNT(geometries));
  tcase_add_test(tests, conv_transpose_is_the_gradient_of_conv);
  tcase_add_test(tests, matmul_broadcasts_batches);
  tcase_add_test(tests, matmul_takes_vectors);
  tcase_add_test(tests, max_pool_pads_with_nothing);
  tcase_add_test(tests, max_of_bytes_without_infinity);
  tcase_add_test(tests, packed_reshape_counts_elements);
  tcase_add_test(tests, cast_to_bytes_may_saturate);
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
  tcase_add_loop_test(tests, pointwise_operators_are_what_they_say, 0, TNI_COUNT(pointwises));
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
  tcase_add_test(tests, folding_computes_constants_and_drops_the_dead);
  tcase_add_test(tests, folding_sees_transposes_that_move_nothing);
  tcase_add_test(tests, outputs_keep_their_names);
  tcase_add_test(tests, chains_and_residuals_become_one_function);
  tcase_add_test(tests, fused_functions_give_the_same_bits);
  tcase_add_test(tests, a_value_used_elsewhere_ends_a_function);
  tcase_add_test(tests, a_diamond_stays_in_one_function);
  tcase_add_test(tests, views_are_no_code);
  tcase_add_test(tests, values_alive_together_do_not_overlap);
  tcase_add_test(tests, fused_programs_are_printed_and_parsed_back);
  tcase_add_test(tests, stats_count_what_people_ask);
  tcase_add_test(tests, a_plan_is_made_of_calls);
  tcase_add_test(tests, a_plan_calls_functions_of_its_program);
  tcase_add_test(tests, calls_of_many_results_are_kept);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
