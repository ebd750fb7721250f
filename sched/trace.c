/* trace.c -- the lines that led to the function as it stands: what was applied, written so that script.c reads it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

const char *tn_schedule_trace(const tn_schedule *s) { return s->trace.data; }

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

/* One value; of a list, the element i. */
static void write_value(tni_text *t, const tni_step *step, enum tni_kind kind, const tni_arg *arg, size_t i) {
  switch (kind) {
  case TNI_ARG_loop:
  case TNI_ARG_block:
  case TNI_ARG_place: tni_text_add(t, "%s", handle_name(step->s, arg->handle)); break;
  case TNI_ARG_loops:
  case TNI_ARG_blocks:
  case TNI_ARG_places: tni_text_add(t, "%s", handle_name(step->s, arg->handles[i])); break;
  case TNI_ARG_int: tni_text_add(t, "%lld", (long long)arg->number); break;
  case TNI_ARG_ints: tni_text_add(t, "%lld", (long long)arg->numbers[i]); break;
  case TNI_ARG_text: tni_text_add(t, "\"%s\"", arg->text); break;
  case TNI_ARG_texts: tni_text_add(t, "\"%s\"", arg->texts[i]); break;
  case TNI_ARG_word: tni_text_add(t, "%s", arg->text); break;
  default:
    if (arg->text)
      tni_text_add(t, "\"%s\"", arg->text);
    else
      tni_text_add(t, "%lld", (long long)arg->number);
  }
}

/* Optional arguments by name, and only those that were given. */
static void write_arg(tni_text *t, const tni_step *step, int i) {
  const tni_argument *param = &step->primitive->params[i];
  const tni_arg *arg = &step->args[i];
  if (!arg->given) return;
  if (i) tni_text_add(t, ", ");
  if (param->optional) tni_text_add(t, "%s=", param->name);
  if (!tni_is_list(param->kind)) {
    write_value(t, step, param->kind, arg, 0);
    return;
  }
  tni_text_add(t, "[");
  for (size_t k = 0; k < arg->count; k++) {
    if (k) tni_text_add(t, ", ");
    write_value(t, step, param->kind, arg, k);
  }
  tni_text_add(t, "]");
}

bool tni_trace_step(tni_step *step) {
  tni_text *t = &step->s->trace;
  if (!name_results(step)) return false;
  for (size_t i = 0; i < step->out_count; i++)
    tni_text_add(t, "%s%s", i ? ", " : "", handle_name(step->s, step->outs[i]));
  tni_text_add(t, "%s%s(", step->out_count ? " = " : "", step->primitive->name);
  for (int i = 0; i < tni_argument_count(step->primitive); i++) write_arg(t, step, i);
  tni_text_add(t, ")\n");
  return !t->failed;
}
