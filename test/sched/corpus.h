/* corpus.h -- the programs and schedules of the .tn files of a folder (cases.c), for the fuzzer to go on from.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_CORPUS_H
#define TEST_SCHED_CORPUS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CORPUS_CASES = 2048 };

/* Pieces of file texts that stay as long as the process. */
typedef struct corpus_case {
  const char *program, *lines;
  size_t program_size, lines_size;
} corpus_case;

static corpus_case corpus[CORPUS_CASES];
static size_t corpus_count;

static inline char *corpus_read(const char *path) {
  FILE *f = fopen(path, "rb");
  size_t room = 1 << 18, size = 0;
  char *text = f ? calloc(1, room) : NULL;
  if (text) size = fread(text, 1, room - 1, f);
  if (f) fclose(f);
  return size ? text : NULL;
}

static inline void corpus_add_file(const char *text) {
  const char *end = strstr(text, "\n--- schedule\n"), *at = end;
  while (end && at && corpus_count < CORPUS_CASES) {
    const char *lines = at + strlen("\n--- schedule\n"), *behind = strstr(lines - 1, "\n---");
    if (!behind) return;
    corpus[corpus_count++] = (corpus_case){text, lines, (size_t)(end + 1 - text), (size_t)(behind + 1 - lines)};
    at = strstr(behind, "\n--- schedule\n");
  }
}

static inline int corpus_by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* In the order of their names. False: there is no such folder. */
static inline int corpus_load(const char *folder) {
  char *names[1024], path[1024];
  size_t count = 0;
  struct dirent *entry;
  DIR *dir = opendir(folder);
  if (!dir) return 0;
  while ((entry = readdir(dir)) && count < 1024)
    if (strstr(entry->d_name, ".tn")) names[count++] = strdup(entry->d_name);
  closedir(dir);
  qsort(names, count, sizeof *names, corpus_by_name);
  for (size_t i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    char *text = corpus_read(path);
    if (text) corpus_add_file(text);
    free(names[i]);
  }
  return 1;
}

#endif
