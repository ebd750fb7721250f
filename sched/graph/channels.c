/* channels.c -- images with the channels last, in whole graphs that convolve them.
 *
 *     y = conv(x, w)               ->   y' = conv(last(x), w) {channels_last = 1};  y = first(y')
 *     z = add(y, u), pools of y    ->   z' = add(y', last(u)), pools of y' {channels_last = 1}
 *     concat(y, z), means of y     ->   the same of y', z' along their axes; slices of y, resized y, too
 *     channels of y in groups, the  ->  the same of y': (n, space..., g, c / g) -> (n, space..., c / g, g)
 *     first of each, the second, ..
 *
 * last: (n, c, space...) -> (n, space..., c), and first back: transposes, or views where there is one channel or one
 * pixel; one that undoes another is none. Then the lanes of a vector are channels: whatever the stride and however short
 * the rows, they are neighbours in memory, and inputs are broadcast to all of them, or to those of a group; a convolution
 * of one tap is a product of matrices as they stand. Convolutions sum in the order that they had, so their results are
 * the same; long sums over space alone, whose parts ops_reduce.c makes of what lies side by side, are then made one by
 * one.
 *
 * This is done where the convolutions are worth what the transposes cost that are left, of inputs, of outputs and
 * around nodes that have no such form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum {
  LEAST_CHANNELS = 8,  /* lanes */
  MOST_LANES = 16,
  LEAST_WORK = 512,    /* multiply-adds for each element that is moved */
  DEPTHWISE_WORK = 16, /* what one of a channel by itself counts */
  MAX_ATTRS = 16
};

/* What becomes of a node. */
enum role { AS_IT_IS, WINDOW, POINTWISE, ALONG_AXES, FROM_LAST, TO_LAST, SHUFFLED, IN_SHUFFLE };

typedef struct mover {
  tni_gcopy c;
  tni_gmakers by;
  enum role *roles; /* by node */
  bool *made;       /* by value of the old graph: it is made with the channels last */
  bool *paid;       /* by value: what its other form costs has been counted */
  uint32_t *last;   /* by value: the same with the channels last, or TNI_NO_VALUE */
  double work, moved; /* multiply-adds, and elements */
} mover;

/* ---- which nodes ------------------------------------------------------------------------------------------------- */

static bool is(const tni_gnode *n, const char *op) { return strcmp(n->op->name, op) == 0; }

static const tni_gvalue *value_of(const tn_graph *g, uint32_t value) { return &g->values[value]; }

static bool is_made(const mover *m, uint32_t value) { return value != TNI_NO_VALUE && m->made[value]; }

/* Groups of so many output channels, each from so many input channels: is a vector a part of one; or several whole ones,
 * whose inputs are in a vector, too? */
static bool is_in_groups(int64_t out, int64_t in) {
  return out > 0 && out < MOST_LANES && MOST_LANES % out == 0 ? in <= out : out % LEAST_CHANNELS == 0;
}

/* A convolution that vectors of channels suit: of all channels, of each by itself, or of groups. */
static bool is_suited(const tn_graph *g, const tni_gnode *n) {
  if (!is(n, "conv") || tni_attr_int(n, "oc_last", 0) || tni_attr_int(n, "channels_last", 0)) return false;
  const tni_gvalue *x = value_of(g, n->inputs[0]), *w = value_of(g, n->inputs[1]);
  int64_t group = tni_attr_int(n, "group", 1);
  bool apart = group == x->shape[1] && group == w->shape[0];
  bool grouped = w->type == TN_F32 && is_in_groups(w->shape[0] / group, w->shape[1]);
  bool known = w->type == TN_F32 || tni_attr_string(n, "to", NULL); /* short integers: widen.c */
  return w->data && known && w->rank < TN_MAX_RANK && w->shape[0] >= LEAST_CHANNELS &&
         (group == 1 || apart || grouped);
}

static double work_of(const tn_graph *g, const tni_gnode *n) {
  const tni_gvalue *out = value_of(g, n->outputs[0]), *w = value_of(g, n->inputs[1]);
  double work = (double)tni_gvalue_numel(out) * (double)tni_gvalue_numel(w) / (double)w->shape[0];
  return tni_attr_int(n, "group", 1) > 1 ? work * DEPTHWISE_WORK : work;
}

/* A constant of fewer dimensions, or one that moves along the channels or along space only: no transpose. */
static bool is_free(const tni_gvalue *v) {
  int64_t channels = v->rank > 1 ? v->shape[1] : 1;
  return channels == 1 || tni_gvalue_numel(v) == v->shape[0] * channels;
}

/* Of the same rank as the result, or constants; one of them is an image that is made so. */
static bool follows(const mover *m, const tni_gnode *n) {
  const tn_graph *g = m->c.from;
  const tni_gvalue *out = value_of(g, n->outputs[0]);
  bool found = false;
  if (n->op->kind != TNI_GOP_ELEMENTWISE || n->output_count != 1 || out->rank < 3) return false;
  for (uint32_t i = 0; i < n->input_count; i++) {
    if (n->inputs[i] == TNI_NO_VALUE) continue;
    const tni_gvalue *v = value_of(g, n->inputs[i]);
    if (v->rank != out->rank && !(v->data && v->rank < out->rank)) return false;
    if (v->data && tni_type_is_packed(v->type)) return false;
    found |= is_made(m, n->inputs[i]) && tni_gvalue_numel(v) == tni_gvalue_numel(out);
  }
  return found;
}

/* A transpose by which the channels become the second dimension, or the last one. */
static bool moves_channels(const tn_graph *g, const tni_gnode *n, bool to_last) {
  int32_t count, rank = value_of(g, n->outputs[0])->rank;
  const int64_t *perm = is(n, "transpose") ? tni_attr_ints(n, "perm", &count) : NULL;
  if (!perm || rank < 3 || perm[0] != 0 || perm[to_last ? rank - 1 : 1] != (to_last ? 1 : rank - 1)) return false;
  for (int32_t d = 1; d + 1 < rank; d++)
    if (perm[to_last ? d : d + 1] != (to_last ? d + 1 : d)) return false;
  return true;
}

/* Does it take the channels as they are? Then space is taken in the same order as before. */
static bool resizes_space(const tn_graph *g, const tni_gnode *n) {
  const tni_gvalue *x = value_of(g, n->inputs[0]), *out = value_of(g, n->outputs[0]);
  if (!is(n, "resize") || x->rank < 3 || x->shape[1] != out->shape[1]) return false;
  for (uint32_t i = 0; i < n->attr_count; i++) {
    const tni_attr *a = &n->attrs[i];
    if (strcmp(a->name, "scales") == 0 && (a->count != x->rank || (a->floats[1] != 1 && a->floats[1] != 0))) return false;
  }
  return true;
}

/* A concatenation of what is made so, of which there may be other parts; a part of it; an image of another size; a
 * reduction over space that leaves the dimensions. */
static bool goes_along_axes(const mover *m, const tni_gnode *n) {
  int32_t count;
  if (resizes_space(m->c.from, n)) return is_made(m, n->inputs[0]);
  if (is(n, "slice")) return is_made(m, n->inputs[0]) && tni_attr_ints(n, "axes", &count);
  if (is(n, "concat")) {
    bool found = false;
    for (uint32_t i = 0; i < n->input_count; i++) found |= is_made(m, n->inputs[i]);
    return found;
  }
  return n->op->infer == tni_gop_find("reduce_sum")->infer && is_made(m, n->inputs[0]) &&
         tni_attr_int(n, "keepdims", 1) && tni_attr_ints(n, "axes", &count);
}

/* The node of that operator that makes what only the given one reads; NULL: there is none. */
static const tni_gnode *inner_maker(const mover *m, const tni_gnode *n, const char *op) {
  return m->by.users[n->inputs[0]] == 1 ? tni_made_by(&m->by, n->inputs[0], op) : NULL;
}

/* (n, g * c, space...) -> (n, g, c, space...) -> (n, c, g, space...) -> (n, c * g, space...), of which the node is the last
 * step: the first one; NULL: it is not. */
static const tni_gnode *shuffle_of(const mover *m, const tni_gnode *n) {
  const tni_gnode *turn = is(n, "reshape") ? inner_maker(m, n, "transpose") : NULL;
  const tni_gnode *split = turn ? inner_maker(m, turn, "reshape") : NULL;
  if (!split) return NULL;
  const tni_gvalue *x = value_of(m->c.from, split->inputs[0]), *out = value_of(m->c.from, n->outputs[0]);
  const tni_gvalue *parts = value_of(m->c.from, split->outputs[0]);
  int32_t count;
  const int64_t *perm = tni_attr_ints(turn, "perm", &count);
  bool same = x->rank >= 3 && x->rank == out->rank && memcmp(x->shape, out->shape, (size_t)x->rank * sizeof *x->shape) == 0;
  if (!same || !perm || parts->rank != x->rank + 1 || perm[1] != 2 || perm[2] != 1) return NULL;
  for (int32_t d = 0; d < x->rank; d++)
    if (d != 1 && (parts->shape[d + (d > 1)] != x->shape[d] || perm[d + (d > 1)] != d + (d > 1))) return NULL;
  return split;
}

/* Marks the steps of all that may be one. */
static void find_shuffles(mover *m) {
  const tn_graph *g = m->c.from;
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *split = shuffle_of(m, &g->nodes[i]);
    if (!split) continue;
    m->roles[i] = SHUFFLED;
    m->roles[split - g->nodes] = m->roles[m->by.maker[g->nodes[i].inputs[0]]] = IN_SHUFFLE;
  }
}

/* Is it one step of a shuffle, of what is made so? */
static bool is_shuffled(const mover *m, uint32_t node) {
  const tni_gnode *n = &m->c.from->nodes[node];
  if (m->roles[node] != SHUFFLED && m->roles[node] != IN_SHUFFLE) return false;
  uint32_t before = m->by.maker[n->inputs[0]];
  return m->roles[node] == IN_SHUFFLE && is(n, "reshape") ? is_made(m, n->inputs[0]) : m->roles[before] == IN_SHUFFLE;
}

static enum role role_of(const mover *m, const tni_gnode *n) {
  const tn_graph *g = m->c.from;
  if (n->outputs[0] == TNI_NO_VALUE) return AS_IT_IS;
  if (is_suited(g, n)) return WINDOW;
  if ((is(n, "max_pool") || is(n, "average_pool")) && is_made(m, n->inputs[0])) return WINDOW;
  if (follows(m, n)) return POINTWISE;
  if (goes_along_axes(m, n)) return ALONG_AXES;
  if (moves_channels(g, n, false)) return FROM_LAST;
  return moves_channels(g, n, true) && is_made(m, n->inputs[0]) ? TO_LAST : AS_IT_IS;
}

/* The value is needed in the form that it is not made in. */
static void pay(mover *m, uint32_t value) {
  const tni_gvalue *v = value_of(m->c.from, value);
  if (!m->paid[value] && !v->data && !is_free(v)) m->moved += (double)tni_gvalue_numel(v);
  m->paid[value] = true;
}

/* The images among the operands: not the weights and bias of a convolution. */
static uint32_t image_count(const tni_gnode *n, enum role role) { return role == WINDOW ? 1 : n->input_count; }

static void plan_node(mover *m, uint32_t node) {
  const tni_gnode *n = &m->c.from->nodes[node];
  enum role role = is_shuffled(m, node) ? m->roles[node] : role_of(m, n);
  bool last = role == WINDOW || role == POINTWISE || role == ALONG_AXES || role == SHUFFLED;
  m->roles[node] = role;
  if (role == WINDOW && is(n, "conv")) m->work += work_of(m->c.from, n);
  bool free = role == TO_LAST || role == FROM_LAST || role == SHUFFLED || role == IN_SHUFFLE;
  for (uint32_t i = 0; i < image_count(n, role) && !free; i++)
    if (n->inputs[i] != TNI_NO_VALUE && is_made(m, n->inputs[i]) != last) pay(m, n->inputs[i]);
  if (role == FROM_LAST && is_made(m, n->inputs[0])) pay(m, n->inputs[0]);
  if (last || role == FROM_LAST) m->made[n->outputs[0]] = true;
}

/* Whether it is worth it. */
static bool plan(mover *m) {
  const tn_graph *g = m->c.from;
  find_shuffles(m);
  for (uint32_t i = 0; i < g->node_count; i++) plan_node(m, i);
  for (uint32_t i = 0; i < g->output_count; i++)
    if (is_made(m, g->outputs[i])) pay(m, g->outputs[i]);
  return m->work > 0 && m->work >= LEAST_WORK * m->moved;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* The shape, or a list of one number for each dimension, in the other order. */
static void move_dims(const int64_t *from, int32_t rank, bool to_last, int64_t *to) {
  for (int32_t d = 0; d < rank; d++) {
    int32_t moved = d == 0 || rank < 2 ? d : to_last ? (d == 1 ? rank - 1 : d - 1) : (d == rank - 1 ? 1 : d + 1);
    to[moved] = from[d];
  }
}

/* A value of the new graph in the other order; `like` is the old one. */
static tn_status turn(mover *m, uint32_t value, const tni_gvalue *like, bool to_last, const char *name, uint32_t *out,
                      tn_error **err) {
  int64_t shape[TN_MAX_RANK], perm[TN_MAX_RANK], dims[TN_MAX_RANK];
  int32_t rank = like->rank;
  for (int32_t d = 0; d < rank; d++) dims[d] = d;
  move_dims(dims, rank, to_last, perm);
  if (to_last)
    move_dims(like->shape, rank, true, shape);
  else
    memcpy(shape, like->shape, sizeof shape);
  bool view = is_free(like);
  tni_attr attr = {.name = view ? "shape" : "perm", .kind = TNI_ATTR_INTS, .ints = view ? shape : perm, .count = rank};
  return tni_g_node(m->c.b, tni_gop_find(view ? "reshape" : "transpose"), NULL, 1, &value, 1, &attr, 1, &name, out, err);
}

/* The value as it was. */
static tn_status first_form(mover *m, uint32_t old, uint32_t *out, tn_error **err) {
  const tni_gvalue *v = value_of(m->c.from, old);
  tn_status status = TN_OK;
  if (m->c.map[old] == TNI_NO_VALUE) {
    if (m->last[old] != TNI_NO_VALUE)
      status = turn(m, m->last[old], v, false, v->name, &m->c.map[old], err);
    else
      status = tni_gcopy_const(&m->c, old, &m->c.map[old], err);
  }
  *out = m->c.map[old];
  return status;
}

/* The contents of a constant in the other order: of each picture, (channels, pixels) to (pixels, channels). */
static tn_status move_contents(mover *m, const tni_gvalue *v, const void **out, tn_error **err) {
  size_t bytes = tn_type_bytes(v->type), channels = (size_t)v->shape[1], all = (size_t)tni_gvalue_numel(v);
  tni_blob *blob = tni_blob_create(m->c.to->ctx, all * bytes);
  if (!blob) return tni_fail_nomem(err);
  size_t pixels = all / channels / (size_t)v->shape[0];
  const char *from = v->data;
  char *to = (char *)blob->data;
  for (size_t at = 0; at < all * bytes; at += channels * pixels * bytes)
    tni_turn_contents(to + at, channels, from + at, pixels, channels, pixels, bytes);
  *out = blob->data;
  return tni_program_keep_blob(m->c.to, blob, err);
}

/* A constant of no more dimensions than the result, from the right on: as if it had as many. */
static tn_status last_constant(mover *m, uint32_t old, int32_t rank, uint32_t *out, tn_error **err) {
  const tni_gvalue *v = value_of(m->c.from, old);
  tni_gvalue wide = *v;
  int64_t shape[TN_MAX_RANK];
  tn_status status = first_form(m, old, out, err);
  if (status || v->rank == 0) return status;
  wide.rank = rank;
  for (int32_t d = 0; d < rank; d++) wide.shape[d] = d < rank - v->rank ? 1 : v->shape[d - (rank - v->rank)];
  move_dims(wide.shape, rank, true, shape);
  const void *data = tni_g_get(m->c.b, *out)->data;
  if (!is_free(&wide)) status = move_contents(m, &wide, &data, err);
  if (status) return status;
  *out = tni_g_const(m->c.b, NULL, v->type, rank, shape, data);
  return *out == TNI_NO_VALUE ? tni_gbuilder_check(m->c.b, err) : TN_OK;
}

/* The value with the channels last, where the result has so many dimensions. */
static tn_status last_form(mover *m, uint32_t old, int32_t rank, uint32_t *out, tn_error **err) {
  const tni_gvalue *v = value_of(m->c.from, old);
  tn_status status = TN_OK;
  if (v->data) return last_constant(m, old, rank, out, err);
  if (m->last[old] == TNI_NO_VALUE) {
    status = first_form(m, old, out, err);
    if (!status) status = turn(m, *out, v, true, NULL, &m->last[old], err);
  }
  *out = m->last[old];
  return status;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* Where a dimension is with the channels last. */
static int64_t moved_axis(int64_t axis, int32_t rank) {
  if (axis < 0) axis += rank;
  return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1;
}

/* Numbers of the attributes in the new order. */
typedef struct turned {
  int64_t axes[TN_MAX_RANK];
  double scales[TN_MAX_RANK];
} turned;

/* The node's attributes as they are for channels last, in `to`, with room for one more. */
static uint32_t turn_attrs(const mover *m, const tni_gnode *n, enum role role, tni_attr *to, turned *t) {
  int32_t rank = value_of(m->c.from, n->inputs[0])->rank;
  uint32_t count = n->attr_count;
  if (count) memcpy(to, n->attrs, count * sizeof *to);
  if (role == WINDOW) to[count++] = (tni_attr){.name = "channels_last", .kind = TNI_ATTR_INT, .i = 1};
  for (uint32_t i = 0; i < count && role == ALONG_AXES; i++) {
    if (strcmp(to[i].name, "axis") == 0) to[i].i = moved_axis(to[i].i, rank);
    bool axes = strcmp(to[i].name, "axes") == 0, shape = strcmp(to[i].name, "shape") == 0;
    for (int32_t k = 0; k < to[i].count && axes; k++) t->axes[k] = moved_axis(to[i].ints[k], rank);
    for (int32_t d = 0; d < rank && shape; d++) t->axes[moved_axis(d, rank)] = to[i].ints[d];
    if (axes || shape) to[i].ints = t->axes;
    if (strcmp(to[i].name, "scales") != 0) continue;
    for (int32_t d = 0; d < rank; d++) t->scales[moved_axis(d, rank)] = to[i].floats[d];
    to[i].floats = t->scales;
  }
  return count;
}

static tn_status add_turned(mover *m, const tni_gnode *n, enum role role, uint32_t *values, tn_error **err) {
  const tni_gvalue *out = value_of(m->c.from, n->outputs[0]);
  tni_attr attrs[MAX_ATTRS + 1];
  turned t;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < n->input_count && !status; i++) {
    values[i] = n->inputs[i];
    if (values[i] == TNI_NO_VALUE) continue;
    if (i < image_count(n, role))
      status = last_form(m, n->inputs[i], out->rank, &values[i], err);
    else
      status = first_form(m, n->inputs[i], &values[i], err);
  }
  uint32_t count = turn_attrs(m, n, role, attrs, &t);
  if (!status)
    status = tni_g_node(m->c.b, n->op, n->name, n->input_count, values, count, attrs, 1, NULL, &m->last[n->outputs[0]],
                        err);
  return status;
}

static tn_status emit(mover *m, const char *op, const char *attr, int32_t count, const int64_t *list, uint32_t *value,
                      tn_error **err) {
  tni_attr a = {.name = attr, .kind = TNI_ATTR_INTS, .ints = list, .count = count};
  uint32_t in = *value;
  const char *name = NULL;
  return tni_g_node(m->c.b, tni_gop_find(op), NULL, 1, &in, 1, &a, 1, &name, value, err);
}

/* With the channels last, which are apart in groups meanwhile. */
static tn_status add_shuffled(mover *m, const tni_gnode *n, tn_error **err) {
  const tni_gnode *split = shuffle_of(m, n);
  const tni_gvalue *x = value_of(m->c.from, split->inputs[0]), *parts = value_of(m->c.from, split->outputs[0]);
  int64_t apart[TN_MAX_RANK], perm[TN_MAX_RANK], whole[TN_MAX_RANK];
  int32_t rank = x->rank;
  uint32_t *value = &m->last[n->outputs[0]];
  tn_status status = last_form(m, split->inputs[0], rank, value, err);
  move_dims(x->shape, rank, true, whole);
  memcpy(apart, whole, sizeof apart);
  apart[rank - 1] = parts->shape[1], apart[rank] = parts->shape[2];
  for (int32_t d = 0; d < rank + 1; d++) perm[d] = d < rank - 1 ? d : d == rank ? rank - 1 : rank;
  if (!status) status = emit(m, "reshape", "shape", rank + 1, apart, value, err);
  if (!status) status = emit(m, "transpose", "perm", rank + 1, perm, value, err);
  return status ? status : emit(m, "reshape", "shape", rank, whole, value, err);
}

static tn_status add_as_it_is(mover *m, const tni_gnode *n, tn_error **err) {
  tn_status status = TN_OK;
  uint32_t shown;
  for (uint32_t i = 0; i < n->input_count && !status; i++)
    if (n->inputs[i] != TNI_NO_VALUE) status = first_form(m, n->inputs[i], &shown, err);
  return status ? status : tni_gcopy_node(&m->c, n, err);
}

/* What a transpose made is there already; an output of the graph needs its own name. */
static tn_status show_last(mover *m, const tni_gnode *n, tn_error **err) {
  const tn_graph *g = m->c.from;
  const tni_gvalue *v = value_of(g, n->outputs[0]);
  uint32_t *out = &m->c.map[n->outputs[0]], made;
  tn_status status = last_form(m, n->inputs[0], v->rank, &made, err);
  bool shown = false;
  for (uint32_t i = 0; i < g->output_count; i++) shown |= g->outputs[i] == n->outputs[0];
  tni_attr attr = {.name = "shape", .kind = TNI_ATTR_INTS, .ints = v->shape, .count = v->rank};
  if (status || !shown) return *out = made, status;
  return tni_g_node(m->c.b, tni_gop_find("reshape"), n->name, 1, &made, 1, &attr, 1, &v->name, out, err);
}

static tn_status add_node(mover *m, uint32_t node, tn_error **err) {
  const tni_gnode *n = &m->c.from->nodes[node];
  tn_context *ctx = m->c.to->ctx;
  size_t bytes = (n->input_count + n->output_count + 1u) * sizeof(uint32_t);
  if (m->roles[node] == AS_IT_IS) return add_as_it_is(m, n, err);
  if (m->roles[node] == IN_SHUFFLE) return TN_OK;
  if (m->roles[node] == SHUFFLED) return add_shuffled(m, n, err);
  if (m->roles[node] == FROM_LAST) return first_form(m, n->inputs[0], &m->last[n->outputs[0]], err);
  if (m->roles[node] == TO_LAST) return show_last(m, n, err);
  uint32_t *values = tni_alloc(ctx, bytes);
  tn_status status = values ? add_turned(m, n, m->roles[node], values, err) : tni_fail_nomem(err);
  tni_free(ctx, values, bytes);
  return status;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

static tn_status copy_all(mover *m, tn_program *to, const tn_graph **out, tn_error **err) {
  const tn_graph *g = m->c.from;
  uint32_t shown;
  tn_status status = tni_gcopy_begin(&m->c, g, to, err);
  if (status) return status;
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = add_node(m, i, err);
  for (uint32_t i = 0; i < g->output_count && !status; i++) status = first_form(m, g->outputs[i], &shown, err);
  if (!status) status = tni_gcopy_finish(&m->c, out, err);
  tni_gcopy_end(&m->c);
  return status;
}

/* Operators that are known, with room for one more attribute, and a convolution among them. */
static bool may_gain(const tn_graph *g) {
  bool found = false;
  for (uint32_t i = 0; i < g->node_count; i++) {
    if (!g->nodes[i].op || g->nodes[i].attr_count > MAX_ATTRS) return false;
    found |= is_suited(g, &g->nodes[i]);
  }
  return found;
}

tn_status tni_graph_channels(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  mover m = {.c.from = g, .by.g = g};
  size_t values = g->value_count + 1, nodes = g->node_count + 1;
  *out = g;
  if (!may_gain(g)) return TN_OK;
  m.roles = tni_alloc_zero(to->ctx, nodes * sizeof *m.roles);
  m.made = tni_alloc_zero(to->ctx, values * sizeof *m.made);
  m.paid = tni_alloc_zero(to->ctx, values * sizeof *m.paid);
  m.last = tni_alloc(to->ctx, values * sizeof *m.last);
  bool room = m.roles && m.made && m.paid && m.last && tni_gmakers_create(g, to->ctx, &m.by);
  tn_status status = room ? TN_OK : tni_fail_nomem(err);
  if (!status) memset(m.last, 0xff, values * sizeof *m.last);
  if (!status && plan(&m)) status = copy_all(&m, to, out, err);
  tni_gmakers_destroy(&m.by, to->ctx);
  tni_free(to->ctx, m.roles, nodes * sizeof *m.roles);
  tni_free(to->ctx, m.made, values * sizeof *m.made);
  tni_free(to->ctx, m.paid, values * sizeof *m.paid);
  tni_free(to->ctx, m.last, values * sizeof *m.last);
  return status;
}
