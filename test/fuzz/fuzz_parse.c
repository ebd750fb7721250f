/* fuzz_parse.c -- any bytes as the text of a program, or of a plan; what stands behind the first NUL is the side blob. What
 * parses is verified (by tn_program_parse), printed, parsed again and equal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

static void check_identity(const tn_program *program) {
  uint8_t equal;
  uint64_t hash[2];
  for (size_t i = 0; i < tn_program_func_count(program); i++) {
    const tn_func *func = tn_program_func_at(program, i);
    MUST(tn_func_equal(func, func, &equal, NULL) == TN_OK && equal);
    MUST(tn_func_hash(func, hash, NULL) == TN_OK);
  }
}

/* The same for a plan, of kernels `f`, `copy` and one without a name. */
static void read_plan(const char *text, size_t length, tni_text *out) {
  static const char *const kernels[] = {"f", NULL, "copy"};
  tni_arena arena;
  tni_plan plan;
  const char *name;
  tn_error *err;
  tni_text_init(out, fuzz_context());
  tni_arena_init(&arena, fuzz_context());
  tn_status status = tni_plan_parse(&arena, text, length, "fuzz", TNI_COUNT(kernels), kernels, &plan, &name, &err);
  if (fuzz_is_ok(status, name, err)) tni_plan_print(out, name, &plan, kernels);
  tni_arena_destroy(&arena);
}

static void check_plan(const char *text, size_t length) {
  tni_text once, twice;
  read_plan(text, length, &once);
  read_plan(once.data, once.length, &twice);
  MUST(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
  tni_text_destroy(&once);
  tni_text_destroy(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tn_program *program;
  tn_error *err;
  const uint8_t *end = size ? memchr(data, 0, size) : NULL;
  size_t length = end ? (size_t)(end - data) : size;
  tn_status status = tn_program_parse_with(fuzz_context(), (const char *)data, length, "fuzz", end ? end + 1 : NULL,
                                           end ? size - length - 1 : 0, &program, &err);
  if (!fuzz_is_ok(status, program, err)) {
    check_plan((const char *)data, length);
    return 0;
  }
  fuzz_round_trip(program);
  check_identity(program);
  tn_program_destroy(program);
  return 0;
}
