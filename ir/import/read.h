/* read.h -- what the files that read a model's bytes share (read_names.c, read_node.c, read_region.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_READ_H
#define TNI_READ_H

#include "import.h"

/* Names to slots, of one region. */
typedef struct name_map {
  struct name_entry *entries; /* open addressing */
  size_t size, used;
} name_map;

/* A region that is being read, and those around it. */
typedef struct scope {
  struct scope *outer;
  tni_onnx_region *region;
  name_map names;
  tni_onnx_node *nodes;    /* in file order */
  const char ***in_names;  /* of their inputs; NULL where absent */
  const struct call *call; /* the call whose function this is in, or NULL */
  uint32_t *captures;
  size_t capture_count, capture_capacity;
} scope;

/* A function of the model, and the node that calls it. */
typedef struct call {
  const struct call *outer;
  const tni_onnx_node *site;
  tni_view function;
} call;

typedef struct reader {
  tn_context *ctx;
  tni_flow *flow;
  const char *data_directory; /* or NULL */
  tni_view model;
  size_t node_count; /* in all regions */
  uint32_t region_count, depth;
  tn_error **err;
} reader;

/* The numbers of the fields of a graph, or of a function, in which inputs and outputs are names alone. */
typedef struct region_fields {
  uint32_t node, initializer, input, output;
  bool bare;
} region_fields;

/* ---- read_names.c ----------------------------------------------------------------------------------------------- */

/* A string field as text in the flow's arena. */
tn_status tni_read_text(reader *p, tni_view view, const char **out);
/* The slot of that name in the scope itself, or TNI_NO_SLOT. */
uint32_t tni_find_own(const scope *s, const char *name);
/* The same, here or further out; *owner is where. */
uint32_t tni_find_slot(scope *s, const char *name, scope **owner);
/* A new slot of the scope's region. TN_E_INVALID when it has one of that name. */
tn_status tni_add_slot(reader *p, scope *s, const char *name, int64_t maker, uint32_t *out);
void tni_names_destroy(tn_context *ctx, name_map *names);

/* ---- read_node.c ------------------------------------------------------------------------------------------------ */

/* All of a node but its slots and bodies; *in_names: those of its inputs. */
tn_status tni_read_node(reader *p, tni_view bytes, const scope *s, tni_onnx_node *n, const char ***in_names);
/* The function of the model that a node of this domain and operator calls; data NULL: none. */
tni_view tni_find_function(const reader *p, const tni_onnx_node *n);

/* ---- read_region.c ---------------------------------------------------------------------------------------------- */

tn_status tni_read_region(reader *p, tni_view bytes, const region_fields *fields, scope *outer, const call *caller,
                          const char *name, const tni_onnx_region **out);

#endif
