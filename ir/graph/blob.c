/* blob.c -- the side blob of a program's text: the contents of the constants that are too large for the text.
 *
 * The text refers to them by offset and hash: `blob(64, 0x0123...)`. They stand in the blob in the order in which the
 * graphs print them, each at a multiple of 64 bytes with zeros between, equal contents once. So equal programs have equal
 * blobs, and a blob may be mapped and used where it lies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "graph_text.h"

enum { SHOWN_ELEMENTS = 8, KEY_BYTES = offsetof(tni_blob_part, data) };

bool tni_is_shown(const tni_gvalue *constant) { return tni_gvalue_numel(constant) <= SHOWN_ELEMENTS; }

void tni_blob_layout_init(tni_blob_layout *layout, tn_context *ctx) {
  *layout = (tni_blob_layout){.size = 0};
  tni_arena_init(&layout->arena, ctx);
  tni_map_init(&layout->parts, ctx);
}

void tni_blob_layout_destroy(tni_blob_layout *layout) {
  tni_map_destroy(&layout->parts);
  tni_arena_destroy(&layout->arena);
}

/* The contents, as they are compared and written: what stands behind the last of elements that do not fill the byte is 0. */
static const void *contents_of(tni_blob_layout *layout, const tni_gvalue *constant, size_t bytes) {
  const uint8_t *data = constant->data;
  int used = (int)(tni_gvalue_numel(constant) * TN_TYPE_BITS(constant->type) % 8); /* bits of the last byte; 0: all */
  if (used == 0 || data[bytes - 1] >> used == 0) return data;
  uint8_t *copy = tni_arena_copy(&layout->arena, data, bytes);
  if (copy) copy[bytes - 1] &= (uint8_t)((1 << used) - 1);
  return copy;
}

const tni_blob_part *tni_blob_layout_add(tni_blob_layout *layout, const tni_gvalue *constant) {
  size_t bytes;
  tni_blob_part *part = TNI_NEW(&layout->arena, tni_blob_part);
  if (!part || !tni_gvalue_bytes(layout->arena.ctx, constant, &bytes)) return NULL;
  const void *contents = layout->bare ? constant->data : contents_of(layout, constant, bytes);
  if (!contents) return NULL;
  tni_hash hash = layout->bare ? (tni_hash){(uintptr_t)constant->data, 0} : tni_hash_bytes(contents, bytes);
  *part = (tni_blob_part){hash, bytes, contents, layout->size, tn_type_bytes(constant->type)};
  bool added;
  size_t entry = tni_map_add(&layout->parts, part, KEY_BYTES, &added);
  if (entry == TNI_MAP_NONE) return NULL;
  if (!added) {
    tni_blob_part *there = (tni_blob_part *)(uintptr_t)layout->parts.entries[entry].key; /* the layout's own */
    if (part->element > there->element) there->element = part->element;
    return there;
  }
  layout->size += (bytes + TNI_BLOB_ALIGN - 1) & ~(uint64_t)(TNI_BLOB_ALIGN - 1);
  return part;
}

bool tni_print_bare(tni_text *out, const tn_program *program, tni_arena *arena, size_t *count, tni_contents **contents) {
  tni_blob_layout layout;
  tni_blob_layout_init(&layout, program->ctx);
  layout.bare = true;
  tni_print_program(out, program, &layout);
  *count = layout.parts.count;
  *contents = TNI_NEW_ARRAY(arena, tni_contents, *count);
  for (size_t i = 0; *contents && i < *count; i++) {
    const tni_blob_part *part = layout.parts.entries[i].key;
    (*contents)[i] = (tni_contents){part->data, part->bytes, part->offset, part->element};
  }
  tni_blob_layout_destroy(&layout);
  return *contents && !out->failed;
}

/* ---- the bytes --------------------------------------------------------------------------------------------------- */

static bool add_graph(tni_blob_layout *layout, const tn_graph *g) {
  uint32_t *used = tni_graph_used_values(g);
  bool ok = used != NULL;
  for (uint32_t i = 0; ok && i < g->value_count; i++)
    if (used[i] && g->values[i].data && !tni_is_shown(&g->values[i]))
      ok = tni_blob_layout_add(layout, &g->values[i]) != NULL;
  tni_free(g->program->ctx, used, (g->value_count + (size_t)1) * sizeof *used);
  return ok;
}

static tn_status write_part(tn_context *ctx, const tni_blob_part *part, tn_write_fn write, void *self, tn_error **err) {
  static const char zeros[TNI_BLOB_ALIGN];
  size_t gap = (size_t)-part->bytes & (TNI_BLOB_ALIGN - 1);
  tn_status status = write(self, part->data, (size_t)part->bytes);
  if (!status && gap) status = write(self, zeros, gap);
  return status ? tni_fail(ctx, err, TN_E_HOST, "print", "blob", "the host's write gave %d", status) : TN_OK;
}

tn_status tn_program_write_blob(const tn_program *program, tn_write_fn write, void *self, tn_error **err) {
  tni_blob_layout layout;
  tn_status status = TN_OK;
  if (err) *err = NULL;
  tni_blob_layout_init(&layout, program->ctx);
  for (size_t i = 0; !status && i < program->graph_count; i++)
    if (!add_graph(&layout, program->graphs[i])) status = tni_fail_nomem(err);
  for (size_t i = 0; !status && i < layout.parts.count; i++)
    status = write_part(program->ctx, layout.parts.entries[i].key, write, self, err);
  tni_blob_layout_destroy(&layout);
  return status;
}
