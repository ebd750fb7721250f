/* test_short_factors.c -- products of short numbers: which form they get on targets with other instructions, and that
 * the sums are the same, of shapes that leave rests of rows, columns and steps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>

#include "ir/onnx_writer.h"
#include "sched.h"
#include "session.h"

enum { MOST = 80 };

static tn_context *ctx;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }

static void close_context(void) { tn_context_destroy(ctx); }

typedef struct shape {
  int m, n, k;
} shape;

static const shape shapes[] = {{1, 1, 1},   {1, 40, 33},  {2, 16, 4},  {3, 17, 70}, {6, 33, 64},
                               {7, 70, 70}, {13, 48, 61}, {29, 7, 80}, {80, 64, 8}, {65, 80, 79}};

static int number(int i) { return i * 7919 % 256; }

/* The target of that name with other features. */
static tn_target with_features(const char *name, const char *features) {
  const tn_target *found;
  must(tn_target_get(ctx, name, &found, &error), error);
  tn_target target = *found;
  target.features = features;
  return target;
}

static tn_program *import(bytes graph) {
  tn_program *program;
  bytes file = model(13, graph);
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
  return program;
}

/* What the products of the program's graph become for the target, a program of its own, and its text. NULL: they stay. */
static tn_program *widen(const tn_program *program, const tn_target *target, char **text) {
  tn_program *wide;
  const tn_graph *made;
  must(tn_program_create(ctx, &wide, &error), error);
  must(tni_graph_widen(program->graphs[0], wide, target, &made, &error), error);
  bool same = made == program->graphs[0];
  must(tn_program_print(same ? program : wide, text, &error), error);
  if (same) tn_program_destroy(wide);
  return same ? NULL : wide;
}

static void run(const tn_program *program, DLTensor *x, DLTensor *y) {
  const tn_model *m;
  tn_module *module = session_compile(program, NULL);
  must(tn_module_model(module, "main", &m, &error), error);
  const DLTensor *ins[] = {x}, *outs[] = {y};
  must(tn_model_run(m, ins, 1, outs, 1, &error), error);
  tn_module_destroy(module);
}

/* ---- bytes, both with a sign ------------------------------------------------------------------------------------- */

static void check_bytes(const shape *s, int zero_point) {
  static int8_t a[MOST * MOST], b[MOST * MOST];
  static int32_t c[MOST * MOST];
  bytes g = {0};
  int8_t zero = (int8_t)zero_point;
  for (int i = 0; i < MOST * MOST; i++) a[i] = (int8_t)number(i * 5 + 1), b[i] = (int8_t)number(i * 3 + 128);
  put_message(&g, 11, value_info("a", ONNX_INT8, 2, (int64_t[]){s->m, s->k}));
  add_weight(&g, tensor_raw("b", ONNX_INT8, 2, (int64_t[]){s->k, s->n}, b, (size_t)(s->k * s->n)));
  add_weight(&g, tensor_raw("z", ONNX_INT8, 0, NULL, &zero, 1));
  add_node(&g, node("MatMulInteger", "c", zero ? "a b z" : "a b", "c"));
  add_output(&g, "c");
  tn_program *program = import(g);
  static const char *const features[] = {"+avx512f,+avx512vnni", "+avx512f"};
  for (int vnni = 0; vnni < 2; vnni++) {
    tn_target target = with_features("x86-64-v4", features[!vnni]);
    char *text;
    tn_program *wide = widen(program, &target, &text);
    ck_assert_msg((strstr(text, "bitwise_xor(") != NULL) == (vnni == 1), "%s: %s", target.features, text);
    tn_text_destroy(text);
    memset(c, 0, sizeof c);
    DLTensor x = view(TN_I8, 2, (int64_t[]){s->m, s->k}, a), y = view(TN_I32, 2, (int64_t[]){s->m, s->n}, c);
    run(wide ? wide : program, &x, &y);
    for (int i = 0; i < s->m; i++)
      for (int j = 0; j < s->n; j++) {
        int32_t want = 0;
        for (int k = 0; k < s->k; k++) want += (a[i * s->k + k] - zero_point) * b[k * s->n + j];
        ck_assert_msg(c[i * s->n + j] == want, "%dx%dx%d, zero %d, %s: c[%d, %d] is %d, not %d", s->m, s->n, s->k,
                      zero_point, target.features, i, j, c[i * s->n + j], want);
      }
    tn_program_destroy(wide);
  }
  tn_program_destroy(program);
}

START_TEST(bytes_with_signs_are_multiplied_without_the_first_one)
{
  for (size_t i = 0; i < TNI_COUNT(shapes); i++)
    for (int k = 0; k < 3; k++) check_bytes(&shapes[i], (int[]){0, -128, 77}[k]);
}
END_TEST

/* ---- weights of short floats ------------------------------------------------------------------------------------- */

static float value(int i) { return (float)(number(i) - 128) / 64; }

/* bf16 of numbers that it has. */
static uint16_t short_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)(bits >> 16);
}

static void check_floats(const shape *s) {
  static float a[MOST * MOST], c[MOST * MOST];
  static uint16_t b[MOST * MOST];
  bytes g = {0};
  for (int i = 0; i < MOST * MOST; i++) a[i] = value(i * 5 + 1) / 3, b[i] = short_of(value(i * 3));
  add_input(&g, "a", 2, (int64_t[]){s->m, s->k});
  add_weight(&g, tensor_raw("b", ONNX_BFLOAT16, 2, (int64_t[]){s->k, s->n}, b, sizeof *b * (size_t)(s->k * s->n)));
  bytes cast = node("Cast", "b1", "b", "b1");
  attr_int(&cast, "to", ONNX_FLOAT);
  add_node(&g, cast);
  add_node(&g, node("MatMul", "c", "a b1", "c"));
  add_output(&g, "c");
  tn_program *program = import(g);
  tn_target target = with_features("x86-64-v4", "+avx512f");
  char *text;
  tn_program *wide = widen(program, &target, &text);
  ck_assert_msg((strstr(text, "to = \"f32\"}") != NULL && strstr(text, "matmul(a, b)")) == (s->m <= 7), "%s", text);
  tn_text_destroy(text);
  DLTensor x = view(TN_F32, 2, (int64_t[]){s->m, s->k}, a), y = view(TN_F32, 2, (int64_t[]){s->m, s->n}, c);
  run(wide ? wide : program, &x, &y);
  for (int i = 0; i < s->m; i++)
    for (int j = 0; j < s->n; j++) {
      double want = 0, size = 0;
      for (int k = 0; k < s->k; k++) {
        double product = (double)a[i * s->k + k] * (double)value((k * s->n + j) * 3);
        want += product, size += fabs(product);
      }
      double bound = (s->k + 1) * (double)FLT_EPSILON / 2 * size; /* of k products and sums, each rounded */
      ck_assert_double_le(fabs((double)c[i * s->n + j] - want), bound);
    }
  tn_program_destroy(wide);
  tn_program_destroy(program);
}

START_TEST(few_rows_read_short_weights)
{
  for (size_t i = 0; i < TNI_COUNT(shapes); i++) check_floats(&shapes[i]);
}
END_TEST

/* ---- steps side by side ------------------------------------------------------------------------------------------ */

static char *write_product(const shape *s, const char *a, const char *b) {
  static char text[1024];
  snprintf(text, sizeof text,
           "func product(A: %s[%d, %d], B: %s[%d, %d], C: i32[%d, %d]) {\n"
           "  for i in 0..%d { for j in 0..%d { for k in 0..%d {\n"
           "    block C(i_1: 0..%d = i, j_1: 0..%d = j, reduce k_1: 0..%d = k) {\n"
           "      init { C[i_1, j_1] = 0:i32 }\n"
           "      C[i_1, j_1] = C[i_1, j_1] + cast(i32, A[i_1, k_1]) * cast(i32, B[k_1, j_1])\n"
           "  } } } } }\n",
           a, s->m, s->k, b, s->k, s->n, s->m, s->n, s->m, s->n, s->k, s->m, s->n, s->k);
  return text;
}

static tn_program *parse(const char *text) {
  tn_program *program;
  must(tn_program_parse(ctx, text, strlen(text), "product.tn", &program, &error), error);
  return program;
}

/* The extreme bytes too, of either type. */
static int byte_at(bool with_sign, const uint8_t *data, int i) { return with_sign ? (int8_t)data[i] : data[i]; }

static void check_product(const shape *s, bool sign_a, bool sign_b) {
  static uint8_t a[MOST * MOST], b[MOST * MOST];
  static int32_t c[MOST * MOST];
  typedef int32_t product_code(const tn_env *, const void *, const void *, int32_t *);
  const tn_function *f;
  for (int i = 0; i < MOST * MOST; i++) a[i] = (uint8_t)number(i * 5 + 1), b[i] = (uint8_t)number(i * 3);
  tn_program *program = parse(write_product(s, sign_a ? "i8" : "u8", sign_b ? "i8" : "u8"));
  tn_module *module = session_compile(program, NULL);
  must(tn_module_function(module, "product", &f, &error), error);
  memset(c, 0, sizeof c);
  ck_assert_int_eq(((product_code *)tn_function_pointer(f))(tn_function_env(f), a, b, c), 0);
  for (int i = 0; i < s->m; i++)
    for (int j = 0; j < s->n; j++) {
      int32_t want = 0;
      for (int k = 0; k < s->k; k++) want += byte_at(sign_a, a, i * s->k + k) * byte_at(sign_b, b, k * s->n + j);
      ck_assert_int_eq(c[i * s->n + j], want);
    }
  tn_module_destroy(module);
  tn_program_destroy(program);
}

START_TEST(products_of_bytes_are_exact)
{
  for (size_t i = 0; i < TNI_COUNT(shapes); i++)
    for (int signs = 0; signs < 4; signs++) check_product(&shapes[i], signs & 1, signs & 2);
}
END_TEST

static char *loop_text(const shape *s, const char *features) {
  tn_target target = with_features("x86-64-v4", features);
  tn_program *program = parse(write_product(s, "u8", "i8"));
  const tn_func *func;
  tn_schedule *schedule;
  char *text;
  must(tn_schedule_create(program, tn_program_func_at(program, 0), &schedule, &error), error);
  must(tn_schedule_default(schedule, &target, &error), error);
  must(tn_schedule_commit(schedule, &func, &error), error);
  must(tn_func_print(func, &text, &error), error);
  tn_schedule_destroy(schedule);
  tn_program_destroy(program);
  return text;
}

/* Of the right operand, whose steps lie a row apart: where several tiles of rows take them, by an instruction that wants
 * them together. */
START_TEST(steps_are_brought_together_where_that_pays)
{
  static const struct {
    shape shape;
    const char *features;
    bool packed;
  } cases[] = {{{80, 64, 64}, "+avx512f,+avx512vnni", true},
               {{80, 50, 61}, "+avx512f,+avx512vnni", true},
               {{4, 64, 64}, "+avx512f,+avx512vnni", false}};
  for (size_t i = 0; i < TNI_COUNT(cases); i++) {
    char *text = loop_text(&cases[i].shape, cases[i].features);
    ck_assert_msg((strstr(text, "B_packed") != NULL) == cases[i].packed, "%s", text);
    tn_text_destroy(text);
  }
}
END_TEST

/* Also in a tile of one vector of which the result fills a part: its loop of one iteration is in the guard. */
START_TEST(steps_of_a_tile_of_one_vector_are_taken_at_once)
{
  char *text = loop_text(&(shape){25, 76, 64}, "+avx512f,+avx512vnni");
  ck_assert_msg(strstr(text, "in 0..4 {") == NULL, "%s", text);
  tn_text_destroy(text);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {bytes_with_signs_are_multiplied_without_the_first_one, few_rows_read_short_weights,
                                products_of_bytes_are_exact, steps_are_brought_together_where_that_pays,
                                steps_of_a_tile_of_one_vector_are_taken_at_once};
  return suite_run_tests("short_factors", tests, TNI_COUNT(tests), open_context, close_context);
}
