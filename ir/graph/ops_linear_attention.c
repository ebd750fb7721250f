/* ops_linear_attention.c -- attention as a recurrence: a matrix per head that keys and values are written to.
 *
 *     for t:  s[i, j] *= decay[t, i];   u[j] = v[t, j], or with beta  beta[t] * (v[t, j] - sum over i  s[i, j] * k[t, i])
 *             s[i, j] += k[t, i] * u[j];   out[t, j] = sum over i  scale * q[t, i] * s[i, j]
 *
 * over (batch, heads, t, size); several query heads read the matrix of one head. With the attribute `last` the result is s at
 * the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { Q, K, V, STATE, DECAY, BETA };

static bool has(const tni_gnode *node, const tni_gvalue *const *in, uint32_t i) {
  return i < node->input_count && in[i];
}

bool tni_infer_linear_attention(tni_infer *x) {
  const tni_gvalue *q = x->in[Q], *k = x->in[K], *v = x->in[V], *s = x->in[STATE];
  for (uint32_t i = 0; i < x->node->input_count; i++)
    if (x->in[i] && (!tni_type_is_float(x->in[i]->type) || x->in[i]->type != q->type || x->in[i]->rank != 4))
      return tni_refuse(x, "the inputs are not of rank 4 and one floating-point type");
  int64_t batch = k->shape[0], heads = k->shape[1], t = k->shape[2], size = k->shape[3], wide = v->shape[3];
  bool fits = q->shape[0] == batch && heads > 0 && q->shape[1] % heads == 0 && q->shape[2] == t &&
              q->shape[3] == size && v->shape[0] == batch && v->shape[1] == heads && v->shape[2] == t &&
              s->shape[0] == batch && s->shape[1] == heads && s->shape[2] == size && s->shape[3] == wide;
  for (uint32_t i = DECAY; i <= BETA && fits; i++) {
    if (!has(x->node, x->in, i)) continue;
    const int64_t *shape = x->in[i]->shape;
    fits = shape[0] == batch && (shape[1] == heads || (i == BETA && shape[1] == 1)) && shape[2] == t &&
           (shape[3] == 1 || (i == DECAY && shape[3] == size));
  }
  if (!fits) return tni_refuse(x, "queries, keys, values and state do not fit together");
  *x->out = tni_attr_int(x->node, "last", 0) ? *s : (tni_gvalue){.rank = 4, .shape = {batch, q->shape[1], t, wide}};
  *x->out = (tni_gvalue){
      .type = q->type, .rank = 4, .shape = {x->out->shape[0], x->out->shape[1], x->out->shape[2], x->out->shape[3]}};
  return true;
}

/* One step of one head: its loop variables, and the matrix. */
typedef struct step {
  tni_define *d;
  tn_builder *b;
  tn_type type;
  int64_t size, wide, group;
  const tn_buffer *s, *u;
  const tn_expr *batch, *head, *t;
} step;

static const tn_expr *load_at(const step *p, uint32_t input, const tn_expr *head, const tn_expr *i) {
  const tn_expr *index[] = {p->batch, head, p->t, i};
  return tn_cast(p->b, p->type, tn_load(p->b, p->d->in[input], index, NULL));
}

/* for i in 0..n { for j in 0..wide { buffer[at...] = value } } */
static const tn_stmt *over(const step *p, const tn_expr *i, int64_t n, const tn_expr *j, const tn_stmt *body) {
  return tn_for(p->b, i, tn_index(p->b, n), tn_for(p->b, j, tn_index(p->b, p->wide), body));
}

/* s[i, j], its store, and u[j] */
static const tn_stmt *change_state(const step *p, const tn_expr *i, const tn_expr *j, const tn_expr *value) {
  const tn_expr *index[] = {p->batch, p->head, i, j};
  return over(p, i, p->size, j, tn_store(p->b, p->s, index, value));
}
static const tn_expr *matrix(const step *p, const tn_expr *i, const tn_expr *j) {
  const tn_expr *index[] = {p->batch, p->head, i, j};
  return tn_load(p->b, p->s, index, NULL);
}

static const tn_stmt *decay(const step *p) {
  const tn_expr *i = tn_var(p->b, "i", TN_INDEX), *j = tn_var(p->b, "j", TN_INDEX), *zero = tn_index(p->b, 0);
  bool each = p->d->in_value[DECAY]->shape[3] != 1;
  return change_state(p, i, j, tn_mul(p->b, matrix(p, i, j), load_at(p, DECAY, p->head, each ? i : zero)));
}

/* u = v, corrected by what the matrix gives for the key. */
static const tn_stmt *write_value(const step *p) {
  tn_builder *b = p->b;
  const tn_expr *j = tn_var(b, "j", TN_INDEX), *i = tn_var(b, "i", TN_INDEX), *l = tn_var(b, "l", TN_INDEX);
  const tn_expr *m = tn_var(b, "m", TN_INDEX), *zero = tn_index(b, 0);
  const tn_stmt *take = tn_for(b, j, tn_index(b, p->wide), tn_store(b, p->u, &j, load_at(p, V, p->head, j)));
  if (!has(p->d->node, p->d->in_value, BETA)) return take;
  const tn_expr *known = tn_mul(b, matrix(p, i, l), load_at(p, K, p->head, i));
  const tn_expr *beta = load_at(p, BETA, p->d->in_value[BETA]->shape[1] == 1 ? zero : p->head, zero);
  const tn_stmt *steps[] = {
      take, over(p, i, p->size, l, tn_store(b, p->u, &l, tn_sub(b, tn_load(b, p->u, &l, NULL), known))),
      tn_for(b, m, tn_index(b, p->wide), tn_store(b, p->u, &m, tn_mul(b, beta, tn_load(b, p->u, &m, NULL))))};
  return tn_seq(b, 3, steps);
}

static const tn_stmt *write_key(const step *p) {
  const tn_expr *i = tn_var(p->b, "i", TN_INDEX), *j = tn_var(p->b, "j", TN_INDEX);
  const tn_expr *both = tn_mul(p->b, load_at(p, K, p->head, i), tn_load(p->b, p->u, &j, NULL));
  return change_state(p, i, j, tn_add(p->b, matrix(p, i, j), both));
}

/* The outputs of the heads of the group, by way of u, which is free now. */
static const tn_stmt *read_out(const step *p) {
  tn_builder *b = p->b;
  const tn_expr *g = tn_var(b, "g", TN_INDEX), *i = tn_var(b, "i", TN_INDEX), *j = tn_var(b, "j", TN_INDEX);
  const tn_expr *n = tn_var(b, "n", TN_INDEX), *o = tn_var(b, "o", TN_INDEX);
  const tn_expr *head = tn_add(b, tn_mul(b, p->head, tn_index(b, p->group)), g), *to[] = {p->batch, head, p->t, o};
  const tn_expr *q = tn_mul(b, load_at(p, Q, head, i), tn_float(b, p->type, tni_attr_float(p->d->node, "scale", 1)));
  const tn_expr *sum = tn_add(b, tn_load(b, p->u, &j, NULL), tn_mul(b, q, matrix(p, i, j)));
  const tn_stmt *steps[] = {
      tn_for(b, n, tn_index(b, p->wide), tn_store(b, p->u, &n, tn_float(b, p->type, 0))),
      over(p, i, p->size, j, tn_store(b, p->u, &j, sum)),
      tn_for(b, o, tn_index(b, p->wide),
             tn_store(b, p->d->out[0], to, tn_cast(b, p->d->out_value[0]->type, tn_load(b, p->u, &o, NULL))))};
  return tn_for(b, g, tn_index(b, p->group), tn_seq(b, 3, steps));
}

bool tni_define_linear_attention(tni_define *d) {
  const tni_gvalue *k = d->in_value[K], *v = d->in_value[V], *s = d->in_value[STATE];
  tn_builder *b = d->b;
  bool last = tni_attr_int(d->node, "last", 0) != 0;
  step p = {.d = d,
            .b = b,
            .type = tni_sum_type(k->type),
            .size = k->shape[3],
            .wide = v->shape[3],
            .group = d->in_value[Q]->shape[1] / k->shape[1],
            .batch = tn_var(b, "b", TN_INDEX),
            .head = tn_var(b, "h", TN_INDEX),
            .t = tn_var(b, "t", TN_INDEX)};
  p.s = tn_alloc(b, "state", p.type, 4, s->shape);
  p.u = tn_alloc(b, "u", p.type, 1, &p.wide);
  const tn_expr *axes[TN_MAX_RANK];
  tni_axes(b, 4, s->shape, axes);
  tn_compute(b, p.s, axes, tn_cast(b, p.type, tn_load(b, d->in[STATE], axes, NULL)));
  const tn_stmt *steps[4];
  size_t count = 0;
  if (has(d->node, d->in_value, DECAY)) steps[count++] = decay(&p);
  steps[count++] = write_value(&p);
  steps[count++] = write_key(&p);
  if (!last) steps[count++] = read_out(&p);
  const tn_stmt *body = tn_for(b, p.t, tn_index(b, k->shape[2]), tn_seq(b, count, steps));
  tn_emit(b, tn_for(b, p.batch, tn_index(b, k->shape[0]), tn_for(b, p.head, tn_index(b, k->shape[1]), body)));
  if (!last) return true;
  tni_axes(b, 4, s->shape, axes);
  tn_compute(b, d->out[0], axes, tn_cast(b, d->out_value[0]->type, tn_load(b, p.s, axes, NULL)));
  return true;
}
