/* context.c -- contexts: what a host gave (allocator, log, limits, threads) and slots for the state of upper rooms.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>

#include "lib.h"

#define STRING2(x) #x
#define STRING(x) STRING2(x)

enum { DESC_MAX = 4096, THREADS_MAX = 4096, LINE_MAX_ON_STACK = 512 };

struct slot {
  pthread_mutex_t mutex; /* held while the object is made */
  _Atomic(void *) object;
  void (*destroy)(tn_context *, void *);
};

struct tni_context_private {
  struct slot slots[TNI_SLOT_COUNT];
};

const char *tn_version(void) {
  return STRING(TN_VERSION_MAJOR) "." STRING(TN_VERSION_MINOR) "." STRING(TN_VERSION_PATCH);
}

/* Reads the host's struct, which may be older (shorter: the rest is zero) or newer (longer: the rest must be zero) than
 * ours, into *out. `errors` only lends its allocator. */
static tn_status read_desc(tn_context *errors, const tn_context_desc *desc, tn_context_desc *out, tn_error **err) {
  const char *place = "struct_size of tn_context_desc";
  *out = (tn_context_desc){0};
  if (!desc) return TN_OK;
  size_t size = desc->struct_size;
  if (size < sizeof(size_t) || size > DESC_MAX)
    return tni_fail(errors, err, TN_E_INVALID, "context", place, "%zu is not the size of the struct", size);
  memcpy(out, desc, size < sizeof *out ? size : sizeof *out);
  for (size_t i = sizeof *out; i < size; i++)
    if (((const unsigned char *)desc)[i]) {
      errors->allocator = out->allocator.resize ? out->allocator : tni_allocator_default;
      return tni_fail(errors, err, TN_E_VERSION, "context", place,
                      "the host sets fields that this library does not know: it is version %s", tn_version());
    }
  return TN_OK;
}

static tn_status check_desc(tn_context *errors, const tn_context_desc *desc, tn_error **err) {
  const tn_threads *threads = &desc->threads;
  if (threads->count < 0 || threads->count > THREADS_MAX)
    return tni_fail(errors, err, TN_E_INVALID, "context", "threads.count", "%d is not in 0..%d", threads->count,
                    THREADS_MAX);
  if (threads->compile_workers < 0 || threads->compile_workers > THREADS_MAX)
    return tni_fail(errors, err, TN_E_INVALID, "context", "threads.compile_workers", "%d is not in 0..%d",
                    threads->compile_workers, THREADS_MAX);
  if (threads->pin > 1)
    return tni_fail(errors, err, TN_E_INVALID, "context", "threads.pin", "%d is not 0 or 1", threads->pin);
  return TN_OK;
}

static void fill_limits(tn_limits *limits) {
  if (!limits->model_bytes) limits->model_bytes = (uint64_t)2 << 30;
  if (!limits->tensor_bytes) limits->tensor_bytes = (uint64_t)2 << 30;
  if (!limits->total_bytes) limits->total_bytes = (uint64_t)16 << 30;
  if (!limits->nodes) limits->nodes = 1000000;
  if (!limits->nesting) limits->nesting = 100;
}

static void destroy_slots(tn_context *ctx, size_t count) {
  for (size_t i = 0; i < count; i++) pthread_mutex_destroy(&ctx->p->slots[i].mutex);
  tni_free(ctx, ctx->p, sizeof *ctx->p);
}

/* False: no memory, and nothing is left behind. */
static bool create_slots(tn_context *ctx) {
  ctx->p = tni_alloc_zero(ctx, sizeof *ctx->p);
  if (!ctx->p) return false;
  for (size_t i = 0; i < TNI_SLOT_COUNT; i++) {
    atomic_init(&ctx->p->slots[i].object, NULL);
    if (pthread_mutex_init(&ctx->p->slots[i].mutex, NULL)) {
      destroy_slots(ctx, i);
      return false;
    }
  }
  return true;
}

tn_status tn_context_create(const tn_context_desc *desc, tn_context **out, tn_error **err) {
  tn_context_desc all;
  tn_context draft = {.allocator = tni_allocator_default, .os = &tni_os_default};
  if (err) *err = NULL;
  if (!out) return tni_fail(&draft, err, TN_E_INVALID, "context", "out", "is NULL");
  *out = NULL;
  tn_status status = read_desc(&draft, desc, &all, err);
  if (status) return status;
  if (all.allocator.resize) draft.allocator = all.allocator;
  status = check_desc(&draft, &all, err);
  if (status) return status;
  draft.log = all.log;
  draft.limits = all.limits;
  fill_limits(&draft.limits);
  draft.threads = all.threads;
  tn_context *ctx = tni_alloc(&draft, sizeof *ctx);
  if (!ctx) return tni_fail_nomem(err);
  *ctx = draft;
  if (!create_slots(ctx)) {
    tni_free(&draft, ctx, sizeof *ctx);
    return tni_fail_nomem(err);
  }
  *out = ctx;
  return TN_OK;
}

void tn_context_destroy(tn_context *ctx) {
  if (!ctx) return;
  for (size_t i = TNI_SLOT_COUNT; i-- > 0;) {
    struct slot *slot = &ctx->p->slots[i];
    void *object = atomic_load(&slot->object);
    if (object && slot->destroy) slot->destroy(ctx, object);
    atomic_store(&slot->object, NULL);
  }
  destroy_slots(ctx, TNI_SLOT_COUNT);
  tn_context copy = *ctx;
  tni_free(&copy, ctx, sizeof *ctx);
}

void *tni_context_slot(tn_context *ctx, enum tni_slot index, void *(*create)(tn_context *, tn_error **),
                       void (*destroy)(tn_context *, void *), tn_error **err) {
  assert(index < TNI_SLOT_COUNT);
  struct slot *slot = &ctx->p->slots[index];
  if (err) *err = NULL;
  void *object = atomic_load_explicit(&slot->object, memory_order_acquire);
  if (object) return object;
  pthread_mutex_lock(&slot->mutex);
  object = atomic_load_explicit(&slot->object, memory_order_relaxed);
  if (!object) {
    object = create(ctx, err);
    slot->destroy = destroy;
    atomic_store_explicit(&slot->object, object, memory_order_release);
  }
  pthread_mutex_unlock(&slot->mutex);
  return object;
}

void tni_log(tn_context *ctx, int32_t level, const char *format, ...) {
  char line[LINE_MAX_ON_STACK];
  va_list args;
  if (!ctx->log.write || level > ctx->log.max_level) return;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (length < 0) return;
  char *longer = (size_t)length < sizeof line ? NULL : tni_alloc(ctx, (size_t)length + 1);
  if (longer) { /* else a long line is cut */
    va_start(args, format);
    vsnprintf(longer, (size_t)length + 1, format, args);
    va_end(args);
  }
  ctx->log.write(ctx->log.self, level, longer ? longer : line);
  tni_free(ctx, longer, (size_t)length + 1);
}
