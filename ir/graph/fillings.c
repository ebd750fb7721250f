/* fillings.c -- contents of a program's constants that are made while passes go on.
 *
 * Weights in another order are what takes longest of passes over graphs, and what follows reads none of them: so other threads
 * write them meanwhile, each some rows of their outermost dimension. What they are made of stays as long as that takes; then
 * the files among it leave memory, most of whose contents nobody reads again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdatomic.h>

#include "graph.h"

enum { PIECE = 1 << 20, LITTLE = 1 << 18 /* bytes */ };

/* Rows of one constant. */
typedef struct filling {
  tni_filler *fill;
  char *to;
  const tni_source *from;
  int64_t shape[TN_MAX_RANK], begin, end;
} filling;

struct tni_fillings {
  tn_context *ctx;
  filling *all;
  size_t count, capacity, bytes;
  tni_blob **sources; /* references, until all is filled */
  size_t source_count, source_room;
  _Atomic size_t left;
  tni_spreading *under_way;
};

static void drop_sources(tni_fillings *f, bool used) {
  for (size_t i = 0; i < f->source_count; i++) {
    tni_blob *blob = f->sources[i];
    if (used && blob->mapped && blob->size) f->ctx->os->cool(blob->data, blob->size);
    tni_blob_unref(blob);
  }
  f->source_count = 0;
}

static int32_t fill_range(void *closure, int64_t begin, int64_t end) {
  tni_fillings *f = closure;
  for (const filling *x = &f->all[begin]; x < &f->all[end]; x++) {
    x->fill(x->to, x->from, x->shape, x->begin, x->end);
    if (atomic_fetch_sub(&f->left, 1) == 1) drop_sources(f, true);
  }
  return 0;
}

static void destroy(tni_fillings *f) {
  if (!f) return;
  drop_sources(f, false);
  tni_free(f->ctx, f->sources, f->source_room * sizeof *f->sources);
  tni_free(f->ctx, f->all, f->capacity * sizeof *f->all);
  tni_free(f->ctx, f, sizeof *f);
}

static void end(tn_program *program) {
  tni_fillings *f = program->fillings;
  if (f) tni_spread_end(f->under_way);
  program->fillings = NULL;
  destroy(f);
}

void tni_program_fill(tn_program *program) {
  tni_moves_settle(program);
  end(program);
}

/* Those that have not begun; NULL: no memory. */
static tni_fillings *open_fillings(tn_program *program) {
  if (program->fillings && program->fillings->under_way) end(program);
  if (!program->fillings) program->fillings = tni_alloc_zero(program->ctx, sizeof(tni_fillings));
  if (program->fillings) program->fillings->ctx = program->ctx;
  return program->fillings;
}

bool tni_filling_add(tn_program *program, tni_filler *fill, void *to, const tni_gvalue *made, const tni_source *from) {
  tni_fillings *f = open_fillings(program);
  const tni_source *kept = tni_arena_copy(&program->region.arena, from, sizeof *from);
  size_t bytes = tn_array_bytes(made->type, tni_gvalue_numel(made));
  int64_t rows = made->rank ? made->shape[0] : 1, pieces = (int64_t)(bytes / PIECE) + 1;
  if (pieces > rows) pieces = rows;
  if (!f || !kept ||
      !tni_reserve(f->ctx, (void **)&f->all, &f->capacity, f->count + (size_t)pieces, sizeof *f->all)) return false;
  for (int64_t i = 0; i < pieces; i++) {
    filling *x = &f->all[f->count++];
    *x = (filling){.fill = fill, .to = to, .from = kept, .begin = rows * i / pieces, .end = rows * (i + 1) / pieces};
    memcpy(x->shape, made->shape, sizeof x->shape);
  }
  f->bytes += bytes;
  return true;
}

/* What contents are made of may lie in any blob of the program. */
static bool hold_sources(tni_fillings *f, const tn_program *program) {
  f->source_room = program->blob_count;
  f->sources = tni_alloc(f->ctx, f->source_room * sizeof *f->sources);
  if (f->source_room && !f->sources) return false;
  for (; f->source_count < program->blob_count; f->source_count++)
    f->sources[f->source_count] = tni_blob_ref(program->blobs[f->source_count]);
  return true;
}

tn_status tni_program_begin_filling(tn_program *program, tn_error **err) {
  tni_fillings *f = program->fillings;
  if (!f || f->under_way) return TN_OK;
  atomic_init(&f->left, f->count);
  if (!hold_sources(f, program)) return tni_fail_nomem(err);
  if (f->bytes > LITTLE) {
    f->under_way = tni_spread_begin(f->ctx, fill_range, f, (int64_t)f->count);
    return f->under_way ? TN_OK : tni_fail_nomem(err);
  }
  fill_range(f, 0, (int64_t)f->count);
  end(program);
  return TN_OK;
}
