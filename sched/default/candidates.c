/* candidates.c -- which tensor instructions of a target can do a block's sums, of which loops, and with what lines.
 *
 *     C[i, j] = C[i, j] + i32(A[i, k]) * i32(B[k, j])
 *       ->
 *     loop0, loop1, loop2 = get_loops("C")                     dot4_u8s8: steps of k, lanes of j, B packed in groups
 *     steps_o, steps = split(loop2, [0, 4])
 *     lanes_o, lanes = split(loop1, [0, 16])
 *     pack2 = pack_read("C", 2, [1, 2, 1, 2], [16, 4, 1, 1])
 *     ..
 *     reorder([loop0, lanes_o, steps_o, lanes, steps])
 *     ..
 *     tensorize(block, "dot4_u8s8")
 *     vectorize(lanes)
 *
 * Each pair of a loop of the sum and another one is a way for each instruction of which the block's store is a step.
 * What does not stand side by side in memory can be put together in registers or packed before: both are ways. Steps
 * that are no multiple are guarded, or filled up with zeros when both factors are packed. Ways are ordered by an
 * estimate of the cost of a group of steps, and tried on a fork: the primitives say what is legal.
 *
 * Tiles of the target, if it has some for these sums, are one way more: the lines that tiles.c and product.c lead to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "default.h"

enum { MAX_WAYS = 256, MOST_FOUND = 8 };

/* A loop, and the iterator that it alone feeds (-1: there is none such). */
typedef struct axis {
  int64_t extent;
  int32_t iter;
} axis;

typedef struct way {
  const tni_unit *unit;
  size_t step, lane; /* numbers of loops */
  int64_t lanes;
  bool packs[2];      /* A, B */
  double alone, cost; /* of a step of one lane: by itself, by the unit */
} way;

typedef struct finder {
  tni_planner p;
  tn_schedule *s; /* a fork */
  const tn_stmt *block, *store;
  size_t axis_count;
  axis axes[TNI_MAX_LOOPS];
  tni_unit_step of; /* the step, of the way's unit */
  size_t way_count;
  way ways[MAX_WAYS];
  double alone; /* a step of one lane by itself, in the best of the loops */
  const tni_tile_row *tiles; /* those of the block, or NULL */
  double tile_gain;
  tni_text tile_lines;
  tni_text why; /* not, line by line */
} finder;

static void say(finder *f, const way *w, const char *reason, ...) TN_PRINTF(3, 4);
static void say(finder *f, const way *w, const char *reason, ...) {
  va_list args;
  tni_text_add(&f->why, "\n  %s: ", w->unit->name);
  va_start(args, reason);
  tni_text_add_v(&f->why, reason, args);
  va_end(args);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

/* The iterator that is the loop's variable, when the loop moves no other one. */
static int32_t iter_of(const finder *f, const tn_stmt *loop) {
  int32_t found = -1;
  for (int32_t i = 0; i < f->block->as.block.count; i++) {
    const tn_expr *binding = f->block->as.block.iters[i].binding;
    if (!tni_expr_uses(f->s->ctx, binding, loop->as.loop.var)) continue;
    if (binding != loop->as.loop.var || found >= 0) return -1;
    found = i;
  }
  return found;
}

static bool find_axes(finder *f) {
  tni_site site;
  if (!tni_open_site(f->s, f->block, &site) || site.count > TNI_MAX_LOOPS) return false;
  f->axis_count = site.count;
  for (size_t i = 0; i < site.count; i++) {
    const tn_stmt *loop = site.loops[i];
    bool plain = loop->as.loop.kind == TNI_SERIAL && tni_is_const(loop->as.loop.extent);
    f->axes[i] = (axis){plain ? loop->as.loop.extent->as.i : 0, plain ? iter_of(f, loop) : -1};
  }
  return true;
}

static const tni_iter *iter_at(const finder *f, size_t loop) {
  int32_t i = f->axes[loop].iter;
  return i < 0 ? NULL : &f->block->as.block.iters[i];
}

/* How much of whole parts of that size an extent is; 0: no more than a half of one. */
static double fill_of(int64_t extent, int64_t part) {
  if (2 * extent <= part) return 0;
  return (double)extent / (double)(tni_divide_up(extent, part) * part);
}

/* The widest vectors of which the extent fills more than a half and for which the target has the unit: lanes; 0:
 * none. */
static int64_t lanes_for(const finder *f, const tni_unit *unit, int64_t extent) {
  for (int64_t bits = f->p.target->vector_bits; bits >= 128; bits /= 2) {
    int64_t lanes = bits / TN_TYPE_BITS(unit->c);
    if (fill_of(extent, lanes) > 0 && tni_target_unit(f->p.target, unit, bits)) return lanes;
  }
  return 0;
}

/* ---- costs, in steps of a vector one by one ------------------------------------------------------------------------ */

/* To put factors together, each: that all lanes share; that are neighbours in memory in neighbouring lanes; other ones,
 * which steps one by one have to gather, too. Of one with a condition, and of steps with a guard. To pack an element.
 * */
static const double PUT_ALIKE = 0.3, PUT_NEIGHBOURS = 0.3, PUT_FAR = 4, GUARD = 0.25, PACK = 1;

/* How a factor stands: how far it moves with a step and with a lane; known: both are. */
typedef struct stand {
  bool known, guarded;
  int64_t by_step, by_lane;
} stand;

static stand stand_of(const finder *f, const tn_expr *x, const way *w) {
  stand s = {false, false, 0, 0};
  if (x->op != TN_OP_load) return s;
  s.guarded = tni_load_where(x) != NULL;
  s.known = tni_stride_of(&f->p, x->as.buffer, x->arg, iter_at(f, w->step)->var, &s.by_step) &&
            tni_stride_of(&f->p, x->as.buffer, x->arg, iter_at(f, w->lane)->var, &s.by_lane);
  return s;
}

/* Side by side, those of a lane and then of the next, or of all lanes alike. */
static bool stands(const stand *s, const way *w) {
  return s->known && !s->guarded && s->by_step == 1 && (s->by_lane == 0 || s->by_lane == w->unit->steps);
}

static bool is_far(const stand *s) { return !s->known || (s->by_lane != 0 && s->by_lane != 1); }

/* To bring a factor of a step into a register: for one step at a time; for an instruction, as it stands. */
static double load_cost(const stand *s) { return (is_far(s) ? PUT_FAR : 0) + (s->guarded ? GUARD : 0); }
static double put_cost(const stand *s, const way *w) {
  double put = s->by_lane == 0 ? PUT_ALIKE : PUT_NEIGHBOURS;
  return stands(s, w) ? 0 : load_cost(s) + (is_far(s) ? 0 : put);
}

/* Elements of what is packed. */
static double packed_elements(const finder *f, const tn_expr *x) {
  double count = 1;
  for (int32_t i = 0; i < f->block->as.block.count; i++)
    for (int32_t d = 0; d < tni_load_count(x); d++)
      if (tni_expr_uses(f->s->ctx, x->arg[d], f->block->as.block.iters[i].var)) {
        count *= (double)tni_extent_of(f->block, i);
        break;
      }
  return count;
}

static bool pads(const finder *f, const way *w) {
  return f->axes[w->step].extent % w->unit->steps && w->packs[0] && w->packs[1];
}

static void find_costs(const finder *f, way *w) {
  const tni_unit_row *row = tni_target_unit(f->p.target, w->unit, w->lanes * TN_TYPE_BITS(w->unit->c));
  const tn_expr *factors[] = {f->of.x, f->of.y};
  double alone = 1, cost = 100.0 / row->gain, elements = 0, size = (double)w->lanes;
  int64_t by_lane;
  for (int i = 0; i < 2; i++) {
    stand s = stand_of(f, factors[i], w);
    alone += load_cost(&s);
    if (w->packs[i])
      elements += packed_elements(f, factors[i]);
    else
      cost += put_cost(&s, w);
  }
  if (f->axes[w->step].extent % w->unit->steps && !pads(f, w)) cost += GUARD;
  if (!tni_stride_of(&f->p, f->store->as.store.buffer, f->store->as.store.index, iter_at(f, w->lane)->var, &by_lane) ||
      by_lane != 1)
    cost += size / (double)w->unit->steps, alone += size;
  double filled = size * fill_of(f->axes[w->lane].extent, w->lanes);
  w->alone = alone / filled;
  w->cost = cost / fill_of(f->axes[w->step].extent, w->unit->steps) / filled +
            PACK * elements / (double)tni_work_of(f->block);
}

/* ---- ways -------------------------------------------------------------------------------------------------------- */

/* Keeps the ways ordered, the best first; of equal ones the first stays so. */
static void add_way(finder *f, way w) {
  find_costs(f, &w);
  if (!f->way_count || w.alone < f->alone) f->alone = w.alone;
  size_t at = f->way_count < MAX_WAYS ? f->way_count++ : MAX_WAYS - 1;
  for (; at > 0 && f->ways[at - 1].cost > w.cost; at--) f->ways[at] = f->ways[at - 1];
  f->ways[at] = w;
}

/* As the factors stand, and with those that do not stand side by side packed. Of less than the steps of an instruction
 * guards would leave less than it means. */
static void add_layouts(finder *f, way w) {
  const tn_expr *factors[] = {f->of.x, f->of.y};
  bool can[2], rest = f->axes[w.step].extent % w.unit->steps != 0, less = f->axes[w.step].extent < w.unit->steps;
  for (int i = 0; i < 2; i++) {
    stand s = stand_of(f, factors[i], &w);
    can[i] = factors[i]->op == TN_OP_load && (rest || !stands(&s, &w));
  }
  for (int a = 0; a <= can[0]; a++)
    for (int b = 0; b <= can[1]; b++) {
      w.packs[0] = a, w.packs[1] = b;
      if (!less || (a && b)) add_way(f, w);
    }
}

/* All pairs of loops. */
static void add_ways(finder *f, const tni_unit *unit) {
  way w = {.unit = unit};
  bool steps = false, lanes = false;
  for (w.step = 0; w.step < f->axis_count; w.step++) {
    const tni_iter *step = iter_at(f, w.step);
    if (!step || !step->reduce || !(fill_of(f->axes[w.step].extent, unit->steps) > 0)) continue;
    steps = true;
    for (w.lane = 0; w.lane < f->axis_count; w.lane++) {
      const tni_iter *lane = iter_at(f, w.lane);
      if (!lane || lane->reduce || !(w.lanes = lanes_for(f, unit, f->axes[w.lane].extent))) continue;
      lanes = true;
      add_layouts(f, w);
    }
  }
  if (!steps)
    say(f, &w, "no loop of the sum fills its %d steps to more than a half", (int)unit->steps);
  else if (!lanes)
    say(f, &w, "no loop outside of the sum fills the lanes of a vector to more than a half");
}

static void look_at_unit(finder *f, const tni_unit *unit) {
  bool has = false;
  char a[16], b[16];
  for (int64_t bits = 128; bits <= f->p.target->vector_bits; bits *= 2)
    has |= tni_target_unit(f->p.target, unit, bits) != NULL;
  if (!has) return;
  if (tni_unit_is_step(unit, f->store, &f->of)) {
    add_ways(f, unit);
    return;
  }
  say(f, &(way){.unit = unit}, "a step is C[0] = ");
  tni_print_expr(&f->why, unit->step);
  tni_text_add(&f->why, ", where A is of %s, B of %s", tn_type_text(unit->a, a), tn_type_text(unit->b, b));
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void add_list(tni_text *out, size_t count, const int64_t *numbers) {
  tni_text_add(out, "[");
  for (size_t i = 0; i < count; i++) tni_text_add(out, "%s%lld", i ? ", " : "", (long long)numbers[i]);
  tni_text_add(out, "]");
}

/* The iterators that it moves by, one by one; then lanes, if it moves by them, and groups of steps. */
static void write_packing(const finder *f, const way *w, const tn_expr *load, int number, tni_text *out) {
  int64_t iters[2 * TN_MAX_RANK], sizes[2 * TN_MAX_RANK];
  int32_t step = f->axes[w->step].iter, lane = f->axes[w->lane].iter;
  bool by_lane = false;
  size_t n = 0;
  tni_reads reads = tni_reads_of(f->s->ctx, f->block);
  size_t read = 0;
  while (read + 1 < reads.count && reads.items[read] != load->as.buffer) read++;
  for (int32_t i = 0; i < f->block->as.block.count && n < TN_MAX_RANK; i++) {
    bool moves = false;
    for (int32_t d = 0; d < tni_load_count(load); d++)
      moves |= tni_expr_uses(f->s->ctx, load->arg[d], f->block->as.block.iters[i].var);
    by_lane |= moves && i == lane;
    if (moves && i != step && i != lane) iters[n] = i, sizes[n++] = 1;
  }
  if (by_lane) iters[n] = lane, sizes[n++] = w->lanes;
  iters[n] = step, sizes[n++] = w->unit->steps;
  if (by_lane) iters[n] = lane, sizes[n++] = 1;
  iters[n] = step, sizes[n++] = 1;
  tni_text_add(out, "t.pack%d = pack_read(\"%s\", %zu, ", number, f->block->as.block.name, read);
  add_list(out, n, iters);
  tni_text_add(out, ", ");
  add_list(out, n, sizes);
  tni_text_add(out, ")\n");
  if (!by_lane) return;
  tni_text_add(out, "reorder([t.pack%d[-1], t.pack%d[-2]])\n", number, number);
  tni_text_add(out, "unroll(t.pack%d[-2])\nvectorize(t.pack%d[-1])\n", number, number);
}

/* Others, those of the sum, lanes, steps. */
static void write_order(const finder *f, const way *w, tni_text *out) {
  tni_text_add(out, "reorder([");
  for (int sum = 0; sum < 2; sum++)
    for (size_t i = 0; i < f->axis_count; i++) {
      const tni_iter *it = iter_at(f, i);
      if ((it && it->reduce) != (sum == 1)) continue;
      if (i == w->lane)
        tni_text_add(out, "t.lanes_o, ");
      else if (i == w->step)
        tni_text_add(out, "t.steps_o, ");
      else
        tni_text_add(out, "t.loop%zu, ", i);
    }
  tni_text_add(out, "t.lanes, t.steps])\n");
}

/* The outermost loop of the sum. */
static void write_init(const finder *f, const way *w, tni_text *out) {
  if (!f->block->as.block.init) return;
  tni_text_add(out, "t.init = decompose_reduction(\"%s\", ", f->block->as.block.name);
  size_t first = 0;
  while (first < w->step && !(iter_at(f, first) && iter_at(f, first)->reduce)) first++;
  if (first == w->step)
    tni_text_add(out, "t.steps_o)\n");
  else
    tni_text_add(out, "t.loop%zu)\n", first);
  tni_text_add(out, "vectorize(t.init[-1])\n");
}

static void write_lines(const finder *f, const way *w, tni_text *out) {
  const char *name = f->block->as.block.name;
  const tn_expr *factors[] = {f->of.x, f->of.y};
  for (size_t i = 0; i < f->axis_count; i++) tni_text_add(out, "%st.loop%zu", i ? ", " : "", i);
  tni_text_add(out, " = get_loops(\"%s\")\n", name);
  tni_text_add(out, "t.steps_o, t.steps = split(t.loop%zu, [0, %d]%s)\n", w->step, (int)w->unit->steps,
               pads(f, w) ? ", tail=pad" : "");
  tni_text_add(out, "t.lanes_o, t.lanes = split(t.loop%zu, [0, %lld])\n", w->lane, (long long)w->lanes);
  for (int i = 0; i < 2; i++)
    if (w->packs[i]) write_packing(f, w, factors[i], i + 1, out);
  write_order(f, w, out);
  write_init(f, w, out);
  tni_text_add(out, "t.block = blockize(t.steps)\ntensorize(t.block, \"%s\")\nvectorize(t.lanes)\n", w->unit->name);
}

/* ---- trying ------------------------------------------------------------------------------------------------------ */

/* Is it legal? A refusal is noted; *status tells of other failures. */
static bool try_way(finder *f, const way *w, const char *lines, tn_status *status, tn_error **err) {
  tni_mark mark = tni_mark_of(f->s);
  tn_error *why = NULL;
  *status = tn_schedule_run(f->s, lines, &why);
  tni_go_back(f->s, &mark);
  bool good = !*status;
  if (*status == TN_E_REFUSED) {
    const char *reason = tn_error_reason(why);
    say(f, w, "steps of %s, lanes of %s: %.*s", iter_at(f, w->step)->var->as.name, iter_at(f, w->lane)->var->as.name,
        (int)strcspn(reason, "\n"), reason);
    *status = TN_OK;
  } else if (*status && err) {
    *err = why;
    return false;
  }
  tn_error_destroy(why);
  return good;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* The lines from the one of that number on. */
static void write_trace(const tn_schedule *s, size_t first, tni_text *out) {
  const tni_line **lines = tni_lines_of(s);
  for (size_t i = first; lines && i < s->line_count; i++) tni_text_add(out, "%s\n", lines[i]->text);
  out->failed |= !lines;
  tni_lines_free(s, lines);
}

/* As tile registers would sum up the block. Estimates compare them with dot products. */
static tn_status find_tiles(finder *f) {
  tni_tile t = {0};
  tni_mark mark = tni_mark_of(f->s);
  if (!tni_is_reduction(f->block) || !f->block->as.block.init || !tni_choose_tile(&f->p, f->block, &t)) return TN_OK;
  const tni_tile_row *row = tni_choose_tiles(&f->p, f->block, &t);
  if (row && tni_schedule_product(&f->p, f->block, &t) && !f->p.status) {
    write_trace(f->s, mark.line_count, &f->tile_lines);
    f->tiles = row;
    f->tile_gain = t.gain * (f->way_count ? f->alone / f->ways[0].cost : 1);
  }
  tni_go_back(f->s, &mark);
  return f->p.status;
}

/* *done: the host has had enough. */
static void visit_tiles(finder *f, tn_tensorization_fn visit, void *self, size_t *found, bool *done) {
  tn_tensorization one = {f->tiles->name, f->tile_lines.data, f->tile_gain};
  f->tiles = NULL;
  ++*found;
  *done = visit(self, &one) != 0;
}

static tn_status try_ways(finder *f, tn_tensorization_fn visit, void *self, size_t *found, tn_error **err) {
  tn_status status = TN_OK;
  bool done = false;
  *found = 0;
  for (size_t i = 0; i < f->way_count && *found < MOST_FOUND && !done && !status; i++) {
    const way *w = &f->ways[i];
    double gain = f->alone / w->cost;
    tni_text lines;
    if (f->tiles && f->tile_gain >= gain) visit_tiles(f, visit, self, found, &done);
    if (done || *found == MOST_FOUND) break;
    tni_unit_is_step(w->unit, f->store, &f->of);
    tni_text_init(&lines, f->s->ctx);
    write_lines(f, w, &lines);
    if (lines.failed)
      status = tni_fail_nomem(err);
    else if (try_way(f, w, lines.data, &status, err)) {
      tn_tensorization one = {w->unit->name, lines.data, gain};
      ++*found;
      done = visit(self, &one) != 0;
    }
    tni_text_destroy(&lines);
  }
  if (f->tiles && !status && !done && *found < MOST_FOUND) visit_tiles(f, visit, self, found, &done);
  return status;
}

/* ---- for hosts --------------------------------------------------------------------------------------------------- */

static tn_status find(finder *f, const char *name, tn_tensorization_fn visit, void *self, tn_error **err) {
  size_t found, misses = atomic_load(&f->s->ctx->misses);
  f->block = tni_find_block(f->s->func->body, name);
  f->store = tni_block_store(f->block);
  if (!f->store)
    return tni_fail(f->s->ctx, err, TN_E_REFUSED, "schedule", "", "block `%s` is not one store, as steps of sums are",
                    name);
  if (!find_axes(f))
    return tni_fail(f->s->ctx, err, TN_E_REFUSED, "schedule", "", "block `%s` stands in more than %d loops", name,
                    TNI_MAX_LOOPS);
  const tni_unit *unit = tni_unit_after(f->s->ctx, NULL);
  if (!unit) return tni_fail_nomem(err);
  for (; unit; unit = tni_unit_after(f->s->ctx, unit)) look_at_unit(f, unit);
  tn_status status = find_tiles(f);
  if (!status && f->tile_lines.failed) status = tni_fail_nomem(err);
  if (!status) status = try_ways(f, visit, self, &found, err);
  if (status || found) return status;
  if (f->why.failed || atomic_load(&f->s->ctx->misses) != misses) return tni_fail_nomem(err);
  return tni_fail(f->s->ctx, err, TN_E_REFUSED, "schedule", "", "%s has no tensor instruction for block `%s`%s%s",
                  f->p.target->name, name, f->why.length ? ":" : "", f->why.length ? f->why.data : "");
}

tn_status tn_tensorize_candidates(tn_schedule *s, tn_block_ref block, const tn_target *target,
                                  tn_tensorization_fn visit, void *self, tn_error **err) {
  if (err) *err = NULL;
  const tn_stmt *stmt = tni_handle_block(s, block);
  if (!stmt) return tni_fail(s->ctx, err, TN_E_REFUSED, "schedule", "", "there is no such block");
  finder *f = tni_alloc_zero(s->ctx, sizeof *f);
  if (!f) return tni_fail_nomem(err);
  tn_status status = tn_schedule_fork(s, &f->s, err);
  tni_text_init(&f->why, s->ctx);
  tni_text_init(&f->tile_lines, s->ctx);
  f->p = (tni_planner){.s = f->s, .target = target, .err = err, .serial = true};
  if (!status) f->s->prefix = "t.";
  if (!status) status = find(f, stmt->as.block.name, visit, self, err);
  tn_schedule_destroy(f->s);
  tni_text_destroy(&f->why);
  tni_text_destroy(&f->tile_lines);
  tni_free(s->ctx, f, sizeof *f);
  return status;
}

typedef struct best {
  tni_text lines;
  double gain;
} best;

static int take_best(void *self, const tn_tensorization *one) {
  best *b = self;
  tni_text_add(&b->lines, "%s", one->lines);
  b->gain = one->gain;
  return 1;
}

tn_status tn_auto_tensorize(tn_schedule *s, tn_block_ref block, const tn_target *target, tn_error **err) {
  best b = {.gain = 0};
  tni_text_init(&b.lines, s->ctx);
  tn_status status = tn_tensorize_candidates(s, block, target, take_best, &b, err);
  if (!status && b.lines.failed) status = tni_fail_nomem(err);
  if (!status && b.gain <= 1)
    status =
        tni_fail(s->ctx, err, TN_E_REFUSED, "schedule", "",
                 "by estimate the best way would be %.2f times as fast as steps one by one:\n%s", b.gain, b.lines.data);
  if (!status) status = tn_schedule_run(s, b.lines.data, err);
  tni_text_destroy(&b.lines);
  return status;
}
