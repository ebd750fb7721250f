/* int8_shapes.h -- the quantized convolutions and products that tenon-bench measures: u8 by s8, summed in i32, quantized
 * again to u8 by a scale for each channel.
 *
 * Committed before the code that is measured on them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_INT8_SHAPES_H
#define TN_INT8_SHAPES_H

/* Convolutions of one image: `size` rows and columns, the same padding on all sides. Products: `size` rows of `in` numbers
 * by a matrix of `out` columns, of kernel 0. */
static const struct int8_shape {
  const char *from, *group; /* the group has a mean of its own */
  int in, size, out, kernel, stride, pad, groups;
} int8_shapes[] = {
    /* ResNet-50 */
    {"resnet50 stem", "kxk", 3, 224, 64, 7, 2, 3, 1},
    {"resnet50 2 3x3", "kxk", 64, 56, 64, 3, 1, 1, 1},
    {"resnet50 2 expand", "1x1", 64, 56, 256, 1, 1, 0, 1},
    {"resnet50 3 halve", "kxk", 128, 56, 128, 3, 2, 1, 1},
    {"resnet50 3 3x3", "kxk", 128, 28, 128, 3, 1, 1, 1},
    {"resnet50 3 reduce", "1x1", 512, 28, 128, 1, 1, 0, 1},
    {"resnet50 4 3x3", "kxk", 256, 14, 256, 3, 1, 1, 1},
    {"resnet50 4 expand", "1x1", 256, 14, 1024, 1, 1, 0, 1},
    {"resnet50 5 3x3", "kxk", 512, 7, 512, 3, 1, 1, 1},
    {"resnet50 5 reduce", "1x1", 2048, 7, 512, 1, 1, 0, 1},
    /* MobileNet v2 */
    {"mobilenet2 1 depth", "depthwise", 32, 112, 32, 3, 1, 1, 32},
    {"mobilenet2 2 expand", "1x1", 16, 112, 96, 1, 1, 0, 1},
    {"mobilenet2 2 depth", "depthwise", 96, 112, 96, 3, 2, 1, 96},
    {"mobilenet2 3 depth", "depthwise", 144, 56, 144, 3, 1, 1, 144},
    {"mobilenet2 8 expand", "1x1", 64, 14, 384, 1, 1, 0, 1},
    {"mobilenet2 8 depth", "depthwise", 384, 14, 384, 3, 1, 1, 384},
    {"mobilenet2 13 project", "1x1", 576, 14, 96, 1, 1, 0, 1},
    {"mobilenet2 14 depth", "depthwise", 576, 14, 576, 3, 2, 1, 576},
    {"mobilenet2 head", "1x1", 320, 7, 1280, 1, 1, 0, 1},
    /* BERT base, MiniLM, classifiers */
    {"bert attention", "product", 768, 128, 768, 0, 1, 0, 1},
    {"bert up", "product", 768, 128, 3072, 0, 1, 0, 1},
    {"bert down", "product", 3072, 128, 768, 0, 1, 0, 1},
    {"minilm up", "product", 384, 64, 1536, 0, 1, 0, 1},
    {"decoder up", "product", 768, 1, 3072, 0, 1, 0, 1},
    {"classifier", "product", 2048, 1, 1000, 0, 1, 0, 1},
};
enum { INT8_SHAPES = sizeof int8_shapes / sizeof *int8_shapes };

#endif
