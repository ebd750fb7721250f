/* test_warp.c -- products of tiles as PTX: the instructions, what NVIDIA's assembler says of it (where there is one), and what
 * a warp does not run. Nothing is launched.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <unistd.h>

#include "session.h"

static tn_context *ctx;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }
static void close_context(void) { tn_context_destroy(ctx); }

/* C += A B, of 2 x 64 steps, 32 rows, 2 vectors of 16 columns. */
static char *product_text(const char *a, const char *b, const char *zeros) {
  static char text[2048];
  snprintf(text, sizeof text,
           "scheduled func f(A: %s[32, 128], B: %s[2, 32, 16, 4], C: i32[32, 32]) {\n%s"
           "  for ko in 0..2 with tile = 1 {\n    for i in 0..32 with tile = 1 {\n      for v in 0..2 with tile = 1 {\n"
           "        for j in 0..16 with tile = 1 {\n          for k in 0..64 with tile = 1 {\n"
           "            C[i, v * 16 + j] = C[i, v * 16 + j] + cast(i32, A[i, ko * 64 + k]) * "
           "cast(i32, B[v, (ko * 64 + k) // 4, j, (ko * 64 + k) %% 4])\n"
           "          }\n        }\n      }\n    }\n  }\n}\n",
           a, b, zeros);
  return text;
}

static tn_status try_emit(const char *text, const char *kind, char **out, size_t *size) {
  tn_program *program = session_parse(ctx, text);
  tn_compile_desc desc = {.struct_size = sizeof desc};
  must(tn_target_get(ctx, "nvptx64-sm80", &desc.target, &error), error);
  tn_status status = tn_program_emit(program, &desc, kind, out, size, &error);
  tn_program_destroy(program);
  return status;
}

static size_t count_of(const char *text, const char *what) {
  size_t count = 0;
  for (; (text = strstr(text, what)); text++) count++;
  return count;
}

static const char *find_assembler(void) {
  static const char *const places[] = {"/usr/local/cuda/bin/ptxas", "/usr/bin/ptxas", "/opt/cuda/bin/ptxas"};
  for (size_t i = 0; i < TNI_COUNT(places); i++)
    if (access(places[i], X_OK) == 0) return places[i];
  return NULL;
}

static void assemble(const char *text, size_t size) {
  char path[] = "/tmp/warpXXXXXX", command[256];
  const char *assembler = find_assembler();
  if (!assembler) {
    printf("ptxas is not there (NVIDIA's CUDA): PTX is not assembled\n");
    return;
  }
  int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  ck_assert_int_eq((int)write(file, text, size), (int)size);
  close(file);
  snprintf(command, sizeof command, "%s -arch=sm_80 -c %s -o /dev/null", assembler, path);
  int status = system(command);
  unlink(path);
  ck_assert_msg(status == 0, "%s\n%s", command, text);
}

START_TEST(products_are_mma)
{
  static const char *const types[][3] = {
      {"u8", "i8", "u8.s8"}, {"i8", "i8", "s8.s8"}, {"u8", "u8", "u8.u8"}, {"i8", "u8", "s8.u8"}};
  static const char zeros[] =
      "  for y in 0..32 with tile = 1 {\n    for z in 0..2 with tile = 1 {\n"
      "      for x in 0..16 with tile = 1 {\n        C[y, z * 16 + x] = 0:i32\n      }\n    }\n  }\n";
  for (size_t i = 0; i < TNI_COUNT(types) * 2; i++) {
    char want[80], *text;
    size_t size;
    const char *const *t = types[i / 2];
    must(try_emit(product_text(t[0], t[1], i % 2 ? zeros : ""), "asm", &text, &size), error);
    snprintf(want, sizeof want, "mma.sync.aligned.m16n8k32.row.col.s32.%s.s32", t[2]);
    ck_assert_uint_eq(count_of(text, want), 2 * 4 * 2); /* blocks of rows, of columns, of steps */
    assemble(text, size);
    tn_text_destroy(text);
  }
}
END_TEST

START_TEST(other_code_is_refused)
{
  static const char why[] =
      "codegen: f: code for nvptx64-sm80 is run by the threads of a warp together: it sums products of "
      "tiles, and writes nothing else";
  char *text, *odd = product_text("u8", "i8", "");
  size_t size;
  refused(try_emit("scheduled func f(A: i32[4], B: i32[4]) {\n  for i in 0..4 {\n    B[i] = A[i] + 1:i32\n  }\n}\n",
                   "asm", &text, &size),
          error, TN_E_UNSUPPORTED, why);
  char *rows = strstr(odd, "i in 0..32");
  memcpy(rows, "i in 0..31", 10); /* no 16 rows */
  refused(try_emit(odd, "asm", &text, &size), error, TN_E_UNSUPPORTED, why);
}
END_TEST

START_TEST(there_are_no_objects)
{
  char *bytes;
  size_t size;
  refused(try_emit(product_text("u8", "i8", ""), "obj", &bytes, &size), error, TN_E_UNSUPPORTED,
          "codegen: nvptx64-sm80: code for it is text, which its driver compiles: there is no object");
}
END_TEST

int main(void) {
  const TTest *const tests[] = {products_are_mma, other_code_is_refused, there_are_no_objects};
  return suite_run_tests("warp", tests, TNI_COUNT(tests), open_context, close_context);
}
