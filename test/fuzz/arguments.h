/* arguments.h -- random arguments of the functions that generate.h makes, the same for the same seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_FUZZ_ARGUMENTS_H
#define TEST_FUZZ_ARGUMENTS_H

#include <stdlib.h>

#include "generate.h"

enum { MAX_ARGS = 8 };

typedef struct arguments {
  size_t count;
  tn_value values[MAX_ARGS];
  DLTensor tensors[MAX_ARGS];
  int64_t shapes[MAX_ARGS][TN_MAX_RANK], strides[MAX_ARGS][TN_MAX_RANK];
  int64_t elements[MAX_ARGS];
  void *bytes[MAX_ARGS];
} arguments;

static inline tn_value scalar_argument(uint64_t *state, tn_type type) {
  tni_scalar s = gen_scalar(state, type);
  return tni_type_is_float(type) ? tn_value_float(s.f) : tn_value_int(s.i);
}

/* All of the memory is filled, and compared: what strides, a layout or an offset leave out stays as it is. */
static inline void fill_tensor(arguments *a, size_t i, const tn_buffer *b, uint64_t *state) {
  int32_t rank = tni_memory_rank(b);
  for (int32_t d = 0; d < rank; d++) {
    a->shapes[i][d] = tni_memory_shape(b)[d]->as.i;
    a->strides[i][d] = b->strides ? b->strides[d]->as.i : 0;
  }
  a->elements[i] = tni_buffer_constant_size(b);
  size_t size = (size_t)a->elements[i] * tn_type_bytes(b->type);
  a->bytes[i] = aligned_alloc(64, (size + 64) / 64 * 64);
  for (int64_t k = 0; k < a->elements[i]; k++) tni_write_element(b->type, a->bytes[i], k, gen_scalar(state, b->type));
  a->tensors[i] = (DLTensor){.data = a->bytes[i],
                             .device = {kDLCPU, 0},
                             .ndim = rank,
                             .dtype = tn_type_to_dlpack(b->type),
                             .shape = a->shapes[i],
                             .strides = b->strides ? a->strides[i] : NULL,
                             .byte_offset = b->offset ? tn_array_bytes(b->type, b->offset->as.i) : 0};
  a->values[i] = tn_value_tensor(&a->tensors[i]);
}

static inline void make_arguments(uint64_t seed, const tn_func *func, arguments *a) {
  uint64_t state = seed * 2 + 1;
  memset(a, 0, sizeof *a);
  a->count = func->param_count;
  for (size_t i = 0; i < a->count; i++)
    if (func->params[i].buffer)
      fill_tensor(a, i, func->params[i].buffer, &state);
    else
      a->values[i] = scalar_argument(&state, func->params[i].scalar->type);
}

static inline void free_arguments(arguments *a) {
  for (size_t i = 0; i < a->count; i++) free(a->bytes[i]);
}

#endif
