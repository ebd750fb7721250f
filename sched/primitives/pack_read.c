/* pack_read.c -- what a block reads of a buffer stands in a new one, in blocks of its
 * own iterators, packed by a new block before.
 *
 *     block C(i, j, reduce k) { C[i, j] = .. B[k, j if w] .. }
 *       ->                                                       pack_read(C, 1, [1, 2, 1, 2], [16, 4, 1, 1])
 *     block C_read(p, q, l, t) { B_packed[p, q, l, t] = B[q*4 + t, p*16 + l if w] }
 *     block C(i, j, reduce k) { C[i, j] = .. B_packed[j // 16, k // 4, j % 16, k % 4] .. }
 *
 * Dimension d of the new buffer counts steps of sizes[d] of the iterator of that number; of an iterator's dimensions
 * the outer one stands first, and the last one counts single steps. What fills a last step up is 0. compute_at brings
 * the new block to where a part is read. of=cast packs what the block casts each element to.
 *
 * needs: one load of the buffer in the block, by iterators of constant extents, inside the buffer for all their values;
 *        a buffer that is whole before the outermost loop and is not written under it
 * refuses: dimensions that do not make up the load's iterators; a buffer that may not be whole;
 *          of=cast when elements are used as they are, too
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct packing {
  tni_step *step;
  tni_region *r;
  const tn_stmt *block;
  const tn_buffer *old, *made;
  const tn_expr *load; /* what is packed */
  bool several;        /* there is another cast of it */
  tn_type type;        /* of the new buffer; 0: it is not cast */
  int32_t rank;
  int64_t extents[TN_MAX_RANK];        /* of the new buffer */
  const tn_expr *index[TN_MAX_RANK];   /* of the new buffer, over the block's iterators */
  const tn_expr *vars[TN_MAX_RANK];    /* of the new block */
  const tn_expr *values[TNI_MAX_NEST]; /* the block's iterators over these; NULL: not used */
} packing;

static void see_cast(void *self, const tn_expr *x) {
  packing *p = self;
  if (x->op != TN_OP_cast || x->arg[0] != p->load) return;
  p->several |= p->type && p->type != x->type;
  p->type = x->type;
}

static bool moves(const packing *p, const tn_expr *var) {
  bool found = false;
  for (int i = 0; i < p->load->nargs; i++) found |= tni_expr_uses(p->r->arena.ctx, p->load->arg[i], var);
  return found;
}

/* Is every access inside of the buffer, whichever values the iterators have? */
static bool stays_inside(const packing *p) {
  tni_facts facts;
  const tn_expr *where = tni_load_where(p->load);
  tni_facts_init(&facts, p->r->arena.ctx);
  bool ok = true;
  for (int32_t i = 0; ok && i < p->block->as.block.count; i++)
    ok = tni_facts_bind(&facts, p->block->as.block.iters[i].var, p->block->as.block.iters[i].extent);
  if (ok && where) ok = tni_facts_learn(&facts, where, true);
  for (int32_t d = 0; ok && d < p->old->rank; d++)
    ok = tni_prove(p->r, &facts, tni_op2(p->r, TN_OP_le, tni_index(p->r, 0), p->load->arg[d])) &&
         tni_prove(p->r, &facts, tni_op2(p->r, TN_OP_lt, p->load->arg[d], p->old->shape[d]));
  tni_facts_destroy(&facts);
  return ok;
}

/* ---- what must hold ---------------------------------------------------------------------------------------------- */

static tn_status check_load(packing *p) {
  if (!(p->load = tni_only_load(p->step, p->block, p->old))) return TN_E_REFUSED;
  if (!stays_inside(p))
    return tni_step_refuse(p->step, p->block, "it is not known that all of what would be packed is inside of `%s`",
                           p->old->name);
  return TN_OK;
}

/* Elements as they are, or as they are cast. */
static tn_status check_type(packing *p) {
  if (p->step->args[5].number == 0) return p->type = p->old->type, TN_OK;
  tni_stmt_visit_exprs(p->r->arena.ctx, p->block->as.block.body, see_cast, p);
  if (!p->type)
    return tni_step_refuse(p->step, p->block, "the block does not cast what it reads of `%s`", p->old->name);
  return p->several ? tni_step_refuse(p->step, p->block, "the block casts what it reads of `%s` to several types",
                                      p->old->name)
                    : TN_OK;
}

/* The dimensions, from the innermost on: the iterators over them. */
static tn_status check_dims(packing *p) {
  const tni_arg *dims = &p->step->args[2], *sizes = &p->step->args[3];
  const tni_iter *iters = p->block->as.block.iters;
  int64_t inner[TNI_MAX_NEST] = {0}; /* the size of the dimension of the iterator that was seen last */
  tni_region *r = p->r;
  p->rank = (int32_t)dims->count;
  if (dims->count != sizes->count || dims->count < 1 || dims->count > TN_MAX_RANK)
    return tni_step_refuse(p->step, NULL, "give 1 to %d dimensions, and a size for each", TN_MAX_RANK);
  for (int32_t d = p->rank; d-- > 0;) {
    int64_t number = dims->numbers[d], size = sizes->numbers[d];
    if (number < 0 || number >= p->block->as.block.count || number >= TNI_MAX_NEST || !moves(p, iters[number].var))
      return tni_step_refuse(p->step, p->block, "what is read does not depend on an iterator of number %lld",
                             (long long)number);
    if (!tni_is_const(iters[number].extent) || iters[number].extent->as.i < 1)
      return tni_step_refuse(p->step, p->block, "the extent of iterator %lld is not a positive constant",
                             (long long)number);
    if (inner[number] ? size <= inner[number] || size % inner[number] : size != 1)
      return tni_step_refuse(p->step, p->block,
                             "the sizes of an iterator's dimensions are multiples of each other, down to 1");
    int64_t extent = iters[number].extent->as.i;
    bool outermost = true;
    for (int32_t e = 0; e < d; e++) outermost &= dims->numbers[e] != number;
    int64_t around = 0; /* the size of the dimension around */
    for (int32_t e = 0; e < d; e++)
      if (dims->numbers[e] == number) around = sizes->numbers[e];
    p->extents[d] = outermost ? (extent - 1) / size + 1 : around / size;
    p->vars[d] = tni_var(r, "c", TN_INDEX);
    const tn_expr *part = tni_mul(r, p->vars[d], tni_index(r, size));
    p->values[number] = p->values[number] ? tni_add(r, part, p->values[number]) : part;
    p->index[d] = tni_op2(r, TN_OP_floordiv, iters[number].var, tni_index(r, size));
    if (!outermost) p->index[d] = tni_op2(r, TN_OP_floormod, p->index[d], tni_index(r, p->extents[d]));
    if (!p->values[number] || !p->index[d]) return TN_E_NOMEM;
    inner[number] = size;
  }
  for (int32_t i = 0; i < p->block->as.block.count && i < TNI_MAX_NEST; i++)
    if (moves(p, iters[i].var) && !p->values[i])
      return tni_step_refuse(p->step, p->block, "what is read depends on iterator %d too, which no dimension counts",
                             i);
  return TN_OK;
}

/* ---- the rewrite ------------------------------------------------------------------------------------------------- */

/* The load over the new block's iterators; nothing behind the ends of the old ones. */
static const tn_expr *packed_value(packing *p) {
  const tni_iter *iters = p->block->as.block.iters;
  const tn_expr *from[TNI_MAX_NEST], *to[TNI_MAX_NEST], *inside = NULL, *args[TN_MAX_RANK + 1];
  size_t count = 0;
  for (int32_t i = 0; i < p->block->as.block.count && i < TNI_MAX_NEST; i++) {
    if (!p->values[i]) continue;
    from[count] = iters[i].var;
    to[count++] = p->values[i];
    int64_t whole = 1;
    for (int32_t d = 0; d < p->rank; d++)
      if (p->step->args[2].numbers[d] == i) whole *= p->extents[d];
    if (whole != iters[i].extent->as.i)
      inside = tni_conj(p->r, inside, tni_op2(p->r, TN_OP_lt, p->values[i], iters[i].extent));
  }
  tni_subst subst = {count, from, to};
  const tn_expr *where = tni_load_where(p->load);
  for (int32_t d = 0; d < tni_load_count(p->load); d++) args[d] = tni_expr_subst(p->r, p->load->arg[d], &subst);
  if (where) inside = tni_conj(p->r, inside, tni_expr_subst(p->r, where, &subst));
  const tn_expr *x = tni_load(p->r, p->load->type, p->old, (size_t)tni_load_count(p->load), args, inside);
  return p->type == p->old->type ? x : tni_cast(p->r, p->type, x);
}

/* for c.. { block NAME(..) { made[..] = the load } } */
static const tn_stmt *packing_nest(packing *p, const char *name) {
  tni_iter iters[TN_MAX_RANK];
  const tn_expr *value = packed_value(p), *loops[TN_MAX_RANK];
  tni_region *r = p->r;
  for (int32_t d = 0; d < p->rank; d++) {
    loops[d] = tni_var(r, "c", TN_INDEX);
    iters[d] = (tni_iter){.var = p->vars[d], .extent = tni_index(r, p->extents[d]), .binding = loops[d]};
  }
  const tn_stmt *s =
      tni_block(r, name, p->rank, iters, NULL, NULL, tni_store(r, p->made, p->rank, p->vars, value, NULL));
  for (int32_t d = p->rank - 1; d >= 0; d--) s = tni_for(r, loops[d], iters[d].extent, TNI_SERIAL, s);
  return s;
}

static const tn_expr *read_packed(void *self, tni_region *r, const tn_expr *x) {
  const packing *p = self;
  bool cast = p->type != p->old->type;
  const tn_expr *load = cast && x->op == TN_OP_cast ? x->arg[0] : x;
  return load == p->load && cast == (load != x) ? tni_load(r, p->type, p->made, (size_t)p->rank, p->index, NULL) : x;
}

tn_status tni_apply_pack_read(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  tni_read_place place;
  tn_status status = tni_find_read(step, step->args[4].text, &place);
  if (status) return status;
  packing p = {.step = step, .r = r, .block = place.block, .old = place.buffer};
  status = check_load(&p);
  if (!status) status = check_type(&p);
  if (!status) status = check_dims(&p);
  if (status) return status;
  const char *name = tni_arena_format(&r->arena, "%s_packed", p.old->name);
  const tn_expr *shape[TN_MAX_RANK];
  for (int32_t d = 0; d < p.rank; d++) shape[d] = tni_index(r, p.extents[d]);
  p.made = name ? tni_buffer(r, name, p.type, place.scope, p.rank, shape) : NULL;
  if (!p.made) return TN_E_NOMEM;
  const tn_stmt *read = tni_stmt_rewrite(r, p.block->as.block.body, read_packed, NULL, &p);
  tni_reads left = {0};
  if (read) left = tni_reads_below(s->ctx, read);
  for (size_t i = 0; i < left.count; i++)
    if (left.items[i] == p.old)
      return tni_step_refuse(step, p.block, "the block reads `%s` without the cast, too", p.old->name);
  const tn_stmt *reader =
      tni_block_like(r, p.block, p.block->as.block.iters, p.block->as.block.where, p.block->as.block.init, read);
  return tni_put_before(step, &place, packing_nest(&p, place.copy_name), reader, p.made);
}

tn_status tn_pack_read(tn_schedule *s, tn_block_ref block, int32_t read, size_t count, const int64_t *iters,
                       const int64_t *sizes, const char *scope, int cast, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block),       tni_of_int(read),   tni_of_ints(count, iters),
                    tni_of_ints(count, sizes), tni_of_text(scope), tni_of_text(cast ? "cast" : "element")};
  return tni_perform(s, TNI_PRIMITIVE_pack_read, 6, args, 1, out, NULL, err);
}
