/* contest.c -- contestants run in turn, and the report of how they did.
 *
 * In a round the multiply-add peak and all contestants run in turn; a contestant's figure in it is the least of three
 * batches; ratios are medians over rounds of ratios within a round.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

enum { BATCHES = 3, READING = BENCH_OURS + 1 };
static const double least_batch = 150e-6; /* seconds, so that the clock does not matter */

const char bench_library_ratio[] = "the best library's time / Tenon's";

void bench_begin(bench_contest *c, const bench_options *options, const char *ratio) {
  *c = (bench_contest){.options = options, .ratio = ratio, .complete = true};
}

bool bench_enter(bench_contest *c, const char *name, bool named, bool (*open)(const char *folder, int threads)) {
  if (open(c->options->peer_folder, c->options->threads)) {
    c->names[c->peer_count++] = name;
    return true;
  }
  printf("missing: %s%s\n", name, named ? "" : " (no mean needs it)");
  c->complete &= !named;
  return false;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static void run_one(const bench_contest *c, size_t who) {
  if (who == READING)
    bench_read(c->read, c->read_bytes);
  else
    c->run[who](c->prepared[who]);
}

static void drop_one(bench_contest *c, size_t p) {
  if (c->prepared[p]) c->drop[p](c->prepared[p]);
  c->prepared[p] = NULL;
}

void bench_drop_peers(bench_contest *c) {
  for (size_t p = 0; p < c->peer_count; p++) drop_one(c, p);
}

bool bench_check(bench_contest *c, void (*clear)(void *self, size_t who), bool (*is_right)(void *self, size_t who),
                 void *self) {
  clear(self, BENCH_OURS);
  run_one(c, BENCH_OURS);
  bool good = is_right(self, BENCH_OURS);
  for (size_t p = 0; p < c->peer_count; p++) {
    if (!c->prepared[p]) continue;
    clear(self, p);
    run_one(c, p);
    if (!is_right(self, p)) drop_one(c, p);
  }
  return good;
}

/* The threads of whoever ran before spin a while before they sleep; so do those of who comes now when a run is near. */
static void change_threads(const bench_contest *c, size_t who) {
  nanosleep(&(struct timespec){.tv_nsec = 4000000}, NULL);
  run_one(c, who);
}

/* Seconds of one run, the least of the batches. */
static double time_one(bench_contest *c, size_t who, double *estimate) {
  bool wall = c->options->threads > 1;
  double best = INFINITY;
  int64_t times = *estimate > 0 ? 1 + (int64_t)(least_batch / *estimate) : 1;
  if (c->options->threads > 1) change_threads(c, who);
  for (int b = 0; b < (*estimate > 20e-3 ? 1 : BATCHES); b++) {
    double start = bench_now(wall);
    for (int64_t t = 0; t < times; t++) run_one(c, who);
    best = fmin(best, (bench_now(wall) - start) / (double)times);
  }
  return *estimate = best;
}

static void run_rounds(bench_contest *c) {
  double estimate[MAX_PEERS + 2] = {0};
  for (int round = -1; round < c->options->rounds; round++) { /* the first is not counted: it warms and estimates */
    int at = round < 0 ? 0 : round;
    c->peak[at] = bench_peak_f32();
    c->seconds[BENCH_OURS][at] = time_one(c, BENCH_OURS, &estimate[BENCH_OURS]);
    for (size_t p = 0; p < c->peer_count; p++)
      if (c->prepared[p]) c->seconds[p][at] = time_one(c, p, &estimate[p]);
    if (c->read) c->reading[at] = time_one(c, READING, &estimate[READING]);
  }
}

static double median_ratio(const double *over, const double *under, int rounds) {
  double values[MAX_ROUNDS];
  for (int r = 0; r < rounds; r++) values[r] = over[r] / under[r];
  return bench_median(values, rounds);
}

bench_outcome bench_measure(bench_contest *c, double flops, double compile_seconds) {
  int rounds = c->options->rounds;
  double rate[MAX_ROUNDS], share[MAX_ROUNDS];
  bench_outcome o = {.ratio = INFINITY, .best = "none", .compile_ms = 1e3 * compile_seconds};
  run_rounds(c);
  for (int r = 0; r < rounds; r++) {
    rate[r] = 1e-9 * flops / c->seconds[BENCH_OURS][r];
    share[r] = c->by_bytes ? 0 : rate[r] / (c->peak[r] * c->options->threads);
  }
  o.gflops = bench_median(rate, rounds);
  o.share = bench_median(share, rounds);
  if (c->read) o.reading = median_ratio(c->reading, c->seconds[BENCH_OURS], rounds);
  for (size_t p = 0; p < c->peer_count; p++) {
    if (!c->prepared[p]) continue;
    o.peer_ratio[p] = median_ratio(c->seconds[p], c->seconds[BENCH_OURS], rounds);
    if (o.peer_ratio[p] < o.ratio && !c->aside[p]) {
      o.ratio = o.peer_ratio[p];
      o.best = c->names[p];
    }
  }
  return o;
}

/* ---- the report -------------------------------------------------------------------------------------------------- */

bool bench_is_chosen(const bench_options *o, const bench_row *r) {
  char name[120];
  snprintf(name, sizeof name, "%s %s", r->from, r->shape);
  return !o->only || strstr(name, o->only);
}

void bench_print_header(const bench_contest *c, const char *type, const char *shape, const char *mark) {
  const bench_options *o = c->options;
  printf("%s, %d thread%s, medians of %d rounds; %sratio: %s%s\n", type, o->threads, o->threads > 1 ? "s" : "",
         o->rounds, mark, c->ratio, c->by_bytes ? "" : "; peak%: of f32 multiply-adds");
  printf("%-22s %24s  %8s %6s %6s  %-12s %7s |", "from", shape, c->by_bytes ? "GB/s" : "GFLOP/s",
         c->by_bytes ? "" : "peak%", "ratio", "best other", "ms");
  for (size_t p = 0; p < c->peer_count; p++) printf(" %s", c->names[p]);
  printf("\n");
}

void bench_print_row(const bench_contest *c, const bench_row *r) {
  char share[16] = "";
  if (!c->by_bytes) snprintf(share, sizeof share, "%.1f", 100 * r->o.share);
  printf("%-22s %24s%c %8.1f %6s %6.3f  %-12s %7.1f |", r->from, r->shape, r->mark, r->o.gflops, share, r->o.ratio,
         r->o.best, r->o.compile_ms);
  for (size_t p = 0; p < c->peer_count; p++) printf(" %*.2f", (int)strlen(c->names[p]), r->o.peer_ratio[p]);
  if (r->o.reading > 0) printf(" | %.0f %% of reading", 100 * r->o.reading);
  printf("%s%s\n", *r->note ? " | " : "", r->note);
  fflush(stdout);
}

void bench_print_mean(const bench_contest *c, const bench_row *rows, size_t count, const char *group) {
  double sum = 0, worst = INFINITY;
  const bench_row *at = NULL;
  int n = 0;
  for (size_t i = 0; i < count; i++) {
    if ((group && strcmp(rows[i].group, group) != 0) || isinf(rows[i].o.ratio)) continue; /* no library has it */
    sum += log(rows[i].o.ratio);
    if (rows[i].o.ratio < worst) worst = rows[i].o.ratio, at = &rows[i];
    n++;
  }
  if (!at || !c->complete) return;
  printf("%s: geometric mean %.3f, worst %.3f (%s %s), %d shapes\n", group ? group : "all", exp(sum / n), worst,
         at->from, at->shape, n);
}

void bench_print_mean_beside(const bench_contest *c, const bench_row *rows, size_t count, size_t peer) {
  double sum = 0, worst = INFINITY;
  int n = 0;
  for (size_t i = 0; i < count; i++) {
    double ratio = rows[i].o.peer_ratio[peer];
    if (!(ratio > 0)) continue;
    sum += log(ratio);
    worst = fmin(worst, ratio);
    n++;
  }
  if (n) printf("%s alone: geometric mean %.3f, worst %.3f, %d shapes\n", c->names[peer], exp(sum / n), worst, n);
}

void bench_print_compile(const bench_row *rows, size_t count) {
  double *ms = bench_alloc((count + 1) * sizeof *ms);
  for (size_t i = 0; i < count; i++) ms[i] = rows[i].o.compile_ms;
  if (count) printf("compiling: median %.1f ms, with all that a model needs\n", bench_median(ms, (int)count));
  free(ms);
}

static bool write_json(const bench_contest *c, const char *suite, const char *type, const bench_row *rows,
                       size_t count) {
  FILE *f = fopen(c->options->json, "w");
  if (!f) return false;
  fprintf(f, "{\"suite\": \"%s\", \"type\": \"%s\", \"threads\": %d, \"rounds\": %d, \"rows\": [", suite, type,
          c->options->threads, c->options->rounds);
  for (size_t i = 0; i < count; i++) {
    const bench_row *r = &rows[i];
    fprintf(f, "%s\n  {\"from\": \"%s\", %s, \"gflops\": %.2f, \"share\": %.4f,", i ? "," : "", r->from, r->json,
            r->o.gflops, r->o.share);
    fprintf(f, " \"compile_ms\": %.2f, \"reading\": %.4f, \"ratios\": {", r->o.compile_ms, r->o.reading);
    const char *comma = "";
    for (size_t p = 0; p < c->peer_count; p++)
      if (r->o.peer_ratio[p] > 0) {
        fprintf(f, "%s\"%s\": %.4f", comma, c->names[p], r->o.peer_ratio[p]);
        comma = ", ";
      }
    fprintf(f, "}}");
  }
  fprintf(f, "\n]}\n");
  return fclose(f) == 0;
}

static bool draw(const bench_contest *c, const char *suite, const char *type, const bench_row *rows, size_t count) {
  bench_bar *bars = bench_alloc((count + 1) * sizeof *bars);
  char(*labels)[120] = bench_alloc((count + 1) * sizeof *labels), title[80];
  for (size_t i = 0; i < count; i++) {
    snprintf(labels[i], sizeof labels[i], "%s %s", rows[i].from, rows[i].shape);
    bars[i] = (bench_bar){labels[i], rows[i].o.ratio};
  }
  snprintf(title, sizeof title, "%s %s: %s", suite, type, c->ratio);
  bool good = bench_plot(c->options->svg, title, bars, count);
  free(bars);
  free(labels);
  return good;
}

bool bench_finish(const bench_contest *c, const char *suite, const char *type, const bench_row *rows, size_t count) {
  bool good = true;
  if (!c->complete) printf("no mean: named libraries are missing (sh test/bench/peers.sh FOLDER; --peers FOLDER)\n");
  good &= !c->options->json || write_json(c, suite, type, rows, count);
  good &= !c->options->svg || draw(c, suite, type, rows, count);
  return good;
}
