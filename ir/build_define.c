/* build_define.c -- the builder's definitions in compute style: axes, and blocks over them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "build.h"

/* ---- definitions ---- */

static const tn_expr *add_axis(tn_builder *b, const char *name, const tn_expr *extent, bool reduce) {
  if (broken(b) || !extent) return NULL;
  if (extent->type != TN_INDEX || (tni_is_const(extent) && extent->as.i < 0))
    return fail(b, "axis `%s`: the extent must be an index that is not negative", name), NULL;
  axis a = {.var = made(b, tni_var(b->r, name, TN_INDEX)), .extent = extent, .reduce = reduce};
  return a.var && push(b, &b->axes, &b->axis_count, &b->axis_capacity, sizeof a, &a) ? a.var : NULL;
}

const tn_expr *tn_axis_symbolic(tn_builder *b, const char *name, const tn_expr *extent) {
  return add_axis(b, name, extent, false);
}
const tn_expr *tn_axis(tn_builder *b, const char *name, int64_t extent) {
  return add_axis(b, name, tn_index(b, extent), false);
}
const tn_expr *tn_reduce_axis_symbolic(tn_builder *b, const char *name, const tn_expr *extent) {
  return add_axis(b, name, extent, true);
}
const tn_expr *tn_reduce_axis(tn_builder *b, const char *name, int64_t extent) {
  return add_axis(b, name, tn_index(b, extent), true);
}

static axis *find_axis(tn_builder *b, const tn_expr *var, bool reduce, const char *what) {
  for (size_t i = b->axis_count; i > 0; i--)
    if (b->axes[i - 1].var == var) {
      axis *a = &b->axes[i - 1];
      if (a->reduce == reduce && !a->used) {
        a->used = true;
        return a;
      }
      fail(b, "`%s`: axis `%s` is %s", what, var->as.name,
           a->used ? "used in a definition before" : a->reduce ? "a reduce axis" : "no reduce axis");
      return NULL;
    }
  fail(b, "`%s`: not an axis of this builder", what);
  return NULL;
}

/* A block's name must be its own: name, name_1, name_2 ... */
typedef struct name_search {
  const char *name;
  bool found;
} name_search;

static bool look_for_block(void *self, const tn_stmt *s) {
  name_search *n = self;
  n->found |= s->kind == TNI_BLOCK && strcmp(s->as.block.name, n->name) == 0;
  return true;
}

static const char *unique_block_name(tn_builder *b, const char *name) {
  for (int n = 0;; n++) {
    name_search search = {.name = n ? tni_arena_format(&b->r->arena, "%s_%d", name, n) : name};
    if (!search.name) return fail_nomem(b);
    for (size_t i = 0; i < b->stmt_count; i++) tni_stmt_visit(b->stmts[i], look_for_block, &search);
    if (!search.found) return search.name;
  }
}

/* One loop per axis around a block whose iterators are the axes. */
static void define(tn_builder *b, const char *name, int32_t count, axis *const *axes, const tn_stmt *init,
                   const tn_stmt *body) {
  tni_iter iters[MAX_ITERS];
  for (int32_t i = 0; i < count; i++) {
    iters[i] = (tni_iter){.var = axes[i]->var, .extent = axes[i]->extent, .reduce = axes[i]->reduce};
    iters[i].binding = made(b, tni_var(b->r, axes[i]->var->as.name, TN_INDEX));
  }
  const tn_stmt *s = tni_block(b->r, unique_block_name(b, name), count, iters, NULL, init, body);
  for (int32_t i = count - 1; i >= 0; i--) s = tni_for(b->r, iters[i].binding, iters[i].extent, TNI_SERIAL, s);
  tn_emit(b, made_stmt(b, s));
}

/* The spatial axes of a definition: as many as the rank, each covering its dimension. */
static bool take_axes(tn_builder *b, const tn_buffer *out, const tn_expr *const *vars, axis **axes) {
  for (int32_t i = 0; i < out->rank; i++) {
    if (!vars[i] || !(axes[i] = find_axis(b, vars[i], false, out->name))) return false;
    if (axes[i]->extent != out->shape[i])
      return fail(b, "`%s`: axis `%s` does not range over dimension %d", out->name, vars[i]->as.name, i), false;
  }
  return true;
}

void tn_compute(tn_builder *b, const tn_buffer *out, const tn_expr *const *vars, const tn_expr *value) {
  axis *axes[MAX_ITERS];
  if (!check_value(b, out, value) || !take_axes(b, out, vars, axes)) return;
  define(b, out->name, out->rank, axes, NULL, tni_store(b->r, out, out->rank, vars, value, NULL));
}

/* May a loop over one of the reduce axes be empty? Then the init of a block would never run. */
static bool may_be_empty(size_t count, axis *const *axes) {
  for (size_t i = 0; i < count; i++)
    if (!tni_is_const(axes[i]->extent) || axes[i]->extent->as.i == 0) return true;
  return false;
}

/* A reduction on its way to a block: what is reduced into what, from where. */
typedef struct reduction {
  const tn_buffer *const *out;
  int32_t count;
  const tn_expr *const *identity;
  const tn_expr *const *vars; /* the spatial axes' */
  axis *axes[MAX_ITERS];      /* spatial, then reduce */
  size_t reduce_count;
} reduction;

static bool take_reduce_axes(tn_builder *b, size_t count, const tn_expr *const *vars, reduction *d) {
  int32_t rank = d->out[0]->rank;
  d->reduce_count = count;
  if (count > MAX_ITERS - TN_MAX_RANK)
    return fail(b, "`%s`: more than %d reduce axes", d->out[0]->name, MAX_ITERS - TN_MAX_RANK), false;
  for (size_t i = 0; i < count; i++)
    if (!vars[i] || !(d->axes[rank + (int32_t)i] = find_axis(b, vars[i], true, d->out[0]->name))) return false;
  return true;
}

/* One store to each state. */
static const tn_stmt *store_states(tn_builder *b, const reduction *d, const tn_expr *const *vars,
                                   const tn_expr *const *values) {
  const tn_stmt *stores[TN_MAX_STATES];
  for (int32_t k = 0; k < d->count; k++) stores[k] = tni_store(b->r, d->out[k], d->out[k]->rank, vars, values[k], NULL);
  return tni_seq(b->r, d->count, stores);
}

/* The init as a definition of its own, over axes of its own. */
static void define_init(tn_builder *b, const reduction *d) {
  axis own[TN_MAX_RANK], *list[TN_MAX_RANK];
  const tn_expr *vars[TN_MAX_RANK];
  int32_t rank = d->out[0]->rank;
  for (int32_t i = 0; i < rank; i++) {
    vars[i] = made(b, tni_var(b->r, d->axes[i]->var->as.name, TN_INDEX));
    own[i] = (axis){.var = vars[i], .extent = d->axes[i]->extent};
    list[i] = &own[i];
  }
  char *name = tni_arena_format(&b->r->arena, "%s_init", d->out[0]->name);
  if (!name) fail_nomem(b);
  if (!broken(b)) define(b, name, rank, list, NULL, store_states(b, d, vars, d->identity));
}

/* The block whose body is `update`. */
static void define_reduction(tn_builder *b, const reduction *d, const tn_stmt *update) {
  int32_t rank = d->out[0]->rank;
  const tn_stmt *init = store_states(b, d, d->vars, d->identity);
  bool apart = may_be_empty(d->reduce_count, d->axes + rank);
  if (apart) define_init(b, d);
  define(b, d->out[0]->name, rank + (int32_t)d->reduce_count, d->axes, apart ? NULL : init, update);
}

static const tn_expr *load_state(tn_builder *b, const reduction *d, int32_t k) {
  return made(b, tni_load(b->r, d->out[k]->type, d->out[k], (size_t)d->out[k]->rank, d->vars, NULL));
}

void tni_reduce_where(tn_builder *b, const tn_buffer *out, const tn_expr *const *vars, size_t reduce_count,
                      const tn_expr *const *reduce_vars, enum tn_reducer reducer, const tn_expr *value,
                      const tn_expr *where) {
  const tn_expr *identity, *next;
  reduction d = {.out = &out, .count = 1, .identity = &identity, .vars = vars};
  if (!check_value(b, out, value) || !take_axes(b, out, vars, d.axes)) return;
  const char *why = tni_check_reducer(reducer, out->type);
  if (!why && tni_reducers[reducer].states != 1) why = "this reducer has two results: tn_reduce_arg";
  if (why) {
    fail(b, "`%s`: %s", out->name, why);
    return;
  }
  if (!take_reduce_axes(b, reduce_count, reduce_vars, &d)) return;
  const tn_expr *state = load_state(b, &d, 0);
  identity = made(b, tni_reducer_identity(b->r, reducer, 0, out->type));
  if (!state || !identity) return;
  if (!tni_reducer_step(b->r, reducer, &state, &value, &next)) fail_nomem(b);
  if (where) next = made(b, tni_op3(b->r, TN_OP_select, where, next, state));
  if (!broken(b)) define_reduction(b, &d, store_states(b, &d, vars, &next));
}

void tn_reduce(tn_builder *b, const tn_buffer *out, const tn_expr *const *vars, size_t reduce_count,
               const tn_expr *const *reduce_vars, enum tn_reducer reducer, const tn_expr *value) {
  tni_reduce_where(b, out, vars, reduce_count, reduce_vars, reducer, value, NULL);
}

/* ---- reductions with several states ---- */

/* let state.. = the states  let item.. = the values  S0[..] = next0  S1[..] = next1 .. */
static const tn_stmt *step_states(tn_builder *b, const reduction *d, const tn_expr *const *state,
                                  const tn_expr *const *item, const tn_expr *const *value, const tn_expr *const *next) {
  const tn_stmt *s = store_states(b, d, d->vars, next);
  for (int32_t k = d->count; k > 0; k--) s = tni_let(b->r, item[k - 1], value[k - 1], s);
  for (int32_t k = d->count; k > 0; k--) s = tni_let(b->r, state[k - 1], load_state(b, d, k - 1), s);
  return made_stmt(b, s);
}

/* Have all states the shape of the first? */
static bool check_states(tn_builder *b, const reduction *d) {
  for (int32_t k = 0; k < d->count; k++) {
    const tn_buffer *out = d->out[k], *first = d->out[0];
    bool same = out->rank == first->rank;
    for (int32_t i = 0; same && i < out->rank; i++) same = out->shape[i] == first->shape[i];
    if (!same) return fail(b, "`%s` has not the shape of `%s`", out->name, first->name), false;
    for (int32_t j = 0; j < k; j++)
      if (d->out[j] == out) return fail(b, "`%s` is given twice", out->name), false;
  }
  return true;
}

/* The place in row-major order over the reduce axes, and how many there are (0: not constant, or beyond 62 bits). */
static const tn_expr *place_of(tn_builder *b, const reduction *d, int64_t *count) {
  const tn_expr *place = tni_index(b->r, 0);
  *count = 1;
  for (size_t i = 0; i < d->reduce_count; i++) {
    const axis *a = d->axes[d->out[0]->rank + (int32_t)i];
    place = tni_add(b->r, tni_mul(b->r, place, a->extent), a->var);
    if (!tni_is_const(a->extent) || __builtin_mul_overflow(*count, a->extent->as.i, count) || *count > TNI_INF)
      *count = 0;
  }
  return made(b, place);
}

void tn_reduce_arg(tn_builder *b, const tn_buffer *best, const tn_buffer *at, const tn_expr *const *vars,
                   size_t reduce_count, const tn_expr *const *reduce_vars, enum tn_reducer reducer,
                   const tn_expr *value) {
  const tn_buffer *out[] = {best, at};
  const tn_expr *identity[2], *state[2], *item[2], *next[2], *values[2] = {value};
  reduction d = {.out = out, .count = 2, .identity = identity, .vars = vars};
  int64_t count;
  if (!check_value(b, best, value) || !at || !check_states(b, &d) || !take_axes(b, best, vars, d.axes)) return;
  const char *why = tni_check_reducer(reducer, best->type);
  if (!why && tni_reducers[reducer].states != 2) why = "only argmin and argmax give an index";
  if (why) {
    fail(b, "`%s`: %s", best->name, why);
    return;
  }
  if (!tni_type_is_int(at->type)) {
    fail(b, "`%s`: the index is of an integer type", at->name);
    return;
  }
  if (!take_reduce_axes(b, reduce_count, reduce_vars, &d)) return;
  values[1] = tni_cast(b->r, at->type, place_of(b, &d, &count));
  for (int32_t k = 0; k < 2; k++) {
    identity[k] = made(b, tni_reducer_identity(b->r, reducer, k, out[k]->type));
    state[k] = made(b, tni_var(b->r, k ? "j" : "s", out[k]->type));
    item[k] = made(b, tni_var(b->r, k ? "i" : "x", out[k]->type));
  }
  if (broken(b)) return;
  if (count && identity[1]->as.i >= 0 && count - 1 > identity[1]->as.i) {
    fail(b, "`%s`: its type does not hold %lld indices", at->name, (long long)count);
    return;
  }
  if (!tni_reducer_step(b->r, reducer, state, item, next)) fail_nomem(b);
  if (!broken(b)) define_reduction(b, &d, step_states(b, &d, state, item, values, next));
}

/* Is everything of state k there, and of its type? */
static bool check_state(tn_builder *b, const tn_reducer_desc *d, size_t k) {
  if (!d->out[k] || !d->identity[k] || !d->state[k] || !d->item[k] || !d->next[k] || !d->value[k]) return false;
  const tn_expr *const all[] = {d->identity[k], d->state[k], d->item[k], d->next[k], d->value[k]};
  static const char *const what[] = {"identity", "state", "item", "next value", "value"};
  for (size_t i = 0; i < TNI_COUNT(all); i++) {
    char want[16], have[16];
    if ((i == 1 || i == 2) && all[i]->op != TN_OP_var)
      return fail(b, "`%s`: the %s is no variable", d->out[k]->name, what[i]), false;
    if (all[i]->type != d->out[k]->type)
      return fail(b, "`%s` holds %s, but the %s is %s", d->out[k]->name, tn_type_text(d->out[k]->type, want), what[i],
                  tn_type_text(all[i]->type, have)),
             false;
  }
  return true;
}

/* Variables of the block's own for those of the host, which may use them again. */
static bool make_own_vars(tn_builder *b, const tn_reducer_desc *desc, const tn_expr **state, const tn_expr **item,
                          const tn_expr **next) {
  const tn_expr *old[2 * TN_MAX_STATES], *own[2 * TN_MAX_STATES];
  size_t count = desc->count;
  for (size_t k = 0; k < count; k++) {
    old[k] = desc->state[k];
    old[count + k] = desc->item[k];
    own[k] = state[k] = made(b, tni_var(b->r, old[k]->as.name, old[k]->type));
    own[count + k] = item[k] = made(b, tni_var(b->r, old[count + k]->as.name, old[k]->type));
  }
  tni_subst rename = {2 * count, old, own};
  for (size_t k = 0; k < count && !broken(b); k++) next[k] = made(b, tni_expr_subst(b->r, desc->next[k], &rename));
  return !broken(b);
}

void tn_reduce_custom(tn_builder *b, const tn_reducer_desc *desc, const tn_expr *const *vars, size_t reduce_count,
                      const tn_expr *const *reduce_vars) {
  const tn_expr *state[TN_MAX_STATES], *item[TN_MAX_STATES], *next[TN_MAX_STATES];
  reduction d = {.out = desc->out, .count = (int32_t)desc->count, .identity = desc->identity, .vars = vars};
  if (broken(b)) return;
  if (desc->struct_size != sizeof *desc) {
    fail(b, "struct_size of the tn_reducer_desc is %zu, not %zu", desc->struct_size, sizeof *desc);
    return;
  }
  if (desc->count < 1 || desc->count > TN_MAX_STATES) {
    fail(b, "a reducer has 1 to %d states", TN_MAX_STATES);
    return;
  }
  for (size_t k = 0; k < desc->count; k++)
    if (!check_state(b, desc, k)) return;
  if (check_states(b, &d) && take_axes(b, d.out[0], vars, d.axes) &&
      take_reduce_axes(b, reduce_count, reduce_vars, &d) && make_own_vars(b, desc, state, item, next))
    define_reduction(b, &d, step_states(b, &d, state, item, desc->value, next));
}
