/* state.c -- schedules: the function as it stands, handles into it, the lines that led to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tn_schedule_create(tn_program *program, const tn_func *func, tn_schedule **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  tn_context *ctx = program->ctx;
  if (!func || func->program != program || func->level != TNI_LEVEL_TENSOR)
    return tni_fail(ctx, err, TN_E_INVALID, "schedule", func ? func->name : NULL,
                    "only a tensor function of the program can be scheduled");
  tn_schedule *s = tni_alloc_zero(ctx, sizeof *s);
  if (!s) return tni_fail_nomem(err);
  s->ctx = ctx;
  s->program = program;
  s->func = func;
  tni_region_init(&s->region, ctx, &program->region);
  tni_text_init(&s->trace, ctx);
  tni_text_init(&s->text, ctx);
  *out = s;
  return TN_OK;
}

void tn_schedule_destroy(tn_schedule *s) {
  if (!s) return;
  tni_text_destroy(&s->trace);
  tni_text_destroy(&s->text);
  tni_free(s->ctx, s->handles, s->handle_capacity * sizeof *s->handles);
  tni_region_destroy(&s->region);
  tni_free(s->ctx, s, sizeof *s);
}

tn_status tn_schedule_commit(tn_schedule *s, const tn_func **out, tn_error **err) {
  if (out) *out = NULL;
  if (err) *err = NULL;
  tn_func *func = tni_func_clone(&s->program->region, s->func, s->program);
  if (!func) return tni_fail_nomem(err);
  func->scheduled = true;
  tn_status status = tni_verify(func, err);
  if (!status) status = tni_program_add(s->program, func, err);
  if (!status && out) *out = func;
  return status;
}

const char *tn_schedule_text(tn_schedule *s) {
  tni_text_clear(&s->text);
  tni_print_func(&s->text, s->func, NULL);
  return s->text.data;
}

/* ---- handles ---- */

static int32_t add_handle(tn_schedule *s, tni_handle handle) {
  if (!tni_reserve(s->ctx, (void **)&s->handles, &s->handle_capacity, s->handle_count + 1, sizeof *s->handles))
    return 0;
  s->handles[s->handle_count++] = handle;
  return (int32_t)s->handle_count;
}

int32_t tni_add_loop(tn_schedule *s, const tn_expr *var) { return add_handle(s, (tni_handle){.var = var}); }
int32_t tni_add_block(tn_schedule *s, const char *block) { return add_handle(s, (tni_handle){.block = block}); }

static const tni_handle *get_handle(const tn_schedule *s, int32_t handle) {
  return handle > 0 && (size_t)handle <= s->handle_count ? &s->handles[handle - 1] : NULL;
}

const tn_stmt *tni_handle_loop(const tn_schedule *s, tn_loop loop) {
  const tni_handle *h = get_handle(s, loop);
  return h && h->var ? tni_find_loop(s->func->body, h->var) : NULL;
}

const tn_stmt *tni_handle_block(const tn_schedule *s, tn_block_ref block) {
  const tni_handle *h = get_handle(s, block);
  return h && h->block ? tni_find_block(s->func->body, h->block) : NULL;
}

int tn_is_loop(const tn_schedule *s, tn_place place) { return tni_handle_loop(s, place) != NULL; }
