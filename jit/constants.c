/* constants.c -- what a module keeps of its program's blobs: what its plans read.
 *
 * Of a blob that is read less than by half, the parts that are read are copied and the blob goes: of a model's file whose
 * weights were packed, some biases are left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "jit.h"

enum { ALIGN = 64 };

/* A constant of a plan. */
typedef struct reading {
  const void **data;
  size_t blob, bytes;
} reading;

typedef struct settling {
  tn_program *program;
  reading *readings;
  size_t count;
  uint64_t *read; /* bytes of each blob, and of what lies in none */
  bool *needed;   /* likewise */
} settling;

static void note_readings(settling *s, size_t plan_count, const tni_planned *plans) {
  for (size_t p = 0; p < plan_count; p++) {
    const tni_plan *plan = &plans[p].plan;
    for (uint32_t i = 0; i < plan->buffer_count; i++) {
      if (plan->buffers[i].kind != TNI_PLAN_CONST) continue;
      reading r = {.data = &plans[p].constants[plan->buffers[i].index], .bytes = (size_t)plan->buffers[i].bytes};
      r.blob = tni_program_find_blob(s->program, *r.data);
      s->readings[s->count++] = r;
      s->read[r.blob] += (r.bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
  }
}

/* Moves what is read of the blob into one of its own. */
static tn_status move_readings(settling *s, size_t blob, tn_error **err) {
  tni_blob *own = tni_blob_create(s->program->ctx, (size_t)s->read[blob]);
  if (!own) return tni_fail_nomem(err);
  char *to = (char *)(uintptr_t)own->data;
  for (size_t i = 0; i < s->count; i++) {
    reading *r = &s->readings[i];
    if (r->blob != blob) continue;
    memcpy(to, *r->data, r->bytes);
    *r->data = to;
    to += (r->bytes + ALIGN - 1) / ALIGN * ALIGN;
  }
  return tni_program_keep_blob(s->program, own, err);
}

static tn_status settle(settling *s, size_t plan_count, const tni_planned *plans, tn_error **err) {
  size_t count = s->program->blob_count;
  tn_status status = TN_OK;
  note_readings(s, plan_count, plans);
  for (size_t i = 0; i < count && !status; i++) {
    s->needed[i] = s->read[i] && s->read[i] >= s->program->blobs[i]->size / 2;
    if (s->read[i] && !s->needed[i]) status = move_readings(s, i, err);
  }
  for (size_t i = count; i < s->program->blob_count; i++) s->needed[i] = true;
  if (!status) tni_program_drop_blobs(s->program, s->needed);
  return status;
}

tn_status tni_constants_settle(tn_program *program, size_t plan_count, const tni_planned *plans, tn_error **err) {
  settling s = {.program = program};
  size_t constants = 1;
  tni_program_sort_blobs(program);
  for (size_t p = 0; p < plan_count; p++) constants += plans[p].plan.const_count;
  size_t blobs = 2 * program->blob_count + 1; /* each may be moved */
  s.readings = tni_alloc(program->ctx, constants * sizeof *s.readings);
  s.read = tni_alloc_zero(program->ctx, blobs * sizeof *s.read);
  s.needed = tni_alloc_zero(program->ctx, blobs * sizeof *s.needed);
  tn_status status = s.readings && s.read && s.needed ? settle(&s, plan_count, plans, err) : tni_fail_nomem(err);
  tni_free(program->ctx, s.needed, blobs * sizeof *s.needed);
  tni_free(program->ctx, s.read, blobs * sizeof *s.read);
  tni_free(program->ctx, s.readings, constants * sizeof *s.readings);
  return status;
}
