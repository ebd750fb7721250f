/* attend.c -- a softmax between two products is attention, one operator.
 *
 *     y = matmul(softmax(s), v)     s = q * k', behind it a scale and a mask, in any order:
 *     s = matmul(q, transpose(k));  s = mul(s, number), div(s, number);  s = add(s, mask)
 *       ->
 *     y = attention(q, k, v, mask) {scale = .., keys = .., rows = ..}
 *
 * It says that sums may be made in another order: of weights one after the other instead of in parts, over keys in
 * blocks where there are many, divided by at the end. The operator's bounds hold (ir/graph/ops_attention.c,
 * test_attention.c). Where a value inside is used by others, or there are few rows or keys, nothing changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { LEAST_ROWS = 8, LEAST_KEYS = 16, MOST_STEPS = 4 /* between the product and the softmax */ };

/* What of a node becomes attention; values of the old graph. */
typedef struct match {
  uint32_t q, k, v, mask; /* k: (.., size, keys), as the product has it */
  double scale;
} match;

typedef struct attender {
  tni_gcopy c;
  tni_gmakers by;
} attender;

/* ---- what it is ------------------------------------------------------------------------------------------------ */

/* A choice that is made already, as a dropout of training leaves it. */
static uint32_t chosen(const attender *a, uint32_t value) {
  const tni_gnode *n = tni_made_by(&a->by, value, "where");
  const tni_gvalue *c = n ? &a->c.from->values[n->inputs[0]] : NULL;
  if (!c || !c->data || tni_gvalue_numel(c) != 1) return value;
  uint32_t to = n->inputs[*(const uint8_t *)c->data ? 1 : 2];
  const tni_gvalue *x = &a->c.from->values[value], *y = &a->c.from->values[to];
  return x->rank == y->rank && memcmp(x->shape, y->shape, sizeof *x->shape * (size_t)x->rank) == 0 ? to : value;
}

/* Do the batch dimensions agree, and is nothing but f32 there? */
static bool is_product(const tn_graph *g, const tni_gnode *n) {
  if (!n || n->attr_count) return false;
  const tni_gvalue *x = &g->values[n->inputs[0]], *y = &g->values[n->inputs[1]];
  if (x->rank < 3 || x->rank > 4 || y->rank != x->rank || x->type != TN_F32 || y->type != TN_F32) return false;
  return memcmp(x->shape, y->shape, sizeof *x->shape * (size_t)(x->rank - 2)) == 0;
}

/* One step back from scores that only the next one reads; false: there is none. */
static bool step_back(const attender *a, uint32_t *scores, match *m) {
  const tn_graph *g = a->c.from;
  const tni_gnode *add = tni_made_by(&a->by, *scores, "add"), *mul = tni_made_by(&a->by, *scores, "mul"),
                  *div = tni_made_by(&a->by, *scores, "div");
  const tni_gnode *n = add ? add : mul ? mul : div;
  double number;
  if (!n || a->by.users[*scores] != 1) return false;
  for (int i = 0; i < 2; i++) {
    const tni_gvalue *x = &g->values[n->inputs[i]], *y = &g->values[n->inputs[1 - i]], *to = &g->values[*scores];
    if (x->rank != to->rank || memcmp(x->shape, to->shape, sizeof *x->shape * (size_t)x->rank) != 0) continue;
    if (add && (m->mask != TNI_NO_VALUE || m->scale != 1 || y->type != TN_F32 ||
                a->by.maker[n->inputs[i]] == TNI_NO_VALUE || tni_made_by(&a->by, n->inputs[i], "softmax")))
      continue;
    if (!add && (!tni_is_number(y, &number) || (div && i) || number == 0)) continue;
    if (add)
      m->mask = n->inputs[1 - i];
    else
      m->scale *= div ? 1 / number : number;
    *scores = n->inputs[i];
    return true;
  }
  return false;
}

static bool is_attention(const attender *a, const tni_gnode *n, match *m) {
  const tn_graph *g = a->c.from;
  if (!n->op || strcmp(n->op->name, "matmul") != 0 || !is_product(g, n)) return false;
  uint32_t weights = chosen(a, n->inputs[0]);
  const tni_gnode *softmax = tni_made_by(&a->by, weights, "softmax");
  int32_t rank = g->values[n->inputs[0]].rank;
  if (!softmax || (weights == n->inputs[0] && a->by.users[weights] != 1)) return false;
  if (tni_normal_axis(softmax, -1, rank) != rank - 1) return false;
  uint32_t scores = softmax->inputs[0];
  *m = (match){.v = n->inputs[1], .mask = TNI_NO_VALUE, .scale = 1};
  for (int i = 0; i < MOST_STEPS && step_back(a, &scores, m); i++)
    ;
  const tni_gnode *product = tni_made_by(&a->by, scores, "matmul");
  if (!is_product(g, product) || a->by.users[scores] != 1) return false;
  m->q = product->inputs[0];
  m->k = product->inputs[1];
  const tni_gvalue *s = &g->values[scores];
  return s->shape[s->rank - 2] >= LEAST_ROWS && s->shape[s->rank - 1] >= LEAST_KEYS;
}

/* ---- what becomes of it ---------------------------------------------------------------------------------------- */

static tn_status with_list(attender *a, const char *op, const char *attr, uint32_t x, int32_t count,
                           const int64_t *list, const char *name, uint32_t *out, tn_error **err) {
  tni_attr of = {.name = attr, .kind = TNI_ATTR_INTS, .ints = list, .count = count};
  return tni_g_node(a->c.b, tni_gop_find(op), NULL, 1, &x, 1, &of, 1, name ? &name : NULL, out, err);
}

/* The value with dimensions of 1 in front, of rank 4. */
static tn_status in_four(attender *a, uint32_t x, uint32_t *out, tn_error **err) {
  const tni_gvalue *v = tni_g_get(a->c.b, x);
  int64_t shape[4] = {1, 1, 1, 1};
  *out = x;
  if (v->rank == 4) return TN_OK;
  memcpy(shape + 4 - v->rank, v->shape, sizeof *shape * (size_t)v->rank);
  return with_list(a, "reshape", "shape", x, 4, shape, NULL, out, err);
}

/* The last two dimensions turned, those of a row being (1, n): of what was turned already the transposition behind the
 * other. */
static tn_status turned(attender *a, uint32_t old, uint32_t *out, tn_error **err) {
  const tn_graph *g = a->c.from;
  const tni_gnode *n = tni_made_by(&a->by, old, "transpose");
  int32_t rank = g->values[old].rank, count = 0;
  const int64_t *own = n ? tni_attr_ints(n, "perm", &count) : NULL;
  int64_t perm[TN_MAX_RANK];
  bool same = true;
  uint32_t x;
  if (rank < 2) {
    const int64_t column[] = {rank ? g->values[old].shape[0] : 1, 1};
    tn_status row = tni_gcopy_value(&a->c, old, &x, err);
    return row ? row : with_list(a, "reshape", "shape", x, 2, column, NULL, out, err);
  }
  for (int32_t d = 0; d < rank; d++) perm[d] = own && count == rank ? own[d] : d;
  int64_t last = perm[rank - 1];
  perm[rank - 1] = perm[rank - 2];
  perm[rank - 2] = last;
  for (int32_t d = 0; d < rank; d++) same &= perm[d] == d;
  tn_status status = tni_gcopy_value(&a->c, own && count == rank ? n->inputs[0] : old, &x, err);
  *out = x;
  return status || same ? status : with_list(a, "transpose", "perm", x, rank, perm, NULL, out, err);
}

static tn_status add_attention(attender *a, const tni_gnode *n, const match *m, tn_error **err) {
  const tni_gvalue *out = &a->c.from->values[n->outputs[0]], *v = &a->c.from->values[m->v];
  uint32_t x[4] = {0}, result;
  int64_t keys, rows;
  tni_attention_blocks(out->shape[out->rank - 2], v->shape[v->rank - 2], false, &keys, &rows);
  tni_attr attrs[] = {{.name = "keys", .kind = TNI_ATTR_INT, .i = keys},
                      {.name = "rows", .kind = TNI_ATTR_INT, .i = rows},
                      {.name = "scale", .kind = TNI_ATTR_FLOAT, .f = m->scale}};
  bool masked = m->mask != TNI_NO_VALUE;
  tn_status status = tni_gcopy_value(&a->c, m->q, &x[0], err);
  if (!status) status = turned(a, m->k, &x[1], err);
  if (!status) status = tni_gcopy_value(&a->c, m->v, &x[2], err);
  if (!status && masked) status = turned(a, m->mask, &x[3], err);
  for (int i = 0; i < 3 + masked && !status; i++) status = in_four(a, x[i], &x[i], err);
  if (!status)
    status = tni_g_node(a->c.b, tni_gop_find("attention"), n->name, 3 + masked, x, 3, attrs, 1,
                        out->rank == 4 ? &out->name : NULL, &result, err);
  if (!status && out->rank < 4)
    status = with_list(a, "reshape", "shape", result, out->rank, out->shape, out->name, &result, err);
  if (!status) a->c.map[n->outputs[0]] = result;
  return status;
}

/* ---- the pass -------------------------------------------------------------------------------------------------- */

static tn_status attend(attender *a, const tn_graph **out, tn_error **err) {
  const tn_graph *g = a->c.from;
  match m;
  bool found = false;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < g->node_count && !found; i++) found = is_attention(a, &g->nodes[i], &m);
  if (!found) return TN_OK;
  for (uint32_t i = 0; i < g->node_count && !status; i++)
    status = is_attention(a, &g->nodes[i], &m) ? add_attention(a, &g->nodes[i], &m, err)
                                               : tni_gcopy_node(&a->c, &g->nodes[i], err);
  return status ? status : tni_gcopy_finish(&a->c, out, err);
}

tn_status tni_graph_attend(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  attender a = {0};
  *out = g;
  for (uint32_t i = 0; i < g->node_count; i++)
    if (!g->nodes[i].op) return TN_OK; /* a graph with calls is fused already */
  tn_status status = tni_gcopy_begin(&a.c, g, to, err);
  if (status) return status;
  status = tni_gmakers_create(g, to->ctx, &a.by) ? attend(&a, out, err) : tni_fail_nomem(err);
  tni_gmakers_destroy(&a.by, to->ctx);
  tni_gcopy_end(&a.c);
  return status;
}
