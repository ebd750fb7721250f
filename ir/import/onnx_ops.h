/* onnx_ops.h -- the table of ONNX's operators: one row each, in alphabetical order.
 *
 * Included by convert.h, which makes the prototypes of the converters of it, and by onnx_ops.c, which makes the table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_ONNX_OPS_H
#define TNI_ONNX_OPS_H

/* clang-format off */
/* OP(ONNX's name, the graph operator it mainly is or "", its converter tni_convert_NAME) */
#define TNI_ONNX_OPS(OP) \
  OP(Abs,                   "abs",                  same) \
  OP(Acos,                  "acos",                 same) \
  OP(Acosh,                 "acosh",                same) \
  OP(Add,                   "add",                  same) \
  OP(And,                   "and",                  same) \
  OP(ArgMax,                "arg_max",              same) \
  OP(ArgMin,                "arg_min",              same) \
  OP(Asin,                  "asin",                 same) \
  OP(Asinh,                 "asinh",                same) \
  OP(Atan,                  "atan",                 same) \
  OP(Atanh,                 "atanh",                same) \
  OP(AveragePool,           "average_pool",         pool) \
  OP(BatchNormalization,    "",                     batch_normalization) \
  OP(BitShift,              "bit_shift",            same) \
  OP(BitwiseAnd,            "bitwise_and",          same) \
  OP(BitwiseNot,            "bitwise_not",          same) \
  OP(BitwiseOr,             "bitwise_or",           same) \
  OP(BitwiseXor,            "bitwise_xor",          same) \
  OP(Cast,                  "cast",                 cast) \
  OP(CastLike,              "cast",                 cast_like) \
  OP(Ceil,                  "ceil",                 same) \
  OP(Celu,                  "celu",                 same) \
  OP(Clip,                  "clip",                 clip) \
  OP(Concat,                "concat",               same) \
  OP(Constant,              "",                     constant) \
  OP(ConstantOfShape,       "",                     constant_of_shape) \
  OP(Conv,                  "conv",                 same) \
  OP(ConvTranspose,         "conv_transpose",       same) \
  OP(Cos,                   "cos",                  same) \
  OP(Cosh,                  "cosh",                 same) \
  OP(CumSum,                "cum_sum",              cum_sum) \
  OP(DepthToSpace,          "",                     depth_to_space) \
  OP(Div,                   "div",                  same) \
  OP(Dropout,               "",                     dropout) \
  OP(Elu,                   "elu",                  same) \
  OP(Equal,                 "equal",                same) \
  OP(Erf,                   "erf",                  same) \
  OP(Exp,                   "exp",                  same) \
  OP(Expand,                "expand",               expand) \
  OP(Flatten,               "",                     flatten) \
  OP(Floor,                 "floor",                same) \
  OP(Gather,                "gather",               same) \
  OP(GatherElements,        "gather_elements",      same) \
  OP(GatherND,              "gather_nd",            same) \
  OP(Gelu,                  "gelu",                 same) \
  OP(Gemm,                  "",                     gemm) \
  OP(GlobalAveragePool,     "reduce_mean",          global_pool) \
  OP(GlobalMaxPool,         "reduce_max",           global_pool) \
  OP(Greater,               "greater",              same) \
  OP(GreaterOrEqual,        "greater_or_equal",     same) \
  OP(HardSigmoid,           "hard_sigmoid",         same) \
  OP(HardSwish,             "hard_swish",           same) \
  OP(Identity,              "identity",             same) \
  OP(InstanceNormalization, "",                     instance_normalization) \
  OP(IsInf,                 "is_inf",               same) \
  OP(IsNaN,                 "is_nan",               same) \
  OP(LayerNormalization,    "layer_norm",           layer_normalization) \
  OP(LeakyRelu,             "leaky_relu",           same) \
  OP(Less,                  "less",                 same) \
  OP(LessOrEqual,           "less_or_equal",        same) \
  OP(Log,                   "log",                  same) \
  OP(LogSoftmax,            "log_softmax",          softmax) \
  OP(MatMul,                "matmul",               same) \
  OP(Max,                   "max",                  variadic) \
  OP(MaxPool,               "max_pool",             pool) \
  OP(Mean,                  "add",                  variadic) \
  OP(Min,                   "min",                  variadic) \
  OP(Mish,                  "mish",                 same) \
  OP(Mod,                   "mod",                  same) \
  OP(Mul,                   "mul",                  same) \
  OP(Neg,                   "neg",                  same) \
  OP(Not,                   "not",                  same) \
  OP(OneHot,                "one_hot",              one_hot) \
  OP(Or,                    "or",                   same) \
  OP(PRelu,                 "prelu",                same) \
  OP(Pad,                   "pad",                  pad) \
  OP(Pow,                   "pow",                  same) \
  OP(Range,                 "",                     range) \
  OP(Reciprocal,            "reciprocal",           same) \
  OP(ReduceL1,              "reduce_l1",            reduce) \
  OP(ReduceL2,              "reduce_l2",            reduce) \
  OP(ReduceLogSum,          "reduce_log_sum",       reduce) \
  OP(ReduceLogSumExp,       "reduce_log_sum_exp",   reduce) \
  OP(ReduceMax,             "reduce_max",           reduce) \
  OP(ReduceMean,            "reduce_mean",          reduce) \
  OP(ReduceMin,             "reduce_min",           reduce) \
  OP(ReduceProd,            "reduce_prod",          reduce) \
  OP(ReduceSum,             "reduce_sum",           reduce) \
  OP(ReduceSumSquare,       "reduce_sum_square",    reduce) \
  OP(Relu,                  "relu",                 same) \
  OP(Reshape,               "",                     reshape) \
  OP(Resize,                "resize",               resize) \
  OP(Round,                 "round",                same) \
  OP(Selu,                  "selu",                 same) \
  OP(Shape,                 "",                     shape) \
  OP(Shrink,                "shrink",               same) \
  OP(Sigmoid,               "sigmoid",              same) \
  OP(Sign,                  "sign",                 same) \
  OP(Sin,                   "sin",                  same) \
  OP(Sinh,                  "sinh",                 same) \
  OP(Size,                  "",                     size) \
  OP(Slice,                 "slice",                slice) \
  OP(Softmax,               "softmax",              softmax) \
  OP(Softplus,              "softplus",             same) \
  OP(Softsign,              "softsign",             same) \
  OP(SpaceToDepth,          "",                     space_to_depth) \
  OP(Split,                 "slice",                split) \
  OP(Sqrt,                  "sqrt",                 same) \
  OP(Squeeze,               "",                     squeeze) \
  OP(Sub,                   "sub",                  same) \
  OP(Sum,                   "add",                  variadic) \
  OP(Swish,                 "swish",                same) \
  OP(Tan,                   "tan",                  same) \
  OP(Tanh,                  "tanh",                 same) \
  OP(ThresholdedRelu,       "thresholded_relu",     same) \
  OP(Tile,                  "tile",                 tile) \
  OP(Transpose,             "transpose",            same) \
  OP(Trilu,                 "trilu",                trilu) \
  OP(Unsqueeze,             "",                     unsqueeze) \
  OP(Upsample,              "resize",               resize) \
  OP(Where,                 "where",                same) \
  OP(Xor,                   "xor",                  same)
/* clang-format on */

#endif
