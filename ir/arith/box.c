/* box.c -- boxes of elements, symbolic: in each dimension base .. base + extent, the base over the variables around. The box
 * around two of them (area.c keeps them apart):
 *
 *     [i*8 +4] and [i*8 + 2 +4]      [i*8 +6]
 *     [i +4] and [n +4]              the whole dimension, but for i and n that lie a bounded way apart
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

#define WIDEST (INT64_C(1) << 40)

tni_box tni_box_of(int32_t rank, const tni_itermap *map) {
  tni_box box = {.exact = map->box && map->dense};
  for (int32_t d = 0; d < rank; d++) {
    bool known = map->bases[d] && map->extents[d] > 0;
    box.bases[d] = known ? map->bases[d] : NULL;
    box.extents[d] = known ? map->extents[d] : 0;
    box.exact &= known;
  }
  return box;
}

bool tni_apart(tni_region *r, const tni_facts *facts, const tn_expr *a, const tn_expr *b, int64_t *lo, int64_t *hi) {
  const tn_expr *d = tni_simplify(r, facts, tni_sub(r, b, a));
  if (!d) return false;
  tni_bounds(facts, d, lo, hi);
  return *lo > -WIDEST && *hi < WIDEST;
}

bool tni_box_holds(tni_region *r, const tni_facts *facts, int32_t rank, const tni_box *outer, const tni_box *inner) {
  for (int32_t d = 0; d < rank; d++) {
    int64_t lo, hi;
    if (!outer->extents[d]) continue;
    if (!inner->extents[d] || !tni_apart(r, facts, outer->bases[d], inner->bases[d], &lo, &hi) ||
        lo < 0 || hi + inner->extents[d] > outer->extents[d])
      return false;
  }
  return true;
}

bool tni_box_grow(tni_region *r, const tni_facts *facts, int32_t rank, tni_box *box, const tni_box *more) {
  bool held = tni_box_holds(r, facts, rank, box, more), holds = !held && tni_box_holds(r, facts, rank, more, box);
  if (held) return true;
  if (holds) {
    *box = *more;
    return true;
  }
  box->exact = false;
  for (int32_t d = 0; d < rank; d++) {
    int64_t lo, hi;
    if (!box->extents[d] || !more->extents[d] || !tni_apart(r, facts, box->bases[d], more->bases[d], &lo, &hi)) {
      box->extents[d] = 0;
      continue;
    }
    int64_t low = lo < 0 ? lo : 0, high = hi + more->extents[d];
    box->extents[d] = (high > box->extents[d] ? high : box->extents[d]) - low;
    box->bases[d] = tni_simplify(r, facts, tni_add(r, box->bases[d], tni_index(r, low)));
    if (!box->bases[d]) return false;
  }
  return true;
}
