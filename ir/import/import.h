/* import.h -- the directory board of ir/import/: outside formats into graphs. ONNX first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_IMPORT_H
#define TNI_IMPORT_H

#include "graph/graph.h"

/* ---- wire.c: protobuf on the wire ------------------------------------------------------------------------------- */

typedef struct tni_view {
  const uint8_t *data;
  size_t size;
} tni_view;

/* What a field may hold. VARINT, FIXED32 and FIXED64 may be packed as well. */
enum tni_wire_kind { TNI_WIRE_VARINT, TNI_WIRE_FIXED32, TNI_WIRE_FIXED64, TNI_WIRE_BYTES, TNI_WIRE_MESSAGE };

typedef struct tni_wire_message tni_wire_message;
typedef struct tni_wire_field {
  uint32_t number;
  enum tni_wire_kind kind;
  const char *name;
  const tni_wire_message *message; /* of kind MESSAGE */
} tni_wire_field;
struct tni_wire_message {
  const char *name;
  size_t count;
  const tni_wire_field *fields;
};

/* Checks all of `bytes` against the tables: tags, lengths, varints, wire types, nesting. Fields that are not in a table
 * are skipped. Uses no recursion and, apart from a stack as deep as limits.nesting, no memory. Errors: TN_E_INVALID
 * with place "offset N", TN_E_LIMIT (nesting), TN_E_NOMEM. */
tn_status tni_wire_check(tn_context *ctx, const tni_wire_message *message, tni_view bytes, tn_error **err);

/* The fields of one message, in order. Bounded by itself: malformed bytes end the message. */
typedef struct tni_wire_item {
  uint32_t number;
  uint32_t wire;  /* 0 varint, 1 fixed64, 2 bytes, 5 fixed32 */
  uint64_t value; /* of a number */
  tni_view view;  /* of bytes */
} tni_wire_item;
bool tni_wire_next(tni_view *rest, tni_wire_item *item);
/* The numbers of a field that may be packed: calls `add` for each one, in order; false when one call gave false. */
bool tni_wire_numbers(const tni_wire_item *item, enum tni_wire_kind kind, bool (*add)(void *self, uint64_t value),
                      void *self);

/* ---- onnx_schema.c --------------------------------------------------------------------------------------------- */

extern const tni_wire_message tni_onnx_model, tni_onnx_tensor;

/* ---- onnx_tensor.c --------------------------------------------------------------------------------------------- */

/* A TensorProto, checked but not yet read. */
typedef struct tni_onnx_data {
  tni_view name, raw;
  bool has_raw;
  int64_t onnx_type;
  tn_type type;
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  size_t numel, bytes;
  tni_view whole;
} tni_onnx_data;

/* The element type of a TensorProto.DataType, 0 when there is none. */
tn_type tni_onnx_type(int64_t onnx_type);
/* Reads the header and checks that there are as many elements as the shape says. `place` stands in errors. */
tn_status tni_onnx_data_read(tn_context *ctx, tni_view bytes, const char *place, tni_onnx_data *out, tn_error **err);
/* Writes the elements to `to` (data->bytes of them). */
void tni_onnx_data_copy(const tni_onnx_data *data, void *to);

/* ---- onnx.c: the model ----------------------------------------------------------------------------------------- */

enum tni_onnx_attr_type {
  TNI_ONNX_FLOAT = 1,
  TNI_ONNX_INT = 2,
  TNI_ONNX_STRING = 3,
  TNI_ONNX_TENSOR = 4,
  TNI_ONNX_GRAPH = 5,
  TNI_ONNX_FLOATS = 6,
  TNI_ONNX_INTS = 7,
  TNI_ONNX_STRINGS = 8
};

typedef struct tni_onnx_attr {
  const char *name;
  int64_t type; /* enum tni_onnx_attr_type, or another that is not supported */
  double f;
  int64_t i;
  const char *s;
  tni_view t;
  int32_t float_count, int_count;
  const double *floats;
  const int64_t *ints;
  tni_view bytes; /* the whole attribute, for lists of texts */
} tni_onnx_attr;

typedef struct tni_onnx_op tni_onnx_op;

typedef struct tni_onnx_node {
  const char *name, *op_type, *domain; /* domain "" for ONNX's own */
  const tni_onnx_op *op;
  uint32_t input_count, output_count, attr_count;
  const char **input_names, **output_names; /* NULL where absent */
  uint32_t *inputs;                         /* values, TNI_NO_VALUE where absent */
  uint32_t *outputs;                        /* for the converter to fill */
  tni_onnx_attr *attrs;
  uint8_t state;    /* of the sort */
  uint32_t checked; /* inputs before this one are ready */
} tni_onnx_node;

typedef struct tni_onnx {
  tn_context *ctx;
  tn_program *program;
  tni_gbuilder *g;
  tni_arena arena; /* for the length of the import */
  tni_blob *blob;  /* the model's bytes, kept by the program */
  int64_t opset;
  tni_onnx_node *nodes;
  size_t node_count;
} tni_onnx;

/* The contents of a tensor where the program can keep them: in the model's bytes if aligned, else copied. */
tn_status tni_onnx_keep(tni_onnx *m, const tni_onnx_data *data, const void **out, tn_error **err);

/* ---- onnx_ops.c: the converters, a row each in onnx_ops.h -------------------------------------------------------- */

const tni_onnx_op *tni_onnx_op_find(const char *op_type);
/* Adds what the node means to the graph and fills node->outputs. */
tn_status tni_onnx_convert(tni_onnx *m, tni_onnx_node *node, tn_error **err);

#endif
