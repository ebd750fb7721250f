/* motion.c -- a consumer that moves up to its producers: what runs between them, and which of its instances an
 * iteration of a loop makes ready.
 *
 *     for i { for j { block P(i, j) { T[i, j] = .. } } }            below i, iteration i: T[i, 0..m] is complete
 *     ..                                                             what runs between must not care
 *     for a { for b { block Y(a, b) { Y[a, b] = f(T[a, b]) } } }    instances (i, 0..m) are ready
 *
 * The instances of a block are its iterators' domains, or, in an iteration of the loops around both blocks, the boxes
 * that its other loops bring. Each must run once. A dimension of T of which an iteration brings a part must be read at
 * an iterator.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* ---- where the block stands ---- */

/* How many of its loops do not move while an iteration of the loop, or the block, runs? */
static size_t depth_inside(const tni_site *site, const tn_stmt *place) {
  for (size_t i = 0; i < site->count; i++)
    if (site->loops[i] == place) return i + 1;
  return site->count;
}

/* Conditions, and scopes that end, below the first `shared` statements of the path. */
static tn_status check_path(tni_step *step, const tni_site *site, int shared) {
  for (int i = shared; i < site->depth; i++) {
    const tn_stmt *s = site->path[i];
    if (s->kind == TNI_IF || s->kind == TNI_WHILE)
      return tni_step_refuse(step, site->block, "the block stands under a condition");
    if (s->kind == TNI_LET || s->kind == TNI_ASSERT || s->kind == TNI_ASSUME)
      return tni_step_refuse(step, site->block, "the block stands in the scope of a let, assert or assume");
    tni_uses own = s->kind == TNI_ALLOC ? tni_uses_of(step->s->ctx, site->block, s->as.alloc.buffer) : (tni_uses){0};
    if (own.readers || own.writers)
      return tni_step_refuse(step, site->block,
                             "a buffer of the block is allocated where it stands\n"
                             "needs: the alloc outside of the loops");
  }
  return TN_OK;
}

/* ---- the consumer ---- */

/* Is the iterator a subscript of the store by itself, if it is a spatial one? */
static bool is_subscript(const tni_iter *it, const tn_stmt *store) {
  bool found = it->reduce;
  for (int32_t d = 0; d < store->as.store.count; d++) found |= store->as.store.index[d] == it->var;
  return found;
}

/* Is every spatial iterator one? */
static bool stores_apart(const tn_stmt *block, const tn_stmt *store) {
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (!is_subscript(&block->as.block.iters[i], store)) return false;
  return true;
}

static tn_status check_consumer(tni_step *step, tni_meeting *m) {
  const tn_stmt *block = m->consumer.block, *stores[TNI_MAX_STATES];
  tn_context *ctx = step->s->ctx;
  int32_t count = tni_block_stores(ctx, block, stores);
  tn_status status = check_path(step, &m->consumer, m->shared);
  if (status) return status;
  if (!count) return tni_step_refuse(step, block, "the block does more than store one element to each of some buffers");
  if (block->as.block.init && !tni_init_fits(ctx, block))
    return tni_step_refuse(step, block, "init stores something else than the block");
  for (int32_t k = 0; k < count; k++)
    if (!tni_reads_own_element(ctx, block, stores[k]))
      return tni_step_refuse(step, stores[k], "the block reads elements that other instances of it write");
  if (!stores_apart(block, stores[0]))
    return tni_step_refuse(step, stores[0],
                           "an element may be stored by several instances of the block\n"
                           "needs: every spatial iterator as a subscript");
  if (!tni_site_is_guarded_by_domains(&m->consumer))
    return tni_step_refuse(step, block, "the block's guard cuts instances that its iterators have");
  if (!tni_site_spans(&m->consumer, m->around, m->spans) || !tni_site_runs_once(&m->consumer, m->around, false))
    return tni_step_refuse(step, block, "the loops do not run all that the block's iterators range over, each once");
  const char *why = tni_why_steps_moved(&m->consumer, m->around, m->spans);
  return why ? tni_step_refuse(step, block, "%s", why) : TN_OK;
}

/* ---- the producers ---- */

/* The iterator that is dimension d of what the block stores, or -1. */
static int32_t iter_of_dimension(const tn_stmt *block, const tn_stmt *store, int32_t d) {
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].var == store->as.store.index[d]) return block->as.block.iters[i].reduce ? -1 : i;
  return -1;
}

static bool is_whole(const tni_stretch *span, const tn_expr *extent) {
  return tni_is_int(span->base, 0) && span->extent == extent;
}

/* Is inner, surely, in outer? */
static bool is_inside(tni_region *r, const tni_stretch *outer, const tni_stretch *inner) {
  tni_facts none = {.ctx = r->arena.ctx};
  const tn_expr *shift = tni_simplify(r, &none, tni_sub(r, inner->base, outer->base));
  if (!shift || !tni_is_const(shift) || shift->as.i < 0) return false;
  if (shift->as.i == 0 && inner->extent == outer->extent) return true;
  return tni_is_const(inner->extent) && tni_is_const(outer->extent) &&
         shift->as.i + inner->extent->as.i <= outer->extent->as.i;
}

/* The iterator of the consumer that all its loads of the buffer have as subscript d, or -1; has one a condition? */
typedef struct load_search {
  const tn_buffer *buffer;
  int32_t d;
  const tn_expr *index;
  bool differs, conditional;
} load_search;

static void see_subscript(void *self, const tn_expr *x) {
  load_search *q = self;
  if (x->op != TN_OP_load || x->as.buffer != q->buffer) return;
  q->differs |= q->index && q->index != x->arg[q->d];
  q->index = x->arg[q->d];
  q->conditional |= tni_load_where(x) != NULL;
}

static int32_t iter_read_at(const tni_meeting *m, const tn_buffer *buffer, int32_t d, bool *conditional) {
  const tn_stmt *block = m->consumer.block;
  load_search q = {.buffer = buffer, .d = d};
  tni_stmt_visit_exprs(m->consumer.s->ctx, block, see_subscript, &q);
  *conditional = q.conditional;
  for (int32_t i = 0; !q.differs && i < block->as.block.count; i++)
    if (block->as.block.iters[i].var == q.index) return i;
  return -1;
}

/* Dimension d of the buffer, which is iterator `iter` of its producer: an iteration brings `part` of it, all
 * iterations of the loops that are not around both `all`. */
static tn_status take_part(tni_step *step, tni_meeting *m, const tn_stmt *store, int32_t d, const tn_expr *iter,
                           const tni_stretch *part, const tni_stretch *all) {
  const tn_buffer *b = store->as.store.buffer;
  const tn_stmt *block = m->consumer.block;
  bool conditional; /* then the block may range over more than there is to read */
  if (is_whole(part, b->shape[d])) return TN_OK;
  int32_t i = iter_read_at(m, b, d, &conditional);
  if (i < 0)
    return tni_step_refuse(step, block,
                           "an iteration brings a part of dimension %d of `%s`, and the block may read others there\n"
                           "needs: the same iterator as that subscript in all its loads",
                           d, b->name);
  if (block->as.block.iters[i].reduce)
    return tni_step_refuse(step, block,
                           "an iteration brings a part of what the reduction of the block takes in\n"
                           "needs: a loop further out, which brings all of it");
  if ((conditional || !is_whole(all, b->shape[d])) && !is_inside(&step->s->region, all, &m->spans[i]))
    return tni_step_refuse(step, block, "the loops around both blocks bring less of `%s` than the block reads",
                           b->name);
  if (m->parts[i].base &&
      !(is_inside(&step->s->region, &m->parts[i], part) && is_inside(&step->s->region, part, &m->parts[i])))
    return tni_step_refuse(step, store, "this producer brings another part than one before it");
  m->parts[i] = *part;
  m->from[i] = iter;
  return TN_OK;
}

/* Does the loop surely run, at each place that it stands in? */
static bool surely_runs(const tni_site *site, size_t number) {
  tni_region *r = &site->s->region;
  tni_facts facts;
  bool ok = tni_site_know_loops(site, number, &facts) &&
            tni_prove(r, &facts, tni_op2(r, TN_OP_lt, tni_index(r, 0), site->loops[number]->as.loop.extent));
  tni_facts_destroy(&facts);
  return ok;
}

/* Loop `number` of a reduction, which is around the place when that is below `inside`. */
static tn_status take_step_loop(tni_step *step, tni_meeting *m, const tni_site *site, size_t number, size_t inside,
                                const tn_buffer *b) {
  const tn_stmt *loop = site->loops[number];
  if (tni_site_feeds(site, loop, false))
    return tni_step_refuse(step, loop->as.loop.var, "the loop feeds both reduce and spatial iterators");
  if (number >= inside) return TN_OK;
  if (number < m->around || !m->at_last)
    return tni_step_refuse(step, loop->as.loop.var,
                           "what the block reads is complete when this loop of a reduction has ended\n"
                           "needs: a loop outside of it, or fuse_reduction_epilogue");
  bool defined = !site->block->as.block.init || tni_is_param(step->s->func, b);
  if (defined && !surely_runs(site, number))
    return tni_step_refuse(step, loop->as.loop.var,
                           "the reduction may have no step, and so no last one\n"
                           "needs: reverse_compute_at, to a loop outside of it");
  for (size_t k = 0; k < m->last_count; k++)
    if (m->last[k] == loop) return TN_OK;
  m->last[m->last_count++] = loop;
  return TN_OK;
}

/* A block that writes the buffer below the loop. */
static tn_status take_producer(tni_step *step, tni_meeting *m, const tn_stmt *block, const tn_stmt *store) {
  tni_site site;
  tni_stretch parts[TNI_MAX_NEST], all[TNI_MAX_NEST];
  const tn_stmt *stores[TNI_MAX_STATES];
  const tn_buffer *b = store->as.store.buffer;
  if (!tni_open_site(step->s, block, &site) || block->as.block.count > TNI_MAX_NEST)
    return tni_step_refuse(step, block, "there are too many loops");
  tn_status status = check_path(step, &site, m->shared);
  if (status) return status;
  if (!tni_block_stores(step->s->ctx, block, stores))
    return tni_step_refuse(step, block, "this producer does more than store one element to each of some buffers");
  if (!tni_site_is_guarded_by_domains(&site))
    return tni_step_refuse(step, block, "the guard of this producer cuts instances that its iterators have");
  size_t inside = depth_inside(&site, m->place);
  for (size_t k = 0; k < site.count && !status; k++)
    if (tni_site_feeds(&site, site.loops[k], true)) status = take_step_loop(step, m, &site, k, inside, b);
  if (status) return status;
  bool whole = tni_site_spans(&site, m->around, all), part = tni_site_spans(&site, inside, parts);
  if (!whole || !tni_site_runs_once(&site, m->around, true))
    return tni_step_refuse(step, block,
                           "the loops do not run all that this producer's iterators range over, each once");
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (!is_subscript(&block->as.block.iters[i], store) && !tni_is_int(all[i].extent, 1))
      return tni_step_refuse(step, store,
                             "an element may be stored by several instances of this producer, of which the last one counts\n"
                             "needs: every spatial iterator as a subscript");
  if (!part)
    return tni_step_refuse(step, block,
                           "what an iteration brings of this producer's elements is no box that can be told\n"
                           "needs: constant extents of the loops inside");
  for (int32_t d = 0; d < b->rank; d++) {
    int32_t i = iter_of_dimension(block, store, d);
    for (int32_t e = 0; e < d; e++) i = store->as.store.index[e] == store->as.store.index[d] ? -1 : i;
    if (i < 0)
      return tni_step_refuse(step, store,
                             "a subscript of this producer's store is not a plain spatial iterator of its own");
    if ((status = take_part(step, m, store, d, block->as.block.iters[i].var, &parts[i], &all[i]))) return status;
  }
  return TN_OK;
}

/* ---- what runs between ---- */

static bool is_below(const tni_access *x, const tn_stmt *place) {
  for (int i = 0; i < x->depth; i++)
    if (x->loops[i] == place) return true;
  return x->block == place;
}

/* From where to where accesses run before the block, in order as they stand: from the outermost loop that is not
 * around both. */
typedef struct range {
  int begin, end;
} range;

/* The outermost loop that the block leaves; NULL: it stands in none of its own. */
static const tn_stmt *loop_left(const tni_meeting *m) {
  for (int i = m->shared; i < m->consumer.depth; i++)
    if (m->consumer.path[i]->kind == TNI_FOR) return m->consumer.path[i];
  return NULL;
}

static range range_between(const tni_accesses *all, const tni_meeting *m) {
  range q = {INT32_MAX, -1};
  const tn_stmt *left = loop_left(m);
  for (size_t i = 0; i < all->count; i++) {
    const tni_access *x = &all->items[i];
    if (is_below(x, m->top) && x->order < q.begin) q.begin = x->order;
    if (x->block == m->consumer.block && (q.end < 0 || x->order < q.end)) q.end = x->order;
  }
  for (size_t i = 0; i < all->count && left; i++) /* what is behind it there runs before its later iterations */
    if (is_below(&all->items[i], left) && all->items[i].order > q.end) q.end = all->items[i].order;
  return q;
}

static tn_status cross(tni_step *step, tni_meeting *m, const tni_access *x, const tni_access *own) {
  const void *mark = x->store ? (const void *)x->store : x->block;
  if (own->write)
    return tni_step_refuse(step, mark, "what the block writes is %s here, before it", x->write ? "written" : "read");
  if (!x->write) return TN_OK;
  if (!x->block || !is_below(x, m->place))
    return tni_step_refuse(step, mark,
                           "what the block reads is written here, outside of the place\n"
                           "needs: to be moved to the last of its producers");
  m->met = true;
  return take_producer(step, m, x->block, x->store);
}

static tn_status cross_all(tni_step *step, tni_meeting *m, const tni_accesses *all) {
  const tn_stmt *block = m->consumer.block;
  const void *place = m->place->kind == TNI_FOR ? (const void *)m->place->as.loop.var : m->place;
  range q = range_between(all, m);
  tn_status status = TN_OK;
  if (all->opaque) return tni_step_refuse(step, block, "not all accesses of the function are known");
  for (size_t i = 0; i < all->count && !status; i++) {
    const tni_access *x = &all->items[i];
    if (x->block == block || x->order < q.begin || x->order > q.end) continue;
    for (size_t k = 0; k < all->count && !status; k++)
      if (all->items[k].block == block && all->items[k].buffer == x->buffer) status = cross(step, m, x, &all->items[k]);
  }
  if (status || m->met) return status;
  return tni_step_refuse(step, place, "nothing here writes what the block reads, before the block");
}

/* What runs only at the last iteration of a loop has no parts that move with it: the other iterations bring theirs to nobody. */
static tn_status check_last(tni_step *step, const tni_meeting *m) {
  for (size_t k = 0; k < m->last_count; k++)
    for (int32_t i = 0; i < m->consumer.block->as.block.count; i++) {
      const tn_expr *var = m->last[k]->as.loop.var;
      if (m->parts[i].base && tni_expr_uses(step->s->ctx, m->parts[i].base, var))
        return tni_step_refuse(step, var,
                               "the loop steps a reduction, and brings parts of what another producer writes\n"
                               "needs: the other producer before the loop, or reverse_compute_at outside of it");
    }
  return TN_OK;
}

tn_status tni_meet(tni_step *step, const tn_stmt *block, const tn_stmt *place, bool at_last, tni_meeting *out) {
  const tn_stmt *path[TNI_MAX_PATH];
  tni_accesses all;
  *out = (tni_meeting){.place = place, .top = place, .at_last = at_last};
  int depth = tni_path_to(step->s->func->body, place, path);
  if (!tni_open_site(step->s, block, &out->consumer) || block->as.block.count > TNI_MAX_NEST)
    return tni_step_refuse(step, block, "there are too many loops");
  while (out->shared < depth && out->shared < out->consumer.depth &&
         path[out->shared] == out->consumer.path[out->shared])
    out->around += path[out->shared++]->kind == TNI_FOR;
  if (out->shared == depth) return tni_step_refuse(step, place->as.loop.var, "the block is below this loop already");
  for (int i = depth - 1; i >= out->shared; i--)
    if (path[i]->kind == TNI_FOR) out->top = path[i];
  if (tni_stmt_holds(step->s->func->body, TNI_HOLDS_CALL)) return tni_step_refuse(step, block, "the function calls an external");
  tn_status status = check_consumer(step, out);
  if (status) return status;
  status = tni_accesses_collect(&step->s->region, step->s->func->body, &all) ? cross_all(step, out, &all) : TN_E_NOMEM;
  tni_accesses_destroy(&all);
  return status ? status : check_last(step, out);
}

/* ---- the new place ---- */

static bool add_bound(tni_region *r, const tni_facts *facts, const tn_expr *cond, const tn_expr **where) {
  if (cond && !tni_prove(r, facts, cond)) *where = tni_conj(r, *where, cond);
  return cond != NULL;
}

/* What an iterator ranges over in the new place. */
static const tni_stretch *span_of(const tni_meeting *m, int32_t i) {
  return m->parts[i].base ? &m->parts[i] : &m->spans[i];
}

/* One iterator: its new loop (none of extent 1), binding and guard. */
static bool place_iter(const tni_meeting *m, tni_facts *facts, int32_t i, tni_iter *it, const tn_expr **loop_var,
                       const tn_expr **where) {
  tni_region *r = &m->consumer.s->region;
  const tni_stretch *own = &m->spans[i], *part = span_of(m, i);
  it->binding = part->base;
  *loop_var = NULL;
  if (!tni_is_int(part->extent, 1)) {
    *loop_var = tni_var(r, it->var->as.name, TN_INDEX);
    it->binding = *loop_var ? tni_add(r, part->base, *loop_var) : NULL;
    if (!*loop_var || !tni_facts_bind(facts, *loop_var, part->extent)) return false;
  }
  if (!it->binding || !(it->binding = tni_simplify(r, facts, it->binding))) return false;
  if (!add_bound(r, facts, tni_op2(r, TN_OP_lt, it->binding, it->extent), where) ||
      !add_bound(r, facts, tni_op2(r, TN_OP_le, tni_index(r, 0), it->binding), where))
    return false;
  if (part == own || is_whole(own, it->extent)) return true;
  const tn_expr *end = tni_add(r, own->base, own->extent);
  return add_bound(r, facts, tni_op2(r, TN_OP_le, own->base, it->binding), where) && end &&
         add_bound(r, facts, tni_op2(r, TN_OP_lt, it->binding, end), where);
}

bool tni_place_consumer(const tni_meeting *m, tni_placed *out) {
  tni_region *r = &m->consumer.s->region;
  const tn_stmt *block = m->consumer.block, *path[TNI_MAX_PATH];
  tni_facts facts;
  bool ok = true;
  *out = (tni_placed){.count = block->as.block.count};
  tni_facts_init(&facts, m->consumer.s->ctx);
  for (int i = 0, depth = tni_path_to(m->consumer.s->func->body, m->place, path); ok && i < depth; i++)
    ok = path[i]->kind != TNI_FOR || tni_facts_bind(&facts, path[i]->as.loop.var, path[i]->as.loop.extent);
  for (size_t k = 0; ok && k < m->last_count; k++) {
    const tn_expr *end = tni_sub(r, m->last[k]->as.loop.extent, tni_index(r, 1));
    const tn_expr *cond = end ? tni_op2(r, TN_OP_eq, m->last[k]->as.loop.var, end) : NULL;
    ok = add_bound(r, &facts, cond, &out->where);
  }
  for (int32_t i = 0; ok && i < out->count; i++) {
    out->iters[i] = block->as.block.iters[i];
    ok = place_iter(m, &facts, i, &out->iters[i], &out->loop_vars[i], &out->where);
  }
  tni_facts_destroy(&facts);
  return ok;
}

const tn_stmt *tni_move_consumer(const tni_meeting *m) {
  tni_region *r = &m->consumer.s->region;
  const tn_stmt *loop = m->place, *block = m->consumer.block;
  tni_placed p;
  if (!tni_place_consumer(m, &p)) return NULL;
  const tn_stmt *s = tni_block_like(r, block, p.iters, p.where, block->as.block.init, block->as.block.body);
  for (int32_t i = p.count - 1; i >= 0; i--)
    if (p.loop_vars[i]) s = tni_for(r, p.loop_vars[i], span_of(m, i)->extent, TNI_SERIAL, s);
  const tn_stmt *both[] = {loop->as.loop.body, s};
  const tn_stmt *made =
      tni_for_like(r, loop, loop->as.loop.var, loop->as.loop.extent, loop->as.loop.kind, tni_seq(r, 2, both));
  const tn_stmt *body = tni_drop_block(r, m->consumer.s->func->body, block->as.block.name);
  return body ? tni_replace(r, body, loop, made) : NULL;
}
