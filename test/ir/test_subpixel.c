/* test_subpixel.c -- transposed convolutions in strides become convolutions, and mean the same; others stay as they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graphs.h"

enum { MOST = 4096 };

/* A transposed convolution: of an image, by constant weights, with a bias or without. */
typedef struct upsampling {
  int64_t x[5], w[5];
  int32_t rank;
  bool biased;
  const char *attrs;
} upsampling;

static void write_shape(char *out, size_t size, int32_t rank, const int64_t *shape) {
  size_t length = 0;
  for (int32_t i = 0; i < rank; i++)
    length += (size_t)snprintf(out + length, size - length, "%s%lld", i ? ", " : "", (long long)shape[i]);
}

static int64_t write_numbers(char *out, size_t size, int32_t rank, const int64_t *shape, uint32_t seed) {
  float all[MOST];
  size_t length = 0;
  int64_t count = 1;
  for (int32_t i = 0; i < rank; i++) count *= shape[i];
  fill(all, (size_t)count, seed);
  for (int64_t i = 0; i < count; i++)
    length += (size_t)snprintf(out + length, size - length, "%s%.9g", i ? ", " : "", (double)all[i]);
  return count;
}

/* The graph of one whose result has the shape `out`; its weights are a constant or an input. */
static const char *text_of(const upsampling *u, const int64_t *out, const char *w_kind) {
  static char text[32768], numbers[24576], shapes[3][64], bias[512];
  write_shape(shapes[0], sizeof shapes[0], u->rank, u->x);
  write_shape(shapes[1], sizeof shapes[1], u->rank, u->w);
  write_shape(shapes[2], sizeof shapes[2], u->rank, out);
  write_numbers(numbers, sizeof numbers, u->rank, u->w, 3);
  write_numbers(bias, sizeof bias, 1, &u->w[1], 4);
  int n = strcmp(w_kind, "const") == 0
              ? snprintf(text, sizeof text, "graph main(x: f32[%s]) -> (y) {\n  const w: f32[%s] = [%s]\n", shapes[0],
                         shapes[1], numbers)
              : snprintf(text, sizeof text, "graph main(x: f32[%s], w: f32[%s]) -> (y) {\n", shapes[0], shapes[1]);
  if (u->biased) n += snprintf(text + n, sizeof text - (size_t)n, "  const c: f32[%d] = [%s]\n", (int)u->w[1], bias);
  snprintf(text + n, sizeof text - (size_t)n, "  y: f32[%s] = conv_transpose(x, w%s) {%s}\n}\n", shapes[2],
           u->biased ? ", c" : "", u->attrs);
  return text;
}

static bool uses(const tn_graph *g, const char *op) {
  bool found = false;
  for (uint32_t i = 0; i < g->node_count; i++) found |= strcmp(g->nodes[i].op->name, op) == 0;
  return found;
}

static tn_program *parse(const char *text) {
  tn_program *made;
  tn_error *err = NULL;
  tn_status status = tn_program_parse(ctx, text, strlen(text), "t.tn", &made, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return made;
}

static const tn_graph *expanded(tn_program *of) {
  const tn_graph *g;
  ck_assert_int_eq(tni_graph_subpixel(tn_program_graph(of, "main"), of, &g, NULL), TN_OK);
  return g;
}

/* ---- what becomes a convolution ---------------------------------------------------------------------------------- */

/* One tap each; and a bias; two, of which the border is cut; of one dimension, where the last result is cut; steps that
 * differ; three dimensions. */
static const struct {
  upsampling u;
  int64_t out[5];
} whole[] = {
    {{{2, 3, 2, 3}, {3, 4, 2, 2}, 4, false, "strides = [2, 2]"}, {2, 4, 4, 6}},
    {{{1, 3, 2, 3}, {3, 1, 2, 2}, 4, true, "strides = [2, 2], kernel_shape = [2, 2]"}, {1, 1, 4, 6}},
    {{{1, 2, 3, 4}, {2, 3, 4, 4}, 4, true, "strides = [2, 2], pads = [1, 1, 1, 1]"}, {1, 3, 6, 8}},
    {{{1, 2, 5}, {2, 3, 9}, 3, false, "strides = [3], pads = [0, 2]"}, {1, 3, 19}},
    {{{1, 2, 3, 2}, {2, 2, 3, 4}, 4, false, "strides = [1, 2], auto_pad = \"SAME_UPPER\""}, {1, 2, 3, 4}},
    {{{1, 2, 2, 2, 2}, {2, 2, 2, 2, 4}, 5, true, "strides = [2, 2, 2]"}, {1, 2, 4, 4, 6}},
};

START_TEST(taps_of_whole_strides_are_a_convolution)
{
  float x[MOST], want[MOST], got[MOST];
  void *in[] = {x}, *out[] = {want}, *again[] = {got};
  const char *text = text_of(&whole[_i].u, whole[_i].out, "const");
  tn_program *of = parse(text);
  int64_t count = 1;
  for (int32_t i = 0; i < whole[_i].u.rank; i++) count *= whole[_i].out[i];
  fill(x, TNI_COUNT(x), 9);
  const tn_graph *g = expanded(of);
  ck_assert(uses(g, "conv") && !uses(g, "conv_transpose"));
  ck_assert_str_eq(g->values[g->outputs[0]].name, "y");
  run(g, in, again);
  tn_program_destroy(of);
  of = parse(text);
  run(tn_program_graph(of, "main"), in, out);
  tn_program_destroy(of);
  for (int64_t i = 0; i < count; i++) ck_assert_float_eq_tol(got[i], want[i], 2e-6f);
}
END_TEST

/* ---- what stays -------------------------------------------------------------------------------------------------- */

/* No steps; taps that are no whole strides; taps apart; groups; results behind the last tap. */
static const struct {
  upsampling u;
  int64_t out[5];
  const char *weights;
} others[] = {
    {{{1, 2, 3, 3}, {2, 3, 2, 2}, 4, false, "pads = [0, 0, 0, 0]"}, {1, 3, 4, 4}, "const"},
    {{{1, 2, 3, 3}, {2, 3, 3, 3}, 4, false, "strides = [2, 2]"}, {1, 3, 7, 7}, "const"},
    {{{1, 2, 3, 3}, {2, 3, 2, 2}, 4, false, "dilations = [2, 2], strides = [2, 2]"}, {1, 3, 7, 7}, "const"},
    {{{1, 2, 3, 3}, {2, 3, 2, 2}, 4, false, "group = 2, strides = [2, 2]"}, {1, 6, 6, 6}, "const"},
    {{{1, 2, 3, 3}, {2, 3, 2, 2}, 4, false, "output_padding = [1, 1], strides = [2, 2]"}, {1, 3, 7, 7}, "const"},
    {{{1, 2, 3, 3}, {2, 3, 2, 2}, 4, false, "strides = [2, 2]"}, {1, 3, 6, 6}, "input"},
};

START_TEST(other_taps_stay_as_they_are)
{
  tn_program *of = parse(text_of(&others[_i].u, others[_i].out, others[_i].weights));
  ck_assert_ptr_eq(expanded(of), tn_program_graph(of, "main"));
  tn_program_destroy(of);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("subpixel");
  tcase_add_loop_test(tests, taps_of_whole_strides_are_a_convolution, 0, TNI_COUNT(whole));
  tcase_add_loop_test(tests, other_taps_stay_as_they_are, 0, TNI_COUNT(others));
  return suite_run_case("subpixel", tests, 60, setup, teardown);
}
