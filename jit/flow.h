/* flow.h -- what the files that run flows share (flow.c, control.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_FLOW_H
#define TNI_FLOW_H

#include "jit.h"

/* One run of a model, on one thread. */
typedef struct tni_flow_run {
  tn_context *ctx;
  const tni_flow *flow;
  tni_parts *parts;
  tni_object **there; /* by slot: its value, or NULL */
  tn_error **err;
  const tn_observer *observer; /* or NULL */
} tni_flow_run;

/* ---- flow.c ------------------------------------------------------------------------------------------------------ */

/* Takes the reference; TNI_NO_SLOT drops it. */
void tni_flow_put(tni_flow_run *r, uint32_t slot, tni_object *o);
/* What is there, or the initializer; NULL: no memory. The run's reference. */
tni_object *tni_flow_get(tni_flow_run *r, uint32_t slot);
/* Runs the nodes of a region whose inputs are there; its outputs are there then. */
tn_status tni_flow_region(tni_flow_run *r, const tni_onnx_region *region);
/* Drops the inputs and values of the region. */
void tni_flow_clear(tni_flow_run *r, const tni_onnx_region *region);

/* ---- control.c --------------------------------------------------------------------------------------------------- */

/* Runs a node that is none for a graph. */
tn_status tni_flow_control(tni_flow_run *r, const tni_onnx_node *n);

#endif
