/* place.c -- where the values of a graph lie, and which nodes are still: they move nothing and need no code.
 *
 *     y = reshape(x)                             y lies where x lies
 *     y = concat(a, b)                           a and b lie in y: who makes them writes them there
 *     c = concat(a, b); d = concat(a, b, e)      c lies in d, too
 *     y = slice(x), in steps of 1                y lies in x
 *     y = transpose(x)                           y lies in x; or, where that cannot be, x in y
 *
 * A value lies in one place only. So a concatenation is still where each operand is made by some node, lies nowhere else
 * yet, and whoever touches it can do so there: an operator, if it finds whole lines of neighbours or reads number by
 * number (a convolution of a picture of few channels), a call, if its parameters have these strides. The larger
 * concatenations come first, then slices and transposes. That depends on nothing but the graph, so that the plan of a
 * fused graph, in which it is tried until nothing more can be still, finds what fusion decided.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "ops.h"

enum { NOBODY = 0xffffffffu, LEAST_RUN = 64 /* bytes */, MOST_TRIES = 4096 };

typedef struct placer {
  const tn_graph *g;
  const tni_gop *concat, *slice, *transpose;
  tni_gplaces *p;
  tni_gplace *before; /* by value: as it was when a try began */
  uint32_t *maker;   /* by value: its node, or NOBODY */
  bool *holds;       /* by node that is still: what it reads lies in what it makes */
} placer;

/* ---- strides ----------------------------------------------------------------------------------------------------- */

/* A dimension of one element gets the stride that it would have in row-major order: so equal places have equal strides. */
static void settle_strides(const tni_gvalue *v, int64_t *strides) {
  for (int32_t d = v->rank - 1; d >= 0; d--)
    if (v->shape[d] == 1) strides[d] = d + 1 < v->rank ? strides[d + 1] * v->shape[d + 1] : 1;
}

static void row_major(const tni_gvalue *v, int64_t *strides) {
  int64_t step = 1;
  for (int32_t d = v->rank - 1; d >= 0; d--) {
    strides[d] = step;
    step *= v->shape[d];
  }
}

/* So many elements, at least, follow one another in memory; all of them: the value is dense. */
static int64_t run_of(const tni_gvalue *v, const int64_t *strides) {
  int64_t run = 1;
  for (int32_t d = v->rank - 1; d >= 0 && (v->shape[d] == 1 || strides[d] == run); d--) run *= v->shape[d];
  return run;
}

static bool is_dense(const tni_gvalue *v, const int64_t *strides) {
  return tni_gvalue_numel(v) == 0 || run_of(v, strides) == tni_gvalue_numel(v);
}

/* The dimensions of more than one element. */
static int32_t long_dims(const tni_gvalue *v, int32_t *dims) {
  int32_t count = 0;
  for (int32_t d = 0; d < v->rank; d++)
    if (v->shape[d] != 1) dims[count++] = d;
  return count;
}

/* The strides of the same elements under another shape: so many of its dimensions stand in even steps of as many of the first
 * as have as many elements. False: these do not. */
static bool reshape_strides(const tni_gvalue *from, const int64_t *strides, const tni_gvalue *to, int64_t *out) {
  int32_t a[TN_MAX_RANK], b[TN_MAX_RANK], i = long_dims(from, a), k = long_dims(to, b);
  row_major(to, out);
  if (tni_gvalue_numel(to) == 0) return true;
  while (i > 0) {
    int64_t step = strides[a[--i]], own = from->shape[a[i]], other = 1;
    while (other != own) {
      for (; other < own; other *= to->shape[b[k]]) out[b[--k]] = step * other;
      if (other == own) break;
      if (strides[a[i - 1]] != strides[a[i]] * from->shape[a[i]]) return false;
      own *= from->shape[a[--i]];
    }
  }
  settle_strides(to, out);
  return true;
}

/* ---- who may touch a value in its place -------------------------------------------------------------------------- */

/* Has the parameter these strides? */
static bool has_strides(const tn_buffer *buffer, const tni_gvalue *v, const int64_t *strides) {
  int64_t own[TN_MAX_RANK];
  if (!buffer || buffer->offset || buffer->layout || buffer->rank != v->rank) return false;
  row_major(v, own);
  for (int32_t d = 0; d < v->rank && buffer->strides; d++) {
    if (!tni_is_const(buffer->strides[d])) return false;
    own[d] = buffer->strides[d]->as.i;
  }
  for (int32_t d = 0; d < v->rank; d++)
    if (v->shape[d] != 1 && own[d] != strides[d]) return false;
  return true;
}

/* Does the node read number by number in any case? So does a convolution of few channels that stand last. */
static bool reads_numbers(const tn_graph *g, const tni_gnode *n, uint32_t operand) {
  const tni_gvalue *x = &g->values[n->inputs[0]];
  if (operand != 0 || strcmp(n->op->name, "conv") != 0 || !tni_attr_int(n, "channels_last", 0)) return false;
  return x->type == TN_F32 && x->shape[x->rank - 1] * 4 < LEAST_RUN && tni_attr_int(n, "group", 1) == 1;
}

bool tni_place_suits(const tn_graph *g, const tni_gplaces *p, const tni_gnode *n, uint32_t operand) {
  uint32_t value = operand < n->input_count ? n->inputs[operand] : n->outputs[operand - n->input_count];
  if (value == TNI_NO_VALUE) return true;
  const tni_gvalue *v = &g->values[value];
  const int64_t *strides = p->of[value].strides;
  if (n->call) return has_strides(n->call->params[operand].buffer, v, strides);
  if (reads_numbers(g, n, operand)) return true;
  return is_dense(v, strides) || run_of(v, strides) * (int64_t)tn_type_bytes(v->type) >= LEAST_RUN;
}

bool tni_place_is_whole(const tn_graph *g, const tni_gplaces *p, uint32_t value) {
  const tni_gvalue *v = &g->values[value];
  return tni_gvalue_numel(&g->values[p->of[value].root]) == tni_gvalue_numel(v) && is_dense(v, p->of[value].strides);
}

/* Does the value lie elsewhere than when the try began? */
static bool has_moved(const placer *q, uint32_t value) {
  const tni_gplace *now = &q->p->of[value], *before = &q->before[value];
  return now->root != before->root || now->offset != before->offset ||
         memcmp(now->strides, before->strides, sizeof *now->strides * (size_t)q->g->values[value].rank) != 0;
}

/* All nodes can do their work on what has moved, and the host finds its outputs in memory of their own. */
static bool all_suit(const placer *q) {
  const tn_graph *g = q->g;
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    for (uint32_t k = 0; k < n->input_count + n->output_count && !q->p->still[i]; k++) {
      uint32_t value = k < n->input_count ? n->inputs[k] : n->outputs[k - n->input_count];
      if (value != TNI_NO_VALUE && has_moved(q, value) && !tni_place_suits(g, q->p, n, k)) return false;
    }
  }
  for (uint32_t i = 0; i < g->output_count; i++)
    if (!tni_place_is_whole(g, q->p, g->outputs[i])) return false;
  return true;
}

/* ---- what views, slices and transposes show ---------------------------------------------------------------------- */

static bool is_view(const tni_gnode *n) { return n->op && n->op->kind == TNI_GOP_VIEW; }

static bool show_view(const placer *q, const tni_gnode *n) {
  const tni_gvalue *values = q->g->values;
  tni_gplace *to = &q->p->of[n->outputs[0]];
  const tni_gplace *from = &q->p->of[n->inputs[0]];
  to->root = from->root;
  to->offset = from->offset;
  return reshape_strides(&values[n->inputs[0]], from->strides, &values[n->outputs[0]], to->strides);
}

static bool show_slice(const placer *q, const tni_gnode *n) {
  const tni_gvalue *x = &q->g->values[n->inputs[0]];
  tni_gplace *to = &q->p->of[n->outputs[0]];
  int64_t starts[TN_MAX_RANK];
  if (!tni_slice_starts(n, x, starts)) return false;
  *to = q->p->of[n->inputs[0]];
  for (int32_t d = 0; d < x->rank; d++) to->offset += starts[d] * to->strides[d];
  settle_strides(&q->g->values[n->outputs[0]], to->strides);
  return true;
}

/* From which dimension of what is turned does one of the result come? */
static int32_t turned_from(const tni_gnode *n, int32_t rank, int32_t d) {
  int32_t count;
  const int64_t *perm = tni_attr_ints(n, "perm", &count);
  return perm ? (int32_t)perm[d] : rank - 1 - d;
}

static bool show_transpose(const placer *q, const tni_gnode *n) {
  const tni_gvalue *v = &q->g->values[n->outputs[0]];
  const tni_gplace *from = &q->p->of[n->inputs[0]];
  tni_gplace *to = &q->p->of[n->outputs[0]];
  to->root = from->root;
  to->offset = from->offset;
  for (int32_t d = 0; d < v->rank; d++) to->strides[d] = from->strides[turned_from(n, v->rank, d)];
  settle_strides(v, to->strides);
  return true;
}

static bool show(const placer *q, const tni_gnode *n) {
  if (n->op == q->slice) return show_slice(q, n);
  return n->op == q->transpose ? show_transpose(q, n) : show_view(q, n);
}

/* All of them, anew. */
static bool show_all(const placer *q) {
  for (uint32_t i = 0; i < q->g->node_count; i++) {
    if (q->p->still[i] && !q->holds[i] && !show(q, &q->g->nodes[i])) return false;
  }
  return true;
}

/* ---- tries ------------------------------------------------------------------------------------------------------- */

/* Does the value lie there, or can what it shows be put there, if that may be? */
static bool take(const placer *q, uint32_t value, tni_gplace want, bool may_move) {
  const tni_gvalue *values = q->g->values;
  settle_strides(&values[value], want.strides);
  while (q->maker[value] != NOBODY && is_view(&q->g->nodes[q->maker[value]])) {
    uint32_t source = q->g->nodes[q->maker[value]].inputs[0];
    const tni_gplace shown = want;
    if (!reshape_strides(&values[value], shown.strides, &values[source], want.strides)) return false;
    value = source;
  }
  tni_gplace *have = &q->p->of[value];
  if (have->root != value)
    return have->root == want.root && have->offset == want.offset &&
           memcmp(have->strides, want.strides, sizeof *want.strides * (size_t)values[value].rank) == 0;
  if (!may_move || q->maker[value] == NOBODY || q->p->still[q->maker[value]]) return false;
  *have = want;
  return true;
}

static bool is_empty(const tn_graph *g, uint32_t value) { return tni_gvalue_numel(&g->values[value]) == 0; }

/* Where the result of a concatenation would lie: in what its first operand lies in, if that is so. */
static tni_gplace place_for(const placer *q, const tni_gnode *n) {
  const tni_gplace *own = &q->p->of[n->outputs[0]];
  uint32_t i = 0;
  while (is_empty(q->g, n->inputs[i])) i++;
  const tni_gplace *first = &q->p->of[n->inputs[i]];
  uint32_t maker = q->maker[first->root];
  bool inside = own->root == n->outputs[0] && maker != NOBODY && q->p->still[maker] && q->g->nodes[maker].op == q->concat;
  return inside ? *first : *own;
}

static bool try_concat(const placer *q, const tni_gnode *n) {
  const tni_gvalue *values = q->g->values;
  tni_gplace *own = &q->p->of[n->outputs[0]];
  int32_t axis = (int32_t)tni_normal_axis(n, 0, values[n->outputs[0]].rank);
  const tni_gplace to = place_for(q, n);
  bool is_own = to.root == own->root;
  tni_gplace part = to;
  for (uint32_t i = 0; i < n->input_count; i++) {
    if (is_empty(q->g, n->inputs[i])) continue;
    if (!take(q, n->inputs[i], part, is_own)) return false;
    part.offset += values[n->inputs[i]].shape[axis] * to.strides[axis];
  }
  *own = to;
  settle_strides(&values[n->outputs[0]], own->strides);
  return true;
}

/* What is turned lies in the result. */
static bool try_holding_turned(const placer *q, const tni_gnode *n) {
  const tni_gplace *own = &q->p->of[n->outputs[0]];
  int32_t rank = q->g->values[n->outputs[0]].rank;
  tni_gplace want = *own;
  for (int32_t d = 0; d < rank; d++) want.strides[turned_from(n, rank, d)] = own->strides[d];
  return take(q, n->inputs[0], want, true);
}

/* Makes the node still if that can be, the result holding what it reads or the other way round. */
static bool try_node(const placer *q, uint32_t node, bool holds) {
  const tni_gnode *n = &q->g->nodes[node];
  memcpy(q->before, q->p->of, q->g->value_count * sizeof *q->before);
  bool good = n->op == q->concat ? try_concat(q, n)
              : holds            ? try_holding_turned(q, n)
                                 : q->p->of[n->outputs[0]].root == n->outputs[0];
  q->p->still[node] = good;
  q->holds[node] = holds;
  if (good && show_all(q) && all_suit(q)) return true;
  q->p->still[node] = false;
  memcpy(q->p->of, q->before, q->g->value_count * sizeof *q->before);
  return false;
}

/* ---- all of a graph ---------------------------------------------------------------------------------------------- */

typedef struct candidate {
  int64_t elements;
  uint32_t node;
} candidate;

/* Concatenations, the larger first, then slices and transposes in order. */
static int compare(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->elements != y->elements) return x->elements > y->elements ? -1 : 1;
  return x->node < y->node ? -1 : x->node > y->node;
}

/* A concatenation, a transpose or a slice in steps of 1, of what has elements of whole bytes. */
static bool may_be_still(const placer *q, const tni_gnode *n) {
  int64_t starts[TN_MAX_RANK];
  if (!n->op || (n->op != q->concat && n->op != q->slice && n->op != q->transpose)) return false;
  const tni_gvalue *x = &q->g->values[n->inputs[0]];
  if (tn_type_bytes(x->type) == 0 || is_empty(q->g, n->outputs[0])) return false;
  return n->op == q->concat || (!x->data && (n->op == q->transpose || tni_slice_starts(n, x, starts)));
}

static size_t find_candidates(const placer *q, candidate *out) {
  size_t count = 0;
  for (uint32_t i = 0; i < q->g->node_count; i++) {
    const tni_gnode *n = &q->g->nodes[i];
    if (!may_be_still(q, n)) continue;
    int64_t elements = n->op == q->concat ? tni_gvalue_numel(&q->g->values[n->outputs[0]]) : 0;
    out[count++] = (candidate){elements, i};
  }
  qsort(out, count, sizeof *out, compare);
  return count < MOST_TRIES ? count : MOST_TRIES;
}

static void start(const placer *q) {
  const tn_graph *g = q->g;
  for (uint32_t i = 0; i < g->value_count; i++) {
    q->maker[i] = NOBODY;
    q->p->of[i] = (tni_gplace){.root = i};
    row_major(&g->values[i], q->p->of[i].strides);
  }
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    q->p->still[i] = is_view(n);
    q->holds[i] = false;
    for (uint32_t k = 0; k < n->output_count; k++)
      if (n->outputs[k] != TNI_NO_VALUE) q->maker[n->outputs[k]] = i;
  }
}

/* Tries those that are not still yet; false: none of them became so. */
static bool try_all(const placer *q, size_t count, const candidate *candidates) {
  bool found = false;
  for (size_t i = 0; i < count; i++) {
    uint32_t node = candidates[i].node;
    const tni_gop *op = q->g->nodes[node].op;
    if (q->p->still[node]) continue;
    found |= try_node(q, node, op == q->concat) || (op == q->transpose && try_node(q, node, true));
  }
  return found;
}

/* There, nodes stand in another order than in the graph that was fused, and what calls can touch may be clear only when
 * others are still. */
static bool is_fused(const tn_graph *g) {
  for (uint32_t i = 0; i < g->node_count; i++)
    if (g->nodes[i].call) return true;
  return false;
}

bool tni_graph_place(const tn_graph *g, tni_arena *arena, tni_gplaces *out) {
  placer q = {g, tni_gop_find("concat"), tni_gop_find("slice"), tni_gop_find("transpose"), out, NULL, NULL, NULL};
  *out = (tni_gplaces){TNI_NEW_ARRAY(arena, tni_gplace, g->value_count), TNI_NEW_ARRAY(arena, bool, g->node_count)};
  q.before = TNI_NEW_ARRAY(arena, tni_gplace, g->value_count);
  q.maker = TNI_NEW_ARRAY(arena, uint32_t, g->value_count);
  q.holds = TNI_NEW_ARRAY(arena, bool, g->node_count);
  candidate *candidates = TNI_NEW_ARRAY(arena, candidate, g->node_count);
  if (arena->failed) return false;
  start(&q);
  show_all(&q);
  size_t count = find_candidates(&q, candidates);
  while (try_all(&q, count, candidates) && is_fused(g))
    ;
  return true;
}
