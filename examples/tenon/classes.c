/* classes.c -- scores as answers: the best classes of each row, their probabilities, and whether they are right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

enum { UNKNOWN = -1 };

/* The scores as rows of numbers, and what is known beside them. */
typedef struct answers {
  int64_t rows, classes;
  double *values;    /* [rows, classes] */
  texts labels;      /* count 0: classes are numbers */
  int64_t *expected; /* [rows], UNKNOWN or a class */
} answers;

/* ---- what is right ----------------------------------------------------------------------------------------------- */

static int64_t find_label(const texts *labels, const char *name, size_t length) {
  for (size_t i = 0; i < labels->count; i++) {
    if (strlen(labels->items[i]) == length && !memcmp(labels->items[i], name, length)) return (int64_t)i;
  }
  return UNKNOWN;
}

/* "03_dress.png" and "dress.png" name the class "dress". */
static int64_t class_of_file(const texts *labels, const char *path) {
  const char *name = base_name(path), *dot = strrchr(name, '.'), *from = name;
  while (isdigit((unsigned char)*from)) from++;
  from = from > name && *from == '_' ? from + 1 : name;
  return find_label(labels, from, dot && dot > from ? (size_t)(dot - from) : strlen(from));
}

static bool expect_list(answers *a, const char *list) {
  int64_t row = 0;
  for (const char *at = list; *at; row++) {
    size_t length = strcspn(at, ",");
    char *end;
    int64_t class = find_label(&a->labels, at, length);
    if (class == UNKNOWN) class = strtoll(at, &end, 10);
    if (row >= a->rows || class < 0 || class >= a->classes || (!a->labels.count && end != at + length)) {
      fprintf(stderr, "tenon: --expect %s: no file, and not %lld numbers or labels of classes\n", list,
              (long long)a->rows);
      return false;
    }
    a->expected[row] = class;
    at += length + (at[length] == ',');
  }
  if (row != a->rows)
    fprintf(stderr, "tenon: --expect: %lld classes for %lld rows\n", (long long)row, (long long)a->rows);
  return row == a->rows;
}

static bool expect_file(session *s, answers *a, const char *path) {
  array file;
  if (!read_array(s, path, &file)) return false;
  bool good = array_count(&file) == a->rows;
  if (!good)
    fprintf(stderr, "tenon: %s: %lld classes for %lld rows\n", path, (long long)array_count(&file), (long long)a->rows);
  for (int64_t i = 0; good && i < a->rows; i++) a->expected[i] = (int64_t)array_get(&file, i);
  array_destroy(&file);
  return good;
}

static bool find_expected(session *s, answers *a, const classes_options *o, const texts *files) {
  a->expected = take((size_t)a->rows, sizeof *a->expected);
  for (int64_t i = 0; i < a->rows; i++) {
    a->expected[i] = files->count ? class_of_file(&a->labels, files->items[i]) : UNKNOWN;
  }
  if (!o->expect) return true;
  return access(o->expect, F_OK) ? expect_list(a, o->expect) : expect_file(s, a, o->expect);
}

/* ---- probabilities ------------------------------------------------------------------------------------------------ */

/* Not negative, and a sum of 1. */
static bool is_distribution(const double *row, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) {
    if (!(row[i] >= 0)) return false;
    sum += row[i];
  }
  return fabs(sum - 1) < 1e-3;
}

static void softmax(double *row, int64_t count) {
  double high = -INFINITY, sum = 0;
  for (int64_t i = 0; i < count; i++) high = fmax(high, row[i]);
  for (int64_t i = 0; i < count; i++) sum += row[i] = exp(row[i] - high);
  for (int64_t i = 0; i < count; i++) row[i] /= sum;
}

static void to_probabilities(answers *a, const char *name) {
  bool all = true;
  for (int64_t i = 0; all && i < a->rows; i++) all = is_distribution(a->values + i * a->classes, a->classes);
  for (int64_t i = 0; !all && i < a->rows; i++) softmax(a->values + i * a->classes, a->classes);
  printf(all ? "probabilities: output `%s` as it is\n" : "probabilities: softmax of output `%s`\n", name);
}

/* The class with the greatest value below `bound` in the order (value, then smaller class); NaN is never best. */
static int64_t next_best(const double *row, int64_t count, int64_t after) {
  int64_t best = UNKNOWN;
  for (int64_t i = 0; i < count; i++) {
    bool eligible = after == UNKNOWN || row[i] < row[after] || (row[i] == row[after] && i > after);
    if (!isnan(row[i]) && eligible && (best == UNKNOWN || row[i] > row[best])) best = i;
  }
  return best;
}

/* ---- printing ----------------------------------------------------------------------------------------------------- */

static const char *label_of(const answers *a, int64_t class) {
  return (size_t) class < a->labels.count ? a->labels.items[class] : take_text("class %lld", (long long)class);
}

static void print_row(const answers *a, int64_t row, int32_t top, const char *name) {
  const double *values = a->values + row * a->classes;
  int64_t class = next_best(values, a->classes, UNKNOWN), expected = a->expected[row];
  const char *verdict = expected == UNKNOWN ? "" : expected == class ? "right" : "wrong";
  for (int32_t k = 0; k < top && class != UNKNOWN; k++) {
    printf("%-20s %-14s %.5f  %s\n", k ? "" : name, label_of(a, class), values[class], k ? "" : verdict);
    class = next_best(values, a->classes, class);
  }
}

static void print_count(const answers *a) {
  int64_t known = 0, right = 0;
  for (int64_t i = 0; i < a->rows; i++) {
    if (a->expected[i] == UNKNOWN) continue;
    known++;
    right += a->expected[i] == next_best(a->values + i * a->classes, a->classes, UNKNOWN);
  }
  if (known) printf("correct: %lld of %lld\n", (long long)right, (long long)known);
}

static bool read_scores(answers *a, const char *name, const array *scores) {
  a->rows = scores->rank > 1 ? scores->shape[0] : 1;
  a->classes = a->rows ? array_count(scores) / a->rows : 0;
  if (!a->classes) {
    fprintf(stderr, "tenon: output `%s` %s has no classes\n", name,
            shape_text(scores->type, scores->rank, scores->shape));
    return false;
  }
  a->values = take((size_t)(a->rows * a->classes), sizeof *a->values);
  for (int64_t i = 0; i < a->rows * a->classes; i++) a->values[i] = array_get(scores, i);
  return true;
}

bool classes_print(session *s, const classes_options *options, const char *name, const array *scores,
                   const texts *files) {
  answers a = {0};
  if (options->labels && !read_lines(options->labels, &a.labels)) return false;
  if (!read_scores(&a, name, scores) || !find_expected(s, &a, options, files)) return false;
  if (options->top) to_probabilities(&a, name);
  for (int64_t i = 0; options->top && i < a.rows; i++) {
    print_row(&a, i, options->top, files->count ? base_name(files->items[i]) : take_text("row %lld", (long long)i));
  }
  print_count(&a);
  return true;
}
