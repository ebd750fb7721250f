/* test_flow_control.c -- models with If, Loop, Scan and SequenceMap: their bodies run as the nodes say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow.h"

/* y = c ? yes : no; the nodes of both branches make b of x: f32[length]. */
static bytes choosing(int64_t length, const char *yes, const char *no) {
  bytes g = {0}, n = node("If", "n", "c", "y"), yes_body = {0}, no_body = {0};
  add_nodes(&yes_body, yes);
  add_output(&yes_body, "b");
  add_nodes(&no_body, no);
  add_output(&no_body, "b");
  attr_graph(&n, "then_branch", yes_body);
  attr_graph(&n, "else_branch", no_body);
  add_node(&g, n);
  add_input(&g, "x", 1, &length);
  put_message(&g, 11, value_info("c", ONNX_BOOL, 0, NULL));
  add_output(&g, "y");
  return model(12, g);
}

static void chosen(const tn_module *module, int64_t length, const float *x, bool c, int64_t count, const float *want) {
  const uint8_t choice = c;
  const DLTensor in[] = {tensor(TN_F32, 1, &length, x), tensor(TN_BOOL, 0, NULL, &choice)};
  gives(module, 2, in, 1, &count, want);
}

START_TEST(an_if_takes_its_branch)
{
  static const float x[] = {-1, 3}, twice[] = {-2, 6}, positive[] = {0, 3};
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, choosing(2, "Add x x > b", "Relu x > b"));
  chosen(module, 2, x, true, 2, twice);
  chosen(module, 2, x, false, 2, positive);
  chosen(module, 2, x, true, 2, twice);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* Where the branch is taken, what it gives is as long as it comes out. */
START_TEST(a_branch_may_narrow)
{
  static const float x[] = {7, 0, 9}, zeros[] = {0, 0, 0}, kept[] = {7, 9};
  tn_context *ctx = session_open();
  tn_module *module =
      compile(ctx, choosing(3, "NonZero x > at; Squeeze at > list; Gather x list > b", "Identity x > b"));
  chosen(module, 3, x, true, 2, kept);
  chosen(module, 3, zeros, true, 0, NULL);
  chosen(module, 3, x, false, 3, x);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* v doubles and is given each time, m times or until it is above 100; y = the values, one row each */
static bytes looping(const char *inputs, const char *body_inputs) {
  static const float hundred = 100;
  bytes g = {0}, n = node("Loop", "n", inputs, "last y"), body = {0};
  add_nodes(&body, "Add v v > w; ReduceMax w > top; LessOrEqual top hundred > more; Identity w > row");
  add_ports(&body, 11, body_inputs);
  add_ports(&body, 12, "more w row");
  attr_graph(&n, "body", body);
  add_node(&g, n);
  add_weight(&g, tensor_raw("hundred", ONNX_FLOAT, 0, NULL, &hundred, 4));
  put_message(&g, 11, value_info("m", ONNX_INT64, 0, NULL));
  add_input(&g, "x", 1, &two);
  add_output(&g, "y");
  return g;
}

static bytes loop_model(void) {
  bytes g = looping("m - x", "i c v");
  return model(13, g);
}

static const float rows_of_loop[] = {2, -6, 4, -12, 8, -24, 16, -48, 32, -96, 64, -192, 128, -384};

static void loop_times(const tn_module *module, int64_t most, int64_t rows) {
  static const float x[] = {1, -3};
  const int64_t shape[] = {rows, 2};
  const DLTensor in[] = {tensor(TN_I64, 0, NULL, &most), tensor(TN_F32, 1, &two, x)};
  gives(module, 2, in, 2, shape, rows_of_loop);
}

START_TEST(a_loop_carries_and_stacks)
{
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, loop_model());
  loop_times(module, 3, 3);
  loop_times(module, 1, 1);
  loop_times(module, 50, 7); /* the condition ends it */
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

static void loop_refused(bytes g, const char *want) {
  static const int64_t most = 2;
  static const float x[] = {1, -3};
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_tensor *made;
  tn_module *module = compile(ctx, model(13, g));
  DLTensor m = tensor(TN_I64, 0, NULL, &most), v = tensor(TN_F32, 1, &two, x);
  const DLTensor *in[] = {&m, &v};
  refused(tn_model_call(model_of(module), in, 2, &made, 1, &error), error, TN_E_INVALID, want);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}

START_TEST(what_a_loop_is_told)
{
  loop_refused(looping("m - x", "i c v k"), "call: n: Loop: the body does not fit");
  loop_refused(looping("x - x", "i c v"), "call: n: Loop: an input that controls it is not one number");
  loop_refused(looping("m - -", "i c v"), "call: n: Loop: a value that it carries is absent");
}
END_TEST

/* Node "n" of x: f32[2], m: f32[2, 2], e: f32[0, 2] and k: i64, with a body; `before` makes what it needs. */
typedef struct controlled {
  int64_t opset;
  const char *op, *before, *inputs, *outputs, *body, *body_inputs, *body_outputs;
  int64_t scans, axis;
  const char *want;
} controlled;

static bytes controlled_model(const controlled *c) {
  static const int64_t square[] = {2, 2}, empty[] = {0, 2};
  bytes g = {0}, n = node(c->op, "n", c->inputs, c->outputs), body = {0};
  add_nodes(&body, c->body);
  add_ports(&body, 11, c->body_inputs);
  add_ports(&body, 12, c->body_outputs);
  attr_graph(&n, "body", body);
  if (c->scans) attr_int(&n, "num_scan_inputs", c->scans);
  if (c->axis) attr_ints(&n, "scan_input_axes", 1, &c->axis);
  if (c->axis) attr_ints(&n, "scan_output_axes", 1, &c->axis);
  add_nodes(&g, c->before);
  add_node(&g, n);
  add_input(&g, "x", 1, &two);
  add_input(&g, "m", 2, square);
  add_input(&g, "e", 2, empty);
  put_message(&g, 11, value_info("k", ONNX_INT64, 0, NULL));
  add_ports(&g, 12, "y");
  return model(c->opset, g);
}

static tn_status run_controlled(const tn_module *module, tn_tensor **made, tn_error **error) {
  static const float x[] = {1, 2}, m[] = {1, 2, 3, 4};
  static const int64_t k = 2, square[] = {2, 2}, empty[] = {0, 2};
  const DLTensor tx = tensor(TN_F32, 1, &two, x), tm = tensor(TN_F32, 2, square, m),
                 te = tensor(TN_F32, 2, empty, NULL), tk = tensor(TN_I64, 0, NULL, &k), *in[] = {&tx, &tm, &te, &tk};
  return tn_model_call(model_of(module), in, 4, made, 1, error);
}

static const controlled refusals[] = {
    {13, "Scan", "", "x m", "s y", "Add s r > t", "s r", "t t", 3, 0,
     "Scan: `num_scan_inputs` or the body does not fit"},
    {13, "Scan", "", "x m", "s y", "Add s s > t", "s", "t t", 1, 0, "Scan: `num_scan_inputs` or the body does not fit"},
    {8, "Scan", "", "- x m", "s y", "Add s r > t", "s r q", "t t", 1, 0,
     "Scan: `num_scan_inputs` or the body does not fit"},
    {8, "Scan", "", "- x x", "s y", "Add s r > t", "s r", "t t", 1, 0, "Scan: an input cannot be cut along its axis"},
    {8, "Scan", "", "- m e", "s y", "Add s r > t", "s r", "t t", 1, 0,
     "Scan: inputs are of different length along their axes"},
    {8, "Scan", "", "x x m", "s y", "Add s r > t", "s r", "t t", 1, 0, "Scan: the lengths of sequences do not fit"},
    {8, "Scan", "", "k x m", "s y", "Add s r > t", "s r", "t t", 1, 0, "Scan: the lengths of sequences do not fit"},
    {8, "Scan", "Shape m > q; Add q q > l", "l x m", "s y", "Add s r > t", "s r", "t t", 1, 0,
     "Scan: the lengths of sequences do not fit"},
    {13, "Scan", "", "x m", "s y", "Add s r > t", "s r", "t t", 1, 5, "Scan: an input cannot be cut along its axis"},
    {13, "Scan", "", "x x m", "s y", "Add s r > t", "s q r", "t t", 2, 1,
     "Scan: an input cannot be cut along its axis"},
    {13, "Scan", "Concat m m > w", "x m w", "s y", "Add s r > t", "s r q", "t t", 2, 0,
     "Scan: inputs are of different length along their axes"},
    {13, "Scan", "", "x m", "s y", "Add s r > t; ReduceMax t > z; Squeeze z > q", "s r", "t q", 1, 1,
     "Scan: an axis is out of range"},
    {13, "Scan", "", "x e", "s y", "Add s r > t", "s r", "t t", 1, 0,
     "Scan: no iteration ran that would tell the form of an output"},
    {13, "Scan", "", "x m", "s y", "Concat s r > u", "s r", "u s", 1, 0,
     "Scan: iterations give tensors of different shapes"},
    {13, "Scan", "", "x m", "s y", "SequenceConstruct r > u", "s r", "s u", 1, 0,
     "Scan: what an iteration gives cannot be stacked"},
    {13, "Loop", "", "k - x", "v y", "Add v v > w", "i c v", "v w w", 0, 0,
     "Loop: the body's condition is not one truth value"},
    {17, "SequenceMap", "", "x", "y", "Add a a > b", "a", "b", 0, 0,
     "SequenceMap: the sequence or the body does not fit"},
    {17, "SequenceMap", "SequenceConstruct x x > p; SequenceConstruct x > q", "p q", "y", "Add a b > c", "a b", "c", 0,
     0, "SequenceMap: sequences of different length"},
    {17, "SequenceMap", "SequenceConstruct x > p", "p", "y", "SequenceConstruct a > c", "a", "c", 0, 0,
     "SequenceMap: the body gives no tensor"},
};

START_TEST(a_node_with_a_body_is_refused_with_this_message)
{
  const controlled *c = &refusals[_i];
  char want[160];
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_tensor *made;
  tn_module *module = compile(ctx, controlled_model(c));
  tn_status status = run_controlled(module, &made, &error);
  snprintf(want, sizeof want, "call: n: %s", c->want);
  ck_assert_str_eq(tn_error_text(error), want);
  ck_assert_int_ne(status, TN_OK);
  tn_error_destroy(error);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(a_scan_cuts_and_stacks_along_axes)
{
  static const char both[] = "Add s r > t; Identity t > u";
  static const controlled rows = {13, "Scan", "", "x m", "s y", both, "s r", "t u", 1, 0, NULL},
                          columns = {13, "Scan", "", "x m", "s y", both, "s r", "t u", 1, 1, NULL};
  static const float by_rows[] = {2, 4, 5, 8}, by_columns[] = {2, 4, 5, 9};
  for (int i = 0; i < 2; i++) {
    tn_context *ctx = session_open();
    tn_error *error = NULL;
    tn_tensor *made;
    tn_module *module = compile(ctx, controlled_model(i ? &columns : &rows));
    must(run_controlled(module, &made, &error), error);
    ck_assert_mem_eq(tn_tensor_data(made), i ? by_columns : by_rows, sizeof by_rows);
    tn_tensor_destroy(made);
    tn_module_destroy(module);
    tn_context_destroy(ctx);
  }
}
END_TEST

/* Before opset 9 every element of a batch is scanned by itself, as far as it is long; zeros are behind its end. */
START_TEST(a_scan_of_a_batch)
{
  static const float x[] = {1, 2}, m[] = {1, 2, 3, 4, 5, 6}, want[] = {3, 4, 0, 6, 0, 0};
  static const int64_t shape[] = {2, 3}, lengths[] = {2, 1}, backward = 1;
  bytes g = {0}, n = node("Scan", "n", "l x m", "s y"), body = {0};
  add_nodes(&body, "Add s r > t; Identity t > u");
  add_ports(&body, 11, "s r");
  add_ports(&body, 12, "t u");
  attr_graph(&n, "body", body);
  attr_int(&n, "num_scan_inputs", 1);
  attr_ints(&n, "directions", 1, &backward);
  add_node(&g, n);
  put_message(&g, 11, value_info("l", ONNX_INT64, 1, &two));
  add_input(&g, "x", 1, &two);
  add_input(&g, "m", 2, shape);
  add_output(&g, "y");
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, model(8, g));
  const DLTensor in[] = {tensor(TN_I64, 1, &two, lengths), tensor(TN_F32, 1, &two, x), tensor(TN_F32, 2, shape, m)};
  gives(module, 3, in, 2, shape, want);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(a_map_is_over_a_sequence)
{
  static const controlled map = {17, "SequenceMap", "SequenceConstruct x x x > p; ConcatFromSequence q > y", "p x", "q",
                                 "Add a b > c", "a b", "c", 0, 0, NULL};
  static const float want[] = {2, 4, 2, 4, 2, 4};
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_tensor *made;
  tn_module *module = compile(ctx, controlled_model(&map));
  must(run_controlled(module, &made, &error), error);
  ck_assert_mem_eq(tn_tensor_data(made), want, sizeof want);
  tn_tensor_destroy(made);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* What is as long as contents say is none of one graph. */
START_TEST(a_body_inside_of_a_graph_is_no_flow)
{
  static const int64_t shape[] = {1, 1, 1, 2};
  bytes g = {0}, n = node("FlexAttention", "n", "q q q", "y"), body = {0};
  add_nodes(&body, "NonZero s > t");
  add_ports(&body, 11, "s");
  add_ports(&body, 12, "t");
  put_text(&n, 7, "ai.onnx.preview");
  attr_graph(&n, "prob_mod", body);
  add_node(&g, n);
  add_input(&g, "q", 4, shape);
  add_output(&g, "y");
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_tensor *made;
  tn_module *module = compile(ctx, model(26, g));
  const DLTensor q = tensor(TN_F32, 4, shape, (float[]){1, 2}), *in[] = {&q};
  refused(tn_model_call(model_of(module), in, 1, &made, 1, &error), error, TN_E_UNSUPPORTED,
          "import: n: FlexAttention: its body needs contents, or has a shape, that is known only when it is computed");
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------------------------- */

static tn_status call_loop(const tn_model *model) {
  static const int64_t most = 2;
  static const float x[] = {1, -3};
  const DLTensor a = tensor(TN_I64, 0, NULL, &most), b = tensor(TN_F32, 1, &two, x), *in[] = {&a, &b};
  tn_tensor *out;
  tn_status status = tn_model_call(model, in, 2, &out, 1, NULL);
  if (!status) ck_assert_mem_eq(tn_tensor_data(out), rows_of_loop, 4 * sizeof(float));
  tn_tensor_destroy(out);
  return status;
}

START_TEST(any_allocation_may_fail)
{
  fail_each_once(loop_model(), call_loop);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("flow_control");
  tcase_add_test(tests, an_if_takes_its_branch);
  tcase_add_test(tests, a_branch_may_narrow);
  tcase_add_test(tests, a_loop_carries_and_stacks);
  tcase_add_test(tests, what_a_loop_is_told);
  tcase_add_loop_test(tests, a_node_with_a_body_is_refused_with_this_message, 0, TNI_COUNT(refusals));
  tcase_add_test(tests, a_scan_cuts_and_stacks_along_axes);
  tcase_add_test(tests, a_scan_of_a_batch);
  tcase_add_test(tests, a_map_is_over_a_sequence);
  tcase_add_test(tests, a_body_inside_of_a_graph_is_no_flow);
  tcase_add_test(tests, any_allocation_may_fail);
  return suite_run_case("flow_control", tests, 240, NULL, NULL);
}
