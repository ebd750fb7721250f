/* onnx_schema.c -- the fields of ONNX's messages that the importer reads or must walk into, as onnx.proto numbers them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import.h"

#define VARINT(number, name)                                                                                           \
  { number, TNI_WIRE_VARINT, name, NULL }
#define FIXED32(number, name)                                                                                          \
  { number, TNI_WIRE_FIXED32, name, NULL }
#define FIXED64(number, name)                                                                                          \
  { number, TNI_WIRE_FIXED64, name, NULL }
#define BYTES(number, name)                                                                                            \
  { number, TNI_WIRE_BYTES, name, NULL }
#define MESSAGE(number, name, message)                                                                                 \
  { number, TNI_WIRE_MESSAGE, name, &message }
#define MESSAGE_TABLE(variable, text, table)                                                                           \
  const tni_wire_message variable = {text, sizeof(table) / sizeof((table)[0]), table}

static const tni_wire_message graph_message, type_message; /* these hold themselves */

static const tni_wire_field entry_fields[] = {BYTES(1, "key"), BYTES(2, "value")};
static MESSAGE_TABLE(entry_message, "StringStringEntryProto", entry_fields);

static const tni_wire_field segment_fields[] = {VARINT(1, "begin"), VARINT(2, "end")};
static MESSAGE_TABLE(segment_message, "Segment", segment_fields);

static const tni_wire_field tensor_fields[] = {
    VARINT(1, "dims"),           VARINT(2, "data_type"),    MESSAGE(3, "segment", segment_message),
    FIXED32(4, "float_data"),    VARINT(5, "int32_data"),   BYTES(6, "string_data"),
    VARINT(7, "int64_data"),     BYTES(8, "name"),          BYTES(9, "raw_data"),
    FIXED64(10, "double_data"),  VARINT(11, "uint64_data"), MESSAGE(13, "external_data", entry_message),
    VARINT(14, "data_location"),
};
MESSAGE_TABLE(tni_onnx_tensor, "TensorProto", tensor_fields);

static const tni_wire_field sequence_fields[] = {BYTES(1, "name"), VARINT(2, "elem_type"),
                                                 MESSAGE(3, "tensor_values", tni_onnx_tensor)};
MESSAGE_TABLE(tni_onnx_sequence, "SequenceProto", sequence_fields);

static const tni_wire_field optional_fields[] = {BYTES(1, "name"), VARINT(2, "elem_type"),
                                                 MESSAGE(3, "tensor_value", tni_onnx_tensor),
                                                 MESSAGE(5, "sequence_value", tni_onnx_sequence)};
MESSAGE_TABLE(tni_onnx_optional, "OptionalProto", optional_fields);

static const tni_wire_field attribute_fields[] = {
    BYTES(1, "name"),
    FIXED32(2, "f"),
    VARINT(3, "i"),
    BYTES(4, "s"),
    MESSAGE(5, "t", tni_onnx_tensor),
    MESSAGE(6, "g", graph_message),
    FIXED32(7, "floats"),
    VARINT(8, "ints"),
    BYTES(9, "strings"),
    MESSAGE(10, "tensors", tni_onnx_tensor),
    MESSAGE(11, "graphs", graph_message),
    VARINT(20, "type"),
    BYTES(21, "ref_attr_name"),
};
static MESSAGE_TABLE(attribute_message, "AttributeProto", attribute_fields);

static const tni_wire_field node_fields[] = {
    BYTES(1, "input"),
    BYTES(2, "output"),
    BYTES(3, "name"),
    BYTES(4, "op_type"),
    MESSAGE(5, "attribute", attribute_message),
    BYTES(7, "domain"),
};
static MESSAGE_TABLE(node_message, "NodeProto", node_fields);

static const tni_wire_field dimension_fields[] = {VARINT(1, "dim_value"), BYTES(2, "dim_param")};
static MESSAGE_TABLE(dimension_message, "Dimension", dimension_fields);

static const tni_wire_field shape_fields[] = {MESSAGE(1, "dim", dimension_message)};
static MESSAGE_TABLE(shape_message, "TensorShapeProto", shape_fields);

static const tni_wire_field tensor_type_fields[] = {VARINT(1, "elem_type"), MESSAGE(2, "shape", shape_message)};
static MESSAGE_TABLE(tensor_type_message, "TypeProto.Tensor", tensor_type_fields);

static const tni_wire_field holder_fields[] = {MESSAGE(1, "elem_type", type_message)};
static MESSAGE_TABLE(holder_message, "TypeProto.Sequence", holder_fields);

static const tni_wire_field type_fields[] = {
    MESSAGE(1, "tensor_type", tensor_type_message),
    MESSAGE(4, "sequence_type", holder_message),
    BYTES(5, "map_type"),
    MESSAGE(8, "sparse_tensor_type", tensor_type_message),
    MESSAGE(9, "optional_type", holder_message),
};
static MESSAGE_TABLE(type_message, "TypeProto", type_fields);

static const tni_wire_field value_fields[] = {BYTES(1, "name"), MESSAGE(2, "type", type_message)};
static MESSAGE_TABLE(value_message, "ValueInfoProto", value_fields);

static const tni_wire_field graph_fields[] = {
    MESSAGE(1, "node", node_message),           BYTES(2, "name"),
    MESSAGE(5, "initializer", tni_onnx_tensor), MESSAGE(11, "input", value_message),
    MESSAGE(12, "output", value_message),       BYTES(15, "sparse_initializer"),
};
static MESSAGE_TABLE(graph_message, "GraphProto", graph_fields);

static const tni_wire_field opset_fields[] = {BYTES(1, "domain"), VARINT(2, "version")};
static MESSAGE_TABLE(opset_message, "OperatorSetIdProto", opset_fields);

static const tni_wire_field function_fields[] = {
    BYTES(1, "name"),
    BYTES(4, "input"),
    BYTES(5, "output"),
    BYTES(6, "attribute"),
    MESSAGE(7, "node", node_message),
    MESSAGE(9, "opset_import", opset_message),
    BYTES(10, "domain"),
    MESSAGE(11, "attribute_proto", attribute_message),
};
static MESSAGE_TABLE(function_message, "FunctionProto", function_fields);

static const tni_wire_field model_fields[] = {
    VARINT(1, "ir_version"),
    MESSAGE(7, "graph", graph_message),
    MESSAGE(8, "opset_import", opset_message),
    MESSAGE(25, "functions", function_message),
};
MESSAGE_TABLE(tni_onnx_model, "ModelProto", model_fields);
