/* check.c -- `tenon check`: does a program keep its promises? For each function: are all subscripts proven inside, and do the
 * interpreter and the code of every target that runs here give the same bits on random inputs?
 *
 * What is not proven fails, unless --unproven says `check`: then an input on which the interpreter fails is one on which
 * the code fails. With `trust` the code has no checks, and runs only where the interpreter does not fail.
 *
 * Code is made twice, as the function is written and with the default schedule. Inputs are by turns small numbers and any
 * bits at all; a NaN is like any other NaN. A schedule may make sums of floats in another order, or by an instruction
 * that rounds otherwise: on any bits its code may also do what the interpreter makes of the scheduled function. A model
 * is checked as the functions that its graph is fused into.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const char *const targets[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64-neon", "host"};
enum { TARGET_COUNT = sizeof targets / sizeof *targets };

typedef struct checker {
  session *session;
  const char *file;
  const tn_program *program;
  int32_t runs;
  uint64_t random;
  tn_module *modules[TARGET_COUNT][2];
  size_t functions, failed;
  bool any_bits;       /* of the run at hand */
  int32_t runs_failed; /* of the function at hand, by the interpreter and by the code alike */
} checker;

/* Arguments of a call: one array per buffer, of all its memory in a row. */
typedef struct call {
  size_t count;
  tn_value *values;
  DLTensor *tensors;
  tn_param_form *forms;
  array *arrays;
} call;

static uint32_t next_random(checker *c) {
  c->random = c->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(c->random >> 33);
}

/* ---- helpers: small programs of Tenon's own, so that no element type is known here ---------------------------------- */

/* Runs `body` over i in 0..n on tensors A, B and, if there is one, C. */
static bool run_helper(checker *c, const char *params, const char *body, size_t count, const array *arrays) {
  tn_program *program;
  tn_error *error = NULL;
  tn_value values[3];
  DLTensor tensors[3];
  int64_t n = array_count(&arrays[0]);
  const char *text = take_text("func f(%s) { for i in 0..%lld { %s } }", params, (long long)n, body);
  if (tn_program_parse(c->session->context, text, strlen(text), "helper", &program, &error))
    return report("check", error), false;
  for (size_t i = 0; i < count; i++) {
    tensors[i] = (DLTensor){.data = arrays[i].data,
                            .device = {kDLCPU, 0},
                            .ndim = 1,
                            .dtype = tn_type_to_dlpack(arrays[i].type),
                            .shape = &n};
    values[i] = tn_value_tensor(&tensors[i]);
  }
  tn_status status = tn_func_interpret(tn_program_func_at(program, 0), values, count, &error);
  tn_program_destroy(program);
  return status ? report("check", error), false : true;
}

/* Numbers -4, -3.75 .. 3.75 in every type; what an unsigned type makes of negative ones. */
static bool fill_small(checker *c, array *a) {
  char type[16];
  int64_t n = array_count(a);
  array both[2] = {*a};
  if (!array_create(&both[1], TN_I8, 1, &n, "check")) return false;
  for (int64_t i = 0; i < n; i++) ((int8_t *)both[1].data)[i] = (int8_t)(next_random(c) % 32) - 16;
  tn_type_text(a->type, type);
  bool good = run_helper(c, take_text("A: %s[%lld], B: i8[%lld]", type, (long long)n, (long long)n),
                         take_text("A[i] = cast(%s, cast(f32, B[i]) * 0.25:f32)", type), 2, both);
  array_destroy(&both[1]);
  return good;
}

static void fill_bits(checker *c, array *a) {
  for (size_t i = 0; i < array_bytes(a); i++)
    ((uint8_t *)a->data)[i] = (uint8_t)(a->type == TN_BOOL ? next_random(c) & 1 : next_random(c));
}

static bool same_bits(const array *a, const array *b, int64_t i) {
  size_t bits = TN_TYPE_BITS(a->type), at = (size_t)i * bits / 8;
  if (bits >= 8) return memcmp((char *)a->data + at, (char *)b->data + at, bits / 8) == 0;
  uint8_t mask = (uint8_t)((1u << bits) - 1), shift = (uint8_t)((size_t)i * bits % 8);
  return ((((uint8_t *)a->data)[at] ^ ((uint8_t *)b->data)[at]) >> shift & mask) == 0;
}

/* The first element in which the two differ, all NaNs alike; -1: none; -2 after a message. */
static int64_t first_difference(checker *c, const array *want, const array *have) {
  int64_t n = array_count(want), at = -1;
  if (memcmp(want->data, have->data, array_bytes(want)) == 0) return -1;
  array all[3] = {*want, *have};
  char type[16];
  if (!array_create(&all[2], TN_BOOL, 1, &n, "check")) return -2;
  tn_type_text(want->type, type);
  const char *params =
      take_text("A: %s[%lld], B: %s[%lld], C: bool[%lld]", type, (long long)n, type, (long long)n, (long long)n);
  bool good = run_helper(c, params, "C[i] = A[i] != A[i] && B[i] != B[i]", 3, all);
  for (int64_t i = n - 1; good && i >= 0; i--)
    if (!same_bits(want, have, i) && !((uint8_t *)all[2].data)[i]) at = i;
  array_destroy(&all[2]);
  return good ? at : -2;
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

static void call_destroy(call *k) {
  for (size_t i = 0; i < k->count; i++) array_destroy(&k->arrays[i]);
}

static tn_value random_scalar(checker *c, tn_type type) {
  int64_t x = (int64_t)next_random(c) % 6 + 1;
  if (type == TN_BOOL) return tn_value_int(x & 1);
  bool is_int = TN_TYPE_CODE(type) == kDLInt || TN_TYPE_CODE(type) == kDLUInt || type == TN_INDEX;
  return is_int ? tn_value_int(x) : tn_value_float((double)x / 2);
}

static void set_tensor(call *k, size_t i) {
  tn_param_form *form = &k->forms[i];
  tn_type type = k->arrays[i].type;
  k->tensors[i] = (DLTensor){.data = k->arrays[i].data,
                             .device = {kDLCPU, 0},
                             .ndim = form->rank,
                             .dtype = tn_type_to_dlpack(type),
                             .shape = form->shape,
                             .strides = form->strides,
                             .byte_offset = (uint64_t)form->offset * TN_TYPE_BITS(type) / 8};
  k->values[i] = tn_value_tensor(&k->tensors[i]);
}

static call call_sized(size_t count) {
  return (call){count, take(count, sizeof(tn_value)), take(count, sizeof(DLTensor)), take(count, sizeof(tn_param_form)),
                take(count, sizeof(array))};
}

/* Random arguments. False after a message. */
static bool call_create(checker *c, const tn_func *func, bool any_bits, call *out) {
  tn_error *error = NULL;
  tn_param_info info;
  *out = call_sized(tn_func_param_count(func));
  for (size_t i = 0; i < out->count; i++) {
    tn_func_param(func, i, &info);
    if (!info.is_buffer) out->values[i] = random_scalar(c, info.type);
  }
  for (size_t i = 0; i < out->count; i++) {
    tn_func_param(func, i, &info);
    if (!info.is_buffer) continue;
    if (tn_func_param_form(func, i, out->values, out->count, &out->forms[i], &error))
      return report(tn_func_name(func), error), false;
    if (!array_create(&out->arrays[i], info.type, 1, &out->forms[i].elements, info.name)) return false;
    if (any_bits)
      fill_bits(c, &out->arrays[i]);
    else if (!fill_small(c, &out->arrays[i]))
      return false;
    set_tensor(out, i);
  }
  return true;
}

static bool call_copy(const call *from, call *out) {
  *out = call_sized(from->count);
  for (size_t i = 0; i < from->count; i++) {
    const array *a = &from->arrays[i];
    out->values[i] = from->values[i];
    out->forms[i] = from->forms[i];
    if (!a->data) continue;
    if (!array_create(&out->arrays[i], a->type, a->rank, a->shape, "check")) return false;
    memcpy(out->arrays[i].data, a->data, array_bytes(a));
    set_tensor(out, i);
  }
  return true;
}

/* ---- code ---------------------------------------------------------------------------------------------------------- */

/* One module per target that runs here, with the default schedules and without. */
static bool compile_all(checker *c) {
  for (int t = 0; t < TARGET_COUNT; t++) {
    tn_compile_desc desc = session_compile_desc(c->session);
    tn_error *error = NULL;
    if (desc.unproven == TN_UNPROVEN_REFUSE)
      desc.unproven = TN_UNPROVEN_CHECK; /* refused by function, with all places */
    if (tn_target_get(c->session->context, targets[t], &desc.target, &error)) return report(targets[t], error), false;
    for (int k = 0; k < 2; k++) {
      desc.keep_schedules = (uint8_t)k;
      tn_status status = tn_compile(c->program, &desc, &c->modules[t][k], &error);
      bool elsewhere = status == TN_E_UNSUPPORTED && !strcmp(tn_error_phase(error), "load");
      if (status && !elsewhere) return report(c->file, error), false;
      tn_error_destroy(error);
    }
  }
  progress_clear(c->session);
  return true;
}

static void destroy_all(checker *c) {
  for (int t = 0; t < TARGET_COUNT; t++)
    for (int k = 0; k < 2; k++) tn_module_destroy(c->modules[t][k]);
}

/* Prints the first difference. */
static bool compare(checker *c, const tn_func *func, const char *who, const call *want, const call *have) {
  tn_param_info info;
  for (size_t i = 0; i < want->count; i++) {
    int64_t at = want->arrays[i].data ? first_difference(c, &want->arrays[i], &have->arrays[i]) : -1;
    if (at == -1) continue;
    tn_func_param(func, i, &info);
    if (at >= 0)
      printf("%s: FAIL: %s: element %lld of `%s` is %.9g, the interpreter says %.9g\n", tn_func_name(func), who,
             (long long)at, info.name, array_get(&have->arrays[i], at), array_get(&want->arrays[i], at));
    return false;
  }
  return true;
}

static bool is_same(checker *c, const call *a, const call *b) {
  bool same = true;
  for (size_t i = 0; i < a->count; i++)
    same &= !a->arrays[i].data || first_difference(c, &a->arrays[i], &b->arrays[i]) == -1;
  return same;
}

/* What the interpreter makes of the function with the default schedule for the target. */
static bool interpret_scheduled(checker *c, const tn_func *func, int t, call *inout) {
  tn_compile_desc desc = session_compile_desc(c->session);
  tn_program *scheduled = NULL;
  tn_error *error = NULL;
  char *text = NULL;
  size_t size;
  desc.unproven = desc.unproven == TN_UNPROVEN_REFUSE ? TN_UNPROVEN_CHECK : desc.unproven;
  tn_status status = tn_target_get(c->session->context, targets[t], &desc.target, &error);
  if (!status) status = tn_program_emit(c->program, &desc, "tensor", &text, &size, &error);
  if (!status) status = tn_program_parse(c->session->context, text, size, c->file, &scheduled, &error);
  if (!status)
    status = tn_func_interpret(tn_program_func(scheduled, tn_func_name(func)), inout->values, inout->count, &error);
  tn_text_destroy(text);
  tn_program_destroy(scheduled);
  return status ? report(tn_func_name(func), error), false : true;
}

/* Is it what the function has become by its schedule? */
static bool is_of_schedule(checker *c, const tn_func *func, int t, const call *start, const call *have) {
  call want = {0};
  bool good = call_copy(start, &want) && interpret_scheduled(c, func, t, &want) && is_same(c, &want, have);
  call_destroy(&want);
  return good;
}

/* Runs the code on the inputs. `want` NULL: the interpreter failed, and so must the code. */
static bool run_code(checker *c, const tn_func *func, int t, int k, const call *start, const call *want) {
  const tn_function *function;
  tn_error *error = NULL;
  call have;
  const char *who = take_text("code for %s, %s", targets[t], k ? "as written" : "default schedule");
  bool good = call_copy(start, &have);
  if (good && tn_module_function(c->modules[t][k], tn_func_name(func), &function, &error))
    good = (report(who, error), false);
  else if (good && tn_function_call(function, have.values, have.count, NULL, &error))
    good = want ? (report(who, error), false) : (tn_error_destroy(error), true);
  else
    good = good && want &&
           (is_same(c, want, &have) || (c->any_bits && !k && is_of_schedule(c, func, t, start, &have)) ||
            compare(c, func, who, want, &have));
  call_destroy(&have);
  return good;
}

static bool run_codes(checker *c, const tn_func *func, const call *start, const call *want) {
  bool good = true;
  for (int t = 0; t < TARGET_COUNT && good; t++)
    for (int k = 0; k < 2 && good; k++)
      if (c->modules[t][k]) good = run_code(c, func, t, k, start, want);
  return good;
}

/* ---- functions ----------------------------------------------------------------------------------------------------- */

static bool check_run(checker *c, const tn_func *func, bool any_bits) {
  call start, want = {0};
  tn_error *error = NULL;
  c->any_bits = any_bits;
  bool good = call_create(c, func, any_bits, &start) && call_copy(&start, &want);
  if (good && tn_func_interpret(func, want.values, want.count, &error)) {
    bool fails = c->session->unproven_found == TN_UNPROVEN_CHECK && run_codes(c, func, &start, NULL);
    c->runs_failed += fails;
    good = fails ? (tn_error_destroy(error), true) : (report(tn_func_name(func), error), false);
  } else {
    good = good && run_codes(c, func, &start, &want);
  }
  call_destroy(&start);
  call_destroy(&want);
  return good;
}

static bool check_proofs(checker *c, const tn_func *func, size_t *proven, size_t *unknown) {
  tn_error *error = NULL;
  tn_status status = tn_func_check(func, proven, unknown, &error);
  if (!status) return true;
  if (status != TN_E_VERIFY || c->session->unproven_found == TN_UNPROVEN_REFUSE)
    return report(tn_func_name(func), error), false;
  tn_error_destroy(error);
  return true;
}

static void check_function(checker *c, const tn_func *func) {
  size_t proven, unknown;
  bool good = check_proofs(c, func, &proven, &unknown);
  c->runs_failed = 0;
  for (int32_t i = 0; i < c->runs && good; i++) good = check_run(c, func, i % 2);
  c->functions++;
  c->failed += !good;
  if (!good) return;
  printf("%s: %zu subscripts proven", tn_func_name(func), proven);
  if (unknown) printf(", %zu questions open", unknown);
  printf("; interpreter and code agree on %d inputs", c->runs);
  if (c->runs_failed) printf(", and fail on %d of them", c->runs_failed);
  printf("\n");
}

/* The program to check: of a model, the functions that its graph becomes. */
static bool open_program(checker *c, const tn_program *loaded, tn_program **made) {
  char *text;
  size_t size;
  tn_error *error = NULL;
  *made = NULL;
  c->program = loaded;
  if (!tn_program_graph(loaded, "main")) return true;
  tn_compile_desc desc = session_compile_desc(c->session);
  if (tn_program_emit(loaded, &desc, "tensor", &text, &size, &error)) return report(c->file, error), false;
  tn_status status = tn_program_parse(c->session->context, text, size, c->file, made, &error);
  tn_text_destroy(text);
  c->program = *made;
  return status ? report(c->file, error), false : true;
}

static int check(checker *c) {
  tn_program *loaded, *made;
  if (!session_load(c->session, c->file, 0, NULL, &loaded)) return EXIT_FAILED;
  bool good = open_program(c, loaded, &made) && compile_all(c);
  for (size_t i = 0; good && i < tn_program_func_count(c->program); i++)
    check_function(c, tn_program_func_at(c->program, i));
  if (good) printf("%zu passed, %zu failed\n", c->functions - c->failed, c->failed);
  destroy_all(c);
  tn_program_destroy(made);
  tn_program_destroy(loaded);
  return good && !c->failed ? EXIT_OK : EXIT_FAILED;
}

static int run(const command *self, int argc, char **argv) {
  session s = {.unproven = "refuse"};
  checker c = {.session = &s, .runs = 4};
  int32_t seed = 1;
  const option options[] = {
      {"--runs", "N", OPTION_COUNT, &c.runs, "random inputs for each function; 4"},
      {"--seed", "N", OPTION_COUNT, &seed, "of the inputs; 1"},
      {"--unproven", "HOW", OPTION_TEXT, &s.unproven,
       "subscripts and loops that are not proven sound:\n"
       "refuse  fail (the default)\n"
       "check   must fail in code where they fail in the interpreter\n"
       "trust   are compiled as they are, and run where the interpreter does not fail"},
      {"--shape", "NAME=2x3", OPTION_LIST, &s.shapes, "the shape of an input that the model leaves open"},
      {"--dim", "NAME=2", OPTION_LIST, &s.dims, "an open dimension, by its name; those not given are taken as 1"},
      {"--progress", NULL, OPTION_FLAG, &s.progress, "show progress on stderr, also when it is no terminal"},
      {0}};
  int code = read_options(self, options, argc, argv, &c.file);
  if (code >= 0) return code;
  c.random = (uint64_t)seed * 2 + 1;
  if (!session_open(&s)) return EXIT_FAILED;
  code = check(&c);
  session_close(&s);
  return code;
}

const command command_check = {"check", "FILE",
                               "Verifies a program and compares interpreter and code on random inputs.", run};
