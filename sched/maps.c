/* maps.c -- maps of subscripts, or of iterators, that a line gives as text: "(i, j) -> (j // 4, i, j % 4)".
 *
 * What a map makes of 0..extent is rounded up where a division does not come out even, as a buffer's layout does
 * (ir/buffer.c): then there are more places than points, and only those have a way back to a point that one is sent to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"
#include "text.h"

const tni_layout *tni_arg_places(tni_step *step, int arg, const void *mark, int32_t rank, const tn_expr *const *shape) {
  tn_schedule *s = step->s;
  const tni_layout *map = NULL;
  tn_error *error = NULL;
  tn_status status = tni_parse_layout(s->program, &s->region, step->args[arg].text, rank, shape, &map, &error);
  if (status) tni_step_refuse(step, mark, "%s", tn_error_text(error));
  tn_error_destroy(error);
  return status ? NULL : map;
}

bool tni_map_tells_apart(tn_schedule *s, const tni_layout *map, int32_t rank, const tn_expr *const *shape) {
  tn_buffer form = {.name = "", .type = TN_F32, .rank = rank, .layout = map};
  bool nomem = false;
  for (int32_t d = 0; d < rank; d++) form.shape[d] = shape[d];
  const char *why = tni_check_form(s->ctx, &form, false, &nomem);
  s->region.arena.failed |= nomem;
  return !why && !nomem;
}

const tni_layout *tni_arg_map(tni_step *step, int arg, const void *mark, int32_t rank, const tn_expr *const *shape) {
  const tni_layout *map = tni_arg_places(step, arg, mark, rank, shape);
  if (!map || tni_map_tells_apart(step->s, map, rank, shape)) return map;
  return tni_step_refuse(step, mark, "the map may send two of them to one place"), NULL;
}

/* ---- the way back ---- */

/* A symbolic extent stands for all extents up to this. */
#define FAR (INT64_C(1) << 36)
enum { MAX_UNIT = 1 << 30 };

/* Variables of a map, and all subscripts in which they stand: none of them has another variable. */
typedef struct group {
  size_t count, dims;
  int32_t number[TN_MAX_RANK]; /* of the variable */
  const tn_expr *vars[TN_MAX_RANK], *index[TN_MAX_RANK], *at[TN_MAX_RANK];
  int64_t extents[TN_MAX_RANK];
} group;

/* A multiple of all divisors. */
static int64_t unit_of(const tn_expr *x, int64_t unit) {
  for (int i = 0; i < x->nargs; i++) unit = unit_of(x->arg[i], unit);
  if (x->op != TN_OP_floordiv && x->op != TN_OP_floormod) return unit;
  return x->arg[1]->as.i <= MAX_UNIT / unit ? unit * x->arg[1]->as.i : unit;
}

/* Takes the subscripts of a variable, and the variables of these, and so on. */
static void grow(tn_context *ctx, const tni_layout *l, int32_t rank, bool *vars, bool *dims) {
  for (bool more = true; more;) {
    more = false;
    for (int32_t k = 0; k < l->rank; k++)
      for (int32_t d = 0; d < rank; d++) {
        if (vars[d] == dims[k] || !tni_expr_uses(ctx, l->index[k], l->vars[d])) continue;
        vars[d] = dims[k] = more = true;
      }
  }
}

/* Inverts what hangs together with variable `first`; what cannot be told stays NULL. False: no memory. */
static bool invert_group(tni_region *r, const tni_facts *facts, const tni_layout *l, int32_t rank, int32_t first,
                         const tn_expr *const *shape, const tn_expr *const *at, bool *done, const tn_expr **inverse) {
  const tn_expr *back[TN_MAX_RANK];
  bool vars[TN_MAX_RANK] = {false}, dims[TN_MAX_RANK] = {false};
  int64_t unit = 1;
  tni_itermap map;
  group g = {0};
  vars[first] = true;
  grow(r->arena.ctx, l, rank, vars, dims);
  for (int32_t k = 0; k < l->rank; k++) {
    if (!dims[k]) continue;
    unit = unit_of(l->index[k], unit);
    g.index[g.dims] = l->index[k];
    g.at[g.dims++] = at[k];
  }
  for (int32_t d = 0; d < rank; d++) {
    if (!vars[d]) continue;
    int64_t extent = !tni_is_const(shape[d]) ? FAR : shape[d]->as.i < 1 ? 1 : shape[d]->as.i;
    done[d] = true;
    g.number[g.count] = d;
    g.vars[g.count] = l->vars[d];
    g.extents[g.count++] = extent == 1 ? 1 : (extent + unit - 1) / unit * unit;
  }
  if (!tni_itermap_invert(r, facts, g.dims, g.index, g.count, g.vars, g.extents, NULL, g.at, back, &map)) return false;
  for (size_t i = 0; i < g.count; i++)
    if (back[i] && !(inverse[g.number[i]] = tni_simplify(r, facts, back[i]))) return false;
  return true;
}

bool tni_map_inverse(tni_region *r, const tni_layout *l, int32_t rank, const tn_expr *const *shape,
                     const tn_expr *const *at, const tn_expr **inverse) {
  bool done[TN_MAX_RANK] = {false}, ok = true;
  tni_facts facts;
  tni_facts_init(&facts, r->arena.ctx);
  for (int32_t k = 0; k < l->rank && ok; k++) ok = at[k] && tni_facts_bind(&facts, at[k], l->shape[k]);
  for (int32_t d = 0; d < rank; d++) inverse[d] = NULL;
  for (int32_t d = 0; d < rank && ok; d++)
    ok = done[d] || invert_group(r, &facts, l, rank, d, shape, at, done, inverse);
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
