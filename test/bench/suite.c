/* suite.c -- the problems of one kind, each a contest between Tenon and the libraries.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "bench.h"

typedef struct state {
  const bench_suite *suite;
  bench_contest c;
  const bench_peer *peers[MAX_PEERS]; /* those that were opened */
  void *operands[MAX_PEERS + 1]; /* each contestant's own: nobody finds the caches warmed by another */
  void *expected;
} state;

static void open_table(state *s, const bench_peer *table, bool aside) {
  for (const bench_peer *p = table; p && p->name; p++) {
    bool has_type = !p->types || p->types >> s->c.options->type & 1;
    if (!has_type || !bench_enter(&s->c, p->name, p->named, p->open)) continue;
    s->peers[s->c.peer_count - 1] = p;
    s->c.aside[s->c.peer_count - 1] = aside;
  }
}

static void open_peers(state *s) {
  for (const bench_peer *const *table = s->suite->peers; *table; table++) open_table(s, *table, false);
  open_table(s, s->suite->aside, true);
}

static void *make_operands(const state *s, size_t problem) {
  void *operands = bench_alloc(s->suite->operand_size);
  s->suite->make(s->c.options, problem, operands);
  return operands;
}

static void drop_operands(const state *s, size_t who) {
  s->suite->drop(s->operands[who]);
  free(s->operands[who]);
}

static void clear(void *self, size_t who) {
  const state *s = self;
  s->suite->clear(s->operands[who]);
}

static bool is_right(void *self, size_t who) {
  const state *s = self;
  bool ours = who == BENCH_OURS;
  void (*fetch)(void *) = ours ? s->suite->own.fetch : s->peers[who]->fetch;
  if (fetch) fetch(s->c.prepared[who]);
  return s->suite->is_right(s->operands[who], s->expected, ours ? "tenon" : s->c.names[who]);
}

static void enter_peers(state *s, size_t problem) {
  for (size_t p = 0; p < s->c.peer_count; p++) {
    s->operands[p] = make_operands(s, problem);
    s->c.run[p] = s->peers[p]->run;
    s->c.drop[p] = s->peers[p]->drop;
    s->c.prepared[p] = s->peers[p]->prepare(s->operands[p]);
  }
}

static bool measure(state *s, tn_context *ctx, size_t problem, bench_outcome *out) {
  const bench_suite *suite = s->suite;
  void *mine = s->operands[BENCH_OURS] = make_operands(s, problem);
  double seconds = 0;
  void *compiled = suite->own.compile(ctx, mine, &seconds);
  s->c.run[BENCH_OURS] = suite->own.run;
  s->c.prepared[BENCH_OURS] = compiled;
  enter_peers(s, problem);
  size_t read = suite->reading ? (suite->reading(mine) + 63) / 64 * 64 : 0;
  void *as_much = read ? bench_alloc(read) : NULL;
  s->c.read = as_much;
  s->c.read_bytes = read;
  s->expected = suite->expect ? suite->expect(mine) : NULL;
  bool good = bench_check(&s->c, clear, is_right, s);
  free(s->expected);
  if (good) *out = bench_measure(&s->c, suite->work(mine), seconds);
  bench_drop_peers(&s->c);
  for (size_t p = 0; p < s->c.peer_count; p++) drop_operands(s, p);
  suite->own.drop(compiled);
  drop_operands(s, BENCH_OURS);
  free(as_much);
  return good;
}

int bench_run_suite(const bench_suite *suite, const bench_options *options) {
  state *s = bench_alloc(sizeof *s);
  bench_row *rows = bench_alloc((suite->count + 1) * sizeof *rows);
  tn_error *error = NULL;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = (uint32_t)options->threads}};
  bool good = true;
  size_t count = 0;
  s->suite = suite;
  bench_begin(&s->c, options, bench_library_ratio);
  s->c.by_bytes = suite->by_bytes;
  bench_must(tn_context_create(&desc, &ctx, &error), &error);
  open_peers(s);
  bench_print_header(&s->c, suite->type, suite->shape, suite->mark);
  for (size_t i = 0; i < suite->count; i++) {
    bench_row *r = &rows[count];
    *r = (bench_row){.mark = ' ', .group = ""};
    if (!suite->describe(suite, i, r) || !bench_is_chosen(options, r)) continue;
    bool done = measure(s, ctx, i, &r->o);
    good &= done;
    if (!done) continue;
    if (suite->note) suite->note(r);
    bench_print_row(&s->c, r);
    count++;
  }
  bench_print_mean(&s->c, rows, count, NULL);
  for (const char *const *group = suite->groups; group && *group; group++) bench_print_mean(&s->c, rows, count, *group);
  for (size_t p = 0; p < s->c.peer_count; p++)
    if (suite->each_peer || s->c.aside[p]) bench_print_mean_beside(&s->c, rows, count, p);
  bench_print_compile(rows, count);
  good &= bench_finish(&s->c, suite->name, suite->type, rows, count);
  tn_context_destroy(ctx);
  free(rows);
  free(s);
  return good ? 0 : 1;
}
