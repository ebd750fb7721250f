/* magika_input.c -- the input of the file-type model of the package magika: i32 [1, 2048] made of a file's bytes.
 *
 *     magika_input FILE OUT.npy
 *
 * Of the file's first 4096 bytes without leading white space the first 1024, at the left; of its last 4096 bytes without
 * trailing white space the last 1024, at the right; 256 everywhere else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 4096, HALF = 1024, PADDING = 256 };

/* What Python's bytes.strip takes off. */
static bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Reads at most BLOCK bytes from an end of the file; how many, or -1. */
static long read_end(FILE *file, int whence, unsigned char *block) {
  if (fseek(file, 0, SEEK_END)) return -1;
  long size = ftell(file), length = size < BLOCK ? size : BLOCK;
  if (size < 0 || fseek(file, whence == SEEK_SET ? 0 : size - length, SEEK_SET)) return -1;
  return fread(block, 1, (size_t)length, file) == (size_t)length ? length : -1;
}

static bool make(FILE *file, int32_t *out) {
  unsigned char block[BLOCK];
  for (int i = 0; i < 2 * HALF; i++) out[i] = PADDING;
  long length = read_end(file, SEEK_SET, block), from = 0;
  if (length < 0) return false;
  while (from < length && is_space(block[from])) from++;
  for (long i = from; i < length && i - from < HALF; i++) out[i - from] = block[i];
  length = read_end(file, SEEK_END, block);
  if (length < 0) return false;
  while (length > 0 && is_space(block[length - 1])) length--;
  for (long i = 0; i < length && i < HALF; i++) out[2 * HALF - 1 - i] = block[length - 1 - i];
  return true;
}

static bool write_npy(const char *path, const int32_t *values) {
  char head[128];
  memset(head, ' ', sizeof head);
  memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
  static const char text[] = "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2048), }";
  memcpy(head + 10, text, sizeof text - 1);
  head[sizeof head - 1] = '\n';
  FILE *file = fopen(path, "wb");
  if (!file) return false;
  bool good =
      fwrite(head, 1, sizeof head, file) == sizeof head && fwrite(values, sizeof *values, 2 * HALF, file) == 2 * HALF;
  return !fclose(file) && good;
}

int main(int argc, char **argv) {
  int32_t values[2 * HALF];
  if (argc != 3) return fprintf(stderr, "usage: magika_input FILE OUT.npy\n"), 2;
  FILE *file = fopen(argv[1], "rb");
  bool good = file && make(file, values) && write_npy(argv[2], values);
  if (file) fclose(file);
  if (!good)
    fprintf(stderr, "magika_input: %s or %s: no such file, or it cannot be read or written\n", argv[1], argv[2]);
  return good ? 0 : 1;
}
