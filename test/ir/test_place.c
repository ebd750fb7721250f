/* test_place.c -- where values lie: what is written in its place or read there needs no copy, and the results are the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graphs.h"

enum { ROWS = 3, MOST = 1024 };
static float weights[16 * 16], narrow[16 * 8];

static uint32_t product(const char *name, uint32_t x, int64_t columns) {
  const char *w = columns == 16 ? "w" : "w8";
  uint32_t known = tni_g_find(b, w);
  fill(weights, TNI_COUNT(weights), 5);
  fill(narrow, TNI_COUNT(narrow), 7);
  if (known == TNI_NO_VALUE) known = tni_g_const(b, w, TN_F32, DIMS(16, columns), columns == 16 ? weights : narrow);
  return add2("matmul", name, x, known);
}

static uint32_t join(const char *name, int64_t axis, uint32_t x, uint32_t y, uint32_t z) {
  return add("concat", name, x, y, z, 1, (tni_attr[]){INT("axis", axis)});
}

static uint32_t part(const char *name, uint32_t x, int64_t axis, int64_t start, int64_t end, int64_t step) {
  return add("slice", name, x, TNI_NO_VALUE, TNI_NO_VALUE, 4,
             (tni_attr[]){INTS("starts", start), INTS("ends", end), INTS("axes", axis), INTS("steps", step)});
}

/* Puts the graph of one input f32[3, 16] into the program. */
static const tn_graph *graph_of(uint32_t (*make)(uint32_t x), const float *contents) {
  if (!b) ck_assert_int_eq(tni_gbuilder_create(program, "main", &b, NULL), TN_OK);
  uint32_t x = contents ? tni_g_const(b, "x", TN_F32, DIMS(ROWS, 16), contents) : tni_g_input(b, "x", TN_F32, DIMS(ROWS, 16));
  tni_g_output(b, make(x));
  return finish();
}

/* The steps of the graph when it is fused; its results are those of its nodes, one by one. */
static uint32_t steps_of(uint32_t (*make)(uint32_t x)) {
  static float x[ROWS * 16], got[MOST];
  tni_arena arena;
  tni_plan plan;
  const void **constants;
  void *in[] = {x}, *out[] = {got};
  const tn_graph *want;
  fill(x, TNI_COUNT(x), 3);
  ck_assert_int_eq(tni_graph_fold(graph_of(make, x), program, &interpreter, &want, NULL), TN_OK);
  const tni_gvalue *y = &want->values[want->outputs[0]];
  ck_assert_ptr_nonnull(y->data);
  const tn_graph *g = run(graph_of(make, NULL), in, out);
  ck_assert_mem_eq(got, y->data, (size_t)tni_gvalue_numel(y) * sizeof *got);
  tni_arena_init(&arena, ctx);
  ck_assert_int_eq(tni_graph_plan(g, &arena, &plan, &constants, NULL), TN_OK);
  uint32_t steps = plan.step_count;
  tni_arena_destroy(&arena);
  return steps;
}

/* ---- concatenations ---------------------------------------------------------------------------------------------- */

static uint32_t along_columns(uint32_t x) {
  uint32_t a = product("a", x, 16);
  return join("y", 1, a, product("b", a, 16), TNI_NO_VALUE);
}
static uint32_t along_rows(uint32_t x) {
  uint32_t a = product("a", x, 8), c = product("c", product("b", x, 16), 8);
  return join("y", 0, a, c, TNI_NO_VALUE);
}
START_TEST(parts_are_written_in_their_places)
{
  ck_assert_uint_eq(steps_of(along_columns), 2);
  ck_assert_uint_eq(steps_of(along_rows), 3);
}
END_TEST

static uint32_t under_other_shapes(uint32_t x) {
  tni_attr flat[] = {INTS("shape", 1, ROWS, 1, 16)}, back[] = {INTS("shape", ROWS * 2, 16)};
  uint32_t a = add("reshape", "ra", product("a", x, 16), TNI_NO_VALUE, TNI_NO_VALUE, 1, flat);
  uint32_t c = add("reshape", "rb", product("b", x, 16), TNI_NO_VALUE, TNI_NO_VALUE, 1, flat);
  uint32_t y = add("reshape", "rc", join("j", 2, a, c, TNI_NO_VALUE), TNI_NO_VALUE, TNI_NO_VALUE, 1, back);
  return add1("neg", "y", y);
}
START_TEST(places_are_seen_through_views)
{ ck_assert_uint_eq(steps_of(under_other_shapes), 3); }
END_TEST

/* Each layer reads all before it, as in DenseNet. */
static uint32_t growing(uint32_t x) {
  uint32_t a = product("a", x, 16), c = add1("exp", "c", a), two = join("two", 1, a, c, TNI_NO_VALUE);
  uint32_t d = product("d", add1("abs", "da", part("ds", two, 1, 8, 24, 1)), 16);
  return add1("neg", "y", join("three", 1, a, c, d));
}
START_TEST(a_concatenation_lies_at_the_start_of_a_longer_one)
{
  ck_assert_uint_eq(steps_of(growing), 5);
  tni_arena arena;
  tni_gplaces places;
  const tn_graph *g = graph_of(growing, NULL);
  tni_arena_init(&arena, ctx);
  ck_assert(tni_graph_place(g, &arena, &places));
  for (uint32_t i = 0, two = 0; i < g->node_count; i++) {
    const tni_gplace *p = &places.of[g->nodes[i].outputs[0]];
    if (strcmp(g->nodes[i].name, "two") == 0) two = p->root;
    if (strcmp(g->nodes[i].name, "two") == 0) ck_assert(p->offset == 0 && p->strides[0] == 48 && p->strides[1] == 1);
    if (strcmp(g->nodes[i].name, "d") == 0) ck_assert(p->root == two && p->offset == 32 && p->strides[0] == 48);
    if (strcmp(g->nodes[i].name, "three") == 0) ck_assert(places.still[i] && g->nodes[i].outputs[0] == two);
  }
  tni_arena_destroy(&arena);
}
END_TEST

static uint32_t nested(uint32_t x) {
  uint32_t a = product("a", x, 16), two = join("two", 1, a, product("b", x, 16), TNI_NO_VALUE);
  return add1("neg", "y", join("three", 1, product("c", x, 16), two, TNI_NO_VALUE));
}
START_TEST(a_concatenation_lies_in_another)
{ ck_assert_uint_eq(steps_of(nested), 4); }
END_TEST

static uint32_t of_short_rows(uint32_t x) { return join("y", 1, product("a", x, 8), product("b", x, 16), TNI_NO_VALUE); }
static uint32_t of_the_input(uint32_t x) { return join("y", 1, product("a", x, 16), x, TNI_NO_VALUE); }
static uint32_t of_one_twice(uint32_t x) {
  uint32_t a = product("a", x, 16);
  return join("y", 1, a, a, TNI_NO_VALUE);
}
static uint32_t in_two_others(uint32_t x) {
  uint32_t a = product("a", x, 16), c = product("b", x, 16), d = join("ac", 1, a, c, TNI_NO_VALUE);
  return add2("add", "y", d, join("ca", 1, c, a, TNI_NO_VALUE));
}
START_TEST(what_cannot_lie_there_is_copied)
{
  ck_assert_uint_eq(steps_of(of_short_rows), 3);
  ck_assert_uint_eq(steps_of(of_the_input), 2);
  ck_assert_uint_eq(steps_of(of_one_twice), 2);
  ck_assert_uint_eq(steps_of(in_two_others), 4);
}
END_TEST

START_TEST(the_host_gets_its_outputs_in_memory_of_their_own)
{
  float x[ROWS * 16], a[ROWS * 16], y[ROWS * 32];
  void *in[] = {x}, *out[] = {y, a};
  uint32_t in_value = tni_g_input(b, "x", TN_F32, DIMS(ROWS, 16)), shown = product("a", in_value, 16);
  fill(x, TNI_COUNT(x), 3);
  tni_g_output(b, join("y", 1, shown, product("b", in_value, 16), TNI_NO_VALUE));
  tni_g_output(b, shown);
  run(finish(), in, out);
  for (int i = 0; i < ROWS; i++) ck_assert_mem_eq(y + 32 * i, a + 16 * i, 16 * sizeof *a);
}
END_TEST

/* ---- slices ------------------------------------------------------------------------------------------------------ */

static uint32_t of_a_result(uint32_t x) {
  uint32_t wide = join("wide", 1, product("a", x, 16), product("b", x, 16), TNI_NO_VALUE);
  uint32_t left = product("left", part("l", wide, 1, 0, 16, 1), 16), right = product("right", part("r", wide, 1, 16, 32, 1), 16);
  return add2("add", "y", left, right);
}
static uint32_t of_rows_of_the_input(uint32_t x) { return product("y", part("s", x, 0, 1, 3, 1), 16); }
static uint32_t in_long_steps(uint32_t x) { return product("y", part("s", x, 0, 0, 3, 2), 16); }
static uint32_t that_the_host_gets(uint32_t x) { return part("y", product("a", x, 16), 0, 1, 3, 1); }
START_TEST(slices_are_read_where_they_lie)
{
  ck_assert_uint_eq(steps_of(of_a_result), 4);
  ck_assert_uint_eq(steps_of(of_rows_of_the_input), 1);
  ck_assert_uint_eq(steps_of(in_long_steps), 2);
  ck_assert_uint_eq(steps_of(that_the_host_gets), 2);
}
END_TEST

/* ---- transposes --------------------------------------------------------------------------------------------------- */

static uint32_t shaped(const char *name, uint32_t x, int32_t rank, const int64_t *shape) {
  return add("reshape", name, x, TNI_NO_VALUE, TNI_NO_VALUE, 1,
             (tni_attr[]){{.name = "shape", .kind = TNI_ATTR_INTS, .count = rank, .ints = shape}});
}
static uint32_t turned(const char *name, uint32_t x, int64_t a, int64_t c, int64_t d) {
  return add("transpose", name, x, TNI_NO_VALUE, TNI_NO_VALUE, 1, (tni_attr[]){INTS("perm", a, c, d)});
}
/* Heads of 16 numbers: read where rows lie, or written there. */
static uint32_t heads(uint32_t x) {
  uint32_t wide = join("wide", 1, product("h", x, 16), product("g", x, 16), TNI_NO_VALUE);
  return turned("heads", shaped("split", wide, DIMS(ROWS, 2, 16)), 1, 0, 2);
}
static uint32_t that_are_read(uint32_t x) { return product("y", heads(x), 16); }
static uint32_t of_parts_of_them(uint32_t x) {
  uint32_t h = heads(x);
  return add2("add", "y", product("l", part("q", h, 0, 0, 1, 1), 16), product("r", part("k", h, 0, 1, 2, 1), 16));
}
static uint32_t that_are_joined(uint32_t x) {
  uint32_t rows = turned("rows", product("a", heads(x), 16), 1, 0, 2);
  return product("y", shaped("one", rows, DIMS(2 * ROWS, 16)), 16);
}
static uint32_t that_are_joined_under_another_shape(uint32_t x) {
  uint32_t rows = turned("rows", product("a", heads(x), 16), 1, 0, 2);
  return add1("exp", "y", shaped("one", rows, DIMS(ROWS, 32)));
}
static uint32_t that_the_host_gets_turned(uint32_t x) { return turned("y", product("a", heads(x), 16), 1, 0, 2); }
static uint32_t that_are_wanted_in_rows(uint32_t x) { return add1("exp", "y", shaped("one", heads(x), DIMS(2 * ROWS * 16))); }
static uint32_t of_single_numbers(uint32_t x) {
  return product("y", add("transpose", "t", product("a", shaped("s", x, DIMS(1, ROWS, 16)), 16), TNI_NO_VALUE, TNI_NO_VALUE,
                          1, (tni_attr[]){INTS("perm", 1, 0, 2)}), 16);
}
static uint32_t of_short_runs(uint32_t x) {
  return add1("exp", "y", turned("t", shaped("s", product("a", x, 16), DIMS(ROWS, 4, 4)), 1, 0, 2));
}
/* A picture of few channels is read number by number in any case; one of 16 is not. */
static uint32_t pixels(const char *name, uint32_t x, int64_t channels, int64_t size) {
  static float w[16 * 16];
  fill(w, TNI_COUNT(w), 9);
  uint32_t picture = shaped("picture", x, DIMS(1, channels, size, 1));
  uint32_t last = add("transpose", "last", picture, TNI_NO_VALUE, TNI_NO_VALUE, 1, (tni_attr[]){INTS("perm", 0, 2, 3, 1)});
  return add("conv", name, last, tni_g_const(b, "k", TN_F32, DIMS(16, channels, 1, 1), w), TNI_NO_VALUE, 1,
             (tni_attr[]){INT("channels_last", 1)});
}
static uint32_t of_few_channels(uint32_t x) { return pixels("y", x, 3, 16); }
static uint32_t of_many_channels(uint32_t x) { return pixels("y", x, 16, 3); }

START_TEST(transposes_are_other_strides)
{
  ck_assert_uint_eq(steps_of(that_are_read), 3);
  ck_assert_uint_eq(steps_of(of_parts_of_them), 4);
  ck_assert_uint_eq(steps_of(that_are_joined), 4);
  ck_assert_uint_eq(steps_of(that_are_joined_under_another_shape), 4);
  ck_assert_uint_eq(steps_of(that_the_host_gets_turned), 3);
  ck_assert_uint_eq(steps_of(of_single_numbers), 2);
  ck_assert_uint_eq(steps_of(of_few_channels), 1);
}
END_TEST

/* Neither side can have the other's strides: a shape joins what does not lie side by side; vectors would be short. */
START_TEST(transposes_that_nobody_can_follow_are_copies)
{
  ck_assert_uint_eq(steps_of(that_are_wanted_in_rows), 4);
  ck_assert_uint_eq(steps_of(of_short_runs), 2);
  ck_assert_uint_eq(steps_of(of_many_channels), 2);
}
END_TEST

/* The host gets what is turned, and what it was; both as they are in rows. */
START_TEST(the_host_gets_both_sides_of_a_transpose)
{
  float x[ROWS * 16], a[ROWS * 16], y[ROWS * 16];
  void *in[] = {x}, *out[] = {a, y};
  uint32_t of = product("a", tni_g_input(b, "x", TN_F32, DIMS(ROWS, 16)), 16);
  fill(x, TNI_COUNT(x), 3);
  tni_g_output(b, of);
  tni_g_output(b, add("transpose", "y", of, TNI_NO_VALUE, TNI_NO_VALUE, 1, (tni_attr[]){INTS("perm", 1, 0)}));
  run(finish(), in, out);
  for (int i = 0; i < ROWS * 16; i++) ck_assert_float_eq(y[i % 16 * ROWS + i / 16], a[i]);
}
END_TEST

/* A part is read in an order of the nodes in which it is not known yet that the whole lies in the transpose. */
START_TEST(the_host_gets_a_transpose_and_a_part_of_what_it_was)
{
  float x[2 * ROWS * 16], y[2 * ROWS * 16], z[ROWS * 16];
  void *in[] = {x}, *out[] = {y, z};
  uint32_t a = add1("exp", "a", tni_g_input(b, "x", TN_F32, DIMS(2, ROWS, 16)));
  fill(x, TNI_COUNT(x), 3);
  tni_g_output(b, turned("y", a, 1, 0, 2));
  tni_g_output(b, add1("neg", "z", part("s", a, 0, 1, 2, 1)));
  run(finish(), in, out);
  for (int i = 0; i < ROWS * 16; i++) ck_assert_float_eq(z[i], -y[i / 16 * 32 + 16 + i % 16]);
}
END_TEST

/* ---- text and refusals ------------------------------------------------------------------------------------------- */

START_TEST(what_was_fused_is_read_back_and_planned)
{
  char *text;
  tn_program *back;
  tn_error *err;
  tni_arena arena;
  tni_plan plan;
  const void **constants;
  tni_g_output(b, join("y", 1, add1("exp", "a", tni_g_input(b, "x", TN_F32, DIMS(ROWS, 16))),
                       add1("abs", "b", tni_g_input(b, "z", TN_F32, DIMS(ROWS, 16))), TNI_NO_VALUE));
  optimize(finish());
  ck_assert_int_eq(tn_program_print(target, &text, NULL), TN_OK);
  ck_assert_ptr_nonnull(strstr(text, "out: f32[3, 16] strides (32, 1)"));
  tn_program_parse(ctx, text, strlen(text), "fused", &back, &err);
  ck_assert_msg(back != NULL, "%s", tn_error_text(err));
  tni_arena_init(&arena, ctx);
  ck_assert_int_eq(tni_graph_plan(tn_program_graph(back, "main"), &arena, &plan, &constants, NULL), TN_OK);
  ck_assert_uint_eq(plan.step_count, 2);
  tni_arena_destroy(&arena);
  tn_text_destroy(text);
  tn_program_destroy(back);
}
END_TEST

START_TEST(a_call_on_a_value_that_lies_in_other_strides_is_refused)
{
  static const char text[] = "func f(x: f32[3, 16], out: f32[3, 16] strides (32, 1)) {\n}\n"
                             "graph main(x: f32[3, 16]) -> (y) {\n  y: f32[3, 16] = call f(x)\n}\n";
  tn_program *back;
  tn_error *err;
  tni_arena arena;
  tni_plan plan;
  const void **constants;
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "text", &back, &err), TN_OK);
  tni_arena_init(&arena, ctx);
  ck_assert_int_eq(tni_graph_plan(tn_program_graph(back, "main"), &arena, &plan, &constants, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), "graph: y: parameter 2 of `f` has other strides than the value has where it lies");
  tn_error_destroy(err);
  tni_arena_destroy(&arena);
  tn_program_destroy(back);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("place");
  tcase_add_test(tests, parts_are_written_in_their_places);
  tcase_add_test(tests, places_are_seen_through_views);
  tcase_add_test(tests, a_concatenation_lies_at_the_start_of_a_longer_one);
  tcase_add_test(tests, a_concatenation_lies_in_another);
  tcase_add_test(tests, what_cannot_lie_there_is_copied);
  tcase_add_test(tests, the_host_gets_its_outputs_in_memory_of_their_own);
  tcase_add_test(tests, slices_are_read_where_they_lie);
  tcase_add_test(tests, transposes_are_other_strides);
  tcase_add_test(tests, transposes_that_nobody_can_follow_are_copies);
  tcase_add_test(tests, the_host_gets_both_sides_of_a_transpose);
  tcase_add_test(tests, the_host_gets_a_transpose_and_a_part_of_what_it_was);
  tcase_add_test(tests, what_was_fused_is_read_back_and_planned);
  tcase_add_test(tests, a_call_on_a_value_that_lies_in_other_strides_is_refused);
  return suite_run_case("place", tests, 60, setup, teardown);
}
