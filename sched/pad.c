/* pad.c -- iterations behind the end of a loop that do no harm.
 *
 *     alloc T: f32[10]                                             alloc T: f32[12]
 *     for i in 0..10 { block T(v: 0..10 = i) { T[v] = A[v] } } ->  for i in 0..12 { block T(v: 0..12 = i) { T[v] = A[v if v < 10] } }
 *
 * What the blocks below write gets room for the elements that come to it, which nobody reads: others keep to the old
 * shape. What they load by the iterator is 0 there, and so no access lies outside; a parameter that nobody writes, and
 * whose extents have room for these iterations, is read as it is. Their own elements init has set.
 *
 * The steps of a sum that there are not add 0: all that they multiply is. -0 may become 0 by that.
 *
 * needs: a constant extent; only loops and blocks below; in each block one iterator that is the loop: a spatial one
 *        that is one plain subscript of its stores, over a whole dimension of plain buffers made in the function; or
 *        that of a sum of products
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "sched.h"

typedef struct growth {
  const tn_buffer *old, *made;
} growth;

typedef struct padder {
  tn_schedule *s;
  const tn_stmt *loop;
  const tn_expr *extent; /* the rounded one */
  growth *grown;
  size_t count, capacity;
  const char *why; /* not */
  const void *mark;
  bool failed; /* for want of memory */
} padder;

static bool refuse(padder *p, const char *why, const void *mark) {
  if (!p->why) {
    p->why = why;
    p->mark = mark;
  }
  return false;
}

/* ---- what must hold ---------------------------------------------------------------------------------------------- */

/* The one iterator of the block that is the loop's variable. */
static const tni_iter *iterator_of(padder *p, const tn_stmt *block) {
  const tn_expr *var = p->loop->as.loop.var;
  const tni_iter *found = NULL;
  int used = block->as.block.where && tni_expr_uses(p->s->ctx, block->as.block.where, var) ? 2 : 0;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    const tni_iter *it = &block->as.block.iters[i];
    used += tni_expr_uses(p->s->ctx, it->binding, var);
    if (it->binding == var) found = it;
  }
  if (found && used == 1 && found->extent == p->loop->as.loop.extent) return found;
  refuse(p, "to be padded, the loop must be just one iterator of this block, over all of it", block);
  return NULL;
}

static bool is_grown_already(const padder *p, const tn_buffer *b) {
  for (size_t i = 0; i < p->count; i++)
    if (p->grown[i].old == b) return true;
  return false;
}

/* The subscript of the store that is the iterator, if no other uses it; else -1. */
static int32_t subscript_of(const padder *p, const tn_stmt *store, const tn_expr *iter) {
  int32_t found = -1, used = 0;
  for (int32_t d = 0; d < store->as.store.count; d++) {
    used += tni_expr_uses(p->s->ctx, store->as.store.index[d], iter);
    if (store->as.store.index[d] == iter) found = d;
  }
  return used == 1 ? found : -1;
}

/* The buffer gets room in the dimension that the iterator is. */
static bool grow_buffer(padder *p, const tn_stmt *store, const tn_expr *iter) {
  const tn_buffer *b = store->as.store.buffer;
  int32_t d = subscript_of(p, store, iter);
  if (tni_is_param(p->s->func, b))
    return refuse(p, "elements behind those of the parameter would be written", store);
  if (!tni_is_row_major(b) || tni_uses_of(p->s->ctx, p->s->func->body, b).loose)
    return refuse(p, "only a row-major buffer that is used in blocks alone can get room for padding", store);
  if (d < 0 || b->shape[d] != p->loop->as.loop.extent)
    return refuse(p, "to be padded, the loop must be one plain subscript of this store, over the whole dimension", store);
  if (is_grown_already(p, b)) return refuse(p, "the buffer is written by two blocks of the loop", store);
  tn_buffer form = *b;
  form.shape[d] = p->extent;
  const tn_buffer *made = tni_buffer_make(&p->s->region, &form);
  p->failed |= !made || !tni_reserve(p->s->ctx, (void **)&p->grown, &p->capacity, p->count + 1, sizeof *p->grown);
  if (!p->failed) p->grown[p->count++] = (growth){b, made};
  return !p->failed;
}

/* Loads that the iterator moves, of what the block does not write. */
static bool is_moved(tn_context *ctx, const tn_stmt *block, const tn_expr *iter, const tn_expr *x) {
  if (x->op != TN_OP_load || tni_uses_of(ctx, block, x->as.buffer).writers) return false;
  bool moves = false;
  for (int32_t i = 0; i < tni_load_count(x); i++) moves |= tni_expr_uses(ctx, x->arg[i], iter);
  return moves;
}

typedef struct eraser {
  const tn_stmt *block;
  const tn_expr *iter;
} eraser;

static const tn_expr *erase_load(void *self, tni_region *r, const tn_expr *x) {
  const eraser *e = self;
  return is_moved(r->arena.ctx, e->block, e->iter, x) ? tni_zero(r, x->type) : x;
}

static bool is_zero(const tn_expr *x) {
  return tni_is_const(x) && (tni_type_is_float(x->type) ? x->as.f == 0 : x->as.i == 0);
}

static bool is_own(const tn_stmt *store, const tn_expr *x) {
  return x->op == TN_OP_load && x->as.buffer == store->as.store.buffer;
}

/* sum + 0, 0 + sum, fma(0, x, sum) of a constant x */
static bool adds_nothing(const tn_stmt *store) {
  const tn_expr *x = store->as.store.value;
  if (x->op == TN_OP_add)
    return (is_own(store, x->arg[0]) && is_zero(x->arg[1])) || (is_own(store, x->arg[1]) && is_zero(x->arg[0]));
  if (x->op != TN_OP_fma || !is_own(store, x->arg[2])) return is_own(store, x); /* folded */
  bool zero = is_zero(x->arg[0]) || is_zero(x->arg[1]);
  for (int k = 0; k < 2; k++)
    zero &= tni_is_const(x->arg[k]) && (!tni_type_is_float(x->type) || isfinite(x->arg[k]->as.f));
  return zero;
}

bool tni_zeros_add_nothing(tn_schedule *s, const tn_stmt *block, const tn_expr *iter) {
  const tn_stmt *stores[TNI_MAX_STATES];
  eraser e = {block, iter};
  const tn_stmt *without = tni_block_stores(s->ctx, block, stores) == 1
                               ? tni_stmt_rewrite(&s->region, stores[0], erase_load, NULL, &e)
                               : NULL;
  return without && without->kind == TNI_STORE && adds_nothing(without);
}

/* Is the reduction a sum to which the steps that there are not add nothing? */
static bool check_sum(padder *p, const tn_stmt *block, const tni_iter *it) {
  const tn_stmt *stores[TNI_MAX_STATES];
  if (!tni_zeros_add_nothing(p->s, block, it->var))
    return refuse(p, "steps that there are not would go into the reduction of this block", block);
  tni_block_stores(p->s->ctx, block, stores);
  if (p->s->keeps_order && tni_type_is_float(stores[0]->as.store.buffer->type))
    return refuse(p, "zeros would be added to the floating-point sum of this block, by which -0 becomes 0", block);
  return true;
}

static bool check_block(padder *p, const tn_stmt *block) {
  const tn_stmt *stores[TNI_MAX_STATES];
  const tni_iter *it = iterator_of(p, block);
  if (!it) return false;
  if (tni_stmt_holds(block, TNI_HOLDS_CALL)) return refuse(p, "an external would be called in iterations that there are not", block);
  const char *why = tni_why_not_reduction(p->s->ctx, block);
  if (why) return refuse(p, why, block);
  if (block->as.block.init && !tni_runs_init_first(p->s, block))
    return refuse(p, "the step that runs init is not surely the first of this block", block);
  if (it->reduce) return check_sum(p, block, it);
  int32_t count = tni_block_stores(p->s->ctx, block, stores);
  for (int32_t k = 0; k < count; k++)
    if (!grow_buffer(p, stores[k], it->var)) return false;
  return true;
}

static bool check_stmt(void *self, const tn_stmt *s) {
  padder *p = self;
  if (p->why || p->failed) return false;
  if (s->kind == TNI_BLOCK) return check_block(p, s) && false;
  if (s->kind == TNI_FOR && !tni_expr_uses(p->s->ctx, s->as.loop.extent, p->loop->as.loop.var)) return true;
  if (s->kind == TNI_SEQ || s->kind == TNI_ALLOC) return true;
  return refuse(p, "only blocks, and loops that do not depend on it, may stand below a padded loop",
                s->kind == TNI_FOR ? (const void *)s->as.loop.var : s);
}

/* ---- the rewrite ------------------------------------------------------------------------------------------------- */

typedef struct filler {
  const padder *p;
  const tn_stmt *block;
  const tn_expr *iter, *inside; /* the iterator is below the old extent */
  bool counts;                  /* what is read behind the end matters: it goes into a sum */
  tni_facts facts;              /* of the iterators, with the new extent */
} filler;

/* Does the load of a parameter that nobody writes stay inside of it? */
static bool has_room(const filler *f, tni_region *r, const tn_expr *x) {
  const tn_buffer *b = x->as.buffer;
  const tn_schedule *s = f->p->s;
  bool inside = tni_is_param(s->func, b) && !tni_uses_of(s->ctx, s->func->body, b).writers;
  for (int32_t d = 0; inside && d < b->rank; d++)
    inside = tni_prove(r, &f->facts, tni_op2(r, TN_OP_le, tni_index(r, 0), x->arg[d])) &&
             tni_prove(r, &f->facts, tni_op2(r, TN_OP_lt, x->arg[d], b->shape[d]));
  return inside;
}

/* Loads by the iterator give 0 behind the end, but for the elements that the block accumulates. */
static const tn_expr *fill_load(void *self, tni_region *r, const tn_expr *x) {
  const filler *f = self;
  if (!is_moved(r->arena.ctx, f->block, f->iter, x) || (!f->counts && has_room(f, r, x))) return x;
  return tni_load(r, x->type, x->as.buffer, (size_t)tni_load_count(x), x->arg, tni_conj(r, tni_load_where(x), f->inside));
}

static const tn_stmt *pad_block(void *self, tni_region *r, const tn_stmt *s) {
  const padder *p = self;
  if (s->kind != TNI_BLOCK) return s;
  tni_iter *iters = tni_arena_copy(&r->arena, s->as.block.iters, (size_t)s->as.block.count * sizeof *iters);
  filler f = {.p = p, .block = s};
  bool known = iters != NULL;
  tni_facts_init(&f.facts, p->s->ctx);
  for (int32_t i = 0; known && i < s->as.block.count; i++) {
    if (iters[i].binding == p->loop->as.loop.var) {
      f.iter = iters[i].var;
      f.inside = tni_op2(r, TN_OP_lt, f.iter, iters[i].extent);
      f.counts = iters[i].reduce;
      iters[i].extent = p->extent;
    }
    known = tni_facts_bind(&f.facts, iters[i].var, iters[i].extent);
  }
  const tn_stmt *init = s->as.block.init, *body = s->as.block.body;
  if (known && init) init = tni_stmt_rewrite(r, init, fill_load, NULL, &f);
  if (known) body = tni_stmt_rewrite(r, body, fill_load, NULL, &f);
  tni_facts_destroy(&f.facts);
  if (!known || !f.inside || (s->as.block.init && !init)) return NULL;
  return tni_block_like(r, s, iters, s->as.block.where, init, body);
}

static const tn_stmt *grow(void *self, tni_region *r, const tn_stmt *s) {
  const padder *p = self;
  for (size_t i = 0; s->kind == TNI_ALLOC && i < p->count; i++)
    if (p->grown[i].old == s->as.alloc.buffer) return tni_alloc_swapped(r, s, p->grown[i].made);
  return s;
}

tn_status tni_pad_loop(tni_step *step, const tn_stmt *loop, const tn_expr *extent, const tn_stmt **out) {
  tni_region *r = &step->s->region;
  padder p = {.s = step->s, .loop = loop, .extent = extent};
  const tn_stmt *root = step->s->func->body;
  if (!tni_is_const(loop->as.loop.extent))
    refuse(&p, "the extent is not constant", loop->as.loop.var);
  tni_stmt_visit(loop->as.loop.body, check_stmt, &p);
  if (!p.why && !p.failed) {
    root = tni_replace(r, root, loop, tni_stmt_rewrite(r, loop, NULL, pad_block, &p));
    *out = root ? tni_stmt_rewrite(r, root, NULL, grow, &p) : NULL;
    p.failed |= !*out;
  }
  tni_free(step->s->ctx, p.grown, p.capacity * sizeof *p.grown);
  if (p.failed) return TN_E_NOMEM;
  return p.why ? tni_step_refuse(step, p.mark, "%s\nneeds: another tail: guard or cut", p.why) : TN_OK;
}
