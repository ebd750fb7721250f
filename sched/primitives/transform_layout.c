/* transform_layout.c -- a buffer made in the function with other dimensions.
 *
 *     alloc T: f32[8, 10]    T[i, j]  ->  alloc T: f32[3, 8, 4]    T[j // 4, i, j % 4]
 *     by "(i, j) -> (j // 4, i, j % 4)"
 *
 * Every access names the element that it named, at its new place. Where a division does not come out even there is
 * padding, which nobody reads or writes. A layout that a buffer is declared with keeps its dimensions, and makes it
 * that large for good; here it has other ones, and is made as small as its use where it is computed. The block that
 * writes it stays as it is: the loops that go along the new dimensions are those of transform_block_layout.
 *
 * With pad=VALUE padding holds that value: the block goes along the new dimensions, and writes it, too.
 *
 *     for i { for j { block T(a = i, b = j) { T[a, b] = A[a, b] } } }
 *       ->
 *     for p { for q { for r { block T(p, q, r) { T[p, q, r] = select(p*4 + r < 10, A[q, p*4 + r if p*4 + r < 10], VALUE) } } } }
 *
 * needs: a buffer that the block stores to, made in the function, row-major; a map that sends
 *        different elements to different places; with pad a block over loops that are its iterators, the only one that
 *        writes the buffer, all of it
 * refuses: a buffer whose address is taken: who has it knows where the elements stand
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"
#include "text.h"

typedef struct mover {
  const tn_buffer *old, *made;
  const tni_layout *map;
} mover;

static const tn_expr *move_load(void *self, tni_region *r, const tn_expr *x) {
  const mover *m = self;
  const tn_expr *index[TN_MAX_RANK];
  if (x->op != TN_OP_load || x->as.buffer != m->old) return x;
  if (!tni_map_apply(r, m->map, m->old->rank, x->arg, index)) return NULL;
  return tni_load(r, x->type, m->made, (size_t)m->map->rank, index, tni_load_where(x));
}

static const tn_stmt *move_store(void *self, tni_region *r, const tn_stmt *s) {
  const mover *m = self;
  const tn_expr *index[TN_MAX_RANK];
  if (!tni_has_subscripts(s) || s->as.store.buffer != m->old) return s;
  if (!tni_map_apply(r, m->map, m->old->rank, s->as.store.index, index)) return NULL;
  if (s->kind == TNI_PREFETCH) return tni_prefetch(r, m->made, m->map->rank, index);
  return tni_store_like(r, s, m->made, m->map->rank, index, s->as.store.value, s->as.store.where);
}

static void see_address(void *self, const tn_expr *x) {
  const tn_buffer **q = self;
  if (x->op == TNI_OP_ADDRESS && x->as.buffer == *q) *q = NULL;
}

/* ---- padding that is written ------------------------------------------------------------------------------------- */

/* A place of the new buffer: the element that it is of, and whether it is of one. */
typedef struct origin {
  const tn_expr *element[TN_MAX_RANK], *inside; /* inside NULL: all are */
} origin;

/* inside && cond, unless that is known. */
static bool add_bound(tni_region *r, const tni_facts *facts, const tn_expr *cond, origin *out) {
  if (cond && !tni_prove(r, facts, cond)) out->inside = tni_conj(r, out->inside, tni_simplify(r, facts, cond));
  return cond != NULL;
}

/* Over the places at[k], whose ranges the facts know. False: no memory. */
static bool find_origin(tni_region *r, const mover *m, const tni_facts *facts, const tn_expr *const *at, origin *out) {
  const tni_layout *map = m->map;
  tn_buffer form = *m->old;
  int64_t extents[TN_MAX_RANK];
  bool injective;
  const tn_expr *back[TN_MAX_RANK];
  tni_itermap found;
  int32_t rank = m->old->rank;
  *out = (origin){0};
  form.layout = map;
  if (!tni_layout_ranges(&form, extents, &injective) || !tni_itermap_invert(r, facts, (size_t)map->rank, map->index, (size_t)rank, map->vars, extents, NULL, at,
                          out->element, &found))
    return false;
  for (int32_t d = 0; d < rank; d++) {
    const tn_expr *x = out->element[d] ? tni_simplify(r, facts, out->element[d]) : NULL;
    if (!(out->element[d] = x) || !add_bound(r, facts, tni_op2(r, TN_OP_le, tni_index(r, 0), x), out) ||
        !add_bound(r, facts, tni_op2(r, TN_OP_lt, x, m->old->shape[d]), out))
      return false;
  }
  if (!tni_map_apply(r, map, rank, out->element, back)) return false;
  for (int32_t k = 0; k < map->rank; k++)
    if (!add_bound(r, facts, tni_op2(r, TN_OP_eq, back[k], at[k]), out)) return false;
  return true;
}

static const tn_expr *guard_load(void *self, tni_region *r, const tn_expr *x) {
  if (x->op != TN_OP_load) return x;
  return tni_load(r, x->type, x->as.buffer, (size_t)tni_load_count(x), x->arg, tni_conj(r, tni_load_where(x), self));
}

/* The block along the new dimensions, in loops of its own. */
static const tn_stmt *make_writer(tni_region *r, const mover *m, const tn_stmt *block, const tn_expr *pad) {
  const tn_stmt *store = tni_block_store(block);
  const tn_expr *at[TN_MAX_RANK], *vars[TN_MAX_RANK], *values[TN_MAX_RANK];
  tni_iter iters[TN_MAX_RANK];
  origin from;
  tni_facts facts;
  int32_t rank = m->map->rank;
  bool ok = true;
  tni_facts_init(&facts, r->arena.ctx);
  for (int32_t k = 0; k < rank && ok; k++) {
    at[k] = tni_var(r, "p", TN_INDEX);
    iters[k] = (tni_iter){.var = at[k], .extent = m->made->shape[k], .binding = tni_var(r, "p", TN_INDEX)};
    ok = at[k] && tni_facts_bind(&facts, at[k], iters[k].extent);
  }
  ok = ok && find_origin(r, m, &facts, at, &from);
  tni_facts_destroy(&facts);
  for (int32_t d = 0; d < store->as.store.count; d++) {
    vars[d] = store->as.store.index[d];
    values[d] = from.element[d];
  }
  tni_subst subst = {(size_t)store->as.store.count, vars, values};
  const tn_expr *value = ok ? tni_expr_subst(r, store->as.store.value, &subst) : NULL;
  if (value && from.inside) {
    value = tni_expr_rewrite(r, value, guard_load, (void *)from.inside);
    value = value ? tni_op3(r, TN_OP_select, from.inside, value, pad) : NULL;
  }
  const tn_stmt *made = value ? tni_store(r, m->made, rank, at, value, NULL) : NULL;
  const tn_stmt *s = made ? tni_block(r, block->as.block.name, rank, iters, NULL, NULL, made) : NULL;
  if (s && block->as.block.notes.count) s = tni_annotated(r, s, block->as.block.notes);
  for (int32_t k = rank; k > 0; k--) s = tni_for(r, iters[k - 1].binding, iters[k - 1].extent, TNI_SERIAL, s);
  return s;
}

/* An iterator that tells no elements apart, but perhaps what is stored to them; -1: there is none. */
static int32_t other_iter(const tn_stmt *block) {
  const tn_stmt *store = tni_block_store(block);
  for (int32_t i = 0; i < block->as.block.count; i++) {
    bool found = false;
    for (int32_t d = 0; d < store->as.store.count; d++) found |= store->as.store.index[d] == block->as.block.iters[i].var;
    if (!found) return i;
  }
  return -1;
}

/* Can the block be one that writes padding? Otherwise a reason. *top: its outermost loop. */
static const char *why_no_writer(tn_schedule *s, const tn_stmt *block, const tn_buffer *old, const tn_stmt **top) {
  const char *why;
  if (!tni_block_store(block) || block->as.block.init) return "the block does more than store one element to one buffer";
  if (other_iter(block) >= 0) return "not each of its iterators is a subscript of what it stores";
  if (!(*top = tni_plain_nest(s, block, &why))) return why;
  if ((why = tni_why_not_reduction(s->ctx, block)) || (why = tni_why_not_whole(s, block))) return why;
  if (tni_uses_of(s->ctx, s->func->body, old).writers != 1) return "another block writes the buffer, too";
  return tni_stmt_holds(block, TNI_HOLDS_CALL) ? "the block calls an external" : NULL;
}

/* *pad: the constant that the text writes, of the buffer's type. */
static tn_status read_pad(tni_step *step, const tn_buffer *b, const tn_expr **pad) {
  const char *text = step->args[3].text, *why;
  bool negative = *text == '-';
  const char *digits = text + negative;
  if (!(*digits >= '0' && *digits <= '9') && strcmp(digits, "inf") != 0 && strcmp(digits, "nan") != 0)
    return tni_step_refuse(step, b, "`%s` is no number", text);
  *pad = tni_parse_const(&step->s->region, b->type, digits, strlen(digits), negative, &why);
  if (*pad) return TN_OK;
  return why ? tni_step_refuse(step, b, "`%s` is no number of the buffer's type: %s", text, why) : TN_E_NOMEM;
}

tn_status tni_apply_transform_layout(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *block = tni_arg_block(step, 0), *alloc = block ? tni_arg_made(step, block, 2) : NULL, *top = NULL;
  const tn_expr *pad = NULL;
  if (!alloc) return TN_E_REFUSED;
  const tn_buffer *old = alloc->as.alloc.buffer, *given = old;
  tni_stmt_visit_exprs(s->ctx, alloc->as.alloc.body, see_address, &given);
  if (!given)
    return tni_step_refuse(step, old, "the address of the buffer is taken, by who may know where its elements stand");
  if (!tni_is_row_major(old))
    return tni_step_refuse(step, old, "the buffer has strides or a layout\n"
                                      "needs: to be transformed before it is aligned");
  const tni_layout *map = tni_arg_map(step, 1, old, old->rank, old->shape);
  if (!map) return TN_E_REFUSED;
  if (step->args[3].given) {
    tn_status status = read_pad(step, old, &pad);
    if (status) return status;
    const char *why = why_no_writer(s, block, old, &top);
    if (why) return tni_step_refuse(step, block, "the block would write the padding, but %s", why);
  }
  tn_buffer form = *old;
  form.rank = map->rank;
  for (int32_t k = 0; k < map->rank; k++) form.shape[k] = map->shape[k];
  mover m = {old, tni_buffer_make(r, &form), map};
  const tn_stmt *writer = pad && m.made ? make_writer(r, &m, block, pad) : NULL;
  const tn_stmt *inside = m.made && (writer || !pad) ? alloc->as.alloc.body : NULL;
  if (inside && writer) inside = tni_replace(r, inside, top, writer);
  if (inside) inside = tni_stmt_rewrite(r, inside, move_load, move_store, &m);
  const tn_stmt *made = inside ? tni_alloc_stmt(r, m.made, inside) : NULL;
  return tni_step_accept(step, tni_replace(r, s->func->body, alloc, made));
}

tn_status tn_transform_layout(tn_schedule *s, tn_block_ref block, const char *map, int32_t store, tn_error **err) {
  return tn_transform_layout_padded(s, block, map, NULL, store, err);
}

tn_status tn_transform_layout_padded(tn_schedule *s, tn_block_ref block, const char *map, const char *pad, int32_t store,
                                     tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(map), tni_of_int(store), tni_of_text(pad)};
  return tni_perform(s, TNI_PRIMITIVE_transform_layout, 4, args, 0, NULL, NULL, err);
}
