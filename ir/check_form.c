/* check_form.c -- the form of a buffer: strides, offset, alignment, layout.
 *
 * A layout must send different elements to different places. That is asked of itermap.c, for ranges that are at least as
 * large as the buffer's and that all divisions divide evenly, since what is told apart there is told apart on every part.
 * The strides of a parameter come with the tensor: whether they put two elements in one place is asked at the call, and
 * here when they are constants.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text.h"

/* A symbolic extent stands for all extents up to this. */
#define FAR (INT64_C(1) << 36)
enum { MAX_UNIT = 1 << 30 };

/* The product of all divisors; 0: too large. */
static int64_t unit_of(const tn_expr *x, int64_t unit) {
  if (unit == 0 || x->nargs < 2) return unit;
  if (x->op == TN_OP_floordiv || x->op == TN_OP_floormod)
    unit = x->arg[1]->as.i <= MAX_UNIT / unit ? unit * x->arg[1]->as.i : 0;
  return unit_of(x->arg[1], unit_of(x->arg[0], unit));
}

bool tni_layout_ranges(const tn_buffer *b, int64_t *extents, bool *injective) {
  int64_t unit = 1;
  for (int32_t k = 0; k < b->layout->rank; k++) unit = unit_of(b->layout->index[k], unit);
  *injective = false;
  for (int32_t d = 0; d < b->rank && unit; d++) {
    int64_t extent = tni_is_const(b->shape[d]) ? b->shape[d]->as.i : FAR;
    *injective |= extent == 0; /* nothing is told apart from itself */
    extents[d] = extent == 1 ? 1 : (extent + unit - 1) / unit * unit;
  }
  return unit && !*injective;
}

static const char *check_injective(tn_context *ctx, const tn_buffer *b, bool *nomem) {
  const tni_layout *l = b->layout;
  int64_t extents[TN_MAX_RANK];
  bool injective;
  if (tni_layout_ranges(b, extents, &injective)) {
    tni_region scratch;
    tni_facts none = {.ctx = ctx};
    tni_itermap map;
    tni_region_init(&scratch, ctx, NULL);
    *nomem = !tni_itermap_of(&scratch, &none, (size_t)l->rank, l->index, (size_t)b->rank, l->vars, extents, &map) ||
             scratch.arena.failed;
    injective = *nomem || (map.box && map.injective);
    tni_region_destroy(&scratch);
  }
  return injective ? NULL : "the layout may put two elements in one place";
}

const char *tni_check_form(tn_context *ctx, const tn_buffer *b, bool is_param, bool *nomem) {
  const char *why = tni_check_align(b->type, b->align);
  bool constant = true;
  *nomem = false;
  if (!why && b->layout) why = tni_check_layout(b->layout, b->rank);
  if (!why && b->layout) why = check_injective(ctx, b, nomem);
  for (int32_t k = 0; !why && b->strides && k < tni_memory_rank(b); k++) {
    why = tni_check_stride(b->strides[k]);
    constant &= tni_is_const(b->strides[k]) && tni_is_const(tni_memory_shape(b)[k]);
  }
  if (!why && b->offset) why = is_param ? tni_check_offset(b->offset) : "an offset belongs to a parameter";
  if (why || is_param || !b->strides) return why;
  if (!constant) return "the strides and extents of an alloc with strides are constants";
  return tni_buffer_overlaps_itself(b) ? "the strides put two elements in one place" : NULL;
}
