/* attention_shapes.h -- the attentions that tenon-bench measures: f32, from real networks.
 *
 * Committed before the code that is measured on them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_ATTENTION_SHAPES_H
#define TN_ATTENTION_SHAPES_H

#include <stdbool.h>

/* Queries of all heads see `keys` keys, of which the first keys - queries came before. */
static const struct attention_shape {
  const char *from;
  int batch, heads, kv_heads, queries, keys, size;
  bool causal, mask; /* a mask of numbers for each head */
} attention_shapes[] = {
    {"bert", 1, 12, 12, 128, 128, 64, false, false},
    {"vit", 1, 12, 12, 197, 197, 64, false, false},
    {"swin windows", 64, 3, 3, 49, 49, 32, false, true},
    {"whisper encoder", 1, 8, 8, 1500, 1500, 64, false, false},
    {"diffusion text", 1, 8, 8, 4096, 77, 40, false, false},
    {"gpt2", 1, 12, 12, 1024, 1024, 64, true, false},
    {"llama prefill", 1, 32, 8, 256, 256, 128, true, false},
    {"llama decode", 1, 32, 8, 1, 2048, 128, false, false},
};
enum { ATTENTION_SHAPES = sizeof attention_shapes / sizeof *attention_shapes };

#endif
