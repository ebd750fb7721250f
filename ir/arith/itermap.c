/* itermap.c -- what loops do to a tuple of subscripts: the box they cover, whether they cover it all, whether any point
 * is met twice, and which iteration meets a point.
 *
 * A subscript is base + sum of coefficient * digit. A digit is a part (source // divisor) % modulus of a source: a loop
 * variable, or a sum of digits in mixed radix as fusing makes it, (i*6 + j) // 4 % 3. Then
 *
 *     box         every subscript lies in base + low .. base + high
 *     dense       every point is met: the digits of each source vary independently, and in each subscript no coefficient
 *                 is more than what the smaller ones span
 *     injective   no point is met twice: each subscript tells its digits, since no coefficient is less than what the smaller
 *                 ones span; and the digits tell each source, from the lowest up, until the whole of it is known
 *
 * The last read backwards is the inverse. A condition `sum < n` over digits in mixed radix makes a source of extent n.
 * What is no digit gives an interval (relax.c), and neither dense nor injective.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { MAX_DIGITS = 48, MAX_FUSED = 16, MAX_LOOPS = 64, MAX_DEPTH = 6, MAX_DIVISOR = 1 << 30 };
#define WIDEST (INT64_C(1) << 40)
#define LARGEST_COEF (INT64_C(1) << 20)

/* Of which sum a digit is part: subscript number `home`, or of source number home - TN_MAX_RANK. */
typedef struct digit {
  size_t home, source;
  int64_t divisor, modulus; /* modulus 0: none */
  int64_t coef, extent;
} digit;

/* The first are the loop variables, then what is fused from those before. */
typedef struct source {
  const tn_expr *x;
  int64_t extent;
  bool fused, cut; /* cut: a condition leaves less than the digits make */
} source;

typedef struct mapper {
  const tni_simplifier *s;
  tni_loops loops;
  size_t digit_count, source_count;
  digit digits[MAX_DIGITS];
  source sources[MAX_LOOPS + MAX_FUSED];
  bool cut; /* conditions that are no source */
} mapper;

static void mapper_init(mapper *m, const tni_simplifier *s, tni_loops loops) {
  m->s = s;
  m->loops = loops;
  m->digit_count = m->source_count = 0;
  m->cut = false;
}

/* ---- reading digits ---- */

static bool is_divided(const tn_expr *x, uint16_t op) {
  return x->op == op && tni_is_const(x->arg[1]) && x->arg[1]->as.i > 1 && x->arg[1]->as.i <= MAX_DIVISOR;
}

static bool uses_loops(const mapper *m, const tn_expr *x) {
  for (size_t i = 0; i < m->loops.count; i++)
    if (tni_expr_uses(m->s->r->arena.ctx, x, m->loops.vars[i])) return true;
  return false;
}

static int64_t digit_extent(const digit *d, int64_t extent) {
  int64_t whole = (extent + d->divisor - 1) / d->divisor;
  return d->modulus && d->modulus < whole ? d->modulus : whole;
}

static bool find_source(mapper *m, const tn_expr *x, int depth, size_t *out);

/* coef * x as a digit. False: it is none. */
static bool add_digit(mapper *m, size_t home, const tn_expr *x, int64_t coef, int depth) {
  digit d = {.home = home, .divisor = 1, .coef = coef};
  if (is_divided(x, TN_OP_floormod)) {
    d.modulus = x->arg[1]->as.i;
    x = x->arg[0];
  }
  if (is_divided(x, TN_OP_floordiv)) {
    d.divisor = x->arg[1]->as.i;
    x = x->arg[0];
  }
  if (!find_source(m, x, depth, &d.source) || m->digit_count == MAX_DIGITS) return false;
  d.extent = digit_extent(&d, m->sources[d.source].extent);
  m->digits[m->digit_count++] = d;
  return true;
}

/* The digits of one home with more than one value, by the size of their coefficients. */
static size_t sorted_digits(const mapper *m, size_t home, digit *out) {
  size_t count = 0;
  for (size_t i = 0; i < m->digit_count; i++) {
    if (m->digits[i].home != home || m->digits[i].extent <= 1) continue;
    size_t k = count++;
    int64_t size = m->digits[i].coef < 0 ? -m->digits[i].coef : m->digits[i].coef;
    for (; k > 0 && (out[k - 1].coef < 0 ? -out[k - 1].coef : out[k - 1].coef) > size; k--) out[k] = out[k - 1];
    out[k] = m->digits[i];
  }
  return count;
}

/* Are the digits of one home a number in mixed radix, 0..*extent? */
static bool is_compact(const mapper *m, size_t home, int64_t *extent) {
  digit own[MAX_DIGITS];
  size_t count = sorted_digits(m, home, own);
  *extent = 1;
  for (size_t i = 0; i < count; i++) {
    if (own[i].coef != *extent || own[i].extent > WIDEST / *extent) return false;
    *extent *= own[i].extent;
  }
  return true;
}

/* x as a source that is made of others: their digits first, under a home of their own, so that parts come before the whole. */
static bool fuse(mapper *m, const tn_expr *x, int depth, size_t *out) {
  tni_linear l;
  tni_linear_init(&l);
  size_t digits = m->digit_count, sources = m->source_count, home = SIZE_MAX - (size_t)depth;
  int64_t extent;
  tni_linear_add(&l, x, 1);
  bool ok = !l.overflow && l.count >= 2 && l.constant == 0 && depth <= MAX_DEPTH;
  for (int i = 0; i < l.count && ok; i++) ok = add_digit(m, home, l.terms[i].x, l.terms[i].coef, depth + 1);
  if (!ok || !is_compact(m, home, &extent) || m->source_count == TNI_COUNT(m->sources)) {
    m->source_count = sources;
    m->digit_count = digits;
    return false;
  }
  *out = m->source_count++;
  m->sources[*out] = (source){.x = x, .extent = extent, .fused = true};
  for (size_t i = digits; i < m->digit_count; i++)
    if (m->digits[i].home == home) m->digits[i].home = TN_MAX_RANK + *out;
  return true;
}

static bool find_source(mapper *m, const tn_expr *x, int depth, size_t *out) {
  for (*out = 0; *out < m->source_count; ++*out)
    if (m->sources[*out].x == x) return true;
  return fuse(m, x, depth, out);
}

/* ---- conditions ---- */

/* A conjunct `x < n`, x a loop variable or fused. */
static void cut_source(mapper *m, const tn_expr *cond) {
  size_t number;
  bool less = cond->op == TN_OP_lt && cond->arg[0]->type == TN_INDEX && tni_is_const(cond->arg[1]);
  if (!less || cond->arg[1]->as.i < 1 || !find_source(m, cond->arg[0], 0, &number)) {
    m->cut = true;
    return;
  }
  source *s = &m->sources[number];
  if (cond->arg[1]->as.i >= s->extent) return;
  s->extent = cond->arg[1]->as.i;
  s->cut = s->fused;
}

static void cut_sources(mapper *m, const tn_expr *where) {
  if (where->op == TN_OP_and) {
    cut_sources(m, where->arg[0]);
    cut_sources(m, where->arg[1]);
  } else if (!tni_is_int(where, 1)) {
    cut_source(m, where);
  }
}

/* Digits of a subscript that are c times all those of a source that a condition cuts become one digit. */
static void join_cut(mapper *m, size_t dim, size_t number) {
  digit *first = NULL;
  size_t own = 0, found = 0, marks[MAX_DIGITS];
  int64_t c = 0;
  for (size_t i = 0; i < m->digit_count; i++) own += m->digits[i].home == TN_MAX_RANK + number;
  for (size_t i = 0; i < m->digit_count; i++) {
    const digit *part = &m->digits[i];
    for (size_t k = 0; part->home == TN_MAX_RANK + number && k < m->digit_count; k++) {
      digit *d = &m->digits[k];
      if (d->home != dim || d->source != part->source || d->divisor != part->divisor || d->modulus != part->modulus ||
          d->coef % part->coef != 0 || (c && d->coef / part->coef != c))
        continue;
      c = d->coef / part->coef;
      marks[found++] = k;
      if (!first) first = d;
      break;
    }
  }
  if (found != own || !first) return;
  *first = (digit){.home = dim, .source = number, .divisor = 1, .coef = c, .extent = m->sources[number].extent};
  for (size_t i = found; i-- > 0;)
    if (&m->digits[marks[i]] != first) m->digits[marks[i]].extent = 0; /* says nothing any more */
}

/* A loop variable that stands alone as well as in a fused source that is met, as in (i*6 + j) % 4, i // 2: its digits are
 * digits of that source too, S // 12. */
static void lift_digit(mapper *m, digit *d) {
  for (size_t i = 0; i < m->digit_count; i++) {
    const digit *part = &m->digits[i];
    size_t whole = part->home - TN_MAX_RANK;
    bool met = false;
    if (part->home < TN_MAX_RANK || part->source != d->source || part->divisor != 1 || part->modulus) continue;
    for (size_t k = 0; k < m->digit_count; k++) met |= m->digits[k].home < TN_MAX_RANK && m->digits[k].source == whole;
    int64_t extent = m->sources[d->source].extent, steps = extent / d->divisor;
    bool top = part->coef * part->extent == m->sources[whole].extent && !m->sources[whole].cut;
    bool even = extent % d->divisor == 0 && (!d->modulus || steps % d->modulus == 0);
    if (!met || (!top && !even) || part->coef > MAX_DIVISOR / d->divisor) continue;
    if (!top && !d->modulus) d->modulus = steps;
    d->divisor *= part->coef;
    d->source = whole;
    return;
  }
}

static void lift_digits(mapper *m) {
  for (size_t i = 0; i < m->digit_count; i++)
    if (m->digits[i].home < TN_MAX_RANK && !m->sources[m->digits[i].source].fused && m->digits[i].extent > 0)
      lift_digit(m, &m->digits[i]);
}

/* ---- subscripts ---- */

/* The interval of one subscript, and its digits; terms that are none clear dense and injective. */
static bool measure(mapper *m, const tn_expr *x, size_t dim, tni_itermap *out) {
  tni_linear l, base;
  tni_linear_init(&l);
  tni_linear_init(&base);
  int64_t low = 0, high = 0;
  x = tni_simplify(m->s->r, m->s->scan->facts, x);
  if (!x) return false;
  tni_linear_add(&l, x, 1);
  base.constant = l.constant;
  size_t first = m->digit_count;
  for (int i = 0; i < l.count && !l.overflow; i++) {
    tni_reach part = {.width = 0};
    int64_t coef = l.terms[i].coef;
    if (coef > LARGEST_COEF || coef < -LARGEST_COEF) l.overflow |= uses_loops(m, l.terms[i].x);
    if (!uses_loops(m, l.terms[i].x)) {
      tni_linear_add_term(&base, l.terms[i].x, coef);
    } else if (!add_digit(m, dim, l.terms[i].x, coef, 0)) {
      out->dense = out->injective = false;
      l.overflow |= !tni_relax(m->s, l.terms[i].x, &m->loops, &part) || part.width > WIDEST;
      if (part.base) tni_linear_add(&base, part.base, coef);
      low += coef < 0 ? coef * part.width : 0;
      high += coef < 0 ? 0 : coef * part.width;
    }
  }
  if (l.overflow || base.overflow) {
    out->box = out->dense = out->injective = false;
    return !m->s->r->arena.failed;
  }
  for (size_t i = m->loops.count; i < m->source_count; i++)
    if (m->sources[i].cut) join_cut(m, dim, i);
  for (size_t i = first; i < m->digit_count; i++) {
    const digit *d = &m->digits[i];
    if (d->home != dim || d->extent == 0) continue;
    low += d->coef < 0 ? d->coef * (d->extent - 1) : 0;
    high += d->coef < 0 ? 0 : d->coef * (d->extent - 1);
  }
  out->bases[dim] = tni_sum(m->s, tni_add(m->s->r, tni_linear_expr(m->s->r, &base), tni_index(m->s->r, low)));
  out->extents[dim] = high - low + 1;
  return out->bases[dim] != NULL;
}

/* The digits of one subscript, in mixed radix. */
static void check_radix(const mapper *m, size_t dim, tni_itermap *out) {
  digit own[MAX_DIGITS];
  size_t count = sorted_digits(m, dim, own);
  int64_t span = 1; /* of the smaller digits */
  for (size_t i = 0; i < count; i++) {
    int64_t coef = own[i].coef < 0 ? -own[i].coef : own[i].coef;
    out->dense &= coef <= span;
    out->injective &= coef >= span;
    span += coef * (own[i].extent - 1);
  }
}

/* ---- sources ---- */

typedef struct known {
  bool used[MAX_LOOPS + MAX_FUSED];
  bool told[MAX_LOOPS + MAX_FUSED];
  const tn_expr *value[MAX_LOOPS + MAX_FUSED];
} known;

/* Does the digit count: is it of a subscript, or of one of these sources? */
static bool counts(const digit *d, const bool *homes) {
  return d->extent > 0 && (d->home < TN_MAX_RANK || homes[d->home - TN_MAX_RANK]);
}

/* A digit that tells more of the source than its remainder by `reached`, which is known. */
static const digit *next_rung(const mapper *m, size_t number, int64_t reached, const bool *homes) {
  const digit *best = NULL;
  for (size_t i = 0; i < m->digit_count; i++) {
    const digit *d = &m->digits[i];
    if (d->source != number || !counts(d, homes) || reached % d->divisor != 0) continue;
    if (d->modulus && (__int128)d->divisor * d->modulus <= reached) continue;
    if (!best || d->divisor > best->divisor) best = d;
  }
  return best;
}

/* Do its digits tell the source, from the lowest up? */
static bool is_told(const mapper *m, size_t number, const bool *homes) {
  int64_t reached = 1;
  while (reached < m->sources[number].extent) {
    const digit *d = next_rung(m, number, reached, homes);
    if (!d) return false;
    if (!d->modulus) return true;
    reached = d->divisor * d->modulus;
  }
  return true;
}

/* Do its digits, sorted from the lowest, vary independently: each above what those before reach, on whole blocks of it? */
static bool vary_independently(const mapper *m, size_t number, const bool *homes) {
  int64_t extent = m->sources[number].extent, reached = 1;
  size_t seen = 0, all = 0;
  for (size_t i = 0; i < m->digit_count; i++)
    all += m->digits[i].source == number && counts(&m->digits[i], homes) && m->digits[i].extent > 1;
  for (; seen < all; seen++) {
    const digit *next = NULL;
    size_t same = 0;
    for (size_t i = 0; i < m->digit_count; i++) {
      const digit *d = &m->digits[i];
      if (d->source != number || !counts(d, homes) || d->extent <= 1 || d->divisor < reached) continue;
      if (!next || d->divisor < next->divisor) next = d, same = 0;
      same += d->divisor == next->divisor;
    }
    if (!next || same != 1 || next->divisor % reached != 0) return false;
    bool whole = next->modulus && (__int128)next->divisor * next->modulus <= extent;
    if (seen > 0 && !whole && extent % next->divisor != 0) return false;
    if (!whole) return seen + 1 == all;
    reached = next->divisor * next->modulus;
  }
  return true;
}

/* From the last source to the first: those fused come behind their parts. */
static void check_sources(const mapper *m, tni_itermap *out) {
  known k = {0};
  for (size_t n = m->source_count; n-- > 0;) {
    bool any = false;
    for (size_t i = 0; i < m->digit_count; i++)
      any |= m->digits[i].source == n && counts(&m->digits[i], k.used);
    k.used[n] = any && m->sources[n].fused;
    k.told[n] = is_told(m, n, k.told) && m->sources[n].fused;
    if (m->sources[n].cut && !any) out->dense = false;
    if (m->sources[n].extent <= 1) continue;
    if (any && !vary_independently(m, n, k.used)) out->dense = false;
    if (!m->sources[n].fused && !is_told(m, n, k.told)) out->injective = false;
  }
}

/* ---- the inverse ---- */

/* The digits of one home from the value of its sum, which is 0 or more; values[] as the digits stand in the mapper. */
static bool peel(const mapper *m, size_t home, const tn_expr *sum, const tn_expr **values) {
  digit own[MAX_DIGITS];
  const tni_simplifier *s = m->s;
  for (size_t i = 0; i < m->digit_count; i++)
    if (m->digits[i].home == home) values[i] = tni_index(s->r, 0);
  for (size_t i = sorted_digits(m, home, own); i-- > 0;) {
    int64_t coef = own[i].coef < 0 ? -own[i].coef : own[i].coef;
    const tn_expr *value = tni_divide(s, sum, coef);
    sum = tni_modulo(s, sum, coef);
    if (own[i].coef < 0) value = tni_sum(s, tni_sub(s->r, tni_index(s->r, own[i].extent - 1), value));
    for (size_t k = 0; k < m->digit_count; k++)
      if (m->digits[k].home == home && m->digits[k].source == own[i].source && m->digits[k].coef == own[i].coef &&
          m->digits[k].divisor == own[i].divisor && m->digits[k].modulus == own[i].modulus)
        values[k] = value;
    if (!value || !sum) return false;
  }
  return true;
}

/* The source from its digits. */
static const tn_expr *assemble(const mapper *m, size_t number, const bool *homes, const tn_expr *const *values) {
  const tni_simplifier *s = m->s;
  const tn_expr *x = tni_index(s->r, 0);
  int64_t reached = 1;
  while (x && reached < m->sources[number].extent) {
    const digit *d = next_rung(m, number, reached, homes);
    if (!d) return NULL;
    const tn_expr *high = tni_mul(s->r, values[d - m->digits], tni_index(s->r, d->divisor));
    x = tni_sum(s, tni_add(s->r, high, d->divisor == reached ? x : tni_modulo(s, x, d->divisor)));
    if (!d->modulus) break;
    reached = d->divisor * d->modulus;
  }
  return x;
}

static bool invert(const mapper *m, size_t dims, const tni_itermap *map, const tn_expr *const *at,
                   const tn_expr **out) {
  const tn_expr *values[MAX_DIGITS] = {NULL};
  known k = {0};
  for (size_t d = 0; d < dims; d++)
    if (!peel(m, d, tni_sum(m->s, tni_sub(m->s->r, at[d], map->bases[d])), values)) return false;
  for (size_t n = m->source_count; n-- > 0;) {
    if (m->sources[n].fused && !is_told(m, n, k.told)) continue;
    k.value[n] = assemble(m, n, k.told, values);
    k.told[n] = m->sources[n].fused;
    if (!k.value[n] || (m->sources[n].fused && !peel(m, TN_MAX_RANK + n, k.value[n], values))) return false;
  }
  for (size_t i = 0; i < m->loops.count; i++) out[i] = k.value[i];
  return true;
}

/* ---- the tuple ---- */

/* The loop variables as sources; `facts` learn the condition that cuts them. */
static bool start(mapper *m, tni_facts *facts, const tn_expr *where) {
  for (size_t i = 0; i < m->loops.count; i++)
    m->sources[m->source_count++] = (source){.x = m->loops.vars[i], .extent = m->loops.extents[i]};
  tni_scan_init(m->s->scan, facts);
  const tn_expr *cond = where ? tni_simplify(m->s->r, facts, where) : NULL;
  if (cond) cut_sources(m, cond);
  bool ok = !where || (cond && tni_facts_learn(facts, cond, true));
  tni_scan_init(m->s->scan, facts);
  return ok;
}

static bool map_tuple(mapper *m, size_t dims, const tn_expr *const *index, tni_itermap *out) {
  *out = (tni_itermap){.box = true, .dense = true, .injective = true};
  for (size_t i = 0; i < dims; i++)
    if (!measure(m, index[i], i, out)) return false;
  for (size_t i = 0; i < dims; i++) check_radix(m, i, out);
  lift_digits(m);
  check_sources(m, out);
  out->dense &= !m->cut;
  return true;
}

/* What is known while the loops run. */
static bool know_loops(tni_facts *inside, const tni_facts *facts, const tni_loops *loops) {
  bool ok = tni_facts_copy(inside, facts);
  for (size_t i = 0; ok && i < loops->count; i++)
    ok = tni_facts_push(inside, loops->vars[i], 0, loops->extents[i] - 1);
  return ok;
}

bool tni_itermap_invert(tni_region *r, const tni_facts *facts, size_t dims, const tn_expr *const *index, size_t loops,
                        const tn_expr *const *vars, const int64_t *extents, const tn_expr *where,
                        const tn_expr *const *at, const tn_expr **inverse, tni_itermap *out) {
  tni_facts inside = {.ctx = r->arena.ctx};
  tni_scan scan;
  tni_simplifier s = {r, &scan};
  mapper m;
  bool runs = loops <= MAX_LOOPS;
  mapper_init(&m, &s, (tni_loops){loops, vars, extents});
  *out = (tni_itermap){0};
  for (size_t i = 0; i < loops; i++) {
    runs &= extents[i] > 0; /* nothing runs: there is no box to speak of */
    if (inverse) inverse[i] = NULL;
  }
  if (!runs) return true;
  bool ok = know_loops(&inside, facts, &m.loops);
  ok = ok && start(&m, &inside, where) && map_tuple(&m, dims, index, out);
  if (ok && inverse && out->box && out->injective) {
    tni_scan_init(&scan, facts);
    ok = invert(&m, dims, out, at, inverse);
  }
  tni_facts_destroy(&inside);
  return ok;
}

bool tni_itermap_of(tni_region *r, const tni_facts *facts, size_t dims, const tn_expr *const *index, size_t loops,
                    const tn_expr *const *vars, const int64_t *extents, tni_itermap *out) {
  return tni_itermap_invert(r, facts, dims, index, loops, vars, extents, NULL, NULL, NULL, out);
}
