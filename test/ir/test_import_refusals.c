/* test_import_refusals.c -- ONNX models that are refused, and the whole of what their authors are told: nodes as rows of
 * a table, then what is wrong with a model around its nodes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import/import.h"
#include "onnx_writer.h"
#include "suite.h"

/* Imports and destroys the model: "STATUS: the error's text", or "" when it is taken. */
static const char *told_with(const tn_limits *limits, bytes m, const tn_import_desc *desc) {
  static char text[1024];
  tn_context_desc with = {.struct_size = sizeof with};
  tn_context *ctx;
  tn_program *program;
  tn_error *err;
  if (limits) with.limits = *limits;
  ck_assert_int_eq(tn_context_create(&with, &ctx, NULL), TN_OK);
  tn_status status = tn_onnx_import(ctx, m.data, m.size, desc, &program, &err);
  snprintf(text, sizeof text, "%s%s%s", status ? tn_status_name(status) : "", status ? ": " : "", tn_error_text(err));
  tn_error_destroy(err);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  free(m.data);
  return text;
}
static const char *told(bytes m) { return told_with(NULL, m, NULL); }

/* ---- nodes as rows ---------------------------------------------------------------------------------------------- */

/* The numbers between commas, as int64 or float. */
static int read_numbers(const char *text, int64_t *ints, float *floats) {
  int count = 0;
  for (char *end; *text && *text != ']'; text = *end == ',' ? end + 1 : end) {
    floats[count] = strtof(text, &end);
    ints[count++] = strtoll(text, NULL, 10);
  }
  return count;
}

/* An input of the node, after its spelling:
 *     f2,3   an input of the graph, f32[2, 3]      d2,3   the same of f64        l2,3   the same of int64      -   none
 *     b2     the same of bool                      q2,3   the same of int4
 *     =1,2   a constant list of int64              #5     a constant number      ~1.5   a constant list of f32
 *     ^1,2   a constant int64[1, n]                                                                                */
static void put_operand(bytes *graph, const char *name, const char *spelling) {
  int64_t ints[16], shape[2] = {1};
  float floats[16];
  int count = read_numbers(spelling + 1, ints, floats);
  shape[*spelling == '^'] = count;
  switch (*spelling) {
  case 'f': put_message(graph, 11, value_info(name, ONNX_FLOAT, count, ints)); break;
  case 'd': put_message(graph, 11, value_info(name, ONNX_DOUBLE, count, ints)); break;
  case 'l': put_message(graph, 11, value_info(name, ONNX_INT64, count, ints)); break;
  case 'b': put_message(graph, 11, value_info(name, ONNX_BOOL, count, ints)); break;
  case 'q': put_message(graph, 11, value_info(name, ONNX_INT4, count, ints)); break;
  case '=': add_weight(graph, tensor_ints(name, count, ints)); break;
  case '#': add_weight(graph, tensor_raw(name, ONNX_INT64, 0, NULL, ints, 8)); break;
  case '~': add_weight(graph, tensor_raw(name, ONNX_FLOAT, 1, shape, floats, (size_t)count * 4)); break;
  case '^': add_weight(graph, tensor_raw(name, ONNX_INT64, 2, shape, ints, (size_t)count * 8)); break;
  }
}

/* An attribute, after its spelling: name=5 name=1.5 name=[1,2] name='text', name=T: a tensor of two numbers */
static void put_attribute(bytes *n, char *spelling) {
  static const float zeros[2];
  static const int64_t two = 2;
  char *value = strchr(spelling, '=');
  int64_t ints[16];
  float floats[16];
  *value++ = '\0';
  if (*value == 'T') {
    attr_tensor(n, spelling, tensor_raw("", ONNX_FLOAT, 1, &two, zeros, sizeof zeros));
  } else if (*value == '\'') {
    value[strlen(value) - 1] = '\0';
    attr_text(n, spelling, value + 1);
  } else if (*value == '[') {
    int count = read_numbers(value + 1, ints, floats);
    if (strchr(value, '.'))
      attr_floats(n, spelling, count, floats);
    else
      attr_ints(n, spelling, count, ints);
  } else if (strchr(value, '.')) {
    attr_float(n, spelling, strtof(value, NULL));
  } else {
    attr_int(n, spelling, strtoll(value, NULL, 10));
  }
}

/* A model of one node "n" with these inputs "a", "b" ...; its first output is the graph's. */
static bytes one_node(int64_t opset, const char *op, const char *inputs, const char *outputs, const char *attributes) {
  bytes g = {0};
  char names[64] = "", spelled[256], *save;
  int count = 0;
  snprintf(spelled, sizeof spelled, "%s", inputs);
  for (char *word = strtok_r(spelled, " ", &save); word; word = strtok_r(NULL, " ", &save), count++) {
    const char name[] = {(char)('a' + count), '\0'};
    strcat(strcat(names, *word == '-' ? "-" : name), " ");
    put_operand(&g, name, word);
  }
  bytes n = node(op, "n", names, outputs);
  snprintf(spelled, sizeof spelled, "%s", attributes);
  for (char *word = strtok_r(spelled, " ", &save); word; word = strtok_r(NULL, " ", &save)) put_attribute(&n, word);
  add_node(&g, n);
  add_output(&g, "y");
  return model(opset, g);
}

static const struct {
  int64_t opset;
  const char *op, *inputs, *outputs, *attributes, *want;
} nodes[] = {
    {13, "Sum", "", "y", "", "TN_E_INVALID: import: n: Sum: at least one input is needed"},
    {13, "Cast", "f2", "y", "to=8", "TN_E_UNSUPPORTED: import: n: Cast: a cast to data type 8 is not supported"},
    {13, "Relu", "f2", "y z", "", "TN_E_UNSUPPORTED: import: n: Relu: output 1 (`z`) is not supported"},
    {13, "Compress", "f2 f2", "y", "",
     "TN_E_INVALID: import: n: Compress: the condition is not a list of truth values, at most as long as the "
     "dimension"},
    {13, "Compress", "f2 b3", "y", "",
     "TN_E_INVALID: import: n: Compress: the condition is not a list of truth values, at most as long as the "
     "dimension"},
    {21, "Compress", "q2,2 b2", "y", "axis=1",
     "TN_E_UNSUPPORTED: import: n: Compress: elements that share bytes are picked along the first axis alone"},
    {13, "Gemm", "f2,3 f3", "y", "", "TN_E_INVALID: import: n: Gemm: an operand is not a matrix"},
    {13, "Gemm", "f2,3 f3,4 f3,2,4", "y", "", "TN_E_INVALID: import: n: Gemm: C does not broadcast to the product"},
    {13, "BatchNormalization", "f3 f3 f3 f3 f3", "y", "",
     "TN_E_INVALID: import: n: BatchNormalization: an input of rank 1, at least 2 is needed"},
    {13, "BatchNormalization", "f2,3 f3 f3 f3 f3", "y z", "",
     "TN_E_UNSUPPORTED: import: n: BatchNormalization: statistics per position, and training before opset 14, are not "
     "supported"},
    {13, "BatchNormalization", "f2,3 f3 f3 f3 f2", "y", "",
     "TN_E_INVALID: import: n: BatchNormalization: input 4 is not one number per channel"},
    {13, "BatchNormalization", "f2,3 f3 f3 f3", "y", "",
     "TN_E_INVALID: import: n: BatchNormalization: an input is missing"},
    {13, "BatchNormalization", "f2,3 d3 d3 d3 d3", "y", "",
     "TN_E_UNSUPPORTED: import: n: BatchNormalization: parameters of another type than the input"},
    {6, "BatchNormalization", "f2,3 f3 f3 f3 f3", "y", "",
     "TN_E_UNSUPPORTED: import: n: BatchNormalization: training before opset 7 is not supported"},
    {5, "Tile", "f2,3 #2 #1", "y", "",
     "TN_E_UNSUPPORTED: import: n: Tile: one axis and a number of tiles is not supported"},
    {2, "GlobalLpPool", "f1,2,3", "y", "p=3",
     "TN_E_UNSUPPORTED: import: n: GlobalLpPool: a norm of power 3 is not supported"},
    {13, "InstanceNormalization", "f2,3 f3 f3", "y", "",
     "TN_E_INVALID: import: n: InstanceNormalization: an input of rank 2, at least 3 is needed"},
    {17, "LayerNormalization", "f2,3 f3", "y z", "axis=2",
     "TN_E_INVALID: import: n: LayerNormalization: axis 2 is outside a tensor of rank 2"},
    {21, "GroupNormalization", "f2,4,3 f4 f4", "y", "num_groups=3",
     "TN_E_INVALID: import: n: GroupNormalization: `num_groups` does not divide the channels"},
    {21, "GroupNormalization", "f2,4,3 f4 f2", "y", "num_groups=2",
     "TN_E_INVALID: import: n: GroupNormalization: input 2 is not one number per channel"},
    {18, "GroupNormalization", "f2,4,3 f4 f4", "y", "num_groups=2",
     "TN_E_INVALID: import: n: GroupNormalization: input 1 is not one number per group"},
    {13, "LpNormalization", "f2,3", "y", "p=3", "TN_E_INVALID: import: n: LpNormalization: `p` is neither 1 nor 2"},
    {13, "LRN", "f2,4,3", "y", "", "TN_E_INVALID: import: n: LRN: the shape and `size` do not fit"},
    {13, "NegativeLogLikelihoodLoss", "f2,3 l2", "y", "reduction='max'",
     "TN_E_INVALID: import: n: NegativeLogLikelihoodLoss: there is no reduction `max`"},
    {13, "NegativeLogLikelihoodLoss", "f2,3 l2,3", "y", "",
     "TN_E_INVALID: import: n: NegativeLogLikelihoodLoss: targets of rank 2 for rank 2"},
    {21, "QuantizeLinear", "f2,3 f2", "y", "axis=1",
     "TN_E_INVALID: import: n: QuantizeLinear: scale or zero point is not one number per element of axis 1"},
    {21, "QuantizeLinear", "f2,6 f2,2", "y", "axis=1 block_size=2",
     "TN_E_INVALID: import: n: QuantizeLinear: scale or zero point is not one number per block of axis 1"},
    {21, "DequantizeLinear", "l2,6 f", "y", "output_dtype=8",
     "TN_E_UNSUPPORTED: import: n: DequantizeLinear: data type 8 is not supported"},
    {23, "Attention", "f1,2,6 f1,2,6 f1,2,6", "y", "q_num_heads=4 kv_num_heads=2",
     "TN_E_INVALID: import: n: Attention: input 0 does not split into `q_num_heads`"},
    {23, "Attention", "f1,2,2,6 f1,2,2,4 f1,2,2,6", "y", "",
     "TN_E_INVALID: import: n: Attention: the shapes of query, key and value do not fit together"},
    {23, "Attention", "f1,2,2,6 f1,2,2,6 f1,2,2,6", "y", "qk_matmul_output_mode=4",
     "TN_E_INVALID: import: n: Attention: `qk_matmul_output_mode` is 4"},
    {23, "Attention", "f1,2,2,6 f1,2,2,6 f1,2,2,6", "y", "softmax_precision=7",
     "TN_E_UNSUPPORTED: import: n: Attention: a softmax in data type 7 is not supported"},
    {23, "Attention", "f1,2,2,6 f1,2,2,6 f1,2,2,6 f2,3", "y", "",
     "TN_E_INVALID: import: n: Attention: the mask does not fit the keys"},
    {13, "EyeLike", "f2,3,4", "y", "", "TN_E_INVALID: import: n: EyeLike: an input of rank 3, 2 is needed"},
    {13, "EyeLike", "f2,3", "y", "dtype=8", "TN_E_UNSUPPORTED: import: n: EyeLike: data type 8 is not supported"},
    {18, "Col2Im", "f1,8,9 =4,4 =2,2", "y", "strides=[1]",
     "TN_E_INVALID: import: n: Col2Im: the shapes and attributes do not fit"},
    {18, "Col2Im", "f1,8,9 =4,4 =2,0", "y", "",
     "TN_E_INVALID: import: n: Col2Im: a shape or an attribute is out of range"},
    {18, "Col2Im", "f1,8,9 =5,4 =2,2", "y", "",
     "TN_E_INVALID: import: n: Col2Im: the columns do not fill the image"},
    {27, "CausalConvWithState", "f1,2,3,4 f2,1,3", "y", "",
     "TN_E_INVALID: import: n: CausalConvWithState: input and weights are not of rank 3"},
    {27, "CausalConvWithState", "f1,2,3 f2,1,3", "y", "activation='relu'",
     "TN_E_INVALID: import: n: CausalConvWithState: there is no activation `relu`"},
    {18, "CenterCropPad", "f2,3 =1", "y", "", "TN_E_INVALID: import: n: CenterCropPad: 1 sizes for 2 axes"},
    {13, "ReverseSequence", "f2,3 l2", "y", "",
     "TN_E_INVALID: import: n: ReverseSequence: the lengths are not one number per element of the batch"},
    {13, "ReverseSequence", "f2,3 l3", "y", "time_axis=2",
     "TN_E_INVALID: import: n: ReverseSequence: time and batch are not the first two axes"},
    {24, "TensorScatter", "f2,3,4 f2,1", "y", "", "TN_E_INVALID: import: n: TensorScatter: the update does not fit"},
    {24, "TensorScatter", "f2,3,4 f2,1,4", "y", "mode='ring'",
     "TN_E_INVALID: import: n: TensorScatter: there is no mode `ring`"},
    {13, "MaxUnpool", "f1,1,4 l1,1,4 =1,1", "y", "kernel_shape=[2] strides=[2]",
     "TN_E_INVALID: import: n: MaxUnpool: `output_shape` needs 3 numbers"},
    {13, "MaxUnpool", "f1,1,4 l1,1,4", "y", "kernel_shape=[0]",
     "TN_E_INVALID: import: n: MaxUnpool: an attribute is out of range"},
    {13, "MaxUnpool", "f1,1,4 l1,1,4", "y", "kernel_shape=[2,2]",
     "TN_E_INVALID: import: n: MaxUnpool: the attributes do not fit an input of rank 3"},
    {13, "MaxUnpool", "f1,1,0 l1,1,0", "y", "kernel_shape=[1]",
     "TN_E_INVALID: import: n: MaxUnpool: the output's shape is out of range"},
    {19, "DeformConv", "f1,2,4 f2,2,2 f1,4,3", "y", "",
     "TN_E_UNSUPPORTED: import: n: DeformConv: only two dimensions of space are supported"},
    {19, "DeformConv", "f1,2,4,4 f2,2,2,2 f1,4,3,3", "y", "",
     "TN_E_INVALID: import: n: DeformConv: the shapes and attributes do not fit"},
    {20, "AffineGrid", "f1,2,3 =1,1,4", "y", "", "TN_E_INVALID: import: n: AffineGrid: theta does not fit `size`"},
    {13, "Einsum", "f2 f2 f2 f2 f2 f2 f2 f2 f2", "y", "equation='i,i'",
     "TN_E_UNSUPPORTED: import: n: Einsum: 9 operands: 1 to 8 are supported"},
    {13, "Einsum", "f2,3", "y", "equation='ij->ik'",
     "TN_E_INVALID: import: n: Einsum: a letter of the result is in no operand, or stands there twice"},
    {13, "Einsum", "f2,3", "y", "equation='ij->ii'",
     "TN_E_INVALID: import: n: Einsum: a letter of the result is in no operand, or stands there twice"},
    {13, "Einsum", "f2,3 f4,5", "y", "equation='ij,jk'",
     "TN_E_INVALID: import: n: Einsum: a letter stands for dimensions of 3 and 4"},
    {13, "Einsum", "f2,3", "y", "equation='ii'",
     "TN_E_INVALID: import: n: Einsum: a letter stands for dimensions of 2 and 3"},
    {13, "Einsum", "f2,3", "y", "equation='ijk'",
     "TN_E_INVALID: import: n: Einsum: a term of the equation does not have the rank of its tensor"},
    {13, "Einsum", "f2,3,4", "y", "equation='ij'",
     "TN_E_INVALID: import: n: Einsum: a term of the equation does not have the rank of its tensor"},
    {13, "Einsum", "f2,3", "y", "equation='i.j'",
     "TN_E_INVALID: import: n: Einsum: the equation has a `.`"},
    {13, "Einsum", "f2,3 f3", "y", "equation='ij->i'",
     "TN_E_INVALID: import: n: Einsum: the equation is not one of 2 operands"},
    {13, "Einsum", "f2,3", "y", "equation='ij->i->j'",
     "TN_E_INVALID: import: n: Einsum: the equation goes on behind its result"},
    {13, "Einsum", "f1,2 f3,2", "y", "equation='...i,...i->i'",
     "TN_E_UNSUPPORTED: import: n: Einsum: a sum over a dimension that is broadcast is not supported"},
    {13, "Einsum", "f1,1,1,1,1,1,1 f1,1 f1,1", "y", "equation='abcdefg,hi,ah->bcdefgi'",
     "TN_E_UNSUPPORTED: import: n: Einsum: a product of rank over 8"},
    {14, "RNN", "f2,3,4 f1,5,4 f1,5,6", "y", "",
     "TN_E_INVALID: import: n: RNN: input, weights and states do not fit together"},
    {14, "RNN", "f2,3,4 f1,5,4 f1,5,5 - - f1,1,5", "y", "", /* a state of one sequence, where there are three */
     "TN_E_INVALID: import: n: RNN: input, weights and states do not fit together"},
    {14, "LSTM", "f2,3,4 f1,20,4 f1,20,5 - - - f1,3,4", "y", "",
     "TN_E_INVALID: import: n: LSTM: input, weights and states do not fit together"},
    {14, "LSTM", "f2,3,4 f1,20,4 f1,20,5 - - - - f1,14", "y", "", /* peepholes are of three gates */
     "TN_E_INVALID: import: n: LSTM: input, weights and states do not fit together"},
    {14, "RNN", "f2,3,4 f1,5,4 f1,5,5", "y", "direction='up'",
     "TN_E_INVALID: import: n: RNN: there is no direction `up`"},
    {14, "RNN", "f0,3,4 f1,5,4 f1,5,5", "y", "",
     "TN_E_UNSUPPORTED: import: n: RNN: a sequence of no steps is not supported"},
    {13, "RandomUniform", "", "y", "shape=[2] dtype=7",
     "TN_E_INVALID: import: n: RandomUniform: random numbers are not integers"},
    {13, "RandomNormal", "", "y", "shape=[2] dtype=8",
     "TN_E_UNSUPPORTED: import: n: RandomNormal: data type 8 is not supported"},
    {13, "RandomNormal", "", "y", "shape=[65536,65536]",
     "TN_E_LIMIT: import: n: RandomNormal: the shape is out of range"},
    {13, "Multinomial", "f2,3", "y", "sample_size=0",
     "TN_E_INVALID: import: n: Multinomial: the input or an attribute does not fit"},
    {13, "TfIdfVectorizer", "l4", "y", "pool_strings=5",
     "TN_E_UNSUPPORTED: import: n: TfIdfVectorizer: n-grams of texts are not supported"},
    {13, "TfIdfVectorizer", "l4", "y", "pool_int64s=[1,2,3] ngram_counts=[0,2] ngram_indexes=[0,1]",
     "TN_E_INVALID: import: n: TfIdfVectorizer: `ngram_counts` does not divide the pool"},
    {13, "TfIdfVectorizer", "l4", "y", "pool_int64s=[1,2] ngram_counts=[0] ngram_indexes=[0]",
     "TN_E_INVALID: import: n: TfIdfVectorizer: 1 indexes for 2 n-grams"},
    {13, "TfIdfVectorizer", "l4", "y", "pool_int64s=[1,2] ngram_counts=[0] ngram_indexes=[0,-1]",
     "TN_E_INVALID: import: n: TfIdfVectorizer: index -1 is out of range"},
    {13, "TfIdfVectorizer", "l4", "y", "pool_int64s=[1,2] ngram_counts=[0] ngram_indexes=[0,16777216]",
     "TN_E_INVALID: import: n: TfIdfVectorizer: index 16777216 is out of range"},
    {13, "TfIdfVectorizer", "l4", "y", "", "TN_E_INVALID: import: n: TfIdfVectorizer: 0 indexes for 0 n-grams"},
    {13, "TfIdfVectorizer", "f4", "y", "pool_int64s=[1,2] ngram_counts=[0] ngram_indexes=[0,1]",
     "TN_E_INVALID: import: n: TfIdfVectorizer: the input is not one row or several of i32 or i64"},
    {13, "TfIdfVectorizer", "l4", "y",
     "pool_int64s=[1,2] ngram_counts=[0] ngram_indexes=[0,1] min_gram_length=2 mode='TF'",
     "TN_E_INVALID: import: n: TfIdfVectorizer: the lengths of n-grams are out of range"},
    {13, "TfIdfVectorizer", "l4", "y", "pool_int64s=[1,2] ngram_counts=[0] ngram_indexes=[1,1] mode='TF'",
     "TN_E_INVALID: import: n: TfIdfVectorizer: two n-grams have index 1"},
    {13, "TfIdfVectorizer", "l4", "y", "pool_int64s=[1,2] ngram_counts=[0] ngram_indexes=[0,1] mode='XY'",
     "TN_E_INVALID: import: n: TfIdfVectorizer: there is no mode `XY`"},
    {13, "TfIdfVectorizer", "l4", "y",
     "pool_int64s=[1,2] ngram_counts=[0] ngram_indexes=[0,1] mode='IDF' weights=[0.5]",
     "TN_E_INVALID: import: n: TfIdfVectorizer: 1 weights for 2 n-grams"},
    {13, "Dropout", "f2 - f", "y", "",
     "TN_E_INVALID: import: n: Dropout: training mode is not a bool"},
    {20, "DFT", "f1,4,3", "y", "",
     "TN_E_INVALID: import: n: DFT: the input's last dimension is not that of real or complex numbers"},
    {20, "DFT", "f1,4,1 #0", "y", "",
     "TN_E_INVALID: import: n: DFT: a transform of length 0"},
    {20, "DFT", "f1,5000,2", "y", "",
     "TN_E_LIMIT: import: n: DFT: a transform of 5000 elements is too long"},
    {17, "STFT", "f1,8,1 #0 - #4", "y", "",
     "TN_E_INVALID: import: n: STFT: signal, step and frames do not fit together"},
    {17, "HannWindow", "#-1", "y", "",
     "TN_E_INVALID: import: n: HannWindow: a window of size -1"},
    {17, "HannWindow", "#4", "y", "output_datatype=8",
     "TN_E_UNSUPPORTED: import: n: HannWindow: data type 8 is not supported"},
    {17, "MelWeightMatrix", "#8 #16 #100 ~1,2 ~1", "y", "",
     "TN_E_INVALID: import: n: MelWeightMatrix: input `lower_edge_hertz` is not one number"},
    {17, "MelWeightMatrix", "#8 #16 #100 ~2 ~1", "y", "",
     "TN_E_INVALID: import: n: MelWeightMatrix: the bands do not fit the spectrum"},
    {27, "LinearAttention", "f1,2,4 f1,2,4 f1,2,4", "y", "update_rule='leaky'",
     "TN_E_INVALID: import: n: LinearAttention: there is no update rule `leaky`"},
    {27, "LinearAttention", "f1,2,4 f1,2,4 f1,2,4", "y", "update_rule='gated'",
     "TN_E_INVALID: import: n: LinearAttention: the update rule `gated` and the inputs do not fit"},
    {27, "LinearAttention", "f1,2,4 f1,2,4 f1,2,4", "y", "update_rule='linear' q_num_heads=2 kv_num_heads=3",
     "TN_E_INVALID: import: n: LinearAttention: input 1 does not split into 3 heads"},
    {23, "RotaryEmbedding", "f1,2,2,6 f1,2,3 f1,2,3", "y", "rotary_embedding_dim=5",
     "TN_E_INVALID: import: n: RotaryEmbedding: `rotary_embedding_dim` of 5 does not fit"},
    {23, "RotaryEmbedding", "f1,2,2,6 f1,2,3 f1,2,2", "y", "",
     "TN_E_INVALID: import: n: RotaryEmbedding: input 2 is not one number per position and pair"},
    {13, "GlobalMaxPool", "f2,3", "y", "",
     "TN_E_INVALID: import: n: GlobalMaxPool: an input of rank 2, at least 3 is needed"},
    {13, "Softmax", "f2,3", "y", "axis=2", "TN_E_INVALID: import: n: Softmax: axis 2 is outside a tensor of rank 2"},
    {13, "Flatten", "f2,3", "y", "axis=3", "TN_E_INVALID: import: n: Flatten: axis 3 is outside a tensor of rank 2"},
    {13, "Reshape", "f2,3 =1,1,1,1,1,1,1,1,6", "y", "", "TN_E_UNSUPPORTED: import: n: Reshape: rank 9 is over 8"},
    {13, "Reshape", "f2,3 =2,3,0", "y", "",
     "TN_E_INVALID: import: n: Reshape: dimension 2 is 0, and the input has rank 2"},
    {13, "Reshape", "f2,3 =-1,-1", "y", "",
     "TN_E_INVALID: import: n: Reshape: the shape has more than one open dimension, or a negative one"},
    {13, "Reshape", "f2,3 =4611686018427387904,4", "y", "", "TN_E_INVALID: import: n: Reshape: the shape is too big"},
    {13, "Reshape", "f2,3 =4,-1", "y", "", "TN_E_INVALID: import: n: Reshape: 6 elements do not fill the shape"},
    {13, "Reshape", "f2,3 ~6", "y", "", "TN_E_INVALID: import: n: Reshape: input `shape` is not i32 or i64"},
    {13, "Reshape", "f2,3 ^2,3", "y", "", "TN_E_INVALID: import: n: Reshape: input `shape` is not a short list"},
    {13, "Squeeze", "f2,3 =1", "y", "", "TN_E_INVALID: import: n: Squeeze: dimension 1 is 3, not 1"},
    {13, "Unsqueeze", "f2,3 =0,1,2,3,4,5,6", "y", "", "TN_E_UNSUPPORTED: import: n: Unsqueeze: rank 9 is over 8"},
    {13, "Unsqueeze", "f2,3 =1,-3", "y", "", "TN_E_INVALID: import: n: Unsqueeze: axis 1 is given twice"},
    {13, "CumSum", "f2,3 =0,1", "y", "", "TN_E_INVALID: import: n: CumSum: input `axis` is not one number"},
    {13, "Constant", "", "y", "value_string='a'",
     "TN_E_UNSUPPORTED: import: n: Constant: only numbers can be constants"},
    {13, "ConstantOfShape", "=2", "y", "value=T",
     "TN_E_INVALID: import: n: ConstantOfShape: `value` is not one number"},
    {13, "Range", "=0 ~4 =1", "y", "", "TN_E_INVALID: import: n: Range: input 1 is not one number of the right type"},
    {13, "Range", "=0 =4 =0", "y", "", "TN_E_INVALID: import: n: Range: the step is 0"},
    {13, "Range", "=0 =16777217 =1", "y", "", "TN_E_LIMIT: import: n: Range: the range is too long"},
    {13, "Split", "f4 =1,3", "y", "", "TN_E_INVALID: import: n: Split: 2 sizes for 1 outputs"},
    {13, "Split", "f4", "y z w", "", "TN_E_INVALID: import: n: Split: 4 does not split into 3"},
    {13, "Split", "f4 =5", "y", "", "TN_E_INVALID: import: n: Split: the sizes do not fit the dimension"},
    {13, "Split", "f4 =1,2", "y z", "", "TN_E_INVALID: import: n: Split: the sizes do not fill the dimension"},
    {13, "Pad", "f4 =1", "y", "", "TN_E_INVALID: import: n: Pad: 1 pads for 1 axes"},
    {13, "Pad", "f4 =1,1 ~1,2", "y", "", "TN_E_INVALID: import: n: Pad: the padding value is not one number"},
    {13, "OneHot", "l4 =1,2 f2", "y", "", "TN_E_INVALID: import: n: OneHot: the depth is not one number"},
    {13, "OneHot", "l4 #0 f2", "y", "", "TN_E_INVALID: import: n: OneHot: the depth is out of range"},
    {13, "DepthToSpace", "f1,3,2,2", "y", "blocksize=2",
     "TN_E_INVALID: import: n: DepthToSpace: the shape and `blocksize` do not fit"},
    {13, "SpaceToDepth", "f1,3,2,3", "y", "blocksize=2",
     "TN_E_INVALID: import: n: SpaceToDepth: the shape and `blocksize` do not fit"},
    {13, "Resize", "f4 - ~2", "y", "mode='quartic'", "TN_E_INVALID: import: n: Resize: there is no mode `quartic`"},
    {13, "Resize", "f4 - ~2", "y", "nearest_mode='even'",
     "TN_E_INVALID: import: n: Resize: there is no nearest mode `even`"},
    {13, "Resize", "f4 - ~2", "y", "coordinate_transformation_mode='mirror'",
     "TN_E_INVALID: import: n: Resize: there is no coordinate transformation `mirror`"},
    {13, "Resize", "f4 - ~2", "y", "coordinate_transformation_mode='tf_crop_and_resize'",
     "TN_E_INVALID: import: n: Resize: the region needs 2 numbers"},
    {13, "Resize", "f4 - =1", "y", "",
     "TN_E_INVALID: import: n: Resize: the scales are not a short list of floats"},
    {18, "Resize", "f4 - ~2,2", "y", "axes=[0,0]", "TN_E_INVALID: import: n: Resize: more axes than dimensions"},
    {18, "Resize", "f4,4 - ~2,2", "y", "axes=[0,0]", "TN_E_INVALID: import: n: Resize: axis 0 is given twice"},
    {18, "Resize", "f4 - - =2", "y", "keep_aspect_ratio_policy='crop'",
     "TN_E_INVALID: import: n: Resize: there is no policy `crop`"},
    {18, "Resize", "f0 - - =2", "y", "", "TN_E_INVALID: import: n: Resize: dimension 0 cannot be resized"},
    {18, "Resize", "f20000 - ~0.0002", "y", "antialias=1 mode='linear'",
     "TN_E_LIMIT: import: n: Resize: axis 0 takes too many weights"},
    {18, "Resize", "f4 - - =1000000000", "y", "mode='cubic'",
     "TN_E_LIMIT: import: n: Resize: axis 0 takes too many weights"},
    {18, "Col2Im", "f1,10000000,9 =4,4 =2,2", "y", "",
     "TN_E_LIMIT: import: n: Col2Im: 10000000 columns are too many"},
    {18, "Resize", "f1,1,1,1,1,1,1,4 - ~1,1,1,1,1,1,1,2", "y", "mode='cubic'",
     "TN_E_UNSUPPORTED: import: n: Resize: rank 8 is over 7"},
    {13, "Resize", "f4 - ~2,2", "y", "", "TN_E_INVALID: import: n: Resize: one scale per dimension is needed"},
    {13, "Resize", "f4 - ~-1", "y", "", "TN_E_INVALID: import: n: Resize: a scale is out of range"},
    {13, "Resize", "f4 - - =2,2", "y", "", "TN_E_INVALID: import: n: Resize: one size per dimension is needed"},
    {13, "SequenceLength", "f2", "y", "", "TN_E_INVALID: import: n: SequenceLength: input 0 is not a sequence"},
    {13, "SequenceConstruct", "f2 l2", "y", "", "TN_E_INVALID: import: n: SequenceConstruct: input 1 is of another type"},
    {13, "SequenceConstruct", "", "y", "", "TN_E_INVALID: import: n: SequenceConstruct: at least one input is needed"},
    {13, "SequenceEmpty", "", "y", "dtype=8",
     "TN_E_UNSUPPORTED: import: n: SequenceEmpty: the element type is not supported"},
    {13, "SplitToSequence", "f4 =1,2", "y", "",
     "TN_E_INVALID: import: n: SplitToSequence: the sizes do not fill the dimension"},
    {13, "SplitToSequence", "f4 =5", "y", "",
     "TN_E_INVALID: import: n: SplitToSequence: the sizes do not fit the dimension"},
    {18, "OptionalGetElement", "-", "y", "", "TN_E_INVALID: import: n: OptionalGetElement: the optional holds nothing"},
    {7, "Upsample", "f4", "y", "scales=[2.0,2.0]",
     "TN_E_INVALID: import: n: Upsample: one scale per dimension is needed"},
};

START_TEST(a_node_is_refused_with_this_message)
{
  bytes m = one_node(nodes[_i].opset, nodes[_i].op, nodes[_i].inputs, nodes[_i].outputs, nodes[_i].attributes);
  ck_assert_str_eq(told(m), nodes[_i].want);
}
END_TEST

/* ---- attributes ------------------------------------------------------------------------------------------------- */

/* x -> the node -> y */
static bytes around(bytes n) {
  static const int64_t two = 2;
  bytes g = {0};
  add_node(&g, n);
  add_input(&g, "x", 1, &two);
  add_output(&g, "y");
  return g;
}

START_TEST(attributes_of_a_node)
{
  bytes twice = node("Concat", "n", "x x", "y"), many = node("Concat", "n", "x x", "y"), ref = {0},
        of_function = node("Concat", "n", "x x", "y");
  attr_int(&twice, "axis", 0);
  attr_int(&twice, "axis", 0);
  ck_assert_str_eq(told(model(13, around(twice))), "TN_E_INVALID: import: n: two attributes are called `axis`");
  for (int i = 0; i < 65; i++) attr_int(&many, "axis", 0);
  ck_assert_str_eq(told(model(13, around(many))), "TN_E_LIMIT: import: n: more than 64 attributes");
  put_text(&ref, 1, "axis");
  put_text(&ref, 21, "outer");
  put_message(&of_function, 5, ref);
  ck_assert_str_eq(told(model(13, around(of_function))),
             "TN_E_INVALID: import: n: an attribute refers to one of a function");
}
END_TEST

START_TEST(an_attribute_has_so_many_numbers)
{
  enum { MANY = (1 << 24) + 1 };
  bytes n = node("Constant", "n", "", "y"), a = {0};
  uint8_t *ones = malloc(MANY);
  memset(ones, 1, MANY);
  put_text(&a, 1, "value_ints");
  put_bytes(&a, 8, ones, MANY);
  put_int(&a, 20, 7);
  put_message(&n, 5, a);
  free(ones);
  ck_assert_str_eq(told(model(13, around(n))), "TN_E_LIMIT: import: n: an attribute of more than 16777216 numbers");
}
END_TEST

/* ---- tensors ---------------------------------------------------------------------------------------------------- */

static bytes relu(void) { return node("Relu", "n", "x", "y"); }

static bytes with_weight(bytes t) {
  bytes g = around(relu());
  add_weight(&g, t);
  return model(13, g);
}

START_TEST(tensors_are_of_a_kind_that_is_read)
{
  static const float zero;
  static const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  bytes segment = tensor_raw("w", ONNX_FLOAT, 0, NULL, &zero, 4), empty = {0};
  put_message(&segment, 3, empty);
  ck_assert_str_eq(told(with_weight(segment)),
             "TN_E_UNSUPPORTED: import: w: segments of tensors are not supported (data type 1)");
  ck_assert_str_eq(told(with_weight(tensor_raw("w", ONNX_FLOAT, 9, nine, &zero, 4))),
             "TN_E_UNSUPPORTED: import: w: the tensor has too many dimensions");
  ck_assert_str_eq(told(with_weight(tensor_raw("w", 8, 0, NULL, &zero, 4))),
             "TN_E_UNSUPPORTED: import: w: the element type is not supported (data type 8)");
}
END_TEST

START_TEST(initializers_have_a_name_of_their_own)
{
  static const float zero;
  bytes g = around(relu());
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 0, NULL, &zero, 4));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 0, NULL, &zero, 4));
  ck_assert_str_eq(told(model(13, g)), "TN_E_INVALID: import: w: two initializers have this name");
  ck_assert_str_eq(told(with_weight(tensor_raw("", ONNX_FLOAT, 0, NULL, &zero, 4))),
             "TN_E_INVALID: import: graph: an initializer has no name");
}
END_TEST

START_TEST(sparse_initializers_are_refused)
{
  bytes g = around(relu()), sparse = {0};
  put_message(&g, 15, sparse);
  ck_assert_str_eq(told(model(13, g)), "TN_E_UNSUPPORTED: import: graph: sparse initializers are not supported");
}
END_TEST

/* ---- inputs and outputs ----------------------------------------------------------------------------------------- */

/* y = relu(x), x as given. */
static bytes of_input(bytes x) {
  bytes g = {0};
  add_node(&g, relu());
  put_message(&g, 11, x);
  add_output(&g, "y");
  return model(13, g);
}

START_TEST(inputs_are_tensors_of_numbers)
{
  static const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  bytes named = {0}, elem = {0}, type = {0}, shapeless = {0};
  put_text(&named, 1, "x");
  ck_assert_str_eq(told(of_input(named)),
                   "TN_E_UNSUPPORTED: import: x: the input is not a tensor, or a sequence of tensors");
  ck_assert_str_eq(told(of_input(value_info("x", 8, 1, nine))),
             "TN_E_UNSUPPORTED: import: x: the element type (data type 8) is not supported");
  ck_assert_str_eq(told(of_input(value_info("x", ONNX_FLOAT, 9, nine))),
             "TN_E_UNSUPPORTED: import: x: the rank is over 8");
  put_int(&elem, 1, ONNX_FLOAT);
  put_message(&type, 1, elem);
  put_text(&shapeless, 1, "x");
  put_message(&shapeless, 2, type);
  ck_assert_str_eq(told(of_input(shapeless)),
             "TN_E_INVALID: import: x: the input has no shape: give one in tn_import_desc.shapes");
}
END_TEST

START_TEST(shapes_that_are_given_fit_the_model)
{
  static const int64_t open[] = {-1, 3}, want[] = {5, 4};
  static const struct {
    tn_input_shape shape;
    const char *want;
  } cases[] = {
      {{"x", 2, want},
       "TN_E_INVALID: import: x: dimension 1 is 3 in the model, 4 was asked for"},
      {{"x", 1, want}, "TN_E_INVALID: import: x: the rank is 2, a shape of rank 1 was given"},
      {{"z", 2, want}, "TN_E_INVALID: import: z: the model has no input of this name"},
  };
  for (size_t i = 0; i < TNI_COUNT(cases); i++) {
    const tn_import_desc desc = {.struct_size = sizeof desc, .shape_count = 1, .shapes = &cases[i].shape};
    ck_assert_str_eq(told_with(NULL, of_input(value_info("x", ONNX_FLOAT, 2, open)), &desc), cases[i].want);
  }
  ck_assert_str_eq(told(of_input(value_info("x", ONNX_FLOAT, 2, open))),
             "TN_E_INVALID: import: x: dimension 0 (`n`) is open: give it a value in "
             "tn_import_desc (dims, shapes, default_dim or keep_open)");
}
END_TEST

START_TEST(a_weight_has_its_own_shape)
{
  static const int64_t two = 2;
  static const float zeros[2];
  const tn_input_shape shape = {"w", 1, &two};
  const tn_import_desc desc = {.struct_size = sizeof desc, .shape_count = 1, .shapes = &shape};
  bytes g = around(relu());
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 1, &two, zeros, sizeof zeros));
  add_input(&g, "w", 1, &two); /* as IR 3 and 4 list it */
  ck_assert_str_eq(told_with(NULL, model(13, g), &desc),
             "TN_E_INVALID: import: w: a shape was given, but the model holds this tensor");
}
END_TEST

/* ---- the model -------------------------------------------------------------------------------------------------- */

START_TEST(models_have_outputs_and_an_opset)
{
  bytes g = {0}, m = {0};
  add_node(&g, relu());
  put_message(&g, 11, value_info("x", ONNX_FLOAT, 0, NULL));
  ck_assert_str_eq(told(model(13, g)), "TN_E_INVALID: import: graph: the model has no outputs");
  put_message(&m, 7, around(relu()));
  ck_assert_str_eq(told(m), "TN_E_INVALID: import: model: the model names no opset of ONNX");
}
END_TEST

START_TEST(nodes_have_operators)
{
  ck_assert_str_eq(told(model(13, around(node("", "n", "x", "y")))),
             "TN_E_UNSUPPORTED: import: graph: operators that are not supported: (no operator) (n)");
}
END_TEST

START_TEST(names_have_no_nul)
{
  bytes n = {0};
  put_bytes(&n, 3, "a\0b", 3);
  put_text(&n, 4, "Relu");
  ck_assert_str_eq(told(model(13, around(n))), "TN_E_INVALID: import: offset 14: a name has a NUL character in it");
}
END_TEST

/* p = [x], then the node */
static bytes of_sequence(const char *op, const char *inputs, const char *before) {
  static const int64_t two = 2;
  bytes g = {0};
  add_node(&g, node("SequenceConstruct", "c", "x", "p"));
  if (*before) add_node(&g, node("SequenceErase", "e", "p", "q"));
  add_node(&g, node(op, "n", inputs, "y"));
  add_weight(&g, tensor_ints("at", 1, &two));
  add_input(&g, "x", 1, &two);
  add_output(&g, "y");
  return model(13, g);
}

START_TEST(places_of_sequences)
{
  ck_assert_str_eq(told(of_sequence("SequenceAt", "p at", "")),
                   "TN_E_INVALID: import: n: SequenceAt: the position is outside a sequence of 1");
  ck_assert_str_eq(told(of_sequence("ConcatFromSequence", "q", "e")),
                   "TN_E_INVALID: import: n: ConcatFromSequence: the sequence is empty");
}
END_TEST

static bytes branch(bool with_output) {
  bytes g = {0};
  add_node(&g, node("Relu", "r", "x", "b"));
  if (with_output) add_output(&g, "b");
  return g;
}

START_TEST(an_if_has_a_condition_and_branches)
{
  static const uint8_t yes = 1;
  static const int64_t one = 1;
  bytes n = node("If", "n", "c", "y"), g, m = node("If", "n", "d", "y");
  attr_graph(&n, "then_branch", branch(false));
  g = around(n);
  add_weight(&g, tensor_raw("c", 9, 0, NULL, &yes, 1));
  ck_assert_str_eq(told(model(13, g)), "TN_E_INVALID: import: n: If: a branch does not fit");
  attr_graph(&m, "then_branch", branch(true));
  g = around(m);
  add_weight(&g, tensor_ints("d", 1, &one));
  ck_assert_str_eq(told(model(13, g)), "TN_E_INVALID: import: n: If: the condition is not one truth value");
}
END_TEST

static bytes named(const char *name, size_t length) {
  bytes v = {0};
  put_bytes(&v, 1, name, length);
  return v;
}

/* FlexAttention of q, k, v: f32[1, 1, 2, 3], whose scores "s" go through nodes that make "t". */
static bytes flexible(bytes nodes, const char *inputs) {
  static const int64_t shape[] = {1, 1, 2, 3};
  bytes g = {0}, n = node("FlexAttention", "n", "q k v", "y");
  for (const char *name = inputs; *name; name++) put_message(&nodes, 11, named(name, 1));
  put_message(&nodes, 12, named("t", 1));
  put_text(&n, 7, "ai.onnx.preview");
  attr_graph(&n, "score_mod", nodes);
  add_node(&g, n);
  add_input(&g, "q", 4, shape);
  add_input(&g, "k", 4, shape);
  add_input(&g, "v", 4, shape);
  add_output(&g, "y");
  return model(26, g);
}

START_TEST(a_body_of_scores_keeps_their_form)
{
  bytes same = {0}, two = {0}, other = {0};
  add_node(&same, node("Relu", "r", "s", "t"));
  add_node(&two, node("Add", "r", "s u", "t"));
  add_node(&other, node("Shape", "r", "s", "t"));
  ck_assert_str_eq(told(flexible(same, "s")), "");
  ck_assert_str_eq(told(flexible(two, "su")),
                   "TN_E_INVALID: import: n: FlexAttention: `score_mod` is not of one tensor");
  ck_assert_str_eq(told(flexible(other, "s")),
                   "TN_E_INVALID: import: n: FlexAttention: `score_mod` changes the type or the shape");
}
END_TEST

/* A function f(a) -> (b) of the domain "d" that is b = OP(a). */
static bytes function(const char *op) {
  bytes f = {0}, n = node(op, "inner", "a", "b"), set = {0};
  put_text(&f, 1, "f");
  put_text(&f, 4, "a");
  put_text(&f, 5, "b");
  if (*op == 'f') put_text(&n, 7, "d");
  put_message(&f, 7, n);
  put_int(&set, 2, 13);
  put_message(&f, 9, set);
  put_text(&f, 10, "d");
  return f;
}

/* y = d.f(INPUTS) */
static bytes calling(const char *inputs, int functions, const char *op) {
  bytes n = node("f", "n", inputs, "y");
  put_text(&n, 7, "d");
  bytes m = model(13, around(n));
  for (int i = 0; i < functions; i++) put_message(&m, 25, function(op));
  return m;
}

START_TEST(functions_are_called_as_they_are_declared)
{
  const tn_limits limits = {.nesting = 20}, few = {.nodes = 1};
  ck_assert_str_eq(told(calling("x", 1, "Relu")), "");
  ck_assert_str_eq(told(calling("x x", 1, "Relu")),
                   "TN_E_INVALID: import: n: the call has more inputs or outputs than its function");
  ck_assert_str_eq(told_with(&limits, calling("x", 1, "f"), NULL),
                   "TN_E_LIMIT: import: inner: calls are nested deeper than the limit of 20");
  ck_assert_str_eq(told_with(&few, calling("x", 1, "Relu"), NULL),
                   "TN_E_LIMIT: import: n: bodies and calls make too many nodes");
  ck_assert_str_eq(told(calling("x", 1001, "Relu")), "TN_E_LIMIT: import: model: more than 1000 functions");
}
END_TEST

START_TEST(a_model_has_as_many_nodes_as_the_limit)
{
  const tn_limits limits = {.nodes = 1};
  bytes g = around(relu());
  add_node(&g, node("Relu", "m", "x", "z"));
  ck_assert_str_eq(told_with(&limits, model(13, g), NULL), "TN_E_LIMIT: import: graph: 2 nodes, the limit is 1");
}
END_TEST

START_TEST(a_description_is_of_this_version)
{
  const tn_import_desc desc = {.struct_size = 8};
  char want[128];
  snprintf(want, sizeof want, "TN_E_VERSION: import: tn_import_desc: struct_size is 8, not %zu", sizeof desc);
  ck_assert_str_eq(told_with(NULL, model(13, around(relu())), &desc), want);
}
END_TEST

START_TEST(bytes_end_where_they_say)
{
  static const uint8_t number[] = {0x08, 0x80}, fixed[] = {0x7d, 1, 2}, packed[] = {0x22, 3, 1, 2, 3};
  bytes cut = {0}, t = {0};
  put(&cut, number, sizeof number);
  ck_assert_str_eq(told(cut), "TN_E_INVALID: import: offset 0: ModelProto: a number is cut off");
  cut = (bytes){0};
  put(&cut, fixed, sizeof fixed);
  ck_assert_str_eq(told(cut), "TN_E_INVALID: import: offset 0: ModelProto: a number is cut off");
  put(&t, packed, sizeof packed); /* float_data of three bytes */
  ck_assert_str_eq(told(with_weight(t)),
             "TN_E_INVALID: import: offset 51: TensorProto.float_data: packed numbers are cut off");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("import_refusals");
  TCase *tests = tcase_create("import_refusals");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, a_node_is_refused_with_this_message, 0, TNI_COUNT(nodes));
  tcase_add_test(tests, attributes_of_a_node);
  tcase_add_test(tests, an_attribute_has_so_many_numbers);
  tcase_add_test(tests, tensors_are_of_a_kind_that_is_read);
  tcase_add_test(tests, initializers_have_a_name_of_their_own);
  tcase_add_test(tests, sparse_initializers_are_refused);
  tcase_add_test(tests, inputs_are_tensors_of_numbers);
  tcase_add_test(tests, shapes_that_are_given_fit_the_model);
  tcase_add_test(tests, a_weight_has_its_own_shape);
  tcase_add_test(tests, models_have_outputs_and_an_opset);
  tcase_add_test(tests, nodes_have_operators);
  tcase_add_test(tests, names_have_no_nul);
  tcase_add_test(tests, places_of_sequences);
  tcase_add_test(tests, an_if_has_a_condition_and_branches);
  tcase_add_test(tests, a_body_of_scores_keeps_their_form);
  tcase_add_test(tests, functions_are_called_as_they_are_declared);
  tcase_add_test(tests, a_model_has_as_many_nodes_as_the_limit);
  tcase_add_test(tests, a_description_is_of_this_version);
  tcase_add_test(tests, bytes_end_where_they_say);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
