/* site.c -- where a block stands: the loops around it, the boxes of its iterators that they bring, the order of its
 * steps.
 *
 *     for io { for ii in 0..4 { block B(i: 0..n = io*4 + ii) .. } }      from ii on: io*4 .. io*4 + 4; from io on: 0..n
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* ---- where a block stands ---- */

bool tni_open_site(tn_schedule *s, const tn_stmt *block, tni_site *out) {
  *out = (tni_site){.s = s, .block = block};
  out->depth = tni_path_to(s->func->body, block, out->path);
  for (int i = 0; i < out->depth; i++) {
    if (out->path[i]->kind != TNI_FOR) continue;
    if (out->count == TNI_MAX_NEST) return false;
    out->loops[out->count++] = out->path[i];
  }
  return out->depth > 0;
}

static bool uses(const tni_site *site, int32_t iter, const tn_stmt *loop) {
  return tni_expr_uses(site->s->ctx, site->block->as.block.iters[iter].binding, loop->as.loop.var);
}

bool tni_site_feeds(const tni_site *site, const tn_stmt *loop, bool reduce) {
  for (int32_t i = 0; i < site->block->as.block.count; i++)
    if (site->block->as.block.iters[i].reduce == reduce && uses(site, i, loop)) return true;
  return false;
}

/* ---- what loops bring ---- */

bool tni_site_know_loops(const tni_site *site, size_t depth, tni_facts *facts) {
  bool ok = true;
  tni_facts_init(facts, site->s->ctx);
  for (size_t i = 0; ok && i < depth; i++)
    ok = tni_facts_bind(facts, site->loops[i]->as.loop.var, site->loops[i]->as.loop.extent);
  return ok;
}

/* The next iterators that loops from `depth` on move together, none of which is done yet; they are now. At most
 * TN_MAX_RANK, else 0; 0 too when there are no more. */
static size_t next_group(const tni_site *site, size_t depth, bool *done, int32_t *from) {
  int32_t count = site->block->as.block.count;
  size_t dims = 0;
  for (int32_t i = 0; i < count && !dims; i++)
    if (!done[i]) from[dims++] = i, done[i] = true;
  for (size_t d = 0; d < dims; d++)
    for (size_t k = depth; k < site->count; k++)
      for (int32_t i = 0; uses(site, from[d], site->loops[k]) && i < count; i++) {
        if (done[i] || !uses(site, i, site->loops[k])) continue;
        if (dims == TN_MAX_RANK) return 0;
        from[dims++] = i;
        done[i] = true;
      }
  return dims;
}

static bool group_uses(const tni_site *site, size_t dims, const int32_t *from, const tn_stmt *loop) {
  bool used = false;
  for (size_t d = 0; d < dims; d++) used |= uses(site, from[d], loop);
  return used;
}

static bool span_group(const tni_site *site, size_t depth, size_t dims, const int32_t *from, tni_stretch *out) {
  tni_region *r = &site->s->region;
  const tn_expr *index[TN_MAX_RANK], *vars[TNI_MAX_NEST];
  int64_t extents[TNI_MAX_NEST];
  size_t loops = 0;
  tni_itermap map;
  tni_facts facts;
  for (size_t d = 0; d < dims; d++) index[d] = site->block->as.block.iters[from[d]].binding;
  for (size_t k = depth; k < site->count; k++) {
    if (!group_uses(site, dims, from, site->loops[k])) continue;
    if (!tni_is_const(site->loops[k]->as.loop.extent)) return false;
    vars[loops] = site->loops[k]->as.loop.var;
    extents[loops++] = site->loops[k]->as.loop.extent->as.i;
  }
  bool ok = tni_site_know_loops(site, depth, &facts) &&
            tni_itermap_of(r, &facts, dims, index, loops, vars, extents, &map) && map.box && map.dense;
  tni_facts_destroy(&facts);
  for (size_t d = 0; ok && d < dims; d++) out[from[d]] = (tni_stretch){map.bases[d], tni_index(r, map.extents[d])};
  return ok;
}

bool tni_site_spans(const tni_site *site, size_t depth, tni_stretch *out) {
  const tn_stmt *block = site->block;
  bool done[TNI_MAX_NEST] = {false};
  int32_t from[TN_MAX_RANK], left = block->as.block.count;
  if (left > TNI_MAX_NEST) return false;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    if (tni_expr_reads(block->as.block.iters[i].binding)) return false; /* another time another value */
    for (size_t k = depth; k < site->count; k++) /* no box */
      if (tni_expr_uses(site->s->ctx, block->as.block.iters[i].extent, site->loops[k]->as.loop.var)) return false;
    out[i] = (tni_stretch){tni_index(&site->s->region, 0), block->as.block.iters[i].extent};
    done[i] = tni_runs_symbolic_domain(site->s, block, i, site->count - depth, site->loops + depth);
    left -= done[i];
  }
  while (left > 0) {
    size_t dims = next_group(site, depth, done, from);
    if (!dims || !span_group(site, depth, dims, from, out)) return false;
    left -= (int32_t)dims;
  }
  return !site->s->region.arena.failed;
}

bool tni_site_runs_once(const tni_site *site, size_t depth, bool spatial) {
  const tn_stmt *block = site->block;
  bool done[TNI_MAX_NEST] = {false}, met[TNI_MAX_NEST] = {false};
  int32_t from[TN_MAX_RANK], left = block->as.block.count;
  if (left > TNI_MAX_NEST) return false;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    done[i] = spatial && block->as.block.iters[i].reduce;
    left -= done[i];
  }
  while (left > 0) {
    const tn_expr *index[TN_MAX_RANK];
    const tn_stmt *loops[TNI_MAX_NEST];
    size_t count = 0, dims = next_group(site, depth, done, from);
    for (size_t d = 0; d < dims; d++) index[d] = block->as.block.iters[from[d]].binding;
    for (size_t k = depth; k < site->count; k++)
      if (group_uses(site, dims, from, site->loops[k]) && !(spatial && tni_site_feeds(site, site->loops[k], true))) {
        loops[count++] = site->loops[k];
        met[k] = true;
      }
    if (!dims || !tni_meets_once(site->s, dims, index, count, loops)) return false;
    left -= (int32_t)dims;
  }
  for (size_t k = depth; k < site->count; k++)
    if (!met[k] && !(spatial && tni_site_feeds(site, site->loops[k], true)) &&
        !tni_is_int(site->loops[k]->as.loop.extent, 1))
      return false;
  return true;
}

/* What the domains of the iterators say of the loops. */
static bool know_domains(const tni_site *site, tni_facts *facts) {
  tni_region *r = &site->s->region;
  bool ok = tni_site_know_loops(site, site->count, facts);
  for (int32_t i = 0; ok && i < site->block->as.block.count; i++) {
    const tni_iter *it = &site->block->as.block.iters[i];
    const tn_expr *below = tni_op2(r, TN_OP_lt, it->binding, it->extent);
    const tn_expr *above = tni_op2(r, TN_OP_le, tni_index(r, 0), it->binding);
    ok = below && above && tni_facts_learn(facts, below, true) && tni_facts_learn(facts, above, true);
  }
  return ok;
}

/* Does each conjunct say, word for word, that an iterator is in its domain? What is simplified on the way to a proof, as
 * loops of one iteration are, may not be told again as the same. */
static bool says_domains(const tni_site *site, const tn_expr *where) {
  if (where->op == TN_OP_and) return says_domains(site, where->arg[0]) && says_domains(site, where->arg[1]);
  for (int32_t i = 0; i < site->block->as.block.count; i++) {
    const tni_iter *it = &site->block->as.block.iters[i];
    if (where->op == TN_OP_lt && where->arg[0] == it->binding && where->arg[1] == it->extent) return true;
    if (where->op == TN_OP_le && tni_is_int(where->arg[0], 0) && where->arg[1] == it->binding) return true;
  }
  return false;
}

/* Does the guard cut only what is outside of the domains? */
bool tni_site_is_guarded_by_domains(const tni_site *site) {
  const tn_expr *where = site->block->as.block.where;
  tni_facts facts;
  if (!where || says_domains(site, where)) return true;
  bool ok = know_domains(site, &facts) && tni_prove(&site->s->region, &facts, where);
  tni_facts_destroy(&facts);
  return ok;
}

/* ---- the order of steps ---- */

bool tni_rises(tni_region *r, const tn_expr *x, size_t count, const tn_expr *const *vars,
               const tn_expr *const *extents) {
  const tn_expr *rest;
  int64_t coefs[TNI_MAX_NEST], reach = 0;
  if (count == 0) return true;
  if (!tni_affine(r, x, count, vars, coefs, &rest)) return false;
  for (size_t k = count; k-- > 0;) {
    if (coefs[k] <= reach) return false;
    if (!tni_is_const(extents[k])) return k == 0;
    if (__builtin_mul_overflow(coefs[k], extents[k]->as.i - 1, &coefs[k]) ||
        __builtin_add_overflow(reach, coefs[k], &reach))
      return false;
  }
  return true;
}

bool tni_site_runs_in_order(const tni_site *site, size_t depth, const tni_stretch *spans) {
  tni_region *r = &site->s->region;
  tni_facts none = {.ctx = site->s->ctx};
  const tn_expr *place = tni_index(r, 0), *vars[TNI_MAX_NEST], *extents[TNI_MAX_NEST];
  size_t count = 0;
  for (int32_t i = 0; i < site->block->as.block.count; i++)
    if (site->block->as.block.iters[i].reduce)
      place = tni_add(r, tni_mul(r, place, spans[i].extent), site->block->as.block.iters[i].binding);
  for (size_t k = depth; k < site->count; k++)
    if (tni_site_feeds(site, site->loops[k], true)) {
      extents[count] = site->loops[k]->as.loop.extent;
      vars[count++] = site->loops[k]->as.loop.var;
    }
  place = place ? tni_simplify(r, &none, place) : NULL;
  return count == 0 || (place && tni_rises(r, place, count, vars, extents));
}

/* May the steps be done in another order, with the same bits? */
static bool is_exact_in_any_order(tn_schedule *s, const tn_stmt *block) {
  tni_reduction reduction;
  if (!tni_reducer_of(&s->region, block, &reduction) || !reduction.any_order) return false;
  if (block->as.block.init && !tni_runs_init_first(s, block)) return false; /* it would, and forgets the steps before */
  for (int32_t k = 0; k < reduction.count; k++) {
    enum tn_op op = tni_reducers[reduction.reducer < 0 ? reduction.rows[k] : reduction.reducer].op;
    if (tni_type_is_float(reduction.stores[k]->as.store.buffer->type) && (op == TN_OP_add || op == TN_OP_mul))
      return false;
  }
  return true;
}

const char *tni_why_steps_moved(const tni_site *site, size_t depth, const tni_stretch *spans) {
  if (tni_site_runs_in_order(site, depth, spans) || is_exact_in_any_order(site->s, site->block)) return NULL;
  return "the steps of the reduction would be done in another order, that of its iterators\n"
         "needs: to be moved before its reduce loops are reordered";
}
