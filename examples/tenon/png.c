/* png.c -- a PNG picture as bytes [1, channels, height, width]: 1 channel for gray, 3 for all others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* [height, width, channels] to [channels, height, width]. */
static void split_channels(const uint8_t *from, uint8_t *to, size_t pixels, size_t channels) {
  for (size_t c = 0; c < channels; c++) {
    for (size_t i = 0; i < pixels; i++) to[c * pixels + i] = from[i * channels + c];
  }
}

static bool read_pixels(const char *name, png_image *image, array *out) {
  bool color = image->format & PNG_FORMAT_FLAG_COLOR;
  image->format = color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  int64_t shape[] = {1, color ? 3 : 1, image->height, image->width};
  if (!array_create(out, TN_U8, 4, shape, name)) return false;
  out->picture = true;
  uint8_t *pixels = malloc(array_bytes(out) + 1);
  png_color black = {0, 0, 0};
  bool good = pixels && png_image_finish_read(image, &black, pixels, 0, NULL);
  if (good) split_channels(pixels, out->data, (size_t)(shape[2] * shape[3]), (size_t)shape[1]);
  free(pixels);
  return good;
}

bool png_read(const char *name, const char *bytes, size_t size, array *out) {
  png_image image = {.version = PNG_IMAGE_VERSION};
  bool good = png_image_begin_read_from_memory(&image, bytes, size) && read_pixels(name, &image, out);
  if (good) return true;
  fprintf(stderr, "tenon: %s: %s\n", name, image.message[0] ? image.message : "out of memory");
  png_image_free(&image);
  array_destroy(out);
  return false;
}
