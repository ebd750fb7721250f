/* ops_recurrent.c -- cells of recurrent networks over a sequence (t, batch, ...): one loop over t around blocks.
 *
 * What depends on x alone is in `w` already: x times its weights, and the biases. After the end of a sequence of the batch
 * (the input `length`) the state stays.
 *
 *     rnn:   out[t] = f(w[t] + h * r)
 *     gru:   z, r' = f(w[t] + h * r);  out[t] = (1 - z) * g(w[t] + (r' * h) * r) + z * h
 *            linear_before_reset:      g(w[t] + r' * (h * r + bias))
 *     lstm:  i, o, f, c' = w[t] + h * r (and p * c);  c = f(f) * c + f(i) * g(c');  out[t] = f(o) * h(c), and behind it c
 *
 * where h is out[t - 1], at first the input h. Sums begin with w[t], or the bias, and add the products in the order of h.
 *
 * r: (h, gates * h); or in parts, (parts, h, gates * units), which have all gates of so many units side by side, filled up
 * behind the last unit: what the layout pass makes of constant ones. A step then goes part by part, the sums of a part and
 * what becomes of them one behind the other:
 *
 *     for t { old = out[t - 1]; for parts { sums = w[t] + old * r[part]; out[t, part] = .. } }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "ops.h"

/* ---- activations -------------------------------------------------------------------------------------------------- */

/* Word `i` of the activations, f = 0, g = 1, h = 2. */
static size_t activation_word(const tni_gnode *node, int i, const char **word) {
  const char *s = tni_attr_string(node, "activations", "");
  for (; i > 0 && *s; s++) i -= *s == ' ';
  *word = s;
  return strcspn(s, " ");
}

static double number_of(const tni_gnode *node, const char *name, int i) {
  for (uint32_t k = 0; k < node->attr_count; k++)
    if (strcmp(node->attrs[k].name, name) == 0 && i < node->attrs[k].count) return node->attrs[k].floats[i];
  return 0;
}

#define ACTIVATIONS(A)                                                                                                 \
  A(sigmoid, tn_op1(b, TN_OP_sigmoid, x))                                                                              \
  A(tanh, tn_op1(b, TN_OP_tanh, x))                                                                                    \
  A(relu, tn_max(b, x, zero))                                                                                          \
  A(affine, tn_add(b, tn_mul(b, alpha, x), beta))                                                                      \
  A(leaky_relu, tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_lt, x, zero), tn_mul(b, alpha, x), x))                         \
  A(thresholded_relu, tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_lt, x, alpha), zero, x))                                 \
  A(scaled_tanh, tn_mul(b, alpha, tn_op1(b, TN_OP_tanh, tn_mul(b, beta, x))))                                          \
  A(hard_sigmoid, tn_min(b, tn_max(b, tn_add(b, tn_mul(b, alpha, x), beta), zero), one))                               \
  A(elu, tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_lt, x, zero), tn_mul(b, alpha, tn_op1(b, TN_OP_expm1, x)), x))        \
  A(softsign, tn_div(b, x, tn_add(b, one, tn_op1(b, TN_OP_abs, x))))                                                   \
  A(softplus, tn_add(b, tn_max(b, x, zero),                                                                            \
                     tn_op1(b, TN_OP_log1p, tn_op1(b, TN_OP_exp, tn_op1(b, TN_OP_neg, tn_op1(b, TN_OP_abs, x))))))

static bool is_activation(const char *word, size_t length) {
#define IS(name, value)                                                                                                \
  if (length == sizeof #name - 1 && memcmp(word, #name, length) == 0) return true;
  ACTIVATIONS(IS)
#undef IS
  return false;
}

/* f, g or h of x. What the sums give is clipped first, the cell that h sees is not. */
static const tn_expr *activate(tni_define *d, int i, const tn_expr *x) {
  tn_builder *b = d->b;
  tn_type type = tn_expr_type(x);
  const char *word;
  size_t length = activation_word(d->node, i, &word);
  double clip = tni_attr_float(d->node, "clip", 0);
  if (TN_TYPE_BITS(type) == 0) return NULL;
  const tn_expr *zero = tn_float(b, type, 0), *one = tn_float(b, type, 1);
  const tn_expr *alpha = tn_float(b, type, number_of(d->node, "alpha", i)),
                *beta = tn_float(b, type, number_of(d->node, "beta", i));
  if (clip > 0 && i < 2) x = tn_min(b, tn_max(b, x, tn_float(b, type, -clip)), tn_float(b, type, clip));
#define VALUE(name, value)                                                                                             \
  if (length == sizeof #name - 1 && memcmp(word, #name, length) == 0) return value;
  ACTIVATIONS(VALUE)
#undef VALUE
  return NULL; /* the shape rule refused it */
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

typedef struct cell {
  int64_t gates;
  int functions;
  uint32_t length; /* the input that has the lengths */
} cell;

static cell cell_of(const tni_gnode *node) {
  if (strcmp(node->op->name, "lstm") == 0) return (cell){4, 3, 5};
  if (strcmp(node->op->name, "gru") == 0) return (cell){3, 2, 4};
  return (cell){1, 1, 3};
}

static bool is_shaped(const tni_gvalue *v, tn_type type, int32_t rank, const int64_t *shape) {
  return v->type == type && v->rank == rank && memcmp(v->shape, shape, sizeof *shape * (size_t)rank) == 0;
}

/* Units of a part of r, which are all of them when it is in none; 0: it is not of so many gates. */
static int64_t units_of(const tni_gvalue *r, int64_t gates) {
  if (r->rank < 2 || r->rank > 3) return 0;
  int64_t n = r->shape[r->rank - 2], columns = r->shape[r->rank - 1], units = columns / gates;
  if (n < 1 || units < 1 || columns % gates) return 0;
  return (r->rank == 2 ? units == n : r->shape[0] == (n - 1) / units + 1) ? units : 0;
}

bool tni_infer_recurrent(tni_infer *x) {
  const tni_gvalue *w = x->in[0], *r = x->in[1], *h = x->in[2];
  cell k = cell_of(x->node);
  bool lstm = k.gates == 4;
  if (!tni_type_is_float(w->type)) return tni_refuse(x, "the input is not floating-point");
  if (w->rank != 3 || !units_of(r, k.gates))
    return tni_refuse(x, "the weights are not of %lld gates", (long long)k.gates);
  int64_t n = r->shape[r->rank - 2], batch = w->shape[1], state[] = {batch, n}, list = n;
  if (r->type != w->type || w->shape[2] != k.gates * n || !is_shaped(h, w->type, 2, state) ||
      (lstm && (!x->in[3] || !is_shaped(x->in[3], w->type, 2, state))))
    return tni_refuse(x, "input, weights and states do not fit together");
  uint32_t extra = lstm ? 4 : 3; /* peepholes, or the bias of the candidate */
  int64_t peepholes = 3 * n;
  if (k.gates > 1 && extra < x->node->input_count && x->in[extra] &&
      !is_shaped(x->in[extra], w->type, 1, lstm ? &peepholes : &list))
    return tni_refuse(x, "the peepholes or the bias have another shape");
  const tni_gvalue *length = k.length < x->node->input_count ? x->in[k.length] : NULL;
  if (length && (length->rank != 1 || length->shape[0] != batch || length->type != TN_I32))
    return tni_refuse(x, "the lengths are not one i32 per element of the batch");
  for (int i = 0; i < k.functions; i++) {
    const char *word;
    size_t size = activation_word(x->node, i, &word);
    if (!is_activation(word, size))
      return tni_refuse(x, "there is no activation `%.*s`", (int)(size < 32 ? size : 32), word);
  }
  *x->out = (tni_gvalue){.type = w->type, .rank = 3, .shape = {w->shape[0], batch, lstm ? 2 * n : n}};
  return true;
}

/* ---- blocks in the loop over t ------------------------------------------------------------------------------------- */

/* A function under construction: its loop over t, and in it the loop over parts that is being written. */
typedef struct recurrence {
  tni_define *d;
  tn_builder *b;
  tn_type type; /* of sums */
  int64_t steps, batch, n, gates, parts, units;
  const tn_expr *t, *part;
  const tn_stmt *stmts[4], *inner[4];
  size_t count, inner_count;
} recurrence;

/* The iterators of one block: t, part, batch, j, and for a sum k. j counts units of the part, or columns of a sum; of a
 * block outside of the parts all units. */
typedef struct place {
  const tn_expr *t, *part, *batch, *j, *k;
} place;

static place new_place(recurrence *r) {
  return (place){tn_var(r->b, "vt", TN_INDEX), tn_var(r->b, "vp", TN_INDEX), tn_var(r->b, "vb", TN_INDEX),
                 tn_var(r->b, "vj", TN_INDEX), NULL};
}

/* Which unit of all number `j` of the part is. */
static const tn_expr *unit_at(recurrence *r, const place *p, const tn_expr *j) {
  if (!p->part) return j;
  return tn_add(r->b, tn_mul(r->b, p->part, tn_index(r->b, r->units)), j);
}

static const tn_expr *unit(recurrence *r, const place *p) { return unit_at(r, p, p->j); }

/* Where the last part is not full: is it a unit? Else NULL. */
static const tn_expr *where_unit(recurrence *r, const place *p, const tn_expr *number) {
  bool full = !p->part || r->parts * r->units == r->n;
  return full ? NULL : tn_op2(r->b, TN_OP_lt, number, tn_index(r->b, r->n));
}

/* The block that `body` is, for j below `columns`, in its loops; `init`: or NULL. */
static const tn_stmt *block_of(recurrence *r, const char *name, const place *p, int64_t columns, const tn_stmt *init,
                               const tn_stmt *body) {
  tn_builder *b = r->b;
  const tn_expr *vars[5], *bindings[5], *extents[5], *batch = tn_var(b, "b", TN_INDEX), *j = tn_var(b, "j", TN_INDEX);
  uint8_t reduce[5] = {0};
  size_t n = 0;
  vars[n] = p->t, bindings[n] = r->t, extents[n++] = tn_index(b, r->steps);
  if (p->part) vars[n] = p->part, bindings[n] = r->part, extents[n++] = tn_index(b, r->parts);
  vars[n] = p->batch, bindings[n] = batch, extents[n++] = tn_index(b, r->batch);
  vars[n] = p->j, bindings[n] = j, extents[n++] = tn_index(b, columns);
  if (p->k) reduce[n] = 1, vars[n] = p->k, bindings[n] = tn_var(b, "k", TN_INDEX), extents[n++] = tn_index(b, r->n);
  body = tn_block(b, name, n, vars, extents, reduce, bindings, NULL, init, body);
  if (p->k) body = tn_for(b, bindings[n - 1], extents[n - 1], body);
  body = tn_for(b, j, tn_index(b, columns), body);
  return tn_for(b, batch, tn_index(b, r->batch), body);
}

/* Adds a block for each unit of a part. */
static void add_block(recurrence *r, const char *name, const place *p, const tn_stmt *body) {
  r->inner[r->inner_count++] = block_of(r, name, p, r->units, NULL, body);
}

static void end_parts(recurrence *r) {
  const tn_stmt *body = tn_seq(r->b, r->inner_count, r->inner);
  r->stmts[r->count++] = tn_for(r->b, r->part, tn_index(r->b, r->parts), body);
  r->part = tn_var(r->b, "part", TN_INDEX);
  r->inner_count = 0;
}

/* Element j of the state before step t; `from` is where it begins in the output, `first` its input. */
static const tn_expr *state(recurrence *r, const place *p, const tn_expr *j, int64_t from, uint32_t first) {
  tn_builder *b = r->b;
  const tn_expr *later = tn_op2(b, TN_OP_lt, tn_index(b, 0), p->t);
  const tn_expr *before[] = {tn_sub(b, p->t, tn_index(b, 1)), p->batch, tn_add(b, j, tn_index(b, from))};
  const tn_expr *start[] = {p->batch, j}, *where = where_unit(r, p, j);
  const tn_expr *both = where ? tn_op2(b, TN_OP_and, later, where) : later;
  const tn_expr *old = tn_load(b, r->d->out[0], before, both), *initial = tn_load(b, r->d->in[first], start, where);
  return tn_cast(b, r->type, tn_op3(b, TN_OP_select, later, old, initial));
}

/* A buffer of (t, batch, n) for what the next sum reads of all units. */
static const tn_buffer *new_states(recurrence *r, const char *name) {
  int64_t shape[] = {r->steps, r->batch, r->n};
  return tn_alloc(r->b, name, r->type, 3, shape);
}

/* Of unit j of all: another than k is one of the part. */
static const tn_expr *at_state(recurrence *r, const tn_buffer *states, const place *p, const tn_expr *j) {
  const tn_expr *index[] = {p->t, p->batch, j};
  return tn_load(r->b, states, index, j == p->k ? NULL : where_unit(r, p, j));
}

/* The state h before each step, as what a sum multiplies: read without a condition. */
static const tn_buffer *add_old(recurrence *r) {
  const tn_buffer *old = new_states(r, "old");
  place p = new_place(r);
  p.part = NULL;
  const tn_expr *to[] = {p.t, p.batch, p.j};
  const tn_stmt *body = tn_store(r->b, old, to, state(r, &p, p.j, 0, 2));
  r->stmts[r->count++] = block_of(r, "old", &p, r->n, NULL, body);
  return old;
}

/* A buffer of (t, part, batch, columns). */
static const tn_buffer *new_sums(recurrence *r, const char *name, int64_t columns) {
  int64_t shape[] = {r->steps, r->parts, r->batch, columns};
  return tn_alloc(r->b, name, r->type, 4, shape);
}

static const tn_expr *at_gate(recurrence *r, const tn_buffer *sums, const place *p, int64_t gate) {
  const tn_expr *index[] = {p->t, p->part, p->batch, tn_add(r->b, p->j, tn_index(r->b, gate * r->units))};
  return tn_load(r->b, sums, index, NULL);
}

/* What x gives to that unit of a gate (an expression), where it is one. */
static const tn_expr *input_part(recurrence *r, const place *p, const tn_expr *gate, const tn_expr *number) {
  tn_builder *b = r->b;
  const tn_expr *index[] = {p->t, p->batch, tn_add(b, tn_mul(b, gate, tn_index(b, r->n)), number)};
  return tn_cast(b, r->type, tn_load(b, r->d->in[0], index, where_unit(r, p, number)));
}

/* With what the sum of column j begins, the first of which is of that gate: x's part; but for gates from `biased` on the
 * candidate's bias, or 0. */
static const tn_expr *start_of(recurrence *r, const place *p, int64_t first, int64_t biased) {
  tn_builder *b = r->b;
  const tn_expr *units = tn_index(b, r->units), *gate = tn_op2(b, TN_OP_floordiv, p->j, units);
  const tn_expr *number = unit_at(r, p, tn_op2(b, TN_OP_floormod, p->j, units)), *bias = tn_float(b, r->type, 0);
  const tn_expr *part = input_part(r, p, tn_add(b, gate, tn_index(b, first)), number);
  if (biased >= r->gates) return part;
  if (r->d->node->input_count > 3 && r->d->in_value[3])
    bias = tn_cast(b, r->type, tn_load(b, r->d->in[3], &number, where_unit(r, p, number)));
  return tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_lt, p->j, tn_index(b, (biased - first) * r->units)), part, bias);
}

/* sums[t, part, b, j] = start + sum over k of value[t, b, k] * r[part, k, j], for so many gates from `first` on. */
static const tn_buffer *add_sums(recurrence *r, const char *const names[2], int64_t first, int64_t gates,
                                 int64_t biased, const tn_buffer *value) {
  tn_builder *b = r->b;
  place p = new_place(r);
  p.k = tn_var(b, "vk", TN_INDEX);
  const tn_buffer *sums = new_sums(r, names[0], gates * r->units);
  const tn_expr *to[] = {p.t, p.part, p.batch, p.j}, *column = tn_add(b, p.j, tn_index(b, first * r->units));
  const tn_expr *weight[] = {p.part, p.k, column};
  const tn_expr *const *whole = weight + (r->d->in_value[1]->rank == 2);
  const tn_expr *product = tn_cast(b, r->type, tn_load(b, r->d->in[1], whole, NULL));
  const tn_expr *sum = tn_op3(b, TN_OP_fma, at_state(r, value, &p, p.k), product, tn_load(b, sums, to, NULL));
  const tn_stmt *init = tn_store(b, sums, to, start_of(r, &p, first, biased));
  r->inner[r->inner_count++] = block_of(r, names[1], &p, gates * r->units, init, tn_store(b, sums, to, sum));
  return sums;
}

static const char *const gate_names[] = {"sums", "sum"}, *const candidate_names[] = {"candidate", "sum_candidate"};

/* out[t, b, from + unit] = value, or the old state after the end. */
static const tn_stmt *put_state(recurrence *r, const place *p, int64_t from, uint32_t first, const tn_expr *value) {
  tn_builder *b = r->b;
  uint32_t length = cell_of(r->d->node).length;
  const tn_expr *to[] = {p->t, p->batch, tn_add(b, unit(r, p), tn_index(b, from))};
  if (length < r->d->node->input_count && r->d->in_value[length]) {
    const tn_expr *steps = tn_cast(b, TN_I64, tn_load(b, r->d->in[length], &p->batch, NULL));
    const tn_expr *runs = tn_op2(b, TN_OP_lt, tn_cast(b, TN_I64, p->t), steps);
    value = tn_op3(b, TN_OP_select, runs, value, state(r, p, unit(r, p), from, first));
  }
  return tn_store_where(b, r->d->out[0], to, tn_cast(b, r->d->out_value[0]->type, value), where_unit(r, p, unit(r, p)));
}

static recurrence begin(tni_define *d) {
  const tni_gvalue *w = d->in_value[0], *weights = d->in_value[1];
  cell k = cell_of(d->node);
  return (recurrence){.d = d,
                      .b = d->b,
                      .type = tni_sum_type(w->type),
                      .steps = w->shape[0],
                      .batch = w->shape[1],
                      .n = w->shape[2] / k.gates,
                      .gates = k.gates,
                      .parts = weights->rank == 3 ? weights->shape[0] : 1,
                      .units = units_of(weights, k.gates),
                      .t = tn_var(d->b, "t", TN_INDEX),
                      .part = tn_var(d->b, "part", TN_INDEX)};
}

static bool end(recurrence *r) {
  end_parts(r);
  tn_emit(r->b, tn_for(r->b, r->t, tn_index(r->b, r->steps), tn_seq(r->b, r->count, r->stmts)));
  return true;
}

/* ---- the cells ----------------------------------------------------------------------------------------------------- */

bool tni_define_rnn(tni_define *d) {
  recurrence r = begin(d);
  place q = new_place(&r);
  const tn_buffer *sums = add_sums(&r, gate_names, 0, 1, 1, add_old(&r));
  add_block(&r, "step", &q, put_state(&r, &q, 0, 2, activate(d, 0, at_gate(&r, sums, &q, 0))));
  return end(&r);
}

/* The state times its reset gate, for the candidate's sum. */
static const tn_buffer *add_reset(recurrence *r, const tn_buffer *sums, const tn_buffer *old) {
  tn_builder *b = r->b;
  place p = new_place(r);
  const tn_buffer *seen = new_states(r, "reset");
  const tn_expr *gate = activate(r->d, 0, at_gate(r, sums, &p, 1)), *to[] = {p.t, p.batch, unit(r, &p)};
  const tn_expr *value = tn_mul(b, gate, at_state(r, old, &p, to[2]));
  add_block(r, "reset", &p, tn_store_where(b, seen, to, value, where_unit(r, &p, to[2])));
  end_parts(r);
  return seen;
}

bool tni_define_gru(tni_define *d) {
  recurrence r = begin(d);
  tn_builder *b = d->b;
  bool linear = tni_attr_int(d->node, "linear_before_reset", 0) != 0;
  const tn_buffer *old = add_old(&r);
  const tn_buffer *sums = add_sums(&r, gate_names, 0, linear ? 3 : 2, linear ? 2 : 3, old);
  const tn_buffer *candidate = sums;
  if (!linear) candidate = add_sums(&r, candidate_names, 2, 1, 3, add_reset(&r, sums, old));
  place s = new_place(&r);
  const tn_expr *number = unit(&r, &s), *z = activate(d, 0, at_gate(&r, sums, &s, 0));
  const tn_expr *h = at_gate(&r, candidate, &s, linear ? 2 : 0);
  if (linear)
    h = tn_add(b, input_part(&r, &s, tn_index(b, 2), number), tn_mul(b, activate(d, 0, at_gate(&r, sums, &s, 1)), h));
  const tn_expr *fresh = tn_mul(b, tn_sub(b, tn_float(b, r.type, 1), z), activate(d, 1, h));
  fresh = tn_add(b, fresh, tn_mul(b, z, at_state(&r, old, &s, number)));
  add_block(&r, "step", &s, put_state(&r, &s, 0, 2, fresh));
  return end(&r);
}

/* Gate i, o or f (0, 1, 2) and what its peephole sees of the cell. */
static const tn_expr *gate_of(recurrence *r, const tn_buffer *sums, const place *p, int64_t gate, const tn_expr *seen) {
  tn_builder *b = r->b;
  const tn_expr *x = at_gate(r, sums, p, gate);
  if (r->d->node->input_count <= 4 || !r->d->in_value[4]) return x;
  const tn_expr *at = tn_add(b, unit(r, p), tn_index(b, gate * r->n)), *where = where_unit(r, p, unit(r, p));
  return tn_add(b, x, tn_mul(b, tn_cast(b, r->type, tn_load(b, r->d->in[4], &at, where)), seen));
}

/* The cells after the step, which stay in the part. */
static const tn_buffer *add_cells(recurrence *r, const tn_buffer *sums) {
  tni_define *d = r->d;
  tn_builder *b = r->b;
  place p = new_place(r);
  const tn_buffer *cells = new_sums(r, "cells", r->units);
  const tn_expr *to[] = {p.t, p.part, p.batch, p.j}, *old = state(r, &p, unit(r, &p), r->n, 3);
  const tn_expr *i = activate(d, 0, gate_of(r, sums, &p, 0, old)), *f = activate(d, 0, gate_of(r, sums, &p, 2, old));
  if (tni_attr_int(d->node, "input_forget", 0)) f = tn_sub(b, tn_float(b, r->type, 1), i);
  const tn_expr *fresh = tn_mul(b, i, activate(d, 1, at_gate(r, sums, &p, 3)));
  add_block(r, "cell", &p, tn_store(b, cells, to, tn_add(b, tn_mul(b, f, old), fresh)));
  return cells;
}

bool tni_define_lstm(tni_define *d) {
  recurrence r = begin(d);
  place s = new_place(&r), u = new_place(&r);
  const tn_buffer *sums = add_sums(&r, gate_names, 0, 4, 4, add_old(&r)), *cells = add_cells(&r, sums);
  const tn_expr *c = at_gate(&r, cells, &s, 0), *o = activate(d, 0, gate_of(&r, sums, &s, 1, c));
  add_block(&r, "step", &s, put_state(&r, &s, 0, 2, tn_mul(r.b, o, activate(d, 2, c))));
  add_block(&r, "keep", &u, put_state(&r, &u, r.n, 3, at_gate(&r, cells, &u, 0)));
  return end(&r);
}
