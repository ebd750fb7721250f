/* kept_models.h -- what the tests of whole models in the cache of compiled code share: a model, compiled through it and run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_KEPT_MODELS_H
#define TEST_JIT_KEPT_MODELS_H

#include "entries.h"

enum { ROWS = 3, K = 40, N = 48, FILES = 4 }; /* seed, code, constants, text */

/* ---- a model ----------------------------------------------------------------------------------------------------- */

/* relu(x w + v), with w and v from the seed. */
static inline char *model_text(int seed) {
  size_t room = 1 << 16, at = 0;
  char *text = malloc(room);
  at += (size_t)snprintf(text + at, room - at, "graph main(x: f32[%d, %d]) -> (y) {\n  const w: f32[%d, %d] = [", ROWS, K, K, N);
  for (int i = 0; i < K * N; i++)
    at += (size_t)snprintf(text + at, room - at, "%s%d.0", i ? ", " : "", (i * 37 + seed) % 19 - 9);
  at += (size_t)snprintf(text + at, room - at, "]\n  const v: f32[%d] = [", N);
  for (int i = 0; i < N; i++) at += (size_t)snprintf(text + at, room - at, "%s%d.0", i ? ", " : "", (i + seed) % 7);
  snprintf(text + at, room - at,
           "]\n  p: f32[%d, %d] = matmul(x, w) as \"layer/product\"\n  s: f32[%d, %d] = add(p, v)\n"
           "  y: f32[%d, %d] = relu(s)\n}\n",
           ROWS, N, ROWS, N, ROWS, N);
  return text;
}

static inline void check_results(const tn_module *module, int seed) {
  tn_error *error;
  const tn_model *m;
  float x[ROWS * K], y[ROWS * N];
  for (int i = 0; i < ROWS * K; i++) x[i] = (float)(i % 11 - 5);
  ck_assert_int_eq(tn_module_model(module, "main", &m, &error), TN_OK);
  int64_t in_shape[] = {ROWS, K}, out_shape[] = {ROWS, N};
  DLTensor in = {.data = x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = in_shape}, out = in;
  out.data = y;
  out.shape = out_shape;
  const DLTensor *ins[] = {&in}, *outs[] = {&out};
  tn_status status = tn_model_run(m, ins, 1, outs, 1, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < N; j++) {
      float sum = (float)((j + seed) % 7);
      for (int k = 0; k < K; k++) sum += x[i * K + k] * (float)(((k * N + j) * 37 + seed) % 19 - 9);
      ck_assert_float_eq(y[i * N + j], sum > 0 ? sum : 0);
    }
  tn_step_info step = {.struct_size = sizeof step};
  ck_assert_uint_eq(tn_model_step_count(m), 1);
  tn_model_step(m, 0, &step);
  ck_assert_str_eq(step.operators, "matmul add relu");
  ck_assert_str_eq(step.nodes, "layer/product, s, y");
}

/* Compiles it and runs it. */
static inline void use_model(user *u, int seed, tn_compile_desc desc) {
  tn_error *error;
  tn_program *program;
  tn_module *module;
  char *text = model_text(seed);
  desc.struct_size = sizeof desc;
  desc.cache = u->cache;
  tn_status status = tn_program_parse(u->ctx, text, strlen(text), "test", &program, &error);
  if (!status) status = tn_compile(program, &desc, &module, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  tn_program_destroy(program);
  check_results(module, seed);
  tn_module_destroy(module);
  free(text);
}

/* The same in a context of its own, closed again. */
static inline tn_cache_counts use_once(const tn_cache_desc *desc, int seed) {
  user u;
  open_user(&u, desc);
  use_model(&u, seed, (tn_compile_desc){0});
  tn_cache_counts counts = count(&u);
  close_user(&u);
  return counts;
}

static inline void expect_hit(const tn_cache_desc *desc, int seed) {
  tn_cache_counts counts = use_once(desc, seed);
  ck_assert_uint_eq(counts.program_hits, 1);
  ck_assert_uint_eq(counts.hits, 1);
  ck_assert_uint_eq(counts.misses + counts.program_misses + counts.refused + counts.stored + counts.not_stored, 0);
  ck_assert_str_eq(logged, "");
}

#endif
