/* state.c -- schedules: made, forked, taken over into the program.
 *
 * A fork copies nothing: its region is a child of its parent's, it begins with the parent's function and last line, and
 * finds the parent's handles there. So a parent stays as it is while it has forks, and lives until the last of them is gone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

static tn_schedule *make(tn_program *program, tni_region *region) {
  tn_schedule *s = tni_alloc_zero(program->ctx, sizeof *s);
  if (!s) return NULL;
  s->ctx = program->ctx;
  s->program = program;
  atomic_init(&s->refs, 1);
  tni_region_init(&s->region, s->ctx, region);
  tni_text_init(&s->trace, s->ctx);
  tni_text_init(&s->text, s->ctx);
  return s;
}

tn_status tni_schedule_create_in(tn_program *program, tni_region *region, const tn_func *func, tn_schedule **out,
                                 tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  if (!func || func->program != program || func->level != TNI_LEVEL_TENSOR)
    return tni_fail(program->ctx, err, TN_E_INVALID, "schedule", func ? func->name : NULL,
                    "only a tensor function of the program can be scheduled");
  tn_schedule *s = make(program, region);
  if (!s) return tni_fail_nomem(err);
  s->origin = s->func = func;
  *out = s;
  return TN_OK;
}

tn_status tn_schedule_create(tn_program *program, const tn_func *func, tn_schedule **out, tn_error **err) {
  return tni_schedule_create_in(program, &program->region, func, out, err);
}

tn_status tn_schedule_fork(tn_schedule *parent, tn_schedule **out, tn_error **err) {
  if (err) *err = NULL;
  tn_schedule *s = *out = make(parent->program, &parent->region);
  if (!s) return tni_fail_nomem(err);
  atomic_fetch_add(&parent->refs, 1);
  s->parent = parent;
  s->origin = parent->origin;
  s->func = parent->func;
  s->last = parent->last;
  s->line_count = parent->line_count;
  s->births = parent->births;
  s->random = parent->random;
  s->keeps_order = parent->keeps_order;
  s->first_handle = s->handle_count = parent->handle_count;
  return TN_OK;
}

void tn_schedule_destroy(tn_schedule *s) {
  while (s && atomic_fetch_sub(&s->refs, 1) == 1) {
    tn_schedule *parent = s->parent;
    tni_text_destroy(&s->trace);
    tni_text_destroy(&s->text);
    tni_free(s->ctx, s->handles, s->handle_capacity * sizeof *s->handles);
    tni_region_destroy(&s->region);
    tni_free(s->ctx, s, sizeof *s);
    s = parent;
  }
}

tni_mark tni_mark_of(const tn_schedule *s) {
  return (tni_mark){s->func, s->last, s->line_count, s->handle_count, s->births, s->random};
}

void tni_go_back(tn_schedule *s, const tni_mark *mark) {
  s->func = mark->func;
  s->last = mark->last;
  s->line_count = mark->line_count;
  s->handle_count = mark->handle_count;
  s->births = mark->births;
  s->random = mark->random;
}

tn_status tni_check_no_forks(const tn_schedule *s, tn_error **err) {
  if (atomic_load(&s->refs) == 1) return TN_OK;
  return tni_fail(s->ctx, err, TN_E_INVALID, "schedule", s->func->name,
                  "the schedule has forks\nneeds: a fork of its own to go on, or the others to be destroyed");
}

tn_status tni_schedule_finish(const tn_schedule *s, tni_region *r, const tn_func **out, tn_error **err) {
  tn_func *func = tni_func_clone(r, s->func, s->program);
  *out = func;
  if (!func) return tni_fail_nomem(err);
  func->scheduled = true;
  return TN_OK;
}

tn_status tn_schedule_commit(tn_schedule *s, const tn_func **out, tn_error **err) {
  const tn_func *func;
  if (out) *out = NULL;
  if (err) *err = NULL;
  tn_status status = tni_schedule_finish(s, &s->program->region, &func, err);
  if (!status) status = tni_verify(func, err);
  if (!status) status = tni_program_add(s->program, func, err);
  if (!status && out) *out = func;
  return status;
}

const char *tn_schedule_text(tn_schedule *s) {
  tni_text_clear(&s->text);
  tni_print_func(&s->text, s->func, NULL);
  return s->text.failed ? NULL : s->text.data;
}
