/* buffer.c -- buffers: what they are made of, and where their elements stand in memory.
 *
 *     A: f32[64, n] strides (s, 16, 1) offset 4 layout (i, j) -> (j // 16, i, j % 16)
 *
 * A[i, j] stands, in elements from the pointer of A, at
 *
 *     offset + sum over the memory's dimensions k of stride_k * m_k         m = layout(i, j); without a layout m = (i, j)
 *
 * Strides that are not given are those of row-major order over the memory's shape. That is the buffer's own shape or, with
 * a layout, how far its subscripts reach, rounded up where a division does not come out even: j // 16, j % 16 of 0..n are
 * 0..(n + 15) // 16 and 0..16. What a layout rounds up to is padding: no access reaches it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

const char *const tni_scope_names[TNI_SCOPE_COUNT] = {"global", "local", "register", "shared"};

/* ---- constructors ---- */

static const tn_expr *const *copy_exprs(tni_region *r, int32_t count, const tn_expr *const *items) {
  for (int32_t i = 0; i < count; i++)
    if (!items[i]) return NULL;
  return tni_arena_copy(&r->arena, items, (size_t)count * sizeof *items);
}

/* Does the layout give the subscripts as they are? */
static bool is_identity(const tni_layout *l, int32_t rank) {
  bool same = l->rank == rank;
  for (int32_t d = 0; same && d < rank; d++) same = l->index[d] == l->vars[d];
  return same;
}

static bool is_row_major(tni_region *r, const tn_buffer *b) {
  const tn_expr *step = tni_index(r, 1);
  for (int32_t k = tni_memory_rank(b) - 1; k >= 0; k--) {
    if (b->strides[k] != step) return false;
    step = tni_mul(r, tni_memory_shape(b)[k], step);
  }
  return true;
}

const tn_buffer *tni_buffer_make(tni_region *r, const tn_buffer *form) {
  tn_buffer *b = tni_arena_copy(&r->arena, form, sizeof *form);
  if (!b) return NULL;
  b->name = tni_arena_text(&r->arena, form->name);
  b->uid = r->next_uid++;
  for (int32_t i = 0; i < form->rank; i++)
    if (!form->shape[i]) return NULL;
  if (form->strides && !(b->strides = copy_exprs(r, tni_memory_rank(form), form->strides))) return NULL;
  if (b->layout && is_identity(b->layout, b->rank)) b->layout = NULL;
  if (b->strides && is_row_major(r, b)) b->strides = NULL;
  return b->name ? b : NULL;
}

uint32_t tni_normal_align(tn_type type, bool is_param, uint64_t align) {
  return align > (is_param ? tn_type_bytes(type) : 64) ? (uint32_t)align : 0;
}

const tn_buffer *tni_buffer(tni_region *r, const char *name, tn_type type, enum tni_scope scope, int32_t rank,
                            const tn_expr *const *shape) {
  tn_buffer form = {.name = name, .type = type, .scope = scope, .rank = rank};
  for (int32_t i = 0; i < rank; i++) form.shape[i] = shape[i];
  return tni_buffer_make(r, &form);
}

int32_t tni_buffer_exprs(const tn_buffer *b, const tn_expr **out) {
  int32_t count = 0;
  for (int32_t i = 0; i < b->rank; i++) out[count++] = b->shape[i];
  for (int32_t i = 0; b->strides && i < tni_memory_rank(b); i++) out[count++] = b->strides[i];
  if (b->offset) out[count++] = b->offset;
  return count;
}

/* ---- layouts ---- */

static int32_t find_var(const tni_layout *l, int32_t rank, const tn_expr *x) {
  for (int32_t d = 0; d < rank; d++)
    if (l->vars[d] == x) return d;
  return -1;
}

static bool is_positive(const tn_expr *x) { return tni_is_const(x) && x->type == TN_INDEX && x->as.i > 0; }

bool tni_layout_has_form(const tni_layout *l, int32_t rank, const tn_expr *x, int depth) {
  if (depth == 0 || x->type != TN_INDEX) return false;
  switch (x->op) {
  case TN_OP_const: return x->as.i >= 0;
  case TN_OP_var: return find_var(l, rank, x) >= 0;
  case TN_OP_add:
    return tni_layout_has_form(l, rank, x->arg[0], depth - 1) && tni_layout_has_form(l, rank, x->arg[1], depth - 1);
  case TN_OP_mul:
  case TN_OP_floordiv:
  case TN_OP_floormod: return is_positive(x->arg[1]) && tni_layout_has_form(l, rank, x->arg[0], depth - 1);
  default: return false;
  }
}

/* How many values a layout's subscript has room for: one more than its largest, 0 where the buffer is empty. */
static const tn_expr *extent_of(tni_region *r, const tni_layout *l, int32_t rank, const tn_expr *const *shape,
                                const tn_expr *x) {
  const tn_expr *one = tni_index(r, 1), *zero = tni_index(r, 0), *a, *b;
  int32_t d = find_var(l, rank, x);
  if (d >= 0) return shape[d];
  if (tni_is_const(x)) return tni_add(r, x, one);
  a = extent_of(r, l, rank, shape, x->arg[0]);
  b = x->arg[1];
  switch (x->op) {
  case TN_OP_add:
    a = tni_sub(r, tni_add(r, a, extent_of(r, l, rank, shape, b)), one);
    return tni_op2(r, TN_OP_max, a, zero);
  case TN_OP_mul: return tni_op2(r, TN_OP_max, tni_add(r, tni_mul(r, tni_sub(r, a, one), b), one), zero);
  case TN_OP_floordiv: return tni_op2(r, TN_OP_floordiv, tni_add(r, a, tni_sub(r, b, one)), b);
  default: return a && tni_is_const(a) && a->as.i < b->as.i ? a : b;
  }
}

const tni_layout *tni_layout_make(tni_region *r, int32_t rank, const tn_expr *const *shape, const tn_expr *const *vars,
                                  int32_t count, const tn_expr *const *index) {
  tni_layout *l = TNI_NEW(&r->arena, tni_layout);
  tni_facts none = {.ctx = r->arena.ctx};
  if (!l) return NULL;
  l->rank = count;
  for (int32_t d = 0; d < rank; d++)
    if (!(l->vars[d] = vars[d]) || !shape[d]) return NULL;
  for (int32_t k = 0; k < count; k++) {
    if (!(l->index[k] = index[k])) return NULL;
    const tn_expr *extent = extent_of(r, l, rank, shape, index[k]);
    if (!extent || !(l->shape[k] = tni_simplify(r, &none, extent))) return NULL;
  }
  return l;
}

int64_t tni_layout_eval(const tni_layout *l, int32_t rank, const tn_expr *x, const int64_t *values) {
  if (x->op == TN_OP_var) return values[find_var(l, rank, x)];
  if (x->op == TN_OP_const) return x->as.i;
  tni_scalar args[] = {{.i = tni_layout_eval(l, rank, x->arg[0], values)},
                       {.i = tni_layout_eval(l, rank, x->arg[1], values)}};
  return tni_eval_op(x->op, TN_INDEX, args).i;
}

/* ---- where elements stand ---- */

const tn_expr *tni_buffer_place(tni_region *r, const tn_buffer *b, const tn_expr *const *index) {
  const tn_expr *moved[TN_MAX_RANK], *place = b->offset ? b->offset : tni_index(r, 0), *row = tni_index(r, 0);
  int32_t rank = tni_memory_rank(b);
  if (b->layout) {
    tni_subst subst = {(size_t)b->rank, b->layout->vars, index};
    for (int32_t k = 0; k < rank; k++)
      if (!(moved[k] = tni_expr_subst(r, b->layout->index[k], &subst))) return NULL;
    index = moved;
  }
  for (int32_t k = 0; k < rank; k++) {
    if (b->strides)
      place = tni_add(r, place, tni_mul(r, index[k], b->strides[k]));
    else
      row = tni_add(r, tni_mul(r, row, tni_memory_shape(b)[k]), index[k]);
  }
  return b->strides ? place : b->offset ? tni_add(r, row, place) : row;
}

const tn_expr *tni_buffer_size(tni_region *r, const tn_buffer *b) {
  const tn_expr *one = tni_index(r, 1), *size = one;
  if (!b->strides) {
    for (int32_t k = 0; k < tni_memory_rank(b); k++) size = tni_mul(r, size, tni_memory_shape(b)[k]);
  } else {
    for (int32_t k = 0; k < tni_memory_rank(b); k++)
      size = tni_add(r, size, tni_mul(r, tni_sub(r, tni_memory_shape(b)[k], one), b->strides[k]));
    size = size ? tni_op2(r, TN_OP_max, size, tni_index(r, 0)) : NULL;
  }
  return b->offset ? tni_add(r, b->offset, size) : size;
}

/* The constant values of the expressions; false: they are not all constants. */
static bool constants_of(int32_t count, const tn_expr *const *items, int64_t *out) {
  for (int32_t i = 0; i < count; i++) {
    if (!tni_is_const(items[i])) return false;
    out[i] = items[i]->as.i;
  }
  return true;
}

int64_t tni_buffer_constant_size(const tn_buffer *b) {
  int64_t shape[TN_MAX_RANK], strides[TN_MAX_RANK], size;
  int32_t rank = tni_memory_rank(b);
  if (!constants_of(rank, tni_memory_shape(b), shape) || (b->strides && !constants_of(rank, b->strides, strides)) ||
      (b->offset && !tni_is_const(b->offset)))
    return -1;
  size = tni_span(rank, shape, b->strides ? strides : NULL);
  if (size < 0 || (b->offset && __builtin_add_overflow(size, b->offset->as.i, &size)) || size > TNI_INF) return -1;
  return size;
}

bool tni_buffer_overlaps_itself(const tn_buffer *b) {
  int64_t shape[TN_MAX_RANK], strides[TN_MAX_RANK];
  int32_t rank = tni_memory_rank(b);
  return b->strides && constants_of(rank, tni_memory_shape(b), shape) && constants_of(rank, b->strides, strides) &&
         tni_strides_overlap(rank, shape, strides);
}
