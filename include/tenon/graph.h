/* tenon/graph.h -- graph functions: models as operators over tensors, and the import of ONNX.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_GRAPH_H
#define TENON_GRAPH_H

#include "ir.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_graph tn_graph; /* immutable, owned by its program */

/* Values for the dimensions that a model leaves open: by the name of the dimension ("batch"), or by the whole shape of an
 * input. An open dimension that neither gives is an error that names it, unless default_dim > 0 stands for all of them. */
typedef struct tn_dim {
  const char *name;
  int64_t value;
} tn_dim;

typedef struct tn_input_shape {
  const char *input;
  int32_t rank;
  const int64_t *shape;
} tn_input_shape;

typedef struct tn_import_desc {
  size_t struct_size;
  size_t dim_count;
  const tn_dim *dims;
  size_t shape_count;
  const tn_input_shape *shapes;
  int64_t default_dim;
  /* Dimensions that nothing binds stay open: each run brings the sizes, see tn_model_call. */
  uint8_t keep_open;
  /* Models may hold weights in other files (external data). They are read beneath this directory, and copied; NULL:
   * such models are refused. Not followed: absolute names, `..`, symbolic links; not read: files with a second name,
   * and what is no file. */
  const char *data_directory;
} tn_import_desc;

/* Reads an ONNX model (opset 1 to 27) into a program whose graph is "main". Where the model has loops, sequences, or
 * shapes that depend on what is computed, or keeps open dimensions, the program has no graph, but its module has a
 * model "main". The reader is bounded by the context's tn_limits; nothing in the file names a path that is opened,
 * but for weights beneath tn_import_desc.data_directory. Other weights stay views of the bytes: the program maps the
 * file, or (from memory) copies the bytes. `desc` may be NULL. Errors: TN_E_INVALID (place: the node and offset),
 * TN_E_UNSUPPORTED (lists every operator that is not supported, each once, with the nodes' names), TN_E_LIMIT,
 * TN_E_NOT_FOUND, TN_E_IO. */
TN_API tn_status tn_onnx_load(tn_context *context, const char *path, const tn_import_desc *desc, tn_program **out,
                              tn_error **err);
TN_API tn_status tn_onnx_import(tn_context *context, const void *bytes, size_t size, const tn_import_desc *desc,
                                tn_program **out, tn_error **err);

/* One ONNX TensorProto (as in the .pb files of conformance tests) into a tensor. */
TN_API tn_status tn_onnx_tensor(tn_context *context, const void *bytes, size_t size, tn_tensor **out, tn_error **err);
/* One item from such a file: a TensorProto, SequenceProto or OptionalProto, as `kind` (TN_ITEM_...) says, since the
 * bytes do not. An optional that holds something gives that. *out has the one item, copied, and is the caller's; NULL
 * after a failure. Errors: TN_E_INVALID (another kind; bytes that are not such a message; a sequence of tensors of
 * different types), TN_E_UNSUPPORTED (elements that are no tensors, types that there are not), TN_E_LIMIT,
 * TN_E_NOMEM. */
TN_API tn_status tn_onnx_item(tn_context *context, int32_t kind, const void *bytes, size_t size, tn_items **out,
                              tn_error **err);

/* Inputs and outputs of a graph: what a model says about itself. */
typedef struct tn_tensor_info {
  const char *name; /* lives as long as the program or model */
  tn_type type;
  int32_t rank; /* -1: known only when the model runs; likewise the type 0, a size -1 */
  int64_t shape[TN_MAX_RANK];
  int32_t kind; /* TN_ITEM_...; of others than tensors the type is their elements', and there is no shape */
} tn_tensor_info;

/* The graph of that name, or NULL. */
TN_API const tn_graph *tn_program_graph(const tn_program *program, const char *name);
TN_API size_t tn_graph_input_count(const tn_graph *graph);
TN_API size_t tn_graph_output_count(const tn_graph *graph);
/* `i` must be below the count. */
TN_API void tn_graph_input(const tn_graph *graph, size_t i, tn_tensor_info *out);
TN_API void tn_graph_output(const tn_graph *graph, size_t i, tn_tensor_info *out);

/* tn_func_equal and tn_func_hash for graphs: the names of values and nodes do not count, nor do those of the functions that
 * are called (their hashes do). */
TN_API tn_status tn_graph_equal(const tn_graph *a, const tn_graph *b, uint8_t *equal, tn_error **err);
TN_API tn_status tn_graph_hash(const tn_graph *graph, uint64_t hash[2], tn_error **err);

/* Facts of a graph for people: what `tenon inspect` prints. */
typedef struct tn_graph_stats {
  size_t struct_size;
  uint64_t nodes;
  uint64_t constants;       /* tensors */
  uint64_t constant_bytes;
  uint64_t parameters;      /* elements of floating-point constants */
  uint64_t multiply_adds;   /* of convolutions and matrix products */
} tn_graph_stats;
TN_API void tn_graph_get_stats(const tn_graph *graph, tn_graph_stats *out);
/* How many nodes have the i-th operator, and its name; false when i is past the last. Sorted by count, then name. */
TN_API int tn_graph_op_count(const tn_graph *graph, size_t i, const char **name, uint64_t *count);

#ifdef __cplusplus
}
#endif
#endif
