/* node_shapes.h -- the operators that tenon-bench measures one by one: f32, from real networks.
 *
 * Committed before the code that is measured on them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_NODE_SHAPES_H
#define TN_NODE_SHAPES_H

#include "bench.h"

static const struct node_shape {
  const char *suite, *from;
  enum bench_op op;
  int rank;
  int64_t shape[4];
  int axis, axes; /* what a line of the operator runs along: so many dimensions from that one on */
} node_shapes[] = {
    {"norm", "bert scores", BENCH_SOFTMAX, 3, {12, 128, 128}, 2, 1},
    {"norm", "gpt2 scores", BENCH_SOFTMAX, 3, {12, 512, 512}, 2, 1},
    {"norm", "vit scores", BENCH_SOFTMAX, 3, {12, 197, 197}, 2, 1},
    {"norm", "imagenet classes", BENCH_SOFTMAX, 2, {32, 1000}, 1, 1},
    {"norm", "llama words", BENCH_LOG_SOFTMAX, 2, {8, 32000}, 1, 1},
    {"norm", "bert", BENCH_LAYER_NORM, 2, {128, 768}, 1, 1},
    {"norm", "gpt2", BENCH_LAYER_NORM, 2, {1024, 768}, 1, 1},
    {"norm", "vit", BENCH_LAYER_NORM, 2, {197, 768}, 1, 1},
    {"norm", "swin", BENCH_LAYER_NORM, 2, {3136, 96}, 1, 1},
    {"norm", "llama", BENCH_RMS_NORM, 2, {128, 4096}, 1, 1},
    {"norm", "diffusion", BENCH_GROUP_NORM, 4, {32, 10, 64, 64}, 1, 3}, /* groups, channels of each, rows, columns */
    {"eltwise", "bert", BENCH_GELU, 2, {128, 3072}, 0, 0},
    {"eltwise", "gpt2", BENCH_GELU_TANH, 2, {1024, 3072}, 0, 0},
    {"eltwise", "llama", BENCH_SILU, 2, {128, 11008}, 0, 0},
    {"eltwise", "efficientnet", BENCH_SILU, 3, {240, 28, 28}, 0, 0},
    {"eltwise", "mobilenet3", BENCH_HARD_SWISH, 3, {16, 112, 112}, 0, 0},
    {"eltwise", "lstm", BENCH_TANH, 2, {20, 650}, 0, 0},
    {"eltwise", "gates", BENCH_SIGMOID, 2, {512, 2048}, 0, 0},
    {"eltwise", "exponents", BENCH_EXP, 2, {512, 512}, 0, 0},
    {"eltwise", "resnet50", BENCH_RELU, 3, {64, 112, 112}, 0, 0},
    {"eltwise", "resnet50", BENCH_ADD, 3, {256, 56, 56}, 0, 0},
    {"reduce", "resnet50 pool", BENCH_MEAN, 3, {2048, 7, 7}, 1, 2},
    {"reduce", "mobilenet2 pool", BENCH_MEAN, 3, {1280, 7, 7}, 1, 2},
    {"reduce", "squeeze", BENCH_MEAN, 3, {240, 28, 28}, 1, 2},
    {"reduce", "bert columns", BENCH_SUM, 2, {1024, 768}, 0, 1},
    {"reduce", "bert rows", BENCH_SUM, 2, {1024, 768}, 1, 1},
    {"reduce", "imagenet classes", BENCH_MAX, 2, {32, 1000}, 1, 1},
    {"reduce", "pictures", BENCH_MAX, 3, {3, 224, 224}, 1, 2},
};
enum { NODE_SHAPES = sizeof node_shapes / sizeof *node_shapes };

#endif
