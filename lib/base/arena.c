/* arena.c -- memory that is handed out by moving a pointer and freed all at once.
 *
 * Chunks double in size up to a bound; a request larger than the next chunk gets one of its own size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "lib.h"

enum { ALIGN = 16, FIRST_CHUNK = 4096, LAST_CHUNK = 1 << 20 };

struct tni_arena_chunk {
  tni_arena_chunk *next;
  size_t size; /* with this header */
};

void tni_arena_init(tni_arena *arena, tn_context *ctx) { *arena = (tni_arena){.ctx = ctx}; }

void tni_arena_destroy(tni_arena *arena) {
  tni_arena_chunk *chunk = arena->chunks;
  while (chunk) {
    tni_arena_chunk *next = chunk->next;
    tni_free(arena->ctx, chunk, chunk->size);
    chunk = next;
  }
  tni_arena_init(arena, arena->ctx);
}

/* A chunk with room for `size` bytes (a multiple of ALIGN) becomes the current one. False: no memory. */
static bool add_chunk(tni_arena *arena, size_t size) {
  size_t need, chunk_size = arena->chunks ? arena->chunks->size * 2 : FIRST_CHUNK;
  if (chunk_size > LAST_CHUNK) chunk_size = LAST_CHUNK;
  if (!tni_add_size(size, sizeof(tni_arena_chunk), &need)) return false;
  if (chunk_size < need) chunk_size = need;
  tni_arena_chunk *chunk = tni_alloc(arena->ctx, chunk_size);
  if (!chunk) return false;
  chunk->next = arena->chunks;
  chunk->size = chunk_size;
  arena->chunks = chunk;
  arena->next = (char *)(chunk + 1);
  arena->end = (char *)chunk + chunk_size;
  return true;
}

_Static_assert(sizeof(struct tni_arena_chunk) % ALIGN == 0, "what follows a chunk's header must be aligned");

/* Memory that nobody has cleared. */
static void *take(tni_arena *arena, size_t size) {
  size_t padded;
  if (!size) size = 1;
  if (!tni_add_size(size, ALIGN - 1, &padded)) {
    arena->failed = true;
    return NULL;
  }
  padded &= ~(size_t)(ALIGN - 1);
  if (padded > (size_t)(arena->end - arena->next) && !add_chunk(arena, padded)) {
    arena->failed = true;
    return NULL;
  }
  void *block = arena->next;
  arena->next += padded;
  arena->used += padded;
  return block;
}

void *tni_arena_alloc(tni_arena *arena, size_t size) {
  void *block = take(arena, size);
  return block ? memset(block, 0, size) : NULL;
}

void *tni_arena_alloc_array(tni_arena *arena, size_t item_size, size_t count) {
  size_t size;
  if (tni_mul_size(item_size, count, &size)) return tni_arena_alloc(arena, size);
  arena->failed = true;
  return NULL;
}

void *tni_arena_alloc_aligned(tni_arena *arena, size_t size, size_t align) {
  size_t room;
  if (!tni_add_size(size, align, &room)) {
    arena->failed = true;
    return NULL;
  }
  char *block = tni_arena_alloc(arena, room);
  return block ? block + (-(uintptr_t)block & (align - 1)) : NULL;
}

void *tni_arena_copy(tni_arena *arena, const void *bytes, size_t size) {
  void *copy = take(arena, size);
  if (copy && size) memcpy(copy, bytes, size);
  return copy;
}

char *tni_arena_text(tni_arena *arena, const char *text) { return tni_arena_copy(arena, text, strlen(text) + 1); }

char *tni_arena_format(tni_arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0) {
    arena->failed = true;
    return NULL;
  }
  char *text = tni_arena_alloc(arena, (size_t)length + 1);
  if (!text) return NULL;
  va_start(args, format);
  vsnprintf(text, (size_t)length + 1, format, args);
  va_end(args);
  return text;
}
