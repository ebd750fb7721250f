/* test_schedule.c -- schedules from C: forks, handles, what fails without memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "../lib/fault.h"
#include "sched.h"

static const char matmul[] = "func matmul(A: f32[64, 64], B: f32[64, 64], C: f32[64, 64]) {\n"
                             "  for i in 0..64 { for j in 0..64 { for k in 0..64 {\n"
                             "    block C(i_1: 0..64 = i, j_1: 0..64 = j, reduce k_1: 0..64 = k) {\n"
                             "      init { C[i_1, j_1] = 0.0:f32 }\n"
                             "      C[i_1, j_1] = fma(A[i_1, k_1], B[k_1, j_1], C[i_1, j_1])\n"
                             "  } } } } }\n";

static tn_context *ctx;
static tn_program *program;
static tn_schedule *s;

static void setup(void) {
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_parse(ctx, matmul, sizeof matmul - 1, "t.tn", &program, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(program, tn_program_func_at(program, 0), &s, NULL), TN_OK);
}

static void teardown(void) {
  tn_schedule_destroy(s);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static void expect_error(tn_status status, tn_status wanted, tn_error **error, const char *text) {
  ck_assert_int_eq(status, wanted);
  ck_assert_str_eq(tn_error_text(*error), text);
  tn_error_destroy(*error);
}

/* ---- forks ---- */

START_TEST(a_fork_goes_on_and_leaves_its_parent)
{
  tn_schedule *a, *b;
  tn_block_ref block;
  tn_loop loops[3], tiles[2];
  size_t count = 3;
  int64_t factors[] = {0, 8};
  ck_assert_int_eq(tn_get_block(s, "C", &block, NULL), TN_OK);
  ck_assert_int_eq(tn_get_loops(s, block, loops, &count, NULL), TN_OK);
  char *before = strdup(tn_schedule_text(s));
  ck_assert_int_eq(tn_schedule_fork(s, &a, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_fork(s, &b, NULL), TN_OK);
  ck_assert_int_eq(tn_split(a, loops[0], 2, factors, tiles, NULL), TN_OK); /* handles of the parent hold */
  ck_assert_int_eq(tn_unroll(b, loops[2], NULL), TN_OK);
  ck_assert_str_eq(tn_schedule_text(s), before);
  ck_assert_str_eq(tn_schedule_trace(a),
                   "b1 = get_block(\"C\")\nl2, l3, l4 = get_loops(b1)\nl5, l6 = split(l2, [0, 8])\n");
  ck_assert_str_eq(tn_schedule_trace(b), "b1 = get_block(\"C\")\nl2, l3, l4 = get_loops(b1)\nunroll(l4)\n");
  free(before);
  tn_schedule_destroy(a);
  tn_schedule_destroy(b);
}
END_TEST

START_TEST(a_schedule_with_forks_does_not_change)
{
  tn_schedule *fork;
  tn_error *error;
  static const char text[] = "schedule: matmul: the schedule has forks\n"
                             "needs: a fork of its own to go on, or the others to be destroyed";
  ck_assert_int_eq(tn_schedule_fork(s, &fork, NULL), TN_OK);
  tn_block_ref block;
  expect_error(tn_get_block(s, "C", &block, &error), TN_E_INVALID, &error, text);
  ck_assert_int_eq(block, 0);
  expect_error(tn_schedule_run(s, "unroll(k)", &error), TN_E_INVALID, &error, text);
  ck_assert_str_eq(tn_schedule_trace(s), "");
  tn_schedule_destroy(fork);
  ck_assert_int_eq(tn_schedule_run(s, "unroll(k)", NULL), TN_OK);
}
END_TEST

/* What a fork needs of its parents lives on without them. */
START_TEST(forks_outlive_their_parents)
{
  tn_schedule *middle, *last;
  ck_assert_int_eq(tn_schedule_run(s, "a, b = split(i, [0, 8])", NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_fork(s, &middle, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_run(middle, "c, d = split(j, [0, 16])", NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_fork(middle, &last, NULL), TN_OK);
  tn_schedule_destroy(s);
  tn_schedule_destroy(middle);
  s = last;
  ck_assert_int_eq(tn_schedule_run(s, "reorder([a, c, b, d])\nvectorize(d)", NULL), TN_OK);
  ck_assert_str_eq(tn_schedule_trace(s), "a, b = split(C[0], [0, 8])\nc, d = split(C[2], [0, 16])\n"
                                         "reorder([a, c, b, d])\nvectorize(d)\n");
}
END_TEST

static void *go_on(void *arg) {
  static const char *const lines[] = {"c, d = split(j, [0, 16])\nreorder([a, c, b, d])\nvectorize(d)\n",
                                      "c, d = split(k, [0, 4])\nunroll(d)\nparallel(a)\n"};
  tn_schedule *fork = arg;
  for (int i = 0; i < 20; i++) {
    tn_schedule *next;
    bool ok = tn_schedule_fork(fork, &next, NULL) == TN_OK && tn_schedule_run(next, lines[i % 2], NULL) == TN_OK;
    tn_schedule_destroy(next);
    if (!ok) return NULL;
  }
  tn_schedule_destroy(fork);
  return arg;
}

START_TEST(forks_run_on_threads_of_their_own)
{
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  ck_assert_int_eq(tn_schedule_run(s, "a, b = split(i, [0, 8])", NULL), TN_OK);
  for (int i = 0; i < THREADS; i++) {
    tn_schedule *fork;
    ck_assert_int_eq(tn_schedule_fork(s, &fork, NULL), TN_OK);
    ck_assert_int_eq(pthread_create(&threads[i], NULL, go_on, fork), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    void *done;
    pthread_join(threads[i], &done);
    ck_assert_ptr_nonnull(done);
  }
  ck_assert_int_eq(tn_schedule_run(s, "unroll(b)", NULL), TN_OK);
}
END_TEST

/* ---- handles ---- */

START_TEST(a_handle_of_the_wrong_kind_is_refused)
{
  tn_block_ref block;
  tn_loop loops[3];
  size_t count = 3;
  tn_error *error;
  ck_assert_int_eq(tn_get_block(s, "C", &block, NULL), TN_OK);
  ck_assert_int_eq(tn_get_loops(s, block, loops, &count, NULL), TN_OK);
  expect_error(tn_unroll(s, block, &error), TN_E_REFUSED, &error,
               "schedule: unroll: argument `loop` is a block, not a loop");
  expect_error(tn_compute_inline(s, loops[0], &error), TN_E_REFUSED, &error,
               "schedule: compute_inline: argument `block` is a loop, not a block");
  expect_error(tn_unroll(s, 0, &error), TN_E_REFUSED, &error,
               "schedule: unroll: argument `loop` is no handle of this schedule");
  expect_error(tn_unroll(s, 99, &error), TN_E_REFUSED, &error,
               "schedule: unroll: argument `loop` is no handle of this schedule");
}
END_TEST

START_TEST(a_text_that_is_missing_is_refused)
{
  tn_error *error;
  tn_block_ref block;
  expect_error(tn_get_block(s, NULL, &block, &error), TN_E_REFUSED, &error,
               "schedule: get_block: argument `name` is missing");
}
END_TEST

static tn_status count_words(tni_step *step) {
  return tni_step_refuse(step, NULL, "the word is number %d of the list", (int)step->args[0].number);
}

/* What could not be read back is refused; names that are none are left away. */
START_TEST(what_a_trace_cannot_say_is_refused)
{
  char text[300];
  tn_loop loops[65] = {0};
  tn_block_ref block;
  tn_error *error;
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = 0;
  expect_error(tn_get_block(s, text, &block, &error), TN_E_REFUSED, &error,
               "schedule: get_block: argument `name` has more than 255 characters");
  expect_error(tn_reorder(s, 65, loops, &error), TN_E_REFUSED, &error,
               "schedule: reorder: argument `loops` has more than 64 elements");
  tn_schedule_name_next(s, "not a name");
  ck_assert_int_eq(tn_get_block(s, "C", &block, NULL), TN_OK);
  ck_assert_str_eq(tn_schedule_trace(s), "b1 = get_block(\"C\")\n");
}
END_TEST

/* An argument that is one of some words; the first one when it is left out. */
START_TEST(words_are_found_in_the_list)
{
  static const tni_primitive paint = {.name = "paint",
                                      .params = {{"colour", TNI_ARG_word, true, "red|green|blue"}},
                                      .results = "none",
                                      .apply = count_words};
  tni_step step = {.s = s, .primitive = &paint, .args = {tni_of_text("blue")}};
  tn_error *error;
  expect_error(tni_invoke(&step, &error), TN_E_REFUSED, &error, "schedule: paint: the word is number 2 of the list");
  step = (tni_step){.s = s, .primitive = &paint};
  expect_error(tni_invoke(&step, &error), TN_E_REFUSED, &error, "schedule: paint: the word is number 0 of the list");
  step = (tni_step){.s = s, .primitive = &paint, .args = {tni_of_text("gree")}};
  expect_error(tni_invoke(&step, &error), TN_E_REFUSED, &error,
               "schedule: paint: `gree` is not one of the words for `colour`: red|green|blue");
}
END_TEST

/* ---- externals ---- */

START_TEST(what_externals_see_is_not_moved)
{
  static const char text[] = "extern noise(f32): f32\n"
                             "extern log(ptr): void\n"
                             "func f(X: f32[4], Y: f32[4]) {\n"
                             "  alloc S: f32[4]\n"
                             "  alloc T: f32[4]\n"
                             "  for i in 0..4 { block S(a: 0..4 = i) { S[a] = @noise(X[a]) } }\n"
                             "  for i in 0..4 { block T(a: 0..4 = i) { T[a] = Y[a] } }\n"
                             "  call log(&Y)\n"
                             "  for i in 0..4 { block X(a: 0..4 = i) { X[a] = S[a] + T[a] } }\n"
                             "}\n";
  static const char calls[] = "schedule: compute_inline: the block calls an external\n",
                    given[] = "schedule: compute_inline: an input of the block is given to an external\n";
  tn_program *other;
  tn_schedule *o;
  tn_error *error;
  ck_assert_int_eq(tn_program_parse(ctx, text, sizeof text - 1, "t.tn", &other, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(other, tn_program_func_at(other, 0), &o, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_run(o, "compute_inline(S)", &error), TN_E_REFUSED);
  ck_assert_int_eq(strncmp(tn_error_text(error), calls, sizeof calls - 1), 0);
  tn_error_destroy(error);
  ck_assert_int_eq(tn_schedule_run(o, "compute_inline(T)", &error), TN_E_REFUSED);
  ck_assert_int_eq(strncmp(tn_error_text(error), given, sizeof given - 1), 0);
  tn_error_destroy(error);
  tn_schedule_destroy(o);
  tn_program_destroy(other);
}
END_TEST

/* ---- schedules ---- */

START_TEST(only_tensor_functions_are_scheduled)
{
  tn_schedule *other;
  tn_error *error;
  expect_error(tn_schedule_create(program, NULL, &other, &error), TN_E_INVALID, &error,
               "schedule: only a tensor function of the program can be scheduled");
  ck_assert_ptr_null(other);
}
END_TEST

/* What is private to an iteration of a loop is found out over the nodes that the schedule made, which the program has not. */
START_TEST(a_function_means_the_same_before_it_is_committed)
{
  static const char text[] = "func f(X: f32[3], Y: f32[2, 4]) {\n"
                             "  alloc T: f32[3]\n"
                             "  for i in 0..3 { block T(a: 0..3 = i) { T[a] = X[a] * 2.0:f32 } }\n"
                             "  for i in 0..2 { for j in 0..4 { for k in 0..2 {\n"
                             "    block Y(a: 0..2 = i, b: 0..4 = j, reduce c: 0..2 = k) {\n"
                             "      init { Y[a, b] = 0.0:f32 }\n"
                             "      Y[a, b] = Y[a, b] + T[b - c if c <= b && b - c < 3]\n"
                             "  } } } } }\n";
  float x[] = {1, 2, 3}, y[8], want[] = {2, 6, 10, 6, 2, 6, 10, 6};
  int64_t length = 3, shape[] = {2, 4};
  DLTensor tensors[] = {{.data = x, .device = {kDLCPU, 0}, .ndim = 1, .dtype = {kDLFloat, 32, 1}, .shape = &length},
                        {.data = y, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = shape}};
  tn_value args[] = {tn_value_tensor(&tensors[0]), tn_value_tensor(&tensors[1])};
  tn_program *other;
  tn_schedule *o;
  const tn_func *func;
  ck_assert_int_eq(tn_program_parse(ctx, text, sizeof text - 1, "t.tn", &other, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(other, tn_program_func_at(other, 0), &o, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_run(o, "all = fuse([Y[0], Y[1]])\ncompute_at(T, all)\nvectorize(all)\n", NULL), TN_OK);
  ck_assert_int_eq(tni_schedule_finish(o, &o->region, &func, NULL), TN_OK);
  const tn_func *both[] = {o->func, func};
  for (size_t k = 0; k < TNI_COUNT(both); k++) {
    memset(y, 0, sizeof y);
    ck_assert_int_eq(tn_func_interpret(both[k], args, 2, NULL), TN_OK);
    ck_assert_mem_eq(y, want, sizeof y);
  }
  tn_schedule_destroy(o);
  tn_program_destroy(other);
}
END_TEST

/* ---- traces ---- */

START_TEST(lines_that_do_nothing_are_dropped)
{
  char *simple;
  ck_assert_int_eq(tn_schedule_run(s,
                                   "b = get_block(\"C\")\n"
                                   "x, y, z = get_loops(b)\n"
                                   "t = sample_perfect_tile(z, 2)\n"
                                   "annotate(x, \"note\", 1)\n"
                                   "u = add_unit_loop(y)\n"
                                   "annotate(x, \"note\", 2)\n"
                                   "annotate(z, \"gone\", 1)\n"
                                   "unroll(z)\n"
                                   "o = outputs()\n"
                                   "unannotate(z, \"gone\")\n"
                                   "reorder([x, y])\n",
                                   NULL),
                   TN_OK);
  ck_assert_int_eq(tn_schedule_simplify(s, &simple, NULL), TN_OK);
  ck_assert_str_eq(simple, "b = get_block(\"C\")\n"
                           "x, y, z = get_loops(b)\n"
                           "u = add_unit_loop(y)\n"
                           "annotate(x, \"note\", 2)\n"
                           "unroll(z)\n");
  tn_text_destroy(simple);
}
END_TEST

/* A matmul of another size with other names, and no trace of the first one's loops. */
static const char smaller[] = "func product(X: f32[32, 48], Y: f32[48, 24], Z: f32[32, 24]) {\n"
                              "  for r in 0..32 { for c in 0..24 { for s in 0..48 {\n"
                              "    block C(p: 0..32 = r, q: 0..24 = c, reduce t: 0..48 = s) {\n"
                              "      init { Z[p, q] = 0.0:f32 }\n"
                              "      Z[p, q] = fma(X[p, t], Y[t, q], Z[p, q])\n"
                              "  } } } } }\n";

START_TEST(a_trace_leads_on_from_other_shapes)
{
  static const char lines[] = "a, b = sample_perfect_tile(C[0], 2) @ [8, 8]\n"
                              "o, i = split(C[0], [a, b])\n"
                              "n, m = split(C[2], [0, 8])\n"
                              "reorder([o, n, i, m])\n"
                              "unroll(m)\n";
  tn_program *other;
  tn_schedule *again;
  tn_error *error;
  ck_assert_int_eq(tn_schedule_run(s, lines, NULL), TN_OK);
  ck_assert_str_eq(tn_schedule_trace(s), "a, b = sample_perfect_tile(C[0], 2) @ [8, 8]\n"
                                         "o, i = split(C[0], [a, b])\n"
                                         "n, m = split(C[2], [0, 8])\n"
                                         "reorder([o, n, i, m])\n"
                                         "unroll(m)\n");
  ck_assert_int_eq(tn_program_parse(ctx, smaller, sizeof smaller - 1, "t.tn", &other, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(other, tn_program_func_at(other, 0), &again, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_run(again, tn_schedule_trace(s), &error), TN_E_REFUSED);
  ck_assert_ptr_nonnull(strstr(tn_error_text(error), "the factors of the decision are not those of the extent"));
  tn_error_destroy(error);
  ck_assert_int_eq(tn_schedule_redraw(again, tn_schedule_trace(s), NULL), TN_OK);
  ck_assert_str_eq(tn_schedule_trace(again), "a, b = sample_perfect_tile(C[0], 2) @ [32, 1]\n"
                                             "o, i = split(C[0], [a, b])\n"
                                             "n, m = split(C[2], [0, 8])\n"
                                             "reorder([o, n, i, m])\n"
                                             "unroll(m)\n");
  tn_schedule_destroy(again);
  tn_program_destroy(other);
}
END_TEST

/* The first outputs of splitmix64 from seed 0, and what they choose. */
START_TEST(draws_are_those_of_the_documented_generator)
{
  tn_schedule_seed(s, 0);
  ck_assert_uint_eq(tni_draw(s), UINT64_C(0xe220a8397b1dcdaf));
  ck_assert_uint_eq(tni_draw(s), UINT64_C(0x6e789e6aa1b965f4));
  ck_assert_uint_eq(tni_draw(s), UINT64_C(0x06c45d188009454f));
  tn_schedule_seed(s, 0);
  ck_assert_uint_eq(tni_choose(s, 1000), UINT64_C(0xe220a8397b1dcdaf) % 1000);
}
END_TEST

/* ---- templates ---- */

static const double even[] = {1, 1};

/* Tiles of i with an inner loop of at most 16, unrolled or vectorized; or refused, with 3 lanes. */
static tn_status tile(void *self, tn_schedule *schedule, tn_error **err) {
  int64_t tiles[2], vector;
  static const int64_t choices[] = {0, 1};
  tn_loop out[2];
  tn_block_ref block;
  tn_loop loops[3];
  size_t count = 3;
  (void)self;
  tn_status status = tn_get_block(schedule, "C", &block, err);
  if (!status) status = tn_get_loops(schedule, block, loops, &count, err);
  tn_schedule_name_next(schedule, "tile");
  if (!status) status = tn_sample_perfect_tile(schedule, loops[0], 2, 16, tiles, err);
  tn_schedule_name_next(schedule, "vector");
  if (!status) status = tn_sample_categorical(schedule, 2, choices, even, &vector, err);
  if (!status) status = tn_split(schedule, loops[0], 2, tiles, out, err);
  if (!status && tn_schedule_number(schedule, vector)) status = tn_vectorize(schedule, loops[2], err);
  if (!status) status = tn_unroll(schedule, out[1], err);
  return status;
}
static const tn_template tile_template = {"tile", tile, NULL};

START_TEST(a_template_spans_a_space)
{
  uint64_t size;
  char *texts[10];
  tn_error *error;
  ck_assert_int_eq(tn_template_size(&tile_template, s, &size, NULL), TN_OK);
  ck_assert_uint_eq(size, 10); /* 1, 2, 4, 8, 16; twice */
  for (uint64_t i = 0; i < size; i++) {
    ck_assert_int_eq(tn_template_text(&tile_template, s, i, &texts[i], &error), i < 5 ? TN_OK : TN_E_REFUSED);
    tn_error_destroy(error);
    for (uint64_t k = 0; k < i && texts[i]; k++) ck_assert_str_ne(texts[i], texts[k]);
  }
  ck_assert_str_eq(texts[2], "tile_0, tile_1 = [16, 4]\nvector = [0]\n");
  for (uint64_t i = 0; i < size; i++) tn_text_destroy(texts[i]);
  ck_assert_str_eq(tn_schedule_trace(s), "");
}
END_TEST

START_TEST(a_configuration_is_applied_whole_or_not)
{
  tn_error *error;
  ck_assert_int_eq(tn_template_apply(&tile_template, s, 7, NULL), TN_E_REFUSED); /* k of a sum has no lanes */
  ck_assert_str_eq(tn_schedule_trace(s), "");
  expect_error(tn_template_apply(&tile_template, s, 10, &error), TN_E_INVALID, &error,
               "template: tile: configuration 10 is beyond the space of 10");
  ck_assert_str_eq(tn_schedule_trace(s), "");
  ck_assert_int_eq(tn_template_apply(&tile_template, s, 3, NULL), TN_OK);
  ck_assert_str_eq(tn_schedule_trace(s), "b1 = get_block(\"C\")\n"
                                         "l2, l3, l4 = get_loops(b1)\n"
                                         "tile_0, tile_1 = sample_perfect_tile(l2, 2, max_innermost=16) @ [8, 8]\n"
                                         "vector = sample_categorical([0, 1], [1.0, 1.0]) @ [0]\n"
                                         "l8, l9 = split(l2, [tile_0, tile_1])\n"
                                         "unroll(l9)\n");
}
END_TEST

/* ---- the manual, and facts ---- */

START_TEST(the_manual_has_every_primitive)
{
  char *text;
  tn_error *error;
  ck_assert_int_eq(tn_schedule_manual(ctx, NULL, &text, NULL), TN_OK);
  for (size_t i = 0; i < TNI_PRIMITIVE_COUNT; i++) ck_assert_ptr_nonnull(strstr(text, tni_primitives[i].meaning));
  tn_text_destroy(text);
  ck_assert_int_eq(tn_schedule_manual(ctx, "sample_perfect_tile", &text, NULL), TN_OK);
  ck_assert_str_eq(text,
                   "sample_perfect_tile(loop, count: integer, max_innermost: integer=16) -> numbers [@ decision]\n"
                   "    factors of a loop's extent, for split\n"
                   "    Their product is the constant extent, and the last is at most max_innermost. All such\n"
                   "    tilings are equally likely.\n");
  tn_text_destroy(text);
  expect_error(tn_schedule_manual(ctx, "weave", &text, &error), TN_E_NOT_FOUND, &error,
               "schedule: weave: there is no such primitive");
  ck_assert_ptr_null(text);
}
END_TEST

/* Tiles of 8 x 8: a run of the loops over a tile touches 8 rows of A, 8 columns of B and the tile. */
START_TEST(footprints_and_traffic_are_told)
{
  const tn_target *target;
  char *text;
  ck_assert_int_eq(tn_target_get(ctx, "x86-64-v3", &target, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_run(s, "a, b = split(i, [0, 8])\nc, d = split(j, [0, 8])\nreorder([a, c, b, d])", NULL),
                   TN_OK);
  ck_assert_int_eq(tn_schedule_explain(s, target, 1, &text, NULL), TN_OK);
  ck_assert_str_eq(text, "loop                                           trips        runs     footprint\n"
                         "for i in 0..8                                      8           1      48.0 KiB\n"
                         "  for j in 0..8                                    8           8      20.0 KiB\n"
                         "    for i_1 in 0..8                                8          64       4.2 KiB\n"
                         "      for j_1 in 0..8                              8         512       2.2 KiB\n"
                         "        for k in 0..64                            64        4096         516 B\n"
                         "traffic: 160.0 KiB into L1 of 32.0 KiB, 48.0 KiB into L2 of 512.0 KiB, "
                         "48.0 KiB into L3 of 8.0 MiB\n");
  tn_text_destroy(text);
}
END_TEST

/* ---- without memory ---- */

static tn_status fork_and_commit(tn_schedule *a) {
  tn_schedule *b = NULL;
  tn_status status = tn_schedule_run(a, "io, ii = split(i, [0, 8])\nb = cache_write(C, \"global\")", NULL);
  if (!status) status = tn_schedule_fork(a, &b, NULL);
  if (!status) status = tn_schedule_run(b, "reorder([ii, C[2]])\nunroll(\"C\"[-1])\n", NULL);
  if (!status && (!tn_schedule_trace(b) || !tn_schedule_text(b))) status = TN_E_NOMEM;
  if (!status) status = tn_schedule_commit(b, NULL, NULL);
  tn_schedule_destroy(b);
  return status;
}

static tn_status explain(tn_schedule *a) {
  const tn_target *target;
  char *text = NULL;
  tn_status status = tn_target_get(a->ctx, "x86-64-v3", &target, NULL);
  if (!status) status = tn_schedule_explain(a, target, 1, &text, NULL);
  tn_text_destroy(text);
  if (!status) status = tn_schedule_manual(a->ctx, "split", &text, NULL);
  tn_text_destroy(text);
  return status;
}

static tn_status simplify(tn_schedule *a) {
  char *text = NULL;
  tn_status status = tn_schedule_run(a, "b = get_block(\"C\")\nannotate(C, \"a\", 1)\nunannotate(C, \"a\")\n", NULL);
  if (!status) status = tn_schedule_simplify(a, &text, NULL);
  if (!status) ck_assert_str_eq(text, "");
  tn_text_destroy(text);
  return status;
}

static tn_status use_template(tn_schedule *a) {
  uint64_t size;
  char *text = NULL;
  tn_status status = tn_template_size(&tile_template, a, &size, NULL);
  if (!status) status = tn_template_text(&tile_template, a, 3, &text, NULL);
  tn_text_destroy(text);
  return status ? status : tn_template_apply(&tile_template, a, 3, NULL);
}

typedef tn_status (*scenario)(tn_schedule *a);
static const scenario scenarios[] = {fork_and_commit, explain, simplify, use_template};

static tn_status work(tn_context *c, const void *what) {
  tn_program *p = NULL;
  tn_schedule *a = NULL;
  tn_status status = tn_program_parse(c, matmul, sizeof matmul - 1, "t.tn", &p, NULL);
  if (!status) status = tn_schedule_create(p, tn_program_func_at(p, 0), &a, NULL);
  if (!status) status = (*(const scenario *)what)(a);
  tn_schedule_destroy(a);
  tn_program_destroy(p);
  return status;
}

START_TEST(without_memory_nothing_is_lost)
{ fault_walk(work, &scenarios[_i / 2], _i % 2); }
END_TEST

int main(void) {
  Suite *suite = suite_create("schedule");
  TCase *t = tcase_create("schedule"), *memory = tcase_create("memory");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, a_fork_goes_on_and_leaves_its_parent);
  tcase_add_test(t, a_schedule_with_forks_does_not_change);
  tcase_add_test(t, forks_outlive_their_parents);
  tcase_add_test(t, forks_run_on_threads_of_their_own);
  tcase_add_test(t, a_handle_of_the_wrong_kind_is_refused);
  tcase_add_test(t, a_text_that_is_missing_is_refused);
  tcase_add_test(t, what_a_trace_cannot_say_is_refused);
  tcase_add_test(t, words_are_found_in_the_list);
  tcase_add_test(t, what_externals_see_is_not_moved);
  tcase_add_test(t, only_tensor_functions_are_scheduled);
  tcase_add_test(t, a_function_means_the_same_before_it_is_committed);
  tcase_add_test(t, lines_that_do_nothing_are_dropped);
  tcase_add_test(t, a_trace_leads_on_from_other_shapes);
  tcase_add_test(t, draws_are_those_of_the_documented_generator);
  tcase_add_test(t, a_template_spans_a_space);
  tcase_add_test(t, a_configuration_is_applied_whole_or_not);
  tcase_add_test(t, the_manual_has_every_primitive);
  tcase_add_test(t, footprints_and_traffic_are_told);
  tcase_add_loop_test(memory, without_memory_nothing_is_lost, 0, 2 * (int)TNI_COUNT(scenarios));
  suite_add_tcase(suite, t);
  tcase_set_timeout(memory, 60);
  suite_add_tcase(suite, memory);
  return suite_run(suite);
}
