/* groups.c -- which nodes become one function: groups, in the order in which they run.
 *
 *     a = conv(x, w); b = add(a, bias); c = relu(b)   ->   {a, b, c}
 *
 * A pointwise node joins the latest group among its producers, if its shape is that of the group; every other node starts
 * a group. Since a node only joins the latest, groups run in the order in which they began. Pointwise nodes that only a
 * later group reads go there; and so does all of a group whose one result a convolution takes row by row (attribute
 * chained), or a product of few numbers. Nodes that are still (place.c), as views are, are in none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { NO_GROUP = TNI_NO_VALUE, MAX_GROUP = 48, MOST_SMALL = 4096 /* numbers */, MOST_VIEWS = 4 };

/* ---- groups ---------------------------------------------------------------------------------------------------- */

static bool same_shape(const tn_graph *g, uint32_t a, uint32_t b) {
  const tni_gvalue *x = &g->values[a], *y = &g->values[b];
  return x->rank == y->rank && memcmp(x->shape, y->shape, sizeof(int64_t) * (size_t)x->rank) == 0;
}

/* The latest group among the makers of the node's inputs, seen through still nodes. *direct: the node reads values of that
 * group, and none of its values through a still node. */
static uint32_t latest_group(const tni_ggroups *f, const tni_gnode *n, bool *direct) {
  uint32_t latest = NO_GROUP;
  *direct = false;
  for (uint32_t i = 0; i < n->input_count; i++) {
    uint32_t maker = n->inputs[i] == TNI_NO_VALUE ? NO_GROUP : f->maker[n->inputs[i]];
    if (maker == NO_GROUP || f->group_of[maker] == NO_GROUP) continue;
    bool still = f->places.still[maker];
    uint32_t of = f->group_of[maker];
    if (latest == NO_GROUP || of > latest) {
      latest = of;
      *direct = !still;
    } else if (of == latest && still) {
      *direct = false;
    }
  }
  return latest;
}

/* A still node counts as in the latest group of what it shows, for the order; it is no member. */
static void place_still(tni_ggroups *f, uint32_t node) {
  bool direct;
  f->group_of[node] = latest_group(f, &f->g->nodes[node], &direct);
}

static void start_group(tni_ggroups *f, uint32_t node, bool closed) {
  f->groups[f->group_count] = (tni_ggroup){.count = 1, .shape_of = f->g->nodes[node].outputs[0], .closed = closed};
  f->group_of[node] = f->group_count++;
}

static void place_node(tni_ggroups *f, uint32_t i) {
  const tni_gnode *n = &f->g->nodes[i];
  if (f->places.still[i]) {
    place_still(f, i);
    return;
  }
  bool direct;
  uint32_t latest = n->op && n->op->kind == TNI_GOP_ELEMENTWISE ? latest_group(f, n, &direct) : NO_GROUP;
  if (latest != NO_GROUP && direct && !f->groups[latest].closed && f->groups[latest].count < MAX_GROUP &&
      same_shape(f->g, n->outputs[0], f->groups[latest].shape_of)) {
    f->group_of[i] = latest;
    f->groups[latest].count++;
    return;
  }
  start_group(f, i, !n->op || n->op->kind == TNI_GOP_OPAQUE || n->output_count != 1);
}

static bool is_member(const tni_ggroups *f, uint32_t node) { return f->live[node] && !f->places.still[node]; }

/* ---- nodes that go to their readers ---------------------------------------------------------------------------- */

static bool is_pointwise(const tni_ggroups *f, uint32_t node) {
  const tni_gnode *n = &f->g->nodes[node];
  return is_member(f, node) && n->op && n->op->kind == TNI_GOP_ELEMENTWISE && n->output_count == 1;
}

static bool reads(const tni_gnode *n, uint32_t value) {
  for (uint32_t k = 0; k < n->input_count; k++)
    if (n->inputs[k] == value) return true;
  return false;
}

static bool is_output(const tni_ggroups *f, uint32_t value) {
  for (uint32_t i = 0; i < f->g->output_count; i++)
    if (f->g->outputs[i] == value) return true;
  return false;
}

/* Is the value there when its group is done, for somebody else? */
static bool leaves_group(const tni_ggroups *f, uint32_t value) {
  uint32_t maker = f->maker[value];
  if (is_output(f, value)) return true;
  for (uint32_t i = maker + 1; i <= f->last_use[value] && i < f->g->node_count; i++)
    if (f->live[i] && reads(&f->g->nodes[i], value) && (!is_member(f, i) || f->group_of[i] != f->group_of[maker]))
      return true;
  return false;
}

/* The only node that reads the value; NO_GROUP: there are several, or the host does. */
static uint32_t only_reader(const tni_ggroups *f, uint32_t value) {
  uint32_t found = NO_GROUP;
  if (is_output(f, value)) return NO_GROUP;
  for (uint32_t i = f->maker[value] + 1; i <= f->last_use[value] && i < f->g->node_count; i++) {
    if (!f->live[i] || !reads(&f->g->nodes[i], value)) continue;
    if (found != NO_GROUP) return NO_GROUP;
    found = i;
  }
  return found;
}

/* Is it less to write x than y? */
static bool is_smaller(const tni_ggroups *f, uint32_t x, uint32_t y) {
  const tni_gvalue *a = &f->g->values[x], *b = &f->g->values[y];
  return tn_array_bytes(a->type, tni_gvalue_numel(a)) < tn_array_bytes(b->type, tni_gvalue_numel(b));
}

/* Pointwise, and of its group it reads only what leaves that in any case, or is loose, too, or is better written than what is
 * made of it: a byte that becomes a float. */
static void find_loose(tni_ggroups *f, uint32_t node) {
  const tni_gnode *n = &f->g->nodes[node];
  f->loose[node] = is_pointwise(f, node);
  for (uint32_t k = 0; k < n->input_count && f->loose[node]; k++) {
    uint32_t maker = n->inputs[k] == TNI_NO_VALUE ? NO_GROUP : f->maker[n->inputs[k]];
    if (maker == NO_GROUP || !is_member(f, maker) || f->group_of[maker] != f->group_of[node]) continue;
    f->loose[node] =
        f->loose[maker] || is_smaller(f, n->inputs[k], n->outputs[0]) || leaves_group(f, n->inputs[k]);
  }
}

/* Does the node multiply the rows that the value has by constant panels? Each row is made once then, before its products. */
static bool takes_rows(const tni_ggroups *f, uint32_t node, uint32_t value) {
  const tni_gnode *n = &f->g->nodes[node];
  if (!is_member(f, node) || !n->op || n->input_count < 2 || !tni_attr_int(n, "panel", 0)) return false;
  const tni_gvalue *x = &f->g->values[value], *w = &f->g->values[n->inputs[1]];
  for (uint32_t k = 1; k < n->input_count; k++)
    if (n->inputs[k] == value) return false;
  if (x->type != TN_F32 || w->type != TN_F32 || !w->data) return false;
  if (strcmp(n->op->name, "matmul") == 0) return true;
  return strcmp(n->op->name, "conv") == 0 && x->rank == 3 && tni_attr_int(n, "group", 1) == 1 && w->shape[2] == 1 &&
         f->g->values[n->outputs[0]].shape[1] == x->shape[1];
}

/* To the group of its only reader, if that is a later one: a pointwise one of its shape, or one that takes its rows. */
static void sink(tni_ggroups *f, uint32_t node) {
  uint32_t value = f->g->nodes[node].outputs[0], reader = only_reader(f, value);
  if (reader == NO_GROUP || f->group_of[reader] <= f->group_of[node]) return;
  tni_ggroup *to = &f->groups[f->group_of[reader]];
  bool suits = is_pointwise(f, reader) ? same_shape(f->g, value, f->g->nodes[reader].outputs[0]) : takes_rows(f, reader, value);
  if (to->closed || to->count == MAX_GROUP || !suits) return;
  f->groups[f->group_of[node]].count--;
  f->group_of[node] = f->group_of[reader];
  to->count++;
}

static void sink_loose_nodes(tni_ggroups *f) {
  for (uint32_t i = 0; i < f->g->node_count; i++) find_loose(f, i);
  for (uint32_t i = f->g->node_count; i-- > 0;)
    if (f->loose[i]) sink(f, i);
}

/* ---- groups that go to the product that takes what they make --------------------------------------------------- */

/* The node becomes the last one of its group's list. */
static void append(tni_ggroups *f, uint32_t node) {
  tni_ggroup *p = &f->groups[f->group_of[node]];
  if (p->head == NO_GROUP)
    p->head = node;
  else
    f->next[p->last] = node;
  p->last = node;
  f->next[node] = NO_GROUP;
}

static void list_members(tni_ggroups *f) {
  for (uint32_t i = 0; i < f->group_count; i++) f->groups[i].head = NO_GROUP;
  for (uint32_t i = 0; i < f->g->node_count; i++)
    if (is_member(f, i)) append(f, i);
}

/* Does the group make the value, and nothing else that anybody outside of it reads? */
static bool makes_only(const tni_ggroups *f, uint32_t group, uint32_t value) {
  for (uint32_t i = f->groups[group].head; i != NO_GROUP; i = f->next[i]) {
    const tni_gnode *n = &f->g->nodes[i];
    for (uint32_t k = 0; k < n->output_count; k++)
      if (n->outputs[k] != TNI_NO_VALUE && n->outputs[k] != value && leaves_group(f, n->outputs[k])) return false;
  }
  return true;
}

static void move_group(tni_ggroups *f, uint32_t from, uint32_t to) {
  for (uint32_t i = f->groups[from].head, next; i != NO_GROUP; i = next) {
    next = f->next[i];
    f->group_of[i] = to;
    append(f, i);
  }
  f->groups[from].head = NO_GROUP;
  f->groups[to].count += f->groups[from].count;
  f->groups[from].count = 0;
}

/* The group that makes the value goes to that of its only reader. */
static bool send_maker(tni_ggroups *f, uint32_t value, uint32_t reader, uint32_t to) {
  uint32_t maker = f->maker[value];
  if (maker == NO_GROUP || !is_member(f, maker) || only_reader(f, value) != reader) return false;
  uint32_t from = f->group_of[maker];
  if (from >= to || f->groups[from].closed || f->groups[to].closed || !makes_only(f, from, value)) return false;
  if (f->groups[from].count + f->groups[to].count > MAX_GROUP - MOST_VIEWS) return false;
  move_group(f, from, to);
  return true;
}

static bool is_small(const tni_ggroups *f, uint32_t value) { return tni_gvalue_numel(&f->g->values[value]) <= MOST_SMALL; }

/* The still reshapes between the node's first input and who makes that, each for the next one alone: no more than `most`. */
static uint32_t views_before(const tni_ggroups *f, uint32_t node, uint32_t *views, uint32_t most) {
  uint32_t count = 0, reader = node;
  for (uint32_t value = f->g->nodes[node].inputs[0]; count < most; value = f->g->nodes[reader].inputs[0]) {
    uint32_t view = f->maker[value];
    if (view == NO_GROUP || !f->places.still[view] || !f->g->nodes[view].op) break;
    if (strcmp(f->g->nodes[view].op->name, "reshape") != 0 || only_reader(f, value) != reader) break;
    views[count++] = reader = view;
  }
  return count;
}

/* Is it a mean or the like of rows that lie behind each other? One along memory is made in parts, row by row, and stays
 * alone. */
static bool is_mean_of_rows(const tni_ggroups *f, const tni_gnode *n) {
  if (!n->op || strncmp(n->op->name, "reduce_", 7) != 0) return false;
  const tni_gvalue *x = &f->g->values[n->inputs[0]], *y = &f->g->values[n->outputs[0]];
  return x->rank > 0 && y->rank > 0 && x->shape[x->rank - 1] > 1 && y->shape[y->rank - 1] == x->shape[x->rank - 1];
}

static bool has_mean(const tni_ggroups *f, uint32_t group) {
  for (uint32_t i = f->groups[group].head; i != NO_GROUP; i = f->next[i])
    if (is_mean_of_rows(f, &f->g->nodes[i])) return true;
  return false;
}

/* A product of few numbers has these made before it, where a mean of something larger is among what makes them: a layer
 * behind a picture. Reshapes between are other subscripts. */
static void take_small(tni_ggroups *f, uint32_t node) {
  const tni_gnode *n = &f->g->nodes[node];
  uint32_t views[MOST_VIEWS], to = f->group_of[node];
  if (strcmp(n->op->name, "conv") != 0 && strcmp(n->op->name, "matmul") != 0) return;
  if (!is_small(f, n->inputs[0]) || !is_small(f, n->outputs[0])) return;
  uint32_t count = views_before(f, node, views, MOST_VIEWS), reader = count ? views[count - 1] : node;
  uint32_t value = f->g->nodes[reader].inputs[0], maker = f->maker[value];
  if (maker == NO_GROUP || !is_member(f, maker) || !f->g->nodes[maker].op) return;
  if (!has_mean(f, f->group_of[maker])) return;
  if (!send_maker(f, value, reader, to)) return;
  for (uint32_t i = 0; i < count; i++) {
    f->places.still[views[i]] = false;
    f->group_of[views[i]] = to;
    f->groups[to].count++;
    append(f, views[i]);
  }
}

/* A convolution that is chained has its picture made where it takes it. */
static void take_makers(tni_ggroups *f) {
  list_members(f);
  for (uint32_t i = 0; i < f->g->node_count; i++) {
    const tni_gnode *n = &f->g->nodes[i];
    if (!is_member(f, i) || !n->op) continue;
    if (tni_attr_int(n, "chained", 0))
      send_maker(f, n->inputs[0], i, f->group_of[i]);
    else
      take_small(f, i);
  }
}

/* ---- pieces of groups ------------------------------------------------------------------------------------------ */

/* Is the value used by anybody but nodes[first .. end) of the group? */
static bool escapes(const tni_ggroups *f, uint32_t value, const uint32_t *nodes, uint32_t count) {
  if (is_output(f, value)) return true;
  for (uint32_t i = f->maker[value] + 1; i <= f->last_use[value] && i < f->g->node_count; i++) {
    const tni_gnode *n = &f->g->nodes[i];
    bool own = false;
    if (!f->live[i]) continue;
    for (uint32_t k = 0; k < count && !own; k++) own = nodes[k] == i;
    if (!own && reads(n, value)) return true;
  }
  return false;
}

uint32_t tni_group_piece(const tni_ggroups *f, const uint32_t *nodes, uint32_t count) {
  for (uint32_t n = count; n > 1; n--) {
    bool clean = true;
    for (uint32_t i = 0; i + 1 < n && clean; i++) clean = !escapes(f, f->g->nodes[nodes[i]].outputs[0], nodes, n);
    if (clean) return n;
  }
  return 1;
}

/* ---- all of them -------------------------------------------------------------------------------------------------- */

static void collect_members(tni_ggroups *f) {
  uint32_t at = 0;
  for (uint32_t i = 0; i < f->group_count; i++) {
    f->groups[i].first = at;
    at += f->groups[i].count;
    f->groups[i].count = 0;
  }
  for (uint32_t i = 0; i < f->g->node_count; i++)
    if (is_member(f, i)) {
      tni_ggroup *p = &f->groups[f->group_of[i]];
      f->members[p->first + p->count++] = i;
    }
}

static bool allocate(tni_ggroups *f, tni_arena *arena) {
  const tn_graph *g = f->g;
  f->live = TNI_NEW_ARRAY(arena, bool, g->node_count);
  f->group_of = TNI_NEW_ARRAY(arena, uint32_t, g->node_count);
  f->next = TNI_NEW_ARRAY(arena, uint32_t, g->node_count);
  f->maker = TNI_NEW_ARRAY(arena, uint32_t, g->value_count);
  f->last_use = TNI_NEW_ARRAY(arena, uint32_t, g->value_count);
  f->loose = TNI_NEW_ARRAY(arena, bool, g->node_count);
  f->groups = TNI_NEW_ARRAY(arena, tni_ggroup, g->node_count);
  f->members = TNI_NEW_ARRAY(arena, uint32_t, g->node_count);
  return tni_graph_place(g, arena, &f->places) && !arena->failed;
}

static void index_values(tni_ggroups *f) {
  const tn_graph *g = f->g;
  memset(f->maker, 0xff, g->value_count * sizeof *f->maker);
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    f->group_of[i] = NO_GROUP;
    for (uint32_t k = 0; k < n->output_count; k++)
      if (n->outputs[k] != TNI_NO_VALUE) f->maker[n->outputs[k]] = i;
    for (uint32_t k = 0; k < n->input_count; k++)
      if (n->inputs[k] != TNI_NO_VALUE) f->last_use[n->inputs[k]] = i;
  }
}

bool tni_graph_group(const tn_graph *g, tni_arena *arena, tni_ggroups *out) {
  *out = (tni_ggroups){.g = g};
  uint32_t *scratch = TNI_NEW_ARRAY(arena, uint32_t, g->value_count);
  if (!scratch || !allocate(out, arena)) return false;
  index_values(out);
  tni_graph_live_nodes(g, scratch, out->live);
  for (uint32_t i = 0; i < g->node_count; i++)
    if (out->live[i]) place_node(out, i);
  sink_loose_nodes(out);
  take_makers(out);
  collect_members(out);
  return true;
}
