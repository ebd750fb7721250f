/* onnx_writer.h -- writes small ONNX models for tests: protobuf by hand, so that tests need no other program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_ONNX_WRITER_H
#define TEST_ONNX_WRITER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bytes {
  uint8_t *data;
  size_t size;
} bytes;

static inline void put(bytes *b, const void *data, size_t size) {
  b->data = realloc(b->data, b->size + size + 1);
  if (size) memcpy(b->data + b->size, data, size);
  b->size += size;
}

static inline void put_varint(bytes *b, uint64_t value) {
  uint8_t text[10];
  size_t n = 0;
  do {
    text[n] = (uint8_t)(value & 0x7f);
    value >>= 7;
    text[n++] |= value ? 0x80 : 0;
  } while (value);
  put(b, text, n);
}

static inline void put_int(bytes *b, uint32_t field, int64_t value) {
  put_varint(b, field << 3);
  put_varint(b, (uint64_t)value);
}
static inline void put_bytes(bytes *b, uint32_t field, const void *data, size_t size) {
  put_varint(b, field << 3 | 2);
  put_varint(b, size);
  put(b, data, size);
}
static inline void put_text(bytes *b, uint32_t field, const char *text) { put_bytes(b, field, text, strlen(text)); }
static inline void put_float(bytes *b, uint32_t field, float value) {
  put_varint(b, field << 3 | 5);
  put(b, &value, 4);
}
/* Takes `child`. */
static inline void put_message(bytes *b, uint32_t field, bytes child) {
  put_bytes(b, field, child.data, child.size);
  free(child.data);
}

/* ---- attributes: fields of a node ------------------------------------------------------------------------------- */

static inline void attr_int(bytes *node, const char *name, int64_t value) {
  bytes a = {0};
  put_text(&a, 1, name);
  put_int(&a, 3, value);
  put_int(&a, 20, 2);
  put_message(node, 5, a);
}
static inline void attr_float(bytes *node, const char *name, float value) {
  bytes a = {0};
  put_text(&a, 1, name);
  put_float(&a, 2, value);
  put_int(&a, 20, 1);
  put_message(node, 5, a);
}
static inline void attr_ints(bytes *node, const char *name, int count, const int64_t *values) {
  bytes a = {0};
  put_text(&a, 1, name);
  for (int i = 0; i < count; i++) put_int(&a, 8, values[i]);
  put_int(&a, 20, 7);
  put_message(node, 5, a);
}
static inline void attr_floats(bytes *node, const char *name, int count, const float *values) {
  bytes a = {0};
  put_text(&a, 1, name);
  for (int i = 0; i < count; i++) put_float(&a, 7, values[i]);
  put_int(&a, 20, 6);
  put_message(node, 5, a);
}
static inline void attr_text(bytes *node, const char *name, const char *text) {
  bytes a = {0};
  put_text(&a, 1, name);
  put_text(&a, 4, text);
  put_int(&a, 20, 3);
  put_message(node, 5, a);
}
static inline void attr_graph(bytes *node, const char *name, bytes graph) {
  bytes a = {0};
  put_text(&a, 1, name);
  put_message(&a, 6, graph);
  put_int(&a, 20, 5);
  put_message(node, 5, a);
}
static inline void attr_tensor(bytes *node, const char *name, bytes tensor) {
  bytes a = {0};
  put_text(&a, 1, name);
  put_message(&a, 5, tensor);
  put_int(&a, 20, 4);
  put_message(node, 5, a);
}

/* ---- tensors, nodes, values, models ---------------------------------------------------------------------------- */

enum {
  ONNX_FLOAT = 1,
  ONNX_UINT8 = 2,
  ONNX_INT8 = 3,
  ONNX_INT32 = 6,
  ONNX_INT64 = 7,
  ONNX_BOOL = 9,
  ONNX_FLOAT16 = 10,
  ONNX_DOUBLE = 11,
  ONNX_BFLOAT16 = 16,
  ONNX_INT4 = 22
};

/* A tensor with raw_data of `size` bytes. */
static inline bytes tensor_raw(const char *name, int type, int rank, const int64_t *shape, const void *data,
                               size_t size) {
  bytes t = {0};
  for (int i = 0; i < rank; i++) put_int(&t, 1, shape[i]);
  put_int(&t, 2, type);
  put_text(&t, 8, name);
  put_bytes(&t, 9, data, size);
  return t;
}
/* A list of int64 numbers. */
static inline bytes tensor_ints(const char *name, int64_t count, const int64_t *values) {
  return tensor_raw(name, ONNX_INT64, 1, &count, values, (size_t)count * 8);
}

/* A node; `inputs` and `outputs` are names with spaces between, "-" an absent one. */
static inline void put_names(bytes *node, uint32_t field, const char *names) {
  char text[256];
  snprintf(text, sizeof text, "%s", names);
  for (char *at = strtok(text, " "); at; at = strtok(NULL, " ")) put_text(node, field, strcmp(at, "-") == 0 ? "" : at);
}
static inline bytes node(const char *op, const char *name, const char *inputs, const char *outputs) {
  bytes n = {0};
  put_names(&n, 1, inputs);
  put_names(&n, 2, outputs);
  put_text(&n, 3, name);
  put_text(&n, 4, op);
  return n;
}

/* A node with a square window: a convolution, a pool. */
static inline bytes window(const char *op, const char *inputs, const char *output, int64_t kernel, int64_t stride,
                           int64_t pad) {
  bytes n = node(op, output, inputs, output);
  attr_ints(&n, "kernel_shape", 2, (int64_t[]){kernel, kernel});
  attr_ints(&n, "strides", 2, (int64_t[]){stride, stride});
  attr_ints(&n, "pads", 4, (int64_t[]){pad, pad, pad, pad});
  return n;
}

/* A float value; dimension -1 is open and called "n". */
static inline bytes value_info(const char *name, int type, int rank, const int64_t *shape) {
  bytes dims = {0}, tensor = {0}, t = {0}, v = {0};
  for (int i = 0; i < rank; i++) {
    bytes d = {0};
    if (shape[i] == -1)
      put_text(&d, 2, "n");
    else
      put_int(&d, 1, shape[i]);
    put_message(&dims, 1, d);
  }
  put_int(&tensor, 1, type);
  put_message(&tensor, 2, dims);
  put_message(&t, 1, tensor);
  put_text(&v, 1, name);
  put_message(&v, 2, t);
  return v;
}

/* What a graph is made of: its fields are put one by one. */
static inline void add_node(bytes *graph, bytes n) { put_message(graph, 1, n); }
static inline void add_weight(bytes *graph, bytes tensor) { put_message(graph, 5, tensor); }
static inline void add_input(bytes *graph, const char *name, int rank, const int64_t *shape) {
  put_message(graph, 11, value_info(name, ONNX_FLOAT, rank, shape));
}
static inline void add_output(bytes *graph, const char *name) {
  bytes v = {0};
  put_text(&v, 1, name);
  put_message(graph, 12, v);
}
/* Takes the graph. */
static inline bytes model(int64_t opset, bytes graph) {
  bytes m = {0}, set = {0};
  put_int(&m, 1, 8);
  put_text(&set, 1, "");
  put_int(&set, 2, opset);
  put_message(&m, 8, set);
  put_message(&m, 7, graph);
  return m;
}

#endif
