/* test_steps.c -- what a model's steps are, what an observer sees of a run, and plans without code.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "opened.h"

/* y = relu(x w), z = x: a product with what follows it, and a copy. */
static int64_t shape_x[] = {2, 3}, shape_w[] = {3, 4}, shape_y[] = {2, 4};
static const float weights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static bytes layer(void) {
  bytes g = {0};
  add_node(&g, node("MatMul", "product", "x w", "p"));
  add_node(&g, node("Relu", "positive", "p", "y"));
  add_node(&g, node("Identity", "same", "x", "z"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, shape_w, weights, sizeof weights));
  add_input(&g, "x", 2, shape_x);
  add_output(&g, "y");
  add_output(&g, "z");
  return g;
}

/* y = (x w) (x v): a step that reads two others' results. */
static bytes diamond(void) {
  bytes g = {0};
  add_node(&g, node("MatMul", "left", "x w", "a"));
  add_node(&g, node("MatMul", "right", "x v", "b"));
  add_node(&g, node("MatMul", "both", "a b", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, (int64_t[]){3, 3}, weights, 36));
  add_weight(&g, tensor_raw("v", ONNX_FLOAT, 2, (int64_t[]){3, 3}, weights + 3, 36));
  add_input(&g, "x", 2, (int64_t[]){3, 3});
  add_output(&g, "y");
  return g;
}

START_TEST(steps_say_what_they_are_made_of)
{
  const tn_model *m = compile_graph(layer());
  tn_step_info s = {.struct_size = sizeof s};
  ck_assert_uint_eq(tn_model_step_count(m), 2);
  tn_model_step(m, 0, &s);
  ck_assert_str_eq(s.name, "fused_matmul_relu");
  ck_assert_str_eq(s.operators, "matmul relu");
  ck_assert_str_eq(s.nodes, "product, positive");
  ck_assert_double_eq(s.operations, 2 * 2 * 3 * 4 + 8); /* multiply-adds, and a maximum each */
  ck_assert_double_eq(s.read_bytes, 4 * (6 + 12));
  ck_assert_double_eq(s.written_bytes, 4 * 8);
  ck_assert_uint_eq(s.from_count, 0);
  tn_model_step(m, 1, &s);
  ck_assert_str_eq(s.name, "copy");
  ck_assert_str_eq(s.operators, "");
  ck_assert_double_eq(s.operations, 0);
  ck_assert_double_eq(s.read_bytes, 24);
  ck_assert_double_eq(s.written_bytes, 24);
}
END_TEST

START_TEST(steps_say_whose_results_they_read)
{
  const tn_model *m = compile_graph(diamond());
  tn_step_info s = {.struct_size = sizeof s};
  ck_assert_uint_eq(tn_model_step_count(m), 3);
  tn_model_step(m, 2, &s);
  ck_assert_str_eq(s.nodes, "both");
  ck_assert_uint_eq(s.from_count, 2);
  ck_assert_uint_eq(s.from[0], 0);
  ck_assert_uint_eq(s.from[1], 1);
}
END_TEST

/* y = (x w | x v) u: a step that reads what two others wrote to parts of one buffer. */
static bytes joined(void) {
  static const float wide[32 * 16] = {1, 2, 3};
  bytes g = {0}, join = node("Concat", "join", "a b", "c");
  add_node(&g, node("MatMul", "left", "x w", "a"));
  add_node(&g, node("MatMul", "right", "x v", "b"));
  attr_int(&join, "axis", 1);
  add_node(&g, join);
  add_node(&g, node("MatMul", "both", "c u", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, (int64_t[]){3, 16}, wide, 3 * 16 * 4));
  add_weight(&g, tensor_raw("v", ONNX_FLOAT, 2, (int64_t[]){3, 16}, wide + 1, 3 * 16 * 4));
  add_weight(&g, tensor_raw("u", ONNX_FLOAT, 2, (int64_t[]){32, 4}, wide, 32 * 4 * 4));
  add_input(&g, "x", 2, (int64_t[]){3, 3});
  add_output(&g, "y");
  return g;
}

START_TEST(steps_read_through_what_only_shows_results)
{
  const tn_model *m = compile_graph(joined());
  tn_step_info s = {.struct_size = sizeof s};
  ck_assert_uint_eq(tn_model_step_count(m), 3);
  tn_model_step(m, 2, &s);
  ck_assert_str_eq(s.nodes, "both");
  ck_assert_uint_eq(s.from_count, 2);
  ck_assert_uint_eq(s.from[0], 0);
  ck_assert_uint_eq(s.from[1], 1);
}
END_TEST

START_TEST(a_host_of_an_older_header_gets_what_it_knows)
{
  const tn_model *m = compile_graph(layer());
  tn_step_info s = {.struct_size = offsetof(tn_step_info, operators), .operators = "untouched"};
  tn_model_step(m, 0, &s);
  ck_assert_str_eq(s.name, "fused_matmul_relu");
  ck_assert_str_eq(s.operators, "untouched");
  ck_assert_uint_eq(s.struct_size, offsetof(tn_step_info, operators));
}
END_TEST

/* ---- observers --------------------------------------------------------------------------------------------------- */

enum { MAX_SEEN = 256 };
static struct seen {
  int32_t kind;
  uint32_t number;
  uint64_t thread, begin, end;
} seen[MAX_SEEN];
static atomic_size_t seen_count;

static void see(void *self, const tn_event *e) {
  size_t i = atomic_fetch_add(&seen_count, 1);
  ck_assert_ptr_eq(self, &seen_count);
  ck_assert_uint_eq(e->struct_size, sizeof *e);
  ck_assert_uint_lt(i, MAX_SEEN);
  seen[i] = (struct seen){e->kind, e->number, e->thread, e->begin, e->end};
}

START_TEST(an_observer_sees_each_step_where_the_one_before_it_ends)
{
  const tn_model *m = compile_graph(diamond());
  float x[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, y[9], want[9];
  int64_t shape[] = {3, 3};
  const DLTensor in = view(TN_F32, 2, shape, x), out = view(TN_F32, 2, shape, y), other = view(TN_F32, 2, shape, want);
  const DLTensor *ins = &in, *outs = &out, *others = &other;
  const tn_observer observer = {.struct_size = sizeof observer, .event = see, .self = &seen_count};
  seen_count = 0;
  must(tn_model_run_observed(m, &ins, 1, &outs, 1, &observer, &error), error);
  must(tn_model_run(m, &ins, 1, &others, 1, &error), error);
  ck_assert_mem_eq(y, want, sizeof y);
  ck_assert_uint_eq(seen_count, 3);
  for (uint32_t i = 0; i < 3; i++) {
    ck_assert_int_eq(seen[i].kind, TN_EVENT_STEP);
    ck_assert_uint_eq(seen[i].number, i);
    ck_assert_uint_eq(seen[i].thread, seen[0].thread);
    ck_assert_uint_le(seen[i].begin, seen[i].end);
    if (i) ck_assert_uint_eq(seen[i].begin, seen[i - 1].end);
  }
}
END_TEST

START_TEST(ranges_of_parallel_loops_lie_inside_their_step)
{
  enum { N = 256 };
  static float x[N * N], w[N * N], y[N * N];
  bytes g = {0};
  fill_random(TN_F32, w, N * N, 1);
  add_node(&g, node("MatMul", "product", "x w", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, (int64_t[]){N, N}, w, sizeof w));
  add_input(&g, "x", 2, (int64_t[]){N, N});
  add_output(&g, "y");
  const tn_model *m = compile_graph(g);
  int64_t shape[] = {N, N};
  const DLTensor in = view(TN_F32, 2, shape, x), out = view(TN_F32, 2, shape, y);
  const DLTensor *ins = &in, *outs = &out;
  const tn_observer observer = {.struct_size = sizeof observer, .event = see, .self = &seen_count, .ranges = 1};
  seen_count = 0;
  must(tn_model_run_observed(m, &ins, 1, &outs, 1, &observer, &error), error);
  ck_assert_uint_ge(seen_count, 2);
  const struct seen *step = &seen[seen_count - 1]; /* when all of its ranges have come */
  ck_assert_int_eq(step->kind, TN_EVENT_STEP);
  for (size_t i = 0; i + 1 < seen_count; i++) {
    ck_assert_int_eq(seen[i].kind, TN_EVENT_RANGE);
    ck_assert_uint_ge(seen[i].begin, step->begin);
    ck_assert_uint_le(seen[i].end, step->end);
  }
}
END_TEST

START_TEST(an_observer_sees_into_models_of_open_shapes)
{
  bytes g = {0};
  const tn_model *m;
  add_node(&g, node("MatMul", "product", "x w", "p"));
  add_node(&g, node("Relu", "positive", "p", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, shape_w, weights, sizeof weights));
  add_input(&g, "x", 2, (int64_t[]){-1, 3});
  add_output(&g, "y");
  bytes file = model(13, g);
  const tn_import_desc open = {.struct_size = sizeof open, .keep_open = 1};
  must(tn_onnx_import(ctx, file.data, file.size, &open, &program, &error), error);
  free(file.data);
  module = session_compile(program, NULL);
  must(tn_module_model(module, "main", &m, &error), error);
  ck_assert_uint_eq(tn_model_step_count(m), 0);
  float x[6] = {1, 0, 0, -1, 0, 0}, y[8];
  const DLTensor in = view(TN_F32, 2, shape_x, x), out = view(TN_F32, 2, shape_y, y);
  const DLTensor *ins = &in, *outs = &out;
  const tn_observer observer = {.struct_size = sizeof observer, .event = see, .self = &seen_count};
  seen_count = 0;
  must(tn_model_run_observed(m, &ins, 1, &outs, 1, &observer, &error), error);
  ck_assert_uint_eq(seen_count, 1);
  ck_assert_float_eq(y[3], 4);
  ck_assert_float_eq(y[7], 0);
}
END_TEST

START_TEST(a_run_that_is_refused_is_not_observed)
{
  const tn_model *m = compile_graph(diamond());
  float x[9] = {0}, y[9];
  int64_t shape[] = {3, 3};
  const DLTensor in = view(TN_F32, 2, shape, x), out = view(TN_F32, 2, shape, y);
  const DLTensor *ins = &in, *outs = &out, *none = NULL;
  tn_observer observer = {.struct_size = sizeof observer, .event = see, .self = &seen_count};
  seen_count = 0;
  ck_assert_int_eq(tn_model_run_observed(m, &none, 1, &outs, 1, &observer, &error), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(error), "call: x: no tensor was given");
  tn_error_destroy(error);
  observer.struct_size = 8;
  ck_assert_int_eq(tn_model_run_observed(m, &ins, 1, &outs, 1, &observer, &error), TN_E_VERSION);
  ck_assert_str_eq(tn_error_text(error), "call: tn_observer: struct_size is 8, this library knows 32");
  tn_error_destroy(error);
  ck_assert_uint_eq(seen_count, 0);
}
END_TEST

/* ---- plans ------------------------------------------------------------------------------------------------------- */

static void import(bytes graph, const tn_import_desc *desc) {
  bytes file = model(13, graph);
  must(tn_onnx_import(ctx, file.data, file.size, desc, &program, &error), error);
  free(file.data);
}

START_TEST(a_plan_has_the_steps_and_the_memory)
{
  tn_plan *plan;
  tn_plan_info info = {.struct_size = sizeof info};
  tn_step_info step = {.struct_size = sizeof step};
  import(diamond(), NULL);
  must(tn_plan_create(program, NULL, "main", &plan, &error), error);
  tn_plan_get_info(plan, &info);
  ck_assert_uint_eq(info.steps, 3);
  ck_assert_double_eq(info.operations, 3 * 2 * 27);
  ck_assert_uint_eq(info.input_bytes, 36);
  ck_assert_uint_eq(info.output_bytes, 36);
  ck_assert_uint_eq(info.weight_bytes, 72);
  ck_assert_uint_eq(info.liveness_bytes, 72); /* both factors of the last */
  ck_assert_uint_eq(info.arena_bytes, 128);   /* each on a cache line of its own */
  ck_assert_uint_eq(info.tensors, 6);
  tn_plan_step(plan, 1, &step);
  ck_assert_str_eq(step.nodes, "right");
  tn_plan_destroy(plan);
}
END_TEST

START_TEST(a_plan_lists_tensors_from_the_largest)
{
  static const int32_t kinds[] = {TN_PLAN_WEIGHT, TN_PLAN_OUTPUT, TN_PLAN_INPUT};
  static const uint64_t sizes[] = {48, 32, 24};
  tn_plan *plan;
  tn_plan_info info = {.struct_size = sizeof info};
  tn_plan_tensor t = {.struct_size = sizeof t};
  import(layer(), NULL);
  must(tn_plan_create(program, NULL, "main", &plan, &error), error);
  tn_plan_get_info(plan, &info);
  ck_assert_uint_eq(info.tensors, 4); /* z, too */
  ck_assert_uint_eq(info.output_bytes, 32 + 24);
  for (size_t i = 0; i < 3; i++) {
    tn_plan_get_tensor(plan, i, &t);
    ck_assert_int_eq(t.kind, kinds[i]);
    ck_assert_uint_eq(t.bytes, sizes[i]);
  }
  ck_assert_str_eq(t.info.name, "x");
  ck_assert_int_eq(t.info.rank, 2);
  ck_assert_int_eq(t.info.shape[1], 3);
  tn_plan_destroy(plan);
  tn_plan_destroy(NULL);
}
END_TEST

START_TEST(there_is_no_plan_of_what_is_not_there)
{
  tn_plan *plan;
  const tn_import_desc open = {.struct_size = sizeof open, .keep_open = 1};
  import(layer(), NULL);
  ck_assert_int_eq(tn_plan_create(program, NULL, "other", &plan, &error), TN_E_NOT_FOUND);
  ck_assert_str_eq(tn_error_text(error), "build: other: the program has no graph of that name");
  ck_assert_ptr_null(plan);
  tn_error_destroy(error);
  tn_program_destroy(program);
  bytes g = {0};
  add_node(&g, node("Relu", "positive", "x", "y"));
  add_input(&g, "x", 2, (int64_t[]){-1, 3});
  add_output(&g, "y");
  import(g, &open);
  ck_assert_int_eq(tn_plan_create(program, NULL, "main", &plan, &error), TN_E_UNSUPPORTED);
  ck_assert_str_eq(tn_error_text(error),
                   "build: main: the model's shapes are known only while it runs: there is no plan of it");
  tn_error_destroy(error);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {steps_say_what_they_are_made_of,
                                steps_say_whose_results_they_read,
                                steps_read_through_what_only_shows_results,
                                a_host_of_an_older_header_gets_what_it_knows,
                                an_observer_sees_each_step_where_the_one_before_it_ends,
                                ranges_of_parallel_loops_lie_inside_their_step,
                                an_observer_sees_into_models_of_open_shapes,
                                a_run_that_is_refused_is_not_observed,
                                a_plan_has_the_steps_and_the_memory,
                                a_plan_lists_tensors_from_the_largest,
                                there_is_no_plan_of_what_is_not_there};
  return suite_run_tests("steps", tests, TNI_COUNT(tests), open_context, close_context);
}
