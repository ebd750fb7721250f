/* maps.c -- maps of subscripts, or of iterators, that a line gives as text: "(i, j) -> (j // 4, i, j % 4)".
 *
 * What a map makes of 0..extent is rounded up where a division does not come out even, as a buffer's layout does
 * (ir/buffer.c): then there are more places than points.
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

bool tni_map_apply(tni_region *r, const tni_layout *l, int32_t rank, const tn_expr *const *index, const tn_expr **out) {
  tni_facts none = {.ctx = r->arena.ctx};
  tni_subst subst = {(size_t)rank, l->vars, index};
  for (int32_t k = 0; k < l->rank; k++) {
    const tn_expr *x = tni_expr_subst(r, l->index[k], &subst);
    if (!x || !(out[k] = tni_simplify(r, &none, x))) return false;
  }
  return true;
}
