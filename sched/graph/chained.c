/* chained.c -- which convolutions of one tap take what a window makes, row by row of the picture.
 *
 *     y = conv(x, v) {group = c};  z = clip(y);  out = conv(z, w)   one tap
 *
 * A window of channels by themselves (a depthwise convolution, a pool), what is pointwise behind it, and the product that
 * alone reads that are one function then, in which the picture between is never whole (default/chain.c). Where that cannot make it
 * so in the end, the function makes the whole picture, as right, a little slower.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default/default.h"

enum { MOST_NODES = 12 };

typedef struct chain {
  const tn_graph *g;
  const uint32_t *maker;
  uint32_t count, nodes[MOST_NODES]; /* from the last one on */
  uint32_t window;                   /* TNI_NO_VALUE: not met yet */
} chain;

/* Does it make each channel from a window of that channel, last in memory? */
static bool is_window(const tn_graph *g, const tni_gnode *n) {
  if (!n->op || n->output_count != 1 || !tni_attr_int(n, "channels_last", 0)) return false;
  if (strcmp(n->op->name, "max_pool") == 0 || strcmp(n->op->name, "average_pool") == 0) return true;
  if (strcmp(n->op->name, "conv") != 0) return false;
  const tni_gvalue *out = &g->values[n->outputs[0]], *w = &g->values[n->inputs[1]];
  int64_t group = tni_attr_int(n, "group", 1);
  int32_t last = out->rank - 1;
  return group > 1 && w->data && out->shape[last] == group && g->values[n->inputs[0]].shape[last] == group;
}

static bool is_met(const chain *c, uint32_t node) {
  for (uint32_t i = 0; i < c->count; i++)
    if (c->nodes[i] == node) return true;
  return false;
}

static bool same_shape(const tni_gvalue *a, const tni_gvalue *b) {
  return a->rank == b->rank && memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->rank) == 0;
}

/* The node that makes the value, and all those between it and the window; false: somebody else makes a part of it. */
static bool add_maker(chain *c, uint32_t value, const tni_gvalue *like) {
  uint32_t node = c->maker[value];
  if (node == TNI_NO_VALUE) return false;
  if (is_met(c, node)) return true;
  if (c->count == MOST_NODES) return false;
  const tni_gnode *n = &c->g->nodes[node];
  bool pointwise = n->op && n->op->kind == TNI_GOP_ELEMENTWISE && n->output_count == 1;
  if (!same_shape(&c->g->values[value], like)) return false;
  if (!pointwise && (c->window != TNI_NO_VALUE || !is_window(c->g, n))) return false;
  c->nodes[c->count++] = node;
  if (!pointwise) c->window = node;
  return true;
}

static bool find_chain(chain *c, uint32_t value) {
  const tni_gvalue *like = &c->g->values[value];
  if (!add_maker(c, value, like)) return false;
  for (uint32_t i = 0; i < c->count; i++) {
    const tni_gnode *n = &c->g->nodes[c->nodes[i]];
    if (c->nodes[i] == c->window) continue;
    for (uint32_t k = 0; k < n->input_count; k++) {
      uint32_t input = n->inputs[k];
      if (input != TNI_NO_VALUE && !c->g->values[input].data && !add_maker(c, input, like)) return false;
    }
  }
  return c->window != TNI_NO_VALUE;
}

/* Does nobody but the chain itself read what is made in it, and the value once more, who takes it? */
static bool is_alone(const chain *c, const uint32_t *readers, uint32_t value) {
  for (uint32_t i = 0; i < c->count; i++) {
    uint32_t made = c->g->nodes[c->nodes[i]].outputs[0], inside = made == value;
    for (uint32_t k = 0; k < c->count; k++) {
      const tni_gnode *n = &c->g->nodes[c->nodes[k]];
      for (uint32_t m = 0; m < n->input_count; m++) inside += n->inputs[m] == made;
    }
    if (inside != readers[made]) return false;
  }
  return true;
}

bool tni_is_chained(const tn_graph *g, const tni_gnode *conv, const uint32_t *maker, const uint32_t *readers,
                    const tn_target *target) {
  chain c = {.g = g, .maker = maker, .window = TNI_NO_VALUE};
  const tni_gvalue *x = &g->values[conv->inputs[0]], *w = &g->values[conv->inputs[1]];
  if (x->rank != 4 || x->type != TN_F32 || w->type != TN_F32 || !w->data) return false;
  if (!tni_attr_int(conv, "channels_last", 0) || tni_attr_int(conv, "group", 1) != 1) return false;
  if (!tni_chain_rows(target, x->type, x->shape)) return false;
  return find_chain(&c, conv->inputs[0]) && is_alone(&c, readers, conv->inputs[0]);
}
