/* scope.c -- what nodes stand for where the builder is: a chained table whose newest entries are dropped first.
 *
 * Entries of one bucket are in order of age, so that dropping the newest is unlinking heads. The table is only ever
 * asked by key, never walked: addresses do not reach the output.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

enum { FIRST_BUCKETS = 256 };

static size_t bucket_of(const void *key, size_t count) {
  uint64_t h = (uint64_t)(uintptr_t)key >> 4;
  return (size_t)(h * 0x9e3779b97f4a7c15u >> 32) & (count - 1);
}

static void link_entry(tni_ll_scope *scope, tni_ll_entry *entry) {
  tni_ll_entry **head = &scope->buckets[bucket_of(entry->key, scope->bucket_count)];
  entry->next = *head;
  *head = entry;
}

/* Twice the room, entries linked again in order of age. */
static bool grow(tni_ll_scope *scope) {
  size_t count = scope->capacity ? 2 * scope->capacity : FIRST_BUCKETS;
  tni_ll_entry **buckets = TNI_NEW_ARRAY(scope->arena, tni_ll_entry *, count);
  tni_ll_entry **log = TNI_NEW_ARRAY(scope->arena, tni_ll_entry *, count);
  if (!buckets || !log) return false;
  if (scope->used) memcpy(log, scope->log, scope->used * sizeof *log);
  scope->buckets = buckets;
  scope->log = log;
  scope->bucket_count = scope->capacity = count;
  for (size_t i = 0; i < scope->used; i++) link_entry(scope, log[i]);
  return true;
}

void tni_ll_scope_init(tni_ll_scope *scope, tni_arena *arena) { *scope = (tni_ll_scope){.arena = arena}; }

tni_ll_entry *tni_ll_scope_find(const tni_ll_scope *scope, const void *key) {
  if (!scope->bucket_count) return NULL;
  tni_ll_entry *e = scope->buckets[bucket_of(key, scope->bucket_count)];
  while (e && e->key != key) e = e->next;
  return e;
}

tni_ll_entry *tni_ll_scope_add(tni_ll_scope *scope, const void *key, LLVMValueRef value) {
  if (scope->used == scope->capacity && !grow(scope)) return NULL;
  tni_ll_entry *e = TNI_NEW(scope->arena, tni_ll_entry);
  if (!e) return NULL;
  e->key = key;
  e->value = value;
  link_entry(scope, e);
  scope->log[scope->used++] = e;
  return e;
}

void tni_ll_scope_pop(tni_ll_scope *scope, size_t count) {
  while (scope->used > count) {
    tni_ll_entry *e = scope->log[--scope->used];
    scope->buckets[bucket_of(e->key, scope->bucket_count)] = e->next;
  }
}
