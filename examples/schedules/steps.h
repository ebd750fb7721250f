/* steps.h -- a function under a schedule that grows step by step: what the examples of schedules do alike.
 *
 * A step is some lines of the schedule language, and what they are for. Words in capitals in them stand for what depends on
 * the processor. A function under all lines so far is compiled just as they leave it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EXAMPLES_STEPS_H
#define EXAMPLES_STEPS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/tenon.h"

enum { LINES = 8192 };

typedef struct step {
  const char *what, *lines;
} step;

/* Of words that begin alike the longer one stands first. */
typedef struct word {
  const char *word;
  int number;
  const char *text; /* instead of the number, or NULL */
} word;

/* Prints an error and ends. */
static inline void must(tn_status status, tn_error *const *error) {
  if (status == TN_OK) return;
  fprintf(stderr, "%s\n", error ? tn_error_text(*error) : tn_status_name(status));
  exit(1);
}

/* Adds lines to the text, of LINES characters, with what the words stand for. */
static inline void add_lines(char *text, const char *lines, size_t count, const word *words) {
  size_t at = strlen(text);
  while (*lines && at + 24 < LINES) {
    size_t w = 0;
    while (w < count && strncmp(lines, words[w].word, strlen(words[w].word)) != 0) w++;
    if (w == count) {
      text[at++] = *lines++;
      continue;
    }
    at += (size_t)(words[w].text ? sprintf(text + at, "%s", words[w].text) : sprintf(text + at, "%d", words[w].number));
    lines += strlen(words[w].word);
  }
  text[at] = 0;
}

static inline void print_lines(const char *lines) {
  for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) printf("    %.*s\n", (int)(end - lines), lines);
}

typedef struct compiled {
  tn_program *program;
  tn_module *module;
  void (*code)(void); /* to be cast to what the function is */
  const tn_env *env;
} compiled;

static inline tn_schedule *open_schedule(tn_context *ctx, const char *name, const char *text, compiled *c) {
  tn_error *error = NULL;
  tn_schedule *s;
  must(tn_program_parse(ctx, text, strlen(text), name, &c->program, &error), &error);
  must(tn_schedule_create(c->program, tn_program_func(c->program, name), &s, &error), &error);
  return s;
}

/* Compiles the function as the schedule left it, for "host" or another target; takes the schedule. */
static inline void compile_schedule(tn_context *ctx, const char *name, const char *target, tn_schedule *s, compiled *c) {
  tn_error *error = NULL;
  const tn_func *func;
  const tn_function *f;
  tn_compile_desc as_it_is = {.struct_size = sizeof as_it_is, .keep_schedules = 1};
  must(tn_target_get(ctx, target, &as_it_is.target, &error), &error);
  must(tn_schedule_commit(s, &func, &error), &error);
  tn_schedule_destroy(s);
  must(tn_compile(c->program, &as_it_is, &c->module, &error), &error);
  must(tn_module_function(c->module, name, &f, &error), &error);
  c->code = tn_function_pointer(f);
  c->env = tn_function_env(f);
}

/* The function of that name in the text, under the lines. */
static inline void compile_lines(tn_context *ctx, const char *name, const char *target, const char *text, const char *lines,
                                 compiled *c) {
  tn_error *error = NULL;
  tn_schedule *s = open_schedule(ctx, name, text, c);
  must(tn_schedule_run(s, lines, &error), &error);
  compile_schedule(ctx, name, target, s, c);
}

static inline void drop_compiled(compiled *c) {
  tn_module_destroy(c->module);
  tn_program_destroy(c->program);
}

#endif
