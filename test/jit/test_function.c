/* test_function.c -- compiled functions as a host calls them: directly and packed, every check of the packed call, and
 * the host's own functions called back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdatomic.h>

#include "opened.h"

/* Compiles the text and gives the function `f` of it. */
static const tn_function *compile_text(const char *text) {
  program = session_parse(ctx, text);
  module = session_compile(program, NULL);
  return session_function(module, "f");
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

/* f(X, Y, n, a): Y[i] = a * X[i] for i in 0..n, by the public builder. */
static void build_scale(const char *name) {
  tn_builder *b;
  must(tn_builder_create(program, name, &b, &error), error);
  const tn_expr *n = tn_param_scalar(b, "n", TN_INDEX);
  const tn_buffer *x = tn_param_symbolic(b, "X", TN_F32, 1, &n);
  const tn_buffer *y = tn_param_symbolic(b, "Y", TN_F32, 1, &n);
  const tn_expr *a = tn_param_scalar(b, "a", TN_F32);
  const tn_expr *i = tn_axis_symbolic(b, "i", n);
  tn_compute(b, y, &i, tn_mul(b, a, tn_load(b, x, &i, NULL)));
  must(tn_builder_finish(b, NULL, &error), error);
}

START_TEST(a_built_function_is_called_directly_and_packed)
{
  must(tn_program_create(ctx, &program, &error), error);
  build_scale("f");
  module = session_compile(program, NULL);
  const tn_function *f = session_function(module, "f");
  float x[37], y[37];
  for (int64_t n = 0; n <= 37; n++) {
    for (int i = 0; i < 37; i++) x[i] = (float)i + 0.5f, y[i] = -1;
    int32_t (*direct)(const tn_env *, int64_t, const float *, float *, float) =
        (int32_t(*)(const tn_env *, int64_t, const float *, float *, float))tn_function_pointer(f);
    ck_assert_int_eq(direct(tn_function_env(f), n, x, y, 2.0f), TN_OK);
    for (int i = 0; i < 37; i++) ck_assert_float_eq(y[i], i < n ? 2 * x[i] : -1);
    DLTensor tx = view(TN_F32, 1, &n, x), ty = view(TN_F32, 1, &n, y);
    tn_value args[] = {tn_value_int(n), tn_value_tensor(&tx), tn_value_tensor(&ty), tn_value_float(-3)}, result;
    must(tn_function_call(f, args, 4, &result, &error), error);
    ck_assert_int_eq(result.tag, TN_VALUE_NONE);
    for (int i = 0; i < 37; i++) ck_assert_float_eq(y[i], i < n ? -3 * x[i] : -1);
  }
}
END_TEST

/* NAME(P0, .., Pn-1): Pi[0] = i + 1. */
static void add_pointers(tni_text *text, const char *name, int count) {
  tni_text_add(text, "loop func %s(", name);
  for (int i = 0; i < count; i++) tni_text_add(text, "%sP%d: i32[1]", i ? ", " : "", i);
  tni_text_add(text, ") {\n");
  for (int i = 0; i < count; i++) tni_text_add(text, "  P%d[0] = %d:i32\n", i, i + 1);
  tni_text_add(text, "}\n");
}

/* Those that plans pass one by one, and more. */
START_TEST(plans_call_kernels_of_any_number_of_pointers)
{
  enum { MOST = TNI_MOST_POINTERS + 4 };
  for (int count = 1; count <= MOST; count++) {
    int32_t values[MOST] = {0};
    void *args[MOST];
    tni_text text;
    tni_text_init(&text, ctx);
    add_pointers(&text, "f", count);
    add_pointers(&text, "g", count);
    program = session_parse(ctx, text.data);
    module = session_compile(program, NULL);
    for (int i = 0; i < count; i++) args[i] = &values[i];
    for (const char *name = "f"; name; name = *name == 'f' ? "g" : NULL) {
      const tn_function *f = session_function(module, name);
      memset(values, 0, sizeof values);
      ck_assert_int_eq(f->kernel.call(f->kernel.code, &module->env, args), TN_OK);
      for (int i = 0; i < MOST; i++) ck_assert_int_eq(values[i], i < count ? i + 1 : 0);
    }
    tni_text_destroy(&text);
    tn_module_destroy(module);
    tn_program_destroy(program);
  }
  module = NULL;
  program = NULL;
}
END_TEST

START_TEST(scalars_of_every_type_arrive)
{
  const tn_function *f =
      compile_text("func f(b: bool, s: i8, u: u16, w: i64, h: f16, g: f32, d: f64, n: index, O: f64[8]) {\n"
                   "  O[0] = cast(f64, b)\n  O[1] = cast(f64, s)\n  O[2] = cast(f64, u)\n  O[3] = cast(f64, w)\n"
                   "  O[4] = cast(f64, h)\n  O[5] = cast(f64, g)\n  O[6] = d\n  O[7] = cast(f64, cast(i64, n))\n}\n");
  double o[8];
  int64_t eight = 8;
  DLTensor t = view(TN_F64, 1, &eight, o);
  tn_value args[] = {tn_value_int(1),     tn_value_int(-128),  tn_value_int(65535), tn_value_int(-(INT64_C(1) << 50)),
                     tn_value_float(0.1), tn_value_float(0.1), tn_value_float(0.1), tn_value_int(INT64_C(1) << 40),
                     tn_value_tensor(&t)};
  must(tn_function_call(f, args, 9, NULL, &error), error);
  const double want[] = {1, -128, 65535, -0x1p50, 0.0999755859375, (double)0.1f, 0.1, 0x1p40};
  for (int i = 0; i < 8; i++) ck_assert_double_eq(o[i], want[i]);
  args[5] = tn_value_int(7); /* an integer where a float is asked for */
  must(tn_function_call(f, args, 9, NULL, &error), error);
  ck_assert_double_eq(o[5], 7);
}
END_TEST

START_TEST(tensors_of_bool_and_half)
{
  const tn_function *f = compile_text("func f(M: bool[20], X: f16[20], Y: f16[20], Z: bool[20]) {\n"
                                      "  for i in 0..20 {\n"
                                      "    block a(k: 0..20 = i) { Y[k] = select(M[k], X[k] + X[k], 0.5:f16) }\n"
                                      "    block b(k: 0..20 = i) { Z[k] = X[k] < 0.0:f16 }\n"
                                      "  }\n}\n");
  uint8_t m[20], z[20];
  uint16_t x[20], y[20];
  int64_t n = 20;
  fill_random(TN_BOOL, m, n, 1);
  fill_random(TN_F16, x, n, 2);
  DLTensor t[] = {view(TN_BOOL, 1, &n, m), view(TN_F16, 1, &n, x), view(TN_F16, 1, &n, y), view(TN_BOOL, 1, &n, z)};
  tn_value args[] = {tn_value_tensor(&t[0]), tn_value_tensor(&t[1]), tn_value_tensor(&t[2]), tn_value_tensor(&t[3])};
  must(tn_function_call(f, args, 4, NULL, &error), error);
  for (int i = 0; i < 20; i++) {
    float v = (float)tni_float_from_bits(TN_F16, x[i]);
    ck_assert_float_eq((float)tni_float_from_bits(TN_F16, y[i]), m[i] ? v + v : 0.5f);
    ck_assert_int_eq(z[i], v < 0);
  }
}
END_TEST

START_TEST(tensors_without_elements)
{
  const tn_function *f = compile_text("func f(X: f32[n, 4], Y: f32[4], n: index) {\n"
                                      "  for j in 0..4 {\n    block z(c: 0..4 = j) { Y[c] = 1.0:f32 }\n  }\n"
                                      "  for j in 0..4 {\n    for i in 0..n {\n"
                                      "      block s(c: 0..4 = j, reduce r: 0..n = i) { Y[c] = Y[c] + X[r, c] }\n"
                                      "    }\n  }\n}\n");
  float y[4] = {0};
  int64_t empty[] = {0, 4}, four = 4;
  DLTensor x = view(TN_F32, 2, empty, NULL), t = view(TN_F32, 1, &four, y);
  tn_value args[] = {tn_value_tensor(&x), tn_value_tensor(&t), tn_value_int(0)};
  must(tn_function_call(f, args, 3, NULL, &error), error);
  for (int i = 0; i < 4; i++) ck_assert_float_eq(y[i], 1);
}
END_TEST

/* A reduction with all extents open, under the default schedule. */
START_TEST(a_matrix_product_of_any_shape)
{
  const tn_function *f =
      compile_text("func f(m: index, n: index, k: index, A: f32[m, k], B: f32[k, n], C: f32[m, n]) {\n"
                   "  for i in 0..m {\n    for j in 0..n {\n      for l in 0..k {\n"
                   "        block C(x: 0..m = i, y: 0..n = j, reduce z: 0..k = l) {\n"
                   "          init { C[x, y] = 0.0:f32 }\n"
                   "          C[x, y] = fma(A[x, z], B[z, y], C[x, y])\n"
                   "        }\n      }\n    }\n  }\n}\n");
  static float a[40 * 40], b[40 * 40], c[40 * 40];
  fill_random(TN_F32, a, 1600, 3);
  fill_random(TN_F32, b, 1600, 4);
  static const int64_t cases[][3] = {{1, 1, 1}, {7, 33, 5}, {40, 40, 40}, {16, 17, 1}, {3, 0, 2}, {2, 3, 0}};
  for (size_t at = 0; at < TNI_COUNT(cases); at++) {
    int64_t m = cases[at][0], n = cases[at][1], k = cases[at][2], sa[] = {m, k}, sb[] = {k, n}, sc[] = {m, n};
    DLTensor t[] = {view(TN_F32, 2, sa, a), view(TN_F32, 2, sb, b), view(TN_F32, 2, sc, c)};
    tn_value args[] = {tn_value_int(m),        tn_value_int(n),        tn_value_int(k),
                       tn_value_tensor(&t[0]), tn_value_tensor(&t[1]), tn_value_tensor(&t[2])};
    for (int i = 0; i < 1600; i++) c[i] = 99;
    must(tn_function_call(f, args, 6, NULL, &error), error);
    for (int64_t i = 0; i < m * n && k; i++) {
      float sum = 0;
      for (int64_t l = 0; l < k; l++) sum = __builtin_fmaf(a[i / n * k + l], b[l * n + i % n], sum);
      ck_assert_float_eq(c[i], sum);
    }
    ck_assert_float_eq(c[m * n < 1600 ? m * n : 0], m * n < 1600 ? 99 : c[0]);
  }
}
END_TEST

START_TEST(names_need_not_be_those_of_c)
{
  char text[1200], name[600];
  memset(name, 'q', sizeof name - 1);
  name[sizeof name - 1] = 0;
  snprintf(text, sizeof text,
           "func \"fused_conv/1:0 x\"(X: f32[1]) {\n  X[0] = 1.0:f32\n}\n"
           "func main(X: f32[1]) {\n  X[0] = 2.0:f32\n}\n"
           "func %s(X: f32[1]) {\n  X[0] = 3.0:f32\n}\n"
           "func f() {\n}\n",
           name);
  compile_text(text);
  const char *names[] = {"fused_conv/1:0 x", "main", name};
  for (int i = 0; i < 3; i++) {
    float x = 0;
    int64_t one = 1;
    DLTensor t = view(TN_F32, 1, &one, &x);
    tn_value arg = tn_value_tensor(&t);
    must(tn_function_call(session_function(module, names[i]), &arg, 1, NULL, &error), error);
    ck_assert_float_eq(x, (float)i + 1);
  }
  must(tn_function_call(session_function(module, "f"), NULL, 0, NULL, &error), error);
}
END_TEST

START_TEST(names_that_compiled_code_calls_are_refused)
{
  program = session_parse(ctx, "func memcpy(X: f32[1]) {\n  X[0] = 2.0:f32\n}\n");
  refused(tn_compile(program, NULL, &module, &error), error, TN_E_INVALID,
          "codegen: memcpy: a function cannot have this name: compiled code calls the C library's");
}
END_TEST

START_TEST(a_function_that_is_not_there)
{
  const tn_function *f = compile_text("func f(X: f32[1]) {\n  X[0] = 1.0:f32\n}\n");
  refused(tn_module_function(module, "g", &f, &error), error, TN_E_NOT_FOUND,
          "call: g: the module has no function of that name");
  ck_assert_ptr_null(f);
  ck_assert_int_eq(tn_module_function(module, "f.packed", &f, NULL), TN_E_NOT_FOUND);
}
END_TEST

/* ---- what the packed call refuses ------------------------------------------------------------------------------ */

static int64_t shape_a[] = {2, 3}, shape_b[] = {3};
static float data_a[6], data_b[3], data_c[6];

typedef struct call {
  DLTensor a, b, c;
  tn_value args[7];
} call;

static const char call_text[] =
    "func f(A: f32[n, 3], B: f32[3], C: f32[n, m - 1], n: index, k: i8, t: bool, m: index) {\n"
    "  for i in 0..n {\n    for j in 0..3 {\n"
    "      block C(x: 0..n = i, y: 0..3 = j) where j + 1 < m { C[x, y] = A[x, y] + B[y] }\n"
    "    }\n  }\n}\n";

/* A call that is right: each test spoils one thing of it. */
static void right_call(call *c) {
  *c = (call){
      view(TN_F32, 2, shape_a, data_a), view(TN_F32, 1, shape_b, data_b), view(TN_F32, 2, shape_a, data_c), {{0}}};
  tn_value args[] = {tn_value_tensor(&c->a), tn_value_tensor(&c->b), tn_value_tensor(&c->c), tn_value_int(2),
                     tn_value_int(-5),       tn_value_int(1),        tn_value_int(4)};
  memcpy(c->args, args, sizeof args);
}

#define REFUSES(change, status, text)                                                                                  \
  do {                                                                                                                 \
    call c;                                                                                                            \
    right_call(&c);                                                                                                    \
    change;                                                                                                            \
    refused(tn_function_call(f, c.args, 7, NULL, &error), error, status, text);                                        \
  } while (0)

START_TEST(a_right_call_is_taken)
{
  const tn_function *f = compile_text(call_text);
  call c;
  float padded[8];
  int64_t strides[] = {3, 1};
  right_call(&c);
  for (int i = 0; i < 6; i++) data_a[i] = (float)i, data_b[i % 3] = 10;
  must(tn_function_call(f, c.args, 7, NULL, &error), error);
  for (int i = 0; i < 6; i++) ck_assert_float_eq(data_c[i], (float)i + 10);
  c.a.strides = strides;
  c.a.data = padded;
  c.a.byte_offset = 8;
  memcpy(padded + 2, data_a, sizeof data_a);
  c.args[1] = c.args[0]; /* two that are read may share memory */
  c.args[1].as.tensor = &c.b;
  c.b.data = data_a;
  must(tn_function_call(f, c.args, 7, NULL, &error), error);
  for (int i = 0; i < 6; i++) ck_assert_float_eq(data_c[i], (float)(i + i % 3));
}
END_TEST

START_TEST(a_wrong_count_or_tag_is_refused)
{
  const tn_function *f = compile_text(call_text);
  call c;
  right_call(&c);
  refused(tn_function_call(f, c.args, 6, NULL, &error), error, TN_E_INVALID,
          "call: f: 6 arguments were given, it takes 7");
  REFUSES(c.args[0] = tn_value_int(1), TN_E_INVALID, "call: f: argument 0 (`A`): must be a tensor");
  REFUSES(c.args[0] = tn_value_pointer(data_a), TN_E_INVALID, "call: f: argument 0 (`A`): must be a tensor");
  REFUSES(c.args[1] = tn_value_tensor(NULL), TN_E_INVALID, "call: f: argument 1 (`B`): must be a tensor");
  REFUSES(c.args[3] = tn_value_float(2), TN_E_INVALID, "call: f: argument 3 (`n`): must be an integer");
  REFUSES(c.args[3] = tn_value_tensor(&c.a), TN_E_INVALID, "call: f: argument 3 (`n`): must be an integer");
  REFUSES(c.args[4].tag = 99, TN_E_INVALID, "call: f: argument 4 (`k`): must be an integer");
}
END_TEST

START_TEST(scalars_out_of_range_are_refused)
{
  const tn_function *f = compile_text(call_text);
  REFUSES(c.args[3] = tn_value_int(-1), TN_E_INVALID, "call: f: argument 3 (`n`): must be an index in 0..2^40");
  REFUSES(c.args[3] = tn_value_int((INT64_C(1) << 40) + 1), TN_E_INVALID,
          "call: f: argument 3 (`n`): must be an index in 0..2^40");
  REFUSES(c.args[4] = tn_value_int(128), TN_E_INVALID,
          "call: f: argument 4 (`k`): must be an integer in the range of i8");
  REFUSES(c.args[5] = tn_value_int(2), TN_E_INVALID, "call: f: argument 5 (`t`): must be a bool, 0 or 1");
}
END_TEST

START_TEST(wrong_tensors_are_refused)
{
  const tn_function *f = compile_text(call_text);
  int64_t other[] = {2, 4}, strides[] = {1, 2};
  static float big[8];
  REFUSES(c.a.dtype.bits = 64, TN_E_INVALID, "call: f: argument 0 (`A`): is f64[2, 3], not f32[2, 3]");
  REFUSES(c.a.dtype.code = kDLInt, TN_E_INVALID, "call: f: argument 0 (`A`): is i32[2, 3], not f32[2, 3]");
  REFUSES(c.a.dtype.lanes = 4, TN_E_UNSUPPORTED,
          "call: f: argument 0 (`A`): elements have 4 lanes, only 1 is supported");
  REFUSES(c.a.ndim = 1, TN_E_INVALID, "call: f: argument 0 (`A`): is f32[2], not f32[2, 3]");
  REFUSES(c.b.ndim = 0, TN_E_INVALID, "call: f: argument 1 (`B`): is f32[], not f32[3]");
  REFUSES((c.a.shape = other, c.a.data = big), TN_E_INVALID, "call: f: argument 0 (`A`): is f32[2, 4], not f32[2, 3]");
  REFUSES(c.a.strides = strides, TN_E_INVALID, "call: f: argument 0 (`A`): has strides (1, 2), not (3, 1)");
  REFUSES(c.a.byte_offset = 2, TN_E_INVALID,
          "call: f: argument 0 (`A`): data is not aligned to its elements of 4 bytes");
  REFUSES(c.c.device.device_type = kDLCUDA, TN_E_UNSUPPORTED,
          "call: f: argument 2 (`C`): the tensor is on device type 2, not on the CPU (1)");
  REFUSES(c.b.data = NULL, TN_E_INVALID, "call: f: argument 1 (`B`): data is NULL");
  REFUSES(c.b.shape = NULL, TN_E_INVALID, "call: f: argument 1 (`B`): the shape is NULL");
}
END_TEST

START_TEST(shapes_must_fit_the_index_arguments)
{
  const tn_function *f = compile_text(call_text);
  REFUSES(c.args[3] = tn_value_int(5), TN_E_INVALID, "call: f: argument 0 (`A`): is f32[2, 3], not f32[5, 3]");
  REFUSES(c.args[6] = tn_value_int(3), TN_E_INVALID, "call: f: argument 2 (`C`): is f32[2, 3], not f32[2, 2]");
  REFUSES(c.args[6] = tn_value_int(0), TN_E_INVALID,
          "call: f: argument 2 (`C`): with these arguments the extent of dimension 1 is -1");
}
END_TEST

START_TEST(an_extent_that_is_no_size_is_refused)
{
  const tn_function *f = compile_text("func f(X: f32[n * n * n, cast(index, k)], n: index, k: i32) {\n}\n");
  int64_t shape[] = {0, 7};
  DLTensor t = view(TN_F32, 2, shape, NULL);
  tn_value args[] = {tn_value_tensor(&t), tn_value_int(INT64_C(1) << 30), tn_value_int(7)};
  refused(tn_function_call(f, args, 3, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`X`): with these arguments the extent of dimension 0 cannot be computed");
  args[1] = tn_value_int(2);
  refused(tn_function_call(f, args, 3, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`X`): is f32[0, 7], not f32[8, 7]");
  args[1] = tn_value_int(0);
  must(tn_function_call(f, args, 3, NULL, &error), error);
}
END_TEST

START_TEST(memory_that_is_written_must_not_overlap)
{
  const tn_function *f = compile_text(call_text);
  static float both[11];
  REFUSES((c.a.data = both, c.c.data = both + 5), TN_E_INVALID,
          "call: f: argument 2 (`C`): is written, and overlaps argument 0 (`A`)");
  call c;
  right_call(&c);
  c.a.data = both;
  c.c.data = both + 6 - 1;
  c.a.shape = c.c.shape = (int64_t[]){1, 3};
  c.args[3] = tn_value_int(1);
  must(tn_function_call(f, c.args, 7, NULL, &error), error);
}
END_TEST

/* ---- functions of the host ------------------------------------------------------------------------------------- */

typedef struct host {
  atomic_long sum, calls;
  int64_t fail_at, status;
  const float *row;
} host;

static int32_t note(void *self, int64_t i, float x) {
  host *h = self;
  atomic_fetch_add(&h->sum, (long)x);
  atomic_fetch_add(&h->calls, 1);
  return i == h->fail_at ? (int32_t)h->status : TN_OK;
}

static double twice(void *self, double x, uint8_t negate, int64_t i) {
  atomic_fetch_add(&((host *)self)->calls, 1);
  return (negate ? -2 : 2) * x + (double)i;
}

static void take_row(void *self, const float *row) { ((host *)self)->row = row; }

static void bind(const char *name, tn_type result, size_t count, const tn_type *params, void (*function)(void),
                 void *self) {
  must(tn_program_extern(program, name, result, count, params, function, self, &error), error);
}

static const tn_type note_params[] = {TN_INDEX, TN_F32};

static const char serial_text[] = "extern note(index, f32): i32\n"
                                  "func f(X: f32[100]) {\n  for i in 0..100 {\n    call note(i, X[i])\n  }\n}\n";
static const char parallel_text[] =
    "extern note(index, f32): i32\n"
    "scheduled func f(X: f32[100]) {\n  for i in 0..100 parallel {\n    call note(i, X[i])\n  }\n}\n";

/* Runs the text with `note` bound to h, on 1..100; the status. */
static tn_status run_note(const char *text, host *h) {
  static float x[100];
  int64_t n = 100;
  program = session_parse(ctx, text);
  bind("note", TN_I32, 2, note_params, (void (*)(void))note, h);
  module = session_compile(program, NULL);
  for (int i = 0; i < 100; i++) x[i] = (float)(i + 1);
  DLTensor t = view(TN_F32, 1, &n, x);
  tn_value arg = tn_value_tensor(&t);
  return tn_function_call(session_function(module, "f"), &arg, 1, NULL, &error);
}

static void check_note(const char *text) {
  host h = {.fail_at = -1};
  must(run_note(text, &h), error);
  ck_assert_int_eq(atomic_load(&h.calls), 100);
  ck_assert_int_eq(atomic_load(&h.sum), 5050);
}

START_TEST(the_host_is_called_from_a_loop)
{ check_note(serial_text); }
END_TEST

START_TEST(the_host_is_called_from_a_parallel_loop)
{ check_note(parallel_text); }
END_TEST

START_TEST(the_hosts_failure_ends_the_kernel)
{
  host h = {.fail_at = 20, .status = 4711};
  refused(run_note(serial_text, &h), error, TN_E_HOST, "call: f: the host's function `note` returned 4711");
  ck_assert_int_eq(atomic_load(&h.calls), 21);
  h.fail_at = -1; /* and the next call is fine */
  float x[100] = {0};
  const tn_function *f = session_function(module, "f");
  int32_t (*direct)(const tn_env *, float *) = (int32_t(*)(const tn_env *, float *))tn_function_pointer(f);
  ck_assert_int_eq(direct(tn_function_env(f), x), TN_OK);
  h.fail_at = 0;
  ck_assert_int_eq(direct(tn_function_env(f), x), TN_E_HOST);
}
END_TEST

START_TEST(a_status_without_a_story_is_named)
{
  tni_host_failure none = {0};
  compile_text("func f(A: f32[1]) {\n}\n");
  refused(tni_kernel_error(module, &none, TN_E_LIMIT, "f", &error), error, TN_E_LIMIT,
          "call: f: the kernel ended with TN_E_LIMIT");
}
END_TEST

START_TEST(the_hosts_failure_ends_a_parallel_loop)
{
  host h = {.fail_at = 77, .status = -3};
  refused(run_note(parallel_text, &h), error, TN_E_HOST, "call: f: the host's function `note` returned -3");
}
END_TEST

START_TEST(the_host_gives_values)
{
  static const tn_type params[] = {TN_F64, TN_BOOL, TN_INDEX};
  host h = {0};
  program = session_parse(ctx, "extern twice(f64, bool, index): f64\n"
                               "func f(X: f64[6]) {\n  for i in 0..6 {\n"
                               "    block x(k: 0..6 = i) { X[k] = @twice(X[k], k < 3, k) + 0.25:f64 }\n  }\n}\n");
  bind("twice", TN_F64, 3, params, (void (*)(void))twice, &h);
  module = session_compile(program, NULL);
  double x[] = {1, 2, 3, 4, 5, 6};
  int64_t n = 6;
  DLTensor t = view(TN_F64, 1, &n, x);
  tn_value arg = tn_value_tensor(&t);
  must(tn_function_call(session_function(module, "f"), &arg, 1, NULL, &error), error);
  for (int i = 0; i < 6; i++) ck_assert_double_eq(x[i], (i < 3 ? -2 : 2) * (i + 1.0) + i + 0.25);
  ck_assert_int_eq(atomic_load(&h.calls), 6);
}
END_TEST

START_TEST(the_host_receives_addresses)
{
  static const tn_type params[] = {TN_POINTER};
  host h = {0};
  program = session_parse(ctx, "extern take(ptr): void\nfunc f(X: f32[4]) {\n  call take(&X)\n}\n");
  bind("take", TN_VOID, 1, params, (void (*)(void))take_row, &h);
  module = session_compile(program, NULL);
  float x[8];
  int64_t n = 4;
  DLTensor t = view(TN_F32, 1, &n, x);
  t.byte_offset = 16;
  tn_value arg = tn_value_tensor(&t);
  must(tn_function_call(session_function(module, "f"), &arg, 1, NULL, &error), error);
  ck_assert_ptr_eq(h.row, x + 4);
}
END_TEST

START_TEST(an_external_must_be_bound)
{
  program = session_parse(ctx, serial_text);
  refused(tn_compile(program, NULL, &module, &error), error, TN_E_INVALID,
          "load: note: the external is declared, but no function is bound to it");
  ck_assert_ptr_null(module);
}
END_TEST

/* The module keeps what it needs of the program: rebinding afterwards changes the next module only. */
START_TEST(a_module_outlives_its_program)
{
  host h = {.fail_at = -1};
  float x[100] = {0};
  int64_t n = 100;
  DLTensor t = view(TN_F32, 1, &n, x);
  tn_value arg = tn_value_tensor(&t);
  must(run_note(serial_text, &h), error);
  tn_program_destroy(program);
  program = NULL;
  must(tn_function_call(session_function(module, "f"), &arg, 1, NULL, &error), error);
  ck_assert_int_eq(atomic_load(&h.calls), 200);
}
END_TEST

/* ---- the host's executor --------------------------------------------------------------------------------------- */

static int32_t own_parallel_for(void *self, tn_parallel_body body, void *closure, int64_t count, int64_t grain) {
  const int64_t *mode = self;
  (void)grain;
  for (int64_t i = 0; i < count; i++) {
    int32_t status = body(closure, i, i + 1);
    if (status && *mode != 1) return status;
  }
  return *mode > 1 ? (int32_t)*mode : 0;
}

/* An executor that loses the status of a range, and one that fails itself. */
START_TEST(the_hosts_executor_is_not_relied_on)
{
  int64_t mode = 1;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.parallel_for = own_parallel_for, .self = &mode}};
  tn_context_destroy(ctx);
  must(tn_context_create(&desc, &ctx, &error), error);
  host h = {.fail_at = 5, .status = 9};
  refused(run_note(parallel_text, &h), error, TN_E_HOST, "call: f: the host's function `note` returned 9");
  h.fail_at = -1;
  mode = 5;
  float x[100] = {0};
  int64_t n = 100;
  DLTensor t = view(TN_F32, 1, &n, x);
  tn_value arg = tn_value_tensor(&t);
  refused(tn_function_call(session_function(module, "f"), &arg, 1, NULL, &error), error, TN_E_HOST,
          "call: f: the host's parallel_for returned 5");
}
END_TEST

/* ---- compiling ------------------------------------------------------------------------------------------------- */

static int32_t end_it(void *self, int32_t done, int32_t total) {
  ck_assert_int_eq(total, 2);
  return done >= *(int *)self ? 1 : 0;
}

START_TEST(the_host_may_end_a_compilation)
{
  int limit = 1;
  tn_context_desc one_worker = {.struct_size = sizeof one_worker, .threads.compile_workers = 1};
  tn_context_destroy(ctx);
  must(tn_context_create(&one_worker, &ctx, &error), error);
  tn_compile_desc desc = {.struct_size = sizeof desc, .progress = end_it, .progress_self = &limit};
  program = session_parse(ctx, "func f(X: f32[1]) {\n  X[0] = 1.0:f32\n}\nfunc g(X: f32[1]) {\n  X[0] = 2.0:f32\n}\n");
  refused(tn_compile(program, &desc, &module, &error), error, TN_E_HOST, "codegen: the host ended the compilation");
  ck_assert_ptr_null(module);
  limit = 100;
  module = session_compile(program, &desc);
}
END_TEST

START_TEST(another_description_is_refused)
{
  tn_compile_desc desc = {.struct_size = 8};
  char text[200];
  program = session_parse(ctx, "func f() {\n}\n");
  snprintf(text, sizeof text, "build: tn_compile_desc: struct_size is 8, this library knows %zu", sizeof desc);
  refused(tn_compile(program, &desc, &module, &error), error, TN_E_VERSION, text);
}
END_TEST

START_TEST(a_program_without_functions_compiles)
{
  must(tn_program_create(ctx, &program, &error), error);
  module = session_compile(program, NULL);
  tn_compile_stats stats = {.struct_size = sizeof stats};
  tn_module_stats(module, &stats);
  ck_assert_uint_eq(stats.kernels, 0);
  ck_assert_uint_eq(stats.code_bytes, 0);
}
END_TEST

START_TEST(statistics_tell_what_was_made)
{
  compile_text("func f(X: f32[1]) {\n  X[0] = 1.0:f32\n}\nfunc g(X: f32[1]) {\n  X[0] = 2.0:f32\n}\n");
  struct {
    tn_compile_stats stats;
    char after[8];
  } old = {.stats.struct_size = offsetof(tn_compile_stats, code_bytes), .stats.code_bytes = 77};
  tn_compile_stats stats = {0};
  tn_module_stats(module, &stats);
  ck_assert_uint_eq(stats.struct_size, sizeof stats);
  ck_assert_uint_eq(stats.kernels, 2);
  ck_assert_uint_gt(stats.code_bytes, 100);
  ck_assert(stats.codegen_seconds > 0 && stats.load_seconds > 0);
  tn_module_stats(module, &old.stats);
  ck_assert_uint_eq(old.stats.kernels, 2);
  ck_assert_uint_eq(old.stats.code_bytes, 77); /* a field that an older header did not have */
}
END_TEST

int main(void) {
  const TTest *const tests[] = {a_built_function_is_called_directly_and_packed,
                                plans_call_kernels_of_any_number_of_pointers,
                                scalars_of_every_type_arrive,
                                tensors_of_bool_and_half,
                                tensors_without_elements,
                                a_matrix_product_of_any_shape,
                                names_need_not_be_those_of_c,
                                names_that_compiled_code_calls_are_refused,
                                a_function_that_is_not_there,
                                a_right_call_is_taken,
                                a_wrong_count_or_tag_is_refused,
                                scalars_out_of_range_are_refused,
                                wrong_tensors_are_refused,
                                shapes_must_fit_the_index_arguments,
                                an_extent_that_is_no_size_is_refused,
                                memory_that_is_written_must_not_overlap,
                                the_host_is_called_from_a_loop,
                                the_host_is_called_from_a_parallel_loop,
                                the_hosts_failure_ends_the_kernel,
                                a_status_without_a_story_is_named,
                                the_hosts_failure_ends_a_parallel_loop,
                                the_host_gives_values,
                                the_host_receives_addresses,
                                an_external_must_be_bound,
                                a_module_outlives_its_program,
                                the_hosts_executor_is_not_relied_on,
                                the_host_may_end_a_compilation,
                                another_description_is_refused,
                                a_program_without_functions_compiles,
                                statistics_tell_what_was_made};
  return suite_run_tests("function", tests, TNI_COUNT(tests), open_context, close_context);
}
