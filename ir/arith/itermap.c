/* itermap.c -- what loops do to a tuple of subscripts: the box they cover, whether they cover it all, whether any point
 * is met twice.
 *
 * Each subscript is base + sum of coefficient * digit, where a digit is a loop variable or a part of one that splitting
 * and fusing make: (v // a) % m. The digits of one variable are a ladder when a_0 = 1, a_(i+1) = a_i * m_i and the
 * last reaches the extent: then they vary independently, and together say v. A subscript whose digits have coefficients
 * in mixed radix (each at most, or at least, what the smaller ones span) is dense, or injective.
 *
 * Anything else gives an interval by bounds.c, and neither dense nor injective.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { MAX_DIGITS = 48, MAX_TERMS_OF_ONE = 24, MAX_DIVISOR = 1 << 30 };

typedef struct digit {
  size_t var;
  int64_t divisor, modulus; /* modulus 0: none */
  int64_t coef, extent;
  size_t dim;
} digit;

typedef struct digits {
  size_t count;
  digit items[MAX_DIGITS];
} digits;

static bool is_divided(const tn_expr *x, uint16_t op) {
  return x->op == op && tni_is_const(x->arg[1]) && x->arg[1]->as.i > 1 && x->arg[1]->as.i <= MAX_DIVISOR;
}

/* (v // a) % m with either part missing. */
static bool parse_digit(const tn_expr *x, size_t loops, const tn_expr *const *vars, digit *out) {
  out->divisor = 1;
  out->modulus = 0;
  if (is_divided(x, TN_OP_floormod)) {
    out->modulus = x->arg[1]->as.i;
    x = x->arg[0];
  }
  if (is_divided(x, TN_OP_floordiv)) {
    out->divisor = x->arg[1]->as.i;
    x = x->arg[0];
  }
  for (out->var = 0; out->var < loops; out->var++)
    if (vars[out->var] == x) return true;
  return false;
}

static int64_t digit_extent(const digit *d, int64_t extent) {
  int64_t whole = (extent + d->divisor - 1) / d->divisor;
  return d->modulus && d->modulus < whole ? d->modulus : whole;
}

/* The digit of variable v with this divisor, if there is exactly one. */
static const digit *find_digit(const digits *all, size_t v, int64_t divisor) {
  const digit *found = NULL;
  for (size_t i = 0; i < all->count; i++)
    if (all->items[i].var == v && all->items[i].divisor == divisor) {
      if (found) return NULL;
      found = &all->items[i];
    }
  return found;
}

/* Are the digits of variable v a ladder, with nothing beside it? */
static bool is_ladder(const digits *all, size_t v, int64_t extent) {
  int64_t reached = 1;
  size_t own = 0, steps = 0;
  const digit *next;
  for (size_t i = 0; i < all->count; i++) own += all->items[i].var == v;
  while ((next = find_digit(all, v, reached))) {
    steps++;
    if (!next->modulus || next->divisor * next->modulus >= extent) return steps == own && extent % next->divisor == 0;
    reached *= next->modulus;
  }
  return false;
}

static bool uses_var(const digits *all, size_t v) {
  for (size_t i = 0; i < all->count; i++)
    if (all->items[i].var == v) return true;
  return false;
}

static void sort_by_coef(digit *items, size_t count) {
  for (size_t i = 1; i < count; i++)
    for (size_t k = i; k > 0 && items[k].coef < items[k - 1].coef; k--) {
      digit t = items[k];
      items[k] = items[k - 1];
      items[k - 1] = t;
    }
}

/* The digits of one subscript, in mixed radix. */
static void check_radix(const digits *all, size_t dim, tni_itermap *out) {
  digit own[MAX_DIGITS];
  size_t count = 0;
  for (size_t i = 0; i < all->count; i++)
    if (all->items[i].dim == dim && all->items[i].extent > 1) {
      own[count] = all->items[i];
      own[count].coef = own[count].coef < 0 ? -own[count].coef : own[count].coef;
      count++;
    }
  sort_by_coef(own, count);
  int64_t span = 1; /* of the smaller digits */
  for (size_t i = 0; i < count; i++) {
    out->dense &= own[i].coef <= span;
    out->injective &= own[i].coef >= span;
    span += own[i].coef * (own[i].extent - 1);
  }
}

/* The interval of one subscript, and its digits; digits that do not parse clear dense and injective. */
static bool measure(tni_region *r, tni_facts *facts, const tn_expr *x, size_t dim, size_t loops,
                    const tn_expr *const *vars, const int64_t *extents, digits *all, tni_itermap *out) {
  tni_term terms[MAX_TERMS_OF_ONE];
  size_t count;
  const tn_expr *base;
  int64_t low = 0, high = 0;
  if (!tni_separate(r, facts, x, loops, vars, &base, &count, terms, MAX_TERMS_OF_ONE)) {
    out->box = out->dense = out->injective = false;
    return !r->arena.failed;
  }
  for (size_t i = 0; i < count; i++) {
    int64_t lo, hi;
    digit d = {.coef = terms[i].coef, .dim = dim};
    if (all->count < MAX_DIGITS && parse_digit(terms[i].x, loops, vars, &d)) {
      d.extent = digit_extent(&d, extents[d.var]);
      all->items[all->count++] = d;
      lo = 0;
      hi = d.extent - 1;
    } else {
      out->dense = out->injective = false;
      tni_bounds(facts, terms[i].x, &lo, &hi);
    }
    if (lo <= -(INT64_C(1) << 40) || hi >= INT64_C(1) << 40 || d.coef > INT64_C(1) << 20 ||
        d.coef < -(INT64_C(1) << 20)) {
      out->box = out->dense = out->injective = false;
      return true;
    }
    low += d.coef * (d.coef > 0 ? lo : hi);
    high += d.coef * (d.coef > 0 ? hi : lo);
  }
  out->bases[dim] = tni_simplify(r, facts, tni_add(r, base, tni_index(r, low)));
  out->extents[dim] = high - low + 1;
  return out->bases[dim] != NULL;
}

bool tni_itermap_of(tni_region *r, const tni_facts *facts, size_t dims, const tn_expr *const *index, size_t loops,
                    const tn_expr *const *vars, const int64_t *extents, tni_itermap *out) {
  digits all = {0};
  tni_facts inside = {.ctx = r->arena.ctx};
  *out = (tni_itermap){.box = true, .dense = true, .injective = true};
  bool ok = true;
  for (size_t i = 0; ok && i < facts->count; i++)
    ok = tni_facts_push(&inside, facts->ranges[i].x, facts->ranges[i].lo, facts->ranges[i].hi);
  for (size_t i = 0; ok && i < loops; i++) ok = tni_facts_push(&inside, vars[i], 0, extents[i] - 1);
  for (size_t i = 0; i < loops; i++)
    if (extents[i] <= 0) { /* nothing runs: there is no box to speak of */
      *out = (tni_itermap){0};
      tni_facts_destroy(&inside);
      return ok;
    }
  for (size_t i = 0; ok && i < dims; i++) ok = measure(r, &inside, index[i], i, loops, vars, extents, &all, out);
  tni_facts_destroy(&inside);
  for (size_t v = 0; v < loops; v++) {
    if (extents[v] <= 1) continue;
    if (!uses_var(&all, v))
      out->injective = false;
    else if (!is_ladder(&all, v, extents[v]))
      out->dense = out->injective = false;
  }
  for (size_t i = 0; i < dims; i++) check_radix(&all, i, out);
  return ok;
}
