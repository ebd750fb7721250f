/* map.c -- maps from nodes or texts to numbers, in order of addition; and the post-order of an expression's DAG.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text.h"

enum { FIRST_SLOTS = 64 };

void tni_map_init(tni_map *map, tn_context *ctx) {
  memset(map, 0, sizeof *map);
  map->ctx = ctx;
}

void tni_map_destroy(tni_map *map) {
  tni_free(map->ctx, map->entries, map->capacity * sizeof *map->entries);
  tni_free(map->ctx, map->slots, map->slot_count * sizeof *map->slots);
  tni_free(map->ctx, map->stack, map->stack_capacity * sizeof *map->stack);
  tni_map_init(map, map->ctx);
}

static uint64_t hash_key(const void *key, size_t length) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  if (length == 0) h ^= (uint64_t)(uintptr_t)key >> 4;
  for (size_t i = 0; i < length; i++) h = (h ^ ((const unsigned char *)key)[i]) * UINT64_C(0x100000001b3);
  h *= UINT64_C(0x9e3779b97f4a7c15);
  return h ^ h >> 32;
}

static bool is_key(const tni_map_entry *e, const void *key, size_t length, uint64_t hash) {
  if (e->hash != hash || e->length != length) return false;
  return length ? memcmp(e->key, key, length) == 0 : e->key == key;
}

/* The slot of the key, or the free one where it belongs. Needs slots. */
static size_t find_slot(const tni_map *map, const void *key, size_t length, uint64_t hash) {
  size_t mask = map->slot_count - 1, i = hash & mask;
  while (map->slots[i] && !is_key(&map->entries[map->slots[i] - 1], key, length, hash)) i = (i + 1) & mask;
  return i;
}

static bool grow_slots(tni_map *map) {
  size_t count = map->slot_count ? 2 * map->slot_count : FIRST_SLOTS;
  size_t *slots = tni_alloc_zero(map->ctx, count * sizeof *slots);
  if (!slots) return false;
  for (size_t e = 0; e < map->count; e++) {
    size_t i = map->entries[e].hash & (count - 1);
    while (slots[i]) i = (i + 1) & (count - 1);
    slots[i] = e + 1;
  }
  tni_free(map->ctx, map->slots, map->slot_count * sizeof *map->slots);
  map->slots = slots;
  map->slot_count = count;
  return true;
}

void tni_map_clear(tni_map *map) {
  for (size_t e = map->count; e > 0; e--) { /* last in, first out: what a probe passed is still there */
    size_t mask = map->slot_count - 1, i = map->entries[e - 1].hash & mask;
    while (map->slots[i] != e) i = (i + 1) & mask;
    map->slots[i] = 0;
  }
  map->count = 0;
}

size_t tni_map_find(const tni_map *map, const void *key, size_t length) {
  if (map->count == 0) return TNI_MAP_NONE;
  size_t found = map->slots[find_slot(map, key, length, hash_key(key, length))];
  return found ? found - 1 : TNI_MAP_NONE;
}

size_t tni_map_add(tni_map *map, const void *key, size_t length, bool *added) {
  uint64_t hash = hash_key(key, length);
  if (added) *added = false;
  if (map->count * 2 >= map->slot_count && !grow_slots(map)) return TNI_MAP_NONE;
  size_t slot = find_slot(map, key, length, hash);
  if (map->slots[slot]) return map->slots[slot] - 1;
  if (!tni_reserve(map->ctx, (void **)&map->entries, &map->capacity, map->count + 1, sizeof *map->entries))
    return TNI_MAP_NONE;
  map->entries[map->count] = (tni_map_entry){.key = key, .length = length, .hash = hash};
  map->slots[slot] = ++map->count;
  if (added) *added = true;
  return map->count - 1;
}

static bool push_frame(tni_map *map, size_t depth, const tn_expr *node) {
  if (!tni_reserve(map->ctx, (void **)&map->stack, &map->stack_capacity, depth + 1, sizeof *map->stack)) return false;
  map->stack[depth] = (tni_dag_frame){.node = node};
  return true;
}

bool tni_map_add_dag(tni_map *map, const tn_expr *root) {
  if (!root || tni_map_find(map, root, 0) != TNI_MAP_NONE) return true;
  size_t depth = 0;
  if (!push_frame(map, depth++, root)) return false;
  while (depth > 0) {
    tni_dag_frame *top = &map->stack[depth - 1];
    if (top->next == top->node->nargs) {
      if (tni_map_add(map, top->node, 0, NULL) == TNI_MAP_NONE) return false;
      depth--;
      continue;
    }
    const tn_expr *arg = top->node->arg[top->next++];
    if (tni_map_find(map, arg, 0) == TNI_MAP_NONE && !push_frame(map, depth++, arg)) return false;
  }
  return true;
}

typedef struct small_tree {
  int count;
  uint64_t taken; /* a bit for each slot */
  const tn_expr *slots[64];
} small_tree;

static bool grow_tree(small_tree *t, const tn_expr *x) {
  size_t i = x->hash % TNI_COUNT(t->slots);
  if (x->nargs == 0) return true;
  if (++t->count > (int)TNI_COUNT(t->slots) / 2) return false;
  for (; t->taken >> i & 1; i = (i + 1) % TNI_COUNT(t->slots))
    if (t->slots[i] == x) return false;
  t->taken |= UINT64_C(1) << i;
  t->slots[i] = x;
  for (int k = 0; k < x->nargs; k++)
    if (!grow_tree(t, x->arg[k])) return false;
  return true;
}

bool tni_is_small_tree(size_t count, const tn_expr *const *roots) {
  small_tree t;
  t.count = 0;
  t.taken = 0;
  for (size_t i = 0; i < count; i++)
    if (roots[i] && !grow_tree(&t, roots[i])) return false;
  return true;
}

static size_t add_saturating(size_t a, size_t b) { return a > SIZE_MAX - b ? SIZE_MAX : a + b; }

size_t tni_tree_size(tn_context *ctx, const tn_expr *x) {
  tni_map map;
  tni_map_init(&map, ctx);
  size_t size = 0;
  if (tni_map_add_dag(&map, x))
    for (size_t n = 0; n < map.count; n++) {
      const tn_expr *node = map.entries[n].key;
      size = 1;
      for (int i = 0; i < node->nargs; i++)
        size = add_saturating(size, map.entries[tni_map_find(&map, node->arg[i], 0)].value);
      map.entries[n].value = size;
    }
  tni_map_destroy(&map);
  return size;
}
