/* cache_inplace.c -- what is read and written of a buffer around a place stands in a new one meanwhile.
 *
 *     for k { block C(i, j, k) { C[i, j] = C[i, j] + A[i, k] * B[k, j] } }          cache_inplace(C, k, "register")
 *       ->
 *     block C_read { C_cache[i, j] = C[i, j] }
 *     for k { block C(i, j, k) { C_cache[i, j] = C_cache[i, j] + A[i, k] * B[k, j] } }
 *     block C_write { C[i, j] = C_cache[i, j] }
 *
 * Copied in and out is the box around all that is touched there, as far as it is inside of the buffer: elements of it
 * that nobody writes get back what they had.
 *
 * needs: a buffer that the block stores to; a loop around the block, or the block; elements that have a value there: a
 *        parameter's, or written before (ir/cover.c)
 * refuses: addresses, and blocks in blocks, that may touch the buffer; a buffer allocated there
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* Of a dimension that is not constant, a larger box is not worth a guard: it came of what is hardly known. */
enum { MOST_OF_UNKNOWN = 1 << 16 };

typedef struct plan {
  tni_step *step;
  tni_region *r;
  const tn_stmt *block, *place;
  const tn_buffer *old, *made;
  tni_site site;
  size_t depth;    /* loops around the place */
  tni_facts facts; /* of these */
  tni_box box;
} plan;

/* ---- what is touched --------------------------------------------------------------------------------------------- */

static bool is_inside(const plan *p, const tni_access *x) {
  if (x->buffer != p->old) return false;
  if (p->place->kind == TNI_BLOCK) return x->block == p->place;
  return x->depth > (int)p->depth && x->loops[p->depth] == p->place;
}

static bool cover(plan *p, const tni_accesses *all) {
  bool any = false, ok = true;
  for (size_t i = 0; i < all->count && ok; i++) {
    tni_box more;
    if (!is_inside(p, &all->items[i])) continue;
    ok = tni_access_cover(p->r, &all->items[i], (int)p->depth, &more);
    if (ok && any) ok = tni_box_grow(p->r, &p->facts, p->old->rank, &p->box, &more);
    if (!any) p->box = more;
    any = true;
  }
  return ok;
}

/* Does the place read memory before it is inside? */
static bool header_reads(const plan *p) {
  if (p->place->kind == TNI_FOR) return tni_expr_reads(p->place->as.loop.extent);
  bool reads = p->place->as.block.where && tni_expr_reads(p->place->as.block.where);
  for (int32_t i = 0; i < p->place->as.block.count; i++)
    reads |= tni_expr_reads(p->place->as.block.iters[i].binding);
  return reads;
}

/* Is the box less than the dimension, and does it stand still meanwhile? */
static bool is_of_use(const plan *p, int32_t d) {
  const tn_expr *extent = p->old->shape[d];
  int64_t most = tni_is_const(extent) ? extent->as.i - 1 : MOST_OF_UNKNOWN;
  return p->box.extents[d] <= most && !tni_expr_reads(p->box.bases[d]);
}

static tn_status find_box(plan *p) {
  tn_schedule *s = p->step->s;
  tni_accesses all;
  bool ok = tni_accesses_collect(p->r, s->func->body, &all), opaque = all.opaque || header_reads(p);
  ok = ok && (opaque || cover(p, &all));
  tni_accesses_destroy(&all);
  if (!ok) return TN_E_NOMEM;
  if (opaque) return tni_step_refuse(p->step, p->place, "not all accesses to memory are known");
  for (int32_t d = 0; d < p->old->rank; d++)
    if (p->box.extents[d] && !is_of_use(p, d)) p->box.extents[d] = 0;
  return TN_OK;
}

/* ---- values before ----------------------------------------------------------------------------------------------- */

/* Has all that the block of that name copies in a value by then? */
static bool is_filled(const plan *p, const tn_stmt *body, const char *name) {
  tni_accesses all;
  bool filled = tni_is_param(p->step->s->func, p->old);
  if (filled) return true;
  bool ok = tni_accesses_collect(p->r, body, &all);
  for (size_t i = 0; i < all.count && ok; i++) {
    const tni_access *x = &all.items[i];
    if (x->buffer == p->old && !x->write && x->block && strcmp(x->block->as.block.name, name) == 0)
      filled = tni_is_covered(p->r, &all, x, 0);
  }
  tni_accesses_destroy(&all);
  return filled;
}

/* ---- the rewrite ------------------------------------------------------------------------------------------------- */

/* *where && cond, if that is not known. */
static bool must(plan *p, const tn_expr *cond, const tn_expr **where) {
  cond = cond ? tni_simplify(p->r, &p->facts, cond) : NULL;
  if (cond && !tni_prove(p->r, &p->facts, cond)) *where = tni_conj(p->r, *where, cond);
  return cond != NULL;
}

/* for.. { block NAME(the box) { to[..] = from[..] } } */
static const tn_stmt *copy_box(plan *p, const char *name, const tn_buffer *from, const tn_buffer *to) {
  tni_iter iters[TN_MAX_RANK];
  const tn_expr *loops[TN_MAX_RANK], *extents[TN_MAX_RANK], *index[TN_MAX_RANK], *where = NULL;
  for (int32_t d = 0; d < from->rank; d++) {
    int64_t size = p->box.extents[d];
    char letter[8] = {'c', (char)('0' + d), 0};
    loops[d] = tni_var(p->r, letter, TN_INDEX);
    extents[d] = size ? tni_index(p->r, size) : from->shape[d];
    index[d] = tni_var(p->r, letter, TN_INDEX);
    if (!loops[d] || !extents[d] || !index[d] || !tni_facts_bind(&p->facts, loops[d], extents[d])) return NULL;
    const tn_expr *base = size ? p->box.bases[d] : tni_index(p->r, 0);
    const tn_expr *at = size == 1 ? base : tni_simplify(p->r, &p->facts, tni_add(p->r, base, loops[d]));
    iters[d] = (tni_iter){.var = index[d], .extent = from->shape[d], .binding = at};
    if (!at || !must(p, tni_op2(p->r, TN_OP_le, tni_index(p->r, 0), at), &where) ||
        !must(p, tni_op2(p->r, TN_OP_lt, at, from->shape[d]), &where))
      return NULL;
  }
  const tn_expr *value = tni_load(p->r, from->type, from, (size_t)from->rank, index, NULL);
  const tn_stmt *s = tni_store(p->r, to, to->rank, index, value, NULL);
  s = tni_block(p->r, name, from->rank, iters, where, NULL, s);
  for (int32_t d = from->rank; d-- > 0;)
    if (p->box.extents[d] != 1) s = tni_for(p->r, loops[d], extents[d], TNI_SERIAL, s);
  return s;
}

static tn_status rewrite(plan *p, enum tni_scope scope) {
  const tn_stmt *root = p->step->s->func->body;
  const char *name = p->block->as.block.name, *cache = tni_arena_format(&p->r->arena, "%s_cache", p->old->name);
  const char *in = tni_arena_format(&p->r->arena, "%s_read", name),
             *out = tni_arena_format(&p->r->arena, "%s_write", name);
  in = in ? tni_free_block_name(p->r, root, in) : NULL;
  out = out ? tni_free_block_name(p->r, root, out) : NULL;
  p->made = cache && in && out ? tni_buffer(p->r, cache, p->old->type, scope, p->old->rank, p->old->shape) : NULL;
  if (!p->made) return TN_E_NOMEM;
  const tn_stmt *three[] = {copy_box(p, in, p->old, p->made),
                            tni_with_buffer(p->r, p->place, p->old, p->made, TNI_LOADS | TNI_STORES),
                            copy_box(p, out, p->made, p->old)};
  const tn_stmt *body = tni_replace(p->r, root, p->place, tni_seq(p->r, 3, three));
  if (!body) return TN_E_NOMEM;
  if (!is_filled(p, body, in))
    return tni_step_refuse(p->step, p->place,
                           "elements of the buffer may have no value there yet\n"
                           "needs: to be written before; or cache_write, of who writes them first");
  tn_status status = tni_give_block(p->step, in);
  if (!status) status = tni_give_block(p->step, out);
  return status ? status : tni_step_accept(p->step, tni_alloc_stmt(p->r, p->made, body));
}

static tn_status check(plan *p, int scope) {
  if (tni_is_allocated_in(p->place, p->old))
    return tni_step_refuse(p->step, p->old, "the buffer is allocated at the place");
  const char *why = tni_why_no_cache(p->step->s, p->old, scope);
  return why ? tni_step_refuse(p->step, p->place, "%s", why) : find_box(p);
}

tn_status tni_apply_cache_inplace(tni_step *step) {
  tn_schedule *s = step->s;
  const tn_stmt *block = tni_arg_block(step, 0), *place = block ? tni_arg_place(step, 1) : NULL;
  int scope = place ? tni_cache_scope(step, step->args[2].text) : -1;
  plan p = {.step = step, .r = &s->region, .block = block, .place = place};
  if (scope < 0 || !(p.old = tni_arg_buffer(step, block, 3, true))) return TN_E_REFUSED;
  if (!tni_is_below(place, block)) return tni_step_refuse(step, place, "the block is not at the place");
  if (!tni_open_site(s, block, &p.site)) return tni_step_refuse(step, block, "there are too many loops");
  while (p.depth < p.site.count && tni_is_below(p.site.loops[p.depth], place) && p.site.loops[p.depth] != place)
    p.depth++;
  tn_status status = tni_site_know_loops(&p.site, p.depth, &p.facts) ? check(&p, scope) : TN_E_NOMEM;
  if (!status) status = rewrite(&p, (enum tni_scope)scope);
  tni_facts_destroy(&p.facts);
  return status;
}

tn_status tn_cache_inplace(tn_schedule *s, tn_block_ref block, tn_place place, const char *scope, int32_t store,
                           tn_block_ref *read, tn_block_ref *write, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(place), tni_of_text(scope), tni_of_int(store)};
  tn_block_ref made[2];
  tn_status status = tni_perform(s, TNI_PRIMITIVE_cache_inplace, 4, args, 2, made, NULL, err);
  if (read) *read = made[0];
  if (write) *write = made[1];
  return status;
}
