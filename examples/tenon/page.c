/* page.c -- what `tenon profile` knows as JSON, and as a page (page.html) that has the JSON in it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "command.h"

/* The lines of page.html; the line of @DATA@ is where the JSON goes. */
static const char *const lines[] = {
#include "page_lines.h"
};

static void print_member(FILE *to, const char *before, const char *name, double value) {
  fprintf(to, "%s\"%s\": ", before, name);
  json_number(to, value);
}

static void print_names(FILE *to, const profile_step *s) {
  fputs("{\"name\": ", to);
  json_text(to, s->info.name);
  fputs(", \"operators\": ", to);
  json_text(to, s->info.operators);
  fputs(", \"nodes\": ", to);
  json_text(to, s->info.nodes);
}

static void print_kernel(FILE *to, const profile *p, const profile_step *s) {
  double bytes = profile_bytes(s);
  print_names(to, s);
  fprintf(to, ", \"calls\": %zu", s->calls);
  print_member(to, ", ", "ms", 1e3 * s->seconds);
  print_member(to, ", ", "share", s->seconds / p->total.seconds);
  print_member(to, ", ", "mflop", 1e-6 * s->info.operations);
  print_member(to, ", ", "gflops", 1e-9 * s->info.operations / s->seconds);
  print_member(to, ", ", "mb", 1e-6 * bytes);
  print_member(to, ", ", "gbs", 1e-9 * bytes / s->seconds);
  print_member(to, ", ", "roof", profile_roof(p, s));
  fputc('}', to);
}

static void print_step(FILE *to, const profile_step *s) {
  print_names(to, s);
  print_member(to, ", ", "ms", 1e3 * s->seconds);
  print_member(to, ", ", "mflop", 1e-6 * s->info.operations);
  print_member(to, ", ", "read_mb", 1e-6 * s->info.read_bytes);
  print_member(to, ", ", "written_mb", 1e-6 * s->info.written_bytes);
  fputs(", \"from\": [", to);
  for (size_t i = 0; i < s->info.from_count; i++) fprintf(to, "%s%u", i ? ", " : "", s->info.from[i]);
  fputs("]}", to);
}

/* [step, thread, 1 for a part of a parallel loop, begin, end] in microseconds */
static void print_span(FILE *to, const profile_span *s) {
  fprintf(to, "[%u, %u, %d, %.3f, %.3f]", s->step, s->thread, s->range, 1e6 * s->begin, 1e6 * s->end);
}

void profile_json(const profile *p, FILE *to) {
  fputs("{\"model\": ", to);
  json_text(to, p->subject.file);
  fputs(", \"tenon\": ", to);
  json_text(to, tn_version());
  fprintf(to, ", \"threads\": %d, \"runs\": %zu", (int)p->threads, p->runs);
  print_member(to, ",\n", "run_ms", 1e3 * p->plain_seconds);
  print_member(to, ", ", "observed_ms", 1e3 * p->observed_seconds);
  print_member(to, ", ", "accounted", p->accounted);
  print_member(to, ",\n", "roof_gflops", 1e-9 * p->roof.operations);
  print_member(to, ", ", "roof_gbs", 1e-9 * p->roof.bytes);
  for (size_t i = 0; i < p->kernel_count; i++) {
    fputs(i ? ",\n" : ",\n\"kernels\": [\n", to);
    print_kernel(to, p, &p->kernels[i]);
  }
  for (size_t i = 0; i < p->step_count; i++) {
    fputs(i ? ",\n" : "],\n\"steps\": [\n", to);
    print_step(to, &p->steps[i]);
  }
  for (size_t i = 0; i < p->span_count; i++) {
    fputs(i ? ",\n" : "],\n\"timeline\": [\n", to);
    print_span(to, &p->spans[i]);
  }
  fputs("]}\n", to);
}

void profile_page(const profile *p, FILE *to) {
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    if (strcmp(lines[i], "@DATA@\n"))
      fputs(lines[i], to);
    else
      profile_json(p, to);
  }
}
