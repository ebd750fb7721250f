/* diff.c -- what changed between two texts, line by line: the shortest script of removed and added lines (E. W. Myers, "An
 * O(ND) Difference Algorithm and Its Variations", 1986), shown with some lines around.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* Beyond MOST_EDITS the middle is shown as all removed and all added. */
enum { CONTEXT = 2, MOST_EDITS = 2000 };

typedef struct lines {
  const char **at;
  size_t *length;
  size_t count;
} lines;

static lines split_lines(const char *text) {
  lines out = {0};
  size_t count = 0;
  for (const char *c = text; *c; c++) count += *c == '\n' || !c[1];
  out.at = take(count, sizeof *out.at);
  out.length = take(count, sizeof *out.length);
  while (*text) {
    const char *end = strchr(text, '\n');
    size_t length = end ? (size_t)(end - text) : strlen(text);
    out.at[out.count] = text;
    out.length[out.count++] = length;
    text += length + (end != NULL);
  }
  return out;
}

static bool same_line(const lines *a, size_t i, const lines *b, size_t k) {
  return a->length[i] == b->length[k] && memcmp(a->at[i], b->at[k], a->length[i]) == 0;
}

/* What happens to each line: kept in both, or not. */
typedef struct marks {
  bool *removed, *added; /* by line of a; of b */
} marks;

/* The furthest x on each diagonal after `d` edits; `rounds` keeps the state before each round. Gives the number of edits, or
 * -1 when they are too many. */
static int search(const lines *a, const lines *b, size_t skip, int n, int m, int **rounds) {
  int most = n + m < MOST_EDITS ? n + m : MOST_EDITS;
  int *furthest = (int *)take(2 * (size_t)most + 3, sizeof *furthest) + most + 1;
  for (int d = 0; d <= most; d++) {
    rounds[d] = (int *)take(2 * (size_t)d + 3, sizeof **rounds) + d + 1;
    memcpy(rounds[d] - d - 1, furthest - d - 1, (2 * (size_t)d + 3) * sizeof **rounds);
    for (int k = -d; k <= d; k += 2) {
      bool down = k == -d || (k != d && furthest[k - 1] < furthest[k + 1]);
      int x = down ? furthest[k + 1] : furthest[k - 1] + 1;
      while (x < n && x - k < m && same_line(a, skip + (size_t)x, b, skip + (size_t)(x - k))) x++;
      furthest[k] = x;
      if (x == n && x - k == m) return d;
    }
  }
  return -1;
}

/* Walks the rounds back from the end and marks the edits. */
static void mark_edits(int d, int n, int m, int *const *rounds, size_t skip, marks *out) {
  int x = n, y = m;
  for (; d > 0; d--) {
    const int *before = rounds[d];
    int k = x - y;
    bool down = k == -d || (k != d && before[k - 1] < before[k + 1]);
    int from = down ? k + 1 : k - 1;
    x = before[from];
    y = x - from;
    if (down)
      out->added[skip + (size_t)y] = true;
    else
      out->removed[skip + (size_t)x] = true;
  }
}

static marks compare(const lines *a, const lines *b) {
  marks out = {take(a->count + 1, sizeof(bool)), take(b->count + 1, sizeof(bool))};
  size_t skip = 0, tail = 0;
  while (skip < a->count && skip < b->count && same_line(a, skip, b, skip)) skip++;
  while (skip + tail < a->count && skip + tail < b->count && same_line(a, a->count - 1 - tail, b, b->count - 1 - tail))
    tail++;
  int n = (int)(a->count - skip - tail), m = (int)(b->count - skip - tail);
  int **rounds = take(MOST_EDITS + 1, sizeof *rounds);
  int edits = search(a, b, skip, n, m, rounds);
  if (edits >= 0) {
    mark_edits(edits, n, m, rounds, skip, &out);
    return out;
  }
  memset(out.removed + skip, 1, (size_t)n);
  memset(out.added + skip, 1, (size_t)m);
  return out;
}

static bool is_near_edit(const lines *a, const lines *b, const marks *m, size_t i, size_t k) {
  for (size_t d = 0; d <= CONTEXT; d++) {
    if (i + d < a->count && m->removed[i + d]) return true;
    if (k + d < b->count && m->added[k + d]) return true;
    if (d && d <= i && m->removed[i - d]) return true;
    if (d && d <= k && m->added[k - d]) return true;
  }
  return false;
}

static void print_line(char sign, const lines *l, size_t i) { printf("%c %.*s\n", sign, (int)l->length[i], l->at[i]); }

bool print_difference(const char *before, const char *after) {
  lines a = split_lines(before), b = split_lines(after);
  marks m = compare(&a, &b);
  bool changed = false, hidden = false;
  for (size_t i = 0, k = 0; i < a.count || k < b.count;) {
    if (i < a.count && m.removed[i]) {
      print_line('-', &a, i++);
      changed = true;
    } else if (k < b.count && m.added[k]) {
      print_line('+', &b, k++);
      changed = true;
    } else {
      bool near = is_near_edit(&a, &b, &m, i, k);
      if (near && hidden) printf("  ...\n");
      if (near) print_line(' ', &a, i);
      hidden = !near;
      i++, k++;
    }
  }
  return changed;
}
