/* sched.c -- `tenon sched`: lines of a schedule applied to a function of a program, and what becomes of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

typedef struct sched_options {
  texts lines;          /* --do */
  const char *file;     /* --do-file */
  const char *function; /* --function */
  const char *block;    /* --tensorize */
  int32_t seed;         /* --seed */
  bool explain, trace, exact;
} sched_options;

/* All lines, first those of the file. NULL: it cannot be read. */
static const char *collect_lines(const sched_options *o) {
  char *bytes = NULL;
  size_t size;
  if (o->file && !read_file(o->file, &bytes, &size)) return NULL;
  char *all = take_text("%s", bytes ? bytes : "");
  for (size_t i = 0; i < o->lines.count; i++) all = take_text("%s%s%s", all, *all ? "\n" : "", o->lines.items[i]);
  free(bytes);
  return all;
}

/* Prints the facts of the function as it stands. */
static bool print_facts(session *s, const char *file, tn_schedule *schedule, bool loops) {
  tn_error *error = NULL;
  char *facts;
  if (tn_schedule_explain(schedule, s->target_found, loops, &facts, &error)) return report(file, error), false;
  printf("%s", facts);
  tn_text_destroy(facts);
  return true;
}

/* One line, what it rewrites, and the traffic after it. */
static bool explain_line(session *s, const char *file, tn_schedule *schedule, const char *line) {
  tn_error *error = NULL;
  const char *text = tn_schedule_text(schedule);
  char *before = take_text("%s", text ? text : "");
  if (tn_schedule_run(schedule, line, &error)) return report(file, error), false;
  text = tn_schedule_text(schedule);
  printf("# %s\n", line);
  if (!print_difference(before, text ? text : "")) printf("(unchanged)\n");
  bool good = print_facts(s, file, schedule, false);
  printf("\n");
  return good;
}

static bool explain_lines(session *s, const char *file, tn_schedule *schedule, const char *lines) {
  bool good = true;
  while (good && *lines) {
    size_t n = strcspn(lines, "\n");
    const char *line = take_text("%.*s", (int)n, lines);
    size_t blank = strspn(line, " \t\r");
    if (line[blank] && line[blank] != '#') good = explain_line(s, file, schedule, line);
    lines += lines[n] ? n + 1 : n;
  }
  return good && print_facts(s, file, schedule, true);
}

static int print_way(void *self, const tn_tensorization *one) {
  (void)self;
  printf("# %s: by estimate %.1f times as fast as steps one by one\n%s\n", one->unit, one->gain, one->lines);
  return 0;
}

/* The ways to do a block's sums by instructions of the target. */
static bool print_ways(session *s, const char *file, tn_schedule *schedule, const char *name) {
  tn_error *error = NULL;
  tn_block_ref block;
  tn_status status = tn_get_block(schedule, name, &block, &error);
  if (!status) status = tn_tensorize_candidates(schedule, block, s->target_found, print_way, NULL, &error);
  return status == TN_OK || (report(file, error), false);
}

static int apply(session *s, const char *file, tn_program *program, const sched_options *o) {
  tn_schedule *schedule;
  tn_error *error = NULL;
  const char *lines = collect_lines(o);
  const tn_func *func = o->function ? tn_program_func(program, o->function) : tn_program_func_at(program, 0);
  if (!lines) return EXIT_FAILED;
  if (!func) {
    fprintf(stderr, "tenon sched: %s: there is no function %s\n", file, o->function ? o->function : "in it");
    return EXIT_FAILED;
  }
  if (tn_schedule_create(program, func, &schedule, &error)) return report(file, error);
  tn_schedule_forbid_reassociation(schedule, o->exact);
  tn_schedule_seed(schedule, (uint64_t)o->seed);
  bool good = o->explain ? explain_lines(s, file, schedule, lines)
                         : tn_schedule_run(schedule, lines, &error) == TN_OK || (report(file, error), false);
  if (good && o->block) good = print_ways(s, file, schedule, o->block);
  const char *text = !good || o->block ? "" : o->trace ? tn_schedule_trace(schedule) : o->explain ? "" : tn_schedule_text(schedule);
  printf("%s", text ? text : "");
  tn_schedule_destroy(schedule);
  return good ? EXIT_OK : EXIT_FAILED;
}

/* `tenon sched --list [PRIMITIVE]` */
static int list(const char *name) {
  session s = {0};
  tn_error *error = NULL;
  char *text = NULL;
  if (!session_open(&s)) return EXIT_FAILED;
  int code = tn_schedule_manual(s.context, name, &text, &error) ? report("tenon sched --list", error) : EXIT_OK;
  if (!code) printf("%s", text);
  tn_text_destroy(text);
  session_close(&s);
  return code;
}

static int run(const command *self, int argc, char **argv) {
  session s = {0};
  sched_options o = {0};
  tn_program *program;
  const char *file;
  bool listing = false;
  const option options[] = {
      {"--do", "LINES", OPTION_LIST, &o.lines, "lines of a schedule, such as 'io, ii = split(i, [0, 8])'"},
      {"--do-file", "FILE", OPTION_TEXT, &o.file, "a file of such lines, which come first"},
      {"--function", "NAME", OPTION_TEXT, &o.function, "of this function (the first one)"},
      {"--explain", NULL, OPTION_FLAG, &o.explain, "show what each line rewrites, trip counts, footprints and traffic"},
      {"--tensorize", "BLOCK", OPTION_TEXT, &o.block,
       "print the lines by which instructions of the target could do its sums, the best first"},
      {"--trace", NULL, OPTION_FLAG, &o.trace, "print the trace, which does not depend on the names of variables"},
      {"--seed", "N", OPTION_COUNT, &o.seed, "from which lines that sample draw, where they do not say what"},
      {"--exact", NULL, OPTION_FLAG, &o.exact, "refuse what would make a floating-point sum in another order"},
      {"--target", "NAME", OPTION_TEXT, &s.target, "whose caches --explain counts with, whose instructions are tried (this CPU's)"},
      {"--list", NULL, OPTION_FLAG, &listing,
       "instead of a FILE: the manual, of all primitives or of those named behind"},
      {0}};
  if (argc > 0 && !strcmp(argv[0], "--list")) return list(argc > 1 ? argv[1] : NULL);
  int code = read_options(self, options, argc, argv, &file);
  if (code >= 0) return code;
  if (!s.target) s.target = "host";
  if (!session_open(&s)) return EXIT_FAILED;
  if (!session_load(&s, file, 0, NULL, &program)) return session_close(&s), EXIT_FAILED;
  code = apply(&s, file, program, &o);
  tn_program_destroy(program);
  session_close(&s);
  return code;
}

const command command_sched = {"sched", "FILE", "Applies lines of a schedule to a function and prints it.", run};
