/* memory.c -- the one door to memory: a context's allocator, with sizes kept by the callers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib.h"

enum { BLOCK_ALIGN = 16, FIRST_CAPACITY = 8, LARGE_PAGE = 2 << 20 };

bool tni_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

bool tni_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

/* Memory of the C library at any power of two; `size` is not 0. Large blocks that are aligned at all, which hold weights and
 * results, are in large pages: a fault for 512 of the small ones, and fewer misses of the TLB when code reads them. */
static void *take(size_t size, size_t align) {
  size_t padded;
  if (size > PTRDIFF_MAX) return NULL; /* no allocator has it, and some stop the process when asked */
  if (align <= BLOCK_ALIGN) return malloc(size);
  bool large = size >= LARGE_PAGE;
  if (large && align < LARGE_PAGE) align = LARGE_PAGE;
  if (!tni_add_size(size, align - 1, &padded)) return NULL;
  char *block = aligned_alloc(align, padded & ~(align - 1));
  if (block && large) madvise(block, size & ~(size_t)(LARGE_PAGE - 1), MADV_HUGEPAGE); /* where there are none: as it was */
  return block;
}

/* The allocator of contexts that bring none. realloc keeps no alignment above malloc's, so such blocks move by hand. */
static void *resize_default(void *self, void *block, size_t old_size, size_t new_size, size_t align) {
  (void)self;
  if (!new_size) {
    free(block);
    return NULL;
  }
  if (!block) return take(new_size, align);
  if (align <= BLOCK_ALIGN) return new_size > PTRDIFF_MAX ? NULL : realloc(block, new_size);
  void *moved = take(new_size, align);
  if (!moved) return NULL;
  memcpy(moved, block, old_size < new_size ? old_size : new_size);
  free(block);
  return moved;
}

const tn_allocator tni_allocator_default = {NULL, resize_default};

static const tn_allocator *allocator_of(const tn_context *ctx) {
  return ctx ? &ctx->allocator : &tni_allocator_default;
}

/* A block that the allocator gave, counted when it is none. */
static void *given(tn_context *ctx, void *block) {
  if (!block && ctx) atomic_fetch_add(&ctx->misses, 1);
  return block;
}

void *tni_alloc_aligned(tn_context *ctx, size_t size, size_t align) {
  assert(align && !(align & (align - 1)));
  if (!size) return NULL;
  const tn_allocator *allocator = allocator_of(ctx);
  return given(ctx, allocator->resize(allocator->self, NULL, 0, size, align));
}

void tni_free_aligned(tn_context *ctx, void *block, size_t size, size_t align) {
  if (!block) return;
  const tn_allocator *allocator = allocator_of(ctx);
  allocator->resize(allocator->self, block, size, 0, align);
}

void *tni_alloc(tn_context *ctx, size_t size) { return tni_alloc_aligned(ctx, size, BLOCK_ALIGN); }

void *tni_alloc_zero(tn_context *ctx, size_t size) {
  void *block = tni_alloc(ctx, size);
  if (block) memset(block, 0, size);
  return block;
}

void *tni_resize(tn_context *ctx, void *block, size_t old_size, size_t new_size) {
  if (!block) return tni_alloc(ctx, new_size);
  const tn_allocator *allocator = allocator_of(ctx);
  void *resized = allocator->resize(allocator->self, block, old_size, new_size, BLOCK_ALIGN);
  return new_size ? given(ctx, resized) : NULL;
}

void tni_free(tn_context *ctx, void *block, size_t size) { tni_free_aligned(ctx, block, size, BLOCK_ALIGN); }

bool tni_reserve(tn_context *ctx, void **items, size_t *capacity, size_t need, size_t item_size) {
  size_t bytes, grown = *capacity + *capacity / 2;
  if (need <= *capacity) return true;
  if (grown < FIRST_CAPACITY) grown = FIRST_CAPACITY;
  if (grown < need) grown = need;
  if (!tni_mul_size(grown, item_size, &bytes)) return false;
  void *moved = tni_resize(ctx, *items, *capacity * item_size, bytes);
  if (!moved) return false;
  *items = moved;
  *capacity = grown;
  return true;
}
