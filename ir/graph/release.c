/* release.c -- a program lets go of the contents that no graph of it shows any more.
 *
 * A pass that makes constants of constants leaves what they were made of behind: the weights as the model's file has
 * them, transposed ones, padded ones. Each lies in a blob; a blob goes when no constant that is used lies in it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "graph_text.h"

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)(*(tni_blob *const *)a)->data, y = (uintptr_t)(*(tni_blob *const *)b)->data;
  return x < y ? -1 : x > y;
}

void tni_program_sort_blobs(tn_program *program) {
  size_t kept = 0;
  if (program->blob_count) qsort(program->blobs, program->blob_count, sizeof *program->blobs, by_address);
  for (size_t i = 0; i < program->blob_count; i++) {
    if (kept && program->blobs[kept - 1] == program->blobs[i])
      tni_blob_unref(program->blobs[i]);
    else
      program->blobs[kept++] = program->blobs[i];
  }
  program->blob_count = kept;
}

size_t tni_program_find_blob(const tn_program *program, const void *data) {
  size_t low = 0, high = program->blob_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if ((uintptr_t)program->blobs[middle]->data <= (uintptr_t)data)
      low = middle + 1;
    else
      high = middle;
  }
  /* Blobs without bytes may begin where another one does. */
  for (; low > 0; low--) {
    const tni_blob *blob = program->blobs[low - 1];
    if ((uintptr_t)data - (uintptr_t)blob->data < blob->size) return low - 1;
    if (blob->size) break;
  }
  return program->blob_count;
}

void tni_program_drop_blobs(tn_program *program, const bool *needed) {
  size_t kept = 0;
  for (size_t i = 0; i < program->blob_count; i++) {
    if (needed[i])
      program->blobs[kept++] = program->blobs[i];
    else
      tni_blob_unref(program->blobs[i]);
  }
  program->blob_count = kept;
}

static bool mark(const tn_program *program, const tn_graph *g, bool *needed) {
  uint32_t *used = tni_graph_used_values(g);
  for (uint32_t i = 0; used && i < g->value_count; i++)
    if (used[i] && g->values[i].data) needed[tni_program_find_blob(program, g->values[i].data)] = true;
  tni_free(program->ctx, used, (g->value_count + (size_t)1) * sizeof *used);
  return used != NULL;
}

tn_status tni_program_release(tn_program *program, tn_error **err) {
  tni_program_sort_blobs(program);
  size_t count = program->blob_count + 1; /* the last stands for what lies in no blob */
  bool *needed = tni_alloc_zero(program->ctx, count * sizeof *needed), ok = needed != NULL;
  for (size_t i = 0; ok && i < program->graph_count; i++) ok = mark(program, program->graphs[i], needed);
  if (ok) tni_moves_mark(program, needed);
  if (ok) tni_program_drop_blobs(program, needed);
  tni_free(program->ctx, needed, count * sizeof *needed);
  return ok ? TN_OK : tni_fail_nomem(err);
}
