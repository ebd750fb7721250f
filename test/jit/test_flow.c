/* test_flow.c -- models whose shapes are known only while they run: every run has the shapes that its inputs ask for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "ir/onnx_writer.h"
#include "session.h"

static const int64_t one = 1, two = 2, open_list[] = {-1};

static tn_module *compile(tn_context *ctx, bytes m) {
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  tn_program *program;
  tn_error *error = NULL;
  must(tn_onnx_import(ctx, m.data, m.size, &desc, &program, &error), error);
  free(m.data);
  tn_module *module = session_compile(program, NULL);
  tn_program_destroy(program);
  return module;
}

static const tn_model *model_of(const tn_module *module) {
  const tn_model *model;
  tn_error *error = NULL;
  must(tn_module_model(module, "main", &model, &error), error);
  return model;
}

static DLTensor tensor(tn_type type, int32_t rank, const int64_t *shape, const void *data) {
  return (DLTensor){.data = (void *)data, .device = {kDLCPU, 0}, .ndim = rank, .dtype = tn_type_to_dlpack(type),
                    .shape = (int64_t *)shape};
}

/* The output is f32 of that shape with these elements. */
static void gives(const tn_module *module, size_t count, const DLTensor *in, int32_t rank, const int64_t *shape,
                  const float *want) {
  const DLTensor *inputs[4];
  tn_tensor *out;
  tn_error *error = NULL;
  int64_t n = 1;
  for (size_t i = 0; i < count; i++) inputs[i] = &in[i];
  must(tn_model_call(model_of(module), inputs, count, &out, 1, &error), error);
  const DLTensor *t = tn_tensor_view(out);
  ck_assert_int_eq(t->ndim, rank);
  for (int32_t i = 0; i < rank; i++) {
    ck_assert_int_eq(t->shape[i], shape[i]);
    n *= shape[i];
  }
  if (n) ck_assert_mem_eq(tn_tensor_data(out), want, (size_t)n * sizeof *want); /* of nothing there is no address */
  tn_tensor_destroy(out);
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

/* y = reshape(relu(x), s), s an input */
static bytes reshaping(void) {
  static const int64_t six = 6;
  bytes g = {0};
  add_node(&g, node("Relu", "r", "x", "p"));
  add_node(&g, node("Reshape", "n", "p s", "y"));
  add_input(&g, "x", 1, &six);
  put_message(&g, 11, value_info("s", ONNX_INT64, 1, &two));
  add_output(&g, "y");
  return model(13, g);
}

static const float six_in[] = {-1, 2, 3, -4, 5, 6}, six_out[] = {0, 2, 3, 0, 5, 6};

static void reshape_to(const tn_module *module, int64_t a, int64_t b) {
  static const int64_t six = 6;
  const int64_t shape[] = {a, b};
  const DLTensor in[] = {tensor(TN_F32, 1, &six, six_in), tensor(TN_I64, 1, &two, shape)};
  gives(module, 2, in, 2, shape, six_out);
}

START_TEST(a_shape_is_an_input)
{
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, reshaping());
  for (int round = 0; round < 2; round++) {
    reshape_to(module, 2, 3);
    reshape_to(module, 6, 1);
    reshape_to(module, 3, 2);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

static void *reshape_often(void *module) {
  static const int64_t sides[] = {1, 2, 3, 6};
  for (int i = 0; i < 40; i++) reshape_to(module, sides[i % 4], 6 / sides[i % 4]);
  return NULL;
}

START_TEST(threads_run_one_model)
{
  pthread_t threads[3];
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, reshaping());
  for (int i = 0; i < 3; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, reshape_often, module), 0);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(more_shapes_than_are_kept)
{
  static const float zeros[300];
  bytes g = {0};
  tn_context *ctx = session_open();
  add_node(&g, node("Identity", "n", "x", "y"));
  add_input(&g, "x", 1, open_list);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  for (int64_t n = 1; n <= 300; n++) {
    const DLTensor in = tensor(TN_F32, 1, &n, zeros);
    gives(module, 1, &in, 1, &n, zeros);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* A second shape has kernels of its own; the weights, transposed and in panels, are those of the first. */
START_TEST(shapes_share_weights)
{
  enum { N = 512 };
  static const int64_t open[] = {-1, N}, square[] = {N, N};
  static float w[N * N], x[2 * N], want[2 * N];
  bytes g = {0}, gemm = node("Gemm", "n", "x w", "y");
  fault f = {.fail_at = 0};
  tn_context_desc desc = fault_desc(&f);
  tn_context *ctx;
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  for (int i = 0; i < 2 * N; i++) x[i] = (float)(i % 5);
  for (int i = 0; i < N * N; i++) w[i] = (float)(i % 7);
  for (int i = 0; i < 2 * N; i++)
    for (int k = 0; k < N; k++) want[i] += x[i / N * N + k] * w[i % N * N + k];
  attr_int(&gemm, "transB", 1);
  add_node(&g, gemm);
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, square, w, sizeof w));
  add_input(&g, "x", 2, open);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  for (int64_t rows = 1; rows <= 2; rows++) {
    const int64_t shape[] = {rows, N};
    const DLTensor in = tensor(TN_F32, 2, shape, x);
    long start = f.bytes;
    gives(module, 1, &in, 2, shape, want);
    if (rows == 2) ck_assert_int_lt(f.bytes - start, (long)sizeof w / 2);
    if (rows == 1) ck_assert_int_ge(f.bytes - start, 2 * (long)sizeof w);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
  ck_assert_int_eq(f.blocks, 0);
}
END_TEST

START_TEST(open_dimensions_are_those_of_the_inputs)
{
  static const int64_t open[] = {-1, 2};
  static const float values[] = {1, 2, 3, 4, 5, 6}, sums[] = {3, 7, 11};
  bytes g = {0}, n = node("ReduceSum", "n", "x axes", "y");
  tn_tensor_info info;
  tn_context *ctx = session_open();
  attr_int(&n, "keepdims", 0);
  add_node(&g, n);
  add_weight(&g, tensor_ints("axes", 1, &one));
  add_input(&g, "x", 2, open);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  tn_model_input(model_of(module), 0, &info);
  ck_assert_int_eq(info.rank, 2);
  ck_assert_int_eq(info.shape[0], -1);
  ck_assert_int_eq(info.shape[1], 2);
  tn_model_output(model_of(module), 0, &info);
  ck_assert_int_eq(info.rank, -1);
  for (int64_t rows = 1; rows <= 3; rows++) {
    const int64_t shape[] = {rows, 2};
    const DLTensor in = tensor(TN_F32, 2, shape, values);
    gives(module, 1, &in, 1, &rows, sums);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- shapes that depend on contents ------------------------------------------------------------------------------ */

/* y = relu(compress(x, c)) */
START_TEST(as_many_as_the_condition_says)
{
  static const float x[] = {1, -2, 3, 4, 5, -6};
  static const int64_t shape[] = {2, 3}, three = 3;
  static const struct {
    uint8_t keep[3];
    int64_t count;
    float want[6];
  } rows[] = {
      {{1, 0, 1}, 2, {1, 3, 4, 0}}, {{0, 0, 0}, 0, {0}}, {{1, 1, 1}, 3, {1, 0, 3, 4, 5, 0}}, {{0, 1, 0}, 1, {0, 5}}};
  bytes g = {0}, n = node("Compress", "n", "x c", "p");
  attr_int(&n, "axis", -1);
  add_node(&g, n);
  add_node(&g, node("Relu", "r", "p", "y"));
  add_input(&g, "x", 2, shape);
  put_message(&g, 11, value_info("c", ONNX_BOOL, 1, &three));
  add_output(&g, "y");
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, model(13, g));
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    const DLTensor in[] = {tensor(TN_F32, 2, shape, x), tensor(TN_BOOL, 1, &three, rows[i].keep)};
    const int64_t want[] = {2, rows[i].count};
    gives(module, 2, in, 2, want, rows[i].want);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* Where the branch is taken, what it gives is as long as it comes out. */
START_TEST(a_branch_may_narrow)
{
  static const float x[] = {7, 0, 9}, zeros[] = {0, 0, 0}, kept[] = {7, 9};
  static const uint8_t yes = 1, no = 0;
  static const int64_t three = 3;
  bytes g = {0}, n = node("If", "n", "c", "y"), narrow = {0}, whole = {0};
  tn_context *ctx = session_open();
  add_node(&narrow, node("NonZero", "z", "x", "at"));
  add_node(&narrow, node("Squeeze", "s", "at", "list"));
  add_node(&narrow, node("Gather", "t", "x list", "u"));
  add_output(&narrow, "u");
  add_node(&whole, node("Identity", "i", "x", "v"));
  add_output(&whole, "v");
  attr_graph(&n, "then_branch", narrow);
  attr_graph(&n, "else_branch", whole);
  add_node(&g, n);
  add_input(&g, "x", 1, &three);
  put_message(&g, 11, value_info("c", ONNX_BOOL, 0, NULL));
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(12, g));
  const DLTensor then[] = {tensor(TN_F32, 1, &three, x), tensor(TN_BOOL, 0, NULL, &yes)};
  const DLTensor none[] = {tensor(TN_F32, 1, &three, zeros), tensor(TN_BOOL, 0, NULL, &yes)};
  const DLTensor otherwise[] = {tensor(TN_F32, 1, &three, x), tensor(TN_BOOL, 0, NULL, &no)};
  gives(module, 2, then, 1, &two, kept);
  gives(module, 2, none, 1, (const int64_t[]){0}, NULL);
  gives(module, 2, otherwise, 1, &three, x);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

enum { ROWS = 500 };

/* The rows (two numbers each) sorted, one of each. */
static int64_t sort_out(const float *x, float *out) {
  int64_t count = 0;
  for (int i = 0; i < ROWS; i++) {
    int64_t at = 0;
    const float *r = &x[2 * i];
    while (at < count && (out[2 * at] < r[0] || (out[2 * at] == r[0] && out[2 * at + 1] < r[1]))) at++;
    if (at < count && out[2 * at] == r[0] && out[2 * at + 1] == r[1]) continue;
    memmove(&out[2 * at + 2], &out[2 * at], (size_t)(count - at) * 2 * sizeof *out);
    memcpy(&out[2 * at], r, 2 * sizeof *out);
    count++;
  }
  return count;
}

START_TEST(one_of_each_row)
{
  static float x[2 * ROWS], want[2 * ROWS];
  static const int64_t shape[] = {ROWS, 2};
  bytes g = {0}, n = node("Unique", "n", "x", "y");
  attr_int(&n, "axis", 0);
  add_node(&g, n);
  add_input(&g, "x", 2, shape);
  add_output(&g, "y");
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, model(11, g));
  uint32_t seed = 1;
  for (int range = 2; range <= 64; range *= 4) {
    for (int i = 0; i < 2 * ROWS; i++) {
      seed = seed * 1664525 + 1013904223;
      x[i] = (float)((seed >> 16) % (uint32_t)range);
    }
    const int64_t out[] = {sort_out(x, want), 2};
    const DLTensor in = tensor(TN_F32, 2, shape, x);
    gives(module, 1, &in, 2, out, want);
  }
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- control ----------------------------------------------------------------------------------------------------- */

/* y = c ? x + x : relu(x); both branches use what is around them */
static bytes choosing(void) {
  bytes g = {0}, n = node("If", "n", "c", "y"), yes = {0}, no = {0};
  add_node(&yes, node("Add", "a", "x x", "b"));
  add_output(&yes, "b");
  add_node(&no, node("Relu", "r", "x", "b"));
  add_output(&no, "b");
  attr_graph(&n, "then_branch", yes);
  attr_graph(&n, "else_branch", no);
  add_node(&g, n);
  add_input(&g, "x", 1, &two);
  put_message(&g, 11, value_info("c", ONNX_BOOL, 0, NULL));
  add_output(&g, "y");
  return model(13, g);
}

START_TEST(an_if_takes_its_branch)
{
  static const float x[] = {-1, 3}, twice[] = {-2, 6}, positive[] = {0, 3};
  static const uint8_t yes = 1, no = 0;
  tn_context *ctx = session_open();
  tn_module *module = compile(ctx, choosing());
  const DLTensor then[] = {tensor(TN_F32, 1, &two, x), tensor(TN_BOOL, 0, NULL, &yes)};
  const DLTensor otherwise[] = {tensor(TN_F32, 1, &two, x), tensor(TN_BOOL, 0, NULL, &no)};
  gives(module, 2, then, 1, &two, twice);
  gives(module, 2, otherwise, 1, &two, positive);
  gives(module, 2, then, 1, &two, twice);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* v doubles and is given each time, m times or until it is above 100; y = the values, one row each */
static bytes looping(const char *inputs, const char *body_inputs) {
  static const float hundred = 100;
  bytes g = {0}, n = node("Loop", "n", inputs, "last y"), body = {0};
  char text[64], *save;
  add_node(&body, node("Add", "a", "v v", "w"));
  add_node(&body, node("ReduceMax", "t", "w", "top"));
  add_node(&body, node("LessOrEqual", "l", "top hundred", "more"));
  add_node(&body, node("Identity", "s", "w", "row"));
  snprintf(text, sizeof text, "%s", body_inputs);
  for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
    bytes v = {0};
    put_text(&v, 1, word);
    put_message(&body, 11, v);
  }
  add_output(&body, "more");
  add_output(&body, "w");
  add_output(&body, "row");
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

/* ---- failures ---------------------------------------------------------------------------------------------------- */

START_TEST(what_a_run_is_told)
{
  static const int64_t six = 6, five[] = {5, 1}, three[] = {3, 2}, seven = 7;
  float out[6];
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_module *module = compile(ctx, reshaping());
  const tn_model *model = model_of(module);
  DLTensor x = tensor(TN_F32, 1, &six, six_in), s = tensor(TN_I64, 1, &two, five), y = tensor(TN_F32, 2, three, out),
           long_x = tensor(TN_F32, 1, &seven, six_in);
  const DLTensor *in[] = {&x, &s}, *too_long[] = {&long_x, &s}, *none[] = {&x, NULL}, *outputs[] = {&y};
  tn_tensor *made;
  refused(tn_model_call(model, in, 2, &made, 1, &error), error, TN_E_INVALID,
          "import: n: reshape: the new shape does not have the same number of elements");
  ck_assert_ptr_null(made);
  refused(tn_model_call(model, too_long, 2, &made, 1, &error), error, TN_E_INVALID,
          "call: input `x`: is f32[7], not f32[6]");
  refused(tn_model_call(model, none, 2, &made, 1, &error), error, TN_E_INVALID, "call: s: no tensor was given");
  refused(tn_model_call(model, in, 1, &made, 1, &error), error, TN_E_INVALID,
          "call: main: 1 inputs were given, the model has 2");
  s.data = (void *)three;
  must(tn_model_run(model, in, 2, outputs, 1, &error), error);
  ck_assert_mem_eq(out, six_out, sizeof out);
  s.data = (int64_t[]){2, 3};
  refused(tn_model_run(model, in, 2, outputs, 1, &error), error, TN_E_INVALID,
          "call: output `y`: is f32[3, 2], not f32[2, 3]");
  outputs[0] = NULL;
  refused(tn_model_run(model, in, 2, outputs, 1, &error), error, TN_E_INVALID, "call: y: no tensor was given");
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(there_is_no_text)
{
  const tn_import_desc desc = {.struct_size = sizeof desc};
  bytes m = reshaping();
  tn_program *program;
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  char *text;
  size_t size;
  must(tn_onnx_import(ctx, m.data, m.size, &desc, &program, &error), error);
  refused(tn_program_print(program, &text, &error), error, TN_E_UNSUPPORTED,
          "build: main: the model's shapes are known only while it runs: there is no text of it");
  refused(tn_program_emit(program, NULL, "plan", &text, &size, &error), error, TN_E_UNSUPPORTED,
          "build: main: the model's shapes are known only while it runs: there is no text of it");
  free(m.data);
  tn_program_destroy(program);
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

/* Nodes "Op name name > name", with ; between. */
static void add_nodes(bytes *g, const char *text) {
  char spelled[512], *save, *save_word;
  snprintf(spelled, sizeof spelled, "%s", text);
  for (char *line = strtok_r(spelled, ";", &save); line; line = strtok_r(NULL, ";", &save)) {
    char *op = strtok_r(line, " ", &save_word), in[128] = "", out[128] = "", *to = in;
    for (char *word = strtok_r(NULL, " ", &save_word); word; word = strtok_r(NULL, " ", &save_word))
      if (*word == '>')
        to = out;
      else
        strcat(strcat(to, word), " ");
    add_node(g, node(op, op, in, out));
  }
}
static void add_ports(bytes *g, uint32_t field, const char *names) {
  char spelled[128], *save;
  snprintf(spelled, sizeof spelled, "%s", names);
  for (char *word = strtok_r(spelled, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
    bytes v = {0};
    put_text(&v, 1, word);
    put_message(g, field, v);
  }
}

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
  const DLTensor tx = tensor(TN_F32, 1, &two, x), tm = tensor(TN_F32, 2, square, m), te = tensor(TN_F32, 2, empty, NULL),
                 tk = tensor(TN_I64, 0, NULL, &k), *in[] = {&tx, &tm, &te, &tk};
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
  static const controlled rows = {13, "Scan", "", "x m", "s y", "Add s r > t; Identity t > u", "s r", "t u", 1, 0, NULL},
                          columns = {13, "Scan", "", "x m", "s y", "Add s r > t; Identity t > u", "s r", "t u", 1, 1, NULL};
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

/* Before opset 9 every element of a batch is scanned by itself, as far as it is long; behind its end there are zeros.
 * */
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

/* ---- items ------------------------------------------------------------------------------------------------------- */

enum { IS_TENSOR = 1, IS_SEQUENCE = 4, IS_OPTIONAL = 9 };

/* Input "x": f32, or the kind around it, or around a sequence of it. */
static void add_held(bytes *g, int kind, bool sequence) {
  bytes elem = {0}, type = {0}, v = {0};
  put_int(&elem, 1, ONNX_FLOAT);
  put_message(&type, IS_TENSOR, elem);
  for (int i = 0; i < (kind != IS_TENSOR) + sequence; i++) {
    bytes holder = {0};
    put_message(&holder, 1, type);
    type = (bytes){0};
    put_message(&type, sequence && i == 0 ? IS_SEQUENCE : (uint32_t)kind, holder);
  }
  put_text(&v, 1, "x");
  put_message(&v, 2, type);
  put_message(g, 11, v);
}

/* Nodes "Op name name > name" that make y of x, and of t: f32[2]. */
static tn_module *compile_held(tn_context *ctx, const char *nodes, int kind, bool sequence) {
  bytes g = {0};
  add_nodes(&g, nodes);
  add_held(&g, kind, sequence);
  add_input(&g, "t", 1, &two);
  add_output(&g, "y");
  return compile(ctx, model(18, g));
}

static const float pair[] = {1, 2}, single[] = {7};

/* Two tensors of different shapes, then t. */
static tn_status call_held(const tn_module *module, int32_t kind, tn_type type, size_t count, tn_items **out,
                           tn_error **error) {
  const DLTensor a = tensor(TN_F32, 1, &two, pair), b = tensor(TN_F32, 1, &one, single), *list[] = {&a, &b, NULL};
  const tn_item in[] = {{kind, type, count, list}, {TN_ITEM_TENSOR, 0, 1, list}};
  return tn_model_call_items(model_of(module), in, 2, out, error);
}

START_TEST(a_sequence_goes_in_and_out)
{
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_items *out;
  tn_tensor_info info;
  tn_module *module = compile_held(ctx, "SequenceInsert x t > y", IS_SEQUENCE, false);
  tn_model_input(model_of(module), 0, &info);
  ck_assert_int_eq(info.kind, TN_ITEM_SEQUENCE);
  ck_assert_uint_eq(info.type, TN_F32);
  must(call_held(module, TN_ITEM_SEQUENCE, 0, 2, &out, &error), error);
  const tn_item *y = tn_items_at(out, 0);
  ck_assert_uint_eq(tn_items_count(out), 1);
  ck_assert_ptr_null(tn_items_at(out, 1));
  ck_assert_int_eq(y->kind, TN_ITEM_SEQUENCE);
  ck_assert_uint_eq(y->type, TN_F32);
  ck_assert_uint_eq(y->count, 3);
  ck_assert_int_eq(y->tensors[1]->shape[0], 1);
  ck_assert_mem_eq(y->tensors[1]->data, single, sizeof single);
  ck_assert_mem_eq(y->tensors[2]->data, pair, sizeof pair);
  tn_items_destroy(out);
  must(call_held(module, TN_ITEM_SEQUENCE, 0, 0, &out, &error), error);
  ck_assert_uint_eq(tn_items_at(out, 0)->count, 1);
  tn_items_destroy(out);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(an_optional_may_be_nothing)
{
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_items *out;
  tn_module *module = compile_held(ctx, "OptionalHasElement x > y", IS_OPTIONAL, true),
            *same = compile_held(ctx, "Identity x > y", IS_OPTIONAL, true);
  for (int32_t kind = TN_ITEM_SEQUENCE; kind <= TN_ITEM_OPTIONAL; kind++) {
    must(call_held(module, kind, 0, kind == TN_ITEM_SEQUENCE ? 2 : 0, &out, &error), error);
    ck_assert_int_eq(*(const uint8_t *)tn_items_at(out, 0)->tensors[0]->data, kind == TN_ITEM_SEQUENCE);
    tn_items_destroy(out);
    must(call_held(same, kind, 0, kind == TN_ITEM_SEQUENCE ? 2 : 0, &out, &error), error);
    ck_assert_int_eq(tn_items_at(out, 0)->kind, kind);
    tn_items_destroy(out);
  }
  tn_module_destroy(module);
  tn_module_destroy(same);
  tn_context_destroy(ctx);
}
END_TEST

static void item_refused(const tn_module *module, int32_t kind, tn_type type, size_t count, tn_status status,
                         const char *want) {
  tn_error *error = NULL;
  tn_items *out;
  refused(call_held(module, kind, type, count, &out, &error), error, status, want);
  ck_assert_ptr_null(out);
}

START_TEST(items_are_what_the_model_says)
{
  tn_context *ctx = session_open();
  tn_module *sequence = compile_held(ctx, "SequenceInsert x t > y", IS_SEQUENCE, false);
  tn_module *graph = compile_held(ctx, "Add x t > y", IS_TENSOR, false);
  item_refused(sequence, 7, 0, 1, TN_E_INVALID, "call: x: the item is of no kind that there is");
  item_refused(sequence, TN_ITEM_TENSOR, 0, 1, TN_E_INVALID, "call: x: is not a sequence");
  item_refused(sequence, TN_ITEM_OPTIONAL, 0, 0, TN_E_INVALID, "call: x: is not a sequence");
  item_refused(sequence, TN_ITEM_SEQUENCE, TN_I64, 0, TN_E_INVALID,
               "call: x: the sequence is not of the type of elements that the model has");
  item_refused(sequence, TN_ITEM_SEQUENCE, 0, 3, TN_E_INVALID, "call: x: no tensor was given");
  item_refused(sequence, TN_ITEM_SEQUENCE, 0, SIZE_MAX, TN_E_LIMIT,
               "call: x: more tensors than a graph may have nodes");
  item_refused(graph, TN_ITEM_SEQUENCE, 0, 2, TN_E_INVALID, "call: x: is not a tensor");
  tn_module_destroy(graph);
  tn_module_destroy(sequence);
  tn_context_destroy(ctx);
}
END_TEST

/* A graph's tensors are items too. */
START_TEST(a_graph_takes_items)
{
  static const float want[] = {2, 4};
  bytes g = {0};
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_items *out;
  const DLTensor x = tensor(TN_F32, 1, &two, pair), *list[] = {&x};
  const tn_item in[] = {{TN_ITEM_TENSOR, 0, 1, list}}, none[] = {{TN_ITEM_TENSOR, 0, 0, list}},
                odd[] = {{TN_ITEM_OPTIONAL, 0, 0, NULL}};
  add_node(&g, node("Add", "n", "x x", "y"));
  add_input(&g, "x", 1, &two);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  must(tn_model_call_items(model_of(module), in, 1, &out, &error), error);
  ck_assert_int_eq(tn_items_at(out, 0)->kind, TN_ITEM_TENSOR);
  ck_assert_mem_eq(tn_items_at(out, 0)->tensors[0]->data, want, sizeof want);
  tn_items_destroy(out);
  refused(tn_model_call_items(model_of(module), none, 1, &out, &error), error, TN_E_INVALID,
          "call: x: no tensor was given");
  refused(tn_model_call_items(model_of(module), odd, 1, &out, &error), error, TN_E_INVALID, "call: x: is not a tensor");
  refused(tn_model_call_items(model_of(module), in, 0, &out, &error), error, TN_E_INVALID,
          "call: main: 0 inputs were given, the model has 1");
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(what_is_no_tensor_is_an_item)
{
  const DLTensor t = tensor(TN_F32, 1, &two, pair), *in[] = {&t};
  bytes g = {0};
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_tensor *made;
  add_node(&g, node("SequenceConstruct", "n", "x", "y"));
  add_input(&g, "x", 1, open_list);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  refused(tn_model_call(model_of(module), in, 1, &made, 1, &error), error, TN_E_INVALID,
          "call: y: the output is not a tensor: tn_model_call_items gives it");
  ck_assert_ptr_null(made);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------------------------- */

/* Every allocation on the way fails once. */
static tn_status whole_way(tn_context *ctx, bytes m) {
  static const int64_t most = 2;
  static const float x[] = {1, -3};
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  const DLTensor a = tensor(TN_I64, 0, NULL, &most), b = tensor(TN_F32, 1, &two, x), *in[] = {&a, &b};
  tn_program *program;
  tn_module *module = NULL;
  const tn_model *model;
  tn_tensor *out = NULL;
  tn_status status = tn_onnx_import(ctx, m.data, m.size, &desc, &program, NULL);
  if (!status) status = tn_compile(program, NULL, &module, NULL);
  if (!status) status = tn_module_model(module, "main", &model, NULL);
  if (!status) status = tn_model_call(model, in, 2, &out, 1, NULL);
  if (!status) ck_assert_mem_eq(tn_tensor_data(out), rows_of_loop, 4 * sizeof(float));
  tn_tensor_destroy(out);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return status;
}

static bytes appending(void) {
  bytes g = {0};
  add_nodes(&g, "SequenceInsert x t > y");
  add_held(&g, IS_SEQUENCE, false);
  add_input(&g, "t", 1, &two);
  add_output(&g, "y");
  return model(18, g);
}

/* With weights that are transposed and laid out. */
static bytes product(void) {
  enum { N = 128 };
  static const int64_t square[] = {N, N}, open[] = {-1, N};
  static const float w[N * N];
  bytes g = {0}, gemm = node("Gemm", "n", "x w", "y");
  attr_int(&gemm, "transB", 1);
  add_node(&g, gemm);
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 2, square, w, sizeof w));
  add_input(&g, "x", 2, open);
  add_output(&g, "y");
  return model(13, g);
}

static tn_status whole_way_of_products(tn_context *ctx, bytes m) {
  static const float x[128];
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  const int64_t shape[] = {1, 128};
  const DLTensor in = tensor(TN_F32, 2, shape, x), *inputs[] = {&in};
  tn_program *program;
  tn_module *module = NULL;
  const tn_model *model;
  tn_tensor *out = NULL;
  tn_status status = tn_onnx_import(ctx, m.data, m.size, &desc, &program, NULL);
  if (!status) status = tn_compile(program, NULL, &module, NULL);
  if (!status) status = tn_module_model(module, "main", &model, NULL);
  if (!status) status = tn_model_call(model, inputs, 1, &out, 1, NULL);
  tn_tensor_destroy(out);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return status;
}

static tn_status whole_way_of_items(tn_context *ctx, bytes m) {
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  const DLTensor a = tensor(TN_F32, 1, &two, pair), *list[] = {&a, &a};
  const tn_item in[] = {{TN_ITEM_SEQUENCE, 0, 2, list}, {TN_ITEM_TENSOR, 0, 1, list}};
  tn_program *program;
  tn_module *module = NULL;
  const tn_model *model;
  tn_items *out = NULL;
  tn_status status = tn_onnx_import(ctx, m.data, m.size, &desc, &program, NULL);
  if (!status) status = tn_compile(program, NULL, &module, NULL);
  if (!status) status = tn_module_model(module, "main", &model, NULL);
  if (!status) status = tn_model_call_items(model, in, 2, &out, NULL);
  if (!status) ck_assert_uint_eq(tn_items_at(out, 0)->count, 3);
  tn_items_destroy(out);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return status;
}

static void fail_each_once(bytes m, tn_status (*way)(tn_context *ctx, bytes m)) {
  tn_status status = TN_E_NOMEM;
  for (long at = 1; status == TN_E_NOMEM; at += 1 + at / 40) {
    fault f = {.fail_at = 0};
    tn_context_desc desc = fault_desc(&f);
    tn_context *ctx;
    desc.threads.compile_workers = 1;
    ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
    f.fail_at = f.calls + at;
    f.once = true;
    status = way(ctx, m);
    ck_assert_msg(status == TN_OK || status == TN_E_NOMEM, "allocation %ld: %s", at, tn_status_name(status));
    f.fail_at = 0;
    tn_context_destroy(ctx);
    ck_assert_int_eq(f.blocks, 0);
  }
  free(m.data);
}

START_TEST(any_allocation_may_fail)
{
  fail_each_once(loop_model(), whole_way);
  fail_each_once(appending(), whole_way_of_items);
  fail_each_once(product(), whole_way_of_products);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("flow");
  TCase *tests = tcase_create("flow");
  tcase_set_timeout(tests, 240);
  tcase_add_test(tests, a_shape_is_an_input);
  tcase_add_test(tests, threads_run_one_model);
  tcase_add_test(tests, more_shapes_than_are_kept);
  tcase_add_test(tests, shapes_share_weights);
  tcase_add_test(tests, open_dimensions_are_those_of_the_inputs);
  tcase_add_test(tests, as_many_as_the_condition_says);
  tcase_add_test(tests, a_branch_may_narrow);
  tcase_add_test(tests, one_of_each_row);
  tcase_add_test(tests, an_if_takes_its_branch);
  tcase_add_test(tests, a_loop_carries_and_stacks);
  tcase_add_test(tests, what_a_run_is_told);
  tcase_add_test(tests, there_is_no_text);
  tcase_add_test(tests, what_a_loop_is_told);
  tcase_add_loop_test(tests, a_node_with_a_body_is_refused_with_this_message, 0, TNI_COUNT(refusals));
  tcase_add_test(tests, a_scan_cuts_and_stacks_along_axes);
  tcase_add_test(tests, a_map_is_over_a_sequence);
  tcase_add_test(tests, a_scan_of_a_batch);
  tcase_add_test(tests, a_body_inside_of_a_graph_is_no_flow);
  tcase_add_test(tests, a_sequence_goes_in_and_out);
  tcase_add_test(tests, an_optional_may_be_nothing);
  tcase_add_test(tests, items_are_what_the_model_says);
  tcase_add_test(tests, a_graph_takes_items);
  tcase_add_test(tests, what_is_no_tensor_is_an_item);
  tcase_add_test(tests, any_allocation_may_fail);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
