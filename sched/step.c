/* step.c -- one application of a primitive: arguments, refusal, trace; and the C functions over it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "sched.h"

const tni_primitive tni_primitives[] = {
    {"get_block", "s", tni_apply_get_block, "the block of that name"},
    {"get_loops", "b", tni_apply_get_loops, "the loops above a block, outermost first"},
    {"split", "lI", tni_apply_split, "one loop into nested ones; a factor 0 is inferred"},
    {"fuse", "L", tni_apply_fuse, "nested loops into one"},
    {"reorder", "L", tni_apply_reorder, "loops of one chain into the given order"},
    {"parallel", "l", tni_apply_parallel, "iterations on several threads"},
    {"vectorize", "l", tni_apply_vectorize, "iterations in the lanes of vectors"},
    {"unroll", "l", tni_apply_unroll, "iterations written out"},
    {"compute_at", "bl", tni_apply_compute_at, "a producer under a loop of its consumers"},
    {"compute_inline", "b", tni_apply_compute_inline, "an elementwise producer into its consumers"},
    {"cache_write", "bs", tni_apply_cache_write, "a block writes a new buffer, which is copied out"},
    {"decompose_reduction", "bl", tni_apply_decompose_reduction, "the init of a reduction before a loop"},
};
const size_t tni_primitive_count = TNI_COUNT(tni_primitives);

const tni_primitive *tni_primitive_find(const char *name, size_t length) {
  for (size_t i = 0; i < tni_primitive_count; i++)
    if (strlen(tni_primitives[i].name) == length && memcmp(tni_primitives[i].name, name, length) == 0)
      return &tni_primitives[i];
  return NULL;
}

/* ---- for use in primitives ---- */

tn_status tni_step_refuse(tni_step *step, const void *mark, const char *reason, ...) {
  va_list args;
  va_start(args, reason);
  vsnprintf(step->reason, sizeof step->reason, reason, args);
  va_end(args);
  step->mark = mark;
  return TN_E_REFUSED;
}

tn_status tni_step_accept(tni_step *step, const tn_stmt *body) {
  const void *mark;
  step->func = body ? tni_func_with_body(&step->s->region, step->s->func, TNI_LEVEL_TENSOR, body) : NULL;
  if (!step->func || step->s->region.arena.failed) return TN_E_NOMEM;
  const char *why = tni_why_not_concurrent_still(step->s, step->func, &mark);
  return why ? tni_step_refuse(step, mark, "%s", why) : TN_OK;
}

const tn_stmt *tni_arg_loop(tni_step *step, size_t i) {
  const tn_stmt *s = i < step->loop_count ? tni_handle_loop(step->s, step->loops[i]) : NULL;
  if (!s) tni_step_refuse(step, NULL, "argument %zu is not a loop of the function as it stands", i + 1);
  return s;
}

const tn_stmt *tni_arg_block(tni_step *step) {
  const tn_stmt *s = tni_handle_block(step->s, step->block);
  if (!s) tni_step_refuse(step, NULL, "the argument is not a block of the function as it stands");
  return s;
}

static tn_status give(tni_step *step, int32_t handle) {
  if (step->out_count == TNI_MAX_OUT) return tni_step_refuse(step, NULL, "more than %d results", TNI_MAX_OUT);
  if (handle) step->outs[step->out_count++] = handle;
  return handle ? TN_OK : TN_E_NOMEM;
}

tn_status tni_give_loop(tni_step *step, const tn_expr *var) { return give(step, tni_add_loop(step->s, var)); }
tn_status tni_give_block(tni_step *step, const char *name) { return give(step, tni_add_block(step->s, name)); }

/* ---- the trace ---- */

static const char *handle_name(const tn_schedule *s, int32_t handle) {
  return handle > 0 && (size_t)handle <= s->handle_count ? s->handles[handle - 1].name : "?";
}

static bool name_results(tni_step *step) {
  tn_schedule *s = step->s;
  for (size_t i = 0; i < step->out_count; i++) {
    tni_handle *h = &s->handles[step->outs[i] - 1];
    h->name = step->out_names[i] ? tni_arena_text(&s->region.arena, step->out_names[i])
                                 : tni_arena_format(&s->region.arena, "%s%d", h->var ? "l" : "b", step->outs[i]);
    if (!h->name) return false;
  }
  return true;
}

static void trace_list(tni_text *t, const tni_step *step, char kind) {
  const char *comma = "";
  size_t count = kind == 'I' ? step->int_count : step->loop_count;
  tni_text_add(t, "[");
  for (size_t i = 0; i < count; i++, comma = ", ") {
    if (kind == 'I')
      tni_text_add(t, "%s%lld", comma, (long long)step->ints[i]);
    else
      tni_text_add(t, "%s%s", comma, handle_name(step->s, step->loops[i]));
  }
  tni_text_add(t, "]");
}

static void trace_line(const tni_primitive *p, const tni_step *step) {
  tni_text *t = &step->s->trace;
  for (size_t i = 0; i < step->out_count; i++)
    tni_text_add(t, "%s%s", i ? ", " : "", handle_name(step->s, step->outs[i]));
  tni_text_add(t, "%s%s(", step->out_count ? " = " : "", p->name);
  for (const char *a = p->args; *a; a++) {
    if (a != p->args) tni_text_add(t, ", ");
    if (*a == 'l')
      tni_text_add(t, "%s", handle_name(step->s, step->loops[0]));
    else if (*a == 'b')
      tni_text_add(t, "%s", handle_name(step->s, step->block));
    else if (*a == 's')
      tni_text_add(t, "\"%s\"", step->string);
    else
      trace_list(t, step, *a);
  }
  tni_text_add(t, ")\n");
}

static tn_status report(const tni_primitive *p, const tni_step *step, tn_error **err) {
  tni_text t;
  tni_text_init(&t, step->s->ctx);
  tni_text_add(&t, "%s", step->reason);
  if (step->mark) {
    tni_text_add(&t, "\n");
    tni_print_func(&t, step->s->func, step->mark);
  }
  tn_status status = tni_fail(step->s->ctx, err, TN_E_REFUSED, "schedule", p->name, "%s", t.data);
  tni_text_destroy(&t);
  return status;
}

tn_status tni_invoke(const tni_primitive *p, tni_step *step, tn_error **err) {
  tn_schedule *s = step->s;
  size_t handles = s->handle_count;
  if (err) *err = NULL;
  step->func = NULL;
  step->out_count = 0;
  tn_status status = p->apply(step);
  if (!status && !name_results(step)) status = TN_E_NOMEM;
  if (status) {
    s->handle_count = handles;
    step->out_count = 0;
    return status == TN_E_REFUSED ? report(p, step, err) : tni_fail_nomem(err);
  }
  trace_line(p, step);
  if (step->func) s->func = step->func;
  return TN_OK;
}

/* ---- the C functions ---- */

/* Results are written last: a host may give the array of its arguments for them. */
static tn_status run(const char *name, tni_step *step, int32_t *out, size_t room, tn_error **err) {
  tn_status status = tni_invoke(tni_primitive_find(name, strlen(name)), step, err);
  for (size_t i = 0; out && i < room; i++) out[i] = i < step->out_count ? step->outs[i] : 0;
  return status;
}

tn_status tn_get_block(tn_schedule *s, const char *name, tn_block_ref *out, tn_error **err) {
  tni_step step = {.s = s, .string = name};
  return run("get_block", &step, out, 1, err);
}

tn_status tn_get_loops(tn_schedule *s, tn_block_ref block, tn_loop *out, size_t *count, tn_error **err) {
  tni_step step = {.s = s, .block = block};
  tn_status status = run("get_loops", &step, out, *count, err);
  *count = step.out_count;
  return status;
}

tn_status tn_split(tn_schedule *s, tn_loop loop, size_t count, const int64_t *factors, tn_loop *out, tn_error **err) {
  tni_step step = {.s = s, .loop_count = 1, .loops = &loop, .int_count = count, .ints = factors};
  return run("split", &step, out, count, err);
}

tn_status tn_fuse(tn_schedule *s, size_t count, const tn_loop *loops, tn_loop *out, tn_error **err) {
  tni_step step = {.s = s, .loop_count = count, .loops = loops};
  return run("fuse", &step, out, 1, err);
}

tn_status tn_reorder(tn_schedule *s, size_t count, const tn_loop *loops, tn_error **err) {
  tni_step step = {.s = s, .loop_count = count, .loops = loops};
  return run("reorder", &step, NULL, 0, err);
}

static tn_status run_on_loop(const char *name, tn_schedule *s, tn_loop loop, tn_error **err) {
  tni_step step = {.s = s, .loop_count = 1, .loops = &loop};
  return run(name, &step, NULL, 0, err);
}

tn_status tn_parallel(tn_schedule *s, tn_loop loop, tn_error **err) { return run_on_loop("parallel", s, loop, err); }
tn_status tn_vectorize(tn_schedule *s, tn_loop loop, tn_error **err) { return run_on_loop("vectorize", s, loop, err); }
tn_status tn_unroll(tn_schedule *s, tn_loop loop, tn_error **err) { return run_on_loop("unroll", s, loop, err); }

tn_status tn_compute_at(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_error **err) {
  tni_step step = {.s = s, .block = block, .loop_count = 1, .loops = &loop};
  return run("compute_at", &step, NULL, 0, err);
}

tn_status tn_compute_inline(tn_schedule *s, tn_block_ref block, tn_error **err) {
  tni_step step = {.s = s, .block = block};
  return run("compute_inline", &step, NULL, 0, err);
}

tn_status tn_cache_write(tn_schedule *s, tn_block_ref block, const char *scope, tn_block_ref *out, tn_error **err) {
  tni_step step = {.s = s, .block = block, .string = scope};
  return run("cache_write", &step, out, 1, err);
}

tn_status tn_decompose_reduction(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_block_ref *out, tn_error **err) {
  tni_step step = {.s = s, .block = block, .loop_count = 1, .loops = &loop};
  return run("decompose_reduction", &step, out, 1, err);
}
