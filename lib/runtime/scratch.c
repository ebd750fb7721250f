/* scratch.c -- memory for the length of a kernel: free lists of blocks by size class, kept until the context goes.
 *
 * Classes are four to a power of two, so that a new block is at most a quarter larger than was asked. A request takes the
 * smallest free block that has room; when none has, those that lie free are given back before a new one is made. So what
 * is kept comes to what was used at once, not to a block of each size that was ever asked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "lib.h"

enum { ALIGN = 64, FIRST_LOG = 10, LAST_LOG = 47, CLASS_COUNT = (LAST_LOG - FIRST_LOG) * 4 + 1 };

/* In front of the memory that is handed out. */
struct block {
  _Alignas(ALIGN) struct block *next;
  size_t size; /* with this header */
  int size_class;
};
_Static_assert(sizeof(struct block) == ALIGN, "the header keeps the alignment");

struct scratch {
  pthread_mutex_t mutex;
  struct block *free[CLASS_COUNT];
};

/* The least class whose blocks have at least `need` bytes, and that many; CLASS_COUNT when none has. Class 4*i + j
 * holds (4 + j) << (FIRST_LOG + i - 2) bytes. */
static int class_of(size_t need, size_t *size) {
  *size = (size_t)1 << FIRST_LOG;
  if (need <= *size) return 0;
  if (need > (size_t)1 << LAST_LOG) return CLASS_COUNT;
  int log = 63 - __builtin_clzll((unsigned long long)need), shift = log - 2;
  size_t quarters = ((need - 1) >> shift) + 1;
  *size = quarters << shift;
  return (log - FIRST_LOG) * 4 + (int)quarters - 4;
}

static void free_list(tn_context *ctx, struct block *block) {
  while (block) {
    struct block *next = block->next;
    tni_free_aligned(ctx, block, block->size, ALIGN);
    block = next;
  }
}

/* Gives back all that lies free. */
static void free_all(tn_context *ctx, struct scratch *scratch) {
  for (int i = 0; i < CLASS_COUNT; i++) {
    pthread_mutex_lock(&scratch->mutex);
    struct block *list = scratch->free[i];
    scratch->free[i] = NULL;
    pthread_mutex_unlock(&scratch->mutex);
    free_list(ctx, list);
  }
}

static void destroy(tn_context *ctx, void *object) {
  struct scratch *scratch = object;
  for (int i = 0; i < CLASS_COUNT; i++) free_list(ctx, scratch->free[i]);
  pthread_mutex_destroy(&scratch->mutex);
  tni_free(ctx, scratch, sizeof *scratch);
}

static void *create(tn_context *ctx, tn_error **err) {
  struct scratch *scratch = tni_alloc_zero(ctx, sizeof *scratch);
  if (scratch && !pthread_mutex_init(&scratch->mutex, NULL)) return scratch;
  tni_free(ctx, scratch, sizeof *scratch);
  tni_fail_nomem(err);
  return NULL;
}

/* The smallest free block of that class or a larger one. */
static struct block *pop(struct scratch *scratch, int size_class) {
  struct block *block = NULL;
  pthread_mutex_lock(&scratch->mutex);
  while (size_class < CLASS_COUNT && !scratch->free[size_class]) size_class++;
  if (size_class < CLASS_COUNT) {
    block = scratch->free[size_class];
    scratch->free[size_class] = block->next;
  }
  pthread_mutex_unlock(&scratch->mutex);
  return block;
}

void *tni_scratch_get(tn_context *ctx, size_t bytes) {
  size_t need, size;
  struct scratch *scratch = tni_context_slot(ctx, TNI_SLOT_SCRATCH, create, destroy, NULL);
  if (!scratch || !tni_add_size(bytes, sizeof(struct block), &need)) return NULL;
  int size_class = class_of(need, &size);
  if (size_class >= CLASS_COUNT) return NULL;
  struct block *block = pop(scratch, size_class);
  if (block) return block + 1;
  free_all(ctx, scratch);
  block = tni_alloc_aligned(ctx, size, ALIGN);
  if (!block) return NULL;
  block->size = size;
  block->size_class = size_class;
  return block + 1;
}

void tni_scratch_release(tn_context *ctx, void *memory) {
  if (!memory) return;
  struct scratch *scratch = tni_context_slot(ctx, TNI_SLOT_SCRATCH, create, destroy, NULL);
  struct block *block = (struct block *)memory - 1;
  pthread_mutex_lock(&scratch->mutex);
  block->next = scratch->free[block->size_class];
  scratch->free[block->size_class] = block;
  pthread_mutex_unlock(&scratch->mutex);
}
