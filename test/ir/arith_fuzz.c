/* arith_fuzz.c -- random index arithmetic against all points of a small domain.
 *
 *     arith_fuzz [--count N] [--seed S] [--keep-going]
 *
 * Of an expression: the simplified one is equal, bounds and residue hold. Of a condition: the decision, and the simplified one.
 * Of a tuple under loops: its box, dense, injective, and the inverse. Number n of a seed is the same everywhere: `--seed S+n
 * --count 1` repeats it. A failure is made small, and printed as a function.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/arith.h"

enum { VARS = 4, FACTS = 2, DIMS = 3, LARGEST_BITS = 44, MAX_BOX = 1 << 14, MAX_NODES = 400, MAX_CASTS = 4 };

enum knowledge { NOTHING, LOW_END, BOTH_ENDS, EXTENT };

typedef struct subject {
  tni_region *r;
  const tn_expr *var[VARS];
  int64_t low[VARS], count[VARS];
  enum knowledge knows[VARS];
  size_t facts;
  const tn_expr *fact[FACTS];
  bool holds[FACTS];
  bool map; /* a tuple: var[0] stands still, the others run */
  size_t dims;
  const tn_expr *exprs[DIMS], *where;
  char why[400];
} subject;

static tn_context *ctx;
static uint64_t state;
static long claims;

static uint32_t draw(uint32_t end) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % end;
}

/* ---- expressions ---------------------------------------------------------------------------------------------------- */

static const tn_expr *grow(const subject *s, int depth);
static const tn_expr *grow_condition(const subject *s, int depth);

static const tn_expr *number(const subject *s, int low, int high) {
  return tni_index(s->r, low + (int)draw((uint32_t)(high - low + 1)));
}

static const tn_expr *leaf(const subject *s) { return draw(4) ? s->var[draw(VARS)] : number(s, -8, 16); }

/* What fusing and splitting make of variables: (x*8 + y) // 3 % 5 */
static const tn_expr *grow_digit(const subject *s, int depth) {
  const tn_expr *x = grow(s, depth - 1);
  int low = draw(4) ? 1 : -7;
  if (draw(2)) x = tni_op2(s->r, TN_OP_floordiv, x, number(s, low, 12));
  if (draw(2)) x = tni_op2(s->r, TN_OP_floormod, x, number(s, low, 12));
  return x;
}

static const tn_expr *grow_cast(const subject *s, int depth) {
  static const tn_type types[MAX_CASTS] = {TN_TYPE(kDLInt, 8, 1), TN_TYPE(kDLUInt, 8, 1), TN_TYPE(kDLInt, 32, 1),
                                           TN_TYPE(kDLInt, 64, 1)};
  const tn_expr *x = draw(3) ? tni_cast(s->r, types[draw(MAX_CASTS)], grow(s, depth - 1)) : grow_condition(s, depth - 1);
  return tni_cast(s->r, TN_INDEX, x);
}

static const tn_expr *grow_rare(const subject *s, int depth) {
  static const enum tn_op shifts[] = {TN_OP_shl, TN_OP_shr}, bits[] = {TN_OP_and, TN_OP_or, TN_OP_xor},
                          ones[] = {TN_OP_neg, TN_OP_not, TN_OP_abs},
                          divisions[] = {TN_OP_div, TN_OP_mod, TN_OP_floordiv, TN_OP_floormod};
  const tn_expr *x = grow(s, depth - 1);
  switch (draw(6)) {
  case 0: return tni_op2(s->r, shifts[draw(2)], x, number(s, -1, 5));
  case 1: return tni_op2(s->r, bits[draw(3)], x, draw(3) ? number(s, -2, 15) : grow(s, depth - 1));
  case 2: return tni_op1(s->r, ones[draw(3)], x);
  case 3: return tni_op2(s->r, divisions[draw(4)], x, draw(2) ? leaf(s) : grow(s, depth - 1));
  case 4: return grow_cast(s, depth);
  default: return depth > 2 ? x : tni_mul(s->r, x, grow(s, depth - 1));
  }
}

static const tn_expr *grow(const subject *s, int depth) {
  tni_region *r = s->r;
  if (depth == 0) return leaf(s);
  switch (draw(14)) {
  case 0:
  case 1: return tni_add(r, grow(s, depth - 1), grow(s, depth - 1));
  case 2: return tni_sub(r, grow(s, depth - 1), grow(s, depth - 1));
  case 3:
  case 4: return tni_add(r, tni_mul(r, grow(s, depth - 1), number(s, 1, 12)), grow(s, depth - 1));
  case 5: return tni_mul(r, grow(s, depth - 1), number(s, -4, 8));
  case 6: return tni_op2(r, draw(2) ? TN_OP_min : TN_OP_max, grow(s, depth - 1), grow(s, depth - 1));
  case 7: return tni_op3(r, TN_OP_select, grow_condition(s, depth - 1), grow(s, depth - 1), grow(s, depth - 1));
  case 8:
  case 9: return grow_rare(s, depth);
  default: return grow_digit(s, depth);
  }
}

static const tn_expr *grow_condition(const subject *s, int depth) {
  static const enum tn_op ops[] = {TN_OP_lt, TN_OP_le, TN_OP_lt, TN_OP_le, TN_OP_eq, TN_OP_ne};
  if (depth > 1 && draw(5) == 0)
    return tni_op2(s->r, draw(2) ? TN_OP_and : TN_OP_or, grow_condition(s, depth - 1), grow_condition(s, depth - 1));
  if (draw(12) == 0) return tni_op1(s->r, TN_OP_not, grow_condition(s, depth));
  return tni_op2(s->r, ops[draw(6)], grow(s, depth), draw(2) ? grow(s, depth) : leaf(s));
}

/* ---- tuples --------------------------------------------------------------------------------------------------------- */

static const tn_expr *loop_of(const subject *s) { return s->var[1 + draw(VARS - 1)]; }

/* i*6 + j, as fusing loops of these extents makes it, most often. */
static const tn_expr *fused(const subject *s) {
  size_t inner = 1 + draw(VARS - 1), outer = 1 + draw(VARS - 1);
  int64_t factor = draw(5) ? s->count[inner] : 1 + draw(7);
  return tni_add(s->r, tni_mul(s->r, s->var[outer], tni_index(s->r, factor)), s->var[inner]);
}

static const tn_expr *part(const subject *s) {
  const tn_expr *x = draw(3) ? loop_of(s) : fused(s);
  if (draw(8) == 0) x = tni_add(s->r, x, s->var[0]);
  if (draw(3) == 0) x = tni_op2(s->r, TN_OP_floordiv, x, number(s, 1, 6));
  if (draw(3) == 0) x = tni_op2(s->r, TN_OP_floormod, x, number(s, 1, 6));
  if (draw(16) == 0) x = tni_op2(s->r, draw(2) ? TN_OP_min : TN_OP_max, x, number(s, 0, 5));
  return x;
}

static const tn_expr *subscript(const subject *s) {
  static const int64_t coefs[] = {1, 1, 1, 1, 2, 3, 4, 6, -1, -2};
  const tn_expr *sum = draw(2) ? tni_mul(s->r, s->var[0], number(s, 0, 6)) : number(s, -1, 2);
  for (uint32_t i = 0, n = 1 + draw(2); i < n; i++)
    sum = tni_add(s->r, sum, tni_mul(s->r, part(s), tni_index(s->r, coefs[draw(TNI_COUNT(coefs))])));
  return sum;
}

/* One source, split in full: x // c, x % c. */
static void split_tuple(subject *s) {
  const tn_expr *x = fused(s), *c = number(s, 2, 6);
  s->dims = 2;
  s->exprs[0] = tni_op2(s->r, TN_OP_floordiv, x, c);
  s->exprs[1] = tni_op2(s->r, TN_OP_floormod, x, c);
  if (draw(2)) s->exprs[s->dims++] = loop_of(s);
}

static void grow_tuple(subject *s) {
  s->dims = 1 + draw(DIMS);
  for (size_t d = 0; d < s->dims; d++) s->exprs[d] = subscript(s);
  if (draw(3) == 0) split_tuple(s);
  if (draw(4) == 0) s->where = tni_op2(s->r, TN_OP_lt, draw(3) ? fused(s) : part(s), number(s, 1, 20));
}

/* ---- subjects ------------------------------------------------------------------------------------------------------- */

static void grow_variables(subject *s) {
  static const char *const names[VARS] = {"n", "i", "j", "k"};
  for (int v = 0; v < VARS; v++) {
    s->var[v] = tni_var(s->r, names[v], TN_INDEX);
    s->low[v] = s->map || draw(3) ? 0 : (int64_t)draw(6) - 4;
    s->count[v] = 1 + draw(v == 0 ? 5 : 7);
    s->knows[v] = s->map ? BOTH_ENDS : draw(4) ? BOTH_ENDS : draw(3) ? LOW_END : NOTHING;
  }
  if (s->map || draw(3)) return;
  s->low[0] = draw(2); /* the extent of another */
  s->knows[0] = draw(2) ? LOW_END : NOTHING;
  s->low[2] = 0;
  s->knows[2] = EXTENT;
}

static void grow_subject(subject *s) {
  uint32_t kind = draw(5);
  s->map = kind == 4;
  grow_variables(s);
  if (s->map) {
    grow_tuple(s);
    return;
  }
  s->facts = draw(3) ? 0 : 1 + draw(FACTS);
  for (size_t i = 0; i < s->facts; i++) {
    s->fact[i] = grow_condition(s, (int)draw(3));
    s->holds[i] = draw(3) != 0;
  }
  s->dims = 1;
  s->exprs[0] = kind == 3 ? grow_condition(s, 1 + (int)draw(3)) : grow(s, 1 + (int)draw(4));
}

/* ---- claims --------------------------------------------------------------------------------------------------------- */

static bool refute(subject *s, const domain *d, size_t point, const char *what, const tn_expr *x) {
  tni_text text;
  tni_text_init(&text, ctx);
  if (x) tni_print_expr(&text, x);
  size_t n = (size_t)snprintf(s->why, sizeof s->why, "%s %.200s is wrong at", what, x ? text.data : "");
  for (size_t v = 0; v < d->vars && n < sizeof s->why; v++)
    n += (size_t)snprintf(s->why + n, sizeof s->why - n, " %s=%lld", d->var[v]->as.name,
                          (long long)domain_coordinate(d, v, point));
  tni_text_destroy(&text);
  return false;
}

static bool all_small(const domain *d) {
  for (size_t c = 0; c < d->column_count; c++)
    for (size_t i = 0; i < d->points; i++)
      if (d->columns[c][i] >> LARGEST_BITS != 0 && d->columns[c][i] >> LARGEST_BITS != -1) return false;
  return true;
}

/* The domain, and what the analyses are told of it. False: no point is left. */
static bool open_domain(const subject *s, domain *d, tni_facts *facts) {
  bool any = true;
  domain_open(d, ctx);
  tni_facts_init(facts, ctx);
  for (int v = 0; v < VARS; v++) domain_add(d, s->var[v], s->low[v], s->count[v]);
  for (int v = 0; v < VARS; v++) {
    int64_t last = s->low[v] + s->count[v] - 1;
    if (s->map && v > 0) continue;
    if (s->knows[v] == BOTH_ENDS) tni_facts_push(facts, s->var[v], s->low[v], last);
    if (s->knows[v] == LOW_END) tni_facts_push(facts, s->var[v], s->low[v], TNI_INF);
    if (s->knows[v] != EXTENT) continue;
    tni_facts_bind(facts, s->var[v], s->var[0]);
    any = any && domain_restrict(d, tni_op2(s->r, TN_OP_lt, s->var[v], s->var[0]), true);
  }
  for (size_t i = 0; i < s->facts; i++) {
    any = any && domain_restrict(d, s->fact[i], s->holds[i]);
    tni_facts_learn(facts, s->fact[i], s->holds[i]);
  }
  if (s->where) any = any && domain_restrict(d, s->where, true);
  return any;
}

static bool check_expr(subject *s, domain *d, const tni_facts *facts) {
  const tn_expr *x = s->exprs[0], *y = tni_simplify(s->r, facts, x);
  int64_t lo, hi, mod, rem;
  size_t at;
  domain_values(d, x);
  if (!all_small(d)) return true;
  if (!y) return refute(s, d, 0, "the absence of memory", NULL);
  if ((at = same_values(d, x, y)) != TNI_MAP_NONE) return refute(s, d, at, "the simplified", y);
  if (s->facts == 0 && tni_simplify(s->r, facts, y) != y) return refute(s, d, 0, "that the form is the last,", y);
  if (x->type == TN_BOOL) {
    enum tni_truth truth = tni_decide(s->r, facts, x);
    claims += truth != TNI_UNKNOWN;
    at = has_truth(d, x, truth);
    return at == TNI_MAP_NONE || refute(s, d, at, truth == TNI_PROVEN ? "proven" : "refuted", NULL);
  }
  tni_bounds(facts, x, &lo, &hi);
  if ((at = within_bounds(d, x, lo, hi)) != TNI_MAP_NONE) {
    refute(s, d, at, "a bound of", x);
    return false;
  }
  tni_modular(facts, x, &mod, &rem);
  at = has_residue(d, x, mod, rem);
  return at == TNI_MAP_NONE || refute(s, d, at, "the residue of", x);
}

/* Counts the points of the box that are met while one value of var[0] stands. */
static bool check_points(subject *s, domain *d, const tni_itermap *map, size_t first, size_t count) {
  static uint8_t met[MAX_BOX];
  int64_t size = 1, points = 0;
  bool any = false;
  for (size_t i = 0; i < s->dims; i++) size = size * map->extents[i] > MAX_BOX ? MAX_BOX + 1 : size * map->extents[i];
  if (size <= MAX_BOX) memset(met, 0, (size_t)size);
  for (size_t p = first; p < first + count; p++) {
    int64_t flat = 0;
    if (!domain_has(d, p)) continue;
    any = true;
    for (size_t i = 0; i < s->dims; i++) {
      int64_t at = domain_values(d, s->exprs[i])[p] - domain_values(d, map->bases[i])[p];
      if (at < 0 || at >= map->extents[i]) return refute(s, d, p, "the box from", map->bases[i]);
      flat = flat * map->extents[i] + at;
    }
    if (size > MAX_BOX) continue;
    if (met[flat] && map->injective) return refute(s, d, p, "injective", NULL);
    points += !met[flat];
    met[flat] = 1;
  }
  return !any || size > MAX_BOX || !map->dense || points == size || refute(s, d, first, "dense", NULL);
}

static bool check_map(subject *s, domain *d, const tni_facts *facts) {
  const tn_expr *at[DIMS], *inverse[VARS];
  tni_itermap map;
  for (size_t i = 0; i < s->dims; i++) at[i] = tni_var(s->r, "y", TN_INDEX);
  if (!tni_itermap_invert(s->r, facts, s->dims, s->exprs, VARS - 1, s->var + 1, s->count + 1, s->where, at, inverse, &map))
    return refute(s, d, 0, "the absence of memory", NULL);
  claims += map.dense + map.injective;
  size_t group = d->points / (size_t)s->count[0];
  for (size_t first = 0; map.box && first < d->points; first += group)
    if (!check_points(s, d, &map, first, group)) return false;
  tni_subst subst = {s->dims, at, s->exprs};
  for (int v = 0; map.box && map.injective && v < VARS - 1; v++) {
    const tn_expr *x = inverse[v] ? tni_expr_subst(s->r, inverse[v], &subst) : NULL;
    if (!x) return refute(s, d, 0, "the absence of an inverse", NULL);
    size_t wrong = same_values(d, s->var[1 + v], x);
    if (wrong != TNI_MAP_NONE) return refute(s, d, wrong, "the inverse", inverse[v]);
  }
  return true;
}

static bool check(subject *s) {
  domain d;
  tni_facts facts;
  bool any = open_domain(s, &d, &facts);
  bool ok = !any || !all_small(&d) || (s->map ? check_map(s, &d, &facts) : check_expr(s, &d, &facts));
  tni_facts_destroy(&facts);
  domain_close(&d);
  return ok;
}

/* ---- making a failure small ----------------------------------------------------------------------------------------- */

typedef struct replacement {
  const tn_expr *from, *to;
} replacement;

static const tn_expr *replace(void *self, tni_region *r, const tn_expr *x) {
  const replacement *p = self;
  (void)r;
  return x == p->from ? p->to : x;
}

static void collect(void *self, const tn_expr *x) {
  tni_map *map = self;
  if (map->count < MAX_NODES) tni_map_add(map, x, 0, NULL);
}

/* Tries something smaller in the place of every node of *x. */
static bool shrink_expr(subject *s, const tn_expr **x) {
  tni_map nodes;
  bool smaller = false;
  tni_map_init(&nodes, ctx);
  tni_expr_visit(ctx, *x, collect, &nodes);
  for (size_t n = nodes.count; n-- > 0 && !smaller;) {
    const tn_expr *node = nodes.entries[n].key, *old = *x;
    for (int k = 0; k < node->nargs + 3 && !smaller; k++) {
      replacement p = {node, k < node->nargs ? node->arg[k] : tni_index(s->r, k - node->nargs)};
      if (p.to->type != node->type || (k >= node->nargs && (tni_is_const(node) || node->type != TN_INDEX))) continue;
      *x = tni_expr_rewrite(s->r, old, replace, &p);
      smaller = *x && *x != old && !check(s);
      if (!smaller) *x = old;
    }
  }
  tni_map_destroy(&nodes);
  return smaller;
}

static bool shrink_facts(subject *s) {
  subject old = *s;
  for (size_t i = 0; i < old.facts; i++) {
    s->facts--;
    s->fact[i] = old.fact[s->facts];
    s->holds[i] = old.holds[s->facts];
    if (!check(s)) return true;
    *s = old;
    if (shrink_expr(s, &s->fact[i])) return true;
  }
  s->where = NULL;
  if (old.where && !check(s)) return true;
  *s = old;
  return s->where && shrink_expr(s, &s->where);
}

static bool shrink_ranges(subject *s) {
  for (int v = 0; v < VARS; v++) {
    subject old = *s;
    s->count[v]--;
    if (s->count[v] > 0 && !check(s)) return true;
    *s = old;
    s->knows[v] = NOTHING;
    if (!s->map && old.knows[v] != NOTHING && !check(s)) return true;
    *s = old;
  }
  return false;
}

static void shrink(subject *s) {
  for (int i = 0; i < 300; i++) {
    bool smaller = shrink_facts(s) || shrink_ranges(s);
    for (size_t d = 0; d < s->dims && !smaller; d++) smaller = shrink_expr(s, &s->exprs[d]);
    if (!smaller) break;
  }
  check(s);
}

/* ---- printing ------------------------------------------------------------------------------------------------------- */

static void print_expr(FILE *f, const tn_expr *x) {
  tni_text text;
  tni_text_init(&text, ctx);
  tni_print_expr(&text, x);
  fputs(text.data, f);
  tni_text_destroy(&text);
}

static void show(FILE *f, const subject *s, uint64_t seed) {
  static const char *const knows[] = {"", "only the lower end is known", "known", "known as an extent"};
  fprintf(f, "--- seed %llu\nfunc f(n: index, i: index, j: index, k: index, I: i64[9]) {\n", (unsigned long long)seed);
  for (int v = 0; v < VARS; v++)
    fprintf(f, "  assume %lld <= %s && %s < %lld # %s\n", (long long)s->low[v], s->var[v]->as.name, s->var[v]->as.name,
            (long long)(s->low[v] + s->count[v]), s->map && v ? "runs" : knows[s->knows[v]]);
  for (int v = 0; v < VARS; v++)
    if (s->knows[v] == EXTENT) fprintf(f, "  assume %s < n\n", s->var[v]->as.name);
  for (size_t i = 0; i < s->facts; i++) {
    fprintf(f, "  assume %s(", s->holds[i] ? "" : "!");
    print_expr(f, s->fact[i]);
    fprintf(f, ")\n");
  }
  if (s->where) {
    fprintf(f, "  assume ");
    print_expr(f, s->where);
    fprintf(f, " # where\n");
  }
  for (size_t d = 0; d < s->dims; d++) {
    fprintf(f, "  I[%zu] = cast(i64, ", d);
    print_expr(f, s->exprs[d]);
    fprintf(f, ")\n");
  }
  fprintf(f, "}\n--- %s\n\n", s->why);
}

static bool run_one(tni_region *r, uint64_t seed) {
  subject s = {.r = r};
  state = seed * 0x9e3779b97f4a7c15u + 11;
  draw(2);
  grow_subject(&s);
  if (check(&s)) return true;
  shrink(&s);
  show(stderr, &s, seed);
  return false;
}

int main(int argc, char **argv) {
  enum { SUBJECTS_OF_A_REGION = 64 };
  uint64_t seed = 1;
  long count = 20000, failed = 0, done = 0;
  bool keep_going = false;
  tni_region region;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--keep-going") == 0) keep_going = true;
    if (i + 1 == argc) break;
    if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[i + 1], NULL, 10);
    if (strcmp(argv[i], "--count") == 0) count = strtol(argv[i + 1], NULL, 10);
  }
  if (tn_context_create(NULL, &ctx, NULL) != TN_OK) return 1;
  printf("seed %llu\n", (unsigned long long)seed);
  tni_region_init(&region, ctx, NULL);
  for (; done < count && (keep_going || !failed); done++) {
    if (done % SUBJECTS_OF_A_REGION == 0) {
      tni_region_destroy(&region);
      tni_region_init(&region, ctx, NULL);
    }
    failed += !run_one(&region, seed + (uint64_t)done);
  }
  tni_region_destroy(&region);
  tn_context_destroy(ctx);
  printf("%ld passed, %ld failed; %ld claims\n", done - failed, failed, claims);
  return failed != 0 || (count >= 1000 && claims < count / 50); /* it does claim something */
}
