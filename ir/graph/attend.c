/* attend.c -- a softmax between two products is attention, one operator.
 *
 *     y = matmul(softmax(s), v)     s = q * k', behind it a scale and masks, in any order, under shapes that differ in
 *                                   dimensions of 1:
 *     s = matmul(q, transpose(k));  s = mul(s, number), div(s, number);  s = add(s, mask);  s = reshape(s)
 *       ->
 *     y = attention(q, k, v, mask) {scale = .., keys = .., rows = ..}
 *
 * A scale may be that of q, too; of several masks all are constants, which are added up. It says that sums may be made in
 * another order: of weights one after the other instead of in parts, over keys in blocks where there are many, divided by at
 * the end. The operator's bounds hold (ir/graph/ops_attention.c, test_attention.c). Where a value inside is used by others, or
 * there are few rows or keys, nothing changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { LEAST_ROWS = 8, LEAST_KEYS = 16, MOST_STEPS = 6, /* between the product and the softmax */ MOST_MASKS = 2 };

/* What of a node becomes attention; values of the old graph. */
typedef struct match {
  uint32_t q, k, v; /* k: (.., size, keys), as the product has it */
  uint32_t masks[MOST_MASKS], mask_count;
  double scale;
} match;

/* ---- what it is ------------------------------------------------------------------------------------------------ */

/* A choice that is made already, as a dropout of training leaves it. */
static uint32_t chosen(const tni_grewriter *a, uint32_t value) {
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

/* Dimensions of 1 in front are left out. */
static bool has_form_of(const tni_gvalue *x, const tni_gvalue *y) {
  const int64_t *a = x->shape, *b = y->shape;
  int32_t m = x->rank, n = y->rank;
  while (m > 0 && *a == 1) a++, m--;
  while (n > 0 && *b == 1) b++, n--;
  return m == n && memcmp(a, b, sizeof *a * (size_t)n) == 0;
}

/* Takes a product with a number, or a quotient by one, back: what it was of. NULL: it is none, or one of zero. */
static const uint32_t *unscaled(const tni_grewriter *a, const tni_gnode *n, int i, double *scale) {
  double number;
  bool div = strcmp(n->op->name, "div") == 0;
  if ((!div && strcmp(n->op->name, "mul") != 0) || (div && i)) return NULL;
  if (!tni_is_number(&a->c.from->values[n->inputs[1 - i]], &number) || number == 0) return NULL;
  *scale *= div ? 1 / number : number;
  return &n->inputs[i];
}

/* May the node's other operand be added to all masks so far? What is added to scores, and not a sum of two others. */
static bool takes_mask(const tni_grewriter *a, const tni_gnode *n, int i, const match *m) {
  const tn_graph *g = a->c.from;
  const tni_gvalue *y = &g->values[n->inputs[1 - i]];
  bool constant = y->data != NULL;
  if (strcmp(n->op->name, "add") != 0 || m->scale != 1 || y->type != TN_F32 || m->mask_count == MOST_MASKS) return false;
  for (uint32_t k = 0; k < m->mask_count; k++) constant &= g->values[m->masks[k]].data != NULL;
  if (m->mask_count && !constant) return false;
  return a->by.maker[n->inputs[i]] != TNI_NO_VALUE && !tni_made_by(&a->by, n->inputs[i], "softmax");
}

/* One step back from scores that only the next one reads; false: there is none. */
static bool step_back(const tni_grewriter *a, uint32_t *scores, match *m) {
  const tn_graph *g = a->c.from;
  uint32_t maker = a->by.maker[*scores];
  const tni_gnode *n = maker == TNI_NO_VALUE ? NULL : &g->nodes[maker];
  if (!n || a->by.users[*scores] != 1) return false;
  bool view = strcmp(n->op->name, "reshape") == 0;
  for (int i = 0; i < (view ? 1 : (int)n->input_count) && i < 2; i++) {
    const tni_gvalue *x = &g->values[n->inputs[i]], *to = &g->values[*scores];
    const uint32_t *from = NULL;
    if (!has_form_of(x, to) || (view && x->rank < 3)) continue;
    if (view)
      from = &n->inputs[0];
    else if (n->input_count == 2 && x->rank == to->rank && !(from = unscaled(a, n, i, &m->scale)) && takes_mask(a, n, i, m))
      m->masks[m->mask_count++] = *(from = &n->inputs[1 - i]), from = &n->inputs[i];
    if (from) return *scores = *from, true;
  }
  return false;
}

/* The scale of what is multiplied, that nobody else reads, is one of the scores. */
static void take_scale(const tni_grewriter *a, match *m) {
  const tn_graph *g = a->c.from;
  uint32_t maker = a->by.maker[m->q];
  const tni_gnode *n = maker == TNI_NO_VALUE ? NULL : &g->nodes[maker];
  for (int i = 0; n && n->input_count == 2 && i < 2 && a->by.users[n->outputs[0]] == 1; i++) {
    const tni_gvalue *x = &g->values[n->inputs[i]], *q = &g->values[m->q];
    const uint32_t *from = x->rank == q->rank && has_form_of(x, q) ? unscaled(a, n, i, &m->scale) : NULL;
    if (!from) continue;
    m->q = *from;
    return;
  }
}

static bool is_attention(const tni_grewriter *a, const tni_gnode *n, match *m) {
  const tn_graph *g = a->c.from;
  if (!n->op || strcmp(n->op->name, "matmul") != 0 || !is_product(g, n)) return false;
  uint32_t weights = chosen(a, n->inputs[0]);
  const tni_gnode *softmax = tni_made_by(&a->by, weights, "softmax");
  int32_t rank = g->values[n->inputs[0]].rank;
  if (!softmax || (weights == n->inputs[0] && a->by.users[weights] != 1)) return false;
  if (tni_normal_axis(softmax, -1, rank) != rank - 1) return false;
  uint32_t scores = softmax->inputs[0];
  *m = (match){.v = n->inputs[1], .scale = 1};
  for (int i = 0; i < MOST_STEPS && step_back(a, &scores, m); i++)
    ;
  const tni_gnode *product = tni_made_by(&a->by, scores, "matmul");
  const tni_gvalue *s = &g->values[scores];
  if (!is_product(g, product) || a->by.users[scores] != 1 || s->rank != rank || !has_form_of(s, &g->values[weights]))
    return false;
  m->q = product->inputs[0];
  m->k = product->inputs[1];
  take_scale(a, m);
  return s->shape[s->rank - 2] >= LEAST_ROWS && s->shape[s->rank - 1] >= LEAST_KEYS;
}

/* ---- what becomes of it ---------------------------------------------------------------------------------------- */

static tn_status with_list(tni_grewriter *a, const char *op, const char *attr, uint32_t x, int32_t count,
                           const int64_t *list, const char *name, uint32_t *out, tn_error **err) {
  tni_attr of = {.name = attr, .kind = TNI_ATTR_INTS, .ints = list, .count = count};
  return tni_g_node(a->c.b, tni_gop_find(op), NULL, 1, &x, 1, &of, 1, name ? &name : NULL, out, err);
}

/* The value of rank 4, dimensions of 1 in front. */
static tn_status in_four(tni_grewriter *a, uint32_t x, uint32_t *out, tn_error **err) {
  const tni_gvalue *v = tni_g_get(a->c.b, x);
  int64_t shape[4] = {1, 1, 1, 1};
  *out = x;
  if (v->rank == 4) return TN_OK;
  int32_t more = v->rank < 4 ? 0 : v->rank - 4, own = v->rank - more;
  memcpy(shape + 4 - own, v->shape + more, sizeof *shape * (size_t)own);
  return with_list(a, "reshape", "shape", x, 4, shape, NULL, out, err);
}

/* The last two dimensions of what `own`, a permutation or NULL, makes of the value turned; those of a row are (1, n). */
static tn_status turned(tni_grewriter *a, uint32_t x, const int64_t *own, uint32_t *out, tn_error **err) {
  const tni_gvalue *v = tni_g_get(a->c.b, x);
  int32_t rank = v->rank;
  int64_t perm[TN_MAX_RANK];
  bool same = true;
  if (rank < 2) {
    const int64_t column[] = {rank ? v->shape[0] : 1, 1};
    return with_list(a, "reshape", "shape", x, 2, column, NULL, out, err);
  }
  for (int32_t d = 0; d < rank; d++) perm[d] = own ? own[d] : d;
  int64_t last = perm[rank - 1];
  perm[rank - 1] = perm[rank - 2];
  perm[rank - 2] = last;
  for (int32_t d = 0; d < rank; d++) same &= perm[d] == d;
  *out = x;
  return same ? TN_OK : with_list(a, "transpose", "perm", x, rank, perm, NULL, out, err);
}

/* The same of a value of the old graph: of what was turned already the transposition behind the other. */
static tn_status turned_old(tni_grewriter *a, uint32_t old, uint32_t *out, tn_error **err) {
  const tni_gnode *n = tni_made_by(&a->by, old, "transpose");
  int32_t count = 0;
  const int64_t *own = n ? tni_attr_ints(n, "perm", &count) : NULL;
  uint32_t x;
  tn_status status = tni_gcopy_value(&a->c, own ? n->inputs[0] : old, &x, err);
  return status ? status : turned(a, x, own, out, err);
}

static tn_status turned_mask(tni_grewriter *a, const match *m, uint32_t *out, tn_error **err) {
  uint32_t x[MOST_MASKS], sum;
  tn_status status = TN_OK;
  if (m->mask_count == 1) return turned_old(a, m->masks[0], out, err);
  for (uint32_t i = 0; i < m->mask_count && !status; i++) status = tni_gcopy_value(&a->c, m->masks[i], &x[i], err);
  if (!status) status = tni_g_node(a->c.b, tni_gop_find("add"), NULL, 2, x, 0, NULL, 1, NULL, &sum, err);
  return status ? status : turned(a, sum, NULL, out, err);
}

static tn_status add_attention(tni_grewriter *a, const tni_gnode *n, const match *m, tn_error **err) {
  const tni_gvalue *out = &a->c.from->values[n->outputs[0]], *v = &a->c.from->values[m->v];
  uint32_t x[4] = {0}, result;
  int64_t keys, rows;
  tni_attention_blocks(out->shape[out->rank - 2], v->shape[v->rank - 2], false, &keys, &rows);
  tni_attr attrs[] = {{.name = "keys", .kind = TNI_ATTR_INT, .i = keys},
                      {.name = "rows", .kind = TNI_ATTR_INT, .i = rows},
                      {.name = "scale", .kind = TNI_ATTR_FLOAT, .f = m->scale}};
  bool masked = m->mask_count > 0;
  tn_status status = tni_gcopy_value(&a->c, m->q, &x[0], err);
  if (!status) status = turned_old(a, m->k, &x[1], err);
  if (!status) status = tni_gcopy_value(&a->c, m->v, &x[2], err);
  if (!status && masked) status = turned_mask(a, m, &x[3], err);
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

static bool is_one(const tni_grewriter *a, const tni_gnode *n) {
  match m;
  return is_attention(a, n, &m);
}

static tn_status add(tni_grewriter *a, const tni_gnode *n, tn_error **err) {
  match m;
  is_attention(a, n, &m);
  return add_attention(a, n, &m, err);
}

tn_status tni_graph_attend(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  return tni_graph_rewrite(g, to, &(tni_grewrite){is_one, add}, out, err);
}
