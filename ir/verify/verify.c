/* verify.c -- the rules that a function must keep on its level.
 *
 *     both     Types of all nodes agree. Every variable is bound once, by a loop, an iterator, a let or a parameter
 *              around its use; every buffer is a parameter or allocated around its use, once. Externals are declared, and
 *              called as declared. A subscript that surely leaves its buffer is refused, and so are iterations of a
 *              concurrent loop that surely touch the same element, one of them writing it.
 *     tensor   As many subscripts as dimensions. A block's bindings and condition use what is around
 *              it, its body only its own iterators (and what is bound in the body, and parameters); its init stores only
 *              what its body stores, and uses no reduce iterator. Names of blocks are unique. Loops bound to threads have
 *              constant extents and stand inside those bound to blocks; an axis is bound once around a statement. All
 *              threads of a block come to a barrier, or none (threads.c). A read that surely sees an element of an alloc
 *              that nothing was written to is refused (written.c).
 *     loop     One subscript.
 *
 * What belongs to which level at all is a table (legal.c).
 *
 * The error shows each place that was found wrong, of a statement the first: the line of the printed function, with a mark
 * under the piece (findings.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verify/verify.h"

/* What is walked by recursion elsewhere is bounded here. */
enum { MAX_NESTING = 1000 };

/* ---- failing ---- */

bool tni_verify_nomem(tni_verifier *v) {
  v->status = tni_fail_nomem(v->err);
  return false;
}

bool tni_verify_fail(tni_verifier *v, const void *mark, const char *reason, ...) {
  va_list args;
  va_start(args, reason);
  tni_findings_add_v(v->findings, v->func, v->stmt, mark, reason, args);
  va_end(args);
  return false;
}

bool tni_verify_limit(tni_verifier *v, const char *what, uint32_t limit) {
  v->status =
      tni_fail(v->ctx, v->err, TN_E_LIMIT, "verify", v->func->name, "%s deeper than the limit of %u", what, limit);
  return false;
}

/* ---- functions ---- */

static bool check_param_extent(tni_verifier *v, const tn_expr *x, const char *what) {
  size_t size = tni_tree_size(v->ctx, x);
  if (size == 0) return tni_verify_nomem(v);
  if (size > TNI_MAX_PARAM_EXTENT)
    return tni_verify_fail(v, NULL, "the %s of a parameter is longer than %d operators", what, TNI_MAX_PARAM_EXTENT);
  size_t n = v->nodes.count;
  if (!tni_map_add_dag(&v->nodes, x)) return tni_verify_nomem(v);
  for (; n < v->nodes.count; n++) {
    const tn_expr *node = v->nodes.entries[n].key;
    if (node->op == TN_OP_load || node->op == TN_OP_call || node->op == TNI_OP_ADDRESS ||
        TN_TYPE_LANES(node->type) != 1)
      return tni_verify_fail(v, x, "the %s of a parameter is made of constants and scalar parameters", what);
  }
  return true;
}

static bool check_scalar(tni_verifier *v, const tn_expr *scalar) {
  if (!scalar || scalar->op != TN_OP_var || (scalar->type != TN_INDEX && !tni_is_element_type(scalar->type)))
    return tni_verify_fail(v, scalar, "a parameter is a buffer, an index, a number or a bool");
  return tni_verify_bind(v, scalar, false, (tni_scoped){.param = true});
}

static bool check_buffer(tni_verifier *v, const tn_buffer *buffer) {
  const tn_expr *held[TNI_BUFFER_EXPRS];
  if (buffer->scope != TNI_SCOPE_GLOBAL) return tni_verify_fail(v, buffer, "a parameter is in global scope");
  tni_map_clear(&v->nodes);
  for (int32_t k = 0, count = tni_buffer_exprs(buffer, held); k < count; k++)
    if (!check_param_extent(v, held[k], k < buffer->rank ? "extent" : "stride or offset")) return false;
  tni_map_clear(&v->nodes);
  return tni_verify_declaration(v, buffer);
}

/* Extents may name scalars that stand behind them. */
static bool check_params(tni_verifier *v) {
  bool good = true;
  for (uint32_t i = 0; i < v->func->param_count; i++)
    if (!v->func->params[i].buffer) good &= check_scalar(v, v->func->params[i].scalar);
  for (uint32_t i = 0; i < v->func->param_count && !v->status; i++)
    if (v->func->params[i].buffer) good &= check_buffer(v, v->func->params[i].buffer);
  return good;
}

static tn_status find(const tn_func *func, tni_findings *findings, tn_error **err) {
  tn_context *ctx = func->program->ctx;
  tni_verifier v = {.func = func, .ctx = ctx, .findings = findings, .err = err};
  v.max_depth = ctx->limits.nesting < MAX_NESTING ? ctx->limits.nesting : MAX_NESTING;
  v.depth = 1;
  tni_map *maps[] = {&v.known, &v.names, &v.stored, &v.typed, &v.nodes};
  for (size_t i = 0; i < TNI_COUNT(maps); i++) tni_map_init(maps[i], ctx);
  tni_facts_init(&v.facts, ctx);
  size_t mistakes = findings->count;
  if (check_params(&v) && func->body && tni_verify_body(&v, func->body)) tni_verify_waits(&v);
  bool sound = !v.status && findings->count == mistakes;
  if (sound && func->body && func->level == TNI_LEVEL_TENSOR) tni_verify_written(&v);
  tni_facts_destroy(&v.facts);
  for (size_t i = 0; i < TNI_COUNT(maps); i++) tni_map_destroy(maps[i]);
  tni_free(ctx, v.bindings, v.binding_capacity * sizeof *v.bindings);
  return v.status;
}

tn_status tni_verify_all(tn_context *ctx, size_t count, const tn_func *const *funcs, tn_error **err) {
  tni_findings findings;
  tn_status status = TN_OK;
  if (err) *err = NULL;
  tni_findings_init(&findings, ctx);
  for (size_t i = 0; i < count && !status; i++) status = find(funcs[i], &findings, err);
  if (!status) status = tni_findings_fail(&findings, err);
  tni_findings_destroy(&findings);
  return status;
}

tn_status tni_verify(const tn_func *func, tn_error **err) { return tni_verify_all(func->program->ctx, 1, &func, err); }

tn_status tn_func_verify(const tn_func *func, tn_error **err) { return tni_verify(func, err); }
