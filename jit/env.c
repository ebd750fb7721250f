/* env.c -- the services that kernels ask of their environment, and what became of a kernel that failed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

static const struct tni_env_self *self_of(const tn_env *env) { return env->self; }

/* ---- failures of the host ---- */

enum { PARALLEL_FOR = 0x7fffffff }; /* in the place of an external's number */

static void note_failure(tni_host_failure *failure, uint32_t who, int32_t status) {
  atomic_store(&failure->word, (uint64_t)who << 32 | (uint32_t)status);
}

tn_status tni_kernel_error(const tn_module *module, const tni_host_failure *failure, tn_status status, const char *what,
                           tn_error **err) {
  if (status == TN_E_NOMEM) return tni_fail_nomem(err);
  const char *assertion = atomic_load(&failure->assertion);
  if (status == TN_E_INVALID && assertion)
    return tni_fail(module->ctx, err, status, "call", what, "the assertion failed: %s", assertion);
  uint64_t word = atomic_load(&failure->word);
  if (status != TN_E_HOST || !word)
    return tni_fail(module->ctx, err, status, "call", what, "the kernel ended with %s", tn_status_name(status));
  uint32_t who = (uint32_t)(word >> 32);
  if (who == PARALLEL_FOR)
    return tni_fail(module->ctx, err, status, "call", what, "the host's parallel_for returned %d", (int)(int32_t)word);
  return tni_fail(module->ctx, err, status, "call", what, "the host's function `%s` returned %d",
                  module->work->externs[who].name, (int)(int32_t)word);
}

/* ---- parallel loops ---- */

typedef struct region_closure {
  const tn_env *env;
  int32_t (*body)(const tn_env *env, void *closure, int64_t begin, int64_t end);
  void *closure;
  atomic_int status; /* the first that was not 0: the host's executor is not relied on to bring it */
} region_closure;

static int32_t run_range(void *closure, int64_t begin, int64_t end) {
  region_closure *c = closure;
  int none = 0;
  int32_t status = c->body(c->env, c->closure, begin, end);
  if (status) atomic_compare_exchange_strong(&c->status, &none, status);
  return status;
}

static int32_t parallel_for(const tn_env *env, int32_t (*body)(const tn_env *, void *, int64_t, int64_t), void *closure,
                            int64_t count, int64_t grain) {
  region_closure c = {.env = env, .body = body, .closure = closure};
  int32_t returned = tni_parallel_for(self_of(env)->module->ctx, run_range, &c, count, grain);
  int32_t status = atomic_load(&c.status);
  if (status || !returned) return status;
  note_failure(self_of(env)->failure, PARALLEL_FOR, returned);
  return TN_E_HOST;
}

/* ---- memory, externals ---- */

static void *scratch(const tn_env *env, size_t bytes) { return tni_scratch_get(self_of(env)->module->ctx, bytes); }
static void release(const tn_env *env, void *block) { tni_scratch_release(self_of(env)->module->ctx, block); }

/* As tni_call_extern, by a signature prepared once. */
static int32_t call_external(const tn_env *env, int32_t index, const tn_value *args, int32_t count, tn_value *result) {
  const struct tni_env_self *self = self_of(env);
  const tni_extern *e = &self->module->work->externs[index];
  tn_status status = tni_caller_call(self->module->extern_callers[index], e->name, e->function, e->self, args,
                                     (size_t)count, result, NULL);
  if (status || e->result != TN_I32 || result->as.i == TN_OK) return status;
  note_failure(self->failure, (uint32_t)index, (int32_t)result->as.i);
  return TN_E_HOST;
}

static int32_t assertion(const tn_env *env, const char *text) {
  atomic_store(&self_of(env)->failure->assertion, text);
  return TN_E_INVALID;
}

tn_status tni_externs_create(tn_module *m, tn_error **err) {
  size_t count = m->work->extern_count;
  m->extern_callers = TNI_NEW_ARRAY(&m->arena, tni_caller *, count);
  if (!m->extern_callers) return tni_fail_nomem(err);
  tn_status status = TN_OK;
  for (size_t i = 0; i < count && !status; i++) {
    const tni_extern *e = &m->work->externs[i];
    status = tni_caller_create(m->ctx, e->result, e->param_count, e->params, &m->extern_callers[i], err);
  }
  return status;
}

void tni_externs_destroy(tn_module *m) {
  for (size_t i = 0; m->extern_callers && i < m->work->extern_count; i++) tni_caller_destroy(m->extern_callers[i]);
}

void tni_env_init(tn_env *out, struct tni_env_self *self) {
  *out = (tn_env){.struct_size = sizeof *out,
                  .self = self,
                  .parallel_for = parallel_for,
                  .scratch = scratch,
                  .release = release,
                  .call_external = call_external,
                  .assertion = assertion};
}
