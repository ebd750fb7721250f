/* session.h -- what the tests of compiled programs share: programs from text, modules, views of arrays, exact errors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_SESSION_H
#define TEST_JIT_SESSION_H

#include <stdio.h>
#include <stdlib.h>

#include "jit.h"
#include "lib/fault.h"

/* A macro, so that the call comes before the error is looked at. */
#define must(call, error)                                                                                              \
  do {                                                                                                                 \
    tn_status must_status = (call);                                                                                    \
    ck_assert_msg(must_status == TN_OK, "%s", tn_error_text(error));                                                   \
    ck_assert_ptr_null(error);                                                                                         \
  } while (0)

/* The call fails with that status and, in whole, that text. */
#define refused(call, error, status, text)                                                                             \
  do {                                                                                                                 \
    tn_status refused_status = (call);                                                                                 \
    ck_assert_str_eq(tn_error_text(error), text);                                                                      \
    ck_assert_str_eq(tn_status_name(refused_status), tn_status_name(status));                                          \
    ck_assert_int_eq(tn_error_status(error), status);                                                                  \
    tn_error_destroy(error);                                                                                           \
    error = NULL;                                                                                                      \
  } while (0)

static inline tn_context *session_open(void) {
  tn_context *ctx;
  tn_error *error = NULL;
  must(tn_context_create(NULL, &ctx, &error), error);
  return ctx;
}

static inline tn_program *session_parse(tn_context *ctx, const char *text) {
  tn_program *program;
  tn_error *error = NULL;
  must(tn_program_parse(ctx, text, strlen(text), "test", &program, &error), error);
  return program;
}

static inline tn_module *session_compile(const tn_program *program, const tn_compile_desc *desc) {
  tn_module *module;
  tn_error *error = NULL;
  must(tn_compile(program, desc, &module, &error), error);
  return module;
}

static inline const tn_function *session_function(const tn_module *module, const char *name) {
  const tn_function *function;
  tn_error *error = NULL;
  must(tn_module_function(module, name, &function, &error), error);
  return function;
}

/* A tni_evaluator by compiled code, whatever the size. */
static inline tn_status session_evaluate(void *self, const tn_func *func, void *const *buffers, tn_error **err) {
  tn_module *m;
  const tn_function *f;
  (void)self;
  tn_status status = tn_compile(func->program, NULL, &m, err);
  if (status != TN_OK) return status;
  status = tn_module_function(m, tn_func_name(func), &f, err);
  if (status == TN_OK) status = f->kernel.call(f->kernel.code, &m->env, buffers);
  tn_module_destroy(m);
  return status;
}

/* A compact tensor over the host's memory; `shape` must live on. */
static inline DLTensor view(tn_type type, int32_t rank, int64_t *shape, void *data) {
  return (DLTensor){
      .data = data, .device = {kDLCPU, 0}, .ndim = rank, .dtype = tn_type_to_dlpack(type), .shape = shape};
}

/* Numbers that look random, the same for the same seed: in -1..1 for floating types. */
static inline void fill_random(tn_type type, void *data, int64_t count, uint32_t seed) {
  for (int64_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    int64_t bits = (int64_t)(seed >> 8);
    tni_scalar x;
    if (tni_type_is_float(type))
      x.f = tni_round_to(type, (double)bits / 8388608.0 - 1.0);
    else
      x.i = type == TN_BOOL ? bits & 1 : tni_wrap(type, bits % 100);
    tni_write_element(type, data, i, x);
  }
}

static inline char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "no %s", path);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char *data = malloc(*size + 1);
  ck_assert_ptr_nonnull(data);
  ck_assert_uint_eq(fread(data, 1, *size, file), *size);
  fclose(file);
  data[*size] = 0;
  return data;
}

static inline const char *source_path(const char *name) {
  static char path[1024];
  const char *root = getenv("TN_SOURCE_ROOT");
  snprintf(path, sizeof path, "%s/%s", root ? root : ".", name);
  return path;
}

#endif
