/* test_reducer.c -- reducers: the blocks that the builder makes of them, what they compute, which reducer a block is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>

#include "ir/program.h"

static tn_builder *b;
static tn_error *err;

static const tn_func *finish(void) {
  const tn_func *f;
  tn_builder_finish(b, &f, &err);
  ck_assert_str_eq(tn_error_text(err), "");
  return f;
}

/* The text, which parses back as itself. */
static void check_text(const tn_func *f, const char *want) {
  char *text, *again;
  tn_program *parsed;
  ck_assert_int_eq(tn_func_print(f, &text, NULL), TN_OK);
  ck_assert_str_eq(text, want);
  tn_program_parse(ctx, text, strlen(text), "t", &parsed, &err);
  ck_assert_str_eq(tn_error_text(err), "");
  ck_assert_int_eq(tn_func_print(parsed->funcs[0], &again, NULL), TN_OK);
  ck_assert_str_eq(again, want);
  tn_text_destroy(text);
  tn_text_destroy(again);
  tn_program_destroy(parsed);
}

static DLTensor view(tn_type type, int32_t rank, int64_t *shape, void *data) {
  return (DLTensor){
      .data = data, .device = {kDLCPU, 0}, .ndim = rank, .dtype = tn_type_to_dlpack(type), .shape = shape};
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* f(X: T[2, 5], Y: T[2]) that reduces each row. */
static const tn_func *build_rows(tn_type type, enum tn_reducer reducer) {
  int64_t shape[] = {2, 5};
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  const tn_buffer *x = tn_param(b, "X", type, 2, shape), *y = tn_param(b, "Y", type, 1, shape);
  const tn_expr *i = tn_axis(b, "i", 2), *k = tn_reduce_axis(b, "k", 5), *at[] = {i, k};
  tn_reduce(b, y, &i, 1, &k, reducer, tn_load(b, x, at, NULL));
  return finish();
}

START_TEST(each_row_of_the_table_is_a_block_that_is_recognised)
{
  static const struct {
    tn_type type;
    enum tn_reducer reducer;
    const char *identity, *step;
  } rows[] = {
      {TN_F32, TN_REDUCE_SUM, "0.0:f32", "Y[i_1] + X[i_1, k_1]"},
      {TN_I16, TN_REDUCE_SUM, "0:i16", "Y[i_1] + X[i_1, k_1]"},
      {TN_F64, TN_REDUCE_PRODUCT, "1.0:f64", "Y[i_1] * X[i_1, k_1]"},
      {TN_F32, TN_REDUCE_MIN, "inf:f32", "min(Y[i_1], X[i_1, k_1])"},
      {TN_I8, TN_REDUCE_MIN, "127:i8", "min(Y[i_1], X[i_1, k_1])"},
      {TN_U32, TN_REDUCE_MAX, "0:u32", "max(Y[i_1], X[i_1, k_1])"},
      {TN_BOOL, TN_REDUCE_ANY, "false", "Y[i_1] || X[i_1, k_1]"},
      {TN_U8, TN_REDUCE_ANY, "0:u8", "Y[i_1] | X[i_1, k_1]"},
      {TN_BOOL, TN_REDUCE_ALL, "true", "Y[i_1] && X[i_1, k_1]"},
      {TN_I32, TN_REDUCE_ALL, "-1:i32", "Y[i_1] & X[i_1, k_1]"},
      {TN_BOOL, TN_REDUCE_XOR, "false", "Y[i_1] ^ X[i_1, k_1]"},
  };
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    char want[512], name[16];
    const tn_func *f = build_rows(rows[i].type, rows[i].reducer);
    tn_type_text(rows[i].type, name);
    snprintf(want, sizeof want,
             "func f(X: %s[2, 5], Y: %s[2]) {\n  for i in 0..2 {\n    for k in 0..5 {\n"
             "      block Y(i_1: 0..2 = i, reduce k_1: 0..5 = k) {\n        init {\n          Y[i_1] = %s\n        }\n"
             "        Y[i_1] = %s\n      }\n    }\n  }\n}\n",
             name, name, rows[i].identity, rows[i].step);
    check_text(f, want);
    tni_reduction r;
    ck_assert(tni_reducer_of(&program->region, f->body->as.loop.body->as.loop.body, &r));
    ck_assert_int_eq(r.count, 1);
    ck_assert_int_eq(r.reducer, rows[i].reducer);
    ck_assert(r.any_order);
    ck_assert_ptr_eq(r.inits[0]->as.store.value,
                     tni_reducer_identity(&program->region, rows[i].reducer, 0, rows[i].type));
  }
}
END_TEST

START_TEST(any_and_all_of_rows)
{
  bool x[2][5] = {{0, 0, 1, 0, 0}, {1, 1, 1, 1, 1}}, y[2];
  int64_t shape[] = {2, 5};
  DLTensor tx = view(TN_BOOL, 2, shape, x), ty = view(TN_BOOL, 1, shape, y);
  tn_value args[] = {tn_value_tensor(&tx), tn_value_tensor(&ty)};
  static const bool want[][2] = {{1, 1}, {0, 1}, {1, 1}};
  for (int k = 0; k < 3; k++) {
    const tn_func *f = build_rows(TN_BOOL, (enum tn_reducer)(TN_REDUCE_ANY + k));
    ck_assert_int_eq(tni_interpret(f, args, 2, NULL), TN_OK);
    ck_assert_mem_eq(y, want[k], sizeof y);
  }
}
END_TEST

/* ---- the place of the largest --------------------------------------------------------------------------------------- */

/* f(X: T[3, 4], B: T[], I: INDEX[]) over all of X. */
static const tn_func *build_arg(tn_type type, tn_type index, enum tn_reducer reducer) {
  int64_t shape[] = {3, 4};
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  const tn_buffer *x = tn_param(b, "X", type, 2, shape), *best = tn_param(b, "B", type, 0, NULL),
                  *at = tn_param(b, "I", index, 0, NULL);
  const tn_expr *k[] = {tn_reduce_axis(b, "k", 3), tn_reduce_axis(b, "l", 4)};
  tn_reduce_arg(b, best, at, NULL, 2, k, reducer, tn_load(b, x, k, NULL));
  return finish();
}

START_TEST(an_argmax_is_one_block_of_two_stores)
{
  check_text(build_arg(TN_I32, TN_I64, TN_REDUCE_ARGMAX),
             "func f(X: i32[3, 4], B: i32[], I: i64[]) {\n  for k in 0..3 {\n    for l in 0..4 {\n"
             "      block B(reduce k_1: 0..3 = k, reduce l_1: 0..4 = l) {\n        init {\n"
             "          B[] = -2147483648:i32\n          I[] = 9223372036854775807:i64\n        }\n"
             "        let s = B[]\n        let j = I[]\n        let x = X[k_1, l_1]\n"
             "        let i = cast(i64, k_1 * 4 + l_1)\n"
             "        B[] = select(s < x || x == s && i < j, x, s)\n"
             "        I[] = select(s < x || x == s && i < j, i, j)\n      }\n    }\n  }\n}\n");
  const tn_func *f = build_arg(TN_F32, TN_I32, TN_REDUCE_ARGMIN);
  check_text(f, "func f(X: f32[3, 4], B: f32[], I: i32[]) {\n  for k in 0..3 {\n    for l in 0..4 {\n"
                "      block B(reduce k_1: 0..3 = k, reduce l_1: 0..4 = l) {\n        init {\n"
                "          B[] = inf:f32\n          I[] = 2147483647:i32\n        }\n"
                "        let s = B[]\n        let j = I[]\n        let x = X[k_1, l_1]\n"
                "        let i = cast(i32, k_1 * 4 + l_1)\n"
                "        B[] = select(x < s || (x == s || x != x) && i < j || x != x && s == s, x, s)\n"
                "        I[] = select(x < s || (x == s || x != x) && i < j || x != x && s == s, i, j)\n"
                "      }\n    }\n  }\n}\n");
  tni_reduction r;
  ck_assert(tni_reducer_of(&program->region, f->body->as.loop.body->as.loop.body, &r));
  ck_assert_int_eq(r.count, 2);
  ck_assert_int_eq(r.reducer, TN_REDUCE_ARGMIN);
  ck_assert(r.any_order);
}
END_TEST

/* Runs both, forwards and with the elements' order of steps reversed: the result is the same. */
static void check_arg(const float *x, int64_t smallest, int64_t largest) {
  float data[12], best;
  int64_t at, shape[] = {3, 4};
  memcpy(data, x, sizeof data);
  DLTensor tx = view(TN_F32, 2, shape, data), tb = view(TN_F32, 0, NULL, &best), ti = view(TN_I64, 0, NULL, &at);
  tn_value args[] = {tn_value_tensor(&tx), tn_value_tensor(&tb), tn_value_tensor(&ti)};
  for (int max = 0; max < 2; max++) {
    int64_t want = max ? largest : smallest;
    const tn_func *f = build_arg(TN_F32, TN_I64, max ? TN_REDUCE_ARGMAX : TN_REDUCE_ARGMIN);
    ck_assert_int_eq(tni_interpret(f, args, 3, NULL), TN_OK);
    ck_assert_int_eq(at, want);
    ck_assert(isnan(x[want]) ? isnan(best) : memcmp(&best, &x[want], sizeof best) == 0);
  }
}

START_TEST(the_first_of_equal_ones_wins_and_nan_over_all)
{
  check_arg((float[]){3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 9}, 1, 5);
  check_arg((float[]){7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}, 0, 0);
  check_arg((float[]){-INFINITY, -INFINITY, 0, 0, 0, 0, INFINITY, INFINITY, 0, 0, 0, 0}, 0, 6);
  check_arg((float[]){1, 0.0f, -0.0f, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 1, 0);
  check_arg((float[]){-1, -0.0f, 0.0f, -1, -1, -1, -1, -1, -1, -1, -1, -1}, 0, 1);
  check_arg((float[]){3, 1, NAN, 1, NAN, 9, 2, 6, 5, 3, 5, 9}, 2, 2);
  check_arg((float[]){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}, 0, 0);
  check_arg((float[]){INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY,
                      INFINITY, INFINITY, INFINITY},
            0, 0);
}
END_TEST

START_TEST(nothing_gives_the_identity)
{
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  const tn_expr *n = tn_param_scalar(b, "n", TN_INDEX);
  const tn_buffer *x = tn_param_symbolic(b, "X", TN_F32, 1, &n), *best = tn_param(b, "B", TN_F32, 0, NULL),
                  *at = tn_param(b, "I", TN_U8, 0, NULL);
  const tn_expr *k = tn_reduce_axis_symbolic(b, "k", n);
  tn_reduce_arg(b, best, at, NULL, 1, &k, TN_REDUCE_ARGMAX, tn_load(b, x, &k, NULL));
  const tn_func *f = finish();
  float data[3] = {1, 5, 2}, value;
  uint8_t place;
  for (int64_t count = 0; count < 4; count += 3) {
    DLTensor tx = view(TN_F32, 1, &count, data), tb = view(TN_F32, 0, NULL, &value), ti = view(TN_U8, 0, NULL, &place);
    tn_value args[] = {tn_value_int(count), tn_value_tensor(&tx), tn_value_tensor(&tb), tn_value_tensor(&ti)};
    ck_assert_int_eq(tni_interpret(f, args, 4, NULL), TN_OK);
    ck_assert_float_eq(value, count ? 5 : -INFINITY);
    ck_assert_uint_eq(place, count ? 1 : 255);
  }
}
END_TEST

/* ---- of the host's own making -------------------------------------------------------------------------------------- */

/* f(X: f32[9], S: f32[], Q: f32[]): the states swap places and grow, so that they must change at once. */
static const tn_func *build_custom(bool coupled) {
  int64_t nine = 9;
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  const tn_buffer *x = tn_param(b, "X", TN_F32, 1, &nine), *out[2];
  out[0] = tn_param(b, "S", TN_F32, 0, NULL);
  out[1] = tn_param(b, "Q", TN_F32, 0, NULL);
  const tn_expr *zero = tn_float(b, TN_F32, 0), *identity[] = {zero, zero};
  const tn_expr *state[] = {tn_var(b, "s", TN_F32), tn_var(b, "q", TN_F32)};
  const tn_expr *item[] = {tn_var(b, "x", TN_F32), tn_var(b, "y", TN_F32)};
  const tn_expr *next[] = {tn_add(b, state[coupled], item[0]), tn_add(b, state[!coupled], item[1])};
  const tn_expr *k = tn_reduce_axis(b, "k", 9), *value = tn_load(b, x, &k, NULL);
  const tn_expr *values[] = {value, tn_mul(b, value, value)};
  tn_reducer_desc desc = {sizeof desc, 2, out, identity, state, item, next, values};
  tn_reduce_custom(b, &desc, NULL, 1, &k);
  return finish();
}

START_TEST(states_change_at_once)
{
  const tn_func *f = build_custom(true);
  check_text(f, "func f(X: f32[9], S: f32[], Q: f32[]) {\n  for k in 0..9 {\n    block S(reduce k_1: 0..9 = k) {\n"
                "      init {\n        S[] = 0.0:f32\n        Q[] = 0.0:f32\n      }\n"
                "      let s = S[]\n      let q = Q[]\n      let x = X[k_1]\n      let y = X[k_1] * X[k_1]\n"
                "      S[] = q + x\n      Q[] = s + y\n    }\n  }\n}\n");
  float data[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, s, q, a = 0, c = 0;
  int64_t nine = 9;
  DLTensor tx = view(TN_F32, 1, &nine, data), ts = view(TN_F32, 0, NULL, &s), tq = view(TN_F32, 0, NULL, &q);
  tn_value args[] = {tn_value_tensor(&tx), tn_value_tensor(&ts), tn_value_tensor(&tq)};
  ck_assert_int_eq(tni_interpret(f, args, 3, NULL), TN_OK);
  for (int i = 0; i < 9; i++) {
    float d = c + data[i];
    c = a + data[i] * data[i];
    a = d;
  }
  ck_assert_float_eq(s, a);
  ck_assert_float_eq(q, c);
}
END_TEST

START_TEST(what_the_order_of_steps_means_is_known)
{
  tni_reduction r;
  ck_assert(tni_reducer_of(&program->region, build_custom(true)->body->as.loop.body, &r));
  ck_assert_int_eq(r.count, 2);
  ck_assert_int_eq(r.reducer, -1);
  ck_assert(!r.any_order);
  ck_assert(tni_reducer_of(&program->region, build_custom(false)->body->as.loop.body, &r)); /* two sums */
  ck_assert_int_eq(r.reducer, -1);
  ck_assert(r.any_order);
}
END_TEST

/* Blocks in text: what is recognised, and what is not. */
START_TEST(blocks_are_recognised_by_their_form)
{
  enum { NO = -2, OWN = -1 };
  static const struct {
    const char *body;
    int reducer; /* NO: not a reduction that is understood */
    bool any_order;
  } rows[] = {
      {"S[i] = S[i] + A[k]", TN_REDUCE_SUM, true},
      {"S[i] = A[k] + S[i]", TN_REDUCE_SUM, true},
      {"S[i] = fma(A[k], A[i], S[i])", TN_REDUCE_SUM, true},
      {"S[i] = S[i] - A[k]", TN_REDUCE_SUM, true},
      {"init { S[i] = 7.0:f32 } S[i] = S[i] * A[k]", TN_REDUCE_PRODUCT, true},
      {"let a = A[k] * 2.0:f32; let b = a + a; S[i] = min(S[i], b)", TN_REDUCE_MIN, true},
      {"let s = S[i]; S[i] = max(s, A[k])", TN_REDUCE_MAX, true},
      {"S[i] = A[k] - S[i]", OWN, false},
      {"S[i] = S[i] + S[i]", OWN, false},
      {"S[i] = fma(S[i], A[k], S[i])", OWN, false},
      {"S[i] = S[i] / A[k]", OWN, false},
      {"S[i] = S[i] + A[k]; T[i] = T[i] * A[k]", OWN, true},
      {"S[i] = S[i] + A[k]; T[i] = S[i] * A[k]", NO, false}, /* one after the other */
      {"let s = S[i]; S[i] = s + A[k]; T[i] = s * A[k]", OWN, false},
      {"S[i] = A[k]", NO, false},
      {"S[i] = S[k] + A[k]", NO, false},
      {"S[i] = S[i if k < 2] + A[k]", NO, false},
      {"S[i if k < 2] = S[i] + A[k]", NO, false},
      {"S[i] = S[i] + A[k]; S[i] = S[i] + 1.0:f32", NO, false},
      {"S[i] = S[i] + A[k]; T[k] = T[k] + 1.0:f32", NO, false},
      {"init { S[0] = 7.0:f32 } S[i] = S[i] * A[k]", NO, false},
      {"init { S[i] = S[i] } S[i] = S[i] * A[k]", NO, false},
      {"init { S[i] = 1.0:f32 } S[i] = S[i] + A[k]; T[i] = T[i] + A[k]", NO, false},
      {"if i < 2 { S[i] = S[i] + A[k] }", NO, false},
      {"reduce S[i] add= A[k]", NO, false},
  };
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    char text[512];
    tn_program *p;
    tni_reduction r;
    snprintf(text, sizeof text,
             "func f(A: f32[4], S: f32[4], T: f32[4]) { for x in 0..4 { for y in 0..4 {\n"
             "block S(i: 0..4 = x, reduce k: 0..4 = y) { %s }\n} } }",
             rows[i].body);
    tn_program_parse(ctx, text, strlen(text), "t", &p, &err);
    ck_assert_msg(!err, "%s\n%s", text, tn_error_text(err));
    bool found = tni_reducer_of(&p->region, p->funcs[0]->body->as.loop.body->as.loop.body, &r);
    ck_assert_msg(found == (rows[i].reducer != NO), "%s", rows[i].body);
    ck_assert_msg(!found || (r.reducer == rows[i].reducer && r.any_order == rows[i].any_order), "%s", rows[i].body);
    tn_program_destroy(p);
  }
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------------------------------ */

static void check_refused(const char *want) {
  tn_builder_finish(b, NULL, &err);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
  err = NULL;
}

static const tn_buffer *x, *y, *z;
static const tn_expr *i, *k, *value;

static void open_builder(tn_type type, tn_type other) {
  int64_t shape[] = {2, 300};
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  x = tn_param(b, "X", type, 2, shape), y = tn_param(b, "Y", type, 1, shape), z = tn_param(b, "Z", other, 1, shape);
  i = tn_axis(b, "i", 2), k = tn_reduce_axis(b, "k", 300);
  value = tn_load(b, x, (const tn_expr *[]){i, k}, NULL);
}

START_TEST(reductions_that_make_no_sense)
{
  open_builder(TN_F32, TN_I32);
  tn_reduce(b, y, &i, 1, &k, TN_REDUCE_ANY, value);
  check_refused("build: f: `Y`: this reducer works on integers and bools");
  open_builder(TN_BOOL, TN_I32);
  tn_reduce(b, y, &i, 1, &k, TN_REDUCE_SUM, value);
  check_refused("build: f: `Y`: this reducer works on numbers");
  open_builder(TN_F32, TN_I32);
  tn_reduce(b, y, &i, 1, &k, TN_REDUCE_COUNT, value);
  check_refused("build: f: `Y`: there is no such reducer");
  open_builder(TN_F32, TN_I32);
  tn_reduce(b, y, &i, 1, &k, TN_REDUCE_ARGMAX, value);
  check_refused("build: f: `Y`: this reducer has two results: tn_reduce_arg");
  open_builder(TN_F32, TN_I32);
  tn_reduce(b, y, &i, 25, &k, TN_REDUCE_SUM, value);
  check_refused("build: f: `Y`: more than 24 reduce axes");
  open_builder(TN_F32, TN_I32);
  tn_reduce_arg(b, y, z, &i, 1, &k, TN_REDUCE_SUM, value);
  check_refused("build: f: `Y`: only argmin and argmax give an index");
  open_builder(TN_BOOL, TN_I32);
  tn_reduce_arg(b, y, z, &i, 1, &k, TN_REDUCE_ARGMAX, value);
  check_refused("build: f: `Y`: this reducer works on numbers");
  open_builder(TN_F32, TN_F32);
  tn_reduce_arg(b, y, z, &i, 1, &k, TN_REDUCE_ARGMAX, value);
  check_refused("build: f: `Z`: the index is of an integer type");
  open_builder(TN_F32, TN_I8);
  tn_reduce_arg(b, y, z, &i, 1, &k, TN_REDUCE_ARGMAX, value);
  check_refused("build: f: `Z`: its type does not hold 300 indices");
  open_builder(TN_F32, TN_I32);
  tn_reduce_arg(b, y, y, &i, 1, &k, TN_REDUCE_ARGMAX, value);
  check_refused("build: f: `Y` is given twice");
  open_builder(TN_F32, TN_F32);
  tn_reduce_arg(b, y, x, &i, 1, &k, TN_REDUCE_ARGMAX, value);
  check_refused("build: f: `X` has not the shape of `Y`");
}
END_TEST

typedef void change(tn_reducer_desc *d, const tn_expr **identity, const tn_expr **state, const tn_expr **next);

static void wrong_size(tn_reducer_desc *d, const tn_expr **id, const tn_expr **s, const tn_expr **n) {
  (void)id, (void)s, (void)n, d->struct_size = 8;
}
static void wrong_count(tn_reducer_desc *d, const tn_expr **id, const tn_expr **s, const tn_expr **n) {
  (void)id, (void)s, (void)n, d->count = 9;
}
static void wrong_identity(tn_reducer_desc *d, const tn_expr **id, const tn_expr **s, const tn_expr **n) {
  (void)d, (void)s, (void)n, id[0] = tn_int(b, TN_I32, 0);
}
static void wrong_state(tn_reducer_desc *d, const tn_expr **id, const tn_expr **s, const tn_expr **n) {
  (void)d, (void)n, s[0] = id[0];
}
static void wrong_next(tn_reducer_desc *d, const tn_expr **id, const tn_expr **s, const tn_expr **n) {
  (void)d, (void)id, n[0] = tn_op2(b, TN_OP_lt, s[0], s[0]);
}
static void reduce_in_identity(tn_reducer_desc *d, const tn_expr **id, const tn_expr **s, const tn_expr **n) {
  (void)d, (void)s, (void)n, id[0] = tn_cast(b, TN_F32, k);
}
static void right(tn_reducer_desc *d, const tn_expr **id, const tn_expr **s, const tn_expr **n) {
  (void)d, (void)id, (void)s, (void)n;
}

START_TEST(reducers_that_make_no_sense)
{
  char size[128];
  snprintf(size, sizeof size, "build: f: struct_size of the tn_reducer_desc is 8, not %zu", sizeof(tn_reducer_desc));
  const struct {
    change *change;
    const char *want;
  } rows[] = {
      {right, ""},
      {wrong_size, size},
      {wrong_count, "build: f: a reducer has 1 to 8 states"},
      {wrong_identity, "build: f: `Y` holds f32, but the identity is i32"},
      {wrong_state, "build: f: `Y`: the state is no variable"},
      {wrong_next, "build: f: `Y` holds f32, but the next value is bool"},
      {reduce_in_identity, "verify: f:6: `k` is a reduce iterator; init runs before the reduction\n"
                           "          Y[i_1] = cast(f32, k_1)\n                             ^^^"},
  };
  for (size_t n = 0; n < TNI_COUNT(rows); n++) {
    open_builder(TN_F32, TN_I32);
    const tn_expr *identity[] = {tn_float(b, TN_F32, 0)}, *state[] = {tn_var(b, "s", TN_F32)},
                  *item[] = {tn_var(b, "x", TN_F32)}, *next[] = {tn_sub(b, item[0], state[0])};
    tn_reducer_desc desc = {sizeof desc, 1, &y, identity, state, item, next, &value};
    rows[n].change(&desc, identity, state, next);
    tn_reduce_custom(b, &desc, &i, 1, &k);
    check_refused(rows[n].want);
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {each_row_of_the_table_is_a_block_that_is_recognised,
                                any_and_all_of_rows,
                                an_argmax_is_one_block_of_two_stores,
                                the_first_of_equal_ones_wins_and_nan_over_all,
                                nothing_gives_the_identity,
                                states_change_at_once,
                                what_the_order_of_steps_means_is_known,
                                blocks_are_recognised_by_their_form,
                                reductions_that_make_no_sense,
                                reducers_that_make_no_sense};
  return suite_run_tests("reducer", tests, TNI_COUNT(tests), setup, teardown);
}
