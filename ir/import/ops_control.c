/* ops_control.c -- operators that run others. An If whose condition is known is the branch; loops are never of a graph: the
 * flow runs them (jit/control.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

static const tni_onnx_region *branch_of(conversion *c, bool holds) {
  const tni_onnx_attr *a = find_attr(c, holds ? "then_branch" : "else_branch", TNI_ONNX_GRAPH);
  if (ok(c) && (!a || !a->body || a->body->output_count < c->n->output_count))
    fail(c, TN_E_INVALID, "a branch does not fit");
  return ok(c) ? a->body : NULL;
}

void tni_convert_if(conversion *c) {
  const tni_gvalue *cond = known(c, 0);
  if (ok(c) && (cond->type != TN_BOOL || tni_gvalue_numel(cond) != 1))
    fail(c, TN_E_INVALID, "the condition is not one truth value");
  if (!ok(c)) return;
  const tni_onnx_region *body = branch_of(c, tni_read_element(TN_BOOL, cond->data, 0).i != 0);
  if (ok(c)) c->status = tni_onnx_convert_body(c->m, body, c->err);
  for (uint32_t i = 0; ok(c) && i < c->n->output_count; i++) {
    const tni_onnx_binding *b;
    c->status = tni_onnx_bind(c->m, body->outputs[i].slot, &b, c->err);
    if (ok(c) && c->n->out[i] != TNI_NO_SLOT) c->m->bound[c->n->out[i]] = *b;
  }
}

void tni_convert_of_flow(conversion *c) {
  c->m->blocked = true;
  c->status = TN_E_UNSUPPORTED;
}
