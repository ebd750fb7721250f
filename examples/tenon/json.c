/* json.c -- numbers and texts as JSON has them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "command.h"

void json_text(FILE *to, const char *text) {
  fputc('"', to);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(to, "\\%c", *c);
    else if (*c < 32 || *c == '<') /* '<': the text may stand inside a page */
      fprintf(to, "\\u%04x", *c);
    else
      fputc(*c, to);
  }
  fputc('"', to);
}

void json_number(FILE *to, double x) {
  if (isfinite(x))
    fprintf(to, "%.9g", x);
  else
    fputs("null", to);
}

void json_shape(FILE *to, int32_t rank, const int64_t *shape) {
  fputc('[', to);
  for (int32_t i = 0; i < rank; i++) fprintf(to, "%s%lld", i ? ", " : "", (long long)shape[i]);
  fputc(']', to);
}

bool json_open(const char *path, FILE **out) {
  *out = NULL;
  if (!path) return true;
  *out = path[0] == '-' && !path[1] ? stdout : fopen(path, "wb");
  if (*out) return true;
  perror(take_text("tenon: %s", path));
  return false;
}

bool json_close(const char *path, FILE *file) {
  if (!file) return true;
  bool good = !ferror(file);
  good = (file == stdout ? !fflush(file) : !fclose(file)) && good;
  if (!good) fprintf(stderr, "tenon: %s: could not be written\n", path);
  return good;
}
