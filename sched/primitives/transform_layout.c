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
 * needs: a buffer that the block stores to, made in the function, row-major; a map that sends
 *        different elements to different places
 * refuses: a buffer whose address is taken: who has it knows where the elements stand
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

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

tn_status tni_apply_transform_layout(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *block = tni_arg_block(step, 0), *alloc = block ? tni_arg_made(step, block, 2) : NULL;
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
  tn_buffer form = *old;
  form.rank = map->rank;
  for (int32_t k = 0; k < map->rank; k++) form.shape[k] = map->shape[k];
  mover m = {old, tni_buffer_make(r, &form), map};
  const tn_stmt *inside = m.made ? tni_stmt_rewrite(r, alloc->as.alloc.body, move_load, move_store, &m) : NULL;
  const tn_stmt *made = inside ? tni_alloc_stmt(r, m.made, inside) : NULL;
  return tni_step_accept(step, tni_replace(r, s->func->body, alloc, made));
}

tn_status tn_transform_layout(tn_schedule *s, tn_block_ref block, const char *map, int32_t store, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(map), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_transform_layout, 3, args, 0, NULL, NULL, err);
}
