/* test_instruction.c -- tensor instructions that a host adds: their code does what they mean, where a target has
 * them; what is none is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "session.h"

static tn_context *ctx;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }
static void close_context(void) { tn_context_destroy(ctx); }

static const char sad_meaning[] = "func sad8(C: i64[1], A: u8[8], B: u8[8]) {\n"
                                  "  for t in 0..8 { C[0] = C[0] + cast(i64, max(A[t], B[t]) - min(A[t], B[t])) }\n}\n";

static tn_instruction_desc sad8(void) {
  return (tn_instruction_desc){
      .struct_size = sizeof(tn_instruction_desc),
      .name = "sad8",
      .meaning = sad_meaning,
      .architecture = "x86_64",
      .code = TN_INSTRUCTION_TERM,
      .emission = {"llvm.x86.sse2.psad.bw", "llvm.x86.avx2.psad.bw", "llvm.x86.avx512.psad.bw.512"}};
}

/* ---- the code does what it means --------------------------------------------------------------------------------- */

enum { ROWS = 6, COLUMNS = 40, STEPS = 48 };
static uint8_t left[ROWS * STEPS * 8], right[COLUMNS * STEPS * 8], want[ROWS * COLUMNS * 8], got[ROWS * COLUMNS * 8];

/* C[i, j] = the sum of steps of A[i, k] and B[k, j]; a step's text has %s where the sum so far stands. */
static tn_program *make_sums(const char *c, const char *a, const char *b, const char *zero, const char *step) {
  char text[1024];
  snprintf(text, sizeof text,
           "func f(A: %s[6, 48], B: %s[48, 40], C: %s[6, 40]) {\n"
           "  for i in 0..6 { for j in 0..40 { for k in 0..48 {\n"
           "    block C(v: 0..6 = i, w: 0..40 = j, reduce q: 0..48 = k) {\n"
           "      init { C[v, w] = %s }\n      C[v, w] = %s\n    }\n  } } }\n}\n",
           a, b, c, zero, step);
  return session_parse(ctx, text);
}

/* Compiled for the target it gives the interpreter's bits. Is `mnemonic` in its assembly? */
static bool runs_by(const tn_program *program, const char *target_name, const char *mnemonic) {
  const tn_target *target;
  tn_module *module;
  char *text;
  size_t size;
  must(tn_target_get(ctx, target_name, &target, &error), error);
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = target};
  must(tn_program_emit(program, &desc, "asm", &text, &size, &error), error);
  bool found = strstr(text, mnemonic) != NULL;
  tn_text_destroy(text);
  if (!target->runs_here) return found;
  memset(want, 0xff, sizeof want);
  memset(got, 0xff, sizeof got);
  must(tni_evaluate_interpreted(NULL, tn_program_func(program, "f"), (void *const[]){left, right, want}, &error),
       error);
  must(tn_compile(program, &desc, &module, &error), error);
  const tn_function *f = session_function(module, "f");
  int32_t (*code)(const tn_env *, void *, void *, void *) =
      (int32_t(*)(const tn_env *, void *, void *, void *))tn_function_pointer(f);
  ck_assert_int_eq(code(tn_function_env(f), left, right, got), 0);
  ck_assert_msg(memcmp(want, got, sizeof got) == 0, "another result for %s", target_name);
  tn_module_destroy(module);
  return found;
}

static void schedule(tn_program *program, const char *lines) {
  tn_schedule *s;
  const tn_func *f;
  must(tn_schedule_create(program, tn_program_func(program, "f"), &s, &error), error);
  must(tn_schedule_run(s, lines, &error), error);
  must(tn_schedule_commit(s, &f, &error), error);
  tn_schedule_destroy(s);
}

static const char distance[] = "C[v, w] + cast(i64, max(A[v, q], B[q, w]) - min(A[v, q], B[q, w]))";

/* Of every width that there is, before it was added and behind. */
START_TEST(the_default_schedule_uses_it)
{
  static const char *const targets[] = {"host", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
  tn_instruction_desc desc = sad8();
  fill_random(TN_U8, left, sizeof left, 1);
  fill_random(TN_U8, right, sizeof right, 2);
  tn_program *program = make_sums("i64", "u8", "u8", "0:i64", distance);
  for (size_t i = 0; i < TNI_COUNT(targets); i++) ck_assert(!runs_by(program, targets[i], "psadbw"));
  must(tn_instruction_add(ctx, &desc, &error), error);
  for (size_t i = 0; i < TNI_COUNT(targets); i++)
    ck_assert_msg(runs_by(program, targets[i], "psadbw"), "%s", targets[i]);
  tn_program_destroy(program);
}
END_TEST

/* Steps that are no multiple, with the lines of a schedule. */
START_TEST(schedules_use_it_by_its_name)
{
  tn_instruction_desc desc = sad8();
  must(tn_instruction_add(ctx, &desc, &error), error);
  fill_random(TN_U8, left, sizeof left, 3);
  fill_random(TN_U8, right, sizeof right, 4);
  tn_program *program = make_sums("i64", "u8", "u8", "0:i64", distance);
  schedule(program, "jo, ji = split(j, [0, 4])\nko, kt = split(k, [0, 8])\nreorder([jo, ko, ji, kt])\n"
                    "decompose_reduction(C, ko)\nblockize(kt)\ntensorize(C, \"sad8\")\nvectorize(C[-1])");
  ck_assert(runs_by(program, "x86-64-v3", "psadbw"));
  ck_assert(!runs_by(program, "aarch64-neon", "psadbw"));
  tn_program_destroy(program);
}
END_TEST

/* A multiply-add, which has one step; a dot product of 16-bit numbers that adds to the sums, where there is one. */
START_TEST(assembly_is_code_too)
{
  tn_instruction_desc multiply_add = {
      .struct_size = sizeof multiply_add,
      .name = "multiply_add",
      .meaning = "func multiply_add(C: f32[1], A: f32[1], B: f32[1]) {\n"
                 "  for t in 0..1 { C[0] = fma(A[t], B[t], C[0]) }\n}\n",
      .architecture = "x86_64",
      .features = "avx,fma",
      .code = TN_INSTRUCTION_ASSEMBLY,
      .emission = {"vfmadd231ps $2, $1, $0 # by the host", "vfmadd231ps $2, $1, $0 # by the host", NULL},
      .gain = 200};
  must(tn_instruction_add(ctx, &multiply_add, &error), error);
  fill_random(TN_F32, left, ROWS * STEPS, 5);
  fill_random(TN_F32, right, COLUMNS * STEPS, 6);
  tn_program *program = make_sums("f32", "f32", "f32", "0.0:f32", "fma(A[v, q], B[q, w], C[v, w])");
  ck_assert(runs_by(program, "x86-64-v3", "by the host"));
  ck_assert(!runs_by(program, "x86-64-v4", "by the host")); /* none of 512 bits */
  ck_assert(!runs_by(program, "x86-64-v2", "by the host"));
  tn_program_destroy(program);
}
END_TEST

/* In its own context alone, from another place each time. */
START_TEST(contexts_are_apart)
{
  tn_context *other = session_open();
  tn_instruction_desc desc = sad8();
  must(tn_instruction_add(other, &desc, &error), error);
  must(tn_instruction_add(ctx, &desc, &error), error);
  tn_context_destroy(other);
  ck_assert_str_eq(tni_unit_find(ctx, "sad8")->name, "sad8");
  other = session_open();
  ck_assert_ptr_null(tni_unit_find(other, "sad8"));
  tn_context_destroy(other);
}
END_TEST

enum { THREADS = 4, EACH = 4 };

static void *add_some(void *self) {
  for (int i = 0; i < EACH; i++) {
    char name[32];
    tn_instruction_desc desc = sad8();
    snprintf(name, sizeof name, "sad8_%d_%d", *(int *)self, i);
    desc.name = name;
    if (tn_instruction_add(ctx, &desc, NULL) != TN_OK) return self;
  }
  return NULL;
}

START_TEST(threads_add_them_at_once)
{
  pthread_t threads[THREADS];
  int numbers[THREADS];
  void *failed;
  for (int i = 0; i < THREADS; i++) {
    numbers[i] = i;
    ck_assert_int_eq(pthread_create(&threads[i], NULL, add_some, &numbers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
    ck_assert_ptr_null(failed);
  }
  for (int i = 0; i < THREADS * EACH; i++) {
    char name[32];
    snprintf(name, sizeof name, "sad8_%d_%d", i / EACH, i % EACH);
    ck_assert_ptr_nonnull(tni_unit_find(ctx, name));
  }
}
END_TEST

/* ---- what is none ------------------------------------------------------------------------------------------------ */

static void refuses(tn_instruction_desc desc, const char *text) {
  refused(tn_instruction_add(ctx, &desc, &error), error, TN_E_INVALID, text);
}

static void refuses_meaning(const char *meaning, const char *text) {
  tn_instruction_desc desc = sad8();
  desc.meaning = meaning;
  refuses(desc, text);
}

START_TEST(descriptions_are_checked)
{
  tn_instruction_desc desc = sad8();
  desc.struct_size = 8;
  refuses(desc, "instruction: the description has another size, or no name");
  desc = sad8(), desc.name = NULL;
  refuses(desc, "instruction: the description has another size, or no name");
  desc = sad8(), desc.meaning = NULL;
  refuses(desc, "instruction: sad8: it has no meaning, no architecture, or a gain below 0");
  desc = sad8(), desc.architecture = NULL;
  refuses(desc, "instruction: sad8: it has no meaning, no architecture, or a gain below 0");
  desc = sad8(), desc.gain = -1;
  refuses(desc, "instruction: sad8: it has no meaning, no architecture, or a gain below 0");
  desc = sad8(), desc.code = (enum tn_instruction_code)7;
  refuses(desc, "instruction: sad8: there is no such kind of code: 7");
  desc = sad8(), desc.emission[0] = desc.emission[1] = desc.emission[2] = NULL;
  refuses(desc, "instruction: sad8: it has no code for vectors of any width");
  desc = sad8(), desc.architecture = "x86";
  refuses(desc, "instruction: sad8: no target is of the architecture `x86`");
  desc = sad8(), desc.features = "avx2,avx3";
  refuses(desc, "instruction: sad8: no target of x86_64 knows a feature `avx3`");
  desc = sad8(), desc.name = "dot4_u8s8";
  refuses(desc, "instruction: dot4_u8s8: there is one of that name");
  desc = sad8();
  must(tn_instruction_add(ctx, &desc, &error), error);
  refuses(desc, "instruction: sad8: there is one of that name");
}
END_TEST

#define BODY " { for t in 0..8 { C[0] = C[0] + cast(i64, A[t]) * cast(i64, B[t]) } }"
#define STEP(what) "func f(C: i64[1], A: u8[8], B: u8[8]) { for t in 0..8 { " what " } }"

START_TEST(meanings_are_checked)
{
  static const char parameters[] =
      "instruction: sad8: its parameters are not a sum of one element and two buffers of as many "
      "factors, C[1], A[n], B[n]";
  static const char body[] = "instruction: sad8: its body is not a loop over all 8 factors of one store, to the sum";
  static const char elements[] =
      "instruction: sad8: a step reads other elements than C[0], A[t] and B[t], where t is the loop's";
  refuses_meaning(
      "func f(", "parse: sad8:1:8: expected the name of a parameter, found the end of the text\n  func f(\n         ^");
  refuses_meaning("func f() {}\nfunc g() {}", "instruction: sad8: its meaning is not one function");
  refuses_meaning("func f(C: i64[1], A: u8[8], B: u8[8], D: u8[8])" BODY, parameters);
  refuses_meaning("func f(C: i64[2], A: u8[8], B: u8[8])" BODY, parameters);
  refuses_meaning("func f(C: i64[1], A: u8[8], B: u8[9])" BODY, parameters);
  refuses_meaning("func f(C: i64[1], A: u8[8, 1], B: u8[8]) { C[0] = 0:i64 }", parameters);
  refuses_meaning("func f(C: i64[1], A: u8[8], n: index) { C[0] = 0:i64 }", parameters);
  refuses_meaning("func f(C: i64[1], A: u8[3], B: u8[3]) { C[0] = 0:i64 }",
                  "instruction: sad8: it has 3 steps; there may be 1, 2, 4, 8, 16 or 32");
  refuses_meaning("func f(C: i16[1], A: u8[8], B: u8[8]) { C[0] = 0:i16 }",
                  "instruction: sad8: sums are of integers or floats of 32 or 64 bits");
  refuses_meaning("func f(C: i64[1], A: u4[8], B: u8[8]) { C[0] = 0:i64 }",
                  "instruction: sad8: factors are numbers of whole bytes");
  refuses_meaning("func f(C: i64[1], A: u8[8], B: u8[8]) { C[0] = 0:i64 }", body);
  refuses_meaning("func f(C: i64[1], A: u8[8], B: u8[8]) { for t in 0..7 { C[0] = C[0] + cast(i64, A[t]) } }", body);
  refuses_meaning(STEP("A[t] = B[t]"), body);
  refuses_meaning(STEP("C[0] = C[0] + cast(i64, A[7 - t])"), elements);
  refuses_meaning(STEP("C[0] = C[0] + cast(i64, A[t if t < 3])"), elements);
  char text[4096] = "func f(C: i64[1], A: u8[32], B: u8[32]) { for t in 0..32 { C[0] = C[0] + cast(i64, A[t]";
  for (int i = 1; i <= 20; i++) sprintf(text + strlen(text), " * %d:u8 ^ B[t]", i);
  refuses_meaning(strcat(text, ") } }"), "instruction: sad8: its steps have more than 1024 operations");
}
END_TEST

/* Code that LLVM does not take, with its reason. */
START_TEST(code_is_checked)
{
  tn_instruction_desc desc = sad8();
  desc.emission[1] = "llvm.x86.avx2.psad.bx";
  refuses(desc, "instruction: sad8: LLVM has no intrinsic `llvm.x86.avx2.psad.bx`");
  desc = sad8(), desc.code = TN_INSTRUCTION_INTRINSIC;
  refuses(desc,
          "instruction: sad8: LLVM does not take `llvm.x86.sse2.psad.bw`: Intrinsic has incorrect argument type!");
  desc = sad8(), desc.emission[2] = "llvm.x86.avx2.psad.bw";
  refuses(desc, "instruction: sad8: LLVM does not take `llvm.x86.avx2.psad.bw`: Intrinsic has incorrect return type!");
  desc = sad8(), desc.code = TN_INSTRUCTION_ASSEMBLY, desc.emission[0] = "no such instruction";
  refuses(desc, "instruction: sad8: LLVM does not take `no such instruction`: <inline asm>:1:10: unexpected token in "
                "argument list");
  desc = sad8(), desc.code = TN_INSTRUCTION_ASSEMBLY, desc.emission[0] = "paddq $7, $0";
  refuses(desc, "instruction: sad8: LLVM does not take `paddq $7, $0`: invalid operand in inline asm: 'paddq $7, $0'");
}
END_TEST

/* A step of zeros adds 1. */
START_TEST(steps_of_zeros_may_be_something)
{
  tn_instruction_desc desc = sad8();
  tn_schedule *s;
  desc.meaning = STEP("C[0] = C[0] + cast(i64, A[t]) * cast(i64, B[t]) + 1:i64");
  must(tn_instruction_add(ctx, &desc, &error), error);
  tn_program *program = session_parse(
      ctx, "func f(A: u8[20], B: u8[20], C: i64[1]) {\n  for k in 0..20 {\n    block C(reduce q: 0..20 = k) {\n"
           "      C[0] = C[0] + cast(i64, A[q]) * cast(i64, B[q]) + 1:i64\n    }\n  }\n}\n");
  must(tn_schedule_create(program, tn_program_func(program, "f"), &s, &error), error);
  must(tn_schedule_run(s, "ko, kt = split(k, [0, 8])\nblockize(kt)", &error), error);
  refused(tn_schedule_run(s, "tensorize(C, \"sad8\")", &error), error, TN_E_REFUSED,
          "schedule: tensorize: there is a guard, and a step of `sad8` of zeros is not nothing\n"
          "func f(A: u8[20], B: u8[20], C: i64[1]) {\n"
          "  for k in 0..3 {\n"
          "    block C(reduce q: 0..3 = k) {\n"
          "      for k_1 in 0..8 {\n"
          "        if q * 8 + k_1 < 20 {\n"
          "          C[0] = C[0] + cast(i64, A[q * 8 + k_1]) * cast(i64, B[q * 8 + k_1]) + 1:i64\n"
          "          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
          "        }\n      }\n    }\n  }\n}\n");
  tn_schedule_destroy(s);
  tn_program_destroy(program);
}
END_TEST

static tn_status add_sad8(tn_context *small, const void *what) { return tn_instruction_add(small, what, NULL); }

START_TEST(it_fails_without_memory)
{
  tn_instruction_desc desc = sad8();
  fault_walk(add_sad8, &desc, true);
  fault_walk(add_sad8, &desc, false);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {
      the_default_schedule_uses_it,    schedules_use_it_by_its_name, assembly_is_code_too, contexts_are_apart,
      threads_add_them_at_once,        descriptions_are_checked,     meanings_are_checked, code_is_checked,
      steps_of_zeros_may_be_something, it_fails_without_memory};
  return suite_run_tests("instruction", tests, TNI_COUNT(tests), open_context, close_context);
}
