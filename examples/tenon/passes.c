/* passes.c -- looking at the compiler's passes: the text after one, what it changed, how long each took, and TN_DUMP.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* ---- TN_DUMP: letters of passes whose results go to stderr ---------------------------------------------------------- */

static void dump_event(void *self, const tn_pass_event *event) {
  (void)self;
  if (!event->text) return;
  fprintf(stderr, "# %s %s (%.3f ms)\n%s\n", tn_pass_at(event->pass).name, event->object, 1e3 * event->seconds,
          event->text);
}

void passes_dump(tn_compile_desc *desc) {
  const char *letters = getenv("TN_DUMP");
  if (!letters || !*letters) return;
  desc->dump = letters;
  desc->observe = dump_event;
}

/* ---- watching ------------------------------------------------------------------------------------------------------ */

/* What an object was when it was last seen. */
typedef struct seen {
  struct seen *next;
  const char *object;
  char *text;
} seen;

typedef struct watch {
  const passes_options *options;
  size_t after; /* the pass to show */
  seen *objects;
  double *seconds; /* by pass */
  size_t *runs;    /* by pass: how often it ran */
  size_t shown;
} watch;

static seen *find_seen(watch *w, const char *object) {
  seen *s = w->objects;
  while (s && strcmp(s->object, object)) s = s->next;
  if (s) return s;
  s = take(1, sizeof *s);
  *s = (seen){w->objects, take_text("%s", object), NULL};
  return w->objects = s;
}

static void show(watch *w, const tn_pass_event *event, const char *before) {
  if (w->shown++) printf("\n");
  if (!w->options->diff) {
    printf("%s", event->text);
    return;
  }
  printf("# %s: %s\n", event->object, tn_pass_at(event->pass).name);
  if (!print_difference(before ? before : "", event->text)) printf("(unchanged)\n");
}

static void watch_event(void *self, const tn_pass_event *event) {
  watch *w = self;
  w->seconds[event->pass] += event->seconds;
  w->runs[event->pass]++;
  if (!event->text || (w->options->function && strcmp(w->options->function, event->object))) return;
  seen *s = find_seen(w, event->object);
  if (event->pass == w->after) show(w, event, s->text);
  free(s->text);
  s->text = strdup(event->text);
}

static void print_times(const watch *w) {
  double total = 0;
  for (size_t i = 0; i < tn_pass_count(); i++) total += w->seconds[i];
  printf("%-10s %-7s %6s %10s %7s\n", "pass", "level", "runs", "ms", "share");
  for (size_t i = 0; i < tn_pass_count(); i++) {
    tn_pass_info pass = tn_pass_at(i);
    printf("%-10s %-7s %6zu %10.3f %6.1f%%  %s\n", pass.name, pass.level, w->runs[i], 1e3 * w->seconds[i],
           total > 0 ? 100 * w->seconds[i] / total : 0, pass.does);
  }
}

/* What a function was before the first pass. */
static void see_functions(watch *w, const tn_program *program) {
  for (size_t i = 0; i < tn_program_func_count(program); i++) {
    const tn_func *func = tn_program_func_at(program, i);
    char *text;
    if (tn_func_print(func, &text, NULL)) continue;
    find_seen(w, tn_func_name(func))->text = strdup(text);
    tn_text_destroy(text);
  }
}

int passes_show(session *s, const char *file, const tn_program *program, const passes_options *options) {
  watch w = {.options = options, .after = tn_pass_count()};
  tn_compile_desc desc = session_compile_desc(s);
  tn_error *error = NULL;
  char *bytes;
  size_t size;
  w.seconds = take(tn_pass_count(), sizeof *w.seconds);
  w.runs = take(tn_pass_count(), sizeof *w.runs);
  for (size_t i = 0; options->after && i < tn_pass_count(); i++)
    if (!strcmp(tn_pass_at(i).name, options->after)) w.after = i;
  see_functions(&w, program);
  desc.observe = watch_event;
  desc.observe_self = &w;
  desc.dump = options->after ? "*" : NULL;
  tn_status status = tn_program_emit(program, &desc, options->times ? "obj" : "loop", &bytes, &size, &error);
  for (seen *o = w.objects; o; o = o->next) free(o->text);
  tn_text_destroy(bytes);
  if (status) return report(file, error);
  progress_clear(s);
  if (options->times) print_times(&w);
  return EXIT_OK;
}

bool passes_check(const passes_options *options) {
  if (!options->after) return true;
  for (size_t i = 0; i + 1 < tn_pass_count(); i++)
    if (!strcmp(tn_pass_at(i).name, options->after)) return true;
  fprintf(stderr, "tenon print: --after %s: there is no such pass; they are", options->after);
  for (size_t i = 0; i + 1 < tn_pass_count(); i++) fprintf(stderr, "%s %s", i ? "," : "", tn_pass_at(i).name);
  fprintf(stderr, "\n");
  return false;
}
