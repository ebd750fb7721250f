/* test_graph_passes.c -- the passes over graphs: folding, fusion, memory; and what cannot be planned.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/graphs.h"

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

enum { NUMBERS = 1000 };

static tni_gnode pointwise(const char *op) {
  static const uint32_t inputs[] = {0, 1};
  return (tni_gnode){.op = tni_gop_find(op), .input_count = tni_gop_find(op)->max_inputs, .inputs = inputs, .output_count = 1};
}

/* One more number that is not finite leaves all to the interpreter. */
START_TEST(numbers_have_the_bits_of_the_interpreter)
{
  static const char *const ops[] = {"add", "sub", "mul", "div", "sqrt"};
  static float x[NUMBERS + 1], y[NUMBERS + 1], made[NUMBERS + 1], want[NUMBERS + 1];
  fill(x, NUMBERS, 1);
  fill(y, NUMBERS + 1, 2);
  x[3] = 1e-30F, y[3] = 3e-12F, x[4] = 0, x[5] = 1e-40F;
  x[NUMBERS] = NAN;
  for (size_t o = 0; o < 2 * TNI_COUNT(ops); o++) {
    tni_gnode n = pointwise(ops[o / 2]);
    for (int i = 0; i < NUMBERS && n.input_count == 1; i++) x[i] = fabsf(x[i]);
    tni_gvalue a = {.type = TN_F32, .rank = 2, .shape = {1, NUMBERS}, .data = x}, out = a, c = a;
    c.data = y;
    if (o % 2) c.rank = 0;
    const tni_gvalue *in[] = {&a, &c};
    void *data = want;
    ck_assert(tni_number_contents(&n, in, &out, made));
    a.shape[1] = out.shape[1] = NUMBERS + 1;
    if (o % 2 == 0) c.shape[1] = NUMBERS + 1;
    ck_assert(!tni_number_contents(&n, in, &out, want));
    ck_assert_int_eq(tni_gnode_evaluate(ctx, &n, in, &out, &interpreter, &data, NULL), TN_OK);
    ck_assert_msg(memcmp(made, want, NUMBERS * sizeof *made) == 0, "%s differs", ops[o / 2]);
  }
}
END_TEST

START_TEST(other_numbers_are_left_to_the_interpreter)
{
  static const float x[] = {1, 2, 3, 4, 5, 6}, y[] = {1, 0, 2};
  float made[6];
  tni_gvalue a = {.type = TN_F32, .rank = 2, .shape = {2, 3}, .data = x}, row = {.type = TN_F32, .rank = 1, .shape = {3}, .data = y};
  tni_gvalue bits = a, last = row;
  bits.type = TN_I32;
  last.data = x;
  const tni_gvalue *rows[] = {&a, &row}, *same[] = {&a, &a}, *zero[] = {&last, &row}, *integers[] = {&bits, &bits};
  const tni_gnode sum = pointwise("add"), quotient = pointwise("div"), power = pointwise("pow");
  ck_assert(!tni_number_contents(&sum, rows, &a, made));
  ck_assert(!tni_number_contents(&sum, integers, &bits, made));
  ck_assert(!tni_number_contents(&power, same, &a, made));
  ck_assert(!tni_number_contents(&quotient, zero, &row, made));
  ck_assert(tni_number_contents(&sum, same, &a, made));
}
END_TEST

static tn_status leave(void *self, const tn_func *func, void *const *buffers, tn_error **err) {
  (void)self, (void)func, (void)buffers, (void)err;
  return TN_OK;
}

/* Of a number, 200 MB become a constant, and 200 MB more do not. */
START_TEST(folding_makes_no_gigabytes_of_a_number)
{
  static const float one = 1;
  const tni_evaluator lazy = {NULL, leave};
  uint32_t c = tni_g_const(b, "c", TN_F32, 0, NULL, &one);
  tni_attr to[] = {INTS("shape", 50 << 20)};
  for (int i = 0; i < 2; i++) tni_g_output(b, add("expand", i ? "z" : "y", c, TNI_NO_VALUE, TNI_NO_VALUE, 1, to));
  const tn_graph *g = finish();
  tn_error *err = NULL;
  ck_assert_int_eq(tni_graph_fold(g, target, &lazy, &g, &err), TN_OK);
  ck_assert_uint_eq(g->node_count, 1);
  ck_assert_str_eq(g->values[g->nodes[0].outputs[0]].name, "z");
}
END_TEST

/* Elements of 1, 2, 4 and 8 bytes, of 4 bits; sizes beside those of a block, of one element and of none. */
static const struct turned {
  tn_type type;
  int32_t rank;
  int64_t shape[5], perm[5];
} turned_cases[] = {
    {TN_F32, 2, {37, 50}, {1, 0}},          {TN_U8, 2, {16, 33}, {1, 0}},
    {TN_F16, 4, {5, 3, 7, 4}, {2, 3, 1, 0}}, {TN_F64, 3, {2, 17, 3}, {2, 1, 0}},
    {TN_F32, 4, {2, 3, 4, 5}, {0, 2, 1, 3}}, {TN_F32, 5, {2, 1, 3, 1, 4}, {4, 3, 0, 1, 2}},
    {TN_F32, 4, {3, 4, 5, 6}, {3, 1, 2, 0}}, {TN_F32, 4, {3, 4, 5, 6}, {1, 0, 3, 2}},
    {TN_F32, 2, {0, 5}, {1, 0}},             {TN_F32, 3, {1, 1, 1}, {2, 0, 1}},
    {TN_I4, 2, {3, 5}, {1, 0}},              {TN_I64, 1, {9}, {0}},
};

/* Which element of the constant is the i-th of its transpose? */
static int64_t source_of(const struct turned *t, int64_t i) {
  int64_t strides[5], size = 1, place = 0;
  for (int32_t d = t->rank; d-- > 0; size *= t->shape[d]) strides[d] = size;
  for (int32_t d = t->rank; d-- > 0; i /= t->shape[t->perm[d]]) place += i % t->shape[t->perm[d]] * strides[t->perm[d]];
  return place;
}

START_TEST(folding_transposes)
{
  const struct turned *t = &turned_cases[_i];
  static uint8_t contents[16384];
  for (size_t i = 0; i < sizeof contents; i++) contents[i] = (uint8_t)(i * 131 >> (i % 3));
  uint32_t c = tni_g_const(b, "c", t->type, t->rank, t->shape, contents + 1); /* anywhere */
  tni_attr perm = {.name = "perm", .kind = TNI_ATTR_INTS, .count = t->rank, .ints = t->perm};
  tni_g_output(b, add("transpose", "y", c, TNI_NO_VALUE, TNI_NO_VALUE, 1, &perm));
  const tn_graph *g = fold(finish());
  const tni_gvalue *y = &g->values[g->outputs[0]];
  ck_assert_uint_eq(g->node_count, 0);
  for (int64_t i = 0; i < tni_gvalue_numel(y); i++) {
    tni_scalar have = tni_read_element(t->type, y->data, i), want = tni_read_element(t->type, contents + 1, source_of(t, i));
    ck_assert_msg(memcmp(&have, &want, sizeof have) == 0, "element %lld", (long long)i);
  }
}
END_TEST

/* As a dense network joins what it made so far: each concat takes the one before. Along another axis it is another one. */
START_TEST(folding_joins_what_is_joined_already)
{
  uint32_t in[5];
  for (int i = 0; i < 4; i++) in[i] = tni_g_input(b, (const char *[]){"p", "q", "r", "s"}[i], TN_F32, DIMS(2, 2));
  in[4] = in[0];
  tni_attr axes[] = {{.name = "axis", .kind = TNI_ATTR_INT, .i = 0}, {.name = "axis", .kind = TNI_ATTR_INT, .i = 1}};
  tn_error *err = NULL;
  for (uint32_t i = 2; i <= 6; i++) {
    uint32_t out, count = i < 6 ? i : 3;
    const char *name = (const char *[]){"two", "three", "four", "five", "other"}[i - 2];
    ck_assert_int_eq(tni_g_node(b, tni_gop_find("concat"), NULL, count, in, 1, &axes[i == 6], 1, &name, &out, &err), TN_OK);
    tni_g_output(b, out);
  }
  ck_assert_str_eq(text_of(fold(finish())),
                   "graph main(p: f32[2, 2], q: f32[2, 2], r: f32[2, 2], s: f32[2, 2]) -> (two, three, four, five, other) {\n"
                   "  two: f32[4, 2] = concat(p, q) {axis = 0}\n"
                   "  three: f32[6, 2] = concat(two, r) {axis = 0}\n"
                   "  four: f32[8, 2] = concat(three, s) {axis = 0}\n"
                   "  five: f32[10, 2] = concat(four, p) {axis = 0}\n"
                   "  other: f32[2, 6] = concat(p, q, r) {axis = 1}\n"
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

typedef tn_status pass_fn(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);

/* What the pass makes of a graph of the text. */
static const char *passed(pass_fn *pass, const char *text) {
  static char made[4096];
  tn_program *program;
  tn_error *err = NULL;
  const tn_graph *g;
  tn_status status = tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  status = pass(tn_program_graph(program, "main"), program, &g, &err);
  if (status == TN_OK) status = tni_graph_fold(g, program, &interpreter, &g, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  snprintf(made, sizeof made, "%s", text_of(g));
  tn_program_destroy(program);
  return made;
}

static const char *attending(const char *text) { return passed(tni_graph_attend, text); }

#define HEADS "f32[2, 16, 8]"
#define SCORES "f32[2, 16, 16]"
#define PRODUCT "  t: f32[2, 8, 16] = transpose(k) {perm = [0, 2, 1]}\n  s: " SCORES " = matmul(q, t)\n"
#define WEIGHTS "  w: " SCORES " = softmax(n) {axis = 2}\n  y: " HEADS " = matmul(w, v)\n"

START_TEST(a_softmax_between_products_is_attention)
{
  ck_assert_str_eq(attending("graph main(q: " HEADS ", k: " HEADS ", v: " HEADS ", m: f32[16, 16]) -> (y) {\n"
                             "  const c: f32[] = [4.0]\n" PRODUCT "  d: " SCORES " = div(s, c)\n"
                             "  n: " SCORES " = add(d, m)\n" WEIGHTS "}\n"),
                   "graph main(q: " HEADS ", k: " HEADS ", v: " HEADS ", m: f32[16, 16]) -> (y) {\n"
                   "  v0: f32[16, 16] = transpose(m) {perm = [1, 0]} as transpose_5\n"
                   "  v1: f32[1, 2, 16, 8] = reshape(q) {shape = [1, 2, 16, 8]} as reshape_6\n"
                   "  v2: f32[1, 2, 16, 8] = reshape(k) {shape = [1, 2, 16, 8]} as reshape_7\n"
                   "  v3: f32[1, 2, 16, 8] = reshape(v) {shape = [1, 2, 16, 8]} as reshape_8\n"
                   "  v4: f32[1, 1, 16, 16] = reshape(v0) {shape = [1, 1, 16, 16]} as reshape_9\n"
                   "  v5: f32[1, 2, 16, 8] = attention(v1, v2, v3, v4) {keys = 16, rows = 16, scale = 0.25} as y\n"
                   "  y: " HEADS " = reshape(v5) {shape = [2, 16, 8]}\n"
                   "}\n");
}
END_TEST

/* The results stay what they were, whatever dimensions the mask has; rows and keys differ in number, or do not. */
START_TEST(masks_of_every_form_mean_what_they_did)
{
  static const char *const masks[] = {"",          "1",         "24",       "16, 24",    "16, 1",   "1, 24",
                                      "2, 16, 24", "2, 16, 1", "1, 1, 24", "2, 1, 24", "1, 1, 1", "1, 16, 24"};
  static float q[2 * 16 * 8], k[2 * 24 * 8], v[2 * 24 * 8], m[2 * 24 * 24], want[2 * 24 * 8], got[2 * 24 * 8];
  fill(q, TNI_COUNT(q), 1), fill(k, TNI_COUNT(k), 2), fill(v, TNI_COUNT(v), 3), fill(m, TNI_COUNT(m), 4);
  for (size_t i = 0; i < TNI_COUNT(masks); i++) {
    char text[1024];
    void *in[] = {q, k, v, m}, *first[] = {want}, *second[] = {got};
    tn_program *program;
    tn_error *err = NULL;
    const tn_graph *g;
    snprintf(text, sizeof text,
             "graph main(q: f32[2, 16, 8], k: f32[2, 24, 8], v: f32[2, 24, 8], m: f32[%s]) -> (y) {\n"
             "  const c: f32[] = [0.5]\n"
             "  t: f32[2, 8, 24] = transpose(k) {perm = [0, 2, 1]}\n"
             "  s: f32[2, 16, 24] = matmul(q, t)\n"
             "  d: f32[2, 16, 24] = mul(s, c)\n"
             "  n: f32[2, 16, 24] = %s\n"
             "  w: f32[2, 16, 24] = softmax(n) {axis = 2}\n"
             "  y: f32[2, 16, 8] = matmul(w, v)\n"
             "}\n",
             masks[i], i % 2 ? "add(m, d)" : "add(d, m)");
    tn_status status = tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err);
    ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
    run(tn_program_graph(program, "main"), in, first);
    status = tni_graph_attend(tn_program_graph(program, "main"), program, &g, &err);
    ck_assert_msg(status == TN_OK, "%s: %s", masks[i], tn_error_text(err));
    ck_assert_ptr_nonnull(strstr(text_of(g), "= attention("));
    run(g, in, second);
    for (int j = 0; j < 2 * 16 * 8; j++)
      ck_assert_msg(fabsf(got[j] - want[j]) <= 1e-5f, "mask %s: %g, not %g", masks[i], (double)got[j], (double)want[j]);
    tn_program_destroy(program);
  }
}
END_TEST

/* Where the weights or the scores are wanted, and where the softmax goes along the queries. */
START_TEST(what_others_read_is_no_attention)
{
  const char *head = "graph main(q: " HEADS ", k: " HEADS ", v: " HEADS ") -> (y";
  static const char *const rest[] = {
      ", w) {\n" PRODUCT "  n: " SCORES " = relu(s)\n" WEIGHTS "}\n",
      ", s) {\n" PRODUCT "  w: " SCORES " = softmax(s) {axis = 2}\n  y: " HEADS " = matmul(w, v)\n}\n",
      ") {\n" PRODUCT "  w: " SCORES " = softmax(s) {axis = 1}\n  y: " HEADS " = matmul(w, v)\n}\n",
  };
  for (size_t i = 0; i < 3; i++) {
    char text[1024];
    snprintf(text, sizeof text, "%s%s", head, rest[i]);
    ck_assert_ptr_null(strstr(attending(text), "attention"));
  }
}
END_TEST

/* ---- layer norms ---- */

/* The steps of a norm of x over the last dimension: q, t is that scaled, and y moved, too. */
#define NORM_CONSTANTS \
  "  const two: f32[] = [2.0]\n  const e: f32[] = [0.125]\n  const w: f32[4] = [1, 2, 3, 4]\n  const c: f32[1, 4] = [5, 6, 7, 8]\n"
#define NORM_STEPS(axes, square) \
  "  m: f32[2, 3, 1] = reduce_mean(x) {axes = [-1], keepdims = 1}\n  d: f32[2, 3, 4] = sub(x, m)\n" \
  "  p: f32[2, 3, 4] = " square "\n  v: f32[2, 3, 1] = reduce_mean(p) {axes = [" axes "], keepdims = 1}\n" \
  "  a: f32[2, 3, 1] = add(e, v)\n  s: f32[2, 3, 1] = sqrt(a)\n  q: f32[2, 3, 4] = div(d, s)\n"
#define NORM_END "  t: f32[2, 3, 4] = mul(w, q)\n  y: f32[2, 3, 4] = add(t, c)\n}\n"

START_TEST(means_differences_and_a_quotient_are_a_layer_norm)
{
  static const char *const squares[] = {NORM_STEPS("2", "pow(d, two)"), NORM_STEPS("-1", "mul(d, d)")};
  for (size_t i = 0; i < 2; i++) {
    char text[1024];
    snprintf(text, sizeof text, "graph main(x: f32[2, 3, 4]) -> (y) {\n" NORM_CONSTANTS "%s" NORM_END, squares[i]);
    ck_assert_str_eq(passed(tni_graph_normalize, text),
                     "graph main(x: f32[2, 3, 4]) -> (y) {\n"
                     "  const w: f32[4] = [1.0, 2.0, 3.0, 4.0]\n  const c: f32[1, 4] = [5.0, 6.0, 7.0, 8.0]\n"
                     "  y: f32[2, 3, 4] = layer_norm(x, w, c) {axis = 2, epsilon = 0.125}\n}\n");
    snprintf(text, sizeof text, "graph main(x: f32[2, 3, 4]) -> (q) {\n" NORM_CONSTANTS "%s}\n", squares[i]);
    ck_assert_ptr_nonnull(strstr(passed(tni_graph_normalize, text), "  q: f32[2, 3, 4] = layer_norm(x) {axis = 2, "));
  }
}
END_TEST

START_TEST(layer_norms_mean_what_their_steps_did)
{
  static const char text[] =
      "graph main(x: f32[2, 3, 4]) -> (y) {\n" NORM_CONSTANTS NORM_STEPS("2", "pow(d, two)") NORM_END;
  float x[24], want[24], got[24];
  void *in[] = {x}, *out[] = {want}, *again[] = {got};
  tn_program *of;
  tn_error *err = NULL;
  const tn_graph *g;
  fill(x, TNI_COUNT(x), 9);
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &of, &err), TN_OK);
  ck_assert_int_eq(tni_graph_normalize(tn_program_graph(of, "main"), of, &g, NULL), TN_OK);
  ck_assert_ptr_nonnull(strstr(text_of(g), "layer_norm"));
  run(g, in, again);
  tn_program_destroy(of);
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &of, &err), TN_OK);
  run(tn_program_graph(of, "main"), in, out);
  tn_program_destroy(of);
  for (int i = 0; i < 24; i++) ck_assert_float_eq_tol(got[i], want[i], 1e-5f);
}
END_TEST

START_TEST(what_others_read_or_is_of_others_is_no_layer_norm)
{
  static const char *const rest[] = {
      ", v) {\n" NORM_CONSTANTS NORM_STEPS("2", "pow(d, two)") NORM_END,
      ", d) {\n" NORM_CONSTANTS NORM_STEPS("2", "mul(d, d)") NORM_END,
      ") {\n" NORM_CONSTANTS NORM_STEPS("2", "pow(d, e)") NORM_END,
      ") {\n" NORM_CONSTANTS NORM_STEPS("2", "mul(d, x)") NORM_END,
      ") {\n  const k: f32[3, 4] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3]\n" NORM_CONSTANTS NORM_STEPS("2", "pow(d, two)")
      "  y: f32[2, 3, 4] = mul(q, k)\n}\n"};
  for (size_t i = 0; i < TNI_COUNT(rest); i++) {
    char text[1024];
    snprintf(text, sizeof text, "graph main(x: f32[2, 3, 4]) -> (y%s", rest[i]);
    const char *made = passed(tni_graph_normalize, text), *norm = strstr(made, "layer_norm(x");
    ck_assert_msg(i + 1 < TNI_COUNT(rest) ? !norm : strncmp(norm, "layer_norm(x) {", 15) == 0, "%zu: %s", i, made);
  }
}
END_TEST

/* A text may spell what stands behind another one. */
START_TEST(keys_of_different_attributes_differ)
{
  static const tni_gvalue out = {.type = TN_F32, .rank = 1, .shape = {1024}};
  double f;
  memcpy(&f, "12345678", sizeof f);
  const tni_attr two[] = {{.name = "a", .kind = TNI_ATTR_STRING, .f = f, .string = "p"},
                          {.name = "b", .kind = TNI_ATTR_INT, .f = f, .i = 1}},
                 one[] = {{.name = "a", .kind = TNI_ATTR_STRING, .f = f, .string = "p b 0 1 0 12345678"}};
  tni_kept *kept = tni_kept_create(ctx);
  tni_text x, y;
  tni_text_init(&x, ctx);
  tni_text_init(&y, ctx);
  ck_assert(tni_graph_key(&x, kept, "op", 2, two, 0, NULL, &out));
  ck_assert(tni_graph_key(&y, kept, "op", 1, one, 0, NULL, &out));
  ck_assert_str_ne(x.data, y.data);
  tni_text_destroy(&x);
  tni_text_destroy(&y);
  tni_kept_destroy(kept);
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

/* Numbers in the code, the order of operands, shapes and attributes count; which values are read does not. */
START_TEST(functions_of_like_pieces_are_one)
{
  static const float two = 2, three = 3;
  static const char *const calls[] = {"a0 = mul",   "a1 = mul",   "a2 = mul_2", "b0 = neg_sub", "b1 = neg_sub",
                                      "b2 = neg_sub_2", "c0 = neg",   "c1 = elu",   "c2 = elu_2"};
  const tni_attr half[] = {{.name = "alpha", .kind = TNI_ATTR_FLOAT, .f = 0.5}};
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(4)), y = tni_g_input(b, "y", TN_F32, DIMS(4));
  uint32_t by2 = tni_g_const(b, "two", TN_F32, 0, NULL, &two), by3 = tni_g_const(b, "three", TN_F32, 0, NULL, &three);
  tni_g_output(b, add2("mul", "a0", x, by2));
  tni_g_output(b, add2("mul", "a1", y, by2));
  tni_g_output(b, add2("mul", "a2", x, by3));
  tni_g_output(b, add2("sub", "b0", add1("neg", "n0", x), x));
  tni_g_output(b, add2("sub", "b1", add1("neg", "n1", y), y));
  tni_g_output(b, add2("sub", "b2", x, add1("neg", "n2", x)));
  tni_g_output(b, add1("neg", "c0", tni_g_input(b, "z", TN_F32, DIMS(5))));
  tni_g_output(b, add1("elu", "c1", x));
  tni_g_output(b, add("elu", "c2", x, TNI_NO_VALUE, TNI_NO_VALUE, 1, half));
  const char *text = text_of(optimize(finish()));
  for (size_t i = 0; i < TNI_COUNT(calls); i++) {
    char call[64];
    snprintf(call, sizeof call, "  %.2s: f32[%d] = call fused_%s(", calls[i], strncmp(calls[i], "c0", 2) ? 4 : 5, calls[i] + 5);
    ck_assert_msg(strstr(text, call) != NULL, "%s in %s", call, text);
  }
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
  ck_assert_str_eq(text_of(optimize(residual_net())),
                   "graph main(x: f32[1, 4, 5, 5]) -> (y) {\n"
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

/* abs reads what the next convolution reads, too, and is read only by the sum behind that. */
START_TEST(what_one_later_function_reads_is_in_that)
{
  static float w[2][4 * 4 * 9];
  tni_attr pads[] = {INTS("pads", 1, 1, 1, 1)};
  for (int shown = 0; shown < 2; shown++) {
    uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(1, 4, 5, 5));
    uint32_t w0 = tni_g_const(b, "w0", TN_F32, DIMS(4, 4, 3, 3), w[0]);
    uint32_t w1 = tni_g_const(b, "w1", TN_F32, DIMS(4, 4, 3, 3), w[1]);
    uint32_t r = add1("relu", "r", add("conv", "c0", x, w0, TNI_NO_VALUE, 1, pads));
    uint32_t a = add1("exp", "e", add1("abs", "a", r));
    tni_g_output(b, add2("add", "y", add("conv", "c1", r, w1, TNI_NO_VALUE, 1, pads), a));
    if (shown) tni_g_output(b, a);
    const char *text = text_of(optimize(finish()));
    const char *want = shown ? "  e: f32[1, 4, 5, 5] = call fused_abs_exp(r)\n"
                               "  y: f32[1, 4, 5, 5] = call fused_conv_add(r, w1, e)\n"
                             : "  y: f32[1, 4, 5, 5] = call fused_abs_exp_conv_add(r, w1)\n";
    ck_assert_msg(strstr(text, want) != NULL, "%s", text);
    if (!shown) ck_assert_int_eq(tni_gbuilder_create(program, "again", &b, NULL), TN_OK);
  }
}
END_TEST

/* A product with panels takes the chain before it in, if nobody else reads that. */
START_TEST(rows_are_made_where_they_are_multiplied)
{
  static float w[16 * 16], scale[16];
  const tni_attr panels[] = {INT("panel", 16), INT("columns", 16)};
  for (int shown = 0; shown < 2; shown++) {
    uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(4, 16)), s = tni_g_const(b, "s", TN_F32, DIMS(16), scale);
    uint32_t r = add1("relu", "r", add2("mul", "m", x, s)), by = tni_g_const(b, "w", TN_F32, DIMS(1, 16, 16), w);
    tni_g_output(b, add1("exp", "y", add("matmul", "p", r, by, TNI_NO_VALUE, 2, panels)));
    if (shown) tni_g_output(b, r);
    const char *text = text_of(optimize(finish()));
    const char *want = shown ? "  r: f32[4, 16] = call fused_mul_relu(x, s)\n  y: f32[4, 16] = call fused_matmul_exp(r, w)\n"
                             : "  y: f32[4, 16] = call fused_mul_relu_matmul_exp(x, s, w)\n";
    ck_assert_msg(strstr(text, want) != NULL, "%s", text);
    if (!shown) ck_assert_int_eq(tni_gbuilder_create(program, "again", &b, NULL), TN_OK);
  }
}
END_TEST

/* A convolution that is chained has its picture made where it takes it, if nobody else reads that. */
START_TEST(windows_are_made_where_they_are_multiplied)
{
  static float w[16 * 9], v[16 * 16];
  const tni_attr apart[] = {INT("channels_last", 1), INT("oc_last", 1), INT("group", 16)};
  const tni_attr taps[] = {INT("channels_last", 1), INT("chained", 1)};
  for (int shown = 0; shown < 2; shown++) {
    uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(1, 6, 6, 16));
    uint32_t d = tni_g_const(b, "d", TN_F32, DIMS(1, 3, 3, 16), w), p = tni_g_const(b, "p", TN_F32, DIMS(16, 16, 1, 1), v);
    uint32_t r = add1("relu", "r", add("conv", "c", x, d, TNI_NO_VALUE, 3, apart));
    tni_g_output(b, add1("neg", "y", add("conv", "u", r, p, TNI_NO_VALUE, 2, taps)));
    if (shown) tni_g_output(b, r);
    const char *text = text_of(optimize(finish()));
    const char *want = shown ? "  r: f32[1, 4, 4, 16] = call fused_conv_relu(x, d)\n"
                               "  y: f32[1, 4, 4, 16] = call fused_conv_neg(r, p)\n"
                             : "  y: f32[1, 4, 4, 16] = call fused_conv_relu_conv_neg(x, d, p)\n";
    ck_assert_msg(strstr(text, want) != NULL, "%s", text);
    if (!shown) ck_assert_int_eq(tni_gbuilder_create(program, "again", &b, NULL), TN_OK);
  }
}
END_TEST

/* Layers behind a mean of pictures are one function with it; a reshape between is none of its own. Where somebody else reads
 * the mean, or there are many numbers, they are apart. */
START_TEST(few_numbers_are_made_where_they_are_multiplied)
{
  static float w[4 * 2 * 4096];
  const tni_attr rows[] = {INTS("axes", 1, 2)}, flat[] = {INTS("shape", 1, 4)};
  for (int how = 0; how < 3; how++) {
    int64_t wide = how == 2 ? 4098 : 8;
    uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(1, 5, 5, 4));
    uint32_t u = tni_g_const(b, "u", TN_F32, DIMS(4, wide), w), v = tni_g_const(b, "v", TN_F32, DIMS(wide, 2), w);
    uint32_t m = add("reduce_mean", "m", x, TNI_NO_VALUE, TNI_NO_VALUE, 1, rows);
    uint32_t f = add("reshape", "f", m, TNI_NO_VALUE, TNI_NO_VALUE, 1, flat);
    tni_g_output(b, add2("matmul", "y", add1("relu", "r", add2("matmul", "p", f, u)), v));
    if (how == 1) tni_g_output(b, m);
    const char *text = text_of(optimize(finish()));
    const char *want = how == 0   ? "  y: f32[1, 2] = call fused_reduce_mean_reshape_matmul_relu_matmul(x, u, v)\n"
                       : how == 1 ? "  r: f32[1, 8] = call fused_matmul_relu(f, u)\n"
                                    "  y: f32[1, 2] = call fused_matmul(r, v)\n"
                                  : "  r: f32[1, 4098] = call fused_matmul_relu_2(f, u)\n"
                                    "  y: f32[1, 2] = call fused_matmul_2(r, v)\n";
    ck_assert_msg(strstr(text, want) != NULL, "%s", text);
    if (how < 2) ck_assert_int_eq(tni_gbuilder_create(program, "again", &b, NULL), TN_OK);
  }
}
END_TEST

/* A byte is written, not the float that it is made for the sum. */
START_TEST(what_is_shorter_is_between_functions)
{
  static float w[2][4 * 4 * 9];
  tni_attr pads[] = {INTS("pads", 1, 1, 1, 1)}, byte[] = {STRING("to", "u8")}, real[] = {STRING("to", "f32")};
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(1, 4, 5, 5)), c[2];
  for (int i = 0; i < 2; i++) {
    uint32_t weights = tni_g_const(b, i ? "w1" : "w0", TN_F32, DIMS(4, 4, 3, 3), w[i]);
    c[i] = add("conv", i ? "c1" : "c0", x, weights, TNI_NO_VALUE, 1, pads);
    if (i == 0) c[i] = add("cast", "q", c[i], TNI_NO_VALUE, TNI_NO_VALUE, 1, byte);
    if (i == 0) c[i] = add1("neg", "n", add("cast", "r", c[i], TNI_NO_VALUE, TNI_NO_VALUE, 1, real));
  }
  tni_g_output(b, add2("add", "y", c[1], c[0]));
  const char *text = text_of(optimize(finish()));
  ck_assert_msg(strstr(text, "  q: u8[1, 4, 5, 5] = call fused_conv_cast(x, w0)\n"
                             "  y: f32[1, 4, 5, 5] = call fused_cast_neg_conv_add(q, x, w1)\n"),
                "%s", text);
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
  const void **constants;
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
  const void **constants;
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
  const void **constants;
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
{ check_not_planned(call_of_six_results(six_results(target)), "graph: c: the program has no function `f`"); }
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
  TCase *tests = tcase_create("graph_passes");
  tcase_add_test(tests, folding_computes_constants_and_drops_the_dead);
  tcase_add_test(tests, numbers_have_the_bits_of_the_interpreter);
  tcase_add_test(tests, other_numbers_are_left_to_the_interpreter);
  tcase_add_test(tests, folding_makes_no_gigabytes_of_a_number);
  tcase_add_loop_test(tests, folding_transposes, 0, (int)TNI_COUNT(turned_cases));
  tcase_add_test(tests, folding_joins_what_is_joined_already);
  tcase_add_test(tests, folding_sees_transposes_that_move_nothing);
  tcase_add_test(tests, a_softmax_between_products_is_attention);
  tcase_add_test(tests, masks_of_every_form_mean_what_they_did);
  tcase_add_test(tests, what_others_read_is_no_attention);
  tcase_add_test(tests, means_differences_and_a_quotient_are_a_layer_norm);
  tcase_add_test(tests, layer_norms_mean_what_their_steps_did);
  tcase_add_test(tests, what_others_read_or_is_of_others_is_no_layer_norm);
  tcase_add_test(tests, keys_of_different_attributes_differ);
  tcase_add_test(tests, outputs_keep_their_names);
  tcase_add_test(tests, functions_of_like_pieces_are_one);
  tcase_add_test(tests, chains_and_residuals_become_one_function);
  tcase_add_test(tests, fused_functions_give_the_same_bits);
  tcase_add_test(tests, a_value_used_elsewhere_ends_a_function);
  tcase_add_test(tests, rows_are_made_where_they_are_multiplied);
  tcase_add_test(tests, windows_are_made_where_they_are_multiplied);
  tcase_add_test(tests, few_numbers_are_made_where_they_are_multiplied);
  tcase_add_test(tests, what_is_shorter_is_between_functions);
  tcase_add_test(tests, a_diamond_stays_in_one_function);
  tcase_add_test(tests, what_one_later_function_reads_is_in_that);
  tcase_add_test(tests, views_are_no_code);
  tcase_add_test(tests, values_alive_together_do_not_overlap);
  tcase_add_test(tests, fused_programs_are_printed_and_parsed_back);
  tcase_add_test(tests, stats_count_what_people_ask);
  tcase_add_test(tests, a_plan_is_made_of_calls);
  tcase_add_test(tests, a_plan_calls_functions_of_its_program);
  tcase_add_test(tests, calls_of_many_results_are_kept);
  return suite_run_case("graph_passes", tests, 60, setup, teardown);
}
