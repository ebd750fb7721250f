/* bench.c -- `tenon bench`: how long a model takes, warm and from the start, and in how much memory.
 *
 * With --paced a process that measures several engines in turn decides when: each line on standard input is a number
 * of runs, answered by a line of JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

typedef struct bench {
  subject subject;
  texts in;
  int32_t warm_up, repeat;
  const char *json;
  bool paced;
  spread runs;
  double peak_bytes, bytes; /* of memory that is there: the most so far, and after the runs; 0: not known */
} bench;

/* A line of /proc/self/status, in bytes. The most so far is of this program alone, unlike getrusage's. */
static double status_bytes(const char *name) {
  char line[256];
  double kilobytes = 0;
  FILE *file = fopen("/proc/self/status", "r");
  size_t length = strlen(name);
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, name, length) && line[length] == ':') kilobytes = strtod(line + length + 1, NULL);
  if (file) fclose(file);
  return 1024 * kilobytes;
}

/* 0: one per core. */
static int32_t threads_of(const bench *b) { return b->subject.s->threads; }

static void print_text(const bench *b) {
  const subject *m = &b->subject;
  char count[24];
  snprintf(count, sizeof count, threads_of(b) ? "%d" : "one per core", (int)threads_of(b));
  printf("%-13s%s\n", "model", m->file);
  printf("%-13s%s\n", "inputs", m->made_up ? "made up" : "given");
  printf("%-13s%s\n", "threads", count);
  printf("%-13s%9.3f ms\n", "import", 1e3 * m->import_seconds);
  printf("%-13s%9.3f ms  (%llu kernels, %llu bytes of code)\n", "compile", 1e3 * m->compile_seconds,
         (unsigned long long)m->stats.kernels, (unsigned long long)m->stats.code_bytes);
  printf("%-13s%9.3f ms  from opening the file\n", "first output", 1e3 * m->first_seconds);
  printf("%-13s%9.3f ms  median of %zu runs; least %.3f, nine in ten within %.3f\n", "run", 1e3 * b->runs.median,
         b->runs.count, 1e3 * b->runs.least, 1e3 * b->runs.p90);
  printf("%-13s%9.1f MiB peak, %.1f after the runs\n", "memory", b->peak_bytes / 0x1p20, b->bytes / 0x1p20);
}

static void print_member(FILE *to, const char *name, double value) {
  fprintf(to, ", \"%s\": ", name);
  json_number(to, value);
}

static void print_spread(FILE *to, const spread *s) {
  fprintf(to, "\"runs\": %zu", s->count);
  print_member(to, "median_ms", 1e3 * s->median);
  print_member(to, "min_ms", 1e3 * s->least);
  print_member(to, "p90_ms", 1e3 * s->p90);
}

static void print_json(const bench *b, FILE *to) {
  const subject *m = &b->subject;
  fputs("{\"model\": ", to);
  json_text(to, m->file);
  fputs(", \"tenon\": ", to);
  json_text(to, tn_version());
  fprintf(to, ", \"threads\": %d", (int)threads_of(b));
  fprintf(to, ", \"inputs\": \"%s\"", m->made_up ? "made up" : "given");
  print_member(to, "import_ms", 1e3 * m->import_seconds);
  print_member(to, "compile_ms", 1e3 * m->compile_seconds);
  print_member(to, "first_output_ms", 1e3 * m->first_seconds);
  print_member(to, "kernels", (double)m->stats.kernels);
  print_member(to, "steps", (double)tn_model_step_count(m->model));
  print_member(to, "workspace_bytes", (double)m->stats.workspace_bytes);
  print_member(to, "peak_bytes", b->peak_bytes);
  print_member(to, "steady_bytes", b->bytes);
  if (b->runs.count) fputs(", ", to), print_spread(to, &b->runs);
  fputs("}\n", to);
}

static void look_at_memory(bench *b) {
  b->peak_bytes = status_bytes("VmHWM");
  b->bytes = status_bytes("VmRSS");
  if (b->peak_bytes && b->peak_bytes < b->bytes) b->peak_bytes = b->bytes; /* the system notes the most now and then */
}

/* As many runs as each line says. */
static bool keep_pace(bench *b) {
  char line[64];
  look_at_memory(b);
  print_json(b, stdout);
  while (!fflush(stdout) && fgets(line, sizeof line, stdin)) {
    char *end;
    long count = strtol(line, &end, 10);
    line[strcspn(line, "\n")] = 0;
    if (end == line || *end > ' ' || count < 1 || count > 1000000) {
      fprintf(stderr, "tenon bench: --paced: a line is a number of runs, not `%s`\n", line);
      return false;
    }
    if (!subject_measure(&b->subject, 0, (int32_t)count, &b->runs)) return false;
    fputc('{', stdout);
    print_spread(stdout, &b->runs);
    fputs("}\n", stdout);
  }
  return true;
}

static bool measure(bench *b) {
  FILE *json;
  tn_context_trim(b->subject.s->context);
  if (b->paced) return keep_pace(b);
  if (!json_open(b->json, &json)) return false;
  bool good = subject_measure(&b->subject, b->warm_up, b->repeat, &b->runs);
  look_at_memory(b);
  if (good && json != stdout) print_text(b);
  if (good && json) print_json(b, json);
  return json_close(b->json, json) && good;
}

static int run(const command *self, int argc, char **argv) {
  session s = {0};
  bench b = {.subject.s = &s, .warm_up = 3};
  const option options[] = {
      {"--in", "NAME=FILE", OPTION_LIST, &b.in, "an input, as of `tenon run`; made up if not given"},
      {"--shape", "NAME=2x3", OPTION_LIST, &s.shapes, "the shape of an input that the model leaves open"},
      {"--dim", "NAME=2", OPTION_LIST, &s.dims, "an open dimension, by its name; those not given are taken as 1"},
      {"--integers", NULL, OPTION_FLAG, &s.integers, INTEGERS_HELP},
      {"--direct", NULL, OPTION_FLAG, &s.direct, DIRECT_HELP},
      {"--threads", "N", OPTION_COUNT, &s.threads, "threads of kernels; one per core if not given"},
      {"--warmup", "N", OPTION_COUNT, &b.warm_up, "runs before those that count, beside the first; 3 if not given"},
      {"--repeat", "N", OPTION_COUNT, &b.repeat,
       "runs that count; if not given as many as take a second, from 10 to 1000"},
      {"--json", "FILE|-", OPTION_TEXT, &b.json, "write the figures as JSON; -: on standard output, in the text's place"},
      {"--paced", NULL, OPTION_FLAG, &b.paced,
       "print what is known after the first run as a line of JSON, and then, for each\n"
       "line of standard input, the times of as many runs as it says"},
      {"--cache", "DIR", OPTION_TEXT, &s.cache, CACHE_HELP},
      {"--cache-key", "FILE", OPTION_TEXT, &s.cache_key, CACHE_KEY_HELP},
      {"--progress", NULL, OPTION_FLAG, &s.progress, "show progress on stderr, also when it is no terminal"},
      {0}};
  int code = read_options(self, options, argc, argv, &b.subject.file);
  if (code >= 0) return code;
  if (!session_open(&s)) return EXIT_FAILED;
  code = subject_open(&b.subject, &b.in) && measure(&b) ? EXIT_OK : EXIT_FAILED;
  subject_close(&b.subject);
  session_close(&s);
  return code;
}

const command command_bench = {"bench", "MODEL", "Measures a model: warm, from the start, in memory.", run};
