/* inputs.c -- the --in options: which files make which input of the model.
 *
 * Files of one input lie one after the other along its leading dimension: two pictures [1, 1, 28, 28] are the batch
 * [2, 1, 28, 28].
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <unistd.h>

#include "command.h"

input *inputs_find(const inputs *in, const char *name) {
  for (size_t i = 0; i < in->count; i++) {
    if (!strcmp(in->items[i].name, name)) return &in->items[i];
  }
  return NULL;
}

static bool same_rows(const array *a, const array *b) {
  return a->type == b->type && a->rank == b->rank && a->rank > 0 && a->picture == b->picture &&
         !memcmp(a->shape + 1, b->shape + 1, (size_t)(a->rank - 1) * sizeof *a->shape);
}

/* Joins `count` arrays (which are destroyed) into *out. */
static bool join(const char *name, array *parts, const texts *files, array *out) {
  int64_t shape[TN_MAX_RANK];
  memcpy(shape, parts[0].shape, sizeof shape);
  for (size_t i = 1; i < files->count; i++) {
    if (!same_rows(&parts[0], &parts[i])) {
      fprintf(stderr, "tenon: --in %s: %s is %s, but %s is %s: they do not make a batch\n", name, files->items[0],
              shape_text(parts[0].type, parts[0].rank, parts[0].shape), files->items[i],
              shape_text(parts[i].type, parts[i].rank, parts[i].shape));
      return false;
    }
    shape[0] += parts[i].shape[0];
  }
  if (files->count > 1 && rows_share_bytes(parts[0].type, parts[0].rank, parts[0].shape)) {
    fprintf(stderr, "tenon: --in %s: rows of %s share bytes: they cannot be joined\n", name,
            shape_text(parts[0].type, parts[0].rank, parts[0].shape));
    return false;
  }
  if (!array_create(out, parts[0].type, parts[0].rank, shape, name)) return false;
  out->picture = parts[0].picture;
  char *to = out->data;
  for (size_t i = 0; i < files->count; i++) {
    memcpy(to, parts[i].data, array_bytes(&parts[i]));
    to += array_bytes(&parts[i]);
  }
  return true;
}

static bool read_files(session *s, input *in) {
  array *parts = take(in->files.count, sizeof *parts);
  bool good = true;
  for (size_t i = 0; good && i < in->files.count; i++) good = read_array(s, in->files.items[i], &parts[i]);
  good = good && join(in->name, parts, &in->files, &in->array);
  for (size_t i = 0; i < in->files.count; i++) array_destroy(&parts[i]);
  return good;
}

static void add_file(texts *files, const char *file) {
  const char **grown = take(files->count + 1, sizeof *grown);
  if (files->count) memcpy(grown, files->items, files->count * sizeof *grown);
  grown[files->count++] = file;
  files->items = grown;
}

/* A list at commas, unless the whole is the name of a file. */
static void add_files(texts *files, const char *list) {
  const char *comma;
  while (access(list, F_OK) && (comma = strchr(list, ','))) {
    add_file(files, take_text("%.*s", (int)(comma - list), list));
    list = comma + 1;
  }
  add_file(files, list);
}

/* --shape NAME=28x28 for a picture input: the same elements in another form per row. */
static bool reshape(session *s, input *in) {
  for (size_t i = 0; i < s->shapes.count; i++) {
    const char *spec = s->shapes.items[i], *equals = strrchr(spec, '=');
    size_t length = equals ? (size_t)(equals - spec) : 0;
    if (!length || strlen(in->name) != length || memcmp(spec, in->name, length)) continue;
    array to = in->array;
    if (!parse_shape(equals + 1, to.shape, &to.rank) || array_count(&to) != array_count(&in->array)) {
      fprintf(stderr, "tenon: --shape %s: the files of that input make %s\n", spec,
              shape_text(in->array.type, in->array.rank, in->array.shape));
      return false;
    }
    in->array = to;
  }
  return true;
}

bool inputs_read(session *s, const texts *specs, inputs *out) {
  out->count = 0;
  out->items = take(specs->count, sizeof *out->items);
  for (size_t i = 0; i < specs->count; i++) {
    const char *spec = specs->items[i], *equals = strchr(spec, '=');
    if (!equals || equals == spec || !equals[1]) {
      fprintf(stderr, "tenon: --in %s: expected NAME=FILE\n", spec);
      return false;
    }
    const char *name = take_text("%.*s", (int)(equals - spec), spec);
    input *in = inputs_find(out, name);
    if (!in) in = &out->items[out->count++];
    in->name = name;
    add_files(&in->files, equals + 1);
  }
  for (size_t i = 0; i < out->count; i++) {
    if (!read_files(s, &out->items[i]) || !reshape(s, &out->items[i])) return false;
  }
  return true;
}
