/* build_define.c -- the builder's definitions in compute style: axes, and blocks over them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "build.h"

/* ---- definitions ---- */

static const tn_expr *add_axis(tn_builder *b, const char *name, const tn_expr *extent, bool reduce) {
  if (broken(b) || !extent) return NULL;
  if (extent->type != TN_INDEX || (tni_is_const(extent) && extent->as.i < 0))
    return fail(b, "axis `%s`: the extent must be an index, not negative", name), NULL;
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
           a->used ? "used in a definition before" : "of the other kind");
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

static int64_t int_limit(tn_type type, bool largest) {
  uint32_t bits = TN_TYPE_BITS(type);
  if (!tni_type_is_signed(type)) return largest ? tni_wrap(type, -1) : 0;
  int64_t max = (int64_t)(~UINT64_C(0) >> (65 - bits));
  return largest ? max : -max - 1;
}

static const tn_expr *identity_of(tn_builder *b, enum tn_reducer reducer, tn_type type) {
  bool is_float = tni_type_is_float(type);
  switch (reducer) {
  case TN_REDUCE_SUM: return tni_zero(b->r, type);
  case TN_REDUCE_PRODUCT: return is_float ? tni_const_float(b->r, type, 1) : tni_const_int(b->r, type, 1);
  case TN_REDUCE_MIN:
    return is_float ? tni_const_float(b->r, type, tni_float_highest(type))
                    : tni_const_int(b->r, type, int_limit(type, true));
  case TN_REDUCE_MAX:
    return is_float ? tni_const_float(b->r, type, -tni_float_highest(type))
                    : tni_const_int(b->r, type, int_limit(type, false));
  }
  return NULL;
}

static const tn_expr *combine(tn_builder *b, enum tn_reducer reducer, const tn_expr *acc, const tn_expr *value) {
  switch (reducer) {
  case TN_REDUCE_SUM:
    if (tni_type_is_float(acc->type) && value->op == TN_OP_mul)
      return tni_op3(b->r, TN_OP_fma, value->arg[0], value->arg[1], acc);
    return tni_add(b->r, acc, value);
  case TN_REDUCE_PRODUCT: return tni_mul(b->r, acc, value);
  case TN_REDUCE_MIN: return tni_op2(b->r, TN_OP_min, acc, value);
  case TN_REDUCE_MAX: return tni_op2(b->r, TN_OP_max, acc, value);
  }
  return NULL;
}

/* May a loop over one of the reduce axes be empty? Then the init of a block would never run. */
static bool may_be_empty(size_t count, axis *const *axes) {
  for (size_t i = 0; i < count; i++)
    if (!tni_is_const(axes[i]->extent) || axes[i]->extent->as.i == 0) return true;
  return false;
}

/* The init as a definition of its own, over axes of its own. */
static void define_init(tn_builder *b, const tn_buffer *out, axis *const *axes, const tn_expr *identity) {
  axis own[TN_MAX_RANK], *list[TN_MAX_RANK];
  const tn_expr *vars[TN_MAX_RANK];
  for (int32_t i = 0; i < out->rank; i++) {
    vars[i] = made(b, tni_var(b->r, axes[i]->var->as.name, TN_INDEX));
    own[i] = (axis){.var = vars[i], .extent = axes[i]->extent};
    list[i] = &own[i];
  }
  char *name = tni_arena_format(&b->r->arena, "%s_init", out->name);
  if (!name) fail_nomem(b);
  if (!broken(b)) define(b, name, out->rank, list, NULL, tni_store(b->r, out, out->rank, vars, identity, NULL));
}

void tn_reduce(tn_builder *b, const tn_buffer *out, const tn_expr *const *vars, size_t reduce_count,
               const tn_expr *const *reduce_vars, enum tn_reducer reducer, const tn_expr *value) {
  axis *axes[MAX_ITERS];
  if (!check_value(b, out, value) || !take_axes(b, out, vars, axes)) return;
  if (reducer > TN_REDUCE_MAX || out->type == TN_BOOL || reduce_count > MAX_ITERS - TN_MAX_RANK) {
    fail(b, "`%s`: no such reduction", out->name);
    return;
  }
  for (size_t i = 0; i < reduce_count; i++)
    if (!reduce_vars[i] || !(axes[out->rank + (int32_t)i] = find_axis(b, reduce_vars[i], true, out->name))) return;
  const tn_expr *acc = made(b, tni_load(b->r, out->type, out, (size_t)out->rank, vars, NULL));
  if (!acc) return;
  const tn_expr *identity = identity_of(b, reducer, out->type);
  const tn_stmt *init = tni_store(b->r, out, out->rank, vars, identity, NULL);
  const tn_stmt *update = tni_store(b->r, out, out->rank, vars, combine(b, reducer, acc, value), NULL);
  bool apart = may_be_empty(reduce_count, axes + out->rank);
  if (apart) define_init(b, out, axes, identity);
  define(b, out->name, out->rank + (int32_t)reduce_count, axes, apart ? NULL : init, update);
}
