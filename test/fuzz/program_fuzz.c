/* program_fuzz.c -- random functions (generate.h) keep the promises of the IR:
 *
 *     the verifier accepts them
 *     parse(print(p)) is p, for the function and for what lowering makes of it
 *     the interpreter gives the same bits for the function, for its lowered form, and as the code of each target
 *
 *     program_fuzz [--seed N] [--count N] [--seconds N] [--no-code] [--keep-going] [--show] [--tries N]
 *
 * Function number n of a seed is the same everywhere: `--seed S --count 1` repeats the failure that names S. A failure is made
 * smaller and printed as `.tn`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "jit.h"
#include "shrink.h"

enum { BATCH = 8, WHY = 1 << 14, STEPS = 1 << 22 };

/* Which promise is broken. */
enum verdict {
  GOOD,
  UNVERIFIED,
  TEXT,
  UNINTERPRETED,
  ENDLESS,
  UNLOWERED,
  LOWERED_TEXT,
  LOWERED_VALUES,
  UNCOMPILED,
  VALUES
};
static const char *const verdict_names[] = {"good",
                                            "refused by the verifier",
                                            "another program when parsed back",
                                            "refused by the interpreter",
                                            "more than the interpreter may run",
                                            "not lowered",
                                            "lowered: another when parsed back",
                                            "lowered: other values",
                                            "not compiled",
                                            "other values"};

typedef struct fuzz {
  tn_context *ctx;
  const tn_target *targets[4];
  size_t target_count;
  uint64_t seed;  /* of the function at hand: its arguments too */
  uint64_t steps; /* statements that the interpreter may run; 0: any number */
  char why[WHY];
} fuzz;

static enum verdict because(fuzz *f, enum verdict verdict, const char *format, ...) TN_PRINTF(3, 4);
static enum verdict because(fuzz *f, enum verdict verdict, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(f->why, sizeof f->why, format, args);
  va_end(args);
  return verdict;
}

static enum verdict because_of(fuzz *f, enum verdict verdict, tn_error *error) {
  because(f, verdict, "%s", tn_error_text(error));
  tn_error_destroy(error);
  return verdict;
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static bool same_value(tn_type type, tni_scalar a, tni_scalar b) {
  if (!tni_type_is_float(type)) return a.i == b.i;
  return isnan(a.f) ? isnan(b.f) : a.f == b.f && signbit(a.f) == signbit(b.f);
}

/* Bit for bit, but for the payload of a NaN. */
static enum verdict compare(fuzz *f, enum verdict bad, const char *who, const tn_func *func, const arguments *want,
                            const arguments *have) {
  for (size_t i = 0; i < want->count; i++) {
    const tn_buffer *b = func->params[i].buffer;
    for (int64_t k = 0; k < want->elements[i]; k++) {
      tni_scalar w = tni_read_element(b->type, want->bytes[i], k), h = tni_read_element(b->type, have->bytes[i], k);
      if (same_value(b->type, w, h)) continue;
      if (tni_type_is_float(b->type))
        return because(f, bad, "%s: parameter %zu, element %lld is %a, not %a", who, i, (long long)k, h.f, w.f);
      return because(f, bad, "%s: parameter %zu, element %lld is %lld, not %lld", who, i, (long long)k, (long long)h.i,
                     (long long)w.i);
    }
  }
  return GOOD;
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

/* Prints, parses, prints: the same text. */
static enum verdict check_text(fuzz *f, enum verdict bad, const tn_func *func) {
  tn_program *again = NULL;
  char *text = NULL, *text2 = NULL;
  tn_error *error = NULL;
  enum verdict verdict = GOOD;
  if (tn_func_print(func, &text, &error) != TN_OK ||
      tn_program_parse(f->ctx, text, strlen(text), "printed", &again, &error) != TN_OK ||
      tn_func_print(tn_program_func_at(again, 0), &text2, &error) != TN_OK)
    verdict = because_of(f, bad, error);
  else if (strcmp(text, text2) != 0)
    verdict = because(f, bad, "printed, parsed and printed:\n%s", text2);
  tn_text_destroy(text);
  tn_text_destroy(text2);
  tn_program_destroy(again);
  return verdict;
}

/* ---- interpreter --------------------------------------------------------------------------------------------------- */

static enum verdict interpret(fuzz *f, enum verdict bad, const tn_func *func, arguments *out) {
  tn_error *error = NULL;
  make_arguments(f->seed, func, out);
  tni_interpretation how = {.call = tni_call_extern, .steps = f->steps};
  tn_status status = tni_interpret_with(func, out->values, out->count, &how, &error);
  if (status == TN_OK) return GOOD;
  free_arguments(out);
  return because_of(f, status == TN_E_LIMIT ? ENDLESS : bad, error);
}

/* Lowered code loads lanes that it does not use: what was not written is poison, not a mistake. */
static const tn_stmt *poison(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind != TNI_ALLOC) return s;
  const tn_buffer *b = s->as.alloc.buffer;
  const tn_expr *i = tni_var(r, "p", TN_INDEX), *count = tni_index(r, 1);
  for (int32_t d = 0; d < b->rank; d++) count = tni_mul(r, count, b->shape[d]);
  const tn_expr *x = tni_type_is_float(b->type) ? tni_const_float(r, b->type, NAN) : tni_const_int(r, b->type, 77);
  const tn_stmt *both[] = {tni_for(r, i, count, TNI_SERIAL, tni_store(r, b, 1, &i, x, NULL)), s->as.alloc.body};
  return tni_alloc_stmt(r, b, tni_seq(r, 2, both));
}

static enum verdict check_lowered(fuzz *f, tni_region *r, const tn_func *func, const arguments *want) {
  tn_error *error = NULL;
  const tn_func *lowered;
  arguments have;
  if (tni_lower(r, func, &lowered, &error) != TN_OK) return because_of(f, UNLOWERED, error);
  if (tni_verify(lowered, &error) != TN_OK) return because_of(f, UNLOWERED, error);
  enum verdict verdict = check_text(f, LOWERED_TEXT, lowered);
  if (verdict || !lowered->body) return verdict;
  const tn_stmt *body = tni_stmt_rewrite(r, lowered->body, NULL, poison, NULL);
  verdict = interpret(f, LOWERED_VALUES, tni_func_with_body(r, lowered, TNI_LEVEL_LOOP, body), &have);
  if (verdict) return verdict;
  verdict = compare(f, LOWERED_VALUES, "lowered", func, want, &have);
  free_arguments(&have);
  return verdict;
}

/* ---- code ---------------------------------------------------------------------------------------------------------- */

static enum verdict run_code(fuzz *f, const tn_module *module, const char *who, const tn_func *func,
                             const arguments *want) {
  const tn_function *function;
  tn_error *error = NULL;
  arguments have;
  make_arguments(f->seed, func, &have);
  enum verdict verdict = GOOD;
  if (tn_module_function(module, func->name, &function, &error) != TN_OK ||
      tn_function_call(function, have.values, have.count, NULL, &error) != TN_OK)
    verdict = because_of(f, VALUES, error);
  else
    verdict = compare(f, VALUES, who, func, want, &have);
  free_arguments(&have);
  return verdict;
}

/* By their seed, half of the functions get the default schedule. */
static tn_status compile(const fuzz *f, const tn_program *program, const tn_target *target, tn_module **out,
                         tn_error **error) {
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = target, .keep_schedules = f->seed / BATCH % 2};
  return tn_compile(program, &desc, out, error);
}

static enum verdict check_code(fuzz *f, const tn_program *program, const tn_func *func, const arguments *want) {
  enum verdict verdict = GOOD;
  for (size_t t = 0; t < f->target_count && !verdict; t++) {
    tn_error *error = NULL;
    tn_module *module;
    if (compile(f, program, f->targets[t], &module, &error) != TN_OK) return because_of(f, UNCOMPILED, error);
    verdict = run_code(f, module, f->targets[t]->name, func, want);
    tn_module_destroy(module);
  }
  return verdict;
}

/* ---- functions ----------------------------------------------------------------------------------------------------- */

/* All promises but that of the code; *want, which is the caller's then, is valid when it is GOOD. */
static enum verdict check_meaning(fuzz *f, tn_program *program, const tn_func *func, arguments *want) {
  tni_region r;
  tn_error *error = NULL;
  if (tni_verify(func, &error) != TN_OK) return because_of(f, UNVERIFIED, error);
  enum verdict verdict = check_text(f, TEXT, func);
  if (verdict || (verdict = interpret(f, UNINTERPRETED, func, want))) return verdict;
  tni_region_init(&r, f->ctx, &program->region);
  verdict = check_lowered(f, &r, func, want);
  tni_region_destroy(&r);
  if (verdict) free_arguments(want);
  return verdict;
}

/* One function in a program of its own, which gets a copy. */
static enum verdict check_alone(fuzz *f, const tn_func *func) {
  tn_program *program;
  tn_error *error = NULL;
  arguments want;
  if (tn_program_create(f->ctx, &program, &error) != TN_OK) return because_of(f, UNVERIFIED, error);
  const tn_func *copy = tni_func_clone(&program->region, func, program);
  enum verdict verdict = copy ? check_meaning(f, program, copy, &want) : UNVERIFIED;
  if (!verdict) {
    verdict =
        tni_program_add(program, copy, &error) ? because_of(f, UNVERIFIED, error) : check_code(f, program, copy, &want);
    free_arguments(&want);
  }
  tn_program_destroy(program);
  return verdict;
}

typedef struct attempt {
  fuzz *f;
  enum verdict verdict;
} attempt;

static bool fails_alike(void *self, const tn_func *func) {
  attempt *a = self;
  return check_alone(a->f, func) == a->verdict;
}

/* The functions of seeds first..first + count, compiled together. Gives the number of the first that fails, or -1. */
static long check_batch(fuzz *f, uint64_t first, long count, const char **crashing) {
  tn_program *program;
  tn_error *error = NULL;
  const tn_func *funcs[BATCH];
  arguments want[BATCH];
  long made = 0, bad = -1;
  if (tn_program_create(f->ctx, &program, &error) != TN_OK) return 0;
  for (long k = 0; k < count && bad < 0; k++) {
    char name[32];
    snprintf(name, sizeof name, "f%ld", k);
    f->seed = first + (uint64_t)k;
    funcs[k] = gen_func(program, name, f->seed);
    if (!funcs[k] || check_meaning(f, program, funcs[k], &want[k]))
      bad = k;
    else if (made++, tni_program_add(program, funcs[k], &error))
      bad = k;
  }
  f->seed = first;
  *crashing = "in compiled code";
  for (size_t t = 0; t < f->target_count && bad < 0; t++) {
    tn_module *module;
    if (compile(f, program, f->targets[t], &module, &error) != TN_OK) {
      tn_error_destroy(error);
      bad = count; /* somebody's fault: the caller looks at each alone */
      break;
    }
    for (long k = 0; k < count && bad < 0; k++) {
      f->seed = first + (uint64_t)k;
      if (run_code(f, module, "batch", funcs[k], &want[k])) bad = k;
    }
    f->seed = first;
    tn_module_destroy(module);
  }
  *crashing = "";
  for (long k = 0; k < made; k++) free_arguments(&want[k]);
  tn_program_destroy(program);
  return bad;
}

static void print_function(const char *title, const tn_func *func) {
  char *text = NULL;
  if (tn_func_print(func, &text, NULL) == TN_OK) printf("# %s\n%s", title, text);
  tn_text_destroy(text);
}

/* Looks at one function alone, shrinks it, prints it. Gives whether it fails. */
static bool report(fuzz *f, uint64_t seed, long tries) {
  tn_program *program;
  if (tn_program_create(f->ctx, &program, NULL) != TN_OK) return true;
  f->seed = seed;
  const tn_func *func = gen_func(program, "f", seed);
  attempt a = {f, func ? check_alone(f, func) : GOOD};
  if (a.verdict) {
    f->steps = STEPS; /* a loop that is made smaller may not end by itself */
    func = shrink(&program->region, func, fails_alike, &a, tries);
    f->steps = 0;
    check_alone(f, func); /* says why again */
    printf("# seed %llu: %s\n", (unsigned long long)seed, verdict_names[a.verdict]);
    print_function("made smaller", func);
    printf("# %s\n\n", f->why);
    fflush(stdout);
  }
  tn_program_destroy(program);
  return a.verdict != GOOD;
}

/* ---- main ---------------------------------------------------------------------------------------------------------- */

static uint64_t current_seed;
static const char *doing = "";

static void crashed(int number) {
  printf("# signal %d %s, seeds %llu..+%d\n", number, doing, (unsigned long long)current_seed, BATCH);
  fflush(stdout);
  _exit(1);
}

/* The x86 levels that this machine runs. */
static void open_targets(fuzz *f) {
  static const char *const names[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
  for (int level = 2; level <= 4 && level <= tni_host_level(); level++)
    if (tn_target_get(f->ctx, names[level - 2], &f->targets[f->target_count], NULL) == TN_OK) f->target_count++;
}

static void show(fuzz *f, uint64_t seed) {
  tn_program *program;
  if (tn_program_create(f->ctx, &program, NULL) != TN_OK) return;
  const tn_func *func = gen_func(program, "f", seed);
  if (func) print_function("generated", func);
  tn_program_destroy(program);
}

int main(int argc, char **argv) {
  static fuzz f;
  uint64_t seed = 1;
  long count = 400, seconds = 0, failed = 0, done = 0, tries = 400;
  bool keep_going = false, no_code = false, only_show = false;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--no-code") == 0) no_code = true;
    if (strcmp(argv[i], "--keep-going") == 0) keep_going = true;
    if (strcmp(argv[i], "--show") == 0) only_show = true;
    if (strcmp(argv[i], "--seed") == 0) seed = strtoull(value, NULL, 10);
    if (strcmp(argv[i], "--count") == 0) count = strtol(value, NULL, 10);
    if (strcmp(argv[i], "--tries") == 0) tries = strtol(value, NULL, 10);
    if (strcmp(argv[i], "--seconds") == 0) seconds = strtol(value, NULL, 10), count = 1L << 40;
  }
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 2, .compile_workers = 1}};
  if (tn_context_create(&desc, &f.ctx, NULL) != TN_OK) return 1;
  if (!no_code) open_targets(&f);
  if (only_show) return show(&f, seed), 0;
  printf("seed %llu, %zu targets\n", (unsigned long long)seed, f.target_count);
  fflush(stdout);
  signal(SIGSEGV, crashed);
  signal(SIGABRT, crashed);
  signal(SIGFPE, crashed);
  signal(SIGILL, crashed);
  time_t start = time(NULL);
  while (done < count && (keep_going || !failed) && (!seconds || time(NULL) - start < seconds)) {
    long batch = count - done < BATCH ? count - done : BATCH, bad;
    current_seed = seed + (uint64_t)done;
    bad = check_batch(&f, current_seed, batch, &doing);
    for (long k = 0; bad >= 0 && k < batch; k++) failed += report(&f, current_seed + (uint64_t)k, tries);
    done += batch;
  }
  printf("%ld passed, %ld failed\n", done - failed, failed);
  tn_context_destroy(f.ctx);
  return failed != 0;
}
