/* test_rewrites.c -- passes that replace nodes by fewer ones: what becomes of them, and that it means the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graphs.h"

typedef tn_status pass_fn(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);
enum { MOST = 4096 };

/* The results for made-up inputs of the text's graph, behind the pass, if there is one, and all others; its text in `made`. */
static void results_of(const char *text, pass_fn *pass, float *out, char *made) {
  static float in[4][MOST];
  tn_program *of;
  tn_error *err = NULL;
  tni_text t;
  for (uint32_t i = 0; i < 4; i++) fill(in[i], MOST, i + 1);
  tn_status status = tn_program_parse(ctx, text, strlen(text), "t.tn", &of, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  const tn_graph *g = tn_program_graph(of, "main");
  if (pass) status = pass(g, of, &g, &err);
  if (status == TN_OK && pass) status = tni_graph_fold(g, of, &interpreter, &g, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  tni_text_init(&t, ctx);
  tni_graph_print(&t, g);
  snprintf(made, 4096, "%s", t.data);
  tni_text_destroy(&t);
  ck_assert_uint_eq(g->output_count, 1);
  run(g, (void *[]){in[0], in[1], in[2], in[3]}, (void *[]){out});
  tn_program_destroy(of);
}

typedef struct rewrite {
  const char *text, *want; /* a part of what is made; with ! in front: what is none of it */
} rewrite;

static void expect_rewrite(const rewrite *r, pass_fn *pass) {
  static float want[MOST], got[MOST];
  char made[4096];
  memset(want, 0, sizeof want), memset(got, 0, sizeof got);
  results_of(r->text, NULL, want, made);
  results_of(r->text, pass, got, made);
  bool none = r->want[0] == '!';
  ck_assert_msg(!strstr(made, r->want + none) == none, "%s: %s", r->want, made);
  for (int i = 0; i < MOST; i++)
    ck_assert_msg(fabsf(got[i] - want[i]) <= 1e-5f, "%s: element %d is %g, not %g", made, i, (double)got[i], (double)want[i]);
}

/* ---- what computes nothing --------------------------------------------------------------------------------------- */

#define HEAD "graph main(x: f32[2, 4], z: f32[2, 4]) -> (y) {\n"
#define END "  y: f32[2, 4] = add(a, z)\n}\n"

static const rewrite same_cases[] = {
    {HEAD "  const c: f32[] = [1.0]\n  a: f32[2, 4] = mul(c, x)\n" END, "y: f32[2, 4] = add(x, z)"},
    {HEAD "  const c: f32[4] = [1, 1, 1, 1]\n  a: f32[2, 4] = div(x, c)\n" END, "y: f32[2, 4] = add(x, z)"},
    {HEAD "  const c: bool[4] = [true, true, true, true]\n  a: f32[2, 4] = where(c, x, z)\n" END, "add(x, z)"},
    {HEAD "  const c: bool[] = [false]\n  a: f32[2, 4] = where(c, x, z)\n" END, "add(z, z)"},
    {HEAD "  const c: f32[4] = [1, 1, 1, 2]\n  a: f32[2, 4] = mul(x, c)\n" END, "mul(x, c)"},
    {HEAD "  const c: f32[] = [1.0]\n  a: f32[2, 4] = div(c, x)\n" END, "div(c, x)"},
    {HEAD "  const c: bool[4] = [true, true, false, true]\n  a: f32[2, 4] = where(c, x, z)\n" END, "where(c, x, z)"},
    {HEAD "  const c: f32[2, 2, 4] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n  a: f32[2, 2, 4] = mul(x, c)\n"
     "  y: f32[2, 2, 4] = add(a, z)\n}\n",
     "mul(x, c)"},
};

START_TEST(what_gives_an_input_as_it_is_goes) { expect_rewrite(&same_cases[_i], tni_graph_pads); }
END_TEST

/* One position of the first axis, or of one with long rows behind it, can be found where it lies. */
static const rewrite slice_cases[] = {
    {"graph main(x: f32[3, 5]) -> (y) {\n  const i: i64[] = [-1]\n  a: f32[5] = gather(x, i) {axis = 0}\n  y: f32[5] = exp(a)\n}\n",
     "slice(x) {starts = [2], ends = [3], axes = [0]}"},
    {"graph main(x: f32[2, 3, 16]) -> (y) {\n  const i: i64[] = [1]\n  a: f32[2, 16] = gather(x, i) {axis = 1}\n"
     "  y: f32[2, 16] = exp(a)\n}\n",
     "slice(x) {starts = [1], ends = [2], axes = [1]}"},
    {"graph main(x: f32[2, 3, 15]) -> (y) {\n  const i: i64[] = [1]\n  a: f32[2, 15] = gather(x, i) {axis = 1}\n"
     "  y: f32[2, 15] = exp(a)\n}\n",
     "gather(x, i)"},
    {"graph main(x: f32[3, 5]) -> (y) {\n  const i: i64[1] = [1]\n  a: f32[1, 5] = gather(x, i) {axis = 0}\n"
     "  y: f32[1, 5] = exp(a)\n}\n",
     "gather(x, i)"},
};

START_TEST(one_position_of_an_axis_is_a_slice) { expect_rewrite(&slice_cases[_i], tni_graph_pads); }
END_TEST

/* ---- borders ----------------------------------------------------------------------------------------------------- */

#define PADDED(pads, more) \
  "graph main(x: f32[1, 2, 4, 5]) -> (y) {\n  const w: f32[1, 2, 2, 2] = [1, 2, 3, 4, 5, 6, 7, 8]\n" \
  "  p: f32[1, 2, 7, 8] = pad(x) {pads = [" pads "]" more "}\n"
#define CONV(attrs, h, w) "  y: f32[1, 1, " h ", " w "] = conv(p, w) {" attrs "}\n}\n"
#define POOL(attrs, h, w) "  y: f32[1, 2, " h ", " w "] = average_pool(p) {kernel_shape = [2, 2]" attrs "}\n}\n"

static const rewrite pad_cases[] = {
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", "") CONV("strides = [1, 1]", "6", "7"), "pads = [1, 2, 2, 1]"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", "") CONV("pads = [1, 0, 0, 3]", "7", "10"), "pads = [2, 2, 2, 4]"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", "") POOL(", strides = [2, 1]", "3", "7"), "average_pool(x)"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", "") POOL(", pads = [1, 0, 0, 0], count_include_pad = 1", "7", "7"),
     "pads = [2, 2, 2, 1], count_include_pad = 1"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", ", value = 1.0") CONV("group = 1", "6", "7"), "pad(x)"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", ", mode = \"edge\"") CONV("group = 1", "6", "7"), "pad(x)"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", "") CONV("auto_pad = \"SAME_UPPER\"", "7", "8"), "pad(x)"},
    {PADDED("0, 0, 4, 2, 0, 0, -1, 1", "") CONV("group = 1", "6", "7"), "pad(x)"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", "") POOL(", pads = [1, 0, 0, 0]", "7", "7"), "pad(x)"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", "") POOL(", ceil_mode = 1, strides = [2, 2]", "4", "4"), "pad(x)"},
    {PADDED("0, 0, 1, 2, 0, 0, 2, 1", "") "  a: f32[1, 1, 6, 7] = conv(p, w)\n  b: f32[1, 2, 6, 7] = average_pool(p) {kernel_shape = [2, 2]}\n"
     "  y: f32[1, 2, 6, 7] = add(a, b)\n}\n", "pad(x)"},
    {"graph main(x: f32[1, 1, 4, 4]) -> (y) {\n  const w: f32[1, 2, 1, 1] = [1, 2]\n"
     "  p: f32[1, 2, 4, 4] = pad(x) {pads = [0, 1, 0, 0, 0, 0, 0, 0]}\n  y: f32[1, 1, 4, 4] = conv(p, w)\n}\n", "pad(x)"},
};

START_TEST(borders_of_zeros_are_those_of_windows) { expect_rewrite(&pad_cases[_i], tni_graph_pads); }
END_TEST

/* ---- attention ---------------------------------------------------------------------------------------------------- */

#define INPUTS "graph main(q: f32[4, 2, 16, 8], k: f32[4, 2, 8, 24], v: f32[4, 2, 24, 8], m: f32[2, 16, 24]) -> (y) {\n" \
  "  const c: f32[] = [0.5]\n  const b: f32[1, 2, 1, 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, " \
  "1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]\n" \
  "  const d: f32[1, 4, 1, 1, 1] = [1, 2, 3, 4]\n"
#define S "f32[4, 2, 16, 24]"
#define WEIGHED "  w: " S " = softmax(n) {axis = 3}\n  y: f32[4, 2, 16, 8] = matmul(w, v)\n}\n"

static const rewrite attention_cases[] = {
    {INPUTS "  t: f32[4, 2, 16, 8] = mul(c, q)\n  n: " S " = matmul(t, k)\n" WEIGHED, "scale = 0.5"},
    {INPUTS "  t: f32[4, 2, 16, 8] = div(q, c)\n  n: " S " = matmul(t, k)\n" WEIGHED, "scale = 2.0"},
    {INPUTS "  t: f32[4, 2, 16, 8] = div(q, c)\n  s: " S " = matmul(t, k)\n  n: " S " = add(s, m)\n" WEIGHED, "attention(q, "},
    /* the masks of windows, one behind a shape of its own */
    {INPUTS "  s: " S " = matmul(q, k)\n  a: " S " = add(b, s)\n  e: f32[1, 4, 2, 16, 24] = reshape(a) {shape = [1, 4, 2, 16, 24]}\n"
     "  f: f32[1, 4, 2, 16, 24] = add(e, d)\n  n: " S " = reshape(f) {shape = [4, 2, 16, 24]}\n" WEIGHED, "!add("},
    /* two masks, one of which is none before it runs */
    {INPUTS "  s: " S " = matmul(q, k)\n  a: " S " = add(b, s)\n  n: " S " = add(a, m)\n" WEIGHED, "!attention("},
    /* a mask that is scaled; scores under another shape; a scale that others read */
    {INPUTS "  s: " S " = matmul(q, k)\n  a: " S " = add(s, b)\n  n: " S " = mul(a, c)\n" WEIGHED, "!attention("},
    {INPUTS "  s: " S " = matmul(q, k)\n  a: f32[2, 4, 16, 24] = reshape(s) {shape = [2, 4, 16, 24]}\n"
     "  e: f32[2, 4, 16, 24] = exp(a)\n  n: " S " = reshape(e) {shape = [4, 2, 16, 24]}\n" WEIGHED, "!attention("},
    {INPUTS "  t: f32[4, 2, 16, 8] = mul(q, c)\n  n: " S " = matmul(t, k)\n  w: " S " = softmax(n) {axis = 3}\n"
     "  a: f32[4, 2, 16, 8] = matmul(w, v)\n  y: f32[4, 2, 16, 8] = add(a, t)\n}\n", "mul(q, c)"},
};

START_TEST(scales_and_masks_are_attentions) { expect_rewrite(&attention_cases[_i], tni_graph_attend); }
END_TEST

/* ---- layer norms -------------------------------------------------------------------------------------------------- */

START_TEST(a_norm_that_is_only_moved_is_one)
{
  static const rewrite moved = {
      "graph main(x: f32[2, 3, 4]) -> (y) {\n  const e: f32[] = [0.125]\n  const c: f32[4] = [5, 6, 7, 8]\n"
      "  m: f32[2, 3, 1] = reduce_mean(x) {axes = [-1], keepdims = 1}\n  d: f32[2, 3, 4] = sub(x, m)\n"
      "  p: f32[2, 3, 4] = mul(d, d)\n  v: f32[2, 3, 1] = reduce_mean(p) {axes = [2], keepdims = 1}\n"
      "  a: f32[2, 3, 1] = add(e, v)\n  s: f32[2, 3, 1] = sqrt(a)\n  q: f32[2, 3, 4] = div(d, s)\n"
      "  y: f32[2, 3, 4] = add(q, c)\n}\n",
      "y: f32[2, 3, 4] = layer_norm(x, _, c)"};
  expect_rewrite(&moved, tni_graph_normalize);
}
END_TEST

/* ---- products of one value ---------------------------------------------------------------------------------------- */

enum { ROWS = 4, SUMS = 8, WIDE = 16 };

static size_t made_weights;

/* A product of x, (4, 8), with so many columns, 16 or more; or a convolution of one tap of x, (1, 8, 4, 4). */
static uint32_t times(const char *name, uint32_t x, int64_t columns, bool conv, int64_t stride) {
  static float w[4][SUMS * 64 * WIDE];
  float *of = w[made_weights++ % 4];
  char label[16];
  snprintf(label, sizeof label, "w_%s", name);
  fill(of, TNI_COUNT(w[0]), (uint32_t)made_weights);
  uint32_t made = conv ? tni_g_const(b, label, TN_F32, DIMS(columns, SUMS, 1, 1), of)
                       : tni_g_const(b, label, TN_F32, DIMS(SUMS, columns), of);
  if (!conv) return add2("matmul", name, x, made);
  return add("conv", name, x, made, TNI_NO_VALUE, 1, (tni_attr[]){INTS("strides", stride, stride)});
}

static uint32_t moved(const char *name, uint32_t x, int64_t columns) {
  static const float by[4 * WIDE] = {1, -1, 2, -2, 3};
  char label[16];
  snprintf(label, sizeof label, "b_%s", name);
  return add2("add", name, x, tni_g_const(b, label, TN_F32, DIMS(columns), by));
}
static uint32_t joined(const char *name, int64_t axis, uint32_t x, uint32_t y) {
  return add("concat", name, x, y, TNI_NO_VALUE, 1, (tni_attr[]){INT("axis", axis)});
}
static uint32_t means(const char *name, uint32_t x, int64_t axis) {
  return add("reduce_mean", name, x, TNI_NO_VALUE, TNI_NO_VALUE, 2, (tni_attr[]){INTS("axes", axis), INT("keepdims", 0)});
}

/* Queries, keys and values; parts that are no whole lines; steps of which some are alike. */
static void of_three(uint32_t x) {
  uint32_t q = means("q", moved("p", times("qp", x, 16, false, 0), 16), 1);
  uint32_t k = means("k", moved("o", times("kp", x, 20, false, 0), 20), 1);
  uint32_t v = means("v", moved("n", times("vp", x, 16, false, 0), 16), 1);
  tni_g_output(b, add2("add", "y", add2("add", "s", q, k), v));
}
static void of_convolutions(uint32_t x) {
  uint32_t a = means("a", add1("relu", "ar", times("ac", x, 24, true, 1)), 1);
  tni_g_output(b, add2("add", "y", a, means("e", add1("relu", "er", times("ec", x, 16, true, 1)), 1)));
}
static void that_are_concatenated(uint32_t x) {
  uint32_t a = add1("relu", "a", times("ac", x, 24, true, 1)), e = add1("relu", "er", times("ec", x, 20, true, 1));
  uint32_t wide = joined("wide", 1, a, add("average_pool", "d", e, TNI_NO_VALUE, TNI_NO_VALUE, 1,
                                           (tni_attr[]){INTS("kernel_shape", 1, 1)}));
  tni_g_output(b, means("y", wide, 1));
}
static void of_whole_pages(uint32_t x) {
  uint32_t a = means("a", times("ac", x, 1008, false, 0), 1);
  tni_g_output(b, add2("add", "y", a, means("e", times("ec", x, 16, false, 0), 1)));
}
static void that_the_host_gets(uint32_t x) {
  times("y", x, 16, false, 0);
  tni_g_output(b, tni_g_find(b, "y"));
  tni_g_output(b, times("z", x, 16, false, 0));
}
static void in_other_steps(uint32_t x) {
  uint32_t a = means("a", times("ac", x, 16, true, 1), 1), e = times("ec", x, 16, true, 2);
  tni_g_output(b, a);
  tni_g_output(b, means("e", e, 1));
}
static void of_few_channels(uint32_t x) {
  tni_g_output(b, means("a", times("ac", x, 8, false, 0), 1));
  tni_g_output(b, means("e", times("ec", x, 16, false, 0), 1));
}
static void with_ends_of_their_own(uint32_t x) {
  tni_g_output(b, means("a", add1("relu", "ar", times("ac", x, 16, false, 0)), 1));
  tni_g_output(b, means("e", add1("exp", "er", times("ec", x, 16, false, 0)), 1));
}
static void in_the_middle(uint32_t x) {
  uint32_t a = times("ac", x, 16, true, 1), e = times("ec", x, 16, true, 1);
  tni_g_output(b, means("y", joined("wide", 1, add1("abs", "d", x), joined("ae", 1, a, e)), 1));
}

/* How many products of so many stay; the results are what they were. */
static const struct joining {
  void (*make)(uint32_t x);
  bool conv;
  size_t before, after;
} joinings[] = {
    {of_three, false, 3, 1},           {of_convolutions, true, 2, 1}, {that_are_concatenated, true, 2, 1},
    {of_whole_pages, false, 2, 1},     {that_the_host_gets, false, 2, 2}, {in_other_steps, true, 2, 2},
    {of_few_channels, false, 2, 2},    {with_ends_of_their_own, false, 2, 2}, {in_the_middle, true, 2, 2},
};

static size_t products(const tn_graph *g) {
  size_t count = 0;
  for (uint32_t i = 0; i < g->node_count; i++)
    count += !strcmp(g->nodes[i].op->name, "conv") || !strcmp(g->nodes[i].op->name, "matmul");
  return count;
}

START_TEST(products_of_one_value_are_one)
{
  const struct joining *of = &joinings[_i];
  static float x[SUMS * ROWS * ROWS], want[2][MOST], got[2][MOST];
  tn_error *err = NULL;
  const tn_graph *g = NULL;
  memset(want, 0, sizeof want), memset(got, 0, sizeof got);
  fill(x, TNI_COUNT(x), 3);
  for (int again = 0; again < 2; again++) {
    made_weights = 0;
    if (!b) ck_assert_int_eq(tni_gbuilder_create(program, "main", &b, NULL), TN_OK);
    uint32_t in = of->conv ? tni_g_input(b, "x", TN_F32, DIMS(1, SUMS, ROWS, ROWS)) : tni_g_input(b, "x", TN_F32, DIMS(ROWS, SUMS));
    of->make(in);
    g = finish();
    ck_assert_uint_eq(products(g), of->before);
    if (again) ck_assert_int_eq(tni_graph_join(g, program, &g, &err), TN_OK);
    if (again) ck_assert_uint_eq(products(g), of->after);
    run(g, (void *[]){x}, again ? (void *[]){got[0], got[1]} : (void *[]){want[0], want[1]});
  }
  ck_assert_mem_eq(got, want, sizeof want);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("rewrites");
  tcase_add_loop_test(tests, what_gives_an_input_as_it_is_goes, 0, (int)TNI_COUNT(same_cases));
  tcase_add_loop_test(tests, one_position_of_an_axis_is_a_slice, 0, (int)TNI_COUNT(slice_cases));
  tcase_add_loop_test(tests, borders_of_zeros_are_those_of_windows, 0, (int)TNI_COUNT(pad_cases));
  tcase_add_loop_test(tests, scales_and_masks_are_attentions, 0, (int)TNI_COUNT(attention_cases));
  tcase_add_loop_test(tests, products_of_one_value_are_one, 0, (int)TNI_COUNT(joinings));
  tcase_add_test(tests, a_norm_that_is_only_moved_is_one);
  return suite_run_case("rewrites", tests, 60, setup, teardown);
}
