/* use.c -- a program with an operator that was added to a copy of the tree: parsed, verified, printed, interpreted and
 * compiled. See add_operator.sh.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/tenon.h"

static const char text[] = "func f(A: u8[4], B: u8[4], C: u8[4]) {\n"
                           "  for i in 0..4 {\n"
                           "    C[i] = average(A[i], B[i])\n"
                           "  }\n"
                           "}\n";
static uint8_t a[] = {0, 255, 255, 7}, b[] = {0, 255, 254, 10}, c[4];
static const uint8_t want[] = {0, 255, 254, 8};

static tn_error *error;

/* Ends the program unless the call, made before the error is looked at, went well. */
static void check(bool right, const char *what) {
  if (right) return;
  fprintf(stderr, "FAIL: %s %s\n", what, error ? tn_error_text(error) : "");
  exit(1);
}

/* c is what it should be, and is cleared. */
static void check_result(const char *what) {
  check(memcmp(c, want, sizeof c) == 0, what);
  memset(c, 0, sizeof c);
}

int main(void) {
  int64_t shape = 4;
  DLTensor tensors[3];
  tn_value args[3];
  uint8_t *memory[] = {a, b, c};
  tn_context *ctx;
  tn_program *program;
  tn_module *module;
  const tn_function *function;
  char *printed;
  for (int i = 0; i < 3; i++) {
    tensors[i] =
        (DLTensor){.data = memory[i], .device = {kDLCPU, 0}, .ndim = 1, .dtype = {kDLUInt, 8, 1}, .shape = &shape};
    args[i] = tn_value_tensor(&tensors[i]);
  }
  check(tn_context_create(NULL, &ctx, &error) == TN_OK, "context");
  check(tn_program_parse(ctx, text, strlen(text), "average.tn", &program, &error) == TN_OK, "parse and verify");
  check(tn_program_print(program, &printed, &error) == TN_OK, "print");
  check(strcmp(printed, text) == 0, "the printed text is another");
  check(tn_func_interpret(tn_program_func(program, "f"), args, 3, &error) == TN_OK, "interpret");
  check_result("the interpreter's numbers");
  check(tn_compile(program, NULL, &module, &error) == TN_OK, "compile");
  check(tn_module_function(module, "f", &function, &error) == TN_OK, "function");
  check(tn_function_call(function, args, 3, NULL, &error) == TN_OK, "call");
  check_result("the compiled code's numbers");
  tn_text_destroy(printed);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  puts("average: parsed, printed, interpreted, compiled");
  return 0;
}
