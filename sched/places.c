/* places.c -- a new buffer for what a block touches of one, with dimensions made of the block's iterators.
 *
 *     block C(i, reduce k) { C[i] = .. A[i*2 + k] .. }              the places: i, k; or i*2 + k; or k // 4, i, k % 4
 *       ->
 *     block C_read(p, q) { A_reindex[p, q] = A[p*2 + q] }   block C(i, reduce k) { C[i] = .. A_reindex[i, k] .. }
 *
 * What is read must follow from the place: from the iterators to which there is a way back, and from what the map
 * makes of others as it stands (y + r of A[y + r - 1]). At places that no instance reads, 0 stands where they would
 * lead outside. What is written goes to its place, each element to one of its own, and is copied from there by the
 * iterators.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* Symbolic extents stand for all extents up to this. */
#define FAR (INT64_C(1) << 36)

/* ---- the access -------------------------------------------------------------------------------------------------- */

typedef struct load_search {
  const tn_buffer *buffer;
  const tn_expr *load;
  bool several;
} load_search;

static void see_load(void *self, const tn_expr *x) {
  load_search *q = self;
  if (x->op != TN_OP_load || x->as.buffer != q->buffer) return;
  q->several |= q->load && q->load != x;
  q->load = x;
}

typedef struct name_search {
  const tn_func *func;
  const tn_stmt *block;
  bool memory, foreign; /* is memory read; or a variable used that is bound in the block */
} name_search;

static void see_name(void *self, const tn_expr *x) {
  name_search *q = self;
  bool own = x->op != TN_OP_var;
  for (uint32_t i = 0; i < q->func->param_count; i++) own |= q->func->params[i].scalar == x;
  for (int32_t i = 0; i < q->block->as.block.count; i++) own |= q->block->as.block.iters[i].var == x;
  q->foreign |= !own;
  q->memory |= x->op == TN_OP_load || x->op == TN_OP_call;
}

/* What an access depends on besides iterators and parameters. */
static name_search names_of(tn_schedule *s, const tn_stmt *block, int32_t count, const tn_expr *const *index) {
  name_search q = {.func = s->func, .block = block};
  for (int32_t i = 0; i < count; i++) tni_expr_visit(s->ctx, index[i], see_name, &q);
  return q;
}

bool tni_is_of_iterators(tn_schedule *s, const tn_stmt *block, const tn_expr *x) {
  name_search names = names_of(s, block, 1, &x);
  return !names.memory && !names.foreign;
}

const tn_expr *tni_only_load(tni_step *step, const tn_stmt *block, const tn_buffer *buffer) {
  load_search q = {.buffer = buffer};
  tni_stmt_visit_memory(step->s->ctx, block->as.block.body, see_load, &q);
  if (q.several) return tni_step_refuse(step, block, "the block loads `%s` in several places", buffer->name), NULL;
  name_search names = names_of(step->s, block, q.load->nargs, q.load->arg);
  if (names.memory) return tni_step_refuse(step, block, "where `%s` is read depends on memory", buffer->name), NULL;
  if (names.foreign)
    return tni_step_refuse(step, block, "where `%s` is read depends on a loop or let in the block", buffer->name), NULL;
  return q.load;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* The map's subscripts over the iterators. */
static tn_status settle(tni_step *step, tni_places *p) {
  return p->map && tni_map_apply(&step->s->region, p->map, p->count, p->vars, p->index) ? TN_OK : TN_E_NOMEM;
}

static tn_status add_iter(tni_step *step, tni_places *p, int32_t i) {
  if (p->count == TN_MAX_RANK)
    return tni_step_refuse(step, p->block, "there are more than %d iterators to make dimensions of", TN_MAX_RANK);
  p->vars[p->count] = p->block->as.block.iters[i].var;
  p->extents[p->count++] = p->block->as.block.iters[i].extent;
  return TN_OK;
}

static bool is_wanted(tni_step *step, const tni_iter *it, int32_t count, const tn_expr *const *used) {
  bool wanted = !used && !it->reduce;
  for (int32_t i = 0; i < count; i++) wanted |= tni_expr_uses(step->s->ctx, used[i], it->var);
  return wanted;
}

tn_status tni_iter_places(tni_step *step, const tn_stmt *block, int32_t count, const tn_expr *const *used,
                          tni_places *out) {
  tn_status status = TN_OK;
  *out = (tni_places){.block = block};
  for (int32_t i = 0; i < block->as.block.count && !status; i++)
    if (is_wanted(step, &block->as.block.iters[i], count, used)) status = add_iter(step, out, i);
  if (status) return status;
  out->map = tni_layout_make(&step->s->region, out->count, out->extents, out->vars, out->count, out->vars);
  return settle(step, out);
}

tn_status tni_arg_iter_places(tni_step *step, int arg, const tn_stmt *block, tni_places *out) {
  tn_status status = TN_OK;
  *out = (tni_places){.block = block};
  for (int32_t i = 0; i < block->as.block.count && !status; i++) status = add_iter(step, out, i);
  if (status) return status;
  out->map = tni_arg_places(step, arg, block, out->count, out->extents);
  return out->map ? settle(step, out) : TN_E_REFUSED;
}

const char *tni_place_name(const tni_places *p, int32_t k) {
  const tn_expr *x = p->index[k];
  while (x->nargs) x = x->arg[0];
  return x->op == TN_OP_var ? x->as.name : "c";
}

static const tn_buffer *make_buffer(tni_step *step, const tni_places *p, const tn_buffer *old, const char *suffix,
                                    enum tni_scope scope) {
  tni_region *r = &step->s->region;
  const char *name = tni_arena_format(&r->arena, "%s_%s", old->name, suffix);
  const tn_buffer *made = name ? tni_buffer(r, name, old->type, scope, p->map->rank, p->map->shape) : NULL;
  const char *why = made ? tni_why_no_cache(step->s, made, scope) : NULL;
  if (why) return tni_step_refuse(step, p->block, "%s", why), NULL;
  step->s->region.arena.failed |= !made;
  return made;
}

const tn_stmt *tni_iter_nest(tni_region *r, const char *name, int32_t count, tni_iter *iters, const tn_stmt *s) {
  for (int32_t d = 0; d < count; d++)
    if (!iters[d].var || !(iters[d].binding = tni_var(r, iters[d].var->as.name, TN_INDEX))) return NULL;
  s = tni_block(r, name, count, iters, NULL, NULL, s);
  for (int32_t d = count; d-- > 0;) s = tni_for(r, iters[d].binding, iters[d].extent, TNI_SERIAL, s);
  return s;
}

/* ---- reads ------------------------------------------------------------------------------------------------------- */

/* From the place back to what is read. */
typedef struct reading {
  const tni_places *p;
  tni_facts facts;
  const tn_expr *at[TN_MAX_RANK];     /* iterators of the new block: the place */
  const tn_expr *back[TN_MAX_RANK];   /* the old block's over these; NULL: there is no way back */
  const tn_expr *coords[TN_MAX_RANK]; /* the map's subscripts, with those ways back */
} reading;

/* Does it use none of the old block's iterators? */
static bool is_told(const reading *q, const tn_expr *x) {
  bool told = true;
  for (int32_t d = 0; told && d < q->p->count; d++) told = !tni_expr_uses(q->facts.ctx, x, q->p->vars[d]);
  return told;
}

static const tn_expr *tell(void *self, tni_region *r, const tn_expr *x) {
  const reading *q = self;
  for (int32_t d = 0; d < q->p->count; d++)
    if (q->p->vars[d] == x && q->back[d]) return q->back[d];
  if (x->type != TN_INDEX) return x;
  if (is_told(q, x)) return tni_simplify(r, &q->facts, x);
  for (int32_t k = 0; k < q->p->map->rank; k++) {
    const tn_expr *rest = tni_simplify(r, &q->facts, tni_sub(r, x, q->coords[k]));
    if (!rest) return NULL;
    if (is_told(q, rest)) return tni_add(r, q->at[k], rest);
  }
  return x;
}

/* *where && cond, if that is not known already. */
static bool must(tni_region *r, reading *q, const tn_expr *cond, const tn_expr **where) {
  if (!cond) return false;
  if (tni_prove(r, &q->facts, cond)) return true;
  *where = tni_conj(r, *where, cond);
  return *where && tni_facts_learn(&q->facts, cond, true);
}

static bool must_be_inside(tni_region *r, reading *q, const tn_expr *x, const tn_expr *extent, const tn_expr **where) {
  const tn_expr *above = tni_op2(r, TN_OP_le, tni_index(r, 0), x), *below = tni_op2(r, TN_OP_lt, x, extent);
  return above && below && must(r, q, tni_simplify(r, &q->facts, above), where) &&
         must(r, q, tni_simplify(r, &q->facts, below), where);
}

static bool open_reading(tni_step *step, const tni_places *p, reading *q) {
  tni_region *r = &step->s->region;
  *q = (reading){.p = p};
  tni_facts_init(&q->facts, step->s->ctx);
  for (int32_t k = 0; k < p->map->rank; k++) {
    q->at[k] = tni_var(r, tni_place_name(p, k), TN_INDEX);
    if (!q->at[k] || !tni_facts_bind(&q->facts, q->at[k], p->map->shape[k])) return false;
  }
  if (!tni_map_inverse(r, p->map, p->count, p->extents, q->at, q->back)) return false;
  for (int32_t k = 0; k < p->map->rank; k++) {
    const tn_expr *vars[TN_MAX_RANK], *values[TN_MAX_RANK];
    tni_subst back = {0, vars, values};
    for (int32_t d = 0; d < p->count; d++)
      if (q->back[d]) vars[back.count] = p->vars[d], values[back.count++] = q->back[d];
    if (!(q->coords[k] = tni_expr_subst(r, p->index[k], &back))) return false;
  }
  return true;
}

/* What stands at the place. */
static tn_status read_at_place(tni_step *step, reading *q, const tn_expr *load, const tn_expr **out) {
  tni_region *r = &step->s->region;
  const tn_expr *args[TN_MAX_RANK + 1], *where = NULL, *given = tni_load_where(load);
  const tn_buffer *old = load->as.buffer;
  for (int i = 0; i < load->nargs; i++) {
    if (!(args[i] = tni_expr_rewrite(r, load->arg[i], tell, q))) return TN_E_NOMEM;
    if (!is_told(q, args[i]))
      return tni_step_refuse(step, q->p->block,
                             "the places do not tell which element of `%s` is read\n"
                             "needs: a map from which the iterators of its subscripts, or these, can be had",
                             old->name);
  }
  bool ok = true;
  for (int32_t d = 0; d < q->p->count && ok; d++)
    if (q->back[d]) ok = must_be_inside(r, q, q->back[d], q->p->extents[d], &where);
  if (ok && given) ok = must(r, q, args[load->nargs - 1], &where);
  for (int32_t d = 0; d < old->rank && ok; d++)
    ok = (args[d] = tni_simplify(r, &q->facts, args[d])) && must_be_inside(r, q, args[d], old->shape[d], &where);
  *out = ok ? tni_load(r, load->type, old, (size_t)old->rank, args, where) : NULL;
  return *out ? TN_OK : TN_E_NOMEM;
}

typedef struct swap {
  const tn_buffer *old, *made;
  const tni_places *p;
  bool stores; /* too; else the condition of a load has been asked by who filled the place */
} swap;

static const tn_expr *swap_load(void *self, tni_region *r, const tn_expr *x) {
  const swap *w = self;
  if (x->op != TN_OP_load || x->as.buffer != w->old) return x;
  return tni_load(r, x->type, w->made, (size_t)w->p->map->rank, w->p->index, w->stores ? tni_load_where(x) : NULL);
}

static const tn_stmt *swap_store(void *self, tni_region *r, const tn_stmt *s) {
  const swap *w = self;
  if (!tni_is_write(s) || s->as.store.buffer != w->old) return s;
  return tni_store(r, w->made, w->p->map->rank, w->p->index, s->as.store.value, NULL);
}

/* The block with the new buffer, by its places, for the old one. */
static const tn_stmt *swap_buffer(tni_region *r, const tn_stmt *block, swap *w) {
  const tn_stmt *init = block->as.block.init, *body = block->as.block.body;
  body = tni_stmt_rewrite(r, body, swap_load, w->stores ? swap_store : NULL, w);
  if (init && w->stores) init = tni_stmt_rewrite(r, init, swap_load, swap_store, w);
  if (!body || (block->as.block.init && !init)) return NULL;
  return tni_block_like(r, block, block->as.block.iters, block->as.block.where, init, body);
}

tn_status tni_read_places(tni_step *step, const tni_read_place *place, const tn_expr *load, const tni_places *p,
                          const char *suffix) {
  tni_region *r = &step->s->region;
  const tn_expr *value = NULL;
  tni_iter iters[TN_MAX_RANK];
  reading q;
  tn_status status = open_reading(step, p, &q) ? read_at_place(step, &q, load, &value) : TN_E_NOMEM;
  tni_facts_destroy(&q.facts);
  if (status) return status;
  const tn_buffer *made = make_buffer(step, p, place->buffer, suffix, place->scope);
  if (!made) return TN_E_REFUSED;
  swap w = {place->buffer, made, p, false};
  for (int32_t k = 0; k < p->map->rank; k++) iters[k] = (tni_iter){.var = q.at[k], .extent = p->map->shape[k]};
  const tn_stmt *store = tni_store(r, made, p->map->rank, q.at, value, NULL);
  return tni_put_before(step, place, tni_iter_nest(r, place->copy_name, p->map->rank, iters, store),
                        swap_buffer(r, place->block, &w), made);
}

/* ---- writes ------------------------------------------------------------------------------------------------------ */

bool tni_points_apart(tn_schedule *s, const tn_stmt *block, int32_t dims, const tn_expr *const *index) {
  const tn_expr *vars[TNI_MAX_NEST];
  int64_t extents[TNI_MAX_NEST];
  tni_facts none = {.ctx = s->ctx};
  tni_itermap map;
  size_t count = 0;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    const tni_iter *it = &block->as.block.iters[i];
    for (int32_t d = 0; d < dims && it->reduce; d++)
      if (tni_expr_uses(s->ctx, index[d], it->var)) return false;
    if (it->reduce) continue;
    if (count == TNI_MAX_NEST) return false;
    vars[count] = it->var;
    extents[count++] = tni_is_const(it->extent) ? it->extent->as.i : FAR;
  }
  return tni_itermap_of(&s->region, &none, (size_t)dims, index, count, vars, extents, &map) && map.box && map.injective;
}

/* Has every point of the spatial iterators an element, and a place, of its own? */
static tn_status check_points(tni_step *step, const tni_write_place *at, const tni_places *p) {
  const tn_expr *shape[TN_MAX_RANK];
  const tn_stmt *block = at->block, *store = at->store;
  name_search names = names_of(step->s, block, store->as.store.count, store->as.store.index);
  if (names.memory) return tni_step_refuse(step, store, "where the block stores depends on memory");
  if (!tni_points_apart(step->s, block, store->as.store.count, store->as.store.index))
    return tni_step_refuse(step, store, "the block may store to an element at several points of its spatial iterators");
  for (int32_t d = 0; d < p->count; d++) {
    bool reduce = false;
    for (int32_t i = 0; i < block->as.block.count; i++)
      reduce |= block->as.block.iters[i].var == p->vars[d] && block->as.block.iters[i].reduce;
    shape[d] = reduce ? tni_index(&step->s->region, 1) : p->extents[d];
    for (int32_t k = 0; k < p->map->rank && reduce; k++)
      if (tni_expr_uses(step->s->ctx, p->index[k], p->vars[d]))
        return tni_step_refuse(step, block, "the steps of a reduction would go to different places");
  }
  if (!tni_map_tells_apart(step->s, p->map, p->count, shape))
    return tni_step_refuse(step, block, "the map may send two of them to one place");
  return TN_OK;
}

/* for.. { block NAME(the spatial iterators) { the element = made[its place] } } */
static const tn_stmt *make_copy(tni_region *r, const tni_write_place *at, const tni_places *p, const tn_buffer *made) {
  tni_iter iters[TNI_MAX_NEST];
  const tn_expr *old[TNI_MAX_NEST], *vars[TNI_MAX_NEST];
  int32_t count = 0;
  for (int32_t i = 0; i < at->block->as.block.count; i++) {
    const tni_iter *it = &at->block->as.block.iters[i];
    if (it->reduce) continue;
    old[count] = it->var;
    vars[count] = tni_var(r, it->var->as.name, TN_INDEX);
    iters[count] = (tni_iter){.var = vars[count], .extent = it->extent};
    if (!vars[count++]) return NULL;
  }
  tni_subst points = {(size_t)count, old, vars};
  const tn_stmt *s = at->store;
  const tn_expr *value = tni_load(r, made->type, made, (size_t)p->map->rank, p->index, NULL);
  s = tni_store(r, s->as.store.buffer, s->as.store.count, s->as.store.index, value, NULL);
  return tni_iter_nest(r, at->copy_name, count, iters, tni_stmt_subst(r, s, &points));
}

tn_status tni_write_places(tni_step *step, const tni_write_place *at, const tni_places *p, const char *suffix) {
  tni_region *r = &step->s->region;
  tn_status status = check_points(step, at, p);
  if (status) return status;
  const tn_buffer *made = make_buffer(step, p, at->store->as.store.buffer, suffix, at->scope);
  if (!made) return TN_E_REFUSED;
  swap w = {at->store->as.store.buffer, made, p, true};
  const tn_stmt *nest = tni_replace(r, at->top, at->block, swap_buffer(r, at->block, &w));
  return tni_put_behind(step, at, nest, make_copy(r, at, p, made), made);
}
