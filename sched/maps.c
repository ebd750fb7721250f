/* maps.c -- maps of subscripts, or of iterators, that a line gives as text: "(i, j) -> (j // 4, i, j % 4)".
 *
 * What a map makes of 0..extent is rounded up where a division does not come out even, as a buffer's layout does (ir/buffer.c):
 * then there are more places than points, and only those have a way back to a point that one is sent to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"
#include "text.h"

const tni_layout *tni_arg_map(tni_step *step, int arg, const void *mark, int32_t rank, const tn_expr *const *shape) {
  tn_schedule *s = step->s;
  tn_buffer form = {.name = "", .type = TN_F32, .rank = rank};
  tn_error *error = NULL;
  bool nomem = false;
  tn_status status = tni_parse_layout(s->program, &s->region, step->args[arg].text, rank, shape, &form.layout, &error);
  if (status) tni_step_refuse(step, mark, "%s", tn_error_text(error));
  tn_error_destroy(error);
  for (int32_t d = 0; d < rank; d++) form.shape[d] = shape[d];
  const char *why = status ? NULL : tni_check_form(s->ctx, &form, false, &nomem);
  s->region.arena.failed |= nomem;
  if (why) return tni_step_refuse(step, mark, "the map may send two of them to one place"), NULL;
  return form.layout;
}

/* A multiple of all divisors. */
static int64_t unit_of(const tn_expr *x, int64_t unit) {
  for (int i = 0; i < x->nargs; i++) unit = unit_of(x->arg[i], unit);
  if (x->op != TN_OP_floordiv && x->op != TN_OP_floormod) return unit;
  return x->arg[1]->as.i <= (INT64_C(1) << 30) / unit ? unit * x->arg[1]->as.i : unit;
}

bool tni_map_inverse(tni_region *r, const tni_layout *l, int32_t rank, const tn_expr *const *shape, const tn_expr *const *at,
                     const tn_expr **inverse) {
  int64_t extents[TN_MAX_RANK], unit = 1;
  tni_facts facts;
  tni_itermap map;
  for (int32_t k = 0; k < l->rank; k++) unit = unit_of(l->index[k], unit);
  for (int32_t d = 0; d < rank; d++) {
    if (!tni_is_const(shape[d]) || shape[d]->as.i < 1) return false;
    extents[d] = shape[d]->as.i == 1 ? 1 : (shape[d]->as.i + unit - 1) / unit * unit;
  }
  tni_facts_init(&facts, r->arena.ctx);
  bool ok = true;
  for (int32_t k = 0; k < l->rank && ok; k++) ok = tni_facts_bind(&facts, at[k], l->shape[k]);
  ok = ok && tni_itermap_invert(r, &facts, (size_t)l->rank, l->index, (size_t)rank, l->vars, extents, NULL, at, inverse, &map);
  for (int32_t d = 0; d < rank && ok; d++) ok = inverse[d] && (inverse[d] = tni_simplify(r, &facts, inverse[d]));
  tni_facts_destroy(&facts);
  return ok;
}

bool tni_map_apply(tni_region *r, const tni_layout *l, int32_t rank, const tn_expr *const *index, const tn_expr **out) {
  tni_facts none = {.ctx = r->arena.ctx};
  tni_subst subst = {(size_t)rank, l->vars, index};
  for (int32_t k = 0; k < l->rank; k++) {
    const tn_expr *x = tni_expr_subst(r, l->index[k], &subst);
    if (!x || !(out[k] = tni_simplify(r, &none, x))) return false;
  }
  return true;
}
