/* explain.c -- what a function would cost: how often its loops run, what memory a run of them touches, and the traffic that
 * makes with each cache.
 *
 * The footprint of a loop is what all its iterations touch, once each: of every buffer the box of its accesses, but for
 * registers. Traffic with a cache is counted by the largest parts of the program that fit into it: such a part brings its
 * footprint each time it runs, and nothing stays from one part to the next. What is symbolic is not known: `?`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "sched.h"

enum { UNKNOWN = -1, MAX_COUNT_BITS = 62 };

typedef struct explainer {
  tn_schedule *s;
  tni_region region; /* of its own: the schedule's may be read by forks */
  tni_accesses all;
  int64_t cache; /* bytes of the cache in question */
  bool failed;
} explainer;

static int64_t times(int64_t a, int64_t b) {
  int64_t out;
  if (a == UNKNOWN || b == UNKNOWN) return UNKNOWN;
  return __builtin_mul_overflow(a, b, &out) ? INT64_C(1) << MAX_COUNT_BITS : out;
}

static int64_t plus(int64_t a, int64_t b) {
  int64_t out;
  if (a == UNKNOWN || b == UNKNOWN) return UNKNOWN;
  return __builtin_add_overflow(a, b, &out) ? INT64_C(1) << MAX_COUNT_BITS : out;
}

static int64_t trips(const tn_stmt *loop) {
  return tni_is_const(loop->as.loop.extent) ? loop->as.loop.extent->as.i : UNKNOWN;
}

/* How deep the access is when `part` (a loop, a block or a write; NULL: the whole function) begins to run; -1: not inside. */
static int depth_in(const tni_access *x, const tn_stmt *part) {
  if (!part) return 0;
  if (part->kind != TNI_FOR) return x->block == part || x->store == part ? x->depth : -1;
  for (int i = 0; i < x->depth; i++)
    if (x->loops[i] == part) return i;
  return -1;
}

/* The bytes of the box of all accesses to one buffer while the part runs. */
static int64_t buffer_bytes(explainer *e, const tn_buffer *b, const tn_stmt *part) {
  tni_region *r = &e->region;
  tni_facts none = {.ctx = e->s->ctx};
  tni_box box = {0};
  bool first = true;
  for (size_t i = 0; i < e->all.count && !e->failed; i++) {
    const tni_access *x = &e->all.items[i];
    tni_itermap map;
    int depth = x->buffer == b ? depth_in(x, part) : -1;
    if (depth < 0) continue;
    e->failed |= !tni_access_box(r, x, depth, &map);
    if (e->failed) break;
    tni_box own = tni_box_of(b->rank, &map);
    if (first)
      box = own;
    else
      e->failed |= !tni_box_grow(r, &none, b->rank, &box, &own);
    first = false;
  }
  int64_t bytes = (TN_TYPE_BITS(b->type) + 7) / 8;
  for (int32_t d = 0; d < b->rank && !e->failed; d++) {
    int64_t whole = tni_is_const(b->shape[d]) ? b->shape[d]->as.i : UNKNOWN, part_of = box.extents[d];
    bytes = times(bytes, part_of && (whole == UNKNOWN || part_of < whole) ? part_of : whole);
  }
  return bytes;
}

static int64_t footprint(explainer *e, const tn_stmt *part) {
  int64_t bytes = 0;
  for (size_t i = 0; i < e->all.count && !e->failed; i++) {
    const tn_buffer *b = e->all.items[i].buffer;
    bool seen = b->scope == TNI_SCOPE_REGISTER || depth_in(&e->all.items[i], part) < 0;
    for (size_t k = 0; k < i && !seen; k++) seen = e->all.items[k].buffer == b && depth_in(&e->all.items[k], part) >= 0;
    if (!seen) bytes = plus(bytes, buffer_bytes(e, b, part));
  }
  return bytes;
}

/* ---- traffic ---- */

typedef struct traffic_sum {
  explainer *e;
  int64_t bytes;
} traffic_sum;

static bool add_traffic(void *self, const tn_stmt *s);

/* Of all that runs inside. */
static int64_t traffic_inside(explainer *e, const tn_stmt *body) {
  traffic_sum sum = {e, 0};
  tni_stmt_visit(body, add_traffic, &sum);
  return sum.bytes;
}

static bool add_traffic(void *self, const tn_stmt *s) {
  traffic_sum *sum = self;
  if (s->kind != TNI_FOR && s->kind != TNI_BLOCK && !tni_is_write(s)) return true;
  int64_t bytes = footprint(sum->e, s);
  bool fits = bytes != UNKNOWN && bytes <= sum->e->cache;
  if (s->kind == TNI_FOR && !fits) bytes = times(trips(s), traffic_inside(sum->e, s->as.loop.body));
  sum->bytes = plus(sum->bytes, bytes);
  return false;
}

static int64_t traffic(explainer *e, int64_t cache) {
  int64_t whole = footprint(e, NULL);
  e->cache = cache;
  return whole != UNKNOWN && whole <= cache ? whole : traffic_inside(e, e->s->func->body);
}

/* ---- writing ---- */

/* "3.2 MiB", rounded down. */
static void write_bytes(tni_text *t, int64_t bytes, int width) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  char number[40];
  size_t unit = 0;
  int64_t tenths = bytes;
  if (bytes == UNKNOWN) {
    tni_text_add(t, "%*s", width, "?");
    return;
  }
  if (bytes >= 1024) {
    while (tenths >= 1024 * 1024 && unit + 2 < TNI_COUNT(units)) tenths /= 1024, unit++;
    unit++;
    tenths = tenths / 1024 * 10 + tenths % 1024 * 10 / 1024;
    snprintf(number, sizeof number, "%lld.%lld %s", (long long)(tenths / 10), (long long)(tenths % 10), units[unit]);
  } else {
    snprintf(number, sizeof number, "%lld B", (long long)bytes);
  }
  tni_text_add(t, "%*s", width, number);
}

static void write_count(tni_text *t, int64_t count, int width) {
  if (count == UNKNOWN)
    tni_text_add(t, "%*s", width, "?");
  else
    tni_text_add(t, "%*lld", width, (long long)count);
}

typedef struct table {
  explainer *e;
  tni_text *t;
  const char *at; /* in the printed function, whose loops stand in the same order */
  int64_t runs;   /* of what is walked now */
} table;

/* The next loop of the printed function: two more spaces for each loop around it, as it was. */
static void write_loop_name(table *q) {
  while (strncmp(q->at + strspn(q->at, " "), "for ", 4) != 0) q->at += strcspn(q->at, "\n") + 1;
  size_t n = strcspn(q->at, "\n");
  size_t shown = n > 2 && q->at[n - 1] == '{' ? n - 2 : n, skip = 2;
  if (shown - skip > 44) shown = skip + 44;
  tni_text_add(q->t, "%-44.*s", (int)(shown - skip), q->at + skip);
  q->at += n;
}

static bool see_loop(void *self, const tn_stmt *s) {
  table *q = self;
  if (s->kind != TNI_FOR) return true;
  write_loop_name(q);
  write_count(q->t, trips(s), 8);
  write_count(q->t, q->runs, 12);
  write_bytes(q->t, footprint(q->e, s), 14);
  tni_text_add(q->t, "\n");
  int64_t runs = q->runs;
  q->runs = times(runs, trips(s));
  tni_stmt_visit(s->as.loop.body, see_loop, q);
  q->runs = runs;
  return false;
}

static void write_loops(explainer *e, tni_text *t) {
  table q = {.e = e, .t = t, .at = tn_schedule_text(e->s), .runs = 1};
  e->failed |= !q.at;
  if (e->failed) return;
  tni_text_add(t, "%-44s%8s%12s%14s\n", "loop", "trips", "runs", "footprint");
  tni_stmt_visit(e->s->func->body, see_loop, &q);
}

static void write_traffic(explainer *e, tni_text *t, const tn_target *target) {
  const struct {
    const char *name;
    size_t bytes;
  } caches[] = {{"L1", target->l1d}, {"L2", target->l2}, {"L3", target->l3}};
  tni_text_add(t, "traffic:");
  for (size_t i = 0; i < TNI_COUNT(caches); i++) {
    tni_text_add(t, "%s ", i ? "," : "");
    write_bytes(t, traffic(e, (int64_t)caches[i].bytes), 0);
    tni_text_add(t, " into %s of ", caches[i].name);
    write_bytes(t, (int64_t)caches[i].bytes, 0);
  }
  tni_text_add(t, "\n");
}

tn_status tn_schedule_explain(tn_schedule *s, const tn_target *target, int loops, char **out, tn_error **err) {
  explainer e = {.s = s};
  tni_text t;
  *out = NULL;
  if (err) *err = NULL;
  tni_text_init(&t, s->ctx);
  tni_region_init(&e.region, s->ctx, &s->region);
  e.failed = !tni_accesses_collect(&e.region, s->func->body, &e.all);
  if (!e.failed && loops) write_loops(&e, &t);
  if (!e.failed) write_traffic(&e, &t, target);
  if (!e.failed && tn_schedule_is_unsafe(s)) tni_text_add(&t, "results may differ: a line of the schedule is unsafe\n");
  if (!e.failed && e.all.opaque) tni_text_add(&t, "not all that the function does to memory is known\n");
  tni_accesses_destroy(&e.all);
  tni_region_destroy(&e.region);
  if (!e.failed) *out = tni_text_take(&t);
  tni_text_destroy(&t);
  return *out ? TN_OK : tni_fail_nomem(err);
}
