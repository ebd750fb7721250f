/* layout.c -- constant weights stored in the order in which the target's vectors want them.
 *
 *     conv(x, w)    w constant, (m, c, taps...)   ->   conv(x, w') {oc_last = 1}   w' constant, (c, taps..., m)
 *
 * Then the lanes of a vector are output channels: weights are loaded as vectors, inputs broadcast. This is done where
 * vectors along the rows of the output are bad: rows that fill the last vector of each badly, or steps between
 * neighbours other than 1. The price is that results leave the registers with a stride, once for each sum; so sums must
 * be long.
 *
 *     conv(x, w) {channels_last = 1}              ->   the same, w' as below, of (m, c, taps...): (m / p, c, taps..., p)
 *                                                      with {side = s}: (m / p, c / s, taps..., p, s)
 *                                                      with {joined = t}: (m / p, other taps..., t * c / s, p, s)
 *
 * Images with the channels last (channels.c) are read so in any case, those of groups as well; of channels by themselves,
 * (1, taps..., m), or for an instruction (taps / s, other taps..., m, s) {joined = t, side = s}. Those of padded images
 * may get bounds, too (bounded.c).
 *
 *     matmul(x, w)  w constant, (k, n)   ->   matmul(x, w') {panel = p, columns = n}   w' constant, (n / p, k, p), filled up
 *
 * p is the lanes of a vector: a tile of several vectors reads as many panels, each from its first to its last byte, so
 * that more lines are on their way than one stream would have (a processor's prefetcher starts anew on each page).
 * Weights that stay in the first cache as they are gain nothing, and few columns would be mostly filling. Where the
 * target has an instruction for dot products of short numbers, or tiles of them (targets/units.c), its steps stand side
 * by side: {group = 4}, (n / p, k / 4, p, 4). Of tiles there are two panels at once, and of the steps whole cache
 * lines, filled up with zeros: {steps = 64}.
 *
 *     lstm(w, r, ..)   r constant, (n, gates * n)   ->   the same, r' (parts, n, gates * units), filled up
 *
 * The same of gru and rnn: a part has the gates of so many units side by side, as many vectors as sums can be on their way
 * at once; of the sizes that fill up least, the largest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum {
  ALIGN = 64,
  LEAST_SUM = 96,
  LEAST_FILL = 70 /* per cent */,
  MAX_ATTRS = 16,
  MOST_ADDED = 4,
  GROUP_BYTES = 4, /* of steps side by side, for tiles */
  LEAST_STEPS = 16,
  LINE = 64, /* bytes of steps that a tile has of a row */
  SUMS = 8 /* vectors of a recurrent layer's part */
};

/* What the second operand of a node is stored as: a constant of that shape, and the attributes that say so. */
typedef struct storage {
  const char *suffix; /* of its name */
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  tni_filler *fill;
  bool striped;     /* the filler takes stripes, */
  int32_t channels; /* of which the channels are along this axis */
  uint32_t attr_count;
  tni_attr attrs[MOST_ADDED];
} storage;

/* One way to store it. */
typedef struct rule {
  const char *op;
  bool (*wants)(const tn_graph *g, const tni_gnode *node, const tn_target *target);
  storage (*describe)(const tn_graph *g, const tni_gnode *node, const tn_target *target);
} rule;

/* What becomes of a node. */
typedef struct choice {
  const rule *by; /* NULL: it stays */
  storage as;
  size_t at; /* its weights' place in the block */
  bool is_bounded;
  int64_t bounded[TN_MAX_RANK];
} choice;

/* The pass at work. */
typedef struct layout {
  tni_gcopy c;
  choice *chosen;   /* by node */
  uint32_t *stored; /* by value of the old graph: the constant that was made of it last, or TNI_NO_VALUE */
  tni_blob *block;  /* of all contents, which are filled later: nobody reads weights before; NULL: each has its own */
} layout;

static bool same_shape(const tni_gvalue *v, const storage *as) {
  return v->rank == as->rank && memcmp(v->shape, as->shape, (size_t)as->rank * sizeof *as->shape) == 0;
}

/* What was made of the node's weights for a node before it, if that has the same shape (and so the same order). */
static bool find_stored(const layout *l, const tni_gnode *node, const storage *as, uint32_t *out) {
  *out = l->stored[node->inputs[1]];
  return *out != TNI_NO_VALUE && same_shape(tni_g_get(l->c.b, *out), as);
}

static bool is_name_of(const tn_graph *g, const char *name) {
  for (uint32_t i = 0; i < g->value_count; i++)
    if (strcmp(g->values[i].name, name) == 0) return true;
  return false;
}

/* New contents in *out, of their own: what is kept under a key, where other threads find it, is whole. */
static tn_status make_contents(layout *l, const tni_gvalue *w, const storage *as, const tni_text *key, tni_gvalue *out,
                               tn_error **err) {
  tn_program *to = l->c.to;
  tni_blob *blob = tni_blob_create(to->ctx, tn_array_bytes(out->type, tni_gvalue_numel(out)));
  if (!blob) return tni_fail_nomem(err);
  as->fill((char *)(uintptr_t)blob->data, &(tni_source){.w = *w}, as->shape, 0, as->shape[0]);
  out->data = blob->data;
  tn_status status = tni_program_keep_blob(to, blob, err);
  if (status || !key) return status;
  return tni_kept_add(to->kept, key->data, key->length, blob) ? TN_OK : tni_fail_nomem(err);
}

/* Those that are kept of a program before, else new ones. */
static tn_status find_contents(layout *l, const tni_gvalue *w, const storage *as, tni_gvalue *out, tn_error **err) {
  tn_program *to = l->c.to;
  tni_text key;
  tni_text_init(&key, to->ctx);
  bool keyed = tni_graph_key(&key, to->kept, as->suffix, as->attr_count, as->attrs, 1, &w, out);
  tn_status status = key.failed ? tni_fail_nomem(err) : TN_OK;
  if (keyed) status = tni_graph_kept(to, &key, &out->data, err);
  if (!status && !out->data) status = make_contents(l, w, as, keyed ? &key : NULL, out, err);
  tni_text_destroy(&key);
  return status;
}

/* A place in the block. */
static tn_status take_place(layout *l, const tni_gvalue *w, const choice *x, tni_gvalue *out, tn_error **err) {
  tn_program *to = l->c.to;
  tni_source from = {.w = *w};
  if (x->as.striped) from.stripe_count = tni_move_stripes(to, w, x->as.channels, from.stripes);
  if (!from.stripe_count) tni_move_settle(to, w->data);
  out->data = (const char *)l->block->data + x->at;
  return tni_filling_add(to, x->as.fill, (char *)(uintptr_t)out->data, out, &from) ? TN_OK : tni_fail_nomem(err);
}

/* The node's weights so, as a constant that is named after them where that name is free. */
static tn_status store(layout *l, const tni_gnode *node, const choice *x, uint32_t *out, tn_error **err) {
  tni_gcopy *c = &l->c;
  const storage *as = &x->as;
  const tni_gvalue *w = &c->from->values[node->inputs[1]];
  tni_gvalue made = {.type = w->type, .rank = as->rank};
  memcpy(made.shape, as->shape, sizeof made.shape);
  if (find_stored(l, node, as, out)) return TN_OK;
  tn_status status = l->block ? take_place(l, w, x, &made, err) : find_contents(l, w, as, &made, err);
  char *name = tni_arena_format(&c->to->region.arena, "%s.%s", w->name, as->suffix);
  if (status || !name) return status ? status : tni_fail_nomem(err);
  if (is_name_of(c->from, name) || tni_g_find(c->b, name) != TNI_NO_VALUE) name = NULL;
  *out = l->stored[node->inputs[1]] = tni_g_const(c->b, name, w->type, as->rank, as->shape, made.data);
  return *out == TNI_NO_VALUE ? tni_gbuilder_check(c->b, err) : TN_OK;
}

static void add_int(storage *as, const char *name, int64_t value) {
  as->attrs[as->attr_count++] = (tni_attr){.name = name, .kind = TNI_ATTR_INT, .i = value};
}

/* ---- convolutions ---- */

/* How much of the vectors along an extent is used, in per cent. */
static int64_t fill(int64_t extent, int64_t lanes) { return 100 * extent / ((extent + lanes - 1) / lanes * lanes); }

/* Floats, or short integers (widen.c). */
static bool is_known(const tni_gnode *node, const tni_gvalue *w) {
  return w->type == TN_F32 || (tni_attr_string(node, "to", NULL) && tn_type_bytes(w->type) > 0);
}

/* Each channel by itself? */
static bool is_apart(const tni_gnode *node, const tni_gvalue *w) {
  int64_t group = tni_attr_int(node, "group", 1);
  return group > 1 && group == w->shape[0];
}

static bool wants_oc_last(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  if (tni_attr_int(node, "oc_last", 0)) return false;
  const tni_gvalue *w = &g->values[node->inputs[1]], *out = &g->values[node->outputs[0]];
  if (!w->data || !is_known(node, w)) return false;
  if (tni_attr_int(node, "channels_last", 0)) return is_apart(node, w);
  if (tni_attr_int(node, "group", 1) != 1 || w->type != TN_F32) return false;
  int64_t sum = 1, lanes = target->vector_bits / 32;
  for (int32_t i = 1; i < w->rank; i++) sum *= w->shape[i];
  int32_t count;
  const int64_t *strides = tni_attr_ints(node, "strides", &count);
  int64_t step = strides ? strides[count - 1] : 1, row = out->shape[out->rank - 1];
  if (row == 1 && out->rank > 3) /* one-dimensional convolutions come as (n, c, length, 1) */
    row = out->shape[out->rank - 2], step = strides ? strides[count - 2] : 1;
  return sum >= LEAST_SUM && fill(w->shape[0], lanes) >= LEAST_FILL && (step != 1 || fill(row, lanes) < LEAST_FILL);
}

/* The taps of the first dimension side by side, where an instruction takes several. */
static bool is_stacked(const tn_graph *g, const tni_gnode *node, const tn_target *target, storage *as) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  tn_type c = g->values[node->outputs[0]].type, a = g->values[node->inputs[0]].type;
  if (!is_apart(node, w) || !tni_attr_int(node, "channels_last", 0) || !tni_type_is_int(c)) return false;
  const tni_unit *unit = tni_target_product_unit(g->program->ctx, target, c, a, w->type);
  if (!unit || !tni_unit_suits_taps(unit, w->shape[2])) return false;
  *as = (storage){.suffix = "oc_stacked", .rank = w->rank, .fill = tni_fill_oc_stacked};
  as->shape[0] = (w->shape[2] - 1) / unit->steps + 1;
  for (int32_t i = 3; i < w->rank; i++) as->shape[i - 2] = w->shape[i];
  as->shape[w->rank - 2] = w->shape[0];
  as->shape[w->rank - 1] = unit->steps;
  add_int(as, "joined", w->shape[2]);
  add_int(as, "side", unit->steps);
  return true;
}

static storage oc_last(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  storage as = {.suffix = "oc_last", .rank = w->rank, .fill = tni_fill_oc_last};
  if (is_stacked(g, node, target, &as)) return as;
  for (int32_t i = 0; i < w->rank; i++) as.shape[i] = w->shape[(i + 1) % w->rank];
  add_int(&as, "oc_last", 1);
  return as;
}

static bool wants_oc_panels(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  (void)target;
  if (!w->data || !is_known(node, w) || w->rank + 2 > TN_MAX_RANK) return false;
  return tni_attr_int(node, "channels_last", 0) && !tni_attr_int(node, "panel", 0) && !is_apart(node, w);
}

/* Do channels leave steps over, each tap anew? Those of a row of taps and all channels are fewer, and a copy of the image
 * that is only padded is faster than one with more channels. Sums of integers have no order. */
static bool wants_joined(const tni_gnode *node, const tni_gvalue *w, tn_type c, int64_t steps) {
  int32_t count;
  const int64_t *dilations = tni_attr_ints(node, "dilations", &count);
  return tni_type_is_int(c) && w->shape[1] % steps != 0 && (!dilations || dilations[count - 1] == 1);
}

/* The same panels of `as`, with the innermost taps joined. */
static void join_taps(const tni_gvalue *w, int64_t steps, storage *as) {
  as->fill = tni_fill_oc_joined;
  as->suffix = "oc_joined";
  as->rank = w->rank + 1;
  memmove(as->shape + 1, as->shape + 2, (size_t)(w->rank - 3) * sizeof *as->shape);
  as->shape[w->rank - 2] = (w->shape[w->rank - 1] * w->shape[1] - 1) / steps + 1;
  as->shape[w->rank - 1] = as->shape[w->rank];
  as->shape[w->rank] = steps;
  add_int(as, "joined", w->shape[w->rank - 1]);
}

static storage oc_panels(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  tn_type c = g->values[node->outputs[0]].type, a = g->values[node->inputs[0]].type;
  int64_t group = tni_attr_int(node, "group", 1), lanes = tni_target_lanes(target, c, w->shape[0]);
  const tni_unit *unit = group > 1 ? NULL : tni_target_product_unit(g->program->ctx, target, c, a, w->type);
  if (group > 1) lanes = tni_target_group_lanes(target, c, w->shape[0], w->shape[0] / group);
  storage as = {.suffix = "oc_panels", .rank = w->rank + 1 + (unit != NULL), .fill = unit ? tni_fill_oc_side : tni_fill_oc_panels};
  memcpy(as.shape, w->shape, (size_t)w->rank * sizeof *as.shape);
  as.shape[0] = (w->shape[0] - 1) / lanes + 1;
  if (unit) as.shape[1] = (w->shape[1] - 1) / unit->steps + 1;
  as.shape[w->rank] = lanes;
  if (unit) as.shape[w->rank + 1] = unit->steps;
  add_int(&as, "panel", lanes);
  add_int(&as, "columns", w->shape[0]);
  if (unit) add_int(&as, "side", unit->steps);
  as.striped = !unit;
  if (unit && wants_joined(node, w, c, unit->steps)) join_taps(w, unit->steps, &as);
  return as;
}

/* ---- matrix products ---- */

/* How a node's products are summed: so many steps stand side by side, in so many lanes; by tile registers? */
typedef struct summation {
  int64_t group; /* 0: one by one */
  int64_t lanes;
  bool tiles;
} summation;

/* Steps as tiles want them: lines of them, or halves; one vector's sums of integers are not worth it. */
static int64_t steps_for_tiles(const tni_gvalue *x, const tni_gvalue *w) {
  int64_t bytes = (int64_t)tn_type_bytes(w->type), line = LINE / bytes, sums = w->shape[0];
  if (bytes == 1 && (tni_gvalue_numel(x) == sums || sums % (line / 2) == 0)) return sums;
  while (bytes == 1 && line > LEAST_STEPS && line / 2 >= sums) line /= 2;
  return (sums + line - 1) / line * line;
}

static summation summation_of(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  tn_type c = g->values[node->outputs[0]].type, a = g->values[node->inputs[0]].type;
  const tni_unit *unit = tni_target_product_unit(g->program->ctx, target, c, a, w->type);
  summation s = {.tiles = tni_target_has_tiles(target, c, a, w->type)};
  if (s.tiles) s.group = GROUP_BYTES / (int64_t)tn_type_bytes(w->type), s.lanes = TNI_TILE_ROWS;
  if (unit && !s.tiles) s.group = unit->steps;
  if (!s.tiles) s.lanes = tni_target_lanes(target, unit ? unit->c : w->type, w->shape[1]);
  return s;
}

static bool wants_panels(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  if (!w->data || w->rank != 2 || tni_attr_int(node, "panel", 0) || tn_type_bytes(w->type) == 0) return false;
  if (tni_gvalue_numel(w) > 0 && summation_of(g, node, target).group) return true;
  return w->shape[1] >= target->vector_bits / 8 / (int64_t)tn_type_bytes(w->type) &&
         tn_array_bytes(w->type, tni_gvalue_numel(w)) > target->l1d / 2;
}

static storage panels(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  summation by = summation_of(g, node, target);
  int64_t sums = w->shape[0], columns = w->shape[1], group = by.group ? by.group : 1;
  int64_t steps = by.tiles ? steps_for_tiles(&g->values[node->inputs[0]], w) : sums;
  storage as = {.suffix = "panels", .rank = by.group ? 4 : 3, .fill = by.group ? tni_fill_panels : tni_fill_simple_panels};
  const int64_t shape[] = {(columns - 1) / by.lanes + 1, (steps - 1) / group + 1, by.lanes, group};
  memcpy(as.shape, shape, sizeof shape);
  as.striped = !by.group;
  as.channels = 1;
  if (by.tiles && as.shape[0] > 1) as.shape[0] += as.shape[0] % 2;
  add_int(&as, "panel", by.lanes);
  add_int(&as, "columns", columns);
  if (by.group) add_int(&as, "group", group);
  if (steps > sums) add_int(&as, "steps", steps);
  return as;
}

/* ---- recurrent layers ---- */

static bool wants_parts(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  return w->data && w->rank == 2 && (w->type == TN_F32 || w->type == TN_F64) &&
         w->shape[0] >= tni_target_lanes(target, w->type, w->shape[0]);
}

static storage parts(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  int64_t n = w->shape[0], gates = w->shape[1] / n, lanes = tni_target_lanes(target, w->type, n), units = lanes;
  int64_t at_once = gates == 3 && !tni_attr_int(node, "linear_before_reset", 0) ? 2 : gates; /* the candidate is apart */
  for (int64_t u = lanes; u <= SUMS / at_once * lanes; u += lanes)
    if ((n - 1) / u * u + u <= (n - 1) / units * units + units) units = u;
  return (storage){.suffix = "parts",
                   .rank = 3,
                   .shape = {(n - 1) / units + 1, n, gates * units},
                   .fill = tni_fill_parts};
}

/* ---- the pass ---- */

static const rule rules[] = {
    {"conv", wants_oc_last, oc_last},
    {"conv", wants_oc_panels, oc_panels},
    {"matmul", wants_panels, panels},
    {"lstm", wants_parts, parts},
    {"gru", wants_parts, parts},
    {"rnn", wants_parts, parts},
};

static const rule *rule_for(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  for (size_t i = 0; node->op && i < TNI_COUNT(rules); i++)
    if (strcmp(node->op->name, rules[i].op) == 0 && node->attr_count + MOST_ADDED <= MAX_ATTRS &&
        rules[i].wants(g, node, target))
      return &rules[i];
  return NULL;
}

/* Chooses for all nodes; *size: bytes of all weights, those in one order once. False: nothing changes. */
static bool choose_all(const tn_graph *g, const tn_target *target, layout *l, size_t *size) {
  bool found = false;
  *size = 0;
  for (uint32_t i = 0; i < g->value_count; i++) l->stored[i] = TNI_NO_VALUE;
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *node = &g->nodes[i];
    choice *x = &l->chosen[i];
    if (!(x->by = rule_for(g, node, target))) continue;
    found = true;
    x->as = x->by->describe(g, node, target);
    tni_gvalue made = {.type = g->values[node->inputs[1]].type, .rank = x->as.rank};
    memcpy(made.shape, x->as.shape, sizeof made.shape);
    uint32_t *before = &l->stored[node->inputs[1]]; /* the node */
    if (*before != TNI_NO_VALUE && same_shape(&made, &l->chosen[*before].as)) continue;
    *before = i;
    x->at = *size;
    *size += (tn_array_bytes(made.type, tni_gvalue_numel(&made)) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
  }
  return found;
}

/* The node's attributes with those of its weights' storage: how many. */
static uint32_t add_attrs(const layout *l, const tni_gnode *node, const choice *x, tni_attr *attrs) {
  uint32_t count = node->attr_count;
  if (count) memcpy(attrs, node->attrs, count * sizeof *attrs);
  memcpy(attrs + count, x->as.attrs, x->as.attr_count * sizeof *attrs);
  count += x->as.attr_count;
  if (x->is_bounded)
    attrs[count++] = (tni_attr){.name = "bounded",
                                .kind = TNI_ATTR_INTS,
                                .ints = x->bounded,
                                .count = l->c.from->values[node->inputs[1]].rank - 2};
  return count;
}

static tn_status copy_node(layout *l, const tni_gnode *node, tn_error **err) {
  tni_gcopy *c = &l->c;
  tn_context *ctx = c->to->ctx;
  uint32_t *values = tni_alloc(ctx, (node->input_count + node->output_count + 1u) * sizeof *values);
  const char **names = tni_alloc(ctx, (node->output_count + 1u) * sizeof *names);
  uint32_t *outputs = values ? values + node->input_count : NULL;
  tn_status status = values && names ? TN_OK : tni_fail_nomem(err);
  tni_attr attrs[MAX_ATTRS];
  uint32_t attr_count = node->attr_count;
  const choice *x = &l->chosen[node - c->from->nodes];
  if (x->by) attr_count = add_attrs(l, node, x, attrs);
  for (uint32_t i = 0; i < node->input_count && !status; i++) {
    uint32_t old = node->inputs[i];
    values[i] = old == TNI_NO_VALUE ? old : c->map[old];
    if (x->by && i == 1)
      status = store(l, node, x, &values[i], err);
    else if (old != TNI_NO_VALUE && values[i] == TNI_NO_VALUE)
      status = tni_gcopy_const(c, old, &values[i], err);
  }
  for (uint32_t i = 0; i < node->output_count && !status; i++)
    names[i] = node->outputs[i] == TNI_NO_VALUE ? NULL : c->from->values[node->outputs[i]].name;
  if (!status)
    status = tni_g_node(c->b, node->op, node->name, node->input_count, values, attr_count, x->by ? attrs : node->attrs,
                        node->output_count, names, outputs, err);
  for (uint32_t i = 0; i < node->output_count && !status; i++)
    if (node->outputs[i] != TNI_NO_VALUE) c->map[node->outputs[i]] = outputs[i];
  tni_free(ctx, values, (node->input_count + node->output_count + 1u) * sizeof *values);
  tni_free(ctx, names, (node->output_count + 1u) * sizeof *names);
  return status;
}

typedef struct bounding {
  const tn_graph *g;
  choice *chosen;
} bounding;

static int32_t bound_range(void *closure, int64_t begin, int64_t end) {
  const bounding *b = closure;
  for (int64_t i = begin; i < end; i++) {
    choice *x = &b->chosen[i];
    const tni_gnode *node = &b->g->nodes[i];
    if (x->is_bounded) x->is_bounded = tni_are_finite(&b->g->values[node->inputs[1]]);
  }
  return 0;
}

/* It reads all weights of convolutions with borders. */
static void bound_all(const tn_graph *g, tn_program *to, choice *chosen) {
  bounding b = {g, chosen};
  bool found = false;
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *node = &g->nodes[i];
    choice *x = &chosen[i];
    x->is_bounded = x->by && strcmp(node->op->name, "conv") == 0 && tni_find_bounded(g, node, x->bounded);
    if (x->is_bounded) tni_move_settle(to, g->values[node->inputs[1]].data);
    found |= x->is_bounded;
  }
  if (found) tni_spread(to->ctx, bound_range, &b, g->node_count);
}

/* Weights that are not kept for other programs lie in one block: such memory is had in large pages. */
static tn_status make_block(layout *l, size_t size, tn_error **err) {
  tn_program *to = l->c.to;
  if (to->kept || !size) return TN_OK;
  l->block = tni_blob_create(to->ctx, size);
  return l->block ? tni_program_keep_blob(to, l->block, err) : tni_fail_nomem(err);
}

static tn_status copy_all(layout *l, const tn_graph *g, tn_program *to, size_t size, const tn_graph **out, tn_error **err) {
  tn_status status = tni_gcopy_begin(&l->c, g, to, err);
  if (status) return status;
  for (uint32_t i = 0; i < g->value_count; i++) l->stored[i] = TNI_NO_VALUE;
  bound_all(g, to, l->chosen);
  status = make_block(l, size, err);
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = copy_node(l, &g->nodes[i], err);
  if (!status) status = tni_gcopy_finish(&l->c, out, err);
  tni_gcopy_end(&l->c);
  return status ? status : tni_program_begin_filling(to, err);
}

tn_status tni_graph_layout(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                           tn_error **err) {
  layout l = {.block = NULL};
  size_t values = (g->value_count + 1) * sizeof *l.stored, nodes = (g->node_count + 1) * sizeof *l.chosen, size;
  *out = g;
  for (uint32_t i = 0; i < g->node_count; i++)
    if (!g->nodes[i].op) /* a graph with calls is fused already */
      return TN_OK;
  l.stored = tni_alloc(to->ctx, values);
  l.chosen = tni_alloc_zero(to->ctx, nodes);
  tn_status status = l.stored && l.chosen ? TN_OK : tni_fail_nomem(err);
  if (!status && (choose_all(g, target, &l, &size) || g->program != to)) status = copy_all(&l, g, to, size, out, err);
  tni_free(to->ctx, l.chosen, nodes);
  tni_free(to->ctx, l.stored, values);
  return status;
}
