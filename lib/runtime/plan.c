/* plan.c -- plans bound to code, and their execution in a few nanoseconds a step.
 *
 * An executor holds the steps; an instance holds what one call at a time needs: the arena and, for all steps in one
 * flat array, the pointers of their arguments. Constants and slices of the arena are bound when an instance is made; a
 * run patches in the inputs and outputs and walks the steps. Instances are kept: the last one used in a slot of its
 * own, which costs one atomic exchange, the others in a list.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <pthread.h>

#include "lib.h"

enum { ALIGN = 64 };

struct bound_step {
  tni_callee kernel;
  size_t first; /* argument, in an instance's array */
};

/* The pointer that an argument gets: a constant's, or (arena) the instance's arena plus `offset`. */
struct binding {
  bool arena;
  size_t offset;
  void *constant;
};

/* Argument `slot` is input or output number `index`, from byte `offset` on. */
struct fix_up {
  size_t slot, offset;
  uint32_t index;
};

struct instance {
  struct instance *next;
  char *arena;
  void *args[];
};

struct tni_executor {
  tn_context *ctx;
  const tn_env *env;
  tni_arena memory; /* of what follows */
  size_t step_count, slot_count, input_count, output_count;
  struct bound_step *steps;
  struct binding *bindings; /* by slot */
  struct fix_up *inputs, *outputs;
  size_t head_bytes, instance_bytes; /* of an instance without and with its arena */
  _Atomic(struct instance *) last;
  pthread_mutex_t mutex;
  struct instance *idle; /* under the mutex */
};

/* A copy has three arguments: destination, source, and the count of bytes as a pointer. */
static int32_t copy_bytes(tni_machine_code code, const tn_env *env, void *const *args) {
  (void)code, (void)env;
  if (args[2]) memmove(args[0], args[1], (size_t)(uintptr_t)args[2]);
  return 0;
}

/* ---- binding ----------------------------------------------------------------------------------------------------- */

static tn_status check_part(tn_context *ctx, const tni_plan *plan, uint32_t i, tn_error **err) {
  const tni_plan_buffer *b = &plan->buffers[i], *whole = &plan->buffers[b->index];
  if (b->index >= i || whole->kind == TNI_PLAN_PART)
    return tni_fail(ctx, err, TN_E_INVALID, "load", "plan", "buffer %u: buffer %u is no whole one before it", i, b->index);
  if (b->offset > whole->bytes || b->bytes > whole->bytes - b->offset)
    return tni_fail(ctx, err, TN_E_INVALID, "load", "plan", "buffer %u ends beyond buffer %u of %llu bytes", i, b->index,
                    (unsigned long long)whole->bytes);
  return TN_OK;
}

static tn_status check_buffer(tn_context *ctx, const tni_plan *plan, uint32_t i, tn_error **err) {
  const tni_plan_buffer *b = &plan->buffers[i];
  if (b->kind == TNI_PLAN_PART) return check_part(ctx, plan, i, err);
  uint32_t count = b->kind == TNI_PLAN_INPUT    ? plan->input_count
                   : b->kind == TNI_PLAN_OUTPUT ? plan->output_count
                                                : plan->const_count;
  if (b->kind != TNI_PLAN_ARENA && b->index >= count)
    return tni_fail(ctx, err, TN_E_INVALID, "load", "plan", "buffer %u: number %u is not below %u", i, b->index, count);
  if (b->kind == TNI_PLAN_ARENA && (b->offset > plan->arena_bytes || b->bytes > plan->arena_bytes - b->offset))
    return tni_fail(ctx, err, TN_E_INVALID, "load", "plan", "buffer %u ends beyond the arena of %llu bytes", i,
                    (unsigned long long)plan->arena_bytes);
  return TN_OK;
}

static tn_status check_step(tn_context *ctx, const tni_plan *plan, uint32_t i, const tni_callee *kernels,
                            tn_error **err) {
  const tni_plan_step *s = &plan->steps[i];
  if (s->first_arg > plan->arg_count || s->arg_count > plan->arg_count - s->first_arg)
    return tni_fail(ctx, err, TN_E_INVALID, "load", "plan", "step %u: arguments beyond the plan's", i);
  const uint32_t *args = plan->args + s->first_arg;
  for (uint32_t a = 0; a < s->arg_count; a++)
    if (args[a] >= plan->buffer_count)
      return tni_fail(ctx, err, TN_E_INVALID, "load", "plan", "step %u: there is no buffer %u", i, args[a]);
  if (s->kernel != TNI_PLAN_COPY) {
    if (kernels[s->kernel].code) return TN_OK;
    return tni_fail(ctx, err, TN_E_INVALID, "load", "plan", "step %u: kernel %u has no code", i, s->kernel);
  }
  if (s->arg_count != 2 || plan->buffers[args[0]].bytes != plan->buffers[args[1]].bytes)
    return tni_fail(ctx, err, TN_E_INVALID, "load", "plan", "step %u: a copy takes two buffers of one size", i);
  return TN_OK;
}

static tn_status check_plan(tn_context *ctx, const tni_plan *plan, const tni_callee *kernels, tn_error **err) {
  tn_status status = TN_OK;
  if (plan->arena_bytes > ctx->limits.total_bytes)
    return tni_fail(ctx, err, TN_E_LIMIT, "load", "plan", "intermediates take %llu bytes, the limit is %llu",
                    (unsigned long long)plan->arena_bytes, (unsigned long long)ctx->limits.total_bytes);
  for (uint32_t i = 0; !status && i < plan->buffer_count; i++) status = check_buffer(ctx, plan, i, err);
  for (uint32_t i = 0; !status && i < plan->step_count; i++) status = check_step(ctx, plan, i, kernels, err);
  return status;
}

/* Binds the next slot to buffer i. */
static void bind(tni_executor *e, const tni_plan *plan, uint32_t i, void *const *constants) {
  const tni_plan_buffer *b = &plan->buffers[i];
  size_t slot = e->slot_count++, offset = b->kind == TNI_PLAN_PART ? (size_t)b->offset : 0;
  if (b->kind == TNI_PLAN_PART) b = &plan->buffers[b->index];
  switch (b->kind) {
  case TNI_PLAN_INPUT: e->inputs[e->input_count++] = (struct fix_up){slot, offset, b->index}; break;
  case TNI_PLAN_OUTPUT: e->outputs[e->output_count++] = (struct fix_up){slot, offset, b->index}; break;
  case TNI_PLAN_CONST: e->bindings[slot].constant = (char *)constants[b->index] + offset; break;
  case TNI_PLAN_ARENA: e->bindings[slot] = (struct binding){.arena = true, .offset = (size_t)b->offset + offset}; break;
  case TNI_PLAN_PART: assert(false); /* of a part: check_part */
  }
}

static void bind_step(tni_executor *e, const tni_plan *plan, const tni_plan_step *step,
                      const tni_callee *kernels, void *const *constants) {
  const uint32_t *args = plan->args + step->first_arg;
  bool copy = step->kernel == TNI_PLAN_COPY;
  e->steps[e->step_count++] = (struct bound_step){copy ? (tni_callee){.call = copy_bytes} : kernels[step->kernel], e->slot_count};
  for (uint32_t a = 0; a < step->arg_count; a++) bind(e, plan, args[a], constants);
  if (copy) e->bindings[e->slot_count++].constant = (void *)(uintptr_t)plan->buffers[args[0]].bytes;
}

/* Slots that the steps take; they may share arguments in the plan, never here. */
static size_t count_slots(const tni_plan *plan) {
  size_t count = 0;
  for (uint32_t i = 0; i < plan->step_count; i++)
    count += (size_t)plan->steps[i].arg_count + (plan->steps[i].kernel == TNI_PLAN_COPY);
  return count;
}

/* Sizes of an instance: head, argument array, arena at the next multiple of ALIGN. False: they overflow. */
static bool size_instance(tni_executor *e, size_t slots, uint64_t arena_bytes) {
  size_t head;
  if (arena_bytes > SIZE_MAX || !tni_mul_size(slots, sizeof(void *), &head)) return false;
  if (!tni_add_size(head, sizeof(struct instance) + ALIGN - 1, &head)) return false;
  e->head_bytes = head & ~(size_t)(ALIGN - 1);
  return tni_add_size(e->head_bytes, (size_t)arena_bytes, &e->instance_bytes);
}

tn_status tni_executor_create(tn_context *ctx, const tni_plan *plan, const tn_env *env,
                              const tni_callee *kernels, void *const *constants, tni_executor **out, tn_error **err) {
  if (err) *err = NULL;
  *out = NULL;
  tn_status status = check_plan(ctx, plan, kernels, err);
  if (status) return status;
  tni_executor *e = tni_alloc_zero(ctx, sizeof *e);
  if (!e) return tni_fail_nomem(err);
  if (pthread_mutex_init(&e->mutex, NULL)) {
    tni_free(ctx, e, sizeof *e);
    return tni_fail_nomem(err);
  }
  size_t slots = count_slots(plan);
  e->ctx = ctx;
  e->env = env;
  tni_arena_init(&e->memory, ctx);
  e->steps = TNI_NEW_ARRAY(&e->memory, struct bound_step, plan->step_count);
  e->bindings = TNI_NEW_ARRAY(&e->memory, struct binding, slots);
  e->inputs = TNI_NEW_ARRAY(&e->memory, struct fix_up, slots);
  e->outputs = TNI_NEW_ARRAY(&e->memory, struct fix_up, slots);
  if (e->memory.failed || !size_instance(e, slots, plan->arena_bytes)) {
    tni_executor_destroy(e);
    return tni_fail_nomem(err);
  }
  for (uint32_t i = 0; i < plan->step_count; i++) bind_step(e, plan, &plan->steps[i], kernels, constants);
  *out = e;
  return TN_OK;
}

/* ---- instances --------------------------------------------------------------------------------------------------- */

static struct instance *create_instance(tni_executor *e) {
  struct instance *instance = tni_alloc_aligned(e->ctx, e->instance_bytes, ALIGN);
  if (!instance) return NULL;
  instance->next = NULL;
  instance->arena = (char *)instance + e->head_bytes;
  for (size_t i = 0; i < e->slot_count; i++) {
    const struct binding *b = &e->bindings[i];
    instance->args[i] = b->arena ? instance->arena + b->offset : b->constant;
  }
  return instance;
}

/* An instance that no other call uses, or NULL: no memory. */
static struct instance *take_instance(tni_executor *e) {
  struct instance *instance = atomic_exchange_explicit(&e->last, NULL, memory_order_acquire);
  if (instance) return instance;
  pthread_mutex_lock(&e->mutex);
  instance = e->idle;
  if (instance) e->idle = instance->next;
  pthread_mutex_unlock(&e->mutex);
  return instance ? instance : create_instance(e);
}

static void give_instance(tni_executor *e, struct instance *instance) {
  struct instance *none = NULL;
  if (atomic_compare_exchange_strong_explicit(&e->last, &none, instance, memory_order_release, memory_order_relaxed))
    return;
  pthread_mutex_lock(&e->mutex);
  instance->next = e->idle;
  e->idle = instance;
  pthread_mutex_unlock(&e->mutex);
}

static void destroy_instance(tni_executor *e, struct instance *instance) {
  tni_free_aligned(e->ctx, instance, e->instance_bytes, ALIGN);
}

void tni_executor_destroy(tni_executor *e) {
  if (!e) return;
  destroy_instance(e, atomic_load(&e->last));
  while (e->idle) {
    struct instance *next = e->idle->next;
    destroy_instance(e, e->idle);
    e->idle = next;
  }
  tni_arena_destroy(&e->memory);
  pthread_mutex_destroy(&e->mutex);
  tni_free(e->ctx, e, sizeof *e);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* An instance with the call's inputs and outputs in it, or NULL. */
static inline struct instance *begin(tni_executor *e, void *const *inputs, void *const *outputs,
                                     uint32_t *failed_step) {
  if (failed_step) *failed_step = TNI_PLAN_NO_STEP;
  struct instance *instance = take_instance(e);
  if (!instance) return NULL;
  void **args = instance->args;
  for (const struct fix_up *f = e->inputs; f != e->inputs + e->input_count; f++)
    args[f->slot] = (char *)inputs[f->index] + f->offset;
  for (const struct fix_up *f = e->outputs; f != e->outputs + e->output_count; f++)
    args[f->slot] = (char *)outputs[f->index] + f->offset;
  return instance;
}

tn_status tni_executor_run(tni_executor *e, void *const *inputs, void *const *outputs, uint32_t *failed_step) {
  struct instance *instance = begin(e, inputs, outputs, failed_step);
  if (!instance) return TN_E_NOMEM;
  void **args = instance->args;
  tn_status status = TN_OK;
  const tn_env *env = e->env;
  const struct bound_step *step = e->steps, *end = step + e->step_count;
  for (; step != end; step++) {
    status = step->kernel.call(step->kernel.code, env, args + step->first);
    if (status) break;
  }
  if (status && failed_step) *failed_step = (uint32_t)(step - e->steps);
  give_instance(e, instance);
  return status;
}

/* A step ends where the next begins: one look at the clock for each. */
tn_status tni_executor_watch(tni_executor *e, const tn_env *env, const tni_watch *watch, void *const *inputs,
                             void *const *outputs, uint32_t *failed_step) {
  double start = tni_seconds(e->ctx), end;
  struct instance *instance = begin(e, inputs, outputs, failed_step);
  tn_status status = instance ? TN_OK : TN_E_NOMEM;
  for (uint32_t i = 0; i < e->step_count && !status; i++, start = end) {
    watch->before(watch->self, i);
    const struct bound_step *step = &e->steps[i];
    status = step->kernel.call(step->kernel.code, env, instance->args + step->first);
    end = tni_seconds(e->ctx);
    watch->after(watch->self, i, start, end);
    if (status && failed_step) *failed_step = i;
  }
  if (instance) give_instance(e, instance);
  return status;
}
