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
  LEAST_SUM = 96,
  LEAST_FILL = 70 /* per cent */,
  MAX_ATTRS = 16,
  MOST_ADDED = 4,
  GROUP_BYTES = 4, /* of steps side by side, for tiles */
  LEAST_STEPS = 16,
  LINE = 64, /* bytes of steps that a tile has of a row */
  SUMS = 8 /* vectors of a recurrent layer's part */
};

typedef void filler(char *to, const tni_gvalue *w, const int64_t *shape);

/* Contents that are still to be made of a constant of the old graph. */
typedef struct filling {
  filler *fill;
  char *to;
  const tni_gvalue *w;
  int64_t shape[TN_MAX_RANK];
} filling;

/* The pass at work. */
typedef struct layout {
  tni_gcopy c;
  const tn_target *target;
  uint32_t *stored; /* by value of the old graph: the constant that was made of it last, or TNI_NO_VALUE */
  filling *fillings; /* done at the end, in parallel: nobody reads weights before */
  size_t filling_count, filling_capacity;
} layout;

/* What the second operand of a node is stored as: a constant of that shape, and the attributes that say so. */
typedef struct storage {
  const char *suffix; /* of its name */
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  filler *fill;
  uint32_t attr_count;
  tni_attr attrs[MOST_ADDED];
} storage;

/* One way to store it. */
typedef struct rule {
  const char *op;
  bool (*wants)(const tn_graph *g, const tni_gnode *node, const tn_target *target);
  storage (*describe)(const tn_graph *g, const tni_gnode *node, const tn_target *target);
} rule;

/* What was made of the node's weights for a node before it, if that has the same shape (and so the same order). */
static bool find_stored(const layout *l, const tni_gnode *node, const storage *as, uint32_t *out) {
  *out = l->stored[node->inputs[1]];
  const tni_gvalue *v = *out == TNI_NO_VALUE ? NULL : tni_g_get(l->c.b, *out);
  return v && v->rank == as->rank && memcmp(v->shape, as->shape, (size_t)as->rank * sizeof *as->shape) == 0;
}

static bool is_name_of(const tn_graph *g, const char *name) {
  for (uint32_t i = 0; i < g->value_count; i++)
    if (strcmp(g->values[i].name, name) == 0) return true;
  return false;
}

static bool add_filling(layout *l, const tni_gvalue *w, const storage *as, const tni_blob *blob) {
  void *p = l->fillings;
  if (!tni_reserve(l->c.to->ctx, &p, &l->filling_capacity, l->filling_count + 1, sizeof *l->fillings)) return false;
  l->fillings = p;
  filling *x = &l->fillings[l->filling_count++];
  *x = (filling){.fill = as->fill, .to = (char *)blob->data, .w = w};
  memcpy(x->shape, as->shape, sizeof x->shape);
  return true;
}

static int32_t fill_range(void *closure, int64_t begin, int64_t end) {
  layout *l = closure;
  for (filling *x = &l->fillings[begin]; x < &l->fillings[end]; x++) x->fill(x->to, x->w, x->shape);
  return 0;
}

/* New contents in *out. What is kept under a key, where other threads find it, is whole; else it is filled later. */
static tn_status make_contents(layout *l, const tni_gvalue *w, const storage *as, const tni_text *key, tni_gvalue *out,
                               tn_error **err) {
  tn_program *to = l->c.to;
  tni_blob *blob = tni_blob_create(to->ctx, tn_array_bytes(out->type, tni_gvalue_numel(out)));
  if (!blob) return tni_fail_nomem(err);
  tn_status status = tni_program_keep_blob(to, blob, err);
  if (status) return status;
  out->data = blob->data;
  if (!key) return add_filling(l, w, as, blob) ? TN_OK : tni_fail_nomem(err);
  as->fill((char *)blob->data, w, as->shape);
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

/* The node's weights so, as a constant that is named after them where that name is free. */
static tn_status store(layout *l, const tni_gnode *node, const storage *as, uint32_t *out, tn_error **err) {
  tni_gcopy *c = &l->c;
  const tni_gvalue *w = &c->from->values[node->inputs[1]];
  tni_gvalue made = {.type = w->type, .rank = as->rank};
  memcpy(made.shape, as->shape, sizeof made.shape);
  if (find_stored(l, node, as, out)) return TN_OK;
  tn_status status = find_contents(l, w, as, &made, err);
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

static void fill_oc_last(char *to, const tni_gvalue *w, const int64_t *shape) {
  size_t first = (size_t)w->shape[0], rest = first ? (size_t)tni_gvalue_numel(w) / first : 0;
  (void)shape;
  tni_turn_contents(to, first, w->data, rest, first, rest, tn_type_bytes(w->type));
}

/* Of channels by themselves, so many taps of the first dimension side by side. */
static void fill_oc_stacked(char *to, const tni_gvalue *w, const int64_t *shape) {
  size_t size = tn_type_bytes(w->type);
  int64_t channels = w->shape[0], first = w->shape[2], side = shape[w->rank - 1];
  int64_t taps = tni_gvalue_numel(w) / channels, others = taps / first;
  const char *from = w->data;
  for (int64_t k = 0; k < shape[0] * side; k += side)
    for (int64_t t = 0; t < others; t++)
      for (int64_t m = 0; m < channels; m++)
        for (int64_t i = k; i < k + side; i++, to += size) {
          if (i < first)
            memcpy(to, from + (size_t)(m * taps + i * others + t) * size, size);
          else
            memset(to, 0, size);
        }
}

/* The taps of the first dimension side by side, where an instruction takes several. */
static bool is_stacked(const tn_graph *g, const tni_gnode *node, const tn_target *target, storage *as) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  tn_type c = g->values[node->outputs[0]].type, a = g->values[node->inputs[0]].type;
  if (!is_apart(node, w) || !tni_attr_int(node, "channels_last", 0) || !tni_type_is_int(c)) return false;
  const tni_unit *unit = tni_target_product_unit(g->program->ctx, target, c, a, w->type);
  if (!unit || !tni_unit_suits_taps(unit, w->shape[2])) return false;
  *as = (storage){.suffix = "oc_stacked", .rank = w->rank, .fill = fill_oc_stacked};
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
  storage as = {.suffix = "oc_last", .rank = w->rank, .fill = fill_oc_last};
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

/* So many of a sum's channels side by side. */
static void fill_oc_side(char *to, const tni_gvalue *w, const int64_t *shape) {
  size_t size = tn_type_bytes(w->type);
  int64_t channels = w->shape[0], own = w->shape[1], width = shape[w->rank], side = shape[w->rank + 1];
  int64_t taps = channels && own ? tni_gvalue_numel(w) / channels / own : 0;
  const char *from = w->data;
  for (int64_t p = 0; p < shape[0]; p++)
    for (int64_t c = 0; c < shape[1] * side; c += side)
      for (int64_t t = 0; t < taps; t++)
        for (int64_t m = p * width; m < (p + 1) * width; m++)
          for (int64_t i = c; i < c + side; i++, to += size) {
            if (m < channels && i < own)
              memcpy(to, from + (size_t)((m * own + i) * taps + t) * size, size);
            else
              memset(to, 0, size);
          }
}

/* So many of a row of innermost taps and all channels side by side. */
static void fill_oc_joined(char *to, const tni_gvalue *w, const int64_t *shape) {
  size_t size = tn_type_bytes(w->type);
  int32_t rank = w->rank;
  int64_t channels = w->shape[1], row = w->shape[rank - 1], width = shape[rank - 1], side = shape[rank];
  int64_t sums = tni_gvalue_numel(w) / w->shape[0], taps = sums / channels, rows = taps / row;
  const char *from = w->data;
  for (int64_t p = 0; p < shape[0]; p++)
    for (int64_t t = 0; t < rows; t++)
      for (int64_t j = 0; j < shape[rank - 2] * side; j += side)
        for (int64_t m = p * width; m < (p + 1) * width; m++)
          for (int64_t i = j; i < j + side; i++, to += size) {
            int64_t tap = t * row + i / channels;
            if (m < w->shape[0] && i < row * channels)
              memcpy(to, from + (size_t)(m * sums + i % channels * taps + tap) * size, size);
            else
              memset(to, 0, size);
          }
}

/* A panel is so many channels, turned. */
static void fill_oc_panels(char *to, const tni_gvalue *w, const int64_t *shape) {
  size_t size = tn_type_bytes(w->type), channels = (size_t)w->shape[0], width = (size_t)shape[w->rank];
  size_t sums = channels ? (size_t)tni_gvalue_numel(w) / channels : 0;
  const char *from = w->data;
  for (size_t m = 0; m < channels; m += width, to += sums * width * size) {
    size_t count = channels - m < width ? channels - m : width;
    if (count < width) memset(to, 0, sums * width * size);
    tni_turn_contents(to, width, from + m * sums * size, sums, count, sums, size);
  }
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
  as->fill = fill_oc_joined;
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
  storage as = {.suffix = "oc_panels", .rank = w->rank + 1 + (unit != NULL), .fill = unit ? fill_oc_side : fill_oc_panels};
  memcpy(as.shape, w->shape, (size_t)w->rank * sizeof *as.shape);
  as.shape[0] = (w->shape[0] - 1) / lanes + 1;
  if (unit) as.shape[1] = (w->shape[1] - 1) / unit->steps + 1;
  as.shape[w->rank] = lanes;
  if (unit) as.shape[w->rank + 1] = unit->steps;
  add_int(&as, "panel", lanes);
  add_int(&as, "columns", w->shape[0]);
  if (unit) add_int(&as, "side", unit->steps);
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

/* Rows k of columns n as panels, in that shape, (panels, k / group, panel, group); zeros fill up. */
static void fill_panels(char *to, const tni_gvalue *w, const int64_t *shape) {
  size_t bytes = tn_type_bytes(w->type);
  int64_t sums = w->shape[0], columns = w->shape[1], width = shape[2], group = shape[3];
  for (int64_t p = 0; p < shape[0]; p++)
    for (int64_t k = 0; k < shape[1]; k++)
      for (int64_t n = p * width; n < (p + 1) * width; n++)
        for (int64_t t = k * group; t < (k + 1) * group; t++, to += bytes) {
          if (n < columns && t < sums)
            memcpy(to, (const char *)w->data + (size_t)(t * columns + n) * bytes, bytes);
          else
            memset(to, 0, bytes);
        }
}

/* The same of rows that stand alone, (panels, k, panel): a panel's part of a row is in
 * one piece. Row by row, as the weights lie. */
static void fill_simple_panels(char *to, const tni_gvalue *w, const int64_t *shape) {
  size_t bytes = tn_type_bytes(w->type), line = (size_t)shape[2] * bytes;
  int64_t sums = w->shape[0], columns = w->shape[1];
  const char *from = w->data;
  for (int64_t k = 0; k < sums; k++)
    for (int64_t n = 0; n < columns; n += shape[2]) {
      size_t part = (size_t)(columns - n < shape[2] ? columns - n : shape[2]) * bytes;
      char *at = to + (size_t)(n / shape[2] * sums + k) * line;
      memcpy(at, from, part);
      memset(at + part, 0, line - part);
      from += part;
    }
}

static storage panels(const tn_graph *g, const tni_gnode *node, const tn_target *target) {
  const tni_gvalue *w = &g->values[node->inputs[1]];
  summation by = summation_of(g, node, target);
  int64_t sums = w->shape[0], columns = w->shape[1], group = by.group ? by.group : 1;
  int64_t steps = by.tiles ? steps_for_tiles(&g->values[node->inputs[0]], w) : sums;
  storage as = {.suffix = "panels", .rank = by.group ? 4 : 3, .fill = by.group ? fill_panels : fill_simple_panels};
  const int64_t shape[] = {(columns - 1) / by.lanes + 1, (steps - 1) / group + 1, by.lanes, group};
  memcpy(as.shape, shape, sizeof shape);
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

static void fill_parts(char *to, const tni_gvalue *w, const int64_t *shape) {
  size_t bytes = tn_type_bytes(w->type);
  int64_t n = w->shape[0], columns = w->shape[1], gates = columns / n, units = shape[2] / gates;
  for (int64_t p = 0; p < shape[0]; p++)
    for (int64_t k = 0; k < n; k++)
      for (int64_t g = 0; g < gates; g++, to += (size_t)units * bytes) {
        int64_t first = p * units, own = n - first < units ? n - first : units;
        memcpy(to, (const char *)w->data + (size_t)(k * columns + g * n + first) * bytes, (size_t)own * bytes);
        memset(to + (size_t)own * bytes, 0, (size_t)(units - own) * bytes);
      }
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
                   .fill = fill_parts};
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

/* The node's attributes with those of its weights' storage: how many. */
static uint32_t add_attrs(const layout *l, const tni_gnode *node, const storage *as, tni_attr *attrs, int64_t *bounded) {
  uint32_t count = node->attr_count;
  if (count) memcpy(attrs, node->attrs, count * sizeof *attrs);
  memcpy(attrs + count, as->attrs, as->attr_count * sizeof *attrs);
  count += as->attr_count;
  if (strcmp(node->op->name, "conv") == 0 && tni_find_bounded(l->c.from, node, bounded))
    attrs[count++] = (tni_attr){.name = "bounded",
                                .kind = TNI_ATTR_INTS,
                                .ints = bounded,
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
  int64_t bounded[TN_MAX_RANK];
  uint32_t attr_count = node->attr_count;
  const rule *by = status ? NULL : rule_for(c->from, node, l->target);
  storage as = by ? by->describe(c->from, node, l->target) : (storage){0};
  if (by) attr_count = add_attrs(l, node, &as, attrs, bounded);
  for (uint32_t i = 0; i < node->input_count && !status; i++) {
    uint32_t old = node->inputs[i];
    values[i] = old == TNI_NO_VALUE ? old : c->map[old];
    if (by && i == 1)
      status = store(l, node, &as, &values[i], err);
    else if (old != TNI_NO_VALUE && values[i] == TNI_NO_VALUE)
      status = tni_gcopy_const(c, old, &values[i], err);
  }
  for (uint32_t i = 0; i < node->output_count && !status; i++)
    names[i] = node->outputs[i] == TNI_NO_VALUE ? NULL : c->from->values[node->outputs[i]].name;
  if (!status)
    status = tni_g_node(c->b, node->op, node->name, node->input_count, values, attr_count, by ? attrs : node->attrs,
                        node->output_count, names, outputs, err);
  for (uint32_t i = 0; i < node->output_count && !status; i++)
    if (node->outputs[i] != TNI_NO_VALUE) c->map[node->outputs[i]] = outputs[i];
  tni_free(ctx, values, (node->input_count + node->output_count + 1u) * sizeof *values);
  tni_free(ctx, names, (node->output_count + 1u) * sizeof *names);
  return status;
}

static bool changes_anything(const tn_graph *g, const tn_target *target) {
  for (uint32_t i = 0; i < g->node_count; i++)
    if (rule_for(g, &g->nodes[i], target)) return true;
  return false;
}

static tn_status copy_all(layout *l, const tn_graph **out, tn_error **err) {
  const tn_graph *g = l->c.from;
  for (uint32_t i = 0; i < g->value_count; i++) l->stored[i] = TNI_NO_VALUE;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = copy_node(l, &g->nodes[i], err);
  if (status) return status;
  tni_spread(l->c.to->ctx, fill_range, l, (int64_t)l->filling_count);
  return tni_gcopy_finish(&l->c, out, err);
}

tn_status tni_graph_layout(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                           tn_error **err) {
  layout l = {.target = target};
  *out = g;
  for (uint32_t i = 0; i < g->node_count; i++)
    if (!g->nodes[i].op) /* a graph with calls is fused already */
      return TN_OK;
  if (g->program == to && !changes_anything(g, target)) return TN_OK;
  tn_status status = tni_gcopy_begin(&l.c, g, to, err);
  if (status) return status;
  l.stored = tni_alloc(to->ctx, (g->value_count + 1) * sizeof *l.stored);
  status = l.stored ? copy_all(&l, out, err) : tni_fail_nomem(err);
  tni_free(to->ctx, l.fillings, l.filling_capacity * sizeof *l.fillings);
  tni_free(to->ctx, l.stored, (g->value_count + 1) * sizeof *l.stored);
  tni_gcopy_end(&l.c);
  return status;
}
