/* walk_expr.c -- visiting and rewriting expressions.
 *
 * Expressions are DAGs: a walk keeps a map from node to result, so that its cost is the number of nodes and not of paths.
 * Depth is bounded by limits.nesting of what can be parsed or built, and by the unrolling limits; recursion is safe.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

/* ---- a map from nodes to nodes: a bit for each slot says whether it is taken, so that only bits are cleared ---- */

typedef tni_rewrites node_map;

enum { FEW = TNI_FEW_REWRITES };

tni_rewrites tni_rewrites_in(tn_context *ctx, tni_rewrites_room *room, uint32_t only) {
  room->taken = 0;
  return (node_map){
      .ctx = ctx, .slots = room->slots, .taken = &room->taken, .size = FEW, .only = only, .lent = true};
}

static size_t map_bytes(size_t size) { return size * sizeof(tni_rewritten) + size / 8; }

static void map_destroy(node_map *m) {
  if (!m->lent) tni_free(m->ctx, m->slots, map_bytes(m->size));
}

static bool is_taken(const node_map *m, size_t slot) { return m->taken[slot / 64] >> slot % 64 & 1; }

static size_t map_slot(const node_map *m, const tn_expr *key) {
  size_t i = key->hash & (m->size - 1);
  while (is_taken(m, i) && m->slots[i].key != key) i = (i + 1) & (m->size - 1);
  return i;
}

static const void *map_get(const node_map *m, const tn_expr *key) {
  size_t i = m->used ? map_slot(m, key) : 0;
  return m->used && is_taken(m, i) ? m->slots[i].value : NULL;
}

/* The key is not in the map yet. */
static void map_insert(node_map *m, const tn_expr *key, const void *value) {
  size_t i = map_slot(m, key);
  m->taken[i / 64] |= UINT64_C(1) << i % 64;
  m->slots[i] = (tni_rewritten){key, value};
  m->used++;
}

static void map_grow(node_map *m) {
  node_map bigger = {.ctx = m->ctx, .size = m->size ? 2 * m->size : FEW, .only = m->only};
  if (!(bigger.slots = tni_alloc(m->ctx, map_bytes(bigger.size)))) {
    m->failed = true;
    return;
  }
  bigger.taken = memset(bigger.slots + bigger.size, 0, bigger.size / 8);
  for (size_t i = 0; i < m->size; i++)
    if (is_taken(m, i)) map_insert(&bigger, m->slots[i].key, m->slots[i].value);
  map_destroy(m);
  *m = bigger;
}

static void map_put(node_map *m, const tn_expr *key, const void *value) {
  if (m->used * 2 >= m->size) map_grow(m);
  if (!m->failed) map_insert(m, key, value);
}

/* ---- walks ---- */

typedef struct rewriter {
  tni_region *r;
  tni_expr_fn fn;
  void *self;
  node_map *map;
} rewriter;

enum { ARGS_ON_STACK = 16, KEPT_SLOTS = 1024 };

static const tn_expr *rewrite_node(rewriter *w, const tn_expr *x);

static const tn_expr *rewrite_args(rewriter *w, const tn_expr *x) {
  const tn_expr *room[ARGS_ON_STACK];
  const tn_expr **args = x->nargs <= ARGS_ON_STACK ? room : TNI_NEW_ARRAY(&w->r->arena, const tn_expr *, x->nargs);
  bool changed = false;
  for (int i = 0; args && i < x->nargs; i++) {
    if (!(args[i] = rewrite_node(w, x->arg[i]))) return NULL;
    changed |= args[i] != x->arg[i];
  }
  return !args ? NULL : changed ? tni_with_args(w->r, x, args) : x;
}

static const tn_expr *rewrite_node(rewriter *w, const tn_expr *x) {
  if (w->map->only && !(tni_held(x) & w->map->only)) return x;
  const tn_expr *known = map_get(w->map, x);
  if (known) return known;
  const tn_expr *y = x->nargs ? rewrite_args(w, x) : x;
  y = y ? w->fn(w->self, w->r, y) : NULL;
  if (y) map_put(w->map, x, y);
  return w->map->failed ? NULL : y;
}

const tn_expr *tni_expr_rewrite_more(tni_region *r, tni_rewrites *done, const tn_expr *x, tni_expr_fn rewrite,
                                     void *self) {
  if (!x) return NULL;
  rewriter w = {.r = r, .fn = rewrite, .self = self, .map = done};
  const tn_expr *y = rewrite_node(&w, x);
  r->arena.failed |= done->failed;
  return y;
}

const tn_expr *tni_expr_rewrite(tni_region *r, const tn_expr *x, tni_expr_fn rewrite, void *self) {
  tni_rewrites_room room;
  tni_rewrites done = tni_rewrites_in(r->arena.ctx, &room, 0);
  const tn_expr *y = tni_expr_rewrite_more(r, &done, x, rewrite, self);
  map_destroy(&done);
  return y;
}

typedef struct maker {
  tni_region *r;
  tni_make_fn fn;
  void *self;
  node_map *map;
} maker;

static const tn_expr *make_node(maker *m, const tn_expr *x) {
  const tn_expr *known = map_get(m->map, x), *room[ARGS_ON_STACK];
  if (known) return known;
  const tn_expr **args = x->nargs <= ARGS_ON_STACK ? room : TNI_NEW_ARRAY(&m->r->arena, const tn_expr *, x->nargs);
  for (int i = 0; args && i < x->nargs; i++)
    if (!(args[i] = make_node(m, x->arg[i]))) return NULL;
  const tn_expr *y = args ? m->fn(m->self, m->r, x, args) : NULL;
  if (y) map_put(m->map, x, y);
  return m->map->failed ? NULL : y;
}

const tn_expr *tni_expr_remake(tni_region *r, tni_rewrites *done, const tn_expr *x, tni_make_fn make, void *self) {
  maker m = {.r = r, .fn = make, .self = self, .map = done};
  const tn_expr *y = x ? make_node(&m, x) : NULL;
  r->arena.failed |= done->failed;
  return y;
}

void tni_rewrites_forget(tni_rewrites *done) {
  if (done->size > KEPT_SLOTS) {
    tn_context *ctx = done->ctx;
    map_destroy(done);
    *done = (tni_rewrites){.ctx = ctx, .only = done->only};
  } else if (done->used) {
    memset(done->taken, 0, done->size / 8);
    done->used = 0;
  }
}

void tni_rewrites_destroy(tni_rewrites *done) { map_destroy(done); }

typedef struct visitor {
  void (*fn)(void *self, const tn_expr *x);
  void *self;
  uint32_t only; /* not 0: nodes that hold none of this are passed over */
  node_map seen;
} visitor;

static void visit_node(visitor *v, const tn_expr *x) {
  if (v->only && !(tni_held(x) & v->only)) return;
  if (x->nargs && map_get(&v->seen, x)) return;
  for (int i = 0; i < x->nargs; i++) visit_node(v, x->arg[i]);
  if (x->nargs) map_put(&v->seen, x, x);
  v->fn(v->self, x);
}

static void visit_some(tn_context *ctx, const tn_expr *x, uint32_t only, void (*visit)(void *self, const tn_expr *x),
                       void *self) {
  if (!x || (only && !(tni_held(x) & only))) return;
  if (!x->nargs) {
    visit(self, x);
    return;
  }
  tni_rewrites_room room;
  visitor v = {.fn = visit, .self = self, .only = only, .seen = tni_rewrites_in(ctx, &room, 0)};
  visit_node(&v, x);
  map_destroy(&v.seen);
}

void tni_expr_visit(tn_context *ctx, const tn_expr *x, void (*visit)(void *self, const tn_expr *x), void *self) {
  visit_some(ctx, x, 0, visit, self);
}

void tni_expr_visit_memory(tn_context *ctx, const tn_expr *x, void (*visit)(void *self, const tn_expr *x), void *self) {
  visit_some(ctx, x, TNI_HOLDS_LOAD | TNI_HOLDS_ADDRESS, visit, self);
}

typedef struct search {
  const tn_expr *var;
  uint32_t held; /* by it */
  int budget;    /* of a walk that sees shared nodes again */
  bool found;
} search;

static void look(void *self, const tn_expr *x) {
  search *s = self;
  s->found |= x == s->var;
}

static void look_quickly(search *s, const tn_expr *x) {
  s->found |= x == s->var;
  for (int i = 0; i < x->nargs && !s->found && s->budget > 0; i++)
    if ((tni_held(x->arg[i]) & s->held) == s->held) {
      s->budget--;
      look_quickly(s, x->arg[i]);
    }
}

bool tni_expr_uses(tn_context *ctx, const tn_expr *x, const tn_expr *var) {
  search s = {.var = var, .held = var ? tni_held(var) : 0, .budget = FEW};
  if (!x || !var || (tni_held(x) & s.held) != s.held) return false;
  look_quickly(&s, x);
  if (!s.found && s.budget <= 0) tni_expr_visit(ctx, x, look, &s);
  return s.found;
}

/* ---- substitution ---- */

const tn_expr *tni_replace_var(void *self, tni_region *r, const tn_expr *x) {
  (void)r;
  const tni_subst *subst = self;
  if (x->op == TN_OP_var)
    for (size_t i = 0; i < subst->count; i++)
      if (subst->vars[i] == x) return subst->values[i];
  return x;
}

uint32_t tni_held_by(const tni_subst *subst) {
  uint32_t held = 0;
  for (size_t i = 0; i < subst->count; i++) held |= tni_held(subst->vars[i]);
  return held;
}

const tn_expr *tni_expr_subst(tni_region *r, const tn_expr *x, const tni_subst *subst) {
  uint32_t held = tni_held_by(subst);
  if (!x || !(tni_held(x) & held)) return x;
  tni_rewrites_room room;
  tni_rewrites done = tni_rewrites_in(r->arena.ctx, &room, held);
  const tn_expr *y = tni_expr_rewrite_more(r, &done, x, tni_replace_var, (void *)subst);
  map_destroy(&done);
  return y;
}
