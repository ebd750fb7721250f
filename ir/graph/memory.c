/* memory.c -- the plan of a fused graph: a step per call, and where every value lies.
 *
 * Values that lie in another (place.c) are parts of its buffer. One that lies by itself lies in the first output of the graph
 * that shows all of it, else in the arena. In the arena, values are placed from the biggest to the smallest, each in the tightest gap between
 * those that are alive at the same time. Other outputs (an input, a constant, a value shown twice) are copied at the
 * end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "graph.h"

enum { ALIGN = 64, NOTHING = 0xffffffffu };

typedef struct planner {
  const tn_graph *g;
  tn_context *ctx;
  tni_arena *arena;
  tni_plan *plan;
  tn_error **err;
  tni_gplaces places;
  bool *made;             /* per value: a node makes it */
  uint32_t *shown;        /* per value: what it is a view of, or itself */
  uint32_t *buffer;       /* per value that is no view: its buffer, or NOTHING */
  uint32_t *first, *last; /* per value that others lie in: the steps during which it is alive */
  tni_plan_buffer *buffers;
  tni_plan_step *steps;
  uint32_t *args;
  const void **constants;
} planner;

static bool is_view(const tni_gnode *n) { return n->op && n->op->kind == TNI_GOP_VIEW; }

static uint64_t bytes_of(const tni_gvalue *v) { return tn_array_bytes(v->type, tni_gvalue_numel(v)); }

static bool allocate(planner *p) {
  const tn_graph *g = p->g;
  size_t args = 0;
  for (uint32_t i = 0; i < g->node_count; i++) args += g->nodes[i].input_count + g->nodes[i].output_count;
  p->made = TNI_NEW_ARRAY(p->arena, bool, g->value_count);
  p->shown = TNI_NEW_ARRAY(p->arena, uint32_t, g->value_count);
  p->buffer = TNI_NEW_ARRAY(p->arena, uint32_t, g->value_count);
  p->first = TNI_NEW_ARRAY(p->arena, uint32_t, g->value_count);
  p->last = TNI_NEW_ARRAY(p->arena, uint32_t, g->value_count);
  p->buffers = TNI_NEW_ARRAY(p->arena, tni_plan_buffer, (size_t)g->value_count + g->output_count);
  p->steps = TNI_NEW_ARRAY(p->arena, tni_plan_step, (size_t)g->node_count + g->output_count);
  p->args = TNI_NEW_ARRAY(p->arena, uint32_t, args + 2 * (size_t)g->output_count);
  p->constants = TNI_NEW_ARRAY(p->arena, const void *, g->value_count);
  return !p->arena->failed;
}

static tn_status check_node(const planner *p, const tni_gnode *n, bool still) {
  if (n->op && !still)
    return tni_fail(p->ctx, p->err, TN_E_INVALID, "graph", n->name, "the graph is not fused: %s is an operator",
                    n->op->name);
  for (uint32_t k = 0; n->call && k < n->input_count + n->output_count; k++)
    if (!tni_place_suits(p->g, &p->places, n, k))
      return tni_fail(p->ctx, p->err, TN_E_INVALID, "graph", n->name,
                      "parameter %u of `%s` has other strides than the value has where it lies", k + 1, n->call->name);
  return TN_OK;
}

/* Where everything lies, who makes what, and what is a view of what. */
static tn_status find_places(planner *p) {
  const tn_graph *g = p->g;
  if (!tni_graph_place(g, p->arena, &p->places)) return tni_fail_nomem(p->err);
  for (uint32_t i = 0; i < g->value_count; i++) {
    p->buffer[i] = p->first[i] = NOTHING;
    p->made[i] = false;
    p->shown[i] = i;
  }
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    tn_status status = check_node(p, n, p->places.still[i]);
    if (status != TN_OK) return status;
    for (uint32_t k = 0; k < n->output_count; k++) p->made[n->outputs[k]] = true;
    if (is_view(n)) p->shown[n->outputs[0]] = p->shown[n->inputs[0]];
  }
  return TN_OK;
}

static uint32_t add_buffer(planner *p, enum tni_plan_kind kind, uint32_t index, uint64_t bytes) {
  p->buffers[p->plan->buffer_count] = (tni_plan_buffer){.kind = kind, .index = index, .bytes = bytes};
  return p->plan->buffer_count++;
}

/* The buffer of a value that lies by itself; made when first asked for. Those that nodes make are in the arena unless an
 * output claimed them. */
static uint32_t whole_buffer(planner *p, uint32_t value) {
  const tni_gvalue *v = &p->g->values[value];
  if (p->buffer[value] != NOTHING) return p->buffer[value];
  if (v->data) {
    p->constants[p->plan->const_count] = v->data;
    return p->buffer[value] = add_buffer(p, TNI_PLAN_CONST, p->plan->const_count++, bytes_of(v));
  }
  return p->buffer[value] = add_buffer(p, TNI_PLAN_ARENA, 0, bytes_of(v));
}

static uint32_t buffer_of(planner *p, uint32_t value) {
  const tni_gplace *place = &p->places.of[value];
  const tni_gvalue *v = &p->g->values[value];
  uint32_t shown = p->shown[value], whole = whole_buffer(p, place->root);
  if (tni_place_is_whole(p->g, &p->places, value)) return whole;
  if (p->buffer[shown] != NOTHING) return p->buffer[shown];
  uint64_t size = tn_type_bytes(v->type), span = (uint64_t)tni_span(v->rank, v->shape, place->strides);
  p->buffer[shown] = add_buffer(p, TNI_PLAN_PART, whole, span * size);
  p->buffers[p->buffer[shown]].offset = (uint64_t)place->offset * size;
  return p->buffer[shown];
}

static void place_inputs_and_outputs(planner *p) {
  const tn_graph *g = p->g;
  for (uint32_t i = 0; i < g->input_count; i++)
    p->buffer[g->inputs[i]] = add_buffer(p, TNI_PLAN_INPUT, i, bytes_of(&g->values[g->inputs[i]]));
  for (uint32_t i = 0; i < g->output_count; i++) {
    uint32_t root = p->places.of[g->outputs[i]].root;
    if (p->made[root] && p->buffer[root] == NOTHING && tni_place_is_whole(g, &p->places, g->outputs[i]))
      p->buffer[root] = add_buffer(p, TNI_PLAN_OUTPUT, i, bytes_of(&g->values[root]));
  }
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

/* Kernels are numbered as the functions of the program; a schedule may have replaced one under the same name. */
static uint32_t kernel_number(const planner *p, const tn_func *func) {
  const tn_program *program = p->g->program;
  for (size_t i = 0; i < program->func_count; i++)
    if (program->funcs[i] == func) return (uint32_t)i;
  for (size_t i = 0; i < program->func_count; i++)
    if (strcmp(program->funcs[i]->name, func->name) == 0) return (uint32_t)i;
  return NOTHING;
}

static void add_arg(planner *p, uint32_t value) {
  uint32_t root = p->places.of[value].root, step = p->plan->step_count;
  p->args[p->plan->arg_count++] = buffer_of(p, value);
  if (p->first[root] == NOTHING) p->first[root] = step;
  p->last[root] = step;
}

static tn_status add_steps(planner *p) {
  for (uint32_t i = 0; i < p->g->node_count; i++) {
    const tni_gnode *n = &p->g->nodes[i];
    if (!n->call) continue;
    tni_plan_step *s = &p->steps[p->plan->step_count];
    *s = (tni_plan_step){kernel_number(p, n->call), n->input_count + n->output_count, p->plan->arg_count};
    if (s->kernel == NOTHING)
      return tni_fail(p->ctx, p->err, TN_E_INVALID, "graph", n->name, "the program has no function `%s`",
                      n->call->name);
    for (uint32_t k = 0; k < n->input_count; k++) add_arg(p, n->inputs[k]);
    for (uint32_t k = 0; k < n->output_count; k++) add_arg(p, n->outputs[k]);
    p->plan->step_count++;
  }
  return TN_OK;
}

/* Outputs that no call writes in place. */
static void add_copies(planner *p) {
  for (uint32_t i = 0; i < p->g->output_count; i++) {
    uint32_t value = p->g->outputs[i], from = buffer_of(p, value);
    if (p->buffers[from].kind == TNI_PLAN_OUTPUT && p->buffers[from].index == i) continue;
    p->steps[p->plan->step_count] = (tni_plan_step){TNI_PLAN_COPY, 2, p->plan->arg_count};
    p->args[p->plan->arg_count++] = add_buffer(p, TNI_PLAN_OUTPUT, i, bytes_of(&p->g->values[value]));
    add_arg(p, value);
    p->plan->step_count++;
  }
}

/* ---- the arena ------------------------------------------------------------------------------------------------- */

typedef struct slot {
  uint64_t bytes, offset;
  uint32_t root;
} slot;

static int bigger_first(const void *a, const void *b) {
  const slot *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x->root < y->root ? -1 : x->root > y->root;
}

static bool alive_together(const planner *p, uint32_t a, uint32_t b) {
  return p->first[a] <= p->last[b] && p->first[b] <= p->last[a];
}

/* The tightest gap for `s` between the slots in its way, which are sorted by offset. */
static uint64_t best_gap(const slot *s, slot *const *taken, size_t count) {
  uint64_t end = 0, best = UINT64_MAX, best_size = UINT64_MAX;
  for (size_t i = 0; i < count; i++) {
    if (taken[i]->offset >= end + s->bytes && taken[i]->offset - end < best_size) {
      best = end;
      best_size = taken[i]->offset - end;
    }
    if (taken[i]->offset + taken[i]->bytes > end) end = taken[i]->offset + taken[i]->bytes;
  }
  return best == UINT64_MAX ? end : best;
}

/* Keeps by_offset[0 .. count) sorted. */
static void insert_slot(slot **by_offset, size_t count, slot *s) {
  while (count > 0 && by_offset[count - 1]->offset > s->offset) {
    by_offset[count] = by_offset[count - 1];
    count--;
  }
  by_offset[count] = s;
}

static tn_status place_arena(planner *p) {
  size_t count = 0;
  slot *slots = TNI_NEW_ARRAY(p->arena, slot, p->g->value_count);
  slot **by_offset = TNI_NEW_ARRAY(p->arena, slot *, p->g->value_count);
  slot **taken = TNI_NEW_ARRAY(p->arena, slot *, p->g->value_count);
  if (p->arena->failed) return tni_fail_nomem(p->err);
  for (uint32_t i = 0; i < p->g->value_count; i++) {
    if (p->buffer[i] == NOTHING || p->buffers[p->buffer[i]].kind != TNI_PLAN_ARENA) continue;
    uint64_t bytes = (p->buffers[p->buffer[i]].bytes + ALIGN - 1) / ALIGN * ALIGN;
    slots[count++] = (slot){.bytes = bytes, .root = i};
  }
  qsort(slots, count, sizeof *slots, bigger_first);
  for (size_t i = 0; i < count; i++) {
    size_t in_way = 0;
    for (size_t k = 0; k < i; k++)
      if (alive_together(p, slots[i].root, by_offset[k]->root)) taken[in_way++] = by_offset[k];
    slots[i].offset = best_gap(&slots[i], taken, in_way);
    insert_slot(by_offset, i, &slots[i]);
    p->buffers[p->buffer[slots[i].root]].offset = slots[i].offset;
    uint64_t end = slots[i].offset + slots[i].bytes;
    if (end > p->plan->arena_bytes) p->plan->arena_bytes = end;
    if (end > p->ctx->limits.total_bytes)
      return tni_fail(p->ctx, p->err, TN_E_LIMIT, "graph", p->g->name, "intermediates are over tn_limits.total_bytes");
  }
  return TN_OK;
}

tn_status tni_graph_plan(const tn_graph *g, tni_arena *arena, tni_plan *out, const void ***constants, tn_error **err) {
  planner p = {.g = g, .ctx = arena->ctx, .arena = arena, .plan = out, .err = err};
  *out = (tni_plan){.input_count = g->input_count, .output_count = g->output_count};
  *constants = NULL;
  if (err) *err = NULL;
  if (!allocate(&p)) return tni_fail_nomem(err);
  tn_status status = find_places(&p);
  if (status == TN_OK) {
    place_inputs_and_outputs(&p);
    status = add_steps(&p);
  }
  if (status == TN_OK) {
    add_copies(&p);
    status = place_arena(&p);
  }
  out->buffers = p.buffers;
  out->steps = p.steps;
  out->args = p.args;
  *constants = p.constants;
  return status;
}
