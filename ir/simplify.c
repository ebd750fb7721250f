/* simplify.c -- index expressions in canonical form, and conditions decided.
 *
 * An index expression is kept as a linear form, sum of coefficient * term + constant. Terms are variables and what is not
 * linear; they stand in order of creation (variables) and structure (the rest). On this form:
 *
 *     (d*q + r) // d   -> q + r // d          and  r // d -> 0  when 0 <= r < d
 *     (d*q + r) %  d   -> r % d               and  r %  d -> r  when 0 <= r < d
 *     (x // a) // b    -> x // (a*b)
 *     (c*q + r) // (c*d) -> q // d,  (c*q + r) % (c*d) -> c*(q % d) + r      when 0 <= r < c
 *     m * (x // m) + x % m            -> x    (and multiples; so what fuse takes apart comes together)
 *     a < b                           -> true or false when the bounds of b - a say so
 *
 * Only `index`, a mathematical integer, is treated so; data integers wrap and are left alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

enum { MAX_TERMS = 24, MAX_COEF_BITS = 61 };

typedef struct term {
  const tn_expr *x;
  int64_t coef;
} term;

typedef struct linear {
  int count;
  bool overflow; /* more terms, or larger numbers, than fit: the expression is left as it is */
  int64_t constant;
  term terms[MAX_TERMS];
} linear;

static bool is_index(const tn_expr *x) { return x->type == TN_INDEX; }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/* The order of terms: variables by uid, then everything else by structure. */
static bool comes_before(const tn_expr *a, const tn_expr *b) {
  if ((a->op == TN_OP_var) != (b->op == TN_OP_var)) return a->op == TN_OP_var;
  return a->op == TN_OP_var ? a->uid < b->uid : a->hash < b->hash;
}

static void add_constant(linear *l, int64_t c, int64_t scale) {
  int64_t product;
  l->overflow |=
      __builtin_mul_overflow(c, scale, &product) || __builtin_add_overflow(l->constant, product, &l->constant);
}

static void remove_term(linear *l, int i) {
  l->count--;
  memmove(&l->terms[i], &l->terms[i + 1], (size_t)(l->count - i) * sizeof(term));
}

static void add_term(linear *l, const tn_expr *x, int64_t coef) {
  int i = 0;
  if (coef == 0) return;
  for (; i < l->count; i++)
    if (l->terms[i].x == x) {
      l->overflow |= __builtin_add_overflow(l->terms[i].coef, coef, &l->terms[i].coef);
      if (l->terms[i].coef == 0) remove_term(l, i);
      return;
    }
  if (l->count == MAX_TERMS) {
    l->overflow = true;
    return;
  }
  for (i = 0; i < l->count && !comes_before(x, l->terms[i].x); i++)
    ;
  memmove(&l->terms[i + 1], &l->terms[i], (size_t)(l->count - i) * sizeof(term));
  l->terms[i] = (term){x, coef};
  l->count++;
}

static bool is_huge(int64_t x) { return x > INT64_C(1) << MAX_COEF_BITS || x < -(INT64_C(1) << MAX_COEF_BITS); }

/* l += scale * x, for an x whose parts are simplified already. */
static void accumulate(linear *l, const tn_expr *x, int64_t scale) {
  int64_t product;
  switch (x->op) {
  case TN_OP_const: add_constant(l, x->as.i, scale); return;
  case TN_OP_add:
    accumulate(l, x->arg[0], scale);
    accumulate(l, x->arg[1], scale);
    return;
  case TN_OP_sub:
    accumulate(l, x->arg[0], scale);
    accumulate(l, x->arg[1], -scale);
    return;
  case TN_OP_neg: accumulate(l, x->arg[0], -scale); return;
  case TN_OP_mul:
    for (int i = 0; i < 2; i++)
      if (tni_is_const(x->arg[i])) {
        l->overflow |= __builtin_mul_overflow(scale, x->arg[i]->as.i, &product) || is_huge(product);
        if (!l->overflow) accumulate(l, x->arg[1 - i], product);
        return;
      }
    break;
  default: break;
  }
  add_term(l, x, scale);
}

static const tn_expr *rebuild(tni_region *r, const linear *l) {
  const tn_expr *sum = NULL;
  for (int i = 0; i < l->count; i++) {
    const tn_expr *t = tni_mul(r, l->terms[i].x, tni_index(r, l->terms[i].coef));
    sum = i ? tni_add(r, sum, t) : t;
  }
  const tn_expr *constant = tni_index(r, l->constant);
  return sum || l->count ? tni_add(r, sum, constant) : constant;
}

typedef struct simplifier {
  tni_region *r;
  const tni_facts *facts;
} simplifier;

static const tn_expr *divide(const simplifier *s, const tn_expr *x, int64_t d);
static const tn_expr *modulo(const simplifier *s, const tn_expr *x, int64_t d);

/* Finds c*m * (y // m) beside c * (y % m) and makes them c * y. */
static bool join_remainders(const simplifier *s, linear *l) {
  for (int i = 0; i < l->count; i++) {
    const tn_expr *x = l->terms[i].x;
    int64_t want;
    if (x->op != TN_OP_floormod || !tni_is_const(x->arg[1]) ||
        __builtin_mul_overflow(l->terms[i].coef, x->arg[1]->as.i, &want))
      continue;
    const tn_expr *quotient = divide(s, x->arg[0], x->arg[1]->as.i);
    for (int k = 0; quotient && k < l->count; k++)
      if (l->terms[k].x == quotient && l->terms[k].coef == want) {
        int64_t coef = l->terms[i].coef;
        remove_term(l, k > i ? k : i);
        remove_term(l, k > i ? i : k);
        accumulate(l, x->arg[0], coef);
        return true;
      }
  }
  return false;
}

static const tn_expr *canonical(const simplifier *s, const tn_expr *x) {
  linear l = {0};
  accumulate(&l, x, 1);
  while (!l.overflow && join_remainders(s, &l))
    ;
  return l.overflow ? x : rebuild(s->r, &l);
}

/* Splits x into d * q + rest, where the rest has what d does not divide; its constant lies in 0..d. */
static bool split_by(const tn_expr *x, int64_t d, linear *q, linear *rest) {
  linear l = {0};
  accumulate(&l, x, 1);
  *q = *rest = (linear){0};
  if (l.overflow) return false;
  for (int i = 0; i < l.count; i++)
    if (l.terms[i].coef % d == 0)
      add_term(q, l.terms[i].x, l.terms[i].coef / d);
    else
      add_term(rest, l.terms[i].x, l.terms[i].coef);
  q->constant = floor_div(l.constant, d);
  rest->constant = l.constant - d * q->constant;
  return true;
}

static int64_t gcd(int64_t a, int64_t b) {
  a = a < 0 ? -a : a;
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a;
}

/* The largest g that divides d and every coefficient of l. */
static int64_t common_divisor(const linear *l, int64_t d) {
  for (int i = 0; i < l->count; i++) d = gcd(l->terms[i].coef, d);
  return d;
}

static bool within(const simplifier *s, const tn_expr *x, int64_t d) {
  int64_t lo, hi;
  if (!x) return false;
  tni_bounds(s->facts, x, &lo, &hi);
  return lo >= 0 && hi < d;
}

/* Writes l as c*q + low with 0 <= low < c, for a c > 1 among the coefficients that divides d. */
static bool split_low(const simplifier *s, const linear *l, int64_t d, int64_t *c, linear *q, linear *low) {
  for (int i = 0; i < l->count; i++) {
    *c = l->terms[i].coef;
    if (*c <= 1 || *c >= d || d % *c != 0) continue;
    *q = *low = (linear){0};
    for (int k = 0; k < l->count; k++)
      if (l->terms[k].coef % *c == 0)
        add_term(q, l->terms[k].x, l->terms[k].coef / *c);
      else
        add_term(low, l->terms[k].x, l->terms[k].coef);
    q->constant = floor_div(l->constant, *c);
    low->constant = l->constant - *c * q->constant;
    if (within(s, rebuild(s->r, low), *c)) return true;
  }
  return false;
}

/* rest // d for a rest that is not within 0..d. */
static const tn_expr *divide_rest(const simplifier *s, linear *rest, int64_t d) {
  int64_t c;
  linear q, low;
  if (split_low(s, rest, d, &c, &q, &low)) return divide(s, rebuild(s->r, &q), d / c);
  int64_t g = common_divisor(rest, d);
  if (g > 1) {
    for (int i = 0; i < rest->count; i++) rest->terms[i].coef /= g;
    rest->constant = floor_div(rest->constant, g);
    return divide(s, rebuild(s->r, rest), d / g);
  }
  const tn_expr *x = rebuild(s->r, rest);
  if (x && x->op == TN_OP_floordiv && tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0 && x->arg[1]->as.i < (1 << 30) &&
      d < (1 << 30))
    return divide(s, x->arg[0], x->arg[1]->as.i * d);
  return tni_op2(s->r, TN_OP_floordiv, x, tni_index(s->r, d));
}

static const tn_expr *divide(const simplifier *s, const tn_expr *x, int64_t d) {
  linear q, rest;
  if (!x || d <= 0 || !split_by(x, d, &q, &rest))
    return x ? tni_op2(s->r, TN_OP_floordiv, x, tni_index(s->r, d)) : NULL;
  if (!within(s, rebuild(s->r, &rest), d)) {
    const tn_expr *part = divide_rest(s, &rest, d);
    if (!part) return NULL;
    accumulate(&q, part, 1);
  }
  return q.overflow ? tni_op2(s->r, TN_OP_floordiv, x, tni_index(s->r, d)) : rebuild(s->r, &q);
}

static const tn_expr *modulo(const simplifier *s, const tn_expr *x, int64_t d) {
  linear q, rest;
  if (!x || d <= 0 || !split_by(x, d, &q, &rest))
    return x ? tni_op2(s->r, TN_OP_floormod, x, tni_index(s->r, d)) : NULL;
  const tn_expr *part = rebuild(s->r, &rest);
  if (!part || within(s, part, d)) return part;
  int64_t c;
  linear low;
  if (split_low(s, &rest, d, &c, &q, &low))
    return tni_add(s->r, tni_mul(s->r, modulo(s, rebuild(s->r, &q), d / c), tni_index(s->r, c)), rebuild(s->r, &low));
  return tni_op2(s->r, TN_OP_floormod, part, tni_index(s->r, d));
}

/* ---- conditions ---- */

static bool known(const tni_facts *facts, const tn_expr *cond) {
  for (size_t i = 0; i < facts->known_count; i++)
    if (facts->known[i] == cond) return true;
  return false;
}

/* Bounds of b - a, after simplification. */
static bool difference(const simplifier *s, const tn_expr *a, const tn_expr *b, int64_t *lo, int64_t *hi) {
  const tn_expr *d = tni_sub(s->r, b, a);
  d = d ? canonical(s, d) : NULL;
  if (!d) return false;
  tni_bounds(s->facts, d, lo, hi);
  return true;
}

/* 1 true, 0 false, -1 unknown. */
static int decide(const simplifier *s, const tn_expr *x) {
  int64_t lo, hi;
  if (known(s->facts, x)) return 1;
  if (x->nargs != 2 || !is_index(x->arg[0]) || !is_index(x->arg[1]) || !difference(s, x->arg[0], x->arg[1], &lo, &hi)) return -1;
  switch (x->op) {
  case TN_OP_lt: return lo >= 1 ? 1 : hi < 1 ? 0 : -1;
  case TN_OP_le: return lo >= 0 ? 1 : hi < 0 ? 0 : -1;
  case TN_OP_eq: return lo == 0 && hi == 0 ? 1 : lo > 0 || hi < 0 ? 0 : -1;
  case TN_OP_ne: return lo == 0 && hi == 0 ? 0 : lo > 0 || hi < 0 ? 1 : -1;
  default: return -1;
  }
}

/* A lane of an index vector made of ramps and broadcasts; NULL for other vectors. */
static const tn_expr *lane_of(tni_region *r, const tn_expr *x, int64_t lane) {
  if (x->op == TN_OP_broadcast) return x->arg[0];
  if (x->op == TN_OP_ramp) return tni_add(r, x->arg[0], tni_mul(r, x->arg[1], tni_index(r, lane)));
  return NULL;
}

/* A comparison of index vectors is decided when its first and last lanes are, the same way: between them it is linear. Only
 * lt and le are so. */
static int decide_vector(const simplifier *s, const tn_expr *x) {
  if ((x->op != TN_OP_lt && x->op != TN_OP_le) || TN_TYPE_CODE(x->arg[0]->type) != TN_CODE_INDEX) return -1;
  int answers[2];
  for (int i = 0; i < 2; i++) {
    int64_t lane = i ? (int64_t)TN_TYPE_LANES(x->type) - 1 : 0;
    const tn_expr *a = lane_of(s->r, x->arg[0], lane), *b = lane_of(s->r, x->arg[1], lane);
    const tn_expr *cond = a && b ? tni_op2(s->r, x->op, a, b) : NULL;
    if (!cond) return -1;
    answers[i] = tni_is_const(cond) ? (int)cond->as.i : decide(s, cond);
  }
  return answers[0] == answers[1] ? answers[0] : -1;
}

/* min and max of index where one operand always wins. */
static const tn_expr *decide_extreme(const simplifier *s, const tn_expr *x) {
  int64_t lo, hi;
  if (!difference(s, x->arg[0], x->arg[1], &lo, &hi)) return NULL;
  bool first_is_small = lo >= 0, second_is_small = hi <= 0;
  if (!first_is_small && !second_is_small) return x;
  return x->arg[(x->op == TN_OP_min) == first_is_small ? 0 : 1];
}

static const tn_expr *simplify_node(void *self, tni_region *r, const tn_expr *x) {
  const simplifier *s = self;
  if (x->type == TN_BOOL && x->nargs) {
    int answer = decide(s, x);
    return answer < 0 ? x : tni_bool(r, answer);
  }
  if (TN_TYPE_CODE(x->type) == kDLBool && x->nargs == 2) {
    int answer = decide_vector(s, x);
    return answer < 0 ? x : tni_broadcast(r, tni_bool(r, answer), TN_TYPE_LANES(x->type));
  }
  if (!is_index(x)) return x;
  switch (x->op) {
  case TN_OP_add:
  case TN_OP_sub:
  case TN_OP_mul:
  case TN_OP_neg: return canonical(s, x);
  case TN_OP_floordiv:
    return tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0 ? divide(s, x->arg[0], x->arg[1]->as.i) : x;
  case TN_OP_floormod:
    return tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0 ? modulo(s, x->arg[0], x->arg[1]->as.i) : x;
  case TN_OP_min:
  case TN_OP_max: return decide_extreme(s, x);
  default: return x;
  }
}

const tn_expr *tni_simplify(tni_region *r, const tni_facts *facts, const tn_expr *x) {
  simplifier s = {r, facts};
  return tni_expr_rewrite(r, x, simplify_node, &s);
}

bool tni_prove(tni_region *r, const tni_facts *facts, const tn_expr *cond) {
  const tn_expr *x = cond ? tni_simplify(r, facts, cond) : NULL;
  return x && tni_is_int(x, 1);
}

bool tni_affine(tni_region *r, const tn_expr *x, size_t count, const tn_expr *const *vars, int64_t *coefs,
                const tn_expr **rest) {
  linear l = {0};
  tni_facts none = {.ctx = r->arena.ctx};
  x = tni_simplify(r, &none, x);
  if (!x) return false;
  accumulate(&l, x, 1);
  for (size_t v = 0; v < count; v++) coefs[v] = 0;
  for (int i = 0; i < l.count;) {
    size_t v = 0;
    while (v < count && vars[v] != l.terms[i].x) v++;
    if (v < count) {
      coefs[v] = l.terms[i].coef;
      remove_term(&l, i);
    } else {
      for (v = 0; v < count; v++)
        if (tni_expr_uses(r->arena.ctx, l.terms[i].x, vars[v])) return false;
      i++;
    }
  }
  *rest = rebuild(r, &l);
  return !l.overflow && *rest;
}

bool tni_separate(tni_region *r, const tni_facts *facts, const tn_expr *x, size_t count, const tn_expr *const *vars,
                  const tn_expr **base, size_t *term_count, tni_term *terms, size_t room) {
  linear l = {0};
  x = tni_simplify(r, facts, x);
  *term_count = 0;
  if (!x) return false;
  accumulate(&l, x, 1);
  for (int i = 0; i < l.count;) {
    bool inner = false;
    for (size_t v = 0; v < count && !inner; v++) inner = tni_expr_uses(r->arena.ctx, l.terms[i].x, vars[v]);
    if (!inner) {
      i++;
      continue;
    }
    if (*term_count == room) return false;
    terms[(*term_count)++] = (tni_term){l.terms[i].x, l.terms[i].coef};
    remove_term(&l, i);
  }
  *base = rebuild(r, &l);
  return !l.overflow && *base;
}

/* ---- statements ---- */

typedef struct walker {
  tni_region *r;
  tni_facts facts;
} walker;

static const tn_expr *simple(walker *w, const tn_expr *x) { return x ? tni_simplify(w->r, &w->facts, x) : NULL; }

static const tn_stmt *simplify_stmt(walker *w, const tn_stmt *s);

static const tn_stmt *empty(walker *w) { return tni_seq(w->r, 0, NULL); }

static bool is_empty(const tn_stmt *s) { return s->kind == TNI_SEQ && s->as.seq.count == 0; }

/* Ranges are pushed as 0..hi-1 of the extent's largest value. */
static bool push_range(walker *w, const tn_expr *var, const tn_expr *extent) {
  int64_t lo, hi;
  tni_bounds(&w->facts, extent, &lo, &hi);
  return tni_facts_push(&w->facts, var, 0, hi >= TNI_INF ? TNI_INF : hi > 0 ? hi - 1 : 0);
}

static const tn_stmt *simplify_loop(walker *w, const tn_stmt *s) {
  const tn_expr *extent = simple(w, s->as.loop.extent);
  if (!extent) return NULL;
  int64_t lo, hi;
  tni_bounds(&w->facts, extent, &lo, &hi);
  if (hi <= 0) return empty(w);
  if (tni_is_int(extent, 1)) {
    const tn_expr *zero = tni_index(w->r, 0);
    tni_subst subst = {1, &s->as.loop.var, &zero};
    const tn_stmt *body = zero ? tni_stmt_subst(w->r, s->as.loop.body, &subst) : NULL;
    return body ? simplify_stmt(w, body) : NULL;
  }
  size_t mark = w->facts.count;
  const tn_stmt *body = push_range(w, s->as.loop.var, extent) ? simplify_stmt(w, s->as.loop.body) : NULL;
  tni_facts_pop(&w->facts, mark);
  if (body && is_empty(body)) return body;
  return tni_for(w->r, s->as.loop.var, extent, s->as.loop.kind, body);
}

static const tn_stmt *simplify_block(walker *w, const tn_stmt *s) {
  int32_t count = s->as.block.count;
  tni_iter *iters = tni_arena_copy(&w->r->arena, s->as.block.iters, (size_t)count * sizeof *iters);
  size_t mark = w->facts.count;
  bool ok = iters != NULL;
  const tn_expr *where = simple(w, s->as.block.where);
  for (int32_t i = 0; ok && i < count; i++) {
    iters[i].extent = simple(w, iters[i].extent);
    iters[i].binding = simple(w, iters[i].binding);
    ok = iters[i].extent && iters[i].binding;
  }
  for (int32_t i = 0; ok && i < count; i++) ok = push_range(w, iters[i].var, iters[i].extent);
  const tn_stmt *init = ok && s->as.block.init ? simplify_stmt(w, s->as.block.init) : NULL;
  const tn_stmt *body = ok ? simplify_stmt(w, s->as.block.body) : NULL;
  tni_facts_pop(&w->facts, mark);
  if ((s->as.block.init && !init) || (s->as.block.where && !where)) return NULL;
  if (where && tni_is_int(where, 0)) return empty(w);
  return ok ? tni_block(w->r, s->as.block.name, count, iters, where, init, body) : NULL;
}

static void see_call(void *self, const tn_expr *x) { *(bool *)self |= x->op == TN_OP_call; }

static bool calls(const walker *w, const tn_expr *x) {
  bool found = false;
  tni_expr_visit(w->facts.ctx, x, see_call, &found);
  return found;
}

/* Will the condition hold as long as its branch runs, whatever the branch stores? */
static bool is_lasting(const walker *w, const tn_expr *cond) {
  return cond->type == TN_BOOL && !tni_expr_reads(w->facts.ctx, cond);
}

static const tn_stmt *simplify_if(walker *w, const tn_stmt *s) {
  const tn_expr *cond = simple(w, s->as.cond.cond);
  if (!cond) return NULL;
  if (tni_is_const(cond)) {
    const tn_stmt *taken = cond->as.i ? s->as.cond.then : s->as.cond.otherwise;
    return taken ? simplify_stmt(w, taken) : empty(w);
  }
  size_t mark = w->facts.known_count;
  const tn_stmt *then =
      is_lasting(w, cond) && !tni_facts_know(&w->facts, cond) ? NULL : simplify_stmt(w, s->as.cond.then);
  w->facts.known_count = mark;
  const tn_stmt *otherwise = s->as.cond.otherwise ? simplify_stmt(w, s->as.cond.otherwise) : NULL;
  if (s->as.cond.otherwise && !otherwise) return NULL;
  return tni_if(w->r, cond, then, otherwise);
}

static const tn_stmt *simplify_store(walker *w, const tn_stmt *s) {
  const tn_expr *index[TN_MAX_RANK];
  for (int32_t i = 0; i < s->as.store.count; i++) index[i] = simple(w, s->as.store.index[i]);
  const tn_expr *where = simple(w, s->as.store.where);
  if (s->as.store.where && !where) return NULL;
  return tni_store(w->r, s->as.store.buffer, s->as.store.count, index, simple(w, s->as.store.value), where);
}

/* Worth writing again at every use: what is so simple that a name says no more, and index arithmetic, which the analyses must
 * see through. Neither reads memory. */
static bool is_transparent(const walker *w, const tn_expr *x) {
  if (tni_is_const(x) || x->op == TN_OP_var) return true;
  return x->type == TN_INDEX && !tni_expr_reads(w->facts.ctx, x);
}

static const tn_stmt *simplify_let(walker *w, const tn_stmt *s) {
  const tn_expr *var = s->as.let.var, *value = simple(w, s->as.let.value);
  if (!value) return NULL;
  if (is_transparent(w, value)) {
    tni_subst subst = {1, &var, &value};
    const tn_stmt *body = tni_stmt_subst(w->r, s->as.let.body, &subst);
    return body ? simplify_stmt(w, body) : NULL;
  }
  size_t mark = w->facts.count;
  int64_t lo, hi;
  tni_bounds(&w->facts, value, &lo, &hi);
  if (var->type == TN_INDEX && !tni_facts_push(&w->facts, var, lo, hi)) return NULL;
  const tn_stmt *body = simplify_stmt(w, s->as.let.body);
  tni_facts_pop(&w->facts, mark);
  return body && is_empty(body) && !calls(w, value) ? body : tni_let(w->r, var, value, body);
}

static const tn_stmt *simplify_claim(walker *w, const tn_stmt *s) {
  const tn_expr *cond = simple(w, s->as.claim.cond);
  if (!cond) return NULL;
  if (tni_is_int(cond, 1)) return simplify_stmt(w, s->as.claim.body);
  size_t mark = w->facts.count, known = w->facts.known_count;
  const tn_stmt *body = tni_facts_learn(&w->facts, cond) ? simplify_stmt(w, s->as.claim.body) : NULL;
  tni_facts_pop(&w->facts, mark);
  w->facts.known_count = known;
  return tni_claim(w->r, cond, s->as.claim.message, body);
}

static const tn_stmt *simplify_stmt(walker *w, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_FOR: return simplify_loop(w, s);
  case TNI_BLOCK: return simplify_block(w, s);
  case TNI_STORE: return simplify_store(w, s);
  case TNI_IF: return simplify_if(w, s);
  case TNI_ALLOC: return tni_alloc_stmt(w->r, s->as.alloc.buffer, simplify_stmt(w, s->as.alloc.body));
  case TNI_WHILE: return tni_while(w->r, simple(w, s->as.repeat.cond), simplify_stmt(w, s->as.repeat.body));
  case TNI_LET: return simplify_let(w, s);
  case TNI_ASSERT:
  case TNI_ASSUME: return simplify_claim(w, s);
  case TNI_EVALUATE: return tni_evaluate(w->r, simple(w, s->as.evaluate.call));
  case TNI_SEQ: {
    const tn_stmt **items = TNI_NEW_ARRAY(&w->r->arena, const tn_stmt *, s->as.seq.count);
    for (int32_t i = 0; items && i < s->as.seq.count; i++)
      if (!(items[i] = simplify_stmt(w, s->as.seq.stmts[i]))) return NULL;
    return items ? tni_seq(w->r, s->as.seq.count, items) : NULL;
  }
  case TNI_STMT_KIND_COUNT: break;
  }
  return NULL;
}

const tn_stmt *tni_stmt_simplify(tni_region *r, const tn_stmt *s) {
  walker w = {.r = r};
  tni_facts_init(&w.facts, r->arena.ctx);
  const tn_stmt *t = s ? simplify_stmt(&w, s) : NULL;
  tni_facts_destroy(&w.facts);
  return t;
}
