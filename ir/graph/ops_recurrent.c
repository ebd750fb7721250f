/* ops_recurrent.c -- cells of recurrent networks over a sequence (t, batch, ...): one loop over t around blocks.
 *
 * What depends on x alone is in `w` already: x times its weights, and the biases. r: (h, gates * h). After the end of a
 * sequence of the batch (the input `length`) the state stays.
 *
 *     rnn:   out[t] = f(w[t] + h * r)
 *     gru:   z, r' = f(w[t] + h * r);  out[t] = (1 - z) * g(w[t] + (r' * h) * r) + z * h
 *            linear_before_reset:      g(w[t] + r' * (h * r + bias))
 *     lstm:  i, o, f, c' = w[t] + h * r (and p * c);  c = f(f) * c + f(i) * g(c');  out[t] = f(o) * h(c), and behind it c
 *
 * where h is out[t - 1], at first the input h.
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

bool tni_infer_recurrent(tni_infer *x) {
  const tni_gvalue *w = x->in[0], *r = x->in[1], *h = x->in[2];
  cell k = cell_of(x->node);
  bool lstm = k.gates == 4;
  if (!tni_type_is_float(w->type)) return tni_refuse(x, "the input is not floating-point");
  if (w->rank != 3 || r->rank != 2 || r->shape[0] < 1 || r->shape[1] != k.gates * r->shape[0])
    return tni_refuse(x, "the weights are not of %lld gates", (long long)k.gates);
  int64_t n = r->shape[0], batch = w->shape[1], state[] = {batch, n}, columns[] = {n, k.gates * n}, list = n;
  if (!is_shaped(r, w->type, 2, columns) || w->shape[2] != columns[1] || !is_shaped(h, w->type, 2, state) ||
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

/* A function under construction: its loop over t, and what the blocks read. */
typedef struct recurrence {
  tni_define *d;
  tn_builder *b;
  tn_type type; /* of sums */
  int64_t steps, batch, n, gates;
  const tn_expr *t;
  const tn_stmt *stmts[8];
  size_t count;
} recurrence;

/* The iterators of one block: t, batch, j, and for a sum k. */
typedef struct place {
  const tn_expr *t, *batch, *j, *k;
} place;

static place new_place(recurrence *r) {
  return (place){tn_var(r->b, "vt", TN_INDEX), tn_var(r->b, "vb", TN_INDEX), tn_var(r->b, "vj", TN_INDEX),
                 tn_var(r->b, "vk", TN_INDEX)};
}

/* The loop over j around `body`, as vectors of so many lanes. */
static const tn_stmt *in_lanes(tn_builder *b, int64_t columns, const tn_expr *outer, const tn_expr *lane,
                               const tn_stmt *body, int64_t lanes) {
  if (lanes > 1) body = tn_for_kind(b, TN_VECTORIZED, lane, tn_index(b, lanes), body);
  return tn_for(b, outer, tn_index(b, columns / lanes), body);
}

/* Adds the block that `body` is, for j below `columns`; `sums`: over k too, which goes outside of j, so that j is contiguous. */
static void add_block(recurrence *r, const char *name, const place *p, int64_t columns, bool sums,
                      const tn_stmt *body) {
  tn_builder *b = r->b;
  int64_t lanes = !sums ? 1 : columns % 16 == 0 ? 16 : columns % 8 == 0 ? 8 : columns % 4 == 0 ? 4 : 1;
  const tn_expr *outer = tn_var(b, "j", TN_INDEX), *lane = tn_var(b, "lane", TN_INDEX), *k = tn_var(b, "k", TN_INDEX);
  const tn_expr *batch = tn_var(b, "b", TN_INDEX), *rows = tn_index(b, r->batch), *sizes = tn_index(b, columns);
  const tn_expr *j = lanes > 1 ? tn_add(b, tn_mul(b, outer, tn_index(b, lanes)), lane) : outer;
  const tn_expr *vars[] = {p->t, p->batch, p->j, p->k}, *bindings[] = {r->t, batch, j, k};
  const tn_expr *extents[] = {tn_index(b, r->steps), rows, sizes, tn_index(b, r->n)};
  static const uint8_t reduce[] = {0, 0, 0, 1};
  body = tn_block(b, name, sums ? 4 : 3, vars, extents, reduce, bindings, NULL, NULL, body);
  body = in_lanes(b, columns, outer, lane, body, lanes);
  if (sums) body = tn_for(b, k, extents[3], body);
  r->stmts[r->count++] = tn_for(b, batch, rows, body);
}

/* Element j of the state before step t; `from` is where it begins in the output, `first` its input. */
static const tn_expr *state(recurrence *r, const place *p, const tn_expr *j, int64_t from, uint32_t first) {
  tn_builder *b = r->b;
  const tn_expr *later = tn_op2(b, TN_OP_lt, tn_index(b, 0), p->t);
  const tn_expr *before[] = {tn_sub(b, p->t, tn_index(b, 1)), p->batch, tn_add(b, j, tn_index(b, from))};
  const tn_expr *start[] = {p->batch, j};
  const tn_expr *old = tn_load(b, r->d->out[0], before, later), *initial = tn_load(b, r->d->in[first], start, NULL);
  return tn_cast(b, r->type, tn_op3(b, TN_OP_select, later, old, initial));
}

static const tn_expr *at_gate(recurrence *r, const tn_buffer *sums, const place *p, int64_t gate) {
  const tn_expr *index[] = {p->t, p->batch, tn_add(r->b, p->j, tn_index(r->b, gate * r->n))};
  return tn_load(r->b, sums, index, NULL);
}

/* sums[t, b, j] = start (over the iterators of `p`) + sum over k of value[t, b, k] * r[k, first + j]; names of two blocks */
static void add_sums(recurrence *r, const char *const names[2], const tn_buffer *sums, int64_t columns, const place *p,
                     const tn_expr *start, const tn_buffer *value, int64_t first) {
  tn_builder *b = r->b;
  place q = new_place(r);
  const tn_expr *to[] = {p->t, p->batch, p->j}, *at[] = {q.t, q.batch, q.j}, *from[] = {q.t, q.batch, q.k};
  const tn_expr *weight[] = {q.k, tn_add(b, q.j, tn_index(b, first))};
  const tn_expr *product = tn_cast(b, r->type, tn_load(b, r->d->in[1], weight, NULL));
  const tn_expr *sum = tn_op3(b, TN_OP_fma, tn_load(b, value, from, NULL), product, tn_load(b, sums, at, NULL));
  add_block(r, names[0], p, columns, false, tn_store(b, sums, to, start));
  add_block(r, names[1], &q, columns, true, tn_store(b, sums, at, sum));
}

static const char *const gate_names[] = {"start", "sum"}, *const candidate_names[] = {"start_candidate",
                                                                                      "sum_candidate"};

static const tn_buffer *new_sums(recurrence *r, const char *name, int64_t columns) {
  int64_t shape[] = {r->steps, r->batch, columns};
  return tn_alloc(r->b, name, r->type, 3, shape);
}

/* A buffer of (t, batch, n) that holds `value`, over the iterators of `p`. */
static const tn_buffer *kept(recurrence *r, const char *name, const place *p, const tn_expr *value) {
  const tn_buffer *buffer = new_sums(r, name, r->n);
  const tn_expr *to[] = {p->t, p->batch, p->j};
  add_block(r, name, p, r->n, false, tn_store(r->b, buffer, to, value));
  return buffer;
}

static const tn_expr *input_part(recurrence *r, const place *p, int64_t gate) {
  const tn_expr *index[] = {p->t, p->batch, tn_add(r->b, p->j, tn_index(r->b, gate * r->n))};
  return tn_cast(r->b, r->type, tn_load(r->b, r->d->in[0], index, NULL));
}

/* out[t, b, from + j] = value, or the old state after the end. */
static const tn_stmt *put_state(recurrence *r, const place *p, int64_t from, uint32_t first, const tn_expr *value) {
  tn_builder *b = r->b;
  uint32_t length = cell_of(r->d->node).length;
  const tn_expr *to[] = {p->t, p->batch, tn_add(b, p->j, tn_index(b, from))};
  if (length < r->d->node->input_count && r->d->in_value[length]) {
    const tn_expr *steps = tn_cast(b, TN_I64, tn_load(b, r->d->in[length], &p->batch, NULL));
    const tn_expr *runs = tn_op2(b, TN_OP_lt, tn_cast(b, TN_I64, p->t), steps);
    value = tn_op3(b, TN_OP_select, runs, value, state(r, p, p->j, from, first));
  }
  return tn_store(b, r->d->out[0], to, tn_cast(b, r->d->out_value[0]->type, value));
}

static recurrence begin(tni_define *d) {
  const tni_gvalue *w = d->in_value[0];
  cell k = cell_of(d->node);
  return (recurrence){.d = d,
                      .b = d->b,
                      .type = tni_sum_type(w->type),
                      .steps = w->shape[0],
                      .batch = w->shape[1],
                      .n = w->shape[2] / k.gates,
                      .gates = k.gates,
                      .t = tn_var(d->b, "t", TN_INDEX)};
}

static bool end(recurrence *r) {
  tn_emit(r->b, tn_for(r->b, r->t, tn_index(r->b, r->steps), tn_seq(r->b, r->count, r->stmts)));
  return true;
}

/* ---- the cells ----------------------------------------------------------------------------------------------------- */

bool tni_define_rnn(tni_define *d) {
  recurrence r = begin(d);
  place o = new_place(&r), p = new_place(&r), q = new_place(&r);
  const tn_buffer *old = kept(&r, "old", &o, state(&r, &o, o.j, 0, 2)), *sums = new_sums(&r, "sums", r.n);
  add_sums(&r, gate_names, sums, r.n, &p, input_part(&r, &p, 0), old, 0);
  add_block(&r, "step", &q, r.n, false, put_state(&r, &q, 0, 2, activate(d, 0, at_gate(&r, sums, &q, 0))));
  return end(&r);
}

bool tni_define_gru(tni_define *d) {
  recurrence r = begin(d);
  tn_builder *b = d->b;
  bool linear = tni_attr_int(d->node, "linear_before_reset", 0) != 0;
  place o = new_place(&r), p = new_place(&r), g = new_place(&r), q = new_place(&r), s = new_place(&r);
  const tn_buffer *old = kept(&r, "old", &o, state(&r, &o, o.j, 0, 2)), *seen = old;
  const tn_buffer *sums = new_sums(&r, "sums", 2 * r.n), *candidate = new_sums(&r, "candidate", r.n);
  add_sums(&r, gate_names, sums, 2 * r.n, &p, input_part(&r, &p, 0), old, 0);
  const tn_expr *reset = activate(d, 0, at_gate(&r, sums, &g, 1)), *start = tn_float(b, r.type, 0);
  if (!linear) seen = kept(&r, "reset", &g, tn_mul(b, reset, at_gate(&r, old, &g, 0)));
  if (!linear) start = input_part(&r, &q, 2);
  if (linear && d->node->input_count > 3 && d->in_value[3])
    start = tn_cast(b, r.type, tn_load(b, d->in[3], &q.j, NULL));
  add_sums(&r, candidate_names, candidate, r.n, &q, start, seen, 2 * r.n);
  const tn_expr *h = at_gate(&r, candidate, &s, 0), *z = activate(d, 0, at_gate(&r, sums, &s, 0));
  if (linear) h = tn_add(b, input_part(&r, &s, 2), tn_mul(b, activate(d, 0, at_gate(&r, sums, &s, 1)), h));
  const tn_expr *fresh = tn_mul(b, tn_sub(b, tn_float(b, r.type, 1), z), activate(d, 1, h));
  fresh = tn_add(b, fresh, tn_mul(b, z, at_gate(&r, old, &s, 0)));
  add_block(&r, "step", &s, r.n, false, put_state(&r, &s, 0, 2, fresh));
  return end(&r);
}

/* Gate i, o or f (0, 1, 2) and what its peephole sees of the cell. */
static const tn_expr *gate_of(recurrence *r, const tn_buffer *sums, const place *p, int64_t gate, const tn_expr *seen) {
  tn_builder *b = r->b;
  const tn_expr *x = at_gate(r, sums, p, gate);
  if (r->d->node->input_count <= 4 || !r->d->in_value[4]) return x;
  const tn_expr *at = tn_add(b, p->j, tn_index(b, gate * r->n));
  return tn_add(b, x, tn_mul(b, tn_cast(b, r->type, tn_load(b, r->d->in[4], &at, NULL)), seen));
}

bool tni_define_lstm(tni_define *d) {
  recurrence r = begin(d);
  tn_builder *b = d->b;
  place h = new_place(&r), p = new_place(&r), q = new_place(&r), s = new_place(&r), u = new_place(&r);
  const tn_buffer *before = kept(&r, "old", &h, state(&r, &h, h.j, 0, 2)), *sums = new_sums(&r, "sums", 4 * r.n);
  add_sums(&r, gate_names, sums, 4 * r.n, &p, input_part(&r, &p, 0), before, 0);
  const tn_expr *old = state(&r, &q, q.j, r.n, 3);
  const tn_expr *i = activate(d, 0, gate_of(&r, sums, &q, 0, old)), *f = activate(d, 0, gate_of(&r, sums, &q, 2, old));
  if (tni_attr_int(d->node, "input_forget", 0)) f = tn_sub(b, tn_float(b, r.type, 1), i);
  const tn_expr *fresh = tn_mul(b, i, activate(d, 1, at_gate(&r, sums, &q, 3)));
  const tn_buffer *cells = kept(&r, "cell", &q, tn_add(b, tn_mul(b, f, old), fresh));
  const tn_expr *c = at_gate(&r, cells, &s, 0), *o = activate(d, 0, gate_of(&r, sums, &s, 1, c));
  add_block(&r, "step", &s, r.n, false, put_state(&r, &s, 0, 2, tn_mul(b, o, activate(d, 2, c))));
  add_block(&r, "keep", &u, r.n, false, put_state(&r, &u, r.n, 3, at_gate(&r, cells, &u, 0)));
  return end(&r);
}
