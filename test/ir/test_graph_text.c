/* test_graph_text.c -- graphs as text: what is printed reads back as the same, with its side blob; what bad text is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lib/fault.h"
#include "graph/graph.h"

static tn_context *ctx;

static void make_context(void) { ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK); }
static void drop_context(void) { tn_context_destroy(ctx); }

static tn_program *parse(const char *text) {
  tn_program *program;
  tn_error *err;
  tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err);
  ck_assert_msg(program != NULL, "%s", tn_error_text(err));
  return program;
}

/* Prints as `want`. */
static void check_prints(const char *text, const char *want) {
  char *printed;
  tn_program *program = parse(text);
  ck_assert_int_eq(tn_program_print(program, &printed, NULL), TN_OK);
  ck_assert_str_eq(printed, want);
  tn_text_destroy(printed);
  tn_program_destroy(program);
}

static void check_same(const char *text) { check_prints(text, text); }

/* ---- what is printed --------------------------------------------------------------------------------------------- */

START_TEST(all_levels_stand_side_by_side)
{
  check_same("extern log_row(ptr, index): i32\n"
             "\n"
             "func twice(A: f32[2, 2], B: f32[2, 2]) {\n"
             "  for i in 0..2 {\n"
             "    for j in 0..2 {\n"
             "      block B(v: 0..2 = i, w: 0..2 = j) {\n"
             "        B[v, w] = A[v, w] * 2.0:f32\n"
             "      }\n"
             "    }\n"
             "  }\n"
             "}\n"
             "\n"
             "loop func low(A: f32[16]) {\n"
             "  A[ramp(0, 1, 16)] = broadcast(1.0:f32, 16)\n"
             "  call log_row(&A, 3)\n"
             "}\n"
             "\n"
             "graph main(x: f32[2, 2], unused: i8[]) -> (y, x) {\n"
             "  const w: f32[2, 2] = [1.0, -0.5, inf, nan]\n"
             "  t: f32[2, 2] = call twice(x)\n"
             "  m: f32[2, 2] = matmul(t, w)\n"
             "  y: f32[2, 2] = relu(m) as \"Relu:1\"\n"
             "}\n"
             "\n"
             "graph other() -> (c) {\n"
             "  const c: bool[0] = []\n"
             "}\n");
}
END_TEST

START_TEST(attributes_are_exact)
{
  check_same("graph main(x: f32[1, 2, 4, 4]) -> (r) {\n"
             "  a: f32[1, 2, 4, 4] = leaky_relu(x) {alpha = 0.1}\n"
             "  b: f32[1, 2, 4, 4] = elu(a) {alpha = 0.1:f64}\n"
             "  g: f32[1, 2, 4, 4] = selu(b) {alpha = inf, gamma = 0x1.999999999999bp-4:f64}\n"
             "  p: f32[1, 2, 2, 4] = max_pool(g) {kernel_shape = [3, 1], pads = [], auto_pad = \"VALID\"}\n"
             "  s: f32[1, 2, 2, 4] = swish(p)\n"
             "  r: i64[1, 2, 2, 1] = arg_max(s) {axis = -1}\n"
             "}\n");
  check_prints("graph main(x: f32[1]) -> (y) {\n  y: f32[1] = elu(x) {alpha = 0.10000000000000000555}\n}",
               "graph main(x: f32[1]) -> (y) {\n  y: f32[1] = elu(x) {alpha = 0.1}\n}\n");
}
END_TEST

START_TEST(constants_of_every_type_stand_in_the_text)
{
  check_same("graph g() -> (a, b, c, d, e, f, g) {\n"
             "  const a: u64[2] = [18446744073709551615, 0]\n"
             "  const b: i8[2] = [-128, 127]\n"
             "  const c: bool[2] = [true, false]\n"
             "  const d: f16[2] = [65500.0, -inf]\n"
             "  const e: bf16[] = [nan]\n"
             "  const f: f64[2] = [0.1, 0x1.999999999999bp-4]\n"
             "  const g: f32[2, 0, 5] = []\n"
             "}\n");
}
END_TEST

START_TEST(names_are_kept_or_quoted)
{
  check_same("graph \"a graph \xc3\xa4\"(\"x/1\": f32[2], \"\": f32[2], \"_\": f32[2], \"for\": f32[2]) -> (\"const\", \"\\x0a\\\"\\\\\") {\n"
             "  \"const\": f32[2] = clip(\"x/1\", _, _)\n"
             "  \"\\x0a\\\"\\\\\": f32[2] = add(\"_\", \"for\") as \"\"\n"
             "}\n");
}
END_TEST

START_TEST(nodes_may_share_a_line)
{
  check_prints("graph g(x: f32[2]) -> (y) { a: f32[2] = abs(x); y: f32[2] = exp(a) } # done",
               "graph g(x: f32[2]) -> (y) {\n  a: f32[2] = abs(x)\n  y: f32[2] = exp(a)\n}\n");
}
END_TEST

START_TEST(dead_constants_are_not_printed)
{
  check_prints("graph g(x: f32[2]) -> (y) {\n  const c: f32[2] = [1.0, 2.0]\n  y: f32[2] = abs(x)\n}\n",
               "graph g(x: f32[2]) -> (y) {\n  y: f32[2] = abs(x)\n}\n");
}
END_TEST

/* ---- the side blob ----------------------------------------------------------------------------------------------- */

static tn_status keep_bytes(void *self, const void *bytes, size_t size) {
  tni_text_add_bytes(self, bytes, size);
  return TN_OK;
}

static tn_status refuse_bytes(void *self, const void *bytes, size_t size) {
  (void)bytes, (void)size;
  return *(int *)self;
}

static const char large[] = "graph g(x: f32[3, 3]) -> (y, z) {\n"
                            "  const w: f32[3, 3] = blob(0, 0x%s)\n"
                            "  const v: f32[3, 3] = blob(64, 0x%s)\n"
                            "  const same: f32[3, 3] = blob(0, 0x%s)\n"
                            "  a: f32[3, 3] = add(x, w)\n"
                            "  y: f32[3, 3] = mul(a, v)\n"
                            "  z: f32[3, 3] = sub(a, same)\n"
                            "}\n";
static const char ones_hash[] = "c1ffd12253977d64c87bc615be4002f5", twos_hash[] = "be8ed3d6591fbbeeae5572b8d5f8cb08";

/* The program above, from constants in the text. */
static tn_program *parse_large(void) {
  return parse("graph g(x: f32[3, 3]) -> (y, z) {\n"
               "  const w: f32[3, 3] = [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
               "  const v: f32[3, 3] = [2, 2, 2, 2, 2, 2, 2, 2, 2]\n"
               "  const same: f32[3, 3] = [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
               "  a: f32[3, 3] = add(x, w)\n"
               "  y: f32[3, 3] = mul(a, v)\n"
               "  z: f32[3, 3] = sub(a, same)\n"
               "}\n");
}

static void read_back(const char *text, const tni_text *blob, const char *path) {
  tn_program *back;
  tn_error *err;
  char *again;
  if (path)
    tn_program_load(ctx, path, "blob.bin", &back, &err);
  else
    tn_program_parse_with(ctx, text, strlen(text), "t.tn", blob->data, blob->length, &back, &err);
  ck_assert_msg(back != NULL, "%s", tn_error_text(err));
  ck_assert_int_eq(tn_program_print(back, &again, NULL), TN_OK);
  ck_assert_str_eq(again, text);
  tn_text_destroy(again);
  tn_program_destroy(back);
}

static void write_file(const char *path, const char *bytes, size_t size) {
  FILE *f = fopen(path, "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
  fclose(f);
}

/* Contents apart, told from each other by where they lie, back into a program that refers to them there. */
START_TEST(bare_texts_refer_to_contents)
{
  tn_program *program = parse_large(), *back;
  tni_text text;
  tni_arena arena;
  tni_contents *contents;
  size_t count;
  tn_error *err;
  tni_text_init(&text, ctx);
  tni_arena_init(&arena, ctx);
  ck_assert(tni_print_bare(&text, program, &arena, &count, &contents));
  ck_assert_uint_eq(count, 3);
  ck_assert_ptr_nonnull(strstr(text.data, "const same: f32[3, 3] = blob(128, 0x00000000000000000000000000000000)\n"));
  for (size_t i = 0; i < count; i++) {
    ck_assert_uint_eq(contents[i].offset, 64 * i);
    ck_assert_uint_eq(contents[i].bytes, 36);
    ck_assert_uint_eq(contents[i].element, 4);
    ck_assert_float_eq(*(const float *)contents[i].data, i == 1 ? 2 : 1);
  }
  ck_assert_int_eq(tn_program_create(ctx, &back, &err), TN_OK);
  ck_assert_int_eq(tni_parse_bare(back, text.data, text.length, count, contents, &err), TN_OK);
  ck_assert_ptr_eq(back->graphs[0]->values[2].data, contents[1].data);
  ck_assert_int_eq(tni_parse_bare(back, text.data, text.length, 2, contents, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), "parse: text:4:27: there are no such contents\n"
                                       "    const same: f32[3, 3] = blob(128, 0x00000000000000000000000000000000)\n"
                                       "                            ^^^^");
  tn_error_destroy(err);
  tn_program_destroy(back);
  tn_program_destroy(program);
  tni_arena_destroy(&arena);
  tni_text_destroy(&text);
}
END_TEST

START_TEST(large_constants_lie_in_the_blob_once)
{
  char want[1024], folder[] = "/tmp/tenon-text-XXXXXX", *text;
  tni_text blob;
  tn_program *program = parse_large();
  tni_text_init(&blob, ctx);
  ck_assert_int_eq(tn_program_print(program, &text, NULL), TN_OK);
  ck_assert_int_eq(tn_program_write_blob(program, keep_bytes, &blob, NULL), TN_OK);
  tn_program_destroy(program);
  snprintf(want, sizeof want, large, ones_hash, twos_hash, ones_hash);
  ck_assert_str_eq(text, want);
  ck_assert_uint_eq(blob.length, 128);
  for (int i = 0; i < 32; i++) {
    float x;
    memcpy(&x, blob.data + 4 * i, 4);
    ck_assert_float_eq(x, i < 9 ? 1 : i < 16 ? 0 : i < 25 ? 2 : 0);
  }
  read_back(text, &blob, NULL);
  ck_assert_ptr_nonnull(mkdtemp(folder));
  ck_assert_int_eq(chdir(folder), 0);
  write_file("graph.tn", text, strlen(text));
  write_file("blob.bin", blob.data, blob.length);
  read_back(text, NULL, "graph.tn");
  unlink("graph.tn");
  unlink("blob.bin");
  ck_assert_int_eq(chdir("/"), 0);
  rmdir(folder);
  tn_text_destroy(text);
  tni_text_destroy(&blob);
}
END_TEST

/* Nine elements of 4 bits leave half a byte, which nobody set: the text and the blob are the same whatever it holds. */
START_TEST(what_stands_behind_the_elements_is_no_content)
{
  tni_text blobs[2];
  char *texts[2];
  for (int i = 0; i < 2; i++) {
    uint8_t data[] = {0x21, 0x43, 0x65, 0x07, (uint8_t)(i ? 0xf5 : 0x05)};
    tn_program *program;
    tni_gbuilder *g;
    tn_error *err;
    ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
    ck_assert_int_eq(tni_gbuilder_create(program, "g", &g, &err), TN_OK);
    uint32_t w = tni_g_const(g, "w", TN_U4, 1, (int64_t[]){9}, data);
    tni_g_output(g, w);
    ck_assert_int_eq(tni_gbuilder_finish(g, NULL, &err), TN_OK);
    tni_text_init(&blobs[i], ctx);
    ck_assert_int_eq(tn_program_print(program, &texts[i], NULL), TN_OK);
    ck_assert_int_eq(tn_program_write_blob(program, keep_bytes, &blobs[i], NULL), TN_OK);
    tn_program_destroy(program);
  }
  ck_assert_str_eq(texts[0], texts[1]);
  ck_assert_uint_eq(blobs[1].length, 64);
  ck_assert_mem_eq(blobs[0].data, blobs[1].data, 64);
  for (int i = 0; i < 2; i++) {
    tn_text_destroy(texts[i]);
    tni_text_destroy(&blobs[i]);
  }
}
END_TEST

static void check_blob_refused(const char *text, const void *blob, size_t size, tn_status status, const char *want) {
  tn_program *program;
  tn_error *err;
  ck_assert_int_eq(tn_program_parse_with(ctx, text, strlen(text), "t.tn", blob, size, &program, &err), status);
  ck_assert_ptr_null(program);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}

#define PART(part) "graph g() -> (w) {\n  const w: f32[3, 3] = " part "\n}\n"
#define SHOWN(part) "\n    const w: f32[3, 3] = " part "\n                         ^^^^"

START_TEST(a_wrong_blob_is_refused)
{
  static const char zeros[100];
  static const char hash[] = "0x00000000000000000000000000000001";
  char text[256], want[512];
  snprintf(text, sizeof text, PART("blob(0, %s)"), hash);
  snprintf(want, sizeof want, "parse: t.tn:2:24: the blob has other contents here: it is damaged, or of another program"
           SHOWN("blob(0, %s)"), hash);
  check_blob_refused(text, zeros, sizeof zeros, TN_E_INVALID, want);
  snprintf(text, sizeof text, PART("blob(3, %s)"), hash);
  snprintf(want, sizeof want, "parse: t.tn:2:24: the offset is not a multiple of 64" SHOWN("blob(3, %s)"), hash);
  check_blob_refused(text, zeros, sizeof zeros, TN_E_INVALID, want);
  for (int i = 0; i < 2; i++) {
    const char *at = i ? "18446744073709551552" : "128";
    snprintf(text, sizeof text, PART("blob(%s, %s)"), at, hash);
    snprintf(want, sizeof want, "parse: t.tn:2:24: the blob of 100 bytes ends before these contents of 36 bytes do"
             SHOWN("blob(%s, %s)"), at, hash);
    check_blob_refused(text, zeros, sizeof zeros, TN_E_INVALID, want);
  }
  tn_program *program;
  tn_error *err;
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err), TN_E_INVALID);
  snprintf(want, sizeof want, "parse: t.tn:2:24: the contents are in a side blob, and none was given"
           SHOWN("blob(18446744073709551552, %s)"), hash);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
  check_blob_refused(PART("blob(0, 0x12)"), zeros, sizeof zeros, TN_E_INVALID,
                     "parse: t.tn:2:32: a hash is 0x and 32 hexadecimal digits\n    const w: f32[3, 3] = blob(0, 0x12)\n"
                     "                                 ^^^^");
  ck_assert_int_eq(tn_program_load(ctx, "/nowhere.tn", NULL, &program, &err), TN_E_NOT_FOUND);
  ck_assert_str_eq(tn_error_text(err), "parse: /nowhere.tn: cannot read the file: No such file or directory");
  tn_error_destroy(err);
}
END_TEST

START_TEST(the_host_may_refuse_the_blob)
{
  tn_error *err;
  int failure = 7;
  tn_program *program = parse_large();
  ck_assert_int_eq(tn_program_write_blob(program, refuse_bytes, &failure, &err), TN_E_HOST);
  ck_assert_str_eq(tn_error_text(err), "print: blob: the host's write gave 7");
  tn_error_destroy(err);
  tn_program_destroy(program);
}
END_TEST

START_TEST(blobs_are_bounded)
{
  tn_context_desc desc = {.struct_size = sizeof desc, .limits = {.model_bytes = 99}};
  tn_context_destroy(ctx);
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  check_blob_refused("", "", 100, TN_E_LIMIT, "parse: t.tn: the blob is longer than the limit of 99 bytes");
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

/* The error of a graph `main(x: f32[2], i: i32[2]) -> (x)` with this body, behind a function `f` of two f32[2]; one,
 * `s`, with a scalar; and one, `t`, whose second starts behind its pointer. */
static const char *refusal_of(const char *body) {
  static char text[1024], message[4096];
  tn_program *program;
  tn_error *err;
  snprintf(text, sizeof text,
           "func f(A: f32[2], B: f32[2]) {\n}\nfunc s(A: f32[n], n: index) { }\n"
           "func t(A: f32[2], B: f32[2] offset 1) { }\n"
           "graph main(x: f32[2], i: i32[2]) -> (x) {\n%s\n}\n",
           body);
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err), TN_E_INVALID);
  ck_assert_ptr_null(program);
  snprintf(message, sizeof message, "%s", tn_error_text(err));
  tn_error_destroy(err);
  return message;
}

/* One mistake on line 6, from `column` on, `length` characters long. */
static void check_refused(const char *body, int column, int length, const char *reason) {
  char want[1024];
  int n = snprintf(want, sizeof want, "parse: t.tn:6:%d: %s\n  %.*s\n  %*s", column, reason, (int)strcspn(body, "\n"), body,
                   column - 1, "");
  for (int i = 0; i < length; i++) want[n++] = '^';
  want[n] = '\0';
  ck_assert_str_eq(refusal_of(body), want);
}

START_TEST(bad_declarations_are_told)
{
  check_refused("x: f32[2] = abs(x)", 1, 1, "this value is declared already");
  check_refused("_: f32[2] = abs(x)", 1, 1, "`_` stands for no value, it cannot be the name of one");
  check_refused("4", 1, 1, "expected the name of a value, found `4`");
  check_refused("y f32[2] = abs(x)", 3, 3, "expected `:` and the type of the value, found `f32`");
  check_refused("y: f33[2] = abs(x)", 4, 3, "expected a type such as `f32`, found `f33`");
  check_refused("y: index[2] = abs(x)", 4, 5, "elements are numbers or bools with one lane");
  check_refused("y: f32x4[2] = abs(x)", 4, 5, "elements are numbers or bools with one lane");
  check_refused("y: f32 = abs(x)", 8, 1, "expected `[` and the extents, found `=`");
  check_refused("y: f32[n] = abs(x)", 8, 1, "expected a number, found `n`");
  check_refused("y: f32[-1] = abs(x)", 8, 1, "an extent is not negative");
  check_refused("y: f32[2) = abs(x)", 9, 1, "expected `]` or `,` after an extent, found `)`");
  check_refused("y: f32[1,1,1,1,1,1,1,1,1] = abs(x)", 24, 1, "more than 8 dimensions");
  check_refused("y: f32[2] abs(x)", 11, 3, "expected `=` and what gives the value, found `abs`");
  check_refused("y: f32[2] = abs(x) z: f32[2] = abs(x)", 20, 1, "expected a new line or `;` after a node, found `z`");
}
END_TEST

START_TEST(bad_nodes_are_told)
{
  check_refused("y: f32[2] = 3(x)", 13, 1, "expected a graph operator or `call`, found `3`");
  check_refused("y: f32[2] = foo(x)", 13, 3, "there is no graph operator of this name");
  check_refused("y: f32[2] = abc(x)", 13, 3, "there is no graph operator of this name; did you mean `abs`?");
  check_refused("y: f32[2] = abs x", 17, 1, "expected `(` and the arguments, found `x`");
  check_refused("y: f32[2] = abs(x x", 19, 1, "expected `)` or `,` after an argument, found `x`");
  check_refused("y: f32[2] = abs(k)", 17, 1, "`k` is not declared");
  check_refused("abcd: f32[2] = abs(x); y: f32[2] = abs(abd)", 40, 3, "`abd` is not declared; did you mean `abcd`?");
  check_refused("y: f32[3] = abs(x)", 1, 1, "`abs` gives f32[2], declared is f32[3]");
  check_refused("y: f32[2] = add(x, i)", 13, 3, "add: operands of types f32 and i32");
  check_refused("y: f32[2] = add(x)", 13, 3, "add: 1 inputs");
  check_refused("y: f32[2] = add(x, _)", 13, 3, "add: input 1 is absent");
  check_refused("y: f32[2], z: f32[2] = abs(x)", 24, 3, "the operator has fewer results");
  check_refused("y: f32[2] = abs(x) as 3", 23, 1, "expected the name of the node, found `3`");
}
END_TEST

START_TEST(bad_attributes_are_told)
{
  check_refused("y: f32[2] = elu(x) {3}", 21, 1, "expected the name of an attribute, found `3`");
  check_refused("y: f32[2] = abs(x) {alpha = 1}", 21, 5, "`abs` has no attributes");
  check_refused("y: f32[2] = elu(x) {axis = 1}", 21, 4, "`elu` has no such attribute; its row says: alpha:f");
  check_refused("y: f32[2] = elu(x) {alpha 1}", 27, 1, "expected `=` and the attribute's value, found `1`");
  check_refused("y: f32[2] = elu(x) {alpha = 1, alpha = 2}", 32, 5, "this attribute stands before already");
  check_refused("y: f32[2] = elu(x) {alpha = x}", 29, 1, "expected a number, found `x`");
  check_refused("y: f32[2] = elu(x) {alpha = 1:f32}", 31, 3, "expected `f64`, found `f32`");
  check_refused("y: f32[2] = elu(x) {alpha = 1e39}", 29, 4, "the number is too large for its type");
  check_refused("y: f32[2] = elu(x) {alpha = 1 2}", 31, 1, "expected `}` or `,` after an attribute, found `2`");
  check_refused("y: f32[2] = softmax(x) {axis = 0.5}", 32, 3, "an integer type needs a number without point and exponent");
  check_refused("y: f32[2] = transpose(x) {perm = 0}", 34, 1, "expected `[` and integers, found `0`");
  check_refused("y: f32[2] = transpose(x) {perm = [0 1]}", 37, 1, "expected `]` or `,` after a number, found `1`");
  check_refused("y: f32[2] = resize(x) {scales = 1}", 33, 1, "expected `[` and numbers, found `1`");
  check_refused("y: f32[2] = cast(x) {to = f32}", 27, 3, "expected a text between quotes, found `f32`");
  check_refused("y: f32[2] = cast(x) {to = \"\\n\"}", 27, 4, "a quoted text has no escapes but \\\", \\\\ and \\xNN");
  check_refused("y: f32[2] = cast(x) {to = \"\"}", 13, 4, "cast: no element type ``");
  check_refused("y: f32[2] = cast(x) {to = \"f32x4\"}", 13, 4, "cast: no element type `f32x4`");
  check_refused("y: f8e8m0[2] = cast(x) {round = \"odd\", to = \"f8e8m0\"}", 16, 4, "cast: no rounding `odd`");
}
END_TEST

START_TEST(bad_constants_are_told)
{
  check_refused("const y: f32[2] 3", 17, 1, "expected `=` and the contents, found `3`");
  check_refused("const y: f32[2] = 3", 19, 1, "expected `[` and the elements, or `blob`, found `3`");
  check_refused("const y: f32[2] = [1, 2, 3]", 19, 1, "3 elements, but the constant has 2");
  check_refused("const y: u8[1] = [-1]", 20, 1, "an unsigned type has no negative numbers");
  check_refused("const y: bool[1] = [1]", 21, 1, "expected `true` or `false`, found `1`");
  check_refused("const y: f32[9] = blob 0", 24, 1, "expected `(` and the offset, found `0`");
  check_refused("const y: f32[9] = blob(0)", 25, 1, "expected `,` and the hash of the contents, found `)`");
  check_refused("const y: f32[9] = blob(0, y)", 27, 1, "expected the hash of the contents, found `y`");
  check_refused("const y: f32[9] = blob(0, 0x00000000000000000000000000000000 1", 62, 1,
                "expected `)` after the hash, found `1`");
}
END_TEST

START_TEST(bad_calls_are_told)
{
  check_refused("y: f32[2] = call 3(x)", 18, 1, "expected the name of a function, found `3`");
  check_refused("y: f32[2] = call g(x)", 18, 1, "there is no function of this name above");
  check_refused("y: f32[2] = call f(x, x)", 18, 1, "the function has 2 parameters, not 2 arguments and 1 results");
  check_refused("y: f32[2] = call f(_)", 18, 1, "a function needs all its arguments");
  check_refused("y: f32[2] = call f(i)", 18, 1, "parameter 1 of the function is no buffer of this type and shape");
  check_refused("y: f32[3] = call f(x)", 18, 1, "parameter 2 of the function is no buffer of this type and shape");
  check_refused("y: f32[2] = call s(x)", 18, 1, "parameter 1 of the function is no buffer of this type and shape");
  check_refused("y: f32[2] = call t(x)", 18, 1, "parameter 2 of the function is no buffer of this type and shape");
}
END_TEST

static void check_text_refused(const char *text, tn_status status, const char *want) {
  tn_program *program;
  tn_error *err;
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t.tn", &program, &err), status);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}

START_TEST(bad_heads_are_told)
{
  check_text_refused("graph 3", TN_E_INVALID,
                     "parse: t.tn:1:7: expected the name of the graph, found `3`\n  graph 3\n        ^");
  check_text_refused("graph g", TN_E_INVALID,
                     "parse: t.tn:1:8: expected `(` and the inputs, found the end of the text\n  graph g\n         ^");
  check_text_refused("graph g(x: f32[1] 2", TN_E_INVALID,
                     "parse: t.tn:1:19: expected `)` or `,` after an input, found `2`\n  graph g(x: f32[1] 2\n"
                     "                    ^");
  check_text_refused("graph g() {}", TN_E_INVALID,
                     "parse: t.tn:1:11: expected `->` and the outputs, found `{`\n  graph g() {}\n            ^");
  check_text_refused("graph g() -> {}", TN_E_INVALID,
                     "parse: t.tn:1:14: expected `(` and the outputs, found `{`\n  graph g() -> {}\n               ^");
  check_text_refused("graph g() -> (x {}", TN_E_INVALID,
                     "parse: t.tn:1:17: expected `)` after the outputs, found `{`\n  graph g() -> (x {}\n"
                     "                  ^");
  check_text_refused("graph g() -> (x) {}", TN_E_INVALID,
                     "parse: t.tn:1:15: `x` is not declared\n  graph g() -> (x) {}\n                ^");
  check_text_refused("graph g(x: f32[1]) -> (x x) {}", TN_E_INVALID,
                     "parse: t.tn:1:26: expected `)` or `,` after an output, found `x`\n  graph g(x: f32[1]) -> (x x) {}\n"
                     "                           ^");
  check_text_refused("graph g() -> () ()", TN_E_INVALID,
                     "parse: t.tn:1:17: expected `{`, found `(`\n  graph g() -> () ()\n                  ^");
  check_text_refused("graph g() -> () {", TN_E_INVALID,
                     "parse: t.tn:1:16: expected `}`, found the end of the text\n  graph g() -> () {\n"
                     "                 ^");
  check_text_refused("graph g() -> () {}\ngraph g() -> () {}", TN_E_INVALID,
                     "parse: t.tn:2:7: a graph of this name stands above\n  graph g() -> () {}\n        ^");
}
END_TEST

START_TEST(one_run_finds_many_mistakes)
{
  ck_assert_str_eq(refusal_of("a: f32[2] = abc(x)\n"
                              "b: f32[2] = abs(a)\n"
                              "c: f32[2] = abs(nothing)\n"
                              "const d: f32[1] = [true]\n"
                              "e: f32[2] = add(c, d) {axis = 1}\n"
                              "g: f32[9] = abs(b)"),
                   "parse: t.tn:6:13: there is no graph operator of this name; did you mean `abs`?\n"
                   "  a: f32[2] = abc(x)\n"
                   "              ^^^\n"
                   "t.tn:8:17: `nothing` is not declared\n"
                   "  c: f32[2] = abs(nothing)\n"
                   "                  ^^^^^^^\n"
                   "t.tn:9:20: expected a number, found `true`\n"
                   "  const d: f32[1] = [true]\n"
                   "                     ^^^^\n"
                   "t.tn:10:24: `add` has no attributes\n"
                   "  e: f32[2] = add(c, d) {axis = 1}\n"
                   "                         ^^^^\n"
                   "t.tn:11:1: `abs` gives f32[2], declared is f32[9]\n"
                   "  g: f32[9] = abs(b)\n"
                   "  ^");
}
END_TEST

START_TEST(sizes_are_bounded)
{
  check_text_refused("graph g(x: f32[100000, 100000]) -> () {}", TN_E_LIMIT,
                     "parse: t.tn:1:12: the tensor is over tn_limits.tensor_bytes\n"
                     "  graph g(x: f32[100000, 100000]) -> () {}\n             ^^^");
  check_text_refused("graph g(x: f32[1]) -> () {\n  y: f32[1] = tile(x) {repeats = [99999999999]}\n}", TN_E_LIMIT,
                     "parse: t.tn:2:15: tile: the result is over tn_limits.tensor_bytes\n"
                     "    y: f32[1] = tile(x) {repeats = [99999999999]}\n                ^^^^");
}
END_TEST

/* ---- programs that exist, programs as C --------------------------------------------------------------------------- */

static char *text_of(const tn_program *program) {
  char *text;
  ck_assert_int_eq(tn_program_print(program, &text, NULL), TN_OK);
  return text;
}

START_TEST(programs_are_extended_by_text)
{
  static const char more[] = "extern e(): void\nfunc f() {\n  call e()\n}\ngraph g() -> () {\n}\n";
  tn_program *program = parse("func f() {\n}\nfunc g(A: f32[1]) {\n}\n");
  tn_error *err;
  ck_assert_int_eq(tn_program_extend(program, more, strlen(more), "more", NULL, 0, &err), TN_OK);
  char *text = text_of(program);
  ck_assert_str_eq(text, "extern e(): void\n\nfunc f() {\n  call e()\n}\n\nfunc g(A: f32[1]) {\n}\n\ngraph g() -> () {\n}\n");
  static const char *const bad[] = {"func h() {\n}\nfunc i() {\n  B[0] = 1\n}\n",
                                    "func h() {\n}\nfunc i(n: index, A: f32[1]) {\n  for i in 0..n {\n    A[0] = 0.0:f32\n"
                                    "    block b(j: 0..1 = i) {\n      A[i] = 1.0:f32\n    }\n  }\n}\n"};
  for (size_t i = 0; i < TNI_COUNT(bad); i++) {
    ck_assert_int_eq(tn_program_extend(program, bad[i], strlen(bad[i]), "bad", NULL, 0, &err), i ? TN_E_VERIFY : TN_E_INVALID);
    tn_error_destroy(err);
    char *again = text_of(program);
    ck_assert_str_eq(again, text);
    tn_text_destroy(again);
  }
  tn_text_destroy(text);
  tn_program_destroy(program);
}
END_TEST

START_TEST(c_source_has_a_name)
{
  tn_program *program = parse("func f() {\n}\n");
  char *text;
  tn_error *err;
  ck_assert_int_eq(tn_program_dump_c(program, "1st", &text, &err), TN_E_INVALID);
  ck_assert_ptr_null(text);
  ck_assert_str_eq(tn_error_text(err), "print: 1st: the C function needs a name of letters, digits and _");
  tn_error_destroy(err);
  tn_program_destroy(program);
}
END_TEST

/* ---- memory, identity -------------------------------------------------------------------------------------------- */

START_TEST(no_memory_is_reported)
{
  static const char text[] = "func f(A: f32[2], B: f32[2]) {\n  alloc T: f32[2]\n  for i in 0..2 {\n"
                             "    T[i] = A[i] * A[i]\n    B[i] = T[i]\n  }\n}\n"
                             "graph g(x: f32[2]) -> (y) {\n"
                             "  const c: f32[9] = blob(0, 0xc1ffd12253977d64c87bc615be4002f5)\n"
                             "  a: f32[2] = call f(x)\n"
                             "  b: f32[2] = transpose(a) {perm = [0]}\n"
                             "  d: f32[9] = exp(c)\n"
                             "  y: f32[11] = concat(b, d) {axis = 0}\n"
                             "}\n";
  static const float ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  tn_status status = TN_E_NOMEM;
  for (long step = 1; status; step++) {
    fault f = {.fail_at = 0};
    tn_context *own = fault_context(&f);
    tn_program *program;
    char *printed = NULL, *source = NULL;
    tn_error *err;
    uint64_t hash[2];
    tni_text blob;
    tni_text_init(&blob, own);
    f.fail_at = atomic_load(&f.calls) + step;
    status = tn_program_parse_with(own, text, strlen(text), "t.tn", ones, sizeof ones, &program, &err);
    if (!status) status = tn_program_print(program, &printed, &err);
    if (!status) status = tn_program_write_blob(program, keep_bytes, &blob, &err);
    if (!status) status = tn_graph_hash(tn_program_graph(program, "g"), hash, &err);
    if (!status) status = tn_program_dump_c(program, "g", &source, &err);
    ck_assert_msg(!status || status == TN_E_NOMEM, "%s", tn_error_text(err));
    tn_error_destroy(err);
    tni_text_destroy(&blob);
    tn_text_destroy(printed);
    tn_text_destroy(source);
    tn_program_destroy(program);
    fault_finish(&f, own);
  }
}
END_TEST

static bool are_equal(const char *a, const char *b) {
  uint8_t equal;
  uint64_t x[2], y[2];
  tn_program *left = parse(a), *right = parse(b);
  const tn_graph *g = tn_program_graph(left, "g"), *h = tn_program_graph(right, "h");
  ck_assert_int_eq(tn_graph_equal(g, h, &equal, NULL), TN_OK);
  ck_assert_int_eq(tn_graph_hash(g, x, NULL), TN_OK);
  ck_assert_int_eq(tn_graph_hash(h, y, NULL), TN_OK);
  ck_assert_int_eq(equal, memcmp(x, y, sizeof x) == 0);
  tn_program_destroy(left);
  tn_program_destroy(right);
  return equal;
}

#define NINE "[1, 2, 3, 4, 5, 6, 7, 8, 9]"

START_TEST(graphs_are_equal_up_to_names)
{
  const char *g = "func f(A: f32[9], B: f32[9]) {\n  B[0] = A[0]\n}\n"
                  "graph g(x: f32[9]) -> (y) {\n  const c: f32[9] = " NINE "\n  a: f32[9] = add(x, c)\n"
                  "  y: f32[9] = call f(a)\n}\n";
  ck_assert(are_equal(g, "func g(C: f32[9], D: f32[9]) {\n  D[0] = C[0]\n}\n"
                         "graph h(q: f32[9]) -> (z) {\n  const w: f32[9] = " NINE "\n  b: f32[9] = add(q, w) as other\n"
                         "  z: f32[9] = call g(b)\n}\n"));
  ck_assert(!are_equal(g, "func f(A: f32[9], B: f32[9]) {\n  B[1] = A[0]\n}\n"
                          "graph h(x: f32[9]) -> (y) {\n  const c: f32[9] = " NINE "\n  a: f32[9] = add(x, c)\n"
                          "  y: f32[9] = call f(a)\n}\n"));
  ck_assert(!are_equal(g, "func f(A: f32[9], B: f32[9]) {\n  B[0] = A[0]\n}\n"
                          "graph h(x: f32[9]) -> (y) {\n  const c: f32[9] = [1, 2, 3, 4, 5, 6, 7, 8, 10]\n"
                          "  a: f32[9] = add(x, c)\n  y: f32[9] = call f(a)\n}\n"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("graph text");
  TCase *all = tcase_create("graph text");
  tcase_set_timeout(all, 120);
  tcase_add_checked_fixture(all, make_context, drop_context);
  const TTest *const tests[] = {
      all_levels_stand_side_by_side,
      attributes_are_exact,
      constants_of_every_type_stand_in_the_text,
      names_are_kept_or_quoted,
      nodes_may_share_a_line,
      dead_constants_are_not_printed,
      bare_texts_refer_to_contents,
      large_constants_lie_in_the_blob_once,
      what_stands_behind_the_elements_is_no_content,
      a_wrong_blob_is_refused,
      the_host_may_refuse_the_blob,
      blobs_are_bounded,
      bad_declarations_are_told,
      bad_nodes_are_told,
      bad_attributes_are_told,
      bad_constants_are_told,
      bad_calls_are_told,
      bad_heads_are_told,
      one_run_finds_many_mistakes,
      sizes_are_bounded,
      programs_are_extended_by_text,
      c_source_has_a_name,
      no_memory_is_reported,
      graphs_are_equal_up_to_names,
  };
  for (size_t i = 0; i < TNI_COUNT(tests); i++) tcase_add_test(all, tests[i]);
  suite_add_tcase(suite, all);
  return suite_run(suite);
}
