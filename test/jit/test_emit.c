/* test_emit.c -- what tn_program_emit gives of each stage, and other targets than this CPU.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/onnx_writer.h"
#include "session.h"

static tn_context *ctx;
static tn_program *program;
static tn_error *error;
static char *text;
static size_t size;

static const char source[] = "extern note(index): i32\n"
                             "func scale(X: f32[64], Y: f32[64]) {\n  for i in 0..64 {\n"
                             "    block Y(k: 0..64 = i) { Y[k] = X[k] * 2.0:f32 }\n  }\n}\n"
                             "func tell(n: index) {\n  for i in 0..n {\n    call note(i)\n  }\n}\n";

static void open_context(void) {
  ctx = session_open();
  program = session_parse(ctx, source);
}

static void close_context(void) {
  tn_text_destroy(text);
  text = NULL;
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static const char *emit_for(const char *target, const char *stage) {
  tn_compile_desc desc = {.struct_size = sizeof desc};
  must(tn_target_get(ctx, target, &desc.target, &error), error);
  tn_text_destroy(text);
  must(tn_program_emit(program, &desc, stage, &text, &size, &error), error);
  ck_assert_uint_gt(size, 0);
  ck_assert_int_eq(text[size], 0);
  return text;
}
static const char *emit(const char *stage) { return emit_for("host", stage); }

/* The stage's text holds that one. */
#define HOLDS(stage, want) ck_assert_msg(strstr(emit(stage), want) != NULL, "no `%s` in:\n%s", want, text)

/* Parsed and printed again, the text is the same. */
static void read_again(const char *stage) {
  char *again;
  tn_program *p = session_parse(ctx, emit(stage));
  must(tn_program_print(p, &again, &error), error);
  ck_assert_str_eq(again, text);
  tn_text_destroy(again);
  tn_program_destroy(p);
}

/* relu(-x) of 4 elements, in the place of the program. */
static void import_graph(void) {
  static const int64_t four = 4;
  bytes g = {0};
  add_node(&g, node("Neg", "n", "x", "a"));
  add_node(&g, node("Softmax", "s", "a", "y"));
  add_input(&g, "x", 1, &four);
  add_output(&g, "y");
  bytes file = model(13, g);
  tn_program_destroy(program);
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
}

/* ---- stages ---------------------------------------------------------------------------------------------------- */

START_TEST(the_tensor_stage_is_scheduled_text)
{
  HOLDS("tensor", "extern note(index): i32\n");
  HOLDS("tensor", "scheduled func scale(X: f32[64], Y: f32[64]) {");
  HOLDS("tensor", "vectorized {");
  HOLDS("tensor", "block Y(");
  read_again("tensor");
}
END_TEST

START_TEST(the_tensor_stage_may_keep_schedules)
{
  tn_compile_desc desc = {.struct_size = sizeof desc, .keep_schedules = 1};
  char *printed;
  must(tn_program_emit(program, &desc, "tensor", &text, &size, &error), error);
  must(tn_program_print(program, &printed, &error), error);
  ck_assert_str_eq(text, printed);
  tn_text_destroy(printed);
}
END_TEST

START_TEST(the_loop_stage_has_vectors_and_no_blocks)
{
  HOLDS("loop", "loop func scale(X: f32[64], Y: f32[64]) {");
  HOLDS("loop", "ramp(");
  HOLDS("loop", "loop func tell(n: index) {");
  ck_assert_ptr_null(strstr(text, "block "));
  read_again("loop");
}
END_TEST

START_TEST(code_as_text)
{
  HOLDS("ll", "define ");
  HOLDS("ll", "@scale(");
  HOLDS("ll", "fmul <");
  HOLDS("asm", "scale:");
  HOLDS("asm", "tell:");
}
END_TEST

START_TEST(code_as_an_object)
{
  emit("obj");
  ck_assert_uint_gt(size, 64);
  ck_assert_mem_eq(text, "\177ELF", 4);
}
END_TEST

START_TEST(the_same_input_gives_the_same_bytes)
{
  static const char *const stages[] = {"tensor", "loop", "ll", "asm", "obj"};
  for (size_t i = 0; i < TNI_COUNT(stages); i++) {
    emit(stages[i]);
    char *first = text;
    size_t first_size = size;
    text = NULL;
    emit(stages[i]);
    ck_assert_uint_eq(size, first_size);
    ck_assert_mem_eq(text, first, size);
    tn_text_destroy(first);
  }
}
END_TEST

START_TEST(graphs_and_plans)
{
  import_graph();
  ck_assert_str_eq(emit("graph"), "graph main(x: f32[4]) -> (y) {\n"
                                  "  a: f32[4] = neg(x) as n\n"
                                  "  y: f32[4] = softmax(a) {axis = 0} as s\n"
                                  "}\n");
  HOLDS("plan", "plan main(1 inputs, 1 outputs, 0 constants, ");
  HOLDS("plan", "call fused_softmax(b2, b1)\n}\n");
  HOLDS("tensor", "func fused_");
}
END_TEST

START_TEST(stages_without_contents_are_empty)
{
  must(tn_program_emit(program, NULL, "graph", &text, &size, &error), error);
  ck_assert_str_eq(text, "");
  ck_assert_uint_eq(size, 0);
}
END_TEST

START_TEST(an_unknown_stage_lists_those_there_are)
{
  refused(tn_program_emit(program, NULL, "tokens", &text, &size, &error), error, TN_E_NOT_FOUND,
          "build: tokens: there is no such stage: graph, tensor, loop, plan, ll, asm, obj");
  ck_assert_ptr_null(text);
  ck_assert_uint_eq(size, 0);
}
END_TEST

/* ---- targets --------------------------------------------------------------------------------------------------- */

static unsigned machine_of(const char *object) {
  return (unsigned char)object[18] | (unsigned)(unsigned char)object[19] << 8;
}

START_TEST(objects_for_other_processors)
{
  enum { EM_X86_64 = 62, EM_AARCH64 = 183, EM_RISCV = 243 };
  ck_assert_uint_eq(machine_of(emit_for("x86-64-v3", "obj")), EM_X86_64);
  ck_assert_uint_eq(machine_of(emit_for("x86-64-v4", "obj")), EM_X86_64);
  ck_assert_uint_eq(machine_of(emit_for("aarch64-neon", "obj")), EM_AARCH64);
  ck_assert_ptr_nonnull(strstr(emit_for("aarch64-neon", "asm"), "v0.4s"));
  ck_assert_uint_eq(machine_of(emit_for("riscv64-rvv", "obj")), EM_RISCV);
  ck_assert_ptr_nonnull(strstr(emit_for("riscv64-rvv", "asm"), "vsetivli"));
}
END_TEST

START_TEST(what_a_target_lacks_is_expanded)
{
  tn_program_destroy(program);
  program = session_parse(ctx, "func f(X: f64[1]) {\n  X[0] = fma(X[0], X[0], 1.0:f64)\n}\n");
  ck_assert_ptr_nonnull(strstr(emit_for("x86-64-v3", "asm"), "vfmadd"));
  ck_assert_ptr_null(strstr(emit_for("x86-64-v2", "asm"), "fma"));
}
END_TEST

/* ---- several targets --------------------------------------------------------------------------------------------- */

enum { LEVELS = 3 };
static const char *const levels[LEVELS] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};

/* Of the targets between the commas, the first as the one that the others are better than. */
static tn_compile_desc desc_for(const char *names, const tn_target **better) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .better = better};
  char copy[100];
  snprintf(copy, sizeof copy, "%s", names);
  for (char *name = strtok(copy, ","); name; name = strtok(NULL, ",")) {
    const tn_target **out = desc.target ? &better[desc.better_count++] : &desc.target;
    must(tn_target_get(ctx, name, out, &error), error);
  }
  return desc;
}

static const char *emit_all(const char *names, const char *stage) {
  const tn_target *better[LEVELS];
  tn_compile_desc desc = desc_for(names, better);
  tn_text_destroy(text);
  must(tn_program_emit(program, &desc, stage, &text, &size, &error), error);
  return text;
}

START_TEST(code_for_several_targets)
{
  static const char *const want[] = {"\n\"scale.x86-64-v2\":",
                                     "\n\"scale.x86-64-v3\":",
                                     "\n\"scale.x86-64-v4\":",
                                     "\n\"tell.x86-64-v4\":",
                                     "\nscale:",
                                     "\ntell:",
                                     "%zmm0",
                                     "\taddps\t",
                                     "cpuid",
                                     "xgetbv"};
  emit_all("x86-64-v2,x86-64-v3,x86-64-v4", "asm");
  for (size_t i = 0; i < TNI_COUNT(want); i++) ck_assert_msg(strstr(text, want[i]) != NULL, "no `%s`", want[i]);
  char *first = text;
  text = NULL;
  ck_assert_str_eq(emit_all("x86-64-v2,x86-64-v3,x86-64-v4", "asm"), first);
  tn_text_destroy(first);
}
END_TEST

/* Their texts are those of the last. */
START_TEST(programs_are_shown_for_the_best)
{
  static const char *const stages[] = {"tensor", "loop"};
  for (size_t i = 0; i < TNI_COUNT(stages); i++) {
    char *want = NULL;
    emit_for("x86-64-v3", stages[i]);
    want = text;
    text = NULL;
    ck_assert_str_eq(emit_all("x86-64-v2,x86-64-v3", stages[i]), want);
    tn_text_destroy(want);
  }
}
END_TEST

START_TEST(targets_of_one_object)
{
  static const struct {
    const char *names, *says;
  } cases[] = {
      {"x86-64-v2,aarch64-neon", "build: aarch64-neon: an object is for one architecture: x86-64-v2 is of another"},
      {"aarch64-neon,x86-64-v3", "build: x86-64-v3: an object is for one architecture: aarch64-neon is of another"},
      {"aarch64-neon,aarch64-neon",
       "build: aarch64-neon: only between levels of x86-64 can a program choose when it runs"},
#if defined(__x86_64__)
      {"x86-64-v2,host", "build: host: only between levels of x86-64 can a program choose when it runs"},
      {"host,x86-64-v4", "build: host: only between levels of x86-64 can a program choose when it runs"},
#endif
      {"x86-64-v3,x86-64-v2", "build: x86-64-v2: it is not above x86-64-v3: the targets of an object rise"},
      {"x86-64-v2,x86-64-v3,x86-64-v3", "build: x86-64-v3: it is not above x86-64-v3: the targets of an object rise"}};
  for (size_t i = 0; i < TNI_COUNT(cases); i++) {
    const tn_target *better[LEVELS];
    tn_compile_desc desc = desc_for(cases[i].names, better);
    char *none;
    refused(tn_program_emit(program, &desc, "obj", &none, &size, &error), error, TN_E_INVALID, cases[i].says);
  }
}
END_TEST

static uint64_t code_bytes(const tn_compile_desc *desc) {
  tn_compile_stats stats = {.struct_size = sizeof stats};
  tn_module *module = session_compile(program, desc);
  tn_module_stats(module, &stats);
  tn_module_destroy(module);
  return stats.code_bytes;
}

START_TEST(a_module_is_for_the_best_target_here)
{
  const tn_target *better[LEVELS], *none[LEVELS];
  int level = tni_host_level();
  if (level < 2) return;
  tn_program_destroy(program);
  program = session_parse(ctx, "func f(X: f32[64]) {\n  for i in 0..64 {\n"
                               "    block X(k: 0..64 = i) { X[k] = fma(X[k], X[k], 1.0:f32) }\n  }\n}\n");
  tn_compile_desc all = desc_for("x86-64-v2,x86-64-v3,x86-64-v4", better), best = desc_for(levels[level - 2], none),
                  least = desc_for("x86-64-v2", none + 1);
  ck_assert_uint_eq(code_bytes(&all), code_bytes(&best));
  if (level > 2) ck_assert_uint_ne(code_bytes(&all), code_bytes(&least));
}
END_TEST

START_TEST(an_object_for_several_targets_runs)
{
  float in[64], out[64];
  tni_library *library;
  if (tni_host_level() < 2) return;
  for (int i = 0; i < 64; i++) in[i] = (float)i - 7;
  emit_all("x86-64-v2,x86-64-v3,x86-64-v4", "obj");
  must(tni_library_load(ctx, false, 1, &text, &size, &library, &error), error);
  int32_t (*scale)(const tn_env *, const float *, float *) =
      (int32_t(*)(const tn_env *, const float *, float *))(uintptr_t)tni_library_find(library, "scale");
  ck_assert_ptr_null(tni_library_find(library, "scale.x86-64-v2"));
  const tn_env env = {.struct_size = sizeof env};
  ck_assert_int_eq(scale(&env, in, out), TN_OK);
  for (int i = 0; i < 64; i++) ck_assert_float_eq(out[i], 2 * in[i]);
  tni_library_unload(library);
}
END_TEST

START_TEST(code_for_another_processor_does_not_run_here)
{
  tn_compile_desc desc = {.struct_size = sizeof desc};
  tn_module *module;
  const char *other = "aarch64-neon";
#if defined(__aarch64__)
  other = "x86-64-v3";
#endif
  char want[200];
  tn_program_destroy(program);
  program = session_parse(ctx, "func f() {\n}\n");
  must(tn_target_get(ctx, other, &desc.target, &error), error);
  snprintf(want, sizeof want,
           "load: %s: code for this target does not run in this process: tn_program_emit gives its object", other);
  refused(tn_compile(program, &desc, &module, &error), error, TN_E_UNSUPPORTED, want);
  ck_assert_ptr_null(module);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {the_tensor_stage_is_scheduled_text,
                                the_tensor_stage_may_keep_schedules,
                                the_loop_stage_has_vectors_and_no_blocks,
                                code_as_text,
                                code_as_an_object,
                                the_same_input_gives_the_same_bytes,
                                graphs_and_plans,
                                stages_without_contents_are_empty,
                                an_unknown_stage_lists_those_there_are,
                                objects_for_other_processors,
                                what_a_target_lacks_is_expanded,
                                code_for_several_targets,
                                programs_are_shown_for_the_best,
                                targets_of_one_object,
                                a_module_is_for_the_best_target_here,
                                an_object_for_several_targets_runs,
                                code_for_another_processor_does_not_run_here};
  return suite_run_tests("emit", tests, TNI_COUNT(tests), open_context, close_context);
}
