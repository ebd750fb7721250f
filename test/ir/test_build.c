/* test_build.c -- statements through the public builder: what a host makes prints as it would be written, and what it
 * cannot make is told when the builder is finished.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"
#include "suite.h"

static tn_context *ctx;
static tn_program *program;
static tn_builder *b;
static const tn_buffer *A;
static const tn_expr *n, *zero, *one; /* n: index; one: 1.0 */

static void setup(void) {
  const int64_t eight = 8;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
  ck_assert_int_eq(tn_builder_create(program, "f", &b, NULL), TN_OK);
  A = tn_param(b, "A", TN_F32, 1, &eight);
  n = tn_param_scalar(b, "n", TN_INDEX);
  zero = tn_index(b, 0);
  one = tn_float(b, TN_F32, 1);
}

static void teardown(void) {
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static void check_body(const char *want) {
  char *text, expected[2048];
  const tn_func *func;
  tn_error *err;
  tn_status status = tn_builder_finish(b, &func, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  snprintf(expected, sizeof expected, "func f(A: f32[8], n: index) {\n%s}\n", want);
  ck_assert_int_eq(tn_func_print(func, &text, NULL), TN_OK);
  ck_assert_str_eq(text, expected);
  tn_text_destroy(text);
}

START_TEST(statements_print_as_they_would_be_written)
{
  const tn_expr *x = tn_var(b, "x", TN_F32), *small = tn_op2(b, TN_OP_lt, n, tn_index(b, 8));
  const tn_stmt *store = tn_store(b, A, &n, x);
  const tn_stmt *again = tn_while(b, tn_op2(b, TN_OP_lt, tn_load(b, A, &n, NULL), one), store);
  tn_emit(b, tn_assert(b, small, "n is small", tn_assume(b, tn_op2(b, TN_OP_le, zero, n),
                                                         tn_let(b, x, tn_load(b, A, &zero, NULL), again))));
  check_body("  assert n < 8, \"n is small\"\n  assume 0 <= n\n  let x = A[0]\n  while A[n] < 1.0:f32 {\n    A[n] = x\n  }\n");
}
END_TEST

START_TEST(loops_are_bound_to_the_grid)
{
  const tn_expr *i = tn_var(b, "i", TN_INDEX), *t = tn_var(b, "t", TN_INDEX);
  const tn_stmt *threads = tn_for_kind(b, TN_THREAD_Z, t, tn_index(b, 8), tn_store(b, A, &t, one));
  tn_emit(b, tn_for_kind(b, TN_BLOCK_X, i, n, threads));
  check_body("  for i in 0..n bind block.x {\n    for t in 0..8 bind thread.z {\n      A[t] = 1.0:f32\n    }\n  }\n");
}
END_TEST

START_TEST(threads_of_a_block_wait_for_each_other)
{
  const tn_expr *t = tn_var(b, "t", TN_INDEX), *shape[] = {tn_index(b, 8)};
  const tn_buffer *S = tn_buffer_with(b, "S", &(tn_buffer_desc){.struct_size = sizeof(tn_buffer_desc), .type = TN_F32,
                                                                .rank = 1, .shape = shape, .scope = TN_SHARED});
  const tn_stmt *parts[] = {tn_store(b, S, &t, one), tn_barrier(b, TN_SHARED), tn_store(b, A, &t, tn_load(b, S, &t, NULL)),
                            tn_barrier(b, TN_GLOBAL)};
  tn_emit(b, tn_allocate(b, S, tn_for_kind(b, TN_THREAD_X, t, tn_index(b, 8), tn_seq(b, 4, parts))));
  check_body("  alloc S: f32[8] in shared\n  for t in 0..8 bind thread.x {\n    S[t] = 1.0:f32\n    barrier shared\n"
             "    A[t] = S[t]\n    barrier global\n  }\n");
}
END_TEST

START_TEST(copies_are_started_and_waited_for)
{
  const tn_expr *small = tn_op2(b, TN_OP_lt, n, tn_index(b, 8));
  const tn_stmt *parts[] = {tn_copy(b, A, &n, tn_load(b, A, &zero, NULL), NULL), tn_commit(b),
                            tn_copy(b, A, &n, tn_load(b, A, &zero, small), small), tn_wait(b, 1)};
  tn_emit(b, tn_seq(b, 4, parts));
  check_body("  copy A[n] = A[0]\n  commit\n  copy A[n if n < 8] = A[0 if n < 8]\n  wait 1\n");
}
END_TEST

START_TEST(a_line_is_asked_for)
{
  tn_emit(b, tn_prefetch_line(b, A, (const tn_expr *[]){tn_add(b, n, tn_index(b, 99))}));
  check_body("  prefetch A[n + 99]\n");
}
END_TEST

START_TEST(a_reduce_changes_an_element)
{
  tn_emit(b, tn_reduce_store(b, TN_OP_max, A, &n, one));
  check_body("  reduce A[n] max= 1.0:f32\n");
}
END_TEST

START_TEST(annotations_are_added_in_order)
{
  const tn_expr *i = tn_var(b, "i", TN_INDEX);
  const tn_stmt *loop = tn_for(b, i, tn_index(b, 8), tn_store(b, A, &i, one));
  tn_emit(b, tn_annotate_text(b, tn_annotate(b, loop, "factor", 4), "note", "twice"));
  check_body("  for i in 0..8 with factor = 4, note = \"twice\" {\n    A[i] = 1.0:f32\n  }\n");
}
END_TEST

/* ---- mistakes ---- */

static const tn_stmt *body(void) { return tn_store(b, A, &zero, one); }
static const tn_stmt *let_of_no_variable(void) { return tn_let(b, zero, n, body()); }
static const tn_stmt *let_of_another_type(void) { return tn_let(b, tn_var(b, "x", TN_F32), n, body()); }
static const tn_stmt *assert_of_a_number(void) { return tn_assert(b, n, "m", body()); }
static const tn_stmt *assert_without_message(void) { return tn_assert(b, tn_op2(b, TN_OP_lt, n, n), "", body()); }
static const tn_stmt *assume_of_a_number(void) { return tn_assume(b, n, body()); }
static const tn_stmt *while_of_a_number(void) { return tn_while(b, n, body()); }
static const tn_stmt *reduce_by_sub(void) { return tn_reduce_store(b, TN_OP_sub, A, &n, one); }
static const tn_stmt *reduce_of_floats_by_and(void) { return tn_reduce_store(b, TN_OP_and, A, &n, one); }
static const tn_stmt *loop_of_no_kind(void) {
  return tn_for_kind(b, (enum tn_loop_kind)11, tn_var(b, "i", TN_INDEX), n, body());
}
static const tn_stmt *store_where_a_number(void) { return tn_store_where(b, A, &zero, one, n); }
static const tn_stmt *buffer_of_no_scope(void) {
  const tn_buffer_desc desc = {.struct_size = sizeof desc, .type = TN_F32, .scope = (enum tn_scope)4};
  return tn_allocate(b, tn_buffer_with(b, "T", &desc), body());
}
static const tn_stmt *barrier_of_no_memory(void) { return tn_barrier(b, TN_LOCAL); }
static const tn_stmt *copy_of_a_number(void) { return tn_copy(b, A, &n, one, NULL); }
static const tn_stmt *wait_for_less_than_none(void) { return tn_wait(b, -1); }
static const tn_stmt *parameter_of_no_variable(void) {
  tn_param_var(b, zero);
  return NULL;
}
static const tn_stmt *annotated_store(void) { return tn_annotate(b, body(), "key", 1); }
static const tn_stmt *annotation_without_key(void) {
  return tn_annotate_text(b, tn_for(b, tn_var(b, "i", TN_INDEX), n, body()), "", "text");
}

static const tn_stmt *if_of_a_number(void) { return tn_if(b, n, body(), NULL); }
static const tn_stmt *loop_over_floats(void) { return tn_for(b, tn_var(b, "x", TN_F32), n, body()); }
static const tn_stmt *block_without_name(void) {
  return tn_block(b, "", 0, NULL, NULL, NULL, NULL, NULL, NULL, body());
}
static const tn_stmt *store_of_an_index(void) { return tn_store(b, A, &n, n); }
static const tn_stmt *store_at_a_float(void) { return tn_store(b, A, &one, one); }
static const tn_stmt *value(const tn_expr *x) { return x ? tn_store(b, A, &n, x) : NULL; }
static const tn_stmt *load_where_a_number(void) { return value(tn_load(b, A, &n, n)); }
static const tn_stmt *variable_without_name(void) { return value(tn_var(b, "", TN_F32)); }
static const tn_stmt *float_of_integers(void) { return value(tn_float(b, TN_I32, 1)); }
static const tn_stmt *constant_of_an_address(void) { return value(tn_int(b, TN_POINTER, 1)); }
static const tn_stmt *add_of_three(void) { return value(tn_op3(b, TN_OP_add, one, one, one)); }
static const tn_stmt *add_of_two_types(void) { return value(tn_add(b, one, n)); }
static const tn_stmt *cast_of_an_address(void) { return value(tn_cast(b, TN_F32, tn_address(b, A))); }
static const tn_stmt *cast_to_a_vector(void) { return value(tn_cast_sat(b, TN_TYPE_WITH_LANES(TN_F32, 4), one)); }
static const tn_stmt *reinterpretation_of_a_bool(void) {
  return value(tn_reinterpret(b, TN_I8, tn_op2(b, TN_OP_lt, n, zero)));
}
static const tn_stmt *reinterpretation_of_more_bits(void) { return value(tn_reinterpret(b, TN_F64, one)); }
static const tn_stmt *call_of_nobody(void) { return value(tn_call(b, "nobody", 1, &one)); }
static const tn_stmt *call_of(size_t count, const tn_expr *const *args) {
  static const tn_type types[] = {TN_F32, TN_I32};
  ck_assert_int_eq(tn_program_extern(program, "g", TN_F32, 2, types, NULL, NULL, NULL), TN_OK);
  return value(tn_call(b, "g", count, args));
}
static const tn_stmt *call_with_one_argument(void) { return call_of(1, &one); }
static const tn_stmt *call_with_a_float(void) { return call_of(2, (const tn_expr *[]){one, one}); }

/* Those that are no statements: NULL is what they give. */
static const tn_stmt *buffer_of(const char *name, tn_type type, int32_t rank, const tn_expr *extent) {
  const tn_expr *shape[TN_MAX_RANK] = {extent};
  ck_assert_ptr_null(tn_param_symbolic(b, name, type, rank, shape));
  return NULL;
}
static const tn_stmt *buffer_without_name(void) { return buffer_of("", TN_F32, 1, n); }
static const tn_stmt *buffer_of_nine_dimensions(void) { return buffer_of("B", TN_F32, 9, n); }
static const tn_stmt *buffer_of_addresses(void) { return buffer_of("B", TN_POINTER, 1, n); }
static const tn_stmt *buffer_of_a_float(void) { return buffer_of("B", TN_F32, 1, one); }
static const tn_stmt *buffer_of_less_than_nothing(void) { return buffer_of("B", TN_F32, 1, tn_index(b, -1)); }
static const tn_stmt *scalar_of_an_address(void) { return tn_param_scalar(b, "p", TN_POINTER), NULL; }
static const tn_stmt *axis_over_a_float(void) { return tn_axis_symbolic(b, "i", one), NULL; }
static const tn_stmt *axis_below_nothing(void) { return tn_reduce_axis(b, "k", -1), NULL; }
static const tn_stmt *compute(const tn_expr *axis) { return tn_compute(b, A, &axis, one), NULL; }
static const tn_stmt *definition_over_a_variable(void) { return compute(n); }
static const tn_stmt *definition_over_another_extent(void) { return compute(tn_axis(b, "i", 7)); }
static const tn_stmt *definition_over_a_reduce_axis(void) { return compute(tn_reduce_axis(b, "k", 8)); }
static const tn_stmt *reduction_over_an_axis(void) {
  const tn_expr *i = tn_axis(b, "i", 8), *k = tn_axis(b, "k", 4);
  return tn_reduce(b, A, &i, 1, &k, TN_REDUCE_SUM, one), NULL;
}
static const tn_stmt *definitions_over_one_axis(void) {
  const tn_expr *i = tn_axis(b, "i", 8);
  return compute(i), compute(i);
}

static const struct {
  const tn_stmt *(*make)(void);
  const char *want;
} mistakes[] = {
    {if_of_a_number, "build: f: the condition of an if must be bool"},
    {loop_over_floats, "build: f: a loop needs an index variable and an index extent"},
    {block_without_name, "build: f: a block needs a name and at most 32 iterators"},
    {store_of_an_index, "build: f: `A` holds f32, but the value is index"},
    {store_at_a_float, "build: f: `A`: subscript 0 is not an index"},
    {load_where_a_number, "build: f: `A`: the condition of a load must be bool"},
    {variable_without_name, "build: f: a variable needs a name and a type"},
    {float_of_integers, "build: f: a floating-point constant needs a floating-point type"},
    {constant_of_an_address, "build: f: there is no constant of type ptr"},
    {add_of_three, "build: f: `add` is not an operator of 3 operands"},
    {add_of_two_types, "build: f: `add` of f32 and index: the operands have different types"},
    {cast_of_an_address, "build: f: `cast` of ptr to f32: a cast is from a number or bool to a number or bool"},
    {cast_to_a_vector, "build: f: `cast_sat` of f32 to f32x4: a cast keeps the number of lanes"},
    {reinterpretation_of_a_bool,
     "build: f: `reinterpret` of bool to i8: reinterpret needs integer or floating-point types"},
    {reinterpretation_of_more_bits,
     "build: f: `reinterpret` of f32 to f64: reinterpret needs types of the same bits and lanes"},
    {call_of_nobody, "build: f: there is no external `nobody`: tn_program_extern declares one"},
    {call_with_one_argument, "build: f: `g` takes 2 arguments, not 1"},
    {call_with_a_float, "build: f: `g`: argument 2 is f32, not i32"},
    {buffer_without_name, "build: f: a buffer needs a name"},
    {buffer_of_nine_dimensions, "build: f: `B`: rank 9 is outside 0..8"},
    {buffer_of_addresses, "build: f: `B`: ptr is not an element type"},
    {buffer_of_a_float, "build: f: `B`: extent 0 is not an index"},
    {buffer_of_less_than_nothing, "build: f: `B`: extent 0 is -1, outside 0..2^40"},
    {scalar_of_an_address, "build: f: `p`: ptr is not an element type"},
    {axis_over_a_float, "build: f: axis `i`: the extent must be an index that is not negative"},
    {axis_below_nothing, "build: f: axis `k`: the extent must be an index that is not negative"},
    {definition_over_a_variable, "build: f: `A`: not an axis of this builder"},
    {definition_over_another_extent, "build: f: `A`: axis `i` does not range over dimension 0"},
    {definition_over_a_reduce_axis, "build: f: `A`: axis `k` is a reduce axis"},
    {reduction_over_an_axis, "build: f: `A`: axis `k` is no reduce axis"},
    {definitions_over_one_axis, "build: f: `A`: axis `i` is used in a definition before"},
    {let_of_no_variable, "build: f: a let needs a variable"},
    {let_of_another_type, "build: f: `x` is f32, but its value is index"},
    {assert_of_a_number, "build: f: what is asserted or assumed must be bool"},
    {assert_without_message, "build: f: an assert needs a message"},
    {assume_of_a_number, "build: f: what is asserted or assumed must be bool"},
    {reduce_by_sub, "build: f: a reduce is by add, mul, min, max, and, or, xor"},
    {reduce_of_floats_by_and, "build: f: `A`: `and`: the operands must be integers or bool"},
    {loop_of_no_kind, "build: f: there is no loop of kind 11"},
    {store_where_a_number, "build: f: `A`: the condition of a store must be bool"},
    {buffer_of_no_scope, "build: f: `T`: there is no scope 4"},
    {barrier_of_no_memory, "build: f: a barrier is of shared or of global memory"},
    {copy_of_a_number, "build: f: `A`: what is copied is a tn_load"},
    {wait_for_less_than_none, "build: f: -1 groups of copies cannot be pending"},
    {parameter_of_no_variable, "build: f: a scalar parameter is a variable"},
    {annotated_store, "build: f: only loops and blocks are annotated"},
    {annotation_without_key, "build: f: an annotation needs a key"},
    {while_of_a_number, "build: f: the condition of a while must be bool"},
};

START_TEST(mistakes_are_told_at_the_end)
{
  tn_error *err;
  const tn_stmt *s = mistakes[_i].make();
  ck_assert_ptr_null(s);
  tn_emit(b, s);
  ck_assert_int_eq(tn_builder_finish(b, NULL, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), mistakes[_i].want);
  tn_error_destroy(err);
}
END_TEST

START_TEST(a_function_has_a_name)
{
  tn_builder *none;
  tn_error *err;
  ck_assert_int_eq(tn_builder_create(program, "", &none, &err), TN_E_INVALID);
  ck_assert_ptr_null(none);
  ck_assert_str_eq(tn_error_text(err), "build: a function needs a name");
  tn_error_destroy(err);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("build");
  TCase *tests = tcase_create("build");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, statements_print_as_they_would_be_written);
  tcase_add_test(tests, loops_are_bound_to_the_grid);
  tcase_add_test(tests, threads_of_a_block_wait_for_each_other);
  tcase_add_test(tests, copies_are_started_and_waited_for);
  tcase_add_test(tests, a_line_is_asked_for);
  tcase_add_test(tests, a_reduce_changes_an_element);
  tcase_add_test(tests, annotations_are_added_in_order);
  tcase_add_loop_test(tests, mistakes_are_told_at_the_end, 0, TNI_COUNT(mistakes));
  tcase_add_test(tests, a_function_has_a_name);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
