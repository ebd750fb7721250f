/* instruction.c -- a host teaches Tenon an instruction, which schedules then use like those that it knows.
 *
 *     D[i, j] = sum over k of |A[i, k] - B[j, k]|          distances of 64 rows of bytes to 512 others
 *
 * x86-64 adds up the differences of 8 bytes at once (psadbw). Tenon does not know it: vectors widen the bytes and add
 * them one by one. What the instruction means and how LLVM calls it is all that it takes (add_instruction). Then the
 * default schedule makes sums by it, of the same program with the same result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/tenon.h"

enum { ROWS = 64, COLUMNS = 512, BYTES = 256, RUNS = 20 };

static uint8_t A[ROWS * BYTES], B[COLUMNS * BYTES];
static int64_t want[ROWS * COLUMNS], got[ROWS * COLUMNS];

static void must(tn_status status, tn_error *const *error) {
  if (status == TN_OK) return;
  fprintf(stderr, "instruction: %s\n", error ? tn_error_text(*error) : tn_status_name(status));
  exit(1);
}

/* ---- the instruction --------------------------------------------------------------------------------------------- */

static void add_instruction(tn_context *ctx) {
  tn_error *error = NULL;
  tn_instruction_desc psadbw = {
      .struct_size = sizeof psadbw,
      .name = "sad8",
      .meaning = "func sad8(C: i64[1], A: u8[8], B: u8[8]) {\n"
                 "  for t in 0..8 { C[0] = C[0] + cast(i64, max(A[t], B[t]) - min(A[t], B[t])) }\n"
                 "}\n",
      .architecture = "x86_64",
      .code = TN_INSTRUCTION_TERM, /* it gives what is added to the sums */
      .emission = {"llvm.x86.sse2.psad.bw", "llvm.x86.avx2.psad.bw", "llvm.x86.avx512.psad.bw.512"},
  };
  must(tn_instruction_add(ctx, &psadbw, &error), &error);
}

/* ---- a program that it is good for ------------------------------------------------------------------------------- */

/* Groups of 8 bytes of neighbouring rows of B stand side by side: those of the lanes of a vector. */
static const char program_text[] =
    "func distances(A: u8[64, 256], B: u8[512, 256] layout (j, k) -> (k // 8, j, k % 8), D: i64[64, 512]) {\n"
    "  for i in 0..64 { for j in 0..512 { for k in 0..256 {\n"
    "    block D(vi: 0..64 = i, vj: 0..512 = j, reduce vk: 0..256 = k) {\n"
    "      init { D[vi, vj] = 0:i64 }\n"
    "      D[vi, vj] = D[vi, vj] + cast(i64, max(A[vi, vk], B[vj, vk]) - min(A[vi, vk], B[vj, vk]))\n"
    "    }\n"
    "  } } }\n"
    "}\n";

static void fill(void) {
  uint32_t seed = 1;
  for (int i = 0; i < ROWS * BYTES; i++) A[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  for (int i = 0; i < COLUMNS * BYTES; i++) B[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < COLUMNS; j++)
      for (int k = 0; k < BYTES; k++)
        want[i * COLUMNS + j] += abs(A[i * BYTES + k] - B[(k / 8 * COLUMNS + j) * 8 + k % 8]);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Compiles the program with the default schedule, checks what it computes, and gives the seconds that it takes at best.
 * *uses: is the instruction in its code? */
static double run(tn_context *ctx, int *uses) {
  tn_error *error = NULL;
  tn_program *program;
  tn_module *module;
  const tn_function *f;
  char *assembly;
  size_t size;
  double best = 1e9;
  must(tn_program_parse(ctx, program_text, strlen(program_text), "distances", &program, &error), &error);
  must(tn_program_emit(program, NULL, "asm", &assembly, &size, &error), &error);
  *uses = strstr(assembly, "psadbw") != NULL;
  must(tn_compile(program, NULL, &module, &error), &error);
  must(tn_module_function(module, "distances", &f, &error), &error);
  int32_t (*code)(const tn_env *, const uint8_t *, const uint8_t *, int64_t *) =
      (int32_t(*)(const tn_env *, const uint8_t *, const uint8_t *, int64_t *))tn_function_pointer(f);
  for (int i = 0; i < RUNS; i++) {
    double start = seconds();
    must(code(tn_function_env(f), A, B, got), NULL);
    if (seconds() - start < best) best = seconds() - start;
  }
  if (memcmp(want, got, sizeof want) != 0) {
    fprintf(stderr, "instruction: the result is wrong\n");
    exit(1);
  }
  tn_text_destroy(assembly);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return best;
}

int main(void) {
  tn_error *error = NULL;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 1}};
  int uses;
  fill();
  must(tn_context_create(&desc, &ctx, &error), &error);
  double before = run(ctx, &uses);
  printf("without the instruction: %.0f us\n", 1e6 * before);
#if defined(__x86_64__)
  if (uses) return fprintf(stderr, "instruction: it is used before it was added\n"), 1;
  add_instruction(ctx);
  double after = run(ctx, &uses);
  if (!uses) return fprintf(stderr, "instruction: it is not used\n"), 1;
  printf("with it:                 %.0f us, %.1f times as fast\n", 1e6 * after, before / after);
#else
  (void)add_instruction; /* this processor has another one */
#endif
  tn_context_destroy(ctx);
  return 0;
}
