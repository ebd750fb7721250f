/* build.c -- the public builder: one function, made node by node, with sticky errors.
 *
 * Every public constructor checks what its operands are, since the constructors of expr.c and stmt.c only assert it. The
 * first mistake is kept; from then on results are NULL, and NULL operands give NULL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "build.h"

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

static tn_status finish(tn_builder *b, bool verify, const tn_func **out, tn_error **err) {
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
    status = func ? TN_OK : tni_fail_nomem(err);
    if (!status && verify) status = tni_verify(func, err);
    if (!status) func->unverified = !verify;
    if (!status) status = tni_program_add(b->program, func, err);
    if (!status && out) *out = func;
  }
  tn_builder_destroy(b);
  return status;
}

tn_status tn_builder_finish(tn_builder *b, const tn_func **out, tn_error **err) { return finish(b, true, out, err); }

tn_status tni_builder_finish_unverified(tn_builder *b, const tn_func **out, tn_error **err) {
  return finish(b, false, out, err);
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

_Static_assert((int)TN_GLOBAL == TNI_SCOPE_GLOBAL && (int)TN_LOCAL == TNI_SCOPE_LOCAL &&
                   (int)TN_REGISTER == TNI_SCOPE_REGISTER && (int)TN_SHARED == TNI_SCOPE_SHARED,
               "scopes have one number");

static const tn_buffer *make_buffer(tn_builder *b, const char *name, bool is_param, const tn_buffer_desc *d) {
  if (broken(b)) return NULL;
  if (!name || !*name) return fail(b, "a buffer needs a name"), NULL;
  if (d->struct_size != sizeof *d)
    return fail(b, "`%s`: struct_size of the tn_buffer_desc is %zu, not %zu", name, d->struct_size, sizeof *d), NULL;
  if (d->rank < 0 || d->rank > TN_MAX_RANK)
    return fail(b, "`%s`: rank %d is outside 0..%d", name, d->rank, TN_MAX_RANK), NULL;
  if (!check_element_type(b, name, d->type)) return NULL;
  if ((unsigned)d->scope >= TNI_SCOPE_COUNT) return fail(b, "`%s`: there is no scope %d", name, (int)d->scope), NULL;
  tn_buffer form = {.name = name, .type = d->type, .rank = d->rank, .scope = (enum tni_scope)d->scope};
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

const tn_expr *tn_param_var(tn_builder *b, const tn_expr *var) {
  tni_param param = {.scalar = var};
  if (broken(b) || !var) return NULL;
  if (var->op != TN_OP_var) return fail(b, "a scalar parameter is a variable"), NULL;
  return push(b, &b->params, &b->param_count, &b->param_capacity, sizeof param, &param) ? var : NULL;
}

const tn_expr *tn_param_scalar(tn_builder *b, const char *name, tn_type type) {
  if (broken(b) || (type != TN_INDEX && !check_element_type(b, name, type))) return NULL;
  return tn_param_var(b, made(b, tni_var(b->r, name, type)));
}

const tn_buffer *tn_buffer_with(tn_builder *b, const char *name, const tn_buffer_desc *desc) {
  return make_buffer(b, name, false, desc);
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
  char text[16];
  if (type != TN_INDEX && !tni_is_element_type(type))
    return fail(b, "there is no constant of type %s", tn_type_text(type, text)), NULL;
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

static const tn_expr *convert(tn_builder *b, enum tn_op op, tn_type type, const tn_expr *x) {
  char from[16], to[16];
  if (broken(b) || !x) return NULL;
  const char *why = tni_check_convert(op, type, x->type);
  if (why)
    return fail(b, "`%s` of %s to %s: %s", tni_ops[op].name, tn_type_text(x->type, from), tn_type_text(type, to), why),
           NULL;
  return made(b, tni_convert(b->r, op, type, x));
}

const tn_expr *tn_cast(tn_builder *b, tn_type type, const tn_expr *x) { return convert(b, TN_OP_cast, type, x); }
const tn_expr *tn_cast_sat(tn_builder *b, tn_type type, const tn_expr *x) {
  return convert(b, TN_OP_cast_sat, type, x);
}

const tn_expr *tn_reinterpret(tn_builder *b, tn_type type, const tn_expr *x) {
  return convert(b, TN_OP_reinterpret, type, x);
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
    return fail(b, "`%s` takes %u argument%s, not %zu", external, e->param_count, e->param_count == 1 ? "" : "s",
                count),
           NULL;
  for (size_t i = 0; i < count; i++) {
    char want[16], have[16];
    if (!args[i]) return NULL;
    if (args[i]->type != e->params[i])
      return fail(b, "`%s`: argument %zu is %s, not %s", external, i + 1, tn_type_text(args[i]->type, have),
                  tn_type_text(e->params[i], want)),
             NULL;
  }
  return made(b, tni_call(b->r, e->result, external, count, args));
}

const tn_expr *tn_address(tn_builder *b, const tn_buffer *buffer) {
  return broken(b) || !buffer ? NULL : made(b, tni_address(b->r, buffer));
}

tn_type tn_expr_type(const tn_expr *x) { return x ? x->type : TN_VOID; }

/* ---- raw statements ---- */

void tn_emit(tn_builder *b, const tn_stmt *stmt) {
  if (!broken(b) && stmt) push(b, &b->stmts, &b->stmt_count, &b->stmt_capacity, sizeof stmt, &stmt);
}

const tn_expr *tn_var(tn_builder *b, const char *name, tn_type type) {
  if (broken(b)) return NULL;
  if (!name || !*name || !tni_type_is_valid(type)) return fail(b, "a variable needs a name and a type"), NULL;
  return made(b, tni_var(b->r, name, type));
}

static bool check_store(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index, const tn_expr *value,
                        const tn_expr *where) {
  if (!check_subscripts(b, buffer, index) || !check_value(b, buffer, value)) return false;
  if (where && where->type != TN_BOOL)
    return fail(b, "`%s`: the condition of a store must be bool", buffer->name), false;
  return true;
}

const tn_stmt *tn_store_where(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index, const tn_expr *value,
                              const tn_expr *where) {
  if (!check_store(b, buffer, index, value, where)) return NULL;
  return made_stmt(b, tni_store(b->r, buffer, buffer->rank, index, value, where));
}

const tn_stmt *tn_store(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index, const tn_expr *value) {
  return tn_store_where(b, buffer, index, value, NULL);
}

const tn_stmt *tn_reduce_store_where(tn_builder *b, enum tn_op op, const tn_buffer *buffer, const tn_expr *const *index,
                                     const tn_expr *value, const tn_expr *where) {
  const char *why = NULL;
  const tn_expr *args[] = {value, value};
  if (!check_store(b, buffer, index, value, where)) return NULL;
  if (!tni_is_reducing(op)) return fail(b, "%s", tni_reducing_operators), NULL;
  if (!tni_op_type(op, args, &why)) return fail(b, "`%s`: `%s`: %s", buffer->name, tni_ops[op].name, why), NULL;
  return made_stmt(b, tni_reduce(b->r, op, buffer, buffer->rank, index, value, where));
}

const tn_stmt *tn_reduce_store(tn_builder *b, enum tn_op op, const tn_buffer *buffer, const tn_expr *const *index,
                               const tn_expr *value) {
  return tn_reduce_store_where(b, op, buffer, index, value, NULL);
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

_Static_assert((int)TN_SERIAL == TNI_SERIAL && (int)TN_PARALLEL == TNI_PARALLEL &&
                   (int)TN_VECTORIZED == TNI_VECTORIZED && (int)TN_UNROLLED == TNI_UNROLLED &&
                   (int)TN_OUTLINED == TNI_OUTLINED && (int)TN_BLOCK_X == TNI_BLOCK_X &&
                   (int)TN_THREAD_Z == TNI_THREAD_Z,
               "kinds of loops have one number");

const tn_stmt *tn_for_kind(tn_builder *b, enum tn_loop_kind kind, const tn_expr *var, const tn_expr *extent,
                           const tn_stmt *body) {
  if (!is_loop_var(b, var, extent) || !body) return NULL;
  if ((unsigned)kind >= TNI_LOOP_KIND_COUNT) return fail(b, "there is no loop of kind %d", (int)kind), NULL;
  return made_stmt(b, tni_for(b->r, var, extent, (enum tni_loop_kind)kind, body));
}

const tn_stmt *tn_for(tn_builder *b, const tn_expr *var, const tn_expr *extent, const tn_stmt *body) {
  return tn_for_kind(b, TN_SERIAL, var, extent, body);
}

const tn_stmt *tn_allocate(tn_builder *b, const tn_buffer *buffer, const tn_stmt *body) {
  return broken(b) || !buffer || !body ? NULL : made_stmt(b, tni_alloc_stmt(b->r, buffer, body));
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

const tn_stmt *tn_barrier(tn_builder *b, enum tn_scope scope) {
  if (broken(b)) return NULL;
  if (scope != TN_SHARED && scope != TN_GLOBAL) return fail(b, "a barrier is of shared or of global memory"), NULL;
  return made_stmt(b, tni_barrier(b->r, (enum tni_scope)scope));
}

const tn_stmt *tn_copy(tn_builder *b, const tn_buffer *to, const tn_expr *const *index, const tn_expr *from,
                       const tn_expr *where) {
  if (!check_store(b, to, index, from, where)) return NULL;
  if (from->op != TN_OP_load) return fail(b, "`%s`: what is copied is a tn_load", to->name), NULL;
  return made_stmt(b, tni_copy(b->r, to, to->rank, index, from, where));
}

const tn_stmt *tn_prefetch_line(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index) {
  return check_subscripts(b, buffer, index) ? made_stmt(b, tni_prefetch(b->r, buffer, buffer->rank, index)) : NULL;
}

const tn_stmt *tn_commit(tn_builder *b) { return broken(b) ? NULL : made_stmt(b, tni_commit(b->r)); }

const tn_stmt *tn_wait(tn_builder *b, int64_t pending) {
  if (broken(b)) return NULL;
  if (pending < 0) return fail(b, "%lld groups of copies cannot be pending", (long long)pending), NULL;
  return made_stmt(b, tni_wait(b->r, pending));
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
