/* test_pipeline_nomem.c -- the allocator says no somewhere between the text (or the model's bytes) and the result:
 * TN_E_NOMEM or the right result, nothing lost, and the same context works again.
 *
 * Every request up to EVERY is made to fail, after that one in ever more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/onnx_writer.h"
#include "session.h"

enum { EVERY = 60, SECONDS = 4, N = 24 };

static const char source[] = "extern note(f32): i32\n"
                             "func f(X: f32[n, 24], Y: f32[24], n: index) {\n"
                             "  alloc T: f32[24]\n"
                             "  for j in 0..24 {\n    for i in 0..n {\n"
                             "      block T(c: 0..24 = j, reduce r: 0..n = i) {\n"
                             "        init { T[c] = 0.0:f32 }\n        T[c] = T[c] + X[r, c]\n      }\n    }\n  }\n"
                             "  for j in 0..24 {\n    block Y(c: 0..24 = j) { Y[c] = exp(T[c]) }\n  }\n"
                             "  {\n    let h = Y[0]\n    assert h < 2.0:f32, \"small\"\n    assume n < 100\n"
                             "    for k in 0..2 parallel with grain = 1 {\n      reduce Y[k] max= h\n    }\n"
                             "    for k in 0..2 bind block.x {\n      for t in 0..3 bind thread.x {\n"
                             "        reduce Y[k * 3 + t] max= h\n      }\n    }\n"
                             "    while Y[1] < h {\n      Y[1] = h\n    }\n  }\n"
                             "  call note(Y[0])\n}\n";

static int32_t note(void *self, float x) {
  *(float *)self = x;
  return TN_OK;
}

/* ---- what is done, as a whole ---------------------------------------------------------------------------------- */

static tn_status call_function(const tn_module *module, tn_error **err) {
  static float x[3 * N], y[N];
  int64_t sx[] = {3, N}, sy[] = {N};
  DLTensor tx = view(TN_F32, 2, sx, x), ty = view(TN_F32, 1, sy, y);
  tn_value args[] = {tn_value_tensor(&tx), tn_value_tensor(&ty), tn_value_int(3)};
  const tn_function *f;
  tn_status status = tn_module_function(module, "f", &f, err);
  memset(y, 0, sizeof y);
  if (!status) status = tn_function_call(f, args, 3, NULL, err);
  for (int i = 0; i < N && !status; i++) ck_assert_float_eq(y[i], 1);
  return status;
}

static tn_status parse_compile_call(tn_context *ctx, tn_error **err) {
  static const tn_type params[] = {TN_F32};
  float noted = 0;
  tn_program *program;
  tn_module *module = NULL;
  tn_status status = tn_program_parse(ctx, source, sizeof source - 1, "test", &program, err);
  if (!status) status = tn_program_extern(program, "note", TN_I32, 1, params, (void (*)(void))note, &noted, err);
  if (!status) status = tn_compile(program, NULL, &module, err);
  if (!status) status = call_function(module, err);
  if (!status) ck_assert_float_eq(noted, 1);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return status;
}

static bytes small_model(void) {
  static const int64_t image[] = {1, 6, 6, 2}, kernel[] = {8, 2, 3, 3}, flat[] = {8, 3}, one = 3, pads[] = {1, 1, 1, 1};
  static const int64_t perm[] = {0, 3, 1, 2};
  static const float w[144] = {1}, v[24] = {1}, b[3] = {1, 2, 3};
  bytes g = {0}, conv = node("Conv", "conv", "first w", "c"), transpose = node("Transpose", "first", "x", "first");
  attr_ints(&transpose, "perm", 4, perm);
  attr_ints(&conv, "pads", 4, pads);
  add_node(&g, transpose); /* the channels stay last */
  add_node(&g, conv);
  add_node(&g, node("Relu", "relu", "c", "r"));
  add_node(&g, node("GlobalAveragePool", "pool", "r", "p"));
  add_node(&g, node("Flatten", "flatten", "p", "l"));
  add_node(&g, node("Mul", "twice", "b b", "bb")); /* folded */
  add_node(&g, node("Gemm", "gemm", "l v bb", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 4, kernel, w, sizeof w));
  add_weight(&g, tensor_raw("v", ONNX_FLOAT, 2, flat, v, sizeof v));
  add_weight(&g, tensor_raw("b", ONNX_FLOAT, 1, &one, b, sizeof b));
  add_input(&g, "x", 4, image);
  add_output(&g, "y");
  return model(13, g);
}

static tn_status run_model(const tn_module *module, tn_error **err) {
  static float x[72], y[3];
  int64_t sx[] = {1, 6, 6, 2}, sy[] = {1, 3};
  DLTensor tx = view(TN_F32, 4, sx, x), ty = view(TN_F32, 2, sy, y);
  const DLTensor *in = &tx, *out = &ty;
  const tn_model *m;
  tn_status status = tn_module_model(module, "main", &m, err);
  if (!status) status = tn_model_run(m, &in, 1, &out, 1, err);
  for (int i = 0; i < 3 && !status; i++) ck_assert_float_eq(y[i], (float)((i + 1) * (i + 1)));
  return status;
}

static tn_status import_compile_run(tn_context *ctx, tn_error **err) {
  bytes file = small_model();
  tn_program *program;
  tn_module *module = NULL;
  tn_status status = tn_onnx_import(ctx, file.data, file.size, NULL, &program, err);
  free(file.data);
  if (!status) status = tn_compile(program, NULL, &module, err);
  if (!status) status = run_model(module, err);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return status;
}

/* One stage as text, which the caller frees. */
static tn_status emit(const tn_program *program, const char *stage, char **text, tn_error **err) {
  size_t size;
  tn_status status = tn_program_emit(program, NULL, stage, text, &size, err);
  ck_assert(status ? !*text && !size : strlen(*text) == size);
  return status;
}

/* Lowered code loads lanes of T that it does not use: what was not written is poison there, not a mistake. */
static void poison(const char *loops, char *out, size_t size) {
  const char *alloc = strstr(loops, "alloc T: f32["), *end = alloc ? strchr(alloc, '\n') : NULL;
  if (end)
    snprintf(out, size, "%.*s  for p in 0..%d { T[p] = nan:f32 }%s", (int)(end + 1 - loops), loops,
             atoi(alloc + strlen("alloc T: f32[")), end);
  else
    snprintf(out, size, "%s", loops);
}

/* The loop program of `source` in the interpreter: a step of the schedule may be missing, a part of the meaning not. */
static void check_meaning(const char *loops) {
  char text[8192];
  static const tn_type params[] = {TN_F32};
  float x[3 * N], y[N], noted;
  int64_t sx[] = {3, N}, sy[] = {N};
  DLTensor tx = view(TN_F32, 2, sx, x), ty = view(TN_F32, 1, sy, y);
  tn_value args[] = {tn_value_tensor(&tx), tn_value_tensor(&ty), tn_value_int(3)};
  tn_context *ctx = session_open();
  poison(loops, text, sizeof text);
  tn_program *program = session_parse(ctx, text);
  for (int i = 0; i < 3 * N; i++) x[i] = (float)(i % N);
  ck_assert_int_eq(tn_program_extern(program, "note", TN_I32, 1, params, (void (*)(void))note, &noted, NULL), TN_OK);
  ck_assert_int_eq(tn_func_interpret(tn_program_func(program, "f"), args, 3, NULL), TN_OK);
  ck_assert_float_eq(noted, 1);
  for (int i = 1; i < N; i++) ck_assert_float_eq_tol(y[i] / y[i - 1], 20.085537f, 1e-4f); /* e^(3 i) */
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static tn_status parse_emit(tn_context *ctx, tn_error **err) {
  tn_program *program;
  char *text = NULL;
  tn_status status = tn_program_parse(ctx, source, sizeof source - 1, "test", &program, err);
  if (!status) status = emit(program, "loop", &text, err);
  if (!status) check_meaning(text);
  tn_text_destroy(text);
  tn_program_destroy(program);
  return status;
}

static tn_status import_emit(tn_context *ctx, tn_error **err) {
  static const char *const stages[] = {"graph", "plan", "tensor", "loop"};
  static char *first[2]; /* graph and plan are the same each time; in the second try of a context too */
  bytes file = small_model();
  tn_program *program;
  tn_status status = tn_onnx_import(ctx, file.data, file.size, NULL, &program, err);
  free(file.data);
  for (size_t i = 0; i < TNI_COUNT(stages) && !status; i++) {
    char *text;
    status = emit(program, stages[i], &text, err);
    if (text && i < TNI_COUNT(first) && !first[i]) first[i] = strdup(text);
    if (text && i < TNI_COUNT(first)) ck_assert_str_eq(text, first[i]);
    tn_text_destroy(text);
  }
  tn_program_destroy(program);
  return status;
}

/* ---- failing --------------------------------------------------------------------------------------------------- */

/* One worker and one thread: the requests come in the same order each time. */
static tn_context *open_context(fault *f) {
  tn_context *ctx;
  tn_context_desc desc = fault_desc(f);
  desc.threads.compile_workers = desc.threads.count = 1;
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  return ctx;
}

/* Request number n of the work fails (and, unless f->once, all after it). False: the work ended before it. */
static bool fail_at(tn_context *ctx, fault *f, tn_status (*work)(tn_context *, tn_error **), long n) {
  tn_error *error = NULL;
  f->fail_at = atomic_load(&f->calls) + n;
  tn_status status = work(ctx, &error);
  ck_assert_msg(status == TN_OK || status == TN_E_NOMEM, "request %ld: %s", n, tn_error_text(error));
  ck_assert_int_eq(tn_error_status(error), status);
  tn_error_destroy(error);
  bool reached = atomic_load(&f->calls) >= f->fail_at;
  ck_assert(reached || status == TN_OK);
  f->fail_at = 0;
  if (n % 8 == 0) ck_assert_int_eq(work(ctx, NULL), TN_OK);
  return reached;
}

/* In a context of its own each time, or all in one that did the work before: then what the context makes once (threads,
 * targets, LLVM's session) is there, and a try is quick. Steps grow so that the whole takes about SECONDS, however
 * slow. */
static void fail_all(tn_status (*work)(tn_context *, tn_error **), bool once, bool fresh) {
  fault f = {.once = once};
  tn_context *ctx = open_context(&f);
  double start = tni_seconds(ctx), each = 0;
  long before = atomic_load(&f.calls), n = 1, failed = 0, total = 0;
  for (int i = 0; i < (fresh ? 1 : 2); i++) {
    before = atomic_load(&f.calls);
    start = tni_seconds(ctx);
    ck_assert_int_eq(work(ctx, NULL), TN_OK);
    each = (tni_seconds(ctx) - start) * 1.2;
    total = atomic_load(&f.calls) - before;
  }
  double most = SECONDS / each;
  long stride = most > (double)total ? 1 : 1 + (long)((double)total / most);
  for (bool reached = true; reached; n += n < EVERY ? 1 : stride) {
    if (fresh) fault_finish(&f, ctx), ctx = open_context(&f);
    reached = fail_at(ctx, &f, work, n);
    failed += reached;
  }
  fault_finish(&f, ctx);
  ck_assert_int_gt(failed, EVERY);
  printf("%ld requests, %ld of them refused, one in %ld\n", total, failed, stride);
}

START_TEST(a_function_from_some_point_on)
{ fail_all(parse_compile_call, false, true); }
END_TEST
START_TEST(a_function_once)
{ fail_all(parse_compile_call, true, true); }
END_TEST
START_TEST(a_model_from_some_point_on)
{ fail_all(import_compile_run, false, true); }
END_TEST
START_TEST(a_model_once)
{ fail_all(import_compile_run, true, true); }
END_TEST

/* Nothing of LLVM in it, so that every request gets its turn. */
START_TEST(the_loops_of_a_function_once)
{ fail_all(parse_emit, true, false); }
END_TEST
START_TEST(the_stages_of_a_model_once)
{ fail_all(import_emit, true, false); }
END_TEST

int main(void) {
  const TTest *const tests[] = {a_function_from_some_point_on, a_function_once,
                                a_model_from_some_point_on,    a_model_once,
                                the_loops_of_a_function_once,  the_stages_of_a_model_once};
  return suite_run_tests("pipeline_nomem", tests, TNI_COUNT(tests), NULL, NULL);
}
