/* transpose.c -- vectors of elements far apart, each beside the next one's, are read as they lie and turned in registers.
 *
 *     B[ramp(y0, 1, n)] = A[ramp(x, s, n)];  B[ramp(y1, 1, n)] = A[ramp(x + 1, s, n)];  ..   n of them
 *       ->
 *     B[ramp(y0, 1, n)] .. = the columns of A[ramp(x, 1, n)], A[ramp(x + s, 1, n)], ..   n of them
 *
 * The same where the values are made of such loads. Sixteen bytes of each row are put into the vector in which their
 * columns will lie, which loads do on the way; what is left to do stays within sixteen bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

enum { LEAST_LANES = 4, MOST_LANES = 16, GROUP_BYTES = 16 };

/* ---- is it one? -------------------------------------------------------------------------------------------------- */

/* In a value, the first load of elements far apart, as many as `lanes`; and whether `buffer` is read, or something called. */
typedef struct value_search {
  const tn_buffer *buffer;
  uint32_t lanes;
  const tn_expr *load;
  bool reads;
} value_search;

static void look_at(void *self, const tn_expr *x) {
  value_search *q = self;
  q->reads |= x->op == TN_OP_call || (x->op == TN_OP_load && x->as.buffer == q->buffer);
  if (q->load || x->op != TN_OP_load || x->nargs != 1 || TN_TYPE_LANES(x->type) != q->lanes) return;
  const tn_expr *index = x->arg[0];
  if (tni_type_is_packed(x->as.buffer->type) || index->op != TN_OP_ramp || !tni_is_const(index->arg[1])) return;
  if (index->arg[1]->as.i > 1) q->load = x;
}

/* The load far apart of a statement that stores a vector to neighbours; NULL: it is no such statement, or reads what it
 * stores to. */
static const tn_expr *load_of(tni_ll_function *f, const tn_stmt *s) {
  if (s->kind != TNI_STORE || s->as.store.where || tni_type_is_packed(s->as.store.buffer->type)) return NULL;
  const tn_expr *index = s->as.store.count ? s->as.store.index[0] : NULL;
  if (!index || index->op != TN_OP_ramp || !tni_is_int(index->arg[1], 1)) return NULL;
  value_search q = {.buffer = s->as.store.buffer, .lanes = TN_TYPE_LANES(index->type)};
  value_search place = {.buffer = q.buffer}; /* where it is stored may not depend on what the others store, either */
  if (TN_TYPE_LANES(s->as.store.value->type) == q.lanes) tni_expr_visit(f->m->ctx, s->as.store.value, look_at, &q);
  tni_expr_visit(f->m->ctx, index, look_at, &place);
  return q.reads || place.reads ? NULL : q.load;
}

/* Does `load` what `first` does, so many elements behind it? */
static bool is_behind(const tn_expr *first, const tn_expr *load, int64_t number) {
  int64_t distance;
  if (!load || load->as.buffer != first->as.buffer || load->type != first->type) return false;
  const tn_expr *a = first->arg[0], *b = load->arg[0];
  return a->arg[1] == b->arg[1] && tni_ll_distance(a->arg[0], b->arg[0], &distance) && distance == number;
}

/* Whole groups of 16 bytes, of elements of whole bytes. */
static bool has_groups(const tn_expr *load) {
  uint32_t lanes = TN_TYPE_LANES(load->type), bytes = (uint32_t)tn_type_bytes(load->as.buffer->type);
  bool power = (lanes & (lanes - 1)) == 0;
  return power && lanes >= LEAST_LANES && lanes <= MOST_LANES && lanes * bytes % GROUP_BYTES == 0;
}

static bool is_square(tni_ll_function *f, int32_t left, const tn_stmt *const *stmts, const tn_expr **loads) {
  const tn_expr *first = loads[0] = load_of(f, stmts[0]);
  if (!first || !has_groups(first) || left < (int32_t)TN_TYPE_LANES(first->type)) return false;
  for (int32_t k = 1; k < (int32_t)TN_TYPE_LANES(first->type); k++) {
    loads[k] = load_of(f, stmts[k]);
    if (!is_behind(first, loads[k], k) || stmts[k]->as.store.buffer != stmts[0]->as.store.buffer) return false;
  }
  return true;
}

/* ---- turning ----------------------------------------------------------------------------------------------------- */

/* Two vectors as one of twice the lanes. */
static LLVMValueRef joined(tni_ll_module *m, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef numbers[MOST_LANES];
  unsigned lanes = 2 * LLVMGetVectorSize(LLVMTypeOf(a));
  for (unsigned i = 0; i < lanes; i++) numbers[i] = LLVMConstInt(m->i32, i, 0);
  return LLVMBuildShuffleVector(m->b, a, b, LLVMConstVector(numbers, lanes), "");
}

/* In each group the lower (upper) halves of those of a and b, element by element. */
static LLVMValueRef mixed(tni_ll_module *m, LLVMValueRef a, LLVMValueRef b, unsigned group, bool upper) {
  LLVMValueRef numbers[MOST_LANES];
  unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(a));
  for (unsigned i = 0; i < lanes; i++) {
    unsigned at = i % group / 2 + (upper ? group / 2 : 0);
    numbers[i] = LLVMConstInt(m->i32, i / group * group + at + (i % 2 ? lanes : 0), 0);
  }
  return LLVMBuildShuffleVector(m->b, a, b, LLVMConstVector(numbers, lanes), "");
}

/* v[r] has group `column` of rows r, r + group, r + 2 * group, .. one after the other. */
static void load_column(tni_ll_function *f, const tn_expr *first, unsigned group, unsigned column, LLVMValueRef *v) {
  unsigned parts = TN_TYPE_LANES(first->type) / group;
  int64_t stride = first->arg[0]->arg[1]->as.i;
  for (unsigned r = 0; r < group; r++) {
    LLVMValueRef part[MOST_LANES];
    for (unsigned j = 0; j < parts; j++)
      part[j] = tni_ll_load_behind(f, first, (int64_t)(j * group + r) * stride + column * group, group);
    for (unsigned count = parts; count > 1; count /= 2)
      for (unsigned j = 0; j < count / 2; j++) part[j] = joined(f->m, part[2 * j], part[2 * j + 1]);
    v[r] = part[0];
  }
}

/* Rows of groups into their columns: of 2^k elements in k rounds. */
static void turn_groups(tni_ll_module *m, unsigned group, LLVMValueRef *v) {
  LLVMValueRef next[MOST_LANES];
  for (unsigned round = 1; round < group; round *= 2) {
    for (unsigned i = 0; i < group; i++) next[i] = mixed(m, v[i / 2], v[i / 2 + group / 2], group, i % 2);
    memcpy(v, next, group * sizeof *v);
  }
}

/* What the loads of a square give, each as in registers. */
static bool turn(tni_ll_function *f, const tn_expr *const *loads) {
  LLVMValueRef v[MOST_LANES];
  unsigned lanes = TN_TYPE_LANES(loads[0]->type), group = GROUP_BYTES / (unsigned)tn_type_bytes(loads[0]->as.buffer->type);
  for (unsigned column = 0; column < lanes / group; column++) {
    load_column(f, loads[0], group, column, v);
    if (f->m->status != TN_OK) return false;
    turn_groups(f->m, group, v);
    for (unsigned k = 0; k < group; k++) {
      const tn_expr *load = loads[column * group + k];
      tni_ll_entry *entry = tni_ll_scope_add(&f->scope, load, tni_ll_from_memory(f->m, load->type, v[k]));
      if (entry) entry->epoch = f->epoch;
    }
  }
  return true;
}

int32_t tni_ll_store_transposed(tni_ll_function *f, int32_t left, const tn_stmt *const *stmts) {
  const tn_expr *loads[MOST_LANES];
  LLVMValueRef values[MOST_LANES];
  if (!is_square(f, left, stmts, loads)) return 0;
  int32_t count = (int32_t)TN_TYPE_LANES(loads[0]->type);
  if (!turn(f, loads)) return count;
  for (int32_t k = 0; k < count; k++) {
    const tn_expr *value = stmts[k]->as.store.value;
    LLVMValueRef v = tni_ll_expr(f, value);
    if (f->m->status != TN_OK) return count;
    values[k] = tni_ll_to_memory(f->m, value->type, v);
  }
  for (int32_t k = 0; k < count; k++)
    tni_ll_store_vector(f, stmts[k]->as.store.buffer, stmts[k]->as.store.index[0]->arg[0], 0, values[k]);
  return count;
}
