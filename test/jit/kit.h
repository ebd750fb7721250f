/* kit.h -- what the tests of code generation share: a context, loop-level functions from nodes or text, compiled,
 * loaded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_KIT_H
#define TEST_JIT_KIT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "jit.h"
#include "suite.h"

/* A program under test and the code made of it. */
typedef struct kit {
  tn_context *ctx;
  tn_program *program;
  tni_region *r;
  const tn_target *target;
  tni_library *library;
  tn_env env;
  const char *assertion; /* that failed */
  int scratch_held, scratch_left, parallel_calls; /* scratch_left: allocations until NULL */
} kit;

/* A macro, so that the call comes before the error is looked at. */
#define kit_ok(call, error)                                                                                            \
  do {                                                                                                                 \
    tn_status kit_status = (call);                                                                                     \
    ck_assert_msg(kit_status == TN_OK, "%s", tn_error_text(error));                                                    \
  } while (0)

static inline int32_t kit_parallel_for(const tn_env *env, int32_t (*body)(const tn_env *, void *, int64_t, int64_t),
                                       void *closure, int64_t count, int64_t grain) {
  kit *k = env->self;
  (void)grain;
  k->parallel_calls++;
  for (int64_t begin = 0; begin < count; begin += 3) {
    int32_t status = body(env, closure, begin, begin + 3 < count ? begin + 3 : count);
    if (status) return status;
  }
  return 0;
}

static inline void *kit_scratch(const tn_env *env, size_t bytes) {
  kit *k = env->self;
  if (k->scratch_left-- == 0) return NULL;
  k->scratch_held++;
  return tni_scratch_get(k->ctx, bytes);
}

static inline void kit_release(const tn_env *env, void *block) {
  kit *k = env->self;
  k->scratch_held--;
  tni_scratch_release(k->ctx, block);
}

static inline int32_t kit_call_external(const tn_env *env, int32_t index, const tn_value *args, int32_t count,
                                        tn_value *result) {
  kit *k = env->self;
  return tni_call_extern(k->ctx, &k->program->externs[index], args, (size_t)count, result, NULL);
}

static inline int32_t kit_assertion(const tn_env *env, const char *text) {
  kit *k = env->self;
  k->assertion = text;
  return TN_E_INVALID;
}

static inline void kit_open(kit *k, const char *target) {
  tn_error *error = NULL;
  memset(k, 0, sizeof *k);
  kit_ok(tn_context_create(NULL, &k->ctx, &error), error);
  kit_ok(tn_target_get(k->ctx, target, &k->target, &error), error);
  kit_ok(tn_program_create(k->ctx, &k->program, &error), error);
  k->r = &k->program->region;
  k->scratch_left = 1 << 30;
  k->env = (tn_env){sizeof k->env, k, kit_parallel_for, kit_scratch, kit_release, kit_call_external, kit_assertion};
}

static inline void kit_close(kit *k) {
  tni_library_unload(k->library);
  tn_program_destroy(k->program);
  tn_context_destroy(k->ctx);
}

static inline tn_status kit_try_emit(kit *k, size_t count, const tn_func *const *funcs, enum tni_emit what, char **out,
                                     size_t *size, tn_error **err) {
  tni_job job = {.count = count, .funcs = funcs, .what = what};
  tn_status status = tni_compile_jobs(k->ctx, k->target, 1, &job, NULL, NULL, err);
  *out = job.bytes;
  *size = job.size;
  return status;
}

static inline void kit_load(kit *k, size_t count, const tn_func *const *funcs) {
  tn_error *error = NULL;
  char *object;
  size_t size;
  kit_ok(kit_try_emit(k, count, funcs, TNI_EMIT_OBJECT, &object, &size, &error), error);
  kit_ok(tni_library_load(k->ctx, false, 1, &object, &size, &k->library, &error), error);
  tn_text_destroy(object);
}

/* The address of a kernel. */
static inline void *kit_find(kit *k, const char *name) {
  void *address = tni_library_find(k->library, name);
  ck_assert_msg(address != NULL, "no symbol %s", name);
  return address;
}

/* Runs a kernel of so many buffers. */
static inline int32_t kit_call(kit *k, const char *name, size_t count, void *const *args) {
  return tni_caller_of(count)((tni_machine_code)(uintptr_t)kit_find(k, name), &k->env, args);
}
/* Of those in an array. */
#define kit_run(k, name, ...) kit_call(k, name, sizeof(__VA_ARGS__) / sizeof(void *), __VA_ARGS__)

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

/* A flat parameter of `count` elements. */
static inline const tn_buffer *kit_buffer(kit *k, const char *name, tn_type type, int64_t count) {
  const tn_expr *shape = tni_index(k->r, count);
  return tni_buffer(k->r, name, type, TNI_SCOPE_GLOBAL, 1, &shape);
}

/* A loop-level function whose parameters are the buffers. */
static inline const tn_func *kit_func(kit *k, const char *name, uint32_t count, const tn_buffer *const *buffers,
                                      const tn_stmt *body) {
  tni_param *params = TNI_NEW_ARRAY(&k->r->arena, tni_param, count + 1);
  tn_func *func = TNI_NEW(&k->r->arena, tn_func);
  for (uint32_t i = 0; i < count; i++) params[i].buffer = buffers[i];
  *func = (tn_func){.name = tni_arena_text(&k->r->arena, name),
                    .level = TNI_LEVEL_LOOP,
                    .param_count = count,
                    .params = params,
                    .body = body,
                    .program = k->program};
  return func;
}

typedef const tn_expr *(*kit_make)(kit *k, int what, tn_type type, const tn_expr *const *in);

/* for i in 0..count / lanes { out[i * lanes ...] = make(k, what, type, in0[...], in1[...], in2[...]) } */
static inline const tn_func *kit_map(kit *k, const char *name, const tn_type *types, int inputs, tn_type result,
                                     int64_t count, uint32_t lanes, kit_make make, int what) {
  const tn_buffer *buffers[4] = {kit_buffer(k, "out", result, count)};
  const tn_expr *in[3], *var = tni_var(k->r, "i", TN_INDEX);
  const tn_expr *base = tni_mul(k->r, var, tni_index(k->r, lanes)),
                *index = tni_ramp(k->r, base, tni_index(k->r, 1), lanes);
  for (int i = 0; i < inputs; i++) {
    buffers[i + 1] = kit_buffer(k, "in", types[i], count);
    in[i] = tni_load(k->r, TN_TYPE_WITH_LANES(types[i], lanes), buffers[i + 1], 1, &index, NULL);
  }
  const tn_expr *value = make(k, what, TN_TYPE_WITH_LANES(result, lanes), in);
  const tn_stmt *store = tni_store(k->r, buffers[0], 1, &index, value, NULL);
  const tn_stmt *loop = tni_for(k->r, var, tni_index(k->r, count / lanes), TNI_SERIAL, store);
  return kit_func(k, name, (uint32_t)inputs + 1, buffers, loop);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static const tn_type kit_types[] = {TN_BOOL, TN_I4,     TN_U4,     TN_I8,       TN_I16,      TN_I32,  TN_I64,
                                    TN_U8,   TN_U16,    TN_U32,    TN_U64,      TN_F16,      TN_BF16, TN_F32,
                                    TN_F64,  TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ, TN_F4E2M1,
                                    TN_F8E8M0, TN_INDEX};

/* Bit for bit, but for the payload of a NaN. */
static inline bool kit_same(tn_type type, tni_scalar a, tni_scalar b) {
  if (!tni_type_is_float(type)) return a.i == b.i;
  if (isnan(a.f) || isnan(b.f)) return isnan(a.f) && isnan(b.f);
  return a.f == b.f && signbit(a.f) == signbit(b.f);
}

#endif
