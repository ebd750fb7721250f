/* read_names.c -- the names of a model: what each stands for, region by region.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "read.h"

struct name_entry {
  const char *name; /* NULL: free */
  uint32_t slot;
};

tn_status tni_read_text(reader *p, tni_view view, const char **out) {
  char *text = tni_arena_alloc(&p->flow->arena, view.size + 1);
  *out = text;
  if (!text) return tni_fail_nomem(p->err);
  if (view.size) memcpy(text, view.data, view.size);
  if (strlen(text) == view.size) return TN_OK;
  char place[32];
  snprintf(place, sizeof place, "offset %zu", (size_t)(view.data - p->model.data));
  return tni_fail(p->ctx, p->err, TN_E_INVALID, "import", place, "a name has a NUL character in it");
}

static size_t hash_name(const char *name) {
  uint64_t h = 14695981039346656037u;
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 1099511628211u;
  return (size_t)(h ^ h >> 29);
}

/* The entry of that name, or a free one. The table is never full. */
static struct name_entry *find_entry(const name_map *map, const char *name) {
  size_t i = hash_name(name) & (map->size - 1);
  while (map->entries[i].name && strcmp(map->entries[i].name, name) != 0) i = (i + 1) & (map->size - 1);
  return &map->entries[i];
}

static bool grow_map(tn_context *ctx, name_map *map) {
  if (map->size && map->used < map->size / 2) return true;
  name_map bigger = {NULL, map->size ? 2 * map->size : 64, map->used};
  bigger.entries = tni_alloc_zero(ctx, bigger.size * sizeof *bigger.entries);
  if (!bigger.entries) return false;
  for (size_t i = 0; i < map->size; i++)
    if (map->entries[i].name) *find_entry(&bigger, map->entries[i].name) = map->entries[i];
  tni_names_destroy(ctx, map);
  *map = bigger;
  return true;
}

void tni_names_destroy(tn_context *ctx, name_map *names) {
  tni_free(ctx, names->entries, names->size * sizeof *names->entries);
  *names = (name_map){NULL, 0, 0};
}

uint32_t tni_find_own(const scope *s, const char *name) {
  const struct name_entry *e = s->names.size ? find_entry(&s->names, name) : NULL;
  return e && e->name ? e->slot : TNI_NO_SLOT;
}

uint32_t tni_find_slot(scope *s, const char *name, scope **owner) {
  uint32_t slot = TNI_NO_SLOT;
  for (; s && slot == TNI_NO_SLOT; s = s->outer) {
    slot = tni_find_own(s, name);
    *owner = s;
  }
  return slot;
}

tn_status tni_add_slot(reader *p, scope *s, const char *name, int64_t maker, uint32_t *out) {
  tni_flow *f = p->flow;
  *out = TNI_NO_SLOT;
  if (!grow_map(p->ctx, &s->names) || f->slot_count >= TNI_NO_SLOT ||
      !tni_reserve(p->ctx, (void **)&f->slots, &f->slot_capacity, f->slot_count + 1, sizeof *f->slots))
    return tni_fail_nomem(p->err);
  struct name_entry *e = find_entry(&s->names, name);
  if (e->name) return tni_fail(p->ctx, p->err, TN_E_INVALID, "import", name, "two values have this name");
  *e = (struct name_entry){name, (uint32_t)f->slot_count};
  s->names.used++;
  *out = e->slot;
  f->slots[f->slot_count++] = (tni_onnx_slot){.name = name, .region = s->region, .maker = maker};
  return TN_OK;
}
