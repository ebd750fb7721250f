/* step.c -- one application of a primitive: its arguments, what it gives, or why it is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "sched.h"

/* ---- for use in primitives ---- */

tn_status tni_step_refuse(tni_step *step, const void *mark, const char *reason, ...) {
  va_list args;
  va_start(args, reason);
  vsnprintf(step->reason, sizeof step->reason, reason, args);
  va_end(args);
  step->mark = mark;
  return TN_E_REFUSED;
}

tn_status tni_step_keep(tni_step *step, const tn_stmt *body) {
  step->func = body ? tni_func_with_body(&step->s->region, step->s->func, TNI_LEVEL_TENSOR, body) : NULL;
  return step->func && !step->s->region.arena.failed ? TN_OK : TN_E_NOMEM;
}

/* Is what the rewrite changes on one side of all barriers, copies and waits: one piece of the text without them? */
static bool crosses(const tn_stmt *old, const tn_stmt *made);

/* The statements from the first to the last one that is another: a piece, or one that holds the piece. */
static bool crosses_seq(const tn_stmt *old, const tn_stmt *made) {
  const tn_stmt *const *a = old->as.seq.stmts, *const *b = made->as.seq.stmts;
  int32_t i = 0, n = old->as.seq.count, m = made->as.seq.count;
  while (i < n && i < m && a[i] == b[i]) i++;
  while (i < n && i < m && a[n - 1] == b[m - 1]) n--, m--;
  if (n - i == 1 && m - i == 1) return crosses(a[i], b[i]);
  for (int32_t k = i; k < n; k++)
    if (tni_first_sync(a[k])) return true;
  for (int32_t k = i; k < m; k++)
    if (tni_first_sync(b[k])) return true;
  return false;
}

static bool crosses_if(const tn_stmt *old, const tn_stmt *made) {
  const tn_stmt *a = old->as.cond.otherwise, *b = made->as.cond.otherwise;
  if (old->as.cond.cond != made->as.cond.cond) return true;
  if (a == b) return crosses(old->as.cond.then, made->as.cond.then);
  return !a || !b || old->as.cond.then != made->as.cond.then || crosses(a, b);
}

static bool crosses(const tn_stmt *old, const tn_stmt *made) {
  if (old == made || (!tni_first_sync(old) && !tni_first_sync(made))) return false;
  bool freed = old->kind == TNI_ALLOC && (made->kind != TNI_ALLOC || made->as.alloc.buffer != old->as.alloc.buffer);
  if (freed) return crosses(tni_rest(old), made); /* nobody uses it any more */
  if (old->kind != made->kind || tni_own_expr(old) != tni_own_expr(made)) return true;
  switch (old->kind) {
  case TNI_FOR:
    return old->as.loop.var != made->as.loop.var || old->as.loop.kind != made->as.loop.kind ||
           crosses(old->as.loop.body, made->as.loop.body);
  case TNI_SEQ: return crosses_seq(old, made);
  case TNI_IF: return crosses_if(old, made);
  case TNI_WHILE: return crosses(old->as.repeat.body, made->as.repeat.body);
  case TNI_LET: return old->as.let.var != made->as.let.var || crosses(tni_rest(old), tni_rest(made));
  case TNI_ALLOC:
  case TNI_ASSERT:
  case TNI_ASSUME: return crosses(tni_rest(old), tni_rest(made));
  default: return true;
  }
}

/* A buffer that is allocated further in, and used outside of that. */
typedef struct scope_search {
  tn_context *ctx;
  const tn_stmt *root;
  const tn_buffer *found;
} scope_search;

static bool see_alloc(void *self, const tn_stmt *s) {
  scope_search *q = self;
  if (s->kind != TNI_ALLOC || q->found) return s->kind != TNI_BLOCK;
  const tn_buffer *b = s->as.alloc.buffer;
  tni_uses all = tni_uses_of(q->ctx, q->root, b), inside = tni_uses_of(q->ctx, s->as.alloc.body, b);
  if (all.readers + all.writers + all.loose > inside.readers + inside.writers + inside.loose) q->found = b;
  return true;
}

/* Allocs at the beginning of the function are around all. */
static const tn_buffer *used_outside(tn_context *ctx, const tn_stmt *root) {
  scope_search q = {.ctx = ctx, .root = root};
  const tn_stmt *s = root;
  while (s->kind == TNI_ALLOC) s = s->as.alloc.body;
  tni_stmt_visit(s, see_alloc, &q);
  return q.found;
}

tn_status tni_step_accept_same(tni_step *step, const tn_stmt *body) {
  const tn_stmt *old = step->s->func->body;
  const void *mark = tni_first_sync(old);
  if (mark && body && crosses(old, body))
    return tni_step_refuse(step, mark,
                           "threads, or copies, are waited for in the function, and the rewrite might bring something to the "
                           "other side\nneeds: a rewrite of what stands between two barriers, copies or waits");
  tn_status status = tni_step_keep(step, body);
  if (status) return status;
  if ((mark = used_outside(step->s->ctx, body)))
    return tni_step_refuse(step, mark, "the buffer would be used outside of the braces that it is allocated in\n"
                                       "needs: its alloc further out");
  return TN_OK;
}

tn_status tni_step_accept(tni_step *step, const tn_stmt *body) {
  const void *mark;
  tn_status status = tni_step_accept_same(step, body);
  if (status) return status;
  const char *why = tni_why_not_concurrent_still(step->s, step->func, &mark);
  return why ? tni_step_refuse(step, mark, "%s", why) : TN_OK;
}

static const char *const kind_names[] = {
    [TNI_HANDLE_LOOP] = "loop",
    [TNI_HANDLE_BLOCK] = "block",
    [TNI_HANDLE_NUMBER] = "number",
    [TNI_HANDLE_LOCATION] = "location",
};

/* Tells why a handle cannot be the argument. */
static void refuse_handle(tni_step *step, int arg, int32_t handle, const char *wanted) {
  const tni_handle *h = tni_handle_at(step->s, handle);
  const char *param = step->primitive->params[arg].name;
  const tni_line *end = h ? tni_handle_end(step->s, h) : NULL;
  const char *kind = h ? kind_names[h->kind] : "";
  if (!h)
    tni_step_refuse(step, NULL, "argument `%s` is no handle of this schedule", param);
  else if (h->kind > TNI_HANDLE_BLOCK || !end || tni_handle_loop(step->s, handle) || tni_handle_block(step->s, handle))
    tni_step_refuse(step, NULL, "argument `%s` is a %s, not a %s", param, kind, wanted);
  else
    tni_step_refuse(step, NULL, "argument `%s`: the %s `%s` is gone since line %zu: %s", param, kind,
                    h->said ? h->said : h->name, end->number, end->text);
}

/* The statement of a handle that is of the kind, or NULL and a refusal. */
static const tn_stmt *resolve(tni_step *step, int arg, int32_t handle, enum tni_kind kind) {
  const tn_stmt *found = kind != TNI_ARG_block ? tni_handle_loop(step->s, handle) : NULL;
  if (!found && kind != TNI_ARG_loop) found = tni_handle_block(step->s, handle);
  if (!found)
    refuse_handle(step, arg, handle, kind == TNI_ARG_loop ? "loop" : kind == TNI_ARG_block ? "block" : "loop or block");
  return found;
}

const tn_stmt *tni_arg_loop(tni_step *step, int arg) {
  return resolve(step, arg, step->args[arg].handle, TNI_ARG_loop);
}
const tn_stmt *tni_arg_block(tni_step *step, int arg) {
  return resolve(step, arg, step->args[arg].handle, TNI_ARG_block);
}
const tn_stmt *tni_arg_place(tni_step *step, int arg) {
  return resolve(step, arg, step->args[arg].handle, TNI_ARG_place);
}
const tn_stmt *tni_arg_loop_at(tni_step *step, int arg, size_t i) {
  return resolve(step, arg, step->args[arg].handles[i], TNI_ARG_loop);
}

static tn_status give(tni_step *step, int32_t handle) {
  if (step->out_count == TNI_MAX_RESULTS) return tni_step_refuse(step, NULL, "more than %d results", TNI_MAX_RESULTS);
  if (handle) step->outs[step->out_count++] = handle;
  return handle ? TN_OK : TN_E_NOMEM;
}

tn_status tni_give_loop(tni_step *step, const tn_expr *var) { return give(step, tni_add_loop(step->s, var)); }
tn_status tni_give_block(tni_step *step, const char *name) { return give(step, tni_add_block(step->s, name)); }
tn_status tni_give_location(tni_step *step, enum tni_location where) {
  return give(step, tni_add_handle(step->s, (tni_handle){.kind = TNI_HANDLE_LOCATION, .number = where}));
}
tn_status tni_give_number(tni_step *step, int64_t number) {
  return give(step, tni_add_handle(step->s, (tni_handle){.kind = TNI_HANDLE_NUMBER, .number = number}));
}

enum tni_location tni_arg_location(const tni_step *step, int arg) {
  const tni_handle *h = tni_handle_at(step->s, step->args[arg].handle);
  return h && h->kind == TNI_HANDLE_LOCATION ? (enum tni_location)h->number : TNI_AT_LOOP;
}

/* ---- applying ---- */

/* What the numbers stand for. */
static tn_status settle_numbers(tni_step *step, tni_arg *arg) {
  arg->given_number = arg->number;
  arg->given_numbers = arg->numbers;
  arg->number = tn_schedule_number(step->s, arg->number);
  bool sampled = false;
  for (size_t i = 0; arg->numbers && i < arg->count; i++) sampled |= arg->numbers[i] < TNI_NUMBERS_END;
  if (!sampled) return TN_OK;
  int64_t *numbers = TNI_NEW_ARRAY(&step->s->region.arena, int64_t, arg->count);
  for (size_t i = 0; numbers && i < arg->count; i++) numbers[i] = tn_schedule_number(step->s, arg->numbers[i]);
  arg->numbers = numbers;
  return numbers ? TN_OK : TN_E_NOMEM;
}

/* Fills in what was not given; finds words. */
static tn_status settle_arg(tni_step *step, const tni_argument *param, tni_arg *arg) {
  if (!arg->given && !param->optional) return tni_step_refuse(step, NULL, "argument `%s` is missing", param->name);
  if (arg->count > TNI_MAX_LIST)
    return tni_step_refuse(step, NULL, "argument `%s` has more than %d elements", param->name, TNI_MAX_LIST);
  if (arg->text && strlen(arg->text) > TNI_MAX_TEXT)
    return tni_step_refuse(step, NULL, "argument `%s` has more than %d characters", param->name, TNI_MAX_TEXT);
  if (!arg->given && !tni_is_list(param->kind)) {
    arg->text = param->kind == TNI_ARG_word ? NULL : param->fallback;
    if (param->kind == TNI_ARG_int) arg->number = strtoll(param->fallback, NULL, 10);
  } else if (param->kind == TNI_ARG_word) {
    arg->number = tni_find_word(param->fallback, arg->text);
    if (arg->number < 0)
      return tni_step_refuse(step, NULL, "`%s` is not one of the words for `%s`: %s", arg->text, param->name,
                             param->fallback);
  }
  return settle_numbers(step, arg);
}

static tn_status apply(tni_step *step) {
  tn_status status = TN_OK;
  step->func = NULL;
  step->out_count = 0;
  for (int i = 0; i < tni_argument_count(step->primitive) && !status; i++)
    status = settle_arg(step, &step->primitive->params[i], &step->args[i]);
  return status ? status : step->primitive->apply(step);
}

static tn_status report(const tni_step *step, tn_error **err) {
  tni_text t;
  tni_text_init(&t, step->s->ctx);
  tni_text_add(&t, "%s", step->reason);
  if (step->mark) {
    tni_text_add(&t, "\n");
    tni_print_func(&t, step->s->func, step->mark);
  }
  tn_status status = tni_fail(step->s->ctx, err, TN_E_REFUSED, "schedule", step->primitive->name, "%s", t.data);
  tni_text_destroy(&t);
  return status;
}

tn_status tni_invoke(tni_step *step, tn_error **err) {
  tn_schedule *s = step->s;
  tni_mark mark = tni_mark_of(s);
  size_t misses = atomic_load(&s->ctx->misses);
  if (err) *err = NULL;
  tn_status status = tni_check_no_forks(s, err);
  if (status) return status;
  status = apply(step);
  bool no_memory = s->region.arena.failed || atomic_load(&s->ctx->misses) != misses;
  if (status == TN_E_REFUSED && no_memory) status = TN_E_NOMEM; /* checks take it for no */
  if (!status && !tni_trace_step(step)) status = TN_E_NOMEM;
  if (status) {
    tni_go_back(s, &mark);
    step->out_count = 0;
    return status == TN_E_REFUSED ? report(step, err) : tni_fail_nomem(err);
  }
  return TN_OK;
}

tn_status tni_perform(tn_schedule *s, enum tni_primitive_id id, size_t count, const tni_arg *args, size_t room,
                      int32_t *out, size_t *found, tn_error **err) {
  tni_step step = {.s = s, .primitive = &tni_primitives[id]};
  for (size_t i = 0; i < count; i++) step.args[i] = args[i];
  tn_status status = tni_invoke(&step, err);
  for (size_t i = 0; out && i < room; i++) out[i] = i < step.out_count ? step.outs[i] : 0;
  if (found) *found = step.out_count;
  return status;
}
