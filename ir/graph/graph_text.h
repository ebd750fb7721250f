/* graph_text.h -- what the files of the graphs' text form share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_GRAPH_TEXT_H
#define TNI_GRAPH_TEXT_H

#include "graph.h"
#include "text.h"

/* ---- blob.c ---------------------------------------------------------------------------------------------------- */

enum { TNI_BLOB_ALIGN = 64 };

typedef struct tni_blob_part {
  tni_hash hash; /* of the contents */
  uint64_t bytes;
  const void *data;
  uint64_t offset;
  size_t element; /* bytes of the largest that it is of */
} tni_blob_part;

/* What lies where in the side blob of some graphs. */
typedef struct tni_blob_layout {
  tni_arena arena;
  tni_map parts; /* the keys are tni_blob_part, in order of their offsets */
  uint64_t size;
  bool bare; /* contents are not hashed: one is another where it lies elsewhere, and the text says 0 for each */
} tni_blob_layout;

void tni_blob_layout_init(tni_blob_layout *layout, tn_context *ctx);
void tni_blob_layout_destroy(tni_blob_layout *layout);
/* The place of the constant's contents, found or added at the end; NULL without memory. */
const tni_blob_part *tni_blob_layout_add(tni_blob_layout *layout, const tni_gvalue *constant);
/* The program's text, which refers to the layout. */
void tni_print_program(tni_text *out, const tn_program *program, tni_blob_layout *layout);
/* Does the constant stand in the text itself? */
bool tni_is_shown(const tni_gvalue *constant);

/* ---- print.c --------------------------------------------------------------------------------------------------- */

/* A flag for each value that a node or an output uses; value_count + 1 items, to be freed with the context's allocator.
 * NULL: no memory. */
uint32_t *tni_graph_used_values(const tn_graph *g);

#endif
