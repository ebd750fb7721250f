/* conv_shapes.h -- the convolutions that tenon-bench measures: one image, f32, weights constant.
 *
 * Committed before the code that is measured on them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_CONV_SHAPES_H
#define TN_CONV_SHAPES_H

/* Rows and columns of the input are `size`; padding is the same on both sides. */
struct conv_shape {
  const char *from, *group; /* the group has a mean of its own */
  int in, size, out, kernel_h, kernel_w, stride, pad_h, pad_w, groups;
};

static const struct conv_shape conv_shapes[] = {
    /* ResNet-50 */
    {"resnet50 stem", "stem", 3, 224, 64, 7, 7, 2, 3, 3, 1},
    {"resnet50 2 first", "1x1", 64, 56, 64, 1, 1, 1, 0, 0, 1},
    {"resnet50 2 3x3", "kxk", 64, 56, 64, 3, 3, 1, 1, 1, 1},
    {"resnet50 2 expand", "1x1", 64, 56, 256, 1, 1, 1, 0, 0, 1},
    {"resnet50 2 reduce", "1x1", 256, 56, 64, 1, 1, 1, 0, 0, 1},
    {"resnet50 3 halve", "strided", 128, 56, 128, 3, 3, 2, 1, 1, 1},
    {"resnet50 3 3x3", "kxk", 128, 28, 128, 3, 3, 1, 1, 1, 1},
    {"resnet50 3 expand", "1x1", 128, 28, 512, 1, 1, 1, 0, 0, 1},
    {"resnet50 3 reduce", "1x1", 512, 28, 128, 1, 1, 1, 0, 0, 1},
    {"resnet50 3 shortcut", "strided", 256, 56, 512, 1, 1, 2, 0, 0, 1},
    {"resnet50 4 3x3", "kxk", 256, 14, 256, 3, 3, 1, 1, 1, 1},
    {"resnet50 4 expand", "1x1", 256, 14, 1024, 1, 1, 1, 0, 0, 1},
    {"resnet50 4 reduce", "1x1", 1024, 14, 256, 1, 1, 1, 0, 0, 1},
    {"resnet50 5 3x3", "kxk", 512, 7, 512, 3, 3, 1, 1, 1, 1},
    {"resnet50 5 expand", "1x1", 512, 7, 2048, 1, 1, 1, 0, 0, 1},
    {"resnet50 5 reduce", "1x1", 2048, 7, 512, 1, 1, 1, 0, 0, 1},
    /* MobileNet v2 */
    {"mobilenet2 stem", "stem", 3, 224, 32, 3, 3, 2, 1, 1, 1},
    {"mobilenet2 1 depth", "depthwise", 32, 112, 32, 3, 3, 1, 1, 1, 32},
    {"mobilenet2 1 project", "1x1", 32, 112, 16, 1, 1, 1, 0, 0, 1},
    {"mobilenet2 2 expand", "1x1", 16, 112, 96, 1, 1, 1, 0, 0, 1},
    {"mobilenet2 2 depth", "depthwise", 96, 112, 96, 3, 3, 2, 1, 1, 96},
    {"mobilenet2 2 project", "1x1", 96, 56, 24, 1, 1, 1, 0, 0, 1},
    {"mobilenet2 3 depth", "depthwise", 144, 56, 144, 3, 3, 1, 1, 1, 144},
    {"mobilenet2 5 depth", "depthwise", 192, 28, 192, 3, 3, 1, 1, 1, 192},
    {"mobilenet2 8 expand", "1x1", 64, 14, 384, 1, 1, 1, 0, 0, 1},
    {"mobilenet2 8 depth", "depthwise", 384, 14, 384, 3, 3, 1, 1, 1, 384},
    {"mobilenet2 13 project", "1x1", 576, 14, 96, 1, 1, 1, 0, 0, 1},
    {"mobilenet2 14 depth", "depthwise", 576, 14, 576, 3, 3, 2, 1, 1, 576},
    {"mobilenet2 16 depth", "depthwise", 960, 7, 960, 3, 3, 1, 1, 1, 960},
    {"mobilenet2 head", "1x1", 320, 7, 1280, 1, 1, 1, 0, 0, 1},
    /* MobileNet v3, EfficientNet-B0 */
    {"mobilenet3 4 depth", "depthwise", 72, 56, 72, 5, 5, 2, 2, 2, 72},
    {"mobilenet3 5 depth", "depthwise", 120, 28, 120, 5, 5, 1, 2, 2, 120},
    {"mobilenet3 12 depth", "depthwise", 672, 14, 672, 5, 5, 1, 2, 2, 672},
    {"mobilenet3 12 expand", "1x1", 112, 14, 672, 1, 1, 1, 0, 0, 1},
    {"efficient 3 depth", "depthwise", 240, 28, 240, 5, 5, 1, 2, 2, 240},
    {"efficient 7 depth", "depthwise", 1152, 7, 1152, 5, 5, 1, 2, 2, 1152},
    {"efficient 3 expand", "1x1", 40, 28, 240, 1, 1, 1, 0, 0, 1},
    {"efficient 7 project", "1x1", 1152, 7, 192, 1, 1, 1, 0, 0, 1},
    /* VGG-16 */
    {"vgg16 1", "stem", 3, 224, 64, 3, 3, 1, 1, 1, 1},
    {"vgg16 2", "kxk", 64, 224, 64, 3, 3, 1, 1, 1, 1},
    {"vgg16 6", "kxk", 256, 56, 256, 3, 3, 1, 1, 1, 1},
    {"vgg16 9", "kxk", 512, 28, 512, 3, 3, 1, 1, 1, 1},
    /* Inception v3, ResNeXt */
    {"inception stem", "stem", 3, 299, 32, 3, 3, 2, 0, 0, 1},
    {"inception 5x5", "kxk", 48, 35, 64, 5, 5, 1, 2, 2, 1},
    {"inception 1x7", "kxk", 128, 17, 128, 1, 7, 1, 0, 3, 1},
    {"inception 7x1", "kxk", 128, 17, 192, 7, 1, 1, 3, 0, 1},
    {"inception halve", "strided", 288, 35, 384, 3, 3, 2, 0, 0, 1},
    {"resnext 2 grouped", "grouped", 128, 56, 128, 3, 3, 1, 1, 1, 32},
};
enum { CONV_SHAPES = sizeof conv_shapes / sizeof *conv_shapes };
_Static_assert(CONV_SHAPES == 48, "the suite has 48 shapes");

/* A suite of its own: convolutions of groups of channels. */
static const struct conv_shape grouped_shapes[] = {
    /* ResNeXt-50 32x4d, ResNeXt-101 32x8d */
    {"resnext50 2", "narrow", 128, 56, 128, 3, 3, 1, 1, 1, 32},
    {"resnext50 3 halve", "narrow", 256, 56, 256, 3, 3, 2, 1, 1, 32},
    {"resnext50 3", "narrow", 256, 28, 256, 3, 3, 1, 1, 1, 32},
    {"resnext50 4", "wide", 512, 14, 512, 3, 3, 1, 1, 1, 32},
    {"resnext50 5", "wide", 1024, 7, 1024, 3, 3, 1, 1, 1, 32},
    {"resnext101 2", "narrow", 256, 56, 256, 3, 3, 1, 1, 1, 32},
    /* RegNetY-400MF, RegNetX-3.2GF */
    {"regnet400 1", "narrow", 48, 56, 48, 3, 3, 1, 1, 1, 6},
    {"regnet400 2 halve", "narrow", 104, 56, 104, 3, 3, 2, 1, 1, 13},
    {"regnet400 3", "narrow", 208, 14, 208, 3, 3, 1, 1, 1, 26},
    {"regnet400 4", "narrow", 440, 7, 440, 3, 3, 1, 1, 1, 55},
    {"regnet3200 2", "wide", 192, 28, 192, 3, 3, 1, 1, 1, 4},
    /* ShuffleNet v1, AlexNet of two halves */
    {"shufflenet 1x1", "1x1", 240, 28, 240, 1, 1, 1, 0, 0, 3},
    {"alexnet 2", "wide", 96, 27, 256, 5, 5, 1, 2, 2, 2},
};
enum { GROUPED_SHAPES = sizeof grouped_shapes / sizeof *grouped_shapes };

#endif
