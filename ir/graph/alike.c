/* alike.c -- what the function of a piece of a graph depends on, as bytes: pieces of the same bytes have the same
 * function, which is known before one is built.
 *
 *     conv(x, w) {..}; relu   ->   "conv", its attributes, inputs: parameter 0, parameter 1; types, shapes, strides ..
 *
 * Values count by where they come from: a parameter, a node of the piece, nowhere, or the contents of an immediate. Pieces of
 * other bytes may still have one function: that only its text tells, if their parameters are of the same shapes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "ops.h"

static void add_shape(tni_text *key, const tni_gvalue *v) {
  tni_text_add(key, " %u %d:", (unsigned)v->type, (int)v->rank);
  tni_text_add_bytes(key, (const char *)v->shape, (size_t)v->rank * sizeof *v->shape);
}

/* A parameter: shape, whether it is a constant, and how it lies. */
static void add_parameter(tni_text *key, const tni_gpiece *p, uint32_t value) {
  const tni_gvalue *v = &p->g->values[value];
  add_shape(key, v);
  tni_text_add(key, v->data ? "w" : "x");
  tni_text_add_bytes(key, (const char *)p->places->of[value].strides, (size_t)v->rank * sizeof *v->shape);
}

/* Where an input comes from. */
static void add_source(tni_text *key, const tni_gpiece *p, uint32_t member, uint32_t value) {
  const tni_gvalue *v = value == TNI_NO_VALUE ? NULL : &p->g->values[value];
  if (!v) {
    tni_text_add(key, " none");
  } else if (tni_is_immediate(p->g->nodes[p->nodes[member]].op, v)) {
    add_shape(key, v);
    tni_text_add_bytes(key, v->data, tn_array_bytes(v->type, 1));
  } else {
    uint32_t i = 0;
    while (i < p->outside_count && p->outside[i] != value) i++;
    if (i < p->outside_count) {
      tni_text_add(key, " p%u", (unsigned)i);
      return;
    }
    i = 0;
    while (i < p->count && p->g->nodes[p->nodes[i]].outputs[0] != value) i++;
    assert(i < p->count);
    tni_text_add(key, " n%u", (unsigned)i);
  }
}

static uint32_t output_of(const tni_gpiece *p) { return p->g->nodes[p->nodes[p->count - 1]].outputs[0]; }

void tni_gpiece_shapes(tni_text *key, const tni_gpiece *p) {
  for (uint32_t i = 0; i < p->outside_count; i++) add_shape(key, &p->g->values[p->outside[i]]);
  add_shape(key, &p->g->values[output_of(p)]);
}

void tni_gpiece_key(tni_text *key, const tni_gpiece *p) {
  for (uint32_t i = 0; i < p->outside_count; i++) add_parameter(key, p, p->outside[i]);
  for (uint32_t i = 0; i < p->count; i++) {
    const tni_gnode *n = &p->g->nodes[p->nodes[i]];
    tni_text_add(key, " %s %u %u", n->op->name, (unsigned)n->attr_count, (unsigned)n->input_count);
    for (uint32_t k = 0; k < n->attr_count; k++) tni_attr_key(key, &n->attrs[k]);
    for (uint32_t k = 0; k < n->input_count; k++) add_source(key, p, i, n->inputs[k]);
    add_shape(key, &p->g->values[n->outputs[0]]);
  }
  add_parameter(key, p, output_of(p));
}
