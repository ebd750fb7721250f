/* test_refusals.c -- programs that are refused, and the whole of what their authors are told.
 *
 * A file refusals/NAME.cases holds the cases that are a text:
 *
 *     === what is wrong
 *     the program
 *     ---
 *     the error's text, up to an empty line
 *
 * TN_BLESS=1 writes what is told into the file. Texts that are too long, or that no editor shows, are made here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"
#include "suite.h"

enum { ROOM = 1 << 17 };

/* What parsing the text tells, or "accepted". The caller frees it. */
static char *told(const tn_limits *limits, const char *text, size_t length) {
  tn_context_desc desc = {.struct_size = sizeof desc};
  if (limits) desc.limits = *limits;
  tn_context *ctx;
  tn_program *program;
  tn_error *err;
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  tn_program_parse(ctx, text, length, "t.tn", &program, &err);
  char *out = strdup(program ? "accepted" : tn_error_text(err));
  tn_error_destroy(err);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  return out;
}

/* ---- files of cases ---- */

static const char *const files[] = {"text", "graph"};

/* What stands before `end`, which is skipped; NULL when there is none. */
static char *take_until(char **pos, const char *end) {
  char *found = strstr(*pos, end), *begin = *pos;
  if (!found) return NULL;
  *found = '\0';
  *pos = found + strlen(end);
  return begin;
}

START_TEST(a_text_is_refused_with_this_message)
{
  char path[1024], *text = calloc(1, ROOM), *pos = text, *head, *name, *program;
  const char *root = getenv("TN_SOURCE_ROOT");
  snprintf(path, sizeof path, "%s/test/ir/refusals/%s.cases", root ? root : ".", files[_i]);
  FILE *file = fopen(path, "rb"), *blessed = NULL;
  ck_assert_msg(file != NULL, "cannot open %s", path);
  ck_assert_uint_lt(fread(text, 1, ROOM - 1, file), ROOM - 1);
  fclose(file);
  if (getenv("TN_BLESS")) blessed = fopen(path, "wb");
  int wrong = 0, count = 0;
  while ((head = take_until(&pos, "=== "))) {
    name = take_until(&pos, "\n");
    program = name ? take_until(&pos, "---\n") : NULL;
    ck_assert_msg(program != NULL, "%s: a case without a program", path);
    char *want = *pos == '\n' ? (pos++, "") : take_until(&pos, "\n\n");
    ck_assert_msg(want != NULL, "%s: %s: no empty line behind the message", path, name);
    char *have = told(NULL, program, strlen(program));
    bool equal = strcmp(want, have) == 0;
    if (blessed) fprintf(blessed, "%s=== %s\n%s---\n%s\n\n", head, name, program, have);
    if (!blessed && !equal) fprintf(stderr, "%s: %s\n%s\n--- wanted:\n%s\n", path, name, have, want);
    wrong += !blessed && !equal;
    count++;
    free(have);
  }
  if (blessed) fprintf(blessed, "%s", pos), fclose(blessed);
  free(text);
  ck_assert_int_gt(count, 0);
  ck_assert_int_eq(wrong, 0);
}
END_TEST

/* ---- texts that are made ---- */

static char *make_told(const tn_limits *limits, const char *head, const char *item, int count, const char *tail) {
  size_t room = strlen(head) + strlen(item) * (size_t)count + strlen(tail) + 1;
  char *text = calloc(1, room), *end = text;
  end = stpcpy(end, head);
  for (int i = 0; i < count; i++) end = stpcpy(end, item);
  end = stpcpy(end, tail);
  char *have = told(limits, text, (size_t)(end - text));
  free(text);
  return have;
}

/* head, `count` items, tail. */
static const struct {
  const char *head, *item;
  int count;
  const char *tail, *want;
} repeated[] = {
    {"extern g(f32", ", f32", 255, "): void\n",
     "parse: t.tn:1:1285: more than 255 parameters\n"
     "  ...f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32): void\n"
     "                                                       ^^^"},
    {"func f(A: f32[4]) {\n  A[0] = 1", "0", 128, ":f32\n}\n",
     "parse: t.tn:2:10: the number is longer than 128 characters\n  "
     "  A[0] = 1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\n  "
     "         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"},
    {"func f(A: f32[4]) {\n  A[0] = min(A[0]", ", A[0]", 255, ")\n}\n",
     "parse: t.tn:2:1544: too many arguments, at most 255\n"
     "  ..., A[0], A[0], A[0], A[0], A[0], A[0], A[0], A[0], A[0])\n"
     "                                                       ^"},
    {"func f() {\n  block b(", "i: 0..1 = 0, ", 64, "i: 0..1 = 0) { }\n}\n",
     "parse: t.tn:2:843: more than 64 iterators\n"
     "  ... 0..1 = 0, i: 0..1 = 0, i: 0..1 = 0, i: 0..1 = 0, i: 0..1 = 0) { }\n"
     "                                                       ^"},
};

START_TEST(a_repetition_is_refused_with_this_message)
{
  char *have = make_told(NULL, repeated[_i].head, repeated[_i].item, repeated[_i].count, repeated[_i].tail);
  ck_assert_str_eq(have, repeated[_i].want);
  free(have);
}
END_TEST

START_TEST(a_name_has_no_nul_byte)
{
  static const char text[] = "func \"a\0b\"() { }";
  char *have = told(NULL, text, sizeof text - 1);
  ck_assert_str_eq(have, "parse: t.tn:1:6: a name with a NUL byte\n  func \"a?b\"() { }\n       ^^^^^");
  free(have);
}
END_TEST

/* Texts under other limits than the usual. */
static const struct {
  tn_limits limits;
  const char *text, *want;
} limited[] = {
    {{.model_bytes = 13}, "func f() { }\n", "accepted"},
    {{.model_bytes = 12}, "func f() { }\n", "parse: t.tn: the text is longer than the limit of 12 bytes"},
    {{.nodes = 1},
     "graph g(x: f32[4]) -> (z) {\n  y: f32[4] = relu(x)\n  z: f32[4] = neg(y)\n}\n",
     "parse: t.tn:3:15: more nodes than the limit of 1\n    z: f32[4] = neg(y)\n                ^^^"},
    {{.tensor_bytes = INT64_MAX},
     "graph g(x: f32[1, 0, 2000000000000]) -> (y) {\n  y: f32[1] = max_pool(x) {kernel_shape = [1]}\n}\n",
     "parse: t.tn:2:15: max_pool: a dimension is too big\n    y: f32[1] = max_pool(x) {kernel_shape = [1]}\n"
     "                ^^^^^^^^"},
    {{.tensor_bytes = INT64_MAX},
     "graph g(x: f32[0, 4611686018427387904]) -> (y) {\n  y: f32[0, 1] = concat(x, x, x) {axis = 1}\n}\n",
     "parse: t.tn:2:18: concat: the result is too long\n    y: f32[0, 1] = concat(x, x, x) {axis = 1}\n"
     "                   ^^^^^^"},
};

START_TEST(a_limit_is_kept)
{
  char *have = told(&limited[_i].limits, limited[_i].text, strlen(limited[_i].text));
  ck_assert_str_eq(have, limited[_i].want);
  free(have);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("refusals");
  TCase *tests = tcase_create("refusals");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, a_text_is_refused_with_this_message, 0, TNI_COUNT(files));
  tcase_add_loop_test(tests, a_repetition_is_refused_with_this_message, 0, TNI_COUNT(repeated));
  tcase_add_test(tests, a_name_has_no_nul_byte);
  tcase_add_loop_test(tests, a_limit_is_kept, 0, TNI_COUNT(limited));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
