/* join.c -- products of one value with several weights are one product with all of them.
 *
 *     a = relu(conv(x, w));  b = relu(conv(x, v))    ->   j = relu(conv(x, concat(w, v)));  a, b = slices of j
 *     q = add(matmul(x, w), s);  k = add(matmul(x, v), t)
 *                                                    ->   j = add(matmul(x, concat(w, v)), concat(s, t));  q, k = slices of j
 *     c = concat(a, d), the only reader of a         ->   e = concat(j, d);  c = slice(e)       where a is the last part of j
 *
 * Weights are constants, windows of convolutions one tap and equal in steps and borders, groups one. What follows each of them
 * in the same way, alone, with constants of one number or one for each channel, is joined, too. x is read once, and tiles are
 * filled better; slices are read where they lie (place.c): so parts have runs of whole cache lines, filled up with channels
 * of zeros, which vectors would have anyway. What the host gets, or a concatenation reads in the middle, would have to be
 * copied, and what is followed by something of its own could not end with that; it stays alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { MOST_PARTS = 8, MOST_STEPS = 8, LINE = 64, PAGE = 4096 /* bytes */, NOBODY = TNI_NO_VALUE, MAX_INPUTS = 4 };

/* Products that become one. */
typedef struct family {
  uint32_t nodes[MOST_PARTS]; /* of the old graph, in order; one that a concatenation begins with is last */
  uint32_t count;
  uint32_t steps[MOST_STEPS][MOST_PARTS]; /* the nodes that follow each */
  uint32_t step_count;
  bool held; /* a concatenation begins with the last one */
  int64_t rooms[MOST_PARTS]; /* channels of each, filled up */
} family;

typedef struct joiner {
  tni_gcopy c;
  tni_gmakers by;
  uint32_t *reader;  /* by value: the last node that reads it */
  bool *gone;        /* by node: it is in a family that was made */
  uint32_t *whole;   /* by value that a concatenation begins with: what is joined, in the new graph; else NOBODY */
} joiner;

static const tni_gvalue *value_of(const joiner *j, uint32_t value) { return &j->by.g->values[value]; }

static bool is_conv(const tni_gnode *n) { return strcmp(n->op->name, "conv") == 0; }

/* The dimension of the result along which parts are joined. */
static int32_t channel_dim(const joiner *j, const tni_gnode *n) {
  return is_conv(n) ? 1 : value_of(j, n->outputs[0])->rank - 1;
}

static int64_t channels_of(const joiner *j, const tni_gnode *n) {
  return value_of(j, n->outputs[0])->shape[channel_dim(j, n)];
}

/* ---- which products ------------------------------------------------------------------------------------------------ */

static bool is_product(const joiner *j, const tni_gnode *n) {
  if (!n->op || (!is_conv(n) && strcmp(n->op->name, "matmul") != 0)) return false;
  const tni_gvalue *x = value_of(j, n->inputs[0]), *w = value_of(j, n->inputs[1]);
  if (x->data || x->type != TN_F32 || !w->data || w->type != TN_F32) return false;
  if (!is_conv(n)) return w->rank == 2 && x->rank >= 2 && n->attr_count == 0 && w->shape[1] * 4 >= LINE;
  if (tni_attr_int(n, "group", 1) != 1 || w->shape[0] * 4 < LINE) return false;
  for (int32_t d = 2; d < w->rank; d++)
    if (w->shape[d] != 1) return false;
  return n->input_count < 3 || n->inputs[2] == NOBODY || value_of(j, n->inputs[2])->data;
}

static bool same_attr(const tni_attr *a, const tni_attr *b) {
  if (strcmp(a->name, b->name) != 0 || a->kind != b->kind) return false;
  switch (a->kind) {
  case TNI_ATTR_INT: return a->i == b->i;
  case TNI_ATTR_FLOAT: return a->f == b->f;
  case TNI_ATTR_STRING: return strcmp(a->string, b->string) == 0;
  case TNI_ATTR_INTS: return a->count == b->count && memcmp(a->ints, b->ints, (size_t)a->count * sizeof *a->ints) == 0;
  case TNI_ATTR_FLOATS: return a->count == b->count && memcmp(a->floats, b->floats, (size_t)a->count * sizeof *a->floats) == 0;
  }
  return false;
}

static bool same_kind(const tni_gnode *a, const tni_gnode *b) {
  if (a->op != b->op || a->attr_count != b->attr_count || a->input_count != b->input_count) return false;
  for (uint32_t i = 0; i < a->attr_count; i++)
    if (!same_attr(&a->attrs[i], &b->attrs[i])) return false;
  return true;
}

static bool has_bias(const tni_gnode *n) { return n->input_count > 2 && n->inputs[2] != NOBODY; }

/* ---- what follows them --------------------------------------------------------------------------------------------- */

/* One number that is the same in both. */
static bool is_same_number(const tni_gvalue *a, const tni_gvalue *b) {
  return a->data && b->data && a->type == b->type && a->rank == b->rank && tni_gvalue_numel(a) == 1 &&
         tni_gvalue_numel(b) == 1 && memcmp(a->data, b->data, tn_type_bytes(a->type)) == 0;
}

/* The dimension of a constant that has a number for each of the channels, which are `axis` of so many dimensions; -1: it is
 * another one. */
static int32_t channel_axis(const tni_gvalue *v, int64_t channels, int32_t axis, int32_t rank) {
  int32_t own = axis - (rank - v->rank);
  if (!v->data || own < 0 || v->shape[own] != channels || tni_gvalue_numel(v) != channels) return -1;
  return own;
}

/* The only node behind the value, if it is pointwise and reads it once; *operand: as which. */
static const tni_gnode *follower(const joiner *j, uint32_t value, uint32_t *operand) {
  uint32_t count = 0;
  if (j->by.users[value] != 1 || j->reader[value] == NOBODY) return NULL;
  const tni_gnode *n = &j->by.g->nodes[j->reader[value]];
  if (!n->op || n->op->kind != TNI_GOP_ELEMENTWISE || n->output_count != 1 || n->input_count > MAX_INPUTS) return NULL;
  for (uint32_t i = 0; i < n->input_count; i++)
    if (n->inputs[i] == value) *operand = i, count++;
  const tni_gvalue *x = value_of(j, value), *y = value_of(j, n->outputs[0]);
  bool same = x->rank == y->rank && memcmp(x->shape, y->shape, sizeof *x->shape * (size_t)x->rank) == 0;
  return count == 1 && same ? n : NULL;
}

static uint32_t result_of(const joiner *j, const family *f, uint32_t part) {
  uint32_t node = f->step_count ? f->steps[f->step_count - 1][part] : f->nodes[part];
  return j->by.g->nodes[node].outputs[0];
}

/* May the operand of what follows `n` be joined with that of what follows `first`? */
static bool operands_fit(const joiner *j, const tni_gnode *first, const tni_gnode *n, uint32_t i, const tni_gnode *a,
                         const tni_gnode *b) {
  if ((a->inputs[i] == NOBODY) != (b->inputs[i] == NOBODY)) return false;
  if (a->inputs[i] == NOBODY) return true;
  const tni_gvalue *x = value_of(j, a->inputs[i]), *y = value_of(j, b->inputs[i]);
  int32_t axis = channel_dim(j, first), rank = value_of(j, first->outputs[0])->rank;
  int32_t own = channel_axis(x, channels_of(j, first), axis, rank);
  if (is_same_number(x, y)) return true;
  return own >= 0 && x->rank == y->rank && x->type == y->type && channel_axis(y, channels_of(j, n), axis, rank) == own;
}

/* Takes what follows all of them in the same way. */
static bool take_step(const joiner *j, family *f) {
  const tn_graph *g = j->by.g;
  const tni_gnode *first = &g->nodes[f->nodes[0]], *a = NULL;
  uint32_t operand = 0, other = 0;
  if (f->step_count == MOST_STEPS) return false;
  for (uint32_t k = 0; k < f->count; k++) {
    const tni_gnode *b = follower(j, result_of(j, f, k), k ? &other : &operand);
    if (!b || (k && (other != operand || !same_kind(a, b)))) return false;
    if (k == 0) a = b;
    for (uint32_t i = 0; i < a->input_count; i++)
      if (i != operand && !operands_fit(j, first, &g->nodes[f->nodes[k]], i, a, b)) return false;
  }
  for (uint32_t k = 0; k < f->count; k++) f->steps[f->step_count][k] = j->reader[result_of(j, f, k)];
  f->step_count++;
  return true;
}

static void take_steps(const joiner *j, family *f) {
  f->step_count = 0;
  while (take_step(j, f))
    ;
}

/* ---- families ------------------------------------------------------------------------------------------------------ */

/* The host gets the part, a concatenation reads it, or something pointwise does, with which its kernel can end. *held: a
 * concatenation begins with it, and nobody else reads it. */
static bool is_wanted_elsewhere(const joiner *j, const family *f, uint32_t part, bool *held) {
  const tn_graph *g = j->by.g;
  uint32_t value = result_of(j, f, part), axis = (uint32_t)channel_dim(j, &g->nodes[f->nodes[part]]);
  *held = false;
  for (uint32_t i = 0; i < g->output_count; i++)
    if (g->outputs[i] == value) return true;
  for (uint32_t i = f->nodes[part] + 1; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    bool found = false, again = false;
    bool own_end = n->op && n->op->kind == TNI_GOP_ELEMENTWISE;
    if (!n->op || (!own_end && strcmp(n->op->name, "concat") != 0)) continue;
    for (uint32_t k = 0; k < n->input_count; k++) again |= found && n->inputs[k] == value, found |= n->inputs[k] == value;
    if (!found) continue;
    *held = !own_end && !again && n->inputs[0] == value && j->by.users[value] == 1 &&
            (uint32_t)tni_normal_axis(n, 0, value_of(j, value)->rank) == axis;
    return true;
  }
  return false;
}

/* Leaves those out that would be copied; one that a concatenation begins with becomes the last. */
static void settle(const joiner *j, family *f) {
  uint32_t kept = 0, last = NOBODY;
  for (uint32_t k = 0; k < f->count; k++) {
    bool held, wanted = is_wanted_elsewhere(j, f, k, &held);
    if (!wanted)
      f->nodes[kept++] = f->nodes[k];
    else if (held && last == NOBODY)
      last = f->nodes[k];
  }
  f->held = last != NOBODY;
  if (f->held) f->nodes[kept++] = last;
  f->count = kept;
  if (kept) take_steps(j, f);
}

/* Whole lines, but for the last part. Rows that are whole pages apart would all lie in the same sets of a cache: there is one
 * line more in front of the second part. */
static void make_rooms(const joiner *j, family *f) {
  const int64_t lanes = LINE / 4;
  int64_t row = 0;
  for (uint32_t k = 0; k < f->count; k++) {
    int64_t channels = channels_of(j, &j->by.g->nodes[f->nodes[k]]);
    row += f->rooms[k] = k + 1 < f->count ? (channels + lanes - 1) / lanes * lanes : channels;
  }
  if (f->held) {
    uint32_t last = result_of(j, f, f->count - 1);
    const tni_gnode *holder = &j->by.g->nodes[j->reader[last]];
    row += value_of(j, holder->outputs[0])->shape[channel_dim(j, &j->by.g->nodes[f->nodes[0]])] - f->rooms[f->count - 1];
  }
  if (row * 4 % PAGE == 0) f->rooms[0] += lanes;
}

/* The node and those behind it that read its input. What follows may be longer when some are left out; then a part may be wanted
 * elsewhere after all, and so on, each time with fewer. */
static bool find_family(const joiner *j, uint32_t node, family *f) {
  const tn_graph *g = j->by.g;
  const tni_gnode *first = &g->nodes[node];
  *f = (family){.nodes = {node}, .count = 1};
  if (!is_product(j, first) || j->by.users[first->inputs[0]] < 2) return false;
  for (uint32_t i = node + 1; i < g->node_count && f->count < MOST_PARTS; i++) {
    const tni_gnode *n = &g->nodes[i];
    if (n->op == first->op && n->inputs[0] == first->inputs[0] && !j->gone[i] && is_product(j, n) && same_kind(first, n) &&
        has_bias(n) == has_bias(first))
      f->nodes[f->count++] = i;
  }
  if (f->count < 2) return false;
  take_steps(j, f);
  for (uint32_t before = f->count + 1; f->count < before && f->count > 1;) {
    before = f->count;
    settle(j, f);
  }
  bool own = false;
  for (uint32_t k = 0; k < f->count; k++) own |= f->nodes[k] == node;
  if (own && f->count > 1) make_rooms(j, f);
  return own && f->count > 1;
}

/* ---- what becomes of them ------------------------------------------------------------------------------------------ */

static tn_status add_zeros(joiner *j, const tni_gvalue *like, int32_t axis, int64_t count, uint32_t *out, tn_error **err) {
  int64_t shape[TN_MAX_RANK];
  memcpy(shape, like->shape, sizeof shape);
  shape[axis] = count;
  size_t bytes = tn_array_bytes(like->type, tni_gvalue_numel(like) / like->shape[axis] * count);
  void *zeros = tni_arena_alloc(&j->c.to->region.arena, bytes);
  if (!zeros) return tni_fail_nomem(err);
  memset(zeros, 0, bytes);
  *out = tni_g_const(j->c.b, NULL, like->type, like->rank, shape, zeros);
  return *out == NOBODY ? tni_gbuilder_check(j->c.b, err) : TN_OK;
}

/* The constants of all parts, one behind the other along the axis. */
static tn_status join_constants(joiner *j, const family *f, const uint32_t *values, int32_t axis, uint32_t *out,
                                tn_error **err) {
  uint32_t in[2 * MOST_PARTS], count = 0;
  const tni_attr along = {.name = "axis", .kind = TNI_ATTR_INT, .i = axis};
  tn_status status = TN_OK;
  for (uint32_t k = 0; k < f->count && !status; k++) {
    const tni_gvalue *v = value_of(j, values[k]);
    int64_t more = f->rooms[k] - v->shape[axis];
    status = tni_gcopy_value(&j->c, values[k], &in[count++], err);
    if (!status && more > 0) status = add_zeros(j, v, axis, more, &in[count++], err);
  }
  return status ? status : tni_g_node(j->c.b, tni_gop_find("concat"), NULL, count, in, 1, &along, 1, NULL, out, err);
}

/* Operand i of the nodes as one. */
static tn_status join_operand(joiner *j, const family *f, const uint32_t *nodes, uint32_t i, int32_t axis, uint32_t *out,
                              tn_error **err) {
  uint32_t values[MOST_PARTS];
  for (uint32_t k = 0; k < f->count; k++) values[k] = j->by.g->nodes[nodes[k]].inputs[i];
  *out = NOBODY;
  if (values[0] == NOBODY) return TN_OK;
  if (axis < 0) return tni_gcopy_value(&j->c, values[0], out, err);
  return join_constants(j, f, values, axis, out, err);
}

static tn_status add_product(joiner *j, const family *f, uint32_t *out, tn_error **err) {
  const tni_gnode *n = &j->by.g->nodes[f->nodes[0]];
  uint32_t in[3];
  tn_status status = tni_gcopy_value(&j->c, n->inputs[0], &in[0], err);
  if (!status) status = join_operand(j, f, f->nodes, 1, is_conv(n) ? 0 : 1, &in[1], err);
  if (!status && n->input_count > 2) status = join_operand(j, f, f->nodes, 2, 0, &in[2], err);
  if (status) return status;
  return tni_g_node(j->c.b, n->op, n->name, n->input_count, in, n->attr_count, n->attrs, 1, NULL, out, err);
}

static tn_status add_step(joiner *j, const family *f, uint32_t step, uint32_t *value, tn_error **err) {
  const tni_gnode *first = &j->by.g->nodes[f->nodes[0]], *n = &j->by.g->nodes[f->steps[step][0]];
  uint32_t before = step ? j->by.g->nodes[f->steps[step - 1][0]].outputs[0] : first->outputs[0], in[MAX_INPUTS];
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < n->input_count && !status; i++) {
    in[i] = *value;
    if (n->inputs[i] == before) continue;
    bool shared = n->inputs[i] == NOBODY || tni_gvalue_numel(value_of(j, n->inputs[i])) == 1;
    int32_t axis = shared ? -1
                          : channel_axis(value_of(j, n->inputs[i]), channels_of(j, first), channel_dim(j, first),
                                         value_of(j, first->outputs[0])->rank);
    status = join_operand(j, f, f->steps[step], i, axis, &in[i], err);
  }
  if (status) return status;
  return tni_g_node(j->c.b, n->op, n->name, n->input_count, in, n->attr_count, n->attrs, 1, NULL, value, err);
}

static tn_status add_slice(joiner *j, uint32_t value, int64_t axis, int64_t start, int64_t end, const char *name,
                           uint32_t *out, tn_error **err) {
  const tni_attr attrs[] = {{.name = "starts", .kind = TNI_ATTR_INTS, .count = 1, .ints = &start},
                            {.name = "ends", .kind = TNI_ATTR_INTS, .count = 1, .ints = &end},
                            {.name = "axes", .kind = TNI_ATTR_INTS, .count = 1, .ints = &axis}};
  return tni_g_node(j->c.b, tni_gop_find("slice"), NULL, 1, &value, 3, attrs, 1, &name, out, err);
}

static tn_status add_family(joiner *j, const family *f, tn_error **err) {
  const tni_gnode *first = &j->by.g->nodes[f->nodes[0]];
  uint32_t joined;
  int64_t start = 0;
  tn_status status = add_product(j, f, &joined, err);
  for (uint32_t i = 0; i < f->step_count && !status; i++) status = add_step(j, f, i, &joined, err);
  for (uint32_t k = 0; k < f->count; k++) {
    j->gone[f->nodes[k]] = true;
    for (uint32_t i = 0; i < f->step_count; i++) j->gone[f->steps[i][k]] = true;
  }
  for (uint32_t k = 0; k < f->count && !status; start += f->rooms[k], k++) {
    uint32_t value = result_of(j, f, k);
    int64_t end = start + channels_of(j, &j->by.g->nodes[f->nodes[k]]);
    if (f->held && k + 1 == f->count)
      j->whole[value] = joined;
    else
      status = add_slice(j, joined, channel_dim(j, first), start, end, value_of(j, value)->name, &j->c.map[value], err);
  }
  return status;
}

/* A concatenation that begins with the last part of what is joined. */
static tn_status add_holder(joiner *j, const tni_gnode *n, tn_error **err) {
  tn_context *ctx = j->c.to->ctx;
  const tni_gvalue *part = value_of(j, n->inputs[0]), *out = value_of(j, n->outputs[0]);
  int64_t axis = tni_normal_axis(n, 0, out->rank);
  uint32_t whole = j->whole[n->inputs[0]], held, *in = tni_alloc(ctx, n->input_count * sizeof *in);
  tn_status status = in ? TN_OK : tni_fail_nomem(err);
  for (uint32_t i = 1; i < n->input_count && !status; i++) status = tni_gcopy_value(&j->c, n->inputs[i], &in[i], err);
  if (!status) {
    in[0] = whole;
    status = tni_g_node(j->c.b, n->op, n->name, n->input_count, in, n->attr_count, n->attrs, 1, NULL, &held, err);
  }
  tni_free(ctx, in, n->input_count * sizeof *in);
  if (status) return status;
  int64_t start = tni_g_get(j->c.b, whole)->shape[axis] - part->shape[axis];
  return add_slice(j, held, axis, start, start + out->shape[axis], out->name, &j->c.map[n->outputs[0]], err);
}

/* ---- the pass ------------------------------------------------------------------------------------------------------- */

static tn_status add_node(joiner *j, uint32_t node, tn_error **err) {
  const tni_gnode *n = &j->by.g->nodes[node];
  family f;
  if (j->gone[node]) return TN_OK;
  if (find_family(j, node, &f)) return add_family(j, &f, err);
  bool holds = strcmp(n->op->name, "concat") == 0 && n->inputs[0] != NOBODY && j->whole[n->inputs[0]] != NOBODY;
  return holds ? add_holder(j, n, err) : tni_gcopy_node(&j->c, n, err);
}

static bool finds_any(const joiner *j) {
  family f;
  for (uint32_t i = 0; i < j->by.g->node_count; i++)
    if (find_family(j, i, &f)) return true;
  return false;
}

static tn_status join(joiner *j, const tn_graph **out, tn_error **err) {
  const tn_graph *g = j->by.g;
  for (uint32_t i = 0; i < g->value_count; i++) j->reader[i] = j->whole[i] = NOBODY;
  for (uint32_t i = 0; i < g->node_count; i++)
    for (uint32_t k = 0; k < g->nodes[i].input_count; k++)
      if (g->nodes[i].inputs[k] != NOBODY) j->reader[g->nodes[i].inputs[k]] = i;
  if (!finds_any(j)) return TN_OK;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = add_node(j, i, err);
  return status ? status : tni_gcopy_finish(&j->c, out, err);
}

tn_status tni_graph_join(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  tn_context *ctx = to->ctx;
  joiner j = {0};
  size_t values = (g->value_count + 1u) * sizeof *j.reader, nodes = (g->node_count + 1u) * sizeof *j.gone;
  *out = g;
  for (uint32_t i = 0; i < g->node_count; i++)
    if (!g->nodes[i].op) return TN_OK; /* a graph with calls is fused already */
  tn_status status = tni_gcopy_begin(&j.c, g, to, err);
  if (status) return status;
  bool made = tni_gmakers_create(g, ctx, &j.by);
  j.reader = tni_alloc(ctx, values);
  j.whole = tni_alloc(ctx, values);
  j.gone = tni_alloc_zero(ctx, nodes);
  status = made && j.reader && j.whole && j.gone ? join(&j, out, err) : tni_fail_nomem(err);
  tni_free(ctx, j.reader, values);
  tni_free(ctx, j.whole, values);
  tni_free(ctx, j.gone, nodes);
  tni_gmakers_destroy(&j.by, ctx);
  tni_gcopy_end(&j.c);
  return status;
}
