/* test_buffer.c -- the form of buffers: as text, as the builder makes it, where elements stand, and what is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "../lib/fault.h"
#include "ir/program.h"
#include "text.h"

static tn_error *err;

static tn_program *parse(const char *text) {
  tn_program *parsed;
  tn_program_parse(ctx, text, strlen(text), "t", &parsed, &err);
  ck_assert_msg(parsed != NULL, "%s\n%s", text, tn_error_text(err));
  return parsed;
}

/* The text prints as `want`, which prints as itself; so does a copy in another program. */
static void check_prints(const char *text, const char *want) {
  tn_program *once = parse(text), *twice = parse(want);
  const tn_func *copy = tni_func_clone(&program->region, once->funcs[0], program);
  const tn_func *funcs[] = {once->funcs[0], twice->funcs[0], copy};
  for (size_t i = 0; i < TNI_COUNT(funcs); i++) {
    char *printed;
    ck_assert_int_eq(tn_func_print(funcs[i], &printed, NULL), TN_OK);
    ck_assert_str_eq(printed, want);
    tn_text_destroy(printed);
  }
  tn_program_destroy(once);
  tn_program_destroy(twice);
}

static void check_refused(const char *text, const char *want) {
  tn_program *parsed;
  ck_assert_int_ne(tn_program_parse(ctx, text, strlen(text), "t", &parsed, &err), TN_OK);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

START_TEST(every_attribute_comes_back)
{
  static const char *const same[] = {
      "A: f32[4, 4] strides (s, 1)",
      "A: f32[4, s] strides (s * 2 + 1, 1)",
      "A: f32[4] offset 4",
      "A: f32[4] offset s * 8",
      "A: f32[4] align 64",
      "A: f64[] align 4096",
      "A: f32[512, 512] layout (i, j) -> (i // 16, j, i % 16)",
      "A: f32[n, c, h, w] layout (a, b, y, x) -> (a, b // 16, y, x, b % 16)",
      "A: f32[512, 512] strides (s, 16, 1) offset 4 align 64 layout (i, j) -> (i // 16, j, i % 16)",
  };
  char text[256];
  for (size_t i = 0; i < TNI_COUNT(same); i++) {
    snprintf(text, sizeof text, "func f(%s, s: index, n: index, c: index, h: index, w: index) {\n}\n", same[i]);
    check_prints(text, text);
  }
  check_prints("func f() { alloc T: f32[4, 4] strides (6, 1) align 128 in local; T[0, 0] = 1:f32 }",
               "func f() {\n  alloc T: f32[4, 4] strides (6, 1) align 128 in local\n  T[0, 0] = 1.0:f32\n}\n");
  check_prints("func f() {\n  alloc T: f32[4, 4] layout (i, j) -> (j, i)\n}",
               "func f() {\n  alloc T: f32[4, 4] layout (i, j) -> (j, i)\n}\n");
}
END_TEST

START_TEST(what_is_the_default_is_not_printed)
{
  check_prints("func f(A: f32[4, n] align 4 layout (i, j) -> (i, j) strides (n, 1) offset 0, n: index) { }",
               "func f(A: f32[4, n], n: index) {\n}\n");
  check_prints("func f() { alloc T: f32[4] in global align 16 strides (1) }", "func f() {\n  alloc T: f32[4]\n}\n");
}
END_TEST

START_TEST(names_of_a_layout_are_its_own)
{
  check_prints(
      "func f(A: f32[4, 4] layout (k, j) -> (j, k), i: index) {\n  for j in 0..4 {\n    A[i, j] = 1.0:f32\n  }\n}\n",
      "func f(A: f32[4, 4] layout (k, j) -> (j, k), i: index) {\n"
      "  for j_1 in 0..4 {\n    A[i, j_1] = 1.0:f32\n  }\n}\n");
  /* a line of its own is a statement, whatever its first word */
  check_prints("func f() {\n  alloc align: f32[4]\n  align[0] = 1.0:f32\n}\n",
               "func f() {\n  alloc align: f32[4]\n  align[0] = 1.0:f32\n}\n");
}
END_TEST

#define PARAM(attributes) "func f(A: f32[4, 4] " attributes ", n: index) { }"
#define MARK(line, mark) "\n  func f(A: f32[4, 4] " line ", n: index) { }\n                      " mark

START_TEST(mistakes_in_attributes)
{
  check_refused(PARAM("strides 4"),
                "parse: t:1:29: expected `(` and the strides, found `4`" MARK("strides 4", "        ^"));
  check_refused(PARAM("strides (4)"),
                "parse: t:1:29: 1 strides, but the memory has 2 dimensions" MARK("strides (4)", "        ^"));
  check_refused(PARAM("strides (4, 1.0:f32)"),
                "parse: t:1:33: a stride is an index in 0..2^40" MARK("strides (4, 1.0:f32)", "            ^^^^^^^"));
  check_refused(PARAM("strides (4, -1)"),
                "parse: t:1:33: a stride is an index in 0..2^40" MARK("strides (4, -1)", "            ^^"));
  check_refused(PARAM("strides (4, 1"), "parse: t:1:46: expected `)` or `,` after a parameter, found `{`" MARK(
                                            "strides (4, 1", "                         ^"));
  check_refused(PARAM("strides (4 1)"),
                "parse: t:1:32: expected `)` or `,` after a stride, found `1`" MARK("strides (4 1)", "           ^"));
  check_refused(PARAM("strides (1, 1, 1, 1, 1, 1, 1, 1, 1)"),
                "parse: t:1:54: more than 8 strides" MARK("strides (1, 1, 1, 1, 1, 1, 1, 1, 1)",
                                                          "                                 ^"));
  check_refused(PARAM("offset -1"), "parse: t:1:28: an offset is an index in 0..2^40" MARK("offset -1", "       ^^"));
  check_refused(PARAM("offset 1 offset 2"),
                "parse: t:1:30: `offset` is given twice" MARK("offset 1 offset 2", "         ^^^^^^"));
  check_refused(
      PARAM("align 3"),
      "parse: t:1:27: an alignment is a power of two, from the bytes of an element to 4096" MARK("align 3", "      ^"));
  check_refused(
      PARAM("align 2"),
      "parse: t:1:27: an alignment is a power of two, from the bytes of an element to 4096" MARK("align 2", "      ^"));
  check_refused(PARAM("align 0x40"),
                "parse: t:1:27: an alignment is a power of two, from the bytes of an element to 4096" MARK(
                    "align 0x40", "      ^^^^"));
  check_refused(PARAM("align n"),
                "parse: t:1:27: expected an alignment in bytes, found `n`" MARK("align n", "      ^"));
  check_refused(PARAM("in local"), "parse: t:1:24: a parameter is in global scope" MARK("in local", "   ^^^^^"));
  check_refused("func f() { alloc T: f32[4] offset 1 }",
                "parse: t:1:35: an offset belongs to a parameter\n"
                "  func f() { alloc T: f32[4] offset 1 }\n                                    ^");
  check_refused("func f() { alloc T: f32[4] in shade }",
                "parse: t:1:31: expected `global`, `local`, `register` or `shared`, found `shade`\n"
                "  func f() { alloc T: f32[4] in shade }\n                                ^^^^^");
}
END_TEST

START_TEST(mistakes_in_layouts)
{
  static const char form[] = "a layout is made of its variables, constants, +, and *, // and % by positive constants";
  char want[512];
  check_refused(PARAM("layout i -> (i)"), "parse: t:1:28: expected `(` and a name for each dimension, found `i`" MARK(
                                              "layout i -> (i)", "       ^"));
  check_refused(PARAM("layout (i) -> (i)"),
                "parse: t:1:28: the layout names 1 of 2 dimensions" MARK("layout (i) -> (i)", "       ^^^"));
  check_refused(PARAM("layout (i, j, k) -> (i)"),
                "parse: t:1:35: expected `)` after a name for each dimension, found `k`" MARK("layout (i, j, k) -> (i)",
                                                                                              "              ^"));
  check_refused(PARAM("layout (i, n) -> (i)"), "parse: t:1:32: this name is declared already, here or around" MARK(
                                                   "layout (i, n) -> (i)", "           ^"));
  check_refused(PARAM("layout (i, j) (i)"), "parse: t:1:35: expected `->` and the memory's subscripts, found `(`" MARK(
                                                "layout (i, j) (i)", "              ^"));
  check_refused(PARAM("layout (i, j) -> i"), "parse: t:1:38: expected `(` and the memory's subscripts, found `i`" MARK(
                                                 "layout (i, j) -> i", "                 ^"));
  static const char *const wrong[] = {"i, j + n", "i, j - 1", "i, j // 0", "i, j // i", "i, min(i, j)", "i, j * -1"};
  for (size_t k = 0; k < TNI_COUNT(wrong); k++) {
    char text[256], mark[64];
    size_t width = strlen(wrong[k]) + 2;
    memset(mark, '^', width);
    mark[width] = 0;
    snprintf(text, sizeof text, "func f(A: f32[4, 4] layout (i, j) -> (%s), n: index) { }", wrong[k]);
    snprintf(want, sizeof want, "parse: t:1:38: %s\n  %s\n                                       %s", form, text, mark);
    check_refused(text, want);
  }
}
END_TEST

/* ---- the verifier ------------------------------------------------------------------------------------------------ */

START_TEST(a_layout_sends_no_two_elements_to_one_place)
{
  static const char *const good[] = {
      "A: f32[100, 7] layout (i, j) -> (j, i)",
      "A: f32[100, 7] layout (i, j) -> (i * 7 + j)",
      "A: f32[100, 7] layout (i, j) -> (i * 9 + j)", /* with gaps */
      "A: f32[100] layout (i) -> (i // 16, i % 16)", /* 100 is no multiple of 16 */
      "A: f32[n] layout (i) -> (i // 12, i // 4 % 3, i % 4)",
      "A: f32[n, 32] layout (i, j) -> (j // 8, i // 8, i % 8, j % 8)",
      "A: f32[1, n] layout (i, j) -> (j)",
      "A: f32[0, n] layout (i, j) -> (0)",
      "A: f32[5] layout (i) -> (i * 3 + 2)",
  };
  static const char *const bad[] = {
      "A: f32[100, 7] layout (i, j) -> (i)",
      "A: f32[100, 7] layout (i, j) -> (i * 6 + j)",
      "A: f32[100] layout (i) -> (i // 16)",
      "A: f32[100] layout (i) -> (i % 16)",
      "A: f32[100] layout (i) -> (i // 16, i % 8)",
      "A: f32[4, n] layout (i, j) -> (i * 4 + j)",
      "A: f32[n] layout (i) -> (i // 2000000000, i % 2000000000)",
  };
  char text[256], want[512];
  for (size_t i = 0; i < TNI_COUNT(good); i++) {
    snprintf(text, sizeof text, "func f(%s, n: index) { }", good[i]);
    tn_program_destroy(parse(text));
  }
  for (size_t i = 0; i < TNI_COUNT(bad); i++) {
    snprintf(text, sizeof text, "func f(%s, n: index) {\n}", bad[i]);
    snprintf(want, sizeof want,
             "verify: f:1: buffer `A`: the layout may put two elements in one place\n"
             "func f(%s, n: index) {\n       ^",
             bad[i]);
    check_refused(text, want);
  }
}
END_TEST

START_TEST(what_is_written_has_no_two_elements_in_one_place)
{
  tn_program_destroy(parse("func f(A: f32[4, 4] strides (0, 1), B: f32[4]) { B[0] = A[1, 2] }"));
  tn_program_destroy(
      parse("func f(A: f32[4, 4] strides (n, 1), n: index) { A[1, 2] = 1:f32 }")); /* asked at the call */
  check_refused("func f(A: f32[4, 4] strides (0, 1)) { A[1, 2] = 1:f32 }",
                "verify: f:2: `A` is stored to, but its strides put two elements in one place\n"
                "  A[1, 2] = 1.0:f32\n  ^^^^^^^^^^^^^^^^^");
  check_refused("func f() { alloc T: f32[4, 4] strides (3, 1) }",
                "verify: f:2: buffer `T`: the strides put two elements in one place\n"
                "  alloc T: f32[4, 4] strides (3, 1)\n        ^");
  check_refused("func f(n: index) { alloc T: f32[4, 4] strides (n, 1) }",
                "verify: f:2: buffer `T`: the strides and extents of an alloc with strides are constants\n"
                "  alloc T: f32[4, 4] strides (n, 1)\n        ^");
  check_refused("func f(n: index) { alloc T: f32[n, 4] strides (4, 2) }",
                "verify: f:2: buffer `T`: the strides and extents of an alloc with strides are constants\n"
                "  alloc T: f32[n, 4] strides (4, 2)\n        ^");
}
END_TEST

START_TEST(strides_and_offsets_are_made_of_parameters)
{
  check_refused("func f(I: i32[4], A: f32[4, 4] strides (cast(index, I[0]), 1)) {\n}",
                "verify: f:1: the stride or offset of a parameter is made of constants and scalar parameters\n"
                "func f(I: i32[4], A: f32[4, 4] strides (cast(index, I[0]), 1)) {\n"
                "                                        ^^^^^^^^^^^^^^^^^");
  char text[4096] = "func f(n: index, A: f32[4] offset n";
  for (int i = 0; i < 200; i++) strcat(text, " * n");
  strcat(text, ") {\n}");
  check_refused(text, "verify: f: the stride or offset of a parameter is longer than 200 operators");
}
END_TEST

START_TEST(buffers_of_the_loop_level_are_flat)
{
  tn_program_destroy(parse("loop func f(A: f32[4, 4] strides (8, 1)) { A[27] = 1:f32 }"));
  check_refused("loop func f(A: f32[4, 4] strides (8, 1)) { A[28] = 1:f32 }",
                "verify: f:2: a subscript of `A` is 28, outside 0..27\n  A[28] = 1.0:f32\n    ^^");
  tn_program_destroy(parse("loop func f(A: f32[4, 5] offset 7 layout (i, j) -> (j // 2, i, j % 2)) { A[30] = 1:f32 }"));
  check_refused("loop func f(A: f32[4, 5] offset 7 layout (i, j) -> (j // 2, i, j % 2)) { A[31] = 1:f32 }",
                "verify: f:2: a subscript of `A` is 31, outside 0..30\n  A[31] = 1.0:f32\n    ^^");
  check_refused("loop func f() { alloc T: f32[4] strides (2); T[0] = 1:f32 }",
                "verify: f:2: allocated buffers of several dimensions, strides or a layout do not belong to the loop level\n  alloc T: f32[4] strides (2)\n        ^");
}
END_TEST

/* ---- places ------------------------------------------------------------------------------------------------------ */

START_TEST(elements_stand_where_the_form_says)
{
  static const struct {
    const char *form, *place, *size;
  } rows[] = {
      {"A: f32[n, m]", "j + m * i", "n * m"},
      {"A: f32[n, m] strides (s, 2)", "j * 2 + s * i", "max(m * 2 + s * (n - 1) - 1, 0)"},
      {"A: f32[8, 16] strides (20, 1) offset 3", "i * 20 + j + 3", "159"},
      {"A: f32[8, 16] offset s", "s + i * 16 + j", "s + 128"},
      {"A: f32[8, 16] layout (i, j) -> (j, i)", "i + j * 8", "128"},
      {"A: f32[8, 20] layout (i, j) -> (j // 16, i, j % 16)", "i * 16 + j // 16 * 128 + j % 16", "256"},
      {"A: f32[n, m] layout (i, j) -> (j // 16, i, j % 16)", "i * 16 + n * (j // 16) * 16 + j % 16",
       "n * ((m + 15) // 16) * 16"},
      {"A: f32[8, 20] strides (200, 20, 1) layout (i, j) -> (j // 16, i, j % 16)", "i * 20 + j // 16 * 200 + j % 16",
       "356"},
  };
  for (size_t k = 0; k < TNI_COUNT(rows); k++) {
    char text[256];
    snprintf(text, sizeof text, "func f(%s, n: index, m: index, s: index) { }", rows[k].form);
    tn_program *p = parse(text);
    tni_region *r = &p->region;
    tni_facts none = {.ctx = ctx};
    const tn_buffer *b = p->funcs[0]->params[0].buffer;
    const tn_expr *index[] = {tni_var(r, "i", TN_INDEX), tni_var(r, "j", TN_INDEX)};
    const char *want[] = {rows[k].place, rows[k].size};
    const tn_expr *have[] = {tni_buffer_place(r, b, index), tni_buffer_size(r, b)};
    for (int w = 0; w < 2; w++) {
      tni_text printed;
      tni_text_init(&printed, ctx);
      tni_print_expr(&printed, tni_simplify(r, &none, have[w]));
      ck_assert_str_eq(printed.data, want[w]);
      tni_text_destroy(&printed);
    }
    int64_t constant = tni_is_const(have[1]) ? have[1]->as.i : -1;
    ck_assert_int_eq(tni_buffer_constant_size(b), constant);
    tn_program_destroy(p);
  }
}
END_TEST

START_TEST(a_host_is_told_the_form_of_an_argument)
{
  tn_program *p =
      parse("func f(A: f32[n, 20] strides (s, 16, 1) offset s + 1 align 64 layout (i, j) -> (j // 16, i, j % 16), "
            "B: f32[n], n: index, s: index, C: f32[2, n] strides (s * s * 1073741824, 1)) { }");
  const tn_func *f = p->funcs[0];
  tn_value args[] = {{0}, {0}, tn_value_int(6), tn_value_int(100), {0}};
  tn_param_form form;
  ck_assert_int_eq(tn_func_param_form(f, 0, args, 5, &form, NULL), TN_OK);
  const int64_t shape[] = {2, 6, 16}, strides[] = {100, 16, 1};
  ck_assert_int_eq(form.rank, 3);
  ck_assert_mem_eq(form.shape, shape, sizeof shape);
  ck_assert_mem_eq(form.strides, strides, sizeof strides);
  ck_assert_int_eq(form.offset, 101);
  ck_assert_uint_eq(form.align, 64);
  ck_assert_int_eq(form.elements, 101 + 100 + 5 * 16 + 16);
  ck_assert_int_eq(tn_func_param_form(f, 1, args, 5, &form, NULL), TN_OK);
  ck_assert_int_eq(form.strides[0], 1);
  ck_assert_int_eq(form.elements, 6);
  ck_assert_uint_eq(form.align, 4);
  const struct {
    size_t i, count;
    int64_t n, s;
    const char *want;
  } rows[] = {
      {5, 5, 1, 1, "call: f: the form of parameter 5 with 5 arguments: the function has 5 parameters"},
      {0, 4, 1, 1, "call: f: the form of parameter 0 with 4 arguments: the function has 5 parameters"},
      {2, 5, 1, 1,
       "call: f: the form of parameter 2 with 5 arguments: the function has 5 parameters, and this is a scalar"},
      {0, 5, -1, 1, "call: f: `A`: with these arguments the extent of dimension 0 is -1"},
      {0, 5, 1, -2, "call: f: `A`: with these arguments the stride of dimension 0 is -2"},
      {4, 5, 1, INT64_C(1) << 40, "call: f: `C`: with these arguments the stride of dimension 0 cannot be computed"},
      {4, 5, INT64_MAX, 2, "call: f: `C`: the memory is too large to address"},
  };
  for (size_t k = 0; k < TNI_COUNT(rows); k++) {
    args[2] = tn_value_int(rows[k].n);
    args[3] = tn_value_int(rows[k].s);
    ck_assert_int_eq(tn_func_param_form(f, rows[k].i, args, rows[k].count, &form, &err), TN_E_INVALID);
    ck_assert_str_eq(tn_error_text(err), rows[k].want);
    tn_error_destroy(err);
  }
  tn_program_destroy(p);
}
END_TEST

/* ---- the builder -------------------------------------------------------------------------------------------------- */

/* NCHW16c by the builder, against the text. */
START_TEST(forms_are_built)
{
  tn_builder *b;
  ck_assert_int_eq(tn_builder_create(program, "f", &b, &err), TN_OK);
  const tn_expr *n = tn_param_scalar(b, "n", TN_INDEX), *sixteen = tn_index(b, 16);
  const tn_expr *i = tn_var(b, "i", TN_INDEX), *j = tn_var(b, "j", TN_INDEX), *shape[] = {n, tn_index(b, 40)};
  const tn_expr *vars[] = {i, j};
  const tn_expr *to[] = {tn_op2(b, TN_OP_floordiv, j, sixteen), i, tn_op2(b, TN_OP_floormod, j, sixteen)};
  tn_buffer_desc desc = {.struct_size = sizeof desc,
                         .type = TN_F32,
                         .rank = 2,
                         .shape = shape,
                         .align = 64,
                         .layout_rank = 3,
                         .layout_vars = vars,
                         .layout_index = to};
  const tn_buffer *a = tn_param_with(b, "A", &desc);
  const tn_expr *strides[] = {n, tn_index(b, 2)}, *four[] = {tn_index(b, 4), tn_index(b, 4)};
  tn_buffer_desc plain = {.struct_size = sizeof plain, .type = TN_F32, .rank = 2, .shape = four};
  plain.strides = strides;
  plain.offset = n;
  const tn_buffer *s = tn_param_with(b, "S", &plain);
  const tn_expr *wide[] = {tn_index(b, 6), tn_index(b, 1)};
  plain.strides = wide;
  plain.offset = NULL;
  plain.align = 256;
  const tn_buffer *t = tn_alloc_with(b, "T", &plain);
  const tn_expr *zero[] = {tn_index(b, 0), tn_index(b, 0)};
  tn_emit(b, tn_store(b, t, zero, tn_add(b, tn_load(b, a, zero, NULL), tn_load(b, s, zero, NULL))));
  const tn_func *f;
  tn_builder_finish(b, &f, &err);
  ck_assert_str_eq(tn_error_text(err), "");
  char *text;
  ck_assert_int_eq(tn_func_print(f, &text, NULL), TN_OK);
  ck_assert_str_eq(text, "func f(n: index, A: f32[n, 40] align 64 layout (i, j) -> (j // 16, i, j % 16), "
                         "S: f32[4, 4] strides (n, 2) offset n) {\n"
                         "  alloc T: f32[4, 4] strides (6, 1) align 256\n"
                         "  T[0, 0] = A[0, 0] + S[0, 0]\n}\n");
  tn_text_destroy(text);
}
END_TEST

typedef void change(tn_builder *b, tn_buffer_desc *d);

static void wrong_size(tn_builder *b, tn_buffer_desc *d) { (void)b, d->struct_size = 8; }
static void wrong_stride(tn_builder *b, tn_buffer_desc *d) {
  static const tn_expr *strides[2];
  strides[0] = strides[1] = tn_int(b, TN_I32, 1);
  d->strides = strides;
}
static void wrong_offset(tn_builder *b, tn_buffer_desc *d) { d->offset = tn_index(b, -1); }
static void wrong_align(tn_builder *b, tn_buffer_desc *d) { (void)b, d->align = 48; }
static const tn_expr *vars[2], *to[2];
static void some_layout(tn_builder *b, tn_buffer_desc *d) {
  for (int i = 0; i < 2; i++) to[1 - i] = vars[i] = tn_var(b, "i", TN_INDEX);
  d->layout_rank = 2;
  d->layout_vars = vars;
  d->layout_index = to;
}
static void wrong_rank(tn_builder *b, tn_buffer_desc *d) {
  some_layout(b, d);
  d->layout_rank = 9;
}
static void wrong_vars(tn_builder *b, tn_buffer_desc *d) {
  some_layout(b, d);
  vars[1] = tn_index(b, 1);
}
static void same_vars(tn_builder *b, tn_buffer_desc *d) {
  some_layout(b, d);
  vars[1] = vars[0];
}
static void wrong_index(tn_builder *b, tn_buffer_desc *d) {
  some_layout(b, d);
  to[0] = tn_sub(b, to[0], to[1]);
}
static void not_injective(tn_builder *b, tn_buffer_desc *d) {
  some_layout(b, d);
  to[0] = to[1];
}
static void nothing(tn_builder *b, tn_buffer_desc *d) { (void)b, (void)d; }
static void some_offset(tn_builder *b, tn_buffer_desc *d) { d->offset = tn_index(b, 1); }

START_TEST(wrong_forms_are_refused)
{
  char size[128];
  snprintf(size, sizeof size, "build: f: `A`: struct_size of the tn_buffer_desc is 8, not %zu", sizeof(tn_buffer_desc));
  const struct {
    change *change;
    const char *want;
    bool alloc;
  } rows[] = {
      {nothing, "", false},
      {some_layout, "", true},
      {wrong_size, size, false},
      {wrong_stride, "build: f: `A`: a stride is an index in 0..2^40", false},
      {wrong_offset, "build: f: `A`: an offset is an index in 0..2^40", false},
      {some_offset, "build: f: `A`: an offset belongs to a parameter", true},
      {wrong_align, "build: f: `A`: an alignment is a power of two, from the bytes of an element to 4096", false},
      {wrong_rank, "build: f: `A`: a layout has 1 to 8 dimensions", false},
      {wrong_vars, "build: f: `A`: dimension 1 of the layout is not an index variable", false},
      {same_vars, "build: f: `A`: two dimensions of the layout have one variable", false},
      {wrong_index,
       "build: f: `A`: a layout is made of its variables, constants, +, and *, // and % by positive constants", false},
      {not_injective,
       "verify: f:1: buffer `A`: the layout may put two elements in one place\n"
       "func f(A: f32[4, 4] layout (i, i_1) -> (i, i)) {\n       ^",
       false},
  };
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    tn_builder *b;
    ck_assert_int_eq(tn_builder_create(program, "f", &b, &err), TN_OK);
    const tn_expr *shape[] = {tn_index(b, 4), tn_index(b, 4)};
    tn_buffer_desc desc = {.struct_size = sizeof desc, .type = TN_F32, .rank = 2, .shape = shape};
    rows[i].change(b, &desc);
    (rows[i].alloc ? tn_alloc_with : tn_param_with)(b, "A", &desc);
    tn_builder_finish(b, NULL, &err);
    ck_assert_str_eq(tn_error_text(err), rows[i].want);
    tn_error_destroy(err);
    err = NULL;
  }
}
END_TEST

/* ---- without memory ------------------------------------------------------------------------------------------------ */

START_TEST(no_memory_is_told)
{
  static const char text[] =
      "func f(A: f32[64, n] strides (s, 16, 1) offset 4 align 64 layout (i, j) -> (j // 16, i, j % 16), "
      "n: index, s: index) {\n  alloc T: f32[4, 4] strides (6, 1)\n  T[0, 0] = A[0, 0]\n}\n";
  for (long at = 1;; at++) {
    fault f = {.fail_at = 0};
    tn_context *faulty = fault_context(&f);
    tn_program *p;
    char *printed = NULL;
    f.fail_at = atomic_load(&f.calls) + at;
    tn_status status = tn_program_parse(faulty, text, strlen(text), "t", &p, NULL);
    if (!status) status = tn_program_print(p, &printed, NULL);
    bool hit = atomic_load(&f.calls) >= f.fail_at;
    ck_assert_int_eq(status, hit ? TN_E_NOMEM : TN_OK);
    tn_text_destroy(printed);
    tn_program_destroy(p);
    fault_finish(&f, faulty);
    if (!hit) break;
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {every_attribute_comes_back,
                                what_is_the_default_is_not_printed,
                                names_of_a_layout_are_its_own,
                                mistakes_in_attributes,
                                mistakes_in_layouts,
                                a_layout_sends_no_two_elements_to_one_place,
                                what_is_written_has_no_two_elements_in_one_place,
                                strides_and_offsets_are_made_of_parameters,
                                buffers_of_the_loop_level_are_flat,
                                elements_stand_where_the_form_says,
                                a_host_is_told_the_form_of_an_argument,
                                forms_are_built,
                                wrong_forms_are_refused,
                                no_memory_is_told};
  return suite_run_tests("buffer", tests, TNI_COUNT(tests), setup, teardown);
}
