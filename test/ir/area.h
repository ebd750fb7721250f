/* area.h -- cases of areas: boxes with operators between, computed by the library and held against every element.
 *
 *     around     o: 0..3      ; [o * 4 +4] | [o * 4 + 4 +2] - [o * 4 + 1 +1]     ; exact [o * 4 +1] | [o * 4 + 2 +4]
 *     covers     o: 0..3      ; [0 +4] | [4 +4] < [o + 1 +4]                     ; covered
 *
 * From left to right: | adds, & keeps what is in both, - takes away; a `~` before a box says that it is not exact. What `within`
 * asks is computed from that side, `around` from the other; `covers` has what is written before the `<`, and what is read
 * behind it. `*` is a whole dimension. An element is in the exact set if the operators say so, where a box that is not exact
 * is all, or nothing, whichever is worse for the claim.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_AREA_H
#define TEST_AREA_H

enum { MAX_STEPS = 20, PLACE_LOW = -10, PLACES = 40 };

typedef struct area_step {
  char op;
  int32_t rank;
  int first[4]; /* which input is the base */
  tni_box box;
} area_step;

typedef struct areas {
  int count;
  area_step steps[MAX_STEPS];
} areas;

static area_step *areas_step(areas *a, char op) {
  if (a->count == MAX_STEPS) return NULL;
  area_step *s = &a->steps[a->count++];
  *s = (area_step){.op = op};
  return s;
}

static void areas_bind(areas *a, const tn_expr *const *inputs) {
  for (int i = 0; i < a->count; i++)
    for (int32_t d = 0; d < a->steps[i].rank; d++) a->steps[i].box.bases[d] = inputs[a->steps[i].first[d]];
}

/* The steps up to a `<`, or those from it on: the first adds. Gives the next one. */
static int compute_from(const areas *a, int i, tni_region *r, const tni_facts *facts, tni_area *area) {
  for (bool first = true; i < a->count && (first || a->steps[i].op != '<'); i++, first = false) {
    const area_step *s = &a->steps[i];
    bool ok = s->op == '&'   ? tni_area_meet(r, facts, area, &s->box)
              : s->op == '-' ? tni_area_cut(r, facts, area, &s->box)
                             : tni_area_add(r, facts, area, &s->box);
    if (!ok) abort();
  }
  return i;
}

static void areas_compute(const areas *a, tni_region *r, const tni_facts *facts, enum tni_side side, tni_area *out) {
  *out = tni_area_of(side, a->steps[0].rank);
  compute_from(a, 0, r, facts, out);
}

static bool areas_covers(const areas *a, tni_region *r, const tni_facts *facts) {
  tni_area have = tni_area_of(TNI_WITHIN, a->steps[0].rank), want = tni_area_of(TNI_AROUND, a->steps[0].rank);
  compute_from(a, compute_from(a, 0, r, facts, &have), r, facts, &want);
  return tni_area_covers(r, facts, &have, &want);
}

/* ---- element by element ---- */

static bool box_has(domain *points, size_t p, int32_t rank, const tni_box *box, const int64_t *place) {
  for (int32_t d = 0; d < rank; d++) {
    if (!box->extents[d]) continue;
    int64_t base = domain_values(points, box->bases[d])[p];
    if (place[d] < base || place[d] >= base + box->extents[d]) return false;
  }
  return true;
}

static bool set_has(const areas *a, int first, domain *points, size_t p, enum tni_side side, const int64_t *place) {
  bool has = false;
  for (int i = first; i < a->count && (i == first || a->steps[i].op != '<'); i++) {
    const area_step *s = &a->steps[i];
    bool cuts = s->op == '-';
    bool in = (s->box.exact || (side == TNI_AROUND) != cuts) && box_has(points, p, s->rank, &s->box, place);
    has = cuts ? has && !in : s->op == '&' ? has && in : has || in;
  }
  return has;
}

static bool area_has(domain *points, size_t p, const tni_area *area, const int64_t *place) {
  for (int32_t i = 0; i < area->count; i++)
    if (box_has(points, p, area->rank, &area->boxes[i], place)) return true;
  return false;
}

static bool next_place(int32_t rank, int64_t *place) {
  for (int32_t d = rank - 1; d >= 0; d--) {
    if (++place[d] < PLACE_LOW + PLACES) return true;
    place[d] = PLACE_LOW;
  }
  return false;
}

/* The first point where the area is not what it says, or TNI_MAP_NONE. */
static size_t areas_refuted(const areas *a, domain *points, const tni_area *area) {
  for (size_t p = 0; p < points->points; p++) {
    int64_t place[] = {PLACE_LOW, PLACE_LOW, PLACE_LOW, PLACE_LOW};
    if (!domain_has(points, p)) continue;
    do {
      bool real = set_has(a, 0, points, p, area->side, place), said = area_has(points, p, area, place);
      if (real != said && (area->exact || said != (area->side == TNI_AROUND))) return p;
    } while (next_place(area->rank, place));
  }
  return TNI_MAP_NONE;
}

/* The first point where something is read that is not written. */
static size_t areas_uncovered(const areas *a, domain *points) {
  int second = 0;
  while (a->steps[second].op != '<') second++;
  for (size_t p = 0; p < points->points; p++) {
    int64_t place[] = {PLACE_LOW, PLACE_LOW, PLACE_LOW, PLACE_LOW};
    if (!domain_has(points, p)) continue;
    do {
      if (set_has(a, second, points, p, TNI_AROUND, place) && !set_has(a, 0, points, p, TNI_WITHIN, place)) return p;
    } while (next_place(a->steps[0].rank, place));
  }
  return TNI_MAP_NONE;
}

#endif
