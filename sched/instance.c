/* instance.c -- which instances of a block do the loops around it run, and how often?
 *
 * Moving a producer, or copying what a block wrote, takes for granted that every element is written, with the value that
 * the iterators' domains say. Compute definitions are so, and stay so; raw programs need not be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_LOOPS = 64 };

/* Symbolic extents stand for all extents up to this: what is injective there is so on every part of it. */
#define FAR (INT64_C(1) << 36)

typedef struct nest {
  tn_schedule *s;
  const tn_stmt *block;
  size_t count;
  const tn_stmt *loops[MAX_LOOPS];            /* above the block, outermost first */
  bool reduce[MAX_LOOPS], spatial[MAX_LOOPS]; /* what they feed */
  bool conditional, bound; /* under an if or while; behind a let, assert or assume inside of a loop */
  const tn_stmt *stays; /* a loop, or NULL: those around it are around the block for good */
} nest;

static bool open_nest(nest *n, tn_schedule *s, const tn_stmt *block) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(s->func->body, block, path);
  *n = (nest){.s = s, .block = block};
  for (int i = 0; i < depth; i++) {
    n->conditional |= path[i]->kind == TNI_IF || path[i]->kind == TNI_WHILE;
    n->bound |= n->count && path[i]->kind != TNI_ALLOC && tni_rest(path[i]);
    if (path[i]->kind != TNI_FOR) continue;
    if (n->count == MAX_LOOPS) return false;
    for (int32_t k = 0; k < block->as.block.count; k++) {
      const tni_iter *it = &block->as.block.iters[k];
      if (tni_expr_uses(s->ctx, it->binding, path[i]->as.loop.var))
        *(it->reduce ? &n->reduce[n->count] : &n->spatial[n->count]) = true;
    }
    n->loops[n->count++] = path[i];
  }
  return depth > 0;
}

static bool feeds_others(tn_schedule *s, const tn_stmt *block, int32_t i, const tn_expr *var) {
  for (int32_t k = 0; k < block->as.block.count; k++)
    if (k != i && tni_expr_uses(s->ctx, block->as.block.iters[k].binding, var)) return true;
  return false;
}

/* Is x the least that, times `step`, is `extent` or more? */
static bool is_quotient(tni_region *r, const tn_expr *x, const tn_expr *extent, int64_t step) {
  tni_facts none = {.ctx = r->arena.ctx};
  const tn_expr *up = tni_add(r, extent, tni_index(r, step - 1));
  const tn_expr *least = up ? tni_op2(r, TN_OP_floordiv, up, tni_index(r, step)) : NULL;
  return least && tni_simplify(r, &none, least) == tni_simplify(r, &none, x);
}

bool tni_runs_symbolic_domain(tn_schedule *s, const tn_stmt *block, int32_t i, size_t count, const tn_stmt *const *loops) {
  const tni_iter *it = &block->as.block.iters[i];
  const tn_expr *vars[MAX_LOOPS], *rest;
  int64_t coefs[MAX_LOOPS], step = 1;
  size_t left = 0;
  if (tni_is_const(it->extent) || count > MAX_LOOPS || tni_expr_reads(it->extent)) return false;
  for (size_t k = 0; k < count; k++) vars[k] = loops[k]->as.loop.var;
  if (!tni_affine(&s->region, it->binding, count, vars, coefs, &rest) || !tni_is_int(rest, 0)) return false;
  for (size_t k = 0; k < count; k++) left += coefs[k] != 0;
  for (; left > 0; left--) {
    size_t k = 0;
    while (k < count && coefs[k] != step) k++;
    if (k == count || feeds_others(s, block, i, vars[k])) return false;
    const tn_expr *extent = loops[k]->as.loop.extent;
    if (!tni_is_const(extent)) return left == 1 && is_quotient(&s->region, extent, it->extent, step);
    if (extent->as.i < 1 || __builtin_mul_overflow(step, extent->as.i, &step)) return false;
    coefs[k] = 0;
  }
  return false;
}

bool tni_is_kept_loop(tn_schedule *s, const tn_stmt *block, int32_t i, const tn_stmt *outer, const tn_stmt *stays) {
  const tni_iter *it = &block->as.block.iters[i];
  return stays && !tni_is_const(outer->as.loop.extent) && it->binding == outer->as.loop.var && !it->reduce &&
         tni_is_below(outer, stays) && !feeds_others(s, block, i, outer->as.loop.var);
}

/* Is the iterator the variable of a loop that stays around the block, however often it runs? */
static bool is_kept(const nest *n, int32_t i) {
  for (size_t k = 0; k < n->count; k++)
    if (tni_is_kept_loop(n->s, n->block, i, n->loops[k], n->stays)) return true;
  return false;
}

/* Do the loops that feed the spatial (or the reduce) iterators bring their whole domain? `once`: and each point of it once,
 * the point of zeros first. */
static bool runs_domain(const nest *n, bool reduce, bool once) {
  tni_region *r = &n->s->region;
  const tn_expr *index[TN_MAX_RANK], *vars[MAX_LOOPS], *zeros[MAX_LOOPS];
  int64_t extents[MAX_LOOPS], domain[TN_MAX_RANK];
  size_t dims = 0, loops = 0;
  tni_facts none = {.ctx = n->s->ctx};
  tni_itermap map;
  for (int32_t k = 0; k < n->block->as.block.count; k++) {
    const tni_iter *it = &n->block->as.block.iters[k];
    for (size_t i = 0; i < n->count && it->reduce == reduce; i++) /* another domain in another iteration? */
      if (tni_expr_uses(n->s->ctx, it->extent, n->loops[i]->as.loop.var)) return false;
    if (it->reduce != reduce || is_kept(n, k) || tni_runs_symbolic_domain(n->s, n->block, k, n->count, n->loops))
      continue;
    if (dims == TN_MAX_RANK || !tni_is_const(it->extent)) return false;
    index[dims] = it->binding;
    domain[dims++] = it->extent->as.i;
  }
  for (size_t i = 0; i < n->count; i++) {
    bool used = false;
    for (size_t d = 0; d < dims; d++) used |= tni_expr_uses(n->s->ctx, index[d], n->loops[i]->as.loop.var);
    if (!used) continue;
    if (!tni_is_const(n->loops[i]->as.loop.extent)) return false;
    vars[loops] = n->loops[i]->as.loop.var;
    zeros[loops] = tni_index(r, 0);
    extents[loops++] = n->loops[i]->as.loop.extent->as.i;
  }
  if (!tni_itermap_of(r, &none, dims, index, loops, vars, extents, &map) || !map.box || !map.dense ||
      (once && !map.injective))
    return false;
  tni_subst subst = {loops, vars, zeros};
  for (size_t d = 0; d < dims; d++) {
    const tn_expr *first = once ? tni_expr_subst(r, index[d], &subst) : map.bases[d];
    first = first ? tni_simplify(r, &none, first) : NULL;
    if (!first || !tni_is_const(map.bases[d]) || map.bases[d]->as.i > 0 ||
        map.bases[d]->as.i + map.extents[d] < domain[d] || (once && !tni_is_int(first, 0)))
      return false;
  }
  return true;
}

bool tni_runs_init_first(tn_schedule *s, const tn_stmt *block) {
  nest n;
  bool reduces = false;
  for (int32_t i = 0; i < block->as.block.count; i++) reduces |= block->as.block.iters[i].reduce;
  return !reduces || (open_nest(&n, s, block) && runs_domain(&n, true, true));
}

bool tni_begins_with_zeros(tn_schedule *s, const tn_stmt *block) {
  const tn_expr *vars[MAX_LOOPS], *zeros[MAX_LOOPS];
  tni_facts none = {.ctx = s->ctx};
  nest n;
  bool ok = open_nest(&n, s, block);
  for (size_t i = 0; i < n.count; i++) {
    vars[i] = n.loops[i]->as.loop.var;
    zeros[i] = tni_index(&s->region, 0);
  }
  tni_subst subst = {n.count, vars, zeros};
  for (int32_t k = 0; ok && k < block->as.block.count; k++) {
    const tn_expr *first = tni_expr_subst(&s->region, block->as.block.iters[k].binding, &subst);
    ok = !block->as.block.iters[k].reduce || (first && tni_is_int(tni_simplify(&s->region, &none, first), 0));
  }
  return ok;
}

bool tni_meets_once(tn_schedule *s, size_t dims, const tn_expr *const *index, size_t loops,
                    const tn_stmt *const *nest) {
  const tn_expr *vars[MAX_LOOPS];
  int64_t extents[MAX_LOOPS];
  tni_facts none = {.ctx = s->ctx};
  tni_itermap map;
  if (loops > MAX_LOOPS) return false;
  for (size_t i = 0; i < loops; i++) {
    const tn_expr *extent = nest[i]->as.loop.extent;
    vars[i] = nest[i]->as.loop.var;
    extents[i] = tni_is_const(extent) ? extent->as.i : FAR;
  }
  return tni_itermap_of(&s->region, &none, dims, index, loops, vars, extents, &map) && map.box && map.injective;
}

bool tni_store_over_loops(tn_schedule *s, const tn_stmt *block, const tn_stmt *store, const tn_expr **out) {
  const tn_expr *vars[MAX_LOOPS], *values[MAX_LOOPS];
  int32_t n = block->as.block.count;
  if (n > MAX_LOOPS) return false;
  for (int32_t i = 0; i < n; i++) {
    vars[i] = block->as.block.iters[i].var;
    values[i] = block->as.block.iters[i].binding;
  }
  tni_subst subst = {(size_t)n, vars, values};
  for (int32_t i = 0; i < store->as.store.count; i++)
    if (!(out[i] = tni_expr_subst(&s->region, store->as.store.index[i], &subst))) return false;
  return true;
}

/* Is every spatial point summed up in one go: below the outermost reduce loop no two spatial iterations share one? */
static bool sums_apart(const nest *n, const tn_stmt *store) {
  const tn_expr *index[TN_MAX_RANK];
  const tn_stmt *inner[MAX_LOOPS];
  size_t first = 0, count = 0;
  while (first < n->count && !n->reduce[first]) first++;
  for (size_t i = first; i < n->count; i++)
    if (!n->reduce[i]) inner[count++] = n->loops[i];
  return count == 0 || (tni_store_over_loops(n->s, n->block, store, index) &&
                        tni_meets_once(n->s, (size_t)store->as.store.count, index, count, inner));
}

typedef struct own_reads {
  const tn_stmt *store;
  bool same, others; /* the element that is stored is read; another one is */
} own_reads;

static void see_own(void *self, const tn_expr *x) {
  own_reads *q = self;
  if (x->op != TN_OP_load || x->as.buffer != q->store->as.store.buffer) return;
  bool same = memcmp(x->arg, q->store->as.store.index, (size_t)q->store->as.store.count * sizeof(void *)) == 0;
  *(same ? &q->same : &q->others) = true;
}

static own_reads reads_of(tn_context *ctx, const tn_stmt *s, const tn_stmt *store) {
  own_reads q = {.store = store};
  tni_stmt_visit_exprs(ctx, s, see_own, &q);
  return q;
}

bool tni_reads_own_element(tn_context *ctx, const tn_stmt *block, const tn_stmt *store) {
  return !reads_of(ctx, block, store).others;
}

const char *tni_why_not_reduction(tn_context *ctx, const tn_stmt *block) {
  const tn_stmt *stores[TNI_MAX_STATES], *init = block->as.block.init;
  int32_t count = tni_block_stores(ctx, block, stores);
  if (!count) return "the block does more than store one element to each of some buffers";
  if (init && !tni_init_fits(ctx, block)) return "init stores something else than the block";
  for (int32_t k = 0; k < count; k++) {
    own_reads all = reads_of(ctx, block, stores[k]), first = {0};
    if (init) first = reads_of(ctx, init, stores[k]);
    if (!init && (all.same || all.others)) return "the block reads the buffer it writes";
    if (all.others || first.same) return "the block reads other elements of the buffer it writes";
  }
  return NULL;
}

static bool is_whole_buffer(const tn_stmt *block, const tn_stmt *store) {
  for (int32_t i = 0; i < store->as.store.count; i++)
    for (int32_t k = 0; k < block->as.block.count; k++)
      if (block->as.block.iters[k].var == store->as.store.index[i] &&
          block->as.block.iters[k].extent != store->as.store.buffer->shape[i])
        return false;
  return true;
}

/* Is every subscript of the store a spatial iterator of its own, and none left over? */
static const char *why_not_plain(const tn_stmt *block, const tn_stmt *store) {
  int32_t spatial = 0;
  for (int32_t k = 0; k < block->as.block.count; k++) spatial += !block->as.block.iters[k].reduce;
  if (spatial != store->as.store.count) return "the block has spatial iterators that are no subscripts of its store";
  for (int32_t i = 0; i < store->as.store.count; i++) {
    bool found = false;
    for (int32_t k = 0; k < block->as.block.count; k++)
      found |= block->as.block.iters[k].var == store->as.store.index[i] && !block->as.block.iters[k].reduce;
    if (!found) return "a subscript of the store is not a plain spatial iterator";
    for (int32_t k = 0; k < i; k++)
      if (store->as.store.index[k] == store->as.store.index[i])
        return "two subscripts of the store are the same iterator";
  }
  return NULL;
}

/* Does the block's guard leave out only what is outside of its iterators' domains? */
static bool guards_domains(const nest *n, int32_t count, const tn_stmt *const *stores) {
  tni_site site;
  bool whole = true; /* as it is seen quickly: every dimension of the stores is spanned */
  for (int32_t k = 0; k < count; k++)
    whole &= tni_guards_domain(&n->s->region, n->count, n->loops, n->block, stores[k]);
  return whole || (tni_open_site(n->s, n->block, &site) && tni_site_is_guarded_by_domains(&site));
}

static const char *why_not_its_domain(tn_schedule *s, const tn_stmt *block, const tn_stmt *stays) {
  const tn_stmt *stores[TNI_MAX_STATES];
  int32_t count = tni_block_stores(s->ctx, block, stores);
  nest n;
  bool reduces = false;
  for (int32_t i = 0; i < block->as.block.count; i++) reduces |= block->as.block.iters[i].reduce;
  if (!count) return "the block does more than store one element to each of some buffers";
  if (!open_nest(&n, s, block)) return "the loops around the block are too many";
  n.stays = stays;
  if (n.conditional) return "the block stands under a condition";
  if (n.bound) return "the block stands in the scope of a let, assert or assume";
  if (block->as.block.where && !guards_domains(&n, count, stores))
    return "the block's guard cuts instances that its iterators have";
  for (size_t i = 0; i < n.count && reduces; i++)
    if (n.reduce[i] && n.spatial[i]) return "a loop feeds both reduce and spatial iterators of the block";
  if (!runs_domain(&n, false, false)) return "the loops do not run all that the block's iterators range over";
  if (reduces && (!runs_domain(&n, true, true) || !sums_apart(&n, stores[0])))
    return "the loops do not run each step of the reduction once, in one go";
  return NULL;
}

const char *tni_why_not_its_domain(tn_schedule *s, const tn_stmt *block) { return why_not_its_domain(s, block, NULL); }

const char *tni_why_not_its_box(tn_schedule *s, const tn_stmt *block, const tn_stmt *stays, bool *whole) {
  const tn_stmt *stores[TNI_MAX_STATES];
  int32_t count = tni_block_stores(s->ctx, block, stores);
  *whole = count > 0;
  for (int32_t k = 0; k < count; k++) *whole &= is_whole_buffer(block, stores[k]);
  const char *why = count ? why_not_plain(block, stores[0]) : NULL;
  return why ? why : why_not_its_domain(s, block, stays);
}

const char *tni_why_not_whole(tn_schedule *s, const tn_stmt *block) {
  bool whole;
  const char *why = tni_why_not_its_box(s, block, NULL, &whole);
  return why || whole ? why : "the block does not write the whole buffer";
}
