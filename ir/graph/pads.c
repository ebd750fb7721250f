/* pads.c -- borders of zeros that a window can have itself.
 *
 *     p = pad(x) {pads, value = 0};  y = conv(p, w) {pads}           ->   y = conv(x, w) {the sums of both}
 *     p = pad(x) {pads, value = 0};  y = average_pool(p) {no pads}   ->   y = average_pool(x) {pads, count_include_pad = 1}
 *
 * The border is around space alone, not negative, and nobody else reads p. Zeros that are added change no sum.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { MAX_ATTRS = 16, MAX_PADS = 2 * TN_MAX_RANK };

/* ---- what it is -------------------------------------------------------------------------------------------------- */

/* Of a border around space the sizes, first all in front, then all behind. False: it is another one. */
static bool space_pads(const tn_graph *g, const tni_gnode *n, int64_t *out) {
  int32_t count, rank = g->values[n->inputs[0]].rank;
  const int64_t *pads = tni_attr_ints(n, "pads", &count);
  if (strcmp(tni_attr_string(n, "mode", "constant"), "constant") != 0) return false;
  if (!pads || count != 2 * rank || rank < 3 || tni_attr_float(n, "value", 0) != 0) return false;
  for (int32_t i = 0; i < count; i++)
    if (pads[i] < 0 || (i % rank < 2 && pads[i] != 0)) return false;
  for (int32_t i = 0; i < rank - 2; i++) {
    out[i] = pads[i + 2];
    out[rank - 2 + i] = pads[rank + i + 2];
  }
  return true;
}

/* Does the window's own border, if it has one, count as zeros do? */
static bool takes_zeros(const tni_gnode *n) {
  if (strcmp(tni_attr_string(n, "auto_pad", "NOTSET"), "NOTSET") != 0 || tni_attr_int(n, "channels_last", 0)) return false;
  if (strcmp(n->op->name, "conv") == 0) return true;
  if (strcmp(n->op->name, "average_pool") != 0 || tni_attr_int(n, "ceil_mode", 0)) return false;
  int32_t count;
  const int64_t *own = tni_attr_ints(n, "pads", &count);
  bool none = true;
  for (int32_t i = 0; i < count; i++) none &= own[i] == 0;
  return none || tni_attr_int(n, "count_include_pad", 0);
}

/* The border that goes into the window, and its sizes with the window's own. NULL: there is none. */
static const tni_gnode *border_of(const tni_grewriter *p, const tni_gnode *n, int64_t *pads) {
  const tn_graph *g = p->by.g;
  if (!n->op || n->attr_count + 2 > MAX_ATTRS || !takes_zeros(n)) return NULL;
  const tni_gnode *pad = tni_made_by(&p->by, n->inputs[0], "pad");
  if (!pad || p->by.users[n->inputs[0]] != 1 || !tni_type_is_float(g->values[n->inputs[0]].type)) return NULL;
  if (!space_pads(g, pad, pads)) return NULL;
  int32_t count;
  const int64_t *own = tni_attr_ints(n, "pads", &count);
  for (int32_t i = 0; i < count; i++) pads[i] += own[i];
  return pad;
}

/* ---- what becomes of it ------------------------------------------------------------------------------------------ */

static tn_status add_window(tni_grewriter *p, const tni_gnode *n, const tni_gnode *pad, const int64_t *pads, tn_error **err) {
  const tn_graph *g = p->by.g;
  tni_attr attrs[MAX_ATTRS];
  uint32_t count = 0, in[3];
  tn_status status = tni_gcopy_value(&p->c, pad->inputs[0], &in[0], err);
  for (uint32_t i = 1; i < n->input_count && !status; i++) {
    in[i] = TNI_NO_VALUE;
    if (n->inputs[i] != TNI_NO_VALUE) status = tni_gcopy_value(&p->c, n->inputs[i], &in[i], err);
  }
  for (uint32_t i = 0; i < n->attr_count; i++)
    if (strcmp(n->attrs[i].name, "pads") != 0 && strcmp(n->attrs[i].name, "count_include_pad") != 0)
      attrs[count++] = n->attrs[i];
  attrs[count++] = (tni_attr){.name = "pads",
                              .kind = TNI_ATTR_INTS,
                              .ints = pads,
                              .count = 2 * (g->values[n->inputs[0]].rank - 2)};
  if (strcmp(n->op->name, "average_pool") == 0)
    attrs[count++] = (tni_attr){.name = "count_include_pad", .kind = TNI_ATTR_INT, .i = 1};
  if (status) return status;
  return tni_g_node(p->c.b, n->op, n->name, n->input_count, in, count, attrs, 1, &g->values[n->outputs[0]].name,
                    &p->c.map[n->outputs[0]], err);
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

static bool is_one(const tni_grewriter *p, const tni_gnode *n) {
  int64_t pads[MAX_PADS];
  return border_of(p, n, pads) != NULL;
}

static tn_status add(tni_grewriter *p, const tni_gnode *n, tn_error **err) {
  int64_t pads[MAX_PADS];
  const tni_gnode *pad = border_of(p, n, pads);
  return add_window(p, n, pad, pads, err);
}

tn_status tni_graph_pads(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err) {
  return tni_graph_rewrite(g, to, &(tni_grewrite){is_one, add}, out, err);
}
