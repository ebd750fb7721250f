/* trace.c -- the lines that led to the function as it stands: what was applied, written so that script.c reads it.
 *
 * What had no line of its own is written by its place, never by the name of a variable, so that a trace also leads from a
 * function whose variables are called otherwise: `C` the block, `C[1]` the second loop above it, `$3` the fourth loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"
#include "text.h"

const tni_line **tni_lines_of(const tn_schedule *s) {
  const tni_line **lines = tni_alloc_zero(s->ctx, (s->line_count + 1) * sizeof *lines);
  for (const tni_line *line = s->last; lines && line; line = line->before) lines[line->number - 1] = line;
  return lines;
}

void tni_lines_free(const tn_schedule *s, const tni_line **lines) {
  tni_free(s->ctx, lines, (s->line_count + 1) * sizeof *lines);
}

const char *tn_schedule_trace(tn_schedule *s) {
  const tni_line **lines = tni_lines_of(s);
  tni_text_clear(&s->trace);
  for (size_t i = 0; lines && i < s->line_count; i++) tni_text_add(&s->trace, "%s\n", lines[i]->text);
  bool ok = lines && !s->trace.failed;
  tni_lines_free(s, lines);
  return ok ? s->trace.data : NULL;
}

bool tni_decisions_text(const tn_schedule *s, size_t first, char **out) {
  const tni_line **lines = tni_lines_of(s);
  tni_text t;
  tni_text_init(&t, s->ctx);
  for (size_t i = first; lines && i < s->line_count; i++) {
    const char *line = lines[i]->text;
    if (!(lines[i]->primitive->flags & TNI_SAMPLES)) continue; /* the others have no @ behind their arguments */
    tni_text_add_bytes(&t, line, (size_t)(strstr(line, " = ") - line));
    tni_text_add(&t, " =%s\n", strrchr(line, '@') + 1);
  }
  *out = lines ? tni_text_take(&t) : NULL;
  tni_text_destroy(&t);
  tni_lines_free(s, lines);
  return *out != NULL;
}

/* ---- names ---- */

/* Does the trace call a result so? */
static bool is_taken(const tn_schedule *s, const char *name) {
  tni_handle_walk walk = {s, s->handle_count};
  const tni_handle *h;
  while ((h = tni_walk_handles(&walk)))
    if (h->name && strcmp(h->name, name) == 0) return true;
  return false;
}

static const char kind_letters[] = "lbtl"; /* by enum tni_handle_kind */

/* What text called result i, or the host, or a letter and a number. */
static const char *base_name(const tni_step *step, size_t i) {
  tni_arena *arena = &step->s->region.arena;
  const char *next = step->s->next_name;
  if (step->out_names[i]) return tni_arena_text(arena, step->out_names[i]);
  if (next && step->out_count == 1) return next;
  if (next) return tni_arena_format(arena, "%s_%zu", next, i);
  int32_t handle = step->outs[i];
  const char *prefix = step->s->prefix ? step->s->prefix : "";
  return tni_arena_format(arena, "%s%c%d", prefix, kind_letters[tni_handle_at(step->s, handle)->kind], handle);
}

/* In the trace every result has a name of its own: what text called it, numbered when that stands already. */
static bool name_results(tni_step *step) {
  tn_schedule *s = step->s;
  tni_arena *arena = &s->region.arena;
  for (size_t i = 0; i < step->out_count; i++) {
    tni_handle *h = tni_handle_at(s, step->outs[i]);
    const char *base = base_name(step, i), *name = base;
    for (int n = 2; name && is_taken(s, name); n++) name = tni_arena_format(arena, "%s_%d", base, n);
    h->said = step->out_names[i] ? base : name;
    h->name = name;
    h->line = s->line_count + 1;
    if (!name) return false;
  }
  s->next_name = NULL;
  return true;
}

void tn_schedule_name_next(tn_schedule *s, const char *name) {
  s->next_name = name && tni_is_line_name(name) ? tni_arena_text(&s->region.arena, name) : NULL;
}

/* A block's name; in quotes where a handle might be meant, or it is no name of a line. */
static void write_block(tni_text *t, const tn_schedule *s, const char *block, bool quoted) {
  if (quoted || is_taken(s, block) || !tni_is_line_name(block))
    tni_print_quoted(t, block);
  else
    tni_text_add(t, "%s", block);
}

typedef struct first_search {
  const tn_stmt *block, *loop;
  size_t loops; /* before `loop` */
  bool found;
} first_search;

static bool see_first_block(void *self, const tn_stmt *s) {
  first_search *q = self;
  if (s->kind == TNI_BLOCK && !q->block) q->block = s;
  return !q->block;
}

static bool see_loop(void *self, const tn_stmt *s) {
  first_search *q = self;
  q->found |= s == q->loop;
  q->loops += s->kind == TNI_FOR && !q->found;
  return !q->found && s->kind != TNI_BLOCK;
}

static void write_loop(tni_text *t, const tn_schedule *s, const tn_stmt *loop) {
  const tn_stmt *root = s->func->body;
  first_search q = {.loop = loop};
  size_t above = 0;
  tni_stmt_visit(loop, see_first_block, &q);
  tni_loop_above(root, loop, 0, &above);
  if (q.block && tni_loop_above(root, q.block, (int64_t)above, NULL) == loop) {
    write_block(t, s, q.block->as.block.name, false);
    tni_text_add(t, "[%zu]", above);
    return;
  }
  tni_stmt_visit(root, see_loop, &q);
  tni_text_add(t, "$%zu", q.loops);
}

static void write_handle(tni_text *t, const tn_schedule *s, enum tni_kind kind, int32_t handle) {
  const tni_handle *h = tni_handle_at(s, handle);
  if (h->name)
    tni_text_add(t, "%s", h->name);
  else if (h->kind == TNI_HANDLE_LOOP)
    write_loop(t, s, tni_handle_loop(s, handle));
  else
    write_block(t, s, h->block, kind == TNI_ARG_place);
}

/* ---- lines ---- */

/* A number, or the name of what was sampled. */
static void write_number(tni_text *t, const tn_schedule *s, int64_t number) {
  const tni_handle *h = number < TNI_NUMBERS_END ? tni_handle_at(s, (int32_t)(number - INT64_MIN)) : NULL;
  if (h && h->kind == TNI_HANDLE_NUMBER)
    tni_text_add(t, "%s", h->name);
  else
    tni_text_add(t, "%lld", (long long)number);
}

/* One value; of a list, the element i. */
static void write_value(tni_text *t, const tni_step *step, enum tni_kind kind, const tni_arg *arg, size_t i) {
  switch (kind) {
  case TNI_ARG_loop:
  case TNI_ARG_block:
  case TNI_ARG_place: write_handle(t, step->s, kind, arg->handle); break;
  case TNI_ARG_loops: write_handle(t, step->s, kind, arg->handles[i]); break;
  case TNI_ARG_int: write_number(t, step->s, arg->given_number); break;
  case TNI_ARG_ints: write_number(t, step->s, arg->given_numbers[i]); break;
  case TNI_ARG_floats: tni_print_scalar(t, TN_F64, (tni_scalar){.f = arg->floats[i]}); break;
  case TNI_ARG_text: tni_print_quoted(t, arg->text); break;
  case TNI_ARG_word: tni_text_add(t, "%s", arg->text); break;
  default:
    if (arg->text)
      tni_print_quoted(t, arg->text);
    else
      write_number(t, step->s, arg->given_number);
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

/* What was decided: that is the results. */
static void write_decision(tni_text *t, const tni_step *step) {
  const tni_handle *first = tni_handle_at(step->s, step->outs[0]);
  tni_text_add(t, " @ ");
  if (first->kind == TNI_HANDLE_LOOP) write_loop(t, step->s, tni_handle_loop(step->s, step->outs[0]));
  if (first->kind == TNI_HANDLE_LOCATION) tni_text_add(t, first->number == TNI_INLINE ? "inline" : "root");
  if (first->kind != TNI_HANDLE_NUMBER) return;
  tni_text_add(t, "[");
  for (size_t i = 0; i < step->out_count; i++)
    tni_text_add(t, "%s%lld", i ? ", " : "", (long long)tni_handle_at(step->s, step->outs[i])->number);
  tni_text_add(t, "]");
}

static void write_line(tni_text *t, const tni_step *step) {
  for (size_t i = 0; i < step->out_count; i++)
    tni_text_add(t, "%s%s", i ? ", " : "", tni_handle_at(step->s, step->outs[i])->name);
  tni_text_add(t, "%s%s(", step->out_count ? " = " : "", step->primitive->name);
  for (int i = 0; i < tni_argument_count(step->primitive); i++) write_arg(t, step, i);
  tni_text_add(t, ")");
  if (step->primitive->flags & TNI_SAMPLES) write_decision(t, step);
  if (step->primitive->flags & TNI_UNSAFE) tni_text_add(t, " # results may differ");
}

bool tni_trace_step(tni_step *step) {
  tn_schedule *s = step->s;
  const tn_func *old = s->func;
  tni_line *line = TNI_NEW(&s->region.arena, tni_line);
  if (!line || !name_results(step)) return false;
  tni_text_clear(&s->text);
  write_line(&s->text, step);
  *line = (tni_line){.before = s->last, .number = ++s->line_count, .primitive = step->primitive};
  line->text = s->text.failed ? NULL : tni_arena_text(&s->region.arena, s->text.data);
  line->func = s->func = step->func ? step->func : old;
  s->last = line;
  return line->text && (s->func == old || tni_note_births(s, old));
}

int tn_schedule_is_unsafe(const tn_schedule *s) {
  const tni_line *line = s->last;
  while (line && !(line->primitive->flags & TNI_UNSAFE)) line = line->before;
  return line != NULL;
}
