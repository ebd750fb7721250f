/* first.c -- the example of the README: a function made in memory, compiled, called. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "tenon/tenon.h"

int main(void) {
  tn_context *ctx;
  tn_program *program;
  tn_builder *b;
  tn_module *module = NULL;
  const tn_function *saxpy = NULL;
  tn_error *error = NULL;
  const int64_t shape[] = {1000};
  static float x[1000] = {1, 2, 3}, y[1000] = {10, 20, 30};

  if (tn_context_create(NULL, &ctx, &error) || tn_program_create(ctx, &program, &error) ||
      tn_builder_create(program, "saxpy", &b, &error))
    return puts(tn_error_text(error)), 1;
  const tn_expr *a = tn_param_scalar(b, "a", TN_F32);
  const tn_buffer *xs = tn_param(b, "x", TN_F32, 1, shape), *ys = tn_param(b, "y", TN_F32, 1, shape);
  const tn_expr *i = tn_axis(b, "i", 1000);
  tn_compute(b, ys, &i, tn_op3(b, TN_OP_fma, a, tn_load(b, xs, &i, NULL), tn_load(b, ys, &i, NULL)));

  if (tn_builder_finish(b, NULL, &error) || tn_compile(program, NULL, &module, &error) ||
      tn_module_function(module, "saxpy", &saxpy, &error))
    return puts(tn_error_text(error)), 1;
  typedef int32_t saxpy_code(const tn_env *, float, const float *, float *);
  saxpy_code *code = (saxpy_code *)tn_function_pointer(saxpy);
  code(tn_function_env(saxpy), 2, x, y);
  printf("%g %g %g\n", y[0], y[1], y[2]); /* 12 24 36 */

  tn_module_destroy(module), tn_program_destroy(program), tn_context_destroy(ctx);
  return !(y[0] == 12 && y[2] == 36);
}
