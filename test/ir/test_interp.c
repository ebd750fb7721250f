/* test_interp.c -- the reference interpreter: tensor functions, loop functions with vectors, errors with their places.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "ir.h"
#include "suite.h"

/* ---- a program, and what can be asked of it --------------------------------------------------------------------- */

static tn_context *ctx;
static tn_program *program;
static tn_builder *b;

/* The context's memory; the allocation numbered `fails` (from 0) is refused. */
static long allocations, fails = -1;
static size_t live;
static void *counted(void *self, void *block, size_t old_size, size_t new_size, size_t align) {
  (void)self;
  if (new_size > 0 && allocations++ == fails) return NULL;
  live += new_size - old_size;
  if (new_size == 0) {
    free(block);
    return NULL;
  }
  void *moved = aligned_alloc(align < 16 ? 16 : align, (new_size + 63) / 64 * 64);
  ck_assert_ptr_nonnull(moved);
  if (block) memcpy(moved, block, old_size < new_size ? old_size : new_size);
  free(block);
  return moved;
}

static void set_up(void) {
  tn_context_desc desc = {
      .struct_size = sizeof desc, .allocator = {NULL, counted}, .limits = {.tensor_bytes = 1 << 20}};
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
}

static void tear_down(void) {
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  ck_assert_uint_eq(live, 0);
}

static const tn_func *finish(void) {
  const tn_func *func;
  tn_error *err;
  tn_status status = tn_builder_finish(b, &func, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return func;
}

static void run_values(const tn_func *func, size_t count, const tn_value *args) {
  tn_error *err;
  tn_status status = tni_interpret(func, args, count, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
}

static void run(const tn_func *func, void *const *buffers) {
  tn_error *err;
  tn_status status = tni_evaluate_interpreted(NULL, func, buffers, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
}

static void refuse(const tn_func *func, void *const *buffers, tn_status expected, const char *text) {
  tn_error *err;
  ck_assert_int_eq(tni_evaluate_interpreted(NULL, func, buffers, &err), expected);
  ck_assert_str_eq(tn_error_text(err), text);
  tn_error_destroy(err);
}

static DLTensor tensor(void *data, tn_type type, int rank, int64_t *shape) {
  return (DLTensor){
      .data = data, .device = {kDLCPU, 0}, .ndim = rank, .dtype = tn_type_to_dlpack(type), .shape = shape};
}

/* A loop function with the parameters of `func` and this body; nobody verifies it. */
static const tn_func *loop_func(const tn_func *func, const tn_stmt *body) {
  ck_assert_ptr_nonnull(body);
  const tn_func *made = tni_func_with_body(&program->region, func, TNI_LEVEL_LOOP, body);
  ck_assert_ptr_nonnull(made);
  return made;
}

/* ---- tensor functions -------------------------------------------------------------------------------------------- */

/* C[i, j] = sum over k of A[i, k] * B[k, j] */
static const tn_func *matmul(int64_t n, int64_t m, int64_t p) {
  const tn_buffer *A = tn_param(b, "A", TN_F32, 2, (int64_t[]){n, p}),
                  *B = tn_param(b, "B", TN_F32, 2, (int64_t[]){p, m});
  const tn_buffer *C = tn_param(b, "C", TN_F32, 2, (int64_t[]){n, m});
  const tn_expr *ij[] = {tn_axis(b, "i", n), tn_axis(b, "j", m)}, *k = tn_reduce_axis(b, "k", p);
  const tn_expr *a = tn_load(b, A, (const tn_expr *[]){ij[0], k}, NULL);
  const tn_expr *c = tn_load(b, B, (const tn_expr *[]){k, ij[1]}, NULL);
  tn_reduce(b, C, ij, 1, &k, TN_REDUCE_SUM, tn_mul(b, a, c));
  return finish();
}

START_TEST(matmul_accumulates_by_fma)
{
  enum { N = 5, M = 7, P = 11 };
  float A[N][P], B[P][M], C[N][M];
  for (int i = 0; i < N * P; i++) A[i / P][i % P] = (float)i * 0.37f - 3;
  for (int i = 0; i < P * M; i++) B[i / M][i % M] = 1 / (1 + (float)i);
  run(matmul(N, M, P), (void *const[]){A, B, C});
  for (int i = 0; i < N; i++)
    for (int j = 0; j < M; j++) {
      float sum = 0;
      for (int k = 0; k < P; k++) sum = fmaf(A[i][k], B[k][j], sum);
      ck_assert(C[i][j] == sum);
    }
}
END_TEST

START_TEST(packed_values_with_symbolic_shapes)
{
  const tn_expr *n = tn_param_scalar(b, "n", TN_INDEX), *scale = tn_param_scalar(b, "scale", TN_F32);
  const tn_buffer *x = tn_param_symbolic(b, "x", TN_F32, 1, &n), *y = tn_param_symbolic(b, "y", TN_F32, 1, &n);
  const tn_expr *i = tn_axis_symbolic(b, "i", n);
  tn_compute(b, y, &i, tn_mul(b, tn_load(b, x, &i, NULL), scale));
  float in[] = {1, 2, 3}, out[3];
  DLTensor tx = tensor(in, TN_F32, 1, (int64_t[]){3}), ty = tensor(out, TN_F32, 1, (int64_t[]){3});
  const tn_func *func = finish();
  tn_value args[] = {tn_value_int(3), tn_value_float(0.1), tn_value_tensor(&tx), tn_value_tensor(&ty)};
  run_values(func, 4, args);
  ck_assert(out[2] == 3 * 0.1f);
  args[0] = tn_value_int(4);
  tn_error *err;
  ck_assert_int_eq(tni_interpret(func, args, 4, &err), TN_E_INVALID);
  ck_assert_msg(strstr(tn_error_text(err), "argument 2, `x`"), "%s", tn_error_text(err));
  tn_error_destroy(err);
}
END_TEST

START_TEST(arguments_are_checked)
{
  tn_param_scalar(b, "a", TN_I8);
  tn_param_scalar(b, "x", TN_F32);
  const tn_func *func = finish();
  struct {
    size_t count;
    tn_value args[2];
    const char *text;
  } cases[] = {
      {1, {tn_value_int(1)}, "interpret: f: expected 2 arguments, but there are 1"},
      {2, {tn_value_float(1), tn_value_float(1)}, "interpret: f: argument 0, `a`: expected a TN_VALUE_INT for i8"},
      {2, {tn_value_int(1), tn_value_int(1)}, "interpret: f: argument 1, `x`: expected a TN_VALUE_FLOAT for f32"},
      {2, {tn_value_int(128), tn_value_float(1)}, "interpret: f: argument 0, `a`: 128 does not fit i8"},
  };
  for (size_t i = 0; i < TNI_COUNT(cases); i++) {
    tn_error *err;
    ck_assert_int_eq(tni_interpret(func, cases[i].args, cases[i].count, &err), TN_E_INVALID);
    ck_assert_str_eq(tn_error_text(err), cases[i].text);
    tn_error_destroy(err);
  }
}
END_TEST

/* Shared nodes: 60 doublings of x + x are 2^60 leaves as a tree, and 60 nodes as a DAG. */
START_TEST(shared_nodes_are_evaluated_once)
{
  const tn_buffer *x = tn_param(b, "x", TN_F64, 0, NULL), *y = tn_param(b, "y", TN_F64, 0, NULL);
  const tn_expr *value = tn_load(b, x, NULL, NULL);
  for (int i = 0; i < 60; i++) value = tn_add(b, value, value);
  tn_emit(b, tn_store(b, y, NULL, value));
  double in = 3, out;
  run(finish(), (void *const[]){&in, &out});
  ck_assert(out == ldexp(3, 60));
}
END_TEST

START_TEST(deep_expressions_do_not_recurse)
{
  const tn_buffer *x = tn_param(b, "x", TN_F32, 0, NULL), *y = tn_param(b, "y", TN_F32, 0, NULL);
  const tn_expr *leaf = tn_load(b, x, NULL, NULL), *value = leaf;
  for (int i = 0; i < 100000; i++) value = tn_op2(b, i % 2 ? TN_OP_sub : TN_OP_add, value, leaf);
  float in = 1, out;
  run(loop_func(finish(), tn_store(b, y, NULL, value)), (void *const[]){&in, &out});
  ck_assert(out == 1);
}
END_TEST

START_TEST(branches_and_nested_loops)
{
  const tn_buffer *y = tn_param(b, "y", TN_I32, 2, (int64_t[]){3, 4});
  const tn_expr *i = tn_var(b, "i", TN_INDEX), *j = tn_var(b, "j", TN_INDEX), *ij[] = {i, j};
  const tn_stmt *then = tn_store(b, y, ij, tn_int(b, TN_I32, 7)),
                *other = tn_store(b, y, ij, tn_cast(b, TN_I32, tn_mul(b, i, j)));
  const tn_stmt *body = tn_if(b, tn_op2(b, TN_OP_lt, i, j), then, other);
  tn_emit(b, tn_for(b, i, tn_index(b, 3), tn_for(b, j, tn_index(b, 4), body)));
  int32_t out[3][4];
  run(finish(), (void *const[]){out});
  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 4; c++) ck_assert_int_eq(out[r][c], r < c ? 7 : r * c);
}
END_TEST

/* A block under a split loop whose tail sticks out: `where` keeps it in; the reduction starts from its init. */
START_TEST(block_runs_where_and_init)
{
  const tn_buffer *x = tn_param(b, "x", TN_I32, 1, (int64_t[]){10}), *y = tn_param(b, "y", TN_I32, 0, NULL);
  const tn_expr *io = tn_var(b, "io", TN_INDEX), *ii = tn_var(b, "ii", TN_INDEX), *k = tn_var(b, "k", TN_INDEX);
  const tn_expr *bound = tn_add(b, tn_mul(b, io, tn_index(b, 4)), ii), *extent = tn_index(b, 10);
  const tn_stmt *init = tn_store(b, y, NULL, tn_int(b, TN_I32, 100));
  const tn_stmt *body = tn_store(b, y, NULL, tn_add(b, tn_load(b, y, NULL, NULL), tn_load(b, x, &k, NULL)));
  const tn_stmt *block =
      tn_block(b, "sum", 1, &k, &extent, (uint8_t[]){1}, &bound, tn_op2(b, TN_OP_lt, bound, extent), init, body);
  tn_emit(b, tn_for(b, io, tn_index(b, 3), tn_for(b, ii, tn_index(b, 4), block)));
  int32_t in[10], out = -1;
  for (int i = 0; i < 10; i++) in[i] = i;
  run(finish(), (void *const[]){in, &out});
  ck_assert_int_eq(out, 145);
}
END_TEST

START_TEST(condition_of_a_load_guards_it)
{
  const tn_buffer *x = tn_param(b, "x", TN_F32, 1, (int64_t[]){4}), *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){6});
  const tn_expr *i = tn_axis(b, "i", 6), *left = tn_sub(b, i, tn_index(b, 1));
  const tn_expr *inside =
      tn_op2(b, TN_OP_and, tn_op2(b, TN_OP_le, tn_index(b, 0), left), tn_op2(b, TN_OP_lt, left, tn_index(b, 4)));
  tn_compute(b, y, &i, tn_load(b, x, &left, inside));
  float in[] = {1, 2, 3, 4}, out[6], want[] = {0, 1, 2, 3, 4, 0};
  run(finish(), (void *const[]){in, out});
  ck_assert_mem_eq(out, want, sizeof want);
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

/* x[i] as a subscript: the verifier cannot know it. */
static const tn_expr *subscript_from(const tn_buffer *x, const tn_expr *i) {
  return tn_cast(b, TN_INDEX, tn_load(b, x, &i, NULL));
}

START_TEST(subscript_out_of_bounds_is_placed)
{
  const tn_buffer *A = tn_param(b, "A", TN_F32, 2, (int64_t[]){4, 512}),
                  *C = tn_param(b, "C", TN_F32, 2, (int64_t[]){4, 3});
  const tn_buffer *x = tn_param(b, "x", TN_I32, 1, (int64_t[]){3});
  const tn_expr *ij[] = {tn_axis(b, "i", 4), tn_axis(b, "j", 3)}, *far[] = {ij[0], subscript_from(x, ij[1])};
  tn_compute(b, C, ij, tn_load(b, A, far, NULL));
  static float in[4][512], out[4][3];
  refuse(finish(), (void *const[]){in, out, (int32_t[]){0, 511, 900}}, TN_E_INVALID,
         "interpret: f: block C: i = 0, j = 2: A[0, 900]: subscript 1 is 900, outside 0..512");
}
END_TEST

START_TEST(store_out_of_bounds_is_placed)
{
  const tn_buffer *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){2}), *x = tn_param(b, "x", TN_I32, 1, (int64_t[]){2});
  const tn_expr *i = tn_var(b, "i", TN_INDEX), *at = subscript_from(x, i);
  tn_emit(b, tn_for(b, i, tn_index(b, 2), tn_store(b, y, &at, tn_float(b, TN_F32, 1))));
  float out[2];
  refuse(finish(), (void *const[]){out, (int32_t[]){1, -1}}, TN_E_INVALID,
         "interpret: f: i = 1: y[-1]: subscript 0 is -1, outside 0..2");
}
END_TEST

START_TEST(unwritten_elements_are_reported)
{
  const tn_buffer *t = tn_alloc(b, "t", TN_F32, 1, (int64_t[]){4}), *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){4});
  const tn_expr *i = tn_axis(b, "i", 3), *j = tn_axis(b, "j", 4), *vi = tn_var(b, "v", TN_INDEX);
  (void)i;
  const tn_expr *most = tn_op2(b, TN_OP_lt, vi, tn_index(b, 3)); /* under a condition: the verifier cannot tell */
  tn_emit(b, tn_for(b, vi, tn_index(b, 4), tn_if(b, most, tn_store(b, t, &vi, tn_float(b, TN_F32, 1)), NULL)));
  tn_compute(b, y, &j, tn_load(b, t, &j, NULL));
  float out[4];
  refuse(finish(), (void *const[]){out}, TN_E_INVALID,
         "interpret: f: block y: j = 3: t[3] is read before it was written");
}
END_TEST

START_TEST(iterators_stay_in_their_extents)
{
  const tn_buffer *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){9});
  const tn_expr *i = tn_var(b, "i", TN_INDEX), *v = tn_var(b, "v", TN_INDEX), *extent = tn_index(b, 4);
  const tn_stmt *body = tn_store(b, y, &v, tn_float(b, TN_F32, 1));
  tn_emit(b, tn_for(b, i, tn_index(b, 9), tn_block(b, "B", 1, &v, &extent, (uint8_t[]){0}, &i, NULL, NULL, body)));
  float out[9];
  refuse(finish(), (void *const[]){out}, TN_E_INVALID,
         "interpret: f: block B: i = 4: iterator `v` is bound to 4, outside 0..4");
}
END_TEST

START_TEST(extents_are_not_negative)
{
  const tn_expr *n = tn_param_scalar(b, "n", TN_INDEX);
  tn_param_symbolic(b, "x", TN_F32, 1, &n);
  tn_value args[] = {tn_value_int(-1), tn_value_tensor(NULL)};
  tn_error *err;
  ck_assert_int_eq(tni_interpret(finish(), args, 2, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), "interpret: f: buffer `x`: extent 0 is -1");
  tn_error_destroy(err);
}
END_TEST

START_TEST(bare_pointers_are_those_of_buffers)
{
  tn_param(b, "x", TN_F32, 0, NULL);
  tn_param_scalar(b, "n", TN_INDEX);
  refuse(finish(), (void *const[]){NULL}, TN_E_INVALID,
         "interpret: f: parameter 1 is a scalar; only buffers can be evaluated");
}
END_TEST

START_TEST(allocs_keep_the_limit)
{
  const tn_buffer *t = tn_alloc(b, "t", TN_F64, 1, (int64_t[]){200000});
  const tn_expr *zero = tn_index(b, 0);
  tn_emit(b, tn_store(b, t, &zero, tn_float(b, TN_F64, 1)));
  refuse(finish(), NULL, TN_E_LIMIT, "interpret: f: buffer `t` takes 1600000 bytes; the limit of a tensor is 1048576");
}
END_TEST

/* ---- loop functions ---------------------------------------------------------------------------------------------- */

static const tn_expr *flat_load(const tn_buffer *x, const tn_expr *at, const tn_expr *where) {
  return tni_load(&program->region, TN_TYPE_WITH_LANES(x->type, TN_TYPE_LANES(at->type)), x, 1, &at, where);
}

/* y[0..10] = 2 x[0..10] in vectors of four, the last one masked; the host's memory ends with the tenth element. */
START_TEST(vectors_with_masks)
{
  tni_region *r = &program->region;
  const tn_buffer *x = tn_param(b, "x", TN_F32, 2, (int64_t[]){2, 5}),
                  *y = tn_param(b, "y", TN_F32, 2, (int64_t[]){2, 5});
  const tn_expr *i = tni_var(r, "i", TN_INDEX);
  const tn_expr *at = tni_ramp(r, tni_mul(r, i, tni_index(r, 4)), tni_index(r, 1), 4);
  const tn_expr *mask = tni_op2(r, TN_OP_lt, at, tni_broadcast(r, tni_index(r, 10), 4));
  const tn_expr *two = tni_broadcast(r, tni_const_float(r, TN_F32, 2), 4);
  const tn_stmt *store = tni_store(r, y, 1, &at, tni_mul(r, flat_load(x, at, mask), two), mask);
  const tn_func *func = loop_func(finish(), tni_for(r, i, tni_index(r, 3), TNI_PARALLEL, store));
  float in[10], out[11];
  for (int k = 0; k < 10; k++) in[k] = (float)k;
  out[10] = 77;
  run(func, (void *const[]){in, out});
  for (int k = 0; k < 10; k++) ck_assert(out[k] == (float)(2 * k));
  ck_assert(out[10] == 77);
}
END_TEST

START_TEST(flat_bounds_without_a_mask)
{
  tni_region *r = &program->region;
  const tn_buffer *x = tn_param(b, "x", TN_F32, 2, (int64_t[]){2, 5}), *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){8});
  const tn_expr *from = tni_ramp(r, tni_index(r, 4), tni_index(r, 1), 8),
                *to = tni_ramp(r, tni_index(r, 0), tni_index(r, 1), 8);
  const tn_func *func = loop_func(finish(), tni_store(r, y, 1, &to, flat_load(x, from, NULL), NULL));
  float in[10] = {0}, out[8];
  refuse(func, (void *const[]){in, out}, TN_E_INVALID, "interpret: f: x[10]: subscript 0 is 10, outside 0..10");
}
END_TEST

/* A store whose scalar condition is false evaluates nothing. */
START_TEST(false_store_evaluates_nothing)
{
  tni_region *r = &program->region;
  const tn_buffer *x = tn_param(b, "x", TN_F32, 1, (int64_t[]){4}), *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){4});
  const tn_expr *i = tni_var(r, "i", TN_INDEX), *inside = tni_op2(r, TN_OP_lt, i, tni_index(r, 4));
  const tn_stmt *store = tni_store(r, y, 1, &i, flat_load(x, i, NULL), inside);
  float in[4] = {1, 2, 3, 4}, out[4];
  run(loop_func(finish(), tni_for(r, i, tni_index(r, 6), TNI_SERIAL, store)), (void *const[]){in, out});
  ck_assert_mem_eq(in, out, sizeof in);
}
END_TEST

START_TEST(vectors_of_256_lanes_with_math)
{
  tni_region *r = &program->region;
  const tn_buffer *x = tn_param(b, "x", TN_F32, 1, (int64_t[]){256}),
                  *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){256});
  const tn_buffer *z = tn_param(b, "z", TN_F32, 1, (int64_t[]){256});
  const tn_expr *at = tni_ramp(r, tni_index(r, 0), tni_index(r, 1), 256), *i = tni_var(r, "i", TN_INDEX);
  const tn_stmt *stmts[] = {tni_store(r, y, 1, &at, tni_op1(r, TN_OP_tanh, flat_load(x, at, NULL)), NULL),
                            tni_for(r, i, tni_index(r, 256), TNI_SERIAL,
                                    tni_store(r, z, 1, &i, tni_op1(r, TN_OP_tanh, flat_load(x, i, NULL)), NULL))};
  float in[256], wide[256], narrow[256];
  for (int k = 0; k < 256; k++) in[k] = (float)(k - 128) * 0.05f;
  run(loop_func(finish(), tni_seq(r, 2, stmts)), (void *const[]){in, wide, narrow});
  ck_assert_mem_eq(wide, narrow, sizeof wide);
  ck_assert(fabsf(wide[0] - tanhf(in[0])) < 1e-6f);
}
END_TEST

START_TEST(vectors_of_more_lanes_are_refused)
{
  tni_region *r = &program->region;
  const tn_buffer *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){2048});
  const tn_func *func = finish();
  const tn_expr *at = tni_ramp(r, tni_index(r, 0), tni_index(r, 1), 1025), *one = tni_const_float(r, TN_F32, 1);
  float out[2048];
  refuse(loop_func(func, tni_store(r, y, 1, &at, tni_broadcast(r, one, 1025), NULL)), (void *const[]){out},
         TN_E_UNSUPPORTED, "interpret: f: a vector of 1025 lanes; the interpreter takes 1024");
  const tn_expr *bytes = tni_ramp(r, tni_const_int(r, TN_I8, 0), tni_const_int(r, TN_I8, 1), 2048),
                *few = tni_reinterpret(r, TN_TYPE_WITH_LANES(TN_F32, 512), bytes);
  at = tni_ramp(r, tni_index(r, 0), tni_index(r, 1), 512);
  refuse(loop_func(func, tni_store(r, y, 1, &at, few, NULL)), (void *const[]){out}, TN_E_UNSUPPORTED,
         "interpret: f: a vector of 2048 lanes; the interpreter takes 1024");
}
END_TEST

/* What the verifier would not let through; the interpreter does not rely on it. */
START_TEST(what_does_not_exist_is_not_used)
{
  tni_region *r = &program->region;
  const tn_buffer *y = tn_param(b, "y", TN_F32, 0, NULL),
                  *far = tni_buffer(r, "far", TN_F32, TNI_SCOPE_GLOBAL, 0, NULL);
  const tn_func *func = finish();
  const tn_expr *zero = tni_index(r, 0), *one = tni_const_float(r, TN_F32, 1);
  const struct {
    const tn_stmt *body;
    const char *want;
  } cases[] = {
      {tni_store(r, far, 1, &zero, one, NULL), "interpret: f: buffer `far` is written where it does not exist"},
      {tni_store(r, y, 1, &zero, flat_load(far, zero, NULL), NULL),
       "interpret: f: buffer `far` is used where it does not exist"},
      {tni_store(r, y, 1, &zero, tni_var(r, "x", TN_F32), NULL), "interpret: f: variable `x` has no value here"},
      {tni_store(r, y, 1, &zero, tni_call(r, TN_F32, "g", 0, NULL), NULL),
       "interpret: f: the program has no external `g`"},
  };
  float out;
  for (size_t i = 0; i < TNI_COUNT(cases); i++)
    refuse(loop_func(func, cases[i].body), (void *const[]){&out}, TN_E_INVALID, cases[i].want);
}
END_TEST

/* 8 lanes of u8 as 2 of i32, and back. */
START_TEST(reinterpret_regroups_lanes)
{
  tni_region *r = &program->region;
  const tn_buffer *x = tn_param(b, "x", TN_U8, 1, (int64_t[]){8}), *y = tn_param(b, "y", TN_I32, 1, (int64_t[]){2});
  const tn_expr *from = tni_ramp(r, tni_index(r, 0), tni_index(r, 1), 8),
                *to = tni_ramp(r, tni_index(r, 1), tni_index(r, -1), 2);
  const tn_expr *value = tni_reinterpret(r, TN_TYPE_WITH_LANES(TN_I32, 2), flat_load(x, from, NULL));
  uint8_t in[8] = {1, 0, 0, 0, 0, 1, 0, 0x80};
  int32_t out[2];
  run(loop_func(finish(), tni_store(r, y, 1, &to, value, NULL)), (void *const[]){in, out});
  ck_assert_int_eq(out[1], 1);
  ck_assert_int_eq(out[0], INT32_MIN + 256);
}
END_TEST

/* ---- the fast steps mean what eval.c says ------------------------------------------------------------------------ */

static tni_scalar odd_value(tn_type type, uint64_t n) {
  static const double floats[] = {0,        -0.0,           1,    -1, 0.1, 3.5, -2.5, INFINITY, -INFINITY, NAN,
                                  0x1p-149, 0x1.fffffep127, 1e10, -7};
  static const int64_t ints[] = {0, 1, -1, 2, 7, -7, 31, 32, 127, -128, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
  tni_scalar out;
  if (tni_type_is_float(type))
    out.f = tni_round_to(type, floats[n % TNI_COUNT(floats)]);
  else
    out.i = tni_wrap(type, ints[n % TNI_COUNT(ints)]);
  return out;
}

static bool is_same(tn_type type, tni_scalar x, tni_scalar y) {
  return (tni_type_is_float(type) && isnan(x.f) && isnan(y.f)) || x.i == y.i;
}

enum { ODD = 14, CASES = ODD * ODD * ODD };
static uint64_t memory[4][CASES];

/* z = op(x, y, w) over CASES elements of `type`; index goes through memory as i64. */
static const tn_func *apply_op(enum tn_op op, tn_type type, const tn_type element[4]) {
  static const char *const names[] = {"x", "y", "w", "z"};
  const tn_buffer *buffers[4];
  const tn_expr *args[3], *i, *value;
  int arity = tni_ops[op].arity;
  ck_assert_int_eq(tn_builder_create(program, "g", &b, NULL), TN_OK);
  for (int k = 0; k < 4; k++) buffers[k] = tn_param(b, names[k], element[k], 1, (int64_t[]){CASES});
  i = tn_axis(b, "i", CASES);
  for (int k = 0; k < 3; k++) {
    args[k] = tn_load(b, buffers[k], &i, NULL);
    if (type == TN_INDEX && element[k] == TN_I64) args[k] = tn_cast(b, TN_INDEX, args[k]);
  }
  if (arity == 1)
    value = tn_op1(b, op, args[0]);
  else
    value = arity == 2 ? tn_op2(b, op, args[0], args[1]) : tn_op3(b, op, args[0], args[1], args[2]);
  tn_compute(b, buffers[3], &i, tn_cast(b, element[3], value));
  return finish();
}

/* op over all combinations of odd values, run and compared. */
static void check_op(enum tn_op op, tn_type type) {
  tn_type its = type == TN_INDEX ? TN_I64 : type;
  tn_type element[4] = {op == TN_OP_select ? TN_BOOL : its, its, its,
                        tni_ops[op].typing == TNI_TYPING_COMPARE ? TN_BOOL : its};
  for (uint64_t n = 0; n < CASES; n++) {
    uint64_t which[3] = {n % ODD, n / ODD % ODD, n / ODD / ODD};
    for (int k = 0; k < 3; k++) tni_write_element(element[k], memory[k], (int64_t)n, odd_value(element[k], which[k]));
  }
  run(apply_op(op, type, element), (void *const[]){memory[0], memory[1], memory[2], memory[3]});
  for (int n = 0; n < CASES; n++) {
    tni_scalar args[3], out = tni_read_element(element[3], memory[3], n);
    for (int k = 0; k < 3; k++) args[k] = tni_read_element(element[k], memory[k], n);
    ck_assert_msg(is_same(element[3], tni_eval_op(op, type, args), out), "%s, case %d", tni_ops[op].name, n);
  }
}

START_TEST(steps_agree_with_eval)
{
  static const tn_type types[] = {TN_F16, TN_BF16, TN_F32, TN_F64, TN_F8E4M3, TN_F8E5M2UZ, TN_F4E2M1, TN_F8E8M0,
                                  TN_I8,  TN_I32,  TN_I64, TN_U8,  TN_U32,    TN_U64,      TN_INDEX};
  tn_builder_destroy(b);
  for (enum tn_op op = TN_OP_add; op <= TN_OP_round; op++) {
    if (!tni_op_has_rule(op)) continue;
    for (size_t t = 0; t < TNI_COUNT(types); t++) {
      const tn_expr a = {.op = TN_OP_var, .type = types[t]}, *args[] = {&a, &a, &a};
      const char *why;
      if (op == TN_OP_select || tni_op_type(op, args, &why)) check_op(op, types[t]);
    }
  }
}
END_TEST

/* ---- externals --------------------------------------------------------------------------------------------------- */

static int64_t seen;
static void nothing(void) {}
/* Stands for jit's libffi: "twice" doubles its argument, "fill" writes to a buffer, "fail" returns 5; nobody can call
 * "far". */
static tn_status call(tn_context *context, const tni_extern *external, const tn_value *args, size_t count,
                      tn_value *result, tn_error **err) {
  if (strcmp(external->name, "far") == 0) return tni_fail(context, err, TN_E_HOST, "call", "far", "no way to it");
  seen = (int64_t)count;
  if (strcmp(external->name, "twice") == 0)
    *result = tn_value_float(2 * args[0].as.f);
  else if (strcmp(external->name, "fill") == 0)
    *result = (((float *)args[0].as.pointer)[1] = (float)args[1].as.i, tn_value_int(0));
  else
    *result = tn_value_int(5);
  return TN_OK;
}

static const tni_interpretation with_call = {.call = call};

START_TEST(externals_are_called)
{
  ck_assert_int_eq(tn_program_extern(program, "twice", TN_F32, 1, (tn_type[]){TN_F32}, nothing, NULL, NULL), TN_OK);
  ck_assert_int_eq(
      tn_program_extern(program, "fill", TN_I32, 2, (tn_type[]){TN_POINTER, TN_INDEX}, nothing, NULL, NULL), TN_OK);
  const tn_buffer *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){2}), *t = tn_alloc(b, "t", TN_F32, 1, (int64_t[]){2});
  const tn_expr *zero = tn_index(b, 0), *one = tn_index(b, 1), *x = tn_float(b, TN_F32, 21);
  tn_emit(b, tn_evaluate(b, tn_call(b, "fill", 2, (const tn_expr *[]){tn_address(b, t), tn_index(b, 9)})));
  tn_emit(b, tn_store(b, y, &zero, tn_call(b, "twice", 1, &x)));
  tn_emit(b, tn_store(b, y, &one, tn_load(b, t, &one, NULL)));
  float out[2];
  DLTensor ty = tensor(out, TN_F32, 1, (int64_t[]){2});
  tn_value args[] = {tn_value_tensor(&ty)};
  tn_error *err;
  const tn_func *func = finish();
  tn_status status = tni_interpret_with(func, args, 1, &with_call, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  ck_assert(out[0] == 42 && out[1] == 9);
  ck_assert_int_eq(tni_interpret(func, args, 1, &err), TN_E_UNSUPPORTED);
  ck_assert_str_eq(tn_error_reason(err), "external `fill`: this interpreter was not given a way to call C functions");
  tn_error_destroy(err);
}
END_TEST

START_TEST(failing_external_ends_the_run)
{
  ck_assert_int_eq(tn_program_extern(program, "fail", TN_I32, 0, NULL, nothing, NULL, NULL), TN_OK);
  tn_emit(b, tn_evaluate(b, tn_call(b, "fail", 0, NULL)));
  tn_error *err;
  ck_assert_int_eq(tni_interpret_with(finish(), NULL, 0, &with_call, &err), TN_E_HOST);
  ck_assert_str_eq(tn_error_text(err), "interpret: f: external `fail` returned status 5");
  tn_error_destroy(err);
}
END_TEST

START_TEST(externals_that_cannot_be_called)
{
  tn_error *err;
  ck_assert_int_eq(tn_program_extern(program, "far", TN_I32, 0, NULL, nothing, NULL, NULL), TN_OK);
  tn_emit(b, tn_evaluate(b, tn_call(b, "far", 0, NULL)));
  ck_assert_int_eq(tni_interpret_with(finish(), NULL, 0, &with_call, &err), TN_E_HOST);
  ck_assert_str_eq(tn_error_text(err), "interpret: f: external `far` could not be called: no way to it");
  tn_error_destroy(err);
  ck_assert_int_eq(tn_program_extern(program, "far", TN_I32, 0, NULL, NULL, NULL, NULL), TN_OK);
  ck_assert_int_eq(tni_interpret_with(tn_program_func(program, "f"), NULL, 0, &with_call, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), "interpret: f: external `far` is declared, but no function is bound to it");
  tn_error_destroy(err);
}
END_TEST

/* ---- length ------------------------------------------------------------------------------------------------------ */

/* Runs the program in at most so many statements; the error, or "". */
static void runs_in(uint64_t steps, const char *text, const char *want) {
  tn_error *err;
  tn_program_destroy(program);
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "test", &program, &err), TN_OK);
  const tn_func *func = tn_program_func_at(program, 0);
  tn_status status = tni_interpret_with(func, NULL, 0, &(tni_interpretation){.steps = steps}, &err);
  ck_assert_str_eq(tn_error_text(err), want);
  ck_assert_int_eq(status, *want ? TN_E_LIMIT : TN_OK);
  tn_error_destroy(err);
}

START_TEST(a_run_ends_at_its_limit)
{
  finish();
  static const char loop[] = "func f() {\n  for i in 0..3 {\n    assert i < 3, \"no\"\n  }\n}\n";
  runs_in(0, loop, "");
  runs_in(7, loop, "");
  runs_in(6, loop, "interpret: f: i = 2: more than 6 statements run");
  runs_in(1000, "func f() {\n  while true {\n  }\n}\n", "interpret: f: more than 1000 statements run");
  runs_in(50,
          "func f() {\n  for t in 0..4 bind thread.x {\n    for i in 0..100 {\n      barrier shared\n    }\n  }\n}\n",
          "interpret: f: t = 0, i = 48: more than 50 statements run");
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Each allocation of a run fails once: the status says so, nothing leaks, and the run after it succeeds. */
START_TEST(every_allocation_may_fail)
{
  const tn_buffer *x = tn_param(b, "x", TN_F32, 1, (int64_t[]){4}), *y = tn_param(b, "y", TN_F32, 1, (int64_t[]){4});
  const tn_buffer *t = tn_alloc(b, "t", TN_F32, 1, (int64_t[]){4});
  const tn_expr *i = tn_axis(b, "i", 4), *j = tn_axis(b, "j", 4);
  tn_compute(b, t, &i, tn_op1(b, TN_OP_erf, tn_load(b, x, &i, NULL)));
  tn_compute(b, y, &j, tn_op1(b, TN_OP_exp, tn_load(b, t, &j, NULL)));
  const tn_func *func = finish();
  float in[4] = {0, 1, 2, 3}, out[4];
  void *const buffers[] = {in, out};
  size_t before = live;
  run(func, buffers);
  tn_status status = TN_E_NOMEM;
  int steps = 0;
  for (; status != TN_OK; steps++) {
    tn_error *err;
    allocations = 0;
    fails = steps;
    status = tni_evaluate_interpreted(NULL, func, buffers, &err);
    fails = -1;
    ck_assert(status == TN_OK || status == TN_E_NOMEM);
    ck_assert((err != NULL) == (status != TN_OK));
    tn_error_destroy(err);
    ck_assert_uint_eq(live, before);
  }
  ck_assert_int_gt(steps, 5);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("interp");
  TCase *tests = tcase_create("interp");
  tcase_set_timeout(tests, 0);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, matmul_accumulates_by_fma);
  tcase_add_test(tests, packed_values_with_symbolic_shapes);
  tcase_add_test(tests, arguments_are_checked);
  tcase_add_test(tests, shared_nodes_are_evaluated_once);
  tcase_add_test(tests, deep_expressions_do_not_recurse);
  tcase_add_test(tests, branches_and_nested_loops);
  tcase_add_test(tests, block_runs_where_and_init);
  tcase_add_test(tests, condition_of_a_load_guards_it);
  tcase_add_test(tests, subscript_out_of_bounds_is_placed);
  tcase_add_test(tests, store_out_of_bounds_is_placed);
  tcase_add_test(tests, unwritten_elements_are_reported);
  tcase_add_test(tests, iterators_stay_in_their_extents);
  tcase_add_test(tests, extents_are_not_negative);
  tcase_add_test(tests, bare_pointers_are_those_of_buffers);
  tcase_add_test(tests, allocs_keep_the_limit);
  tcase_add_test(tests, vectors_with_masks);
  tcase_add_test(tests, flat_bounds_without_a_mask);
  tcase_add_test(tests, false_store_evaluates_nothing);
  tcase_add_test(tests, vectors_of_256_lanes_with_math);
  tcase_add_test(tests, vectors_of_more_lanes_are_refused);
  tcase_add_test(tests, what_does_not_exist_is_not_used);
  tcase_add_test(tests, reinterpret_regroups_lanes);
  tcase_add_test(tests, steps_agree_with_eval);
  tcase_add_test(tests, externals_are_called);
  tcase_add_test(tests, failing_external_ends_the_run);
  tcase_add_test(tests, externals_that_cannot_be_called);
  tcase_add_test(tests, a_run_ends_at_its_limit);
  tcase_add_test(tests, every_allocation_may_fail);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
