/* area.c -- sets of elements as unions of boxes: what several accesses cover together, and what is left.
 *
 *     [i*8 +4] | [i*8 + 4 +2]      [i*8 +6]                 boxes that make one are joined
 *     [0 +8] - [2 +3]              [0 +2] | [5 +3]
 *     [i +4] - [0 +8]              nothing, for an i in 0..4; for others [i +4], around what is left
 *
 * Where a box stands is an expression, so that how two boxes meet may not be known: an area is kept from one side. One around
 * a set holds all of it and may hold more, one within holds nothing else and may lack some; `exact` says that it does neither.
 * Both are sound: a read is covered when nothing is left of the area around it after cutting what an area within the writes
 * has, and surely is not when something is left of one within.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "arith.h"

/* ---- two boxes in one dimension ---- */

/* from..to, counted from the base of a box; nothing where to <= from. The whole dimension is 0..WHOLE. */
typedef struct span {
  int64_t from, to;
} span;
#define WHOLE TNI_INF

static bool is_nothing(span s) { return s.to <= s.from; }

static span clipped(int64_t from, int64_t to, int64_t end) { return (span){from > 0 ? from : 0, to < end ? to : end}; }

/* The part of a that b has, wherever it may stand: surely, and possibly. */
typedef struct overlap {
  span sure, maybe;
} overlap;

static overlap overlap_of(tni_region *r, const tni_facts *facts, const tni_box *a, const tni_box *b, int32_t d) {
  int64_t lo, hi, end = a->extents[d] ? a->extents[d] : WHOLE, n = b->extents[d];
  if (!n) return (overlap){{0, end}, {0, end}};
  if (end == WHOLE || !tni_apart(r, facts, a->bases[d], b->bases[d], &lo, &hi)) return (overlap){{0, 0}, {0, end}};
  return (overlap){clipped(hi, lo + n, end), clipped(lo, hi + n, end)};
}

/* The same of all dimensions. Gives whether the part of a that b has is known exactly. */
static bool overlaps_of(tni_region *r, const tni_facts *facts, int32_t rank, const tni_box *a, const tni_box *b,
                        overlap *out, bool *disjoint) {
  bool exact = true;
  *disjoint = false;
  for (int32_t d = 0; d < rank; d++) {
    out[d] = overlap_of(r, facts, a, b, d);
    *disjoint |= is_nothing(out[d].maybe);
    exact &= out[d].sure.from == out[d].maybe.from && out[d].sure.to == out[d].maybe.to;
  }
  return exact || *disjoint;
}

/* Makes the box smaller in a dimension. False: no memory. */
static bool narrow(tni_region *r, const tni_facts *facts, tni_box *box, int32_t d, span s) {
  if (s.to == WHOLE || (s.from == 0 && s.to == box->extents[d])) return true;
  box->bases[d] = tni_simplify(r, facts, tni_add(r, box->bases[d], tni_index(r, s.from)));
  box->extents[d] = s.to - s.from;
  return box->bases[d] != NULL;
}

/* ---- union ---- */

tni_area tni_area_of(enum tni_side side, int32_t rank) {
  return (tni_area){.rank = rank, .side = side, .exact = true};
}

/* Is the union of the boxes a box, as they are equal in all dimensions but one, and touch there? Then a becomes it. */
static bool join(tni_region *r, const tni_facts *facts, int32_t rank, tni_box *a, const tni_box *b) {
  int32_t other = -1;
  int64_t shift = 0;
  for (int32_t d = 0; d < rank; d++) {
    int64_t lo, hi;
    if (!a->extents[d] && !b->extents[d]) continue;
    if (!a->extents[d] || !b->extents[d] || !tni_apart(r, facts, a->bases[d], b->bases[d], &lo, &hi) || lo != hi)
      return false;
    if (lo == 0 && a->extents[d] == b->extents[d]) continue;
    if (other >= 0 || lo > a->extents[d] || lo + b->extents[d] < 0) return false;
    other = d;
    shift = lo;
  }
  if (other < 0) return true;
  int64_t end = shift + b->extents[other] > a->extents[other] ? shift + b->extents[other] : a->extents[other];
  if (shift < 0) a->bases[other] = b->bases[other];
  a->extents[other] = end - (shift < 0 ? shift : 0);
  return true;
}

/* Adds a box that is no less precise than the area's side asks. */
static bool put(tni_region *r, const tni_facts *facts, tni_area *area, const tni_box *box) {
  tni_box made = *box;
  for (int32_t i = 0; i < area->count; i++) {
    if (tni_box_holds(r, facts, area->rank, &area->boxes[i], &made)) return true;
    if (!tni_box_holds(r, facts, area->rank, &made, &area->boxes[i]) &&
        !join(r, facts, area->rank, &made, &area->boxes[i]))
      continue;
    area->boxes[i] = area->boxes[--area->count]; /* it is in the new one, which may join others now */
    i = -1;
  }
  if (area->count < TNI_AREA_BOXES) {
    area->boxes[area->count++] = made;
    return true;
  }
  area->exact = false;
  return area->side == TNI_WITHIN || tni_box_grow(r, facts, area->rank, &area->boxes[area->count - 1], &made);
}

bool tni_area_add(tni_region *r, const tni_facts *facts, tni_area *area, const tni_box *box) {
  area->exact &= box->exact;
  return (area->side == TNI_WITHIN && !box->exact) || put(r, facts, area, box);
}

/* ---- intersection, difference ---- */

bool tni_area_meet(tni_region *r, const tni_facts *facts, tni_area *area, const tni_box *box) {
  tni_area met = tni_area_of(area->side, area->rank);
  bool ok = true;
  met.exact = area->exact;
  for (int32_t i = 0; i < area->count && ok; i++) {
    overlap parts[TN_MAX_RANK];
    tni_box made = area->boxes[i];
    bool disjoint, known = false;
    for (int32_t d = 0; d < area->rank; d++)
      if (!made.extents[d]) { /* all of it: the box has the part */
        made.bases[d] = box->bases[d];
        made.extents[d] = box->extents[d];
      }
    known = overlaps_of(r, facts, area->rank, &made, box, parts, &disjoint) && (box->exact || disjoint);
    met.exact &= known;
    bool some = !disjoint && (area->side == TNI_AROUND || box->exact);
    for (int32_t d = 0; d < area->rank && ok && some; d++) {
      span part = area->side == TNI_AROUND ? parts[d].maybe : parts[d].sure;
      some = !is_nothing(part);
      ok = !some || narrow(r, facts, &made, d, part);
    }
    ok = ok && (!some || put(r, facts, &met, &made));
  }
  *area = met;
  return ok;
}

/* Puts what is left of `from` without the part: before and behind it in each dimension, of what is in it in those before. */
static bool put_rest(tni_region *r, const tni_facts *facts, tni_area *out, const tni_box *from, const span *part) {
  tni_box middle = *from;
  bool ok = true;
  for (int32_t d = 0; d < out->rank && ok; d++) {
    int64_t end = from->extents[d] ? from->extents[d] : WHOLE;
    span sides[] = {{0, part[d].from}, {part[d].to, end}};
    for (int k = 0; k < 2 && ok; k++) {
      tni_box side = middle;
      if (!is_nothing(sides[k])) ok = narrow(r, facts, &side, d, sides[k]) && put(r, facts, out, &side);
    }
    ok = ok && narrow(r, facts, &middle, d, part[d]);
  }
  return ok;
}

bool tni_area_cut(tni_region *r, const tni_facts *facts, tni_area *area, const tni_box *box) {
  tni_area left = tni_area_of(area->side, area->rank);
  bool ok = true;
  left.exact = area->exact;
  for (int32_t i = 0; i < area->count && ok; i++) {
    overlap parts[TN_MAX_RANK];
    span part[TN_MAX_RANK];
    bool disjoint, known = overlaps_of(r, facts, area->rank, &area->boxes[i], box, parts, &disjoint);
    bool keep = disjoint || (area->side == TNI_AROUND && !box->exact);
    for (int32_t d = 0; d < area->rank; d++) {
      part[d] = area->side == TNI_AROUND ? parts[d].sure : parts[d].maybe;
      keep |= is_nothing(part[d]);
    }
    left.exact &= disjoint || (known && box->exact);
    ok = keep ? put(r, facts, &left, &area->boxes[i]) : put_rest(r, facts, &left, &area->boxes[i], part);
  }
  *area = left;
  return ok;
}

bool tni_area_covers(tni_region *r, const tni_facts *facts, const tni_area *have, const tni_area *want) {
  tni_area left = *want;
  assert(have->side == TNI_WITHIN && want->side == TNI_AROUND);
  bool ok = true;
  for (int32_t i = 0; i < have->count && ok; i++) ok = tni_area_cut(r, facts, &left, &have->boxes[i]);
  return ok && left.count == 0;
}
