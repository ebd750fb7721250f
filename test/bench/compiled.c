/* compiled.c -- what Tenon makes of a program: a module, its model, how long that took.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "bench.h"

bench_compiled bench_compile_by(tn_program *program, const tn_compile_desc *desc) {
  bench_compiled c = {.program = program};
  tn_error *error = NULL;
  double start = bench_now(true);
  bench_must(tn_compile(program, desc, &c.module, &error), &error);
  c.seconds = bench_now(true) - start;
  return c;
}

bench_compiled bench_compile(tn_program *program) { return bench_compile_by(program, NULL); }

bench_compiled bench_compile_onnx_by(tn_context *ctx, void *file, size_t size, const tn_compile_desc *desc) {
  tn_program *program;
  tn_error *error = NULL;
  bench_must(tn_onnx_import(ctx, file, size, NULL, &program, &error), &error);
  free(file);
  bench_compiled c = bench_compile_by(program, desc);
  bench_must(tn_module_model(c.module, "main", &c.model, &error), &error);
  return c;
}

bench_compiled bench_compile_onnx(tn_context *ctx, void *file, size_t size) {
  return bench_compile_onnx_by(ctx, file, size, NULL);
}

void bench_run_model(const bench_compiled *c, const DLTensor *const *inputs, size_t count, const DLTensor *output) {
  tn_error *error = NULL;
  bench_must(tn_model_run(c->model, inputs, count, &output, 1, &error), &error);
}

void bench_drop_compiled(bench_compiled *c) {
  tn_module_destroy(c->module);
  tn_program_destroy(c->program);
}

DLTensor bench_view(tn_type type, const void *data, int32_t rank, int64_t *shape) {
  void *start = (void *)(uintptr_t)data;
  return (DLTensor){start, .device = {kDLCPU, 0}, .ndim = rank, .dtype = tn_type_to_dlpack(type), .shape = shape};
}
