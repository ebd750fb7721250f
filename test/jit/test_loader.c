/* test_loader.c -- objects into the process and out again; bad objects; libffi calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"

/* The object of `loop func NAME` that stores `value` in A[0]. */
static char *make_object(kit *k, const char *name, int value, size_t *size) {
  char text[200], *object;
  tn_error *error = NULL;
  snprintf(text, sizeof text, "loop func %s(A: i32[1]) {\n  A[0] = %d:i32\n}\n", name, value);
  tn_program *program;
  kit_ok(tn_program_parse(k->ctx, text, strlen(text), "test", &program, &error), error);
  const tn_func *f = tn_program_func_at(program, 0);
  kit_ok(kit_try_emit(k, 1, &f, TNI_EMIT_OBJECT, &object, size, &error), error);
  tn_program_destroy(program);
  return object;
}

static int32_t run(kit *k, const tni_library *library, const char *name) {
  int32_t a = -1;
  tni_machine_code f = (tni_machine_code)(uintptr_t)tni_library_find(library, name);
  ck_assert_ptr_nonnull(f);
  ck_assert_int_eq(tni_caller_of(1)(f, &k->env, (void *[]){&a}), 0);
  return a;
}

START_TEST(libraries_may_define_the_same_names)
{
  kit k;
  tni_library *one, *two;
  tn_error *error = NULL;
  size_t sizes[2];
  kit_open(&k, "host");
  char *objects[] = {make_object(&k, "f", 1, &sizes[0]), make_object(&k, "f", 2, &sizes[1])};
  kit_ok(tni_library_load(k.ctx, false, 1, &objects[0], &sizes[0], &one, &error), error);
  kit_ok(tni_library_load(k.ctx, false, 1, &objects[1], &sizes[1], &two, &error), error);
  ck_assert_int_eq(run(&k, one, "f"), 1);
  ck_assert_int_eq(run(&k, two, "f"), 2);
  ck_assert_ptr_null(tni_library_find(one, "g"));
  tni_library_unload(one);
  ck_assert_int_eq(run(&k, two, "f"), 2);
  tni_library_unload(two);
  for (int i = 0; i < 2; i++) tn_text_destroy(objects[i]);
  kit_close(&k);
}
END_TEST

START_TEST(loading_and_unloading_many_times_leaves_nothing)
{
  kit k;
  tn_error *error = NULL;
  size_t size;
  kit_open(&k, "host");
  char *object = make_object(&k, "f", 7, &size);
  for (int i = 0; i < 300; i++) {
    tni_library *library;
    kit_ok(tni_library_load(k.ctx, false, 1, &object, &size, &library, &error), error);
    ck_assert_int_eq(run(&k, library, "f"), 7);
    tni_library_unload(library);
  }
  tn_text_destroy(object);
  kit_close(&k);
}
END_TEST

START_TEST(one_name_twice_in_a_library_is_refused)
{
  kit k;
  tni_library *library;
  tn_error *error = NULL;
  size_t sizes[2];
  kit_open(&k, "host");
  char *objects[] = {make_object(&k, "f", 1, &sizes[0]), make_object(&k, "f", 2, &sizes[1])};
  ck_assert_int_eq(tni_library_load(k.ctx, false, 2, objects, sizes, &library, &error), TN_E_INVALID);
  ck_assert_ptr_null(library);
  ck_assert_str_eq(tn_error_text(error), "load: f: two objects define this symbol");
  tn_error_destroy(error);
  kit_ok(tni_library_load(k.ctx, false, 1, objects, sizes, &library, &error), error); /* the loader still works */
  tni_library_unload(library);
  for (int i = 0; i < 2; i++) tn_text_destroy(objects[i]);
  kit_close(&k);
}
END_TEST

/* A module over code that is not its program's. */
START_TEST(a_function_without_code_is_refused)
{
  kit k;
  tn_module m = {0};
  tn_error *error = NULL;
  size_t size;
  kit_open(&k, "host");
  char *object = make_object(&k, "f", 1, &size);
  kit_ok(tni_library_load(k.ctx, false, 1, &object, &size, &m.library, &error), error);
  kit_ok(tni_parse(k.program, "func g(A: i32[1]) {\n}\n", 22, "test", &error), error);
  m.ctx = k.ctx;
  m.work = k.program;
  tni_arena_init(&m.arena, k.ctx);
  ck_assert_int_eq(tni_functions_create(&m, &error), TN_E_COMPILER);
  ck_assert_str_eq(tn_error_text(error), "load: g: the symbol is missing in the loaded code");
  tn_error_destroy(error);
  tni_functions_destroy(&m);
  tni_library_unload(m.library);
  tni_arena_destroy(&m.arena);
  tn_text_destroy(object);
  kit_close(&k);
}
END_TEST

/* Every prefix, and every byte of the headers turned over: an error or a success, never a crash. Reads symbols only:
 * what LLVM makes of hostile code is not our promise. */
static bool count_symbol(void *self, const char *name, bool defined) {
  (void)defined;
  *(size_t *)self += strlen(name);
  return true;
}

START_TEST(damaged_objects_are_refused)
{
  kit k;
  size_t size, total = 0;
  tni_library *library;
  tn_error *error = NULL;
  kit_open(&k, "host");
  char *object = make_object(&k, "f", 1, &size);
  for (size_t n = 0; n < size; n++) {
    char *prefix = malloc(n + 1);
    memcpy(prefix, object, n);
    ck_assert_int_ne(tni_object_symbols(k.ctx, prefix, n, count_symbol, &total, NULL), TN_OK);
    free(prefix);
  }
  for (size_t i = 0; i < size * 8; i++) {
    object[i / 8] ^= (char)(1 << i % 8);
    tni_object_symbols(k.ctx, object, size, count_symbol, &total, NULL);
    object[i / 8] ^= (char)(1 << i % 8);
  }
  ck_assert_int_eq(tni_library_load(k.ctx, false, 1, &object, &(size_t){10}, &library, &error), TN_E_INVALID);
  tn_error_destroy(error);
  tn_text_destroy(object);
  kit_close(&k);
}
END_TEST

/* ---- libffi ---------------------------------------------------------------------------------------------------- */

static uint64_t add_all(void *self, int8_t a, uint8_t b, int16_t c, uint16_t d, int32_t e, uint32_t f, int64_t g,
                        uint64_t h, float i, double j) {
  return (uint64_t)(a + b + c + d + e) + f + (uint64_t)g + h + (uint64_t)i + (uint64_t)j + *(uint64_t *)self;
}

START_TEST(calls_spread_values_over_a_signature)
{
  const tn_type params[] = {TN_I8, TN_U8, TN_I16, TN_U16, TN_I32, TN_U32, TN_I64, TN_U64, TN_F32, TN_F64};
  tn_value args[10], result;
  tn_error *error = NULL;
  tni_caller *caller;
  uint64_t self = 1000000;
  kit k;
  kit_open(&k, "host");
  kit_ok(tni_caller_create(k.ctx, TN_U64, 10, params, &caller, &error), error);
  for (int i = 0; i < 8; i++) args[i] = tn_value_int(i + 1);
  args[8] = tn_value_float(9);
  args[9] = tn_value_int(10);
  kit_ok(tni_caller_call(caller, "add_all", (void (*)(void))add_all, &self, args, 10, &result, &error), error);
  ck_assert_int_eq(result.as.i, 1000055);
  tni_caller_destroy(caller);
  kit_close(&k);
}
END_TEST

static int take_two(void *self, void *p, float f) { return (void)self, (void)p, (void)f, 0; }

START_TEST(values_that_do_not_fit_the_signature)
{
  static const tn_type params[] = {TN_POINTER, TN_F32};
  static const struct {
    tn_value args[2];
    size_t count;
    const char *want;
  } rows[] = {
      {{{0}}, 1, "call: take_two: 1 arguments given, 2 expected"},
      {{{.tag = TN_VALUE_INT}, {.tag = TN_VALUE_FLOAT}},
       2,
       "call: take_two: argument 0: a pointer or a tensor of type ptr was expected"},
      {{{.tag = TN_VALUE_POINTER}, {.tag = TN_VALUE_POINTER}},
       2,
       "call: take_two: argument 1: a number of type f32 was expected"},
  };
  tni_caller *caller;
  tn_error *error = NULL;
  tn_value result;
  kit k;
  kit_open(&k, "host");
  kit_ok(tni_caller_create(k.ctx, TN_I32, 2, params, &caller, &error), error);
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    ck_assert_int_eq(tni_caller_call(caller, "take_two", (void (*)(void))take_two, NULL, rows[i].args, rows[i].count,
                                     &result, &error),
                     TN_E_INVALID);
    ck_assert_str_eq(tn_error_text(error), rows[i].want);
    tn_error_destroy(error);
  }
  tni_caller_destroy(caller);
  kit_close(&k);
}
END_TEST

static int take_small(void *self, uint8_t a) { return (void)self, (void)a, 0; }

START_TEST(integers_that_do_not_fit_the_signature)
{
  static const tn_type u8 = TN_U8;
  tni_caller *caller;
  tn_error *error = NULL;
  tn_value result, large = tn_value_int(256), number = tn_value_float(1);
  kit k;
  kit_open(&k, "host");
  kit_ok(tni_caller_create(k.ctx, TN_I32, 1, &u8, &caller, &error), error);
  ck_assert_int_eq(tni_caller_call(caller, "f", (void (*)(void))take_small, NULL, &large, 1, &result, &error),
                   TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(error), "call: f: argument 0: an integer in range of type u8 was expected");
  tn_error_destroy(error);
  ck_assert_int_eq(tni_caller_call(caller, "f", (void (*)(void))take_small, NULL, &number, 1, &result, &error),
                   TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(error), "call: f: argument 0: an integer of type u8 was expected");
  tn_error_destroy(error);
  tni_caller_destroy(caller);
  kit_close(&k);
}
END_TEST

START_TEST(signatures_that_cannot_be_called)
{
  tn_type params[257] = {TN_TYPE_WITH_LANES(TN_F32, 4)};
  tni_caller *caller;
  tn_error *error = NULL;
  kit k;
  kit_open(&k, "host");
  ck_assert_int_eq(tni_caller_create(k.ctx, TN_I32, 257, params, &caller, &error), TN_E_LIMIT);
  ck_assert_str_eq(tn_error_text(error), "call: a signature of more than 256 parameters");
  tn_error_destroy(error);
  ck_assert_int_eq(tni_caller_create(k.ctx, TN_I32, 1, params, &caller, &error), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(error), "call: a signature with a type that C calls cannot pass");
  tn_error_destroy(error);
  kit_close(&k);
}
END_TEST

static int8_t give_i8(void *self) { return (void)self, -5; }
static uint8_t give_bool(void *self) { return (void)self, 1; }
static uint16_t give_u16(void *self) { return (void)self, 65535; }
static float give_f32(void *self) { return (void)self, 0.5f; }
static void *give_pointer(void *self) { return self; }
static int32_t give_status(void *self) { return (void)self, 9; }

/* `why` is NULL where the call is to succeed. */
static tn_value call_plain(kit *k, tn_type type, void (*function)(void), tn_status want, const char *why) {
  tni_extern external = {.name = "give", .result = type, .function = function, .self = k};
  tn_value result;
  tn_error *error;
  ck_assert_int_eq(tni_call_extern(k->ctx, &external, NULL, 0, &result, &error), want);
  if (why) ck_assert_str_eq(tn_error_text(error), why);
  tn_error_destroy(error);
  return result;
}

START_TEST(results_of_all_widths)
{
  kit k;
  kit_open(&k, "host");
  ck_assert_int_eq(call_plain(&k, TN_I8, (void (*)(void))give_i8, TN_OK, NULL).as.i, -5);
  ck_assert_int_eq(call_plain(&k, TN_BOOL, (void (*)(void))give_bool, TN_OK, NULL).as.i, 1);
  ck_assert_int_eq(call_plain(&k, TN_U16, (void (*)(void))give_u16, TN_OK, NULL).as.i, 65535);
  ck_assert_double_eq(call_plain(&k, TN_F32, (void (*)(void))give_f32, TN_OK, NULL).as.f, 0.5);
  ck_assert_ptr_eq(call_plain(&k, TN_POINTER, (void (*)(void))give_pointer, TN_OK, NULL).as.pointer, &k);
  ck_assert_int_eq(call_plain(&k, TN_I32, (void (*)(void))give_status, TN_E_HOST,
                              "call: give: the host's function failed with status 9")
                       .as.i,
                   9);
  call_plain(&k, TN_I32, NULL, TN_E_INVALID, "call: give: the external function is declared, but not bound");
  kit_close(&k);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("loader");
  TCase *tc = tcase_create("loader");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, libraries_may_define_the_same_names);
  tcase_add_test(tc, loading_and_unloading_many_times_leaves_nothing);
  tcase_add_test(tc, one_name_twice_in_a_library_is_refused);
  tcase_add_test(tc, a_function_without_code_is_refused);
  tcase_add_test(tc, damaged_objects_are_refused);
  tcase_add_test(tc, calls_spread_values_over_a_signature);
  tcase_add_test(tc, values_that_do_not_fit_the_signature);
  tcase_add_test(tc, integers_that_do_not_fit_the_signature);
  tcase_add_test(tc, signatures_that_cannot_be_called);
  tcase_add_test(tc, results_of_all_widths);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
