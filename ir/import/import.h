/* import.h -- the directory board of ir/import/: outside formats into graphs. ONNX first.
 *
 *     bytes --onnx_read.c--> regions of nodes --specialise.c, ops_*.c--> a graph     when all shapes are known
 *                                             \--> a flow: the regions themselves    else; specialised while it runs
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
/* The last field of that number that holds bytes; size 0 and data NULL when absent. */
tni_view tni_wire_find(tni_view message, uint32_t number);
size_t tni_wire_count(tni_view message, uint32_t number);
/* Is that what stands there? What is absent is the empty text. */
bool tni_view_is(tni_view view, const char *text);
/* The numbers of a field that may be packed: calls `add` for each one, in order; false when one call gave false. */
bool tni_wire_numbers(const tni_wire_item *item, enum tni_wire_kind kind, bool (*add)(void *self, uint64_t value),
                      void *self);

/* ---- onnx_schema.c --------------------------------------------------------------------------------------------- */

extern const tni_wire_message tni_onnx_model, tni_onnx_tensor, tni_onnx_sequence, tni_onnx_optional;

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
  /* Of a tensor whose elements are in another file. */
  bool outside;
  tni_view location;
  uint64_t offset, length; /* length: of the elements, if it is said */
  bool has_length;
} tni_onnx_data;

/* The element type of a TensorProto.DataType, 0 when there is none. */
tn_type tni_onnx_type(int64_t onnx_type);
/* Reads the header and checks that there are as many elements as the shape says. `place` stands in errors. */
tn_status tni_onnx_data_read(tn_context *ctx, tni_view bytes, const char *place, tni_onnx_data *out, tn_error **err);
/* The same; the elements may be in another file. */
tn_status tni_onnx_data_read_any(tn_context *ctx, tni_view bytes, const char *place, tni_onnx_data *out,
                                 tn_error **err);
/* Writes the elements to `to` (data->bytes of them). */
void tni_onnx_data_copy(const tni_onnx_data *data, void *to);
/* The elements where they stand in the file, if they can be used there; else NULL. `loose`: aligned or not. */
const void *tni_onnx_data_in_place(const tni_onnx_data *data, bool loose);

/* ---- onnx_read.c: the model as regions of nodes ------------------------------------------------------------------ */

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

typedef struct tni_onnx_region tni_onnx_region;
typedef struct tni_onnx_op tni_onnx_op;

typedef struct tni_onnx_attr {
  const char *name;
  int64_t type; /* enum tni_onnx_attr_type, or another that is not supported */
  double f;
  int64_t i;
  const char *s;
  tni_view t; /* of a tensor or graph */
  int32_t float_count, int_count;
  const double *floats;
  const int64_t *ints;
  tni_view bytes; /* the whole attribute, for lists of texts */
  const tni_onnx_region *body; /* of a graph */
} tni_onnx_attr;

enum { TNI_NO_SLOT = 0xffffffffu };

/* What a name stands for. Its number is the same in all regions that use it. */
typedef struct tni_onnx_slot {
  const char *name;
  const tni_onnx_region *region; /* whose it is */
  int64_t maker;                 /* the number of a node in the region's file order, or one of TNI_BY_... */
  tni_gvalue constant;           /* TNI_BY_INITIALIZER */
  uint32_t last_use; /* the last node of the region that reads it, itself or in a body; TNI_NO_SLOT: an output */
  uint32_t mark;     /* of the reader */
  bool made;         /* the initializer is spelled as a node */
} tni_onnx_slot;
enum { TNI_BY_INITIALIZER = -2, TNI_BY_INPUT = -3 };

typedef struct tni_onnx_node {
  const char *name, *op_type, *domain; /* domain "" for ONNX's own */
  const tni_onnx_op *op;               /* NULL: a call of `body` */
  const tni_onnx_region *body;         /* the function's, for this call alone */
  uint32_t input_count, output_count, attr_count, capture_count;
  const uint32_t *in, *out;   /* slots; TNI_NO_SLOT where absent */
  const uint32_t *captures;   /* slots that bodies of the node use and do not own */
  const char **output_names;  /* NULL where absent */
  tni_onnx_attr *attrs;
  uint32_t *inputs;  /* in a conversion: values; TNI_NO_VALUE where absent or no tensor (tni_onnx.bound knows) */
  uint32_t *outputs; /* in a conversion, for the converter to fill */
} tni_onnx_node;

/* An input or output as the model describes it. */
enum tni_onnx_kind { TNI_ONNX_IS_TENSOR, TNI_ONNX_IS_SEQUENCE, TNI_ONNX_IS_OPTIONAL, TNI_ONNX_IS_UNKNOWN };
typedef struct tni_onnx_port {
  uint32_t slot;
  enum tni_onnx_kind kind;
  tn_type type;                  /* of elements; 0: not known */
  int32_t rank;                  /* -1: not known */
  int64_t shape[TN_MAX_RANK];    /* -1: open */
  const char *dims[TN_MAX_RANK]; /* what an open one is called, "" for no name */
} tni_onnx_port;

/* A graph of the model, a body of a node, or a function at one of its calls. */
struct tni_onnx_region {
  const char *name;
  uint32_t number;
  int64_t opset;
  uint32_t input_count, output_count, node_count, capture_count;
  const tni_onnx_port *inputs, *outputs;
  const tni_onnx_node *nodes; /* in an order in which they can run */
  const uint32_t *captures;   /* slots of regions around it that it uses, itself or in bodies */
};

/* A model as it was read: immutable, counted, so that programs and modules can share it. */
typedef struct tni_flow {
  tn_context *ctx;
  atomic_int refs;
  tni_arena arena;  /* of all of it */
  tni_blob **blobs; /* the file, and contents that cannot be used in it */
  size_t blob_count, blob_capacity;
  tni_kept *kept; /* these blobs, and what segments computed of them */
  tni_view graph; /* the main one's bytes */
  const tni_onnx_region *main;
  tni_onnx_slot *slots;
  size_t slot_count, slot_capacity;
} tni_flow;

/* Takes the reference to `blob`. Weights in other files are read beneath `data_directory`, if it is not NULL. One
 * reference to *out is the caller's. */
tn_status tni_onnx_read(tn_context *ctx, tni_blob *blob, const char *data_directory, tni_flow **out, tn_error **err);
/* Before it is specialised: its constants are aligned, and may be shared by what is made of it. */
tn_status tni_flow_settle(tni_flow *flow, tn_error **err);
tni_flow *tni_flow_ref(tni_flow *flow);
void tni_flow_unref(tni_flow *flow); /* NULL is fine */

/* ---- specialise.c: nodes into a graph, for the shapes and contents that are there -------------------------------- */

/* What a slot is while nodes are converted. NARROWED: of a tensor that is computed here, as much along an axis as a
 * number says that is computed too. Nothing else is computed of it in the same graph: the run narrows it, and what
 * reads it follows. */
enum tni_bound { TNI_UNBOUND, TNI_BOUND_TENSOR, TNI_BOUND_SEQUENCE, TNI_BOUND_NONE, TNI_BOUND_NARROWED };
typedef struct tni_onnx_binding {
  enum tni_bound kind;
  uint32_t value;        /* of a tensor */
  uint32_t length;       /* of a narrowed one: the number, */
  int32_t axis;          /* and the axis */
  uint32_t count;        /* of a sequence: */
  const uint32_t *items; /* its tensors, */
  tn_type type;          /* and what they are of */
} tni_onnx_binding;

/* What a segment reads: a slot, or one tensor of the sequence in it. */
typedef struct tni_segment_input {
  uint32_t slot;
  int32_t item;      /* -1: the slot itself */
  uint32_t value;    /* of the graph */
  tni_object *guard; /* the part of the slot's guard that is about it */
} tni_segment_input;

/* What a segment is made for: what is in the slot is as `like` is, with contents where that has some. */
typedef struct tni_segment_guard {
  uint32_t slot;
  tni_object *like;
} tni_segment_guard;

/* What a segment gives: `count` parts from number `first` on (of a tensor: one; narrowed: the tensor, its length). A
 * part is an input, passed on, or an output of the graph. */
typedef struct tni_segment_output {
  uint32_t slot;
  enum tni_bound kind;
  tn_type type; /* of a sequence's tensors */
  int32_t axis; /* narrowed along it */
  uint32_t first, count;
} tni_segment_output;
typedef struct tni_segment_part {
  bool passed;
  uint32_t number;
} tni_segment_part;

/* Nodes first .. end of a region as one graph. end == first: that node is none for a graph, it controls others. */
typedef struct tni_segment {
  const tni_onnx_region *region;
  uint32_t first, end;
  size_t input_count, guard_count, output_count, part_count;
  size_t input_capacity, guard_capacity, output_capacity, part_capacity;
  tni_segment_input *inputs;
  tni_segment_guard *guards;
  tni_segment_output *outputs;
  tni_segment_part *parts;
  uint32_t graph_outputs;
} tni_segment;
void tni_segment_destroy(tn_context *ctx, tni_segment *segment);

/* A conversion: what converters see of the model. */
typedef struct tni_onnx {
  tn_context *ctx;
  const tni_flow *flow;
  tn_program *program;
  tni_gbuilder *g;
  tni_arena arena;          /* for the length of the conversion */
  int64_t opset;            /* of the region whose nodes are converted */
  bool inner;               /* they are in a body: their values have made-up names */
  uint64_t room;            /* about how many bytes of constants, nodes and sequences converters may still make */
  tni_onnx_binding *bound;  /* by slot */
  tni_object *const *there; /* by slot: what is there already; NULL: only shapes are known */
  tni_segment *segment;     /* whose inputs and guards are noted; NULL with `there` */
  bool blocked;             /* the last conversion failed for contents that are not there yet */
} tni_onnx;

/* Makes contents of input i known, when they are there. Else TN_E_UNSUPPORTED without an error, and `blocked`. */
tn_status tni_onnx_freeze(tni_onnx *m, tni_onnx_node *node, uint32_t i, tn_error **err);
/* Converts the nodes of a body: its slots are bound then. TN_E_UNSUPPORTED, and `blocked`, when one of them is. */
tn_status tni_onnx_convert_body(tni_onnx *m, const tni_onnx_region *body, tn_error **err);
/* What the slot is; its first use makes it an input or constant of the graph. TN_E_UNSUPPORTED without an error, and
 * `blocked`, for what is narrowed. */
tn_status tni_onnx_bind(tni_onnx *m, uint32_t slot, const tni_onnx_binding **out, tn_error **err);

/* The whole main region as graph "main" of `program`, with these inputs (all known; in the region's order). *done is false when
 * it needs contents that are known only while it runs; nothing is added then. */
tn_status tni_flow_import(const tni_flow *flow, const tni_onnx_port *inputs, tn_program *program, bool *done,
                          tn_error **err);
/* As many nodes of the region, from `first` on, as can be one graph, for what is in `there` (by slot: at least all that the nodes
 * use). *program gets a graph "main" with the segment's inputs; NULL when there is nothing to compute. */
tn_status tni_flow_specialise(const tni_flow *flow, const tni_onnx_region *region, uint32_t first,
                              tni_object *const *there, tni_segment *out, tn_program **program, tn_error **err);

/* ---- onnx_ops.c: the converter table --------------------------------------------------------------------------- */

const tni_onnx_op *tni_onnx_op_find(const char *domain, const char *op_type);
/* May a flow run the operator itself, region by region? */
bool tni_onnx_op_controls(const tni_onnx_op *op);
/* Adds what the node means to the graph and fills node->outputs, or binds its slots. */
tn_status tni_onnx_convert(tni_onnx *m, tni_onnx_node *node, tn_error **err);
/* The contents of a tensor where the program can keep them. */
tn_status tni_onnx_keep(tni_onnx *m, const tni_onnx_data *data, const void **out, tn_error **err);

#endif
