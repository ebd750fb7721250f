/* test_symbolic.c -- functions whose extents are index parameters, under the default schedule: the compiled code gives
 * the interpreter's bits for every extent, 0 and those that fill no vector among them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "session.h"

enum { MAX_PARAMS = 6, MOST = 40 * 40 };

static tn_context *ctx;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }
static void close_context(void) { tn_context_destroy(ctx); }

typedef struct arguments {
  int64_t shapes[MAX_PARAMS][TN_MAX_RANK];
  DLTensor tensors[MAX_PARAMS];
  tn_value values[MAX_PARAMS];
  float data[MAX_PARAMS][MOST];
} arguments;

/* Index parameters become m and n in turn; a buffer's extents are those, sums with a constant, or constants. */
static int64_t extent_of(const tn_func *f, const tn_expr *x, const tn_value *values) {
  if (tni_is_const(x)) return x->as.i;
  for (uint32_t i = 0; i < f->param_count; i++)
    if (f->params[i].scalar == x) return values[i].as.i;
  int64_t a = extent_of(f, x->arg[0], values), b = extent_of(f, x->arg[1], values);
  return x->op == TN_OP_add ? a + b : a * b;
}

static void make_arguments(const tn_func *f, int64_t m, int64_t n, arguments *a) {
  int scalars = 0;
  for (uint32_t i = 0; i < f->param_count; i++)
    if (f->params[i].scalar) a->values[i] = tn_value_int(scalars++ ? n : m);
  for (uint32_t i = 0; i < f->param_count; i++) {
    const tn_buffer *b = f->params[i].buffer;
    int64_t count = 1;
    if (!b) continue;
    for (int32_t d = 0; d < b->rank; d++) count *= a->shapes[i][d] = extent_of(f, b->shape[d], a->values);
    ck_assert_int_le(count, MOST);
    a->tensors[i] = view(b->type, b->rank, a->shapes[i], a->data[i]);
    a->values[i] = tn_value_tensor(&a->tensors[i]);
    fill_random(TN_F32, a->data[i], MOST, i + 1); /* all of it: nothing may be written behind the end */
  }
}

/* `least`: of n; 1 where it is the extent of a sum: an empty one writes nothing, or its init if that was split off. */
static void check(const char *text, int64_t least) {
  static const int64_t sizes[][2] = {{1, 1}, {16, 16}, {7, 33}, {33, 7}, {0, 5}, {5, 0}, {3, 40}, {38, 2}};
  static arguments want, have;
  tn_program *program = session_parse(ctx, text);
  tn_module *module = session_compile(program, NULL);
  const tn_func *f = tn_program_func(program, "f");
  for (size_t i = 0; i < TNI_COUNT(sizes); i++) {
    if (sizes[i][1] < least) continue;
    make_arguments(f, sizes[i][0], sizes[i][1], &want);
    make_arguments(f, sizes[i][0], sizes[i][1], &have);
    must(tn_func_interpret(f, want.values, f->param_count, &error), error);
    must(tn_function_call(session_function(module, "f"), have.values, f->param_count, NULL, &error), error);
    for (uint32_t p = 0; p < f->param_count; p++)
      if (f->params[p].buffer)
        ck_assert_msg(memcmp(want.data[p], have.data[p], sizeof want.data[p]) == 0, "m = %d, n = %d: `%s` differs",
                      (int)sizes[i][0], (int)sizes[i][1], f->params[p].buffer->name);
  }
  tn_module_destroy(module);
  tn_program_destroy(program);
}

START_TEST(elementwise)
{
  check("func f(X: f32[m, n], B: f32[n], Y: f32[m, n], m: index, n: index) {\n"
        "  for i in 0..m {\n    for j in 0..n {\n"
        "      block Y(a: 0..m = i, b: 0..n = j) { Y[a, b] = max(X[a, b] + B[b], 0.0:f32) }\n    }\n  }\n}\n",
        0);
}
END_TEST

START_TEST(a_chain_through_temporaries)
{
  check("func f(X: f32[m, n], Y: f32[m, n], m: index, n: index) {\n  alloc T: f32[m, n]\n"
        "  for i in 0..m {\n    for j in 0..n {\n"
        "      block T(a: 0..m = i, b: 0..n = j) { T[a, b] = exp(X[a, b]) }\n    }\n  }\n"
        "  for i in 0..m {\n    for j in 0..n {\n"
        "      block Y(a: 0..m = i, b: 0..n = j) { Y[a, b] = T[a, b] / (T[a, b] + 1.0:f32) }\n    }\n  }\n}\n",
        0);
}
END_TEST

START_TEST(a_product_with_an_epilogue)
{
  check("func f(A: f32[m, n], W: f32[n, 24], B: f32[24], Y: f32[m, 24], m: index, n: index) {\n  alloc T: f32[m, 24]\n"
        "  for i in 0..m {\n    for j in 0..24 {\n      for k in 0..n {\n"
        "        block T(a: 0..m = i, b: 0..24 = j, reduce c: 0..n = k) {\n"
        "          init { T[a, b] = 0.0:f32 }\n          T[a, b] = fma(A[a, c], W[c, b], T[a, b])\n        }\n"
        "      }\n    }\n  }\n"
        "  for i in 0..m {\n    for j in 0..24 {\n"
        "      block Y(a: 0..m = i, b: 0..24 = j) { Y[a, b] = max(T[a, b] + B[b], 0.0:f32) }\n    }\n  }\n}\n",
        1);
}
END_TEST

START_TEST(a_product_of_constant_shape_with_an_open_sum)
{
  check("func f(A: f32[6, n], W: f32[n, 32], Y: f32[6, 32], m: index, n: index) {\n"
        "  for i in 0..6 {\n    for j in 0..32 {\n      for k in 0..n {\n"
        "        block Y(a: 0..6 = i, b: 0..32 = j, reduce c: 0..n = k) {\n"
        "          init { Y[a, b] = 0.0:f32 }\n          Y[a, b] = fma(A[a, c], W[c, b], Y[a, b])\n        }\n"
        "      }\n    }\n  }\n}\n",
        1);
}
END_TEST

START_TEST(a_softmax_of_open_rows)
{
  check("func f(X: f32[m, n], Y: f32[m, n], m: index, n: index) {\n  alloc M: f32[m]\n  alloc S: f32[m]\n"
        "  for i in 0..m {\n    for j in 0..n {\n      block M(a: 0..m = i, reduce b: 0..n = j) {\n"
        "        init { M[a] = -inf:f32 }\n        M[a] = max(M[a], X[a, b])\n      }\n    }\n  }\n"
        "  for i in 0..m {\n    for j in 0..n {\n      block S(a: 0..m = i, reduce b: 0..n = j) {\n"
        "        init { S[a] = 0.0:f32 }\n        S[a] = S[a] + exp(X[a, b] - M[a])\n      }\n    }\n  }\n"
        "  for i in 0..m {\n    for j in 0..n {\n"
        "      block Y(a: 0..m = i, b: 0..n = j) { Y[a, b] = exp(X[a, b] - M[a]) / S[a] }\n    }\n  }\n}\n",
        1);
}
END_TEST

START_TEST(a_window_over_an_open_row)
{
  check("func f(X: f32[m + 2, n], Y: f32[m, n], m: index, n: index) {\n"
        "  for i in 0..m {\n    for j in 0..n {\n      for k in 0..3 {\n"
        "        block Y(a: 0..m = i, b: 0..n = j, reduce c: 0..3 = k) {\n"
        "          init { Y[a, b] = 0.0:f32 }\n          Y[a, b] = Y[a, b] + X[a + c, b]\n        }\n"
        "      }\n    }\n  }\n}\n",
        0);
}
END_TEST

START_TEST(a_transpose)
{
  check("func f(X: f32[m, n], Y: f32[n, m], m: index, n: index) {\n"
        "  for i in 0..n {\n    for j in 0..m {\n"
        "      block Y(a: 0..n = i, b: 0..m = j) { Y[a, b] = X[b, a] }\n    }\n  }\n}\n",
        0);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {elementwise,
                                a_chain_through_temporaries,
                                a_product_with_an_epilogue,
                                a_product_of_constant_shape_with_an_open_sum,
                                a_softmax_of_open_rows,
                                a_window_over_an_open_row,
                                a_transpose};
  return suite_run_tests("symbolic", tests, TNI_COUNT(tests), open_context, close_context);
}
