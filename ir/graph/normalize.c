/* normalize.c -- the steps of a layer norm are one operator.
 *
 *     d = sub(x, reduce_mean(x));  q = div(d, sqrt(add(reduce_mean(pow(d, 2)), number)))
 *     y = add(mul(q, scale), bias)     scale and bias are constants, and may be absent
 *       ->
 *     y = layer_norm(x, scale, bias) {axis = .., epsilon = number}
 *
 * The means are over the same last axes and keep them. It says that elements are multiplied by the reciprocal of what
 * they were divided by, and added up in another order. Where a value inside is used by others, nothing changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

/* What of a node becomes a layer norm; values of the old graph, TNI_NO_VALUE where absent. */
typedef struct match {
  uint32_t x, scale, bias;
  int32_t axis;
  double epsilon;
} match;

/* ---- what it is -------------------------------------------------------------------------------------------------- */

/* The first of the last axes that a mean is over, which stay as dimensions of 1; -1: it is over others. */
static int32_t first_axis(const tn_graph *g, const tni_gnode *mean) {
  int32_t count, rank = g->values[mean->inputs[0]].rank;
  const int64_t *axes = tni_attr_ints(mean, "axes", &count);
  bool set[TN_MAX_RANK] = {false};
  if (!axes || count == 0 || !tni_attr_int(mean, "keepdims", 1)) return -1;
  for (int32_t i = 0; i < count; i++) set[axes[i] < 0 ? axes[i] + rank : axes[i]] = true;
  int32_t first = rank;
  while (first > 0 && set[first - 1]) first--;
  for (int32_t d = 0; d < first; d++)
    if (set[d]) return -1;
  return first;
}

/* The node of that operator which makes the value, that so many read. */
static const tni_gnode *inside(const tni_grewriter *z, uint32_t value, const char *op, uint32_t users) {
  return value != TNI_NO_VALUE && z->by.users[value] == users ? tni_made_by(&z->by, value, op) : NULL;
}

static bool is_square_of(const tni_grewriter *z, uint32_t square, uint32_t of) {
  const tni_gnode *pow = inside(z, square, "pow", 1), *mul = inside(z, square, "mul", 1);
  double two;
  if (mul) return mul->inputs[0] == of && mul->inputs[1] == of && z->by.users[of] == 3;
  return pow && pow->inputs[0] == of && tni_is_number(&z->by.g->values[pow->inputs[1]], &two) && two == 2 &&
         z->by.users[of] == 2;
}

/* x less its mean, over the root of the mean of the squares of that and a number. */
static bool is_quotient(const tni_grewriter *z, const tni_gnode *n, match *m) {
  const tn_graph *g = z->by.g;
  if (!n->op || strcmp(n->op->name, "div") != 0 || g->values[n->outputs[0]].type != TN_F32) return false;
  const tni_gnode *sub = tni_made_by(&z->by, n->inputs[0], "sub"), *root = inside(z, n->inputs[1], "sqrt", 1);
  const tni_gnode *mean = sub ? inside(z, sub->inputs[1], "reduce_mean", 1) : NULL;
  const tni_gnode *sum = root ? inside(z, root->inputs[0], "add", 1) : NULL;
  if (!mean || !sum || mean->inputs[0] != sub->inputs[0]) return false;
  bool first = tni_is_number(&g->values[sum->inputs[0]], &m->epsilon);
  if (!first && !tni_is_number(&g->values[sum->inputs[1]], &m->epsilon)) return false;
  const tni_gnode *power = inside(z, sum->inputs[first], "reduce_mean", 1);
  if (!power || !is_square_of(z, power->inputs[0], n->inputs[0])) return false;
  m->x = sub->inputs[0];
  m->axis = first_axis(g, mean);
  return m->axis >= 0 && first_axis(g, power) == m->axis;
}

/* Of the node's operands the one that is a constant along the axes of the norm; the other one in *rest. */
static bool has_factor(const tni_grewriter *z, const tni_gnode *n, const char *op, uint32_t *factor, uint32_t *rest) {
  const tn_graph *g = z->by.g;
  if (!n || !n->op || strcmp(n->op->name, op) != 0) return false;
  for (int i = 0; i < 2; i++) {
    const tni_gvalue *v = &g->values[n->inputs[i]], *of = &g->values[n->inputs[1 - i]];
    if (!v->data || v->type != TN_F32 || v->rank > of->rank) continue;
    *factor = n->inputs[i];
    *rest = n->inputs[1 - i];
    return true;
  }
  return false;
}

/* Does the constant move along the axes of the norm only? */
static bool is_along(const tni_grewriter *z, uint32_t value, const match *m) {
  if (value == TNI_NO_VALUE) return true;
  const tni_gvalue *v = &z->by.g->values[value], *x = &z->by.g->values[m->x];
  for (int32_t d = 0; d < v->rank; d++) {
    int32_t at = x->rank - v->rank + d;
    if (v->shape[d] != 1 && (at < m->axis || v->shape[d] != x->shape[at])) return false;
  }
  return true;
}

static const tni_gnode *either(const tni_gnode *a, const tni_gnode *b) { return a ? a : b; }

static bool is_norm(const tni_grewriter *z, const tni_gnode *n, match *m) {
  uint32_t rest;
  *m = (match){.scale = TNI_NO_VALUE, .bias = TNI_NO_VALUE};
  if (has_factor(z, n, "add", &m->bias, &rest)) n = either(inside(z, rest, "mul", 1), inside(z, rest, "div", 1));
  if (has_factor(z, n, "mul", &m->scale, &rest)) n = inside(z, rest, "div", 1);
  return n && is_quotient(z, n, m) && is_along(z, m->scale, m) && is_along(z, m->bias, m);
}

/* ---- what becomes of it ------------------------------------------------------------------------------------------ */

static tn_status add_norm(tni_grewriter *z, const tni_gnode *n, const match *m, tn_error **err) {
  const tni_attr attrs[] = {{.name = "axis", .kind = TNI_ATTR_INT, .i = m->axis},
                            {.name = "epsilon", .kind = TNI_ATTR_FLOAT, .f = m->epsilon}};
  const uint32_t old[] = {m->x, m->scale, m->bias};
  uint32_t in[3], count = m->bias != TNI_NO_VALUE ? 3 : m->scale != TNI_NO_VALUE ? 2 : 1;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < count && !status; i++) {
    in[i] = old[i];
    if (old[i] != TNI_NO_VALUE) status = tni_gcopy_value(&z->c, old[i], &in[i], err);
  }
  if (status) return status;
  return tni_g_node(z->c.b, tni_gop_find("layer_norm"), n->name, count, in, 2, attrs, 1,
                    &z->by.g->values[n->outputs[0]].name, &z->c.map[n->outputs[0]], err);
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

static bool is_one(const tni_grewriter *z, const tni_gnode *n) {
  match m;
  return is_norm(z, n, &m);
}

static tn_status add(tni_grewriter *z, const tni_gnode *n, tn_error **err) {
  match m;
  is_norm(z, n, &m);
  return add_norm(z, n, &m, err);
}

tn_status tni_graph_normalize(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  return tni_graph_rewrite(g, to, &(tni_grewrite){is_one, add}, out, err);
}
