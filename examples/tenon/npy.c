/* npy.c -- NumPy's .npy files, versions 1 to 3: one array, C order, little-endian or single bytes.
 *
 *     "\x93NUMPY" MAJOR MINOR  length of the header (2 bytes; 4 from version 2)
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  padding  newline  elements
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const struct {
  const char *descr;
  tn_type type;
} types[] = {
    {"|b1", TN_BOOL}, {"|i1", TN_I8},  {"|u1", TN_U8},  {"<i2", TN_I16}, {"<u2", TN_U16}, {"<i4", TN_I32},
    {"<u4", TN_U32},  {"<i8", TN_I64}, {"<u8", TN_U64}, {"<f2", TN_F16}, {"<f4", TN_F32}, {"<f8", TN_F64},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

static bool refuse(const char *name, const char *why) {
  fprintf(stderr, "tenon: %s: %s\n", name, why);
  return false;
}

/* What follows `key` and a colon in the header, or NULL. */
static const char *find_value(const char *header, const char *key) {
  const char *at = strstr(header, key);
  if (!at) return NULL;
  at += strlen(key);
  at += strspn(at, " :");
  return at;
}

static tn_type read_type(const char *header) {
  const char *at = find_value(header, "'descr'");
  for (int i = 0; at && *at == '\'' && i < TYPE_COUNT; i++) {
    if (!strncmp(at + 1, types[i].descr, 3) && at[4] == '\'') return types[i].type;
  }
  return 0;
}

/* The rank, or -1. */
static int32_t read_shape(const char *header, int64_t *shape) {
  const char *at = find_value(header, "'shape'");
  int32_t rank = 0;
  if (!at || *at++ != '(') return -1;
  for (;;) {
    char *end;
    at += strspn(at, " ,");
    if (*at == ')') return rank;
    if (rank == TN_MAX_RANK || *at < '0' || *at > '9') return -1;
    shape[rank++] = strtoll(at, &end, 10);
    at = end;
  }
}

/* The header as a text of its own, and where the elements begin; NULL when the file is shorter than it says. */
static char *read_header(const char *bytes, size_t size, size_t *data) {
  const unsigned char *b = (const unsigned char *)bytes;
  size_t head = size > 6 && b[6] == 1 ? 10 : 12;
  if (size < head || b[6] < 1 || b[6] > 3) return NULL;
  size_t length = b[8] | (size_t)b[9] << 8;
  if (head == 12) length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  if (length > size - head) return NULL;
  *data = head + length;
  return take_text("%.*s", (int)length, bytes + head);
}

bool npy_read(const char *name, const char *bytes, size_t size, array *out) {
  size_t data;
  int64_t shape[TN_MAX_RANK];
  const char *header = read_header(bytes, size, &data);
  if (!header) return refuse(name, "the .npy header is cut off or of an unknown version");
  tn_type type = read_type(header);
  if (!type) return refuse(name, "the .npy file has an element type that is not known here (big-endian? objects?)");
  const char *fortran = find_value(header, "'fortran_order'");
  int32_t rank = read_shape(header, shape);
  if (rank < 0) return refuse(name, "the .npy header has no shape of at most 8 dimensions");
  if (rank > 1 && fortran && *fortran == 'T')
    return refuse(name, "the .npy file is in Fortran order; save it in C order");
  if (!array_create(out, type, rank, shape, name)) return false;
  if (size - data < array_bytes(out)) {
    array_destroy(out);
    return refuse(name, "the .npy file ends before its last element");
  }
  memcpy(out->data, bytes + data, array_bytes(out));
  return true;
}

/* The short floats that have no name in .npy are written as their bits. */
static const char *descr_of(tn_type type) {
  for (int i = 0; i < TYPE_COUNT; i++) {
    if (types[i].type == type) return types[i].descr;
  }
  return TN_TYPE_BITS(type) == 16 ? "<u2" : "|u1";
}

/* What of less than a byte, which .npy lacks, a byte each: integers, and the bits of floats. False: no memory, after a
 * message. */
static bool unpack(const char *path, const array *a, array *out) {
  if (!array_create(out, TN_TYPE_CODE(a->type) == kDLInt ? TN_I8 : TN_U8, a->rank, a->shape, path)) return false;
  const uint8_t *pairs = a->data;
  for (int64_t i = 0; i < array_count(a); i++) {
    double value = a->type == TN_F4E2M1 ? pairs[i / 2] >> i % 2 * 4 & 15 : array_get(a, i);
    ((int8_t *)out->data)[i] = (int8_t)value;
  }
  return true;
}

bool npy_write(const char *path, const array *a) {
  if (TN_TYPE_BITS(a->type) < 8) {
    array wide;
    bool good = unpack(path, a, &wide) && npy_write(path, &wide);
    array_destroy(&wide);
    return good;
  }
  char *shape = take_text("%s", "");
  for (int32_t i = 0; i < a->rank; i++) shape = take_text("%s%lld, ", shape, (long long)a->shape[i]);
  char *text = take_text("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr_of(a->type), shape);
  size_t used = 10 + strlen(text) + 1, head = (used + 63) / 64 * 64, bytes = array_bytes(a);
  char *file = malloc(head + bytes);
  if (!file) return refuse(path, "out of memory");
  memset(file, ' ', head);
  memcpy(file, "\x93NUMPY\x01\x00", 8);
  file[8] = (char)((head - 10) & 255);
  file[9] = (char)((head - 10) >> 8);
  memcpy(file + 10, text, strlen(text));
  file[head - 1] = '\n';
  memcpy(file + head, a->data, bytes);
  bool good = write_file(path, file, head + bytes);
  free(file);
  return good;
}
