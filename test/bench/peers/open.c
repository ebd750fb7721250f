/* open.c -- finds a library of a peer at run time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdio.h>

#include "../bench.h"

void *bench_open(const char *folder, const char *const *names) {
  char path[1024];
  for (; *names; names++) {
    void *library = NULL;
    if (folder && snprintf(path, sizeof path, "%s/%s", folder, *names) < (int)sizeof path)
      library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
  }
  return NULL;
}
