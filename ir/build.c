/* build.c -- the public builder: one function, made node by node, with sticky errors.
 *
 * Every public constructor checks what its operands are, since the constructors of expr.c and stmt.c only assert it. The
 * first mistake is kept; from then on results are NULL, and NULL operands give NULL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>

#include "text.h"

typedef struct axis {
  const tn_expr *var, *extent;
  bool reduce, used;
} axis;

struct tn_builder {
  tn_program *program;
  tni_region *r;
  tn_context *ctx;
  const char *name;
  tn_error *error; /* the first */
  tn_status status;
  tni_param *params;
  size_t param_count, param_capacity;
  const tn_stmt **stmts;
  size_t stmt_count, stmt_capacity;
  const tn_buffer **allocs;
  size_t alloc_count, alloc_capacity;
  axis *axes;
  size_t axis_count, axis_capacity;
};

static bool broken(const tn_builder *b) { return !b || b->status != TN_OK; }

static void fail(tn_builder *b, const char *reason, ...) TN_PRINTF(2, 3);
static void fail(tn_builder *b, const char *reason, ...) {
  if (broken(b)) return;
  char text[512];
  va_list args;
  va_start(args, reason);
  vsnprintf(text, sizeof text, reason, args);
  va_end(args);
  b->status = tni_fail(b->ctx, &b->error, TN_E_INVALID, "build", b->name, "%s", text);
}

static void *fail_nomem(tn_builder *b) {
  if (!broken(b)) b->status = tni_fail_nomem(&b->error);
  return NULL;
}

/* The result of a constructor: NULL means that there was no memory, since operands were checked. */
static const tn_expr *made(tn_builder *b, const tn_expr *x) { return x ? x : fail_nomem(b); }
static const tn_stmt *made_stmt(tn_builder *b, const tn_stmt *s) { return s ? s : fail_nomem(b); }

static bool push(tn_builder *b, void *array, size_t *count, size_t *capacity, size_t size, const void *item) {
  void **items = array;
  if (!tni_reserve(b->ctx, items, capacity, *count + 1, size)) {
    fail_nomem(b);
    return false;
  }
  memcpy((char *)*items + (*count)++ * size, item, size);
  return true;
}

tn_status tn_builder_create(tn_program *program, const char *name, tn_builder **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  if (!name || !*name) return tni_fail(program->ctx, err, TN_E_INVALID, "build", NULL, "a function needs a name");
  tn_builder *b = tni_alloc_zero(program->ctx, sizeof *b);
  if (!b) return tni_fail_nomem(err);
  b->program = program;
  b->r = &program->region;
  b->ctx = program->ctx;
  b->name = tni_arena_text(&program->region.arena, name);
  *out = b;
  return TN_OK;
}

void tn_builder_destroy(tn_builder *b) {
  if (!b) return;
  tn_context *ctx = b->ctx;
  tn_error_destroy(b->error);
  tni_free(ctx, b->params, b->param_capacity * sizeof *b->params);
  tni_free(ctx, b->stmts, b->stmt_capacity * sizeof *b->stmts);
  tni_free(ctx, b->allocs, b->alloc_capacity * sizeof *b->allocs);
  tni_free(ctx, b->axes, b->axis_capacity * sizeof *b->axes);
  tni_free(ctx, b, sizeof *b);
}

/* The function made so far; NULL without memory. */
static tn_func *assemble(tn_builder *b) {
  const tn_stmt *body = tni_seq(b->r, (int32_t)b->stmt_count, b->stmts);
  for (size_t i = b->alloc_count; i > 0; i--) body = tni_alloc_stmt(b->r, b->allocs[i - 1], body);
  tn_func *func = TNI_NEW(&b->r->arena, tn_func);
  tni_param *params = tni_arena_copy(&b->r->arena, b->params, b->param_count * sizeof *b->params);
  if (!func || !body || !params || !b->name) return NULL;
  func->name = b->name;
  func->level = TNI_LEVEL_TENSOR;
  func->param_count = (uint32_t)b->param_count;
  func->params = params;
  func->body = body;
  func->program = b->program;
  return func;
}

tn_status tn_builder_finish(tn_builder *b, const tn_func **out, tn_error **err) {
  if (out) *out = NULL;
  if (err) *err = NULL;
  if (!b) return tni_fail_nomem(err);
  tn_status status = b->status;
  if (status) {
    if (err)
      *err = b->error;
    else
      tn_error_destroy(b->error);
    b->error = NULL;
  } else {
    tn_func *func = assemble(b);
    status = func ? tni_verify(func, err) : tni_fail_nomem(err);
    if (!status) status = tni_program_add(b->program, func, err);
    if (!status && out) *out = func;
  }
  tn_builder_destroy(b);
  return status;
}

/* ---- parameters and buffers ---- */

static bool check_element_type(tn_builder *b, const char *name, tn_type type) {
  char text[16];
  if (tni_is_element_type(type)) return true;
  fail(b, "`%s`: %s is not an element type", name ? name : "?", tn_type_text(type, text));
  return false;
}

/* The shape, into `form`. */
static bool take_shape(tn_builder *b, const tn_buffer_desc *d, tn_buffer *form) {
  for (int32_t i = 0; i < d->rank; i++) {
    const tn_expr *x = form->shape[i] = d->shape[i];
    if (!x) return false;
    if (x->type != TN_INDEX) return fail(b, "`%s`: extent %d is not an index", form->name, i), false;
    if (tni_is_const(x) && (x->as.i < 0 || x->as.i > INT64_C(1) << 40))
      return fail(b, "`%s`: extent %d is %lld, outside 0..2^40", form->name, i, (long long)x->as.i), false;
  }
  return true;
}

static bool has_null(int32_t count, const tn_expr *const *items) {
  for (int32_t i = 0; i < count; i++)
    if (!items[i]) return true;
  return false;
}

static bool take_layout(tn_builder *b, const tn_buffer_desc *d, tn_buffer *form) {
  tni_layout l = {.rank = d->layout_rank};
  if (d->layout_rank == 0) return true;
  if (d->layout_rank < 0 || d->layout_rank > TN_MAX_RANK || !d->layout_vars || !d->layout_index)
    return fail(b, "`%s`: a layout has 1 to %d dimensions", form->name, TN_MAX_RANK), false;
  if (has_null(d->rank, d->layout_vars) || has_null(l.rank, d->layout_index)) return false;
  for (int32_t i = 0; i < d->rank; i++) {
    l.vars[i] = d->layout_vars[i];
    for (int32_t k = 0; k < i; k++)
      if (l.vars[k] == l.vars[i])
        return fail(b, "`%s`: two dimensions of the layout have one variable", form->name), false;
    if (l.vars[i]->op != TN_OP_var || l.vars[i]->type != TN_INDEX)
      return fail(b, "`%s`: dimension %d of the layout is not an index variable", form->name, i), false;
  }
  for (int32_t k = 0; k < l.rank; k++) l.index[k] = d->layout_index[k];
  const char *why = tni_check_layout(&l, d->rank);
  if (why) return fail(b, "`%s`: %s", form->name, why), false;
  form->layout = tni_layout_make(b->r, d->rank, form->shape, l.vars, l.rank, l.index);
  return form->layout || fail_nomem(b);
}

static bool take_strides(tn_builder *b, const tn_buffer_desc *d, bool is_param, tn_buffer *form) {
  const char *why = tni_check_align(form->type, d->align);
  if (d->strides && has_null(tni_memory_rank(form), d->strides)) return false;
  for (int32_t k = 0; !why && d->strides && k < tni_memory_rank(form); k++) why = tni_check_stride(d->strides[k]);
  if (!why && d->offset) why = is_param ? tni_check_offset(d->offset) : "an offset belongs to a parameter";
  if (why) return fail(b, "`%s`: %s", form->name, why), false;
  form->strides = d->strides;
  form->offset = d->offset && tni_is_int(d->offset, 0) ? NULL : d->offset;
  form->align = tni_normal_align(form->type, is_param, d->align);
  return true;
}

static const tn_buffer *make_buffer(tn_builder *b, const char *name, bool is_param, const tn_buffer_desc *d) {
  if (broken(b)) return NULL;
  if (!name || !*name) return fail(b, "a buffer needs a name"), NULL;
  if (d->struct_size != sizeof *d)
    return fail(b, "`%s`: struct_size of the tn_buffer_desc is %zu, not %zu", name, d->struct_size, sizeof *d), NULL;
  if (d->rank < 0 || d->rank > TN_MAX_RANK)
    return fail(b, "`%s`: rank %d is outside 0..%d", name, d->rank, TN_MAX_RANK), NULL;
  if (!check_element_type(b, name, d->type)) return NULL;
  tn_buffer form = {.name = name, .type = d->type, .rank = d->rank};
  if (!take_shape(b, d, &form) || !take_layout(b, d, &form) || !take_strides(b, d, is_param, &form)) return NULL;
  const tn_buffer *buffer = tni_buffer_make(b->r, &form);
  return buffer ? buffer : fail_nomem(b);
}

/* Constant extents as expressions; the rank is checked by make_buffer. */
static void to_exprs(tn_builder *b, int32_t rank, const int64_t *shape, const tn_expr **out) {
  for (int32_t i = 0; i < rank && i < TN_MAX_RANK; i++) out[i] = made(b, tni_index(b->r, shape[i]));
}

static tn_buffer_desc plain(tn_type type, int32_t rank, const tn_expr *const *shape) {
  return (tn_buffer_desc){.struct_size = sizeof(tn_buffer_desc), .type = type, .rank = rank, .shape = shape};
}

const tn_buffer *tn_param_with(tn_builder *b, const char *name, const tn_buffer_desc *desc) {
  const tn_buffer *buffer = make_buffer(b, name, true, desc);
  tni_param param = {.buffer = buffer};
  return buffer && push(b, &b->params, &b->param_count, &b->param_capacity, sizeof param, &param) ? buffer : NULL;
}

const tn_buffer *tn_param_symbolic(tn_builder *b, const char *name, tn_type type, int32_t rank,
                                   const tn_expr *const *shape) {
  tn_buffer_desc desc = plain(type, rank, shape);
  return tn_param_with(b, name, &desc);
}

const tn_buffer *tn_param(tn_builder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape) {
  const tn_expr *extents[TN_MAX_RANK] = {NULL};
  if (broken(b)) return NULL;
  to_exprs(b, rank, shape, extents);
  return tn_param_symbolic(b, name, type, rank, extents);
}

const tn_expr *tn_param_scalar(tn_builder *b, const char *name, tn_type type) {
  if (broken(b) || (type != TN_INDEX && !check_element_type(b, name, type))) return NULL;
  tni_param param = {.scalar = made(b, tni_var(b->r, name, type))};
  return param.scalar && push(b, &b->params, &b->param_count, &b->param_capacity, sizeof param, &param) ? param.scalar
                                                                                                        : NULL;
}

const tn_buffer *tn_alloc_with(tn_builder *b, const char *name, const tn_buffer_desc *desc) {
  const tn_buffer *buffer = make_buffer(b, name, false, desc);
  return buffer && push(b, &b->allocs, &b->alloc_count, &b->alloc_capacity, sizeof buffer, &buffer) ? buffer : NULL;
}

const tn_buffer *tn_alloc_symbolic(tn_builder *b, const char *name, tn_type type, int32_t rank,
                                   const tn_expr *const *shape) {
  tn_buffer_desc desc = plain(type, rank, shape);
  return tn_alloc_with(b, name, &desc);
}

const tn_buffer *tn_alloc(tn_builder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape) {
  const tn_expr *extents[TN_MAX_RANK] = {NULL};
  if (broken(b)) return NULL;
  to_exprs(b, rank, shape, extents);
  return tn_alloc_symbolic(b, name, type, rank, extents);
}

/* ---- expressions ---- */

const tn_expr *tn_int(tn_builder *b, tn_type type, int64_t value) {
  if (broken(b)) return NULL;
  if (tni_type_is_float(type)) return tn_float(b, type, (double)value);
  if (type != TN_INDEX && !check_element_type(b, "constant", type)) return NULL;
  return made(b, tni_const_int(b->r, type, value));
}

const tn_expr *tn_float(tn_builder *b, tn_type type, double value) {
  if (broken(b)) return NULL;
  if (!tni_type_is_float(type) || TN_TYPE_LANES(type) != 1)
    return fail(b, "a floating-point constant needs a floating-point type"), NULL;
  return made(b, tni_const_float(b->r, type, value));
}

static const tn_expr *make_op(tn_builder *b, enum tn_op op, size_t count, const tn_expr *const *args) {
  if (broken(b)) return NULL;
  for (size_t i = 0; i < count; i++)
    if (!args[i]) return NULL;
  if (!tni_op_has_rule(op) || tni_ops[op].arity != count)
    return fail(b, "`%s` is not an operator of %zu operands", op < TN_OP_COUNT ? tni_ops[op].name : "?", count), NULL;
  const char *why;
  char left[16], right[16];
  if (!tni_op_type(op, args, &why))
    return fail(b, "`%s` of %s and %s: %s", tni_ops[op].name, tn_type_text(args[0]->type, left),
                tn_type_text(args[count - 1]->type, right), why),
           NULL;
  return made(b, tni_op(b->r, op, count, args));
}

const tn_expr *tn_op1(tn_builder *b, enum tn_op op, const tn_expr *x) { return make_op(b, op, 1, &x); }

const tn_expr *tn_op2(tn_builder *b, enum tn_op op, const tn_expr *x, const tn_expr *y) {
  const tn_expr *args[] = {x, y};
  return make_op(b, op, 2, args);
}

const tn_expr *tn_op3(tn_builder *b, enum tn_op op, const tn_expr *x, const tn_expr *y, const tn_expr *z) {
  const tn_expr *args[] = {x, y, z};
  return make_op(b, op, 3, args);
}

static const tn_expr *make_cast(tn_builder *b, enum tn_op op, tn_type type, const tn_expr *x) {
  if (broken(b) || !x || (type != TN_INDEX && !check_element_type(b, tni_ops[op].name, type))) return NULL;
  return made(b, tni_convert(b->r, op, type, x));
}

const tn_expr *tn_cast(tn_builder *b, tn_type type, const tn_expr *x) { return make_cast(b, TN_OP_cast, type, x); }
const tn_expr *tn_cast_sat(tn_builder *b, tn_type type, const tn_expr *x) {
  return make_cast(b, TN_OP_cast_sat, type, x);
}

const tn_expr *tn_reinterpret(tn_builder *b, tn_type type, const tn_expr *x) {
  if (broken(b) || !x || !check_element_type(b, "reinterpret", type)) return NULL;
  if (TN_TYPE_BITS(type) != TN_TYPE_BITS(x->type) || type == TN_BOOL || x->type == TN_BOOL || x->type == TN_INDEX)
    return fail(b, "reinterpret needs two data types of the same size"), NULL;
  return made(b, tni_reinterpret(b->r, type, x));
}

static bool check_subscripts(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index) {
  if (broken(b) || !buffer) return false;
  for (int32_t i = 0; i < buffer->rank; i++) {
    if (!index[i]) return false;
    if (index[i]->type != TN_INDEX) return fail(b, "`%s`: subscript %d is not an index", buffer->name, i), false;
  }
  return true;
}

const tn_expr *tn_load(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index, const tn_expr *where) {
  if (!check_subscripts(b, buffer, index)) return NULL;
  if (where && where->type != TN_BOOL) return fail(b, "`%s`: the condition of a load must be bool", buffer->name), NULL;
  return made(b, tni_load(b->r, buffer->type, buffer, (size_t)buffer->rank, index, where));
}

const tn_expr *tn_call(tn_builder *b, const char *external, size_t count, const tn_expr *const *args) {
  if (broken(b)) return NULL;
  const tni_extern *e = external ? tni_program_find_extern(b->program, external) : NULL;
  if (!e) return fail(b, "there is no external `%s`: tn_program_extern declares one", external ? external : "?"), NULL;
  if (count != e->param_count)
    return fail(b, "`%s` takes %u arguments, not %zu", external, e->param_count, count), NULL;
  for (size_t i = 0; i < count; i++) {
    char want[16], have[16];
    if (!args[i]) return NULL;
    if (args[i]->type != e->params[i])
      return fail(b, "`%s`: argument %zu is %s, not %s", external, i, tn_type_text(args[i]->type, have),
                  tn_type_text(e->params[i], want)),
             NULL;
  }
  return made(b, tni_call(b->r, e->result, external, count, args));
}

const tn_expr *tn_address(tn_builder *b, const tn_buffer *buffer) {
  return broken(b) || !buffer ? NULL : made(b, tni_address(b->r, buffer));
}

tn_type tn_expr_type(const tn_expr *x) { return x ? x->type : TN_VOID; }

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

enum { MAX_ITERS = 4 * TN_MAX_RANK };

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

static bool check_value(tn_builder *b, const tn_buffer *out, const tn_expr *value) {
  char want[16], have[16];
  if (broken(b) || !out || !value) return false;
  if (value->type != out->type)
    return fail(b, "`%s` holds %s, but the value is %s", out->name, tn_type_text(out->type, want),
                tn_type_text(value->type, have)),
           false;
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

/* ---- raw statements ---- */

void tn_emit(tn_builder *b, const tn_stmt *stmt) {
  if (!broken(b) && stmt) push(b, &b->stmts, &b->stmt_count, &b->stmt_capacity, sizeof stmt, &stmt);
}

const tn_expr *tn_var(tn_builder *b, const char *name, tn_type type) {
  if (broken(b)) return NULL;
  if (!name || !*name || !tni_type_is_valid(type)) return fail(b, "a variable needs a name and a type"), NULL;
  return made(b, tni_var(b->r, name, type));
}

const tn_stmt *tn_store(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index, const tn_expr *value) {
  if (!check_subscripts(b, buffer, index) || !check_value(b, buffer, value)) return NULL;
  return made_stmt(b, tni_store(b->r, buffer, buffer->rank, index, value, NULL));
}

const tn_stmt *tn_reduce_store(tn_builder *b, enum tn_op op, const tn_buffer *buffer, const tn_expr *const *index,
                               const tn_expr *value) {
  const char *why = NULL;
  const tn_expr *args[] = {value, value};
  if (!check_subscripts(b, buffer, index) || !check_value(b, buffer, value)) return NULL;
  if (!tni_is_reducing(op)) return fail(b, "%s", tni_reducing_operators), NULL;
  if (!tni_op_type(op, args, &why)) return fail(b, "`%s`: `%s`: %s", buffer->name, tni_ops[op].name, why), NULL;
  return made_stmt(b, tni_reduce(b->r, op, buffer, buffer->rank, index, value, NULL));
}

const tn_stmt *tn_seq(tn_builder *b, size_t count, const tn_stmt *const *stmts) {
  for (size_t i = 0; i < count; i++)
    if (!stmts[i]) return NULL;
  return broken(b) ? NULL : made_stmt(b, tni_seq(b->r, (int32_t)count, stmts));
}

const tn_stmt *tn_if(tn_builder *b, const tn_expr *condition, const tn_stmt *then, const tn_stmt *otherwise) {
  if (broken(b) || !condition || !then) return NULL;
  if (condition->type != TN_BOOL) return fail(b, "the condition of an if must be bool"), NULL;
  return made_stmt(b, tni_if(b->r, condition, then, otherwise));
}

static bool is_loop_var(tn_builder *b, const tn_expr *var, const tn_expr *extent) {
  if (broken(b) || !var || !extent) return false;
  if (var->op != TN_OP_var || var->type != TN_INDEX || extent->type != TN_INDEX)
    return fail(b, "a loop needs an index variable and an index extent"), false;
  return true;
}

const tn_stmt *tn_for(tn_builder *b, const tn_expr *var, const tn_expr *extent, const tn_stmt *body) {
  if (!is_loop_var(b, var, extent) || !body) return NULL;
  return made_stmt(b, tni_for(b->r, var, extent, TNI_SERIAL, body));
}

const tn_stmt *tn_let(tn_builder *b, const tn_expr *var, const tn_expr *value, const tn_stmt *body) {
  char want[16], have[16];
  if (broken(b) || !var || !value || !body) return NULL;
  if (var->op != TN_OP_var) return fail(b, "a let needs a variable"), NULL;
  if (var->type != value->type)
    return fail(b, "`%s` is %s, but its value is %s", var->as.name, tn_type_text(var->type, want),
                tn_type_text(value->type, have)),
           NULL;
  return made_stmt(b, tni_let(b->r, var, value, body));
}

static const tn_stmt *annotate(tn_builder *b, const tn_stmt *s, tni_annotation note) {
  if (broken(b) || !s) return NULL;
  tni_annotations old = tni_annotations_of(s);
  if (s->kind != TNI_FOR && s->kind != TNI_BLOCK) return fail(b, "only loops and blocks are annotated"), NULL;
  if (!note.key || !*note.key) return fail(b, "an annotation needs a key"), NULL;
  tni_annotation *items = TNI_NEW_ARRAY(&b->r->arena, tni_annotation, old.count + 1);
  if (!items) return fail_nomem(b);
  if (old.count) memcpy(items, old.items, (size_t)old.count * sizeof *items);
  items[old.count] = note;
  return made_stmt(b, tni_annotated(b->r, s, (tni_annotations){old.count + 1, items}));
}

const tn_stmt *tn_annotate(tn_builder *b, const tn_stmt *s, const char *key, int64_t value) {
  return annotate(b, s, (tni_annotation){.key = key, .number = value});
}

const tn_stmt *tn_annotate_text(tn_builder *b, const tn_stmt *s, const char *key, const char *text) {
  return annotate(b, s, (tni_annotation){.key = key, .text = text ? text : ""});
}

const tn_stmt *tn_while(tn_builder *b, const tn_expr *condition, const tn_stmt *body) {
  if (broken(b) || !condition || !body) return NULL;
  if (condition->type != TN_BOOL) return fail(b, "the condition of a while must be bool"), NULL;
  return made_stmt(b, tni_while(b->r, condition, body));
}

static bool check_claim(tn_builder *b, const tn_expr *condition, const tn_stmt *body) {
  if (broken(b) || !condition || !body) return false;
  if (condition->type != TN_BOOL) return fail(b, "what is asserted or assumed must be bool"), false;
  return true;
}

const tn_stmt *tn_assert(tn_builder *b, const tn_expr *condition, const char *message, const tn_stmt *body) {
  if (!check_claim(b, condition, body)) return NULL;
  if (!message || !*message) return fail(b, "an assert needs a message"), NULL;
  return made_stmt(b, tni_claim(b->r, condition, message, body));
}

const tn_stmt *tn_assume(tn_builder *b, const tn_expr *condition, const tn_stmt *body) {
  return check_claim(b, condition, body) ? made_stmt(b, tni_claim(b->r, condition, NULL, body)) : NULL;
}

const tn_stmt *tn_evaluate(tn_builder *b, const tn_expr *call) {
  if (broken(b) || !call) return NULL;
  if (call->op != TN_OP_call) return fail(b, "only a call can be evaluated for its effect"), NULL;
  return made_stmt(b, tni_evaluate(b->r, call));
}

const tn_stmt *tn_block(tn_builder *b, const char *name, size_t count, const tn_expr *const *vars,
                        const tn_expr *const *extents, const uint8_t *reduce, const tn_expr *const *bindings,
                        const tn_expr *where, const tn_stmt *init, const tn_stmt *body) {
  tni_iter iters[MAX_ITERS];
  if (broken(b) || !body) return NULL;
  if (!name || !*name || count > MAX_ITERS)
    return fail(b, "a block needs a name and at most %d iterators", MAX_ITERS), NULL;
  for (size_t i = 0; i < count; i++) {
    if (!is_loop_var(b, vars[i], extents[i]) || !bindings[i]) return NULL;
    iters[i] = (tni_iter){.var = vars[i], .extent = extents[i], .binding = bindings[i], .reduce = reduce && reduce[i]};
  }
  return made_stmt(b, tni_block(b->r, name, (int32_t)count, iters, where, init, body));
}
