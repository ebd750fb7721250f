/* replay.c -- the main of a fuzz target without a fuzzer: runs the files of the folders that it is given, each once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>

#include "fuzz.h"

static void run_file(const char *path) {
  FILE *file = fopen(path, "rb");
  MUST(file && fseek(file, 0, SEEK_END) == 0);
  size_t size = (size_t)ftell(file);
  rewind(file);
  uint8_t *data = malloc(size ? size : 1); /* no byte more, for the sanitizer */
  MUST(data && fread(data, 1, size, file) == size);
  fclose(file);
  LLVMFuzzerTestOneInput(data, size);
  free(data);
}

static int run_folder(const char *path) {
  char name[4096];
  int count = 0;
  DIR *folder = opendir(path);
  MUST(folder);
  for (const struct dirent *entry; (entry = readdir(folder));) {
    if (*entry->d_name == '.') continue;
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    run_file(name);
    count++;
  }
  closedir(folder);
  return count;
}

int main(int argc, char **argv) {
  int count = 0;
  for (int i = 1; i < argc; i++) count += run_folder(argv[i]);
  tn_context_destroy(fuzz_context());
  printf("%d inputs\n", count);
  return count == 0;
}
