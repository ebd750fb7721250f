/* idx.c -- the IDX files of MNIST and its kin: 0 0 TYPE RANK, RANK big-endian extents of 4 bytes, the elements.
 *
 * Only bytes (TYPE 8) are read. Three dimensions are pictures [n, height, width] and become [n, 1, height, width].
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "command.h"

bool idx_read(const char *name, const char *bytes, size_t size, array *out) {
  const unsigned char *b = (const unsigned char *)bytes;
  int32_t rank = b[3];
  size_t head = 4 + 4 * (size_t)rank;
  int64_t shape[TN_MAX_RANK];
  if (b[2] != 8 || rank < 1 || rank > 4 || size < head) {
    fprintf(stderr, "tenon: %s: not an IDX file of bytes in 1 to 4 dimensions\n", name);
    return false;
  }
  for (int32_t i = 0; i < rank; i++) {
    const unsigned char *e = b + 4 + 4 * i;
    shape[i] = (int64_t)e[0] << 24 | e[1] << 16 | e[2] << 8 | e[3];
  }
  bool picture = rank >= 3;
  if (rank == 3) {
    memmove(shape + 2, shape + 1, 2 * sizeof *shape);
    shape[1] = 1;
    rank = 4;
  }
  if (!array_create(out, TN_U8, rank, shape, name)) return false;
  out->picture = picture;
  if (size - head < array_bytes(out)) {
    fprintf(stderr, "tenon: %s: the IDX file ends before its last element\n", name);
    array_destroy(out);
    return false;
  }
  memcpy(out->data, bytes + head, array_bytes(out));
  return true;
}
