/* apart.c -- are the iterations of a concurrent loop surely apart from one another (race.c), also where threads wait for each
 * other in it?
 *
 * Loops over threads are cut at their barriers (lower/barriers.c), and copies done where they start: what is asked of a loop is
 * asked of all of its pieces. A barrier of shared memory does not order what is done to other memory, which is asked about on a
 * second side, where only barriers of all memory cut. Pieces with no barrier between, of which one ends before a loop or branch
 * and the other begins in it, must not touch the same buffer, unless each thread has its own elements by its number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/lower.h"
#include "verify/verify.h"

static const tn_stmt *drop_shared(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  bool drops = s->kind == TNI_BARRIER && s->as.barrier.scope == TNI_SCOPE_SHARED;
  return drops ? tni_seq(r, 0, NULL) : s;
}

/* Keeps the accesses of shared memory, or the others. */
static void keep_accesses(tni_accesses *accesses, bool shared) {
  size_t kept = 0;
  for (size_t i = 0; i < accesses->count; i++)
    if ((accesses->items[i].buffer->scope == TNI_SCOPE_SHARED) == shared) accesses->items[kept++] = accesses->items[i];
  accesses->count = kept;
}

/* ---- pieces without a barrier between ------------------------------------------------------------------------------ */

enum { MAX_TOUCHED = 32, MAX_NEST = 6, MAX_THREADS = 3 };

/* A buffer that threads touch; by[d]: the loop over threads whose variable subscript d always is, or NULL. */
typedef struct touch {
  const tn_buffer *buffer;
  bool writes;
  const tn_expr *by[TN_MAX_RANK];
} touch;

/* What threads may have touched since the last barrier. */
typedef struct touched {
  int count;
  touch items[MAX_TOUCHED];
} touched;

typedef struct neighbours {
  tn_context *ctx;
  const tn_buffer *own[MAX_TOUCHED]; /* allocated around; by each thread, from the first own on */
  const tn_expr *threads[MAX_THREADS];
  int own_count, first_own, thread_count, nest;
  touched piece; /* of the one at hand */
  bool meet;     /* or there is no room to know */
} neighbours;

static void join_touch(neighbours *n, touched *t, const touch *x) {
  int i = 0;
  while (i < t->count && t->items[i].buffer != x->buffer) i++;
  n->meet |= i == MAX_TOUCHED;
  if (n->meet) return;
  if (i == t->count) {
    t->items[t->count++] = *x;
    return;
  }
  t->items[i].writes |= x->writes;
  for (int d = 0; d < TN_MAX_RANK; d++)
    if (t->items[i].by[d] != x->by[d]) t->items[i].by[d] = NULL;
}

static void join(neighbours *n, touched *t, const touched *other) {
  for (int i = 0; i < other->count; i++) join_touch(n, t, &other->items[i]);
}

static void see_access(neighbours *n, const tn_buffer *buffer, const tn_expr *const *index, bool write) {
  touch x = {.buffer = buffer, .writes = write};
  for (int k = n->first_own; k < n->own_count; k++)
    if (n->own[k] == buffer) return;
  for (int32_t d = 0; d < buffer->rank; d++)
    for (int k = 0; k < n->thread_count; k++)
      if (index[d] == n->threads[k]) x.by[d] = index[d];
  join_touch(n, &n->piece, &x);
}

static void see_load(void *self, const tn_expr *x) {
  if (x->op == TN_OP_load) see_access(self, x->as.buffer, x->arg, false);
}

static bool see_write(void *self, const tn_stmt *s) {
  if (tni_is_write(s)) see_access(self, s->as.store.buffer, s->as.store.index, true);
  return true;
}

/* Does each thread touch elements of its own? Then every loop over threads gives one subscript, the same in both. */
static bool is_own(const neighbours *n, const touch *a, const touch *b) {
  int found = 0;
  for (int k = 0; k < n->thread_count; k++) {
    bool gives = false;
    for (int d = 0; d < TN_MAX_RANK; d++) gives |= a->by[d] == n->threads[k] && b->by[d] == n->threads[k];
    found += gives;
  }
  return found == n->thread_count;
}

/* One more piece, which joins what was touched before. */
static void add_piece(neighbours *n, touched *before) {
  for (int i = 0; i < n->piece.count; i++)
    for (int k = 0; k < before->count; k++) {
      const touch *a = &n->piece.items[i], *b = &before->items[k];
      n->meet |= a->buffer == b->buffer && (a->writes || b->writes) && !is_own(n, a, b);
    }
  join(n, before, &n->piece);
  n->piece.count = 0;
}

static void walk(neighbours *n, const tn_stmt *s, touched *t);

/* A run of statements without a barrier is one piece. */
static void walk_seq(neighbours *n, const tn_stmt *s, touched *t) {
  for (int32_t i = 0; i < s->as.seq.count; i++) {
    const tn_stmt *item = s->as.seq.stmts[i];
    if (tni_first_barrier(item)) {
      add_piece(n, t);
      walk(n, item, t);
    } else {
      tni_stmt_visit_exprs(n->ctx, item, see_load, n);
      tni_stmt_visit(item, see_write, n);
    }
  }
  add_piece(n, t);
}

/* A thread for each of those around. What was allocated outside is theirs together. */
static void walk_threads(neighbours *n, const tn_stmt *s, touched *t) {
  int first = n->first_own;
  n->first_own = n->own_count;
  n->threads[n->thread_count++] = s->as.loop.var;
  walk(n, s->as.loop.body, t);
  n->thread_count--;
  n->first_own = first;
}

/* The end of an iteration meets the beginning of the next. */
static void walk_loop(neighbours *n, const tn_stmt *s, touched *t) {
  touched none = *t;
  n->meet |= ++n->nest > MAX_NEST;
  for (int k = 0; k < 2 && !n->meet; k++) walk(n, s->as.loop.body, t);
  n->nest--;
  join(n, t, &none);
}

static void walk_if(neighbours *n, const tn_stmt *s, touched *t) {
  touched other = *t;
  walk(n, s->as.cond.then, t);
  if (s->as.cond.otherwise) walk(n, s->as.cond.otherwise, &other);
  join(n, t, &other);
}

static void walk_alloc(neighbours *n, const tn_stmt *s, touched *t) {
  n->meet |= n->own_count == MAX_TOUCHED;
  if (n->meet) return;
  n->own[n->own_count++] = s->as.alloc.buffer;
  walk(n, s->as.alloc.body, t);
  n->own_count--;
}

/* s is of the body of a loop over threads; `t` was touched before, and is then what was touched after it. */
static void walk(neighbours *n, const tn_stmt *s, touched *t) {
  if (n->meet) return;
  if (s->kind == TNI_BARRIER) {
    t->count = 0;
  } else if (s->kind == TNI_SEQ || !tni_first_barrier(s)) {
    const tn_stmt one = {.kind = TNI_SEQ, .as.seq = {1, &s}};
    walk_seq(n, s->kind == TNI_SEQ ? s : &one, t);
  } else if (s->kind == TNI_FOR && tni_is_thread_bound(s->as.loop.kind)) {
    walk_threads(n, s, t);
  } else if (s->kind == TNI_FOR) {
    walk_loop(n, s, t);
  } else if (s->kind == TNI_IF) {
    walk_if(n, s, t);
  } else if (s->kind == TNI_ALLOC) {
    walk_alloc(n, s, t);
  } else { /* a let, assert or assume: a piece with what it reads */
    tni_expr_visit(n->ctx, tni_own_expr(s), see_load, n);
    add_piece(n, t);
    walk(n, tni_rest(s), t);
  }
}

static bool see_team(void *self, const tn_stmt *s) {
  neighbours *n = self;
  touched none = {0};
  bool team = s->kind == TNI_FOR && tni_is_thread_bound(s->as.loop.kind) && tni_first_barrier(s);
  if (team) walk_threads(n, s, &none);
  return !team && !n->meet;
}

/* ---- what is asked ------------------------------------------------------------------------------------------------- */

static bool make_side(tni_apart *a, const tn_func *func, bool shared) {
  tni_apart_side *side = &a->sides[a->count++];
  tni_region *r = &a->region;
  const tn_stmt *body = tni_lower_copies(r, func->body);
  if (body && !shared) body = tni_stmt_rewrite(r, body, NULL, drop_shared, NULL);
  neighbours n = {.ctx = func->program->ctx};
  tni_stmt_visit(body, see_team, &n);
  a->meet |= n.meet;
  side->func = tni_func_with_body(r, func, func->level, tni_lower_barriers(r, body, &side->pieces));
  if (!side->func || !tni_accesses_collect(r, side->func->body, &side->accesses)) return false;
  if (a->cut) keep_accesses(&side->accesses, shared);
  side->accesses.literal = a->rewritten;
  return true;
}

void tni_apart_init(tni_apart *a, const tn_func *func) {
  *a = (tni_apart){.cut = tni_first_barrier(func->body) != NULL, .rewritten = tni_first_sync(func->body) != NULL};
  tni_region_init_below(&a->region, func);
  a->failed = !make_side(a, func, true) || (a->cut && !make_side(a, func, false));
}

void tni_apart_destroy(tni_apart *a) {
  for (int i = 0; i < a->count; i++) tni_accesses_destroy(&a->sides[i].accesses);
  tni_region_destroy(&a->region);
}

/* The loop's variable, or that of the loop it is a piece of. */
static const tn_expr *origin_of(const tni_apart_side *side, const tn_expr *var) {
  for (const tni_piece *p = side->pieces; p; p = p->next)
    if (p->var == var) return p->of;
  return var;
}

typedef struct loop_search {
  tni_apart *a;
  const tni_apart_side *side;
  const tn_expr *var;
  const void *mark;
  const char *why;
} loop_search;

static bool ask_loop(void *self, const tn_stmt *s) {
  loop_search *q = self;
  if (s->kind != TNI_FOR || q->why || origin_of(q->side, s->as.loop.var) != q->var) return !q->why;
  q->why = tni_why_not_concurrent_among(&q->a->region, q->side->func, &q->side->accesses, s, &q->mark);
  if (q->mark == s->as.loop.var || q->a->rewritten) q->mark = q->var; /* what was written for it is not in the program */
  return !q->why;
}

const char *tni_apart_why_not(tni_apart *a, const tn_stmt *loop, const void **mark) {
  loop_search q = {.a = a, .var = loop->as.loop.var, .mark = loop->as.loop.var};
  if (a->meet && tni_first_barrier(loop)) q.why = "there is not always a barrier between what threads do to the same buffer";
  for (int i = 0; i < a->count && !q.why && !a->failed; i++) {
    q.side = &a->sides[i];
    tni_stmt_visit(q.side->func->body, ask_loop, &q);
  }
  a->failed |= a->region.arena.failed;
  *mark = q.mark;
  return q.why;
}
