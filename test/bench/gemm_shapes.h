/* gemm_shapes.h -- the matrix products that tenon-bench measures: C[m,n] = A[m,k] B[k,n].
 *
 * Committed before the code that is measured on them. `constant`: B are weights, which a program may pack before it runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_GEMM_SHAPES_H
#define TN_GEMM_SHAPES_H

#include <stdbool.h>

static const struct gemm_shape {
  const char *from;
  int m, n, k;
  bool constant;
} gemm_shapes[] = {
    /* squares */
    {"square", 64, 64, 64, false},
    {"square", 128, 128, 128, false},
    {"square", 256, 256, 256, false},
    {"square", 384, 384, 384, false},
    {"square", 512, 512, 512, false},
    {"square", 1024, 1024, 1024, false},
    {"square", 2048, 2048, 2048, false},
    /* ResNet-50, a convolution as a product: pixels, channels out, channels in times taps */
    {"resnet50 stem", 12544, 64, 147, true},
    {"resnet50 2 1x1", 3136, 64, 64, true},
    {"resnet50 2 3x3", 3136, 64, 576, true},
    {"resnet50 2 expand", 3136, 256, 64, true},
    {"resnet50 3 reduce", 784, 128, 512, true},
    {"resnet50 3 3x3", 784, 128, 1152, true},
    {"resnet50 4 reduce", 196, 256, 1024, true},
    {"resnet50 4 3x3", 196, 256, 2304, true},
    {"resnet50 5 3x3", 49, 512, 4608, true},
    {"resnet50 5 expand", 49, 2048, 512, true},
    {"resnet50 classes", 1, 1000, 2048, true},
    /* MobileNetV2, its 1x1 convolutions */
    {"mobilenet 1", 12544, 16, 32, true},
    {"mobilenet 2", 12544, 96, 16, true},
    {"mobilenet 3", 3136, 24, 96, true},
    {"mobilenet 4", 784, 32, 144, true},
    {"mobilenet 5", 196, 64, 384, true},
    {"mobilenet 6", 196, 96, 576, true},
    {"mobilenet 7", 49, 160, 960, true},
    {"mobilenet 8", 49, 1280, 320, true},
    /* BERT base, a sequence of 128 */
    {"bert project", 128, 768, 768, true},
    {"bert up", 128, 3072, 768, true},
    {"bert down", 128, 768, 3072, true},
    {"bert scores", 128, 128, 64, false},
    {"bert values", 128, 64, 128, false},
    /* the same layers with few rows: short sequences, small batches */
    {"rows 2", 2, 768, 768, true},
    {"rows 4", 4, 768, 768, true},
    {"rows 8", 8, 768, 768, true},
    {"rows 16", 16, 768, 768, true},
    {"rows 16 up", 16, 3072, 768, true},
    {"rows 32", 32, 768, 768, true},
    {"rows 64", 64, 768, 768, true},
    {"rows 77 clip", 77, 512, 512, true},
    /* one row: decoding, classifiers */
    {"gpt2 project", 1, 768, 768, true},
    {"gpt2 qkv", 1, 2304, 768, true},
    {"gpt2 up", 1, 3072, 768, true},
    {"gpt2 down", 1, 768, 3072, true},
    {"llama project", 1, 4096, 4096, true},
    {"gemv given", 1, 1024, 1024, false},
    /* recommenders, recurrent nets, detectors */
    {"dlrm bottom 1", 128, 512, 13, true},
    {"dlrm bottom 2", 128, 256, 512, true},
    {"dlrm top", 128, 1024, 479, true},
    {"lstm gates", 1, 1024, 256, true},
    {"lstm word model", 20, 2600, 650, true},
    {"deepspeech", 16, 1760, 1760, true},
    {"keyword spotter", 25, 172, 64, true},
    {"yolo head", 169, 255, 1024, true},
    {"lenet", 64, 84, 120, true},
    {"lenet classes", 64, 10, 84, true},
    {"wide classes", 32, 1000, 1280, true},
    /* odd sizes */
    {"odd", 7, 70, 70, false},
    {"odd", 17, 33, 100, false},
    {"odd", 20, 20, 20, false},
    {"odd", 33, 65, 129, false},
    {"odd", 50, 50, 50, false},
    {"odd", 100, 100, 100, false},
    {"odd", 1000, 10, 300, false},
    {"odd", 127, 255, 511, false},
};
enum { GEMM_SHAPES = sizeof gemm_shapes / sizeof *gemm_shapes };
_Static_assert(GEMM_SHAPES == 64, "the suite has 64 shapes");

#endif
