/* print.c -- a graph as text, for people and tests.
 *
 *     graph main(x: f32[1, 16, 8, 8]) -> (y) {
 *       const w: f32[16, 16, 3, 3]
 *       c: f32[1, 16, 8, 8] = conv(x, w) {pads = [1, 1, 1, 1]}
 *       y: f32[1, 16, 8, 8] = relu(c)
 *     }
 *
 * Calls of tensor functions are printed as `call name(...)`; names that are no identifiers in quotes. Constants that no
 * node and no output uses are left out; the contents of small ones are shown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>

#include "graph.h"

enum { SHOWN_ELEMENTS = 8 };

static bool is_identifier(const char *s) {
  if (!isalpha((unsigned char)*s) && *s != '_') return false;
  for (; *s; s++)
    if (!isalnum((unsigned char)*s) && *s != '_') return false;
  return true;
}

static void print_text(tni_text *out, const char *s) {
  tni_text_add(out, "\"");
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\')
      tni_text_add(out, "\\%c", c);
    else if (c < ' ' || c >= 127)
      tni_text_add(out, "\\x%02x", c);
    else
      tni_text_add(out, "%c", c);
  }
  tni_text_add(out, "\"");
}

static void print_name(tni_text *out, const char *s) {
  if (is_identifier(s))
    tni_text_add(out, "%s", s);
  else
    print_text(out, s);
}

static void print_value(tni_text *out, const tn_graph *g, uint32_t v) {
  if (v == TNI_NO_VALUE)
    tni_text_add(out, "_");
  else
    print_name(out, g->values[v].name);
}

static void print_typed(tni_text *out, const tn_graph *g, uint32_t v) {
  print_value(out, g, v);
  tni_text_add(out, ": ");
  tni_shape_text(out, g->values[v].type, g->values[v].rank, g->values[v].shape);
}

static void print_attr(tni_text *out, const tni_attr *a) {
  tni_text_add(out, "%s = ", a->name);
  switch (a->kind) {
  case TNI_ATTR_INT: tni_text_add(out, "%lld", (long long)a->i); break;
  case TNI_ATTR_FLOAT: tni_text_add(out, "%.9g", a->f); break;
  case TNI_ATTR_STRING: print_text(out, a->string); break;
  case TNI_ATTR_INTS:
  case TNI_ATTR_FLOATS:
    tni_text_add(out, "[");
    for (int32_t i = 0; i < a->count; i++) {
      if (i) tni_text_add(out, ", ");
      if (a->kind == TNI_ATTR_INTS)
        tni_text_add(out, "%lld", (long long)a->ints[i]);
      else
        tni_text_add(out, "%.9g", a->floats[i]);
    }
    tni_text_add(out, "]");
    break;
  }
}

static void print_node(tni_text *out, const tn_graph *g, const tni_gnode *n) {
  tni_text_add(out, "  ");
  for (uint32_t i = 0; i < n->output_count; i++) {
    if (i) tni_text_add(out, ", ");
    print_typed(out, g, n->outputs[i]);
  }
  if (n->op)
    tni_text_add(out, " = %s(", n->op->name);
  else
    tni_text_add(out, " = call %s(", n->call->name);
  for (uint32_t i = 0; i < n->input_count; i++) {
    if (i) tni_text_add(out, ", ");
    print_value(out, g, n->inputs[i]);
  }
  tni_text_add(out, ")");
  for (uint32_t i = 0; i < n->attr_count; i++) {
    tni_text_add(out, i ? ", " : " {");
    print_attr(out, &n->attrs[i]);
  }
  tni_text_add(out, n->attr_count ? "}\n" : "\n");
}

static void print_const(tni_text *out, const tn_graph *g, uint32_t v) {
  const tni_gvalue *value = &g->values[v];
  int64_t n = tni_gvalue_numel(value);
  tni_text_add(out, "  const ");
  print_typed(out, g, v);
  if (n > 0 && n <= SHOWN_ELEMENTS) {
    tni_text_add(out, " =");
    for (int64_t i = 0; i < n; i++) {
      tni_scalar s = tni_read_element(value->type, value->data, i);
      if (tni_type_is_float(value->type))
        tni_text_add(out, " %.9g", s.f);
      else
        tni_text_add(out, " %lld", (long long)s.i);
    }
  }
  tni_text_add(out, "\n");
}

static bool is_used(const tn_graph *g, uint32_t v) {
  for (uint32_t i = 0; i < g->output_count; i++)
    if (g->outputs[i] == v) return true;
  for (uint32_t i = 0; i < g->node_count; i++)
    for (uint32_t k = 0; k < g->nodes[i].input_count; k++)
      if (g->nodes[i].inputs[k] == v) return true;
  return false;
}

void tni_graph_print(tni_text *out, const tn_graph *g) {
  tni_text_add(out, "graph ");
  print_name(out, g->name);
  tni_text_add(out, "(");
  for (uint32_t i = 0; i < g->input_count; i++) {
    if (i) tni_text_add(out, ", ");
    print_typed(out, g, g->inputs[i]);
  }
  tni_text_add(out, ") -> (");
  for (uint32_t i = 0; i < g->output_count; i++) {
    if (i) tni_text_add(out, ", ");
    print_value(out, g, g->outputs[i]);
  }
  tni_text_add(out, ") {\n");
  for (uint32_t i = 0; i < g->value_count; i++)
    if (g->values[i].data && is_used(g, i)) print_const(out, g, i);
  for (uint32_t i = 0; i < g->node_count; i++) print_node(out, g, &g->nodes[i]);
  tni_text_add(out, "}\n");
}
