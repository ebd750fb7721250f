/* read_text.c -- what the text recogniser of PP-OCRv4 reads in a picture of one line of text.
 *
 *     read_text MODEL.onnx PICTURE.png CHARACTERS     prints the text; CHARACTERS has one a line, from class 1 on
 *
 * The picture is [1, 3, height, width], -1 to 1. The model gives a class for each place along the line: 0 where there
 * is nothing, the last class for a blank; the same class side by side counts once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/tenon.h"

enum { MAX_CHARACTERS = 10000 };

typedef struct text_file {
  char *bytes;
  char *lines[MAX_CHARACTERS];
  size_t count;
} text_file;

static bool read_lines(const char *path, text_file *out) {
  enum { ROOM = 1 << 20 };
  FILE *file = fopen(path, "rb");
  out->bytes = calloc(ROOM + 1, 1);
  size_t size = file && out->bytes ? fread(out->bytes, 1, ROOM, file) : 0;
  if (file) fclose(file);
  for (char *line = out->bytes; size && *line && out->count < MAX_CHARACTERS;) {
    char *end = strchr(line, '\n');
    if (end) *end = 0;
    out->lines[out->count++] = line;
    line = end ? end + 1 : line + strlen(line);
  }
  return out->count > 0;
}

/* Three planes of -1 to 1. */
static float *read_picture(const char *path, int64_t *height, int64_t *width) {
  png_image image = {.version = PNG_IMAGE_VERSION};
  if (!png_image_begin_read_from_file(&image, path)) return NULL;
  image.format = PNG_FORMAT_BGR;
  *height = image.height;
  *width = image.width;
  size_t pixels = (size_t)(*height * *width);
  uint8_t *from = malloc(3 * pixels);
  float *to = malloc(3 * pixels * sizeof *to);
  bool good = from && to && png_image_finish_read(&image, NULL, from, 0, NULL);
  for (size_t i = 0; good && i < 3 * pixels; i++) to[i % 3 * pixels + i / 3] = ((float)from[i] / 255 - 0.5f) / 0.5f;
  png_image_free(&image);
  free(from);
  if (good) return to;
  free(to);
  return NULL;
}

static void print_text(const float *scores, int64_t places, int64_t classes, const text_file *characters) {
  int64_t last = 0;
  for (int64_t i = 0; i < places; i++) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; c++)
      if (scores[i * classes + c] > scores[i * classes + best]) best = c;
    if (best && best != last) printf("%s", best <= (int64_t)characters->count ? characters->lines[best - 1] : " ");
    last = best;
  }
  printf("\n");
}

static bool run(const tn_module *module, float *picture, int64_t height, int64_t width, const text_file *characters,
                tn_error **error) {
  int64_t shape[] = {1, 3, height, width};
  const DLTensor in = {
      .data = picture, .device = {kDLCPU, 0}, .ndim = 4, .dtype = tn_type_to_dlpack(TN_F32), .shape = shape};
  const DLTensor *inputs[] = {&in};
  const tn_model *model;
  tn_tensor *out = NULL;
  if (tn_module_model(module, "main", &model, error) || tn_model_call(model, inputs, 1, &out, 1, error)) return false;
  const DLTensor *scores = tn_tensor_view(out);
  print_text(tn_tensor_data(out), scores->shape[1], scores->shape[2], characters);
  tn_tensor_destroy(out);
  return true;
}

int main(int argc, char **argv) {
  static text_file characters;
  int64_t height = 0, width = 0;
  if (argc != 4) return fprintf(stderr, "usage: read_text MODEL.onnx PICTURE.png CHARACTERS\n"), 2;
  float *picture = read_picture(argv[2], &height, &width);
  bool good = read_lines(argv[3], &characters) && picture;
  if (!good) fprintf(stderr, "read_text: %s or %s cannot be read\n", argv[2], argv[3]);
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  tn_context *context = NULL;
  tn_program *program = NULL;
  tn_module *module = NULL;
  tn_error *error = NULL;
  good = good && !tn_context_create(NULL, &context, &error) &&
         !tn_onnx_load(context, argv[1], &desc, &program, &error) && !tn_compile(program, NULL, &module, &error) &&
         run(module, picture, height, width, &characters, &error);
  if (error) fprintf(stderr, "read_text: %s\n", tn_error_text(error));
  tn_error_destroy(error);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(context);
  free(characters.bytes);
  free(picture);
  return good ? 0 : 1;
}
