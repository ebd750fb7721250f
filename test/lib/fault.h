/* fault.h -- an allocator for tests: it counts, checks what it is told, and says no at the chosen call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_FAULT_H
#define TEST_FAULT_H

#include <stdlib.h>

#include "lib.h"
#include "suite.h"

/* `fail_at` counts from 1: that request for memory and all later ones fail (only that one, if `once`). 0: none does. */
typedef struct fault {
  atomic_long blocks, bytes, calls;
  long fail_at;
  bool once;
} fault;

enum { FAULT_HEAD = 64 };
struct fault_head {
  size_t size, align;
};

static inline void *fault_take(fault *f, size_t size, size_t align) {
  size_t unit = align < FAULT_HEAD ? FAULT_HEAD : align;
  char *base = aligned_alloc(unit, (unit + size + unit - 1) / unit * unit);
  ck_assert_ptr_nonnull(base);
  *(struct fault_head *)(void *)(base + unit - sizeof(struct fault_head)) = (struct fault_head){size, align};
  memset(base + unit, 0xa5, size);
  atomic_fetch_add(&f->blocks, 1);
  atomic_fetch_add(&f->bytes, (long)size);
  return base + unit;
}

static inline void fault_drop(fault *f, void *block, size_t size, size_t align) {
  struct fault_head *head = (struct fault_head *)block - 1;
  ck_assert_uint_eq(head->size, size);
  ck_assert_uint_eq(head->align, align);
  atomic_fetch_sub(&f->blocks, 1);
  atomic_fetch_sub(&f->bytes, (long)size);
  memset(block, 0x5a, size);
  free((char *)block - (align < FAULT_HEAD ? FAULT_HEAD : align));
}

static inline void *fault_resize(void *self, void *block, size_t old_size, size_t new_size, size_t align) {
  fault *f = self;
  void *moved = NULL;
  if (new_size) {
    long call = atomic_fetch_add(&f->calls, 1) + 1;
    if (f->fail_at && (f->once ? call == f->fail_at : call >= f->fail_at)) return NULL;
    moved = fault_take(f, new_size, align);
    if (block) memcpy(moved, block, old_size < new_size ? old_size : new_size);
  }
  if (block) fault_drop(f, block, old_size, align);
  return moved;
}

static inline tn_context_desc fault_desc(fault *f) {
  return (tn_context_desc){.struct_size = sizeof(tn_context_desc), .allocator = {f, fault_resize}};
}

/* A context on the allocator; the test fails when it cannot be made. */
static inline tn_context *fault_context(fault *f) {
  tn_context *ctx;
  tn_context_desc desc = fault_desc(f);
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  return ctx;
}

/* Destroys the context; nothing may be left. */
static inline void fault_finish(fault *f, tn_context *ctx) {
  tn_context_destroy(ctx);
  ck_assert_int_eq(atomic_load(&f->blocks), 0);
  ck_assert_int_eq(atomic_load(&f->bytes), 0);
}

/* Which request fails behind number n: each of the first, then some, the further apart the later, by the seed in TN_SEED, which
 * is 1 where there is none. With TN_EXHAUSTIVE each of all. A failure names the number of the request. */
static inline long fault_next(long n) {
  enum { EACH_UP_TO = 300, OF_LATER = 100 };
  static uint64_t state;
  const char *seed = getenv("TN_SEED");
  if (n < EACH_UP_TO || getenv("TN_EXHAUSTIVE")) return n + 1;
  if (!state) state = seed ? strtoull(seed, NULL, 10) + 1 : 2;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return n + 1 + (long)((state >> 33) % (uint64_t)(1 + 2 * n / OF_LATER));
}

/* Calls work on a fresh context with the N-th request for memory failing, N = 1, 2, ... as fault_next says, until none does: only
 * the N-th, if `once`, else all from it on. It gives TN_OK or TN_E_NOMEM, and nothing is left. */
static inline void fault_walk(tn_status (*work)(tn_context *ctx, const void *what), const void *what, bool once) {
  for (long n = 1;; n = fault_next(n)) {
    fault f = {.fail_at = n, .once = once};
    tn_context_desc desc = fault_desc(&f);
    tn_context *ctx;
    tn_error *err;
    desc.threads.count = 2;
    tn_status status = tn_context_create(&desc, &ctx, &err);
    ck_assert_int_eq(tn_error_status(err), status);
    ck_assert(!status == !!ctx);
    tn_error_destroy(err);
    if (!status) status = work(ctx, what);
    ck_assert_msg(status == TN_OK || status == TN_E_NOMEM, "allocation %ld: %s", n, tn_status_name(status));
    bool done = atomic_load(&f.calls) < n;
    if (done) ck_assert_int_eq(status, TN_OK);
    fault_finish(&f, ctx);
    if (done) return;
  }
}

#endif
