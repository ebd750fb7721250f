/* files.c -- whole files in and out, and which reader a file's first bytes ask for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "command.h"

enum { FILE_LIMIT = INT32_MAX };

static bool refuse(const char *path, const char *why) {
  fprintf(stderr, "tenon: %s: %s\n", path, why);
  return false;
}

/* Reads to the end of `file`; zlib passes through what is not gzip. NULL gives *why. */
static char *read_all(gzFile file, size_t *size, const char **why) {
  size_t room = 1 << 16;
  char *bytes = malloc(room);
  *size = 0;
  while (bytes) {
    int zlib_error, got = gzread(file, bytes + *size, (unsigned)(room - *size - 1));
    if (got < 0) *why = gzerror(file, &zlib_error);
    if (got < 0) break;
    *size += (size_t)got;
    if (got == 0) {
      gzerror(file, &zlib_error);
      if (zlib_error == Z_BUF_ERROR) *why = "the gzip data ends early";
      if (zlib_error == Z_BUF_ERROR) break;
      bytes[*size] = 0;
      return bytes;
    }
    if (*size + 1 < room) continue;
    if (room > FILE_LIMIT / 2) *why = "larger than 1 GiB";
    if (room > FILE_LIMIT / 2) break;
    char *grown = realloc(bytes, room *= 2);
    if (!grown) free(bytes);
    bytes = grown;
  }
  free(bytes);
  return NULL;
}

bool read_file(const char *path, char **bytes, size_t *size) {
  const char *why = "out of memory";
  *bytes = NULL;
  errno = 0;
  gzFile file = gzopen(path, "rb");
  if (!file) return refuse(path, errno ? strerror(errno) : why);
  *bytes = read_all(file, size, &why);
  if (!*bytes) refuse(path, why);
  gzclose(file);
  return *bytes != NULL;
}

bool write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file) return refuse(path, strerror(errno));
  bool good = fwrite(bytes, 1, size, file) == size;
  good = !fclose(file) && good;
  return good ? true : refuse(path, "could not be written");
}

const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

bool has_suffix(const char *text, const char *suffix) {
  size_t n = strlen(text), m = strlen(suffix);
  return n >= m && !strcmp(text + n - m, suffix);
}

bool read_lines(const char *path, texts *out) {
  char *bytes;
  size_t size, count = 0;
  *out = (texts){0};
  if (!read_file(path, &bytes, &size)) return false;
  char *text = take(size + 1, 1);
  memcpy(text, bytes, size);
  free(bytes);
  for (size_t i = 0; i < size; i++) count += text[i] == '\n';
  out->items = take(count + 1, sizeof *out->items);
  for (char *line = text; line && *line;) {
    char *end = strchr(line, '\n');
    if (end) *end = 0;
    line[strcspn(line, "\r")] = 0;
    out->items[out->count++] = line;
    line = end ? end + 1 : NULL;
  }
  while (out->count && !*out->items[out->count - 1]) out->count--;
  return true;
}

static bool read_known(session *s, const char *path, const char *bytes, size_t size, array *out) {
  if (size >= 6 && !memcmp(bytes, "\x93NUMPY", 6)) return npy_read(path, bytes, size, out);
  if (size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8)) return png_read(path, bytes, size, out);
  if (has_suffix(path, ".pb")) return pb_read(s, path, bytes, size, out);
  if (size >= 4 && !bytes[0] && !bytes[1] && bytes[2]) return idx_read(path, bytes, size, out);
  return refuse(path, "is none of .npy, PNG, IDX or ONNX .pb");
}

bool read_array(session *s, const char *path, array *out) {
  char *bytes;
  size_t size;
  *out = (array){0};
  if (!read_file(path, &bytes, &size)) return false;
  bool good = read_known(s, path, bytes, size, out);
  free(bytes);
  return good;
}
