/* define.c -- one graph node as a tensor function; what the operators' definitions share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "ops.h"

const tn_expr *tni_number(tn_builder *b, tn_type type, double value) {
  if (TN_TYPE_BITS(type) == 0) return NULL; /* that of an operand for which there was no memory */
  return tni_type_is_float(type) ? tn_float(b, type, value)
                                 : tn_int(b, type, tni_eval_cast(type, TN_F64, (tni_scalar){.f = value}).i);
}

tn_type tni_sum_type(tn_type type) { return tni_type_is_float(type) && TN_TYPE_BITS(type) < 32 ? TN_F32 : type; }

void tni_axes(tn_builder *b, int32_t rank, const int64_t *shape, const tn_expr **axes) {
  for (int32_t i = 0; i < rank; i++) {
    char name[16];
    snprintf(name, sizeof name, "i%d", i);
    axes[i] = tn_axis(b, name, shape[i]);
  }
}

bool tni_is_immediate(const tni_gop *op, const tni_gvalue *value) {
  return op && op->kind == TNI_GOP_ELEMENTWISE && value && value->data && tni_gvalue_numel(value) == 1;
}

static const tn_expr *immediate(tn_builder *b, const tni_gvalue *value) {
  tni_scalar s = tni_read_element(value->type, value->data, 0);
  return tni_type_is_float(value->type) ? tn_float(b, value->type, s.f) : tn_int(b, value->type, s.i);
}

const tn_expr *tni_input(const tni_define *d, uint32_t i, int32_t rank, const tn_expr *const *axes) {
  const tni_gvalue *v = d->in_value[i];
  if (tni_is_immediate(d->node->op, v)) return immediate(d->b, v);
  const tn_expr *index[TN_MAX_RANK] = {NULL};
  for (int32_t k = 0; k < v->rank; k++) {
    int32_t axis = rank - v->rank + k;
    index[k] = v->shape[k] == 1 && d->out_value[0]->shape[axis] != 1 ? tn_index(d->b, 0) : axes[axis];
  }
  return tn_load(d->b, d->in[i], index, NULL);
}

const tn_expr *tni_flatten(tn_builder *b, int32_t rank, const int64_t *shape, const tn_expr *const *axes) {
  const tn_expr *place = tn_index(b, 0);
  for (int32_t i = 0; i < rank; i++) place = tn_add(b, tn_mul(b, place, tn_index(b, shape[i])), axes[i]);
  return place;
}

void tni_unflatten(tn_builder *b, const tn_expr *place, int32_t rank, const int64_t *shape, const tn_expr **axes) {
  for (int32_t i = rank - 1; i >= 0; i--) {
    axes[i] = i == 0 ? place : tn_op2(b, TN_OP_floormod, place, tn_index(b, shape[i]));
    place = tn_op2(b, TN_OP_floordiv, place, tn_index(b, shape[i]));
  }
}

const tn_expr *tni_inside(tn_builder *b, const tn_expr *x, int64_t extent) {
  const tn_expr *low = tn_op2(b, TN_OP_le, tn_int(b, tn_expr_type(x), 0), x);
  return tn_op2(b, TN_OP_and, low, tn_op2(b, TN_OP_lt, x, tn_int(b, tn_expr_type(x), extent)));
}

const tn_expr *tni_both(tn_builder *b, const tn_expr *x, const tn_expr *y) {
  if (!x || !y) return x ? x : y;
  return tn_op2(b, TN_OP_and, x, y);
}

void tni_loop_vars(tn_builder *b, const tni_gvalue *v, const tn_expr **vars) {
  for (int32_t i = 0; i < v->rank; i++) {
    char name[16];
    snprintf(name, sizeof name, "u%d", i);
    vars[i] = tn_var(b, name, TN_INDEX);
  }
}

const tn_stmt *tni_in_loops(tn_builder *b, const tni_gvalue *v, const tn_expr *const *vars, const tn_stmt *body) {
  for (int32_t i = v->rank - 1; i >= 0; i--) body = tn_for(b, vars[i], tn_index(b, v->shape[i]), body);
  return body;
}

const tn_expr *tni_order_key(tn_builder *b, const tn_expr *x) {
  tn_type type = tn_expr_type(x);
  const tn_expr *zero = tn_int(b, TN_I64, 0), *lowest = tn_int(b, TN_I64, INT64_MIN), *key;
  if (TN_TYPE_BITS(type) == 0) return NULL;
  if (tni_type_is_float(type)) {
    const tn_expr *wide = tn_cast(b, TN_F64, x);
    wide = tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_eq, wide, wide), wide, tn_float(b, TN_F64, (double)NAN));
    key = tn_reinterpret(b, TN_I64, tn_add(b, wide, tn_float(b, TN_F64, 0)));
    key = tn_op2(b, TN_OP_and, key, tn_int(b, TN_I64, INT64_MAX));
    const tn_expr *below = tn_op2(b, TN_OP_lt, wide, tn_float(b, TN_F64, 0));
    key = tn_op3(b, TN_OP_select, below, tn_sub(b, zero, key), key);
  } else {
    key = tn_cast(b, TN_I64, x);
    if (type == TN_U64) key = tn_op2(b, TN_OP_xor, key, lowest);
  }
  return key;
}

bool tni_gvalue_bytes(tn_context *ctx, const tni_gvalue *value, size_t *bytes) {
  size_t n = 1;
  bool empty = false;
  for (int32_t i = 0; i < value->rank; i++) {
    empty |= value->shape[i] == 0;
    if (value->shape[i] < 0 || (uint64_t)value->shape[i] > ctx->limits.tensor_bytes) return false;
  }
  for (int32_t i = 0; i < value->rank && !empty; i++)
    if (!tni_mul_size(n, (size_t)value->shape[i], &n)) return false;
  *bytes = empty ? 0 : n > INT64_MAX ? SIZE_MAX : tn_array_bytes(value->type, (int64_t)n);
  return *bytes <= ctx->limits.tensor_bytes;
}

/* ---- evaluation of one node -------------------------------------------------------------------------------------- */

/* Parameters: the inputs that are present, then the outputs. */
typedef struct one_node {
  tn_builder *b;
  const tn_buffer **in, **out;
  void **pointers;
  size_t count;
} one_node;

/* The contents, where their elements are aligned: in the arena where they were not. NULL: no memory. */
static void *aligned_contents(tni_arena *arena, const tni_gvalue *v) {
  if (!tni_gvalue_is_loose(v)) return (void *)v->data;
  return (void *)tni_arena_copy(arena, v->data, tn_array_bytes(v->type, tni_gvalue_numel(v)));
}

static void add_params(one_node *f, tni_arena *arena, const tni_gnode *node, const tni_gvalue *const *in,
                       const tni_gvalue *out, void *const *out_data) {
  for (uint32_t i = 0; i < node->input_count; i++) {
    f->in[i] = NULL;
    if (!in[i] || tni_is_immediate(node->op, in[i])) continue;
    f->in[i] = tn_param(f->b, "x", in[i]->type, in[i]->rank, in[i]->shape);
    f->pointers[f->count++] = aligned_contents(arena, in[i]);
  }
  for (uint32_t i = 0; i < node->output_count; i++) {
    f->out[i] = tn_param(f->b, "y", out[i].type, out[i].rank, out[i].shape);
    f->pointers[f->count++] = out_data[i];
  }
}

static tn_status define_and_run(tn_program *program, tni_arena *arena, const tni_gnode *node,
                                const tni_gvalue *const *in, const tni_gvalue *out, const tni_evaluator *evaluator,
                                void *const *out_data, tn_error **err) {
  one_node f = {NULL, TNI_NEW_ARRAY(arena, const tn_buffer *, node->input_count),
                TNI_NEW_ARRAY(arena, const tn_buffer *, node->output_count),
                TNI_NEW_ARRAY(arena, void *, node->input_count + node->output_count), 0};
  const tni_gvalue **out_value = TNI_NEW_ARRAY(arena, const tni_gvalue *, node->output_count);
  if (arena->failed) return tni_fail_nomem(err);
  tn_status status = tn_builder_create(program, "f", &f.b, err);
  if (status != TN_OK) return status;
  for (uint32_t i = 0; i < node->output_count; i++) out_value[i] = &out[i];
  add_params(&f, arena, node, in, out, out_data);
  tni_define d = {f.b, node, in, out_value, f.in, f.out};
  bool defined = node->op->define(&d);
  const tn_func *func;
  status = tn_builder_finish(f.b, &func, err);
  if (!status && arena->failed) status = tni_fail_nomem(err);
  if (status != TN_OK) return status;
  assert(defined); /* the shape rule took the node */
  (void)defined;
  return evaluator->run(evaluator->self, func, f.pointers, err);
}

tn_status tni_gnode_evaluate(tn_context *ctx, const tni_gnode *node, const tni_gvalue *const *in, const tni_gvalue *out,
                             const tni_evaluator *evaluator, void *const *out_data, tn_error **err) {
  tn_program *program;
  if (node->input_count == 1 && tni_transpose_contents(node, in[0], out_data[0])) return TN_OK;
  if (tni_concat_contents(node, in, out, out_data[0]) || tni_number_contents(node, in, out, out_data[0])) return TN_OK;
  tn_status status = tn_program_create(ctx, &program, err);
  if (status != TN_OK) return status;
  tni_arena arena;
  tni_arena_init(&arena, ctx);
  status = define_and_run(program, &arena, node, in, out, evaluator, out_data, err);
  tni_arena_destroy(&arena);
  tn_program_destroy(program);
  return status;
}
