/* align.c -- contents that lie where a file happens to have them are copied to where their elements are aligned.
 *
 * Import leaves large weights in the mapped file, whatever their address: who finds all of a model in a cache has no use for
 * a copy, nor have passes that bring them into another order. Code wants elements at multiples of their size; so this is for
 * what is left in the file when kernels are made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph.h"

enum { ALIGN = 64 };

bool tni_gvalue_is_loose(const tni_gvalue *v) {
  return v->data && (uintptr_t)v->data % tn_type_bytes(v->type) != 0;
}

static size_t bytes_of(const tni_gvalue *v) { return tn_array_bytes(v->type, tni_gvalue_numel(v)); }

static size_t room_of(const tni_gvalue *v) { return (bytes_of(v) + ALIGN - 1) & ~(size_t)(ALIGN - 1); }

typedef struct aligning {
  const tni_gvalue **from; /* those that are loose */
  tni_gvalue **to;
} aligning;

static int32_t copy_range(void *closure, int64_t begin, int64_t end) {
  const aligning *a = closure;
  for (int64_t i = begin; i < end; i++) memcpy((void *)(uintptr_t)a->to[i]->data, a->from[i]->data, bytes_of(a->from[i]));
  return 0;
}

/* The graph, with values of its own. NULL: no memory. */
static tn_graph *copy_graph(const tn_graph *g, tn_program *to, tni_gvalue **values) {
  tn_graph *made = tni_arena_copy(&to->region.arena, g, sizeof *g);
  *values = tni_arena_copy(&to->region.arena, g->values, g->value_count * sizeof *g->values);
  if (!made || !*values) return NULL;
  made->program = to;
  made->values = *values;
  return made;
}

static tn_status align(const tn_graph *g, size_t count, size_t size, tn_program *to, const tn_graph **out,
                       tn_error **err) {
  aligning a = {TNI_NEW_ARRAY(&to->region.arena, const tni_gvalue *, count),
                TNI_NEW_ARRAY(&to->region.arena, tni_gvalue *, count)};
  tni_gvalue *values;
  tn_graph *made = copy_graph(g, to, &values);
  tni_blob *blob = a.from && a.to && made ? tni_blob_create(to->ctx, size) : NULL;
  if (!blob) return tni_fail_nomem(err);
  const char *at = blob->data;
  for (uint32_t i = 0, n = 0; i < g->value_count; i++) {
    if (!tni_gvalue_is_loose(&g->values[i])) continue;
    a.from[n] = &g->values[i];
    a.to[n++] = &values[i];
    values[i].data = at;
    at += room_of(&g->values[i]);
  }
  tni_spread(to->ctx, copy_range, &a, (int64_t)count);
  *out = made;
  return tni_program_keep_blob(to, blob, err);
}

tn_status tni_graph_align(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  size_t count = 0, size = 0;
  *out = g;
  for (uint32_t i = 0; i < g->value_count; i++)
    if (tni_gvalue_is_loose(&g->values[i])) count++, size += room_of(&g->values[i]);
  if (!count) return TN_OK;
  tn_status status = g->program == to ? TN_OK : tni_program_share_blobs(g->program, to, err);
  return status ? status : align(g, count, size, to, out, err);
}
