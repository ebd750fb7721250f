/* fold.c -- constant folding.
 *
 *     y = op(constants...)  ->  y is a constant         by the evaluator; results that are larger than what they are made
 *                                                       of may all together take FOLD_BYTES and some times the constants;
 *                                                       large weights that are only moved wait (moves.c)
 *     y = identity(x)       ->  x                       unless y is an output of the graph; likewise what else gives an
 *                                                       input as it is (same.c)
 *     y = gather(x, number) ->  y = reshape(slice(x))   where rows are long
 *     y = transpose(x)      ->  y = reshape(x)          when only dimensions of 1 change places
 *     y = concat(a, b, c)   ->  y = concat(x, c)        where x = concat(a, b) is there
 *     nodes whose results nobody uses                   go
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph.h"

enum {
  FOLD_BYTES = 256 << 20,
  FOLD_TIMES = 8,
  LEAST_LATE = 1 << 16, /* bytes of what is not moved at once */
  MAX_OUTPUTS = 4,
  RECENT = 16,
  MOST_GIVEN = 3 /* inputs of what gives one as it is */
};

typedef struct folder {
  tni_gcopy copy;
  const tni_evaluator *evaluator;
  uint64_t room; /* bytes that results may still take which are larger than what they are made of */
  const tni_gnode *recent[RECENT]; /* concats that stay, the last ones */
  size_t recent_count;
  tn_error **err;
} folder;

static bool is_output(const tn_graph *g, uint32_t value) {
  for (uint32_t i = 0; i < g->output_count; i++)
    if (g->outputs[i] == value) return true;
  return false;
}

/* ---- what changes nothing -------------------------------------------------------------------------------------- */

/* Of the new values that the node reads the one that it gives as it is; TNI_NO_VALUE: there is none. */
static uint32_t same_value(const folder *f, const tni_gnode *n, const uint32_t *inputs) {
  const tni_gvalue *in[MOST_GIVEN] = {NULL};
  if (!n->op || n->input_count > MOST_GIVEN || n->output_count != 1) return TNI_NO_VALUE;
  for (uint32_t i = 0; i < n->input_count; i++)
    if (inputs[i] != TNI_NO_VALUE) in[i] = tni_g_get(f->copy.b, inputs[i]);
  int32_t i = tni_same_as_input(n, in, &f->copy.from->values[n->outputs[0]]);
  return i < 0 ? TNI_NO_VALUE : inputs[i];
}

static bool is_slice(const folder *f, const tni_gnode *n, const uint32_t *inputs, int64_t *axis, int64_t *at) {
  if (strcmp(n->op->name, "gather") != 0) return false;
  const tni_gvalue *in[] = {tni_g_get(f->copy.b, inputs[0]), tni_g_get(f->copy.b, inputs[1])};
  return tni_is_slice(n, in, axis, at);
}

/* A transpose that keeps the order of all dimensions but those of 1. */
static bool moves_nothing(const tn_graph *g, const tni_gnode *n) {
  const tni_gvalue *x = &g->values[n->inputs[0]];
  int32_t count, last = -1;
  const int64_t *perm = tni_attr_ints(n, "perm", &count);
  if (strcmp(n->op->name, "transpose") != 0) return false;
  for (int32_t i = 0; i < x->rank; i++) {
    int32_t from = perm ? (int32_t)perm[i] : x->rank - 1 - i;
    if (x->shape[from] == 1) continue;
    if (from < last) return false;
    last = from;
  }
  return true;
}

/* ---- what is there already --------------------------------------------------------------------------------------- */

/* Does the concat, of the old graph, join the first of these inputs along the same axis, and not all? */
static bool begins(const folder *f, const tni_gnode *short_one, const tni_gnode *n, const uint32_t *inputs) {
  if (short_one->input_count < 2 || short_one->input_count >= n->input_count) return false;
  if (tni_attr_int(short_one, "axis", 0) != tni_attr_int(n, "axis", 0)) return false;
  for (uint32_t i = 0; i < short_one->input_count; i++)
    if (f->copy.map[short_one->inputs[i]] != inputs[i]) return false;
  return true;
}

/* Of networks that join all that they made so far, layer after layer, each concat begins with the one before. Puts that in
 * the place of the inputs that it is made of; how many inputs there are then. */
static uint32_t take_begun(folder *f, const tni_gnode *n, uint32_t *inputs) {
  const tni_gnode *longest = NULL;
  uint32_t count = n->input_count;
  if (strcmp(n->op->name, "concat") != 0) return count;
  for (size_t i = 0; i < RECENT && i < f->recent_count; i++) {
    const tni_gnode *x = f->recent[i];
    if (begins(f, x, n, inputs) && (!longest || x->input_count > longest->input_count)) longest = x;
  }
  f->recent[f->recent_count++ % RECENT] = n;
  if (!longest) return count;
  uint32_t joined = longest->input_count;
  inputs[0] = f->copy.map[longest->outputs[0]];
  memmove(inputs + 1, inputs + joined, (count - joined) * sizeof *inputs);
  return count - joined + 1;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

/* The node's inputs as values of the new graph; constants are added when first used. */
static tn_status map_inputs(folder *f, const tni_gnode *n, uint32_t *inputs) {
  for (uint32_t i = 0; i < n->input_count; i++) {
    uint32_t old = n->inputs[i];
    inputs[i] = old == TNI_NO_VALUE ? TNI_NO_VALUE : f->copy.map[old];
    if (old == TNI_NO_VALUE || inputs[i] != TNI_NO_VALUE || !f->copy.from->values[old].data) continue;
    tn_status status = tni_gcopy_const(&f->copy, old, &inputs[i], f->err);
    if (status != TN_OK) return status;
  }
  return TN_OK;
}

/* Of an operator's node. Results may be as large as what they are made of (weights are transposed, whatever their
 * size), but little must not become much. */
static bool can_fold(folder *f, const tni_gnode *n, const uint32_t *inputs) {
  uint64_t most = 0, made = 0;
  for (uint32_t i = 0; i < n->input_count; i++) {
    const tni_gvalue *in = inputs[i] == TNI_NO_VALUE ? NULL : tni_g_get(f->copy.b, inputs[i]);
    if (!in) continue;
    if (!in->data) return false;
    size_t bytes = tn_array_bytes(in->type, tni_gvalue_numel(in));
    if (bytes > most) most = bytes;
  }
  for (uint32_t i = 0; i < n->output_count; i++) {
    size_t bytes;
    if (!tni_gvalue_bytes(f->copy.to->ctx, &f->copy.from->values[n->outputs[i]], &bytes)) return false;
    made += bytes;
  }
  if (made <= most) return true;
  if (made > f->room) return false;
  f->room -= made;
  return true;
}

static uint64_t room_for(const tn_graph *g) {
  uint64_t constants = 0;
  for (uint32_t i = 0; i < g->value_count; i++)
    if (g->values[i].data) constants += tn_array_bytes(g->values[i].type, tni_gvalue_numel(&g->values[i]));
  return FOLD_BYTES + FOLD_TIMES * constants;
}

/* A node that is computed, with its results. */
typedef struct folding {
  const tni_gnode *node;
  const tni_gvalue **in;
  tni_gvalue out[MAX_OUTPUTS];
  tni_blob *blobs[MAX_OUTPUTS]; /* the program has the references */
} folding;

/* Memory for one result, which the program keeps. */
static tn_status new_result(folder *f, const tni_gvalue *v, tni_blob **out) {
  size_t bytes = tn_array_bytes(v->type, tni_gvalue_numel(v));
  *out = tni_blob_create(f->copy.to->ctx, bytes ? bytes : 1);
  if (!*out) return tni_fail_nomem(f->err);
  /* Packed elements may leave bits of the last byte: they are part of the text. */
  if (bytes && tni_type_is_packed(v->type)) ((char *)(*out)->data)[bytes - 1] = 0;
  return tni_program_keep_blob(f->copy.to, *out, f->err);
}

/* Are all readers of the value products that have it as their weights? Of those passes know that they may lie elsewhere. */
static bool is_weights(const tn_graph *g, uint32_t value) {
  if (is_output(g, value)) return false;
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    bool product = n->op && (strcmp(n->op->name, "matmul") == 0 || strcmp(n->op->name, "conv") == 0);
    for (uint32_t k = 0; k < n->input_count; k++)
      if (n->inputs[k] == value && !(product && k == 1)) return false;
  }
  return true;
}

/* May the result's contents stay where they are until somebody asks? */
static bool moves_late(const folder *f, const folding *x) {
  const tni_gvalue *out = &x->out[0];
  return f->copy.to->moves_late && !f->copy.to->kept && out->type == TN_F32 && x->node->output_count == 1 &&
         tn_array_bytes(out->type, tni_gvalue_numel(out)) >= LEAST_LATE && tni_move_suits(x->node, x->in, out) &&
         is_weights(f->copy.from, x->node->outputs[0]);
}

/* Computes the node. *folded is false when the evaluator cannot (the node then stays). */
static tn_status compute(folder *f, folding *x, bool *folded) {
  void *data[MAX_OUTPUTS];
  for (uint32_t i = 0; i < x->node->output_count; i++) {
    tn_status status = new_result(f, &x->out[i], &x->blobs[i]);
    if (status != TN_OK) return status;
    data[i] = (void *)x->blobs[i]->data;
  }
  if (moves_late(f, x)) {
    x->out[0].data = data[0];
    *folded = true;
    return tni_move_add(f->copy.to, x->node, x->in, &x->out[0]) ? TN_OK : tni_fail_nomem(f->err);
  }
  for (uint32_t i = 0; i < x->node->input_count; i++)
    if (x->in[i]) tni_move_settle(f->copy.to, x->in[i]->data);
  tn_error *error = NULL;
  tn_status status = tni_gnode_evaluate(f->copy.to->ctx, x->node, x->in, x->out, f->evaluator, data, &error);
  *folded = status == TN_OK;
  for (uint32_t i = 0; *folded && i < x->node->output_count; i++) x->out[i].data = data[i];
  tn_error_destroy(error);
  return status == TN_E_NOMEM ? tni_fail_nomem(f->err) : TN_OK;
}

/* The same, unless it is kept; then it is. */
static tn_status compute_once(folder *f, folding *x, bool *folded) {
  tn_program *to = f->copy.to;
  const tni_gnode *n = x->node;
  tni_text key;
  tni_text_init(&key, to->ctx);
  bool keyed = n->output_count == 1 && tni_graph_key(&key, to->kept, n->op->name, n->attr_count, n->attrs,
                                                     n->input_count, x->in, &x->out[0]);
  tn_status status = key.failed ? tni_fail_nomem(f->err) : TN_OK;
  if (keyed) status = tni_graph_kept(to, &key, &x->out[0].data, f->err);
  *folded = x->out[0].data != NULL;
  if (status == TN_OK && !*folded) status = compute(f, x, folded);
  if (status == TN_OK && keyed && *folded && x->blobs[0] && !tni_kept_add(to->kept, key.data, key.length, x->blobs[0]))
    status = tni_fail_nomem(f->err);
  tni_text_destroy(&key);
  return status;
}

static tn_status fold_node(folder *f, const tni_gnode *n, const uint32_t *inputs, bool *folded) {
  tn_context *ctx = f->copy.to->ctx;
  folding x = {.node = n, .in = tni_alloc(ctx, (n->input_count + 1) * sizeof *x.in)};
  *folded = false;
  if (!x.in) return tni_fail_nomem(f->err);
  for (uint32_t i = 0; i < n->input_count; i++)
    x.in[i] = inputs[i] == TNI_NO_VALUE ? NULL : tni_g_get(f->copy.b, inputs[i]);
  for (uint32_t i = 0; i < n->output_count; i++) x.out[i] = f->copy.from->values[n->outputs[i]];
  tn_status status = compute_once(f, &x, folded);
  tni_free(ctx, x.in, (n->input_count + 1) * sizeof *x.in);
  for (uint32_t i = 0; *folded && i < n->output_count; i++) {
    const tni_gvalue *v = &x.out[i];
    f->copy.map[n->outputs[i]] = tni_g_const(f->copy.b, v->name, v->type, v->rank, v->shape, v->data);
  }
  return status;
}

/* The result as a reshape of the value. */
static tn_status make_view(folder *f, const tni_gnode *n, uint32_t value) {
  const tni_gvalue *v = &f->copy.from->values[n->outputs[0]];
  tni_attr shape = {.name = "shape", .kind = TNI_ATTR_INTS, .count = v->rank, .ints = v->shape};
  return tni_g_node(f->copy.b, tni_gop_find("reshape"), n->name, 1, &value, 1, &shape, 1, &v->name,
                    &f->copy.map[n->outputs[0]], f->err);
}

/* The same of one position along an axis of the value. */
static tn_status make_slice(folder *f, const tni_gnode *n, uint32_t value, int64_t axis, int64_t at) {
  const int64_t end = at + 1;
  const tni_attr attrs[] = {{.name = "starts", .kind = TNI_ATTR_INTS, .count = 1, .ints = &at},
                            {.name = "ends", .kind = TNI_ATTR_INTS, .count = 1, .ints = &end},
                            {.name = "axes", .kind = TNI_ATTR_INTS, .count = 1, .ints = &axis}};
  uint32_t slice;
  tn_status status = tni_g_node(f->copy.b, tni_gop_find("slice"), NULL, 1, &value, 3, attrs, 1, NULL, &slice, f->err);
  return status ? status : make_view(f, n, slice);
}

/* The call, of a function that the new graph's program has. */
static tn_status keep_call(folder *f, const tni_gnode *n, const uint32_t *inputs) {
  tn_program *to = f->copy.to;
  const tn_func *func = n->call;
  if (to != f->copy.from->program) {
    if (!(func = tni_func_clone(&to->region, func, to))) return tni_fail_nomem(f->err);
    tn_status status = tni_program_add(to, func, f->err);
    if (status != TN_OK) return status;
  }
  uint32_t *out = tni_alloc(to->ctx, (n->output_count + 1) * sizeof *out);
  if (!out) return tni_fail_nomem(f->err);
  for (uint32_t i = 0; i < n->output_count; i++) {
    const tni_gvalue *v = &f->copy.from->values[n->outputs[i]];
    out[i] = f->copy.map[n->outputs[i]] = tni_g_value(f->copy.b, v->name, v->type, v->rank, v->shape);
  }
  tni_g_call(f->copy.b, func, n->name, n->input_count, inputs, n->output_count, out);
  tni_free(to->ctx, out, (n->output_count + 1) * sizeof *out);
  return tni_gbuilder_check(f->copy.b, f->err);
}

static tn_status keep_node(folder *f, const tni_gnode *n, uint32_t *inputs) {
  uint32_t out[MAX_OUTPUTS];
  const char *names[MAX_OUTPUTS];
  if (!n->op) return keep_call(f, n, inputs);
  if (moves_nothing(f->copy.from, n)) return make_view(f, n, inputs[0]);
  int64_t axis, at;
  if (is_slice(f, n, inputs, &axis, &at)) return make_slice(f, n, inputs[0], axis, at);
  for (uint32_t i = 0; i < n->output_count; i++) names[i] = f->copy.from->values[n->outputs[i]].name;
  uint32_t input_count = take_begun(f, n, inputs);
  tn_status status = tni_g_node(f->copy.b, n->op, n->name, input_count, inputs, n->attr_count, n->attrs,
                                n->output_count, names, out, f->err);
  for (uint32_t i = 0; status == TN_OK && i < n->output_count; i++) f->copy.map[n->outputs[i]] = out[i];
  return status;
}

static tn_status visit_node(folder *f, const tni_gnode *n) {
  tn_context *ctx = f->copy.to->ctx;
  bool folded = false;
  uint32_t *inputs = tni_alloc(ctx, (n->input_count + 1) * sizeof *inputs);
  if (!inputs) return tni_fail_nomem(f->err);
  tn_status status = map_inputs(f, n, inputs);
  uint32_t same = status == TN_OK ? same_value(f, n, inputs) : TNI_NO_VALUE;
  if (same != TNI_NO_VALUE && !is_output(f->copy.from, n->outputs[0])) {
    f->copy.map[n->outputs[0]] = same;
    folded = true;
  } else if (status == TN_OK && n->op && n->op->kind != TNI_GOP_VIEW && can_fold(f, n, inputs)) {
    status = fold_node(f, n, inputs, &folded);
  }
  if (status == TN_OK && !folded) status = keep_node(f, n, inputs); /* the builder makes views of constants constants */
  tni_free(ctx, inputs, (n->input_count + 1) * sizeof *inputs);
  return status;
}

tn_status tni_graph_fold(const tn_graph *g, tn_program *to, const tni_evaluator *evaluator, const tn_graph **out,
                         tn_error **err) {
  tn_context *ctx = to->ctx;
  folder f = {.evaluator = evaluator, .room = room_for(g), .err = err};
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = tni_gcopy_begin(&f.copy, g, to, err);
  if (status != TN_OK) return status;
  bool *live = tni_alloc(ctx, g->node_count + 1);
  uint32_t *scratch = tni_alloc(ctx, (g->value_count + 1) * sizeof *scratch);
  if (live && scratch)
    tni_graph_live_nodes(g, scratch, live);
  else
    status = tni_fail_nomem(err);
  for (uint32_t i = 0; status == TN_OK && i < g->node_count; i++)
    if (live[i]) status = visit_node(&f, &g->nodes[i]);
  if (status == TN_OK) status = tni_gcopy_finish(&f.copy, out, err);
  tni_free(ctx, live, g->node_count + 1);
  tni_free(ctx, scratch, (g->value_count + 1) * sizeof *scratch);
  tni_gcopy_end(&f.copy);
  return status;
}
