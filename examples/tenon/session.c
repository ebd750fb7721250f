/* session.c -- what every subcommand needs: messages, a context, the program it works on, progress.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

int report(const char *what, tn_error *error) {
  fprintf(stderr, "tenon: %s: %s\n", what, tn_error_text(error));
  tn_error_destroy(error);
  return EXIT_FAILED;
}

/* What the command takes for its whole run is listed, so that a leak checker sees what leaks in the library. */
static struct block { struct block *next; } * blocks;

static void free_blocks(void) {
  while (blocks) {
    struct block *next = blocks->next;
    free(blocks);
    blocks = next;
  }
}

void *take(size_t count, size_t size) {
  enum { HEAD = 16 };
  struct block *block = size && count > (SIZE_MAX - HEAD) / size ? NULL : calloc(1, HEAD + count * size);
  if (!block) {
    fprintf(stderr, "tenon: out of memory\n");
    exit(EXIT_FAILED);
  }
  if (!blocks) atexit(free_blocks);
  block->next = blocks;
  blocks = block;
  return (char *)block + HEAD;
}

char *take_text(const char *format, ...) {
  va_list args;
  char *made = NULL;
  va_start(args, format);
  int length = vasprintf(&made, format, args);
  va_end(args);
  char *text = take(length < 0 ? SIZE_MAX : (size_t)length + 1, 1);
  memcpy(text, made, (size_t)length);
  free(made);
  return text;
}

double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- open dimensions ------------------------------------------------------------------------------------------- */

bool parse_shape(const char *text, int64_t *shape, int32_t *rank) {
  for (*rank = 0; *text;) {
    char *end;
    if (*rank == TN_MAX_RANK || *text < '0' || *text > '9') return false;
    shape[(*rank)++] = strtoll(text, &end, 10);
    if (*end && (*end != 'x' || !end[1])) return false;
    text = *end ? end + 1 : end;
  }
  return true;
}

/* The part before the last '=' as a text of its own, the part after it in *value. NULL: there is none. */
static const char *split_pair(const char *pair, const char **value) {
  const char *equals = strrchr(pair, '=');
  if (!equals || equals == pair) return NULL;
  *value = equals + 1;
  return take_text("%.*s", (int)(equals - pair), pair);
}

static bool read_shapes(const texts *specs, tn_input_shape *out) {
  for (size_t i = 0; i < specs->count; i++) {
    const char *value = "";
    int64_t *shape = take(TN_MAX_RANK, sizeof *shape);
    out[i].input = split_pair(specs->items[i], &value);
    out[i].shape = shape;
    if (!out[i].input || !parse_shape(value, shape, &out[i].rank)) {
      fprintf(stderr, "tenon: --shape %s: expected NAME=2x3 with at most %d dimensions\n", specs->items[i],
              TN_MAX_RANK);
      return false;
    }
  }
  return true;
}

static bool read_dims(const texts *specs, tn_dim *out) {
  for (size_t i = 0; i < specs->count; i++) {
    const char *value = "";
    char *end = NULL;
    out[i].name = split_pair(specs->items[i], &value);
    if (out[i].name) out[i].value = strtoll(value, &end, 10);
    if (!out[i].name || end == value || *end || out[i].value < 0) {
      fprintf(stderr, "tenon: --dim %s: expected NAME=NUMBER\n", specs->items[i]);
      return false;
    }
  }
  return true;
}

/* ---- loading ---------------------------------------------------------------------------------------------------- */

static bool find_unproven(session *s) {
  static const char *const names[] = {
      [TN_UNPROVEN_CHECK] = "check", [TN_UNPROVEN_REFUSE] = "refuse", [TN_UNPROVEN_TRUST] = "trust"};
  for (int i = TN_UNPROVEN_CHECK; i <= TN_UNPROVEN_TRUST; i++) {
    s->unproven_found = (enum tn_unproven)i;
    if (!s->unproven || !strcmp(s->unproven, names[i])) return true;
  }
  fprintf(stderr, "tenon: --unproven %s: expected check, refuse or trust\n", s->unproven);
  return false;
}

static bool open_cache(session *s) {
  tn_error *error;
  tn_cache_desc desc = {.struct_size = sizeof desc, .directory = s->cache, .key_file = s->cache_key};
  return tn_cache_open(s->context, &desc, &s->cache_opened, &error) ? report("--cache", error), false : true;
}

bool session_open(session *s) {
  tn_error *error = NULL;
  tn_context_desc desc = {.struct_size = sizeof desc};
  desc.threads.count = s->threads;
  if (!find_unproven(s)) return false;
  if (tn_context_create(&desc, &s->context, &error)) return report("context", error), false;
  if (s->cache && !open_cache(s)) return session_close(s), false;
  if (s->target && tn_target_get(s->context, s->target, &s->target_found, &error)) {
    report("--target", error);
    session_close(s);
    return false;
  }
  return true;
}

void session_close(session *s) {
  tn_cache_close(s->cache_opened);
  s->cache_opened = NULL;
  tn_context_destroy(s->context);
  s->context = NULL;
}

static bool load_text(session *s, const char *path, tn_program **out) {
  char *text;
  size_t size;
  tn_error *error = NULL;
  if (!read_file(path, &text, &size)) return false;
  tn_status status = tn_program_parse(s->context, text, size, path, out, &error);
  free(text);
  return status ? report(path, error), false : true;
}

/* The folder that a file is in: models may have weights beside them. */
static const char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == path ? "/" : slash ? take_text("%.*s", (int)(slash - path), path) : ".";
}

static bool load_model(session *s, const char *path, size_t given_count, const tn_input_shape *given,
                       tn_program **out) {
  tn_error *error = NULL;
  tn_input_shape *shapes = take(given_count + s->shapes.count, sizeof *shapes);
  tn_dim *dims = take(s->dims.count, sizeof *dims);
  tn_import_desc desc = {.struct_size = sizeof desc, .dims = dims, .dim_count = s->dims.count, .shapes = shapes,
                         .data_directory = folder_of(path)};
  if (given) {
    memcpy(shapes, given, given_count * sizeof *shapes);
    desc.shape_count = given_count;
  } else {
    if (!read_shapes(&s->shapes, shapes)) return false;
    desc.shape_count = s->shapes.count;
    desc.default_dim = 1;
  }
  if (!read_dims(&s->dims, dims)) return false;
  return tn_onnx_load(s->context, path, &desc, out, &error) ? report(path, error), false : true;
}

bool session_load(session *s, const char *path, size_t given_count, const tn_input_shape *given, tn_program **out) {
  *out = NULL;
  return has_suffix(path, ".tn") ? load_text(s, path, out) : load_model(s, path, given_count, given, out);
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

bool progress_wanted(const session *s) { return s->progress || isatty(STDERR_FILENO); }

void progress_clear(const session *s) {
  if (progress_wanted(s)) fprintf(stderr, "\r%40s\r", "");
}

static int32_t show_compile(void *self, int32_t done, int32_t total) {
  (void)self;
  fprintf(stderr, "\rcompiled %d of %d kernels ", (int)done, (int)total);
  fflush(stderr);
  return 0;
}

tn_compile_desc session_compile_desc(session *s) {
  tn_compile_desc desc = {
      .struct_size = sizeof desc, .target = s->target_found, .unproven = (uint8_t)s->unproven_found,
      .integers = s->integers, .direct = s->direct, .cache = s->cache_opened};
  if (progress_wanted(s)) desc.progress = show_compile;
  passes_dump(&desc);
  return desc;
}
