/* arith.h -- what the arithmetic tests share: a domain of points, the value of an expression at all of them, and what may be
 * claimed of it.
 *
 * An expression is evaluated node by node, each over all points at once, by the library's own meaning of the operators on
 * constants (tni_eval_op), which the analyses do not use.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_ARITH_H
#define TEST_ARITH_H

#include <stdio.h>
#include <stdlib.h>

#include "text.h"

enum { MAX_VARS = 8, MAX_POINTS = 1 << 16 };

/* vars[i] takes low[i]..low[i]+count[i]-1; `inside` marks the points where the facts hold. */
typedef struct domain {
  tn_context *ctx;
  size_t vars, points;
  const tn_expr *var[MAX_VARS];
  int64_t low[MAX_VARS], count[MAX_VARS];
  uint8_t *inside;
  tni_map nodes; /* value: column + 1 */
  int64_t **columns;
  size_t column_count, column_capacity;
} domain;

static void domain_open(domain *d, tn_context *ctx) {
  *d = (domain){.ctx = ctx, .points = 1};
  tni_map_init(&d->nodes, ctx);
}

static void domain_close(domain *d) {
  for (size_t i = 0; i < d->column_count; i++) free(d->columns[i]);
  free(d->columns);
  free(d->inside);
  tni_map_destroy(&d->nodes);
}

static void domain_add(domain *d, const tn_expr *var, int64_t low, int64_t count) {
  d->var[d->vars] = var;
  d->low[d->vars] = low;
  d->count[d->vars++] = count;
  d->points *= (size_t)count;
}

/* The value of variable v at a point. */
static int64_t domain_coordinate(const domain *d, size_t v, size_t point) {
  for (size_t i = d->vars - 1; i > v; i--) point /= (size_t)d->count[i];
  return d->low[v] + (int64_t)(point % (size_t)d->count[v]);
}

static int64_t floor_div(int64_t a, int64_t b) { return b ? a / b - (a % b != 0 && (a < 0) != (b < 0)) : 0; }

/* What an element holds is any value of its type, always the same one. */
static int64_t load_value(const tn_expr *load, int64_t index) {
  return tni_wrap(load->type, (int64_t)(((uint64_t)index + 1) * 0x9e3779b97f4a7c15u >> 17));
}

/* The operators on index in loops of their own, the others one point after the other. */
static void fill_column(const domain *d, const tn_expr *x, const int64_t *a, const int64_t *b, const int64_t *c,
                        int64_t *out) {
  size_t n = d->points;
#define EACH(value)                                                                                                    \
  for (size_t i = 0; i < n; i++) out[i] = (int64_t)(value);                                                            \
  return
  bool index = x->nargs == 0 || x->arg[x->nargs - 1]->type == TN_INDEX;
  switch (index ? x->op : TN_OP_COUNT) {
  case TN_OP_const: EACH(x->as.i);
  case TN_OP_load: EACH(load_value(x, a[i]));
  case TN_OP_add: EACH((uint64_t)a[i] + (uint64_t)b[i]);
  case TN_OP_sub: EACH((uint64_t)a[i] - (uint64_t)b[i]);
  case TN_OP_mul: EACH((uint64_t)a[i] * (uint64_t)b[i]);
  case TN_OP_floordiv: EACH(floor_div(a[i], b[i]));
  case TN_OP_floormod: EACH(b[i] ? a[i] - b[i] * floor_div(a[i], b[i]) : 0);
  case TN_OP_min: EACH(a[i] < b[i] ? a[i] : b[i]);
  case TN_OP_max: EACH(a[i] > b[i] ? a[i] : b[i]);
  case TN_OP_lt: EACH(a[i] < b[i]);
  case TN_OP_le: EACH(a[i] <= b[i]);
  case TN_OP_eq: EACH(a[i] == b[i]);
  case TN_OP_ne: EACH(a[i] != b[i]);
  case TN_OP_select: EACH(a[i] ? b[i] : c[i]);
  default: break;
  }
#undef EACH
  for (size_t i = 0; i < n; i++) {
    tni_scalar args[3] = {{.i = a ? a[i] : 0}, {.i = b ? b[i] : 0}, {.i = c ? c[i] : 0}};
    out[i] = x->op == TN_OP_cast ? tni_eval_cast(x->type, x->arg[0]->type, args[0]).i
                                 : tni_eval_op(x->op, x->arg[0]->type, args).i;
  }
}

static const int64_t *domain_values(domain *d, const tn_expr *x) {
  bool added;
  size_t known = tni_map_find(&d->nodes, x, 0);
  if (known != TNI_MAP_NONE) return d->columns[d->nodes.entries[known].value];
  const int64_t *args[3] = {NULL};
  for (int i = 0; i < x->nargs && i < 3; i++) args[i] = domain_values(d, x->arg[i]);
  int64_t *out = malloc(d->points * sizeof *out);
  if (x->op != TN_OP_var) fill_column(d, x, args[0], args[1], args[2], out);
  for (size_t v = 0; x->op == TN_OP_var && v < d->vars; v++)
    for (size_t i = 0; d->var[v] == x && i < d->points; i++) out[i] = domain_coordinate(d, v, i);
  if (d->column_count == d->column_capacity) {
    d->column_capacity = 2 * d->column_capacity + 64;
    d->columns = realloc(d->columns, d->column_capacity * sizeof *d->columns);
  }
  d->columns[d->column_count] = out;
  size_t entry = tni_map_add(&d->nodes, x, 0, &added);
  d->nodes.entries[entry].value = d->column_count++;
  return out;
}

/* Only points where the condition holds (or does not) count from now on; false: no point is left. */
static bool domain_restrict(domain *d, const tn_expr *cond, bool holds) {
  const int64_t *v = domain_values(d, cond);
  bool any = false;
  if (!d->inside) {
    d->inside = malloc(d->points);
    memset(d->inside, 1, d->points);
  }
  for (size_t i = 0; i < d->points; i++) {
    d->inside[i] &= (v[i] != 0) == holds;
    any |= d->inside[i];
  }
  return any;
}

static bool domain_has(const domain *d, size_t point) { return !d->inside || d->inside[point]; }

/* ---- claims: each gives the first point that refutes it, or TNI_MAP_NONE ---- */

static size_t same_values(domain *d, const tn_expr *x, const tn_expr *y) {
  const int64_t *a = domain_values(d, x), *b = domain_values(d, y);
  for (size_t i = 0; i < d->points; i++)
    if (domain_has(d, i) && a[i] != b[i]) return i;
  return TNI_MAP_NONE;
}

static size_t within_bounds(domain *d, const tn_expr *x, int64_t lo, int64_t hi) {
  const int64_t *a = domain_values(d, x);
  for (size_t i = 0; i < d->points; i++)
    if (domain_has(d, i) && ((lo > -TNI_INF && a[i] < lo) || (hi < TNI_INF && a[i] > hi))) return i;
  return TNI_MAP_NONE;
}

static size_t has_residue(domain *d, const tn_expr *x, int64_t mod, int64_t rem) {
  const int64_t *a = domain_values(d, x);
  for (size_t i = 0; i < d->points; i++)
    if (domain_has(d, i) && (mod ? (a[i] - rem) % mod != 0 : a[i] != rem)) return i;
  return TNI_MAP_NONE;
}

static size_t has_truth(domain *d, const tn_expr *cond, enum tni_truth truth) {
  const int64_t *a = domain_values(d, cond);
  for (size_t i = 0; i < d->points && truth != TNI_UNKNOWN; i++)
    if (domain_has(d, i) && (a[i] != 0) != (truth == TNI_PROVEN)) return i;
  return TNI_MAP_NONE;
}

#endif
