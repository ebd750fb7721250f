/* print.c -- graphs as text (see LANGUAGE.md). Parsing the text gives the same graph.
 *
 *     graph main(x: f32[1, 16, 8, 8]) -> (y) {
 *       const w: f32[16, 16, 3, 3] = blob(0, 0x0b8ff1a1...)
 *       c: f32[1, 16, 8, 8] = conv(x, w) {pads = [1, 1, 1, 1]} as "conv/1"
 *       y: f32[1, 16, 8, 8] = relu(c)
 *     }
 *
 * Constants that no node and no output uses are left out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_text.h"

typedef struct gprinter {
  tni_text *out;
  const tn_graph *g;
  tni_blob_layout *layout;
  bool canonical;    /* values are v0, v1, ... in print order; nodes and the graph have no name */
  uint32_t *numbers; /* per value: 0 is unused; canonical: its number + 1 */
  uint32_t count;
} gprinter;

uint32_t *tni_graph_used_values(const tn_graph *g) {
  uint32_t *used = tni_alloc_zero(g->program->ctx, (g->value_count + (size_t)1) * sizeof *used);
  if (!used) return NULL;
  for (uint32_t i = 0; i < g->output_count; i++) used[g->outputs[i]] = 1;
  for (uint32_t i = 0; i < g->node_count; i++)
    for (uint32_t k = 0; k < g->nodes[i].input_count; k++)
      if (g->nodes[i].inputs[k] != TNI_NO_VALUE) used[g->nodes[i].inputs[k]] = 1;
  return used;
}

static void print_hash(tni_text *out, tni_hash hash) {
  tni_text_add(out, "0x%016llx%016llx", (unsigned long long)hash.high, (unsigned long long)hash.low);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* At the beginning of a line `const` is a word, as an argument `_` is none. */
static void print_value_name(tni_text *out, const char *name) {
  if (strcmp(name, "_") == 0 || strcmp(name, "const") == 0)
    tni_text_add(out, "\"%s\"", name);
  else
    tni_print_name(out, name);
}

static void print_value(gprinter *p, uint32_t v) {
  if (v == TNI_NO_VALUE)
    tni_text_add(p->out, "_");
  else if (p->canonical)
    tni_text_add(p->out, "v%u", p->numbers[v] - 1);
  else
    print_value_name(p->out, p->g->values[v].name);
}

static void print_typed(gprinter *p, uint32_t v) {
  const tni_gvalue *value = &p->g->values[v];
  print_value(p, v);
  tni_text_add(p->out, ": ");
  tni_shape_text(p->out, value->type, value->rank, value->shape);
}

static void print_contents(gprinter *p, const tni_gvalue *value) {
  int64_t n = tni_gvalue_numel(value);
  if (tni_is_shown(value)) {
    for (int64_t i = 0; i < n; i++) {
      tni_text_add(p->out, i ? ", " : "[");
      tni_print_scalar(p->out, value->type, tni_read_element(value->type, value->data, i));
    }
    tni_text_add(p->out, n ? "]" : "[]");
    return;
  }
  const tni_blob_part *part = tni_blob_layout_add(p->layout, value);
  if (!part) {
    p->out->failed = true;
    return;
  }
  tni_text_add(p->out, "blob(");
  if (!p->canonical) tni_text_add(p->out, "%llu, ", (unsigned long long)part->offset);
  print_hash(p->out, p->layout->bare ? (tni_hash){0, 0} : part->hash);
  tni_text_add(p->out, ")");
}

static void print_const(gprinter *p, uint32_t v) {
  tni_text_add(p->out, "  const ");
  print_typed(p, v);
  tni_text_add(p->out, " = ");
  print_contents(p, &p->g->values[v]);
  tni_text_add(p->out, "\n");
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* A number without a type is an f32, as in ONNX; what is none says so. */
static void print_float(tni_text *out, double value) {
  bool is_single = tni_round_to(TN_F32, value) == value || value != value;
  tni_print_scalar(out, is_single ? TN_F32 : TN_F64, (tni_scalar){.f = value});
  if (!is_single) tni_text_add(out, ":f64");
}

static void print_attr(tni_text *out, const tni_attr *a) {
  tni_text_add(out, "%s = ", a->name);
  switch (a->kind) {
  case TNI_ATTR_INT: tni_text_add(out, "%lld", (long long)a->i); break;
  case TNI_ATTR_FLOAT: print_float(out, a->f); break;
  case TNI_ATTR_STRING: tni_print_quoted(out, a->string); break;
  case TNI_ATTR_INTS:
  case TNI_ATTR_FLOATS:
    tni_text_add(out, "[");
    for (int32_t i = 0; i < a->count; i++) {
      tni_text_add(out, i ? ", " : "");
      if (a->kind == TNI_ATTR_INTS)
        tni_text_add(out, "%lld", (long long)a->ints[i]);
      else
        print_float(out, a->floats[i]);
    }
    tni_text_add(out, "]");
    break;
  }
}

static void print_callee(gprinter *p, const tni_gnode *n) {
  uint64_t hash[2];
  if (n->op) {
    tni_text_add(p->out, "%s", n->op->name);
    return;
  }
  tni_text_add(p->out, "call ");
  if (!p->canonical)
    tni_print_name(p->out, n->call->name);
  else if (tn_func_hash(n->call, hash, NULL) == TN_OK)
    print_hash(p->out, (tni_hash){hash[0], hash[1]});
  else
    p->out->failed = true;
}

/* A node is called like its first result unless it says so. */
static void print_node_name(gprinter *p, const tni_gnode *n) {
  if (p->canonical || (n->output_count && strcmp(n->name, p->g->values[n->outputs[0]].name) == 0)) return;
  tni_text_add(p->out, " as ");
  tni_print_name(p->out, n->name);
}

static void print_node(gprinter *p, const tni_gnode *n) {
  tni_text_add(p->out, "  ");
  for (uint32_t i = 0; i < n->output_count; i++) {
    tni_text_add(p->out, i ? ", " : "");
    print_typed(p, n->outputs[i]);
  }
  tni_text_add(p->out, " = ");
  print_callee(p, n);
  tni_text_add(p->out, "(");
  for (uint32_t i = 0; i < n->input_count; i++) {
    tni_text_add(p->out, i ? ", " : "");
    print_value(p, n->inputs[i]);
  }
  tni_text_add(p->out, ")");
  for (uint32_t i = 0; i < n->attr_count; i++) {
    tni_text_add(p->out, i ? ", " : " {");
    print_attr(p->out, &n->attrs[i]);
  }
  tni_text_add(p->out, n->attr_count ? "}" : "");
  print_node_name(p, n);
  tni_text_add(p->out, "\n");
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static void number(gprinter *p, uint32_t v) { p->numbers[v] = ++p->count; }

/* In print order, of the values that will be printed. */
static void number_values(gprinter *p) {
  const tn_graph *g = p->g;
  for (uint32_t i = 0; i < g->input_count; i++) number(p, g->inputs[i]);
  for (uint32_t i = 0; i < g->value_count; i++)
    if (p->numbers[i] && g->values[i].data) number(p, i);
  for (uint32_t i = 0; i < g->node_count; i++)
    for (uint32_t k = 0; k < g->nodes[i].output_count; k++) number(p, g->nodes[i].outputs[k]);
}

static void print_graph(gprinter *p) {
  const tn_graph *g = p->g;
  tni_text_add(p->out, "graph ");
  tni_print_name(p->out, p->canonical ? "_" : g->name);
  tni_text_add(p->out, "(");
  for (uint32_t i = 0; i < g->input_count; i++) {
    tni_text_add(p->out, i ? ", " : "");
    print_typed(p, g->inputs[i]);
  }
  tni_text_add(p->out, ") -> (");
  for (uint32_t i = 0; i < g->output_count; i++) {
    tni_text_add(p->out, i ? ", " : "");
    print_value(p, g->outputs[i]);
  }
  tni_text_add(p->out, ") {\n");
  for (uint32_t i = 0; i < g->value_count; i++)
    if (p->numbers[i] && g->values[i].data) print_const(p, i);
  for (uint32_t i = 0; i < g->node_count; i++) print_node(p, &g->nodes[i]);
  tni_text_add(p->out, "}\n");
}

void tni_print_graph(tni_text *out, const tn_graph *g, tni_blob_layout *layout, bool canonical) {
  gprinter p = {.out = out, .g = g, .layout = layout, .canonical = canonical, .numbers = tni_graph_used_values(g)};
  if (p.numbers) {
    if (canonical) number_values(&p);
    print_graph(&p);
  }
  out->failed |= !p.numbers;
  tni_free(g->program->ctx, p.numbers, (g->value_count + (size_t)1) * sizeof *p.numbers);
}

void tni_graph_print(tni_text *out, const tn_graph *g) {
  tni_blob_layout layout;
  tni_blob_layout_init(&layout, out->ctx);
  tni_print_graph(out, g, &layout, false);
  tni_blob_layout_destroy(&layout);
}
