/* test_codegen.c -- what code generation emits, for every target: closed objects, registers instead of memory, the same
 * bytes each time. What the code computes is tested in test/jit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "suite.h"
#include "targets.h"

static tn_context *ctx;
static tn_program *program;
static const char *const targets[] = {"host",         "x86-64-v2",    "x86-64-v3",  "x86-64-v4",
                                      "aarch64-neon", "aarch64-i8mm", "riscv64-rvv"};

static void open_program(void) {
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
}
static void close_program(void) {
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static const tn_target *target_named(const char *name) {
  const tn_target *target;
  ck_assert_int_eq(tn_target_get(ctx, name, &target, NULL), TN_OK);
  return target;
}

static void parse(const char *text) {
  tn_error *error = NULL;
  tn_status status = tni_parse(program, text, strlen(text), "test", &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
}

/* All functions of the program. */
static char *emit(const char *target, enum tni_emit what, size_t *size) {
  tn_error *error = NULL;
  tni_codegen *codegen;
  char *out;
  const tn_func **funcs = calloc(program->func_count + 1, sizeof *funcs);
  for (size_t i = 0; i < program->func_count; i++) funcs[i] = tn_program_func_at(program, i);
  tn_status status = tni_codegen_create(ctx, target_named(target), &codegen, &error);
  if (status == TN_OK) status = tni_codegen_run(codegen, program->func_count, funcs, what, &out, size, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  tni_codegen_destroy(codegen);
  free(funcs);
  return out;
}

static int count_of(const char *text, const char *what) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, what)); at++) count++;
  return count;
}

/* ---- closed objects -------------------------------------------------------------------------------------------- */

static const tn_type all_types[] = {TN_BOOL, TN_I8,  TN_I16, TN_I32,  TN_I64, TN_U8,  TN_U16,
                                    TN_U32,  TN_U64, TN_F16, TN_BF16, TN_F32, TN_F64, TN_INDEX};

/* One store of a value over loads of the buffers' elements. */
static const tn_func *make_func(const char *name, tn_type from, tn_type to, int inputs, uint32_t lanes, int op) {
  tni_region *r = &program->region;
  const tn_expr *extent = tni_index(r, 256), *in[3], *value;
  tni_param *params = TNI_NEW_ARRAY(&r->arena, tni_param, 2);
  tn_func *func = TNI_NEW(&r->arena, tn_func);
  params[0].buffer = tni_buffer(r, "out", to, TNI_SCOPE_GLOBAL, 1, &extent);
  params[1].buffer = tni_buffer(r, "in", from, TNI_SCOPE_GLOBAL, 1, &extent);
  for (int i = 0; i < inputs; i++) {
    const tn_expr *index = tni_ramp(r, tni_index(r, i * 64), tni_index(r, 1), lanes);
    in[i] = tni_load(r, TN_TYPE_WITH_LANES(from, lanes), params[1].buffer, 1, &index, NULL);
  }
  value = op < 0 ? tni_cast(r, TN_TYPE_WITH_LANES(to, lanes), in[0]) : tni_op(r, (enum tn_op)op, (size_t)inputs, in);
  const tn_expr *index = tni_ramp(r, tni_index(r, 0), tni_index(r, 1), lanes);
  const tn_stmt *store = tni_store(r, params[0].buffer, 1, &index, value, NULL);
  *func = (tn_func){.name = tni_arena_text(&r->arena, name),
                    .level = TNI_LEVEL_LOOP,
                    .param_count = 2,
                    .params = params,
                    .body = store,
                    .program = program};
  return func;
}

static bool has_code(int op, tn_type type) {
  const tni_op_info *info = &tni_ops[op];
  const tn_expr a = {.op = TN_OP_var, .type = type}, *args[] = {&a, &a, &a};
  const char *why;
  if (info->flags & TN_OPF_MATH || !tni_op_has_rule(op) || op == TN_OP_select) return false;
  return tni_op_type((enum tn_op)op, args, &why) != 0;
}

/* Every operator and cast on one type, on scalars and on vectors that no register holds. */
static size_t make_all(const tn_func **funcs, tn_type type) {
  static const uint32_t lanes[] = {1, 16};
  size_t count = 0;
  char name[40];
  for (size_t l = 0; l < TNI_COUNT(lanes); l++) {
    for (int op = 0; op < TN_OP_COUNT; op++) {
      if (!has_code(op, type)) continue;
      snprintf(name, sizeof name, "op%d_%u", op, lanes[l]);
      tn_type to = tni_ops[op].typing == TNI_TYPING_COMPARE ? TN_BOOL : type;
      funcs[count++] = make_func(name, type, to, tni_ops[op].arity, lanes[l], op);
    }
    for (size_t t = 0; t < TNI_COUNT(all_types); t++) {
      snprintf(name, sizeof name, "cast%zu_%u", t, lanes[l]);
      funcs[count++] = make_func(name, type, all_types[t], 1, lanes[l], -1);
    }
  }
  return count;
}

/* Writes down each import. */
static bool list_import(void *self, const char *name, bool defined) {
  if (!defined) tni_text_add(self, " %s", name);
  return true;
}

START_TEST(no_operator_imports_anything)
{
  const tn_target *target = target_named(targets[_i]);
  const tn_func *funcs[400];
  tni_codegen *codegen;
  tni_text imports;
  tni_text_init(&imports, ctx);
  ck_assert_int_eq(tni_codegen_create(ctx, target, &codegen, NULL), TN_OK);
  for (size_t t = 0; t < TNI_COUNT(all_types); t++) {
    size_t count = make_all(funcs, all_types[t]), size;
    char *object;
    tn_error *error = NULL;
    tn_status status = tni_codegen_run(codegen, count, funcs, TNI_EMIT_OBJECT, &object, &size, &error);
    ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
    ck_assert_int_eq(tni_object_symbols(ctx, object, size, list_import, &imports, NULL), TN_OK);
    tn_text_destroy(object);
  }
  ck_assert_msg(imports.length == 0, "imports:%s", imports.data);
  tni_text_destroy(&imports);
  tni_codegen_destroy(codegen);
}
END_TEST

/* The header of the object's symbol table. */
static Elf64_Shdr *symbol_table(char *object) {
  const Elf64_Ehdr *head = (const Elf64_Ehdr *)(void *)object;
  Elf64_Shdr *sections = (Elf64_Shdr *)(void *)(object + head->e_shoff);
  for (unsigned i = 0; i < head->e_shnum; i++)
    if (sections[i].sh_type == SHT_SYMTAB) return &sections[i];
  ck_abort_msg("an object without symbols");
}

static char *object_of_getenv(size_t *size) {
  parse("loop func getenv(A: f32[1]) {\n  A[0] = 0.0:f32\n}\n");
  return emit("host", TNI_EMIT_OBJECT, size);
}

static void object_is_refused(const char *object, size_t size, tn_status status, const char *want) {
  tn_error *error = NULL;
  ck_assert_int_eq(tni_object_check_closed(ctx, object, size, &error), status);
  ck_assert_str_eq(tn_error_text(error), want);
  tn_error_destroy(error);
}

/* A symbol that is not on the list is found and named: memcpy is, the rest is not. */
START_TEST(an_import_is_refused_by_name)
{
  size_t size;
  char *object = object_of_getenv(&size);
  const Elf64_Shdr *table = symbol_table(object);
  ck_assert_int_eq(tni_object_check_closed(ctx, object, size, NULL), TN_OK);
  Elf64_Sym *symbols = (Elf64_Sym *)(void *)(object + table->sh_offset);
  for (uint64_t i = 1; i < table->sh_size / sizeof *symbols; i++) symbols[i].st_shndx = SHN_UNDEF;
  object_is_refused(object, size, TN_E_COMPILER,
                    "codegen: the code would import `getenv`: kernels import nothing but the memory functions");
  tn_text_destroy(object);
}
END_TEST

START_TEST(a_damaged_object_is_refused)
{
  size_t size;
  char *object = object_of_getenv(&size);
  Elf64_Shdr *table = symbol_table(object);
  Elf64_Sym *symbols = (Elf64_Sym *)(void *)(object + table->sh_offset);
  object_is_refused(object, 20, TN_E_INVALID, "load: object: not an ELF64 relocatable object");
  symbols[table->sh_size / sizeof *symbols - 1].st_name = UINT32_MAX;
  object_is_refused(object, size, TN_E_INVALID, "load: object: a symbol's name is out of range");
  table->sh_entsize++;
  object_is_refused(object, size, TN_E_INVALID, "load: object: its symbol table is damaged");
  tn_text_destroy(object);
}
END_TEST

/* ---- what has no code ------------------------------------------------------------------------------------------ */

/* The functions, which nobody verified, have no code for that reason. */
static void are_refused(size_t count, const tn_func *const *funcs, tn_status status, const char *want) {
  tn_error *error = NULL;
  tni_codegen *codegen;
  char *out;
  size_t size;
  ck_assert_int_eq(tni_codegen_create(ctx, target_named("host"), &codegen, NULL), TN_OK);
  ck_assert_int_eq(tni_codegen_run(codegen, count, funcs, TNI_EMIT_OBJECT, &out, &size, &error), status);
  ck_assert_ptr_null(out);
  ck_assert_str_eq(tn_error_text(error), want);
  tn_error_destroy(error);
  tni_codegen_destroy(codegen);
}

/* f(out) { out[0] = value }, or the statement. */
static void is_refused(const tn_expr *value, const tn_stmt *body, tn_status status, const char *want) {
  tni_region *r = &program->region;
  const tn_expr *one = tni_index(r, 1), *zero = tni_index(r, 0);
  tni_param out = {.buffer = tni_buffer(r, "out", TN_F32, TNI_SCOPE_GLOBAL, 1, &one)};
  if (!body) body = tni_store(r, out.buffer, 1, &zero, value, NULL);
  ck_assert_ptr_nonnull(body);
  tn_func func = {.name = "f", .level = TNI_LEVEL_LOOP, .param_count = 1, .params = &out, .body = body};
  func.program = program;
  const tn_func *funcs[] = {&func};
  are_refused(1, funcs, status, want);
}

START_TEST(what_is_not_bound_is_refused)
{
  tni_region *r = &program->region;
  const tn_expr *one = tni_index(r, 1), *zero = tni_index(r, 0);
  const tn_buffer *other = tni_buffer(r, "other", TN_F32, TNI_SCOPE_GLOBAL, 1, &one);
  is_refused(tni_var(r, "x", TN_F32), NULL, TN_E_COMPILER, "codegen: f: variable `x` is not bound");
  is_refused(tni_load(r, TN_F32, other, 1, &zero, NULL), NULL, TN_E_COMPILER,
             "codegen: f: buffer `other` is not bound");
  is_refused(tni_call(r, TN_F32, "host_f", 0, NULL), NULL, TN_E_NOT_FOUND, "codegen: f: no external function `host_f`");
}
END_TEST

START_TEST(what_no_vector_can_be_is_refused)
{
  tni_region *r = &program->region;
  is_refused(tni_broadcast(r, tni_const_float(r, TN_F32, 1), TNI_MAX_LANES + 1), NULL, TN_E_LIMIT,
             "codegen: f: a vector of more than 1024 lanes");
  ck_assert_int_eq(tni_program_declare(program, "host_f", TN_F32, 0, NULL, NULL), TN_OK);
  is_refused(tni_call(r, TN_TYPE_WITH_LANES(TN_F32, 4), "host_f", 0, NULL), NULL, TN_E_UNSUPPORTED,
             "codegen: f: a vector of calls of `host_f`");
}
END_TEST

START_TEST(what_is_of_the_tensor_level_is_refused)
{
  is_refused(NULL, tni_barrier(&program->region, TNI_SCOPE_SHARED), TN_E_COMPILER,
             "codegen: f: a block or a barrier on the loop level");
  parse("func g(A: f32[1]) {\n}\n");
  const tn_func *g = tn_program_func_at(program, 0);
  are_refused(1, &g, TN_E_INVALID, "codegen: g: only functions on the loop level have code");
}
END_TEST

START_TEST(two_functions_of_one_name_are_refused)
{
  parse("loop func g(A: f32[1]) {\n}\n");
  const tn_func *g = tn_program_func_at(program, 0), *twice[] = {g, g};
  are_refused(2, twice, TN_E_INVALID, "codegen: g: two functions of one name");
}
END_TEST

/* ---- quality and form of the code ------------------------------------------------------------------------------ */

/* A 6x64 tile of C = A B with 24 accumulators. */
static char *tile_text(void) {
  char *text = malloc(65536), *at = text;
  at += sprintf(at, "loop func tile(A: f32[3072], B: f32[32768], C: f32[384]) {\n  alloc T: f32[384] in register\n");
  for (int i = 0; i < 24; i++) at += sprintf(at, "  T[ramp(%d, 1, 16)] = broadcast(0.0:f32, 16)\n", i * 16);
  at += sprintf(at, "  for k in 0..512 {\n");
  for (int i = 0; i < 24; i++) {
    at += sprintf(
        at, "    T[ramp(%d, 1, 16)] = fma(broadcast(A[k + %d], 16), B[ramp(k * 64 + %d, 1, 16)], T[ramp(%d, 1, 16)])\n",
        i * 16, i / 4 * 512, i % 4 * 16, i * 16);
  }
  at += sprintf(at, "  }\n");
  for (int i = 0; i < 24; i++) at += sprintf(at, "  C[ramp(%d, 1, 16)] = T[ramp(%d, 1, 16)]\n", i * 16, i * 16);
  sprintf(at, "}\n");
  return text;
}

/* One function for each operator and type, however often it is used; equal calls are merged. */
START_TEST(long_expansions_are_functions)
{
  size_t size;
  parse("loop func f(A: f64[64], B: f64[64], n: index) {\n"
        "  A[0] = fma(A[1], A[2], fma(A[3], A[4], B[0]))\n"
        "  A[ramp(n, 1, 4)] = fma(B[ramp(0, 1, 4)], B[ramp(4, 1, 4)], broadcast(2.0:f64, 4))\n"
        "  B[8] = mod(B[9], 3.0:f64) + mod(B[9], 3.0:f64)\n"
        "}\n");
  char *code = emit("x86-64-v2", TNI_EMIT_LLVM, &size);
  ck_assert_int_eq(count_of(code, "define private double @0(double %0, double %1, double %2)"), 1);
  ck_assert_int_eq(count_of(code, "call double @0("), 2);
  ck_assert_int_eq(count_of(code, "call <4 x double> @1("), 1);
  ck_assert_int_eq(count_of(code, "call double @2(double %"), 1);
  ck_assert_int_eq(count_of(code, "define private"), 3);
  tn_text_destroy(code);
  code = emit("x86-64-v3", TNI_EMIT_LLVM, &size);
  ck_assert_int_eq(count_of(code, "define private"), 1);
  tn_text_destroy(code);
}
END_TEST

START_TEST(register_buffers_end_in_registers)
{
  char *text = tile_text();
  size_t size;
  parse(text);
  char *code = emit("x86-64-v4", TNI_EMIT_ASSEMBLY, &size);
  ck_assert_int_eq(count_of(code, "vfmadd231ps"), 24);
  ck_assert_int_eq(count_of(code, "(%rsp)"), 0);
  ck_assert_int_eq(count_of(code, "call"), 0);
  tn_text_destroy(code);
  free(text);
}
END_TEST

/* The statements as LLVM IR that holds so many of `what`. */
static void check_count(const char *what, int count, const char *statements) {
  char text[600];
  size_t size;
  snprintf(text, sizeof text, "extern bump(index): f32\nloop func f(A: f32[32], B: f32[32], C: f32[32]) {\n%s}",
           statements);
  parse(text);
  char *code = emit("x86-64-v3", TNI_EMIT_LLVM, &size);
  ck_assert_msg(count_of(code, what) == count, "not %d of `%s` in\n%s", count, what, code);
  tn_text_destroy(code);
}

START_TEST(stores_behind_each_other_load_once)
{
  check_count("= load <8 x float>", 2,
              "B[ramp(0, 1, 8)] = A[ramp(0, 1, 8)] * A[ramp(8, 1, 8)]\n"
              "C[ramp(0, 1, 8)] = A[ramp(0, 1, 8)] + A[ramp(8, 1, 8)]\n"
              "B[ramp(8, 1, 8)] = A[ramp(8, 1, 8)] - A[ramp(0, 1, 8)]\n");
}
END_TEST

START_TEST(what_was_stored_is_loaded_again)
{
  check_count("= load <8 x float>", 2,
              "B[ramp(0, 1, 8)] = A[ramp(0, 1, 8)]\nA[4] = 1.0:f32\nC[ramp(0, 1, 8)] = A[ramp(0, 1, 8)]\n");
}
END_TEST

/* As many loads as elements from one lane to the next: no lane by itself. */
START_TEST(lanes_a_few_elements_apart_are_in_few_vectors)
{
  const char *two = "B[ramp(0, 1, 8)] = A[ramp(1, 2, 8)]\n", *three = "C[ramp(0, 1, 8)] = A[ramp(2, 3, 8)]\n";
  check_count("= load <8 x float>", 2, two);
  check_count("= load float", 0, three);
  check_count("= load <8 x float>", 3, three);
}
END_TEST

/* What all lanes share chooses the address, and masks none. */
START_TEST(a_condition_that_lanes_share_is_none_of_a_mask)
{
  const char *load = "C[ramp(0, 1, 8)] = A[ramp(0, 1, 8) if ramp(0, 1, 8) < broadcast(5, 8) && broadcast(A[0] < 1.0:f32, 8)]\n";
  check_count("ptr @zeros", 1, load);
  check_count("(ptr %6, <8 x i32> <i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 0", 1, load);
}
END_TEST

/* Both stores to B are one, which reads what the store before it wrote. */
START_TEST(what_is_stored_together_reads_the_sum)
{
  check_count(", <8 x float> %6, <16 x i32>", 1, /* %6 is the sum */
              "C[ramp(0, 1, 8)] = C[ramp(0, 1, 8)] + A[ramp(0, 1, 8)]\n"
              "B[ramp(0, 2, 8)] = A[ramp(8, 1, 8)]\nB[ramp(1, 2, 8)] = C[ramp(0, 1, 8)]\n");
}
END_TEST

START_TEST(every_call_is_done)
{
  check_count("call i32 %call_external", 2, "B[0] = @bump(1)\nC[0] = @bump(1)\n");
}
END_TEST

START_TEST(a_prefetch_is_one_instruction)
{
  size_t size;
  parse("loop func f(A: f32[8], n: index) {\n  prefetch A[n + 1000]\n  A[0] = 1.0:f32\n}");
  char *code = emit("x86-64-v2", TNI_EMIT_ASSEMBLY, &size);
  ck_assert_int_eq(count_of(code, "prefetcht0\t4000("), 1);
  tn_text_destroy(code);
  code = emit("aarch64-neon", TNI_EMIT_ASSEMBLY, &size);
  ck_assert_int_eq(count_of(code, "prfm\tpldl1keep"), 1);
  tn_text_destroy(code);
}
END_TEST

/* Up and down, of two buffers; constants are displacements. Where there are too many, and on other processors, that is left
 * to LLVM; so is what is no sum over the loop's variable. Variables count where nothing is left to LLVM, and in outer loops. */
START_TEST(pointers_advance_in_innermost_loops)
{
  static const struct {
    const char *target, *text;
    int pointers, variables;
  } cases[] = {
      {"x86-64-v3", "loop func f(A: f32[32], B: f32[32]) { for i in 0..16 { B[i] = A[i + 8] + A[30 - i * 2] - A[i] } }", 3, 1},
      {"x86-64-v3", "loop func f(A: f32[32], n: index) { for i in 0..n { A[i * 3 + n] = 1.0:f32 } }", 1, 1},
      {"x86-64-v3", "loop func f(A: f32[32], B: f32[32]) { for i in 0..8 { B[i // 2] = A[i % 4] } }", 0, 0},
      {"x86-64-v3", "loop func f(A: f32[32]) { for i in 0..4 { for j in 0..4 { for k in 0..2 { A[i * 8 + k + j] = 1.0:f32 } } } }", 1, 3},
      {"x86-64-v3",
       "loop func f(A: i8[9], B: i8[9], C: i8[9], D: i8[9], E: i8[9], F: i8[9], G: i8[9]) {\n"
       "  for i in 0..9 { G[i] = A[i] + B[i] + C[i] + D[i] + E[i] + F[i] }\n}",
       0, 0},
      {"aarch64-neon", "loop func f(A: f32[32], B: f32[32]) { for i in 0..16 { B[i] = A[i] } }", 0, 0},
  };
  size_t size;
  parse(cases[_i].text);
  char *code = emit(cases[_i].target, TNI_EMIT_LLVM, &size);
  ck_assert_msg(count_of(code, "call ptr asm \"\"") == cases[_i].pointers, "not %d in\n%s", cases[_i].pointers, code);
  ck_assert_msg(count_of(code, "call i64 asm \"\"") == cases[_i].variables, "not %d in\n%s", cases[_i].variables, code);
  tn_text_destroy(code);
  tn_text_destroy(emit(cases[_i].target, TNI_EMIT_ASSEMBLY, &size));
}
END_TEST

/* A program's own sum may wrap; that of a loop's variable is no other add. */
START_TEST(sums_that_are_counted_may_wrap)
{
  size_t size;
  parse("loop func f(A: i64[1]) {\n  alloc T: i64[1] in local\n  T[0] = A[0]\n"
        "  for i in 0..9 { T[0] = T[0] + 9223372036854775807:i64 }\n  A[0] = T[0]\n}\n");
  char *code = emit("x86-64-v3", TNI_EMIT_LLVM, &size);
  ck_assert_msg(count_of(code, "call i64 asm \"\"") == 2, "not 2 in\n%s", code);
  ck_assert_msg(count_of(code, "add nsw") == 0, "a sum that must not wrap in\n%s", code);
  tn_text_destroy(code);
}
END_TEST

START_TEST(equal_input_gives_equal_bytes)
{
  char *text = tile_text();
  size_t a, b;
  parse(text);
  char *first = emit(targets[_i == 1 ? 2 : _i], TNI_EMIT_OBJECT, &a),
       *again = emit(targets[_i == 1 ? 2 : _i], TNI_EMIT_OBJECT, &b);
  ck_assert_uint_eq(a, b);
  ck_assert_mem_eq(first, again, a);
  tn_text_destroy(first);
  tn_text_destroy(again);
  free(text);
}
END_TEST

START_TEST(a_kernel_says_what_it_is)
{
  size_t size;
  parse("loop func f(A: f32[4], n: index, x: bool) {\n  A[0 if x] = cast(f32, n)\n}\n"
        "loop func g(A: f32[4]) {\n  for i in 0..4 {\n    A[i] = 0.0:f32\n  }\n}\n");
  char *text = emit("x86-64-v3", TNI_EMIT_LLVM, &size);
  ck_assert_uint_eq(strlen(text), size);
  ck_assert_ptr_nonnull(strstr(text, "define i32 @f(ptr nonnull %0, ptr noalias %1, i64 %2, i8 %3)"));
  ck_assert_ptr_null(strstr(text, ".packed"));
  ck_assert_ptr_nonnull(strstr(text, "\"frame-pointer\"=\"all\""));
  ck_assert_ptr_nonnull(strstr(text, "\"prefer-vector-width\"=\"256\""));
  ck_assert_ptr_nonnull(strstr(text, "llvm.loop.unroll.disable"));
  ck_assert_ptr_null(strstr(text, "uwtable"));
  tn_text_destroy(text);
}
END_TEST

/* Has the function of that name, as it is called in the text, code that is made in the quickest way? */
static bool is_glue(const char *code, const char *name) {
  char group[32];
  int number;
  const char *at = strstr(code, "\ndefine ");
  while (at && strncmp(strchr(at, '@'), name, strlen(name)) != 0) at = strstr(at + 1, "\ndefine ");
  ck_assert_msg(at && sscanf(strchr(at, '#'), "#%d", &number) == 1, "%s: %s", name, code);
  snprintf(group, sizeof group, "attributes #%d = {", number);
  const char *line = strstr(code, group), *found = line ? strstr(line, "optnone") : NULL;
  return found && found < strchr(line, '\n');
}

/* A kernel that only starts threads is run once a call; its loop is another thing. */
START_TEST(what_only_forks_is_glue)
{
  size_t size;
  parse("loop func f(A: f32[64], B: f32[64]) {\n"
        "  for i in 0..8 parallel {\n    for j in 0..8 {\n      B[i * 8 + j] = A[i * 8 + j] * 2.0:f32\n    }\n  }\n}\n"
        "loop func g(A: f32[64], B: f32[64]) {\n"
        "  for i in 0..1 parallel {\n    for j in 0..8 {\n      B[i * 8 + j] = A[i * 8 + j] * 2.0:f32\n    }\n  }\n}\n");
  char *code = emit("x86-64-v4", TNI_EMIT_LLVM, &size);
  ck_assert(is_glue(code, "@f("));
  ck_assert(!is_glue(code, "@f.parallel.0("));
  ck_assert(!is_glue(code, "@g("));
  tn_text_destroy(code);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen");
  TCase *tc = tcase_create("codegen");
  tcase_set_timeout(tc, 200);
  tcase_add_checked_fixture(tc, open_program, close_program);
  tcase_add_loop_test(tc, no_operator_imports_anything, 0, (int)TNI_COUNT(targets));
  tcase_add_test(tc, an_import_is_refused_by_name);
  tcase_add_test(tc, a_damaged_object_is_refused);
  tcase_add_test(tc, what_is_not_bound_is_refused);
  tcase_add_test(tc, what_no_vector_can_be_is_refused);
  tcase_add_test(tc, what_is_of_the_tensor_level_is_refused);
  tcase_add_test(tc, two_functions_of_one_name_are_refused);
  tcase_add_test(tc, long_expansions_are_functions);
  tcase_add_test(tc, register_buffers_end_in_registers);
  tcase_add_test(tc, stores_behind_each_other_load_once);
  tcase_add_test(tc, what_was_stored_is_loaded_again);
  tcase_add_test(tc, lanes_a_few_elements_apart_are_in_few_vectors);
  tcase_add_test(tc, a_condition_that_lanes_share_is_none_of_a_mask);
  tcase_add_test(tc, what_is_stored_together_reads_the_sum);
  tcase_add_test(tc, every_call_is_done);
  tcase_add_test(tc, a_prefetch_is_one_instruction);
  tcase_add_loop_test(tc, pointers_advance_in_innermost_loops, 0, 6);
  tcase_add_test(tc, sums_that_are_counted_may_wrap);
  tcase_add_loop_test(tc, equal_input_gives_equal_bytes, 0, (int)TNI_COUNT(targets));
  tcase_add_test(tc, what_only_forks_is_glue);
  tcase_add_test(tc, a_kernel_says_what_it_is);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
