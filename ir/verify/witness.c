/* witness.c -- two iterations of a concurrent loop that touch the same element, one of them writing it.
 *
 * The first iterations are gone through: loops around stand at 0, loops inside run. What stands under a condition, behind an
 * assert or in a loop of unknown extent is left out, since it may never happen; so is what no longer fits into the room. Of a
 * vector the first lane counts. Threads meet between two barriers. A buffer that is made in the loop belongs to its
 * iteration. So what is found is there, but not all that is there is found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verify/verify.h"

enum { MAX_ITERATIONS = 17, MAX_TOUCHES = 24, MAX_STEPS = 400, MAX_KNOWN = 96, MAX_OWN = 16, SLOTS = 512 };
/* Touches and steps are for each iteration. */

typedef struct touch {
  const tn_buffer *buffer;
  const tn_stmt *stmt;
  int64_t iteration, index[TN_MAX_RANK];
  int32_t count;
  int64_t phase; /* barriers before it that order the memory */
  bool writes;
  int op;      /* of a reduce, else -1 */
  size_t next; /* with the same hash: number + 1 */
} touch;

typedef struct walk {
  tni_verifier *v;
  const tn_expr *vars[MAX_KNOWN];
  int64_t values[MAX_KNOWN];
  const tn_buffer *own[MAX_OWN];
  touch *touches;
  size_t known, own_count, touch_count, room; /* room: for touches of this iteration and those before */
  int64_t iteration;
  int64_t phase, shared_phase; /* barriers of this iteration that order all memory, and the shared one */
  bool threads;  /* the iterations are threads, which barriers order */
  int steps;     /* left for this iteration */
  tni_map nodes; /* of the statement at hand */
  bool failed;   /* no memory */
} walk;

/* ---- the value of an index here ---- */

static bool find_value(const walk *w, const tn_expr *var, int64_t *out) {
  for (size_t i = w->known; i > 0; i--)
    if (w->vars[i - 1] == var) {
      *out = w->values[i - 1];
      return true;
    }
  const tni_scoped *b = tni_verify_find(w->v, var);
  *out = 0; /* what a loop around begins with */
  return b && b->live && b->exact && !b->iterator;
}

static bool evaluate(walk *w, const tn_expr *x, int64_t *out) {
  tni_scalar args[3];
  if (--w->steps < 0 || TN_TYPE_CODE(x->type) != TN_CODE_INDEX) return false;
  switch (x->op) {
  case TN_OP_const: *out = x->as.i; return true;
  case TN_OP_ramp:
  case TN_OP_broadcast: return evaluate(w, x->arg[0], out);
  case TN_OP_var: return find_value(w, x, out);
  default: break;
  }
  if (!tni_op_has_rule(x->op) || x->op == TN_OP_select || x->nargs > 3) return false;
  for (int i = 0; i < x->nargs; i++)
    if (!evaluate(w, x->arg[i], &args[i].i)) return false;
  *out = tni_eval_op((enum tn_op)x->op, TN_INDEX, args).i;
  return true;
}

/* Without room its uses are not known. */
static void know(walk *w, const tn_expr *var, int64_t value) {
  if (w->known == MAX_KNOWN) return;
  w->vars[w->known] = var;
  w->values[w->known++] = value;
}

/* ---- what is touched ---- */

static void touch_element(walk *w, const tn_stmt *s, const tn_buffer *buffer, int32_t count,
                          const tn_expr *const *index, bool writes) {
  touch t = {.buffer = buffer, .stmt = s, .iteration = w->iteration, .count = count, .writes = writes, .op = -1};
  for (size_t i = 0; i < w->own_count; i++)
    if (w->own[i] == buffer) return;
  if (s->kind == TNI_REDUCE && writes) t.op = (int)s->as.store.op;
  t.phase = buffer->scope == TNI_SCOPE_SHARED ? w->shared_phase : w->phase;
  for (int32_t i = 0; i < count; i++)
    if (!evaluate(w, index[i], &t.index[i])) return;
  if (w->touch_count < w->room) w->touches[w->touch_count++] = t;
}

static void touch_loads(walk *w, const tn_stmt *s, const tn_expr *x) {
  size_t n = w->nodes.count;
  w->failed |= !tni_map_add_dag(&w->nodes, x);
  for (; !w->failed && n < w->nodes.count && --w->steps > 0; n++) {
    const tn_expr *node = w->nodes.entries[n].key;
    if (node->op == TN_OP_load && !tni_load_where(node))
      touch_element(w, s, node->as.buffer, tni_load_count(node), node->arg, false);
  }
}

static void walk_stmt(walk *w, const tn_stmt *s);

static void walk_store(walk *w, const tn_stmt *s) {
  if (s->as.store.where) return;
  for (int32_t i = 0; i < s->as.store.count; i++) touch_loads(w, s, s->as.store.index[i]);
  touch_loads(w, s, s->as.store.value);
  touch_element(w, s, s->as.store.buffer, s->as.store.count, s->as.store.index, true);
}

/* Barriers that may be behind are not counted: nothing after s can be told from what is before it. */
static void skip(walk *w, const tn_stmt *s) {
  if (w->threads && tni_first_barrier(s)) w->steps = 0;
}

/* Threads come to the same barriers. */
static void walk_loop(walk *w, const tn_stmt *s) {
  size_t known = w->known;
  int64_t phase = w->phase, shared_phase = w->shared_phase;
  if (!tni_is_const(s->as.loop.extent)) {
    skip(w, s);
    return;
  }
  for (int64_t i = 0; i < s->as.loop.extent->as.i && w->steps > 0 && w->touch_count < w->room; i++) {
    if (tni_is_thread_bound(s->as.loop.kind)) {
      w->phase = phase;
      w->shared_phase = shared_phase;
    }
    know(w, s->as.loop.var, i);
    walk_stmt(w, s->as.loop.body);
    w->known = known;
  }
}

/* Only if all of its bindings are known. */
static void walk_block(walk *w, const tn_stmt *s) {
  size_t known = w->known, count = (size_t)s->as.block.count;
  bool first = true;
  if (s->as.block.where || known + count > MAX_KNOWN) return;
  for (size_t i = 0; i < count; i++) {
    int64_t *value = &w->values[known + i];
    if (!evaluate(w, s->as.block.iters[i].binding, value)) return;
    first = first && (*value == 0 || !s->as.block.iters[i].reduce);
    w->vars[known + i] = s->as.block.iters[i].var;
  }
  w->known += count;
  if (s->as.block.init && first) walk_stmt(w, s->as.block.init);
  walk_stmt(w, s->as.block.body);
  w->known = known;
}

static void walk_let(walk *w, const tn_stmt *s) {
  size_t known = w->known;
  int64_t value;
  touch_loads(w, s, s->as.let.value);
  if (evaluate(w, s->as.let.value, &value)) know(w, s->as.let.var, value);
  walk_stmt(w, s->as.let.body);
  w->known = known;
}

static void walk_alloc(walk *w, const tn_stmt *s) {
  if (w->own_count == MAX_OWN) {
    skip(w, s);
    return;
  }
  w->own[w->own_count++] = s->as.alloc.buffer;
  walk_stmt(w, s->as.alloc.body);
  w->own_count--;
}

static void walk_barrier(walk *w, const tn_stmt *s) {
  w->shared_phase += w->threads;
  w->phase += w->threads && s->as.barrier.scope == TNI_SCOPE_GLOBAL;
}

static void walk_stmt(walk *w, const tn_stmt *s) {
  if (--w->steps < 0 || w->failed) return;
  tni_map_clear(&w->nodes);
  switch (s->kind) {
  case TNI_FOR: walk_loop(w, s); break;
  case TNI_BLOCK: walk_block(w, s); break;
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY: walk_store(w, s); break;
  case TNI_ALLOC: walk_alloc(w, s); break;
  case TNI_LET: walk_let(w, s); break;
  case TNI_ASSUME: walk_stmt(w, s->as.claim.body); break;
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) walk_stmt(w, s->as.seq.stmts[i]);
    break;
  case TNI_BARRIER: walk_barrier(w, s); break;
  default: skip(w, s); break; /* may do nothing, or something else than touching elements */
  }
}

/* ---- two that meet ---- */

static bool meet(const touch *a, const touch *b) {
  return a->buffer == b->buffer && a->phase == b->phase && a->iteration != b->iteration && (a->writes || b->writes) &&
         (a->op < 0 || a->op != b->op) && memcmp(a->index, b->index, (size_t)a->count * sizeof *a->index) == 0;
}

/* Does lowering give each iteration a buffer of its own? */
static bool is_own(walk *w, const tn_buffer *buffer, const tn_stmt *loop) {
  const tn_func *func = w->v->func;
  if (func->level == TNI_LEVEL_LOOP || tni_is_param(func, buffer) || buffer->scope == TNI_SCOPE_SHARED) return false;
  tni_region scratch;
  tni_region_init_below(&scratch, func);
  bool own = tni_is_private_to(&scratch, func->body, buffer, loop);
  w->failed |= scratch.arena.failed;
  tni_region_destroy(&scratch);
  return own;
}

static void tell(walk *w, const tn_stmt *loop, const touch *a, const touch *b) {
  tni_text element;
  tni_text_init(&element, w->v->ctx);
  for (int32_t i = 0; i < b->count; i++) tni_text_add(&element, "%s%lld", i ? ", " : "", (long long)b->index[i]);
  w->failed |= element.failed;
  w->v->stmt = b->stmt;
  tni_verify_fail(w->v, b->stmt, "iteration %lld of the concurrent loop `%s` %s %s[%s], which iteration %lld %s%s",
                  (long long)b->iteration, loop->as.loop.var->as.name, b->writes ? "writes" : "reads", b->buffer->name,
                  element.data ? element.data : "", (long long)a->iteration, a->writes ? "writes" : "reads",
                  a->stmt == b->stmt ? "" : " here:");
  if (a->stmt != b->stmt) tni_findings_add_place(w->v->findings, w->v->func, a->stmt, a->stmt);
  tni_text_destroy(&element);
}

static size_t slot_of(const touch *t) {
  uint64_t hash = (uint64_t)(uintptr_t)t->buffer >> 4;
  for (int32_t i = 0; i < t->count; i++) hash = (hash ^ (uint64_t)t->index[i]) * UINT64_C(0x9e3779b97f4a7c15);
  return (size_t)(hash >> 32) % SLOTS;
}

/* True: none do. */
static bool compare(walk *w, const tn_stmt *loop) {
  size_t slots[SLOTS] = {0};
  for (size_t k = 0; k < w->touch_count; k++) {
    size_t *slot = &slots[slot_of(&w->touches[k])];
    const touch *first = NULL;
    for (size_t i = *slot; i; i = w->touches[i - 1].next)
      if (meet(&w->touches[i - 1], &w->touches[k])) first = &w->touches[i - 1];
    if (first && !is_own(w, first->buffer, loop) && !w->failed) {
      tell(w, loop, first, &w->touches[k]);
      return false;
    }
    w->touches[k].next = *slot;
    *slot = k + 1;
  }
  return true;
}

bool tni_verify_meetings(tni_verifier *v, const tn_stmt *loop) {
  const tn_expr *extent = loop->as.loop.extent;
  walk w = {.v = v, .threads = tni_is_thread_bound(loop->as.loop.kind)};
  if (!tni_is_const(extent)) return true;
  w.touches = tni_alloc(v->ctx, MAX_ITERATIONS * MAX_TOUCHES * sizeof *w.touches);
  if (!w.touches) return tni_verify_nomem(v);
  tni_map_init(&w.nodes, v->ctx);
  for (w.iteration = 0; w.iteration < extent->as.i && w.iteration < MAX_ITERATIONS; w.iteration++) {
    w.known = 0;
    w.room = w.touch_count + MAX_TOUCHES;
    w.steps = MAX_STEPS;
    w.phase = w.shared_phase = 0;
    know(&w, loop->as.loop.var, w.iteration);
    walk_stmt(&w, loop->as.loop.body);
  }
  bool good = compare(&w, loop);
  tni_map_destroy(&w.nodes);
  tni_free(v->ctx, w.touches, MAX_ITERATIONS * MAX_TOUCHES * sizeof *w.touches);
  return w.failed ? tni_verify_nomem(v) : good;
}
