/* race_fuzz.c -- random functions whose iterations may meet (generate.h):
 *
 *     where the verifier says that two do, the interpreter sees it
 *     where the strict check knows that none do, the interpreter sees none
 *
 *     race_fuzz [--seed N] [--count N]
 *
 * Function number n of a seed is the same everywhere. A failure is printed as `.tn`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "arguments.h"

static const char meets[] = "of the concurrent loop";     /* of the verifier, and of the interpreter */
static const char unknown[] = "may run at the same time"; /* of the strict check */
static const char cut[] = "(and ";                        /* its findings are more than it shows */

/* Takes the error. */
static bool says(tn_error *error, const char *what) {
  bool found = error && strstr(tn_error_text(error), what);
  tn_error_destroy(error);
  return found;
}

static bool sees_race(const tn_func *func, uint64_t seed, bool *runs) {
  arguments a;
  tn_error *error = NULL;
  make_arguments(seed, func, &a);
  *runs = tni_interpret(func, a.values, a.count, &error) == TN_OK;
  free_arguments(&a);
  return says(error, meets);
}

/* NULL: as promised. */
static const char *why_wrong(const tn_func *func, uint64_t seed, long *proven, long *seen) {
  tn_error *error = NULL;
  bool runs;
  if (tn_func_verify(func, &error) != TN_OK) {
    bool refuted = says(error, meets);
    sees_race(func, seed, &runs);
    return refuted && runs ? "refuted, but nothing is seen" : NULL;
  }
  bool race = sees_race(func, seed, &runs);
  tn_func_check(func, NULL, NULL, &error);
  const char *text = error ? tn_error_text(error) : "";
  bool known = !strstr(text, unknown) && !strstr(text, cut);
  tn_error_destroy(error);
  *proven += known;
  *seen += race;
  return race && known ? "proven, but a race is seen" : NULL;
}

static bool check(uint64_t seed, long *proven, long *seen) {
  tn_context *ctx;
  tn_program *program;
  char *text = NULL;
  if (tn_context_create(NULL, &ctx, NULL) != TN_OK || tn_program_create(ctx, &program, NULL) != TN_OK) return false;
  const tn_func *func = gen_func_of(program, "f", seed, true);
  const char *why = func && func->body ? why_wrong(func, seed, proven, seen) : NULL;
  if (why && tn_func_print(func, &text, NULL) == TN_OK)
    printf("# seed %llu: %s\n%s\n", (unsigned long long)seed, why, text);
  tn_text_destroy(text);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  return !why;
}

int main(int argc, char **argv) {
  uint64_t seed = 1;
  long count = 400, failed = 0, proven = 0, seen = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[i + 1], NULL, 10);
    if (strcmp(argv[i], "--count") == 0) count = strtol(argv[i + 1], NULL, 10);
  }
  printf("seed %llu\n", (unsigned long long)seed);
  for (long k = 0; k < count; k++) failed += !check(seed + (uint64_t)k, &proven, &seen);
  printf("%ld passed, %ld failed; %ld proven, %ld races\n", count - failed, failed, proven, seen);
  return failed != 0 || (count >= 400 && (!proven || !seen)); /* both are to be met */
}
