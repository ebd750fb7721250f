/* env.c -- the services that kernels ask of their environment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

static const struct tni_env_self *self_of(const tn_env *env) { return env->self; }

typedef struct region_closure {
  const tn_env *env;
  int32_t (*body)(const tn_env *env, void *closure, int64_t begin, int64_t end);
  void *closure;
} region_closure;

static int32_t run_range(void *closure, int64_t begin, int64_t end) {
  const region_closure *c = closure;
  return c->body(c->env, c->closure, begin, end);
}

static int32_t parallel_for(const tn_env *env, int32_t (*body)(const tn_env *, void *, int64_t, int64_t), void *closure,
                            int64_t count, int64_t grain) {
  region_closure c = {env, body, closure};
  return tni_parallel_for(self_of(env)->module->ctx, run_range, &c, count, grain);
}

static void *scratch(const tn_env *env, size_t bytes) { return tni_scratch_get(self_of(env)->module->ctx, bytes); }
static void release(const tn_env *env, void *block) { tni_scratch_release(self_of(env)->module->ctx, block); }

static int32_t call_external(const tn_env *env, int32_t index, const tn_value *args, int32_t count, tn_value *result) {
  const struct tni_env_self *self = self_of(env);
  const tn_module *m = self->module;
  tn_status status = tni_call_extern(m->ctx, &m->work->externs[index], args, (size_t)count, result, NULL);
  if (status) {
    atomic_store(&self->failure->index, index);
    atomic_store(&self->failure->status, status == TN_E_HOST ? (int)result->as.i : status);
  }
  return status;
}

void tni_env_init(tn_env *out, struct tni_env_self *self) {
  *out = (tn_env){.struct_size = sizeof *out,
                  .self = self,
                  .parallel_for = parallel_for,
                  .scratch = scratch,
                  .release = release,
                  .call_external = call_external};
}

tn_status tni_kernel_error(const tn_module *module, const tni_host_failure *failure, tn_status status, const char *what,
                           tn_error **err) {
  if (status == TN_E_NOMEM)
    return tni_fail_nomem(err);
  int index = atomic_load(&failure->index);
  if (status == TN_E_HOST && index >= 0 && (size_t)index < module->work->extern_count)
    return tni_fail(module->ctx, err, status, "call", what, "the host's function `%s` returned %d",
                    module->work->externs[index].name, atomic_load(&failure->status));
  return tni_fail(module->ctx, err, status, "call", what, "the kernel ended with %s", tn_status_name(status));
}
