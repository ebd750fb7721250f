/* onednn.h -- what the peers of oneDNN share: its C interface, opened at run time.
 *
 * Enumerators are those of dnnl_types.h of version 3.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_ONEDNN_H
#define TN_ONEDNN_H

#include "../bench.h"

enum { ONEDNN_ANY = 1, ONEDNN_F32 = 3, ONEDNN_SRC = 1, ONEDNN_DST = 17, ONEDNN_WEIGHTS = 33 };
enum { ONEDNN_QUERY_SRC = 129, ONEDNN_QUERY_WEIGHTS = 131, ONEDNN_QUERY_DST = 133 };

typedef void *onednn_handle; /* every object of oneDNN */
typedef struct onednn_argument {
  int which;
  onednn_handle memory;
} onednn_argument;

/* clang-format off */
typedef struct onednn_functions {
  int (*engine_create)(onednn_handle *, int, size_t);
  int (*stream_create)(onednn_handle *, onednn_handle, unsigned);
  int (*stream_wait)(onednn_handle);
  int (*memory_desc_create_with_tag)(onednn_handle *, int, const int64_t *, int, int);
  int (*memory_desc_create_with_strides)(onednn_handle *, int, const int64_t *, int, const int64_t *);
  int (*memory_desc_destroy)(onednn_handle);
  int (*memory_create)(onednn_handle *, onednn_handle, onednn_handle, void *);
  int (*memory_destroy)(onednn_handle);
  int (*matmul_primitive_desc_create)(onednn_handle *, onednn_handle, onednn_handle, onednn_handle, onednn_handle,
                                      onednn_handle, onednn_handle);
  int (*convolution_forward_primitive_desc_create)(onednn_handle *, onednn_handle, int, int, onednn_handle,
                                                   onednn_handle, onednn_handle, onednn_handle, const int64_t *,
                                                   const int64_t *, const int64_t *, const int64_t *, onednn_handle);
  int (*reorder_primitive_desc_create)(onednn_handle *, onednn_handle, onednn_handle, onednn_handle, onednn_handle,
                                       onednn_handle);
  int (*lstm_forward_primitive_desc_create)(onednn_handle *, onednn_handle, int, int, onednn_handle, onednn_handle,
                                            onednn_handle, onednn_handle, onednn_handle, onednn_handle, onednn_handle,
                                            onednn_handle, onednn_handle, onednn_handle, onednn_handle, unsigned,
                                            onednn_handle);
  int (*gru_forward_primitive_desc_create)(onednn_handle *, onednn_handle, int, int, onednn_handle, onednn_handle,
                                           onednn_handle, onednn_handle, onednn_handle, onednn_handle, onednn_handle,
                                           unsigned, onednn_handle);
  int (*lbr_gru_forward_primitive_desc_create)(onednn_handle *, onednn_handle, int, int, onednn_handle, onednn_handle,
                                               onednn_handle, onednn_handle, onednn_handle, onednn_handle,
                                               onednn_handle, unsigned, onednn_handle);
  onednn_handle (*primitive_desc_query_md)(onednn_handle, int, int);
  int (*primitive_desc_destroy)(onednn_handle);
  int (*primitive_attr_create)(onednn_handle *);
  int (*primitive_attr_set_scales_mask)(onednn_handle, int, int);
  int (*primitive_attr_destroy)(onednn_handle);
  int (*primitive_create)(onednn_handle *, onednn_handle);
  int (*primitive_execute)(onednn_handle, onednn_handle, int, const onednn_argument *);
  int (*primitive_destroy)(onednn_handle);
} onednn_functions;
/* clang-format on */

extern onednn_functions dnnl;
extern onednn_handle onednn_engine, onednn_stream;

/* A build of it whose primitives run on plain threads. */
bool onednn_open(const char *folder, int threads);
/* Dense, row major, of f32 or another type. */
onednn_handle onednn_plain(int type, int rank, const int64_t *shape);
/* Copies one memory into another, from layout to layout. */
bool onednn_reorder(onednn_handle from_desc, onednn_handle from, onednn_handle to_desc, onednn_handle to);

#endif
