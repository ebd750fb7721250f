/* access.c -- every read and write of memory in a body: where it stands, and the box it covers while some loops run.
 *
 * Subscripts are given over loop variables: inside a block, the iterators are replaced by their bindings, and lets by their
 * values (one that reads memory makes a subscript that nothing is known of). The accumulator of a reduction that has its init is
 * no read. Blocks in blocks are not followed: they make the whole opaque,
 * and barriers and copies that are waited for are told: what they order is not in the text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

enum { MAX_DEPTH = 64 };

/* A symbolic extent stands for all extents up to this. */
#define FAR (INT64_C(1) << 36)

typedef struct analysis {
  tni_region *r;
  tni_accesses *out;
  const tn_stmt *only; /* the loop whose accesses are asked for; NULL: all are, or it is around */
  const tn_stmt *stack[MAX_DEPTH];
  int depth;
  const tn_stmt *const *loops; /* the stack as accesses have it; NULL: none did */
  const tn_stmt *block;
  const tn_expr *const *bindings; /* of the block's iterators, over loop variables */
  const tn_expr **vars, **values; /* lets by their values, then the block's iterators by their bindings */
  size_t var_count, var_capacity, value_capacity;
  tni_rewrites done; /* with the values in the places of their variables */
  const tn_stmt
      *states[TNI_MAX_STATES]; /* stores to the elements that init sets: its body's loads of these are no reads */
  int32_t state_count;
  const tn_stmt *asked; /* a store of the block, in so many loops, and whether the guard leaves out none of its elements */
  int asked_depth;
  bool whole;
  bool conditional, reduces, claimed;
  int order;
  const tn_stmt *store;
  bool failed;
} analysis;

/* ---- guards ---- */

/* The same comparison, in whatever region each is. */
static bool is_same(const tn_expr *a, const tn_expr *b) {
  return a && b && a->op == b->op && a->nargs == 2 && a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1];
}

enum tni_guard tni_domain_guard(tni_region *r, const tni_facts *loops, const tni_iter *it, const tn_expr *cond) {
  const tn_expr *below = tni_op2(r, TN_OP_lt, it->binding, it->extent);
  const tn_expr *above = tni_op2(r, TN_OP_le, tni_index(r, 0), it->binding);
  if (is_same(cond, below) || tni_implies(r, loops, below, cond)) return TNI_GUARD_BELOW;
  return is_same(cond, above) || tni_implies(r, loops, above, cond) ? TNI_GUARD_ABOVE : TNI_GUARD_NONE;
}

/* Is iterator `it` one subscript of the store, over the whole dimension? */
static bool spans_dimension(const tni_iter *it, const tn_stmt *store) {
  for (int32_t d = 0; d < store->as.store.count; d++)
    if (store->as.store.index[d] == it->var) return store->as.store.buffer->shape[d] == it->extent;
  return false;
}

/* Does the conjunct say just that? A proof takes longer. */
static bool states_domain(tni_region *r, const tni_iter *it, const tn_expr *cond) {
  return is_same(cond, tni_op2(r, TN_OP_lt, it->binding, it->extent)) ||
         is_same(cond, tni_op2(r, TN_OP_le, tni_index(r, 0), it->binding));
}

static bool guards_domain(tni_region *r, const tni_facts *loops, const tn_stmt *block, const tn_stmt *store,
                          const tn_expr *where) {
  if (where->op == TN_OP_and)
    return guards_domain(r, loops, block, store, where->arg[0]) && guards_domain(r, loops, block, store, where->arg[1]);
  for (int proofs = 0; proofs < 2; proofs++)
    for (int32_t i = 0; i < block->as.block.count; i++) {
      const tni_iter *it = &block->as.block.iters[i];
      if (!it->reduce && !spans_dimension(it, store)) continue;
      if (proofs ? tni_domain_guard(r, loops, it, where) != TNI_GUARD_NONE : states_domain(r, it, where)) return true;
    }
  return false;
}

bool tni_guards_domain(tni_region *r, size_t count, const tn_stmt *const *loops, const tn_stmt *block,
                       const tn_stmt *store) {
  tni_facts facts;
  bool ok = true;
  tni_facts_init(&facts, r->arena.ctx);
  for (size_t i = 0; i < count && ok; i++) ok = tni_facts_bind(&facts, loops[i]->as.loop.var, loops[i]->as.loop.extent);
  ok = ok && guards_domain(r, &facts, block, store, block->as.block.where);
  tni_facts_destroy(&facts);
  return ok;
}

/* ---- recording ---- */

/* A value is put over loop variables when it is asked for the first time: most lets are in no subscript. */
static const tn_expr *value_of(void *self, tni_region *r, const tn_expr *x) {
  analysis *a = self;
  for (size_t i = a->var_count; x->op == TN_OP_var && i-- > 0;)
    if (a->vars[i] == x) return a->values[i] = tni_expr_rewrite_more(r, &a->done, a->values[i], value_of, a);
  return x;
}

/* The expression over loop variables. */
static const tn_expr *over_loops(analysis *a, const tn_expr *x) {
  const tn_expr *y = a->var_count ? tni_expr_rewrite_more(a->r, &a->done, x, value_of, a) : x;
  a->failed |= !y;
  return y;
}

/* From here on the variable is written as its value, which is over variables that were pushed before it. */
static void push_var(analysis *a, const tn_expr *var, const tn_expr *value) {
  tn_context *ctx = a->r->arena.ctx;
  size_t need = a->var_count + 1;
  if (!value || !tni_reserve(ctx, (void **)&a->vars, &a->var_capacity, need, sizeof *a->vars) ||
      !tni_reserve(ctx, (void **)&a->values, &a->value_capacity, need, sizeof *a->values)) {
    a->failed = true;
    return;
  }
  a->vars[a->var_count] = var;
  a->values[a->var_count++] = value;
  a->done.only |= tni_held(var);
}

static void pop_vars(analysis *a, size_t count) {
  a->var_count = count;
  a->done.only = 0;
  for (size_t i = 0; i < count; i++) a->done.only |= tni_held(a->vars[i]);
  tni_rewrites_forget(&a->done);
}

static bool same_place(const tn_stmt *a, const tn_stmt *b) {
  return a->as.store.buffer == b->as.store.buffer &&
         memcmp(a->as.store.index, b->as.store.index, (size_t)a->as.store.count * sizeof(void *)) == 0;
}

/* Does the guard of the block leave out no element of its store? */
static bool stores_whole(analysis *a, const tn_stmt *block, const tn_stmt *store) {
  if (!block->as.block.where) return true;
  if (!a->asked || a->asked_depth != a->depth || !same_place(a->asked, store))
    a->whole = tni_guards_domain(a->r, (size_t)a->depth, a->stack, block, store);
  a->asked = store;
  a->asked_depth = a->depth;
  return a->whole;
}

/* load: of a read, unless it is that of a reduce. */
static void record(analysis *a, const tn_buffer *buffer, bool write, const tn_expr *load, int32_t count,
                   const tn_expr *const *index) {
  tn_context *ctx = a->r->arena.ctx;
  bool guarded = a->block && a->block->as.block.where && !(write && stores_whole(a, a->block, a->store));
  tni_access x = {
      .buffer = buffer, .store = a->store, .order = a->order, .depth = a->depth, .write = write, .block = a->block,
      .bindings = a->bindings};
  x.load = load;
  x.reduces = a->reduces;
  x.conditional = a->conditional || guarded || (load && tni_load_where(load));
  x.claimed = a->claimed;
  if (!a->loops) a->loops = tni_arena_copy(&a->r->arena, a->stack, (size_t)a->depth * sizeof *a->stack);
  x.loops = a->loops;
  x.region = a->r;
  x.covers = TNI_NEW_ARRAY(&a->r->arena, tni_cover *, 1);
  for (int32_t i = 0; i < count; i++)
    x.index[i] = over_loops(a, index[i]);
  if (x.covers) *x.covers = NULL;
  if (!x.loops || !x.covers || a->failed ||
      !tni_reserve(ctx, (void **)&a->out->items, &a->out->capacity, a->out->count + 1, sizeof x)) {
    a->failed = true;
    return;
  }
  a->out->items[a->out->count++] = x;
}

/* Is this an accumulator of the reduction, which init has set? */
static bool is_accumulator(const analysis *a, const tn_expr *load) {
  for (int32_t k = 0; k < a->state_count; k++)
    if (a->states[k]->as.store.buffer == load->as.buffer)
      return memcmp(load->arg, a->states[k]->as.store.index, (size_t)tni_load_count(load) * sizeof(void *)) == 0;
  return false;
}

static void record_reads(void *self, const tn_expr *x) {
  analysis *a = self;
  if (x->op == TNI_OP_ADDRESS) { /* an external may do anything with it: as an access of everything, everywhere */
    a->out->opaque = true;
    return;
  }
  if (x->op == TN_OP_load && !is_accumulator(a, x)) record(a, x->as.buffer, false, x, tni_load_count(x), x->arg);
}

static void collect(analysis *a, const tn_stmt *s);

static void read_all(analysis *a, const tn_expr *x) {
  if (x && !a->only) tni_expr_visit_memory(a->r->arena.ctx, x, record_reads, a);
}

/* Does the first instance of a reduction that its loops run see all reduce iterators 0? */
static bool starts_at_zero(analysis *a, const tn_stmt *block) {
  const tn_expr *vars[MAX_DEPTH], *values[MAX_DEPTH], *zero = tni_index(a->r, 0);
  tni_facts none = {.ctx = a->r->arena.ctx};
  for (int i = 0; i < a->depth; i++) {
    vars[i] = a->stack[i]->as.loop.var;
    values[i] = zero;
  }
  tni_subst subst = {(size_t)a->depth, vars, values};
  for (int32_t i = 0; i < block->as.block.count; i++) {
    if (!block->as.block.iters[i].reduce) continue;
    const tn_expr *first = zero ? tni_expr_subst(a->r, a->bindings[i], &subst) : NULL;
    first = first ? tni_simplify(a->r, &none, first) : NULL;
    a->failed |= !first;
    if (!first || !tni_is_int(first, 0)) return false;
  }
  return true;
}

/* Are the elements that the block stores to set by its init whenever its loops begin with one? */
static bool has_accumulators(analysis *a, const tn_stmt *block) {
  const tn_stmt *stores[TNI_MAX_STATES];
  if (!tni_init_fits(a->r->arena.ctx, block) || !starts_at_zero(a, block)) return false;
  int32_t count = tni_block_stores(a->r->arena.ctx, block, stores);
  for (int32_t k = 0; k < count; k++)
    if (!stores_whole(a, block, stores[k])) return false;
  return true;
}

static void collect_block(analysis *a, const tn_stmt *s) {
  int32_t count = s->as.block.count;
  const tn_expr **bindings = TNI_NEW_ARRAY(&a->r->arena, const tn_expr *, count);
  size_t mark = a->var_count;
  if (a->block) {
    a->out->odd = a->out->opaque = true;
    return;
  }
  for (int32_t i = 0; bindings && i < count; i++) {
    read_all(a, s->as.block.iters[i].binding);
    bindings[i] = over_loops(a, s->as.block.iters[i].binding);
  }
  for (int32_t i = 0; bindings && i < count; i++) push_var(a, s->as.block.iters[i].var, bindings[i]);
  a->failed |= !bindings;
  if (a->failed) return;
  read_all(a, s->as.block.where);
  a->block = s;
  a->asked = NULL;
  a->bindings = bindings;
  if (s->as.block.init) collect(a, s->as.block.init);
  if (has_accumulators(a, s)) a->state_count = tni_block_stores(a->r->arena.ctx, s, a->states);
  collect(a, s->as.block.body);
  a->state_count = 0;
  a->block = NULL;
  a->bindings = NULL;
  pop_vars(a, mark);
}

static void collect_let(analysis *a, const tn_stmt *s) {
  size_t mark = a->var_count;
  read_all(a, s->as.let.value);
  push_var(a, s->as.let.var, s->as.let.value);
  if (!a->failed) collect(a, s->as.let.body);
  pop_vars(a, mark);
}

typedef struct stmt_search {
  const tn_stmt *stmt;
  bool found;
} stmt_search;

static bool see_stmt(void *self, const tn_stmt *s) {
  stmt_search *q = self;
  q->found |= s == q->stmt;
  return !q->found;
}

static bool holds(const tn_stmt *s, const tn_stmt *inner) {
  stmt_search q = {.stmt = inner};
  tni_stmt_visit(s, see_stmt, &q);
  return q.found;
}

static void collect_for(analysis *a, const tn_stmt *s) {
  const tn_stmt *only = a->only;
  read_all(a, s->as.loop.extent);
  if (a->depth == MAX_DEPTH) {
    a->out->odd = a->out->opaque = true;
    return;
  }
  if (s == only) a->only = NULL;
  a->stack[a->depth++] = s;
  a->loops = NULL;
  collect(a, s->as.loop.body);
  a->depth--;
  a->loops = NULL;
  a->only = only;
}

static void collect(analysis *a, const tn_stmt *s) {
  bool before = a->conditional, claimed = a->claimed;
  if (a->only && !holds(s, a->only)) return;
  a->order++;
  switch (s->kind) {
  case TNI_FOR: collect_for(a, s); break;
  case TNI_BLOCK: collect_block(a, s); break;
  case TNI_COPY: /* as if it were done here */
    a->out->waits = true; /* fall through */
  case TNI_STORE:
  case TNI_REDUCE:
    a->store = s;
    read_all(a, s->as.store.value);
    read_all(a, s->as.store.where);
    for (int32_t i = 0; i < s->as.store.count; i++) read_all(a, s->as.store.index[i]);
    a->conditional |= s->as.store.where != NULL;
    a->reduces = s->kind == TNI_REDUCE;
    if (a->reduces) record(a, s->as.store.buffer, false, NULL, s->as.store.count, s->as.store.index);
    record(a, s->as.store.buffer, true, NULL, s->as.store.count, s->as.store.index);
    a->store = NULL;
    a->reduces = false;
    break;
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) collect(a, s->as.seq.stmts[i]);
    break;
  case TNI_IF:
    read_all(a, s->as.cond.cond);
    a->conditional = true;
    collect(a, s->as.cond.then);
    if (s->as.cond.otherwise) collect(a, s->as.cond.otherwise);
    break;
  case TNI_WHILE: /* no loop variable moves in it: each run has the same boxes */
    read_all(a, s->as.repeat.cond);
    a->conditional = true;
    collect(a, s->as.repeat.body);
    break;
  case TNI_ALLOC: collect(a, s->as.alloc.body); break;
  case TNI_LET: collect_let(a, s); break;
  case TNI_ASSERT:
  case TNI_ASSUME:
    read_all(a, s->as.claim.cond);
    a->claimed = true;
    collect(a, s->as.claim.body);
    break;
  case TNI_EVALUATE: read_all(a, s->as.evaluate.call); break;
  case TNI_BARRIER:
  case TNI_COMMIT:
  case TNI_WAIT: a->out->waits = true; break;
  case TNI_PREFETCH: /* touches nothing that a program can see */
  case TNI_STMT_KIND_COUNT: break;
  }
  a->conditional = before;
  a->claimed = claimed;
}

bool tni_accesses_collect(tni_region *r, const tn_stmt *body, tni_accesses *out) {
  return tni_accesses_collect_in(r, body, NULL, out);
}

bool tni_accesses_collect_in(tni_region *r, const tn_stmt *body, const tn_stmt *loop, tni_accesses *out) {
  analysis a = {.r = r, .out = out, .only = loop, .done = {.ctx = r->arena.ctx}};
  *out = (tni_accesses){.ctx = r->arena.ctx};
  collect(&a, body);
  tni_free(out->ctx, a.vars, a.var_capacity * sizeof *a.vars);
  tni_free(out->ctx, a.values, a.value_capacity * sizeof *a.values);
  tni_rewrites_destroy(&a.done);
  return !a.failed;
}

void tni_accesses_destroy(tni_accesses *accesses) {
  tni_free(accesses->ctx, accesses->items, accesses->capacity * sizeof *accesses->items);
}

/* Does a subscript depend on what is in memory, which may be another thing the next time? */
static bool is_indirect(const tni_access *x) {
  bool indirect = false;
  for (int32_t i = 0; i < x->buffer->rank; i++) indirect |= tni_expr_reads(x->index[i]);
  return indirect;
}

bool tni_access_box_open(tni_region *r, const tni_access *x, int depth, int64_t open, tni_itermap *out) {
  const tn_expr *vars[MAX_DEPTH];
  int64_t extents[MAX_DEPTH];
  tni_facts facts;
  tni_facts_init(&facts, r->arena.ctx);
  bool ok = true, bounded = true, exact = true;
  for (int i = 0; ok && i < x->depth; i++) {
    const tn_stmt *loop = x->loops[i];
    int64_t lo, hi;
    tni_bounds(&facts, loop->as.loop.extent, &lo, &hi);
    if (i < depth) {
      ok = tni_facts_bind(&facts, loop->as.loop.var, loop->as.loop.extent);
    } else {
      exact &= tni_is_const(loop->as.loop.extent) && hi > 0;
      bounded &= hi < TNI_INF || open;
      vars[i - depth] = loop->as.loop.var;
      extents[i - depth] = hi < TNI_INF ? hi : open;
    }
  }
  *out = (tni_itermap){0};
  if (ok && bounded && !is_indirect(x))
    ok = tni_itermap_of(r, &facts, (size_t)x->buffer->rank, x->index, (size_t)(x->depth - depth), vars, extents, out);
  out->dense &= exact;
  tni_facts_destroy(&facts);
  return ok;
}

bool tni_access_box(tni_region *r, const tni_access *x, int depth, tni_itermap *out) {
  return tni_access_box_open(r, x, depth, 0, out);
}

/* The loop, from number `depth` on, of unknown extent, that runs just over dimension d and over no other; or -1. */
static int loop_over_dimension(tn_context *ctx, const tni_access *x, int depth, int32_t d) {
  int loop = -1;
  for (int i = depth; i < x->depth; i++)
    if (x->index[d] == x->loops[i]->as.loop.var && x->buffer->shape[d] == x->loops[i]->as.loop.extent) loop = i;
  for (int32_t k = 0; k < x->buffer->rank && loop >= 0; k++)
    if (k != d && tni_expr_uses(ctx, x->index[k], x->index[d])) loop = -1;
  const tn_expr *extent = x->buffer->shape[d];
  return loop < 0 || tni_is_const(extent) || tni_expr_reads(extent) ? -1 : loop;
}

/* tni_access_cover, which nobody has asked before. */
static bool find_cover(tni_region *r, const tni_access *x, int depth, tni_box *out) {
  const tn_stmt *loops[MAX_DEPTH];
  tni_access rest = *x; /* without the dimensions that are known to be whole, and their loops */
  tn_buffer fewer = *x->buffer;
  tni_itermap map, nearer; /* of loops of unknown extent as far as one number, and as another */
  int32_t which[TN_MAX_RANK];
  bool whole[MAX_DEPTH] = {false}, open = false;
  fewer.rank = rest.depth = 0;
  for (int32_t d = 0; d < x->buffer->rank; d++) {
    int loop = loop_over_dimension(r->arena.ctx, x, depth, d);
    if (loop >= 0) {
      whole[loop] = true;
      continue;
    }
    which[fewer.rank] = d;
    rest.index[fewer.rank++] = x->index[d];
  }
  for (int i = 0; i < x->depth; i++) {
    if (whole[i]) continue;
    open |= !tni_is_const(x->loops[i]->as.loop.extent);
    loops[rest.depth++] = x->loops[i];
  }
  rest.buffer = &fewer;
  rest.loops = loops;
  if (!tni_access_box_open(r, &rest, depth, FAR, &map)) return false;
  if (!open)
    nearer = map;
  else if (!tni_access_box_open(r, &rest, depth, FAR / 2, &nearer))
    return false;
  tni_box box = tni_box_of(fewer.rank, &map), other = tni_box_of(fewer.rank, &nearer);
  *out = (tni_box){.exact = box.exact && other.exact};
  for (int32_t k = 0; k < fewer.rank; k++) {
    if (box.extents[k] != other.extents[k] || box.bases[k] != other.bases[k]) continue; /* an unknown extent reaches in */
    out->bases[which[k]] = box.bases[k];
    out->extents[which[k]] = box.extents[k];
  }
  return true;
}

bool tni_access_cover(tni_region *r, const tni_access *x, int depth, tni_box *out) {
  bool kept = r == x->region; /* in another one it may not stay */
  for (const tni_cover *c = kept ? *x->covers : NULL; c; c = c->next)
    if (c->depth == depth) {
      *out = c->box;
      return true;
    }
  if (!find_cover(r, x, depth, out)) return false;
  if (!kept) return true;
  tni_cover found = {*x->covers, depth, *out};
  *x->covers = tni_arena_copy(&r->arena, &found, sizeof found);
  return *x->covers != NULL;
}
