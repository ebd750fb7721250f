/* test_buffers.c -- buffers whose elements do not stand in row-major order: every target's code gives the interpreter's
 * bits in all of the memory, between the elements too; and tensors that do not have the declared form are refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "session.h"

enum { MAX_PARAMS = 6, BYTES = 1 << 14 };

static tn_context *ctx;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }
static void close_context(void) { tn_context_destroy(ctx); }

/* A tensor's form, as the host knows it; or a scalar. */
typedef struct given {
  int32_t rank;                         /* -1: a scalar */
  int64_t shape[4], strides[4], offset; /* strides[0] 0: none */
  int64_t scalar;
} given;

typedef struct arguments {
  DLTensor tensors[MAX_PARAMS];
  int64_t shapes[MAX_PARAMS][4], strides[MAX_PARAMS][4];
  tn_value values[MAX_PARAMS];
  _Alignas(4096) unsigned char memory[MAX_PARAMS][BYTES];
} arguments;

static void make_arguments(const tn_func *f, const given *g, arguments *a) {
  for (uint32_t i = 0; i < f->param_count; i++) {
    const tn_buffer *b = f->params[i].buffer;
    a->values[i] = tn_value_int(g[i].scalar);
    if (!b) continue;
    fill_random(b->type, a->memory[i], (int64_t)(BYTES / tn_type_bytes(b->type)), i + 1);
    memcpy(a->shapes[i], g[i].shape, sizeof g[i].shape);
    memcpy(a->strides[i], g[i].strides, sizeof g[i].strides);
    a->tensors[i] = view(b->type, g[i].rank, a->shapes[i], a->memory[i]);
    a->tensors[i].strides = g[i].strides[0] ? a->strides[i] : NULL;
    a->tensors[i].byte_offset = (uint64_t)g[i].offset * TN_TYPE_BITS(b->type) / 8;
    a->values[i] = tn_value_tensor(&a->tensors[i]);
  }
}

/* Runs `f` of the text in the interpreter and as code of each level, with and without the default schedule. */
static void check(const char *text, const given *g) {
  static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
  static arguments want, have;
  tn_program *program = session_parse(ctx, text);
  const tn_func *f = tn_program_func(program, "f");
  make_arguments(f, g, &want);
  must(tn_func_interpret(f, want.values, f->param_count, &error), error);
  for (int i = 0; i < 3 && i + 2 <= tni_host_level(); i++)
    for (uint8_t keep = 0; keep < 2; keep++) {
      tn_compile_desc desc = {.struct_size = sizeof desc, .keep_schedules = keep};
      must(tn_target_get(ctx, levels[i], &desc.target, &error), error);
      tn_module *module = session_compile(program, &desc);
      make_arguments(f, g, &have);
      must(tn_function_call(session_function(module, "f"), have.values, f->param_count, NULL, &error), error);
      for (uint32_t p = 0; p < f->param_count; p++)
        ck_assert_msg(!f->params[p].buffer || memcmp(want.memory[p], have.memory[p], BYTES) == 0,
                      "%s: `%s` differs in\n%s", levels[i], f->params[p].buffer->name, text);
      tn_module_destroy(module);
    }
  tn_program_destroy(program);
}

#define NEST "for i in 0..20 { for j in 0..37 { block Y(a: 0..20 = i, b: 0..37 = j) "

START_TEST(strides_and_offsets)
{
  given plain = {.rank = 2, .shape = {20, 37}}, wide = {.rank = 2, .shape = {20, 37}, .strides = {41, 1}, .offset = 5};
  given across = {.rank = 2, .shape = {20, 37}, .strides = {1, 20}}, s = {.rank = -1, .scalar = 41};
  given o = {.rank = -1, .scalar = 5};
  check("func f(A: f32[20, 37] strides (41, 1) offset 5, Y: f32[20, 37]) { " NEST
        "{ Y[a, b] = A[a, b] * 2.0:f32 } } } }",
        (given[]){wide, plain});
  check("func f(A: f32[20, 37], Y: f32[20, 37] strides (41, 1) offset 5 align 64) { " NEST
        "{ Y[a, b] = A[a, b] + 1.0:f32 } } } }",
        (given[]){plain, wide});
  check("func f(A: f32[20, 37] strides (s, 1) offset o, Y: f32[20, 37] strides (s, 1) offset o, s: index, o: index) "
        "{ " NEST "{ Y[a, b] = A[a, b] + 1.0:f32 } } } }",
        (given[]){wide, wide, s, o});
  check("func f(A: f16[20, 37] strides (1, 20), Y: f16[20, 37] strides (1, 20)) { " NEST
        "{ Y[a, b] = max(A[a, b], A[19 - a, b]) } } } }",
        (given[]){across, across});
  check("func f(A: i8[20, 37] strides (1, 20) align 64, Y: i8[20, 37]) { " NEST "{ Y[a, b] = A[a, b] - 3:i8 } } } }",
        (given[]){across, plain});
  check("func f(A: i32[20, 37], Y: i32[20, 37] strides (41, 1) offset 5) { for i in 0..20 parallel { for j in 0..37 { "
        "Y[i, j] = A[i, j]; reduce Y[i, j] add= 7:i32 } } }",
        (given[]){plain, wide});
}
END_TEST

/* Rows that begin within a byte; the other half of what a row ends in belongs to nobody and stays. */
START_TEST(packed_strides_and_offsets)
{
  given plain = {.rank = 2, .shape = {20, 37}}, wide = {.rank = 2, .shape = {20, 37}, .strides = {41, 1}, .offset = 6};
  given across = {.rank = 2, .shape = {20, 37}, .strides = {1, 21}}, s = {.rank = -1, .scalar = 41};
  given o = {.rank = -1, .scalar = 6};
  check("func f(A: i4[20, 37] strides (41, 1) offset 6, Y: i4[20, 37]) { " NEST "{ Y[a, b] = A[a, b] * 3:i4 } } } }",
        (given[]){wide, plain});
  check("func f(A: u4[20, 37] strides (s, 1) offset o, Y: u4[20, 37] strides (s, 1) offset o, s: index, o: index) "
        "{ " NEST "{ Y[a, b] = A[19 - a, b] + 1:u4 } } } }",
        (given[]){wide, wide, s, o});
  check("func f(A: u4[20, 37], Y: u4[20, 37] strides (41, 1) offset 6) { for i in 0..20 { for j in 0..37 { "
        "Y[i, j] = A[i, j]; reduce Y[i, j] add= 7:u4 } } }",
        (given[]){plain, wide});
  check("func f(A: i4[20, 37] strides (1, 21), Y: i4[20, 37] strides (1, 21)) { " NEST
        "{ Y[a, b] = max(A[a, b], A[19 - a, b]) } } } }",
        (given[]){across, across});
}
END_TEST

START_TEST(rows_that_are_one_row)
{
  int64_t zero[4] = {0, 1};
  static arguments a;
  tn_program *program =
      session_parse(ctx, "func f(A: f32[20, 37] strides (0, 1), Y: f32[20, 37]) { " NEST "{ Y[a, b] = A[a, b] } } } }");
  tn_module *module = session_compile(program, NULL);
  const tn_func *f = tn_program_func(program, "f");
  for (int compiled = 0; compiled < 2; compiled++) {
    make_arguments(f, (given[]){{.rank = 2, .shape = {20, 37}}, {.rank = 2, .shape = {20, 37}}}, &a);
    a.tensors[0].strides = zero;
    must(compiled ? tn_function_call(session_function(module, "f"), a.values, 2, NULL, &error)
                  : tn_func_interpret(f, a.values, 2, &error),
         error);
    for (int i = 0; i < 20; i++) ck_assert_mem_eq((float *)a.memory[1] + i * 37, a.memory[0], 37 * sizeof(float));
  }
  tn_module_destroy(module);
  tn_program_destroy(program);
}
END_TEST

START_TEST(layouts)
{
  given plain = {.rank = 2, .shape = {20, 37}}, columns = {.rank = 2, .shape = {37, 20}};
  given blocked = {.rank = 3, .shape = {3, 20, 16}}, n = {.rank = -1, .scalar = 20}, m = {.rank = -1, .scalar = 37};
  given apart = {.rank = 3, .shape = {3, 20, 16}, .strides = {400, 20, 1}, .offset = 7};
  check("func f(A: f32[20, 37] layout (x, y) -> (y, x), Y: f32[20, 37]) { " NEST
        "{ Y[a, b] = A[a, b] + 1.0:f32 } } } }",
        (given[]){columns, plain});
  check("func f(A: f32[20, 37], Y: f32[20, 37] layout (x, y) -> (y // 16, x, y % 16)) { " NEST
        "{ Y[a, b] = A[a, b] + 1.0:f32 } } } }",
        (given[]){plain, blocked});
  check("func f(A: f32[20, 37] strides (400, 20, 1) offset 7 layout (x, y) -> (y // 16, x, y % 16), Y: f32[20, 37]) "
        "{ " NEST "{ Y[a, b] = A[a, b] + 1.0:f32 } } } }",
        (given[]){apart, plain});
  check("func f(A: f32[n, m], Y: f32[n, m] layout (x, y) -> (y // 16, x, y % 16), n: index, m: index) {\n"
        "  for i in 0..n { for j in 0..m { block Y(a: 0..n = i, b: 0..m = j) { Y[a, b] = A[a, b] + 1.0:f32 } } } }",
        (given[]){plain, blocked, n, m});
}
END_TEST

START_TEST(allocs_keep_their_form)
{
  given plain = {.rank = 2, .shape = {20, 37}};
  check("func f(A: f32[20, 37], Y: f32[20, 37]) {\n  alloc T: f32[20, 37] strides (48, 1) align 256\n"
        "  for i in 0..20 { for j in 0..37 { block T(a: 0..20 = i, b: 0..37 = j) { T[a, b] = A[a, b] + A[0, b] } } }\n"
        "  " NEST "{ Y[a, b] = T[19 - a, b] * 2.0:f32 } } } }",
        (given[]){plain, plain});
  check("func f(A: f32[20, 37], Y: f32[20, 37]) {\n  alloc T: f32[20, 37] layout (x, y) -> (y // 16, x, y % 16)\n"
        "  for i in 0..20 { for j in 0..37 { block T(a: 0..20 = i, b: 0..37 = j) { T[a, b] = A[a, b] + A[0, b] } } }\n"
        "  " NEST "{ Y[a, b] = T[19 - a, b] * 2.0:f32 } } } }",
        (given[]){plain, plain});
  check("func f(A: f32[n, m], Y: f32[n, m], n: index, m: index) {\n  alloc T: f32[n, m] layout (x, y) -> (y // 16, x, "
        "y % 16)\n"
        "  for i in 0..n { for j in 0..m { block T(a: 0..n = i, b: 0..m = j) { T[a, b] = A[a, b] } } }\n"
        "  for i in 0..n { for j in 0..m { block Y(a: 0..n = i, b: 0..m = j) { Y[a, b] = T[n - 1 - a, b] } } } }",
        (given[]){plain, plain, {.rank = -1, .scalar = 20}, {.rank = -1, .scalar = 37}});
}
END_TEST

/* ---- addresses --------------------------------------------------------------------------------------------------- */

/* The address, counted from `self`; or its low bits. */
static int64_t distance(void *self, const char *at) { return at - (const char *)self; }
static int64_t low_bits(void *self, const char *at) { return (void)self, (intptr_t)at & 1023; }

START_TEST(addresses_are_those_of_first_elements)
{
  static _Alignas(64) float data[16];
  tn_type pointer = TN_POINTER;
  tn_program *program;
  must(tn_program_create(ctx, &program, &error), error);
  must(tn_program_extern(program, "distance", TN_I64, 1, &pointer, (void (*)(void))distance, data, &error), error);
  must(tn_program_extern(program, "low_bits", TN_I64, 1, &pointer, (void (*)(void))low_bits, NULL, &error), error);
  static const char text[] = "func f(A: f32[4] offset o, Y: i64[4], o: index) {\n  alloc T: f32[4] align 1024\n"
                             "  alloc U: f32[99999] align 512\n  Y[0] = @distance(&A)\n  Y[1] = @low_bits(&T)\n"
                             "  Y[2] = @low_bits(&U)\n  for i in 0..1 parallel {\n    Y[3] = @distance(&A)\n  }\n}\n";
  must(tni_parse(program, text, strlen(text), "t", &error), error);
  tn_module *module = session_compile(program, NULL);
  for (int compiled = 0; compiled < 2; compiled++) {
    int64_t four = 4, y[4] = {-1, -1, -1, -1};
    DLTensor a = view(TN_F32, 1, &four, data), out = view(TN_I64, 1, &four, y);
    a.byte_offset = 12;
    tn_value args[] = {tn_value_tensor(&a), tn_value_tensor(&out), tn_value_int(3)};
    must(compiled ? tn_function_call(session_function(module, "f"), args, 3, NULL, &error)
                  : tn_func_interpret(tn_program_func(program, "f"), args, 3, &error),
         error);
    ck_assert_int_eq(y[0], 12);
    ck_assert_int_eq(y[1], 0);
    ck_assert_int_eq(y[2] & 511, 0);
    ck_assert_int_eq(y[3], 12);
  }
  tn_module_destroy(module);
  tn_program_destroy(program);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------------------------------ */

/* The call of `f`, compiled and interpreted, is refused with this reason for argument 0, `A`. */
static void check_refused(const char *text, const given *g, const char *reason, const char *interpreted) {
  static arguments a;
  char want[512];
  tn_program *program = session_parse(ctx, text);
  const tn_func *f = tn_program_func(program, "f");
  tn_module *module = session_compile(program, NULL);
  make_arguments(f, g, &a);
  snprintf(want, sizeof want, "call: f: argument 0 (`A`): %s", reason);
  refused(tn_function_call(session_function(module, "f"), a.values, f->param_count, NULL, &error), error, TN_E_INVALID,
          want);
  refused(tn_func_interpret(f, a.values, f->param_count, &error), error, TN_E_INVALID, interpreted);
  tn_module_destroy(module);
  tn_program_destroy(program);
}

#define PARAM "interpret: f: argument 0, `A`: "

START_TEST(tensors_of_another_form_are_refused)
{
  given plain = {.rank = 2, .shape = {2, 3}}, wide = {.rank = 2, .shape = {2, 3}, .strides = {5, 1}};
  check_refused("func f(A: f32[2, 3] strides (5, 1)) { }", &plain, "has strides (3, 1), not (5, 1)",
                PARAM "has strides (3, 1), not (5, 1)");
  check_refused("func f(A: f32[2, 3]) { }", &wide, "has strides (5, 1), not (3, 1)",
                PARAM "has strides (5, 1), not (3, 1)");
  check_refused("func f(A: f32[2, 3] strides (s, 1), s: index) { }", (given[]){wide, {.rank = -1, .scalar = 6}},
                "has strides (5, 1), not (6, 1)", PARAM "has strides (5, 1), not (6, 1)");
  check_refused("func f(A: f32[2, 3] offset 4) { }", &plain, "byte_offset is 0, not 4 elements of 4 bytes",
                PARAM "byte_offset is 0, not 4 elements of 4 bytes");
  check_refused("func f(A: i4[2, 3] offset 3) { }", &(given){.rank = 2, .shape = {2, 3}, .offset = 3},
                "byte_offset is 1, not 3 elements of 4 bits", PARAM "byte_offset is 1, not 3 elements of 4 bits");
  plain.offset = 1;
  check_refused("func f(A: f32[2, 3] align 8) { }", &plain, "data is not aligned to 8 bytes",
                PARAM "data is not aligned to 8 bytes");
  check_refused("func f(A: f32[2, 3] layout (i, j) -> (j, i)) { }", &plain, "is f32[2, 3], not f32[3, 2]",
                PARAM "is f32[2, 3], not f32[3, 2]");
}
END_TEST

START_TEST(forms_that_the_arguments_do_not_give_are_refused)
{
  given a = {.rank = 2, .shape = {2, 3}}, minus = {.rank = -1, .scalar = 0};
  check_refused("func f(A: f32[2, 3] strides (s - 1, 1), s: index) { }", (given[]){a, minus},
                "with these arguments the stride of dimension 0 is -1", "interpret: f: buffer `A`: stride 0 is -1");
  check_refused("func f(A: f32[2, 3] offset s - 1, s: index) { }", (given[]){a, minus},
                "with these arguments the offset is -1", "interpret: f: buffer `A`: the offset is -1");
  check_refused("func f(A: f32[2, 3] strides (s, 1), s: index) { A[1, 1] = 0.0:f32 }",
                (given[]){{.rank = 2, .shape = {2, 3}, .strides = {2, 1}}, {.rank = -1, .scalar = 2}},
                "is written, and its strides put two elements in one place",
                "interpret: f: buffer `A` is written, and its strides put two elements in one place");
}
END_TEST

START_TEST(a_form_beyond_memory_is_refused)
{
  static const char text[] = "func f(A: f32[4, 3] strides (s * s * 128, 1), s: index) { }";
  tn_program *program = session_parse(ctx, text);
  tn_module *module = session_compile(program, NULL);
  float data[12] = {0};
  int64_t shape[] = {4, 3}, strides[] = {INT64_C(1) << 62, 1};
  DLTensor t = view(TN_F32, 2, shape, data);
  t.strides = strides;
  tn_value args[] = {tn_value_tensor(&t), tn_value_int(INT64_C(1) << 40)};
  refused(tn_function_call(session_function(module, "f"), args, 2, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`A`): with these arguments the stride of dimension 0 cannot be computed");
  args[1] = tn_value_int(INT64_C(1) << 27);
  strides[0] = INT64_C(1) << 61;
  refused(tn_function_call(session_function(module, "f"), args, 2, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`A`): has strides (2305843009213693952, 1), which lead beyond the address space");
  refused(tn_func_interpret(tn_program_func(program, "f"), args, 2, &error), error, TN_E_LIMIT,
          "interpret: f: buffer `A` is too large to address");
  tn_module_destroy(module);
  tn_program_destroy(program);
}
END_TEST

/* Two views of one memory overlap when the spans between their ends do. */
START_TEST(a_view_that_is_written_shares_no_memory)
{
  tn_program *program = session_parse(ctx, "func f(A: f32[2, 3] strides (8, 1), B: f32[2, 3] strides (8, 1)) {\n"
                                           "  A[0, 0] = B[1, 2]\n}\n");
  tn_module *module = session_compile(program, NULL);
  float data[64] = {0};
  int64_t shape[] = {2, 3}, strides[] = {8, 1};
  DLTensor a = view(TN_F32, 2, shape, data), b = view(TN_F32, 2, shape, data + 11);
  a.strides = b.strides = strides;
  tn_value args[] = {tn_value_tensor(&a), tn_value_tensor(&b)};
  must(tn_function_call(session_function(module, "f"), args, 2, NULL, &error), error);
  b.data = data + 10;
  refused(tn_function_call(session_function(module, "f"), args, 2, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`A`): is written, and overlaps argument 1 (`B`)");
  tn_module_destroy(module);
  tn_program_destroy(program);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {strides_and_offsets,
                                packed_strides_and_offsets,
                                rows_that_are_one_row,
                                layouts,
                                allocs_keep_their_form,
                                addresses_are_those_of_first_elements,
                                tensors_of_another_form_are_refused,
                                forms_that_the_arguments_do_not_give_are_refused,
                                a_form_beyond_memory_is_refused,
                                a_view_that_is_written_shares_no_memory};
  return suite_run_tests("buffers", tests, TNI_COUNT(tests), open_context, close_context);
}
