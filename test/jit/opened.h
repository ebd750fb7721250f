/* opened.h -- a context, a program and its module, for each test of a file: made by what it needs, destroyed behind it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_OPENED_H
#define TEST_JIT_OPENED_H

#include "ir/onnx_writer.h"
#include "session.h"

static tn_context *ctx;
static tn_program *program;
static tn_module *module;
static tn_error *error;

static void open_context(void) { ctx = session_open(); }

static void close_context(void) {
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

/* Imports and compiles; takes the graph. */
static inline const tn_model *compile_graph(bytes graph) {
  const tn_model *m;
  bytes file = model(13, graph);
  must(tn_onnx_import(ctx, file.data, file.size, NULL, &program, &error), error);
  free(file.data);
  module = session_compile(program, NULL);
  must(tn_module_model(module, "main", &m, &error), error);
  return m;
}

/* The one input and one output of a small model. */
static inline tn_status run_one(const tn_model *m, const DLTensor *in, const DLTensor *out) {
  return tn_model_run(m, &in, 1, &out, 1, &error);
}

#endif
