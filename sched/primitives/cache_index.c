/* cache_index.c -- what a block computes to find what it reads stands in tables.
 *
 *     block C(i, j) { C[i, j] = A[i * 3 // 7 + j] }                                                 cache_index(C)
 *       ->
 *     block C_index(i, j) { C_index[i, j] = cast(i32, i * 3 // 7 + j) }
 *     block C(i, j) { C[i, j] = A[max(min(cast(index, C_index[i, j]), 9), 0)] }
 *
 * A table has a dimension for each iterator that the expression uses, and i32 elements where all its values fit, else
 * i64. Taken are the largest expressions that stand in at least so many subscripts. Those of stores stay, so that it
 * goes on to be known what is written; and where a subscript is known to be inside of its buffer it goes on to be, by
 * bounds that it has anyway.
 *
 * needs: subscripts that are computed of iterators and parameters
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_PARTS = 256, MAX_TABLES = 16 };

typedef struct table {
  const tn_expr *x; /* over the block's iterators */
  tni_places p;     /* these, each a dimension */
  const tn_buffer *buffer;
} table;

typedef struct indexing {
  tni_step *step;
  tni_region *r;
  const tn_stmt *block;
  tni_reads written; /* what the block stores to: where it reads that stays */
  size_t part_count, count;
  const tn_expr *parts[MAX_PARTS]; /* of subscripts; */
  int64_t uses[MAX_PARTS];         /* of how many */
  table tables[MAX_TABLES];
  tn_status status;
} indexing;

/* ---- what is worth a table --------------------------------------------------------------------------------------- */

static bool is_read(const indexing *q, const tn_expr *x) {
  if (x->op != TN_OP_load) return false;
  for (size_t i = 0; i < q->written.count; i++)
    if (q->written.items[i] == x->as.buffer) return false;
  return true;
}

static void count_part(void *self, const tn_expr *x) {
  indexing *q = self;
  size_t i = 0;
  while (i < q->part_count && q->parts[i] != x) i++;
  if (i == MAX_PARTS) return;
  q->part_count += i == q->part_count;
  q->parts[i] = x;
  q->uses[i]++;
}

static void count_parts(void *self, const tn_expr *x) {
  indexing *q = self;
  for (int32_t d = 0; is_read(q, x) && d < tni_load_count(x); d++)
    tni_expr_visit(q->r->arena.ctx, x->arg[d], count_part, q);
}

static int64_t uses_of(const indexing *q, const tn_expr *x) {
  for (size_t i = 0; i < q->part_count; i++)
    if (q->parts[i] == x) return q->uses[i];
  return 0;
}

static const table *table_of(const indexing *q, const tn_expr *x) {
  for (size_t i = 0; i < q->count; i++)
    if (q->tables[i].x == x) return &q->tables[i];
  return NULL;
}

/* Can it be computed before the block, and has it a dimension? */
static bool is_tabular(indexing *q, const tn_expr *x, tni_places *p) {
  if (x->type != TN_INDEX || x->nargs == 0 || !tni_is_of_iterators(q->step->s, q->block, x)) return false;
  q->status = tni_iter_places(q->step, q->block, 1, &x, p);
  for (int32_t d = 0; d < p->count && !q->status; d++)
    if (!tni_is_of_function(q->step->s, p->extents[d])) return false;
  return !q->status && p->count > 0;
}

static void choose(indexing *q, const tn_expr *x) {
  tni_places p;
  if (q->status || x->op == TN_OP_load || table_of(q, x)) return;
  if (uses_of(q, x) >= q->step->args[2].number && is_tabular(q, x, &p)) {
    if (q->count < MAX_TABLES) q->tables[q->count++] = (table){x, p, NULL};
    return;
  }
  for (int i = 0; i < x->nargs; i++) choose(q, x->arg[i]);
}

static void choose_of(void *self, const tn_expr *x) {
  indexing *q = self;
  for (int32_t d = 0; is_read(q, x) && d < tni_load_count(x); d++) choose(q, x->arg[d]);
}

/* ---- the tables -------------------------------------------------------------------------------------------------- */

static bool know_iters(const indexing *q, tni_facts *facts) {
  bool ok = true;
  tni_facts_init(facts, q->r->arena.ctx);
  for (int32_t i = 0; ok && i < q->block->as.block.count; i++)
    ok = tni_facts_bind(facts, q->block->as.block.iters[i].var, q->block->as.block.iters[i].extent);
  return ok;
}

/* for.. { block NAME(iterators) { table[iterators] = x } } */
static const tn_stmt *fill_table(indexing *q, table *t, const char *name, enum tni_scope scope) {
  tni_iter iters[TN_MAX_RANK];
  const tn_expr *vars[TN_MAX_RANK];
  tni_subst own = {(size_t)t->p.count, t->p.vars, vars};
  tni_facts facts;
  int64_t lo = -TNI_INF, hi = TNI_INF;
  if (know_iters(q, &facts)) tni_bounds(&facts, t->x, &lo, &hi);
  tni_facts_destroy(&facts);
  tn_type type = lo >= INT32_MIN && hi <= INT32_MAX ? TN_I32 : TN_I64;
  t->buffer = name ? tni_buffer(q->r, name, type, scope, t->p.count, t->p.extents) : NULL;
  if (!t->buffer) return NULL;
  for (int32_t d = 0; d < t->p.count; d++) {
    if (!(vars[d] = tni_var(q->r, t->p.vars[d]->as.name, TN_INDEX))) return NULL;
    iters[d] = (tni_iter){.var = vars[d], .extent = t->p.extents[d]};
  }
  const tn_expr *value = tni_cast(q->r, type, tni_expr_subst(q->r, t->x, &own));
  return tni_iter_nest(q->r, name, t->p.count, iters, tni_store(q->r, t->buffer, t->p.count, vars, value, NULL));
}

/* ---- the block --------------------------------------------------------------------------------------------------- */

static const tn_expr *look_up(indexing *q, const tn_expr *x) {
  const tn_expr *args[TN_MAX_RANK + 1];
  const table *t = table_of(q, x);
  if (t)
    return tni_cast(q->r, TN_INDEX, tni_load(q->r, t->buffer->type, t->buffer, (size_t)t->p.count, t->p.vars, NULL));
  if (x->op == TN_OP_load || x->nargs > TN_MAX_RANK) return x;
  for (int i = 0; i < x->nargs; i++)
    if (!(args[i] = look_up(q, x->arg[i]))) return NULL;
  return x->nargs ? tni_with_args(q->r, x, args) : x;
}

/* The looked up `made` of subscript x, inside of 0..extent as far as x is known to be. */
static const tn_expr *bounded(tni_region *r, const tni_facts *facts, const tn_expr *x, const tn_expr *made,
                              const tn_expr *extent) {
  const tn_expr *zero = tni_index(r, 0), *last = tni_sub(r, extent, tni_index(r, 1));
  if (!made || made == x) return made;
  if (tni_prove(r, facts, tni_op2(r, TN_OP_lt, x, extent))) made = tni_op2(r, TN_OP_min, made, last);
  return tni_prove(r, facts, tni_op2(r, TN_OP_le, zero, x)) ? tni_op2(r, TN_OP_max, made, zero) : made;
}

static const tn_expr *read_tables(void *self, tni_region *r, const tn_expr *x) {
  indexing *q = self;
  const tn_expr *args[TN_MAX_RANK], *where = x->op == TN_OP_load ? tni_load_where(x) : NULL;
  tni_facts facts;
  if (!is_read(q, x)) return x;
  bool ok = know_iters(q, &facts) && (!where || tni_facts_learn(&facts, where, true));
  for (int32_t d = 0; d < tni_load_count(x) && ok; d++) {
    args[d] = bounded(r, &facts, x->arg[d], look_up(q, x->arg[d]), x->as.buffer->shape[d]);
    ok = args[d] != NULL;
  }
  tni_facts_destroy(&facts);
  return ok ? tni_load(r, x->type, x->as.buffer, (size_t)tni_load_count(x), args, where) : NULL;
}

/* The function's body with the tables before the block's outermost loop. */
static tn_status make_body(indexing *q, enum tni_scope scope) {
  tni_region *r = q->r;
  const tn_stmt *block = q->block, *root = q->step->s->func->body, *path[TNI_MAX_PATH], *nests[MAX_TABLES + 1];
  int depth = tni_path_to(root, block, path), top = 0;
  while (top < depth - 1 && path[top]->kind != TNI_FOR) top++;
  const char *base = tni_arena_format(&r->arena, "%s_index", block->as.block.name);
  const tn_stmt *all = root;
  for (size_t i = 0; i < q->count && base && all; i++) {
    const char *name = tni_free_block_name(r, all, base);
    nests[i] = fill_table(q, &q->tables[i], name, scope);
    const char *why = nests[i] ? tni_why_no_cache(q->step->s, q->tables[i].buffer, scope) : NULL;
    if (why) return tni_step_refuse(q->step, block, "%s", why);
    const tn_stmt *both[] = {all, nests[i]};
    all = nests[i] ? tni_seq(r, 2, both) : NULL;
    if (all && tni_give_block(q->step, name)) return TN_E_NOMEM;
  }
  const tn_stmt *body = all && base ? tni_stmt_rewrite(r, block->as.block.body, read_tables, NULL, q) : NULL;
  if (!body) return TN_E_NOMEM;
  const tn_stmt *made =
      tni_block_like(r, block, block->as.block.iters, block->as.block.where, block->as.block.init, body);
  nests[q->count] = tni_replace(r, path[top], block, made);
  root = tni_replace(r, root, path[top], tni_seq(r, (int32_t)q->count + 1, nests));
  for (size_t i = q->count; i-- > 0 && root;) root = tni_alloc_stmt(r, q->tables[i].buffer, root);
  return tni_step_accept(q->step, root);
}

tn_status tni_apply_cache_index(tni_step *step) {
  const tn_stmt *block = tni_arg_block(step, 0);
  int scope = block ? tni_cache_scope(step, step->args[1].text) : -1;
  int64_t times = step->args[2].number;
  if (scope < 0) return TN_E_REFUSED;
  if (times < 1) return tni_step_refuse(step, NULL, "an expression stands in 1 or more subscripts");
  indexing q = {.step = step, .r = &step->s->region, .block = block, .written = tni_writes_of(block)};
  tni_stmt_visit_exprs(step->s->ctx, block->as.block.body, count_parts, &q);
  tni_stmt_visit_exprs(step->s->ctx, block->as.block.body, choose_of, &q);
  if (q.status) return q.status;
  if (!q.count)
    return tni_step_refuse(
        step, block,
        "no expression that is computed of the block's iterators stands in %lld subscripts of what it "
        "reads",
        (long long)times);
  return make_body(&q, (enum tni_scope)scope);
}

tn_status tn_cache_index(tn_schedule *s, tn_block_ref block, const char *scope, int64_t times, tn_block_ref *out,
                         size_t *count, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(scope), tni_of_int(times)};
  return tni_perform(s, TNI_PRIMITIVE_cache_index, 3, args, *count, out, count, err);
}
