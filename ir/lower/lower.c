/* lower.c -- tensor level to loop level: the table of passes, read top to bottom.
 *
 * needs: a verified function; one of the loop level stays as it is
 * gives: serial and parallel loops, flat subscripts, explicit vectors
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

/* A function on its way. */
typedef struct lowering {
  tni_region *r;
  const tn_func *func; /* as it was */
  tni_storage storage; /* decided by simplify, which sees the blocks */
  const tn_stmt *simple; /* what unroll made: is it still the body, then it is simplified */
} lowering;

/* ---- passes: NULL without memory ----------------------------------------------------------------------------------- */

static const tn_stmt *threads(lowering *l, const tn_stmt *s) {
  return tni_lower_threads(l->r, tni_lower_barriers(l->r, tni_lower_copies(l->r, s), NULL));
}

static const tn_stmt *simplify(lowering *l, const tn_stmt *s) {
  s = tni_stmt_simplify(l->r, s);
  return s && tni_storage_plan(l->r, s, &l->storage) ? s : NULL;
}

static const tn_stmt *order(lowering *l, const tn_stmt *s) {
  const tn_func *now = tni_func_with_body(l->r, l->func, TNI_LEVEL_TENSOR, s);
  return now ? tni_lower_order(l->r, &l->storage, now) : NULL;
}

/* Simplified only when buffers are in their loops, which that may take away. */
static const tn_stmt *blocks(lowering *l, const tn_stmt *s) { return tni_lower_blocks(l->r, &l->storage, s); }

static const tn_stmt *storage(lowering *l, const tn_stmt *s) {
  return tni_stmt_simplify(l->r, tni_storage_apply(l->r, &l->storage, s));
}

static const tn_stmt *trim(lowering *l, const tn_stmt *s) { return tni_lower_trim(l->r, s); }

static const tn_stmt *partition(lowering *l, const tn_stmt *s) { return tni_lower_partition(l->r, s); }

static const tn_stmt *flatten(lowering *l, const tn_stmt *s) {
  return tni_stmt_simplify(l->r, tni_lower_flatten(l->r, s));
}

static const tn_stmt *vectorize(lowering *l, const tn_stmt *s) { return tni_lower_vectorize(l->r, s); }

static const tn_stmt *unroll(lowering *l, const tn_stmt *s) {
  return l->simple = tni_stmt_simplify(l->r, tni_lower_unroll(l->r, s));
}

static const tn_stmt *hoist(lowering *l, const tn_stmt *s) { return tni_lower_hoist(l->r, s); }

static const tn_stmt *dead(lowering *l, const tn_stmt *s) {
  return tni_simplify_changed(l->r, l->simple, tni_lower_dead(l->r, s));
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

typedef struct pass {
  tni_pass info;
  const tn_stmt *(*run)(lowering *l, const tn_stmt *s);
  bool flat; /* subscripts are flat from here on */
} pass;

/* clang-format off */
static const pass passes[] = {
    {{"threads", 't', "loops over threads cut at barriers; blocks parallel, threads in order"}, threads, false},
    {{"simplify", 'S', "index arithmetic in its canonical form; ifs decided"},          simplify,  false},
    {{"order", 'o', "concurrent loops that would share a buffer in order"},             order,     false},
    {{"blocks", 'b', "blocks into the statements in them, conditions into ifs"},        blocks,    false},
    {{"storage", 'm', "buffers made inside as small as their use"},                     storage,   false},
    {{"trim", 'k', "loops without the steps that leave everything as it is"},          trim,      false},
    {{"partition", 'p', "loops cut where a guard inside becomes true"},                 partition, false},
    {{"flatten", 'a', "one row-major subscript for each access"},                       flatten,   true},
    {{"vectorize", 'v', "vectorized loops into vectors"},                               vectorize, true},
    {{"unroll", 'r', "unrolled loops written out"},                                     unroll,    true},
    {{"hoist", 'h', "conditions before the loops that do not move them"},                hoist,     true},
    {{"dead", 'd', "stores that nobody reads left away"},                               dead,      true},
};
/* clang-format on */

size_t tni_lower_pass_count(void) { return TNI_COUNT(passes); }
const tni_pass *tni_lower_pass(size_t i) { return &passes[i].info; }

tn_status tni_lower_observed(tni_region *r, const tn_func *func, const tni_observer *observer, const tn_func **out,
                             tn_error **err) {
  lowering l = {.r = r, .func = func};
  tn_context *ctx = r->arena.ctx;
  const tn_func *now = func->body ? func : tni_func_with_body(r, func, func->level, tni_seq(r, 0, NULL));
  *out = NULL;
  for (size_t i = 0; i < TNI_COUNT(passes) && now && func->level == TNI_LEVEL_TENSOR; i++) {
    const pass *p = &passes[i];
    double start = observer ? tni_seconds(ctx) : 0;
    const tn_stmt *body = p->run(&l, now->body);
    now = tni_func_with_body(r, func, p->flat ? TNI_LEVEL_LOOP : func->level, body);
    if (now && observer) observer->after(observer->self, &p->info, now, tni_seconds(ctx) - start);
  }
  if (!now || r->arena.failed) return tni_fail_nomem(err);
  *out = now;
  return TN_OK;
}

tn_status tni_lower(tni_region *r, const tn_func *func, const tn_func **out, tn_error **err) {
  return tni_lower_observed(r, func, NULL, out, err);
}
