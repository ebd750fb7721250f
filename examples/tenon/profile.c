/* profile.c -- `tenon profile`: where a run's time goes, kernel by kernel, and how near each is to the machine's roof.
 *
 * The model runs some dozens of times with an observer. A step's time is the median over the runs. For the page two
 * things more: a run with the ranges that threads took, and which steps read whose results.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

enum { LEAST_RUNS = 10, MOST_RUNS = 200, MAX_EVENTS = 1 << 16 };
static const double LONG = 1.5;

/* ---- what the observer hears -------------------------------------------------------------------------------------- */

typedef struct heard {
  int32_t kind;
  uint32_t number; /* of the step in the run */
  uint64_t thread, begin, end;
} heard;

/* Of one run; several threads write at once. */
typedef struct trace {
  heard *events;
  size_t room;
  atomic_size_t count;      /* more than room: some are lost */
  atomic_uint steps;        /* that ended */
  profile_step *described;  /* NULL: their descriptions are known */
} trace;

static const char *kept(const char *text) { return take_text("%s", text); }

static void describe(profile_step *to, const tn_step_info *info) {
  *to = (profile_step){.info = *info};
  to->info.name = kept(info->name);
  to->info.operators = kept(info->operators);
  to->info.nodes = kept(info->nodes);
  uint32_t *from = take(info->from_count + 1, sizeof *from);
  if (info->from_count) memcpy(from, info->from, info->from_count * sizeof *from);
  to->info.from = from;
}

static void hear(void *self, const tn_event *event) {
  trace *t = self;
  size_t i = atomic_fetch_add(&t->count, 1);
  uint32_t step = atomic_load(&t->steps);
  if (i < t->room) t->events[i] = (heard){event->kind, step, event->thread, event->begin, event->end};
  if (event->kind != TN_EVENT_STEP) return;
  if (t->described && step < t->room) describe(&t->described[step], event->step);
  atomic_fetch_add(&t->steps, 1);
}

static bool run_traced(subject *m, trace *t, bool ranges, double *wall) {
  const tn_observer observer = {.struct_size = sizeof observer, .event = hear, .self = t, .ranges = ranges};
  tn_error *error = NULL;
  atomic_store(&t->count, 0);
  atomic_store(&t->steps, 0);
  double start = seconds();
  tn_status status = tn_model_run_observed(m->model, m->pointers, m->input_count, m->pointers + m->input_count,
                                           m->output_count, &observer, &error);
  *wall = seconds() - start;
  return status ? (report(m->file, error), false) : true;
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

/* The steps of a run, described; a flow's are known only when they ran. */
static bool find_steps(profile *p) {
  trace t = {.room = MAX_EVENTS};
  double wall;
  t.events = take(t.room, sizeof *t.events);
  t.described = take(t.room, sizeof *t.described);
  if (!run_traced(&p->subject, &t, false, &wall)) return false;
  p->step_count = atomic_load(&t.steps);
  p->steps = t.described;
  if (p->step_count && p->step_count <= t.room) return true;
  fprintf(stderr, "tenon: %s: a run has %zu steps: there is nothing to profile\n", p->subject.file, p->step_count);
  return false;
}

/* Whether the run has the steps that the first had. */
static bool same_steps(const profile *p, const trace *t) {
  if (atomic_load(&t->steps) == p->step_count) return true;
  fprintf(stderr, "tenon: %s: runs differ in their steps: %zu, then %u\n", p->subject.file, p->step_count,
          atomic_load(&t->steps));
  return false;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, by_value);
  return values[count / 2];
}

/* times: step after step, `count` runs each. */
static void take_medians(profile *p, double *times, double *walls, double *shares, size_t room, size_t count) {
  for (size_t i = 0; i < p->step_count; i++) p->steps[i].seconds = median(times + i * room, count);
  p->observed_seconds = median(walls, count);
  p->accounted = median(shares, count);
  p->runs = count;
}

/* Runs with and without an observer in turn, so that they meet the same machine. */
static bool run_many(profile *p) {
  size_t room = p->repeat ? (size_t)p->repeat : MOST_RUNS, count = 0;
  trace t = {.room = p->step_count};
  double *times = take(room * p->step_count, sizeof *times), *walls = take(3 * room, sizeof *walls);
  double *shares = walls + room, *plain = shares + room, start = seconds();
  t.events = take(t.room, sizeof *t.events);
  while (count < room && (p->repeat || count < LEAST_RUNS || seconds() - start < LONG)) {
    double sum = 0, begin = seconds();
    if (!subject_run(&p->subject)) return false;
    plain[count] = seconds() - begin;
    if (!run_traced(&p->subject, &t, false, &walls[count]) || !same_steps(p, &t)) return false;
    for (size_t i = 0; i < p->step_count; i++) {
      times[i * room + count] = 1e-9 * (double)(t.events[i].end - t.events[i].begin);
      sum += times[i * room + count];
    }
    shares[count] = sum / walls[count];
    count++;
  }
  p->plain_seconds = median(plain, count);
  take_medians(p, times, walls, shares, room, count);
  return true;
}

static uint32_t number_of(uint64_t *threads, size_t *count, uint64_t thread) {
  for (size_t i = 0; i < *count; i++)
    if (threads[i] == thread) return (uint32_t)i;
  threads[*count] = thread;
  return (uint32_t)(*count)++;
}

/* One run as a timeline: the fastest of some. Threads are numbered, the calling one 0. */
static bool draw_timeline(profile *p) {
  enum { TRIES = 5, MAX_THREADS = 1024 };
  trace t = {.room = MAX_EVENTS};
  uint64_t *threads = take(MAX_THREADS, sizeof *threads), first = UINT64_MAX;
  double best = 0, wall;
  t.events = take(t.room, sizeof *t.events);
  heard *chosen = take(t.room, sizeof *chosen);
  for (int i = 0; i < TRIES; i++) {
    if (!run_traced(&p->subject, &t, true, &wall) || !same_steps(p, &t)) return false;
    if (i > 0 && wall >= best) continue;
    best = wall;
    p->span_count = atomic_load(&t.count) < t.room ? atomic_load(&t.count) : t.room;
    memcpy(chosen, t.events, p->span_count * sizeof *chosen);
  }
  for (size_t i = 0; i < p->span_count; i++) {
    if (chosen[i].begin < first) first = chosen[i].begin;
    if (chosen[i].kind == TN_EVENT_STEP) number_of(threads, &p->thread_count, chosen[i].thread);
  }
  p->spans = take(p->span_count + 1, sizeof *p->spans);
  for (size_t i = 0; i < p->span_count; i++) {
    const heard *h = &chosen[i];
    uint32_t thread = p->thread_count < MAX_THREADS ? number_of(threads, &p->thread_count, h->thread) : 0;
    p->spans[i] = (profile_span){h->number, thread, h->kind == TN_EVENT_RANGE, 1e-9 * (double)(h->begin - first),
                                 1e-9 * (double)(h->end - first)};
  }
  return true;
}

/* ---- kernels: steps of one function ------------------------------------------------------------------------------- */

static int slower_first(const void *a, const void *b) {
  const profile_step *x = a, *y = b;
  return x->seconds != y->seconds ? (x->seconds < y->seconds ? 1 : -1) : strcmp(x->info.name, y->info.name);
}

static void gather_kernels(profile *p) {
  p->kernels = take(p->step_count, sizeof *p->kernels);
  for (size_t i = 0; i < p->step_count; i++) {
    const profile_step *s = &p->steps[i];
    size_t k = 0;
    while (k < p->kernel_count && strcmp(p->kernels[k].info.name, s->info.name)) k++;
    if (k == p->kernel_count) {
      p->kernels[p->kernel_count] = (profile_step){.info = {.name = s->info.name, .operators = s->info.operators, .nodes = ""}};
      p->kernel_count++;
    }
    profile_step *to = &p->kernels[k];
    to->calls++;
    to->seconds += s->seconds;
    to->info.operations += s->info.operations;
    to->info.read_bytes += s->info.read_bytes;
    to->info.written_bytes += s->info.written_bytes;
    to->info.nodes = *to->info.nodes ? take_text("%s, %s", to->info.nodes, s->info.nodes) : s->info.nodes;
  }
  qsort(p->kernels, p->kernel_count, sizeof *p->kernels, slower_first);
}

static void add_up(profile *p) {
  for (size_t i = 0; i < p->step_count; i++) {
    p->steps[i].calls = 1;
    p->total.seconds += p->steps[i].seconds;
    p->total.info.operations += p->steps[i].info.operations;
    p->total.info.read_bytes += p->steps[i].info.read_bytes;
    p->total.info.written_bytes += p->steps[i].info.written_bytes;
  }
  p->total.calls = p->step_count;
  p->total.info.name = p->total.info.operators = p->total.info.nodes = "";
}

double profile_bytes(const profile_step *s) { return s->info.read_bytes + s->info.written_bytes; }

double profile_roof(const profile *p, const profile_step *s) {
  return roof_share(&p->roof, s->info.operations, profile_bytes(s), s->seconds);
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static void print_row(const profile *p, const profile_step *s, const char *name, const char *from) {
  double bytes = profile_bytes(s);
  printf("%5zu %10.4f %6.1f%% %10.3f %8.1f %9.3f %7.1f %6.1f%%  %-32s %s\n", s->calls, 1e3 * s->seconds,
         100 * s->seconds / p->total.seconds, 1e-6 * s->info.operations, 1e-9 * s->info.operations / s->seconds,
         1e-6 * bytes, 1e-9 * bytes / s->seconds, 100 * profile_roof(p, s), name, from);
}

static void print_text(const profile *p) {
  const profile_step *rows = p->by_step ? p->steps : p->kernels;
  size_t count = p->by_step ? p->step_count : p->kernel_count;
  printf("model      %s\n", p->subject.file);
  printf("threads    %d\n", (int)p->threads);
  printf("run        %.4f ms, observed %.4f ms: medians of %zu runs each, in turn\n", 1e3 * p->plain_seconds,
         1e3 * p->observed_seconds, p->runs);
  printf("accounted  %.2f %% of the wall time of an observed run is in its %zu steps\n", 100 * p->accounted, p->step_count);
  printf("roof       %.1f GFLOP/s, %.1f GB/s: multiply-adds, and reading as many bytes as a run does, in this process\n\n",
         1e-9 * p->roof.operations, 1e-9 * p->roof.bytes);
  printf("%5s %10s %7s %10s %8s %9s %7s %7s  %-32s %s\n", "calls", "ms", "share", "MFLOP", "GFLOP/s", "MB", "GB/s", "roof",
         "kernel", p->by_step ? "nodes" : "operators");
  for (size_t i = 0; i < count; i++)
    print_row(p, &rows[i], rows[i].info.name, p->by_step ? rows[i].info.nodes : rows[i].info.operators);
  print_row(p, &p->total, "all", "");
}

/* ---- the command ---------------------------------------------------------------------------------------------------- */

static bool measure_roof(profile *p) { return roof_measure(p->subject.s, p->threads, profile_bytes(&p->total), &p->roof); }

static bool write_files(const profile *p) {
  FILE *file;
  if (!json_open(p->json, &file)) return false;
  if (file) profile_json(p, file);
  if (!json_close(p->json, file) || !json_open(p->html, &file)) return false;
  if (file) profile_page(p, file);
  return json_close(p->html, file);
}

static bool work(profile *p, const texts *in) {
  if (!subject_open(&p->subject, in) || !find_steps(p) || !run_many(p)) return false;
  add_up(p);
  if (!measure_roof(p) || !draw_timeline(p) || !measure_roof(p)) return false;
  gather_kernels(p);
  bool silent = (p->json && !strcmp(p->json, "-")) || (p->html && !strcmp(p->html, "-"));
  if (!silent) print_text(p);
  return write_files(p);
}

/* Cores that this process may run on. */
static int32_t core_count(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

static int run(const command *self, int argc, char **argv) {
  session s = {0};
  profile p = {.subject.s = &s};
  texts in = {0};
  const option options[] = {
      {"--in", "NAME=FILE", OPTION_LIST, &in, "an input, as of `tenon run`; made up if not given"},
      {"--shape", "NAME=2x3", OPTION_LIST, &s.shapes, "the shape of an input that the model leaves open"},
      {"--dim", "NAME=2", OPTION_LIST, &s.dims, "an open dimension, by its name; those not given are taken as 1"},
      {"--integers", NULL, OPTION_FLAG, &s.integers, INTEGERS_HELP},
      {"--direct", NULL, OPTION_FLAG, &s.direct, DIRECT_HELP},
      {"--threads", "N", OPTION_COUNT, &s.threads, "threads of kernels; one per core if not given"},
      {"--repeat", "N", OPTION_COUNT, &p.repeat, "runs; if not given as many as take three seconds, from 10 to 200"},
      {"--steps", NULL, OPTION_FLAG, &p.by_step, "a row for each step, in order, instead of one for each kernel"},
      {"--html", "FILE", OPTION_TEXT, &p.html, "write a page with the graph, a timeline and a roofline"},
      {"--json", "FILE|-", OPTION_TEXT, &p.json, "write the figures as JSON; -: on standard output, in the text's place"},
      {"--progress", NULL, OPTION_FLAG, &s.progress, "show progress on stderr, also when it is no terminal"},
      {0}};
  int code = read_options(self, options, argc, argv, &p.subject.file);
  if (code >= 0) return code;
  if (!s.threads) s.threads = core_count();
  p.threads = s.threads;
  if (!session_open(&s)) return EXIT_FAILED;
  code = work(&p, &in) ? EXIT_OK : EXIT_FAILED;
  subject_close(&p.subject);
  session_close(&s);
  return code;
}

const command command_profile = {"profile", "MODEL", "Tells where a run's time goes, beside the machine's roof.", run};
